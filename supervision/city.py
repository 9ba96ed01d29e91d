"""The numbers of the report, gathered some projects at a time: what is kept is sums, not cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from schemas.departments import register
from store.engine import engine, transaction
from supervision import limits, rulebook
from supervision.declaration import Rulebook
from supervision.judge import Judged, in_chunks
from supervision.orders import queries

SUMS = ["cases", "accepted", "running", "ended", "running_overdue", "overdue", "returned", "saved_cases", "saved_days"]
OLDEST = 20


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the page shows, as of a day.

    ``items``, ``departments``, ``towns``: :data:`SUMS` by item_code/item_name/stage, department, town. ``stages``: stage,
    stage_name and projects by state. ``rules``: rule, name, severity, found, not_judged. ``outside``: the items of 体外循环
    with rules, findings, cases. ``orders``: open orders by department; ``oldest``: the oldest of them.
    """

    as_of: date
    projects: int
    finished: int
    totals: dict[str, int]
    lights: dict[str, int]
    provisional: int
    items: pl.DataFrame
    departments: pl.DataFrame
    towns: pl.DataFrame
    stages: pl.DataFrame
    rules: pl.DataFrame
    outside: pl.DataFrame
    outside_cases: int
    orders: pl.DataFrame
    oldest: list[dict[str, Any]]

    @property
    def not_judged(self) -> int:
        """Judgements that were not made, for want of data."""
        return int(self.rules["not_judged"].sum() or 0)

    @property
    def found(self) -> int:
        """Findings that stand."""
        return int(self.rules["found"].sum() or 0)


def gather(as_of: date) -> State:
    """Judge the whole city as of a day and add it up; orders are as they stand now."""
    book = rulebook.load()
    cases, stages, positions, findings = [], [], [], []
    with transaction() as connection:
        for judged in in_chunks(connection, as_of):
            cases.append(_cases(judged))
            stages.append(judged.standing.stages.group_by("stage", "stage_name", "state").len("projects"))
            positions.append(judged.standing.projects.group_by("current_stage", "finished").len("projects"))
            names = judged.facts.items.select("item_code", "item_name").unique("item_code", keep="last")
            findings.append(
                judged.findings.join(names, on="item_code", how="left").select(
                    "rule",
                    "project_code",
                    "item_code",
                    "item_name",
                    "case_no",
                    "severity",
                    "department_name",
                    (pl.col("waits_for").list.len() > 0).alias("waits"),
                )
            )
    whole = pl.concat(cases)
    summed = whole.group_by("item_code", "item_name", "stage", "department", "town", "light").agg(
        pl.col(*SUMS, "provisional").sum()
    )
    found = pl.concat(findings)
    standing = found.filter(~pl.col("waits"))
    outside = standing.filter(pl.col("rule").is_in(book.out_of_system))
    current = pl.concat(positions)
    return State(
        as_of,
        int(current["projects"].sum() or 0),
        int(current.filter("finished")["projects"].sum() or 0),
        {name: int(summed[name].sum() or 0) for name in SUMS},
        {light: count for light, count in summed.group_by("light").agg(pl.col("cases").sum()).iter_rows() if light},
        int(summed["provisional"].sum() or 0),
        _by(summed, "item_code", "item_name", "stage").sort("item_code"),
        _by(summed, "department").sort("overdue", "cases", descending=True),
        _by(summed, "town").sort("overdue", "cases", descending=True),
        _stages(stages, current),
        _rules(book, found),
        outside.group_by("item_code")
        .agg(
            pl.col("item_name").drop_nulls().first(),
            pl.col("rule").unique().sort(),
            pl.len().alias("findings"),
            pl.col("case_no").filter(pl.col("case_no") != "").n_unique().alias("cases"),
            pl.col("department_name").drop_nulls().unique().sort(),
        )
        .sort("findings", "item_code", descending=[True, False]),
        outside.filter(pl.col("case_no") != "").select("project_code", "case_no").n_unique(),
        *_orders(),
    )


