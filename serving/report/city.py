"""The report of the whole city (督办情况): what runs late and where, findings, work orders, days saved; every number said once."""

from __future__ import annotations

from typing import Any

import polars as pl

from serving.query import freshness
from serving.report import charts
from serving.report.content import NOTE, Facts, Figure, Heading, Paragraph, Points, Report, Table
from supervision.city import State
from supervision.limits import COUNTS
from supervision.orders.life import STATE_ZH

_BARS = 12  # rows of a figure that are read at a glance


def of_city(state: State) -> Report:
    """The report of a state that :func:`supervision.city.gather` made."""
    report = Report(
        f"督办情况_{state.as_of:%Y%m%d}",
        "东莞市投资项目审批督办情况",
        f"截至 {state.as_of:%Y-%m-%d}",
        state.as_of,
        freshness.freshness().line,
    )
    _summary(report, state)
    _late(report, state)
    _progress(report, state)
    _findings(report, state)
    _orders(report, state)
    _saved(report, state)
    report.add(
        Heading("七、口径"),
        Points(
            [
                f"{COUNTS['running_overdue'][0]}：时钟在走、已超承诺时限（红灯）或法定时限（双红灯）的办件，以判定日为准。",
                f"{COUNTS['overdue'][0]}：用时超过承诺时限或法定时限的办件，在办与已办结均计，含在办超期。",
                f"节时：已办结办件的法定时限减实际用时。体外循环：{'、'.join(state.rules.filter(pl.col('outside'))['rule'])}。",
                "未判定：所需数据未到齐，既不新立也不消除。",
            ]
        ),
        Paragraph(NOTE, "soft"),
    )
    return report


