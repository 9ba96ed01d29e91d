"""Cleaning of all text (source-systems.md, "Common to all"): a batch at a time, only where there is something to clean.

BOM and control characters out, blanks at both ends off (a blank in front of a code or a name means no more than one behind it),
full-width letters and digits to half-width, empty to null.
"""

from __future__ import annotations

import polars as pl

_WIDE = {
    chr(code): chr(code - 0xFEE0)
    for first, last in ("09", "AZ", "az")
    for code in range(ord(first) + 0xFEE0, ord(last) + 0xFEE1)
}
_WIDE_FROM, _WIDE_TO = list(_WIDE), list(_WIDE.values())
_GONE = ["\ufeff", *(chr(n) for n in range(32) if chr(n) not in "\t\n\r"), "\x7f"]
_CONTROLS = dict.fromkeys(map(ord, _GONE))
_NOTHING = [""] * len(_GONE)
#: all of full-width ASCII, for codes and numbers: －（）．，／： and the ideographic blank too
_ASCII = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {"\u3000": " "}
_ASCII_FROM, _ASCII_TO = list(_ASCII), list(_ASCII.values())
_NAMES = str.maketrans(_ASCII | {"\ufeff": ""})


def clean(text: pl.Series) -> pl.Series:
    """Text as the hub keeps it; null, "" and blanks alone become null."""
    if text.dtype != pl.String:
        text = text.cast(pl.String)
    if text.null_count() == len(text):
        return text
    ascii_alone = (text.str.len_bytes() == text.str.len_chars()).all()
    if not ascii_alone and text.str.contains_any(_WIDE_FROM).any():
        text = text.str.replace_many(_WIDE_FROM, _WIDE_TO)
    if text.str.contains_any(_GONE).any():
        text = text.str.replace_many(_GONE, _NOTHING)
    text = text.str.strip_chars()
    empty = text.str.len_bytes() == 0
    return text.set(empty, None) if empty.any() else text


def half_width(text: pl.Series) -> pl.Series:
    """Every full-width ASCII character to its half-width one: for codes, times and numbers, never for prose."""
    if not text.str.contains("[\uff01-\uff5e\u3000]").any():
        return text
    return text.str.replace_many(_ASCII_FROM, _ASCII_TO).str.strip_chars()


def without_controls(name: str) -> str:
    """The name of a column that no contract knows, as it can be kept."""
    return name.translate(_CONTROLS)


def fold_name(name: str) -> str:
    """Column names compare without case, width or blanks: ``批准面积（公顷）`` is ``批准面积(公顷)``."""
    return "".join(name.translate(_NAMES).split()).lower()
