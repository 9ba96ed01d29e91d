"""The options of every protocol as models: what a declaration may say, and its JSON Schema.

:data:`PROTOCOLS` has the two models of each protocol, of a source and of its feeds. A declaration is checked against
them where it is loaded (``sources/loader.py``), with file and line; a connector gets its options by :func:`of_source` and
:func:`of_feed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from core import declared
from core.errors import ConfigurationError
from sources.options import base, database, files, http_services, rest, singer, soap

if TYPE_CHECKING:
    from sources.declaration import Feed, Source


@dataclass(frozen=True, slots=True)
class Options:
    """The models of one protocol, a feed's may be a union; ``cursors``: the kinds by which its connector reads on."""

    source: TypeAdapter[Any]
    feed: TypeAdapter[Any]
    cursors: tuple[str, ...]


def _of(source: Any, feed: Any, *cursors: str) -> Options:
    return Options(TypeAdapter(source), TypeAdapter(feed), cursors)


PROTOCOLS = {
    "signed_rest": _of(http_services.Services, http_services.SignedRestFeed, "full", "window"),
    "signed_files": _of(http_services.Services, http_services.SignedFilesFeed, "files", "full", "window"),
    "rest": _of(rest.SourceOptions, rest.FeedOptions, "days", "full", "window"),
    "ogc_features": _of(http_services.Services, http_services.OgcFeaturesFeed, "full", "window"),
    "stac": _of(http_services.Services, http_services.StacFeed, "full", "window"),
    "mqtt": _of(base.SourceOptions, http_services.MqttFeed, "stream"),
    "soap": _of(soap.SourceOptions, soap.Feed, "full", "window"),
    "database": _of(database.SourceOptions, database.FeedOptions, "full", "window"),
    "file_drop": _of(base.SourceOptions, files.FeedOptions, "files"),
    "wfs": _of(http_services.Services, http_services.WfsFeed, "full"),
    "singer": _of(singer.SourceOptions, singer.FeedOptions, "files", "full"),
}


def of_source(source: Source) -> Any:
    """The source's options as its protocol's model. :raises ConfigurationError: they are wrong."""
    return _read(PROTOCOLS[source.protocol].source, source.options, source=source.source)


def of_feed(protocol: str, feed: Feed) -> Any:
    """A feed's options as its protocol's model. :raises ConfigurationError: they are wrong."""
    return _read(PROTOCOLS[protocol].feed, feed.options, source=feed.id.partition(".")[0], feed=feed.id)


def faults(model: TypeAdapter[Any], given: dict[str, Any]) -> list[tuple[declared.Place, str]]:
    """Places in the options and what is wrong there; [] where nothing is."""
    try:
        model.validate_python(given)
    except ValidationError as error:
        return declared.faults(error, model, given)
    return []


def _read(model: TypeAdapter[Any], given: dict[str, Any], *, source: str, feed: str | None = None) -> Any:
    try:
        return model.validate_python(given)
    except ValidationError as error:
        found = [(declared.dotted(place), message) for place, message in declared.faults(error, model, given)]
        result = "; ".join(f"options.{name}: {message}" if name else f"options: {message}" for name, message in found)
        raise ConfigurationError(
            result,
            remedy=f"correct sources/{source}.yaml; schemas/source.schema.json lists the options by protocol",
            zh=f"{feed or source} 的声明有误：{result}",
            source=source,
            feed=feed,
            field=f"options.{found[0][0]}".rstrip("."),
        ) from error
