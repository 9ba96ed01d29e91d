"""What the city learns of its own cases, as data: the reform's figures, where the days go, bottlenecks, paths, the event log, forecasts.

A key for the whole city reads what was kept after the last judgement; one that is held to towns or to projects gets the same of its own
projects, computed when it asks. A department sees part of a project alone, so what is said of whole projects is not said to it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path as File
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Path, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from core import clock
from insight import days, ocel, paths, report, summary
from serving import rulebook, silence
from serving.access import Grant, reading
from serving.api.common import Asker, Code, Department, Project, Town, must_see, require_known
from serving.api.describe import answers
from serving.api.guard import Guarded
from serving.parameters import OneOf
from serving.problems import Problem
from serving.query import forecasts
from store.engine import transaction
from supervision import judge

router = APIRouter(prefix="/v1", tags=["洞察 insight"], route_class=Guarded)
_FIGURES = ("materials", "limits", "starts", "online", "outside")


@router.get(
    "/insight", responses=answers("insight"), summary="改革台账 · the reform's figures, and where the days went"
)
def ledger(request: Request, asker: Asker) -> Response:
    latest = _latest(asker)
    shown = {name: latest[name] for name in ("as_of", "projects", "elapsed", "holders", "departments", "items")}
    figures = [{**figure, "rows": len(figure["rows"])} for figure in latest["figures"]]
    request.state.rows = len(figures)
    return JSONResponse({**shown, "figures": figures})


@router.get(
    "/insight/figures/{key}", responses=answers("insight_figure"), summary="一项指标的依据 · the rows of a figure"
)
def figure(
    request: Request, asker: Asker, key: Annotated[str, OneOf(_FIGURES), Path(description="指标 · figure")]
) -> Response:
    found = next(figure for figure in _latest(asker)["figures"] if figure["key"] == key)
    request.state.rows = len(found["rows"])
    return JSONResponse(found)


@router.get("/insight/bottlenecks", responses=answers("bottlenecks"), summary="堵点 · where cases take long")
def bottlenecks(
    request: Request, asker: Asker, by: Annotated[str, OneOf(summary.BY), Query(description="按 · by")] = "item"
) -> Response:
    if asker.free:
        latest = _latest(asker)
        as_of, rows = latest["as_of"], latest["bottlenecks"][by]
    else:
        whole = _own(asker, shown_alone=True)
        with reading(asker) as connection:
            seen = connection.exec_driver_sql('select id from asked."case"').scalars().all()
        mine = whole.cases.filter(pl.col("case_id").is_in(seen))
        as_of, rows = whole.as_of.isoformat(), summary.bottlenecks(mine, by).to_dicts()
    request.state.rows = len(rows)
    return JSONResponse({"as_of": as_of, "by": by, "enough": summary.ENOUGH, "items": rows})


@router.get("/insight/paths", responses=answers("paths"), summary="路径与顺序 · variants, and how the order was kept")
def ways(request: Request, asker: Asker) -> Response:
    if asker.free:
        latest = _latest(asker)
        shown = {name: latest[name] for name in ("as_of", "variants", "ways", "steps", "kept", "order")}
    else:
        whole = _own(asker)
        variants = paths.variants(whole.traces)
        order = paths.conformance(whole.steps)
        shown = {
            "as_of": whole.as_of.isoformat(),
            "variants": variants.head(report.WAYS).to_dicts(),
            "ways": variants.height,
            "steps": whole.steps.height,
            "kept": int(whole.steps["kept"].sum() or 0),
            "order": order.filter(pl.col("kept") < pl.col("steps")).head(report.LISTED).to_dicts(),
        }
    request.state.rows = len(shown["variants"])
    return JSONResponse(shown)


@router.get(
    "/insight/ocel", responses=answers("Any", "OCEL 2.0"), summary="事件日志 · the events that are shown, as OCEL 2.0"
)
def log(request: Request, asker: Asker) -> Response:
    folder = tempfile.TemporaryDirectory(prefix="onemap-ocel-")
    path = File(folder.name) / "onemap-ocel.json"
    try:
        with reading(asker) as connection:
            counts = ocel.written(connection, path)
    except BaseException:
        folder.cleanup()
        raise
    request.state.rows = counts["events"]
    return FileResponse(
        path, media_type="application/json", filename=path.name, background=BackgroundTask(folder.cleanup)
    )


@router.get("/projects/{code}/days", responses=answers("days"), summary="用时去向 · whose each day of a project was")
def of_project(request: Request, asker: Asker, code: Code) -> Response:
    _whole_projects(asker)
    must_see(asker, code)
    with transaction() as connection:
        today = clock.today()
        judged = judge.judge(connection, today, [code], rulebook.rules(), silence.watched(connection, today))
        found = days.of_judged(connection, judged)
    spans = days.spans(found.days)
    request.state.rows = spans.height
    whole = (
        found.projects.row(0, named=True)
        if found.projects.height
        else {"begun_on": None, "until": None, "elapsed": 0, "running": False}
    )
    return JSONResponse(
        jsonable_encoder(
            {
                "project_code": code,
                **{name: whole[name] for name in ("begun_on", "until", "elapsed", "running")},
                "holders": [
                    {
                        "holder": holder,
                        "zh": days.HOLDER_ZH[holder],
                        "days": spans.filter(pl.col("holder") == holder)["days"].sum(),
                    }
                    for holder in days.HOLDERS
                ],
                "spans": spans.drop("project_code").to_dicts(),
            }
        )
    )


@router.get(
    "/forecasts", responses=answers("forecasts"), summary="在办件预测 · running cases, the likeliest to be late first"
)
def foreseen(
    request: Request, asker: Asker, project: Project = None, department: Department = None, town: Town = None
) -> Response:
    require_known(asker, department=department)
    rows = forecasts.cases(asker, [project] if project else None, department=department, town=town)
    request.state.rows = len(rows)
    return JSONResponse(jsonable_encoder({"model": forecasts.model(), "items": rows}))


@router.get(
    "/projects/{code}/forecast", responses=answers("forecast"), summary="项目预测 · a project's cases and next steps"
)
def of_one(request: Request, asker: Asker, code: Code) -> Response:
    must_see(asker, code)
    forecast = forecasts.of_projects(asker, [code])
    request.state.rows = len(forecast["cases"]) + len(forecast["steps"])
    return JSONResponse(jsonable_encoder(forecast))


def _latest(asker: Grant) -> dict[str, Any]:
    """What was kept last. :raises Problem: the key is held to some rows, or nothing was kept yet."""
    if not asker.free:
        raise Problem(
            "forbidden",
            "改革台账是全市的数，只对可见全市的密钥开放。",
            "The ledger is of the whole city; the key is held to some rows.",
        )
    latest = report.latest()
    if latest is None:
        raise Problem(
            "not-found", "尚未计算：每日全市判定之后自动计算。", "Not computed yet: it is after the day's judgement."
        )
    return latest


def _whole_projects(asker: Grant) -> None:
    """:raises Problem: the key sees a department's part of projects alone."""
    if asker.departments is not None:
        raise Problem(
            "forbidden",
            "此项涉及整个项目，按部门限行的密钥不可见。",
            "This tells of whole projects; a department's key sees part of them.",
        )


def _own(asker: Grant, *, shown_alone: bool = False) -> summary.Whole:
    """The same of the projects that are shown. ``shown_alone``: the caller leaves out cases that are not."""
    if not shown_alone:
        _whole_projects(asker)
    with reading(asker) as connection:
        codes = connection.exec_driver_sql("select id from asked.project").scalars().all()
    return summary.gather(clock.today(), rulebook.rules(), codes)
