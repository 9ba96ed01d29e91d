"""The life of a work order: dispatched → signed for → answered → closed by the next data, or reopened.

::

    派单 dispatched ──签收──▶ signed ──反馈 整改──▶ answered ──数据已支持──▶ closed
        │                      └──反馈 误报──▶ disputed ──人判：误报──▶ closed
        └─ past a limit 催办, past twice 督办      └──人判：属实──▶ reopened (dispatched again)

What stands in the ledger decides: an order closes when its finding closes or is lifted, and is reopened when the finding
fires again. Every change leaves a step on a log that is only appended, and what the platform must hear stands in the
outbox in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from schemas.departments import register
from store.copying import Schema, read_frame
from store.engine import lock_key, transaction
from supervision import rulebook, silence
from supervision.calendar import Calendar
from supervision.declaration import Orders, Rulebook
from supervision.finding_life import SYSTEM

#: Which limit runs in which state; none runs while a person has to decide, or after the end.
LIMIT = {"dispatched": "sign", "signed": "answer", "answered": "verify"}
#: A finding whose data wait: nothing is sent, urged or escalated from what a hole may hide.
_WAITS = """exists (select from supervision.waiting w where w.rule = f.rule and w.project_code = f.project_code
                    and w.item_code = f.item_code and w.case_no = f.case_no)"""
STEP_ZH = {
    "dispatched": "派单",
    "signed": "签收",
    "answered": "反馈",
    "asked_close": "申请核销",
    "urged": "催办",
    "escalated": "督办",
    "rerouted": "改派",
    "closed": "办结",
    "reopened": "重开",
    "noted": "其他",
}
STATE_ZH = {
    "dispatched": "待签收",
    "signed": "待反馈",
    "answered": "待核销",
    "disputed": "误报待判定",
    "closed": "已办结",
}


CLOCKS_DIFFER = timedelta(minutes=10)


@dataclass(slots=True)
class Advanced:
    """What :func:`advance` did, by step, and findings that ask for action but have nobody to act."""

    steps: dict[str, int] = field(default_factory=dict)
    unrouted: int = 0


@dataclass(frozen=True, slots=True)
class _Change:
    """One order's next step. ``action``: what the platform is told; None: nothing."""

    no: str
    step: str
    why: str
    action: str | None = None
    by: str = SYSTEM
    at: datetime | None = None
    values: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)


def order_no(finding_id: str) -> str:
    """The order of a finding: one finding has one order, however often it is reopened."""
    return "GD" + finding_id.removeprefix("F").upper()


def advance(now: datetime | None = None) -> Advanced:
    """Bring every order to where ledger, limits and persons' verdicts have it. Idempotent.

    :raises ConfigurationError: the rules are wrong, with file and line.
    """
    now = now or clock.now()
    by, book, calendar = rulebook.orders(), rulebook.load(), rulebook.calendar()
    with transaction() as connection:
        lock(connection)
        result = Advanced()
        for changes in (
            _opened(connection, book, now, result),
            _by_ledger(connection, now),
            _rerouted(connection, now),
        ):
            _apply(connection, changes, now, by, book, calendar, result)
        _apply(connection, _by_limits(connection, by, calendar, now), now, by, book, calendar, result)
        return result


def lock(connection: Connection) -> None:
    """Orders are moved by one at a time."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("orders", ""))))


#: An order of each finding that is new and has a department.
_OPEN = """insert into supervision.work_order (no, finding_id, rule, project_code, item_code, case_no, department_code,
    department_name, severity, state, dispatched_at, step_at)
select 'GD' || upper(substr(f.id, 2)), f.id, f.rule, f.project_code, f.item_code, f.case_no, f.department_code,
       f.department_name, f.severity, 'dispatched', :now, :now {new} and f.department_code is not null
