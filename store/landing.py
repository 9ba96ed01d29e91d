"""What arrived: runs, receipts, completed intervals, connector states, and the lock of a feed.

A run is opened and closed in transactions of its own, so that it is seen whatever becomes of its rows; what moves
with the rows (completed interval, state, outcome) takes the connection of the merge.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from core import clock
from core.errors import InternalError, TransientError
from core.redaction import redact
from store import archive, tables
from store.archive import Archived
from store.engine import engine, lock_key, passing, transaction

COUNTS = ("rows_in", "new", "changed", "history", "unchanged", "quarantined", "tombstoned", "absent")


@cache
def code_version() -> str:
    """Version of the hub that writes: ``ONEMAP_CODE_VERSION`` (a deployment's commit), else the package's."""
    if given := os.environ.get("ONEMAP_CODE_VERSION"):
        return given
    try:
        return version("onemap-hub")
    except PackageNotFoundError:
        return "source"


# -- the lock ----------------------------------------------------------------------------------------------------------


@contextmanager
def feed_lock(feed: str, wait: timedelta = timedelta(minutes=10)) -> Iterator[None]:
    """One run of a feed at a time, whatever process it is in; a dead process lets go with its connection.

    :raises TransientError: another run still had it after ``wait``.
    """
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(
            sa.select(sa.func.set_config("lock_timeout", f"{max(1, int(wait.total_seconds() * 1000))}ms", False))
        )
        key = lock_key("feed", feed)
        try:
            connection.execute(sa.select(sa.func.pg_advisory_lock(key)))
        except sa.exc.OperationalError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise TransientError(
                    f"another run of {feed} was still under way after {wait}",
                    remedy="wait for it; housekeeping ends runs that are stuck",
                    zh=f"数据流 {feed} 的另一批次仍在运行，本次等待超时。",
                    feed=feed,
                ) from error
            raise
        try:
            yield
        finally:
            if not connection.invalidated:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
                connection.execute(sa.text("reset lock_timeout"))


def bury_dead(feed: str) -> list[int]:
    """Close the feed's open runs if no living process holds its lock; returns their ids."""
    key = lock_key("feed", feed)
    with engine().connect() as connection:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar():
            connection.rollback()
            return []
        try:
            dead = bury(connection, feed)
            connection.commit()  # before the lock goes: no run can have begun in between
            return dead
        finally:
            connection.rollback()
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
            connection.commit()


# -- runs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open interval [start, end), local time, an open bound None; ``full``: the whole listing."""

    start: datetime | None = None
    end: datetime | None = None
    full: bool = False


def open_run(source: str, feed: str, window: Span, trigger: str) -> int:
    """Leave a row for a run that begins; returns its id. Call it under :func:`feed_lock`.

    Rows that earlier runs of the feed left open belong to dead processes then, and are closed.
    """
    with transaction() as connection:
        bury(connection, feed)
        return connection.execute(
            sa.insert(tables.run)
            .values(
                source=source,
                feed=feed,
                window_start=window.start,
                window_end=window.end,
                window_full=window.full,
                trigger=trigger,
                began=clock.now(),
                code_version=code_version(),
                process=f"{socket.gethostname()}:{os.getpid()}",
            )
            .returning(tables.run.c.id)
        ).scalar_one()


def tried(feeds: list[str], since: datetime) -> dict[tuple[str, Span], tuple[int, str]]:
    """Id and outcome of the last run of each (feed, window) that has begun since an instant (with its offset)."""
    run = tables.run
    with engine().connect() as connection:
        found = connection.execute(
            sa.select(run.c.feed, run.c.window_start, run.c.window_end, run.c.window_full, run.c.id, run.c.outcome)
            .where(run.c.feed.in_(feeds), run.c.started_at >= since)
            .order_by(run.c.id)
        )
        return {(feed, Span(start, end, full)): (run_id, outcome) for feed, start, end, full, run_id, outcome in found}


def bury(connection: Connection, feed: str) -> list[int]:
    """Close the runs of a feed that never ended; the caller knows that their processes are dead."""
    run = tables.run
    return list(
        connection.execute(
            sa.update(run)
            .where(run.c.feed == feed, run.c.ended_at.is_(None))
            .values(
                ended_at=sa.func.now(),
                outcome="failed",
                fault="ours",
                code="RunKilled",
                error="the process ended before the run did",
                remedy="nothing was merged; the next run reads the same window again",
                zh="批次进程中断，数据未入库；下一批次将重新读取同一窗口。",
            )
            .returning(run.c.id)
        ).scalars()
    )


def reached(run_id: int, phase: str, **known: Any) -> None:
    """Note the phase that a run is in, and what else of its row is known by then."""
    with passing() as connection:
        connection.execute(sa.update(tables.run).where(tables.run.c.id == run_id).values(phase=phase, **known))


def close_run(connection: Connection, run_id: int, **values: Any) -> None:
    """Write a run's end: ``outcome``, counts and what else stands in the table.

    :raises InternalError: the run is closed already (it was taken for dead), so its rows must not be committed.
    """
    run = tables.run
    done = connection.execute(
        sa.update(run)
        .where(run.c.id == run_id, run.c.ended_at.is_(None))
        .values(ended_at=sa.func.clock_timestamp(), **redact(values))
    )
    if done.rowcount != 1:
        raise InternalError(
            f"run {run_id} was closed by another process",
            remedy="run the feed again; nothing of this run was stored",
            zh=f"批次 {run_id} 已被其他进程关闭，本次结果未入库，请重新运行。",
        )


# -- receipts ----------------------------------------------------------------------------------------------------------


def payload_lock(sha256: str) -> int:
    """Who records a payload shares it, who drops the bytes has it alone."""
    return lock_key("payload", sha256)


def write_receipt(
    run_id: int,
    source: str,
    feed: str,
    window: Span,
    stored: Archived,
    *,
    request: dict[str, Any],
    facts: dict[str, Any],
    media_type: str,
    started_at: datetime,
    finished_at: datetime,
    restore: Callable[[], Any] = lambda: None,
) -> int:
    """Record an archived payload, committed at once; returns the receipt's id, which grows with time.

    It is on the disk with the run's next synced commit: its end at the latest, whatever the outcome.

    ``restore`` puts the bytes into the archive again, should housekeeping have dropped them as nobody's just now.
    """
    facts = redact(facts)
    signature = facts.get("signature")
    with passing() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(payload_lock(stored.sha256))))
        if not archive.exists(stored.sha256):
            restore()
        return connection.execute(
            sa.insert(tables.receipt)
            .values(
                run_id=run_id,
                source=source,
                feed=feed,
                window_start=window.start,
                window_end=window.end,
                window_full=window.full,
                request=redact(request),
                sha256=stored.sha256,
                size=stored.size,
                media_type=media_type,
                started_at=started_at,
                finished_at=finished_at,
                facts=facts,
                signature=None if signature is None else str(signature),
                scopes=facts.get("scopes"),
            )
            .returning(tables.receipt.c.id)
        ).scalar_one()


