"""How to talk: one module a protocol, and what they share.

Protocols, each to the contract of ``base`` with the Connection of ``endpoint`` and the part of a feed of ``window``:
    signed_rest, signed_files (and what both share: gateway), rest, soap, database, file_drop, mqtt, ogc_features, stac, wfs, singer
Read whole, with proof: pages, listing, settling, planning, progress, answers, narrowing
HTTP: http, over_http, signing, oauth, quota, breaker
SOAP: soap_service (the WSDL), soap_message, soap_rows, soap_document, soap_encoded, multipart
Files, databases, messages: stores, sftp; sql_engine, arrow_text; spool, mqtt_publisher
Decoders, each within the limits of ``limits``:
    contents (by kind of file), csv_table, workbook, spreadsheets, cases_xml, redline_txt, archives, xml, jsonrows, json_mending,
    geojson, gml, geometry, charsets, rows

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
