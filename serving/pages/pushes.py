"""推送 Pushes: what the hub sends to others: how each output stands, its batches with their receipts, what was refused and a person's
word on it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from core.errors import ConfigurationError, NotFoundError
from serving import audit
from serving.access import Grant
from serving.pages.answering import HEADERS, attached, logged, rendered
from serving.pages.decisions import Decider
from serving.pages.operations import Operator, may_read_raw
from serving.push import ledger, state, words
from sinks import loader
from store import archive

router = APIRouter(prefix="/ops")
Key = Annotated[list[str], Form(min_length=1, max_length=500)]


@router.get("/pushes", response_class=HTMLResponse)
def page(request: Request, who: Operator, output: str | None = None) -> Response:
    """Every output, trouble first; batches and refused rows, of one where it is named."""
    standing = state.standing()
    if output is not None and output not in {one.output for one in standing}:
        raise HTTPException(404, f"没有推送项 {output}。")
    answer = rendered(
        "pushes.html.j2",
        request,
        standing=standing,
        lights=state.LIGHTS,
        output=output,
        batches=state.batches(output),
        refused=state.refused(output),
        told=words.sentence,
        broken=loader.broken(),
        decides=who.decides,
        raw=who.raw,
    )
    return logged(request, who, answer, len(standing))


@router.get("/pushes/batch/{id}/body")
def body(request: Request, id: str, who: Operator) -> Response:
    """What was sent, as bytes from the archive."""
    return _content(request, who, id, "body_sha256", "")


@router.get("/pushes/batch/{id}/receipt")
def receipt(request: Request, id: str, who: Operator) -> Response:
    """What the receiver answered."""
    return _content(request, who, id, "receipt_sha256", ".receipt")


def _content(request: Request, who: Grant, id_: str, part: str, ending: str) -> Response:
    may_read_raw(who)
    found = state.batch(id_)
    if found is None or not found[part]:
        raise HTTPException(404, "没有这个批次，或还没有回执。")
    answer = StreamingResponse(
        archive.read(found[part]),
        media_type="application/octet-stream",
        headers={**HEADERS, **attached(f"{found['name']}{ending}")},
    )
    return logged(request, who, answer, found["rows"], personal=True)


@router.post("/pushes/{output}/redrive")
def redrive(output: str, who: Decider, key: Annotated[list[str] | None, Form()] = None) -> Response:
    """Put refused rows up again: those named, else all."""
    done = _done(output, lambda: ledger.redrive(output, key))
    audit.append(who.actor, "redrive push", output, {"rows": done, "keys": key or "all"})
    return RedirectResponse(f"../../pushes?output={output}", 303, headers=HEADERS)


@router.post("/pushes/{output}/dismiss")
def dismiss(output: str, who: Decider, key: Key, note: Annotated[str, Form(min_length=1, max_length=300)]) -> Response:
    """Leave refused rows out until they change."""
    done = _done(output, lambda: ledger.dismiss(output, key, who.actor, note))
    audit.append(who.actor, "dismiss push", output, {"rows": done, "keys": key, "note": audit.scrub(note)})
    return RedirectResponse(f"../../pushes?output={output}", 303, headers=HEADERS)


def _done(output: str, act: Any) -> int:
    try:
        loader.output(output)
        return act()
    except NotFoundError as error:
        raise HTTPException(404, error.zh) from error
    except ConfigurationError as error:
        raise HTTPException(409, error.zh) from error
