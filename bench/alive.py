"""Silent sources: ``python -m bench.alive [--projects 590] [--instants 20] [--whole 1]``.

A told world is taken into a store once. Then every feed is frozen at random instants of its last year, holidays included: how
many working days until it is called silent; and how often a feed that lives is called silent. Every department and town that
has a rhythm is frozen alone. With ``--whole`` whole worlds are frozen, taken in, judged, thawed and judged again: findings and
orders opened from the hole, and what differs after the thaw from the undisturbed world. Ends with 1 where a finding was
opened that the whole data would not open, or the thawed world differs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench import scratch
from quality.silence import watch
from quality.silence.watch import Heard
from sources import loader
from standins import world
from standins.world import freeze
from store import arrivals
from store import hash as store_hash
from store.engine import transaction
from supervision import rulebook
from supervision.ledger import listed, supervise
from supervision.orders import life
from tests.supervision.told import planted, take

TODAY = date(2026, 11, 24)
FROZEN: list[tuple[str, dict[str, str]]] = [
    ("m2", {}),
    ("d3", {}),
    ("d4", {}),
    ("p1/licence", {}),
    ("p3", {}),
    ("m2/EX_GDBS_BJ", {"BJBMZZJGDM": "11441900000100060T"}),
    ("m2/EX_GDBS_SL", {"GXDXZQHDM": "441900106"}),
    ("d1", {}),
    ("p1", {}),
    ("m2/EX_GDBS_BJ", {}),
    ("m2/EX_GDBS_SL", {}),
    ("s1", {}),
    ("m1", {}),
    ("d5", {}),
]


class Told:
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


def frozen_feeds(told: Told, instants: int, chance: random.Random) -> None:
    """How long until each feed is called silent, and how often it is while it lives."""
    first = datetime.combine(TODAY, time()) - timedelta(days=330)
    moments = sorted(first + timedelta(minutes=chance.randrange(330 * 24 * 60)) for _ in range(instants))
    rows_a_day = {
        feed: frame["rows"].sum() / 250
        for (feed,), frame in told.counted.filter((pl.col("kind") == "feed") & (pl.col("at") > first))
        .partition_by("feed", as_dict=True)
        .items()
    }
    delays: dict[str, list[float]] = {}
    stated: dict[str, list[float]] = {}
    alarms: dict[str, int] = {}
    unjudged: dict[str, int] = {}
    for source in told.sources:
        for at in moments:
            for one in told.hear(source, at):
                name = one.feed if one.kind == "feed" else f"{one.feed} (whole)"
                if one.silent:
                    alarms[name] = alarms.get(name, 0) + 1
                elif one.due is None:
                    unjudged[name] = unjudged.get(name, 0) + 1
                else:
                    delays.setdefault(name, []).append(told.working(at, one.due))
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


def frozen_parts(told: Told, chance: random.Random) -> None:
    """Every department and town of the municipal conclusions and filings frozen alone, at one instant."""
    at = datetime.combine(TODAY, time(12)) - timedelta(days=100)
    false = [one for one in told.hear("m2", datetime.combine(TODAY, time(8)), parts=True) if one.part and one.silent]
    print(f"\nparts called silent while they live: {[(o.feed, o.kind, o.part) for o in false]}")
    for feed, kind in (("m2.bj", "department"), ("m2.sb", "town")):
        of_kind = told.counted.filter(
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
                        for one in told.hear("m2", at + timedelta(days=days), parts=True, without=out)
                    )
                ),
                None,
            )
        print(f"{feed} by {kind}, days until it is called silent: {found}", flush=True)


def key(row: dict) -> tuple:
    return row["rule"], row["project_code"], row["item_code"], row["case_no"]


def dark(file: str, where: dict[str, str], folder: Path, into: Path, chance: random.Random) -> tuple[datetime, int]:
    """A copy of a told world in which ``file`` is silent for days; returns since when, and how many lines that holds back."""
    lines = 0
    for days in (chance.choice((2, 4, 7, 11, 18, 25)), 18, 40, 90):  # some sources have no line in a few days
        shutil.rmtree(into, ignore_errors=True)
        shutil.copytree(folder, into)
        at = datetime.combine(TODAY, time(10)) - timedelta(days=days)
        if lines := freeze.freeze(into, file, at, where=where):
            break
    return at, lines


def frozen_worlds(url: str, projects: int, frozen: list[tuple[str, dict[str, str]]], seed: int) -> int:
    """One world with each of ``frozen`` frozen, judged, thawed, judged again; returns how many differ from what they must be."""
    wrong = 0
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        whole = world.make(Path(folder) / "whole", projects=projects, seed=seed, today=TODAY)
        truth = {key(row) for row in planted(whole)}
        with scratch.database(url, "undisturbed"):
            take(whole, patch, Path(folder) / "clock")
            supervise(TODAY)
            undisturbed = store_hash.of_store()
            ledger = {key(row) for row in listed().to_dicts() if row["state"] == "open"}
        for number, (file, where) in enumerate(frozen):
            held = Path(folder) / "frozen"
            at, lines = dark(file, where, whole, held, chance)
            with scratch.database(url, f"frozen{number}"):
                now = take(held, patch, Path(folder) / "clock")
                done = supervise(TODAY)
                opened = {key(row) for row in listed().to_dicts()}
                orders = life.advance(now).steps.get("dispatched", 0)
                of_false = [row for row in sent() if row not in truth]
                freeze.thaw(held, now)
                take(held, patch, Path(folder) / "clock")
                supervise(TODAY)
                after = {key(row) for row in listed().to_dicts() if row["state"] == "open"}
                same = store_hash.of_store() == undisturbed
            bad = opened - truth
            wrong += bool(bad) + bool(of_false) + (after != ledger) + (not same) + (not lines)
            print(
                f"{file} {where or ''} frozen {at:%m-%d}, {lines} lines held back: opened {len(opened)}, false {sorted(bad)}, "
                f"orders {orders}, of them false {len(of_false)}, not judged {sum(done.not_judged.values())}; "
                f"thawed: same store {same}, same ledger {after == ledger or sorted(after ^ ledger)}",
                flush=True,
            )
    return wrong


def sent() -> list[tuple]:
    """The findings for which orders exist."""
    with transaction() as connection:
        rows = connection.exec_driver_sql("select rule, project_code, item_code, case_no from supervision.work_order")
        return [tuple(row) for row in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=590)
    parser.add_argument("--instants", type=int, default=20)
    parser.add_argument("--whole", type=int, default=1, help="worlds in which each of FROZEN is frozen")
    parser.add_argument("--only", nargs="*", default=[], help="of FROZEN these files alone")
    parser.add_argument("--whole-projects", type=int, default=40)
    options = parser.parse_args()
    chance = random.Random(1)
    with scratch.server() as url:
        if options.projects:
            with (
                tempfile.TemporaryDirectory() as folder,
                pytest.MonkeyPatch.context() as patch,
                scratch.database(url, "told"),
            ):
                made = world.make(Path(folder) / "world", projects=options.projects, today=TODAY)
                take(made, patch, Path(folder) / "clock")
                told = Told()
                frozen_feeds(told, options.instants, chance)
                frozen_parts(told, chance)
        frozen = [one for one in FROZEN if not options.only or one[0] in options.only]
        wrong = [frozen_worlds(url, options.whole_projects, frozen, 20 + n) for n in range(options.whole)]
        return 1 if sum(wrong) else 0


if __name__ == "__main__":
    raise SystemExit(main())
