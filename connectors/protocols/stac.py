"""``stac``: item search of a STAC API 1.0 (S3), docs/source-systems.md "S3".

Feed options::

    collections: [satellite, uav]
    page_size: 500              sent as ``limit``

A window is asked for as a closed RFC 3339 interval in UTC on ``datetime``. The next page is asked for as its link
says: by POST with the link's body, laid over the request where ``merge`` is true, else alone; or by GET.

Raw columns: ``collection``, ``id``, ``geometry``, ``bbox`` and every property under its own name (``datetime``,
``eo:cloud_cover``, ``dg:project_code`` …); ``assets`` as JSON ``{name: href without its query}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from connectors.base import Batch, Issue, Payload, Proof, Window
from connectors.decoders import geojson, jsonrows
from connectors.limits import Limits
from connectors.paging.progress import Progress
from connectors.protocols.ogc_features import interval
from connectors.protocols.over_http import HttpConnector
from connectors.transports.http import Answer, Http, basic
from core.errors import ProviderError
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source


class Stac(HttpConnector):
    """S3."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.http = Http.of(source, endpoint, sign=basic(endpoint))

    def first_page(self, feed: Feed) -> str:
        page = geojson.read(
            self._ask(feed, "POST", "/search", _search(feed, Window(), 1), retry=False).content, feed.id
        )
        return f"{len(page.rows)} item on a page of 1" + (
            f", {page.matched} in all" if page.matched is not None else ""
        )

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        keys: set[tuple[str | None, ...]] = set()
        matched = None
        progress = Progress(feed.id, feed.key)
        size = options.of_feed("stac", feed).page_size
        for number, answer, page in self._pages(feed, _search(feed, window, size), progress):
            keys.update(tuple(jsonrows.one(row.get(name)) for name in feed.key) for row in page.rows)
            matched = page.matched if page.matched is not None else matched
            if page.rows or page.rejects or number == 1:
                yield answer.payload("application/geo+json", page=number, rows=len(page.rows), matched=matched)
        endless = progress.stuck and (matched is None or len(keys) != matched)
        whole = not endless and (matched is None or len(keys) >= matched)
        issues = []
        if endless:
            issues = [progress.issue()]
        elif not whole:
            issues = [Issue("count_differs", f"{feed.id} {window}: matched {matched}, {len(keys)} distinct items came")]
        yield Proof(
            whole,
            ("pages after bring nothing" if progress.stuck else "no next link follows")
            + ("" if matched is None else f"; matched {matched}"),
            matched,
            len(keys),
            state,
            issues,
        )

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.content
        limits = Limits.of(feed)
        page = geojson.read(body, feed.id, limits)
        columns, rejects = jsonrows.bounded(page.rows, page.places, page.rejects, limits)
        if "assets" in columns.column_names:
            links = pa.array([_links(text) for text in columns.column("assets").to_pylist()], pa.large_string())
            columns = columns.set_column(columns.column_names.index("assets"), "assets", links)
        yield Batch(columns, rejects, page.issues)

    def _pages(
        self, feed: Feed, body: dict[str, Any], progress: Progress
    ) -> Iterator[tuple[int, Answer, geojson.Features]]:
        method, target, number, passed = "POST", "/search", 1, set()
        asked: dict[str, Any] | None = body
        while True:
            answer = self._ask(feed, method, target, asked)
            page = geojson.read(answer.content, feed.id)
            keys = [tuple(jsonrows.one(row.get(name)) for name in feed.key) for row in page.rows]
            progress.page(keys, {name for row in page.rows for name in row})
            yield number, answer, page
            link = page.next
            if link is None or progress.stuck:
                return
            target, method = self.http.rebase(link["href"], answer.url), str(link.get("method") or "GET").upper()
            if method not in (
                "GET",
                "POST",
            ):  # a link reads: whatever else it says would change something at the source
                raise ProviderError(
                    f"the next page of {feed.id} is asked for by {method[:20]}",
                    remedy="ask the source to page by GET or POST (STAC API, Item Search)",
                    zh=f"数据项 {feed.id} 的下一页链接要求以 {method[:20]} 方法访问，仅接受 GET 或 POST。",
                    feed=feed.id,
                    code="not_a_page",
                )
            if method == "POST":
                posted = link.get("body") or {}
                asked = (
                    body | posted if link.get("merge") else posted
                )  # over the search itself, whatever was asked last
            else:
                asked = None
            step = json.dumps([method, target, asked], sort_keys=True)
            if step in passed:
                raise geojson.endless(feed.id)
            passed.add(step)
            number += 1

    def _ask(self, feed: Feed, method: str, target: str, body: dict[str, Any] | None, *, retry: bool = True) -> Answer:
        def classify(answer: Answer) -> None:
            if answer.status < 300:
                geojson.read(answer.content, feed.id)

        headers = {"Accept": "application/geo+json, application/json"}
        return self.http.send(method, target, json=body, headers=headers, classify=classify, retry=retry)


def _search(feed: Feed, window: Window, limit: int) -> dict[str, Any]:
    body = {
        "collections": options.of_feed("stac", feed).collections,
        "datetime": interval(window.start, window.end),
        "limit": limit,
    }
    return {name: value for name, value in body.items() if value is not None}


def _links(assets: str | None) -> str | None:
    """STAC assets → ``{name: href}``, each without its query: there stand signatures that run out."""
    if assets is None:
        return None
    decoded = json.loads(assets)
    if not isinstance(decoded, dict):
        return None
    links = {
        name: str(asset["href"]).partition("?")[0]
        for name, asset in decoded.items()
        if isinstance(asset, dict) and asset.get("href")
    }
    return json.dumps(links, ensure_ascii=False, sort_keys=True)
