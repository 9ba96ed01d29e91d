"""A table of a front-end database (前置库). One transaction a batch: ``log`` adds a row a change, known by the batch's id when it is sent
again; ``upsert`` sets the row of that key. A row that the database refuses is found by halves, and refused alone.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

from connectors.base import CheckLine
from connectors.transports.sql_engine import engine_of, shown, typed_errors, url_of
from core.errors import ConfigurationError, OneMapError
from core.redaction import redact
from serving.push.ledger import Row
from serving.push.receivers import Call, Outcome, lines, read, rows_of

_REFUSALS = ("21", "22", "23", "44", "54", "P0", "45")


def form(call: Call, rows: list[Row]) -> bytes:
    """JSON Lines of what is written; the archive has them, the database never sees them."""
    return lines(rows_of(call.output, rows, call.batch.id, call.batch.made_at))


def send(call: Call, body: bytes) -> Outcome:
    """Write the batch. :raises OneMapError: the database is away, refuses us, or has no such table or column."""
    rows = read(body)
    engine = engine_of(call.endpoint, connect_timeout=call.sink.timeout.total_seconds())
    rejected: dict[int, str] = {}
    try:
        with typed_errors(f"{call.name}: write {call.options.table}"), engine.begin() as connection:
            table = _table(connection, call)
            known = _sent_before(connection, call, table)
            ready = []
            for ord_, row in enumerate(rows, 1):
                if _key(call, row) in known:
                    continue
                try:
                    ready.append((ord_, row, {name: _typed(table.c[name], value) for name, value in row.items()}))
                except (ValueError, InvalidOperation) as error:
                    rejected[ord_] = str(error)
            _write(connection, call, table, ready, rejected)
    finally:
        engine.dispose()
    text = f"{len(rows) - len(rejected)} accepted, {len(rejected)} rejected by {shown(url_of(call.endpoint))}"
    return Outcome(rejected, text.encode())


def check(call: Call) -> list[CheckLine]:
    """Whether the table is there, with every column."""
    engine = engine_of(call.endpoint, connect_timeout=call.sink.timeout.total_seconds())
    try:
        with typed_errors(f"{call.name}: look at {call.options.table}"), engine.connect() as connection:
            table = _table(connection, call)
            count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        return [CheckLine(call.name, True, f"{call.options.table}: {count} rows, every column is there")]
    except OneMapError as error:
        return [CheckLine.failed(call.name, error)]
    finally:
        engine.dispose()


def _table(connection: sa.Connection, call: Call) -> sa.Table:
    try:
        table = sa.Table(call.options.table, sa.MetaData(), schema=call.options.schema_, autoload_with=connection)
    except sa.exc.NoSuchTableError:
        raise ConfigurationError(
            f"there is no table {call.options.table}",
            remedy="ask the receiver for the table, or correct options.table",
            zh=f"对方库中没有表 {call.options.table}，请与接收方核对。",
        ) from None
    if missing := [name for name in call.output.cells if name not in table.c]:
        raise ConfigurationError(
            f"table {call.options.table} has no column {', '.join(missing)}",
            remedy="agree on the columns with the receiver, then correct the sink",
            zh=f"对方表 {call.options.table} 缺少列 {'、'.join(missing)}，请与接收方核对后更正声明。",
        )
    return table


def _key(call: Call, row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in call.options.key)


def _sent_before(connection: sa.Connection, call: Call, table: sa.Table) -> set[tuple[str, ...]]:
    """Keys of this batch that an attempt before wrote, whose answer was lost."""
    if call.options.write == "upsert":
        return set()
    column = next(name for name, cell in call.output.cells.items() if cell.hub == "batch")
    found = connection.execute(
        sa.select(*(table.c[name] for name in call.options.key)).where(table.c[column] == call.batch.id)
    )
    return {tuple(str(value) for value in row) for row in found}


def _typed(column: sa.Column[Any], value: str | None) -> Any:
    """A value as the table's column takes it. :raises ValueError: it does not, in words without the value."""
    if value is None:
        return None
    kind = column.type
    try:
        if isinstance(kind, sa.Boolean):
            return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
        if isinstance(kind, sa.Integer):
            return int(value)
        if isinstance(kind, sa.Numeric):
            return Decimal(value)
        if isinstance(kind, sa.DateTime):
            return datetime.fromisoformat(value)
        if isinstance(kind, sa.Date):
            return date.fromisoformat(value[:10])
    except (KeyError, ValueError, InvalidOperation):
        raise ValueError(f"{column.name}: is no {type(kind).__name__.lower()}") from None
    return value


def _write(
    connection: sa.Connection,
    call: Call,
    table: sa.Table,
    rows: list[tuple[int, dict[str, Any], dict[str, Any]]],
    rejected: dict[int, str],
) -> None:
    """All of them in one savepoint; what the database refuses, by halves."""
    if not rows:
        return
    try:
        with connection.begin_nested():
            operation = None
            if call.options.write == "upsert":
                operation = next((name for name, cell in call.output.cells.items() if cell.hub == "operation"), None)
                keys = [{f"k_{name}": values[name] for name in call.options.key} for _, _, values in rows]
                where = sa.and_(*(table.c[name] == sa.bindparam(f"k_{name}") for name in call.options.key))
                connection.execute(sa.delete(table).where(where), keys)
            added = [values for _, row, values in rows if operation is None or row[operation] != "D"]
            if added:
                connection.execute(sa.insert(table), added)
    except sa.exc.DBAPIError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        if len(rows) == 1:
            rejected[rows[0][0]] = refusal
            return
        half = len(rows) // 2
        _write(connection, call, table, rows[:half], rejected)
        _write(connection, call, table, rows[half:], rejected)


def _refusal(error: sa.exc.DBAPIError) -> str | None:
    """What the database said of a row that it does not take; None: the fault is another."""
    cause = error.orig
    state = getattr(cause, "sqlstate", None) or ""
    first = str(getattr(getattr(cause, "diag", None), "message_primary", None) or cause).splitlines()[0]
    number = cause.args[0] if cause is not None and cause.args and isinstance(cause.args[0], int) else None
    if isinstance(error, sa.exc.DataError | sa.exc.IntegrityError) or state[:2] in _REFUSALS or number == 1644:
        return redact(first)[:300]
    return None
