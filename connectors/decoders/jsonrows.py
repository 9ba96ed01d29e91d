"""JSON arrays of objects → columns of text, exactly as written.

Values are never read as numbers: an integer of any length, ``1.10`` and ``1E5`` keep their text, a nested value is
its JSON text, byte for byte. msgspec finds where each value begins and ends; the rest is done a column at a time.

A page that the strict parser refuses is mended by :mod:`connectors.decoders.json_mending`, and one with bytes that do not
decode is read with marks (:mod:`connectors.decoders.charsets`): either way the record that has the damage is rejected alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain
from types import GenericAlias
from typing import Any

import jmespath
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Issue, Reject
from connectors.decoders import charsets, json_mending
from connectors.decoders.rows import usual_names
from connectors.limits import Limits, check
from sources.options.listing import RowShape

Raw = msgspec.Raw
Row = dict[str, Raw]

_rows = msgspec.json.Decoder(list[Row])
_items = msgspec.json.Decoder(list[Raw])
_row = msgspec.json.Decoder(Row)
_text = msgspec.json.Decoder(str)
_strings = msgspec.json.Decoder(list[str | None])
_NULL = b"null"
_ABSENT = Raw(_NULL)
_BOM = b"\xef\xbb\xbf"
_MARK = "\ufffd\\\\".encode()  # how charsets' marks begin within JSON
RAW = 1 << 18  # characters of a rejected record that quarantine keeps
_first = json.JSONDecoder()
_PAIR_OR_LONE = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)

_HALF = rb"\ufffd"  # what stands for half a surrogate pair


def clean(body: bytes) -> bytes:
    """JSON text in UTF-8, whatever it came in; half a surrogate pair, which is no character, becomes the replacement
    character, and a byte that does not decode is marked (``�\\xNN``).
    """
    decoded = charsets.decode(body)
    if decoded.damaged:
        body = charsets.MARKED.sub(lambda found: found[0].replace("\\", "\\\\"), decoded.text).encode(
            "utf-8", "replace"
        )
    elif decoded.charset.name != "utf-8" or body.startswith(_BOM):
        body = decoded.text.encode("utf-8", "replace")
    if b"\\ud" in body or b"\\uD" in body:
        body = _PAIR_OR_LONE.sub(lambda found: found[1] or _HALF, body)
    return body


def sound(body: bytes, name: str, limits: Limits | None = None) -> tuple[bytes, list[Issue]]:
    """A page as it came → JSON in UTF-8, and what was wrong with it. ``name``: the field that holds its records.

    :raises ValueError: it is no JSON and cannot be made so: it was cut, or is something else.
    :raises OverLimit: it is larger than a page may be.
    """
    limits = limits or Limits()
    check(limits, "page", len(body), "the page")
    cleaned = clean(body)
    issues = []
    if halves := cleaned.count(_HALF) - body.count(_HALF):
        issues.append(
            Issue("text_mangled", f"{halves} halves of a surrogate pair are no character; each stands as \ufffd")
        )
    body = cleaned
    if json_mending.is_sound(body):
        return body, issues
    done = json_mending.mended(body, name, limits)
    if done.tokens:
        issues.append(
            Issue("json_mended", f"{done.tokens} values are no JSON and were read as they stand; {done.first}")
        )
    return done.body, issues


def lines(body: bytes) -> bytes:
    """JSON lines → a JSON array in UTF-8. A line that is no JSON stands as a string, which :func:`rows` rejects alone."""
    given = [line for line in clean(body).splitlines() if line.strip()]
    array = b"[" + b",".join(given) + b"]"
    if json_mending.is_sound(array):
        return array
    return (
        b"[" + b",".join(line if json_mending.is_sound(line) else json_mending.standing(line) for line in given) + b"]"
    )


def listed(held: bytes, shape: RowShape, whole: Callable[[], Any]) -> bytes:
    """What stands where the rows are declared, as a JSON array of objects; null is an empty one. ``whole``: the document, of
    which ``shape.header`` is asked.

    :raises ValueError: it is neither a list nor of the declared shape; what it is instead.
    """
    held = held.strip()
    if held in (_NULL, b"[]"):  # PHP writes an empty object so
        return b"[]"
    if shape.keyed_as and held.startswith(b"{"):
        return _by_key(held, shape.keyed_as)
    if not held.startswith(b"["):
        raise ValueError(f"is no list{_instead(held)}")
    if shape.keyed_as:
        raise ValueError("is a list, and no object of rows by key: take keyed_as away")
    if shape.header:
        names = jmespath.search(shape.header, whole()) if isinstance(shape.header, str) else shape.header
        return _by_place(held, names, shape.header)
    return held


def _by_key(held: bytes, column: str) -> bytes:
    found = _row.decode(held)
    if _names(held) - _names(b",".join(found.values())) != len(found):
        json.loads(held, object_pairs_hook=_each_once)  # a colon in a text may look like a name
    head = b"{" + msgspec.json.encode(column) + b":"
    parts = []
    for key, value in found.items():
        row = bytes(value).strip()
        if not row.startswith(b"{"):
            parts.append(row)  # no row: rejected as one that is no object
            continue
        rest = row[1:].lstrip()
        parts.append(head + msgspec.json.encode(key) + (b"" if rest.startswith(b"}") else b",") + rest)
    return b"[" + b",".join(parts) + b"]"


def _each_once(pairs: list[tuple[str, object]]) -> None:
    if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
        raise ValueError(f"has a key twice: {', '.join(twice[:8])}")


def _by_place(held: bytes, names: Any, where: object) -> bytes:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"has rows whose header {where} is no list of names")
    if len(set(names)) < len(names):
        raise ValueError(f"has a header that names a column twice: {', '.join(names)}")
    heads = [msgspec.json.encode(name) + b":" for name in names]
    parts = []
    for item in _items.decode(held):
        values = _items.decode(item) if bytes(item).lstrip()[:1] == b"[" else []
        if len(values) != len(names):
            parts.append(bytes(item))  # rejected as no object
            continue
        parts.append(b"{" + b",".join(map(b"".join, zip(heads, map(bytes, values), strict=True))) + b"}")
    return b"[" + b",".join(parts) + b"]"


def _instead(held: bytes) -> str:
    """What stands there, for who declares it."""
    try:
        found = _row.decode(held)
    except msgspec.DecodeError:
        return f", but {held[:40].decode('utf-8', 'replace')}"
    kinds = {bytes(value).lstrip()[:1] for value in found.values()}
    if found and kinds == {b"{"}:
        return f", but an object of {len(found)} objects by key: set keyed_as to the column that takes the key"
    lists = [name for name, value in found.items() if bytes(value).lstrip()[:1] == b"["]
    return f", but an object; lists stand in it at {', '.join(lists[:8])}" if lists else ", but an object"


def lists(value: Any, most: int = 8) -> str:
    """``; lists stand at …``: where an answer has lists of objects, for who declares the rows; "" where it has none."""
    found: list[str] = []

    def walk(held: Any, path: str, depth: int) -> None:
        if isinstance(held, list) and held and isinstance(held[0], dict | list):
            found.append(path or "@")
        elif isinstance(held, dict) and depth < 5 and len(found) < most:
            for name, inner in list(held.items())[:50]:
                walk(inner, f"{path}.{name}".lstrip("."), depth + 1)

    walk(value, "", 0)
    return f"; lists stand at {', '.join(found[:most])}" if found else ""


def rows(array: bytes | Raw, place: str = "row") -> tuple[list[Row], list[str], list[Reject]]:
    """A JSON array → (objects, their places ``row 1`` …, what is no object).

    :raises msgspec.DecodeError: it is no JSON array.
    """
    array = bytes(array)
    if _MARK not in array:
        try:
            found = _rows.decode(array)
            names = sum(map(len, found))
            if array.count(b"{") > len(found):  # objects within rows
                names += _names(b",".join(chain.from_iterable(row.values() for row in found)))
            if _names(array) != names:
                return _without_twice(array, place)
            return found, [f"{place} {n}" for n in range(1, len(found) + 1)], []
        except (msgspec.ValidationError, RecursionError):
            pass
    good, places, rejects = [], [], []
    for number, item in enumerate(_items.decode(array), 1):
        where = f"{place} {number}"
        try:
            if _MARK in bytes(item) and charsets.MARKED.search(bytes(item).decode().replace("\\\\", "\\")):
                rejects.append(_undecodable(where, bytes(item)))
                continue
            good.append(_row.decode(item))
            places.append(where)
        except (msgspec.DecodeError, RecursionError):
            rejects.append(_no_object(where, bytes(item)))
    return good, places, rejects


def _names(written: bytes | Raw) -> int:
    """How many names of fields stand in a JSON text, about: colons behind a quotation mark that is not escaped."""
    written = bytes(written)
    return written.count(b'":') - written.count(b'\\":')


def _without_twice(array: bytes, place: str) -> tuple[list[Row], list[str], list[Reject]]:
    """:func:`rows` of an array in which a name may stand twice in one object: with unlike values nothing says which counts,
    and its record is rejected."""
    good, places, rejects = [], [], []
    for number, item in enumerate(_items.decode(array), 1):
        where, twice = f"{place} {number}", set[str]()
        with suppress(ValueError, RecursionError):  # msgspec read it
            json.loads(bytes(item), object_pairs_hook=partial(_note_twice, twice))
        if twice:
            named = ", ".join(sorted(twice))
            message = f"{where} has {named} twice, with unlike values"
            rejects.append(Reject(where, "column_ambiguous", message, bytes(item).decode("utf-8", "replace")[:RAW]))
        else:
            good.append(_row.decode(item))
            places.append(where)
    return good, places, rejects


def _note_twice(twice: set[str], pairs: list[tuple[str, object]]) -> dict[str, object]:
    read: dict[str, object] = {}
    for name, value in pairs:
        if name in read and read[name] != value:
            twice.add(name)
        read[name] = value
    return read


def _undecodable(place: str, item: bytes) -> Reject:
    raw = item.decode("utf-8", "replace").replace("\\\\", "\\")
    return Reject(place, "undecodable", f"{place} has bytes that are no text; they stand as \\xNN", raw[:RAW])


def _no_object(place: str, item: bytes) -> Reject:
    raw = item.decode("utf-8", "replace")
    try:
        text = _text.decode(item) if item[:1] == b'"' else ""
    except msgspec.DecodeError:
        text = ""
    if text.startswith(json_mending.DAMAGED):
        return Reject(place, "json_damaged", f"{place} is no JSON", text.removeprefix(json_mending.DAMAGED)[:RAW])
    return Reject(place, "not_an_object", "a row is no JSON object", raw[:RAW])


def read(array: bytes | Raw, place: str = "row", limits: Limits | None = None) -> tuple[pa.Table, list[Reject]]:
    """A JSON array → (columns as :func:`table`, what is no object): :func:`rows` and :func:`table` in one.

    Rows that are all alike, as most sources' are, are read without a dictionary each: a third of the time.

    :raises msgspec.DecodeError: it is no JSON array.
    """
    array = bytes(array)
    fast = None if _MARK in array else _alike(array)
    if fast is not None:
        columns, count = fast
        columns["_place"] = pa.array([f"{place} {number}" for number in range(1, count + 1)], pa.large_string())
        return pa.table(columns), []
    objects, places, rejects = rows(array, place)
    return bounded(objects, places, rejects, limits or Limits())


def bounded(
    objects: list[Row], places: list[str], rejects: list[Reject], limits: Limits
) -> tuple[pa.Table, list[Reject]]:
    """:func:`table`; of more names than the limit, the rows that have the rare ones are rejected."""
    few = usual_names(objects, limits.names)
    if few is not None:
        small = [number for number, row in enumerate(objects) if row.keys() <= few]
        for number in sorted(set(range(len(objects))) - set(small)):
            raw = json.dumps({name: one(value) for name, value in objects[number].items()}, ensure_ascii=False)
            message = f"the page has more than {limits.names} names of columns; {places[number]} has rare ones"
            rejects.append(Reject(places[number], "over_limit", message, raw[:RAW]))
        objects, places = [objects[number] for number in small], [places[number] for number in small]
    return table(objects, places), rejects


def _alike(array: bytes) -> tuple[dict[str, pa.Array], int] | None:
    """Columns and number of rows where every row has the first one's names and kinds; None where not."""
    try:
        first, _ = _first.raw_decode(array[: 1 << 16].decode("utf-8", "ignore").lstrip()[1:].lstrip())
        if not isinstance(first, dict) or not first:
            return None
        kinds = tuple((name, isinstance(value, str | None)) for name, value in first.items())
        found = _decoder(kinds).decode(array)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    values = list(zip(*map(msgspec.structs.astuple, found), strict=True))
    if not _is_each_name_once(array, kinds, values):
        return None
    columns = {
        name: pa.array(column, pa.large_string()) if textual else text(column)
        for (name, textual), column in zip(kinds, values, strict=True)
    }
    return columns, len(found)


