"""Words that say "none" where a number, a code or a time belongs: ``schemas/placeholders.yaml``; never in text for people."""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from core import declared
from core.settings import ROOT
from mappings.cleaning import half_width

_WHOLE = r"^(\d{1,15})\.0+$"  # as many digits as a float of 64 bits holds
_AS_TEXT = (r'^="([^"]+)"$', r"^['’‘`]([0-9A-Za-z][^'’‘`]*)$")  # how a spreadsheet is told that digits are text
_NUMBER = rf"{_WHOLE}|{'|'.join(_AS_TEXT)}|^\d+\.0+$|^\d\.\d+[eE]\+?\d{{1,3}}$|^\d[eE]\+\d{{1,3}}$"
PATH = ROOT / "schemas" / "placeholders.yaml"


@cache
def pattern(*, ascii_only: bool = False) -> str:
    """One regular expression of every word, in any case, and of every form; ``ascii_only``: of those that ASCII may have."""
    listed = declared.read(PATH).data
    words = [re.escape(str(word)).replace(r"\ ", " ") for word in listed["words"]]
    forms = listed["forms"]
    if ascii_only:  # a form that looks for a mark anywhere in a text reads all of it
        words, forms = [word for word in words if word.isascii()], [form for form in forms if r"\x{FFFD}" not in form]
    return f"^(?:(?i:{'|'.join(words)})|{'|'.join(forms)})$"


@cache
def _any_of_ascii() -> str:
    return f"{pattern(ascii_only=True)}|{_NUMBER}"


def none_in(text: pl.Series) -> bool:
    """Whether printable ASCII holds nothing that :func:`without` or :func:`numbers` would find: asked once, as hardly any does."""
    return not text.str.contains(_any_of_ascii()).any()


def numbers(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Identifiers that a program took for numbers, made what they were: (text, mask). Text is cleaned.

    ``441900.0``, ``'441900`` and ``="441900"`` are 441900. ``4.41926E+17`` has lost its digits, and no one knows which: it is null.
    """
    if text.dtype != pl.String:
        return text, None
    short = text.str.len_chars() <= _LONGEST
    if not short.any():
        return text, None
    found = short & text.str.contains(_NUMBER)
    if not found.any():
        return text, None
    found = found.fill_null(False)
    digits = pl.coalesce(*(pl.col("t").str.extract(form, 1) for form in (_WHOLE, *_AS_TEXT)))
    mended = text.alias("t").to_frame().select(digits).to_series()
    return text.zip_with(~found, mended), found


def without(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """(text with every word for "none" as null, mask of those words). Text is cleaned."""
    if text.dtype != pl.String:
        return text, None
    length = text.str.len_chars()
    short = length <= _LONGEST
    if not short.any():
        return text, None
    if length.sum() == text.str.len_bytes().sum():  # ASCII, as codes are
        found = (short & text.str.contains(pattern(ascii_only=True))).fill_null(False)
        return (text.set(found, None), found) if found.any() else (text, None)
    if not _said(text.unique()).any():  # names and types come many times
        return text, None
    found = _said(text)
    return text.set(found, None), found


def _said(text: pl.Series) -> pl.Series:
    short = text.str.len_chars() <= _LONGEST
    found = (short & text.str.contains(pattern())).fill_null(False)
    wide = (short & text.str.contains(_WIDE)).arg_true()
    if len(wide):
        found = found.scatter(wide, half_width(text.gather(wide)).str.contains(pattern()) | found.gather(wide))
    return found


_LONGEST = 40
_WIDE = "[！-～\u3000]"
