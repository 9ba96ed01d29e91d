"""Workbooks (.xlsx) with a sheet a month → rows of text, as D5 has them.

The header stands on a row of its own under a merged title; cells that are merged down over the rows of one project
are filled for the declared columns. Dates are serials of the 1900 system or text; numbers keep their digits. A
workbook is a zip of XML: the limits of :mod:`connectors.archives` and the refusals of :mod:`connectors.xml` hold for
every part before a library reads it.

openpyxl reads the cells: it streams a sheet in flat memory and keeps integers exact, where calamine gives floats. It
does not show merged ranges while it streams, so they are read beside it.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.datetime import from_excel
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from connectors import archives, rows, xml
from connectors.base import Batch, Issue
from core.errors import ProviderError
from sources.options.files import WorkbookOptions

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CHUNK = 5000
_LAST_ROW = 1 << 20  # of the file format
_WIDTH = 64  # columns that are looked at
# SyntaxError: what is no XML, to openpyxl's parsers
_UNREADABLE = (KeyError, ValueError, IndexError, SyntaxError, EOFError, zipfile.BadZipFile, zlib.error)
_HEADER_SEARCH = 10  # rows in which the header is looked for when it is not where it should be
_EXACT = 15  # digits that a number of Excel's keeps


@dataclass(slots=True)
class Inspection:
    """What a file holds: rows by scope, and what is to be told of it."""

    scopes: dict[str, int]
    issues: list[Issue] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    sheet: ReadOnlyWorksheet
    header: int
    columns: dict[int, str]  # number from 1 → name
    merged: dict[int, list[tuple[int, int]]]  # column → (first, last) rows


def inspect(
    body: bytes | Path, options: WorkbookOptions, key: list[str], known: list[str], limits: archives.Limits
) -> Inspection:
    """Open it and count its rows: the proof that it is whole.

    :raises ProviderError: it is no workbook, is unsafe, has no sheet of the declared names, or a sheet no header.
    """
    found = Inspection({})
    with _open(body, limits) as (book, merged):
        for title in book.sheetnames:
            if not re.fullmatch(options.sheets, title.strip()):
                found.issues.append(Issue("sheet_unknown", f"sheet {title!r} is none of ours; not read", record=title))
        for sheet in _sheets(book, merged, options, key, known):
            if sheet.name in found.scopes:
                raise _damaged(f"two sheets are named {sheet.name}", f"有两个名为 {sheet.name} 的工作表")
            found.scopes[sheet.name] = sum(1 for _ in _lines(sheet))
            lacking = [name for name in known if name not in sheet.columns.values()]
            for name in lacking:
                found.issues.append(
                    Issue("column_absent", f"sheet {sheet.name} has no column {name}; read as empty", field=name)
                )
    if not found.scopes:
        raise _damaged(f"it has no sheet named like {options.sheets}", "没有以 yyyy-MM 命名的工作表")
    return found


def decode(
    body: bytes | Path,
    scopes: list[str] | None,
    options: WorkbookOptions,
    key: list[str],
    known: list[str],
    limits: archives.Limits,
) -> Iterator[Batch]:
    """The rows of the sheets in ``scopes`` (None: all), a batch never of two sheets. Raises as :func:`inspect`."""
    with _open(body, limits) as (book, merged):
        for sheet in _sheets(book, merged, options, key, known):
            if scopes is not None and sheet.name not in scopes:
                continue
            records: list[dict[str, str | None]] = []
            places: list[str] = []
            issues: list[Issue] = []
            for number, record in _records(sheet, options, book.epoch, issues):
                records.append(record)
                places.append(f"{sheet.name}!{number}")
                if len(records) == _CHUNK:
                    yield Batch(rows.table(records, places, known), issues=issues, scope=sheet.name)
                    records, places, issues = [], [], []
            if records:
                yield Batch(rows.table(records, places, known), issues=issues, scope=sheet.name)


@contextmanager
def _open(body: bytes | Path, limits: archives.Limits) -> Iterator[tuple[openpyxl.Workbook, dict[str, list[str]]]]:
    """The workbook in streaming mode, and the merged ranges by the part that has them."""
    merged = _examined(body, limits)
    with io.BytesIO(body) if isinstance(body, bytes) else body.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions, which are not read
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except (*_UNREADABLE, TypeError, AttributeError, OSError) as error:
            raise _damaged(f"it does not open as a workbook: {type(error).__name__}", "无法作为工作簿打开") from error
        try:
            yield book, merged
        except _UNREADABLE as error:
            raise _damaged(f"a sheet cannot be read: {type(error).__name__} {error}", "工作表无法读取") from error
        finally:
            book.close()


def _examined(body: bytes | Path, limits: archives.Limits) -> dict[str, list[str]]:
    """Every XML part read once: no document type, no entity, well-formed, rows within the format."""
    merged: dict[str, list[str]] = {}
    with archives.open_zip(io.BytesIO(body) if isinstance(body, bytes) else body, limits) as archive:
        for name in archive.names:
            if not name.lower().endswith((".xml", ".rels", ".vml")):
                continue
            with archive.open(name) as part:
                for one in xml.stream(part, {"row", "mergeCell", "si", "c"}):
                    kind = xml.local(one.element)
                    if kind == "mergeCell":
                        merged.setdefault(name, []).append(one.element.get("ref", ""))
                    elif kind == "row" and not 0 < int(one.element.get("r", "1")) <= _LAST_ROW:
                        raise _damaged(f"{name} has a row beyond the format", "行号超出格式范围")
    return merged


def _sheets(
    book: openpyxl.Workbook, merged: dict[str, list[str]], options: WorkbookOptions, key: list[str], known: list[str]
) -> Iterator[_Sheet]:
    for sheet in book.worksheets:
        name = sheet.title.strip()
        if not re.fullmatch(options.sheets, name):
            continue
        sheet.reset_dimensions()  # what the file says of its size need not be true
        header, columns = _header(sheet, options, key, known)
        numbers = {column: number for number, column in columns.items()}
        wanted = {numbers[column] for column in options.fill_down if column in numbers}
        spans: dict[int, list[tuple[int, int]]] = {}
        for reference in merged.get(sheet._worksheet_path.lstrip("/"), []):
            left, top, _, bottom = range_boundaries(reference)
            if left in wanted and top > header and bottom > top:
                spans.setdefault(left, []).append((top, bottom))
        yield _Sheet(name, sheet, header, columns, spans)


def _header(
    sheet: ReadOnlyWorksheet, options: WorkbookOptions, key: list[str], known: list[str]
) -> tuple[int, dict[int, str]]:
    """The header's row and its columns. It is where it is declared, else the first row that names a key column."""
    candidates: dict[int, dict[int, str]] = {}
    proper = {_plain(name): name for name in known}
    for number, cells in enumerate(
        sheet.iter_rows(max_row=max(_HEADER_SEARCH, options.header_row), max_col=_WIDTH, values_only=True), 1
    ):
        names = {
            column: _plain(str(value))
            for column, value in enumerate(cells, 1)
            if value is not None and str(value).strip()
        }
        if {_plain(name) for name in key} & set(names.values()):
            candidates[number] = {column: proper.get(name, name) for column, name in names.items()}
    number = options.header_row if options.header_row in candidates else min(candidates, default=0)
    if not number:
        raise _damaged(
            f"sheet {sheet.title} has no header with {' or '.join(key)}",
            f"工作表 {sheet.title} 没有含 {'、'.join(key)} 的表头",
        )
    columns = candidates[number]
    twice = {name for name in columns.values() if list(columns.values()).count(name) > 1}
    if twice:
        raise _damaged(
            f"sheet {sheet.title} names a column twice: {', '.join(sorted(twice))}",
            f"工作表 {sheet.title} 的列名重复：{'、'.join(sorted(twice))}",
        )
    return number, columns


