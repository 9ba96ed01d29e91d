"""JSON arrays of objects → columns of text, exactly as written.

Values are never read as numbers: an integer of any length, ``1.10`` and ``1E5`` keep their text, a nested value is
its JSON text, byte for byte. msgspec finds where each value begins and ends; the rest is done a column at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Reject

Raw = msgspec.Raw
Row = dict[str, Raw]

_rows = msgspec.json.Decoder(list[Row])
_items = msgspec.json.Decoder(list[Raw])
_row = msgspec.json.Decoder(Row)
_text = msgspec.json.Decoder(str)
_strings = msgspec.json.Decoder(list[str | None])
_NULL = b"null"
_first = json.JSONDecoder()
_PAIR_OR_LONE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def clean(body: bytes) -> bytes:
    """JSON text in UTF-8: a BOM is taken off; what is no UTF-8 is read as GB18030; half a surrogate pair, which is no
    character, becomes the replacement character.

    :raises UnicodeDecodeError: it is neither UTF-8 nor GB18030.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        body = body.decode("gb18030").encode()
    if b"\\ud" in body or b"\\uD" in body:
        body = _PAIR_OR_LONE.sub(lambda found: found[1] or rb"\ufffd", body)
    return body


def rows(array: bytes | Raw, place: str = "row") -> tuple[list[Row], list[str], list[Reject]]:
    """A JSON array → (objects, their places ``row 1`` …, what is no object).

    :raises msgspec.DecodeError: it is no JSON array.
    """
    try:
        found = _rows.decode(array)
        return found, [f"{place} {n}" for n in range(1, len(found) + 1)], []
    except msgspec.ValidationError:
        kept, places, rejects = [], [], []
        for number, item in enumerate(_items.decode(array), 1):
            try:
                kept.append(_row.decode(item))
                places.append(f"{place} {number}")
            except msgspec.ValidationError:
                raw = bytes(item).decode("utf-8", "replace")
                rejects.append(Reject(f"{place} {number}", "not_an_object", "a row is no JSON object", raw))
        return kept, places, rejects


def read(array: bytes | Raw, place: str = "row") -> tuple[pa.Table, list[Reject]]:
    """A JSON array → (columns as :func:`table`, what is no object): :func:`rows` and :func:`table` in one.

    Rows that are all alike, as most sources' are, are read without a dictionary each: a third of the time.

    :raises msgspec.DecodeError: it is no JSON array.
    """
    array = bytes(array)
    fast = _alike(array)
    if fast is not None:
        columns, count = fast
        columns["_place"] = pa.array([f"{place} {number}" for number in range(1, count + 1)], pa.large_string())
        return pa.table(columns), []
    objects, places, rejects = rows(array, place)
    return table(objects, places), rejects


def _alike(array: bytes) -> tuple[dict[str, pa.Array], int] | None:
    """Columns and number of rows where every row has the first one's names and kinds; None where not."""
    try:
        first, _ = _first.raw_decode(array[: 1 << 16].decode("utf-8", "ignore").lstrip()[1:].lstrip())
        if not isinstance(first, dict) or not first:
            return None
        kinds = tuple((name, isinstance(value, str | None)) for name, value in first.items())
        found = _decoder(kinds).decode(array)
    except (ValueError, msgspec.DecodeError):
        return None
    values = zip(*map(msgspec.structs.astuple, found), strict=True)
    columns = {
        name: pa.array(column, pa.large_string()) if textual else text(column)
        for (name, textual), column in zip(kinds, values, strict=True)
    }
    return columns, len(found)


@lru_cache(maxsize=256)
def _decoder(kinds: tuple[tuple[str, bool], ...]) -> msgspec.json.Decoder:
    """Of a list of objects with these names; text is read as text, all else is left as written."""
    fields = [
        (f"f{place}", str | None, None) if textual else (f"f{place}", Raw, Raw(_NULL))
        for place, (_, textual) in enumerate(kinds)
    ]
    names = {f"f{place}": name for place, (name, _) in enumerate(kinds)}
    row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(list[row])


def table(objects: Sequence[Row], places: Sequence[str]) -> pa.Table:
    """Objects → large_string columns in the order in which names first appear, and ``_place``."""
    names: dict[str, None] = {}
    shape = None
    for row in objects:
        if row.keys() != shape:
            shape = row.keys()
            names.update(dict.fromkeys(shape))
    columns = {name: text([row.get(name) for row in objects]) for name in names}
    columns["_place"] = pa.array(places, pa.large_string())
    return pa.table(columns)


def text(values: Iterable[Raw | None]) -> pa.Array:
    """Raw JSON values → large_string: strings unescaped, null and absent as null, all else as written."""
    given = [_NULL if value is None else bytes(value) for value in values]
    try:
        return pa.array(_strings.decode(b"[" + b",".join(given) + b"]"), pa.large_string())  # strings alone, mostly
    except msgspec.DecodeError:
        pass
    if any(value[:1] == b'"' for value in given):
        return pa.array([one(value) for value in given], pa.large_string())
    written = pa.array(given, pa.large_binary())
    return pc.if_else(pc.equal(written, _NULL), None, written).cast(pa.large_string())


def one(value: bytes | Raw | None) -> str | None:
    """One raw JSON value as text."""
    if value is None:
        return None
    value = bytes(value)
    if value[:1] == b'"':
        return _text.decode(value)
    return None if value == _NULL else value.decode()


def distinct(columns: pa.Table, key: Sequence[str]) -> set[tuple[str | None, ...]]:
    """The keys that stand in a table; an absent key column counts as null."""
    parts = [
        columns.column(name) if name in columns.column_names else pa.nulls(columns.num_rows, pa.large_string())
        for name in key
    ]
    return set(zip(*(part.to_pylist() for part in parts), strict=True))


def only(columns: pa.Table, mask: pa.Array) -> pa.Table:
    """The rows for which ``mask`` is true."""
    return columns.filter(pc.fill_null(mask, False))
