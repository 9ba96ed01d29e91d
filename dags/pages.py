"""Pages of the hub inside Airflow's API server, for users whom Airflow knows; no outside assets.

``/onemap/health`` (HTML) and ``/onemap/health.json``: how each feed does, trouble first.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from core.errors import OneMapError
from dags import login
from dags.declared import Declared, read
from dags.lights import LIGHTS, ordered
from serving.render import span

if TYPE_CHECKING:
    from pipeline.health import FeedHealth

app = FastAPI(title="OneMap hub", docs_url=None, redoc_url=None, openapi_url=None)
CHART_DAYS = 30
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}


app.add_exception_handler(login.LogIn, login.to_login)


async def reader(request: Request) -> None:
    """:raises HTTPException: 401 not logged in, 403 not allowed to see the state of the system."""
    user = await login.user(request)
    if not get_auth_manager().is_authorized_view(access_view=AccessView.CLUSTER_ACTIVITY, user=user):
        raise HTTPException(403, "Forbidden")


@app.get("/health", response_class=HTMLResponse, dependencies=[Depends(reader)])
def health_page() -> Response:
    """Readable in ten seconds: the verdict, the troubles, then every feed."""
    from core import clock
    from pipeline.health import health
    from serving.push.state import LIGHTS as PUSH_LIGHTS
    from serving.push.state import standing
    from store import arrivals
    from store.engine import transaction
    from supervision import feedback

    try:
        with transaction() as connection:
            daily = arrivals.daily(connection, clock.today(), CHART_DAYS)
        daily |= feedback.daily(clock.today(), CHART_DAYS)
        shown = view(health() + feedback.health(), last_runs(), daily) | {
            "pushes": standing(),
            "push_lights": PUSH_LIGHTS,
        }
    except OneMapError as error:
        shown = {"unavailable": error.zh}
    return HTMLResponse(rendered(shown), headers=_HEADERS)


def rendered(shown: dict[str, Any]) -> str:
    """The page, in the frame and the stylesheet of the One Map's pages."""
    from core import clock
    from serving.access import ADMIN, PROJECTS, Grant
    from serving.pages.answering import framed
    from serving.render import template

    frame = framed(Grant("", frozenset({PROJECTS, ADMIN})), "health")  # whoever reads it may operate
    return template("health.html.j2").render(**frame, base="map/", now=clock.now(), **shown)


def last_runs() -> dict[str, tuple[str, dict[str, int]]]:
    """Source -> (run id of the last run of its DAG that read something, feed -> map index of its task), from Airflow's database."""
    from airflow.models import DagRun, TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        latest = (
            select(TaskInstance.dag_id, func.max(DagRun.start_date).label("begun"))
            .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
            .where(TaskInstance.dag_id.like("sync\\_\\_%"), TaskInstance.task_id == "sync", TaskInstance.map_index >= 0)
            .group_by(TaskInstance.dag_id)
            .subquery()
        )
        rows = session.execute(
            select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.map_index, TaskInstance.rendered_map_index)
            .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
            .join(latest, (latest.c.dag_id == DagRun.dag_id) & (latest.c.begun == DagRun.start_date))
            .where(TaskInstance.task_id == "sync")
        ).all()
    found: dict[str, tuple[str, dict[str, int]]] = {}
    for dag_id, run_id, index, label in rows:
        _, feeds = found.setdefault(dag_id.removeprefix("sync__"), (run_id, {}))
        if label:
            feeds.setdefault(label.split(" ")[0], index)
    return found


def _links(feed: FeedHealth, declared: Declared, run: tuple[str, dict[str, int]] | None) -> list[tuple[str, str]]:
    """(address, name): where somebody on duty goes next from a feed. Addresses are Airflow's, from its root."""
    dag = f"/dags/{feed.dag or f'sync__{feed.source}'}"
    links = [(dag, "流程")]
    if run and not feed.dag:
        run_id, feeds = run
        at = f"{dag}/runs/{quote(run_id, safe='')}"
        links.append((at, "最近运行"))
        if feed.feed in feeds:
            links.append((f"{at}/tasks/sync/mapped/{feeds[feed.feed]}", "日志"))
    return [
        *links,
        (f"/connections?name_pattern={quote(declared.connection)}", "连接"),
        (f"map/ops/sources#{feed.source}", "节律与联系人"),
    ]


@app.get("/health.json", dependencies=[Depends(reader)])
def health_json() -> Response:
    """The same as data."""
    from pipeline.health import health
    from pipeline.machine import conditions
    from serving.push.state import standing
    from supervision import feedback

    try:
        feeds = [feed.as_dict() for feed in ordered(health() + feedback.health())]
        pushes = [one.as_dict() for one in standing()]
        document = {"feeds": feeds, "pushes": pushes, "machine": [one.as_dict() for one in conditions()]}
        return JSONResponse(document, headers=_HEADERS)
    except OneMapError as error:
        return JSONResponse({"error": error.message, "zh": error.zh}, status_code=503, headers=_HEADERS)


