"""XML from strangers: what is refused, what is decoded, how a record becomes columns, flat memory."""

from __future__ import annotations

import io
import json
import time
import tracemalloc

import pytest
from lxml import etree

from connectors.decoders import xml
from core.errors import Fault
from tests.connectors import hostile


@pytest.mark.parametrize("doctype", hostile.ALL.values(), ids=hostile.ALL)
@pytest.mark.parametrize("prolog", ["", '<?xml version="1.0" encoding="GBK"?>', "<!-- a --> <?pi x?>\n"])
def test_document_types_are_refused_at_once(doctype, prolog):
    document = f"{prolog}{doctype}<CASES><CASE>&j;</CASE></CASES>"
    start = time.perf_counter()
    for read in (
        lambda: xml.parse(document),
        lambda: xml.parse(document.encode("utf-16"), None),
        lambda: list(xml.stream(document.encode("gbk"), "CASE", encoding="GBK")),
        lambda: list(
            xml.stream(
                b"<!--" + b"x" * 600_000 + b"-->" + document.encode() if not prolog else document.encode(), "CASE"
            )
        ),
    ):
        with pytest.raises(xml.UnsafeXml) as caught:
            read()
        assert caught.value.fault is Fault.PROVIDER and caught.value.code == "xml_unsafe"
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("document", ["<r>" + "<a>" * 400 + "</a>" * 400 + "</r>", "<r>" + "x" * 10_500_000 + "</r>"])
def test_trees_beyond_the_limits_are_refused_and_are_no_intrusion(document):
    with pytest.raises(xml.HugeXml) as caught:
        xml.parse(document)
    assert caught.value.code == "over_limit" and "入侵" not in caught.value.zh


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<r>东莞</r>".encode(), "text/xml"),
        ("<r>东莞</r>".encode("gbk"), "text/xml; charset=GB2312"),
        ("<?xml version='1.0' encoding='UTF-8'?><r>东莞</r>".encode("gbk"), "text/xml;charset=gbk"),
        ("<?xml version='1.0' encoding='gb2312'?><r>东莞</r>".encode("gb18030"), None),
        ("\ufeff<?xml version='1.0' encoding='GBK'?><r>东莞</r>".encode(), "text/xml"),
        ("<r>东莞</r>".encode("utf-16"), "text/xml"),
    ],
)
def test_bytes_are_decoded_by_bom_transport_and_declaration(body, content_type):
    assert xml.parse(body, content_type).text == "东莞"


def test_untrue_declaration_of_a_string_is_ignored():
    assert xml.parse('<?xml version="1.0" encoding="GBK"?><r>㐂𠮷</r>').text == "㐂𠮷"


def test_damage_is_told_with_its_place_and_cut_documents_apart():
    with pytest.raises(xml.DamagedXml) as caught:
        xml.parse("<r>东莞".encode("gbk") + b"\xff</r>", "text/xml; charset=gbk")
    assert caught.value.code == "undecodable" and "byte 7" in caught.value.message and r"\xff" in caught.value.message
    for cut in ("<r><a>1</a><a", "<r><a>1</a>", ""):
        with pytest.raises(xml.CutXml):
            xml.parse(cut)
    with pytest.raises(xml.DamagedXml) as caught:
        xml.parse("<r><a>1</b></r>")
    assert not isinstance(caught.value, xml.CutXml)


def test_stream_marks_the_damaged_record_alone():
    document = (
        "<?xml version='1.0' encoding='GB18030'?><p:CASES xmlns:p='urn:x'>"
        "<p:CASE><p:A>甲</p:A></p:CASE><p:CASE><p:A>乙X</p:A></p:CASE><p:CASE><p:A>丙\x0b</p:A></p:CASE>"
        "<p:CASE><p:A>丁</p:A><p:FJ href='附Y'/></p:CASE><p:CASE><p:A>戊</p:A></p:CASE></p:CASES>"
    ).encode("gb18030")
    document = document.replace(b"X", b"\xff\x81").replace(b"Y", b"\xff")
    records = [(r.number, r.damaged, xml.record(r.element)["A"]) for r in xml.stream(io.BytesIO(document), "CASE")]
    assert [(n, damaged) for n, damaged, _ in records] == [(1, False), (2, True), (3, True), (4, True), (5, False)]
    assert records[1][2] == "乙\ufffd\\xff\ufffd\\x81" and records[4][2] == "戊"


