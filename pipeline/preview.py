"""The first records of a feed: raw beside mapped beside what there is to say. Writes nothing, not even the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from connectors.base import Connector, Issue, Proof, Window
from core import clock
from core.redaction import redact
from mappings.compiler import Mapping
from pipeline import rooms
from pipeline.plan import planned, window
from pipeline.told import frame
from sources.declaration import Feed


@dataclass(slots=True)
class Preview:
    """``rows``: one a raw row, ``{place, raw, record, entities, reasons}``; ``rejects`` what did not decode.

    ``window`` is what was asked for, ``payload`` the facts of the first answer, ``issues`` what would be told.
    """

    feed: str
    window: str
    payload: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)


def preview(feed_id: str, limit: int = 5) -> Preview:
    """Ask the live source for some rows of the feed and map them.

    The latest day is looked into first, then further back, everything at last; no state is kept, so it can be
    repeated. Of a stream nothing is taken: its messages would be lost to the next sync.

    :raises OneMapError: as the source or the declarations have it.
    """
    source, feed = rooms.feed(feed_id)
    mapping = rooms.mapping(feed)
    if feed.cursor.kind == "stream":
        return Preview(feed_id, "流，不作预览 | a stream: only its sync takes messages")
    connector = rooms.connector(source)
    try:
        for asked in _windows(connector, feed, clock.now()):
            made = Preview(feed_id, str(asked))
            _fill(made, connector, feed, mapping, asked, limit)
            if made.rows or made.rejects:
                break
        return made
    finally:
        connector.close()


def _windows(connector: Connector, feed: Feed, now: datetime) -> Iterator[Window]:
    """What to look into until something is seen."""
    if feed.cursor.kind == "window":
        yield from (Window(now - timedelta(days=days), now) for days in (1, 31, 366))
        yield Window(full=True)
    else:
        due = planned(connector, feed, now)
        yield window(due[-1]) if due else Window(full=True)


def _fill(made: Preview, connector: Connector, feed: Feed, mapping: Mapping, asked: Window, limit: int) -> None:
    told: list[tuple[Issue, int]] = []
    fetching = connector.fetch(feed, asked, None)
    try:
        for payload in fetching:
            if isinstance(payload, Proof):
                told += [(issue, 1) for issue in payload.issues]
                break
            made.payload = made.payload or redact({"request": payload.request, "facts": payload.facts})
            for batch in connector.decode(feed, payload):
                told += [(issue, 1) for issue in batch.issues]
                made.rejects += [
                    {"place": reject.place, "code": reject.code, "message": reject.message, "raw": reject.raw}
                    for reject in batch.rejects[:limit]
                ]
                told += _add(made, mapping, batch.rows.slice(0, limit - len(made.rows)))
                if len(made.rows) >= limit:
                    break
            if len(made.rows) >= limit:
                break
    finally:
        if hasattr(fetching, "close"):
            fetching.close()
    made.issues = frame(told).to_dicts()


def _add(made: Preview, mapping: Mapping, rows: pa.Table) -> list[tuple[Issue, int]]:
    from pipeline.map import issues

    if not rows.num_rows:
        return []
    mapped = mapping.apply(rows)
    raw = [{name: value for name, value in row.items() if value} for row in rows.to_pylist()]
    for number, given in enumerate(raw):
        record = mapped.records.filter(pl.col("_row") == number).drop("_row", "raw", "_place").to_dicts()
        made.rows.append(
            {
                "place": given.pop("_place", None),
                "raw": given,
                "record": record[0] if record else None,
                "entities": {
                    name: [
                        {
                            column: f"WKB, {len(value)} bytes" if isinstance(value, bytes) else value
                            for column, value in row.items()
                            if value is not None
                        }
                        for row in frame_.filter(pl.col("_row") == number).drop("_row", "ord").to_dicts()
                    ]
                    for name, frame_ in mapped.entities.items()
                },
                "reasons": mapped.rejects.filter(pl.col("_row") == number)
                .select("code", "field", "message", "value")
                .to_dicts(),
            }
        )
    return issues(mapped)
