"""How to talk: one module a protocol, and what they share.

:data:`PROTOCOLS` says which class speaks the protocol that a source names; it is imported when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from core.errors import ConfigurationError

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.endpoint import Endpoint
    from sources.declaration import Source

PROTOCOLS = {
    "signed_rest": "connectors.signed_rest:SignedRest",
    "signed_files": "connectors.signed_files:SignedFiles",
    "rest": "connectors.rest:Rest",
    "ogc_features": "connectors.ogc_features:OgcFeatures",
    "stac": "connectors.stac:Stac",
    "mqtt": "connectors.mqtt:Mqtt",
    "soap": "connectors.soap:Soap",
    "database": "connectors.database:Database",
    "file_drop": "connectors.file_drop:FileDrop",
    "wfs": "connectors.wfs:Wfs",
    "singer": "connectors.singer:Singer",
}


def connector(source: Source, endpoint: Endpoint) -> Connector:
    """The connector of a source. :raises ConfigurationError: its protocol is unknown."""
    try:
        module, _, name = PROTOCOLS[source.protocol].partition(":")
    except KeyError:
        raise ConfigurationError(
            f"unknown protocol {source.protocol!r}",
            remedy=f"one of: {', '.join(PROTOCOLS)}",
            zh=f"未知的协议 {source.protocol!r}，可用：{'、'.join(PROTOCOLS)}。",
            source=source.source,
            field="protocol",
        ) from None
    return getattr(import_module(module), name)(source, endpoint)
