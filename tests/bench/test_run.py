"""The bench itself: what it prints has the names that others read, and a figure that cannot be had is none."""

from __future__ import annotations

import pytest

from bench import rivals, run, scratch


@pytest.fixture(scope="module")
def measured() -> dict:
    with scratch.server() as server, pytest.MonkeyPatch.context() as patch:

        def away(*_):
            raise rivals.Unavailable("no network")

        patch.setattr(rivals, "dlt", away)
        return run._hot_path(server, 1_000, 1, True, lambda line: None)


def test_a_rival_that_cannot_be_had_leaves_a_reason_and_no_figure(measured: dict) -> None:
    assert measured["vs_dlt"] is measured["again_vs_dlt"] is measured["vs_singer"] is None
    assert measured["told"] == ["no network"]
    assert measured["vs_floor"] > 0 and measured["peak_mib"] > 50 and measured["rows_per_s"] > 0


def test_a_commit_has_one_row(measured: dict, tmp_path) -> None:
    path = tmp_path / "results.md"
    found = {
        "commit": "abc",
        "at": "2026-11-27 10:00",
        "quick": True,
        "cores": 2,
        "load": 1.0,
        "hot_path": measured,
        "small": measured,
        "protocols": {"soap": {"ratio": 2.5}, "mqtt": {"told": "no broker"}},
        "unify": {"rows_per_s": 7},
        "store": {"bytes_per_record": 8},
    }
    run.write(found, path)
    run.write(found | {"commit": "def"}, path)
    run.write(found, path)
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| def (quick)", "| abc (quick)"]
    assert len({row.count("|") for row in rows}) == 1
