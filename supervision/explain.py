"""What a department would need to be convinced: how each day of a case counted, and what a finding stands on.

Personal data (``personal`` in schemas/entities) leave masked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

import chinese_calendar
import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError, NotFoundError
from schemas import codes, entities
from store import fold
from store.engine import engine, transaction
from supervision import facts, judge, read, rulebook, timeline
from supervision.calendar import NATURAL, Calendar
from supervision.clock import LIMITS, effective

PAUSE_ZH = {"supplement": "补正", "special": "特别程序"}
ISSUE_ZH = {
    "pause_started_twice": "暂停未结束又报开始，后一次不计",
    "pause_ended_without_start": "暂停只报结束未报开始，不计",
    "limit_differs": "办件自带时限（SXBLSX）与事项清单的承诺时限不同，按清单",
}
EVENT_ZH = {
    "opened": "出现",
    "reopened": "再现",
    "level": "级别变化",
    "confirmed": "确认",
    "lifted": "误报",
    "closed": "消除",
}
_WEEK = "一二三四五六日"


def case_ids(connection: Connection, number: str) -> list[str]:
    """Golden cases that any system's number means."""
    rows = connection.execute(
        sa.text(
            """select case_id from store.case_member where case_no = :no
               union select id from store."case" where gone_at is null and :no in (id, case_no)
               union select c.id from store."case" c where c.gone_at is null and (c.case_no = :no or c.municipal_no = :no
                     or c.department_no = :no or c.receipt_no = :no) order by 1"""
        ),
        {"no": number},
    )
    return [row[0] for row in rows]


def case(number: str, as_of: date) -> list[dict[str, Any]]:
    """The clock of every case of that number, day by day. :raises ConfigurationError: no system knows it.

    Each: case_no, numbers (of every system), limits (promised, statutory: limit, unit, used, due), light, waits_for (feeds) and
    not_judged (why, in words) where that is 待数据, deemed, times
    (what happened, which system said so, whether it counts), pauses, days, issues, findings.
    """
    calendar = rulebook.calendar()
    with transaction() as connection:
        ids = case_ids(connection, number)
        if not ids:
            raise NotFoundError(
                f"no system knows a case {number}", remedy="check the number", zh=f"没有任何系统有办件 {number}。"
            )
        projects = connection.execute(
            sa.text("""select distinct coalesce(project_code, '') from store."case" where id = any(:ids)"""),
            {"ids": ids},
        ).scalars()
        known = judge.judge(connection, as_of, projects).facts  # not the clock alone: what it shows may wait for data
        known = replace(known, cases=known.cases.filter(pl.col("case_id").is_in(ids)))
        read.set_cases(connection, ids)
        events = read.sourced_events(connection)
        members = connection.execute(
            sa.text(
                "select case_id, channel, case_no, why from store.case_member where case_id = any(:ids) order by 1, 2, 3"
            ),
            {"ids": ids},
        ).mappings()
        numbers: dict[str, list[dict[str, Any]]] = {}
        for row in members:
            numbers.setdefault(row["case_id"], []).append(
                {"channel": row["channel"], "case_no": row["case_no"], "why": row["why"]}
            )
        found = connection.execute(
            sa.text(
                "select id, case_id, rule, level, kind, state, text from supervision.finding where case_id = any(:ids) order by rule"
            ),
            {"ids": ids},
        ).mappings()
        findings: dict[str, list[dict[str, Any]]] = {}
        for row in found:
            findings.setdefault(row["case_id"], []).append({k: v for k, v in row.items() if k != "case_id"})
        cases = [
            _case(row, known, events, calendar, as_of)
            | {"numbers": numbers.get(row["case_id"], []), "findings": findings.get(row["case_id"], [])}
            for row in known.cases.sort("case_id").to_dicts()
        ]
    if not cases:
        raise ConfigurationError(
            f"{number} has not begun by {as_of}", remedy="ask of a later day", zh=f"办件 {number} 至 {as_of} 尚未开始。"
        )
    return cases


