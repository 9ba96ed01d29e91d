"""Geometries from strangers, before GEOS is asked: what would end the process, or never end, is seen by its text.

GEOS reads nested collections by recursion, without a bound: a text of some hundred KiB ends the process. It computes
every crossing of a boundary with itself when it makes it valid: some thousand points may have millions.
"""

from __future__ import annotations

import re

import numpy as np
import shapely

LONGEST = 32 << 20  # characters of a geometry's text
_NESTED = 8  # collections within collections
_DEEP = re.compile(r"(?:[\[(]\s*+){8}")  # brackets in a row: a multipolygon has four
_CROSSINGS = 20_000  # pairs of segments near each other, beyond those that follow each other
_CHUNK = 2_000


def is_readable(text: str) -> bool:
    """Whether WKT, hexadecimal WKB or GeoJSON may be given to GEOS. It may be none of them all the same."""
    if len(text) > LONGEST:
        return False
    first = text[:1]
    if first in "0123456789":
        return _is_readable_wkb(text)
    if first == "{":
        if text.count("{") > 4 * _NESTED:
            return False
        return text.count("GeometryCollection") <= _NESTED and not _DEEP.search(text)
    return text.upper().count("COLLECTION") <= _NESTED and not _DEEP.search(text)


def _is_readable_wkb(text: str) -> bool:
    """A single geometry nests nothing; a collection says so in its own header, and in each of those within it."""
    kinds = text[2:10].lower()
    if "07" not in (kinds[:2], kinds[6:8]):
        return True
    lower = text.lower()
    return len(re.findall("0107[0-9a-f]{2}00[0-9a-f]{2}|00[0-9a-f]{2}00[0-9a-f]{2}07", lower)) <= _NESTED


def is_drawable(shapes: shapely.Geometry | np.ndarray | None) -> np.ndarray:
    """Whether there is a shape that lies on the Earth, in degrees: what has no point, NaN or 1e300 is no place on a map."""
    west, south, east, north = np.moveaxis(np.asarray(shapely.bounds(shapes)), -1, 0)
    return (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)  # comparing with NaN is false


def is_tangled(geometry: shapely.Geometry | None) -> bool:
    """Whether an invalid geometry crosses itself so often that nobody can make it valid. Linear but for those."""
    if geometry is None or shapely.is_valid(geometry):
        return False
    crossings = 0
    for ring in shapely.get_rings(geometry):
        points = shapely.get_coordinates(ring)
        if len(points) < 200:
            continue
        segments = shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1))
        tree = shapely.STRtree(segments)
        for start in range(0, len(segments), _CHUNK):
            part = segments[start : start + _CHUNK]
            near = tree.query(part, predicate="intersects").shape[1]
            crossings += max(0, near - 3 * len(part))
            if crossings > _CROSSINGS:
                return True
    return False
