"""S2 against a server of OGC API – Features with its freedoms."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from connectors import connector
from connectors.protocols.ogc_features import interval
from connectors.window import Window
from core.errors import Fault, ProviderError
from sources.declaration import WindowCursor
from tests.connectors.contract import Case, Contract, read
from tests.connectors.http_cases import FAST, endpoint, feed, source
from tests.connectors.web import Asked, Reply, web

FEED = feed(
    "change",
    ["JCBH"],
    WindowCursor(kind="window", column="HSX", lag=timedelta(days=90)),
    collection="change",
    page_size=1000,
    id_column="JCBH",
)
WINDOW = Window(datetime(2026, 3, 1), datetime(2026, 6, 1))
PASSWORD = "password-not-real"


class Server:
    """Pages of 4 by offset; ``heeds``: it filters by datetime; ``links``: how it writes the next one."""

    def __init__(self, count: int = 10) -> None:
        # one a month, back from 2026-10: 2026-10, 2026-09, …; every other one as yyyyMM
        self.features = []
        for n in range(count):
            month = 10 - n
            hsx = f"2026-{month:02d}-15" if n % 2 else f"2026{month:02d}"
            self.features.append(self.feature(f"J{n}", hsx))
        self.heeds, self.links, self.matched, self.fail, self.hidden = True, "absolute", True, False, 0
        self.base = ""

    @staticmethod
    def feature(name: str, hsx: str) -> dict:
        ring = [[113.7, 23.0], [113.71, 23.0], [113.71, 23.01], [113.7, 23.0]]
        return {
            "type": "Feature",
            "id": name,
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"JCBH": name, "HSX": hsx, "MJ": 12.50},
        }

    def __call__(self, asked: Asked) -> Reply:
        start = int(asked.query.get("offset", 0))
        if self.fail and start:
            return Reply({"cut": True}, cut=4)
        found = self.features
        if self.heeds and "datetime" in asked.query:
            low, high = (bound[:10] for bound in asked.query["datetime"].split("/"))

            def day(f: dict) -> str:
                told = f["properties"]["HSX"]
                return told if "-" in told else f"{told[:4]}-{told[4:]}-01"

            found = [f for f in found if (low == ".." or day(f) >= low) and (high == ".." or day(f) <= high)]
        shown = found[start : start + 4][self.hidden if start == 0 else 0 :]
        self.hidden = 0
        body = {"type": "FeatureCollection", "features": shown, "links": [{"rel": "self", "href": "x"}]}
        if self.matched:
            body["numberMatched"] = len(found)
        if start + 4 < len(found):
            query = f"offset={start + 4}" + (
                f"&datetime={asked.query['datetime']}" if "datetime" in asked.query else ""
            )
            href = {
                "absolute": f"{self.base}/collections/change/items?{query}",
                "relative": f"items?{query}",
                "inner": f"http://inner:1/collections/change/items?{query}",
            }[self.links]
            body["links"].append({"rel": "next", "href": href})
        return Reply(body, headers={"Content-Type": "application/geo+json"})


@pytest.fixture
def server():
    made = Server()
    with web(made) as running:
        made.base, made.asked = f"{running.url}/ogc", running.asked
        yield made


def make(server, **options):
    return connector(source("ogc_features", FEED, http=FAST | {"attempts": 3}), endpoint(server.base, "u", PASSWORD))


class TestContract(Contract):
    @pytest.fixture(params=["absolute", "relative", "inner"])
    def case(self, server, request):
        server.links = request.param

        @contextmanager
        def failing():
            server.fail = True
            yield
            server.fail = False

        return Case(
            lambda: make(server), FEED, {(f"J{n}",) for n in range(10)}, Window(full=True), failing, secrets=(PASSWORD,)
        )


def test_geometry_and_properties_become_columns(server):
    row = read(make(server), FEED, Window(full=True)).rows.to_pylist()[0]
    assert row["geometry"].startswith('{"type": "Polygon"') and row["MJ"] == "12.5"
    assert row["id"] == row["JCBH"] == "J0" and row["_place"] == "feature 1"


def test_a_window_is_a_closed_interval_in_utc_and_wide_enough_for_months(server):
    reading = read(make(server), FEED, WINDOW)
    assert server.asked[0].query["datetime"] == "2026-01-27T16:00:00Z/2026-06-01T16:00:00Z"
    assert reading.proof.complete
    assert {("J5",), ("J6",), ("J7",)} <= reading.keys(["JCBH"]), "May, April and March"
    assert ("J3",) not in reading.keys(["JCBH"]), "July"


def test_a_server_that_ignores_datetime_is_found_out(server):
    heeding = read(make(server), FEED, WINDOW)
    server.heeds = False
    ignoring = read(make(server), FEED, WINDOW)
    assert heeding.keys(["JCBH"]) <= ignoring.keys(["JCBH"])
    assert not {("J0",), ("J1",), ("J2",)} & ignoring.keys(["JCBH"])
    assert ignoring.proof.complete
    assert [issue.code for issue in ignoring.proof.issues] == ["datetime_ignored"]
    assert heeding.proof.issues == []


def test_an_increment_that_cannot_be_read_is_kept(server):
    server.heeds = False
    server.features = [Server.feature("odd", "去年"), Server.feature("none", "")]
    assert read(make(server), FEED, WINDOW).keys(["JCBH"]) == {("odd",), ("none",)}


def test_fewer_features_than_matched_are_asked_for_again(server):
    server.hidden = 2
    reading = read(make(server), FEED, Window(full=True))
    assert reading.proof.complete and len(reading.keys(["JCBH"])) == 10
    del server.features[3:]
    server.matched = False
    assert read(make(server), FEED, Window(full=True)).proof.complete


def test_a_count_that_never_comes_is_told():
    def short(asked):
        return Reply(
            {"type": "FeatureCollection", "numberMatched": 3, "features": [Server.feature("J1", "2026-01-01")]}
        )

    with web(short) as running:
        reading = read(connector(source("ogc_features", FEED), endpoint(running.url)), FEED, Window(full=True))
    assert not reading.proof.complete and reading.proof.issues[0].code == "count_differs"


def test_next_links_in_a_circle_end(server):
    with web(lambda asked: Reply({"features": [], "links": [{"rel": "next", "href": "items?offset=1"}]})) as running:
        error = read(connector(source("ogc_features", FEED), endpoint(running.url)), FEED, Window(full=True)).error
    assert isinstance(error, ProviderError)


@pytest.mark.parametrize("body", [b"<html>", b'{"features": [{"id": 1}', {"code": "error"}, [1]])
def test_what_is_no_collection_is_asked_again(body):
    with web(lambda asked: Reply(body)) as running:
        made = connector(source("ogc_features", FEED, http=FAST | {"attempts": 2}), endpoint(running.url))
        assert read(made, FEED, Window(full=True)).error.fault is Fault.TRANSIENT
        assert len(running.asked) == 2


def test_an_id_stands_in_for_a_key_that_is_missing():
    bare = Server.feature("J9", "2026-01-01")
    del bare["properties"]["JCBH"]
    with web(
        lambda asked: Reply({"features": [bare, Server.feature("J1", "x"), {"type": "Feature", "properties": 7}, 4]})
    ) as running:
        reading = read(connector(source("ogc_features", FEED), endpoint(running.url)), FEED, Window(full=True))
    assert reading.keys(["JCBH"]) == {("J9",), ("J1",)}
    assert [reject.place for reject in reading.rejects] == ["feature 4", "feature 3"]


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (None, None, None),
        (datetime(2026, 1, 1), None, "2025-12-31T16:00:00Z/.."),
        (None, datetime(2026, 1, 1, 8), "../2026-01-01T00:00:00Z"),
    ],
)
def test_open_bounds_are_dots(start, end, wanted):
    assert interval(start, end) == wanted
