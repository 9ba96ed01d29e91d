"""S4's stream against Mosquitto: nothing is lost, whenever we die."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from connectors import connector
from connectors.endpoint import Endpoint
from connectors.transports.mqtt_publisher import Publisher
from connectors.transports.spool import Spool
from connectors.window import Window
from core.errors import AuthenticationError, ConfigurationError, TransientError
from core.settings import ROOT
from sources.declaration import StreamCursor
from tests.connectors.contract import Case, Contract, read
from tests.connectors.http_cases import feed, source
from tests.connectors.mosquitto import PASSWORD, USER, Mosquitto

FEED = feed(
    "reading",
    ["project_code", "device", "kind", "t"],
    StreamCursor(kind="stream"),
    topic="dg/site/{project_code}/{device}",
    quiet=0.3,
    longest=20,
)
pytestmark = pytest.mark.server


@pytest.fixture
def broker(need, tmp_path):
    made = Mosquitto(need("mosquitto", "mosquitto"), tmp_path / "mosquitto")
    yield made
    made.stop()


def make(broker, login: str = USER, password: str = PASSWORD, made_feed=FEED, **extra):
    return connector(
        source("mqtt", made_feed, timeout=5),
        Endpoint(
            "s_mqtt", "generic", "127.0.0.1", broker.port, login, password, extra={"client_id": "onemap-test"} | extra
        ),
    )


def take(broker, state=None, **more):
    made = make(broker, **more)
    try:
        return read(made, made.source.feeds["reading"], Window(), state)
    finally:
        made.close()


def messages(numbers) -> list[tuple[str, str]]:
    return [
        (
            f"dg/site/2304-441900-04-01-135254/d{n % 3}",
            json.dumps({"t": 1767196800000 + n, "kind": "power", "v": n / 4}),
        )
        for n in numbers
    ]


def keys(numbers) -> set:
    return {("2304-441900-04-01-135254", f"d{n % 3}", "power", str(1767196800000 + n)) for n in numbers}


class TestContract(Contract):
    @pytest.fixture
    def case(self, broker):
        state = take(broker).proof.state
        broker.publish(messages(range(50)))
        assert state == {"spooled": 0, "session": True}
        return Case(lambda: make(broker), FEED, keys(range(50)), Window(), secrets=(PASSWORD,))


def test_the_session_keeps_what_comes_while_we_are_away(broker):
    first = take(broker)
    assert first.proof.complete and first.rows.num_rows == 0
    broker.publish(messages(range(500)))
    second = take(broker, first.proof.state)
    assert second.proof.complete and second.keys(FEED.key) == keys(range(500))
    third = take(broker, second.proof.state)
    assert third.proof.complete and third.payloads == [], "acknowledged, and committed"


def test_a_broker_that_restarts_has_kept_them(broker):
    state = take(broker).proof.state
    broker.publish(messages(range(30)))
    broker.stop()
    with pytest.raises(TransientError):
        made = make(broker)
        made.policy.attempts = 1
        list(made.fetch(FEED, Window(), state))
    broker.start()
    assert take(broker, state).keys(FEED.key) == keys(range(30))


def test_what_was_taken_and_not_committed_comes_again(broker):
    state = take(broker).proof.state
    broker.publish(messages(range(30)))
    lost = take(broker, state)  # the pipeline dies before it commits: the state stays the old one
    assert lost.keys(FEED.key) == keys(range(30))
    broker.publish(messages(range(30, 40)))
    again = take(broker, state)
    assert again.keys(FEED.key) == keys(range(40))
    assert take(broker, again.proof.state).payloads == []


POINTS = {
    "before they are on disk": "Spool.write = lambda self, m: stop()",
    "before they are acknowledged": "Spool.write = lambda self, m, write=Spool.write: (write(self, m), stop())",
    "after they are acknowledged": "connectors.protocols.mqtt._burst = lambda s, n, w, b=connectors.protocols.mqtt._burst, c=[0]: c.append(1) or (stop() if len(c) > 2 else b(s, 100, 5))",
}


@pytest.mark.parametrize("point", POINTS)
def test_a_process_killed_while_it_drains_loses_nothing(broker, run_folder, point):
    state = take(broker).proof.state
    broker.publish(messages(range(300)))
    script = f"""
