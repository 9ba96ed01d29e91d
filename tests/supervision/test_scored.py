"""Against the simulated world's planted truth: all of it found, nothing else; and day by day as at once."""

from __future__ import annotations

from datetime import date

import polars as pl

from standins import world
from supervision import explain
from supervision.ledger import listed, on_day, supervise
from supervision.listing import clocks
from tests.pipeline.rows import rows
from tests.supervision.told import planted, take

KINDS = {"paper": "账面停滞", "ground": "实地停滞"}


def key(row: dict) -> tuple:
    kind = row.get("level") or "" if row["rule"] == "overdue" else ""
    if row["rule"] in ("returned", "stalled"):
        kind = KINDS.get(row["kind"], row["kind"])
    return row["rule"], row["project_code"], row["item_code"], row["case_no"], kind, row["severity"]


def not_over(judged: pl.DataFrame, today: date) -> set[tuple]:
    """Verdicts whose window ends today or later, so that no source can have delivered it yet. The truth of a world knows no
    waiting; nothing else may wait where everything was read."""
    waiting = judged.filter(pl.col("waits_for").list.len() > 0)
    assert waiting.filter((pl.col("until") < today).fill_null(True)).is_empty()
    return {key(row) for row in waiting.to_dicts()}


def test_all_that_was_planted_is_found_and_nothing_else(hub, monkeypatch, tmp_path) -> None:
    folder = world.make(tmp_path / "world", projects=40, seed=7, today=date(2026, 11, 24))
    now = take(folder, monkeypatch, tmp_path / "clock")
    judged = on_day(now.date()).findings
    early = not_over(judged, now.date())
    found, truth = (
        {key(row) for row in judged.to_dicts() if not row["waits_for"]},
        {key(row) for row in planted(folder)},
    )
    assert len(truth) > 5
    assert found - truth == set()
    assert truth - found == early


def test_a_ledger_kept_day_by_day_ends_where_the_truth_does(hub, monkeypatch, tmp_path) -> None:
    folder = world.make(tmp_path / "world", projects=20, seed=8, today=date(2026, 3, 2))
    now = take(folder, monkeypatch, tmp_path / "clock")
    supervise(now.date())
    world.advance(folder, 9)
    later = date(2026, 3, 11)
    supervise(later)  # the day moves on, its data have not come yet
    assert take(folder, monkeypatch, tmp_path / "clock").date() == later
    assert not supervise(later).whole
    standing = listed()
    found = {key(row) for row in standing.filter(standing["state"] == "open").to_dicts()}
    assert found | not_over(on_day(later).findings, later) == {key(row) for row in planted(folder)}

    by_number = {row["case_no"]: row for row in clocks(later)}
    accepted = [row["case_no"] for row in by_number.values() if row["used_promised"]]
    for number in accepted[:: len(accepted) // 4]:
        (told,) = [one for one in explain.case(number, later) if one["case_no"] == number]
        assert sum(isinstance(day.get("promised"), int) for day in told["days"]) == by_number[number]["used_promised"]
        assert told["light"] == by_number[number]["light"]
    (own,) = rows("select case_no from store.case_member where channel = 'D1' and case_id like 'M2:%' limit 1")
    assert {one["case_id"][:3] for one in explain.case(own["case_no"], later)} == {"M2:"}, (
        "a department's number leads to the case"
    )
