"""The clock of a case: days used, due dates, light. Rules: docs/rules.md, "The clock of a case".

Columns over many cases at once; nothing here knows a database. Promised (承诺) and statutory (法定) limits each count in
their own unit and for themselves.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from supervision.calendar import NATURAL, Calendar
from supervision.declaration import CLOCK, ClockRules

GREY, DOUBLE_RED, RED, BLUE, YELLOW, GREEN = "灰", "双红", "红", "蓝", "黄", "绿"
LIMITS = ("promised", "statutory")

CASE_SCHEMA = {
    "case_id": pl.String,
    "acceptance_on": pl.Date,
    "ended_at": pl.Datetime("us"),
    "promised_limit": pl.Int64,
    "promised_unit": pl.String,
    "statutory_limit": pl.Int64,
    "statutory_unit": pl.String,
}


def effective(cases: pl.DataFrame, pauses: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The pauses that count, one row each, in order: case_id, from_, until (dates), running, unlimited.

    One that starts before the day of acceptance is ignored whole. A pause ends at the earlier of its end and the end of
    its granted limit; one with neither runs to the case's end, else to today (``unlimited``). ``running``: it has neither
    ended nor outrun its limit.
    """
    last_day = pl.coalesce(pl.col("case_ended_at").dt.date(), pl.lit(as_of))
    stop = pl.min_horizontal(pl.col("ended_at").dt.date(), pl.col("limit_until"))
    return (
        pauses.join(cases.select("case_id", "acceptance_on", pl.col("ended_at").alias("case_ended_at")), on="case_id")
        .with_columns(pl.col("started_at").dt.date().alias("from_"))
        .filter((pl.col("from_") >= pl.col("acceptance_on")) & (pl.col("from_") <= last_day))
        .with_columns(
            pl.coalesce(stop, last_day).alias("until"),
            (stop.is_null() & pl.col("case_ended_at").is_null()).alias("unlimited"),
            (pl.col("standing") & pl.col("case_ended_at").is_null()).alias("running"),
        )
        .sort("case_id", "from_", "until")
        .select("case_id", "kind", "from_", "until", "running", "unlimited")
    )


