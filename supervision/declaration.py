"""What ``supervision/rules/*.yaml`` declares, as models. They are read and checked by :mod:`supervision.rulebook`; meanings:
docs/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from supervision.rule import Days, Rule, Share


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


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All of rules.yaml. ``by_name``: the rules that are on, in the order of the file."""

    version: int
    supervision_start: date
    by_name: dict[str, Rule]
    clock: ClockRules
    completeness: Completeness
    items: Named

    def __getitem__(self, rule: str) -> Rule:
        return self.by_name[rule]

    @property
    def out_of_system(self) -> list[str]:
        """The rules whose findings count as 体外循环."""
        return [name for name, rule in self.by_name.items() if rule.out_of_system]


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
