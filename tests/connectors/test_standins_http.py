"""P1, P2, M1, S2, S3 and S4 as declared in ``sources/``, against the project's own stand-ins, with every fault they know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors import connector
from connectors.base import Connector, Window
from connectors.endpoint import Endpoint
from core.errors import ConfigurationError, Fault
from sources.declaration import Feed
from sources.loader import load
from standins.faults import KINDS
from standins.testing import Running, running
from tests.connectors import contract
from tests.standins import sample

QUICK = {"first": 0.01, "longest": 0.05}
FULL = Window(full=True)
CLOCK = sample.CLOCK if isinstance(sample.CLOCK, datetime) else datetime.fromisoformat(str(sample.CLOCK))
DAY = Window(CLOCK.replace(hour=0, minute=0, second=0) - timedelta(days=1), CLOCK.replace(hour=0, minute=0, second=0))


@pytest.fixture(scope="module")
def served(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    world = sample.make(tmp_path_factory.mktemp("world"))
    home = tmp_path_factory.mktemp("home")
    with running(world, postgres_server.format(database="postgres"), at=CLOCK, home=home) as stand:
        yield stand, world


@pytest.fixture
def stand(served) -> Iterator[Running]:
    yield served[0]
    served[0].faults.clear()
    served[0].settle()


def connect(stand: Running, name: str) -> tuple[Connector, dict[str, Feed]]:
    declared = load(name)
    declared = declared.model_copy(
        update={"options": {**declared.options, "http": QUICK}, "timeout": timedelta(seconds=20)}
    )
    return connector(declared, Endpoint(**stand.connection(declared.connection))), declared.feeds


def told(served, table: str, key: list[str], window: Window = FULL) -> set[tuple[str, ...]]:
    lines = map(json.loads, (served[1] / f"{table}.jsonl").read_text().splitlines())
    shown = [row for row in lines if row.get("_at", "0") <= f"{CLOCK}" < row.get("_until", "9")]
    if not window.full:
        shown = [row for row in shown if window.start.timestamp() <= row["t"] / 1000 - _zone() < window.end.timestamp()]
    return {tuple("" if row.get(name) is None else str(row[name]) for name in key) for row in shown}


def _zone() -> float:
    """Seconds between this machine's reading of a naive time and Shanghai's."""
    from core.clock import SHANGHAI

    return CLOCK.replace(tzinfo=SHANGHAI).timestamp() - CLOCK.timestamp()


FEEDS = [
    ("p1", "project_filing", "p1/project_filing", FULL),
    ("p1", "enterprise", "p1/enterprise", FULL),
    ("p1", "licence", "p1/licence", FULL),
    ("p2", "land_approval", "p2/land_approval", FULL),
    ("m1", "items", "m1/items", FULL),
    ("m1", "projects", "m1/projects", FULL),
    ("s2", "change", "s2/change", FULL),
    ("s3", "scene", "s3/scene", FULL),
    ("s4", "reading", "s4/reading", DAY),
]
PASSING = [
    None,
    "down",
    "reset",
    "lost_answer",
    "http_500",
    "html_502",
    "http_503",
    "redirect_same",
    "clock_off",
    "empty_list",
    "quota_429",
    "quota_inner",
    "outer_error",
    "total_changes",
    "token_expired",
    "cursor_expired",
    "no_range",
    "truncated",
]


@pytest.mark.parametrize(
    ("source", "feed", "table", "window", "fault"),
    [(*one, fault) for one in FEEDS for fault in PASSING if fault is None or fault in KINDS[one[0]]],
    ids=lambda value: str(value) if not isinstance(value, Window) else "",
)
def test_everything_told_comes_whatever_passes(served, stand, source, feed, table, window, fault):
    speaker, feeds = connect(stand, source)
    if fault:
        stand.faults.arm(source, fault, times=None if fault == "clock_off" else 1)
    reading = contract.read(speaker, feeds[feed], window)
    speaker.close()
    assert reading.error is None and reading.proof.complete, reading
    keys = (
        {tuple(part or "" for part in key) for key in reading.keys(feeds[feed].key)} if reading.rows.num_rows else set()
    )
    assert keys == told(served, table, feeds[feed].key, window)
    assert reading.rejects == []


@pytest.mark.parametrize("source", ["p1", "p2", "m1", "s2", "s3", "s4", "s4_mqtt"])
def test_check_holds(stand, source):
    speaker, _ = connect(stand, source)
    assert [line for line in speaker.check() if not line.ok] == []
    speaker.close()


@pytest.mark.parametrize(
    ("source", "fault", "whose"),
    [(name, "redirect_away", Fault.CONFIGURATION) for name in ("p1", "p2", "m1", "s2", "s3", "s4")]
    + [
        ("p1", "not_authorised", Fault.AUTHENTICATION),
        ("p1", "bad_request", Fault.OURS),
        ("p2", "not_authorised", Fault.AUTHENTICATION),
    ],
)
def test_what_will_not_pass_ends_at_once(stand, source, fault, whose):
    speaker, feeds = connect(stand, source)
    stand.faults.arm(source, fault, times=None)
    feed = next(iter(feeds.values()))
    reading = contract.read(speaker, feed, DAY if source == "s4" else FULL)
    assert reading.error.fault is whose
    if fault == "redirect_away":
        assert isinstance(reading.error, ConfigurationError)


@pytest.mark.parametrize("feed", ["project_filing"])
@pytest.mark.parametrize("fault", ["shift", "late_row", "repeat_page"])
@pytest.mark.parametrize("window", [FULL, Window(CLOCK - timedelta(days=4000), CLOCK)], ids=str)
def test_a_listing_that_moves_loses_no_untouched_row(served, stand, feed, fault, window):
    speaker, feeds = connect(stand, "p1")
    small = feeds[feed].model_copy(
        update={
            "options": {**feeds[feed].options, "page_size": 1 + len(told(served, f"p1/{feed}", feeds[feed].key)) // 4}
        }
    )
    stand.faults.arm("p1", fault, times=2, skip=1)
    reading = contract.read(speaker, small, window)
    assert reading.error is None and reading.proof.complete, reading.proof
    stand.faults.clear()
    after = contract.read(speaker, small, FULL).rows.to_pylist()
    touched = {(row[small.key[0]],) for row in after if row["updateTime"] >= f"{CLOCK}"}
    assert told(served, f"p1/{feed}", small.key) - touched <= reading.keys(small.key)


@pytest.mark.parametrize("fault", ["zip_bomb", "zip_slip"])
def test_a_hostile_file_is_told_and_comes_once_it_is_well(served, stand, fault):
    speaker, feeds = connect(stand, "p2")
    feed = feeds["land_approval"]
    feed = feed.model_copy(update={"options": {**feed.options, "limits": {"entry": 50_000_000}}})
    stand.faults.arm("p2", fault, times=None)
    first = contract.read(speaker, feed, Window())
    assert {issue.code for issue in first.proof.issues} <= {"archive_unsafe", "file_damaged"}
    assert first.proof.issues and not first.proof.complete
    stand.faults.clear()
    stand.settle()
    second = contract.read(speaker, feed, Window(), first.proof.state)
    assert second.proof.complete
    both = first.keys(feed.key) | second.keys(feed.key)
    assert {tuple(part or "" for part in key) for key in both} == told(served, "p2/land_approval", feed.key)


def test_a_server_that_ignores_datetime_is_found_out(stand):
    speaker, feeds = connect(stand, "s2")
    window = Window(CLOCK - timedelta(days=3), CLOCK)
    plain = contract.read(speaker, feeds["change"], window)
    stand.faults.arm("s2", "ignores_datetime", times=None)
    ignoring = contract.read(speaker, feeds["change"], window)
    assert ignoring.proof.complete
    assert plain.keys(["JCBH"]) <= ignoring.keys(["JCBH"])


def test_the_stream_is_drained(stand):
    speaker, feeds = connect(stand, "s4_mqtt")
    feed = feeds["reading"].model_copy(update={"options": {**feeds["reading"].options, "quiet": 1}})
    first = contract.read(speaker, feed, Window())
    assert first.error is None and first.proof is not None
    stand.move_clock(hours=2)
    second = contract.read(speaker, feed, Window(), first.proof.state)
    assert second.error is None
    if second.rows.num_rows:
        assert {"project_code", "device", "t", "kind", "v"} <= set(second.rows.column_names)
