"""``onemap webhooks``: who is notified of changes of the store."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.context import By, Json, group

app = typer.Typer()
webhooks = group(app, "webhooks", "变更订阅 · webhooks")


@webhooks.command()
def add(
    name: Annotated[str, typer.Argument(help="名称 · name")],
    connection: Annotated[
        str, typer.Option("--connection", help="Airflow 连接：地址与签名密钥（密码）· address and signing secret")
    ],
    by: By,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="town:…、department:…，可多次 · repeatable")
    ] = None,
    entity: Annotated[
        list[str] | None, typer.Option("--entity", help="只推送这些实体，可多次 · these entities alone")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="从头推送 · all that there ever was")] = False,
) -> None:
    """订阅 · Tell a receiver of changes."""
    from serving import audit, webhooks

    webhooks.subscribe(name, connection, scope or [], by=by, entities=entity, from_now=not from_start)
    audit.append(by, "add webhook", name, {"connection": connection, "scopes": scope or [], "entities": entity})
    output.out.print(f"✓ 已订阅 subscribed  {name}")


@webhooks.command("list")
def list_(as_json: Json = False) -> None:
    """列出 · Receivers, and what waits for them."""
    from serving import webhooks

    rows = webhooks.listed()
    if as_json:
        return output.as_json(rows)
    output.table(
        ("名称 name", "连接 connection", "失败 failures", "等待自 waiting since", "错误 error", "停止 stopped"),
        [(r["name"], r["connection"], r["failures"], r["waiting_since"], r["error"], r["stopped_at"]) for r in rows],
    )
    return None


@webhooks.command()
def stop(name: Annotated[str, typer.Argument(help="名称 · name")], by: By) -> None:
    """停止 · Tell it no more."""
    from serving import audit, webhooks

    webhooks.stop(name, f"stopped by {by}")
    audit.append(by, "stop webhook", name, {})
    output.out.print(f"✓ 已停止 stopped  {name}")


@webhooks.command()
def deliver() -> None:
    """推送 · Send what is due now."""
    from serving import webhooks

    for name, taken in webhooks.deliver().items():
        output.out.print(f"{name}: {taken} 条消息 messages")
