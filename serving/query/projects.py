"""One project, whole: 一键查看项目全图, and where it stands: 一键定位."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import shapely
import sqlalchemy as sa
from shapely.geometry import shape
from sqlalchemy.engine import Connection

from serving.query.listing import Filter, one, select
from store.engine import transaction
from supervision import limits

#: part → (view, condition over v, order, with geometry)
_BY_CODE = "v.project_code = :code"
PARTS: dict[str, tuple[str, str, str | None, bool]] = {
    "stages": ("project_stage", _BY_CODE, None, False),
    "items": ("project_item", f"{_BY_CODE} and v.expected is not false", "v.stage, v.item_code", False),
    "cases": ("case", _BY_CODE, "coalesce(v.submitted_at, v.accepted_at), v.id", False),
    "events": (
        "case_event",
        """v.case_id in (select c.id from asked."case" c where c.project_code = :code)""",
        "v.at nulls last, v.id",
        False,
    ),
    "special_procedures": (
        "special_procedure",
        """v.case_id in (select c.id from asked."case" c where c.project_code = :code)""",
        "v.started_at nulls last, v.id",
        False,
    ),
    "findings": ("finding", _BY_CODE, "v.severity desc, v.opened_on, v.id", False),
    "orders": ("work_order", _BY_CODE, "v.dispatched_at, v.no", False),
    "licences": ("licence", _BY_CODE, "v.issued_at nulls last, v.id", False),
    "land_approvals": ("land_approval", _BY_CODE, "v.approved_at nulls last, v.id", True),
    "redlines": ("redline", _BY_CODE, None, True),
    "parcels": ("parcel", _BY_CODE, None, True),
    "engineering": ("engineering", _BY_CODE, None, False),
    "scenes": (
        "scene",
        f"({_BY_CODE} or v.id in (select serving.in_box('scene', b.geom_box) from serving.boxes_of(:code) b))",
        "v.taken_at desc nulls last, v.id",
        True,
    ),
    "change_polygons": (
        "change_polygon",
        "v.id in (select serving.in_box('change_polygon', b.geom_box) from serving.boxes_of(:code) b)",
        "v.seen_after desc nulls last, v.id",
        True,
    ),
}
MAX_ROWS = 1000
_BY_SHAPE = ("scenes", "change_polygons")


def project(connection: Connection, code: str, fields: Iterable[str] | None = None) -> dict[str, Any] | None:
    """The project's own row with position and light, or None: there is none, or it is not shown."""
    return one(connection, "project", Filter().where("v.id = :code", code=code), fields=fields)


def merged_into(code: str) -> str | None:
    """The code that a merged or rewritten one means now. Tells nothing of the project: ask for it again under its code."""
    with transaction() as connection:
        return connection.execute(
            sa.text("select project_id from store.project_alias where alias = :code and project_id <> alias"),
            {"code": code},
        ).scalar()


def full(connection: Connection, code: str, parts: Iterable[str] | None = None) -> dict[str, Any] | None:
    """Everything of a project: ``project`` and each of :data:`PARTS`, a query a part, at most 1,000 rows each.

    ``truncated`` names the parts that have more. Scenes and change polygons are those that touch a red line of the project.
    None: there is no such project, or it is not shown.
    """
    found = project(connection, code)
    if found is None:
        return None
    wanted = [part for part in PARTS if parts is None or part in set(parts)]
    answer: dict[str, Any] = {"project": found}
    truncated = []
    for part in wanted:
        view, condition, order, geometry = PARTS[part]
        rows = select(
            connection, view, Filter().where(condition, code=code), order=order, geometry=geometry, limit=MAX_ROWS + 1
        )
        if len(rows) > MAX_ROWS:
            truncated.append(part)
        answer[part] = rows[:MAX_ROWS]
    _touching(connection, code, answer)
    answer["truncated"] = truncated
    return answer


def _touching(connection: Connection, code: str, answer: dict[str, Any]) -> None:
    """Of what the boxes found, keep what really touches the red line."""
    if not any(part in answer for part in _BY_SHAPE):
        return
    lines = answer.get("redlines")
    if lines is None:
        lines = select(connection, "redline", Filter().where(_BY_CODE, code=code), fields=["geom"])
    area = shapely.union_all([shapely.make_valid(shape(line["geom"])) for line in lines if line["geom"]])
    for part in _BY_SHAPE:
        if part in answer:
            answer[part] = [
                row
                for row in answer[part]
                if row.get("project_code") == code
                or (row["geom"] and shapely.intersects(shapely.make_valid(shape(row["geom"])), area))
            ]


def position(connection: Connection, code: str) -> dict[str, Any] | None:
    """Where a project stands: its stages, current items, whose turn it is, what runs late; None: not shown."""
    found = project(
        connection,
        code,
        [
            "project_code",
            "project_name",
            "town_code",
            "town_name",
            "current_stage",
            "current_stage_name",
            "finished",
            "current_items",
            "light",
            "open_findings",
            "judged_on",
        ],
    )
    if found is None:
        return None
    by_code = Filter().where(_BY_CODE, code=code)
    found["stages"] = select(
        connection, "project_stage", by_code, fields=["stage", "stage_name", "state", "completed_at"]
    )
    found["running_cases"] = select(
        connection,
        "case",
        Filter().where(f"{_BY_CODE} and v.ended_at is null and v.acceptance_on is not null", code=code),
        fields=[
            "id",
            "case_no",
            "item_code",
            "item_name",
            "department_name",
            "acceptance_on",
            "used_promised",
            "promised_limit",
            "promised_unit",
            "due_promised",
            "used_statutory",
            "statutory_limit",
            "statutory_unit",
            "due_statutory",
            "paused",
            "light",
        ],
        order="v.due_promised nulls last, v.id",
    )
    found["summary"] = _sentence(found)
    return found


def _sentence(found: dict[str, Any]) -> dict[str, str]:
    """The position in one sentence, Chinese and English."""
    current = found["current_items"] or []
    if found["finished"]:
        return {"zh": "全部阶段已办结。", "en": "All stages are done."}
    if found["current_stage"] is None:
        return {"zh": "尚未启动，或未能判定。", "en": "Not begun, or not judged yet."}
    first = next((item for item in current if item["stage"] == found["current_stage"]), current[0] if current else None)
    zh = f"当前处于第 {found['current_stage']} 阶段“{found['current_stage_name']}”"
    en = f"Stage {found['current_stage']}, {found['current_stage_name']}"
    if first:
        zh += f"，当前事项“{first['item_name']}”（{first['item_code']}），{first['turn']}（{first['department'] or '部门未定'}）"
        en += f": item {first['item_code']}, {'the applicant acts' if first['turn'] == '待企业申报' else 'the department acts'}"
        if len(current) > 1:
            zh += f"，另有 {len(current) - 1} 个事项可办"
            en += f"; items open to it besides: {len(current) - 1}"
    late = [case for case in found["running_cases"] if case["light"] in limits.LATE]
    if late:
        worst = max(late, key=lambda case: limits.over(limits.of(case)))
        zh += f"；在办超期 {len(late)} 件，其中“{worst['item_name']}”{limits.verdict(limits.of(worst))}"
        en += f"; running cases overdue: {len(late)}"
    return {"zh": zh + "。", "en": en + "."}
