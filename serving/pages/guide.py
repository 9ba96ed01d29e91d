"""办事问答: a question, and sentences that say where they stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from serving.guide import answer
from serving.pages.answering import Who, logged, rendered

router = APIRouter()
EXAMPLES = (
    "施工许可证要几天办完",
    "环评需要什么材料",
    "办房产证要先办什么",
    "补正算不算时间",
    "项目从头到尾有几个阶段",
)


@router.get("/guide", response_class=HTMLResponse)
def guide(
    request: Request,
    who: Who,
    q: Annotated[str | None, Query(max_length=200)] = None,
    project: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """The form, and the answer to what was asked."""
    question = (q or "").replace("\x00", "").strip()
    found = answer.ask(who, question, (project or "").strip() or None) if question else None
    page = rendered("guide.html.j2", request, question=question, project=project or "", answer=found, examples=EXAMPLES)
    return logged(request, who, page, len(found.sentences) if found else 0)
