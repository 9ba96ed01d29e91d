"""The analysis report of a project: where it stands, against which limits, what was found, what next and who."""

from __future__ import annotations

from datetime import date
from typing import Any

from serving.access import Grant
from serving.query import freshness
from serving.render import day, money
from serving.report import charts
from serving.report.content import NOTE, Facts, Figure, Heading, Paragraph, Points, Report, Table
from serving.report.dossier import Dossier, dossier, feeds
from supervision.orders.life import STATE_ZH

_ROWS = 10  # cases a figure: a third of a page of A4
_SOURCES = 6  # source rows told of one piece of evidence; the archive has them all


def of_project(grant: Grant, code: str, as_of: date | None = None) -> Report | None:
    """None: there is no such project, or it is not shown."""
    facts = dossier(grant, code, as_of)
    return None if facts is None else content(facts)


def content(facts: Dossier) -> Report:
    """The report of a dossier."""
    p = facts.project
    name = p.get("project_name") or facts.code
    report = Report(
        f"项目分析报告_{facts.code}_{facts.as_of:%Y%m%d}",
        f"{name}分析报告",
        f"{facts.code} · 截至 {facts.as_of:%Y-%m-%d}",
        facts.as_of,
        freshness.freshness().line,
    )
    report.add(
        Paragraph(facts.sentence, "lead"),
        Facts(
            [
                ("项目单位", p.get("applicant_name") or "—"),
                ("镇街（园区）", p.get("town_name") or "—"),
                ("立项类型", p.get("filing_type") or "—"),
                ("总投资", money(p.get("total_invest"))),
                ("申报时间", day(p.get("submitted_at"))),
                ("代办员", p.get("agent") or "—"),
            ]
        ),
        Heading("一、所处位置"),
        Figure(charts.stages(facts, charts.PRINTED)),
    )
    if facts.current:
        report.add(
            Table(
                ("可办事项", "阶段", "轮到谁", "责任部门"),
                [(i["item_name"], str(i["stage"]), i["turn"], i["department"] or "—") for i in facts.current],
                (0.42, 0.08, 0.2, 0.3),
            )
        )
    _limits(report, facts)
    report.add(Heading("三、用地与影像"), Figure(charts.site(facts, charts.PRINTED, 330)))
    report.add(
        Paragraph(
            f"用地红线{'已' if not facts.redline.is_empty else '未'}接入；与红线相交的变化图斑 {len(facts.polygons)} 个，影像 {len(facts.scenes)} 景"
            + (f"，最近一景摄于 {day(facts.scenes[0]['taken_at'])}。" if facts.scenes else "。")
        )
    )
    _findings(report, facts)
    report.add(Heading("五、下一步与责任"), Points(_next(facts) or ["暂无须办事项。"]))
    report.add(Heading("六、证照与批复"))
    rows = [
        (
            x["type_name"] or x["title"] or "证照",
            x["number"] or "—",
            x["organ_name"] or "—",
            day(x["issued_at"]),
            x["state"] or "—",
        )
        for x in facts.licences
    ]
    rows += [("用地批复", x["approval_no"], x["organ"] or "—", day(x["approved_at"]), "—") for x in facts.land]
    report.add(
        Table(("名称", "编号", "颁发机构", "颁发日期", "状态"), rows, (0.24, 0.28, 0.26, 0.13, 0.09))
        if rows
        else Paragraph("没有证照。", "soft")
    )
    report.add(Paragraph(NOTE, "soft"))
    return report


