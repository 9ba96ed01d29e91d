"""What every page answers with: for whom, on which headers, and never before its entry stands on the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from core.errors import OneMapError
from serving import audit, trying
from serving.access import Grant
from serving.query import freshness
from serving.render import template

HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Asker = Callable[[Request], Awaitable[Grant]]


async def _asker(request: Request) -> Grant:
    request.state.who = await request.app.state.asker(request)
    return request.state.who


Who = Annotated[Grant, Depends(_asker)]


def rendered(
    name: str, request: Request, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """A template as a page, framed; ``base`` leads from it to where the pages are mounted."""
    path = request.url.path.removeprefix(request.scope.get("root_path", "")).strip("/")
    values.setdefault("base", "../" * path.count("/"))
    values = {**framed(getattr(request.state, "who", None), path), **values}
    return HTMLResponse(template(name).render(**values), status, {**HEADERS, "Vary": "X-Partial", **(headers or {})})


_MENU = (
    ("", "项目"),
    ("cases", "办件"),
    ("findings", "发现"),
    ("orders", "工单"),
    ("escalations", "上级督办"),
    ("agents", "代办跟进"),
    ("forecast", "预测"),
    ("reminders", "提醒"),
    ("care", "代办工作台"),
    ("lookup", "我要查"),
    ("plan", "我要办"),
    ("guide", "办事问答"),
    ("catalogue", "数据目录"),
    ("share", "数据共享"),
)
_OPERATING = (
    ("ops/decisions", "待决事项"),
    ("insight", "改革台账"),
    ("what-if", "推演"),
    ("ops/alerts", "告警"),
    ("ops/subscriptions", "订阅"),
    ("ops/pushes", "推送"),
    ("ops/sources", "数源"),
    ("ops/quarantine", "隔离区"),
    ("ops/balance", "来源与在库"),
)


def framed(who: Grant | None, here: str) -> dict[str, Any]:
    """What the frame of a page shows: the menu of who asks, and up to when the data are."""
    try:
        fresh = freshness.current()
    except (OneMapError, SQLAlchemyError):  # the page itself says what is away
        fresh = None
    offers = (("tryout", "数据试报"),) if who and trying.may(who) else ()
    menu = (*_MENU, *offers, *(_OPERATING if who and who.operates else ()))
    return {
        "who": who,
        "menu": menu,
        "here": here,
        "fresh": fresh,
        "filling": fresh is None or fresh.empty,
        "judged": bool(fresh and fresh.judged),
    }


def attached(name: str) -> dict[str, str]:
    """Headers of a file to keep."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}


def logged(request: Request, who: Grant, answer: Response, rows: int, *, personal: bool | None = None) -> Response:
    """The answer, once its entry is written.

    :param personal: whether it holds personal data in clear; None: as the grant says.
    :raises: whatever keeps the entry from being written: then there is no answer either.
    """
    asked = {name: audit.scrub(value.replace("\x00", "")) for name, value in request.query_params.items()}
    personal_shown = who.personal if personal is None else personal
    audit.append(
        who.actor,
        "read",
        request.url.path.replace("\x00", ""),
        {"query": asked, "status": answer.status_code, "rows": rows, "personal": personal_shown},
    )
    return answer
