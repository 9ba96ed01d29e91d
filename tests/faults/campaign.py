"""The campaign: ``onemap test --faults``. One told world, real stand-ins, a proxy that spoils the wire, and a hub that is killed.

Each round starts the hub, and does one of these to it at a random instant: SIGKILL; its database sessions ended; its database
server crashed, which recovers and takes sessions again, as one that was failed over; another hub on the same store beside it; its
disk filled to the brim, or made read-only (both where this may mount: as root). In between the wire fails by chance. After each
round that is not struck, the store's hash is that of a hub that nothing ever happened to, every row is accounted for, and nothing
is left behind.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from core.settings import ROOT
from standins import testing
from store import hash as store_hash
from store import migrate
from store.engine import dispose, engine
from tests.faults.proxy import Proxy

BLOWS = ("kill",) * 5 + ("sessions", "crash", "two")
DISK_BLOWS = ("full", "read-only")
DISK_MIB = 96


@dataclass
class Told:
    """What happened."""

    kills: int = 0
    blows: dict[str, int] = field(default_factory=dict)
    checks: int = 0
    wire: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Hub:
    """The process of :mod:`tests.faults.hub`."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.faults.hub"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=env,
                cwd=ROOT,
            )

    def begin(self, sources: list[str], env: dict[str, str]) -> int:
        """Start a try; returns its pid."""
        return self._ask({"begin": sources, "env": env})

    def end(self, pid: int) -> int:
        """Wait; returns the exit code."""
        return self._ask({"wait": pid})

    def _ask(self, what: dict[str, Any]) -> int:
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


def run(
    stand: testing.Running, folder: Path, clean: str, struck: str, sources: list[str], *, kills: int, seed: int = 1
) -> Told:
    """``clean``, ``struck``: URLs of two empty databases. :raises AssertionError: something was lost, doubled or left."""
    chance, told, begun = random.Random(seed), Told(), time.monotonic()
    port = int(stand.connection("m_api")["host"].split("//")[-1].split("/")[0].rpartition(":")[2])
    proxy = Proxy(("127.0.0.1", port), seed, 0.0)
    home = folder / "struck"
    hub = Hub(dict(os.environ) | {"PYTHONPATH": f"{ROOT}:{ROOT / 'dags' / 'provider'}"}, folder / "hub.log")
    try:
        with _disk(home) as mounted:
            blows = BLOWS + (DISK_BLOWS if mounted else ())
            expected = _clean(hub, _environment(stand, folder / "clean", clean, {}), sources)
            env = _environment(stand, home, struck, {port: proxy.port})
            _store(struck, home)
            took = _round(hub, sources, env)
            _check(expected, home)
            _empty(struck)
            each = list(dict.fromkeys(blows))  # once in any case
            chance.shuffle(each)
            while each or told.kills < kills:
                proxy.share = 0.3 if chance.random() < 0.5 else 0.0
                blow = each.pop() if each else chance.choice(blows)
                told.blows[blow] = told.blows.get(blow, 0) + 1
                _strike(hub, sources, env, blow, chance.uniform(0.0, took))
                told.kills += blow == "kill"
                if chance.random() < 0.3 or told.kills >= kills or blow in DISK_BLOWS:
                    proxy.share = 0.0
                    _round(hub, sources, env)
                    _check(expected, home)
                    told.checks += 1
                    if chance.random() < 0.5:
                        _empty(struck)
            proxy.share = 0.0
            _round(hub, sources, env)
            _check(expected, home)
            told.checks += 1
    finally:
        hub.close()
        proxy.shutdown()
        proxy.server_close()
    processes = [p for p in psutil.Process().children(recursive=True) if "tests.faults.hub" in " ".join(p.cmdline())]
    assert processes == [], "processes are left"
    told.wire, told.seconds = proxy.met, time.monotonic() - begun
    return told


def _strike(hub: Hub, sources: list[str], env: dict[str, str], blow: str, after: float) -> None:
    """A round that is struck, after so many seconds of it."""
    home = Path(env["ONEMAP_HOME"])
    pids = [hub.begin(sources, env)]
    if blow == "two":
        pids.append(hub.begin(sources, env))
    time.sleep(after)
    if blow == "kill":
        _kill(pids[0])
    elif blow == "sessions":
        _end_sessions()
    elif blow == "crash":
        _crash()
    elif blow == "full":
        _fill(home / "ballast")
    elif blow == "read-only":
        _remount(home, "ro")
    for pid in pids:
        hub.end(pid)
    if blow == "full":
        (home / "ballast").unlink()
    elif blow == "read-only":
        _remount(home, "rw")


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


def _remount(home: Path, how: str) -> None:
    """Busy for as long as a file is open for writing; where it is so throughout, the round was struck by nothing."""
    for _ in range(200):
        if not subprocess.run(["mount", "-o", f"remount,{how}", str(home)], capture_output=True).returncode:
            return
        time.sleep(0.02)


def _crash() -> None:
    """SIGKILL of one session's process: the server ends all others, recovers, and takes sessions again."""
    with engine().connect() as connection:
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        os.kill(pid, signal.SIGKILL)
        connection.invalidate()
    dispose()
    for _ in range(600):
        try:
            with engine().connect():
                return
        except sa.exc.OperationalError:
            time.sleep(0.1)
    raise AssertionError("the database does not come back")


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


def _clean(hub: Hub, env: dict[str, str], sources: list[str]) -> str:
    _store(env["ONEMAP_DATABASE_URL"], Path(env["ONEMAP_HOME"]))
    _round(hub, sources, env)
    return store_hash.of_store()


def _round(hub: Hub, sources: list[str], env: dict[str, str]) -> float:
    begun = time.monotonic()
    code = hub.end(hub.begin(sources, env))
    assert code == 0, f"a round that nothing happened to ended with {code}: {hub.log.read_text()[-4000:]}"
    return time.monotonic() - begun


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def _end_sessions() -> None:
    with engine().connect() as connection:
        connection.exec_driver_sql(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid() and application_name = 'onemap'"""
        )


def _empty(url: str) -> None:
    """Begin anew: an empty store."""
    with engine().begin() as connection:
        tables = connection.exec_driver_sql(
            """select string_agg(quote_ident(schemaname) || '.' || quote_ident(tablename), ', ') from pg_tables
               where schemaname in ('landing', 'source', 'store')
                 and tablename not in ('schema_version', 'journal', 'audit', 'audit_seal')"""
        ).scalar()
        connection.exec_driver_sql(f"truncate {tables} cascade")


def _check(expected: str, home: Path) -> None:
    """The same store, every row accounted for, nothing left."""
    assert store_hash.of_store() == expected, "another store"
    left(home)


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
