"""The raw columns of each feed, derived from its contract in ``schemas/contracts``.

``schemas/feeds.yaml`` says which contract and which row of it; SQL, OpenAPI, JSON Schema, XSD and WSDL are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT

FEEDS = ROOT / "schemas" / "feeds.yaml"
CONTRACTS = ROOT / "schemas" / "contracts"
PINNED = CONTRACTS / "pinned"  # contracts that were taken from a live source: contract: auto
_XSD = "{http://www.w3.org/2001/XMLSchema}"


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A raw column. ``fields``: names inside it where it is nested (a list of objects); () where it is a list of values
    or an object of any names, None where it is flat."""

    name: str
    zh: str = ""
    required: bool = False
    fields: tuple[str, ...] | None = None
    type: str | None = None  # of a pinned contract: text, number, time, json, geometry

    @property
    def nested(self) -> bool:
        """Its text is JSON."""
        return self.fields is not None


@dataclass(frozen=True, slots=True)
class RawContract:
    """What a feed's rows may hold. ``time`` is the column that orders a record's versions, where there is one."""

    feed: str
    columns: dict[str, RawColumn]
    key: tuple[str, ...]
    time: str | None = None


class _Feed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    contract: str | None = None
    row: str = ""
    key: list[str]
    time: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    rename: dict[str, str] = Field(default_factory=dict)
    add: dict[str, str] = Field(default_factory=dict)


class _PinnedColumn(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    type: Literal["text", "number", "time", "json", "geometry"]
    zh: str = ""
    required: bool = False


class _Pinned(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    feed: str
    key: list[str] = Field(min_length=1)
    time: str | None = None
    columns: dict[str, _PinnedColumn] = Field(min_length=1)


class _Feeds(BaseModel):
    feeds: dict[str, _Feed]


@cache
def load_all() -> dict[str, RawContract]:
    """Every feed's contract. :raises ConfigurationError: feeds.yaml and a contract do not agree."""
    document = declared.read(FEEDS)
    nested = document.under("feeds")
    found: dict[str, RawContract] = {}
    for feed, entry in declared.build(nested, _Feeds).feeds.items():
        columns = {c.name: c for c in _columns(entry)}
        lacking = {*entry.key, *([entry.time] if entry.time else [])} - columns.keys()
        if not columns or lacking:
            raise document.error((feed,), f"its contract has no {', '.join(sorted(lacking)) or entry.row}")
        found[feed] = RawContract(feed, columns, tuple(entry.key), entry.time)
    return found


def find(feed: str) -> RawContract | None:
    """A feed's contract; None where it has none of its own: then its mapping says which columns it has."""
    return load_all().get(feed) or pinned(feed)


@cache
def pinned(feed: str) -> RawContract | None:
    """A contract that was taken from the live source (``onemap source pin``); None where none was.

    :raises ConfigurationError: its file is wrong.
    """
    path = PINNED / f"{feed}.yaml"
    if not path.exists():
        return None
    document = declared.read(path)
    found = declared.build(document, _Pinned)
    if found.feed != feed:
        raise document.error(("feed",), f"must be the file's name, {feed}")
    if lacking := {*found.key, *([found.time] if found.time else [])} - found.columns.keys():
        raise document.error(("columns",), f"lacks {', '.join(sorted(lacking))} of key or time")
    columns = {
        name: RawColumn(name, one.zh, one.required, () if one.type == "json" else None, one.type)
        for name, one in found.columns.items()
    }
    return RawContract(feed, columns, tuple(found.key), found.time)


def contract(feed: str) -> RawContract:
    """:raises ConfigurationError: the feed is not in feeds.yaml."""
    try:
        return load_all()[feed]
    except KeyError:
        raise ConfigurationError(
            f"no feed {feed!r} in schemas/feeds.yaml",
            remedy="declare where its raw columns stand",
            zh=f"schemas/feeds.yaml 中没有数据资源 {feed}，请声明其原始字段所在的契约。",
        ) from None


def _columns(entry: _Feed) -> Iterator[RawColumn]:
    yield from (RawColumn(name, zh) for name, zh in entry.columns.items())
    if entry.contract:
        path = CONTRACTS / entry.contract
        kind = next(kind for kind in _READERS if entry.contract.endswith(kind))
        for column in _READERS[kind](path, entry.row):
            yield replace(column, name=entry.rename.get(column.name, column.name))
    yield from (RawColumn(name, zh) for name, zh in entry.add.items())


@cache
def _sql(path: Path) -> dict[str, list[RawColumn]]:
    tables: dict[str, list[RawColumn]] = {}
    table: list[RawColumn] = []
    for line in path.read_text("utf-8").splitlines():
        if built := re.match(r"CREATE TABLE (\w+)", line):
            table = tables.setdefault(built[1], [])
        elif column := re.match(r"\s+(?!PRIMARY\b)(\w+)\s+\w[^-]*(?:--\s*(.*))?$", line):
            table.append(RawColumn(column[1], (column[2] or "").strip()))
    return tables


@cache
def _openapi(path: Path) -> dict[str, Any]:
    schemas: dict[str, Any] = declared.read(path).data["components"]["schemas"]
    return schemas


def _of_openapi(path: Path, row: str) -> Iterator[RawColumn]:
    schemas = _openapi(path)

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        return {**schemas[reference.rpartition("/")[2]], **schema} if reference else schema

    schema = schemas[row]
    for name, given in schema["properties"].items():
        column = resolved(given)
        kinds = column.get("type", [])
        listed = "array" in ([kinds] if isinstance(kinds, str) else kinds)
        fields = tuple(column.get("items", {}).get("properties", ())) if listed else None
        yield RawColumn(name, column.get("description", ""), name in schema.get("required", ()), fields)


def _of_json_schema(path: Path, row: str) -> Iterator[RawColumn]:
    schema = json.loads(path.read_text("utf-8"))
    found = schema.get("$defs", {}).get(row)
    if found is None:  # a page's element: the message and what the page adds to it
        page = schema["properties"]["data"]["items"]
        found = {
            "properties": {**page["properties"], **schema["$defs"]["message"]["properties"]},
            "required": page["required"],
        }
    inner = found["properties"].get("properties")
    for name, column in {**found["properties"], **(inner or {}).get("properties", {})}.items():
        if name in ("type", "properties") or (name == "id" and row == "change"):
            continue
        kinds = column.get("type", [])
        flat = name == "geometry" or not {"object", "array"} & set([kinds] if isinstance(kinds, str) else kinds)
        required = name in found.get("required", ()) or name in (inner or {}).get("required", ())
        yield RawColumn(name, column.get("description", ""), required, None if flat else ())


def _of_xsd(path: Path, row: str) -> Iterator[RawColumn]:
    tree = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True))
    (found,) = tree.iterfind(f".//{_XSD}complexType[@name='{row}']")
    sequence = next(found.iter(f"{_XSD}sequence"))
    for element in sequence.iterchildren(f"{_XSD}element"):
        label = element.getnext()
        zh = label.text.strip() if label is not None and label.tag is etree.Comment else ""
        inner = [e.get("name") for e in element.iterdescendants(f"{_XSD}element", f"{_XSD}attribute")]
        required = element.get("minOccurs") != "0" and element.get("nillable") != "true"
        yield RawColumn(element.get("name"), zh, required, tuple(inner) if inner else None)


_READERS: dict[str, Callable[[Path, str], Any]] = {
    ".sql": lambda path, row: _sql(path).get(row, ()),
    ".openapi.yaml": _of_openapi,
    ".schema.json": _of_json_schema,
    ".xsd": _of_xsd,
    ".wsdl": _of_xsd,
}
