"""The bench as ``onemap bench`` runs it: every figure of one run from one machine, in one sitting, on one PostgreSQL.

Sides of the hot path take turns within a round, so that what else the machine does falls on all of them; of several
rounds the medians are compared. ``hot_path``: ``vs_floor`` is our seconds over the floor's, ``vs_dlt`` and ``vs_singer``
theirs over ours, ``again_vs_dlt`` dlt's on a listing that did not change over ours on it, ``peak_mib`` the most that the
worker ever held. A rival that cannot be installed or run is null, and ``told`` says why.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from bench import floor, licences, rivals, scratch
from core.settings import ROOT
from store.engine import create_database

Say = Callable[[str], None]
RESULTS = ROOT / "bench" / "results.md"
SMALL, FEW = 20_000, 100
_CITY_SECONDS = 1_200
_UNIFIED = 600  # projects, of some 310 records each


class _Worker:
    """A worker of the hub on a database of its own; its peak is the process's, imports included."""

    def __init__(self, url: str, home: str) -> None:
        env = os.environ | {"ONEMAP_DATABASE_URL": url, "ONEMAP_HOME": home}
        subprocess.run(
            [sys.executable, "-m", "cli", "store", "migrate"], check=True, env=env, stdout=subprocess.DEVNULL
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        assert self._process.stdin and self._process.stdout  # both are pipes
        self._in, self._out = self._process.stdin, self._process.stdout

    def read(self, base: str, rows: int) -> dict[str, Any]:
        """One listing. :raises ChildProcessError: the worker ended."""
        self._in.write(json.dumps({"base": base, "rows": rows}) + "\n")
        self._in.flush()
        line = self._out.readline()
        if not line:
            raise ChildProcessError("the worker of the hub ended; see above")
        return json.loads(line)

    def close(self) -> None:
        self._in.close()
        self._process.wait()


@contextmanager
def _database(server: str, name: str) -> Iterator[str]:
    admin = sa.create_engine(server.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        create_database(connection, name)
        try:
            yield server.format(database=name)
        finally:
            connection.execute(sa.text(f"drop database {name} with (force)"))
    admin.dispose()


def _hub(server: str, base: str, rows: int, warm: str) -> tuple[float, float, int, float]:
    """Seconds of a first and of a second reading, the worker's peak, and the seconds of a hundred rows."""
    with _database(server, "bench_hub") as url, tempfile.TemporaryDirectory(prefix="onemap-home-") as home:
        worker = _Worker(url, home)
        try:
            few = min(worker.read(warm, FEW)["seconds"] for _ in range(3))  # the first one imports and compiles
            engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:  # what the warming left must not make the first listing an easy one
                connection.execute(
                    sa.text("truncate source.record, source.record_history, source.licence, store.dirty")
                )
            engine.dispose()
            first = worker.read(base, rows)
            again = worker.read(base, rows)
        finally:
            worker.close()
    if first["counts"]["new"] != rows or again["counts"]["unchanged"] != rows:
        raise AssertionError(f"the hub did not take the listing as it is: {first['counts']}, {again['counts']}")
    return first["seconds"], again["seconds"], max(first["peak_mib"], again["peak_mib"]), few


def _floor(server: str, base: str, rows: int) -> dict[str, float]:
    with _database(server, "bench_floor") as url:
        engine = sa.create_engine(url)
        floor.prepare(engine)
        try:
            return floor.run(base, rows, engine)
        finally:
            engine.dispose()


def _dlt(server: str, base: str, rows: int) -> list[float]:
    with _database(server, "bench_dlt"):
        return rivals.dlt(base, rows, "bench_dlt", _socket(server))


def _singer(server: str, base: str, rows: int) -> float:
    with _database(server, "bench_singer"):
        return rivals.singer(base, rows, "bench_singer", _socket(server))


def _socket(server: str) -> str:
    return unquote(server.rpartition("host=")[2])


def _hot_path(server: str, rows: int, rounds: int, with_rivals: bool, say: Say) -> dict[str, Any]:
    found: dict[str, list[float]] = {
        name: [] for name in ("floor", "hub", "again", "few", "dlt", "dlt_again", "singer")
    }
    parts: dict[str, list[float]] = {}
    entries: list[str] = []
    peak = 0
    with licences.served(rows) as base, licences.served(FEW) as warm:
        for number in range(rounds):
            bare = _floor(server, base, rows)
            for name, seconds in bare.items():
                parts.setdefault(name, []).append(seconds)
            found["floor"].append(bare["all"])
            first, again, most, few = _hub(server, base, rows, warm)
            found["hub"].append(first)
            found["again"].append(again)
            found["few"].append(few)
            peak = max(peak, most)
            say(
                f"{rows} rows, round {number + 1}: floor {bare['all']:.2f} s, hub {first:.2f} s, the same again {again:.2f} s"
            )
            if with_rivals and not (entries or (number and number == rounds - 1 and rounds > 2)):
                try:
                    new, same = _dlt(server, base, rows)
                    found["dlt"].append(new)
                    found["dlt_again"].append(same)
                    say(f"{rows} rows, round {number + 1}: dlt {new:.2f} s, the same again {same:.2f} s")
                    if not number and rows > SMALL:
                        found["singer"].append(_singer(server, base, rows))
                        say(f"{rows} rows: Singer {found['singer'][0]:.2f} s")
                except (rivals.Unavailable, subprocess.TimeoutExpired) as why:
                    entries.append(str(why))
                    say(str(why))
    middle = {name: statistics.median(values) if values else None for name, values in found.items()}
    return {
        "rows": rows,
        "vs_floor": _ratio(middle["hub"], middle["floor"]),
        "again_vs_floor": _ratio(middle["again"], middle["floor"]),
        "vs_dlt": _ratio(middle["dlt"], middle["hub"]),
        "again_vs_dlt": _ratio(middle["dlt_again"], middle["again"]),
        "vs_singer": _ratio(middle["singer"], middle["hub"]),
        "peak_mib": peak,
        "rows_per_s": round(rows / statistics.median(found["hub"])),
        "hundred_rows_s": round(min(found["few"]), 3),
        "seconds": {name: round(value, 2) for name, value in middle.items() if value is not None},
        "floor_parts": {name: round(statistics.median(values), 2) for name, values in parts.items()},
        **({"told": entries} if entries else {}),
    }


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one / other, 2)


def _apart(server: str, name: str, *command: str) -> dict[str, Any]:
    """What a module of the bench prints last, run as a process on a hub of its own."""
    with _database(server, name) as url, tempfile.TemporaryDirectory(prefix="onemap-home-") as home:
        env = os.environ | {"ONEMAP_DATABASE_URL": url, "ONEMAP_HOME": home}
        subprocess.run(
            [sys.executable, "-m", "cli", "store", "migrate"], check=True, env=env, stdout=subprocess.DEVNULL
        )
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=_CITY_SECONDS,
        )
        return json.loads(done.stdout.splitlines()[-1])


