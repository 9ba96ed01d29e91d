"""The way to PostgreSQL: one SQLAlchemy engine a process, and COPY through psycopg 3."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.engine import Connection, Engine

from core import settings
from store.tables import Box

_CHUNK = 1 << 20
ischema_names.setdefault("box", Box)  # whoever reflects a table (the quality suites do) meets its boxes


_engines: dict[str, Engine] = {}


def engine() -> Engine:
    """The engine of :func:`core.settings.database_url`, read at call time.

    :raises core.errors.ConfigurationError: no database is set or running.
    """
    url = settings.database_url()
    if url not in _engines:
        _engines[url] = sa.create_engine(
            url,
            pool_size=4,
            max_overflow=8,
            pool_pre_ping=True,
            connect_args={
                "application_name": "onemap",
                # a peer that vanished must not hold a feed's lock for the two hours of the system's default
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
                # merges sort and join whole batches: in memory, and without compiling statements that run once
                "options": "-c timezone=Asia/Shanghai -c client_min_messages=warning -c work_mem=64MB -c jit=off",
            },
        )
    return _engines[url]


def dispose() -> None:
    """Close every pooled connection of this process (before a fork, at the end of a test)."""
    while _engines:
        _engines.popitem()[1].dispose()


@contextmanager
def transaction() -> Iterator[Connection]:
    """A connection in a transaction: committed at the end, rolled back by an exception."""
    with engine().begin() as connection:
        yield connection


def copy_frame(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> int:
    """COPY a Polars frame into the columns of ``table`` that it names, in the caller's transaction.

    Returns the number of rows.     Nulls are NULL, empty strings stay empty strings; ``Binary`` columns go as ``bytea``.
    """
    if frame.is_empty():
        return 0
    frame = frame.select(name for name in frame.columns if frame[name].null_count() < frame.height)  # the rest is NULL
    binary = [name for name, kind in frame.schema.items() if kind == pl.Binary]
    if binary:
        frame = frame.with_columns((pl.lit("\\x") + pl.col(name).bin.encode("hex")).alias(name) for name in binary)
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False)
    preparer = connection.dialect.identifier_preparer
    names = ", ".join(preparer.quote(name) for name in frame.columns)
    statement = f"copy {preparer.format_table(table)} ({names}) from stdin (format csv)"
    if not connection.in_transaction():
        connection.begin()  # COPY goes past SQLAlchemy, which would not know of anything to commit
    raw: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    with raw.cursor() as cursor, cursor.copy(statement) as copy, buffer.getbuffer() as view:
        for start in range(0, len(view), _CHUNK):
            copy.write(view[start : start + _CHUNK])
    return frame.height


def lock_key(space: str, name: str) -> int:
    """A stable 64-bit key of PostgreSQL's advisory locks for a named thing."""
    digest = hashlib.sha256(f"onemap:{space}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
