"""XML from strangers: no document type, no entity, no network, no huge trees; decoded by us, so that nothing is lost.

Every connector that reads XML does it here. A document type declaration is refused before a parser sees what it
declares (an external entity, a billion laughs): no contract of ours has one. Bytes are decoded in Python, by evidence
(:mod:`connectors.decoders.charsets`), and the parser is given UTF-8: what does not decode can be named by its place instead of
ending the document.

:func:`parse` reads a page into a tree; :func:`stream` reads a file of any size, one record at a time, in flat memory.
Where they refuse a document, :func:`lenient` and :func:`records` cut it at its records: one that is no XML stands
alone, with its text. :func:`record` makes a row of raw columns of a record's element.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import msgspec
import polars as pl
from lxml import etree

from connectors.base import Reject
from connectors.decoders import charsets
from connectors.decoders.charsets import DAMAGE as DAMAGE  # decoders of documents look for it in what they read here
from connectors.limits import Limits, OverLimit, check
from core.errors import ProviderError

XSI = "http://www.w3.org/2001/XMLSchema-instance"
BROKEN = (
    "onemap-broken"  # attribute of the element that stands for a record that is no XML: why; its text is the record
)
RAW = 1 << 18  # characters of a rejected record that quarantine keeps
_CHUNK = 1 << 18
_DAMAGE = DAMAGE.encode()
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")
_DECLARED = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][\w.:-]*)["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.I)
_PROLOG = re.compile(r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+", re.S)
_OPENING = re.compile(r"<[^<>]*")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}));")
_PAIR = re.compile(
    r"&#(?:x([dD][89abAB][0-9a-fA-F]{2})|(5[5-6]\d{3}));&#(?:x([dD][c-fC-F][0-9a-fA-F]{2})|(5[6-7]\d{3}));"
)
_XMLNS = re.compile(r"""\sxmlns(?::[\w.-]+)?\s*=\s*(?:"[^"<]*"|'[^'<]*')""")
_CLOSED = re.compile(r"</[^<>]+>\s*\Z")
_ROOT = re.compile(r"<[^?!/][^<>]*>")


class Readable(Protocol):
    """Bytes that are read piece by piece: a file, an entry of an archive."""

    def read(self, size: int = -1, /) -> bytes: ...


class UnsafeXml(ProviderError):
    """A document type declaration, an entity, or a tree beyond the parser's limits: refused."""


class HugeXml(UnsafeXml):
    """A tree beyond the parser's own limits of depth and length: one record may be to blame."""


class DamagedXml(ProviderError):
    """Bytes that do not decode, or text that is no XML: narrow it down, the rest may be sound."""


class CutXml(DamagedXml):
    """The document ends before its root does."""


@dataclass(slots=True)
class Record:
    """One record of a stream: ``number`` from 1 in the file's order; ``damaged``: holds what could not be read.

    ``broken``: why it is no XML at all; its ``element`` then has its text alone.
    """

    number: int
    element: etree._Element
    damaged: bool
    broken: str | None = None


def charset(
    body: bytes, content_type: str | None = None, *, usual: str | None = None, whole: bool = True
) -> charsets.Charset:
    """The charset of a document, by evidence. The transport's ``charset`` and its own declaration are heard;
    ``usual``: what the feed sends where nothing is declared.
    """
    return charsets.judge(body, _declared(body, content_type), usual, whole=whole)


def read(body: bytes, content_type: str | None = None) -> charsets.Decoded:
    """All of a document as text, in :func:`charset`, marked where it does not decode."""
    return charsets.decode(body, _declared(body, content_type))


def contradicts(body: bytes, content_type: str | None = None, found: charsets.Charset | None = None) -> str | None:
    """Words where what is said of the charset is not what the bytes are (``found``, where that is known already); None where it
    holds, or nothing is said."""
    names = [name for name in _declared(body, content_type) if name]
    if found is None or body.startswith(codecs.BOM_UTF8):
        found = charset(body, content_type)
    if not names or body.isascii() or found.mark or charsets.codec_of(names[0]) == found.name:
        return None
    return f"the document says that it is in {names[0]}; its bytes are {found.name}"


def _declared(body: bytes, content_type: str | None) -> list[str | None]:
    match = _CHARSET.search(content_type or "")
    declared = _DECLARED.match(body[:400])
    return [match[1] if match else None, declared[1].decode() if declared else None]


