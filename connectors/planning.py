"""What of a feed is still to be read: what is promised minus what is complete.

The interval that a window completes ends ``lag`` before the run began: rows that become visible later than the time
they carry are found by reading the last lag again (docs/source-systems.md, "Order"). Options of a feed with a
``window`` cursor::

    first: 2015-01-01      the source wants both bounds: where its data begin. Without it the first sync is one
                           window without bounds
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from connectors.window import Window
from core.errors import ConfigurationError
from sources.declaration import DaysCursor, WindowCursor

if TYPE_CHECKING:
    from sources.declaration import Feed

_DAY = timedelta(days=1)


def windows(feed: Feed, done: list[Window], now: datetime) -> list[Window]:
    """The windows to read at a run that began at ``now`` (local time), oldest first.

    ``done`` are the completed intervals, in any order, overlapping or not.
    """
    cursor = feed.cursor
    if isinstance(cursor, WindowCursor):
        first = _first(feed)
        if not done and first is None:
            return [Window(full=True)]
        return [part for gap in _gaps(done, first, now) for part in _cut(gap, cursor.span)]
    if isinstance(cursor, DaysCursor):
        last = (now - cursor.closes).date() - _DAY  # the latest day that is closed
        start = _midnight(last + _DAY) - timedelta(days=max(1, cursor.first.days))
        gaps = _gaps(done, start, _midnight(last + _DAY))
        return [part for gap in gaps for part in _cut(gap, max(cursor.span, _DAY))]
    if cursor.kind == "full":
        return [Window(full=True)]
    return [Window()]  # files, stream: the feed's state knows what was taken


def completes(feed: Feed, window: Window, now: datetime) -> tuple[datetime | None, datetime] | None:
    """The interval that is complete once ``window``, planned at ``now``, was read whole; None: none of it yet.

    A start of None: from the beginning. The end is never later than ``now`` minus the time by which rows come late.
    """
    end = min(window.end or now, now - late(feed))
    if isinstance(feed.cursor, DaysCursor):
        end = _midnight(end.date())  # whole days only
    if window.start is not None and end <= window.start:
        return None
    return window.start, end


def late(feed: Feed) -> timedelta:
    """By how much rows of a feed come later than the time that they carry."""
    cursor = feed.cursor
    if isinstance(cursor, WindowCursor):
        return cursor.lag
    return cursor.late if isinstance(cursor, DaysCursor) else timedelta()


def _first(feed: Feed) -> datetime | None:
    given = feed.options.get("first")
    if given is None:
        return None
    try:
        if isinstance(given, datetime):
            return given
        return _midnight(given) if isinstance(given, date) else datetime.fromisoformat(str(given))
    except ValueError as error:
        raise ConfigurationError(
            f"options.first of {feed.id} is no date: {given!r}",
            remedy="write yyyy-MM-dd",
            zh=f"数据项 {feed.id} 的 options.first 不是日期：{given!r}，应为 yyyy-MM-dd。",
            feed=feed.id,
            field="options.first",
        ) from error


def _gaps(done: list[Window], first: datetime | None, end: datetime) -> list[Window]:
    """What lies between ``first`` (None: the beginning) and ``end`` and in none of ``done``."""
    low = datetime.min
    start, gaps = first or low, []
    for begun, ended in sorted((window.start or low, window.end or datetime.max) for window in done):
        if begun > start:
            gaps.append((start, min(begun, end)))
        start = max(start, ended)
    gaps.append((start, end))
    return [Window(None if begun == low else begun, ended) for begun, ended in gaps if begun < ended]


def _cut(window: Window, span: timedelta | None) -> list[Window]:
    """Pieces no longer than ``span``; an open start stays one piece."""
    if span is None or window.start is None or window.end is None:
        return [window]
    pieces, start = [], window.start
    while start < window.end:
        pieces.append(Window(start, min(start + span, window.end)))
        start += span
    return pieces


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
