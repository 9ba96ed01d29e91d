"""``onemap share``: 数据共享申请与授权, requests for data and the owner's word."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from cli import output
from cli.context import By, Json, Note, group

Number = Annotated[int, typer.Argument(help="申请编号 · number of the request")]


app = typer.Typer()
share = group(app, "share", "数据共享 · requests for data, grants, their use")


@share.command()
def ask(
    department: Annotated[str, typer.Argument(help="部门代码 · department's code")],
    field: Annotated[
        list[str], typer.Option("--field", help="实体.字段 或 实体.*，可多次 · entity.column or entity.*")
    ],
    purpose: Annotated[str, typer.Option("--purpose", help="用途 · what for")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="使用至 · last day")],
    by: By,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="town:…、read:contacts，可多次")] = None,
) -> None:
    """申请 · File a request."""
    from serving import sharing

    fields = sharing.named(one if "." in one else f"{one}.*" for one in field)
    number = sharing.ask(department, fields, by=by, purpose=purpose, until=until.date(), scopes=scope or [])
    output.out.print(f"✓ 申请 request {number}")


@share.command("list")
def list_(as_json: Json = False) -> None:
    """列出 · Requests, what waits first, with their use."""
    from serving import sharing

    rows = sharing.listed()
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("编号", "部门", "状态", "至", "用途", "次数", "行数"),
        [
            (
                r["id"],
                r["department_name"],
                sharing.STATES[r["state"]],
                r["until"],
                r["purpose"],
                r["calls"],
                r["rows"],
            )
            for r in rows
        ],
    )


@share.command()
def grant(
    number: Number,
    by: By,
    note: Annotated[str, typer.Option("--note", help="意见 · remark")] = "",
    until: Annotated[
        datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="提前到期 · an earlier end")
    ] = None,
) -> None:
    """授权 · The owner's yes."""
    from serving import sharing

    sharing.grant(number, by=by, note=note, until=until.date() if until else None)
    output.out.print(f"✓ 已授权 granted {number}")


@share.command()
def refuse(number: Number, by: By, note: Note) -> None:
    """不同意 · The owner's no."""
    from serving import sharing

    sharing.refuse(number, by=by, note=note)
    output.out.print(f"✓ 不同意 refused {number}")


@share.command()
def end(number: Number, by: By, note: Note) -> None:
    """终止 · Take a grant back; its key ends at once."""
    from serving import sharing

    sharing.end(number, by=by, note=note)
    output.out.print(f"✓ 已终止 ended {number}")


@share.command()
def key(number: Number, by: By) -> None:
    """领取密钥 · The key of a grant, shown once."""
    from serving import sharing

    output.out.print(sharing.fetch(number, by=by), markup=False)


@share.command()
def use(number: Number, as_json: Json = False) -> None:
    """使用 · What was asked with it, by day and path."""
    from serving import sharing

    rows = sharing.use(number)
    if as_json:
        return output.as_json(rows)
    return output.table(("日期", "接口", "次数", "行数"), [(r["day"], r["path"], r["calls"], r["rows"]) for r in rows])
