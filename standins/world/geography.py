"""Where it stands: red lines and parcels inside Dongguan's towns, change polygons, footprints of scenes.

Shapes are drawn in EPSG:4547 (metres, CGCS2000 3-degree GK CM 114E) and given as CGCS2000 longitude and latitude. Every
project has a cell of a city-wide grid to itself, so no two red lines touch; a town with more projects than cells divides
its cells among them, and its plots are as much smaller.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import shapely
from pyproj import Transformer
from shapely import affinity
from shapely.geometry import MultiPolygon, Polygon, box, mapping
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union
from shapely.prepared import prep

from standins.world.catalogue import FOLDER
from standins.world.chance import dice
from standins.world.model import Project, Site, World

CELL = 360  # m; red lines stay 20 m inside, so 40 m apart
INNER = CELL - 2 * 20  # m; what a cell gives to several projects, where a town has more of them than cells
LAKE = "441900401"  # 松山湖 has no polygon of its own: it lies in three towns
LAKE_TOWNS = ("大朗镇", "寮步镇", "大岭山镇")
LAKE_BOX = (113.86, 22.88, 113.93, 22.96)
CITY = (113.53, 22.66, 114.26, 23.14)


@cache
def _to_metres() -> Transformer:
    return Transformer.from_crs(4490, 4547, always_xy=True)


@cache
def _to_degrees() -> Transformer:
    return Transformer.from_crs(4547, 4490, always_xy=True)


def metres(geometry: BaseGeometry) -> BaseGeometry:
    """Longitude and latitude to EPSG:4547, easting first."""
    return shapely.transform(geometry, _to_metres().transform, interleaved=False)


def degrees(geometry: BaseGeometry) -> BaseGeometry:
    """EPSG:4547 to longitude and latitude, 9 decimals (0.1 mm)."""
    return shapely.set_precision(
        shapely.transform(geometry, _to_degrees().transform, interleaved=False), 1e-9, mode="pointwise"
    )


def geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """A GeoJSON geometry of one in metres, outer rings counter-clockwise."""
    plain = degrees(geometry)
    plain = shapely.orient_polygons(plain) if hasattr(shapely, "orient_polygons") else plain
    return rounded(mapping(plain))


def rounded(value: Any) -> Any:
    """The same with every number at 9 decimals."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return round(value, 9) if isinstance(value, float) else value


@cache
def towns() -> dict[str, BaseGeometry]:
    """Town name → its polygon in metres."""
    features = json.loads((FOLDER / "dongguan-towns.geojson").read_text(encoding="utf-8"))["features"]
    return {f["properties"]["name"]: metres(_town(f["geometry"]["coordinates"])) for f in features}


def _town(rings: list[Any]) -> BaseGeometry:
    """A town from its rings; the file has some of fewer than four points, which are no holes."""
    return Polygon(rings[0], [ring for ring in rings[1:] if len(ring) > 3]).buffer(0)