returning no"""


def _opened(connection: Connection, book: Rulebook, now: datetime, result: Advanced) -> list[_Change]:
    asking = [name for name, rule in book.by_name.items() if rule.asks_action]
    parameters = {"asking": asking, "now": now}
    new = f"""from supervision.finding f where f.state in ('open', 'confirmed') and f.rule = any(:asking)
             and not exists (select from supervision.work_order o where o.finding_id = f.id) and not {_WAITS}"""
    result.unrouted = connection.execute(
        sa.text(f"select count(*) {new} and f.department_code is null"), parameters
    ).scalar_one()
    rows = connection.execute(
        sa.text(_OPEN.format(new=new)),
        parameters,
    )
    return [_Change(no, "dispatched", "发现待核", "dispatch", values=_again(now)) for (no,) in rows]


def _again(now: datetime) -> dict[str, Any]:
    """Columns of an order that begins, or begins anew."""
    return {
        "state": "dispatched",
        "dispatched_at": now,
        "step_at": now,
        "result": None,
        "answer": None,
        "close_asked_at": None,
        "closed_at": None,
    }


#: Orders whose finding ended, came back, or was confirmed by a person after the department disputed it.
_DIFFERS_FROM_FINDING = """select o.no, o.state, f.state, f.decided_by, f.decision_note
from supervision.work_order o join supervision.finding f on f.id = o.finding_id
where (f.state in ('closed', 'lifted') and o.state <> 'closed')
   or (f.state in ('open', 'confirmed') and o.state = 'closed')
   or (o.state = 'disputed' and f.state = 'confirmed'
       and f.decided_at > (select max(s.recorded_at) from supervision.order_step s where s.order_no = o.no and s.step = 'answered'))
order by o.no"""


def _by_ledger(connection: Connection, now: datetime) -> list[_Change]:
    """Closed with the finding, reopened with it, and a person's word on what a department calls a false alarm."""
    rows = connection.exec_driver_sql(_DIFFERS_FROM_FINDING)
    changes = []
    for no, state, finding, who, note in rows:
        if finding == "closed":
            changes.append(
                _Change(
                    no,
                    "closed",
                    "数据已支持核销",
                    "close",
                    values={"state": "closed", "closed_at": now, "step_at": now},
                )
            )
        elif finding == "lifted":
            changes.append(
                _Change(
                    no,
                    "closed",
                    f"认定为误报：{note}",
                    "close",
                    by=who,
                    values={"state": "closed", "closed_at": now, "step_at": now},
                )
            )
        elif state == "closed":
            changes.append(_Change(no, "reopened", "数据再次触发", "reopen", values=_again(now)))
        else:
            changes.append(_Change(no, "reopened", f"误报不成立：{note}", "reopen", by=who, values=_again(now)))
    return changes


def _rerouted(connection: Connection, now: datetime) -> list[_Change]:
    rows = connection.exec_driver_sql(
        """select o.no, o.department_name, f.department_code, f.department_name
           from supervision.work_order o join supervision.finding f on f.id = o.finding_id
           where o.state <> 'closed' and f.department_code is not null and f.department_code <> o.department_code order by o.no"""
    )
    return [
        _Change(
            no,
            "rerouted",
            f"{was} → {name}",
            "dispatch",
            values={**_again(now), "department_code": code, "department_name": name},
        )
        for no, was, code, name in rows
    ]


_RUNNING: Schema = {
    "no": pl.String,
    "state": pl.String,
    "step_on": pl.Date,
    "urged_on": pl.Date,
    "escalated_on": pl.Date,
    "due_on": pl.Date,
    "department_code": pl.String,
}


def last_days(running: pl.DataFrame, by: Orders, calendar: Calendar, times: int = 1) -> pl.Series:
    """The last day of ``times`` the limit that runs, of each row of ``state`` (one of :data:`LIMIT`) and ``step_on``, its first day."""
    limits = by.limits.model_dump()
    days = running["state"].replace_strict({s: limits[name] for s, name in LIMIT.items()}, return_dtype=pl.Int64)
    return pl.Series(calendar.add(running["step_on"].to_numpy(), days.to_numpy() * times)).cast(pl.Date)