def _case(
    row: dict[str, Any], known: facts.Facts, events: pl.DataFrame, calendar: Calendar, as_of: date
) -> dict[str, Any]:
    events = events.filter((pl.col("case_id") == row["case_id"]) & (pl.col("at").dt.date() <= as_of))
    one = known.cases.filter(pl.col("case_id") == row["case_id"])
    pauses = effective(one.filter(pl.col("acceptance_on").is_not_null()), known.pauses, as_of)
    all_pauses = known.pauses.filter(pl.col("case_id") == row["case_id"])
    last = row["ended_at"].date() if row["ended_at"] else as_of
    limits = {
        which: {
            "limit": row[f"{which}_limit"],
            "unit": row[f"{which}_unit"],
            "used": row[f"used_{which}"],
            "due": row[f"due_{which}"],
        }
        for which in LIMITS
    }
    return {
        "case_id": row["case_id"],
        "case_no": row["case_no"],
        "project_code": row["project_code"],
        "item_code": row["item_code"],
        "item_name": row["item_name"],
        "variant": row["variant"],
        "as_of": as_of,
        "received_at": row["received_at"],
        "accepted_at": row["accepted_at"],
        "counts_from": row["acceptance_on"],
        "deemed": bool(row["deemed"]),
        "ended_at": row["ended_at"],
        "end_event": row["end_event"],
        "limits": limits,
        "light": row["light"],
        "waits_for": row["waits_for"] or [],
        "not_judged": not_judged(row["waits_for"], row["silent_since"]) if row["waits_for"] else None,
        "paused": bool(row["paused"]),
        "suspended": bool(row["suspended"]),
        "provisional": bool(row["provisional"]),
        "times": _times(events, as_of),
        "pauses": _pauses(all_pauses, pauses, row["acceptance_on"]),
        "days": _days(row, pauses, calendar, last) if row["acceptance_on"] else [],
        "issues": [
            {**explained, "zh": ISSUE_ZH[explained["code"]]}
            for explained in known.issues.filter(pl.col("case_id") == row["case_id"]).drop("case_id").to_dicts()
        ],
    }


def _times(events: pl.DataFrame, as_of: date) -> list[dict[str, Any]]:
    """Every row that a system told, and whether the clock goes by it."""
    end_of_day = datetime.combine(as_of, time.max)
    numbered = events.with_row_index("_at").filter(pl.col("at").is_not_null())
    counting = timeline.authoritative(timeline.current(numbered), end_of_day)["_at"]
    rows = numbered.with_columns(pl.col("_at").is_in(counting.implode()).alias("counts")).sort("at", "_at")
    zh = (
        pl.col("event")
        .replace_strict(codes.load("event").labels, default=pl.col("event"), return_dtype=pl.String)
        .alias("event_zh")
    )
    return rows.select(
        "at", "event", zh, "channel", "series", "version", "limit_days", "limit_unit", "source_ref", "counts"
    ).to_dicts()


def _pauses(everything: pl.DataFrame, counted: pl.DataFrame, acceptance_on: date | None) -> list[dict[str, Any]]:
    taken = {(row["kind"], row["from_"]): row for row in counted.to_dicts()}
    entries = []
    for row in everything.sort("started_at").to_dicts():
        used = taken.get((row["kind"], row["started_at"].date()))
        why = None
        if used is None:
            early = acceptance_on is None or row["started_at"].date() < acceptance_on
            why = "始于受理之前，不计" if early else "始于办结之后，不计"
        entries.append(
            {
                "kind": PAUSE_ZH[row["kind"]],
                "started_at": row["started_at"],
                "ended_at": row["ended_at"],
                "granted_until": row["limit_until"],
                "counts_until": used["until"] if used else None,
                "running": bool(used and used["running"]),
                "ignored": why,
            }
        )
    return entries


def _days(row: dict[str, Any], pauses: pl.DataFrame, calendar: Calendar, last: date) -> list[dict[str, Any]]:
    """Each day from acceptance on, and how it counted for each limit: a number of a used day, a rest day, or paused and by what."""
    spans = [(p["from_"], p["until"], PAUSE_ZH[p["kind"]]) for p in pauses.to_dicts()]
    days = pl.date_range(row["acceptance_on"], max(last, row["acceptance_on"]), eager=True)
    working = calendar.is_counted(days.to_numpy())
    known = ~calendar.provisional(days.to_numpy() - 1, days.to_numpy())
    numbers = dict.fromkeys(LIMITS, 0)
    entries = []
    for place, day in enumerate(days.to_list()):
        by = [kind for start, until, kind in spans if start < day <= until]
        entry: dict[str, Any] = {
            "day": day,
            "weekday": _WEEK[day.weekday()],
            "kind": _kind(day, bool(working[place])),
            "provisional": not known[place],
        }
        for which in LIMITS:
            if row[f"{which}_limit"] is None:
                continue
            counts = bool(working[place]) or row[f"{which}_unit"] == NATURAL
            if place == 0:
                entry[which] = "受理当日，不计"
            elif by:
                entry[which] = f"暂停：{'、'.join(dict.fromkeys(by))}"
            elif not counts:
                entry[which] = "休息日，不计"
            else:
                numbers[which] += 1
                entry[which] = numbers[which]
        entries.append(entry)
    return entries


def _kind(day: date, works: bool) -> str:
    """工作日, 周末, 法定节假日 with its name, 调休上班."""
    try:
        holiday, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        holiday, name = not works, None
    if works:
        return "调休上班" if day.weekday() > 4 else "工作日"
    return f"法定节假日 {name}" if holiday and name else "周末" if day.weekday() > 4 else "休息日"


