"""Protocol ``database``: tables of a front-end database (P3 库表模式, M2, D3), whatever SQLAlchemy can reach.

A window is read in one read-only snapshot, in the order (increment, key), by PostgreSQL's COPY or a server-side cursor, into
Arrow files of what the server said; they are handed on once the snapshot is closed, so that neither a slow consumer holds the
source's snapshot open nor a cut connection leaves half a window. Proof: ``count(*)`` of the window in the same snapshot.

Rows without an increment that can be (NULL, a zero date, infinity, a year before 1000 or from 9999 on) lie in no window
or in none that is ever asked for; they come with every one, and are reported. So do dates without a month or a day, of a
MySQL that lets them in.

A row that the database itself cannot say (a view that divides by nought, a text without an equivalent in UTF-8) is
narrowed down to by its key, in the same snapshot: the others come, it is rejected by name, and the window is not complete.

Declared in ``sources/*.yaml``::

    options:                      # of the source
      schema: dbo                 # where the tables stand; default: the database's own, else the one schema that has them
      read_timeout: 900           # seconds without a byte from the server
      encoding: gb18030           # what text really is, where the database says another charset; SQL_ASCII needs none
      zone: UTC                   # of times that carry none (Asia/Shanghai)
    feeds:
      accept:
        cursor: {kind: window, column: cd_time}
        key: [row_guid]
        options:
          table: up_pro_accept
          exclude: [ATTACH_BODY]  # columns never read
          order: [cd_operation]   # after increment and key, where these do not name a row
          acknowledge: {column: is_sync, by: [row_guid, cd_time, cd_operation]}   # set to 1 after our commit
          rows: 50000             # rows of one payload at most

Columns are those of the feed's contract (``schemas/feeds.yaml``), whatever their case at the source. One that the table
lacks reads as null, but for key and increment; one that the contract lacks passes under its own name.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa
import tenacity
from sqlalchemy.dialects.postgresql.base import PGInspector

from connectors.base import Batch, CheckLine, Connector, Described, Issue, Payload, Proof, Reject, Window
from connectors.decoders import arrow_text
from connectors.transports import narrowing
from connectors.transports.sql_engine import (
    NoCopy,
    UnreadableRow,
    copied,
    decoded,
    engine_of,
    shown,
    typed_errors,
    written_as_text,
)
from core import clock, scratch
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    InternalError,
    OneMapError,
    ProviderError,
    TransientError,
)
from core.redaction import hide
from schemas import raw
from sources import options
from sources.options.database import Acknowledge, FeedOptions

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_CHUNK = 2000  # rows that are held in memory at once
_PAYLOAD_BYTES = 64 << 20
_SMALL = 1 << 20  # payloads up to this size are handed on as bytes
_ACKNOWLEDGED = 1000  # rows of one UPDATE
_ATTEMPTS = 3
_MOST_UNREADABLE = 100  # rows of a window; where there are more, it is the table that cannot be read
_UNREADABLE = "_unreadable"  # why a row could not be read; a file that has this column has nothing but such rows' keys
_FIRST = datetime(1000, 1, 1)  # MySQL's first date; a zero date, -infinity and years BC lie before it
_NEVER = datetime(9999, 1, 1)  # "for ever" as sources write it, and infinity
_TEMPORAL = {
    "pymysql": {7, 10, 12, 14},  # TIMESTAMP, DATE, DATETIME, NEWDATE
    "psycopg": {1082, 1114, 1184},  # date, timestamp, timestamptz
}
_MYSQL_BIT = 16
_CITY = "Asia/Shanghai"
_MYSQL = ("mysql", "mariadb")


@dataclass(frozen=True, slots=True)
class _Table:
    """A feed's table as it really is: ``names`` contract's or own name → real name, in the source's order."""

    table: sa.TableClause
    names: dict[str, str]
    absent: list[str]
    zoneless: tuple[str, ...] = ()  # whose times are of the declared zone

    def column(self, name: str) -> sa.ColumnClause[Any]:
        return self.table.c[self.names[name]]


