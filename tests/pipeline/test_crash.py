"""Killed at any instant: nothing is half stored, the next run continues, and the outcome says what happened."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from core.errors import InternalError
from pipeline import acknowledge, batch, check, fetch, registry, stage, sync
from pipeline import map as mapping_phase
from store import archive, issues, landing, merge, quarantine, versions
from store import hash as store_hash
from store.engine import engine
from tests.pipeline import killed
from tests.pipeline.fake import FakeConnector
from tests.pipeline.rows import case, run, scalar, window

DAY = window("2026-03-01", "2026-03-02")
PLACES = [
    (archive, "put"),
    (landing, "write_receipt"),
    (mapping_phase, "batch"),
    (stage, "write"),
    (check, "run"),
    (merge, "commit"),
    (versions, "write"),
    (quarantine, "reject"),
    (quarantine, "supersede"),
    (issues, "record"),
    (landing, "complete"),
    (landing, "write_state"),
    (landing, "close_run"),
]


@pytest.mark.parametrize(("module", "name"), PLACES, ids=lambda x: getattr(x, "__name__", x))
def test_an_error_anywhere_stores_nothing_and_the_next_run_continues(world, monkeypatch, module, name):
    world["m2.sb"].pages, world["m2.sb"].state = [[case(1), case(2)], [case(3)]], {"position": 3}
    true, calls = getattr(module, name), []

    def once(*args, **options):
        calls.append(name)
        if len(calls) == 1:
            raise InternalError("struck", zh="中断")
        return true(*args, **options)

    monkeypatch.setattr(module, name, once)
    outcome = run("m2.sb", DAY)
    assert (outcome.outcome, outcome.fault, outcome.zh) == ("failed", "ours", "中断")
    assert outcome.ended_at is not None and outcome.counts.balanced
    for table in ("source.record", "source.case", "store.dirty", "landing.completed", "landing.feed_state"):
        assert scalar(f"select count(*) from {table}") == 0, table
    assert scalar("select count(*) from pg_tables where schemaname = 'staging'") == 0
    assert run("m2.sb", DAY).counts.new == 3


def test_an_error_after_the_commit_leaves_what_was_committed(world, monkeypatch):
    monkeypatch.setattr(acknowledge, "send", lambda job: 1 / 0)
    world["m2.sb"].pages = [[case(1)]]
    assert run("m2.sb", DAY).outcome == "ok"
    assert scalar("select count(*) from source.record") == 1


KILLS = [
    "store.landing:write_receipt#2",
    "pipeline.stage:write#2",
    "store.initial:fill#2",
    "store.landing:close_run",
    "pipeline.acknowledge:send",
]


@pytest.mark.parametrize("place", KILLS)
def test_a_killed_process_leaves_the_store_as_if_it_had_never_run_or_whole(world, place):
    died = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.killed", place], env={**os.environ, "PYTHONPATH": "."}, timeout=120
    )
    assert died.returncode == -signal.SIGKILL
    committed = place.endswith("acknowledge:send")
    assert scalar("select count(*) from source.record") == (15 if committed else 0)
    assert scalar("select count(*) from landing.completed") == (1 if committed else 0)
    world["m2.sb"].pages = killed.PAGES
    outcome = run("m2.sb", DAY)
    assert (outcome.outcome, outcome.counts.new) == ("ok", 0 if committed else 15)
    assert scalar("select count(*) from source.record") == scalar("select count(*) from source.case") == 15
    assert scalar("select count(*) from landing.run where outcome = 'running'") == 0
    assert scalar("select count(*) from landing.run where code = 'RunKilled'") == (0 if committed else 1)


def test_two_runs_of_a_feed_at_once_are_one_after_the_other(world):
    world["m2.sb"].pages = [[case(n) for n in range(50)]]
    inside, most = [], []

    def watch(_):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.3)
        inside.pop()

    world["m2.sb"].on_page = watch
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(run("m2.sb", DAY))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert sorted(o.counts.new for o in outcomes) == [0, 0, 50] and all(o.outcome == "ok" for o in outcomes)


def test_feeds_do_not_wait_for_each_other(world):
    world["m2.sb"].pages, world["m2.bj"].pages = [[case(1)]], [[]]
    with landing.feed_lock("m2.bj"):
        assert run("m2.sb", DAY).outcome == "ok"


def test_a_run_that_waits_too_long_for_another_says_so(world, monkeypatch):
    monkeypatch.setattr(batch, "LOCK_WAIT", timedelta(seconds=0.2))
    holder = threading.Event()
    release = threading.Event()

    def hold():
        with landing.feed_lock("m2.sb"):
            holder.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holder.wait(20)
    try:
        outcome = run("m2.sb", DAY)
    finally:
        release.set()
        thread.join()
    assert (outcome.outcome, outcome.fault) == ("waiting", "transient") and outcome.zh
    assert scalar("select count(*) from landing.run where ended_at is null") == 0


def test_a_run_that_was_taken_for_dead_commits_nothing(world):
    world["m2.sb"].pages = [[case(1)]]

    def bury(_):
        with engine().begin() as connection:
            landing.bury(connection, "m2.sb")

    world["m2.sb"].on_page = bury
    outcome = run("m2.sb", DAY)
    assert outcome.outcome == "failed" and scalar("select count(*) from source.record") == 0


def test_an_interrupted_run_is_closed_and_the_interrupt_goes_on(world, monkeypatch):
    def stop(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch, "payloads", stop)
    with pytest.raises(KeyboardInterrupt):
        run("m2.sb", DAY)
    assert scalar("select fault from landing.run") == "transient"
    assert scalar("select count(*) from landing.run where ended_at is null") == 0


def test_a_missing_declaration_or_connection_leaves_an_outcome(hub):
    outcome = sync.run(sync.Task("nosuch.feed", None, None, True, "nosuch.feed full"))
    assert (outcome.outcome, outcome.fault) == ("failed", "configuration")
    assert scalar("select code from landing.run") == "NotFoundError"


def test_the_connector_is_closed_however_it_ends(hub, monkeypatch):
    from tests.pipeline.fake import Answers

    made = []

    def connector(source):
        made.append(FakeConnector(source, {"m2.sb": Answers(fail_after=0, error=InternalError("x"))}))
        return made[-1]

    monkeypatch.setattr(registry, "connector", connector)
    assert run("m2.sb", DAY).outcome == "failed"
    assert made[0].closed


def test_runs_repeated_with_failures_between_give_the_same_store(world, monkeypatch):
    pages = [[case(n) for n in range(10)], [case(n, SBXMMC="改", INSERTTIME="2026-03-01 12:00:00") for n in range(5)]]
    world["m2.sb"].pages = pages
    run("m2.sb", DAY)
    whole = store_hash.of_sources()
    for struck in range(len(pages)):
        world["m2.sb"].fail_after, world["m2.sb"].error = struck, InternalError("x")
        run("m2.sb", DAY)
        world["m2.sb"].fail_after = None
        run("m2.sb", DAY)
        assert store_hash.of_sources() == whole
