"""The rules as data: ``supervision/rules/*.yaml``, read and checked (models: :mod:`supervision.declaration`). Meanings:
docs/rules.md.

Every loader names file and line of what is wrong (:mod:`core.declared`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model

from core import declared, settings
from supervision import discovery
from supervision.calendar import Calendar, Overrides
from supervision.declaration import CalendarTable, ClockRules, Completeness, Named, Needs, Orders, Routing, Rulebook
from supervision.rule import Rule

FOLDER = settings.ROOT / "supervision" / "rules"


class _Written(BaseModel):
    """rules.yaml as it stands; :func:`load` adds the rules that are registered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    supervision_start: date
    clock: ClockRules
    completeness: Completeness
    items: Named


def load(folder: Path = FOLDER) -> Rulebook:
    """The rulebook of a folder. A rule that stands as ``false`` is off.

    :raises ConfigurationError: with file and line of everything that is wrong: a registered rule without an entry, an entry of
        no rule, a value that is missing or no value of the rule.
    """
    document = declared.read(folder / "rules.yaml")
    written = declared.build(document, _model(tuple(discovery.codes().items())))
    faults = [
        (
            ("rules",),
            f"has no entry for {check.rule} ({check.where}): give its values, or `{check.rule}: false` to turn it off",
        )
        for check in discovery.checks().values()
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
    checks = discovery.checks()
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
