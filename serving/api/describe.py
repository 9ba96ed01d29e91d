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
    schema_of: dict[str, Any] = {name: row(view) for name, view in known.items() if name != "change"}
    cursor = {"type": ["string", "null"], "description": "cursor of the next page; null: the end"}
    for name in ("project", "case", "item", "finding", "work_order", "licence"):
        schema_of[f"{name}_page"] = _object(["items", "next"], items=_many(name), next=cursor)
    case = known["case"]
    schema_of["case_full"] = row(
        case,
        more={
            "events": _many("case_event"),
            "special_procedures": _many("special_procedure"),
            "materials": _many("material"),
            "licences": _many("licence"),
            "findings": _many("finding"),
            "not_judged": {
                "type": ["string", "null"],
                "title": "未判定原因",
                "description": "what the light 待数据 waits for; null: any other light",
            },
        },
    )
    schema_of["work_order_full"] = row(known["work_order"], more={"steps": _many("order_step")})
    schema_of["project_full"] = _object(
        ["project", "truncated"],
        project=ref("project"),
        truncated={"type": "array", "items": {"type": "string"}, "description": "parts that have more than 1,000 rows"},
        **{part: _many(view) for part, (view, *_) in PARTS.items()},
    )
    schema_of["position"] = row(
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
    schema_of["statistics"] = _object([], **dict.fromkeys(GROUPS, counts), outside=outside, cases_late=late)
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
    schema_of["freshness"] = _object(
        ["data_as_of", "zh", "sources"],
        data_as_of=instant,
        zh={"type": "string"},
        sources={"type": "array", "items": source},
    )
    schema_of["change"] = _object(
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
    schema_of["change_page"] = _object(
        ["items", "next", "more"],
        items=_many("change"),
        next={"type": "string", "description": "where to go on, also when nothing came"},
        more={"type": "boolean", "description": "there is more now"},
    )
    schema_of["Geometry"] = {
        "type": "object",
        "title": "GeoJSON",
        "description": "RFC 7946 geometry, longitude first",
        "required": ["type"],
        "properties": {"type": {"type": "string"}, "coordinates": {"type": "array"}, "geometries": {"type": "array"}},
    }
    text = {"type": "string"}
    schema_of["guide"] = _object(
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
    schema_of["plan_line"] = _object(
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
    schema_of["plan"] = _object(
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
    schema_of["plan_questions"] = _object(
        ["conditions"],
        conditions={
            "type": "array",
            "items": _object(["condition", "items"], condition=text, items={"type": "array", "items": text}),
        },
    )
    schema_of |= _of_insight() | _of_care() | _of_tryout()
    schema_of["Any"] = {"type": "object"}
    schema_of["Problem"] = {
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
    return schema_of


_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_NUMBER = {"type": "integer"}
_SHARE = {"type": ["number", "null"]}
_DAY = {"type": ["string", "null"], "format": "date"}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_FLAG = {"type": "boolean"}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _of_insight() -> dict[str, Any]:
    """The reform's ledger, days, paths, forecasts."""
    figure = {
        "key": _TEXT,
        "zh": _TEXT,
        "value": {**_SHARE, "description": "null: the data do not carry it, note says why"},
        "unit": _TEXT,
        "target": {"type": "number", "description": "what the city's case reports, for comparison alone"},
        "note": _TEXT,
        "columns": _list(_TEXT),
    }
    holder = _object(["holder", "zh", "days"], holder=_TEXT, zh=_TEXT, days=_NUMBER, share=_SHARE)
    cells: dict[str, Any] = {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}}
    reason = _object(
        ["name", "value", "usual", "effect", "zh"],
        name=_TEXT,
        zh=_TEXT,
        **dict.fromkeys(("value", "usual"), {"type": "number"}),
        effect={"type": "number", "description": "by how much it moves the chance, were it alone not as usual"},
    )
    case = _object(
        ["case_id", "chance", "waits", "reasons"],
        **dict.fromkeys(("case_id", "version"), _TEXT),
        **dict.fromkeys(
            (
                "case_no",
                "project_code",
                "item_code",
                "item_name",
                "department_name",
                "department_code",
                "town_code",
                "light",
                "promised_unit",
            ),
            _MAYBE,
        ),
        chance={**_SHARE, "description": "of becoming overdue; null: overdue already, or its source is silent (why)"},
        why=_MAYBE,
        waits={**_FLAG, "description": "its source is silent: no forecast"},
        **dict.fromkeys(("due_promised", "likely_on", "first_on", "last_on", "as_of"), _DAY),
        data_as_of=_TIME,
        **dict.fromkeys(("used_promised", "promised_limit"), {"type": ["integer", "null"]}),
        reasons=_list(reason),
    )
    model = {
        "anyOf": [
            _object(
                ["version", "as_of", "taught", "late", "confidence"],
                version=_TEXT,
                **dict.fromkeys(("as_of", "cut"), _DAY),
                made_at=_TIME,
                **dict.fromkeys(("taught", "late"), _NUMBER),
                confidence={"type": "number", "description": "share of ends that the interval is to hold"},
            ),
            {"type": "null"},
        ]
    }
    days = ("begins_on", "begins_first", "begins_last", "done_on", "done_first", "done_last")
    step = _object(
        ["project_code", "item_code"],
        **dict.fromkeys(("project_code", "item_code"), _TEXT),
        item_name=_MAYBE,
        **dict.fromkeys(days, _DAY),
    )
    spent = _object(
        ["holder", "days"],
        holder=_TEXT,
        **dict.fromkeys(("department", "item_code", "item_name", "case_id"), _MAYBE),
        **dict.fromkeys(("from_", "until"), _DAY),
        days=_NUMBER,
    )
    return {
        "insight": _object(
            ["as_of", "projects", "elapsed", "figures", "holders"],
            as_of=_DAY,
            **dict.fromkeys(("projects", "elapsed"), _NUMBER),
            figures=_list(
                _object(list(figure), **figure, rows={**_NUMBER, "description": "how many rows it comes of"})
            ),
            holders=_list(holder),
            departments=_list(_object(["days"], department=_MAYBE, days=_NUMBER)),
            items=_list(_object(["days"], holder=_TEXT, item_code=_MAYBE, item_name=_MAYBE, days=_NUMBER)),
        ),
        "insight_figure": _object([*figure, "rows"], **figure, rows=_list(cells)),
        "bottlenecks": _object(
            ["as_of", "by", "enough", "items"],
            as_of=_DAY,
            by=_TEXT,
            enough={**_NUMBER, "description": "ended cases below which nothing is said"},
            items=_list(
                _object(
                    ["cases"],
                    **dict.fromkeys(("item_code", "item_name", "department", "town_code"), _MAYBE),
                    year={"type": ["integer", "null"]},
                    cases=_NUMBER,
                    **dict.fromkeys(("median", "ninth", "late"), _SHARE),
                )
            ),
        ),
        "paths": _object(
            ["as_of", "variants", "ways", "steps", "kept", "order"],
            as_of=_DAY,
            variants=_list(
                _object(
                    ["path", "projects"],
                    path=_list(_TEXT),
                    projects=_NUMBER,
                    example=_TEXT,
                    codes=_list(_TEXT),
                    share=_SHARE,
                )
            ),
            **dict.fromkeys(("ways", "steps", "kept"), _NUMBER),
            order=_list(
                _object(
                    ["steps", "kept"], item_code=_TEXT, prerequisite=_TEXT, steps=_NUMBER, kept=_NUMBER, share=_SHARE
                )
            ),
        ),
        "days": _object(
            ["project_code", "elapsed", "holders", "spans"],
            project_code=_TEXT,
            begun_on=_DAY,
            until={**_DAY, "description": "the first day that is not counted"},
            elapsed=_NUMBER,
            running=_FLAG,
            holders=_list(holder),
            spans=_list(spent),
        ),
        "forecasts": _object(["model", "items"], model=model, items=_list(case)),
        "forecast": _object(
            ["chance", "cases", "steps", "model"], chance=_SHARE, cases=_list(case), steps=_list(step), model=model
        ),
    }


def _of_care() -> dict[str, Any]:
    """Who looks after what, the day, the record."""
    note = _object(
        ["id", "kind", "text", "at", "by"],
        id=_NUMBER,
        kind={"enum": ["note", "promise"]},
        project_code=_TEXT,
        text=_TEXT,
        due_on=_DAY,
        **dict.fromkeys(("at", "kept_at"), _TIME),
        by=_TEXT,
        kept_by=_MAYBE,
    )
    reminder = _object(
        ["kind", "case_id", "until", "told", "text", "at"],
        **dict.fromkeys(("kind", "case_id", "told", "text"), _TEXT),
        until=_DAY,
        **dict.fromkeys(("at", "sent_at"), _TIME),
    )
    row = {"type": "object"}
    return {
        "care_list": _object(
            ["items"],
            items=_list(
                _object(
                    ["id"],
                    id=_TEXT,
                    **dict.fromkeys(("project_name", "town_code", "applicant_name", "agent", "team"), _MAYBE),
                )
            ),
        ),
        "care_day": _object(
            ["as_of", "projects", "due", "waits", "changed", "notes", "reminders"],
            as_of=_DAY,
            **dict.fromkeys(("projects", "due", "waits", "changed", "notes", "reminders"), _list(row)),
        ),
        "care": _object(
            ["project_code", "agent", "team", "history", "notes", "reminders"],
            project_code=_TEXT,
            agent=_MAYBE,
            team=_MAYBE,
            history=_list(
                _object(
                    ["kind", "name", "since"], kind=_TEXT, name=_TEXT, since=_TIME, until=_TIME, by=_TEXT, why=_MAYBE
                )
            ),
            notes=_list(note),
            reminders=_list(reminder),
        ),
        "care_note_made": _object(["id"], id=_NUMBER),
    }


def _of_tryout() -> dict[str, Any]:
    """What the hub would say of a file."""
    raw = "only for who may read raw rows"
    explained = {
        **dict.fromkeys(("code", "title", "title_zh", "duty", "duty_zh", "remedy", "remedy_zh"), _TEXT),
        "field": _MAYBE,
    }
    reason = _object(
        ["code"],
        **explained,
        **dict.fromkeys(("value", "message"), {**_MAYBE, "description": raw}),
    )
    issue = _object(
        ["code", "severity", "count"],
        **explained,
        severity=_MAYBE,
        record={**_MAYBE, "description": "one of the records"},
        count=_NUMBER,
        detail={**_MAYBE, "description": raw},
    )
    row = _object(
        ["place", "record", "reasons"],
        place={**_TEXT, "description": "where it stands in the file"},
        record={**_TEXT, "description": "key of the record"},
        reasons=_list(reason),
    )
    return {
        "tryout": _object(
            ["feed", "name", "sound", "go", "why", "rows_in", "accepted", "rejected_rows", "rejected", "issues"],
            **dict.fromkeys(("feed", "name"), _TEXT),
            sound={**_FLAG, "description": "全部可收 · everything would be taken"},
            go={**_FLAG, "description": "false: 整批不收 · nothing would be taken"},
            why={**_TEXT, "description": "what stops the batch, in Chinese"},
            rows_in={**_NUMBER, "description": "rows_in = accepted + rejected_rows"},
            accepted=_NUMBER,
            rejected_rows={**_NUMBER, "description": "rows that would go to quarantine"},
            tombstones={**_NUMBER, "description": "of the accepted: rows that delete a record"},
            rows={"type": "object", "description": "rows by entity", "additionalProperties": _NUMBER},
            rejected={**_list(row), "description": "the first 200 of them, each with every reason"},
            issues={**_list(issue), "description": "what would be told and stops nothing"},
        )
    }


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
    responses: dict[int | str, dict[str, Any]] = {
        200: {"description": text, "content": {media_type: {"schema": ref(schema)}}},
        304: {"description": "未变 · not modified"},
    }
    for status, about in _PROBLEMS.items():
        responses[status] = {"description": about, "content": {"application/problem+json": {"schema": ref("Problem")}}}
    return responses
