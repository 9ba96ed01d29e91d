"""代办 and 专班 as data: who looks after which project, what is before an agent or a team today, notes and promises, hand-over.

An agent's or a team's key works on its own projects; one for the whole city on all, and hands over where it may decide. An enterprise
reads who looks after its projects and its own reminders, nothing that is written among those who do.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import NotFoundError
from serving import audit
from serving.access import Grant
from serving.api.common import TEXT, Asker, Code, Day, must_see, no_project
from serving.api.describe import answers
from serving.api.guard import Guarded
from serving.problems import Problem
from serving.query import caring
from supervision import care

router = APIRouter(prefix="/v1", tags=["代办 care"], route_class=Guarded)
Name = Annotated[str | None, Query(min_length=1, max_length=60, pattern=TEXT)]
_NAME = r"^[^\x00-\x1f\"\\,]*[^\x00-\x20\"\\,][^\x00-\x1f\"\\,]*$"


class Note(BaseModel):
    """A note; with a day a promise."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
    due_on: Day | None = None


class HandOver(BaseModel):
    """To whom, and why."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["agent", "team"]
    to: Annotated[str, Field(min_length=1, max_length=60, pattern=_NAME)]
    why: Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]


@router.get("/care", responses=answers("care_list"), summary="谁在代办 · who looks after which project")
def listed(request: Request, asker: Asker, agent: Name = None, team: Name = None) -> Response:
    rows = [
        row
        for row in caring.projects(asker)
        if (agent is None or row["_agent"] == agent) and (team is None or row["_team"] == team)
    ]
    request.state.rows = len(rows)
    return JSONResponse({"items": [caring.as_item(row) for row in rows]})


@router.get(
    "/care/{kind}/{name}/day", responses=answers("care_day"), summary="代办工作台 · an agent's day, a team's board"
)
def day(
    request: Request,
    asker: Asker,
    kind: Annotated[Literal["agent", "team"], Path(description="代办员、专班 · agent, team")],
    name: Annotated[str, Path(min_length=1, max_length=60, pattern=TEXT, description="姓名或编号、专班 · name")],
) -> Response:
    if not caring.works(asker):
        raise _refused()
    found = caring.day(asker, kind, name)
    request.state.rows = len(found.projects)
    return JSONResponse(jsonable_encoder(found.as_dict()))


@router.get("/projects/{code}/care", responses=answers("care"), summary="代办记录 · who, notes, promises, reminders")
def of_project(request: Request, asker: Asker, code: Code) -> Response:
    found = caring.project(asker, code)
    if found is None:
        raise no_project(code)
    request.state.rows = 1 + len(found["notes"]) + len(found["reminders"])
    return JSONResponse(jsonable_encoder(found))


@router.post(
    "/projects/{code}/care/notes", responses=answers("care_note_made"), summary="记录或承诺 · a note or a promise"
)
def note(request: Request, asker: Asker, code: Code, said: Note) -> Response:
    _writes(asker, code)
    number = care.note(code, said.text, by=asker.actor, due_on=said.due_on)
    audit.append(asker.actor, "care note", code, {"number": number, "text": audit.scrub(said.text)})
    request.state.rows = 1
    return JSONResponse({"id": number})


@router.post(
    "/projects/{code}/care/notes/{number}/kept",
    responses=answers("care_note_made"),
    summary="承诺已兑现 · a promise was kept",
)
def kept(
    request: Request, asker: Asker, code: Code, number: Annotated[int, Path(ge=1, le=2**53, description="编号 · id")]
) -> Response:
    _writes(asker, code)
    try:
        care.keep(number, code, by=asker.actor)
    except NotFoundError as error:
        raise Problem("not-found", error.zh, error.message) from error
    audit.append(asker.actor, "promise kept", code, {"number": number})
    request.state.rows = 1
    return JSONResponse({"id": number})


@router.post(
    "/projects/{code}/care/hand-over", responses=answers("care"), summary="移交 · give it to another agent or team"
)
def hand_over(request: Request, asker: Asker, code: Code, to: HandOver) -> Response:
    if not asker.decides:
        raise Problem(
            "forbidden", "移交须有权限 decide，且可见全市。", "To hand over takes the scope decide, for the whole city."
        )
    _writes(asker, code)
    care.assign(code, to.kind, to.to, by=asker.actor, why=to.why)
    audit.append(asker.actor, "hand over", code, {"kind": to.kind, "to": to.to, "why": audit.scrub(to.why)})
    request.state.rows = 1
    return JSONResponse(jsonable_encoder(caring.project(asker, code)))


def _writes(asker: Grant, code: str) -> None:
    """:raises Problem: who asks may not write, or does not see the project."""
    if not caring.writes(asker):
        raise _refused()
    must_see(asker, code)


def _refused() -> Problem:
    return Problem(
        "forbidden",
        "只对代办员、专班与可见全市并有权限 decide 的密钥开放。",
        "For an agent, a team, or a key for the whole city that may decide.",
    )
