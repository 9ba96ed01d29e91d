"""我要查: where a project or a case is, whose turn it is, and why."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving import search
from serving.query.listing import Filter, select

MOST = 20
_PROJECT = [
    "id",
    "project_name",
    "applicant_name",
    "town_name",
    "current_stage",
    "current_stage_name",
    "finished",
    "current_items",
    "light",
    "judged_on",
]
_CASE = """
select v.id, v.case_no, v.project_code, v.item_code, v.item_name, v.department_name, v.acceptance_on, v.ended_at, v.end_event,
       v.used_promised, v.promised_limit, v.promised_unit, v.due_promised, v.due_statutory, v.paused, v.light,
       s.kind as special, s.started_at as special_from
from asked."case" v
left join lateral (select p.kind, p.started_at from asked.special_procedure p
                   where p.case_id = v.id and p.ended_at is null and v.ended_at is null
                   order by p.started_at desc nulls last limit 1) s on true
where (v.project_code = any(:codes) and v.ended_at is null) or v.case_no = :number or v.id = :number
order by (v.ended_at is null) desc, v.due_promised nulls last, v.id limit :most"""
ENDED = {
    "DONE_OK": "办结，通过",
    "DONE_TOLERANT": "办结，容缺通过",
    "DONE_FAIL": "办结，不通过",
    "DONE_RETURNED": "退回办结",
    "REJECTED_INTAKE": "不予受理",
    "WITHDRAWN": "已撤件",
    "LAPSED": "补正逾期未交，视为放弃",
}
_SPECIAL = {"A": "延长审批期限", "B": "听证、招标、拍卖、公示等法定程序"}


def find(connection: Connection, question: str, limit: int) -> list[dict[str, Any]]:
    """Projects that the question names, by code, case number, any part of name or enterprise; all that are shown where nothing is
    asked. The one that needs somebody most comes first."""
    where = Filter()
    if question:
        grams, text = search.wanted(question) or ([], "")
        where.where(
            """(v.id = :question or v.id in (select serving.found(:grams, :text))
                or v.id in (select c.project_code from asked."case" c where c.case_no = :question or c.id = :question))""",
            question=question,
            grams=grams,
            text=text,
        )
    order = (
        "coalesce(v.finished, false), array_position(array['双红', '红', '待数据', '黄', '蓝', '绿'], v.light), v.id"
    )
    rows = select(connection, "project", where, fields=_PROJECT, order=order, limit=limit)
    return [{**row, "code": row["id"], "turns": row["current_items"] or []} for row in rows]


def cases(connection: Connection, question: str, codes: list[str]) -> list[dict[str, Any]]:
    """Running cases of these projects, and the one whose number was asked for, each with ``turn`` and ``why``."""
    rows = connection.execute(sa.text(_CASE), {"codes": codes, "number": question, "most": 5 * MOST}).mappings()
    return [{**row, **dict(zip(("turn", "why"), _turn(dict(row)), strict=True))} for row in rows]


def _turn(case: dict[str, Any]) -> tuple[str, str]:
    """(whose turn, why): the words of docs/rules.md, "Whose time"."""
    department = case["department_name"] or "办理部门"
    if case["ended_at"] is not None:
        return "已办结", ENDED.get(case["end_event"], "已结束")
    if case["special"]:
        since = f"，自 {case['special_from']:%Y-%m-%d} 起" if case["special_from"] else ""
        return department, f"{_SPECIAL.get(case['special'], '特别程序')}进行中{since}，期间不计办理时限"
    if case["paused"]:
        return "企业", "等待企业补齐补正材料，期间不计办理时限"
    if case["acceptance_on"] is None:
        return department, "已接件，等待受理决定；5 个工作日内不告知的，视为受理"
    if case["light"] == "待数据":
        return department, "办理系统的数据未到齐，是否已办结尚不能判定"
    if case["light"] in ("红", "双红"):
        limit = "法定时限" if case["light"] == "双红" else "承诺时限"
        return department, f"部门办理已超{limit}（{case['due_promised'] or case['due_statutory']} 到期）"
    due = case["due_promised"] or case["due_statutory"]
    if due is None:
        return department, f"自 {case['acceptance_on']} 受理，事项没有时限"
    used = f"，已用 {case['used_promised']} 个{case['promised_unit']}" if case["used_promised"] is not None else ""
    return department, f"自 {case['acceptance_on']} 受理{used}，{due} 到期"
