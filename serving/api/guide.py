"""The guide that cites, for applications: a question in Chinese, sentences with their sources."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from serving.api.common import TEXT, Asker, Project
from serving.api.describe import answers
from serving.api.guard import Guarded
from serving.guide import answer

router = APIRouter(prefix="/v1", route_class=Guarded)


@router.get(
    "/guide", tags=["办事指南 guide"], responses=answers("guide"), summary="办事问答，句句有出处 · a guide that cites"
)
def guide(
    request: Request,
    asker: Asker,
    q: Annotated[str, Query(min_length=1, max_length=200, pattern=TEXT, description="问题 · the question, in Chinese")],
    project: Project = None,
) -> Response:
    found = answer.ask(asker, q, project)
    request.state.rows = len(found.sentences)
    return JSONResponse(found.as_dict())
