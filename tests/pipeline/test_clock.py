"""A clock that is wrong stops nothing for long: it is noticed, told, and what it completed is taken back."""

from datetime import UTC, datetime, timedelta

import pytest

from core import clock
from core.errors import ConfigurationError
from pipeline import health, plan, registry
from store import clockwatch
from tests.pipeline.rows import FULL, case, rows, run, scalar, window

AHEAD = timedelta(days=400)


def off(monkeypatch, by: timedelta):
    true = clock.now
    monkeypatch.setattr(clock, "now", lambda: true() + by)


def planned(feed: str):
    declared = registry.feed(feed)[1]
    return plan.due(registry.connector(None), declared, clock.now())


def issues() -> set[str]:
    return {row["code"] for row in rows("select code from landing.issue")}


def reach() -> datetime:
    return scalar("select upper(intervals) from landing.completed")


def test_a_run_ahead_of_the_database_completes_no_future(world, monkeypatch):
    world["m2.sb"].pages = [[case(1)]]
    with monkeypatch.context() as patch:
        off(patch, AHEAD)
        assert run("m2.sb", FULL).outcome == "ok"
    assert reach() <= clock.now()
    assert scalar("select read_at from landing.completed") <= clock.now() + timedelta(seconds=5)
    assert planned("m2.sb") and "clock_hub" in issues()


def test_a_clock_file_that_ran_ahead_is_mended_by_the_next_run(world, monkeypatch, tmp_path):
    """Database and sources followed the same wrong clock: only the past can tell."""
    world["m2.sb"].pages = [[case(1)]]
    begun = clock.now()
    run("m2.sb", FULL)
    sound = reach()
    file = tmp_path / "clock"
    monkeypatch.setenv("ONEMAP_CLOCK_FILE", str(file))
    file.write_text(str(AHEAD.total_seconds()))
    run("m2.sb", window(sound.isoformat(), clock.now().isoformat()))
    assert reach() > begun + timedelta(days=390)
    file.write_text("0")
    (told,) = [one for one in health.health("m2") if one.feed == "m2.sb"]
    assert told.light != "ok" and "时钟" in told.zh and told.remedy
    tasks = planned("m2.sb")
    assert tasks and datetime.fromisoformat(tasks[0].start) <= sound
    world["m2.sb"].pages = [[case(2)]]
    for task in tasks:
        run("m2.sb", plan.window(task))
    assert begun - timedelta(hours=1) < reach() <= clock.now() and "clock_jumped" in issues()
    (told,) = [one for one in health.health("m2") if one.feed == "m2.sb"]
    assert told.light == "ok"


def test_a_source_whose_clock_is_behind_completes_no_further_than_its_own_present(world, monkeypatch):
    behind = timedelta(hours=3)
    told = world["m2.sb"]
    told.pages = [[case(1)]]
    told.server_date = lambda: (datetime.now(UTC) - behind).isoformat()
    assert run("m2.sb", FULL).outcome == "ok"
    assert abs(reach() - (clock.now() - behind - registry.feed("m2.sb")[1].cursor.lag)) < timedelta(minutes=1)
    assert "clock_source" in issues()


def test_a_source_whose_clock_is_ahead_moves_nothing(world):
    told = world["m2.sb"]
    told.pages = [[case(1)]]
    told.server_date = lambda: (datetime.now(UTC) + AHEAD).isoformat()
    run("m2.sb", FULL)
    assert reach() <= clock.now() and "clock_source" in issues()


def test_a_clock_that_fell_back_takes_nothing_back(world, monkeypatch):
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb", FULL)
    before = reach()
    with monkeypatch.context() as patch:
        off(patch, -AHEAD)
        planned("m2.sb")
        assert run("m2.sb", window("2026-03-01", "2026-03-02")).outcome == "ok"
        assert "clock_hub" in issues()
    assert reach() == before


def test_nothing_is_judged_by_a_day_that_may_not_be_today(world, monkeypatch):
    clockwatch.require()
    off(monkeypatch, AHEAD)
    with pytest.raises(ConfigurationError, match="clock"):
        clockwatch.require()


def test_sources_that_agree_outvote_hub_and_database_of_one_machine(world):
    """The whole machine is 400 days ahead, its database with it: the receipts of the sources say so."""
    for feed in ("m2.sb", "d2.projects"):
        world[feed].pages = [[]]
        world[feed].server_date = lambda: (datetime.now(UTC) - AHEAD).isoformat()
        run(feed, FULL)
    found = clockwatch.doubt()
    assert found and found.witness == "sources" and found.ahead > timedelta(days=399)
