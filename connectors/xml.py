"""XML from strangers: no document type, no entity, no network, no huge trees; decoded by us, so that nothing is lost.

Every connector that reads XML does it here. A document type declaration is refused before a parser sees what it
declares (an external entity, a billion laughs): no contract of ours has one. Bytes are decoded in Python, by the
charset that the transport or the XML declaration names, and the parser is given UTF-8: GB 18030 stands for all of its
subsets, and what does not decode can be named by its place instead of ending the document.

:func:`parse` reads a page into a tree; :func:`stream` reads a file of any size, one record at a time, in flat memory.
:func:`record` makes a row of raw columns of a record's element.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lxml import etree

from core.errors import ProviderError

XSI = "http://www.w3.org/2001/XMLSchema-instance"
DAMAGE = "\ufffd"  # stands before each byte or character that could not be read: �\x81
_CHUNK = 1 << 18
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")
_DECLARED = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][\w.:-]*)["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.I)
_PROLOG = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.S)
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_GB = {"gbk", "gb2312", "cp936", "ms936", "x-gbk", "windows-936", "euc-cn", "hz-gb-2312", "gb18030", "gb_2312-80"}


class UnsafeXml(ProviderError):
    """A document type declaration, an entity, or a tree beyond the parser's limits: refused."""


class DamagedXml(ProviderError):
    """Bytes that do not decode, or text that is no XML: narrow it down, the rest may be sound."""


class CutXml(DamagedXml):
    """The document ends before its root does."""


@dataclass(slots=True)
class Record:
    """One record of a stream: ``number`` from 1 in the file's order; ``damaged``: holds what could not be read."""

    number: int
    element: etree._Element
    damaged: bool


def charset(body: bytes, content_type: str | None = None) -> str:
    """The Python codec of a document: by its BOM, the transport's ``charset``, its declaration, else UTF-8.

    :raises DamagedXml: a charset that nobody knows.
    """
    for bom, name in _BOMS:
        if body.startswith(bom):
            return name
    told = _CHARSET.search(content_type or "")
    declared = _DECLARED.match(body[:400])
    name = (told[1] if told else declared[1].decode() if declared else "utf-8").lower()
    if name in _GB:
        return "gb18030"
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise DamagedXml(
            f"the document says it is in {name!r}, which is no charset",
            remedy="tell the source's owner: UTF-8 or GB18030 is meant",
            zh=f"报文声明的字符集 {name!r} 不存在，请联系数源部门更正。",
            code="xml_charset",
        ) from error


def text(body: bytes, content_type: str | None = None, *, mark: bool = False) -> str:
    """Decode a document. ``mark``: put ``�\\xNN`` for what does not decode, instead of raising.

    :raises DamagedXml: a byte that does not decode, with its place and its neighbourhood escaped.
    """
    name = charset(body, content_type)
    try:
        decoded = body.decode(name, "onemap_mark" if mark else "strict")
    except UnicodeDecodeError as error:
        around = body[max(0, error.start - 20) : error.end + 20].decode(name, "backslashreplace")
        raise DamagedXml(
            f"byte {error.start} does not decode as {name}: …{around}…",
            remedy="tell the source's owner; the record is kept in quarantine",
            zh=f"第 {error.start} 字节不是合法的 {name} 编码，请联系数源部门更正。",
            code="undecodable",
        ) from error
    decoded = decoded.removeprefix("\ufeff")
    return _marked(decoded) if mark else decoded


def escaped(body: bytes, content_type: str | None = None) -> str:
    """A document as readable text, with ``\\xNN`` for each byte that does not decode: what quarantine keeps."""
    return body.decode(charset(body, content_type), "backslashreplace")


