"""``ogc_features``: OGC API – Features (S2), docs/source-systems.md "S2".

Feed options::

    collection: change          asks GET {base}/collections/{collection}/items
    page_size: 1000             sent as ``limit``
    id_column: JCBH             property that equals the feature's id; filled from it where it is missing
    bbox: 113.5,22.6,114.3,23.2 sent where given
    margin: 32                  days by which a window is asked for wider at its start: HSX may be a month (yyyyMM)
    rounds: 3                   how often the listing is read again while fewer features came than numberMatched says

A window is asked for as a closed RFC 3339 interval in UTC. A server may ignore ``datetime``: features whose
increment (the cursor's column, a day or a month) is outside what was asked for are left out when decoded.

Raw columns: the properties, ``id``, ``geometry`` (GeoJSON text, CRS84).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Batch, Issue, Payload, Proof, Window
from connectors.decoders import geojson, jsonrows
from connectors.limits import Limits
from connectors.paging.progress import Progress
from connectors.protocols.over_http import HttpConnector
from connectors.transports.http import Answer, Http, basic
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

UTC_AHEAD = timedelta(hours=8)  # local time is UTC+8, without summer time since 1991


class OgcFeatures(HttpConnector):
    """S2."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.http = Http.of(source, endpoint, sign=basic(endpoint))

    def first_page(self, feed: Feed) -> str:
        page = geojson.read(self._get(feed, _items(feed), {"limit": 1}, retry=False).content, feed.id)
        return f"{len(page.rows)} feature on a page of 1" + (
            f", {page.matched} in all" if page.matched is not None else ""
        )

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        asked = _asked(feed, window)
        bounds = {name: f"{day:%Y-%m-%d}" for name, day in zip(("from", "to"), asked, strict=True) if day}
        given = options.of_feed("ogc_features", feed)
        params = {
            "limit": given.page_size,
            "bbox": given.bbox,
            "datetime": interval(*asked),
        }
        keys: set[tuple[str | None, ...]] = set()
        ignored = 0
        for turn in range(1, given.rounds + 1):
            seen: set[tuple[str | None, ...]] = set()
            matched = None
            progress = Progress(feed.id, feed.key)
            for number, answer, page in self._pages(feed, params, progress):
                columns = _columns(feed, page)
                inside = columns.filter(_inside(feed, columns, bounds))
                ignored = max(ignored, columns.num_rows - inside.num_rows)
                fresh = jsonrows.distinct(columns, feed.key) - keys - seen
                seen |= jsonrows.distinct(columns, feed.key)
                matched = page.matched if page.matched is not None else matched
                if (turn == 1 and (page.rows or page.rejects or number == 1)) or fresh:
                    yield answer.payload(
                        "application/geo+json", page=number, rows=len(page.rows), matched=matched, **bounds
                    )
            keys |= seen
            if progress.stuck or matched is None or len(seen) >= matched:
                break
        issues = []
        if ignored:
            issues.append(
                Issue("datetime_ignored", f"{feed.id}: the server shows features outside the interval asked for")
            )
        endless = progress.stuck and (matched is None or len(seen) != matched)
        whole = not endless and (matched is None or len(seen) >= matched)
        if endless:
            issues.append(progress.issue())
        elif not whole:
            issues.append(
                Issue(
                    "count_differs", f"{feed.id} {window}: numberMatched {matched}, {len(seen)} distinct features came"
                )
            )
        why = ("pages after bring nothing" if progress.stuck else "no next link follows") + (
            "" if matched is None else f"; numberMatched {matched}"
        )
        yield Proof(whole, why, matched, len(keys), state, issues)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.content
        page = geojson.read(body, feed.id, Limits.of(feed))
        columns = _columns(feed, page)
        yield Batch(columns.filter(_inside(feed, columns, payload.facts)), page.rejects, page.issues)

    def _pages(
        self, feed: Feed, params: dict[str, Any], progress: Progress
    ) -> Iterator[tuple[int, Answer, geojson.Features]]:
        target, number, passed = _items(feed), 1, set()
        while True:
            answer = self._get(feed, target, params)
            page = geojson.read(answer.content, feed.id)
            progress.page([_key(feed, row) for row in page.rows], {name for row in page.rows for name in row})
            yield number, answer, page
            if page.next is None or progress.stuck:
                return
            target, params = self.http.rebase(page.next["href"], answer.url), {}
            if target in passed or target == answer.url:
                raise geojson.endless(feed.id)
            passed.add(target)
            number += 1

    def _get(self, feed: Feed, target: str, params: dict[str, Any], *, retry: bool = True) -> Answer:
        def classify(answer: Answer) -> None:
            if answer.status < 300:
                geojson.read(answer.content, feed.id)

        headers = {"Accept": "application/geo+json, application/json"}
        return self.http.get(target, params=params, headers=headers, classify=classify, retry=retry)


def interval(start: datetime | None, end: datetime | None) -> str | None:
    """Local times → a closed RFC 3339 interval in UTC, ``..`` for an open bound; None for no bounds."""
    if start is None and end is None:
        return None
    return "/".join(f"{bound - UTC_AHEAD:%Y-%m-%dT%H:%M:%SZ}" if bound else ".." for bound in (start, end))


def _items(feed: Feed) -> str:
    return f"/collections/{options.of_feed('ogc_features', feed).collection}/items"


def _asked(feed: Feed, window: Window) -> tuple[datetime | None, datetime | None]:
    """What is asked for: the window, earlier by the margin; a day later, since a day of the source is no instant."""
    margin = timedelta(days=options.of_feed("ogc_features", feed).margin)
    return window.start and window.start - margin, window.end and window.end + timedelta(days=1)


def _key(feed: Feed, row: jsonrows.Row) -> tuple[str | None, ...]:
    named = options.of_feed("ogc_features", feed).id_column
    return tuple(
        jsonrows.one(row.get(name)) or (jsonrows.one(row.get("id")) if name == named else None) for name in feed.key
    )


def _columns(feed: Feed, page: geojson.Features) -> pa.Table:
    columns, page.rejects = jsonrows.bounded(page.rows, page.places, page.rejects, Limits.of(feed))
    name = options.of_feed("ogc_features", feed).id_column
    if name and "id" in columns.column_names:
        named = columns.column(name) if name in columns.column_names else pa.nulls(columns.num_rows, pa.large_string())
        filled = pc.coalesce(named, columns.column("id"))
        place = columns.column_names.index(name) if name in columns.column_names else None
        columns = columns.set_column(place, name, filled) if place is not None else columns.append_column(name, filled)
    return columns


def _inside(feed: Feed, columns: pa.Table, bounds: dict[str, Any]) -> pa.Array:
    """True where the increment's day is within ``bounds`` (from, to: yyyy-MM-dd), or is none that we can read."""
    inside = pa.repeat(pa.scalar(True), columns.num_rows)
    name = getattr(feed.cursor, "column", None)
    if name is None or name not in columns.column_names:
        return inside
    day = pc.utf8_slice_codeunits(pc.replace_substring(pc.fill_null(columns.column(name), ""), "/", "-"), 0, 10)
    latest, earliest = (pc.replace_substring_regex(day, r"^(\d{4})(\d{2})$", rf"\1-\2-{end}") for end in ("31", "01"))
    unread = pc.invert(pc.match_substring_regex(latest, r"^\d{4}-\d{2}-\d{2}$"))
    if bounds.get("from"):
        inside = pc.and_(inside, pc.greater_equal(latest, bounds["from"]))
    if bounds.get("to"):
        inside = pc.and_(inside, pc.less_equal(earliest, bounds["to"]))
    return pc.or_(unread, inside)
