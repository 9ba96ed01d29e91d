"""Views of entities and columns that ``schemas/entities`` declare and the database lacks, with what may read them.

The migrations hold the views of the hub's own model frozen; a new entity, a new column and a changed mark of personal data
come here, whenever the store is migrated. Columns are appended, so that what others built upon a view stands. The views of
the past are made here alone: nobody builds upon them, so they are made anew whenever they are others than those of this version.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError
from serving.sql import on_day, past
from serving.sql.views import View, note, statements, views
from store import migrate
from store.engine import driver, transaction

_SCHEMAS = ("onemap", "asked")
_READERS = {"onemap": ("onemap_reader", "onemap_scoped", "onemap_api"), "asked": ("onemap_api",)}


def upgrade() -> list[str]:
    """Migrate the store and bring its views up to date; the names of the views that were made or changed.

    :raises ConfigurationError: a declared type is not the stored one, or a view that others built upon would lose a column.
    """
    migrate.upgrade()
    with transaction() as connection:
        return bring(connection)


def bring(connection: Connection) -> list[str]:
    """The same, of the views alone."""
    changed = []
    upgraded = False
    for view in views().values():
        for schema in _SCHEMAS:
            there = _there(connection, schema, view.name)
            if view.name == "change":
                stale = upgraded
            else:
                stale = there is None or there != {c.name: _comment(c.zh, note(c)) for c in view.columns}
            if not stale:
                continue
            upgraded = upgraded or there is None
            _make(connection, schema, view, there)
            changed.append(f"{schema}.{view.name}")
    _past(connection, anew=bool(changed))
    return changed


def _past(connection: Connection, anew: bool) -> None:
    """The schemas of the store's past, where they are not those of this version; ``anew``: or what they are over has changed."""
    for schema, ddl in (("past", past.ddl()), ("on_day", on_day.ddl())):
        digest = hashlib.sha256(ddl.encode()).hexdigest()
        stands = connection.execute(
            sa.text("select obj_description(to_regnamespace(:schema), 'pg_namespace')"), {"schema": schema}
        ).scalar()
        if stands == digest and not anew:
            continue
        names = (schema, f"{schema}_supervision", f"{schema}_store")
        rebuilt = "; ".join(
            f"drop schema {name} cascade; create schema {name}; revoke all on schema {name} from public"
            for name in names
        )
        driver(connection).execute(f"{rebuilt}; {ddl}\ncomment on schema {schema} is '{digest}'")
        if connection.execute(sa.text("select 1 from pg_roles where rolname = 'onemap_api'")).scalar():
            connection.exec_driver_sql(
                f"grant usage on schema {schema} to onemap_api; grant select on all tables in schema {schema} to onemap_api"
            )


def _make(connection: Connection, schema: str, view: View, there: dict[str, str | None] | None) -> None:
    quoted = connection.dialect.identifier_preparer.quote
    if there is not None and (gone := [name for name in there if name not in view.by_name]):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"drop view {schema}.{quoted(view.name)}")
        except sa.exc.DBAPIError as error:
            raise ConfigurationError(
                f"view {schema}.{view.name} would lose {', '.join(gone)}, and others are built upon it: {error.orig}",
                remedy="declare the columns again, or drop what was built upon the view",
                zh=f"视图 {schema}.{view.name} 将失去列 {'、'.join(gone)}，而有其他对象依赖它：请恢复这些列，或先删除依赖它的对象。",
            ) from error
        there = None
    order = [*(there or ()), *(column.name for column in view.columns if column.name not in (there or ()))]
    ordered = replace(view, columns=tuple(view.by_name[name] for name in order), by_name={})
    for statement in statements(ordered, schema):
        text = (
            statement.replace("create view", "create or replace view", 1)
            if statement.startswith("create view")
            else statement
        )
        driver(connection).execute(text)
    for role in _READERS[schema]:
        if connection.execute(sa.text("select 1 from pg_roles where rolname = :role"), {"role": role}).scalar():
            connection.exec_driver_sql(f"grant select on {schema}.{quoted(view.name)} to {role}")


#: A relation's columns with their comments, in order.
_COLUMNS = """select a.attname, col_description(c.oid, a.attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = :schema and c.relname = :name order by a.attnum"""


def _there(connection: Connection, schema: str, name: str) -> dict[str, str | None] | None:
    """A view's columns in their order, each with its comment; None where there is no such view."""
    rows = connection.execute(
        sa.text(_COLUMNS),
        {"schema": schema, "name": name},
    ).all()
    return {column: comment for column, comment in rows} or None


def _comment(zh: str, en: str) -> str:
    return f"{zh} | {' '.join(en.split())}"
