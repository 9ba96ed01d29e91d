"""``onemap``: the command line. Thin: every command calls a room below; a group of commands is a module here."""

from __future__ import annotations

import sys

import typer

from cli import output
from cli.registry import GROUPS
from core.errors import OneMapError
from core.logging import configure

app = typer.Typer(
    name="onemap",
    help="一张图数据汇聚枢纽 · OneMap hub: investment projects of a city, from many systems into one store.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
for group in GROUPS:
    group(app)


def main() -> int:
    """Run a command; errors of the hub are told in its own words, by whose fault they are."""
    configure()
    try:
        app(prog_name="onemap", standalone_mode=True)
    except OneMapError as problem:
        return output.error(problem)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
