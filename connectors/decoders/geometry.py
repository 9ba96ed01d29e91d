"""Coordinates: whose axis comes first, where Dongguan lies, how large a polygon is. Arrays of shapely geometries.

What leaves a connector is EPSG:4490 (CGCS2000), longitude first, as the hexadecimal of its WKB in the raw column
``_geometry`` (:data:`COLUMN`): exact, and one vectorised step from the bytes that the store keeps.

Rules: docs/source-systems.md, S1 (axis order by the form of a ``srsName``, area within 0.5 %); docs/domain.md §5.1
(systems in use, the sanity window). Areas are of the plane EPSG:4547, as the land registry computes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
import shapely
from pyproj.exceptions import CRSError

from connectors.base import Issue
from core.errors import ProviderError

COLUMN = "_geometry"
STORE = 4490  # CGCS2000 geographic, kept longitude first
PLANE = 4547  # CGCS2000, 3-degree Gauss-Krüger, central meridian 114°E: areas
WINDOW = (113.52, 22.65, 114.27, 23.15)  # domain.md §5.1: longitude, latitude of Dongguan
AREA_TOLERANCE = 0.005
_MARGIN = 0.05  # degrees: a feature on the border may have its middle outside
_DATUMS = ("China 2000", "World Geodetic System 1984", "World Geodetic System 1984 ensemble")
_NAMED_DATUMS = (*_DATUMS, "D_China_2000", "D_WGS_1984", "WGS_1984", "WGS 84")  # as .prj files write them
_CODE = re.compile(r"(?:^|[:/#])(?:epsg)?[:/]*(\d{4,6})$", re.I)
_CRS84 = re.compile(r"CRS:?84h?$", re.I)


@dataclass(frozen=True, slots=True)
class Reference:
    """A coordinate reference: the EPSG code, and whether its first number goes north (latitude, northing)."""

    epsg: int
    north_first: bool


@dataclass(slots=True)
class Placed:
    """Geometries in EPSG:4490, longitude first; which were found with their axes swapped, which lie elsewhere."""

    geometries: np.ndarray
    swapped: np.ndarray
    outside: np.ndarray


class GeometryError(ProviderError):
    """A geometry or its reference that we cannot or must not read."""


@lru_cache(maxsize=64)
def reference(name: str) -> Reference:
    """What a ``srsName`` means.

    URN and http URI forms have the order of the EPSG registry, the short ``EPSG:n`` has easting first, ``CRS84`` is
    longitude first.

    :raises GeometryError: unknown, or of a datum whose transformation is not public (Xi'an 80, Beijing 54, a city's
        own grid): such coordinates are refused, not guessed (domain.md §5.1).
    """
    if _CRS84.search(name.strip()):
        return Reference(4326, north_first=False)
    found = _CODE.search(name.strip())
    try:
        crs = pyproj.CRS.from_epsg(int(found[1])) if found else None
    except CRSError:
        crs = None
    if found is None or crs is None or crs.to_2d().geodetic_crs is None:
        raise _unsupported(name, "is not known")
    datum = _datum(crs)
    if datum not in _DATUMS:
        raise _unsupported(name, f"has the datum {datum}, whose transformation is not public")
    short = re.fullmatch(r"epsg:\d+", name.strip(), re.I) is not None
    return Reference(int(found[1]), north_first=not short and crs.axis_info[0].direction == "north")


def _datum(crs: pyproj.CRS) -> str | None:
    """The datum's name; None where the system says none (a local one)."""
    base = crs.geodetic_crs
    return base.datum.name if base is not None and base.datum is not None else None


def place(geometries: Sequence[shapely.Geometry | None] | np.ndarray, epsg: int) -> Placed:
    """Geometries with easting or longitude first → EPSG:4490, each checked against Dongguan's window.

    One whose middle lies outside is tried with its axes swapped; if that lands inside, it was swapped. If neither
    does, it stays as it was said. ``None`` stays None.
    """
    given = np.asarray(geometries, dtype=object)
    straight = to_store(given, epsg)
    present = ~shapely.is_missing(straight) & ~shapely.is_empty(straight)
    outside = present & ~_inside(straight)
    swapped = np.zeros(len(given), dtype=bool)
    if outside.any():
        turned = to_store(swap(given[outside]), epsg)
        good = _inside(turned)
        places = np.flatnonzero(outside)[good]
        straight[places] = turned[good]
        swapped[places] = True
        outside[places] = False
    return Placed(straight, swapped, outside)


def to_store(geometries: np.ndarray, epsg: int) -> np.ndarray:
    """Easting or longitude first in ``epsg`` → longitude, latitude in EPSG:4490, two dimensions."""
    return _transform(geometries, epsg, STORE)


def swap(geometries: np.ndarray) -> np.ndarray:
    """The same with the two axes exchanged."""
    return shapely.transform(geometries, lambda points: points[:, ::-1])


def areas(geometries: np.ndarray) -> np.ndarray:
    """Areas in m² on EPSG:4547 of geometries in EPSG:4490; NaN where there is none."""
    return shapely.area(_transform(np.asarray(geometries, dtype=object), STORE, PLANE))


def area_differs(geometries: np.ndarray, stated: np.ndarray, tolerance: float = AREA_TOLERANCE) -> np.ndarray:
    """Where the stated area (m²) is off by more than the tolerance; False where either is missing."""
    computed = areas(geometries)
    stated = np.asarray(stated, dtype=float)
    with np.errstate(invalid="ignore"):
        return np.abs(computed - stated) > tolerance * np.abs(stated)


