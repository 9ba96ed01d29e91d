"""Phase 3, decode: bytes → columns of text, gathered over payloads so that a batch is worth its fixed costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from connectors.base import Connector, Issue, Reject
from pipeline.fetch import Received
from sources.declaration import Feed

BATCH_ROWS = 20_000
BATCH_BYTES = 32 << 20


@dataclass(slots=True)
class Decoded:
    """Rows of one or several payloads. ``receipts``, ``scopes``: of each row, in the rows' order."""

    rows: pa.Table
    receipts: pl.Series
    scopes: pl.Series
    rejects: list[tuple[int, Reject]] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)


def batches(connector: Connector, feed: Feed, payloads: Iterable[Received]) -> Iterator[Decoded]:
    """Batches of at most about :data:`BATCH_ROWS` rows or :data:`BATCH_BYTES`; a single larger one goes on as it is."""
    waiting = _Waiting()
    for received in payloads:
        for batch in connector.decode(feed, received.payload):
            waiting.add(received.receipt_id, batch)
            if waiting.full:
                yield waiting.take()
    if waiting.holds:
        yield waiting.take()


class _Waiting:
    """What was decoded and is not yet worth a batch."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.tables: list[pa.Table] = []
        self.marks: list[tuple[int, str | None, int]] = []
        self.rejects: list[tuple[int, Reject]] = []
        self.issues: list[Issue] = []
        self.rows = self.bytes = 0

    def add(self, receipt_id: int, batch) -> None:
        if batch.rows.num_rows:
            self.tables.append(batch.rows)
            self.marks.append((receipt_id, batch.scope, batch.rows.num_rows))
            self.rows += batch.rows.num_rows
            self.bytes += batch.rows.nbytes
        self.rejects += [(receipt_id, reject) for reject in batch.rejects]
        self.issues += batch.issues

    @property
    def full(self) -> bool:
        return self.rows + len(self.rejects) >= BATCH_ROWS or self.bytes >= BATCH_BYTES

    @property
    def holds(self) -> bool:
        return bool(self.tables or self.rejects or self.issues)

    def take(self) -> Decoded:
        receipts = pl.concat(
            [pl.Series([], dtype=pl.Int64)]
            + [pl.Series([r], dtype=pl.Int64).new_from_index(0, n) for r, _, n in self.marks]
        )
        scopes = pl.concat(
            [pl.Series([], dtype=pl.String)]
            + [pl.Series([s], dtype=pl.String).new_from_index(0, n) for _, s, n in self.marks]
        )
        rows = pa.concat_tables(self.tables, promote_options="default") if self.tables else pa.table({})
        batch = Decoded(rows, receipts, scopes, self.rejects, self.issues)
        self._clear()
        return batch
