"""The DAGs of the hub, made from ``sources/*.yaml``: one family, not one file a source.

================  ==============================================================  =====================
DAG               what                                                            starts
================  ==============================================================  =====================
sync__<source>    plan, read feeds in groups, tell the merge, settle failures     by the source's schedule
unify             identify and fold what has changed                              when a source has news
reconcile__…      counts and keys against the source                              by cron
redrive           quarantined rows through the mapping and the gates again        by hand, nightly
housekeeping      staging of dead runs, old partitions, statistics                nightly
supervise, …      findings, work orders, notices, the monthly report              see :mod:`dags.supervision`
serve, alerts, …  names to search by, balance, webhooks; alerts; files            see :mod:`dags.serving_dags`
================  ==============================================================  =====================

Parsing reads YAML and makes objects: no network, no database, no secret. A running task makes its own DAG alone.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from airflow.sdk import (  # noqa: E402
    DAG,
    Asset,
    AssetAlias,
    AssetAny,
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    Param,
    chain,
    conf,
    get_parsing_context,
    task,
)

from core import interval  # noqa: E402
from dags import bodies, serving_dags, supervision  # noqa: E402
from dags.declared import FOLDER, Declared, names, pools, read  # noqa: E402
from dags.faults import FIRST, RETRIES, ByFault  # noqa: E402
from dags.incidents import DagFailed, DagRecovered  # noqa: E402

REDRIVEN = Asset(name="onemap_redriven", uri="onemap://redriven", extra={"zh": "重处理"})
STORE = Asset(name="onemap_store", uri="onemap://store", extra={"zh": "统一库"})


def news(source: str) -> Asset:
    """The asset that says: this source has news."""
    name, uri = bodies.news(source)
    return Asset(name=name, uri=uri)


def common(dag_id: str, display: str, tags: list[str], doc: str, **more) -> DAG:
    """A DAG as all of ours are: one run at a time, nothing caught up, Chinese title and description."""
    if more.get("on_failure_callback"):
        more["on_success_callback"] = [DagRecovered()]
    return DAG(
        dag_id,
        dag_display_name=display,
        description=_described(doc),
        catchup=False,
        max_active_runs=1,
        tags=["onemap", *tags],
        doc_md=doc,
        **more,
    )


def _described(doc: str) -> str:
    """The first Chinese sentence of a DAG's documentation."""
    lines = [line.strip() for line in doc.splitlines() if line.strip() and not line.startswith(("#", "|", "*", "`"))]
    return lines[0].replace("*", "").split("。")[0] if lines else ""


def cron(expression: str | None) -> CronTriggerTimetable | None:
    """A schedule in the city's time. The first run is the next one due: Airflow's default also takes one that was due in
    the last minutes, which would read everything beside the first sync.
    """
    return (
        CronTriggerTimetable(expression, timezone="Asia/Shanghai", run_immediately=timedelta(0)) if expression else None
    )


def timetable(schedule: str | None) -> CronTriggerTimetable | DeltaTriggerTimetable | None:
    """A source's schedule. An interval counts from the run before, and a run that was due during a longer one is not made up for."""
    if schedule and (every := interval.parse(schedule)):
        return DeltaTriggerTimetable(every)
    return cron(schedule)


def health_link(anchor: str = "") -> str:
    """Address of the health page."""
    return page(f"health{anchor}")


def page(path: str) -> str:
    """Address of a page of ours."""
    base = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    return f"{base.rstrip('/')}/onemap/{path}"


def failure(stops: str) -> list:
    """What a DAG does when it fails: an incident, told on the routes of ``serving/alerts/routes.yaml``."""
    return [DagFailed(stops=stops)]


def source_doc(d: Declared) -> str:
    """What a person on duty wants to know of a source, Chinese first."""
    feeds = "\n".join(f"| `{feed}` | {name} |" for feed, name in d.feeds.items())
    return f"""
### {d.name}（`{d.source}`，{d.system}）

数源部门：**{d.department}** {d.contact}　·　连接：`{d.connection}`　·　协议：`{d.protocol}`
时效承诺：{d.promise}　·　计划：`{d.schedule}`　·　核对：`{d.reconcile or "—"}`　·　[运行健康]({health_link("#" + d.source)})　·　[质量校验 Data Docs]({page("data-docs/index.html")})

| 数据项 feed | 名称 |
|---|---|
{feeds}

回补：触发时填写起止时间（半开区间，本市时间），可选数据项；或用 Airflow 的回填（Backfill），每次运行读取计划的上一时点至其逻辑日期的区间，读不到即失败并说明原因。重复运行不会产生重复数据。

*Owner {d.department}; Airflow Connection `{d.connection}`. To back-fill a closed window, trigger with from / to
(half-open, local time), or use Airflow's Backfill: each of its runs reads from the time of the schedule before to its logical date; running anything again leaves the same store. What is due is read by as many
tasks as the source may be asked by at once, several feeds each; a back-fill has a task a window; a source that is asked every few seconds
(`every 15s`) is read by one task, and nothing of it is tried again: the next run comes sooner. Only transient faults are retried, and a second try reads what the
first has not; the task `settle` names every feed that failed and whose duty it is.*
"""


