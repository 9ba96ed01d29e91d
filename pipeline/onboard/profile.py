"""What the rows of a feed look like, without any mapping: fill, types, formats, keys, cursors, codes, personal data, CRS.

Everything is judged by values. A share is of the filled values of a column, from 0 to 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import polars as pl
import pyarrow as pa
import shapely

from core import codes as identifiers
from mappings import times
from mappings.cleaning import clean
from schemas import codes

CUT = 60  # characters of a cell that are shown
_DISTINCT_TESTED = 400
_NEARLY = 0.9  # of the rows have a key, where the others are none
_FEW = 30  # values at most that make a code
_SURE = 0.98
_INNER = 40  # fields of an object that make it a record and no dictionary
_FIELD = re.compile(r"[A-Za-z_\u4e00-\u9fff][\w\u4e00-\u9fff]*")

_NUMBER = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_WKT = re.compile(r"(SRID=\d+;)?\s*(MULTI)?(POINT|POLYGON|LINESTRING|CURVEPOLYGON|SURFACE)\s*Z?M?\s*\(", re.I)
_WKB = re.compile(r"0[01][0-9a-fA-F]{16,}")
_PERSON = re.compile(r"\d{17}[\dXx]|\d{15}")
_PHONE = re.compile(r"(\+?86[- ]?)?1[3-9]\d{9}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_EPOCH_MS = re.compile(r"1[0-9]{12}")
_FORMS = (
    ("yyyy-MM-dd HH:mm:ss", r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}"),
    ("yyyy-MM-dd HH:mm:ss.f", r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d+"),
    ("RFC 3339", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*"),
    ("yyyy-MM-dd", r"\d{4}-\d{2}-\d{2}"),
    ("yyyy/MM/dd", r"\d{4}/\d{1,2}/\d{1,2}"),
    ("yyyy/MM/dd HH:mm:ss", r"\d{4}/\d{1,2}/\d{1,2} .*"),
    ("yyyy-MM", r"\d{4}-\d{2}"),
    ("yyyyMMdd", r"(19|20)\d{6}"),
    ("yyyyMM", r"(19|20)\d{4}"),
    ("dd/MM/yyyy", r"\d{1,2}/\d{1,2}/\d{4}.*"),
    ("yyyy年M月d日", r"\d{4}年\d{1,2}月.*"),
    ("Excel serial", r"\d{5}(\.\d+)?"),
)
KINDS: dict[str, Callable[[str], bool]] = {
    "project_code": lambda v: identifiers.is_valid_project_code(v) or identifiers.is_old_project_code(v),
    "uscc": identifiers.is_valid_uscc,
    "certificate_id": identifiers.is_valid_certificate_id,
    "id_number": lambda v: bool(_PERSON.fullmatch(v)) and len(v) == 18,
    "phone": lambda v: bool(_PHONE.fullmatch(v)),
    "mail": lambda v: bool(_MAIL.fullmatch(v)),
    "geometry": lambda v: bool(_WKT.match(v) or _WKB.fullmatch(v)) or (v[:1] == "{" and '"coordinates"' in v),
    "json": lambda v: v[:1] in "[{" and v[-1:] in "]}",
    "epoch_ms": lambda v: bool(_EPOCH_MS.fullmatch(v)),
    "number": lambda v: bool(_NUMBER.fullmatch(v)),
    "bool": lambda v: v.casefold() in ("0", "1", "true", "false", "是", "否", "yes", "no", "y", "n", "有", "无"),
}
_PERSONAL = {"id_number": "公民身份号码", "phone": "手机号码", "mail": "电子邮箱"}


@dataclass
class ColumnProfile:
    """One raw column. ``kinds``: share of the values that are of a kind; ``codes``: lists of schemas/codes that hold every
    value; ``values``: the most frequent, with counts."""

    name: str
    rows: int
    filled: int
    distinct: int
    longest: int
    kinds: dict[str, float] = field(default_factory=dict)
    formats: dict[str, float] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    values: list[tuple[str, int]] = field(default_factory=list)
    personal: str = ""
    label: str = ""

    @property
    def kind(self) -> str:
        """The narrowest kind that nearly every value is of."""
        return next((name for name, share in self.kinds.items() if share >= _SURE), "text" if self.filled else "empty")

    def share(self, kind: str) -> float:
        return self.kinds.get(kind, 0.0)

    @property
    def few(self) -> bool:
        """Whether its values are like codes: few, and repeated."""
        return 0 < self.distinct <= _FEW and (self.filled >= 2 * self.distinct or self.distinct <= 2)


@dataclass
class Profile:
    """A feed's sample. ``keys``: sets of columns that name each row, the best first; ``cursors``: columns that a window
    could run by; ``crs``: what the coordinates look like."""

    feed: str
    rows: int
    columns: dict[str, ColumnProfile]
    keys: list[list[str]] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    crs: str = ""
    charset: str = ""
    issues: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "columns": {
                name: {**asdict(column), "kind": column.kind, "values": [[cut(v), n] for v, n in column.values]}
                for name, column in self.columns.items()
            },
        }


def cut(value: object, most: int = CUT) -> str:
    """A cell for people: what is longer is cut and says how long it is."""
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} 字符)"


def profile(feed: str, rows: pa.Table) -> Profile:
    """The profile of raw text columns (``connectors.base.Batch.rows``)."""
    frame = pl.DataFrame(pl.from_arrow(rows))
    frame = frame.select(pl.col(name).cast(pl.String) for name in frame.columns if name != "_place")
    cleaned = pl.DataFrame([clean(column) for column in frame.get_columns()])
    cleaned = cleaned.hstack([inner for column in cleaned.get_columns() for inner in _inner(column)])
    profiled = Profile(feed, frame.height, {name: _column(cleaned[name], frame.height) for name in cleaned.columns})
    profiled.keys = _keys(cleaned, profiled)
    profiled.cursors = _cursors(cleaned, profiled)
    profiled.crs = _crs(cleaned, profiled)
    return profiled


def _inner(column: pl.Series) -> list[pl.Series]:
    """The flat fields of a column of objects, or of lists of one object at most, by their paths: applicant → applicant.name,
    holder → holder[0].name."""
    filled = column.drop_nulls()
    listed = len(filled) > 0 and filled.head(50).str.contains(r"^\[\s*(\{|\])").all()
    if not len(filled) or not (listed or filled.head(50).str.starts_with("{").all()) or '"coordinates"' in filled[0]:
        return []
    found: dict[str, list[str | None]] = {}
    place = f"{column.name}[0]" if listed else column.name
    for row, text in enumerate(column.to_list()):
        try:
            fields = json.loads(text) if text else {}
        except ValueError:
            return []
        if listed:  # a record's one object, as XML has an element with attributes; more of them are children of the row
            if fields and (len(fields) > 1 or not isinstance(fields[0], dict)):
                return []
            fields = fields[0] if fields else {}
        for name, value in fields.items():
            if isinstance(value, str | int | float) and _FIELD.fullmatch(name):
                values = found.setdefault(f"{place}.{name}", [None] * column.len())
                values[row] = str(value).lower() if isinstance(value, bool) else str(value)
        if len(found) > _INNER:
            return []
    return [clean(pl.Series(name, values, dtype=pl.String)) for name, values in found.items()]


def _column(values: pl.Series, rows: int) -> ColumnProfile:
    filled = values.drop_nulls()
    counts = filled.value_counts(sort=True, name="n")
    longest = filled.str.len_chars().max()
    column = ColumnProfile(values.name, rows, len(filled), counts.height, longest if isinstance(longest, int) else 0)
    if not len(filled):
        return column
    top = counts.head(_DISTINCT_TESTED)
    texts, weights = top[values.name].to_list(), top["n"].to_list()
    total = sum(weights)
    column.values = list(zip(texts[:_FEW], weights[:_FEW], strict=True))
    for kind, test in KINDS.items():
        share = sum(n for text, n in zip(texts, weights, strict=True) if test(text)) / total
        if share:
            column.kinds[kind] = round(share, 4)
    when, unread = times.timestamps(top[values.name].rename("t"), no_end=True)
    readable = (pl.Series([True]).new_from_index(0, top.height) if unread is None else ~unread).to_list()
    share = sum(n for ok, n in zip(readable, weights, strict=True) if ok) / total
    if share and any(when.is_not_null()):
        column.kinds["time"] = round(share, 4)
        for name, form in _FORMS:
            of_form = sum(n for t, n in zip(texts, weights, strict=True) if re.fullmatch(form, t)) / total
            if of_form:
                column.formats[name] = round(of_form, 4)
    if column.few:
        column.codes = [name for name, listed in codes.load_all().items() if _holds(listed, texts)]
    column.personal = next((zh for kind, zh in _PERSONAL.items() if column.share(kind) > 0.5), "")
    return column


def _holds(listed: codes.CodeList, values: list[str]) -> bool:
    known = {*listed.codes, *(also for code in listed.codes.values() for also in code.also)}
    return all(value in known or value.lstrip("0") in known for value in values)


def _keys(frame: pl.DataFrame, profiled: Profile) -> list[list[str]]:
    """Smallest sets of filled columns whose values differ from row to row; columns that look like identifiers first. Where there
    is none, columns that a few rows lack (a footer is no record)."""
    if frame.height < 2:
        return []
    full = [c for c in profiled.columns.values() if c.filled == frame.height and c.kind not in ("json", "geometry")]
    single = [[c.name] for c in full if c.distinct == frame.height and c.longest <= 200]
    single.sort(key=lambda names: _unlike_key(profiled.columns[names[0]], list(frame.columns)))
    if single:
        return single[:5]
    likely = sorted((c for c in full if c.distinct > 1 and c.longest <= 100), key=lambda c: -c.distinct)[:10]
    for size in (2, 3, 4):
        found = [
            [c.name for c in group]
            for group in combinations(likely, size)
            if frame.select(c.name for c in group).n_unique() == frame.height
        ]
        if found:
            order = list(frame.columns)
            found.sort(key=lambda names: sum(_unlike_key(profiled.columns[n], order)[0] for n in names))
            return found[:5]
    nearly = [c for c in profiled.columns.values() if frame.height > c.filled >= _NEARLY * frame.height]
    nearly = [c for c in nearly if c.distinct == c.filled and c.kind not in ("json", "geometry", "time")]
    return [[c.name] for c in sorted(nearly, key=lambda c: (_unlike_key(c, list(frame.columns)), -c.filled))][:5]


def _unlike_key(column: ColumnProfile, order: list[str]) -> tuple[float, int]:
    points = 4.0 if "[0]." in column.name else 0.0  # what a row holds, perhaps several of
    if column.share("time") > 0.9 and not column.name.casefold().endswith(("id", "no")):
        points += 3
    if re.search(r"\d\.\d", column.values[0][0] if column.values else "") and column.share("number") > 0.9:
        points += 3
    if re.search(
        r"(?i)(^|_)(id|guid|uuid|key|no|code|number|lsh|bh)$|编号|编码|代码|流水号|LSH$|BH$|Id$|Code$", column.name
    ):
        points -= 2
    if column.longest > 60:
        points += 1
    return points, order.index(column.name)


def _cursors(frame: pl.DataFrame, profiled: Profile) -> list[str]:
    """Columns of times that nearly every row has; those that say when a row was written first."""
    found = []
    for column in profiled.columns.values():
        if column.share("time") >= _SURE and column.filled >= 0.98 * max(1, frame.height) and column.distinct > 1:
            if column.share("number") > 0.5 and not column.formats:
                continue
            named = bool(
                re.search(
                    r"(?i)insert|update|modif|changed|gxsj|cd_time|rksj|更新|入库|修改|last_?edit|stamp", column.name
                )
            )
            finer = any(name.startswith(("yyyy-MM-dd HH", "RFC", "yyyy/MM/dd HH")) for name in column.formats)
            found.append((not named, not finer, column.name))
    return [name for *_, name in sorted(found)]


def _crs(frame: pl.DataFrame, profiled: Profile) -> str:
    """What the coordinates of geometries, or of pairs of numbers, look like."""
    for column in profiled.columns.values():
        if column.kind == "geometry" and (first := _first_point(column.values[0][0])):
            return f"{column.name}: {guess_crs(*first)}"
    pairs = [
        c
        for c in profiled.columns.values()
        if c.share("number") > 0.9 and re.search(r"(?i)^x$|lon|lng|east|经度|DDX$|_x$", c.name)
    ]
    for x in pairs:
        y = next(
            (
                c
                for c in profiled.columns.values()
                if c is not x and c.share("number") > 0.9 and re.search(r"(?i)^y$|lat|north|纬度|DDY$|_y$", c.name)
            ),
            None,
        )
        if y and x.values and y.values:
            return f"{x.name}, {y.name}: {guess_crs(float(x.values[0][0].replace(',', '')), float(y.values[0][0].replace(',', '')))}"
    return ""


def _first_point(text: str) -> tuple[float, float] | None:
    """The first two numbers of a geometry as it is written: WKT, GeoJSON, or WKB in hexadecimal."""
    if _WKB.fullmatch(text):
        try:
            x, y = shapely.get_coordinates(shapely.from_wkb(text))[0]
        except (shapely.errors.ShapelyError, IndexError):
            return None
        return float(x), float(y)
    numbers = re.findall(r"-?\d+\.?\d*", re.sub(r"SRID=\d+;", "", text))
    return (float(numbers[0]), float(numbers[1])) if len(numbers) >= 2 else None


def guess_crs(x: float, y: float) -> str:
    """A guess by magnitude; a person decides."""
    if abs(x) <= 180 and abs(y) <= 90:
        return "度，经度在前 degrees, longitude first (EPSG:4490 / 4326)"
    if abs(y) <= 180 and abs(x) <= 90:
        return "度，纬度在前 degrees, latitude first (EPSG:4490 / 4326)"
    if 38_000_000 <= max(x, y) < 39_000_000:
        return "EPSG:4526 高斯三度带 38 带 (CGCS2000, zone in the easting)"
    if 2_400_000 <= max(x, y) <= 2_700_000 and 380_000 <= min(x, y) <= 620_000:
        return "EPSG:4547 高斯三度带 114E (CGCS2000)"
    if 0 <= x <= 700_000 and 0 <= y <= 1_300_000:
        return "投影坐标，米 projected metres (EPSG:27700 or a UTM zone)"
    return "投影坐标 projected, CRS not known"
