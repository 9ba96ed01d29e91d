"""一项目一方案: what a project has still to do, in which order, by when, with what; and why each line stands there.

The lines are the expected items of :mod:`supervision.expected`, no others. The calendar plan is a critical-path reckoning over the
hard prerequisites in working days: an item takes its promised limit, a running case ends when it is due, what is done ended
when it was done. For a project that does not exist yet, the same from its conditions (情形引导).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError
from supervision import expected, judge, read
from supervision.calendar import NATURAL, Calendar
from supervision.expected import BY_FILING, Standing
from supervision.facts import Facts
from supervision.findings import Context

State = Literal["已办", "在办", "未办", "未知"]
INTERNAL = "政府内部事项"


@dataclass(frozen=True, slots=True)
class Step:
    """Another item that a line speaks of: a prerequisite or one that goes on beside it."""

    item_code: str
    item_name: str
    done: bool


@dataclass(frozen=True, slots=True)
class Material:
    """``issued_by``: the item and department whose result it is; ``held``: what the store holds it as already (免交),
    ``held_no`` the number of that case or document."""

    code: str
    name: str
    required: bool
    medium: str | None
    issued_by: str | None = None
    held: str | None = None
    held_no: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in its own unit, 工作日 or 自然日; 0 is the same day."""

    days: int
    unit: str


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the plan. Days are None where nothing can be said; ``slack`` in working days; ``critical``: the end of the
    whole moves with it; ``holds``: what it waits for today."""

    item_code: str
    version: int
    item_name: str
    stage: int
    kind: str | None
    department: str | None
    department_code: str | None
    state: State
    turn: str | None
    why: str
    source: str
    before: list[Step]
    overtake: list[Step]
    beside: list[Step]
    materials: list[Material]
    promised: Limit | None
    statutory: Limit | None
    case_no: str | None = None
    earliest_start: date | None = None
    earliest_end: date | None = None
    latest_end: date | None = None
    slack: int | None = None
    critical: bool = False
    provisional: bool = False
    holds: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """``lines`` by stage and catalogue order; ``not_judged``: items of which nobody can say whether they are needed, and why;
    ``end``: the earliest end of all; ``path``: the critical path; ``materials``: how many in all, how many of them held already."""

    project_code: str | None
    as_of: date
    lines: list[Line]
    not_judged: list[dict[str, str]]
    end: date | None
    path: list[str]
    materials: int
    held: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able but for its days."""
        return asdict(self)


def of_project(connection: Connection, code: str, as_of: date, by: judge.Rules | None = None) -> Plan | None:
    """The plan of a project as of a day; None: the store has no such project."""
    read.set_scope(connection, [code])
    facts = judge.context(connection, as_of, by or judge.rules())
    if facts.frames.projects.is_empty():
        return None
    return _plan(facts, facts.standing, facts.facts, facts.frames.projects, _held(connection, code))


def of_conditions(
    connection: Connection,
    as_of: date,
    *,
    process_type: str | None,
    filing_type: str | None,
    conditions: Iterable[str],
    fast_track: bool = False,
    by: judge.Rules | None = None,
) -> Plan:
    """The plan of a project that does not exist yet, by the catalogue in force on ``as_of``.

    :raises ConfigurationError: a condition that no item of the catalogue asks for.
    """
    read.set_scope(connection, [])
    facts = judge.context(connection, as_of, by or judge.rules())
    chosen = list(dict.fromkeys(conditions))
    known = {c for c, _ in asked_conditions(facts.facts)} | set(BY_FILING.values())
    if unknown := [c for c in chosen if c not in known]:
        raise ConfigurationError(
            f"unknown conditions {', '.join(unknown)}",
            remedy=f"some of {', '.join(sorted(known))}",
            zh=f"没有项目条件 {'、'.join(unknown)}，可选：{'、'.join(sorted(known))}。",
        )
    row = dict.fromkeys(read.PROJECTS.columns) | {
        "project_code": "",
        "process_type": process_type,
        "filing_type": filing_type,
        "fast_track": fast_track,
        "conditions": json.dumps([*chosen, *([BY_FILING[filing_type]] if filing_type in BY_FILING else [])]),
    }
    projects = pl.DataFrame([row], schema=read.PROJECTS.columns)
    return replace(_plan(facts, expected.stand(projects, facts.facts), facts.facts, projects, {}), project_code=None)


