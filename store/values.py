"""What a column of the store can hold: the gate before COPY, driven by the columns' types and indexes alone.

The readings of ``mappings/`` give values of the right type; here is known what PostgreSQL takes of them. A value that
it would refuse rejects its own row, with column and reason, before it can sink a batch; text that is not content (places,
messages, raw text of what did not decode) is mended instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from store import tables

#: Longest value, in UTF-8 bytes, of a column in a B-tree index: three of them and a time fit its 2,704.
INDEXED_BYTES = 600
#: Longest key of a record: an id of the store is made of it, its feed and a number.
KEY_BYTES = 2_000
#: Longest JSON value or raw row: PostgreSQL's own limit is 255 MiB.
JSON_BYTES = 32 << 20
#: Longest raw text of what did not decode.
RAW_CHARS = 1_000_000

_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)
#: Codes of the catalogue's items, which become keys of store.item_code.
_ITEM_CODES = {"item": ("item_code", "catalog_code", "task_code", "certificate_type_code")}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows (positions in the frame) whose value a column cannot hold; ``values``: what stands there, shortened."""

    column: str
    code: str
    message: str
    rows: pl.Series
    values: pl.Series


@cache
def indexed(entity: str) -> frozenset[str]:
    """Text columns of an entity that a B-tree index holds, in its source or its golden table, or that ids are made of."""
    columns: set[str] = set(_ITEM_CODES.get(entity, ()))
    for table in (tables.source_entity[entity], tables.golden[entity]):
        for index in table.indexes:
            if index.dialect_options["postgresql"]["using"] in (None, "btree", False):
                columns |= {column.name for column in index.columns}
                for expression in index.expressions:
                    columns |= {
                        column.name for column in table.columns if column.name in str(expression).split("(")[-1]
                    }
    texts = {column.name for column in tables.entity_columns(entity) if isinstance(column.type, sa.Text)}
    return frozenset(columns & texts)


def refused(entity: str, frame: pl.DataFrame) -> Iterator[Refusal]:
    """What the tables of an entity cannot hold of its rows."""
    yield from _found(frame, {name: limit for name, limit in _limits(entity).items() if name in frame.columns})


@cache
def _limits(entity: str) -> dict[str, int | None]:
    """Bytes that each column of an entity holds at most."""
    bounded = indexed(entity)
    return {
        column.name: JSON_BYTES if isinstance(column.type, JSONB) else INDEXED_BYTES if column.name in bounded else None
        for column in tables.entity_columns(entity)
    }


def refused_records(frame: pl.DataFrame) -> Iterator[Refusal]:
    """What source.record cannot hold: ``record_key``, ``source_time``, ``raw``."""
    for refusal in _found(frame, {"record_key": KEY_BYTES, "source_time": None, "raw": JSON_BYTES}):
        yield refusal if refusal.column != "record_key" else _with_code(refusal, "key_too_long")


def _with_code(refusal: Refusal, code: str) -> Refusal:
    return Refusal(refusal.column, code, refusal.message, refusal.rows, refusal.values)


def _found(frame: pl.DataFrame, limits: dict[str, int | None]) -> Iterator[Refusal]:
    """What columns cannot hold, each with its limit in bytes; all of them are asked at once, as hardly any ever has such a value."""
    asked: dict[str, tuple[pl.Expr, str, str]] = {}
    for name, limit in limits.items():
        kind, column = frame.schema[name], pl.col(name)
        if kind == pl.String and limit is not None:
            message = f"超过 {limit} 字节 longer than {limit} bytes"
            asked[name] = column.str.len_bytes() > limit, "value_too_long", message
        elif kind == pl.Date or isinstance(kind, pl.Datetime):
            first, last = (date(1, 1, 1), date(9999, 12, 31)) if kind == pl.Date else (_FIRST, _LAST)
            message = "时间超出公元 1–9999 年 a time outside the years 1 to 9999"
            asked[name] = ~column.is_between(first, last), "unreadable_time", message
    if not asked:
        return
    any_of_it = frame.select_seq(mask.any().alias(name) for name, (mask, _, _) in asked.items()).row(0, named=True)
    for name, (mask, code, message) in asked.items():
        if any_of_it[name]:
            yield from _refusals(frame[name], frame.select(mask).to_series(), code, message)


def _refusals(values: pl.Series, mask: pl.Series, code: str, message: str) -> Iterator[Refusal]:
    rows = mask.fill_null(False).arg_true()
    if len(rows):
        shown = values.gather(rows).cast(pl.String).str.slice(0, 200)
        yield Refusal(values.name, code, message, rows.cast(pl.UInt32), shown)
