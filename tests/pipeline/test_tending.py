"""What people do beside the syncs: preview, reconcile, keep house, see how every feed fares."""

from datetime import datetime, timedelta

import pytest

from connectors.base import Issue
from core import clock
from core.errors import AuthenticationError, TransientError
from pipeline import diagnose, health, housekeeping, preview, reconcile, registry, summary, sync
from pipeline.outcome import Task
from store import archive, landing
from store.engine import transaction
from tests.pipeline.rows import case, licence, project, rows, run, scalar, window

ANY = window(None, None)


def empty_of(*tables):
    return all(scalar(f"select count(*) from {table}") == 0 for table in tables)


# -- preview


def test_a_preview_shows_raw_beside_mapped_and_writes_nothing(world, hub):
    world["m2.sb"].pages = [[case(1), case(2, SBSJ="nie"), {"_broken": "\ufffd"}, case(3)]]
    world["m2.sb"].issues = [Issue("strange", "something")]
    made = preview.preview("m2.sb", limit=10)
    first, second, third = made.rows
    assert first["raw"]["SBLSH_SHORT"] == "441900000001" and first["place"] == "row 0"
    assert first["entities"]["case"][0]["project_name"] == "项目1"
    assert first["record"]["record_key"] == "441900000001|1"
    assert second["record"] is None and second["reasons"][0]["field"] == "SBSJ"
    assert third["reasons"] == []
    assert made.rejects[0]["code"] == "undecodable"
    assert [issue["code"] for issue in made.issues] == ["strange"]
    assert empty_of("landing.run", "landing.receipt", "source.record", "landing.quarantine")
    assert list(archive.listing()) == []


def test_a_preview_stops_at_its_limit(world):
    world["m2.sb"].pages, read = [[case(n) for n in range(50)], [case(99)]], []
    world["m2.sb"].on_page = read.append
    assert len(preview.preview("m2.sb", limit=3).rows) == 3 and read == [0]


def test_a_preview_looks_further_back_until_it_sees_something(world):
    assert preview.preview("m2.sb").rows == []
    starts = [asked.start for asked, _ in world["m2.sb"].asked]
    assert starts[:-1] == sorted(starts[:-1], reverse=True) and starts[-1] is None, "recent days before everything"


def test_a_preview_of_a_source_that_refuses_raises(world):
    world["m2.sb"].fail_after, world["m2.sb"].error = 0, AuthenticationError("no", zh="口令错误")
    with pytest.raises(AuthenticationError):
        preview.preview("m2.sb")


def test_check_tells_mapping_connection_and_source(world):
    lines = diagnose.check("m2")
    assert [line.ok for line in lines] == [True]


# -- planning through the store


def test_a_plan_goes_on_from_what_is_complete(world, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 12, 0))
    (first,) = [task for task in sync.plan("m2", ["sb"])]
    assert first.full
    world["m2.sb"].pages = [[case(1)]]
    assert sync.run(first).outcome == "ok"
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 13, 0))
    (second,) = sync.plan("m2", ["m2.sb"])
    lag = registry.feed("m2.sb")[1].cursor.lag
    # from the hour of the last row on: a source that stood still may give its backlog with the times that it had
    spoken = scalar("select date_trunc('hour', max(source_time)) + interval '1 hour' from source.record")
    assert spoken < datetime(2026, 3, 2, 12, 0)
    assert second.start == str(spoken - lag) and second.end == "2026-03-02 13:00:00"


def test_a_source_is_read_feed_by_feed_and_one_failure_stops_no_other(world):
    world["m1.items"].fail_after, world["m1.items"].error = 0, TransientError("down", zh="停机")
    seen = []
    outcomes = sync.source(
        "m1", on_progress=lambda task, outcome: seen.append((task.feed, outcome and outcome.outcome))
    )
    assert {o.feed: o.outcome for o in outcomes} == {"m1.items": "failed", "m1.projects": "ok"}
    assert seen == [("m1.items", None), ("m1.items", "failed"), ("m1.projects", None), ("m1.projects", "ok")]
    with pytest.raises(TransientError, match="down"):
        sync.run_or_raise(Task("m1.items", None, None, True, "m1.items full"))


def test_a_backfill_is_cut_as_the_feed_declares(world):
    tasks = sync.backfill("s4.reading", datetime(2026, 3, 1, 5), datetime(2026, 3, 3))
    assert [(t.start, t.end) for t in tasks] == [
        ("2026-03-01 00:00:00", "2026-03-02 00:00:00"),
        ("2026-03-02 00:00:00", "2026-03-03 00:00:00"),
    ]
    assert [t.full for t in sync.backfill("d2", None, datetime(2026, 3, 3))] == [True]


