"""From the events that the systems report to one timeline a case: receipt, acceptance, end, pauses.

Rules: docs/rules.md, "The clock of a case" (Start, End, Pauses) and "Whose time". Everything is columns over many
cases at once. Input is ``store.case_event``, every row of it: corrections, repetitions, several systems.

A *stamp* is a ``datetime``; one at 00:00:00 is a date only. "At or after" and "after" between stamps compare by
time where both have one, else by date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

import numpy as np
import polars as pl

from schemas import channels
from schemas.codes.model import KINDS
from supervision.calendar import NATURAL, Calendar
from supervision.declaration import CLOCK, ClockRules

#: Which of a case's times an event tells. A kind is taken whole from the first system that has it.
KIND = {
    "SUBMITTED": "receipt",
    "ACCEPTED": "acceptance",
    "REJECTED_INTAKE": "refusal",
    "SUPPLEMENT_ASKED": "asked",
    "SUPPLEMENT_START": "supplement",
    "SUPPLEMENT_END": "supplement",
    "SPECIAL_START": "special",
    "SPECIAL_END": "special",
    "HANDLING": "process",
    "CONSULTED": "process",
    "DONE_OK": "end",
    "DONE_TOLERANT": "end",
    "DONE_FAIL": "end",
    "DONE_RETURNED": "end",
    "WITHDRAWN": "end",
    "VOIDED": "end",
    "DELETED": "end",
    "REVOKED": "end",
    "TRANSFERRED": "end",
    "LAPSED": "end",
}
CONCLUDED = ["DONE_OK", "DONE_TOLERANT", "DONE_FAIL"]  # 办结: BLZT 11, 12, 13; 退回办结 is a return
WITHDRAWN = ["WITHDRAWN", "VOIDED", "DELETED"]  # BLZT 2, 14; BJJGDM 2, 3

EVENT_SCHEMA = {
    "case_id": pl.String,
    "channel": pl.String,
    "event": pl.String,
    "at": pl.Datetime("us"),
    "until": pl.Datetime("us"),
    "series": pl.String,
    "series_key": pl.String,
    "version": pl.Int64,
    "limit_days": pl.Int64,
    "limit_unit": pl.String,
}


@dataclass(frozen=True, slots=True)
class Timelines:
    """``cases``, one row a case: case_id, received_at, accepted_at (recorded), acceptance_on (the day that the clock
    starts, deemed or recorded; null: not accepted), deemed, ended_at, end_event, concluded_at, conclusion, first_process_at.

    ``pauses``, one row a pause: case_id, kind (supplement, special), started_at, ended_at (null: open), limit_days,
    limit_unit, limit_until (date; null: none), standing (neither ended nor outrun its granted limit by that day).
    ``issues``: case_id, code, at.
    """

    cases: pl.DataFrame
    pauses: pl.DataFrame
    issues: pl.DataFrame


def timed(stamp: pl.Expr) -> pl.Expr:
    """Does the stamp have a time of day."""
    return stamp.dt.time() != time(0)


def before(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Stamp a before stamp b: by time where both have one, else by date; equal is not before."""
    return pl.when(timed(a) & timed(b)).then(a < b).otherwise(a.dt.date() < b.dt.date())


def _end_of_day(stamp: pl.Expr) -> pl.Expr:
    """A date only, moved to the end of its day, so that it is not before any time of that day."""
    return pl.when(timed(stamp)).then(stamp).otherwise(stamp + pl.duration(days=1) - pl.duration(microseconds=1))


def current(events: pl.DataFrame) -> pl.DataFrame:
    """Corrections applied: of the versions of one (channel, series, series_key) the last holds.

    Two series count otherwise. SL: a version with another state and a later time is an event, not a correction. SB: a
    version whose time changed may be a resubmission; all are kept, :func:`timelines` tells them apart.
    """
    thing = ["case_id", "channel", "series", "series_key"]
    unversioned = events.filter(pl.col("version").is_null())
    versioned = events.filter(pl.col("version").is_not_null()).sort([*thing, "version"])
    chains = pl.col("series").is_in(["SL", "SB"])
    corrected = versioned.filter(~chains).unique([*thing, "event"], keep="last", maintain_order=True)
    last_version = corrected.with_columns(pl.col("version").max().over(thing).alias("_last"))
    corrected = last_version.filter(pl.col("version") == pl.col("_last")).drop("_last")
    states = versioned.filter(pl.col("series") == "SL").filter(
        (pl.col("event") != pl.col("event").shift(-1).over(thing)).fill_null(True)
    )
    next_at = pl.col("at").shift(-1).over(thing)
    states = states.filter(next_at.is_null() | before(pl.col("at"), next_at))
    submitted = versioned.filter(pl.col("series") == "SB").unique([*thing, "at"], keep="last", maintain_order=True)
    return pl.concat([unversioned, corrected, states, submitted])


