"""What a changed mapping or order of belief does is said before, done once, and undone the same way."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline import batch, housekeeping, unify
from store import archive, fold, landing
from store import hash as store_hash
from tests.pipeline.rows import case, project, rows, run, scalar


def test_an_order_of_belief_is_compared_before_it_is_applied(world, monkeypatch):
    world["d2.projects"].pages = [[project(1, "甲")]]
    world["m1.projects"].pages = [[{"project_code": project(1)["projectCode"], "project_name": "乙"}]]
    run("d2.projects"), run("m1.projects")
    unify.run()
    whole, declared = store_hash.of_store(), fold.authority()
    assert scalar("select project_name from store.project") == "乙"
    assert unify.refold().changes == {}
    feeds = ["d2.projects", "m1.projects"]
    changed = {**declared, "project": {**declared["project"], "feeds": feeds, "fields": {}}}
    monkeypatch.setattr(fold, "authority", lambda: changed)
    told = unify.refold()
    assert told.changes["project"] == {"MOD": 1} and "project_name" in told.columns["project"]
    assert store_hash.of_store() == whole and scalar("select count(*) from store.dirty") == 0
    unify.refold(apply=True)
    assert scalar("select project_name from store.project") == "甲1"
    monkeypatch.setattr(fold, "authority", lambda: declared)
    unify.refold(apply=True)
    assert store_hash.of_store() == whole


def test_a_feed_whose_records_make_no_golden_row_says_so(world, monkeypatch):
    declared = fold.authority()
    founders = {**declared["project"], "founders": ["m1.projects"]}
    monkeypatch.setattr(fold, "authority", lambda: {**declared, "project": founders})
    world["d2.projects"].pages = [[project(1) | {"projectCode": "工2026-1"}]]
    run("d2.projects")
    assert unify.run().without_golden == ["d2.projects"]
    assert rows("select feed, severity from landing.issue where code = 'no_golden_row'") == [
        {"feed": "d2.projects", "severity": "warning"}
    ]
    world["m2.sb"].pages = [[case(1)]]
    run("m2.sb")
    assert unify.run().without_golden == []


def test_bytes_that_are_received_while_housekeeping_drops_them_are_kept(world, monkeypatch):
    world["m2.sb"].pages = [[]]
    run("m2.sb")
    (receipt,) = rows("select sha256 from landing.receipt")
    with_old, go = threading.Event(), threading.Event()
    true = archive.drop

    def slow(sha256):
        with_old.set()
        go.wait(20)
        true(sha256)

    monkeypatch.setattr(archive, "drop", slow)
    dropping = threading.Thread(target=lambda: housekeeping.drop_payloads(timedelta(0)))
    dropping.start()
    assert with_old.wait(20)
    again = threading.Thread(target=lambda: run("m2.sb"))
    again.start()
    go.set()
    dropping.join(), again.join()
    standing = scalar(
        "select count(*) from landing.receipt where sha256 = :s and dropped_at is null", s=receipt["sha256"]
    )
    assert standing == 1 and archive.exists(receipt["sha256"])


def test_a_committed_run_keeps_its_row_when_the_connection_is_lost_after_it(world, monkeypatch):
    world["m2.sb"].pages = [[case(1)]]
    true = batch.outcome_of
    calls = []

    def lost(run_id):
        calls.append(run_id)
        if len(calls) == 1:
            raise sa.exc.OperationalError("select", {}, Exception("server closed the connection"))
        return true(run_id)

    monkeypatch.setattr(batch, "outcome_of", lost)
    assert run("m2.sb").outcome == "ok"
    assert rows("select outcome from landing.run") == [{"outcome": "ok"}]


@pytest.mark.parametrize("missing", [True, False])
def test_a_receipt_is_written_only_for_bytes_that_are_there(hub, missing):
    kept = archive.put(b"bytes")
    run_id = landing.open_run("m2", "m2.sb", landing.Span(full=True), "cli")
    if missing:
        archive.drop(kept.sha256)
    now = "2026-03-01 08:00:00"
    put = []
    landing.write_receipt(
        run_id,
        "m2",
        "m2.sb",
        landing.Span(full=True),
        kept,
        request={},
        facts={},
        media_type="x",
        started_at=now,
        finished_at=now,
        restore=lambda: put.append(archive.put(b"bytes")),
    )
    assert archive.exists(kept.sha256) and bool(put) == missing
