"""Vector tiles (Mapbox Vector Tile 2.1) in the scheme of web maps, z/x/y in Web Mercator, encoded by mapbox-vector-tile."""

from __future__ import annotations

import math
from typing import Any

import mapbox_vector_tile
import numpy as np
import shapely
from mapbox_vector_tile.encoder import on_invalid_geometry_make_valid
from sqlalchemy.engine import Connection

from serving import places
from serving.query import space
from serving.query.listing import Filter, select

MAX_ZOOM = 20
EXTENT = 4096
_HALF = math.pi * 6378137.0
#: layer → (smallest zoom at which it is drawn, its properties)
LAYERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "towns": (0, ("code", "name")),
    "projects": (0, ("project_code", "project_name", "town_code", "current_stage", "light", "open_findings")),
    "redlines": (11, ("redline_code", "project_code", "area")),
    "change_polygons": (11, ("polygon_code", "change_type", "seen_after", "area")),
}


def bounds(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """A tile's bounds in metres of Web Mercator."""
    size = 2 * _HALF / (1 << z)
    west, north = x * size - _HALF, _HALF - y * size
    return west, north - size, west + size, north


def _degrees(x: float, y: float) -> tuple[float, float]:
    return math.degrees(x / 6378137.0), math.degrees(2 * math.atan(math.exp(y / 6378137.0)) - math.pi / 2)


def _metres(coordinates: np.ndarray) -> np.ndarray:
    latitude = np.clip(coordinates[:, 1], -85.06, 85.06)
    return np.column_stack(
        [np.radians(coordinates[:, 0]) * 6378137.0, np.log(np.tan(np.pi / 4 + np.radians(latitude) / 2)) * 6378137.0]
    )


def tile(connection: Connection, z: int, x: int, y: int, layers: list[str] | None = None) -> bytes:
    """A tile with the layers that its zoom draws; empty bytes when nothing lies in it."""
    west, south, east, north = bounds(z, x, y)
    margin = (east - west) / 64  # what crosses the edge is drawn past it, so that no seam shows
    area = (west - margin, south - margin, east + margin, north + margin)
    box = (*_degrees(area[0], area[1]), *_degrees(area[2], area[3]))
    drawn = []
    for name, (from_zoom, properties) in LAYERS.items():
        if z >= from_zoom and (layers is None or name in layers):
            found, rows = _content(connection, name, box, properties)
            if features := _features(found, rows, area, (east - west) / EXTENT):
                drawn.append({"name": name, "features": features})
    if not drawn:
        return b""
    return mapbox_vector_tile.encode(
        drawn,
        default_options={
            "quantize_bounds": (west, south, east, north),
            "extents": EXTENT,
            "on_invalid_geometry": on_invalid_geometry_make_valid,
        },
    )


def _content(
    connection: Connection, layer: str, box: space.Box, properties: tuple[str, ...]
) -> tuple[space.Shapes, dict[str, dict[str, Any]]]:
    if layer == "towns":
        codes, names, shapes = places.towns()
        whole = space.inside(space.Shapes(list(codes), shapes), box)
        return whole, {code: {"code": code, "name": name} for code, name in zip(codes, names, strict=True)}
    view = {"projects": "project", "redlines": "redline", "change_polygons": "change_polygon"}[layer]
    found = space.project_points(connection, box) if layer == "projects" else space.shapes(connection, view, box)
    if not found.ids:
        return found, {}
    rows = select(
        connection,
        view,
        Filter().where("v.id = any(:ids)", ids=found.ids),
        fields=["id", *properties],
        limit=len(found.ids),
    )
    return found, {row["id"]: {name: row[name] for name in properties if row[name] is not None} for row in rows}


def _features(
    found: space.Shapes, rows: dict[str, dict[str, Any]], area: tuple[float, float, float, float], step: float
) -> list[dict[str, Any]]:
    """Clipped, and no finer than a step of the tile's grid."""
    if not found.ids:
        return []
    projected = shapely.transform(found.geometries, _metres)
    projected = np.where(shapely.is_valid(projected), projected, shapely.make_valid(projected))
    clipped = shapely.simplify(shapely.clip_by_rect(projected, *area), step / 2)
    return [
        {"geometry": geometry, "properties": rows[i]}
        for i, geometry in zip(found.ids, clipped, strict=True)
        if geometry is not None and not geometry.is_empty and i in rows
    ]


def tilejson(base: str) -> dict[str, Any]:
    """TileJSON 3.0: where the tiles are and what they hold."""
    return {
        "tilejson": "3.0.0",
        "name": "一张图 OneMap",
        "scheme": "xyz",
        "tiles": [f"{base}/tiles/{{z}}/{{x}}/{{y}}.mvt"],
        "minzoom": 0,
        "maxzoom": MAX_ZOOM,
        "bounds": [113.5, 22.6, 114.3, 23.2],
        "center": [113.9, 22.9, 10],
        "vector_layers": [
            {"id": name, "minzoom": zoom, "maxzoom": MAX_ZOOM, "fields": dict.fromkeys(properties, "")}
            for name, (zoom, properties) in LAYERS.items()
        ],
    }
