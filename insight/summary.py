"""The days added up: by holder and department, and where cases take long, with enough of them to say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from insight import days, named, paths
from store.engine import transaction
from supervision.judge import Judged, Rules, in_chunks

ENOUGH = 10  # ended cases from which a median is said
BY = {"item": ["item_code", "item_name"], "town": ["town_code"], "department": ["department"], "year": ["year"]}


@dataclass(frozen=True, slots=True)
class Whole:
    """Of the whole city, or of some projects: sums, and beside each the cases or projects that it comes of.

    ``spent``: project_code, holder, department, item_code, item_name, days. ``elapsed``: days of all projects, the sum of ``spent``.
    ``cases``: one row an ended case (:func:`_cases`). ``traces``, ``steps``: see :mod:`insight.paths`.
    """

    as_of: date
    elapsed: int
    projects: int
    spent: pl.DataFrame
    cases: pl.DataFrame
    traces: pl.DataFrame
    steps: pl.DataFrame


def gather(as_of: date, by: Rules | None = None, projects: Iterable[str] | None = None) -> Whole:
    """Judge and add up, some projects at a time; what is kept is sums and one short row a case."""
    spent, cases, traces, steps, elapsed, counted = [], [], [], [], 0, 0
    with transaction() as connection:
        for judged in in_chunks(connection, as_of, projects, by):
            found = days.of_judged(connection, judged)
            elapsed += int(found.projects["elapsed"].sum())
            counted += found.projects.height
            spent.append(
                found.days.group_by("project_code", "holder", "department", "item_code", "item_name").agg(
                    pl.len().cast(pl.Int64).alias("days")
                )
            )
            cases.append(_cases(judged))
            traces.append(paths.traces(judged))
            steps.append(paths.steps(judged))
    return Whole(
        as_of,
        elapsed,
        counted,
        pl.concat(spent).sort(pl.all(), nulls_last=True),
        pl.concat(cases),
        pl.concat(traces),
        pl.concat(steps),
    )


def _cases(judged: Judged) -> pl.DataFrame:
    """Ended cases that were accepted: case_id, case_no, project_code, item, department, town_code, year, natural days from receipt
    to end, days used and limit promised."""
    return (
        named.cases(judged.facts)
        .filter(pl.col("ended_at").is_not_null() & pl.col("acceptance_on").is_not_null())
        .select(
            "case_id",
            "case_no",
            "project_code",
            "item_code",
            "item_name",
            "department",
            pl.col("town_code").str.head(9).alias("town_code"),
            pl.col("ended_at").dt.year().alias("year"),
            (pl.col("ended_at").dt.date() - pl.coalesce(pl.col("receipt_at").dt.date(), "acceptance_on"))
            .dt.total_days()
            .alias("days"),
            pl.col("used_promised").alias("used"),
            pl.col("promised_limit").alias("limit"),
        )
    )


def bottlenecks(cases: pl.DataFrame, by: str, enough: int = ENOUGH) -> pl.DataFrame:
    """Ended cases by item, town, department or year: count, median and ninth decile of their days, share beyond the promised
    limit; null where there are fewer than ``enough`` cases to say so. The longest first.

    :raises KeyError: ``by`` is none of them.
    """
    keys = BY[by]
    stated = pl.len() >= enough
    late = (pl.col("used") > pl.col("limit")).cast(pl.Float64)
    return (
        cases.drop_nulls(keys[0])
        .group_by(keys)
        .agg(
            pl.len().alias("cases"),
            pl.when(stated).then(pl.col("days").median()).alias("median"),
            pl.when(stated).then(pl.col("days").quantile(0.9, "nearest")).alias("ninth"),
            pl.when(stated).then(late.mean()).alias("late"),
        )
        .sort("median", "cases", *keys, descending=[True, True, *(False for _ in keys)], nulls_last=True)
    )
