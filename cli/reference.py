"""``docs/commands.md`` from the command line itself: ``python -m cli.reference`` writes it anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from core import settings

PAGE = settings.ROOT / "docs" / "commands.md"
_HEAD = """# 命令 · Commands

由 `python -m cli.reference` 从命令行本身写出 · written from the command line itself. `./onemap <命令> --help` 同此。
"""


def commands() -> Iterator[tuple[str, Any]]:
    """(name as typed, command) of every command, groups followed."""
    from cli.__main__ import app

    def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield name, command
        else:
            for child in sorted(children):
                yield from walk(children[child], f"{name} {child}".strip())

    yield from walk(typer.main.get_command(app), "")


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for name, command in commands():
        if command.hidden:
            continue
        arguments = " ".join(
            p.metavar or (p.name or "").upper() for p in command.params if p.param_type_name == "argument"
        )
        parts.append(f"## `onemap {name}{' ' + arguments if arguments else ''}`\n\n{(command.help or '').strip()}\n")
        options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"]
        if options:
            rows = [
                f"| `{', '.join(p.opts)}` | {' '.join((p.help or '').split()).replace('|', chr(92) + '|')} |"
                for p in options
            ]
            parts.append("| 选项 option | |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
