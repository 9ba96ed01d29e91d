"""提醒: what was told before it is late, to those whom it concerns: a department's, an agent's, an enterprise's, or the whole city's."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from core import clock
from serving.pages.answering import Who, logged, rendered
from serving.query import reminders
from supervision import care

router = APIRouter()


@router.get("/reminders", response_class=HTMLResponse)
def page(
    request: Request,
    who: Who,
    told: Annotated[Literal["", "agent", "enterprise", "department"], Query()] = "",
    past: Annotated[bool, Query()] = False,
) -> Response:
    """Those whose day has not passed; with ``past`` of the last 30 days too."""
    rows = reminders.shown(who, clock.today(), told=told or None, past=past)
    answer = rendered(
        "reminders.html.j2",
        request,
        rows=rows,
        told=told,
        past=past,
        zh=care.AUDIENCE_ZH,
        kinds=care.KINDS,
        party=who.party,
    )
    return logged(request, who, answer, len(rows))
