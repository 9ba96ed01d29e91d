"""The rules as data: ``supervision/rules/*.yaml``, read and checked. Meanings: docs/rules.md.

Every loader names file and line of what is wrong (:mod:`core.declared`).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core import declared, settings
from supervision.calendar import Calendar, Overrides

FOLDER = settings.ROOT / "supervision" / "rules"


class Rule(BaseModel):
    """One rule's name, severity and thresholds; what is not named here is a threshold of that rule alone."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    severity: int | dict[str, int]
    asks_action: bool
    out_of_system: bool = Field(False, description="体外循环: counts among the out-of-system items")
    innocent: list[str] = Field(default_factory=list, description="known innocent explanations, for whoever has to judge")

    def __getitem__(self, threshold: str) -> Any:
        return (self.model_extra or {})[threshold]


class Completeness(BaseModel):
    """When a hole in the data is no longer waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hole_reported_after_days: int = 30


class Named(BaseModel):
    """Items that the rules speak of by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    permit: str = Field(description="施工许可: C13, stalled")
    acceptance: str = Field(description="联合验收: stalled on the ground")


class Rulebook(BaseModel):
    """All of rules.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    supervision_start: date
    rules: dict[str, Rule]
    completeness: Completeness
    items: Named

    def __getitem__(self, rule: str) -> Rule:
        return self.rules[rule]


class Limits(BaseModel):
    """Working days of each step, from the step before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sign: int = Field(gt=0)
    answer: int = Field(gt=0)
    verify: int = Field(gt=0)


class Delivery(BaseModel):
    """Where work orders are told; the address itself is a Connection's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str
    connection: str
    token: str
    post: str
    updates: str
    timeout: timedelta = timedelta(seconds=60)


class Orders(BaseModel):
    """All of orders.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: Limits
    urge_after: int = Field(gt=0)
    escalate_after: int = Field(gt=0)
    superior: dict[str, str]
    delivery: Delivery


class Override(BaseModel):
    """A finding for which all that is given holds goes to ``to``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    rule: str | None = None
    item: str | None = None
    town: str | None = Field(None, description="the project's town_code")
    department: str | None = Field(None, description="whom it would go to otherwise")


class Routing(BaseModel):
    """All of routing.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overrides: list[Override] = Field(default_factory=list)
    otherwise: str | None = None


class CalendarTable(BaseModel):
    """All of calendar.yaml: the city's own days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    years: list[int] = Field(default_factory=list)
    days: dict[date, bool] = Field(default_factory=dict)

    @field_validator("days", mode="before")
    @classmethod
    def _dates(cls, given: Any) -> Any:
        return given or {}


def load(folder: Path = FOLDER) -> Rulebook:
    """The rulebook of a folder. :raises ConfigurationError: with file and line of everything that is wrong."""
    return declared.load(folder / "rules.yaml", Rulebook)


def orders(folder: Path = FOLDER) -> Orders:
    """How work orders go. :raises ConfigurationError: as :func:`load`."""
    return declared.load(folder / "orders.yaml", Orders)


def routing(folder: Path = FOLDER) -> Routing:
    """Who gets what, other than by the catalogue. :raises ConfigurationError: as :func:`load`."""
    return declared.load(folder / "routing.yaml", Routing)


def needs(folder: Path = FOLDER) -> dict[str, list[str]]:
    """Rule → patterns of the feeds that it needs in full. :raises ConfigurationError: as :func:`load`."""
    document = declared.read(folder / "completeness.yaml")
    wrong = [
        ((rule,), "a list of feeds (m2.*, p1.licence) or of the word case")
        for rule, feeds in (document.data or {}).items()
        if not (isinstance(feeds, list) and all(isinstance(feed, str) for feed in feeds))
    ]
    if wrong:
        raise document.errors(wrong)
    return document.data or {}


def calendar(folder: Path = FOLDER) -> Calendar:
    """The official calendar under the city's own table ``calendar.yaml``. :raises ConfigurationError: as :func:`load`."""
    own = declared.load(folder / "calendar.yaml", CalendarTable)
    return Calendar(Overrides(years=frozenset(own.years), days=dict(own.days)))
