"""Every source, feed and part held against its rhythm: what is silent, since when, and what one may wait for.

A feed has two clocks: up to when it was read, and up to when its content speaks (the horizon). What lies between is
quiet; how long a quiet time is usual says :mod:`.rhythm`. A source whose feeds are all quiet is judged by all their rows
together, which tells sooner than each alone; a department, town, item, event or column is measured in the rows of
its feed, so that it is silent only where the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from quality.silence import rhythm
from quality.silence.rhythm import Rhythm, WorkingDays
from sources.declaration import Feed, Source
from store import arrivals

PARTS = ("department", "town", "item", "event", "column")
SHARED = ("department", "town", "item")  # the same in several feeds of a source
KIND_ZH = {
    "source": "数源",
    "feed": "数据流",
    "department": "部门",
    "town": "镇街",
    "item": "事项",
    "event": "环节",
    "column": "字段",
}
_PART_DAYS = 20  # days with rows, below which a part has no rhythm of its own
_WAVE_DAYS = 40  # below which nothing is said of a department, town or item by what comes of the others
_WAVE_SHARE = 1 / 3  # of the days from its first to its last; below it lives by single projects, which end
_PART_ALARMS = 0.2  # of all parts of a feed together, a quarter
_PART_SLACK = 1.5  # so much longer than ever before
_WAVES = 3.0  # departments, towns and items come in waves of projects
_DAY = timedelta(days=1)
_DECLARED_SLACK = 1.5
_GRACE = 0.25  # working days after its last row that a series is taken as heard at most
_SELDOM = 20  # working days: what is declared to come more seldom than in a month may be absent for a year
_AHEAD = timedelta(days=120)  # how far ahead is said when a feed will be called silent


@dataclass(frozen=True, slots=True)
class Heard:
    """One series. ``feed`` is a source's id where ``kind`` is source. ``read_at``: up to when it was read; ``horizon``: up to
    when its content speaks; ``quiet``: what lies between, in ``rhythm``'s unit (ordinary working days; of a part, rows of
    its feed); ``silent``: longer than usual;
    ``due``: when it will be called silent, if nothing comes; ``hole_from``: from then on something may be missing;
    ``heard_to``: up to when one takes it as heard, half a row more being due by then at most; ``mean_gap``: its mean quiet time in
    working days, None: too little history."""

    feed: str
    kind: str
    part: str
    read_at: datetime
    horizon: datetime
    rhythm: Rhythm
    quiet: float
    silent: bool
    hole_from: datetime
    due: datetime | None = None
    text: str = ""
    heard_to: datetime = datetime.min
    mean_gap: float | None = None


#: A feed, its counts (:func:`store.arrivals.read`), and up to when it was read.
Counted = tuple[Feed, pl.DataFrame, datetime]


def listen(
    connection: Connection, sources: Iterable[Source], calendar: WorkingDays
) -> Iterator[tuple[Source, dict[str, Counted], set[str], list[Heard]]]:
    """Hold everything that came against its rhythm, a source at a time: its feeds with what was counted of them, those that were
    read, and what was heard. Reads and writes nothing else."""
    read_at: dict[str, datetime] = {
        row.feed: row.read_at
        for row in connection.execute(sa.text("select feed, read_at from landing.completed where read_at is not null"))
    }
    outages = _outages(connection)
    counted = _by_item(connection, arrivals.read(connection))
    by_feed = {key[0]: frame for key, frame in counted.partition_by("feed", as_dict=True).items()}
    received = {
        key[0]: frame for key, frame in arrivals.received(connection).partition_by("feed", as_dict=True).items()
    }
    for source in sources:
        feeds = {
            feed.id: (feed, by_feed[feed.id], read_at[feed.id])
            for feed in source.feeds.values()
            if feed.id in by_feed and feed.id in read_at
        }
        read = {feed.id for feed in source.feeds.values() if feed.id in read_at}
        heard = hear(source, feeds, calendar, outages, received)
        heard_feeds = {one.feed for one in heard}
        unheard = [feed for feed in source.feeds.values() if feed.id in read - heard_feeds]
        yield source, feeds, read, heard + _unheard(connection, unheard, read_at, calendar)


#: When feeds were first read in full, from when on they were asked (null: from the beginning), and the last believable time of what
#: they hold.
_NEVER = """
    select f.feed, r.first, lower(c.intervals), (select max(s.source_time) from source.record s where s.feed = f.feed and s.source_time <= c.read_at)
    from unnest(cast(:feeds as text[])) f (feed) join landing.completed c using (feed)
    cross join lateral (select min(coalesce(began, ended_at at time zone 'Asia/Shanghai')) as first
                        from landing.run where feed = f.feed and outcome = 'ok') r
    where r.first is not null"""


def _unheard(
    connection: Connection, feeds: list[Feed], read_at: dict[str, datetime], calendar: WorkingDays
) -> list[Heard]:
    """Feeds that were read and hold nothing at all, or nothing of the last year, where their declaration expects rows."""
    expected = {
        feed.id: (feed, feed.rhythm.longest)
        for feed in feeds
        if isinstance(feed.rhythm.longest, int) and feed.rhythm.longest <= _SELDOM
    }
    found = []
    for name, first, begins, last in connection.execute(sa.text(_NEVER), {"feeds": list(expected)}) if expected else ():
        feed, longest = expected[name]
        until = read_at[name]
        asked_from = first if feed.cursor.kind == "stream" else begins  # a stream cannot be asked for the past
        since = last or asked_from or datetime.min
        days = np.arange(np.datetime64(max(since, until - rhythm.HISTORY), "D"), np.datetime64(until, "D"))
        if calendar.is_counted(days).sum() <= longest:
            continue  # it was asked of less than may be quiet
        nothing = f"自 {last:%Y-%m-%d} 起没有新数据" if last else f"自 {first:%Y-%m-%d} 接入起从未有数据"
        text = f"按申报{feed.rhythm.usual or '定期报送'}，正常最长 {rhythm.working(longest)}没有新数据；{nothing}（读至 {until:%m-%d %H:%M}）"
        known = Rhythm(float(longest))
        at = last or first
        found.append(Heard(name, "feed", "", until, at, known, float(len(days)), True, since, None, text, at))
    return found


def _by_item(connection: Connection, counted: pl.DataFrame) -> pl.DataFrame:
    """Counts by item under the catalogue's code, however it was written."""
    codes = connection.execute(sa.text("select code, max(item_code) from store.item_code group by code")).all()
    if not codes:
        return counted
    meant = pl.col("part").replace({code: item for code, item in codes})
    return counted.with_columns(pl.when(pl.col("kind") == "item").then(meant).otherwise("part").alias("part"))


