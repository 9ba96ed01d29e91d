"""One answer of a listing, opened: its rows, and what stands at a path of it; in JSON or in XML.

The rows' columns are text (nested values as JSON text). A declared path that leads nowhere is told apart from one that
leads to nothing: whoever asks decides what that means. Options: :mod:`sources.options.listing`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, NamedTuple

import jmespath
import msgspec
from lxml import etree

from connectors.base import Batch, Issue, Reject
from connectors.decoders import jsonrows, rows, xml
from connectors.decoders.xml import attributes, children, local
from connectors.limits import Limits
from core.redaction import redact
from sources.options.listing import ListingOptions, steps

_CODES = ("code", "status", "statuscode", "errcode", "errorcode", "resultcode", "retcode")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class At(NamedTuple):
    """What stands at a path: whether anything does, and its text (None: null)."""

    there: bool
    text: str | None


class Opened(ABC):
    """``given``: what is declared of the feed."""

    def __init__(self, given: ListingOptions, limits: Limits) -> None:
        self.given = given
        self.limits = limits
        self.around: Opened | None = None

    @cached_property
    @abstractmethod
    def value(self) -> Any:
        """The answer as plain data, for JMESPath."""

    def at(self, path: str) -> At:
        """What stands at a path; of a document that stood in a string, else at that path of what is around it."""
        found = self._at(path)
        return found if found.there or self.around is None else self.around.at(path)

    @abstractmethod
    def _at(self, path: str) -> At:
        """What stands at a path of this document."""

    def is_empty(self) -> bool:
        """Whether the answer says that there are no rows."""
        return bool(self.given.empty) and self.says(self.given.empty) is not None

    @abstractmethod
    def keys(self, names: list[str]) -> tuple[list[dict[str, str | None]], int, frozenset[str]]:
        """(values of the key of each row, rows and what is none, names of columns). :raises ValueError: there is no list."""

    @abstractmethod
    def digest(self) -> bytes:
        """Of the rows."""

    @abstractmethod
    def batch(self) -> Batch:
        """The rows. :raises ValueError: there is no list."""

    def search(self, expression: str) -> Any:
        """What a JMESPath finds; what it does not find here, it finds in what is around this document."""
        found = jmespath.search(expression, self.value)
        return self.around.search(expression) if found is None and self.around is not None else found

    def says(self, declared: dict[str, list[Any]]) -> tuple[str, Any] | None:
        """The first declared (expression, value) that holds; None where none does."""
        for expression, values in declared.items():
            found = self.search(expression)
            if found in values or str(found) in map(str, values):
                return expression, found
        return None


class Json(Opened):
    """:raises ValueError: it is no JSON. :raises OverLimit: it is larger than a page may be."""

    def __init__(self, given: ListingOptions, limits: Limits, body: bytes) -> None:
        super().__init__(given, limits)
        if given.rows == "@":  # as a field, so that a list is mended as any other
            body = b'{"rows":' + jsonrows.clean(body) + b"}"
        self._steps = steps(given.rows) or ["rows"]
        self._body, self.issues = jsonrows.sound(body, self._steps[-1], limits)
        self._layers: dict[tuple[str, ...], Any] = {}

    @cached_property
    def value(self) -> Any:
        try:
            held = json.loads(self._body)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        return held["rows"] if self.given.rows == "@" and isinstance(held, dict) else held

    def _at(self, path: str) -> At:
        raw = self._raw(tuple(steps(path)))
        return At(raw is not None, jsonrows.one(raw))

    def keys(self, names: list[str]) -> tuple[list[dict[str, str | None]], int, frozenset[str]]:
        objects, _, rejects = self._objects()
        columns = frozenset(name for row in objects for name in row)
        return [_contents(row, names) for row in objects], len(objects) + len(rejects), columns

    def digest(self) -> bytes:
        return hashlib.sha256(self._listed).digest()

    def batch(self) -> Batch:
        if not self.given.lift:
            return Batch(*jsonrows.read(self._listed, limits=self.limits), self.issues)
        return Batch(*jsonrows.bounded(*self._objects(), self.limits), self.issues)

    def _objects(self) -> tuple[list[jsonrows.Row], list[str], list[Reject]]:
        objects, places, rejects = jsonrows.rows(self._listed)
        for name in self.given.lift:
            objects = [_lifted(row, name) for row in objects]
        return objects, places, rejects

    @cached_property
    def _listed(self) -> bytes:
        """The list as a JSON array; null is an empty one."""
        found = self._raw(tuple(self._steps))
        if found is None:
            raise ValueError(f"nothing stands at {self.given.rows}{jsonrows.lists(self.value)}")
        try:
            return jsonrows.listed(bytes(found), self.given, lambda: self.value)
        except ValueError as error:
            raise ValueError(f"what stands at {self.given.rows} {error}") from error

    def _raw(self, path: tuple[str, ...]) -> msgspec.Raw | None:
        if not path:
            return msgspec.Raw(self._body)
        outer = path[:-1]
        if outer not in self._layers:
            held = self._raw(outer)
            try:
                self._layers[outer] = {} if held is None else _object.decode(held)
            except msgspec.ValidationError:  # no object
                self._layers[outer] = {}
        found: msgspec.Raw | None = self._layers[outer].get(path[-1])
        return found


def _contents(row: jsonrows.Row, names: list[str]) -> dict[str, str | None]:
    found = {name: jsonrows.one(row.get(name)) for name in names}
    return found if any(found.values()) else {name: bytes(value).decode() for name, value in row.items()}


def _lifted(row: jsonrows.Row, name: str) -> jsonrows.Row:
    """A row with the fields of its field ``name`` in its place; a name that it has already keeps both apart."""
    if name not in row:
        return row
    try:
        inner = _object.decode(row[name])
    except msgspec.DecodeError:  # null, or no object
        return row
    outer = {key: value for key, value in row.items() if key != name}
    return outer | {(f"{name}.{key}" if key in outer else key): value for key, value in inner.items()}


class Xml(Opened):
    """``root``: what the paths begin under, ``typed`` whether a schema has vouched for the path of the rows.

    An element that is not there is an empty list where its parent holds nothing, or where a schema knows it; else the
    declaration is wrong, or the answer another.
    """

    def __init__(self, given: ListingOptions, limits: Limits, root: etree._Element, *, typed: bool = False) -> None:
        super().__init__(given, limits)
        self.issues: list[Issue] = []
        self._root = root
        self._typed = typed

    @classmethod
    def of(cls, given: ListingOptions, limits: Limits, body: bytes | str, content_type: str | None) -> Xml:
        """A document. :raises DamagedXml: it is cut, or no XML."""
        return cls(given, limits, parsed(given, limits, body, content_type))

    @cached_property
    def value(self) -> Any:
        return xml.value(self._root)

    def _at(self, path: str) -> At:
        names = steps(path)
        found = descend(self._root, names)
        if found:
            return At(True, (found[0].text or "").strip() if len(found[0]) else xml.content(found[0]))
        holders = descend(self._root, names[:-1])
        held = next((one.get(names[-1]) for one in holders if one.get(names[-1]) is not None), None) if names else None
        return At(held is not None, held)

    def keys(self, names: list[str]) -> tuple[list[dict[str, str | None]], int, frozenset[str]]:
        elements = self._elements
        records = [{} if one.get(xml.BROKEN) else self._record(one) for one in elements]
        columns = frozenset(name for record in records for name in record)
        keys = []
        for record in records:
            found = {name: record.get(name) for name in names}
            keys.append(found if any(found.values()) else record)
        return keys, len(elements), columns

    def digest(self) -> bytes:
        return hashlib.sha256(b"".join(etree.tostring(one, with_tail=False) for one in self._elements)).digest()

    def batch(self) -> Batch:
        records, places, rejects = [], [], []
        damaged = xml.is_damaged(self._root)  # asked of all at once, as nearly none is
        for number, one in enumerate(self._elements, 1):
            place = f"{local(one)} {number}"
            if why := one.get(xml.BROKEN):
                rejects.append(Reject(place, "xml_damaged", f"{place} is no XML: {why}", (one.text or "")[: xml.RAW]))
            elif damaged and xml.is_damaged(one):
                text = f"{place} has bytes that are no text; they stand as \\xNN"
                rejects.append(Reject(place, "undecodable", text, xml.shown(one)))
            else:
                records.append(self._record(one))
                places.append(place)
        table, beyond = rows.bounded(records, places, [], self.limits)
        return Batch(table, rejects + beyond, self.issues)

    def _record(self, element: etree._Element) -> dict[str, str | None]:
        return xml.record(element, self.given.nested)

    @cached_property
    def _elements(self) -> list[etree._Element]:
        found = self._records()
        for name in self.given.lift:
            for one in found:
                _raise(one, name)
        return found

    def _records(self) -> list[etree._Element]:
        names = steps(self.given.rows)
        found = [one for one in descend(self._root, names) if not xml.is_nil(one)]
        if found or not names or self._typed:
            return found
        parents = descend(self._root, names[:-1])
        others = sorted({local(child) for parent in parents for child in children(parent)})
        if not parents:
            raise ValueError(
                f"nothing stands at {self.given.rows}; there are {', '.join(paths(self._root)) or 'no elements'}"
            )
        total = getattr(self.given.paging, "total", None)
        kin = set(others) - set(steps(total)[-1:] if total else [])
        if kin and not any(map(xml.is_nil, parents)):
            raise ValueError(f"there is no {names[-1]} at {self.given.rows}, but {', '.join(sorted(kin))}")
        return []


class Nothing(Opened):
    """An answer that says of itself that there are no rows: a fault that the declaration knows as such."""

    value = None

    def is_empty(self) -> bool:
        return True

    def _at(self, path: str) -> At:
        return At(False, None)

    def keys(self, names: list[str]) -> tuple[list[dict[str, str | None]], int, frozenset[str]]:
        return [], 0, frozenset()

    def digest(self) -> bytes:
        return b""

    def batch(self) -> Batch:
        return Batch(rows.table([], []))


def parsed(given: ListingOptions, limits: Limits, body: bytes | str, content_type: str | None) -> etree._Element:
    """The root of a document, records that are no XML as :data:`~connectors.decoders.xml.BROKEN`."""
    names = steps(given.rows)
    if not names:
        return xml.parse(body, content_type, limits=limits)
    return xml.lenient(body, (names[-1],), content_type, limits=limits)


def descend(root: etree._Element, names: list[str]) -> list[etree._Element]:
    """Elements at a path of local names beneath ``root``, of every element on the way."""
    found = [root]
    for name in names:
        found = [child for one in found for child in children(one, name)]
    return found


def paths(root: etree._Element, most: int = 12) -> list[str]:
    """Paths of the elements that occur more than once beneath one parent, else of all: what `rows` may be."""
    seen: dict[str, bool] = {}

    def walk(element: etree._Element, before: str, depth: int) -> None:
        names = [local(child) for child in children(element)]
        for child in children(element):
            path = f"{before}.{local(child)}".lstrip(".")
            seen[path] = seen.get(path, False) or names.count(local(child)) > 1
            if depth < 6 and len(seen) < 500:
                walk(child, path, depth + 1)

    walk(root, "", 0)
    repeated = [path for path, often in seen.items() if often]
    return (repeated or list(seen))[:most]


def _raise(element: etree._Element, name: str) -> None:
    """Put an element's children and attributes in its place."""
    for inner in children(element, name):
        place = element.index(inner)
        taken = {local(child) for child in children(element)} - {name}
        bounds = []
        for attribute, value in attributes(inner).items():
            one = etree.Element(attribute)
            one.text = value
            bounds.append(one)
        for one in [*bounds, *children(inner)]:
            if local(one) in taken:
                one.tag = f"{name}.{local(one)}"
        element.remove(inner)
        for offset, one in enumerate([*bounds, *children(inner)]):
            element.insert(place + offset, one)


def json_or_xml(given: ListingOptions, limits: Limits, text: str) -> Opened:
    """A document that stood in a string: JSON where it begins so, else XML. Its own charset is that of the string."""
    plain = text.lstrip("\ufeff \t\r\n")
    if plain[:1] in ("{", "["):
        return Json(given, limits, plain.encode("utf-8", "surrogatepass"))
    return Xml.of(given, limits, plain, None)


def stated_error(answer: Any) -> str | None:
    """The field of an envelope that speaks of an error in the words that interfaces share; None where none does.

    A status below 400 says nothing: some count 0 as success, others 1 or 200.
    """
    for name, value in answer.items() if isinstance(answer, dict) else ():
        plain, text = name.casefold().replace("_", ""), str(value).strip().casefold()
        if (
            (plain in ("success", "ok", "succeeded", "issuccess") and text == "false")
            or (plain in ("error", "errors", "exception") and value and text not in ("false", "0", "null", "none"))
            or (plain in _CODES and text.isdecimal() and 400 <= int(text[:9]) < 600)
        ):
            return f"{name[:40]} is {redact(str(value))[:80]}"
    return None