def questions(connection: Connection, as_of: date, by: judge.Rules | None = None) -> list[dict[str, Any]]:
    """What to ask of a project that does not exist yet: each condition, with the items that it brings."""
    read.set_scope(connection, [])
    facts = judge.context(connection, as_of, by or judge.rules())
    return [{"condition": name, "items": items} for name, items in asked_conditions(facts.facts)]


def asked_conditions(known: Facts) -> list[tuple[str, list[str]]]:
    """(condition, items in force that it brings), but for the two that follow from the filing type."""
    rows = (
        known.items.filter((pl.col("valid_from") <= known.as_of) & (pl.col("until") > known.as_of))
        .drop_nulls("alternatives")
        .select("item_code", "alternatives")
        .explode("alternatives")
        .filter(~pl.col("alternatives").is_in(list(BY_FILING.values())))
        .group_by("alternatives", maintain_order=True)
        .agg(pl.col("item_code").unique().sort())
    )
    return [(name, items) for name, items in rows.iter_rows()]


def _plan(
    facts: Context, standing: Standing, known: Facts, projects: pl.DataFrame, held: Mapping[str, tuple[str, str | None]]
) -> Plan:
    project = projects.row(0, named=True)
    rows = {r["item_code"]: r for r in standing.items.sort("stage", "place", "item_code").iter_rows(named=True)}
    versions = {
        (r["item_code"], r["version"]): r
        for r in facts.frames.items.filter(pl.col("item_code").is_in(list(rows))).iter_rows(named=True)
    }
    materials = _materials(facts, rows)
    lines: dict[str, Line] = {}
    turns = dict(standing.current.select("item_code", "turn").iter_rows())
    edges: dict[str, dict[str, str]] = {}
    for item, before, strength in standing.edges.select("item_code", "prerequisite", "strength").iter_rows():
        edges.setdefault(item, {})[before] = strength
    wanted = [code for code, row in rows.items() if row["expected"]]
    running = _running(known, wanted)
    makers = {_plain(versions[code, rows[code]["version"]].get("result_document")): code for code in wanted}
    for code in wanted:
        row = rows[code]
        version = versions[code, row["version"]]
        mine = edges.get(code, {})

        def steps(strength: str, mine: Mapping[str, str] = mine) -> list[Step]:
            return [Step(c, rows[c]["item_name"], rows[c]["done"]) for c, kind in mine.items() if kind == strength]

        state: State = (
            "已办" if row["done"] else "在办" if row["has_open_case"] else "未知" if row["unknown"] else "未办"
        )
        case = running.get(code)
        lines[code] = Line(
            code,
            row["version"],
            row["item_name"],
            row["stage"],
            row["kind"],
            row["department"],
            row["department_code"],
            state,
            turns.get(code),
            _why(row, project),
            f"事项清单 {code} 第 {row['version']} 版；docs/rules.md · What is expected",
            steps("hard"),
            steps("soft"),
            steps("parallel"),
            [_material(m, makers, rows, held) for m in materials.get(code, [])],
            _limit(version, "promised"),
            _limit(version, "statutory"),
            case["case_no"] if case else None,
        )
    built = _dated(lines, rows, running, facts.calendar, known.as_of)
    ends = [line.earliest_end for line in built if line.earliest_end]
    end = max(ends) if ends else None
    count = [m for line in built for m in line.materials]
    return Plan(
        project["project_code"],
        known.as_of,
        built,
        [
            {
                "item_code": code,
                "item_name": row["item_name"],
                "why": "审批流程类型或项目条件未知，无法判定是否需要办理",
            }
            for code, row in rows.items()
            if row["expected"] is None
        ],
        end,
        [line.item_code for line in built if line.critical],
        len(count),
        sum(m.held is not None for m in count),
    )