def chart(rows: list[int]) -> dict[str, Any]:
    """A small picture of what came by day: bars of at most 22 pixels, and the band of its usual days (5 % to 95 %)."""
    usual = sorted(number for number in rows[:-1] if number)
    top = max(rows) or 1
    low, high = (usual[len(usual) // 20], usual[min(len(usual) * 19 // 20, len(usual) - 1)]) if usual else (0, 0)
    return {
        "bars": [round(22 * number / top, 1) for number in rows],
        "low": round(22 * low / top, 1),
        "high": round(22 * high / top, 1),
        "said": f"近 {len(rows)} 日每日到达，通常 {low}–{high} 条",
    }


def view(
    feeds: list[FeedHealth],
    runs: dict[str, tuple[str, dict[str, int]]] | None = None,
    daily: dict[str, list[int]] | None = None,
) -> dict[str, Any]:
    """What the template shows of the feeds' health; ``runs``: :func:`last_runs`; ``daily``: rows of a feed by day."""
    declared = {name: read(name) for name in {feed.source for feed in feeds}}
    tally = Counter(feed.light for feed in feeds)
    tiles = [
        {"zh": light.zh, "en": light.en, "tone": light.tone, "count": tally[name]} for name, light in LIGHTS.items()
    ]
    rows, seen = [], set()
    for feed in ordered(feeds):
        rows.append(
            {
                "health": feed,
                "light": LIGHTS[feed.light],
                "anchor": feed.source if feed.source not in seen else None,
                "read_at": feed.read_at,
                "contact": declared[feed.source].contact,
                "links": _links(feed, declared[feed.source], (runs or {}).get(feed.source)),
                "success": _local(feed.last_success),
                "since": _local(feed.since),
                "age": span(feed.age),
                "promise": span(feed.promise),
                "chart": chart(daily[feed.feed]) if daily and feed.feed in daily else None,
            }
        )
        seen.add(feed.source)
    return {"unavailable": None, "verdict": _verdict(feeds, tally), "tiles": tiles, "rows": rows}


def _verdict(feeds: list[FeedHealth], tally: Counter[str]) -> dict[str, str]:
    unbalanced = sum(not feed.balanced for feed in feeds)
    troubles = [f"{tally[name]} 项{LIGHTS[name].zh}" for name in ("failing", "held", "silent", "late") if tally[name]]
    english = [f"{tally[name]} {LIGHTS[name].en}" for name in ("failing", "held", "silent", "late") if tally[name]]
    if unbalanced:
        troubles.append(f"{unbalanced} 项未平账")
        english.append(f"{unbalanced} not balanced")
    if not troubles:
        waiting = f"，{tally['never']} 项尚未同步" if tally["never"] else ""
        return {
            "tone": "idle" if tally["never"] else "good",
            "zh": f"运行正常：{tally['ok']} 项按时、平账{waiting}",
            "en": "all feeds on time and balanced",
        }
    whose = Counter(f"{feed.source_name}（{feed.fault_zh or '待判定'}）" for feed in feeds if feed.light == "failing")
    named = "：" + "、".join(whose) if whose else ""
    tone = "bad" if tally["failing"] or tally["silent"] or unbalanced else "warn"
    return {"tone": tone, "zh": "、".join(troubles) + named, "en": ", ".join(english)}


def _local(time: datetime | None) -> datetime | None:
    from core.clock import SHANGHAI

    return time.astimezone(SHANGHAI) if time else None


@app.get("/data-docs/{path:path}", dependencies=[Depends(reader)])
def data_docs(path: str) -> Response:
    """The quality checks of every feed's latest run, as Great Expectations renders them."""
    from quality import docs

    root = docs.root().resolve()
    asked = (root / (path or "index.html")).resolve()
    if not asked.is_relative_to(root) or not asked.is_file():
        raise HTTPException(404, "还没有校验结果 / nothing has been checked yet")
    return FileResponse(asked, headers=_HEADERS)


@app.get("/icon.svg")
def icon() -> Response:
    return _icon("#303030")


@app.get("/icon-dark.svg")
def icon_dark() -> Response:
    return _icon("#e8e8e8")


def _icon(colour: str) -> Response:
    pulse = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}" stroke-width="2" '
        'stroke-linecap="round" stroke-linejoin="round"><path d="M2 12h5l3-8 4 16 3-8h5"/></svg>'
    )
    return Response(pulse, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})
