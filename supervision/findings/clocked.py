"""Findings of one case's own times: overdue, returned, C3–C6, C8, C11. Rules: docs/rules.md, "Findings"."""

from __future__ import annotations

from datetime import datetime, time

import numpy as np
import polars as pl
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from schemas import channels
from sources import loader
from supervision import limits, silence
from supervision.clock import effective
from supervision.findings import CASE, FINDING_KEY, KEY, Context, found, stamp, working_days
from supervision.rule import Days, Rule, Severity, rule
from supervision.timeline import before, timed

END_AFTER_RESULT = 20  # working days that the end of a case is waited for whose result has come


class Levels(BaseModel):
    """Severity by level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    红: Severity
    双红: Severity


class Overdue(Rule):
    severity: Levels  # type: ignore[assignment]
    unheard_working_days: Days = 7


@rule("overdue", Overdue, waits=True)
def overdue(c: Context, values: Overdue) -> pl.DataFrame:
    """逾期: used > promised (红) or > statutory (双红), running or ended; one finding whose level rises."""
    over = c.cases.filter(limits.overdue())
    for more in (_half_pauses(c), _half_ends(c, over), _last_events(c)):
        over = over.join(more, on="case_id", how="left", maintain_order="left")
    double = limits.passed("statutory")
    due = pl.when(double).then(pl.col("due_statutory")).otherwise(pl.col("due_promised"))
    over = over.with_columns(due.alias("_due"))
    quiet = working_days(c.calendar, over, "_last", "_due")
    # a case that was handled after its due date is in no pause that began before
    running = pl.col("ended_at").is_null() & (pl.col("_last") <= pl.col("_due")).fill_null(True)
    unheard = running & ~pl.col("_paused").fill_null(False) & (quiet > values.unheard_working_days).fill_null(True)
    return found(
        over,
        pl.format("办件 {}（{}）{}。", "case_no", pl.col("item_name").fill_null(""), limits.verdicts()),
        level=pl.when(double).then(pl.lit("双红")).otherwise(pl.lit("红")),
        evidence=CASE,
        since=pl.col("acceptance_on"),  # a pause, or of a running case its end, may not have come
        until=pl.col("_due"),
        half=pl.max_horizontal("_half", "_half_end"),
        unheard=pl.when(unheard).then("_due"),
        unpaused=pl.when(running).then("_due"),
    )


def _half_pauses(c: Context) -> pl.DataFrame:
    """(case_id, _half): the last day on which one half of a pause came alone: an end without its start, a 补正 that was asked for
    (SLZTDM 3) without its notice."""
    supplements = c.facts.pauses.filter(pl.col("kind") == "supplement").select(
        "case_id", pl.col("started_at").dt.date().alias("_day")
    )
    asked = c.facts.events.filter(pl.col("event") == "SUPPLEMENT_ASKED").select("case_id", pl.col("at").alias("_half"))
    informed = asked.join(supplements, on="case_id").filter(
        (pl.col("_half").dt.date() - pl.col("_day")).dt.total_days().abs() <= 1
    )
    ends = c.facts.issues.filter(pl.col("code") == "pause_ended_without_start")
    halves = pl.concat(
        [
            asked.join(informed, on=["case_id", "_half"], how="anti"),
            ends.select("case_id", pl.col("at").alias("_half")),
        ]
    )
    return halves.group_by("case_id").agg(pl.col("_half").max().dt.date())


def _half_ends(c: Context, over: pl.DataFrame) -> pl.DataFrame:
    """(case_id, _half_end): of cases that run and whose result is there, a document of theirs or an attachment of results: up to when
    their end may still come."""
    running = over.filter(pl.col("ended_at").is_null()).select("case_id", "acceptance_on")
    attached = c.connection.execute(
        sa.text(
            """select case_id, max(inserted_at) from store.material
               where case_id = any(:cases) and role = 'result' and gone_at is null and inserted_at <= :last group by case_id"""
        ),
        {"cases": running["case_id"].to_list(), "last": datetime.combine(c.as_of, time.max)},
    ).all()
    results = pl.concat(
        [
            pl.DataFrame(
                [tuple(row) for row in attached], {"case_id": pl.String, "at": pl.Datetime("us")}, orient="row"
            ),
            c.facts.documents.select("case_id", pl.col("issued_at").cast(pl.Datetime("us")).alias("at")),
        ]
    ).drop_nulls()
    halves = (
        results.join(running, on="case_id")
        .filter(pl.col("at").dt.date() >= pl.col("acceptance_on"))
        .group_by("case_id")
        .agg(pl.col("at").max().dt.date())
    )
    late = c.calendar.add(halves["at"].to_numpy(), np.full(halves.height, END_AFTER_RESULT))
    return halves.select("case_id", pl.Series("_half_end", late).cast(pl.Date))


def _last_events(c: Context) -> pl.DataFrame:
    """(case_id, _last, _paused): the day of the last event of each case; whether a special procedure of its own is known."""
    return c.facts.events.group_by("case_id").agg(
        pl.col("at").filter(pl.col("at").dt.date() <= c.as_of).max().dt.date().alias("_last"),
        (pl.col("event") == "SPECIAL_START").any().alias("_paused"),
    )


@rule("returned", waits=True)
def returned(c: Context, values: Rule) -> pl.DataFrame:
    """退件: 不予受理 and 退回办结; closed by a later case of the item that is accepted."""
    back = c.cases.filter(pl.col("returned").is_not_null())
    later = c.cases.filter(pl.col("accepted_at").is_not_null()).select(*KEY, pl.col("accepted_at").alias("_again"))
    answered = (
        back.select("case_id", *KEY, "ended_at")
        .join(later, on=KEY)
        .filter(before(pl.col("ended_at"), pl.col("_again")))
        .select("case_id")
        .unique()
    )
    return found(
        back.join(answered, on="case_id", how="anti"),
        pl.format(
            "办件 {}（{}）于 {} {}，尚无重新受理的办件。",
            "case_no",
            pl.col("item_name").fill_null(""),
            stamp("ended_at"),
            "returned",
        ),
        kind=pl.col("returned"),
        evidence=CASE,
        since=pl.col("ended_at").dt.date(),
        ripe=pl.col("ended_at").dt.date(),
    )


def _of_a_backlog(c: Context, cases: pl.DataFrame, values: Afterwards) -> pl.DataFrame:
    """Cases that should have been entered during an outage and came with its backlog, stamped anew: (case_id)."""
    feeds = [feed.id for source in loader.load_all().values() for feed in source.feeds.values()]
    municipal = [feed for feed, channel in channels.by_feed(feeds).items() if channel == channels.municipal()]
    outages = silence.interruptions(c.connection, municipal)
    caught_up = c.calendar.add(
        outages["ended"].dt.date().to_numpy(),
        pl.Series([values.grace_working_days]).new_from_index(0, outages.height).to_numpy(),
    )
    outages = outages.with_columns(pl.Series(caught_up).cast(pl.Date).alias("_caught_up"))
    return (
        cases.join(
            c.frames.projects.select("project_code", pl.col("town_code").alias("_town")), on="project_code", how="left"
        )
        .join(outages, how="cross")
        .filter(
            (pl.col("kind") == "feed")
            | ((pl.col("kind") == "town") & (pl.col("part") == pl.col("_town"))).fill_null(False)
            | ((pl.col("kind") == "item") & (pl.col("part") == pl.col("item_code"))).fill_null(False)
            | (
                (pl.col("kind") == "department")
                & ((pl.col("part") == pl.col("handler_code")) | (pl.col("part") == pl.col("handler_name")))
            ).fill_null(False)
        )
        .filter(
            pl.col("_grace").is_between(pl.col("since").dt.date(), pl.col("resumed").dt.date())
            & pl.col("first_in").is_between(pl.col("resumed"), pl.col("_caught_up").dt.offset_by("1d"))
        )
        .select("case_id")
        .unique()
    )


class Inverted(Rule):
    date_only_tolerance_days: Days


def _inverted(cases: pl.DataFrame, tolerance: int) -> pl.DataFrame:
    """Cases whose recorded acceptance lies after their conclusion or their licence's date (C4)."""

    def against(other: str) -> pl.Expr:
        apart = (pl.col("accepted_at").dt.date() - pl.col(other).dt.date()).dt.total_days().abs()
        date_only = ~timed(pl.col("accepted_at")) | ~timed(pl.col(other))
        return (before(pl.col(other), pl.col("accepted_at")) & ~(date_only & (apart <= tolerance))).fill_null(False)

    return cases.with_columns(
        against("concluded_at").alias("_conclusion"), against("document_at").alias("_document")
    ).filter(pl.col("_conclusion") | pl.col("_document"))


