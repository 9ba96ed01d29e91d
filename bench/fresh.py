"""From a change at a source to the API's answer: ``python -m bench.fresh [--projects 20] [--every "every 15s"] [--minutes 4] [--rate 8]``.

A hub as ``./onemap up`` starts it, with every source at work as shipped but M2, whose schedule is the interval given: the project is
copied, its declaration changed, and ``onemap up`` run in the copy. After the first sync single rows of M2's table are corrected at random
moments, and the API is asked over HTTP with a key until each correction stands in its answer. Printed are:

* ``sync``: the first sync through Airflow: seconds, seconds in which no feed was being read, CPU by part;
* ``fresh``: seconds from the source's commit to the answer (p50, p95, max), and where they go: the schedule, planning, reading,
  the start of unify, unify, the answer; ``judged`` is when supervise had judged it;
* what a minute costs: sessions and transactions that the source saw, runs and tasks of Airflow, CPU seconds by part.

A machine that stood still meanwhile (another measurement stopped everything) is seen by a clock of its own: changes on their way then
are left out, and counted as ``stood_still``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from core import interval
from core.settings import ROOT

SOURCE, TABLE, TIME = "m2", "ex_gdbs_sb", "inserttime"
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", "tests", "docs")
_UP_SECONDS, _LATEST = 900, 120
_POLL, _STILL = 0.25, 3
_PARTS = ("scheduler", "api-server", "dag-processor", "triggerer", "standins")


@dataclass
class Change:
    """A correction: of which case, by what word it is known, when it was committed and when it was in the answer (epoch seconds)."""

    case: str
    word: str
    at: float
    seen: float | None = None


@contextmanager
def copied(every: str) -> Iterator[Path]:
    """The project with M2 read at that interval. :raises ValueError: it is none."""
    if interval.parse(every) is None:
        raise ValueError(f"{every!r}: write every 15s")
    with tempfile.TemporaryDirectory(prefix="onemap-bench-fresh-") as folder:
        root = Path(folder) / "hub"
        shutil.copytree(ROOT, root, ignore=_LEFT_OUT, symlinks=True)
        declaration = root / "sources" / f"{SOURCE}.yaml"
        text, found = re.subn(
            r"(?m)^schedule:.*$", f"schedule: {every}", declaration.read_text(encoding="utf-8"), count=1
        )
        assert found, declaration
        declaration.write_text(text, encoding="utf-8")
        yield root


@contextmanager
def running(root: Path, projects: int) -> Iterator[Path]:
    """``onemap up`` of that copy with a run folder of its own, which is yielded when the first sync has ended."""
    home = root.parent / "home"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ONEMAP_", "AIRFLOW_"))}
    paths = os.pathsep.join([str(root), str(root / "dags" / "provider")])
    env = clean | {"ONEMAP_HOME": str(home), "PYTHONPATH": paths, "PYTHONNOUSERSITE": "1", "COLUMNS": "200"}
    command = [sys.executable, "-P", "-m", "cli", "up", "--projects", str(projects)]
    with (root.parent / "up.log").open("w+") as log:
        up = subprocess.Popen(command, cwd=root, env=env, stdout=log, stderr=log)
        try:
            until = time.monotonic() + _UP_SECONDS
            while "running, Ctrl-C stops" not in (said := (root.parent / "up.log").read_text(encoding="utf-8")):
                if up.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"onemap up: {said[-2000:]}")
                time.sleep(1)
            os.environ |= {"ONEMAP_HOME": str(home), "ONEMAP_CLOCK_FILE": str(home / "clock")}
            yield home
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(120)


def spent(home: Path) -> dict[str, float]:
    """CPU seconds so far by part, those of ended children with them. The scheduler's are those of its tasks too: ``tasks``."""
    found = {}
    for name in _PARTS:
        process = psutil.Process(json.loads((home / "processes" / f"{name}.json").read_text())["pid"])
        found[name] = sum(process.cpu_times()[:2])
        below = sum(sum(one.cpu_times()[:4]) for one in process.children(recursive=True))
        if name == "scheduler":
            found["tasks"] = below + sum(process.cpu_times()[2:4])
        else:
            found[name] += below + sum(process.cpu_times()[2:4])
    postmaster = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    backends = sum(sum(one.cpu_times()[:2]) for one in postmaster.children())
    return found | {"postgres": sum(postmaster.cpu_times()[:4]) + backends}


