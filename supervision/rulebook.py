"""The rules as data: ``supervision/rules/rules.yaml``, read and checked. Meanings: docs/rules.md."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

from core import settings
from supervision.calendar import Calendar, Overrides

FOLDER = settings.ROOT / "supervision" / "rules"


class Rule(BaseModel):
    """One rule's name, severity and thresholds; what is not named here is a threshold of that rule alone."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    severity: int | dict[str, int]
    asks_action: bool
    out_of_system: bool = Field(False, description="体外循环: counts among the out-of-system items")

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


def load(folder: Path = FOLDER) -> Rulebook:
    """The rulebook of a folder."""
    return Rulebook.model_validate(YAML(typ="safe").load(folder / "rules.yaml"))


def calendar(folder: Path = FOLDER) -> Calendar:
    """The official calendar under the city's own table ``calendar.yaml``."""
    own = YAML(typ="safe").load(folder / "calendar.yaml")
    return Calendar(Overrides(years=frozenset(own.get("years") or ()), days=dict(own.get("days") or {})))
