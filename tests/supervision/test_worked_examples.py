"""The worked examples of docs/rules.md, row by row."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from supervision.calendar import NATURAL, WORKING, Calendar, Overrides
from supervision.clock import CASE_SCHEMA, clocks
from supervision.timeline import EVENT_SCHEMA, timelines

CALENDAR = Calendar()
NOTICE_IN = Calendar(Overrides(days={date(2027, 1, 1): False}))


def stamp(text: str) -> datetime:
    return datetime.fromisoformat(text)


def event(name: str, at: str, *, series: str = "LOG", limit: int | None = None, unit: str | None = None) -> dict:
    return {
        "case_id": "x",
        "channel": "D3",
        "event": name,
        "at": stamp(at),
        "until": None,
        "series": series,
        "series_key": None,
        "version": None,
        "limit_days": limit,
        "limit_unit": unit,
    }


def clock(events: list[dict], limits: tuple, on: str, calendar: Calendar = CALENDAR) -> dict:
    """The one case's clock; limits = promised, unit, statutory, unit."""
    line = timelines(pl.DataFrame(events, schema=EVENT_SCHEMA), date.fromisoformat(on), calendar)
    promised, promised_unit, statutory, statutory_unit = limits
    cases = line.cases.with_columns(
        pl.lit(promised, pl.Int64).alias("promised_limit"),
        pl.lit(promised_unit).alias("promised_unit"),
        pl.lit(statutory, pl.Int64).alias("statutory_limit"),
        pl.lit(statutory_unit).alias("statutory_unit"),
    ).select(list(CASE_SCHEMA))
    return clocks(cases, line.pauses, date.fromisoformat(on), calendar).row(0, named=True)


SEVEN = (7, WORKING, 20, WORKING)
FIVE = (5, WORKING, 20, WORKING)
TEN = (10, WORKING, 20, WORKING)

ONE = [event("ACCEPTED", "2026-02-12")]
TWO = [
    event("ACCEPTED", "2026-03-02"),
    event("SUPPLEMENT_START", "2026-03-05"),
    event("SUPPLEMENT_END", "2026-03-11"),
    event("SPECIAL_START", "2026-03-09"),
    event("SPECIAL_END", "2026-03-17"),
]
THREE = [event("ACCEPTED", "2026-04-01"), event("SPECIAL_START", "2026-04-08", limit=10, unit=WORKING)]
FOUR = [event("ACCEPTED", "2026-09-24"), event("SPECIAL_START", "2026-09-28", limit=10, unit=NATURAL)]
FIVE_ = [event("ACCEPTED", "2026-06-03"), event("SPECIAL_START", "2026-06-10")]
SIX = [event("SUBMITTED", "2026-04-01"), event("ACCEPTED", "2026-04-10")]
SIX_IN_TIME = [event("SUBMITTED", "2026-04-01"), event("ACCEPTED", "2026-04-09")]
NINE = [event("ACCEPTED", "2026-12-28")]
TEN_BEFORE = [
    event("ACCEPTED", "2026-09-01"),
    event("SUPPLEMENT_START", "2026-08-26"),
    event("SUPPLEMENT_END", "2026-09-04"),
]
TEN_ON = [
    event("ACCEPTED", "2026-09-01"),
    event("SUPPLEMENT_START", "2026-09-01"),
    event("SUPPLEMENT_END", "2026-09-04"),
]
DAYS_30 = (10, WORKING, 30, NATURAL)
DAYS_7 = (3, WORKING, 7, NATURAL)
ELEVEN = [event("ACCEPTED", "2026-10-16")]

