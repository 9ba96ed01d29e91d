"""A database of a stand-in's own in the PostgreSQL given, and the one login that others reach it by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from standins.context import Context


class Database:
    """``conn_id``: the Connection that the login's password is of."""

    def __init__(self, ctx: Context, conn_id: str, database_url: str, name: str, login: str) -> None:
        self.ctx = ctx
        self.conn_id = conn_id
        self.name = name
        self.login = login
        self._admin: URL = make_url(database_url)

    @property
    def password(self) -> str:
        return self.ctx.secret(self.conn_id)

    @property
    def url(self) -> str:
        """SQLAlchemy URL without credentials, for the Connection's extra."""
        admin = self._admin
        address = URL.create(admin.drivername, None, None, admin.host, admin.port, self.name, admin.query)
        return address.render_as_string(hide_password=False)

    def make(self, usable: Callable[[], bool] = lambda: True) -> bool:
        """Make database and login where there are none, one that is not ``usable`` anew; whether the database is new."""
        name, role = sql.Identifier(self.name), sql.Identifier(self.login)
        with self.administer() as admin:
            there = admin.execute("select 1 from pg_database where datname = %s", [self.name]).fetchone()
            if there and not usable():
                admin.execute(sql.SQL("drop database {} with (force)").format(name))
                there = None
            if not there:
                admin.execute(sql.SQL("create database {} template template0 encoding 'UTF8'").format(name))
            if not admin.execute("select 1 from pg_roles where rolname = %s", [self.login]).fetchone():
                admin.execute(sql.SQL("create role {} login").format(role))
            admin.execute(sql.SQL("alter role {} login password {}").format(role, sql.Literal(self.password)))
            admin.execute(sql.SQL("revoke all on database {} from public").format(name))
            admin.execute(sql.SQL("grant connect on database {} to {}").format(name, role))
            admin.execute(sql.SQL("alter database {} connection limit -1").format(name))
        return not there

    def drop(self) -> None:
        """Take the database and its login away (tests)."""
        with self.administer() as admin:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.name)))
            admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(self.login)))

    def administer(self) -> psycopg.Connection:
        """To the database that the others are made from, each statement by itself."""
        return self.connect(self._admin.database or "postgres", autocommit=True)

    def connect(self, database: str | None = None, **options: Any) -> psycopg.Connection:
        """As the administrator, to this database or another."""
        url = self._admin.set(database=database or self.name)
        return psycopg.connect(**url.translate_connect_args(username="user", database="dbname"), **url.query, **options)  # type: ignore[arg-type]  # of text
