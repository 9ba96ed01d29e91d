"""Issues: what stopped nothing and has to be known, with the severity and the duty that quality/issues.yaml gives."""

from __future__ import annotations

import polars as pl
from sqlalchemy.engine import Connection

from connectors.base import Issue
from core.redaction import redact
from quality import issues as catalogue
from store import issues as store_issues
from store.engine import transaction
from store.staging import Staged
from store.text import EXPLAINING_CHARS, storable

_UNLISTED = ("warning", "provider")  # a code that the list lacks is recorded all the same


def frame(issues: list[tuple[Issue, int]]) -> pl.DataFrame:
    """Issues as rows of the staging table, equal ones together."""
    rows = []
    for issue, count in issues:
        entry = catalogue.find(issue.code)
        severity, duty = (entry.severity, entry.duty) if entry else _UNLISTED
        rows.append(
            (
                issue.code,
                severity,
                duty,
                issue.record and storable(issue.record, EXPLAINING_CHARS),
                issue.field and storable(issue.field, EXPLAINING_CHARS),
                storable(redact(issue.detail), EXPLAINING_CHARS),
                count,
            )
        )
    names = ["code", "severity", "duty", "record", "field", "detail"]
    schema = {**dict.fromkeys(names, pl.String), "count": pl.Int64}
    return (
        pl.DataFrame(rows, schema=schema, orient="row").group_by(names, maintain_order=True).agg(pl.col("count").sum())
    )


def stage(connection: Connection, into: Staged, issues: list[tuple[Issue, int]]) -> None:
    """Write issues to the run's staging table, to be recorded with the merge."""
    if issues:
        into.copy(connection, into.issue, frame(issues))


def record(into: Staged, issues: list[Issue]) -> None:
    """Record issues of after the commit."""
    if not issues:
        return
    with transaction() as connection:
        connection.exec_driver_sql(f"truncate {into.name('issue')}")
        stage(connection, into, [(issue, 1) for issue in issues])
        store_issues.record(connection, into)
