"""改革台账: the reform's figures with their evidence, where the days go, bottlenecks, paths; for whoever sees the whole city."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from insight import report
from insight.days import HOLDER_ZH, HOLDERS
from serving.access import Grant, towns
from serving.pages.answering import Who, logged, rendered
from serving.parameters import OneOf

router = APIRouter()
_TEXT = r"^[^\x00]*$"
_MOST = 500


@router.get("/insight", response_class=HTMLResponse)
def page(request: Request, who: Who) -> Response:
    """As it was kept after the last judgement of the whole city."""
    _city(who)
    latest = report.latest()
    answer = rendered("insight.html.j2", request, t=latest, towns=towns())
    return logged(request, who, answer, len(latest["figures"]) if latest else 0)


@router.get("/insight/days", response_class=HTMLResponse)
def days(
    request: Request,
    who: Who,
    holder: Annotated[str, OneOf(HOLDERS), Query()],
    department: Annotated[str | None, Query(max_length=100, pattern=_TEXT)] = None,
    item: Annotated[str | None, Query(max_length=64, pattern=_TEXT)] = None,
) -> Response:
    """The rows of a sum of days: which projects they were of, the most first."""
    _city(who)
    rows = report.days(holder, department, item)
    answer = rendered(
        "insight-days.html.j2",
        request,
        rows=rows[:_MOST],
        projects=len(rows),
        total=sum(row["days"] for row in rows),
        asked={"holder": HOLDER_ZH[holder], "department": department, "item": item},
        most=_MOST,
    )
    return logged(request, who, answer, len(rows))


@router.get("/insight/steps", response_class=HTMLResponse)
def steps(
    request: Request,
    who: Who,
    item: Annotated[str, Query(max_length=64, pattern=_TEXT)],
    prerequisite: Annotated[str, Query(max_length=64, pattern=_TEXT)],
) -> Response:
    """The breaches of one order of the catalogue."""
    _city(who)
    latest = report.latest() or {"broken": [], "as_of": None}
    rows = [b for b in latest["broken"] if (b["item_code"], b["prerequisite"]) == (item, prerequisite)]
    answer = rendered(
        "insight-steps.html.j2", request, rows=rows, item=item, prerequisite=prerequisite, as_of=latest["as_of"]
    )
    return logged(request, who, answer, len(rows))


def _city(who: Grant) -> None:
    """:raises HTTPException: who asks does not see the whole city."""
    if not who.free:
        raise HTTPException(403, "改革台账是全市的数，只对可见全市的人员开放。")
