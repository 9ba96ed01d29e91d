"""``onemap``: the command line. Thin: every command calls a package below; a group of commands is a module here."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from cli import output
from cli.registry import register
from core.errors import OneMapError
from core.logging import configure
from core.version import VERSION


def application(word: str | None = None) -> typer.Typer:
    """The commands that begin with ``word``, else all of them."""
    built = typer.Typer(
        name="onemap",
        help="一张图数据汇聚枢纽 · OneMap hub: investment projects of a city, from many systems into one store.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    @built.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", help="版本 · the version", callback=_version, is_eager=True)
        ] = False,
    ) -> None:
        """一张图数据汇聚枢纽 · OneMap hub: investment projects of a city, from many systems into one store."""

    register(built, word)
    return built


def __getattr__(name: str) -> Any:
    if name == "app":  # the whole of it, for who asks for it by name
        return application()
    raise AttributeError(name)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"onemap {VERSION}\n")
        raise typer.Exit


def main() -> int:
    """Run a command; errors of the hub are told in its own words, by whose fault they are; as JSON under ``--json``."""
    if sys.argv[1:] == ["--version"]:  # at once, without the commands
        sys.stdout.write(f"onemap {VERSION}\n")
        return 0
    configure()
    as_json = "--json" in sys.argv
    output.fold_help()
    word = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    try:
        return application(word)(prog_name="onemap", standalone_mode=not as_json) or 0
    except OneMapError as problem:
        return output.error(problem, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except Exception as wrong:
        if not as_json or not hasattr(wrong, "format_message"):
            raise
        code = getattr(wrong, "exit_code", 2)  # the words of the command itself, which typer tells people in a panel
        output.error_as_json({"fault": "usage", "message": wrong.format_message()}, code)
        return code


if __name__ == "__main__":
    sys.exit(main())
