"""Answers in SOAP 1.1 encoding (rpc/encoded, Axis 1.x): an array of structs, with references; pages by offset (D2).

A value may stand in place, or elsewhere under an ``id`` that an ``href`` names (``multiRef``), through several hops;
an array may do so as a whole; items and fields may be nil; ``xsi:type`` may be missing, and is not needed: what an
array holds, the operation says. Options of a feed are those of :class:`~sources.options.soap.ArrayFeed`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lxml import etree

from connectors.base import Batch, Issue, Payload, Reject
from connectors.decoders import rows, xml
from connectors.decoders.charsets import MARKED
from connectors.decoders.xml import children, local
from connectors.limits import Limits, check
from connectors.paging.listing import Page
from connectors.soap import multipart
from connectors.soap.message import envelope_body
from core.errors import ProviderError
from sources.options.soap import ArrayFeed

_MAX_HOPS = 20
_MAX_DEPTH = 40


class Document:
    """The Body of one encoded answer.

    :raises ProviderError: an ``href`` that leads nowhere, in a circle, or out of the document.
    """

    def __init__(self, payload: Payload, limits: Limits | None = None) -> None:
        body, kind = multipart.envelope(payload.content, payload.media_type)
        self._limits = limits or Limits()
        self._left = self._limits.expanded
        self._root = xml.lenient(body, ("item", "multiRef"), kind, limits=self._limits)
        self._body = envelope_body(self._root)
        self._ids = {one.get("id"): one for one in self._root.iter() if isinstance(one.tag, str) and one.get("id")}

    def items(self) -> list[etree._Element | None]:
        """What the operation's result holds, references followed; None for nil. A nil or absent result holds nothing."""
        answers = [element for element in children(self._body) if local(element) != "multiRef"]
        results = children(answers[0]) if answers else []
        array = self._value(results[0]) if results else None
        if array is None:
            return []
        return [self._item(item) for item in children(array)]

    def _item(self, item: etree._Element) -> etree._Element | None:
        """Its value; an item whose reference leads nowhere stands for itself, broken."""
        try:
            return self._value(item)
        except ProviderError as error:
            item.set(xml.BROKEN, error.message)
            return item

    def record(self, item: etree._Element) -> dict[str, str | None]:
        """A struct → its fields as text; structs within are JSON text."""
        row: dict[str, str | None] = {}
        check(self._limits, "children", len(item), "an item")
        for child in children(item):
            value = self._value(child)
            if value is not None and len(value):
                row[local(child)] = json.dumps(self._deep(value, 0), ensure_ascii=False, separators=(",", ":"))
            else:
                row[local(child)] = None if value is None else xml.content(value)
        return row

    def key(self, item: etree._Element, names: list[str]) -> str:
        """The parts of its key that can be read, joined by ``|``; empty: none."""
        wanted = {name.lower(): "" for name in names}
        for child in children(item):
            if local(child).lower() in wanted:
                try:
                    value = self._value(child)
                except ProviderError:
                    continue
                wanted[local(child).lower()] = ("" if value is None else xml.content(value) or "").strip()
        return "|".join(wanted.values()) if any(wanted.values()) else ""

    def digest(self) -> bytes:
        """Of the Body's content."""
        return hashlib.sha256(etree.tostring(self._body)).digest()

    def _value(self, element: etree._Element) -> etree._Element | None:
        """The element that holds the value, after all hops; None when nil."""
        for _ in range(_MAX_HOPS):
            if xml.is_nil(element):
                return None
            href = element.get("href")
            if not href:
                return element
            target = self._ids.get(href.removeprefix("#")) if href.startswith("#") else None
            if target is None:
                raise _broken(href, "leads nowhere in this answer; nothing outside is asked")
            element = target
        raise _broken(element.get("href") or "", f"is not at an end after {_MAX_HOPS} hops")

    def _deep(self, element: etree._Element, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise _broken(local(element), "refers to itself")
        self._left -= 1 + len(element)
        if self._left < 0:
            check(self._limits, "expanded", self._limits.expanded + 1, "an answer with its references followed")
        parts = children(element)
        if not parts:
            return xml.content(element)
        names = [local(part) for part in parts]
        values = [self._value(part) for part in parts]
        deep = [None if value is None else self._deep(value, depth + 1) for value in values]
        return deep if len(set(names)) < len(names) else dict(zip(names, deep, strict=True))


def page(payload: Payload, key: list[str]) -> Page:
    """An answer as a page of a listing."""
    document = Document(payload)
    items = document.items()
    keys = []
    columns: set[str] = set()
    for item in items:
        if item is not None:
            keys.append(document.key(item, key))
            columns |= {local(child) for child in children(item)}
    return Page(payload, keys, len(items), document.digest(), columns=frozenset(columns))


def decode(payload: Payload, options: ArrayFeed, key: list[str], limits: Limits | None = None) -> Batch:
    """One answer → its records; nil items are no records. An item that is no XML, has bytes that are no text, or a
    reference that leads nowhere, is a Reject.
    """
    limits = limits or Limits()
    document = Document(payload, limits)
    records, places, rejects = [], [], []
    for number, item in enumerate(document.items(), 1):
        if item is None:
            continue
        place = f"item {number}"
        try:
            record = document.record(item)
            code, why = _unsound(item, record)
        except ProviderError as error:
            record, code, why = {}, error.code, error.message
        if code:
            raw = xml.shown(item)
            name = document.key(item, key)
            rejects.append(Reject(place, code, f"{place}: {why}", raw, name if xml.DAMAGE not in name else None))
            continue
        records.append(record)
        places.append(place)
    table, beyond = rows.bounded(records, places, options.columns, limits)
    fault = xml.contradicts(*multipart.envelope(payload.content, payload.media_type))
    return Batch(table, rejects + beyond, [Issue("charset_differs", fault)] if fault else [])


def _unsound(item: etree._Element, record: dict[str, str | None]) -> tuple[str, str]:
    """(code, why) of an item that is none; empty where it is sound."""
    if why := item.get(xml.BROKEN):
        return ("broken_reference", why) if len(item) or item.get("href") else ("xml_damaged", why)
    if not len(item):
        return "not_an_object", "an item without fields"
    if any(value is not None and MARKED.search(value) for value in record.values()):
        return "undecodable", "it has bytes that are no text; they stand as \\xNN"
    return "", ""


def _broken(href: str, why: str) -> ProviderError:
    return ProviderError(
        f"the reference {href!r} {why}",
        remedy="tell the source's owner: its SOAP answer is broken",
        zh=f"响应中的引用 {href} 无法解析（{why}），请联系数源部门。",
        field="href",
        code="broken_reference",
    )
