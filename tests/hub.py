"""The fixture of a hub of one's own: migrated database, empty archive.

Migrated once a session; each test gets a copy. Import both fixtures into a conftest: ``from tests.hub import hub,
migrated``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.sql import provide
from store.engine import dispose


@contextmanager
def own_database(postgres_server: str, template: str = "template1") -> Iterator[str]:
    """The name of a database of one's own, a copy of ``template``; dropped in the end."""
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # copying files costs half of what the default costs, which writes every page to the log too
        connection.execute(sa.text(f"create database {name} template {template} strategy file_copy"))
    try:
        yield name
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"drop database if exists {name} with (force)"))
        admin.dispose()


@contextmanager
def environment(postgres_server: str, name: str, home: Path) -> Iterator[pytest.MonkeyPatch]:
    """A database and a run folder are the hub's, for as long; an archive lies in the run folder."""
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, postgres_server.format(database=name), home)
        yield patch
        dispose()


def _set(patch: pytest.MonkeyPatch, url: str, home: Path) -> None:
    patch.setenv("ONEMAP_DATABASE_URL", url)
    patch.setenv("ONEMAP_HOME", str(home))
    patch.delenv("ONEMAP_ARCHIVE_URL", raising=False)


@pytest.fixture(scope="session")
def migrated(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of a migrated, empty database that nobody is connected to."""
    with own_database(postgres_server) as name:
        with environment(postgres_server, name, tmp_path_factory.mktemp("migrated")):
            provide.upgrade()
        yield name


@pytest.fixture
def hub(postgres_server: str, migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sets the environment to a fresh, migrated database; yields the run folder."""
    with own_database(postgres_server, migrated) as name:
        _set(
            monkeypatch, postgres_server.format(database=name), tmp_path
        )  # the test's own: undone together with its changes
        yield tmp_path
        dispose()
