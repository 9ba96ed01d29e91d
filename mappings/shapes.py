"""Geometry text (WKT, hex WKB, GeoJSON; EPSG:4490, longitude first) → WKB, by shapely's array functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import shapely

from core import shapes as guard


def _finite(parsed: np.ndarray) -> np.ndarray:
    """Whether every coordinate is a number; an empty geometry has none. Whether they are degrees is a suite's to say."""
    coordinates, at = shapely.get_coordinates(parsed, return_index=True)
    finite = np.ones(len(parsed), dtype=bool)
    finite[at[~np.isfinite(coordinates).all(axis=1)]] = False
    return finite


def _unhexed(texts: np.ndarray) -> np.ndarray:
    """Hexadecimal digits as bytes, for which GEOS takes ten times as long; as they are, where one is something else."""
    try:
        given = [bytes.fromhex(one) for one in texts]
    except ValueError:
        return texts
    if any(2 * len(one) != len(text) for one, text in zip(given, texts, strict=True)):  # it has blanks
        return texts
    return np.array(given, dtype=object)


def shapes(text: pl.Series, *, multi: bool = False) -> tuple[pl.Series, pl.Series | None]:
    """(WKB of two dimensions, mask of unreadable). ``multi``: a Polygon becomes a MultiPolygon of one.

    Unreadable is what is no geometry, has coordinates that are no numbers, is unsafe (:mod:`core.shapes`), or with ``multi``
    has no area. A geometry without a point is none: null.
    """
    where = text.is_not_null().arg_true()
    if not len(where):
        return pl.Series([None], dtype=pl.Binary).new_from_index(0, len(text)), None
    given = np.array(text.gather(where).to_list(), dtype=object)
    first = np.array([one[:1] for one in given])
    safe = np.array([guard.is_readable(one) for one in given])
    given = np.where(safe, given, "")
    first = np.where(safe, first, "")
    parsed = np.full(len(given), None, dtype=object)
    readers: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
        (first == "{", lambda part: shapely.from_geojson(part, on_invalid="ignore")),
        (np.isin(first, list("0123456789")), lambda part: shapely.from_wkb(_unhexed(part), on_invalid="ignore")),
    )
    for kind, read in readers:
        if kind.any():
            parsed[kind] = read(given[kind])
    rest = shapely.is_missing(parsed) & np.char.isalpha(first.astype(str))
    if rest.any():
        parsed[rest] = shapely.from_wkt(given[rest], on_invalid="ignore")
    for position in np.flatnonzero(~shapely.is_valid(parsed) & ~shapely.is_missing(parsed)):
        if guard.is_tangled(parsed[position]):
            parsed[position] = None
    if multi:
        single = shapely.get_type_id(parsed) == 3
        if single.any():
            parsed[single] = shapely.multipolygons(parsed[single], indices=np.arange(single.sum()))
        parsed[(shapely.get_type_id(parsed) != 6) & ~shapely.is_empty(parsed)] = None
    parsed[~_finite(parsed)] = None
    bad = shapely.is_missing(parsed)
    parsed[shapely.is_empty(parsed)] = None
    wkb = shapely.to_wkb(parsed, output_dimension=2, byte_order=1)
    out: list[bytes | None] = [None] * len(text)
    for position, value in zip(where.to_list(), wkb, strict=True):
        out[position] = value
    mask = None
    if bad.any():
        mask = pl.Series([False]).new_from_index(0, len(text)).scatter(where.filter(pl.Series(bad)), True)
    return pl.Series(out, dtype=pl.Binary), mask
