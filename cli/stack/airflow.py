"""Airflow as child processes of a run: its settings (environment only), its components, its REST API.

Safe on one machine: the API server listens on 127.0.0.1 alone, behind the simple auth manager with one generated
administrator. A password is asked for even on loopback, since every local user and every page open in a browser
can reach a loopback port, and Airflow shows and starts everything. Departments with a directory set Airflow's own
``AIRFLOW__CORE__AUTH_MANAGER``: whatever ``AIRFLOW__*`` stands in the environment wins over what is set here.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil

from cli.stack.layout import Layout
from core import settings
from core.errors import ConfigurationError, InternalError

if TYPE_CHECKING:
    import requests

COMPONENTS = {
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "api-server": ["api-server"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
PATIENCE = 300  # seconds that the API server may take under load
_HEALTH = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


def command(*words: str) -> list[str]:
    """An Airflow command under this interpreter, wherever the environment was moved to."""
    return [sys.executable, "-P", "-m", "airflow", *words]


def environment(layout: Layout, *, metadata_url: str | None, port: int | None = None) -> dict[str, str]:
    """The environment of everything that runs Airflow or reads its Connections.

    ``metadata_url`` None: there is no metadata database; Connections come from ``AIRFLOW_CONN_*`` alone.
    """
    ours = {
        "ONEMAP_HOME": str(layout.home),
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.ROOT / "dags" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(max(4, (os.cpu_count() or 2) * 2)),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Shanghai",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": "1",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",  # its only user is the administrator of this machine
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",  # getfqdn asks a name server
        "AIRFLOW__CORE__AUTH_MANAGER": "onemap_provider.auth.Accounts",  # the administrator below, and onemap user
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.passwords),
        "AIRFLOW__CORE__FERNET_KEY_CMD": _cat(layout, "fernet.key"),
        "AIRFLOW__API_AUTH__JWT_SECRET_CMD": _cat(layout, "jwt.secret"),
        "AIRFLOW__API__SECRET_KEY_CMD": _cat(layout, "api.secret"),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__INSTANCE_NAME": "一张图数据汇聚枢纽 OneMap",
        "AIRFLOW__API__DAG_CACHE_SIZE": "128",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",  # a change goes through six tasks, each waited for
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING alembic=WARNING",
        "GX_ANALYTICS_ENABLED": "false",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
        "AIRFLOW__API__HOST": "127.0.0.1",
    }
    if port:
        ours |= {
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        }
    if metadata_url:
        ours |= {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata_url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata_url,  # psycopg 3 serves both
            "_AIRFLOW_PROCESS_CONTEXT": "server",
        }
    env = {**ours, **os.environ}
    for option in ("CORE__FERNET_KEY", "API_AUTH__JWT_SECRET", "API__SECRET_KEY"):
        if f"AIRFLOW__{option}" in os.environ:  # given outright: a command beside it would only confuse
            env.pop(f"AIRFLOW__{option}_CMD", None)
    if layout.world_done.exists():
        env.setdefault("ONEMAP_CLOCK_FILE", str(layout.clock))
    loopback = "127.0.0.1,localhost,::1"
    for name in ("no_proxy", "NO_PROXY"):
        env[name] = ",".join(filter(None, [env.get(name), loopback]))
    return env


def _cat(layout: Layout, name: str) -> str:
    """Airflow reads the secret by this command: it stands in no environment that a task could print."""
    if name == "fernet.key":
        from cryptography.fernet import Fernet

        layout.secret(name, lambda: Fernet.generate_key().decode())
    else:
        layout.secret(name)
    return f"cat {shlex.quote(str(layout.secrets / name))}"


def reserve_port(preferred: int) -> tuple[int, socket.socket | None]:
    """The preferred port of the loopback interface, or any free one when it is taken.

    Airflow listens only seconds later: until then, and as long as the returned socket is open, no other hub of this
    machine takes the same port (an abstract Unix socket stands for it: no file, and gone with this process; Linux).
    """
    for wanted in (preferred, *([0] * 20)):
        port = _free_port(wanted)
        if port is None:
            continue
        if sys.platform != "linux":
            return port, None
        held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            held.bind(f"\0onemap-port-{port}")
            return port, held
        except OSError:
            held.close()
    raise ConfigurationError("no free port on 127.0.0.1", zh="本机没有空闲端口。")


def is_free(port: int) -> bool:
    """Whether nobody listens at that port of the loopback interface."""
    return _free_port(port) is not None


def _free_port(wanted: int) -> int | None:
    """That port if it can be had, any free one for 0; None when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return None
        return probe.getsockname()[1]