@cache
def _cells(town_code: str, town: str) -> tuple[tuple[int, int], ...]:
    """Grid cells that lie wholly inside a town."""
    if town_code == LAKE:
        area = unary_union([towns()[name] for name in LAKE_TOWNS]).intersection(metres(box(*LAKE_BOX)))
    else:
        area = towns()[town]
    inside = prep(area)
    left, low, right, top = (int(v // CELL) for v in area.bounds)
    return tuple(
        (x, y)
        for x in range(left, right + 1)
        for y in range(low, top + 1)
        if inside.contains(box(x * CELL, y * CELL, (x + 1) * CELL, (y + 1) * CELL))
    )


@dataclass(frozen=True)
class _Spot:
    """Where a plot is drawn: middle and scale (1: a cell of its own), and the cell that it lies in."""

    x: float
    y: float
    scale: float
    cell: tuple[int, int]


def _spots(world: World, town_code: str, town: str, parts: int) -> Iterator[_Spot]:
    """The places for plots in a town, in the order in which they are given away; each cell has ``parts`` × ``parts``."""
    cells = list(_cells(town_code, town))
    dice(world.seed, "cells", town_code).shuffle(cells)
    side = INNER / parts if parts > 1 else CELL
    first = (CELL - (parts - 1) * side) / 2
    for row, column in itertools.product(range(parts), repeat=2):
        for cell in cells:
            yield _Spot(cell[0] * CELL + first + column * side, cell[1] * CELL + first + row * side, side / CELL, cell)


def _given(world: World, projects: list[Project]) -> list[_Spot]:
    """A place of its own for each project: of a whole cell, or where a town has too few of them, of a part of one."""
    for parts in itertools.count(1):  # one grid for the whole city: cells by the lake lie in two towns
        free: dict[str, Iterator[_Spot]] = {}
        given: dict[_Spot, None] = {}
        for project in projects:
            if project.town_code not in free:
                free[project.town_code] = _spots(world, project.town_code, _town_name(project), parts)
            spot = next((s for s in free[project.town_code] if s not in given), None)
            if spot is None:
                break
            given[spot] = None
        else:
            return list(given)
    raise AssertionError("unreachable")


def _outline(world: World, project: Project, spot: _Spot) -> Polygon:
    """A plot of building land: a rectangle, an L, or one with a hole, slightly turned."""
    chance = dice(world.seed, "plot", project.number)
    x, y = spot.x, spot.y
    width, height = chance.uniform(110, 240), chance.uniform(100, 220)
    plot = box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    form = chance.random()
    if form < 0.25:
        plot = plot.difference(box(x + width * 0.1, y + height * 0.15, x + width, y + height))
    elif form < 0.35:
        plot = plot.difference(box(x - 12, y - 10, x + 14, y + 11))
    turned = affinity.rotate(plot, chance.uniform(-9, 9), origin=(x, y))
    if spot.scale != 1:
        turned = affinity.scale(turned, spot.scale, spot.scale, origin=(x, y))
    return shapely.set_precision(turned, 0.001, mode="pointwise")


def settle(world: World, projects: list[Project]) -> None:
    """Give every project that has land of its own (新增用地, 划拨用地, 涉及土建) its site."""
    settling = [p for p in projects if {"新增用地", "划拨用地", "涉及土建"} & set(p.conditions)]
    for project, spot in zip(settling, _given(world, settling), strict=True):
        chance = dice(world.seed, "site", project.number)
        redline = _outline(world, project, spot)
        district = int(project.town_code[-3:]) % 200
        project.site = Site(
            redline,
            f"441900{district:03d}{spot.cell[0] % 1000:03d}GB{project.number % 100_000:05d}",
            f"HX441900{project.number:06d}",
            only_p2="新增用地" in project.conditions and chance.random() < 0.04,
        )


def _town_name(project: Project) -> str:
    return project.town


def part(redline: Polygon, share: float) -> Polygon:
    """A piece wholly inside the red line, near ``share`` of its area, from its western side."""
    inner = redline.buffer(-0.5)
    left, low, right, top = inner.bounds
    narrow, wide = left, right
    for _ in range(18):
        middle = (narrow + wide) / 2
        if shapely.clip_by_rect(inner, left, low, middle, top).area < share * redline.area:
            narrow = middle
        else:
            wide = middle
    piece = inner.intersection(box(left, low, wide, top))
    if isinstance(piece, MultiPolygon):
        piece = max(piece.geoms, key=lambda g: g.area)
    return shapely.set_precision(piece, 0.001, mode="pointwise")


def idle_spot(world: World, number: int) -> tuple[str, Polygon]:
    """A small polygon on land of no project (the gaps between cells), and its town code."""
    codes = sorted(code for code in world.catalogue.towns if code != LAKE)
    chance = dice(world.seed, "idle", number)
    code = chance.choice(codes)
    town = world.catalogue.towns[code][0].removeprefix("东莞市").removesuffix("人民政府").removesuffix("办事处")
    x, y = chance.choice(_cells(code, town))
    width, height = chance.uniform(30, 200), chance.uniform(6, 14)
    left, low = x * CELL + 60, y * CELL + 2
    return code, box(left, low, left + width, low + height)
