"""Code lists as data: ``schemas/codes/*.yaml``.

A canonical list says which values a column may have. A raw list says what a source's codes mean in a canonical one::

    name: blzt
    zh: 办理状态 BLZT
    of: [event]                 # canonical lists that every ``to`` stands in
    numeric: true               # 03 and 3.0 are 3
    codes:
      "1": {zh: 接件, to: SUBMITTED}
      "0": {zh: 未定, to: null}   # known, and means nothing here

A canonical list has no ``of``; ``also`` are other ways to write the same value. The list ``channel`` says more of each of its
codes (:class:`schemas.codes.model.Channel`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from core import declared
from schemas.codes.model import ChannelList, Code, CodeList

__all__ = ["FOLDER", "Code", "CodeList", "load", "load_all", "names", "read"]

FOLDER = Path(__file__).resolve().parent
MODELS: dict[str, type[CodeList]] = {"channel": ChannelList}  # lists whose codes say more than their meaning


def read(path: Path) -> CodeList:
    """:raises ConfigurationError: with file and line."""
    document = declared.read(path)
    found = declared.build(document, MODELS.get(path.stem, CodeList))
    faults = list(found.faults())
    if found.name != path.stem:
        faults.append((("name",), f"must be the file's name, {path.stem}"))
    canonical = [load(name) for name in found.of]
    faults += [
        (("codes", code, "to"), f"{entry.to!r} is not in the list {other.name}")
        for code, entry in found.codes.items()
        for other in canonical
        if entry.to is not None and entry.to not in other.codes
    ]
    if faults:
        raise document.errors(faults)
    return found


@cache
def load(name: str) -> CodeList:
    """:raises ConfigurationError: there is no such list, or its file is wrong."""
    return read(declared.file(FOLDER, name, "code list", "代码表"))


def names() -> list[str]:
    """Names of all lists, sorted."""
    return declared.names(FOLDER)


def load_all() -> dict[str, CodeList]:
    """Every list by name."""
    return {name: load(name) for name in names()}