class Database(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        hide(endpoint.secrets)
        self._given = options.of_source(source)
        self._made: sa.Engine | None = None
        self._folder: scratch.Folder | None = None

    # -- the contract of a connector

    def check(self) -> list[CheckLine]:
        """Reach, login, each table with the columns it lacks, one row of each."""
        lines: list[CheckLine] = []
        try:
            with _snapshot(self._engine, "connect") as connection:
                lines.append(
                    CheckLine("connection", True, f"logged in to {shown(self._engine.url)} ({connection.dialect.name})")
                )
                for feed in self.source.feeds.values():
                    lines.append(self._check_feed(connection, feed))
        except OneMapError as error:
            lines.append(CheckLine.failed("connection", error))
        return lines

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        """Arrow files of the window's rows, then the proof. A cut connection is tried again, from the window's start."""
        given = options.of_feed("database", feed)
        started = clock.now()
        again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=1, max=10),
            reraise=True,
        )
        try:
            read = again(self._read, feed, given, window)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__
        for number, (path, rows) in enumerate(read.spool.files, 1):
            body: bytes | Path = path
            if path.stat().st_size <= _SMALL:
                body = path.read_bytes()
                path.unlink()
            facts: dict[str, Any] = {"page": number, "pages": len(read.spool.files), "rows": rows}
            facts["total"] = read.claimed
            if read.server_date is not None:
                facts["server_date"] = read.server_date
            yield Payload(body, arrow_text.MEDIA_TYPE, read.request, started, clock.now(), facts)
        came = read.spool.rows - read.unreadable
        why = f"count(*) of the window in the same snapshot is {read.claimed}, {came} rows came"
        yield Proof(
            complete=came == read.claimed,
            why=f"{why}, {read.unreadable} cannot be read" if read.unreadable else why,
            claimed=read.claimed,
            distinct=came,
            state=state,
            issues=read.issues,
        )

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        """The rows as text in the contract's columns, those absent at the source as null."""
        contract = _contract(feed)
        place = 0
        for table in arrow_text.read(payload.body):
            if _UNREADABLE in table.column_names:
                yield _rejected(feed, table, [*contract, "_place"])
                continue
            metadata = table.schema.metadata or {}
            temporal = set(metadata.get(b"temporal", b"").decode().split("\t"))
            zoneless = set(metadata.get(b"zoneless", b"").decode().split("\t"))
            zone = metadata.get(b"zone", b"").decode()
            columns: dict[str, pa.ChunkedArray | pa.Array] = {}
            for name in table.column_names:
                values = table[name]
                if name in temporal:
                    values = arrow_text.canonical_times(values)
                columns[name] = arrow_text.local_times(values, zone) if name in zoneless else values
            for name in contract:
                if name not in columns:
                    columns[name] = pa.nulls(table.num_rows, pa.large_string())
            columns["_place"] = pa.array(
                [f"row {n}" for n in range(place + 1, place + table.num_rows + 1)], pa.large_string()
            )
            place += table.num_rows
            yield Batch(pa.table(columns))

    def acknowledge(self, feed: Feed, keys: pa.Table) -> list[Issue]:
        """Set the declared column to 1 for the rows that ``keys`` names by the columns of ``given.acknowledge.by``."""
        given = options.of_feed("database", feed)
        how = given.acknowledge
        if how is None or not keys.num_rows:
            return []
        lacking = set(how.by) - set(keys.column_names)
        if lacking:
            raise InternalError(f"to acknowledge, the columns {sorted(lacking)} are needed", feed=feed.id)
        try:
            with _snapshot(self._engine, "acknowledge") as connection:
                real = self._table(connection, feed, given)
            if how.column not in real.names:
                return []
            for batch in keys.select(how.by).combine_chunks().to_batches(max_chunksize=_ACKNOWLEDGED):
                self._mark(feed, real, how, batch)
        except AuthenticationError as error:
            return [Issue("acknowledge_refused", error.message, field=how.column)]
        except OneMapError as error:
            return [Issue("acknowledge_failed", error.message, field=how.column)]
        return []

    def describe(self, feed: Feed) -> Described:
        """Columns with their comments, and the primary key, as the database's catalogue has them."""
        given = options.of_feed("database", feed)
        with _snapshot(self._engine, f"describe {given.table}") as connection:
            schema, name = self._find(connection, given.table)
            inspector = sa.inspect(connection)
            excluded = {column.lower() for column in given.exclude}
            listed = [
                column for column in inspector.get_columns(name, schema) if column["name"].lower() not in excluded
            ]
            key = inspector.get_pk_constraint(name, schema).get("constrained_columns") or []
        return Described({column["name"]: column.get("comment") or "" for column in listed}, list(key))

    def close(self) -> None:
        """Give back the engine and the files."""
        if self._made is not None:
            self._made.dispose()
            self._made = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    # -- reading

    @property
    def _engine(self) -> sa.Engine:
        if self._made is None:
            self._made = engine_of(
                self.endpoint,
                connect_timeout=self.source.timeout.total_seconds(),
                read_timeout=self._given.read_timeout,
                encoding=self._given.encoding,
            )
        return self._made

    def _spool_folder(self) -> Path:
        if self._folder is None:
            self._folder = scratch.Folder(prefix="onemap-database-")
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def _read(self, feed: Feed, given: FeedOptions, window: Window) -> _Read:
        """One window, whole, in one snapshot."""
        with _snapshot(self._engine, f"read {given.table}") as connection:
            real = self._table(connection, feed, given)
            return self._rows(connection, feed, given, window, real)

    def _rows(self, connection: sa.Connection, feed: Feed, given: FeedOptions, window: Window, real: _Table) -> _Read:
        increment = feed.cursor.column if feed.cursor.kind == "window" else None
        server_date = _server_date(connection)
        issues = [
            Issue("column_absent", f"table {given.table} has no column {name}; read as empty", field=name)
            for name in real.absent
        ]
        kinds = self._kinds(connection, real)
        zone = ZoneInfo(self._given.zone) if self._given.zone != _CITY else None
        where: list[sa.ColumnElement[bool]] = []
        if increment is not None:
            plain = zone if not _zoned(kinds.get(increment)) else None
            within = _within(connection, real.column(increment), _shifted(window, plain))
            undated = _undated(connection, real.column(increment), bounded=within is not None)
            loose = connection.execute(sa.select(sa.func.count()).select_from(real.table).where(undated)).scalar_one()
            if int(loose):
                issues.append(
                    Issue(
                        "increment_missing",
                        f"{loose} rows of {given.table} have no {increment} that can be; read with every window",
                        field=increment,
                    )
                )
            if within is not None:
                where = [sa.or_(within, undated) if int(loose) else within]
        claimed = int(connection.execute(sa.select(sa.func.count()).select_from(real.table).where(*where)).scalar_one())
        order = list(dict.fromkeys([*([increment] if increment else []), *feed.key, *given.order]))
        columns = {name: self._column_read(connection, real, name, kinds.get(name)) for name in real.names}
        by = [real.column(name) for name in order]
        statement = sa.select(*columns.values()).select_from(real.table).where(*where).order_by(*by)
        request = {
            "url": shown(self._engine.url),
            "table": real.table.fullname,
            "columns": list(real.names.values()),
            "window": str(window),
            "order": order,
        }
        if zone:
            real = replace(real, zoneless=tuple(name for name, kind in kinds.items() if not _zoned(kind)))
        try:
            spool, unreadable = self._streamed(connection, real, given, statement), 0
        except UnreadableRow as error:
            keys = sa.select(*[columns[name] for name in order]).select_from(real.table).where(*where).order_by(*by)
            spool, unreadable = self._narrowed(connection, real, given, statement, keys, order, error)
        return _Read(spool, claimed, request, issues, server_date, unreadable)

    def _streamed(
        self, connection: sa.Connection, real: _Table, given: FeedOptions, statement: sa.Select[Any]
    ) -> arrow_text.Spool:
        """All rows, by COPY where the server has it, else by a server-side cursor.

        :raises UnreadableRow: one of them cannot be read; nothing is left of the others.
        """
        room = self._spool_folder()
        what = f"read {given.table}"
        spool = None
        try:
            with suppress(NoCopy), _part(connection, what):
                spool = self._copied(connection, real, given, statement, room)
            if spool is None:
                with _part(connection, what):
                    spool = self._fetched(connection, real, given, statement, room)
        except UnreadableRow:
            shutil.rmtree(room)
            raise
        return spool

    def _copied(
        self, connection: sa.Connection, real: _Table, given: FeedOptions, statement: sa.Select[Any], room: Path
    ) -> arrow_text.Spool | None:
        """All rows as COPY writes them; None where that is not what a cursor gives."""
        if connection.dialect.driver != "psycopg":
            return None
        described = connection.execute(statement.limit(0)).cursor.description
        booleans = written_as_text(connection, described)
        if booleans is None:
            return None
        spool, _ = self._spool(connection, described, real, given, room)
        names = list(real.names)
        with closing(copied(connection, statement)) as pieces:
            for piece in pieces:
                spool.write(arrow_text.from_csv(piece, names, [names[place] for place in booleans]))
        spool.end()
        return spool

    def _fetched(
        self, connection: sa.Connection, real: _Table, given: FeedOptions, statement: sa.Select[Any], room: Path
    ) -> arrow_text.Spool:
        rows = connection.execute(statement.execution_options(stream_results=True, max_row_buffer=_CHUNK))
        cursor = rows.cursor
        try:
            spool, plain = self._spool(connection, cursor.description, real, given, room)
            for chunk in rows.partitions(min(_CHUNK, given.rows)):
                spool.add(plain(chunk))
            spool.end()
        except BaseException:
            _abandon(cursor)
            raise
        return spool

    def _narrowed(
        self,
        connection: sa.Connection,
        real: _Table,
        given: FeedOptions,
        statement: sa.Select[Any],
        listed: sa.Select[Any],
        order: list[str],
        error: UnreadableRow,
    ) -> tuple[arrow_text.Spool, int]:
        """The rows by their keys, and last in a file of their own those that cannot be read, and how many these are.

        :raises UnreadableRow: not by their keys either, or there are more than :data:`_MOST_UNREADABLE` of them.
        """
        with _part(connection, f"read the keys of {given.table}"):
            rows = connection.execute(listed)
            plain = self._plain(connection, rows.cursor.description)
            counts = Counter(tuple(map(arrow_text.as_text, row)) for row in plain(rows.all()))
        columns = [real.column(name) for name in order]
        places = [list(real.names).index(name) for name in order]
        spool: arrow_text.Spool | None = None

        def read(keys: Sequence[narrowing.Key]) -> list[Sequence[Any]]:
            nonlocal spool
            with _part(connection, f"read {given.table}"):
                rows = connection.execute(statement.where(_is_one_of(columns, keys)))
                described = rows.cursor.description
                if spool is None:
                    spool, _ = self._spool(connection, described, real, given, self._spool_folder())
                return list(self._plain(connection, described)(rows.all()))

        bad: list[narrowing.Unreadable] = []
        for part in narrowing.by_key(counts, read, lambda row: tuple(arrow_text.as_text(row[n]) for n in places)):
            if isinstance(part, list):
                if spool is not None:  # made by the reading that brought the part
                    spool.add(part)
                continue
            bad += [part] * part.rows
            if len(bad) > _MOST_UNREADABLE:
                raise error
        if spool is None:
            raise error
        spool.end()
        spooled = arrow_text.Spool(
            self._spool_folder(), [*order, _UNREADABLE], {}, rows=given.rows, size=_PAYLOAD_BYTES
        )
        spooled.add([(*one.key, one.why) for one in bad])
        spooled.end()
        spool.files += spooled.files
        spool.rows += spooled.rows
        return spool, len(bad)

    def _spool(
        self,
        connection: sa.Connection,
        described: Sequence[Sequence[Any]],
        real: _Table,
        given: FeedOptions,
        room: Path,
    ) -> tuple[arrow_text.Spool, Callable[[Sequence[Sequence[Any]]], Sequence[Sequence[Any]]]]:
        """A spool for rows of a cursor so described, and how they are made ready for it."""
        names = list(real.names)
        known = _TEMPORAL.get(connection.dialect.driver, ())
        temporal = [name for name, entry in zip(names, described, strict=True) if entry[1] in known]
        metadata = {"temporal": "\t".join(temporal), "dialect": connection.dialect.name}
        if zoneless := [name for name in temporal if name in real.zoneless]:
            metadata |= {"zoneless": "\t".join(zoneless), "zone": self._given.zone}
        spool = arrow_text.Spool(room, names, metadata, rows=given.rows, size=_PAYLOAD_BYTES)
        return spool, self._plain(connection, described)

    def _plain(
        self, connection: sa.Connection, described: Sequence[Sequence[Any]]
    ) -> Callable[[Sequence[Sequence[Any]]], Sequence[Sequence[Any]]]:
        """Bits as numbers, text in another charset than the database says as declared."""
        pymysql, encoding = connection.dialect.driver == "pymysql", self._given.encoding
        bits = [n for n, entry in enumerate(described) if pymysql and entry[1] == _MYSQL_BIT]

        def plain(chunk: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
            rows = [_unbit(row, bits) for row in chunk] if bits else chunk
            return [_texts(row, encoding) for row in rows] if encoding else rows

        return plain

    def _kinds(self, connection: sa.Connection, real: _Table) -> dict[str, Any]:
        """Types of the columns by the contract's name, where the declaration makes them matter; {} else."""
        if self._given.encoding is None and self._given.zone == _CITY:
            return {}
        listed = sa.inspect(connection).get_columns(str(real.table.name), schema=real.table.schema)
        by_name = {column["name"]: column["type"] for column in listed}
        return {name: by_name.get(column) for name, column in real.names.items()}

    def _column_read(self, connection: sa.Connection, real: _Table, name: str, kind: Any) -> sa.ColumnElement[Any]:
        """A column as it is read: where its text is in another charset than MySQL says, the bytes that it keeps."""
        column = real.column(name)
        if self._given.encoding and connection.dialect.name in _MYSQL and isinstance(kind, sa.String):
            return sa.cast(column, sa.BINARY()).label(column.name)
        return column

    # -- what the database has

    def _table(self, connection: sa.Connection, feed: Feed, given: FeedOptions) -> _Table:
        """The feed's table by its real name, and its columns.

        :raises ConfigurationError: it is not there, or not granted, or lacks a key column or the increment.
        """
        schema, name = self._find(connection, given.table)
        listed = _columns(connection, schema, name)
        contract = {column.lower(): column for column in _contract(feed)}
        excluded = {column.lower() for column in given.exclude}
        names: dict[str, str] = {}
        for column in sorted(listed, key=lambda c: (contract.get(c.lower()) != c, c)):
            known = contract.get(column.lower(), column)
            # a second of that name goes by its own: the mapping compares them
            names[column if known in names else known] = column
        names = {n: names[n] for n in sorted(names, key=lambda n: listed.index(names[n])) if n.lower() not in excluded}
        absent = [column for low, column in contract.items() if column not in names and low not in excluded]
        needed = [*feed.key, *given.order, *([feed.cursor.column] if feed.cursor.kind == "window" else [])]
        lacking = [column for column in dict.fromkeys(needed) if column not in names]
        if lacking:
            raise ProviderError(
                f"table {given.table} has no {', '.join(lacking)}, which its rows are told apart or read by",
                remedy="ask the source for the columns back, or correct key, order and cursor of the feed",
                zh=f"表 {given.table} 缺少键或增量列 {'、'.join(lacking)}，无法读取，请联系数源方恢复。",
                feed=feed.id,
                field=lacking[0],
            )
        real = sa.table(
            sa.quoted_name(name, quote=True),
            *[sa.column(sa.quoted_name(column, quote=True)) for column in names.values()],
            schema=sa.quoted_name(schema, quote=True) if schema else None,
        )
        return _Table(real, names, absent)

    def _find(self, connection: sa.Connection, wanted: str) -> tuple[str | None, str]:
        """(schema, real name); the declared schema, else the database's default one, else the only one that has it."""
        inspector = sa.inspect(connection)
        declared = self._given.schema_
        if declared is not None:
            schemas: list[str | None] = [s for s in inspector.get_schema_names() if s.lower() == declared.lower()] or [
                declared
            ]
            found = [(schema, name) for schema in schemas for name in _named(inspector, schema, wanted)]
        else:
            found = [(None, name) for name in _named(inspector, None, wanted)]
            if not found and connection.dialect.name == "postgresql":
                others = [
                    s for s in inspector.get_schema_names() if s not in ("information_schema", "pg_catalog", "pg_toast")
                ]
                found = [(schema, name) for schema in others for name in _named(inspector, schema, wanted)]
        exact = [entry for entry in found if entry[1] == wanted]
        if len(found) == 1 or len(exact) == 1:
            return (exact or found)[0]
        if found:
            places = ", ".join(f"{schema or 'default'}.{name}" for schema, name in found)
            raise ConfigurationError(
                f"table {wanted} stands in several places: {places}",
                remedy="set options.schema of the source in sources/*.yaml",
                zh=f"表 {wanted} 在多处存在（{places}），请在数据源声明的 options.schema 中指明模式。",
            )
        raise ConfigurationError(
            f"table {wanted} is not there, or not granted to this account",
            remedy="check the database in extra.url, and ask the source whether the table stands and is granted",
            zh=f"找不到表 {wanted}，或账号无权访问：请核对 extra.url 中的库，并向数源方确认表与授权。",
        )

    def _check_feed(self, connection: sa.Connection, feed: Feed) -> CheckLine:
        try:
            given = options.of_feed("database", feed)
            with typed_errors(f"read {given.table}"):
                real = self._table(connection, feed, given)
                columns = [real.table.c[name] for name in real.names.values()]
                one = connection.execute(sa.select(*columns).select_from(real.table).limit(1)).first()
        except TransientError:
            raise
        except OneMapError as error:
            return CheckLine.failed(feed.id, error)
        detail = f"table {real.table.fullname}, {len(real.names)} columns, {'has rows' if one else 'empty'}"
        if real.absent:
            detail += f"; absent, read as empty: {', '.join(real.absent)}"
        return CheckLine(feed.id, True, detail)

    def _mark(self, feed: Feed, real: _Table, how: Acknowledge, batch: pa.RecordBatch) -> None:
        times = {feed.cursor.column} if feed.cursor.kind == "window" else set()
        columns = [
            [_moment(value) if name in times else value for value in batch.column(name).to_pylist()] for name in how.by
        ]
        keys = [key for key in zip(*columns, strict=True) if None not in key]
        if not keys:
            return
        flag = real.column(how.column)
        statement = (
            sa.update(real.table)
            .where(sa.tuple_(*[real.column(name) for name in how.by]).in_(keys), sa.or_(flag.is_(None), flag != 1))
            .values({flag.name: 1})
        )
        with typed_errors(f"set {how.column}"), self._engine.begin() as connection:
            connection.execute(statement)


def _contract(feed: Feed) -> list[str]:
    """Names of the contract's columns; [] where the feed has none of its own."""
    found = raw.find(feed.id)
    return list(found.columns) if found else []


@dataclass(frozen=True, slots=True)
class _Read:
    spool: arrow_text.Spool
    claimed: int
    request: dict[str, Any]
    issues: list[Issue]
    server_date: str | None
    unreadable: int  # rows in the last of the files


@contextmanager
def _part(connection: sa.Connection, what: str) -> Iterator[None]:
    """A statement that may fail, within the snapshot, which goes on."""
    nested = connection.dialect.name == "postgresql"  # a failed statement ends its transaction unless it is nested
    with typed_errors(what), connection.begin_nested() if nested else nullcontext():
        yield


@contextmanager
def _snapshot(engine: sa.Engine, what: str) -> Iterator[sa.Connection]:
    """A connection in a read-only snapshot; driver errors leave typed, the connection is always given back."""
    with typed_errors(what):
        connection = engine.connect()
        try:
            if connection.dialect.name in _MYSQL:
                connection.execution_options(isolation_level="REPEATABLE READ")
                connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            elif connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            elif connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            yield connection
        except BaseException:
            connection.invalidate()  # a cursor may be half read: the socket is of no more use
            raise
        finally:
            connection.close()


def _named(inspector: sa.Inspector, schema: str | None, wanted: str) -> list[str]:
    listed = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    if isinstance(inspector, PGInspector):
        listed += [*inspector.get_materialized_view_names(schema), *inspector.get_foreign_table_names(schema)]
    return [name for name in dict.fromkeys(listed) if name.lower() == wanted.lower()]


def _columns(connection: sa.Connection, schema: str | None, name: str) -> list[str]:
    """Names of the columns that this account may read, in the table's order."""
    table = sa.table(sa.quoted_name(name, quote=True), schema=sa.quoted_name(schema, quote=True) if schema else None)
    nested = connection.dialect.name == "postgresql"
    try:
        with _part(connection, f"columns of {name}"):
            return list(connection.execute(sa.select(sa.text("*")).select_from(table).where(sa.text("1 = 0"))).keys())
    except AuthenticationError:
        granted = sa.text(
            "select column_name from information_schema.columns where table_name = :name"
            " and table_schema = coalesce(:schema, {}) order by ordinal_position".format(
                "current_schema()" if nested else "database()"
            )
        )
        if connection.dialect.name not in ("postgresql", *_MYSQL):
            raise
        names = list(connection.execute(granted, {"name": name, "schema": schema}).scalars())
        if not names:
            raise
        return names


_NOW = {
    "postgresql": "select clock_timestamp() at time zone 'UTC'",
    "mysql": "select utc_timestamp()",
    "mariadb": "select utc_timestamp()",
}


def _server_date(connection: sa.Connection) -> str | None:
    """What the server's clock says, ISO 8601 in UTC; None of a dialect whose way to say it is not known here."""
    statement = _NOW.get(connection.dialect.name)
    if statement is None:
        return None
    text = str(connection.exec_driver_sql(statement).scalar_one())  # as text from some drivers
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).isoformat()


