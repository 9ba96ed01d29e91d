"""The hub's steps that need no Airflow to be tested."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack import airflow, processes
from cli.stack.hub import Hub
from cli.stack.layout import Layout

API_SERVER = """
import http.server, json, sys
class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        self.wfile.write(json.dumps({part: {"status": "healthy"} for part in parts}).encode())
http.server.HTTPServer.allow_reuse_address = False
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Healthy).serve_forever()
"""
OTHERS = "import time; time.sleep(600)"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Airflow's components are small programs that listen, or sleep, as the real ones would."""
    monkeypatch.setattr(
        airflow,
        "command",
        lambda *words: [sys.executable, "-c", API_SERVER if words[0] == "api-server" else OTHERS, *words],
    )
    layout = Layout(tmp_path)
    layout.make()
    yield Hub(layout, metadata_url="postgresql+psycopg://nobody@/none")
    processes.sweep(layout, patience=5)


def test_a_program_that_takes_the_port_in_between_is_given_way(hub, monkeypatch):
    choose = airflow.reserve_port
    with socket.socket() as other:

        def beaten(preferred: int) -> tuple[int, socket.socket | None]:
            port, held = choose(0)
            if not other.getsockname()[1]:
                other.bind(("127.0.0.1", port))
                other.listen()
            return port, held

        monkeypatch.setattr(airflow, "reserve_port", beaten)
        hub.start_airflow()
        taken = other.getsockname()[1]
    assert hub.port != taken
    started = [processes.recorded(hub.layout, name) for name in airflow.COMPONENTS]
    assert all(started)
    assert {process.environ()["AIRFLOW__API__PORT"] for process in started} == {str(hub.port)}, (
        "all were told the new one"
    )
    assert len(processes.owned(hub.layout)) == len(airflow.COMPONENTS), "those of the first port have ended"
    assert str(taken) in (hub.layout.logs / "launcher.log").read_text()
