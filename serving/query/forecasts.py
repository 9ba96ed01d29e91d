"""Forecasts as somebody may see them: of the cases and projects that are shown to them, the likeliest to be late first."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from insight.forecast import run
from insight.forecast.model import CONFIDENCE
from serving.access import Grant, reading
from store.engine import transaction

MOST = 500
_CASES = """
select f.case_id, f.as_of, f.version, f.data_as_of, f.waits, f.chance, f.likely_on, f.first_on, f.last_on, f.reasons
from supervision.forecast f where (cast(:codes as text[]) is null or f.project_code = any(:codes))"""
_STEPS = """
select project_code, item_code, item_name, begins_on, begins_first, begins_last, done_on, done_first, done_last
from supervision.forecast_step where project_code = any(:codes) order by project_code, begins_on nulls last, item_code"""
_SHOWN = """
select v.id as case_id, v.case_no, v.project_code, v.item_code, v.item_name, v.department_name, v.department_code, v.town_code, v.light,
       v.due_promised, v.used_promised, v.promised_limit, v.promised_unit
from asked."case" v where v.id = any(:ids) and v.ended_at is null
  and (cast(:department as text) is null or v.department_code in (:department, substr(:department, 9, 9)))
  and (cast(:town as text) is null or left(v.town_code, 9) = :town)"""
_MODEL = """
select version, as_of, made_at, model - 'times' - 'hazard' - 'mean' - 'sd' - 'beta' as told from supervision.forecast_model
order by as_of desc, made_at desc limit 1"""


def cases(
    who: Grant,
    codes: list[str] | None = None,
    *,
    department: str | None = None,
    town: str | None = None,
    most: int = MOST,
) -> list[dict[str, Any]]:
    """Running cases that are shown, of some projects or of all: the forecast beside the case's clock. Overdue already, or a source that is
    silent: ``chance`` is null and ``why`` says so."""
    with transaction() as connection:
        found = {row["case_id"]: dict(row) for row in connection.execute(sa.text(_CASES), {"codes": codes}).mappings()}
    asked = {"ids": list(found), "department": department, "town": town}
    with reading(who) as connection:
        shown = [dict(row) for row in connection.execute(sa.text(_SHOWN), asked).mappings()]
    rows = [_told(found[row["case_id"]], row) for row in shown]
    rows.sort(key=lambda r: (r["chance"] is None, -(r["chance"] or 0), str(r["due_promised"] or ""), r["case_id"]))
    return rows[:most]


def _told(forecast: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    late = case["light"] in ("红", "双红")
    waits = forecast["waits"] or case["light"] == "待数据"
    document = {**case, **forecast}
    if waits or late:
        document |= {"chance": None, "reasons": []}
    if waits:
        document |= {"likely_on": None, "first_on": None, "last_on": None}
    return document | {
        "waits": waits,
        "why": "数据源静默，不作预测" if waits else "已超承诺时限" if late else None,
        "reasons": [{**reason, "zh": run.worded(reason)} for reason in document["reasons"]],
    }


def steps(connection: Connection, codes: list[str]) -> list[dict[str, Any]]:
    """The likely days of these projects' next steps; the caller has seen to it that they are shown."""
    return [dict(row) for row in connection.execute(sa.text(_STEPS), {"codes": codes}).mappings()]


def of_projects(who: Grant, codes: list[str]) -> dict[str, Any]:
    """``cases`` and ``steps`` of projects that are shown; ``chance``: that one of the running cases at least becomes overdue, were each
    alone; None: none has a forecast."""
    with reading(who) as connection:
        seen = connection.execute(sa.text("select id from asked.project where id = any(:codes)"), {"codes": codes})
        codes = list(seen.scalars())
    found = cases(who, codes)
    chances = [row["chance"] for row in found if row["chance"] is not None]
    whole = 1.0
    for chance in chances:
        whole *= 1 - chance
    with transaction() as connection:
        ahead = (
            steps(connection, codes) if who.departments is None else []
        )  # a department sees its part of a project alone
    return {"chance": round(1 - whole, 4) if chances else None, "cases": found, "steps": ahead, "model": model()}


def model() -> dict[str, Any] | None:
    """What made the forecasts: version, as_of, made_at, and of what it learned (taught, late, cut, widened)."""
    with transaction() as connection:
        row = connection.exec_driver_sql(_MODEL).mappings().first()
    if row is None:
        return None
    learned = row["told"]
    return {
        **{name: row[name] for name in ("version", "as_of", "made_at")},
        **{name: learned[name] for name in ("cut", "taught", "late")},
        "confidence": CONFIDENCE,
    }