def _is_each_name_once(array: bytes, kinds: Sequence[tuple[str, bool]], values: list[tuple[Any, ...]]) -> bool:
    """Whether the array has as many names of fields as its rows; ``values`` lose their marks of what was absent."""
    within, absent = 0, 0
    for place, (_, textual) in enumerate(kinds):
        if not textual:
            within += _names(b",".join(values[place]))
            absent += sum(value is _ABSENT for value in values[place])
        elif missing := values[place].count(msgspec.UNSET):
            values[place] = tuple(None if value is msgspec.UNSET else value for value in values[place])
            absent += missing
    return not values or _names(array) == within + len(kinds) * len(values[0]) - absent


@lru_cache(maxsize=256)
def _decoder(kinds: tuple[tuple[str, bool], ...]) -> msgspec.json.Decoder[Any]:
    """Of a list of objects with these names; text is read as text, all else is left as written."""
    fields = [
        (f"f{place}", str | None | msgspec.UnsetType, msgspec.UNSET) if textual else (f"f{place}", Raw, _ABSENT)
        for place, (_, textual) in enumerate(kinds)
    ]
    names = {f"f{place}": name for place, (name, _) in enumerate(kinds)}
    row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
    return msgspec.json.Decoder(GenericAlias(list, (row,)))


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
