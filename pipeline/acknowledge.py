"""After the commit: tell the source what was taken, where its contract has a way (P3 ``is_sync``)."""

from __future__ import annotations

import json

import pyarrow as pa
import sqlalchemy as sa

from connectors.base import Issue
from core.errors import OneMapError
from pipeline import issues
from pipeline.job import Job
from store import rawrow
from store.engine import engine

_AT_ONCE = 10_000


def send(job: Job) -> None:
    """Hand the rows' names to the connector, some thousand at a time; what it refuses is an issue."""
    how = job.feed.options.get("acknowledge")
    if not how:
        return
    named = how.get("by", []) if isinstance(how, dict) else []
    columns = list(dict.fromkeys([*job.feed.key, *named]))
    statement = sa.text(f"select raw from {job.staged.name('record')} where raw is not null and not again")
    refused: list[Issue] = []
    with engine().connect().execution_options(stream_results=True, max_row_buffer=_AT_ONCE) as connection:
        for part in connection.execute(statement).partitions(_AT_ONCE):
            rows = [json.loads(rawrow.text(row.raw)) for row in part]
            distinct = dict.fromkeys(tuple(row.get(c) for c in columns) for row in rows)
            keys = pa.table(
                {c: pa.array([row[n] for row in distinct], pa.large_string()) for n, c in enumerate(columns)}
            )
            try:
                refused += job.connector.acknowledge(job.feed, keys)
            except OneMapError as error:  # our commit stands: what the source makes of it is an issue, and no failure
                refused.append(Issue("acknowledge_failed", error.message))
    issues.record(job.staged, refused)
