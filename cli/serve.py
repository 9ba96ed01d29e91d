"""``onemap serve``: the API alone, a port for BI tools, and what is derived beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import group

app = typer.Typer()
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
    out: Annotated[Path, typer.Option("--out", help="写到哪个 ZIP · the ZIP to write")] = Path("onemap-superset.zip"),
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
