"""``onemap archive``: the live archive of a project, as a folder or a ZIP."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import attach
from core.errors import NotFoundError

app = typer.Typer()


@app.command()
def archive(
    project: Annotated[str, typer.Argument(help="项目代码 · project code")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="业务截至日，默认今天 · business time: up to that day"),
    ] = None,
    recorded: Annotated[
        datetime | None,
        typer.Option(
            "--recorded",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"],
            help="按枢纽当时所掌握 · what the hub knew at that time",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="目录，或 .zip 文件；默认当前目录下的 zip · folder or file")
    ] = None,
    personal: Annotated[
        bool,
        typer.Option(
            "--personal",
            help="含个人信息与原始记录，记入审计 · personal data and raw records; goes on the audit log",
        ),
    ] = False,
) -> None:
    """实时档案 · Everything of a project in order of time, where it came from, with a manifest of hashes."""
    attach()
    from core.clock import SHANGHAI
    from serving import archive as archives
    from serving import audit
    from serving.access import PERSONAL, PROJECTS, Grant

    actor = getpass.getuser()
    grant = Grant(actor, frozenset({PROJECTS, PERSONAL} if personal else {PROJECTS}))
    whole = archives.collect(
        grant, project, as_of.date() if as_of else None, recorded.replace(tzinfo=SHANGHAI) if recorded else None
    )
    if whole is None:
        raise NotFoundError(
            f"no project {project}", remedy="look for it on the One Map page", zh=f"没有项目 {project}。"
        )
    out = out or Path(f"{whole.name}.zip")
    audit.append(
        actor,
        "archive",
        project,
        {
            "as_of": whole.as_of.isoformat(),
            "recorded": str(recorded) if recorded else None,
            "personal": personal,
            "rows": len(whole.entries),
        },
    )
    if out.suffix == ".zip":
        out.write_bytes(archives.zipped(whole))
    else:
        archives.unfolded(whole, out)
    output.out.print(f"✓ {len(whole.entries):,} 条，业务截至 {whole.as_of} → {out}", markup=False)
