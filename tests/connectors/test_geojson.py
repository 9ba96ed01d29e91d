"""A feature whose shape is wrong is told by its record; the page goes on."""

from __future__ import annotations

import json

from connectors.decoders.geojson import read

SQUARE = [[113.0, 23.0], [114.0, 23.0], [114.0, 24.0], [113.0, 23.0]]
BOW_TIE = [[113.0, 23.0], [114.0, 24.0], [114.0, 23.0], [113.0, 24.0], [113.0, 23.0]]


def page(**rings: list | None) -> bytes:
    features = [
        {
            "type": "Feature",
            "id": name,
            "geometry": ring and {"type": "Polygon", "coordinates": [ring]},
            "properties": {"JCBH": name},
        }
        for name, ring in rings.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def test_a_ring_that_crosses_itself_is_told_of_its_record_alone():
    found = read(page(A=SQUARE, B=BOW_TIE, C=None), "s2.change")
    assert len(found.rows) == 3
    assert [(issue.code, issue.record) for issue in found.issues] == [("geometry_invalid", "B")]
    assert "Self-intersection" in found.issues[0].detail


def test_what_is_no_shape_at_all_is_left_to_the_mapping():
    found = read(page(A=SQUARE, B=SQUARE[:2]), "s2.change")
    assert found.issues == []
    assert len(found.rows) == 2
