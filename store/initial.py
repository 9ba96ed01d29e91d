"""The initial load of a feed 初次装载, merged while it is still read.

A feed of which nothing stands has nothing to compare a listing with: each staged batch is inserted into ``source.record``,
``source.<entity>`` and ``store.dirty`` at once, in the transaction that the merge will commit, beside the reading of the next. A
staged row's id is its record's. What the checks reject afterwards is taken out again before the commit; a batch that is no
plain initial load after all (a key that comes twice, a part that replaces another, a value that is refused, a reading that takes too
long) is rolled back, and the merge does it from staging as ever.

What arrived is counted while the checks are at work, and once more where they reject something.

While it runs, readers of the change feed wait for its transaction (``store.change.xid``): so it is given up after :data:`LONGEST`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, NestedTransaction, RootTransaction

from core.redaction import redact
from store import arrivals, tables
from store.engine import engine, lock_key
from store.landing import code_version
from store.staging import Counted, Staged
from store.statements import GOOD, Runner

log = logging.getLogger(__name__)
LONGEST = timedelta(minutes=5)

#: Blocks by which a table is made longer at once, twice over: where rows are written next may begin so far before its end.
_AHEAD = 128
#: Rows of a batch.
_BY_ID = "{row}.row_id > :after and {row}.row_id <= :upto"
#: The same where staging has no index; where its blocks begin spares reading those before.
_BY_PLACE = _BY_ID + " and {row}.ctid >= cast(:first as tid) and {row}.ctid < cast(:end as tid)"
_BEGIN, _END = "(0,0)", "(4294967294,0)"

_RECORDS = f"""
insert into source.record
    (id, feed, record_key, raw, content_hash, source_time, rank, receipt_id, place, run_id, mapping_version, code_version,
     tombstoned_at, tombstone)
overriding system value
select s.row_id, :feed, s.record_key, s.raw, s.content_hash, s.source_time, s.rank, s.receipt_id, s.place, :run,
       :mapping_version, :code_version, case when s.tombstone then now() end, case when s.tombstone then 'said' end
