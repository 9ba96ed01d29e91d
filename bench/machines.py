"""The hub as ``docker-compose.yml`` has it, as processes of this machine: ``python -m bench.machines --projects 20``.

PostgreSQL for both databases, Debian's redis-server as the broker, an object store that speaks S3 (moto's, in an environment of its
own) for the archive, api-server, scheduler, DAG processor and two Celery workers, each by the file's own command. Every source is read through Airflow; in the middle of it one worker is killed
with all its tasks, and the broker is restarted. Then everything is unified. The same world is read once more without
Airflow: both stores have the same hash, or the exit code is 1. Prints one object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from bench import rivals, scratch
from core import settings

TODAY = datetime(2026, 11, 23, 8)
_COMPOSE = settings.ROOT / "docker-compose.yml"
#: Seconds after which a task whose worker is gone, and one that was lost with its queue, is begun again; minutes in the file.
_SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
}


@dataclass
class Machines:
    """What runs, by name; each in a session of its own, so that it can be killed with all that it has forked."""

    home: Path
    env: dict[str, str]
    worker: list[str]  # the file's command of a worker
    queue: list[str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def hire(self, name: str) -> None:
        """One more worker."""
        own = [f"--celery-hostname={name}@{socket.gethostname()}", f"--pid={self.home / name}.pid", "--skip-serve-logs"]
        self.start(f"worker-{name}", [*self.worker, *own])

    def start(self, name: str, command: list[str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=self.env, cwd=settings.ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.running.pop(name)
        try:
            os.killpg(process.pid, how)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
        except ProcessLookupError:
            pass

    def keep(self) -> None:
        """:raises RuntimeError: a part has ended by itself."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: see {self.home / f'{name}.log'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _machines(server: str, home: Path, hub: str) -> Iterator[tuple[Machines, str]]:
    """Everything up but the workers' work: yields the processes and Airflow's address."""
    from cli.stack import airflow
    from cli.stack.layout import Layout

    compose = yaml.safe_load(_COMPOSE.read_text(encoding="utf-8"))
    declared = {k: v for k, v in compose["x-hub"]["environment"].items() if "$" not in v}
    port, broker, objects = _free_port(), _free_port(), _free_port()
    metadata = server.format(database="machines_airflow")
    os.environ["ONEMAP_HOME"] = str(home)
    layout = Layout.here()
    layout.make()
    layout.admin_password()
    env = airflow.environment(layout, metadata_url=metadata, port=port) | declared | _SOON
    env |= {
        "ONEMAP_DATABASE_URL": hub,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{broker}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{metadata}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{objects}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",  # pragma: allowlist secret
        "PYTHONPATH": os.pathsep.join([str(settings.ROOT), str(settings.ROOT / "dags" / "provider")]),
    }
    commands = {name: one["command"] for name, one in compose["services"].items() if "command" in one}

    def of(name: str, *more: str) -> list[str]:
        return [sys.executable, *commands[name][1:], *more]

    subprocess.run(of("prepare"), env=env, cwd=settings.ROOT, check=True, stdout=subprocess.DEVNULL)
    redis = shutil.which("redis-server")
    if redis is None:
        raise SystemExit("redis-server is not installed")
    queue = [
        redis,
        "--port",
        str(broker),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(home),
        "--save",
        "",
        "--appendonly",
        "yes",
    ]
    env.pop("AIRFLOW__LOGGING__LOGGING_LEVEL", None)
    store = [str(rivals.environment("objects") / "moto_server"), "-H", "127.0.0.1", "-p", str(objects)]
    machines = Machines(home, env, of("worker"), queue)
    try:
        machines.start("objects", store)
        _bucket(f"{env['AWS_ENDPOINT_URL']}/{env['ONEMAP_ARCHIVE_URL'].removeprefix('s3://')}", machines.keep)
        machines.start("redis", queue)
        machines.start("api-server", [*of("api-server")[:-4], "--host", "127.0.0.1", "--port", str(port)])
        machines.start("scheduler", of("scheduler"))
        machines.start("dag-processor", of("dag-processor"))
        for name in ("one", "two"):
            machines.hire(name)
        yield machines, f"http://127.0.0.1:{port}"
    finally:
        for name in reversed(list(machines.running)):
            machines.end(name)


