"""数据共享申请与授权 A department asks for entities, fields, rows and a purpose; the owner grants it for a time; a key follows that is held to
just that; what was used is shown to the owner.

A grant is a key whose scope ``data:<number>`` stands for the request; the fields come from there at every call, so that an end or a
change takes effect at once. The key is shown once, to the department that fetches it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from core import clock
from core.clock import SHANGHAI
from core.errors import ConfigurationError, NotFoundError
from schemas import masking
from serving import audit, catalogue, keys
from serving.access import PERSONAL, PROJECTS, departments, grant_of
from serving.sql.views import views
from sources import loader
from store.engine import transaction

LONGEST = timedelta(days=366)  # of a grant
STATES = {"asked": "待审批", "granted": "已授权", "refused": "不同意", "ended": "已终止"}
Fields = Mapping[str, Iterable[str] | None]


def ask(
    department: str,
    fields: Fields,
    *,
    by: str,
    purpose: str,
    until: date,
    scopes: Iterable[str] = (),
    contact: str = "",
) -> int:
    """File a request; returns its number.

    :param fields: entity → columns, None: all of them. ``scopes``: rows (``town:…``, ``department:…``) and read: scopes of personal data.
    :raises ConfigurationError: a department, an entity, a column or a scope that is none; no purpose; a day that is past or too far.
    """
    if department not in departments():
        raise _wrong(f"no department {department!r}", f"没有部门 {department}。")
    wanted = {entity: _columns(entity, columns) for entity, columns in fields.items()}
    if not wanted:
        raise _wrong("nothing is asked for", "请至少选择一个实体。")
    scopes = sorted(set(scopes))
    held = grant_of(department, [PROJECTS, *scopes])
    allowed = {PROJECTS, PERSONAL, *masking.scopes()}
    if held.scopes - allowed:
        raise _wrong("rows and read: scopes alone can be asked for", "只能申请行范围与明文范围。")
    if not clock.today() < until <= clock.today() + LONGEST:
        raise _wrong(f"until {until}: from tomorrow to a year from now", "期限须在明天至一年之内。")
    if not 5 <= len(purpose.strip()) <= 1000:
        raise _wrong("a purpose of 5 to 1000 signs", "请填写用途（5 至 1000 字）。")
    with transaction() as connection:
        number: int = connection.execute(
            sa.text(
                """insert into serving.data_request (department, applicant, contact, fields, scopes, purpose, until)
                   values (:department, :by, :contact, cast(:fields as jsonb), :scopes, :purpose, :until) returning id"""
            ),
            {
                "department": department,
                "by": by,
                "contact": contact[:200],
                "fields": json.dumps(wanted),
                "scopes": scopes,
                "purpose": purpose.strip(),
                "until": until,
            },
        ).scalar_one()
    audit.append(by, "ask for data", str(number), {"department": department, "fields": wanted, "scopes": scopes})
    return number


def named(fields: Iterable[str]) -> dict[str, list[str] | None]:
    """``entity.column`` and ``entity.*`` (all of them) as :func:`ask` takes them."""
    found: dict[str, list[str] | None] = {}
    for one in fields:
        entity, _, column = one.partition(".")
        if column == "*":
            found[entity] = None
        elif (chosen := found.setdefault(entity, [])) is not None:
            chosen.append(column)
    return found


def _columns(entity: str, columns: Iterable[str] | None) -> list[str] | None:
    if entity not in views():
        raise _wrong(f"no entity {entity!r}", f"没有实体 {entity}，见数据目录。")
    if columns is None:
        return None
    chosen = sorted(set(columns))
    if unknown := [name for name in chosen if name not in views()[entity].by_name]:
        raise _wrong(
            f"{entity} has no column {', '.join(unknown)}", f"{entity} 没有字段 {'、'.join(unknown)}，见数据目录。"
        )
    return chosen


def grant(number: int, *, by: str, until: date | None = None, note: str = "") -> None:
    """The owner's yes; ``until``: an earlier end than was asked for. :raises NotFoundError: it does not wait."""
    with transaction() as connection:
        asked = connection.execute(
            sa.text("select until from serving.data_request where id = :id and state = 'asked'"), {"id": number}
        ).scalar()
        if asked is None:
            raise _none(number)
        end = min(until or asked, asked)
        if end <= clock.today():
            raise _wrong(f"until {end} is past", "授权期限已过。")
        _decide(connection, number, "granted", by, note, "asked", end)
    audit.append(by, "grant data", str(number), {"until": f"{end}", "note": audit.scrub(note)})


def refuse(number: int, *, by: str, note: str) -> None:
    """The owner's no, with its reason. :raises NotFoundError: it does not wait."""
    if not note.strip():
        raise _wrong("a refusal needs a reason", "须填写不同意的理由。")
    with transaction() as connection:
        _decide(connection, number, "refused", by, note, "asked")
    audit.append(by, "refuse data", str(number), {"note": audit.scrub(note)})


