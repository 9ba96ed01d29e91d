"""试报: a provider posts what it would send, and is told what the hub would say of it. Nothing is stored."""

from __future__ import annotations

import tempfile
from pathlib import Path as File
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from core.errors import TransientError
from serving import trying
from serving.access import Grant
from serving.api.common import TEXT, Asker
from serving.api.describe import answers, ref
from serving.api.guard import Guarded, scope
from serving.problems import Problem
from sources.declaration import Feed

router = APIRouter(prefix="/v1", tags=["试报 tryout"], route_class=Guarded)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "文件或接口应答的原样字节；records=true 时为记录 · the bytes as they would be sent; with records=true records",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [{"no": "S1", "uscc": "91441900MA0000015D", "day": "2026-11-01"}],
            },
        },
    }
}
_TOO_LARGE = {
    "description": "正文过大 · too large",
    "content": {"application/problem+json": {"schema": ref("Problem")}},
}


@router.post(
    "/feeds/{feed}/tryout",
    responses={**answers("tryout", "结论 · the verdict"), 413: _TOO_LARGE},
    openapi_extra=_BODY,
    summary="数据试报：报送前先看枢纽会怎么说 · what the hub would say of data, before they are sent",
)
@scope()
async def tryout(
    request: Request,
    asker: Asker,
    feed: Annotated[str, Path(max_length=100, pattern=TEXT, description="数据项 · feed", examples=["d5.fire"])],
    name: Annotated[
        str, Query(max_length=200, pattern=TEXT, description="文件名，须如约定 · the file's name, as agreed")
    ] = "",
    records: Annotated[
        bool,
        Query(
            description="正文是按原始列名的 JSON 记录（数组，或每行一个）· JSON records by raw columns, an array or one a line"
        ),
    ] = False,
) -> Response:
    found = await run_in_threadpool(_feed, asker, feed)
    with tempfile.TemporaryDirectory(prefix="onemap-tryout-") as folder:
        body = File(folder) / "body"
        try:
            size = await trying.store(request.stream(), body, trying.most(found))
        except trying.TooLargeError as error:
            raise Problem(
                "too-large",
                f"{feed} 的报文至多 {error.most:,} 字节（声明的 options.limits.page），请分成几份。",
                f"A body for {feed} has at most {error.most:,} bytes (options.limits.page of its declaration); send parts.",
            ) from error
        if not size:
            raise Problem(
                "invalid-parameter",
                "请求正文为空，请附上要试报的内容。",
                "The body is empty; send what is to be tried.",
            )
        try:
            verdict = await run_in_threadpool(trying.verdict, asker, found, body, name, records=records)
        except TransientError as error:
            raise Problem("unavailable", error.zh, error.message, {"Retry-After": "10"}) from error
    request.state.rows = verdict["rows_in"]
    return JSONResponse(verdict, headers={"Cache-Control": "no-store"})


def _feed(asker: Grant, feed: str) -> Feed:
    """:raises Problem: who asks may try none, or not this one: the same answer as for one that there is not."""
    if not trying.may(asker):
        raise Problem(
            "forbidden",
            "试报只对有权限 decide 且可见全市的密钥，以及数源部门（department:<代码>）自己的数据项开放。",
            "For a key for the whole city that may decide, and for a department's key on its own feeds.",
        )
    known = trying.feeds(asker)
    if feed not in known:
        raise Problem(
            "not-found",
            f"没有数据项 {feed}，或不由贵部门提供。可用：{'、'.join(known) or '无'}。",
            f"No feed {feed}, or it is not yours. Allowed: {', '.join(known) or 'none'}.",
            errors=[{"parameter": "feed", "message": "not one of the allowed values", "allowed": list(known)}],
        )
    return known[feed]
