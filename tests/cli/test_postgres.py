"""The embedded PostgreSQL: wherever its folder is, it starts, and it ends however it was left."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from cli.stack import postgres, processes
from cli.stack.hub import Hub
from cli.stack.layout import Layout
from core.errors import InternalError


@pytest.fixture
def layout(request: pytest.FixtureRequest) -> Iterator[Layout]:
    folder = Path(tempfile.mkdtemp(prefix="onemap-"))  # pytest's own is closed to the database's user
    layout = Layout(folder / getattr(request, "param", "run folder 一"))
    layout.make()
    yield layout
    postgres.stop(layout, patience=5)
    shutil.rmtree(folder)


def of_the_server(layout: Layout) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if postgres._serves(p, layout.postgres)]


@pytest.mark.parametrize(
    "layout", ["run folder 一", ("too long for a socket " * 5).strip()], ids=["blanks", "long"], indirect=True
)
def test_it_starts_once_and_ends_with_sessions_at_work(layout):
    urls = postgres.start(layout)
    first = postgres.running(layout.postgres)
    assert postgres.start(layout) == urls
    assert postgres.running(layout.postgres) == first, "joined, not started again"
    engine = sa.create_engine(urls["onemap"])
    with engine.connect() as idle:
        idle.execute(sa.text("create table kept (x int)"))
        idle.commit()
        idle.execute(sa.text("select * from kept"))  # idle in a transaction
        busy = at_work(engine, "select pg_sleep(600)")
        begun = time.monotonic()
        postgres.stop(layout)
        assert time.monotonic() - begun < 20
        idle.invalidate()
    busy.join(5)
    assert of_the_server(layout) == []
    assert "fast shutdown" in (layout.postgres / "log").read_text()
    postgres.stop(layout)  # nothing to stop
    engine.dispose()


def test_sessions_that_outlive_a_killed_server_are_ended_before_the_next_start(layout):
    engine = sa.create_engine(postgres.start(layout)["onemap"])
    busy = at_work(engine, "do $$ begin loop end loop; end $$")
    postgres.running(layout.postgres).kill()
    assert processes.wait_gone([p for p in of_the_server(layout) if "DO" not in called(p)], 10) == []
    assert of_the_server(layout), "one is at work and does not look up"
    engine = sa.create_engine(postgres.start(layout)["onemap"])
    busy.join(5)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select 1")) == 1
    engine.dispose()


def called(process: psutil.Process) -> str:
    """The command line of a process; empty once it has ended, whether or not anybody has taken notice yet."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def at_work(engine: sa.Engine, statement: str) -> threading.Thread:
    """A session that is busy with a statement; returns once the server has it."""

    def work() -> None:
        with pytest.raises(sa.exc.DBAPIError), engine.connect() as connection:
            connection.execute(sa.text(statement))

    thread = threading.Thread(target=work)
    thread.start()
    active = sa.text("select count(*) from pg_stat_activity where state = 'active' and query = :it")
    with engine.connect() as connection:
        while not connection.scalar(active, {"it": statement}):
            connection.rollback()
            time.sleep(0.05)
    return thread


def test_a_killed_server_is_started_again_and_told_as_what_it_is(layout):
    """Whatever stands on it would fail and be blamed instead."""
    hub = Hub(layout)
    hub.superuser_url = postgres.start(layout)["postgres"]
    said: list[str] = []
    for number in range(1, 3):
        postgres.running(layout.postgres).kill()
        processes.wait_gone([p for p in of_the_server(layout)], 20)
        hub.keep(said.append)
        assert len(said) == number and "PostgreSQL" in said[-1]
        engine = sa.create_engine(hub.superuser_url)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("select 1")) == 1
        engine.dispose()
    hub.keep(said.append)
    assert len(said) == 2
    hub._restarted["postgres"] = [time.monotonic()] * 5
    postgres.running(layout.postgres).kill()
    processes.wait_gone([p for p in of_the_server(layout)], 20)
    with pytest.raises(InternalError, match="PostgreSQL"):
        hub.keep(said.append)
