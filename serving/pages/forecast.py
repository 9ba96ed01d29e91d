"""预测: which running cases are likely to become overdue, and when they will end; for whoever they are shown to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from serving.access import departments, towns
from serving.pages.answering import Who, logged, rendered
from serving.query import forecasts

router = APIRouter()


@router.get("/forecast", response_class=HTMLResponse)
def page(
    request: Request,
    who: Who,
    department: Annotated[str | None, Query(pattern=r"^([0-9A-Z]{18})?$")] = None,
    town: Annotated[str | None, Query(pattern=r"^(\d{9})?$")] = None,
) -> Response:
    """Running cases, the likeliest to be late first; a department's account sees its own."""
    rows = forecasts.cases(who, department=department or None, town=town or None)
    answer = rendered(
        "forecast.html.j2",
        request,
        rows=rows,
        model=forecasts.model(),
        most=forecasts.MOST,
        by={"department": department, "town": town},
        departments=sorted(departments().items()),
        towns=towns(),
    )
    return logged(request, who, answer, len(rows))
