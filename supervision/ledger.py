"""The ledger of findings: what opens, stays, closes, opens again; and the clocks and stages of the day.

One finding a key (rule, project, item, case), whose id is computed from the key. Set-based: what was judged goes into
temporary tables and is compared with the ledger in one transaction, so that a run that dies leaves nothing behind.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import date

import polars as pl
import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError, NotFoundError
from core.redaction import redact
from quality.silence import episode
from store import clockwatch, issues, unify
from store.engine import lock_key, refusal, transaction
from store.text import EXPLAINING_CHARS, storable
from supervision import items, positions, rulebook, silence
from supervision.finding_life import listed, write_findings
from supervision.judge import Judged, Rules, chunks, judge, rules
from supervision.touched import changed_projects

__all__ = [
    "REFUSED",
    "COMMITTED",
    "RUN",
    "DECIDE",
    "Supervised",
    "decide",
    "last_day",
    "listed",
    "on_day",
    "supervise",
    "write",
]

log = logging.getLogger(__name__)

#: What data can make of judging them; anything else is no project's fault.
_FAULTS = (
    sa.exc.DBAPIError,
    psycopg.Error,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    ArithmeticError,
    ValueError,
)
#: Projects of a run that are set aside one by one; beyond, the fault is none of theirs.
_MOST_REFUSED = 100

#: Projects that could not be judged, each on the feed that tells of it.
REFUSED = """
    create temp table project_refused on commit drop as
    select coalesce(split_part((select min(v) from jsonb_each_text(p.provenance) e(k, v)), '|', 1),
                    (select split_part(min(v), '|', 1) from store."case" c cross join lateral jsonb_each_text(c.provenance) e(k, v)
                     where coalesce(c.project_code, '') = r.code and c.gone_at is null), 'supervision') as feed,
           coalesce(nullif(r.code, ''), '（未关联项目）') as record, r.said as detail
    from jsonb_each_text(cast(:refused as jsonb)) r(code, said) left join store.project p on p.id = r.code"""

#: The number of the last change that can be relied on: rows of transactions still running may come with a lower one, and are left
#: for the next run.
COMMITTED = """
    select coalesce(greatest((select max(seq) from store.change where xid < oldest), (select max(last) from store.change_batch where xid < oldest)), 0)
    from (select (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint as oldest) running"""

#: What a run judged and did, and what waits after it.
RUN = """
    insert into supervision.run (as_of, ended_at, change_seq, whole, projects, cases, opened, reopened, closed, not_judged)
    values (:as_of, clock_timestamp(), :seq, :whole, :projects, :cases, :opened, :reopened, :closed,
            (select coalesce(jsonb_object_agg(rule, n), '{}') from
             (select rule, count(*) as n from supervision.waiting group by rule) w))"""

#: A person's word on a standing finding, with its event.
DECIDE = """
    with f as (
        update supervision.finding set state = :verdict, decided_by = :by, decided_at = now(), decision_note = :note
        where id = :id and state in ('open', 'confirmed') returning id, judged_on)
    insert into supervision.finding_event (finding_id, as_of, event, by, why)
    select id, greatest(judged_on, :today), :verdict, :by, :note from f"""


@dataclass(slots=True)
class Supervised:
    """What a run did. ``refused``: projects that could not be judged, and why; what is known of them stays as it was, and they
    are tried again when they change, and every day."""

    as_of: date
    whole: bool
    projects: int
    cases: int
    opened: int = 0
    reopened: int = 0
    closed: int = 0
    not_judged: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def supervise(as_of: date | None = None, *, whole: bool = False) -> Supervised:
    """Judge what changed since the last run — the whole city on a new day — and bring the ledger up to date.

    :raises ConfigurationError: ``as_of`` lies before the day last judged: the ledger's past is not rewritten.
    """
    if as_of is None:
        clockwatch.require()
        as_of = clock.today()
    with transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("supervise", ""))))
        unify.hold_off(connection)
        last = connection.exec_driver_sql(
            "select as_of, change_seq from supervision.run order by id desc limit 1"
        ).first()
        # a ledger that a wrong clock judged beyond the present comes back to it, and is judged whole
        beyond = last is not None and last.as_of > clockwatch.present(connection).date()
        if last and as_of < last.as_of and not beyond:
            raise ConfigurationError(
                f"the ledger was judged as of {last.as_of}, it does not go back to {as_of}",
                remedy="look at a past day with onemap findings --as-of",
                zh=f"台账已判定至 {last.as_of}，不能回写 {as_of}；查看过往日期请用 onemap findings --as-of。",
            )
        seq = connection.exec_driver_sql(COMMITTED).scalar_one()
        watched = silence.look(connection, as_of, rulebook.calendar())
        spoke = episode.record(connection, watched, clock.now())
        whole = whole or last is None or as_of != last.as_of or spoke
        projects = None if whole or last is None else changed_projects(connection, last.change_seq, seq)
        whole = projects is None
        result = Supervised(as_of, whole, 0, 0)
        if whole or projects:
            by = rules()
            for chunk in chunks(connection, projects):
                _bring_up(connection, chunk, by, watched, result)
            if result.refused:
                connection.execute(sa.text(REFUSED), {"refused": json.dumps(result.refused)})
                issues.add(
                    connection,
                    "supervise_refused",
                    "project_code",
                    "project_refused",
                    severity="error",
                    duty="operations",
                )
        connection.execute(
            sa.text(RUN),
            {
                "as_of": as_of,
                "seq": seq,
                "whole": whole,
                "projects": result.projects,
                "cases": result.cases,
                "opened": result.opened,
                "reopened": result.reopened,
                "closed": result.closed,
            },
        )
        rows = connection.exec_driver_sql("select rule, count(*) from supervision.waiting group by rule")
        result.not_judged = {rule: count for rule, count in rows}
        return result


def _bring_up(
    connection: Connection, projects: list[str], by: Rules, watched: episode.Watched, result: Supervised
) -> None:
    """Judge some projects and write what came of it. One that cannot be judged is found by halves and set aside.

    :raises Exception: what judging raised, where it comes without any of the projects, or with too many.
    """
    try:
        with connection.begin_nested():
            judged = judge(connection, result.as_of, projects, by, watched)
            moved = write(connection, judged)
    except _FAULTS as error:
        if isinstance(error, sa.exc.DBAPIError | psycopg.Error) and refusal(error) is None or not projects:
            raise
        if len(projects) > 1:
            half = len(projects) // 2
            _bring_up(connection, projects[:half], by, watched, result)
            _bring_up(connection, projects[half:], by, watched, result)
            return
        message = redact(refusal(error) or f"{type(error).__name__}: {error}")
        result.refused[projects[0]] = storable(message, EXPLAINING_CHARS)
        log.warning("supervise: %s cannot be judged and is set aside: %s", projects[0], result.refused[projects[0]])
        if len(result.refused) > _MOST_REFUSED:
            raise
        return
    result.projects += judged.standing.projects.height
    result.cases += judged.facts.cases.height
    opened, reopened, closed = moved
    result.opened += opened
    result.reopened += reopened
    result.closed += closed


def write(connection: Connection, judged: Judged) -> tuple[int, int, int]:
    """Bring clocks, stages, positions and findings of what was judged up to it, in the caller's transaction; findings opened,
    reopened, closed.
    """
    positions.write_clocks(connection, judged)
    positions.write_standing(connection, judged)
    items.write(connection, judged)
    return write_findings(connection, judged)


def last_day() -> date | None:
    """The day as of which the city was judged last; None: it never was."""
    with transaction() as connection:
        return connection.exec_driver_sql("select as_of from supervision.run order by id desc limit 1").scalar()


def decide(finding: str, verdict: str, *, by: str, note: str) -> None:
    """A person's word: ``confirmed``, or ``lifted`` (a false alarm, silent until its evidence changes).

    :raises ConfigurationError: no open finding of that id, or another verdict.
    """
    if verdict not in ("confirmed", "lifted"):
        raise ConfigurationError(
            f"verdict {verdict!r}", remedy="confirmed or lifted", zh="结论只能是 confirmed 或 lifted。"
        )
    with transaction() as connection:
        done = connection.execute(
            sa.text(DECIDE),
            {"id": finding, "verdict": verdict, "by": by, "note": note, "today": clock.today()},
        ).rowcount
        if not done:
            raise NotFoundError(
                f"no open finding {finding}", remedy="see onemap findings", zh=f"没有待核的发现 {finding}。"
            )


def on_day(as_of: date, by: Rules | None = None, projects: list[str] | None = None) -> Judged:
    """Everything judged as of any day, by any rules, written nowhere."""
    with transaction() as connection:
        return judge(connection, as_of, projects, by)
