"""A suite reads columns as they were sent, also those that no mapping names or that some batches lack."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from quality import suites
from tests.pipeline.rows import case, run, scalar, window

ANY = window(None, None)
SUITE = """feed: m2.sb
expectations:
  - {expect: column_values_to_not_be_null, column: XINLIE, code: missing_value, severity: warning}
"""


@pytest.mark.suites
def test_a_suite_may_read_a_column_that_no_mapping_names(world, monkeypatch, tmp_path) -> None:
    shutil.copytree(suites.FOLDER, tmp_path / "suites")
    monkeypatch.setattr(suites, "FOLDER", tmp_path / "suites")
    monkeypatch.setattr(suites, "raw", SimpleNamespace(find=lambda feed: None))  # a feed without a contract of its own
    (tmp_path / "suites/feeds/m2.sb.yaml").write_text(SUITE, "utf-8")
    world["m2.sb"].pages = [[case(1, XINLIE="x"), case(2)]]
    assert run("m2.sb", ANY).outcome == "ok"
    assert scalar("select count from landing.issue where code = 'missing_value' and field = 'XINLIE'") == 1
    world["m2.sb"].pages = [[case(3)]]
    assert run("m2.sb", ANY).outcome == "ok"
