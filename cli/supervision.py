"""``onemap supervise, findings, clocks, position, why, rules, report``: where projects stand, what went wrong, and why."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.context import By, Json, Note, attach, group

AsOf = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="判定日，默认今天 · as of the end of a day")
]
Folder = Annotated[Path | None, typer.Argument(help="规则目录，默认现行 · folder, default: the one in force")]


def register(app: typer.Typer) -> None:
    @app.command()
    def supervise(
        as_of: AsOf = None,
        whole: Annotated[bool, typer.Option("--whole", help="全市重判 · judge the whole city again")] = False,
        as_json: Json = False,
    ) -> None:
        """督办判定 · Judge what changed (a new day: the whole city), keep the ledger of findings, move the work orders on."""
        attach()
        from dataclasses import asdict

        from supervision import ledger
        from supervision.orders import life

        done = ledger.supervise(_day(as_of), whole=whole)
        moved = life.advance()
        told = {**asdict(done), "orders": moved.steps, "unrouted": moved.unrouted}
        if as_json:
            return output.as_json(told)
        waits = sum(done.not_judged.values())
        output.out.print(
            f"✓ 判定日 {done.as_of}{'（全市）' if done.whole else ''}  项目 {done.projects:,}  办件 {done.cases:,}  新立 {done.opened:,}"
            f"  再现 {done.reopened:,}  消除 {done.closed:,}  未判定 {waits:,}"
        )
        for code, said in done.refused.items():
            output.out.print(f"  ⚠ 项目 {code or '（未关联）'} 无法判定，已搁置：{said}", markup=False)
        if moved.steps:
            output.out.print(f"  工单 {'  '.join(f'{life.STEP_ZH[k]} {v:,}' for k, v in moved.steps.items())}")
        if moved.unrouted:
            output.out.print(
                f"  ⚠ {moved.unrouted:,} 条发现没有责任部门，未派单：在 supervision/rules/routing.yaml 指定 otherwise"
            )
        return None

    @app.command()
    def findings(
        as_of: AsOf = None,
        rule: Annotated[list[str] | None, typer.Option("--rule", help="规则，可多次 · e.g. C1, overdue")] = None,
        project: Annotated[str | None, typer.Option("--project", help="项目代码")] = None,
        department: Annotated[str | None, typer.Option("--department", help="责任部门（名称或代码）")] = None,
        state: Annotated[str | None, typer.Option("--state", help="open | confirmed | lifted | closed")] = None,
        waiting: Annotated[bool, typer.Option("--waiting", help="未判定的 · only what waits for data")] = False,
        as_json: Json = False,
    ) -> None:
        """发现 · Every finding of the ledger; with --as-of what fires on that day. 疑似，待核."""
        attach()
        from supervision import listing

        _known(rule, state, department)
        listed = listing.findings(_day(as_of))
        rows = listed.waiting if waiting else listed.findings
        kept = [
            row
            for row in rows
            if (not rule or row["rule"] in rule)
            and (not project or row["project_code"] == project)
            and (not state or row["state"] == state)
            and (not department or row["department_code"] == department or department in (row["department"] or ""))
        ]
        if as_json:
            return _json(kept)
        output.table(  # item and case stand in the text
            ("编号", "规则", "项目", "级别", "状态", "立", "消", "责任部门", "内容"),
            [
                (
                    r["id"],
                    r["rule"],
                    r["project_code"],
                    r["level"] or r["kind"] or "",
                    r["state"],
                    r["opened"] or "",
                    r["closed"] or "",
                    r["department"] or "",
                    r["text"],
                )
                for r in kept
            ],
        )
        if not waiting:
            output.out.print(f"共 {len(kept):,} 条；因数据未到齐未判定 {len(listed.waiting):,} 条（--waiting 查看）")
        output.data_as_of()
        return None

    @app.command()
    def clocks(as_of: AsOf = None, as_json: Json = False) -> None:
        """时钟 · Every case's days used, due dates and light."""
        attach()
        from supervision import listing

        rows = listing.clocks(_day(as_of))
        if as_json:
            return _json(rows)
        columns = ("办件", "项目", "事项", "已用", "承诺时限", "承诺到期", "法定已用", "法定时限", "法定到期", "灯")
        output.table(
            columns,
            [
                (
                    r["case_no"],
                    r["project_code"],
                    r["item_code"],
                    r["used_promised"],
                    r["promised_limit"],
                    r["due_promised"] or "",
                    r["used_statutory"],
                    r["statutory_limit"],
                    r["due_statutory"] or "",
                    r["light"],
                )
                for r in rows
            ],
        )
        output.data_as_of()
        return None

    @app.command()
    def position(project: str, as_of: AsOf = None, as_json: Json = False) -> None:
        """一键定位 · Where a project stands, whose turn it is, what is found. A project code, or a part of its name."""
        attach()
        from supervision import listing

        told = listing.position(project, _day(as_of))
        if as_json:
            return _json(told)
        output.out.print(f"{told['project_code']}  {told['project_name'] or ''}")
        output.table(
            ("阶段", "名称", "状态", "完成时间"),
            [(s["stage"], s["stage_name"], s["state"], s["completed_at"] or "") for s in told["stages"]],
        )
        output.table(
            ("当前事项", "名称", "轮到谁", "责任部门", "在办"),
            [(i["item_code"], i["item_name"], i["turn"], i["department"], i["open"]) for i in told["current_items"]],
        )
        output.table(
            ("规则", "事项", "办件", "状态", "内容"),
            [(f["rule"], f["item_code"], f["case_no"], f["state"], f["text"]) for f in told["findings"]],
        )
        output.data_as_of()
        return None

    finding = group(app, "finding", "发现 · a person's word on one")

    @finding.command()
    def confirm(finding_id: str, note: Note, by: By) -> None:
        """确认 · It is so."""
        _decide(finding_id, "confirmed", by, note)

    @finding.command()
    def lift(finding_id: str, note: Note, by: By) -> None:
        """解除 · A false alarm: silent until its evidence changes."""
        _decide(finding_id, "lifted", by, note)

    why = group(app, "why", "为什么 · what convinces a department")

    @why.command("case")
    def why_case(number: str, as_of: AsOf = None, as_json: Json = False) -> None:
        """办件 · Each day and how it counted; any system's number."""
        from supervision import explain

        told = explain.case(number, _day(as_of) or _today())
        _json(told) if as_json else [_show_case(one) for one in told]

    @why.command("finding")
    def why_finding(finding_id: str, as_json: Json = False) -> None:
        """发现 · Its evidence with source, receipt and time; what would lift it; what may explain it."""
        from supervision import explain

        told = explain.finding(finding_id)
        _json(told) if as_json else _show_finding(told)

    rules = group(app, "rules", "督办规则 · the rules as data")

    @rules.command()
    def check(folder: Folder = None, as_json: Json = False) -> None:
        """检查 · What is wrong with the rules, with file and line; exit 78 when something is."""
        from supervision import checking, rulebook

        faults = checking.check(folder or rulebook.FOLDER)
        if as_json:
            _json([{"error": fault.message, "zh": fault.zh, "field": fault.field} for fault in faults])
        elif not faults:
            output.out.print("✓ 规则无误 the rules can be used")
        else:
            for fault in faults:
                output.error(fault)
        if faults:
            raise typer.Exit(output.EXIT[faults[0].fault])

    @rules.command()
    def diff(
        proposed: Annotated[
            Path, typer.Argument(help="拟用的规则目录或单个文件 · folder, or one changed file", exists=True)
        ],
        as_of: AsOf = None,
        as_json: Json = False,
    ) -> None:
        """比较 · Which findings changed rules would open and close, before they are applied."""
        from supervision import comparing

        found = comparing.compare(proposed, _day(as_of) or _today())
        told = {name: getattr(found, name).to_dicts() for name in ("opens", "closes", "changes")} | {
            "as_of": found.as_of,
            "waits": found.waits,
        }
        if as_json:
            return _json(told)
        for name, zh in (("opens", "将新立 opens"), ("closes", "将消除 closes")):
            rows = told[name]
            output.table(
                ("规则", "项目", "事项", "办件", "级别", "内容"),
                [
                    (r["rule"], r["project_code"], r["item_code"], r["case_no"], r["level"] or "", r["text"])
                    for r in rows
                ],
                f"{zh} {len(rows):,}",
            )
        output.table(
            ("规则", "项目", "事项", "办件", "级别", "严重程度", "责任部门"),
            [
                (
                    r["rule"],
                    r["project_code"],
                    r["item_code"],
                    r["case_no"],
                    *(f"{r[n]} → {r[n + '_after']}" for n in ("level", "severity", "department_code")),
                )
                for r in told["changes"]
            ],
            f"将变化 changes {len(told['changes']):,}",
        )
        return output.out.print(f"未判定 not judged: {found.waits:,}")

    @rules.command()
    def backtest(
        year: Annotated[int, typer.Option("--year", help="重放的年度 · year to replay")],
        limit: Annotated[list[str] | None, typer.Option(help="事项=承诺时限，如 DG-604=5 · promised limit")] = None,
        without: Annotated[list[str] | None, typer.Option(help="不再办理的事项 · an item taken out")] = None,
        parallel: Annotated[
            list[str] | None, typer.Option(help="事项,前置：改为并行 · item,prerequisite made parallel")
        ] = None,
        holiday: Annotated[
            list[datetime] | None, typer.Option(formats=["%Y-%m-%d"], help="改为休息日 · a day off")
        ] = None,
        workday: Annotated[
            list[datetime] | None, typer.Option(formats=["%Y-%m-%d"], help="改为工作日 · a working day")
        ] = None,
        folder: Annotated[
            Path | None, typer.Option("--rules", help="拟用的规则目录 · folder of rules", exists=True)
        ] = None,
        out: Annotated[
            Path | None, typer.Option("--out", help="报告文件 .html .docx .pdf · report", dir_okay=False)
        ] = None,
        as_json: Json = False,
    ) -> None:
        """推演 · Replay a past year under a change by the real clocks: who would be late, what would be found. Writes nothing."""
        attach()
        from insight import backtest as replay
        from supervision import rulebook

        change = replay.Change(
            {code: _whole(days) for code, days in (_pair(text, "=") for text in limit or [])},
            tuple(without or ()),
            tuple(_pair(text, ",") for text in parallel or []),
            {d.date(): False for d in holiday or []} | {d.date(): True for d in workday or []},
            folder or rulebook.FOLDER,
        )
        found = replay.replay(change, year, _today())
        names = ("departments", "items", "saved", "cases", "opens", "closes")
        if as_json:
            return _json(
                {n: getattr(found, n).to_dicts() for n in names} | {"as_of": found.as_of, "removed": found.removed}
            )
        output.table(
            ("部门", "办件", "逾期", "假设后", "超期天数", "假设后"),
            [
                (r["department"], *(f"{r[n]:,}" for n in ("cases", "late", "late_after", "over", "over_after")))
                for r in found.departments.to_dicts()
            ],
            f"{year} 年，截至 {found.as_of}",
        )
        output.out.print(
            f"将新立 opens {found.opens.height:,}  将消除 closes {found.closes.height:,}  不再需要 removed {found.removed:,}"
        )
        if out:
            from serving.report import write
            from serving.report.backtest import of_backtest

            content, _ = write.written(of_backtest(change, found), _kind(out))
            out.write_bytes(content)
            output.out.print(f"✓ {out}", markup=False)
        return None


