"""The mapping tests that stand beside the mappings: raw rows in, rows and issues out."""

from __future__ import annotations

from pathlib import Path

import pytest

from mappings import cases


@pytest.mark.parametrize("path", cases.files(), ids=lambda path: f"{path.parent.parent.name}.{path.stem}")
def test_a_mapping_does_what_its_tests_say(path: Path) -> None:
    assert [f"{result.where} {result.name}: {wrong}" for result in cases.run(path) for wrong in result.wrong] == []
