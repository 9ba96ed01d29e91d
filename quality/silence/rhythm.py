"""The arrival model of a series: how long it is usually quiet, learned from its own history.

Time is counted on a clock of expected arrivals: one unit is an ordinary working day, an hour counts by the share of a
day's rows that it usually brings, a weekend or holiday by what such a day usually brings (official calendar, 调休
included), and so do the days around a long holiday (Spring Festival, National Day) and the last ones of a month. On
that clock the quiet times between arrivals follow one distribution, whose upper tail (peaks over the 90 % quantile,
generalised Pareto: Pickands 1975) says how long a silence is still usual.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

HISTORY = timedelta(days=400)  # a year and the festival that may come later this year
QUARTER = 62.0  # working days
FALSE_ALARMS = 0.05  # a series and quarter; over all series of a feed well below one
FEW_GAPS, FEW_DAYS = 15, 20  # with less history nothing is learned

_HOUR = np.timedelta64(1, "h")
_LONG_HOLIDAY = 5  # rest days in a row
_NEAR = 5  # working days before and after one
_REST, _HOLIDAY, _WORK, _NEAR_HOLIDAY, _MONTH_END = range(5)
_PRIOR = {_REST: 0.0, _HOLIDAY: 0.0, _NEAR_HOLIDAY: 0.8, _MONTH_END: 1.0}
_PRIOR_DAYS = 3.0
_UNSURE = 3.0
_TRICKLE = 0.2  # of what a working day usually brings
_DUE = 10.0  # rows, below which few is no news
_FINEST = 0.02  # of a working day: hours say no more


class WorkingDays(Protocol):
    """The official calendar, as far as it is asked here."""

    def is_counted(self, days: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Expected arrivals, accumulated: ``start`` is the first hour, ``total[n]`` what was due by the end of hour n."""

    start: np.datetime64
    total: np.ndarray

    def at(self, moments: np.ndarray | datetime) -> np.ndarray:
        """What was due by some moments, interpolated within the hour."""
        hours = (np.asarray(moments, dtype="datetime64[s]") - self.start.astype("datetime64[s]")).astype(float) / 3600
        return np.interp(hours, np.arange(len(self.total) + 1), np.concatenate([[0.0], self.total]))

    def ends(self, hours: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What was due by the first and by the last row of each hour: n rows divide what the hour brings into n + 1 parts."""
        place = (hours - self.start).astype(int)
        upper = self.total[place]
        lower = np.where(place > 0, self.total[place - 1], 0.0)
        part = (upper - lower) / (rows + 1)
        return lower + part, upper - part

    def when(self, due: float) -> datetime | None:
        """The moment by which so much is due; None: beyond the clock's end."""
        if due > self.total[-1]:
            return None
        hour = int(np.searchsorted(self.total, due))
        return (self.start + (hour + 1) * _HOUR).astype("datetime64[s]").item()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is usual. ``longest``: the longest usual quiet time, in units of the clock, None: no silence is unusual;
    ``low`` and ``high`` rows of a usual working day (5 %, 95 %);
    ``learned``: from history, else by the declaration."""

    longest: float | None
    low: int = 0
    high: int = 0
    gaps: int = 0
    learned: bool = False


def clock_of(hours: np.ndarray, rows: np.ndarray, calendar: WorkingDays, until: datetime) -> Clock:
    """The clock of expected arrivals of a series (``hours``: datetime64[h], sorted; ``rows`` of each), up to ``until``."""
    first = hours[0].astype("datetime64[D]")
    days = np.arange(first, np.datetime64(until.date()) + 1, dtype="datetime64[D]")
    by_hour = np.zeros((len(days), 24))
    position = (hours - first.astype("datetime64[h]")).astype(int)
    inside = position < by_hour.size
    np.add.at(by_hour.reshape(-1), position[inside], rows[inside])
    kinds = day_kinds(days, calendar)
    spoken = days <= hours[-1].astype("datetime64[D]")  # a silence at the end says nothing of what is usual
    weight = _weights(by_hour.sum(axis=1), kinds, spoken)
    shape = np.zeros((2, 24))
    for rest in (False, True):
        of = by_hour[((kinds <= _HOLIDAY) == rest) & spoken]
        busy = np.minimum(of, np.quantile(of, 0.99) if of.size else 0).sum(axis=0) if of.size else np.zeros(24)
        base = busy if busy.sum() >= FEW_GAPS or not rest else shape[0] * 0 + by_hour.sum(axis=0)
        shape[int(rest)] = base / base.sum() if base.sum() else np.full(24, 1 / 24)
    return Clock(
        first.astype("datetime64[h]"), np.cumsum(weight[:, None] * shape[(kinds <= _HOLIDAY).astype(int)], axis=None)
    )


def day_kinds(days: np.ndarray, calendar: WorkingDays) -> np.ndarray:
    """Of each day: a rest day, one of a long holiday, an ordinary working day, one near a long holiday, one of a
    month's last three."""
    wide = np.arange(days[0] - 40, days[-1] + 41, dtype="datetime64[D]")
    work = calendar.is_counted(wide)
    kinds = np.where(work, _WORK, _REST)
    months = wide.astype("datetime64[M]")
    worked = np.flatnonzero(work)
    for month in np.unique(months[worked]):
        kinds[worked[months[worked] == month][-3:]] = _MONTH_END
    edges = np.flatnonzero(np.diff(np.concatenate([[1], work.astype(int), [1]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= _LONG_HOLIDAY:
            kinds[start:end] = _HOLIDAY
            near = np.concatenate([worked[worked < start][-_NEAR:], worked[worked >= end][:_NEAR]])
            kinds[near] = _NEAR_HOLIDAY
    return kinds[40:-40]


def _weights(by_day: np.ndarray, kinds: np.ndarray, spoken: np.ndarray) -> np.ndarray:
    """What a day of each kind brings, an ordinary working day being 1; kinds seen seldom are held to what is plausible."""
    capped = np.minimum(by_day, np.quantile(by_day[spoken], 0.98)) if spoken.any() else by_day
    ordinary = capped[(kinds == _WORK) & spoken]
    usual = ordinary.mean() if len(ordinary) and ordinary.mean() > 0 else 1.0
    weight = np.ones(len(kinds))
    for kind, prior in _PRIOR.items():
        of = capped[(kinds == kind) & spoken]
        weight[kinds == kind] = (of.sum() / usual + _PRIOR_DAYS * prior) / (len(of) + _PRIOR_DAYS)
    return np.minimum(weight, 3.0)


def learn(gaps: np.ndarray, alarms: float = FALSE_ALARMS, quarter: float = QUARTER) -> float | None:
    """The longest usual quiet time by past ones; None: too few of them.

    ``alarms``: how many silences that were none may be told a quarter; ``quarter``: its length on the clock.
    """
    if len(gaps) < FEW_GAPS or gaps.sum() <= 0:
        return None
    gaps = without_outages(gaps)
    base = np.quantile(gaps, 0.9)
    over = gaps[gaps > base]
    shape, scale = _tail(over - base)
    a_quarter = 0.1 * len(gaps) * quarter / gaps.sum()  # quiet times above the base

    from scipy.stats import genpareto

    level = float(base + genpareto.isf(min(alarms / a_quarter, 1.0), shape, scale=scale))
    # few quiet times say little of the longest
    return max(level, 1.1 * float(gaps.max())) * (1 + _UNSURE / float(np.sqrt(len(gaps))))


def _tail(over: np.ndarray) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution by its moments (Hosking and Wallis 1987), the shape held to
    what so few values can say."""
    if len(over) < 3 or over.var() < 1e-9:
        return 0.0, max(float(over.mean()) if len(over) else 0.0, _FINEST)
    mean, ratio = over.mean(), over.mean() ** 2 / over.var(ddof=1)
    shape = float(np.clip(0.5 * (1 - ratio), -0.5, 0.25))
    return shape, float(max(mean * (1 - shape), _FINEST))


def trickle(
    hours: np.ndarray, rows: np.ndarray, clock: Clock, calendar: WorkingDays, until: datetime
) -> tuple[datetime, int, float] | None:
    """(since which day, rows that came, rows that were due) where a series still speaks, and brings far less than ever: the last
    whole working days, each :data:`_TRICKLE` of what was due at most, and together half of what any as many days ever brought.

    ``until``: up to when all has come. None: as usual, or so few are due that nothing can be said.
    """
    first, end = hours[0].astype("datetime64[D]"), np.datetime64(until.date())
    days = np.arange(first, end, dtype="datetime64[D]")
    worked = calendar.is_counted(days)
    if worked.sum() < 3 * FEW_DAYS:
        return None
    by_day = np.bincount((hours.astype("datetime64[D]") - first).astype(int), weights=rows, minlength=len(days) + 1)
    weight = np.diff(clock.at(np.append(days, end).astype("datetime64[s]")))
    place = np.maximum(np.cumsum(worked) - 1, 0)  # what comes on a day of rest counts with the working day before
    came = np.bincount(place, weights=by_day[: len(days)])
    due = np.bincount(place, weights=weight)
    due *= came.sum() / due.sum()
    few = np.where(day_kinds(days, calendar)[worked] == _NEAR_HOLIDAY, _TRICKLE / 5, _TRICKLE)
    low = came < few * due
    length = int(np.argmin(low[::-1])) if not low.all() else 0
    if length == 0 or due[-length:].sum() < _DUE or came[-length:].sum() == 0:
        return None
    ratio = came[-length:].sum() / due[-length:].sum()
    total_came, total_due = (np.concatenate([[0], np.cumsum(of[:-length])]) for of in (came, due))
    before = (total_came[length:] - total_came[:-length]) / np.maximum(total_due[length:] - total_due[:-length], 1e-9)
    if ratio >= 0.5 * np.quantile(before, 0.01):
        return None
    since = days[worked][-length].astype("datetime64[s]").item()
    return since, int(came[-length:].sum()), float(due[-length:].sum())


def without_outages(gaps: np.ndarray) -> np.ndarray:
    """Past quiet times without those that stand alone: three times as long as any other was an outage, no rhythm."""
    ordered = np.sort(gaps)
    for n in range(len(ordered) - 1, max(len(ordered) - 4, FEW_GAPS), -1):
        if ordered[n] > 3 * ordered[n - 1] and ordered[n - 1] > 0:
            return ordered[:n]
    return gaps


def working(days: float) -> str:
    """So many working days, as a person says it."""
    if days < 0.95:
        return f"{max(1, round(days * 8))} 个工作小时"
    return f"{days:.0f} 个工作日" if days >= 3 else f"{days:.1f} 个工作日".replace(".0", "")


def usual_day(by_day: np.ndarray) -> tuple[int, int]:
    """Rows of a usual working day: the 5 % and the 95 % quantile."""
    if not len(by_day):
        return 0, 0
    low, high = np.quantile(by_day, [0.05, 0.95])
    return int(np.floor(low)), int(np.ceil(high))
