"""The ways that projects really went, and how they agree with the catalogue's order."""

from __future__ import annotations

import polars as pl

from supervision.judge import Judged

LISTED = 200  # projects of a way that are named
TRACES = pl.Schema({"project_code": pl.String(), "path": pl.List(pl.String()), "finished": pl.Boolean()})
STEPS = {
    "project_code": pl.String,
    "item_code": pl.String,
    "prerequisite": pl.String,
    "kept": pl.Boolean,
    "began_on": pl.Date,
    "done_on": pl.Date,
}


def traces(judged: Judged) -> pl.DataFrame:
    """:data:`TRACES`: the items of a project in the order in which their first case was received."""
    first = (
        judged.facts.cases.filter(
            pl.col("project_code").is_not_null()
            & pl.col("item_code").is_not_null()
            & pl.col("receipt_at").is_not_null()
        )
        .group_by("project_code", "item_code")
        .agg(pl.col("receipt_at").min())
        .sort("project_code", "receipt_at", "item_code")
    )
    finished = judged.standing.projects.select("project_code", "finished")
    return (
        first.group_by("project_code", maintain_order=True)
        .agg(pl.col("item_code").alias("path"))
        .join(finished, on="project_code", how="left")
        .with_columns(pl.col("finished").fill_null(False))
        .cast(TRACES)
    )


def variants(found: pl.DataFrame) -> pl.DataFrame:
    """path, projects, example, codes (at most :data:`LISTED`), share: the distinct ways, the most trodden first."""
    return (
        found.group_by("path")
        .agg(
            pl.len().alias("projects"),
            pl.col("project_code").min().alias("example"),
            pl.col("project_code").sort().head(LISTED).alias("codes"),
        )
        .with_columns((pl.col("projects") / max(found.height, 1)).alias("share"))
        .sort("projects", pl.col("path").list.join(" "), descending=[True, False])
    )


def steps(judged: Judged) -> pl.DataFrame:
    """:data:`STEPS`: each hard prerequisite of an item that was begun, and whether it was done by then (``kept``). Where it is on
    a channel that the hub does not see, nothing is said of it."""
    known = judged.standing.items.select(
        "project_code",
        "item_code",
        "unknown",
        pl.col("first_receipt_at").dt.date().alias("_began"),
        pl.col("done_at").dt.date(),
    )
    before = known.select(
        "project_code", pl.col("item_code").alias("prerequisite"), "unknown", pl.col("done_at").alias("done_on")
    )
    return (
        judged.standing.edges.filter(pl.col("strength") == "hard")
        .join(
            known.select("project_code", "item_code", pl.col("_began").alias("began_on")),
            on=["project_code", "item_code"],
        )
        .join(before, on=["project_code", "prerequisite"])
        .filter(pl.col("began_on").is_not_null() & ~pl.col("unknown"))
        .with_columns((pl.col("done_on") <= pl.col("began_on")).fill_null(False).alias("kept"))
        .select(list(STEPS))
    )


def conformance(found: pl.DataFrame) -> pl.DataFrame:
    """item_code, prerequisite, steps, kept, share: how often each order of the catalogue was kept, the worst first."""
    return (
        found.group_by("item_code", "prerequisite")
        .agg(pl.len().alias("steps"), pl.col("kept").sum().alias("kept"))
        .with_columns((pl.col("kept") / pl.col("steps")).alias("share"))
        .sort("share", "steps", "item_code", "prerequisite", descending=[False, True, False, False])
    )
