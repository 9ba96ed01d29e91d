"""The rules as data: ``supervision/rules/*.yaml``, read and checked. Meanings: docs/rules.md.

Every loader names file and line of what is wrong (:mod:`core.declared`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, field_validator

from core import declared, settings
from supervision import rule
from supervision.calendar import Calendar, Overrides
from supervision.rule import Days, Rule, Share

FOLDER = settings.ROOT / "supervision" / "rules"


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


class _Written(BaseModel):
    """rules.yaml as it stands; :func:`load` adds the rules that are registered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    supervision_start: date
    clock: ClockRules
    completeness: Completeness
    items: Named


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


def load(folder: Path = FOLDER) -> Rulebook:
    """The rulebook of a folder. A rule that stands as ``false`` is off.

    :raises ConfigurationError: with file and line of everything that is wrong: a registered rule without an entry, an entry of
        no rule, a value that is missing or no value of the rule.
    """
    document = declared.read(folder / "rules.yaml")
    written = declared.build(document, _model(tuple(rule.codes().items())))
    faults = [
        (
            ("rules",),
            f"has no entry for {check.rule} ({check.where}): give its values, or `{check.rule}: false` to turn it off",
        )
        for check in rule.checks().values()
        if check.values is not None and check.rule not in document.data["rules"]
    ]
    if faults:
        raise document.errors(faults)
    rules = {code: values for code in document.data["rules"] if (values := getattr(written.rules, code)) is not None}
    head = {name: getattr(written, name) for name in _Written.model_fields}
    return Rulebook(by_name=rules, **head)


@cache
def _model(codes: tuple[tuple[str, type[Rule]], ...]) -> Any:
    """rules.yaml with an entry a registered rule."""

    def entry(values: type[Rule]) -> Any:
        return Annotated[values | None, BeforeValidator(_off)], None

    config = ConfigDict(frozen=True, extra="forbid")
    rules = create_model("RuleSet", __config__=config, **{code: entry(values) for code, values in codes})
    return create_model("RulesFile", __base__=_Written, rules=(rules, ...))


def _off(given: Any) -> Any:
    """``false``: the rule is off. Empty is no way to say so."""
    if given is None:
        raise ValueError("is empty: give its values, or false to turn the rule off")
    return None if given is False else given


def orders(folder: Path = FOLDER) -> Orders:
    """How work orders go. :raises ConfigurationError: as :func:`load`."""
    return declared.load(folder / "orders.yaml", Orders)


def routing(folder: Path = FOLDER) -> Routing:
    """Who gets what, other than by the catalogue. :raises ConfigurationError: as :func:`load`."""
    return declared.load(folder / "routing.yaml", Routing)


def needs(folder: Path = FOLDER) -> Needs:
    """Which feeds a verdict needs in full.

    :raises ConfigurationError: as :func:`load`; a rule that concludes from absence without an entry, an entry of no such rule.
    """
    document = declared.read(folder / "completeness.yaml")
    found = declared.build(document, Needs)
    checks = rule.checks()
    waiting = {key: check for key, check in checks.items() if check.waits}
    faults: list[tuple[tuple[str | int, ...], str]] = [
        (
            ("rules",),
            f"has no entry for {key} ({check.where}), which concludes from absence: list the feeds that it needs",
        )
        for key, check in waiting.items()
        if not found.rules.get(key)
    ]
    for key in found.rules.keys() - waiting.keys():
        because = "rests on what is there: it waits for no feed" if key in checks else "is no such rule"
        faults.append((("rules", key), because + ("" if key in checks else declared.suggestion(key, waiting))))
    if faults:
        raise document.errors(faults)
    return found


def calendar(folder: Path = FOLDER, moved: Mapping[date, bool] | None = None) -> Calendar:
    """The official calendar under the city's own table ``calendar.yaml``, and under days that are supposed to be otherwise.

    :raises ConfigurationError: as :func:`load`.
    """
    own = declared.load(folder / "calendar.yaml", CalendarTable)
    return Calendar(Overrides(years=frozenset(own.years), days={**own.days, **(moved or {})}))
