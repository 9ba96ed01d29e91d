"""``onemap report project, town, department, supervision``: analysis reports as HTML, Word or PDF."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.context import group
from core.errors import NotFoundError
from serving.formats import Format

As = Annotated[Format, typer.Option("--format", help=", ".join(Format))]
Out = Annotated[Path | None, typer.Option("--out", help="文件，默认按报告名 · file")]


app = typer.Typer()
report = group(app, "report", "报告 · reports")


@report.command()
def project(
    code: Annotated[str, typer.Argument(help="项目代码 · project code")],
    format_: As = Format.html,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="截至日，默认最近判定日 · as of the end of a day"),
    ] = None,
    out: Out = None,
) -> None:
    """项目分析报告 · Position, limits, map, findings with evidence, what next and who."""
    from serving import report as reports

    _write(code, reports.of_project(_grant(), code, as_of.date() if as_of else None), format_, out)


@report.command()
def town(
    name: Annotated[str, typer.Argument(help="镇街名称或 9 位代码 · town")],
    format_: As = Format.html,
    out: Out = None,
) -> None:
    """镇街分析报告 · A town's projects, limits, findings, what next."""
    from serving import report as reports

    _write(name, reports.of_area(_grant(), "town", name), format_, out)


@report.command()
def department(
    name: Annotated[str, typer.Argument(help="部门名称或代码 · department")],
    format_: As = Format.html,
    out: Out = None,
) -> None:
    """部门分析报告 · A department's projects, limits, findings, what next."""
    from serving import report as reports

    _write(name, reports.of_area(_grant(), "department", name), format_, out)


@report.command("supervision")
def supervision_report(
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="判定日，默认今天 · as of a day")
    ] = None,
    format_: As = Format.html,
    out: Out = None,
) -> None:
    """全市督办情况 · The city's state: what runs late and where, findings, work orders, days saved."""
    from core import clock
    from serving import report as reports
    from supervision import city

    day = as_of.date() if as_of else clock.today()
    _write("city", reports.of_city(city.gather(day)), format_, out)


def _grant() -> Any:
    from serving.access import Grant

    return Grant(getpass.getuser())


def _write(asked: str, result: Any, format_: Format, out: Path | None) -> None:
    from serving import audit
    from serving.report import write

    if result is None:
        raise NotFoundError(
            f"nothing to report of {asked}",
            remedy="check the code or the name",
            zh=f"没有找到 {asked}，或名称不止一个。",
        )
    out = out or Path(f"{result.name}.{format_}")
    content, _ = write.written(result, format_)
    audit.append(getpass.getuser(), "report", asked, {"format": format_.value, "as_of": result.as_of.isoformat()})
    out.write_bytes(content)
    output.out.print(f"✓ {result.title} → {out}", markup=False)
