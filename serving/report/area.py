"""The analysis report of a town or a department: its projects by stage and light, cases against limits, findings, what next."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa

from core import clock
from serving import rulebook
from serving.access import Grant, departments, reading, towns
from serving.query import freshness
from serving.query.city import NO_LIGHT, Filters, board, chosen, city
from serving.report import charts
from serving.report.content import NOTE, Facts, Figure, Heading, Paragraph, Points, Report, Table
from supervision import limits
from supervision.orders.life import STATE_ZH

Area = Literal["town", "department"]
_SHOWN = 30
_COUNTED = {"running_overdue": limits.running_overdue_sql("c"), "overdue": limits.overdue_sql("c")}

_CASES = """
select count(*) as cases, count(*) filter (where c.ended_at is null) as running, count(*) filter (where c.ended_at is not null) as ended,
       count(*) filter (where c.promised_limit is not null and c.ended_at is not null and c.acceptance_on is not null) as limited,
       count(*) filter (where c.promised_limit is not null and c.ended_at is not null and c.acceptance_on is not null
                        and c.used_promised <= c.promised_limit and coalesce(c.used_statutory <= c.statutory_limit, true)) as on_time,
       count(*) filter (where {running_overdue}) as late, count(*) filter (where {overdue}) as overdue, count(*) filter (where c.light = '黄') as soon
from asked."case" c where {where}"""
_LATE = """
select p.id as code, p.project_name, c.case_no, c.item_name, c.department_name, c.light, c.used_promised, c.promised_limit, c.promised_unit,
       c.due_promised, c.used_statutory, c.statutory_limit, c.statutory_unit, c.due_statutory
from asked."case" c join asked.project p on p.id = c.project_code where {where} and {running_overdue}
order by greatest(c.used_promised - c.promised_limit, c.used_statutory - c.statutory_limit) desc, c.id limit :shown"""
_FINDINGS = """
select f.rule, f.severity, f.department_name, f.town_code, f.project_name, f.text, f.state, f.no, f.order_state, f.due_on, f.urged_on, f.escalated_on
from (select x.*, p.town_code, p.project_name, o.no, o.state as order_state, o.due_on, o.urged_on, o.escalated_on
      from asked.finding x join asked.project p on p.id = x.project_code left join asked.work_order o on o.finding_id = x.id) f
