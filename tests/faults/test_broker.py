"""The stream of S4 over a wire that breaks, with a broker that restarts or loses what it held: nothing is lost in silence."""

from __future__ import annotations

import os
from pathlib import Path

import paho.mqtt.publish as publish
import pytest

from connectors import connector
from connectors.endpoint import Endpoint
from connectors.window import Window
from core.errors import Fault
from tests.connectors.contract import read
from tests.connectors.http_cases import source
from tests.connectors.mosquitto import PASSWORD, USER, Mosquitto
from tests.connectors.test_mqtt import FEED, keys, messages
from tests.faults.proxy import Proxy

ROUNDS, EACH = (20 if os.environ.get("ONEMAP_FAULTS") else 4), 60
EVENTS = ("nothing", "restart", "twice", "not committed")
pytestmark = pytest.mark.server


@pytest.fixture
def broker(need, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path / "home"))
    made = Mosquitto(need("mosquitto", "mosquitto"), tmp_path / "mosquitto")
    yield made
    made.stop()


def taken(port: int, state: dict | None):
    endpoint = Endpoint("s_mqtt", "generic", "127.0.0.1", port, USER, PASSWORD, extra={"client_id": "onemap-test"})
    made = connector(source("mqtt", FEED, timeout=2), endpoint)
    try:
        return read(made, FEED, Window(), state)
    finally:
        made.close()


def test_whatever_breaks_between_us_and_the_broker_every_message_comes(broker: Mosquitto) -> None:
    got, state = set(), taken(broker.port, None).proof.state
    proxy = Proxy(("127.0.0.1", broker.port), 5, 0.0)
    try:
        for number in range(ROUNDS):
            mine = range(number * EACH, (number + 1) * EACH)
            event = EVENTS[number % len(EVENTS)]
            broker.publish(messages(mine))
            if event == "twice":
                broker.publish(messages(mine))
            if event == "restart":
                broker.stop()
                broker.start()
            proxy.share = 0.7
            found = taken(proxy.port, state)
            assert found.error is None or found.error.fault is Fault.TRANSIENT, found.error
            if event != "not committed" and found.proof:
                state = found.proof.state
                got |= found.keys(FEED.key)
        proxy.share = 0.0
        while not (found := taken(proxy.port, state)).proof.complete:
            state, got = found.proof.state, got | found.keys(FEED.key)
        assert "session_lost" not in {issue.code for issue in found.issues}
        assert got | found.keys(FEED.key) == keys(range(ROUNDS * EACH))
        assert sum(proxy.met.values()), "nothing broke"
    finally:
        proxy.shutdown()
        proxy.server_close()


def test_a_broker_that_lost_what_it_held_is_told(broker: Mosquitto) -> None:
    state = taken(broker.port, None).proof.state
    broker.publish(messages(range(5)))
    broker._process.kill()  # what it holds is on disk only when it ends well
    broker._process.wait(5)
    for path in Path(broker._command[-1]).parent.glob("*.db"):
        path.unlink()
    broker.start()
    found = taken(broker.port, state)
    assert [issue.code for issue in found.issues] == ["session_lost"] and found.proof.complete


def test_a_flood_of_retained_messages_is_taken_once_and_no_sound_one_is_lost(broker: Mosquitto) -> None:
    say = {"hostname": "127.0.0.1", "port": broker.port, "auth": {"username": "device", "password": "device-password"}}
    flood = [
        {
            "topic": f"dg/site/2304-441900-04-01-135254/d{n}",
            "payload": '{"t": 1, "kind": "old", "v": 0}',
            "retain": True,
        }
        for n in range(3000)
    ]
    publish.multiple(flood, **say)
    first = taken(broker.port, None)
    broker.publish(messages(range(20)))
    again = taken(broker.port, first.proof.state)
    assert first.proof.complete and again.proof.complete
    assert again.keys(FEED.key) >= keys(range(20))
