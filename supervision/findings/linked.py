"""Findings of what belongs together: C1, C2, C7, C9, C10, C12, C14, C15. Rules: docs/rules.md, "Findings"."""

from __future__ import annotations

import numpy as np
import polars as pl

from schemas import channels
from supervision.completeness import first_complete_day
from supervision.facts import in_force, known_to, normal_number
from supervision.findings import CASE, KEY, Context, found, stamp, working_days
from supervision.rule import Days, Rule, rule
from supervision.timeline import before

RESULTS = ["DONE_OK", "DONE_TOLERANT", "DONE_FAIL"]
UNIFIED = "1"  # SJLY 统一受理


def _hard(c: Context) -> pl.DataFrame:
    """Hard edges (project_code, item_code, prerequisite) with the prerequisite's name, channel and state (_p)."""
    state = c.standing.items.select(
        "project_code",
        pl.col("item_code").alias("prerequisite"),
        pl.col("item_name").alias("prerequisite_name"),
        pl.col("case_channel").alias("channel_p"),
        pl.col("has_case").alias("has_case_p"),
        pl.col("has_m2_case").alias("has_m2_case_p"),
        pl.col("done_at").alias("done_at_p"),
        pl.col("department_code").alias("department_p"),
    )
    return c.standing.edges.filter(pl.col("strength") == "hard").join(state, on=["project_code", "prerequisite"])


def _later(c: Context, frame: pl.DataFrame, column: str, days: int) -> pl.Series:
    """The ``days``-th working day after a column's day."""
    start = frame[column].cast(pl.Date).to_numpy()
    return pl.Series(c.calendar.add(start, np.full(frame.height, days))).cast(pl.Date)


@rule("C1", waits=True)
def missing_link(c: Context, values: Rule) -> pl.DataFrame:
    """C1 环节数据缺失: an item is accepted or issued, and an expected hard prerequisite has no case in M2 at all."""
    expected = c.standing.items.filter(pl.col("expected").fill_null(False)).select(*KEY, "item_name")
    by_case = c.cases.filter(pl.col("acceptance_on").is_not_null() | pl.col("issued_at").is_not_null()).select(
        *KEY,
        pl.coalesce("acceptance_on", pl.col("issued_at").dt.date()).alias("day"),
        pl.format("case {}", "case_id").alias("row"),
    )
    by_document = c.facts.documents.filter(pl.col("case_id").is_null()).select(
        *KEY, pl.col("issued_at").dt.date().alias("day"), pl.format("licence {}", "licence_id").alias("row")
    )
    reached = (
        pl.concat([by_case, by_document]).drop_nulls(KEY).join(expected, on=KEY).join(c.cut_off, on="project_code")
    )
    reached = reached.filter(pl.col("day") >= pl.col("cut_off")).sort("day")
    missing = _hard(c).filter((pl.col("channel_p") == channels.municipal()) & ~pl.col("has_m2_case_p"))
    reached = reached.with_columns(_later(c, reached, "day", 1).alias("until"))
    rows = (
        reached.join(missing, on=KEY, how="inner")
        .filter(~(pl.col("done_at_p").dt.date() < pl.col("cut_off")).fill_null(False))
        .sort("project_code", "prerequisite", "day")
    )
    return found(
        rows,
        pl.format(
            "{}（{}）已于 {} 受理或核发，其前置事项 {}（{}）在市平台没有任何办件，疑似体外循环，待核。",
            "item_name",
            "item_code",
            "day",
            "prerequisite_name",
            "prerequisite",
        ),
        item_code=pl.col("prerequisite"),
        evidence=pl.concat_list("row"),
        since=pl.col("cut_off"),
    )


class Unrecorded(Rule):
    grace_working_days: Days


