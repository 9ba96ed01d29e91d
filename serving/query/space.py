"""Shapes of the store for maps: geometries by box, judged by the same views; longitude first, EPSG:4490."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.shapes import is_drawable
from serving.query.listing import Filter

Box = tuple[float, float, float, float]  # west, south, east, north
#: layers with a geometry of their own: view → id column
SHAPED = ("redline", "parcel", "change_polygon", "land_approval", "scene")


@dataclass(frozen=True, slots=True)
class Shapes:
    """``ids`` in their order, and a geometry each."""

    ids: list[str]
    geometries: np.ndarray


def _box(box: Box) -> str:
    west, south, east, north = box
    return f"(({west!r},{south!r}),({east!r},{north!r}))"


def _load(rows: Sequence[Any], box: Box | None) -> Shapes:
    """Without what cannot be drawn: :mod:`store.unservable` tells it."""
    geometries = shapely.from_wkb([bytes(row[1]) for row in rows], on_invalid="ignore")
    drawable = is_drawable(geometries)
    shapes = Shapes([row[0] for row, drawn in zip(rows, drawable, strict=True) if drawn], geometries[drawable])
    return shapes if box is None else inside(shapes, box)


def inside(shapes: Shapes, box: Box) -> Shapes:
    """Those that really meet the box, not only by their own boxes."""
    if not shapes.ids:
        return shapes
    valid = np.where(shapely.is_valid(shapes.geometries), shapes.geometries, shapely.make_valid(shapes.geometries))
    keep = shapely.intersects(valid, shapely.box(*box))
    return Shapes([i for i, chosen in zip(shapes.ids, keep, strict=True) if chosen], shapes.geometries[keep])


def shapes(connection: Connection, view: str, box: Box | None = None, where: Filter | None = None) -> Shapes:
    """Shapes of a view, in order of id."""
    filters = Filter(list(where.parts), dict(where.values)) if where else Filter()
    filters.where("v.geom is not null")
    if box is not None:
        filters.where("v.id in (select serving.in_box(:entity, cast(:box as box)))", entity=view, box=_box(box))
    rows = connection.execute(
        sa.text(f"select v.id, v.geom from asked.{view} v where {filters.sql} order by v.id"), filters.values
    ).all()
    return _load(rows, box)


def project_areas(connection: Connection, box: Box | None = None, where: Filter | None = None) -> Shapes:
    """Projects as the union of their red lines, in order of code."""
    filters = Filter(list(where.parts), dict(where.values)) if where else Filter()
    if box is not None:
        filters.where(
            """v.id in (select b.project_code from asked.redline b
                        where b.id in (select serving.in_box('redline', cast(:box as box))))""",
            box=_box(box),
        )
    rows = connection.execute(
        sa.text(
            f"""select v.id, r.geom from asked.project v join asked.redline r on r.project_code = v.id and r.geom is not null
                where {filters.sql} order by v.id, r.id"""
        ),
        filters.values,
    ).all()
    parts = _load(rows, None)
    if not parts.ids:
        return parts
    ids, starts = np.unique(np.array(parts.ids, dtype=object), return_index=True)
    order = np.argsort(starts)
    ids, starts = ids[order], starts[order]
    ends = [*starts[1:], len(parts.ids)]
    areas = [
        parts.geometries[a] if b - a == 1 else shapely.union_all(parts.geometries[a:b])
        for a, b in zip(starts, ends, strict=True)
    ]
    whole = Shapes(list(ids), np.array(areas, dtype=object))
    return whole if box is None else inside(whole, box)


def project_points(connection: Connection, box: Box | None = None, where: Filter | None = None) -> Shapes:
    """Projects as points, in order of code: a point within the red line; without one, the coordinates that the source gives."""
    areas = project_areas(connection, box, where)
    filters = Filter(list(where.parts), dict(where.values)) if where else Filter()
    filters.where("v.longitude between -180 and 180 and v.latitude between -90 and 90")
    filters.where("not exists (select from asked.redline r where r.project_code = v.id and r.geom is not null)")
    if box is not None:
        filters.where(
            "v.longitude between :west and :east and v.latitude between :south and :north",
            west=box[0],
            south=box[1],
            east=box[2],
            north=box[3],
        )
    rows = connection.execute(
        sa.text(f"select v.id, v.longitude, v.latitude from asked.project v where {filters.sql}"), filters.values
    ).all()
    points = shapely.points([[float(r[1]), float(r[2])] for r in rows]) if rows else np.array([], dtype=object)
    ids = [*areas.ids, *(r[0] for r in rows)]
    geometries = np.concatenate([shapely.point_on_surface(areas.geometries), points]) if ids else points
    order = sorted(range(len(ids)), key=ids.__getitem__)
    whole = Shapes([ids[n] for n in order], geometries[order] if ids else geometries)
    return whole if box is None else inside(whole, box)
