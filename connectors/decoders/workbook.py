"""The cells of a workbook (.xlsx, ISO/IEC 29500-1 part 18), streamed, a row at a time, within limits.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from xml.parsers import expat

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
# a sheet as programs write it: UTF-8, its elements without prefixes
_PLAIN_HEAD = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*(?:<\?xml(?:\s+(?:version|standalone)=["'][\w.]+["']|\s+encoding=["'][uU][tT][fF]-?8["'])*\s*\?>)?"""
    rb"""\s*(<worksheet(?:\s[^<>]*)?>)"""
)
_ROWS, _CELLS = re.compile(rb"<row[\s/>]"), re.compile(rb"<c[\s/>]")
_MERGES = re.compile(rb"""<mergeCell\s[^<>]*?\bref\s*=\s*["']([^"'<&]*)["']""")
_ROW = re.compile(r"""<row(?=[\s/>])((?:[^<>"']|"[^"]*"|'[^']*')*)(?:/>|>(.*?)</row\s*>)""", re.S)
_ROW_NUMBER = re.compile(r"""\sr="(\d{1,9})\"""")
# a cell with the attributes that say what it is, in the order in which programs write them
_PLAIN_CELL = re.compile(
    r"""(<c r="([A-Z]{1,3})\d{1,7}"(?: s="(\d{1,5})")?(?: t="(\w+)")?"""
    r"(?:/>|><v>([^<&]*)</v></c>|><is><t>([^<&]*)</t></is></c>))"
)
_LONGEST_FORMAT = 255  # of the file format

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
        self._strings: list[str | None] | None = None

    def measure(self, sheet: Sheet) -> None:
        """Read its merged ranges; count rows, cells and merges. :raises OverLimit: they are beyond the limits."""
        self._there(sheet.part)
        if self._scanned(sheet):
            return
        rows = cells = 0
        sheet.merges = []
        for one in self._records(sheet, ("row", "mergeCell")):
            if local(one.element) == "mergeCell" and not one.broken:
                sheet.merges.append(_range(one.element.get("ref") or "", sheet.title))
                check(self._limits, "merges", len(sheet.merges), f"sheet {sheet.title}")
            else:
                rows, cells = rows + 1, cells + len(one.element)
                check(self._limits, "rows", rows, f"sheet {sheet.title}")
                check(self._limits, "cells", cells, f"sheet {sheet.title}")

    def _scanned(self, sheet: Sheet) -> bool:
        """:meth:`measure` without a tree, of a sheet that is well-formed and as programs write it: in UTF-8, without prefixes,
        comments or CDATA; False: it is not, and nothing is known."""
        rows = cells = 0
        merges: list[tuple[int, int, int, int]] = []
        parser = expat.ParserCreate()
        with self._archive.open(sheet.part) as stream:
            piece = stream.read(_PIECE)
            head = _PLAIN_HEAD.match(piece)
            if head is None:
                return False
            try:
                parser.Parse(piece)
                piece = piece[head.start(1) :]
                while more := stream.read(_PIECE):
                    parser.Parse(more)
                    end = piece.rfind(b"<")  # a tag may go on in the next piece
                    if b"<!" in piece or b"<?" in piece or end < 0:
                        return False
                    rows, cells = self._counted(sheet, piece[:end], rows, cells, merges)
                    piece = piece[end:] + more
                parser.Parse(b"", True)
            except expat.ExpatError:
                return False
        if b"<!" in piece or b"<?" in piece:
            return False
        self._counted(sheet, piece, rows, cells, merges)
        sheet.merges, sheet.spaces = merges, xml.spaces(head[1].decode())
        return True

    def _counted(
        self, sheet: Sheet, piece: bytes, rows: int, cells: int, merges: list[tuple[int, int, int, int]]
    ) -> tuple[int, int]:
        rows, cells = rows + len(_ROWS.findall(piece)), cells + len(_CELLS.findall(piece))
        for found in _MERGES.findall(piece) if b"<mergeCell" in piece else ():
            merges.append(_range(found.decode("utf-8", "replace"), sheet.title))
            check(self._limits, "merges", len(merges), f"sheet {sheet.title}")
        check(self._limits, "rows", rows, f"sheet {sheet.title}")
        check(self._limits, "cells", cells, f"sheet {sheet.title}")
        return rows, cells

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """Every row that the sheet has, in its order; rows that it leaves out are left out."""
        number = 0
        if sheet.spaces is not None:
            for given, cells, written in self._written(sheet):
                row = None if given is None else self._plain_row(int(given), cells)
                row = row or self._row(xml.alone(written, "row", sheet.spaces), number + 1)
                number = row.number
                yield row
            return
        for one in self._records(sheet, ("row", "mergeCell")):
            if local(one.element) == "mergeCell":
                continue
            row = self._row(one, number + 1)
            number = row.number
            yield row

    def _written(self, sheet: Sheet) -> Iterator[tuple[str | None, str, str]]:
        """Each row of a sheet that :meth:`_scanned` knows: its number, what is in it, and the whole of it, as written."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        waiting, elements = [], 0
        with self._archive.open(sheet.part) as stream:
            while True:
                read = stream.read(_PIECE)
                piece = decoder.decode(read, not read)
                waiting.append(piece)
                elements += piece.count("<")
                if read and "</row" not in piece:
                    check(self._limits, "children", elements // 2, f"sheet {sheet.title}")
                    continue
                text, end = "".join(waiting), 0
                for found in _ROW.finditer(text):
                    given = _ROW_NUMBER.search(found[1])
                    yield (given[1] if given else None), found[2] or "", found[0]
                    end = found.end()
                if not read:
                    return
                waiting, elements = [text[end:]], 0

    def _plain_row(self, number: int, written: str) -> Row | None:
        """A row that has no cell but with a value or a text, as most rows are; None: it is another."""
        if not 0 < number <= LAST_ROW or "\r" in written or xml.DAMAGE in written:
            return None
        found = _PLAIN_CELL.findall(written)
        if sum(len(one[0]) for one in found) != len(written):
            return None
        cells: dict[int, Cell] = {}
        try:
            for _, letters, style, kind, value, inline in found:
                column = _letters(letters)
                if column > LAST_COLUMN or (inline and kind != "inlineStr"):
                    return None
                cell = self._made(kind or "n", value or inline, style)
                if cell is not None:
                    cells[column] = cell
        except (ValueError, OverflowError, IndexError):  # :meth:`_row` says why
            return None
        return Row(number, cells)

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
        return self._made(kind, text, element.get("s"))

    def _made(self, kind: str, text: str, style: str | None) -> Cell | None:
        """A cell of a kind (the format's ``t``) by its text. Raises as :meth:`_cell`."""
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
        place = int(style) if style and style.isdecimal() else 0
        shown = self._formats[place] if place < len(self._formats) else _Format(False, 0)
        if shown.dated and (moment := self.moment(value)) is not None:
            return Cell(moment)
        return Cell(value, zeros=shown.zeros)

    def moment(self, value: int | float) -> datetime | date | time | None:
        """The day and time behind a serial; None where it is none."""
        if not 0 <= value < 2_958_466:  # the last is 9999-12-31
            return None
        return from_excel(value, self.epoch)

    def _string(self, text: str) -> str:
        if self._strings is None:
            self._strings = list(self._read_strings())
        if not text.isdecimal() or len(text) > 9 or int(text) >= len(self._strings):
            raise ValueError("a cell's text stands nowhere")
        found = self._strings[int(text)]
        if found is None:
            raise ValueError("a cell's text has bytes or characters that are no text")
        return found

    def _read_strings(self) -> Iterator[str | None]:
        """The shared strings in order; None for one that cannot be read."""
        if self._strings_part is None:
            return
        self._there(self._strings_part)
        check(self._limits, "page", self._archive.size(self._strings_part), self._strings_part)
        for number, one in enumerate(self._stream(self._strings_part, "si"), 1):
            check(self._limits, "strings", number, self._strings_part)
            yield None if one.broken or one.damaged else _unescaped(_text(one.element))

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
