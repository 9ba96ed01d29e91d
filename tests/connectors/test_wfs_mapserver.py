"""The WFS connector against MapServer: its prefix, geometry name, axis order, ``unknown`` totals and capped pages."""

from __future__ import annotations

import pytest
import shapely

from connectors.base import Payload, Proof, Window
from connectors.decoders import geometry
from connectors.endpoint import Endpoint
from connectors.protocols.wfs import Wfs
from core.errors import ConfigurationError
from sources.declaration import Feed, FullCursor
from tests.connectors import mapserver
from tests.connectors.declarations import source

pytestmark = pytest.mark.server


def feature(n: int) -> dict:
    x, y = 113.7 + n * 0.002, 22.9
    hole = [
        [x + a, y + b]
        for a, b in ((0.0004, 0.0004), (0.0004, 0.0006), (0.0006, 0.0006), (0.0006, 0.0004), (0.0004, 0.0004))
    ]
    shell = [[x, y], [x + 0.001, y], [x + 0.001, y + 0.001], [x, y + 0.001], [x, y]]
    area = geometry.areas([shapely.Polygon(shell, [hole])])[0]
    stated = area * (1.02 if n == 3 else 1.0)
    return {
        "type": "Feature",
        "properties": {"zddm": f"441900001001GB{n:05d}", "QLR": f"东莞{n}" if n % 2 else None, "MJ": round(stated, 2)},
        "geometry": {"type": "MultiPolygon", "coordinates": [[shell, hole]]},
    }


@pytest.fixture(scope="module")
def service(need, tmp_path_factory):
    features = [feature(n) for n in range(57)]
    layers = {
        "parcel": ("zddm", "EPSG:4490", features),
        "plane": ("zddm", "EPSG:4547", features[:12]),
        "zone": ("zddm", "EPSG:4526", features[:12]),
    }
    with mapserver.serve(need("mapserv", "cgi-mapserver"), tmp_path_factory.mktemp("ms"), layers, cap=10) as url:
        yield url


def connect(url: str, layer: str) -> tuple[Wfs, Feed]:
    options = {"layer": f"dg:{layer}", "area": "MJ", "columns": ["ZDDM", "QLR", "MJ"]}
    feed = Feed(id=f"s.{layer}", name="s", mapping="s", cursor=FullCursor(kind="full"), key=["ZDDM"], options=options)
    declared = source("s", "wfs", {layer: feed}, http={"first": 0.01, "attempts": 2})
    return Wfs(declared, Endpoint("s_wfs", "http", url)), feed


@pytest.mark.parametrize(("layer", "count"), [("parcel", 57), ("plane", 12), ("zone", 12)])
def test_layer_is_read_whole_in_any_reference(service, layer, count):
    connector, feed = connect(service, layer)
    parts = list(connector.fetch(feed, Window(full=True), None))
    batches = [batch for part in parts if isinstance(part, Payload) for batch in connector.decode(feed, part)]
    rows = {row["ZDDM"]: row for batch in batches for row in batch.rows.to_pylist()}
    assert set(rows) == {f"441900001001GB{n:05d}" for n in range(count)}
    assert isinstance(parts[-1], Proof) and parts[-1].complete and parts[-1].distinct == count
    assert [(issue.code, issue.record) for issue in {i.record: i for b in batches for i in b.issues}.values()] == [
        ("area_differs", "441900001001GB00003")
    ]
    assert not any(batch.rejects for batch in batches)
    shape = geometry.from_hex([rows["441900001001GB00004"]["_geometry"]])[0]
    wanted = shapely.from_geojson(str(feature(4)["geometry"]).replace("'", '"'))
    assert shape.geom_type == "MultiPolygon" and len(shape.geoms[0].interiors) == 1
    assert shape.symmetric_difference(wanted).area < 1e-3 * wanted.area
    assert all(line.ok for line in connector.check())


def test_layer_that_is_not_there_is_named(service):
    connector, feed = connect(service, "elsewhere")
    with pytest.raises(ConfigurationError, match="no layer"):
        list(connector.fetch(feed, Window(full=True), None))
    assert not connector.check()[-1].ok
