"""The archive alone makes the store again, number by number."""

import os
import stat

import pytest
import sqlalchemy as sa

from core.errors import ConfigurationError, TransientError
from pipeline import merge, rebuild, unify
from store import archive, holds, journal, migrate, quarantine
from store import hash as store_hash
from store.engine import dispose, transaction
from tests.pipeline.rows import FULL, case, licence, project, rows, run, scalar, window


def lived(world) -> None:
    """Everything that can become of a run: new, changed, older, gone by absence, held and released, rejected, failed,
    redriven, a part sent again."""
    world["d2.projects"].pages = [[project(n) for n in range(1, 9)], [project(n) for n in range(9, 20)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(n, "新") for n in range(1, 15)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(1)]]
    assert run("d2.projects").outcome == "held"
    holds.decide(scalar("select max(id) from landing.hold"), "released", "某人", "属实")
    assert run("d2.projects").outcome == "ok"
    world["m2.sb"].pages = [[case(1), case(2), case(3, at="nie")]]
    world["m2.sb"].state = {"position": 3}
    run("m2.sb", window("2026-03-01", "2026-03-02"))
    world["m2.sb"].pages = [
        [case(1, SBXMMC="改", INSERTTIME="2026-03-02 12:00:00"), case(2, SBXMMC="旧", INSERTTIME="2026-02-01 12:00:00")]
    ]
    run("m2.sb", window("2026-03-02", "2026-03-03"))
    world["m2.sb"].fail_after, world["m2.sb"].error = 1, TransientError("reset", zh="中断")
    assert run("m2.sb", window("2026-03-03", "2026-03-04")).outcome == "failed"
    quarantine.dismiss([scalar("select id from landing.quarantine")], "某人", "无用")
    world["p3.licence"].pages = [[licence(1, "2026-03-01 10:00:00"), licence(2, "2026-03-01 10:00:00")]]
    run("p3.licence", FULL)
    world["p3.licence"].pages = [[licence(1, "2026-03-01 10:00:00", "D")]]
    run("p3.licence", FULL)
    unify.run()


def same(query: str) -> list[dict]:
    return rows(query)


STATES = (
    "select feed, intervals::text as i, full_at, read_at, run_id from landing.completed order by 1",
    "select feed, state from landing.feed_state order by 1",
    "select id, run_id, feed, sha256, facts, archived_at from landing.receipt order by 1",
    """select id, feed, trigger, started_at, ended_at, outcome, complete, rows_in, new, changed, history, unchanged, quarantined,
              tombstoned, absent from landing.run order by 1""",
    "select feed, record_key, state, note from landing.quarantine order by 1, 2",
)


def test_a_store_from_the_archive_alone_equals_the_original(world, new_database, monkeypatch):
    lived(world)
    whole, parts, before = store_hash.of_store(), store_hash.parts(), [same(query) for query in STATES]
    dispose()
    monkeypatch.setenv("ONEMAP_DATABASE_URL", new_database())
    migrate.upgrade()
    made = rebuild.run()
    assert made.differing == [] and store_hash.parts() == parts and made.hash == whole
    for query, told in zip(STATES, before, strict=True):
        assert same(query) == told, query
    # life goes on: numbers do not collide, the journal is one
    world["d2.projects"].pages = [[project(1, "后")]]
    outcome = run("d2.projects", FULL)
    assert outcome.run_id > max(row["id"] for row in before[3])
    assert len(journal.stores()) == 1 and journal.waiting() == 0


def test_an_older_store_takes_in_what_it_lacks(world, new_database, monkeypatch, postgres_server):
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb", window("2026-03-01", "2026-03-02"))
    url = sa.make_url(os.environ["ONEMAP_DATABASE_URL"])
    dispose()
    old = sa.make_url(new_database())
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"drop database {old.database}")
        connection.exec_driver_sql(f"create database {old.database} template {url.database}")
    world["m2.sb"].pages = [[case(2)]]
    run("m2.sb", window("2026-03-02", "2026-03-03"))
    unify.run()
    whole = store_hash.of_store()
    dispose()
    monkeypatch.setenv("ONEMAP_DATABASE_URL", old.render_as_string(hide_password=False))
    with pytest.raises(ConfigurationError, match="not empty"):
        rebuild.run()
    made = rebuild.run(missing=True)
    assert (made.replayed, made.hash) == (1, whole)
    admin.dispose()


def test_a_rebuild_that_was_killed_goes_on_where_it_was(world, new_database, monkeypatch):
    lived(world)
    whole = store_hash.of_store()
    dispose()
    monkeypatch.setenv("ONEMAP_DATABASE_URL", new_database())
    migrate.upgrade()
    with monkeypatch.context() as patch:
        calls, true = [], merge.commit

        def struck(*args, **options):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return true(*args, **options)

        patch.setattr(merge, "commit", struck)
        with pytest.raises(KeyboardInterrupt):
            rebuild.run()
    made = rebuild.run(missing=True)
    assert made.differing == [] and made.hash == whole


def test_what_a_killed_process_left_out_of_the_journal_is_written_next(world, monkeypatch):
    world["m2.sb"].pages = [[case(1)]]
    with monkeypatch.context() as patch:
        patch.setattr(journal, "flush", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert run("m2.sb", FULL).outcome == "ok"  # committed is committed
    assert journal.waiting() == 1
    run("m2.bj", FULL)
    assert journal.waiting() == 0 and len(journal.entries(journal.the_store())) == 2


def test_a_judgement_of_identity_is_in_the_archive(world):
    with transaction() as connection:
        connection.exec_driver_sql(
            """insert into store.identity_judgement (entity, left_id, right_id, verdict, judged_by, note)
               values ('project', 'A', 'B', 'same', '某人', '同一')"""
        )
    journal.flush()
    (told,) = archive.read_document(f"journal/{journal.the_store()}/decisions")["identity"]
    assert (told["left_id"], told["judged_by"]) == ("A", "某人")


def test_the_archive_is_for_its_owner_alone(world, hub):
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb", FULL)
    found = [path for path in (hub / "archive").rglob("*")]
    assert len(found) > 4
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert len(list(archive.listing())) == 1  # the journal is no payload


@pytest.mark.parametrize("number", [28, 122])
def test_a_full_disk_is_told_as_what_it_is(world, monkeypatch, number):
    world["m2.sb"].pages = [[case(1)]]

    def full(*_):
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", full)
    outcome = run("m2.sb", FULL)
    assert (outcome.outcome, outcome.fault) == ("failed", "transient") and "磁盘已满" in outcome.zh
    assert scalar("select code from landing.run") == "disk"


def test_a_read_only_archive_is_told_as_what_it_is(world, monkeypatch, hub):
    world["m2.sb"].pages = [[case(1)]]
    true = os.open

    def refused(path, flags, *rest, **more):
        if flags & os.O_CREAT and "archive" in str(path):
            raise OSError(30, "Read-only file system", str(path))
        return true(path, flags, *rest, **more)

    monkeypatch.setattr(archive.os, "open", refused)
    outcome = run("m2.sb", FULL)
    assert (outcome.outcome, outcome.fault) == ("failed", "configuration") and "不可写" in outcome.zh
