"""What a project is expected to go through, in which order, and where it stands (一键定位).

Rules: docs/rules.md, "Where a project stands". Every frame is for many projects at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from core import settings
from supervision.facts import Facts, in_force

_TEXTS = pl.List(pl.String)
OTHER = "other"
BY_FILING = {"备案": "备案类", "核准": "核准类"}


@dataclass(frozen=True, slots=True)
class Standing:
    """``items``: (project_code, item_code) of the catalogue of the project's day with expected (true, false; null: not
    judged), done_at, has_case, …; ``edges``: (project_code, item_code, prerequisite, strength hard|soft|parallel) between
    expected items; ``stages``: (project_code, stage, state 完成|进行|未开始|不适用); ``projects``: current_stage, begun, done;
    ``current``: the current items with whose turn it is."""

    items: pl.DataFrame
    edges: pl.DataFrame
    stages: pl.DataFrame
    projects: pl.DataFrame
    current: pl.DataFrame


def milestones() -> pl.DataFrame:
    """(stage, stage_name, item_code) of the catalogue's seed ``schemas/catalogue/stages.csv``."""
    stages = pl.read_csv(settings.ROOT / "schemas" / "catalogue" / "stages.csv", schema_overrides={"stage": pl.Int64})
    return stages.select(
        "stage", pl.col("name").alias("stage_name"), pl.col("milestones").str.split(" ").alias("item_code")
    ).explode("item_code")


