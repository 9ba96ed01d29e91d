"""A table in CSV (RFC 4180) → rows of text, as P2 has it.

The charset is taken by evidence, and so is what stands between the cells: a comma, or what makes the known columns of the
header. A header that has none of these is none. A row with bytes that are no text, of another width than the header, or with a value
beyond the limits is rejected alone; a quote that is opened and never closed takes no more rows with it than lines up to
the next that has the header's width.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator

from connectors.base import Issue, Reject
from connectors.decoders import charsets
from connectors.limits import Limits, check
from core.errors import ProviderError

Row = dict[str, str | None]
_RAW = 1 << 18  # characters of a rejected row that quarantine keeps
_SEPARATOR = re.compile('"?sep=."?', re.IGNORECASE)
_SEPARATORS = (",", ";", "\t", "|", "；", "，")
_LINES = 200  # lines that a quoted value may have


def read(
    body: bytes, name: str, key: str, limits: Limits, *, known: Collection[str] = ()
) -> tuple[list[str], list[tuple[str, Row]], list[Reject], list[Issue]]:
    """(columns, (place, row) …, rejects, issues). The header stands in the first line, in any order and either bracket
    width. ``key``: the column that names a row; ``known``: those of which one must stand there, and none twice.

    :raises ProviderError: no column of ``known`` stands there, or one twice, or the charset cannot be told.
    :raises OverLimit: more rows, columns or cells than there may be.
    """
    check(limits, "page", len(body), name)
    decoded = charsets.decode(body, usual="gb18030")
    if decoded.charset.doubtful:
        raise ProviderError(
            f"{name}: no charset is plausible, the likeliest is {decoded.charset.name}",
            remedy="ask the source which charset it sends (UTF-8 or GB18030), and to send it again",
            zh=f"{name} 的字符集无法确定，请数源部门改用 UTF-8 或 GB18030 重新推送。",
            code="charset_doubtful",
        )
    text = decoded.text.removeprefix("\ufeff").replace("\0", f"{charsets.DAMAGE}\\x00")
    check(limits, "rows", text.count("\n") + text.count("\r") // 2, name)
    lines = list(io.StringIO(text, newline=""))
    if lines and _SEPARATOR.fullmatch(lines[0].strip()):  # a hint for spreadsheets, no header
        del lines[0]
    separator = _between(lines, known)
    parsed = _rows(lines, limits, separator)
    columns = _names(next(parsed, (0, []))[1])
    if not any(columns):
        raise ProviderError(
            f"{name} is empty: it has no header",
            remedy="ask the source to send it again; a table without rows still has its header",
            zh=f"{name} 为空，没有表头，疑似导出或上传中断，请数源部门重新推送；无数据时也应保留表头。",
            code="header_missing",
        )
    check(limits, "names", len(columns), name)
    if known and not set(known) & set(columns):
        raise ProviderError(
            f"the first line of {name} is no header: none of {', '.join(sorted(known))} stands there",
            remedy="ask the source to send the table with its header as the first line, cells divided by commas",
            zh=f"{name} 首行不是表头：没有 {'、'.join(sorted(known))} 中的任何一列，请数源部门以首行为表头、逗号分隔重新推送。",
            code="header_missing",
        )
    twice = {column for column, count in Counter(columns).items() if count > 1 and column}
    if twice & set(known):
        raise ProviderError(
            f"{name} names a column twice: {', '.join(sorted(twice))}",
            remedy="ask the source to remove the second column and to send it again",
            zh=f"{name} 的列名重复：{'、'.join(sorted(twice))}，无法判断以哪一列为准，请数源部门更正后重新推送。",
            code="column_ambiguous",
        )
    issues = [
        Issue("column_ambiguous", f"{name} names {column} twice; neither is read", field=column)
        for column in sorted(twice)
    ]
    named = {place: column for place, column in enumerate(columns) if column and column not in twice}
    rows: list[tuple[str, Row]] = []
    rejects: list[Reject] = []
    for number, cells in parsed:
        if not any(cell.strip() for cell in cells):
            continue
        while len(cells) > len(columns) and not cells[-1].strip():  # commas at the end
            cells.pop()
        reject = _unsound(name, number, cells, columns, key, limits)
        if reject is None:
            row = {column: cells[place] or None for place, column in named.items()}
            rows.append((f"{name} row {number}", row))
            check(limits, "cells", len(rows) * max(1, len(columns)), name)
        else:
            rejects.append(reject)
    return list(named.values()), rows, rejects, issues


def brackets(text: str) -> str:
    """Half-width brackets."""
    return text.replace("（", "(").replace("）", ")")


def _names(header: list[str]) -> list[str]:
    return [brackets(charsets.shown(cell).strip()) for cell in header]


def _between(lines: list[str], known: Collection[str]) -> str:
    """What divides the cells: the first of :data:`_SEPARATORS` by which the header names a known column, else a comma."""
    for separator in _SEPARATORS if lines else ():
        if set(known) & set(_names(_cells(lines[0], separator))):
            return separator
    return _SEPARATORS[0]


def _rows(lines: list[str], limits: Limits, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(number from 0, cells), the header first. A value in quotes may have line breaks; one whose quote does not end
    within :data:`_LINES` lines is no such value, and its line stands for itself.
    """
    number = place = 0
    width = 0
    while place < len(lines):
        taken = 1
        cells = _cells(lines[place], separator)
        if lines[place].count('"') % 2:
            taken, cells = _quoted(lines, place, width, limits, separator)
        yield number, cells
        width = width or len(cells)
        number, place = number + 1, place + taken


def _quoted(lines: list[str], place: int, width: int, limits: Limits, separator: str) -> tuple[int, list[str]]:
    """(lines, cells) of a row that begins in a line with an odd number of quotes."""
    quotes = size = 0
    for taken, line in enumerate(lines[place : place + _LINES], 1):
        quotes, size = quotes + line.count('"'), size + len(line)
        if size > limits.field:
            break
        if quotes % 2 == 0:
            cells = _cells("".join(lines[place : place + taken]), separator)
            if not width or len(cells) == width:
                return taken, cells
            break
    return 1, lines[place].rstrip("\r\n").split(separator)


def _cells(row: str, separator: str) -> list[str]:
    csv.field_size_limit(1 << 30)  # ours is checked by row
    try:
        return next(csv.reader(io.StringIO(row, newline=""), delimiter=separator, strict=False), [])
    except csv.Error:
        return row.rstrip("\r\n").split(separator)


def _unsound(name: str, number: int, cells: list[str], columns: list[str], key: str, limits: Limits) -> Reject | None:
    place, raw = f"{name} row {number}", charsets.shown(",".join(cells))[:_RAW]
    found = dict(zip(columns, cells, strict=False)).get(key)
    record = found if found and len(found) <= 200 and not charsets.MARKED.search(found) else None
    if charsets.MARKED.search(",".join(cells)):
        return Reject(place, "undecodable", f"{place} has bytes that are no text; they stand as \\xNN", raw, record)
    if len(cells) != len(columns):
        return Reject(place, "wrong_width", f"{len(cells)} cells under {len(columns)} columns", raw)
    if any(len(cell) > limits.field for cell in cells):
        return Reject(place, "over_limit", f"{place} has a value of more than {limits.field} characters", raw, record)
    return None
