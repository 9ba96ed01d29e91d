"""The fifteen declarations: they load, name real mappings and keys, and their connectors accept them."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

import connectors
from connectors import PROTOCOLS
from connectors.endpoint import Endpoint
from core import declared
from core.clock import SHANGHAI
from core.errors import ConfigurationError
from core.settings import ROOT
from mappings import compiler
from sources import loader, options, published
from sources.options.base import FeedOptions
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
    assert {"p1", "p2", "p3", "m1", "m2", "d1", "d2", "d3", "d4", "d5", "s1", "s2", "s3", "s4", "s4_mqtt"} <= set(
        loader.names()
    )
    assert {feed.id for feed in FEEDS} >= feeds_of_the_architecture()
    assert {source.connection for source in loader.load_all().values()} >= CONNECTIONS
    assert set(options.PROTOCOLS) == set(PROTOCOLS)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.id)
def test_a_feed_names_its_mapping_its_keys_and_its_increment(feed) -> None:
    contract = compiler.load(feed.id).contract
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
    assert "://" not in text and "password" not in text.lower()


@pytest.mark.parametrize("source", loader.load_all().values(), ids=lambda source: source.source)
def test_its_connector_accepts_it(source) -> None:
    """Made without a network."""
    endpoint = Endpoint(
        conn_id=source.connection,
        conn_type="generic" if source.protocol in ("database", "mqtt") else "http",
        host="localhost",
        login="reader",
        password="not-a-secret",
        extra={"url": "mysql+pymysql://localhost/x", "host_key": "ssh-ed25519 AAAA"},
    )
    connectors.connector(source, endpoint).close()


def test_absence_is_believed_only_of_full_listings() -> None:
    assert {feed.id for feed in FEEDS if feed.absence} >= {"s1.parcel", "s1.redline", "d2.projects"}
    assert all(feed.cursor.kind == "full" for feed in FEEDS if feed.absence)


def test_lags_are_those_of_the_wires() -> None:
    """source-systems.md: ten minutes by the source's clock on P1, P3, M2, D1, D3, and ours may differ by as much; 90 days on S2, 30 on S3."""
    for feed in FEEDS:
        if feed.cursor.kind == "window" and feed.id in feeds_of_the_architecture():
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


P1 = (loader.FOLDER / "p1.yaml").read_text("utf-8")
M1 = (loader.FOLDER / "m1.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    "text, old, new, said",
    [
        (
            P1,
            "protocol: signed_rest",
            "protocol: signd_rest",
            "protocol: no protocol 'signd_rest'; did you mean signed_rest?",
        ),
        (P1, 'schedule: "', 'schedule: "99 ', "schedule: '99"),
        (P1, "promise: PT2H", "promise: PT0S", "promise: must be longer than nothing"),
        (P1, "parallel: 2", "parallel: 0", "parallel: Input should be greater"),
        (P1, "promise: PT2H", "promise: PT2H\nquota: often", "quota: String should match"),
        (P1, "promise: PT2H", "promise: PT2H\nreconsile: null", "reconsile: no such key, did you mean reconcile?"),
        (P1, "mapping: p1/enterprise", "mapping: p1/entreprise", "there is no mappings/p1/entreprise.yaml"),
        (P1, "key: [uscc]", "key: []", "feeds.enterprise.key: List should have at least 1"),
        (P1, "key: [uscc]", "key: [uscc, USCC]", "feeds.enterprise.key: names a column twice"),
        (P1, "key: [uscc]", "key: [uscc]\n    absence: true", "absence: true needs cursor kind full"),
        (
            P1,
            "key: [uscc]",
            "key: [uscc]\n    max_rejected: 20",
            "max_rejected: Input should be less than or equal to 1",
        ),
        (P1, "service: enterprise", "servise: enterprise", "options.servise: no such key, did you mean service?"),
        (P1, "service: enterprise", "service: enterprise, page_size: 0", "options.page_size: Input should be greater"),
        (M1, "auth: {", "auht: {", "options.auht: no such key, did you mean auth?"),
        (M1, "kind: oauth", "kind: oauht", "options.auth: "),
        (M1, "token: /oauth/token", "tokn: /oauth/token", "options.auth.tokn: no such key, did you mean token?"),
        (
            M1,
            "paging: {kind: cursor, size: 200}, etag",
            "paging: {kind: cursor, nxt: a}, etag",
            "options.paging.nxt: no such key, did you mean next?",
        ),
        (M1, "path: /api/v1/items", "path: 'https://elsewhere/items'", "options.path: is an address"),
        (M1, "token: /oauth/token", "token: /oauth/token, client_secret: abc", "client_secret"),
    ],
)
def test_each_wrong_declaration_is_refused_with_file_line_and_what_was_meant(tmp_path, text, old, new, said) -> None:
    assert text.count(old) >= 1, old
    name = "p1" if text is P1 else "m1"
    path = tmp_path / f"{name}.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        loader.read(path)
    assert said in caught.value.message, caught.value.message
    assert f"{name}.yaml:" in caught.value.message


@pytest.mark.parametrize(
    "value",
    [
        "http://reader:hunter2@db.example/x",
        "Bearer abcdefghijk",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
        "-----BEGIN RSA PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    ],
)
def test_what_looks_like_a_secret_is_refused_wherever_it_stands(tmp_path, value) -> None:
    path = tmp_path / "m1.yaml"
    path.write_text(M1.replace("path: /api/v1/items", f"path: /api/v1/items, headers: {{X-App: '{value}'}}"), "utf-8")
    with pytest.raises(ConfigurationError, match=r"options\.headers\.X-App: looks like .*Connection"):
        loader.read(path)


def test_the_published_schema_knows_the_options_of_each_protocol() -> None:
    checker = jsonschema.Draft202012Validator(published.schema("source"))

    def faults(text: str) -> list[str]:
        return [fault.message for fault in checker.iter_errors(json.loads(json.dumps(yaml.safe_load(text))))]

    for name in loader.names():
        path = loader.FOLDER / f"{name}.yaml"  # as editors and the loader read it: a column may be called no
        assert [fault.message for fault in checker.iter_errors(declared.read(path).data)] == []
    assert faults(M1.replace("kind: cursor", "kind: curser")) and faults(
        P1.replace("service: enterprise", "servise: x")
    )


def test_every_declaration_names_its_schema_for_editors() -> None:
    for path in (
        *loader.FOLDER.glob("*.yaml"),
        *(ROOT / "mappings").glob("*/*.yaml"),
        *(ROOT / "schemas/entities").glob("*.yaml"),
    ):
        first = path.read_text("utf-8").partition("\n")[0]
        assert first.startswith("# yaml-language-server: $schema="), path
        assert (path.parent / first.partition("=")[2]).resolve().exists(), path


def test_the_file_has_the_name_of_the_source(tmp_path: Path) -> None:
    path = tmp_path / "p9.yaml"
    path.write_text((loader.FOLDER / "p1.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigurationError, match=r"p9\.yaml:2: source: must be the file's name"):
        loader.read(path)


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14"])  # 20 hours behind the city, 6 hours ahead of it
def test_what_is_future_is_so_by_the_citys_day_whatever_the_machines(monkeypatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        today = datetime.now(SHANGHAI).date()
        assert FeedOptions(first=today).first == today
        with pytest.raises(ValidationError, match="future"):
            FeedOptions(first=today + timedelta(days=1))
    finally:
        monkeypatch.undo()
        time.tzset()
