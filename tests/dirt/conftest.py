"""A hub that every feed's dirt goes into, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from quality import validation
from tests.hub import migrated  # noqa: F401


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> int:
    """Mutations a feed."""
    return request.config.getoption("--dirt")


@pytest.fixture(scope="session")
def day(request: pytest.FixtureRequest) -> int:
    """The seed: another every day, or the one given."""
    return request.config.getoption("--dirt-seed") or date.today().toordinal()


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Payloads of the day that are decoded again under limits."""
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def dirty(postgres_server: str, migrated: str, tmp_path_factory) -> Iterator[pytest.MonkeyPatch]:  # noqa: F811
    """One hub for all feeds; the suites have tests of their own."""
    import uuid

    import sqlalchemy as sa

    from store.engine import dispose

    name = f"t{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name} template {migrated}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEMAP_DATABASE_URL", postgres_server.format(database=name))
        patch.setenv("ONEMAP_HOME", str(tmp_path_factory.mktemp("dirt")))
        patch.setattr(validation, "validate", lambda connection, staged: [])
        dispose()
        yield patch
        dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database if exists {name} with (force)"))
    admin.dispose()
