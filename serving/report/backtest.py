"""What if, as a report: a past year under a supposed change, table and chart (:mod:`insight.backtest`)."""

from __future__ import annotations

import polars as pl

from insight.backtest import Backtest, Change
from serving.report import charts
from serving.report.content import NOTE, Facts, Figure, Heading, Paragraph, Points, Report, Table

_MOST = 30


def of_backtest(change: Change, found: Backtest) -> Report:
    """The report of a replay."""
    report = Report(f"推演-{found.year}", f"{found.year} 年规则推演", "按真实时钟重放，不改变任何数据", found.as_of)
    total = found.departments.select(pl.exclude("department").sum()).to_dicts()[0] if found.departments.height else {}
    late, after = (total.get(name) or 0 for name in ("late", "late_after"))
    report.add(
        Paragraph(f"假设：{supposed(change)}。", "lead"),
        Facts(
            [
                ("当年受理办件", f"{total.get('cases') or 0:,} 件"),
                ("逾期办件", f"{late:,} → {after:,} 件"),
                ("超期天数", f"{total.get('over') or 0:,} → {total.get('over_after') or 0:,} 天"),
                ("不再需要的办件", f"{found.removed:,} 件"),
                ("发现", f"将新立 {found.opens.height:,} 条，将消除 {found.closes.height:,} 条"),
            ]
        ),
    )
    rows = found.departments.filter((pl.col("late") > 0) | (pl.col("late_after") > 0)).head(12).to_dicts()
    if rows:
        bars = [
            (f"{r['department']} · {when}", float(r[name]), f"{r[name]:,} 件")
            for r in rows
            for when, name in (("现行", "late"), ("假设", "late_after"))
        ]
        report.add(
            Heading("一、逾期办件按部门"),
            Figure(charts.bars(bars, "逾期办件，现行与假设", width=charts.PRINTED), "逾期办件按部门"),
        )
    for title, frame, key in (("按部门", found.departments, "department"), ("按事项", found.items, "item_name")):
        report.add(
            Heading(title, 3),
            Table(
                (title[1:], "办件", "逾期", "假设后", "超期天数", "假设后", "用时", "假设后"),
                [
                    (
                        str(r[key] or "—"),
                        *(
                            f"{r[n]:,}"
                            for n in ("cases", "late", "late_after", "over", "over_after", "used", "used_after")
                        ),
                    )
                    for r in frame.to_dicts()
                ],
                (0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
            ),
        )
    if found.saved.height:
        report.add(
            Heading("二、并行最多可省"),
            Points(
                [
                    f"{r['item_code']} 不待 {r['prerequisite']}：{r['projects']:,} 个项目，合计最多 {r['days']:,} 天"
                    for r in found.saved.to_dicts()
                ]
            ),
        )
    for title, frame in (("将新立的发现", found.opens), ("将消除的发现", found.closes)):
        if frame.height:
            report.add(
                Heading(f"{title} {frame.height:,} 条", 3),
                Points([f"{r['rule']} {r['project_code']} {r['text']}" for r in frame.head(_MOST).to_dicts()]),
            )
    report.add(
        Paragraph(
            "推演只改变规则，不假设任何人办得更快或更慢：收件与办结的时间照原样。并行所省是上限。" + NOTE,
            "soft",
        )
    )
    return report


def supposed(change: Change) -> str:
    """The change in words."""
    parts = [f"{code} 承诺时限 {days}" for code, days in change.limits.items()]
    parts += [f"不再办理 {code}" for code in change.without]
    parts += [f"{item} 不待 {before} 办成" for item, before in change.parallel]
    parts += [f"{day} 为{'工作日' if works else '休息日'}" for day, works in change.days.items()]
    return "，".join(parts) or "没有变化"