@rule("C2", Unrecorded, waits=True)
def result_without_case(c: Context, values: Unrecorded) -> pl.DataFrame:
    """C2 有证照无办件: a licence, document or department case with a result for an M2 item that M2 has no case of."""
    grace = values.grace_working_days
    has_m2 = c.facts.states.filter("has_m2_case").select(KEY)
    cases = c.cases.filter(
        pl.col("in_department") & pl.col("conclusion").is_in(RESULTS) & pl.col("returned").is_null()
    ).select(
        *KEY,
        "case_no",
        "case_id",
        "receipt_at",
        pl.coalesce("licence_issued_at", "document_at", "concluded_at").alias("issued"),
        pl.format("case {}", "case_id").alias("row"),
    )
    of_department = c.cases.filter("in_department").select("case_id", pl.col("case_no").alias("_no"), "receipt_at")
    documents = (
        c.facts.documents.join(cases.select(KEY).unique(), on=KEY, how="anti")
        .join(of_department, on="case_id", how="left")
        .select(
            *KEY,
            pl.coalesce("_no", "number", "licence_id").alias("case_no"),
            pl.when(pl.col("_no").is_not_null()).then("case_id").alias("case_id"),
            "receipt_at",
            pl.col("issued_at").alias("issued"),
            pl.format("licence {}", "licence_id").alias("row"),
        )
        .unique([*KEY, "case_no"], keep="first", maintain_order=True)
    )
    rows = (
        pl.concat([cases, documents])
        .drop_nulls([*KEY, "issued"])
        .join(has_m2, on=KEY, how="anti")
        .join(c.cut_off, on="project_code")
        .with_columns(pl.col("issued").dt.date().alias("issued_on"))
        .filter(pl.col("issued_on") >= pl.col("cut_off"))
    )
    rows = in_force(rows, c.facts.items, "issued_on", ["item_name", "case_channel"]).filter(
        pl.col("case_channel") == channels.municipal()
    )
    rows = rows.with_columns(working_days(c.calendar, rows, "issued", c.as_of).alias("_days")).filter(
        pl.col("_days") >= grace
    )
    rows = rows.with_columns(_later(c, rows, "issued", grace).alias("until"))
    return found(
        rows,
        pl.format(
            "{}（{}）的结果（编号 {}）于 {} 作出，市平台没有该项目该事项的任何办件，疑似体外循环，待核。",
            "item_name",
            "item_code",
            "case_no",
            stamp("issued"),
        ),
        evidence=pl.concat_list("row"),
        since=pl.min_horizontal(pl.col("receipt_at").dt.date(), "issued_on"),
    )


@rule("C7", waits=True)
def order_inverted(c: Context, values: Rule) -> pl.DataFrame:
    """C7 前后置倒挂: issued before an expected hard prerequisite was done, or while that one was never done."""
    expected = c.standing.items.filter(pl.col("expected").fill_null(False)).select(
        *KEY, pl.col("item_name").alias("name")
    )
    issued = (
        c.cases.filter(pl.col("issued_at").is_not_null())
        .join(expected, on=KEY)
        .filter(pl.col("issued_at").dt.date() >= pl.col("cut_off"))
    )
    hard = _hard(c).filter("has_case_p")
    rows = issued.join(hard, on=KEY).filter(
        pl.col("done_at_p").is_null() | before(pl.col("issued_at"), pl.col("done_at_p")).fill_null(False)
    )
    rows = (
        rows.sort("case_id", "prerequisite")
        .group_by("case_id", maintain_order=True)
        .agg(
            pl.col("case_no", *KEY, "name", "issued_at", "cut_off").first(),
            pl.format(
                "{}（{}，{}）",
                "prerequisite_name",
                "prerequisite",
                pl.when(pl.col("done_at_p").is_null())
                .then(pl.lit("至今未办结"))
                .otherwise(pl.format("{} 才办结", stamp("done_at_p"))),
            ).alias("_which"),
            pl.col("done_at_p").is_null().all().alias("_only_never"),
            pl.col("department_p").unique().alias("rests_on"),
        )
        .with_columns(pl.col("_which").list.join("、"))
    )
    return found(
        rows,
        pl.format(
            "{}（办件 {}）于 {} 核发，而前置事项 {}，疑似前后置倒挂，待核。",
            "name",
            "case_no",
            stamp("issued_at"),
            "_which",
        ),
        evidence=CASE,
        since=pl.when("_only_never").then(pl.col("cut_off")),
        ripe=pl.col("issued_at").dt.date(),
    )