import time, connectors.protocols.mqtt
from types import SimpleNamespace
from connectors.transports.spool import Spool
from tests.connectors.test_mqtt import FEED, Window, make, read
def stop():
    print("here", flush=True)
    time.sleep(60)
{POINTS[point]}
read(make(SimpleNamespace(port={broker.port})), FEED, Window(), {state!r})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert process.stdout.readline() == b"here\n"
    process.kill()
    process.wait()
    process.stdout.close()
    broker.publish(messages(range(300, 310)))
    reading = take(broker, state)
    assert reading.error is None and reading.keys(FEED.key) == keys(range(310))


def test_what_is_no_reading_is_rejected_with_its_bytes(broker):
    state = take(broker).proof.state
    topic = "dg/site/p/d"
    dirt = [
        b"not json",
        b"\xff\xfe",
        b"[1]",
        b'{"t":1},{"t":2}',
        b"",
        b'{"t": 2, "kind": "gate", "v": 1.50, "project_code": "x"}',
    ]
    broker.publish([(topic, body) for body in dirt])
    reading = take(broker, state)
    assert reading.rows.select(["project_code", "device", "t", "kind", "v"]).to_pylist() == [
        {"project_code": "p", "device": "d", "t": "2", "kind": "gate", "v": "1.50"}
    ]
    assert sorted(reject.code for reject in reading.rejects) == ["not_an_object"] * 4 + ["undecodable"]
    assert {reject.raw for reject in reading.rejects} >= {"not json", "\\xff\\xfe", "[1]"}


def test_no_more_than_asked_for_is_taken_and_the_rest_comes_next_time(broker):
    few = feed("reading", FEED.key, FEED.cursor, **(FEED.options | {"most": 100}))
    state = take(broker, made_feed=few).proof.state
    broker.publish(messages(range(300)))
    first = take(broker, state, made_feed=few)
    assert not first.proof.complete and 100 <= first.rows.num_rows < 300
    second = take(broker, first.proof.state)
    assert first.keys(FEED.key) | second.keys(FEED.key) == keys(range(300))


def test_a_lost_session_is_told(broker):
    assert [issue.code for issue in take(broker, {"spooled": 0, "session": True}).proof.issues] == ["session_lost"]


def test_a_refused_login_is_an_authentication_fault(broker):
    error = take(broker, password="wrong-password-value").error
    assert isinstance(error, AuthenticationError) and error.remedy and "wrong-password" not in str(error)
    lines = make(broker, password="wrong-password-value").check()
    assert not lines[0].ok and lines[0].remedy


def test_a_broker_that_is_not_there_is_transient(broker):
    broker.stop()
    made = make(broker)
    made.policy.first = made.policy.longest = 0.01
    assert isinstance(read(made, FEED, Window()).error, TransientError)
    broker.start()


def test_two_readings_at_once_do_not_share_a_session(broker):
    one = make(broker)
    reading = one.fetch(FEED, Window(), None)
    spool = Spool(FEED.id, 0)
    spool.write([("dg/site/p/d", b"{}")])
    spool.close()
    next(reading)
    assert "under way" in take(broker).error.message
    reading.close()
    assert take(broker).error is None


def test_tls_is_verified(need, tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    broker = Mosquitto(need("mosquitto", "mosquitto"), tmp_path / "mosquitto", tls=folder)
    try:
        assert isinstance(take(broker, tls=True).error, AuthenticationError)
        assert take(broker, tls=str(folder / "cert.pem")).proof.complete
        assert isinstance(take(broker, tls="/no/such/file").error, ConfigurationError)
    finally:
        broker.stop()


def test_a_line_cut_off_by_a_crash_is_taken_off():
    spool = Spool("t.x", 0)
    spool.write([("a", b"1"), ("b", b"2")])
    spool.close()
    file = spool.files()[0]
    file.write_bytes(file.read_bytes() + b'{"topic":"c","pay')
    again = Spool("t.x", 0)
    assert again.files()[0].read_bytes().count(b"\n") == 2
    again.write([("d", b"3")])
    again.close()
    assert [int(f.stem) for f in again.files()] == [1, 2]
    assert Spool("t.x", 2).files() == []
    assert Spool("t.x", 2).last == 2


def test_messages_for_a_broker_that_broke_off_are_not_acknowledged(broker):
    """What is handed over when the connection is gone is no fault of ours: the same messages are sent again."""
    with Publisher(
        Endpoint("p", "generic", "127.0.0.1", broker.port, USER, PASSWORD), "onemap-test-sink", 5
    ) as publisher:

        def parting():
            yield "dg/a", b"1"
            broker.stop()
            assert publisher._session.broken.wait(5)
            yield "dg/a", b"2"

        with pytest.raises(TransientError) as raised:
            publisher.publish(parting())
    assert raised.value.code == "not_acknowledged"
