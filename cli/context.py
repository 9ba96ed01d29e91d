"""What a command needs of the run that may be going on beside it."""

from __future__ import annotations

import getpass
from datetime import date, datetime
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="输出 JSON · data for programs on standard output")]
By = Annotated[
    str, typer.Option("--by", help="决定人 · who says so", default_factory=getpass.getuser, show_default=False)
]
Feeds = Annotated[list[str] | None, typer.Option("--feed", help="数据项，可多次 · feed, repeatable; default: all")]
AsOf = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="判定日，默认今天 · as of the end of a day")
]
Note = Annotated[str, typer.Option("--note", help="理由 · why", prompt="理由 why")]


def day(given: datetime | None) -> date | None:
    """The day of an option that typer reads as a time."""
    return given.date() if given else None


def attach() -> None:
    """Find database, Connections and clock as the tasks of this run folder do."""
    from cli.stack.hub import command_environment
    from cli.stack.layout import Layout

    command_environment(Layout.here())


def group(app: typer.Typer, name: str, text: str) -> typer.Typer:
    """A group of commands of ``app``; each of them is attached to the run folder first."""
    built = typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode="rich", callback=attach)
    app.add_typer(built)
    return built
