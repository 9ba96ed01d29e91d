"""The first records of a feed: raw beside mapped beside what there is to say. Writes nothing, not even the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from connectors.base import Batch, Connector, Issue, Proof, Reject, Window
from core import clock
from core.redaction import redact
from mappings.compiler import Mapping
from pipeline import map as map_phase
from pipeline import registry
from pipeline.decode import of_payload
from pipeline.issues import frame
from pipeline.onboard import sample
from pipeline.plan import due, window
from sources.declaration import Feed

_PAYLOADS = 10  # answers that are looked into, whatever they hold


@dataclass(slots=True)
class Preview:
    """``rows``: one a raw row, ``{place, raw, record, entities, reasons}``; ``rejects`` what did not decode.

    ``window`` is what was asked for, ``payload`` the facts of the first answer, ``issues`` what would be recorded.
    """

    feed: str
    window: str
    payload: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)


def preview(feed_id: str, limit: int = 5, *, raw: bool = False) -> Preview:
    """Ask the live source for some rows of the feed and map them; ``raw``: as they come, by a draft too, without a mapping.

    The latest day is looked into first, then further back, everything at last; no state is kept, so it can be
    repeated. Of a stream nothing is taken: its messages would be lost to the next sync.

    :raises OneMapError: as the source or the declarations have it.
    """
    source, feed = registry.draft(feed_id) if raw else registry.feed(feed_id)
    mapping = None if raw else registry.mapping(feed)
    if feed.cursor.kind == "stream":
        return Preview(feed_id, "流，不作预览 | a stream: only its sync takes messages")
    connector = registry.connector(source)
    try:
        feed = sample.readable(feed, connector.describe(feed) if raw else None)
        for span in _windows(connector, feed, clock.now()):
            result = Preview(feed_id, str(span))
            _fill(result, connector, feed, mapping, span, limit)
            if result.rows or result.rejects:
                break
        return result
    finally:
        connector.close()


def _windows(connector: Connector, feed: Feed, now: datetime) -> Iterator[Window]:
    """What to look into until something is seen."""
    if feed.cursor.kind == "window":
        yield from (Window(now - timedelta(days=days), now) for days in (1, 31, 366))
        yield Window(full=True)
    elif feed.cursor.kind == "full":
        yield Window(full=True)
    else:
        tasks = due(connector, feed, now)
        yield window(tasks[-1]) if tasks else Window(full=True)


def _fill(result: Preview, connector: Connector, feed: Feed, mapping: Mapping | None, span: Window, limit: int) -> None:
    issues: list[tuple[Issue, int]] = []
    fetching = connector.fetch(feed, span, None)
    try:
        for number, payload in enumerate(fetching, 1):
            if isinstance(payload, Proof):
                issues += [(issue, 1) for issue in payload.issues]
                break
            result.payload = result.payload or redact({"request": payload.request, "facts": payload.facts})
            for batch in of_payload(connector, feed, payload):
                if isinstance(batch, Reject):
                    batch = Batch(pa.table({}), [batch])
                issues += [(issue, 1) for issue in batch.issues]
                result.rejects += [
                    {"place": reject.place, "code": reject.code, "message": reject.message, "raw": reject.raw}
                    for reject in batch.rejects[:limit]
                ]
                issues += _add(result, mapping, batch.rows.slice(0, limit - len(result.rows)))
                if len(result.rows) >= limit:
                    break
            if len(result.rows) >= limit or number == _PAYLOADS:
                break
    finally:
        if hasattr(fetching, "close"):
            fetching.close()
    result.issues = frame(issues).to_dicts()


def _add(result: Preview, mapping: Mapping | None, rows: pa.Table) -> list[tuple[Issue, int]]:
    if not rows.num_rows:
        return []
    if mapping is None:
        result.rows += [
            {"place": row.pop("_place", None), "raw": row, "record": None, "entities": {}, "reasons": []}
            for row in rows.to_pylist()
        ]
        return []
    mapped = mapping.apply(rows)
    raw = [{name: value for name, value in row.items() if value} for row in rows.to_pylist()]
    for number, given in enumerate(raw):
        record = mapped.records.filter(pl.col("_row") == number).drop("_row", "raw", "_place").to_dicts()
        result.rows.append(
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
    return map_phase.issues(mapped)
