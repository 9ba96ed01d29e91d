"""What if: a past year replayed by the real clocks and rules under a supposed change, department by department.

Supposed can be other promised limits, an item taken out of the catalogue, a prerequisite that is none (two items made parallel), days
that work or do not, and another folder of rules. What is supposed of people is nothing: cases were received and ended when they were.
So a shorter limit tells how many would have been late had nobody worked faster, and an item that is parallel tells the most that could
have been saved had it been filed as soon as its prerequisite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from core.errors import ConfigurationError
from insight import named
from store.engine import transaction
from supervision import comparing, judge, rulebook
from supervision.judge import Judged
from supervision.read import Frames

_TEXTS = pl.List(pl.String)
SUMS = ["cases", "late", "late_after", "over", "over_after", "used", "used_after"]


@dataclass(frozen=True, slots=True)
class Change:
    """``limits``: item → promised limit, in the unit that it has; ``without``: items taken out; ``parallel``: (item, prerequisite)
    that is none any more; ``days``: day → is a working day; ``folder``: other rules."""

    limits: Mapping[str, int] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    parallel: tuple[tuple[str, str], ...] = ()
    days: Mapping[date, bool] = field(default_factory=dict)
    folder: Path = rulebook.FOLDER


@dataclass(frozen=True, slots=True)
class Backtest:
    """``departments``, ``items``: department or item with :data:`SUMS` of the year's cases: how many, late and days beyond the
    promised limit, days used, before and after. ``saved``: item_code, prerequisite, projects, days: the most that going parallel
    could have saved. ``cases``: the cases whose verdict changes. ``opens``, ``closes``: findings, as
    :class:`supervision.comparing.Difference` has them. ``removed``: cases that would not have been."""

    year: int
    as_of: date
    departments: pl.DataFrame
    items: pl.DataFrame
    saved: pl.DataFrame
    cases: pl.DataFrame
    opens: pl.DataFrame
    closes: pl.DataFrame
    removed: int


def check(change: Change, year: int, today: date) -> None:
    """:raises ConfigurationError: the year is still to come; an item, a prerequisite that the catalogue has not."""
    if year > today.year:
        raise ConfigurationError(
            f"{year} is still to come",
            remedy="a past year, or this one",
            zh=f"{year} 年尚未到来，请选过去的年度或今年。",
        )
    _known(change)


def replay(change: Change, year: int, today: date) -> Backtest:
    """Replay a year: the cases that were accepted in it, judged at its end (today, while it runs).

    :raises ConfigurationError: as :func:`check`.
    """
    check(change, year, today)
    as_of = min(date(year, 12, 31), today)
    before = judge.rules()
    after = replace(
        judge.rules(change.folder),
        calendar=rulebook.calendar(change.folder, change.days),
        amend=lambda frames: amended(frames, change),
    )
    cases, saved, opens, closes, removed = [], [], [], [], 0
    for was, now in comparing.both(as_of, before, after):
        old, new = _clocks(was, year), _clocks(now, year)
        removed += old.height - new.height
        cases.append(_beside(old, new))
        saved.append(_saved(was, year, change))
        opened, closed, _, _ = comparing.difference(was, now)
        opens.append(opened)
        closes.append(closed)
    whole = pl.concat(cases)
    late = pl.col("over") > 0
    late_after = pl.col("over_after") > 0
    sums = (
        pl.len().alias("cases"),
        late.sum().alias("late"),
        late_after.sum().alias("late_after"),
        *(pl.col(name).sum() for name in ("over", "over_after", "used", "used_after")),
    )
    ways = pl.concat(saved).group_by("item_code", "prerequisite").agg(pl.len().alias("projects"), pl.col("days").sum())
    return Backtest(
        year,
        as_of,
        whole.group_by("department")
        .agg(sums)
        .sort("late_after", "cases", "department", descending=[True, True, False]),
        whole.group_by("item_code", "item_name").agg(sums).sort("item_code", nulls_last=True),
        ways.sort("item_code", "prerequisite"),
        whole.filter((late != late_after) | (pl.col("over") != pl.col("over_after"))).sort("case_id"),
        pl.concat(opens).sort(comparing.KEY),
        pl.concat(closes).sort(comparing.KEY),
        removed,
    )


def amended(frames: Frames, change: Change) -> Frames:
    """The store as it is supposed to have been."""
    items = frames.items.filter(~pl.col("item_code").is_in(list(change.without)))
    if change.limits:
        limit = pl.col("item_code").replace_strict(dict(change.limits), default=None, return_dtype=pl.Int64)
        items = items.with_columns(
            pl.when(limit.is_not_null() & pl.col("promised_limit").is_not_null())
            .then(limit)
            .otherwise("promised_limit")
            .alias("promised_limit"),
            pl.struct("item_code", "variants")
            .map_elements(
                lambda row: _variants(row["variants"], change.limits.get(row["item_code"])), return_dtype=pl.String
            )
            .alias("variants"),
        )
    for item, before in change.parallel:
        for name in ("prerequisites", "soft_prerequisites"):
            rest = pl.col(name).str.json_decode(_TEXTS).list.set_difference([before])
            text = pl.lit("[") + rest.list.eval(pl.format('"{}"', pl.element())).list.join(",") + pl.lit("]")
            items = items.with_columns(
                pl.when((pl.col("item_code") == item) & pl.col(name).is_not_null())
                .then(text)
                .otherwise(name)
                .alias(name)
            )
    if not change.without:
        return replace(frames, items=items)
    out = pl.col("item_code").is_in(list(change.without)).fill_null(False)
    gone = frames.cases.filter(out).select("case_id")
    return replace(
        frames,
        items=items,
        cases=frames.cases.filter(~out),
        events=frames.events.join(gone, on="case_id", how="anti"),
        licences=frames.licences.filter(~out),
        quotes=frames.quotes.filter(~out),
    )


def _variants(text: str | None, limit: int | None) -> str | None:
    """The variants of an item under another promised limit, where they state one."""
    if text is None or limit is None:
        return text
    document = json.loads(text)
    for one in document:
        if one.get("promised_limit") is not None:
            one["promised_limit"] = str(limit)
    return json.dumps(document, ensure_ascii=False)


def _clocks(judged: Judged, year: int) -> pl.DataFrame:
    """The year's cases: case_id, case_no, project_code, item, department, limit, used, over (days beyond the promised limit)."""
    return (
        named.cases(judged.facts)
        .filter(pl.col("acceptance_on").dt.year() == year)
        .select(
            "case_id",
            "case_no",
            "project_code",
            "item_code",
            "item_name",
            pl.col("department").fill_null("部门未知"),
            pl.col("promised_limit").alias("limit"),
            pl.col("used_promised").alias("used"),
            pl.max_horizontal(pl.col("used_promised") - pl.col("promised_limit"), pl.lit(0)).fill_null(0).alias("over"),
        )
    )


