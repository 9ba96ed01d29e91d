"""Values and tests of the language, over a batch: each a function from a :class:`Scope` to a column.

A scope is a batch's cleaned columns; it computes each value once, and collects what could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

import polars as pl

from mappings import numbers, paths, placeholders, shapes, times, words
from mappings.cleaning import plain
from mappings.language import Reading, Test, Value
from schemas import codes

Read = tuple[pl.Series, pl.Series | None]  # values, mask of what could not be read


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows (numbers in the batch) whose ``field`` could not be read, and what stood there."""

    rows: pl.Series
    code: str
    field: str
    message: str
    values: pl.Series
    rejects: bool


@dataclass
class Scope:
    """A batch's columns, with ``_row`` and, when exploded, ``_position``. ``ascii``: those of which every value is printable ASCII."""

    frame: pl.DataFrame
    ascii: Collection[str] = ()
    faults: list[Fault] = field(default_factory=list)
    computed: dict[tuple[str, Reading, str | None, bool], pl.Series] = field(default_factory=dict)
    bare: dict[str, pl.Series] = field(default_factory=dict)

    def within(self, frame: pl.DataFrame) -> Scope:
        """The same for a part of the rows: what was found of the others is forgotten."""
        rows = frame["_row"].implode()
        faults = [
            Fault(
                fault.rows.filter(retained),
                fault.code,
                fault.field,
                fault.message,
                fault.values.filter(retained),
                fault.rejects,
            )
            for fault in self.faults
            if (retained := fault.rows.is_in(rows)).any()
        ]
        return Scope(frame, self.ascii, faults)

    def fault(
        self,
        mask: pl.Series,
        code: str,
        name: str,
        values: pl.Series,
        rejects: bool,
        shown: Callable[[str], str] | None = None,
    ) -> None:
        """Note the rows of ``mask``; ``shown`` writes a value for people."""
        where = mask.arg_true()
        found = values.gather(where)
        if shown is not None:
            found = pl.Series([shown(one) for one in found.to_list()], dtype=pl.String)
        self.faults.append(
            Fault(self.frame["_row"].gather(where), code, name, MESSAGES[code], found.cast(pl.String), rejects)
        )

    def column(self, name: str) -> pl.Series:
        """A raw column as text, or what a path into one leads to."""
        if name in self.frame.columns:
            return self.frame[name]
        found = paths.split(name, self.frame.columns)
        if found is None:
            raise KeyError(name)
        column, path = found
        return plain(self.frame[column].str.json_path_match(path))[0]

    def value(self, value: Value, reading: Reading, unit: str | None = None, *, identifier: bool = False) -> pl.Series:
        """A value as ``reading``; ``unit`` is the canonical one that it is brought to.

        ``identifier``: it names something, so that a word for "none" is null (:mod:`mappings.placeholders`).
        """
        key = (value.model_dump_json(), reading, unit, identifier)
        if key not in self.computed:
            self.computed[key] = self._value(value, reading, unit, identifier)
        return self.computed[key]

    def identifier(self, name: str) -> pl.Series:
        """A raw column that names something, without the words that say "none"; what they stood for is noted."""
        if name not in self.bare:
            written = self.column(name)
            if name in self.ascii and placeholders.none_in(written):
                self.bare[name] = written
                return written
            bare, words = placeholders.without(written)
            self.bare[name], numbers = placeholders.numbers(bare)
            for found, code in ((words, "placeholder"), (numbers, "code_as_number")):
                if found is not None:
                    self.fault(found, code, name, written, False)
        return self.bare[name]

    def test(self, test: Test) -> pl.Series:
        """True where the test holds; null counts as no."""
        if test.all is not None:
            return _fold(test.all, self.test, lambda a, b: a & b)
        if test.any is not None:
            return _fold(test.any, self.test, lambda a, b: a | b)
        if test.not_ is not None:
            return ~self.test(test.not_)
        found = self.value(test.value, test.as_)
        if test.present is not None:
            return found.is_not_null() if test.present else found.is_null()
        if test.contains is not None:
            return text_of(found).str.contains(test.contains, literal=True).fill_null(False)
        wanted = [str(test.equals)] if test.equals is not None else test.one_of or []
        return text_of(found).is_in(wanted).fill_null(False)

    def _value(self, value: Value, reading: Reading, unit: str | None, identifier: bool) -> pl.Series:
        found = self._source(value, identifier)
        name = "/".join(sorted(value.columns))
        unread = value.unreadable
        if value.extract is not None:
            pulled = found.str.extract(value.extract, 1)
            self._note(found.is_not_null() & pulled.is_null(), "unreadable_value", name, found, unread)
            found = pulled
        if value.contains is not None:
            found = words.contained(found, value.contains)
        elif value.map is not None or value.codes is not None:
            listed = codes.load(value.codes) if value.codes else None
            means = (
                listed.meaning if listed else {k: None if v is None else str(v) for k, v in (value.map or {}).items()}
            )
            written = found
            found, unknown = words.translate(written, means, numeric=listed.numeric if listed else False)
            self._note(unknown, "unknown_code", name, written, "issue")
        written = found
        if found.dtype == pl.String and reading != "text":
            read, code = READINGS[reading]
            found, bad = read(found, value, unit)
            if bad is not None and code in ("unreadable_time", "unreadable_number"):
                bad = self._without_placeholders(bad, name, written, unread)
            self._note(bad, code, name, written, "issue" if code == "unknown_code" else unread)
        if value.between is not None:
            low, high = (Decimal(str(bound)) for bound in value.between)
            outside = ~found.is_between(pl.Series([low]), pl.Series([high])) & found.is_not_null()
            if outside.any():
                self._note(outside, "out_of_range", name, written, "issue")
                found = found.set(outside, None)
        if value.default is not None:
            found = found.fill_null(value.default)
        return found

    def _without_placeholders(self, bad: pl.Series, name: str, written: pl.Series, unread: str) -> pl.Series:
        """Of the values that are no time or number those that are no word for "none" either; such a word is noted, and null."""
        where = (bad & ~written.str.contains("\ufffd", literal=True)).arg_true()
        _, words = placeholders.without(written.gather(where))
        if words is None:
            return bad
        none = pl.Series([False]).new_from_index(0, len(bad)).scatter(where, words)
        self._note(none, "placeholder", name, written, "nothing" if unread == "nothing" else "issue")
        return bad & ~none

    def _source(self, value: Value, identifier: bool) -> pl.Series:
        if value.from_ is not None:
            meant = value.map is not None or value.contains is not None or value.codes is not None
            return self.identifier(value.from_) if identifier and not meant else self.column(value.from_)
        if value.const is not None:
            return pl.Series([str(value.const)]).new_from_index(0, self.frame.height)
        if value.position:
            return self.frame["_position"].cast(pl.String)
        parts = [
            self.value(part, part.as_ or "text", identifier=identifier and part.as_ in (None, "text", "code"))
            for part in value.first_of or value.concat or ()
        ]
        if value.first_of is not None:
            found = parts[0]
            for part in parts[1:]:
                if found.null_count():
                    found = found.zip_with(found.is_not_null(), part)
            return found
        named = pl.DataFrame([text_of(part).alias(str(n)) for n, part in enumerate(parts)])
        joined = named.select(pl.concat_str(pl.all(), separator=value.separator, ignore_nulls=True)).to_series()
        empty = joined.str.len_bytes() == 0
        return joined.set(empty, None) if empty.any() else joined

    def _note(self, mask: pl.Series | None, code: str, name: str, values: pl.Series, unread: str) -> None:
        if unread != "nothing" and mask is not None and mask.any():
            self.fault(mask, code, name, values, unread == "reject")


