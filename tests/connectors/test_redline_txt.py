"""Boundary points as TXT in every dialect of docs/domain.md §5.2."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from connectors.decoders import geometry, redline_txt

N, E = 2546774.325, 474373.087  # docs/domain.md §5.1: 113.75 E, 23.02 N in EPSG:4547
SQUARE = [(N, E), (N, E + 100), (N - 100, E + 100), (N - 100, E)]
HOLE = [(N - 20, E + 20), (N - 20, E + 40), (N - 40, E + 40), (N - 40, E + 20)]
ISLAND = [(N, E + 200), (N, E + 250), (N - 50, E + 250), (N - 50, E + 200)]
HEAD = (
    "[属性描述]\n坐标系=2000国家大地坐标系\n几度分带=3\n计量单位=米\n带号=38\n精度=0.001\n转换参数=,,,,,,\n[地块坐标]\n"
)


def ring(points, circle=1, *, zone=38, closed=True, j="J", swapped=False, start=1):
    lines = []
    for number, (north, east) in enumerate([*points, points[0]] if closed else points, start):
        pair = [f"{north:.3f}", f"{east + zone * 1_000_000:.3f}"]
        lines.append(",".join([f"{j}{number}", str(circle), *(pair[::-1] if swapped else pair)]))
    return "\n".join(lines) + "\n"


def parcel(*rings, count, area, kind="面", name="地块1"):
    return f"{count},{area},DK001,{name},{kind},F49G024093,工业用地,,@\n" + "".join(rings)


def codes(line):
    return [trouble.code for trouble in line.troubles]


def planar(line) -> float:
    return float(geometry.areas(np.array([line.polygons], dtype=object))[0])


GOOD = HEAD + parcel(ring(SQUARE), count=5, area="1.0000")


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        HEAD + parcel(ring(SQUARE), count=4, area="1.0000"),
        HEAD + parcel(ring(SQUARE, closed=False), count=4, area="1.0000"),
        HEAD + parcel(ring(SQUARE, closed=False), count=5, area="1.0000"),
        HEAD + parcel(ring(SQUARE, j=""), count=5, area="1.0000"),
        HEAD + parcel(ring(SQUARE, zone=0), count=5, area="1.0000"),
        HEAD + parcel(ring(SQUARE), count=5, area="1.0000公顷"),
        HEAD + parcel(ring(SQUARE), count=5, area="10000平方米"),
        HEAD + parcel(ring(SQUARE), count=5, area="15亩"),
        HEAD + parcel(ring(SQUARE[::-1]), count=5, area="1.0000"),
        HEAD + parcel(ring(SQUARE).replace(",", "，").replace("1", "１"), count=5, area="1.0000"),
        HEAD + parcel(ring(SQUARE), count=5, area="1.0000", name="甲，乙地块"),
        GOOD.replace("带号=38", "带号="),
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD + "\n\n",
    ],
    ids=range(15),
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_every_dialect_gives_the_same_polygon(text, encoding):
    line = redline_txt.parse(text.encode(encoding))
    assert codes(line) == []
    assert planar(line) == pytest.approx(10_000, rel=1e-6)
    west, south, east, north = line.polygons.bounds
    assert (west, north) == pytest.approx((113.75, 23.02), abs=5e-6)  # the grid is turned a little
    assert west < east < 113.752 and 23.018 < south < north
    assert line.area == pytest.approx(10_000)


def test_exchanged_axes_are_read_the_right_way_and_told():
    line = redline_txt.parse((HEAD + parcel(ring(SQUARE, swapped=True), count=5, area="1.0")).encode())
    assert codes(line) == ["redline_swapped"]
    assert line.polygons.bounds[0] == pytest.approx(113.75, abs=5e-6)


def test_further_circles_are_holes_and_further_headers_parcels():
    text = (
        HEAD
        + parcel(ring(SQUARE), ring(HOLE, 2, start=5), count=10, area="0.9600")
        + parcel(ring(ISLAND), count=5, area="0.25")
    )
    line = redline_txt.parse(text.encode())
    assert codes(line) == []
    assert [len(part.interiors) for part in line.polygons.geoms] == [1, 0]
    assert planar(line) == pytest.approx(9600 + 2500, rel=1e-6)
    assert line.area == pytest.approx(12_100)


def test_a_second_outer_circle_in_a_parcel_is_another_polygon():
    line = redline_txt.parse((HEAD + parcel(ring(SQUARE), ring(HOLE, 2), ring(ISLAND), count=15, area="1.21")).encode())
    assert codes(line) == []
    assert len(line.polygons.geoms) == 2


@pytest.mark.parametrize(
    ("text", "code", "kept"),
    [
        (HEAD + parcel(ring(SQUARE), count=5, area="1.0200"), "redline_area", True),
        (HEAD + parcel(ring(SQUARE), count=9, area="1.0"), "redline_count", True),
        (HEAD + parcel(ring([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]), count=5, area="0"), "redline_invalid", True),
        (HEAD + parcel(ring(SQUARE), ring(ISLAND, 2), count=10, area="1.25"), "redline_ring", True),
        (HEAD + parcel(ring(SQUARE), ring(HOLE[:2], 2), count=8, area="1.0"), "redline_ring", True),
        (HEAD + parcel(ring(SQUARE), count=5, area="1.0") + "what is this\n", "redline_line", True),
        (HEAD + ring(SQUARE), "redline_header", True),
        (GOOD.replace("2000国家大地坐标系", "1980西安坐标系"), "crs_unsupported", False),
        (GOOD.replace("带号=38", "带号=37"), "crs_unsupported", False),
        (GOOD.replace("几度分带=3", "几度分带=6"), "crs_unsupported", False),
        (HEAD + parcel(ring(SQUARE, zone=39), count=5, area="1.0"), "redline_outside", False),
        (HEAD + parcel(ring([(n + 1e5, e) for n, e in SQUARE]), count=5, area="1.0"), "redline_outside", False),
        (HEAD + parcel(ring(SQUARE), count=5, area="1.0", kind="线"), "redline_empty", False),
        (HEAD, "redline_empty", False),
        ("", "redline_empty", False),
    ],
)
def test_what_is_wrong_is_told_and_not_guessed(text, code, kept):
    line = redline_txt.parse(text.encode())
    assert code in codes(line)
    assert (line.polygons is not None) is kept
    if kept:
        assert line.polygons.is_valid and line.polygons.geom_type == "MultiPolygon"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00\x01", bytes(range(256)) * 3, b"5,@", b"1,1,1e999,1\n", "地块,@\nJ1,1,nan,inf".encode()]
)
def test_dirt_never_breaks_the_reader(body):
    assert redline_txt.parse(body).polygons is None


def test_an_area_within_half_a_percent_passes():
    assert codes(redline_txt.parse((HEAD + parcel(ring(SQUARE), count=5, area="1.0049")).encode())) == []
    assert shapely.get_num_geometries(redline_txt.parse(GOOD.encode()).polygons) == 1
