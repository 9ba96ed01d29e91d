"""Listings in pages, however they are paged: read to their end, with proof.

Paging is declared, never guessed: a declared field that an answer lacks is a fault and no end. ``none``: one answer;
``page``: by number; ``offset``: by rows; ``cursor`` and ``link``: each answer names the next. A listing is complete when
all that speaks for its end agrees: the total where one is declared, an empty page, the cursor, what the source says of more.
A cursor that has died starts the listing again.

Who asks is the protocol's: :class:`Asker`. Options: :mod:`sources.options.listing`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from connectors.base import Batch, Issue, Payload, Proof
from connectors.decoders import rows as no_rows
from connectors.decoders import xml
from connectors.decoders.answers import Opened, stated_error
from connectors.paging import listing, settling
from connectors.paging.progress import Nameless, Progress
from connectors.transports.http import Answer, raise_for_page
from core import clock
from core.errors import ConfigurationError, OneMapError, ProviderError, TransientError
from core.redaction import redact
from sources.declaration import UNDECIDED
from sources.options.listing import Cursor, Link, ListingOptions, NoPaging, Offset, PageNumber

if TYPE_CHECKING:
    from connectors.window import Window
    from sources.declaration import Feed

_RESTARTS = 3  # times that a listing is begun again because its cursor died
_ROUNDS = 3  # times that a listing is read again because it moved


_GZIP = b"\x1f\x8b"


class CursorGone(Exception):  # noqa: N818 - begin again
    """The cursor has died."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, opened. ``keys`` of its rows in order; ``next``: cursor or link of what follows, None at the end."""

    answer: Answer | None
    payload: Payload
    keys: list[tuple[Any, ...]]
    columns: frozenset[str]
    items: int
    digest: bytes
    total: int | None
    pages: int | None
    next: str | None
    unmodified: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a listing ended."""

    complete: bool
    why: str
    claimed: int | None = None
    issues: list[Issue] = field(default_factory=list)


Reading = Generator[Payload, None, Verdict]


class Asker(Protocol):
    """Asks for a page. ``asked``: window and paging by parameter; ``following``: what the answer before named."""

    def ask(self, asked: dict[str, Any], following: dict[str, Any], etag: str | None = None) -> Page:
        """:raises CursorGone: the cursor has died."""

    def follow(self, page: Page) -> dict[str, Any]:
        """What names the page after this one."""


class Reader:
    """One fetch of a feed: its keys over all listings, the ETag of the first page."""

    def __init__(
        self,
        asker: Asker,
        feed: Feed,
        given: ListingOptions,
        *,
        open_end: bool,
        by_day: str = "",
        etag: str | None = None,
    ) -> None:
        self.keys: set[Any] = set()
        self.etag: str | None = None
        self.unmodified = False
        self._asker = asker
        self._feed = feed
        self._given = given
        self._known = etag
        self._open_end = open_end
        self._day = by_day

    def listing(self, asked: dict[str, Any]) -> Reading:
        """The payloads of one listing, and how it ended."""
        readers: dict[str, Callable[..., Reading]] = {
            "none": self._chain,
            "cursor": self._chain,
            "link": self._chain,
            "offset": self._by_offset,
            "page": self._by_number,
        }
        return readers[self._given.paging.kind](self._given.paging, asked)

    # -- each answer names the next

    def _chain(self, paging: NoPaging | Cursor | Link, asked: dict[str, Any]) -> Reading:
        restarts = 0
        for turn in range(1, _ROUNDS + 1):
            while True:
                # of one reading from its beginning: what a dead cursor's brought counts neither as told nor as nothing new
                progress = Progress(self._feed.id, self._feed.key)
                totals: set[int] = set()
                try:
                    ended = yield from self._turn(paging, asked, progress, totals, turn)
                    break
                except CursorGone:
                    restarts += 1
                    if restarts > _RESTARTS:
                        issue = Issue(
                            "cursor_expired",
                            f"{self._feed.id}: the source's cursor died {restarts} times while it was read",
                        )
                        return Verdict(False, f"the cursor died {restarts} times", issues=[issue])
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
            page = self._asker.ask(asked | _sized(paging), following, etag)
            if page.unmodified:
                self.unmodified = True
                return True
            if number == 1:
                self.etag = page.payload.facts.get("etag")
            if page.total is not None:
                totals.add(page.total)
            new = self._new(page)
            progress.page(page.keys, page.columns)
            # three years of days without a reading are no thousand receipts
            if (page.items or (number == 1 and not self._day)) and (turn == 1 or new):
                yield self._payload(page, number, asked)
            if page.next is None:
                return True
            if page.next in passed:
                raise _endless(self._feed)
            if progress.stuck:
                return False
            passed.add(page.next)
            following = self._asker.follow(page)

    # -- by number of rows

    def _by_offset(self, paging: Offset, asked: dict[str, Any]) -> Reading:
        def ask(start: int) -> listing.Page:
            page = self._asker.ask(asked | _sized(paging) | {paging.offset_as: start + paging.start}, {})
            self._new(page)
            nameless = f"{UNDECIDED}{{}}" if UNDECIDED in self._feed.key else ""
            keys = [
                nameless.format(key.content) if isinstance(key, Nameless) else "|".join(part or "" for part in key)
                for key in page.keys
            ]
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
            page = self._asker.ask(asked | _sized(paging) | place, {})
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
            page, open_end=self._open_end, rounds=8, progress=lambda: Progress(self._feed.id, self._feed.key)
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
        page_facts = {"page": number, "rows": page.items, "total": page.total, "day": asked.get(self._day), **facts}
        page.payload.facts.update({name: value for name, value in page_facts.items() if value is not None})
        return page.payload


def first(given: ListingOptions) -> dict[str, Any]:
    """Parameters of the first page."""
    paging = given.paging
    if isinstance(paging, PageNumber):
        return _sized(paging) | {paging.number_as: paging.start}
    if isinstance(paging, Offset):
        return _sized(paging) | {paging.offset_as: paging.start}
    return _sized(paging)


def _sized(paging: Any) -> dict[str, Any]:
    return {paging.size_as: paging.size} if getattr(paging, "size", None) else {}


def bounds(given: ListingOptions, window: Window) -> dict[str, str]:
    """The window's bounds by ``since`` and ``until``, as the source wants them; a bound that there is none of is left out.

    A form without hours makes the end's day a whole one.
    """
    found = {}
    if window.start:
        found["since"] = written(window.start, given.time)
    if window.end:
        end = written(window.end, given.time)
        if "%" in given.time and not _has_hours(given.time) and datetime.min.time() != window.end.time():
            end = written(window.end + timedelta(days=1), given.time)
        found["until"] = end
    return found


def of_window(given: ListingOptions, window: Window) -> dict[str, str]:
    """The window's bounds by the parameters that take them; a bound that none takes is left out."""
    names = {"since": given.since, "until": given.until}
    return {name: value for bound, value in bounds(given, window).items() if (name := names[bound])}


