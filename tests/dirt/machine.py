"""The dirt machine: takes a recorded payload of a feed and makes dirt of it, at the level of bytes, tokens, structure
and values, as hypothesis strategies. What a payload holds, before and after, is what the product's own decoder says.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
from hypothesis import strategies as st

from connectors.base import Payload, Reject
from connectors.endpoint import Endpoint
from core import clock
from pipeline import decode
from sources import loader

RECORDED = Path(__file__).parent / "recorded"
CORPUS = Path(__file__).parent / "corpus"
FEEDS = sorted(path.stem for path in RECORDED.glob("*.json"))
TOKENS = [
    b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"<", b">", b"&", b",", b":", b"/", b"NaN", b"null", b"Infinity", b"-",
    b"1e999", b"9" * 40, b"\x00", b"\x0b", b"\xff", b"\xb9\xff", b"\xed\xa0\xbd", b"\\ud83d", b"&#x0B;", b"&#0;", b"&nbsp;",
    b"&#xD83D;", b"]]>", b"<!--", b"<![CDATA[", b"</CASE>", b"<CASE>", b"<x>", b"}}", b"},{", b"\r\n", b"\t", b"[" * 200,
    b"{\"a\":" * 80, b"<a>" * 300, b"\xef\xbb\xbf", "\u202e".encode(), "\u200b".encode(), "锟斤拷".encode(), b"=1+1", b"x" * 70_000,
]  # fmt: skip
VALUES = [
    "", " ", "无", "/", "—", "N/A", "#N/A", "待定", "00000", "null", "None", "0", "-1", "1e400", "NaN", "9" * 60, "1,234.5.6", "是",
    "0000-00-00 00:00:00", "9999-12-31 23:59:59", "0001-01-01", "1900-01-01", "1970-01-01 08:00:00", "2262-05-01", "2026-02-30",
    "2026-13-01 25:61:61", "46327", "99999", "2026年2月1日", "2026-02-01T00:00:00+14:00", "-4713-01-01", "294277-01-01 00:00:00",
    "东莞市\n某某", "东莞\t市", "东莞\u200b市", "\ufeff东莞", "东莞\u202e市", "ＤＧ－４０１", "锟斤拷", "涓滆帪甯傚競鍖", "�", "\ufdd0",
    "a\x00b", "a\x0bb", "𠮷祥", "e\u0301" * 40, "'; drop table source.record; --", "<script>alert(1)</script>", "{\"a\": 1}", "[1,2",
    "POINT (1 2", "POLYGON ((0 0, 1 1, 0 0))", "GEOMETRYCOLLECTION(" * 900, "POLYGON EMPTY", "POINT (NaN 1)", "http://[::1", "../../etc",
    "长" * 1_300, "y" * 70_000, "|", "a|b", "\\", '"', "%00", "\u2028",
]  # fmt: skip
SAID = [  # values as a database's server writes them
    "infinity", "-infinity", "Infinity", "-Infinity", "0044-03-15 10:00:00.5 BC", "12026-11-01 11:00:00", "24:00:00", "1 year -3 days",
    "2026-00-00 00:00:00", "2025-05-00 10:00:00", "0000-05-01", "2026-11-01 08:00:00+08", "2026-11-01 00:00:00.000001", "$1,234.50",
    "-$0.01", "1e308", "1E-130", "12345678901234567890123456789012345678", "t", "f", "{a,b}", "[1,5)", "(,)", "\\x00ff", "B'101'",
    "00000000-0000-0000-0000-000000000000", "10.0.0.1/8", "(1,2)", "abc   ", "\x16\x06", "<x/>", "[null]", "0x00",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dirt:
    """A payload made dirty. ``local``: what was done lies within one value of one record."""

    body: bytes
    local: bool
    what: str


@dataclass
class Recorded:
    """A feed's recorded payload, and what the decoder makes of it."""

    id: str
    media_type: str
    facts: dict
    body: bytes = field(repr=False)
    connector: object = field(init=False, repr=False)
    feed: object = field(init=False, repr=False)

    def __post_init__(self) -> None:
        from connectors import connector

        source = loader.load(self.id.partition(".")[0])
        extra = {"host_key": "SHA256:" + "A" * 43, "wsdl": "/x?wsdl", "url": "sqlite://"}
        kind = "sftp" if source.protocol == "file_drop" else "http"
        given = Endpoint(
            conn_id="dirt", conn_type=kind, host="http://127.0.0.1:9", login="u", password="p", extra=extra
        )
        self.connector = connector(source, given)
        self.feed = loader.feed(self.id)

    @classmethod
    def of(cls, feed: str) -> Recorded:
        told = json.loads((RECORDED / f"{feed}.json").read_text("utf-8"))
        return cls(feed, told["media_type"], told["facts"], (RECORDED / f"{feed}.body").read_bytes())

    def payload(self, body: bytes, number: int | None = None) -> Payload:
        """``number``: the payload stands for a part of its own, where it stands for one."""
        now = clock.now()
        facts = dict(self.facts)
        if number is not None and facts.get("scopes") and "spreadsheet" not in self.media_type:
            facts["scopes"] = [f"{scope}-{number}" for scope in facts["scopes"]]
            facts["file"] = facts["scopes"][0]
        return Payload(body, self.media_type, {"recorded": True}, now, now, facts)

    def read(self, body: bytes) -> tuple[list[dict], list[Reject], list[pa.Table], list]:
        """(rows, rejects, tables, issues) of a payload; whatever is raised here is a defect."""
        rows, rejects, tables, issues = [], [], [], []
        for one in decode.of_payload(self.connector, self.feed, self.payload(body)):
            if isinstance(one, Reject):
                rejects.append(one)
                continue
            tables.append(one.rows)
            rows += [{k: v for k, v in row.items() if v is not None} for row in one.rows.to_pylist()]
            rejects += one.rejects
            issues += one.issues
        return rows, rejects, tables, issues

    @cached_property
    def sound(self) -> list[dict]:
        return self.read(self.body)[0]

    @cached_property
    def entries(self) -> dict[str, bytes]:
        """Of a zip; empty where it is none."""
        if not self.body.startswith(b"PK"):
            return {}
        with zipfile.ZipFile(io.BytesIO(self.body)) as archive:
            return {info.filename: archive.read(info) for info in archive.infolist()}

    @cached_property
    def table(self) -> pa.Table | None:
        """Of an Arrow file; None where it is none."""
        return pa.ipc.open_file(pa.BufferReader(self.body)).read_all() if self.body.startswith(b"ARROW1") else None

    @cached_property
    def values(self) -> list[tuple[str, bytes]]:
        """(entry, bytes) of values of records that stand in the payload once: dirt in them is dirt of one record."""
        texts = self.entries or ({"": self.body} if self.table is None else {})
        counts = Counter(
            value for row in self.sound for name, value in row.items() if name != "_place" and len(value) >= 4
        )
        found = []
        for entry, text in texts.items():
            for value, count in counts.items():
                for codec in ("utf-8", "gb18030"):
                    raw = value.encode(codec)
                    if (
                        count == 1
                        and text.count(raw) == 1
                        and not value.isascii() | (codec == "utf-8")
                        or count == 1
                        and text.count(raw) == 1
                        and codec == "utf-8"
                    ):
                        found.append((entry, raw))
        return found

    def packed(self, entries: dict[str, bytes]) -> bytes:
        """A zip of these; D4's manifest tells their digests, as its writer does."""
        if "manifest.xml" in entries:
            manifest = entries["manifest.xml"]  # as bytes: it may be no text any more
            for name, body in entries.items():
                digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
                named = rb'(name="' + re.escape(name.encode()) + rb'"[^>]*md5=")[0-9a-f]+'
                manifest = re.sub(named, rb"\g<1>" + digest.encode(), manifest)
            entries = {**entries, "manifest.xml": manifest}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in entries.items():
                archive.writestr(name, body)
        return out.getvalue()