def _segments(cases: pl.DataFrame, pauses: pl.DataFrame, natural: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """Free stretches before each pause: case_id, free_from, free_until, free_days, free_before, pause_until."""
    joined = pauses.join(cases.select("case_id", "acceptance_on"), on="case_id", maintain_order="left").join(
        natural, on="case_id", maintain_order="left"
    )
    earlier = pl.col("until").shift(1).cum_max().over("case_id")
    joined = joined.with_columns(pl.coalesce(earlier, pl.col("acceptance_on")).alias("free_from"))
    free = calendar.count(joined["free_from"].to_numpy(), joined["from_"].to_numpy(), joined["natural"].to_numpy())
    return joined.with_columns(pl.Series("free_days", free, dtype=pl.Int64)).with_columns(
        (pl.col("free_days").cum_sum().over("case_id") - pl.col("free_days")).alias("free_before"),
        pl.col("until").cum_max().over("case_id").alias("pause_until"),
    )


def _one_limit(cases: pl.DataFrame, pauses: pl.DataFrame, which: str, as_of: date, calendar: Calendar) -> pl.DataFrame:
    """case_id, used_<which>, due_<which>: for the limits of one name, in their unit."""
    natural = cases.select("case_id", (pl.col(f"{which}_unit") == NATURAL).fill_null(False).alias("natural"))
    segments = _segments(cases, pauses, natural, calendar)

    # Days used: the counted days from acceptance to the end, less those that a pause takes once.
    stop = cases.select(
        "case_id",
        pl.min_horizontal(pl.coalesce(pl.col("ended_at").dt.date(), pl.lit(as_of)), pl.lit(as_of)).alias("stop"),
    )
    taken = segments.join(stop, on="case_id", maintain_order="left").with_columns(
        pl.max_horizontal("from_", "free_from").alias("_from"), pl.min_horizontal("until", "stop").alias("_until")
    )
    taken_days = calendar.count(taken["_from"].to_numpy(), taken["_until"].to_numpy(), taken["natural"].to_numpy())
    taken = (
        taken.with_columns(pl.Series("_taken", taken_days, dtype=pl.Int64))
        .group_by("case_id")
        .agg(pl.col("_taken").sum())
    )
    frame = (
        cases.join(stop, on="case_id", maintain_order="left")
        .join(taken, on="case_id", how="left", maintain_order="left")
        .join(natural, on="case_id", maintain_order="left")
    )
    is_natural = frame["natural"].to_numpy()
    elapsed = calendar.count(frame["acceptance_on"].to_numpy(), frame["stop"].to_numpy(), is_natural)
    frame = frame.with_columns(
        (pl.Series("_elapsed", elapsed, dtype=pl.Int64) - pl.col("_taken").fill_null(0)).alias(f"used_{which}")
    )

    # Due: in the first free stretch that reaches the limit, else after the last pause.
    limit = cases.select("case_id", pl.col(f"{which}_limit").alias("_limit"))
    reached = (
        segments.join(limit, on="case_id", maintain_order="left")
        .filter(pl.col("_limit") <= pl.col("free_before") + pl.col("free_days"))
        .group_by("case_id", maintain_order=True)
        .agg(pl.col("free_from").first().alias("_base"), pl.col("free_before").first().alias("_spent"))
    )
    after = segments.group_by("case_id").agg(
        pl.col("pause_until").max().alias("_last_base"), pl.col("free_days").sum().alias("_all_free")
    )
    frame = frame.join(reached, on="case_id", how="left", maintain_order="left").join(
        after, on="case_id", how="left", maintain_order="left"
    )
    frame = frame.with_columns(
        pl.coalesce("_base", "_last_base", "acceptance_on").alias("_base"),
        pl.coalesce("_spent", "_all_free", pl.lit(0)).alias("_spent"),
    )
    left = (frame[f"{which}_limit"].fill_null(0) - frame["_spent"]).to_numpy()
    due = calendar.add(frame["_base"].to_numpy(), left, is_natural)
    return frame.select(
        "case_id",
        f"used_{which}",
        pl.when(pl.col(f"{which}_limit") == 0)
        .then(pl.col("acceptance_on"))
        .when(pl.col(f"{which}_limit").is_not_null())
        .then(pl.Series(due).cast(pl.Date))
        .alias(f"due_{which}"),
    )


def clocks(
    cases: pl.DataFrame, pauses: pl.DataFrame, as_of: date, calendar: Calendar, rules: ClockRules = CLOCK
) -> pl.DataFrame:
    """The clock of every case of ``cases`` (:data:`CASE_SCHEMA`) at the end of a day.

    ``pauses`` as of :class:`supervision.timeline.Timelines`. Returns case_id, used_promised, used_statutory,
    due_promised, due_statutory, suspended (暂停中: the due dates stand on a pause without an end), provisional (暂估),
    light; days and dates are null where the case is not accepted or has no such limit.
    """
    ended = pl.col("ended_at").is_not_null()
    running = cases.filter(pl.col("acceptance_on").is_not_null())
    counted = effective(running, pauses, as_of)
    result = running
    for which in LIMITS:
        result = result.join(_one_limit(running, counted, which, as_of, calendar), on="case_id", maintain_order="left")
    state = counted.group_by("case_id").agg(
        pl.col("running").any().alias("paused"), pl.col("unlimited").any().alias("suspended")
    )
    result = result.join(state, on="case_id", how="left", maintain_order="left").with_columns(
        pl.col("paused").fill_null(False), pl.col("suspended").fill_null(False)
    )
    for which in LIMITS:
        has_limit = pl.col(f"{which}_limit").is_not_null()
        result = result.with_columns(pl.when(has_limit).then(pl.col(f"used_{which}")).alias(f"used_{which}"))

    furthest = pl.max_horizontal(
        pl.coalesce(pl.col("ended_at").dt.date(), pl.lit(as_of)), "due_promised", "due_statutory"
    )
    spans = result.select(pl.col("acceptance_on").alias("a"), furthest.alias("b"))
    has_any = pl.col("promised_limit").is_not_null() | pl.col("statutory_limit").is_not_null()
    provisional = calendar.provisional(spans["a"].to_numpy(), spans["b"].to_numpy())
    promised_first = pl.col("due_promised").is_not_null() & (
        pl.col("due_statutory").is_null() | (pl.col("due_promised") <= pl.col("due_statutory"))
    )
    first_limit = pl.when(promised_first).then(pl.col("promised_limit")).otherwise(pl.col("statutory_limit"))
    first_used = pl.when(promised_first).then(pl.col("used_promised")).otherwise(pl.col("used_statutory"))
    left = first_limit - first_used
    result = result.with_columns(
        (pl.Series("provisional", provisional) & has_any).alias("provisional"),
        pl.when(ended)
        .then(pl.lit(GREY))
        .when(pl.col("used_statutory") > pl.col("statutory_limit"))
        .then(pl.lit(DOUBLE_RED))
        .when(pl.col("used_promised") > pl.col("promised_limit"))
        .then(pl.lit(RED))
        .when(~has_any)
        .then(None)
        .when(pl.col("paused"))
        .then(pl.lit(BLUE))
        .when((left <= rules.yellow_days) | (left <= rules.yellow_share * first_limit))
        .then(pl.lit(YELLOW))
        .otherwise(pl.lit(GREEN))
        .alias("light"),
    )
    columns = [
        "case_id",
        *(f"{what}_{which}" for what in ("used", "due") for which in LIMITS),
        "paused",
        "suspended",
        "provisional",
        "light",
    ]
    waiting = cases.filter(pl.col("acceptance_on").is_null()).select(
        "case_id", pl.when(ended).then(pl.lit(GREY)).alias("light")
    )
    return pl.concat([result.select(columns), waiting], how="diagonal")
