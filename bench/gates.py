"""What each rule opens from a hole: ``python -m bench.gates [--first 1] [--worlds 2] [--projects 40] [--days 1 3 6 10 15 22]``.

A simulated world is taken into a store and judged. Then each feed, each source and, with ``--pairs``, each two that can stand
for each other (one quotes the numbers of the other: ``quality/silence/witnesses.yaml``; the two tables of a special procedure)
and each department's system with an item of its cases at the municipal platform, is read again as if it had fallen silent so
many days ago, and the city is judged: what is found that the whole data do not find is a gate that a rule lacks. Unlike :mod:`bench.alive` no store is
copied and nothing thaws, so that many instants are tried. Printed: rules × feeds. Ends with 1 where anything came of a hole.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench import frozen, scratch
from bench.frozen import Key
from pipeline import registry, sync, unify
from quality.silence import witness
from standins.forms import when
from standins.world.lines import increment
from standins.world.truth import KEYS, lines
from store.engine import transaction
from supervision.ledger import on_day
from tests.supervision import told

FIRST_DAY = date(2026, 1, 20)
#: Feeds of departments' own systems that quote municipal numbers.
DEPARTMENTS = ("d1.cases", "d3.item_v3", "d4.cases", "d5.fire")
ITEMS = 4  # of each department's cases, frozen at the municipal platform together with its system
Shows = Callable[[str, dict[str, Any]], bool]


def _shown(feed: str, row: dict[str, Any]) -> datetime:
    return when(row.get("_at") or row.get(increment(KEYS[feed][0]) or "")) or datetime.min


def found(day: date) -> set[Key]:
    """What is found and waits for nothing."""
    rows = on_day(day).findings.filter(pl.col("waits_for").list.len() == 0)
    return {frozen.key(row) for row in rows.to_dicts()}


def read(folder: Path, feeds: list[str], patch: pytest.MonkeyPatch, shows: Shows) -> None:
    """Take ``feeds`` out of the store and read them again."""
    patch.setattr(registry, "connector", lambda source: told.Told(source, folder, shows))
    for feed in feeds:
        frozen.forget(feed)
    for source in sorted({feed.partition(".")[0] for feed in feeds}):
        of_source = [feed.partition(".")[2] for feed in feeds if feed.startswith(f"{source}.")]
        for outcome in sync.source(source, feeds=of_source):
            if outcome.outcome != "ok":
                raise RuntimeError(f"{outcome.feed}: {outcome.error}")
    unify.run()


def single() -> list[tuple[str, list[str]]]:
    """(name, feeds): every feed and every source of several."""
    listed = [(feed, [feed]) for feed in frozen.feeds()]
    sources = Counter(feed.partition(".")[0] for feed in frozen.feeds())
    return listed + [(s, _of(s)) for s, several in sources.items() if several > 1]


def pairs() -> list[tuple[str, list[str]]]:
    """(name, feeds): each two of which one tells what the other lacks."""
    together = {tuple(sorted([w.quotes.feed, w.of])) for w in witness.load() if w.quotes.feed.partition(".")[0] != w.of}
    together |= {("m2.tbcxjg", "m2.tbcxsq"), ("m2.bj", "p1.licence"), ("m1.items", "m1.projects")}
    taken = set(frozen.feeds())
    named = [("+".join(two), [feed for of in two for feed in _of(of)]) for two in sorted(together)]
    return [(name, feeds) for name, feeds in named if set(feeds) <= taken]


def _of(name: str) -> list[str]:
    return [feed for feed in frozen.feeds() if feed == name or feed.startswith(f"{name}.")]


def with_items(city: frozen.City) -> Iterator[tuple[str, list[str], set[str]]]:
    """(name, feeds, municipal numbers): a department's system and the municipal cases of one of its items."""
    for feed in DEPARTMENTS:
        with transaction() as connection:
            rows = connection.exec_driver_sql(
                """select item_code, array_agg(case_no) from store."case" where channel = 'M2' and gone_at is null
                   and id in (select case_id from store.case_member where channel = upper(split_part(%(feed)s, '.', 1)))
                   group by item_code order by count(*) desc limit %(items)s""",
                {"feed": feed, "items": ITEMS},
            ).all()
        for item, numbers in rows:
            yield f"{feed}+{item}", [*_of(feed.partition(".")[0]), *_of("m2")], set(numbers)


