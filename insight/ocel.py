"""The store's events as an object-centric event log, OCEL 2.0 in its JSON form (https://www.ocel-standard.org/specification/),
so that pm4py, Celonis, Apromore and others can read them.

Objects: project, case, item, department, enterprise. An event belongs to its case and to what the case belongs to. Names of
persons, their opinions and whatever else is personal are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import SHANGHAI
from schemas import codes

OBJECT_TYPES: dict[str, dict[str, str]] = {
    "project": {"name": "string", "town_code": "string", "filing_type": "string", "process_type": "string"},
    "case": {"case_no": "string", "channel": "string"},
    "item": {"name": "string", "stage": "integer", "kind": "string"},
    "department": {"name": "string"},
    "enterprise": {},
}
EVENT_ATTRIBUTES = {"channel": "string", "step": "string"}
_BORN = "1970-01-01T00:00:00+08:00"  # an attribute that has not changed holds from the beginning (specification, 2)
_TYPES = {"string": str, "integer": int, "float": float, "boolean": bool, "time": str}

_OBJECTS = {
    "project": """select 'project:' || id, project_name as name, town_code, filing_type, process_type,
                         applicant_uscc as enterprise
                  from asked.project order by id""",
    "case": """select 'case:' || id, case_no, channel, project_code as project, item_code as item, department_code as department
               from asked."case" order by id""",
    "item": """select distinct on (item_code) 'item:' || item_code, item_name as name, stage, kind
               from asked.item order by item_code, version desc""",
    "department": """select 'department:' || department_code, min(department_name) as name from asked."case"
                     where department_code is not null group by department_code order by 1""",
    "enterprise": """select distinct 'enterprise:' || applicant_uscc from asked.project where applicant_uscc is not null order by 1""",
}
_LINKS = {
    "project": {"enterprise": ("enterprise", "applicant")},
    "case": {"project": ("project", "of"), "item": ("item", "instance of"), "department": ("department", "handled by")},
}
_EVENTS = """
select e.id, e.event, e.at, e.channel, e.step_name as step, c.id as case_id, c.project_code, c.item_code, c.department_code
from asked.case_event e join asked."case" c on c.id = e.case_id
where e.at is not null and e.event is not null order by e.at, e.id"""


def written(connection: Connection, path: Path) -> dict[str, int]:
    """Write the log of everything that the connection's grant sees; the number of objects and of events. The file is whole or not
    there."""
    part = path.with_name(path.name + ".part")
    counts = {"objects": 0, "events": 0}
    known: set[str] = set()
    try:
        with part.open("w", encoding="utf-8") as out:
            names = codes.load("event").codes
            out.write(
                '{"objectTypes":'
                + _json([{"name": n, "attributes": _declared(a)} for n, a in OBJECT_TYPES.items()])
                + ',\n"eventTypes":'
                + _json([{"name": n, "attributes": _declared(EVENT_ATTRIBUTES)} for n in names])
                + ',\n"objects":['
            )
            # first what others lead to, so that no relationship leads nowhere
            for kind in ("enterprise", "department", "item", "project", "case"):
                for row in _rows(connection, _OBJECTS[kind]):
                    out.write((",\n" if counts["objects"] else "") + _json(_object(kind, row, known)))
                    counts["objects"] += 1
            out.write('],\n"events":[')
            for row in _rows(connection, _EVENTS):
                if row["event"] in names:
                    out.write((",\n" if counts["events"] else "") + _json(_event(row, known)))
                    counts["events"] += 1
            out.write("]}\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _object(kind: str, row: dict[str, Any], known: set[str]) -> dict[str, Any]:
    event: dict[str, Any] = {"id": next(iter(row.values())), "type": kind}
    known.add(event["id"])
    attributes = [
        {"name": name, "time": _BORN, "value": row[name]} for name in OBJECT_TYPES[kind] if row[name] is not None
    ]
    links = [
        {"objectId": f"{other}:{row[column]}", "qualifier": qualifier}
        for column, (other, qualifier) in _LINKS.get(kind, {}).items()
        if f"{other}:{row[column]}" in known
    ]
    return event | ({"attributes": attributes} if attributes else {}) | ({"relationships": links} if links else {})


def _event(row: dict[str, Any], known: set[str]) -> dict[str, Any]:
    found = {"case": row["case_id"], "project": row["project_code"], "item": row["item_code"]}
    found["department"] = row["department_code"]
    at = row["at"] if row["at"].tzinfo else row["at"].replace(tzinfo=SHANGHAI)
    return {
        "id": row["id"],
        "type": row["event"],
        "time": at.isoformat(),
        "attributes": [{"name": n, "value": row[n]} for n in EVENT_ATTRIBUTES if row[n] is not None],
        "relationships": [
            {"objectId": f"{kind}:{value}", "qualifier": kind}
            for kind, value in found.items()
            if f"{kind}:{value}" in known
        ],
    }


def _declared(attributes: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in attributes.items()]


def _rows(connection: Connection, query: str) -> Iterator[dict[str, Any]]:
    for row in connection.execution_options(yield_per=2000).execute(sa.text(query)).mappings():
        yield dict(row)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# -- the published form ------------------------------------------------------------------------------------------------


def check(log: dict[str, Any]) -> list[str]:
    """What contradicts the published form: members and types of the JSON schema, and what the specification asks besides (ids are
    unique, types and attributes are declared, relationships lead to objects). Empty: it is valid."""
    wrong: list[str] = []
    declared: dict[str, dict[str, dict[str, str]]] = {}
    for part in ("objectTypes", "eventTypes", "objects", "events"):
        if not isinstance(log.get(part), list):
            wrong.append(f"{part}: must be an array")
    if wrong:
        return wrong
    for part in ("objectTypes", "eventTypes"):
        declared[part] = {}
        for at, kind in enumerate(log[part]):
            if not isinstance(kind.get("name"), str) or not isinstance(kind.get("attributes"), list):
                wrong.append(f"{part}[{at}]: needs name and attributes")
                continue
            if kind["name"] in declared[part]:
                wrong.append(f"{part}[{at}]: {kind['name']} is declared twice")
            bad = [a for a in kind["attributes"] if a.get("type") not in _TYPES or not isinstance(a.get("name"), str)]
            wrong += [f"{part}[{at}]: attribute {a}" for a in bad]
            declared[part][kind["name"]] = {a["name"]: a["type"] for a in kind["attributes"] if a not in bad}
    ids = {o.get("id") for o in log["objects"]}
    wrong += _entries("objects", log["objects"], declared["objectTypes"], ids, timed=True)
    wrong += _entries("events", log["events"], declared["eventTypes"], ids, timed=False)
    return wrong


def _entries(
    part: str, entries: Iterable[dict[str, Any]], kinds: dict[str, dict[str, str]], ids: set[Any], *, timed: bool
) -> Iterator[str]:
    seen: set[str] = set()
    for at, entry in enumerate(entries):
        name = f"{part}[{at}]"
        if not isinstance(entry.get("id"), str) or entry["id"] in seen:
            yield f"{name}: id {entry.get('id')!r} is none or stands twice"
        seen.add(str(entry.get("id")))
        if entry.get("type") not in kinds:
            yield f"{name}: type {entry.get('type')!r} is not declared"
            continue
        if not timed and not _is_time(entry.get("time")):
            yield f"{name}: time {entry.get('time')!r}"
        for attribute in entry.get("attributes", []):
            kind = kinds[entry["type"]].get(attribute.get("name"))
            if kind is None or not isinstance(attribute.get("value"), _TYPES[kind]):
                yield f"{name}: attribute {attribute}"
            if timed and not _is_time(attribute.get("time")):
                yield f"{name}: attribute {attribute} has no time"
        for link in entry.get("relationships", []):
            if link.get("objectId") not in ids or not isinstance(link.get("qualifier"), str):
                yield f"{name}: relationship {link} leads nowhere"


def _is_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False
