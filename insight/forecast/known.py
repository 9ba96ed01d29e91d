"""What was known of a case at the end of a day: the ground that forecasts are made on and learned from.

Time is the promised clock of :mod:`supervision.clock`, in days used; it is measured in shares of ``limit + 1``, so that a case is
overdue exactly when it is still open at 1. Everything that is said of a day comes from events of that day or before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from insight import named
from store.engine import transaction
from supervision import expected, facts, judge, read
from supervision.calendar import NATURAL, Calendar
from supervision.clock import CASE_SCHEMA, clocks

YEAR = 365  # days back from which pace is learned
SHRINK = 20.0  # cases that the city's own pace weighs beside an item's or a department's
CASES = pl.Schema(
    {
        "case_id": pl.String,
        "case_no": pl.String,
        "project_code": pl.String,
        "item_code": pl.String,
        "item_name": pl.String,
        "department": pl.String,
        "accepted_on": pl.Date,
        "ended_on": pl.Date,
        "withdrawn": pl.Boolean,
        "limit": pl.Int64,
        "natural": pl.Boolean,
        "used": pl.Int64,
    }
)
PAUSES = pl.Schema(
    {
        "case_id": pl.String(),
        "kind": pl.String(),
        "from_": pl.Date(),
        "until": pl.Date(),
        "limit_until": pl.Date(),
        "_started": pl.Datetime("us"),
        "_ended": pl.Datetime("us"),
    }
)
EVENTS = pl.Schema({"case_id": pl.String, "on": pl.Date})
STEPS = pl.Schema(
    {
        "project_code": pl.String,
        "item_code": pl.String,
        "item_name": pl.String,
        "ready_on": pl.Date,
        "received_on": pl.Date,
        "done_on": pl.Date,
        "current": pl.Boolean,
    }
)
#: what a forecast looks at, with its name for people
FEATURES = {
    "item_pace": "本事项近一年平均用时占时限",
    "department_pace": "本部门近一年平均用时占时限",
    "department_late": "本部门近一年逾期率",
    "load": "本部门在办量与月办结量之比",
    "supplements": "已要求补正次数",
    "specials": "已用特别程序次数",
    "paused": "正在暂停",
    "idle": "距上次动静的天数占时限",
    "short": "时限长短",
}


@dataclass(frozen=True, slots=True)
class City:
    """Accepted cases with a promised limit (:data:`CASES`; ``used`` and ``ended_on`` as of ``as_of``), their :data:`PAUSES` and the
    days of their :data:`EVENTS`. ``steps``: expected items whose hard prerequisites are done, since when, when their first case was
    received and when they were done (:data:`STEPS`; ``current``: it is the project's turn to take them now)."""

    as_of: date
    cases: pl.DataFrame
    pauses: pl.DataFrame
    events: pl.DataFrame
    steps: pl.DataFrame


def gather(as_of: date, by: judge.Rules | None = None, projects: Iterable[str] | None = None) -> City:
    """Read the store as of the end of a day, some projects at a time."""
    by = by or judge.rules()
    cases, pauses, events, steps = [], [], [], []
    with transaction() as connection:
        for chunk in judge.chunks(connection, projects):
            read.set_scope(connection, chunk)
            frames = by.amend(read.frames(connection))
            known = facts.gather(frames, as_of, by.calendar, by.book.clock)
            steps.append(_steps(expected.stand(frames.projects, known)))
            mine = (
                named.cases(known)
                .filter(pl.col("acceptance_on").is_not_null() & pl.col("promised_limit").is_not_null())
                .select(
                    "case_id",
                    "case_no",
                    "project_code",
                    "item_code",
                    "item_name",
                    "department",
                    pl.col("acceptance_on").alias("accepted_on"),
                    pl.col("ended_at").dt.date().alias("ended_on"),
                    pl.col("withdrawn").fill_null(False),
                    pl.col("promised_limit").alias("limit"),
                    (pl.col("promised_unit") == NATURAL).fill_null(False).alias("natural"),
                    pl.col("used_promised").alias("used"),
                )
            )
            cases.append(mine.cast(CASES))
            pauses.append(
                known.pauses.join(mine.select("case_id"), on="case_id", how="semi")
                .select(
                    "case_id",
                    "kind",
                    pl.col("started_at").dt.date().alias("from_"),
                    pl.min_horizontal(pl.col("ended_at").dt.date(), "limit_until").alias("until"),
                    "limit_until",
                    pl.col("started_at").alias("_started"),
                    pl.col("ended_at").alias("_ended"),
                )
                .cast(PAUSES)
            )
            events.append(
                known.events.join(mine.select("case_id"), on="case_id", how="semi")
                .select("case_id", pl.col("at").dt.date().alias("on"))
                .drop_nulls()
                .unique()
            )
    return City(as_of, pl.concat(cases), pl.concat(pauses), pl.concat(events).cast(EVENTS), pl.concat(steps))


def _steps(standing: expected.Standing) -> pl.DataFrame:
    """:data:`STEPS` of the projects that stand so."""
    key = ["project_code", "item_code"]
    done = standing.items.select(*key, pl.col("done_at").dt.date().alias("done_on"), "unknown", "done")
    before = (
        standing.edges.filter(pl.col("strength") == "hard")
        .join(done.rename({"item_code": "prerequisite"}), on=["project_code", "prerequisite"])
        .filter(~pl.col("unknown"))
        .group_by(key)
        .agg(pl.col("done_on").max().alias("ready_on"), pl.col("done").all().alias("_free"))
        .filter("_free")
    )
    now = standing.current.select(*key, (~pl.col("has_open_case")).alias("current"))
    return (
        standing.items.filter(pl.col("expected").fill_null(False) & ~pl.col("unknown"))
        .select(
            *key,
            "item_name",
            pl.col("first_receipt_at").dt.date().alias("received_on"),
            pl.col("done_at").dt.date().alias("done_on"),
        )
        .join(before, on=key)
        .join(now, on=key, how="left")
        .with_columns(pl.col("current").fill_null(False))
        .select(list(STEPS))
        .cast(STEPS)
    )


def looks(city: City, calendar: Calendar, shares: Iterable[float] = (0.0, 0.25, 0.5, 0.75, 1.0)) -> pl.DataFrame:
    """(case_id, day): the days on which shares of the limit had passed, while the case was open."""
    last = pl.coalesce(pl.col("ended_on").dt.offset_by("-1d"), pl.lit(city.as_of))
    found = []
    for share in shares:
        ahead = (city.cases["limit"].to_numpy() * share).round().astype(np.int64)
        day = calendar.add(city.cases["accepted_on"].to_numpy(), ahead, city.cases["natural"].to_numpy())
        found.append(
            city.cases.with_columns(pl.Series("day", day).cast(pl.Date))
            .filter(pl.col("day") <= last)
            .select("case_id", "day")
        )
    return pl.concat(found).unique().sort("case_id", "day")


def on_days(city: City, at: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """What was known at the ends of days.

    :param at: case_id, day (the case accepted by then, and open at its end).
    :returns: a row each: case_id, day, limit, natural, begun (share of ``limit + 1`` used), spent (days used), rest (counted days
        that a standing pause is granted still), :data:`FEATURES` (null: not known), and what came of it: ``end`` (share at
        which it ended, or up to which it is known to be open), ``ended``, ``late`` (null: not known yet), ``left`` (counted days from
        ``day`` to the end; null: none yet).
    """
    rows = at.join(city.cases, on="case_id").sort("case_id", "day").with_row_index("row")
    if rows.is_empty():
        rows = rows.with_columns(pl.lit(None, pl.Date).alias("day"))
    natural = rows["natural"].to_numpy()
    day = rows["day"].to_numpy()
    pauses = (
        rows.select("row", "case_id", "day").join(city.pauses, on="case_id").filter(pl.col("from_") <= pl.col("day"))
    )
    spent = _spent(rows, pauses, calendar)
    standing = (
        pauses.filter((pl.col("until") > pl.col("day")).fill_null(True))
        .group_by("row")
        .agg(pl.col("limit_until").max(), pl.lit(True).alias("_paused"))
    )
    counts = pauses.group_by("row").agg(
        (pl.col("kind") == "supplement").sum().alias("supplements"),
        (pl.col("kind") != "supplement").sum().alias("specials"),
    )
    last = (
        rows.select("row", "case_id", "day")
        .sort("day")
        .join_asof(
            city.events.sort("on"),
            left_on="day",
            right_on="on",
            by="case_id",
            strategy="backward",
            check_sortedness=False,
        )
        .select("row", pl.coalesce("on", "day").alias("_last"))
    )
    scale = pl.col("limit") + 1
    frame = (
        rows.join(spent, on="row", how="left", maintain_order="left")
        .join(standing, on="row", how="left", maintain_order="left")
        .join(counts, on="row", how="left", maintain_order="left")
        .join(last, on="row", how="left", maintain_order="left")
        .pipe(_paces, city)
        .sort("row")
    )
    until = frame["limit_until"].fill_null(date(1970, 1, 1)).to_numpy()
    ends = frame["ended_on"].fill_null(date(1970, 1, 1)).to_numpy()
    frame = frame.with_columns(
        pl.Series("rest", calendar.count(day, until, natural)),
        pl.Series("_idle", calendar.count(frame["_last"].to_numpy(), day, natural)),
        pl.Series("_left", calendar.count(day, ends, natural)),
    )
    over = pl.col("ended_on").is_not_null() & ~pl.col("withdrawn")
    return frame.select(
        "case_id",
        "day",
        "limit",
        "natural",
        "spent",
        "rest",
        (pl.col("spent") / scale).alias("begun"),
        "item_pace",
        "department_pace",
        "department_late",
        "load",
        pl.col("supplements").fill_null(0).cast(pl.Float64),
        pl.col("specials").fill_null(0).cast(pl.Float64),
        pl.col("_paused").fill_null(False).cast(pl.Float64).alias("paused"),
        (pl.col("_idle") / scale).alias("idle"),
        (1 / scale).alias("short"),
        ((pl.max_horizontal("used", "spent") + 0.5) / scale).alias("end"),
        over.alias("ended"),
        pl.when(pl.col("used") > pl.col("limit")).then(True).when(over).then(False).alias("late"),
        pl.when(over).then("_left").alias("left"),
    )


def _spent(rows: pl.DataFrame, pauses: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """(row, spent): days used of the promised limit by the end of the day, by the one clock of the rules."""
    cases = rows.select(
        pl.col("row").cast(pl.String).alias("case_id"),
        pl.col("accepted_on").alias("acceptance_on"),
        pl.col("day").cast(pl.Datetime("us")).alias("ended_at"),
        pl.col("limit").alias("promised_limit"),
        pl.when("natural").then(pl.lit(NATURAL)).alias("promised_unit"),
        pl.lit(None, pl.Int64).alias("statutory_limit"),
        pl.lit(None, pl.String).alias("statutory_unit"),
    )
    held = pauses.select(
        pl.col("row").cast(pl.String).alias("case_id"),
        "kind",
        pl.col("_started").alias("started_at"),
        pl.when(pl.col("_ended").dt.date() <= pl.col("day")).then("_ended").alias("ended_at"),
        "limit_until",
        pl.lit(False).alias("standing"),
    )
    if rows.is_empty():
        return pl.DataFrame(schema={"row": pl.UInt32, "spent": pl.Int64})
    clocked = clocks(cases.select(list(CASE_SCHEMA)), held, rows.select(pl.col("day").max()).item(), calendar)
    return clocked.select(pl.col("case_id").cast(pl.UInt32).alias("row"), pl.col("used_promised").alias("spent"))


def _paces(rows: pl.DataFrame, city: City) -> pl.DataFrame:
    """``rows`` with how fast item and department were in the year before the day, shrunk towards the city's own, and the load."""
    ended = city.cases.filter(pl.col("ended_on").is_not_null() & ~pl.col("withdrawn")).select(
        "item_code",
        "department",
        pl.lit("").alias("_city"),
        pl.col("ended_on").alias("on"),
        pl.min_horizontal((pl.col("used") + 0.5) / (pl.col("limit") + 1), pl.lit(2.0)).alias("_share"),
        (pl.col("used") > pl.col("limit")).cast(pl.Float64).alias("_late"),
    )
    rows = rows.with_columns(pl.lit("").alias("_city"))
    sums = ["_n", "_share", "_late"]
    for by in ("_city", "item_code", "department"):
        series = (
            ended.drop_nulls(by)
            .group_by(by, "on")
            .agg(pl.len().cast(pl.Float64).alias("_n"), pl.col("_share", "_late").sum())
            .sort("on")
            .with_columns(pl.col(*sums).cum_sum().over(by))
        )
        rows = rows.with_columns(
            *(
                (pl.lit(_as_of(rows, series, by, 1)[name]) - pl.lit(_as_of(rows, series, by, 1 + YEAR)[name])).alias(
                    f"{by}{name}"
                )
                for name in sums
            )
        )
    city_share = pl.when(pl.col("_city_n") > 0).then(pl.col("_city_share") / pl.col("_city_n"))
    city_late = pl.when(pl.col("_city_n") > 0).then(pl.col("_city_late") / pl.col("_city_n"))
    accepted = (
        city.cases.drop_nulls("department")
        .group_by("department", pl.col("accepted_on").alias("on"))
        .agg(pl.len().cast(pl.Float64).alias("_n"))
        .sort("on")
        .with_columns(pl.col("_n").cum_sum().over("department"))
    )
    gone = (
        city.cases.drop_nulls(["department", "ended_on"])
        .group_by("department", pl.col("ended_on").alias("on"))
        .agg(pl.len().cast(pl.Float64).alias("_n"))
        .sort("on")
        .with_columns(pl.col("_n").cum_sum().over("department"))
    )
    return rows.with_columns(
        ((pl.col("item_code_share") + SHRINK * city_share) / (pl.col("item_code_n") + SHRINK)).alias("item_pace"),
        ((pl.col("department_share") + SHRINK * city_share) / (pl.col("department_n") + SHRINK)).alias(
            "department_pace"
        ),
        ((pl.col("department_late") + SHRINK * city_late) / (pl.col("department_n") + SHRINK)).alias("department_late"),
        (
            (_as_of(rows, accepted, "department", 0)["_n"] - _as_of(rows, gone, "department", 0)["_n"])
            / (pl.col("department_n") / 12 + 1)
        ).alias("load"),
    )


def _as_of(rows: pl.DataFrame, series: pl.DataFrame, by: str, back: int) -> pl.DataFrame:
    """The running sums of ``series`` as they stood ``back`` days before each row's day; 0 before they begin."""
    return (
        rows.select("row", by, pl.col("day").dt.offset_by(f"-{back}d").alias("_day"))
        .sort("_day")
        .join_asof(series, left_on="_day", right_on="on", by=by, strategy="backward", check_sortedness=False)
        .sort("row")
        .with_columns(pl.col(pl.Float64).fill_null(0.0))
    )
