"""The common model: ``schemas/entities/*.yaml``, one entity a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core import declared
from core.settings import ROOT
from schemas import codes

FOLDER = ROOT / "schemas" / "entities"

Type = Literal["text", "int", "decimal", "date", "timestamp", "bool", "json", "geometry"]


_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: Names that other tables and views of the store have.
_TAKEN = frozenset(
    [
        "record",
        "record_history",
        "raw_dictionary",
        "member",
        "change",
        "audit",
        "audit_seal",
        "dirty",
        "case_member",
        "project_alias",
        "identity_judgement",
        "item_code",
        "schema_version",
        "project_stage",
        "stage_item",
        "finding",
        "work_order",
        "order_step",
        "clock",
    ]
)
#: Columns that the store itself puts on every row.
_OWN = frozenset(["id", "record_id", "ord", "feed", "provenance", "content_hash", "changed_at", "gone_at"])
#: Ids of golden rows that the store makes where no columns name one.
_MADE = frozenset(["case_id", "event_id", "licence_id", "material_id", "special_id"])


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """A column. ``timestamp`` is local and naive, ``decimal`` numeric(20,6), ``geometry`` WKB in EPSG:4490."""

    name: str = Field("", description="Set by the loader")
    type: Type
    zh: str = Field(description="Official Chinese term, with the raw name where it is one")
    doc: str = Field("", description="Meaning, where the term does not say it")
    codes: str | None = Field(None, description="Code list of schemas/codes that the value is of")
    unit: str | None = Field(None, description="Unit of the canonical value")
    personal: bool = Field(False, description="A person's data: masked by default")
    vital: bool = Field(False, description="Verdicts rest on it: where it goes empty, a part of the feed is silent")

    @property
    def identifier(self) -> bool:
        """Whether a value names something by number or code, so that things join by it: of text, by its name."""
        named = self.name.endswith(("_no", "_code", "_id", "_guid", "_key", "number", "uscc"))
        return self.type == "text" and self.codes is None and named and not self.name.startswith("raw_")


class Entity(_Strict):
    """An entity, its Chinese name and its columns in order."""

    entity: str = Field(description="The file's name")
    zh: str
    doc: str
    key: list[str] = Field(description="Of the golden row; ids that the store makes are no columns")
    columns: dict[str, Column]

    @model_validator(mode="before")
    @classmethod
    def _name_columns(cls, data: dict[str, Any]) -> dict[str, Any]:
        columns = data.get("columns")
        if not isinstance(columns, dict):
            return data
        return {
            **data,
            "columns": {n: {**c, "name": n} if isinstance(c, dict) else c for n, c in columns.items()},
        }


def read(path: Path) -> Entity:
    """:raises ConfigurationError: with file and line."""
    document = declared.read(path)
    entity = declared.build(document, Entity)
    if found := list(_faults(entity, path.stem)):
        raise document.errors(found)
    return entity


def _faults(entity: Entity, name: str) -> Iterator[tuple[declared.Place, str]]:
    """What is wrong with an entity beyond its model."""
    if entity.entity != name:
        yield ("entity",), f"must be the file's name, {name}"
    if not _NAME.fullmatch(name):
        yield ("entity",), "names a table: small letters, digits and _, at most 40, beginning with a letter"
    if name in _TAKEN:
        yield ("entity",), f"{name} is a table or view of the store already: choose another name"
    if not entity.columns:
        yield ("columns",), "an entity has columns"
    for at, one in enumerate(entity.key):
        if one not in entity.columns and one not in _MADE:
            yield ("key", at), f"{one} is no column{declared.suggestion(one, entity.columns)}"
        elif one in entity.columns and entity.columns[one].type in ("json", "geometry"):
            yield ("key", at), f"{one} is of type {entity.columns[one].type}, which names no row"
    if not entity.key or len(set(entity.key)) < len(entity.key):
        yield ("key",), "names the golden row: one column or several, none twice"
    lists = codes.names()
    for column in entity.columns.values():
        if not _NAME.fullmatch(column.name) or column.name in _OWN or column.name.endswith("_box"):
            yield (
                ("columns", column.name),
                "is no name of a column: small letters, digits and _, and none of the store's own "
                f"({', '.join(sorted(_OWN))}, …_box)",
            )
        if column.codes is not None and column.codes not in lists:
            meant = declared.suggestion(column.codes, lists)
            yield ("columns", column.name, "codes"), f"there is no schemas/codes/{column.codes}.yaml{meant}"
        if column.codes is not None and column.type in ("geometry", "json"):
            yield ("columns", column.name), f"codes are not of type {column.type}"


@cache
def load(name: str) -> Entity:
    """:raises ConfigurationError: there is no such entity."""
    return read(declared.file(FOLDER, name, "entity", "实体"))


def names() -> list[str]:
    """Names of all entities, sorted."""
    return declared.names(FOLDER)


def load_all() -> dict[str, Entity]:
    """Every entity by name."""
    return {name: load(name) for name in names()}
