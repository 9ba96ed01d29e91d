"""The DAGs of supervision, made by :mod:`dags.onemap_dags` with the helpers that every DAG here is made with.

================  ==============================================================  ============================
DAG               what                                                            starts
================  ==============================================================  ============================
supervise         judge what changed, bring the ledger and the orders up to date  after every unify, at minutes 5 and 35
work_orders       urge, tell the municipal platform, read back                    every 10 minutes
notices           each department's open orders in one message                    08:30 on weekdays
monthly_report    the city's state of the month that has ended                    the 1st at 06:00
================  ==============================================================  ============================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, chain, task

from dags import supervision_bodies as bodies
from dags.faults import FIRST, RETRIES, ByFault

FINDINGS = Asset(name="onemap_findings", uri="onemap://findings", extra={"zh": "督办发现"})


def build(
    common: Callable[..., DAG], cron: Callable[[str | None], Any], failure: Callable[[str], list], store: Asset
) -> dict[str, Callable[[], DAG]]:
    """DAG id → what makes it."""
    args = {"owner": "onemap", "retries": RETRIES, "retry_delay": FIRST, "retry_policy": ByFault()}

    def supervise_dag() -> DAG:
        with common(
            "supervise",
            "督办 · 时钟与发现",
            ["supervision"],
            "### 督办判定\n\n归并之后判定有变化的项目；每半小时检查有无数源静默；每日 00:05 全市重判（日历在走，数据不动）。发现均为“疑似，待核”。\n\n"
            "*Judges what changed after every unify, looks every half hour for sources that have fallen silent, the whole city on a "
            "new day; opens, closes and moves work orders.*",
            schedule=AssetOrTimeSchedule(timetable=cron("5,35 * * * *"), assets=[store]),
            default_args=args,
            on_failure_callback=failure("发现、时钟与工单停在旧数据"),
        ) as dag:

            @task(task_id="supervise", task_display_name="判定 supervise", outlets=[FINDINGS])
            def supervise():
                return bodies.supervise()

            @task(task_id="silences", task_display_name="静默 silences")
            def silences():
                return bodies.silences()

            @task(task_id="notify_silence", task_display_name="静默通知 notify", map_index_template="{{ subject }}")
            def notify_silence(subject, text, code, way, silence, ended, **context):
                context["subject"] = subject
                bodies.notify_silence(context, subject, text, code, way, silence, ended)

            @task(task_id="remind", task_display_name="临期提醒 remind")
            def remind():
                return bodies.remind()

            # mapped over the days that were judged whole: on all other runs none, skipped by the scheduler without a process
            @task(task_id="learn", task_display_name="用时去向 learn")
            def learn(day):
                bodies.learn(day)

            @task(task_id="foresee", task_display_name="预测 foresee")
            def foresee(day):
                return bodies.foresee(day)

            judged = supervise()
            found = silences()
            chain(judged, found)
            learn.expand(day=judged)
            foresee.expand(day=judged)
            chain(judged, remind())
            notify_silence.expand_kwargs(found)
        return dag

    def work_orders_dag() -> DAG:
        with common(
            "work_orders",
            "工单 · 派单与回传",
            ["supervision"],
            "### 工单\n\n到期催办、督办；把待报的变更送市平台；取回签收、反馈、核销申请。市平台停机期间全部留在发件箱，恢复后补送，不重不漏。\n\n"
            "*Urges and escalates, sends the outbox, reads updates back. What a platform that is down misses, it gets later, once.*",
            schedule=cron("*/10 * * * *"),
            default_args=args,
            on_failure_callback=failure("工单未报送，部门的签收与反馈未取回"),
        ) as dag:

            @task(task_id="advance", task_display_name="推进 advance")
            def advance():
                return bodies.advance()

            @task(task_id="send", task_display_name="报送 send")
            def send():
                return bodies.send()

            @task(task_id="poll", task_display_name="回传 poll", trigger_rule="all_done")
            def poll():
                return bodies.poll()

            chain(advance(), send(), poll())
        return dag

    def notices_dag() -> DAG:
        with common(
            "notices",
            "通知 · 按部门汇总",
            ["supervision"],
            f"### 通知\n\n每个部门一条汇总，按变量 `{bodies.RECIPIENTS}` 发邮件（连接 `smtp_default`）或群机器人；未配置即不发。\n\n"
            "*One message a department with its open orders; recipients by an Airflow Variable, none without it.*",
            schedule=cron("30 8 * * 1-5"),
            default_args=args,
            on_failure_callback=failure("部门未收到工单汇总"),
        ) as dag:

            @task(task_id="addressees", task_display_name="接收人 addressees")
            def addressees():
                return bodies.addressees()

            @task(task_id="notify", task_display_name="通知 notify", map_index_template="{{ department }} {{ way }}")
            def notify(department, way, **context):
                context.update(department=department, way=way)
                bodies.notify(context, department, way)

            notify.expand_kwargs(addressees())
        return dag

    def monthly_report_dag() -> DAG:
        with common(
            "monthly_report",
            "月报 · 督办情况",
            ["supervision"],
            "### 督办月报\n\n上月末全市督办情况，写入运行目录 `reports/`。\n\n*The city's state at the end of last month, as a page in the run folder.*",
            schedule=cron("0 6 1 * *"),
            default_args=args,
            on_failure_callback=failure("上月督办月报未生成"),
        ) as dag:

            @task(task_id="report", task_display_name="月报 report")
            def report():
                return bodies.monthly_report()

            report()
        return dag

    return {
        "supervise": supervise_dag,
        "work_orders": work_orders_dag,
        "notices": notices_dag,
        "monthly_report": monthly_report_dag,
    }
