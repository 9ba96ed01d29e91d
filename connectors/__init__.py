"""How to talk: one module a protocol, and what they share.

    base        the contract of a connector: Connector, Payload, Proof, Batch
    endpoint    where a source is and with which secrets (an Airflow Connection)
    window, planning, limits    the part of a feed that is read, what of it is still to be read, what a payload may cost
    protocols/  one connector a module: what a source names in ``protocol``
    soap/       what stands in a SOAP message
    paging/     listings of many pages, read whole, with proof
    transports/ the wire: HTTP (signing, retries, quotas), file stores, SQL servers, MQTT brokers
    decoders/   bytes to columns, within the limits of ``limits``

Imports go from a line to one below it, never up (``onemap lint --only architecture``). :data:`PROTOCOLS` says which class speaks the
protocol that a source names; it is imported when it is asked for.
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
    "signed_rest": "connectors.protocols.signed_rest:SignedRest",
    "signed_files": "connectors.protocols.signed_files:SignedFiles",
    "rest": "connectors.protocols.rest:Rest",
    "ogc_features": "connectors.protocols.ogc_features:OgcFeatures",
    "stac": "connectors.protocols.stac:Stac",
    "mqtt": "connectors.protocols.mqtt:Mqtt",
    "soap": "connectors.protocols.soap:Soap",
    "database": "connectors.protocols.database:Database",
    "file_drop": "connectors.protocols.file_drop:FileDrop",
    "wfs": "connectors.protocols.wfs:Wfs",
    "singer": "connectors.protocols.singer:Singer",
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