@rule("C9", waits=True)
def off_the_list(c: Context, values: Rule) -> pl.DataFrame:
    """C9 清单外审批: a case whose code is not in the catalogue on the day of receipt, of a channel that files under it."""
    rows = c.cases.filter(
        pl.col("item_code").is_null()
        & pl.col("item_code_written").is_not_null()
        & known_to(channels.carrying("item_list"))
    )
    return found(
        rows,
        pl.format(
            "办件 {} 的事项编码 {}（{}）在收件日 {} 不在事项清单内，疑似清单外审批，待核。",
            "case_no",
            "item_code_written",
            pl.col("item_name_written").fill_null(""),
            stamp("receipt_at"),
        ),
        item_code=pl.col("item_code_written"),
        evidence=CASE,
        since=pl.col("receipt_at").dt.date(),
        until=pl.min_horizontal(pl.col("receipt_at").dt.date(), pl.lit(c.as_of) - pl.duration(days=1)),
    )


@rule("C10", waits=True)
def split_or_doubled(c: Context, values: Rule) -> pl.DataFrame:
    """C10 拆分或重复: two cases of one item for one project whose [receipt, end) overlap."""
    cases = c.cases.drop_nulls([*KEY, "receipt_at"]).select(
        *KEY, "case_id", "case_no", "receipt_at", "ended_at", "engineering_code", "multiple", "item_name", "open"
    )
    several = cases.filter(pl.len().over(KEY) > 1).sort(*KEY, "receipt_at", "case_no").with_row_index("_place")
    earlier = several.select(
        *KEY,
        *(
            pl.col(name).alias(f"{name}_a")
            for name in ("_place", "case_id", "case_no", "receipt_at", "ended_at", "engineering_code", "open")
        ),
    )
    works = pl.col("engineering_code").is_not_null() & pl.col("engineering_code_a").is_not_null()
    same_work = works & (pl.col("engineering_code") == pl.col("engineering_code_a"))
    other_work = works & (pl.col("engineering_code") != pl.col("engineering_code_a"))
    pairs = several.join(earlier, on=KEY).filter(
        (pl.col("_place_a") < pl.col("_place"))
        & (pl.col("ended_at_a").is_null() | before(pl.col("receipt_at"), pl.col("ended_at_a")))
        & pl.when(pl.col("multiple").fill_null(False)).then(same_work).otherwise(~other_work)
    )
    return found(
        pairs,
        pl.format(
            "同一项目的 {} 在办件 {} 未结束时又收到办件 {}，疑似拆分或重复申报，待核。",
            "item_name",
            "case_no_a",
            "case_no",
        ),
        evidence=pl.concat_list(pl.format("case {}", "case_id_a"), pl.format("case {}", "case_id")),
        since=pl.when(pl.col("open_a")).then(pl.col("receipt_at_a").dt.date()),  # its end may not have come
        ripe=pl.col("receipt_at").dt.date(),
    )


@rule("C12")
def unlinked(c: Context, values: Rule) -> pl.DataFrame:
    """C12 挂错项目: no code, a wrong one, or another owner's, while owner and name find exactly one project."""
    filed = c.frames.projects.select(
        pl.col("project_code").alias("found_project"), pl.col("submitted_at").alias("_filed")
    )
    rows = c.cases.filter(
        pl.col("channel").is_in(channels.carrying("project_code"))
        & pl.col("found_project").is_not_null()
        & ~pl.col("written_ok").fill_null(False)
    ).join(filed, on="found_project", how="left")
    rows = rows.filter(before(pl.col("_filed"), pl.col("receipt_at")).fill_null(True))
    why = (
        pl.when(pl.col("project_code_written").is_null())
        .then(pl.lit("未填项目代码"))
        .otherwise(pl.format("所填项目代码 {} 有误或属于他人项目", "project_code_written"))
    )
    return found(
        rows,
        pl.format("办件 {} {}，按申请单位与项目名称应属项目 {}，疑似挂错项目，待核。", "case_no", why, "found_project"),
        project_code=pl.col("found_project"),
        item_code=pl.coalesce("item_code", "item_code_written"),
        evidence=CASE,
    )


