"""The campaign: ``onemap test --faults``. One simulated world, real stand-ins, a proxy that spoils the wire, and a hub that is killed.

A pass begins with a store out of a template: an empty one, or one that has read the world of the day before. It goes through the
steps of a hub's day, a feed's reading each, unify, supervise and tidying. Each step is struck some times, at instants spread over its
length, then brought to its end; what the blow left is what the next try begins with. SIGKILL meets a task, the worker that waits
for it (the task lives on, and the next one begins beside it), both, a database session's process (the server ends all others and
recovers), the server itself, or the supervisor that starts it again. Other blows end all sessions, let two hubs do the same step
at once, fill the disk or make it read-only (both where this may mount: as root). In between the wire fails by chance. After each
pass the store's hash and the findings are those of a hub that nothing ever happened to, every row is accounted for, and nothing is
left behind.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from cli.stack import postgres, processes
from cli.stack.layout import Layout
from core.settings import ROOT
from standins import testing
from store import hash as store_hash
from store import migrate
from store.engine import dispose, engine
from tests.faults.proxy import Proxy

KILLS = ("task",) * 10 + ("both",) * 3 + ("worker",) * 2 + ("session",) * 3 + ("server", "supervisor")
BLOWS = KILLS + ("end sessions", "two hubs")
DISK_BLOWS = ("full disk", "read-only disk")
DISK_MIB = 96
TIMES = 3  # a step is struck: bytes that were met while they were decoded four times are not believed any more
BEFORE, EMPTY, STRUCK = "before", "empty", "struck"  # databases
# with a checkpoint: a sequence of a copy that is WAL-logged page by page goes back some numbers when the server crashes
_COPY = "create database {} template {} strategy file_copy"
CLOSING = ("unify", "supervise", "tidy")


@dataclass
class Told:
    """What happened. ``missed``: what was to be struck had ended."""

    kills: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    checks: int = 0
    wire: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Hub:
    """The process of :mod:`tests.faults.hub`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = _child("tests.faults.hub", file)

    def begin(self, steps: list[str], env: dict[str, str], modules: Path | None = None) -> tuple[int, int]:
        """Start a try; the pids of worker and task."""
        worker, task = self._ask({"begin": steps, "env": env, "modules": str(modules) if modules else None})
        return worker, task

    def end(self, worker: int) -> int:
        """Wait; returns the exit code."""
        return self._ask({"wait": worker})

    def settle(self) -> None:
        """Wait for tasks whose worker was killed."""
        self._ask({"settle": True})

    def load(self, modules: Path) -> None:
        """Load what a task needed, for those to come."""
        self._ask({"load": str(modules)})

    def _ask(self, what: dict[str, Any]) -> Any:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


class Server:
    """A PostgreSQL of its own under the hub's own supervision (:mod:`tests.faults.supervisor`): it may crash, and be killed."""

    def __init__(self, home: Path) -> None:
        self.layout, self.log = Layout(home), home.with_suffix(".log")
        self._start()
        self._admin = sa.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        self.sql(
            "alter system set fsync = off",  # processes are killed here, no machine
            "alter system set full_page_writes = off",
            "select pg_reload_conf()",
        )

    def _start(self) -> None:
        with self.log.open("a") as file:
            self.supervisor = _child("tests.faults.supervisor", file, ONEMAP_HOME=str(self.layout.home))
        self.url = self.supervisor.stdout.readline().strip()
        assert self.url, self.log.read_text()[-2000:]

    def of(self, database: str) -> str:
        """The URL of a database."""
        return self.url.replace("/postgres?", f"/{database}?")

    def sql(self, *statements: str) -> None:
        """By the superuser, outside of transactions."""
        with self._admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def kill(self, what: str) -> bool:
        """SIGKILL of the server or its supervisor."""
        process = postgres.running(self.layout.postgres) if what == "server" else psutil.Process(self.supervisor.pid)
        assert process is not None
        process.kill()
        process.wait(20)
        return True

    def back(self) -> None:
        """Until it takes sessions again, and is supervised: one that gave up, as it may after five ends, is started again."""
        dispose()
        until = time.monotonic() + 120
        while True:
            if self.supervisor.poll() is not None:
                self._start()
            try:
                return self.sql("select 1")
            except sa.exc.OperationalError:
                assert time.monotonic() < until, "the database does not come back"
                time.sleep(0.1)

    def close(self) -> None:
        dispose()
        with suppress(OSError):
            self.supervisor.stdin.close()
        self.supervisor.wait(60)
        left = [process for process in psutil.process_iter() if postgres._serves(process, self.layout.postgres)]
        assert not left and not processes.owned(self.layout), "processes are left"


