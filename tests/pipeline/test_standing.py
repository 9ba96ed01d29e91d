"""Rows that are what stands already are not staged, and nothing else comes of it than if they had been."""

from __future__ import annotations

from datetime import timedelta

from store import hash as store_hash
from store import quarantine, rawrow
from store.rawrow import LEAST
from tests.pipeline.rows import case, project, rows, run, scalar, sheet  # noqa: F401


def test_a_listing_again_counts_every_row_as_unchanged_and_writes_none(world):
    world["d2.projects"].pages = [[project(n) for n in range(5)]]
    run("d2.projects")
    before = store_hash.of_store()
    again = run("d2.projects")
    assert (again.counts.unchanged, again.counts.rows_in) == (5, 5) and again.counts.balanced
    assert store_hash.of_store() == before
    assert scalar("select count(*) from store.dirty") == 5


def test_one_that_changed_among_many_is_found_and_one_that_is_gone_too(world):
    world["d2.projects"].pages = [[project(n) for n in range(8)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(n, "新名" if n == 3 else "项目") for n in range(7)]]
    outcome = run("d2.projects")
    counts = outcome.counts
    assert (counts.changed, counts.unchanged, counts.absent) == (1, 6, 1)


def test_a_key_said_twice_is_judged_with_all_that_was_said_of_it(world):
    """Without a time of its own the later row of a listing wins, whichever of the two stands already."""
    world["d2.projects"].pages = [[project(1)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(1, "先"), project(1)]]
    counts = run("d2.projects").counts
    assert (counts.unchanged, counts.history, counts.changed) == (1, 1, 0) and counts.balanced
    assert scalar("select project_name from source.project") == "项目1"
    world["d2.projects"].pages = [[project(1), project(1, "后")]]
    counts = run("d2.projects").counts
    assert (counts.unchanged, counts.changed) == (1, 1) and counts.balanced
    assert scalar("select project_name from source.project") == "后1"


def test_a_good_version_that_stood_all_the_time_closes_its_quarantine(world):
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb")
    world["m2.sb"].pages = [[case(1, SBSJ="gestern")]]
    assert run("m2.sb").counts.quarantined == 1
    world["m2.sb"].pages = [[case(1)]]
    assert run("m2.sb").counts.unchanged == 1
    assert quarantine.open_entries("m2.sb") == []


def test_what_was_told_of_a_record_is_told_again_when_it_comes_again(world):
    world["m2.sb"].pages = [[case(1, SQRLX="9")]]
    run("m2.sb")
    (told,) = rows("select * from landing.issue where code = 'unknown_code'")
    run("m2.sb")
    (again,) = rows("select * from landing.issue where code = 'unknown_code'")
    assert again["count"] == told["count"] + 1 and again["last_seen_at"] - told["last_seen_at"] > timedelta()


def test_rows_of_a_large_feed_are_packed_and_read_back(world):
    world["d2.projects"].pages = [[project(n, place="南城街道" if n % 2 else None) for n in range(LEAST)]]
    run("d2.projects")
    stored = rows("select record_key, raw from source.record order by record_key")
    assert sum(len(row["raw"]) for row in stored) < 100 * LEAST
    assert all(f'"projectName":"项目{n}"' in rawrow.text(row["raw"]) for n, row in enumerate(stored))
    assert scalar("select count(*) from source.raw_dictionary") == 1
