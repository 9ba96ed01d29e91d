"""The lists that people work through, 发现 findings, 办件 cases, 工单 work orders: filtered, sorted, a page at a time or whole for a file.

Each list is one query over the views, so a town or a department sees its rows; filters and orders are fixed text, chosen by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError
from serving.access import towns
from supervision import limits
from supervision.orders.life import STATE_ZH

PAGE = 50
MOST = 200_000  # rows of a file

STANDING_ZH = {"open": "疑似，待核", "confirmed": "已确认", "lifted": "误报", "closed": "已消除"}
SEVERITY_ZH = {1: "提示", 2: "一般", 3: "严重"}
#: state of a work order → whose turn it is
TURN_ZH = {
    "dispatched": "责任部门签收",
    "signed": "责任部门反馈",
    "answered": "督办员核销",
    "disputed": "督办员判定误报",
    "closed": "—",
}
_CLOCK = """c.light, c.promised_limit, c.promised_unit, c.used_promised, c.due_promised,
       c.statutory_limit, c.statutory_unit, c.used_statutory, c.due_statutory"""


@dataclass(frozen=True, slots=True)
class Listing:
    """``columns``: name → (Chinese title, SQL to sort by); ``filters``: name → condition with ``:name``; ``first``: the order without a choice."""

    name: str
    zh: str
    sql: str
    columns: Mapping[str, tuple[str, str]]
    filters: Mapping[str, str]
    first: str
    key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a list: ``by`` filter → value, ``sort`` a column, ``-`` before it: downwards."""

    by: dict[str, Any] = field(default_factory=dict)
    sort: str | None = None


_DEPARTMENT = "{0} in (:department, substr(:department, 9, 9))"
_LATE = f"({limits.running_overdue_sql('c')})"

LISTS: dict[str, Listing] = {
    "findings": Listing(
        "findings",
        "发现",
        f"""select f.id, f.rule, f.project_code, p.project_name, p.town_code, f.item_code, f.case_no, f.case_id, f.level, f.kind, f.severity,
       f.department_code, f.department_name, f.text, f.state, f.opened_on, f.closed_on, f.decision_note, o.no as order_no,
       o.state as order_state, o.due_on, o.urged_on, o.escalated_on, c.item_name, {_CLOCK}
from asked.finding f left join asked.project p on p.id = f.project_code left join asked.work_order o on o.finding_id = f.id
     left join asked."case" c on c.id = f.case_id""",
        {
            "severity": ("严重程度", "f.severity"),
            "rule": ("规则", "f.rule"),
            "project": ("项目", "p.project_name"),
            "town": ("镇街", "p.town_code"),
            "text": ("内容（疑似，待核）", "f.text"),
            "clock": (
                "时限",
                "coalesce(greatest(c.used_promised - c.promised_limit, c.used_statutory - c.statutory_limit), -9999)",
            ),
            "department": ("责任部门", "f.department_name"),
            "state": ("状态", "f.state"),
            "turn": ("工单 · 轮到谁", "o.state"),
            "opened": ("出现日", "f.opened_on"),
        },
        {
            "q": "(f.project_code = :q or f.case_no = :q or f.id = :q or p.project_name like '%' || :q || '%')",
            "rule": "f.rule = :rule",
            "severity": "f.severity = cast(:severity as int)",
            "state": "f.state = any(case when :state = 'standing' then array['open', 'confirmed'] else array[:state] end)",
            "department": _DEPARTMENT.format("f.department_code"),
            "town": "p.town_code = :town",
            "project": "f.project_code = :project",
            "since": "f.opened_on >= cast(:since as date)",
        },
        "f.severity desc, f.opened_on desc, f.id",
        "f.id",
    ),
    "cases": Listing(
        "cases",
        "办件",
        f"""select c.id, c.case_no, c.project_code, p.project_name, p.town_code, c.item_code, c.item_name, c.department_code, c.department_name,
       c.acceptance_on, c.ended_at, c.paused, {_CLOCK}
from asked."case" c left join asked.project p on p.id = c.project_code""",
        {
            "light": ("灯", "array_position(array['双红', '红', '黄', '蓝', '绿', '灰'], c.light)"),
            "item": ("事项", "c.item_name"),
            "case": ("办件编号", "c.case_no"),
            "project": ("项目", "p.project_name"),
            "town": ("镇街", "p.town_code"),
            "department": ("部门", "c.department_name"),
            "accepted": ("受理", "c.acceptance_on"),
            "clock": ("时限", "greatest(c.used_promised - c.promised_limit, c.used_statutory - c.statutory_limit)"),
            "ended": ("办结", "c.ended_at"),
            "turn": ("轮到谁", "c.paused"),
        },
        {
            "q": "(c.project_code = :q or c.case_no = :q or c.id = :q or p.project_name like '%' || :q || '%' or c.item_name like '%' || :q || '%')",
            "late": f"case :late when 'running' then {_LATE} when 'all' then {limits.overdue_sql('c')} when 'soon' then c.light = '黄'"
            " when 'ended' then c.ended_at is not null and c.acceptance_on is not null when 'accepted' then c.acceptance_on is not null"
            " else c.ended_at is null end",
            "light": "c.light = :light",
            "department": _DEPARTMENT.format("c.department_code"),
            "town": "p.town_code = :town",
            "project": "c.project_code = :project",
            "item": "c.item_code = :item",
            "named": """coalesce(c.department_name, (select i.department from asked.item i where i.item_code = c.item_code
                        order by i.valid_from desc nulls last limit 1)) = :named""",
            "handled": "left(c.town_code, 9) = :handled",
            "ended": "extract(year from c.ended_at) = cast(:ended as int)",
            "accepted": "extract(year from c.acceptance_on) = cast(:accepted as int)",
        },
        "array_position(array['双红', '红', '黄', '蓝', '绿', '灰'], c.light) nulls last, c.due_promised, c.id",
        "c.id",
    ),
    "orders": Listing(
        "orders",
        "工单",
        f"""select o.no, o.finding_id, o.rule, o.project_code, p.project_name, p.town_code, o.item_code, o.case_no, f.case_id, f.text, o.severity,
       o.department_code, o.department_name, o.state, o.dispatched_at, o.due_on, o.urged_on, o.escalated_on, o.result, o.answer, o.closed_at,
       c.item_name, {_CLOCK}
from asked.work_order o left join asked.project p on p.id = o.project_code left join asked.finding f on f.id = o.finding_id
     left join asked."case" c on c.id = f.case_id""",
        {
            "no": ("工单", "o.no"),
            "severity": ("严重程度", "o.severity"),
            "rule": ("规则", "o.rule"),
            "project": ("项目", "p.project_name"),
            "town": ("镇街", "p.town_code"),
            "text": ("事由", "f.text"),
            "department": ("责任部门", "o.department_name"),
            "state": ("状态", "o.state"),
            "turn": ("轮到谁", "o.state"),
            "due": ("本环节到期", "o.due_on"),
            "dispatched": ("派单", "o.dispatched_at"),
            "escalated": ("催办 / 督办", "coalesce(o.escalated_on, o.urged_on)"),
        },
        {
            "q": "(o.no = :q or o.project_code = :q or o.case_no = :q or p.project_name like '%' || :q || '%')",
            "rule": "o.rule = :rule",
            "state": "o.state = any(case when :state = 'running' then array['dispatched', 'signed', 'answered', 'disputed'] else array[:state] end)",
            "department": _DEPARTMENT.format("o.department_code"),
            "town": "p.town_code = :town",
            "project": "o.project_code = :project",
            "overdue": "(o.due_on < :today and o.state <> 'closed')",
            "escalated": "o.escalated_on is not null",
        },
        "o.escalated_on nulls last, o.due_on nulls last, o.no",
        "o.no",
    ),
}