# -- what is complete, and what the connector remembers ----------------------------------------------------------------


def done(feed: str) -> list[Span]:
    """The completed intervals of a feed, oldest first."""
    completed = tables.completed.c
    with engine().connect() as connection:
        rows = connection.execute(
            sa.select(sa.func.unnest(completed.intervals).label("part")).where(completed.feed == feed)
        ).scalars()
        return [Span(part.lower, part.upper) for part in rows]


def state(feed: str) -> dict[str, Any] | None:
    """What the connector said at the end of its last committed fetch of the feed."""
    with engine().connect() as connection:
        return connection.execute(sa.select(tables.feed_state.c.state).where(tables.feed_state.c.feed == feed)).scalar()


def complete(
    connection: Connection,
    feed: str,
    run_id: int,
    interval: tuple[datetime | None, datetime] | None,
    full_at: datetime | None,
    read_at: datetime | None,
) -> None:
    """Add an interval to what is complete; ``full_at``: a complete full listing began then; ``read_at``: the source
    was read up to then."""
    table = tables.completed
    start, end = interval or (None, None)
    added = sa.text("'{}'::tsmultirange") if interval is None else sa.func.tsmultirange(sa.func.tsrange(start, end))
    statement = insert(table).values(feed=feed, intervals=added, full_at=full_at, read_at=read_at, run_id=run_id)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[table.c.feed],
            set_={
                "intervals": table.c.intervals.op("+")(statement.excluded.intervals),
                "full_at": sa.func.greatest(table.c.full_at, statement.excluded.full_at),
                "read_at": sa.func.greatest(table.c.read_at, statement.excluded.read_at),
                "run_id": run_id,
                "updated_at": sa.func.now(),
            },
        )
    )


def write_state(connection: Connection, feed: str, run_id: int, value: dict[str, Any]) -> None:
    """Keep what the connector will be given at its next fetch."""
    statement = insert(tables.feed_state).values(feed=feed, state=value, run_id=run_id)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[tables.feed_state.c.feed],
            set_={"state": statement.excluded.state, "run_id": run_id, "updated_at": sa.func.now()},
        )
    )


def forget(feed: str, window: Span) -> None:
    """Take a window out of what is complete, so that the next plan reads it again."""
    table = tables.completed
    span = sa.func.tsmultirange(sa.func.tsrange(window.start, window.end))
    with transaction() as connection:
        connection.execute(
            sa.update(table)
            .where(table.c.feed == feed)
            .values(intervals=table.c.intervals.op("-")(span), updated_at=sa.func.now())
        )
