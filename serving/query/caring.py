"""代办 and 专班 as somebody may see them: who looks after what, their day, what stands on a project's record."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from serving.access import Grant, reading
from store.engine import pairs, transaction
from supervision import care

_NAMES = """
select p.id, p.project_name, p.town_code, p.applicant_name from asked.project p order by p.id"""
_MASKED = "select t.name, serving.mask_name(t.name) from unnest(cast(:names as text[])) t(name)"
_REMINDED = """
select kind, case_id, until, told, text, at, sent_at from supervision.reminder
where project_code = :code and (cast(:told as text) is null or told = :told) order by at desc, id desc limit 200"""
_NOTES = """
select id, kind, text, due_on, at, by, kept_at, kept_by from supervision.care_note where project_code = :code order by id desc limit 200"""


def works(who: Grant) -> bool:
    """Sees the day of an agent or a team: it is of whole projects, and of those who look after them."""
    return who.enterprises is None and who.towns is None and who.departments is None


def writes(who: Grant) -> bool:
    """May put something on a project's record."""
    return who.enterprises is None and (who.decides or who.agents is not None or who.teams is not None)


def shown(connection: Connection, code: str) -> bool:
    """Whether the connection's grant sees the project."""
    return bool(connection.execute(sa.text("select 1 from asked.project where id = :code"), {"code": code}).first())


def projects(who: Grant) -> list[dict[str, Any]]:
    """The projects that are shown, each with agent and team; ``_agent``, ``_team``: the same unmasked, to filter by."""
    with reading(who) as connection:
        rows = [dict(row) for row in connection.execute(sa.text(_NAMES)).mappings()]
    with transaction() as connection:
        by = care.who_looks_after(connection, [row["id"] for row in rows])
        names = readable(connection, who, {agent for agent, _ in by.values() if agent})
    found = []
    for row in rows:
        agent, team = by.get(row["id"], (None, None))
        found.append({**row, "_agent": agent, "_team": team, "agent": names.get(agent or ""), "team": team})
    return found


def as_item(row: dict[str, Any]) -> dict[str, Any]:
    """A row of :func:`projects` without what is to filter by alone."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def day(who: Grant, kind: care.Kind, name: str) -> care.Day:
    """The day of an agent or a team, of the projects that are shown."""
    with reading(who) as connection:
        seen = set(connection.exec_driver_sql("select id from asked.project").scalars())
    with transaction() as connection:
        mine = [p for p in care.looked_after(connection, kind, name) if p["id"] in seen]
        return care.day(connection, mine, clock.today(), clock.now())


def project(who: Grant, code: str) -> dict[str, Any] | None:
    """Who looks after a project since when, notes and promises, reminders; None: it is not shown. An enterprise gets its own reminders,
    and neither notes nor history; a department or a town reminders alone."""
    with reading(who) as connection:
        if not shown(connection, code):
            return None
    inside = works(who)
    to = "enterprise" if who.enterprises is not None else "department" if who.departments is not None else None
    with transaction() as connection:
        agent, team = care.who_looks_after(connection, [code]).get(code, (None, None))
        history = care.history(code) if inside else []
        known = {agent, *(h["name"] for h in history if h["kind"] == "agent")}
        names = readable(connection, who, {name for name in known if name})
        notes = [dict(r) for r in connection.execute(sa.text(_NOTES), {"code": code}).mappings()] if inside else []
        reminders = [dict(r) for r in connection.execute(sa.text(_REMINDED), {"code": code, "told": to}).mappings()]
    return {
        "project_code": code,
        "agent": names.get(agent or ""),
        "team": team,
        "history": [{**h, "name": names.get(h["name"], h["name"])} for h in history],
        "notes": notes,
        "reminders": reminders,
    }


def readable(connection: Connection, who: Grant, names: set[str]) -> dict[str, str]:
    """Names of agents as they may be read: in clear to whom personal data are shown, and each one's own."""
    masked: dict[str, str] = pairs(connection.execute(sa.text(_MASKED), {"names": sorted(names)}))
    own = {*(who.agents or ())}
    return {name: name if who.personal or name in own else masked[name] for name in names}
