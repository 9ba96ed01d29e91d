"""``rest``: every way of paging against servers that keep their word and servers that do not; every way of signing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

import pytest

from connectors import connector
from connectors.base import Proof
from connectors.window import Window
from core.errors import ConfigurationError, ProviderError, TransientError
from sources.declaration import WindowCursor
from tests.connectors.http_cases import FAST, endpoint, feed, source
from tests.connectors.web import Asked, Reply, web

ROWS = [{"id": f"r{n:02d}", "n": n} for n in range(23)]
FULL = Window(full=True)


def read(made: Any, of: Any, window: Window = FULL) -> tuple[set[str], Proof]:
    """Distinct ids that came, and the proof."""
    found, proof = set(), None
    for one in made.fetch(of, window, None):
        if isinstance(one, Proof):
            proof = one
        else:
            for batch in made.decode(of, one):
                found |= set(batch.rows["id"].to_pylist()) if "id" in batch.rows.column_names else set()
    assert proof is not None
    return found, proof


def rest(url: str, of: Any, login: str = "", password: str = "", **options: Any) -> Any:
    return connector(source("rest", of, http=FAST | {"attempts": 2}, **options), endpoint(url, login, password))


def server(rows: list[dict[str, Any]], kind: str, cap: int = 5):
    """A server that pages as ``kind`` says, its envelope ``{"meta": {"total", "pages"}, "result": {"items"}}``."""

    def answer(asked: Asked) -> Reply:
        size = min(cap, int(asked.query.get("size", cap)))
        start = {
            "page": (int(asked.query.get("page", 1)) - 1) * size,
            "offset": int(asked.query.get("offset", 0)),
            "cursor": int(asked.query.get("after", "c0")[1:]),
            "link": int(asked.query.get("from", 0)),
            "none": 0,
        }[kind]
        page = rows if kind == "none" else rows[start : start + size]
        following = start + size if start + size < len(rows) else None
        body: dict[str, Any] = {
            "meta": {"total": len(rows), "pages": -(-len(rows) // size)},
            "result": {"items": page},
            "next": f"c{following}" if following else None,
            "links": {"next": f"/list?from={following}" if following else None},
        }
        headers = {"Link": f'<{asked.path}?from={following}>; rel="next"'} if following else {}
        return Reply(body, headers=headers)

    return answer


PAGING = {
    "none": [{"kind": "none"}, {"kind": "none", "total": "meta.total"}],
    "page": [
        {"kind": "page", "size": 5, "size_as": "size"},
        {"kind": "page", "total": "meta.total"},
        {"kind": "page", "total": "meta.total", "pages": "meta.pages", "size": 3, "size_as": "size"},
        {"kind": "page", "pages": "meta.pages"},
    ],
    "offset": [{"kind": "offset"}, {"kind": "offset", "total": "meta.total", "size": 4, "size_as": "size"}],
    "cursor": [{"kind": "cursor", "next": "next", "cursor_as": "after", "total": "meta.total"}],
    "link": [{"kind": "link"}, {"kind": "link", "next": "header"}],
}


@pytest.mark.parametrize("kind, paging", [(kind, paging) for kind, listed in PAGING.items() for paging in listed])
@pytest.mark.parametrize("count", [0, 1, 5, 23])
def test_every_way_of_paging_brings_all_and_proves_it(kind, paging, count):
    of = feed("list", ["id"], path="/list", rows="result.items", paging=paging)
    with web(server(ROWS[:count], kind)) as web_:
        found, proof = read(rest(web_.url, of), of)
    assert found == {row["id"] for row in ROWS[:count]}
    assert proof.complete and not proof.issues, proof
    assert proof.distinct == count


def test_the_answer_itself_may_be_the_list():
    of = feed("list", ["id"], path="/list", rows="@", paging={"kind": "none"})
    with web(lambda asked: Reply(ROWS)) as web_:
        assert read(rest(web_.url, of), of)[0] == {row["id"] for row in ROWS}


def test_a_listing_whose_cursor_dies_late_is_read_from_its_beginning_to_its_end():
    """The pages that come again bring nothing new: no sign that the listing has no end."""
    of = feed("list", ["id"], path="/list", rows="result.items", paging=PAGING["cursor"][0] | {"total": None})
    paged, died = server(ROWS, "cursor", cap=2), []

    def answer(asked: Asked) -> Reply:
        if asked.query.get("after") == "c16" and not died:
            died.append(asked)
            return Reply({"error": "cursor_expired"}, 410)
        return paged(asked)

    with web(answer) as web_:
        found, proof = read(rest(web_.url, of), of)
    assert died and found == {row["id"] for row in ROWS}
    assert proof.complete and proof.distinct == len(ROWS) and not proof.issues, proof


@pytest.mark.parametrize("kind", ["cursor", "link"])
def test_a_declared_field_that_is_not_there_is_a_fault_and_no_end(kind):
    """2 of 6 true records were deleted once, since a missing next_cursor counted as the end."""
    of = feed("list", ["id"], path="/list", paging={"kind": kind})
    with web(lambda asked: Reply({"data": ROWS[:4]})) as web_:
        with pytest.raises(TransientError, match="next.* is not there"):
            read(rest(web_.url, of), of)
        declared = feed("list", ["id"], path="/list", paging={"kind": kind, "absent": "end"})
        assert read(rest(web_.url, declared), declared)[1].complete


@pytest.mark.parametrize(
    "kind", [{"kind": "page"}, {"kind": "page", "total": "total"}, {"kind": "cursor"}, {"kind": "link"}]
)
def test_pages_that_bring_nothing_new_end_and_are_told(kind):
    """Whatever is asked, the same rows and the word that more follows."""
    calls = iter(range(10**6))

    def answer(asked: Asked) -> Reply:
        n = next(calls)
        return Reply({"data": ROWS[:3], "next_cursor": f"c{n}", "links": {"next": f"/list?n={n}"}, "total": 10**6})

    of = feed("list", ["id"], path="/list", paging=kind)
    with web(answer) as web_:
        found, proof = read(rest(web_.url, of), of)
        assert found == {"r00", "r01", "r02"} and not proof.complete
        assert len(web_.asked) <= 10
    assert [issue.code for issue in proof.issues] in (["listing_without_end"], ["listing_unsettled"])


@pytest.mark.parametrize("kind", [{"kind": "page"}, {"kind": "offset"}, {"kind": "cursor"}])
def test_rows_without_the_declared_key_are_an_error_of_the_declaration(kind):
    calls = iter(range(10**6))

    def answer(asked: Asked) -> Reply:
        n = next(calls)
        return Reply({"data": [{"a": n}, {"a": -n}], "next_cursor": f"c{n}"})

    of = feed("list", ["id"], path="/list", paging=kind)
    with web(answer) as web_:
        with pytest.raises(ConfigurationError, match="no row has a value of its key id; they have a") as raised:
            read(rest(web_.url, of), of)
        assert len(web_.asked) <= 10
    assert raised.value.code == "no_key"


def test_one_row_without_a_key_is_that_rows_fault_alone():
    of = feed("list", ["id"], path="/list", paging={"kind": "none", "total": "n"})
    with web(lambda asked: Reply({"data": [{"id": "a"}, {"x": 1}], "n": 2})) as web_:
        assert read(rest(web_.url, of), of)[1].complete


def test_a_total_that_is_not_reached_is_not_complete():
    of = feed("list", ["id"], path="/list", paging={"kind": "cursor", "total": "total"})
    with web(lambda asked: Reply({"data": ROWS[:3], "next_cursor": None, "total": 4})) as web_:
        _, proof = read(rest(web_.url, of), of)
    assert not proof.complete and [issue.code for issue in proof.issues] == ["count_differs"]


def test_window_and_paging_go_into_a_body_in_the_form_that_is_declared():
    def answer(asked: Asked) -> Reply:
        page = asked.json["page"]["number"]
        return Reply({"code": 0, "data": ROWS[:2] if page == 1 else []})

    of = feed(
        "list",
        ["id"],
        WindowCursor(kind="window", column="t"),
        path="/list",
        method="POST",
        body={"app": "hub", "page": {"size": 50}},
        since="filter.from",
        until="filter.to",
        time="iso_utc",
        paging={"kind": "page", "number_as": "page.number"},
        success={"code": [0]},
    )
    with web(answer) as web_:
        window = Window(datetime(2026, 11, 1), datetime(2026, 11, 2))
        assert read(rest(web_.url, of), of, window)[0] == {"r00", "r01"}
        assert web_.asked[0].json == {
            "app": "hub",
            "page": {"size": 50, "number": 1},
            "filter": {"from": "2026-10-31T16:00:00Z", "to": "2026-11-01T16:00:00Z"},
        }


def test_an_error_inside_http_200_is_told_as_the_source_says_it():
    of = feed(
        "list", ["id"], path="/list", paging={"kind": "none"}, success={"status.code": [0, "0"]}, message="status.text"
    )
    busy = {"status": {"code": 9, "text": "系统繁忙"}, "data": []}
    with web(lambda asked: Reply(busy)) as web_, pytest.raises(TransientError, match="status.code is 9.*系统繁忙"):
        read(rest(web_.url, of), of)


@pytest.mark.parametrize("broken", ['{"id": "r01", "n": "a"b"}', '{"id": "r01", "n": ' + "[" * 3000 + "]" * 3000 + "}"])
def test_a_broken_record_says_nothing_of_the_calls_success(broken: str):
    of = feed("list", ["id"], path="/list", paging={"kind": "none"}, success={"code": [0]})
    page = '{"code": 0, "data": [{"id": "r00", "n": 1}, ' + broken + ', {"id": "r02", "n": 2}]}'
    with web(lambda asked: Reply(page.encode())) as web_:
        made = rest(web_.url, of)
        *pages, proof = made.fetch(of, FULL, None)
        (batch,) = made.decode(of, pages[0])
        assert proof.complete and batch.rows["id"].to_pylist() == ["r00", "r02"] and len(batch.rejects) == 1


# -- signing

ONE = feed("list", ["id"], path="/list", params={"b": "2 2", "a": 1}, paging={"kind": "none"})


def asked_with(auth: Any, login: str = "hub", password: str = "s3cret") -> Asked:
    with web(lambda asked: Reply({"data": []})) as web_:
        made = rest(web_.url, ONE, login, password, auth=auth)
        read(made, ONE)
        return web_.asked[-1]


def test_an_api_key_stands_in_a_header_or_a_parameter():
    header = asked_with({"kind": "api_key", "name": "Authorization", "prefix": "Token "})
    assert header.headers["authorization"] == "Token s3cret"
    query = asked_with({"kind": "api_key", "in": "query", "name": "key"})
    assert query.query == {"b": "2 2", "a": "1", "key": "s3cret"}


def test_a_signature_by_template_is_what_the_server_computes():
    auth = {
        "kind": "signature",
        "text": "{method}\n{path}\n{sorted_query}\n{timestamp}\n{nonce}\n{body_digest}",
        "headers": {"X-Key": "{login}", "X-Time": "{timestamp}", "X-Nonce": "{nonce}", "X-Sign": "{signature}"},
    }
    asked = asked_with(auth)
    text = "\n".join(
        ["GET", "/list", "a=1&b=2%202", asked.headers["x-time"], asked.headers["x-nonce"], hashlib.sha256().hexdigest()]
    )
    assert asked.headers["x-sign"] == hmac.new(b"s3cret", text.encode(), "sha256").hexdigest()
    plain = asked_with(
        {
            "kind": "signature",
            "keyed": False,
            "algorithm": "md5",
            "encoding": "HEX",
            "text": "{login}{password}{timestamp}",
            "params": {"sign": "{signature}", "ts": "{timestamp}"},
        }
    )
    told = f"hubs3cret{plain.query['ts']}"
    assert plain.query["sign"] == hashlib.md5(told.encode()).hexdigest().upper()


def test_calls_are_signed_by_sm2_and_digests_are_sm3_where_the_contract_says_so():
    from gmssl import sm2

    from core import guomi

    private = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"  # GB/T 32918.5-2017, A.2
    auth = {
        "kind": "signature",
        "algorithm": "sm2",
        "encoding": "base64",
        "text": "{login}{timestamp}{body_digest}",
        "headers": {"X-Time": "{timestamp}", "X-Sign": "{signature}"},
    }
    asked = asked_with(auth, password=private)
    signature = base64.b64decode(asked.headers["x-sign"]).hex()
    verifier = sm2.CryptSM2("", "", mode=1)
    verifier.public_key = guomi.sm2_public(private)
    text = f"hub{asked.headers['x-time']}{hashlib.new('sm3').hexdigest()}"
    assert verifier.verify_with_sm3(signature, text.encode())
    keyed = asked_with({**auth, "algorithm": "sm3"})
    text = f"hub{keyed.headers['x-time']}{hashlib.new('sm3').hexdigest()}"
    assert keyed.headers["x-sign"] == base64.b64encode(hmac.new(b"s3cret", text.encode(), "sm3").digest()).decode()
    with pytest.raises(ConfigurationError, match="private key"):
        asked_with(auth, password="s3cret")
    with pytest.raises(ConfigurationError, match="sm2 signs by a private key"):
        asked_with({**auth, "keyed": False, "text": "{password}"})


@pytest.mark.parametrize(("mode", "encoding"), [("cbc", "base64"), ("ecb", "hex")])
def test_answers_that_stand_encrypted_in_a_text_are_read_by_the_connections_key(mode, encoding):
    from core import guomi

    key, iv = "0123456789abcdeffedcba9876543210", "00" * 16
    plain = json.dumps({"data": [{"id": "甲"}, {"id": "乙"}]}).encode()
    data = guomi.sm4_encrypt(bytes.fromhex(key), plain, bytes.fromhex(iv) if mode == "cbc" else None)
    text = data.hex() if encoding == "hex" else base64.b64encode(data).decode()
    answer = {"code": 0, "total": 2, "encData": text}
    of = feed("list", ["id"], path="/list", paging={"kind": "none", "total": "total"}, success={"code": [0]})
    sealed = {"at": "encData", "mode": mode, "encoding": encoding}
    with web(lambda asked: Reply(answer)) as web_:
        made = rest(web_.url, of, sealed=sealed)
        made.http.endpoint.extra.update({"sm4_key": key, "sm4_iv": iv})
        (first, *_, proof) = made.fetch(of, FULL, None)
        (batch,) = made.decode(of, first)
        assert batch.rows["id"].to_pylist() == ["甲", "乙"] and proof.complete
        made.http.endpoint.extra["sm4_key"] = "f" * 32
        with pytest.raises(ProviderError, match="SM4"):
            read(made, of)
        del made.http.endpoint.extra["sm4_key"]
        with pytest.raises(ConfigurationError, match="sm4_key"):
            read(made, of)


def test_oauth_asks_for_its_scope_and_audience():
    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply({"access_token": "t-1", "token_type": "Bearer", "expires_in": 600})
        return Reply({"data": []} if asked.headers.get("authorization") == "Bearer t-1" else {}, 200)

    auth = {"kind": "oauth", "token": "/token", "scope": "read:all", "audience": "https://api", "sent_in": "form"}
    with web(answer) as web_:
        read(rest(web_.url, ONE, "hub", "s3cret", auth=auth), ONE)
        body = web_.asked[0].body.decode()
    assert "scope=read%3Aall" in body and "audience=https%3A%2F%2Fapi" in body and "client_secret=s3cret" in body


@pytest.mark.parametrize(
    "auth, said",
    [
        ({"kind": "oauht"}, "oauht"),
        ("oauht", "oauht"),
        ({"kind": "signature", "text": "{pasword}", "headers": {"s": "{signature}"}}, "pasword"),
        ({"kind": "signature", "text": "{login}"}, "neither headers nor params"),
        ({"kind": "signature", "text": "{login}", "keyed": False, "headers": {"s": "{signature}"}}, "nothing secret"),
        ({"kind": "signature", "text": "x", "headers": {"s": "{password}{signature}"}}, "password"),
    ],
)
def test_a_wrong_way_of_signing_never_falls_back_to_another(auth, said):
    """`auht: oauth` fell back to Basic once: the client secret would have gone out with every call."""
    with web(lambda asked: Reply({"data": []})) as web_:
        with pytest.raises(ConfigurationError, match=said):
            rest(web_.url, ONE, "hub", "s3cret", auth=auth)
        with pytest.raises(ConfigurationError, match="did you mean auth"):
            rest(web_.url, ONE, "hub", "s3cret", auht="oauth")
        assert web_.asked == []


def test_json_keeps_numbers_as_written_at_any_depth():
    of = feed("list", ["id"], path="/list", rows="a.b", paging={"kind": "none"})
    body = json.dumps({"a": {"b": []}}).replace("[]", '[{"id": 1.10, "big": 12345678901234567890}]').encode()
    with web(lambda asked: Reply(body)) as web_:
        made = rest(web_.url, of)
        [payload, _] = made.fetch(of, FULL, None)
        [batch] = made.decode(of, payload)
    assert batch.rows.to_pylist()[0] | {"_place": ""} == {"id": "1.10", "big": "12345678901234567890", "_place": ""}


# -- answers of other shapes


def rows_of(made: Any, of: Any, window: Window = FULL) -> tuple[list[dict[str, Any]], Proof]:
    found, proof = [], None
    for one in made.fetch(of, window, None):
        if isinstance(one, Proof):
            proof = one
        else:
            for batch in made.decode(of, one):
                found += batch.rows.to_pylist()
    assert proof is not None
    return found, proof


OAI = {
    "path": "/oai",
    "format": "xml",
    "params": {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "{since}"},
    "time": "iso_utc",
    "rows": "ListRecords.record",
    "lift": ["header", "metadata", "dc"],
    "empty": {"error.code": ["noRecordsMatch"]},
    "success": {"error": [None]},
    "message": "error._text",
    "paging": {
        "kind": "cursor",
        "next": "ListRecords.resumptionToken",
        "cursor_as": "resumptionToken",
        "keeps": ["verb"],
        "total": "ListRecords.resumptionToken.completeListSize",
        "absent": "end",
        "expired": {"error.code": ["badResumptionToken"]},
    },
}


def oai(records: int, dies: int = 0):
    """OAI-PMH 2.0: a token excludes every other argument; the last page's is empty."""
    left = [dies]

    def answer(asked: Asked) -> Reply:
        def xml(inner: str) -> Reply:
            text = f'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-01-01T00:00:00Z</responseDate>{inner}</OAI-PMH>'
            return Reply(text.encode(), headers={"Content-Type": "text/xml; charset=utf-8"})

        token = asked.query.get("resumptionToken")
        if token and set(asked.query) != {"verb", "resumptionToken"}:
            return xml('<error code="badArgument">resumptionToken is exclusive</error>')
        if token and left[0]:
            left[0] -= 1
            return xml('<error code="badResumptionToken">gone</error>')
        if not records:
            return xml('<error code="noRecordsMatch">nothing</error>')
        start = int(token or 0)
        held = "".join(
            f'<record><header status="deleted"><identifier>r{n:02d}</identifier></header></record>'
            if n == 3
            else f'<record><header><identifier>r{n:02d}</identifier></header><metadata><d:dc xmlns:d="urn:dc"><d:title>许可 {n}</d:title>'
            f"<d:subject>a</d:subject><d:subject>b</d:subject></d:dc></metadata></record>"
            for n in range(start, min(records, start + 4))
        )
        following = str(start + 4) if start + 4 < records else ""
        return xml(
            f'<ListRecords>{held}<resumptionToken completeListSize="{records}" cursor="{start}">{following}</resumptionToken></ListRecords>'
        )

    return answer