def tries(
    city: frozen.City, options: argparse.Namespace
) -> Iterator[tuple[str, list[str], Callable[[datetime], Shows]]]:
    """(name, feeds, what they show frozen at a moment)."""

    def whole(feeds: list[str]) -> Callable[[datetime], Shows]:
        return lambda at: lambda feed, row: feed not in feeds or _shown(feed, row) < at

    for name, feeds in [*([] if options.only_pairs else single()), *(pairs() if options.pairs else [])]:
        yield name, feeds, whole(feeds)
    for name, feeds, numbers in with_items(city) if options.pairs else ():

        def part(at: datetime, numbers: set[str] = numbers) -> Shows:
            return lambda feed, row: (
                _shown(feed, row) < at
                or (feed.startswith("m2.") and str(row.get("SBLSH_SHORT") or "").strip() not in numbers)
            )

        yield name, feeds, part


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=2)
    parser.add_argument("--projects", type=int, default=40)
    parser.add_argument("--days", type=float, nargs="+", default=[1, 3, 6, 10, 15, 22])
    parser.add_argument("--feeds", nargs="+", help="these alone")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--only-pairs", action="store_true")
    parser.add_argument("--minutes", type=float)
    options = parser.parse_args()
    options.pairs |= options.only_pairs
    until = datetime.now() + timedelta(minutes=options.minutes) if options.minutes else None
    came: Counter[tuple[str, str]] = Counter()
    tried: Counter[str] = Counter()
    with scratch.server() as url:
        for seed in range(options.first, options.first + options.worlds):
            with tempfile.TemporaryDirectory() as folder:
                today = FIRST_DAY + timedelta(days=37 * (seed - 1) % 340)
                city = frozen.make(url, Path(folder), seed, today, options.projects)
                with frozen.hub(url, city.name, city.home) as patch:
                    _try(city, patch, options, until, came, tried)
    rules = sorted({rule for rule, _ in came})
    print(f"\n{'silent':<28}{'instants':>9}" + "".join(f"{rule:>10}" for rule in rules))
    for name in tried:
        if any(came[rule, name] for rule in rules) or len(tried) < 12:
            print(f"{name:<28}{tried[name]:>9}" + "".join(f"{came[rule, name] or '':>10}" for rule in rules))
    print(f"{len(tried)} of feeds, sources and pairs at {tried.total()} instants: {came.total()} findings from a hole")
    return 1 if came or not tried else 0


def _try(
    city: frozen.City,
    patch: pytest.MonkeyPatch,
    options: argparse.Namespace,
    until: datetime | None,
    came: Counter[tuple[str, str]],
    tried: Counter[str],
) -> None:
    day = city.now.date()
    told.set_clock(city.now, patch, city.home / "clock")
    whole = found(day)
    waits = on_day(day).findings.filter(pl.col("waits_for").list.len() > 0)
    print(f"{city.name} as of {city.now:%Y-%m-%d %H:%M}: {len(whole)} found, wait:", flush=True)
    for row in waits.select("rule", "case_no", "since", "until", "waits_for").iter_rows():
        print("   waits", *row)
    for name, feeds, frozen_at in tries(city, options):
        if options.feeds and name not in options.feeds:
            continue
        if until and datetime.now() > until:
            break
        held = {
            feed: [_shown(feed, row) for row in lines(city.folder, KEYS[feed][0])]
            for feed in feeds
            if (city.folder / f"{KEYS[feed][0]}.jsonl").exists()
        }
        began, touched = datetime.now(), False
        for days in options.days:
            at = city.now - timedelta(days=days)
            if not any(shown >= at for listed in held.values() for shown in listed):
                continue
            touched = True
            told.set_clock(city.now, patch, city.home / "clock")
            read(city.folder, feeds, patch, frozen_at(at))
            tried[name] += 1
            for key in sorted(found(day) - whole):
                came[key[0], name] += 1
                print(f"  {name} silent for {days} days: {key}", flush=True)
        if touched:
            told.set_clock(city.now, patch, city.home / "clock")
            read(city.folder, feeds, patch, lambda feed, row: True)
            if found(day) != whole:
                raise RuntimeError(f"{name}: read again whole, other findings stand than before")
        print(f"  {name}: {tried[name]} instants ({(datetime.now() - began).seconds} s)", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
