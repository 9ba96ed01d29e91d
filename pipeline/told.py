"""What is told though it stopped nothing: issues, with the severity and the duty that quality/issues.yaml gives."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from connectors.base import Issue
from core import declared
from core.redaction import redact
from core.settings import ROOT

LIST = ROOT / "quality" / "issues.yaml"
_UNKNOWN = {"severity": "warning", "duty": "provider"}


@cache
def known() -> dict[str, dict[str, Any]]:
    """Issue code → its entry; empty while no list is declared."""
    return declared.read(LIST).data if LIST.exists() else {}


def frame(found: list[tuple[Issue, int]]) -> pl.DataFrame:
    """Issues as rows of the staging table, equal ones together."""
    listed = known()
    rows = []
    for issue, count in found:
        entry = listed.get(issue.code, _UNKNOWN)
        rows.append(
            (
                issue.code,
                entry.get("severity", _UNKNOWN["severity"]),
                entry.get("duty", _UNKNOWN["duty"]),
                issue.record,
                issue.field,
                redact(issue.detail).replace("\x00", ""),
                count,
            )
        )
    names = ["code", "severity", "duty", "record", "field", "detail"]
    schema = {**dict.fromkeys(names, pl.String), "count": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").group_by(names, maintain_order=True).agg(pl.col("count").sum())