def _pair(text: str, by: str) -> tuple[str, str]:
    first, found, second = (part.strip() for part in text.partition(by))
    if not (first and found and second):
        raise typer.BadParameter(f"{text}: 应为 事项{by}… · two parts by {by!r}")
    return first, second


def _whole(text: str) -> int:
    if not text.isdigit():
        raise typer.BadParameter(f"{text}: 应为非负整数 · a whole number of days")
    return int(text)


def _kind(path: Path) -> Any:
    kind = path.suffix.removeprefix(".")
    if kind not in ("html", "docx", "pdf"):
        raise typer.BadParameter(f"{path}: .html, .docx, .pdf")
    return kind


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


STATES = ("open", "confirmed", "lifted", "closed")


def _known(rules: list[str] | None, state: str | None, department: str | None) -> None:
    """:raises NotFoundError: a rule, a state or a department that there is not, with those that there are."""
    from core.errors import NotFoundError
    from schemas.departments import register as departments
    from supervision import rulebook

    book = rulebook.load().by_name
    listed = departments()
    names = dict(zip(listed["code"], listed["name"], strict=True))
    organs = {code[8:17] for code in names}
    checks = [("rule", one, book, "规则") for one in rules or []]
    checks += [("state", state, STATES, "状态")] if state else []
    for parameter, value, known, zh in checks:
        if value not in known:
            allowed = ", ".join(known)
            raise NotFoundError(
                f"no {parameter} {value!r}", remedy=f"one of {allowed}", zh=f"没有{zh} {value}，可用：{allowed}。"
            )
    if department and department not in {*names, *organs} and not any(department in name for name in names.values()):
        allowed = ", ".join(f"{code} {name}" for code, name in names.items())
        raise NotFoundError(
            f"no department {department!r}", remedy=f"one of {allowed}", zh=f"没有部门 {department}，可用：{allowed}。"
        )


