"""Features and tiles as GIS programs read them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import mapbox_vector_tile
import pytest
import shapely
import uvicorn
from shapely.geometry import shape

from serving import keys, places, tiles
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def client(ask):
    return ask("read:projects")


@pytest.fixture(scope="module")
def served(store) -> Iterator[str]:
    """Address of the API on a real server."""
    from serving.api.app import app

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.mark.server
def test_gdal_reads_the_collections_with_the_right_axis_order(served, need, tmp_path):
    ogrinfo, ogr2ogr = need("ogrinfo", "gdal-bin"), need("ogr2ogr", "gdal-bin")
    _, key = keys.make("gdal", ["read:projects"], by="test")
    environment = {**os.environ, "GDAL_HTTP_HEADERS": f"Authorization: Bearer {key}"}
    address = f"OAPIF:{served}/features"
    layers = subprocess.run([ogrinfo, "-ro", address], env=environment, capture_output=True, text=True, timeout=60)
    for name in ("projects", "project_areas", "redlines", "parcels", "change_polygons"):
        assert name in layers.stdout, layers.stderr
    summary = subprocess.run(
        [ogrinfo, "-ro", "-so", address, "redlines"], env=environment, capture_output=True, text=True, timeout=60
    )
    count = rows("select count(*) from store.redline where gone_at is null and geom is not null")[0]["count"]
    assert f"Feature Count: {count}" in summary.stdout, summary.stdout + summary.stderr
    made = tmp_path / "redlines.geojson"
    subprocess.run(
        [ogr2ogr, "-f", "GeoJSON", str(made), address, "redlines", "-oo", "PAGE_SIZE=7"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    features = json.loads(made.read_text())["features"]
    assert len(features) == count
    for feature in features:
        kept = shapely.from_wkb(
            bytes(
                rows("select geom from store.redline where id = :i", i=feature["properties"]["redline_code"])[0]["geom"]
            )
        )
        assert shapely.hausdorff_distance(shape(feature["geometry"]), kept) < 1e-6
    box = [str(v) for v in shape(features[0]["geometry"]).bounds]
    filtered = subprocess.run(
        [ogrinfo, "-ro", "-so", "-spat", *box, address, "redlines"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    within = sum(shapely.intersects(shape(f["geometry"]), shapely.box(*map(float, box))) for f in features)
    assert f"Feature Count: {within}" in filtered.stdout


def test_boxes_are_met_by_shapes_not_only_by_their_boxes(client):
    everything = client.get("/features/collections/redlines/items?limit=10000").json()
    assert everything["numberMatched"] == everything["numberReturned"] == len(everything["features"])
    west, south, east, north = shape(everything["features"][0]["geometry"]).bounds
    for box in ((west, south, east, north), (113.0, 22.0, 115.0, 24.0), (0, 0, 1, 1)):
        found = client.get(
            f"/features/collections/redlines/items?limit=10000&bbox={','.join(map(repr, map(float, box)))}"
        ).json()
        expected = {f["id"] for f in everything["features"] if shape(f["geometry"]).intersects(shapely.box(*box))}
        assert {f["id"] for f in found["features"]} == expected


def test_latitude_comes_first_only_where_the_authority_says_so(client):
    def first(crs: str = "") -> tuple[list, str]:
        answer = client.get("/features/collections/projects/items?limit=1" + (f"&crs={crs}" if crs else ""))
        return answer.json()["features"][0]["geometry"]["coordinates"], answer.headers["content-crs"]

    (longitude, latitude), crs = first()
    assert 113 < longitude < 115 and 22 < latitude < 24 and "CRS84" in crs
    for code in ("4490", "4326"):
        turned, crs = first(f"http://www.opengis.net/def/crs/EPSG/0/{code}")
        assert turned == pytest.approx([latitude, longitude], abs=1e-7) and code in crs
    metres, _ = first("http://www.opengis.net/def/crs/EPSG/0/3857")
    assert metres[0] == pytest.approx(longitude * 111319.49, rel=1e-5)
    box = f"{latitude - 0.001},{longitude - 0.001},{latitude + 0.001},{longitude + 0.001}"
    turned = client.get(
        f"/features/collections/projects/items?bbox={box}&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326"
    ).json()
    assert turned["numberMatched"] >= 1


def test_pages_filters_and_links(client):
    whole = [f["id"] for f in client.get("/features/collections/projects/items?limit=10000").json()["features"]]
    seen, address = [], "/features/collections/projects/items?limit=7"
    while address:
        page = client.get(address).json()
        seen += [f["id"] for f in page["features"]]
        address = next(
            (link["href"].removeprefix("http://testserver") for link in page["links"] if link["rel"] == "next"), None
        )
    assert seen == whole
    town = rows("select town_code from store.project where id = :i", i=whole[0])[0]["town_code"]
    found = client.get(f"/features/collections/projects/items?town_code={town}&limit=10000").json()["features"]
    assert {f["properties"]["town_code"] for f in found} == {town}
    one = client.get(f"/features/collections/projects/items/{whole[0]}?f=json").json()
    assert one["id"] == whole[0] and one["properties"]["project_code"] == whole[0]
    some = client.get("/features/collections/projects/items?limit=1&properties=project_name&skipGeometry=true").json()[
        "features"
    ][0]
    assert some["geometry"] is None and set(some["properties"]) == {"project_name"}
    assert client.get("/features/collections/projects/items?resulttype=hits").json()["numberMatched"] == len(whole)


def test_it_says_what_it_conforms_to_and_names_no_address_but_its_own(client):
    conforms = client.get("/features/conformance").json()["conformsTo"]
    for part in (
        "ogcapi-features-1/1.0/conf/core",
        "ogcapi-features-1/1.0/conf/geojson",
        "ogcapi-features-2/1.0/conf/crs",
    ):
        assert any(part in c for c in conforms), conforms
    for path in ("/features", "/features/collections", "/features/collections/redlines"):
        for link in _links(client.get(path).json()):
            assert link.startswith("http://testserver/"), link
            assert client.get(link.removeprefix("http://testserver")).status_code == 200, link


def _links(document) -> list[str]:
    if isinstance(document, dict):
        return [*([document["href"]] if "href" in document else []), *(h for v in document.values() for h in _links(v))]
    return [h for v in document for h in _links(v)] if isinstance(document, list) else []


def test_personal_columns_of_features_are_masked(client, ask):
    row = rows("select id, right_holder from store.parcel where right_holder is not null and geom is not null limit 1")[
        0
    ]
    address = f"/features/collections/parcels/items/{row['id']}"
    assert client.get(address).json()["properties"]["right_holder"] == row["right_holder"][0] + "*" * min(
        len(row["right_holder"]) - 1, 6
    )
    assert (
        ask("read:projects", "read:personal").get(address).json()["properties"]["right_holder"] == row["right_holder"]
    )


def test_a_tile_has_what_lies_in_it_where_it_lies(client):
    row = rows("select id, geom from store.redline where geom is not null order by id limit 1")[0]
    drawn = shapely.from_wkb(bytes(row["geom"]))
    [[mx, my]] = tiles._metres(shapely.get_coordinates(drawn.centroid))
    zoom = 15
    size = 2 * tiles._HALF / (1 << zoom)
    x, y = int((mx + tiles._HALF) / size), int((tiles._HALF - my) / size)
    answer = client.get(f"/tiles/{zoom}/{x}/{y}.mvt")
    assert answer.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    layers = mapbox_vector_tile.decode(answer.content)
    found = next(f for f in layers["redlines"]["features"] if f["properties"]["redline_code"] == row["id"])
    west, south, east, north = tiles.bounds(zoom, x, y)
    step = (east - west) / tiles.EXTENT
    placed = shapely.transform(shape(found["geometry"]), lambda c: c * step + [west, south])
    true = shapely.clip_by_rect(
        shapely.transform(drawn, tiles._metres),
        west - size / 64,
        south - size / 64,
        east + size / 64,
        north + size / 64,
    )
    assert placed.symmetric_difference(true).area < 0.02 * true.area + 8 * step * true.length
    assert client.get("/tiles/9/0/0.mvt").status_code == 204
    towns = mapbox_vector_tile.decode(client.get("/tiles/6/52/27.mvt?layers=towns").content)
    assert set(towns) == {"towns"} and len(towns["towns"]["features"]) == len(places.towns()[0])


def test_every_town_of_the_map_is_known(store):
    codes, names, shapes = places.towns()
    assert len(codes) == len(set(codes)) == 32
    assert all(shapely.is_valid(shapes))
    assert places.town_of(shapely.points([[113.81, 22.81], [0, 0]]))[1] is None
    own = places.town_of(shapes)
    assert own == codes


def test_what_moved_since_it_was_placed_is_shown_to_no_town(ask, two_towns):
    client = ask("read:projects", f"town:{two_towns[0]}")
    from store.engine import transaction

    town = places.towns()[2][places.towns()[0].index(two_towns[0])]
    wkb = shapely.to_wkb(shapely.box(*town.point_on_surface().buffer(0.0005).bounds))
    with transaction() as c:
        import sqlalchemy as sa

        c.execute(
            sa.text(
                "insert into store.change_polygon (id, polygon_code, geom, content_hash) values ('JC1', 'JC1', :g, 'a')"
            ),
            {"g": wkb},
        )
        c.exec_driver_sql("insert into store.change (entity, entity_id, op) values ('change_polygon', 'JC1', 'ADD')")
    address = "/features/collections/change_polygons/items/JC1"
    assert client.get(address).status_code == 200
    with transaction() as c:
        c.exec_driver_sql(
            "update store.change_polygon set content_hash = 'b' where id = 'JC1'"
        )  # nothing has placed it yet
    assert client.get(address).status_code == 404
    assert ask("read:projects").get(address).status_code == 200
