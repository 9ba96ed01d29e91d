"""Parameters and answers that routes share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from core import clock
from core.clock import SHANGHAI
from serving import rulebook
from serving.access import Grant, departments, reading, towns
from serving.parameters import OneOf
from serving.problems import Problem
from serving.query import projects
from serving.query.listing import MAX_LIMIT
from serving.query.paging import Page
from serving.sql.views import views

TEXT = r"^[^\x00]*$"  # what a text column can hold
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})?")


def _only(form: re.Pattern[str], name: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, date) and not (isinstance(value, str) and form.fullmatch(value)):
            # a bare number would be read as seconds since 1970
            raise PydanticCustomError(f"{name}_form", f"not of the form of a {name.replace('_', '-')}")
        return value

    return BeforeValidator(check)


Day = Annotated[date, _only(_DATE, "date")]
Instant = Annotated[datetime, _only(_TIME, "date_time")]


def some_of(allowed: Iterable[str], text: str) -> Any:
    """``Annotated[str | None, some_of(…)]``: some of ``allowed``, by commas; the description says which."""
    words = "|".join(re.escape(word) for word in sorted(allowed))
    return Query(pattern=f"^({words})(,({words}))*$", description=f"{text}，逗号分隔 · by commas")


def fields_of(view: str) -> Any:
    """``fields`` of a listing: some of the view's columns."""
    return some_of(views()[view].by_name, "只取这些字段 · only these fields")


Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="每页条数 · rows a page")]
After = Annotated[
    str | None,
    Query(
        alias="cursor",
        min_length=1,
        max_length=1000,
        pattern=TEXT,
        description="上一页的 next · next of the page before",
    ),
]
Town = Annotated[
    Annotated[str, OneOf(towns())] | None,
    Query(
        description="镇街代码 · town: " + "、".join(f"{code} {name}" for code, name in towns().items()),
        examples=["441900119"],
    ),
]
Department = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9A-Z]{9}([0-9A-Z]{9})?$",
        description="部门代码 · department, 18 or 9 characters",
        examples=[next(iter(departments()))],
    ),
]
Project = Annotated[str | None, Query(min_length=1, max_length=64, pattern=TEXT, description="项目代码 · project code")]
ItemCode = Annotated[str | None, Query(min_length=1, max_length=64, pattern=TEXT, description="事项编码 · item")]
UpdatedSince = Annotated[
    Instant | None, Query(description="此时间后内容有变 · content changed since; without a zone: local time")
]
Code = Annotated[str, Path(max_length=64, pattern=TEXT, description="项目代码 · project code")]


AsOf = Annotated[
    Day | None,
    Query(
        description="截至此日的情况（业务时间），按现在已知的数据：办件、时钟、阶段、位置、发现、工单 · as of the end of that day (business time), "
        "by what is known now: cases, clocks, stages, position, findings, work orders",
        examples=["2026-11-20"],
    ),
]


class Json(JSONResponse):
    """A document of what JSON has, written in C: a page of cases is a hundred and forty thousand bytes."""

    def render(self, content: Any) -> bytes:
        try:
            return msgspec.json.encode(content)
        except TypeError:  # it takes no subclass of text, as SQLAlchemy's names of columns are
            return super().render(content)


# Dependencies that ask nothing are coroutines: one that is none costs a way to another thread and back.


async def on_day(request: Request, as_of: AsOf = None) -> None:
    """A dependency of routes that answer as of a past day. :raises Problem: one that is still to come."""
    if as_of is None:
        return
    if not date(2000, 1, 1) <= as_of <= clock.today():
        raise Problem(
            "invalid-parameter", "as_of 须为 2000-01-01 至今天的一日。", "as_of is a day from 2000-01-01 to today."
        )
    project = request.path_params.get("code") or request.query_params.get("project")
    request.state.grant = replace(request.state.grant, as_of=(project, as_of))


async def look_back(
    request: Request,
    known_at: Annotated[
        Instant | None,
        Query(
            description="按此刻已知的数据回答（记录时间）；不带时区为本市时间 · the store as it was known at that instant (recorded time); "
            "without a zone: local time",
            examples=["2026-11-24T08:00:00+08:00"],
        ),
    ] = None,
    as_of: AsOf = None,
) -> None:
    """A dependency of routes that read the store: they answer from its past, or as of a past day.

    :raises Problem: a time or a day that is still to come, both at once.
    """
    await on_day(request, as_of)
    if known_at is None:
        return
    if as_of is not None:
        raise Problem("invalid-parameter", "as_of 与 known_at 不能同用。", "as_of and known_at exclude each other.")
    at = known_at if known_at.tzinfo else known_at.replace(tzinfo=SHANGHAI)
    if at > datetime.now(SHANGHAI):
        raise Problem("invalid-parameter", "known_at 不能晚于现在。", "known_at lies in the future.")
    request.state.grant = replace(request.state.grant, known_at=at)


async def _grant(request: Request) -> Grant:
    return request.state.grant


Asker = Annotated[Grant, Depends(_grant)]


def words(text: str | None) -> list[str] | None:
    """What was chosen of a :func:`choice`."""
    return None if text is None else list(dict.fromkeys(text.split(",")))


def require_known(
    asker: Grant, *, rule: str | None = None, department: str | None = None, item: str | None = None
) -> None:
    """:raises Problem: a rule, a department or an item that there is not: the answer would be an empty list that looks like peace."""
    if rule is not None and rule not in rulebook.names():
        _refused("rule", rule, "规则", [f"{code} {name}" for code, name in rulebook.names().items()])
    if department is not None and not any(department in (code, code[8:17]) for code in departments()):
        _refused("department", department, "部门", [f"{code} {name}" for code, name in departments().items()])
    if item is not None:
        with reading(asker) as connection:
            codes = connection.exec_driver_sql("select distinct item_code from asked.item order by 1").scalars().all()
        if item not in codes:  # the catalogue is data: what it holds is not in the description
            _refused("item", item, "事项", list(codes), "not-found")


def _refused(parameter: str, value: str, zh: str, allowed: list[str], code: str = "invalid-parameter") -> None:
    raise Problem(
        code,
        f"没有{zh} {value}。可用：{'、'.join(allowed)}。",
        f"No such {parameter}: {value}. Allowed: {', '.join(allowed)}.",
        errors=[
            {
                "parameter": parameter,
                "message": "not one of the allowed values",
                "zh": "不在可用值之内",
                "allowed": [text.split(" ")[0] for text in allowed],
            }
        ],
    )


def listed(request: Request, page: Page) -> Json:
    """A page as JSON, with a Link to the next one (RFC 8288)."""
    request.state.rows = len(page.rows)
    headers = {}
    if page.next:
        address = request.url.include_query_params(cursor=page.next)
        headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return Json({"items": page.rows, "next": page.next}, headers=headers)


def no_project(code: str) -> Problem:
    """There is none, or it is not shown: the same answer for both."""
    return Problem("not-found", f"没有可见的项目 {code}。", f"No project {code} is shown.")


def must_see(asker: Grant, code: str) -> None:
    """:raises Problem: the project is not shown."""
    with reading(asker) as connection:
        if projects.project(connection, code, ["id"]) is None:
            raise no_project(code)


def single(request: Request, found: Any, zh: str, en: str) -> Json:
    """:raises Problem: nothing was found, or it is not shown: the same answer for both."""
    if found is None:
        raise Problem("not-found", zh, en)
    request.state.rows = 1
    return Json(found)