def _unify(server: str, say: Say) -> dict[str, Any]:
    """First unify and the next after a few changes, on a city put straight into the sources' tables (bench/unify_scale.py)."""
    found = _apart(server, "bench_unify", "bench.unify_scale", "--here", str(_UNIFIED))
    say(
        f"{found['records']} records: unify {found['unify_s']} s, after {found['changed']} changes {found['changed_s']} s"
    )
    return found


def _protocols(server: str, say: Say) -> dict[str, Any]:
    """Every protocol beside its floor (:mod:`bench.protocols`); why not, where none can be run here."""
    try:
        found = _apart(server, "bench_protocols", "bench.protocols")
    except (subprocess.SubprocessError, OSError, sa.exc.SQLAlchemyError) as why:
        say(f"no protocols: {why}")
        return {"told": str(why)}
    for name, one in found.items():
        summary = (
            one.get("told")
            or f"{one['rows_per_s']} rows/s, {one['ratio']} of its floor ({one['way']}), {one['peak_mib']} MiB"
        )
        say(f"{name}: {summary}")
    return found


def _city_figures(server: str, projects: int, say: Say) -> dict[str, Any]:
    """The city's figures; none of them, and why, where it cannot be read here: the other figures stand."""
    try:
        city = _apart(server, "bench_city", "bench.city", str(projects))
    except (subprocess.SubprocessError, OSError, sa.exc.SQLAlchemyError) as why:
        say(f"no city: {why}")
        names = ("records", "read_s", "unify_s", "rows_per_s", "bytes_per_record", "rows_and_indexes", "a_day")
        return dict.fromkeys(names) | {"told": str(why)}
    say(f"{projects} projects, {city['records']} records: read {city['read_s']} s, unify {city['unify_s']} s")
    return city


