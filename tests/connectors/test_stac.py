"""S3 against a STAC API whose next links come with merge, without it, or by GET."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime, timedelta

import polars as pl
import pytest

from connectors import connector
from connectors.window import Window
from core.errors import ProviderError
from mappings import words
from sources.declaration import WindowCursor
from tests.connectors.contract import Case, Contract, read
from tests.connectors.http_cases import FAST, endpoint, feed, source
from tests.connectors.web import Asked, Reply, web

FEED = feed(
    "scene",
    ["collection", "id"],
    WindowCursor(kind="window", column="datetime", lag=timedelta(days=30)),
    collections=["satellite", "uav"],
    page_size=4,
)
PASSWORD = "stac-password-not-real"


class Server:
    """``style``: merge, alone, get, mixed (alone, then merge)."""

    def __init__(self) -> None:
        self.style, self.fail, self.base, self.bodies = "merge", False, "", []
        self.items = [self.item(n) for n in range(10)]

    @staticmethod
    def item(n: int) -> dict:
        properties = {"datetime": f"2026-0{n % 9 + 1}-01T00:00:00Z", "gsd": 0.80, "eo:cloud_cover": n}
        return {
            "type": "Feature",
            "id": f"s{n // 2}",
            "collection": ("satellite", "uav")[n % 2],
            "bbox": [113.7, 23.0, 113.8, 23.1],
            "geometry": {"type": "Point", "coordinates": [113.75, 23.02]},
            "properties": properties,
            "assets": {
                "visual": {"href": f"https://cdn.example/{n}.tif?X-Signature=abc", "type": "image/tiff"},
                "none": {},
            },
        }

    def __call__(self, asked: Asked) -> Reply:
        body = asked.json if asked.method == "POST" else {"token": asked.query["token"], "limit": 4}
        self.bodies.append(body)
        if self.style == "merge" and not body.get("collections"):
            return Reply({"code": "collections are missing"}, 400)
        start = int(body.get("token") or 0)
        if self.style == "mixed" and bool(body.get("collections")) == (start == 4):
            return Reply({"code": "a body sent alone, then one laid over the search"}, 400)
        if self.fail and start:
            return Reply(status=503)
        shown = self.items[start : start + body.get("limit", 4)]
        reply = {
            "type": "FeatureCollection",
            "features": shown,
            "links": [{"rel": "root", "href": "/"}],
            "numberMatched": 10,
        }
        if start + 4 < 10 and shown:
            link = {"rel": "next", "method": "POST", "href": f"{self.base}/search", "body": {"token": str(start + 4)}}
            link |= {
                "merge": {"merge": True},
                "alone": {},
                "get": {"method": "GET", "href": f"{self.base}/search?token={start + 4}"},
                "mixed": {"merge": True} if start else {},
            }[self.style]
            reply["links"].append(link)
        return Reply(reply)


@pytest.fixture
def server():
    made = Server()
    with web(made) as running:
        made.base = f"{running.url}/stac"
        yield made


def make(server):
    return connector(source("stac", FEED, http=FAST | {"attempts": 3}), endpoint(server.base, "u", PASSWORD))


class TestContract(Contract):
    @pytest.fixture(params=["merge", "alone", "get", "mixed"])
    def case(self, server, request):
        server.style = request.param

        @contextmanager
        def failing():
            server.fail = True
            yield
            server.fail = False

        keys = {(c, f"s{n}") for c in ("satellite", "uav") for n in range(5)}
        return Case(lambda: make(server), FEED, keys, Window(full=True), failing, secrets=(PASSWORD,))


def test_the_window_is_a_closed_interval_in_utc_and_stays_on_the_next_pages(server):
    read(make(server), FEED, Window(datetime(2026, 1, 1, 8), datetime(2026, 2, 1, 8)))
    wanted = {"collections": ["satellite", "uav"], "datetime": "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z", "limit": 4}
    assert server.bodies == [wanted, wanted | {"token": "4"}, wanted | {"token": "8"}]


def test_without_merge_the_body_is_sent_alone(server):
    server.style = "alone"
    read(make(server), FEED, Window(full=True))
    assert server.bodies[1:] == [{"token": "4"}, {"token": "8"}]


@pytest.mark.parametrize("link", ["http://[::1", "//["])
def test_a_link_that_is_no_address_is_that_records_fault_or_that_pages(server, link):
    """In an asset it is kept as it came, for the mapping to refuse in that record; as the next page it ends by name."""
    server.items[3]["assets"]["visual"]["href"] = link
    reading = read(make(server), FEED, Window(full=True))
    assert len(reading.keys(["collection", "id"])) == 10 and reading.proof.complete and not reading.rejects
    (told,) = [row["assets"] for row in reading.rows.to_pylist() if (row["collection"], row["id"]) == ("uav", "s1")]
    _, bad = words.parsed(pl.Series([told, '{"visual":"https://s.example/b.tif"}']), words.asset_links)
    assert bad.to_list() == [True, False]
    at, server.style, server.base = make(server), "get", link
    reading = read(at, FEED, Window(full=True))
    assert isinstance(reading.error, ProviderError) and reading.error.code == "bad_link" and len(reading.payloads) == 1


@pytest.mark.parametrize("told", [{"code": 500, "description": "db"}, {"errors": ["db"]}])
def test_no_features_beside_an_error_are_no_empty_search(told):
    with web(lambda asked: Reply({"type": "FeatureCollection", "features": [], "links": [], **told})) as running:
        made = connector(source("stac", FEED, http=FAST | {"attempts": 2}), endpoint(f"{running.url}/stac"))
        reading = read(made, FEED, Window(full=True))
    assert reading.error.code == "not_a_page" and reading.proof is None and not reading.payloads


def test_assets_are_links_without_their_query(server):
    row = read(make(server), FEED, Window(full=True)).rows.to_pylist()[0]
    assert json.loads(row["assets"]) == {"visual": "https://cdn.example/0.tif"}
    assert row["collection"] == "satellite" and row["eo:cloud_cover"] == "0" and row["gsd"] == "0.8"


def test_a_listing_in_a_circle_ends():
    def circle(asked):
        return Reply(
            {
                "features": [],
                "links": [{"rel": "next", "method": "POST", "href": "/search", "body": {"token": "1"}, "merge": True}],
            }
        )

    with web(circle) as running:
        error = read(connector(source("stac", FEED), endpoint(running.url)), FEED, Window(full=True)).error
    assert isinstance(error, ProviderError)


def test_fewer_items_than_matched_are_told(server):
    del server.items[7:]
    reading = read(make(server), FEED, Window(full=True))
    assert not reading.proof.complete and reading.proof.issues[0].code == "count_differs"
