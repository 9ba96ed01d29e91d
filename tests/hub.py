"""The fixture of a hub of one's own: migrated database, empty archive.

Migrated once a session; each test gets a copy. Import both fixtures into a conftest: ``from tests.hub import hub,
migrated``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.sql import provide
from store.engine import dispose


@pytest.fixture(scope="session")
def migrated(postgres_server: str) -> Iterator[str]:
    """Name of a migrated, empty database that nobody is connected to."""
    name = f"m{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEMAP_DATABASE_URL", postgres_server.format(database=name))
        provide.upgrade()
        dispose()
    yield name
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database if exists {name} with (force)"))
    admin.dispose()


@pytest.fixture
def hub(postgres_server: str, migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sets the environment to a fresh, migrated database; yields the run folder."""
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name} template {migrated}"))
    monkeypatch.setenv("ONEMAP_DATABASE_URL", postgres_server.format(database=name))
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    monkeypatch.delenv("ONEMAP_ARCHIVE_URL", raising=False)
    yield tmp_path
    dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database if exists {name} with (force)"))
    admin.dispose()
