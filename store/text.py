"""Text and JSON as PostgreSQL takes them; types of columns that it has and SQLAlchemy does not know.

Apart from tables and frames, so that whoever only opens a connection need not read the model.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

#: Longest text that is kept to explain (a message, a value that could not be read).
EXPLAINING_CHARS = 2_000
_NUL, _MARK = "\x00", "\N{REPLACEMENT CHARACTER}"


class Box(sa.types.UserDefinedType[str]):
    """PostgreSQL's native ``box``: the bounding box of a geometry, searchable by GiST without an extension."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "box"


def storable(text: str, limit: int | None = None) -> str:
    """Text as a column takes it: NUL and lone surrogates become U+FFFD; cut at ``limit`` characters."""
    if limit is not None and len(text) > limit:
        text = text[:limit] + "…"
    if _NUL in text:
        text = text.replace(_NUL, _MARK)
    try:
        text.encode()
    except UnicodeEncodeError:  # a pair of surrogates is the character that it stands for
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def storable_json(value: Any) -> str:
    """JSON as ``jsonb`` takes it: without NUL, lone surrogates, NaN and infinities."""
    try:
        written = json.dumps(value, ensure_ascii=True, allow_nan=False)
        if "\\u0000" not in written and "\\ud" not in written:
            return written
    except ValueError:
        pass
    return json.dumps(_mended(value), ensure_ascii=False, allow_nan=False)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {storable(str(key)): _mended(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(one) for one in value]
    return value
