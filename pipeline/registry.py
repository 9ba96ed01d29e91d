"""Where the pipeline gets what a feed needs: its declaration, mapping and connector."""

from __future__ import annotations

import secrets

from connectors import connector as make
from connectors.base import Connector
from connectors.endpoint import Endpoint, resolve
from core.errors import ConfigurationError
from mappings import compiler
from mappings.compiler import Mapping
from sources import agreement, loader
from sources.declaration import Feed, Source


def source(source_id: str) -> Source:
    """:raises ConfigurationError: there is no such source, or its declaration is wrong."""
    return loader.load(source_id)


def sources() -> list[Source]:
    """Every declared source that can be used, by name."""
    return list(loader.load_all().values())


def broken() -> dict[str, ConfigurationError]:
    """Declarations that cannot be used, by the file's name, and why."""
    return loader.broken()


def feed(feed_id: str) -> tuple[Source, Feed]:
    """:raises ConfigurationError: there is no such feed, or declaration, mapping and contract do not agree."""
    found = loader.load(feed_id.partition(".")[0]), loader.feed(feed_id)
    agreement.hold(*feed_id.split(".", 1))
    return found


def draft(feed_id: str) -> tuple[Source, Feed]:
    """The same of a declaration whose guesses are not all decided. :raises ConfigurationError: there is no such feed."""
    declared = loader.draft(feed_id.partition(".")[0])
    return declared, feeds(declared, [feed_id])[0]


def feeds(of: Source, wanted: list[str] | None = None) -> list[Feed]:
    """The feeds of a source in the order of their declaration, or those wanted, named with or without their source.

    :raises ConfigurationError: one that is wanted is not declared.
    """
    if not wanted:
        return list(of.feeds.values())
    chosen = []
    for name in wanted:
        short = name.removeprefix(f"{of.source}.")
        if short not in of.feeds:
            raise ConfigurationError(
                f"source {of.source} has no feed {name!r}",
                remedy=f"one of {', '.join(of.feeds)}",
                zh=f"数源 {of.source} 没有数据流 {name}。",
                source=of.source,
            )
        chosen.append(of.feeds[short])
    return chosen


def mapping(of: Feed) -> Mapping:
    """The feed's mapping, compiled. :raises ConfigurationError: there is none, or it is wrong."""
    return compiler.load(of.mapping.replace("/", "."))


def connector(of: Source) -> Connector:
    """A connector of the source, to be closed. :raises ConfigurationError: its Connection is missing or wrong."""
    return make(of, resolve(of.connection))


def decoder(of: Source) -> Connector:
    """A connector that decodes what the archive holds, to be closed. Without a Connection it has an address that leads
    nowhere: a store is made again where no source can be reached."""
    try:
        return connector(of)
    except ConfigurationError:
        return unconnected(of)


def unconnected(of: Source) -> Connector:
    """A connector that has no Connection and needs none to decode, to be closed."""
    nobody = secrets.token_hex(8)
    return make(of, Endpoint(of.connection, of.protocol, "https://archive.invalid", login=nobody, password=nobody))
