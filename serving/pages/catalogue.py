"""数据目录: a searchable page of what there is, and its exports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from serving import catalogue
from serving.pages.answering import HEADERS, Who, attached, logged, rendered

router = APIRouter()


@router.get("/catalogue", response_class=HTMLResponse)
def page(request: Request, who: Who, q: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Entities, fields, codes, feeds, owners, freshness."""
    entities, feeds = catalogue.search(q.replace("\x00", ""))
    answer = rendered(
        "catalogue.html.j2",
        request,
        q=q,
        entities=entities,
        feeds=feeds,
        lists=catalogue.code_lists(),
        operations=who.operates,
    )
    return logged(request, who, answer, len(entities))


@router.get("/catalogue/dcat.jsonld")
def dcat(request: Request, who: Who) -> Response:
    """DCAT."""
    document = catalogue.dcat(f"{request.url.scheme}://{request.url.netloc}/onemap/api")
    return logged(
        request,
        who,
        JSONResponse(document, headers=HEADERS, media_type="application/ld+json"),
        len(document["dcat:dataset"]),
    )


@router.get("/catalogue/{entity}.odcs.yaml")
def contract(request: Request, entity: str, who: Who) -> Response:
    """Open Data Contract Standard."""
    text = catalogue.contract(entity)
    if text is None:
        raise HTTPException(404, f"没有实体 {entity}。")
    headers = {**HEADERS, **attached(f"{entity}.odcs.yaml")}
    return logged(request, who, Response(text, media_type="application/yaml", headers=headers), 1)