def _beside(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Each case with its limit, days used and days over before and after; 0 after where it would not have been."""
    after = new.select("case_id", *(pl.col(name).alias(f"{name}_after") for name in ("limit", "used", "over")))
    return old.join(after, on="case_id", how="left").with_columns(pl.col("over_after", "used_after").fill_null(0))


def _saved(judged: Judged, year: int, change: Change) -> pl.DataFrame:
    """item_code, prerequisite, project_code, days: from the day on which the prerequisite was received to the day on which the item
    was, where it came after; no more than that could have been saved."""
    schema = {"item_code": pl.String, "prerequisite": pl.String, "project_code": pl.String, "days": pl.Int64}
    first = (
        judged.facts.cases.drop_nulls(["project_code", "item_code", "receipt_at"])
        .group_by("project_code", "item_code")
        .agg(pl.col("receipt_at").min().dt.date().alias("on"))
    )
    found = [pl.DataFrame(schema=schema)]
    for item, before in change.parallel:
        pair = first.filter((pl.col("item_code") == item) & (pl.col("on").dt.year() == year)).join(
            first.filter(pl.col("item_code") == before), on="project_code", suffix="_before"
        )
        found.append(
            pair.select(
                "item_code",
                pl.col("item_code_before").alias("prerequisite"),
                "project_code",
                (pl.col("on") - pl.col("on_before")).dt.total_days().alias("days"),
            ).filter(pl.col("days") > 0)
        )
    return pl.concat(found)


def _known(change: Change) -> None:
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            "select item_code, coalesce(prerequisites, '[]') || coalesce(soft_prerequisites, '[]') from store.item where gone_at is null"
        )
        before: dict[str, set[str]] = {}
        for code, listed in rows:
            before.setdefault(code, set()).update(listed)
    asked = [*change.limits, *change.without, *(code for pair in change.parallel for code in pair)]
    if unknown := sorted({code for code in asked if code not in before}):
        raise ConfigurationError(
            f"the catalogue has no item {', '.join(unknown)}",
            remedy="see onemap source preview m1.items, or /v1/items",
            zh=f"事项清单没有 {'、'.join(unknown)}。",
        )
    if wrong := [f"{item},{first}" for item, first in change.parallel if first not in before[item]]:
        raise ConfigurationError(
            f"not an item and its prerequisite: {'; '.join(wrong)}",
            remedy="the item first, then what the catalogue asks to be done before it",
            zh=f"不是事项与其前置：{'；'.join(wrong)}。先写事项，再写清单要求先办的事项。",
        )
