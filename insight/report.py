"""What the city learns of its own cases, whole: computed after the day's judgement, kept a row a day, read by page, API and command."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import polars as pl

from insight import ledger, paths, summary
from insight.days import HOLDER_ZH, HOLDERS
from store.engine import transaction

LISTED = 30  # rows of a list that are kept, the longest first
BROKEN = 5000  # breaches of the order that are kept
WAYS = 10

_DAYS = """
insert into supervision.insight_days (project_code, holder, department, item_code, item_name, days)
select project_code, holder, department, item_code, item_name, days from jsonb_to_recordset(cast(%(rows)s as jsonb)) as r(
    project_code text, holder text, department text, item_code text, item_name text, days int)"""


def compute(found: summary.Whole) -> dict[str, Any]:
    """Figures, days, bottlenecks, paths and conformance as of a day, JSON-able."""
    as_of = found.as_of
    with transaction() as connection:
        figures = ledger.figures(connection, as_of)
    variants = paths.variants(found.traces)
    order = paths.conformance(found.steps)
    document = {
        "as_of": as_of,
        "projects": found.projects,
        "elapsed": found.elapsed,
        "figures": [asdict(figure) for figure in figures],
        "holders": _holders(found),
        "departments": _top(
            found.spent.filter(pl.col("holder") == "government").group_by("department").agg(pl.col("days").sum()),
            "days",
        ),
        "items": _top(found.spent.group_by("holder", "item_code", "item_name").agg(pl.col("days").sum()), "days"),
        "bottlenecks": {by: summary.bottlenecks(found.cases, by).head(LISTED).to_dicts() for by in summary.BY},
        "enough": summary.ENOUGH,
        "variants": variants.head(WAYS).to_dicts(),
        "ways": variants.height,
        "steps": found.steps.height,
        "kept": int(found.steps["kept"].sum() or 0),
        "order": order.filter(pl.col("kept") < pl.col("steps")).head(LISTED).to_dicts(),
        "broken": found.steps.filter(~pl.col("kept")).sort("began_on", descending=True).head(BROKEN).to_dicts(),
    }
    return json.loads(json.dumps(document, ensure_ascii=False, default=str))


def _holders(found: summary.Whole) -> list[dict[str, Any]]:
    days = dict(found.spent.group_by("holder").agg(pl.col("days").sum()).iter_rows())
    return [
        {"holder": h, "zh": HOLDER_ZH[h], "days": days.get(h, 0), "share": days.get(h, 0) / max(found.elapsed, 1)}
        for h in HOLDERS
    ]


def _top(frame: pl.DataFrame, by: str) -> list[dict[str, Any]]:
    keys = [name for name in frame.columns if name != by]
    return frame.sort(by, *keys, descending=[True, *(False for _ in keys)], nulls_last=True).head(LISTED).to_dicts()


def keep(as_of: date) -> dict[str, Any]:
    """Compute and keep; a day that is computed again takes the place of what was kept of it."""
    found = summary.gather(as_of)
    document = compute(found)
    with transaction() as connection:
        connection.exec_driver_sql("delete from supervision.insight_days")
        connection.exec_driver_sql(_DAYS, {"rows": found.spent.write_json()})
        connection.exec_driver_sql(
            """insert into supervision.insight (as_of, told) values (%(day)s, %(told)s)
               on conflict (as_of) do update set told = excluded.told, made_at = now()""",
            {"day": as_of, "told": json.dumps(document, ensure_ascii=False)},
        )
    return document


def latest() -> dict[str, Any] | None:
    """What was kept last; None: nothing yet."""
    with transaction() as connection:
        return connection.exec_driver_sql("select told from supervision.insight order by as_of desc limit 1").scalar()


#: The projects that a sum of days is made of, the most days first.
_PROJECTS_OF_DAYS = """select d.project_code, max(p.project_name) as project_name, sum(d.days)::int as days
from supervision.insight_days d left join store.project p on p.id = d.project_code
where d.holder = %(holder)s and (%(department)s::text is null or coalesce(d.department, '部门未知') = %(department)s)
  and (%(item)s::text is null or coalesce(d.item_code, '') = %(item)s)
group by 1 order by 3 desc, 1"""


def days(holder: str, department: str | None, item: str | None) -> list[dict[str, Any]]:
    """project_code, project_name, days: what a sum of days is made of, as it was computed last, the most first. A department counts for
    the days of departments alone, as on the page."""
    with transaction() as connection:
        rows = connection.exec_driver_sql(_PROJECTS_OF_DAYS, {"holder": holder, "department": department, "item": item})
        return [dict(row._mapping) for row in rows]
