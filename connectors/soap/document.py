"""Answers whose one string holds a document of its own: pages by number, with a total (D1).

The inner document's own ``encoding`` is untrue and ignored; it was decoded with its envelope. Options of a feed:
:class:`~sources.options.soap.DocumentFeed`.

**Completeness.** While pages are read, rows that are updated leave the window and others slip onto pages already
read, late rows join, the total changes. So a pass counts only when its total stood still and its distinct keys are as
many; else the window is read again, and pages whose content is new are handed on.

**Damage.** A page that does not decode is asked for again in smaller ones, by the divisors of its size, until the bad
record stands alone; that answer is handed on too, and :func:`decode` makes a Reject of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from connectors.base import Batch, Issue, Payload, Proof, Reject, Window
from connectors.decoders import rows, xml
from connectors.decoders.xml import children, local
from connectors.limits import Limits
from connectors.paging.progress import Progress
from connectors.soap import multipart
from connectors.soap.message import SlowPage, envelope_body
from core.errors import ProviderError, TransientError
from sources.options.soap import DocumentFeed

Call = Callable[[str, dict[str, Any]], Payload]
_PASSES = 5
_INNER = "the document inside the answer"


@dataclass(slots=True)
class Sheet:
    """What one answer holds. ``total`` None: it could not be read."""

    payload: Payload
    total: int | None
    keys: list[str]
    digest: bytes
    columns: frozenset[str] = frozenset()


class _Capped(Exception):  # noqa: N818 - a turn of the reading, not an error
    """The source gives fewer rows a page than asked, without saying so."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


@dataclass(slots=True)
class _Pass:
    """One reading of the window from page 1."""

    keys: set[str] = field(default_factory=set)
    totals: set[int] = field(default_factory=set)
    count: int = 0  # rows


