"""A simulated world taken into the store without servers: its lines as decoded rows, then mapping, checks, merge, unify."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely
import sqlalchemy as sa
from shapely.geometry import shape

from connectors.base import Batch, CheckLine, Connector, Payload, Proof
from core import clock
from pipeline import registry, sync, unify
from standins.forms import when
from standins.world.truth import KEYS
from store.engine import transaction

#: Feeds that no rule looks at; left out to be quick.
ASIDE = {"m2.sbcl", "m2.spjg", "s4.reading"}
LOGS = ("p3.", "m2.")  # every line is a row of its own
GEOMETRY = {
    "s1.parcel": "_geometry",
    "s1.redline": "_geometry",
    "s2.change": "geometry",
    "s3.scene": "geometry",
    "p2.land_approval": "红线",
}
SOURCES = ("m1", "p1", "p2", "p3", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3")


def rows(
    world: Path, feed: str, now: datetime, shows: Callable[[str, dict[str, Any]], bool] = lambda feed, row: True
) -> list[dict[str, Any]]:
    """What the source shows at ``now``, as its connector decodes it (docs/world.md); ``shows``: lines that it does not hold back."""
    file, key = KEYS[feed]
    shown: dict[Any, tuple[datetime, dict]] = {}
    path = world / f"{file}.jsonl"
    if not path.exists():
        return []
    for number, line in enumerate(path.open(encoding="utf-8")):
        row = json.loads(line)
        at = when(row["_at"]) if row.get("_at") else datetime.min
        if at > now or (row.get("_until") and when(row["_until"]) <= now) or not shows(feed, row):
            continue
        flat = {**row, **row["properties"]} if feed == "s3.scene" else row
        name = (
            number
            if feed.startswith(LOGS)
            else tuple(str(flat.get(k) or flat.get(k.lower()) or "").strip() for k in key) or number
        )
        if name not in shown or shown[name][0] <= at:
            shown[name] = (at, _decoded(feed, flat))
    return [row for _, row in shown.values()]


def _decoded(feed: str, row: dict[str, Any]) -> dict[str, Any]:
    kept = {
        k: v
        for k, v in row.items()
        if not k.startswith("_") and k not in ("properties", "type", "stac_version", "links")
    }
    drawn = row.get("_geometry") or (row.get("geometry") if feed == "s3.scene" else None)
    if feed in GEOMETRY:
        kept[GEOMETRY[feed]] = shapely.to_wkb(shape(drawn), hex=True) if drawn else None
    return kept


class Told(Connector):
    """A source that shows a world's lines, those alone that it ``shows``."""

    def __init__(
        self, source, world: Path, shows: Callable[[str, dict[str, Any]], bool] = lambda feed, row: True
    ) -> None:
        super().__init__(source, endpoint=None)
        self.world, self.shows = world, shows

    def check(self) -> list[CheckLine]:
        return [CheckLine("reach", True, "told")]

    def fetch(self, feed, window, state) -> Iterator[Payload | Proof]:
        now = clock.now()
        yield Payload(feed.id.encode(), "text/plain", {}, now, now, {})
        yield Proof(True, "told whole")

    def decode(self, feed, payload) -> Iterator[Batch]:
        told = rows(self.world, feed.id, clock.now(), self.shows)
        names = list(dict.fromkeys(name for row in told for name in row))
        columns = {
            name: pa.array(
                [
                    v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False)
                    for v in (r.get(name) for r in told)
                ],
                pa.large_string(),
            )
            for name in names
        }
        columns["_place"] = pa.array([f"row {n}" for n in range(len(told))], pa.large_string())
        yield Batch(pa.table(columns))


def take(world: Path, monkeypatch, clock_file: Path) -> datetime:
    """Take the whole world into the store; returns its clock. The hub's clock is set to it."""
    now = datetime.fromisoformat(json.loads((world / "world.json").read_text())["clock"])
    set_clock(now, monkeypatch, clock_file)
    monkeypatch.setattr(registry, "connector", lambda source: Told(source, world))
    for source in SOURCES:
        wanted = [f for f in registry.source(source).feeds if f"{source}.{f}" not in ASIDE]
        for outcome in sync.source(source, feeds=wanted):
            if outcome.outcome != "ok":
                raise RuntimeError(f"{outcome.feed}: {outcome.error}")
    with transaction() as connection:  # what no rule looks at counts as read with the rest of its source
        connection.execute(
            sa.text(
                """insert into landing.completed (feed, intervals, read_at)
                   select aside, intervals, read_at from landing.completed, unnest(cast(:aside as text[])) aside where feed = 'm2.sb'
                   on conflict (feed) do update set intervals = excluded.intervals, read_at = excluded.read_at"""
            ),
            {"aside": sorted(ASIDE)},
        )
    unify.run()
    return now


def set_clock(now: datetime, monkeypatch, clock_file: Path) -> None:
    """The hub's clock from now on, ahead of the wall by a fixed offset."""
    ahead = now - datetime.now(clock.SHANGHAI).replace(tzinfo=None) + timedelta(seconds=30)
    clock_file.write_text(str(ahead.total_seconds()))
    monkeypatch.setenv("ONEMAP_CLOCK_FILE", str(clock_file))


def planted(world: Path, name: str = "findings") -> list[dict[str, Any]]:
    """The lines of one file of the truth."""
    return [json.loads(line) for line in (world / "truth" / f"{name}.jsonl").open(encoding="utf-8")]