@dataclass
class Campaign:
    """One campaign's things."""

    stand: testing.Running
    folder: Path
    hub: Hub
    server: Server
    chance: random.Random
    steps: list[str]
    proxy: Proxy
    told: Told = field(default_factory=Told)
    env: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, float] = field(default_factory=dict)  # of steps, seconds
    expected: dict[str, Any] = field(default_factory=dict)  # template -> what comes of it

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def snapshot(self, name: str) -> None:
        """Keep database and run folder as they are."""
        dispose()
        self.server.sql(_COPY.format(name, STRUCK))
        shutil.copytree(self.home, self.folder / name)

    def restore(self, name: str) -> None:
        """Put them back."""
        dispose()
        self.server.sql(f"drop database {STRUCK} with (force)", _COPY.format(STRUCK, name))
        for path in self.home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.folder / name, self.home, dirs_exist_ok=True)

    def first(self) -> None:
        """Every step, unstruck, the first time: what each needs is loaded for those to come."""
        for step in self.steps:
            self.finish(step, modules := self.folder / "modules.json")
            self.hub.load(modules)
        self.lengths.clear()

    def clean(self) -> Any:
        """Every step, unstruck; returns what comes of it."""
        for step in self.steps:
            self.finish(step)
        return self.result()

    def finish(self, step: str, modules: Path | None = None) -> None:
        """A step that nothing happens to."""
        begun = time.monotonic()
        code = self.hub.end(self.hub.begin([step], self.env, modules)[0])
        assert code == 0, f"{step}, that nothing happened to, ended with {code}: {self.hub.log.read_text()[-4000:]}"
        self.lengths[step] = max(self.lengths.get(step, 0.0), time.monotonic() - begun)

    def strike(self, step: str, blow: str, wire: float) -> bool:
        """A try of a step that is struck at some instant of its length. Returns whether there was still something to strike."""
        self.proxy.share = wire
        tries = [self.hub.begin([step], self.env)]
        if blow == "two hubs":
            tries.append(self.hub.begin([step], self.env))
        time.sleep(after := self.chance.uniform(0.0, self.lengths[step]))
        worker, task = tries[0]
        met = _lives(worker) and self._blow(blow, worker, task)
        for one, _ in tries:
            self.hub.end(one)
        if met and blow == "full disk":
            (self.home / "ballast").unlink()
        elif met and blow == "read-only disk":
            _remount(self.home, "rw")
        if blow in ("session", "server", "supervisor"):
            self.server.back()
        self.proxy.share = 0.0
        if not met:
            self.told.missed += 1
            self.lengths[step] = after  # the machine is quicker now
            return False
        (self.told.kills if blow in KILLS else self.told.others)[blow] += 1
        self.told.steps[step] += 1
        return True

    def _blow(self, blow: str, worker: int, task: int) -> bool:
        """Whether it met something."""
        if blow in ("task", "two hubs"):
            return _kill(os.kill, task)
        if blow == "worker":
            return _kill(os.kill, worker)
        if blow == "both":
            return _kill(os.killpg, worker)
        if blow == "session":
            return _kill(os.kill, self.chance.choice(_sessions() or [0]))
        if blow == "end sessions":
            _end_sessions()
        elif blow == "full disk":
            _fill(self.home / "ballast")
        elif blow == "read-only disk":
            return _remount(self.home, "ro")
        else:
            return self.server.kill(blow)
        return True

    def result(self) -> Any:
        """The store and what is found in it."""
        with engine().connect() as connection:
            findings = connection.exec_driver_sql(_FINDINGS).scalar_one()
        return store_hash.of_store(), findings

    def check(self, template: str) -> None:
        """The same store, every row accounted for, nothing left."""
        assert self.result() == self.expected[template], f"another store, begun with the one {template}"
        left(self.home)
        self.told.checks += 1


_FINDINGS = """select count(*) || ' ' || coalesce(md5(string_agg(concat_ws(' ', rule, project_code, item_code, case_no), chr(10)
               order by rule, project_code, item_code, case_no)), '') from supervision.finding"""


