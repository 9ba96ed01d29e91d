"""The SOAP connector against answers written by hand: damage, hostile XML, changing totals, references, lost lines."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape, unescape

import pytest

from connectors.base import Payload, Window
from connectors.decoders.xml import UnsafeXml
from connectors.endpoint import Endpoint
from connectors.protocols.soap import Soap
from core.errors import ConfigurationError, Fault, ProviderError, TransientError
from core.redaction import hide
from core.settings import ROOT
from sources.declaration import Feed, FullCursor, WindowCursor
from tests.connectors import contract, hostile
from tests.connectors.declarations import source
from tests.connectors.test_soap_php import CASES, PROJECTS
from tests.connectors.web import Asked, Reply, web

CONTRACTS = ROOT / "schemas" / "contracts"
DATA = Path(__file__).parent / "data"
ENV = '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
XSD = "http://www.w3.org/2001/XMLSchema"
XML = {"Content-Type": "text/xml; charset=utf-8"}


def case(key: str, **fields: str) -> dict[str, str]:
    return {"YWLSH": key, "SXMC": "建设用地批准", **fields, "GXSJ": "2026-01-01 00:00:00"}


class Office:
    """D1 as the contract has it. ``spoil``: bytes put into that case's name; ``charset`` of the envelope."""

    def __init__(self, cases: list[dict[str, str]]) -> None:
        self.cases, self.charset, self.spoil, self.calls = cases, "utf-8", {}, 0
        self.before = self.after = self.doctype = self.inner_doctype = None
        self.sizes: list[int] = []
        self.broken, self.cap = False, 200

    def __call__(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            name = "d1.xsd" if "xsd" in asked.query else "d1.wsdl"
            text = (
                (CONTRACTS / name)
                .read_text()
                .replace('schemaLocation="d1.xsd"', 'schemaLocation="/services/ApprovalQuery?xsd=1"')
            )
            return Reply(text.encode(), headers=XML)
        self.calls += 1
        if self.before and (reply := self.before(self)):
            return reply
        if self.broken and self.calls > 1:
            return Reply(b"<html>bad gateway</html>", 502, {"Content-Type": "text/html"})
        body = asked.body.decode()
        page, size = (int(re.search(rf"{name}>(\d+)<", body)[1]) for name in ("pageNo", "pageSize"))
        self.sizes.append(size)
        size = min(size, self.cap)
        rows = self.cases[(page - 1) * size : page * size]
        inner = f'<?xml version="1.0" encoding="GBK"?>{self.inner_doctype or ""}<APPROVEDATAINFO total="{len(self.cases)}" page="{page}">'
        for row in rows:
            inner += "<CASE>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in row.items()) + "</CASE>"
        inner += "&j;" if self.inner_doctype else ""
        answer = f'<a:queryCasesResponse xmlns:a="urn:dg:nr:approval:1"><a:return>{escape(inner + "</APPROVEDATAINFO>")}</a:return></a:queryCasesResponse>'
        content = ((self.doctype or "") + ENV.format(answer)).encode(self.charset)
        for key, dirt in self.spoil.items():
            content = content.replace(
                f"{key}&lt;/YWLSH&gt;&lt;SXMC&gt;".encode(), f"{key}&lt;/YWLSH&gt;&lt;SXMC&gt;".encode() + dirt
            )
        reply = Reply(content, headers={"Content-Type": f'text/xml; charset="{self.charset.upper()}"'})
        return (self.after and self.after(self, reply)) or reply


def document(url: str, **options) -> tuple[Soap, Feed]:
    feed = Feed(
        id="d.cases",
        name="d",
        mapping="d",
        cursor=WindowCursor(kind="window", column="GXSJ"),
        key=["YWLSH"],
        options={**CASES, **options},
    )
    declared = source(
        "d",
        "soap",
        {"cases": feed},
        security="digest",
        wsdl="/services/ApprovalQuery?wsdl",
        http={"first": 0.01, "attempts": 4},
    )
    return Soap(declared, Endpoint("d_land", "http", url, None, "hub", "s3cret-of-land")), feed


@pytest.fixture
def office():
    return Office([case(f"NR{n:03d}") for n in range(57)])


def keys(reading: contract.Reading) -> set[str]:
    return {key for (key,) in reading.keys(["YWLSH"])}


ALL = {f"NR{n:03d}" for n in range(57)}


def run(office: Office, window: Window | None = None, **options) -> contract.Reading:
    with web(office) as server:
        return contract.read(*document(server.url, **options), window or Window(None, datetime(2026, 2, 1)))


@pytest.mark.parametrize("charset", ["utf-8", "gbk", "gb18030"])
def test_envelope_is_decoded_by_its_content_type_whatever_the_inner_document_says(office, charset):
    office.charset = charset
    reading = run(office)
    assert keys(reading) == ALL and reading.proof.complete and not reading.rejects
    assert reading.rows.column("SXMC").to_pylist() == ["建设用地批准"] * 57


@pytest.mark.parametrize("included", [False, True])
def test_answers_in_several_parts_are_read_by_their_root(office, included):
    """SOAP with Attachments and MTOM: CXF and .NET services answer so where a document is long."""

    def parts(office: Office, reply: Reply) -> Reply:
        envelope, extra = reply.body.decode(), b""
        if included:
            inner = re.search(r"<a:return>(.*?)</a:return>", envelope, re.S)[1]
            include = '<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:doc%401"/>'
            envelope = envelope.replace(inner, include)
            extra = b"--B\r\nContent-Type: text/xml\r\nContent-ID: <doc@1>\r\n\r\n" + unescape(inner).encode() + b"\r\n"
        body = (
            b"--B\r\nContent-Type: text/plain\r\nContent-ID: <other>\r\n\r\nnot the root\r\n"
            b'--B\r\nContent-Type: application/xop+xml; charset=utf-8; type="text/xml"\r\nContent-ID: <root>\r\n\r\n'
            + envelope.encode()
            + b"\r\n"
            + extra
            + b"--B--\r\n"
        )
        kind = 'multipart/related; boundary="B"; start="<root>"; type="application/xop+xml"'
        return Reply(body, headers={"Content-Type": kind})

    office.after = parts
    reading = run(office)
    assert reading.error is None and keys(reading) == ALL and reading.proof.complete


def test_a_service_that_speaks_soap_1_2_is_called_and_blamed_as_it_says(office):
    seen: list[Asked] = []

    def twelve(asked: Asked) -> Reply:
        if asked.method == "GET":
            reply = office(asked)
            text = reply.body.decode().replace(
                "http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/"
            )
            return Reply(text.encode(), headers=reply.headers)
        seen.append(asked)
        if len(seen) == 1:
            fault = (
                '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value>'
                "<s:Subcode><s:Value>x:Server.Busy</s:Value></s:Subcode></s:Code><s:Reason><s:Text>系统忙</s:Text></s:Reason>"
                "</s:Fault></s:Body></s:Envelope>"
            )
            return Reply(fault.encode(), 500, {"Content-Type": "application/soap+xml; charset=utf-8"})
        return office(asked)

    with web(twelve) as server:
        reading = contract.read(*document(server.url), Window(None, datetime(2026, 2, 1)))
    assert reading.error is None and keys(reading) == ALL
    assert seen[0].headers["content-type"].startswith("application/soap+xml")
    assert b"http://www.w3.org/2003/05/soap-envelope" in seen[0].body


def test_undecodable_record_stands_alone_in_quarantine_and_no_other_is_lost(office):
    office.charset, office.spoil = "gbk", {"NR023": b"\xb9\xff\xff", "NR040": b"\x81"}
    reading = run(office)
    assert keys(reading) == ALL - {"NR023", "NR040"}
    assert {reject.record for reject in reading.rejects} == {"NR023", "NR040"}
    first = next(reject for reject in reading.rejects if reject.record == "NR023")
    assert first.code == "undecodable" and first.place == "page 24 of size 1" and r"\xff\xff" in first.raw
    assert reading.proof.complete and reading.proof.distinct == 57
    assert set(office.sizes) == {20, 10, 5, 1}


def test_characters_that_xml_forbids_are_narrowed_down_too(office):
    office.cases[30]["SXMC"] = "坏\x08字"
    reading = run(office)
    assert keys(reading) == ALL - {"NR030"} and [reject.record for reject in reading.rejects] == ["NR030"]


def test_total_that_changes_is_read_again_until_it_stands(office):
    def leave(office: Office) -> None:
        if office.calls == 2:  # a row on the first page was updated: it leaves the window, others slip forward
            del office.cases[3]
        if office.calls == 6:
            office.cases.insert(0, case("LATE"))

    office.before = leave
    reading = run(office)
    assert keys(reading) == {*ALL, "LATE"}
    assert (
        reading.proof.complete and reading.proof.claimed == 57 and "total_changed" in [i.code for i in reading.issues]
    )


def test_total_that_never_stands_is_no_proof(office):
    office.before = lambda office: office.cases.append(case(f"X{office.calls}")) or None
    reading = run(office)
    assert not reading.proof.complete and keys(reading) >= ALL


def test_page_that_is_capped_in_silence_is_read_on_at_its_size(office):
    office.cap = 13
    reading = run(office)
    assert keys(reading) == ALL and reading.proof.complete and "page_capped" in [i.code for i in reading.issues]


def test_html_502_and_cut_answers_are_tried_again(office):
    def trouble(office: Office, reply: Reply) -> Reply | None:
        if office.calls == 1:
            return Reply(b"<html>502</html>", 502, {"Content-Type": "text/html"})
        if office.calls == 2:
            return Reply(reply.body, headers=reply.headers, cut=len(reply.body) // 2)
        if office.calls == 3:
            return Reply(reply.body[:-200], headers=reply.headers)
        if office.calls == 5:
            return Reply(b"<html><body>login</body></html>", 200, {"Content-Type": "text/html"})
        return None

    office.after = trouble
    reading = run(office)
    assert keys(reading) == ALL and reading.proof.complete


def test_source_that_stays_down_is_transient_and_keeps_what_came(office):
    office.broken = True
    reading = run(office)
    assert isinstance(reading.error, TransientError) and reading.error.feed == "d.cases" and len(keys(reading)) == 20


@pytest.mark.parametrize("doctype", hostile.ALL.values(), ids=hostile.ALL)
@pytest.mark.parametrize("where", ["doctype", "inner_doctype"])
def test_hostile_documents_are_refused_outside_and_inside(office, doctype, where):
    setattr(office, where, doctype)
    reading = run(office)
    assert isinstance(reading.error, UnsafeXml) and reading.error.fault is Fault.PROVIDER and not keys(reading)
    assert office.calls == 1


def test_hostile_wsdl_is_refused_and_asks_nobody_else():
    with web(lambda asked: Reply(f"{hostile.EXTERNAL}<x>&j;</x>".encode(), headers=XML)) as server:
        reading = contract.read(*document(server.url), Window(full=True))
        assert isinstance(reading.error, UnsafeXml) and len(server.asked) == 1


def test_redirects_stay_on_the_host(office):
    def moved(asked: Asked) -> Reply:
        if asked.method == "GET" and asked.path == "/services/ApprovalQuery" and "xsd" not in asked.query:
            return Reply(status=302, headers={"Location": "/v2/ApprovalQuery?wsdl"})
        if asked.method == "POST" and asked.path == "/services/ApprovalQuery":
            return Reply(status=307, headers={"Location": "/v2/ApprovalQuery"})
        return office(asked)

    with web(moved) as server:
        assert keys(contract.read(*document(server.url), Window(full=True))) == ALL
    with web(lambda asked: Reply(status=302, headers={"Location": "http://127.0.0.2:9/x?wsdl"})) as server:
        reading = contract.read(*document(server.url), Window(full=True))
        assert isinstance(reading.error, ConfigurationError) and reading.error.code == "other_host"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(b"<html>gone</html>", headers={"Content-Type": "text/html"}),
        Reply(b"<a/>", headers=XML),
    ],
)
def test_moved_wsdl_says_what_to_do(reply):
    with web(lambda asked: reply) as server:
        connector, feed = document(server.url)
        error = contract.read(connector, feed, Window(full=True)).error
        assert isinstance(error, ConfigurationError) and error.code == "wsdl_moved" and "extra.wsdl" in error.remedy
        assert error.source == "d" and error.feed == "d.cases"
        assert [line.ok for line in connector.check()] == [False]


