"""Silent sources: ``python -m bench.alive [--projects 590] [--instants 20] [--worlds 8] [--minutes 60]``.

A simulated world is taken into a store once. Then every feed is frozen at random instants of its last year, holidays included: how
many working days until it is called silent; and how often a feed that lives is called silent. Every department and town that
has a rhythm is frozen alone. Then in each of several worlds every feed, every source and the busiest departments and towns are
frozen, judged and thawed (:mod:`bench.frozen`): findings and orders opened from the hole, and what differs after the thaw
from the undisturbed world. Ends with 1 where anything was opened that the whole data would not open, or differs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench import frozen, scratch
from pipeline import sync
from quality.silence import watch
from quality.silence.watch import Heard
from sources import loader
from standins import world
from standins.world.truth import KEYS
from store import arrivals
from store.engine import transaction
from supervision import rulebook
from tests.supervision.told import ASIDE, take

TODAY = date(2026, 11, 24)
FIRST_DAY = date(2026, 1, 20)


class Watched:
    """The counts of a world, as they stood at any moment."""

    def __init__(self) -> None:
        with transaction() as connection:
            self.counted = watch._by_item(connection, arrivals.read(connection))
        self.calendar = rulebook.calendar()
        self.sources = loader.load_all()

    def hear(self, source: str, at: datetime, *, parts: bool = False, without: pl.Expr | None = None) -> list[Heard]:
        """A source as a hub would hear it that read everything at ``at``; ``without``: rows that are frozen."""
        shown = self.counted.filter(pl.col("at") < at)
        if without is not None:
            shown = shown.filter(~without)
        feeds = {
            feed.id: (feed, frame, at)
            for feed in self.sources[source].feeds.values()
            if not (frame := shown.filter(pl.col("feed") == feed.id)).is_empty()
        }
        return watch.hear(self.sources[source], feeds, self.calendar, {}, {}, parts=parts)

    def working(self, start: datetime, end: datetime) -> float:
        """Working days between two moments, by the hour of a day of 9 to 18."""
        hours = np.arange(np.datetime64(start, "h"), np.datetime64(end, "h"))
        days = hours.astype("datetime64[D]")
        of_day = (hours - days).astype(int)
        return float((self.calendar.is_counted(days) & (of_day >= 9) & (of_day < 18)).sum() / 9)


def take_aside(patch: pytest.MonkeyPatch) -> None:
    """What no rule looks at: materials, results, and the readings of the site by HTTP and by MQTT."""
    patch.setitem(KEYS, "s4_mqtt.reading", KEYS["s4.reading"])
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.completed where feed = any(%(aside)s)", {"aside": list(ASIDE)})
    for source, feeds in (("m2", ["sbcl", "spjg"]), ("s4", ["reading"]), ("s4_mqtt", ["reading"])):
        for outcome in sync.source(source, feeds=feeds):
            if outcome.outcome != "ok":
                raise RuntimeError(f"{outcome.feed}: {outcome.error}")


def frozen_feeds(watched: Watched, instants: int, chance: random.Random) -> None:
    """How long until each feed is called silent, and how often it is while it lives."""
    first = datetime.combine(TODAY, time()) - timedelta(days=330)
    shares = sorted(chance.random() for _ in range(instants))
    rows_a_day = {
        feed: frame["rows"].sum() / 250
        for (feed,), frame in watched.counted.filter((pl.col("kind") == "feed") & (pl.col("at") > first))
        .partition_by("feed", as_dict=True)
        .items()
    }
    delays: dict[str, list[float]] = {}
    stated: dict[str, list[float]] = {}
    alarms: dict[str, int] = {}
    unjudged: dict[str, int] = {}
    for source in watched.sources:
        began = watched.counted.filter(pl.col("feed").str.starts_with(f"{source}."))["at"].min()
        if not isinstance(began, datetime):  # it sent nothing
            continue
        begin = max(first, began + timedelta(days=25))  # of the site's readings a world tells a month
        for at in (begin + share * (datetime.combine(TODAY, time()) - begin) for share in shares):
            for one in watched.hear(source, at):
                name = one.feed if one.kind == "feed" else f"{one.feed} (whole)"
                if one.silent:
                    alarms[name] = alarms.get(name, 0) + 1
                elif one.due is None:
                    unjudged[name] = unjudged.get(name, 0) + 1
                else:
                    delays.setdefault(name, []).append(watched.working(at, one.due))
                    stated.setdefault(name, []).append(one.rhythm.longest or 0.0)
    print(
        f"{'feed':<22}{'rows/wd':>8}{'median':>9}{'worst':>8}{'stated':>8}{'false':>7}{'unjudged':>10}   working days, of {instants} instants"
    )
    for name in sorted({*delays, *alarms, *unjudged}):
        found = delays.get(name, [])
        print(
            f"{name:<22}{rows_a_day.get(name, 0):>8.1f}"
            f"{np.median(found) if found else float('nan'):>9.2f}{max(found, default=float('nan')):>8.2f}"
            f"{np.median(stated.get(name, [np.nan])):>8.2f}{alarms.get(name, 0):>7}{unjudged.get(name, 0):>10}",
            flush=True,
        )


def frozen_parts(watched: Watched, chance: random.Random) -> None:
    """Every department and town of the municipal conclusions and filings frozen alone, at one instant."""
    at = datetime.combine(TODAY, time(12)) - timedelta(days=100)
    false = [one for one in watched.hear("m2", datetime.combine(TODAY, time(8)), parts=True) if one.part and one.silent]
    print(f"\nparts called silent while they live: {[(o.feed, o.kind, o.part) for o in false]}")
    for feed, kind in (("m2.bj", "department"), ("m2.sb", "town")):
        of_kind = watched.counted.filter(
            (pl.col("feed") == feed) & (pl.col("kind") == kind) & (pl.col("at") > at - timedelta(days=300))
        )
        names = of_kind.group_by("part").agg(pl.col("rows").sum()).sort("rows", descending=True)
        found: dict[str, int | None] = {}
        for part in names["part"].head(12):
            out = (pl.col("feed") == feed) & (pl.col("kind") == kind) & (pl.col("part") == part) & (pl.col("at") > at)
            found[part] = next(
                (
                    days
                    for days in (1, 2, 3, 5, 8, 12, 20, 30, 45, 60)
                    if any(
                        one.part == part and one.kind == kind and one.silent
                        for one in watched.hear("m2", at + timedelta(days=days), parts=True, without=out)
                    )
                ),
                None,
            )
        print(f"{feed} by {kind}, days until it is called silent: {found}", flush=True)


def worlds_of(url: str, folder: Path, worlds: int, projects: int) -> Iterator[frozen.City]:
    """Watched worlds of several days of a year, Spring Festival and National Day among them, taken in and judged."""
    for seed in range(1, worlds + 1):
        yield frozen.make(url, folder, seed, FIRST_DAY + timedelta(days=37 * (seed - 1) % 340), projects)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=590)
    parser.add_argument("--instants", type=int, default=20)
    parser.add_argument("--worlds", type=int, default=8, help="in which everything is frozen, a feed at a time")
    parser.add_argument("--world-projects", type=int, default=80)
    parser.add_argument("--minutes", type=float, help="so long for the frozen worlds, in equal shares")
    options = parser.parse_args()
    chance = random.Random(1)
    with scratch.server() as url:
        if options.projects:
            with (
                tempfile.TemporaryDirectory() as folder,
                pytest.MonkeyPatch.context() as patch,
                scratch.database(url, "told"),
            ):
                truth = world.make(Path(folder) / "world", projects=options.projects, today=TODAY)
                take(truth, patch, Path(folder) / "clock")
                take_aside(patch)
                watched = Watched()
                frozen_feeds(watched, options.instants, chance)
                frozen_parts(watched, chance)
        with tempfile.TemporaryDirectory() as folder:
            until = datetime.now() + timedelta(minutes=options.minutes) if options.minutes else None
            worlds = worlds_of(url, Path(folder), options.worlds, options.world_projects)
            return 1 if frozen.campaign(url, worlds, options.worlds, chance, until) else 0


if __name__ == "__main__":
    raise SystemExit(main())
