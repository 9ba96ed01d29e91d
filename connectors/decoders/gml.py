"""GML geometries of any version (2, 3.1, 3.2) → shapely, by local names alone.

Read are points, lines, and surfaces in all their wrappings: Polygon, Surface and PolyhedralSurface with patches,
MultiSurface, MultiPolygon, CompositeSurface, OrientableSurface; rings as LinearRing, or as Ring of Curves, LineStrings
and CompositeCurves; coordinates as ``posList``, ``pos``, ``coordinates`` and ``coord``; members by ``xlink:href``
within the document. Arcs and splines are refused by name: a straight line in their place would be another boundary.

Numbers come out in the order in which they stand; what the order means, :mod:`connectors.decoders.geometry` says. References
may lead in circles, or double what they lead to at every step: what a geometry has once they are followed is counted,
and is refused beyond the limits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from operator import attrgetter

import numpy as np
import shapely
from lxml import etree

from connectors.decoders.geometry import GeometryError
from connectors.decoders.xml import children, local
from connectors.limits import Limits, check

_TAG = attrgetter("tag")
_POINTS_A_STEP = 16
_HREF = "{http://www.w3.org/1999/xlink}href"
_SURFACES = {"Polygon", "PolygonPatch", "Rectangle", "Triangle"}
_WRAPPED_SURFACES = {
    "MultiSurface",
    "MultiPolygon",
    "Surface",
    "PolyhedralSurface",
    "TriangulatedSurface",
    "CompositeSurface",
    "OrientableSurface",
    "surfaceMember",
    "surfaceMembers",
    "polygonMember",
    "patches",
    "polygonPatches",
    "trianglePatches",
    "baseSurface",
}
_LINES = {"LineString", "LineStringSegment", "GeodesicString", "Geodesic", "LinearRing"}
_WRAPPED_LINES = {"Curve", "segments", "CompositeCurve", "OrientableCurve", "curveMember", "baseCurve", "Ring"}
_MULTI_LINES = {"MultiCurve", "MultiLineString", "curveMembers", "lineStringMember"}
GEOMETRIES = (
    _SURFACES
    | {"MultiSurface", "MultiPolygon", "Surface", "PolyhedralSurface", "TriangulatedSurface"}
    | {"CompositeSurface", "OrientableSurface", "LineString", "Curve", "CompositeCurve", "OrientableCurve"}
    | {"MultiCurve", "MultiLineString", "Point", "MultiPoint", "MultiGeometry"}
)


def find(feature: etree._Element) -> tuple[etree._Element, etree._Element] | None:
    """The feature's geometry property and the geometry in it; None where it has none."""
    for prop in feature:
        if len(prop) and local(prop) not in ("", "boundedBy"):
            for value in children(prop):
                if _is_geometry(value.tag):
                    return prop, value
    return None


@lru_cache(maxsize=1024)
def _is_geometry(tag: str) -> bool:
    space, _, name = tag.rpartition("}")
    return name in GEOMETRIES and (not space or space.startswith("{http://www.opengis.net/gml"))


def srs_name(geometry: etree._Element) -> str | None:
    """The geometry's own ``srsName``: on itself, else the first inside it."""
    own = geometry.get("srsName")
    if own:
        return own.strip()
    for element in geometry.iter():
        name = element.get("srsName")
        if name:
            return name.strip()
    return None


def envelope_srs(element: etree._Element) -> str | None:
    """The ``srsName`` of the ``boundedBy`` of a feature or a collection."""
    for bounded in children(element, "boundedBy"):
        if name := srs_name(bounded):
            return name
    return None


def read(geometry: etree._Element, limits: Limits | None = None) -> shapely.Geometry:
    """One geometry by itself, see :meth:`Reader.read`."""
    return Reader(geometry.getroottree().getroot(), limits).read(geometry)


