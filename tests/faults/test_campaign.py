"""The campaign: every day a short part of it, a blow of each kind; whole by ``onemap test --faults [KILLS]`` (ONEMAP_FAULTS)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from sources import loader
from standins import testing, world
from store.engine import dispose
from tests.faults import campaign

MADE = datetime(2026, 11, 23, 20)
EVERYDAY = 1  # kills; a blow of each kind in any case
SHORT = ["m1.projects"]
WHOLE = [
    f"{source}.{feed}"
    for source in ("p1", "p2", "p3", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3")
    for feed in loader.load(source).feeds
    if not feed.endswith("_v3")  # the same tables under the names of another version
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Pytest's own is closed to the database's user."""
    made = Path(tempfile.mkdtemp(prefix="onemap-faults-"))
    made.chmod(0o755)
    yield made
    dispose()
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.timeout(0)
def test_whatever_strikes_the_hub_the_store_is_the_same(
    folder: Path, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = int(os.environ.get("ONEMAP_FAULTS") or EVERYDAY)
    whole = wanted > 10
    for name in ("ONEMAP_DATABASE_URL", "ONEMAP_HOME"):
        monkeypatch.setenv(name, "")  # set by the campaign, put back afterwards
    told = world.make(folder / "world", projects=4, seed=7, today=MADE)
    with testing.running(told, postgres_server.format(database="postgres"), at=MADE, database_prefix="faults") as stand:

        def advance() -> None:
            world.advance(told, 1)
            stand.move_clock(days=1)

        result = campaign.run(
            stand,
            folder,
            WHOLE if whole else SHORT,
            kills=wanted,
            advance=advance if whole else None,
            say=lambda text: print(text, flush=True),
        )
    assert result.checks >= 1 and result.kills.total() >= wanted
    print(result)
