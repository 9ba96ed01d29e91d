"""Axis order by the form of srsName, Dongguan's window, areas; GML in its variants."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from connectors.decoders import geometry, gml, xml
from connectors.decoders.geometry import GeometryError, Reference

G = 'xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:xlink="http://www.w3.org/1999/xlink"'


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("urn:ogc:def:crs:EPSG::4490", Reference(4490, True)),
        ("urn:ogc:def:crs:EPSG:8.5:4547", Reference(4547, True)),
        ("urn:x-ogc:def:crs:EPSG:4326", Reference(4326, True)),
        ("http://www.opengis.net/def/crs/EPSG/0/4526", Reference(4526, True)),
        ("http://www.opengis.net/gml/srs/epsg.xml#4490", Reference(4490, True)),
        ("EPSG:4490", Reference(4490, False)),
        ("epsg:4547", Reference(4547, False)),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", Reference(4326, False)),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", Reference(4326, False)),
    ],
)
def test_axis_order_follows_the_form_of_the_name(name, reference):
    assert geometry.reference(name) == reference


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:EPSG::2363", "EPSG:4610", "EPSG:2435", "urn:dongguan:local", "EPSG:999999", ""]
)
def test_references_that_would_be_guesses_are_refused(name):
    with pytest.raises(GeometryError) as caught:
        geometry.reference(name)
    assert caught.value.code == "crs_unsupported"


def test_worked_example_of_the_domain():
    for epsg, east in ((4547, 474373.087), (4526, 38474373.087)):
        point = geometry.to_store(np.array([shapely.Point(east, 2546774.325)]), epsg)[0]
        assert abs(point.x - 113.75) < 1e-8 and abs(point.y - 23.02) < 1e-8


@pytest.mark.parametrize("epsg", [4490, 4326, 4547, 4526])
def test_swapped_axes_are_put_right_and_told(epsg):
    right = shapely.box(113.75, 22.9, 113.76, 22.91)
    there = geometry._transform(np.array([right]), 4490, epsg)
    both = np.array([there[0], geometry.swap(there)[0], None, shapely.box(1, 2, 3, 4)], dtype=object)
    placed = geometry.place(both, epsg)
    assert placed.swapped.tolist() == [False, True, False, False] and placed.outside.tolist() == [
        False,
        False,
        False,
        True,
    ]
    for one in placed.geometries[:2]:
        assert one.symmetric_difference(right).area < 1e-9
    assert placed.geometries[2] is None


def test_area_is_of_the_plane_and_checked_to_half_a_percent():
    square = geometry.to_store(np.array([shapely.box(474373, 2546774, 474473, 2546874)]), 4547)
    assert abs(geometry.areas(square)[0] - 10_000) < 0.01
    stated = np.array([10_000, 10_049, 9_951, 10_052, 9_949, np.nan])
    assert geometry.area_differs(np.repeat(square, 6), stated).tolist() == [False, False, False, True, True, False]


def test_hexadecimal_round_trip():
    shapes = [shapely.box(113.7, 22.9, 113.8, 23.0), None]
    back = geometry.from_hex(geometry.to_hex(shapes))
    assert back[0].equals(shapes[0]) and back[1] is None
    assert geometry.to_hex(shapely.force_3d([shapes[0]])) == geometry.to_hex([shapes[0]])


SHELL, HOLE = "0 0 0 10 10 10 10 0 0 0", "2 2 4 2 4 4 2 4 2 2"
RING = "<gml:LinearRing><gml:posList>{}</gml:posList></gml:LinearRing>"
POLYGON = f"<gml:exterior>{RING.format(SHELL)}</gml:exterior><gml:interior>{RING.format(HOLE)}</gml:interior>"
CURVED = (
    "<gml:Ring><gml:curveMember><gml:Curve><gml:segments><gml:LineStringSegment><gml:posList>0 0 0 10 10 10</gml:posList>"
    "</gml:LineStringSegment></gml:segments></gml:Curve></gml:curveMember><gml:curveMember><gml:OrientableCurve orientation='-'>"
    "<gml:baseCurve><gml:LineString><gml:posList>0 0 10 0 10 10</gml:posList></gml:LineString></gml:baseCurve>"
    "</gml:OrientableCurve></gml:curveMember></gml:Ring>"
)
VARIANTS = {
    "MultiSurface": f"<gml:MultiSurface {G}><gml:surfaceMember><gml:Polygon>{POLYGON}</gml:Polygon></gml:surfaceMember></gml:MultiSurface>",
    "surfaceMembers": f"<gml:MultiSurface {G}><gml:surfaceMembers><gml:Polygon>{POLYGON}</gml:Polygon></gml:surfaceMembers></gml:MultiSurface>",
    "Polygon": f"<gml:Polygon {G}>{POLYGON}</gml:Polygon>",
    "Surface": f"<gml:Surface {G}><gml:patches><gml:PolygonPatch>{POLYGON}</gml:PolygonPatch></gml:patches></gml:Surface>",
    "nested": f"<gml:MultiSurface {G}><gml:surfaceMember><gml:CompositeSurface><gml:surfaceMember><gml:OrientableSurface><gml:baseSurface>"
    f"<gml:Surface><gml:patches><gml:PolygonPatch>{POLYGON}</gml:PolygonPatch></gml:patches></gml:Surface></gml:baseSurface>"
    "</gml:OrientableSurface></gml:surfaceMember></gml:CompositeSurface></gml:surfaceMember></gml:MultiSurface>",
    "Ring of curves": f"<gml:Polygon {G}><gml:exterior>{CURVED}</gml:exterior><gml:interior>{RING.format(HOLE)}</gml:interior></gml:Polygon>",
    "pos": f"<gml:Polygon {G}><gml:exterior><gml:LinearRing>"
    + "".join(f"<gml:pos>{p}</gml:pos>" for p in ("0 0", "0 10", "10 10", "10 0", "0 0"))
    + f"</gml:LinearRing></gml:exterior><gml:interior>{RING.format(HOLE)}</gml:interior></gml:Polygon>",
    "GML 2": '<g:MultiPolygon xmlns:g="http://www.opengis.net/gml"><g:polygonMember><g:Polygon><g:outerBoundaryIs><g:LinearRing>'
    "<g:coordinates>0,0 0,10 10,10 10,0 0,0</g:coordinates></g:LinearRing></g:outerBoundaryIs><g:innerBoundaryIs><g:LinearRing>"
    '<g:coordinates decimal="," cs=";" ts="|">2,0;2|4;2|4;4|2;4|2;2</g:coordinates></g:LinearRing></g:innerBoundaryIs></g:Polygon>'
    "</g:polygonMember></g:MultiPolygon>",
    "three dimensions, open ring": f'<gml:MultiSurface {G} srsDimension="3"><gml:surfaceMember><gml:Polygon><gml:exterior><gml:LinearRing>'
    "<gml:posList>0 0 5 0 10 5 10 10 5 10 0 5</gml:posList></gml:LinearRing></gml:exterior><gml:interior>"
    f'<gml:LinearRing><gml:posList srsDimension="2">{HOLE}</gml:posList></gml:LinearRing></gml:interior></gml:Polygon>'
    "</gml:surfaceMember></gml:MultiSurface>",
    "by reference": f'<r {G}><gml:MultiSurface><gml:surfaceMember xlink:href="#p"/></gml:MultiSurface>'
    f'<gml:Polygon gml:id="p">{POLYGON}</gml:Polygon></r>',
}


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_surfaces_in_all_their_wrappings(text):
    root = xml.parse(text)
    shape = gml.read(root if xml.local(root) != "r" else root[0])
    assert shape.geom_type == "MultiPolygon"
    assert shape.equals(shapely.Polygon([(0, 0), (0, 10), (10, 10), (10, 0)], [[(2, 2), (4, 2), (4, 4), (2, 4)]]))


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<gml:surfaceMember xlink:href='#nowhere'/>",
        "<gml:surfaceMember xlink:href='#me'/>",
        "<gml:surfaceMember xlink:href='http://127.0.0.1:9/x#p'/>",
        "<gml:surfaceMember><gml:Polygon><gml:interior/></gml:Polygon></gml:surfaceMember>",
        f"<gml:surfaceMember><gml:Polygon><gml:exterior>{RING.format('0 0 1 x 2 2')}</gml:exterior></gml:Polygon></gml:surfaceMember>",
        f"<gml:surfaceMember><gml:Polygon><gml:exterior>{RING.format('0 0 1 1 2')}</gml:exterior></gml:Polygon></gml:surfaceMember>",
        f"<gml:surfaceMember><gml:Polygon><gml:exterior>{RING.format('0 0 NaN 1 2 2 0 0')}</gml:exterior></gml:Polygon></gml:surfaceMember>",
        f"<gml:surfaceMember><gml:Polygon><gml:exterior>{RING.format('0 0 1 1 0 0')}</gml:exterior></gml:Polygon></gml:surfaceMember>",
        "<gml:surfaceMember><gml:Polygon><gml:exterior><gml:Ring><gml:curveMember><gml:Curve><gml:segments><gml:Arc><gml:posList>0 0 1 1 2 0"
        "</gml:posList></gml:Arc></gml:segments></gml:Curve></gml:curveMember></gml:Ring></gml:exterior></gml:Polygon></gml:surfaceMember>",
    ],
)
def test_broken_surfaces_are_refused(inside):
    with pytest.raises(GeometryError):
        gml.read(xml.parse(f"<gml:MultiSurface {G} gml:id='me'>{inside}</gml:MultiSurface>"))


@pytest.mark.parametrize(
    ("positions", "points"),
    [
        ("22.9 113.7 5 22.901 113.7 5 22.901 113.701 6 22.9 113.7 5", 4),  # heights, and no dimension said
        ("22.9 113.7 22.901 113.7 22.901 113.701 22.9 113.7", 4),
        ("22.9 113.7 22.901 113.7 22.901 113.701 22.902 113.702 22.903 113.7 22.9 113.7", 6),  # 12 numbers of two
    ],
)
def test_a_ring_without_a_dimension_is_read_as_it_closes(positions, points):
    text = f"<Polygon><exterior><LinearRing><posList>{positions}</posList></LinearRing></exterior></Polygon>"
    shape = gml.read(xml.parse(text))
    assert len(shapely.get_coordinates(shape)) == points and shape.bounds[0] == 22.9


_RING = st.lists(st.sampled_from(["0", "1", "2.5", "-3e0", "114.1", "nan", "x", ""]), max_size=18)
_PLAIN = "<MultiSurface{more}><surfaceMember><Polygon><exterior><LinearRing><posList{size}>{ring}</posList></LinearRing></exterior>{hole}</Polygon></surfaceMember></MultiSurface>"


@given(
    st.lists(
        st.tuples(
            _RING,
            st.booleans(),
            st.sampled_from(["", ' srsDimension="2"', ' srsDimension="3"']),
            st.sampled_from(["", ' srsName="EPSG:4490"', ' srsDimension="3"']),
            st.sampled_from(["", "", "<interior/>", "<!-- none -->"]),
        ),
        max_size=5,
    )
)
def test_surfaces_made_in_columns_are_what_each_is_alone(members) -> None:
    texts = [
        _PLAIN.format(more=more, size=size, ring=" ".join([*ring, *ring[:2]] if closed else ring), hole=hole)
        for ring, closed, size, more, hole in members
    ]
    root = xml.parse(f"<all>{''.join(texts)}</all>")
    surfaces = list(root)
    reader = gml.Reader(root)
    for surface, found in zip(surfaces, reader.plain([*surfaces, None]), strict=False):
        if found is not None:
            assert shapely.equals_exact(found, reader.read(surface)), "the same points in the same order"
            assert reader.unclosed == 0


def test_a_page_of_plain_surfaces_is_made_in_columns() -> None:
    ring = "22.8 113.6 22.9 113.6 22.9 113.7 22.8 113.6"
    page = _PLAIN.format(more="", size=' srsDimension="2"', ring=ring, hole="") * 3
    root = xml.parse(f"<all>{page}</all>")
    assert [shape.geom_type for shape in gml.Reader(root).plain(list(root))] == ["MultiPolygon"] * 3
