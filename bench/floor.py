"""The floor: the least that could be called an ingest. Fetch → Polars → COPY → ``INSERT … ON CONFLICT`` where the hash differs."""

from __future__ import annotations

import io
import time
from typing import Any

import polars as pl
import sqlalchemy as sa

from bench.licences import pages, row


def prepare(engine: sa.Engine) -> None:
    """Its one table."""
    names = ", ".join(f'"{name}" text' for name in row(0))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create table floor (hash text, {names}, primary key (certificate_id))")


def run(base: str, rows: int, engine: sa.Engine) -> dict[str, float]:
    """Seconds of fetch, COPY and merge, and of all."""
    names = list(row(0))
    columns = ", ".join(f'"{name}"' for name in names)
    spent = {}
    begun = mark = time.perf_counter()
    frame = pl.concat([pl.read_json(body) for body in pages(base, rows)])
    spent["fetch"] = time.perf_counter() - mark
    raw = engine.raw_connection()
    try:
        connection: Any = raw.driver_connection
        mark = time.perf_counter()
        connection.execute(f"create temp table incoming ({', '.join(f'{name} text' for name in columns.split(', '))})")
        buffer = io.BytesIO()
        frame.select(names).write_csv(buffer, include_header=False)
        with connection.cursor() as cursor, cursor.copy(f"copy incoming ({columns}) from stdin (format csv)") as copy:
            copy.write(buffer.getbuffer())
        spent["copy"] = time.perf_counter() - mark
        mark = time.perf_counter()
        connection.execute(
            f"""insert into floor as f select md5(incoming::text), {columns} from incoming
                on conflict (certificate_id) do update set
                    hash = excluded.hash, {", ".join(f'"{n}" = excluded."{n}"' for n in names)}
                where f.hash <> excluded.hash"""
        )
        connection.execute("drop table incoming")
        connection.commit()
        spent["merge"] = time.perf_counter() - mark
    finally:
        raw.close()
    return {"all": time.perf_counter() - begun, **spent}
