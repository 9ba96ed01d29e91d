"""What the options of every protocol share: strictness, the HTTP settings, checks of names and patterns.

These models import nothing but pydantic and the city's clock: a declaration is checked, and its JSON Schema published,
without loading a protocol's own libraries.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from core import clock
from sources.options.limits import Limits


class Strict(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class HttpSettings(Strict):
    """How an HTTP endpoint is talked to. Durations in seconds, sizes in bytes."""

    attempts: int = Field(6, ge=1, le=100, description="Attempts of a call, the first included")
    first: float = Field(0.5, gt=0, le=60, description="Seconds before the second attempt; doubled with each")
    longest: float = Field(60.0, gt=0, le=3600, description="Longest wait between two attempts")
    total: float = Field(300.0, gt=0, le=7200, description="All waiting of a call together")
    connect: float = Field(10.0, gt=0, le=300, description="Seconds to connect")
    read: float | None = Field(
        None, gt=0, le=3600, description="Seconds between two bytes; default: the source's timeout"
    )
    answer: float = Field(900.0, gt=0, le=86400, description="Seconds for a whole answer")
    max_bytes: int = Field(64 << 20, ge=1, le=1 << 30, description="Largest answer in memory")
    max_file_bytes: int = Field(4 << 30, ge=1, description="Largest answer in a file")

    @model_validator(mode="after")
    def _grows(self) -> HttpSettings:
        if self.first > self.longest:
            raise ValueError(f"first ({self.first}) is longer than longest ({self.longest})")
        return self


class SourceOptions(Strict):
    """Of a source whose protocol has none of its own."""


class HttpSourceOptions(SourceOptions):
    """Of a source over HTTP."""

    http: HttpSettings = HttpSettings()


def _past(value: datetime | date | None) -> datetime | date | None:
    # by the real day of the city: the machine's may be another, and a hub whose clock is set back reads its declarations too
    today = datetime.now(clock.SHANGHAI).date()
    if value is not None and (value.date() if isinstance(value, datetime) else value) > today:
        raise ValueError("lies in the future: nothing would ever be read")
    return value


class FeedOptions(Strict):
    """Of a feed, whatever its protocol."""

    first: Annotated[datetime | date | None, AfterValidator(_past)] = Field(
        None, description="Where a feed with a window cursor begins, where the source wants both bounds"
    )
    limits: Limits = Field(Limits(), description="Bounds of one payload")


def _pattern(value: str) -> str:
    if not value:
        raise ValueError("is empty, and matches nothing")
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression that compiles."""


def _unlike(names: list[str]) -> list[str]:
    if len({name.casefold() for name in names}) < len(names) or not all(name.strip() for name in names):
        raise ValueError("names a column twice, or one without a name")
    return names


Text = Annotated[str, Field(min_length=1)]
Names = Annotated[list[str], AfterValidator(_unlike)]
"""Columns, each once."""


def _crs(value: str) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        found = CRS.from_user_input(value)
        if (
            not re.search(r"[:+\[=]", value) and found.name.casefold() != value.casefold()
        ):  # PROJ guesses by part of a name
            raise CRSError(value)
    except CRSError:
        raise ValueError(
            f"{value!r} is no coordinate reference that PROJ knows: write EPSG:4547, a PROJ string or WKT"
        ) from None
    return value


Crs = Annotated[str, AfterValidator(_crs)]
"""A coordinate reference that PROJ knows."""


def degrees(value: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """:raises ValueError: it is no window of west, south, east, north in degrees."""
    west, south, east, north = value
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError("is no window: west, south, east, north in degrees, west and south the smaller")
    return value


Degrees = Annotated[tuple[float, float, float, float], AfterValidator(degrees)]
"""West, south, east, north."""
