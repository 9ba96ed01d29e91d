"""A rule is one thing: its function, and beside it what it may be set to, and whether it concludes from absence.

A rule is a function in a module of :mod:`supervision.findings`, registered by its decorator::

    class Instant(Rule):
        within_minutes: int

    @rule("C5", Instant)
    def instant_decision(c: Context, rule: Instant) -> pl.DataFrame: ...

Its values (name, severity, texts, thresholds) stand in ``rules/rules.yaml`` under its code; a rule with ``waits`` concludes from
absence, and ``rules/completeness.yaml`` says under its key which feeds it needs in full. :mod:`supervision.rulebook` refuses a
folder in which an entry is missing or left over, and :mod:`supervision.judge` runs what is registered
(:mod:`supervision.discovery`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from core.errors import InternalError

if TYPE_CHECKING:
    import polars as pl

Days = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Severity = Annotated[int, Field(ge=1, le=3)]
Function = TypeVar("Function", bound=Callable[..., Any])


class Rule(BaseModel):
    """What rules.yaml says of every rule; a subclass beside the rule's function adds its thresholds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    severity: Severity
    asks_action: bool
    out_of_system: bool = Field(False, description="体外循环: counts among the out-of-system items")
    lifted_by: str = Field(min_length=1, description="what would lift the finding, for whoever has to act")
    innocent: list[str] = Field(
        default_factory=list, description="known innocent explanations, for whoever has to judge"
    )


@dataclass(frozen=True, slots=True)
class Check:
    """A registered function. ``key``: the rule's code, or ``<code>_<part>`` of a rule that is checked in several parts, each with
    its own needs. ``function(context, values)`` gives a frame of :data:`supervision.findings.FOUND`."""

    key: str
    rule: str
    function: Callable[[Any, Any], pl.DataFrame]
    values: type[Rule] | None
    waits: bool

    @property
    def where(self) -> str:
        """Where the function stands, for messages."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


registered: dict[str, Check] = {}  # those of the modules imported so far; all of them: supervision.discovery.checks()


def rule(
    code: str, values: type[Rule] | None = None, *, part: str | None = None, waits: bool = False
) -> Callable[[Function], Function]:
    """Register a rule, or with ``part`` a further part of one. ``values``: the model of its entry in rules.yaml. ``waits``: it
    concludes from absence (its findings have ``since``), so completeness.yaml says what it needs.

    :raises InternalError: the code is registered already.
    """
    key = f"{code}_{part}" if part else code

    def register(function: Function) -> Function:
        check = Check(key, code, function, None if part else values or Rule, waits)
        if (other := registered.get(key)) is not None and other.where != check.where:
            raise InternalError(
                f"{check.where} registers the rule {key}, as {other.where} does",
                remedy="give the rule a code of its own",
                zh=f"规则 {key} 登记了两次：{other.where} 与 {check.where}。",
            )
        registered[key] = check
        return function

    return register