def end(number: int, *, by: str, note: str) -> None:
    """Take a grant back: its key ends with the next call. :raises NotFoundError: it is not in force."""
    with transaction() as connection:
        key = _decide(connection, number, "ended", by, note, "granted")
    if key:
        keys.revoke(key, by=by)
    audit.append(by, "end data", str(number), {"note": audit.scrub(note)})


def fetch(number: int, *, by: str) -> str:
    """The key of a grant, shown once: a new fetch ends the key before. :raises NotFoundError: it is not in force."""
    found = _one(number)
    if found["state"] != "granted" or found["until"] < clock.today():
        raise _none(number)
    if found["key_id"]:
        keys.revoke(found["key_id"], by=by)
    name = f"{departments().get(found['department'], found['department'])} 共享 {number}"
    expires = datetime.combine(found["until"] + timedelta(days=1), time(), SHANGHAI)
    key_id, key = keys.make(name, [PROJECTS, f"data:{number}", *found["scopes"]], by=by, expires=expires)
    with transaction() as connection:
        connection.execute(
            sa.text("update serving.data_request set key_id = :key where id = :id"), {"id": number, "key": key_id}
        )
    audit.append(by, "fetch key", str(number), {"key": key_id})
    return key


#: Requests, what waits first, with what was used of each by the keys made for it.
_REQUESTS = """select r.*, k.revoked_at, u.calls, u.rows, u.last_at
from serving.data_request r left join serving.api_key k on k.id = r.key_id
left join lateral (
    select count(*) as calls, sum((a.detail ->> 'rows')::bigint) as rows, max(a.at) as last_at from store.audit a
    where a.action = 'read' and a.actor in (
        select x.id || ' ' || x.name from serving.api_key x where 'data:' || r.id = any(x.scopes))) u on true
where (cast(:department as text) is null or r.department = :department) and (cast(:state as text) is null or r.state = :state)
order by r.state <> 'asked', r.asked_at desc, r.id desc limit 500"""


def listed(department: str | None = None, *, state: str | None = None) -> list[dict[str, Any]]:
    """Requests, what waits first: with their owners, and what was used of them (calls, rows, last, by entity's path)."""
    with transaction() as connection:
        rows = connection.execute(sa.text(_REQUESTS), {"department": department, "state": state}).mappings()
        found = [dict(row) for row in rows]
    for row in found:
        row["owners"] = owners(row["fields"])
        row["department_name"] = departments().get(row["department"], row["department"])
    return found


#: Calls and rows by day and path, of the keys of a scope.
_USE = """select (a.at at time zone 'Asia/Shanghai')::date as day, a.object as path, count(*) as calls, sum((a.detail ->> 'rows')::bigint) as rows
from store.audit a where a.action = 'read' and a.actor in (
    select x.id || ' ' || x.name from serving.api_key x where :scope = any(x.scopes))
group by 1, 2 order by 1 desc, 3 desc limit 200"""


def use(number: int) -> list[dict[str, Any]]:
    """What was asked with the grant's keys, a line a day and path: calls and rows."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(_USE),
            {"scope": f"data:{number}"},
        ).mappings()
        return [dict(row) for row in rows]


def owners(fields: Iterable[str]) -> list[str]:
    """Departments whose sources fill the entities: whose word is asked."""
    by_name = {entity.name: entity for entity in catalogue.entities()}
    feeds = {feed for entity in fields if entity in by_name for feed in by_name[entity].feeds}
    return sorted({loader.load(feed.partition(".")[0]).owner.department for feed in feeds})


def _decide(
    connection: sa.Connection, number: int, state: str, by: str, note: str, was: str, until: date | None = None
) -> str | None:
    row = connection.execute(
        sa.text(
            """update serving.data_request set state = :state, decided_at = now(), decided_by = :by, note = :note, until = coalesce(:until, until)
               where id = :id and state = :was returning key_id"""
        ),
        {"id": number, "state": state, "by": by, "note": note[:300], "was": was, "until": until},
    ).first()
    if row is None:
        raise _none(number)
    return row.key_id


def _one(number: int) -> dict[str, Any]:
    with transaction() as connection:
        row = connection.execute(sa.text("select * from serving.data_request where id = :id"), {"id": number}).first()
    if row is None:
        raise _none(number)
    return dict(row._mapping)


def _none(number: int) -> NotFoundError:
    return NotFoundError(
        f"no data request {number} in that state",
        remedy="see onemap share list",
        zh=f"没有处于该状态的共享申请 {number}。",
    )


def _wrong(en: str, zh: str) -> ConfigurationError:
    return ConfigurationError(en, remedy="correct the request", zh=zh)