class Afterwards(Rule):
    grace_working_days: Days
    burst_minutes: int
    span_working_days: Days


@rule("C3", Afterwards)
def registered_afterwards(c: Context, values: Afterwards) -> pl.DataFrame:
    """C3 补录: the first 入库 lies past the first working day after the result, or all came in one burst after it."""
    rows = c.facts.events.filter((pl.col("channel") == channels.municipal()) & pl.col("inserted_at").is_not_null())
    stay = rows.group_by("case_id").agg(
        pl.col("inserted_at").min().alias("first_in"),
        pl.col("inserted_at").max().alias("last_in"),
        pl.col("at").min().alias("first_at"),
        pl.col("at").max().alias("last_at"),
    )
    by_time = c.rules.by_name.get("C4")
    tolerance = by_time.date_only_tolerance_days if isinstance(by_time, Inverted) else 0
    inverted = _inverted(c.cases, tolerance).select("case_id", pl.lit(True).alias("_c4"))
    cases = (
        c.cases.filter("in_m2").join(stay, on="case_id").join(inverted, on="case_id", how="left", maintain_order="left")
    )
    cases = cases.with_columns(
        pl.when(pl.col("_c4").fill_null(False) & pl.col("concluded_at").is_not_null())
        .then(pl.col("concluded_at"))
        .otherwise(pl.min_horizontal("concluded_at", "document_at"))
        .alias("result_at")
    ).filter(pl.col("result_at").is_not_null())
    span = working_days(c.calendar, cases, "first_at", "last_at")
    grace = c.calendar.add(
        cases["result_at"].dt.date().to_numpy(),
        pl.Series([values.grace_working_days]).new_from_index(0, cases.height).to_numpy(),
    )
    cases = cases.with_columns(span.alias("_span"), pl.Series(grace).cast(pl.Date).alias("_grace"))
    after_grace = pl.col("first_in").dt.date() > pl.col("_grace")
    burst = (
        (pl.col("last_in") - pl.col("first_in") <= pl.duration(minutes=values.burst_minutes))
        & (pl.col("_span") >= values.span_working_days)
        & before(pl.col("concluded_at"), pl.col("first_in")).fill_null(False)
    )
    return found(
        cases.filter(after_grace | burst).join(_of_a_backlog(c, cases, values), on="case_id", how="anti"),
        pl.format(
            "办件 {} 的结果在 {} 已作出，首次入库却在 {}，疑似线下审批后补录，待核。",
            "case_no",
            stamp("result_at"),
            stamp("first_in"),
        ),
        evidence=CASE,
    )


