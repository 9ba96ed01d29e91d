"""Times in every form of source-systems.md "Common to all" → naive local time of Asia/Shanghai.

The usual forms are parsed at once; only what they leave goes the slow way: ``yyyy-MM``, no seconds, single digits,
``年月日``, digits without separators, Excel serials of the 1900 system, RFC 3339.

A form that is none of these, or that could be read in two ways (``03/04/2026``), is declared: ``dd/MM/yyyy``
(:func:`directives`), letters as Unicode TS 35 has them.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

import numpy as np
import polars as pl

from core.columns import laid_out
from mappings.cleaning import half_width

STAMP = pl.Datetime("us")
_ZONE = "Asia/Shanghai"
_USUAL = "%Y-%m-%d %H:%M:%S"
_OTHERS = ("%Y-%m-%d %H:%M:%S%.f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d")  # the frequent ones, at once too
_FIRST, _LAST = datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)
_NONE = r"^[0\-/: .T]+(?:Z|[+-]00(?::?00)?)?$|^0000[-/.年]\d|^0001[-/.年]0?1[-/.月]0?1(?:\b|T)|^(?i:null|none|nil)$"  # 0000-00-00, year 0, 0
_PARTS = (
    r"^(?P<y>\d{4})\s*[-/.年]\s*(?P<m>\d{1,2})(?:\s*[-/.月]\s*(?P<d>\d{1,2})\s*日?|月)?"
    r"(?:(?:\s*[T ]\s*|\s+)(?P<h>\d{1,2})[:时](?P<i>\d{1,2})(?:[:分](?P<s>\d{1,2})秒?(?:[.,](?P<f>\d{1,9}))?)?分?)?"
    r"\s*(?P<z>[Zz]|[+-]\d{2}:?\d{2})?$"
)
_COMPACT = (  # an hour only behind a day: 2026020109 is nine o'clock on the first, not 01:09 in February
    r"^(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?:(?P<d>\d{2})(?:[T ]?(?P<h>\d{2})(?:(?P<i>\d{2})(?P<s>\d{2})?)?"
    r"(?P<z>[Zz]|[+-]\d{2}:?\d{2})?)?)?$"
)
_SERIAL = r"^\d{5}(?:\.\d+)?$"  # 10000 is 1927-05-18: a smaller number is no date of ours, four digits are a year
_NO_END = r"^(?:长期|长期有效|永久|永久有效|无固定期限|无期限|9999[-/.年]?12[-/.月]?31.*)$"
_NO_END_FROM = datetime(9999, 12, 30)
_MIDNIGHT = r"([T ]|^\d{8})24(?P<rest>(?::?00){1,2}(?:[.,]0+)?)\b"  # ISO 8601: the end of the day, the next one's 00:00
_ZONE_NAME = r"([Zz]|[+-]\d{2}:?\d{2})\[[A-Za-z_/+-]+\d*\]$"  # as java.time writes it behind the offset
_HOURS_ALONE = r"(:\d{2}(?:[.,]\d+)?\s*[+-]\d{2})$"  # an offset as PostgreSQL writes it: +00
_HAS_TIME = r"\d[:时]|^\d{8}[T ]?\d{4}|^\d{5}\.\d"  # a day alone is the same day in every zone
_HAS_OFFSET = r"\d\s*(?:[Zz]|[+-]\d{2}:?\d{2})$"
_MARKS = ((4, "-"), (7, "-"), (10, " "), (13, ":"), (16, ":"))
_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]  # of yyyy-MM-dd HH:mm:ss
_PIECES = re.compile(r"((?:y+|M+|d+|H+|h+|a+|m+|s+|S+|X+)|[A-Za-z])|('[^']*')|([^A-Za-z'])")
_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MMMM": "%B",
    "MMM": "%b",
    "MM": "%m",
    "M": "%m",
    "dd": "%d",
    "d": "%d",
    "HH": "%H",
    "H": "%H",
    "hh": "%I",
    "h": "%I",
    "a": "%p",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
    "SSS": "%3f",
    "SSSSSS": "%6f",
    "XXX": "%z",
    "XX": "%z",
}


def timestamps(
    text: pl.Series, *, month_end: bool = False, no_end: bool = False, form: str | None = None, zone: str | None = None
) -> tuple[pl.Series, pl.Series | None]:
    """Cleaned text → (naive datetime[µs], mask of values that cannot be read, None where all can).

    ``month_end``: a month without a day is its last day (S2 QSX, HSX), else its first. ``no_end``: 长期 and 9999-12-31
    are null. Zero dates are null. ``form``: the declared one, and no other is read. ``zone``: where a time that states
    no offset was written; the earlier of an hour that the clocks strike twice, and one that they leave out is not read.
    """
    times, bad = _formed(text, form, no_end) if form else _read(text, month_end, no_end)
    if zone is None:
        return times, bad
    if form:
        pattern = directives(form)
        if "%z" in pattern or not ("%H" in pattern or "%I" in pattern):
            return times, bad
        here = times.is_not_null()
    else:
        narrow = half_width(text).str.replace(_HOURS_ALONE, "${1}00")
        here = times.is_not_null() & narrow.str.contains(_HAS_TIME) & ~narrow.str.contains(_HAS_OFFSET)
    local = times.filter(here).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    moved = _within(local.dt.convert_time_zone(_ZONE).dt.replace_time_zone(None))
    where = here.arg_true()
    if moved.null_count():
        lost = pl.Series([False]).new_from_index(0, len(text)).scatter(where, moved.is_null())
        bad = lost if bad is None else bad | lost
    return times.scatter(where, moved), bad


@cache
def directives(form: str) -> str:
    """``dd/MM/yyyy HH:mm`` → ``%d/%m/%Y %H:%M``. :raises ValueError: it is no form of a time."""
    if _PIECES.sub("", form):
        raise ValueError(f"a quotation in {form!r} has no end")
    built, seen = "", set[str]()
    for letters, quoted, other in _PIECES.findall(form):
        if letters:
            if letters not in _LETTERS:
                raise ValueError(f"{letters} in {form!r} is none of {', '.join(_LETTERS)}; words stand in '…'")
            if letters[0] in seen:
                raise ValueError(f"{letters[0]} stands twice in {form!r}")
            seen.add(letters[0])
            built += _LETTERS[letters]
        else:
            built += (quoted.strip("'") or other).replace("%", "%%")
    if not {"y", "M", "d"} <= seen:
        raise ValueError(f"{form!r} needs a year, a month and a day")
    if seen & {"H", "h"} and "m" not in seen or seen & {"m", "s", "S", "a", "X"} and not seen & {"H", "h"}:
        raise ValueError(f"{form!r}: hours and minutes stand together, seconds and offsets beside them")
    if {"H", "h"} <= seen or ("h" in seen) != ("a" in seen):
        raise ValueError(f"{form!r}: HH is of 24 hours; hh of 12, with a")
    if "S" in seen and "s" not in seen:
        raise ValueError(f"{form!r}: fractions stand behind seconds")
    return built


def _formed(text: pl.Series, form: str, no_end: bool) -> tuple[pl.Series, pl.Series | None]:
    """By the declared form alone."""
    text = half_width(text)
    none = text.str.contains(_NONE)
    if no_end:
        none |= text.str.contains(_NO_END)
    pattern = directives(form)
    if "%z" in pattern:
        written = text.str.replace("[Zz]$", "+0000").str.replace(_HOURS_ALONE, "${1}00")
        utc = written.str.strptime(pl.Datetime("us", "UTC"), pattern, strict=False)
        times = utc.dt.convert_time_zone(_ZONE).dt.replace_time_zone(None)
    else:
        times = text.str.strptime(STAMP, pattern, strict=False)
    none |= (times.dt.year() == 1).fill_null(False)  # the first day of a calendar that counts from year 1
    if no_end:
        none |= (times >= _NO_END_FROM).fill_null(False)
    times = _within(times)
    times = times.set(none.fill_null(False), None)
    bad = text.is_not_null() & times.is_null() & ~none
    return times, bad if bad.any() else None


def _read(text: pl.Series, month_end: bool, no_end: bool) -> tuple[pl.Series, pl.Series | None]:
    """By whichever form it has."""
    no_ends = text.str.contains(_NO_END) if no_end else None
    if no_ends is not None and no_ends.any():
        text = text.set(no_ends, None)
    regular = _by_digits(text)
    if regular is not None:
        return regular, None
    times = _parsed(text, _USUAL)
    for form in _OTHERS:
        where = (text.is_not_null() & times.is_null()).arg_true()
        if not len(where):
            return times, None
        times = times.scatter(where, _parsed(text.gather(where), form))
    where = (text.is_not_null() & times.is_null()).arg_true()
    if not len(where):
        return times, None
    rest = half_width(text.gather(where))
    none = rest.str.contains(_NONE)
    if no_end:
        none |= rest.str.contains(_NO_END)
    slow = _slow(rest, month_end)
    if no_end:  # the last day of the calendar, in whatever zone it was meant
        none |= (slow >= _NO_END_FROM).fill_null(False)
    slow = _within(slow).set(none, None)
    bad = slow.is_null() & ~none
    times = times.scatter(where, slow)
    if not bad.any():
        return times, None
    return times, pl.Series(values=[False]).new_from_index(0, len(text)).scatter(where, bad)


def epoch_ms(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Unix time in ms → (naive local datetime[µs], mask of unreadable)."""
    ms = text.cast(pl.Float64, strict=False).round(0)
    ms = ms.set(ms.abs() > 253_402_300_799_000, None).cast(pl.Int64)
    local = ms.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(_ZONE).dt.replace_time_zone(None).cast(STAMP)
    none = (local.dt.year() == 1).fill_null(False)  # the first day of a calendar that counts from year 1
    local = _within(local)
    bad = text.is_not_null() & local.is_null() & ~none
    return local, bad if bad.any() else None