# -- acknowledgement


def test_taken_rows_are_acknowledged_by_what_names_them(world):
    feed = registry.feed("p3.licence")[1]
    world["p3.licence"].pages = [[licence(1, "2026-03-01 08:00:00"), licence(1, "2026-03-02 08:00:00", "U")]]
    run("p3.licence", ANY)
    named = feed.options["acknowledge"]["by"]
    (keys,) = world["p3.licence"].acknowledged
    assert set(named) <= set(keys.column_names)
    assert {(row["row_guid"], row["cd_time"], row["cd_operation"]) for row in keys.to_pylist()} == {
        ("guid-1", "2026-03-01 08:00:00", "I"),
        ("guid-1", "2026-03-02 08:00:00", "U"),
    }


def test_nothing_is_acknowledged_that_was_not_committed(world):
    world["p3.licence"].pages, world["p3.licence"].fail_after = [[licence(1, "2026-03-01 08:00:00")]], 1
    world["p3.licence"].error = TransientError("cut")
    run("p3.licence", ANY)
    assert world["p3.licence"].acknowledged == []


# -- reconciliation


def test_rows_that_came_late_are_found_merged_and_told(world, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 3))
    world["m2.sb"].pages = [[case(n) for n in range(10)]]
    run("m2.sb")
    late, due_later = case(10), case(11, INSERTTIME="2026-03-03 09:00:00")
    world["m2.sb"].pages = [[*(case(n) for n in range(1, 10)), late, due_later, case(0, SBXMMC="悄悄改了")]]
    done = reconcile.feed("m2.sb")
    assert (done.compared.missing, done.compared.different, done.compared.extra) == (2, 1, 0)
    assert done.outcome == "mended" and done.run.counts.new == 2
    told = {row["record"] for row in rows("select record from landing.issue where code = 'late_row'")}
    assert told == {"441900000010|1", "441900000000|1"}
    (row,) = rows("select * from landing.reconciliation")
    assert (row["listed"], row["stored"], row["outcome"]) == (12, 10, "mended")
    assert reconcile.feed("m2.sb").outcome == "equal"


def test_extra_records_are_told_and_gone_only_where_absence_is_proof(world):
    world["m2.sb"].pages = [[case(n) for n in range(20)]]
    run("m2.sb")
    world["m2.sb"].pages = [[case(n) for n in range(1, 20)]]
    done = reconcile.feed("m2.sb")
    assert (done.outcome, done.compared.extra, done.run.counts.absent) == ("different", 1, 0)
    assert scalar("select record from landing.issue where code = 'extra_record'") == "441900000000|1"
    assert scalar("select count(*) from source.case") == 20
    world["d2.projects"].pages = [[project(n) for n in range(20)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(n) for n in range(1, 20)]]
    done = reconcile.feed("d2.projects")
    assert (done.outcome, done.run.counts.absent) == ("mended", 1)


def test_an_equal_listing_is_equal_and_a_failed_one_says_so(world):
    world["d2.projects"].pages = [[project(1)]]
    run("d2.projects")
    (done,) = reconcile.source("d2")
    assert done.outcome == "equal" and done.as_dict()["compared"]["listed"] == 1
    world["d2.projects"].fail_after, world["d2.projects"].error = 0, TransientError("down")
    assert reconcile.feed("d2.projects").outcome == "failed"
    assert [row["outcome"] for row in rows("select outcome from landing.reconciliation order by id")] == [
        "equal",
        "failed",
    ]


def test_a_reconciliation_reads_afresh_whatever_the_state_says(world):
    world["m1.items"].state = {"etag": "abc"}
    run("m1.items")
    reconcile.feed("m1.items")
    assert [state for _, state in world["m1.items"].asked] == [None, None]
    run("m1.items")
    assert world["m1.items"].asked[-1][1] == {"etag": "abc"}


# -- housekeeping


def test_a_dead_run_is_closed_and_its_staging_dropped_a_living_one_is_let_be(world):
    span = landing.Span(full=True)
    dead = landing.open_run("m2", "m2.sb", span, "cli")
    with landing.feed_lock("m2.sl"):
        living = landing.open_run("m2", "m2.sl", span, "cli")
        with transaction() as connection:
            for number in (dead, living):
                connection.exec_driver_sql(f"create unlogged table staging.s{number}_record (row_id bigint)")
        tidied = housekeeping.run()
        assert (tidied.dead, tidied.stuck, tidied.staging) == ([dead], [], 1)
        assert scalar("select fault from landing.run where id = :id", id=dead) == "ours"
        assert scalar("select outcome from landing.run where id = :id", id=living) == "running"
        with transaction() as connection:
            connection.exec_driver_sql(
                "update landing.run set started_at = now() - interval '2 days' where ended_at is null"
            )
        assert housekeeping.run(stuck=timedelta(hours=12)).stuck == [living]


