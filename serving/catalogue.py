"""数据目录 The catalogue: entities, fields, codes, feeds, owners, freshness, made from the declarations; exported as Open Data
Contract Standard 3 (one contract an entity) and as DCAT 3 (W3C)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.version import VERSION
from mappings import compiler
from schemas import codes
from serving.query import freshness
from serving.sql.views import View, note, views
from sources import loader

#: types of the views → logical types of the contract standard
_LOGICAL = {
    "text": "string",
    "int": "integer",
    "integer": "integer",
    "small": "integer",
    "decimal": "number",
    "date": "date",
    "timestamp": "timestamp",
    "instant": "timestamp",
    "bool": "boolean",
    "json": "object",
    "texts": "array",
    "geometry": "string",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an entity. ``feeds`` that fill it; ``codes`` its list; ``personal``: masked by default."""

    name: str
    zh: str
    en: str
    type: str
    codes: str | None
    personal: bool
    nullable: bool
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A view of schema ``onemap``."""

    name: str
    zh: str
    en: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    feeds: tuple[str, ...]


@cache
def entities() -> tuple[Entity, ...]:
    """All of them, in the order of the views."""
    filled = _filled()
    return tuple(_entity(view, filled) for view in views().values())


def _entity(view: View, filled: dict[tuple[str, str], set[str]]) -> Entity:
    fields = tuple(
        Field(
            c.name,
            c.zh,
            note(c),
            c.type,
            c.codes,
            bool(c.mask),
            c.nullable,
            tuple(sorted(filled.get((view.name, c.name), ()))),
        )
        for c in view.columns
    )
    return Entity(
        view.name,
        view.zh,
        " ".join(view.en.split()),
        view.key,
        fields,
        tuple(sorted({f for x in fields for f in x.feeds})),
    )


def _filled() -> dict[tuple[str, str], set[str]]:
    """(entity, column) → feeds whose mapping fills it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for source in loader.load_all().values():
        for name, feed in source.feeds.items():
            mapping = compiler.load(feed.mapping.replace("/", "."))
            for block in mapping.declaration.entities:
                for column in block.columns:
                    found[block.entity, column].add(f"{source.source}.{name}")
    return found


@cache
def code_lists() -> dict[str, tuple[str, tuple[tuple[str, str], ...]]]:
    """List → (Chinese name, its codes with their meaning)."""
    return {
        name: (code_list.zh, tuple((code, entry.zh) for code, entry in code_list.codes.items()))
        for name, code_list in codes.load_all().items()
    }


def feeds() -> list[dict[str, Any]]:
    """Every feed: source, owner, rhythm, promise, mapping, up to when it was read, the entities that it fills."""
    states = {f.feed: f for s in freshness.current().sources for f in s.feeds}
    fills: dict[str, list[str]] = defaultdict(list)
    for entity in entities():
        for feed in entity.feeds:
            fills[feed].append(entity.name)
    return [
        {
            "feed": f"{s.source}.{name}",
            "name": feed.name,
            "source": s.name,
            "system": s.system,
            "owner": s.owner.department,
            "schedule": s.schedule,
            "promise": s.promise.total_seconds(),
            "mapping": feed.mapping,
            "state": states.get(f"{s.source}.{name}"),
            "entities": fills.get(f"{s.source}.{name}", []),
        }
        for s in loader.load_all().values()
        for name, feed in s.feeds.items()
    ]


def search(q: str) -> tuple[list[Entity], list[dict[str, Any]]]:
    """Entities (with the fields that match alone, or all of a matching entity) and feeds that hold the words."""
    wanted = q.strip().lower()
    if not wanted:
        return list(entities()), feeds()
    found = []
    for entity in entities():
        if wanted in f"{entity.name} {entity.zh} {entity.en}".lower():
            found.append(entity)
            continue
        fields = tuple(f for f in entity.fields if wanted in f"{f.name} {f.zh} {f.en} {f.codes or ''}".lower())
        if fields:
            found.append(Entity(entity.name, entity.zh, entity.en, entity.key, fields, entity.feeds))
    shown = [
        f for f in feeds() if wanted in f"{f['feed']} {f['name']} {f['source']} {f['system']} {f['owner']}".lower()
    ]
    return found, shown


def contract(name: str) -> str | None:
    """An entity's contract (Open Data Contract Standard) as YAML; None: there is no such entity."""
    from open_data_contract_standard.model import (
        CustomProperty,
        Description,
        OpenDataContractStandard,
        SchemaObject,
        SchemaProperty,
    )

    entity = next((e for e in entities() if e.name == name), None)
    if entity is None:
        return None
    properties = [
        SchemaProperty(
            name=f.name,
            businessName=f.zh,
            description=f.en,
            logicalType=_LOGICAL[f.type],
            physicalType=f.type,
            required=not f.nullable,
            primaryKey=f.name in entity.key or None,
            primaryKeyPosition=entity.key.index(f.name) + 1 if f.name in entity.key else None,
            classification="personal, masked by default" if f.personal else None,
            transformSourceObjects=list(f.feeds) or None,
            customProperties=[CustomProperty(property="codes", value=f.codes)] if f.codes else None,
        )
        for f in entity.fields
    ]
    standard = OpenDataContractStandard(
        version=VERSION,
        kind="DataContract",
        apiVersion="v3.0.2",
        id=f"urn:onemap:{entity.name}",
        name=entity.zh,
        status="active",
        domain="投资项目审批 investment projects",
        dataProduct="一张图 OneMap",
        description=Description(purpose=entity.en),
        schema=[
            SchemaObject(
                name=entity.name, businessName=entity.zh, physicalName=f"onemap.{entity.name}", properties=properties
            )
        ],
    )
    return standard.to_yaml()


def dcat(base: str) -> dict[str, Any]:
    """The catalogue as JSON-LD (DCAT 3). ``base``: address of the API."""
    fresh = freshness.current().as_dict()["data_as_of"]
    return {
        "@context": {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"},
        "@type": "dcat:Catalog",
        "@id": "urn:onemap:catalogue",
        "dct:title": [
            {"@value": "一张图数据目录", "@language": "zh"},
            {"@value": "OneMap catalogue", "@language": "en"},
        ],
        "dcat:dataset": [
            {
                "@type": "dcat:Dataset",
                "@id": f"urn:onemap:{e.name}",
                "dct:title": [{"@value": e.zh, "@language": "zh"}, {"@value": e.name, "@language": "en"}],
                "dct:description": e.en,
                "dct:modified": fresh,
                "dcat:keyword": [f.zh for f in e.fields if f.zh][:30],
                "dct:provenance": list(e.feeds),
                "dcat:distribution": {
                    "@type": "dcat:Distribution",
                    "dcat:accessURL": f"{base}/docs",
                    "dcat:mediaType": "application/json",
                },
            }
            for e in entities()
        ],
    }