def _has_hours(form: str) -> bool:
    return any(letter in form for letter in ("%H", "%I", "%X", "%c", "%T", "%s", "%R"))


def written(moment: datetime, form: str) -> str:
    """A time as the source wants it."""
    zoned = moment.replace(tzinfo=clock.SHANGHAI)
    if form == "epoch":
        return str(int(zoned.timestamp()))
    if form == "epoch_ms":
        return str(int(zoned.timestamp() * 1000))
    if form == "iso_utc":
        return f"{zoned.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if form == "iso":
        return zoned.isoformat(timespec="seconds")
    return zoned.strftime(form)


class Absent(Exception):  # noqa: N818 - a constant that is not sent
    """A constant speaks of a bound that the window lacks."""


def filled(constant: Any, places: dict[str, str]) -> Any:
    """A constant with ``{name}`` replaced by what stands for it, in texts at whatever depth; what speaks of an absent
    bound is left out of what holds it.

    :raises Absent: it speaks of one itself.
    """
    if isinstance(constant, str):
        for name in ("since", "until"):
            if f"{{{name}}}" in constant and name not in places:
                raise Absent
        for name, value in places.items():
            constant = constant.replace(f"{{{name}}}", value)
        return constant
    if isinstance(constant, dict):
        position = {}
        for name, one in constant.items():
            try:
                position[name] = filled(one, places)
            except Absent:
                continue
        return position
    if isinstance(constant, list):
        return [filled(one, places) for one in constant]
    return constant


