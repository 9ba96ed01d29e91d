"""docker-compose.yml: whole, without secrets, and every command of the hub is one that can be run."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import settings

FILE = settings.ROOT / "docker-compose.yml"
AIRFLOW = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
ONCE = {"prepare", "bucket"}
SERVICES = {"postgres", "redis", "objects", "proxy", "api", *ONCE, *AIRFLOW}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def hub_commands(compose: dict[str, Any]) -> dict[str, list[str]]:
    return {name: s["command"] for name, s in compose["services"].items() if s.get("image", "").startswith("onemap")}


def test_the_services_are_there_and_wait_for_what_they_need(compose):
    assert set(compose["services"]) == SERVICES
    for service in compose["services"].values():
        for needed, how in (service.get("depends_on") or {}).items():
            assert needed in SERVICES
            healthy = how["condition"] == "service_healthy"
            assert healthy == ("healthcheck" in compose["services"][needed])
    named = {v.rpartition(":")[0].split(":")[0] for s in compose["services"].values() for v in s.get("volumes", [])}
    named = {name for name in named if not name.startswith("$")}
    assert named == set(compose["volumes"])


def test_the_values_for_helm_say_what_the_file_says(compose):
    """One hub, whoever runs its containers: the same plain settings, and every secret by a name."""
    text = (settings.ROOT / "helm-values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    told = {one["name"]: one["value"] for one in values["env"]}
    plain = {k: v for k, v in compose["services"]["worker"]["environment"].items() if "$" not in v}
    # addresses and the executor are the chart's own
    for name in (
        "ONEMAP_ARCHIVE_URL",
        "AWS_ENDPOINT_URL",
        "AWS_ALLOW_HTTP",
        "AWS_REGION",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    ):
        plain.pop(name)
    assert plain.items() <= told.items()
    assert values["executor"] == compose["services"]["worker"]["environment"]["AIRFLOW__CORE__EXECUTOR"]
    assert values["images"]["airflow"]["tag"] == compose["services"]["worker"]["image"].partition(":")[2]
    assert values["migrateDatabaseJob"]["command"] == compose["services"]["prepare"]["command"]
    assert not re.findall(r"(?i)(?:password|secret|key)\w*\s*[:=]\s*[\"']?(?!onemap)[A-Za-z0-9+/]{8,}", text)


def test_every_secret_comes_from_the_environment_and_is_listed_for_people(compose):
    text = FILE.read_text(encoding="utf-8")
    assert not re.findall(r"(?i)(?:password|secret|key)\w*\s*[:=]\s*[\"']?(?!\$)[A-Za-z0-9+/]{8,}", text)
    wanted = set(re.findall(r"\$\{(ONEMAP_\w+)", text))
    listed = set(re.findall(r"^(ONEMAP_\w+)=", (settings.ROOT / ".env.example").read_text(), re.MULTILINE))
    assert wanted == listed


def test_every_part_is_confined_watched_and_limited(compose):
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"] and service["pids_limit"], name
        assert {"max-size", "max-file"} <= set(service["logging"]["options"]), name  # else they fill the disk
        assert service.get("read_only") or name == "postgres", name
        assert "healthcheck" in service or name in ONCE, name
    told = compose["services"]["worker"]["environment"]
    users = {
        re.match(r"[a-z+]+://(\w+)", told[key])[1]
        for key in ("ONEMAP_DATABASE_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    }
    assert (
        users == {"onemap", "airflow"} and compose["services"]["postgres"]["environment"]["POSTGRES_USER"] == "postgres"
    )


def in_image(path: str) -> bool:
    """Whether a file of the tree is copied, as docker reads ``.dockerignore``: the last rule that fits decides."""
    parts, taken = Path(path).parts, True
    for rule in (settings.ROOT / ".dockerignore").read_text().splitlines():
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!").split("/")
            deep = pattern[0] == "**"
            wanted = pattern[1:] if deep else pattern
            starts = range(len(parts)) if deep else [0]
            if any(
                len(parts) >= at + len(wanted) and all(map(fnmatch, parts[at:], wanted)) for at in starts
            ):  # a folder that fits takes what is in it along
                taken = rule.startswith("!")
    return taken


def test_the_code_gets_into_the_image_and_no_secret_and_no_leftover():
    tracked = subprocess.run(["git", "ls-files"], cwd=settings.ROOT, capture_output=True, text=True).stdout.splitlines()
    rooms = {path.partition("/")[0] for path in tracked if path.endswith(".py")} - {"tests", "bench"}
    for path in tracked:
        if path.partition("/")[0] in rooms | {"pyproject.toml", "requirements.lock"} and not path.startswith("docs/"):
            assert in_image(path), path
    for left in (
        *(".env", ".env.prod", "cli/.env", "docs/.env.bak", "sources/tls.pem", "store/x.key", "var/secrets/fernet.key"),
        *("serving/secrets/audit", "backup/store.dump", "notes.txt", "dump.sql", ".git/config", ".venv/bin/python"),
        *("dags/__pycache__/a.pyc", "tests/conftest.py", "id_ed25519", "sources/id_rsa.pub", "cli/var/onemap.log"),
    ):
        assert not in_image(left), left
    text = (settings.ROOT / "Dockerfile").read_text()
    assert text.count("\nFROM ") == 2 and "COPY --from=build" in text  # what builds is not what runs


def test_only_the_proxy_is_published(compose):
    assert {name: s["ports"] for name, s in compose["services"].items() if "ports" in s} == {
        "proxy": ["${ONEMAP_PORT:-8443}:8443"]
    }


def test_the_image_runs_the_code_of_this_tree_as_an_ordinary_user():
    text = (settings.ROOT / "Dockerfile").read_text()
    assert "--require-hashes" in text
    assert re.search(r"^USER onemap", text, re.MULTILINE)
    for path in re.findall(r"/opt/onemap/([\w./-]+)", text):
        assert (settings.ROOT / path).exists(), path


def test_every_command_of_the_hub_is_understood(compose, tmp_path):
    """Airflow's own parser takes each, and the hub's command line knows its own."""
    commands = hub_commands(compose)
    assert {name for name, c in commands.items() if c[:4] == ["python", "-P", "-m", "airflow"]} == AIRFLOW
    words = [command[4:] for command in commands.values() if command[3] == "airflow"]
    probe = f"from airflow.cli.cli_parser import get_parser\nfor words in {words!r}: get_parser().parse_args(words)"
    env = environment(tmp_path, "redis://127.0.0.1:1/0", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    done = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    done = subprocess.run([sys.executable, "-m", "cli", *commands["prepare"][4:], "--help"], env=env, cwd=settings.ROOT)
    assert done.returncode == 0


@pytest.fixture
def redis(need, tmp_path: Path) -> Iterator[str]:
    program = need("redis-server", "redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            "probe",
            "--dir",
            tmp_path,
        ],
        stdout=subprocess.DEVNULL,
    )
    yield f"redis://:probe@127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


@pytest.mark.server
def test_a_worker_starts_and_stops_by_the_files_own_command(compose, redis, postgres_server, database, tmp_path):
    """prepare migrates both databases and makes the pools; then the worker reports for duty."""
    env = environment(tmp_path, redis, postgres_server.format(database="airflow_compose"))
    env["ONEMAP_DATABASE_URL"] = database
    commands = hub_commands(compose)
    done = subprocess.run(
        [sys.executable, *commands["prepare"][1:]], env=env, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-2000:]
    log = tmp_path / "worker.log"
    with log.open("w") as out:
        worker = subprocess.Popen(
            [sys.executable, *commands["worker"][1:]], env=env, stdout=out, stderr=out, start_new_session=True
        )
    try:
        until = time.monotonic() + 90
        while "ready" not in log.read_text() and worker.poll() is None and time.monotonic() < until:
            time.sleep(0.3)
        assert re.search(r"celery@\S+ ready", log.read_text()), log.read_text()[-3000:]
    finally:
        worker.terminate()
        try:
            worker.wait(30)
        finally:
            _end_group(worker.pid)


def environment(home: Path, broker: str, metadata: str) -> dict[str, str]:
    """As in the file, with the addresses of this machine."""
    declared = yaml.safe_load(FILE.read_text(encoding="utf-8"))["x-hub"]["environment"]
    from cryptography.fernet import Fernet

    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "ONEMAP"))}
    env |= {k: v for k, v in declared.items() if "$" not in v}
    return env | {
        "ONEMAP_HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "PYTHONPATH": os.pathsep.join([str(settings.ROOT), str(settings.ROOT / "dags" / "provider")]),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata,
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{metadata}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.ROOT / "dags" / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-test-0123456789",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "0",
    }


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.server
def test_the_proxy_leads_to_the_api_by_tls_and_to_airflow_for_the_rest(need, compose, tmp_path):
    """The file's own configuration and the API's own command; what stands for Airflow says which path it was asked for."""
    caddy = need("caddy", "caddy")
    ports = []
    for _ in range(4):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    proxy, api, health, airflow = ports
    text = compose["configs"]["proxy"]["content"].replace("$$", "$")
    for written, here in (
        (":8443", f":{proxy}"),
        (":8081", f":{health}"),
        ("api:8090", f"127.0.0.1:{api}"),
        ("api-server:8080", f"127.0.0.1:{airflow}"),
    ):
        assert written in text
        text = text.replace(written, here)
    (tmp_path / "Caddyfile").write_text(text)
    command = ["8090", "4", "0.0.0.0"], [str(api), "1", "127.0.0.1"]
    words = [dict(zip(*command, strict=True)).get(word, word) for word in compose["services"]["api"]["command"][1:]]
    env = os.environ | {
        "ONEMAP_HOST": "localhost",
        "ONEMAP_TLS": "internal",
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "ONEMAP_HOME": str(tmp_path),
        "ONEMAP_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none",
    }

    class Airflow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"airflow {self.path}".encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    stands = ThreadingHTTPServer(("127.0.0.1", airflow), Airflow)
    threading.Thread(target=stands.serve_forever, daemon=True).start()
    log = (tmp_path / "log").open("w")
    started = [
        subprocess.Popen([sys.executable, *words], env=env, cwd=settings.ROOT, stdout=log, stderr=log),
        subprocess.Popen(
            [caddy, "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"],
            env=env,
            stdout=log,
            stderr=log,
        ),
    ]
    unverified = ssl._create_unverified_context()  # the proxy's own authority, which nobody here knows

    def ask(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"https://localhost:{proxy}{path}", timeout=5, context=unverified) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, ""

    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if ask("/onemap/api/openapi.json")[0] == 200:
                    break
            except OSError:
                pass
            time.sleep(0.3)
        status, told = ask("/onemap/api/openapi.json")
        assert status == 200, (tmp_path / "log").read_text()[-3000:]
        assert "/v1/changes" in json.loads(told)["paths"] and json.loads(told)["servers"][0]["url"] == "/onemap/api"
        assert ask("/onemap/?town=1") == (200, "airflow /onemap/?town=1")
        assert ask("/execution/")[0] == ask("/execution/health")[0] == 404  # the workers' own way in
        with urllib.request.urlopen(f"http://127.0.0.1:{health}/", timeout=5) as answer:
            assert answer.status == 200
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(15)
        stands.shutdown()
        log.close()
