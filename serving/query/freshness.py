"""数据截至 Data as of: up to when each source has been read in full, and which feeds fail. The one place that says so, for
every page, report and answer.

Times are the city's, naive. A source's time is that of its feed that is furthest behind: what a reader may rely on. Nothing restricts who may know it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from core import clock, settings
from core.clock import SHANGHAI
from core.errors import FAULT_ZH, Fault
from sources import loader
from store.engine import pairs, transaction

# Runs that read a source; a re-drive or a remap says nothing of how fresh it is.
_READING = ("cli", "schedule", "backfill", "reconcile", "bench")
_READ = "select feed, read_at from landing.completed"
_LAST = """
select distinct on (feed) feed, outcome, fault, ended_at from landing.run
where trigger = any(:reading) and ended_at is not null and outcome <> 'waiting' order by feed, id desc"""
_SPEAKS = "select feed, max(at) + interval '1 hour' from landing.arrival where kind = 'feed' group by feed"
_SILENT = """
select feed, min(since) from landing.silence
where ended_at is null and kind in ('source', 'feed') and coalesce(approved_until < :today, true) group by feed"""
_FILLING = "select exists (select from store.project), exists (select from supervision.run)"


@dataclass(frozen=True, slots=True)
class FeedState:
    """``read_at``: up to when it was read in full, None: never. ``late``: older than promised. ``speaks_until``: up to when its content
    speaks; ``silent_since`` where it should speak of a later time (:mod:`quality.silence`)."""

    feed: str
    name: str
    read_at: datetime | None
    failing: bool
    held: bool
    late: bool
    fault_zh: str | None
    speaks_until: datetime | None = None
    silent_since: datetime | None = None

    @property
    def trouble(self) -> bool:
        return self.failing or self.held or self.late or self.silent_since is not None


@dataclass(frozen=True, slots=True)
class SourceState:
    """``as_of``: up to when all of its feeds were read; None: one never was."""

    source: str
    name: str
    feeds: tuple[FeedState, ...]

    @property
    def as_of(self) -> datetime | None:
        times = [feed.read_at for feed in self.feeds]
        return None if not times or None in times else min(at for at in times if at)

    @property
    def troubles(self) -> tuple[FeedState, ...]:
        return tuple(feed for feed in self.feeds if feed.trouble)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of every source, the one furthest behind first. ``empty``: the store holds no project yet; ``judged``: supervision
    has judged it once."""

    sources: tuple[SourceState, ...]
    empty: bool
    judged: bool
    at: datetime = field(default_factory=clock.now)

    @property
    def as_of(self) -> datetime | None:
        """Up to when everything that was ever read has been read."""
        return min((s.as_of for s in self.sources if s.as_of), default=None)

    @property
    def failing(self) -> tuple[tuple[SourceState, FeedState], ...]:
        return tuple((s, f) for s in self.sources for f in s.feeds if f.failing or f.held)

    @property
    def late(self) -> tuple[tuple[SourceState, FeedState], ...]:
        return tuple((s, f) for s in self.sources for f in s.feeds if f.late and not (f.failing or f.held))

    @property
    def never(self) -> tuple[SourceState, ...]:
        return tuple(s for s in self.sources if s.as_of is None)

    @property
    def silent(self) -> tuple[tuple[str, datetime], ...]:
        """(name, since) of what is silent: a source where all of its feeds are."""
        found = []
        for source in self.sources:
            quiet = [feed for feed in source.feeds if feed.silent_since]
            if quiet and len(quiet) == len(source.feeds):
                found.append((source.name, max(feed.silent_since for feed in quiet if feed.silent_since)))
            else:
                found += [(f"{source.name} {feed.name}", feed.silent_since) for feed in quiet if feed.silent_since]
        return tuple(found)

    @property
    def tone(self) -> str:
        """good, warn, bad."""
        return "bad" if self.failing or self.silent else "warn" if self.late or self.never else "good"

    @property
    def line(self) -> str:
        """数据截至 11-23 08:00（P1 …）；2 项读取失败：… One line for the head of a page or the foot of a report."""
        if self.as_of is None:
            return "数据截至：尚未读到任何数据"
        oldest = next(s for s in self.sources if s.as_of == self.as_of)
        text = f"数据截至 {self.as_of:%Y-%m-%d %H:%M}（最早：{oldest.name}）"
        if self.silent:
            message = "、".join(f"{name}自 {since:%m-%d %H:%M} 静默" for name, since in self.silent[:3])
            text += f"；{message}{' 等' if len(self.silent) > 3 else ''}，相关判定暂停"
        for found, word in ((self.failing, "读取失败或待人工"), (self.late, "超过时效承诺")):
            if found:
                names = list(dict.fromkeys(f"{s.name} {f.name}" for s, f in found))
                text += f"；{len(found)} 项{word}：{'、'.join(names[:3])}{' 等' if len(names) > 3 else ''}"
        if self.never:
            text += f"；尚未完整读到：{'、'.join(s.name for s in self.never[:3])}{' 等' if len(self.never) > 3 else ''}"
        return text

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: ``data_as_of``, ``sources`` with their time and troubles, ``zh``."""
        entries = [
            {
                "source": s.source,
                "name": s.name,
                "data_as_of": _iso(s.as_of),
                "failing": [f.feed for f in s.feeds if f.failing or f.held],
                "late": [f.feed for f in s.feeds if f.late],
                "silent": [{"feed": f.feed, "since": _iso(f.silent_since)} for f in s.feeds if f.silent_since],
            }
            for s in self.sources
        ]
        return {"data_as_of": _iso(self.as_of), "zh": self.line, "sources": entries}


_PATIENCE = 3.0  # seconds: every page and answer asks
_cached: dict[str, tuple[float, Freshness]] = {}


def current() -> Freshness:
    """:func:`freshness`, not older than three seconds."""
    url = settings.database_url()
    cached = _cached.get(url)
    if cached is None or time.monotonic() - cached[0] > _PATIENCE:
        cached = _cached[url] = (time.monotonic(), freshness())
    return cached[1]


def freshness() -> Freshness:
    """As of now; a few small reads."""
    with transaction() as connection:
        read: dict[str, Any] = pairs(connection.exec_driver_sql(_READ))
        last = {row.feed: row for row in connection.execute(sa.text(_LAST), {"reading": list(_READING)})}
        speaks: dict[str, Any] = pairs(connection.exec_driver_sql(_SPEAKS))
        silent: dict[str, Any] = pairs(connection.execute(sa.text(_SILENT), {"today": clock.today()}))
        filled, judged = connection.exec_driver_sql(_FILLING).one()
    now, found = clock.now(), []
    for source, name, promise, feeds in _declared():
        states = []
        for feed, title in feeds:
            run, read_at = last.get(feed), read.get(feed)
            outcome = run.outcome if run else None
            states.append(
                FeedState(
                    feed,
                    title,
                    read_at,
                    outcome == "failed",
                    outcome == "held",
                    read_at is not None and now - read_at > promise,
                    FAULT_ZH[Fault(run.fault)] if run and outcome == "failed" and run.fault else None,
                    speaks.get(feed),
                    silent.get(feed) or silent.get(source),
                )
            )
        if any(state.read_at or state.failing or state.held for state in states):  # what was never connected is no news
            found.append(SourceState(source, name, tuple(states)))
    return Freshness(
        tuple(sorted(found, key=lambda s: (s.as_of is not None, s.as_of or now, s.source))), not filled, judged
    )


def _iso(at: datetime | None) -> str | None:
    return at.replace(tzinfo=SHANGHAI).isoformat() if at else None


@cache
def _declared() -> tuple[tuple[str, str, timedelta, tuple[tuple[str, str], ...]], ...]:
    return tuple(
        (s.source, s.name, s.promise, tuple((f"{s.source}.{name}", feed.name) for name, feed in s.feeds.items()))
        for s in loader.load_all().values()
    )
