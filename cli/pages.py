"""``onemap serve pages``: the One Map page and the API, without Airflow."""

from __future__ import annotations

import getpass
import secrets
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.context import group

app = typer.Typer()
serve = group(app, "serve", "数据服务 · serving")


@serve.command()
def pages(
    host: Annotated[str, typer.Option(help="监听地址 · address")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="端口 · port")] = 8091,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="对外域名，可多次 · names it is called by, repeatable")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="HTTPS，自签证书 · by a certificate of our own")] = False,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="证书 PEM · given certificate")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="私钥 PEM · its key")] = None,
) -> None:
    """一张图 · The One Map page and the API. The link that is printed lets in whoever runs this; others show a key of the API."""
    import uvicorn

    from cli.stack.tls import options
    from serving.pages import standalone

    secured = options(tls, certificate, key, name or [])
    scheme = "https" if secured else "http"
    token = secrets.token_urlsafe(24)
    served = standalone.make(token, getpass.getuser(), ["127.0.0.1", "localhost", "[::1]", *(name or [])])
    output.out.print(f"一张图 One Map  {scheme}://{host}:{port}/enter?token={token}", markup=False)
    output.out.print(f"接口 API        {scheme}://{host}:{port}{standalone.API}/openapi.json", markup=False)
    uvicorn.run(served, host=host, port=port, log_level="warning", access_log=False, **secured)