def _lines(sheet: _Sheet) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, cells by column) of the rows that hold anything of their own."""
    for number, cells in enumerate(
        sheet.sheet.iter_rows(min_row=sheet.header + 1, max_col=max(sheet.columns)), sheet.header + 1
    ):
        line = {
            sheet.columns[column]: cell
            for column, cell in enumerate(cells, 1)
            if column in sheet.columns and cell.value not in (None, "")
        }
        if line:
            yield number, line


def _records(
    sheet: _Sheet, options: WorkbookOptions, epoch: datetime, issues: list[Issue]
) -> Iterator[tuple[int, dict[str, str | None]]]:
    held: dict[int, tuple[int, str | None]] = {}  # column → (last row of its span, value)
    starts = {column: dict(spans) for column, spans in sheet.merged.items()}
    dates = set(options.dates)
    for number, cells in _lines(sheet):
        record: dict[str, str | None] = dict.fromkeys(sheet.columns.values())
        for name, cell in cells.items():
            record[name] = _text(cell, name in dates, epoch)
            if isinstance(cell.value, float) and name not in dates and abs(cell.value) >= 10**_EXACT:
                issues.append(
                    Issue(
                        "digits_lost",
                        f"{sheet.name}!{number}: a code was kept as a number of more than {_EXACT} digits",
                        field=name,
                    )
                )
        for column, spans in starts.items():
            name = sheet.columns[column]
            if number in spans:
                held[column] = (spans[number], record[name])
            elif column in held and number <= held[column][0] and record[name] is None:
                record[name] = held[column][1]
        yield number, record


def _text(cell: Any, dated: bool, epoch: datetime) -> str:
    """A cell in its canonical form; dates ``yyyy-MM-dd``, with their time where they have one."""
    value = cell.value
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if dated and isinstance(value, int | float) and 1 <= value < 2_958_466:
        value = from_excel(value, epoch)
    if isinstance(value, datetime):
        value = (value + timedelta(milliseconds=500)).replace(microsecond=0)  # serials are floats
        return value.isoformat(" ") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        number = Decimal(str(value))
        plain = format(number.to_integral_value() if number == number.to_integral_value() else number.normalize(), "f")
        zeros = str(getattr(cell, "number_format", ""))
        return plain.zfill(len(zeros)) if re.fullmatch("0{2,}", zeros) else plain  # shown with leading zeros
    return str(value)


def _plain(name: str) -> str:
    return re.sub(r"\s+", "", name)


def _damaged(what: str, zh: str) -> ProviderError:
    return ProviderError(
        f"the workbook is not as agreed: {what}",
        remedy="ask the source to send the workbook again",
        zh=f"工作簿不合约定：{zh}，请数源部门重新发送。",
        code="file_damaged",
    )
