"""The one choke point where secrets leave what is logged, stored or shown.

:func:`hide` registers a secret's value; :func:`redact` replaces it in text and in nested data. Logging goes
through :class:`RedactingFilter`, receipts and errors through :func:`redact`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

MASK = "***"
_HIDDEN_NAMES = ("password", "secret", "token", "signature", "authorization", "private_key", "passwd")
_values: set[str] = set()


def hide(values: Iterable[str]) -> None:
    """Register values that must never be shown; those under 4 characters would blot out ordinary text."""
    _values.update(value for value in values if len(value) >= 4)


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
    """Attach to handlers: the formatted message leaves without registered secrets."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True
