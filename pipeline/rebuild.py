"""The store made again from the archive alone: every run of its journal once more, in its order, then unify.

What a run was decides what its replay is: one that was committed goes through decode, map, stage, check and merge again,
with its own now, proof, receipts and the decision on deletions that was taken then; one that failed leaves its row and its
receipts. Re-drives and remaps leave their rows as well: what they brought in is what the present mappings make of the same
payloads. No source is asked, none is told anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from connectors.base import Proof, Window
from core.errors import ConfigurationError, InternalError
from pipeline import archived, batch, check, decode, merge, stage, unify
from pipeline.job import Job
from store import archive, journal, tables
from store import hash as store_hash
from store.engine import engine, lock_key, transaction

_NOT_READ = ("redrive", "remap")


@dataclass(slots=True)
class Rebuilt:
    """``replayed`` runs were merged again, ``noted`` left their rows. ``differing``: replays that did not end as the run did
    (number, feed, why). ``hash``: of the store as it is now."""

    store: str
    replayed: int = 0
    noted: int = 0
    decisions: int = 0
    differing: list[tuple[int, str, str]] = field(default_factory=list)
    hash: str = ""


def run(
    store: str | None = None, *, missing: bool = False, on_progress: Callable[[int, int], None] | None = None
) -> Rebuilt:
    """Make the store again. ``store``: which journal, where the archive has several. ``missing``: the store is an older
    one (a backup, a point in time) and only what it lacks is taken in.

    :raises ConfigurationError: no journal; or the store is not empty, or another's.
    :raises InternalError: another rebuild is under way.
    """
    store = journal.the_store(store)
    with engine().connect() as holding:
        if not holding.execute(sa.select(sa.func.pg_try_advisory_lock(lock_key("rebuild", "")))).scalar():
            raise InternalError("another rebuild is under way", remedy="wait for it", zh="另一个重建正在进行。")
        try:
            return _run(store, _last_run(store, missing), on_progress)
        finally:
            holding.execute(sa.select(sa.func.pg_advisory_unlock(lock_key("rebuild", ""))))


def _last_run(store: str, missing: bool) -> int:
    with engine().connect() as connection:
        last = connection.exec_driver_sql(
            "select coalesce(max(id), 0) from landing.run where outcome in ('ok', 'held')"
        ).scalar_one()
        own = str(connection.exec_driver_sql("select store from landing.journal").scalar_one())
    if last and not missing:
        raise ConfigurationError(
            "the store is not empty",
            remedy="rebuild into an empty database; or --missing to take in what an older store lacks",
            zh="目标库不是空库。请重建到空库；若目标是较早的备份，请加 --missing 只补入缺少的批次。",
        )
    if last and own != store:
        raise ConfigurationError(
            f"the store is {own}, the journal is {store}'s",
            remedy="restore a backup of the same store",
            zh="目标库与归档日志不属于同一个库。",
        )
    return last


def _run(store: str, after: int, on_progress: Callable[[int, int], None] | None) -> Rebuilt:
    rebuilt = Rebuilt(store)
    journal.adopt(store)
    _clear(after)
    names = [name for name in journal.entries(store) if int(name.rpartition("/")[2]) > after]
    for number, name in enumerate(names, 1):
        entry = journal.read(name)
        read = entry.run["outcome"] in ("ok", "held") and entry.run["trigger"] not in _NOT_READ
        if read and entry.run["code"] != "shape_changed":  # such a one stored nothing
            _replay(entry, rebuilt)
        else:
            _note(entry)
            rebuilt.noted += 1
        if on_progress:
            on_progress(number, len(names))
    journal.settle_numbers()
    rebuilt.decisions = journal.restore_decisions(store)
    unify.run()
    rebuilt.hash = store_hash.of_store()
    return rebuilt


def _clear(after: int) -> None:
    """What a rebuild that was killed left of the run in hand."""
    with transaction() as connection:
        for table, column in (("landing.issue", "run_id"), ("landing.receipt", "run_id"), ("landing.run", "id")):
            connection.execute(sa.text(f"delete from {table} where {column} > :after"), {"after": after})


def _note(entry: journal.Entry) -> None:
    with transaction() as connection:
        journal.restore_row(connection, "landing.run", {**entry.run, "journaled_at": entry.run["ended_at"]})
        for receipt in entry.receipts:
            journal.restore_row(connection, "landing.receipt", receipt)


def _replay(entry: journal.Entry, rebuilt: Rebuilt) -> None:
    run = entry.run
    with transaction() as connection:
        journal.next_run(connection, run["id"])
    window = Window(_time(run["window_start"]), _time(run["window_end"]), run["window_full"])
    outcome = batch.run(run["feed"], window, run["trigger"], lambda job: _phases(job, entry), offline=True)
    with transaction() as connection:
        table = tables.run
        connection.execute(
            sa.update(table)
            .where(table.c.id == outcome.run_id)
            .values(
                {name: _time(run[name]) for name in ("started_at", "ended_at", "began")}
                | {name: run[name] for name in ("process", "bytes", "payloads")}
                | {"journaled_at": _time(run["ended_at"])}
            )
        )
        if outcome.outcome in ("ok", "held"):
            _position(connection, entry)
    rebuilt.replayed += 1
    if outcome.outcome != run["outcome"]:
        rebuilt.differing.append(
            (run["id"], run["feed"], f"{run['outcome']} was, {outcome.outcome} is: {outcome.error}")
        )


def _phases(job: Job, entry: journal.Entry) -> None:
    run = entry.run
    with transaction() as connection:
        for receipt in entry.receipts:
            journal.restore_row(connection, "landing.receipt", receipt)
    there = [r["id"] for r in entry.receipts if r["dropped_at"] is None and archive.exists(r["sha256"])]
    lost = len(entry.receipts) - len(there)
    job.now = _time(run["began"]) or job.now
    job.replayed = run["outcome"]
    job.staged.floor, job.staged.max_rejected = 0, 1.0  # the answer was judged when it came
    job.staged.receipts = [r["id"] for r in entry.receipts]
    job.staged.scopes.update(scope for r in entry.receipts for scope in r["scopes"] or ())
    job.fetched = Proof(
        # what left the archive at the end of its keeping is no proof of absence any more
        complete=bool(run["complete"]) and not lost,
        why=run["why"] or "",
        claimed=run["claimed"],
        distinct=run["distinct_keys"],
        unchanged=not run["listing"],
    )
    stage.batches(job, decode.batches(job.connector, job.feed, archived.payloads(there)))
    check.run(job)
    merge.commit(job)


def _position(connection: sa.Connection, entry: journal.Entry) -> None:
    """Up to where the feed was read then, and what its connector remembered."""
    for table, row in (
        (tables.completed, entry.completed),
        (
            tables.feed_state,
            entry.state and {"feed": entry.run["feed"], "state": entry.state, "run_id": entry.run["id"]},
        ),
    ):
        if row:
            connection.execute(sa.delete(table).where(table.c.feed == entry.run["feed"]))
            journal.restore_row(
                connection, table.fullname, {**row, "run_id": entry.run["id"], "updated_at": entry.run["ended_at"]}
            )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
