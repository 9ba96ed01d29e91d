"""The API under load: ``python -m bench.load [--projects 1000] [--cases 100] [--seconds 3] [--clients 8] [--rival]``.

A large city (:mod:`bench.serving`) is asked by several clients at once, through the API's own server with two processes: of each of
ten main reads the requests a second, median and 99th percentile in milliseconds, on a quiet store and beside writes as of a
full sync. ``sql`` is what the statements of one request take by themselves on an open connection; ``over`` the median of one
client over that. With ``--rival`` the same red lines are asked of tipg, in an environment of its own on a PostgreSQL with PostGIS.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from bench import rivals, scratch, serving
from core.settings import ROOT
from store.engine import engine, transaction

PROCESSES = 2
BOX = "113.75,22.8,113.8,22.85"
_FEATURES = "features in a box"


def reads(town: str, case: str) -> dict[str, str]:
    """The ten reads that applications ask most."""
    code = serving.CODE
    return {
        "a project, whole": f"/v1/projects/{code}",
        "its position": f"/v1/projects/{code}/position",
        "its cases": f"/v1/cases?project={code}",
        "a case, whole": f"/v1/cases/{case}",
        "cases": "/v1/cases?limit=100",
        "by pinyin": "/v1/projects?q=jichengdianlu",
        "red cases": f"/v1/cases?light=红&town={town}",
        "open findings": "/v1/findings?state=open",
        "the change feed": "/v1/changes?limit=1000",
        _FEATURES: f"/features/collections/redlines/items?bbox={BOX}&limit=100",
    }


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(command: list[str], port: int, ready: str, env: dict[str, str], seconds: float = 60) -> Iterator[None]:
    """A server as a process of its own, there when it answers. :raises rivals.Unavailable: it does not."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=ROOT)
        try:
            until = time.monotonic() + seconds
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5).close()
                    break
                except OSError as error:
                    if process.poll() is not None or time.monotonic() > until:
                        log.seek(0)
                        raise rivals.Unavailable(f"{command[3]}: {log.read().decode()[-500:]}") from error
                    time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(20)


