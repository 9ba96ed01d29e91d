"""Workbooks (.xlsx) with a sheet a month → rows of text, as D5 has them.

The header stands on a row of its own under a merged title; cells that are merged down over the rows of one project
are filled for the declared columns. Dates are serials of the 1900 system or text; numbers keep their digits. How a
workbook is read, and within which limits: :mod:`connectors.decoders.workbook`.

A row that cannot be read, or has a formula in place of a value, is rejected alone; a cell that holds an error is reported
and has no value.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from connectors.base import Batch, Issue, Reject
from connectors.decoders import rows, workbook
from connectors.decoders.workbook import Book, Cell, Piece, Row, Sheet, damaged
from connectors.limits import Limits
from sources.declaration import UNDECIDED
from sources.options.files import WorkbookOptions

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_WIDTH = 64  # columns in which the header is looked for
_HEADER_SEARCH = 10  # rows in which the header is looked for when it is not where it should be
_EXACT = 15  # digits that a number of Excel's keeps
# a number of at most as many digits that is written as it is shown, in Polars' syntax
_AS_WRITTEN = r"^(?:0|-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,6})\.[0-9]{0,7}[1-9])$"


@dataclass(slots=True)
class Inspection:
    """What a file holds: rows by scope, and what is to be told of it."""

    scopes: dict[str, int]
    issues: list[Issue] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Table:
    """A sheet that is read: where its header is, what its columns are, which cells are merged down."""

    name: str
    sheet: Sheet
    header: int
    columns: dict[int, str]  # number from 1 → name
    unfilled: list[str]  # columns with cells merged down over rows, which nobody has declared to be filled
    merged: dict[int, dict[int, int]]  # column → first row → last row


def inspect(
    body: bytes | Path, options: WorkbookOptions, key: list[str], known: list[str], limits: Limits
) -> Inspection:
    """Open it and count its rows: the proof that it is whole.

    :raises ProviderError: it is no workbook, is unsafe, has no sheet of the declared names, or a sheet no header.
    """
    found = Inspection({})
    with workbook.opened(body, limits) as book:
        for sheet in book.sheets:
            if not re.fullmatch(options.sheets, sheet.title.strip()):
                title = sheet.title
                found.issues.append(Issue("sheet_unknown", f"sheet {title!r} is none of ours; not read", record=title))
        for table in _tables(book, options, key, known):
            if table.name in found.scopes:
                raise damaged(f"two sheets are named {table.name}", f"有两个名为 {table.name} 的工作表")
            reading = _Reading(book, table, options, key, known, limits)
            found.scopes[table.name] = sum(reading.count(piece) for piece in book.pieces(table.sheet))
            for name in table.unfilled:
                why = f"{table.name}: {name} has cells merged down over rows; only the first of these has the value"
                found.issues.append(Issue("merged_unfilled", f"{why}: fill_down", field=name))
            lacking = [name for name in known if name not in table.columns.values()]
            for name in lacking:
                found.issues.append(
                    Issue("column_absent", f"sheet {table.name} has no column {name}; read as empty", field=name)
                )
    if not found.scopes:
        raise damaged(f"it has no sheet named like {options.sheets}", "没有以 yyyy-MM 命名的工作表")
    return found


def decode(
    body: bytes | Path,
    scopes: list[str] | None,
    options: WorkbookOptions,
    key: list[str],
    known: list[str],
    limits: Limits,
) -> Iterator[Batch]:
    """The rows of the sheets in ``scopes`` (None: all), a batch never of two sheets. Raises as :func:`inspect`."""
    with workbook.opened(body, limits) as book:
        for table in _tables(book, options, key, known):
            if scopes is not None and table.name not in scopes:
                continue
            reading = _Reading(book, table, options, key, known, limits)
            for piece in book.pieces(table.sheet):
                batch = reading.batch(piece)
                if batch.rows.num_rows or batch.rejects or batch.issues:
                    yield batch


def _tables(book: Book, options: WorkbookOptions, key: list[str], known: list[str]) -> Iterator[_Table]:
    for sheet in book.sheets:
        name = sheet.title.strip()
        if not re.fullmatch(options.sheets, name):
            continue
        book.measure(sheet)
        header, columns = _header(book, sheet, options, key, known)
        numbers = {column: number for number, column in columns.items()}
        wanted = {numbers[column] for column in options.fill_down if column in numbers}
        merged: dict[int, dict[int, int]] = {}
        unfilled: set[int] = set()
        for left, top, _, bottom in sheet.merges:
            if left in wanted and top > header and bottom > top:
                merged.setdefault(left, {})[top] = bottom
            elif "fill_down" not in options.model_fields_set and left in columns and top > header and bottom > top:
                unfilled.add(left)
        yield _Table(name, sheet, header, columns, [columns[one] for one in sorted(unfilled)], merged)


def _header(
    book: Book, sheet: Sheet, options: WorkbookOptions, key: list[str], known: list[str]
) -> tuple[int, dict[int, str]]:
    """The header's last row and its columns. It is where it is declared, else the first row that names a key column; where
    nobody has decided the key yet, it is where it is declared."""
    proper = {_plain(name): name for name in known}
    written: dict[int, dict[int, str]] = {}
    for row in book.rows(sheet):
        if row.number > max(_HEADER_SEARCH, options.header_row) + options.header_rows - 1:
            break
        written[row.number] = {
            column: _plain(str(cell.value))
            for column, cell in row.cells.items()
            if column <= _WIDTH and cell.value is not None and str(cell.value).strip()
        }
    if options.header_rows > 1:
        _spread(written, sheet)
    wanted = {_plain(name) for name in key}
    candidates: dict[int, dict[int, str]] = {}
    for first in written:
        if first <= max(_HEADER_SEARCH, options.header_row):
            lines = [written.get(number, {}) for number in range(first, first + options.header_rows)]
            names = {
                column: "_".join(dict.fromkeys(line[column] for line in lines if column in line))
                for column in sorted({column for line in lines for column in line})
            }
            if wanted & set(names.values()) or (UNDECIDED in key and first == options.header_row):
                candidates[first] = {column: proper.get(name, name) for column, name in names.items()}
    number = options.header_row if options.header_row in candidates else min(candidates, default=0)
    if not number:
        there = "、".join(written.get(options.header_row, {}).values())[:200] or "nothing"
        raise damaged(
            f"sheet {sheet.title} has no header with {' or '.join(key)}; row {options.header_row} holds {there}",
            f"工作表 {sheet.title} 没有含 {'、'.join(key)} 的表头，第 {options.header_row} 行为：{there}",
        )
    columns = candidates[number]
    twice = {name for name, times in Counter(columns.values()).items() if times > 1}
    if twice:
        raise damaged(
            f"sheet {sheet.title} names a column twice: {', '.join(sorted(twice))}",
            f"工作表 {sheet.title} 的列名重复：{'、'.join(sorted(twice))}",
        )
    return number + options.header_rows - 1, columns


def _spread(written: dict[int, dict[int, str]], sheet: Sheet) -> None:
    """A text of merged cells stands in each of them."""
    for left, top, right, bottom in sheet.merges:
        text = written.get(top, {}).get(left)
        if text is not None:
            for number in range(top, min(bottom, max(written)) + 1):
                written.setdefault(number, {}).update(dict.fromkeys(range(left, min(right, _WIDTH) + 1), text))


class _Reading:
    """Rows of a sheet on their way to batches: those below the header that hold anything of their own, or cannot be read."""

    def __init__(
        self, book: Book, table: _Table, options: WorkbookOptions, key: list[str], known: list[str], limits: Limits
    ) -> None:
        self._book, self._table, self._key, self._known, self._limits = book, table, key, known, limits
        self._dates = set(options.dates)
        self._held: dict[int, tuple[int, str | None, str | None]] = {}  # column → last row of its span, value, trouble
        names = list(table.columns.values())
        # a sheet whose names alone are beyond a limit, or two of which are one, is looked at record by record
        self._apart = len(names) > limits.names or len({name.lower() for name in names}) < len(names)
        self._start()

    def _start(self) -> None:
        self._records: list[dict[str, str | None]] = []
        self._places: list[int] = []  # of the records, in their piece
        self._rejects: list[Reject] = []
        self._issues: list[Issue] = []

    def count(self, piece: Piece) -> int:
        """How many rows of a piece are read, or rejected."""
        plain, alone = self._rows(piece)
        return plain.height + len(alone)

    def batch(self, piece: Piece) -> Batch:
        """What a piece holds."""
        plain, alone = self._rows(piece)
        if self._table.merged:
            plain = self._filled(piece, plain, alone)
        else:
            for place, row in alone.items():
                self.take(row, place)
        numbers = [piece.numbers[place] for place in self._places]
        table, beyond = rows.bounded(
            self._records, [f"{self._table.name}!{number}" for number in numbers], self._known, self._limits
        )
        gone = {reject.place for reject in beyond}
        proper = {name.lower(): name for name in self._known}
        given = pl.Series(piece.numbers, dtype=pl.Int32).gather(plain["place"])
        columns = plain.drop("place").rename({name: proper.get(name.lower(), name) for name in plain.columns[1:]})
        columns = columns.with_columns(pl.format("{}!{}", pl.lit(self._table.name), given).alias("_place"))
        found = columns.to_arrow()
        if table.num_rows:
            places = [
                place
                for place, number in zip(self._places, numbers, strict=True)
                if f"{self._table.name}!{number}" not in gone
            ]
            order = np.argsort(np.concatenate([plain["place"].to_numpy(), places]), kind="stable")
            found = pa.concat_tables([found, table], promote_options="default").take(order)
        batch = Batch(found, self._rejects + beyond, self._issues, self._table.name)
        self._start()
        return batch

    def _rows(self, piece: Piece) -> tuple[pl.DataFrame, dict[int, Row]]:
        """The plain rows of a piece that are read as columns of text, by their ``place``, and those that are looked at one by one,
        in the sheet's order."""
        numbers = pl.Series(piece.numbers, dtype=pl.Int32)
        plain = pl.DataFrame({"place": pl.int_range(len(numbers), dtype=pl.UInt32, eager=True)})
        if piece.others:
            plain = plain.filter(~pl.col("place").is_in(list(piece.others)))
        apart: set[int] = set()
        for column, name in self._table.columns.items():
            cells = piece.columns.get(column)
            if cells is None:
                plain = plain.with_columns(pl.lit(None, pl.String).alias(name))
                continue
            texts, odd = self._texts(cells, name)
            apart.update(odd)
            if cells.height == plain.height:
                plain = plain.with_columns(texts.alias(name))
            else:
                plain = plain.join(cells.select("place", texts.alias(name)), on="place", how="left")
        names = plain.columns[1:]
        sums = (
            pl.coalesce(names).str.contains("计", literal=True).fill_null(False)
        )  # it may be: the row by itself tells
        long = pl.any_horizontal(pl.col(name).str.len_bytes() > self._limits.field for name in names).fill_null(False)
        apart.update(plain.filter(True if self._apart else sums | long)["place"])
        below = (numbers > self._table.header).gather(plain["place"])
        plain = plain.filter(
            below & ~pl.all_horizontal(pl.col(names).is_null()).or_(pl.col("place").is_in(list(apart)))
        )
        looked_at = {place: piece.row(place) for place in sorted({*piece.others, *apart})}
        return plain, {place: row for place, row in looked_at.items() if self._holds(row)}

    def _holds(self, row: Row) -> bool:
        return row.number > self._table.header and (
            row.why is not None
            or any(column in self._table.columns and cell.value != "" for column, cell in row.cells.items())
        )

    def _texts(self, cells: pl.DataFrame, name: str) -> tuple[pl.Series, list[int]]:
        """The text of each cell of a column, null where it has none, and the places of those cells that are looked at one by one:
        an error, a formula without its value, what cannot be read, digits that are lost."""
        strings = self._book.strings
        kind, value = pl.col("kind"), pl.col("value")
        index = pl.when(kind == "s", value.str.contains("^[0-9]+$")).then(value).cast(pl.UInt32, strict=False)
        shared = strings.gather(cells.select(pl.when(index < len(strings)).then(index)).to_series())
        if (cells["kind"] == "s").all():
            odd = shared.is_null() & cells["value"].is_not_null()
            return shared.set(shared == "", None), cells["place"].filter(odd).to_list()
        bare = [style for style in cells["style"].unique() if self._book.is_bare(style)]
        is_bare = pl.col("style").is_in(bare, nulls_equal=True) if name not in self._dates else pl.lit(False)
        written = (
            pl.when(kind.is_in(["str", "inlineStr"]))
            .then(~value.str.contains("_x", literal=True))
            .when(kind == "n")
            .then(is_bare & value.str.contains(_AS_WRITTEN))
        )
        found = cells.with_columns(shared=shared, written=written).select(
            "place",
            pl.when("written").then(value).when(pl.col("shared") != "").then("shared").alias("text"),
            odd=(kind == "s") & value.is_not_null() & pl.col("shared").is_null(),
            apart=(kind != "s") & value.is_not_null() & ~pl.col("written").fill_null(False),
        )
        texts, odd = found["text"], found["odd"]
        if found["apart"].any():
            rest = cells.filter(found["apart"]).select("kind", "style", "value").unique()
            made = [self._made(kind, style, value, name) for kind, style, value in rest.iter_rows()]
            told = rest.with_columns(
                told=pl.Series([text for text, _ in made], dtype=pl.String),
                odd=pl.Series([is_odd for _, is_odd in made], dtype=pl.Boolean),
            )
            by = ["kind", "style", "value"]
            each = cells.join(told, on=by, how="left", nulls_equal=True, maintain_order="left")
            texts = texts.zip_with(~found["apart"], each["told"])
            odd = odd | each["odd"].fill_null(False)
        return texts, found["place"].filter(odd).to_list()

    def _made(self, kind: str, style: str | None, value: str, name: str) -> tuple[str | None, bool]:
        """A cell's text, and whether it is to be looked at with its row."""
        try:
            cell = self._book.made(kind, value, style)
        except (ValueError, OverflowError, IndexError):
            return None, True
        if cell is None:
            return None, False
        if cell.error is not None or cell.value is None or self._lost(cell, name):
            return None, True
        return self._text(cell, name), False

    def _lost(self, cell: Cell, name: str) -> bool:
        return isinstance(cell.value, float) and name not in self._dates and abs(cell.value) >= 10**_EXACT

    def _filled(self, piece: Piece, plain: pl.DataFrame, alone: dict[int, Row]) -> pl.DataFrame:
        """The plain rows with what is merged down over them; the others are taken, each in its turn."""
        columns = {column: plain[self._table.columns[column]].to_list() for column in self._table.merged}
        plain_at = {place: number for number, place in enumerate(plain["place"])}
        for place in sorted([*plain_at, *alone]):
            number = piece.numbers[place]
            at = plain_at.get(place)
            if at is None:
                self.take(alone[place], place)
            elif any(
                number not in spans
                and values[at] is None
                and (held := self._held.get(column))
                and number <= held[0]
                and held[2]
                for (column, spans), values in zip(self._table.merged.items(), columns.values(), strict=True)
            ):
                self.take(piece.row(place), place)
                plain_at[place] = -1
            else:
                for column, spans in self._table.merged.items():
                    values = columns[column]
                    if number in spans:
                        self._held[column] = (spans[number], values[at], None)
                    elif values[at] is None and column in self._held and number <= self._held[column][0]:
                        values[at] = self._held[column][1]
        filled = [pl.Series(self._table.columns[column], values, dtype=pl.String) for column, values in columns.items()]
        return plain.with_columns(filled).filter(pl.Series([at >= 0 for at in plain_at.values()], dtype=pl.Boolean))

    def take(self, row: Row, at: int) -> None:
        """One row, which stands at a place of its piece: a record, or a reject."""
        place = f"{self._table.name}!{row.number}"
        record: dict[str, str | None] = dict.fromkeys(self._table.columns.values())
        troubles: dict[str, str] = {}
        issues: list[Issue] = []
        for column, name in self._table.columns.items():
            cell = row.cells.get(column)
            if cell is None or cell.value == "":
                continue
            if cell.uncalculated:
                troubles[name] = "a formula without its value"
            elif cell.error is not None:
                issues.append(Issue("cell_error", f"{place} holds {cell.error[:40]}; read as empty", field=name))
            else:
                record[name] = self._text(cell, name)
                if self._lost(cell, name):
                    why = f"{place}: a code was kept as a number of more than {_EXACT} digits"
                    issues.append(Issue("digits_lost", why, field=name))
        is_total = _TOTAL.fullmatch(next((value for value in record.values() if value), "").strip()) is not None
        self._fill(row, record, troubles)
        identity = "|".join(record[name] or "" for name in self._key if name in record)
        if row.why:
            self._rejects.append(Reject(place, "row_unreadable", f"{place}: {row.why}", row.raw))
        elif is_total:
            raw = json.dumps({name: value for name, value in record.items() if value}, ensure_ascii=False)
            self._rejects.append(Reject(place, "total_row", f"{place} sums up others, and is no record", raw))
        elif troubles:
            why = "; ".join(f"{name}: {words}" for name, words in troubles.items())
            raw = json.dumps({name: value for name, value in record.items() if value}, ensure_ascii=False)
            key = None if troubles.keys() & set(self._key) else identity
            self._rejects.append(Reject(place, "formula_without_value", f"{place}: {why}", raw, key))
        else:
            self._records.append(record)
            self._places.append(at)
            self._issues += [Issue(one.code, one.detail, identity or None, one.field) for one in issues]

    def _fill(self, row: Row, record: dict[str, str | None], troubles: dict[str, str]) -> None:
        """What is merged down over the row; where its first row could not be read, neither can this one."""
        for column, spans in self._table.merged.items():
            name = self._table.columns[column]
            if row.number in spans:
                why = "its merged cells begin in a row that cannot be read" if row.why else troubles.get(name)
                self._held[column] = (spans[row.number], record[name], why)
            elif column in self._held and row.number <= self._held[column][0] and record[name] is None:
                _, record[name], why = self._held[column]
                if why and not row.why:
                    troubles[name] = why

    def _text(self, cell: Cell, name: str) -> str:
        """A cell in its canonical form; dates ``yyyy-MM-dd``, with their time where they have one."""
        value = cell.value
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "1" if value else "0"
        if name in self._dates and isinstance(value, int | float) and value >= 1:
            value = self._book.moment(value) or value
        if isinstance(value, datetime):
            value = (value + timedelta(milliseconds=500)).replace(microsecond=0)  # serials are floats
            return value.isoformat(" ") if value.time() != time() else value.date().isoformat()
        if isinstance(value, date | time):
            return value.isoformat()
        number = Decimal(str(value))
        if not number.is_finite():
            return str(value)
        if isinstance(value, float) and abs(number) >= 10**_EXACT:
            return format(number.normalize(), "E")  # digits written out would be a code that nobody gave
        whole = number == number.to_integral_value()
        return format(number.to_integral_value() if whole else number.normalize(), "f").zfill(cell.zeros)


_TOTAL = re.compile(r"(?:本?[页月季年])?[总合小共累]\s*计(?:\s*[:：(（].{0,20})?")


def _plain(name: str) -> str:
    return re.sub(r"\s+", "", name)
