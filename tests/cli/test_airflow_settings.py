"""How Airflow is set: by the environment alone, closed to the network, secrets read from files."""

from __future__ import annotations

import os
import socket

from cli.stack import airflow
from cli.stack.layout import Layout


def environment(tmp_path, **more):
    layout = Layout(tmp_path)
    layout.make()
    return layout, airflow.environment(layout, metadata_url="postgresql+psycopg://x/airflow", port=8123, **more)


def test_only_loopback_is_listened_on_and_no_secret_stands_in_the_environment(tmp_path):
    layout, env = environment(tmp_path)
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    for name in ("fernet.key", "jwt.secret", "api.secret"):
        secret = (layout.secrets / name).read_text()
        assert all(secret not in value for value in env.values())


def test_what_a_person_sets_wins(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM", "32")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "given")
    _, env = environment(tmp_path)
    assert env["AIRFLOW__CORE__PARALLELISM"] == "32"
    assert env["AIRFLOW__CORE__FERNET_KEY"] == "given"
    assert "AIRFLOW__CORE__FERNET_KEY_CMD" not in env


def test_the_loopback_is_never_asked_for_through_a_proxy(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    _, env = environment(tmp_path)
    assert env["NO_PROXY"] == "intranet.example,127.0.0.1,localhost,::1"


def test_the_worlds_clock_is_set_only_where_a_world_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv("ONEMAP_CLOCK_FILE", raising=False)
    layout, env = environment(tmp_path)
    assert "ONEMAP_CLOCK_FILE" not in env
    layout.world.mkdir()
    layout.world_done.write_text("{}")
    assert environment(tmp_path)[1]["ONEMAP_CLOCK_FILE"] == str(layout.clock)


def test_a_taken_port_gives_another_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert airflow.reserve_port(port)[0] != port


def test_two_hubs_that_start_at_once_get_two_ports_before_either_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first, held = airflow.reserve_port(port)
    second, also = airflow.reserve_port(port)
    assert first == port
    assert second != first
    for one in (held, also):
        if one:
            one.close()
    assert airflow.reserve_port(port)[0] == port


def test_only_the_process_that_listens_is_taken_for_the_server():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert airflow.listens(os.getpid(), port)
        assert not airflow.listens(os.getppid(), 1)
    assert not airflow.listens(os.getpid(), port)
