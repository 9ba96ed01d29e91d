"""COPY of a frame in PostgreSQL's binary form, and whole numbers back in the same: columns are packed as they lie in memory;
other rows come back as text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pgpq
import polars as pl
import pyarrow as pa
import sqlalchemy as sa
from pgpq import encoders
from pgpq.schema import Jsonb
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection

from core.columns import laid_out
from store.engine import driver

Schema = Mapping[str, pl.DataType | type[pl.DataType]]  # column → its type

_AT_ONCE = 1 << 11  # rows that are packed and sent in one piece
#: Types whose columns must have exactly this form; others are what the frame has.
_FORMS: dict[type, pl.DataType | type[pl.DataType]] = {
    sa.BigInteger: pl.Int64,
    sa.Integer: pl.Int32,
    sa.SmallInteger: pl.Int16,
    sa.DateTime: pl.Datetime("us"),
    sa.Text: pl.String,
}


def copy_frame(connection: Connection, table: sa.Table | sa.TableClause, frame: pl.DataFrame) -> int:
    """COPY a Polars frame into the columns of ``table`` that it names, in the caller's transaction.

    Returns the number of rows. Nulls are NULL, empty strings stay empty strings. Where the table's columns have types,
    whole numbers take their width; ``Binary`` goes into ``bytea``, and into any other type as that type's binary form
    (``box``: four doubles). NUL in text becomes U+FFFD; a value that PostgreSQL refuses fails the whole frame
    (:func:`store.engine.refusal`).
    """
    if frame.is_empty():
        return 0
    frame = frame.select(name for name in frame.columns if frame[name].null_count() < frame.height)  # the rest is NULL
    kinds = {name: table.c[name].type for name in frame.columns if name in table.c}
    forms = {name: form for name, kind in kinds.items() if (form := _FORMS.get(type(kind))) is not None}
    frame = frame.with_columns(pl.col(name).cast(form) for name, form in forms.items() if frame.schema[name] != form)
    packed = _packed(frame)
    if spoilt := [field.name for field in packed.schema if _has_nul(packed.column(field.name))]:
        frame = frame.with_columns(pl.col(spoilt).str.replace_all("\x00", "\N{REPLACEMENT CHARACTER}", literal=True))
        packed = _packed(frame)
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(
        packed.schema, {field.name: _encoder(field, kinds.get(field.name)) for field in packed.schema}
    )
    preparer = connection.dialect.identifier_preparer
    names = ", ".join(preparer.quote(name) for name in frame.columns)
    statement = f"copy {preparer.format_table(table)} ({names}) from stdin (format binary)"
    if not connection.in_transaction():
        connection.begin()  # COPY goes past SQLAlchemy, which would not know of anything to commit
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(encoder.write_header())
        for batch in packed.to_batches(max_chunksize=_AT_ONCE):
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())
    return frame.height


def _packed(frame: pl.DataFrame) -> pa.Table:
    return frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())


def _has_nul(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_large_string(column.type):
        return False
    return any(held.size and not held.min() for _, held in map(laid_out, column.chunks))


def numbers(
    connection: Connection, query: str, values: dict[str, int | str], columns: list[str]
) -> npt.NDArray[np.int64]:
    """``columns`` of what a query gives, all ``bigint`` and never null: an array of its rows, which come in one piece."""
    sent = " || ".join(f"int8send({name})" for name in columns)
    with driver(connection).cursor(binary=True) as cursor:
        cursor.execute(f"select string_agg({sent}, ''::bytea) from ({query}) q", values)
        found = cursor.fetchone()
    content = found[0] if found is not None and found[0] is not None else b""
    return np.frombuffer(content, ">i8").reshape(-1, len(columns)).astype(np.int64)


def read_frame(connection: Connection, query: str, schema: Schema) -> pl.DataFrame:
    """A query's rows as a Polars frame of the given schema, through COPY."""
    buffer = io.BytesIO()
    with driver(connection).cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (format csv)") as copy:
        for block in copy:
            buffer.write(block)
    if not buffer.tell():
        return pl.DataFrame(schema=schema)
    read_as = {name: pl.String if kind == pl.Boolean else kind for name, kind in schema.items()}
    buffer.seek(0)
    try:
        read = pl.read_csv(buffer, has_header=False, schema=read_as, try_parse_dates=False)
    except pl.exceptions.ComputeError:  # a time that is none (infinity, a year before 1) is empty, as in store.engine
        buffer.seek(0)
        read = _read_text(buffer, read_as)
    return read.with_columns((pl.col(name) == "t").alias(name) for name, kind in schema.items() if kind == pl.Boolean)


def _read_text(buffer: io.BytesIO, schema: Schema) -> pl.DataFrame:
    text = pl.read_csv(buffer, has_header=False, schema=dict.fromkeys(schema, pl.String), try_parse_dates=False)
    times = {name: kind for name, kind in schema.items() if kind in (pl.Date, pl.Datetime)}
    return text.select(
        _time(pl.col(name), times[name]) if name in times else pl.col(name).cast(kind, strict=False)
        for name, kind in schema.items()
    )


def _time(text: pl.Expr, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if kind == pl.Date:
        return text.str.to_date("%Y-%m-%d", strict=False)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)


def _encoder(field: pa.Field, kind: sa.types.TypeEngine[Any] | None) -> Any:
    if isinstance(kind, JSONB):
        return encoders.LargeStringEncoderBuilder.new_with_output(field, Jsonb())
    return pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)