class Reader:
    """One window of one feed. ``call(operation, parameters)`` asks and raises."""

    def __init__(self, call: Call, options: DocumentFeed, feed: str, key: list[str], window: Window) -> None:
        self._feed = feed
        self._call = call
        self._options = options
        self._key = key
        self._bounds = {
            options.parameters.begin: f"{window.start:%Y-%m-%d %H:%M:%S}" if window.start else "",
            options.parameters.end: f"{window.end:%Y-%m-%d %H:%M:%S}" if window.end else "",
        }
        self._handed: set[bytes] = set()
        self._detailed: set[str] = set()
        self._issues: dict[str, Issue] = {}

    def read(self) -> Iterator[Payload | Proof]:
        """Payloads, then the proof."""
        size, passes, before = self._options.size, 0, None
        while passes < _PASSES:
            this = _Pass()
            try:
                yield from self._read_pass(this, size)
            except SlowPage as error:
                if size == 1:
                    raise TransientError(error.message, remedy=error.remedy, zh=error.zh, code=error.code) from error
                size //= 2
                self._note("page_too_slow", f"{self._options.operation} times out; read on in pages of {size}")
                continue
            except _Capped as capped:
                size = capped.size
                self._note("page_capped", f"{self._options.operation} gives {size} rows a page at most; read on so")
                continue
            passes += 1
            if len(this.totals) == 1 and this.totals == {len(this.keys)}:
                yield self._proof(True, "distinct keys equal the total, which stood still", this)
                return
            if this.totals == {this.count} and this == before:
                self._note("duplicate_key", f"{this.count} rows have only {len(this.keys)} distinct keys")
                yield self._proof(
                    True, "two readings gave the same rows, as many as the total, with keys repeated", this
                )
                return
            before = this
            self._note("total_changed", f"{len(this.keys)} distinct keys, total {sorted(this.totals)}; read again")
        yield self._proof(False, f"distinct keys did not equal the total in {_PASSES} readings", this)

    def _read_pass(self, this: _Pass, size: int) -> Iterator[Payload]:
        page, progress = 1, Progress(self._feed, self._key)
        while True:
            total, count = None, 0
            keys: list[str] = []
            columns: set[str] = set()
            for sheet in self._page(page, size):
                keys += ["" if key.startswith("?") else key for key in sheet.keys]
                columns |= sheet.columns
                count += len(sheet.keys)
                this.count += len(sheet.keys)
                if sheet.total is not None:
                    total = sheet.total
                    this.totals.add(total)
                this.keys.update(sheet.keys)
                yield from self._hand_on(sheet)
            if page == 1 and total is not None and 0 < count < min(size, total):
                raise _Capped(count)
            progress.page(keys, columns or None)
            if not count or (total is not None and page * size >= total):
                return
            if progress.stuck:
                issue = progress.issue()
                self._note(issue.code, issue.detail)
                this.totals.add(-1)  # no total can be true of it
                return
            page += 1

    def _page(self, page: int, size: int) -> Iterator[Sheet]:
        """A page, or the smaller ones that it falls into when something in it does not decode."""
        names = self._options.parameters
        parameters = {**self._bounds, names.page: page, names.size: size}
        payload = self._call(self._options.operation, parameters)
        try:
            root = inner(payload)
        except xml.DamagedXml as error:
            if size == 1:
                yield self._alone(payload, page, error)
                return
            parts = next(n for n in (2, 3, 5, 7, size) if size % n == 0)
            for part in range(parts):
                yield from self._page((page - 1) * parts + part + 1, size // parts)
            return
        keys = [
            _key(record, self._key) or f"?{page}.{size}.{n}"
            for n, record in enumerate(_records(root, self._options.record))
        ]
        total = _total(root)
        payload.facts.update(page=page, size=size, total=total)
        columns = frozenset(
            local(child) for record in _records(root, self._options.record) for child in children(record)
        )
        yield Sheet(payload, total, keys, _digest(root), columns)

    def _alone(self, payload: Payload, page: int, error: xml.DamagedXml) -> Sheet:
        """A record that stands alone and does not decode: still counted, by its key where that can be read."""
        payload.facts.update(page=page, size=1, undecodable=True)
        self._note("undecodable", f"record {page} of the window: {error.message}")
        total, keys = None, [f"?{page}"]
        root = _salvaged(payload, self._options)
        if root is not None:
            total = _total(root)
            keys = [_key(record, self._key) or f"?{page}" for record in _records(root, self._options.record)] or keys
        return Sheet(payload, total, keys, hashlib.sha256(_bytes(payload)).digest())

    def _hand_on(self, sheet: Sheet) -> Iterator[Payload]:
        """The answer, unless the same content was handed on before; or the details of its records."""
        if sheet.digest in self._handed:
            return
        self._handed.add(sheet.digest)
        detail = self._options.detail
        if detail is None or sheet.payload.facts.get("undecodable"):
            yield sheet.payload
            return
        for key in sheet.keys:
            if key.startswith("?") or key in self._detailed:
                continue
            self._detailed.add(key)
            payload = self._call(detail.operation, {detail.parameter: key})
            try:
                root = inner(payload)
            except xml.DamagedXml as error:
                payload.facts.update(undecodable=True)
                self._note("undecodable", f"detail of {key}: {error.message}")
            else:
                payload.facts.update(total=_total(root))
                if not _records(root, self._options.record):
                    raise ProviderError(
                        f"{detail.operation} knows nothing of a record that {self._options.operation} lists",
                        remedy="tell the source's owner; it is read again with the next sync",
                        zh=f"列表中有该记录，但 {detail.operation} 查无此件，请联系数源部门。",
                        record=key,
                        code="detail_missing",
                    )
            yield payload

    def _note(self, code: str, detail: str) -> None:
        self._issues.setdefault(code, Issue(code, detail))

    def _proof(self, complete: bool, why: str, this: _Pass) -> Proof:
        claimed = max(this.totals - {-1}, default=None)
        return Proof(complete, why, claimed=claimed, distinct=len(this.keys), issues=list(self._issues.values()))


def decode(payload: Payload, options: DocumentFeed, key: list[str], limits: Limits | None = None) -> Batch:
    """One answer → its records. What does not decode, or is no XML, is a Reject, with its raw text, bad bytes escaped.

    :raises ProviderError: the answer is of another shape than the contract's.
    """
    limits = limits or Limits()
    try:
        root = inner(payload)
    except (xml.DamagedXml, xml.HugeXml) as error:
        root = _salvaged(payload, options, limits)
        if root is None or not _records(root, options.record):
            return Batch(rows.table([], [], options.columns), [_reject(payload, options, key, error)])
    fault = xml.contradicts(_bytes(payload), _type(payload))
    issues = [Issue("charset_differs", fault)] if fault else []
    records, places, rejects = [], [], []
    single = frozenset(options.columns) - frozenset(options.nested)
    damaged = xml.is_damaged(root)  # asked of all at once, as nearly none is
    for number, one in enumerate(_records(root, options.record), 1):
        place = f"{options.record} {number}"
        reject = _unsound(one, _place(payload, place), key, single, damaged)
        if reject is not None:
            rejects.append(reject)
            continue
        records.append(xml.record(one, options.nested))
        places.append(place)
    table, beyond = rows.bounded(records, places, options.columns, limits)
    return Batch(table, rejects + beyond, issues)


def _unsound(
    record: etree._Element, place: str, key: list[str], single: frozenset[str], damaged: bool
) -> Reject | None:
    """A record that is no XML, holds bytes that are no text, or a field of ``single`` twice."""
    if why := record.get(xml.BROKEN):
        return Reject(place, "xml_damaged", f"{place} is no XML: {why}", (record.text or "")[: xml.RAW])
    if not (damaged and xml.is_damaged(record)):
        double = xml.twice(record, single)
        return xml.ambiguous(record, place, double, _key(record, key)) if double else None
    raw = xml.shown(record)
    name = _key(record, key)
    clean = name if name and xml.DAMAGE not in name else None
    return Reject(place, "undecodable", f"{place} has bytes that are no text; they stand as \\xNN", raw, clean)


def _place(payload: Payload, place: str) -> str:
    page, size = payload.facts.get("page"), payload.facts.get("size")
    return f"page {page} of size {size}" if page and size == 1 else place


def inner(payload: Payload) -> etree._Element:
    """The document within the answer's one string. The envelope's charset is that of its media type.

    :raises DamagedXml: envelope or document cannot be read. :raises UnsafeXml: either declares a document type.
    :raises ProviderError: the answer holds no string with a document.
    """
    return xml.parse(_held(xml.parse(_bytes(payload), _type(payload))), what=_INNER)


def _held(envelope: etree._Element) -> str:
    """The answer's one string. :raises ProviderError: there is none."""
    body = envelope_body(envelope)
    element = next(iter(children(body)), None)
    while element is not None and len(element):
        element = next(iter(children(element)), None)
    held = "" if element is None else xml.content(element) or ""
    if not held.strip():
        raise ProviderError(
            "the answer's string is empty: there should be a document in it",
            remedy="tell the source's owner",
            zh="响应中的结果字符串为空，应含一份 XML 文档，请联系数源部门。",
            code="empty_answer",
        )
    return held


def _reject(payload: Payload, options: DocumentFeed, key: list[str], error: xml.DamagedXml | xml.HugeXml) -> Reject:
    root = _salvaged(payload, options)
    records = _records(root, options.record) if root is not None else []
    name = _key(records[0], key) if len(records) == 1 else None
    raw = xml.escaped(_bytes(payload), _type(payload))
    page, size = payload.facts.get("page"), payload.facts.get("size")
    place = f"page {page} of size {size}" if page else "the answer"
    clean = name if name and xml.DAMAGE not in name else None
    return Reject(place, error.code, error.message, raw=raw, record=clean)


def _salvaged(payload: Payload, options: DocumentFeed, limits: Limits | None = None) -> etree._Element | None:
    """The document with marks in place of what does not decode, and records that are no XML as their text; None when
    even so it is no XML.
    """
    envelope = xml.text(_bytes(payload), _type(payload), mark=True)
    try:
        held = _held(xml.parse(envelope, limits=limits))
    except xml.CutXml:
        return None
    except ProviderError:
        held = _between(envelope)
    try:
        return xml.lenient(held, (options.record,), what=_INNER, limits=limits)
    except ProviderError:
        return None


def _between(envelope: str) -> str:
    """The document within an envelope that is no XML itself: all that is escaped in it."""
    start, end = envelope.find("&lt;"), envelope.rfind("&gt;")
    if "<!DOCTYPE" in envelope or not 0 <= start < end:
        return ""
    return xml.unescaped(envelope[start : end + 4])


def _records(root: etree._Element, name: str) -> list[etree._Element]:
    return children(root, name)


def _key(record: etree._Element, names: list[str]) -> str:
    values = {local(child).lower(): (xml.content(child) or "").strip() for child in children(record)}
    parts = [values.get(name.lower(), "") for name in names]
    return "|".join(parts) if any(parts) else ""


def _total(root: etree._Element) -> int | None:
    given = (root.get("total") or "").strip()
    if not given.isdigit():
        raise ProviderError(
            f"<{local(root)}> says total={given!r}, which is no number",
            remedy="tell the source's owner: the contract wants total and page on it",
            zh=f"<{local(root)}> 的 total 属性为 {given!r}，不是数字，请联系数源部门。",
            field="total",
            code="no_total",
        )
    return int(given)


def _digest(root: etree._Element) -> bytes:
    """Of a document's records, whatever its total and page."""
    return hashlib.sha256(b"".join(etree.tostring(child) for child in root)).digest()


def _bytes(payload: Payload) -> bytes:
    return _envelope(payload)[0]


def _type(payload: Payload) -> str | None:
    return _envelope(payload)[1]


def _envelope(payload: Payload) -> tuple[bytes, str | None]:
    return multipart.envelope(payload.content, payload.media_type)