@rule("C4", Inverted)
def time_inverted(c: Context, values: Inverted) -> pl.DataFrame:
    """C4 时间倒置: acceptance after conclusion or after the licence's date, within one case's own times."""
    rows = _inverted(c.cases, values.date_only_tolerance_days)
    other = (
        pl.when("_conclusion")
        .then(pl.format("办结时间 {}", stamp("concluded_at")))
        .otherwise(pl.format("发证日期 {}", stamp("document_at")))
    )
    return found(
        rows,
        pl.format("办件 {} 的受理时间 {} 晚于{}，疑似时间倒置，待核。", "case_no", stamp("accepted_at"), other),
        evidence=CASE,
    )


class Instant(Rule):
    promised_at_least: Days
    within_minutes: int


@rule("C5", Instant)
def instant_decision(c: Context, values: Instant) -> pl.DataFrame:
    """C5 受理即办结: promised ≥ 5, concluded within 10 minutes of acceptance, both with a time of day."""
    apart = pl.col("concluded_at") - pl.col("accepted_at")
    rows = c.cases.filter(
        (pl.col("promised_limit") >= values.promised_at_least)
        & timed(pl.col("accepted_at"))
        & timed(pl.col("concluded_at"))
        & (apart >= pl.duration(seconds=0))
        & (apart <= pl.duration(minutes=values.within_minutes))
        & (pl.col("project_type") != "1").fill_null(True)
        & ~pl.col("commitment").fill_null(False)
    )
    return found(
        rows,
        pl.format(
            "办件 {} 于 {} 受理、{} 办结，承诺时限 {} 个{}，疑似受理即办结，待核。",
            "case_no",
            stamp("accepted_at"),
            stamp("concluded_at"),
            "promised_limit",
            "promised_unit",
        ),
        evidence=CASE,
    )


