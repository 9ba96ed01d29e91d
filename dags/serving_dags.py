"""The DAG of serving, made by :mod:`dags.onemap_dags` with the house's ways of making one.

``serve``: after every unify and every five minutes: names to search by, towns of shapes, the day's balance; webhooks; OpenLineage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, chain, task

from dags.faults import FIRST, RETRIES, ByFault

log = logging.getLogger(__name__)


def build(
    common: Callable[..., DAG], cron: Callable[[str | None], Any], alerts: Callable[[], list], store: Asset
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
            on_failure_callback=alerts() or None,
        ) as dag:

            @task(task_id="refresh", task_display_name="派生 refresh")
            def refresh():
                from core.logging import guard
                from serving import balance, derive

                guard()
                derive.refresh()
                return {"feeds": balance.record()}

            @task(task_id="deliver", task_display_name="推送 deliver", trigger_rule="all_done")
            def deliver():
                from core.logging import guard
                from serving import openlineage, webhooks

                guard()
                return {"webhooks": webhooks.deliver(), "lineage": openlineage.deliver()}

            chain(refresh(), deliver())
        return dag

    return {"serve": serve_dag}
