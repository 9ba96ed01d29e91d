"""Boundary points of a parcel as TXT (勘测定界、用地红线坐标), docs/domain.md §5.2 with its dialects.

``[属性描述]`` holds ``name=value``; ``[地块坐标]`` holds, for each parcel, a header (界址点数, 地块面积 in 公顷, 地块编号, 地块名称,
记录图形属性, 图幅号, 地块用途, 地类编码, ``@``) and its points (点号, 地块圈号, X north, Y east). Read in any of these forms: UTF-8 or
GB18030, CRLF or LF, full-width digits and commas; numbers of points with or without J; with or without the ring's
closing point, counted or not; X and Y exchanged; easting with zone 38 before it or without; areas with their unit.
Circle 1 is the outer ring, 2 and on its holes; another circle 1 begins another polygon.

Not guessed: a coordinate system other than 2000国家大地坐标系, a zone other than 38, points outside Dongguan.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np
import shapely

from connectors.decoders import charsets, geometry
from connectors.limits import Limits, OverLimit, check
from core.shapes import is_tangled

_NUMBER = re.compile(r"[-+]?\d{1,12}(\.\d*)?")
_AREA = re.compile(r"([\d.]+)\s*(公顷|ha|hm2|平方米|m2|亩)?", re.I)
_UNITS = {
    None: 10_000.0,
    "公顷": 10_000.0,
    "ha": 10_000.0,
    "hm2": 10_000.0,
    "平方米": 1.0,
    "m2": 1.0,
    "亩": 10_000 / 15,
}
_ZONE = 38
_EASTING = (440_000.0, 540_000.0)  # of EPSG:4547, domain.md §5.1 with a margin
_NORTHING = (2_495_000.0, 2_572_000.0)
_NAMED = 20  # lines and rings that are named one by one
_CLOSE = 0.001  # metres: the precision that the files state


@dataclass(slots=True)
class Trouble:
    """What is wrong: an issue code and words. ``fatal``: no geometry is made of the file."""

    code: str
    words: str
    fatal: bool = False


@dataclass(slots=True)
class Redline:
    """``polygons``: MultiPolygon in EPSG:4490, longitude first, or None. ``area``: stated, m²."""

    polygons: shapely.MultiPolygon | None
    area: float | None
    troubles: list[Trouble] = field(default_factory=list)


@dataclass(slots=True)
class _Parcel:
    count: int | None
    area: float | None
    name: str
    kind: str
    points: list[tuple[str, float, float]] = field(default_factory=list)  # circle, first, second coordinate


def parse(body: bytes, limits: Limits | None = None) -> Redline:
    """The red line of one TXT. Never raises for what stands in it: that is in ``troubles``."""
    limits = limits or Limits()
    troubles: list[Trouble] = []
    try:
        check(limits, "page", len(body), "the file")
        text, charset = _decode(body)
        head, parcels = _read(text, troubles, limits)
        check(limits, "rings", sum(len(_rings(parcel)) for parcel in parcels), "the file")
    except OverLimit as error:
        return Redline(None, None, [Trouble("over_limit", error.message, fatal=True)])
    troubles += charset
    areas = [parcel.area for parcel in parcels if parcel.area is not None]
    area = sum(areas) if areas else None
    _check_head(head, troubles)
    if not any(parcel.points for parcel in parcels):
        troubles.append(Trouble("redline_empty", "no boundary points", fatal=True))
    if any(trouble.fatal for trouble in troubles):
        return Redline(None, area, troubles)
    north_first = _order(parcels, troubles)
    polygons: list[shapely.Polygon] = []
    for parcel in parcels:
        if parcel.kind not in ("", "面"):
            troubles.append(Trouble("redline_not_area", f"{parcel.name} is a {parcel.kind}, no area: left out"))
            continue
        _check_count(parcel, troubles)
        built = _polygons(parcel, north_first, troubles)
        polygons.extend(built)
        planar = sum(polygon.area for polygon in built)
        if built and parcel.area and abs(planar - parcel.area) > geometry.AREA_TOLERANCE * parcel.area:
            troubles.append(
                Trouble("redline_area", f"{parcel.name}: {parcel.area:.0f} m² stated, {planar:.0f} m² by its points")
            )
    if not polygons:
        troubles.append(Trouble("redline_empty", "no polygon can be made", fatal=True))
    if any(trouble.fatal for trouble in troubles):
        return Redline(None, area, troubles)
    placed = geometry.to_store(np.array(polygons, dtype=object), geometry.PLANE)
    return Redline(shapely.MultiPolygon(list(placed)), area, troubles)


def _decode(body: bytes) -> tuple[str, list[Trouble]]:
    decoded = charsets.decode(body, usual="gb18030")
    troubles = []
    if decoded.damaged:
        troubles.append(Trouble("redline_undecodable", f"bytes that are no {decoded.charset.name}"))
    return unicodedata.normalize("NFKC", charsets.shown(decoded.text)).replace("\ufeff", ""), troubles


def _read(text: str, troubles: list[Trouble], limits: Limits) -> tuple[dict[str, str], list[_Parcel]]:
    head: dict[str, str] = {}
    parcels: list[_Parcel] = []
    count = odd = 0
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("["):
            continue
        fields = [part.strip() for part in re.split(r"[,\t]", line)]
        point = _point(fields)
        if point is not None:
            if not parcels:
                parcels.append(_Parcel(None, None, "parcel 1", ""))
                troubles.append(Trouble("redline_header", f"line {number}: points before any parcel's header"))
            count += 1
            check(limits, "points", count, "the file")
            parcels[-1].points.append(point)
        elif "=" in line and not line.endswith("@"):
            name, _, value = line.partition("=")
            head[name.strip()] = value.strip()
        elif line.endswith("@") or len(fields) >= 5:
            parcels.append(_header(fields, len(parcels) + 1))
            check(limits, "rings", len(parcels), "the file")
        else:
            odd += 1
            if odd <= _NAMED:
                troubles.append(Trouble("redline_line", f"line {number} is neither a header nor a point"))
    if odd > _NAMED:
        troubles.append(Trouble("redline_line", f"{odd} lines in all are neither a header nor a point"))
    return head, parcels


def _point(fields: list[str]) -> tuple[str, float, float] | None:
    while len(fields) > 4 and not fields[-1]:
        fields = fields[:-1]
    if len(fields) == 4 and all(_NUMBER.fullmatch(part) for part in fields[2:]):
        return fields[1] or "1", float(fields[2]), float(fields[3])
    if len(fields) == 3 and all(_NUMBER.fullmatch(part) and float(part) > 10_000 for part in fields[1:]):
        return "1", float(fields[1]), float(fields[2])  # no circle: one ring
    return None


def _header(fields: list[str], place: int) -> _Parcel:
    fields = fields + [""] * (5 - len(fields))
    area = _AREA.match(fields[1])
    unit = area[2].lower() if area and area[2] else None
    return _Parcel(
        count=int(fields[0]) if fields[0].isdigit() else None,
        area=float(area[1]) * _UNITS[unit] if area and _NUMBER.fullmatch(area[1]) else None,
        name=" ".join(part for part in fields[2:4] if part) or f"parcel {place}",
        kind=next((part for part in fields[4:] if part in ("面", "线", "点")), ""),  # a comma in a name moves it on
    )


def _check_head(head: dict[str, str], troubles: list[Trouble]) -> None:
    system = head.get("坐标系", "")
    if system and "2000" not in system and "4547" not in system and "4526" not in system:
        troubles.append(Trouble("crs_unsupported", f"坐标系 {system}: its transformation is not public", fatal=True))
    degrees = head.get("几度分带", "")
    if degrees and degrees not in ("3", "3度"):
        troubles.append(Trouble("crs_unsupported", f"几度分带 {degrees}, not 3", fatal=True))
    zone = head.get("带号", "")
    if zone and zone != str(_ZONE):
        troubles.append(Trouble("crs_unsupported", f"带号 {zone}, not {_ZONE}", fatal=True))


def _order(parcels: list[_Parcel], troubles: list[Trouble]) -> bool:
    """Does the northing come first, as the standard has it? The places of Dongguan's points leave no doubt."""
    pairs = np.array([point[1:] for parcel in parcels for point in parcel.points])
    for north_first in (True, False):
        north, east = (pairs[:, 0], pairs[:, 1]) if north_first else (pairs[:, 1], pairs[:, 0])
        east = np.where(east // 1e6 == _ZONE, east - _ZONE * 1e6, east)
        if ((north > _NORTHING[0]) & (north < _NORTHING[1]) & (east > _EASTING[0]) & (east < _EASTING[1])).all():
            if not north_first:
                troubles.append(Trouble("redline_swapped", "X and Y are exchanged; read the right way round"))
            return north_first
    troubles.append(
        Trouble(
            "redline_outside",
            f"points outside Dongguan in EPSG:4547 or of another zone, e.g. {pairs[0][0]}, {pairs[0][1]}",
            fatal=True,
        )
    )
    return True


def _check_count(parcel: _Parcel, troubles: list[Trouble]) -> None:
    rings = _rings(parcel)
    given = len(parcel.points)
    closing = sum(_same(ring[0], ring[-1]) for _, ring in rings if len(ring) > 1)
    allowed = {given, given - closing, given + len(rings) - closing}  # closing points counted or not, there or not
    if parcel.count is not None and parcel.count not in allowed:
        troubles.append(Trouble("redline_count", f"{parcel.name}: 界址点数 {parcel.count}, {given} points follow"))


def _rings(parcel: _Parcel) -> list[tuple[str, list[tuple[float, float]]]]:
    rings: list[tuple[str, list[tuple[float, float]]]] = []
    for circle, first, second in parcel.points:
        if not rings or rings[-1][0] != circle:
            rings.append((circle, []))
        rings[-1][1].append((first, second))
    return rings


def _polygons(parcel: _Parcel, north_first: bool, troubles: list[Trouble]) -> list[shapely.Polygon]:
    """Planar polygons (EPSG:4547, easting first), outer rings clockwise as the standard has them."""
    shells: list[tuple[shapely.Polygon, list[list[tuple[float, float]]]]] = []
    outers = _Outers()
    for circle, points in _rings(parcel):
        ring = [_planar(pair, north_first) for pair in points]
        if len(ring) > 1 and _same(ring[0], ring[-1]):
            ring = ring[:-1]
        if len(set(ring)) < 3:
            troubles.append(
                Trouble("redline_ring", f"{parcel.name}: circle {circle} has fewer than three points: left out")
            )
            continue
        shell = shapely.Polygon(ring)
        owner = outers.around(shell) if circle != "1" else None
        if owner is not None:
            shells[owner][1].append(ring)
            continue
        if circle != "1" and shells:
            troubles.append(
                Trouble(
                    "redline_ring", f"{parcel.name}: circle {circle} lies outside circle 1: read as a parcel of its own"
                )
            )
        shells.append((shell, []))
        outers.add(shell)
    polygons: list[shapely.Polygon] = []
    for shell, holes in shells:
        polygon = shapely.Polygon(shell.exterior.coords, holes)
        if not polygon.is_valid:
            if is_tangled(polygon):
                troubles.append(Trouble("redline_invalid", f"{parcel.name}: it crosses itself everywhere", fatal=True))
                continue
            troubles.append(Trouble("redline_invalid", f"{parcel.name}: {shapely.is_valid_reason(polygon)}"))
            parts = shapely.get_parts(shapely.make_valid(polygon))
            polygons.extend(part for one in parts for part in shapely.get_parts(one) if part.geom_type == "Polygon")
        else:
            polygons.append(polygon)
    return [shapely.geometry.polygon.orient(polygon, -1.0) for polygon in polygons]


class _Outers:
    """Outer rings, found by place: the first that covers another within the precision of the files."""

    def __init__(self) -> None:
        self._boxes = np.empty((64, 4))
        self._buffers: dict[int, shapely.Geometry] = {}
        self._shells: list[shapely.Polygon] = []

    def add(self, shell: shapely.Polygon) -> None:
        """One more, after all others."""
        if len(self._shells) == len(self._boxes):
            self._boxes = np.resize(self._boxes, (2 * len(self._boxes), 4))
        self._boxes[len(self._shells)] = shell.bounds
        self._shells.append(shell)

    def around(self, shell: shapely.Polygon) -> int | None:
        """The place of the first that covers it."""
        west, south, east, north = shell.bounds
        boxes = self._boxes[: len(self._shells)]
        near = (boxes[:, :2] <= (west + _CLOSE, south + _CLOSE)).all(axis=1)
        near &= (boxes[:, 2:] >= (east - _CLOSE, north - _CLOSE)).all(axis=1)
        for place in map(int, np.flatnonzero(near)[:_TRIED]):
            if place not in self._buffers:
                self._buffers[place] = self._shells[place].buffer(_CLOSE)
                shapely.prepare(self._buffers[place])
            if self._buffers[place].covers(shell):
                return place
        return None


_TRIED = 50  # outer rings whose boxes hold a hole and that are looked at


def _planar(pair: tuple[float, float], north_first: bool) -> tuple[float, float]:
    north, east = pair if north_first else pair[::-1]
    return (east - _ZONE * 1e6 if east // 1e6 == _ZONE else east), north


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) < _CLOSE and abs(one[1] - other[1]) < _CLOSE