def split(
    given: ListingOptions, constants: Any, places: dict[str, str], asked: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """(what stands for which name in constants, what is asked by parameters of its own): ``{page}`` in a constant's text takes
    the page's number, which is no parameter then.
    """
    paging = given.paging
    roles = {
        getattr(paging, attribute): role
        for role, attribute in (
            ("page", "number_as"),
            ("offset", "offset_as"),
            ("cursor", "cursor_as"),
            ("size", "size_as"),
        )
        if getattr(paging, attribute, None)
    }
    position = {**places, "cursor": ""} if isinstance(paging, Cursor) else dict(places)
    rest = {}
    for name, value in asked.items():
        role = roles.get(name)
        if role and speaks(constants, role):
            position[role] = str(value)
        else:
            rest[name] = value
    return position, rest


def speaks(constant: Any, name: str) -> bool:
    """Whether a constant has ``{name}`` in one of its texts."""
    if isinstance(constant, str):
        return f"{{{name}}}" in constant
    inner = constant.values() if isinstance(constant, dict) else constant if isinstance(constant, list) else ()
    return any(speaks(one, name) for one in inner)


def into(constants: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The constants and what is asked, ``page.number`` as a field within a field. Nothing given is changed."""
    copied = _copied(constants)
    for name, value in asked.items():
        *outer, last = name.split(".")
        place = copied
        for step in outer:
            if not isinstance(place.get(step), dict):
                place[step] = {}
            place = place[step]
        place[last] = value
    return copied


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def page(
    feed: Feed, opened: Callable[[], Opened], payload: Payload, *, answer: Answer | None = None, link: str | None = None
) -> Page:
    """An answer as a page. ``link``: what a Link header names.

    :raises TransientError: it is cut, no page, or tells an error. :raises CursorGone: it says so.
    """
    try:
        one = opened()
        given = one.given
        paging = given.paging
        if isinstance(paging, Cursor) and paging.expired and one.says(paging.expired):
            raise CursorGone
        if one.is_empty():
            return Page(
                answer, payload, [], frozenset(), 0, b"", 0 if getattr(paging, "total", None) else None, None, None
            )
        if given.success:
            _succeeded(feed, one)
        keys, items, columns = one.keys(list(feed.key))
        if not items and not given.success and (stated := stated_error(one.value)):
            raise ValueError(f"it has no rows and tells of an error, {stated}: if it is none, declare success or empty")
        total = _number(one, getattr(paging, "total", None))
        pages = _number(one, getattr(paging, "pages", None))
        following = link if isinstance(paging, Link) and paging.next == "header" else _next(paging, one)
    except (ValueError, msgspec.DecodeError, xml.DamagedXml) as error:
        if answer is not None:
            raise_for_page(answer)
        why = getattr(error, "message", str(error))
        if isinstance(payload.body, bytes) and payload.body.startswith(_GZIP):
            why = "it is compressed (gzip) once more than its Content-Encoding says"
        raise TransientError(
            f"{feed.id}: the answer is no page: {why}",
            remedy="tried again by itself; if it lasts, compare rows and paging of the declaration with the answer",
            zh=f"数据项 {feed.id} 的响应不是约定的分页结果（{why}），将自动重试；如持续，请核对声明中的 rows 与 paging，或联系数源部门。",
            feed=feed.id,
            code="not_a_page",
        ) from error
    named = [_key(contents, feed.key) for contents in keys]
    return Page(answer, payload, named, columns, items, one.digest(), total, pages, following)


def rows(one: Opened) -> Batch:
    """The rows of an answer that was taken as a page."""
    return Batch(no_rows.table([], [])) if one.is_empty() else one.batch()


def understood(feed: Feed, page: Page) -> str:
    """What a first page shows, in words.

    :raises ConfigurationError: its rows lack a column of the key.
    """
    progress = Progress(feed.id, feed.key)
    progress.page(page.keys, page.columns)
    there = {name.casefold() for name in page.columns}
    lacking = [name for name in feed.key if name.casefold() not in there and name != UNDECIDED]
    if page.items and lacking:
        raise ConfigurationError(
            f"{feed.id}: its rows have no column {', '.join(lacking)}, which its key names; they have "
            f"{', '.join(sorted(page.columns))}",
            remedy="correct key in the source's declaration",
            zh=f"数据项 {feed.id} 的记录没有主键列 {'、'.join(lacking)}，请更正数源声明中的 key。",
            feed=feed.id,
            field="key",
            code="no_key",
        )
    text = f"{page.items} rows on the first page"
    if page.total is not None:
        text += f", {page.total} in all"
    names = sorted(page.columns)
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{text}; columns {', '.join(names[:12])}{more}" if names else text


def _key(row: dict[str, str | None], names: Sequence[str]) -> tuple[Any, ...]:
    key = tuple(row.get(name) for name in names)
    return key if any(key) else Nameless(hash(frozenset(row.items())))


def _succeeded(feed: Feed, one: Opened) -> None:
    """:raises TransientError: what says whether the call succeeded says otherwise."""
    for path, values in one.given.success.items():
        if one.says({path: values}) is None:
            found = one.search(path)
            message = redact(str(one.search(one.given.message)))[:200] if one.given.message else ""
            raise TransientError(
                f"{feed.id}: {path} is {found!r}, not one of {values}: {message}".rstrip(": "),
                remedy="tried again by itself; if it lasts, tell the source's owner",
                zh=f"数据项 {feed.id} 的响应报错（{path} = {found}：{message}），将自动重试；如持续，请联系数源部门。",
                feed=feed.id,
                code=f"{path} {found}",
            )


def _number(one: Opened, path: str | None) -> int | None:
    """:raises ValueError: a number was declared to stand there, and none does."""
    if path is None:
        return None
    text = (one.at(path).text or "").strip()
    if not text.isdigit():
        raise ValueError(f"{path} is {text!r}, no number")
    return int(text)


def _next(paging: Any, one: Opened) -> str | None:
    """Cursor or link of the next page; None at the end. :raises ValueError: the answer does not say."""
    if not isinstance(paging, Cursor | Link):
        return None
    there, text = one.at(paging.next)
    following = (text or "").strip() or None
    if isinstance(paging, Cursor) and paging.more is not None:
        more = (one.at(paging.more).text or "").strip().lower()
        if more not in ("true", "false", "1", "0"):
            raise ValueError(f"{paging.more} is {more!r}, neither true nor false")
        if more in ("true", "1") and following is None:
            raise ValueError(f"{paging.more} says that more follows, {paging.next} does not say what")
        if there or paging.absent == "end":
            return following if more in ("true", "1") else None
    if not there and paging.absent == "fault":
        raise ValueError(
            f"{paging.next} is not there, which says what follows; where the contract of the source ends a listing so, declare paging.absent: end"
        )
    return following


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
