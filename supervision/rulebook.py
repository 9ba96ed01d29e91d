"""The rules as data: ``supervision/rules/*.yaml``, read and checked. Meanings: docs/rules.md.

Every loader names file and line of what is wrong (:mod:`core.declared`).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core import declared, settings
from supervision.calendar import Calendar, Overrides

FOLDER = settings.ROOT / "supervision" / "rules"


Days = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Severity = Annotated[int, Field(ge=1, le=3)]


class Rule(BaseModel):
    """One rule's name, severity and who has to act; a subclass adds its thresholds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    severity: Severity
    asks_action: bool
    out_of_system: bool = Field(False, description="体外循环: counts among the out-of-system items")
    lifted_by: str = Field("", description="what would lift the finding, for whoever has to act")
    innocent: list[str] = Field(
        default_factory=list, description="known innocent explanations, for whoever has to judge"
    )

    def __getitem__(self, threshold: str) -> Any:
        return getattr(self, threshold)


class Levels(BaseModel):
    """Severity by level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    红: Severity
    双红: Severity


class Overdue(Rule):
    severity: Levels


class Stalled(Rule):
    quiet_working_days: Days
    ground_months: Days


class Unrecorded(Rule):
    grace_working_days: Days


class Afterwards(Rule):
    grace_working_days: Days
    burst_minutes: int
    span_working_days: Days


class Inverted(Rule):
    date_only_tolerance_days: Days


class Instant(Rule):
    promised_at_least: Days
    within_minutes: int


class Early(Rule):
    working_days_before: Days
    returns_in_chain: int


class Parked(Rule):
    unlimited_working_days: Days
    supplement_working_days: Days
    before_due_working_days: Days
    promised_at_least: Days


class Refiled(Rule):
    before_due_working_days: Days
    again_within_working_days: Days


class Unpermitted(Rule):
    share_of_redline: Share
    square_metres: float
    neighbour_share: Share
    ground_work: list[str]
    building: list[str]


class RuleSet(BaseModel):
    """The rules by name; one that is left out is off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overdue: Overdue | None = None
    returned: Rule | None = None
    stalled: Stalled | None = None
    C1: Rule | None = None
    C2: Unrecorded | None = None
    C3: Afterwards | None = None
    C4: Inverted | None = None
    C5: Instant | None = None
    C6: Early | None = None
    C7: Rule | None = None
    C8: Parked | None = None
    C9: Rule | None = None
    C10: Rule | None = None
    C11: Refiled | None = None
    C12: Rule | None = None
    C13: Unpermitted | None = None
    C14: Rule | None = None
    C15: Rule | None = None


class Completeness(BaseModel):
    """When a hole in the data is no longer waited for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hole_reported_after_days: int = 30


class ClockRules(BaseModel):
    """Thresholds of the clock of a case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision_working_days: int = Field(
        5, gt=0, description="行政许可法 §32: undecided that long after receipt, deemed accepted"
    )
    yellow_days: Days = 1
    yellow_share: Share = 0.2


CLOCK = ClockRules()  # as docs/rules.md has it


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
    rules: RuleSet
    clock: ClockRules
    completeness: Completeness
    items: Named

    @property
    def by_name(self) -> dict[str, Rule]:
        """The rules that are on."""
        return {name: rule for name in RuleSet.model_fields if (rule := getattr(self.rules, name)) is not None}

    def __getitem__(self, rule: str) -> Rule:
        return self.by_name[rule]


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


class Needs(BaseModel):
    """All of completeness.yaml: by rule, patterns of feeds and the words that stand for some."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: dict[str, list[str]]


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


def needs(folder: Path = FOLDER) -> Needs:
    """Which feeds a verdict needs in full. :raises ConfigurationError: as :func:`load`."""
    return declared.load(folder / "completeness.yaml", Needs)


def calendar(folder: Path = FOLDER) -> Calendar:
    """The official calendar under the city's own table ``calendar.yaml``. :raises ConfigurationError: as :func:`load`."""
    own = declared.load(folder / "calendar.yaml", CalendarTable)
    return Calendar(Overrides(years=frozenset(own.years), days=dict(own.days)))
