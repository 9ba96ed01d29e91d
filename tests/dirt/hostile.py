"""Payloads that want to cost much: floods, depth, references, forged numbers, in every format that a feed comes in."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator

from tests.dirt.machine import Recorded

FEEDS = ("d1.cases", "d4.cases", "d5.fire", "m1.items", "s1.redline", "s2.change")
MANY = 20_000
SHEET, RELATIONS = "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"


def payloads(of: Recorded) -> Iterator[tuple[str, bytes]]:
    """(what it is, bytes)."""
    body = of.body
    if "xl/workbook.xml" in of.entries:
        yield from workbooks(of.entries)
    elif of.entries:
        yield from archives(of)
    elif body.lstrip().startswith(b"<"):
        yield from xml(body)
    else:
        yield from json(body)


def xml(body: bytes) -> Iterator[tuple[str, bytes]]:
    at = body.index(b">", body.index(b"?>") + 2 if body.startswith(b"<?xml") else 0)
    rooted = lambda more: body[:at] + more + body[at:]  # noqa: E731
    inside = lambda more: body[: at + 1] + more + body[at + 1 :]  # noqa: E731
    yield "attributes", rooted(b"".join(b' a%d="x"' % n for n in range(MANY)))
    yield "namespaces", rooted(b"".join(b' xmlns:n%d="u%d"' % (n, n) for n in range(MANY)))
    yield "an attribute twice", rooted(b' a="1" a="2"')
    yield (
        "a schema elsewhere",
        rooted(b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="u http://127.0.0.1:9/x"'),
    )
    yield "instructions", inside(b"<?x y?>" * MANY)
    yield "comments", inside(b"<!---->" * MANY)
    yield "an open comment", inside(b"<!--" + b"-" * MANY)
    yield "sections", inside(b"<![CDATA[x]]>" * MANY)
    yield "references", inside(b"&#65;" * MANY)
    yield "a reference beyond Unicode", inside(b"&#999999999999999999999999;")
    yield "unknown entities", inside(b"&x;" * MANY)
    yield "depth", inside(b"<a>" * MANY + b"</a>" * MANY)
    yield "width", inside(b"<a/>" * MANY)
    yield "namespaces by depth", inside(b"".join(b'<a xmlns:p%d="u%d">' % (n, n) for n in range(2000)) + b"</a>" * 2000)
    yield "a late document type", inside(b'<!DOCTYPE a [<!ENTITY b "c">]>')
    yield (
        "an inclusion",
        inside(b'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'),
    )
    for charset in (b"cp037", b"utf-7", b"punycode", b"idna", b"unicode_escape"):
        yield f"charset {charset.decode()}", body.replace(b"UTF-8", charset, 1).replace(b"utf-8", charset, 1)
    yield "a dimension of many digits", body.replace(b"<gml:posList", b'<gml:posList srsDimension="99999999999999"')
    ring = b"<gml:interior><gml:LinearRing><gml:posList>113 23 113.1 23 113.1 23.1 113 23</gml:posList></gml:LinearRing></gml:interior>"
    yield "rings", body.replace(b"</gml:exterior>", b"</gml:exterior>" + ring * 5000, 1)


def json(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "a number of many digits", body.replace(b":", b":" + b"9" * MANY + b',"x":', 1)
    yield "an exponent", body.replace(b'":"', b'":1e999999999,"z":"')
    yield "a key many times", body.replace(b"{", b"{" + b'"a":1,' * MANY, 1)
    yield "many keys", body.replace(b"{", b"{" + b"".join(b'"a%d":1,' % n for n in range(MANY)))
    yield (
        "keys of one hash",
        body.replace(b"{", b"{" + b"".join(b'"%d":1,' % (n * (2**61 - 1)) for n in range(MANY)), 1),
    )
    yield "arrays by depth", body.replace(b'":"', b'":' + b"[" * MANY + b"]" * MANY + b',"q":"', 1)
    yield "objects by depth", body.replace(b'":"', b'":' + b'{"a":' * MANY + b"1" + b"}" * MANY + b',"q":"', 1)
    yield "surrogates", body.replace(b'":"', b'":"\\ud800\\udc00\\udfff\\ud83d')
    yield "a NUL in a key", body.replace(b'{"', b'{"\\u0000')
    yield "a comment", body.replace(b"{", b"{/*" + b"x" * MANY + b"*/", 1)
    yield "empty objects", b"[" + b"{}," * MANY + b"{}]"
    yield (
        "coordinates by depth",
        body.replace(b'"coordinates":', b'"coordinates":' + b"[" * 3000 + b"1" + b"]" * 3000 + b',"c":', 1),
    )
    yield "coordinates of many digits", body.replace(b"113.", b"1" * 400 + b".")
    nested = b'{"type":"GeometryCollection","geometries":[' * 2000 + b"]}" * 2000
    yield "geometries by depth", body.replace(b'"geometry":', b'"geometry":' + nested + b',"g":', 1)
    for charset in ("utf-16", "utf-32", "utf-7"):
        yield charset, body.decode("utf-8", "replace").encode(charset)


def archives(of: Recorded) -> Iterator[tuple[str, bytes]]:
    nested = of.body
    for _ in range(6):
        nested = zipped({"a.zip": nested})
    yield "zip in zip", nested
    yield "many entries", zipped(of.entries | {f"x{n}": b"" for n in range(MANY)})
    yield "a name of 60,000 characters", zipped(of.entries | {"x" * 60_000: b"1"})
    yield "one entry many times", overlapping(of.body)
    yield "a comment of ends", of.body[:-2] + b"\xff\xff" + b"PK\x05\x06" * 16_383 + b"PKK"


def workbooks(entries: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    def changed(name: str, how: Callable[[bytes], bytes]) -> bytes:
        return zipped(entries | {name: how(entries[name])})

    def before_end(name: str, end: bytes, more: bytes) -> bytes:
        return changed(name, lambda part: part.replace(end, more + end))

    names = b"".join(b'<definedName name="a%d">S!$A$1:$XFD$1048576</definedName>' % n for n in range(MANY))
    yield "names", before_end("xl/workbook.xml", b"</workbook>", b"<definedNames>" + names + b"</definedNames>")
    sheets = b"".join(b'<sheet name="s%d" sheetId="%d" r:id="rId1"/>' % (n, n + 50) for n in range(MANY))
    yield "sheets of one part", before_end("xl/workbook.xml", b"</sheets>", sheets)
    for target in (b"../../../../etc/passwd", b"http://127.0.0.1:9/x.xml", b"workbook.xml", b"worksheets/none.xml"):
        yield (
            f"a sheet at {target.decode()}",
            changed(RELATIONS, lambda part, to=target: part.replace(b"worksheets/sheet1.xml", to)),
        )
    columns = b"<cols>" + b'<col min="1" max="16384" width="9"/>' * MANY + b"</cols>"
    yield "columns", changed(SHEET, lambda part: part.replace(b"<sheetData>", columns + b"<sheetData>"))
    for old, new in (
        (b'r="A2"', b'r="ZZZZZZZZZZZZ2"'),
        (b'r="A2"', b'r="XFD1048576"'),
        (b'<row r="2"', b'<row r="9999999999999999999"'),
        (b'<row r="2"', b'<row r="-5"'),
    ):
        yield f"a place {new.decode()}", changed(SHEET, lambda part, old=old, new=new: part.replace(old, new))
    merges = b"<mergeCells>" + b'<mergeCell ref="A1:XFD1048576"/>' * 3000 + b"</mergeCells>"
    yield "merges of all", before_end(SHEET, b"</worksheet>", merges)
    yield (
        "merges of nothing",
        before_end(SHEET, b"</worksheet>", b'<mergeCells><mergeCell ref="B:A"/><mergeCell/></mergeCells>'),
    )
    yield "conditions", before_end(SHEET, b"</worksheet>", b'<conditionalFormatting sqref="A1:XFD1048576"/>' * MANY)
    yield "a workbook in a workbook", zipped({"a.xlsx": zipped(entries)})


def zipped(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def overlapping(body: bytes) -> bytes:
    """Its first entry, listed some thousand times at the same place."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        start = archive.start_dir
    listed = body[start:]
    one = listed[: 46 + sum(struct.unpack("<HHH", listed[28:34]))]
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 5000, 5000, len(one) * 5000, start, 0)
    return body[:start] + one * 5000 + end
