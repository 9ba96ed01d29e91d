"""``signed_rest``: queries of the provincial gateway (P1), docs/source-systems.md "P1".

Feed options::

    service: project_filing     asks POST {base}/ebus/{service}/query
    from: updatedFrom           names of the window's bounds in the body (these are the defaults)
    to: updatedTo
    page_size: 500
    rounds: 8                   how often a moving listing is read again before it is reported as unsettled

Raw columns: the fields of ``list``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.base import Batch, Issue, Payload, Proof, Window
from connectors.decoders import jsonrows
from connectors.limits import Limits
from connectors.protocols.gateway import LIST, Gateway, unwrap
from connectors.protocols.over_http import HttpConnector
from sources import options

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source


class SignedRest(HttpConnector):
    """P1."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.gateway = Gateway(source, endpoint)
        self.http = self.gateway.http

    def first_page(self, feed: Feed) -> str:
        page = self.gateway.page(_path(feed), {}, feed.key, 1, 1, retry=False)
        return f"totalRow {page.total}"

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        given = options.of_feed("signed_rest", feed)
        body = {given.from_: _time(window.start), given.to: _time(window.end)}
        listing = self.gateway.listing(
            _path(feed),
            {name: value for name, value in body.items() if value},
            feed.key,
            feed=feed.id,
            page_size=given.page_size,
            open_end=window.end is None,
            rounds=given.rounds,
        )
        while True:
            try:
                page = next(listing)
            except StopIteration as stop:
                verdict = stop.value
                break
            yield page.answer.payload("application/json", page=page.number, total=page.total, pages=page.pages)
        issues = (
            []
            if verdict.complete
            else [
                Issue(
                    "listing_unsettled",
                    f"{feed.id} {window}: {verdict.why}; totalRow {verdict.claimed}, {verdict.distinct} distinct keys",
                )
            ]
        )
        yield Proof(verdict.complete, verdict.why, verdict.claimed, verdict.distinct, state, issues)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.content
        limits = Limits.of(feed)
        page, issues = jsonrows.sound(body, LIST, limits)
        yield Batch(*jsonrows.read(unwrap(page)[0], limits=limits), issues)


def _path(feed: Feed) -> str:
    return f"/ebus/{options.of_feed('signed_rest', feed).service}/query"


def _time(value: datetime | None) -> str | None:
    return value.strftime("%Y-%m-%d %H:%M:%S") if value else None
