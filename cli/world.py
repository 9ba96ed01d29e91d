"""``onemap world``: the simulated world of the stand-ins."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.context import Json, group
from cli.stack import processes
from cli.stack.layout import Layout

SERVED_SECONDS = 120
Folder = Annotated[
    Path | None, typer.Option("--world", help="世界目录，默认为运行目录中的 · folder, default: the run folder's")
]


app = typer.Typer()
world = group(app, "world", "模拟世界 · the simulated world of the stand-in sources")


@world.command()
def make(
    folder: Folder = None,
    projects: Annotated[int, typer.Option(min=1)] = 590,
    seed: int = 1,
    as_json: Json = False,
) -> None:
    """生成 · Make a new world; an old one in the folder is replaced."""
    from standins import world

    path = world.make(folder or Layout.here().world, projects=projects, seed=seed)
    _show(path, as_json)


@world.command()
def advance(
    days: Annotated[int, typer.Option(min=1, help="天数")] = 1, folder: Folder = None, as_json: Json = False
) -> None:
    """推进 · Let days go by; returns when the stand-ins that run here show the new day."""
    from standins import world

    layout = Layout.here()
    path = folder or layout.world
    world.advance(path, days)
    clock = Path(os.environ.get("ONEMAP_CLOCK_FILE") or layout.clock)
    if folder is None or "ONEMAP_CLOCK_FILE" in os.environ:
        _move(clock, timedelta(days=days))
    if folder is None and processes.recorded(layout, "standins"):
        _wait_until_served(layout, world.load(path).facts["revision"])
    _show(path, as_json)


@world.command()
def status(folder: Folder = None, as_json: Json = False) -> None:
    """状态 · What the folder holds, and where its clock stands."""
    _show(folder or Layout.here().world, as_json)


def _show(folder: Path, as_json: bool) -> None:
    from core import clock
    from standins import world

    reader = world.load(folder)
    result: dict[str, Any] = {
        **reader.facts,
        "folder": str(folder),
        "now": f"{clock.now()}",
        "tables": len(reader.tables),
    }
    if as_json:
        output.as_json(result)
    else:
        output.table(("项 item", "值 value"), [(k, str(v)) for k, v in result.items()])


def _move(clock: Path, by: timedelta) -> None:
    """Move the offset that hub and stand-ins add to the wall clock; written whole or not at all."""
    try:
        offset = float(clock.read_text() or 0)
    except FileNotFoundError:
        offset = 0.0
    beside = clock.with_name(f".{clock.name}.{os.getpid()}")
    beside.write_text(str(offset + by.total_seconds()))
    beside.replace(clock)


def _wait_until_served(layout: Layout, revision: int) -> None:
    until = time.monotonic() + SERVED_SECONDS
    while time.monotonic() < until:
        try:
            if json.loads((layout.standins / "served.json").read_text())["revision"] >= revision:
                return
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.25)
    output.err.print("模拟数源尚未显示新的一天 / the stand-ins do not show the new day yet")
