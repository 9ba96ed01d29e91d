"""时间机器 The city judged as of a past day (business time, ``as_of``), kept by the day in ``serving.judged_day`` and ``serving.day_*``,
which the schema ``on_day`` shows (:mod:`serving.sql.on_day`).

Judged once for whoever asks of that day; when the store has moved since, only the projects that the changes touch are judged again.
What nobody has asked of for long goes.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from functools import cache
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving import rulebook, silence
from serving.sql.on_day import JUDGED, TABLES
from store.copying import Schema
from store.engine import lock_key, transaction
from supervision import finding_life, items, ledger, positions
from supervision import rulebook as declared
from supervision.judge import Judged, in_chunks, judge
from supervision.orders import life
from supervision.scratch import copy_csv, load
from supervision.touched import changed_projects

KEPT = 12  # days; the one that was made first goes
OF_READER = -1  # the day of one project that a reader judges within its own, rolled back transaction

_STANDS = f"""
select ({ledger.COMMITTED}) as change, coalesce((select max(seq) from supervision.finding_event), 0) as event,
       coalesce((select max(seq) from supervision.order_step), 0) as step,
       (select coalesce(string_agg(concat(id, ' ', approved_until), ',' order by id), '') from landing.silence where ended_at is null) as silences"""
_LAST = "select id, change_seq, event_seq, step_seq, rules from serving.judged_day where as_of = :as_of order by id desc limit 1"
_MAKE = """
insert into serving.judged_day (as_of, change_seq, event_seq, step_seq, rules) values (:as_of, :change, :event, :step, :rules) returning id"""
_COPY = """
insert into serving.day_{name} select :day, {columns} from serving.day_{name} g
where g.day_id = :last and coalesce(g.project_code, '') <> all(:anew)"""
#: findings that fire, as the ledger of that day had them: by the last word on each up to then
_FINDINGS = """
with word as (
    select distinct on (e.finding_id) e.finding_id as id, e.event, e.as_of, e.at, e.by, e.why,
           max(e.as_of) filter (where e.event in ('opened', 'reopened')) over (partition by e.finding_id) as opened_on
    from supervision.finding_event e where e.as_of <= :as_of and e.event <> 'level'
    order by e.finding_id, e.seq desc)
insert into serving.day_finding (day_id, id, rule, project_code, item_code, case_no, case_id, level, kind, severity, department_code,
    department_name, text, evidence, evidence_hash, state, opened_on, opened_at, judged_on, decided_by, decided_at, decision_note)
select :day, j.id, j.rule, j.project_code, j.item_code, j.case_no, j.case_id, j.level, j.kind, j.severity, j.department_code,
       j.department_name, j.text, j.evidence_rows, j.evidence_hash, case when w.event in ('confirmed', 'lifted') then w.event else 'open' end,
       coalesce(w.opened_on, least(f.opened_on, :as_of), :as_of), coalesce(f.opened_at, now()), :as_of,
       case when w.event in ('confirmed', 'lifted') then w.by end, case when w.event in ('confirmed', 'lifted') then w.at end,
       case when w.event in ('confirmed', 'lifted') then w.why end
from fires j left join supervision.finding f on f.id = j.id left join word w on w.id = j.id
union all
-- what the ledger had by then and fires no more, or waits
select :day, f.id, f.rule, f.project_code, f.item_code, f.case_no, f.case_id, f.level, f.kind, f.severity, f.department_code,
       f.department_name, f.text, f.evidence, f.evidence_hash,
       case when w.event in ('closed', 'lifted') then w.event when j.id is null then 'closed' when w.event = 'confirmed' then w.event else 'open' end,
       w.opened_on, f.opened_at, :as_of, case when w.event in ('confirmed', 'lifted') then w.by end,
       case when w.event in ('confirmed', 'lifted') then w.at end, case when w.event in ('confirmed', 'lifted') then w.why end
from supervision.finding f join word w on w.id = f.id left join judged j on j.id = f.id
where f.project_code in (select project_code from scope) and not exists (select from fires x where x.id = f.id);
"""
_CLOSED = """
update serving.day_finding f set closed_on = coalesce((select max(e.as_of) from supervision.finding_event e
    where e.finding_id = f.id and e.as_of <= :as_of and e.event = 'closed'), :as_of)