def hear(
    source: Source,
    feeds: dict[str, Counted],
    calendar: WorkingDays,
    outages: dict[str, list[tuple[datetime, datetime]]],
    received: dict[str, pl.DataFrame],
    *,
    parts: bool = True,
) -> list[Heard]:
    """One source. ``feeds``: each with its counts (:func:`store.arrivals.read`) and up to when it was read."""
    together = _source(source, feeds, calendar, outages)
    heard = [together] if together else []
    live: dict[str, Heard] = {}
    for feed, frame, until in feeds.values():
        whole = _feed(feed, frame, until, calendar, outages.get(feed.id, []), received.get(feed.id))
        if whole is None:
            continue
        heard.append(whole)
        if not whole.silent and feed.rhythm.longest != "any":
            live[feed.id] = whole
    return heard + (_parts(feeds, live) if parts else [])


def hear_rows(feed: str, by_hour: pl.DataFrame, until: datetime, calendar: WorkingDays, usual: str) -> Heard | None:
    """A series that no feed of a source brings. ``by_hour``: at, rows; ``until``: up to when it was read. None: there are none."""
    series = _series(by_hour, until)
    return None if series is None else _judged(feed, "feed", series, until, timedelta(0), calendar, [], None, usual)


def _source(
    source: Source,
    feeds: dict[str, Counted],
    calendar: WorkingDays,
    outages: dict[str, list[tuple[datetime, datetime]]],
) -> Heard | None:
    """All prompt feeds of a source as one series; None: there are not two."""
    prompt = {name: of for name, of in feeds.items() if of[0].delay < _DAY}
    if len(prompt) < 2:
        return None
    frame = pl.concat(of[1].filter(pl.col("kind") == "feed") for of in prompt.values())
    until = min(of[2] for of in prompt.values())
    delay = max(of[0].delay for of in prompt.values())
    series = _series(frame, until)
    if series is None:
        return None
    return _judged(source.source, "source", series, until, delay, calendar, outages.get(source.source, []), None, "")


def _feed(
    feed: Feed,
    frame: pl.DataFrame,
    until: datetime,
    calendar: WorkingDays,
    outages: list[tuple[datetime, datetime]],
    received: pl.DataFrame | None,
) -> Heard | None:
    series = _series(frame.filter(pl.col("kind") == "feed"), until)
    if series is None:
        return None
    declared = feed.rhythm.longest
    found = _judged(feed.id, "feed", series, until, feed.delay, calendar, outages, declared, feed.rhythm.usual)
    if found.silent or feed.delay < _DAY or received is None or declared == "any":
        return found
    # its content comes late by days: by the days on which the hub received something it is found sooner
    came = _series(received, until)
    if came is None:
        return found
    by_receipt = _judged(feed.id, "feed", came, until, timedelta(0), calendar, outages, None, feed.rhythm.usual)
    if not by_receipt.silent:
        return found
    return Heard(
        feed.id,
        "feed",
        "",
        until,
        found.horizon,
        by_receipt.rhythm,
        by_receipt.quiet,
        True,
        found.hole_from,
        None,
        by_receipt.text,
        found.heard_to,
        found.mean_gap,
    )


