"""A hub of one's own, started by the launcher's command line in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from core import settings

FIRST = ("d2", "m1", "p1", "s2")  # REST in two ways, SOAP, OGC: enough to run every task of a DAG
START_SECONDS = 480


@dataclass
class Hub:
    """A run folder and what is done to it."""

    home: Path
    process: subprocess.Popen | None = None
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "ONEMAP", "PYTEST"))}
        paths = [str(settings.ROOT), str(settings.ROOT / "dags" / "provider")]
        self.env = {**clean, "ONEMAP_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(paths)}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "cli", *words]

    def run(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            self.command(*words), env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=180
        )

    def json(self, *words: str, env: dict[str, str] | None = None) -> dict:
        done = self.run(*words, "--json", env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def up(self, *words: str, sources: tuple[str, ...] = FIRST) -> None:
        """Start it in the background."""
        first = [word for source in sources for word in ("--source", source)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command("up", *first, *words),
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, condition, seconds: float = START_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.3)

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(90)

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this run folder, the database too, found from outside."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = str(self.home) in " ".join(process.cmdline()) or process.environ().get("ONEMAP_OWNER") == str(
                    self.home
                )
                mine = mine or process.cwd().startswith(str(self.home))
            except (psutil.Error, OSError):
                continue
            if mine and process.pid != os.getpid():
                found.append(process)
        return found

    def rows(self, statement: str) -> list[tuple]:
        """Ask the hub's database, which runs."""
        engine = sa.create_engine((self.home / "database.url").read_text().strip(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = connection.execute(sa.text(statement))
            rows = [tuple(row) for row in found] if found.returns_rows else []
        engine.dispose()
        return rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small world for all hubs, so that their stores can be compared."""
    from standins import world

    return world.make(tmp_path_factory.mktemp("told") / "world", projects=4, seed=11)


@pytest.fixture
def hub(world: Path) -> Iterator[Hub]:
    """Outside of pytest's own folder, which every other pytest of this user closes to the database's user as it starts."""
    folder = Path(tempfile.mkdtemp(prefix="onemap-"))
    hub = Hub(folder / "hub")
    shutil.copytree(world, hub.home / "world")
    try:
        yield hub
        hub.run("down")
        assert hub.processes() == []
    finally:
        for process in hub.processes():
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
