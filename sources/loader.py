"""Reads ``sources/*.yaml``; the model is :mod:`sources.declaration`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT
from sources.declaration import Feed, Source

FOLDER = ROOT / "sources"


def read(path: Path) -> Source:
    """One file, its feeds' ids filled in. :raises ConfigurationError: with file and line."""
    document = declared.read(path)
    source = declared.build(document, Source)
    if source.source != path.stem:
        raise document.error(("source",), f"must be the file's name, {path.stem}")
    feeds = {name: feed.model_copy(update={"id": f"{source.source}.{name}"}) for name, feed in source.feeds.items()}
    return source.model_copy(update={"feeds": feeds})


@cache
def load(source: str) -> Source:
    """:raises ConfigurationError: there is no such source, or its file is wrong."""
    path = FOLDER / f"{source}.yaml"
    if not path.exists():
        raise ConfigurationError(
            f"no source {source!r} in sources/",
            remedy=f"one of {', '.join(names())}",
            zh=f"sources/ 中没有数源 {source}。",
            source=source,
        )
    return read(path)


def names() -> list[str]:
    """Ids of all sources, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_all() -> dict[str, Source]:
    """Every source by id."""
    return {name: load(name) for name in names()}


def feed(feed_id: str) -> Feed:
    """A feed by its id, ``m2.sb``. :raises ConfigurationError: there is none."""
    source, _, name = feed_id.partition(".")
    feeds = load(source).feeds
    if name not in feeds:
        raise ConfigurationError(
            f"source {source} has no feed {name!r}",
            remedy=f"one of {', '.join(feeds)}",
            zh=f"数源 {source} 没有数据资源 {name}。",
            source=source,
        )
    return feeds[name]