def _today() -> date:
    from core import clock

    return clock.today()


def _json(data: Any) -> None:
    """Data on standard output; findings and clocks hold no secret, and there may be a million of them."""
    json.dump(data, sys.stdout, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def _decide(finding: str, verdict: str, by: str, note: str) -> None:
    from supervision import ledger
    from supervision.orders import life

    ledger.decide(finding, verdict, by=by, note=note)
    life.advance()
    output.out.print(f"✓ {'已确认 confirmed' if verdict == 'confirmed' else '已解除 lifted'}: {finding}")


def _show_case(told: dict[str, Any]) -> None:
    output.out.print(
        f"办件 {told['case_no']}  {told['item_code'] or ''} {told['item_name'] or ''}  项目 {told['project_code'] or '—'}",
        markup=False,
    )
    output.out.print(
        "  各系统编号  " + "、".join(f"{n['channel']} {n['case_no']}" for n in told["numbers"]), markup=False
    )
    for which, zh in (("promised", "承诺"), ("statutory", "法定")):
        limit = told["limits"][which]
        if limit["limit"] is not None:
            output.out.print(f"  {zh}时限 {limit['limit']} {limit['unit']}  已用 {limit['used']}  到期 {limit['due']}")
    marks = [
        zh for name, zh in (("deemed", "视为受理"), ("suspended", "暂停中"), ("provisional", "暂估")) if told[name]
    ]
    output.out.print(f"  灯 {told['light'] or '—'}  {' '.join(marks)}  截至 {told['as_of']}")
    output.table(
        ("时间", "事件", "来源", "记录", "版本", "采信"),
        [
            (t["at"], t["event_zh"], t["channel"], t["source_ref"] or "", t["version"], "✓" if t["counts"] else "")
            for t in told["times"]
        ],
        "时间来源",
    )
    if told["pauses"]:
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
                for p in told["pauses"]
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
            for d in told["days"]
        ],
        "逐日",
    )
    for issue in told["issues"]:
        output.out.print(f"  ⚠ {issue['at'] or ''} {issue['zh']}", markup=False)
    for one in told["findings"]:
        output.out.print(f"  {one['id']} {one['rule']} {one['state']} {one['text']}", markup=False)