def test_oai_pmh_is_read_by_its_declaration_alone():
    of = feed("oai", ["identifier"], cursor=WindowCursor(kind="window", column="datestamp"), **OAI)
    with web(oai(11, dies=1)) as there:
        rows, proof = rows_of(rest(there.url, of), of, Window(datetime(2026, 1, 1), datetime(2026, 2, 1)))
        assert {row["identifier"] for row in rows} == {f"r{n:02d}" for n in range(11)}
        assert proof.complete and proof.claimed == 11
        by_key = {row["identifier"]: row for row in rows}
        assert by_key["r03"]["status"] == "deleted" and by_key["r04"]["title"] == "许可 4"
        assert json.loads(by_key["r04"]["subject"]) == ["a", "b"]
        assert there.asked[0].query["from"] == "2025-12-31T16:00:00Z"
        assert "from" not in rest(there.url, of).http.get("/oai", params={"verb": "x"}).url
        rows_of(rest(there.url, of), of)
        assert "from" not in there.asked[-1].query and "{" not in there.asked[-1].path
        assert rest(there.url, of).check()[-1].ok
    with web(oai(0)) as there:
        rows, proof = rows_of(rest(there.url, of), of)
        assert not rows and proof.complete
    wrong = feed("oai", ["identifier"], **{**OAI, "empty": {}})
    with web(oai(0)) as there, pytest.raises(TransientError) as caught:
        rows_of(rest(there.url, wrong), wrong)
    assert "nothing" in str(caught.value)
    for rows_at in ("ListRecords.recrd", "Records.record", "@"):
        wrong = feed("oai", ["identifier"], **{**OAI, "rows": rows_at})
        with web(oai(5)) as there:
            assert not rest(there.url, wrong).check()[-1].ok


