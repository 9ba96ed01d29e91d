"""``onemap insight``: the reform's ledger, where the days go, and the event log for process mining."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import Json, attach, group

AsOf = Annotated[datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="截至日 · as of the end of a day")]


app = typer.Typer()
insight = group(app, "insight", "改革台账与用时去向 · the reform's ledger, where the days go")


@insight.command()
def show(as_of: AsOf = None, as_json: Json = False) -> None:
    """计算并留存 · Compute it of the whole city, keep it for the page, and show it."""
    attach()
    from core import clock
    from insight import report

    result = report.keep(as_of.date() if as_of else clock.today())
    if as_json:
        return output.as_json(result)
    output.table(
        ("指标", "数值", "单位", "说明", "依据"),
        [
            (
                f["zh"],
                "—" if f["value"] is None else f"{f['value']:,.4g}",
                f["unit"],
                f["note"],
                f"{len(f['rows']):,} 行",
            )
            for f in result["figures"]
        ],
        f"改革台账，截至 {result['as_of']}",
    )
    output.table(
        ("归属", "天数", "占比"),
        [(h["zh"], f"{h['days']:,}", f"{h['share']:.1%}") for h in result["holders"]],
        f"用时去向：{result['projects']:,} 个项目共 {result['elapsed']:,} 天",
    )
    return None


@insight.command()
def ocel(
    out: Annotated[Path, typer.Argument(help="文件 · file, .json", dir_okay=False)] = Path("onemap-ocel.json"),
) -> None:
    """导出 · The store's events as OCEL 2.0 (JSON), for pm4py, Celonis, Apromore; nothing personal is in it."""
    attach()
    import getpass

    from insight import ocel as log
    from serving.access import PROJECTS, Grant, reading

    with reading(Grant(f"cli:{getpass.getuser()}", frozenset({PROJECTS}))) as connection:
        counts = log.written(connection, out)
    output.out.print(f"✓ {out}：对象 {counts['objects']:,}，事件 {counts['events']:,}")
