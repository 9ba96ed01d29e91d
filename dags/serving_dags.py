"""The DAGs of serving, made by :mod:`dags.onemap_dags` with the helpers that every DAG here is made with.

``serve``: after every unify and every five minutes: names to search by, towns of shapes, the day's balance; webhooks; OpenLineage.
``alerts``: every five minutes: what is wrong, and whoever is to be notified. ``snapshot``: nightly files of the store.
``push__<sink>``: what the hub sends to others, a DAG a declaration of ``sinks/``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, Param, chain, task

from dags import bodies
from dags.declared import SINKS, names, receiver
from dags.faults import FIRST, RETRIES, ByFault

log = logging.getLogger(__name__)


def build(
    common: Callable[..., DAG], cron: Callable[[str | None], Any], failure: Callable[[str], list], store: Asset
) -> dict[str, Callable[[], DAG]]:
    """DAG id → what makes it."""

    def serve_dag() -> DAG:
        with common(
            "serve",
            "服务 · 检索与推送",
            ["serving"],
            "### 数据服务\n\n归并之后更新检索名、图形所在镇街和来源与在库平衡；把变更推送给订阅者，对方未收下的按间隔重发，原样、不乱序；"
            "有连接 `openlineage` 时向其报送各批次的 OpenLineage 事件。\n\n"
            "*Refreshes what serving makes beforehand; delivers webhooks: a receiver that is down gets the same messages later, in order. "
            "With a Connection `openlineage`, tells it of every run.*",
            schedule=AssetOrTimeSchedule(timetable=cron("*/5 * * * *"), assets=[store]),
            default_args={"owner": "onemap", "retries": RETRIES, "retry_delay": FIRST, "retry_policy": ByFault()},
            on_failure_callback=failure("检索名、平衡未更新，变更未推送给订阅者"),
        ) as dag:

            @task(task_id="refresh", task_display_name="派生 refresh")
            def refresh():
                from airflow.sdk import get_current_context

                from core.logging import guard
                from serving import balance, derive

                guard()
                derive.refresh()
                # not after each unify: every five minutes is often enough for a row a day
                if get_current_context()["dag_run"].run_type != "asset_triggered":
                    return {"feeds": balance.record()}
                return {}

            @task(task_id="deliver", task_display_name="推送 deliver", trigger_rule="all_done")
            def deliver():
                from core.logging import guard
                from serving import openlineage, webhooks

                guard()
                return {"webhooks": webhooks.deliver(), "lineage": openlineage.deliver()}

            chain(refresh(), deliver())
        return dag

    def alerts_dag() -> DAG:
        with common(
            "alerts",
            "告警 · 事项与通知",
            ["serving"],
            "### 告警\n\n每五分钟看一遍：读取失败、超过时效、大批注销待决、未平账、隔离增多、结构漂移、流程失败。一个故障一件事项，新开时通知一次，"
            "未恢复按间隔重发，恢复时通知一次；临期提醒（补正、公示、黄灯）每条发一次；谁收到由 `serving/alerts/routes.yaml` 定，地址与密钥在连接里（docs/alerts.md）。\n\n"
            "*Looks every five minutes; one incident a trouble: told once, repeated by a schedule, closed by a message.*",
            schedule=cron("*/5 * * * *"),
            default_args={"owner": "onemap", "retries": 1, "retry_delay": FIRST},
        ) as dag:

            @task(task_id="alert", task_display_name="告警 alert")
            def alert():
                from airflow.sdk import conf

                from core.logging import guard
                from serving import alerts as incidents

                guard()
                return incidents.run(conf.get("api", "base_url", fallback="") or "http://localhost:8080")

            @task(task_id="remind", task_display_name="临期提醒 remind", trigger_rule="all_done")
            def remind():
                from airflow.sdk import conf

                from core.logging import guard
                from serving import alerts as incidents

                guard()
                return incidents.remind(conf.get("api", "base_url", fallback="") or "http://localhost:8080")

            chain(alert(), remind())
        return dag

    def snapshot_dag() -> DAG:
        with common(
            "snapshot",
            "快照 · 数据文件",
            ["serving"],
            "### 快照\n\n每夜把统一库写成 Parquet、GeoParquet 与清单（周日全量，平日只写变化，个人信息脱敏），存到 `ONEMAP_SNAPSHOT_URL` 所指的任何存储，"
            "供 DuckDB、GeoPandas、QGIS、Excel 读取（docs/api.md）。\n\n*Parquet, GeoParquet and a manifest; whole on Sundays, else what changed.*",
            schedule=cron("20 1 * * *"),
            default_args={"owner": "onemap", "retries": RETRIES, "retry_delay": FIRST, "retry_policy": ByFault()},
            on_failure_callback=failure("当夜的数据文件未写出，应用读到的仍是前一份"),
        ) as dag:

            @task(task_id="write", task_display_name="写出 write")
            def write():
                from core.logging import guard
                from serving import snapshot

                guard()
                return snapshot.nightly()

            write()
        return dag

    def push_dag(sink: str) -> DAG:
        d = receiver(sink)
        listed = "\n".join(f"| `{output}` | {name} |" for output, name in d.outputs.items())
        about = f"""### 推送 · {d.name}（`{d.sink}`）

{d.purpose}。接收方：**{d.department}**　·　连接：`{d.connection}`　·　协议：`{d.protocol}`　·　承诺：{d.promise}

| 推送项 output | 名称 |
|---|---|
{listed}

每条记录按主键只送一次；回执存档，送出 = 已收 + 拒收；拒收的在“推送”页查看原因、重推。回补某一期间：触发时填写期间。

*Each row once by its key; receipts are archived; what is refused waits on the page 推送 for a re-drive.*
"""
        due = cron(d.schedule)
        with common(
            f"push__{d.sink}",
            f"推送 · {d.name or d.sink}",
            ["push", d.sink, *(["声明有误"] if d.broken else [])],
            about if not d.broken else f"### 声明有误 broken declaration\n\n```\n{d.broken}\n```",
            schedule=AssetOrTimeSchedule(timetable=due, assets=[store]) if d.by_change else due,
            default_args={
                "owner": d.department or "onemap",
                "retries": RETRIES,
                "retry_delay": FIRST,
                "retry_policy": ByFault(),
            },
            on_failure_callback=failure(f"{d.department or d.sink} 未收到最新数据"),
            params={
                "period": Param(
                    None,
                    type=["string", "null"],
                    title="期间 period",
                    description="按期间推送的另送一期，如 2026-10 / another period of those that are sent whole",
                ),
            },
        ) as dag:
            if d.broken:

                @task(task_id="declaration")
                def declaration():
                    bodies.broken(d.broken)

                declaration()
                return dag

            @task(
                task_id="push",
                task_display_name="推送 push",
                map_index_template="{{ task.op_kwargs['outputs'] | join(' · ') }}",
            )
            def push(outputs, params=None):
                return bodies.push(outputs, params["period"])

            # what follows each change is few rows: one process for all outputs costs less than one for each
            push.expand(outputs=[list(d.outputs)] if d.by_change else [[output] for output in d.outputs])
        return dag

    pushes = {f"push__{name}": partial(push_dag, name) for name in names(SINKS)}
    return {**pushes, "serve": serve_dag, "alerts": alerts_dag, "snapshot": snapshot_dag}
