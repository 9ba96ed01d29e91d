"""What is found of a whole column before it is staged, where PostgreSQL would need long for each row.

Check digits are the formulas of :mod:`core.codes` (docs/domain.md §1.1, §1.2, §1.8), over bytes in numpy: what 200,000
certificates would cost row by row, sixty steps each, is here sixty steps for all of a batch. A test holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

Kind = Literal["project_code", "uscc", "certificate", "text"]

_ILLEGIBLE = r"[\x00-\x1f\x7f\u{FFFD}]"
_PROJECT_CODE = r"^[0-9]{4}-[0-9]{6}-[0-9]{2}-[0-9]{2}-[0-9]{6}$"
_OLD_PROJECT_CODE = r"^20(1[5-9]|20)-"  # 2015–2020: a year where the new form has YYMM, and no check digit
_MONTH = r"^[0-9]{2}(0[1-9]|1[0-2])-"
_USCC = "^[0-9A-HJ-NPQRTUWXY]{18}$"
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # pragma: allowlist secret
_CERTIFICATE = r"^1\.2\.156\.3005\.2\.[0-9A-Z]{21}\.[0-9A-Z]{18}\.[0-9A-Z]+\.[0-9A-Z]{3}\.[0-9A-Z]$"
_ROOT = len("1.2.156.3005.2.")


def verdict(column: str, kind: str) -> str:
    """The column beside another that says whether its value is valid."""
    return f"{column}_is_{kind}"


def valid(kind: Kind, codes: pl.Series) -> pl.Series:
    """True where the code has its form and the right check digit, the text nothing illegible; null where there is none."""
    if kind == "text":
        return ~codes.str.contains(_ILLEGIBLE)
    formed = codes.str.contains(_FORMS[kind])
    if formed.any():
        right = _RIGHT[kind](codes.filter(formed.fill_null(False)))
        formed = formed.scatter(formed.arg_true(), right)
    return formed


def _bytes(codes: pl.Series, width: int) -> np.ndarray:
    """ASCII texts as a matrix of bytes, flush right, padded with zero bytes on the left."""
    padded = codes.str.pad_start(width, "\x00").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    return np.frombuffer(padded.buffers()[2], dtype=np.uint8, count=len(codes) * width).reshape(-1, width)


def _steps(modulus: int) -> npt.NDArray[np.uint8]:
    """ISO 7064 hybrid system, a step: (value of a character, state before) → state after, laid out in one row. A value of
    ``modulus`` is padding and leaves the state as it is."""
    values, states = np.ogrid[: modulus + 1, : modulus + 1]
    after = ((states + values - 1) % modulus + 1) * 2 % (modulus + 1)
    after[modulus] = states
    return after.astype(np.uint8).ravel()


_STEPS = {modulus: _steps(modulus) for modulus in (10, 36)}


def _hybrid(values: npt.NDArray[np.uint8], modulus: int) -> npt.NDArray[np.bool_]:
    """ISO 7064 hybrid system: whether the last value is the check of those before it."""
    steps = _STEPS[modulus]
    rows = np.ascontiguousarray(values.T).astype(np.uint16) * np.uint16(
        modulus + 1
    )  # a character after the other, of all
    state = np.full(len(values), modulus, dtype=np.uint8)
    for row in rows[:-1]:
        state = steps.take(row + state)
    return (state.astype(np.int32) + values[:, -1]) % modulus == 1


def _project_code(codes: pl.Series) -> pl.Series:
    digits = _bytes(codes.str.replace_all("-", "", literal=True), 20) - np.uint8(ord("0"))
    right = pl.Series(_hybrid(digits, 10))
    return codes.str.contains(_OLD_PROJECT_CODE) | (codes.str.contains(_MONTH) & right)


def _uscc(codes: pl.Series) -> pl.Series:
    worth = np.zeros(256, dtype=np.int32)
    for value, letter in enumerate(_USCC_ALPHABET):
        worth[ord(letter)] = value
    values = worth[_bytes(codes, 18)]
    weights = np.array([3**place % 31 for place in range(17)])
    return pl.Series((31 - values[:, :17] @ weights % 31) % 31 == values[:, 17])


_BASE_36 = np.full(256, 36, dtype=np.uint8)
_BASE_36[ord("0") : ord("9") + 1] = np.arange(10)
_BASE_36[ord("A") : ord("Z") + 1] = np.arange(10, 36)


def _certificate(codes: pl.Series) -> pl.Series:
    texts = codes.str.slice(_ROOT).str.replace_all(".", "", literal=True)
    return pl.Series(_hybrid(_BASE_36[_bytes(texts, int(texts.str.len_bytes().to_numpy().max()))], 36))


_FORMS = {"project_code": _PROJECT_CODE, "uscc": _USCC, "certificate": _CERTIFICATE}
_RIGHT: dict[str, Callable[[pl.Series], pl.Series]] = {
    "project_code": _project_code,
    "uscc": _uscc,
    "certificate": _certificate,
}
