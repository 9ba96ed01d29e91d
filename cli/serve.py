"""``onemap serve`` and ``onemap webhooks``: the API alone, what it makes beforehand, and who is told of changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import By, Json, group


def register(app: typer.Typer) -> None:
    serve = group(app, "serve", "数据服务 · serving")

    @serve.command()
    def api(
        host: Annotated[str, typer.Option(help="监听地址 · address")] = "127.0.0.1",
        port: Annotated[int, typer.Option(help="端口 · port")] = 8090,
        tls: Annotated[bool, typer.Option("--tls", help="HTTPS，自签证书 · by a certificate of our own")] = False,
        certificate: Annotated[Path | None, typer.Option("--certificate", help="证书 PEM · given certificate")] = None,
        key: Annotated[Path | None, typer.Option("--key", help="私钥 PEM · its key")] = None,
    ) -> None:
        """接口 · The API alone, without Airflow. Several processes: uvicorn serving.api.app:app --workers N."""
        import uvicorn

        from cli.stack.tls import options

        secured = options(tls, certificate, key, [])
        output.out.print(f"一张图 API  {'https' if secured else 'http'}://{host}:{port}/openapi.json")
        # the audit log says who asked what; an access log would say it again without the key's name
        uvicorn.run("serving.api.app:app", host=host, port=port, log_level="warning", access_log=False, **secured)

    @serve.command()
    def sql(
        host: Annotated[str, typer.Option(help="监听地址 · address")] = "127.0.0.1",
        port: Annotated[int, typer.Option(help="端口 · port")] = 5433,
    ) -> None:
        """数据库端口 · A TCP port for BI tools in front of the embedded PostgreSQL; roles of ``onemap keys role`` alone. Ctrl-C ends it."""
        import asyncio

        import sqlalchemy as sa

        from cli.stack import sql_port
        from core import settings
        from core.errors import ConfigurationError
        from serving import roles

        socket = sa.make_url(settings.database_url()).query.get("host")
        if not isinstance(socket, str) or not socket.startswith("/"):
            raise ConfigurationError(
                "the store is no embedded PostgreSQL",
                remedy="connect to its server at once",
                zh="统一库不是内嵌数据库，请直接连接其服务器。",
            )

        async def listen() -> None:
            door = sql_port.Port(Path(socket) / ".s.PGSQL.5432", roles.may_log_in)
            async with await door.serve(host, port) as server:
                output.out.print(f"一张图 SQL  {host}:{port}  数据库 database onemap  模式 schema onemap", markup=False)
                await server.serve_forever()

        asyncio.run(listen())

    @serve.command()
    def superset(
        out: Annotated[Path, typer.Option("--out", help="写到哪个 ZIP · the ZIP to write")] = Path(
            "onemap-superset.zip"
        ),
        uri: Annotated[
            str, typer.Option("--uri", help="SQLAlchemy 地址，不含口令 · without a password")
        ] = "postgresql://BI_ROLE@127.0.0.1:5433/onemap",
    ) -> None:
        """Superset 看板 · A dashboard of five ready questions in Superset's own import format."""
        from serving import bi
        from store.engine import transaction

        with transaction() as connection:
            out.write_bytes(bi.zipped(bi.superset(connection, uri)))
        output.out.print(f"✓ {out}（Superset：Settings → Import）", markup=False)

    @serve.command()
    def refresh() -> None:
        """派生 · Names to search by, towns of shapes, today's balance."""
        from serving import balance, derive

        derive.refresh()
        output.out.print(f"✓ 检索与位置已更新 refreshed；平衡 balance {balance.record()} 个数据流 feeds")

    @serve.command()
    def postgis() -> None:
        """几何视图 · Make the views with geometry, once PostGIS is installed."""
        from store.engine import transaction

        with transaction() as connection:
            built = connection.exec_driver_sql("select serving.add_geometry()").scalar_one()
        if not built:
            output.err.print("✗ 数据库没有 PostGIS，或无权启用 · no PostGIS here, or no right to enable it")
            raise typer.Exit(1)
        output.out.print("✓ 已建几何视图 views with geometry are there")

    @serve.command()
    def openlineage(after: Annotated[int, typer.Option(help="此批次号之后 · behind this run")] = 0) -> None:
        """血缘事件 · OpenLineage events of runs that have ended, one a line, for a receiver that takes files."""
        import json

        from serving import openlineage as lineage
        from store.engine import transaction

        with transaction() as connection:
            for run in lineage.ended(connection, after):
                for event in lineage.events(run):
                    print(json.dumps(event, ensure_ascii=False))

    hooks = group(app, "webhooks", "变更订阅 · webhooks")

    @hooks.command()
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

    @hooks.command("list")
    def list_(as_json: Json = False) -> None:
        """列出 · Receivers, and what waits for them."""
        from serving import webhooks

        rows = webhooks.listed()
        if as_json:
            return output.as_json(rows)
        output.table(
            ("名称 name", "连接 connection", "失败 failures", "等待自 waiting since", "错误 error", "停止 stopped"),
            [
                (r["name"], r["connection"], r["failures"], r["waiting_since"], r["error"], r["stopped_at"])
                for r in rows
            ],
        )
        return None

    @hooks.command()
    def stop(name: Annotated[str, typer.Argument(help="名称 · name")], by: By) -> None:
        """停止 · Tell it no more."""
        from serving import audit, webhooks

        webhooks.stop(name, f"stopped by {by}")
        audit.append(by, "stop webhook", name, {})
        output.out.print(f"✓ 已停止 stopped  {name}")

    @hooks.command()
    def deliver() -> None:
        """推送 · Send what is due now."""
        from serving import webhooks

        for name, taken in webhooks.deliver().items():
            output.out.print(f"{name}: {taken} 条消息 messages")
