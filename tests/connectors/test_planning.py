"""Windows still to be read, and what a window completes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from connectors.planning import completes, windows
from connectors.window import Window
from core.errors import ConfigurationError
from sources.declaration import DaysCursor, FilesCursor, FullCursor, StreamCursor, WindowCursor
from tests.connectors.http_cases import feed

NOW = datetime(2026, 11, 24, 8, 0, 0)
DAY = timedelta(days=1)


def by_time(**more):
    options = more.pop("options", {})
    return feed("f", ["id"], WindowCursor(kind="window", column="t", **more), **options)


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour)


def test_the_first_sync_is_one_window_without_bounds():
    assert windows(by_time(), [], NOW) == [Window(full=True)]


def test_where_both_bounds_are_wanted_it_begins_where_the_data_begin():
    assert windows(by_time(options={"first": "2026-11-20"}), [], NOW) == [Window(at(20), NOW)]


def test_the_next_run_reads_on_where_the_last_was_complete():
    first = by_time()
    begun, ended = completes(first, Window(full=True), NOW)
    assert (begun, ended) == (None, NOW - timedelta(minutes=10))
    later = NOW + timedelta(hours=1)
    assert windows(first, [Window(begun, ended)], later) == [Window(ended, later)]


def test_holes_between_completed_intervals_are_read_oldest_first():
    done = [Window(at(10), at(12)), Window(at(11), at(15)), Window(at(20), at(22))]
    assert windows(by_time(), done, NOW) == [Window(None, at(10)), Window(at(15), at(20)), Window(at(22), NOW)]


def test_long_gaps_are_cut_into_spans():
    found = windows(by_time(span=timedelta(days=4)), [Window(None, at(14))], NOW)
    assert found == [Window(at(14), at(18)), Window(at(18), at(22)), Window(at(22), NOW)]


def test_nothing_is_planned_when_all_is_done():
    assert windows(by_time(), [Window(None, NOW + DAY)], NOW) == []


def test_a_window_completes_no_later_than_the_lag_before_the_run():
    late = by_time(lag=timedelta(days=90))
    assert completes(late, Window(at(1), at(2)), NOW) is None
    assert completes(late, Window(NOW - 100 * DAY, NOW), NOW) == (NOW - 100 * DAY, NOW - 90 * DAY)
    assert completes(by_time(), Window(at(1), at(2)), NOW) == (at(1), at(2))


def days():
    return feed("d", ["id"], DaysCursor(kind="days", first=timedelta(days=3), late=timedelta(days=2)))


def test_days_are_read_once_closed_and_again_while_rows_may_be_late():
    assert windows(days(), [], NOW) == [Window(at(21), at(22)), Window(at(22), at(23)), Window(at(23), at(24))]
    assert windows(days(), [], at(24, 1)) == [Window(at(20), at(21)), Window(at(21), at(22)), Window(at(22), at(23))]
    assert completes(days(), Window(at(21), at(22)), NOW) == (at(21), at(22))
    assert completes(days(), Window(at(22), at(23)), NOW) is None, "its rows may be late until the 25th"
    assert windows(days(), [Window(at(21), at(22))], NOW) == [Window(at(22), at(23)), Window(at(23), at(24))]


@pytest.mark.parametrize(
    ("cursor", "wanted"),
    [
        (FullCursor(kind="full"), Window(full=True)),
        (FilesCursor(kind="files"), Window()),
        (StreamCursor(kind="stream"), Window()),
    ],
)
def test_what_has_no_time_is_read_whole_each_time(cursor, wanted):
    one = feed("x", ["id"], cursor)
    assert windows(one, [Window(None, NOW)], NOW) == [wanted]
    assert completes(one, wanted, NOW) == (None, NOW)


def test_a_first_day_that_is_none_is_refused():
    with pytest.raises(ConfigurationError, match="options.first"):
        windows(by_time(options={"first": "last year"}), [], NOW)
