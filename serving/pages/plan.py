"""一项目一方案 for people: a project's plan, 情形引导 for one that does not exist yet, and 我要查: where is my case, whose turn, why."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from core import clock
from core.errors import ConfigurationError
from schemas import codes
from serving import rulebook
from serving.access import reading
from serving.api import plans
from serving.pages.answering import Who, logged, rendered
from serving.query import whereabouts
from serving.report import charts, drawing
from store.engine import transaction
from supervision import care, expected, plan

router = APIRouter()
Text = Annotated[str | None, Query(max_length=100)]


@router.get("/project/{code}/plan", response_class=HTMLResponse)
def of_project(request: Request, code: str, who: Who) -> Response:
    """What a project has still to do, in which order and by when; each line with its reason and source."""
    planned = plans.shown(who, code)
    if planned is None:
        raise HTTPException(404, "没有这个项目，或无权查看。")
    with reading(who) as connection:
        named = whereabouts.find(connection, code, 1)
    return _plan(request, who, planned, project=named[0] if named else None)


@router.get("/plan", response_class=HTMLResponse)
def of_conditions(
    request: Request,
    who: Who,
    filing_type: Annotated[Literal["备案", "核准"], Query()] = "备案",
    process_type: Annotated[str | None, Query(pattern=r"^([0-9]{1,3})?$")] = None,
    condition: Annotated[list[str] | None, Query(max_length=50)] = None,
    fast_track: Annotated[bool, Query()] = False,
    asked: Annotated[bool, Query()] = False,
) -> Response:
    """情形引导: the questions, and once they are answered the plan."""
    chosen = [c.strip() for c in condition or [] if c.strip()]
    with transaction() as connection:
        questions = plan.questions(connection, clock.today(), rulebook.rules())
        planned = None
        if asked:
            try:
                planned = plan.of_conditions(
                    connection,
                    clock.today(),
                    process_type=process_type or None,
                    filing_type=filing_type,
                    conditions=chosen,
                    fast_track=fast_track,
                    by=rulebook.rules(),
                ).as_dict()
            except ConfigurationError as error:
                raise HTTPException(400, error.zh) from error
    answers = {
        "filing_type": filing_type,
        "process_type": process_type or "",
        "conditions": chosen,
        "fast_track": fast_track,
    }
    return _plan(request, who, planned, questions=questions, answers=answers)


@router.get("/lookup", response_class=HTMLResponse)
def lookup(request: Request, who: Who, q: Text = None) -> Response:
    """我要查: cases and projects by number, name or enterprise; a party's own without a question."""
    question = (q or "").replace("\x00", "").strip()
    with reading(who) as connection:
        rows = whereabouts.find(connection, question, whereabouts.MOST) if question or who.party else []
        cases = whereabouts.cases(connection, question, [r["code"] for r in rows]) if rows or question else []
    with transaction() as connection:
        reminded = (
            care.reminders_of(connection, [r["code"] for r in rows], "enterprise", clock.today())
            if who.enterprises is not None and who.departments is None
            else []
        )
    answer = rendered(
        "lookup.html.j2", request, told=reminded, question=question, rows=rows, cases=cases, own=who.party
    )
    return logged(request, who, answer, len(rows) + len(cases))


def _plan(
    request: Request,
    who: Who,
    planned: dict[str, Any] | None,
    *,
    project: dict[str, Any] | None = None,
    questions: list[dict[str, Any]] | None = None,
    answers: dict[str, Any] | None = None,
) -> Response:
    lines = planned["lines"] if planned else []
    stages = dict(expected.milestones().select("stage", "stage_name").unique().sort("stage").iter_rows())
    answer = rendered(
        "plan.html.j2",
        request,
        plan=planned,
        project=project,
        media={code: entry.zh for code, entry in codes.load("material_medium").codes.items()},
        types=codes.load("process_type").codes,
        questions=questions,
        answers=answers,
        stages=[(n, name, [line for line in lines if line["stage"] == n]) for n, name in stages.items()],
        names={line["item_code"]: line["item_name"] for line in lines},
        done=sum(line["state"] == "已办" for line in lines),
        waiting=[line for line in lines if line["holds"] and line["state"] != "已办"],
        drawn=drawing.svg(charts.plan(lines, planned["as_of"]), "plan") if planned else None,
    )
    return logged(request, who, answer, len(lines))