def text_of(values: pl.Series) -> pl.Series:
    """One writing for each value, for keys: times in the first form of source-systems.md, numbers without zeros."""
    if values.dtype == pl.String:
        return values
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.strftime("%Y-%m-%d %H:%M:%S%.f")
    if isinstance(values.dtype, pl.Decimal):
        return values.cast(pl.String).str.strip_chars_end("0").str.strip_suffix(".")
    return values.cast(pl.String)


def _fold(
    tests: list[Test], one: Callable[[Test], pl.Series], join: Callable[[pl.Series, pl.Series], pl.Series]
) -> pl.Series:
    found = one(tests[0])
    for test in tests[1:]:
        found = join(found, one(test))
    return found


def _time(text: pl.Series, value: Value, unit: str | None, *, no_end: bool = False) -> Read:
    return times.timestamps(text, month_end=value.month == "last", no_end=no_end, form=value.format, zone=value.zone)


def _date(text: pl.Series, value: Value, unit: str | None, *, no_end: bool = False) -> Read:
    found, bad = _time(text, value, unit, no_end=no_end)
    return found.dt.date(), bad


def _decimal(text: pl.Series, value: Value, unit: str | None) -> Read:
    factor = numbers.factor(value.unit, unit) if value.unit else None
    return numbers.decimals(text, unit=value.unit, factor=factor)


