"""订阅 Subscriptions: which application is told of what, what was sent and what it answered; a new one, an end, a replay."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from core.errors import ConfigurationError
from serving import audit, webhooks
from serving.pages.answering import HEADERS, Who, logged, rendered
from serving.pages.decisions import Decider
from serving.sql.views import FED, views
from store import tables

router = APIRouter(prefix="/ops")


@router.get("/subscriptions", response_class=HTMLResponse)
def page(request: Request, who: Who) -> Response:
    """Every subscription, its log, and the form of a new one."""
    if not who.operates:
        raise HTTPException(403, "订阅只对全市范围的运维人员开放。")
    known = [(name, views()[name].zh if name in views() else "时钟") for name in (*FED, *tables.golden)]
    rows = webhooks.listed()
    answer = rendered(
        "subscriptions.html.j2",
        request,
        hooks=rows,
        log=webhooks.deliveries(),
        entities=known,
        names=dict(known),
        decides=who.decides,
    )
    return logged(request, who, answer, len(rows))


@router.post("/subscriptions")
def subscribe(
    who: Decider,
    name: Annotated[str, Form(pattern=r"^[A-Za-z0-9_.-]{1,60}$")],
    connection: Annotated[str, Form(pattern=r"^[A-Za-z0-9_.-]{1,100}$")],
    entity: Annotated[list[str] | None, Form()] = None,
    begin: Annotated[Literal["now", "start"], Form()] = "now",
) -> Response:
    """Tell an application of changes from now on, or of all that there ever were."""
    try:
        webhooks.subscribe(name, connection, [], by=who.actor, entities=entity or None, from_now=begin == "now")
    except ConfigurationError as refused:
        raise HTTPException(409, refused.zh) from refused
    audit.append(who.actor, "add webhook", name, {"connection": connection, "entities": entity})
    return RedirectResponse("subscriptions", 303, headers=HEADERS)


@router.post("/subscriptions/{name}/stop")
def stop(name: str, who: Decider) -> Response:
    """End it."""
    try:
        webhooks.stop(name, f"由 {who.actor} 停止")
    except ConfigurationError as refused:
        raise HTTPException(409, refused.zh) from refused
    audit.append(who.actor, "stop webhook", name, {})
    return RedirectResponse("../../subscriptions", 303, headers=HEADERS)


@router.post("/subscriptions/{name}/replay")
def replay(name: str, who: Decider, delivery: Annotated[str, Form(max_length=40)]) -> Response:
    """Send everything from a message on once more."""
    try:
        webhooks.replay(name, delivery)
    except ConfigurationError as refused:
        raise HTTPException(409, refused.zh) from refused
    audit.append(who.actor, "replay webhook", name, {"from": delivery})
    return RedirectResponse("../../subscriptions", 303, headers=HEADERS)
