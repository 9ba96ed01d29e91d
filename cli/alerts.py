"""``onemap alerts``: what is wrong, who is notified, and a test of each route."""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

from cli import output
from cli.context import Json, group

app = typer.Typer()
alerts = group(app, "alerts", "告警 · incidents, and who is notified of them")


@alerts.command("list")
def list_(
    closed: Annotated[bool, typer.Option("--closed", help="最近恢复的 · those that are over")] = False,
    as_json: Json = False,
) -> None:
    """列出 · What is wrong: whose duty, since when, what it stops, what to do next."""
    from serving.alerts import incidents
    from serving.alerts.detect import SEVERITY_ZH

    rows = incidents.recent() if closed else incidents.open_incidents()
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("程度", "事项", "责任", "自何时", "影响", "下一步"),
        [
            (
                SEVERITY_ZH[row["severity"]],
                f"{row['content']['title']}：{row['content']['what']}",
                *(row["content"][name] or "" for name in ("duty", "since", "stops", "next")),
            )
            for row in rows
        ],
    )


@alerts.command()
def run(as_json: Json = False) -> None:
    """看一遍 · Look and notify, as the DAG alerts does every five minutes."""
    from serving import alerts as service

    done = service.run(_base())
    output.as_json(done) if as_json else output.out.print(
        f"✓ 新告警 {done['opened']}  重发 {done['repeated']}  恢复 {done['closed']}  未送达 {done['failed']}"
    )


@alerts.command()
def remind(as_json: Json = False) -> None:
    """发送提醒 · Send the reminders that wait, as the DAG alerts does; each once."""
    from serving import alerts as service

    done = service.remind(_base())
    output.as_json(done) if as_json else output.out.print(
        f"✓ 消息 {done['sent']}  提醒 {done['reminders']}  未送达 {done['failed']}"
    )


@alerts.command()
def test(route: Annotated[str, typer.Argument(help="路由名称 · name of a route in routes.yaml")]) -> None:
    """发送测试通知 · A message that says it is a test; exit 1 when it did not arrive."""
    from serving import alerts as service

    error = service.try_route(route, _base(), getpass.getuser())
    if error:
        output.err.print(f"✗ 未送达 not delivered: {error}", markup=False)
        raise typer.Exit(1)
    output.out.print(f"✓ 已送达 delivered: {route}", markup=False)


def _base() -> str:
    return os.environ.get("AIRFLOW__API__BASE_URL") or "http://localhost:8080"