def dirt(of: Recorded) -> st.SearchStrategy[Dirt]:
    """Every kind of dirt that the payload can have."""
    if of.table is not None:
        return _cells(of)  # the file is ours, written from what a database said; its bytes are proven by their digest
    kinds = [_bytes(of)]
    kinds += [_token(of), _structure(of)]
    if of.values:
        kinds += [_value(of), _inside(of)]
    if of.entries:
        kinds += [_entry(of)]
    return st.one_of(*kinds)


def _changed(body: bytes, draw, least: int = 1) -> bytes:
    """Some bytes flipped, deleted, doubled, put in, or all cut at a place."""
    place = draw(st.integers(0, max(0, len(body) - 1)))
    length = draw(st.integers(least, 40))
    kind = draw(st.sampled_from(["flip", "delete", "double", "insert", "cut", "shuffle"]))
    if kind == "flip":
        return body[:place] + bytes([draw(st.integers(0, 255))]) + body[place + 1 :]
    if kind == "delete":
        return body[:place] + body[place + length :]
    if kind == "double":
        return body[:place] + body[place : place + length] + body[place:]
    if kind == "insert":
        return body[:place] + draw(st.binary(min_size=1, max_size=12)) + body[place:]
    if kind == "cut":
        return body[:place]
    return body[:place] + body[place : place + length][::-1] + body[place + length :]


@st.composite
def _bytes(draw, of: Recorded) -> Dirt:
    return Dirt(_changed(of.body, draw), False, "bytes")


@st.composite
def _entry(draw, of: Recorded) -> Dirt:
    """Bytes of one entry, in a zip that is whole."""
    name = draw(st.sampled_from(sorted(of.entries)))
    return Dirt(of.packed({**of.entries, name: _changed(of.entries[name], draw)}), False, f"bytes of {name}")


def _text(draw, of: Recorded) -> tuple[str, bytes]:
    names = sorted(name for name in of.entries if name.endswith((".xml", ".csv", ".txt"))) or [""]
    name = draw(st.sampled_from(names))
    return name, of.entries.get(name, of.body)


