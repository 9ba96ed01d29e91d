"""一项目一方案 as data: the plan of a project, of one that does not exist yet, and what to ask for the latter."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from core import clock
from core.errors import ConfigurationError
from serving import rulebook
from serving.access import Grant, reading
from serving.api.common import TEXT, Asker, Code, no_project, on_day, single
from serving.api.describe import answers
from serving.api.guard import Guarded
from serving.problems import Problem
from serving.query import projects
from store.engine import transaction
from supervision import plan

router = APIRouter(prefix="/v1", tags=["方案 plans"], route_class=Guarded, dependencies=[Depends(on_day)])


@router.get("/projects/{code}/plan", responses=answers("plan"), summary="一项目一方案 · what a project has still to do")
def of_project(request: Request, asker: Asker, code: Code) -> Response:
    shown_plan = shown(asker, code)
    if shown_plan is None:
        raise no_project(code)
    return single(request, jsonable_encoder(shown_plan), "", "")


@router.get("/plan/questions", responses=answers("plan_questions"), summary="情形引导的问题 · what to ask")
def questions(request: Request, asker: Asker) -> Response:
    with transaction() as connection:
        asked = plan.questions(connection, _day(asker), rulebook.rules())
    request.state.rows = len(asked)
    return JSONResponse({"conditions": asked})


@router.get("/plan", responses=answers("plan"), summary="情形引导 · the plan of a project that does not exist yet")
def of_conditions(
    request: Request,
    asker: Asker,
    filing_type: Annotated[Literal["备案", "核准"], Query(description="立项类型 · filing type")] = "备案",
    process_type: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,3}$", description="审批流程类型 SPLCLX · process type")
    ] = None,
    conditions: Annotated[
        str | None, Query(max_length=500, pattern=TEXT, description="项目条件，逗号分隔 · conditions, by commas")
    ] = None,
    fast_track: Annotated[bool, Query(description="拿地即开工、容缺、告知承诺 · fast track")] = False,
) -> Response:
    chosen = [c.strip() for c in (conditions or "").split(",") if c.strip()]
    with transaction() as connection:
        try:
            planned = plan.of_conditions(
                connection,
                _day(asker),
                process_type=process_type,
                filing_type=filing_type,
                conditions=chosen,
                fast_track=fast_track,
                by=rulebook.rules(),
            )
        except ConfigurationError as error:
            raise Problem(
                "not-found", error.zh, f"{error.message}; {error.remedy}"
            ) from error  # the catalogue says which
    return single(request, jsonable_encoder(planned.as_dict()), "", "")


def _day(asker: Grant) -> date:
    return asker.as_of[1] if asker.as_of else clock.today()


def shown(asker: Grant, code: str) -> dict[str, Any] | None:
    """The plan of a project that the asker may see, days as days; None: there is none, or it is not shown. Numbers of cases
    and documents that the asker may not see are left out."""
    with reading(asker) as connection:
        if projects.project(connection, code, ["id"]) is None:
            return None
        seen = set(
            connection.exec_driver_sql(
                """select case_no from asked."case" where project_code = %(code)s
                   union select number from asked.licence where project_code = %(code)s""",
                {"code": code},
            ).scalars()
        )
    with transaction() as connection:
        planned = plan.of_project(connection, code, _day(asker), rulebook.rules())
    if planned is None:
        return None
    document = planned.as_dict()
    for line in document["lines"]:
        line["case_no"] = line["case_no"] if line["case_no"] in seen else None
        for material in line["materials"]:
            material["held_no"] = material["held_no"] if material["held_no"] in seen else None
    return document
