"""The hub on one machine, brought up step by step and taken down in the other direction."""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from cli.stack import airflow, postgres, processes
from cli.stack.layout import Layout, write_private
from cli.stack.metadata import OURS
from core.errors import ConfigurationError, InternalError
from core.redaction import hide

START_SECONDS = 240
_PARTS = {
    "postgres": "内嵌数据库 PostgreSQL",
    "standins": "模拟数源 stand-ins",
    "scheduler": "Airflow 调度器 scheduler",
    "api-server": "Airflow 接口 api-server",
    "dag-processor": "Airflow DAG 处理器 dag-processor",
    "triggerer": "Airflow 触发器 triggerer",
}
_RESTARTS = 5  # of one component within ten minutes, then the hub gives up on it


@dataclass
class Hub:
    """State of a run in this process; each method is one step and may be called once."""

    layout: Layout
    metadata_url: str = ""
    hub_url: str = ""
    superuser_url: str = ""
    port: int = 0
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _restarted: dict[str, list[float]] = field(default_factory=dict)
    _connections: list[dict[str, Any]] = field(default_factory=list)
    _env: dict[str, str] = field(default_factory=dict)
    _port_held: socket.socket | None = None

    # -- up -------------------------------------------------------------------------------------------------------

    def begin(self) -> int:
        """Make the folder, own what will be started, end what a killed run left. Returns how many processes that were."""
        self.layout.make()
        processes.adopt_orphans()
        left = processes.sweep(self.layout, but=postgres.running(self.layout.postgres))
        processes.write_down(self.layout, "up", os.getpid())
        return left

    def open_database(self) -> None:
        """The embedded PostgreSQL, unless both databases are given by the environment."""
        hub_given = os.environ.get("ONEMAP_DATABASE_URL")
        metadata_given = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
        urls = {} if hub_given and metadata_given else postgres.start(self.layout)
        self.superuser_url = urls.get("postgres", "")
        self.hub_url = hub_given or urls["onemap"]
        self.metadata_url = metadata_given or urls["airflow"]
        if not hub_given:
            write_private(self.layout.home / "database.url", self.hub_url + "\n")
        write_private(self.layout.metadata_url, self.metadata_url + "\n")

    def migrate(self) -> None:
        """The hub's own tables."""
        from serving.sql import provide

        provide.upgrade()

    def migrate_airflow(self) -> None:
        """Airflow's tables; skipped where this Airflow has migrated this database before."""
        version = _distribution_version()
        stamp = self.layout.airflow / "migrated.json"
        built = {"airflow": version, "revision": self._metadata_revision()}
        if built["revision"] and stamp.exists() and json.loads(stamp.read_text()) == built:
            return
        self._airflow("db", "migrate")
        stamp.write_text(json.dumps({"airflow": version, "revision": self._metadata_revision()}))

    def _metadata_revision(self) -> str | None:
        engine = sa.create_engine(self.metadata_url)
        try:
            with engine.connect() as connection:
                if connection.scalar(sa.text("select to_regclass('public.alembic_version')")) is None:
                    return None
                return connection.scalar(sa.text("select version_num from public.alembic_version"))
        finally:
            engine.dispose()

    def missing_connections(self, connections: set[str]) -> set[str]:
        """Those declared Connections that nobody has given: neither in Airflow's database nor as AIRFLOW_CONN_*."""
        engine = sa.create_engine(self.metadata_url)
        with engine.connect() as connection:
            given = set(connection.scalars(sa.text(f"select conn_id from connection where not ({OURS})")))
        engine.dispose()
        given |= {c for c in connections if os.environ.get(f"AIRFLOW_CONN_{c.upper()}")}
        return connections - given

    def make_world(self, projects: int, seed: int) -> bool:
        """Make the world of the stand-ins if there is none yet, whole or not at all. Returns whether it was made now."""
        if self.layout.world_done.exists():
            return False
        from standins import world

        beside = self.layout.world.with_name("world.unfinished")
        shutil.rmtree(beside, ignore_errors=True)
        world.make(beside, projects=projects, seed=seed)
        beside.replace(self.layout.world)
        return True

    def start_standins(self) -> list[dict[str, Any]]:
        """The stand-in source systems; returns their Connections once all of them answer.

        :raises ConfigurationError: they need a PostgreSQL of their own and the embedded one is not in use.
        """
        if not self.superuser_url:
            raise ConfigurationError(
                "stand-ins need the embedded PostgreSQL, but both databases are given by the environment",
                remedy="add the Connections of the sources and start with --no-standins",
                zh="模拟数源需要内嵌数据库。请配置真实数源的连接，并以 --no-standins 启动。",
            )
        command = [sys.executable, "-P", "-m", "standins.serve", "--world", str(self.layout.world)]
        command += ["--home", str(self.layout.home), "--database-url", self.superuser_url]
        process = processes.start(self.layout, "standins", command, self._environment(), stdout=subprocess.PIPE)
        self._running["standins"] = process
        line = _first_line(process, START_SECONDS)
        if line is None:
            raise InternalError(
                "the stand-ins did not start",
                remedy=f"see {self.layout.logs / 'standins.log'}",
                zh=f"模拟数源未能启动，请查看 {self.layout.logs / 'standins.log'}。",
            )
        result = json.loads(line)
        for connection in result["connections"]:
            hide([connection.get("password") or ""])
        return result["connections"]

    def connect(self, connections: list[dict[str, Any]]) -> int:
        """Connections, pools, and the runs that a killed hub left open. Returns how many those were."""
        self._connections = connections
        result = self.metadata({"connections": connections, "pools": pools(), "leftovers": True})
        return result["leftovers"]

    def start_airflow(self, *, paused: bool = False) -> None:
        """All components; returns when every one is healthy. ``paused``: DAGs that are new wait to be asked for.

        The port is free when it is chosen, and Airflow listens there seconds later: where a program that is no hub was
        quicker, all begins again with another port, since every component was told the first one.

        :raises InternalError: a component is not healthy in time.
        """
        preferred = int(os.environ.get("AIRFLOW__API__PORT") or 8080)
        until = time.monotonic() + START_SECONDS
        while True:
            self.port, self._port_held = airflow.reserve_port(preferred)
            self._env = self._environment()
            if paused:
                self._env["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] = "True"
            for name in airflow.COMPONENTS:
                self._start_component(name)
            if self._healthy(until):
                return
            processes.note(self.layout, f"another program took port {self.port}")
            processes.end_named(self.layout, airflow.COMPONENTS, 5)
            for name in airflow.COMPONENTS:
                del self._running[name]
            preferred = 0

    def _healthy(self, until: float) -> bool:
        """Wait for every component; False when the API server could not have its port."""
        api = airflow.Api(self.address, "")
        while True:
            if self._running["api-server"].poll() is not None and not airflow.is_free(self.port):
                return False
            self.keep()
            ours = airflow.listens(self._running["api-server"].pid, self.port)
            healthy = api.healthy() if ours else {}
            if healthy and all(healthy.values()):
                return True
            if time.monotonic() > until:
                bad = ", ".join(sorted(n for n in airflow.COMPONENTS if not healthy.get(n)))
                raise InternalError(
                    f"Airflow is not healthy: {bad}",
                    remedy=f"see the logs in {self.layout.logs}",
                    zh=f"Airflow 组件未就绪：{bad}。请查看 {self.layout.logs} 中的日志。",
                )
            time.sleep(0.5)

    @property
    def address(self) -> str:
        """Where Airflow's pages are."""
        return f"http://127.0.0.1:{self.port}"

    def api(self) -> airflow.Api:
        """Airflow's API, logged in."""
        api = airflow.Api(self.address, self.layout.admin_password()[0])
        api.login()
        return api

    def write_addresses(self) -> dict[str, Any]:
        """run.json: what other commands and people look for."""
        result = {
            "airflow": self.address,
            "one_map": f"{self.address}/onemap/map/",
            "health": f"{self.address}/onemap/health",
            "pid": os.getpid(),
            "home": str(self.layout.home),
        }
        self.layout.addresses.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
        return result

    # -- while it runs --------------------------------------------------------------------------------------------

    def keep(self, say: Callable[[str], None] | None = None) -> None:
        """Start again what has ended by itself, what the others stand on first.

        :raises InternalError: the same component, again and again.
        """
        if self.superuser_url and postgres.running(self.layout.postgres) is None:
            self._again("postgres", "was ended", say)
            postgres.start(self.layout)
        for name, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            self._again(name, f"ended with {code}", say)
            if name == "standins":
                result = {c["conn_id"]: c for c in self.start_standins()}
                retained = [
                    result[c["conn_id"]] | {"conn_type": c["conn_type"]}
                    for c in self._connections
                    if c["conn_id"] in result
                ]
                self.metadata({"connections": retained})
            else:
                self._start_component(name)

    def _again(self, name: str, what: str, say: Callable[[str], None] | None) -> None:
        """Note that a part starts again. :raises InternalError: too often."""
        log = self.layout.postgres / "log" if name == "postgres" else self.layout.logs / f"{name}.log"
        recent = [t for t in self._restarted.get(name, []) if t > time.monotonic() - 600]
        if len(recent) >= _RESTARTS:
            raise InternalError(
                f"{_PARTS.get(name, name)} keeps ending ({what})",
                remedy=f"see {log}",
                zh=f"{_PARTS.get(name, name)} 反复退出，请查看 {log}。",
            )
        self._restarted[name] = [*recent, time.monotonic()]
        processes.note(self.layout, f"{name} {what}, starting it again")
        if say:
            say(f"{name} {what}, starting it again / {_PARTS.get(name, name)} 已退出，正在重启")

    # -- down -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End everything, the database last."""
        close(self.layout)

    # -- parts ----------------------------------------------------------------------------------------------------

    def metadata(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask :mod:`cli.stack.metadata`, in a process that has Airflow."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli.stack.metadata"],
            input=json.dumps(asked),
            env={**self._environment(), processes.OWNER: str(self.layout.home)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise InternalError(f"Airflow's database could not be prepared: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def _environment(self) -> dict[str, str]:
        return airflow.environment(self.layout, metadata_url=self.metadata_url, port=self.port or None)

    def _start_component(self, name: str) -> None:
        command = airflow.command(*airflow.COMPONENTS[name])
        if name == "api-server":
            command += ["--host", "127.0.0.1", "--port", str(self.port)]
        self._running[name] = processes.start(self.layout, name, command, self._env)

    def _airflow(self, *words: str) -> None:
        log = self.layout.logs / "airflow-migrate.log"
        with log.open("ab") as file:
            code = subprocess.run(
                airflow.command(*words),
                env={**self._environment(), processes.OWNER: str(self.layout.home)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            ).returncode
        if code:
            raise InternalError(
                f"airflow {' '.join(words)} failed ({code})",
                remedy=f"see {log}",
                zh=f"Airflow 初始化失败，请查看 {log}。",
            )


def close(layout: Layout) -> int:
    """End every process of the run folder, the database last. Returns how many there were."""
    database = postgres.running(layout.postgres)
    processes.note(layout, "stopping")
    count = processes.sweep(layout, patience=8, but=database)
    processes.note(layout, "stopping the database")
    postgres.stop(layout)
    count += processes.sweep(layout, patience=5) + (database is not None)
    for path in (layout.addresses, layout.metadata_url, layout.home / "database.url"):
        path.unlink(missing_ok=True)
    processes.note(layout, f"stopped, {count} processes")
    return count


def stop_other(layout: Layout, patience: float = 90) -> bool:
    """Ask an ``onemap up`` of the same folder to end, and wait. Returns whether there was one."""
    launcher = processes.recorded(layout, "up")
    if launcher is None or launcher.pid == os.getpid():
        return False
    processes.end([launcher], patience)
    return True


def command_environment(layout: Layout) -> None:
    """Let this process find Connections as the tasks do: in the metadata database of the run, if it is up."""
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")  # a command says what it has to say itself
    url = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    if not url and postgres.running(layout.postgres):
        try:
            url = layout.metadata_url.read_text().strip()
        except OSError:
            url = None
    if url or layout.secrets.exists():
        os.environ.update(airflow.environment(layout, metadata_url=url))
    else:
        os.environ.setdefault("AIRFLOW_HOME", str(layout.airflow))
        os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")


def pools() -> dict[str, dict[str, Any]]:
    """One Airflow pool a source: how many may ask it at once."""
    from sources.loader import load_all

    return {
        f"source_{s.source}": {"slots": s.parallel, "description": f"{s.name} · {s.owner.department}"}
        for s in load_all().values()
    }


def _first_line(process: subprocess.Popen[bytes], seconds: float) -> str | None:
    """The first line that a process says, or None when it ends or takes longer."""
    until, text = time.monotonic() + seconds, b""
    if process.stdout is None:
        return None
    descriptor = process.stdout.fileno()
    while b"\n" not in text and time.monotonic() < until:
        if select.select([descriptor], [], [], 0.2)[0]:
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                return None
            text += piece
    return text.split(b"\n", 1)[0].decode() if b"\n" in text else None


def _distribution_version() -> str:
    from importlib.metadata import version

    return version("apache-airflow")
