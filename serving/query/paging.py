"""Cursors: where a page ended, opaque to whoever carries it. A page is found again by key, whatever is written meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

import msgspec


class BadCursorError(ValueError):
    """The text is no cursor of this listing."""


class DroppedError(ValueError):
    """What came after the cursor is no longer kept."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order of their key; ``next`` is the cursor of the page after, None at the end."""

    rows: list[dict[str, Any]]
    next: str | None


def encode(name: str, key: tuple[Any, ...]) -> str:
    """A cursor of listing ``name`` after the row with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode([name, *key])).decode().rstrip("=")


def decode(name: str, cursor: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """:raises BadCursorError: it is none, or of another listing."""
    try:
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(text)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadCursorError from error
    if not isinstance(found, list) or len(found) != len(kinds) + 1 or found[0] != name:
        raise BadCursorError
    key = tuple(found[1:])
    wrong = any(type(value) is not kind for value, kind in zip(key, kinds, strict=True))
    if (
        wrong
        or any(isinstance(v, str) and "\x00" in v for v in key)
        or any(isinstance(v, int) and abs(v) >= 1 << 63 for v in key)
    ):
        raise BadCursorError
    return key
