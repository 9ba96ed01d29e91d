"""A migrated database for every test of serving, a small told city in it, and keys that see parts of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from serving import derive, keys
from store.engine import transaction
from supervision import ledger
from tests.hub import environment, hub, migrated, own_database  # noqa: F401
from tests.supervision.told import take

TODAY = datetime(2026, 11, 28, 15)  # a world of so few projects may have nothing that runs on another day


@pytest.fixture(scope="session")
def city(postgres_server: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    """Name of a database with a simulated world of 20 projects, judged; nobody is connected to it."""
    from standins import world

    home = tmp_path_factory.mktemp("city")
    with own_database(postgres_server, migrated) as name:
        with environment(postgres_server, name, home) as patch:
            world.make(home / "world", projects=20, seed=7, today=TODAY)
            now = take(home / "world", patch, home / "clock")
            ledger.supervise(now.date())
            derive.refresh()
        (tmp_path_factory.getbasetemp() / "city-archive").write_text(str(home / "archive"))
        admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:  # the checks keep connections of their own, and a template may have none
            connection.execute(
                sa.text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name"), {"name": name}
            )
        admin.dispose()
        yield name


@pytest.fixture(scope="module")
def store(postgres_server: str, city: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the city for one module of tests; yields the run folder."""
    home = tmp_path_factory.mktemp("home")
    with own_database(postgres_server, city) as name, environment(postgres_server, name, home) as patch:
        patch.setenv("ONEMAP_ARCHIVE_URL", (tmp_path_factory.getbasetemp() / "city-archive").read_text())
        yield home


@pytest.fixture(scope="module")
def ask(store: Path) -> Callable[..., TestClient]:
    """``ask("read:projects", "town:441900119")`` → a client with a key of these scopes."""
    from serving.api.app import app

    def client(*scopes: str, **quotas: int) -> TestClient:
        _, key = keys.make("test", scopes or ("read:projects",), by="test", **quotas)
        return TestClient(app, headers={"Authorization": f"Bearer {key}"})

    return client


def rows(statement: str, **values: Any) -> list[dict[str, Any]]:
    """Rows as the owner of the store sees them."""
    with transaction() as connection:
        return [dict(row._mapping) for row in connection.execute(sa.text(statement), values)]


@pytest.fixture(scope="module")
def two_towns(store: Path) -> tuple[str, str]:
    """Two towns that have projects with cases, findings and red lines."""
    found = rows(
        """select p.town_code from store.project p
           where exists (select from store.redline r where r.project_code = p.id) and exists (select from supervision.finding f where f.project_code = p.id)
             and exists (select from store."case" c where c.project_code = p.id)
           group by 1 order by 1 limit 2"""
    )
    return found[0]["town_code"], found[1]["town_code"]


@pytest.fixture(scope="session")
def postgis_url(need: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SQLAlchemy URL of an empty database in a Debian PostgreSQL 15 that has PostGIS at hand."""
    import shutil
    import subprocess
    import tempfile

    bin_ = Path("/usr/lib/postgresql/15/bin")
    if not Path("/usr/share/postgresql/15/extension/postgis.control").exists() or not (bin_ / "initdb").exists():
        need("postgis-of-postgresql-15", "postgresql-15-postgis-3")
    root = Path(tempfile.mkdtemp(prefix="onemap-gis-"))
    shutil.chown(root, "postgres", "postgres")
    as_postgres = ["runuser", "-u", "postgres", "--"]
    subprocess.run(
        [*as_postgres, str(bin_ / "initdb"), "-D", str(root / "data"), "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
    )
    options = f"-c listen_addresses= -c unix_socket_directories={root} -c fsync=off"
    control = [*as_postgres, str(bin_ / "pg_ctl"), "-D", str(root / "data"), "-w"]
    subprocess.run([*control, "-o", options, "-l", str(root / "log"), "start"], check=True, capture_output=True)
    yield f"postgresql+psycopg://postgres@/postgres?host={root}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
    shutil.rmtree(root, ignore_errors=True)
