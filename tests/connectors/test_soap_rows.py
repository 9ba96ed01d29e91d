"""``answer: rows``: any operation by its declaration alone, against PHP's SoapServer and servers that answer as others do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from connectors.base import Window
from connectors.endpoint import Endpoint
from connectors.protocols.soap import Soap
from core.errors import AuthenticationError, ConfigurationError, OneMapError, TransientError
from sources import options
from sources.declaration import Feed, FullCursor
from tests.connectors.declarations import source
from tests.connectors.test_soap_php import PASSWORD, read, server, site  # noqa: F401 - fixtures
from tests.connectors.web import Asked, Reply, web

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TYPES = """
<xs:complexType name="Permit"><xs:sequence>
  <xs:element name="No" type="xs:string"/><xs:element name="Title" type="xs:string" minOccurs="0" nillable="true"/>
</xs:sequence></xs:complexType>
<xs:complexType name="Range"><xs:sequence>
  <xs:element name="from" type="xs:date" minOccurs="0"/><xs:element name="to" type="xs:date" minOccurs="0"/>
</xs:sequence></xs:complexType>
<xs:element name="List"><xs:complexType><xs:sequence>
  <xs:element name="session" type="xs:string" minOccurs="0"/><xs:element name="range" type="t:Range" minOccurs="0"/>
  <xs:element name="after" type="xs:string" minOccurs="0"/><xs:element name="xml" type="xs:string" minOccurs="0"/>
  <xs:element name="page" type="xs:int" minOccurs="0"/>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="ListResponse"><xs:complexType><xs:sequence>
  <xs:element name="permits" minOccurs="0"><xs:complexType><xs:sequence>
    <xs:element name="permit" type="t:Permit" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="next" type="xs:string" minOccurs="0"/><xs:element name="text" type="xs:string" minOccurs="0"/>
  <xs:element name="total" type="xs:int" minOccurs="0"/>
</xs:sequence></xs:complexType></xs:element>
<xs:element name="Enter"><xs:complexType><xs:sequence>
  <xs:element name="who" type="xs:string"/><xs:element name="word" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="EnterResponse"><xs:complexType><xs:sequence>
  <xs:element name="ticket" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
"""


def wsdl(version: str = "") -> bytes:
    """A document/literal service with List and Enter; ``version`` ``12``: SOAP 1.2."""
    messages = "".join(
        f'<message name="{name}"><part name="p" element="t:{name}"/></message>'
        for name in ("List", "ListResponse", "Enter", "EnterResponse")
    )
    operations = "".join(
        f'<operation name="{name}"><input message="t:{name}"/><output message="t:{name}Response"/></operation>'
        for name in ("List", "Enter")
    )
    bound = "".join(
        f'<operation name="{name}"><s:operation soapAction="urn:{name}"/><input><s:body use="literal"/></input>'
        '<output><s:body use="literal"/></output></operation>'
        for name in ("List", "Enter")
    )
    return f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap{version}/"
 xmlns:t="urn:t" xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t">
<types><xs:schema targetNamespace="urn:t" elementFormDefault="qualified">{TYPES}</xs:schema></types>{messages}
<portType name="Port">{operations}</portType>
<binding name="Bound" type="t:Port"><s:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bound}</binding>
<service name="Service"><port name="P" binding="t:Bound"><s:address location="http://10.0.0.1/s"/></port></service>
</definitions>""".encode()


def enveloped(body: str, space: str = SOAP, name: str = "List") -> bytes:
    return (
        f'<e:Envelope xmlns:e="{space}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>'
        f'<{name}Response xmlns="urn:t">{body}</{name}Response></e:Body></e:Envelope>'
    ).encode()


def permits(*numbers: int) -> str:
    inner = "".join(f'<permit><No>P{n:02d}</No><Title xsi:nil="true"/></permit>' for n in numbers)
    return f"<permits>{inner}</permits>"


def said(asked: Asked, name: str) -> str | None:
    found = re.search(rf"<(?:\w[\w-]*:)?{name}>([^<]*)<", asked.body.decode())
    return found[1] if found else None


