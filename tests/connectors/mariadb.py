"""A MariaDB of Debian's as our own process, for the tests of the database connector."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MariaDb:
    """A running server; ``root`` speaks to it as its administrator."""

    def __init__(self, port: int, socket_path: Path) -> None:
        self.port = port
        self._socket = str(socket_path)

    def root(self, *statements: str, database: str | None = None) -> list[tuple]:
        """Run statements, give the rows of the last."""
        connection = pymysql.connect(
            unix_socket=self._socket, user="root", database=database, autocommit=True, charset="utf8mb4"
        )
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()


@contextmanager
def mariadb(need: Callable[[str, str], str], folder: Path) -> Iterator[MariaDb]:
    """Start one in ``folder``, stop it in the end."""
    daemon = need("mariadbd", "mariadb-server")
    install = need("mariadb-install-db", "mariadb-server")
    data, path, port = folder / "data", folder / "s", free_port()
    subprocess.run(
        [
            install,
            "--no-defaults",
            "--user=root",
            f"--datadir={data}",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                daemon,
                "--no-defaults",
                "--user=root",
                f"--datadir={data}",
                f"--socket={path}",
                f"--port={port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-buffer-pool-size=64M",
                "--innodb-flush-log-at-trx-commit=0",
                "--sql-mode=",
                f"--pid-file={folder / 'pid'}",
                "--loose-skip-log-bin",
            ],
            stdout=log,
            stderr=log,
        )
    server = MariaDb(port, path)
    try:
        for _ in range(200):
            try:
                server.root("select 1")
                break
            except pymysql.err.OperationalError:
                if process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text(errors="replace")) from None
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