def _undated(connection: sa.Connection, increment: sa.ColumnClause[Any], *, bounded: bool) -> sa.ColumnElement[bool]:
    """Rows that no window holds. Of an unbounded window, a column that is no time at all may be the increment."""
    if connection.dialect.name in _MYSQL or (bounded and connection.dialect.name == "postgresql"):
        unlikely = [increment < _bound(connection, _FIRST), increment >= _bound(connection, _NEVER)]
        if connection.dialect.name in _MYSQL and _lets_in_no_dates(connection):
            unlikely += [sa.func.month(increment) == 0, sa.func.dayofmonth(increment) == 0]
        return sa.or_(increment.is_(None), *unlikely)
    return increment.is_(None)


def _lets_in_no_dates(connection: sa.Connection) -> bool:
    """Whether MySQL may hold dates without a month or a day (2026-00-00), which lie in a window long complete."""
    mode = str(connection.exec_driver_sql("select @@global.sql_mode").scalar_one())
    return not {"NO_ZERO_IN_DATE", "TRADITIONAL"} & set(mode.split(","))


def _zoned(kind: Any) -> bool:
    """Whether a column's times carry their zone, so that the session's holds: timestamptz, MySQL's TIMESTAMP."""
    return (
        bool(getattr(kind, "timezone", False))
        or type(kind).__name__ == "TIMESTAMP"
        and type(kind).__module__.endswith("mysql.types")
    )


