"""``onemap why case, finding``: what convinces a department, each day and how it counted, each piece of evidence and where it came from."""

from __future__ import annotations

from typing import Any

import typer

from cli import output
from cli.context import AsOf, Json, day, group
from core import clock

app = typer.Typer()
why = group(app, "why", "为什么 · what convinces a department")


@why.command()
def case(number: str, as_of: AsOf = None, as_json: Json = False) -> None:
    """办件 · Each day and how it counted; any system's number."""
    from supervision import explain

    cases = explain.case(number, day(as_of) or clock.today())
    if as_json:
        output.rows_as_json(cases)
    else:
        for one in cases:
            _show_case(one)


@why.command()
def finding(finding_id: str, as_json: Json = False) -> None:
    """发现 · Its evidence with source, receipt and time; what would lift it; what may explain it."""
    from supervision import explain

    explained = explain.finding(finding_id)
    output.rows_as_json(explained) if as_json else _show_finding(explained)


def _show_case(explained: dict[str, Any]) -> None:
    output.out.print(
        f"办件 {explained['case_no']}  {explained['item_code'] or ''} {explained['item_name'] or ''}  项目 {explained['project_code'] or '—'}",
        markup=False,
    )
    output.out.print(
        "  各系统编号  " + "、".join(f"{n['channel']} {n['case_no']}" for n in explained["numbers"]), markup=False
    )
    for which, zh in (("promised", "承诺"), ("statutory", "法定")):
        limit = explained["limits"][which]
        if limit["limit"] is not None:
            output.out.print(f"  {zh}时限 {limit['limit']} {limit['unit']}  已用 {limit['used']}  到期 {limit['due']}")
    marks = [
        zh for name, zh in (("deemed", "视为受理"), ("suspended", "暂停中"), ("provisional", "暂估")) if explained[name]
    ]
    output.out.print(f"  灯 {explained['light'] or '—'}  {' '.join(marks)}  截至 {explained['as_of']}")
    if explained["not_judged"]:
        output.out.print(f"  {explained['not_judged']}", markup=False)
    output.table(
        ("时间", "事件", "来源", "记录", "版本", "采信"),
        [
            (t["at"], t["event_zh"], t["channel"], t["source_ref"] or "", t["version"], "✓" if t["counts"] else "")
            for t in explained["times"]
        ],
        "时间来源",
    )
    if explained["pauses"]:
        output.table(
            ("暂停", "起", "止", "批准至", "计至", "说明"),
            [
                (
                    p["kind"],
                    p["started_at"],
                    p["ended_at"] or "",
                    p["granted_until"] or "",
                    p["counts_until"] or "",
                    p["ignored"] or "",
                )
                for p in explained["pauses"]
            ],
            "暂停",
        )
    output.table(
        ("日期", "", "", "承诺", "法定"),
        [
            (
                f"{d['day']}{' 暂估' if d['provisional'] else ''}",
                d["weekday"],
                d["kind"],
                str(d.get("promised", "")),
                str(d.get("statutory", "")),
            )
            for d in explained["days"]
        ],
        "逐日",
    )
    for issue in explained["issues"]:
        output.out.print(f"  ⚠ {issue['at'] or ''} {issue['zh']}", markup=False)
    for one in explained["findings"]:
        output.out.print(f"  {one['id']} {one['rule']} {one['state']} {one['text']}", markup=False)


def _show_finding(explained: dict[str, Any]) -> None:
    output.out.print(
        f"{explained['id']}  {explained['rule']} {explained['rule_name'] or ''}  {explained['standing']}  严重程度 {explained['severity']}  {explained['level'] or explained['kind'] or ''}",
        markup=False,
    )
    output.out.print(f"  {explained['text']}", markup=False)
    output.out.print(
        f"  责任部门 {explained['department_name'] or '—'}  立 {explained['opened_on']}  消 {explained['closed_on'] or '—'}",
        markup=False,
    )
    if explained["order"]:
        output.out.print(f"  工单 {explained['order']['no']} {explained['order']['state']}", markup=False)
    for row in explained["evidence"]:
        fields = "  ".join(f"{k}={v}" for k, v in row["fields"].items())
        output.out.print(f"  证据 {row['row']}  {fields}", markup=False)
        output.table(
            ("来源", "数据项", "记录", "回执", "收到", "入库", "映射版本"),
            [
                (
                    s["source"],
                    s["feed"],
                    s["record_key"],
                    s["receipt_id"],
                    s["received_at"],
                    f"{s['recorded_at']:%Y-%m-%d %H:%M:%S}",
                    s["mapping_version"],
                )
                for s in row["sources"]
            ],
        )
    output.out.print(f"  如何消除  {explained['lifted_by'] or '—'}", markup=False)
    output.out.print(f"  可能的正当解释  {'；'.join(explained['innocent']) or '—'}", markup=False)
    output.table(
        ("判定日", "事项", "何人", "何故"),
        [(e["as_of"], e["event_zh"], e["by"], e["why"] or "") for e in explained["life"]],
        "履历",
    )
    if explained["waiting"]:
        output.table(
            ("规则", "事项", "办件", "等待"),
            [(w["rule"], w["item_code"], w["case_no"], "、".join(w["waits_for"])) for w in explained["waiting"]],
            "本项目未判定",
        )
