"""The one choke point where secrets leave what is logged, stored or shown.

:func:`hide` registers a secret's value; :func:`redact` replaces it in text and in nested data. Logging goes
through :class:`RedactingFilter`, receipts and errors through :func:`redact`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
# 身份证号 (GB 11643: area, date of birth, order, check), its older form of 15 digits, 手机, 固定电话. A project code, a case number
# or a unified social credit code is none of these.
_DATE = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_PERSONAL = re.compile(
    rf"(?<![0-9A-Za-z-])(?:[1-9]\d{{5}}(?:18|19|20)\d{{2}}{_DATE}\d{{3}}[\dXx]|[1-9]\d{{7}}{_DATE}\d{{3}}"
    r"|(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}|0\d{2,3}-\d{7,8})(?![0-9A-Za-z-])"
)
# what a database says of the values that it refused
_VALUES = re.compile(r"(?m)^(DETAIL|CONTEXT|LINE \d+|\[parameters): .*(?:\n {2,}.*)*")
_HIDDEN_NAMES = ("password", "secret", "token", "signature", "authorization", "private_key", "passwd")
_values: set[str] = set()


def hide(values: Iterable[str]) -> None:
    """Register values that must never be shown; those under 4 characters would blot out ordinary text."""
    _values.update(value for value in values if len(value) >= 4)


def depersonalise(text: str) -> str:
    """Text without ID and phone numbers; their first three and last two signs stay, to find the record by."""
    return _PERSONAL.sub(lambda m: m[0][:3] + "*" * (len(m[0]) - 5) + m[0][-2:], text)


def depersonalised(data: Any) -> Any:
    """The same data with every text, and every name, as of :func:`depersonalise`."""
    if isinstance(data, str):
        return depersonalise(data)
    if isinstance(data, dict):
        return {depersonalise(str(name)): depersonalised(value) for name, value in data.items()}
    return [depersonalised(value) for value in data] if isinstance(data, list) else data


def without_values(text: str) -> str:
    """An error's text for a log: where it happened, without the values that a database or a row held."""
    return depersonalise(_VALUES.sub(r"\1: (values left out)", text))


def redact(data: Any) -> Any:
    """The same data without secrets: registered values anywhere, and whatever stands under a secret's name."""
    if isinstance(data, str):
        for value in _values:
            data = data.replace(value, MASK)
        return data
    if isinstance(data, dict):
        return {
            key: MASK if isinstance(key, str) and any(n in key.lower() for n in _HIDDEN_NAMES) else redact(value)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [redact(value) for value in data]
    return data


class RedactingFilter(logging.Filter):
    """Attach to handlers: the formatted message leaves without registered secrets and without numbers of persons."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = without_values(redact(message))
        if clean != message:
            record.msg, record.args = clean, ()
        return True
