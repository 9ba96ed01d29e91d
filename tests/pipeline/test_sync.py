"""A batch goes from a source into the store; whatever happens, a row says how it ended, and the counts add up."""

import json
import os
import subprocess
import sys

import pytest

from core.errors import ProviderError, TransientError
from store import rawrow
from tests.pipeline.rows import case, project, rows, run, scalar, window


@pytest.mark.suites
def test_a_full_listing_lands_in_record_and_entity_tables(world):
    world["d2.projects"].pages = [[project(1), project(2)], [project(3)]]
    outcome = run("d2.projects")
    assert (outcome.outcome, outcome.error) == ("ok", None)
    assert outcome.counts.rows_in == outcome.counts.new == 3 and outcome.counts.balanced
    stored = rows("select * from source.project order by project_code")
    assert [row["project_name"] for row in stored] == ["项目1", "项目2", "项目3"]
    assert str(stored[0]["total_invest"]) == "12345.600000"
    (first, *_) = rows(
        "select r.*, c.sha256 from source.record r join landing.receipt c on c.id = r.receipt_id order by r.record_key"
    )
    assert json.loads(rawrow.text(first["raw"]))["projectName"] == "项目1" and first["place"] == "row 0"
    assert scalar("select count(*) from store.dirty") == 3
    assert scalar("select count(*) from pg_tables where schemaname = 'staging'") == 0


def test_the_same_again_changes_nothing(world):
    world["d2.projects"].pages = [[project(1), project(2)]]
    run("d2.projects")
    before = rows("select * from source.record order by id")
    outcome = run("d2.projects")
    assert outcome.counts.unchanged == 2 and outcome.counts.balanced
    assert rows("select * from source.record order by id") == before
    assert scalar("select count(*) from store.dirty") == 2
    assert scalar("select count(*) from source.record_history") == 0


def test_a_change_moves_the_old_version_into_history(world):
    world["d2.projects"].pages = [[project(1)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(1, "新名")]]
    outcome = run("d2.projects")
    assert outcome.counts.changed == 1
    assert [row["project_name"] for row in rows("select * from source.project")] == ["新名1"]
    (old,) = rows("select * from source.record_history")
    assert json.loads(rawrow.text(old["raw"]))["projectName"] == "项目1" and old["superseded_at"] is not None


def test_the_completed_interval_and_the_state_move_with_the_rows(world):
    world["m2.sb"].pages = [[case(1)]]
    world["m2.sb"].state = {"seen": 1}
    run("m2.sb", window("2026-03-01", "2026-03-02"))
    assert scalar("select intervals::text from landing.completed where feed = 'm2.sb'") == (
        '{["2026-03-01 00:00:00","2026-03-02 00:00:00")}'
    )
    run("m2.sb", window("2026-03-02", "2026-03-03"))
    assert world["m2.sb"].asked[1][1] == {"seen": 1}
    assert scalar("select intervals::text from landing.completed where feed = 'm2.sb'") == (
        '{["2026-03-01 00:00:00","2026-03-03 00:00:00")}'
    )


def test_an_incomplete_window_keeps_its_rows_and_is_not_complete(world):
    world["m2.sb"].pages = [[case(1)]]
    world["m2.sb"].complete = False
    outcome = run("m2.sb", window("2026-03-01", "2026-03-02"))
    assert outcome.outcome == "ok" and outcome.counts.new == 1
    assert scalar("select count(*) from landing.completed") == 0


def test_a_source_that_fails_midway_stores_nothing_but_bytes_and_an_outcome(world):
    told = world["m2.sb"]
    told.pages, told.fail_after = [[case(1)], [case(2)]], 1
    told.error = TransientError("connection reset", remedy="wait", zh="连接中断")
    outcome = run("m2.sb")
    assert (outcome.outcome, outcome.fault, outcome.zh) == ("failed", "transient", "连接中断")
    assert outcome.counts.balanced and outcome.ended_at is not None
    assert scalar("select count(*) from source.record") == 0
    assert scalar("select count(*) from landing.receipt") == 1
    assert scalar("select count(*) from pg_tables where schemaname = 'staging'") == 0
    told.fail_after = None
    assert run("m2.sb").counts.new == 2


