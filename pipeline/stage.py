"""Phase 5a, stage: COPY mapped batches into the run's staging tables; one is written while the next is mapped."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import polars as pl
import psycopg
import shapely
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mappings.compiler import Mapped
from pipeline import issues
from pipeline import map as map_phase
from pipeline.decode import Decoded
from pipeline.job import Job
from store import tables, values
from store.engine import refusal, transaction
from store.staging import Staged


def batches(job: Job, decoded: Iterable[Decoded]) -> None:
    """Map and stage what is decoded; one batch is written while the next is read.

    Where a part of a payload could not be decoded, the proof is taken back: what it held is not known.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="stage") as writer:
        writing: Future[None] | None = None
        for batch in decoded:
            job.lost += batch.lost
            parts = list(map_phase.isolated(job.mapping, batch))
            if writing is not None:
                writing.result()
            writing = writer.submit(_write_parts, job, parts)
        if writing is not None:
            writing.result()
    if job.lost and job.proof is not None:
        why = f"{job.lost} payloads could not be decoded wholly; {job.proof.why}"
        job.proof = replace(job.proof, complete=False, why=why)


def _write_parts(job: Job, parts: list[tuple[Decoded, Mapped]]) -> None:
    with transaction() as connection:
        for decoded, mapped in parts:
            _write_isolated(connection, job, decoded, mapped)


def _write_isolated(connection: Connection, job: Job, decoded: Decoded, mapped: Mapped) -> None:
    """Write a part; what the database refuses is looked for by halves, and the row that it is becomes a reject."""
    try:
        with connection.begin_nested():
            write(connection, job.staged, decoded, mapped)
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        said = refusal(error)
        if said is None or not decoded.rows.num_rows:
            raise
        if decoded.rows.num_rows == 1:
            parts: Iterable[Decoded] = [decoded.without_row("value_refused", said)]
        else:
            parts = decoded.halves()
        for part in parts:
            _write_isolated(connection, job, part, map_phase.batch(job.mapping, part.rows))
    else:
        found = [*((issue, 1) for issue in decoded.issues), *map_phase.issues(mapped)]
        issues.stage(connection, job.staged, found)


def write(connection: Connection, into: Staged, decoded: Decoded, mapped: Mapped, *, again: bool = False) -> None:
    """Write records, entity rows, rejected rows with all their reasons, rejects of decoding.

    ``again``: the rows are known versions that were mapped once more; they did not come in.
    """
    first = into.next_row
    place = {"receipt_id": decoded.receipts, "scope": decoded.scopes}

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns((pl.col("_row").cast(pl.Int64) + first).alias("row_id"))

    def records(frame: pl.DataFrame) -> pl.DataFrame:
        return numbered(frame).with_columns(
            *(series.gather(frame["_row"]).alias(name) for name, series in place.items()),
            pl.lit(again).alias("again"),
        )

    good = records(mapped.records).select(
        "row_id",
        "receipt_id",
        pl.col("_place").alias("place"),
        "scope",
        "record_key",
        "source_time",
        "rank",
        "tombstone",
        "raw",
        "again",
    )
    into.copy_records(connection, good)
    if mapped.rejects.height:
        rejected = mapped.rejects.unique("_row", maintain_order=True)
        into.copy_records(
            connection,
            records(rejected).select(
                "row_id",
                "receipt_id",
                pl.col("_place").alias("place"),
                "scope",
                "record_key",
                pl.lit(False).alias("tombstone"),
                "raw",
                "again",
            ),
        )
        reasons = numbered(mapped.rejects).select(
            "row_id", "code", "field", "message", pl.col("value").str.slice(0, values.EXPLAINING_CHARS)
        )
        into.copy(connection, into.failed, reasons)
    for entity, frame in mapped.entities.items():
        if frame.height:
            rows = numbered(frame).drop("_row").with_columns(boxes(entity, frame))
            into.copy(connection, into.entity[entity], rows)
    if decoded.rejects and not again:
        into.copy(connection, into.reject, _rejects(decoded))
    # counted when all of it is written: a part that is refused is written anew
    into.next_row += decoded.rows.num_rows
    if not again:
        into.rows += decoded.rows.num_rows
        into.rejects += len(decoded.rejects)
    into.scoped |= decoded.scopes.null_count() < len(decoded.scopes)


def boxes(entity: str, frame: pl.DataFrame) -> list[pl.Series]:
    """Bounding boxes of an entity's geometries, as PostgreSQL writes a ``box``; null without a geometry."""
    columns = []
    for name in tables.geometry_columns(entity):
        bounds = shapely.bounds(shapely.from_wkb(frame[name].to_list()))
        corners = pl.DataFrame(bounds.reshape(-1, 4), schema=["x1", "y1", "x2", "y2"])
        columns.append(
            corners.select(
                pl.when(pl.col("x1").is_nan())
                .then(None)
                .otherwise(pl.format("({},{}),({},{})", "x2", "y2", "x1", "y1"))
                .alias(f"{name}_box")
            ).to_series()
        )
    return columns


def _rejects(decoded: Decoded) -> pl.DataFrame:
    def texts(name: str, limit: int) -> list[str | None]:
        found = (getattr(reject, name) for _, reject in decoded.rejects)
        return [None if text is None else values.storable(text, limit) for text in found]

    few, many = values.EXPLAINING_CHARS, values.RAW_CHARS
    return pl.DataFrame(
        {
            "receipt_id": [receipt for receipt, _ in decoded.rejects],
            "place": texts("place", few),
            "record_key": texts("record", few),
            "code": texts("code", few),
            "message": texts("message", few),
            "raw": texts("raw", many),
        },
        schema={"receipt_id": pl.Int64, **dict.fromkeys(("place", "record_key", "code", "message", "raw"), pl.String)},
    )
