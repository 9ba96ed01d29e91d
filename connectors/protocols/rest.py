"""``rest``: lists in JSON or XML over HTTP, however they are paged, signed and parametrised.

What may be declared: :mod:`sources.options.rest`. How a listing is read to its end: :mod:`connectors.paging.pages`.

State: ``{"etag": …}``. Raw columns: the fields of a row, nested ones as JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jmespath

from connectors.base import Batch, Payload, Proof
from connectors.decoders.answers import Json, Opened, Xml
from connectors.limits import Limits
from connectors.paging import pages
from connectors.paging.pages import CursorGone, Page, Verdict
from connectors.protocols.over_http import HttpConnector
from connectors.transports import signing
from connectors.transports.http import Answer, Http
from connectors.window import Window
from core import clock
from core.errors import ConfigurationError
from sources import options
from sources.options.listing import Cursor, Link
from sources.options.rest import FeedOptions

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*("[^"]*"|'[^']*'|[^\s;,]+)""", re.I)
_ACCEPTS = {"json": "application/json", "xml": "application/xml, text/xml"}


class Rest(HttpConnector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.http = Http.of(source, endpoint)
        self._options = options.of_source(source)
        self.http.sign, self.http.classify = signing.of(self._options.auth, self.http)

    def first_page(self, feed: Feed) -> str:
        given = options.of_feed("rest", feed)
        asked: dict[str, Any] = {}
        if given.day:
            asked[given.day] = (clock.today() - timedelta(days=1)).isoformat()
        asker = _Asker(self, feed, given, Window(full=True), retry=False)
        return pages.understood(feed, asker.ask(asked | pages.first(given), {}))

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        given = options.of_feed("rest", feed)
        known = (state or {}).get("etag") if given.etag else None
        asker = _Asker(self, feed, given, window)
        reading = pages.Reader(asker, feed, given, open_end=not asker.bounded, by_day=given.day or "", etag=known)
        verdicts: list[Verdict] = []
        for asked in self._listings(feed, given, window):
            verdicts.append((yield from reading.listing(asked)))
            if reading.unmodified:
                yield Proof(True, "not modified since the last reading (ETag)", state=state, unchanged=True)
                return
            if not verdicts[-1].complete:
                break
        whole = all(verdict.complete for verdict in verdicts)
        next_state = {**(state or {}), "etag": reading.etag} if whole and reading.etag and given.etag else state
        last = verdicts[-1] if verdicts else Verdict(True, "the window holds no day")
        claimed = [verdict.claimed for verdict in verdicts if verdict.claimed is not None]
        issues = [issue for verdict in verdicts for issue in verdict.issues]
        yield Proof(whole, last.why, sum(claimed) if claimed else None, len(reading.keys), next_state, issues)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        given = options.of_feed("rest", feed)
        yield pages.rows(self.opened(given, Limits.of(feed), payload.content, payload.media_type))

    def opened(self, given: FeedOptions, limits: Limits, body: bytes, content_type: str | None) -> Opened:
        """An answer; what stands encrypted in it is the answer, and paths that lead nowhere there lead into what is around it.

        :raises ConfigurationError: it is encrypted, and the Connection has no key. :raises ProviderError: by another key.
        """
        whole = _opened(given, limits, body, content_type)
        sealed = self._options.sealed
        text = sealed and jmespath.search(sealed.at, whole.value)
        if not sealed or not isinstance(text, str):
            return whole
        inner = _opened(given, limits, signing.unsealed(sealed, text, self.http.endpoint), content_type)
        inner.around = whole
        return inner

    def _listings(self, feed: Feed, given: FeedOptions, window: Window) -> Iterator[dict[str, Any]]:
        """The parameters of each listing that makes up the window: one, or one a day."""
        if given.day is None:
            yield pages.of_window(given, window)
            return
        if window.start is None or window.end is None:
            raise ConfigurationError(
                f"{feed.id} is read by day and wants both bounds",
                remedy="declare cursor kind days for it",
                zh=f"数据项 {feed.id} 按日读取，需要起止日期，请声明 cursor 为 days。",
                feed=feed.id,
                field="cursor",
            )
        day = window.start.date()
        while day < window.end.date() or (day == window.end.date() and window.end.time() > window.end.min.time()):
            yield {given.day: day.isoformat()}
            day += timedelta(days=1)


class _Asker:
    """One feed's calls for pages of one window."""

    def __init__(self, rest: Rest, feed: Feed, given: FeedOptions, window: Window, *, retry: bool = True) -> None:
        self._rest = rest
        self._feed = feed
        self._given = given
        self._limits = Limits.of(feed)
        self._bounds = pages.bounds(given, window)
        self._retry = retry
        constants = [given.params, given.body]
        self.bounded = given.until is not None or pages.speaks(constants, "until")

    def ask(self, asked: dict[str, Any], following: dict[str, Any], etag: str | None = None) -> Page:
        """One call for a page. ``following``: parameters; under ``_link`` an address that the source named."""
        given, http = self._given, self._rest.http
        link, named = following.get("_link"), bool(following)
        headers = {"Accept": _ACCEPTS[given.format], **self._rest._options.headers, **given.headers}
        query: dict[str, Any] = {}
        path, body = given.path, None
        if link is None:
            params, constants = given.params, given.body
            keeps = given.paging.keeps if named and isinstance(given.paging, Cursor) else None
            if keeps is None:
                following = asked | following
            else:
                params = {name: value for name, value in params.items() if name in keeps}
                constants = constants and {name: value for name, value in constants.items() if name in keeps}
            places, own = pages.split(given, [given.path, params, constants], self._bounds, following)
            path = pages.filled(given.path, places)
            query = pages.filled(params, places)
            if constants is None:
                query |= own
            else:
                body = pages.into(pages.filled(constants, places), own)

        page: Page | None = None

        def classify(answer: Answer) -> None:
            nonlocal page
            if http.classify:
                http.classify(answer)
            page = self._page(answer) if answer.status < 300 else None

        answer = http.send(
            given.method,
            link or path,
            params={name: _as_text(value) for name, value in query.items()},
            json=body,
            headers=headers | ({"If-None-Match": etag} if etag else {}),
            classify=classify,
            accept=(410,) if named and isinstance(given.paging, Cursor | Link) else (),
            retry=self._retry,
        )
        if answer.status == 410:
            raise CursorGone
        return page or self._page(answer)

    def follow(self, page: Page) -> dict[str, Any]:
        """What names the next page."""
        if isinstance(self._given.paging, Cursor):
            return {self._given.paging.cursor_as: page.next}
        assert page.answer is not None
        return {"_link": self._rest.http.rebase(page.next or "", page.answer.url)}

    def _page(self, answer: Answer) -> Page:
        kind = "application/json" if self._given.format == "json" else answer.headers.get("Content-Type")
        payload = answer.payload(kind)
        if answer.status == 304:
            return Page(answer, payload, [], frozenset(), 0, b"", None, None, None, unmodified=True)
        return pages.page(
            self._feed,
            lambda: self._rest.opened(self._given, self._limits, answer.content, kind),
            payload,
            answer=answer,
            link=_linked(answer.headers.get("Link", "")),
        )


def _opened(given: FeedOptions, limits: Limits, body: bytes, content_type: str | None) -> Opened:
    if given.format == "json":
        return Json(given, limits, body)
    return Xml.of(given, limits, body, content_type)


def _as_text(value: Any) -> Any:
    """A constant of the query: true and false as JSON has them."""
    return json.dumps(value) if isinstance(value, bool) else value


def _linked(header: str) -> str | None:
    """The target of ``rel=next`` in a Link header (RFC 8288)."""
    for target, parameters in _LINK.findall(header):
        rel = _REL.search(parameters)
        if rel and "next" in rel[1].strip("\"'").lower().split():
            return str(target)
    return None