def test_service_behind_a_gateway_path_is_called_under_the_base(office):
    def gateway(asked: Asked) -> Reply:
        if not asked.path.startswith("/nr/services/ApprovalQuery"):
            return Reply(status=404)
        reply = office(asked)
        inner = reply.body.replace(
            b'"/services/ApprovalQuery?xsd=1"', b'"http://inner:8080/services/ApprovalQuery?xsd=1"'
        )
        return Reply(inner, headers=reply.headers)

    with web(gateway) as server:
        assert keys(contract.read(*document(server.url + "/nr"), Window(full=True))) == ALL


def test_operation_that_the_wsdl_lacks_is_named(office):
    reading = run(office, operation="queryAll")
    assert isinstance(reading.error, ConfigurationError) and "queryAll" in reading.error.message


def test_wrong_parameter_names_and_unknown_options_are_configuration(office):
    reading = run(office, parameters={**CASES["parameters"], "page": "pageNumber"})
    assert isinstance(reading.error, ConfigurationError) and "pageNo" in reading.error.remedy
    with pytest.raises(ConfigurationError, match="colour"):
        document("http://127.0.0.1:9", colour="red")


class TestDocumentContract(contract.Contract):
    @pytest.fixture
    def case(self, office):
        @contextmanager
        def failing():
            office.broken, office.calls = True, 0
            yield
            office.broken = False

        hide(["s3cret-of-land"])
        with web(office) as server:
            _, feed = document(server.url)
            yield contract.Case(
                lambda: document(server.url)[0],
                feed,
                {(key,) for key in ALL},
                failing=failing,
                secrets=("s3cret-of-land",),
            )


