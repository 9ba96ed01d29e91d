"""Some rows of a feed from the live source, as they come: no mapping, no archive, no state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from connectors.base import Batch, Connector, Described, Payload, Proof, Window
from core.redaction import redact
from pipeline.decode import of_payload
from sources.declaration import UNDECIDED, Feed

ROWS = 5000
_PAYLOADS = 200  # answers that are looked into, whatever they hold


@dataclass
class Sample:
    """``rows``: raw columns of text; ``request``, ``facts`` of the first answer; ``rejects``, ``issues`` as reported."""

    rows: pa.Table
    request: dict[str, Any] = field(default_factory=dict)
    rejects: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    described: Described | None = None


def take(connector: Connector, feed: Feed, now: datetime, limit: int = ROWS) -> Sample:
    """Up to ``limit`` rows: what a first sync would read, the latest window first where there are several. A stream is not
    sampled: its messages would be lost to the next sync.

    :raises OneMapError: as the source has it.
    """
    tables: list[pa.Table] = []
    sample = Sample(pa.table({}), described=connector.describe(feed))
    asked, feed = feed, readable(feed, sample.described)
    count = answers = 0
    for payload in _payloads(connector, feed, now):
        answers += 1
        if isinstance(payload, Proof):
            sample.issues += [f"{issue.code}: {issue.detail}" for issue in payload.issues]
            continue
        sample.request = sample.request or redact({"request": payload.request, "facts": payload.facts})
        for batch in of_payload(connector, feed, payload):
            if not isinstance(batch, Batch):
                sample.rejects.append(f"{batch.place}: {batch.message}")
                continue
            sample.rejects += [f"{reject.place}: {reject.message}" for reject in batch.rejects]
            sample.issues += [f"{issue.code}: {issue.detail}" for issue in batch.issues]
            if batch.rows.num_rows:
                tables.append(batch.rows.slice(0, limit - count))
                count += tables[-1].num_rows
            if count >= limit:
                break
        if count >= limit or answers >= _PAYLOADS:
            break
    sample.issues = list(dict.fromkeys(sample.issues))
    if tables:
        sample.rows = pa.concat_tables(tables, promote_options="default")
        if UNDECIDED in asked.key:  # pages that overlap bring a row twice, which no key would tell apart
            names = [name for name in sample.rows.column_names if name != "_place"]
            frame = pl.DataFrame(sample.rows.select(names)).with_row_index("_n")
            sample.rows = sample.rows.take(frame.unique(names, keep="first", maintain_order=True)["_n"].to_list())
    return sample


def readable(feed: Feed, described: Described | None) -> Feed:
    """A feed whose key nobody has decided yet, by the primary key that its source states."""
    if UNDECIDED not in feed.key or described is None:
        return feed
    return feed.model_copy(update={"key": described.key or list(described.columns)[:1]})


def nothing() -> pa.Table:
    """No rows."""
    return pa.table({})


def _payloads(connector: Connector, feed: Feed, now: datetime) -> Iterator[Payload | Proof]:
    for window in reversed(list(_windows(connector, feed, now))):
        fetching = connector.fetch(feed, window, None)
        try:
            yield from fetching
        finally:
            if hasattr(fetching, "close"):
                fetching.close()


def _windows(connector: Connector, feed: Feed, now: datetime) -> Iterator[Window]:
    if feed.cursor.kind == "window" and feed.cursor.span is None:
        first = (feed.options or {}).get("first")
        if first is None:
            yield Window(full=True)
            return
        yield Window(now - timedelta(days=3650), now)
        return
    yield from connector.plan(feed, [], None, now) or [Window(full=True)]
