"""Bring a database to the state that the code expects. The revisions stand in ``store/migrations/versions``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.dialects.postgresql.base import ischema_names

from store import evolve, tables
from store.engine import engine, lock_key
from store.text import Box

# Airflow may share the database and keeps its own alembic_version in public
VERSION_TABLE = {"version_table": "schema_version", "version_table_schema": tables.STORE}
ischema_names.setdefault("box", Box)


def config() -> Config:
    """Alembic's configuration, without an ini file."""
    built = Config()
    built.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return built


def upgrade(revision: str = "head") -> None:
    """Migrate the hub's database, then make what ``schemas/entities`` declare beyond it; two at once wait for each other.

    :raises core.errors.ConfigurationError: no database is set or running, or a declared type is not the stored one.
    """

    def step(alembic: Config, to: str) -> None:
        command.upgrade(alembic, to)
        if to == "head":
            evolve.bring(alembic.attributes["connection"])

    _go(step, revision, make=True)


def downgrade(revision: str) -> None:
    """Take migrations back, ``-1`` the latest: what only the newer version knew is lost, what both know stays.

    :raises core.errors.ConfigurationError: no database is set or running.
    """
    _go(command.downgrade, revision)


def _go(step: Callable[[Config, str], None], revision: str, *, make: bool = False) -> None:
    with engine().connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(lock_key("migrate", ""))))
        try:
            connection.commit()
            for name, comment in tables.SCHEMAS.items() if make else ():
                connection.exec_driver_sql(f"create schema if not exists {name}")
                quoted = comment.replace("'", "''")
                connection.exec_driver_sql(f"comment on schema {name} is '{quoted}'")
            connection.commit()
            built = config()
            built.attributes["connection"] = connection
            step(built, revision)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(sa.select(sa.func.pg_advisory_unlock(lock_key("migrate", ""))))
            connection.commit()


def included(name: str | None, kind: str, parents: dict[str, str | None]) -> bool:
    """Which of the database's schemas and tables are ours to compare; staging tables of batches are not."""
    if kind == "schema":
        return name in (tables.LANDING, tables.SOURCE, tables.STORE)
    return not (kind == "table" and name == VERSION_TABLE["version_table"])


def differences() -> list[Any]:
    """What metadata and database disagree on; empty when they are equal."""
    with engine().connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_schemas": True, "include_name": included, "compare_server_default": True, **VERSION_TABLE},
        )
        return compare_metadata(context, tables.metadata)