def _show_finding(told: dict[str, Any]) -> None:
    output.out.print(
        f"{told['id']}  {told['rule']} {told['rule_name'] or ''}  {told['standing']}  严重程度 {told['severity']}  {told['level'] or told['kind'] or ''}",
        markup=False,
    )
    output.out.print(f"  {told['text']}", markup=False)
    output.out.print(
        f"  责任部门 {told['department_name'] or '—'}  立 {told['opened_on']}  消 {told['closed_on'] or '—'}",
        markup=False,
    )
    if told["order"]:
        output.out.print(f"  工单 {told['order']['no']} {told['order']['state']}", markup=False)
    for row in told["evidence"]:
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
    output.out.print(f"  如何消除  {told['lifted_by'] or '—'}", markup=False)
    output.out.print(f"  可能的正当解释  {'；'.join(told['innocent']) or '—'}", markup=False)
    output.table(
        ("判定日", "事项", "何人", "何故"),
        [(e["as_of"], e["event_zh"], e["by"], e["why"] or "") for e in told["life"]],
        "履历",
    )
    if told["waiting"]:
        output.table(
            ("规则", "事项", "办件", "等待"),
            [(w["rule"], w["item_code"], w["case_no"], "、".join(w["waits_for"])) for w in told["waiting"]],
            "本项目未判定",
        )
