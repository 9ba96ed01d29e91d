"""Options of ``protocol: database``."""

from __future__ import annotations

import codecs
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from sources.options.base import FeedOptions as Base
from sources.options.base import Names, Strict, Text
from sources.options.base import SourceOptions as BaseSource


def _charset(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"{name!r} is no charset that Python knows") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"{name!r} is no time zone; write Asia/Shanghai, UTC or the like") from None
    return name


Charset = Annotated[str, AfterValidator(_charset)]
Zone = Annotated[str, AfterValidator(_zone)]


class Acknowledge(Strict):
    """Which column says that a row was taken, and which name the row."""

    column: Text
    by: Names = Field(min_length=1)


class FeedOptions(Base):
    """``options`` of a feed."""

    table: Text = Field(pattern=r"^[^\s();'\"]([^();'\"]*[^\s();'\"])?$", description="Table or view, no query")
    exclude: Names = Field(default_factory=list, description="Columns never read")
    order: Names = Field(default_factory=list, description="After increment and key, where these name no row")
    acknowledge: Acknowledge | None = Field(None, description="Set to 1 after our commit")
    rows: int = Field(50_000, ge=1, description="Rows of one payload at most")


class SourceOptions(BaseSource):
    """``options`` of a source."""

    schema_: str | None = Field(
        None,
        alias="schema",
        description="Where the tables stand; default: the database's own, else the one that has them",
    )
    read_timeout: float | None = Field(None, gt=0, le=86400, description="Seconds without a byte from the server")
    encoding: Charset | None = Field(
        None, description="What text really is, where the database says another charset or none"
    )
    zone: Zone = Field("Asia/Shanghai", description="Zone of times that carry none: increments and their bounds")
