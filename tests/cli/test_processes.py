"""A run ends every process that it started, however it was left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack import processes
from cli.stack.layout import Layout

NEST = "import subprocess,sys,time; subprocess.Popen([sys.executable,'-c','import time; time.sleep(600)'], start_new_session=True); time.sleep(600)"
STUBBORN = (
    "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path)
    layout.make()
    yield layout
    for process in processes.owned(layout):
        process.kill()


def start(layout: Layout, code: str, name: str = "one") -> subprocess.Popen:
    return processes.start(layout, name, [sys.executable, "-c", code], dict(os.environ))


def wait_for(condition, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_sweep_ends_children_in_sessions_of_their_own(layout):
    start(layout, NEST)
    wait_for(lambda: len(processes.owned(layout)) == 2)
    assert processes.sweep(layout, patience=5) == 2
    assert processes.owned(layout) == []


def test_a_grandchild_is_found_by_its_mark_when_its_parent_was_killed(layout):
    parent = start(layout, NEST)
    wait_for(lambda: len(processes.owned(layout)) == 2)
    parent.kill()
    parent.wait()
    (layout.processes / "one.json").unlink()
    assert len(processes.owned(layout)) == 1, "neither a file nor a parent leads to it"
    processes.sweep(layout, patience=5)
    assert processes.owned(layout) == []


def test_one_that_ignores_the_request_is_killed_and_that_is_noted(layout):
    start(layout, STUBBORN)
    wait_for(lambda: b"deaf" in (layout.logs / "one.log").read_bytes())
    processes.sweep(layout, patience=0.5)
    assert processes.owned(layout) == []
    assert "had to kill" in (layout.logs / "launcher.log").read_text()


def test_a_pid_that_belongs_to_another_process_by_now_is_left_alone(layout):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (layout.processes / "old.json").write_text(f'{{"name": "old", "pid": {other.pid}, "created": 1.0}}')
        processes.sweep(layout, patience=1)
        assert other.poll() is None
        assert not (layout.processes / "old.json").exists(), "a file that leads nowhere is tidied away"
    finally:
        other.kill()
        other.wait()


def test_another_run_folder_is_not_touched(layout, tmp_path):
    neighbour = Layout(tmp_path / "neighbour")
    neighbour.make()
    process = start(neighbour, "import time; time.sleep(600)")
    processes.sweep(layout, patience=1)
    assert process.poll() is None
    processes.sweep(neighbour, patience=5)
    assert processes.owned(neighbour) == []


def test_what_is_spared_lives_with_its_children(layout):
    parent = start(layout, NEST)
    wait_for(lambda: len(processes.owned(layout)) == 2)
    assert processes.owned(layout, but=psutil.Process(parent.pid)) == []
