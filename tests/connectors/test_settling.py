"""Listings by page number that move while they are read, against every kind of move."""

from __future__ import annotations

import random

import pytest

from connectors.paging import settling
from connectors.paging.progress import Progress


class Listing:
    """A source as docs/source-systems.md has it: rows by (time, key), pages from 1, the last page repeated past the end."""

    def __init__(self, rows: dict[str, int], size: int, end: int | None = None) -> None:
        self.rows, self.size, self.end, self.calls = dict(rows), size, end, 0
        self.moves: dict[int, list] = {}
        self.untouched = set(rows)
        self.since = dict.fromkeys(rows, 0)  # the call after which a row last moved

    def after(self, call: int, key: str, time: int) -> Listing:
        """After that call, the row gets that time (it may leave the window, move, or join)."""
        self.moves.setdefault(call, []).append((key, time))
        self.untouched.discard(key)
        return self

    def __call__(self, number: int) -> settling.Page:
        shown = sorted((t, k) for k, t in self.rows.items() if self.end is None or t < self.end)
        pages = -(-len(shown) // self.size)
        number = max(1, min(number, pages or 1))
        rows = {key: time for time, key in shown[(number - 1) * self.size : number * self.size]}
        self.calls += 1
        self.known = {key for _, key in shown if self.since[key] <= self.calls - max(1, pages)}
        for key, time in self.moves.get(self.calls, []):
            self.rows[key], self.since[key] = time, self.calls
        return settling.Page(number, rows, len(shown), pages, None)

    def inside(self) -> set[str]:
        """What the listing held at its last answer, but for what moved in the last round: the lag is for that."""
        return self.known


def read(listing: Listing, rounds: int = 8):
    keys, reader = (
        set(),
        settling.read(listing, open_end=listing.end is None, rounds=rounds, progress=lambda: Progress("x", ["k"])),
    )
    while True:
        try:
            keys |= set(next(reader).rows)
        except StopIteration as stop:
            return keys, stop.value


def rows(count: int) -> dict[str, int]:
    return {f"k{n:03d}": n for n in range(count)}


@pytest.mark.parametrize("end", [None, 1000])
@pytest.mark.parametrize("count", [0, 1, 10, 25])
def test_a_listing_at_rest_is_whole(count, end):
    keys, verdict = read(Listing(rows(count), 10, end))
    assert verdict.complete and verdict.claimed == verdict.distinct == count
    assert len(keys) == count


def test_a_listing_at_rest_costs_one_answer_more_without_an_end():
    listing = Listing(rows(25), 10)
    read(listing)
    assert listing.calls == 4


def test_a_row_that_leaves_the_window_hides_no_other():
    listing = Listing(rows(20), 10, end=100).after(1, "k000", 200)  # k010 slips onto page 1
    keys, verdict = read(listing)
    assert verdict.complete
    assert "k010" in keys


def test_a_row_that_leaves_while_another_joins_hides_no_other():
    listing = Listing(rows(20), 10, end=100).after(1, "k000", 200).after(1, "late", 50)  # the total stays 20
    keys, verdict = read(listing)
    assert verdict.complete
    assert {"k010", "late"} <= keys


def test_a_row_that_moves_to_the_end_hides_no_other():
    listing = Listing(rows(20), 10).after(1, "k000", 200).after(1, "late", 50)
    keys, verdict = read(listing)
    assert verdict.complete
    assert keys == listing.inside()


def test_a_listing_that_never_rests_is_told_as_incomplete():
    listing = Listing(rows(20), 10, end=10_000)
    for call in range(1, 200):
        listing.after(call, f"new{call}", 500 + call)
    _, verdict = read(listing, rounds=4)
    assert not verdict.complete
    assert listing.calls <= 4 * 5


def test_a_total_that_is_wrong_is_given_up_early():
    class Wrong(Listing):
        def __call__(self, number):
            page = super().__call__(number)
            return settling.Page(page.number, page.rows, page.total + 1, page.pages, None)

    listing = Wrong(rows(20), 10, end=100)
    _, verdict = read(listing, rounds=50)
    assert not verdict.complete and verdict.claimed == 21 and verdict.distinct == 20
    assert listing.calls == 6


@pytest.mark.parametrize("seed", range(300))
def test_whatever_moves_no_untouched_row_is_lost(seed):
    chance = random.Random(seed)
    count, size = chance.randint(1, 40), chance.randint(2, 12)
    end = chance.choice([None, 1000])
    listing = Listing(rows(count), size, end)
    for _ in range(chance.randint(0, 8)):
        call = chance.randint(1, 8)
        kind = chance.random()
        if kind < 0.6:
            listing.after(call, f"k{chance.randrange(count):03d}", 2000 + call if end else 500 + call)
        else:
            listing.after(call, f"late{chance.randrange(3)}", chance.randint(0, 900))
    keys, verdict = read(listing, rounds=12)
    assert verdict.complete
    assert listing.untouched <= keys
    assert listing.inside() <= keys