def text(body: bytes, content_type: str | None = None, *, mark: bool = False) -> str:
    """Decode a document. ``mark``: put ``�\\xNN`` for what does not decode or is no character of XML, instead of raising.

    :raises DamagedXml: a byte that does not decode, with its place and its neighbourhood escaped.
    """
    found = charset(body, content_type)
    name, body = found.name, body[found.mark :]
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
    return marked(decoded) if mark else decoded


def unescaped(text: str) -> str:
    """Text with XML's own entities as what they stand for; others stay."""
    for name, letter in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("apos", "'"), ("amp", "&")):
        text = text.replace(f"&{name};", letter)
    return text


def unescaped_all(texts: pl.Series) -> pl.Series:
    """The same of a column."""
    if not texts.str.contains("&", literal=True).any():
        return texts
    for name, letter in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("apos", "'"), ("amp", "&")):
        texts = texts.str.replace_all(f"&{name};", letter, literal=True)
    return texts


def shown(element: etree._Element) -> str:
    """A record as text, with ``\\xNN`` for each byte that does not decode: what quarantine keeps."""
    return charsets.shown(etree.tostring(element, encoding="unicode", with_tail=False)[:RAW])


def escaped(body: bytes, content_type: str | None = None) -> str:
    """A document as readable text, with ``\\xNN`` for each byte that does not decode: what quarantine keeps."""
    found = charset(body, content_type)
    return body[found.mark :].decode(found.name, "backslashreplace")


