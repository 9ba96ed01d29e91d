"""What is neither time nor number: codes, yes and no, identifiers, industry classes, JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
import polars as pl

from core import declared
from core.settings import ROOT
from mappings.cleaning import half_width
from schemas.departments import by_organisation

INDUSTRY = ROOT / "schemas" / "industry.yaml"
_NO_CODE = r"[^!-`{-~]"  # anything but visible ASCII without small letters
_YES = ["1", "true", "t", "yes", "y", "是", "1.0"]
_NO = ["0", "false", "f", "no", "n", "否", "0.0"]


def translate(text: pl.Series, means: dict[str, Any], *, numeric: bool = False) -> tuple[pl.Series, pl.Series | None]:
    """Codes → what they mean, (text, mask of unknown codes). A code may be known and mean null."""
    known = list(means)
    values = text.replace_strict(known, list(means.values()), default=None, return_dtype=pl.String)
    left = text.is_not_null() & ~text.is_in(known)
    if not left.any():
        return values, None
    plain = half_width(text)
    if numeric:
        plain = plain.str.replace(r"^0*(\d+?)(?:\.0+)?$", "$1")
    values = values.zip_with(
        ~left, plain.replace_strict(known, list(means.values()), default=None, return_dtype=pl.String)
    )
    unknown = left & ~plain.is_in(known)
    return values, unknown if unknown.any() else None


def contained(text: pl.Series, means: dict[str, Any]) -> pl.Series:
    """The first meaning whose word stands in the text; null where none does."""
    found = pl.Series([None], dtype=pl.String).new_from_index(0, len(text))
    for word, value in reversed(means.items()):
        has = text.str.contains(word, literal=True).fill_null(False)
        if has.any():
            found = found.set(has, value)
    return found


def booleans(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """1/0, true/false, 是/否 → (bool, mask of unreadable)."""
    lower = text.str.to_lowercase()
    values = lower.replace_strict(
        [*_YES, *_NO], [True] * len(_YES) + [False] * len(_NO), default=None, return_dtype=pl.Boolean
    )
    bad = text.is_not_null() & values.is_null()
    return values, bad if bad.any() else None


def codes(text: pl.Series) -> pl.Series:
    """An identifier that officials made: half-width throughout, no blanks inside, upper case."""
    if not text.str.contains(_NO_CODE).any():
        return text
    return half_width(text).str.replace_all(r"\s+", "").str.to_uppercase()


def departments(text: pl.Series) -> pl.Series:
    """A department's code in its 18 characters; the 9 of its organisation code are enough for one on the register."""
    return codes(text).replace(by_organisation())


def document_numbers(text: pl.Series) -> pl.Series:
    """A number of a document: （） and () are the same bracket."""
    return text.str.replace_many(["（", "）"], ["(", ")"])


@cache
def _classes() -> dict[str, str]:
    ranges = declared.read(INDUSTRY).data
    return {f"{n:02}": letter for letter, row in ranges.items() for n in range(row["from"], row["to"] + 1)}


def industries(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """GB/T 4754-2017 code with its letter: ``3973`` and ``c3973`` → ``C3973``; mask of codes of no class, kept as written."""
    plain = codes(text)
    digits = plain.str.extract(r"^[A-T]?(\d{2,4})$", 1)
    letter = digits.str.slice(0, 2).replace_strict(_classes(), default=None, return_dtype=pl.String)
    full = letter + digits
    section = plain.str.contains("^[A-T]$")
    values = full.zip_with(full.is_not_null(), plain)
    bad = text.is_not_null() & full.is_null() & ~section
    return values, bad if bad.any() else None


def canonical_json(value: Any) -> str:
    """The one way that the hub writes JSON: keys sorted, no blanks, UTF-8."""
    return msgspec.json.encode(value, order="sorted").decode()


def _without_nul(written: str) -> str:
    """``jsonb`` takes no NUL; in flat columns it is cleaned away too."""
    if "\\u0000" not in written:
        return written

    def cleaned(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("\x00", "")
        if isinstance(value, dict):
            return {key.replace("\x00", ""): cleaned(one) for key, one in value.items()}
        return [cleaned(one) for one in value] if isinstance(value, list) else value

    return canonical_json(cleaned(msgspec.json.decode(written)))


def parsed(text: pl.Series, keep: Callable[[Any], Any] = lambda value: value) -> tuple[pl.Series, pl.Series | None]:
    """JSON text → (canonical JSON text of ``keep(value)``, mask of what is not JSON). Each distinct text is parsed once."""
    unique = text.drop_nulls().unique()
    written: dict[str, str | None] = {}
    broken: list[str] = []
    for one in unique.to_list():
        try:
            value = msgspec.json.decode(one)
            value = None if value is None or value == "" else keep(value)
            written[one] = None if value is None else _without_nul(canonical_json(value))
        except (msgspec.DecodeError, TypeError, AttributeError, ValueError, RecursionError):
            broken.append(one)
    values = text.replace_strict(list(written), list(written.values()), default=None, return_dtype=pl.String)
    return values, text.is_in(broken).fill_null(False) if broken else None


def listed(value: Any) -> Any:
    """A list, or a text of values between commas, blanks or 、 as one; null and "" inside a list are nothing."""
    if isinstance(value, list):
        return [item for item in value if item is not None and item != ""]
    raise TypeError("not a list")


_RUNS = {"javascript", "vbscript", "data"}


def asset_links(value: Any) -> dict[str, str]:
    """STAC assets → {name: href without query and fragment}: a signed link's query is a secret.

    :raises ValueError: a link is no address, or would run in whoever's browser opens it.
    """
    links = {}
    for name, asset in value.items():
        href = asset if isinstance(asset, str) else asset.get("href")
        if href:
            parts = urlsplit(href)
            if parts.scheme in _RUNS:
                raise ValueError(f"the link of {name} is a {parts.scheme}: link")
            links[name] = urlunsplit(parts._replace(query="", fragment=""))
    return links