def parse(source: str | bytes, content_type: str | None = None, *, what: str = "the answer") -> etree._Element:
    """The root of a document. A string's own encoding declaration is untrue by nature and ignored.

    :raises UnsafeXml: what this module refuses. :raises DamagedXml: what is not XML, or does not decode.
    """
    decoded = source if isinstance(source, str) else text(source, content_type)
    decoded = _undeclared(decoded.removeprefix("\ufeff")).strip()
    _refuse_doctype(decoded, what)
    try:
        root = etree.fromstring(decoded.encode("utf-8", "surrogatepass"), _parser(etree.XMLParser))
    except etree.XMLSyntaxError as error:
        raise _malformed(error, what, cut=not decoded.endswith(">")) from error
    _refuse_dtd(root, what)
    return root


def stream(
    source: bytes | Path | IO[bytes], name: str | Collection[str], *, encoding: str | None = None
) -> Iterator[Record]:
    """Each element of local name ``name`` (or of those), wherever it stands and whatever its namespace, in flat memory.

    Bytes that do not decode and characters that XML forbids become ``�\\xNN`` and mark their record as damaged; the
    records around it are sound. The element is emptied once the next is asked for.

    :raises UnsafeXml: see :func:`parse`. :raises DamagedXml: not well-formed, :class:`CutXml` when it ends too early.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield from stream(file, name, encoding=encoding)
        return
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    what = Path(getattr(file, "name", "") or "the document").name
    wanted = [f"{{*}}{one}" for one in ({name} if isinstance(name, str) else name)]
    parser = _parser(etree.XMLPullParser, events=("end",), tag=wanted, encoding="utf-8")
    number, dirty, end = 0, False, ""
    try:
        for piece in _decoded(file, encoding, what):
            dirty, end = dirty or DAMAGE in piece, piece.rstrip() or end
            parser.feed(piece.encode())
            for _, element in parser.read_events():
                if not number:
                    _refuse_dtd(element, what)
                number += 1
                yield Record(number, element, dirty and _is_damaged(element))
                _drop(element)
        _refuse_dtd(parser.close(), what)
    except etree.XMLSyntaxError as error:
        raise _malformed(error, what, cut=not end.endswith(">")) from error


def local(element: etree._Element) -> str:
    """An element's name without its namespace; empty for comments and processing instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: etree._Element, name: str | None = None) -> list[etree._Element]:
    """Child elements, of one local name or all."""
    return [child for child in element if isinstance(child.tag, str) and name in (None, local(child))]


def is_nil(element: etree._Element) -> bool:
    """``xsi:nil``, in any year's namespace of XML Schema instances; ``xsi:null`` of old toolkits too."""
    for attribute, value in element.items():
        if attribute.endswith(("}nil", "}null")) and value.strip() in ("1", "true"):
            return True
    return False


def content(element: etree._Element) -> str | None:
    """The text of an element without elements of its own; None when nil."""
    if is_nil(element):
        return None
    return "".join(element.itertext()) if len(element) else element.text or ""


def record(element: etree._Element, nested: Collection[str] = (), omit: Collection[str] = ()) -> dict[str, str | None]:
    """A record's element → raw columns by local name, but for those to ``omit``.

    Simple elements are text. What has elements or attributes of its own, occurs twice, or is named in ``nested`` is a
    JSON list (``SPHJ`` → ``[{"SPHJMC": …}, …]``); no occurrence, no column.
    """
    groups: dict[str, list[etree._Element]] = {}
    for child in children(element):
        name = local(child)
        if name not in omit:
            groups.setdefault(name, []).append(child)
    row: dict[str, str | None] = {}
    for name, found in groups.items():
        if name not in nested and len(found) == 1 and not _is_deep(found[0]):
            row[name] = content(found[0])
        else:
            row[name] = json.dumps([_value(one) for one in found], ensure_ascii=False, separators=(",", ":"))
    return row


def _is_damaged(element: etree._Element) -> bool:
    return any(DAMAGE in part for part in element.itertext()) or any(
        DAMAGE in value for one in element.iter() for value in one.attrib.values()
    )


