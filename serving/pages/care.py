"""代办 and 专班: an agent's day, a team's board, notes and promises on the record, hand-over, and whether help helped."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from core import clock
from core.errors import OneMapError
from serving import audit
from serving.access import Grant, reading
from serving.pages.answering import HEADERS, Who, logged, rendered
from serving.query import forecasts, projects
from store.engine import transaction
from supervision import care

router = APIRouter()
Name = Annotated[str | None, Query(max_length=60)]
Code = Annotated[str, Form(max_length=64)]


@router.get("/care", response_class=HTMLResponse)
def page(request: Request, who: Who, agent: Name = None, team: Name = None) -> Response:
    """What is due, what waits for whom, what changed since yesterday; of the agent or team asked for, or of whoever asks."""
    # what it shows is of whole projects, not of one department's part of them
    if not who.free and (who.enterprises is not None or who.towns is not None or who.departments is not None):
        raise HTTPException(403, "代办工作台只对代办员、专班与可见全市的人员开放。")
    kind: care.Kind = "team" if team or (who.teams and not agent) else "agent"
    name = team or agent or next(iter(who.teams or who.agents or ()), "")
    with reading(who) as connection:
        seen = set(connection.exec_driver_sql("select id from asked.project").scalars())
    with transaction() as connection:
        mine = [p for p in care.looked_after(connection, kind, name) if p["id"] in seen] if name else []
        day = care.day(connection, mine, clock.today(), clock.now())
        helped = care.compared(care.started(connection)).to_dicts() if who.free else []
    answer = rendered(
        "care.html.j2",
        request,
        kind=kind,
        zh=care.KIND_ZH[kind],
        whose=name,
        day=day,
        foreseen=forecasts.of_projects(who, [p["id"] for p in mine]) if mine else None,
        names={p["id"]: p["project_name"] or p["id"] for p in mine},
        helped=helped,
        writes=_writes(who),
        decides=who.decides,
    )
    return logged(request, who, answer, len(mine))


@router.post("/care/note")
def note(
    who: Who,
    code: Code,
    text: Annotated[str, Form(min_length=1, max_length=500)],
    due_on: Annotated[date | Literal[""], Form()] = "",
    kind: Annotated[Literal["agent", "team"], Form()] = "agent",
    name: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """A note, or with a day a promise."""
    _shown(who, code)
    number = care.note(code, text, by=who.actor, due_on=due_on or None)
    audit.append(who.actor, "care note", code, {"number": number, "text": audit.scrub(text)})
    return _back(kind, name)


@router.post("/care/kept/{number}")
def kept(
    number: int,
    who: Who,
    code: Code,
    kind: Annotated[Literal["agent", "team"], Form()] = "agent",
    name: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """A promise was kept."""
    _shown(who, code)
    try:
        care.keep(number, code, by=who.actor)
    except OneMapError as refused:
        raise HTTPException(409, refused.zh) from refused
    audit.append(who.actor, "promise kept", code, {"number": number})
    return _back(kind, name, "../../care")


@router.post("/care/hand-over")
def hand_over(
    who: Who,
    code: Code,
    to: Annotated[str, Form(min_length=1, max_length=60)],
    why: Annotated[str, Form(min_length=1, max_length=300)],
    kind: Annotated[Literal["agent", "team"], Form()] = "agent",
    name: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Give a project to another agent or team."""
    if not who.decides:
        raise HTTPException(403, "移交只对有操作权限的人员开放（权限 decide）。")
    _shown(who, code)
    care.assign(code, kind, to, by=who.actor, why=why)
    audit.append(who.actor, "hand over", code, {"kind": kind, "to": to, "why": audit.scrub(why)})
    return _back(kind, name)


def _writes(who: Grant) -> bool:
    return who.decides or who.agents is not None or who.teams is not None


def _shown(who: Grant, code: str) -> None:
    """:raises HTTPException: who asks may not write, or does not see the project."""
    if not _writes(who) or who.enterprises is not None:
        raise HTTPException(403, "记录只由代办员、专班或有操作权限的人员填写。")
    with reading(who) as connection:
        if projects.project(connection, code, ["id"]) is None:
            raise HTTPException(404, "没有这个项目，或无权查看。")


def _back(kind: str, name: str, page: str = "../care") -> Response:
    return RedirectResponse(f"{page}?{urlencode({kind: name})}" if name else page, 303, headers=HEADERS)
