"""Do a feed's declaration, its mapping and its contract speak of the same rows?

Each is sound by itself where it is loaded; here they are held against each other, before a row of the feed is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from core import declared
from mappings import compiler, paths
from mappings.language import REST
from mappings.mapping import Mapping
from schemas import entities, raw
from sources import loader
from sources.declaration import Feed

_WORDS = ("scope", "none")  # of rhythm.time, beside entity.column


@cache
def hold(source_id: str, name: str) -> None:
    """:raises ConfigurationError: what does not agree, each with the file and line of the source's declaration."""
    feed = loader.load(source_id).feeds[name]
    mapping = compiler.load(feed.mapping.replace("/", "."))
    path = loader.FOLDER / f"{source_id}.yaml"
    found = [(("feeds", name, *place), message) for place, message in faults(feed, mapping)]
    if found:
        raise declared.read(path).errors(found).at(source=source_id, feed=feed.id)


def faults(feed: Feed, mapping: Mapping) -> Iterator[tuple[declared.Place, str]]:
    """Places beneath the feed, and what does not agree there."""
    if mapping.feed != feed.id:
        yield ("mapping",), f"mappings/{feed.mapping}.yaml is of feed {mapping.feed}, not of {feed.id}"
        return
    if feed.contract == "auto" and raw.find(feed.id) is None:
        yield ("contract",), f"is not pinned yet: onemap source pin {feed.id.partition('.')[0]}"
        return
    used = {paths.base(name).casefold() for name in mapping.declaration.columns}
    known = {name.casefold(): name for name in mapping.contract.columns}
    own = raw.find(feed.id) is None and mapping.declaration.ignore == REST
    for number, column in enumerate(feed.key):
        if column.casefold() not in (used if own else known):
            what = "the mapping uses no column" if own else "the contract has no column"
            yield ("key", number), f"{what} {column}{declared.suggestion(column, known.values())}"
    keyed = sorted({paths.base(name) for part in mapping.declaration.key for name in part.columns}, key=str.casefold)
    if {name.casefold() for name in keyed} != {name.casefold() for name in feed.key}:
        yield ("key",), f"the mapping's key is of {', '.join(keyed)}: rows are counted by the one, stored by the other"
    needed = {*(name.casefold() for name in feed.key), getattr(feed.cursor, "column", "").casefold()}
    for number, column in enumerate(feed.options.get("exclude") or ()):
        if str(column).casefold() in needed:
            yield ("options", "exclude", number), f"{column} is of the key or the increment, and cannot be left out"
    if feed.cursor.kind == "window" and not own and feed.cursor.column.casefold() not in known:
        yield (
            ("cursor", "column"),
            f"the contract has no column {feed.cursor.column}{declared.suggestion(feed.cursor.column, known.values())}",
        )
    targets = {block.entity for block in mapping.declaration.entities}
    for number, word in enumerate(feed.rhythm.time):
        entity, dot, column = word.partition(".")
        if not dot and word in _WORDS:
            continue
        if entity not in targets:
            yield (
                ("rhythm", "time", number),
                f"the mapping makes no rows of {entity or word}{declared.suggestion(entity, targets)}",
            )
        elif (kind := entities.load(entity).columns.get(column)) is None or kind.type not in ("timestamp", "date"):
            yield (
                ("rhythm", "time", number),
                f"{entity} has no time {column}{declared.suggestion(column, entities.load(entity).columns)}",
            )