def _by_digits(text: pl.Series) -> pl.Series | None:
    """All of a column at once, where each value is ``yyyy-MM-dd HH:mm:ss``, or each ``yyyy-MM-dd``, of a year from 1000 on; else None."""
    there = text.drop_nulls() if text.null_count() else text
    if there.is_empty():
        return None
    column = there.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    ends, held = laid_out(column)
    length = int(ends[1] - ends[0])
    if length not in (10, 19) or (np.diff(ends) != length).any():
        return None
    held = held.reshape(-1, length).T
    if any((held[place] != ord(mark)).any() for place, mark in _MARKS if place < length):
        return None
    digits = np.ascontiguousarray(held[_DIGITS[:8] if length == 10 else _DIGITS]) - np.uint8(ord("0"))
    if digits.max() > 9:  # what is below "0" became large
        return None
    two = digits[::2].astype(np.int32) * 10 + digits[1::2]
    year, month, day = two[0] * 100 + two[1], two[2], two[3]
    if year.min() < _FIRST.year or month.min() < 1 or month.max() > 12 or day.min() < 1:
        return None
    months = (year - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]")
    if (first + day.astype("timedelta64[D]") > (months + 1).astype("datetime64[M]").astype("datetime64[D]")).any():
        return None  # no such day
    stamps = (first + (day - 1).astype("timedelta64[D]")).astype("datetime64[us]")
    if length == 19:
        if two[4].max() > 23 or two[5].max() > 59 or two[6].max() > 59:
            return None
        stamps += ((two[4] * 60 + two[5]) * 60 + two[6]).astype("timedelta64[s]")
    times = pl.Series(text.name, stamps, dtype=STAMP)
    if len(times) == len(text):
        return times
    return (
        pl.Series(text.name, [None], dtype=STAMP)
        .new_from_index(0, len(text))
        .scatter(text.is_not_null().arg_true(), times)
    )


