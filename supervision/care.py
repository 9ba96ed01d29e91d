"""代办 and 专班: who looks after which project, what there is to do today, what was noted and promised, and reminders before it is late.

An agent looks after a project as it was handed over last, else as the project's source names its 代办员; a team as it was given.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError, NotFoundError
from store.engine import transaction
from supervision import facts, judge, read

Kind = Literal["agent", "team"]
KIND_ZH = {"agent": "代办员", "team": "专班"}
SOON = 3  # natural days before a 补正 or a notice ends on which it is told
KINDS = {"yellow": "黄灯", "supplement": "补正将到期", "notice": "公示将结束"}
AUDIENCE_ZH = {"agent": "代办员", "enterprise": "企业", "department": "部门"}
START = "施工许可"
ENOUGH = 3  # projects on either side from which a comparison is made

_LOOKED_AFTER = """
select p.id, p.project_name, p.applicant_uscc, p.applicant_name,
       coalesce((select a.name from supervision.assignment a where a.project_code = p.id and a.kind = 'agent' and a.until is null),
                p.agent) as agent,
       (select a.name from supervision.assignment a where a.project_code = p.id and a.kind = 'team' and a.until is null) as team
from store.project p where p.gone_at is null"""
_DUE = """
select c.id as case_id, c.case_no, c.project_code, c.item_code, c.item_name, c.department_name, k.light, k.due_promised, k.due_statutory
from supervision.clock k join store."case" c on c.id = k.case_id
where c.gone_at is null and c.project_code = any(:codes) and k.ended_at is null
  and (k.light in ('黄', '红', '双红') or coalesce(k.due_promised, k.due_statutory) <= :soon)
order by coalesce(k.due_promised, k.due_statutory), c.id"""
_WAITS = """
select s.project_code, i ->> 'item_code' as item_code, i ->> 'item_name' as item_name, i ->> 'turn' as turn,
       i ->> 'department' as department
from supervision.position s, jsonb_array_elements(s.current_items) i where s.project_code = any(:codes)
order by s.project_code, (i ->> 'stage')::int, 2"""
_CHANGED = """
select coalesce(c.after ->> 'project_code', c.before ->> 'project_code') as project_code, c.entity, c.entity_id, c.op, c.columns, c.at
from store.change c
where c.at > :since and c.entity in ('finding', 'work_order', 'project_stage', 'project_item', 'clock')
  and coalesce(c.after ->> 'project_code', c.before ->> 'project_code') = any(:codes)
union all
select k.project_code, c.entity, c.entity_id, c.op, c.columns, c.at
from store.changes c join store."case" k on c.entity = 'case' and k.id = c.entity_id
where c.at > :since and k.project_code = any(:codes)
order by at desc limit 200"""
_NOTES = """
select id, project_code, kind, text, due_on, at, by, kept_at, kept_by from supervision.care_note
where project_code = any(:codes) order by (kind = 'promise' and kept_at is null) desc, due_on nulls last, at desc limit 200"""


@dataclass(frozen=True, slots=True)
class Day:
    """What an agent or a team has before it: ``projects`` looked after; ``due`` cases with a yellow or red light or due within
    :data:`SOON` days; ``waits``: current items by project, with whose turn; ``changed`` since the day before; ``notes``, open
    promises first; ``reminders`` told in the last week."""

    as_of: date
    projects: list[dict[str, Any]]
    due: list[dict[str, Any]]
    waits: list[dict[str, Any]]
    changed: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    reminders: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able but for its days."""
        return asdict(self)


def looked_after(connection: Connection, kind: Kind, name: str) -> list[dict[str, Any]]:
    """The projects of an agent or a team: id, project_name, applicant_uscc, applicant_name, agent, team."""
    rows = connection.execute(
        sa.text(f"select * from ({_LOOKED_AFTER}) t where {kind} = :name order by id"), {"name": name}
    )
    return [dict(row._mapping) for row in rows]


def who_looks_after(connection: Connection, codes: list[str]) -> dict[str, tuple[str | None, str | None]]:
    """Project → (agent, team), of those that are asked for."""
    rows = connection.execute(
        sa.text(f"select id, agent, team from ({_LOOKED_AFTER}) t where id = any(:codes)"), {"codes": codes}
    )
    return {row.id: (row.agent, row.team) for row in rows}


