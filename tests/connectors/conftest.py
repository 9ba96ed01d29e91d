"""Connectors' tests keep what a run leaves behind (quota, spool) in a folder of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.transports import breaker


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``ONEMAP_HOME`` of this test; no breaker remembers another test."""
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(breaker.MEMORY, "_states", {})
    return tmp_path / "home"
