"""A DAG of ours that fails is an incident; its next success ends it. What a source's feeds do is found by ``serving.alerts``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class DagFailed(BaseNotifier):
    """Opens the incident of a DAG; ``stops``: what rests until it runs again."""

    template_fields = ()

    def __init__(self, *, stops: str) -> None:
        super().__init__()
        self.stops = stops

    def notify(self, context: Context) -> None:
        """Told on the routes of ``serving/alerts/routes.yaml`` by the DAG ``alerts``."""
        from urllib.parse import quote

        from core import clock
        from core.redaction import redact
        from serving import alerts
        from serving.alerts.detect import Trouble

        dag, run_id = context["dag"], str(context["run_id"])
        task = getattr(context.get("ti"), "task_id", "")
        reason = redact(str(context.get("exception") or f"任务 {task or '见运行'} 失败，原因见其日志"))[:500]
        run = f"/dags/{dag.dag_id}/runs/{quote(run_id, safe='')}"
        alerts.report(
            Trouble(
                f"dag:{dag.dag_id}",
                "dag",
                3,
                f"流程“{dag.dag_display_name or dag.dag_id}”失败",
                f"{dag.dag_id} {run_id}：{reason}",
                "本方运维",
                f"{clock.now():%Y-%m-%d %H:%M}",
                self.stops,
                "打开运行看失败的任务与日志；改正后清除（Clear）该任务即重跑",
                pages={"运行": run, "流程": f"/dags/{dag.dag_id}"},
            )
        )


class DagRecovered(BaseNotifier):
    """Ends the incident of a DAG, where there is one."""

    template_fields = ()

    def notify(self, context: Context) -> None:
        """The recovery is told on the routes that were told of the incident."""
        from serving import alerts

        alerts.resolve(f"dag:{context['dag'].dag_id}")
