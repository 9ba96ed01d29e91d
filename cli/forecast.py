"""``onemap forecast``: before it is late."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cli import output
from cli.context import AsOf, Json, attach, day

app = typer.Typer()


@app.command()
def forecast(
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """预测 · Learn from the cases, forecast what runs, write it down, and show the likeliest to be late. No rule reads it."""
    attach()
    import getpass

    from core import clock
    from insight.forecast import run
    from serving.access import PROJECTS, Grant
    from serving.query import forecasts

    done = run.foresee(day(as_of) or clock.today())
    rows = forecasts.cases(Grant(f"cli:{getpass.getuser()}", frozenset({PROJECTS})), most=50)
    if as_json:
        return output.as_json({**asdict(done), "cases_listed": rows})
    if done.version is None:
        return output.out.print("样本太少，不作预测 · too few cases to learn from")
    output.table(
        ("逾期可能", "办件", "事项", "部门", "到期", "可能办结", "区间"),
        [
            (
                r["why"] or f"{r['chance']:.0%}",
                r["case_no"],
                r["item_name"] or r["item_code"],
                r["department_name"] or "—",
                r["due_promised"] or "—",
                r["likely_on"] or "—",
                f"{r['first_on']} 至 {r['last_on']}" if r["first_on"] else "—",
            )
            for r in rows
        ],
        f"模型 {done.version}：在办 {done.cases:,}，待数据 {done.waiting:,}，下一步 {done.steps:,}",
    )
    return None