def _by_limits(connection: Connection, by: Orders, calendar: Calendar, now: datetime) -> list[_Change]:
    """Urged past a limit, escalated past twice the limit, reopened when the data do not bear out what was answered.

    The due day is computed again each time: the calendar may have been told more.
    """
    running = read_frame(
        connection,
        f"""select o.no, o.state, o.step_at::date, o.urged_on, o.escalated_on, o.due_on, o.department_code
            from supervision.work_order o join supervision.finding f on f.id = o.finding_id
            where o.state in ('dispatched', 'signed', 'answered') and not {_WAITS} order by o.no""",
        _RUNNING,
    )
    if running.is_empty():
        return []
    due, urge, escalate = (last_days(running, by, calendar, times) for times in (1, by.urge_after, by.escalate_after))
    running = running.with_columns(due.alias("due"), urge.alias("urge"), escalate.alias("escalate"))
    moved = running.filter(pl.col("due") != pl.col("due_on").fill_null(date.min))
    if moved.height:
        connection.execute(
            sa.text("update supervision.work_order set due_on = :due where no = :no"),
            moved.select("no", "due").to_dicts(),
        )
    kinds = dict(register().select("code", "kind").iter_rows())
    unheard = silence.feedback_is_silent(connection)
    waiting_for = {"dispatched": "签收", "signed": "反馈"}
    today, changes = now.date(), []
    for row in running.iter_rows(named=True):
        if row["state"] == "answered":
            if today > row["due"]:
                changes.append(
                    _Change(
                        row["no"],
                        "reopened",
                        f"反馈已整改，至 {row['due']} 数据仍未支持核销",
                        "reopen",
                        values=_again(now),
                    )
                )
            continue
        if unheard:
            continue  # a signature or an answer may not have come
        what = waiting_for[row["state"]]
        if today > row["escalate"] and row["escalated_on"] is None:
            superior = by.superior.get(kinds.get(row["department_code"], ""), "") or next(
                iter(by.superior.values()), ""
            )
            changes.append(
                _Change(
                    row["no"],
                    "escalated",
                    f"{what}超过时限 {by.escalate_after} 倍（{row['escalate']}），报 {superior} 督办",
                    "escalate",
                    values={"escalated_on": today},
                    detail={"superior": superior},
                )
            )
        elif today > row["urge"] and row["urged_on"] is None and row["escalated_on"] is None:
            changes.append(
                _Change(row["no"], "urged", f"{what}已超过时限（{row['urge']}）", "urge", values={"urged_on": today})
            )
    return changes


def answered(connection: Connection, updates: Iterable[dict[str, Any]]) -> dict[int, bool]:
    """Take what departments said, in the order of ``seq``: 签收, 反馈 with 整改 or 误报 (text: the reason), 核销 as a request.

    ``updates``: seq, work_order_no, action, at, by, department_code, result, text. Returns seq → whether it moved its order;
    what comes late, twice or for an order that is closed or unknown is kept on record and moves nothing.
    """
    now = clock.now()
    moved = {}
    for document in updates:
        order = connection.execute(
            sa.text("select no, state, dispatched_at from supervision.work_order where no = :no for update"),
            {"no": document["work_order_no"]},
        ).first()
        moved[document["seq"]] = bool(order) and _apply_reply(connection, order, document, document["at"] or now)
    return moved


def _apply_reply(connection: Connection, order: Any, document: dict[str, Any], at: datetime) -> bool:
    action, state = document["action"], order.state
    who = document["by"] or document["department_code"] or "部门"
    detail = {"seq": document["seq"], "department_code": document["department_code"]}
    values: dict[str, Any] = {}
    if _stale(at, order.dispatched_at):
        step = "noted"  # said of the time before it was dispatched anew
    elif action == "签收":
        step = "signed" if state == "dispatched" else "noted"
        values = {"state": "signed", "step_at": at}
    elif action == "反馈":
        step = "answered" if state in ("dispatched", "signed") else "noted"
        false_alarm = document["result"] == "误报"
        values = {
            "state": "disputed" if false_alarm else "answered",
            "step_at": at,
            "result": "误报" if false_alarm else "整改",
            "answer": document["text"],
        }
        detail["result"] = values["result"]
    else:
        step = "asked_close" if state != "closed" else "noted"
        values = {"close_asked_at": at}
    change = _Change(
        order.no,
        step,
        f"{action}：{document['text'] or ''}".rstrip("："),
        by=who,
        at=at,
        values=values if step != "noted" else {},
        detail=detail,
    )
    _write(connection, [change], at)
    return step != "noted"


def _stale(at: datetime, dispatched_at: datetime) -> bool:
    """Before the last dispatch, beyond what two clocks may differ; a date alone is some time of its day."""
    return at.date() < dispatched_at.date() if at.time() == time() else at < dispatched_at - CLOCKS_DIFFER


