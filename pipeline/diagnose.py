"""Reach a source and say line by line what holds: ``onemap source check`` and Airflow's "Test" button."""

from __future__ import annotations

from connectors.base import CheckLine
from core.errors import OneMapError
from pipeline import registry
from quality import suites


def check(source_id: str) -> list[CheckLine]:
    """What was tried, whether it held, and what to do when not; the declaration and its mappings first.

    :raises ConfigurationError: there is no such source.
    """
    if wrong := registry.broken().get(source_id):
        return [CheckLine.failed("声明 declaration", wrong)]
    source = registry.source(source_id)
    lines = []
    for feed in registry.feeds(source):
        try:
            registry.mapping(feed)
            registry.feed(feed.id)
            suites.feed(feed.id)
        except OneMapError as error:
            lines.append(CheckLine(f"mapping {feed.mapping}", False, error.message, error.remedy))
    try:
        connector = registry.connector(source)
    except OneMapError as error:
        return [*lines, CheckLine(f"connection {source.connection}", False, error.message, error.remedy)]
    try:
        return [*lines, *connector.check()]
    finally:
        connector.close()
