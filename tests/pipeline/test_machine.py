"""What the hub stands on is reported before it gives way; what is past its keeping goes, by settings."""

import os
import time
from datetime import timedelta

import pytest

from core import clock
from core.errors import ConfigurationError
from pipeline import housekeeping, machine
from serving.alerts import machine as alarms
from store import journal
from store.engine import engine
from tests.pipeline.rows import FULL, case, project, run, scalar


def levels() -> dict[str, str]:
    return {one.what: one.level for one in machine.conditions()}


def test_a_sound_machine_has_nothing_to_tell(world):
    assert set(levels().values()) == {"ok"} and alarms.detect() == []


def test_a_disk_that_fills_is_told_before_it_is_full(world, monkeypatch):
    monkeypatch.setenv("ONEMAP_FREE", str(10**9))
    assert levels()["disk"] == "error"
    (trouble,) = alarms.detect()
    assert trouble.severity == 3 and "磁盘" in trouble.title and trouble.next
    free = machine.shutil.disk_usage("/").free >> 20
    monkeypatch.setenv("ONEMAP_FREE", str(free * 2))
    assert levels()["disk"] == "warning"


def test_an_archive_that_takes_no_writes_is_told(world, monkeypatch):
    true = os.access
    monkeypatch.setattr(machine.os, "access", lambda path, mode: mode != os.W_OK and true(path, mode))
    assert levels()["archive"] == "error"


def test_a_database_that_is_away_or_read_only_is_told_as_that(world, monkeypatch):
    with engine().begin() as connection:
        name = connection.exec_driver_sql("select current_database()").scalar()
        connection.exec_driver_sql(f"alter database {name} set default_transaction_read_only = on")
    engine().dispose()
    assert levels()["database"] == "error"
    world["m2.sb"].pages = [[case(1)]]
    outcome = run("m2.sb", FULL)
    assert outcome.fault == "transient" and "只读" in outcome.zh
    monkeypatch.setenv("ONEMAP_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert levels()["database"] == "error"


def test_a_clock_that_is_off_is_told(world, monkeypatch):
    true = clock.now
    monkeypatch.setattr(clock, "now", lambda: true() + timedelta(days=400))
    assert levels()["clock"] == "error"


def test_runs_that_wait_for_the_journal_are_told(world, monkeypatch):
    monkeypatch.setattr(journal, "waiting", lambda: 51)
    assert levels()["journal"] == "warning"


def test_what_is_past_its_keeping_goes_by_settings(world, hub, monkeypatch):
    world["d2.projects"].pages = [[project(1)]]
    run("d2.projects", FULL)
    with engine().begin() as connection:
        connection.exec_driver_sql(
            """insert into store.change (entity, entity_id, op, at) values
               ('project', 'old', 'ADD', now() - interval '2 years'), ('project', 'new', 'ADD', now())"""
        )
        connection.exec_driver_sql("insert into serving.derived_until values ('names', 10) on conflict do nothing")
    log, task = hub / "logs" / "scheduler.log", hub / "airflow" / "logs" / "dag" / "1.log"
    for path in (log, task):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (3 << 20))
    os.utime(task, (time.time() - 90 * 86400,) * 2)
    housekeeping.run()
    assert scalar("select count(*) from store.change") == 2 and not task.exists() and log.stat().st_size == 3 << 20
    monkeypatch.setenv("ONEMAP_KEEP_CHANGES", "365")
    monkeypatch.setenv("ONEMAP_LOG_MIB", "2")
    done = housekeeping.run()
    assert (done.changes, done.logs) == (1, 1) and scalar("select entity_id from store.change") == "new"
    assert log.stat().st_size == 0 and log.with_name("scheduler.log.1").stat().st_size == 1 << 20
    monkeypatch.setenv("ONEMAP_KEEP_LOGS", "für immer")
    with pytest.raises(ConfigurationError, match="ONEMAP_KEEP_LOGS"):
        housekeeping.run()


def test_changes_that_a_receiver_has_not_taken_stay(world, monkeypatch):
    with engine().begin() as connection:
        connection.exec_driver_sql(
            "insert into store.change (entity, entity_id, op, at) values ('project', 'old', 'ADD', now() - interval '9 years')"
        )
        connection.exec_driver_sql("insert into serving.derived_until values ('names', 10) on conflict do nothing")
        connection.exec_driver_sql(
            "insert into serving.webhook (name, connection, scopes, seq, made_by) values ('w', 'c', '{}', -1, 'test')"
        )
    assert housekeeping.drop_changes(timedelta(days=1)) == 0
