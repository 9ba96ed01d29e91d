"""What was received before, as the phases take it: payloads out of the archive, rows out of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from connectors.base import Payload
from pipeline import map as map_phase
from pipeline.decode import Decoded
from pipeline.fetch import Received
from store import archive, tables
from store.engine import engine


class Row(NamedTuple):
    """A row that is stored as JSON text, and where it came from."""

    raw: str
    place: str | None
    receipt: int | None
    scope: str | None = None


def rows(stored: Sequence[Row]) -> Decoded:
    """Stored rows as a decoded batch."""
    raws, places, receipts, scopes = zip(*stored, strict=True)
    return Decoded(
        map_phase.rows_again(pl.Series(raws, dtype=pl.String), pl.Series(places, dtype=pl.String)),
        pl.Series(receipts, dtype=pl.Int64),
        pl.Series(scopes, dtype=pl.String),
    )


def payloads(receipts: list[int]) -> Iterator[Received]:
    """Payloads out of the archive, as they were received."""
    receipt = tables.receipt
    for number in receipts:
        with engine().connect() as connection:
            row = connection.execute(sa.select(receipt).where(receipt.c.id == number)).mappings().one()
        with archive.opened(row["sha256"], row["size"]) as body:
            yield Received(
                number,
                row["sha256"],
                Payload(body, row["media_type"], row["request"], row["started_at"], row["finished_at"], row["facts"]),
            )