# -- why a line stands there -------------------------------------------------------------------------------------------


def _why(row: Mapping[str, Any], project: Mapping[str, Any]) -> str:
    """The reason by which the item is expected, in the order of docs/rules.md."""
    alternatives = row["alternatives"]
    if alternatives is None:
        types = row["process_types"]
        return f"审批流程类型 {project['process_type']} 的项目都要办理" if types else "所有项目都要办理"
    planned = _listed(project["planned_items"])
    if row["item_code"] in planned:
        return "列入市平台该项目的计划办理事项"
    conditions = [*_listed(project["conditions"]), BY_FILING.get(project["filing_type"] or "", "")]
    met = [c for c in alternatives if c in conditions]
    return f"项目条件：{'、'.join(met)}"


def _listed(text: str | None) -> list[str]:
    return json.loads(text) if text else []


def _limit(version: Mapping[str, Any], kind: str) -> Limit | None:
    days = version[f"{kind}_limit"]
    return None if days is None else Limit(days, version[f"{kind}_unit"] or "工作日")


# -- materials ---------------------------------------------------------------------------------------------------------


def _materials(facts: Context, rows: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Item → the materials of its version in force."""
    found = facts.connection.exec_driver_sql(
        """select item_code, version, materials from store.item
           where gone_at is null and item_code = any(%(codes)s) and materials is not null""",
        {"codes": list(rows)},
    )
    return {code: materials for code, version, materials in found if version == rows[code]["version"]}


#: Documents that the licence register holds for the project, by the name that the catalogue gives the result.
_ISSUED = """select coalesce(i.result_document, l.kind), min(l.number) from store.licence l
left join lateral (select result_document from store.item i where i.item_code = l.item_code and i.gone_at is null
                   order by i.version desc limit 1) i on true
where l.project_code = %(code)s and l.gone_at is null and l.state is distinct from '注销'
  and coalesce(i.result_document, l.kind) is not null group by 1"""


#: Documents that were handed in with an earlier application of the project.
_HANDED_IN = """select m.name, min(c.case_no) from store.material m join store."case" c on c.id = m.case_id
where c.project_code = %(code)s and c.gone_at is null and m.gone_at is null and m.name is not null
  and m.role = 'application' group by 1"""


def _held(connection: Connection, code: str) -> dict[str, tuple[str, str | None]]:
    """Plain name → (as what, number) the store holds a document of it for the project: a licence that stands, or a material
    handed in electronically with an earlier case."""
    handed = connection.exec_driver_sql(_HANDED_IN, {"code": code})
    found = {_plain(name): ("已随办件提交", case_no) for name, case_no in handed}
    issued = connection.exec_driver_sql(_ISSUED, {"code": code})
    return found | {_plain(name): ("电子证照库已有", number) for name, number in issued}


def _plain(name: str | None) -> str:
    """A document's name for comparison: without brackets and what stands in them."""
    return (name or "").split("（")[0].split("(")[0].strip()


def _material(
    conditions: Mapping[str, Any],
    makers: Mapping[str, str],
    rows: Mapping[str, Any],
    held: Mapping[str, tuple[str, str | None]],
) -> Material:
    name = str(conditions.get("name") or "")
    plain = _plain(name)
    maker = makers.get(plain) if plain else None
    return Material(
        str(conditions.get("code") or ""),
        name,
        bool(conditions.get("required", True)),
        conditions.get("medium"),
        f"{rows[maker]['item_name']}（{rows[maker]['department'] or '部门未定'}）" if maker else None,
        *held.get(plain, (None, None)),
    )


# -- the calendar plan -------------------------------------------------------------------------------------------------


def _running(known: Facts, codes: list[str]) -> dict[str, dict[str, Any]]:
    """Item → its open case that ends last."""
    rows = (
        known.cases.filter(pl.col("open") & pl.col("item_code").is_in(codes))
        .sort("due_promised", nulls_last=True)
        .select("item_code", "case_no", "due_promised", "due_statutory", "paused", "acceptance_on")
    )
    return {row["item_code"]: row for row in rows.iter_rows(named=True)}


def _dated(
    lines: dict[str, Line], rows: Mapping[str, Any], running: Mapping[str, Any], calendar: Calendar, today: date
) -> list[Line]:
    """Earliest days forwards, latest days backwards, slack, critical path, and what holds each line up today."""
    order = _order(lines)
    starts: dict[str, date] = {}
    ends: dict[str, date] = {}
    for code in order:
        line, row = lines[code], rows[code]
        if line.state == "已办":
            ends[code] = row["done_at"].date()
            starts[code] = row["first_receipt_at"].date() if row["first_receipt_at"] else ends[code]
            continue
        if line.state == "未知":  # a channel that the hub does not see: it stops nobody, and no day can be given
            continue
        # what a done or unseen prerequisite once took does not matter any more
        free = max([today, *(ends[s.item_code] for s in line.before if s.item_code in ends)])
        case = running.get(code)
        if case and case["acceptance_on"]:
            starts[code] = case["acceptance_on"]
            ends[code] = max(case["due_promised"] or _after(calendar, free, line), today)
        else:
            starts[code] = free
            ends[code] = _after(calendar, free, line)
    planned = {c: e for c, e in ends.items() if lines[c].state != "已办"}
    last = max(planned.values(), default=None)
    latest: dict[str, date] = {}
    after: dict[str, list[str]] = {}
    for code in planned:
        for step in lines[code].before:
            after.setdefault(step.item_code, []).append(code)
    for code in reversed(order):
        if code in planned and last is not None:
            following = [latest[c] - _length(starts, ends, c) for c in after.get(code, []) if c in latest]
            latest[code] = min([last, *following])
    built = []
    for code, line in lines.items():
        slack = _working_days(calendar, ends[code], latest[code]) if code in latest else None
        built.append(
            replace(
                line,
                earliest_start=starts.get(code),
                earliest_end=ends.get(code),
                latest_end=latest.get(code),
                slack=slack,
                critical=slack == 0,
                provisional=bool(code in planned and calendar.provisional(_days(today), _days(ends[code]))[0]),
                holds=_holds(line, rows, running.get(code)),
            )
        )
    return built


def _order(lines: Mapping[str, Line]) -> list[str]:
    """Prerequisites first. The catalogue has no circle (checked where it is read); where one came in all the same, catalogue order."""
    done: dict[str, None] = {}
    open_: set[str] = set()

    def visit(code: str) -> None:
        if code in done or code in open_ or code not in lines:
            return
        open_.add(code)
        for step in lines[code].before:
            visit(step.item_code)
        done[code] = None

    for code in lines:
        visit(code)
    return list(done)


def _days(day: date) -> np.ndarray:
    return np.array([day], dtype="datetime64[D]")


def _after(calendar: Calendar, start: date, line: Line) -> date:
    """The day on which the promised limit (else the statutory one) runs out when it is received on ``start``; without a limit,
    the same day."""
    limit = line.promised or line.statutory
    if limit is None:
        return start
    return calendar.add(_days(start), np.array([limit.days]), limit.unit == NATURAL)[0].astype(object)


def _length(starts: Mapping[str, date], ends: Mapping[str, date], code: str) -> timedelta:
    return ends[code] - starts[code]


def _working_days(calendar: Calendar, after: date, until: date) -> int:
    return int(calendar.count(_days(after), _days(until))[0])


def _holds(line: Line, rows: Mapping[str, Any], case: Mapping[str, Any] | None) -> list[str]:
    """What the line waits for today, in words."""
    if line.state == "已办":
        return []
    waits = [f"前置事项“{s.item_name}”未办结" for s in line.before if not s.done and not rows[s.item_code]["unknown"]]
    if case and case["paused"]:
        waits.append("补正或特别程序进行中")
    if not waits and line.turn:
        waits.append(line.turn)
    return waits
