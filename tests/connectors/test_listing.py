"""Listings by offset: what is read whole, and what is not believed."""

from __future__ import annotations

import pytest

from connectors.paging import listing
from connectors.paging.listing import Page
from core.errors import ProviderError


class Server:
    """Rows behind an offset. ``before(asked)`` may change them; None is a nil item."""

    def __init__(self, rows, *, cap=10, total=None, before=None):
        self.rows, self.cap, self.total, self.before = list(rows), cap, total, before
        self.asked = []

    def __call__(self, start):
        if self.before:
            self.before(self, len(self.asked))
        self.asked.append(start)
        page = self.rows[start : start + self.cap]
        total = len(self.rows) if self.total is True else self.total
        return Page(page, [row for row in page if row is not None], len(page), repr(page).encode(), total)


def read(server):
    *pages, proof = listing.read(server, "x", ["k"])
    return {row for page in pages for row in page if row is not None}, proof


ROWS = [f"r{n:03d}" for n in range(57)]


@pytest.mark.parametrize("total", [True, None])
@pytest.mark.parametrize("cap", [1, 7, 10, 57, 100])
def test_whole_listing_comes_whatever_the_cap(total, cap):
    found, proof = read(Server(ROWS, cap=cap, total=total))
    assert found == set(ROWS) and proof.complete and proof.distinct == 57 and not proof.issues


@pytest.mark.parametrize("places", [[], [0], [56], [5, 6, 7], range(10, 21), [0, 10, 20, 30, 40, 50, 60]])
def test_nil_items_hide_no_row(places):
    rows = list(ROWS)
    for place in places:
        rows.insert(place, None)
    found, proof = read(Server(rows))
    assert found == set(ROWS) and proof.complete


@pytest.mark.parametrize("total", [True, None])
def test_row_deleted_before_the_page_is_noticed_and_nothing_is_missed(total):
    def before(server, call):
        if call == 2:
            server.rows.remove("r003")

    found, proof = read(Server(ROWS, total=total, before=before))
    assert found >= set(ROWS) - {"r003"} and proof.complete and proof.distinct == 56
    assert [issue.code for issue in proof.issues] == ["listing_changed"]


def test_row_inserted_before_the_page_is_found():
    def before(server, call):
        if call == 3:
            server.rows.insert(0, "new")

    found, proof = read(Server(ROWS, total=True, before=before))
    assert found == {*ROWS, "new"} and proof.complete and proof.claimed == 58


def test_total_that_never_stands_still_proves_nothing():
    def before(server, call):
        server.total = 57 + call

    found, proof = read(Server(ROWS, before=before))
    assert found == set(ROWS) and not proof.complete


def test_total_above_what_comes_proves_nothing():
    found, proof = read(Server(ROWS, total=60))
    assert found == set(ROWS) and not proof.complete and (proof.claimed, proof.distinct) == (60, 57)


def test_empty_listing_with_a_total_is_not_believed():
    assert not read(Server([], total=5))[1].complete
    assert read(Server([], total=0))[1].complete


def test_repeated_keys_are_told_but_prove_when_they_stay():
    found, proof = read(Server([*ROWS, "r000"], total=True))
    assert found == set(ROWS) and proof.complete and "duplicate_key" in [issue.code for issue in proof.issues]


def test_offset_that_is_not_heeded_is_the_providers_fault():
    with pytest.raises(ProviderError) as caught:
        read(lambda start: Page(ROWS, ROWS, 57, b"same"))
    assert caught.value.code == "offset_ignored"


def test_nils_without_end_end():
    found, proof = read(lambda start: Page([None] * 10, [], 10, b"nil"))
    assert found == set()
