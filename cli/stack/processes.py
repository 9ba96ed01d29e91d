"""Processes that a run owns: started, written down, watched, and ended to the last one.

Three marks find a process again, whoever started it and whatever died meanwhile: the file with its pid and creation
time, its descent from one of those, and ``ONEMAP_OWNER=<run folder>`` in its environment, which every descendant
inherits (``SPT_NOENV`` keeps Airflow's process titles from overwriting it). No process is ended by its name.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import psutil

from cli.stack.layout import Layout

OWNER = "ONEMAP_OWNER"
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Descendants whose parent dies become children of this process (Linux), so that they can be ended and reaped."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(
    layout: Layout, name: str, command: list[str], env: dict[str, str], *, stdout: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a process of this run in a session of its own; its output goes to ``logs/<name>.log``."""
    with (layout.logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**env, OWNER: str(layout.home), "SPT_NOENV": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=stdout or log,
            stderr=log,
            start_new_session=True,
            cwd=layout.home,
        )
    write_down(layout, name, process.pid)
    return process


def write_down(layout: Layout, name: str, pid: int) -> None:
    """Note a process of this run. The creation time tells it from a later one with the same pid."""
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    beside = layout.processes / f".{name}.json"
    beside.write_text(json.dumps({"name": name, "pid": pid, "created": created}))
    beside.replace(layout.processes / f"{name}.json")


def recorded(layout: Layout, name: str) -> psutil.Process | None:
    """The process written down under that name, if it is the same one and still runs."""
    return _recorded(layout.processes / f"{name}.json")


def _recorded(path: Path) -> psutil.Process | None:
    try:
        entry = json.loads(path.read_text())
        process = psutil.Process(entry["pid"])
        return process if abs(process.create_time() - entry["created"]) < 1 and _alive(process) else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def end_named(layout: Layout, names: Iterable[str], patience: float) -> None:
    """End the processes written down under these names, with those below them."""
    found = [process for name in names if (process := recorded(layout, name)) is not None]
    end([one for process in found for one in (process, *_below(process))], patience)


def owned(layout: Layout, *, but: psutil.Process | None = None) -> list[psutil.Process]:
    """Every living process of this run, but this process, those above it, and ``but`` with those below it."""
    found: dict[int, psutil.Process] = {}

    def add(processes: Iterable[psutil.Process]) -> None:
        found.update((process.pid, process) for process in processes)

    for path in layout.processes.glob("*.json"):
        process = _recorded(path)
        if process:
            add([process, *_below(process)])
    home = str(layout.home)
    for process in psutil.process_iter():
        try:
            if process.environ().get(OWNER) == home:
                add([process, *_below(process)])
        except (psutil.Error, OSError):
            continue
    me = psutil.Process()
    spared = [but, *_below(but)] if but else []
    for process in (me, *me.parents(), *spared):
        found.pop(process.pid, None)
    return [process for process in found.values() if _alive(process)]


def note(layout: Layout, text: str) -> None:
    """A line in ``logs/launcher.log``."""
    with (layout.logs / "launcher.log").open("a") as log:
        log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")


def _called(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[-160:]
    except psutil.Error:
        return "?"


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end(processes: Iterable[psutil.Process], patience: float) -> list[psutil.Process]:
    """Ask them to end, wait, then kill. Returns those that had to be killed."""
    waiting = [p for p in processes if _alive(p)]
    for process in waiting:
        _send(process, signal.SIGTERM)
    waiting = wait_gone(waiting, patience)
    for process in waiting:
        _send(process, signal.SIGKILL)
    wait_gone(waiting, 10)
    return waiting


def wait_gone(waiting: list[psutil.Process], patience: float) -> list[psutil.Process]:
    """Wait until they have ended; returns those that have not."""
    until = time.monotonic() + patience
    while True:
        reap()
        waiting = [p for p in waiting if _alive(p)]
        if not waiting or time.monotonic() > until:
            return waiting
        time.sleep(0.1)


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def reap() -> None:
    """Collect ended children, adopted ones too, so that none stays as a zombie."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def sweep(layout: Layout, patience: float = 10, *, but: psutil.Process | None = None) -> int:
    """End whatever this run still has, workers that appear meanwhile too. Returns how many there were."""
    count = 0
    for _ in range(5):
        left = owned(layout, but=but)
        if not left:
            break
        count += len(left)
        names = {process.pid: _called(process) for process in left}
        for process in end(left, patience):
            note(layout, f"had to kill {process.pid} {names[process.pid]}")
    for path in layout.processes.glob("*.json"):
        if _recorded(path) is None:
            path.unlink(missing_ok=True)
    return count
