"""A simulated world as a folder: made, moved on, read. The format: docs/world.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from core import clock
from core.errors import ConfigurationError
from standins.world import catalogue, geography, lifecycle, people, truth
from standins.world.calendar import Calendar
from standins.world.defects.catalogue import plant_all
from standins.world.lines import FILES, Lines, stamp
from standins.world.model import World
from standins.world.projections import d2, d3, departments, m1, m2, province, space

FORMAT = 1
YEARS = 3
TELLERS = (province.tell, m1.tell, m2.tell, departments.tell, d2.tell, d3.tell, space.tell)


def _start(today: date) -> date:
    return (
        today.replace(year=today.year - YEARS, day=min(today.day, 28))
        if (today.month, today.day) == (2, 29)
        else today.replace(year=today.year - YEARS)
    )


def imagine(projects: int, seed: int, today: date) -> World:
    """The whole truth of a world, from three years before ``today`` to long after it. Same arguments, same truth."""
    start = _start(today)
    calendar = Calendar(start - timedelta(days=90), today + timedelta(days=1600))
    world = World(seed, projects, start, today, calendar, catalogue.build(start, today))
    world.people = people.projects(world)
    geography.settle(world, world.people)
    plans = {project.number: lifecycle.run(world, project) for project in world.people}
    world.plants = plant_all(world, plans)
    return world


def _write(folder: Path, facts: dict[str, Any]) -> None:
    (folder / "world.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def make(folder: Path | str, *, projects: int = 590, seed: int = 1, today: date | datetime | None = None) -> Path:
    """Write a new world into ``folder``; an old world in it is replaced, anything else there is refused.

    :param today: the clock of the world, Asia/Shanghai; a date alone means 08:00 of it; default: now.
    :raises ConfigurationError: the folder holds something that is not a world.
    """
    folder = Path(folder)
    moment = today if today is not None else clock.now()
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(8, 0))
    moment = moment.replace(tzinfo=None, microsecond=0)
    if folder.exists():
        if any(folder.iterdir()) and not (folder / "world.json").exists():
            raise ConfigurationError(
                f"not a simulated world: {folder}",
                remedy="name an empty folder",
                zh=f"目录 {folder} 不是世界目录，请另选空目录",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    world = imagine(projects, seed, moment.date())
    _project(world, folder, None, moment)
    _write(
        folder,
        {
            "format": FORMAT,
            "seed": seed,
            "projects": projects,
            "start": stamp(world.start),
            "made": stamp(moment),
            "clock": stamp(moment),
            "revision": 1,
        },
    )
    return folder


def advance(folder: Path | str, days: int) -> Path:
    """Move the world's clock on by ``days``; what happened in between is appended, the truth is written anew.

    :raises ConfigurationError: not a folder that :func:`make` made, or fewer than 1 day.
    """
    folder = Path(folder)
    facts = load(folder).facts
    if days < 1:
        raise ConfigurationError(f"days: {days}", remedy="give 1 or more", zh="天数至少为 1")
    if "seed" not in facts:
        raise ConfigurationError(
            "a world written by hand does not go on by itself",
            remedy="append its lines yourself",
            zh="手写的世界不能自动推进",
        )
    result, now = (datetime.fromisoformat(facts[k]) for k in ("made", "clock"))
    world = imagine(facts["projects"], facts["seed"], result.date())
    later = now + timedelta(days=days)
    _project(world, folder, now, later)
    _write(folder, {**facts, "clock": stamp(later), "revision": facts["revision"] + 1})
    return folder


def _project(world: World, folder: Path, since: datetime | None, until: datetime) -> None:
    out = Lines(since, until, folder)
    for tell in TELLERS:
        tell(world, out)
    out.write()
    truth.write(world, folder, until)


@dataclass(frozen=True)
class Reader:
    """A simulated world to read from. ``facts`` is its world.json."""

    folder: Path
    facts: dict[str, Any]

    @property
    def clock(self) -> datetime:
        """The world's time."""
        return datetime.fromisoformat(self.facts["clock"])

    @property
    def tables(self) -> list[str]:
        """``<source>/<table>`` of all files."""
        return [file for file in FILES if (self.folder / f"{file}.jsonl").exists()]

    def lines(self, table: str) -> Iterator[dict[str, Any]]:
        """The lines of ``<source>/<table>`` or ``truth/<name>`` in their order; none where the file is missing."""
        path = self.folder / f"{table}.jsonl"
        if not path.exists():
            return
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip():
                    yield json.loads(line)


def load(folder: Path | str) -> Reader:
    """Open a simulated world.

    :raises ConfigurationError: no world.json of this format is there.
    """
    folder = Path(folder)
    try:
        facts = json.loads((folder / "world.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"no world in {folder}", remedy="onemap world make", zh=f"{folder} 中没有世界，请先运行 onemap world make"
        ) from None
    if facts.get("format") != FORMAT:
        raise ConfigurationError(
            f"unknown format of a world: {facts.get('format')}",
            remedy="make it anew",
            zh="世界格式版本不符，请重新生成",
        )
    return Reader(folder, facts)
