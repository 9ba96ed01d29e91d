"""Small inputs that want endless work, each read by the product's own decoder in this process, which has limits.

Run as a program it prints a line of JSON an attack: ``{"name", "ended", "seconds", "mib"}``; ``ended`` is what became of
it (``rows``, codes of rejects, or the code of the error), ``mib`` the peak of memory over what was there before.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from connectors.base import Batch, Payload
from connectors.decoders import cases_xml, csv_table, jsonrows, redline_txt, spreadsheets, xml
from connectors.decoders.archives import open_zip
from connectors.limits import Limits
from connectors.protocols import wfs
from connectors.soap import document as soap_document
from connectors.soap import encoded as soap_encoded
from core.errors import OneMapError
from mappings.shapes import shapes
from sources.options.http_services import WfsFeed
from sources.options.soap import ArrayFeed, DocumentFeed, OffsetParameters, PageParameters
from tests.connectors import hostile
from tests.connectors import test_workbook as sheets

MEMORY = 3 << 30  # address space of the process
SECONDS = 240  # of CPU for all of them
ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Body>{}</s:Body></s:Envelope>'
GML = 'xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:xlink="http://www.w3.org/1999/xlink"'
RING = "<gml:{0}><gml:LinearRing><gml:posList>22.9 113.75 22.901 113.75 22.901 113.751 22.9 113.75</gml:posList></gml:LinearRing></gml:{0}>"
N, E = 2546774.325, 38474373.087


def payload(body: str | bytes) -> Payload:
    now = datetime(2026, 3, 1)
    return Payload(body.encode() if isinstance(body, str) else body, "text/xml", {}, now, now)


def d2(refs: str, first: str = "r0") -> Batch:
    answer = f'<r><getProjectsReturn><item href="#{first}"/><item><projectCode>P</projectCode></item></getProjectsReturn></r>{refs}'
    options = ArrayFeed(
        answer="array", operation="x", parameters=OffsetParameters(begin="a", end="b", start="c", count="d")
    )
    return soap_encoded.decode(payload(ENVELOPE.format(answer)), options, ["projectCode"])


def s1(*geometries: str) -> Batch:
    sound = f"<gml:MultiSurface><gml:surfaceMember><gml:Polygon>{RING.format('exterior')}</gml:Polygon></gml:surfaceMember></gml:MultiSurface>"
    members = "".join(
        f"<wfs:member><redline><HXBH>H{n}</HXBH><geom>{one.replace('<gml:MultiSurface', '<gml:MultiSurface srsName=' + chr(34) + 'urn:ogc:def:crs:EPSG::4490' + chr(34), 1)}</geom></redline></wfs:member>"
        for n, one in enumerate((*geometries, sound))
    )
    return wfs.decode(
        payload(f"<wfs:FeatureCollection {GML}>{members}</wfs:FeatureCollection>"), WfsFeed(layer="x"), ["HXBH"]
    )


def positions(numbers: str, dimension: str = "2") -> str:
    ring = f'<gml:LinearRing><gml:posList srsDimension="{dimension}">{numbers}</gml:posList></gml:LinearRing>'
    polygon = f"<gml:Polygon><gml:exterior>{ring}</gml:exterior></gml:Polygon>"
    return f"<gml:MultiSurface><gml:surfaceMember>{polygon}</gml:surfaceMember></gml:MultiSurface>"


def laughing_links(levels: int, width: int) -> str:
    made = []
    for level in range(levels):
        links = f'<gml:surfaceMember xlink:href="#g{level + 1}"/>' * width
        made.append(
            f'<gml:surfaceMember><gml:CompositeSurface gml:id="g{level}">{links}</gml:CompositeSurface></gml:surfaceMember>'
        )
    made.append(
        f'<gml:surfaceMember><gml:Polygon gml:id="g{levels}">{RING.format("exterior")}</gml:Polygon></gml:surfaceMember>'
    )
    return f"<gml:MultiSurface>{''.join(made)}</gml:MultiSurface>"


def laughing_structs(levels: int, width: int) -> str:
    made = [
        f'<multiRef id="r{n}">' + "".join(f'<f{m} href="#r{n + 1}"/>' for m in range(width)) + "</multiRef>"
        for n in range(levels)
    ]
    return "".join(made) + f'<multiRef id="r{levels}"><x>1</x></multiRef>'


def d1(inner: str) -> Batch:
    from xml.sax.saxutils import escape

    options = DocumentFeed(
        answer="document",
        operation="q",
        parameters=PageParameters(begin="a", end="b", page="c", size="d"),
        record="CASE",
    )
    return soap_document.decode(payload(ENVELOPE.format(f"<r><a>{escape(inner)}</a></r>")), options, ["YWLSH"])


def packed(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in entries.items():
            archive.writestr(name, body)
    return out.getvalue()


def verified(body: bytes) -> None:
    with open_zip(io.BytesIO(body)) as archive:
        archive.verify()


def d4(document: bytes) -> Iterator[Batch]:
    import hashlib

    manifest = f'<manifest><file name="cases.xml" md5="{hashlib.md5(document, usedforsecurity=False).hexdigest()}"/></manifest>'
    body = packed({"manifest.xml": manifest.encode(), "cases.xml": document})
    options = cases_xml.CasesOptions()
    cases_xml.inspect(body, options, Limits())
    return cases_xml.decode(body, "s", options, ["YWLSH"], [], Limits())


def overlapping() -> bytes:
    """Entries of the central directory that all mean one local entry (Fifield's zip bomb)."""
    body = bytearray(packed({f"{n:04d}": (b"\0" * 4_000_000 if n == 0 else b"x") for n in range(2)}))
    start = body.index(b"PK\x01\x02")
    entry = bytes(body[start : start + 46 + 4])
    entries = b"".join(entry[:46] + b"%04d" % n for n in range(3000))
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 3000, 3000, len(entries), start, 0)
    return bytes(body[:start]) + entries + end