def _back(of: Recorded, name: str, text: bytes) -> bytes:
    return of.packed({**of.entries, name: text}) if name else text


_TOKEN = re.compile(rb'"[^"]*"|[<>{}\[\],:=/]|[^\s<>{}\[\],:=/"]+')


@st.composite
def _token(draw, of: Recorded) -> Dirt:
    """A token replaced by another, anywhere."""
    name, text = _text(draw, of)
    spans = [found.span() for found in _TOKEN.finditer(text)] or [(0, 0)]
    start, end = draw(st.sampled_from(spans))
    token = draw(st.sampled_from(TOKENS))
    return Dirt(_back(of, name, text[:start] + token + text[end:]), False, f"token {token[:20]!r}")


@st.composite
def _structure(draw, of: Recorded) -> Dirt:
    """Tokens deleted, doubled or exchanged."""
    name, text = _text(draw, of)
    spans = [found.span() for found in _TOKEN.finditer(text)] or [(0, 0)]
    one, two = sorted(draw(st.tuples(st.sampled_from(spans), st.sampled_from(spans))))
    kind = draw(st.sampled_from(["delete", "double", "swap"]))
    a, b = text[slice(*one)], text[slice(*two)]
    if kind == "delete":
        text = text[: one[0]] + text[one[1] :]
    elif kind == "double":
        text = text[: one[1]] + a + text[one[1] :]
    elif one[1] <= two[0]:
        text = text[: one[0]] + b + text[one[1] : two[0]] + a + text[two[1] :]
    return Dirt(_back(of, name, text), False, kind)


@st.composite
def _inside(draw, of: Recorded) -> Dirt:
    """A token that breaks something, within a value of a record."""
    name, raw = draw(st.sampled_from(of.values))
    text = of.entries.get(name, of.body)
    place = text.index(raw) + draw(st.integers(1, max(1, len(raw) - 1)))
    token = draw(st.sampled_from(TOKENS))
    return Dirt(_back(of, name, text[:place] + token + text[place:]), _is_local(of, name), f"{token[:20]!r} in a value")


@st.composite
def _value(draw, of: Recorded) -> Dirt:
    """A value of a record replaced by another, written as the format has it."""
    name, raw = draw(st.sampled_from(of.values))
    text = of.entries.get(name, of.body)
    value = draw(st.sampled_from(VALUES))
    written = _written(value, text, raw)
    return Dirt(_back(of, name, text.replace(raw, written)), _is_local(of, name), f"value {value[:20]!r}")


@st.composite
def _cells(draw, of: Recorded) -> Dirt:
    """Values of one row of an Arrow file replaced; a column that went, or came again in other letters."""
    table = of.table
    if draw(st.integers(0, 9)) == 0:
        return _columns(draw, table)
    row = draw(st.integers(0, table.num_rows - 1))
    columns = draw(st.lists(st.sampled_from(table.column_names), min_size=1, max_size=3, unique=True))
    for name in columns:
        values = table.column(name).to_pylist()
        values[row] = draw(st.sampled_from([*VALUES, *SAID, None]))
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return Dirt(_arrow(table), True, f"cells {', '.join(columns)}")


def _columns(draw, table: pa.Table) -> Dirt:
    name = draw(st.sampled_from(table.column_names))
    if draw(st.booleans()):
        return Dirt(_arrow(table.drop_columns([name])), False, f"no {name}")
    others = {name.lower(), name.title(), name.swapcase(), f" {name}", f"{name}_"} - set(table.column_names)
    other = draw(st.sampled_from(sorted(others)))
    values = draw(st.sampled_from([table.column(name).to_pylist(), ["x"] * table.num_rows, [None] * table.num_rows]))
    return Dirt(
        _arrow(table.append_column(other, pa.array(values, pa.large_string()))), False, f"{name} as {other!r} too"
    )


def _arrow(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as file:
        file.write_table(table)
    return out.getvalue()


def _is_local(of: Recorded, name: str) -> bool:
    """Whether dirt of a value stays in its record: strings of a workbook and points of a red line are shared."""
    return not name or name.endswith(("cases.xml", ".csv")) or "sheet" in name


def _written(value: str, text: bytes, raw: bytes) -> bytes:
    head = text.lstrip()[:1]
    if head in b"{[":
        written = json.dumps(value, ensure_ascii=False)[1:-1].encode()
        return (
            written.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            if b'\\"' in text and b"topic" in text[:200]
            else written
        )
    if head == b"<":
        plain = escape(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufdd0\ufffe\uffff]", "", value))
        plain = escape(plain) if b"&lt;" in text[:2000] and b"&lt;" in text else plain
        codec = "utf-8" if b"\xe4" in text or b"utf-8" in text[:100].lower() else "gb18030"
        return plain.encode(codec, "replace")
    quoted = '"' + value.replace('"', '""').replace("\x00", "") + '"'
    return quoted.encode("gb18030", "replace")
