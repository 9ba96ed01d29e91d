"""Reads ``sources/*.yaml``; the model is :mod:`sources.declaration`, a protocol's options :mod:`sources.options`.

One bad declaration costs its own source alone: :func:`load_all` has the good ones, :func:`broken` the others, each with
what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT
from sources import options, secrets
from sources.declaration import Feed, Source

FOLDER = ROOT / "sources"
MAPPINGS = ROOT / "mappings"


def read(path: Path, *, undecided: bool = False) -> Source:
    """One file, its feeds' ids filled in. ``undecided``: a draft too, whose mappings need not be there.

    :raises ConfigurationError: every fault with file and line.
    """
    document = declared.read(path)
    source = declared.build(document, Source, undecided=undecided)
    found = [
        *_names(source, path, mappings=not undecided),
        *_options(source),
        *_together(source),
        *secrets.find(document.data),
    ]
    if found:
        raise document.errors(found)
    feeds = {name: feed.model_copy(update={"id": f"{source.source}.{name}"}) for name, feed in source.feeds.items()}
    return source.model_copy(update={"feeds": feeds})


@cache
def load(source: str) -> Source:
    """:raises ConfigurationError: there is no such source, or its file is wrong."""
    try:
        return read(declared.file(FOLDER, source, "source", "数源"))
    except ConfigurationError as error:
        error.at(source=source)
        raise


def names() -> list[str]:
    """Ids of all sources, sorted: the files' names, whether or not they can be read."""
    return declared.names(FOLDER)


def load_all() -> dict[str, Source]:
    """Every source by id whose declaration is sound."""
    return declared.load_each(names(), load)[0]


def broken() -> dict[str, ConfigurationError]:
    """What is wrong with each declaration that cannot be used."""
    return declared.load_each(names(), load)[1]


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


def draft(source: str) -> Source:
    """A declaration whose guesses are not all decided yet. :raises ConfigurationError: there is none, or it is wrong."""
    path = FOLDER / f"{source}.yaml"
    return read(path, undecided=True) if path.exists() else load(source)


def _names(source: Source, path: Path, *, mappings: bool) -> Iterator[tuple[declared.Place, str]]:
    """What names something that is not there, or not so."""
    if source.source != path.stem:
        yield ("source",), f"must be the file's name, {path.stem}"
    if source.protocol not in options.PROTOCOLS:
        like = get_close_matches(source.protocol, options.PROTOCOLS, 1)
        meant = f"did you mean {like[0]}?" if like else f"there are {', '.join(options.PROTOCOLS)}"
        yield ("protocol",), f"no protocol {source.protocol!r}; {meant}"
    if not source.feeds:
        yield ("feeds",), "a source has at least one feed"
    for name, feed in source.feeds.items():
        if mappings and not (MAPPINGS / f"{feed.mapping}.yaml").exists():
            yield ("feeds", name, "mapping"), f"there is no mappings/{feed.mapping}.yaml"


def _together(source: Source) -> Iterator[tuple[declared.Place, str]]:
    """What is sound by itself and does not go together."""
    seen: dict[str, str] = {}
    models = options.PROTOCOLS.get(source.protocol)
    for name, feed in source.feeds.items():
        kind = feed.cursor.kind
        if models and kind not in models.cursors:
            yield ("feeds", name, "cursor"), f"{source.protocol} is not read by {kind}: {', '.join(models.cursors)}"
        if feed.mapping in seen:
            yield ("feeds", name, "mapping"), f"is the mapping of {seen[feed.mapping]} too: each feed has its own"
        seen.setdefault(feed.mapping, name)
        text = repr(feed.options)
        listed = source.protocol == "rest" or (source.protocol == "soap" and feed.options.get("answer") == "rows")
        bounded = feed.options.get("since") or feed.options.get("until") or "{since}" in text or "{until}" in text
        if listed and kind == "window" and not bounded:
            yield (
                ("feeds", name, "options"),
                "the cursor is a window, and nothing asks for one: since or until, or {since} in a constant",
            )
        if source.protocol == "rest" and (kind == "days") != bool(feed.options.get("day")):
            yield ("feeds", name, "cursor"), "cursor kind days and options.day, which asks for a day, go together"
        session = source.protocol == "soap" and "{session}" in f"{text}{source.options.get('headers')}"
        if session and not source.options.get("login"):
            yield ("feeds", name, "options"), "{session} stands for what a log-in answers, and options.login is missing"


def _options(source: Source) -> Iterator[tuple[declared.Place, str]]:
    """What is wrong with the options, by the models of the protocol."""
    models = options.PROTOCOLS.get(source.protocol)
    if models is None:
        return
    for place, message in options.faults(models.source, source.options):
        yield ("options", *place), message
    for name, feed in source.feeds.items():
        for place, message in options.faults(models.feed, feed.options):
            yield ("feeds", name, "options", *place), message
