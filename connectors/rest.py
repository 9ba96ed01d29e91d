"""``rest``: JSON lists read by a cursor (M1 items and projects, S4 readings by day), docs/source-systems.md.

Source options::

    auth: oauth | basic         oauth: client credentials (Connection: login, password); basic (default): where a login is
    token: /oauth/token         path of the token endpoint

Feed options::

    path: /api/v1/items         GET {base}{path}
    page_size: 200              sent as ``limit``; without it no limit is sent
    since: updated_since        parameter that takes the window's start (inclusive, yyyy-MM-dd HH:mm:ss)
    until: …                    parameter that takes the window's end, where the source has one
    day: day                    parameter that takes a local day: the window is read day by day
    etag: true                  the first page's ETag stands for the whole listing: nothing is read when it has not changed
    rows: data                  the field that holds the list (default data)
    next: next_cursor           the field that holds the next page's cursor (default next_cursor); sent as ``cursor``

A cursor that has died (410) starts the listing again. State: ``{"etag": …}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from connectors import jsonrows, options
from connectors.base import Batch, Issue, Payload, Proof, Window
from connectors.http import Answer, Http, basic
from connectors.limits import Limits
from connectors.oauth import BearerToken
from connectors.over_http import HttpConnector, option
from core.errors import ConfigurationError, ProviderError, TransientError

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_RESTARTS = 3  # times that a listing is begun again because its cursor died
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _CursorGone(Exception):  # noqa: N818 - begin again
    pass


class Rest(HttpConnector):
    """M1 and S4."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self.http = Http.of(source, endpoint, sign=basic(endpoint))
        auth = options.of_source(source).auth
        if auth.kind == "oauth":
            token = BearerToken(self.http, auth.token)
            self.http.sign, self.http.classify = token, token.classify

    def first_page(self, feed: Feed) -> str:
        params = self._limit(feed)
        if "day" in feed.options:
            from core import clock

            params[feed.options["day"]] = (clock.today() - timedelta(days=1)).isoformat()
        answer = self._page(feed, params, retry=False)
        return f"{len(_read(feed, answer.content)[0])} rows on the first page"

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        known = (state or {}).get("etag") if option(feed, "etag", False) else None
        etag, keys, restarts = None, set(), 0
        for params in self._listings(feed, window):
            while True:
                try:
                    for number, answer in self._pages(feed, params, known):
                        if answer.status == 304:
                            yield Proof(True, "not modified since the last reading (ETag)", state=state, unchanged=True)
                            return
                        if number == 1:
                            etag = answer.headers.get("ETag")
                        rows, _ = _read(feed, answer.content)
                        if "day" in feed.options and _is_empty(feed, answer.content):
                            continue  # three years of days without a reading are no thousand receipts
                        keys.update(tuple(jsonrows.one(row.get(name)) for name in feed.key) for row in rows)
                        yield answer.payload(
                            "application/json", page=number, rows=len(rows), day=params.get(feed.options.get("day", ""))
                        )
                    break
                except _CursorGone:
                    restarts += 1
                    if restarts > _RESTARTS:
                        yield Proof(
                            False,
                            f"the cursor died {restarts} times",
                            None,
                            len(keys),
                            state,
                            [
                                Issue(
                                    "cursor_expired",
                                    f"{feed.id}: the source's cursor died {restarts} times while it was read",
                                )
                            ],
                        )
                        return
        told = {**(state or {}), "etag": etag} if etag and option(feed, "etag", False) else state
        yield Proof(True, "the source says that nothing follows (no next cursor)", None, len(keys), told)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.body if isinstance(payload.body, bytes) else payload.body.read_bytes()
        limits = Limits.of(feed)
        page, issues = jsonrows.sound(body, option(feed, "rows", "data"), limits)
        yield Batch(*jsonrows.read(_unwrap(feed, page)[0], limits=limits), issues)

    def _listings(self, feed: Feed, window: Window) -> Iterator[dict[str, Any]]:
        """The parameters of each listing that makes up the window: one, or one a day."""
        limit = self._limit(feed)
        if "day" not in feed.options:
            since, until = feed.options.get("since"), feed.options.get("until")
            bounds = {since: window.start, until: window.end}
            yield limit | {name: f"{value:%Y-%m-%d %H:%M:%S}" for name, value in bounds.items() if name and value}
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
            yield limit | {feed.options["day"]: day.isoformat()}
            day += timedelta(days=1)

    def _limit(self, feed: Feed) -> dict[str, Any]:
        size = feed.options.get("page_size")
        return {"limit": int(size)} if size else {}

    def _pages(self, feed: Feed, params: dict[str, Any], etag: str | None) -> Iterator[tuple[int, Answer]]:
        """(number, answer) from the first page to the last. :raises _CursorGone: 410."""
        cursor, number, passed = None, 1, set()
        while True:
            answer = self._page(feed, params | {"cursor": cursor}, etag=etag if number == 1 else None)
            if answer.status == 410:
                raise _CursorGone
            yield number, answer
            if answer.status == 304:
                return
            cursor = _read(feed, answer.content)[1]
            if cursor is None:
                return
            if cursor in passed:
                raise ProviderError(
                    f"{feed.id}: the source gives a cursor again that it gave before: its listing has no end",
                    remedy="tell the source's owner",
                    zh=f"数据项 {feed.id} 的游标重复出现，列表没有尽头，请联系数源部门。",
                    feed=feed.id,
                    code="cursor_loop",
                )
            passed.add(cursor)
            number += 1

    def _page(self, feed: Feed, params: dict[str, Any], *, etag: str | None = None, retry: bool = True) -> Answer:
        def classify(answer: Answer) -> None:
            if self.http.classify:
                self.http.classify(answer)
            if answer.status == 200:
                _read(feed, answer.content)

        return self.http.get(
            option(feed, "path"),
            params=params,
            headers={"Accept": "application/json"} | ({"If-None-Match": etag} if etag else {}),
            classify=classify,
            accept=(410,) if params.get("cursor") else (),
            retry=retry,
        )


def _unwrap(feed: Feed, body: bytes) -> tuple[bytes, str | None]:
    """(the list as a JSON array, the next cursor). :raises ValueError: they do not stand there."""
    page = _object.decode(jsonrows.sound(body, option(feed, "rows", "data"), Limits.of(feed))[0])
    listed = page.get(option(feed, "rows", "data"))
    if listed is None or not bytes(listed).startswith(b"["):
        raise ValueError("no list of rows")
    return bytes(listed), jsonrows.one(page.get(option(feed, "next", "next_cursor"))) or None


def _is_empty(feed: Feed, body: bytes) -> bool:
    return not _unwrap(feed, body)[0][1:-1].strip()


def _read(feed: Feed, body: bytes) -> tuple[list[jsonrows.Row], str | None]:
    """(rows, next cursor). :raises TransientError: the body is cut or no page at all."""
    try:
        listed, cursor = _unwrap(feed, body)
        return jsonrows.rows(listed)[0], cursor
    except (ValueError, msgspec.DecodeError) as error:
        raise TransientError(
            f"{feed.id}: the answer is no page: {error}",
            remedy="tried again by itself; if it lasts, tell the source's owner",
            zh=f"数据项 {feed.id} 的响应不是约定的分页结果，将自动重试；如持续，请联系数源部门。",
            feed=feed.id,
            code="not_a_page",
        ) from error