def nested(levels: int) -> bytes:
    body = b"\0" * 1_000_000
    for level in range(levels):
        body = packed({f"{level}{n}.zip": body for n in range(10)})
    return body


def table(text: str | bytes) -> None:
    body = text.encode("gb18030") if isinstance(text, str) else text
    columns, rows, rejects, _ = csv_table.read(body, "t", "a", Limits())
    return _counted(len(rows), rejects)


def sheet(body: bytes) -> Iterator[Batch]:
    spreadsheets.inspect(body, sheets.OPTIONS, sheets.KEY, sheets.HEADER, Limits())
    return spreadsheets.decode(body, ["2026-02"], sheets.OPTIONS, sheets.KEY, sheets.HEADER, Limits())


def redline(lines: Iterator[str]) -> str:
    made = redline_txt.parse(("[地块坐标]\n9,1,DK,地块,面,,,,@\n" + "\n".join(lines)).encode())
    return " ".join(sorted({trouble.code for trouble in made.troubles})) or "polygons"


def spiral(count: int) -> Iterator[str]:
    """A ring that crosses itself at every step."""
    for n in range(count):
        yield f"J{n},1,{N + (n * 7919 % 1000):.3f},{E + (n * 104729 % 1000):.3f}"


def page(rows: str | bytes) -> str:
    body = rows if isinstance(rows, bytes) else rows.encode()
    body, _ = jsonrows.sound(b'{"data": {"list": ' + body + b', "totalRow": 2}}', "list")
    found, rejects = jsonrows.read(body[body.index(b"[") : body.rindex(b"]") + 1], limits=Limits())
    return _counted(found.num_rows, rejects)


def geometry(text: str) -> str:
    _, bad = shapes(pl.Series([text, "POINT (113.75 22.9)"]))
    return "unreadable" if bad is not None and bad.to_list() == [True, False] else "read"


