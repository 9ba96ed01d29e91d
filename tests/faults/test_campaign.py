"""The campaign, asked for by ``onemap test --faults [KILLS]`` (ONEMAP_FAULTS): too long for every day."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from standins import testing, world
from store.engine import dispose
from tests.faults import campaign

MADE = datetime(2026, 11, 23, 8)
SHORT = ["d2", "m1"]  # up to ten kills
WHOLE = ["p1", "p2", "p3", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3"]


@pytest.mark.timeout(0)
@pytest.mark.skipif(not os.environ.get("ONEMAP_FAULTS"), reason="onemap test --faults")
def test_whatever_strikes_the_hub_the_store_is_the_same(tmp_path: Path, postgres_server, new_database, monkeypatch):
    wanted = int(os.environ["ONEMAP_FAULTS"])
    for name in ("ONEMAP_DATABASE_URL", "ONEMAP_HOME"):
        monkeypatch.setenv(name, "")  # set by the campaign, put back afterwards
    folder = world.make(tmp_path / "world", projects=20 if wanted > 10 else 4, seed=7, today=MADE)
    with testing.running(
        folder, postgres_server.format(database="postgres"), at=MADE, database_prefix="faults"
    ) as stand:
        told = campaign.run(
            stand, tmp_path, new_database(), new_database(), WHOLE if wanted > 10 else SHORT, kills=wanted
        )
    dispose()
    assert told.checks >= 1 and told.kills >= wanted
    print(told)
