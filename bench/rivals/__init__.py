"""Other loaders on the same records: dlt and a Singer target, each in an environment of its own.

An environment is made from a lock with hashes (``dlt.txt``, ``singer.txt``; written by the command in their first lines)
and kept in the user's cache until the lock changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.licences import page_count

HERE = Path(__file__).parent
PATIENCE = 900


class Unavailable(Exception):
    """A rival that cannot be run here, and why."""


def environment(name: str) -> Path:
    """The folder of the rival's programs. :raises Unavailable: it cannot be installed."""
    lock = HERE / f"{name}.txt"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onemap-bench"
    mark = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = cache / f"{name}-{mark}"
    if not (place / "made").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        install = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
        for command in (
            [sys.executable, "-m", "venv", str(place)],
            [str(place / "bin" / "python"), *install, "--require-hashes", "--no-deps", "-r", str(lock)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=_plain())
            if done.returncode:
                shutil.rmtree(place, ignore_errors=True)
                raise Unavailable(f"{name} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        (place / "made").touch()
    return place / "bin"


def dlt(base: str, rows: int, database: str, socket: str, times: int = 2) -> list[float]:
    """Seconds of each of ``times`` loads of the same listing. :raises Unavailable: it cannot be run."""
    programs = environment("dlt")
    with tempfile.TemporaryDirectory(prefix="onemap-bench-dlt-") as folder:
        done = _finished(
            "dlt",
            subprocess.run(
                [
                    programs / "python",
                    HERE / "dlt_load.py",
                    base,
                    str(page_count(rows)),
                    database,
                    socket,
                    folder,
                    str(times),
                ],
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=PATIENCE,
                env=_plain() | {"RUNTIME__DLTHUB_TELEMETRY": "false"},
            ),
        )
    return [json.loads(line)["seconds"] for line in done.splitlines() if line.startswith("{")]


def singer(base: str, rows: int, database: str, socket: str) -> float:
    """Seconds of one load, tap and target as two processes. :raises Unavailable: it cannot be run."""
    programs = environment("singer")
    with tempfile.TemporaryDirectory(prefix="onemap-bench-singer-") as folder:
        config = Path(folder) / "config.json"
        url = f"postgresql+psycopg://postgres:none@/{database}?host={socket}"
        config.write_text(
            json.dumps(
                {
                    "sqlalchemy_url": url,
                    "default_target_schema": "bench_singer",
                    "use_copy": True,
                    "load_method": "upsert",
                }
            )
        )
        begun = time.perf_counter()
        tap = subprocess.Popen(
            [programs / "python", HERE / "singer_tap.py", base, str(page_count(rows))], stdout=subprocess.PIPE
        )
        try:
            done = subprocess.run(
                [programs / "target-postgres", "--config", config],
                stdin=tap.stdout,
                capture_output=True,
                text=True,
                cwd=folder,
                timeout=PATIENCE,
                env=_plain(),
            )
        finally:
            tap.kill()
            tap.wait()
        spent = time.perf_counter() - begun
    _finished("singer", done)
    return spent


def _finished(name: str, done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise Unavailable(f"{name} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def _plain() -> dict[str, str]:
    """The environment without the hub's own paths, which would bring its packages along."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME") and not name.startswith(("ONEMAP_", "AIRFLOW"))
    }