def listens(pid: int, port: int) -> bool:
    """Whether that process, or one below it, is the one that listens there: another hub would answer just as well."""
    try:
        process = psutil.Process(pid)
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for one in (process, *process.children(recursive=True))
            for connection in one.net_connections("tcp")
        )
    except psutil.Error:
        return False


class Api:
    """Airflow's REST API, as its administrator."""

    def __init__(self, base: str, password: str) -> None:
        self.base = base
        self._password = password
        import requests  # of a running Airflow alone: most commands never ask it

        self._session = requests.Session()
        self._session.trust_env = False

    def healthy(self) -> dict[str, bool]:
        """State of each component; empty while the API server does not answer."""
        import requests

        try:
            answer = self._session.get(f"{self.base}/api/v2/monitor/health", timeout=5)
            result = answer.json()
        except (requests.RequestException, ValueError):
            return {}
        return {name: (result.get(key) or {}).get("status") == "healthy" for name, key in _HEALTH.items()} | {
            "api-server": (result.get("metadatabase") or {}).get("status") == "healthy"
        }

    def login(self) -> None:
        """:raises ConfigurationError: the password is not the one of the run folder."""
        answer = self._ask("POST", "/auth/token", json={"username": "admin", "password": self._password})
        if answer.status_code >= 400:
            raise ConfigurationError(
                f"Airflow refused the administrator of this run folder (HTTP {answer.status_code})",
                remedy="with another auth manager, trigger the DAGs in its UI and start with --no-first-sync",
                zh="Airflow 拒绝了本运行目录的管理员账号；如使用其他认证方式，请加 --no-first-sync 启动并在界面中触发同步。",
            )
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """JSON of an API call. :raises InternalError: it refused, or does not answer."""
        answer = self._ask(method, f"/api/v2{path}", **arguments)
        if answer.status_code >= 400:
            raise InternalError(f"Airflow's API: {method} {path} -> HTTP {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """An answer; a server that is busy or starts again is asked again for some minutes."""
        import requests

        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._session.request(method, f"{self.base}{path}", timeout=60, **arguments)
                if answer.status_code < 500 or time.monotonic() > until:
                    return answer
            except requests.RequestException as error:
                if time.monotonic() > until:
                    raise InternalError(
                        f"Airflow's API does not answer: {type(error).__name__}",
                        zh="Airflow 接口没有应答，请查看 logs/api-server.log。",
                    ) from error
            time.sleep(1)

    def dags(self) -> set[str]:
        """Ids of the DAGs that are there and active."""
        return {dag["dag_id"] for dag in self.call("GET", "/dags", params={"limit": 1000})["dags"]}

    def import_errors(self) -> list[str]:
        """What the DAG processor could not load."""
        errors = self.call("GET", "/importErrors", params={"limit": 100})["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def trigger(self, dag_id: str, note: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; returns its id."""
        body = {"logical_date": None, "conf": conf or {}, "note": note}
        return self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]

    def state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]

    def states(self, dag_ids: list[str]) -> dict[tuple[str, str], str]:
        """(DAG, run) → state of the last hundred runs of these DAGs, by one question."""
        asked = {"dag_ids": dag_ids, "order_by": "-run_after", "page_limit": 100}
        found = self.call("POST", "/dags/~/dagRuns/list", json=asked)["dag_runs"]
        return {(one["dag_id"], one["dag_run_id"]): one["state"] for one in found}

    def pause(self, dag_id: str, *, paused: bool = True) -> None:
        """A paused DAG keeps the events that would start it."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})
