"""A compiled mapping at work: a batch of raw text in, canonical columns out, and all that was wrong with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa

from mappings import words
from mappings.cleaning import by_bytes, clean, fold_name, plain, stripped, visible, without_controls
from mappings.expressions import MESSAGES, TYPES, Fault, Scope, text_of
from mappings.language import REST, Block, Declaration, Reading, Value
from mappings.times import STAMP
from schemas import raw
from schemas.entities import Column, Entity

Looks = tuple[str, pl.Series, pl.Series]  # column, mask, text as written
_VALUES_NAMED = 50  # distinct values of one issue that are named; the rest are counted together

RECORDS = {
    "_row": pl.UInt32,
    "record_key": pl.String,
    "source_time": STAMP,
    "rank": pl.Int16,
    "tombstone": pl.Boolean,
    "raw": pl.String,
    "content_hash": pl.Binary,
    "_place": pl.String,
}
REJECTS = {
    "_row": pl.UInt32,
    "code": pl.String,
    "field": pl.String,
    "message": pl.String,
    "value": pl.String,
    "record_key": pl.String,
    "raw": pl.String,
    "content_hash": pl.Binary,
    "_place": pl.String,
}
UNCHANGED = {"_row": pl.UInt32, "record_id": pl.Int64}


@dataclass(frozen=True, slots=True)
class Issue:
    """Something to be reported that kept no row away, over the whole batch. ``value`` None: of many values."""

    code: str
    field: str
    value: str | None
    count: int
    record_key: str | None
    message: str


@dataclass
class Mapped:
    """A batch after mapping. Rows in ``rejects`` (one a reason) and in ``unchanged`` stand in no other frame.

    ``records``: :data:`RECORDS`; ``raw`` is a JSON object of the cleaned raw columns, without empty ones, keys sorted,
    ``content_hash`` its SHA-256. ``columns``: the cleaned raw columns of the whole batch, with ``_row``.
    ``entities``: name → ``_row``, ``ord`` (from 0 within a row's entity) and every column of the entity, typed: text,
    int64, decimal(20,6), date, naive datetime[µs], bool, JSON text, WKB. A tombstone has no entity rows.
    """

    records: pl.DataFrame
    entities: dict[str, pl.DataFrame]
    rejects: pl.DataFrame
    issues: list[Issue]
    unchanged: pl.DataFrame
    columns: pl.DataFrame = field(repr=False)


@dataclass(frozen=True)
class Mapping:
    """A compiled mapping. ``digest``: sha256 of the YAML and of every list that it uses."""

    feed: str
    version: int
    digest: str
    declaration: Declaration = field(repr=False)
    contract: raw.RawContract = field(repr=False)
    targets: dict[str, Entity] = field(repr=False)

    @property
    def entities(self) -> list[str]:
        """Names of the entities that it fills."""
        return list(self.targets)

    def apply(self, rows: pa.Table, standing: Callable[[pl.DataFrame], pl.DataFrame] | None = None) -> Mapped:
        """Map a batch of raw text columns (connectors.base.Batch.rows).

        ``standing``: says of records which of them stand in the store just so (``_row``, ``record_id``): nothing more
        is made of these, what there was to say of them was said when they came.
        """
        frame, unknown, looks, unlike, bare = self._aligned(rows)
        columns = frame
        scope = Scope(frame, bare)
        for name, alike, written in looks:
            scope.fault(alike, "look_alike", name, written, False, visible)
        for name, differing, text in unlike:
            scope.fault(differing, "column_ambiguous", name, text, True)
        records = every = self._records(scope, bare)
        unchanged = pl.DataFrame(schema=UNCHANGED)
        if standing is not None:
            unchanged = standing(records)
            if unchanged.height:
                left = ~frame["_row"].is_in(unchanged["_row"].implode())
                frame, records = frame.filter(left), records.filter(left)
                rest = ((name, text.zip_with(left, text.clear(len(text)))) for name, text in unknown)
                unknown = [(name, text) for name, text in rest if text.null_count() < len(text)]
                scope = scope.within(frame)
        live = frame
        if records["tombstone"].any():
            live = frame.filter(~records["tombstone"])
        scopes: dict[str | None, Scope] = {None: scope if live is frame else Scope(live, bare)}
        blocks: dict[str, list[pl.DataFrame]] = {name: [] for name in self.targets}
        for number, block in enumerate(self.declaration.entities):
            if block.explode is not None and block.explode not in scopes:
                scopes[block.explode], more = self._exploded(live, block.explode, columns.height)
                unknown += more
            blocks[block.entity].append(self._block(scopes[block.explode], block, number))
        faults = [fault for one in {id(s): s for s in (scope, *scopes.values())}.values() for fault in one.faults]
        exploded = {block.entity for block in self.declaration.entities if block.explode}
        rejects = _rejects(faults, records)
        strangers = [] if self.declaration.ignore == REST else unknown
        issues = [*_unknown_columns(strangers, every), *_issues(faults, records)]
        rejected = rejects["_row"].unique()
        if len(rejected):
            records = records.filter(~pl.col("_row").is_in(rejected.implode()))
        return Mapped(
            records,
            {
                name: _numbered(parts, self.targets[name], rejected, len(parts) > 1 or name in exploded)
                for name, parts in blocks.items()
            },
            rejects,
            issues,
            unchanged,
            columns,
        )

    def _aligned(
        self, rows: pa.Table
    ) -> tuple[pl.DataFrame, list[tuple[str, pl.Series]], list[Looks], list[Looks], set[str]]:
        """Every contract column, cleaned; names compare as :func:`fold_name` has them. The unknown ones. What looked alike.
        A column in two spellings, where their values differ. Columns in which JSON has nothing to escape."""
        known = {fold_name(name): name for name in self.contract.columns}
        given = pl.DataFrame(rows)
        columns: dict[str, pl.Series] = {}
        unknown: list[tuple[str, pl.Series]] = []
        looks: list[Looks] = []
        unlike: list[Looks] = []
        bare: set[str] = set()
        place: pl.Series | None = None
        for place_of, column in enumerate(given.get_columns()):  # a column without a name has one here alone
            if column.name.startswith("_") and column.name not in self.contract.columns:
                place = column.cast(pl.String) if column.name == "_place" else place
                continue
            name = known.get(fold_name(column.name))
            is_bare, is_even = by_bytes(rows.column(place_of))
            if is_bare:
                text = column if is_even else stripped(column)
            elif name is not None and self.contract.columns[name].nested:
                text = clean(column)
            else:
                text, alike = plain(column)
                if alike is not None:
                    looks.append((name or column.name, alike, column))
            if name is None:
                written = without_controls(column.name)
                unknown.append((written, text))
                columns[f"?{written}"] = text
            elif name in columns:  # the same column in two spellings: the one that is not empty
                differing = (columns[name] != text).fill_null(False)
                if differing.any():
                    unlike.append((name, differing, text))
                columns[name] = columns[name].zip_with(columns[name].is_not_null(), text)
                bare.discard(name)
            else:
                columns[name] = text
                if is_bare:
                    bare.add(name)
        nothing = pl.Series([None], dtype=pl.String).new_from_index(0, given.height)
        frame = pl.DataFrame(
            [
                pl.int_range(given.height, dtype=pl.UInt32, eager=True).alias("_row"),
                (nothing if place is None else place).alias("_place"),
                *(columns.pop(name, nothing).alias(name) for name in self.contract.columns),
                *(text.alias(name) for name, text in columns.items()),
            ]
        )
        return frame, unknown, looks, unlike, bare

    def _records(self, scope: Scope, bare: set[str]) -> pl.DataFrame:
        frame, declaration = scope.frame, self.declaration
        nested = self._nested(scope)
        key = _key(scope, declaration.key)
        time = pl.Series([None], dtype=STAMP).new_from_index(0, frame.height)
        if declaration.time is not None:
            time = _time(scope, declaration.time)
        rank = pl.Series([0]).new_from_index(0, frame.height)
        if declaration.rank is not None:
            rank = scope.value(declaration.rank, "int").fill_null(0).clip(-32768, 32767)
        gone = pl.Series([False]).new_from_index(0, frame.height)
        if declaration.tombstone is not None:
            gone = scope.test(declaration.tombstone)
        whole = _raw(frame, nested, set(declaration.drop), bare)
        return pl.DataFrame(
            [
                frame["_row"],
                key.alias("record_key"),
                time.alias("source_time"),
                rank.cast(pl.Int16).alias("rank"),
                gone.alias("tombstone"),
                whole.alias("raw"),
                pl.Series(
                    "content_hash", [hashlib.sha256(text).digest() for text in whole.cast(pl.Binary)], dtype=pl.Binary
                ),
                frame["_place"],
            ]
        )

    def _nested(self, scope: Scope) -> dict[str, pl.Series]:
        """The nested columns that hold anything, in one canonical form; what is no JSON rejects its row."""
        nested: dict[str, pl.Series] = {}
        for name, column in self.contract.columns.items():
            written = scope.frame[name] if column.nested else None
            if written is None or written.null_count() == scope.frame.height:
                continue
            nested[name], broken = words.parsed(written)
            if broken is not None:
                scope.fault(broken, "unreadable_json", name, written, True)
        return nested

    def _exploded(self, frame: pl.DataFrame, name: str, height: int) -> tuple[Scope, list[tuple[str, pl.Series]]]:
        """A row an element of a nested column; its fields as ``NAME.field``, a plain value as ``NAME.value``."""
        known = [*(self.contract.columns[name].fields or ()), "value"]
        parents, positions, elements = _elements(frame[name])
        columns = _columns(elements, known)
        texts = {field: plain(pl.Series(values, dtype=pl.String))[0] for field, values in columns.items()}
        numbers_ = pl.Series(parents, dtype=pl.UInt32)
        exploded = frame.select(pl.all().gather(numbers_)).with_columns(
            pl.Series("_position", positions, dtype=pl.UInt32),
            *(text.alias(f"{name}.{field}") for field, text in texts.items()),
        )
        # an unknown field is reported by the parent's row, as an unknown column is
        unknown = []
        for inner, text in texts.items():
            if inner not in known:
                there = text.is_not_null().arg_true()
                values = pl.Series([None], dtype=pl.String).new_from_index(0, height)
                unknown.append((f"{name}.{inner}", values.scatter(exploded["_row"].gather(there), text.gather(there))))
        return Scope(exploded), unknown

    def _block(self, scope: Scope, block: Block, number: int) -> pl.DataFrame:
        entity = self.targets[block.entity]
        columns = [scope.frame["_row"]]
        for name, value in block.columns.items():
            column = entity.columns[name]
            found = scope.value(value, reading(value, column), column.unit, identifier=column.identifier)
            columns.append(found.cast(TYPES[column.type][0]).alias(name))
        columns.append(pl.Series("_block", [number], dtype=pl.UInt32).new_from_index(0, scope.frame.height))
        frame = pl.DataFrame(columns)
        return frame.filter(scope.test(block.when)) if block.when else frame


def reading(value: Value, column: Column) -> Reading:
    """What the value is read as: as declared, else as the column's type."""
    return value.as_ or TYPES[column.type][1]


def _raw(frame: pl.DataFrame, nested: dict[str, pl.Series], drop: set[str], bare: set[str]) -> pl.Series:
    """One JSON object a row, empty columns left out, keys sorted; ``bare``: columns with nothing to escape."""
    pieces: list[pl.Expr] = []
    columns: list[pl.Series] = []
    names = {name.removeprefix("?"): name for name in frame.columns if name not in ("_row", "_place")}
    for name, column in sorted(names.items()):
        text = frame[column]
        if name in drop or text.null_count() == frame.height:
            continue
        before, after = f"{',' if pieces else ''}{words.canonical_json(name)}:", ""
        if name in nested:  # what is not JSON is kept as the text that it is
            whole = nested[name]
            text = (
                whole.zip_with(whole.is_not_null(), _quoted(text)) if whole.null_count() > text.null_count() else whole
            )
        else:
            before, after = before + '"', '"'
            if column not in bare and text.str.contains_any(_ESCAPE_FROM).any():
                text = text.str.replace_many(_ESCAPE_FROM, _ESCAPE_TO)
        columns.append(text.alias(str(len(columns))))
        parts = [pl.lit(before), pl.col(columns[-1].name), pl.lit(after)]
        pieces += parts if not text.null_count() else [parts[0] + parts[1] + parts[2]]
    if not pieces:
        return pl.Series(["{}"]).new_from_index(0, frame.height)
    body = pl.concat_str([pl.lit("{"), *pieces, pl.lit("}")], ignore_nulls=True)
    if columns[0].null_count():
        body = body.str.replace("{,", "{", literal=True)
    return pl.DataFrame(columns).select_seq(body).to_series()


def _quoted(text: pl.Series) -> pl.Series:
    escaped = text.str.replace_many(_ESCAPE_FROM, _ESCAPE_TO).alias("t").to_frame()
    return escaped.select(pl.lit('"') + pl.col("t") + pl.lit('"')).to_series()


_ESCAPES = {chr(n): json.dumps(chr(n))[1:-1] for n in (*range(1, 32), 34, 92)}
_ESCAPE_FROM, _ESCAPE_TO = list(_ESCAPES), list(_ESCAPES.values())


def _key(scope: Scope, parts: Iterable[Value]) -> pl.Series:
    """The parts of the key joined by ``|``; a part that is absent and not optional rejects its row."""
    texts: list[pl.Series] = []
    for part in parts:
        text = text_of(scope.value(part, part.as_ or "text", identifier=True))
        if part.optional:
            text = text.fill_null("")
        elif text.null_count():
            _absent_issues(scope, part)
        texts.append(text.alias(str(len(texts))))
    return pl.DataFrame(texts).select(pl.concat_str(pl.all(), separator="|")).to_series()


def _time(scope: Scope, declared: Value) -> pl.Series:
    """The increment's time; a row without one is an issue, unless that is declared as optional."""
    time = scope.value(declared, declared.as_ or "timestamp")
    if declared.optional or not time.null_count():
        return time
    written = scope.column(next(iter(declared.columns)))
    missing = time.is_null() & written.is_null()
    if missing.any():
        scope.fault(missing, "missing_time", "/".join(sorted(declared.columns)), written, False)
    return time


def _elements(texts: pl.Series) -> tuple[list[int], list[int], list[dict[str, Any]]]:
    """Row, position from 1 and fields of each element of a nested column; ``value`` is what is no object."""
    parents: list[int] = []
    positions: list[int] = []
    elements: list[dict[str, Any]] = []
    for index, text in enumerate(texts.to_list()):
        if text is None:
            continue
        try:
            found = msgspec.json.decode(text)
        except msgspec.DecodeError:
            continue  # an issue already: the row is rejected
        for position, element in enumerate(found if isinstance(found, list) else [found], 1):
            parents.append(index)
            positions.append(position)
            elements.append(element if isinstance(element, dict) else {"value": element})
    return parents, positions, elements


def _columns(elements: list[dict[str, Any]], known: list[str]) -> dict[str, list[str | None]]:
    """The fields of the elements as columns of text: those that are known, then others in the order in which they appear.
    Spellings of one name are one column."""
    spelled = {fold_name(field): field for field in known}
    columns: dict[str, list[str | None]] = {field: [None] * len(elements) for field in known}
    by_name: dict[str, list[str | None]] = dict(columns)  # as written → its column
    for row, element in enumerate(elements):
        for name, value in element.items():
            if value is None:
                continue
            if name not in by_name:
                field = spelled.setdefault(fold_name(name), name)
                by_name[name] = columns.setdefault(field, [None] * len(elements))
            by_name[name][row] = value if isinstance(value, str) else words.canonical_json(value)
    return columns


def _absent_issues(scope: Scope, part: Value) -> None:
    """Rows without a value of a part of the key, or with one that was not decoded; what cannot be read is reported already."""
    names = sorted(part.columns)
    bare = pl.DataFrame([scope.identifier(name).alias(name) for name in names])
    absent = bare.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if not absent.any():
        return
    written = pl.DataFrame([scope.column(name).cast(pl.String).alias(name) for name in names])
    undecoded = pl.any_horizontal(pl.all().str.contains("\ufffd", literal=True).fill_null(False))
    mangled = written.select(undecoded).to_series()
    for rows, code in ((absent & ~mangled, "missing_key"), (absent & mangled, "key_mangled")):
        if rows.any():
            scope.fault(rows, code, "/".join(names), written.to_series(), True)


def _numbered(parts: list[pl.DataFrame], entity: Entity, rejected: pl.Series, several: bool) -> pl.DataFrame:
    """The blocks of one entity together, in the order of rows, with ``ord`` and every column of the entity."""
    frame = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal")
    if len(rejected):
        frame = frame.filter(~pl.col("_row").is_in(rejected.implode()))
    if len(parts) > 1:
        frame = frame.sort("_row", "_block", maintain_order=True)
    order = pl.int_range(pl.len(), dtype=pl.UInt32).over("_row") if several else pl.lit(0, dtype=pl.UInt32)
    frame = frame.with_columns(order.alias("ord"))
    return frame.select(
        "_row",
        "ord",
        *(
            pl.col(name) if name in frame.columns else pl.lit(None, dtype=TYPES[column.type][0]).alias(name)
            for name, column in entity.columns.items()
        ),
    )


def _as_frame(faults: Iterable[Fault]) -> pl.DataFrame:
    frames = [
        pl.DataFrame([fault.rows.alias("_row"), fault.values.alias("value")]).with_columns(
            code=pl.lit(fault.code), field=pl.lit(fault.field), message=pl.lit(fault.message)
        )
        for fault in faults
    ]
    empty = pl.DataFrame(
        schema={
            "_row": pl.UInt32,
            "value": pl.String,
            "code": pl.String,
            "field": pl.String,
            "message": pl.String,
        }
    )
    return pl.concat([empty, *frames]).unique(maintain_order=True)


def _rejects(faults: list[Fault], records: pl.DataFrame) -> pl.DataFrame:
    result = _as_frame(fault for fault in faults if fault.rejects)
    return result.join(
        records.select("_row", "record_key", "raw", "content_hash", "_place"),
        on="_row",
        how="left",
        maintain_order="left",
    ).select(list(REJECTS))


def _issues(faults: list[Fault], records: pl.DataFrame) -> Iterator[Issue]:
    result = _as_frame(fault for fault in faults if not fault.rejects)
    if result.is_empty():
        return
    grouped = (
        result.join(records.select("_row", "record_key"), on="_row", how="left")
        .group_by("code", "field", "message", "value", maintain_order=True)
        .agg(pl.len().alias("count"), pl.col("record_key").drop_nulls().first())
        .sort("count", descending=True, maintain_order=True)
    )
    for (code, name, message), group in grouped.group_by("code", "field", "message", maintain_order=True):
        for row in group.head(_VALUES_NAMED).iter_rows(named=True):
            yield Issue(code, name, row["value"], row["count"], row["record_key"], message)
        rest = group.slice(_VALUES_NAMED)
        if rest.height:
            yield Issue(code, name, None, int(rest["count"].sum()), rest["record_key"][0], message)


def _unknown_columns(unknown: list[tuple[str, pl.Series]], records: pl.DataFrame) -> Iterator[Issue]:
    for name, text in unknown:
        where = text.is_not_null().arg_true()
        sample = records["record_key"][where[0]] if len(where) else None
        value = text[where[0]] if len(where) else None
        yield Issue("unknown_column", name, value, len(where), sample, MESSAGES["unknown_column"])