def assign(code: str, kind: Kind, name: str | None, *, by: str, why: str) -> None:
    """Give a project to an agent or a team, or hand it over; ``name`` None: to nobody of that kind any more.

    :raises NotFoundError: no such project. :raises ConfigurationError: a name that is empty.
    """
    if name is not None and not name.strip():
        raise ConfigurationError("a name is needed", remedy="who looks after it", zh="请写明由谁负责。")
    with transaction() as connection:
        if (
            connection.execute(
                sa.text("select id from store.project where id = :code for update"), {"code": code}
            ).first()
            is None
        ):
            raise NotFoundError(f"no project {code}", remedy="see onemap position", zh=f"没有项目 {code}。")
        connection.execute(
            sa.text(
                "update supervision.assignment set until = now() where project_code = :code and kind = :kind and until is null"
            ),
            {"code": code, "kind": kind},
        )
        if name is not None:
            connection.execute(
                sa.text(
                    """insert into supervision.assignment (project_code, kind, name, by, why)
                       values (:code, :kind, :name, :by, :why)"""
                ),
                {"code": code, "kind": kind, "name": name.strip(), "by": by, "why": why},
            )


def history(code: str) -> list[dict[str, Any]]:
    """Who looked after a project, from when to when, by whose word and why."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(
                "select kind, name, since, until, by, why from supervision.assignment where project_code = :code order by id"
            ),
            {"code": code},
        )
        return [dict(row._mapping) for row in rows]


def note(code: str, text: str, *, by: str, due_on: date | None = None) -> int:
    """Put a note on a project's record, or with ``due_on`` a promise; its number."""
    if not text.strip():
        raise ConfigurationError("an empty note", remedy="write what was said or promised", zh="请写明内容。")
    with transaction() as connection:
        return connection.execute(
            sa.text(
                """insert into supervision.care_note (project_code, kind, text, due_on, by)
                   values (:code, :kind, :text, :due_on, :by) returning id"""
            ),
            {"code": code, "kind": "promise" if due_on else "note", "text": text.strip(), "due_on": due_on, "by": by},
        ).scalar_one()


def keep(number: int, code: str, *, by: str) -> None:
    """A promise of a project was kept. :raises NotFoundError: no open promise of it has that number."""
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                """update supervision.care_note set kept_at = now(), kept_by = :by
                   where id = :number and project_code = :code and kind = 'promise' and kept_at is null"""
            ),
            {"number": number, "code": code, "by": by},
        ).rowcount
    if not done:
        raise NotFoundError(f"no open promise {number}", remedy="see the day", zh=f"没有未兑现的承诺 {number}。")


def day(connection: Connection, projects: list[dict[str, Any]], as_of: date, now: datetime) -> Day:
    """What there is before whoever looks after these projects."""
    codes = {"codes": [p["id"] for p in projects]}

    def rows(query: str, **values: Any) -> list[dict[str, Any]]:
        return [dict(r) for r in connection.execute(sa.text(query), codes | values).mappings()]

    return Day(
        as_of,
        projects,
        rows(_DUE, soon=as_of + timedelta(days=SOON)),
        rows(_WAITS),
        rows(_CHANGED, since=now - timedelta(days=1)),
        rows(_NOTES),
        rows(
            "select * from supervision.reminder where project_code = any(:codes) and at > :since order by at desc, id",
            since=now - timedelta(days=7),
        ),
    )


# -- before it is late -------------------------------------------------------------------------------------------------

_REMIND = """
insert into supervision.reminder (kind, case_id, project_code, until, told, name, text)
select kind, case_id, project_code, until, told, name, text
from jsonb_to_recordset(cast(:rows as jsonb)) as r(kind text, case_id text, project_code text, until date, told text, name text, text text)
on conflict (kind, case_id, until, told) do nothing returning kind, case_id, project_code, until, told, name, text"""
_RUNNING = """
select c.id as case_id, c.case_no, c.project_code, c.item_name, c.department_name, k.light, k.paused,
       coalesce(k.due_promised, k.due_statutory) as due
from supervision.clock k join store."case" c on c.id = k.case_id
where c.gone_at is null and k.ended_at is null and (k.light = '黄' or k.paused)"""
_NOTICE = """
select case_id, started_at::date as from_, true as notice from store.special_procedure
where case_id = any(:ids) and gone_at is null and concat(name, reason) ~ '公示|公告'"""


def remind(as_of: date, by: judge.Rules | None = None) -> list[dict[str, Any]]:
    """Put on the record what agent, enterprise and department are told before it is late, and return what is new: a case whose
    light is yellow, a 补正 and a public notice that end within :data:`SOON` days. Each is told once to each of the three that is known."""
    by = by or judge.rules()
    with transaction() as connection:
        cases = {r["case_id"]: dict(r) for r in connection.execute(sa.text(_RUNNING)).mappings()}
        known = {p["id"]: p for p in (dict(r) for r in connection.execute(sa.text(_LOOKED_AFTER)).mappings())}
        found = [("yellow", c, c["due"]) for c in cases.values() if c["light"] == "黄" and c["due"]]
        found += _ending(connection, [c for c in cases.values() if c["paused"]], as_of, by)
        messages = [
            one for kind, case, until in found for one in _messages(kind, case, until, known.get(case["project_code"]))
        ]
        rows = connection.execute(sa.text(_REMIND), {"rows": pl.DataFrame(messages).write_json() if messages else "[]"})
        return [dict(row._mapping) for row in rows]