def changes(source: sa.Engine, ahead: float, minutes: float, rate: float, chance: random.Random) -> Iterator[Change]:
    """A correction of a case, ``rate`` a minute at random moments, each of another case: its next version says another item's name."""
    with source.begin() as connection:
        cases = connection.execute(
            sa.text(f"select distinct sblsh_short from {TABLE} where version = 1 order by 1 limit 500")
        )
        numbers = [str(row[0]) for row in cases]
    chance.shuffle(numbers)
    until, number = time.time() + 60 * minutes, 0
    while True:
        time.sleep(chance.expovariate(rate / 60))
        if time.time() > until or number >= len(numbers):
            return
        word = f"更正{number:03d}"
        stamp = datetime.fromtimestamp(time.time() + ahead, UTC).replace(tzinfo=None, microsecond=0)
        with source.begin() as connection:
            columns = [
                str(row[0])
                for row in connection.execute(
                    sa.text(
                        "select column_name from information_schema.columns where table_name = :name order by ordinal_position"
                    ),
                    {"name": TABLE},
                )
            ]
            own = {"version": "version + 1", "sxmc": "sxmc || :word", TIME: "cast(:stamp as timestamp)"}
            connection.execute(
                sa.text(
                    f"""insert into {TABLE} ({", ".join(columns)}) select {", ".join(own.get(name, name) for name in columns)}
                        from {TABLE} where sblsh_short = :case order by version desc limit 1"""
                ),
                {"case": numbers[number], "word": word, "stamp": stamp},
            )
        yield Change(numbers[number].strip(), word, time.time())
        number += 1


