"""``onemap audit``: the audit log: that nobody changed it, what of it is kept, who owns it."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.context import Json, group

app = typer.Typer()
audit = group(app, "audit", "审计日志 · the audit log")


@audit.command()
def verify(
    anchor: Annotated[
        str | None, typer.Option("--anchor", help="此前 head 给出的锚点 · what head said earlier")
    ] = None,
    as_json: Json = False,
) -> None:
    """校验 · Recompute the chain of digests; exit code 1 when it is broken."""
    from serving import audit

    verdict = audit.verify(anchor)
    if as_json:
        output.as_json({"entries": verdict.entries, "head": verdict.head, "broken": verdict.broken, "why": verdict.why})
    elif verdict.broken is None:
        output.out.print(f"✓ 链完整 the chain holds  {verdict.entries} 条 entries  {verdict.head}")
    else:
        output.err.print(f"✗ 链在第 {verdict.broken} 条断开 broken at {verdict.broken}: {verdict.why}")
    if verdict.broken is not None:
        raise typer.Exit(1)


@audit.command()
def head() -> None:
    """锚点 · The last entry's number and digest, to be kept elsewhere."""
    from serving import audit

    print(audit.head())


@audit.command()
def retire(
    days: Annotated[
        int, typer.Option("--days", min=180, help="保留天数 · days that stay (网络安全法：不少于六个月)")
    ] = 1095,
) -> None:
    """清理 · Entries past their keeping go into the archive, sealed; the chain still proves."""
    from datetime import timedelta

    from serving import audit

    output.out.print(f"✓ 已归档并清理 {audit.retire(timedelta(days=days)):,} 条 entries archived and taken out")


@audit.command()
def separate(
    application: Annotated[
        str, typer.Argument(help="应用所用的数据库用户 · the user of ONEMAP_DATABASE_URL")
    ] = "onemap",
) -> None:
    """移交 · Give the log an owner that the application is not (run as the server's administrator)."""
    from serving import audit

    audit.separate(application)
    output.out.print(f"✓ 审计日志归 {audit.OWNER} 所有，{application} 只可读取和追加", markup=False)