def reminders_of(connection: Connection, codes: list[str], told: str, as_of: date) -> list[dict[str, Any]]:
    """The reminders of these projects to ``told`` (agent, enterprise, department) whose day has not passed."""
    rows = connection.execute(
        sa.text(
            """select text, at, until, case_id from supervision.reminder
               where project_code = any(:codes) and told = :told and until >= :day order by until, id"""
        ),
        {"codes": codes, "told": told, "day": as_of},
    )
    return [dict(row._mapping) for row in rows]


def _ending(
    connection: Connection, paused: list[dict[str, Any]], as_of: date, by: judge.Rules
) -> list[tuple[str, dict[str, Any], date]]:
    """(kind, case, until) of the pauses that end soon by the limit that they were given."""
    if not paused:
        return []
    cases = {case["case_id"]: case for case in paused}
    read.set_cases(connection, cases)
    lines = facts.gather(read.frames(connection), as_of, by.calendar, by.book.clock)
    notices = {(r.case_id, r.from_) for r in connection.execute(sa.text(_NOTICE), {"ids": list(cases)})}
    soon = lines.pauses.filter(
        pl.col("standing") & pl.col("limit_until").is_between(as_of, as_of + timedelta(days=SOON))
    )
    found = []
    for case_id, kind, started, until in soon.select("case_id", "kind", "started_at", "limit_until").iter_rows():
        name = "supplement" if kind == "supplement" else "notice" if (case_id, started.date()) in notices else None
        if name and case_id in cases:
            found.append((name, cases[case_id], until))
    return found


def _messages(kind: str, case: dict[str, Any], until: date, project: dict[str, Any] | None) -> list[dict[str, Any]]:
    what = {
        "yellow": f"办件 {case['case_no']}（{case['item_name'] or '事项不明'}）临近时限，{until} 到期",
        "supplement": f"办件 {case['case_no']}（{case['item_name'] or '事项不明'}）的补正 {until} 到期，逾期未交视为放弃",
        "notice": f"办件 {case['case_no']}（{case['item_name'] or '事项不明'}）的公示 {until} 结束，之后恢复计时",
    }[kind]
    names = {
        "agent": project and project["agent"],
        "enterprise": project and (project["applicant_uscc"] or project["applicant_name"]),
        "department": case["department_name"],
    }
    return [
        {
            "kind": kind,
            "case_id": case["case_id"],
            "project_code": case["project_code"],
            "until": until.isoformat(),
            "told": told,
            "name": name,
            "text": f"{KINDS[kind]}：{what}",
        }
        for told, name in names.items()
        if name
    ]


# -- did help help -----------------------------------------------------------------------------------------------------

_STARTS = """
select p.id, coalesce(p.process_type, '未知') as process_type, coalesce(p.filing_type, '未知') as filing_type,
       extract(year from p.submitted_at)::int as year, d.done_at::date - p.submitted_at::date as days,
       (p.agent is not null or exists (select from supervision.assignment a where a.project_code = p.id and a.kind = 'agent'
                                       and a.since <= d.done_at)) as helped
from store.project p join supervision.project_item d on d.project_code = p.id and d.state = '已办'
where p.gone_at is null and p.submitted_at is not null and d.done_at >= p.submitted_at and d.item_name like '%%' || %(start)s || '%%'"""
_STARTED = {
    "project_code": pl.String,
    "process_type": pl.String,
    "filing_type": pl.String,
    "year": pl.Int64,
    "days": pl.Int64,
    "helped": pl.Boolean,
}


def compared(started: pl.DataFrame, enough: int = ENOUGH) -> pl.DataFrame:
    """Like with like: by process type, filing type and year of filing, the projects and median days to the construction permit with
    and without an agent, and ``earlier``, the difference; null where either side has fewer than ``enough`` to say so."""
    helped = pl.col("helped")
    message = (helped.sum() >= enough) & ((~helped).sum() >= enough)
    with_, without = pl.col("days").filter(helped).median(), pl.col("days").filter(~helped).median()
    return (
        started.group_by("process_type", "filing_type", "year")
        .agg(
            helped.sum().alias("with"),
            (~helped).sum().alias("without"),
            pl.when(message).then(with_).alias("days_with"),
            pl.when(message).then(without).alias("days_without"),
            pl.when(message).then(without - with_).alias("earlier"),
        )
        .sort("year", "process_type", "filing_type")
    )


def started(connection: Connection) -> pl.DataFrame:
    """Every project with a construction permit: days from filing to it, and whether an agent helped."""
    rows = connection.exec_driver_sql(_STARTS, {"start": START}).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=_STARTED, orient="row")
