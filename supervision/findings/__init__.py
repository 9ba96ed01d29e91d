"""The findings: one module a group of rules, each rule a function from what is known to what it found (:mod:`supervision.rule`).

A rule returns a frame of :data:`FOUND`: at most one row a key (project, item, case). Texts are Chinese and say
what the data say, never an accusation (疑似，待核).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import polars as pl
from sqlalchemy.engine import Connection

from store.copying import Schema
from supervision.calendar import Calendar
from supervision.declaration import Needs, Routing, Rulebook
from supervision.expected import Standing
from supervision.facts import Facts
from supervision.read import Frames

FOUND: Schema = {
    "project_code": pl.String,
    "item_code": pl.String,
    "case_no": pl.String,
    "case_id": pl.String,
    "level": pl.String,
    "kind": pl.String,
    "text": pl.String,
    "evidence": pl.List(pl.String),  # golden rows: "case M2:…", "licence …", "change_polygon …"
    "since": pl.Date,  # a verdict from absence: from which day data must be complete; null: it rests on what is there
    "until": pl.Date,  # the last day of that; null: to the day asked about
    "ripe": pl.Date,  # without `until`: the day on which it came to hold, of which the sources must have spoken
    "half": pl.Date,  # of a pause or an end one half alone came: up to that day every feed must have spoken itself
    "unheard": pl.Date,  # nothing was heard of the case for days: up to that day the tables of pauses must have spoken
    "unpaused": pl.Date,  # that no pause came by that day is not acted on before the tables of pauses have spoken
    "rests_on": pl.List(pl.String),  # codes: the verdict rests on what these departments' own systems tell
}

KEY = ["project_code", "item_code"]
FINDING_KEY = [*KEY, "case_no"]  # of a finding, within its rule
CASE = pl.concat_list(pl.format("case {}", pl.col("case_id")))  # the evidence of a finding that rests on its case alone
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """All that a rule may ask, and which feeds its verdict ``needs``. ``cases`` are the facts' cases with the attributes of the item in force on the day of
    receipt and the project's cut-off."""

    as_of: date
    rules: Rulebook
    needs: Needs
    routing: Routing
    calendar: Calendar
    frames: Frames
    facts: Facts
    standing: Standing
    cases: pl.DataFrame
    cut_off: pl.DataFrame
    connection: Connection
    _made: dict[Any, Any] = field(default_factory=dict)

    def once(self, make: Callable[[Context], T]) -> T:
        """What ``make`` gives of this context, made once for all the rules that ask for it."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]


def found(frame: pl.DataFrame, text: pl.Expr, **columns: pl.Expr) -> pl.DataFrame:
    """A rule's rows in the form of :data:`FOUND`; what is not given is taken from the frame, else empty."""
    given = {"text": text, **columns}
    parts = []
    for name, kind in FOUND.items():
        if name in given:
            value = given[name]
        elif name in frame.columns:
            value = pl.col(name)
        else:
            value = pl.lit(None)
        parts.append(value.cast(kind).alias(name))
    keys = [pl.col(name).fill_null("") for name in FINDING_KEY]
    return frame.select(parts).with_columns(keys).unique(FINDING_KEY, keep="first", maintain_order=True)


def stamp(name: str) -> pl.Expr:
    """A stamp for a person: without a time where it has none."""
    column = pl.col(name)
    return (
        pl.when(column.dt.time() == pl.time(0))
        .then(column.dt.strftime("%Y-%m-%d"))
        .otherwise(column.dt.strftime("%Y-%m-%d %H:%M"))
        .fill_null("—")
    )


def working_days(calendar: Calendar, frame: pl.DataFrame, after: str | date, until: str | date) -> pl.Series:
    """n(after, until] in working days for two columns (or a day) of a frame; null where one is null."""

    def day(which: str | date) -> pl.Series:
        if isinstance(which, str):
            return frame[which].cast(pl.Date)
        return pl.Series([which], dtype=pl.Date).new_from_index(0, frame.height)

    a, b = day(after), day(until)
    counted = pl.Series(calendar.count(a.to_numpy(), b.to_numpy()), dtype=pl.Int64)
    return (
        pl.DataFrame({"a": a, "b": b, "n": counted})
        .select(pl.when(pl.col("a").is_not_null() & pl.col("b").is_not_null()).then(pl.col("n")))
        .to_series()
    )
