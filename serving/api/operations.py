"""For operations: lineage down to the archived bytes, source against store, Prometheus metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from serving import balance, lineage, metrics
from serving.access import ADMIN, METRICS, PERSONAL
from serving.api.common import TEXT, Asker, Day, single
from serving.api.describe import answers
from serving.api.guard import Guarded, scope
from serving.problems import Problem
from serving.sql.views import views
from store import archive, tables

router = APIRouter(tags=["运维 operations"], route_class=Guarded)


def _city(asker: Asker) -> None:
    if not asker.free:
        raise Problem("forbidden", "此接口只对全市范围的密钥开放。", "Only a key for the whole city may ask this.")


@router.get(
    "/v1/lineage/{entity}/{id}",
    responses=answers("Any"),
    summary="溯源：字段 ← 来源记录 ← 映射 ← 回执 ← 原始报文 · lineage",
)
@scope(ADMIN)
def of_row(
    request: Request,
    asker: Asker,
    entity: Annotated[str, Path(max_length=64, pattern=TEXT, description="实体 · entity")],
    id: Annotated[str, Path(max_length=300, pattern=TEXT, description="编号 · id")],
    field: Annotated[
        str | None, Query(min_length=1, max_length=64, pattern=TEXT, description="只看该字段 · this field alone")
    ] = None,
) -> Response:
    _city(asker)
    if entity not in tables.golden:
        raise Problem("not-found", f"没有实体 {entity}。", f"No entity {entity}.")
    if field is not None and field not in views()[entity].by_name:
        raise Problem("not-found", f"{entity} 没有字段 {field}。", f"{entity} has no field {field}.")
    found = lineage.lineage(asker, entity, id, field)
    return single(request, found, f"没有 {entity} {id}。", f"No {entity} {id}.")


@router.get(
    "/v1/receipts/{number}/content",
    responses={
        **answers("Any"),
        200: {"description": "原始报文 · the bytes as received", "content": {"application/octet-stream": {}}},
        410: {"description": "已清理 · no longer kept"},
    },
    summary="原始报文 · the archived bytes of a receipt",
)
@scope(ADMIN, PERSONAL)
def content(
    request: Request, asker: Asker, number: Annotated[int, Path(ge=1, lt=1 << 63, description="回执号 · receipt")]
) -> Response:
    _city(asker)
    found = lineage.receipt(number)
    if found is None:
        raise Problem("not-found", f"没有回执 {number}。", f"No receipt {number}.")
    if not found["kept"]:
        raise Problem(
            "gone", f"回执 {number} 的报文已按期限清理。", f"The bytes of receipt {number} are no longer kept."
        )
    return StreamingResponse(
        archive.read(found["sha256"]), media_type="application/octet-stream", headers=lineage.to_save(found)
    )


@router.get("/v1/balance", responses=answers("Any"), summary="来源与在库平衡 · source against store over time")
@scope(ADMIN)
def over_time(
    request: Request,
    asker: Asker,
    feed: Annotated[str | None, Query(min_length=1, max_length=100, pattern=TEXT, description="数据流 · feed")] = None,
    since: Annotated[Day | None, Query(description="起始日 · from that day")] = None,
) -> Response:
    _city(asker)
    rows = balance.over_time(feed, since)
    request.state.rows = len(rows)
    return JSONResponse({"items": rows})


@router.get(
    "/metrics",
    responses={
        **answers("Any"),
        200: {"description": "Prometheus", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
    summary="运行指标 · Prometheus metrics",
)
@scope(METRICS)
def prometheus(request: Request, asker: Asker) -> Response:
    _city(asker)
    return Response(
        metrics.exposed(), media_type="text/plain; version=0.0.4; charset=utf-8", headers={"Cache-Control": "no-store"}
    )
