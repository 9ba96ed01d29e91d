"""Simulated worlds frozen feed by feed: what a hub makes of each, and of the thaw. Used by :mod:`bench.alive`.

A world is taken into a store once, and judged; for each freeze a copy of that store forgets the one feed and reads it again
from a world in which it is silent. Then the hub judges, sends orders, and reads the thawed world.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import registry, sync, unify
from standins import world
from standins.world import freeze
from standins.world.truth import KEYS, lines
from store import hash as store_hash
from store import migrate, tables
from store.engine import dispose, transaction
from supervision.ledger import listed, supervise
from supervision.orders import life
from tests.supervision import told

Key = tuple[str, str, str, str]


@dataclass(slots=True)
class City:
    """A simulated world in a store of its own, judged. ``store``: its hash by part; ``open``: the findings that stand."""

    name: str
    folder: Path
    home: Path
    now: datetime
    store: dict[str, str] = field(default_factory=dict)
    open: set[Key] = field(default_factory=set)


@dataclass(slots=True)
class Frozen:
    """What came of one freeze. ``lines`` were held back; ``false``: opened, and not by the whole data; ``sent``: orders for such;
    ``waits``: verdicts not made. Thawed: the ``same`` store stands, and ``ledger``: findings that stand in one alone."""

    what: str
    at: datetime
    lines: int
    false: set[Key] = field(default_factory=set)
    sent: set[Key] = field(default_factory=set)
    waits: int = 0
    same: bool = True
    ledger: set[Key] = field(default_factory=set)


def stands() -> dict[str, str]:
    """The hash of what stands, by part: a hub that looks but once sees no version between, so histories are left out."""
    return {part: value for part, value in store_hash.parts().items() if part != "source.record_history"}


def key(row: dict[str, Any]) -> Key:
    """A finding's key."""
    return row["rule"], row["project_code"], row["item_code"], row["case_no"]


@contextmanager
def hub(url: str, name: str, home: Path) -> Iterator[pytest.MonkeyPatch]:
    """The environment speaks of one store until the block ends."""
    os.environ |= {"ONEMAP_DATABASE_URL": url.format(database=name), "ONEMAP_HOME": str(home)}
    with pytest.MonkeyPatch.context() as patch:
        try:
            yield patch
        finally:
            dispose()


def _sql(url: str, statement: str) -> None:
    admin = sa.create_engine(url.format(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(statement))
    admin.dispose()


def make(url: str, folder: Path, seed: int, today: date, projects: int) -> City:
    """A world, taken in and judged."""
    home = folder / f"home{seed}"
    home.mkdir()
    city = City(
        f"w{seed}", world.make(folder / f"w{seed}", projects=projects, seed=seed, today=today), home, datetime.min
    )
    _sql(url, f"create database {city.name}")
    with hub(url, city.name, home) as patch:
        migrate.upgrade()
        city.now = told.take(city.folder, patch, home / "clock")
    judge(url, city)
    return city


def judge(url: str, city: City) -> None:
    """What an undisturbed hub makes of a world that was taken in; the ledger is only appended to, so in a copy."""
    with copied(url, city) as (home, patch):
        told.set_clock(city.now, patch, home / "clock")
        supervise(city.now.date())
        city.store = stands()
        city.open = {key(row) for row in listed().to_dicts() if row["state"] == "open"}


@contextmanager
def copied(url: str, city: City) -> Iterator[tuple[Path, pytest.MonkeyPatch]]:
    """A copy of a world's store and home, gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        shutil.copytree(city.home, home)
        # a pool that has not closed yet, or a vacuum, would keep the template from being copied
        _sql(url, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{city.name}'")
        _sql(url, f"create database {city.name}_copy template {city.name}")
        try:
            with hub(url, f"{city.name}_copy", home) as patch:
                yield home, patch
        finally:
            _sql(url, f"drop database {city.name}_copy with (force)")


def feeds() -> list[str]:
    """Every feed that :mod:`tests.supervision.told` takes in."""
    return [feed for feed in KEYS if feed not in told.ASIDE and feed.partition(".")[0] in told.SOURCES]


def frozen(url: str, city: City, what: str, at: datetime, where: dict[str, str] | None = None) -> Frozen | None:
    """Freeze a feed or a source (``what``; ``where``: such rows alone) of a world at ``at``, and thaw it; None: that holds nothing
    back."""
    several = [feed for feed in feeds() if feed == what or feed.startswith(f"{what}.")]
    with tempfile.TemporaryDirectory() as scratch:
        held = Path(scratch) / "world"
        shutil.copytree(city.folder, held)
        held_back = sum(freeze.freeze(held, KEYS[feed][0], at, where=where) for feed in several)
        if not held_back:
            return None
        with copied(url, city) as (home, patch):
            told.set_clock(city.now, patch, home / "clock")
            for feed in several:
                forget(feed)
            _read(held, several, patch)
            result = _judged(city, Frozen(_named(what, where), at, held_back))
            freeze.thaw(held, city.now)
            _read(held, several, patch)
            supervise(city.now.date())
            result.same = stands() == city.store
            result.ledger = {key(row) for row in listed().to_dicts() if row["state"] == "open"} ^ city.open
            return result


def _named(what: str, where: dict[str, str] | None) -> str:
    return f"{what} by {next(iter(where))}" if where else what


def _judged(city: City, one: Frozen) -> Frozen:
    supervise(city.now.date())
    one.false = {key(row) for row in listed().to_dicts()} - city.open
    life.advance(city.now)
    with transaction() as connection:
        orders = connection.exec_driver_sql("select rule, project_code, item_code, case_no from supervision.work_order")
        one.sent = {tuple(row) for row in orders} - city.open
        one.waits = connection.exec_driver_sql("select count(*) from supervision.waiting").scalar_one()
    return one


def _read(folder: Path, several: list[str], patch: pytest.MonkeyPatch) -> None:
    patch.setattr(registry, "connector", lambda source: told.Told(source, folder))
    for outcome in sync.source(several[0].partition(".")[0], feeds=[feed.partition(".")[2] for feed in several]):
        if outcome.outcome != "ok":
            raise RuntimeError(f"{outcome.feed}: {outcome.error}")
    unify.run()


def forget(feed: str) -> None:
    """Take everything that a feed brought out of the store, as if it had never been read."""
    parameters = {"feed": feed}
    of_feed = "in (select id from source.record where feed = :feed)"
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into store.dirty (record_id, feed, run_id)
                   select id, feed, run_id from source.record where feed = :feed"""
            ),
            parameters,
        )
        for table in [*tables.source_entity.values(), tables.record_history]:
            connection.execute(sa.text(f"delete from {table.fullname} where record_id {of_feed}"), parameters)
        connection.execute(sa.text("delete from source.record where feed = :feed"), parameters)
        for name in ("arrival_day", "completed", "feed_state"):
            connection.execute(sa.text(f"delete from landing.{name} where feed = :feed"), parameters)


