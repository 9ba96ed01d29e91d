"""Numbers as text → decimal(20,6) or int: thousands separators, full-width signs, a unit declared in the mapping."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import polars as pl

from core import declared
from core.errors import ConfigurationError
from mappings.cleaning import half_width

DECIMAL = pl.Decimal(20, 6)
UNITS = Path(__file__).with_name("units.yaml")
_GROUPED = r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$"
_PLAIN = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$"


def decimals(
    text: pl.Series, *, unit: str | None = None, factor: Decimal | None = None
) -> tuple[pl.Series, pl.Series | None]:
    """Cleaned text → (decimal(20,6), mask of values that cannot be read).

    ``unit`` may stand behind the number (``0.7655公顷``); ``factor`` brings it to the canonical unit.
    """
    if unit:
        text = text.str.strip_suffix(unit).str.strip_chars()
    there = text.is_not_null()
    if not text.str.contains(_PLAIN).all():  # nulls do not count
        text = half_width(text)
        grouped = text.str.contains(_GROUPED).fill_null(False)
        if grouped.any():
            text = text.zip_with(~grouped, text.str.replace_all(",", "", literal=True))
        text = text.set(~text.str.contains(_PLAIN), None)
    values = text.cast(DECIMAL, strict=False)
    if factor is not None and factor != 1:
        values = (values * pl.Series([factor], dtype=pl.Decimal(20, 7))).cast(DECIMAL, strict=False)
    bad = there & values.is_null()
    return values, bad if bad.any() else None


def integers(text: pl.Series) -> tuple[pl.Series, pl.Series | None]:
    """Cleaned text → (int64, mask): ``3``, ``3.0``, ``1,200``; ``3.5`` cannot be read as one."""
    values = text.cast(pl.Int64, strict=False)
    left = text.is_not_null() & values.is_null()
    if not left.any():
        return values, None
    where = left.arg_true()
    slow, _ = decimals(text.gather(where))
    whole = slow.cast(pl.Int64, strict=False)
    whole = whole.set(whole.cast(DECIMAL, strict=False).ne(slow).fill_null(True), None)
    values = values.scatter(where, whole)
    bad = text.is_not_null() & values.is_null()
    return values, bad if bad.any() else None


@cache
def units() -> dict[str, dict[str, Decimal]]:
    """Unit as written → canonical unit → factor."""
    data = declared.read(UNITS).data
    return {unit: {to: Decimal(factor) for to, factor in row.items()} for unit, row in data.items()}


def factor(unit: str, to: str | None) -> Decimal:
    """:raises ConfigurationError: units.yaml does not know how."""
    try:
        return units()[unit][to or unit]
    except KeyError:
        raise ConfigurationError(
            f"no way from unit {unit} to {to} in mappings/units.yaml",
            remedy="add the factor, or correct the mapping's unit",
            zh=f"mappings/units.yaml 中没有从 {unit} 到 {to} 的换算系数。",
        ) from None
