"""Counts for dashboards, over what the asker sees."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving.access import Grant
from serving.cache import Cache
from serving.rulebook import rules
from supervision import limits

#: what is counted → (SQL of its groups); each gives rows key, count.
GROUPS: dict[str, str] = {
    "projects_by_town": "select town_code as key, count(*) from asked.project group by 1",
    "projects_by_stage": "select case when finished then 'finished' else coalesce(current_stage::text, 'none') end as key, count(*) from asked.project group by 1",
    "projects_by_light": "select coalesce(light, '无') as key, count(*) from asked.project group by 1",
    "projects_by_type": "select coalesce(filing_type, '未知') as key, count(*) from asked.project group by 1",
    "cases_by_light": """select coalesce(light, '无') as key, count(*) from asked."case" group by 1""",
    "findings_by_rule": "select rule as key, count(*) from asked.finding where state in ('open', 'confirmed') group by 1",
    "findings_by_department": "select department_name as key, count(*) from asked.finding where state in ('open', 'confirmed') group by 1",
    "findings_by_state": "select state as key, count(*) from asked.finding group by 1",
    "orders_by_state": "select state as key, count(*) from asked.work_order group by 1",
    "orders_by_department": "select department_name as key, count(*) from asked.work_order where state <> 'closed' group by 1",
}
_OUTSIDE = "outside:"  # then the rules of 体外循环 by commas: what is kept in memory is of the rules in force
SINGLE = ("outside", "cases_late")
_LATE = f"""
select count(*) filter (where {limits.running_overdue_sql("c")}) as running_overdue, count(*) filter (where {limits.overdue_sql("c")}) as overdue
from asked."case" c"""


def statistics(grant: Grant, groups: list[str] | None = None) -> dict[str, Any]:
    """Each group as ``[{key, count}]``, most first; and :data:`SINGLE`: ``outside``, items and cases
    outside of the one window (体外循环), ``cases_late``, both counts of :mod:`supervision.limits`."""
    outside = _OUTSIDE + ",".join(rules().book.out_of_system)
    names = {name: name for name in (*GROUPS, "cases_late")} | {"outside": outside}
    return {name: _counts.of(grant, key) for name, key in names.items() if groups is None or name in groups}


def _count(connection: Connection, name: str) -> Any:
    if name.startswith(_OUTSIDE):
        row = connection.execute(
            sa.text(
                """select count(distinct item_code) as items, count(distinct case_no) as cases, count(*) as findings
                   from asked.finding where rule = any(:rules) and state in ('open', 'confirmed')"""
            ),
            {"rules": name.removeprefix(_OUTSIDE).split(",")},
        ).one()
        return dict(row._mapping)
    if name == "cases_late":
        return dict(connection.exec_driver_sql(_LATE).one()._mapping)
    return [
        {"key": row[0], "count": row[1]} for row in connection.exec_driver_sql(f"{GROUPS[name]} order by 2 desc, 1")
    ]


_counts: Cache[Any] = Cache(_count, 500)