def answered(address: str, key: str, change: Change) -> bool:
    """Whether the API's answer has it now."""
    request = urllib.request.Request(f"{address}/onemap/api/v1/cases/{change.case}", headers={"X-API-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return change.word in answer.read().decode()
    except urllib.error.HTTPError as error:
        if error.code in (404, 503):
            return False
        raise
    except TimeoutError:
        return False


def made(
    source: sa.Engine, ahead: float, address: str, key: str, minutes: float, rate: float, chance: random.Random
) -> list[Change]:
    """Every change with when it was seen; one that is not within three minutes stays without."""
    listed: list[Change] = []
    over = threading.Event()

    def make() -> None:
        for change in changes(source, ahead, minutes, rate, chance):
            listed.append(change)
        over.set()

    thread = threading.Thread(target=make)
    thread.start()
    while not over.is_set() or any(one.seen is None and time.time() - one.at < _LATEST for one in listed):
        for change in [one for one in listed if one.seen is None and time.time() - one.at < _LATEST]:
            if answered(address, key, change):
                change.seen = time.time()
        time.sleep(_POLL)
    thread.join()
    return listed


class Stillness:
    """When this machine stood still: a clock that ticks five times a second and notes where it did not."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        last = time.time()
        while True:
            time.sleep(0.2)
            if (now := time.time()) - last > _STILL:
                self.spans.append((last, now))
            last = now

    def touched(self, change: Change) -> bool:
        """Whether it stood still while the change was on its way."""
        end = change.seen or change.at + _LATEST
        return any(low < end and high > change.at for low, high in self.spans)


_READ = """
    select extract(epoch from started_at), extract(epoch from ended_at), new + changed + history from landing.run
    where feed = 'm2.sb' and outcome = 'ok' and started_at > to_timestamp(:since) order by started_at"""
_TASKS = """
    select t.dag_id, t.run_id, t.task_id, t.state, extract(epoch from t.start_date) as began, extract(epoch from t.end_date) as ended,
           extract(epoch from r.start_date) as run_began, extract(epoch from r.end_date) as run_ended
    from task_instance t join dag_run r using (dag_id, run_id) where r.start_date > to_timestamp(:since) order by t.start_date"""


def ways(listed: list[Change], runs: list[Any], tasks: list[Any]) -> list[dict[str, float]]:
    """Where the seconds of each change went, of those whose way is found in Airflow's and the hub's own records."""
    reads = [t for t in tasks if t.dag_id == f"sync__{SOURCE}" and t.task_id == "sync" and t.ended]
    unified = sorted((t for t in tasks if t.dag_id == "unify" and t.ended and t.began), key=lambda t: t.began)
    judged = sorted((t for t in tasks if t.task_id == "supervise" and t.ended and t.began), key=lambda t: t.began)
    found = []
    for change in listed:
        run = next((one for one in runs if one[0] > change.at - 1 and one[2]), None)
        if run is None or change.seen is None:
            continue
        read = next((t for t in reads if float(t.began) <= float(run[0]) <= float(t.ended)), None)
        fold = next((t for t in unified if t.began > run[1]), None)
        if read is None or fold is None:
            continue
        after = next((t for t in judged if t.began >= fold.ended), None)
        found.append(
            {
                "schedule": float(read.run_began) - change.at,
                "plan": float(read.began - read.run_began),
                "read": float(run[1]) - float(read.began),
                "to_unify": float(fold.began) - float(run[1]),
                "unify": float(fold.ended - fold.began),
                "answer": change.seen - float(fold.ended),
                **({"judged": float(after.ended) - change.at} if after else {}),
            }
        )
    return found


def first_sync(tasks: list[Any], feeds: list[Any]) -> dict[str, Any]:
    """Of the first runs of all sources: seconds, those in which nothing was read, tasks that ran."""
    first: dict[str, str] = {}
    for task in tasks:
        if task.dag_id.startswith("sync__"):
            first.setdefault(task.dag_id, task.run_id)
    own = [t for t in tasks if first.get(t.dag_id) == t.run_id and t.ended and t.began]
    began, ended = min(float(t.run_began) for t in own), max(float(t.ended) for t in own)
    spans = sorted((float(row[0]), float(row[1])) for row in feeds if row[1] and began <= float(row[0]) <= ended)
    covered, reached = 0.0, began
    for low, high in spans:
        covered += max(0.0, high - max(low, reached))
        reached = max(reached, high)
    return {
        "sources": len(first),
        "feeds": len(spans),
        "seconds": round(ended - began, 1),
        "nothing_read_s": round(ended - began - covered, 1),
        "reading_s_summed": round(sum(high - low for low, high in spans), 1),
        "tasks": len(own),
        "tasks_s_summed": round(sum(float(t.ended) - float(t.began) for t in own), 1),
    }


def _quantiles(values: list[float]) -> dict[str, float]:
    ranked = sorted(values)
    if not ranked:
        return {}
    return {
        "p50": round(statistics.median(ranked), 1),
        "p95": round(ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))], 1),
        "max": round(ranked[-1], 1),
    }


def _seen_by_source(source: sa.Engine) -> tuple[int, int]:
    with source.connect() as connection:
        row = connection.execute(
            sa.text(
                "select sessions, xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
            )
        ).one()
        return int(row[0]), int(row[1])


def measure(home: Path, minutes: float, rate: float) -> dict[str, Any]:
    """All of it, of a hub whose first sync has ended."""
    from serving import keys
    from store.engine import engine

    own = sa.make_url((home / "database.url").read_text().strip())
    airflow = sa.create_engine((home / "airflow" / "database.url").read_text().strip())
    superuser = own.set(username="postgres", password=None)
    source = sa.create_engine(superuser.set(database=f"standin_{SOURCE}"))
    os.environ["ONEMAP_DATABASE_URL"] = own.render_as_string(hide_password=False)
    address = json.loads((home / "run.json").read_text())["airflow"]
    ahead = float((home / "clock").read_text() or 0) if (home / "clock").exists() else 0.0
    ahead += 8 * 3600  # the source writes local time
    key = keys.make("bench", ["read:projects"], by="bench", per_minute=10**6, per_day=10**7)[1]
    time.sleep(20)  # what the first sync has started ends
    answered(address, key, Change("none", "none", 0))  # the pages' process imports the API at its first request
    begun, cpu, seen, stillness = time.time(), spent(home), _seen_by_source(source), Stillness()
    listed = made(source, ahead, address, key, minutes, rate, random.Random(7))
    span, after, later = (time.time() - begun) / 60, spent(home), _seen_by_source(source)
    with airflow.connect() as connection:
        tasks = list(connection.execute(sa.text(_TASKS), {"since": 0}))
    with engine().connect() as connection:
        runs = list(connection.execute(sa.text(_READ), {"since": begun - 60}))
        feeds = list(
            connection.execute(
                sa.text(
                    "select extract(epoch from started_at), extract(epoch from ended_at) from landing.run order by id"
                )
            )
        )
    number, listed = len(listed), [one for one in listed if not stillness.touched(one)]
    found = ways(listed, runs, tasks)
    waited = [one.seen - one.at for one in listed if one.seen is not None]
    of_span = [t for t in tasks if t.began and t.began >= begun and t.state != "skipped"]
    by_dag: dict[str, list[int]] = {}
    for task in of_span:
        by_dag.setdefault(task.dag_id, []).append(1)
    return {
        "sync": first_sync(tasks, feeds),
        "fresh": {
            "changes": len(listed),
            "stood_still": number - len(listed),
            "not_seen": sum(one.seen is None for one in listed),
            **_quantiles(waited),
            "where": {
                name: _quantiles([one[name] for one in found if name in one])
                for name in ("schedule", "plan", "read", "to_unify", "unify", "answer", "judged")
            },
        },
        "a_minute": {
            "source_sessions": round((later[0] - seen[0]) / span, 1),
            "source_transactions": round((later[1] - seen[1]) / span, 1),
            "bench_transactions": round(number / span, 1),
            "runs": round(len({(t.dag_id, t.run_id) for t in of_span}) / span, 1),
            "tasks": round(len(of_span) / span, 1),
            "tasks_by_dag": {dag: round(len(many) / span, 1) for dag, many in sorted(by_dag.items())},
            "cpu_s": {name: round((after[name] - cpu[name]) / span, 2) for name in after},
        },
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--every", default="every 15s", help="M2's schedule")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--rate", type=float, default=8, help="changes a minute")
    parser.add_argument("--keep", type=Path, help="copy the run folder's logs here")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ended from outside, it ends what it has started, too
    with copied(given.every) as root, running(root, given.projects) as home:
        print(json.dumps(measure(home, given.minutes, given.rate), ensure_ascii=False, indent=1))
        if given.keep:
            shutil.copytree(home / "logs", given.keep, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
