"""A verdict needs complete data: which findings may be judged, and what the others wait for.

Rules: docs/rules.md, "A verdict needs complete data"; which rule needs which feeds: ``rules/completeness.yaml``.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from quality.silence.episode import Watched
from quality.silence.spoken import ACTED_ON, HALF, NO_PAUSE, OTHERS
from quality.silence.spoken import OWN as OWN_CASES
from schemas import channels
from store.copying import Schema
from supervision.declaration import Needs

#: Words of completeness.yaml: the evidence's own feeds; those of the departments that a finding names; those of all departments.
OWN, DEPARTMENT, ALL_DEPARTMENTS = "own", "department", "all_departments"
PARTS = ("department", "town", "item")  # kinds of parts whose hole is theirs alone
#: Days of a suspicion up to which feeds must have spoken of pauses, and as what each asks for it.
PAUSED = {"half": HALF, "unheard": NO_PAUSE, "unpaused": ACTED_ON}
_FAR = datetime(9999, 12, 31)
#: ``kind`` and ``part``: the hole is of that department, town or item alone; null: of the whole feed. ``silent``: it was read,
#: and is silent.
HOLES: Schema = {
    "feed": pl.String,
    "hole_from": pl.Datetime("us"),
    "hole_until": pl.Datetime("us"),
    "kind": pl.String,
    "part": pl.String,
    "silent": pl.Boolean,
}

#: Up to when each feed, or a part of it, has spoken: a verdict about a later time is not proven. ``asked``: as what
#: (:data:`quality.silence.spoken.OWN` …).
EDGES: Schema = {"feed": pl.String, "kind": pl.String, "part": pl.String, "asked": pl.String, "upto": pl.Datetime("us")}

# A source that adds rows for months (imagery) is never complete to the hour: there, up to when it was last read in full counts.
_INTERVALS = """
    select f.feed, lower(part), upper(part)
    from (select feed, case when read_at - upper(intervals) >= interval '1 day'
                            then intervals + tsmultirange(tsrange(upper(intervals), read_at)) else intervals end as whole
          from landing.completed) f,
         unnest(f.whole) part"""
_YOUNG = "select coalesce(min(started_at) > now() - make_interval(days => %(days)s), true) from landing.run"


def holes(connection: Connection, feeds: list[str], as_of: date, reported_after_days: int) -> pl.DataFrame:
    """What of the last ``reported_after_days`` days, and of all days to come, each feed has not delivered.

    A hole older than that is reported elsewhere, not waited for. In a hub that is younger, none is: a feed that it never read
    in full is a hole of all days.
    """
    start = datetime.combine(as_of, time()) - timedelta(days=reported_after_days)
    young = connection.exec_driver_sql(_YOUNG, {"days": reported_after_days}).scalar_one()
    done: dict[str, list[tuple[datetime, datetime]]] = {feed: [] for feed in feeds}
    for feed, lower, upper in connection.exec_driver_sql(_INTERVALS):
        if feed in done:
            done[feed].append((lower or datetime.min, upper or _FAR))
    rows = []
    for feed, intervals in done.items():
        at = datetime.min if young and not intervals else start
        for lower, upper in sorted(intervals):
            if lower > at:
                rows.append((feed, at, lower, None, None, False))
            at = max(at, upper)
        if at < _FAR:
            rows.append((feed, at, _FAR, None, None, False))
    return pl.DataFrame(rows, schema=HOLES, orient="row")


def silences(watched: Watched, feeds: list[str]) -> pl.DataFrame:
    """What silent sources, feeds and parts may lack: from the last time that their content speaks of, as long as it lasts.

    An event or a column that falls silent may be missing anywhere, so it is a hole of its whole feed.
    """
    rows = []
    for one in watched.holes:
        part = (one.kind, one.part) if one.kind in PARTS else (None, None)
        of = [feed for feed in feeds if feed.startswith(f"{one.feed}.")] if one.kind == "source" else [one.feed]
        rows += [(feed, one.hole_from, _FAR, *part, True) for feed in of]
    return pl.DataFrame(rows, schema=HOLES, orient="row")


def edges(watched: Watched) -> pl.DataFrame:
    """Up to when the feeds have spoken, as :data:`EDGES`; not those whose silence a person called right."""
    rows = []
    for one in watched.spoken:
        source = (one.feed.partition(".")[0], "source", "")
        if not {source, (one.feed, "feed", ""), (one.feed, one.kind, one.part)} & watched.approved:
            rows.append((one.feed, *((one.kind, one.part) if one.part else (None, None)), one.asked, one.upto))
    return pl.DataFrame(rows, schema=EDGES, orient="row")


def waiting(
    found: pl.DataFrame,
    holes: pl.DataFrame,
    edges: pl.DataFrame,
    needs: Needs,
    own: pl.DataFrame,
    touches: pl.DataFrame,
    as_of: date,
) -> pl.DataFrame:
    """``found`` with ``waits_for`` (feeds, empty: judged), ``silent_since`` (where one of them is silent) and ``unseen`` (feeds
    that have not spoken of a pause, ``unseen_since``: judged, and not acted on), less ``needs``, the key of completeness.yaml, and the
    days of :data:`PAUSED`. ``own``: (ref, feed), which feeds an evidence row comes by; ``touches``: (row, kind, part), the
    departments, towns and items that each row of ``found`` rests on.

    A verdict waits for a feed that has a hole in what it rests on, and for one that has not spoken yet of the time after that: it may
    have fallen silent unnoticed.
    """
    asked = found.with_row_index("_row").filter(pl.col("since").is_not_null())
    feeds = holes["feed"].unique().to_list()

    def whose(word: str) -> pl.DataFrame:
        return asked.filter(pl.col("needs").is_in([rule for rule, listed in needs.rules.items() if word in listed]))

    departments = [pattern for listed in channels.department_feeds().values() for pattern in listed]
    everyone = {rule: departments for rule, listed in needs.rules.items() if ALL_DEPARTMENTS in listed}
    wanted = [
        asked.join(_matching(needs.rules, feeds), left_on="needs", right_on="name"),
        asked.join(_matching(everyone, feeds), left_on="needs", right_on="name"),
        whose(OWN).explode("evidence").join(own, left_on="evidence", right_on="ref"),
        whose(DEPARTMENT)
        .explode("rests_on")
        .join(_matching(channels.department_feeds(), feeds), left_on="rests_on", right_on="name"),
    ]
    last = pl.coalesce(
        pl.col("until").cast(pl.Datetime("us")) + pl.duration(days=1), pl.lit(datetime.combine(as_of, time()))
    )
    asks = pl.concat(
        part.select("_row", "feed", "since", "until", "ripe", *PAUSED, pl.lit(asked).alias("asked"))
        for part, asked in zip(wanted, (OTHERS, OTHERS, OWN_CASES, OTHERS), strict=True)
    )
    in_holes = asks.join(holes, on="feed").filter(
        (pl.col("hole_from") < last) & (pl.col("hole_until") > pl.col("since").cast(pl.Datetime("us")))
    )
    proof = pl.coalesce("until", "ripe").cast(pl.Datetime("us")) + pl.duration(days=1)
    halves, unheard, unpaused = (
        asks.filter((pl.col("asked") == OWN_CASES) & pl.col(day).is_not_null()).with_columns(
            pl.lit(asked).alias("asked"), pl.col(day).alias("until")
        )
        for day, asked in PAUSED.items()
    )
    unproven = pl.concat([asks, halves, unheard]).join(edges, on=["feed", "asked"]).filter(pl.col("upto") < proof)
    unseen = (
        unpaused.join(edges, on=["feed", "asked"])
        .filter(pl.col("upto") < proof)
        .group_by("_row")
        .agg(pl.col("feed").unique().sort().alias("unseen"), pl.col("upto").min().alias("unseen_since"))
    )
    blocked = (
        pl.concat(
            [
                in_holes.select("_row", "feed", "kind", "part", "hole_from", "silent"),
                unproven.select(
                    "_row", "feed", "kind", "part", pl.col("upto").alias("hole_from"), pl.lit(False).alias("silent")
                ),
            ]
        )
        .join(
            touches.with_columns(pl.lit(True).alias("_touched")),
            left_on=["_row", "kind", "part"],
            right_on=["row", "kind", "part"],
            how="left",
        )
        .filter(pl.col("kind").is_null() | pl.col("_touched").fill_null(False))
        .group_by("_row")
        .agg(
            pl.col("feed").unique().sort().alias("waits_for"),
            pl.col("hole_from").filter("silent").min().alias("silent_since"),
        )
    )
    return (
        found.with_row_index("_row")
        .join(blocked, on="_row", how="left", maintain_order="left")
        .join(unseen, on="_row", how="left", maintain_order="left")
        .drop("_row", "needs", *PAUSED)
        .with_columns(pl.col("waits_for").fill_null([]), pl.col("unseen").fill_null([]))
    )


def first_complete_day(connection: Connection, feed: str) -> date | None:
    """The first day that a feed tells of: where its completed intervals begin, and not before its earliest row."""
    return connection.execute(
        sa.text(
            """select greatest(
                   (select lower(intervals)::date from landing.completed where feed = :feed and not lower_inf(intervals)),
                   (select min(source_time)::date from source.record where feed = :feed))"""
        ),
        {"feed": feed},
    ).scalar()


def _matching(patterns: dict[str, list[str]], feeds: list[str]) -> pl.DataFrame:
    """(name, feed): every feed that one of a name's patterns means."""
    pairs = [
        (name, feed) for name, listed in patterns.items() for feed in feeds if any(fnmatchcase(feed, p) for p in listed)
    ]
    return pl.DataFrame(pairs, schema={"name": pl.String, "feed": pl.String}, orient="row")