def _limits(report: Report, facts: Dossier) -> None:
    limited = [b for b in facts.bars if b.limits and b.accepted]
    ended = [b for b in limited if b.ended]
    on_time = sum(not b.over for b in ended)
    running = [b for b in facts.bars if b.ended is None]
    report.add(Heading("二、办件与时限"))
    report.add(
        Paragraph(
            f"共 {len(facts.bars)} 件办件，在办 {len(running)} 件；有时限并已办结的 {len(ended)} 件"
            + (f"中按时 {on_time} 件，按时率 {on_time / len(ended):.0%}" if ended else "")
            + f"；逾期办件 {len(facts.late)} 件，其中在办超期 {sum(b.ended is None for b in facts.late)} 件。"
        )
    )
    shown = sorted((b for b in facts.bars if b.start), key=lambda b: (b.stage or 9, b.start, b.case_id))
    parts = [shown[n : n + _ROWS] for n in range(0, len(shown), _ROWS)]
    caption = "浅蓝为时限（受理至首个到期日），白菱形为承诺到期日、黑菱形为法定到期日，斜纹为暂停计时，红色为超承诺时限、深红为超法定时限"
    for n, part in enumerate(parts):
        report.add(Figure(charts.gantt(facts, part, charts.PRINTED), caption if n == len(parts) - 1 else ""))
    if facts.late:
        report.add(Heading("逾期办件", 3))
        rows = [
            (
                b.item_name,
                b.case_no,
                b.department or "—",
                day(b.accepted),
                "；".join(f"{x.zh} {day(x.due)}" for x in b.limits),
                day(b.ended) if b.ended else "在办",
                b.short,
            )
            for b in facts.late
        ]
        report.add(
            Table(
                ("事项", "办件编号", "部门", "受理", "到期", "办结", "判定"),
                rows,
                (0.14, 0.17, 0.14, 0.11, 0.16, 0.11, 0.17),
            )
        )


def _findings(report: Report, facts: Dossier) -> None:
    standing = [f for f in facts.findings if f["state"] in ("open", "confirmed")]
    report.add(Heading("四、发现与证据"))
    if not standing:
        report.add(Paragraph("没有未消除的发现。"))
    for finding in standing:
        report.add(
            Heading(f"{finding['name']}（{finding['severity_zh']}，{finding['standing']}）", 3),
            Paragraph(finding["text"]),
        )
        report.add(Paragraph(f"责任部门：{finding['department_name'] or '未定'}{_order(finding['order'])}", "soft"))
        rows = []
        for evidence in finding["evidence"]:
            sources = evidence.get("sources") or []
            told_of = "；".join(
                f"{feeds().get(s.split('|')[0], s.split('|')[0])} {s.partition('|')[2]}" for s in sources[:_SOURCES]
            )
            rows.append(
                (evidence["row"], told_of + (f"；另 {len(sources) - _SOURCES} 条" if len(sources) > _SOURCES else ""))
            )
        if rows:
            report.add(Table(("证据（统一库）", "来源与记录键"), rows, (0.36, 0.64)))
        if finding["innocent"]:
            report.add(Paragraph("可能的合理解释：" + "；".join(finding["innocent"]), "soft"))


def _order(order: dict[str, Any] | None) -> str:
    if not order:
        return ""
    due = f"，{order['due_on']} 到期" if order["due_on"] else ""
    return f"；工单 {order['no']}（{STATE_ZH[order['state']]}{due}{'，已催办' if order['urged_on'] else ''}{'，已督办' if order['escalated_on'] else ''}）"


def _next(facts: Dossier) -> list[str]:
    """What is to be done, by whom, the late first."""
    texts = [
        f"{b.department or '责任部门'}：办结“{b.item_name}”（办件 {b.case_no}），{b.verdict}。"
        for b in facts.late
        if b.ended is None
    ]
    for item in facts.current:
        act = (
            "申报" if "企业" in item["turn"] and not item["open"] else "补正材料" if "企业" in item["turn"] else "办理"
        )
        texts.append(f"{facts.whose(item)}：{act}“{item['item_name']}”。")
    for finding in facts.findings:
        if finding["state"] in ("open", "confirmed") and finding["department_name"]:
            lifted = finding["lifted_by"].rstrip("。")
            texts.append(
                f"{finding['department_name']}：核实“{finding['name']}”"
                + (f"；消除条件：{lifted}。" if lifted else "。")
            )
    return texts
