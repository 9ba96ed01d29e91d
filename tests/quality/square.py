"""A square on the ground, as the feeds have it."""

from __future__ import annotations

import json


def square(x: float, y: float, size: float = 0.001) -> str:
    """GeoJSON MultiPolygon text: lower left corner at (x, y), sides of ``size`` degrees."""
    ring = [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]
    return json.dumps({"type": "MultiPolygon", "coordinates": [[ring]]})
