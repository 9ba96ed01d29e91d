"""A migrated database for every test of serving, a small told city in it, and keys that see parts of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from serving import derive, keys
from store.engine import dispose
from supervision import ledger
from tests.hub import hub, migrated  # noqa: F401
from tests.supervision.told import take


@pytest.fixture(scope="session")
def city(postgres_server: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    """Name of a database with a told world of 20 projects, judged; nobody is connected to it."""
    from standins import world

    home = tmp_path_factory.mktemp("city")
    name = f"{migrated}c"
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"create database {name} template {migrated}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEMAP_DATABASE_URL", postgres_server.format(database=name))
        patch.setenv("ONEMAP_HOME", str(home))
        patch.delenv("ONEMAP_ARCHIVE_URL", raising=False)
        world.make(home / "world", projects=20, seed=7)
        now = take(home / "world", patch, home / "clock")
        ledger.supervise(now.date())
        derive.refresh()
        dispose()
    with admin.connect() as connection:  # the checks keep connections of their own, and a template may have none
        connection.execute(sa.text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name"), {"name": name})
    yield name
    with admin.connect() as connection:
        connection.execute(sa.text(f"drop database if exists {name} with (force)"))
    admin.dispose()


@pytest.fixture
def store(postgres_server: str, city: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A copy of the city of one's own."""
    name = f"{city}{tmp_path.name[-6:].replace('-', '_').lower()}"
    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f'create database "{name}" template {city}'))
    monkeypatch.setenv("ONEMAP_DATABASE_URL", postgres_server.format(database=name))
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    yield
    dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f'drop database if exists "{name}" with (force)'))
    admin.dispose()


@pytest.fixture
def ask(store: None) -> Callable[..., TestClient]:
    """``ask("read:projects", "town:441900119")`` → a client with a key of these scopes."""
    from serving.api.app import app

    def client(*scopes: str, **quotas: int) -> TestClient:
        _, key = keys.make("test", scopes or ("read:projects",), by="test", **quotas)
        return TestClient(app, headers={"Authorization": f"Bearer {key}"}, raise_server_exceptions=True)

    return client
