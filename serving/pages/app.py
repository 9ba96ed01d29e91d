"""The pages as an application, to be mounted where the askers are known: in Airflow, or by ``onemap serve``.

Whoever mounts it gives ``asker``: request → :class:`serving.access.Grant`, or it raises. Every read stands on the audit log
before its answer leaves. No outside address is called, and no script but our own runs (Content-Security-Policy).
"""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import polars as pl
import shapely
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.gzip import GZipMiddleware

from core import clock
from core.clock import SHANGHAI
from core.errors import OneMapError
from serving import places, rulebook
from serving.access import Grant, departments, reading
from serving.formats import MEDIA, Format
from serving.pages import (
    alerts,
    care,
    catalogue,
    decisions,
    forecast,
    guide,
    insight,
    lists,
    mapping,
    operations,
    plan,
    pushes,
    reminders,
    share,
    subscriptions,
    tryout,
    whatif,
)
from serving.pages.answering import HEADERS, Asker, Who, attached, logged, rendered
from serving.pages.samesite import SameSite
from serving.query import forecasts, projects, space
from serving.query.city import LIGHTS, NO_LIGHT, PAGE, City, Filters, board, chosen, city

FOLDER = Path(__file__).resolve().parent
_STANDALONE = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'",
}
MAX_REDLINES = 600
Code = Annotated[str, Query(max_length=64)]


router = APIRouter()


def application(asker: Asker, redrive: str | None = None) -> FastAPI:
    """The pages, for askers that ``asker`` knows.

    :param redrive: where Airflow's API starts a re-drive, from the pages' root; None: the command line does.
    """
    app = FastAPI(title="一张图 One Map", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.asker, app.state.redrive = asker, redrive
    app.add_middleware(GZipMiddleware, minimum_size=2000)
    app.add_middleware(SameSite)
    app.exception_handler(OneMapError)(_unavailable)
    app.exception_handler(StarletteHTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_illegible)
    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
    app.include_router(router)
    app.include_router(operations.router)
    app.include_router(mapping.router)
    app.include_router(guide.router)
    app.include_router(plan.router)
    app.include_router(care.router)
    app.include_router(forecast.router)
    app.include_router(insight.router)
    app.include_router(reminders.router)
    app.include_router(whatif.router)
    app.include_router(decisions.router)
    app.include_router(alerts.router)
    app.include_router(catalogue.router)
    app.include_router(subscriptions.router)
    app.include_router(pushes.router)
    app.include_router(share.router)
    app.include_router(tryout.router)
    app.include_router(lists.router)
    return app


def _unavailable(request: Request, error: OneMapError) -> Response:
    return rendered("message.html.j2", request, 503, title="暂时无法读取", text=error.zh)


def _refused(request: Request, error: HTTPException) -> Response:
    text = error.detail if error.status_code != 404 or error.detail != "Not Found" else "没有这个页面。"
    return rendered(
        "message.html.j2",
        request,
        error.status_code,
        dict(error.headers or {}),
        title=str(error.status_code),
        text=text,
    )


def _illegible(request: Request, error: RequestValidationError) -> Response:
    wrong = "、".join(sorted({str(e["loc"][-1]) for e in error.errors()}))
    return rendered("message.html.j2", request, 400, title="400", text=f"请检查地址中的参数：{wrong}。")


def filters(
    q: Annotated[str | None, Query(max_length=100)] = None,
    town: Annotated[str | None, Query(pattern=r"^(\d{9})?$")] = None,
    department: Annotated[str | None, Query(pattern=r"^([0-9A-Z]{18})?$")] = None,
    stage: Annotated[str | None, Query(pattern=r"^([1-8]|done)?$")] = None,
    light: Annotated[Literal["", "双红", "红", "待数据", "黄", "蓝", "绿", "无"] | None, Query()] = None,
    rule: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9]{0,20}$")] = None,
) -> Filters:
    """The filters of an address; an empty one is none."""
    text = q.replace("\x00", "").strip() if q else None
    return Filters(text or None, town or None, department or None, stage or None, light or None, rule or None)


