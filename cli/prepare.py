"""``onemap prepare``: what a deployment on several machines needs once, before its services start (docker-compose.yml)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import sqlalchemy as sa
import typer

from cli import output
from cli.stack import airflow
from cli.stack.hub import pools
from core.errors import ConfigurationError, InternalError
from store.engine import create_database

app = typer.Typer()


@app.command()
def prepare() -> None:
    """部署准备 · Make and migrate both databases, make the pools; for docker compose and the like, safe to repeat."""
    from serving.sql import provide

    for name in ("ONEMAP_DATABASE_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        if not os.environ.get(name):
            raise ConfigurationError(
                f"{name} is not set", remedy="./onemap up needs no preparation", zh=f"未设置 {name}。"
            )
        _make(os.environ[name])
    provide.upgrade()
    _run(airflow.command("db", "migrate"))
    _run([sys.executable, "-P", "-m", "cli.stack.metadata"], json.dumps({"pools": pools()}))
    output.out.print("✓ 就绪 ready")


def _make(url: str) -> None:
    """The database of that URL, if the server lacks it."""
    wanted = sa.make_url(url)
    server = sa.create_engine(wanted.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        known = connection.scalar(sa.text("select 1 from pg_database where datname = :name"), {"name": wanted.database})
        if not known:
            create_database(connection, wanted.database or "")
    server.dispose()


def _run(command: list[str], text: str | None = None) -> None:
    if subprocess.run(command, input=text, text=True).returncode:
        raise InternalError(f"{' '.join(command[3:])} failed", zh="部署准备失败，见上方信息。")
