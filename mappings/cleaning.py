"""Cleaning of all text (source-systems.md, "Common to all"): the one place where text that looks the same becomes the same.

BOM and control characters out, blanks at both ends off (a blank in front of a code or a name means no more than one behind it),
full-width letters and digits to half-width, empty to null: that is how systems write, and no more is said of it.

What nobody can see or tell apart is mended and counted (``look_alike``): characters without width (zero-width, bidirectional
marks, soft hyphen, word joiner, variation selectors, tags), blanks of other widths, the compatibility forms of Chinese
characters (康熙部首, CJK compatibility ideographs), decomposed letters, escapes that were not undone (``&amp;``, ``&#8203;``,
``\\u200b``); and in what is otherwise ASCII, as codes and numbers are: other dashes, Cyrillic and Greek letters that look
Latin, and blanks of other widths, which are none in a number.
"""

from __future__ import annotations

import html
import re
import unicodedata

import numpy as np
import polars as pl
import pyarrow as pa

from core.columns import laid_out

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

# ranges, as inside the brackets of a regular expression
_NO_WIDTH = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef"
)
_BLANKS = "\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f"
_COMPATIBLE = "\u2e80-\u2fdf\uf900-\ufaff\U0002f800-\U0002fa1f"
_COMBINING = "\u0300-\u036f"
_DASHES = "\u2010-\u2015\u2043\u2212\ufe58\ufe63\uff0d"
#: letters of other alphabets and signs, and the Latin letters that they look like
_TWINS = dict(
    zip(
        "АВЕЅІЈКМНОРСТУХаеѕіјорсухΑΒΕΖΗΙΚΜΝΟΡΤΥΧοıİſ\u212a",
        "ABESIJKMHOPCTYXaesijopcyxABEZHIKMNOPTYXoiIsK",  # pragma: allowlist secret
        strict=True,
    )
)
_ESCAPE = r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos|nbsp|ensp|emsp|thinsp|zwnj|zwj|shy|middot);|\\u[0-9A-Fa-f]{4}"
_ODD = f"[{_NO_WIDTH}{_BLANKS}{_COMPATIBLE}{_COMBINING}{_DASHES}{''.join(_TWINS)}]"
_ODD_OR_ESCAPE = f"{_ODD}|{_ESCAPE}"
_UNEVEN = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]"
_SUSPECT = f"{_UNEVEN[:-1]}{_ODD[1:-1]}&\\\\]"
_IS_NO_WIDTH, _IS_BLANK, _IS_DASH = (re.compile(f"[{one}]") for one in (_NO_WIDTH, _BLANKS, _DASHES))
_IS_ESCAPE = re.compile(_ESCAPE)
_TO_LATIN = str.maketrans(_TWINS)


def by_bytes(column: pa.ChunkedArray) -> tuple[bool, bool]:
    """What the bytes of a column say of all its values at once: (bare, even).

    Bare is printable ASCII with none of ``"``, ``&`` and ``\\``: nothing in it is suspect, and JSON escapes none of it. Even is bare
    without a blank or an empty text: :func:`plain` would change nothing. Codes, numbers and dates are such.
    """
    if not pa.types.is_large_string(column.type):
        return False, False
    even = True
    for chunk in column.chunks:
        ends, held = laid_out(chunk)
        least = held.min(initial=0x7E)
        if least < 0x20 or held.max(initial=0x20) >= 0x7F:
            return False, False
        whole = held.tobytes()
        if any(mark in whole for mark in (b'"', b"&", b"\\")):
            return False, False
        even = even and least > 0x20 and np.count_nonzero(ends[1:] == ends[:-1]) == chunk.null_count
    return True, even


def clean(text: pl.Series) -> pl.Series:
    """Text as systems write it, made even; null, "" and blanks alone become null. For nested values, which are no text."""
    if text.dtype != pl.String:
        text = text.cast(pl.String)
    if text.null_count() < len(text) and text.str.contains(_UNEVEN).any():
        text = _even(text)
    return stripped(text)


def plain(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """:func:`clean`, and without what looks like something else: (text, mask of the values that had any of it)."""
    if text.dtype != pl.String:
        text = text.cast(pl.String)
    if text.null_count() == len(text):
        return text, None
    suspect = text.str.contains(_SUSPECT)  # one look at each value; what follows is for those that have something
    if not suspect.any():
        return stripped(text), None
    text = stripped(_even(text))
    odd = suspect & text.str.contains(_ODD_OR_ESCAPE)
    where = odd.fill_null(False).arg_true()
    if not len(where):
        return text, None
    written = text.gather(where)
    unique = written.unique().to_list()
    mended = written.replace_strict(unique, [_mended(one) for one in unique], return_dtype=pl.String)
    text = stripped(text.scatter(where, mended))
    changed = mended.ne_missing(written.str.replace_all("－", "-", literal=True))  # full width is how systems write
    if not changed.any():
        return text, None
    return text, pl.Series([False]).new_from_index(0, len(text)).scatter(where.filter(changed), True)


def _even(text: pl.Series) -> pl.Series:
    if text.str.contains_any(_WIDE_FROM).any():
        text = text.str.replace_many(_WIDE_FROM, _WIDE_TO)
    return text.str.replace_many(_GONE, _NOTHING)


def stripped(text: pl.Series) -> pl.Series:
    """Without blanks at both ends; null where nothing is left."""
    text = text.str.strip_chars()
    empty = text.str.len_bytes() == 0
    return text.set(empty, None) if empty.any() else text


def _mended(text: str) -> str:
    text = _IS_ESCAPE.sub(lambda match: _unescaped(match[0]), text)
    text = _IS_NO_WIDTH.sub("", text)
    text = "".join(
        unicodedata.normalize("NFKC", letter) if "\u2e80" <= letter <= "\u2fdf" else letter
        for letter in unicodedata.normalize("NFC", text)
    )
    code = _IS_BLANK.sub("", _IS_DASH.sub("-", text)).translate(_TO_LATIN)
    if code.isascii() and any(letter.isalnum() for letter in code):
        return code
    return _IS_BLANK.sub(" ", text)


def _unescaped(escape: str) -> str:
    if escape.startswith("&"):
        return html.unescape(escape)
    letter = chr(int(escape[2:], 16))
    return escape if "\ud800" <= letter <= "\udfff" or letter == "\x00" else letter


def visible(text: str) -> str:
    """Text with what cannot be seen in it by name: ``4419<U+200B>26``; for messages."""
    return re.sub(_ODD, lambda match: f"<U+{ord(match[0]):04X}>", text)


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
    return "".join(_mended(name).translate(_NAMES).split()).lower()
