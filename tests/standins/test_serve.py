"""python -m standins.serve as a process: one line, ports that stay, an end without leftovers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from core.settings import ROOT
from standins import serve
from standins.testing import wait_for
from tests.standins import sample

IDS = {
    "p_gateway",
    "p_tables",
    "m_tables",
    "d_housing",
    "m_api",
    "d_land",
    "d_reform",
    "d_drop",
    "d_drop_in",
    "p_up",
    "s_wfs",
    "s_features",
    "s_stac",
    "s_readings",
    "s_mqtt",
}


def command(world: Path, home: Path, url: str) -> list[str]:
    return [sys.executable, "-m", "standins.serve", "--world", str(world), "--home", str(home), "--database-url", url]


@contextmanager
def process(*line: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    ) as child:
        try:
            yield child, json.loads(child.stdout.readline())
        finally:
            child.terminate()
            child.wait(10)


def test_the_line_the_ports_and_the_end(postgres_server: str, world: Path, tmp_path: Path) -> None:
    line = command(world, tmp_path, postgres_server.format(database="postgres"))
    with process(*line) as (child, said):
        told = {c["conn_id"]: c for c in said["connections"]}
        assert set(told) == IDS
        assert requests.get(told["s_features"]["host"] + "/collections", timeout=5).status_code == 200
        served = json.loads((tmp_path / "standins" / "served.json").read_text())
        assert served["revision"] == json.loads((world / "world.json").read_text())["revision"] and served["clock"]
        secrets = [c["password"] for c in said["connections"] if c["password"]] + [said["admin"]["token"]]
        assert len(set(secrets)) == len(secrets) >= 11
        for file in (tmp_path / "standins").rglob("*"):
            assert not file.is_file() or not any(secret.encode() in file.read_bytes() for secret in secrets)
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 0
        assert child.stderr.read() == "" and child.stdout.read() == ""
    assert {p.name for p in (tmp_path / "standins").iterdir()} == {"m3.sqlite3", "ports.json", "served.json"}
    with process(*line) as (_, again):
        assert [c["host"] for c in again["connections"]] == [c["host"] for c in said["connections"]]
        assert [c["port"] for c in again["connections"]] == [c["port"] for c in said["connections"]]
        assert not {c["password"] for c in again["connections"] if c["password"]} & set(secrets)


def test_faults_by_http(postgres_server: str, world: Path, tmp_path: Path) -> None:
    with process(*command(world, tmp_path, postgres_server.format(database="postgres"))) as (_, said):
        url, headers = said["admin"]["url"], {"Authorization": f"Bearer {said['admin']['token']}"}
        base = next(c for c in said["connections"] if c["conn_id"] == "s_features")["host"]
        assert requests.post(url, json={"system": "s2", "kind": "http_500"}, timeout=5).status_code == 401
        assert (
            requests.post(url, json={"system": "s2", "kind": "nonsense"}, headers=headers, timeout=5).status_code == 400
        )
        fault = {"system": "s2", "kind": "http_503", "times": 1, "options": {"retry_after": 3}}
        assert requests.post(url, json=fault, headers=headers, timeout=5).json()["armed"]
        answer = requests.get(base + "/collections", timeout=5)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
        assert requests.get(base + "/collections", timeout=5).status_code == 200
        assert requests.delete(url, headers=headers, timeout=5).json() == {"armed": []}


def test_it_ends_with_its_parent(postgres_server: str, world: Path, tmp_path: Path) -> None:
    line = command(world, tmp_path, postgres_server.format(database="postgres"))
    script = f"import subprocess, sys, time; c = subprocess.Popen({line!r}); print(c.pid, file=sys.stderr, flush=True); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pid = int(parent.stderr.readline())
    assert json.loads(parent.stdout.readline())["connections"]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(5)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)
    assert not (tmp_path / "standins" / "drop").exists()


@pytest.mark.parametrize("text", [None, '{"format": 9}', "no json"])
def test_a_world_that_is_none_is_said_so(
    tmp_path: Path, text: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if text:
        (tmp_path / "world.json").write_text(text)
    monkeypatch.setattr(sys, "argv", command(tmp_path, tmp_path, "postgresql://x")[2:])
    assert serve.main() == 1
    said = capsys.readouterr()
    assert "world make" in said.err and said.out == ""


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    from core.errors import ConfigurationError
    from standins.told import lines

    sample.write(tmp_path, {"p1/enterprise": [{"uscc": "x"}]})
    path = tmp_path / "p1" / "enterprise.jsonl"
    path.write_text('{"uscc": "x"}\n[1]\n')
    with pytest.raises(ConfigurationError, match="enterprise.jsonl, line 2"):
        list(lines(path))
