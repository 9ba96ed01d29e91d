"""An initial load is merged while it is read, and leaves what it would have left had it been merged when it was read."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.errors import TransientError
from pipeline import decode
from quality import validation
from store import hash as store_hash
from store import initial, tables
from store.engine import engine
from store.initial import InitialLoad
from store.staging import Staged
from store.unify import RECORDS
from tests.pipeline.rows import case, licence, rows, run, scalar, sheet, window

DAY = window("2026-03-01", "2026-03-02")
EMPTIED = "source.record, source.record_history, source.version_scope, store.dirty, landing.quarantine, landing.issue, landing.arrival_day"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(decode, "BATCH_ROWS", 4)


def left(outcome):
    """What a run leaves."""
    return (
        outcome.outcome,
        outcome.counts,
        store_hash.of_sources(),
        rows(
            f"""select r.feed, r.record_key, d.feed, d.fresh from ({RECORDS.format(d="store.dirty")}) d
                left join source.record r on r.id = d.record_id order by 1, 2"""
        ),
        rows("select record_key, reasons, state from landing.quarantine order by record_key, fingerprint"),
        rows("select code, record, field, detail, count from landing.issue order by 1, 2, 3, 4"),
        rows("select kind, part, at, rows from landing.arrival order by 1, 2, 3"),
    )


def both_ways(monkeypatch, feed, span, loaded):
    """The same batch as an initial load, and merged when it was read; ``loaded``: it went in as one."""
    seen = []
    stands = InitialLoad.stands
    monkeypatch.setattr(InitialLoad, "stands", lambda self: seen.append(stands(self)) or seen[-1])
    first = left(run(feed, span))
    assert seen == ([loaded] if loaded is not None else [])
    entities = ", ".join(table.fullname for table in tables.source_entity.values())
    with engine().begin() as connection:
        connection.execute(sa.text(f"truncate {EMPTIED}, {entities}"))
    with monkeypatch.context() as patch:
        patch.setattr(InitialLoad, "begin", lambda self: False)
        second = left(run(feed, span))
    assert first == second
    assert scalar("select count(*) from pg_tables where schemaname = 'staging'") == 0
    return first


def test_a_listing_of_several_batches_is_loaded(world, monkeypatch):
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in (0, 4, 8)]
    outcome, counts, *_ = both_ways(monkeypatch, "m2.sb", DAY, True)
    assert (outcome, counts.new) == ("ok", 12)


def test_the_first_batch_alone_and_a_feed_that_holds_something_are_merged_as_ever(world, monkeypatch):
    world["m2.sb"].pages = [[case(n) for n in range(4)]]
    monkeypatch.setattr(initial, "_RECORDS", "select 1 / 0")
    assert run("m2.sb", DAY).counts.new == 4
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in (0, 4, 8)]
    counts = run("m2.sb", DAY).counts
    assert (counts.unchanged, counts.new) == (4, 8)


@pytest.mark.parametrize("seed", range(6))
def test_dirty_listings_end_the_same(world, monkeypatch, seed):
    """Unreadable values, refused values, broken rows and, every other time, keys that come twice."""
    dice = random.Random(seed)
    keys = list(range(14)) if seed % 2 else [dice.randrange(10) for _ in range(14)]
    spoilt = [{}, {}, {}, {"SBSJ": "gestern"}, {"SQRLX": "9"}, {"_broken": "?"}, {"SBXMMC": "名" * 3}]
    told = [case(key, f"2026-03-01 {dice.randrange(10, 12)}:00:00", **dice.choice(spoilt)) for key in keys]
    world["m2.sb"].pages = [told[start : start + 3] for start in range(0, len(told), 3)]
    both_ways(monkeypatch, "m2.sb", DAY, loaded=bool(seed % 2))


def test_what_a_suite_rejects_is_taken_out_again(world, monkeypatch):
    def judge(connection, staged):
        connection.execute(
            sa.text(
                f"insert into {staged.name('failed')} (row_id, code, field, message) "
                f"select row_id, 'missing_value', 'x', 'm' from {staged.name('record')} where record_key like '%3|1'"
            )
        )
        return []

    monkeypatch.setattr(validation, "validate", judge)
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in (0, 4, 8, 12)]
    _, counts, _, dirty, quarantine, *_ = both_ways(monkeypatch, "m2.sb", DAY, True)
    assert (counts.new, counts.quarantined, len(dirty), len(quarantine)) == (14, 2, 14, 2)
    assert scalar("select count(*) from source.case") == 14


def test_deletions_that_a_first_listing_brings_are_tombstones(world, monkeypatch):
    pages = [
        [licence(n, "2026-03-01 10:00:00", "D" if n % 5 == 0 else "I") for n in range(s, s + 4)] for s in (0, 4, 8)
    ]
    world["p3.licence"].pages = pages
    _, counts, *_ = both_ways(monkeypatch, "p3.licence", DAY, True)
    assert (counts.new, counts.tombstoned) == (9, 3)


def test_parts_that_replace_others_are_merged_when_they_are_read(world, monkeypatch):
    world["d4.cases"].pages = [[sheet(n) for n in range(start, start + 4)] for start in (0, 4, 8)]
    world["d4.cases"].scopes = ["HB_20260301080000"]
    both_ways(monkeypatch, "d4.cases", DAY, None)


def test_a_reading_that_takes_too_long_is_merged_when_it_is_read(world, monkeypatch):
    monkeypatch.setattr(initial, "LONGEST", timedelta())
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in (0, 4, 8)]
    both_ways(monkeypatch, "m2.sb", DAY, False)


def test_rows_that_stand_elsewhere_than_where_their_batch_was_written_are_loaded_all_the_same(world, monkeypatch):
    """A row that is smaller than others takes the room that was left in a block long before."""
    monkeypatch.setattr(initial, "_AHEAD", -10_000)
    indexed = []
    index = Staged.index
    monkeypatch.setattr(Staged, "index", lambda self, connection: indexed.append(index(self, connection)))
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in range(0, 80, 4)]
    outcome, counts, *_ = both_ways(monkeypatch, "m2.sb", DAY, True)
    assert (outcome, counts.new) == ("ok", 80)
    assert indexed, "the batches after it are found by their ids"


def test_rows_that_are_not_found_in_staging_are_merged_when_all_is_read(world, monkeypatch):
    write = InitialLoad._write
    monkeypatch.setattr(InitialLoad, "_write", lambda self, *given, **place: write(self, *given, **place) - 1)
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in (0, 4, 8)]
    outcome, counts, *_ = both_ways(monkeypatch, "m2.sb", DAY, False)
    assert (outcome, counts.new) == ("ok", 12)


def test_a_source_that_fails_midway_leaves_nothing_of_what_was_loaded(world):
    world["m2.sb"].pages = [[case(n) for n in range(start, start + 4)] for start in (0, 4, 8, 12)]
    world["m2.sb"].fail_after, world["m2.sb"].error = 3, TransientError("away")
    assert run("m2.sb", DAY).outcome == "failed"
    for table in ("source.record", "source.case", "store.dirty"):
        assert scalar(f"select count(*) from {table}") == 0
    world["m2.sb"].fail_after = None
    assert run("m2.sb", DAY).counts.new == 16


def test_a_batch_that_the_gate_stops_leaves_nothing_of_what_was_loaded(world, monkeypatch):
    told = [case(n, SBSJ="gestern") for n in range(60)]
    world["m2.sb"].pages = [told[start : start + 10] for start in range(0, 60, 10)]
    outcome, counts, _, dirty, quarantine, *_ = both_ways(monkeypatch, "m2.sb", DAY, None)
    assert (outcome, dirty, len(quarantine)) == ("failed", [], 60)
