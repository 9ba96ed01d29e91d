"""Phase 1, plan: which windows of a feed are still to be read."""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors import planning
from connectors.base import Connector, Window
from core.errors import ConfigurationError
from pipeline.outcome import Task
from sources.declaration import DaysCursor, Feed, WindowCursor
from store import arrivals, clockwatch, landing
from store.engine import engine

_DAY = timedelta(days=1)
_LANE = 12  # tasks that one process reads one after the other, at most


def due(connector: Connector, feed: Feed, now: datetime) -> list[Task]:
    """What is promised minus what is complete, oldest first.

    What a wrong clock completed beyond the present is planned again: the next run cuts it off
    (:func:`store.clockwatch.cut`). What was asked after the last row's own time is asked again too: a source that stood
    still may give its backlog with the times that it had.
    """
    with engine().connect() as connection:
        until = clockwatch.sound_until(connection, feed.id, planning.late(feed))
        spoken = arrivals.horizon(connection, feed.id) if isinstance(feed.cursor, WindowCursor) else None
    if until is not None and isinstance(feed.cursor, DaysCursor):
        until = datetime(until.year, until.month, until.day)
    if spoken is not None:
        until = min(until or datetime.max, spoken - planning.late(feed))
    done = [
        Window(span.start, span.end if until is None else min(span.end or until, until), span.full)
        for span in landing.done(feed.id)
        if until is None or span.start is None or span.start < until
    ]
    return [task(feed, window) for window in connector.plan(feed, done, landing.state(feed.id), now)]


def requested(feed: Feed, start: datetime | None, end: datetime | None) -> list[Task]:
    """The windows that a person asked for, whatever is complete; a listing without a cursor is read whole.

    :raises ConfigurationError: the interval is empty.
    """
    if start is not None and end is not None and start >= end:
        raise ConfigurationError(
            f"an empty interval: {start} .. {end}",
            remedy="the start must lie before the end",
            zh=f"区间为空：{start} .. {end}，起点须早于终点。",
            feed=feed.id,
        )
    cursor = feed.cursor
    if cursor.kind == "full":
        return [task(feed, Window(full=True))]
    if cursor.kind == "stream":
        return []  # a stream cannot be asked for the past
    pieces = [Window(start, end)]
    span = cursor.span if isinstance(cursor, WindowCursor) else _DAY if isinstance(cursor, DaysCursor) else None
    if span is not None and start is not None and end is not None:
        if isinstance(cursor, DaysCursor):
            start = datetime(start.year, start.month, start.day)
        pieces = []
        while start < end:
            pieces.append(Window(start, min(start + span, end) if isinstance(cursor, WindowCursor) else start + span))
            start += span
    return [task(feed, window) for window in pieces]


def task(feed: Feed, window: Window) -> Task:
    """A window as it goes through Airflow's XCom."""
    return Task(
        feed=feed.id,
        start=window.start.isoformat(sep=" ") if window.start else None,
        end=window.end.isoformat(sep=" ") if window.end else None,
        full=window.full,
        label=f"{feed.id} {window}",
    )


def lanes(tasks: list[Task], parallel: int) -> list[list[Task]]:
    """The same tasks as so many groups as a source may be asked by at once, each to be read one after the other by one
    process: to begin one costs more than to read a few hundred rows. More groups where one would be of more than twelve.
    """
    count = min(len(tasks), max(parallel, -(-len(tasks) // _LANE)))
    return [tasks[first::count] for first in range(count)]


def window(of: Task) -> Window:
    """And back."""
    return Window(
        datetime.fromisoformat(of.start) if of.start else None,
        datetime.fromisoformat(of.end) if of.end else None,
        of.full,
    )
