"""Tables and columns that ``schemas/entities/*.yaml`` declare and the database lacks: made after the migrations.

A new entity, and a new column of one, need no migration of their own. What is no longer declared stays as it is, and a column
whose type was changed is refused: either would lose data, and is for a migration to decide.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.engine.reflection import Inspector

from core.errors import ConfigurationError
from store import tables


def bring(connection: Connection) -> list[str]:
    """Make what is declared and not there; the names of what was made.

    :raises ConfigurationError: a column stands there with another type.
    """
    inspector = sa.inspect(connection)
    changed: list[str] = []
    for entity in tables.entities():
        for table in (tables.source_entity[entity], tables.golden[entity]):
            if not inspector.has_table(table.name, schema=table.schema):
                table.create(connection)
                changed.append(table.fullname)
            else:
                changed += _columns(connection, inspector, entity, table)
    return changed


def _columns(connection: Connection, inspector: Inspector, entity: str, table: sa.Table) -> list[str]:
    there = {column["name"]: column["type"] for column in inspector.get_columns(table.name, schema=table.schema)}
    operations = Operations(MigrationContext.configure(connection))
    columns = []
    for column in table.columns:
        if column.name not in there:
            operations.add_column(table.name, column.copy(), schema=table.schema)
            columns.append(f"{table.fullname}.{column.name}")
        elif (was := _kind(there[column.name])) != (now := _kind(column.type)):
            raise ConfigurationError(
                f"{table.fullname}.{column.name} is {was} in the database, {now} by schemas/entities/{entity}.yaml",
                remedy="take the type back, or declare a column of another name; a migration can convert what is stored",
                zh=f"schemas/entities/{entity}.yaml 中 {column.name} 的类型（{now}）与库中（{was}）不同：请改回，或另起列名；已存数据的转换需编写迁移。",
                field=column.name,
            )
    if columns:
        known = {index["name"] for index in inspector.get_indexes(table.name, schema=table.schema)}
        for index in table.indexes:
            if index.name not in known:
                index.create(connection)
    return columns


def _kind(kind: sa.types.TypeEngine[Any]) -> str:
    return kind.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