where f.state in ('open', 'confirmed') and {where} order by f.severity desc, f.rule, f.id"""


def of_area(grant: Grant, kind: Area, code: str) -> Report | None:
    """None: there is no such town or department, or nothing of it is shown.

    :param code: a town's 9 digits, a department's 18 characters, or a name or a part of it that means one alone.
    """
    found = named(kind, code)
    if found is None:
        return None
    code, name = found
    seen = city(grant)
    rows = chosen(seen, grant, Filters(**{kind: code}))
    if rows.is_empty():
        return None
    day = seen.as_of or clock.today()
    report = Report(
        f"{'镇街' if kind == 'town' else '部门'}分析报告_{name}_{day:%Y%m%d}",
        f"{name}投资项目分析报告",
        f"截至 {day:%Y-%m-%d}",
        day,
        freshness.freshness().line,
    )
    with reading(grant) as connection:
        if kind == "town":
            case, finding, values = (
                "c.project_code = any(:projects)",
                "f.project_code = any(:projects)",
                {"projects": rows["code"].to_list()},
            )
        else:
            case, finding, values = (
                "c.department_code = any(:codes)",
                "f.department_code = any(:codes)",
                {"codes": [code, code[8:17]]},
            )
        totals = dict(connection.execute(sa.text(_CASES.format(where=case, **_COUNTED)), values).one()._mapping)
        late = [
            dict(r)
            for r in connection.execute(
                sa.text(_LATE.format(where=case, **_COUNTED)), {**values, "shown": _SHOWN}
            ).mappings()
        ]
        findings = [dict(r) for r in connection.execute(sa.text(_FINDINGS.format(where=finding)), values).mappings()]
    _summary(report, kind, code, name, rows, totals, findings)
    _projects(report, kind, code, rows)
    _cases(report, totals, late)
    _findings_table(report, kind, findings)
    report.add(Heading("四、重点关注项目"))
    _attention(report, rows)
    report.add(
        Heading("五、下一步与责任"),
        Points(_next(kind, name, rows, late, findings, day) or ["暂无须督办事项。"]),
        Paragraph(NOTE, "soft"),
    )
    return report


def named(kind: Area, text: str) -> tuple[str, str] | None:
    """(code, name) of a town or department by its code, name, or a part of its name that is in one alone."""
    known = towns() if kind == "town" else departments()
    if text in known:
        return text, known[text]
    found = [(code, name) for code, name in known.items() if text and text in name]
    exact = [pair for pair in found if pair[1] == text]
    return exact[0] if exact else found[0] if len(found) == 1 else None


def _rate(totals: dict[str, Any]) -> str:
    return f"{totals['on_time'] / totals['limited']:.1%}" if totals["limited"] else "—"


def _summary(
    report: Report,
    kind: Area,
    code: str,
    name: str,
    rows: pl.DataFrame,
    totals: dict[str, Any],
    findings: list[dict[str, Any]],
) -> None:
    done = int(rows["finished"].sum())
    report.add(
        Paragraph(
            f"{name}涉及投资项目 {rows.height} 个，已完成 {done} 个，推进中 {rows.height - done} 个；在办办件 {totals['running']} 件，其中超期（在办超期） {totals['late']} 件、"
            f"临期 {totals['soon']} 件；未消除的发现 {len(findings)} 条，其中严重 {sum(f['severity'] == 3 for f in findings)} 条。",
            "lead",
        ),
        Facts(
            [
                ("项目", f"{rows.height}"),
                ("总投资", f"{(rows['invest'].sum() or 0) / 10_000:,.1f} 亿元"),
                ("在办办件", f"{totals['running']}"),
                ("在办超期", f"{totals['late']}"),
                ("逾期办件", f"{totals['overdue']}"),
                ("按时办结率", _rate(totals)),
                ("未消除发现", f"{len(findings)}"),
            ],
            {
                "项目": f"?{kind}={code}",
                "在办办件": f"cases?{kind}={code}",
                "在办超期": f"cases?{kind}={code}&late=running",
                "逾期办件": f"cases?{kind}={code}&late=all",
                "未消除发现": f"findings?{kind}={code}&state=standing",
            },
        ),
    )


def _projects(report: Report, kind: Area, code: str, rows: pl.DataFrame) -> None:
    cards = [
        (c["name"] if c["stage"] in ("done", None) else f"{c['stage']} {c['name']}", c["lights"])
        for c in board(rows)
        if c["stage"] is not None or c["projects"]
    ]
    report.add(
        Heading("一、项目进展"),
        Figure(charts.stacked(cards, "各阶段项目数", width=charts.PRINTED), "各阶段项目数，按最差的在办时限灯着色"),
    )
    placed = rows.drop_nulls(["x", "y"])
    points = [
        (r["x"], r["y"], r["light"], r["name"] or r["code"])
        for r in placed.select("x", "y", "light", "name", "code").to_dicts()
    ]
    report.add(Figure(charts.city(points, code if kind == "town" else None, charts.PRINTED, 420), "项目分布"))


def _cases(report: Report, totals: dict[str, Any], late: list[dict[str, Any]]) -> None:
    report.add(Heading("二、办件与时限"))
    report.add(
        Paragraph(
            f"办件 {totals['cases']} 件，已办结 {totals['ended']} 件；有承诺时限并已办结的 {totals['limited']} 件中按时 {totals['on_time']} 件，按时办结率 {_rate(totals)}。"
        )
    )
    if late:
        overdue = [(row, limits.of(row)) for row in late]
        report.add(
            Heading("在办超期", 3),
            Figure(
                charts.bars(
                    [
                        (
                            row["item_name"] or "办件",
                            float(limits.over(found)),
                            "；".join(x.short for x in found if x.over),
                        )
                        for row, found in overdue[:12]
                    ],
                    "在办超期天数",
                    "red",
                    charts.PRINTED,
                ),
                "按超得最多的时限",
            ),
            Table(
                ("项目", "事项", "办件编号", "部门", "时限"),
                [
                    (
                        row["project_name"] or "—",
                        row["item_name"] or "—",
                        row["case_no"],
                        row["department_name"] or "—",
                        limits.verdict(found),
                    )
                    for row, found in overdue
                ],
                (0.2, 0.15, 0.16, 0.14, 0.35),
            ),
        )
    else:
        report.add(Paragraph("没有在办超期的办件。"))


def _findings_table(report: Report, kind: Area, findings: list[dict[str, Any]]) -> None:
    report.add(Heading("三、发现与工单"))
    if not findings:
        report.add(Paragraph("没有未消除的发现。"))
        return
    names = rulebook.names()
    report.add(
        Figure(
            charts.bars(
                _counted([names.get(f["rule"], f["rule"]) for f in findings]), "发现按规则", width=charts.PRINTED
            ),
            "未消除的发现，按规则",
        )
    )
    other = (
        [f["department_name"] or "未定" for f in findings]
        if kind == "town"
        else [towns().get(f["town_code"] or "", "镇街未知") for f in findings]
    )
    report.add(
        Figure(
            charts.bars(_counted(other), "发现按责任", width=charts.PRINTED),
            "未消除的发现，按责任部门" if kind == "town" else "未消除的发现，按项目所在镇街",
        )
    )
    rows = [
        (
            names.get(f["rule"], f["rule"]),
            f["project_name"] or "—",
            f["text"],
            (f["department_name"] or "未定") + (f" · {STATE_ZH[f['order_state']]}" if f["order_state"] else ""),
        )
        for f in findings[:_SHOWN]
    ]
    report.add(Table(("规则", "项目", "内容（疑似，待核）", "责任与工单"), rows, (0.12, 0.2, 0.48, 0.2)))
    if len(findings) > _SHOWN:
        report.add(Paragraph(f"其余 {len(findings) - _SHOWN} 条见一张图页面。", "soft"))


def _counted(values: list[str]) -> list[tuple[str, float, str]]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return [
        (name, float(n), f"{n} 条") for name, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:15]
    ]


def _attention(report: Report, rows: pl.DataFrame) -> None:
    """Those that run late, are marked, or are about to be late; the worst first, as in the list."""
    worst = (
        rows.filter((pl.col("late") > 0) | (pl.col("findings") > 0) | (pl.col("light") == "黄")).head(_SHOWN).to_dicts()
    )
    if not worst:
        report.add(Paragraph("没有。"))
        return
    lines = []
    for r in worst:
        turn = r["turn"] or {}
        who = (r["enterprise"] or "申报单位") if "企业" in (turn.get("turn") or "") else turn.get("department")
        lines.append(
            (
                r["name"] or r["code"],
                r["light"] if r["light"] != NO_LIGHT else "—",
                "已完成" if r["finished"] else str(r["stage"] or "—"),
                turn.get("item_name") or "—",
                who or "—",
                f"{r['late']} / {r['findings']}",
            )
        )
    report.add(
        Table(("项目", "灯", "阶段", "当前事项", "轮到谁", "超期 / 发现"), lines, (0.28, 0.07, 0.08, 0.25, 0.22, 0.1))
    )


def _next(
    kind: Area, name: str, rows: pl.DataFrame, late: list[dict[str, Any]], findings: list[dict[str, Any]], day: date
) -> list[str]:
    texts = []
    by_department: dict[str, int] = {}
    for row in late:
        by_department[row["department_name"] or "责任部门"] = (
            by_department.get(row["department_name"] or "责任部门", 0) + 1
        )
    texts += [f"{who}：办结超期办件 {n} 件。" for who, n in sorted(by_department.items(), key=lambda p: -p[1])]
    due = [f for f in findings if f["order_state"] and f["order_state"] != "closed"]
    over = [f for f in due if f["due_on"] and f["due_on"] < day]
    if due:
        texts.append(
            f"在办工单 {len(due)} 张，已过期限 {len(over)} 张，已催办 {sum(bool(f['urged_on']) for f in due)} 张，已督办 {sum(bool(f['escalated_on']) for f in due)} 张：由责任部门限期签收、反馈。"
        )
    waiting: dict[str, int] = {"企业": 0, "部门": 0}
    for turn in rows.filter(~pl.col("finished"))["turn"].to_list():
        if turn and turn["turn"]:
            waiting["企业" if "企业" in turn["turn"] else "部门"] += 1
    if any(waiting.values()):
        texts.append(
            f"推进中的项目里，当前事项待企业申报的 {waiting['企业']} 个，由代办员上门服务；待部门办理的 {waiting['部门']} 个，由部门在承诺时限内办结。"
        )
    return texts
