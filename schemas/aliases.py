"""What sources call the columns of the common model: ``schemas/aliases.yaml`` and the model's own names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from pydantic import BaseModel, ConfigDict

from core import declared
from core.settings import ROOT
from schemas import entities

FILE = ROOT / "schemas" / "aliases.yaml"
_HAN = re.compile(r"[\u3400-\u9fff]+")
_BRACKETS = re.compile(r"[(（\[]([^)）\]]*)[)）\]]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Aliases(BaseModel):
    """The file. ``columns``: ``column`` or ``entity.column`` → names; ``control``: columns of the exchange itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entities: dict[str, list[str]]
    columns: dict[str, list[str]]
    control: list[str]


@cache
def load() -> Aliases:
    """:raises ConfigurationError: the file is wrong, or names an entity or a column that is not in the model."""
    document = declared.read(FILE)
    found = declared.build(document, Aliases)
    model = entities.load_all()
    faults = [
        (("entities", name), "the common model has no such entity") for name in found.entities if name not in model
    ]
    for name in found.columns:
        entity, _, column = name.rpartition(".")
        if not any(column in one.columns for key, one in model.items() if entity in ("", key)):
            faults.append((("columns", name), "the common model has no such column"))
    if faults:
        raise document.errors(faults)
    return found


def fold(name: str) -> str:
    """A name for comparison: without what stands in brackets, a prefix before a colon, case, blanks and punctuation."""
    name = _BRACKETS.sub("", unicodedata.normalize("NFKC", name)).rpartition(":")[2] or name
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def unit(name: str) -> str | None:
    """What stands in brackets behind a name: 批准面积(公顷) → 公顷."""
    found = _BRACKETS.search(unicodedata.normalize("NFKC", name))
    return found[1].strip() or None if found else None


def words(name: str) -> list[str]:
    """The words of a Latin name: ``permitIssueDate``, ``PERMIT_ISSUE_DATE`` → permit, issue, date."""
    parts = _CAMEL.sub(" ", _BRACKETS.sub("", name))
    return [word.casefold() for word in re.split(r"[^A-Za-z0-9]+", parts) if word]


def initials(name: str) -> str | None:
    """The pinyin initials of a Chinese name, in lower case: 项目名称 → xmmc; None of a name that is not Chinese."""
    bare = _BRACKETS.sub("", name)
    if not _HAN.search(bare):
        return None
    from pypinyin import Style, lazy_pinyin  # its dictionaries take 54 MiB, which only drafts and drifts need

    return "".join(lazy_pinyin(bare, style=Style.FIRST_LETTER)).casefold()


def names(entity: str, column: str) -> Iterator[str]:
    """Every name of a column that is known without looking at other mappings, its own first."""
    declared_column = entities.load(entity).columns[column]
    yield column
    yield from declared_column.zh.split()  # 受理状态 SLZTDM
    aliases = load().columns
    yield from aliases.get(f"{entity}.{column}", ())
    yield from aliases.get(column, ())