class Early(Rule):
    working_days_before: Days
    returns_in_chain: int


@rule("C6", Early)
def review_before_acceptance(c: Context, values: Early) -> pl.DataFrame:
    """C6 先审后受理: process ≥ 3 working days before acceptance, or a chain of YSBLSH with ≥ 2 returns."""
    early = c.cases.filter(before(pl.col("first_process_at"), pl.col("accepted_at")).fill_null(False))
    early = early.with_columns(working_days(c.calendar, early, "first_process_at", "accepted_at").alias("_days"))
    early = early.filter(pl.col("_days") >= values.working_days_before)
    by_process = found(
        early,
        pl.format(
            "办件 {} 于 {} 已有审批过程，{} 才受理，相隔 {} 个工作日，疑似先审后受理，待核。",
            "case_no",
            stamp("first_process_at"),
            stamp("accepted_at"),
            "_days",
        ),
        kind=pl.lit("先审后受理"),
        evidence=CASE,
    )
    chains = _chains(c.cases)
    chains = chains.filter(pl.col("_returns") >= values.returns_in_chain)
    by_chain = found(
        chains,
        pl.format(
            "办件 {} 是同一申请第 {} 次重报，其间被退 {} 次，疑似反复退件、体外预审，待核。",
            "case_no",
            pl.col("_length") - 1,
            "_returns",
        ),
        kind=pl.lit("反复退件"),
        evidence=pl.col("_chain"),
    )
    both = pl.concat([by_process, by_chain])
    return both.unique(FINDING_KEY, keep="first", maintain_order=True)


def _chains(cases: pl.DataFrame) -> pl.DataFrame:
    """The last case of each chain of YSBLSH, with _returns, _length, _chain (evidence of all its cases)."""
    numbers = (
        pl.concat(
            [
                cases.select(pl.col("receipt_no").alias("number"), pl.col("case_id").alias("parent")),
                cases.select(pl.col("case_no").alias("number"), pl.col("case_id").alias("parent")),
            ]
        )
        .drop_nulls()
        .unique("number", keep="first")
    )
    links = (
        cases.select("case_id", pl.col("prior_case_no").alias("number"))
        .drop_nulls()
        .join(numbers, on="number")
        .filter(pl.col("parent") != pl.col("case_id"))
    )
    if links.is_empty():
        return cases.head(0).with_columns(
            pl.lit(0).alias("_returns"), pl.lit(0).alias("_length"), pl.lit([], pl.List(pl.String)).alias("_chain")
        )
    root = (
        cases.select("case_id")
        .join(links.select("case_id", "parent"), on="case_id", how="left")
        .with_columns(pl.coalesce("parent", "case_id").alias("root"))
        .select("case_id", "root")
    )
    for _ in range(6):  # pointers double: chains of up to 64 filings
        root = root.join(
            root.rename({"case_id": "root", "root": "_up"}), on="root", how="left", maintain_order="left"
        ).select("case_id", pl.coalesce("_up", "root").alias("root"))
    whole = (
        cases.join(root, on="case_id")
        .sort("root", "receipt_at", "case_id")
        .with_columns(
            pl.col("returned").is_not_null().sum().over("root").alias("_returns"),
            pl.len().over("root").alias("_length"),
            pl.format("case {}", "case_id").implode().over("root", mapping_strategy="join").alias("_chain"),
        )
    )
    return whole.filter(pl.col("_length") > 1).unique("root", keep="last", maintain_order=True)


