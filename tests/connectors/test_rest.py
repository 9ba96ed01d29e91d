"""M1 and S4: cursors, tokens that expire while paging, dead cursors, ETags, days."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import parse_qs

import pytest

from connectors import connector
from connectors.window import Window
from core.errors import AuthenticationError, ConfigurationError, Fault, OneMapError, ProviderError, TransientError
from sources.declaration import DaysCursor, WindowCursor
from tests.connectors.contract import Case, Contract, read
from tests.connectors.http_cases import FAST, endpoint, feed, source
from tests.connectors.web import Asked, Reply, web

CURSOR = {"kind": "cursor", "size": 200}
ITEMS = feed("items", ["item_code", "version"], path="/api/v1/items", paging=CURSOR, etag=True)
PROJECTS = feed(
    "projects",
    ["project_code"],
    WindowCursor(kind="window", column="updated_at"),
    path="/api/v1/projects",
    paging=CURSOR,
    since="updated_since",
)
READINGS = feed(
    "reading",
    ["project_code", "device", "kind", "t"],
    DaysCursor(kind="days"),
    path="/readings",
    day="day",
    paging={"kind": "cursor"},
)
SECRET = "client-secret-not-real"
FULL = Window(full=True)


class Platform:
    """M1 as docs/source-systems.md has it. Tokens live for ``calls`` calls; cursors are opaque."""

    def __init__(self, count: int = 25, page: int = 10) -> None:
        self.items = [
            {
                "item_code": f"I{n}",
                "version": 1,
                "promised_limit": n,
                "aliases": ["a", n],
                "updated_at": f"2026-01-{n + 1:02d} 00:00:00",
            }
            for n in range(count)
        ]
        self.page, self.calls, self.etag, self.form_only = page, 10_000, '"v1"', False
        self.tokens, self.issued = {}, 0
        self.dead: set[str] = set()
        self.fail_from: int | None = None
        self.served = 0

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/m1/oauth/token":
            return self.token(asked)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) <= 0:
            return Reply({"error": "invalid_token", "message": "令牌已过期"}, 401)
        self.tokens[token] -= 1
        self.served += 1
        if self.fail_from and self.served >= self.fail_from:
            return Reply(b"<html>502</html>", 502)
        if int(asked.query.get("limit", 200)) > 200:
            return Reply({"error": "bad_limit"}, 400)
        cursor = asked.query.get("cursor")
        if cursor in self.dead:
            self.dead.discard(cursor)
            return Reply({"error": "cursor_expired"}, 410)
        rows = self.items
        if asked.path.endswith("projects"):
            rows = [
                {"project_code": i["item_code"], "updated_at": i["updated_at"]}
                for i in rows
                if i["updated_at"] >= asked.query.get("updated_since", "")
            ]
        if cursor is None and asked.headers.get("if-none-match") == self.etag:
            return Reply(b"", 304, {"ETag": self.etag})
        start = int(cursor or 0)
        following = start + self.page
        body = {"data": rows[start:following], "next_cursor": str(following) if following < len(rows) else None}
        return Reply(body, headers={} if cursor else {"ETag": self.etag})

    def token(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        pair = base64.b64decode(asked.headers.get("authorization", "Basic Og==").removeprefix("Basic ")).decode()
        inside = f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
        if form.get("grant_type") != "client_credentials" or f"hub:{SECRET}" not in (
            [inside] if self.form_only else [inside, pair]
        ):
            return Reply({"error": "invalid_client"}, 401)
        self.issued += 1
        token = f"token-{self.issued}-0123456789"
        self.tokens[token] = self.calls
        return Reply({"access_token": token, "token_type": "Bearer", "expires_in": 600})


@pytest.fixture
def platform():
    made = Platform()
    with web(made) as server:
        made.url, made.asked = f"{server.url}/m1", server.asked
        yield made


def make(platform, secret=SECRET, **options):
    made = source("rest", ITEMS, PROJECTS, auth="oauth", http=FAST | {"attempts": 3}, **options)
    return connector(made, endpoint(platform.url, "hub", secret))


ALL = {(f"I{n}", "1") for n in range(25)}


class TestContract(Contract):
    @pytest.fixture
    def case(self, platform):
        @contextmanager
        def failing():
            platform.fail_from = platform.served + 2
            yield
            platform.fail_from = None

        return Case(lambda: make(platform), ITEMS, ALL, FULL, failing, secrets=(SECRET,))


class TestWindowContract(Contract):
    @pytest.fixture
    def case(self, platform):
        keys = {(f"I{n}",) for n in range(9, 25)}
        return Case(
            lambda: make(platform),
            PROJECTS,
            keys,
            Window(datetime(2026, 1, 10), datetime(2026, 2, 1)),
            secrets=(SECRET,),
        )


def test_nested_values_and_numbers_keep_their_text(platform):
    row = read(make(platform), ITEMS, FULL).rows.to_pylist()[3]
    assert row["version"] == "1" and row["promised_limit"] == "3" and row["aliases"] == '["a", 3]'


def test_a_token_that_expires_while_paging_is_renewed(platform):
    platform.calls = 1
    reading = read(make(platform), ITEMS, FULL)
    assert reading.proof.complete and reading.keys(ITEMS.key) == ALL
    assert platform.issued == 3


def test_the_token_is_asked_for_in_the_form_where_basic_is_not_read(platform):
    platform.form_only = True
    assert read(make(platform), ITEMS, FULL).proof.complete


def test_a_wrong_secret_is_an_authentication_fault_and_not_repeated(platform):
    error = read(make(platform, secret="wrong-secret-value"), ITEMS, FULL).error
    assert isinstance(error, AuthenticationError) and "invalid_client" in error.message
    assert "wrong-secret-value" not in f"{error}{error.zh}"
    assert len(platform.asked) == 2


def test_a_token_that_is_refused_for_good_ends(platform):
    platform.calls = 0
    error = read(make(platform), ITEMS, FULL).error
    assert isinstance(error, AuthenticationError) and "invalid_token" in error.message


def test_an_unchanged_listing_is_not_read_again(platform):
    first = read(make(platform), ITEMS, FULL)
    before = platform.served
    second = read(make(platform), ITEMS, FULL, first.proof.state)
    assert second.payloads == [] and second.proof.complete and second.proof.unchanged
    assert second.proof.state == first.proof.state
    assert platform.served == before + 1
    platform.etag = '"v2"'
    third = read(make(platform), ITEMS, FULL, first.proof.state)
    assert len(third.payloads) == 3 and third.proof.state["etag"] == '"v2"' and not third.proof.unchanged


def test_a_dead_cursor_begins_again(platform):
    platform.dead = {"20"}
    reading = read(make(platform), ITEMS, FULL)
    assert reading.proof.complete and reading.keys(ITEMS.key) == ALL
    assert [payload.facts["page"] for payload in reading.payloads] == [1, 2, 1, 2, 3]


def test_a_cursor_that_always_dies_is_told(platform):
    platform.dead = type(
        "All", (set,), {"__contains__": lambda self, cursor: cursor is not None, "discard": lambda self, c: None}
    )()
    reading = read(make(platform), ITEMS, FULL)
    assert not reading.proof.complete and reading.proof.issues[0].code == "cursor_expired"


def test_a_listing_without_an_end_is_the_providers_fault():
    with web(lambda asked: Reply({"data": [{"project_code": "1"}], "next_cursor": "same"})) as server:
        made = connector(source("rest", PROJECTS), endpoint(server.url))
        assert isinstance(read(made, PROJECTS, FULL).error, ProviderError)


def test_the_start_is_sent_and_the_first_sync_has_no_bounds(platform):
    read(make(platform), PROJECTS, Window(datetime(2026, 1, 10, 8, 30), datetime(2026, 2, 1)))
    assert platform.asked[-1].query | platform.asked[-2].query == {
        "limit": "200",
        "updated_since": "2026-01-10 08:30:00",
        "cursor": "10",
    }
    read(make(platform), PROJECTS, FULL)
    assert all("updated_since" not in asked.query for asked in platform.asked[-3:])


@pytest.mark.parametrize("body", [b'{"data": [{"project_code": "1"}', {"rows": []}, [], b"", {"data": None}])
def test_an_answer_that_is_no_page_is_asked_again_and_then_told(body):
    with web(lambda asked: Reply(body)) as server:
        made = connector(source("rest", PROJECTS, http=FAST | {"attempts": 2}), endpoint(server.url))
        assert read(made, PROJECTS, FULL).error.fault is Fault.TRANSIENT
        assert len(server.asked) == 2


ROWS = [{"project_code": f"P{n}", "updated_at": "2026-01-01 00:00:00"} for n in range(30)]
WHOLE = json.dumps({"data": ROWS, "next_cursor": None}).encode()
PACKED = gzip.compress(WHOLE)


def encoded(body: bytes, how: str) -> Reply:
    return Reply(body, headers={"Content-Encoding": how})


def last(**headers: str) -> dict[str, str]:
    return {**{name.replace("_", "-"): value for name, value in headers.items()}, "Connection": "close"}


def chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> Reply:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end
    return Reply(body, headers=last(Transfer_Encoding="chunked"))


@pytest.mark.parametrize(
    "reply",
    [
        encoded(PACKED, "gzip"),
        encoded(gzip.compress(PACKED), "gzip, gzip"),
        encoded(WHOLE, "utf-8"),
        Reply(WHOLE, headers={"Content-Type": "text/html"}),
        Reply(WHOLE, headers={"Content-Type": "application/octet-stream"}),
        Reply(WHOLE.decode().encode("utf-16"), headers={"Content-Type": "application/json; charset=nonsense"}),
        chunks(WHOLE[:400], WHOLE[400:]),
    ],
)
def test_what_a_server_says_of_its_answer_wrongly_but_harmlessly_is_read(reply):
    with web(lambda asked: reply) as server:
        made = connector(source("rest", PROJECTS, http=FAST | {"attempts": 2}), endpoint(server.url))
        reading = read(made, PROJECTS, FULL)
    assert reading.error is None and reading.proof.complete and reading.rows.num_rows == 30 and not reading.rejects


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (encoded(gzip.compress(PACKED), "gzip"), "not_a_page"),
        (Reply(PACKED), "not_a_page"),
        (encoded(WHOLE, "gzip"), "network"),
        (encoded(PACKED[:-30], "gzip"), "not_a_page"),
        (encoded(PACKED[:-8] + bytes(8), "gzip"), "network"),
        (Reply(WHOLE, headers=last(Content_Length=str(len(WHOLE) - 9))), "not_a_page"),
        (Reply(WHOLE, headers=last(Content_Length=str(len(WHOLE) + 9))), "reset"),
        (chunks(WHOLE, end=b""), "reset"),
        (chunks(WHOLE[:400], end=b"400\r\n" + WHOLE[400:500]), "reset"),
        (chunks(end=b"zz\r\n" + WHOLE), "reset"),
        (Reply(b"", 204), "not_a_page"),
        (Reply({"error": "db", "message": "数据库连接失败"}), "not_a_page"),
        (Reply({"code": 500, "msg": "数据库异常", "data": [], "next_cursor": None}), "not_a_page"),
        (Reply({"success": False, "data": [], "next_cursor": None}), "not_a_page"),
        (Reply({"errors": [{"message": "timeout"}], "data": [], "next_cursor": None}), "not_a_page"),
        (Reply(b"<html><form action=/login></form></html>"), "web_page"),
        (Reply(b"\n<!DOCTYPE html><html></html>", headers={"Content-Type": "text/plain"}), "web_page"),
    ],
)
def test_an_answer_that_is_cut_or_hides_an_error_behind_200_is_no_empty_listing(reply, code):
    with web(lambda asked: reply) as server:
        made = connector(source("rest", PROJECTS, http=FAST | {"attempts": 2}), endpoint(server.url))
        reading = read(made, PROJECTS, FULL)
    assert isinstance(reading.error, TransientError) and reading.error.code == code
    assert reading.error.remedy and reading.proof is None and not reading.payloads


@pytest.mark.parametrize(
    "told", [{}, {"code": 0}, {"code": "200"}, {"status": 1}, {"error": None, "errors": []}, {"ok": True}]
)
def test_an_empty_listing_that_tells_of_no_error_is_empty(told):
    with web(lambda asked: Reply({**told, "data": [], "next_cursor": None})) as server:
        reading = read(connector(source("rest", PROJECTS, http=FAST), endpoint(server.url)), PROJECTS, FULL)
    assert reading.error is None and reading.proof.complete and reading.rows.num_rows == 0


def test_a_redirect_to_a_log_in_page_is_told_as_a_web_page():
    def answer(asked):
        if asked.path == "/login":
            return Reply(b"<html>\xe7\x99\xbb\xe5\xbd\x95</html>", headers={"Content-Type": "text/html; charset=utf-8"})
        return Reply(b"", 302, {"Location": "/login?return=%2Fapi"})

    with web(answer) as server:
        made = connector(source("rest", PROJECTS, http=FAST | {"attempts": 2}), endpoint(server.url))
        assert read(made, PROJECTS, FULL).error.code == "web_page"


def test_numbers_beyond_doubles_keep_their_digits_and_what_is_none_stays_in_its_record():
    rows = b'{"project_code": 90071992547409931234, "a": 9007199254740993, "b": 1e400}, {"project_code": "P", "a": NaN, "b": -Infinity}'
    with web(lambda asked: Reply(b'{"data": [' + rows + b'], "next_cursor": null}')) as server:
        reading = read(connector(source("rest", PROJECTS, http=FAST), endpoint(server.url)), PROJECTS, FULL)
    assert [(row["project_code"], row["a"], row["b"]) for row in reading.rows.to_pylist()] == [
        ("90071992547409931234", "9007199254740993", "1e400"),
        ("P", "NaN", "-Infinity"),
    ]
    assert [issue.code for issue in reading.issues] == ["json_mended"]


def test_readings_come_day_by_day():
    def answer(asked):
        assert asked.headers["authorization"].startswith("Basic ")
        day, cursor = asked.query["day"], int(asked.query.get("cursor", 0))
        row = {"project_code": "p", "device": "d", "t": 1767196800000 + cursor, "kind": "power", "v": 1.50, "_": day}
        return Reply({"data": [row], "next_cursor": str(cursor + 1) if cursor < 2 else None})

    with web(answer) as server:
        made = connector(source("rest", READINGS), endpoint(server.url, "u", "pass-not-real"))
        reading = read(made, READINGS, Window(datetime(2026, 1, 1), datetime(2026, 1, 3)))
        assert reading.proof.complete
        assert [(p.facts["day"], p.facts["page"]) for p in reading.payloads] == [
            (d, n) for d in ("2026-01-01", "2026-01-02") for n in (1, 2, 3)
        ]
        assert reading.rows.column("t").to_pylist()[0] == "1767196800000"
        assert isinstance(read(made, READINGS, FULL).error, ConfigurationError)
        assert all(line.ok for line in made.check())


def test_a_day_without_readings_is_complete_and_leaves_nothing_behind():
    with web(lambda asked: Reply({"data": [], "next_cursor": None})) as server:
        reading = read(
            connector(source("rest", READINGS, http=FAST), endpoint(server.url)),
            READINGS,
            Window(datetime(2026, 1, 1), datetime(2026, 1, 4)),
        )
    assert len(server.asked) == 3
    assert reading.proof.complete
    assert reading.payloads == []


def test_rows_that_are_no_objects_are_rejected():
    with web(lambda asked: Reply({"data": [{"project_code": "1"}, 5, None], "next_cursor": None})) as server:
        reading = read(connector(source("rest", PROJECTS), endpoint(server.url)), PROJECTS, FULL)
    assert [(reject.place, reject.raw) for reject in reading.rejects] == [("row 2", "5"), ("row 3", "null")]
    assert reading.rows.num_rows == 1


@pytest.mark.parametrize(
    ("body", "options"),
    [
        ({"items": {"a1": {"n": 1.10, "who": {"x": "}"}}, "a2": {}}, "total": 2}, {"keyed_as": "id"}),
        (
            {"fields": [{"f": "id"}, {"f": "n"}], "items": [["a1", 1.10], ["a2", None]], "total": 2},
            {"header": "fields[].f"},
        ),
        ({"items": [["a1", 1.10], ["a2", None]], "total": 2}, {"header": ["id", "n"]}),
    ],
)
def test_rows_keyed_by_their_id_and_rows_that_are_lists_are_read_by_declaration(body, options):
    paging = {"kind": "none", "total": "total"}
    with web(lambda asked: Reply(body)) as served:
        of = feed("items", ["id"], path="/x", rows="items", paging=paging, **options)
        made = connector(source("rest", of, http=FAST), endpoint(served.url))
        *payloads, proof = made.fetch(of, Window(full=True), None)
        (batch,) = [one for payload in payloads for one in made.decode(of, payload)]
        rows = [{k: v for k, v in row.items() if k != "_place"} for row in batch.rows.to_pylist()]
        assert [row["id"] for row in rows] == ["a1", "a2"] and rows[0]["n"] == "1.1" and rows[1]["n"] is None
        assert proof.complete and batch.rejects == []


@pytest.mark.parametrize(
    ("body", "options", "hint"),
    [
        (b'{"items": {"a1": {"n": 1}}}', {}, "set keyed_as"),
        (b'{"items": {"list": [{"n": 1}]}}', {}, "lists stand in it at list"),
        (b'{"data": {"list": [{"n": 1}]}}', {}, "lists stand at data.list"),
        (b'{"items": {"a1": {"n": 1}, "a1": {"n": 2}}}', {"keyed_as": "id"}, "a key twice: a1"),
        (b'{"items": [["a", 1]]}', {"header": ["n", "n"]}, "names a column twice|Names|twice"),
    ],
)
def test_rows_of_another_shape_say_what_is_there_instead(body, options, hint):
    with web(lambda asked: Reply(body)) as served, pytest.raises(OneMapError, match=hint):
        of = feed("items", ["id"], path="/x", rows="items", paging={"kind": "none"}, **options)
        made = connector(source("rest", of, http=FAST | {"attempts": 1}), endpoint(served.url))
        list(made.fetch(of, Window(full=True), None))
