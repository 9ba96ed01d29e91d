"""The official calendar in columns: counted days, and where the State Council's notice ends.

A calendar answers for arrays of days at once. Days are ``datetime64[D]`` (numpy) or anything that converts to it;
counts are ``int64``. ``n(a, b]`` of docs/rules.md is :meth:`Calendar.count`.

Sources: chinesecalendar (holidays and 调休 by the yearly notice of the State Council, 国务院办公厅关于部分节假日安排的通知),
overlaid by the city's own table ``supervision/rules/calendar.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

import chinese_calendar
import numpy as np

WORKING = "工作日"
NATURAL = "自然日"

FIRST = date(2004, 1, 1)  # chinesecalendar's first; before it, weekdays
LAST = date(2060, 12, 31)


@dataclass(frozen=True, slots=True)
class Overrides:
    """The city's own days. ``years``: years whose notice it carries whole; ``days``: day → is a working day."""

    years: frozenset[int] = frozenset()
    days: dict[date, bool] | None = None


def _days() -> np.ndarray:
    return np.arange(np.datetime64(FIRST), np.datetime64(LAST) + 1)


def _by_week() -> np.ndarray:
    """Weekdays, from :data:`FIRST` to :data:`LAST`."""
    return np.asarray(np.is_busday(_days()))


@cache
def _official() -> tuple[np.ndarray, np.ndarray]:
    """(is a working day, a notice is packaged), from :data:`FIRST` to :data:`LAST`; not to be written to."""
    days = _days()
    work, known = _by_week(), np.zeros(len(days), dtype=bool)
    for position, day in enumerate(days.astype(object)):
        try:
            work[position] = chinese_calendar.is_workday(day)
        except NotImplementedError:  # notices come in the order of the years
            break
        known[position] = True
    return work, known


class Calendar:
    """Counted days between :data:`FIRST` and :data:`LAST`, ready for look-up by position."""

    def __init__(self, overrides: Overrides | None = None) -> None:
        overrides = overrides or Overrides()
        official, packaged = _official()
        years = _days().astype("datetime64[Y]").astype(np.int64) + 1970
        whole = np.isin(years, sorted(overrides.years))  # years whose notice the city carries: weekdays, then its days
        work, known = np.where(whole, _by_week(), official), packaged | whole
        for day, is_work in (overrides.days or {}).items():
            work[(day - FIRST).days] = is_work
            known[(day - FIRST).days] = True
        self._origin = np.datetime64(FIRST)
        self._work = work
        self._cumulative = np.cumsum(work)  # working days up to and with the day
        self._working_days = np.flatnonzero(work)
        self._unknown = np.cumsum(~known)

    def agrees(self, other: Calendar) -> bool:
        """Whether the other counts every day alike, and knows the same of them."""
        return np.array_equal(self._work, other._work) and np.array_equal(self._unknown, other._unknown)

    def _position(self, days: np.ndarray) -> np.ndarray:
        position = (days.astype("datetime64[D]") - self._origin).astype(np.int64)
        return np.clip(position, 0, len(self._work) - 1)

    def is_counted(self, days: np.ndarray, natural: np.ndarray | bool = False) -> np.ndarray:
        """True where the day counts: a working day, or any day in 自然日."""
        return self._work[self._position(days)] | natural

    def count(self, after: np.ndarray, until: np.ndarray, natural: np.ndarray | bool = False) -> np.ndarray:
        """n(after, until]: the counted days d with after < d ≤ until; 0 where until ≤ after."""
        a, b = self._position(after), self._position(until)
        days = np.where(natural, b - a, self._cumulative[b] - self._cumulative[a])
        return np.maximum(days, 0)

    def add(self, start: np.ndarray, days: np.ndarray, natural: np.ndarray | bool = False) -> np.ndarray:
        """The ``days``-th counted day after ``start``; 0 gives ``start`` itself."""
        a = self._position(start)
        wanted = np.clip(self._cumulative[a] + days - 1, 0, len(self._working_days) - 1)
        position = np.where(days <= 0, a, np.where(natural, a + days, self._working_days[wanted]))
        return self._origin + np.minimum(position, len(self._work) - 1).astype("timedelta64[D]")

    def provisional(self, after: np.ndarray, until: np.ndarray) -> np.ndarray:
        """暂估: True where (after, until] holds a day past the last notice."""
        a, b = self._position(after), self._position(until)
        return self._unknown[b] - self._unknown[a] > 0