def _series(frame: pl.DataFrame, until: datetime) -> tuple[np.ndarray, np.ndarray] | None:
    """(hours, rows) of what came, not later than the hour of ``until``, ordered; None: nothing."""
    grouped = frame.filter(pl.col("at") <= until).group_by("at").agg(pl.col("rows").sum()).sort("at")
    grouped = grouped.filter(pl.col("at") > until - rhythm.HISTORY)
    if grouped.is_empty():
        return None
    return grouped["at"].to_numpy().astype("datetime64[h]"), grouped["rows"].to_numpy()


def _judged(
    feed: str,
    kind: str,
    series: tuple[np.ndarray, np.ndarray],
    until: datetime,
    delay: timedelta,
    calendar: WorkingDays,
    outages: list[tuple[datetime, datetime]],
    declared: int | str | None,
    usual: str,
) -> Heard:
    hours, rows = series
    clock = rhythm.clock_of(hours, rows, calendar, until + _AHEAD)
    firsts, lasts = clock.ends(hours, rows)
    horizon = min((hours[-1] + 1).astype("datetime64[s]").item(), until)
    asked = max(until - delay, horizon)
    quiet = max(float(clock.at(asked)) - float(lasts[-1]), 0.0)
    usual_gaps = np.maximum(firsts[1:] - lasts[:-1], 0.0)[_undisturbed(hours, outages)]
    known = _known(usual_gaps, hours, rows, calendar, declared)
    mean_gap = (float(usual_gaps.sum()) + quiet) / len(usual_gaps) if len(usual_gaps) >= rhythm.FEW_GAPS else None
    heard_to = max(clock.when(float(lasts[-1]) + min(0.5 * (mean_gap or 0.0), _GRACE)) or horizon, horizon)
    silent = known.longest is not None and quiet > known.longest
    due = None
    if known.longest is not None and not silent:
        due = clock.when(float(lasts[-1]) + known.longest)
        due = due + delay if due else None
    text = _text(known, usual, horizon, quiet, until)
    if not silent and known.learned and (few := rhythm.trickle(hours, rows, clock, calendar, asked)) is not None:
        silent, due = True, None
        horizon, came, wanted = few
        text = f"通常每个工作日 {known.low}–{known.high} 条；{horizon:%m-%d} 起仅 {came} 条，应有约 {wanted:.0f} 条（读至 {until:%m-%d %H:%M}）"
        heard_to = min(heard_to, horizon)
    hole_from = horizon - delay - _HOUR
    return Heard(feed, kind, "", until, horizon, known, quiet, silent, hole_from, due, text, heard_to, mean_gap)


_HOUR = timedelta(hours=1)


def _known(
    gaps: np.ndarray,
    hours: np.ndarray,
    rows: np.ndarray,
    calendar: WorkingDays,
    declared: int | str | None,
) -> Rhythm:
    """What is usual: from the history, where there is enough of it, else by the declaration's word — which a history that
    is too short to learn from may still contradict."""
    days = hours.astype("datetime64[D]")
    listed = np.arange(days[0], days[-1] + 1, dtype="datetime64[D]")
    by_day = np.bincount((days - days[0]).astype(int), weights=rows, minlength=len(listed))
    worked = by_day[calendar.is_counted(listed)]
    low, high = rhythm.usual_day(worked)
    if declared == "any":
        return Rhythm(None, low, high, len(gaps))
    learned = rhythm.learn(gaps) if len(worked) >= rhythm.FEW_DAYS else None
    if learned is not None:
        return Rhythm(learned, low, high, len(gaps), True)
    if declared is None or rows.sum() < rhythm.FEW_GAPS:
        return Rhythm(None, low, high, len(gaps))
    seen = float(gaps.max()) if len(gaps) else 0.0
    longest = max(float(declared), _DECLARED_SLACK * seen)
    return Rhythm(longest, low, high, len(gaps))