# -- rpc/encoded


ARRAY = '<n:getProjectsResponse xmlns:n="http://service.fgj.dg.gov.cn" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/">{}</n:getProjectsResponse>{}'
NIL_END = ARRAY.format('<getProjectsReturn xsi:nil="true"/>', "")


def encoded(url: str) -> tuple[Soap, Feed]:
    feed = Feed(
        id="e.projects", name="e", mapping="e", cursor=FullCursor(kind="full"), key=["projectCode"], options=PROJECTS
    )
    declared = source(
        "e", "soap", {"projects": feed}, wsdl="/services/ProjectQuery?wsdl", http={"first": 0.01, "attempts": 3}
    )
    return Soap(declared, Endpoint("d_reform", "http", url, None, "hub", "s3cret-of-reform")), feed


def bureau(*pages: str):
    """Serves ``pages`` of items by what they hold: the first whose rows lie beyond ``start``."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "GET":
            return Reply((CONTRACTS / "d2.wsdl").read_bytes(), headers=XML)
        start = int(re.search(r">(\d+)</start>", asked.body.decode())[1])
        return Reply(ENV.format(pages[0] if start == 0 else NIL_END).encode(), headers=XML)

    return answer


PROJECT = "<projectCode>{0}</projectCode><projectName>项目{0}</projectName><totalInvest>12,345.60</totalInvest><place xsi:nil='1'/>"
SHARED_NAME = '<projectName href="#s"/>'
HREFS = {
    "in place": ARRAY.format(
        f"<getProjectsReturn><item>{PROJECT.format('A')}</item><item>{PROJECT.format('B')}</item></getProjectsReturn>",
        "",
    ),
    "items by reference": ARRAY.format(
        '<getProjectsReturn><getProjectsReturn href="#id0"/><x xsi:nil="true"/><getProjectsReturn href="#id1"/></getProjectsReturn>',
        f'<multiRef id="id1" soapenc:root="0" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/">{PROJECT.format("B")}</multiRef>'
        f'<multiRef id="id0">{PROJECT.format("A")}</multiRef>',
    ),
    "array by reference, chains, fields by reference": ARRAY.format(
        '<getProjectsReturn href="#arr"/>',
        '<multiRef id="arr"><i href="#a1"/><i href="#b"/></multiRef><multiRef id="a1" href="#a2"/><multiRef id="a2" href="#a3"/>'
        f'<multiRef id="a3">{PROJECT.format("A").replace("<projectName>项目A</projectName>", SHARED_NAME)}</multiRef>'
        f'<multiRef id="b">{PROJECT.format("B")}</multiRef><multiRef id="s">项目A</multiRef>',
    ),
    "a namespace that is no URI": ARRAY.replace("http://service.fgj.dg.gov.cn", "ProjectQuery").format(
        f"<getProjectsReturn><item>{PROJECT.format('A')}</item><item>{PROJECT.format('B')}</item></getProjectsReturn>",
        "",
    ),
    "references before the answer": '<multiRef id="id0">{}</multiRef>{}'.format(
        PROJECT.format("A"),
        ARRAY.format(f'<getProjectsReturn><i href="#id0"/><i>{PROJECT.format("B")}</i></getProjectsReturn>', ""),
    ),
}


@pytest.mark.parametrize("page", HREFS.values(), ids=HREFS)
def test_references_are_followed(page):
    with web(bureau(page)) as server:
        reading = contract.read(*encoded(server.url), Window(full=True))
    assert reading.error is None and reading.proof.complete
    rows = {row["projectCode"]: row for row in reading.rows.to_pylist()}
    assert set(rows) == {"A", "B"}
    assert {k: rows["A"][k] for k in ("projectName", "totalInvest", "place")} == {
        "projectName": "项目A",
        "totalInvest": "12,345.60",
        "place": None,
    }


@pytest.mark.parametrize("refs", ['<multiRef id="id0" href="#id0"/>', "", '<multiRef id="id1"/>'])
def test_an_item_whose_reference_leads_nowhere_is_rejected_alone(refs):
    for href in ("#id0", "http://127.0.0.1:9/x", "cid:part1"):
        page = ARRAY.format(f'<getProjectsReturn><i href="{href}"/></getProjectsReturn>', refs)
        with web(bureau(page)) as server:
            reading = contract.read(*encoded(server.url), Window(full=True))
            assert [reject.code for reject in reading.rejects] == ["broken_reference"] and not reading.rows.num_rows


@pytest.mark.parametrize(
    "end",
    [
        NIL_END,
        ARRAY.format("<getProjectsReturn/>", ""),
        ARRAY.format("", ""),
        ARRAY.format('<r href="#n"/>', '<multiRef id="n" xsi:nil="1"/>'),
    ],
)
def test_listing_of_nothing_ends(end):
    with web(bureau(end)) as server:
        reading = contract.read(*encoded(server.url), Window(full=True))
        assert reading.error is None and reading.proof.distinct == 0 and reading.rows.num_rows == 0


def test_answer_of_a_real_axis_is_read():
    """Recorded from Apache Axis 1.4: every item a multiRef, a nil among them, types of soapenc."""
    payload = Payload(
        (DATA / "axis14-getProjects.xml").read_bytes(), "text/xml;charset=utf-8", {}, datetime.now(), datetime.now()
    )
    connector, feed = encoded("http://127.0.0.1:9")
    (batch,) = connector.decode(feed, payload)
    rows = batch.rows.to_pylist()
    assert [row["projectCode"] for row in rows] == [
        "P0",
        "P1",
        "P2",
        "P3",
        "P4",
        "P5",
        "P6",
        "P8",
    ] and not batch.rejects
    assert rows[0]["projectName"] == "项目0" and rows[0]["place"] is None and rows[-1]["_place"] == "item 9"


def test_both_dates_are_sent_typed_and_wide():
    with web(bureau(NIL_END)) as server:
        contract.read(*encoded(server.url), Window(full=True))
        sent = server.asked[-1].body.decode()
    assert re.search(r"<beginDate[^>]*type=\"\w+:string\"[^>]*>1990-01-01<", sent)
    assert re.search(r"<endDate[^>]*>2100-01-01<", sent) and re.search(r"<count[^>]*type=\"\w+:int\"[^>]*>100<", sent)
    assert (
        server.asked[-1].headers["authorization"].startswith("Basic ")
        and server.asked[-1].headers["soapaction"] == '""'
    )
    assert not [asked for asked in server.asked if "encoding" in asked.path]


class TestEncodedContract(contract.Contract):
    @pytest.fixture
    def case(self):
        names = [f"P{n:03d}" for n in range(230)]
        down = {"now": False}

        def answer(asked: Asked) -> Reply:
            if asked.method == "GET":
                return Reply((CONTRACTS / "d2.wsdl").read_bytes(), headers=XML)
            start = int(re.search(r">(\d+)</start>", asked.body.decode())[1])
            if down["now"] and start > 100:
                return Reply(b"x", 503)
            items = "".join(f"<i>{PROJECT.format(name)}</i>" for name in names[start : start + 100])
            return Reply(ENV.format(ARRAY.format(f"<r>{items}</r>", "")).encode(), headers=XML)

        @contextmanager
        def failing():
            down["now"] = True
            yield
            down["now"] = False

        hide(["s3cret-of-reform"])
        with web(answer) as server:
            _, feed = encoded(server.url)
            yield contract.Case(
                lambda: encoded(server.url)[0],
                feed,
                {(name,) for name in names},
                failing=failing,
                secrets=("s3cret-of-reform",),
            )


def test_nested_lists_are_json(office):
    office.cases = [{"YWLSH": "A", "GXSJ": "x"}]
    office.after = lambda office, reply: Reply(
        reply.body.replace(
            b"&lt;GXSJ&gt;", "&lt;SPHJ&gt;&lt;SPHJMC&gt;受理&lt;/SPHJMC&gt;&lt;/SPHJ&gt;&lt;GXSJ&gt;".encode()
        ),
        headers=reply.headers,
    )
    row = run(office).rows.to_pylist()[0]
    assert json.loads(row["SPHJ"]) == [{"SPHJMC": "受理"}] and row["_place"] == "CASE 1"


def importing(what: str, imports: list[str]):
    """D1 whose WSDL, or whose schema, begins with an import; ``imports``: of each answer the next, then the last."""

    def answer(asked: Asked) -> Reply:
        text = (CONTRACTS / ("d1.xsd" if "xsd" in asked.query else "d1.wsdl")).read_text()
        text = text.replace('schemaLocation="d1.xsd"', 'schemaLocation="/services/ApprovalQuery?xsd=1"')
        place = escape(imports.pop(0) if len(imports) > 1 else imports[0])
        if what == "wsdl" and "xsd" not in asked.query:
            text = re.sub("(?=<wsdl:types>)", f'<wsdl:import namespace="urn:other" location="{place}"/>', text, count=1)
        if what == "xsd" and "xsd" in asked.query:
            text = re.sub(
                r"(<xsd?:schema\b[^>]*>)", rf'\1<x:include xmlns:x="{XSD}" schemaLocation="{place}"/>', text, count=1
            )
            assert "include" in text
        return Reply(text.encode(), headers=XML)

    return answer


@pytest.mark.parametrize(
    ("what", "imports"),
    [
        ("wsdl", ["/services/ApprovalQuery?wsdl"]),  # itself
        ("wsdl", [f"/services/ApprovalQuery?wsdl&n={n}" for n in range(99)]),  # itself, each time by another name
        ("xsd", [f"/services/ApprovalQuery?xsd={n}" for n in range(99)]),
        ("wsdl", ["http://[::1"]),
        ("xsd", ["http://[::1"]),
    ],
)
def test_a_wsdl_that_imports_itself_or_no_address_ends_by_name(what, imports):
    with web(importing(what, imports)) as server:
        reading = contract.read(*document(server.url), Window(None, datetime(2026, 2, 1)))
        assert len(server.asked) <= 64
    assert isinstance(reading.error, ConfigurationError | ProviderError) and not reading.payloads
    assert reading.error.code in ("wsdl_moved", "bad_link") and reading.error.feed == "d.cases" and reading.error.remedy