def service(answer: Callable[[Asked], Reply | str], version: str = "") -> Any:
    def reply(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply(wsdl(version), headers={"Content-Type": "text/xml"})
        found = answer(asked)
        return found if isinstance(found, Reply) else Reply(enveloped(found), headers={"Content-Type": "text/xml"})

    return web(reply)


def made(
    url: str,
    given: dict[str, Any],
    key: str = "No",
    password: str = "pass-word-1",
    wsdl: str = "/s?wsdl",
    **of_source: Any,
) -> tuple[Soap, Feed]:
    declared = {"answer": "rows", "operation": "List", "rows": "permits.permit", "paging": {"kind": "none"}} | given
    feed = Feed(id="t.f", name="t", mapping="t", cursor=FullCursor(kind="full"), key=[key], options=declared)
    of = source("t", "soap", {"f": feed}, wsdl=wsdl, http={"first": 0.01, "attempts": 2}, **of_source)
    return Soap(of, Endpoint("c", "http", url, None, "hub", password)), feed


def fault(code: str, text: str) -> Reply:
    body = f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><faultcode>e:{code}</faultcode><faultstring>{text}</faultstring></e:Fault></e:Body></e:Envelope>'
    return Reply(body.encode(), 500, {"Content-Type": "text/xml"})


# -- PHP's own server


@pytest.mark.server
def test_a_document_in_a_string_is_read_by_the_general_words_too(site):  # noqa: F811
    declared = {
        "operation": "queryCases",
        "parameters": {"beginTime": "", "endTime": ""},
        "since": "beginTime",
        "until": "endTime",
        "document": "queryCasesReturn",
        "rows": "CASE",
        "nested": ["SPHJ", "CL"],
        "paging": {"kind": "page", "number_as": "pageNo", "size_as": "pageSize", "size": 20, "total": "total"},
    }
    url, wsdl = f"http://127.0.0.1:{site[0]}", "/soap_document.php?wsdl"
    connector, feed = made(url, declared, "YWLSH", PASSWORD, wsdl, security="digest")
    rows, rejects, proof = read(connector, feed)
    assert {row["YWLSH"] for row in rows} == {f"NR{n:04d}" for n in range(90)} and not rejects
    assert proof.complete and proof.claimed == 90 and json.loads(rows[1]["SPHJ"])[0]["SPHJMC"] == "受理"
    rows, _, proof = read(connector, feed, Window(datetime(2026, 1, 2), datetime(2026, 1, 3)))
    assert len({row["YWLSH"] for row in rows}) == 24 and proof.complete


@pytest.mark.server
def test_an_encoded_array_with_references_is_read_by_the_general_words_too(site):  # noqa: F811
    declared = {
        "operation": "getProjects",
        "parameters": {"beginDate": "1990-01-01", "endDate": "2100-01-01"},
        "rows": "getProjectsReturn.item",
        "paging": {"kind": "offset", "offset_as": "start", "size_as": "count", "size": 100},
    }
    url, wsdl = f"http://127.0.0.1:{site[0]}", "/soap_encoded.php?wsdl"
    connector, feed = made(url, declared, "projectCode", PASSWORD, wsdl)
    (site[1] / "twice").write_text("")
    rows, _, proof = read(connector, feed)
    assert {row["projectCode"] for row in rows} == {f"P{n:04d}" for n in range(230)} and proof.complete
    assert rows[0]["totalInvest"] == "12,345.60" and rows[0]["place"] is None
    assert "rpc/encoded" in connector.check()[1].detail


# -- windows, paging, constants


@pytest.mark.parametrize("version", ["", "12"])
def test_window_and_cursor_go_where_they_are_declared(version):
    space = "http://www.w3.org/2003/05/soap-envelope" if version else SOAP

    def answer(asked: Asked) -> Reply:
        start = int(said(asked, "after") or 0)
        following = f"<next>{start + 3}</next>" if start < 6 else "<next/>"
        return Reply(
            enveloped(permits(*range(start, start + 3)) + following, space), headers={"Content-Type": "text/xml"}
        )

    given = {
        "since": "range.from",
        "until": "range.to",
        "time": "%Y-%m-%d",
        "paging": {"kind": "cursor", "next": "next", "cursor_as": "after"},
    }
    with service(answer, version) as there:
        connector, feed = made(there.url, given)
        rows, _, proof = read(connector, feed, Window(datetime(2026, 1, 2), datetime(2026, 1, 3, 12)))
        assert {row["No"] for row in rows} == {f"P{n:02d}" for n in range(9)} and rows[0]["Title"] is None
        assert proof.complete and [said(one, "after") for one in there.asked[1:]] == [None, "3", "6"]
        # the end's day as a whole, since the form has no hours
        assert said(there.asked[1], "from") == "2026-01-02" and said(there.asked[1], "to") == "2026-01-04"


def test_a_query_in_a_text_holds_window_and_page():
    def answer(asked: Asked) -> str:
        query = (said(asked, "xml") or "").replace("&lt;", "<").replace("&gt;", ">")
        number = int(re.search(r"<p>(\d+)</p>", query)[1])
        rows = [{"no": f"P{n}"} for n in range(7)][(number - 1) * 3 : number * 3]
        return f"<text>{json.dumps({'rows': rows})}</text><total>7</total>"

    given = {
        "parameters": {"xml": "<q><from>{since}</from><p>{page}</p><n>{size}</n></q>"},
        "document": "text",
        "rows": "rows",
        "paging": {"kind": "page", "size": 3, "total": "total"},
    }
    with service(answer) as there:
        connector, feed = made(there.url, given, key="no")
        rows, _, proof = read(connector, feed, Window(datetime(2026, 1, 2), datetime(2026, 1, 3)))
        assert {row["no"] for row in rows} == {f"P{n}" for n in range(7)} and proof.complete and proof.claimed == 7
        assert "&lt;from&gt;2026-01-02 00:00:00&lt;/from&gt;" in there.asked[1].body.decode()


# -- who we are


def test_a_session_is_opened_used_renewed_and_kept_nowhere():
    opened: list[str] = []

    def answer(asked: Asked) -> Reply | str:
        if b"Enter" in asked.body:
            if said(asked, "word") != "pass-word-1":
                return fault("Client", "unknown user")
            opened.append(f"ticket-{len(opened)}")
            return Reply(
                enveloped(f"<ticket>{opened[-1]}</ticket>", name="Enter"), headers={"Content-Type": "text/xml"}
            )
        if said(asked, "session") != opened[-1] or (len(opened) == 1 and len(there.asked) > 4):
            return fault("Server", "SESSION_EXPIRED")
        if said(asked, "key") != opened[-1]:
            return fault("Server", "no header")
        start = int(said(asked, "after") or 0)
        return permits(start, start + 1) + (f"<next>{start + 2}</next>" if start < 6 else "<next/>")

    given = {
        "parameters": {"session": "{session}"},
        "paging": {"kind": "cursor", "next": "next", "cursor_as": "after"},
    }
    of_source = {
        "login": {"operation": "Enter", "parameters": {"who": "{login}", "word": "{password}"}, "session": "ticket"},
        "headers": {"auth": {"key": "{session}"}},
        "faults": {"SESSION_EXPIRED": "authentication", "unknown user": "authentication"},
    }
    with service(answer) as there:
        connector, feed = made(there.url, given, **of_source)
        rows, _, proof = read(connector, feed)
        assert len({row["No"] for row in rows}) == 8 and proof.complete and len(opened) == 2
        kept = [
            payload.request for payload in connector.fetch(feed, Window(full=True), None) if hasattr(payload, "body")
        ]
        assert (
            kept[0]["parameters"]["session"] == "{session}"
            and "ticket-" not in repr(kept)
            and "pass-word" not in repr(kept)
        )
        connector.endpoint = Endpoint("c", "http", there.url, None, "hub", "wrong-word")
        connector._session = None
        with pytest.raises(AuthenticationError):
            read(connector, feed)


def test_faults_mean_what_the_table_says():
    meant = {"NO_DATA": "empty", "TOO_MUCH": "smaller", "BAD_PARAM": "configuration"}
    page = {"paging": {"kind": "page", "number_as": "page", "size": 4}, "parameters": {"xml": "{size}"}}

    def answer(asked: Asked) -> Reply | str:
        number, size = int(said(asked, "page") or 0), int(said(asked, "xml") or 0)
        if size > 2:
            return fault("Server", "TOO_MUCH")
        return permits(2 * number, 2 * number + 1) if number < 3 else fault("Server", "NO_DATA for that page")

    with service(answer) as there:
        connector, feed = made(there.url, page, faults=meant)
        rows, _, proof = read(connector, feed)
        assert {row["No"] for row in rows} == {"P02", "P03", "P04", "P05"} and proof.complete
    with service(lambda _: fault("Server", "BAD_PARAM x")) as there, pytest.raises(ConfigurationError):
        read(*made(there.url, {}, faults=meant))
    with service(lambda _: fault("Server", "NO_DATA")) as there:
        rows, _, proof = read(*made(there.url, {}, faults=meant))
        assert not rows and proof.complete
        with pytest.raises(TransientError):  # no table, no such word
            read(*made(there.url, {}))


# -- what is understood, and what is not


def test_an_empty_list_is_told_from_a_misspelt_path():
    with service(lambda _: "") as there:
        rows, _, proof = read(*made(there.url, {}))
        assert not rows and proof.complete
        for wrong in ("permits.permt", "permit", "result.permits.permit"):
            with pytest.raises(ConfigurationError) as caught:
                read(*made(there.url, {"rows": wrong}))
            assert caught.value.code == "rows_path"
    with service(lambda _: permits(1, 2)) as there:
        lines = made(there.url, {})[0].check()
        assert all(line.ok for line in lines)
        assert "document/literal" in lines[1].detail and "2 rows" in lines[1].detail and "No" in lines[1].detail
        for wrong, given in (
            ("Nr", {}),
            ("No", {"rows": "permits"}),
            ("No", {"operation": "Lst"}),
            ("No", {"parameters": {"x": 1}}),
        ):
            assert not all(line.ok for line in made(there.url, given, key=wrong)[0].check()), (wrong, given)


def test_a_document_that_is_none_is_a_fault_and_no_end():
    for text in ("<text/>", "<text>busy, come again</text>", '<text>{"rows": ', ""):
        with service(lambda _, text=text: text) as there, pytest.raises(OneMapError):
            read(*made(there.url, {"document": "text", "rows": "rows"}))


def test_attachments_are_put_back_into_the_rows():
    root = enveloped(
        '<permits><permit><No>P01</No><Title><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a"/></Title></permit></permits>'
    )
    body = (
        b'--b\r\nContent-Type: application/xop+xml; charset=UTF-8; type="text/xml"\r\nContent-ID: <r>\r\n\r\n'
        + root
        + b"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-ID: <a>\r\n\r\nscan\r\n--b--\r\n"
    )
    kind = 'multipart/related; type="application/xop+xml"; start="<r>"; boundary=b'
    with service(lambda _: Reply(body, headers={"Content-Type": kind})) as there:
        rows, _, proof = read(*made(there.url, {}))
        assert rows[0]["Title"] == "c2Nhbg==" and proof.complete


@pytest.mark.parametrize(
    "wrong",
    [
        {"paging": {"kind": "link"}},
        {"parameters": {"xml": "{page}"}},
        {"parameters": {"xml": "{size}"}, "paging": {"kind": "page"}},
        {"rows": "a..b"},
        {"operation": ""},
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(wrong):
    _, feed = made("http://127.0.0.1:1", {})
    with pytest.raises(ConfigurationError):
        options.of_feed("soap", feed.model_copy(update={"options": feed.options | wrong}))