SOUND = '{"id": "1", "name": "a"}'
LINE = sheets.row(4, sheets.line(1))
ATTACKS: dict[str, Callable[[], object]] = {
    "zip: zeros": lambda: verified(packed({"a": b"\0" * 300_000_000})),
    "zip: bzip2": lambda: verified(packed({"a": b"\0" * 100_000_000}, zipfile.ZIP_BZIP2)),
    "zip: lzma, damaged": lambda: verified(
        packed({"a": bytes(range(256)) * 99}, zipfile.ZIP_LZMA).replace(b"\x05\x00\x5d", b"\x05\x00\xff")
    ),
    "zip: entries that share bytes": lambda: verified(overlapping()),
    "zip: in a zip in a zip": lambda: verified(nested(4)),
    "multiRef: laughing": lambda: d2(laughing_structs(30, 6)),
    "multiRef: circle": lambda: d2(
        '<multiRef id="r0"><a href="#r1"/><b href="#r1"/></multiRef><multiRef id="r1"><a href="#r0"/><b href="#r0"/></multiRef>'
    ),
    "multiRef: itself": lambda: d2('<multiRef id="r0" href="#r0"/>'),
    "xlink: laughing": lambda: s1(laughing_links(12, 12)),
    "xlink: laughing, a hundred times": lambda: s1(*[laughing_links(3, 12)] * 100),
    "xlink: circle": lambda: s1(
        '<gml:MultiSurface gml:id="a"><gml:surfaceMember xlink:href="#b"/><gml:surfaceMember><gml:CompositeSurface gml:id="b"><gml:surfaceMember xlink:href="#a"/><gml:surfaceMember xlink:href="#a"/></gml:CompositeSurface></gml:surfaceMember></gml:MultiSurface>'
    ),
    "xml: laughs": lambda: xml.parse(f"{hostile.LAUGHS}<a>&j;</a>"),
    "xml: deep": lambda: d1("<A total='1'>" + "<a>" * 50_000 + "</a>" * 50_000 + "</A>"),
    "xml: a deep record": lambda: d1(
        "<A total='2'><CASE><YWLSH>1</YWLSH>" + "<a>" * 200 + "</a>" * 200 + "</CASE><CASE><YWLSH>2</YWLSH></CASE></A>"
    ),
    "xml: elements": lambda: xml.parse("<a>" + "<b/>" * 12_000_000 + "</a>"),
    "xml: attributes": lambda: xml.parse("<a " + " ".join(f'a{n}=""' for n in range(300_000)) + "/>"),
    "xml: names of columns": lambda: d1(
        "<A total='2'><CASE>" + "".join(f"<n{n}/>" for n in range(50_000)) + "</CASE><CASE><YWLSH>2</YWLSH></CASE></A>"
    ),
    "d4: elements that nobody wants": lambda: list(d4(b"<CASES>" + b"<x/>" * 20_000_000 + b"</CASES>")),
    "d4: a record without an end": lambda: list(d4(b"<CASES><CASE>" + b"<x>&</x>" * 6_000_000 + b"</CASES>")),
    "d4: broken records": lambda: list(d4(b"<CASES>" + b"<CASE>&" * 100_000 + b"</CASES>")),
    "d1: records that do not end": lambda: d1("<A total='9'>" + "<CASE><YWLSH>1" * 20_000),
    "xlink: numbers that are none": lambda: s1(positions("1e999 113.75 nan 113 inf 112 1e999 113.75")),
    "xlink: a dimension beyond": lambda: s1(positions("22.9 113.75 22 113 21 112 22.9 113.75", "99999999999")),
    "csv: quotes of two hundred lines": lambda: table("a,b\n" + ('"x\n' + "y\n" * 198) * 300),
    "csv: columns": lambda: table(
        ",".join(f"c{n}" for n in range(6_000)) + "\n" + "\n".join("," * 5_999 for _ in range(50))
    ),
    "csv: quotes": lambda: table("a,b\n" + '"' * 38_001 + "\n1,2"),
    "csv: open quotes": lambda: table("a,b\n" + '"x,y\n' * 200_000 + "1,2"),
    "csv: a long value": lambda: table("a,b\n" + "x" * 20_000_000 + ",1\n1,2"),
    "csv: lines": lambda: table(b"a\n" + b"\n" * 30_000_000),
    "workbook: the last row and column": lambda: sheet(
        sheets.book([LINE, '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'])
    ),
    "workbook: merges": lambda: sheet(
        sheets.book([LINE], merges="<mergeCells>" + '<mergeCell ref="A4:A1048576"/>' * 300_000 + "</mergeCells>")
    ),
    "workbook: styles": lambda: sheet(sheets.book([LINE], styles=sheets.STYLES.replace("<xf/>", "<xf/>" * 500_000))),
    "workbook: rows of nothing": lambda: list(sheet(sheets.book([LINE, "<row/>" * 3_000_000]))),
    "workbook: a number without end": lambda: list(
        sheet(sheets.book([LINE, sheets.row(5, ['<c r="@"><v>' + "9" * 1_000_000 + "</v></c>"])]))
    ),
    "workbook: a cell nowhere": lambda: list(
        sheet(sheets.book([LINE, '<row r="5"><c r="ZZZZZZZZZ99999999999999999999"><v>1</v></c></row>']))
    ),
    "workbook: cells of one place": lambda: list(
        sheet(sheets.book([LINE, '<row r="5">' + '<c r="A5"><v>1</v></c>' * 300_000 + "</row>"]))
    ),
    "workbook: runs in a string": lambda: list(
        sheet(
            sheets.book(
                [LINE, '<row r="5"><c r="A5" t="inlineStr"><is>' + "<r><t>x</t></r>" * 300_000 + "</is></c></row>"]
            )
        )
    ),
    "red line: rings": lambda: redline(
        f"J1,{2 + n % 2},{N + m:.0f},{E + n:.0f}" for n in range(3_000) for m in (0, 1, 2)
    ),
    "red line: rings within": lambda: redline(
        f"J1,{1 + n},{N + (n * 3 if m else 0):.3f},{E + (n * 5 if m == 1 else 0):.3f}"
        for n in range(1_500)
        for m in (0, 1, 2)
    ),
    "red line: crossings": lambda: redline(spiral(5_000)),
    "red line: lines that are nothing": lambda: redline("?" for _ in range(100_000)),
    "json: a number of a million digits": lambda: page(f'[{SOUND}, {{"id": ' + "9" * 1_000_000 + "}]"),
    "json: colons": lambda: page("[{" + ":" * 500_000 + "}]"),
    "json: halves of pairs": lambda: page(f'[{SOUND}, {{"id":"' + "\\ud83d" * 200_000 + '"}]'),
    "wkb: counts that lie": lambda: geometry("0106000000ffffffff"),
    "json: deep": lambda: page(f'[{SOUND}, {{"id": ' + "[" * 1_100 + "]" * 1_100 + "}]"),
    "json: deeper": lambda: page(f'[{SOUND}, {{"id": ' + "[" * 300_000 + "]" * 300_000 + "}]"),
    "json: names": lambda: page("[" + SOUND + "".join(f', {{"n{n}": 1}}' for n in range(30_000)) + "]"),
    "json: quotes": lambda: page('["' + '"' * 300_000 + "]"),
    "json: brackets": lambda: page("[" + '{"a":[' * 60_000 + "]"),
    "wkt: deep": lambda: geometry("GEOMETRYCOLLECTION(" * 18_000 + "POINT (0 0)" + ")" * 18_000),
    "wkb: deep": lambda: geometry("010700000001000000" * 20_000 + "0101000000" + "0" * 32),
    "geojson: deep": lambda: geometry('{"type":"GeometryCollection","geometries":[' * 9_000 + "]}" * 9_000),
    "geojson: brackets": lambda: geometry('{"type":"Polygon","coordinates":' + "[" * 150_000 + "]" * 150_000 + "}"),
    "wkt: crossings": lambda: geometry(
        "POLYGON (("
        + ", ".join(f"{113 + n * 7919 % 1000 / 1e4} {22 + n * 104729 % 1000 / 1e4}" for n in range(6_000))
        + ", 113 22))"
    ),
}


def _counted(rows: int, rejects: list) -> str:
    return " ".join([f"{rows} rows", *sorted({reject.code for reject in rejects})])


def ended(attack: Callable[[], object]) -> str:
    """What became of it."""
    try:
        made = attack()
        if isinstance(made, Batch):
            return _counted(made.rows.num_rows, made.rejects)
        if isinstance(made, Iterator | list):
            batches = list(made)
            return _counted(sum(one.rows.num_rows for one in batches), [r for one in batches for r in one.rejects])
        return str(made)
    except OneMapError as error:
        return error.code
    except Exception as error:  # the pipeline makes a reject of it
        return type(error).__name__


def peak() -> int:
    """The process's greatest memory since it was last set back, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for name, attack in ATTACKS.items():
        if len(sys.argv) > 1 and sys.argv[1] not in name:
            continue
        Path("/proc/self/clear_refs").write_text("5")
        before, start = peak(), time.process_time()
        print(json.dumps({"name": name, "began": True}), flush=True)
        became = ended(attack)
        told = {
            "name": name,
            "ended": became,
            "seconds": round(time.process_time() - start, 2),
            "mib": (peak() - before) >> 10,
        }
        print(json.dumps(told, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
