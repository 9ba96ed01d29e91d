"""Rows that a statement cannot give all at once, by their keys: those that can be read, and those that cannot, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.transports.sql_engine import UnreadableRow

AT_ONCE = 500  # keys that are asked for at once

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rows of one key that the source cannot say, and what it said instead."""

    key: Key
    rows: int
    why: str


def by_key(
    counts: Counter[Key], read: Callable[[Sequence[Key]], list[Sequence[Any]]], key_of: Callable[[Sequence[Any]], Key]
) -> Iterator[list[Sequence[Any]] | Unreadable]:
    """Every row of ``counts`` (key → how many rows have it), in its order; halved where ``read`` fails or gives too few.

    ``read`` may give rows of other keys that its source takes for equal; they are not taken twice.
    """
    keys = list(counts)
    waiting = [keys[n : n + AT_ONCE] for n in range(0, len(keys), AT_ONCE)][::-1]
    while waiting:
        wanted = waiting.pop()
        rows: list[Sequence[Any]] = []
        why = "the row is not found again by its key"
        try:
            among = set(wanted)
            rows = [row for row in read(wanted) if key_of(row) in among]
        except UnreadableRow as error:
            why = error.message
        lacking = sum(counts[key] for key in wanted) - len(rows)
        if lacking > 0 and len(wanted) > 1:
            middle = len(wanted) // 2
            waiting += [wanted[middle:], wanted[:middle]]
            continue
        if rows:
            yield rows
        if lacking > 0:
            yield Unreadable(wanted[0], lacking, why)
