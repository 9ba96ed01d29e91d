"""The province's side of the 回流: an empty front-end database by contracts/p3.sql, which the hub writes into and nobody clears."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from standins.connections import connection
from standins.context import Context
from standins.systems.databases import Database
from standins.systems.tables import CONTRACTS

CONN_ID = "p_up"


class National(Database):
    """Its login may write."""

    def __init__(self, ctx: Context, database_url: str, prefix: str = "standin") -> None:
        name = f"{prefix}_p_up"
        super().__init__(ctx, CONN_ID, database_url, name, f"{name}_writer")

    def open(self) -> None:
        """Make the database where there is none, and its writer."""
        new, role = self.make(), sql.Identifier(self.login)
        with self.connect() as own:
            if new:
                own.execute((CONTRACTS / "p3.sql").read_text("utf-8"))
            own.execute(sql.SQL("grant usage on schema public to {}").format(role))
            own.execute(sql.SQL("grant select, insert on all tables in schema public to {}").format(role))

    def connection(self) -> dict[str, Any]:
        """The Connection p_up."""
        return connection(CONN_ID, "generic", login=self.login, password=self.password, extra={"url": self.url})
