"""Temporary tables filled from frames, by COPY: what was judged is compared with what stands in sets."""

from __future__ import annotations

import polars as pl
from sqlalchemy.engine import Connection

from store.engine import driver


def load(connection: Connection, name: str, rows: pl.DataFrame, columns: str) -> None:
    """A temporary table ``name(columns)`` filled from a frame by COPY."""
    connection.exec_driver_sql(f"drop table if exists {name}; create temp table {name} ({columns}) on commit drop")
    if rows.is_empty():
        return
    copy_csv(connection, name, rows)
    connection.exec_driver_sql(f"analyze {name}")


def copy_csv(connection: Connection, target: str, rows: pl.DataFrame) -> None:
    """COPY of a frame into ``target``: a table, with the columns that are filled where it has others too."""
    with driver(connection).cursor() as cursor, cursor.copy(f"copy {target} from stdin (format csv)") as copy:
        copy.write(rows.write_csv(include_header=False).encode())