def parse(
    source: str | bytes, content_type: str | None = None, *, what: str = "the answer", limits: Limits | None = None
) -> etree._Element:
    """The root of a document. A string's own encoding declaration is untrue by nature and ignored.

    :raises UnsafeXml: what this module refuses. :raises DamagedXml: what is not XML, or does not decode.
    :raises OverLimit: more bytes or elements than a page may have.
    """
    limits = limits or Limits()
    check(limits, "page", len(source), what)
    decoded = source if isinstance(source, str) else text(source, content_type)
    decoded = _undeclared(decoded.removeprefix("\ufeff")).strip()
    _refuse_doctype(decoded, what)
    check(limits, "elements", decoded.count("<") // 2, what)
    try:
        root = etree.fromstring(decoded.encode("utf-8", "surrogatepass"), _parser(etree.XMLParser))
    except etree.XMLSyntaxError as error:
        raise _malformed(error, what, cut=not decoded.endswith(">")) from error
    _refuse_dtd(root, what)
    return root


def lenient(
    source: str | bytes,
    names: Collection[str],
    content_type: str | None = None,
    *,
    what: str = "the answer",
    limits: Limits | None = None,
) -> etree._Element:
    """:func:`parse`; where it refuses, once more with marks for what does not decode; where that is no XML, cut at the
    elements of those local names: one that is no XML is replaced by one of its name with the attribute
    :data:`BROKEN`, whose text it is.

    :raises UnsafeXml: as :func:`parse`. :raises DamagedXml: what is around the records is no XML, or it was cut.
    """
    try:
        return parse(source, content_type, what=what, limits=limits)
    except CutXml:
        raise
    except (DamagedXml, HugeXml):
        pass
    decoded = marked(source) if isinstance(source, str) else text(source, content_type, mark=True)
    try:
        return parse(decoded, what=what, limits=limits)
    except CutXml:
        raise
    except (DamagedXml, HugeXml):
        pass
    parts: list[str] = []
    chunks = list(_chunks(iter([_undeclared(decoded)]), names))
    after_broken = False
    for place, chunk in enumerate(chunks):
        if chunk.why:
            parts.append(f"<{chunk.name} {BROKEN}={_quoted(chunk.why)}>{_quoted(chunk.text)[1:-1]}</{chunk.name}>")
        elif chunk.name or not after_broken:
            parts.append(chunk.text)
        elif place == len(chunks) - 1:  # what a broken record left behind it goes; what closes the document stays
            ends = list(_END_TAG.finditer(chunk.text))[-_open(chunks[0].text) :]
            parts.append(chunk.text[ends[0].start() :] if ends else chunk.text)
        after_broken = bool(chunk.why) or (after_broken and not chunk.name)
    return parse("".join(parts), what=what, limits=limits)


def records(
    opened: Callable[[], AbstractContextManager[Readable]],
    name: str | Collection[str],
    *,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> Iterator[Record]:
    """:func:`stream`; from the record on at which it refuses the document, each record is cut out and read alone.

    ``opened`` gives the document from its beginning, a second time where need be. ``encoding``: what the feed sends.

    :raises UnsafeXml: see :func:`parse`. :raises CutXml: it ends too early. :raises OverLimit: a record has no end.
    """
    number = 0
    try:
        with opened() as file:
            for one in stream(file, name, encoding=encoding, limits=limits):
                number = one.number
                yield one
        return
    except CutXml:
        raise
    except (DamagedXml, HugeXml):
        pass
    count = 0
    with opened() as file:
        what = Path(getattr(file, "name", "") or "the document").name
        for chunk in _chunks(_decoded(file, encoding, what), {name} if isinstance(name, str) else name):
            if not chunk.name:
                continue
            count += 1
            if count <= number:
                continue
            yield _as_record(chunk, count)


def stream(
    source: bytes | Path | Readable,
    name: str | Collection[str],
    *,
    encoding: str | None = None,
    limits: Limits | None = None,
) -> Iterator[Record]:
    """Each element of local name ``name`` (or of those), wherever it stands and whatever its namespace, in flat memory.

    Bytes that do not decode and characters that XML forbids become ``�\\xNN`` and mark their record as damaged; the
    records around it are sound. The element is emptied once the next is asked for.

    :raises UnsafeXml: see :func:`parse`. :raises DamagedXml: not well-formed, :class:`CutXml` when it ends too early.
    :raises OverLimit: more elements than the limit without one that is asked for.
    """
    if isinstance(source, Path):
        with source.open("rb") as opened:
            yield from stream(opened, name, encoding=encoding, limits=limits)
        return
    limits = limits or Limits()
    file: Readable = io.BytesIO(source) if isinstance(source, bytes) else source
    what = Path(getattr(file, "name", "") or "the document").name
    wanted = [f"{{*}}{one}" for one in ({name} if isinstance(name, str) else name)]
    parser = _parser(etree.XMLPullParser, events=("end",), tag=wanted, encoding="utf-8")
    number, dirty, end, waiting = 0, False, "", 0
    try:
        for piece in _decoded(file, encoding, what):
            dirty, end = dirty or DAMAGE in piece, piece.rstrip() or end
            waiting += piece.count("<")
            parser.feed(piece.encode())
            for _, element in parser.read_events():
                if not number:
                    _refuse_dtd(element, what)
                number, waiting = number + 1, 0
                yield Record(number, element, dirty and is_damaged(element))
                _drop(element)
            check(limits, "children", waiting // 2, what)
        _refuse_dtd(parser.close(), what)
    except etree.XMLSyntaxError as error:
        raise _malformed(error, what, cut=not end.endswith(">")) from error


def spaces(root: str) -> str:
    """The declarations of namespaces that stand in a root's tag."""
    return "".join(dict.fromkeys(_XMLNS.findall(root)))


def alone(written: str, name: str, spaces: str) -> Record:
    """A record cut out of a document whose root declares ``spaces``, read alone; see :class:`Record`."""
    return _as_record(_parsed(marked(written), name, spaces), 0)


def _as_record(chunk: _Chunk, number: int) -> Record:
    if chunk.why or chunk.element is None:
        holder = etree.Element(chunk.name.rpartition(":")[2])
        holder.text = chunk.text
        return Record(number, holder, True, chunk.why)
    return Record(number, chunk.element, DAMAGE in chunk.text and is_damaged(chunk.element))


def local(element: etree._Element) -> str:
    """An element's name without its namespace; empty for comments and processing instructions."""
    tag = element.tag
    return _bare(tag) if isinstance(tag, str) else ""


@lru_cache(maxsize=4096)
def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]


_MACHINERY = (  # namespaces whose attributes are of XML itself, of SOAP or of geometries, and say nothing of a record
    "{http://www.w3.org/XML/",
    "{http://www.w3.org/1999/XMLSchema",
    "{http://www.w3.org/2000/10/XMLSchema",
    "{http://www.w3.org/2001/XMLSchema",
    "{http://www.w3.org/2003/05/soap",
    "{http://schemas.xmlsoap.org/",
    "{http://www.opengis.net/",
)


@lru_cache(maxsize=4096)
def _own(attribute: str) -> str:
    """The local name of an attribute that a record says something by; empty for one of :data:`_MACHINERY`."""
    return "" if attribute.startswith(_MACHINERY) else _bare(attribute)


def attributes(element: etree._Element) -> dict[str, str]:
    """An element's attributes by local name, those of XML's own machinery aside; where two have one name, the one without a
    namespace counts."""
    items = element.items()
    if not items:
        return {}
    found = {_own(name): given for name, given in items if name[0] == "{"}
    found.update((name, given) for name, given in items if name[0] != "{")
    found.pop("", None)
    return found


def children(element: etree._Element, name: str | None = None) -> list[etree._Element]:
    """Child elements, of one local name or all."""
    return list(
        element.iterchildren("*" if name is None else f"{{*}}{name}")
    )  # no comments, no processing instructions


def is_nil(element: etree._Element) -> bool:
    """``xsi:nil``, in any year's namespace of XML Schema instances; ``xsi:null`` of old toolkits too."""
    for attribute, value in element.items():
        if attribute.endswith(("}nil", "}null")) and value.strip() in ("1", "true"):
            return True
    return False


def content(element: etree._Element) -> str | None:
    """The text of an element without elements of its own; None when nil."""
    if _is_plain(element):
        return element.text or ""
    if is_nil(element):
        return None
    return "".join(element.itertext()) if len(element) else element.text or ""


def record(
    element: etree._Element, nested: Collection[str] = (), omit: Collection[str] = (), inner: Collection[str] = ()
) -> dict[str, str | None]:
    """A record's element → raw columns by local name, but for those to ``omit``.

    Simple elements are text, and so are those that only wrap one named in ``inner``. What has elements or attributes of its own, occurs twice, or is named in ``nested`` is a
    JSON list (``SPHJ`` → ``[{"SPHJMC": …}, …]``); no occurrence, no column. Attributes are columns too, where no element
    has their name.
    """
    groups: dict[str, list[etree._Element]] = {}
    for child in children(element):
        name = _bare(child.tag)  # of a child element a text
        if name in omit:
            continue
        if name in groups:
            groups[name].append(child)
        else:
            groups[name] = [child]
    row: dict[str, str | None] = {}
    for name, found in groups.items():
        if name not in nested and (len(found) == 1 or _is_same(found)):
            one = _unwrapped(found[0], inner) if inner else found[0]
            if _is_plain(one):
                row[name] = one.text or ""
                continue
            if not _is_deep(one):
                row[name] = content(one)
                continue
        row[name] = msgspec.json.encode([value(one) for one in found]).decode()
    for name, given in attributes(element).items():
        if name not in omit and name != BROKEN:
            row.setdefault(name, given)
    return row


def twice(element: etree._Element, single: frozenset[str]) -> list[str]:
    """Which of the columns that a record has once (``single``) stand in it again with another value: nothing says which counts."""
    tags = [child.tag for child in element.iterchildren("*")]
    if len(set(tags)) == len(tags):  # as nearly all are
        return []
    names, wanted = Counter(map(_bare, tags)), _lowered(single)
    again = {name for name, times in names.items() if times > 1 and name.lower() in wanted}
    if not again:
        return []
    found: dict[str, set[str | None]] = {name: set() for name in names if name in again}
    for child in children(element):
        if (name := local(child)) in again:
            found[name].add(content(child))
    return [name for name, values in found.items() if len(values) > 1]


@lru_cache(maxsize=256)
def _lowered(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def ambiguous(element: etree._Element, place: str, names: Sequence[str], key: str | None) -> Reject:
    """The reject of a record with :func:`twice`."""
    message = f"{place} has {', '.join(sorted(names))} twice, with unlike values"
    return Reject(place, "column_ambiguous", message, shown(element), key or None)


def is_damaged(element: etree._Element) -> bool:
    """Whether a record holds a mark of what could not be read."""
    if _DAMAGE not in etree.tostring(element, encoding="utf-8", with_tail=False):
        return False
    texts = [*element.itertext(), *(value for one in element.iter() for value in one.values())]
    return charsets.MARKED.search("\n".join(texts)) is not None


def _is_same(elements: list[etree._Element]) -> bool:
    """Whether they are the same text again."""
    return not any(map(_is_deep, elements)) and len({content(element) for element in elements}) == 1


def _unwrapped(element: etree._Element, names: Collection[str]) -> etree._Element:
    """What stands alone in it, however deep, where its name is one of these; else the element itself."""
    if not names:
        return element
    one = element
    while len(one) == 1:
        one = one[0]
        if local(one) in names and not len(one):
            bare = etree.Element("value")
            bare.text = one.text
            return bare
    return element


def _is_plain(element: etree._Element) -> bool:
    """Text and nothing else, as most elements are."""
    return not len(element) and not element.items()


def _is_deep(element: etree._Element) -> bool:
    return len(element) > 0 or bool(attributes(element))


def value(element: etree._Element) -> Any:
    """Nested content as JSON: objects of attributes and children, text where there are none."""
    if _is_plain(element):
        return element.text or ""
    if not _is_deep(element):
        return content(element)
    found: dict[str, Any] = {**attributes(element)}
    for child in children(element):
        name, one = local(child), value(child)
        if name in found:
            found[name] = [*found[name], one] if isinstance(found[name], list) else [found[name], one]
        else:
            found[name] = one
    if not len(element) and (element.text or "").strip():
        found["_text"] = element.text
    return found


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


def _open(head: str) -> int:
    """How many elements are open where a document's head ends."""
    tags = [found[0] for found in _TAG.finditer(head)]
    return sum(-1 if tag.startswith("</") else 0 if tag.endswith("/>") else 1 for tag in tags)


_TAG = re.compile(r"</?[^<>!?][^<>]*>")
_END_TAG = re.compile(r"</[^<>]+>")


@dataclass(slots=True)
class _Chunk:
    """A piece of a document: a record by the name that it has there, or what stands between records (no name)."""

    text: str
    name: str = ""
    element: etree._Element | None = None
    why: str | None = None


def _chunks(pieces: Iterator[str], names: Collection[str]) -> Iterator[_Chunk]:
    """A document cut at its records, in order and whole; each record parsed alone, with the prefixes of the root.

    :raises CutXml: the document does not end with a closing tag. :raises OverLimit: a record has no end.
    """
    tag = re.compile(rf"<(?P<slash>/?)(?P<name>(?:[\w.-]+:)?(?:{'|'.join(map(re.escape, sorted(names)))}))(?=[\s/>])")
    held, declared, begun = "", None, False  # text not yet given; declarations of the root; held begins with a record
    last = ""
    for piece in pieces:
        held += piece
        last = (last + piece)[-400:]
        place = 0  # of what is not yet given
        scan = _end(_OPENING, held) if begun and held.startswith("<") else 0
        for found in tag.finditer(held, scan):
            if declared is None:
                root = _ROOT.search(held)
                declared = spaces(root[0]) if root else ""
            if found["slash"]:
                if not begun:
                    continue
                end = held.find(">", found.end()) + 1
                if not end:
                    break
                yield _parsed(held[place:end], found["name"], declared)
                place, begun = end, False
                continue
            if begun:  # another begins before this one ends
                broken = held[place : found.start()]
                yield _parsed(broken, _named(broken), declared)
            elif found.start() > place:
                yield _Chunk(held[place : found.start()])
            place, begun = found.start(), True
            end = held.find(">", place)
            if end > 0 and held[end - 1] == "/":
                yield _parsed(held[place : end + 1], found["name"], declared)
                place, begun = end + 1, False
        held = held[place:]
        if len(held) > _LONGEST:
            raise OverLimit(
                f"a record has more than {_LONGEST} characters",
                remedy="tell the source's owner",
                zh=f"单条记录超过 {_LONGEST} 个字符，请联系数源部门。",
                code="over_limit",
            )
    if not _CLOSED.search(last):
        raise CutXml(
            "the document ends too early",
            remedy="it is asked for again by itself; if it lasts, tell the source's owner",
            zh="文档不完整，将重新获取；如持续，请联系数源部门。",
            code="xml_cut",
        )
    if begun:  # the last has no end of its own: what follows it closes the document
        end = held.rfind("</")
        yield _parsed(held[:end], _named(held), declared or "")
        held = held[end:]
    yield _Chunk(held)


_LONGEST = 16 << 20  # characters of a record


def _named(record: str) -> str:
    return re.split(r"[\s/>]", record.removeprefix("<"), maxsplit=1)[0]


def _end(pattern: re.Pattern[str], text: str) -> int:
    """Where what stands at the beginning of ``text`` ends; 0 where it begins otherwise."""
    found = pattern.match(text)
    return found.end() if found else 0


def _parsed(record: str, name: str, spaces: str) -> _Chunk:
    try:
        holder = etree.fromstring(f"<r{spaces}>{record}</r>".encode(), _parser(etree.XMLParser))
    except etree.XMLSyntaxError as error:
        return _Chunk(record, name, None, str(error.msg or error)[:200])
    return _Chunk(record, name, holder[0] if len(holder) == 1 else None, None if len(holder) == 1 else "no one element")


def _quoted(value: str) -> str:
    plain = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return f'"{plain}"'


def _decoded(file: Readable, usual: str | None, what: str) -> Iterator[str]:
    """The file as text, piece by piece, without its declaration, once its prolog is known to hold no DOCTYPE.

    A piece does not end within a character reference.
    """
    head = file.read(_CHUNK)
    found = charset(head, usual=usual, whole=len(head) < _CHUNK)
    decoder = codecs.getincrementaldecoder(found.name)("onemap_mark")
    start = decoder.decode(head[found.mark :]).removeprefix("\ufeff")
    while head and _end(_PROLOG, start) == len(start) and len(start) < 16 * _CHUNK:
        head = file.read(_CHUNK)
        start += decoder.decode(head, not head)
    _refuse_doctype(start, what)
    start, rest = _whole(_undeclared(start).lstrip())
    yield marked(start)
    while head:
        head = file.read(_CHUNK)
        piece, rest = _whole(rest + decoder.decode(head, not head), last=not head)
        yield marked(piece)


def _whole(piece: str, *, last: bool = False) -> tuple[str, str]:
    """A piece without the character reference that it ends within, and that beginning (of a pair too)."""
    place = piece.find("&#", max(0, len(piece) - 24)) if not last else -1
    return (piece, "") if place < 0 else (piece[:place], piece[place:])


def _undeclared(decoded: str) -> str:
    """Without its XML declaration: what it says of the encoding is no longer true of a string."""
    found = _DECLARATION.match(decoded)
    return decoded[found.end() :] if found else decoded


def marked(decoded: str) -> str:
    """Text with ``�\\xNN`` in place of characters that XML forbids, whether they stand there or are referred to; half
    pairs of surrogates that stand for one character together become it.
    """
    if "&#" in decoded:
        decoded = _PAIR.sub(_joined, decoded)
        decoded = _REFERENCE.sub(_referred, decoded)
    return _ILLEGAL.sub(lambda found: _mark(ord(found[0])), decoded)


def _joined(found: re.Match[str]) -> str:
    high, low = (int(found[n], 16) if found[n] else int(found[n + 1]) for n in (1, 3))
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return found[0]
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _referred(found: re.Match[str]) -> str:
    code = int(found[1], 16) if found[1] else int(found[2])
    legal = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    return found[0] if legal else _mark(code)


def _mark(code: int) -> str:
    return f"{DAMAGE}\\x{code:02x}" if code < 0x100 else f"{DAMAGE}\\u{code:04x}"


def _drop(element: etree._Element) -> None:
    """Empty an element and take away what stood before it, so that memory stays flat."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _refuse_doctype(decoded: str, what: str) -> None:
    if decoded.startswith("<!DOCTYPE", _end(_PROLOG, decoded)):
        raise _unsafe(what)


def _refuse_dtd(element: etree._Element, what: str) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise _unsafe(what)


def _unsafe(what: str) -> UnsafeXml:
    return UnsafeXml(
        f"{what} declares a document type or entities: refused",
        remedy="no contract of ours has that: tell the source's owner, and have the source looked at for an intrusion",
        zh=f"{what} 含有文档类型或实体声明，已拒绝解析；请数源部门排查是否被入侵或篡改。",
        code="xml_unsafe",
    )


def _malformed(error: etree.XMLSyntaxError, what: str, *, cut: bool) -> ProviderError:
    message = str(error.msg or error)
    if "amplification" in message or "PEReferences" in message:
        return _unsafe(what)
    if "xcessive depth" in message or "huge" in message.lower():
        return HugeXml(
            f"{what} is beyond the parser's limits of depth or size: refused",
            remedy="an end tag is missing again and again, or a text is of many MB: ask the source what went wrong",
            zh=f"{what} 超出解析器的深度或长度限制（可能反复缺少结束标签，或有超长文本），已拒绝解析；请数源部门核实。",
            code="over_limit",
        )
    if cut or "Premature end" in message:
        return CutXml(
            f"{what} ends too early: {message}",
            remedy="it is asked for again by itself; if it lasts, tell the source's owner",
            zh=f"{what} 不完整，将重新获取；如持续，请联系数源部门。",
            code="xml_cut",
        )
    return DamagedXml(
        f"{what} is not well-formed: {message}",
        remedy="tell the source's owner",
        zh=f"{what} 不是合法的 XML（第 {error.position[0]} 行第 {error.position[1]} 列），请联系数源部门。",
        code="xml_malformed",
    )
