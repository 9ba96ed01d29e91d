"""What the papers tell people to do can be done: files that they name stand there, commands that they name exist, every
command is told of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from cli.__main__ import app
from core.settings import ROOT

PAPERS = [
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")),
]


def _commands() -> dict[str, object]:
    """ "source check" → its click command."""
    found: dict[str, object] = {}

    def walk(command: object, name: str) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[name] = command
        else:
            for child, what in children.items():
                walk(what, f"{name} {child}".strip())

    walk(typer.main.get_command(app), "")
    return found


COMMANDS = _commands()


@pytest.mark.parametrize("paper", PAPERS)
def test_the_commands_of_the_papers_exist(paper):
    text = (ROOT / paper).read_text(encoding="utf-8")
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    for words in re.findall(r"(?:`|\./)onemap ((?:[a-z][a-z-]* ?){1,3})", text):
        parts = words.split()
        name = " ".join(parts[:2]) if parts[0] in groups else parts[0]
        assert name in COMMANDS or parts[0] in groups and len(parts) == 1, f"{paper}: onemap {words}"


def test_every_command_is_told_of_somewhere():
    texts = "\n".join((ROOT / paper).read_text(encoding="utf-8") for paper in PAPERS)
    assert [name for name in COMMANDS if f"onemap {name}" not in texts] == []


def test_the_files_of_the_recipes_stand():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [n for n in re.findall(r"`([a-z_]+/[\w./-]+\.\w+)`", text) if "<" not in n]
    assert named
    assert [name for name in named if not Path(ROOT / name).exists()] == []