where f.day_id = :day and f.state = 'closed'"""
#: each order by its steps up to the day: which one it stands at, since when
_ORDERS = """
select o.no,
       case s.step when 'signed' then 'signed' when 'closed' then 'closed'
                   when 'answered' then case when s.detail ->> 'result' = '误报' then 'disputed' else 'answered' end else 'dispatched' end as state,
       s.at as step_at, s.at::date as step_on, d.at as dispatched_at,
       (select max(u.at)::date from supervision.order_step u where u.order_no = o.no and u.step = 'urged' and u.seq > s.seq and u.at < :end) as urged_on,
       (select max(u.at)::date from supervision.order_step u where u.order_no = o.no and u.step = 'escalated' and u.seq > s.seq and u.at < :end) as escalated_on,
       a.detail ->> 'result' as result, case when a.seq is not null then o.answer end as answer, case when s.step = 'closed' then s.at end as closed_at
from supervision.work_order o
cross join lateral (select x.* from supervision.order_step x where x.order_no = o.no and x.at < :end
                    and x.step in ('dispatched', 'rerouted', 'reopened', 'signed', 'answered', 'closed') order by x.seq desc limit 1) s
cross join lateral (select x.at, x.seq from supervision.order_step x where x.order_no = o.no and x.at < :end
                    and x.step in ('dispatched', 'rerouted', 'reopened') order by x.seq desc limit 1) d
left join lateral (select x.* from supervision.order_step x where x.order_no = o.no and x.at < :end and x.step = 'answered' and x.seq > d.seq
                   order by x.seq desc limit 1) a on true
where cast(:projects as text[]) is null or o.project_code = any(:projects)"""
_ORDER: Schema = {
    "no": pl.String,
    "state": pl.String,
    "step_at": pl.Datetime("us"),
    "step_on": pl.Date,
    "dispatched_at": pl.Datetime("us"),
    "urged_on": pl.Date,
    "escalated_on": pl.Date,
    "result": pl.String,
    "answer": pl.String,
    "closed_at": pl.Datetime("us"),
}


def bring(as_of: date) -> int:
    """Judge the whole city as of a day, or what has changed since it was asked of last; the number of ``serving.judged_day``."""
    by = rulebook.rules()
    with transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("judged day", as_of.isoformat()))))
        stands, last, same = _standing(connection, as_of)
        if same:
            return int(last.id)
        anew = None if last is None or last.rules != stands["rules"] else _touched(connection, last, stands)
        number: int = connection.execute(sa.text(_MAKE), stands).scalar_one()
        if anew is not None and last is not None:
            for name in JUDGED:
                columns = ", ".join(f"g.{column}" for column in _columns(name))
                statement = _COPY.format(name=name, columns=columns)
                connection.execute(sa.text(statement), {"day": number, "last": last.id, "anew": anew})
        if anew is None or anew:
            for judged in in_chunks(connection, as_of, anew, by):
                _write(connection, number, judged)
        _orders(connection, number, as_of, None)
        _forget(connection, as_of, number)
    return number


def of_project(connection: Connection, project: str, as_of: date) -> int:
    """One project as of a day: as the city was judged, where it was and nothing has moved since; else judged to this transaction alone,
    which must be rolled back."""
    _, last, same = _standing(connection, as_of)
    if same:
        return int(last.id)
    _write(
        connection, OF_READER, judge(connection, as_of, [project], rulebook.rules(), silence.watched(connection, as_of))
    )
    _orders(connection, OF_READER, as_of, [project])
    return OF_READER


def _standing(connection: Connection, as_of: date) -> tuple[dict[str, Any], Any, bool]:
    """Where the store stands, what was judged of the day last, and whether nothing has moved since. With other silences, as with other
    rules, every verdict may be another, though no row is."""
    stands = dict(connection.exec_driver_sql(_STANDS).mappings().one()) | {"as_of": as_of}
    stands["rules"] = hashlib.sha256(f"{rulebook.digest()} {stands.pop('silences')}".encode()).hexdigest()
    last = connection.execute(sa.text(_LAST), {"as_of": as_of}).first()
    same = last is not None and last[1:] == tuple(stands[name] for name in ("change", "event", "step", "rules"))
    return stands, last, same


def _touched(connection: Connection, last: Any, stands: dict[str, Any]) -> list[str] | None:
    """Projects to be judged again; None: all."""
    found = changed_projects(connection, last.change_seq, stands["change"])
    if found is None:
        return None
    decided = connection.execute(
        sa.text(
            """select distinct f.project_code from supervision.finding_event e join supervision.finding f on f.id = e.finding_id
               where e.seq > :event"""
        ),
        {"event": last.event_seq},
    ).scalars()
    return sorted({*found, *decided})


def _write(connection: Connection, day: int, judged: Judged) -> None:
    as_of = {"day": day, "as_of": judged.as_of}
    for name, of in (
        ("clock", positions.clocks),
        ("stage_state", positions.stages),
        ("position", positions.standing),
        ("project_item", items.frame),
    ):
        rows = of(judged).with_columns(pl.lit(day).alias("day_id"), pl.lit(judged.as_of).alias("as_of"))
        copy_csv(connection, f"serving.day_{name} ({', '.join(rows.columns)})", rows)
    finding_life.stage(connection, judged)
    connection.execute(sa.text(_FINDINGS), as_of)
    connection.execute(sa.text(_CLOSED), as_of)
    columns = "rule, project_code, item_code, case_no, waits_for, silent_since, text, as_of"
    waiting = (
        f"insert into serving.day_waiting (day_id, {columns}) select :day, {columns} from ({finding_life.WAITING}) w"
    )
    connection.execute(sa.text(waiting), as_of)


#: The work orders as they stood at the end of the day (temporary table ``order_then``).
_ORDERS_OF_DAY = """insert into serving.day_work_order (day_id, no, finding_id, rule, project_code, item_code, case_no, department_code,
    department_name, severity, state, dispatched_at, step_at, due_on, urged_on, escalated_on, result, answer, closed_at, revision)