def test_payloads_go_when_they_are_old_and_nothing_refers_to_them(world):
    world["d2.projects"].pages = [[project(1), project(2)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(2), project(1)]]  # the same rows in other bytes: nothing refers to them
    run("d2.projects")
    assert housekeeping.drop_payloads() == 0  # not old enough
    with transaction() as connection:
        connection.exec_driver_sql("update landing.receipt set archived_at = now() - interval '4 years'")
    assert housekeeping.run().payloads == 1
    assert len(list(archive.listing())) == 1
    assert [
        row["dropped"] for row in rows("select dropped_at is not null as dropped from landing.receipt order by id")
    ] == [False, True]
    assert housekeeping.run().payloads == 0


def test_runs_that_brought_nothing_go_when_they_are_old_and_what_they_completed_stands(world):
    def read(month: int, *cases: dict) -> int:
        world["m2.sb"].pages = [list(cases)] if cases else []
        return run("m2.sb", window(f"2026-{month:02}-01", f"2026-{month + 1:02}-01")).run_id

    brought, nothing, again, last = read(1, case(1)), read(2), read(3), read(4)
    completed = rows("select * from landing.completed")
    referred = {row["run_id"] for row in completed}
    with transaction() as connection:
        connection.exec_driver_sql(
            "update landing.run set started_at = started_at - interval '1 year', ended_at = ended_at - interval '1 year'"
        )
    assert housekeeping.run().runs == len({nothing, again} - referred) > 0
    assert {row["id"] for row in rows("select id from landing.run")} == {brought, last} | referred
    assert rows("select * from landing.completed") == completed and housekeeping.run().runs == 0


# -- health and summary


def fares(feed):
    return {one.feed: one for one in health.health(feed.partition(".")[0])}[feed]


def test_a_feed_that_never_ran_is_shown_as_such(world):
    assert fares("m2.sb").light == "never"
    assert {one.source for one in health.health()} >= {"p1", "m2", "d4", "s1"}


def test_health_tells_age_against_promise_by_the_citys_clock(world, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 12, 0))
    world["m2.sb"].pages = [[case(1), case(2, SBSJ="nie"), *map(case, range(3, 20))]]
    run("m2.sb")
    one = fares("m2.sb")
    assert (one.light, one.age, one.rows_in, one.changed, one.rejected, one.balanced) == ("ok", 0, 19, 18, 1, True)
    assert one.open_quarantine == 1
    promise = timedelta(seconds=one.promise)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 2, 12, 0) + promise + timedelta(hours=1))
    one = fares("m2.sb")
    assert (one.light, one.behind) == ("late", 3600)
    run("m2.sb", window("2026-03-01", "2026-03-02"))  # reading the past again makes nothing fresher
    assert fares("m2.sb").light == "late"


def test_health_tells_whose_fault_and_since_when(world):
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb")
    world["m2.sb"].fail_after, world["m2.sb"].error = 0, AuthenticationError("refused", remedy="mend", zh="口令错误")
    run("m2.sb")
    run("m2.sb")
    one = fares("m2.sb")
    assert (one.light, one.failures, one.fault_zh, one.zh, one.remedy) == ("failing", 2, "鉴权", "口令错误", "mend")
    assert one.since == scalar("select started_at from landing.run where id = 2")
    world["m2.sb"].fail_after = None
    run("m2.sb")
    one = fares("m2.sb")
    assert (one.light, one.failures, one.error) == ("ok", 0, None)
    assert health.worst(health.health("m2")) == "never" and one.as_dict()["light"] == "ok"


def test_a_held_deletion_is_shown_as_waiting_for_a_person(world):
    world["d2.projects"].pages = [[project(n) for n in range(10)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(1)]]
    run("d2.projects")
    one = fares("d2.projects")
    assert one.light == "held" and one.open_hold is not None and one.zh


def test_the_summary_adds_up(world):
    world["m2.sb"].pages = [[case(1), case(2, SBSJ="nie"), case(1), *map(case, range(3, 20))]]
    run("m2.sb")
    run("m2.sb")
    made = summary.summary()
    assert made.source_rows["case"] == 18 and made.balanced
    (balance,) = made.balances
    assert (balance.runs, balance.rows_in, balance.new, balance.unchanged, balance.quarantined, balance.stored) == (
        2,
        40,
        18,
        20,
        2,
        18,
    )
    assert made.rejected[0]["field"] == "SBSJ" and made.rejected[0]["rows"] == 1
    assert summary.summary(since_run=1).balances[0].rows_in == 20
    assert made.as_dict()["balanced"]
