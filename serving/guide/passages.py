"""What the guide may cite: a passage a side of an item (limit, materials, order …), each rule, each general question.

Items come from the catalogue in force (M1's in the store); rules and questions from the declarations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import Connection

from core import declared, settings
from serving.query.listing import Filter, select

TOPICS = settings.ROOT / "serving" / "guide" / "topics.yaml"
ASPECTS = {
    "about": "事项概况",
    "limit": "办理时限",
    "materials": "申请材料",
    "order": "办理顺序",
    "department": "办理部门",
    "condition": "适用条件",
    "result": "办理结果",
}


class Topic(BaseModel):
    """A general question and its answer, with where it stands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    asks: list[str]
    text: str
    source: str


class Topics(BaseModel):
    """``names``: item → what people call it; ``asks``: aspect → how people ask for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: dict[str, list[str]]
    asks: dict[str, list[str]]
    topics: list[Topic]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sentence stands: a title for people, the place, and a link into the API."""

    title: str
    place: str
    link: str


@dataclass(frozen=True, slots=True)
class Passage:
    """``about``: what it speaks of, by which it is found (names, then how one asks); ``text``: the sentence that is cited."""

    id: str
    title: str
    text: str
    source: Source
    names: tuple[str, ...]
    asks: tuple[str, ...]


@cache
def topics() -> Topics:
    """:raises ConfigurationError: topics.yaml is wrong, with file and line."""
    document = declared.read(TOPICS)
    found = declared.build(document, Topics)
    if unknown := set(found.asks) ^ set(ASPECTS):
        raise document.error(("asks",), f"the aspects are {', '.join(ASPECTS)}; not {', '.join(sorted(unknown))}")
    return found


def gather(connection: Connection, on: date, rules: Mapping[str, str]) -> list[Passage]:
    """Every passage as of a day. ``rules``: code → name of the rules that are on."""
    in_force = Filter().where(
        "(v.valid_from is null or v.valid_from <= :day) and (v.valid_to is null or v.valid_to >= :day)", day=on
    )
    latest: dict[str, dict[str, Any]] = {}
    for row in select(
        connection, "item", in_force, order="v.item_code, v.valid_from nulls first, v.version", limit=100_000
    ):
        latest[row["item_code"]] = row  # where versions overlap the later one holds
    return [*of_items(latest.values()), *_general(), *_rules(rules)]


def of_items(items: Iterable[Mapping[str, Any]]) -> list[Passage]:
    """The passages of catalogue rows (columns of ``schemas/entities/item.yaml``)."""
    rows = {row["item_code"]: row for row in items}
    called = topics().names
    built = []
    for code, row in rows.items():
        source = Source(
            f"事项清单 {code} 第 {row['version']} 版", f"M1 items · {code}|{row['version']}", f"/v1/items?q={code}"
        )
        names = (row["item_name"] or code, code, *called.get(code, ()))
        for aspect, text in _sides(row, rows).items():
            title = f"{row['item_name']} · {ASPECTS[aspect]}"
            built.append(Passage(f"{code}/{aspect}", title, text, source, names, tuple(topics().asks[aspect])))
    return built


def _sides(row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    name = row["item_name"] or row["item_code"]
    parts = {
        "about": f"{name}（{row['item_code']}）是第 {row['stage']} 阶段的{row['kind'] or '事项'}，由{row['department'] or '（牵头部门待定）'}牵头办理。",
        "limit": f"{name}：{_limits(row)}",
        "department": f"{name}由{row['department'] or '（牵头部门待定）'}牵头"
        + (f"，参与部门：{row['departments'].replace('/', '、')}。" if row["departments"] else "。"),
        "order": f"{name}：{_order(row, rows)}",
        "condition": f"{name}：{_conditions(row)}",
    }
    if row["materials"]:
        listed = "、".join(
            m.get("name", "")
            + ("" if m.get("required", True) else "（非必需）")
            + (f"〔{m['medium']}〕" if m.get("medium") else "")
            for m in row["materials"]
        )
        parts["materials"] = f"{name}需要 {len(row['materials'])} 份材料：{listed}。"
    if row["result_document"]:
        parts["result"] = f"{name}办结后取得：{row['result_document']}。"
    return parts


def _limits(row: Mapping[str, Any]) -> str:
    def said(of: Mapping[str, Any]) -> str:
        parts = []
        for kind, word in (("promised", "承诺时限"), ("statutory", "法定时限")):
            limit = of.get(f"{kind}_limit")
            if limit is not None:
                parts.append(
                    f"{word}当日办结" if limit == 0 else f"{word} {limit} 个{of.get(f'{kind}_unit') or '工作日'}"
                )
        return "，".join(parts)

    text = said(row) or "清单未规定办理时限"
    if row["variant"]:
        text = f"情形“{row['variant']}”" + text
    others = [f"情形“{v.get('variant')}”{said(v)}" for v in row["variants"] or [] if said(v)]
    note = f"；公告公示至少 {row['min_days']} 天" if row["min_days"] else ""
    return "；".join([text, *others]) + note + "。自受理之日起算。"


def _order(row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> str:
    def named(code: str) -> str:
        return f"{rows[code]['item_name']}（{code}）" if code in rows else code

    before = row["prerequisites"] or []
    soft = set(row["soft_prerequisites"] or [])
    together = {
        c for c in before if row["parallel_group"] and rows.get(c, {}).get("parallel_group") == row["parallel_group"]
    }
    parts = []
    if hard := [c for c in before if c not in soft | together]:
        parts.append("须先办" + "、".join(map(named, hard)))
    if together:
        parts.append("可与" + "、".join(named(c) for c in before if c in together) + "并联办理")
    if later := [c for c in before if c in soft - together]:
        parts.append("拿地即开工、容缺项目可后补" + "、".join(map(named, later)))
    return ("；".join(parts) if parts else "没有前置事项") + "。前置事项只在该项目应办时有效。"


def _conditions(row: Mapping[str, Any]) -> str:
    condition = row["applies_when"]
    text = f"适用于具备下列条件之一的项目：{condition.replace('|', '、')}" if condition else "所有项目都要办理"
    if row["process_types"]:
        text += f"；审批流程类型限 {'、'.join(map(str, row['process_types']))}"
    return text + ("；一个项目可以办理多件。" if row["multiple"] else "。")


def _general() -> list[Passage]:
    return [
        Passage(f"topic/{t.id}", t.title, t.text, Source(t.title, t.source, ""), (t.title,), tuple(t.asks))
        for t in topics().topics
    ]


def _rules(rules: Mapping[str, str]) -> list[Passage]:
    return [
        Passage(
            f"rule/{code}",
            f"督办规则 {code} {name}",
            f"督办规则 {code} 为“{name}”，发现为疑似，待人工确认；规则全文见规则清单。",
            Source(f"督办规则 {code}", f"docs/rules.md · Findings · {code}", f"/v1/findings?rule={code}"),
            (code, name),
            ("规则", "发现", "是什么意思", "什么是"),
        )
        for code, name in rules.items()
    ]