@rule("C14", waits=True)
def broken_reference(c: Context, values: Rule) -> pl.DataFrame:
    """C14 证号断链: a quoted licence number that no source knows; one finding a case, with all its numbers."""
    cases = c.cases.drop_nulls(KEY).select(
        *KEY, "case_id", "case_no", "engineering_code", "receipt_at", "licence_normal"
    )
    quotes = c.frames.quotes.with_columns(pl.coalesce("item_code", pl.lit(c.rules.items.permit)).alias("item_code"))
    quotes = quotes.with_columns(normal_number(pl.col("number")).alias("_normal"))
    matched = (
        quotes.join(cases, on=KEY, how="left", suffix="_case")
        .with_columns(
            pl.when(pl.col("licence_normal") == pl.col("_normal"))
            .then(0)
            .when(pl.col("engineering_code") == pl.col("engineering_code_case"))
            .then(1)
            .otherwise(2)
            .alias("_fit")
        )
        .sort("licence_id", "field", "_fit", "receipt_at")
        .unique(["licence_id", "field"], keep="first", maintain_order=True)
    )
    year = pl.col("quoted").str.extract(r"(20\d{2})").cast(pl.Int32, strict=False)
    day = pl.coalesce(pl.date(year, 12, 31), pl.col("receipt_at").dt.date(), pl.col("issued_at").dt.date())
    begins = first_complete_day(c.connection, c.needs.rules["C14"][0])
    rows = matched.filter(pl.lit(begins is None) | (day >= pl.lit(begins)).fill_null(True))
    rows = rows.with_columns(pl.coalesce("case_no", "number").alias("case_no"))
    rows = (
        rows.group_by(*KEY, "case_no", maintain_order=True)
        .agg(
            pl.col("case_id").first(),
            pl.format("{}（{}）", "quoted", "field").alias("_numbers"),
            pl.format("licence {}", "licence_id").unique().alias("evidence"),
            pl.col("issued_at").max().dt.date().alias("ripe"),
        )
        .with_columns(pl.col("_numbers").list.join("、"))
    )
    return found(
        rows,
        pl.format("办件 {} 引用的证号 {} 在所有数据来源中查无记载，疑似证号断链，待核。", "case_no", "_numbers"),
        since=pl.lit(begins or c.rules.supervision_start),
    )


@rule("C15", waits=True)
def past_the_window(c: Context, values: Rule) -> pl.DataFrame:
    """C15 绕行: a department's case of an M2 item in its own system only, and M2 has none of that item and project.

    Some channels state the municipal number (``carries``). Elsewhere the case's number is the municipal one where one stands, so that one which
    M2 does not know is the department's own; but a case that says it came by the one window (SJLY 1) did.
    """
    unified = (
        c.facts.events.filter(pl.col("origin") == UNIFIED)
        .select("case_id")
        .unique()
        .with_columns(pl.lit(True).alias("_unified"))
    )
    states_number = pl.col("channel").is_in(channels.carrying("municipal_no"))
    own = pl.when(states_number).then(pl.col("municipal_no").is_null()).otherwise(pl.col("_unified").is_null())
    has_m2 = c.facts.states.filter("has_m2_case").select(KEY)
    rows = (
        c.cases.filter(
            ~pl.col("in_m2")
            & pl.col("in_department")
            & (pl.col("case_channel") == channels.municipal()).fill_null(False)
        )
        .join(unified, on="case_id", how="left")
        .filter(own)
        .drop_nulls(KEY)
        .join(has_m2, on=KEY, how="anti")
        .filter(pl.col("receipt_at").dt.date() >= pl.col("cut_off"))
    )
    rows = rows.with_columns(_later(c, rows, "receipt_at", 1).alias("until"))
    return found(
        rows,
        pl.format(
            "部门办件 {}（{}）只在部门自建系统中，市平台没有该项目该事项的办件，疑似绕开统一受理，待核。",
            "case_no",
            "item_name",
        ),
        evidence=CASE,
        since=pl.col("receipt_at").dt.date(),
    )
