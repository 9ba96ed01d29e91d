"""``onemap orders``: work orders, to departments and back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.context import Json, group

app = typer.Typer()
orders = group(app, "orders", "工单 · work orders")


@orders.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option("--state", help="dispatched | signed | answered | disputed | closed | all")
    ] = None,
    department: Annotated[str | None, typer.Option("--department", help="责任部门（名称或代码）")] = None,
    project: Annotated[str | None, typer.Option("--project")] = None,
    rule: Annotated[str | None, typer.Option("--rule")] = None,
    late: Annotated[bool, typer.Option("--late", help="已催办或督办的")] = False,
    as_json: Json = False,
) -> None:
    """列出 · Orders that are not closed, the most severe and oldest first."""
    from supervision.orders import queries

    _table(queries.listed(state=state, department=department, project=project, rule=rule, late=late), as_json)


@orders.command()
def show(no: str, as_json: Json = False) -> None:
    """查看 · One order with its whole life; its number or its finding's."""
    from supervision.orders import life, queries

    result = queries.shown(no)
    if as_json:
        return output.as_json(result)
    _table([result], False)
    output.table(
        ("时间", "环节", "何人", "何故"),
        [(s["at"], life.STEP_ZH[s["step"]], s["by"], s["why"] or "") for s in result["steps"]],
        "履历",
    )
    return output.table(
        ("修订", "动作", "状态", "尝试", "送达", "错误"),
        [
            (t["revision"], t["action"], t["state"], t["attempts"], t["sent_at"] or "", t["error"] or "")
            for t in result["told"]
        ],
        "报送市平台",
    )


@orders.command()
def agent(name: str, as_json: Json = False) -> None:
    """代办员 · Every order of the projects that an agent looks after."""
    from supervision.orders import queries

    _table(queries.of_agent(name), as_json)


@orders.command()
def casefile(project: str, as_json: Json = False) -> None:
    """案卷（协同）· All departments' orders on one project, and every step."""
    from supervision.orders import life, queries

    result = queries.case_file(project)
    if as_json:
        return output.as_json(result)
    output.out.print(
        f"{result['project_code']}  {result['project_name'] or ''}  部门 {'、'.join(result['departments'])}",
        markup=False,
    )
    _table(result["orders"], False)
    return output.table(
        ("时间", "工单", "部门", "环节", "何人", "何故"),
        [
            (s["at"], s["order_no"], s["department_name"], life.STEP_ZH[s["step"]], s["by"], s["why"] or "")
            for s in result["steps"]
        ],
    )


@orders.command()
def advance(as_json: Json = False) -> None:
    """推进 · Open, close, urge and escalate as the ledger and the limits have it."""
    from supervision.orders import life

    done = life.advance()
    result = {"steps": done.steps, "unrouted": done.unrouted}
    output.as_json(result) if as_json else output.table(
        ("环节", "工单"), [(life.STEP_ZH[k], v) for k, v in done.steps.items()]
    )


@orders.command()
def send(
    again: Annotated[bool, typer.Option("--again", help="被拒的也再试 · what was refused, too")] = False,
    as_json: Json = False,
) -> None:
    """报送 · Tell the municipal platform what waits in the outbox; non-zero when something stays there."""
    from supervision.orders import municipal

    done = municipal.send(again=again)
    result = {
        "sent": done.sent,
        "waiting": done.waiting,
        "refused": done.refused,
        "error": str(done.error) if done.error else None,
    }
    output.as_json(result) if as_json else output.out.print(
        f"送达 {done.sent:,}  待发 {done.waiting:,}  被拒 {done.refused:,}"
    )
    if done.error:
        raise typer.Exit(output.error(done.error))
    if done.refused:
        raise typer.Exit(1)


@orders.command()
def poll(as_json: Json = False) -> None:
    """回传 · Take what departments did: 签收, 反馈, 核销."""
    from supervision.orders import municipal

    done = municipal.poll()
    result = {"new": done.new, "moved": done.moved, "pages": done.pages}
    output.as_json(result) if as_json else output.out.print(f"新回传 {done.new:,}  推进工单 {done.moved:,}")


def _table(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("工单", "状态", "规则", "项目", "责任部门", "派单", "到期", "催督", "内容"),  # item and case stand in the text
        [
            (
                r["no"],
                r["state_zh"],
                r["rule"],
                r["project_code"],
                r["department_name"] or r["department_code"],
                r["dispatched_at"].date(),
                r["due_on"] or "",
                f"督办 {r['escalated_on']}" if r["escalated_on"] else f"催办 {r['urged_on']}" if r["urged_on"] else "",
                r["text"],
            )
            for r in rows
        ],
    )
