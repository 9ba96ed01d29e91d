"""Against the told world's planted truth: all of it found, nothing else."""

from __future__ import annotations

from datetime import date

import pytest

from standins import world
from supervision.ledger import on_day
from tests.supervision.told import planted, take

KINDS = {"paper": "账面停滞", "ground": "实地停滞"}


def key(row: dict) -> tuple:
    kind = row.get("level") or "" if row["rule"] == "overdue" else ""
    if row["rule"] in ("returned", "stalled"):
        kind = KINDS.get(row["kind"], row["kind"])
    return row["rule"], row["project_code"], row["item_code"], row["case_no"], kind, row["severity"]


@pytest.mark.parametrize(("seed", "projects", "today"), [(7, 60, date(2026, 11, 24)), (8, 40, date(2026, 3, 2))])
def test_all_that_was_planted_is_found_and_nothing_else(hub, monkeypatch, tmp_path, seed, projects, today) -> None:
    folder = world.make(tmp_path / "world", projects=projects, seed=seed, today=today)
    now = take(folder, monkeypatch, tmp_path / "clock")
    judged = on_day(now.date()).findings
    assert judged.filter(judged["waits_for"].list.len() > 0).is_empty()
    found, truth = {key(row) for row in judged.to_dicts()}, {key(row) for row in planted(folder)}
    assert found - truth == set()
    assert truth - found == set()
