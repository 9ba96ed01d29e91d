"""Options of the protocols over HTTP that a standard or the province defines."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from sources.options.base import FeedOptions, HttpSourceOptions, Names, Text, degrees


def _bbox(value: str) -> str:
    if not re.fullmatch(r"-?[\d.]+(,-?[\d.]+){3}", value):
        raise ValueError("is no minx,miny,maxx,maxy")
    west, south, east, north = (float(part) for part in value.split(","))
    degrees((west, south, east, north))
    return value


def _topic(value: str) -> str:
    levels = value.split("/")
    if "#" in levels[:-1] or any(mark in level and level not in ("#", "+") for level in levels for mark in "#+"):
        raise ValueError("is no topic filter: # is the last level alone, + a whole level")
    return value


class SignedRestFeed(FeedOptions):
    """``signed_rest``: asks POST {base}/ebus/{service}/query."""

    service: Text
    from_: str = Field("updatedFrom", alias="from", description="Name of the window's start in the body")
    to: str = Field("updatedTo", description="Name of the window's end in the body")
    page_size: int = Field(500, ge=1, le=500)
    rounds: int = Field(8, ge=2, le=50, description="How often a moving listing is read again")


class SignedFilesFeed(FeedOptions):
    """``signed_files``: zips with a table and a folder of boundary points."""

    feed: Text = Field(description="Asked for at POST {base}/ebus/files/list")
    page_size: int = Field(500, ge=1, le=500)
    rounds: int = Field(8, ge=2, le=50, description="How often a moving listing is read again")
    table: str = Field(description="The zip's table (GB18030, header in its first line)")
    shapes: str = Field(description="The zip's folder of boundary points, and the raw column that they become")
    shapes_by: str = Field(description="The table's column that names a shape's file")


class OgcFeaturesFeed(FeedOptions):
    """``ogc_features``: asks GET {base}/collections/{collection}/items."""

    collection: Text
    page_size: int = Field(1000, ge=1, le=10_000, description="Sent as limit")
    id_column: str | None = Field(None, description="Property that equals the feature's id; filled from it")
    bbox: Annotated[str, AfterValidator(_bbox)] | None = Field(None, description="minx,miny,maxx,maxy")
    margin: int = Field(32, ge=0, le=366, description="Days by which a window is asked for wider at its start")
    rounds: int = Field(3, ge=1, le=20, description="How often it is read again while numberMatched says more")


class StacFeed(FeedOptions):
    """``stac``: item search."""

    collections: Names = Field(min_length=1)
    page_size: int = Field(500, ge=1, le=10_000, description="Sent as limit")


class WfsFeed(FeedOptions):
    """``wfs``: a layer, read whole."""

    layer: Text = Field(description="The server's own prefix is taken from its capabilities; the local name counts")
    size: int = Field(1000, ge=1, description="Features a page; the server may cap it")
    sort: bool = Field(True, description="sortBy the key; done without where the server does not honour it")
    area: str | None = Field(None, description="Column with the stated area in m², compared with the geometry's")
    columns: Names = Field(default_factory=list, description="The contract's columns, for their case")


class MqttFeed(FeedOptions):
    """``mqtt``: messages of a persistent session."""

    topic: Annotated[Text, AfterValidator(_topic)] = Field(description="Names in braces become columns")
    quiet: float = Field(2, gt=0, le=600, description="Seconds without a message: the session counts as drained")
    longest: float = Field(60, gt=0, le=3600, description="Seconds of one reading at most")
    most: int = Field(100_000, ge=1, description="Messages of one reading at most")


Services = HttpSourceOptions
