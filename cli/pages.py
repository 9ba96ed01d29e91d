"""``onemap serve pages``: the One Map page and the API, without Airflow."""

from __future__ import annotations

import getpass
import secrets
from typing import Annotated

import typer

from cli import output
from cli.context import group


def register(app: typer.Typer) -> None:
    serve = group(app, "serve", "数据服务 · serving")

    @serve.command()
    def pages(
        host: Annotated[str, typer.Option(help="监听地址 · address")] = "127.0.0.1",
        port: Annotated[int, typer.Option(help="端口 · port")] = 8091,
        name: Annotated[
            list[str] | None, typer.Option("--name", help="对外域名，可多次 · names it is called by, repeatable")
        ] = None,
    ) -> None:
        """一张图 · The One Map page and the API. The link that is printed lets in whoever runs this; others show a key of the API."""
        import uvicorn

        from serving.pages import standalone

        token = secrets.token_urlsafe(24)
        served = standalone.make(token, getpass.getuser(), ["127.0.0.1", "localhost", "[::1]", *(name or [])])
        output.out.print(f"一张图 One Map  http://{host}:{port}/enter?token={token}", markup=False)
        output.out.print(f"接口 API        http://{host}:{port}{standalone.API}/openapi.json", markup=False)
        uvicorn.run(served, host=host, port=port, log_level="warning", access_log=False)
