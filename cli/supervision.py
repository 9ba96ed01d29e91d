"""``onemap supervise, findings, clocks, position, finding``: where projects stand, what was found, a person's word on it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from cli import output
from cli.context import AsOf, By, Json, Note, attach, day, group

STATES = ("open", "confirmed", "lifted", "closed")


app = typer.Typer()
finding = group(app, "finding", "发现 · a person's word on one")


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

    done = ledger.supervise(day(as_of), whole=whole)
    moved = life.advance()
    result = {**asdict(done), "orders": moved.steps, "unrouted": moved.unrouted}
    if as_json:
        return output.as_json(result)
    waits = sum(done.not_judged.values())
    output.out.print(
        f"✓ 判定日 {done.as_of}{'（全市）' if done.whole else ''}  项目 {done.projects:,}  办件 {done.cases:,}  新立 {done.opened:,}"
        f"  再现 {done.reopened:,}  消除 {done.closed:,}  未判定 {waits:,}"
    )
    for code, text in done.refused.items():
        output.out.print(f"  ⚠ 项目 {code or '（未关联）'} 无法判定，已搁置：{text}", markup=False)
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
    listed = listing.findings(day(as_of))
    rows = listed.waiting if waiting else listed.findings
    retained = [
        row
        for row in rows
        if (not rule or row["rule"] in rule)
        and (not project or row["project_code"] == project)
        and (not state or row["state"] == state)
        and (not department or row["department_code"] == department or department in (row["department"] or ""))
    ]
    if as_json:
        return output.rows_as_json(retained)
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
            for r in retained
        ],
    )
    if not waiting:
        output.out.print(f"共 {len(retained):,} 条；因数据未到齐未判定 {len(listed.waiting):,} 条（--waiting 查看）")
    output.data_as_of()
    return None


@app.command()
def clocks(as_of: AsOf = None, as_json: Json = False) -> None:
    """时钟 · Every case's days used, due dates and light."""
    attach()
    from supervision import listing

    rows = listing.clocks(day(as_of))
    if as_json:
        return output.rows_as_json(rows)
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

    result = listing.position(project, day(as_of))
    if as_json:
        return output.rows_as_json(result)
    output.out.print(f"{result['project_code']}  {result['project_name'] or ''}")
    output.table(
        ("阶段", "名称", "状态", "完成时间"),
        [(s["stage"], s["stage_name"], s["state"], s["completed_at"] or "") for s in result["stages"]],
    )
    output.table(
        ("当前事项", "名称", "轮到谁", "责任部门", "在办"),
        [(i["item_code"], i["item_name"], i["turn"], i["department"], i["open"]) for i in result["current_items"]],
    )
    output.table(
        ("规则", "事项", "办件", "状态", "内容"),
        [(f["rule"], f["item_code"], f["case_no"], f["state"], f["text"]) for f in result["findings"]],
    )
    output.data_as_of()
    return None


@finding.command()
def confirm(finding_id: str, note: Note, by: By) -> None:
    """确认 · It is so."""
    _decide(finding_id, "confirmed", by, note)


@finding.command()
def lift(finding_id: str, note: Note, by: By) -> None:
    """解除 · A false alarm: silent until its evidence changes."""
    _decide(finding_id, "lifted", by, note)


def _known(rules: list[str] | None, state: str | None, department: str | None) -> None:
    """:raises NotFoundError: a rule, a state or a department that there is not, with those that there are."""
    from core.errors import NotFoundError

    book: Collection[str] = ()
    if rules:  # what is not asked for is not read
        from supervision import rulebook

        book = rulebook.load().by_name
    checks: list[tuple[str, str, Collection[str], str]] = [("rule", one, book, "规则") for one in rules or []]
    checks += [("state", state, STATES, "状态")] if state else []
    for parameter, value, known, zh in checks:
        if value not in known:
            allowed = ", ".join(known)
            raise NotFoundError(
                f"no {parameter} {value!r}", remedy=f"one of {allowed}", zh=f"没有{zh} {value}，可用：{allowed}。"
            )
    if not department:
        return
    from schemas.departments import register as departments

    listed = departments()
    names = dict(zip(listed["code"], listed["name"], strict=True))
    organs = {code[8:17] for code in names}
    if department not in {*names, *organs} and not any(department in name for name in names.values()):
        allowed = ", ".join(f"{code} {name}" for code, name in names.items())
        raise NotFoundError(
            f"no department {department!r}", remedy=f"one of {allowed}", zh=f"没有部门 {department}，可用：{allowed}。"
        )


def _decide(finding: str, verdict: str, by: str, note: str) -> None:
    from supervision import ledger
    from supervision.orders import life

    ledger.decide(finding, verdict, by=by, note=note)
    life.advance()
    output.out.print(f"✓ {'已确认 confirmed' if verdict == 'confirmed' else '已解除 lifted'}: {finding}")