def _is_deep(element: etree._Element) -> bool:
    return len(element) > 0 or any(not name.startswith("{") for name, _ in element.items())


def _value(element: etree._Element) -> Any:
    """Nested content as JSON: objects of attributes and children, text where there are none."""
    if not _is_deep(element):
        return content(element)
    value: dict[str, Any] = {name: given for name, given in element.attrib.items() if not name.startswith("{")}
    for child in children(element):
        name, one = local(child), _value(child)
        if name in value:
            value[name] = [*value[name], one] if isinstance(value[name], list) else [value[name], one]
        else:
            value[name] = one
    if not len(element) and (element.text or "").strip():
        value["_text"] = element.text
    return value


def _parser(kind: type, **more: Any) -> Any:
    return kind(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        **more,
    )


def _decoded(file: IO[bytes], encoding: str | None, what: str) -> Iterator[str]:
    """The file as text, piece by piece, without its declaration, once its prolog is known to hold no DOCTYPE."""
    head = file.read(_CHUNK)
    decoder = codecs.getincrementaldecoder(_codec(head, encoding))("onemap_mark")
    start = decoder.decode(head).removeprefix("\ufeff")
    while head and _PROLOG.match(start).end() == len(start) and len(start) < 16 * _CHUNK:
        head = file.read(_CHUNK)
        start += decoder.decode(head, not head)
    _refuse_doctype(start, what)
    yield _marked(_undeclared(start).lstrip())
    while head:
        head = file.read(_CHUNK)
        yield _marked(decoder.decode(head, not head))


def _undeclared(decoded: str) -> str:
    """Without its XML declaration: what it says of the encoding is no longer true of a string."""
    found = _DECLARATION.match(decoded)
    return decoded[found.end() :] if found else decoded


def _codec(head: bytes, encoding: str | None) -> str:
    return charset(head, f"charset={encoding}" if encoding else None)


def _marked(decoded: str) -> str:
    return _ILLEGAL.sub(lambda found: f"{DAMAGE}\\x{ord(found[0]):02x}", decoded)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(f"{DAMAGE}\\x{byte:02x}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("onemap_mark", _mark)


def _drop(element: etree._Element) -> None:
    """Empty an element and take away what stood before it, so that memory stays flat."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _refuse_doctype(decoded: str, what: str) -> None:
    if decoded.startswith("<!DOCTYPE", _PROLOG.match(decoded).end()):
        raise _unsafe(what)


def _refuse_dtd(element: etree._Element, what: str) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise _unsafe(what)


def _unsafe(
    what: str, why: str = "declares a document type or entities", zh: str = "含有文档类型或实体声明"
) -> UnsafeXml:
    return UnsafeXml(
        f"{what} {why}: refused",
        remedy="no contract of ours has that: tell the source's owner, and have the source looked at for an intrusion",
        zh=f"{what} {zh}，已拒绝解析；请数源部门排查是否被入侵或篡改。",
        code="xml_unsafe",
    )


def _malformed(error: etree.XMLSyntaxError, what: str, *, cut: bool) -> ProviderError:
    said = str(error.msg or error)
    if "amplification" in said or "PEReferences" in said:
        return _unsafe(what)
    if "xcessive depth" in said or "huge" in said.lower():
        return _unsafe(what, "is beyond the parser's limits of depth or size", "超出解析器的深度或长度限制")
    if cut or "Premature end" in said:
        return CutXml(
            f"{what} ends too early: {said}",
            remedy="it is asked for again by itself; if it lasts, tell the source's owner",
            zh=f"{what} 不完整，将重新获取；如持续，请联系数源部门。",
            code="xml_cut",
        )
    return DamagedXml(
        f"{what} is not well-formed: {said}",
        remedy="tell the source's owner",
        zh=f"{what} 不是合法的 XML（第 {error.position[0]} 行第 {error.position[1]} 列），请联系数源部门。",
        code="xml_malformed",
    )