def test_stream_splits_characters_and_stays_flat(tmp_path):
    path = tmp_path / "cases.xml"
    case = "<CASE><A>东莞市自然资源局㐀</A><B>" + "文" * 500 + "</B></CASE>"
    with path.open("wb") as file:
        file.write(b"<?xml version='1.0' encoding='GB18030'?><CASES>")
        for _ in range(200):
            file.write((case * 100).encode("gb18030"))
        file.write(b"</CASES>")
    tracemalloc.start()
    count = 0
    for record in xml.stream(path, "CASE"):
        count += 1
        assert not record.damaged and record.element[0].text == "东莞市自然资源局㐀"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000 and peak < 8 << 20
    cut = tmp_path / "cut.xml"
    cut.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(xml.CutXml):
        list(xml.stream(cut, "CASE"))


def test_record_becomes_columns():
    element = xml.parse(
        "<x:CASE xmlns:x='u' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><x:A> a </x:A><x:N xsi:nil='true'/><x:E/>"
        "<x:S><x:M>1</x:M><x:O/></x:S><x:T>1</x:T><x:T>2</x:T><x:FJ href='a'/><x:CL/></x:CASE>"
    )
    row = xml.record(element, nested=["CL"])
    assert row["A"] == " a " and row["N"] is None and row["E"] == ""
    assert {name: json.loads(row[name]) for name in ("S", "T", "FJ", "CL")} == {
        "S": [{"M": "1", "O": ""}],
        "T": ["1", "2"],
        "FJ": [{"href": "a"}],
        "CL": [""],
    }


PAGE = "<p:ROOT xmlns:p='urn:x' total='5'>{}</p:ROOT>"
RECORDS = [f"<p:CASE><p:YWLSH>N{n}</p:YWLSH><p:SXMC>建设用地{n}</p:SXMC></p:CASE>" for n in range(1, 6)]
SPOILT = {
    "an ampersand": ("用地2", "用地 & 2"),
    "a lone bracket": ("用地2", "用地 < 2"),
    "no end tag": ("用地2</p:SXMC>", "用地2"),
    "no end of its own": ("用地2</p:SXMC></p:CASE>", "用地2</p:SXMC>"),
    "tags crossed": ("用地2</p:SXMC></p:CASE>", "用地2</p:CASE></p:SXMC>"),
    "an unknown prefix": ("<p:SXMC>建设用地2", "<q:SXMC>建设用地2"),
    "an attribute twice": ("<p:SXMC>建设用地2", "<p:SXMC a='1' a='2'>建设用地2"),
    "an entity": ("用地2", "用地&nbsp;2"),
}
FORBIDDEN = {
    "a control character": "用地\x0b2",
    "a reference to one": "用地&#x0B;2",
    "a reference to none": "用地&#0;2",
    "half a pair": "用地&#xD83D;2",
}


def spoilt(records: list[str], old: str, new: str) -> str:
    return PAGE.format("\n".join(record.replace(old, new) for record in records))


def told(document: str | bytes) -> list[tuple[str, bool, bool]]:
    """(key or text, damaged, broken) of the records by both ways, which have to agree."""
    body = document.encode() if isinstance(document, str) else document
    whole = [
        (
            one.text[:20] if one.get(xml.BROKEN) else xml.record(one)["YWLSH"],
            xml.is_damaged(one),
            bool(one.get(xml.BROKEN)),
        )
        for one in xml.children(xml.lenient(body, {"CASE"}), "CASE")
    ]
    streamed = [
        (
            r.element.text[:20] if r.broken else xml.record(r.element)["YWLSH"],
            r.damaged and not r.broken,
            bool(r.broken),
        )
        for r in xml.records(lambda: io.BytesIO(body), "CASE")
    ]
    assert whole == streamed
    return whole