def page(connection: Connection, name: str, asked: Asked, number: int = 1) -> tuple[list[dict[str, Any]], int]:
    """(rows of a page, number of all rows). :raises ConfigurationError: an order that there is not."""
    sql, values = _statement(LISTS[name], asked)
    total = connection.execute(sa.text(f"select count(*) from ({sql}) x"), values).scalar_one()
    ordered = f"{sql} order by {_order(LISTS[name], asked.sort)} limit :limit_ offset :offset_"
    rows = connection.execute(sa.text(ordered), {**values, "limit_": PAGE, "offset_": (number - 1) * PAGE})
    return [described(name, dict(row)) for row in rows.mappings()], total


def whole(connection: Connection, name: str, asked: Asked) -> Iterator[dict[str, Any]]:
    """Every row that is asked for, at most :data:`MOST`, as it comes."""
    sql, values = _statement(LISTS[name], asked)
    ordered = sa.text(f"{sql} order by {_order(LISTS[name], asked.sort)} limit :limit_")
    streamed = connection.execution_options(stream_results=True, yield_per=2000)
    for row in streamed.execute(ordered, {**values, "limit_": MOST}).mappings():
        yield described(name, dict(row))


def _statement(listing: Listing, asked: Asked) -> tuple[str, dict[str, Any]]:
    chosen = {name: value for name, value in asked.by.items() if value not in (None, "") and name in listing.filters}
    where = " and ".join(f"({listing.filters[name]})" for name in chosen) or "true"
    if ":today" in where:
        chosen = {**chosen, "today": clock.today()}
    return f"{listing.sql} where {where}", {name: v for name, v in chosen.items() if f":{name}" in where}


def _order(listing: Listing, sort: str | None) -> str:
    if not sort:
        return listing.first
    name, down = sort.removeprefix("-"), sort.startswith("-")
    if name not in listing.columns:
        known = ", ".join(listing.columns)
        raise ConfigurationError(
            f"no order {name!r}", remedy=f"one of {known}", zh=f"不能按 {name} 排序，可用：{known}。"
        )
    return f"{listing.columns[name][1]} {'desc nulls last' if down else 'asc nulls last'}, {listing.key}"


def described(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row with what people read of it: names of towns and states, the clock in words, whose turn it is."""
    row["town_name"] = short_town(row.get("town_code"))
    row["limits"] = limits.of(row)
    row["clock"] = "；".join(limit.short for limit in row["limits"])
    row["clock_long"] = limits.verdict(row["limits"])
    if name == "cases":
        row["turn"] = (
            "—"
            if row["ended_at"]
            else "企业补正等（时钟暂停）"
            if row["paused"]
            else row["department_name"] or "责任部门"
        )
        return row
    state = row["order_state"] if name == "findings" else row["state"]
    row["state_zh"] = STANDING_ZH[row["state"]] if name == "findings" else STATE_ZH[row["state"]]
    row["turn"] = TURN_ZH.get(state or "", "未派单")
    row["severity_zh"] = SEVERITY_ZH.get(row["severity"], "")
    return row


def short_town(code: str | None) -> str:
    """东莞市长安镇人民政府 → 长安镇; — without a code."""
    name = towns().get((code or "")[:9], "—").removeprefix("东莞市").removeprefix("东莞")
    for tail in ("人民政府", "街道办事处", "高新技术产业开发区管理委员会"):
        name = name.replace(tail, "")
    return name