@router.get("/", response_class=HTMLResponse)
def index(
    request: Request,
    who: Who,
    by: Annotated[Filters, Depends(filters)],
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Map, board and list; with the header X-Partial what the filters change alone."""
    seen = city(who)
    shown = view(seen, chosen(seen, who, by), by, page) | {"operations": who.operates, "free": who.free}
    partial = request.headers.get("x-partial") == "1"
    answer = rendered("results.html.j2" if partial else "index.html.j2", request, **shown)
    return logged(request, who, answer, len(shown["rows"]))


@router.get("/data/points")
def points(request: Request, who: Who, by: Annotated[Filters, Depends(filters)]) -> Response:
    """Where the projects are: code, longitude and latitude (1e-5 degrees), light, stage (0: none, 9: done), findings, one list each."""
    seen = city(who)
    rows = chosen(seen, who, by).drop_nulls(["x", "y"])
    document = {
        "code": rows["code"].to_list(),
        "x": (rows["x"] * 1e5).round().cast(pl.Int64).to_list(),
        "y": (rows["y"] * 1e5).round().cast(pl.Int64).to_list(),
        "light": rows["rank"].to_list(),
        "stage": rows.select(pl.when("finished").then(9).otherwise(pl.col("stage").fill_null(0)).alias("stage"))[
            "stage"
        ].to_list(),
        "found": rows["findings"].to_list(),
    }
    return logged(request, who, JSONResponse(document, headers=HEADERS), rows.height)


@router.get("/data/brief")
def brief(request: Request, who: Who, code: Code) -> Response:
    """One project, for the card on the map."""
    rows = city(who).projects.filter(pl.col("code") == code)
    if rows.is_empty():
        raise HTTPException(404, "没有这个项目，或无权查看。")
    row = rows.to_dicts()[0]
    turn = row["turn"] or {}
    document = {
        "code": code,
        "name": row["name"],
        "enterprise": row["enterprise"],
        "town": row["town_name"],
        "light": row["light"],
        "late": row["late"],
        "findings": row["findings"],
        "stage": "已完成" if row["finished"] else _stage_names().get(row["stage"], "未启动"),
        "item": turn.get("item_name"),
        "turn": turn.get("turn"),
        "department": turn.get("department"),
    }
    return logged(request, who, JSONResponse(document, headers=HEADERS), 1)


@router.get("/data/towns")
def towns(_: Who) -> Response:
    """Outlines of the towns, simplified to 30 m; their datum is not known (schemas/catalogue/README.md)."""
    return Response(
        _towns(), media_type="application/json", headers={**HEADERS, "Cache-Control": "private, max-age=86400"}
    )


@router.get("/data/redlines")
def redlines(
    request: Request,
    who: Who,
    box: Annotated[str, Query(pattern=r"^-?\d+(\.\d+)?(,-?\d+(\.\d+)?){3}$", max_length=100)],
) -> Response:
    """Red lines that meet a box west,south,east,north."""
    west, south, east, north = map(float, box.split(","))
    with reading(who) as connection:
        found = space.project_areas(connection, (west, south, east, north))
    found_shapes = [
        {"code": code, "rings": _rings(shape, 1e-6)}
        for code, shape in zip(found.ids[:MAX_REDLINES], found.geometries[:MAX_REDLINES], strict=True)
    ]
    return logged(request, who, JSONResponse(found_shapes, headers=HEADERS), len(found_shapes))


@router.get("/project/{code}", response_class=HTMLResponse)
def project(request: Request, code: str, who: Who, as_of: date | None = None) -> Response:
    """A project's page, as of now or of a past day."""
    from serving.report import charts, dossier, drawing

    content = dossier.dossier(who, code, _day(as_of))
    if content is None:
        return _moved(request, who, code)
    drawn = {
        "stages": drawing.svg(charts.stages(content), "stages"),
        "gantt": drawing.svg(charts.gantt(content), "gantt"),
        "site": drawing.svg(charts.site(content), "site"),
    }
    answer = rendered(
        "project.html.j2",
        request,
        base="../",
        d=content,
        drawn=drawn,
        feeds=dossier.feeds(),
        today=clock.today(),
        asked=as_of,
        operations=who.operates,
        foreseen=None if content.past else forecasts.of_projects(who, [code]),
    )
    return logged(request, who, answer, 1)


@router.get("/project/{code}/report.{kind}")
def project_report(request: Request, code: str, kind: Format, who: Who, as_of: date | None = None) -> Response:
    """The analysis report of a project."""
    from serving import report

    return _document(request, who, kind, report.of_project(who, code, _day(as_of)))


@router.get("/city/report.{kind}")
def city_report(request: Request, kind: Format, who: Who, as_of: date | None = None) -> Response:
    """The report of the whole city, for whoever sees all of it."""
    from serving import report
    from supervision.city import gather

    if not who.free:
        raise HTTPException(403, "全市报告只对可见全市的人员开放；镇街、部门报告在筛选后的看板下方。")
    return _document(request, who, kind, report.of_city(gather(_day(as_of) or clock.today())))


@router.get("/{area}/{code}/report.{kind}")
def area_report(request: Request, area: Literal["town", "department"], code: str, kind: Format, who: Who) -> Response:
    """The analysis report of a town or a department."""
    from serving import report

    return _document(request, who, kind, report.of_area(who, area, code))


@router.get("/project/{code}/archive.zip")
def archive(
    request: Request, code: str, who: Who, as_of: date | None = None, recorded: datetime | None = None
) -> Response:
    """The live archive of a project as a ZIP."""
    from serving import archive

    instant = recorded if recorded is None or recorded.tzinfo else recorded.replace(tzinfo=SHANGHAI)
    whole = archive.collect(who, code, _day(as_of), instant)
    if whole is None:
        raise HTTPException(404, "没有这个项目，或无权查看。")
    answer = Response(
        archive.zipped(whole), media_type="application/zip", headers={**HEADERS, **attached(f"{whole.name}.zip")}
    )
    return logged(request, who, answer, len(whole.entries))


def view(seen: City, rows: pl.DataFrame, by: Filters, page: int) -> dict[str, Any]:
    """What the templates show of the chosen projects."""
    pages = max((rows.height + PAGE - 1) // PAGE, 1)
    page = min(page, pages)
    shown = rows.slice((page - 1) * PAGE, PAGE).to_dicts()
    asked = {name: value for name in Filters.__slots__ if (value := getattr(by, name))}
    lit = dict(rows.group_by("light").len().iter_rows())
    cards = board(rows)
    return {
        "rows": shown,
        "total": rows.height,
        "whole": seen.projects.height,
        "page": page,
        "pages": pages,
        "by": by,
        "asked": asked,
        "as_of": seen.as_of,
        "board": cards,
        "most": max((c["projects"] for c in cards if c["stage"] != "done"), default=0) or 1,
        "lights": [(name, lit.get(name, 0)) for name in (*LIGHTS, NO_LIGHT)],
        "late": int(rows["late"].sum() or 0),
        "found": int((rows["findings"] > 0).sum() or 0),
        "stage_names": _stage_names(),
        "towns": sorted(
            ((c, n) for c, n in seen.projects.select("town", "town_name").unique().drop_nulls().iter_rows()),
            key=lambda t: t[0],
        ),
        "departments": _departments(seen),
        "rules": rulebook.names(),
        "placeless": rows["x"].null_count(),
        "address": lambda **change: "?" + urlencode({k: v for k, v in {**asked, **change}.items() if v is not None}),
    }


def _departments(seen: City) -> list[tuple[str, str]]:
    known = departments()
    codes = seen.projects["departments"].explode(empty_as_null=True).drop_nulls().unique().to_list()
    return sorted(
        ((code, known[code].removeprefix("东莞市")) for code in codes if code in known), key=lambda pair: pair[0]
    )


def _day(as_of: date | None) -> date | None:
    if as_of is not None and not date(2000, 1, 1) <= as_of <= clock.today():
        raise HTTPException(400, "日期须在 2000-01-01 至今天之间。")
    return as_of


def _moved(request: Request, who: Grant, code: str) -> Response:
    """Where a merged code means another project now, go there."""
    now = projects.merged_into(code)
    if now is not None:
        with reading(who) as connection:
            now = now if projects.project(connection, now, ["id"]) is not None else None
    if now is None:  # none there, or none of theirs: the same answer
        raise HTTPException(404, f"没有项目 {code}，或无权查看。")
    return logged(request, who, RedirectResponse(quote(now), status_code=302, headers=HEADERS), 0)


def _document(request: Request, who: Grant, kind: Format, report: Any) -> Response:
    """A report as a page, or as a file to keep."""
    from serving.report import write

    if report is None:
        raise HTTPException(404, "没有可报告的内容，或无权查看。")
    if kind == "html" and report.as_of == clock.today():  # with links to the lists, which are of today
        path = request.url.path.removeprefix(request.scope.get("root_path", "")).strip("/")
        content, media = write.html(report, "../" * path.count("/")), MEDIA[kind]
    else:
        content, media = write.written(report, kind)
    headers = _STANDALONE if kind == "html" else {**HEADERS, **attached(f"{report.name}.{kind}")}
    return logged(request, who, Response(content, media_type=media, headers=headers), 1)


@cache
def _stage_names() -> dict[int, str]:
    from supervision.expected import milestones

    return dict(milestones().select("stage", "stage_name").unique().sort("stage").iter_rows())


@cache
def _towns() -> bytes:
    codes, names, shapes = places.towns()
    lines = []
    for code, name, polygon in zip(codes, names, shapes, strict=True):
        inner = shapely.point_on_surface(polygon)
        lines.append(
            {
                "code": code,
                "name": name,
                "at": [round(inner.x, 5), round(inner.y, 5)],
                "rings": _rings(shapely.simplify(polygon, 0.0003), 1e-5),
            }
        )
    return json.dumps(lines, ensure_ascii=False, separators=(",", ":")).encode()


def _rings(geometry: Any, unit: float) -> list[list[float]]:
    """Each ring flat: x, y, x, y …"""
    digits = 5 if unit >= 1e-5 else 6
    found = []
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Polygon":
            for ring in (part.exterior, *part.interiors):
                found.append([round(n, digits) for point in ring.coords for n in point[:2]])
    return found