select :day, o.no, o.finding_id, o.rule, o.project_code, o.item_code, o.case_no, o.department_code, o.department_name,
       o.severity, t.state, t.dispatched_at, t.step_at, t.due_on, t.urged_on, t.escalated_on, t.result, t.answer, t.closed_at,
       o.revision
from order_then t join supervision.work_order o on o.no = t.no"""


def _orders(connection: Connection, day: int, as_of: date, projects: list[str] | None) -> None:
    """Work orders as their steps had them at the end of the day, each with the last day of the limit that ran."""
    values = {"end": as_of + timedelta(days=1), "projects": projects}
    rows = connection.execute(sa.text(_ORDERS), values).all()
    orders = pl.DataFrame([tuple(row) for row in rows], schema=_ORDER, orient="row")
    running = orders.filter(pl.col("state").is_in(list(life.LIMIT)))
    due = running.select("no", life.last_days(running, declared.orders(), declared.calendar()).alias("due_on"))
    load(
        connection,
        "order_then",
        orders.join(due, on="no", how="left").drop("step_on"),
        """no text, state text, step_at timestamp, dispatched_at timestamp, urged_on date, escalated_on date, result text, answer text,
           closed_at timestamp, due_on date""",
    )
    connection.execute(sa.text(_ORDERS_OF_DAY), {"day": day})


def _forget(connection: Connection, as_of: date, number: int) -> None:
    """Earlier judgements of the day, and the day made first where there are more than are kept."""
    gone = connection.execute(
        sa.text(
            """delete from serving.judged_day where (as_of = :as_of and id <> :made)
                  or id not in (select id from serving.judged_day order by id desc limit :kept)"""
        ),
        {"as_of": as_of, "made": number, "kept": KEPT},
    ).rowcount
    for name in TABLES if gone else ():
        connection.exec_driver_sql(
            f"delete from serving.day_{name} where day_id not in (select id from serving.judged_day)"
        )


@cache
def _columns(name: str) -> tuple[str, ...]:
    with transaction() as connection:
        return tuple(
            connection.execute(
                sa.text(
                    """select attname from pg_attribute where attrelid = cast('supervision.' || :name as regclass)
                       and attnum > 0 and not attisdropped order by attnum"""
                ),
                {"name": name},
            ).scalars()
        )
