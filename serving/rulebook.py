"""The rules as pages and reports need them: read once, and again when one of their files has changed."""

from __future__ import annotations

from functools import lru_cache

from supervision import judge
from supervision.rulebook import FOLDER


def rules() -> judge.Rules:
    """The rules that are in force. :raises ConfigurationError: something in the folder is wrong, with file and line."""
    return _read(tuple((path.name, path.stat().st_mtime_ns) for path in sorted(FOLDER.glob("*.yaml"))))


@lru_cache(maxsize=1)
def _read(stamp: tuple[tuple[str, int], ...]) -> judge.Rules:
    return judge.rules()


def names() -> dict[str, str]:
    """Rule → what it is called."""
    return {rule: declared.name for rule, declared in rules().book.by_name.items()}