def _shifted(window: Window, zone: ZoneInfo | None) -> Window:
    """The window as a source writes it that keeps the time of another zone."""
    if zone is None:
        return window

    def there(moment: datetime | None) -> datetime | None:
        return moment and moment.replace(tzinfo=clock.SHANGHAI).astimezone(zone).replace(tzinfo=None)

    return Window(there(window.start), there(window.end), window.full)


def _is_one_of(columns: Sequence[sa.ColumnClause[Any]], keys: Sequence[narrowing.Key]) -> sa.ColumnElement[bool]:
    """Rows of one of the keys, whose values stand as text without a type: the database compares them as its columns'."""
    found = [
        sa.and_(*[column.is_(None) if value is None else column == _untyped(value) for column, value in parts])
        for parts in (list(zip(columns, key, strict=True)) for key in keys)
    ]
    return sa.or_(*found)


def _untyped(value: str) -> sa.BindParameter[Any]:
    return sa.bindparam(None, value, type_=sa.types.NULLTYPE, unique=True)


def _rejected(feed: Feed, table: pa.Table, names: list[str]) -> Batch:
    """Rows that the database could not say."""
    rejects = []
    for number, row in enumerate(table.to_pylist(), 1):
        why = row.pop(_UNREADABLE)
        key = "|".join(row.get(name) or "" for name in feed.key)
        rejects.append(
            Reject(f"unreadable row {number}", "row_unreadable", why, json.dumps(row, ensure_ascii=False), key)
        )
    return Batch(pa.table({name: pa.array([], pa.large_string()) for name in names}), rejects)