def _parts(feeds: dict[str, Counted], live: dict[str, Heard]) -> list[Heard]:
    """The parts of live feeds: what a feed has of a part, by what it has of the others, and by what its sister feeds have
    of the same part (a department's conclusions stop while its acceptances go on)."""
    heard: list[Heard] = []
    frames = {name: of[1].filter(pl.col("at") > of[2] - rhythm.HISTORY) for name, of in feeds.items() if name in live}
    for kind in PARTS:
        of_kind = {
            name: rows
            for name, frame in frames.items()
            if not (rows := frame.filter(pl.col("kind") == kind)).is_empty()
        }
        together = pl.concat(of_kind.values()) if len(of_kind) > 1 and kind in SHARED else None
        for name, rows in of_kind.items():
            feed = feeds[name][0]
            if kind == "column":
                base = frames[name].filter(pl.col("kind") == "feed").with_columns(pl.col("at").dt.truncate("1d"))
            else:
                base = rows
            by_others = _by_day(base)
            parts = rows.partition_by("part", as_dict=True)
            sisters = (
                {} if together is None else together.filter(pl.col("feed") != name).partition_by("part", as_dict=True)
            )
            alarms = _PART_ALARMS / len(parts)
            for key, of_part in parts.items():
                spoken = np.unique(of_part["at"].to_numpy().astype("datetime64[D]"))
                if len(spoken) < _PART_DAYS:
                    continue
                found = None
                if kind not in SHARED or _steady(spoken, by_others[0]):
                    found = _behind(spoken, by_others, alarms, _WAVES if kind in SHARED else _PART_SLACK)
                if found is None and key in sisters:
                    found = _behind(spoken, _by_day(sisters[key]), alarms, _PART_SLACK)
                if found is not None:
                    heard.append(_part(live[name], feed, kind, key[0], spoken, *found))
    return heard


def _steady(spoken: np.ndarray, days: np.ndarray) -> bool:
    """Whether a department, town or item is more than a few projects: it has rows on many days, and on many of those of the feed."""
    lived = int(np.searchsorted(days, spoken[-1], side="right") - np.searchsorted(days, spoken[0]))
    return len(spoken) >= _WAVE_DAYS and len(spoken) >= _WAVE_SHARE * lived


def _by_day(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(days, rows up to and with each)."""
    total = frame.group_by("at").agg(pl.col("rows").sum()).sort("at")
    return total["at"].to_numpy().astype("datetime64[D]"), np.cumsum(total["rows"].to_numpy())


def _behind(
    spoken: np.ndarray, others: tuple[np.ndarray, np.ndarray], alarms: float, slack: float
) -> tuple[float, float, float] | None:
    """(rows of the others since a part's last day, the most that was usual, the most before); None: as usual."""
    days, total = others
    at = np.concatenate([[0], total])[np.searchsorted(days, spoken, side="right")].astype(float)
    gaps = np.diff(at)
    learned = rhythm.learn(gaps, alarms, float(total[-1]) * rhythm.QUARTER / max(len(days), 1))
    if learned is None:
        return None
    longest = max(learned, slack * float(gaps.max()))
    quiet = float(total[-1] - at[-1])
    return (quiet, longest, float(gaps.max())) if quiet > longest else None


def _part(
    whole: Heard, feed: Feed, kind: str, part: str, spoken: np.ndarray, quiet: float, longest: float, before: float
) -> Heard:
    horizon = (spoken[-1] + 1).astype("datetime64[s]").item()
    of = "填写该字段" if kind == "column" else f"属于该{KIND_ZH[kind]}"
    text = f"自 {spoken[-1]} 起，应相伴而来的 {quiet:.0f} 条数据中没有一条{of}（以往最多间隔 {before:.0f} 条）"
    known = Rhythm(longest, gaps=len(spoken) - 1, learned=True)
    hole_from = horizon - _DAY - feed.delay
    return Heard(feed.id, kind, part, whole.read_at, horizon, known, quiet, True, hole_from, None, text)


def _undisturbed(hours: np.ndarray, outages: list[tuple[datetime, datetime]]) -> np.ndarray:
    """Of each gap between two hours: whether no known silence lies in it."""
    free = np.ones(len(hours) - 1, dtype=bool)
    for since, ended in outages:
        free &= ~((hours[:-1] < np.datetime64(ended)) & (hours[1:] > np.datetime64(since)))
    return free


def _outages(connection: Connection) -> dict[str, list[tuple[datetime, datetime]]]:
    """Silences of whole feeds and sources that were found, and that nobody called right, by feed or source."""
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for feed, since, ended in connection.execute(
        sa.text(
            """select feed, since, ended_at from landing.silence
               where kind in ('feed', 'source') and ended_at is not null and approved_by is null"""
        )
    ):
        found.setdefault(feed, []).append((since, ended))
    return found


def _text(known: Rhythm, usual: str, horizon: datetime, quiet: float, until: datetime) -> str:
    if known.learned:
        normal = f"通常每个工作日 {known.low}–{known.high} 条，最长 {rhythm.working(known.longest or 0)}没有新数据"
    elif known.longest is not None:
        normal = f"按申报{usual or '定期报送'}，正常最长 {rhythm.working(known.longest)}没有新数据"
    else:
        return f"{usual or '尚无规律可循'}；最近一次数据为 {horizon:%Y-%m-%d %H:%M}"
    return f"{normal}；自 {horizon:%m-%d %H:%M} 起已 {rhythm.working(quiet)}没有新数据（读至 {until:%m-%d %H:%M}）"