def finding(id_: str) -> dict[str, Any]:
    """A finding whole: its evidence with source, record, receipt and when it was received; its life; what would lift it.

    :raises ConfigurationError: the ledger has none of that id.
    """
    book = rulebook.load()
    with engine().connect() as connection:
        row = (
            connection.execute(
                sa.text(
                    """select id, rule, project_code, item_code, case_no, case_id, level, kind, severity, state, text, department_code,
                          department_name, opened_on, closed_on, judged_on, decided_by, decided_at, decision_note, evidence
                   from supervision.finding where id = :id"""
                ),
                {"id": id_},
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotFoundError(f"no finding {id_}", remedy="see onemap findings", zh=f"没有发现 {id_}。")
        rule = book.by_name.get(row["rule"])
        life = connection.execute(
            sa.text(
                "select as_of, event, by, why, at from supervision.finding_event where finding_id = :id order by seq"
            ),
            {"id": id_},
        ).mappings()
        rows = connection.execute(
            sa.text(
                """select rule, item_code, case_no, waits_for, silent_since, text from supervision.waiting where project_code = :project
                   order by rule, item_code, case_no"""
            ),
            {"project": row["project_code"]},
        ).mappings()
        waiting = [dict(one) for one in rows]
        own = next((w for w in waiting if all(w[name] == row[name] for name in ("rule", "item_code", "case_no"))), None)
        order = (
            connection.execute(
                sa.text("select no, state, department_name, due_on from supervision.work_order where finding_id = :id"),
                {"id": id_},
            )
            .mappings()
            .first()
        )
        return {
            **{name: value for name, value in row.items() if name != "evidence"},
            "rule_name": rule.name if rule else None,
            "standing": "疑似，待核"
            if row["state"] == "open"
            else {"confirmed": "已确认", "lifted": "误报", "closed": "已消除"}[row["state"]],
            "lifted_by": rule.lifted_by if rule else None,
            "innocent": rule.innocent if rule else [],
            "evidence": [_evidence(connection, explained) for explained in row["evidence"]],
            "life": [{**step, "event_zh": EVENT_ZH[step["event"]]} for step in life],
            "order": dict(order) if order else None,
            "waiting": waiting,
            "not_judged": f"{not_judged(own['waits_for'], own['silent_since'])}；其间不催办、不督办" if own else None,
        }


def not_judged(feeds: Iterable[str], silent_since: datetime | None) -> str:
    """Which feeds a verdict waits for, and since when one of them is silent, in words."""
    since = f"（自 {silent_since:%Y-%m-%d %H:%M} 静默）" if silent_since else ""
    return f"未判定，等待 {'、'.join(feeds)}{since}"


def _evidence(connection: Connection, explained: dict[str, Any]) -> dict[str, Any]:
    """One golden row with its fields (personal ones masked), and every source row behind it with its receipt."""
    entity, _, id_ = explained["row"].partition(" ")
    declared = entities.load(entity).columns
    columns = ", ".join(f'"{name}"' for name, column in declared.items() if column.type != "geometry")
    row = (
        connection.execute(sa.text(f'select {columns} from store."{entity}" where id = :id'), {"id": id_})
        .mappings()
        .first()
    )
    fields = {
        name: masked(value) if declared[name].personal else value
        for name, value in (row or {}).items()
        if value is not None
    }
    refs = sorted({*(explained.get("sources") or []), *(_events_of(connection, id_) if entity == "case" else [])})
    return {
        "row": explained["row"],
        "fields": fields,
        "sources": [source for ref in refs if (source := _source(connection, ref))],
    }


def _events_of(connection: Connection, case_id: str) -> list[str]:
    rows = connection.execute(
        sa.text(
            f"select distinct {fold.record_of('e')} from store.case_event e where case_id = :id and gone_at is null"
        ),
        {"id": case_id},
    )
    return [row[0] for row in rows if row[0]]


def _source(connection: Connection, ref: str) -> dict[str, Any] | None:
    """A source's record with the receipt that it came by. ``ref``: feed|record_key."""
    feed, _, key = ref.partition("|")
    row = (
        connection.execute(
            sa.text(
                """select r.feed, r.record_key, r.source_time, r.recorded_at, r.mapping_version, r.place, r.receipt_id, c.source,
                      c.finished_at as received_at, c.sha256
               from source.record r left join landing.receipt c on c.id = r.receipt_id where r.feed = :feed and r.record_key = :key"""
            ),
            {"feed": feed, "key": key},
        )
        .mappings()
        .first()
    )
    return dict(row) if row else None


def masked(value: Any) -> str:
    """First and last character, the rest hidden; what has two or fewer keeps one."""
    text = str(value)
    return text[0] + "*" * (len(text) - 1) if len(text) < 3 else text[0] + "*" * (len(text) - 2) + text[-1]