def authoritative(events: pl.DataFrame, end_of_day: datetime) -> pl.DataFrame:
    """Each kind of time of a case from M2, else from the department, else from P3 (rules.md, "Whose time"): from the
    first that tells of it by the end of a day. What that one tells of later days stays in.

    :raises ConfigurationError: an event is of a channel that is not declared.
    """
    channels.require(events["channel"].unique())
    rank = pl.col("channel").replace_strict(channels.precedence(), default=len(KINDS), return_dtype=pl.Int8)
    kind = pl.col("event").replace_strict(KIND, default=None, return_dtype=pl.String)
    events = events.with_columns(rank.alias("rank"), kind.alias("kind")).filter(pl.col("kind").is_not_null())
    happened = pl.when(pl.col("at") <= end_of_day).then(pl.col("rank"))
    return events.filter((pl.col("rank") == happened.min().over("case_id", "kind")).fill_null(False))


def _receipts(events: pl.DataFrame, first_pause: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(case_id, received_at) and (case_id, at) of resubmissions: SB versions dated after the first 补正."""
    rows = events.filter(pl.col("kind") == "receipt").join(first_pause, on="case_id", how="left")
    again = pl.col("_first_pause").is_not_null() & before(pl.col("_first_pause"), pl.col("at"))
    order = [pl.col("version").fill_null(0), pl.col("at").rank("dense", descending=True)]
    received = (
        rows.filter(~again)
        .sort("case_id", *order)
        .group_by("case_id", maintain_order=True)
        .agg(pl.col("at").last().alias("received_at"))
    )
    return received, rows.filter(again).select("case_id", "at")


def _matched(starts: pl.DataFrame, ends: pl.DataFrame, *, strictly: bool) -> pl.DataFrame:
    """Each start with the first end at or after it (``strictly``: after it); a second start before the end dropped."""
    key = _end_of_day if strictly else (lambda stamp: stamp)
    starts = starts.with_columns(key(pl.col("at")).alias("_key")).sort("_key")
    end_key = (lambda stamp: stamp) if strictly else _end_of_day
    ends = ends.select("case_id", pl.col("at").alias("ended_at"), end_key(pl.col("at")).alias("_key"))
    joined = starts.join_asof(
        ends.sort("_key"),
        on="_key",
        by="case_id",
        strategy="forward",
        allow_exact_matches=not strictly,
        check_sortedness=False,
    )
    same_day = pl.col("at").dt.date() == pl.col("at").min().dt.date()
    has_limit = same_day & pl.col("limit_days").is_not_null()
    return (
        joined.sort("case_id", "at", pl.col("limit_days").is_null())
        .group_by("case_id", "ended_at", maintain_order=True)
        .agg(
            pl.col("at").min().alias("started_at"),
            pl.col("limit_days").filter(has_limit).first(),
            pl.col("limit_unit").filter(has_limit).first(),
            pl.col("at").dt.date().n_unique().alias("_starts"),  # a log may repeat a row
        )
    )


def _pauses(
    events: pl.DataFrame, resubmitted: pl.DataFrame, versions: pl.DataFrame, calendar: Calendar
) -> pl.DataFrame:
    """All pauses, 补正 and 特别程序. ``versions``: M2 rows that may end a 补正, which has no end of its own there."""
    column = ["case_id", "at", "limit_days", "limit_unit"]
    special = events.filter(pl.col("kind") == "special")
    special_ends = pl.concat(
        [
            special.filter(pl.col("event") == "SPECIAL_END").select("case_id", "at"),
            special.filter(pl.col("until").is_not_null()).select("case_id", pl.col("until").alias("at")),
        ]
    )
    supplement = events.filter(pl.col("kind") == "supplement")
    started = pl.col("event") == "SUPPLEMENT_START"
    municipal = pl.col("channel") == channels.municipal()
    gdbs_ends = pl.concat([versions.select("case_id", "at"), resubmitted])
    parts = [
        _matched(
            special.filter(pl.col("event") == "SPECIAL_START").select(column), special_ends, strictly=False
        ).with_columns(pl.lit("special").alias("kind")),
        _matched(supplement.filter(started & municipal).select(column), gdbs_ends, strictly=True).with_columns(
            pl.lit("supplement").alias("kind")
        ),
        _matched(
            supplement.filter(started & ~municipal).select(column),
            supplement.filter(pl.col("event") == "SUPPLEMENT_END").select("case_id", "at"),
            strictly=False,
        ).with_columns(pl.lit("supplement").alias("kind")),
    ]
    pauses = pl.concat(parts).with_columns(
        pl.when(pl.col("limit_days") > 0).then(pl.col("limit_days")).alias("limit_days")
    )
    until = calendar.add(
        pauses["started_at"].dt.date().to_numpy(),
        pauses["limit_days"].fill_null(0).to_numpy(),
        (pauses["limit_unit"] == NATURAL).fill_null(False).to_numpy(),
    )
    return pauses.with_columns(
        pl.when(pl.col("limit_days").is_not_null()).then(pl.Series(until).cast(pl.Date)).alias("limit_until")
    )


def _deemed(
    received: pl.DataFrame,
    supplements: pl.DataFrame,
    decisions: pl.DataFrame,
    refused: pl.DataFrame,
    accepted: pl.DataFrame,
    as_of: date,
    calendar: Calendar,
    days: int,
) -> pl.DataFrame:
    """(case_id, deemed_on): the first receipt or resubmission that no decision answered in time, before the recorded
    acceptance; one that a refusal (4, 5) followed before any acceptance does not count.

    ``decisions``: case_id, at, event: BLZT 3–6 and their kin, and conclusions. The working ``days`` run from receipt, and anew
    from each resubmission that ends a 补正.
    """
    points = pl.concat(
        [
            received.select("case_id", pl.col("received_at").alias("from")),
            supplements.filter(pl.col("ended_at").is_not_null()).select("case_id", pl.col("ended_at").alias("from")),
        ]
    ).sort("case_id", "from")
    last_day = calendar.add(points["from"].dt.date().to_numpy(), np.full(len(points), days))
    points = points.with_columns(pl.Series("last_day", last_day).cast(pl.Date), pl.int_range(pl.len()).alias("_point"))
    answered = (
        points.join(decisions, on="case_id")
        .filter(~before(pl.col("at"), pl.col("from")))
        .group_by("_point")
        .agg(
            pl.col("at").filter(pl.col("decides")).min().dt.date().alias("decided_on"),
            pl.col("at").filter(~pl.col("decides")).min().dt.date().alias("concluded_on"),
        )
    )
    cancelled = (
        points.join(refused, on="case_id")
        .join(accepted, on="case_id", how="left")
        .filter(~before(pl.col("at"), pl.col("from")) & before(pl.col("at"), pl.col("accepted_at")).fill_null(True))
        .select("_point")
    )
    points = (
        points.join(cancelled, on="_point", how="anti")
        .join(answered, on="_point", how="left")
        .join(accepted, on="case_id", how="left")
        .filter((pl.col("from").dt.date() < pl.col("accepted_at").dt.date()).fill_null(True))
    )
    undecided = pl.col("decided_on").is_null() | (pl.col("decided_on") > pl.col("last_day"))
    out_of_time = pl.col("last_day") < as_of
    concluded_without = pl.col("concluded_on").is_not_null() & pl.col("decided_on").is_null()
    return (
        points.filter((undecided & out_of_time) | concluded_without)
        .sort("case_id", "from")
        .group_by("case_id", maintain_order=True)
        .agg(pl.col("from").dt.date().first().alias("deemed_on"))
    )


def timelines(events: pl.DataFrame, as_of: date, calendar: Calendar, rules: ClockRules = CLOCK) -> Timelines:
    """The timelines of all cases in ``events`` (:data:`EVENT_SCHEMA`) as of the end of a day.

    What is dated after that day has not happened yet; but the end of a pause that had begun is used as it is known, so
    that a due date holds on every day of the pause (worked example 2). Cases without any event are absent.
    """
    end_of_day = datetime.combine(as_of, time.max)
    known = current(events.select(list(EVENT_SCHEMA)).filter(pl.col("at").is_not_null()))
    result = authoritative(known, end_of_day)
    chosen = result.filter(pl.col("at") <= end_of_day)
    case_ids = chosen.select("case_id").unique(maintain_order=True)

    first_supplement = (
        chosen.filter(pl.col("event") == "SUPPLEMENT_START")
        .group_by("case_id")
        .agg(pl.col("at").min().alias("_first_pause"))
    )
    received, _ = _receipts(chosen, first_supplement)
    _, resubmitted = _receipts(result, first_supplement)
    gdbs_rows = known.filter((pl.col("channel") == channels.municipal()) & pl.col("series").is_in(["SL", "SPCL", "BJ"]))
    pauses = _pauses(result, resubmitted, gdbs_rows, calendar).filter(pl.col("started_at") <= end_of_day)
    supplements = pauses.filter(pl.col("kind") == "supplement")

    accepted = (
        chosen.filter(pl.col("kind") == "acceptance").group_by("case_id").agg(pl.col("at").min().alias("accepted_at"))
    )
    decides = pl.col("kind").is_in(["acceptance", "refusal", "asked"]) | (pl.col("event") == "SUPPLEMENT_START")
    decisions = chosen.filter(decides | pl.col("event").is_in(CONCLUDED)).select(
        "case_id", "at", "event", decides.alias("decides")
    )
    refused = chosen.filter(pl.col("kind") == "refusal").select("case_id", "at")
    deemed = _deemed(received, supplements, decisions, refused, accepted, as_of, calendar, rules.decision_working_days)

    cases = case_ids.join(received, on="case_id", how="left").join(accepted, on="case_id", how="left")
    cases = cases.join(deemed, on="case_id", how="left")
    deemed_holds = pl.col("deemed_on").is_not_null()
    cases = cases.with_columns(
        deemed_holds.alias("deemed"),
        pl.when(deemed_holds)
        .then(pl.col("deemed_on"))
        .otherwise(pl.col("accepted_at").dt.date())
        .alias("acceptance_on"),
    )
    cases = cases.join(_ends(chosen, cases), on="case_id", how="left").join(
        _conclusions(chosen), on="case_id", how="left"
    )
    process = (
        chosen.filter(pl.col("kind") == "process").group_by("case_id").agg(pl.col("at").min().alias("first_process_at"))
    )
    cases = cases.join(process, on="case_id", how="left")
    ends = chosen.filter(pl.col("event").is_in(["SUPPLEMENT_END", "SPECIAL_END"])).select(
        "case_id", "kind", pl.col("at").alias("ended_at")
    )
    issues = pl.concat(
        [
            pauses.filter(pl.col("_starts") > 1).select(
                "case_id", pl.lit("pause_started_twice").alias("code"), pl.col("started_at").alias("at")
            ),
            ends.join(pauses, on=["case_id", "kind", "ended_at"], how="anti").select(
                "case_id", pl.lit("pause_ended_without_start").alias("code"), pl.col("ended_at").alias("at")
            ),
        ]
    )
    return Timelines(
        cases.select(
            "case_id",
            "received_at",
            "accepted_at",
            "acceptance_on",
            "deemed",
            "ended_at",
            "end_event",
            "concluded_at",
            "conclusion",
            "first_process_at",
        ),
        pauses.select(
            "case_id",
            "kind",
            "started_at",
            "ended_at",
            "limit_days",
            "limit_unit",
            "limit_until",
            (
                (pl.col("ended_at").dt.date() > as_of).fill_null(True)
                & (pl.col("limit_until") >= as_of).fill_null(True)
            ).alias("standing"),
        ),
        issues,
    )


def _ends(chosen: pl.DataFrame, cases: pl.DataFrame) -> pl.DataFrame:
    """(case_id, ended_at, end_event): the first end after acceptance; one whose only end lies before its acceptance
    ends on the day of acceptance."""
    start = (
        pl.when(pl.col("deemed")).then(pl.col("acceptance_on").cast(pl.Datetime("us"))).otherwise(pl.col("accepted_at"))
    )
    ends = (
        chosen.filter(pl.col("kind").is_in(["end", "refusal"]))
        .join(cases.select("case_id", start.alias("_start")), on="case_id")
        .with_columns(before(pl.col("at"), pl.col("_start")).fill_null(False).alias("_early"))
        .sort("case_id", "_early", "at")
        .group_by("case_id", maintain_order=True)
        .agg(
            pl.col("at").first(),
            pl.col("event").first().alias("end_event"),
            pl.col("_early").first(),
            pl.col("_start").first(),
        )
    )
    return ends.select(
        "case_id", pl.when("_early").then(pl.col("_start")).otherwise(pl.col("at")).alias("ended_at"), "end_event"
    )


def _conclusions(chosen: pl.DataFrame) -> pl.DataFrame:
    """(case_id, concluded_at, conclusion): the first 办结 (BLZT 11, 12, 13; a BJ row that concludes), wherever it lies."""
    return (
        chosen.filter(pl.col("event").is_in(CONCLUDED))
        .sort("case_id", "at")
        .group_by("case_id", maintain_order=True)
        .agg(pl.col("at").first().alias("concluded_at"), pl.col("event").first().alias("conclusion"))
    )
