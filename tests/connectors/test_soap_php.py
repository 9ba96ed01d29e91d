"""The SOAP connector against PHP's SoapServer, in both dialects: another's WSDL, security, faults, paging."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import Payload, Proof, Window
from connectors.endpoint import Endpoint
from connectors.protocols.soap import Soap
from core.errors import AuthenticationError, ConfigurationError, TransientError
from sources.declaration import Feed, FullCursor, WindowCursor
from tests.connectors import php
from tests.connectors.declarations import source

pytestmark = pytest.mark.server
PASSWORD = "口令pass"
CASES = {
    "answer": "document",
    "operation": "queryCases",
    "parameters": {"begin": "beginTime", "end": "endTime", "page": "pageNo", "size": "pageSize"},
    "size": 20,
    "record": "CASE",
    "nested": ["SPHJ", "CL"],
}
PROJECTS = {
    "answer": "array",
    "operation": "getProjects",
    "parameters": {"begin": "beginDate", "end": "endDate", "start": "start", "count": "count"},
    "size": 100,
}


@pytest.fixture(scope="module")
def server(need, tmp_path_factory) -> Iterator[tuple[int, Path]]:
    state = tmp_path_factory.mktemp("state")
    with php.serve(need("php", "php-cli"), state, tmp_path_factory.mktemp("log") / "php.log") as port:
        yield port, state


@pytest.fixture
def site(server) -> tuple[int, Path]:
    port, state = server
    for file in state.iterdir():
        file.unlink()
    cases = [
        {
            "YWLSH": f"NR{n:04d}",
            "SXMC": "建设用地规划许可 <核发> & 其他",
            "SLSJ": "2026-01-01 09:00:00",
            "SPHJ": [{"SPHJMC": "受理", "SPRXM": "李"}, {"SPHJMC": "审核", "SPRXM": "王"}][: n % 3],
            "GXSJ": f"2026-01-{1 + n // 24:02d} {n % 24:02d}:00:00",
            "CL": [{"CLMC": "申请表", "CLLX": "电子"}],
        }
        for n in range(90)
    ]
    (state / "cases.json").write_text(json.dumps(cases))
    projects = [
        {
            "projectCode": f"P{n:04d}",
            "projectName": f"项目{n}",
            "totalInvest": "12,345.60",
            "filingDate": "2024-05-06",
            "place": None,
        }
        for n in range(230)
    ]
    (state / "projects.json").write_text(json.dumps(projects))
    return port, state


def document(port: int, password: str = PASSWORD, **options) -> tuple[Soap, Feed]:
    feed = Feed(
        id="x.cases",
        name="x",
        mapping="x",
        cursor=WindowCursor(kind="window", column="GXSJ"),
        key=["YWLSH"],
        options={**CASES, **options},
    )
    declared = source("x", "soap", {"cases": feed}, security="digest", http={"first": 0.01, "attempts": 4})
    extra = {"wsdl": "/soap_document.php?wsdl"}
    return Soap(declared, Endpoint("d", "http", f"http://127.0.0.1:{port}", None, "hub", password, extra=extra)), feed


def encoded(port: int, **options) -> tuple[Soap, Feed]:
    feed = Feed(
        id="y.projects",
        name="y",
        mapping="y",
        cursor=FullCursor(kind="full"),
        key=["projectCode"],
        options={**PROJECTS, **options},
    )
    declared = source(
        "y", "soap", {"projects": feed}, wsdl="/soap_encoded.php?wsdl", http={"first": 0.01, "attempts": 4}
    )
    return Soap(declared, Endpoint("d", "http", f"http://127.0.0.1:{port}", None, "hub", PASSWORD)), feed


def read(connector: Soap, feed: Feed, window: Window | None = None) -> tuple[list[dict], list, Proof]:
    """Rows, rejects and proof of a whole fetch."""
    rows, rejects, proof = [], [], None
    for part in connector.fetch(feed, window or Window(full=True), None):
        if isinstance(part, Payload):
            for batch in connector.decode(feed, part):
                rows += batch.rows.to_pylist()
                rejects += batch.rejects
        else:
            assert proof is None
            proof = part
    return rows, rejects, proof


def test_document_is_read_whole_through_another_namespace_port_and_result(site):
    connector, feed = document(site[0])
    rows, rejects, proof = read(connector, feed)
    assert sorted(row["YWLSH"] for row in rows) == [f"NR{n:04d}" for n in range(90)]
    assert proof.complete and proof.claimed == proof.distinct == 90 and not rejects and not proof.issues
    assert rows[1]["SXMC"] == "建设用地规划许可 <核发> & 其他"
    assert json.loads(rows[1]["SPHJ"]) == [{"SPHJMC": "受理", "SPRXM": "李"}]
    assert rows[0]["SPHJ"] is None and rows[1]["_place"] == "CASE 2"
    assert [line.ok for line in connector.check()] == [True, True]


def test_window_is_half_open(site):
    connector, feed = document(site[0])
    rows, _, proof = read(connector, feed, Window(datetime(2026, 1, 2), datetime(2026, 1, 3)))
    assert len(rows) == 24 and rows[0]["GXSJ"] == "2026-01-02 00:00:00" and proof.complete


def test_details_bring_the_materials(site):
    connector, feed = document(site[0], detail={"operation": "getCaseDetail", "parameter": "YWLSH"})
    rows, _, proof = read(connector, feed, Window(datetime(2026, 1, 2), datetime(2026, 1, 3)))
    assert len(rows) == 24 and proof.complete
    assert json.loads(rows[0]["CL"]) == [{"CLMC": "申请表", "CLLX": "电子"}]


def test_busy_is_tried_again_with_a_new_nonce(site):
    connector, feed = document(site[0])
    (site[1] / "Busy").write_text("2")
    assert len(read(connector, feed)[0]) == 90
    assert len(list(site[1].glob("nonce-*"))) == 7  # five pages and two refusals, each with its own


def test_timeout_restarts_in_smaller_pages(site):
    connector, feed = document(site[0])
    (site[1] / "slow_above").write_text("7")
    rows, _, proof = read(connector, feed)
    assert {row["YWLSH"] for row in rows} == {f"NR{n:04d}" for n in range(90)}
    assert proof.complete and [issue.code for issue in proof.issues] == ["page_too_slow"]


def test_timeout_that_no_page_escapes_is_transient(site):
    connector, feed = document(site[0])
    (site[1] / "Timeout").write_text("99")
    with pytest.raises(TransientError):
        read(connector, feed)


def test_wrong_password_is_not_tried_again(site):
    connector, feed = document(site[0], password="wrong")
    with pytest.raises(AuthenticationError) as caught:
        read(connector, feed)
    assert caught.value.code == "Client.Auth" and (site[1] / "calls").read_text().count("\n") == 1
    assert not connector.check()[1].ok


def test_clock_five_minutes_off_is_corrected_once_by_the_date_header(site, monkeypatch):
    from connectors.protocols import soap

    class Behind(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(minutes=6)

    monkeypatch.setattr(soap, "datetime", Behind)
    connector, feed = document(site[0])
    rows, _, proof = read(connector, feed)
    assert len(rows) == 90 and proof.complete
    assert (site[1] / "calls").read_text().count("\n") == 6  # refused once, then five pages


def test_clock_of_the_source_alone_off_ends_as_authentication_error(site):
    (site[1] / "ahead").write_text("900")  # checks against another clock than its Date header shows
    connector, feed = document(site[0])
    with pytest.raises(AuthenticationError):
        read(connector, feed)
    assert (site[1] / "calls").read_text().count("\n") == 1


def test_redirected_wsdl_is_followed_and_moved_wsdl_says_what_to_do(site):
    (site[1] / "redirect").touch()
    connector, feed = document(site[0])
    assert len(read(connector, feed)[0]) == 90
    (site[1] / "moved").touch()
    connector, feed = document(site[0])
    with pytest.raises(ConfigurationError) as caught:
        read(connector, feed)
    assert caught.value.code == "wsdl_moved" and "extra.wsdl" in caught.value.remedy


def test_oversized_page_is_our_fault(site):
    connector, feed = document(site[0], size=500)
    with pytest.raises(ConfigurationError) as caught:
        read(connector, feed)
    assert caught.value.code == "Client.Param"


def test_encoded_list_is_read_to_its_empty_end(site):
    connector, feed = encoded(site[0])
    rows, _, proof = read(connector, feed)
    assert {row["projectCode"] for row in rows} == {f"P{n:04d}" for n in range(230)}
    assert proof.complete and proof.distinct == 230
    assert rows[0]["totalInvest"] == "12,345.60" and rows[0]["place"] is None
    assert [line.ok for line in connector.check()] == [True, True]


def test_encoded_list_may_end_nil_be_capped_hold_nils_and_references(site):
    port, state = site
    projects = json.loads((state / "projects.json").read_text())
    for place in (5, 6, 40, 99, 100, 101, 234, 235):
        projects.insert(place, None)
    (state / "projects.json").write_text(json.dumps(projects))
    for file, text in (("nil_end", ""), ("cap", "37"), ("twice", "")):
        (state / file).write_text(text)
    rows, _, proof = read(*encoded(port))
    assert {row["projectCode"] for row in rows} == {f"P{n:04d}" for n in range(230)}
    assert all(row["projectName"] and row["totalInvest"] == "12,345.60" for row in rows)
    assert proof.complete and proof.distinct == 230


def test_server_exception_is_tried_again_unless_it_is_about_parameters(site):
    (site[1] / "Busy").write_text("2")
    assert len(read(*encoded(site[0]))[0]) >= 230
    with pytest.raises(ConfigurationError) as caught:
        read(*encoded(site[0], size=101))
    assert caught.value.code == "Server.userException"
