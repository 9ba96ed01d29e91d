"""The API under load: ``python -m bench.load [--projects 1000] [--cases 100] [--seconds 3] [--clients 8] [--rival]``.

A large city (:mod:`bench.serving`) is asked by several clients at once, through the API's own server with two processes: of each of
ten main reads the requests a second, median and 99th percentile in milliseconds, and the CPU of API and PostgreSQL a request, on a
quiet store and while a sync runs: listings of licences are read from HTTP into the same database, checked, merged and unified one after
the other, each with 100,000 that are new after those that are known. ``sql`` is what the statements of one request take by themselves on an open connection; ``over`` the median
of one client over that. With ``--rival`` the same red lines are asked of tipg and of pygeoapi, each in an environment of its own, on a
PostgreSQL with PostGIS: neither has keys, rights or an audit log.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
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

import psutil
import sqlalchemy as sa
import yaml

from bench import licences, rivals, scratch, serving
from core.settings import ROOT
from store.engine import dispose, engine, transaction

PROCESSES = 2
LISTED = 100_000  # licences that each listing of the sync beside has more than the one before
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
def served(
    command: list[str], port: int, ready: str, env: dict[str, str], seconds: float = 240
) -> Iterator[psutil.Process]:
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
            yield psutil.Process(process.pid)
        except AssertionError as error:
            log.seek(0)
            error.add_note(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.terminate()
            psutil.wait_procs([psutil.Process(process.pid)] if process.poll() is None else [], 20)
            for one in below:  # a server that is still starting does not hear
                if one.is_running():
                    one.kill()
            process.kill()
            process.wait()


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


def cpu(*above: psutil.Process) -> list[float]:
    """CPU seconds so far of each of these processes with all that they have started, the ended ones too."""
    return [sum(sum(one.cpu_times()[:4]) for one in (process, *process.children(True))) for process in above]


def weighed(
    parts: tuple[psutil.Process, psutil.Process], path: str, port: int, key: str, seconds: float, clients: int
) -> dict[str, float]:
    """:func:`pressed`, with the CPU milliseconds of a request in the server and in its PostgreSQL."""
    before = cpu(*parts)
    found = pressed(port, path, key, seconds, clients)
    api, database = (after - earlier for after, earlier in zip(cpu(*parts), before, strict=True))
    many = max(found["per_s"] * seconds, 1)
    return found | {"api_cpu_ms": round(api * 1000 / many, 1), "sql_cpu_ms": round(database * 1000 / many, 1)}


def postmaster() -> psutil.Process:
    """The server of the database that the environment names."""
    with engine().connect() as connection:
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
        parent = psutil.Process(pid).parent()
    assert parent is not None, "a backend has the postmaster above it"
    return parent


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


def _uvicorn(python: Path | str, app: str, port: int) -> list[str]:
    """The same server for all, with as many processes."""
    return [str(python), "-P", "-m", "uvicorn", app, "--port", str(port), "--workers", str(PROCESSES)] + [
        "--no-access-log",
        "--log-level",
        "warning",
    ]


def _tipg(url: str, port: int, _folder: Path) -> tuple[list[str], dict[str, str], str]:
    """Command, environment and address of the features."""
    env = {"DATABASE_URL": url, "TIPG_DB_SCHEMAS": '["public"]'}
    command = _uvicorn(rivals.environment("tipg") / "python", "tipg.main:app", port)
    return command, env, "/collections/public.redlines/items"


def _pygeoapi(url: str, port: int, folder: Path) -> tuple[list[str], dict[str, str], str]:
    """The same of pygeoapi, by its own provider of PostgreSQL."""
    programs = rivals.environment("pygeoapi")
    base, given = f"http://127.0.0.1:{port}", sa.make_url(url)
    told = {"title": {"en": "redlines"}, "description": {"en": "redlines"}, "keywords": {"en": ["redlines"]}}
    provider = {
        "type": "feature",
        "name": "PostgreSQL",
        "data": {
            "host": given.host,
            "port": given.port,
            "dbname": given.database,
            "user": given.username,
            "password": "",
            "search_path": ["public"],
        },
        "id_field": "id",
        "table": "redlines",
        "geom_field": "geom",
    }
    box = {"spatial": {"bbox": [113, 22, 115, 24], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"}}
    config = {
        "server": {
            "bind": {"host": "127.0.0.1", "port": port},
            "url": base,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 100, "max_items": 10_000},
            "map": {"url": base, "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                **told,
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": base,
            },
            "license": {"name": "none", "url": base},
            "provider": {"name": "bench", "url": base},
            "contact": {"name": "bench"},
        },
        "resources": {
            "redlines": {"type": "collection", **told, "links": [], "extents": box, "providers": [provider]},
        },
    }
    (folder / "pygeoapi.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    env = {"PYGEOAPI_CONFIG": str(folder / "pygeoapi.yml"), "PYGEOAPI_OPENAPI": str(folder / "openapi.yml")}
    subprocess.run(
        [programs / "pygeoapi", "openapi", "generate", env["PYGEOAPI_CONFIG"], "-of", env["PYGEOAPI_OPENAPI"]],
        env={"PATH": os.environ["PATH"], **env},
        check=True,
        capture_output=True,
    )
    return (
        _uvicorn(programs / "python", "pygeoapi.starlette_app:APP", port),
        env,
        "/collections/redlines/items",
    )


RIVALS = {"tipg": _tipg, "pygeoapi": _pygeoapi}


def rival(name: str, url: str, seconds: float, clients: int) -> dict[str, float]:
    """One of them on the same features. :raises rivals.Unavailable: it cannot be run here."""
    with tempfile.TemporaryDirectory(prefix="onemap-bench-rival-") as folder:
        port = _free()
        command, env, path = RIVALS[name](url, port, Path(folder))
        path += f"?bbox={BOX}&limit=100"
        with served(command, port, path, {"PATH": os.environ["PATH"], **env}) as server:
            alone = pressed(port, path, "none", seconds / 2, 1)
            with sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:")).connect() as connection:
                pid = connection.exec_driver_sql("select pg_backend_pid()").scalar_one()
                database = psutil.Process(pid).parent()
            assert database is not None, "a backend has the postmaster above it"
            found = weighed((server, database), path, port, "none", seconds, clients)
            return found | {"one_client_ms": alone["p50_ms"]}


def _sync(url: str, read: Any) -> None:
    """Listings from HTTP, each longer than the one before, merged and unified, until who asked for it ends."""
    from bench.worker import batch
    from pipeline import unify

    os.environ["ONEMAP_DATABASE_URL"] = url
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():
        rows = read.value + LISTED
        with licences.served(rows) as base:
            batch(base, rows)
        unify.run()
        read.value = rows
    dispose()


@contextmanager
def syncing() -> Iterator[Any]:
    """A sync beside this process, from when its first listing is under way; yields the count of licences that are in the store."""
    context = multiprocessing.get_context("spawn")
    read = context.Value("q", 0)
    process = context.Process(target=_sync, args=(os.environ["ONEMAP_DATABASE_URL"], read))
    process.start()
    try:
        time.sleep(8)  # it has imported, and reads
        yield read
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        process.terminate()  # its transaction is rolled back
        for one in below:
            one.kill()
        process.join()


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
    found: dict[str, Any] = {}
    addresses = reads(town, case)
    command = _uvicorn(sys.executable, "serving.api.app:app", port)
    with served(command, port, "/openapi.json", dict(os.environ)) as server:
        parts = server, postmaster()
        for name, path in addresses.items():
            alone = pressed(port, path, key, seconds / 2, 1)
            sql = bare(path, key)
            found[name] = weighed(parts, path, port, key, seconds, clients) | {
                "one_client_ms": alone["p50_ms"],
                "sql_ms": round(sql * 1000, 1),
                "over": round(alone["p50_ms"] / 1000 / sql, 1),
            }
            print(f"  {name:20} {found[name]}", flush=True)
        began = time.perf_counter()
        with syncing() as read:
            for name, path in addresses.items():
                busy = pressed(port, path, key, seconds, clients)
                found[name] |= {"busy_per_s": busy["per_s"], "busy_p99_ms": busy["p99_ms"]}
                print(f"  {name:20} beside a sync {busy}", flush=True)
            found["sync"] = {"licences": read.value, "seconds": round(time.perf_counter() - began)}
            print(f"  the sync meanwhile: {found['sync']}", flush=True)
    if with_rival:
        try:
            with postgis() as url:
                for name in RIVALS:
                    try:
                        found[name] = rival(name, url, seconds, clients)
                    except (rivals.Unavailable, subprocess.SubprocessError) as why:
                        found[name] = {"told": str(why)}
                    print(f"  {name}, {_FEATURES}: {found[name]}", flush=True)
        except rivals.Unavailable as why:
            found |= {name: {"told": str(why)} for name in RIVALS}
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
