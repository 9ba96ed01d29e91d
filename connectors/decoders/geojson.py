"""A page of GeoJSON features → columns; shared by OGC API – Features and STAC.

Columns: ``id``, ``collection`` where features have one, ``geometry`` and ``bbox`` as JSON text byte for byte, and
every property under its own name.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import shapely

from connectors.base import Issue, Reject
from connectors.decoders import geometry, jsonrows
from connectors.decoders.answers import stated_error
from connectors.limits import Limits
from core import shapes
from core.errors import ProviderError, TransientError

_OWN = ("id", "collection", "geometry", "bbox", "assets")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Features:
    """A page, opened. ``rows`` as for :func:`connectors.decoders.jsonrows.table`; ``links``, ``matched`` as the page says."""

    def __init__(self, body: bytes, limits: Limits | None = None) -> None:
        """:raises ValueError: no feature collection."""
        body, self._mended = jsonrows.sound(body, "features", limits)
        page = _object.decode(body)
        listed = page.get("features")
        if listed is not None and bytes(listed) == b"null":  # how some write an empty list
            listed = msgspec.Raw(b"[]")
        if listed is None or not bytes(listed).startswith(b"["):
            raise ValueError("no list of features")
        features, places, self.rejects = jsonrows.rows(listed, "feature")
        if not features and not self.rejects and (error := stated_error(msgspec.json.decode(body))):
            raise ValueError(f"it has no features and tells of an error, {error}")
        self.rows, self.places = [], []
        for feature, place in zip(features, places, strict=True):
            try:
                row = (
                    _object.decode(feature["properties"])
                    if bytes(feature.get("properties", b"null")) != b"null"
                    else {}
                )
            except msgspec.DecodeError:
                raw = bytes(feature["properties"]).decode("utf-8", "replace")
                self.rejects.append(Reject(place, "not_an_object", "a feature's properties are no JSON object", raw))
                continue
            row.update({name: feature[name] for name in _OWN if name in feature})
            self.rows.append(row)
            self.places.append(place)
        links = page.get("links")
        self.links: list[dict[str, Any]] = []
        if links is not None:
            found = msgspec.json.decode(links)
            self.links = [link for link in found or [] if isinstance(link, dict)]
        self.matched = _matched(page)

    @cached_property
    def issues(self) -> list[Issue]:
        """What was mended, and geometries that are no valid shape; found when asked for, which decoding alone does."""
        return [*self._mended, *_crossing(self.rows)]

    @property
    def next(self) -> dict[str, Any] | None:
        """The link to what follows; None at the end."""
        return next((link for link in self.links if link.get("rel") == "next" and link.get("href")), None)


def read(body: bytes, feed: str, limits: Limits | None = None) -> Features:
    """:raises TransientError: the answer was cut, or is something else."""
    try:
        return Features(body, limits)
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise TransientError(
            f"{feed}: the answer is no feature collection: {error}",
            remedy="tried again by itself; if it lasts, tell the source's owner",
            zh=f"数据项 {feed} 的响应不是要素集合，将自动重试；如持续，请联系数源部门。",
            feed=feed,
            code="not_a_page",
        ) from error


def _crossing(rows: list[dict[str, msgspec.Raw]]) -> list[Issue]:
    """Geometries that are no valid shape (a ring that crosses itself, say), told by record; what cannot be read at all is the
    mapping's to reject."""
    known = [(row.get("id"), bytes(row["geometry"]).decode("utf-8", "replace")) for row in rows if "geometry" in row]
    known = [(key, text) for key, text in known if text != "null" and shapes.is_readable(text)]
    if not known:
        return []
    parsed = shapely.from_geojson(np.array([text for _, text in known], dtype=object), on_invalid="ignore")
    return [
        Issue("geometry_invalid", why, jsonrows.one(key) if key is not None else None)
        for (key, _), why in zip(known, geometry.invalid(parsed), strict=True)
        if why is not None
    ]


def endless(feed: str) -> ProviderError:
    """A next link that leads back."""
    return ProviderError(
        f"{feed}: the next link leads to a page that was read already: the listing has no end",
        remedy="tell the source's owner",
        zh=f"数据项 {feed} 的下一页链接指回已读过的页，请联系数源部门。",
        feed=feed,
        code="cursor_loop",
    )


def _matched(page: dict[str, msgspec.Raw]) -> int | None:
    """``numberMatched``, or STAC's ``context.matched``; None where it is no number."""
    matched = page.get("numberMatched")
    if matched is None and "context" in page:
        try:
            matched = _object.decode(page["context"]).get("matched")
        except msgspec.DecodeError:
            return None
    text = jsonrows.one(matched) if matched is not None else None
    return int(text) if text and text.isdigit() else None
