"""Listings by offset: read to the end, and prove that nothing slipped through.

A page may be short, capped, or hold nil items; only an empty one, or a total that is reached, is the end. A row that
is deleted or inserted while pages are read moves the others across the page's edge. Where the source gives a total,
a reading is whole when the total stood still and as many distinct keys came. Where it gives none, each page begins
with the last row of the page before: if that row is not in it, something moved. Either way the listing is then read
again; pages whose content was handed on already are not handed on twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from connectors.base import Issue, Payload, Proof
from connectors.paging.progress import Progress
from core.errors import ProviderError

_READINGS = 4
_NIL_PAGES = 3  # pages of nil items alone, one after the other: nothing more will come


@dataclass(slots=True)
class Page:
    """One answer. ``keys`` of its rows in order, "" where a row has none; ``items`` counts nil ones too."""

    payload: Payload
    keys: list[str]
    items: int
    digest: bytes
    total: int | None = None
    more: bool = False  # the answer says beside its total that more follows
    columns: frozenset[str] | None = None


@dataclass(slots=True)
class _Reading:
    keys: list[str] = field(default_factory=list)  # of rows, each offset once
    totals: set[int] = field(default_factory=set)
    moved: bool = False
    ended: bool = False  # read to where nothing more comes
    doubted: bool = False  # a total was contradicted: it proves nothing

    @property
    def distinct(self) -> int:
        return len(set(self.keys))

    def believed(self, page: Page, asked: int) -> int | None:
        """The total that a page at the offset ``asked`` states; None where none is stated, or none is believed any more."""
        if page.total is not None and page.items and (page.more or self.doubted) and asked + page.items >= page.total:
            self.doubt()  # «all came» and «more follows» in one answer
        if page.total is not None and not self.doubted:
            self.totals.add(page.total)
        return None if self.doubted else page.total

    def doubt(self) -> None:
        """Totals prove nothing in this reading."""
        self.doubted = True
        self.totals.clear()


def read(ask: Callable[[int], Page], what: str, key: Sequence[str]) -> Iterator[Payload | Proof]:
    """``ask(start)`` gives the page at an offset from 0. Yields payloads, then the proof.

    :raises ProviderError: the same rows come at every offset. :raises ConfigurationError: no row has the key.
    """
    handed: set[bytes] = set()
    issues: dict[str, Issue] = {}
    before: _Reading | None = None
    for _ in range(_READINGS):
        this = _Reading()
        for page in _read_once(ask, this, what, key):
            if page.digest not in handed:
                handed.add(page.digest)
                yield page.payload
        proof = _proof(this, before)
        if this.doubted:
            issues["total_contradicted"] = Issue(
                "total_contradicted", f"{what}: the total says that all came, and more follows; it is not believed"
            )
        if proof.complete:
            if this.totals and this.distinct < len(this.keys):
                issues["duplicate_key"] = Issue(
                    "duplicate_key", f"{what}: {len(this.keys)} rows have only {this.distinct} distinct keys"
                )
            proof.issues = list(issues.values())
            yield proof
            return
        issues.setdefault("listing_changed", Issue("listing_changed", f"{what}: {proof.why}; read again"))
        before = this
    proof.issues = list(issues.values())
    yield proof


def _read_once(ask: Callable[[int], Page], this: _Reading, what: str, key: Sequence[str]) -> Iterator[Page]:
    position, last, nil_pages, pages = 0, "", 0, 0
    progress = Progress(what, key)
    overlap = False
    while True:
        asked = position - 1 if overlap else position
        page = ask(asked)
        pages += 1
        total = this.believed(page, asked)
        if overlap and last not in page.keys:
            this.moved = True
            if page.items:
                yield page
                return
            overlap = False
            continue
        fresh = progress.page(page.keys, page.columns) if page.keys else False
        if page.items:
            yield page
        if not page.items or (overlap and not fresh):
            if not overlap:
                this.ended = True
                return
            overlap = False  # the last row came again and nothing after it: only an empty page is the end
            continue
        nil_pages = 0 if page.keys else nil_pages + 1
        if progress.stuck:
            raise _offset_ignored(what, position)
        if nil_pages == _NIL_PAGES:
            return
        this.keys.extend(page.keys[page.keys.index(last) + 1 :] if overlap else page.keys)
        position = asked + _advance(page, total)
        last = next(reversed(dict.fromkeys(page.keys)), "")  # a page may end with a row that it held already
        if total is not None and position >= total:
            # a total that is just the first page's size may be no total at all: an empty page must agree
            of_first_page = pages == 1 and page.items and asked + page.items <= total
            if not of_first_page or not ask(position).items:
                return
            this.doubt()
            total = None
        overlap = total is None and bool(last)


def _offset_ignored(what: str, position: int) -> ProviderError:
    return ProviderError(
        f"{what}: the same rows come at every offset, the last asked was {position}",
        remedy="the source does not heed the offset: tell its owner",
        zh=f"{what}：无论从第几条取，返回的都是同样的记录（最后一次为 {position}），请联系数源部门。",
        code="offset_ignored",
    )


def _advance(page: Page, total: int | None) -> int:
    """How far a page surely reaches. Nil items and repeated rows may stand for a place in the listing or for nothing:
    where no total tells, going on by what is certain misses no row, and meets some twice.
    """
    if total is not None or not page.keys:
        return len(page.keys) or page.items
    return len({key for key in page.keys if key}) + page.keys.count("")


def _proof(this: _Reading, before: _Reading | None) -> Proof:
    if this.moved:
        if before is not None and before.ended and this.ended and before.keys == this.keys:
            return Proof(True, "two readings to the end gave the same rows", distinct=this.distinct)
        return Proof(False, "rows moved while it was read", distinct=this.distinct)
    if not this.totals:
        return Proof(
            True,
            "read to an empty page, each page beginning with the last row of the one before",
            distinct=this.distinct,
        )
    claimed = max(this.totals)
    if len(this.totals) > 1:
        return Proof(False, f"the total changed: {sorted(this.totals)}", claimed=claimed, distinct=this.distinct)
    if this.distinct == claimed:
        return Proof(
            True, "as many distinct keys as the total, which stood still", claimed=claimed, distinct=this.distinct
        )
    if before is not None and before.keys == this.keys and len(this.keys) == claimed:
        return Proof(
            True, "two readings gave the same rows, as many as the total", claimed=claimed, distinct=this.distinct
        )
    return Proof(
        False, f"{this.distinct} distinct keys, the total says {claimed}", claimed=claimed, distinct=this.distinct
    )