def test_a_defect_of_ours_is_told_as_ours(world):
    world["m2.sb"].pages, world["m2.sb"].fail_after = [], 0
    world["m2.sb"].error = ZeroDivisionError("a bug")
    outcome = run("m2.sb")
    assert (outcome.outcome, outcome.fault) == ("failed", "ours") and "ZeroDivisionError" in outcome.error


@pytest.mark.suites
def test_what_does_not_decode_or_map_is_in_quarantine_with_every_reason(world):
    bad = case(2, at="2026-13-45 99:00:00", SBSJ="gestern")
    world["m2.sb"].pages = [[case(1), bad, {"_broken": "\ufffd\ufffd", "_key": "4419|1"}, *map(case, range(3, 20))]]
    outcome = run("m2.sb")
    assert outcome.outcome == "ok", outcome.error
    assert outcome.counts.quarantined == 2 and outcome.counts.new == 18 and outcome.counts.balanced
    entries = {row["record_key"]: row for row in rows("select * from landing.quarantine")}
    reasons = {reason["field"] for reason in entries["441900000002|1"]["reasons"]}
    assert {"INSERTTIME", "SBSJ"} <= reasons
    assert entries["441900000002|1"]["raw"]["SBSJ"] == "gestern" and entries["441900000002|1"]["place"] == "row 1"
    assert entries["4419|1"]["raw"] == "\ufffd\ufffd"


def test_too_many_rejected_rows_stop_the_batch_and_are_told(world):
    world["m2.sb"].pages = [[case(1), *(case(n, at="nie") for n in range(2, 62))]]
    outcome = run("m2.sb")
    assert (outcome.outcome, outcome.fault) == ("failed", ProviderError.fault)
    assert scalar("select count(*) from source.record") == 0
    assert scalar("select count(*) from landing.quarantine") == 60
    assert scalar("select count(*) from landing.completed") == 0


def test_a_few_bad_rows_do_not_keep_the_sound_ones_of_a_small_batch_out(world):
    world["m2.sb"].pages = [[case(1), case(2, at="nie"), case(3, at="nie")]]
    outcome = run("m2.sb")
    assert (outcome.outcome, outcome.counts.new, outcome.counts.quarantined) == ("ok", 1, 2)


def test_memory_does_not_grow_with_the_number_of_rows(hub):
    peaks = []
    for pages in (8, 80):
        done = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.heavy", str(pages)],
            env={**os.environ, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            timeout=250,
            check=True,
        )
        new, peak = map(int, done.stdout.split())
        assert new == (4_000 if pages == 8 else 36_000)
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.3, f"kilobytes: {peaks}"


def test_a_task_that_begins_again_reads_what_has_not_ended_well_and_last_what_it_was_at(world):
    from datetime import UTC, datetime, timedelta

    from pipeline import sync
    from pipeline.outcome import Task

    world["d2.projects"].pages = [[project(1)]]
    since = datetime.now(UTC) - timedelta(minutes=1)
    done = run("d2.projects")
    tasks = [Task(feed, None, None, True, feed) for feed in ("d2.projects", "m2.sl", "m2.sb")]
    ended, rest = sync.resumed(tasks, since)
    assert [one.run_id for one in ended] == [done.run_id] and [one.feed for one in rest] == ["m2.sl", "m2.sb"]
    world["m2.sl"].pages = [TransientError("away")]
    assert run("m2.sl").outcome == "failed"
    assert [one.feed for one in sync.resumed(tasks, since)[1]] == ["m2.sb", "m2.sl"]
    assert sync.resumed(tasks, datetime.now(UTC) + timedelta(minutes=1))[0] == [], "a cleared run reads all again"
