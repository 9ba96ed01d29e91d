"""What is known of every case and every item of a project on a day: the ground that the rules stand on.

Definitions: docs/rules.md, "Conventions" (concluded, done, issued, returned, withdrawn), "The clock of a case".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

import polars as pl

from schemas import channels
from supervision import timeline
from supervision.calendar import Calendar
from supervision.clock import CASE_SCHEMA, clocks
from supervision.declaration import ClockRules
from supervision.read import Frames

DONE = ["DONE_OK", "DONE_TOLERANT"]  # BLZT 11, 12; BJJGDM 0, 6
RETURNS = {"REJECTED_INTAKE": "不予受理", "DONE_RETURNED": "退回办结"}
LIMITS = ["promised_limit", "promised_unit", "statutory_limit", "statutory_unit"]
_TEXTS = pl.List(pl.String)
_VARIANTS = pl.List(
    pl.Struct(
        {
            "variant": pl.String,
            "project_type": pl.String,
            "statutory_limit": pl.String,
            "statutory_unit": pl.String,
            "promised_limit": pl.String,
            "promised_unit": pl.String,
        }
    )
)


@dataclass(frozen=True, slots=True)
class Facts:
    """``cases``: one row a case, with its timeline, limits and clock; ``pauses`` of :mod:`supervision.timeline`;
    ``events`` as read; ``documents``: licences and approval documents with the case that they belong to; ``states``: one row
    a (project_code, item_code) that anything is known of: done_at, has_case, has_m2_case, has_open_case; ``issues``:
    case_id, code, at: what of a case's own data was passed over."""

    as_of: date
    cases: pl.DataFrame
    pauses: pl.DataFrame
    events: pl.DataFrame
    documents: pl.DataFrame
    states: pl.DataFrame
    items: pl.DataFrame
    issues: pl.DataFrame


def catalogue(items: pl.DataFrame) -> pl.DataFrame:
    """Item versions with their lists as lists, one row for each span of days on which a version holds: ``valid_from``, and
    ``until``, the first day on which it holds no more.

    A version's ``valid_to`` is its last day, that day included; where versions of an item overlap, the later one holds
    (docs/source-systems.md, M1).
    """
    lists = ("prerequisites", "soft_prerequisites", "process_types")
    versions = items.with_columns(
        *(pl.col(name).str.json_decode(_TEXTS).fill_null([]).alias(name) for name in lists),
        pl.col("applies_when").str.split("|").alias("alternatives"),
        pl.col("valid_from").fill_null(date(1900, 1, 1)),
        pl.col("valid_to").dt.offset_by("1d").fill_null(date(9999, 12, 31)).alias("until"),
        pl.col("multiple").fill_null(False),
        pl.col("item_code").str.extract(r"(\d+)\D*$").cast(pl.Int64, strict=False).fill_null(0).alias("place"),
    )
    edges = (
        pl.concat([versions.select("item_code", pl.col(name).alias("at")) for name in ("valid_from", "until")])
        .unique()
        .sort("item_code", "at")
        .with_columns(pl.col("at").shift(-1).over("item_code").alias("next_at"))
    )
    return (
        edges.filter(pl.col("next_at").is_not_null())
        .join(versions, on="item_code")
        .filter((pl.col("valid_from") <= pl.col("at")) & (pl.col("at") < pl.col("until")))
        .sort("item_code", "at", "valid_from", "version")
        .unique(["item_code", "at"], keep="last", maintain_order=True)
        .with_columns(pl.col("at").alias("valid_from"), pl.col("next_at").alias("until"))
        .drop("at", "next_at", "valid_to")
    )


def in_force(rows: pl.DataFrame, items: pl.DataFrame, day: str, columns: list[str]) -> pl.DataFrame:
    """``rows`` (with item_code and the date column ``day``) with ``columns`` of the item version in force that day."""
    versions = items.select("item_code", *columns, pl.col("valid_from").alias("_from"), pl.col("until").alias("_to"))
    keyed = rows.with_row_index("_at").with_columns(pl.col(day).alias("_day"))
    found = (
        keyed.select("_at", "item_code", "_day")
        .drop_nulls()
        .sort("_day")
        .join_asof(versions.sort("_from"), left_on="_day", right_on="_from", by="item_code", check_sortedness=False)
        .filter(pl.col("_day") < pl.col("_to"))
        .select("_at", *columns)
    )
    return keyed.join(found, on="_at", how="left", maintain_order="left").drop("_at", "_day")


