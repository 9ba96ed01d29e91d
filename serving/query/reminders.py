"""Reminders as somebody may see them: of the cases that are shown, what was told to their own kind."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from serving.access import Grant, reading
from serving.query.caring import readable
from store.engine import transaction

MOST = 1000
BACK = timedelta(days=30)
_LISTED = """
select id, kind, case_id, project_code, until, told, name, text, at, sent_at, sent_by, sending_at, error from supervision.reminder
where until >= :since and (cast(:kinds as text[]) is null or told = any(:kinds)) order by until, id"""
_SHOWN = 'select id, case_no, department_name from asked."case" where id = any(:ids)'


def shown(who: Grant, today: date, *, told: str | None = None, past: bool = False) -> list[dict[str, Any]]:
    """An enterprise reads what was told to enterprises, a department what was told to departments; an agent, a team and the whole city all
    of their cases'. Names of agents are masked but to those who may read them."""
    kinds = {told} if told else {"agent", "enterprise", "department"}
    if who.enterprises is not None:
        kinds &= {"enterprise"}
    if who.departments is not None:
        kinds &= {"department"}
    with transaction() as connection:
        asked = {"since": today - BACK if past else today, "kinds": sorted(kinds)}
        rows = [dict(row) for row in connection.execute(sa.text(_LISTED), asked).mappings()]
        names = readable(connection, who, {row["name"] for row in rows if row["told"] == "agent"})
    with reading(who) as connection:
        cases = {
            row["id"]: dict(row)
            for row in connection.execute(sa.text(_SHOWN), {"ids": [row["case_id"] for row in rows]}).mappings()
        }
    return [
        {
            **row,
            "case_no": cases[row["case_id"]]["case_no"],
            "department_name": cases[row["case_id"]]["department_name"],
            "name": names[row["name"]] if row["told"] == "agent" else row["name"],
        }
        for row in rows
        if row["case_id"] in cases
    ][:MOST]
