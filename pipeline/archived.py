"""What was received before, as the phases take it: payloads out of the archive, rows out of the store."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import sqlalchemy as sa

from connectors.base import Payload
from pipeline import map as map_phase
from pipeline.decode import Decoded
from pipeline.fetch import Received
from store import archive, tables
from store.engine import engine


def rows(raws: list[str], places: list[str | None], receipts: list[int], scopes: list[str | None]) -> Decoded:
    """Rows kept as JSON text, with their places, receipts and scopes, as a decoded batch."""
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
