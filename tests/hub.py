"""The fixture of a hub of one's own: migrated database, empty archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import migrate
from store.engine import dispose


@pytest.fixture
def hub(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sets the environment to a fresh, migrated database; yields the run folder."""
    monkeypatch.setenv("ONEMAP_DATABASE_URL", database)
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    monkeypatch.delenv("ONEMAP_ARCHIVE_URL", raising=False)
    migrate.upgrade()
    yield tmp_path
    dispose()
