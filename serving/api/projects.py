"""Projects, their full view, their position; cases, items, findings, work orders, licences; statistics; changes."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from core import clock
from schemas import channels
from serving.access import Grant, reading
from serving.api.common import (
    TEXT,
    After,
    Asker,
    Code,
    Day,
    Department,
    ItemCode,
    Json,
    Limit,
    Project,
    Town,
    UpdatedSince,
    fields_of,
    listed,
    look_back,
    no_project,
    require_known,
    single,
    some_of,
    words,
)
from serving.api.describe import answers
from serving.api.guard import Guarded
from serving.parameters import OneOf
from serving.query import cases as case_queries
from serving.query import changes as change_queries
from serving.query import filters, freshness, listing
from serving.query import projects as project_queries
from serving.query import statistics as statistic_queries
from serving.sql.views import FED
from store import tables

router = APIRouter(prefix="/v1", route_class=Guarded, dependencies=[Depends(look_back)])
ProjectFields = Annotated[str | None, fields_of("project")]
CaseFields = Annotated[str | None, fields_of("case")]
ItemFields = Annotated[str | None, fields_of("item")]
FindingFields = Annotated[str | None, fields_of("finding")]
WorkOrderFields = Annotated[str | None, fields_of("work_order")]
LicenceFields = Annotated[str | None, fields_of("licence")]
Parts = Annotated[str | None, some_of(project_queries.PARTS, "只取这些部分 · only these parts")]
Groups = Annotated[
    str | None,
    some_of([*statistic_queries.GROUPS, *statistic_queries.SINGLE], "只取这些统计项 · only these groups"),
]
Entities = Annotated[str | None, some_of([*tables.golden, *FED], "只取这些实体 · only these entities")]
Channel = Annotated[str, OneOf(channels.ranked())]
# one vocabulary: 无 is no clock (null in a row), 灰 a clock that has ended, which only cases have
ProjectLight = Literal["双红", "红", "待数据", "黄", "蓝", "绿", "无"]
CaseLight = Literal["双红", "红", "待数据", "黄", "蓝", "绿", "灰", "无"]


@router.get("/projects", tags=["项目 projects"], responses=answers("project_page"), summary="项目列表 · projects")
def projects(
    request: Request,
    asker: Asker,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            pattern=TEXT,
            description="名称、代码、单位的任一部分，汉字、全拼或简拼 · any part of name, code, enterprise; Chinese, pinyin, initials",
        ),
    ] = None,
    town: Town = None,
    department: Department = None,
    stage: Annotated[int | None, Query(ge=1, le=8, description="当前阶段 · current stage")] = None,
    light: Annotated[
        ProjectLight | None, Query(description="灯，无 = 没有在办时限 · worst light of running cases; 无: none")
    ] = None,
    type: Annotated[Literal["备案", "核准", "审批"] | None, Query(description="立项类型 · filing type")] = None,
    has_findings: Annotated[bool | None, Query(description="有未消除的发现 · has findings open or confirmed")] = None,
    finished: Annotated[bool | None, Query(description="是否办结 · finished")] = None,
    updated_since: UpdatedSince = None,
    fields: ProjectFields = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    require_known(asker, department=department)
    chosen = words(fields)
    where = filters.projects(
        q=q,
        town=town,
        department=department,
        stage=stage,
        light=light,
        type_=type,
        has_findings=has_findings,
        finished=finished,
        updated_since=updated_since,
    )
    with reading(asker) as c:
        return listed(request, listing.page(c, "project", where, fields=chosen, after=cursor, limit=limit))


@router.get(
    "/projects/{code}",
    tags=["项目 projects"],
    responses={
        **answers("project_full"),
        308: {"description": "项目已并入另一代码 · the code means another project now"},
    },
    summary="一键查看项目全图 · everything of a project",
)
def project(
    request: Request,
    asker: Asker,
    code: Code,
    parts: Parts = None,
) -> Response:
    chosen = words(parts)
    with reading(asker) as c:
        found = project_queries.full(c, code, chosen)
    return _moved(request, asker, code, "") if found is None else single(request, found, "", "")


@router.get(
    "/projects/{code}/position",
    tags=["项目 projects"],
    responses={**answers("position"), 308: {"description": "项目已并入另一代码 · the code means another project now"}},
    summary="一键定位 · where a project stands",
)
def position(request: Request, asker: Asker, code: Code) -> Response:
    with reading(asker) as c:
        found = project_queries.position(c, code)
    return _moved(request, asker, code, "/position") if found is None else single(request, found, "", "")


def _moved(request: Request, asker: Grant, code: str, rest: str) -> Response:
    """Merged codes redirect, but only to what the asker may see."""
    target = project_queries.merged_into(code)
    if target is not None:
        with reading(asker) as c:
            if project_queries.project(c, target, ["id"]) is not None:
                return RedirectResponse(f"{request.scope.get('root_path', '')}/v1/projects/{quote(target)}{rest}", 308)
    raise no_project(code)


@router.get("/cases", tags=["办件 cases"], responses=answers("case_page"), summary="办件列表 · cases with their clocks")
def cases(
    request: Request,
    asker: Asker,
    project: Project = None,
    item: ItemCode = None,
    town: Town = None,
    department: Department = None,
    channel: Annotated[
        Channel | None,
        Query(description="来源系统 · leading system"),
    ] = None,
    light: Annotated[
        CaseLight | None, Query(description="灯，灰 = 已办结，无 = 没有时限或未受理 · light; 灰 ended, 无 no clock")
    ] = None,
    running: Annotated[bool | None, Query(description="时钟在走 · its clock has not stopped")] = None,
    updated_since: UpdatedSince = None,
    fields: CaseFields = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    require_known(asker, department=department, item=item)
    chosen = words(fields)
    where = filters.cases(
        project=project,
        item=item,
        town=town,
        department=department,
        channel=channel,
        light=light,
        running=running,
        updated_since=updated_since,
    )
    with reading(asker) as c:
        return listed(request, listing.page(c, "case", where, fields=chosen, after=cursor, limit=limit))


@router.get("/cases/{no}", tags=["办件 cases"], responses=answers("case_full"), summary="办件详情 · a case, whole")
def case(
    request: Request,
    asker: Asker,
    no: Annotated[
        str,
        Path(max_length=100, pattern=TEXT, description="办件编号，或 <系统>:<编号> · its number, or <system>:<number>"),
    ],
) -> Response:
    with reading(asker) as c:
        found = case_queries.case(c, no)
    if found is not None:
        found["not_judged"] = None if asker.known_at or asker.as_of else case_queries.not_judged(found)
    return single(request, found, f"没有可见的办件 {no}。", f"No case {no} is shown.")


@router.get("/items", tags=["事项 items"], responses=answers("item_page"), summary="事项清单 · the catalogue")
def items(
    request: Request,
    asker: Asker,
    code: ItemCode = None,
    stage: Annotated[int | None, Query(ge=1, le=8, description="阶段 · stage")] = None,
    department: Department = None,
    in_force_on: Annotated[Day | None, Query(description="该日有效 · in force on that day")] = None,
    updated_since: UpdatedSince = None,
    fields: ItemFields = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    require_known(asker, department=department, item=code)
    chosen = words(fields)
    where = filters.items(
        code=code, stage=stage, department=department, in_force_on=in_force_on, updated_since=updated_since
    )
    with reading(asker) as c:
        return listed(request, listing.page(c, "item", where, fields=chosen, after=cursor, limit=limit))


@router.get("/findings", tags=["督办 supervision"], responses=answers("finding_page"), summary="发现列表 · findings")
def findings(
    request: Request,
    asker: Asker,
    project: Project = None,
    rule: Annotated[
        str | None, Query(min_length=1, max_length=20, pattern=TEXT, description="规则 · rule", examples=["overdue"])
    ] = None,
    state: Annotated[Literal["open", "confirmed", "lifted", "closed"] | None, Query(description="状态 · state")] = None,
    severity: Annotated[int | None, Query(ge=1, le=3, description="严重程度 · severity")] = None,
    item: ItemCode = None,
    town: Town = None,
    department: Department = None,
    updated_since: UpdatedSince = None,
    fields: FindingFields = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    require_known(asker, rule=rule, department=department, item=item)
    chosen = words(fields)
    where = filters.findings(
        project=project,
        rule=rule,
        state=state,
        severity=severity,
        item=item,
        town=town,
        department=department,
        updated_since=updated_since,
    )
    with reading(asker) as c:
        return listed(request, listing.page(c, "finding", where, fields=chosen, after=cursor, limit=limit))


@router.get(
    "/work-orders", tags=["督办 supervision"], responses=answers("work_order_page"), summary="工单列表 · work orders"
)
def work_orders(
    request: Request,
    asker: Asker,
    project: Project = None,
    state: Annotated[
        Literal["dispatched", "signed", "answered", "disputed", "closed"] | None, Query(description="状态 · state")
    ] = None,
    town: Town = None,
    department: Department = None,
    overdue: Annotated[bool, Query(description="本环节已超期 · past the running limit")] = False,
    updated_since: UpdatedSince = None,
    fields: WorkOrderFields = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    require_known(asker, department=department)
    chosen = words(fields)
    where = filters.orders(
        project=project,
        state=state,
        town=town,
        department=department,
        overdue_on=(asker.as_of[1] if asker.as_of else clock.today()) if overdue else None,
        updated_since=updated_since,
    )
    with reading(asker) as c:
        return listed(request, listing.page(c, "work_order", where, fields=chosen, after=cursor, limit=limit))


@router.get(
    "/work-orders/{no}",
    tags=["督办 supervision"],
    responses=answers("work_order_full"),
    summary="工单详情 · a work order with its steps",
)
def work_order(
    request: Request,
    asker: Asker,
    no: Annotated[str, Path(max_length=64, pattern=TEXT, description="工单编号 · number")],
) -> Response:
    with reading(asker) as c:
        found = case_queries.order(c, no)
    return single(request, found, f"没有可见的工单 {no}。", f"No work order {no} is shown.")


@router.get(
    "/licences", tags=["证照 licences"], responses=answers("licence_page"), summary="证照列表 · licences and approvals"
)
def licences(
    request: Request,
    asker: Asker,
    project: Project = None,
    number: Annotated[
        str | None, Query(min_length=1, max_length=100, pattern=TEXT, description="证照编号 · number as written")
    ] = None,
    item: ItemCode = None,
    type_code: Annotated[
        str | None, Query(min_length=1, max_length=64, pattern=TEXT, description="证照类型代码 · type")
    ] = None,
    updated_since: UpdatedSince = None,
    fields: LicenceFields = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    require_known(asker, item=item)
    chosen = words(fields)
    where = filters.licences(
        project=project, number=number, item=item, type_code=type_code, updated_since=updated_since
    )
    with reading(asker) as c:
        return listed(request, listing.page(c, "licence", where, fields=chosen, after=cursor, limit=limit))


@router.get(
    "/rows/{entity}",
    tags=["统一库 store"],
    responses=answers("Any"),
    summary="任一实体的行 · rows of any entity of the model, a new one too",
)
def rows(
    request: Request,
    asker: Asker,
    entity: Annotated[str, OneOf(sorted(tables.golden)), Path(description="实体 · entity")],
    updated_since: UpdatedSince = None,
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    where = filters.changed(updated_since)
    with reading(asker) as c:
        return listed(request, listing.page(c, entity, where, after=cursor, limit=limit))


@router.get(
    "/statistics", tags=["统计 statistics"], responses=answers("statistics"), summary="统计 · counts over what you see"
)
def statistics(
    request: Request,
    asker: Asker,
    groups: Groups = None,
) -> Response:
    return single(request, statistic_queries.statistics(asker, words(groups)), "", "")


@router.get(
    "/freshness",
    tags=["统计 statistics"],
    responses=answers("freshness"),
    summary="数据截至 · up to when each source has been read, and what fails",
)
def data_as_of(request: Request, asker: Asker) -> Response:
    return single(request, freshness.current().as_dict(), "", "")


@router.get(
    "/changes",
    tags=["变更 changes"],
    responses=answers("change_page"),
    summary="变更流 · changes since a cursor, without gaps",
)
def changes(
    request: Request,
    asker: Asker,
    entities: Entities = None,
    from_: Annotated[
        Literal["start", "now"],
        Query(alias="from", description="无游标时从头，或从现在 · without a cursor: from the start, or from now"),
    ] = "start",
    limit: Limit = 100,
    cursor: After = None,
) -> Response:
    chosen = words(entities)
    with reading(asker) as c:
        if cursor is None and from_ == "now":
            return Json({"items": [], "next": change_queries.end(c), "more": False})
        rows, following, more = change_queries.changes(c, cursor, entities=chosen, limit=limit)
    request.state.rows = len(rows)
    return Json({"items": rows, "next": following, "more": more})