def expected_items(projects: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Every (project, item of the catalogue in force on the day of its filing) with ``expected``."""
    days = projects.select(
        "project_code",
        "process_type",
        "fast_track",
        pl.coalesce(pl.col("submitted_at").dt.date(), pl.lit(facts.as_of)).alias("day"),
        pl.col("planned_items").str.json_decode(_TEXTS).alias("planned"),
        pl.col("conditions").str.json_decode(_TEXTS).alias("conditions"),
        pl.col("filing_type").replace_strict(BY_FILING, default=None, return_dtype=pl.String).alias("by_filing"),
    )
    codes = facts.items.select("item_code").unique()
    columns = [
        "version",
        "stage",
        "item_name",
        "kind",
        "case_channel",
        "department",
        "department_code",
        "departments",
        "promised_limit",
        "statutory_limit",
        "prerequisites",
        "soft_prerequisites",
        "parallel_group",
        "process_types",
        "alternatives",
        "multiple",
        "place",
    ]
    # by distinct day, not by project: the catalogue of a day is the same for all projects of that day
    by_day = in_force(days.select("day").unique().join(codes, how="cross"), facts.items, "day", columns)
    rows = days.join(by_day.filter(pl.col("version").is_not_null()), on="day")

    any_type = pl.col("process_types").list.len() == 0
    right_type = any_type | pl.col("process_types").list.contains(pl.col("process_type"))  # null: the type is unknown
    conditional = pl.col("alternatives").is_not_null()
    has_plan = (pl.col("planned").list.len() > 0).fill_null(False)
    planned = pl.col("planned").list.contains(pl.col("item_code")).fill_null(False)
    conditions = pl.concat_list(pl.col("conditions").fill_null([]), pl.col("by_filing").fill_null(""))
    result = conditions.list.set_intersection("alternatives").list.len() > 0
    filing_alone = pl.col("alternatives").list.set_difference(list(BY_FILING.values())).list.len() == 0
    # null is unknown, [] is none
    knows = (
        pl.col("planned").is_not_null()
        | pl.col("conditions").is_not_null()
        | (filing_alone & pl.col("by_filing").is_not_null())
    )
    applies = (
        pl.when(~conditional | planned)
        .then(True)
        .when(has_plan)
        .then(False)
        .when(result)
        .then(True)
        .when(knows)
        .then(False)
        .otherwise(None)
    )
    return rows.with_columns((right_type & applies).alias("expected")).drop("planned", "conditions", "by_filing")


def prerequisites(items: pl.DataFrame) -> pl.DataFrame:
    """Edges between expected items, with their strength for the project (rules.md, "Prerequisites")."""
    expected = items.filter(pl.col("expected").fill_null(False))
    edges = (
        expected.filter(pl.col("prerequisites").list.len() > 0)
        .select("project_code", "item_code", "prerequisites", "soft_prerequisites", "parallel_group", "fast_track")
        .explode("prerequisites")
        .rename({"prerequisites": "prerequisite"})
    )
    target = expected.select(
        "project_code", pl.col("item_code").alias("prerequisite"), pl.col("parallel_group").alias("_group")
    )
    edges = edges.join(target, on=["project_code", "prerequisite"], how="inner")
    soft = pl.col("soft_prerequisites").list.contains(pl.col("prerequisite")) & pl.col("fast_track").fill_null(False)
    return edges.select(
        "project_code",
        "item_code",
        "prerequisite",
        pl.when((pl.col("parallel_group") == pl.col("_group")).fill_null(False))
        .then(pl.lit("parallel"))
        .when(soft)
        .then(pl.lit("soft"))
        .otherwise(pl.lit("hard"))
        .alias("strength"),
    )


def stand(projects: pl.DataFrame, facts: Facts) -> Standing:
    """Stages, current items and whose turn it is, for every project."""
    key = ["project_code", "item_code"]
    items = (
        expected_items(projects, facts)
        .join(facts.states, on=key, how="left")
        .with_columns(
            *(pl.col(name).fill_null(False) for name in ("has_case", "has_m2_case", "has_open_case")),
            pl.col("done_at").is_not_null().alias("done"),
        )
    )
    unknown = (pl.col("case_channel") == OTHER).fill_null(False) & ~pl.col("has_case") & ~pl.col("done")
    items = items.with_columns(unknown.alias("unknown"))
    edges = prerequisites(items)

    counted = items.filter(pl.col("expected").fill_null(False) & ~pl.col("unknown"))
    stones = milestones()
    named = stones.select("stage", "stage_name").unique().sort("stage")
    of_stage = (
        stones.join(counted.select(*key, "done", "done_at"), on="item_code")
        .group_by("project_code", "stage")
        .agg(pl.col("done").all().alias("complete"), pl.col("done_at").max().alias("completed_at"))
    )
    begun_stage = (
        items.filter(pl.col("has_case") | pl.col("done"))
        .group_by("project_code")
        .agg(pl.col("stage").min().alias("first_begun"), pl.col("stage").unique().alias("_begun"))
    )
    stages = (
        projects.select("project_code")
        .join(named, how="cross")
        .join(of_stage, on=["project_code", "stage"], how="left")
        .join(begun_stage, on="project_code", how="left")
        .sort("project_code", "stage")
    )
    applicable = pl.col("complete").is_not_null()
    open_ = applicable & ~pl.col("complete").fill_null(True)
    reached = (pl.col("first_begun") <= pl.col("stage")).fill_null(False)
    current = (
        stages.filter(open_)
        .group_by("project_code", maintain_order=True)
        .agg(pl.col("stage").first(), reached.first().alias("_reached"))
        .filter("_reached")
        .select("project_code", pl.col("stage").alias("current_stage"))
    )
    stages = stages.join(current, on="project_code", how="left").select(
        "project_code",
        "stage",
        "stage_name",
        "completed_at",
        pl.when(~applicable)
        .then(pl.lit("不适用"))
        .when(pl.col("complete"))
        .then(pl.lit("完成"))
        .when(
            pl.col("_begun").list.contains(pl.col("stage")).fill_null(False)
            | (pl.col("stage") == pl.col("current_stage")).fill_null(False)
        )
        .then(pl.lit("进行"))
        .otherwise(pl.lit("未开始"))
        .alias("state"),
    )
    summary = (
        projects.select("project_code")
        .join(current, on="project_code", how="left")
        .join(begun_stage.select("project_code", "first_begun"), on="project_code", how="left")
        .join(
            stages.filter((pl.col("stage") == named["stage"].max()) & (pl.col("state") == "完成")).select(
                "project_code", pl.lit(True).alias("finished")
            ),
            on="project_code",
            how="left",
        )
        .with_columns(pl.col("finished").fill_null(False))
    )
    return Standing(items, edges, stages, summary, _current(items, edges, facts))


def _current(items: pl.DataFrame, edges: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Expected, not done, every hard prerequisite done; with whose turn it is."""
    key = ["project_code", "item_code"]
    state = items.select("project_code", pl.col("item_code").alias("prerequisite"), "done", "unknown")
    blocked = (
        edges.filter(pl.col("strength") == "hard")
        .join(state, on=["project_code", "prerequisite"])
        .filter(~pl.col("done") & ~pl.col("unknown"))
        .select(key)
        .unique()
    )
    current = items.filter(pl.col("expected").fill_null(False) & ~pl.col("done") & ~pl.col("unknown")).join(
        blocked, on=key, how="anti"
    )
    asked = (
        facts.pauses.filter((pl.col("kind") == "supplement") & pl.col("standing"))
        .join(facts.cases.filter("open").select("case_id", *key), on="case_id")
        .select(key)
        .unique()
        .with_columns(pl.lit(True).alias("supplement_open"))
    )
    internal = pl.col("kind") == "政府内部事项"
    return (
        current.join(asked, on=key, how="left")
        .with_columns(
            pl.when(~pl.col("has_open_case"))
            .then(pl.when(internal).then(pl.lit("待部门办理")).otherwise(pl.lit("待企业申报")))
            .when(pl.col("supplement_open").fill_null(False))
            .then(pl.lit("待企业申报"))
            .otherwise(pl.lit("待部门办理"))
            .alias("turn")
        )
        .sort("project_code", "stage", "place", "item_code")
    )


def cut_off(projects: pl.DataFrame, start: date) -> pl.DataFrame:
    """(project_code, cut_off): the later of ``supervision_start`` and the project's ``submitDate``."""
    return projects.select(
        "project_code", pl.max_horizontal(pl.col("submitted_at").dt.date(), pl.lit(start)).alias("cut_off")
    )
