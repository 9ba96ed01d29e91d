"""Rows that are what stands already, found before anything more is made of them.

A listing read again is mostly what it was. Such a row (same key, time, rank and content as the current version of a
record that stands, mapped by the same mapping) would change nothing: it passed the checks when it came, so it is counted
as unchanged and its record is noted as seen (``s<run>_unchanged``). A row whose key has an open entry in the quarantine goes
the whole way, as it may close it.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import tables
from store.copying import copy_frame, numbers
from store.engine import transaction
from store.staging import Staged

_COLUMNS = {
    "_row": sa.BigInteger,
    "record_key": sa.Text,
    "source_time": sa.DateTime,
    "rank": sa.BigInteger,
    "content_hash": sa.LargeBinary,
}
# each key is looked up by the index, whatever the planner knows of a table that has just been filled: read whole for
# every batch, it would cost the square of the listing
_STANDING = """
select p._row, r.id from pg_temp.probe p
cross join lateral (select * from source.record where feed = %(feed)s and record_key = p.record_key offset 0) r
where r.content_hash = p.content_hash and r.source_time is not distinct from p.source_time
  and r.rank is not distinct from p.rank and r.tombstoned_at is null and r.refused_at is null
  and r.mapping_version = %(mapping_version)s
  and not exists (select from landing.quarantine q
                  where q.feed = %(feed)s and q.state = 'open' and q.record_key = p.record_key)
"""


class Standing:
    """Compares the batches of one run with what stands in its feed."""

    def __init__(self, staged: Staged, mapping_version: int) -> None:
        self._values: dict[str, int | str] = {"feed": staged.feed, "mapping_version": mapping_version}
        record = tables.record.c
        with transaction() as connection:
            first = sa.select(record.id).where(record.feed == staged.feed).limit(1)
            self.any_of_it = connection.execute(first).first() is not None  # else nothing is looked up

    def among(self, records: pl.DataFrame) -> pl.DataFrame:
        """``_row`` and ``record_id`` of the records (:data:`mappings.mapping.RECORDS`) that stand just so."""
        nothing = pl.DataFrame(schema={"_row": pl.UInt32, "record_id": pl.Int64})
        if not self.any_of_it:
            return nothing
        asked = records.filter(~pl.col("tombstone") & pl.col("record_key").is_not_null()).select(*_COLUMNS)
        if asked.is_empty():
            return nothing
        with transaction() as connection:
            probe = _probe(connection)
            copy_frame(connection, probe, asked)
            found = numbers(connection, _STANDING, self._values, ["_row", "id"])
        pairs = {"_row": found[:, 0].astype("uint32"), "record_id": found[:, 1]}
        return pl.DataFrame(pairs).sort("_row")


def _probe(connection: Connection) -> sa.Table:
    columns: list[sa.Column[Any]] = [sa.Column(name, kind) for name, kind in _COLUMNS.items()]
    table = sa.Table("probe", sa.MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")
    table.create(connection)
    return table
