"""停滞: on paper and on the ground. Rules: docs/rules.md, "Findings", stalled."""

from __future__ import annotations

from datetime import datetime, time

import numpy as np
import polars as pl
from pydantic import Field

from supervision.findings import Context, found, working_days
from supervision.rule import Days, Rule, rule


def _last_event(c: Context) -> pl.DataFrame:
    """(project_code, last_on, row): the latest case event, licence or land approval of each project, and its golden row."""
    last = datetime.combine(c.as_of, time.max)
    of_case = c.facts.events.group_by("case_id").agg(pl.col("at").max())
    events = of_case.join(c.cases.select("case_id", "project_code"), on="case_id").select(
        "project_code", "at", pl.format("case {}", "case_id").alias("row")
    )
    licences = c.frames.licences.select(
        "project_code", pl.col("issued_at").alias("at"), pl.format("licence {}", "licence_id").alias("row")
    )
    land = c.frames.land.select(
        "project_code", pl.col("approved_at").alias("at"), pl.format("land_approval {}", "land_id").alias("row")
    )
    return (
        pl.concat([events, licences, land])
        .filter(pl.col("at") <= last)
        .drop_nulls()
        .sort("project_code", "at", "row")
        .group_by("project_code", maintain_order=True)
        .agg(pl.col("at").last().dt.date().alias("last_on"), pl.col("row").last())
    )


class Stalled(Rule):
    quiet_working_days: Days = Field(description="on paper: without any event")
    ground_months: Days = Field(description="on the ground: after the permit was issued")


@rule("stalled", Stalled, waits=True)
def on_paper(c: Context, values: Stalled) -> pl.DataFrame:
    """No event for ≥ 20 working days while there is a current item; says whose turn it is."""
    quiet = _last_event(c)
    quiet = quiet.with_columns(working_days(c.calendar, quiet, "last_on", c.as_of).alias("days")).filter(
        pl.col("days") >= values.quiet_working_days
    )
    projects = c.standing.projects.filter(~pl.col("finished") & pl.col("current_stage").is_not_null())
    current = c.standing.current.join(projects.select("project_code", "current_stage"), on="project_code").join(
        quiet, on="project_code"
    )
    limited = pl.col("promised_limit").is_not_null() | pl.col("statutory_limit").is_not_null()
    current = current.filter(limited.any().over("project_code")).filter(pl.col("stage") <= pl.col("current_stage"))
    current = current.sort(
        "project_code",
        pl.col("stage") != pl.col("current_stage"),
        ~pl.col("has_open_case"),
        "stage",
        "place",
        "item_code",
    ).unique("project_code", keep="first", maintain_order=True)

    open_cases = c.cases.filter("open").group_by("project_code").agg(pl.col("paused").all().alias("_all_paused"))
    excused = open_cases.filter("_all_paused").select("project_code")
    permit = c.facts.states.filter(
        (pl.col("item_code") == c.rules.items.permit) & pl.col("done_at").is_not_null()
    ).select("project_code", pl.lit(True).alias("_permit"))
    filings = c.frames.projects.join(permit, on="project_code", how="left")
    dead = filings.filter(
        (pl.col("filing_state") == "撤回").fill_null(False)
        | (pl.col("validity") == "无效").fill_null(False)
        | ((pl.col("expires_at").dt.date() < c.as_of) & pl.col("_permit").is_null()).fill_null(False)
    ).select("project_code")
    rows = current.join(excused, on="project_code", how="anti").join(dead, on="project_code", how="anti")
    ripe = c.calendar.add(rows["last_on"].to_numpy(), np.full(rows.height, values.quiet_working_days))
    rows = rows.with_columns(pl.Series(ripe).cast(pl.Date).alias("ripe_on"))
    return found(
        rows,
        pl.format(
            "项目自 {} 起 {} 个工作日无任何办理动态，当前事项为 {}（{}），{}。",
            "last_on",
            "days",
            "item_name",
            "item_code",
            "turn",
        ),
        kind=pl.lit("账面停滞"),
        case_no=pl.lit(""),
        evidence=pl.concat_list(pl.format("project {}", "project_code"), "row"),
        since=pl.col("last_on"),
        ripe=pl.col("ripe_on"),
    )