@pytest.mark.parametrize(("old", "new"), SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("place", [1, 2, 5])
def test_a_record_that_is_no_xml_stands_alone(old, new, place):
    old, new = (text.replace("2", str(place)) for text in (old, new))
    found = told(spoilt(RECORDS, old, new))
    assert [key for key, _, broken in found if not broken] == [f"N{n}" for n in range(1, 6) if n != place]
    assert [broken for *_, broken in found] == [n == place for n in range(1, 6)]


@pytest.mark.parametrize("new", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_character_that_xml_forbids_marks_its_record_alone(new):
    assert told(spoilt(RECORDS, "用地2", new)) == [(f"N{n}", n == 2, False) for n in range(1, 6)]


def test_halves_of_a_pair_that_belong_together_are_a_character():
    document = spoilt(RECORDS, "用地2", "好&#xD83D;&#xDE00;&#55357;&#56832;")
    (_, two, *_) = xml.children(xml.lenient(document, {"CASE"}), "CASE")
    assert xml.record(two)["SXMC"] == "建设好\U0001f600\U0001f600"


def test_a_character_reference_at_the_edge_of_what_is_read_at_once():
    for shift in range(12):
        document = PAGE.format(f"<!--{'x' * ((1 << 18) - 120 + shift)}-->" + "<CASE><YWLSH>N1&#x0B;</YWLSH></CASE>" * 3)
        assert [r.damaged for r in xml.records(lambda d=document: io.BytesIO(d.encode()), "CASE")] == [True] * 3


def test_what_was_cut_stays_refused():
    document = spoilt(RECORDS, "用地2", "用地 & 2")
    for cut in (document[:-5], document[:-60], document[: document.index("N4")]):
        with pytest.raises(xml.CutXml):
            xml.lenient(cut, {"CASE"})
        with pytest.raises(xml.CutXml):
            list(xml.records(lambda cut=cut: io.BytesIO(cut.encode()), "CASE"))


@pytest.mark.parametrize(
    "body",
    [
        "<r>东莞市自然资源局</r>".encode("gbk"),
        "<?xml version='1.0' encoding='GBK'?><r>东莞市自然资源局</r>".encode(),
        "<?xml version='1.0' encoding='no-such'?><r>东莞市自然资源局</r>".encode("utf-16-le"),
    ],
)
def test_bytes_are_decoded_by_evidence_where_what_is_said_is_untrue(body):
    assert xml.parse(body, "text/xml; charset=iso-8859-1").text == "东莞市自然资源局"
    assert xml.contradicts(body, "text/xml; charset=iso-8859-1")


def test_a_field_that_stands_twice_is_one_where_both_say_the_same_and_no_ones_choice_where_not():
    element = xml.parse("<C><A>1</A><A>1</A><B>1</B><B>2</B><L>1</L><L>2</L></C>")
    assert xml.record(element) == {"A": "1", "B": '["1","2"]', "L": '["1","2"]'}
    assert xml.twice(element, frozenset({"a", "b"})) == ["B"]
    reject = xml.ambiguous(element, "CASE 1", ["B"], "K")
    assert (reject.code, reject.record) == ("column_ambiguous", "K") and "<B>2</B>" in reject.raw


def test_attributes_of_a_vocabulary_are_columns_and_those_of_xml_itself_are_not():
    element = etree.fromstring(
        '<p:permit xmlns:p="urn:p" xmlns:c="urn:c" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns:gml="http://www.opengis.net/gml" c:id="P1" state="2" c:state="9" xsi:type="p:Permit" gml:id="x">'
        '<p:holder c:code="U1">甲公司</p:holder><p:name xsi:type="xsd:string">乙</p:name></p:permit>'
    )
    assert xml.record(element) == {"id": "P1", "state": "2", "name": "乙", "holder": '[{"code":"U1","_text":"甲公司"}]'}
