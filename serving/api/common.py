"""Parameters and answers that routes share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, NaiveDatetime

from serving.access import Grant
from serving.api.problems import Problem
from serving.query.listing import MAX_LIMIT
from serving.query.paging import Page
from serving.sql.views import views

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="每页条数 · rows a page")]
After = Annotated[str | None, Query(alias="cursor", max_length=1000, description="上一页的 next · next of the page before")]
Fields = Annotated[
    str | None, Query(max_length=2000, description="只取这些字段，逗号分隔 · only these fields, by commas")
]
Town = Annotated[str | None, Query(pattern=r"^\d{9}$", description="镇街代码 · town, 9 digits")]
Department = Annotated[str | None, Query(pattern=r"^[0-9A-Z]{9}([0-9A-Z]{9})?$", description="部门代码 · department, 18 or 9 characters")]
Project = Annotated[str | None, Query(max_length=64, description="项目代码 · project code")]
ItemCode = Annotated[str | None, Query(max_length=64, description="事项编码 · item")]
UpdatedSince = Annotated[
    AwareDatetime | NaiveDatetime | None,
    Query(description="此时间后内容有变 · content changed since; without a zone: local time"),
]
Code = Annotated[str, Path(max_length=64, description="项目代码 · project code")]


def _grant(request: Request) -> Grant:
    return request.state.grant


Asker = Annotated[Grant, Depends(_grant)]


def fields_of(view: str, text: str | None) -> list[str] | None:
    """``fields`` as names. :raises Problem: one that the view has not."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in views()[view].by_name]
    if unknown or not names:
        raise Problem("invalid-parameter", f"没有字段 {'、'.join(unknown)}。", f"No field {', '.join(unknown)}.", fields=sorted(views()[view].by_name))
    return names


def listed(request: Request, page: Page) -> JSONResponse:
    """A page as JSON, with a Link to the next one (RFC 8288)."""
    request.state.rows = len(page.rows)
    headers = {}
    if page.next:
        address = request.url.include_query_params(cursor=page.next)
        headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return JSONResponse({"items": page.rows, "next": page.next}, headers=headers)


def single(request: Request, found: Any, zh: str, en: str) -> JSONResponse:
    """:raises Problem: nothing was found, or it is not shown: the same answer for both."""
    if found is None:
        raise Problem("not-found", zh, en)
    request.state.rows = 1
    return JSONResponse(found)


def words(text: str | None, allowed: Iterable[str], name: str) -> list[str] | None:
    """A comma-separated choice. :raises Problem: one that is not among ``allowed``."""
    if text is None:
        return None
    given = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in given if word not in set(allowed)]
    if wrong or not given:
        raise Problem("invalid-parameter", f"{name} 不能取 {'、'.join(wrong)}。", f"{name} cannot be {', '.join(wrong)}.", allowed=sorted(allowed))
    return given