def _texts(row: Sequence[Any], encoding: str) -> list[Any]:
    return [decoded(value, encoding) if isinstance(value, bytes) else value for value in row]


def _within(
    connection: sa.Connection, increment: sa.ColumnClause[Any], window: Window
) -> sa.ColumnElement[bool] | None:
    if window.full or (window.start is None and window.end is None):
        return None
    bounds = []
    if window.start is not None:
        bounds.append(increment >= _bound(connection, window.start))
    if window.end is not None:
        bounds.append(increment < _bound(connection, window.end))
    return sa.and_(*bounds)


def _bound(connection: sa.Connection, moment: datetime) -> sa.ColumnElement[Any]:
    if connection.dialect.name == "sqlite":  # keeps times as text
        return sa.literal(moment.isoformat(" "), sa.String())
    return sa.literal(moment, sa.DateTime())


def _abandon(cursor: Any) -> None:
    """Leave a half-read cursor: PyMySQL's would read the rest of the result when it is closed or collected, however
    long, and fail noisily where the socket is gone."""
    result = getattr(cursor, "_result", None)
    if result is not None and hasattr(result, "unbuffered_active"):
        result.unbuffered_active = False
        cursor.connection = None


def _unbit(row: Sequence[Any], bits: list[int]) -> list[Any]:
    values = list(row)
    for place in bits:
        if isinstance(values[place], bytes):
            values[place] = str(int.from_bytes(values[place]))
    return values


def _moment(text: str | None) -> datetime | str | None:
    """An increment as the database compares it; what is no time stays text."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text
