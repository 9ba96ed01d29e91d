"""Rows of a view, filtered, in order of its key, a page at a time; values as JSON has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import shapely
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.clock import SHANGHAI
from core.shapes import is_drawable
from serving.query import paging
from serving.query.paging import Page
from serving.sql.views import View, views

MAX_LIMIT = 1000


@dataclass(slots=True)
class Filter:
    """Conditions in SQL over the view ``v``, with their parameters; built from fixed text, never from a user's."""

    parts: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def where(self, condition: str, **values: Any) -> Filter:
        """Add a condition; left out when one of its values is None."""
        if all(value is not None for value in values.values()):
            self.parts.append(condition)
            self.values.update(values)
        return self

    @property
    def sql(self) -> str:
        return " and ".join(self.parts) or "true"


def _relation(view: View) -> str:
    return f'asked."{view.name}" v'


def columns_of(view: View, fields: Iterable[str] | None, geometry: bool) -> list[str]:
    """Names to select: those asked for that the view has, else all; geometries only when asked for or ``geometry``."""
    if fields is not None:
        return [name for name in dict.fromkeys(fields) if name in view.by_name]
    return [c.name for c in view.columns if geometry or c.type != "geometry"]


def select(
    connection: Connection,
    name: str,
    where: Filter,
    *,
    fields: Iterable[str] | None = None,
    geometry: bool = False,
    order: str | None = None,
    limit: int = MAX_LIMIT,
) -> list[dict[str, Any]]:
    """Up to ``limit`` rows of a view, by its key or by ``order`` (SQL over ``v``)."""
    view = views()[name]
    names = columns_of(view, fields, geometry)
    order = order or ", ".join(f"v.{key}" for key in view.key)
    rows = connection.execute(
        sa.text(f"select {_list(names)} from {_relation(view)} where {where.sql} order by {order} limit :limit_"),
        {**where.values, "limit_": limit},
    )
    return plain(view, names, rows)


def page(
    connection: Connection,
    name: str,
    where: Filter,
    *,
    fields: Iterable[str] | None = None,
    after: str | None = None,
    limit: int = 100,
    label: str | None = None,
) -> Page:
    """A page of a view.

    :param after: cursor of the page before; keyset, so that rows written meanwhile shift nothing.
    :raises paging.BadCursorError: ``after`` is no cursor of this listing.
    """
    view, label = views()[name], label or name
    names = columns_of(view, fields, geometry=False)
    key = list(view.key)
    taken = [*names, *(k for k in key if k not in names)]
    if after is not None:
        kinds = tuple(int if view.by_name[k].type in ("int", "integer") else str for k in key)
        start = paging.decode(label, after, kinds)
        where = Filter(list(where.parts), dict(where.values)).where(
            f"({', '.join(f'v.{k}' for k in key)}) > ({', '.join(f':after_{n}' for n in range(len(key)))})",
            **{f"after_{n}": value for n, value in enumerate(start)},
        )
    rows = connection.execute(
        sa.text(
            f"select {_list(taken)} from {_relation(view)} where {where.sql} order by {', '.join(f'v.{k}' for k in key)} limit :limit_"
        ),
        {**where.values, "limit_": limit + 1},
    ).all()
    more = len(rows) > limit
    rows = rows[:limit]
    following = paging.encode(label, tuple(getattr(rows[-1], k) for k in key)) if more else None
    return Page(plain(view, names, rows), following)


def one(
    connection: Connection, name: str, where: Filter, *, fields: Iterable[str] | None = None, geometry: bool = False
) -> dict[str, Any] | None:
    """The first row that holds, or None."""
    found = select(connection, name, where, fields=fields, geometry=geometry, limit=1)
    return found[0] if found else None


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"v.{name}" for name in names)


#: Types whose values JSON has as they are.
_AS_THEY_ARE = {"text", "texts", "int", "integer", "small", "bool", "json"}


def plain(view: View, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows, whose first columns are ``names``, as JSON has them: local times with their zone, decimals as numbers, geometries
    as GeoJSON. By place and only where there is something to do: a hundred cases have six thousand values."""
    others = [(name, kind) for name in names if (kind := view.by_name[name].type) not in _AS_THEY_ARE]
    listed = []
    for row in rows:
        made = dict(zip(names, row, strict=False))
        for name, kind in others:
            if (value := made[name]) is not None:
                made[name] = value_of(kind, value)
        listed.append(made)
    return listed


def value_of(kind: str, value: Any) -> Any:
    """One value as JSON has it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None and value.year > 1991:  # no summer time since
            return value.isoformat() + "+08:00"
        return (value.astimezone(SHANGHAI) if value.tzinfo else value.replace(tzinfo=SHANGHAI)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if kind == "geometry":
        shape = shapely.from_wkb(bytes(value), on_invalid="ignore")
        return json.loads(shapely.to_geojson(shape)) if is_drawable(shape) else None
    return value
