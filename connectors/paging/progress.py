"""Does a listing still bring something? Held by every paging protocol, so that none asks without end.

A page that brings no new key may be a repetition, a filtered one, or the server's way of never ending. After
:data:`STUCK` of them running nothing more is asked. Where the source says that more follows all the same, the listing is
reported as one without end, and is not complete.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import Any, NamedTuple

from connectors.base import Issue
from core.errors import ConfigurationError
from sources.declaration import UNDECIDED

STUCK = 5


class Nameless(NamedTuple):
    """A row without a key, by its content: it counts, and proves nothing."""

    content: int


class Progress:
    """The distinct keys of one reading. A key is a text or a tuple of texts; "" and None name nothing."""

    def __init__(self, feed: str, key: Collection[str]) -> None:
        self.seen: set[Hashable] = set()
        self._nameless: set[Hashable] = set()
        self._feed = feed
        self._key = key
        self._stuck = 0

    def page(self, keys: Iterable[Hashable], columns: Collection[str] | None = None) -> bool:
        """Take a page's keys; whether one of them is new. ``columns``: names that its rows have.

        :raises ConfigurationError: the rows have no such key: what does not name a row proves no end.
        """
        given = list(keys)
        fresh = {key for key in given if _names(key)} - self.seen
        self.seen |= fresh
        nameless = {key for key in given if isinstance(key, Nameless)}
        if UNDECIDED in self._key:  # a draft: rows are told apart by their content
            fresh |= nameless - self._nameless
        self._nameless |= nameless
        self._stuck = 0 if fresh else self._stuck + 1
        if given and not self.seen and UNDECIDED not in self._key:
            there = None if columns is None else {name.casefold() for name in columns}
            lacking = there is not None and not there & {name.casefold() for name in self._key}
            if (lacking and len(given) > 1) or self._stuck >= STUCK:
                raise self._no_key(columns)
        return bool(fresh)

    @property
    def distinct(self) -> int:
        """Rows that differ: by key, or where they have none, by content."""
        return len(self.seen) + len(self._nameless)

    @property
    def stuck(self) -> bool:
        """Nothing new has come for so many pages that nothing will."""
        return self._stuck >= STUCK

    def issue(self) -> Issue:
        """The listing has no end."""
        return Issue(
            "listing_without_end",
            f"{self._feed}: {STUCK} pages running brought no new key, though the source says that more follows; "
            f"{len(self.seen)} distinct keys came",
        )

    def _no_key(self, columns: Collection[str] | None) -> ConfigurationError:
        names = "、".join(self._key)
        has = f"; they have {', '.join(sorted(columns))}" if columns else ""
        return ConfigurationError(
            f"{self._feed}: no row has a value of its key {', '.join(self._key)}{has}",
            remedy="correct key in the source's declaration: without it neither a row nor the listing's end is known",
            zh=f"数据项 {self._feed} 的记录都没有声明的主键 {names}，无法判断列表是否读完，请更正数源声明中的 key。",
            feed=self._feed,
            field="key",
            code="no_key",
        )


def _names(key: Any) -> bool:
    if isinstance(key, Nameless):
        return False
    parts = key if isinstance(key, tuple) else (key,)
    return any(part not in (None, "") for part in parts)