def run(
    stand: testing.Running,
    folder: Path,
    feeds: list[str],
    *,
    kills: int,
    advance: Callable[[], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
    seed: int = 1,
) -> Told:
    """Until so many kills have met something, and every kind of blow. ``advance``: the world's next day; without it all passes begin empty.

    :raises AssertionError: something was lost, doubled or left.
    """
    begun = time.monotonic()
    port = int(stand.connection("m_api")["host"].split("//")[-1].split("/")[0].rpartition(":")[2])
    proxy = Proxy(("127.0.0.1", port), seed, 0.0)
    steps = [*(f"sync:{feed}" for feed in feeds), *CLOSING]
    server = Server(folder / "server")
    hub = Hub(folder / "hub.log")
    try:
        one = Campaign(stand, folder, hub, server, random.Random(seed), steps, proxy)
        with _disk(one.home) as mounted:
            _prepare(one, {port: proxy.port}, advance)
            _passes(one, BLOWS + (DISK_BLOWS if mounted else ()), kills, say)
    finally:
        hub.close()
        server.close()
        proxy.shutdown()
        proxy.server_close()
    running = [p for p in psutil.Process().children(recursive=True) if "tests.faults" in " ".join(p.cmdline())]
    assert running == [], "processes are left"
    one.told.wire, one.told.seconds = proxy.met, time.monotonic() - begun
    return one.told


def _prepare(one: Campaign, ports: dict[int, int], advance: Callable[[], None] | None) -> None:
    """Templates, and what comes of each where nothing happens."""
    one.server.sql(f"create database {STRUCK}")
    one.env = _environment(one.stand, one.home, one.server.of(STRUCK), ports)
    _store(one.server.of(STRUCK), one.home)
    one.snapshot(EMPTY)
    one.first()
    if advance:
        one.snapshot(BEFORE)
        advance()
        one.expected[BEFORE] = one.clean()
    one.restore(EMPTY)
    one.expected[EMPTY] = one.clean()


def _passes(one: Campaign, blows: tuple[str, ...], kills: int, say: Callable[[str], None]) -> None:
    told, bag = one.told, []
    due = set(blows)
    while due or told.kills.total() < kills:
        template = one.chance.choice(sorted(one.expected))
        one.restore(template)
        for step in one.steps:
            for _ in range(TIMES):
                if not bag:
                    bag = list(due) or list(blows)
                    one.chance.shuffle(bag)
                if one.strike(step, bag[-1], 0.3 if one.chance.random() < 0.3 else 0.0):
                    bag.pop()
            one.hub.settle()
            one.finish(step)
        one.check(template)
        due -= told.kills.keys() | told.others.keys()
        say(
            f"{told.checks} passes, {told.kills.total()} kills, {told.others.total()} other blows, {told.missed} missed"
        )


def _child(module: str, log: Any, **env: str) -> subprocess.Popen[str]:
    given = {name: value for name, value in os.environ.items() if name != "ONEMAP_DATABASE_URL"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=given | {"PYTHONPATH": f"{ROOT}:{ROOT / 'dags' / 'provider'}"} | env,
        cwd=ROOT,
    )


@contextmanager
def _disk(home: Path) -> Iterator[bool]:
    """A small disk of its own under ``home``; False where none may be mounted."""
    home.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "onemap-faults", str(home)], capture_output=True
    ).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(home)], check=True)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return


def _remount(home: Path, how: str) -> bool:
    """Busy for as long as a file is open for writing; False: it was so throughout."""
    for _ in range(200):
        if not subprocess.run(["mount", "-o", f"remount,{how}", str(home)], capture_output=True).returncode:
            return True
        time.sleep(0.02)
    return False


def _environment(stand: testing.Running, home: Path, database: str, ports: dict[int, int]) -> dict[str, str]:
    env = {
        **os.environ,
        "ONEMAP_HOME": str(home),
        "ONEMAP_DATABASE_URL": database,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'dags' / 'provider'}",
    }
    for connection in stand.connections:
        fields = {name: value for name, value in connection.items() if name != "conn_id"}
        for port, through in ports.items():
            if isinstance(fields.get("host"), str):
                fields["host"] = fields["host"].replace(f":{port}", f":{through}")
        env[f"AIRFLOW_CONN_{connection['conn_id'].upper()}"] = json.dumps(fields)
    return env


def _store(url: str, home: Path) -> None:
    dispose()
    os.environ["ONEMAP_DATABASE_URL"], os.environ["ONEMAP_HOME"] = url, str(home)
    migrate.upgrade()


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(how: Callable[[int, int], None], pid: int) -> bool:
    """Pid 0: nobody."""
    try:
        if pid:
            how(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return bool(pid)


_OF_THE_HUB = """from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                 and application_name = 'onemap'"""


def _sessions() -> list[int]:
    with engine().connect() as connection:
        return list(connection.exec_driver_sql(f"select pid {_OF_THE_HUB}").scalars())


def _end_sessions() -> None:
    with engine().connect() as connection:
        connection.exec_driver_sql(f"select pg_terminate_backend(pid) {_OF_THE_HUB}")


def left(home: Path) -> None:
    """:raises AssertionError: a row is not accounted for, or something of a run is left behind."""
    with engine().connect() as connection:

        def count(query: str) -> int:
            return connection.exec_driver_sql(query).scalar_one()

        assert count("select count(*) from landing.run where ended_at is null") == 0, "open runs"
        assert count("select count(*) from pg_tables where schemaname = 'staging'") == 0, "staging tables"
        assert (
            count(
                """select count(*) from landing.run where outcome = 'ok' and rows_in <>
                   new + changed + history + unchanged + quarantined + tombstoned"""
            )
            == 0
        ), "unbalanced runs"
        locks = """select count(*) from pg_locks l join pg_database d on d.oid = l.database
                   where l.locktype = 'advisory' and d.datname = current_database()"""
        until = time.monotonic() + 20
        while count(locks) and time.monotonic() < until:
            time.sleep(0.2)
        assert count(locks) == 0, "locks"
        receipts = connection.exec_driver_sql("select distinct sha256 from landing.receipt").scalars().all()
    from store import archive

    assert all(archive.exists(sha256) for sha256 in receipts), "a receipt without its bytes"
    from core import scratch

    scratch.sweep()
    left = list((home / "tmp").iterdir()) if (home / "tmp").exists() else []
    assert left == [], f"files on their way: {left}"
    parts = list((home / "archive").rglob("*.part"))
    for part in parts:  # a killed write leaves its beginning under another name
        assert part.name.startswith("."), part