@cache
def _shape(multi: bool) -> Callable[..., Read]:
    return lambda text, value, unit: shapes.shapes(text, multi=multi)


#: reading → (how, code of what cannot be read)
READINGS: dict[str, tuple[Callable[[pl.Series, Value, str | None], Read], str]] = {
    "code": (lambda text, value, unit: (words.codes(text), None), "unreadable_value"),
    "department": (lambda text, value, unit: (words.departments(text), None), "unreadable_value"),
    "document_no": (lambda text, value, unit: (words.document_numbers(text), None), "unreadable_value"),
    "industry": (lambda text, value, unit: words.industries(text), "unknown_code"),
    "int": (lambda text, value, unit: numbers.integers(text), "unreadable_number"),
    "decimal": (_decimal, "unreadable_number"),
    "bool": (lambda text, value, unit: words.booleans(text), "unreadable_value"),
    "timestamp": (_time, "unreadable_time"),
    "date": (_date, "unreadable_time"),
    "end_date": (lambda text, value, unit: _date(text, value, unit, no_end=True), "unreadable_time"),
    "end_timestamp": (lambda text, value, unit: _time(text, value, unit, no_end=True), "unreadable_time"),
    "epoch_ms": (lambda text, value, unit: times.epoch_ms(text), "unreadable_time"),
    "json": (lambda text, value, unit: words.parsed(text), "unreadable_json"),
    "list": (lambda text, value, unit: words.parsed(text, words.listed), "unreadable_json"),
    "asset_links": (lambda text, value, unit: words.parsed(text, words.asset_links), "unreadable_json"),
    "geometry": (_shape(False), "unreadable_geometry"),
    "multipolygon": (_shape(True), "unreadable_geometry"),
}

MESSAGES = {
    "missing_key": "主键字段为空 a part of the key is empty",
    "key_mangled": "主键字段含未能解码的字节 a part of the key holds bytes that could not be decoded",
    "missing_time": "增量时间为空 the increment time is empty",
    "unreadable_time": "时间无法识别 cannot be read as a time",
    "unreadable_number": "数值无法识别 cannot be read as a number",
    "unreadable_value": "取值无法识别 cannot be read",
    "unreadable_json": "嵌套内容无法解析 cannot be read as JSON",
    "unreadable_geometry": "图形无法解析 cannot be read as a geometry",
    "unknown_code": "代码不在代码表中 the code is in no list",
    "out_of_range": "数值超出范围 the number is out of range",
    "look_alike": "含不可见或形近字符，已归一 invisible or look-alike characters, made plain",
    "placeholder": "以占位词代替编号、数值或时间，按空值处理 a word for «none» where a code, number or time belongs, taken as empty",
    "code_as_number": "编号曾被当作数字 a program took the code for a number",
    "column_ambiguous": "同名列取值不一，无法判断以哪个为准 the column stands there twice, with unlike values",
    "unknown_column": "契约中没有此字段 the contract has no such column",
}

#: column type of the entity → type in the frame, and what a value is read as
TYPES: dict[str, tuple[pl.DataType | type[pl.DataType], Reading]] = {
    "text": (pl.String, "text"),
    "int": (pl.Int64, "int"),
    "decimal": (numbers.DECIMAL, "decimal"),
    "date": (pl.Date, "date"),
    "timestamp": (times.STAMP, "timestamp"),
    "bool": (pl.Boolean, "bool"),
    "json": (pl.String, "json"),
    "geometry": (pl.Binary, "geometry"),
}
#: reading → type in the frame
RESULTS: dict[str, pl.DataType | type[pl.DataType]] = {
    **{
        kind: pl.String
        for kind in ("text", "code", "department", "document_no", "industry", "json", "list", "asset_links")
    },
    "int": pl.Int64,
    "decimal": numbers.DECIMAL,
    "bool": pl.Boolean,
    "date": pl.Date,
    "end_date": pl.Date,
    "timestamp": times.STAMP,
    "end_timestamp": times.STAMP,
    "epoch_ms": times.STAMP,
    "geometry": pl.Binary,
    "multipolygon": pl.Binary,
}