def _bucket(url: str, keep: Callable[[], None]) -> None:
    """The archive's bucket, as soon as the object store answers."""
    until = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10).close()
            return
        except OSError:
            keep()
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def _disturb(machines: Machines) -> None:
    """A worker dies with all its tasks, the broker is restarted, another worker comes."""
    machines.end("worker-one", signal.SIGKILL)
    machines.end("redis")
    time.sleep(2)
    machines.start("redis", machines.queue)
    machines.hire("three")


def _through_airflow(server: str, hub: str, sources: dict[str, str]) -> dict[str, Any]:
    from cli.stack import airflow
    from cli.stack.first_sync import FirstSync
    from cli.stack.layout import Layout

    with tempfile.TemporaryDirectory(prefix="onemap-machines-") as folder:
        home = Path(folder)
        try:
            with _machines(server, home, hub) as (machines, address):
                api = airflow.Api(address, "")
                until = time.monotonic() + 600
                while not {name for name, well in api.healthy().items() if well} >= {"scheduler", "dag-processor"}:
                    machines.keep()
                    if time.monotonic() > until:
                        raise RuntimeError("Airflow is not healthy after ten minutes")
                    time.sleep(1)
                api = airflow.Api(address, Layout.here().admin_password()[0])
                api.login()
                sync = FirstSync(api, sources, machines.keep)
                sync.wait_for_dags()
                begun = time.perf_counter()
                sync.trigger()
                disturbed = False
                for progress in sync.sources():
                    if not disturbed and sum(one.ok for one in progress) >= 6:
                        disturbed = True
                        _disturb(machines)
                read = time.perf_counter() - begun
                failed = sorted(one.source for one in progress if one.state == "failed")
                sync.release()
                states = list(sync.follow("unify"))
        except BaseException:
            for log in sorted(home.glob("*.log")):
                print(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
            raise
    from store import hash as digest

    return {"read_s": round(read, 1), "failed": failed, "unify": states[-1], "hash": digest.of_store()}


def _without_airflow() -> str:
    from pipeline import sync, unify
    from sources import loader
    from store import hash as digest

    for source in loader.load_all():
        for outcome in sync.source(source, trigger="bench"):
            if outcome.outcome != "ok":
                raise SystemExit(f"{outcome.feed}: {outcome.error}")
    unify.run()
    return digest.of_store()


@contextmanager
def _world(folder: Path, url: str, prefix: str) -> Iterator[None]:
    """The stand-ins of a simulated world, with their Connections in the environment."""
    from standins import testing

    with testing.running(folder, url, at=TODAY, quirks=False, database_prefix=prefix) as stand:
        for connection in stand.connections:
            fields = {name: value for name, value in connection.items() if name != "conn_id"}
            os.environ[f"AIRFLOW_CONN_{connection['conn_id'].upper()}"] = json.dumps(fields)
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=20)
    options = parser.parse_args()
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")  # read when Airflow is imported, here alone
    from sources import loader
    from standins import world
    from store.engine import dispose

    sources = {one.source: one.name for one in loader.load_all().values()}
    with scratch.server() as server, tempfile.TemporaryDirectory(prefix="onemap-bench-world-") as world_folder:
        folder = world.make(Path(world_folder) / "world", projects=options.projects, seed=7, today=TODAY)
        with scratch.database(server, "alone"), _world(folder, os.environ["ONEMAP_DATABASE_URL"], "alone"):
            alone = _without_airflow()
        with scratch.database(server, "machines"), _world(folder, os.environ["ONEMAP_DATABASE_URL"], "machines"):
            found = _through_airflow(server, os.environ["ONEMAP_DATABASE_URL"], sources)
            dispose()
    found |= {"projects": options.projects, "alone": alone, "same": found["hash"] == alone}
    print(json.dumps(found, ensure_ascii=False), flush=True)
    return 0 if found["same"] and not found["failed"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
