"""告警 Alerts: what is wrong now, who is told of it, what was sent and whether it arrived; and a test of each route."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from core.errors import NotFoundError, OneMapError
from serving import alerts, audit
from serving.alerts import incidents, routes
from serving.alerts.detect import KINDS, SEVERITY_ZH
from serving.alerts.send import EVENTS
from serving.pages.answering import Who, logged, rendered
from serving.pages.decisions import Decider

router = APIRouter(prefix="/ops")


def _page(request: Request, who: Who, tried: tuple[str, str | None] | None = None) -> Response:
    if not who.operates:
        raise HTTPException(403, "告警只对全市范围的运维人员开放。")
    try:
        plan, broken = routes.load(), None
    except OneMapError as error:
        plan, broken = routes.Routes(), error.zh
    now = incidents.open_incidents()
    answer = rendered(
        "alerts.html.j2",
        request,
        base="../" * (request.url.path.removeprefix(request.scope.get("root_path", "")).strip("/").count("/")),
        incidents=now,
        recent=incidents.recent(),
        messages=incidents.messages(),
        plan=plan,
        broken=broken,
        kinds=KINDS,
        severities=SEVERITY_ZH,
        events=EVENTS,
        decides=who.decides,
        tried=tried,
    )
    return logged(request, who, answer, len(now))


@router.get("/alerts", response_class=HTMLResponse)
def page(request: Request, who: Who) -> Response:
    """Incidents, routes, messages."""
    return _page(request, who)


@router.post("/alerts/test", response_class=HTMLResponse)
def test(request: Request, who: Decider, route: Annotated[str, Form(max_length=200)]) -> Response:
    """发送测试通知."""
    try:
        error = alerts.try_route(route, str(request.base_url), who.actor)
    except NotFoundError as unknown:
        raise HTTPException(404, unknown.zh) from unknown
    audit.append(who.actor, "alert test", route, {"error": error})
    return _page(request, who, (route, error))
