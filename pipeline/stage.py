"""Phase 5a, stage: COPY mapped batches into the run's staging tables; one is written while the next is mapped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import psycopg
import shapely
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mappings.compiler import Mapped, Mapping
from pipeline import issues, shape
from pipeline import map as map_phase
from pipeline.decode import Decoded
from pipeline.job import Job
from quality import suites
from quality.verdicts import Kind, valid
from sources.declaration import Feed
from store import tables, values
from store.engine import engine, passing_on, refusal
from store.initial import InitialLoad
from store.staging import Staged
from store.standing import Standing
from store.text import EXPLAINING_CHARS, storable

Parts = list[tuple[Decoded, Mapped]]
Verdicts = dict[str, dict[str, tuple[str, Kind]]]  # as quality.suites.Inputs has them


def tables_of(run_id: int, feed: Feed, mapping: Mapping, *, full: bool = False, trial: bool = False) -> Staged:
    """The staging tables of a run of the feed, not made yet. :raises ConfigurationError: a suite is missing or wrong."""
    asked = suites.inputs(feed.id, mapping.entities)
    return Staged(
        run_id,
        feed.id,
        tuple(mapping.entities),
        mapping.declaration.time is not None,
        asked=asked.raw,
        flags={table: tuple(verdicts) for table, verdicts in asked.verdicts.items()},
        full=full,
        floor=feed.floor,
        max_rejected=feed.max_rejected,
        trial=trial,
    )


def batches(job: Job, decoded: Iterable[Decoded], *, compare: bool = False) -> None:
    """Map and stage what is decoded; one batch is written while the next is read and mapped, which are side by side where
    mapping looks up what stands.

    Where a part of a payload could not be decoded, the proof is taken back: what it held is not known.

    ``compare``: rows that are what stands already are found before anything more is made of them (store/standing.py);
    where nothing stands, batches are loaded at once (store/initial.py).
    """
    standing = Standing(job.staged, job.mapping.version) if compare and "acknowledge" not in job.feed.options else None
    looks_up = standing is not None and standing.any_of_it
    verdicts = suites.inputs(job.feed.id, job.mapping.entities).verdicts
    job.initial = InitialLoad(job.staged, job.mapping.version) if compare else None
    with (
        engine().connect() as connection,  # one for all batches: each is written behind the last (store/initial.py)
        ThreadPoolExecutor(1, thread_name_prefix="map") as mapper,
        ThreadPoolExecutor(1, thread_name_prefix="stage") as writer,
    ):
        mapping: Future[Parts] | None = None
        writing: Future[None] | None = None
        written = itertools.count()

        def write(parts: Parts) -> None:
            nonlocal writing
            if writing is not None:
                writing.result()
            writing = writer.submit(_write_parts, connection, job, parts, verdicts, next(written))

        for number, batch in enumerate(decoded):
            job.lost += batch.lost
            if number == 0 and job.replayed is None and not job.redriving:  # what came before has the shape of then
                batch.issues = [*batch.issues, *shape.guard(job.feed, job.mapping, batch.rows, job.run_id)]
            if not looks_up:  # nothing to read beside: a third batch would but fill memory
                write(_map(job, batch, standing))
                continue
            if mapping is not None:
                write(mapping.result())
            mapping = mapper.submit(_map, job, batch, standing)
        if mapping is not None:
            write(mapping.result())
        if writing is not None:
            writing.result()
    if job.lost and job.fetched is not None:
        why = f"{job.lost} payloads could not be decoded wholly; {job.fetched.why}"
        job.fetched = replace(job.fetched, complete=False, why=why)


def _map(job: Job, batch: Decoded, standing: Standing | None) -> Parts:
    whole = job.staged.scopes or batch.scopes.null_count() < len(batch.scopes)
    return map_phase.isolated(job.mapping, batch, None if standing is None or whole else standing.among)


def _write_parts(connection: Connection, job: Job, parts: Parts, verdicts: Verdicts, number: int) -> None:
    with passing_on(connection):
        for decoded, mapped in parts:
            write_isolated(connection, job.staged, job.mapping, decoded, mapped, verdicts)
        blocks = None
        load = job.initial if number else None  # a single batch is merged as fast when it is read
        if load is not None and load.scattered:
            job.staged.index(connection)
        elif load is not None:
            blocks = job.staged.blocks(connection)
    if load is None:
        return
    if job.staged.scopes or job.staged.scoped or (number == 1 and not load.begin()):
        load.give_up()
        job.initial = None
        return
    load.take(blocks)


def write_isolated(
    connection: Connection, into: Staged, mapping: Mapping, decoded: Decoded, mapped: Mapped, verdicts: Verdicts
) -> None:
    """Write a part; what the database refuses is looked for by halves, and the row that it is becomes a reject."""
    try:
        with connection.begin_nested():
            write(connection, into, decoded, mapped, verdicts)
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        reason = refusal(error)
        if reason is None or not decoded.rows.num_rows:
            raise
        if decoded.rows.num_rows == 1:
            parts: Iterable[Decoded] = [decoded.without_row("value_refused", reason)]
        else:
            parts = decoded.halves()
        for part in parts:
            write_isolated(connection, into, mapping, part, map_phase.batch(mapping, part.rows), verdicts)
    else:
        found = [*((issue, 1) for issue in decoded.issues), *map_phase.issues(mapped)]
        issues.stage(connection, into, found)


def write(
    connection: Connection, into: Staged, decoded: Decoded, mapped: Mapped, verdicts: Verdicts, *, again: bool = False
) -> None:
    """Write records, entity rows, rejected rows with all their reasons, rejects of decoding.

    ``verdicts``: what :func:`quality.suites.inputs` wants beside codes. ``again``: the rows are known versions that were
    mapped once more; they did not come in.
    """
    ids = into.number(connection, decoded.rows.num_rows)

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(ids.gather(frame["_row"]))

    def received(frame: pl.DataFrame) -> pl.DataFrame:
        return numbered(frame).with_columns(decoded.receipts.gather(frame["_row"]).alias("receipt_id"))

    records = mapped.records
    if mapped.rejects.height:
        rejected = mapped.rejects.unique("_row", maintain_order=True).with_columns(pl.lit(False).alias("tombstone"))
        records = pl.concat([records, rejected.drop("code", "field", "message", "value")], how="diagonal")
        reasons = numbered(mapped.rejects).select(
            "row_id", "code", "field", "message", pl.col("value").str.slice(0, EXPLAINING_CHARS)
        )
        into.copy(connection, into.failed, reasons)
    if records.height:
        columns = received(records).with_columns(
            pl.col("_place").alias("place"),
            decoded.scopes.gather(records["_row"]).alias("scope"),
            pl.lit(again).alias("again"),
        )
        rows = columns.drop("_row", "_place")
        into.copy_records(connection, rows if into.raw_columns is not None else _judged(rows, verdicts["asked"]))
        if into.raw_columns is not None and not again:
            asked = mapped.columns.select(
                "_row", *(_as_sent(mapped.columns, raw).alias(name) for raw, name in into.asked.items())
            )
            rows = numbered(records.select("_row", "record_key", "source_time", "rank")).join(asked, on="_row")
            into.copy(connection, into.raw_columns, _judged(rows.drop("_row"), verdicts["asked"]))
    for entity, frame in mapped.entities.items():
        if frame.height:
            rows = numbered(frame).drop("_row").with_columns(boxes(entity, frame))
            into.copy(connection, into.entity[entity], _judged(rows, verdicts[entity]))
    if mapped.unchanged.height:
        into.copy(connection, into.same, received(mapped.unchanged).drop("_row"))
    if decoded.rejects and not again:
        into.copy(connection, into.reject, _rejects(decoded))
    # counted when all of it is written: a part that is refused is written anew
    if len(ids):
        into.first_row, into.last_row = into.first_row or ids[0], ids[-1]
    for entity, frame in mapped.entities.items():
        into.height[entity] += frame.height
        into.filled |= {(entity, column.name) for column in frame if column.null_count() < frame.height}
        if frame.height and frame["ord"].max() != 0:
            into.several.add(entity)
    into.records += records.height
    into.accepted += mapped.records.height
    into.gone += int(mapped.records["tombstone"].sum())
    into.unchanged += mapped.unchanged.height
    if not again:
        into.rows += decoded.rows.num_rows
        into.rejects += len(decoded.rejects)
    into.scoped |= decoded.scopes.null_count() < len(decoded.scopes)


def _as_sent(columns: pl.DataFrame, raw: str) -> pl.Expr:
    """A raw column that a suite reads, one too that no mapping names (``?raw``); null where this batch has none."""
    name = next((name for name in (raw, f"?{raw}") if name in columns.columns), None)
    return pl.lit(None, pl.String) if name is None else pl.col(name)


def _judged(rows: pl.DataFrame, verdicts: dict[str, tuple[str, Kind]]) -> pl.DataFrame:
    """With a column for each verdict that is asked."""
    return rows.with_columns(valid(kind, rows[code]).alias(name) for name, (code, kind) in verdicts.items())


def boxes(entity: str, frame: pl.DataFrame) -> list[pl.Series]:
    """Bounding boxes of an entity's geometries in PostgreSQL's binary form of a ``box``: its upper right and its lower
    left corner as four doubles; null without a geometry."""
    columns = []
    for name in tables.geometry_columns(entity):
        bounds = shapely.bounds(shapely.from_wkb(frame[name].to_list())).reshape(-1, 4)
        packed = np.ascontiguousarray(bounds[:, [2, 3, 0, 1]], dtype=">f8")
        values = [None if np.isnan(low) else row.tobytes() for low, row in zip(bounds[:, 0], packed, strict=True)]
        columns.append(pl.Series(f"{name}_box", values, dtype=pl.Binary))
    return columns


def _rejects(decoded: Decoded) -> pl.DataFrame:
    def texts(name: str, limit: int) -> list[str | None]:
        found = (getattr(reject, name) for _, reject in decoded.rejects)
        return [None if text is None else storable(text, limit) for text in found]

    few, many = EXPLAINING_CHARS, values.RAW_CHARS
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
