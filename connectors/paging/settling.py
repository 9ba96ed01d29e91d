"""When is a listing by page number whole, though it moves while it is read?

docs/source-systems.md, P1: a row that is updated while we page leaves the window, the total shrinks, and an untouched
row slips onto a page already read; late rows join. So pages are read again until nothing moves:

* The window has no end: no row leaves it (an updated one only moves to its end). All keys seen are rows of the
  listing, so distinct = total can only mean that every row was seen; two answers running must say so.
* The window has an end: a row may leave it after it was read, one that slipped by may be missing, and distinct =
  total all the same. So only whole rounds count: every answer of a round tells the same total, its distinct keys are
  that many, and the next round brings the same keys. For one page these are two answers running.

Keys that were seen and have left since were read already; they come again in the window of their new time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Any

from connectors.paging.progress import Progress


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of the listing. ``rows``: key → mark of its content; ``total``, ``pages``: as this answer says."""

    number: int
    rows: dict[Hashable, int]
    total: int
    pages: int
    answer: Any
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it ended. ``claimed``: the latest total; ``distinct``: keys of the latest round."""

    complete: bool
    why: str
    claimed: int
    distinct: int


def read(
    page: Callable[[int], Page], *, open_end: bool, rounds: int, progress: Callable[[], Progress]
) -> Generator[Page, None, Verdict]:
    """Yield the pages that bring a new key or content; return the verdict.

    ``page(n)`` asks for page n (from 1); the end is n ≥ ``pages`` of the latest answer. After ``rounds`` rounds, or
    three that are alike and yet do not add up, it is given up. ``progress`` makes one for each round.
    """
    seen: dict[Hashable, int] = {}
    agreed = alike = 0
    before: tuple[set[int], set[Hashable]] | None = None
    answers = 0
    for _ in range(rounds):
        keys: set[Hashable] = set()
        totals: set[int] = set()
        number, moving = 1, progress()
        while True:
            latest = page(number)
            moving.page(latest.rows, latest.columns)
            answers += 1
            if any(seen.get(key) != mark for key, mark in latest.rows.items()):
                yield latest
            seen.update(latest.rows)
            keys.update(latest.rows)
            totals.add(latest.total)
            agreed = agreed + 1 if len(seen) == latest.total else 0
            if open_end and agreed >= 2:
                return Verdict(
                    True,
                    f"distinct keys equal the total in two answers running ({answers} answers)",
                    latest.total,
                    len(seen),
                )
            if number >= latest.pages:
                break
            if moving.stuck:
                return Verdict(
                    False, f"pages without end bring no new key ({answers} answers)", latest.total, len(keys)
                )
            number += 1
        alike = alike + 1 if before == (totals, keys) else 0
        if alike and totals == {len(keys)}:
            return Verdict(
                True, f"two rounds alike, distinct keys equal the total ({answers} answers)", len(keys), len(keys)
            )
        if alike >= 2:
            break
        before = (totals, keys)
    return Verdict(False, f"the listing did not settle ({answers} answers)", latest.total, len(keys))
