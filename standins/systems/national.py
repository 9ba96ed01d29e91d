"""The province's side of the 回流: an empty front-end database by contracts/p3.sql, which the hub writes into and nobody clears."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from standins.connections import connection
from standins.context import Context
from standins.systems.tables import CONTRACTS

CONN_ID = "p_up"


class National:
    """A database of its own in the PostgreSQL given."""

    def __init__(self, ctx: Context, database_url: str, prefix: str = "standin") -> None:
        self.ctx = ctx
        self.name = f"{prefix}_p_up"
        self.login = f"{self.name}_writer"
        self._admin: URL = make_url(database_url)

    def open(self) -> None:
        """Make the database where there is none, and its writer."""
        name, role = sql.Identifier(self.name), sql.Identifier(self.login)
        with self._connect(self._admin.database or "postgres") as admin:
            there = admin.execute("select 1 from pg_database where datname = %s", [self.name]).fetchone()
            if not there:
                admin.execute(sql.SQL("create database {} template template0 encoding 'UTF8'").format(name))
            if not admin.execute("select 1 from pg_roles where rolname = %s", [self.login]).fetchone():
                admin.execute(sql.SQL("create role {} login").format(role))
            password = sql.Literal(self.ctx.secret(CONN_ID))
            admin.execute(sql.SQL("alter role {} login password {}").format(role, password))
            admin.execute(sql.SQL("revoke all on database {} from public").format(name))
            admin.execute(sql.SQL("grant connect on database {} to {}").format(name, role))
        with self._connect(self.name) as own:
            if not there:
                own.execute((CONTRACTS / "p3.sql").read_text("utf-8"))
            own.execute(sql.SQL("grant usage on schema public to {}").format(role))
            own.execute(sql.SQL("grant select, insert on all tables in schema public to {}").format(role))

    def drop(self) -> None:
        """Take the database and its writer away (tests)."""
        with self._connect(self._admin.database or "postgres") as admin:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.name)))
            admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(self.login)))

    def connection(self) -> dict[str, Any]:
        """The Connection p_up."""
        admin = self._admin
        address = URL.create(admin.drivername, None, None, admin.host, admin.port, self.name, admin.query)
        url = address.render_as_string(hide_password=False)
        return connection(CONN_ID, "generic", login=self.login, password=self.ctx.secret(CONN_ID), extra={"url": url})

    def _connect(self, database: str) -> psycopg.Connection:
        url = self._admin.set(database=database)
        arguments = url.translate_connect_args(username="user", database="dbname")
        return psycopg.connect(**arguments, **url.query, autocommit=True)
