"""The method: plan, fetch, decode, map, stage, check, merge. What DAGs and the command line call.

A batch is one (feed, window). It goes through in flat memory, a payload at a time, and ends in one transaction;
whatever happens, a row in ``landing.run`` says how it ended.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

import sqlalchemy as sa

from core import clock
from core.errors import ConfigurationError, Fault, InternalError, OneMapError, TransientError
from core.redaction import redact
from mappings.compiler import Mapped
from pipeline import acknowledge, check, decode, fetch, merge, rooms, stage
from pipeline import map as mapping_phase
from pipeline import plan as planning
from pipeline.job import Job
from pipeline.outcome import Counts, Outcome, Task
from store import landing, tables
from store import merge as store_merge
from store.engine import engine, transaction
from store.staging import Staged

log = logging.getLogger(__name__)
LOCK_WAIT = timedelta(minutes=10)


def plan(source_id: str, feeds: list[str] | None = None) -> list[Task]:
    """What is to be read now of a source's feeds (all, or those named), oldest window first.

    :raises ConfigurationError: the source, its Connection or a feed is not declared rightly.
    """
    source = rooms.source(source_id)
    connector = rooms.connector(source)
    try:
        now = clock.now()
        return [task for feed in rooms.feeds(source, feeds) for task in planning.planned(connector, feed, now)]
    finally:
        connector.close()


def backfill(
    source_or_feed: str, start: datetime | None, end: datetime | None, feeds: list[str] | None = None
) -> list[Task]:
    """Windows of the past to be read again, whatever is complete; of a source, or of one feed (``m2.sb``).

    :raises ConfigurationError: not declared, or an empty interval.
    """
    source_id, dot, _ = source_or_feed.partition(".")
    source = rooms.source(source_id)
    wanted = rooms.feeds(source, [source_or_feed] if dot else feeds)
    return [task for feed in wanted for task in planning.asked(feed, start, end)]


def source(
    source_id: str,
    on_progress: Callable[[Task, Outcome | None], None] | None = None,
    feeds: list[str] | None = None,
    trigger: str = "cli",
) -> list[Outcome]:
    """Read everything that is due of a source, one batch after the other; each outcome stands for itself.

    ``on_progress(task, None)`` is called as a batch begins, ``on_progress(task, outcome)`` as it ends.

    :raises ConfigurationError: the source is not declared rightly, so that nothing could be planned.
    """
    outcomes = []
    for task in plan(source_id, feeds):
        if on_progress:
            on_progress(task, None)
        outcomes.append(run(task, trigger=trigger))
        if on_progress:
            on_progress(task, outcomes[-1])
    return outcomes


def run(task: Task, *, trigger: str = "schedule") -> Outcome:
    """Read one (feed, window) into the store. Raises nothing for a source that fails: the outcome says it."""
    try:
        with landing.feed_lock(task.feed, LOCK_WAIT):
            return _run(task, trigger)
    except TransientError as busy:
        return _unopened(task, busy, trigger, "waiting")
    except sa.exc.OperationalError as error:
        return _unopened(task, _typed(error), trigger, "failed")


def run_or_raise(task: Task, *, trigger: str = "schedule") -> Outcome:
    """The same, for callers that live by exceptions.

    :raises OneMapError: the outcome is failed or held; its class is by whose fault.
    """
    outcome = run(task, trigger=trigger)
    if outcome.outcome in ("ok", "waiting"):
        return outcome
    from core import errors

    kinds = {kind.fault: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, OneMapError)}
    raise kinds[Fault(outcome.fault or "ours")](
        outcome.error or outcome.outcome, remedy=outcome.remedy or "", zh=outcome.zh or "", feed=outcome.feed
    )


def _run(task: Task, trigger: str) -> Outcome:
    window = planning.window(task)
    span = landing.Span(window.start, window.end, window.full)
    source_id = task.feed.partition(".")[0]
    started = clock.now()
    run_id = landing.open_run(source_id, task.feed, span, trigger)
    staged: Staged | None = None
    connector = None
    try:
        source, feed = rooms.feed(task.feed)
        mapping = rooms.mapping(feed)
        staged = Staged(
            run_id, feed.id, tuple(mapping.entities), mapping.declaration.time is not None,
            full=window.full, floor=feed.floor, max_rejected=feed.max_rejected,
        )  # fmt: skip
        connector = rooms.connector(source)
        job = Job(source, feed, window, mapping, connector, staged, started, trigger)
        _phases(job)
    except BaseException as error:
        known = _typed(error).at(source=source_id, feed=task.feed)
        if known.fault is Fault.OURS:
            log.error("run %d of %s: %s", run_id, task.feed, redact("".join(traceback.format_exception(error))))
        _fail(run_id, known, staged)
        if not isinstance(error, Exception):
            raise
    finally:
        if connector is not None:
            connector.close()
        if staged is not None:
            _tidy(staged)
    return outcome_of(run_id)


def _phases(job: Job) -> None:
    with transaction() as connection:
        job.staged.create(connection)
    landing.reached(job.run_id, "fetch", mapping_version=job.mapping.version)
    with ThreadPoolExecutor(1, thread_name_prefix="stage") as writer:  # one batch is written while the next is read
        writing: Future[None] | None = None
        for decoded in decode.decoded(job.connector, job.feed, fetch.received(job)):
            mapped = mapping_phase.mapped(job.mapping, decoded.rows)
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, job, decoded, mapped)
        if writing is not None:
            writing.result()
    landing.reached(job.run_id, "check")
    check.checked(job)
    landing.reached(job.run_id, "merge")
    merge.merged(job)
    _tell_late(job, acknowledge.acknowledged(job))


def _write(job: Job, decoded: decode.Decoded, mapped: Mapped) -> None:
    with transaction() as connection:
        stage.staged(connection, job.staged, decoded, mapped)
        stage.issues(connection, job.staged, [*((issue, 1) for issue in decoded.issues), *mapping_phase.issues(mapped)])


def _tell_late(job: Job, issues: list) -> None:
    """Issues of after the commit."""
    if not issues:
        return
    with transaction() as connection:
        connection.exec_driver_sql(f"truncate {job.staged.name('issue')}")
        stage.issues(connection, job.staged, [(issue, 1) for issue in issues])
        store_merge.tell(connection, job.staged)


def _fail(run_id: int, error: OneMapError, staged: Staged | None) -> None:
    """Leave the failure's row, and what was told until then; the rows of the batch are not stored."""
    values = {
        "outcome": "failed",
        "fault": str(error.fault),
        "code": error.code,
        "error": error.message,
        "remedy": error.remedy,
        "zh": error.zh,
    }
    try:
        with transaction() as connection:
            landing.close_run(connection, run_id, **values)
            if staged is not None and staged.stands(connection):
                store_merge.tell(connection, staged)
    except (sa.exc.SQLAlchemyError, OneMapError) as also:
        # the database is away, or the run was closed already; housekeeping or the next run closes the row
        log.error("run %d failed (%s) and could not be closed: %s", run_id, redact(str(error)), redact(str(also)))


