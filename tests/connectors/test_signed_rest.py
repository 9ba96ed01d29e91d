"""P1 against a gateway in JavaScript that keeps to docs/source-systems.md, and its faults."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import datetime

import pytest

from connectors import connector
from connectors.transports.signing import signature
from connectors.window import Window
from core.errors import AuthenticationError, ConfigurationError, Fault, OneMapError, TransientError
from sources.declaration import WindowCursor
from tests.connectors.contract import Case, Contract, read
from tests.connectors.gateway_node import PAASID, TOKEN, serve
from tests.connectors.http_cases import FAST, endpoint, feed, source

FEED = feed(
    "project_filing", ["id"], WindowCursor(kind="window", column="updateTime"), service="project_filing", page_size=10
)
WINDOW = Window(datetime(2026, 1, 1), datetime(2026, 2, 1))


def rows(count: int) -> list[dict]:
    return [
        {
            "id": f"f{n:03d}",
            "projectName": f"东莞市第{n}个项目",
            "totalInvest": 1.10 if n % 2 else "1.10",
            "updateTime": f"2026-01-{n % 28 + 1:02d} 08:00:00",
        }
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def gateway(need):
    with serve(need("node", "nodejs")) as server:
        yield server


def make(gateway, token: str = TOKEN, **extra):
    return connector(
        source("signed_rest", FEED, http=FAST | {"attempts": 4}), endpoint(gateway.url, PAASID, token, **extra)
    )


def keys(count: int) -> set:
    return {(f"f{n:03d}",) for n in range(count)}


@pytest.mark.server
class TestContract(Contract):
    @pytest.fixture(params=[Window(full=True), WINDOW], ids=str)
    def case(self, gateway, request):
        gateway.set(rows={"project_filing": rows(25)})

        @contextmanager
        def failing():
            gateway.set(rows={"project_filing": rows(25)}, faults=[{"kind": "html", "skip": 1, "times": 50}])
            yield
            gateway.set(rows={"project_filing": rows(25)})

        return Case(lambda: make(gateway), FEED, keys(25), request.param, failing, secrets=(TOKEN,))


def test_the_signature_is_that_of_the_test_vector():
    wanted = "45d752bc3cb11538c1aca925d6db037c6ca658066d6cf0215d68cba54715b96f"
    assert signature("demo-token-not-real", "1700000000", "18bcfe56800-a1b2c3") == wanted


def test_the_header_prefix_is_a_setting(need):
    with serve(need("node", "nodejs"), prefix="x-rio") as server:
        server.set(rows={"project_filing": rows(3)})
        assert read(make(server, header_prefix="x-rio"), FEED, WINDOW).proof.complete
        with pytest.raises(AuthenticationError, match="不完整"):
            make(server).gateway.page("/ebus/project_filing/query", {}, ["id"], 1, 10)


def test_the_window_is_sent_as_written_and_numbers_keep_their_text(gateway):
    gateway.set(rows={"project_filing": rows(2)})
    reading = read(make(gateway), FEED, WINDOW)
    assert gateway.log()[0]["body"] == {
        "pageNumber": 1,
        "pageSize": 10,
        "updatedFrom": "2026-01-01 00:00:00",
        "updatedTo": "2026-02-01 00:00:00",
    }
    assert reading.rows.column("totalInvest").to_pylist() == ["1.10", "1.1"], "JSON.stringify writes 1.1"
    assert reading.payloads[0].facts["total"] == 2
    assert reading.payloads[0].request["json"]["pageNumber"] == 1


def test_an_empty_window_is_empty_only_with_a_total_of_nought(gateway):
    gateway.set(rows={"project_filing": []})
    reading = read(make(gateway), FEED, WINDOW)
    assert reading.proof.complete and reading.proof.claimed == 0 and reading.rows.num_rows == 0
    lie = {"errcode": "0", "data": {"code": "0", "status": 200, "data": {"list": [], "totalPage": 3, "totalRow": "25"}}}
    gateway.set(rows={"project_filing": rows(25)}, faults=[{"body": lie, "times": 2}])
    assert read(make(gateway), FEED, WINDOW).keys(["id"]) == keys(25)
    gateway.set(faults=[{"body": lie, "times": 99}])
    assert read(make(gateway), FEED, WINDOW).error.fault is Fault.TRANSIENT


@pytest.mark.parametrize("end", [None, datetime(2026, 2, 1)])
def test_rows_that_shift_while_paging_are_not_lost(gateway, end):
    window = Window(datetime(2026, 1, 1), end)
    late = {"id": "late", "updateTime": "2026-01-20 08:00:00"}
    gateway.set(
        rows={"project_filing": rows(25)},
        after=[
            {"call": 1, "service": "project_filing", "touch": "f000", "set": {"updateTime": "2026-03-01 08:00:00"}},
            {"call": 2, "service": "project_filing", "touch": "f001", "set": {"updateTime": "2026-03-01 08:00:01"}},
            {"call": 2, "service": "project_filing", "add": late},
        ],
    )
    reading = read(make(gateway), FEED, window)
    assert reading.proof.complete
    assert reading.keys(["id"]) == keys(25) | {("late",)}


def test_rows_without_a_key_do_not_keep_a_listing_from_settling(gateway):
    keyless = [{"id": None, "projectName": name, "updateTime": "2026-01-09 08:00:00"} for name in "甲乙"]
    gateway.set(rows={"project_filing": [*rows(3), *keyless]})
    proof = read(make(gateway), FEED, WINDOW).proof
    assert proof.complete
    assert proof.distinct == 5


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html", "times": 3},
        {"kind": "reset", "times": 3},
        {"body": {"errcode": "-1", "errmsg": "接口调用失败"}, "times": 3},
        {"status": 500, "body": {"code": 500, "msg": "x"}, "times": 2},
        {"body": {"errcode": 0, "data": {"code": "E-429", "status": 429, "message": "超出调用频次"}}, "times": 1},
        {"status": 429, "body": "", "headers": {"Retry-After": "0"}, "times": 2},
        {"body": {"errcode": 0, "data": None}, "times": 1},
        {"body": "<html>maintenance</html>", "times": 1},
    ],
    ids=lambda fault: str(fault.get("kind") or fault.get("body"))[:40],
)
def test_faults_that_pass_lose_nothing(gateway, fault):
    gateway.set(rows={"project_filing": rows(25)}, faults=[fault | {"skip": 1}])
    reading = read(make(gateway), FEED, WINDOW)
    assert reading.error is None and reading.proof.complete
    assert reading.keys(["id"]) == keys(25)


@pytest.mark.parametrize(
    ("code", "fault", "calls"),
    [
        ("E-106", Fault.AUTHENTICATION, 1),
        ("E-400", Fault.OURS, 1),
        ("E-999", Fault.PROVIDER, 1),
        ("E-429", Fault.TRANSIENT, 4),
    ],
)
def test_codes_inside_an_answer_say_whose_fault_it_is(gateway, code, fault, calls):
    body = {"errcode": "0", "data": {"code": code, "status": 403 if code == "E-106" else 200, "message": "说明"}}
    gateway.set(rows={"project_filing": rows(1)}, faults=[{"body": body, "times": 99}])
    error = read(make(gateway), FEED, WINDOW).error
    assert error.fault is fault and code in error.message and error.zh
    assert len(gateway.log()) == calls


def test_a_long_retry_after_is_handed_on(gateway):
    gateway.set(faults=[{"status": 429, "body": "", "headers": {"Retry-After": "900"}, "times": 99}])
    error = read(make(gateway), FEED, WINDOW).error
    assert isinstance(error, TransientError) and error.retry_after == 900
    assert len(gateway.log()) == 1


@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_five_minutes_off_is_corrected_once(gateway, minutes):
    gateway.set(rows={"project_filing": rows(25)}, clock=minutes * 60)
    reading = read(make(gateway), FEED, WINDOW)
    assert reading.proof.complete
    assert [call.get("refused", False) for call in gateway.log()].count(True) == 1


def test_a_wrong_token_is_refused_and_not_tried_again(gateway):
    gateway.set(rows={"project_filing": rows(1)})
    error = read(make(gateway, token="wrong-token-value"), FEED, WINDOW).error
    assert isinstance(error, AuthenticationError) and "鉴权失败" in error.zh
    assert "wrong-token-value" not in str(error)
    assert len(gateway.log()) == 1
    gateway.set(rows={"project_filing": rows(1)}, clock=300)
    assert isinstance(read(make(gateway, token="wrong-token-value"), FEED, WINDOW).error, AuthenticationError)
    assert len(gateway.log()) == 2, "the clock is corrected once, then it ends"


def test_a_redirect_to_another_host_names_both(gateway):
    gateway.set(faults=[{"kind": "away", "times": 99}])
    error = read(make(gateway), FEED, WINDOW).error
    assert isinstance(error, ConfigurationError)
    assert "other.example" in error.message and "127.0.0.1" in error.message


def test_check_tells_what_is_wrong(gateway):
    gateway.set(rows={"project_filing": rows(1)}, clock=100)
    lines = {line.what.split()[-1]: line for line in make(gateway).check()}
    assert lines["credentials"].ok and not lines["clock"].ok and "+" in lines["clock"].detail
    lines = {line.what.split()[-1]: line for line in make(gateway, token="another-wrong-one").check()}
    assert lines["reach"].ok and not lines["credentials"].ok and lines["credentials"].remedy
    down = connector(source("signed_rest", FEED), endpoint("http://127.0.0.1:9", PAASID, TOKEN)).check()
    assert not down[0].ok and down[0].remedy


def test_missing_credentials_are_told_at_once():
    with pytest.raises(ConfigurationError, match="PaasId"):
        connector(source("signed_rest", FEED), endpoint("http://127.0.0.1:9"))


def test_an_unknown_protocol_is_refused():
    with pytest.raises(OneMapError, match="gopher"):
        connector(source("gopher"), endpoint("http://x"))


def test_a_day_of_outage_costs_no_more_than_its_attempts(gateway):
    gateway.set(faults=[{"kind": "html", "times": 999}])
    begun = time.monotonic()
    assert read(make(gateway), FEED, WINDOW).error.fault is Fault.TRANSIENT
    assert time.monotonic() - begun < 5
    gateway.set(rows={"project_filing": rows(25)})
    assert read(make(gateway), FEED, WINDOW).keys(["id"]) == keys(25)