from {{record}} s where {{rows}} and {GOOD}
"""

_DIRTY = """
insert into store.dirty (record_id, upto, feed, run_id, fresh) values (:after + 1, :upto, :feed, :run, true)
"""


class _Elsewhere(Exception):
    """Rows of a batch do not stand where they were looked for."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows staged by now: up to which id, from which block of each table on (None: an index finds them), how many of records
    and of each entity."""

    upto: int
    blocks: dict[str, int] | None
    records: int
    height: Counter[str]


class InitialLoad:
    """One run's. It has a thread and a connection of its own until the merge takes it over, or it is given up."""

    def __init__(self, staged: Staged, mapping_version: int) -> None:
        self._staged = staged
        self._values = {"mapping_version": mapping_version, "code_version": code_version()}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._begun = time.monotonic()
        self._accepted = 0
        self._height: Counter[str] = Counter()
        self.scattered = False  #: rows of a batch do not stand one behind the other: an index in staging finds them
        self._blocks: dict[str, int] = {}  # as it was when the last batch that was taken was staged
        self._steps: list[Future[None]] = []
        self._counting: Future[Counted | None] | None = None
        self._counted: NestedTransaction | None = None
        self._connection: Connection | None = None
        self._transaction: RootTransaction | None = None

    def begin(self) -> bool:
        """Whether nothing of the feed stands and nobody else writes it: rows can be taken then, of which some are staged."""
        self._after = self._staged.first_row - 1
        self._connection = engine().connect()
        self._transaction = self._connection.begin()
        mine = sa.func.pg_try_advisory_xact_lock(lock_key("merge", self._staged.feed))
        any_of_it = sa.select(tables.record.c.id).where(tables.record.c.feed == self._staged.feed).limit(1)
        if not self._connection.execute(sa.select(mine)).scalar_one() or self._connection.execute(any_of_it).first():
            self._end()
        return self._connection is not None

    def take(self, blocks: dict[str, int] | None) -> None:
        """What is staged by now is committed, and has so many blocks, or an index: it is merged when its turn comes."""
        staged = self._staged
        begin = blocks and {name: max(0, self._blocks.get(name, 0) - _AHEAD) for name in blocks}
        batch = _Batch(staged.last_row, begin, staged.accepted - self._accepted, staged.height - self._height)
        self._accepted, self._height, self._blocks = staged.accepted, staged.height.copy(), blocks or {}
        self._steps = [step for step in self._steps if not step.done() or step.exception()]
        self._steps.append(self._thread.submit(self._take, batch))

    def stands(self) -> bool:
        """Wait for what was taken; whether all of it went in as an initial load."""
        self.settle()
        return self._connection is not None

    def settle(self) -> None:
        """Wait for what was taken."""
        for step in self._steps:
            step.result()

    def count(self, times: Iterable[str]) -> None:
        """Begin to count what was taken, as if the checks rejected nothing. ``times``: as :func:`store.arrivals.record` has it."""
        self._counting = self._thread.submit(self._count, list(times))

    def counted(self) -> Counted | None:
        """What was counted; None, and nothing of it stays, where the checks rejected what the mapping had not."""
        counted = None if self._counting is None else self._counting.result()
        if counted is None or self._connection is None or self._counted is None:
            return None
        if rejected(Runner(self._connection, self._staged)) > self._staged.records - self._staged.accepted:
            self._counted.rollback()
            return None
        self._counted.commit()
        return counted

    @contextmanager
    def transaction(self) -> Iterator[tuple[Connection, RootTransaction]]:
        """The transaction that holds what was loaded: committed at the end, rolled back by an exception."""
        assert self._connection is not None and self._transaction is not None
        try:
            with self._transaction as transaction:
                yield self._connection, transaction
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Roll back what is not committed; nothing is loaded any more."""
        self._thread.shutdown(cancel_futures=True)
        self._end()

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()  # rolls back
            self._connection = None

    def _take(self, batch: _Batch) -> None:
        if self._connection is None:
            return
        try:
            if time.monotonic() - self._begun < LONGEST.total_seconds():
                self._insert(self._connection, batch)
                return
        except _Elsewhere as error:
            log.warning("run %d is merged when all of it is read: %s", self._staged.run_id, error)
        except sa.exc.DBAPIError as error:  # a key twice, a value refused, a server that went: the merge will see
            reason = redact(str(error.orig)).partition("\n")[0]
            log.info("run %d is merged when all of it is read: %s", self._staged.run_id, reason)
        self._end()

    def _count(self, times: list[str]) -> Counted | None:
        if self._connection is None:
            return None
        self._counted = self._connection.begin_nested()
        Runner(self._connection, self._staged)(VERSIONS)
        actions = {"new": self._staged.accepted - self._staged.gone, "tombstoned": self._staged.gone}
        return Counted(actions, arrivals.record(self._connection, self._staged, times))

    def _insert(self, connection: Connection, batch: _Batch) -> None:
        run = Runner(connection, self._staged)
        run.values |= self._values | {"after": self._after, "upto": batch.upto}
        wanted = {"record": batch.records, **{entity: batch.height[entity] for entity in self._staged.entities}}
        for name, rows in wanted.items():
            if batch.blocks is None:
                written = self._write(run, name, _BY_ID)
            else:
                place = f"({batch.blocks[name]},0)"
                written = self._write(run, name, _BY_PLACE, first=place, end=_END)
                if written < rows:  # of unlike sizes: one took the room that was left in a block before
                    self.scattered = True
                    written += self._write(run, name, _BY_PLACE, first=_BEGIN, end=place)
            if written != rows:
                raise _Elsewhere(f"{written} of {rows} staged rows of {name} stand in staging")
        if batch.records:
            run(_DIRTY)
        self._after = batch.upto

    def _write(self, run: Runner, name: str, rows: str, **place: str) -> int:
        """How many rows of the batch stand there; these are written."""
        run.values |= place
        if name == "record":
            return run(_RECORDS.replace("{rows}", rows.format(row="s"))).rowcount
        return fill(run, self._staged, name, f"where {rows.format(row='e')}")


def fill(run: Runner, staged: Staged, entity: str, of: str, record: str = "e.row_id") -> int:
    """Write staged rows ``e`` of an entity: ``of`` says which, ``record`` whose they are. Returns how many."""
    preparer = run.connection.dialect.identifier_preparer
    own = tables.source_entity[entity].c
    names = [preparer.quote(column.name) for column in own if column.name not in ("record_id", "ord", "feed")]
    written = run(
        f"""insert into {tables.source_entity[entity].fullname} (record_id, ord, feed, {", ".join(names)})
            select {record}, e.ord, :feed, {", ".join(f"e.{name}" for name in names)} from {staged.name(entity)} e {of}"""
    )
    return written.rowcount


def rejected(run: Runner) -> int:
    """How many rows of the batch are rejected, by the mapping and by the checks."""
    rows: int = run("select count(distinct row_id) from {failed}").scalar_one()
    return rows


def take_out_rejected(run: Runner, staged: Staged) -> None:
    """What the checks reject of an initial load was written before they judged it."""
    if not rejected(run):
        return
    gone = "in (select row_id from {failed})"
    run(f"delete from source.record where feed = :feed and id {gone}")
    for entity in staged.entities:
        run(f"delete from {tables.source_entity[entity].fullname} where record_id {gone}")


#: Every row that passed the checks is a record that was not known (as ``store.versions`` judges it).
VERSIONS = f"""
create view {{version}} as
select s.row_id, s.receipt_id, s.scope, s.record_key, s.source_time, s.rank, s.tombstone, s.again, s.content_hash,
       true as latest, false as same, true as becomes, false as doomed, false as known, s.row_id as record_id,
       case when s.tombstone then 'tombstoned' else 'new' end as action
from {{record}} s where {GOOD}
"""