def _rate(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _summary(report: Report, s: State) -> None:
    t = s.totals
    orders = int(s.orders["open"].sum() or 0)
    escalated = int(s.orders["escalated"].sum() or 0)
    report.add(
        Paragraph(
            f"全市在库项目 {s.projects:,} 个，已全部办结 {s.finished:,} 个；在办办件 {t['running']:,} 件，其中在办超期 {t['running_overdue']:,} 件；"
            f"疑似问题 {s.found:,} 条（另有 {s.not_judged:,} 条因数据未到齐未判定），均待部门核实。",
            "lead",
        ),
        Facts(
            [
                ("项目", f"{s.projects:,}（办结 {s.finished:,}）"),
                ("办件", f"{t['cases']:,}（在办 {t['running']:,}）"),
                ("在办超期", f"{t['running_overdue']:,} 件"),
                ("逾期办件", f"{t['overdue']:,} 件"),
                ("退件", f"{t['returned']:,} 件"),
                ("体外循环", f"{s.outside.height:,} 个事项，{s.outside_cases:,} 件办件"),
                ("未办结工单", f"{orders:,} 张，已上级督办 {escalated:,} 张"),
                ("节时", f"{t['saved_days']:,} 天（{t['saved_cases']:,} 件）"),
            ],
            {
                "项目": "?",
                "办件": "cases",
                "在办超期": "cases?late=running",
                "逾期办件": "cases?late=all",
                "未办结工单": "orders?state=running",
            },
        ),
    )


def _late(report: Report, s: State) -> None:
    report.add(Heading("一、在办时限"))
    lit = {light: s.lights.get(light, 0) for light in ("双红", "红", "待数据", "黄", "蓝", "绿")}
    running = sum(lit.values())
    if not running:
        report.add(Paragraph("没有时钟在走的办件。"))
        return
    report.add(
        Figure(
            charts.stacked([("在办办件", lit)], "在办办件按灯", "件", charts.PRINTED),
            f"时钟在走的 {running:,} 件；已办结、未受理与无时限的不计入。双红超法定、红超承诺、黄临期、蓝暂停、绿正常",
        )
    )
    for title, frame, key in (("按部门", s.departments, "department"), ("按镇街", s.towns, "town")):
        late = frame.filter(pl.col("running_overdue") > 0).sort("running_overdue", key, descending=[True, False])
        if late.height:
            rows = late.head(_BARS).iter_rows(named=True)
            drawn = [(r[key] or "—", float(r["running_overdue"]), f"{r['running_overdue']:,} 件") for r in rows]
            report.add(Figure(charts.bars(drawn, f"在办超期{title}", "red", charts.PRINTED), f"在办超期，{title}"))
    if s.provisional:
        report.add(Paragraph(f"{s.provisional:,} 件的时限跨入节假日安排尚未公布的日子，为暂估。", "soft"))


def _progress(report: Report, s: State) -> None:
    report.add(Heading("二、项目进展"))
    rows = s.stages.to_dicts()
    drawn = [(f"{r['stage']} {r['stage_name']}", float(r["here"]), f"{r['here']:,} 个") for r in rows]
    report.add(
        Figure(charts.bars(drawn, "当前所在阶段的项目", width=charts.PRINTED), "推进中的项目，按当前所在阶段"),
        Table(
            ("阶段", "当前所在", "完成", "进行", "未开始", "不适用"),
            [
                (
                    f"{r['stage']} {r['stage_name']}",
                    *(f"{r[n]:,}" for n in ("here", "done", "going", "ahead", "skipped")),
                )
                for r in rows
            ],
            (0.3, 0.14, 0.14, 0.14, 0.14, 0.14),
        ),
    )


def _findings(report: Report, s: State) -> None:
    report.add(Heading("三、疑似问题"))
    found = s.rules.filter(pl.col("found") > 0).sort("found", "rule", descending=[True, False])
    if found.height:
        drawn = [(r["name"], float(r["found"]), f"{r['found']:,} 条") for r in found.head(_BARS).to_dicts()]
        report.add(Figure(charts.bars(drawn, "疑似问题按规则", width=charts.PRINTED), "疑似问题，按规则"))
    rows = [
        (r["rule"], r["name"], f"{r['found']:,}", f"{r['not_judged']:,}", "是" if r["outside"] else "")
        for r in s.rules.to_dicts()
        if r["found"] or r["not_judged"]
    ]
    rows.append(("合计", "", f"{s.found:,}", f"{s.not_judged:,}", ""))
    report.add(Table(("规则", "名称", "疑似问题", "未判定", "体外循环"), rows, (0.16, 0.36, 0.16, 0.16, 0.16)))
    report.add(
        Heading("体外循环（疑似，待核）", 3),
        Paragraph(f"涉及事项 {s.outside.height:,} 个、办件 {s.outside_cases:,} 件。"),
    )
    if s.outside.height:
        report.add(
            Table(
                ("事项", "名称", "规则", "问题", "办件", "责任部门"),
                [
                    (
                        r["item_code"],
                        r["item_name"] or "清单外",
                        "、".join(r["rule"]),
                        f"{r['findings']:,}",
                        f"{r['cases']:,}",
                        "、".join(r["department_name"]),
                    )
                    for r in s.outside.to_dicts()
                ],
                (0.12, 0.26, 0.12, 0.1, 0.1, 0.3),
            )
        )


def _orders(report: Report, s: State) -> None:
    report.add(Heading("四、工单"))
    if not s.orders.height:
        report.add(Paragraph("没有未办结的工单。"))
        return
    report.add(
        Table(
            ("责任部门", "未办结", "已催办", "已上级督办", "最早派单"),
            [
                (r["department"], f"{r['open']:,}", f"{r['urged']:,}", f"{r['escalated']:,}", f"{r['since']:%Y-%m-%d}")
                for r in s.orders.to_dicts()
            ],
            (0.4, 0.14, 0.14, 0.16, 0.16),
        ),
        Heading("最久未办结", 3),
        Table(
            ("工单", "责任部门", "事由", "状态", "派单", "到期"),
            [
                (
                    o["no"],
                    o["department_name"] or o["department_code"],
                    o["text"],
                    STATE_ZH[o["state"]],
                    _day(o["dispatched_at"]),
                    _day(o["due_on"]),
                )
                for o in s.oldest
            ],
            (0.16, 0.16, 0.36, 0.1, 0.11, 0.11),
        ),
    )


def _saved(report: Report, s: State) -> None:
    report.add(Heading("五、节时"))
    saved = s.items.filter(pl.col("saved_cases") > 0).sort("saved_days", "item_code", descending=[True, False])
    if saved.height:
        drawn = [
            (r["item_name"] or r["item_code"], float(max(r["saved_days"], 0)), f"{r['saved_days']:,} 天")
            for r in saved.head(_BARS).to_dicts()
        ]
        report.add(Figure(charts.bars(drawn, "节时按事项", "green", charts.PRINTED), "节时（天），按事项"))
    else:
        report.add(Paragraph("没有可计的办件。"))
    report.add(Heading("六、各部门、各镇街"))
    for head, frame, key in (("牵头部门", s.departments, "department"), ("办理地", s.towns, "town")):
        report.add(
            Table(
                (head, "办件", "在办", "在办超期", "逾期", "逾期率", "退件", "退件率", "件均节时"),
                [_rates(r, key) for r in frame.to_dicts()],
                (0.24, 0.09, 0.09, 0.11, 0.09, 0.1, 0.09, 0.09, 0.1),
            )
        )


def _rates(r: dict[str, Any], key: str) -> tuple[str, ...]:
    counts = (f"{r[n]:,}" for n in ("cases", "running", "running_overdue", "overdue"))
    each = "—" if r["saved_each"] is None else f"{r['saved_each']:,.1f}"
    return (r[key] or "—", *counts, _rate(r["overdue_rate"]), f"{r['returned']:,}", _rate(r["returned_rate"]), each)


def _day(value: Any) -> str:
    return f"{value:%Y-%m-%d}" if value else "—"
