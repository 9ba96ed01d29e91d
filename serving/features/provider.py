"""A pygeoapi provider that reads the views of ``onemap`` for whoever asks."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

import numpy as np
import shapely
from pygeoapi.provider.base import BaseProvider, ProviderInvalidQueryError, ProviderItemNotFoundError
from pygeoapi.util import crs_transform

from serving.access import Grant, reading
from serving.query import space
from serving.query.listing import Filter, select
from serving.sql.views import Column, views

asking: ContextVar[Grant] = ContextVar("asking")
_KINDS = {
    "int": "integer",
    "integer": "integer",
    "small": "integer",
    "decimal": "number",
    "bool": "boolean",
    "json": "object",
    "texts": "array",
}
_FORMATS = {"date": "date", "timestamp": "date-time", "instant": "date-time"}
LEFT_OUT = {"geom", "provenance"}


class Shapes(BaseProvider):  # type: ignore[misc]  # pygeoapi states no types
    """``data`` names a view, or ``project`` with the option ``as: point`` or ``area``."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self._fields: dict[str, dict[str, Any]] = {}
        super().__init__(definition)
        self.view = views()[self.data]
        self.kind = (self.options or {}).get("as")
        self.get_fields()

    def get_fields(self) -> dict[str, dict[str, Any]]:
        """Properties with their type, title and description."""
        if not self._fields:
            self._fields = {
                column.name: self._field(column) for column in self.view.columns if column.name not in LEFT_OUT
            }
        return self._fields

    @staticmethod
    def _field(column: Column) -> dict[str, Any]:
        schema = {"type": _KINDS.get(column.type, "string"), "title": column.zh, "description": column.en}
        return {**schema, "format": _FORMATS[column.type]} if column.type in _FORMATS else schema

    @crs_transform  # type: ignore[untyped-decorator]  # pygeoapi states no types
    def query(
        self,
        offset: int = 0,
        limit: int = 10,
        resulttype: str = "results",
        bbox: list[Any] | None = None,
        datetime_: str | None = None,
        properties: list[Any] | None = None,
        sortby: list[Any] | None = None,
        select_properties: list[Any] | None = None,
        skip_geometry: bool = False,
        q: str | None = None,
        language: Any = None,
        filterq: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        """A FeatureCollection in order of id. :raises ProviderInvalidQueryError: filter, sorting or text search, which are not offered."""
        if filterq is not None or q is not None or sortby:
            raise ProviderInvalidQueryError(
                "filter, q and sortby are not offered; filter by properties and bbox",
                user_msg="filter, q and sortby are not offered",
            )
        with reading(asking.get()) as connection:
            where = self._where(properties or [])
            found = (
                self._merged([self._shapes(connection, box, where) for box in self._boxes(bbox)])
                if bbox
                else self._shapes(connection, None, where)
            )
            matched = len(found.ids)
            if resulttype == "hits":
                return {"type": "FeatureCollection", "features": [], "numberMatched": matched, "numberReturned": 0}
            taken = slice(offset, offset + limit)
            features = self._features(
                connection, found.ids[taken], found.geometries[taken], select_properties, skip_geometry
            )
        return {
            "type": "FeatureCollection",
            "features": features,
            "numberMatched": matched,
            "numberReturned": len(features),
        }

    @crs_transform  # type: ignore[untyped-decorator]  # pygeoapi states no types
    def get(self, identifier: str, **_: Any) -> dict[str, Any]:
        """One feature. :raises ProviderItemNotFoundError: there is none, or it is not shown."""
        with reading(asking.get()) as connection:
            found = self._shapes(connection, None, Filter().where("v.id = :id", id=identifier))
            if not found.ids:
                raise ProviderItemNotFoundError(f"{identifier} not found", user_msg="not found")
            return self._features(connection, found.ids, found.geometries, None, False)[0]

    def _shapes(self, connection: Any, box: space.Box | None, where: Filter) -> space.Shapes:
        if self.kind == "point":
            return space.project_points(connection, box, where)
        if self.kind == "area":
            return space.project_areas(connection, box, where)
        return space.shapes(connection, self.view.name, box, where)

    @staticmethod
    def _merged(parts: list[space.Shapes]) -> space.Shapes:
        both = {i: geometry for part in parts for i, geometry in zip(part.ids, part.geometries, strict=True)}
        ids = sorted(both)
        return space.Shapes(ids, np.array([both[i] for i in ids], dtype=object))

    @staticmethod
    def _boxes(bbox: list[Any] | None) -> list[space.Box]:
        """One box, or the two of one that crosses the antimeridian; none when a CRS could not carry it over."""
        west, south, east, north = (float(n) for n in bbox or ())
        if not all(np.isfinite((west, south, east, north))):
            return []
        return (
            [(west, south, east, north)]
            if west <= east
            else [(west, south, 180.0, north), (-180.0, south, east, north)]
        )

    def _where(self, properties: list[tuple[str, str]]) -> Filter:
        filters = Filter()
        for n, (name, value) in enumerate(properties):
            column = self.view.by_name.get(name)
            if column is None or column.type in ("json", "texts", "geometry"):
                raise ProviderInvalidQueryError(f"no filter by {name}", user_msg=f"no filter by {name}")
            # compared as text, so that what cannot be a number finds nothing
            filters.where(f"v.{name}{'' if column.type == 'text' else '::text'} = :p{n}", **{f"p{n}": value})
        return filters

    def _features(
        self, connection: Any, ids: list[str], geometries: np.ndarray, names: list[str] | None, skip: bool
    ) -> list[dict[str, Any]]:
        wanted = [name for name in (names or self._fields) if name in self._fields]
        rows = {
            row["id"]: row
            for row in select(
                connection,
                self.view.name,
                Filter().where("v.id = any(:ids)", ids=ids),
                fields=["id", *wanted],
                limit=max(len(ids), 1),
            )
        }
        drawn = [None] * len(ids) if skip else [json.loads(text) for text in shapely.to_geojson(geometries)]
        return [
            {
                "type": "Feature",
                "id": i,
                "geometry": geometry,
                "properties": {
                    name: value for name, value in rows[i].items() if name != "id" or names is None or "id" in names
                },
            }
            for i, geometry in zip(ids, drawn, strict=True)
            if i in rows
        ]