def _known_by_code(cases: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    """Cases whose code the store knew no item for: it goes by the last submission, which after a 补正 is not the receipt,
    and a status log's receipt is an event."""
    day = pl.col("receipt_at").dt.date()
    found = (
        cases.filter(pl.col("item_code").is_null() & pl.col("item_code_written").is_not_null())
        .select("case_id", "item_code_written", "receipt_at")
        .join(codes, on="item_code_written")
        .filter((pl.col("from_") <= day).fill_null(True) & (day < pl.col("until")).fill_null(True) & day.is_not_null())
        .sort(
            pl.col("item_code_written") != pl.col("item_code"),
            pl.col("from_").fill_null(date.min).dt.epoch("d") * -1,
            "item_code",
        )
        .unique("case_id", keep="first", maintain_order=True)
        .select("case_id", pl.col("item_code").alias("_known"))
    )
    return (
        cases.join(found, on="case_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce("item_code", "_known").alias("item_code"))
        .drop("_known")
    )


def _limits(cases: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Limits and 办件类型 of the version in force on the day of acceptance and of the case's 情形."""
    columns = [*LIMITS, "project_type", "variants"]
    found = in_force(cases, items, "acceptance_on", columns)
    own = found.select("case_id", "variant", "variants").filter(pl.col("variants").is_not_null())
    own = (
        own.with_columns(pl.col("variants").str.json_decode(_VARIANTS))
        .explode("variants")
        .unnest("variants", separator=".")
        .filter(pl.col("variants.variant") == pl.col("variant"))
        .select(
            "case_id",
            pl.lit(True).alias("_own"),
            pl.col("variants.project_type").alias("_project_type"),
            *(
                pl.col(f"variants.{name}")
                .cast(pl.Int64 if name.endswith("limit") else pl.String, strict=False)
                .alias(f"_{name}")
                for name in LIMITS
            ),
        )
        .unique("case_id")
    )
    found = found.join(own, on="case_id", how="left", maintain_order="left")
    return found.with_columns(
        *(pl.when("_own").then(pl.col(f"_{name}")).otherwise(pl.col(name)).alias(name) for name in LIMITS),
        pl.coalesce("_project_type", "project_type").alias("project_type"),
    ).drop("_own", "variants", "_project_type", *(f"_{name}" for name in LIMITS))


def _first(*stamps: str) -> pl.Expr:
    """The first of several stamps by time, a date only counting as its day's beginning."""
    return pl.min_horizontal(*stamps)


def _documents(frames: Frames, cases: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Standing licences and approval documents issued by ``as_of``, with their case: as they say, by number, or the
    item's only one."""
    last = datetime.combine(as_of, time.max)
    documents = frames.licences.filter(
        (pl.col("state") != "注销").fill_null(True) & (pl.col("issued_at") <= last).fill_null(False)
    )
    by_number = (
        cases.filter(pl.col("licence_no").is_not_null())
        .select("project_code", pl.col("licence_normal").alias("normal"), pl.col("case_id").alias("_by_number"))
        .unique(["project_code", "normal"], keep="none")
    )
    only = (
        cases.filter(pl.col("item_code").is_not_null())
        .select("project_code", "item_code", pl.col("case_id").alias("_only"))
        .unique(["project_code", "item_code"], keep="none")
    )
    return (
        documents.join(by_number, on=["project_code", "normal"], how="left")
        .join(only, on=["project_code", "item_code"], how="left")
        .with_columns(pl.coalesce("case_id", "_by_number", "_only").alias("case_id"))
        .drop("_by_number", "_only")
    )


def known_to(codes: list[str]) -> pl.Expr:
    """Do any of the channels know the case (``channels`` by commas, as it is read)."""
    return pl.col("channels").str.split(",").list.set_intersection(codes).list.len() > 0


def gather(frames: Frames, as_of: date, calendar: Calendar, rules: ClockRules) -> Facts:
    """Everything that the rules ask of cases, documents and items, as of the end of a day."""
    items = catalogue(frames.items)
    last = datetime.combine(as_of, time.max)
    lines = timeline.timelines(frames.events, as_of, calendar, rules)
    begun = frames.events.group_by("case_id").agg(pl.col("at").min().alias("first_event_at"))
    cases = (
        frames.cases.with_columns(
            known_to([channels.municipal()]).alias("in_m2"),
            known_to(channels.of_kind("department")).alias("in_department"),
            normal_number(pl.col("licence_no")).alias("licence_normal"),
            pl.when(pl.col("licence_issued_at") <= last).then(pl.col("licence_issued_at")).alias("licence_issued_at"),
        )
        .join(begun, on="case_id", how="left")
        .filter((pl.col("first_event_at") <= last).fill_null(True))  # not there yet; one without any date always is
        .join(lines.cases, on="case_id", how="left")
    )
    cases = cases.with_columns(
        pl.coalesce("received_at", "accepted_at", "first_event_at").alias("receipt_at"),
    )
    cases = _limits(_known_by_code(cases, frames.codes), items)
    result = clocks(cases.select(list(CASE_SCHEMA)), lines.pauses, as_of, calendar, rules)
    # before acceptance no clock runs that a pause could stop, but the case waits all the same
    waits = lines.pauses.filter("standing").select("case_id", pl.lit(True).alias("_waits")).unique("case_id")
    cases = cases.join(result, on="case_id", how="left", maintain_order="left").join(
        waits, on="case_id", how="left", maintain_order="left"
    )
    cases = cases.with_columns(
        pl.when(pl.col("acceptance_on").is_null() & pl.col("ended_at").is_null())
        .then("_waits")
        .otherwise("paused")
        .fill_null(False)
        .alias("paused")
    ).drop("_waits")
    documents = _documents(frames, cases, as_of)
    issued = (
        documents.filter(pl.col("case_id").is_not_null())
        .group_by("case_id")
        .agg(pl.col("issued_at").min().alias("document_at"))
    )
    is_done = pl.col("conclusion").is_in(DONE)
    cases = cases.join(issued, on="case_id", how="left", maintain_order="left").with_columns(
        _first("licence_issued_at", "document_at").alias("document_at")
    )
    cases = cases.with_columns(
        pl.min_horizontal(pl.when(is_done).then(pl.col("concluded_at")), "document_at").alias("issued_at"),
        pl.col("end_event").is_in(timeline.WITHDRAWN).fill_null(False).alias("withdrawn"),
        pl.col("end_event").replace_strict(RETURNS, default=None, return_dtype=pl.String).alias("returned"),
        pl.col("ended_at").is_null().alias("open"),
    )
    differs = cases.filter(pl.col("limit_days") != pl.col("promised_limit")).select(
        "case_id", pl.lit("limit_differs").alias("code"), pl.col("receipt_at").alias("at")
    )
    return Facts(
        as_of,
        cases,
        lines.pauses,
        frames.events.filter(pl.col("at") <= last),
        documents,
        _states(cases, documents),
        items,
        pl.concat([lines.issues, differs]),
    )


def _states(cases: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """(project_code, item_code) → done_at, has_case, has_m2_case, has_open_case, begun."""
    key = ["project_code", "item_code"]
    of_cases = (
        cases.drop_nulls(key)
        .group_by(key)
        .agg(
            pl.col("issued_at").min().alias("_case_done"),
            pl.lit(True).alias("has_case"),
            pl.col("in_m2").any().alias("has_m2_case"),
            pl.col("open").any().alias("has_open_case"),
            pl.col("receipt_at").min().alias("first_receipt_at"),
        )
    )
    of_documents = documents.drop_nulls(key).group_by(key).agg(pl.col("issued_at").min().alias("_document_done"))
    return of_cases.join(of_documents, on=key, how="full", coalesce=True).select(
        *key,
        pl.min_horizontal("_case_done", "_document_done").alias("done_at"),
        *(pl.col(name).fill_null(False) for name in ("has_case", "has_m2_case", "has_open_case")),
        "first_receipt_at",
    )


def normal_number(number: pl.Expr) -> pl.Expr:
    """A document's number for comparison, as ``store.normal_number``: brackets, width and blanks do not count."""
    brackets = dict(zip("〔【[［〈{〕】]］〉}", "(((((())))))", strict=True))
    return number.str.normalize("NFKC").str.replace_all(r"\s", "").str.replace_many(brackets).str.to_uppercase()
