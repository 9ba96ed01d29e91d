"""What is told though it stopped nothing: issues, with the severity and the duty that quality/issues.yaml gives."""

from __future__ import annotations

import polars as pl

from connectors.base import Issue
from core.redaction import redact
from quality import issues

_UNKNOWN = ("warning", "provider")  # a code that the list lacks is told all the same


def frame(found: list[tuple[Issue, int]]) -> pl.DataFrame:
    """Issues as rows of the staging table, equal ones together."""
    rows = []
    for issue, count in found:
        entry = issues.find(issue.code)
        severity, duty = (entry.severity, entry.duty) if entry else _UNKNOWN
        rows.append(
            (
                issue.code,
                severity,
                duty,
                issue.record,
                issue.field,
                redact(issue.detail).replace("\x00", ""),
                count,
            )
        )
    names = ["code", "severity", "duty", "record", "field", "detail"]
    schema = {**dict.fromkeys(names, pl.String), "count": pl.Int64}
    return (
        pl.DataFrame(rows, schema=schema, orient="row").group_by(names, maintain_order=True).agg(pl.col("count").sum())
    )