class Reader:
    """Reads the geometries of one document; ``unclosed``: how many rings of the last one did not end where they began."""

    def __init__(self, root: etree._Element, limits: Limits | None = None) -> None:
        self._root, self._limits = root, limits or Limits()
        self._ids: dict[str, etree._Element] | None = None
        self._left = self._limits.expanded  # steps beyond what stands in a geometry itself that the document still has
        self._steps = self._most = self._points = self._rings = 0
        self.unclosed = 0

    def read(self, geometry: etree._Element) -> shapely.Geometry:
        """A geometry in the order of its own numbers, in two dimensions. Surfaces become one MultiPolygon.

        :raises GeometryError: empty, cut, or of a kind that is not read. :raises OverLimit: it expands beyond limits.
        """
        self._steps = self._points = self._rings = self.unclosed = 0
        own = sum(1 + len(one.text or "") // _POINTS_A_STEP for one in geometry.iter())
        self._most = own + self._left
        try:
            return self._read(geometry)
        except (ValueError, IndexError, RecursionError, shapely.errors.ShapelyError) as error:
            raise _unreadable(local(geometry), type(error).__name__) from error
        finally:
            self._left -= max(0, min(self._steps - own, self._left))

    def plain(self, geometries: Sequence[etree._Element | None]) -> list[shapely.Geometry | None]:
        """What :meth:`read` makes of surfaces of one closed ring in a ``posList``, as nearly all are, made in columns; None for
        every other, of which nothing is said."""
        made: list[shapely.Geometry | None] = [None] * len(geometries)
        rings = [(place, one) for place, given in enumerate(geometries) if (one := _only_ring(given)) is not None]
        texts = [(one.text or "").split() for _, one in rings]
        try:
            values = np.array([number for numbers in texts for number in numbers], dtype="<f8")
        except ValueError:  # one of them is no number: which, the reading one by one will say
            return made
        lengths = np.array([len(numbers) for numbers in texts], dtype=int)
        sizes = np.array([_dimension(one, None) for _, one in rings], dtype=int)
        sound, shapes = surfaces(values, lengths, sizes, self._limits)
        for number, shape in zip(np.flatnonzero(sound), shapes, strict=True):
            made[rings[number][0]] = shape
        return made

    def _step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > self._most:
            check(self._limits, "expanded", self._limits.expanded + 1, "a geometry with its references followed")

    def _read(self, geometry: etree._Element) -> shapely.Geometry:
        name = local(geometry)
        if name in _SURFACES or name in _WRAPPED_SURFACES:
            polygons = list(self._polygons(geometry))
            if not polygons:
                raise _unreadable(name, "it holds no surface")
            return shapely.MultiPolygon(polygons)
        if name in _LINES or name in _WRAPPED_LINES:
            return shapely.LineString(self._line(geometry))
        if name in _MULTI_LINES:
            return shapely.MultiLineString(
                [self._line(one) for one in self._members(geometry, _LINES | _WRAPPED_LINES - {"curveMember"})]
            )
        if name == "Point":
            return shapely.Point(self._numbers(geometry)[0])
        if name == "MultiPoint":
            return shapely.MultiPoint(np.vstack([self._numbers(one) for one in self._members(geometry, {"Point"})]))
        if name == "MultiGeometry":
            parts = [self._read(part) for member in children(geometry) for part in children(member)]
            if parts and all(part.geom_type == "MultiPolygon" for part in parts):
                return shapely.MultiPolygon([polygon for part in parts for polygon in part.geoms])
            return shapely.GeometryCollection(parts)
        raise _unreadable(name, "this kind is not read")

    def _polygons(self, element: etree._Element) -> Iterator[shapely.Polygon]:
        """Every polygon of a surface in its wrappings."""
        element = self._resolved(element)
        name = local(element)
        if name in _SURFACES:
            yield self._polygon(element)
        elif name in _WRAPPED_SURFACES:
            for child in children(element):
                if local(child) in _SURFACES | _WRAPPED_SURFACES:
                    yield from self._polygons(child)
                elif local(child) in GEOMETRIES:
                    raise _unreadable(local(child), "not a surface")

    def _polygon(self, element: etree._Element) -> shapely.Polygon:
        outer, holes = None, []
        for side in children(element):
            name = local(side)
            if name in ("exterior", "outerBoundaryIs"):
                outer = self._boundary(side)
            elif name in ("interior", "innerBoundaryIs"):
                holes.append(self._boundary(side))
        if outer is None:
            raise _unreadable(local(element), "it has no outer ring")
        return shapely.Polygon(outer, holes)

    def _boundary(self, side: etree._Element) -> np.ndarray:
        rings = children(self._resolved(side))
        if len(rings) != 1:
            raise _unreadable(local(side), "it does not hold one ring")
        points = self._line(rings[0])
        self._rings += 1
        check(self._limits, "rings", self._rings, "a geometry")
        if len(points) and not np.array_equal(points[0], points[-1]):
            self.unclosed += 1
            points = np.vstack([points, points[:1]])
        if len(points) < 4:
            raise _unreadable(local(side), f"a ring of {len(points)} points")
        return points

    def _line(self, element: etree._Element) -> np.ndarray:
        """The points of a line, a curve or a ring, its pieces joined end to start."""
        element = self._resolved(element)
        name = local(element)
        if name in _LINES:
            return self._numbers(element)
        if name not in _WRAPPED_LINES:
            raise _unreadable(
                name, "this kind of curve is not read: a straight line in its place would be another boundary"
            )
        pieces: list[np.ndarray] = []
        for child in children(element):
            if local(child) in ("name", "description", "metaDataProperty"):
                continue
            piece = self._line(child)
            pieces.append(piece[1:] if pieces and np.array_equal(pieces[-1][-1:], piece[:1]) else piece)
        if not pieces:
            if element.get(_HREF):
                raise _unreadable(name, f"{element.get(_HREF)} is not in the document")
            raise _unreadable(name, "it is empty")
        points = np.vstack(pieces)
        return points[::-1] if element.get("orientation") == "-" else points

    def _numbers(self, element: etree._Element) -> np.ndarray:
        """The coordinates that stand directly in an element, n × 2; further dimensions are left out."""
        rows: list[np.ndarray] = []
        for child in children(element):
            name = local(child)
            if name in ("posList", "pos"):
                values = np.array((child.text or "").split(), dtype=float)
                size = _dimension(child, len(values) if name == "pos" else None) or _dimension_of(values, element)
                rows.append(values.reshape(-1, size)[:, :2])
            elif name == "coordinates":
                rows.append(_coordinates(child))
            elif name == "coord":
                rows.append(np.array([[float(axis.text or "") for axis in children(child)[:2]]]))
            elif name in ("pointProperty", "pointRep"):
                rows.extend(self._numbers(self._resolved(point)) for point in children(child))
        if not rows:
            raise _unreadable(local(element), "it has no coordinates")
        points = np.vstack(rows)
        self._step(len(points) // _POINTS_A_STEP)
        self._points += len(points)
        check(self._limits, "points", self._points, "a geometry")
        if not np.isfinite(points).all():
            raise _unreadable(local(element), "a coordinate is no number")
        return points

    def _members(self, element: etree._Element, names: set[str]) -> list[etree._Element]:
        """What a collection holds: elements of these names in its members, by value or by reference."""
        found = []
        for child in children(element):
            if local(child) in names:
                found.append(child)
            else:
                inside = self._resolved(child)
                found.extend([inside] if local(inside) in names else self._members(inside, names))
        return found

    def _resolved(self, element: etree._Element) -> etree._Element:
        """The element that ``xlink:href="#id"`` means, itself when it has none. Nothing outside the document is read."""
        self._step()
        href = element.get(_HREF)
        if not href or len(element):
            return element
        if self._ids is None:
            self._ids = {}
            for one in self._root.iter():
                for name, value in one.items():
                    if name == "id" or name.endswith("}id"):
                        self._ids.setdefault(value, one)
        other = self._ids.get(href.removeprefix("#"))
        if other is not None and other is not element:
            return other
        raise _unreadable(local(element), f"{href} is not in the document")


def surfaces(
    values: np.ndarray, lengths: np.ndarray, sizes: np.ndarray, limits: Limits, *, turned: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which rings are closed in two dimensions, and the surface of each of these as a MultiPolygon.

    :param values: the numbers of all, one ring after the other.
    :param lengths: how many numbers each has.
    :param sizes: the dimension that each states, 0: none.
    :param turned: the numbers of a point change places.
    """
    ends = np.cumsum(lengths, dtype=int)
    begins = ends - lengths
    sound = (lengths % 2 == 0) & (lengths >= 8) & (lengths <= 2 * limits.points)
    sound &= (sizes == 2) | ((sizes == 0) & (lengths % 3 > 0))
    infinite = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    sound &= infinite[ends] == infinite[begins]
    at = np.flatnonzero(sound)
    sound[at] = (values[begins[at]] == values[ends[at] - 2]) & (values[begins[at] + 1] == values[ends[at] - 1])
    points = values[np.repeat(sound, lengths)].reshape(-1, 2)
    written = (points[:, ::-1] if turned else points).astype("<f8").tobytes()
    counts = (lengths[sound] // 2).tolist()
    starts = np.cumsum([0, *counts]).tolist()
    pieces = [
        _surface(count) + written[16 * begin : 16 * (begin + count)]
        for count, begin in zip(counts, starts, strict=False)
    ]
    return sound, shapely.from_wkb(np.array(pieces, dtype=object))


def only_ring(geometry: etree._Element) -> tuple[str, int] | None:
    """The name and the dimension of the ``posList`` of a surface of one ring; None: it is anything else."""
    ring = _only_ring(geometry)
    return None if ring is None else (local(ring), _dimension(ring, None))


_ONLY = {
    "MultiSurface": "surfaceMember",
    "surfaceMember": "Polygon",
    "Polygon": "exterior",
    "exterior": "LinearRing",
    "LinearRing": "posList",
}


def _only_ring(geometry: etree._Element | None) -> etree._Element | None:
    """The ``posList`` of a surface of one ring, without references; None: it is anything else."""
    if geometry is None:
        return None
    chain = list(islice(geometry.iter(), len(_ONLY) + 2))
    if not _is_only_ring(tuple(map(_TAG, chain))):
        return None
    *around, ring = chain
    return ring if list(map(len, around)) == [1] * len(around) and not any([one.get(_HREF) for one in around]) else None


@lru_cache(maxsize=256)
def _is_only_ring(tags: tuple[str, ...]) -> bool:
    """Whether elements of these names, each in the one before, are a surface down to its only ring."""
    names = [tag.rpartition("}")[2] for tag in tags]
    return names[-1] == "posList" and all(
        _ONLY.get(name) == inner for name, inner in zip(names, names[1:], strict=False)
    )


@lru_cache(maxsize=1024)
def _surface(points: int) -> bytes:
    """What stands in WKB before the coordinates of a MultiPolygon of one ring of so many points."""
    return struct.pack("<BIIBIII", 1, 6, 1, 1, 3, 1, points)


def _dimension(element: etree._Element, alone: int | None) -> int:
    """``srsDimension`` of the element or what it stands in; a ``pos`` tells by its length; 0: nothing says."""
    if alone:
        return alone
    current: etree._Element | None = element
    while current is not None:
        given = current.get("srsDimension") or current.get("dimension")
        if given and given.strip().isdigit():
            return int(given)
        current = current.getparent()
    return 0


def _dimension_of(values: np.ndarray, element: etree._Element) -> int:
    """Two, unless a ring ends where it began in three numbers a point, and not in two: some write heights and say no dimension."""
    if local(element) == "LinearRing" and len(values) >= 12 and len(values) % 3 == 0:
        in_two = len(values) % 2 == 0 and (values[:2] == values[-2:]).all()
        if not in_two and (values[:3] == values[-3:]).all():
            return 3
    return 2


def _coordinates(element: etree._Element) -> np.ndarray:
    """GML 2's ``x,y x,y`` with its separators."""
    decimal, cs, ts = element.get("decimal", "."), element.get("cs", ","), element.get("ts", " ")
    text = element.text or ""
    tuples = text.split() if ts.isspace() else [part for part in text.split(ts) if part.strip()]
    rows = []
    for one in tuples:
        numbers = one.split(cs) if not cs.isspace() else one.split()
        rows.append([float(number.strip().replace(decimal, ".")) for number in numbers[:2]])
    return np.array(rows, dtype=float).reshape(-1, 2)


def _unreadable(name: str, why: str) -> GeometryError:
    return GeometryError(
        f"geometry {name}: {why}",
        remedy="tell the source's owner; the record is kept in quarantine",
        zh=f"图形 {name} 无法读取（{why}），请联系数源部门。",
        code="geometry_unreadable",
    )
