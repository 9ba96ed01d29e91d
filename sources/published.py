"""The published JSON Schemas of the declarations, for editors and reviewers: ``schemas/*.schema.json``.

``python -m sources.published`` writes them anew from the models; a test holds them in step.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter

from core.settings import ROOT
from mappings.language import Declaration
from schemas.entities import Entity
from sources import options
from sources.declaration import Source

MODELS: dict[str, type[BaseModel]] = {"source": Source, "mapping": Declaration, "entity": Entity}


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one kind of declaration, as its YAML is written."""
    found = MODELS[name].model_json_schema(by_alias=True)
    if name == "source":
        found = _with_options(found)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _with_options(found: dict[str, Any]) -> dict[str, Any]:
    """The options of a source and of its feeds by the protocol that it names."""
    adapters: list[tuple[str, Any, TypeAdapter[Any]]] = []
    for protocol, models in options.PROTOCOLS.items():
        adapters += [
            (f"{protocol}/source", "validation", models.source),
            (f"{protocol}/feed", "validation", models.feed),
        ]
    built, definitions = TypeAdapter.json_schemas(adapters, by_alias=True)
    found["$defs"] |= definitions["$defs"]
    found["properties"]["protocol"]["enum"] = list(options.PROTOCOLS)
    found["allOf"] = [
        {
            "if": {"properties": {"protocol": {"const": protocol}}},
            "then": {
                "properties": {
                    "options": built[f"{protocol}/source", "validation"],
                    "feeds": {
                        "additionalProperties": {"properties": {"options": built[f"{protocol}/feed", "validation"]}}
                    },
                }
            },
        }
        for protocol in options.PROTOCOLS
    ]
    return found


def text(name: str) -> str:
    """What stands in the file."""
    return json.dumps(schema(name), ensure_ascii=False, indent=2) + "\n"


def write() -> None:
    """Write every file."""
    for name in MODELS:
        (ROOT / "schemas" / f"{name}.schema.json").write_text(text(name), "utf-8")


if __name__ == "__main__":
    write()