def sync_dag(d: Declared) -> DAG:
    """sync__<source>."""
    doc = source_doc(d) if not d.broken else f"### 声明有误 broken declaration\n\n```\n{d.broken}\n```"
    with common(
        f"sync__{d.source}",
        f"同步 · {d.name or d.source}",
        ["sync", d.source, *([d.system] if d.system else []), *(["声明有误"] if d.broken else [])],
        doc,
        schedule=timetable(d.schedule),
        default_args={"owner": d.department or "onemap", "retries": 0},
        owner_links={d.department: health_link(f"#{d.source}")} if d.department else {},
        max_active_tasks=max(2, d.parallel),
        params={
            "feeds": Param(
                [],
                type=["array", "null"],
                title="数据项 feeds",
                description="留空为全部 / empty: all of them",
                items={"type": "string"},
                examples=list(d.feeds),
                values_display={feed: f"{feed} {name}" for feed, name in d.feeds.items()},
            ),
            "from": Param(
                None,
                type=["string", "null"],
                format="date-time",
                title="回补起 from",
                description="回补窗口的开始（含），留空为常规增量 / start of a window to back-fill; empty: what is due",
            ),
            "to": Param(
                None,
                type=["string", "null"],
                format="date-time",
                title="回补止 to",
                description="回补窗口的结束（不含） / end of the window, exclusive",
            ),
        },
    ) as dag:
        if d.broken:

            @task(task_id="declaration", on_failure_callback=failure(f"数源 {d.source} 停读"))
            def declaration():
                bodies.broken(d.broken)

            declaration()
            return dag

        if interval.parse(d.schedule or ""):
            _frequent(d)
            return dag

        @task(
            task_id="plan",
            task_display_name="计划 plan",
            retries=RETRIES,
            retry_delay=FIRST,
            retry_policy=ByFault(),
            on_failure_callback=failure(f"{d.name} 停读：本次没有计划出任何数据项"),
            on_success_callback=[DagRecovered()],
        )
        def plan(params=None):
            return bodies.plan(d.source, dict(params), d.schedule)

        @task(
            task_id="sync",
            task_display_name="读取入库 sync",
            pool=pool(d.source),
            map_index_template="{{ task.op_kwargs['group']['label'] }}",
            doc_md=f"[质量校验 Data Docs]({page('data-docs/index.html')})　·　[运行健康]({health_link('#' + d.source)})",
            retries=RETRIES,
            retry_delay=FIRST,
            retry_policy=ByFault(),
        )
        def sync(group):
            return bodies.sync(group, page("data-docs/index.html"))

        @task(
            task_id="publish",
            task_display_name="发布变化 publish",
            trigger_rule="all_done",
            outlets=[news(d.source)],
        )
        def publish():
            bodies.publish()

        # skipped by the scheduler, without a process, where all went well
        @task(task_id="settle", task_display_name="失败汇总 settle", trigger_rule="one_failed")
        def settle(groups):
            bodies.settle(d.source, groups)

        groups = plan()
        read = sync.expand(group=groups)
        settled = settle(groups)
        chain(read, publish(), settled)
        chain(read, settled)
    return dag


def _frequent(d: Declared) -> None:
    """The tasks of a source that is asked every few seconds: one process a reading, where :func:`sync_dag` has one for each step.
    Starting the others would cost more than reading does."""

    @task(
        task_id="sync",
        task_display_name="读取入库 sync",
        pool=pool(d.source),
        outlets=[AssetAlias(bodies.alias(d.source))],
        doc_md=f"[质量校验 Data Docs]({page('data-docs/index.html')})　·　[运行健康]({health_link('#' + d.source)})",
        on_failure_callback=failure(f"{d.name} 停读：本次没有计划出任何数据项"),
        on_success_callback=[DagRecovered()],
    )
    def sync(params=None):
        return bodies.read(d.source, dict(params), d.schedule, page("data-docs/index.html"))

    # none, and no process, where all went well
    @task(task_id="settle", task_display_name="失败汇总 settle")
    def settle(found):
        bodies.settle_these(d.source, found)

    settle.expand(found=sync())


def pool(source: str) -> str:
    """The pool that keeps a source from being asked by too many at once; made by ``onemap up`` and ``onemap prepare``, which
    write down the names. A source that is declared while the hub runs has none yet: a task of a pool that does not exist
    waits for ever, so until the next start it runs in Airflow's own, within its DAG's limit of active tasks.
    """
    return own if (own := f"source_{source}") in pools() else "default_pool"


