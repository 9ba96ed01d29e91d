"""``schemas/authority.yaml``: which feed is believed for which field of an entity (一数一源)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from core import declared
from core.settings import ROOT
from schemas import entities

PATH = ROOT / "schemas" / "authority.yaml"
MAPPINGS = ROOT / "mappings"


class Belief(BaseModel):
    """Of an entity: ``feeds`` in order, ``fields`` with an order of their own, ``founders`` whose word alone makes a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feeds: list[str] = Field(min_length=1)
    fields: dict[str, list[str]] = Field(default_factory=dict)
    founders: list[str] = Field(default_factory=list)


class _All(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entities: dict[str, Belief]


@cache
def load() -> dict[str, Belief]:
    """By entity. :raises ConfigurationError: every fault with file and line."""
    return read(PATH)


def read(path: Path) -> dict[str, Belief]:
    """The same of one file."""
    document = declared.read(path)
    found = declared.build(document.under("entities"), _All).entities if document.data else {}
    if wrong := list(_faults(found)):
        raise document.errors(wrong)
    return found


def _faults(found: dict[str, Belief]) -> Iterator[tuple[declared.Place, str]]:
    feeds = {f"{path.parent.name}.{path.stem}" for path in MAPPINGS.glob("*/*.yaml")}
    for entity, belief in found.items():
        if entity not in entities.names():
            yield (entity,), f"the common model has no entity {entity}{declared.suggestion(entity, entities.names())}"
            continue
        columns = entities.load(entity).columns
        for name, order in belief.fields.items():
            if name not in columns:
                yield (entity, "fields", name), f"{entity} has no column {name}{declared.suggestion(name, columns)}"
            yield from _order((entity, "fields", name), order, feeds)
        yield from _order((entity, "feeds"), belief.feeds, feeds)
        yield from _order((entity, "founders"), belief.founders, feeds)
        if belief.founders and entity != "project":
            yield (entity, "founders"), "only projects are founded by the word of a feed"


def _order(place: declared.Place, order: list[str], feeds: set[str]) -> Iterator[tuple[declared.Place, str]]:
    for number, feed in enumerate(order):
        if feed not in feeds:
            yield (*place, number), f"there is no mapping of a feed {feed}{declared.suggestion(feed, feeds)}"
        elif feed in order[:number]:
            yield (*place, number), f"{feed} stands twice"
