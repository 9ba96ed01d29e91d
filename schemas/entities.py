"""The common model: ``schemas/entities/*.yaml``, one entity a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core import declared
from core.errors import ConfigurationError
from core.settings import ROOT

FOLDER = ROOT / "schemas" / "entities"

Type = Literal["text", "int", "decimal", "date", "timestamp", "bool", "json", "geometry"]


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
    if entity.entity != path.stem:
        raise document.error(("entity",), f"must be the file's name, {path.stem}")
    return entity


@cache
def load(name: str) -> Entity:
    """:raises ConfigurationError: there is no such entity."""
    path = FOLDER / f"{name}.yaml"
    if not path.exists():
        raise ConfigurationError(
            f"no entity {name!r} in schemas/entities",
            remedy=f"one of {', '.join(sorted(names()))}",
            zh=f"公共模型中没有实体 {name}。",
        )
    return read(path)


def names() -> list[str]:
    """Names of all entities, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_all() -> dict[str, Entity]:
    """Every entity by name."""
    return {name: load(name) for name in names()}
