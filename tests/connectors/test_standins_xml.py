"""D1, D2 and S1 as declared in ``sources/``, against the project's own stand-ins, with every fault that they know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors import connector
from connectors.base import Connector, Window
from connectors.decoders import geometry
from connectors.decoders.xml import UnsafeXml
from connectors.endpoint import Endpoint
from core.errors import AuthenticationError, ConfigurationError
from sources.declaration import Feed
from sources.loader import load
from standins.faults import KINDS
from standins.testing import Running, running
from tests.connectors import contract
from tests.standins import sample

QUICK = {"first": 0.01, "longest": 0.05}


@pytest.fixture(scope="module")
def served(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    world = sample.make(tmp_path_factory.mktemp("world"))
    home = tmp_path_factory.mktemp("home")
    with running(world, postgres_server.format(database="postgres"), at=sample.CLOCK, home=home) as stand:
        yield stand, world


@pytest.fixture
def stand(served) -> Iterator[Running]:
    yield served[0]
    served[0].faults.clear()
    served[0].settle()


def connect(stand: Running, name: str) -> tuple[Connector, dict[str, Feed]]:
    declared = load(name)
    declared = declared.model_copy(update={"options": {**declared.options, "http": QUICK}})
    return connector(declared, Endpoint(**stand.connection(declared.connection))), declared.feeds


def told(served, table: str, key: str) -> set[tuple[str]]:
    lines = (served[1] / f"{table}.jsonl").read_text().splitlines()
    return {(row[key],) for row in map(json.loads, lines) if row.get("_at", "0") <= f"{sample.CLOCK}"}


FEEDS = [
    ("d1", "cases", "d1/cases", "YWLSH"),
    ("d2", "projects", "d2/projects", "projectCode"),
    ("s1", "parcel", "s1/parcel", "ZDDM"),
    ("s1", "redline", "s1/redline", "HXBH"),
]


HARMLESS = (
    "down",
    "reset",
    "http_500",
    "html_502",
    "redirect_same",
    "total_changes",
    "busy",
    "timeout",
    "gbk_envelope",
    "short_page",
    "exception_200",
    "exception_400",
    "clock_off",
)
TRIES = [(*feed, fault) for feed in FEEDS for fault in (None, *HARMLESS) if fault is None or fault in KINDS[feed[0]]]


@pytest.mark.parametrize(("source", "feed", "table", "key", "fault"), TRIES)
def test_everything_told_comes_whatever_goes_wrong(served, stand, source, feed, table, key, fault):
    speaker, feeds = connect(stand, source)
    if source == "d1":
        assert speaker.check()[0].ok  # the WSDL is read before the fault strikes
    if fault:
        stand.faults.arm(source, fault, times=None if fault == "clock_off" else 2)
    reading = contract.read(speaker, feeds[feed], Window(full=True))
    assert reading.error is None and reading.proof.complete, reading
    rejected = {(reject.record,) for reject in reading.rejects}
    assert reading.keys([key]) | rejected == told(served, table, key)
    assert len(rejected) <= 2 and not {i.code for i in reading.issues} - {
        "total_changed",
        "listing_changed",
        "page_too_slow",
        "undecodable",
        "area_differs",
    }


def test_smaller_pages_where_the_source_times_out(served, stand):
    speaker, feeds = connect(stand, "d1")
    stand.faults.arm("d1", "timeout_above", times=None, size=30)
    reading = contract.read(speaker, feeds["cases"], Window(None, sample.CLOCK + timedelta(days=1)))
    assert reading.proof.complete and "page_too_slow" in [issue.code for issue in reading.issues]


@pytest.mark.parametrize("source", ["d1", "d2", "s1"])
@pytest.mark.parametrize("fault", ["xxe", "billion_laughs"])
def test_hostile_answers_are_refused(stand, source, fault):
    speaker, feeds = connect(stand, source)
    stand.faults.arm(source, fault, times=None)
    error = contract.read(speaker, next(iter(feeds.values())), Window(full=True)).error
    assert isinstance(error, UnsafeXml)


@pytest.mark.parametrize("source", ["d1", "d2"])
def test_moved_wsdl(stand, source):
    speaker, feeds = connect(stand, source)
    stand.faults.arm(source, "moved_wsdl", times=None)
    error = contract.read(speaker, next(iter(feeds.values())), Window(full=True)).error
    assert isinstance(error, ConfigurationError) and error.code == "wsdl_moved"


def test_one_undecodable_record_costs_no_other(served, stand):
    victim = min(told(served, "d1/cases", "YWLSH"))[0]
    stand.faults.arm("d1", "broken_gbk", times=None, ywlsh=victim)
    speaker, feeds = connect(stand, "d1")
    reading = contract.read(speaker, feeds["cases"], Window(full=True))
    assert victim in {reject.record for reject in reading.rejects} and reading.proof.complete
    assert reading.keys(["YWLSH"]) | {(r.record,) for r in reading.rejects} == told(served, "d1/cases", "YWLSH")


def test_wrong_password_is_refused_at_once(stand):
    declared = load("d1")
    speaker = connector(declared, Endpoint(**{**stand.connection("d_land"), "password": "wrong"}))
    error = contract.read(speaker, declared.feeds["cases"], Window(full=True)).error
    assert isinstance(error, AuthenticationError)


def test_swapped_axes_are_put_right(served, stand):
    stand.faults.arm("s1", "axis_swapped", times=None)
    speaker, feeds = connect(stand, "s1")
    for feed in feeds.values():
        reading = contract.read(speaker, feed, Window(full=True))
        shapes = geometry.from_hex(reading.rows.column("_geometry").to_pylist())
        assert geometry._inside(shapes).all() and {issue.code for issue in reading.issues} >= {"axis_swapped"}
