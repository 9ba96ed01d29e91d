"""No verdict on a source that has fallen silent: a simulated world whose sources freeze, and thaw again."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from pipeline import sync, unify
from pipeline.health import health
from standins import world
from standins.world import freeze
from standins.world.truth import lines
from supervision.ledger import listed, on_day, supervise
from supervision.orders import life
from tests.pipeline.rows import rows
from tests.supervision.test_scored import key, not_over
from tests.supervision.told import planted, take


def found(day: date) -> set[tuple]:
    return {key(row) for row in on_day(day).findings.to_dicts() if not row["waits_for"]}


def test_a_municipal_database_that_stands_still_accuses_nobody(hub, monkeypatch, tmp_path) -> None:
    folder = world.make(tmp_path / "world", projects=60, seed=7, today=date(2026, 11, 28))
    truth = {key(row) for row in planted(folder)}
    assert freeze.freeze(folder, "m2", datetime(2026, 11, 17)) > 50
    now = take(folder, monkeypatch, tmp_path / "clock")

    told = supervise(now.date())
    opened = {key(row) for row in listed().to_dicts()}
    assert opened - truth == set(), "the whole data open no such finding"
    assert opened, "what does not rest on the silent source is judged"
    assert told.not_judged.get("overdue", 0) >= 3
    (silent,) = rows("select feed, kind, since::date as since, text from landing.silence where feed = 'm2'")
    assert (silent["kind"], silent["since"]) == ("source", date(2026, 11, 16))
    assert "工作日" in silent["text"] and "通常" in silent["text"]
    assert {(feed.light, feed.silence_of) for feed in health("m2") if feed.last_run} == {("silent", "m2")}
    lights = {row["light"] for row in rows("select distinct light from supervision.clock where case_id like 'M2:%'")}
    assert "待数据" in lights and not lights & {"绿", "黄"}
    life.advance(now)
    waits = "select 1 from supervision.work_order o join supervision.waiting w using (rule, project_code, item_code, case_no)"
    assert rows(waits) == []

    freeze.thaw(folder, now)
    take(folder, monkeypatch, tmp_path / "clock")
    supervise(now.date())
    standing = listed()
    assert {key(row) for row in standing.filter(standing["state"] == "open").to_dicts()} == truth
    assert rows("select 1 from landing.silence where ended_at is null") == []


def test_a_feed_a_source_and_a_department_that_stop_accuse_nobody(hub, monkeypatch, tmp_path) -> None:
    """The everyday part of ``onemap test --silence``: unlike the test above, the systems around them go on."""
    today = date(2026, 11, 24)
    folder = world.make(tmp_path / "world", projects=20, seed=7, today=today)
    department = Counter(row["BJBMZZJGDM"] for row in lines(folder, "m2/EX_GDBS_BJ")).most_common(3)[2][0]
    held = [
        freeze.freeze(folder, "p1/licence", datetime(2026, 11, 16)),
        freeze.freeze(folder, "d1", datetime(2026, 11, 12)),
        freeze.freeze(folder, "m2/EX_GDBS_BJ", datetime(2026, 10, 30), where={"BJBMZZJGDM": department}),
    ]
    assert all(held), held
    truth = {key(row) for row in planted(folder)}
    now = take(folder, monkeypatch, tmp_path / "clock")
    supervise(today)
    life.advance(now)
    assert {key(row) for row in listed().to_dicts()} <= truth
    assert rows("select count(*) as n from supervision.work_order")[0]["n"] <= len(truth)

    freeze.thaw(folder, now)
    for source, feeds in (("p1", ["licence"]), ("d1", None), ("m2", ["bj"])):
        assert {outcome.outcome for outcome in sync.source(source, feeds=feeds)} == {"ok"}
    unify.run()
    supervise(today)
    judged = on_day(today).findings
    standing = {key(row) for row in listed().to_dicts() if row["state"] == "open"}
    assert standing | not_over(judged, today) == truth
