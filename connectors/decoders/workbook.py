"""The cells of a workbook (.xlsx, ISO/IEC 29500-1 part 18), streamed, within limits.

Only what holds cells is read: the workbook, its relationships, the shared strings, the number formats, the sheets asked
for. Comments, drawings, themes, properties and the like decide nothing, whatever is in them; so do the dimensions that
a sheet claims. A row that cannot be read is reported with its text, and the next goes on.

Why not a library: openpyxl and calamine read a workbook whole or not at all, build what its parts claim before a cell
is seen, and show a formula that was never calculated as an empty cell. The kinds of number formats and the dates behind
serials are openpyxl's.
"""

from __future__ import annotations

import codecs
import io
import posixpath
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cached_property, lru_cache
from pathlib import Path
from xml.parsers import expat

import polars as pl
from lxml import etree
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from connectors.decoders import archives, xml
from connectors.decoders.xml import children, local
from connectors.limits import Limits, check
from core.errors import ProviderError

LAST_ROW = 1 << 20  # of the file format
LAST_COLUMN = 1 << 14
_RELATIONSHIP = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})")
_RANGE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})(?::\$?([A-Za-z]{1,3})\$?(\d{1,7}))?")
_NUMBER = re.compile(r"[-+]?\d{1,400}(?:\.\d*)?(?:[eE][-+]?\d{1,4})?|[-+]?\.\d+(?:[eE][-+]?\d{1,4})?")
_ESCAPED = re.compile(r"_x((?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4})_")
_ZEROS = re.compile("0{2,}")
_PIECE = 1 << 18  # bytes that are read at once
# a part as programs write it: UTF-8, its elements without prefixes
_PLAIN_HEAD = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*(?:<\?xml(?:\s+(?:version|standalone)=["'][\w.]+["']|\s+encoding=["'][uU][tT][fF]-?8["'])*\s*\?>)?"""
    rb"""\s*(<(?:worksheet|sst)(?:\s[^<>]*)?>)"""
)
_MERGES = re.compile(rb"""<mergeCell\s[^<>]*?\bref\s*=\s*["']([^"'<&]*)["']""")
_ELEMENT = r"""<{0}(?=[\s/>])(?:[^<>"'/]|/(?!>)|"[^"]*"|'[^']*')*(?:/>|>.*?</{0}\s*>)"""
_WRITTEN = {name: re.compile(_ELEMENT.format(name), re.S) for name in ("row", "si")}
_END = {name: re.compile(rf"</{name}\s*>") for name in ("row", "si")}
# what no tree is needed for, in Polars' syntax: a row up to its first cell, a cell after ``<c r="``, a shared string up to its end tag
_PLAIN_HEAD_OF_ROW = r"""^\s*<row r="([0-9]{1,7})"(?:\s+[A-Za-z:0-9]+="[^"<>]*")*\s*>\s*$"""
_PLAIN_CELL = (
    r"""^(?<letters>[A-Z]{1,3})[0-9]{1,7}"(?: s="(?<style>[0-9]{1,5})")?(?: t="(?<kind>[A-Za-z]+)")?(?: s="(?<last>[0-9]{1,5})")?"""
    r"""\s*(?:/>|>(?<formula><f(?:\s[^<>]*)?(?:/>|>[^<]*</f>))?<v>(?<value>[^<]*)</v></c>"""
    r"""|><is><t(?: xml:space="preserve")?>(?<inline>[^<]*)</t></is></c>)\s*$"""
)
_PLAIN_STRING = r"""^\s*<si>\s*<t(?: xml:space="preserve")?>(?<text>[^<]*)</t>\s*$"""
_ODD = f"[\\r{xml.DAMAGE}]|&#"  # a line's end that XML reads otherwise, a character that none is, a reference
_ROWS_PIECE = 1 << 20  # bytes of rows that are made columns at once
_FIRST_PIECE = 1 << 14
_ROWS_AT_ONCE = 5_000
_LONGEST_FORMAT = 255  # of the file format

_TEXT = pl.coalesce(pl.col("read").struct.field("value"), pl.col("read").struct.field("inline"))
_KIND = pl.col("read").struct.field("kind").fill_null("n")
_CELL = (
    pl.col("read").struct.field("letters"),
    _KIND.alias("kind"),
    pl.coalesce(pl.col("read").struct.field("style"), pl.col("read").struct.field("last")).alias("style"),
    pl.when(_TEXT != "").then(_TEXT).alias("value"),
)
_UNCALCULATED = pl.col("read").struct.field("formula").is_not_null() & (_TEXT == "") & (_KIND != "str")
_IS_ODD = (
    pl.col("read").struct.field("letters").is_null()
    | _UNCALCULATED.fill_null(False)
    | (pl.col("read").struct.field("inline").is_not_null() & (_KIND != "inlineStr"))
)

Value = str | bool | int | float | datetime | date | time


@dataclass(slots=True)
class Cell:
    """``value``: None where there is none to be had: ``error`` is its word (``#REF!``), ``uncalculated`` a formula that
    has no value yet. ``zeros``: the digits that its format shows, leading zeros with them.
    """

    value: Value | None
    error: str | None = None
    uncalculated: bool = False
    zeros: int = 0


@dataclass(slots=True)
class Row:
    """``cells`` by column, from 1. ``why``: it cannot be read; ``raw`` is its text then."""

    number: int
    cells: dict[int, Cell]
    why: str | None = None
    raw: str = ""


@dataclass(slots=True)
class Sheet:
    """A sheet by its title; ``merges``: (column, first row, last column, last row), known after :meth:`Book.measure`.

    ``spaces``: the namespaces of a sheet that was found to be whole and as programs write it, so that its rows are found
    without a tree; None where it is not, or nobody has looked.
    """

    title: str
    part: str
    spaces: str | None = None
    merges: list[tuple[int, int, int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a sheet that follow each other. ``numbers``: of every row. ``columns``: by number from 1, the cells of the plain ones,
    as ``place`` (in ``numbers``), ``kind`` (the format's ``t``), ``style``, ``value`` (their text, null where there is none); a place
    stands once. ``others``: the rows that are not among them. ``row``: any row by itself.
    """

    numbers: list[int]
    columns: dict[int, pl.DataFrame]
    others: dict[int, Row]
    row: Callable[[int], Row]


@dataclass(frozen=True, slots=True)
class _Format:
    dated: bool
    zeros: int


class Book:
    """An open workbook.

    :raises ProviderError: it is none, or a part that holds cells is unsafe or beyond limits.
    """

    def __init__(self, archive: archives.Archive, limits: Limits) -> None:
        self._archive, self._limits = archive, limits
        self._names = {name.lower(): name for name in archive.names}
        start = next(iter(self._related("", "/officeDocument").values()), "xl/workbook.xml")
        root = self._parse(start)
        if local(root) != "workbook":
            raise damaged(f"<{local(root)}> is no workbook", "无法作为工作簿打开")
        self.epoch = CALENDAR_MAC_1904 if _is_1904(root) else CALENDAR_WINDOWS_1900
        targets = self._related(start, "/worksheet")
        others = self._related(start, "sheet").keys() - targets.keys()  # of charts, dialogues, macros
        self.sheets = [
            Sheet(one.get("name") or "", targets.get(identity, f"part of sheet {one.get('name')}"))
            for holder in children(root, "sheets")
            for one in children(holder, "sheet")
            if (identity := one.get(_RELATIONSHIP) or one.get(_STRICT) or "") not in others
        ]
        self._formats = self._read_formats(self._related(start, "/styles"))
        self._strings_part = next(iter(self._related(start, "/sharedStrings").values()), None)

    def measure(self, sheet: Sheet) -> None:
        """Read its merged ranges; count rows, cells and merges. :raises OverLimit: they are beyond the limits."""
        self._there(sheet.part)
        found = _Measured(sheet.title, self._limits)
        sheet.spaces = self._proven(sheet.part, found.take)
        if sheet.spaces is None:
            found = _Measured(sheet.title, self._limits)
            for one in self._records(sheet, ("row", "mergeCell")):
                if local(one.element) == "mergeCell" and not one.broken:
                    found.merge(one.element.get("ref") or "")
                else:
                    found.count(1, len(one.element))
        sheet.merges = found.merges

    def _proven(self, part: str, look: Callable[[bytes], None]) -> str | None:
        """The namespaces of a part that is well-formed and as programs write it: in UTF-8, without prefixes, comments or CDATA;
        None: it is not. ``look`` is given all of it, in pieces that cut no tag."""
        parser = expat.ParserCreate()
        with self._archive.open(part) as stream:
            piece = stream.read(_PIECE)
            head = _PLAIN_HEAD.match(piece)
            if head is None:
                return None
            try:
                parser.Parse(piece)
                piece = piece[head.start(1) :]
                while more := stream.read(_PIECE):
                    parser.Parse(more)
                    end = piece.rfind(b"<")  # a tag may go on in the next piece
                    if b"<!" in piece or b"<?" in piece or end < 0:
                        return None
                    look(piece[:end])
                    piece = piece[end:] + more
                parser.Parse(b"", True)
            except expat.ExpatError:
                return None
        if b"<!" in piece or b"<?" in piece:
            return None
        look(piece)
        return xml.spaces(head[1].decode())

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """Every row that the sheet has, in its order, each by itself; rows that it leaves out are left out."""
        for piece in self.pieces(sheet):
            yield from map(piece.row, range(len(piece.numbers)))

    def pieces(self, sheet: Sheet) -> Iterator[Piece]:
        """The same, many at a time, the cells of plain rows in columns."""
        number = 0
        if sheet.spaces is not None:
            for parts in self._parts(sheet.part, "row"):
                piece = self._piece(parts, sheet.spaces, number)
                number = piece.numbers[-1] if piece.numbers else number
                yield piece
            return
        held: list[Row] = []
        for one in self._records(sheet, ("row", "mergeCell")):
            if local(one.element) != "mergeCell":
                held.append(self._row(one, number + 1))
                number = held[-1].number
                if len(held) == _ROWS_AT_ONCE:
                    yield _apart(held)
                    held = []
        yield _apart(held)

    def _parts(self, part: str, name: str) -> Iterator[list[str]]:
        """A part of the workbook that :meth:`_proven` knows, cut where an element ends, without the end tags; some at a time."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        waiting, elements, size = [], 0, _FIRST_PIECE
        with self._archive.open(part) as stream:
            while read := stream.read(size):
                size = min(4 * size, _ROWS_PIECE)  # who looks for a header alone reads little
                piece = decoder.decode(read)
                waiting.append(piece)
                elements += piece.count("<")
                if f"</{name}" not in piece:
                    check(self._limits, "children", elements // 2, part)
                    continue
                *parts, rest = _END[name].split("".join(waiting))
                yield from (parts[at : at + _ROWS_AT_ONCE] for at in range(0, len(parts), _ROWS_AT_ONCE))
                waiting, elements = [rest], 0
        yield ["".join(waiting)]

    def _piece(self, parts: list[str], spaces: str, before: int) -> Piece:
        """Rows as written, each up to its end tag: the plain ones in columns, each other one read alone."""
        written = pl.Series(parts, dtype=pl.String)
        cut = written.str.split('<c r="')
        given = cut.list.first().str.extract(_PLAIN_HEAD_OF_ROW, 1).cast(pl.Int32, strict=False)
        sound = given.is_between(1, LAST_ROW).fill_null(False) & ~written.str.contains(_ODD)
        cells = (
            pl.DataFrame({"cell": cut.list.slice(1)})
            .with_row_index("part")
            .filter(sound)
            .explode("cell")
            .drop_nulls()
            .with_columns(read=pl.col("cell").str.extract_groups(_PLAIN_CELL))
        )
        odd = [cells["part"].filter(cells.select(_IS_ODD).to_series())]
        columns = {}
        known = cells.filter(pl.col("read").struct.field("letters").is_not_null()).select("part", *_CELL)
        for (letters,), one in known.partition_by("letters", as_dict=True, include_key=False).items():
            column = _letters(str(letters))
            columns[column] = one
            twice = (one["part"] == one["part"].shift(1)).fill_null(False)
            odd.append(one["part"] if column > LAST_COLUMN else one["part"].filter(twice))
        alone = {*pl.concat(odd), *(~sound).arg_true()}
        if not alone:
            return Piece(
                given.to_list(),
                {column: _values(one) for column, one in columns.items()},
                {},
                lambda place: self._alone(parts[place], spaces, before)[0],
            )
        numbers: list[int] = []
        others: dict[int, Row] = {}
        places: list[int] = []  # of each part's first row
        for part, number in enumerate(given):
            places.append(len(numbers))
            if part not in alone:
                numbers.append(number)
                continue
            for row in self._alone(parts[part], spaces, numbers[-1] if numbers else before):
                others[len(numbers)] = row
                numbers.append(row.number)
        at = pl.Series(places, dtype=pl.UInt32)
        gone = pl.Series(list(alone), dtype=pl.UInt32)
        kept = {column: one.filter(~one["part"].is_in(gone.implode())) for column, one in columns.items()}
        part_of = {place: part for part, place in enumerate(places) if part not in alone}
        return Piece(
            numbers,
            {column: _values(one.with_columns(at.gather(one["part"]).alias("part"))) for column, one in kept.items()},
            others,
            lambda place: others.get(place) or self._alone(parts[part_of[place]], spaces, before)[0],
        )

    def _alone(self, part: str, spaces: str, before: int) -> list[Row]:
        """The rows in a piece of a sheet that ends where a row does, each read alone; ``before``: the number of the row before."""
        rows = []
        for written in _WRITTEN["row"].findall(f"{part}</row>"):
            rows.append(self._row(xml.alone(written, "row", spaces), before + 1))
            before = rows[-1].number
        return rows

    def _row(self, one: xml.Record, following: int) -> Row:
        if one.broken:
            return Row(following, {}, f"it is no XML: {one.broken}", (one.element.text or "")[: xml.RAW])
        given = one.element.get("r")
        number = following if given is None else int(given) if given.isdecimal() and len(given) < 10 else 0
        try:
            if not 0 < number <= LAST_ROW:
                raise ValueError(f"its number {given!r} is none of the format")
            if one.damaged:
                raise ValueError("it has bytes or characters that are no text")
            return Row(number, self._cells(one.element))
        except (ValueError, OverflowError, IndexError) as error:
            return Row(number if 0 < number <= LAST_ROW else following, {}, str(error)[:300], xml.shown(one.element))

    def _cells(self, row: etree._Element) -> dict[int, Cell]:
        cells: dict[int, Cell] = {}
        column = 0
        for element in row:
            if local(element) != "c":
                continue
            reference = element.get("r")
            column = column + 1 if reference is None else _column(reference)
            if not 0 < column <= LAST_COLUMN:
                raise ValueError(f"a cell's reference {reference!r} is none of the format")
            cell = self._cell(element)
            if cell is not None:
                cells[column] = cell
        return cells

    def _cell(self, element: etree._Element) -> Cell | None:
        """None: there is nothing in it. :raises ValueError: it cannot be read."""
        kind = element.get("t") or "n"
        text, formula, held = "", False, False
        for part in element:
            name = local(part)
            if name == "v":
                text, held = part.text or "", True
            elif name == "f":
                formula = True
            elif name == "is" and kind == "inlineStr":
                text, held = _text(part), True
        if formula and (not held or (not text and kind != "str")):
            return Cell(None, uncalculated=True)
        return self.made(kind, text, element.get("s"))

    def made(self, kind: str, text: str, style: str | None) -> Cell | None:
        """A cell of a kind (the format's ``t``) by its text; None: there is nothing in it.

        :raises ValueError: it cannot be read. So do IndexError and OverflowError say.
        """
        if not text:
            return None
        if kind in ("inlineStr", "str"):
            return Cell(_unescaped(text))
        if kind == "s":
            value = self._string(text.strip())
            return Cell(value) if value else None
        if kind == "b":
            return Cell(text.strip() in ("1", "true"))
        if kind == "e":
            return Cell(None, error=text.strip())
        if kind == "d":
            return Cell(text.strip().replace("T", " "))
        return self._number(text.strip(), style)

    def _number(self, text: str, style: str | None) -> Cell:
        if not _NUMBER.fullmatch(text):
            raise ValueError("a cell of numbers holds something else")
        value: int | float = int(text) if text.lstrip("+-").isdecimal() else float(text)
        shown = self._format(style)
        if shown.dated and (moment := self.moment(value)) is not None:
            return Cell(moment)
        return Cell(value, zeros=shown.zeros)

    def _format(self, style: str | None) -> _Format:
        place = int(style) if style and style.isdecimal() else 0
        return self._formats[place] if place < len(self._formats) else _Format(False, 0)

    def is_bare(self, style: str | None) -> bool:
        """Whether a number of that style is shown as it is: as no date, and with no zeros before it."""
        return self._format(style) == _Format(False, 0)

    def moment(self, value: int | float) -> datetime | date | time | None:
        """The day and time behind a serial; None where it is none."""
        if not 0 <= value < 2_958_466:  # the last is 9999-12-31
            return None
        return from_excel(value, self.epoch)

    def _string(self, text: str) -> str:
        if not text.isdecimal() or len(text) > 9 or int(text) >= len(self.strings):
            raise ValueError("a cell's text stands nowhere")
        found = self.strings[int(text)]
        if found is None:
            raise ValueError("a cell's text has bytes or characters that are no text")
        return found

    @cached_property
    def strings(self) -> pl.Series:
        """The shared strings in order; null for one that cannot be read."""
        part = self._strings_part
        if part is None:
            return pl.Series([], dtype=pl.String)
        self._there(part)
        check(self._limits, "page", self._archive.size(part), part)
        spaces = self._proven(part, lambda _: None)
        if spaces is not None:
            found: list[pl.Series] = []
            for parts in self._parts(part, "si"):
                found.append(_shared(parts, spaces))
                check(self._limits, "strings", sum(map(len, found)), part)
            return pl.concat(found)
        texts = []
        for number, one in enumerate(self._stream(part, "si"), 1):
            check(self._limits, "strings", number, part)
            texts.append(_string(one))
        return pl.Series(texts, dtype=pl.String)

    def _read_formats(self, parts: dict[str, str]) -> list[_Format]:
        if not parts:
            return []
        root = self._parse(next(iter(parts.values())))
        codes = {
            one.get("numFmtId"): one.get("formatCode") or ""
            for holder in children(root, "numFmts")
            for one in children(holder, "numFmt")
        }
        formats: list[_Format] = []
        for holder in children(root, "cellXfs"):
            for one in children(holder, "xf"):
                identity = one.get("numFmtId") or "0"
                builtin = BUILTIN_FORMATS.get(int(identity), "") if identity.isdecimal() and len(identity) < 9 else ""
                code = codes.get(identity, builtin)[:_LONGEST_FORMAT]
                formats.append(_Format(bool(is_date_format(code)), len(code) if _ZEROS.fullmatch(code) else 0))
                check(self._limits, "styles", len(formats), "the workbook")
        return formats

    def _related(self, part: str, kind: str) -> dict[str, str]:
        """Id → part of what a part names as of that kind, whether there is one or not (:meth:`_there`)."""
        folder, name = posixpath.split(part)
        there = self._names.get(posixpath.join(folder, "_rels", f"{name}.rels").lower())
        if there is None:
            return {}
        found = {}
        for one in children(self._parse(there), "Relationship"):
            target = one.get("Target") or ""
            if (one.get("Type") or "").endswith(kind):
                path = posixpath.normpath(
                    target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
                )
                found[one.get("Id") or ""] = self._names.get(path.lower(), path)
        return found

    def _there(self, part: str) -> None:
        """:raises ProviderError: the file has no such part: it was cut, or its parts stand elsewhere."""
        if part not in self._archive.names:
            raise damaged(f"it has no {part[:100]}", "缺少其中一部分，无法作为工作簿打开")

    def _parse(self, part: str) -> etree._Element:
        self._there(part)
        return xml.parse(self._archive.read(part), what=part, limits=self._limits)

    def _records(self, sheet: Sheet, names: tuple[str, ...]) -> Iterator[xml.Record]:
        self._there(sheet.part)
        return self._stream(sheet.part, *names)

    def _stream(self, part: str, *names: str) -> Iterator[xml.Record]:
        @contextmanager
        def opened() -> Iterator[xml.Readable]:
            with self._archive.open(part) as stream:
                yield stream

        return xml.records(opened, names, limits=self._limits)


@contextmanager
def opened(body: bytes | Path, limits: Limits) -> Iterator[Book]:
    """:raises ProviderError: it is no zip, no workbook, or unsafe."""
    with archives.open_zip(io.BytesIO(body) if isinstance(body, bytes) else body, limits) as archive:
        yield Book(archive, limits)


def damaged(what: str, zh: str) -> ProviderError:
    """What is wrong with a workbook as a whole."""
    return ProviderError(
        f"the workbook is not as agreed: {what}",
        remedy="ask the source to send the workbook again",
        zh=f"工作簿不合约定：{zh}，请数源部门重新发送。",
        code="file_damaged",
    )


class _Measured:
    """What a sheet has, counted against the limits."""

    def __init__(self, title: str, limits: Limits) -> None:
        self._title, self._limits = title, limits
        self._rows = self._cells = 0
        self.merges: list[tuple[int, int, int, int]] = []

    def take(self, piece: bytes) -> None:
        """A piece of it as written."""
        for found in _MERGES.findall(piece) if b"<mergeCell" in piece else ():
            self.merge(found.decode("utf-8", "replace"))
        self.count(piece.count(b"<row"), piece.count(b"<c") - piece.count(b"<col"))  # and a few that are none

    def merge(self, reference: str) -> None:
        self.merges.append(_range(reference, self._title))
        check(self._limits, "merges", len(self.merges), f"sheet {self._title}")

    def count(self, rows: int, cells: int) -> None:
        self._rows, self._cells = self._rows + rows, self._cells + cells
        check(self._limits, "rows", self._rows, f"sheet {self._title}")
        check(self._limits, "cells", self._cells, f"sheet {self._title}")


def _apart(rows: list[Row]) -> Piece:
    """Rows that were read one by one."""
    return Piece([row.number for row in rows], {}, dict(enumerate(rows)), rows.__getitem__)


def _values(cells: pl.DataFrame) -> pl.DataFrame:
    """A column of :class:`Piece`."""
    return cells.rename({"part": "place"}).with_columns(xml.unescaped_all(cells["value"]))


def _shared(parts: list[str], spaces: str) -> pl.Series:
    """Shared strings as written, each up to its end tag."""
    written = pl.Series(parts, dtype=pl.String)
    texts = xml.unescaped_all(written.str.extract(_PLAIN_STRING, 1).set(written.str.contains(_ODD), None))
    escaped = texts.str.contains("_x", literal=True).fill_null(False).arg_true()
    if len(escaped):
        texts = texts.scatter(escaped, [_unescaped(text) for text in texts.gather(escaped)])
    found, at = [], 0
    for place in texts.is_null().arg_true():
        alone = [_string(xml.alone(one, "si", spaces)) for one in _WRITTEN["si"].findall(f"{parts[place]}</si>")]
        found += [texts.slice(at, place - at), pl.Series(alone, dtype=pl.String)]
        at = place + 1
    return pl.concat([*found, texts.slice(at)])


def _string(one: xml.Record) -> str | None:
    """A shared string by itself; None: it cannot be read."""
    return None if one.broken or one.damaged else _unescaped(_text(one.element))


def _text(element: etree._Element) -> str:
    """A string with its runs, without what tells its pronunciation."""
    pieces = []
    for part in children(element):
        if local(part) == "t":
            pieces.append(part.text or "")
        elif local(part) == "r":
            pieces.extend(one.text or "" for one in children(part, "t"))
    return "".join(pieces)


def _unescaped(text: str) -> str:
    """``_x000D_`` is the character of that number (ECMA-376 part 1, 22.9.2.19 ST_Xstring); NUL and half a pair are none."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _is_1904(root: etree._Element) -> bool:
    return any((one.get("date1904") or "").strip() in ("1", "true") for one in children(root, "workbookPr"))


def _column(reference: str) -> int:
    """The column of a cell's reference, from 1; 0: it is none."""
    found = _REFERENCE.fullmatch(reference)
    return _letters(found[1]) if found else 0


@lru_cache(maxsize=LAST_COLUMN)
def _letters(letters: str) -> int:
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return column


def _range(reference: str, title: str) -> tuple[int, int, int, int]:
    found = _RANGE.fullmatch(reference.strip())
    if found is None:
        raise damaged(f"sheet {title} merges {reference[:40]!r}, which is no range", f"工作表 {title} 的合并区域有误")
    left, top = _letters(found[1]), int(found[2])
    return left, top, _letters(found[3]) if found[3] else left, int(found[4]) if found[4] else top
