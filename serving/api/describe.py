"""The API's schemas, made from the views: what an answer holds stands in one place."""

from __future__ import annotations

from typing import Any

from serving.query.projects import PARTS
from serving.query.statistics import GROUPS
from serving.sql.views import Column, View, note, views
from supervision.limits import COUNTS

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "small": {"type": "integer"},
    "decimal": {"type": "number"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "instant": {"type": "string", "format": "date-time"},
    "bool": {"type": "boolean"},
    "json": {},
    "texts": {"type": "array", "items": {"type": "string"}},
    "geometry": {"$ref": "#/components/schemas/Geometry"},
}


def _column(column: Column) -> dict[str, Any]:
    kind = dict(_KINDS[column.type])
    if column.nullable and kind:
        kind = {"anyOf": [kind, {"type": "null"}]} if "$ref" in kind else {**kind, "type": [kind["type"], "null"]}
    return {**kind, "title": column.zh, "description": note(column)}


def row(view: View, *, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Schema of a row; no property is required, since ``fields`` may leave any out."""
    return {
        "type": "object",
        "title": view.zh,
        "description": " ".join(view.en.split()),
        "properties": {**{c.name: _column(c) for c in view.columns}, **(more or {})},
        "additionalProperties": False,
    }


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _many(name: str) -> dict[str, Any]:
    return {"type": "array", "items": ref(name)}


def _object(required: list[str], /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def schemas() -> dict[str, Any]:
    """All component schemas by name; a view's is the view's name."""
    known = views()
    made: dict[str, Any] = {name: row(view) for name, view in known.items() if name != "change"}
    cursor = {"type": ["string", "null"], "description": "cursor of the next page; null: the end"}
    for name in ("project", "case", "item", "finding", "work_order", "licence"):
        made[f"{name}_page"] = _object(["items", "next"], items=_many(name), next=cursor)
    case = known["case"]
    made["case_full"] = row(
        case,
        more={
            "events": _many("case_event"),
            "special_procedures": _many("special_procedure"),
            "materials": _many("material"),
            "licences": _many("licence"),
            "findings": _many("finding"),
        },
    )
    made["work_order_full"] = row(known["work_order"], more={"steps": _many("order_step")})
    made["project_full"] = _object(
        ["project", "truncated"],
        project=ref("project"),
        truncated={"type": "array", "items": {"type": "string"}, "description": "parts that have more than 1,000 rows"},
        **{part: _many(view) for part, (view, *_) in PARTS.items()},
    )
    made["position"] = row(
        known["project"],
        more={
            "stages": _many("project_stage"),
            "running_cases": _many("case"),
            "summary": _object(["zh", "en"], zh={"type": "string"}, en={"type": "string"}),
        },
    )
    counts = {
        "type": "array",
        "items": _object(["key", "count"], key={"type": ["string", "null"]}, count={"type": "integer"}),
    }
    outside = _object(
        ["items", "cases", "findings"], **dict.fromkeys(("items", "cases", "findings"), {"type": "integer"})
    )
    late = _object(
        list(COUNTS), **{name: {"type": "integer", "title": zh, "description": en} for name, (zh, en) in COUNTS.items()}
    )
    made["statistics"] = _object([], **dict.fromkeys(GROUPS, counts), outside=outside, cases_late=late)
    texts = {"type": ["array", "null"], "items": {"type": "string"}}
    codes = {"type": "array", "items": {"type": "string"}}
    instant = {"type": ["string", "null"], "format": "date-time"}
    source = _object(
        ["source", "name", "data_as_of", "failing", "late", "silent"],
        source={"type": "string"},
        name={"type": "string"},
        data_as_of={**instant, "description": "all of its feeds have been read up to then; null: one never was"},
        failing=codes,
        late=codes,
        silent={
            "type": "array",
            "items": _object(
                ["feed", "since"], feed={"type": "string"}, since={"type": "string", "format": "date-time"}
            ),
            "description": "read on time, but nothing comes that should: verdicts that rest on it wait",
        },
    )
    made["freshness"] = _object(
        ["data_as_of", "zh", "sources"],
        data_as_of=instant,
        zh={"type": "string"},
        sources={"type": "array", "items": source},
    )
    made["change"] = _object(
        ["cursor", "op", "entity", "id", "at"],
        cursor={"type": "string"},
        op={"enum": ["ADD", "MOD", "DEL"]},
        entity={"type": "string"},
        id={"type": "string"},
        columns=texts,
        sources=texts,
        at={"type": "string", "format": "date-time"},
        before={
            "type": ["object", "null"],
            "description": "values before; of findings, work orders, stages and clocks",
        },
        after={"type": ["object", "null"], "description": "values after; of findings, work orders, stages and clocks"},
    )
    made["change_page"] = _object(
        ["items", "next", "more"],
        items=_many("change"),
        next={"type": "string", "description": "where to go on, also when nothing came"},
        more={"type": "boolean", "description": "there is more now"},
    )
    made["Geometry"] = {
        "type": "object",
        "title": "GeoJSON",
        "description": "RFC 7946 geometry, longitude first",
        "required": ["type"],
        "properties": {"type": {"type": "string"}, "coordinates": {"type": "array"}, "geometries": {"type": "array"}},
    }
    text = {"type": "string"}
    made["guide"] = _object(
        ["question", "found", "text", "sentences", "related", "worded_by"],
        question=text,
        found={"type": "boolean", "description": "false: nothing was found, and nothing is said"},
        text=text,
        sentences={
            "type": "array",
            "items": _object(
                ["text", "source"],
                text=text,
                source=_object(["title", "place", "link"], title=text, place=text, link=text),
            ),
        },
        related={"type": "array", "items": text},
        worded_by={"type": "string", "description": "search, or the model that worded it"},
    )
    day = {"type": ["string", "null"], "format": "date"}
    maybe = {"type": ["string", "null"]}
    number = {"type": "integer"}
    step = _object(["item_code", "item_name", "done"], item_code=text, item_name=text, done={"type": "boolean"})
    limit = {"anyOf": [_object(["days", "unit"], days=number, unit=text), {"type": "null"}]}
    made["plan_line"] = _object(
        ["item_code", "item_name", "state", "why", "source"],
        **dict.fromkeys(("item_code", "item_name", "state", "why", "source"), text),
        **dict.fromkeys(("kind", "department", "department_code", "turn", "case_no"), maybe),
        **dict.fromkeys(("version", "stage"), number),
        **dict.fromkeys(("before", "overtake", "beside"), {"type": "array", "items": step}),
        materials={
            "type": "array",
            "items": _object(
                ["code", "name", "required"],
                code=text,
                name=text,
                required={"type": "boolean"},
                medium=maybe,
                issued_by=maybe,
                held={**maybe, "description": "as what the store holds it already (免交)"},
                held_no={**maybe, "description": "number of that case or document, where it is shown"},
            ),
        },
        promised=limit,
        statutory=limit,
        earliest_start=day,
        earliest_end=day,
        latest_end=day,
        slack={"type": ["integer", "null"], "description": "working days"},
        critical={"type": "boolean"},
        provisional={"type": "boolean", "description": "uses days past the last holiday notice (暂估)"},
        holds={"type": "array", "items": text},
    )
    made["plan"] = _object(
        ["as_of", "lines", "not_judged", "end", "path", "materials", "held"],
        project_code=maybe,
        as_of={"type": "string", "format": "date"},
        lines=_many("plan_line"),
        not_judged={"type": "array", "items": {"type": "object", "additionalProperties": text}},
        end=day,
        path={"type": "array", "items": text},
        materials=number,
        held=number,
    )
    made["plan_questions"] = _object(
        ["conditions"],
        conditions={
            "type": "array",
            "items": _object(["condition", "items"], condition=text, items={"type": "array", "items": text}),
        },
    )
    made["Any"] = {"type": "object"}
    made["Problem"] = {
        "type": "object",
        "title": "RFC 9457",
        "required": ["type", "title", "status", "detail", "instance", "code", "messages"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "code": {"type": "string"},
            "messages": _object(["zh", "en"], zh={"type": "string"}, en={"type": "string"}),
            "errors": {"type": "array", "items": {"type": "object"}},
        },
    }
    return made


_PROBLEMS = {
    400: "参数有误 · invalid parameter",
    401: "无有效密钥 · no valid key",
    403: "权限不足 · not allowed",
    404: "未找到或不可见 · not found, or not shown",
    429: "超出配额 · quota exceeded",
    503: "暂时不可用 · unavailable",
}


def answers(
    schema: str, text: str = "数据 · the data", media_type: str = "application/json"
) -> dict[int | str, dict[str, Any]]:
    """``responses`` of a route: its own, and the problems that any route may answer."""
    made: dict[int | str, dict[str, Any]] = {
        200: {"description": text, "content": {media_type: {"schema": ref(schema)}}},
        304: {"description": "未变 · not modified"},
    }
    for status, about in _PROBLEMS.items():
        made[status] = {"description": about, "content": {"application/problem+json": {"schema": ref("Problem")}}}
    return made
