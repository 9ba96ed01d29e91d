"""The rules as pages and reports need them: read once, and again when one of their files has changed."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from supervision import judge
from supervision.rulebook import FOLDER


def rules() -> judge.Rules:
    """The rules that are in force. :raises ConfigurationError: something in the folder is wrong, with file and line."""
    return _read(_stamp())


def digest() -> str:
    """SHA-256 of the rules that are in force."""
    return _digest(_stamp())


def _stamp() -> tuple[tuple[str, int], ...]:
    return tuple((path.name, path.stat().st_mtime_ns) for path in sorted(FOLDER.glob("*.yaml")))


@lru_cache(maxsize=1)
def _digest(stamp: tuple[tuple[str, int], ...]) -> str:
    return hashlib.sha256(b"".join((FOLDER / name).read_bytes() for name, _ in stamp)).hexdigest()


@lru_cache(maxsize=1)
def _read(stamp: tuple[tuple[str, int], ...]) -> judge.Rules:
    return judge.rules()


def names() -> dict[str, str]:
    """Rule → what it is called."""
    return {rule: declared.name for rule, declared in rules().book.by_name.items()}
