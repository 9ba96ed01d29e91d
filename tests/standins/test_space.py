"""S1 to S4 over HTTP: WFS, OGC API – Features, STAC, readings."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from jsonschema import Draft202012Validator
from lxml import etree
from pyproj import Transformer
from shapely.geometry import Polygon, shape
from shapely.ops import transform

from standins.testing import Running
from tests.standins import sample

CONTRACTS = Path(__file__).parents[2] / "schemas" / "contracts"
NS = {
    "wfs": "http://www.opengis.net/wfs/2.0",
    "gml": "http://www.opengis.net/gml/3.2",
    "dg": "http://dg.gov.cn/nr",
    "ows": "http://www.opengis.net/ows/1.1",
}
URN, HTTP, SHORT = "urn:ogc:def:crs:EPSG::{}", "http://www.opengis.net/def/crs/EPSG/0/{}", "EPSG:{}"


def valid(name: str, answer: Any) -> None:
    Draft202012Validator(json.loads((CONTRACTS / name).read_text("utf-8"))).validate(answer)


def wfs(stand: Running, **query: Any) -> requests.Response:
    told = stand.connection("s_wfs")
    return requests.get(
        told["host"],
        params={"service": "WFS", "version": "2.0.0", **query},
        auth=(told["login"], told["password"]),
        timeout=10,
    )


def features(stand: Running, layer: str, **query: Any) -> etree._Element:
    return etree.fromstring(wfs(stand, request="GetFeature", typeNames=f"dg:{layer}", **query).content)


def surface(feature: etree._Element, *, swap: bool) -> Polygon:
    def ring(element: etree._Element) -> list[tuple[float, float]]:
        numbers = [float(n) for n in element.findtext(".//gml:posList", namespaces=NS).split()]
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        return [(b, a) for a, b in pairs] if swap else pairs

    shell = ring(feature.find(".//gml:exterior", NS))
    return Polygon(shell, [ring(hole) for hole in feature.iterfind(".//gml:interior", NS)])


def test_capabilities_and_schema(stand: Running) -> None:
    root = etree.fromstring(wfs(stand, request="GetCapabilities").content)
    assert [e.text for e in root.iterfind(".//wfs:Name", NS)] == ["dg:parcel", "dg:redline"]
    assert root.findtext(".//wfs:DefaultCRS", namespaces=NS) == "urn:ogc:def:crs:EPSG::4490"
    described = wfs(stand, request="DescribeFeatureType", typeNames="dg:parcel").content
    assert b"MultiSurfacePropertyType" in described
    assert requests.get(stand.connection("s_wfs")["host"], timeout=10).status_code == 401


def test_a_layer_read_in_pages_is_whole(stand: Running) -> None:
    for layer, key, count in (("parcel", "ZDDM", 230), ("redline", "HXBH", 130)):
        keys: list[str] = []
        while True:
            root = features(stand, layer, count=1000, startIndex=len(keys), sortBy=key)
            part = [e.text for e in root.iterfind(f".//dg:{key}", NS)]
            assert int(root.get("numberReturned")) == len(part) <= 100
            if not part:
                break
            assert root.get("numberMatched") == (str(count) if layer == "parcel" else "unknown")
            assert (root.get("next") is None) == (layer == "redline" or len(keys) + len(part) == count)
            keys += part
        assert keys == sorted(keys) and len(set(keys)) == count
    assert features(stand, "parcel", resultType="hits").get("numberMatched") == "230"
    assert features(stand, "redline", resultType="hits").get("numberMatched") == "0"


@pytest.mark.parametrize("form", [URN, HTTP, SHORT])
@pytest.mark.parametrize("code", ["4490", "4547"])
def test_axis_order_follows_the_form_of_the_name(stand: Running, form: str, code: str) -> None:
    name = form.format(code)
    root = features(stand, "parcel", count=3, sortBy="ZDDM", srsName=name)
    envelope = root.find(".//gml:Envelope", NS).get("srsName")
    for number, feature in enumerate(root.iterfind(".//dg:parcel", NS)):
        said = feature.find(".//gml:MultiSurface", NS).get("srsName") or envelope
        assert said == name
        got = surface(feature, swap=not name.startswith("EPSG:"))
        wanted = shape(sample.square(113.6 + number / 1000, 22.8, hole=number % 3 == 0))
        if code == "4547":
            wanted = transform(Transformer.from_crs("EPSG:4490", "EPSG:4547", always_xy=True).transform, wanted)
        assert got.area == pytest.approx(wanted.area, rel=1e-4)
        assert got.symmetric_difference(wanted).area < wanted.area * 1e-3
        assert len(got.interiors) == (1 if number % 3 == 0 else 0)


def test_the_layers_default_systems(stand: Running) -> None:
    assert surface(features(stand, "redline", count=1), swap=True).bounds[0] > 400_000
    assert 113 < surface(features(stand, "parcel", count=1), swap=True).bounds[0] < 115
    stand.faults.arm("s1", "axis_swapped")
    assert surface(features(stand, "parcel", count=1), swap=True).bounds[0] < 24


def test_exceptions_of_the_service(stand: Running) -> None:
    for query, status in (({"typeNames": "dg:road"}, 400), ({"typeNames": "dg:redline", "srsName": "EPSG:3857"}, 200)):
        answer = wfs(stand, request="GetFeature", **query)
        assert answer.status_code == status and b"ExceptionReport" in answer.content
    for kind, status in (("exception_200", 200), ("exception_400", 400)):
        stand.faults.arm("s1", kind)
        answer = wfs(stand, request="GetFeature", typeNames="dg:parcel")
        assert answer.status_code == status and b"ExceptionReport" in answer.content
    stand.faults.arm("s1", "xxe")
    assert b"file:///etc/passwd" in wfs(stand, request="GetFeature", typeNames="dg:parcel").content
    stand.faults.arm("s1", "total_changes")
    assert features(stand, "parcel", count=1).get("numberMatched") == "231"


def changes(stand: Running, **query: Any) -> tuple[list[dict[str, Any]], list[str]]:
    url, found, links = stand.connection("s_features")["host"] + "/collections/change/items", [], []
    answer = requests.get(url, params=query, timeout=10)
    while True:
        valid("s2.schema.json", answer.json())
        found += answer.json()["features"]
        following = [link["href"] for link in answer.json()["links"] if link["rel"] == "next"]
        if not following:
            return found, links
        links += following
        answer = requests.get(urljoin(answer.url, following[0]), timeout=10)


def test_s2_pages_by_absolute_and_relative_links(stand: Running) -> None:
    found, links = changes(stand, limit=10)
    assert len({f["id"] for f in found}) == len(found) == 45 and all(f["id"] == f["properties"]["JCBH"] for f in found)
    assert {link.startswith("http") for link in links} == {True, False}
    assert found[0]["geometry"]["type"] == "Polygon"


def test_s2_filters(stand: Running) -> None:
    day = sample.ago(days=41)[:10]
    found, _ = changes(stand, limit=1000, datetime=f"{day}T00:00:00+08:00/{day}T23:59:59+08:00")
    assert [f["id"] for f in found if "-" in f["properties"]["HSX"]] == ["JC0011"]
    assert {f["properties"]["HSX"] for f in found} == {day, day[:7].replace("-", "")}  # a month meets each of its days
    stand.faults.arm("s2", "ignores_datetime")
    assert len(changes(stand, limit=1000, datetime=f"{day}T00:00:00Z/..")[0]) == 45
    assert len(changes(stand, limit=1000, bbox="113.6995,22.9,113.7005,23.1")[0]) == 1
    base = stand.connection("s_features")["host"]
    assert requests.get(f"{base}/collections/change/items?limit=x", timeout=10).status_code == 400
    assert requests.get(f"{base}/collections/change/items/JC0001", timeout=10).json()["id"] == "JC0001"
    assert requests.get(f"{base}/collections/change", timeout=10).json()["id"] == "change"
    assert requests.get(base, timeout=10).json()["links"]


@pytest.mark.parametrize("limit", [7, 8])
def test_s3_next_links_with_and_without_merge(stand: Running, limit: int) -> None:
    url = stand.connection("s_stac")["host"] + "/search"
    body = {
        "collections": ["satellite", "uav"],
        "datetime": "2026-11-01T00:00:00Z/2026-11-30T00:00:00Z",
        "limit": limit,
    }
    asked, found, merges = body, [], set()
    while True:
        answer = requests.post(url, json=asked, timeout=10).json()
        valid("s3.schema.json", answer)
        found += [(f["collection"], f["id"]) for f in answer["features"]]
        following = [link for link in answer["links"] if link["rel"] == "next"]
        if not following:
            break
        merges.add(bool(following[0].get("merge")))
        asked = {**body, **following[0]["body"]} if following[0].get("merge") else following[0]["body"]
    assert len(found) == len(set(found)) == 40 and merges == {limit % 2 == 0}


def test_s3_intervals_are_closed_and_late_scenes_come(stand: Running) -> None:
    url = stand.connection("s_stac")["host"] + "/search"
    body = {"collections": ["uav"], "datetime": "2026-11-01T02:00:00Z/2026-11-05T02:00:00Z", "limit": 100}
    assert {f["id"] for f in requests.post(url, json=body, timeout=10).json()["features"]} == {
        "GF2-0",
        "GF2-4",
        "GF2-20",
        "GF2-24",
    }
    stand.faults.arm("s3", "late_row")
    requests.post(url, json=body, timeout=10)
    assert len(requests.post(url, json=body, timeout=10).json()["features"]) == 5
    assert requests.post(url, json={"datetime": "soon"}, timeout=10).status_code == 400


def readings(stand: Running, day: str) -> list[dict[str, Any]]:
    told, found, cursor = stand.connection("s_readings"), [], None
    while True:
        query = {"day": day, **({"cursor": cursor} if cursor else {})}
        answer = requests.get(
            told["host"] + "/readings", params=query, auth=(told["login"], told["password"]), timeout=10
        )
        valid("s4.schema.json", answer.json())
        found += answer.json()["data"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


def test_s4_gives_a_local_day_in_pages(stand: Running) -> None:
    found = readings(stand, "2026-11-23")
    keys = {(r["project_code"], r["device"], r["kind"], r["t"]) for r in found}
    assert len(keys) == len(found) == 2400
    assert readings(stand, "2026-11-22") == []
    told = stand.connection("s_readings")
    auth = (told["login"], told["password"])
    assert requests.get(told["host"] + "/readings?day=x", auth=auth, timeout=10).status_code == 400
    assert requests.get(told["host"] + "/readings?day=2026-11-23", timeout=10).status_code == 401


def test_s4_readings_of_the_future_are_not_told(stand: Running) -> None:
    day = f"{sample.CLOCK:%Y-%m-%d}"
    assert readings(stand, day) == []
    stand.move_clock(hours=1, seconds=10)
    try:
        assert 5 < len(readings(stand, day)) <= 20
    finally:
        stand.move_clock(at=sample.CLOCK + timedelta(0))
