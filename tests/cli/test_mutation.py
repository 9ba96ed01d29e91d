"""A mutant is detected when a test that ran failed; where no test ran there is no verdict, and the run fails."""

from __future__ import annotations

import json
import subprocess

import pytest

from cli import mutation
from core import settings


@pytest.fixture
def ended(monkeypatch, tmp_path):
    """A run of mutmut whose processes ended with these codes."""

    def run(codes: dict[str, int | None]) -> None:
        (tmp_path / "mutants" / "store").mkdir(parents=True)
        (tmp_path / "mutants" / "store" / "values.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))

    monkeypatch.setattr(settings, "ROOT", tmp_path)
    monkeypatch.setattr(mutation.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0))
    return run


def test_a_score_counts_what_tests_found(ended, capsys):
    ended({"store.values.a_1": 1, "store.values.a_2": 0, "store.values.b_1": 33, "store.values.c_1": None})
    assert mutation.run([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "store.values.a_2: survived"
    assert lines[1].split() == ["store.values", "1", "of", "2", "50.0%,", "1", "unreached"]


def test_a_mutant_whose_tests_did_not_start_is_no_mutant_that_was_found(ended, capsys):
    ended({"store.values.a_1": 1, "store.values.a_2": 255})
    assert mutation.run(["store.values"]) == 1
    assert "store.values.a_2: not run" in capsys.readouterr().out