def multi(geometry: shapely.Geometry) -> shapely.Geometry:
    """Polygons as MultiPolygon, so that a column has one type; others as they are."""
    return shapely.MultiPolygon([geometry]) if geometry.geom_type == "Polygon" else geometry


def to_hex(geometries: Iterable[shapely.Geometry | None]) -> list[str | None]:
    """Hexadecimal WKB (two dimensions, little-endian), the form of :data:`COLUMN`."""
    array = np.asarray(list(geometries), dtype=object)
    written = shapely.to_wkb(array, output_dimension=2, byte_order=1, include_srid=False)
    return [None if one is None else one.hex().upper() for one in written]  # GEOS takes ten times as long for it


def from_hex(texts: Iterable[str | None]) -> np.ndarray:
    """:data:`COLUMN` → geometries."""
    return shapely.from_wkb(np.asarray(list(texts), dtype=object))


def from_geojson(geometry: dict[str, Any] | str | None) -> shapely.Geometry | None:
    """A GeoJSON geometry. :raises GeometryError: it is none."""
    if geometry is None:
        return None
    try:
        return shapely.from_geojson(geometry if isinstance(geometry, str) else json.dumps(geometry))
    except (shapely.errors.GEOSException, TypeError, ValueError) as error:
        raise GeometryError(
            f"no GeoJSON geometry: {error}",
            remedy="tell the source's owner; the record is kept in quarantine",
            zh="图形不是合法的 GeoJSON，请联系数源部门。",
            code="geometry_unreadable",
        ) from error


def invalid(geometries: np.ndarray) -> list[str | None]:
    """Why each geometry is not valid (self-intersection, …); None for valid and missing ones."""
    array = np.asarray(geometries, dtype=object)
    bad = ~shapely.is_valid(array) & ~shapely.is_missing(array)
    return [shapely.is_valid_reason(one) if wrong else None for one, wrong in zip(array, bad, strict=True)]


def _inside(geometries: np.ndarray, window: tuple[float, float, float, float] = WINDOW) -> np.ndarray:
    """Whose middle of the box lies in a window."""
    west, south, east, north = window
    boxes = shapely.bounds(geometries).reshape(-1, 4)
    with np.errstate(invalid="ignore"):
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        return (x >= west - _MARGIN) & (x <= east + _MARGIN) & (y >= south - _MARGIN) & (y <= north + _MARGIN)


def _transform(geometries: np.ndarray, source: int, target: int) -> np.ndarray:
    if source == target or {source, target} == {4326, STORE}:  # WGS 84 and CGCS2000 agree within centimetres (§5.1)
        return shapely.force_2d(geometries) if shapely.has_z(geometries).any() else geometries.copy()
    transformer = _transformer(source, target)

    def turn(points: np.ndarray) -> np.ndarray:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return shapely.transform(geometries, turn)


@lru_cache(maxsize=64)
def _transformer(source: int, target: int) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def _unsupported(name: str, why: str) -> GeometryError:
    return GeometryError(
        f"the coordinate reference {name!r} {why}",
        remedy="the source has to serve CGCS2000 (EPSG:4490, 4547 or 4526) or WGS 84",
        zh=f"坐标系 {name} 不受支持（未知，或其转换参数不公开），请数源部门改用 2000 国家大地坐标系。",
        code="crs_unsupported",
    )


def placed(
    shapes: np.ndarray,
    stated: str | None,
    declared: str | None,
    window: tuple[float, float, float, float] | None,
    names: Sequence[str | None],
) -> tuple[np.ndarray, list[Issue]]:
    """Geometries of a file, easting first, in EPSG:4490 and checked. ``said``: the reference that the file names;
    ``declared``: the one that a person declares, which may be any that PROJ knows.

    :raises GeometryError: neither tells, or the file's own is of a datum whose transformation is not public.
    """
    if declared is None and not stated:
        raise GeometryError(
            "the file names no coordinate reference (no .prj)",
            remedy="ask the source which it is, and declare it as vector.crs",
            zh="文件未注明坐标系（缺少 .prj），请向数源部门确认后在声明的 vector.crs 中写明。",
            code="crs_missing",
        )
    try:
        crs = pyproj.CRS.from_user_input(declared or stated).to_2d()
    except CRSError as error:
        raise _unsupported(str(declared or stated)[:80], "is not known") from error
    if declared is None and _datum(crs) not in _NAMED_DATUMS:
        raise _unsupported(crs.name, "has a datum whose transformation is not public; declare vector.crs where it is")
    flat = shapely.force_2d(np.asarray(shapes, dtype=object))
    turn = pyproj.Transformer.from_crs(crs, STORE, always_xy=True)
    straight = shapely.transform(flat, lambda points: np.column_stack(turn.transform(points[:, 0], points[:, 1])))
    present = ~shapely.is_missing(straight) & ~shapely.is_empty(straight)
    issues = [
        Issue(
            "geometry_outside",
            f"the geometry does not lie in the window of plausibility {window or WINDOW}",
            names[int(number)],
        )
        for number in np.flatnonzero(present & ~_inside(straight, window or WINDOW))
    ]
    issues += [
        Issue("geometry_invalid", why, name)
        for name, why in zip(names, invalid(straight), strict=True)
        if why is not None
    ]
    return straight, issues
