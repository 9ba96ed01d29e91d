"""``rest``: JSON lists over HTTP, however they are paged, signed and parametrised.

What may be declared: :mod:`sources.options.rest`. Paging is declared, never guessed: a declared field that an answer
lacks is a fault and no end. ``none``: one answer; ``page``: by number; ``offset``: by rows; ``cursor`` and ``link``: each
answer names the next. A listing is complete when all that speaks for its end agrees: the total where one is declared,
an empty page, the cursor, what the source says of more.

A cursor that has died (410) starts the listing again. State: ``{"etag": …}``. Raw columns: the fields of a row, nested
ones as JSON text.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jmespath
import msgspec

from connectors import jsonrows, listing, settling, signing
from connectors.base import Batch, Issue, Payload, Proof, Window
from connectors.http import Answer, Http
from connectors.limits import Limits
from connectors.over_http import HttpConnector
from connectors.progress import Nameless, Progress
from core import clock
from core.errors import ConfigurationError, OneMapError, ProviderError, TransientError
from core.redaction import redact
from sources import options
from sources.options.rest import Cursor, FeedOptions, Link, NoPaging, Offset, PageNumber

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_RESTARTS = 3  # times that a listing is begun again because its cursor died
_ROUNDS = 3  # times that a listing is read again because it moved
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*("[^"]*"|'[^']*'|[^\s;,]+)""", re.I)


class _CursorGone(Exception):  # noqa: N818 - begin again
    pass


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, opened. ``keys`` of its rows in order; ``next``: cursor or link of what follows, None at the end."""

    answer: Answer
    keys: list[tuple[Any, ...]]
    columns: frozenset[str]
    items: int
    digest: bytes
    total: int | None
    pages: int | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a listing ended."""

    complete: bool
    why: str
    claimed: int | None = None
    issues: list[Issue] = field(default_factory=list)


Reading = Generator[Payload, None, Verdict]


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
        page = self._ask(feed, given, asked | _first(given), retry=False)
        Progress(feed.id, feed.key).page(page.keys, page.columns)
        told = f"{page.items} rows on the first page"
        return told if page.total is None else f"{told}, {page.total} in all"

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        given = options.of_feed("rest", feed)
        known = (state or {}).get("etag") if given.etag else None
        reading = _Reading(self, feed, given, known)
        verdicts = []
        for asked in self._listings(feed, given, window):
            verdicts.append((yield from reading.listing(asked)))
            if reading.unmodified:
                yield Proof(True, "not modified since the last reading (ETag)", state=state, unchanged=True)
                return
            if not verdicts[-1].complete:
                break
        whole = all(verdict.complete for verdict in verdicts)
        told = {**(state or {}), "etag": reading.etag} if whole and reading.etag and given.etag else state
        last = verdicts[-1] if verdicts else Verdict(True, "the window holds no day")
        claimed = [verdict.claimed for verdict in verdicts if verdict.claimed is not None]
        issues = [issue for verdict in verdicts for issue in verdict.issues]
        yield Proof(whole, last.why, sum(claimed) if claimed else None, len(reading.keys), told, issues)

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        body = payload.body if isinstance(payload.body, bytes) else payload.body.read_bytes()
        given, limits = options.of_feed("rest", feed), Limits.of(feed)
        listed, _, issues = _opened(given, body, limits)
        yield Batch(*jsonrows.read(listed, limits=limits), issues)

    def _listings(self, feed: Feed, given: FeedOptions, window: Window) -> Iterator[dict[str, Any]]:
        """The parameters of each listing that makes up the window: one, or one a day."""
        if given.day is None:
            bounds = ((given.since, window.start), (given.until, window.end))
            yield {name: _written(value, given.time) for name, value in bounds if name and value}
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

    def _ask(
        self, feed: Feed, given: FeedOptions, asked: dict[str, Any], *, etag: str | None = None, retry: bool = True
    ) -> Page:
        """One call for a page. ``asked``: parameters by name; under ``_link`` an address that the source named.

        :raises _CursorGone: 410 to a cursor.
        """

        def classify(answer: Answer) -> None:
            if self.http.classify:
                self.http.classify(answer)
            if answer.status == 200:
                _read(feed, given, answer)

        link = asked.get("_link")
        headers = {"Accept": "application/json", **self._options.headers, **given.headers}
        query: dict[str, Any] = {}
        body = None
        if link is None:
            if given.body is None:
                query = {**given.params, **asked}
            else:
                query, body = dict(given.params), _into(given.body, asked)
        following = isinstance(given.paging, Cursor | Link) and bool(link or asked.get(_cursor_of(given)))
        answer = self.http.send(
            given.method,
            link or given.path,
            params={name: _as_text(value) for name, value in query.items()},
            json=body,
            headers=headers | ({"If-None-Match": etag} if etag else {}),
            classify=classify,
            accept=(410,) if following else (),
            retry=retry,
        )
        if answer.status == 410:
            raise _CursorGone
        return _read(feed, given, answer)


