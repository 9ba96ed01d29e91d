"""``schemas/sink.schema.json``, for editors and reviewers. ``python -m sinks.published`` writes it; a test holds it in step."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from core.settings import ROOT
from sinks.declaration import OPTIONS, Sink

FILE = ROOT / "schemas" / "sink.schema.json"


def schema() -> dict[str, Any]:
    """The JSON Schema of a sink, with the options of its outputs by the protocol that it names."""
    found = Sink.model_json_schema(by_alias=True)
    adapters = [(protocol, "validation", TypeAdapter(model)) for protocol, model in OPTIONS.items()]
    schemas, definitions = TypeAdapter.json_schemas(adapters, by_alias=True)  # type: ignore[arg-type]
    found["$defs"] |= definitions["$defs"]
    found["allOf"] = [
        {
            "if": {"properties": {"protocol": {"const": protocol}}},
            "then": {
                "properties": {
                    "outputs": {"additionalProperties": {"properties": {"options": schemas[protocol, "validation"]}}}
                }
            },
        }
        for protocol in OPTIONS
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def text() -> str:
    """What stands in the file."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
