"""Phase 4, map: raw columns → records and entity rows, a batch at a time."""

from __future__ import annotations

import json

import polars as pl
import pyarrow as pa

from connectors.base import Issue
from mappings.compiler import Mapped, Mapping


def batch(mapping: Mapping, rows: pa.Table) -> Mapped:
    """The batch in the common model; see :class:`mappings.compiler.Mapped`."""
    return mapping.apply(rows)


def issues(of: Mapped) -> list[tuple[Issue, int]]:
    """Issues of the mapping, each with how often it was seen."""
    return [
        (
            Issue(
                issue.code,
                issue.message if issue.value is None else f"{issue.message}: {issue.value}",
                record=issue.record_key,
                field=issue.field,
            ),
            issue.count,
        )
        for issue in of.issues
    ]


def rows_again(raws: pl.Series, places: pl.Series) -> pa.Table:
    """Rows kept as JSON objects (``source.record.raw``) as a connector would decode them: columns of text."""
    columns: dict[str, list[str | None]] = {}
    for index, raw in enumerate(raws):
        for name, value in json.loads(raw).items():
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                columns.setdefault(name, [None] * len(raws))[index] = text
    return pa.table(
        {
            **{name: pa.array(values, pa.large_string()) for name, values in columns.items()},
            "_place": pa.array(places.to_list(), pa.large_string()),
        }
    )
