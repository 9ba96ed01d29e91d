"""What a broker that is broken or hostile sends: sound messages come, the others are told, memory is bounded, nothing hangs."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from connectors import connector
from connectors.endpoint import Endpoint
from connectors.window import Window
from core.errors import Fault
from sources.declaration import StreamCursor
from tests.connectors.contract import read
from tests.connectors.http_cases import feed, source
from tests.dirt.broker import broker, length, publish

FEED = feed(
    "reading",
    ["project_code", "device", "kind", "t"],
    StreamCursor(kind="stream"),
    topic="dg/site/{project_code}/{device}",
    quiet=0.3,
    longest=20,
)
TOPIC = b"dg/site/2304-441900-04-01-135254/d1"
SOUND = 5


def body(number: int) -> bytes:
    return json.dumps({"t": 1767196800000 + number, "kind": "power", "v": 1}).encode()


def sound() -> Iterator[bytes]:
    return (publish(TOPIC, body(n), n + 1) for n in range(SOUND))


def beside(*odd: bytes) -> Callable[[], Iterable[bytes]]:
    """The odd packets first."""
    return lambda: [*odd, *sound()]


def cut() -> Iterator[bytes]:
    yield from sound()
    yield publish(TOPIC, body(9), 9)[:-5]


def dripped() -> Iterator[bytes]:
    for packet in sound():
        yield from (packet[place : place + 7] for place in range(0, len(packet), 7))


ODD = {
    "a topic that is no UTF-8": beside(publish(b"dg/site/\xff\xfe/d1", body(9), 90)),
    "a topic with a NUL": beside(publish(b"dg/site/a\0b/d1", body(9), 90)),
    "a topic with a wildcard": beside(publish(b"dg/site/#/+", body(9), 90)),
    "a topic of 60,000 bytes": beside(publish(b"dg/site/" + b"p" * 60_000 + b"/d1", body(9), 90)),
    "no payload": beside(publish(TOPIC, b"", 90)),
    "depth": beside(publish(TOPIC, b"[" * 50_000, 90)),
    "a number of 100,000 digits": beside(publish(TOPIC, b'{"t": ' + b"9" * 100_000 + b"}", 90)),
    "half a surrogate": beside(publish(TOPIC, b'{"t": "\\ud800"}', 90)),
    "a key twice": beside(publish(TOPIC, b'{"t": 1, "t": 2, "kind": "power", "v": 1}', 90)),
    "the same packet many times": lambda: [packet for packet in sound() for _ in range(50)],
    "one number for all packets": lambda: [publish(TOPIC, body(n), 7) for n in range(SOUND)],
    "retained, again and again": lambda: [publish(TOPIC, body(n % SOUND), n % SOUND + 1, 0x03) for n in range(2000)],
    "half a packet, then silence": cut,
    "a drip": dripped,
    "many MiB in one message": beside(publish(TOPIC, b'{"v": "' + b"x" * (24 << 20) + b'"}', 90)),
    "NULs that escaping makes six times as much": beside(publish(TOPIC, b"\0" * (12 << 20), 90)),
}


def taken(port: int, state: dict | None = None):
    made = connector(source("mqtt", FEED, timeout=3), Endpoint("s_mqtt", "generic", "127.0.0.1", port, "hub", "x"))
    try:
        return read(made, FEED, Window(), state)
    finally:
        made.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))


@pytest.mark.parametrize("what", ODD)
def test_odd_messages_cost_themselves_alone(what: str) -> None:
    with broker(ODD[what]) as (port, _):
        found = taken(port)
    assert found.error is None or found.error.fault is not Fault.OURS, found.error
    keys = {key for key in found.keys(FEED.key) if key[3] in {str(1767196800000 + n) for n in range(SOUND)}}
    assert len(keys) == SOUND, (found.error, found.rejects)


@pytest.mark.parametrize(
    "packet",
    [
        b"\x32\x02\x00\xff",
        b"\x32\xff\xff\xff\xff\x01",
        b"\xf0\x00",
        b"\x00\x00",
        b"\x32" + length(3) + b"\x00\x01x",
        publish(b"", b"1", 9),
    ],
    ids=[
        "a topic longer than its packet",
        "a length of five bytes",
        "no such packet",
        "type 0",
        "no number",
        "no topic",
    ],
)
def test_what_is_no_mqtt_is_a_broken_broker_and_no_quiet_one(packet: bytes) -> None:
    with broker(lambda: [*sound(), packet, *sound()]) as (port, _):
        found = taken(port)
    assert len(found.keys(FEED.key)) == SOUND
    assert found.error is None or found.error.fault is Fault.TRANSIENT
    assert found.error or not found.proof.complete, "said to be drained"


def test_a_flood_of_great_messages_is_taken_in_bounded_memory() -> None:
    text, count = b"x" * (4 << 20), 50
    with broker(lambda: (publish(TOPIC, text, n + 1) for n in range(count))) as (port, _):
        made = connector(source("mqtt", FEED, timeout=3), Endpoint("s_mqtt", "generic", "127.0.0.1", port, "hub", "x"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        *files, proof = made.fetch(FEED, Window(), None)
        made.close()
    assert proof.complete
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 << 10
    assert max(file.body.stat().st_size for file in files) < 48 << 20, "a file is decoded as a whole"
