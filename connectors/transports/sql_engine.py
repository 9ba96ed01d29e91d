"""An engine for a Connection that names a database, and the driver's errors by whose fault they are.

The Connection's ``extra.url`` is a SQLAlchemy URL without credentials; login and password stand in their own fields.
A URL without a driver gets the one that the hub ships (``mysql://`` and ``mariadb://`` PyMySQL, ``postgresql://``
psycopg 3); any other that SQLAlchemy knows works once its driver is installed. Without ``extra.url`` a Connection of
type ``mysql`` or ``postgres`` is read from its own fields: host, port, schema (= database).

Values leave MySQL, MariaDB and PostgreSQL as the server's own text, undecoded: nothing is lost to a driver's types
(zero dates, infinity, decimals), and it is several times faster. PostgreSQL writes rows of such values by COPY
(:func:`copied`), which is faster once more.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from connectors.decoders import charsets as _marks  # noqa: F401 - names the handler of undecodable bytes
from connectors.endpoint import Endpoint
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    OneMapError,
    ProviderError,
    TransientError,
)
from core.redaction import hide, redact

if TYPE_CHECKING:
    import psycopg

_SHIPPED = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_READ_TIMEOUT = 900  # seconds without a byte: a sort of a large table on the source may take minutes
_PG_TEXT: tuple[int | str, ...] = (
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "timetz",
    "numeric",
    "float4",
    "float8",
    "json",
    "jsonb",
    "uuid",
    "interval",
    "inet",
    "cidr",
    *(kind + of for kind in ("int4", "int8", "num", "date", "ts", "tstz") for of in ("range", "multirange")),
)

# OIDs of "char", name, text, unknown, bpchar, varchar
_PG_CHARACTERS: tuple[int | str, ...] = (18, 19, 25, 705, 1042, 1043)
_PG_BOOLEAN, _PG_INTEGER, _PG_STRING = 16, 23, 25
_COPY_ROWS, _COPY_BYTES = 10_000, 4 << 20  # of one piece

# MySQL and MariaDB error numbers
_MYSQL_REFUSED = {1044, 1045, 1142, 1143, 1227, 1290, 1370, 1698, 1792, 1820, 1862, 3118, 3955, 4151}
# what a row's own values do to a statement: subquery, range, conversion, geometry, JSON, SIGNAL
_MYSQL_ROW = {
    1242,
    1264,
    1292,
    1365,
    1366,
    1367,
    1406,
    1411,
    1416,
    1644,
    1690,
    1739,
    3037,
    3140,
    3141,
    3143,
    3146,
    3147,
    *range(4036, 4044),
}
_MYSQL_SETTING = {1049, 1054, 1115, 1146}


class UnreadableRow(ProviderError):
    """The database failed over what a row holds; other rows may be read."""


class NoCopy(Exception):
    """A server that speaks as PostgreSQL does has no COPY of a query."""


def url_of(endpoint: Endpoint) -> URL:
    """The SQLAlchemy URL with its driver and credentials; never log it but by :func:`shown`.

    :raises ConfigurationError: the Connection names no database, or not by a URL.
    """
    written = str(endpoint.extra.get("url") or "").strip()
    if written:
        try:
            url = make_url(written)
        except (sa.exc.ArgumentError, ValueError):
            raise ConfigurationError(
                f"extra.url of Connection {endpoint.conn_id} is not a SQLAlchemy URL",
                remedy="write it like mysql://host:3306/database, without credentials",
                zh=f"连接 {endpoint.conn_id} 的 extra.url 不是 SQLAlchemy 地址，应写作 mysql://主机:3306/库名，不含账号口令。",
            ) from None
    elif endpoint.conn_type in _SHIPPED and endpoint.host:
        url = URL.create(endpoint.conn_type)
    else:
        raise ConfigurationError(
            f"Connection {endpoint.conn_id} names no database: extra.url is missing",
            remedy='set extra to {"url": "mysql://host:3306/database"}, and login and password in their fields',
            zh=f'连接 {endpoint.conn_id} 未指明数据库，请在 extra 中填写 {{"url": "mysql://主机:3306/库名"}}，账号口令填在各自栏位。',
        )
    if url.password:
        hide([str(url.password)])
    file_based = url.get_backend_name() == "sqlite"
    return url.set(
        drivername=_SHIPPED.get(url.drivername, url.drivername),
        username=None if file_based else endpoint.login or url.username,
        password=None if file_based else endpoint.password or url.password,
        host=None if file_based else url.host or endpoint.host or None,
        port=None if file_based else url.port or endpoint.port,
        database=url.database or endpoint.schema or None,
    )


def shown(url: URL) -> str:
    """The URL for receipts and messages: without credentials, and without options, which may hold some."""
    bare = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    return bare.render_as_string(hide_password=True)


def engine_of(
    endpoint: Endpoint, *, connect_timeout: float, read_timeout: float | None = None, encoding: str | None = None
) -> sa.Engine:
    """An engine that holds no connection of its own. Time-outs in seconds; ``encoding``: what text really is.

    :raises ConfigurationError: the URL's dialect or driver is not there.
    """
    url = url_of(endpoint)
    arguments: dict[str, object] = {}
    seconds = max(1, round(connect_timeout))
    if url.drivername.endswith("+pymysql"):
        from pymysql.converters import conversions

        silence = max(1, round(read_timeout or _READ_TIMEOUT))
        arguments = {
            "connect_timeout": min(seconds, 300),
            "read_timeout": silence,
            "write_timeout": silence,
            "conv": {kind: how for kind, how in conversions.items() if not isinstance(kind, int)},
            "init_command": f"SET SESSION time_zone = '+08:00', net_write_timeout = {silence}",
        }
        if "charset" not in url.query:
            arguments["charset"] = "utf8mb4"
        if url.password:
            arguments["password"] = str(url.password).encode()  # as text it must be Latin-1
    elif url.drivername == "postgresql+psycopg":
        arguments = {
            "connect_timeout": seconds,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 6,
            "tcp_user_timeout": 90_000,
        }
    try:
        engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments, hide_parameters=True)
    except (ModuleNotFoundError, sa.exc.NoSuchModuleError) as error:
        raise ConfigurationError(
            f"no driver for {url.drivername}:// is installed: {error}",
            remedy="use mysql://, mariadb:// or postgresql://, or install the driver's package beside the hub",
            zh=f"未安装 {url.drivername}:// 的数据库驱动。请改用 mysql://、mariadb:// 或 postgresql://，或安装相应驱动。",
        ) from error
    except (sa.exc.ArgumentError, TypeError) as error:
        raise ConfigurationError(
            f"extra.url of Connection {endpoint.conn_id} has an option that its driver does not know: {redact(str(error))}",
            remedy="correct the part of the URL after the question mark",
            zh=f"连接 {endpoint.conn_id} 的 extra.url 含驱动不认识的参数，请更正问号之后的部分。",
        ) from error
    if url.drivername == "postgresql+psycopg":
        # first of all: SQLAlchemy's own first questions are answered in the database's encoding too
        sa.event.listen(engine, "connect", lambda connection, _: _speak_text(connection, encoding), insert=True)
    return engine


def decoded(value: bytes, encoding: str | None) -> str:
    """Text that a database handed over as the bytes that it keeps: as declared, else UTF-8, else GB 18030; a mark for
    each byte that is none of them."""
    for name in (encoding, "utf-8", "gb18030"):
        if name:
            try:
                return value.decode(name)
            except UnicodeDecodeError:
                continue
    return value.decode(encoding or "gb18030", "onemap_mark")


def written_as_text(connection: sa.Connection, described: Sequence[Sequence[Any]]) -> list[int] | None:
    """Of columns of PostgreSQL so described, whether COPY writes their values as the driver would give them: the places of
    those that are booleans; None: it does not."""
    import psycopg
    from psycopg.pq import Format

    driver = connection.connection.driver_connection
    if driver is None or driver.info.encoding != "utf-8":
        return None
    loaders = [driver.adapters.get_loader(entry[1], Format.TEXT) for entry in described]
    boolean, *others = (psycopg.adapters.get_loader(k, Format.TEXT) for k in (_PG_BOOLEAN, _PG_INTEGER, _PG_STRING))
    if not set(loaders) <= {None, boolean, *others}:  # None: of a type that the driver does not know it gives the text
        return None
    return [place for place, loader in enumerate(loaders) if loader is boolean]


def copied(connection: sa.Connection, statement: sa.Select[Any]) -> Generator[bytes]:
    """What PostgreSQL writes of a query by COPY in CSV: pieces of whole rows, of some 10,000 of them or 4 MiB.

    :raises sqlalchemy.exc.DBAPIError: as a cursor would. :raises NoCopy: the server has none.
    """
    import psycopg

    compiled = statement.compile(dialect=connection.dialect)
    driver = connection.connection.driver_connection
    assert driver is not None
    held: list[bytes] = []
    size = 0
    try:
        with psycopg.ClientCursor(driver) as cursor:
            query = cursor.mogrify(str(compiled), compiled.construct_params()).encode()
            with cursor.copy(b"copy (" + query + b") to stdout (format csv)") as rows:
                for row in rows:  # libpq hands on one at a time
                    held.append(bytes(row))
                    size += len(row)
                    if len(held) >= _COPY_ROWS or size >= _COPY_BYTES:
                        yield b"".join(held)
                        held, size = [], 0
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.SyntaxError) as error:
        raise NoCopy from error
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance("COPY", None, error, psycopg.Error, dialect=connection.dialect) from error
    if held:
        yield b"".join(held)


def _speak_text(connection: psycopg.Connection[Any], encoding: str | None) -> None:
    """PostgreSQL: local time, ISO dates, values as the server writes them.

    A database without an encoding (SQL_ASCII), or with another one than it says, hands over the bytes that it keeps.
    """
    from psycopg.adapt import Loader
    from psycopg.types.string import TextLoader

    class BytesLoader(Loader):
        def load(self, data: bytes | bytearray | memoryview) -> str:
            return decoded(bytes(data), encoding)

    for kind in _PG_TEXT:
        connection.adapters.register_loader(kind, TextLoader)
    server_encoding = connection.info.parameter_status("server_encoding") or ""
    if encoding or server_encoding == "SQL_ASCII":
        for oid in (*_PG_TEXT, *_PG_CHARACTERS):
            connection.adapters.register_loader(oid, BytesLoader)
    with connection.cursor() as cursor:
        if server_encoding == "SQL_ASCII":
            cursor.execute("set client_encoding to latin1")  # nothing is converted, and any byte may come
        elif encoding:
            cursor.execute(
                f"set client_encoding to '{server_encoding}'"
            )  # the same as the database's: nothing is converted
        cursor.execute("set datestyle to iso, ymd")
        cursor.execute("set time zone interval '+08:00' hour to minute")
        cursor.execute("set extra_float_digits to 1")
    connection.commit()


@contextmanager
def typed_errors(what: str) -> Iterator[None]:
    """Driver errors inside leave as :class:`~core.errors.OneMapError` by whose fault they are. ``what`` was done."""
    try:
        yield
    except OneMapError:
        raise
    except sa.exc.DBAPIError as error:
        raise _typed(error, what) from error
    except sa.exc.SQLAlchemyError as error:
        raise ProviderError(
            f"{what}: {redact(str(error))}",
            remedy="look at what the database answered",
            zh=f"数据库应答异常（{what}）：{redact(str(error))}",
        ) from error
    except (OSError, EOFError) as error:
        raise _transient(what, str(error)) from error


def _typed(error: sa.exc.DBAPIError, what: str) -> OneMapError:
    cause = error.orig
    given = getattr(cause, "args", ())
    text = redact(" ".join(str(part) for part in given or (cause,))).strip()
    number = given[0] if given and isinstance(given[0], int) else None
    state = getattr(cause, "sqlstate", None) or ""
    lower = text.lower()
    refused = (
        number in _MYSQL_REFUSED
        or state.startswith("28")
        or state in ("42501", "25006")
        or "authentication failed" in lower
        or "no pg_hba.conf entry" in lower
        or "no password supplied" in lower
        or ("role" in lower and "does not exist" in lower)
    )
    if refused:
        return AuthenticationError(
            f"{what}: the database refused us: {text}",
            remedy="check login and password of the Connection, and the grants that the source gave this account",
            zh=f"数据库拒绝访问（{what}）：请核对连接的账号口令，以及数源方授予该账号的权限。",
        )
    missing = (
        number in _MYSQL_SETTING
        or state in ("3D000", "42P01", "42703", "3F000")
        or ("database" in lower and "does not exist" in lower)
        or "no such table" in lower
        or "no such column" in lower
        or "unable to open database" in lower
    )
    if missing:
        return ConfigurationError(
            f"{what}: {text}",
            remedy="check the database's name in extra.url, and with the source that the table and its columns are still there",
            zh=f"库、表或列不存在（{what}）：请核对 extra.url 中的库名，并向数源方确认表和列是否仍在。",
        )
    if number in _MYSQL_ROW or state[:2] in ("21", "22", "P0") or isinstance(error, sa.exc.DataError):
        return UnreadableRow(
            f"{what}: {text}",
            remedy="ask the source to correct the row, or the view that computes it",
            zh=f"数据库无法给出某一行（{what}）：{text}。请数源更正该行，或更正计算它的视图。",
            code="row_unreadable",
        )
    if (
        isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError)
        or error.connection_invalidated
        or state[:2] in ("08", "40", "53", "55", "57", "58")
    ):
        return _transient(what, text)
    return ProviderError(
        f"{what}: {text}",
        remedy="look at what the database answered; the table may have changed its shape",
        zh=f"数据库应答异常（{what}）：{text}",
    )


def _transient(what: str, text: str) -> TransientError:
    return TransientError(
        f"{what}: {text}",
        remedy="the hub tries again by itself; if it lasts, ask the source whether its database is up and reachable",
        zh=f"数据库暂不可用（{what}），系统将自动重试；若持续，请向数源方确认数据库是否可达。",
    )