#: Feed and column of its file -> how many of the busiest departments or towns that it names are frozen alone.
PARTS = {("m2.bj", "BJBMZZJGDM"): 6, ("m2.sl", "GXDXZQHDM"): 4, ("m2.sb", "XZQHDM"): 4}


def wanted(city: City) -> list[tuple[str, dict[str, str] | None]]:
    """Every feed, every source of several feeds, and the busiest departments and towns, each to be frozen alone."""
    sources = Counter(feed.partition(".")[0] for feed in feeds())
    listed: list[tuple[str, dict[str, str] | None]] = [(feed, None) for feed in feeds()]
    listed += [(source, None) for source, several in sources.items() if several > 1]
    for (feed, column), number in PARTS.items():
        values = Counter(str(row.get(column) or "").strip() for row in lines(city.folder, KEYS[feed][0]))
        listed += [(feed, {column: value}) for value, _ in values.most_common(number) if value]
    return listed


def campaign(url: str, worlds: Iterator[City], count: int, chance: random.Random, until: datetime | None) -> int:
    """All that is :func:`wanted` of each of ``count`` worlds, each frozen at an instant of its own; prints a line a freeze and a
    table at the end, however it ends; returns how many went wrong. ``until``: the worlds share the time till then, and each is
    frozen once at least, so that there is something to say."""
    outcomes: list[Frozen] = []
    wrong = 1
    try:
        for number, city in enumerate(worlds):
            share = until and datetime.now() + max(until - datetime.now(), timedelta()) / (count - number)
            print(f"{city.name} as of {city.now:%Y-%m-%d %H:%M}: {len(city.open)} findings stand", flush=True)
            _freezes(url, city, chance, share, outcomes)
            if until and datetime.now() > until:
                break
    finally:
        wrong = table(outcomes)
    return wrong if outcomes else 1


def _freezes(url: str, city: City, chance: random.Random, until: datetime | None, outcomes: list[Frozen]) -> None:
    tries = wanted(city)
    chance.shuffle(tries)
    held = 0
    for what, where in tries:
        if held and until and datetime.now() > until:
            break
        at = city.now - timedelta(hours=chance.uniform(6, 24 * 25))
        began = datetime.now()
        one = frozen(url, city, what, at, where)
        if one is None:
            continue
        held += 1
        outcomes.append(one)
        print(
            f"  {what} {where or ''} frozen {at:%m-%d %H:%M}: {one.lines} lines, {one.waits} wait, "
            + (
                f"WRONG: false {sorted(one.false)}, orders {sorted(one.sent)}, same store {one.same}, ledger {sorted(one.ledger)}"
                if one.false or one.sent or not one.same or one.ledger
                else "as it should be"
            )
            + f" ({(datetime.now() - began).seconds} s)",
            flush=True,
        )


def table(outcomes: list[Frozen]) -> int:
    """Print what came of the freezes, a line for each feed, source and part; returns how many went wrong."""
    columns = ("freezes", "lines", "false", "orders", "waits", "store", "ledger")
    by_name: dict[str, Counter[Any]] = {"all": Counter()}
    for one in outcomes:
        came = (1, one.lines, len(one.false), len(one.sent), one.waits, not one.same, bool(one.ledger))
        for name in (one.what, "all"):
            by_name.setdefault(name, Counter()).update(dict(zip(columns, map(int, came), strict=True)))
    print(f"\n{'frozen':<26}" + "".join(f"{column:>9}" for column in columns))
    for name, of in sorted(by_name.items(), key=lambda pair: (pair[0] == "all", pair[0])):
        print(f"{name:<26}" + "".join(f"{of[column]:>9}" for column in columns), flush=True)
    return sum(by_name["all"][column] for column in ("false", "orders", "store", "ledger"))