def test_odata_graphql_and_arcgis_are_read_by_their_declarations_alone():
    rows = [{"id": f"r{n:02d}", "t": f"2026-01-{n + 1:02d}"} for n in range(11)]

    def odata(asked: Asked) -> Reply:
        start = int(asked.query.get("$skiptoken", 0))
        body: dict[str, Any] = {"@odata.context": "x", "@odata.count": 11, "value": rows[start : start + 4]}
        if start + 4 < 11:
            body["@odata.nextLink"] = f"{there.url}/Permits?$skiptoken={start + 4}"
        return Reply(body)

    paging = {"kind": "link", "next": "@odata.nextLink", "absent": "end", "total": "@odata.count"}
    filters = {"$filter": "Changed ge {since} and Changed lt {until}", "$count": "true"}
    of = feed("o", ["id"], path="/Permits", rows="value", paging=paging, params=filters, time="iso_utc")
    with web(odata) as there:
        found, proof = rows_of(rest(there.url, of), of, Window(datetime(2026, 1, 1), datetime(2026, 2, 1)))
        assert len(found) == 11 and proof.complete and proof.claimed == 11
        assert there.asked[0].query["$filter"] == "Changed ge 2025-12-31T16:00:00Z and Changed lt 2026-01-31T16:00:00Z"

    def graphql(asked: Asked) -> Reply:
        start = int(asked.json["variables"].get("after") or 0)
        more = start + 4 < 11
        edges = [{"cursor": "x", "node": row} for row in rows[start : start + 4]]
        page = {"edges": edges, "pageInfo": {"endCursor": str(start + 4), "hasNextPage": more}, "totalCount": 11}
        return Reply({"data": {"permits": page}})

    paging = {
        "kind": "cursor",
        "next": "data.permits.pageInfo.endCursor",
        "more": "data.permits.pageInfo.hasNextPage",
        "cursor_as": "variables.after",
        "total": "data.permits.totalCount",
    }
    body = {
        "query": "query($after: String) { permits(after: $after) { edges { node { id t } } } }",
        "variables": {"n": 4},
    }
    given = {"path": "/graphql", "method": "POST", "body": body, "rows": "data.permits.edges", "lift": ["node"]}
    of = feed("g", ["id"], **given, paging=paging, success={"errors": [None]})
    with web(graphql) as there:
        found, proof = rows_of(rest(there.url, of), of)
        assert len(found) == 11 and found[0]["t"] == "2026-01-01" and proof.complete and proof.claimed == 11

    def arcgis(asked: Asked) -> Reply:
        start = int(asked.query.get("resultOffset", 0))
        features = [{"attributes": {"OBJECTID": n, "NAME": f"n{n}"}, "geometry": {"x": 1, "y": 2}} for n in range(11)]
        page = features[start : start + 4]
        return Reply({"features": page} | ({"exceededTransferLimit": True} if start + 4 < 11 else {}))

    paging = {"kind": "offset", "offset_as": "resultOffset", "size_as": "resultRecordCount", "size": 4}
    given = {"path": "/FeatureServer/0/query", "rows": "features", "lift": ["attributes"]}
    of = feed("a", ["OBJECTID"], **given, params={"where": "1=1", "outFields": "*", "f": "json"}, paging=paging)
    with web(arcgis) as there:
        found, proof = rows_of(rest(there.url, of), of)
        assert {row["OBJECTID"] for row in found} == {str(n) for n in range(11)} and proof.complete
        assert json.loads(found[0]["geometry"]) == {"x": 1, "y": 2}


def test_pages_may_stand_in_the_path():
    rows = [{"id": str(n)} for n in range(7)]

    def answer(asked: Asked) -> Reply:
        number = int(asked.path.rpartition("/")[2])
        return Reply(rows[(number - 1) * 3 : number * 3])

    of = feed("p", ["id"], path="/list/{page}", rows="@", paging={"kind": "page"})
    with web(answer) as there:
        found, proof = rows_of(rest(there.url, of), of)
        assert {row["id"] for row in found} == {str(n) for n in range(7)} and proof.complete
        assert all(not one.query for one in there.asked)


@pytest.mark.parametrize(("kind", "paging"), [(kind, one) for kind in PAGING for one in PAGING[kind]])
def test_a_draft_whose_key_nobody_has_decided_is_read_whole_too(kind, paging):
    rows = [{"id": f"r{n:02d}"} for n in range(47)]
    of = feed("x", ["?"], path="/list", rows="result.items", paging=paging)
    with web(server(rows, kind)) as there:
        found, proof = read(rest(there.url, of), of)
    assert len(found) == 47 and proof.complete, proof.why
