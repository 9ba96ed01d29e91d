"""Code lists as data: ``schemas/codes/*.yaml``.

A canonical list says which values a column may have. A raw list says what a source's codes mean in a canonical one::

    name: blzt
    zh: 办理状态 BLZT
    of: [event]                 # canonical lists that every ``to`` stands in
    numeric: true               # 03 and 3.0 are 3
    codes:
      "1": {zh: 接件, to: SUBMITTED}
      "0": {zh: 未定, to: null}   # known, and means nothing here

A canonical list has no ``of``; ``also`` are other ways to write the same value.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from core import declared
from core.errors import ConfigurationError

FOLDER = Path(__file__).resolve().parent


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Strict):
    """One value: its Chinese label, what it means, how else it is written."""

    zh: str
    to: str | None = None
    also: list[str] = Field(default_factory=list)
    doc: str = ""


class CodeList(_Strict):
    """A list. ``digest`` is of the file's bytes."""

    name: str = Field(description="The file's name")
    zh: str
    doc: str = ""
    of: list[str] = Field(
        default_factory=list, description="Canonical lists that `to` stands in; none: canonical itself"
    )
    numeric: bool = Field(False, description="Leading zeros and .0 do not count")
    codes: dict[str, Code]

    @property
    def meaning(self) -> dict[str, str | None]:
        """Each way to write a code → its canonical value; None: known, without a value here."""
        means: dict[str, str | None] = {}
        for code, entry in self.codes.items():
            for written in (code, *entry.also):
                means[written] = entry.to if self.of else code
        return means

    @property
    def labels(self) -> dict[str, str]:
        """Code → Chinese label."""
        return {code: entry.zh for code, entry in self.codes.items()}


def read(path: Path) -> CodeList:
    """:raises ConfigurationError: with file and line."""
    document = declared.read(path)
    found = declared.build(document, CodeList)
    faults: list[tuple[tuple[str | int, ...], str]] = []
    if found.name != path.stem:
        faults.append((("name",), f"must be the file's name, {path.stem}"))
    canonical = [load(name) for name in found.of]
    seen: set[str] = set()
    for code, entry in found.codes.items():
        written = (code, *entry.also)
        faults += [(("codes", code), f"{twice!r} stands twice") for twice in written if twice in seen]
        seen.update(written)
        if not found.of and entry.to is not None:
            faults.append((("codes", code, "to"), "only a list with `of` has `to`"))
        faults += [
            (("codes", code, "to"), f"{entry.to!r} is not in the list {other.name}")
            for other in canonical
            if entry.to is not None and entry.to not in other.codes
        ]
    if faults:
        raise document.errors(faults)
    return found


@cache
def load(name: str) -> CodeList:
    """:raises ConfigurationError: there is no such list, or its file is wrong."""
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        raise ConfigurationError(
            f"no code list {name!r} in schemas/codes",
            remedy=f"one of {', '.join(sorted(names()))}",
            zh=f"没有代码表 {name}。",
        )
    return read(path)


def names() -> list[str]:
    """Names of all lists, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_all() -> dict[str, CodeList]:
    """Every list by name."""
    return {name: load(name) for name in names()}
