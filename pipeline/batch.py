"""The frame of every batch: the feed's lock, a row in landing.run, staging tables, and an outcome in every case.

What happens inside is given as a function of the :class:`~pipeline.job.Job`: a sync, a reconciliation, a re-drive.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import timedelta

import psycopg
import sqlalchemy as sa

from connectors.base import Connector, Window
from core import clock, scratch
from core.errors import Fault, HeldError, InternalError, NotFoundError, OneMapError, TransientError, storage_error
from core.redaction import redact, without_values
from pipeline import registry, stage
from pipeline.job import Job
from pipeline.outcome import Counts, Outcome
from store import issues, journal, landing, tables
from store.engine import engine, transaction
from store.staging import Staged

log = logging.getLogger(__name__)
LOCK_WAIT = timedelta(minutes=10)


def run(feed_id: str, window: Window, trigger: str, phases: Callable[[Job], None], *, offline: bool = False) -> Outcome:
    """Do ``phases`` for one (feed, window). Raises nothing for a batch that fails: the outcome says it.

    ``offline``: the connector only decodes what the archive holds; the source's Connection may be missing.
    """
    span = landing.Span(window.start, window.end, window.full)
    opened: list[int] = []
    try:
        with landing.feed_lock(feed_id, LOCK_WAIT):
            return _run(feed_id, window, span, trigger, phases, offline, opened)
    except TransientError as busy:
        error: OneMapError = busy
        outcome = "waiting"
    except (sa.exc.OperationalError, sa.exc.InternalError) as away:  # away, or taking no writes
        error, outcome = _typed(away), "failed"
    if opened:  # it has its row, which says how it ended, whatever came after
        return _ended(opened[0], feed_id, span, error)
    return _unopened(feed_id, span, error, trigger, outcome)


def _run(
    feed_id: str,
    window: Window,
    span: landing.Span,
    trigger: str,
    phases: Callable[[Job], None],
    offline: bool,
    opened: list[int],
) -> Outcome:
    source_id = feed_id.partition(".")[0]
    started = clock.now()
    scratch.sweep()
    run_id = landing.open_run(source_id, feed_id, span, trigger)
    opened.append(run_id)
    staged: Staged | None = None
    connector: Connector | None = None
    job: Job | None = None
    try:
        source, feed = registry.feed(feed_id)
        mapping = registry.mapping(feed)
        staged = stage.tables_of(run_id, feed, mapping, full=window.full)
        with transaction() as connection:
            staged.create(connection)
        landing.reached(run_id, "fetch", mapping_version=mapping.version)
        connector = registry.decoder(source) if offline else registry.connector(source)
        job = Job(source, feed, window, mapping, connector, staged, started, trigger)
        phases(job)
    except BaseException as error:
        known = _typed(error).at(source=source_id, feed=feed_id)
        if known.fault is Fault.OURS:
            log.error(
                "run %d of %s: %s", run_id, feed_id, without_values(redact("".join(traceback.format_exception(error))))
            )
        _fail(run_id, known, staged)
        if not isinstance(error, Exception):
            raise
    finally:
        if connector is not None:
            connector.close()
        if job is not None and job.initial is not None:
            job.initial.give_up()
        if staged is not None:
            _tidy(staged)
        if not offline:  # a replay stands in the journal already
            _journal()
    return outcome_of(run_id)


def _fail(run_id: int, error: OneMapError, staged: Staged | None) -> None:
    """Leave the failure's row, and its issues until then; the rows of the batch are not stored."""
    values = {
        "outcome": "held" if isinstance(error, HeldError) else "failed",
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
                issues.record(connection, staged)
    except (sa.exc.SQLAlchemyError, OneMapError) as also:
        # the database is away, or the run was closed already; housekeeping or the next run closes the row
        log.error("run %d failed (%s) and could not be closed: %s", run_id, redact(str(error)), redact(str(also)))


def _journal() -> None:
    """Write the run beside its payloads; what cannot be written now is written with the next run."""
    try:
        journal.flush()
    except (sa.exc.SQLAlchemyError, OneMapError, OSError) as error:
        log.error("the journal of the archive waits for the next run: %s", redact(str(error)))


def _tidy(staged: Staged) -> None:
    try:
        with transaction() as connection:
            staged.drop(connection)
    except sa.exc.SQLAlchemyError as error:
        log.warning("staging tables of run %d stay for housekeeping: %s", staged.run_id, redact(str(error)))


def _unopened(feed_id: str, window: landing.Span, error: OneMapError, trigger: str, outcome: str) -> Outcome:
    """A batch that could not begin still leaves its row, where the database can take it."""
    values = {
        "source": feed_id.partition(".")[0],
        "feed": feed_id,
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
            run_id = connection.execute(
                sa.insert(tables.run).values(**redact(values)).returning(tables.run.c.id)
            ).scalar_one()
        return outcome_of(run_id)
    except sa.exc.DBAPIError:
        log.error("%s: %s", feed_id, redact(str(error)))
        return _unread(0, feed_id, window, error, outcome)


def _ended(run_id: int, feed_id: str, window: landing.Span, error: OneMapError) -> Outcome:
    """The outcome of a run whose connection was lost: its row's where it can be read and says it, else a failure."""
    try:
        known = outcome_of(run_id)
    except sa.exc.OperationalError:
        log.error("%s: %s", feed_id, redact(str(error)))
        return _unread(run_id, feed_id, window, error, "failed")
    return known if known.ended_at is not None else _unread(run_id, feed_id, window, error, "failed")


def _unread(run_id: int, feed_id: str, window: landing.Span, error: OneMapError, outcome: str) -> Outcome:
    return Outcome(
        run_id=run_id,
        feed=feed_id,
        window=str(Window(window.start, window.end, window.full)),
        outcome=outcome,
        fault=str(error.fault),
        error=error.message,
        remedy=error.remedy,
        zh=error.zh,
    )


def _typed(error: BaseException) -> OneMapError:
    """What an operator can act on, whatever was raised."""
    if isinstance(error, OneMapError):
        return error
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return storage_error(error)
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, psycopg.errors.DiskFull):
        return TransientError(
            "the database server's disk is full",
            remedy="make room on the database server; the batch is read again by itself",
            zh="数据库服务器磁盘已满，请清理或扩容；批次会自动重试。",
            code="disk",
        )
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
        return TransientError(
            "the database takes no writes: it is a standby, or set to read only",
            remedy="point ONEMAP_DATABASE_URL at the primary (several hosts and target_session_attrs=read-write)",
            zh="数据库只读（备库或被设为只读），请将 ONEMAP_DATABASE_URL 指向主库。",
            code="database_read_only",
        )
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
        f"{type(error).__name__}: {_message(error)}"[:2000],
        remedy="a defect of the hub: see the log of this run, report it with the run's number",
        zh=f"本系统缺陷（{type(error).__name__}），请查看本批次日志并上报批次号。",
    )


def _message(error: Exception) -> str:
    """What an error says, without the values that a row held."""
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, psycopg.Error):
        return redact(error.orig.diag.message_primary or type(error.orig).__name__)
    return without_values(redact(str(error)))


def outcome_of(run_id: int) -> Outcome:
    """How a run ended, from its row. :raises ConfigurationError: there is no such run."""
    with engine().connect() as connection:
        row = connection.execute(sa.select(tables.run).where(tables.run.c.id == run_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no run {run_id}", remedy="look at landing.run", zh=f"没有批次 {run_id}。")
    window = Window(row["window_start"], row["window_end"], row["window_full"])
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