class _Reading:
    """One fetch of a feed: its keys over all listings, the ETag of the first page."""

    def __init__(self, rest: Rest, feed: Feed, given: FeedOptions, etag: str | None) -> None:
        self.keys: set[Any] = set()
        self.etag: str | None = None
        self.unmodified = False
        self._rest = rest
        self._feed = feed
        self._given = given
        self._known = etag

    def listing(self, asked: dict[str, Any]) -> Reading:
        """The payloads of one listing, and how it ended."""
        read: Callable[..., Reading] = {
            "none": self._chain,
            "cursor": self._chain,
            "link": self._chain,
            "offset": self._by_offset,
            "page": self._by_number,
        }[self._given.paging.kind]
        return read(self._given.paging, asked)

    # -- each answer names the next

    def _chain(self, paging: NoPaging | Cursor | Link, asked: dict[str, Any]) -> Reading:
        restarts = 0
        for turn in range(1, _ROUNDS + 1):
            progress = Progress(self._feed.id, self._feed.key)
            totals: set[int] = set()
            while True:
                try:
                    ended = yield from self._turn(paging, asked, progress, totals, turn)
                    break
                except _CursorGone:
                    restarts += 1
                    if restarts > _RESTARTS:
                        told = Issue(
                            "cursor_expired",
                            f"{self._feed.id}: the source's cursor died {restarts} times while it was read",
                        )
                        return Verdict(False, f"the cursor died {restarts} times", issues=[told])
            if self.unmodified:
                return Verdict(True, "not modified")
            claimed = max(totals) if totals else None
            if not ended:
                if claimed is not None and totals == {progress.distinct}:
                    return Verdict(True, "as many distinct keys as the total; the pages after were empty", claimed)
                return Verdict(False, "the listing has no end", claimed, [progress.issue()])
            if claimed is None:
                what = (
                    "one answer holds the whole list"
                    if paging.kind == "none"
                    else "the source says that nothing follows"
                )
                return Verdict(True, what)
            if totals == {progress.distinct}:
                return Verdict(True, "the end, and as many distinct keys as the total", claimed)
        return Verdict(
            False,
            f"{progress.distinct} distinct keys, the total says {sorted(totals)}",
            claimed,
            [_differs(self._feed, claimed, progress.distinct)],
        )

    def _turn(
        self,
        paging: NoPaging | Cursor | Link,
        asked: dict[str, Any],
        progress: Progress,
        totals: set[int],
        turn: int,
    ) -> Generator[Payload, None, bool]:
        """From the first page to the last. False: no end."""
        following: dict[str, Any] = {}
        passed: set[str] = set()
        number = 0
        while True:
            number += 1
            etag = self._known if number == 1 else None
            page = self._rest._ask(self._feed, self._given, asked | _sized(paging) | following, etag=etag)
            if page.answer.status == 304:
                self.unmodified = True
                return True
            if number == 1:
                self.etag = page.answer.headers.get("ETag")
            if page.total is not None:
                totals.add(page.total)
            new = self._new(page)
            progress.page(page.keys, page.columns)
            # three years of days without a reading are no thousand receipts
            if (page.items or (number == 1 and not self._given.day)) and (turn == 1 or new):
                yield self._payload(page, number, asked)
            if page.next is None:
                return True
            if page.next in passed:
                raise _endless(self._feed)
            if progress.stuck:
                return False
            passed.add(page.next)
            following = self._follow(paging, page)

    def _follow(self, paging: NoPaging | Cursor | Link, page: Page) -> dict[str, Any]:
        if isinstance(paging, Cursor):
            return {paging.cursor_as: page.next}
        return {"_link": self._rest.http.rebase(page.next or "", page.answer.url)}

    # -- by number of rows

    def _by_offset(self, paging: Offset, asked: dict[str, Any]) -> Reading:
        def ask(start: int) -> listing.Page:
            page = self._rest._ask(self._feed, self._given, asked | _sized(paging) | {paging.offset_as: start})
            self._new(page)
            keys = ["" if isinstance(key, Nameless) else "|".join(part or "" for part in key) for key in page.keys]
            payload = self._payload(page, None, asked, start=start)
            return listing.Page(payload, keys, page.items, page.digest, page.total, columns=page.columns)

        proof = None
        for one in listing.read(ask, self._feed.id, self._feed.key):
            if isinstance(one, Proof):
                proof = one
            else:
                yield one
        assert proof is not None
        return Verdict(proof.complete, proof.why, proof.claimed, proof.issues)

    # -- by number of the page

    def _by_number(self, paging: PageNumber, asked: dict[str, Any]) -> Reading:
        def ask(number: int) -> Page:
            place = {paging.number_as: number - 1 + paging.start}
            page = self._rest._ask(self._feed, self._given, asked | _sized(paging) | place)
            self._new(page)
            return page

        if paging.total is not None:
            return (yield from self._settled(paging, asked, ask))
        before: list[set[Any]] = []
        handed: set[bytes] = set()
        for _ in range(_ROUNDS + 1):
            progress = Progress(self._feed.id, self._feed.key)
            number = 0
            while True:
                number += 1
                page = ask(number)
                progress.page(page.keys, page.columns)
                if (page.items or number == 1) and page.digest not in handed:
                    handed.add(page.digest)
                    yield self._payload(page, number, asked)
                if not page.items or (page.pages is not None and number >= max(1, page.pages)):
                    break
                if progress.stuck:
                    return Verdict(False, "the same rows come at every page number", None, [progress.issue()])
            if number <= 2 or not self._feed.absence:
                return Verdict(True, "read to an empty page" if not page.items else "read to the last of all pages")
            if progress.seen in before:
                return Verdict(True, "two readings to the end gave the same keys")
            before.append(progress.seen)
        changed = Issue("listing_changed", f"{self._feed.id}: rows moved at every reading")
        return Verdict(False, "rows moved while it was read", issues=[changed])

    def _settled(self, paging: PageNumber, asked: dict[str, Any], ask: Callable[[int], Page]) -> Reading:
        most = 1  # rows of a page, as they come

        def page(number: int) -> settling.Page:
            nonlocal most
            found = ask(number)
            most = max(most, found.items)
            total = found.total or 0
            pages = found.pages if found.pages is not None else -(-total // most)
            mark = hash(found.digest)
            return settling.Page(number, dict.fromkeys(found.keys, mark), total, pages, found, found.columns)

        reading = settling.read(
            page, open_end=self._given.until is None, rounds=8, progress=lambda: Progress(self._feed.id, self._feed.key)
        )
        while True:
            try:
                one = next(reading)
            except StopIteration as stop:
                verdict = stop.value
                break
            yield self._payload(one.answer, one.number, asked)
        issues = [] if verdict.complete else [Issue("listing_unsettled", f"{self._feed.id}: {verdict.why}")]
        return Verdict(verdict.complete, verdict.why, verdict.claimed, issues)

    def _new(self, page: Page) -> bool:
        fresh = set(page.keys) - self.keys
        self.keys |= fresh
        return bool(fresh)

    def _payload(self, page: Page, number: int | None, asked: dict[str, Any], **facts: Any) -> Payload:
        day = asked.get(self._given.day or "")
        return page.answer.payload("application/json", page=number, rows=page.items, total=page.total, day=day, **facts)


def _first(given: FeedOptions) -> dict[str, Any]:
    """Parameters of the first page."""
    paging = given.paging
    if isinstance(paging, PageNumber):
        return _sized(paging) | {paging.number_as: paging.start}
    if isinstance(paging, Offset):
        return _sized(paging) | {paging.offset_as: 0}
    return _sized(paging)


def _sized(paging: Any) -> dict[str, Any]:
    return {paging.size_as: paging.size} if getattr(paging, "size", None) else {}


def _cursor_of(given: FeedOptions) -> str:
    return given.paging.cursor_as if isinstance(given.paging, Cursor) else ""


def _written(moment: datetime, form: str) -> str:
    """A window's bound as the source wants it."""
    zoned = moment.replace(tzinfo=clock.SHANGHAI)
    if form == "epoch":
        return str(int(zoned.timestamp()))
    if form == "epoch_ms":
        return str(int(zoned.timestamp() * 1000))
    if form == "iso_utc":
        return f"{zoned.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return zoned.strftime(form)


def _into(body: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The body's constants and what is asked, ``page.number`` as a field within a field."""
    made = json.loads(json.dumps(body))
    for name, value in asked.items():
        *outer, last = name.split(".")
        place = made
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
    return made


def _as_text(value: Any) -> Any:
    """A constant of the query: true and false as JSON has them."""
    return json.dumps(value) if isinstance(value, bool) else value


def _opened(
    given: FeedOptions, body: bytes, limits: Limits
) -> tuple[bytes, Callable[[str], msgspec.Raw | None], list[Issue]]:
    """(the list as a JSON array, what stands at another path, what was mended). null is an empty list.

    :raises ValueError: there is no list. :raises OverLimit: it is larger than a page may be.
    """
    if given.rows == "@":  # as a field, so that a list is mended as any other
        body = b'{"rows":' + jsonrows.clean(body) + b"}"
    where = "rows" if given.rows == "@" else given.rows
    cleaned, issues = jsonrows.sound(body, _field(where), limits)
    layers: dict[str, Any] = {"@": None}

    def at(path: str) -> msgspec.Raw | None:
        """What stands there; None where nothing does. null is there."""
        if path == "@":
            return msgspec.Raw(cleaned)
        outer, _, name = path.rpartition(".")
        if outer not in layers:
            held = at(outer or "@")
            try:
                layers[outer] = {} if held is None else _object.decode(held)
            except msgspec.ValidationError:  # no object
                layers[outer] = {}
        found: msgspec.Raw | None = layers[outer].get(name.strip('"'))
        return found

    listed = at(where)
    if listed is None:
        raise ValueError(f"nothing stands at {given.rows}")
    held = bytes(listed).strip()
    if held == b"null":
        return b"[]", at, issues
    if not held.startswith(b"["):
        raise ValueError(f"what stands at {given.rows} is no list")
    return held, at, issues


def _field(path: str) -> str:
    """The name of the field that a path ends in."""
    return path.rpartition(".")[2].strip('"')


def _read(feed: Feed, given: FeedOptions, answer: Answer) -> Page:
    """An answer as a page. :raises TransientError: it is cut, or no page. :raises OneMapError: it tells an error."""
    if answer.status == 304:
        return Page(answer, [], frozenset(), 0, b"", None, None, None)
    try:
        if given.success:
            _succeeded(feed, given, answer.content, Limits.of(feed))
        listed, at, _ = _opened(given, answer.content, Limits.of(feed))
        objects, _, rejects = jsonrows.rows(listed)
        keys = [_key(row, feed.key) for row in objects]
        columns = frozenset(name for row in objects for name in row)
        paging = given.paging
        total = _number(at, getattr(paging, "total", None))
        pages = _number(at, getattr(paging, "pages", None))
        following = _next(paging, at, answer)
    except (ValueError, msgspec.DecodeError) as error:
        raise TransientError(
            f"{feed.id}: the answer is no page: {error}",
            remedy="tried again by itself; if it lasts, compare rows and paging of the declaration with the answer",
            zh=f"数据项 {feed.id} 的响应不是约定的分页结果（{error}），将自动重试；如持续，请核对声明中的 rows 与 paging，或联系数源部门。",
            feed=feed.id,
            code="not_a_page",
        ) from error
    digest = hashlib.sha256(listed).digest()
    return Page(answer, keys, columns, len(objects) + len(rejects), digest, total, pages, following)


def _key(row: jsonrows.Row, names: Sequence[str]) -> tuple[Any, ...]:
    key = tuple(jsonrows.one(row.get(name)) for name in names)
    return key if any(key) else Nameless(hash(frozenset((name, bytes(value)) for name, value in row.items())))


def _succeeded(feed: Feed, given: FeedOptions, body: bytes, limits: Limits) -> None:
    """:raises TransientError: what says whether the call succeeded says otherwise."""
    body = jsonrows.clean(body)
    try:
        held = json.loads(body)
    except (ValueError, RecursionError):  # one record's damage says nothing of the call
        held = json.loads(jsonrows.sound(body, _field(given.rows), limits)[0])
    for path, values in given.success.items():
        found = jmespath.search(path, held)
        if found not in values and str(found) not in map(str, values):
            said = redact(str(jmespath.search(given.message, held)))[:200] if given.message else ""
            raise TransientError(
                f"{feed.id}: {path} is {found!r}, not one of {values}: {said}".rstrip(": "),
                remedy="tried again by itself; if it lasts, tell the source's owner",
                zh=f"数据项 {feed.id} 的响应报错（{path} = {found}：{said}），将自动重试；如持续，请联系数源部门。",
                feed=feed.id,
                code=f"{path} {found}",
            )


def _number(at: Callable[[str], msgspec.Raw | None], path: str | None) -> int | None:
    """:raises ValueError: a number was declared to stand there, and none does."""
    if path is None:
        return None
    text = (jsonrows.one(at(path)) or "").strip()
    if not text.isdigit():
        raise ValueError(f"{path} is {text!r}, no number")
    return int(text)


def _next(paging: Any, at: Callable[[str], msgspec.Raw | None], answer: Answer) -> str | None:
    """Cursor or link of the next page; None at the end. :raises ValueError: the answer does not say."""
    if not isinstance(paging, Cursor | Link):
        return None
    if isinstance(paging, Link) and paging.next == "header":
        return _linked(answer.headers.get("Link", ""))
    held = at(paging.next)
    if held is None and paging.absent == "fault":
        raise ValueError(f"{paging.next} is not there, which says what follows")
    following = jsonrows.one(held) or None
    if isinstance(paging, Cursor) and paging.more is not None:
        more = (jsonrows.one(at(paging.more)) or "").lower()
        if more not in ("true", "false", "1", "0"):
            raise ValueError(f"{paging.more} is {more!r}, neither true nor false")
        if more in ("true", "1") and following is None:
            raise ValueError(f"{paging.more} says that more follows, {paging.next} does not say what")
        return following if more in ("true", "1") else None
    return following


def _linked(header: str) -> str | None:
    """The target of ``rel=next`` in a Link header (RFC 8288)."""
    for target, parameters in _LINK.findall(header):
        rel = _REL.search(parameters)
        if rel and "next" in rel[1].strip("\"'").lower().split():
            return str(target)
    return None


def _differs(feed: Feed, claimed: int | None, distinct: int) -> Issue:
    return Issue("count_differs", f"{feed.id}: the total says {claimed}, {distinct} distinct keys came")


def _endless(feed: Feed) -> OneMapError:
    return ProviderError(
        f"{feed.id}: the source gives a cursor again that it gave before: its listing has no end",
        remedy="tell the source's owner",
        zh=f"数据项 {feed.id} 的游标重复出现，列表没有尽头，请联系数源部门。",
        feed=feed.id,
        code="cursor_loop",
    )
