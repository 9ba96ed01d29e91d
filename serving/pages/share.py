"""数据共享 A department asks for data, the owner decides, the department fetches its key, the owner sees the use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from core import clock
from core.errors import ConfigurationError, NotFoundError
from schemas import masking
from serving import catalogue, sharing
from serving.access import Grant, departments, towns
from serving.pages.answering import HEADERS, Who, logged, rendered
from serving.pages.decisions import Decider

router = APIRouter()
Note = Annotated[str, Form(max_length=300)]


@router.get("/share", response_class=HTMLResponse)
def page(request: Request, who: Who) -> Response:
    """What was asked and granted: a department's own; all of it for operations. And the form of a request."""
    mine = _departments(who)
    return _page(request, who, mine)


def _page(request: Request, who: Grant, mine: list[str], **more: Any) -> Response:
    found = [row for row in sharing.listed() if who.operates or row["department"] in mine]
    answer = rendered(
        "share.html.j2",
        request,
        requests=found,
        use={row["id"]: sharing.use(row["id"])[:20] for row in found if row["calls"]} if who.operates else {},
        states=sharing.STATES,
        entities=[entity for entity in catalogue.entities() if entity.name != "change"],
        departments=[(code, departments()[code]) for code in mine],
        towns=towns(),
        scopes={
            **{scope: masking.policy().clear[scope] for scope in sorted(masking.scopes())},
            "read:personal": ["全部个人信息"],
        },
        soon=clock.today() + timedelta(days=90),
        first=clock.today() + timedelta(days=1),
        last=clock.today() + sharing.LONGEST,
        today=clock.today(),
        decides=who.decides,
        **{"key": None, **more},
    )
    return logged(request, who, answer, len(found))


@router.post("/share")
def ask(
    who: Who,
    department: Annotated[str, Form(max_length=18)],
    field: Annotated[list[str], Form(min_length=1, max_length=1000)],
    purpose: Annotated[str, Form(max_length=1000)],
    until: Annotated[date, Form()],
    town: Annotated[str, Form(max_length=9)] = "",
    scope: Annotated[list[str] | None, Form()] = None,
    contact: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """File a request. ``field``: ``entity.column``, or ``entity.*``."""
    if department not in _departments(who):
        raise HTTPException(403, "只能以本部门名义申请。")
    fields = sharing.named(field)
    scopes = [*(scope or []), *([f"town:{town}"] if town else [])]
    _done(
        lambda: sharing.ask(
            department, fields, by=who.actor, purpose=purpose, until=until, scopes=scopes, contact=contact
        )
    )
    return RedirectResponse("share", 303, headers=HEADERS)


@router.post("/share/{number}/grant")
def grant(number: int, who: Decider, note: Note = "", until: Annotated[date | None, Form()] = None) -> Response:
    """The owner's yes."""
    _done(lambda: sharing.grant(number, by=who.actor, until=until, note=note))
    return RedirectResponse("../../share", 303, headers=HEADERS)


@router.post("/share/{number}/refuse")
def refuse(number: int, who: Decider, note: Note = "") -> Response:
    """The owner's no."""
    _done(lambda: sharing.refuse(number, by=who.actor, note=note))
    return RedirectResponse("../../share", 303, headers=HEADERS)


@router.post("/share/{number}/end")
def end(number: int, who: Decider, note: Note = "") -> Response:
    """A grant is taken back."""
    _done(lambda: sharing.end(number, by=who.actor, note=note))
    return RedirectResponse("../../share", 303, headers=HEADERS)


@router.post("/share/{number}/key", response_class=HTMLResponse)
def fetch(request: Request, number: int, who: Who) -> Response:
    """The key, shown once, to the department that asked."""
    mine = _departments(who)
    found = next((row for row in sharing.listed() if row["id"] == number and row["department"] in mine), None)
    if found is None:
        raise HTTPException(404, "没有这个共享申请，或不是本部门的。")
    key = _done(lambda: sharing.fetch(number, by=who.actor))
    return _page(request, who, mine, base="../../", key=(number, key))


def _departments(who: Grant) -> list[str]:
    """In whose name a person may ask: its own departments; whoever operates, any."""
    if who.decides:
        return list(departments())
    return [code for code in who.departments or () if code in departments()]


def _done(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except NotFoundError as error:
        raise HTTPException(404, error.zh) from error
    except ConfigurationError as error:
        raise HTTPException(400, error.zh) from error
