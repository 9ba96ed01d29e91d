"""The TCP port for BI: roles that were granted something, by password, and nobody else."""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest
import sqlalchemy as sa

from cli.stack import postgres, sql_port
from cli.stack.layout import Layout


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """(port, the server's administrator): an embedded server of the product's own making, and the port before it."""
    layout = Layout(tmp_path_factory.mktemp("hub"))
    layout.make()
    urls = postgres.start(layout)
    admin = sa.create_engine(urls["onemap"], isolation_level="AUTOCOMMIT")
    with admin.connect() as c:
        c.exec_driver_sql("create role onemap_scoped nologin")
        c.exec_driver_sql("create role bi_town login password 'a long password' in role onemap_scoped")
        c.exec_driver_sql("create role other login password 'x'")
    socket = postgres._socket_folder(layout.postgres) / ".s.PGSQL.5432"
    loop, ready, found = asyncio.new_event_loop(), threading.Event(), []

    async def listen():
        server = await sql_port.Port(socket, lambda role: role == "bi_town").serve("127.0.0.1", 0)
        found.append(server.sockets[0].getsockname()[1])
        ready.set()

    loop.create_task(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    admin.dispose()
    postgres.stop(layout)


def come(port: int, user: str, password: str = "", **more):
    return psycopg.connect(
        host="127.0.0.1", port=port, dbname="onemap", user=user, password=password, connect_timeout=10, **more
    )


def test_a_granted_role_comes_in_by_its_password(door):
    with come(door, "bi_town", "a long password") as c:  # pragma: allowlist secret
        assert c.execute("select current_user, sum(n) from generate_series(1, 100000) n").fetchone() == (
            "bi_town",
            5000050000,
        )
    with pytest.raises(psycopg.OperationalError, match="password"):
        come(door, "bi_town", "wrong")
    with pytest.raises(psycopg.OperationalError):
        come(door, "bi_town", "a long password", sslmode="require")  # pragma: allowlist secret


@pytest.mark.parametrize("user", ["postgres", "other", "nobody", "bi_town\tx"])
def test_nobody_else_does(door, user):
    with pytest.raises(psycopg.OperationalError, match="may not come by this port"):
        come(door, user, "x")


def test_what_is_no_protocol_of_postgresql_is_let_go(door):
    import socket

    for said in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x01", b"\xff" * 40):
        with socket.create_connection(("127.0.0.1", door), timeout=5) as s:
            s.sendall(said)
            s.shutdown(socket.SHUT_WR)
            assert s.recv(100) in (b"",)