class Parked(Rule):
    unlimited_working_days: Days
    supplement_working_days: Days
    before_due_working_days: Days
    promised_at_least: Days


@rule("C8", Parked, waits=True)
def parked(c: Context, values: Parked) -> pl.DataFrame:
    """C8 长期挂起: past a granted limit, unlimited ≥ 60 or 补正 ≥ 30 working days, or begun right before the due date."""
    pauses = c.facts.pauses.join(
        c.cases.select(
            "case_id",
            "case_no",
            *KEY,
            "acceptance_on",
            "promised_limit",
            "promised_unit",
            pl.col("ended_at").alias("case_ended_at"),
        ),
        on="case_id",
    )
    last = pl.coalesce(pl.col("case_ended_at").dt.date(), pl.lit(c.as_of))
    pauses = pauses.with_columns(
        pl.min_horizontal(pl.coalesce(pl.col("ended_at").dt.date(), last), pl.lit(c.as_of)).alias("_until"),
        (pl.col("ended_at").is_null() | (pl.col("ended_at").dt.date() > c.as_of)).alias("_endless"),
    ).with_columns((pl.col("_endless") & pl.col("case_ended_at").is_null()).alias("_open"))
    pauses = pauses.join(_last_events(c), on="case_id", how="left", maintain_order="left")
    pauses = pauses.with_columns(working_days(c.calendar, pauses, "started_at", "_until").alias("_days"))
    special = pl.col("kind") == "special"
    over_limit = special & (pl.col("_until") > pl.col("limit_until")).fill_null(False)
    unlimited = (
        special & pl.col("_open") & pl.col("limit_until").is_null() & (pl.col("_days") >= values.unlimited_working_days)
    )
    waiting = ~special & pl.col("_open") & (pl.col("_days") >= values.supplement_working_days)
    pauses = pauses.join(_just_before_due(c, values), on=["case_id", "kind", "started_at"], how="left").with_columns(
        pl.col("_just_before").fill_null(False)
    )
    so_long = pl.when(special).then(values.unlimited_working_days).otherwise(values.supplement_working_days)
    ripe = c.calendar.add(pauses["started_at"].dt.date().to_numpy(), pauses.select(so_long).to_series().to_numpy())
    pauses = pauses.with_columns(pl.Series(ripe).cast(pl.Date).alias("_ripe"))
    name = pl.when(special).then(pl.lit("特别程序")).otherwise(pl.lit("补正"))
    rows = (
        pauses.filter(over_limit | unlimited | waiting | pl.col("_just_before"))
        .with_columns(
            pl.when(over_limit)
            .then(pl.format("{}自 {} 起，批准时限至 {}，已超出", name, stamp("started_at"), "limit_until"))
            .when(unlimited | waiting)
            .then(pl.format("{}自 {} 起已 {} 个工作日未结束", name, stamp("started_at"), "_days"))
            .otherwise(pl.format("{}于 {} 启动，距承诺到期日 {} 不足两个工作日", name, stamp("started_at"), "_due"))
            .alias("_why"),
            pl.when(over_limit)
            .then(pl.lit("超批准时限"))
            .when(unlimited)
            .then(pl.lit("无时限长期挂起"))
            .when(waiting)
            .then(pl.lit("补正长期未结"))
            .otherwise(pl.lit("临期挂起"))
            .alias("kind_"),
        )
        .sort("case_id", "started_at")
    )
    return found(
        rows,
        pl.format("办件 {} 的{}，疑似以挂起规避超期，待核。", "case_no", "_why"),
        kind=pl.col("kind_"),
        evidence=CASE,
        # that a pause goes on, nobody says: its end may not have come yet
        since=pl.when(pl.col("_endless") & (pl.col("kind_") != "临期挂起")).then(pl.col("started_at").dt.date()),
        until=pl.when(pl.col("kind_") == "超批准时限").then("limit_until"),
        ripe=pl.col("_ripe"),
        # and one in which the case was handled on, or ended, has an end that has not come
        half=pl.when(pl.col("_endless") & (pl.col("_last") > pl.col("started_at").dt.date())).then(
            pl.coalesce(pl.when(pl.col("kind_") == "超批准时限").then("limit_until"), "_ripe")
        ),
    )