def _cases(judged: Judged) -> pl.DataFrame:
    """Sums of one part of the city by item, department, town and light. 节时: statutory limit less days used, of ended cases."""
    catalogue = (
        judged.facts.items.sort("valid_from")
        .unique("item_code", keep="last", maintain_order=True)
        .select("item_code", "stage", pl.col("item_name").alias("name"), pl.col("department").alias("lead"))
    )
    towns = (
        register()
        .filter(pl.col("kind") == "镇街")
        .select(pl.col("town_code").alias("_town"), pl.col("name").alias("town"))
    )
    with_clock = pl.col("acceptance_on").is_not_null()
    saved = (
        pl.col("ended_at").is_not_null() & with_clock & pl.col("statutory_limit").is_not_null() & ~pl.col("withdrawn")
    )
    rows = (
        judged.facts.cases.join(catalogue, on="item_code", how="left", maintain_order="left")
        .with_columns(pl.col("town_code").str.slice(0, 9).alias("_town"))
        .join(towns, on="_town", how="left", maintain_order="left")
    )
    return (
        rows.group_by(
            pl.coalesce("item_code", pl.lit("清单外")).alias("item_code"),
            pl.coalesce("name", "item_name").alias("item_name"),
            "stage",
            pl.coalesce("lead", "department_name", pl.lit("未知")).alias("department"),
            pl.col("town").fill_null("市级"),
            "light",
        )
        .agg(
            pl.len().alias("cases"),
            with_clock.sum().alias("accepted"),
            pl.col("open").sum().alias("running"),
            (~pl.col("open")).sum().alias("ended"),
            limits.overdue().sum().alias("overdue"),
            pl.col("light").is_in(limits.LATE).sum().alias("running_overdue"),
            pl.col("returned").is_not_null().sum().alias("returned"),
            saved.sum().alias("saved_cases"),
            (pl.col("statutory_limit") - pl.col("used_statutory")).filter(saved).sum().alias("saved_days"),
            pl.col("provisional").fill_null(False).sum().alias("provisional"),
        )
        .with_columns(pl.col(*SUMS, "provisional").cast(pl.Int64))
    )


def _by(summed: pl.DataFrame, *keys: str) -> pl.DataFrame:
    return (
        summed.group_by(keys)
        .agg(pl.col(*SUMS).sum())
        .with_columns(
            pl.when(pl.col("accepted") > 0).then(pl.col("overdue") / pl.col("accepted")).alias("overdue_rate"),
            pl.when(pl.col("cases") > 0).then(pl.col("returned") / pl.col("cases")).alias("returned_rate"),
            pl.when(pl.col("saved_cases") > 0).then(pl.col("saved_days") / pl.col("saved_cases")).alias("saved_each"),
        )
    )


def _stages(parts: list[pl.DataFrame], current: pl.DataFrame) -> pl.DataFrame:
    """stage, stage_name, done, going, ahead, skipped (projects), here (whose current stage it is)."""
    states = {"完成": "done", "进行": "going", "未开始": "ahead", "不适用": "skipped"}
    rows = pl.concat(parts).group_by("stage", "stage_name", "state").agg(pl.col("projects").sum())
    here = (
        current.filter(~pl.col("finished"))
        .group_by(pl.col("current_stage").alias("stage"))
        .agg(pl.col("projects").sum().alias("here"))
    )
    return (
        rows.group_by("stage", "stage_name")
        .agg(pl.col("projects").filter(pl.col("state") == zh).sum().alias(name) for zh, name in states.items())
        .join(here, on="stage", how="left")
        .with_columns(pl.col("here").fill_null(0))
        .sort("stage")
    )


def _rules(book: Rulebook, found: pl.DataFrame) -> pl.DataFrame:
    named = pl.DataFrame(
        [(name, rule.name, rule.out_of_system) for name, rule in book.by_name.items()],
        schema={"rule": pl.String, "name": pl.String, "outside": pl.Boolean},
        orient="row",
    )
    counts = found.group_by("rule").agg(
        (~pl.col("waits")).sum().alias("found"), pl.col("waits").sum().alias("not_judged"), pl.col("severity").max()
    )
    return named.join(counts, on="rule", how="left", maintain_order="left").with_columns(
        pl.col("found", "not_judged").fill_null(0)
    )


def _orders() -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    with engine().connect() as connection:
        rows = connection.execute(
            sa.text(
                """select coalesce(department_name, department_code), count(*), count(*) filter (where urged_on is not null),
                          count(*) filter (where escalated_on is not null), min(dispatched_at)::date
                   from supervision.work_order where state <> 'closed' group by 1 order by 2 desc, 1"""
            )
        ).all()
    schema = {"department": pl.String, "open": pl.Int64, "urged": pl.Int64, "escalated": pl.Int64, "since": pl.Date}
    oldest = sorted(queries.listed(), key=lambda order: (order["dispatched_at"], order["no"]))[:OLDEST]
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row"), oldest
