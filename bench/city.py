"""A simulated city through the real wires into one store: ``python -m bench.city PROJECTS``, the environment says which database.

Prints one object: records taken in, seconds of reading, of unify on the first load and after a day's changes, and what
a record costs in the database: by what all of it has grown since it was made (``bytes_per_record``), and by the tables and
indexes of sources and store alone (``rows_and_indexes``).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline import sync, unify
from sources import loader
from standins import testing, world
from store.engine import dispose, engine, transaction

TODAY = datetime(2026, 11, 23, 8)


def _value(statement: str) -> int:
    with transaction() as connection:
        return connection.execute(sa.text(statement)).scalar_one()


def _size() -> int:
    return _value("select pg_database_size(current_database())")


#: Everything of sources and store, which grows with records; the rest grows with days, runs and tables.
_RELATIONS = """
select sum(pg_total_relation_size(c.oid)) from pg_class c
where c.relkind = 'r' and c.relnamespace in ('source'::regnamespace, 'store'::regnamespace)"""


def _read() -> float:
    begun = time.perf_counter()
    for source in loader.load_all():
        for outcome in sync.source(source, trigger="bench"):
            if outcome.outcome != "ok":
                raise SystemExit(f"{outcome.feed}: {outcome.error}")
    return time.perf_counter() - begun


def _unified() -> tuple[int, float]:
    begun = time.perf_counter()
    return unify.run().taken, time.perf_counter() - begun


def measure(projects: int) -> dict[str, Any]:
    """Make the city, read it, unify it; a day on, read and unify again."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-world-") as scratch:
        folder = world.make(Path(scratch) / "world", projects=projects, seed=7, today=TODAY)
        url = os.environ["ONEMAP_DATABASE_URL"]
        with testing.running(folder, url, at=TODAY, quirks=False, database_prefix="bench") as stand:
            for connection in stand.connections:
                fields = {name: value for name, value in connection.items() if name != "conn_id"}
                os.environ[f"AIRFLOW_CONN_{connection['conn_id'].upper()}"] = json.dumps(fields)
            empty = _size()
            reading = _read()
            taken, unifying = _unified()
            with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as administrator:
                administrator.exec_driver_sql("vacuum")  # as autovacuum does within the minute
            records = _value("select count(*) from source.record")
            bytes_per_record = (_size() - empty) / records
            rows_and_indexes = _value(_RELATIONS) / records
            world.advance(folder, 1)
            stand.move_clock(at=datetime.fromisoformat(json.loads((folder / "world.json").read_text())["clock"]))
            reading_again = _read()
            changed, after = _unified()
            dispose()
    return {
        "projects": projects,
        "records": records,
        "read_s": round(reading, 2),
        "unify_s": round(unifying, 2),
        "rows_per_s": round(taken / unifying),
        "bytes_per_record": round(bytes_per_record),
        "rows_and_indexes": round(rows_and_indexes),
        "a_day": {"read_s": round(reading_again, 2), "records": changed, "unify_s": round(after, 2)},
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