def _apply(
    connection: Connection,
    changes: list[_Change],
    now: datetime,
    by: Orders,
    book: Rulebook,
    calendar: Calendar,
    result: Advanced,
) -> None:
    _write(connection, changes, now)
    _enqueue(connection, [change for change in changes if change.action], by, book, calendar, now)
    for change in changes:
        result.steps[change.step] = result.steps.get(change.step, 0) + 1


def _write(connection: Connection, changes: list[_Change], now: datetime) -> None:
    """What the orders are now, and a step of each on its log."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for change in changes:
        values = change.values
        if "state" in values:  # another step: its own limit, not urged yet
            values = {"due_on": None, "urged_on": None, "escalated_on": None, **values}
        if values:
            by_columns.setdefault(tuple(values), []).append({**values, "_no": change.no})
    for columns, rows in by_columns.items():
        listed = ", ".join(f"{name} = :{name}" for name in columns)
        connection.execute(sa.text(f"update supervision.work_order set {listed} where no = :_no"), rows)
    if changes:
        connection.execute(
            sa.text(
                """insert into supervision.order_step (order_no, at, step, by, why, detail)
                   values (:no, :at, :step, :by, :why, cast(:detail as jsonb))"""
            ),
            [
                {
                    "no": c.no,
                    "at": c.at or now,
                    "step": c.step,
                    "by": c.by,
                    "why": c.why,
                    "detail": json.dumps(c.detail, ensure_ascii=False),
                }
                for c in changes
            ],
        )


#: Orders that are sent, each with its next revision and its finding's severity of today.
_REVISE = """update supervision.work_order o set revision = o.revision + 1, severity = f.severity
from supervision.finding f where f.id = o.finding_id and o.no = any(:nos)
returning o.no, o.revision, o.finding_id, o.rule, o.project_code, o.item_code, o.case_no, o.department_code, o.department_name,
          o.severity, o.dispatched_at, o.step_at, o.state, f.text"""


def _enqueue(
    connection: Connection, changes: list[_Change], by: Orders, book: Rulebook, calendar: Calendar, now: datetime
) -> None:
    """Put changes into the outbox: their very bytes, each under a key of its own, before anything is sent."""
    if not changes:
        return
    rows = connection.execute(
        sa.text(_REVISE),
        {"nos": [change.no for change in changes]},
    )
    orders = {row.no: row for row in rows}
    starts = pl.Series([orders[c.no].step_at.date() for c in changes], dtype=pl.Date).to_numpy()
    days = pl.Series(
        [getattr(by.limits, LIMIT[orders[c.no].state]) if orders[c.no].state in LIMIT else 0 for c in changes],
        dtype=pl.Int64,
    ).to_numpy()
    dues = calendar.add(starts, days).astype(object)
    connection.execute(
        sa.text(
            "insert into supervision.outbox (order_no, revision, action, body, made_at) values (:no, :revision, :action, :body, :now)"
        ),
        [
            {
                "no": c.no,
                "revision": orders[c.no].revision,
                "action": c.action,
                "now": now,
                "body": _body(c, orders[c.no], due if orders[c.no].state in LIMIT else None, book),
            }
            for c, due in zip(changes, dues, strict=True)
        ],
    )


def _body(change: _Change, order: Any, due: date | None, book: Rulebook) -> bytes:
    """WorkOrder of schemas/contracts/m1.openapi.yaml."""
    note = "" if change.step == "dispatched" else f"（{STEP_ZH[change.step]}：{change.why}）"
    rule = book.by_name.get(order.rule)
    document = {
        "work_order_no": order.no,
        "revision": order.revision,
        "action": change.action,
        "finding_id": order.finding_id,
        "rule": order.rule,
        "project_code": order.project_code or None,
        "item_code": order.item_code or None,
        "case_no": order.case_no or None,
        "department_code": order.department_code,
        "department_name": order.department_name,
        "title": f"{rule.name if rule else order.rule}（疑似，待核）",
        "content": order.text + note,
        "severity": order.severity,
        "dispatched_at": f"{order.dispatched_at:%Y-%m-%d %H:%M:%S}",
        "due_at": f"{datetime.combine(due, time(23, 59, 59)):%Y-%m-%d %H:%M:%S}" if due else None,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
