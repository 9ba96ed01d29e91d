"""The row as it came, kept small: JSON text, or a zstd frame of it with its feed's own dictionary.

A single row is too short to be compressed by itself; with a dictionary made from a feed's first rows it takes
a fifth, a third where those were few. A frame names its dictionary (``source.raw_dictionary``), which is never changed or dropped. Rows of a feed
that has no dictionary yet stand as plain UTF-8.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl
import sqlalchemy as sa
import zstandard
from sqlalchemy.engine import Connection

from core import settings
from core.columns import laid_out
from store import tables
from store.engine import transaction

SAMPLE = 2_000  # rows that a dictionary is made from
LEAST = 64 << 10  # bytes of rows below which none is made
_SIZE = 16 << 10  # of the dictionary, at most
_SHARE = 16  # of the sample, which it is made from and is to be no burden on
_FEWEST = 32  # rows
_LEVEL = 1
_MAGIC = b"\x28\xb5\x2f\xfd"


class Packer:
    """Packs the rows of one feed."""

    def __init__(self, connection: Connection, feed: str, sample: pl.Series) -> None:
        """``sample``: the batch that is to be packed first; where it is large enough, a feed without a dictionary gets one."""
        table = tables.raw_dictionary
        found = connection.execute(
            sa.select(table.c.id, table.c.dictionary).where(table.c.feed == feed).order_by(table.c.id.desc()).limit(1)
        ).first()
        self._dictionary = None if found is None else _prepared(found.dictionary)
        rows = [] if found is not None else [row for row in sample.head(SAMPLE).cast(pl.Binary) if row is not None]
        if len(rows) >= _FEWEST and (total := sum(map(len, rows))) >= LEAST:
            number = connection.execute(sa.text("select nextval('source.raw_dictionary_id_seq')")).scalar_one()
            trained = zstandard.train_dictionary(min(_SIZE, total // _SHARE), rows, dict_id=number, level=_LEVEL)
            with transaction() as own:  # it must outlive whatever becomes of this batch
                own.execute(sa.insert(table).values(id=number, feed=feed, dictionary=trained.as_bytes()))
            self._dictionary = _prepared(trained.as_bytes())

    def pack(self, rows: pl.Series) -> pl.Series:
        """JSON texts → what is stored of them. Nulls stay."""
        if self._dictionary is None or rows.is_empty():
            return rows.cast(pl.Binary)
        texts = rows.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        ends, held = laid_out(texts)
        places = np.empty((len(texts), 2), dtype=np.uint64)
        places[:, 0], places[:, 1] = ends[:-1], np.diff(ends)
        segments = zstandard.BufferWithSegments(held.data, places.tobytes())
        compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=self._dictionary)
        parts = compressor.multi_compress_to_buffer(segments)
        packed = pl.Series([parts[n].tobytes() for n in range(len(parts))], dtype=pl.Binary)
        return packed if not rows.null_count() else packed.set(rows.is_null(), None)


def _prepared(dictionary: bytes) -> zstandard.ZstdCompressionDict:
    loaded = zstandard.ZstdCompressionDict(dictionary)
    loaded.precompute_compress(level=_LEVEL)
    return loaded


@lru_cache(maxsize=256)
def _decompressor(database: str, number: int) -> zstandard.ZstdDecompressor:
    table = tables.raw_dictionary
    with transaction() as connection:
        found = connection.execute(sa.select(table.c.dictionary).where(table.c.id == number)).scalar_one()
    return zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(found))


def text(stored: bytes) -> str:
    """The JSON text of a stored row."""
    if stored[:4] != _MAGIC:
        return bytes(stored).decode()
    number = zstandard.get_frame_parameters(stored).dict_id
    return _decompressor(settings.database_url(), number).decompress(stored).decode()
