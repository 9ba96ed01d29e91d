"""Working days of the simulated world: the official calendar (chinesecalendar), weekdays past its end (rules.md, Calendar)."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, time, timedelta
from functools import cache

import chinese_calendar


@cache
def is_workday(day: date) -> bool:
    """Whether the day is worked, 调休 included; a weekday where no notice is out yet."""
    try:
        return chinese_calendar.is_workday(day)
    except NotImplementedError:
        return day.weekday() < 5


class Calendar:
    """Working days of a span as a numbered list, so that schedules can count in them."""

    def __init__(self, first: date, last: date) -> None:
        span = (last - first).days + 1
        self.days = [day for n in range(span) if is_workday(day := first + timedelta(n))]

    def index(self, day: date | datetime) -> int:
        """Number of the last working day at or before ``day``; −1 before the span."""
        if isinstance(day, datetime):
            day = day.date()
        return bisect_right(self.days, day) - 1

    def count(self, after: date | datetime, until: date | datetime) -> int:
        """n(after, until]: the working days d with after < d ≤ until; 0 where until ≤ after."""
        return max(0, self.index(until) - self.index(after))

    def at(self, index: int, minute: int, second: int = 0) -> datetime:
        """A moment on working day number ``index``, ``minute`` minutes after midnight."""
        return datetime.combine(self.days[index], time(minute // 60, minute % 60, second))