def pressed(port: int, path: str, key: str, seconds: float, clients: int) -> dict[str, float]:
    """Requests a second, median and 99th percentile in ms under so many clients. :raises AssertionError: an answer is no 200."""
    processes = min(2, clients)
    command = [sys.executable, "-P", "-m", "bench.asking", str(port), quote(path, safe="/?&=,"), str(seconds)]
    asking = [
        subprocess.Popen(
            [*command, str(clients // processes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(processes)
    ]
    for one in asking:
        assert one.stdin is not None  # a pipe, asked for above
        one.stdin.write(key + "\n")
        one.stdin.flush()
    parts = [json.loads(one.communicate()[0]) for one in asking]
    assert not any(part["failed"] for part in parts), (path, parts[0]["failed"][:3])
    took = sorted(seconds for part in parts for seconds in part["took"])
    return {
        "per_s": round(len(took) / seconds, 1),
        "p50_ms": round(statistics.median(took) * 1000, 1),
        "p99_ms": round(took[min(len(took) - 1, int(len(took) * 0.99))] * 1000, 1),
    }


def bare(path: str, key: str) -> float:
    """Seconds that the statements of one request take by themselves, on one open connection; the median of nine."""
    from starlette.testclient import TestClient

    from serving.api.app import app

    asked: list[tuple[str, Any]] = []

    def heard(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    client = TestClient(app, headers={"X-API-Key": key})
    client.get(path)
    sa.event.listen(engine(), "before_cursor_execute", heard)
    try:
        client.get(path)
    finally:
        sa.event.remove(engine(), "before_cursor_execute", heard)
    selects = [one for one in asked if one[0].lstrip().lower().startswith(("select", "with", "set"))]
    took = []
    with engine().connect() as connection:
        for _ in range(9):
            with connection.begin() as nothing:
                began = time.perf_counter()
                for statement, parameters in selects:
                    found = connection.exec_driver_sql(statement, parameters)
                    if found.returns_rows:
                        found.fetchall()
                took.append(time.perf_counter() - began)
                nothing.rollback()
    return statistics.median(took)


@contextmanager
def postgis() -> Iterator[str]:
    """A libpq URL of a server with PostGIS that has the city's red lines. :raises rivals.Unavailable: there is none here."""
    programs = Path("/usr/lib/postgresql/15/bin")
    if not Path("/usr/share/postgresql/15/extension/postgis.control").exists() or not (programs / "initdb").exists():
        raise rivals.Unavailable("no PostgreSQL with PostGIS (postgresql-15-postgis-3)")
    root = Path(tempfile.mkdtemp(prefix="onemap-bench-gis-"))
    port = _free()
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_postgres:
        shutil.chown(root, "postgres", "postgres")
    control = [*as_postgres, str(programs / "pg_ctl"), "-D", str(root / "data"), "-w"]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={root} -c shared_buffers=256MB"
    try:
        subprocess.run(
            [*as_postgres, str(programs / "initdb"), "-D", str(root / "data"), "-A", "trust", "-E", "UTF8"],
            check=True,
            capture_output=True,
        )
        subprocess.run([*control, "-o", options, "-l", str(root / "log"), "start"], check=True, capture_output=True)
        other = sa.create_engine(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")
        with engine().connect() as connection:
            rows = connection.exec_driver_sql("select id, redline_code, project_code, geom from store.redline").all()
        with other.begin() as connection:
            connection.exec_driver_sql("create extension postgis")
            connection.exec_driver_sql(
                "create table redlines (id text primary key, redline_code text, project_code text, geom geometry(Geometry, 4326))"
            )
            connection.execute(
                sa.text(
                    "insert into redlines values (:id, :redline_code, :project_code, st_setsrid(st_geomfromwkb(:geom), 4326))"
                ),
                [row._asdict() for row in rows],
            )
            connection.exec_driver_sql("create index on redlines using gist (geom); analyze redlines")
        other.dispose()
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def rival(seconds: float, clients: int) -> dict[str, float]:
    """tipg on the same features. :raises rivals.Unavailable: it cannot be run here."""
    programs = rivals.environment("tipg")
    with postgis() as url:
        port = _free()
        command = [
            programs / "python",
            "-m",
            "uvicorn",
            "tipg.main:app",
            "--port",
            str(port),
            "--workers",
            str(PROCESSES),
        ]
        env = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "TIPG_DB_SCHEMAS": '["public"]'}
        path = f"/collections/public.redlines/items?bbox={BOX}&limit=100"
        with served([*map(str, command), "--log-level", "warning"], port, path, env):
            return pressed(port, path, "none", seconds, clients)


def measure(projects: int, cases: int, seconds: float, clients: int, with_rival: bool) -> dict[str, Any]:
    """All of it, in the database that the environment names."""
    from serving import keys

    serving.build(projects, cases, 3)
    with transaction() as connection:
        town = connection.execute(
            sa.text("select town_code from store.project where id = :code"), {"code": serving.CODE}
        ).scalar_one()
        case = (
            connection.execute(
                sa.text("""select case_no from store."case" where project_code = :code order by id"""),
                {"code": serving.CODE},
            )
            .scalars()
            .first()
        )
        assert case is not None, "the city has cases"
    key = keys.make("bench", ["read:projects"], by="bench", per_minute=10**7, per_day=10**8)[1]
    port = _free()
    command = [
        sys.executable,
        "-P",
        "-m",
        "uvicorn",
        "serving.api.app:app",
        "--port",
        str(port),
        "--workers",
        str(PROCESSES),
    ]
    found: dict[str, Any] = {}
    addresses = reads(town, case)
    with served([*command, "--no-access-log", "--log-level", "warning"], port, "/openapi.json", dict(os.environ)):
        for name, path in addresses.items():
            alone = pressed(port, path, key, seconds / 2, 1)
            sql = bare(path, key)
            found[name] = pressed(port, path, key, seconds, clients) | {
                "one_client_ms": alone["p50_ms"],
                "sql_ms": round(sql * 1000, 1),
                "over": round(alone["p50_ms"] / 1000 / sql, 1),
            }
            print(f"  {name:20} {found[name]}", flush=True)
        with serving.writer():
            for name, path in addresses.items():
                busy = pressed(port, path, key, seconds, clients)
                found[name] |= {"busy_per_s": busy["per_s"], "busy_p99_ms": busy["p99_ms"]}
                print(f"  {name:20} beside writes {busy}", flush=True)
    if with_rival:
        try:
            found["tipg"] = rival(seconds, clients)
        except (rivals.Unavailable, subprocess.SubprocessError) as why:
            found["tipg"] = {"told": str(why)}
        print(f"  tipg, {_FEATURES}: {found['tipg']}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=1_000)
    parser.add_argument("--cases", type=int, default=100, help="of a project")
    parser.add_argument("--seconds", type=float, default=3, help="that each read is asked")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rival", action="store_true")
    given = parser.parse_args()
    with scratch.server() as url, scratch.database(url, "bench_load"):
        print(json.dumps(measure(given.projects, given.cases, given.seconds, given.clients, given.rival)), flush=True)


if __name__ == "__main__":
    main()
