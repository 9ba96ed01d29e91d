"""Decisions of people, taken where they look: held deletions, findings, identity, quarantined rows. The same functions and
journal as the command line's, and an entry on the audit log each; a click, a reason, a click."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from core.errors import ConfigurationError, OneMapError
from serving import audit
from serving.access import Grant
from serving.pages.answering import HEADERS, Who, logged, rendered
from serving.report import dossier
from store import holds, judgement, listing, quarantine
from store.engine import transaction
from supervision import ledger
from supervision.orders import life

router = APIRouter(prefix="/ops")
Note = Annotated[str, Form(min_length=1, max_length=300)]
Back = Annotated[str, Form(max_length=2000)]
_WAITING = """
select (select count(*) from supervision.finding where state = 'open') as findings,
       (select count(*) from landing.quarantine where state = 'open') as quarantined"""
_JOINED = """
select channel, case_no, case_id, why from store.case_member where why <> 'self' order by case_id, channel, case_no limit 200"""
_RECORD = """
select channel || ':' || case_no as number, to_jsonb(s) - array['record_id', 'ord'] as fields
from source."case" s join source.record r on r.id = s.record_id and r.tombstoned_at is null
where channel || ':' || case_no = any(:numbers) order by s.record_id limit 20"""


async def _decider(who: Who) -> Grant:
    """:raises HTTPException: who asks may not decide."""
    if not who.decides:
        raise HTTPException(403, "决定只对有操作权限的人员开放（Airflow 角色 user 及以上，或权限 decide）。")
    return who


Decider = Annotated[Grant, Depends(_decider)]


@router.get("/decisions", response_class=HTMLResponse)
def decisions(request: Request, who: Who) -> Response:
    """Everything that waits for a person, with the way to each."""
    if not who.operates:
        raise HTTPException(403, "待决事项只对全市范围的运维人员开放。")
    waiting = listing.holds()
    with transaction() as connection:
        counts = connection.exec_driver_sql(_WAITING).one()._mapping
        joined = [dict(row) for row in connection.exec_driver_sql(_JOINED).mappings()]
    answer = rendered(
        "decisions.html.j2",
        request,
        holds=waiting,
        counts=counts,
        joined=joined,
        judged=judgement.listed()[:100],
        feeds=dossier.feeds(),
        decides=who.decides,
    )
    return logged(request, who, answer, len(waiting))


@router.get("/identity", response_class=HTMLResponse)
def identity(
    request: Request,
    who: Who,
    left: Annotated[str, Query(max_length=120)] = "",
    right: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    """Two numbers side by side as their systems have them, why they are joined or not, and a person's word on it."""
    if not who.operates:
        raise HTTPException(403, "同一性认定只对全市范围的运维人员开放。")
    left, right = left.replace("\x00", "").strip(), right.replace("\x00", "").strip()
    records: dict[str, dict[str, Any]] = {}
    if left and right:
        with transaction() as connection:
            for row in connection.execute(sa.text(_RECORD), {"numbers": [left, right]}).mappings():
                records.setdefault(row["number"], {}).update({k: v for k, v in row["fields"].items() if v is not None})
    one, other = records.get(left, {}), records.get(right, {})
    personal = {
        "applicant_name",
        "applicant_phone",
        "applicant_id",
        "agent",
        "agent_phone",
        "handler",
        "contact",
        "contact_phone",
    }
    names = [name for name in sorted(one.keys() | other.keys()) if name not in personal]
    joined = {f"{m.channel}:{m.case_no}": m for m in judgement.members(left)} if left else {}
    answer = rendered(
        "identity.html.j2",
        request,
        left=left,
        right=right,
        rows=[(name, one.get(name), other.get(name)) for name in names],
        found=(left in records, right in records),
        joined=joined.get(right),
        decides=who.decides,
    )
    return logged(request, who, answer, len(records))


@router.post("/decide/hold/{number}")
def hold(number: int, who: Decider, verdict: Annotated[Literal["released", "refused"], Form()], note: Note) -> Response:
    """Let a mass deletion through once, or keep the records."""
    _done(who, f"hold {number}", verdict, note, lambda: holds.decide(number, verdict, who.actor, note))
    return _to("../../decisions")


@router.post("/decide/finding/{number}")
def finding(
    number: str, who: Decider, verdict: Annotated[Literal["confirmed", "lifted"], Form()], note: Note, back: Back = ""
) -> Response:
    """Confirm a finding, or lift it as a false alarm; its order moves with it."""

    def decide() -> None:
        ledger.decide(number, verdict, by=who.actor, note=note)
        life.advance()

    _done(who, f"finding {number}", verdict, note, decide)
    return _to(f"../../../findings{_query(back)}")


@router.post("/decide/identity")
def identify(
    who: Decider,
    left: Annotated[str, Form(max_length=120)],
    right: Annotated[str, Form(max_length=120)],
    verdict: Annotated[Literal["same", "different"], Form()],
    note: Note,
) -> Response:
    """Say that two numbers are one case, or not."""
    _done(
        who,
        f"identity {left} {right}",
        verdict,
        note,
        lambda: judgement.judge(left, right, verdict, by=who.actor, note=note),
    )
    return _to("../decisions#identity")


@router.post("/decide/identity/{number}/undo")
def undo(number: int, who: Decider) -> Response:
    """Take a judgement back; it stays on record."""
    _done(who, f"identity {number}", "undone", "", lambda: judgement.undo(number, by=who.actor))
    return _to("../../../decisions#identity")


@router.post("/decide/quarantine")
def dismiss(who: Decider, entry: Annotated[list[int], Form()], note: Note, back: Back = "") -> Response:
    """Leave rejected rows out for good."""
    _done(
        who,
        f"quarantine {','.join(map(str, entry[:50]))}",
        "dismissed",
        note,
        lambda: quarantine.dismiss(entry, who.actor, note),
    )
    return _to(f"../quarantine{_query(back)}")


def _done(who: Grant, what: str, verdict: str, note: str, decide: Callable[[], Any]) -> None:
    """Decide and write it down. :raises HTTPException: what was to be decided does not wait any more."""
    try:
        decide()
    except ConfigurationError as refused:
        raise HTTPException(409, refused.zh) from refused
    except OneMapError as failed:
        raise HTTPException(503, failed.zh) from failed
    audit.append(who.actor, "decide", what, {"verdict": verdict, "note": audit.scrub(note)})


def _query(back: str) -> str:
    """The filters of the list that one came from, and nothing else."""
    return back if back.startswith("?") and "\n" not in back and "\r" not in back else ""


def _to(place: str) -> Response:
    return RedirectResponse(place, 303, headers=HEADERS)