def _just_before_due(c: Context, values: Parked) -> pl.DataFrame:
    """(case_id, kind, started_at, _due, _just_before): the promised due date as it stood before each pause."""
    running = c.cases.filter(
        pl.col("acceptance_on").is_not_null() & (pl.col("promised_limit") >= values.promised_at_least)
    )
    counted = effective(running, c.facts.pauses, c.as_of)
    natural = running.select(
        "case_id", (pl.col("promised_unit") == "自然日").alias("_natural"), "acceptance_on", "promised_limit"
    )
    rows = counted.join(natural, on="case_id", maintain_order="left").with_columns(
        pl.coalesce(pl.col("until").shift(1).cum_max().over("case_id"), pl.col("acceptance_on")).alias("_base")
    )
    free = c.calendar.count(rows["_base"].to_numpy(), rows["from_"].to_numpy(), rows["_natural"].to_numpy())
    rows = rows.with_columns(pl.Series("_free", free, dtype=pl.Int64))
    rows = rows.with_columns((pl.col("_free").cum_sum().over("case_id") - pl.col("_free")).alias("_spent"))
    left = (rows["promised_limit"] - rows["_spent"]).to_numpy()
    due = c.calendar.add(rows["_base"].to_numpy(), left, rows["_natural"].to_numpy())
    rows = rows.with_columns(pl.Series(due).cast(pl.Date).alias("_due"))
    rows = rows.with_columns(working_days(c.calendar, rows, "from_", "_due").alias("_left"))
    inside = (
        (pl.col("from_") <= pl.col("_due"))
        & (pl.col("_left") <= values.before_due_working_days)
        & (pl.col("promised_limit") > pl.col("_spent"))
    )
    started = c.facts.pauses.with_columns(pl.col("started_at").dt.date().alias("from_")).select(
        "case_id", "kind", "from_", "started_at"
    )
    return rows.join(started, on=["case_id", "kind", "from_"]).select(
        "case_id", "kind", "started_at", "_due", inside.alias("_just_before")
    )


class Refiled(Rule):
    before_due_working_days: Days
    again_within_working_days: Days


@rule("C11", Refiled)
def withdrawn_and_filed_again(c: Context, values: Refiled) -> pl.DataFrame:
    """C11 撤件再报: withdrawn 0–3 working days before the promised due date, the item received again within 10."""
    gone = c.cases.filter(
        pl.col("withdrawn")
        & pl.col("due_promised").is_not_null()
        & (pl.col("ended_at").dt.date() <= pl.col("due_promised"))
    )
    gone = gone.with_columns(working_days(c.calendar, gone, "ended_at", "due_promised").alias("_left"))
    gone = gone.filter(pl.col("_left") <= values.before_due_working_days)
    again = c.cases.drop_nulls(KEY).select(
        *KEY,
        pl.col("case_id").alias("_case"),
        pl.col("case_no").alias("_again"),
        pl.col("receipt_at").alias("_received"),
    )
    pairs = gone.join(again, on=KEY).filter(
        (pl.col("_case") != pl.col("case_id")) & ~before(pl.col("_received"), pl.col("ended_at"))
    )
    pairs = pairs.with_columns(working_days(c.calendar, pairs, "ended_at", "_received").alias("_days"))
    pairs = pairs.filter(pl.col("_days") <= values.again_within_working_days).sort("case_id", "_received")
    return found(
        pairs,
        pl.format(
            "办件 {} 在到期日 {} 前 {} 个工作日撤回，{} 又收到同一事项的 {}，疑似撤件再报压超期，待核。",
            "case_no",
            "due_promised",
            "_left",
            stamp("_received"),
            "_again",
        ),
        evidence=pl.concat_list(pl.format("case {}", "case_id"), pl.format("case {}", "_case")),
    )
