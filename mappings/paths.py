"""Paths into nested columns: ``tender.value.amount``, ``parties[role=buyer].name``, ``lines[0].no``.

A path is the name of a column and steps into its JSON: ``.name``, ``[n]`` from 0, ``[field=value]`` the first element
whose field is that. It is run by Polars over a column at once; a step that leads nowhere gives null. Numbers inside are
read with some 15 digits.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_PATH = re.compile(r"([^.\[\]]+)((?:\.[\w-]+|\[[^\[\]]+\])+)")
_STEP = re.compile(r"\.([\w-]+)|\[([^\[\]]+)\]")


def base(name: str) -> str:
    """The column that a name leads into; the name itself where it is no path."""
    found = _PATH.fullmatch(name)
    return found[1] if found else name


def split(name: str, columns: Collection[str]) -> tuple[str, str] | None:
    """(column, JSONPath within it) of a path into one of ``columns``; None where it leads into none of them."""
    places = [place for place, letter in enumerate(name) if place and letter in ".["]
    for place in reversed(places):  # the column of an exploded block is a path itself
        if name[:place] in columns and (steps := _steps(name[place:])):
            return name[:place], "$" + steps
    return None


def _steps(text: str) -> str:
    if not _PATH.fullmatch(f"x{text}"):
        return ""
    built = ""
    for field, inside in _STEP.findall(text):
        if field:
            built += f"['{field}']"
        elif inside.isdigit():
            built += f"[{inside}]"
        else:
            name, _, value = inside.partition("=")
            escaped = value.strip().replace("\\", "\\\\").replace("'", "\\'")
            built += f"[?(@.{name.strip()}=='{escaped}')]"
    return built
