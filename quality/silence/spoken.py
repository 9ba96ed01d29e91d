"""Up to when what came proves that a source spoke: the evidence that a verdict from absence rests on.

That nothing came of a case says something only where its feed has spoken of a later time. A part (a department, a town, an
item) answers for itself where it speaks often, else its feed does, and a feed that seldom speaks is answered for by its
source. Where nobody speaks often nothing is asked: nobody could wait for it. But a verdict on a source's own case has no other
witness: a source of one feed is waited for however seldom it speaks.

Where one half of a pause came and the other did not (its end without its start, a case handled on in a pause that nothing ended),
the other may stand in what has not come: there every feed answers for itself, until as many working days have passed as its
declaration calls usual (:data:`HALF`). A running case of which nothing was heard for days may stand in a pause that has not come:
there the tables in which pauses begin answer for themselves, until they have been quiet for as long as they usually are at most
(:data:`NO_PAUSE`). Of a case that was handled lately it is believed that it was not paused, but acted on only once the table of
special procedures has spoken (:data:`ACTED_ON`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from quality.silence.rhythm import HISTORY, WorkingDays
from quality.silence.watch import SHARED, Counted, Heard
from sources.declaration import Feed, Source

OFTEN = 0.6  # mean quiet time, working days, up to which a feed's own word is waited for
SOURCE_OFTEN = 1.0  # and up to which a source's is
PART_OFTEN = 1.25  # for the word of a department, town or item, an event or a column
#: As what a verdict asks a feed for its word: one on its own cases, one on others, one that rests on half a pause, one that rests
#: on there being none, an order that does.
OWN, OTHERS, HALF, NO_PAUSE, ACTED_ON = "own", "others", "half", "no_pause", "acted_on"
_PAUSES = ("SPECIAL_START", "SUPPLEMENT_START")
_PART_DAYS = 20
_DAY = timedelta(days=1)
_PARTS: dict[str, pl.DataType | type[pl.DataType]] = {"kind": pl.String, "part": pl.String, "upto": pl.Datetime("us")}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A feed, or its ``part``, spoke up to ``upto``, as far as verdicts may take it that ask it as ``asked`` (:data:`OWN` …)."""

    feed: str
    kind: str
    part: str
    asked: str
    upto: datetime


def spoken(
    source: Source, feeds: dict[str, Counted], read: Iterable[str], heard: Iterable[Heard], calendar: WorkingDays
) -> list[Spoken]:
    """Of each feed that was ``read``, and of its parts that speak often."""
    whole = {(one.feed, one.kind): one for one in heard if not one.part}
    together = whole.get((source.source, "source"))
    found = []
    for feed in source.feeds.values():
        if feed.id not in read:
            continue
        one, frame = whole.get((feed.id, "feed")), feeds.get(feed.id)
        parts = _parts(frame[1], frame[2], calendar) if frame else pl.DataFrame(schema=_PARTS)
        late = feed.delay if feed.delay >= _DAY else timedelta(0)  # parts are known by the day
        narrow = min(parts.filter(~pl.col("kind").is_in(SHARED))["upto"].to_list(), default=None)
        for asked in (OWN, OTHERS):
            alone = asked == OWN and len(source.feeds) == 1
            if (upto := _whole(feed, one, together, narrow, alone=alone)) is not None:
                found.append(Spoken(feed.id, "feed", "", asked, upto - (late if upto == narrow else feed.delay)))
        for kind, part, upto in parts.filter(pl.col("kind").is_in(SHARED)).iter_rows():
            found += [Spoken(feed.id, kind, part, asked, upto - late) for asked in (OWN, OTHERS)]
        if one is not None and frame is not None and isinstance(feed.rhythm.longest, int):
            found += _itself(feed, one, frame[1], feed.rhythm.longest, calendar)
    return found


def _itself(feed: Feed, one: Heard, counted: pl.DataFrame, longest: int, calendar: WorkingDays) -> Iterator[Spoken]:
    """Up to when a feed spoke itself, however seldom it does; after its ``longest`` usual silence nothing more is asked of it."""
    today = np.datetime64(one.read_at, "D")
    days = np.arange(today - np.timedelta64(3 * longest + 30, "D"), today)
    waited = days[calendar.is_counted(days)][-longest:]
    upto = max(one.heard_to - feed.delay, waited[0].astype("datetime64[s]").item() if len(waited) else one.heard_to)
    yield Spoken(feed.id, "feed", "", HALF, upto)
    events = counted.filter(pl.col("kind") == "event")["part"].unique().to_list()
    if any(begins in events for begins in _PAUSES):
        # a rhythm that was learned ends by itself: after its longest quiet time the feed is silent, and a hole
        itself = one.heard_to - feed.delay if one.rhythm.learned else upto
        yield Spoken(feed.id, "feed", "", NO_PAUSE, itself)
    if "SPECIAL_START" in events and one.mean_gap is not None and one.mean_gap <= longest:
        yield Spoken(feed.id, "feed", "", ACTED_ON, upto)


def _whole(
    feed: Feed, one: Heard | None, together: Heard | None, narrow: datetime | None, *, alone: bool
) -> datetime | None:
    """Up to when a feed spoke, ``narrow``: each event and column of it that is usual; None: nothing is asked of it."""
    gap = one.mean_gap if one is not None and feed.rhythm.longest != "any" else None
    if one is not None and gap is not None and (gap <= OFTEN or alone):
        return min(one.heard_to, narrow or one.heard_to)
    if together is not None and together.mean_gap is not None and together.mean_gap <= SOURCE_OFTEN:
        return together.heard_to
    return None


def _parts(counted: pl.DataFrame, until: datetime, calendar: WorkingDays) -> pl.DataFrame:
    """(kind, part, upto) of the parts that speak often: up to the working day after the last one on which they spoke."""
    by_part = (
        counted.filter((pl.col("at") > until - HISTORY) & (pl.col("at") <= until) & (pl.col("part") != ""))
        .filter(pl.col("kind") != "batch")
        .with_columns(pl.col("at").dt.truncate("1d"))
        .group_by("kind", "part")
        .agg(pl.col("at").n_unique().alias("days"), pl.col("at").min().alias("first"), pl.col("at").max().alias("last"))
        .filter(pl.col("days") >= _PART_DAYS)
    )
    if by_part.is_empty():
        return pl.DataFrame(schema=_PARTS)
    first, last = (by_part[name].to_numpy().astype("datetime64[D]") for name in ("first", "last"))
    days = np.arange(first.min(), np.datetime64(until.date()) + 40, dtype="datetime64[D]")
    worked = calendar.is_counted(days)
    total = np.cumsum(worked)
    lived = total[(last - days[0]).astype(int)] - total[(first - days[0]).astype(int)] + 1
    after = np.searchsorted(total, total[(last - days[0]).astype(int)] + 1)
    return (
        by_part.with_columns(
            pl.Series("lived", lived),
            pl.Series("upto", days[np.minimum(after, len(days) - 1)]).cast(pl.Datetime("us")),
        )
        .filter(pl.col("lived") <= PART_OFTEN * pl.col("days"))
        .select("kind", "part", "upto")
    )
