"""Where the days go: every elapsed day of a project attributed once, so that the parts sum to the whole.

From the first receipt of any of a project's cases to the end of its last one (to the day asked about while one runs, or while
the project is not finished), a day belongs to one holder, the first of :data:`HOLDERS` that has it:

- ``government``: a department works on an accepted case, its clock running. Of several, the case that ends last has the day:
  without it the others would not have held the project up.
- ``handoff``: a case is received and not accepted yet (窗口与部门之间的流转), or nothing is open and what comes next is an
  internal item of the government's.
- ``notice``: a 公示 or 公告 runs, a special procedure of that name.
- ``pause``: another special procedure runs (延长, 听证、招标、拍卖等法定情形).
- ``enterprise``: a 补正 runs, or nothing is open and what comes next is for the enterprise to file.

Days are natural days; a day of 07:00 to 09:00 counts whole for whoever has it at its end.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from sqlalchemy.engine import Connection

from insight import named
from store.copying import read_frame
from supervision.clock import effective
from supervision.judge import Judged

HOLDERS = ("government", "handoff", "notice", "pause", "enterprise")
HOLDER_ZH = {
    "government": "部门办理",
    "handoff": "流转交接",
    "notice": "公示公告",
    "pause": "依法暂停",
    "enterprise": "企业准备与补正",
}
INTERNAL = "政府内部事项"
#: one row a case: what :func:`spent` needs of it; ``until`` is the first day that is not the case's any more
CASES = pl.Schema(
    {
        "project_code": pl.String,
        "case_id": pl.String,
        "item_code": pl.String,
        "item_name": pl.String,
        "kind": pl.String,
        "department": pl.String,
        "received_on": pl.Date,
        "accepted_on": pl.Date,
        "until": pl.Date,
    }
)
PAUSES = pl.Schema({"case_id": pl.String, "holder": pl.String, "from_": pl.Date, "until": pl.Date})
DAYS = {
    "project_code": pl.String,
    "day": pl.Date,
    "holder": pl.String,
    "department": pl.String,
    "item_code": pl.String,
    "item_name": pl.String,
    "case_id": pl.String,
}
_RANK = {holder: rank for rank, holder in enumerate(HOLDERS)}


@dataclass(frozen=True, slots=True)
class Spent:
    """``days``: :data:`DAYS`, one row a project and day; ``projects``: project_code, begun_on, until, elapsed (days), running."""

    days: pl.DataFrame
    projects: pl.DataFrame


def spent(cases: pl.DataFrame, pauses: pl.DataFrame, open_until: pl.DataFrame) -> Spent:
    """Attribute every day of every project.

    :param cases: :data:`CASES`, those without a day of receipt left out.
    :param pauses: :data:`PAUSES`, within an accepted case; ``holder`` notice, pause or enterprise.
    :param open_until: project_code, until: projects that are not finished, and the first day that is not counted.
    """
    whole = (
        cases.group_by("project_code")
        .agg(pl.col("received_on").min().alias("begun_on"), pl.col("until").max().alias("_last"))
        .join(open_until.rename({"until": "_open"}), on="project_code", how="left")
        .with_columns(
            pl.max_horizontal("begun_on", "_last", "_open").alias("until"),
            pl.col("_open").is_not_null().alias("running"),
        )
        .with_columns((pl.col("until") - pl.col("begun_on")).dt.total_days().alias("elapsed"))
        .select("project_code", "begun_on", "until", "elapsed", "running")
        .sort("project_code")
    )
    held = _held(cases, pauses)
    days = _exploded(whole.select("project_code", pl.col("begun_on").alias("from_"), "until"))
    held_days = days.join(held, on=["project_code", "day"], how="left", maintain_order="left")
    free = held_days.filter(pl.col("holder").is_null()).select("project_code", "day")
    held_days = pl.concat([held_days.filter(pl.col("holder").is_not_null()).select(list(DAYS)), _between(free, cases)])
    return Spent(held_days.sort("project_code", "day"), whole)


def _held(cases: pl.DataFrame, pauses: pl.DataFrame) -> pl.DataFrame:
    """(project_code, day) → the one that has it, of the days on which something is open."""
    about = cases.select(
        "project_code", "case_id", "item_code", "item_name", "department", pl.col("until").alias("_ends")
    )
    waits = cases.select(
        "case_id",
        pl.lit("handoff").alias("holder"),
        pl.col("received_on").alias("from_"),
        pl.coalesce("accepted_on", "until").alias("until"),
    )
    works = cases.filter(pl.col("accepted_on").is_not_null()).select(
        "case_id", pl.lit("government").alias("holder"), pl.col("accepted_on").alias("from_"), "until"
    )
    paused = _exploded(pauses, "case_id", "holder")
    open_ = pl.concat([_exploded(waits, "case_id", "holder"), _exploded(works, "case_id", "holder")])
    # within a case a pause takes its days from the department
    rank = pl.col("holder").replace_strict(_RANK, return_dtype=pl.Int8)
    of_case = (
        pl.concat(
            [open_.with_columns(pl.lit(1, pl.Int8).alias("_by")), paused.with_columns(pl.lit(0, pl.Int8).alias("_by"))]
        )
        .sort("case_id", "day", "_by", rank)
        .unique(["case_id", "day"], keep="first", maintain_order=True)
    )
    return (
        of_case.join(about, on="case_id")
        .filter(pl.col("day") < pl.col("_ends"))
        .sort("project_code", "day", rank, pl.col("_ends").dt.epoch("d") * -1, "case_id")
        .unique(["project_code", "day"], keep="first", maintain_order=True)
        .select(list(DAYS))
    )


def _between(free: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """Days on which nothing is open, by whose the next case is."""
    following = cases.select(
        "project_code",
        pl.col("received_on").alias("_next"),
        "kind",
        "department",
        "item_code",
        "item_name",
        "case_id",
    ).sort("_next", "case_id")
    followed = free.sort("day").join_asof(
        following, left_on="day", right_on="_next", by="project_code", strategy="forward", check_sortedness=False
    )
    internal = (pl.col("kind") == INTERNAL).fill_null(False)
    return followed.with_columns(
        pl.when(internal).then(pl.lit("handoff")).otherwise(pl.lit("enterprise")).alias("holder"),
        pl.when(internal).then("department").alias("department"),
    ).select(list(DAYS))


def _exploded(spans: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """A row for every day of [from_, until)."""
    names = columns or ("project_code",)
    return (
        spans.filter(pl.col("from_") < pl.col("until"))
        .select(*names, pl.date_ranges("from_", pl.col("until").dt.offset_by("-1d")).alias("day"))
        .explode("day")
    )


def spans(days: pl.DataFrame) -> pl.DataFrame:
    """:data:`DAYS` as stretches: project_code, holder, department, item_code, item_name, case_id, from_, until (the last day), days."""
    same = ["project_code", "holder", "department", "item_code", "item_name", "case_id"]
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in same)
    return (
        days.sort("project_code", "day")
        .with_columns(changed.cum_sum().alias("_run"))
        .group_by("_run", maintain_order=True)
        .agg(
            *(pl.col(name).first() for name in same),
            pl.col("day").min().alias("from_"),
            pl.col("day").max().alias("until"),
            pl.len().alias("days"),
        )
        .drop("_run")
    )


_NOTICES = """
select distinct on (1, 2) p.case_id, p.started_at::date as from_, true as notice
from scope_case s join store.special_procedure p on p.case_id = s.id
where p.gone_at is null and p.started_at is not null and concat(p.name, p.reason) ~ '公示|公告' order by 1, 2"""


def notices(connection: Connection) -> pl.DataFrame:
    """(case_id, from_, notice) of the special procedures in scope that are a 公示 or 公告."""
    return read_frame(connection, _NOTICES, {"case_id": pl.String, "from_": pl.Date, "notice": pl.Boolean})


def of_judged(connection: Connection, judged: Judged) -> Spent:
    """The same of projects as they were judged, while they are the connection's scope."""
    facts, as_of = judged.facts, judged.as_of
    tomorrow = pl.lit(as_of).dt.offset_by("1d")
    cases = (
        named.cases(facts)
        .filter(pl.col("project_code").is_not_null() & pl.col("receipt_at").is_not_null())
        .select(
            "project_code",
            "case_id",
            "item_code",
            "item_name",
            "kind",
            "department",
            pl.col("receipt_at").dt.date().alias("received_on"),
            pl.col("acceptance_on").alias("accepted_on"),
            pl.coalesce(pl.col("ended_at").dt.date(), tomorrow).alias("until"),
        )
    )
    stands = effective(facts.cases.filter(pl.col("acceptance_on").is_not_null()), facts.pauses, as_of)
    pauses = stands.join(notices(connection), on=["case_id", "from_"], how="left").select(
        "case_id",
        pl.when(pl.col("kind") == "supplement")
        .then(pl.lit("enterprise"))
        .when(pl.col("notice").fill_null(False))
        .then(pl.lit("notice"))
        .otherwise(pl.lit("pause"))
        .alias("holder"),
        "from_",
        pl.min_horizontal("until", tomorrow).alias("until"),
    )
    unfinished = judged.standing.projects.filter(~pl.col("finished").fill_null(False)).select(
        "project_code", tomorrow.alias("until")
    )
    return spent(cases.cast(CASES), pauses.cast(PAUSES), unfinished)