EXAMPLES = [
    # case, limits, asked on, used (promised, statutory), due promised, due statutory, light
    (ONE, SEVEN, "2026-02-27", 6, None, "2026-02-28", "2026-03-18", "黄"),
    (ONE, SEVEN, "2026-03-01", 7, None, "2026-02-28", "2026-03-18", "黄"),
    (ONE, SEVEN, "2026-03-02", 8, None, "2026-02-28", "2026-03-18", "红"),
    (TWO, SEVEN, "2026-03-12", 3, None, "2026-03-23", "2026-04-10", "蓝"),
    (TWO, SEVEN, "2026-03-18", 4, None, "2026-03-23", "2026-04-10", "绿"),
    (TWO, SEVEN, "2026-03-24", 8, None, "2026-03-23", "2026-04-10", "红"),
    (THREE, SEVEN, "2026-04-22", 4, None, "2026-04-27", "2026-05-18", "蓝"),
    (THREE, SEVEN, "2026-04-23", 5, None, "2026-04-27", "2026-05-18", "绿"),
    (THREE, SEVEN, "2026-04-28", 8, None, "2026-04-27", "2026-05-18", "红"),
    (FOUR, FIVE, "2026-10-08", 1, None, "2026-10-13", "2026-11-03", "蓝"),
    (FOUR, FIVE, "2026-10-14", 6, None, "2026-10-13", "2026-11-03", "红"),
    (FIVE_, TEN, "2026-06-10", 5, None, "2026-06-17", "2026-07-02", "蓝"),
    (FIVE_, TEN, "2026-06-16", 5, None, "2026-06-24", "2026-07-08", "蓝"),
    (SIX, FIVE, "2026-04-10", 6, None, "2026-04-09", "2026-04-30", "红"),
    (SIX_IN_TIME, FIVE, "2026-04-10", 1, None, "2026-04-16", "2026-05-11", "绿"),
    ([event("ACCEPTED", "2026-04-28")], DAYS_30, "2026-05-12", 8, 14, "2026-05-14", "2026-05-28", "黄"),
    ([event("ACCEPTED", "2026-04-28")], DAYS_30, "2026-05-28", 20, 30, "2026-05-14", "2026-05-28", "红"),
    ([event("ACCEPTED", "2026-04-28")], DAYS_30, "2026-05-29", 21, 31, "2026-05-14", "2026-05-28", "双红"),
    ([event("ACCEPTED", "2026-02-13")], DAYS_7, "2026-02-20", 1, 7, "2026-02-25", "2026-02-20", "黄"),
    ([event("ACCEPTED", "2026-02-13")], DAYS_7, "2026-02-21", 1, 8, "2026-02-25", "2026-02-20", "双红"),
    (NINE, FIVE, "2026-12-31", 3, None, "2027-01-04", "2027-01-25", "绿"),
    (TEN_BEFORE, FIVE, "2026-09-08", 5, None, "2026-09-08", "2026-09-29", "黄"),
    (TEN_ON, FIVE, "2026-09-08", 2, None, "2026-09-11", "2026-10-09", "绿"),
    (ELEVEN, (0, WORKING, None, None), "2026-10-18", 0, None, "2026-10-16", None, "黄"),
    (ELEVEN, (0, WORKING, None, None), "2026-10-19", 1, None, "2026-10-16", None, "红"),
]


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: f"{row[2]} {row[7]}")
def test_worked_example(row) -> None:
    events, limits, on, used_promised, used_statutory, due_promised, due_statutory, light = row
    got = clock(events, limits, on)
    assert got["used_promised"] == used_promised
    if used_statutory is not None:
        assert got["used_statutory"] == used_statutory
    assert str(got["due_promised"]) == due_promised
    assert got["due_statutory"] == (date.fromisoformat(due_statutory) if due_statutory else None)
    assert got["light"] == light


def test_a_pause_without_end_marks_the_due_date() -> None:
    assert clock(FIVE_, TEN, "2026-06-16")["suspended"]
    assert not clock(THREE, SEVEN, "2026-04-22")["suspended"]


def test_past_the_notice_is_provisional_until_the_notice_is_in() -> None:
    assert clock(NINE, FIVE, "2026-12-31")["provisional"]
    got = clock(NINE, FIVE, "2027-01-05", NOTICE_IN)
    assert (got["used_promised"], str(got["due_promised"]), str(got["due_statutory"]), got["light"]) == (
        5,
        "2027-01-05",
        "2027-01-26",
        "黄",
    )