def reconcile_dag(d: Declared) -> DAG:
    """reconcile__<source>."""
    with common(
        f"reconcile__{d.source}",
        f"核对 · {d.name}",
        ["reconcile", d.source, d.system],
        f"### 与数源核对 · {d.name}\n\n逐项比对数源与统一库的条数和主键，补齐迟到的数据，报告差异。\n\n"
        "*Compares counts and keys of every feed with the source, reads what came late, reports what differs.*",
        schedule=cron(d.reconcile),
        default_args={"owner": d.department, "retries": RETRIES, "retry_delay": FIRST, "retry_policy": ByFault()},
        owner_links={d.department: health_link(f"#{d.source}")},
        on_failure_callback=failure(f"{d.name} 的核对未完成，迟到与消失的记录未发现"),
    ) as dag:

        @task(
            task_id="reconcile",
            task_display_name="核对 reconcile",
            pool=pool(d.source),
            map_index_template="{{ task.op_kwargs['feed'] }}",
            outlets=[news(d.source)],
        )
        def reconcile(feed):
            return bodies.reconcile(feed)

        reconcile.expand(feed=list(d.feeds))
    return dag


def unify_dag(sources: list[str]) -> DAG:
    """unify."""
    with common(
        "unify",
        "归并 · 统一库",
        ["unify"],
        "### 归并\n\n认定同一项目、办件、证照、地块，并按一数一源生成统一记录；只处理有变化的部分。\n\n"
        "*Identifies and folds what has changed since the last run; starts when any source has news.*",
        schedule=AssetAny(REDRIVEN, *(news(source) for source in sources)),
        default_args={"owner": "onemap", "retries": RETRIES, "retry_delay": FIRST, "retry_policy": ByFault()},
        on_failure_callback=failure("统一库停在旧数据，督办与服务随之"),
    ) as dag:

        @task(task_id="unify", task_display_name="归并 unify", outlets=[STORE])
        def unify():
            return bodies.unify()

        unify()
    return dag


def redrive_dag() -> DAG:
    """redrive."""
    with common(
        "redrive",
        "重处理 · 隔离数据",
        ["redrive"],
        "### 重处理隔离数据\n\n修正映射、代码表或声明后，让隔离的记录从存档重走一遍；仍不合格的留在隔离区。\n\n"
        "*Takes quarantined rows from the archive through the mapping and the checks again.*",
        schedule=cron("30 2 * * *"),
        default_args={"owner": "onemap", "retries": RETRIES, "retry_delay": FIRST, "retry_policy": ByFault()},
        params={
            "feed": Param(None, type=["string", "null"], title="数据项 feed", description="留空为全部 / empty: all"),
        },
    ) as dag:

        @task(task_id="redrive", task_display_name="重处理 redrive", outlets=[REDRIVEN])
        def redrive(params=None):
            return bodies.redrive(params["feed"])

        redrive()
    return dag


def housekeeping_dag() -> DAG:
    """housekeeping."""
    with common(
        "housekeeping",
        "日常维护",
        ["housekeeping"],
        "### 日常维护\n\n清理中断运行留下的暂存表，更新统计信息。\n\n*Reaps staging tables of dead runs, refreshes statistics.*",
        schedule=cron("50 2 * * *"),
        default_args={"owner": "onemap", "retries": 2, "retry_delay": timedelta(minutes=5)},
    ) as dag:

        @task(task_id="housekeeping", task_display_name="维护 housekeeping")
        def housekeeping():
            return bodies.housekeeping()

        housekeeping()
    return dag


def of_source(d: Declared, kind: str) -> dict[str, DAG]:
    """The DAGs of a source, or the one of that kind. What Airflow cannot make of a declaration spoils its own alone."""
    dags: dict[str, DAG] = {}
    try:
        if kind in ("", "sync"):
            dags[f"sync__{d.source}"] = sync_dag(d)
        if d.reconcile and not d.broken and kind in ("", "reconcile"):
            dags[f"reconcile__{d.source}"] = reconcile_dag(d)
    except Exception as error:
        if d.broken:
            raise
        broken = Declared(source=d.source, broken=f"{d.source}.yaml: {type(error).__name__}: {error}")
        return of_source(broken, kind)
    return dags


def build(wanted: str | None = None, folder: Path = FOLDER) -> dict[str, DAG]:
    """The DAGs by id; with ``wanted`` that one alone."""
    sources = names(folder)
    dags: dict[str, DAG] = {}
    kind, _, source = (wanted or "").partition("__")
    for name in sources:
        if wanted and name != source:
            continue
        dags |= of_source(read(name, folder), "" if not wanted else kind)
    for dag_id, make in (
        ("unify", lambda: unify_dag(sources)),
        ("redrive", redrive_dag),
        ("housekeeping", housekeeping_dag),
        *supervision.build(common, cron, failure, STORE).items(),
        *serving_dags.build(common, cron, failure, STORE).items(),
    ):
        if wanted in (None, dag_id):
            dags[dag_id] = make()
    return dags


globals().update(build(get_parsing_context().dag_id))
