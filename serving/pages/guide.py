"""办事问答: a question, and sentences that say where they stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from core import settings
from schemas import codes
from serving.access import reading
from serving.guide import answer, passages
from serving.pages.answering import Who, logged, rendered
from serving.query.listing import Filter, select
from store.engine import pairs

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
    page = rendered(
        "guide.html.j2",
        request,
        question=question,
        project=project or "",
        answer=found,
        examples=EXAMPLES,
        links=[_page(sentence.source) for sentence in found.sentences] if found else [],
    )
    return logged(request, who, page, len(found.sentences) if found else 0)


@router.get("/item/{code}", response_class=HTMLResponse)
def item(request: Request, code: str, who: Who) -> Response:
    """An item of the catalogue with its versions: what plan and guide cite."""
    if "\x00" in code or len(code) > 64:
        raise HTTPException(404, "事项清单没有这个事项。")
    with reading(who) as connection:
        versions = select(connection, "item", Filter().where("v.item_code = :code", code=code), order="v.version desc")
        names: dict[str, str] = pairs(
            connection.exec_driver_sql("select item_code, max(item_name) from asked.item group by 1")
        )
    if not versions:
        raise HTTPException(404, f"事项清单没有 {code}。")
    media = {code: entry.zh for code, entry in codes.load("material_medium").codes.items()}
    answer = rendered("item.html.j2", request, code=code, versions=versions, names=names, media=media)
    return logged(request, who, answer, len(versions))


@router.get("/source", response_class=HTMLResponse)
def source(request: Request, who: Who, topic: Annotated[str, Query(max_length=40, pattern=r"^[a-z-]+$")]) -> Response:
    """The section of the rules that a general answer cites."""
    found = next((t for t in passages.topics().topics if t.id == topic), None)
    if found is None:
        raise HTTPException(404, "没有这个出处。")
    answer = rendered("source.html.j2", request, topic=found, text=_section(found.source))
    return logged(request, who, answer, 1)


def _page(source: passages.Source) -> str | None:
    """Where a person reads what a sentence cites."""
    for api, page in (("/v1/items?q=", "item/"), ("/v1/findings?rule=", "findings?rule="), ("/v1/cases/", "case/")):
        if source.link.startswith(api):
            return page + source.link.removeprefix(api)
    if source.place == "position":
        return f"project/{source.link.split('/')[3]}"
    topic = next((t for t in passages.topics().topics if t.title == source.title), None)
    return f"source?topic={topic.id}" if topic else None


def _section(place: str) -> str | None:
    """The text of a place "document · heading · …": from its heading to the next of the same rank, or the line that names it; None:
    the document is not here."""
    name, *heads = (part.strip() for part in place.split("·"))
    path = settings.ROOT / name
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    for head in heads:
        begin = next((n for n, line in enumerate(lines) if line.startswith("#") and head in line), None)
        if begin is None:
            begin = next((n for n, line in enumerate(lines) if line.startswith(f"**{head}")), None)
            if begin is None:
                continue
            end = next((n for n in range(begin + 1, len(lines)) if lines[n].startswith(("**", "#"))), len(lines))
        else:
            rank = lines[begin].split(" ")[0]
            end = next((n for n in range(begin + 1, len(lines)) if lines[n].startswith(f"{rank} ")), len(lines))
        lines = lines[begin:end]
    return "\n".join(lines).strip()
