"""The calendar's columns against days counted one by one."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.calendar import FIRST, LAST, Calendar, Overrides

CITY, PLAIN = "city", "plain"


def calendar_of(name: str) -> Calendar:
    """Built anew for each test that asks: so each is known to call what builds it, and is asked of a mutant of that."""
    own = Overrides(years=frozenset({2026, 2027}), days={date(2027, 1, 1): False, date(2026, 10, 10): True})
    return Calendar(own if name == CITY else None)


def works(day: date, calendar: str) -> bool:
    if calendar == CITY and day in (date(2027, 1, 1), date(2026, 10, 10)):
        return day == date(2026, 10, 10)
    if calendar == CITY or day.year > 2026:
        return day.weekday() < 5
    return chinese_calendar.is_workday(day)


def days(first: date, last: date) -> list[date]:
    """Those after ``first``, up to ``last``."""
    return [first + timedelta(n) for n in range(1, (last - first).days + 1)]


def column(*of: date) -> np.ndarray:
    return np.array(of, dtype="datetime64[D]")


near = st.dates(date(2026, 9, 1), date(2027, 2, 1))
calendars = st.sampled_from([CITY, PLAIN])


@given(near, near, calendars, st.booleans())
@settings(max_examples=80, deadline=None)
def test_days_between_are_those_counted_one_by_one(after, until, calendar, natural):
    counted = [day for day in days(after, until) if natural or works(day, calendar)]
    assert calendar_of(calendar).count(column(after), column(until), natural).tolist() == [len(counted)]
    assert calendar_of(calendar).is_counted(column(until), natural).tolist() == [natural or works(until, calendar)]


@given(near, st.integers(-2, 40), calendars, st.booleans())
@settings(max_examples=80, deadline=None)
def test_a_due_day_is_the_nth_counted_one(start, wanted, calendar, natural):
    counted = [day for day in days(start, start + timedelta(90)) if natural or works(day, calendar)]
    due = counted[wanted - 1] if wanted > 0 else start
    assert calendar_of(calendar).add(column(start), np.array([wanted]), natural).tolist() == [due]


@pytest.mark.parametrize(
    "until,calendar,provisional",
    [
        (date(2026, 12, 31), PLAIN, False),
        (date(2027, 1, 1), PLAIN, True),
        (date(2027, 1, 1), CITY, False),  # the city carries the year's notice
        (date(2027, 12, 31), CITY, False),
        (date(2028, 1, 1), CITY, True),
    ],
)
def test_a_day_past_the_last_notice_is_provisional(until, calendar, provisional):
    assert calendar_of(calendar).provisional(column(date(2026, 12, 30)), column(until)).tolist() == [provisional]
    assert calendar_of(calendar).provisional(column(until), column(until)).tolist() == [False]


def test_one_day_of_the_city_makes_that_day_known_and_no_other():
    calendar = Calendar(Overrides(days={date(2027, 1, 4): True}))
    assert calendar.provisional(column(date(2027, 1, 3)), column(date(2027, 1, 4))).tolist() == [False]
    assert calendar.provisional(column(date(2027, 1, 4)), column(date(2027, 1, 5))).tolist() == [True]


def test_days_off_the_calendar_are_those_of_its_ends():
    before, after = FIRST - timedelta(400), LAST + timedelta(400)
    assert calendar_of(PLAIN).count(column(before), column(FIRST)).tolist() == [0]
    assert calendar_of(PLAIN).count(column(LAST), column(after)).tolist() == [0]
    assert calendar_of(PLAIN).add(column(LAST), np.array([5]), True).tolist() == [LAST]
    assert calendar_of(PLAIN).is_counted(column(before)).tolist() == [chinese_calendar.is_workday(FIRST)]
    last_working = max(day for day in days(LAST - timedelta(7), LAST) if day.weekday() < 5)
    assert calendar_of(PLAIN).add(column(LAST), np.array([3])).tolist() == [last_working]


def test_a_column_is_counted_row_by_row():
    starts = column(date(2026, 9, 30), date(2026, 9, 30))
    assert calendar_of(PLAIN).count(
        starts, column(date(2026, 10, 8), date(2026, 10, 8)), np.array([False, True])
    ).tolist() == [1, 8]
    assert calendar_of(PLAIN).add(starts, np.array([1, 1]), np.array([False, True])).tolist() == [
        date(2026, 10, 8),
        date(2026, 10, 1),
    ]


def test_calendars_agree_where_each_day_counts_alike_and_as_much_is_known():
    holiday, working = date(2026, 5, 1), date(2026, 5, 6)  # by the notice, which is packaged
    assert calendar_of(CITY).agrees(calendar_of(CITY)) and calendar_of(PLAIN).agrees(Calendar(Overrides()))
    assert Calendar(Overrides(days={holiday: False, working: True})).agrees(calendar_of(PLAIN))
    assert not Calendar(Overrides(days={working: False})).agrees(calendar_of(PLAIN))
    weekday = date(2030, 1, 2)  # counted as one already; that it is known is what differs
    assert not Calendar(Overrides(days={weekday: True})).agrees(calendar_of(PLAIN))


def test_the_first_and_the_last_day_are_days_like_others():
    plain = calendar_of(PLAIN)
    day = timedelta(1)
    assert plain.count(column(LAST - day), column(LAST), True).tolist() == [1]
    first_working = next(one for one in days(FIRST, FIRST + 9 * day) if chinese_calendar.is_workday(one))
    assert not chinese_calendar.is_workday(FIRST)
    assert plain.add(column(FIRST), np.array([1])).tolist() == [first_working]


def test_days_are_working_days_unless_natural_ones_are_asked_for():
    assert calendar_of(PLAIN).count(column(date(2026, 9, 30)), column(date(2026, 10, 8))).tolist() == [1]