def run(
    say: Say, *, quick: bool, rows: int | None = None, rounds: int | None = None, with_rivals: bool = True
) -> dict[str, Any]:
    """Everything; ``quick`` takes one round and a small city, a few minutes in all."""
    rows, rounds = rows or 200_000, rounds or (1 if quick else 3)
    with scratch.server() as server:
        hot = _hot_path(server, rows, rounds, with_rivals, say)
        small = _hot_path(server, min(SMALL, rows), rounds, with_rivals, say)
        unify = _unify(server, say)
        protocols = _protocols(server, say)
        city = _city_figures(server, 200 if quick else 300, say)
    return {
        "commit": commit(),
        "at": f"{datetime.now():%Y-%m-%d %H:%M}",
        "quick": quick,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "hot_path": hot,
        "small": small,
        "unify": unify,
        "city": {k: city[k] for k in ("records", "read_s", "unify_s", "a_day")},
        "protocols": protocols,
        "store": {key: city[key] for key in ("bytes_per_record", "rows_and_indexes", "records")},
    }


def commit() -> str:
    """The commit that is measured, with ``+`` where files differ from it; ``unknown`` outside a repository."""
    try:
        name = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return name.stdout.strip()


_HEAD = """# What the bench found

One row a run of `./onemap bench`; rows of `--quick` are marked. Ratios are of one sitting: `vs floor` ours over the floor's
(less is better), the others theirs over ours (more is better). Aims: floor ≤ 1.6, dlt ≥ 5, Singer ≥ 10, ≤ 500 MiB,
unify ≥ 50,000 records/s, ≤ 1,500 bytes a record; each protocol ≤ 3 of its own floor, in the order database, SOAP, zip/XML, workbook,
GML, GeoJSON, MQTT (`bench/protocols.py` says what is compared). `load` is the machine's at the end: above its cores the run was disturbed.

| commit | when | rows | rows/s | vs floor | vs dlt | again vs dlt | vs Singer | 20,000 rows vs dlt | 100 rows, s | peak MiB | unify rows/s | bytes/record | protocols | load/cores |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def write(found: dict[str, Any], path: Path = RESULTS) -> None:
    """A row of the run in ``bench/results.md``; the latest run of a commit stands for it."""
    hot, small = found["hot_path"], found["small"]
    name = found["commit"] + (" (quick)" if found["quick"] else "")
    cells = [
        name,
        found["at"],
        hot["rows"],
        hot["rows_per_s"],
        *(hot[key] for key in ("vs_floor", "vs_dlt", "again_vs_dlt", "vs_singer")),
        small["vs_dlt"],
        small["hundred_rows_s"],
        hot["peak_mib"],
        found["unify"]["rows_per_s"],
        found["store"]["bytes_per_record"],
        " · ".join(str(one.get("ratio") or "–") for one in found["protocols"].values() if isinstance(one, dict))
        or None,
        f"{found['load']}/{found['cores']}",
    ]
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    retained = [line for line in lines if line.startswith("| ") and not line.startswith(("| commit ", f"| {name} |"))]
    row = "| " + " | ".join("–" if cell is None else str(cell) for cell in cells) + " |"
    path.write_text(_HEAD + "\n".join([*retained, row]) + "\n", encoding="utf-8")
