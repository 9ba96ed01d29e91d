"""The way to PostgreSQL: one SQLAlchemy engine a process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.numeric import NumericLoader
from psycopg.types.string import StrDumperUnknown
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.engine import Connection, Engine, Row

from core import settings
from store.text import Box, storable, storable_json

ischema_names.setdefault("box", Box)  # whoever reflects a table (the quality suites do) meets its boxes


_engines: dict[str, Engine] = {}

#: Texts compare by their bytes, as in C.UTF-8, without a call of the system's library for each two: keys and indexes are texts.
COLLATION = "template template0 encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8'"
_COLLATES_BY_ITSELF = 17  # PostgreSQL's version from which on it has that provider


def create_database(server: Connection, name: str) -> None:
    """Make an empty database for the hub or Airflow; ``server`` commits each statement by itself."""
    version: tuple[Any, ...] = server.dialect.server_version_info or (0,)
    own = version[0] >= _COLLATES_BY_ITSELF
    quoted = server.dialect.identifier_preparer.quote(name)
    server.exec_driver_sql(f"create database {quoted} {COLLATION if own else ''}")


def engine() -> Engine:
    """The engine of :func:`core.settings.database_url`, read at call time.

    :raises core.errors.ConfigurationError: no database is set or running.
    """
    url = settings.database_url()
    if url not in _engines:
        _engines[url] = sa.create_engine(
            url,
            pool_size=4,
            hide_parameters=True,  # an error names the statement, never the values: those are people's
            max_overflow=8,
            pool_pre_ping=True,
            json_serializer=storable_json,
            json_deserializer=_document,
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
        sa.event.listen(_engines[url], "connect", _adapt)
    return _engines[url]


def pairs(rows: Iterable[Row[Any]]) -> dict[Any, Any]:
    """Rows of two columns as a dictionary."""
    return dict(map(tuple, rows))


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's own connection, for COPY."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


class _StorableText(StrDumperUnknown):
    """Every text parameter as a column takes it: one NUL in an error's message must not lose the message."""

    def dump(self, text: str) -> Buffer | None:
        return super().dump(storable(text))


def _document(data: str | bytes) -> Any:
    """A JSON value as PostgreSQL writes it; what msgspec has no text for (half of a surrogate pair) as Python reads it."""
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return json.loads(data)


def _or_none(usual: type[Loader], quick: Callable[[str], Any] | None = None) -> type[Loader]:
    """A loader that reads as None what Python has no value for: infinity, years before 1 and after 9999, NaN.

    The gate before COPY (:mod:`store.values`) lets none of them in; one that came another way must not turn every list
    that its row stands in into an error. Which rows have one is reported by :mod:`store.unservable`.

    :param quick: reads what PostgreSQL usually writes, the ISO form of four-digit years, in C; raises ValueError at any other.
    """

    class OrNone(usual):  # type: ignore[misc, valid-type]
        def load(self, data: Buffer) -> object:
            if quick is not None:
                try:
                    value = quick(str(data, "ascii"))
                    return (
                        value if value.__class__ is date or value.tzinfo is None else value.astimezone(self._timezone)
                    )
                except ValueError:
                    pass
            try:
                value = super().load(data)
            except (psycopg.DataError, ValueError, OverflowError):
                return None
            return None if isinstance(value, Decimal) and not value.is_finite() else value

    return OrNone


_LOADERS = {
    kind: _or_none(usual, quick)
    for kind, usual, quick in (
        ("date", DateLoader, date.fromisoformat),
        ("timestamp", TimestampLoader, datetime.fromisoformat),
        ("timestamptz", TimestamptzLoader, datetime.fromisoformat),
        ("numeric", NumericLoader, None),
    )
}


def _adapt(connection: psycopg.Connection, _: object) -> None:
    connection.adapters.register_dumper(str, _StorableText)
    for kind, loader in _LOADERS.items():
        connection.adapters.register_loader(kind, loader)


#: SQLSTATE classes by which PostgreSQL refuses a value or a row, not a connection or a statement: data exception,
#: integrity, program limit (an index row, a JSON document), check option, cardinality, what a trigger raises.
_REFUSALS = ("21", "22", "23", "44", "54", "P0")


def refusal(error: BaseException) -> str | None:
    """What the database said of a value that it does not take; None where the fault is another."""
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None) or ""
    if isinstance(cause, psycopg.Error) and state[:2] in _REFUSALS:
        return cause.diag.message_primary or str(cause).partition("\n")[0]
    return None


def dispose() -> None:
    """Close every pooled connection of this process (before a fork, at the end of a test)."""
    while _engines:
        _engines.popitem()[1].dispose()


@contextmanager
def transaction() -> Iterator[Connection]:
    """A connection in a transaction: committed at the end, rolled back by an exception."""
    with engine().begin() as connection:
        yield connection


@contextmanager
def passing() -> Iterator[Connection]:
    """A :func:`transaction` that need not be on the disk when it ends: a later commit brings it there, and a server that falls
    before it has nothing that depends on it (what a run received and staged, of which nothing is merged yet)."""
    with engine().connect() as connection, passing_on(connection):
        yield connection


@contextmanager
def passing_on(connection: Connection) -> Iterator[None]:
    """:func:`passing`, on a connection that is held."""
    with connection.begin():
        connection.exec_driver_sql("set local synchronous_commit = off")
        yield


def lock_key(space: str, name: str) -> int:
    """A stable 64-bit key of PostgreSQL's advisory locks for a named thing."""
    digest = hashlib.sha256(f"onemap:{space}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@contextmanager
def one_at_a_time(space: str, name: str = "") -> Iterator[bool]:
    """Whether nobody else is at the named thing; held until the block ends, lost with the connection when this process dies."""
    with engine().connect() as connection:
        key = lock_key(space, name)
        held = connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one()
        connection.commit()
        try:
            yield held
        finally:
            if held:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
                connection.commit()
