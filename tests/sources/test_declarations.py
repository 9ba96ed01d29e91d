"""The fifteen declarations: they load, name real mappings and keys, and their connectors accept them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import connectors
from connectors import PROTOCOLS, database, file_drop
from connectors.endpoint import Endpoint
from core.errors import ConfigurationError
from mappings import compiler
from schemas import raw
from sources import loader
from tests.schemas.test_model import feeds_of_the_architecture

CONNECTIONS = {
    "p_gateway",
    "p_tables",
    "m_tables",
    "d_housing",
    "m_api",
    "d_land",
    "d_reform",
    "d_drop",
    "s_wfs",
    "s_features",
    "s_stac",
    "s_readings",
    "s_mqtt",
}
FEEDS = [feed for source in loader.load_all().values() for feed in source.feeds.values()]


def test_the_fifteen_sources() -> None:
    assert loader.names() == sorted(
        ["p1", "p2", "p3", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3", "s4", "s4_mqtt"]
    )
    assert {feed.id for feed in FEEDS} == feeds_of_the_architecture()
    assert {source.connection for source in loader.load_all().values()} == CONNECTIONS
    assert {source.protocol for source in loader.load_all().values()} == set(PROTOCOLS)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.id)
def test_a_feed_names_its_mapping_its_keys_and_its_increment(feed) -> None:
    contract = raw.contract(feed.id)
    assert feed.mapping == feed.id.replace(".", "/")
    assert compiler.load(feed.id).feed == feed.id
    assert set(feed.key) <= contract.columns.keys()
    if feed.cursor.kind == "window":
        assert feed.cursor.column in contract.columns
        if contract.time and feed.id != "s3.scene":  # STAC searches by datetime, its rows are ordered by updated
            assert feed.cursor.column == contract.time


@pytest.mark.parametrize("source", loader.names())
def test_a_declaration_is_short_and_holds_no_secret_or_address(source: str) -> None:
    text = (loader.FOLDER / f"{source}.yaml").read_text("utf-8")
    assert len(text.splitlines()) <= 80
    assert "://" not in text and "password" not in text.lower()


@pytest.mark.parametrize("source", loader.load_all().values(), ids=lambda source: source.source)
def test_its_connector_accepts_it(source) -> None:
    """Made without a network; options are checked by the connector, and stand in its documentation."""
    endpoint = Endpoint(
        conn_id=source.connection,
        conn_type="generic" if source.protocol in ("database", "mqtt") else "http",
        host="localhost",
        login="reader",
        password="not-a-secret",
        extra={"url": "mysql+pymysql://localhost/x", "host_key": "ssh-ed25519 AAAA"},
    )
    made = connectors.connector(source, endpoint)
    module = sys.modules[type(made).__module__]
    checks = {"database": database.FeedOptions, "file_drop": file_drop.FeedOptions}.get(source.protocol)
    for feed in source.feeds.values():
        if checks:
            checks.model_validate(feed.options)
        for name in (*feed.options, *source.options):
            assert f"{name}:" in module.__doc__, f"{source.protocol} has no option {name}"
    made.close()


def test_absence_is_believed_only_of_full_listings() -> None:
    assert {feed.id for feed in FEEDS if feed.absence} == {"s1.parcel", "s1.redline", "d2.projects"}
    assert all(feed.cursor.kind == "full" for feed in FEEDS if feed.absence)


def test_lags_are_those_of_the_wires() -> None:
    """source-systems.md: ten minutes by the source's clock on P1, P3, M2, D1, D3, and ours may differ by as much; 90 days on S2, 30 on S3."""
    for feed in FEEDS:
        if feed.cursor.kind == "window":
            days = {"s2.change": 90, "s3.scene": 30}.get(feed.id)
            minutes = 10 if feed.id.startswith("m1.") else 20
            assert feed.cursor.lag.total_seconds() == (days * 86400 if days else minutes * 60), feed.id


def test_a_feed_by_its_id() -> None:
    assert loader.feed("m2.bj").cursor.column == "INSERTIME"
    with pytest.raises(ConfigurationError, match="has no feed 'nothing'"):
        loader.feed("m2.nothing")
    with pytest.raises(ConfigurationError, match="no source 'x9'"):
        loader.load("x9")


def test_a_wrong_declaration_is_told_with_file_and_line(tmp_path: Path) -> None:
    text = (
        (loader.FOLDER / "p1.yaml")
        .read_text("utf-8")
        .replace("kind: window", "kind: never", 1)
        .replace("promise: PT2H", "promise: soon")
    )
    path = tmp_path / "p1.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        loader.read(path)
    lines = text.splitlines()
    promise = next(n for n, line in enumerate(lines, 1) if line.startswith("promise"))
    cursor = next(n for n, line in enumerate(lines, 1) if "never" in line)
    assert f"p1.yaml:{promise}: promise" in caught.value.message
    assert f"p1.yaml:{cursor}: feeds.project_filing.cursor" in caught.value.message


def test_the_file_has_the_name_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "p9.yaml"
    path.write_text((loader.FOLDER / "p1.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigurationError, match=r"p9\.yaml:1: source: must be the file's name"):
        loader.read(path)
