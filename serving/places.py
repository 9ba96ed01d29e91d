"""In which town a shape lies, for shapes that name no project: change polygons, parcels, scenes.

Towns are those of ``schemas/catalogue/dongguan-towns.geojson``; a shape belongs to the town of a point within it. What lies
in no town, or changed since it was placed, is shown to nobody who is held to towns.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import shapely
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import settings
from serving.access import towns as known_towns
from store.copying import copy_frame

ENTITIES = ("change_polygon", "parcel", "scene")
_PLACE = sa.table("place", *(sa.column(c) for c in ("entity", "id", "content_hash", "town_code")), schema="serving")


@cache
def towns() -> tuple[list[str], list[str], np.ndarray]:
    """(codes, names, polygons) of the towns, in longitude and latitude."""
    document = json.loads(
        (settings.ROOT / "schemas" / "catalogue" / "dongguan-towns.geojson").read_text(encoding="utf-8")
    )
    codes, names, shapes = [], [], []
    for feature in document["features"]:
        name = feature["properties"]["name"]
        found = [code for code, office in known_towns().items() if name in office]
        if found:
            codes.append(found[0])
            names.append(name)
            shapes.append(_polygon(feature["geometry"]["coordinates"]))
    return codes, names, np.array(shapes, dtype=object)


def _polygon(rings: list[Any]) -> shapely.Geometry:
    """The file has rings of too few points, slivers of its making: they bound nothing."""
    shell, *holes = [ring for ring in rings if len(ring) >= 4]
    return shapely.make_valid(shapely.Polygon(shell, holes))


def town_of(shapes: np.ndarray) -> list[str | None]:
    """Town codes of shapes; None: it lies in none, or is empty."""
    codes, _, polygons = towns()
    tree = shapely.STRtree(polygons)
    found: list[str | None] = [None] * len(shapes)
    for at, town in tree.query(shapely.point_on_surface(shapes), predicate="within").T:
        found[at] = codes[town]
    return found


def refresh(connection: Connection) -> int:
    """Place what is new or has changed; returns how many shapes were placed."""
    placed = 0
    for entity in ENTITIES:
        rows = connection.execute(
            sa.text(
                f"""select x.id, x.content_hash, x.geom from store.{entity} x
                    left join serving.place p on p.entity = :entity and p.id = x.id
                    where x.geom is not null and p.content_hash is distinct from x.content_hash"""
            ),
            {"entity": entity},
        ).all()
        if not rows:
            continue
        frame = pl.DataFrame(
            {
                "entity": [entity] * len(rows),
                "id": [r.id for r in rows],
                "content_hash": [bytes(r.content_hash) for r in rows],
                "town_code": town_of(shapely.from_wkb([bytes(r.geom) for r in rows], on_invalid="ignore")),
            },
            schema_overrides={"town_code": pl.String},
        )
        connection.execute(
            sa.text("delete from serving.place where entity = :entity and id = any(:ids)"),
            {"entity": entity, "ids": frame["id"].to_list()},
        )
        copy_frame(connection, _PLACE, frame)
        placed += frame.height
    return placed