def _parsed(text: pl.Series, form: str) -> pl.Series:
    """By the form; %Y takes years of any length and sign, of which only four digits are a year here."""
    return _within(text.str.strptime(STAMP, form, strict=False))


def _within(times: pl.Series) -> pl.Series:
    """What no column takes, or no year of four digits, is not read: a zone moves 9999-12-31T23:59:59Z past the last one."""
    outside = ~times.is_between(_FIRST, _LAST)
    return times.set(outside, None) if outside.any() else times


def _slow(text: pl.Series, month_end: bool) -> pl.Series:
    text = text.str.replace(_ZONE_NAME, "${1}").str.replace(_HOURS_ALONE, "${1}00")
    ends_day = text.str.contains(_MIDNIGHT)
    frame = text.str.replace(_MIDNIGHT, "${1}00${rest}").alias("t").to_frame()
    serial = pl.col("t").str.extract(f"({_SERIAL})", 1).cast(pl.Float64, strict=False)
    frame = frame.with_columns(
        p=pl.col("t").str.extract_groups(_PARTS), c=pl.col("t").str.extract_groups(_COMPACT), serial=serial
    )

    def part(name: str, *, or_else: str) -> pl.Expr:
        found = pl.col("p").struct.field(name)
        if name != "f":
            found = pl.coalesce(found, pl.col("c").struct.field(name))
        return found.fill_null(or_else).str.zfill(2)

    year = pl.coalesce(pl.col("p").struct.field("y"), pl.col("c").struct.field("y"))
    day = pl.coalesce(pl.col("p").struct.field("d"), pl.col("c").struct.field("d"))
    written = pl.concat_str(
        [
            pl.concat_str([year, part("m", or_else="x"), part("d", or_else="1")], separator="-"),
            pl.concat_str([part("h", or_else="0"), part("i", or_else="0"), part("s", or_else="0")], separator=":"),
        ],
        separator=" ",
    )
    fraction = pl.concat_str([pl.lit("0."), pl.col("p").struct.field("f")]).cast(pl.Float64).fill_null(0)
    local = written.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us") + pl.duration(
        microseconds=(fraction * 1_000_000).round(0).cast(pl.Int64)
    )
    if month_end:
        local = pl.when(day.is_null()).then(local.dt.month_end()).otherwise(local)
    local = pl.when(ends_day).then(local.dt.offset_by("1d")).otherwise(local)
    zone = pl.coalesce(pl.col("p").struct.field("z"), pl.col("c").struct.field("z"))
    zone = zone.str.to_uppercase().str.replace("Z", "+0000").str.replace(":", "", literal=True)
    minutes = zone.str.slice(1, 2).cast(pl.Int64) * 60 + zone.str.slice(3, 2).cast(pl.Int64)
    utc = local - pl.duration(minutes=pl.when(zone.str.starts_with("-")).then(-minutes).otherwise(minutes))
    zoned = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(_ZONE).dt.replace_time_zone(None)
    serial_us = (pl.col("serial") * 86_400).round(0).cast(pl.Int64) * 1_000_000
    of_serial = pl.datetime(1899, 12, 30, time_unit="us") + pl.duration(microseconds=serial_us)
    return frame.select(
        pl.when(pl.col("serial").is_not_null())
        .then(of_serial)
        .when(zone.is_not_null())
        .then(zoned)
        .otherwise(local)
        .cast(STAMP)
    ).to_series()