def _tidy(staged: Staged) -> None:
    try:
        with transaction() as connection:
            staged.drop(connection)
    except sa.exc.SQLAlchemyError as error:
        log.warning("staging tables of run %d stay for housekeeping: %s", staged.run_id, redact(str(error)))


def _unopened(task: Task, error: OneMapError, trigger: str, outcome: str) -> Outcome:
    """A batch that could not begin still leaves its row, where the database can take it."""
    window = planning.window(task)
    values = {
        "source": task.feed.partition(".")[0],
        "feed": task.feed,
        "window_start": window.start,
        "window_end": window.end,
        "window_full": window.full,
        "trigger": trigger,
        "outcome": outcome,
        "fault": str(error.fault),
        "code": error.code,
        "error": error.message,
        "remedy": error.remedy,
        "zh": error.zh,
        "ended_at": sa.func.now(),
        "code_version": landing.code_version(),
    }
    try:
        with transaction() as connection:
            run_id = connection.execute(sa.insert(tables.run).values(**redact(values)).returning(tables.run.c.id)).scalar_one()
        return outcome_of(run_id)
    except sa.exc.OperationalError:
        log.error("%s: %s", task.label, redact(str(error)))
        return Outcome(
            run_id=0, feed=task.feed, window=str(window), outcome=outcome, fault=str(error.fault), error=error.message,
            remedy=error.remedy, zh=error.zh,
        )  # fmt: skip


def _typed(error: BaseException) -> OneMapError:
    """What an operator can act on, whatever was raised."""
    if isinstance(error, OneMapError):
        return error
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return TransientError(
            f"the hub's database: {str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else error!r}",
            remedy="see that PostgreSQL is up and has room; the batch is read again by itself",
            zh="本系统数据库连接中断或不可用，请检查数据库；批次会自动重试。",
        )
    if not isinstance(error, Exception):
        return TransientError(
            f"interrupted: {type(error).__name__}",
            remedy="nothing was stored; the batch is read again at the next run",
            zh="批次被中断，数据未入库，下次运行会重新读取。",
        )
    return InternalError(
        f"{type(error).__name__}: {redact(str(error))}"[:2000],
        remedy="a defect of the hub: see the log of this run, report it with the run's number",
        zh=f"本系统缺陷（{type(error).__name__}），请查看本批次日志并上报批次号。",
    )


def outcome_of(run_id: int) -> Outcome:
    """How a run ended, from its row. :raises ConfigurationError: there is no such run."""
    with engine().connect() as connection:
        row = connection.execute(sa.select(tables.run).where(tables.run.c.id == run_id)).mappings().first()
    if row is None:
        raise ConfigurationError(f"there is no run {run_id}", remedy="look at landing.run", zh=f"没有批次 {run_id}。")
    window = planning.Window(row["window_start"], row["window_end"], row["window_full"])
    return Outcome(
        run_id=run_id,
        feed=row["feed"],
        window=str(window),
        outcome=row["outcome"],
        counts=Counts(**{name: row[name] for name in landing.COUNTS}),
        fault=row["fault"],
        error=row["error"],
        remedy=row["remedy"],
        zh=row["zh"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
