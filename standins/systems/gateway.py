"""The provincial gateway before P1 and P2: signatures, and the envelope with its two layers of codes (§3.1)."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from standins.context import Context
from standins.faults import Fault
from standins.forms import when
from standins.http import json_answer

PREFIX = "x-tif"
CLOCK_SECONDS = 180
NONCE_SECONDS = 600
PAGE_CAP = 500
INCOMPLETE = "鉴权参数不完整，请求不合法。"
REFUSED = "鉴权失败，鉴权信息有误。"


def signature(timestamp: str, token: str, nonce: str) -> str:
    """sha256hex(timestamp + token + nonce + timestamp), lower case."""
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


class Gateway:
    """Checks of the gateway, shared by P1 and P2: one PaasId, one memory of nonces."""

    def __init__(self, ctx: Context, paasid: str, prefix: str = PREFIX) -> None:
        self.ctx = ctx
        self.paasid = paasid
        self.prefix = prefix
        self._nonces: dict[str, float] = {}

    def refuse(self, system: str, request: Request) -> Response | None:
        """None when the request is signed rightly; its nonce is then used up. Else HTTP 500 with code 400001."""
        header = [
            request.headers.get(f"{self.prefix}-{name}", "") for name in ("paasid", "timestamp", "nonce", "signature")
        ]
        if not all(header):
            return _unauthenticated(INCOMPLETE)
        paasid, timestamp, nonce, given = header
        now = self.ctx.faults.wall(system)
        try:
            late = abs(now - int(timestamp)) > CLOCK_SECONDS
        except ValueError:
            return _unauthenticated(REFUSED)
        wanted = signature(timestamp, self.ctx.secret("p_gateway"), nonce)
        right = hmac.compare_digest(wanted, given.lower()) and paasid == self.paasid
        if late or not right or now - self._nonces.get(nonce, 0) < NONCE_SECONDS:
            return _unauthenticated(REFUSED)
        if len(self._nonces) > 50_000:
            self._nonces = {used: at for used, at in self._nonces.items() if now - at < NONCE_SECONDS}
        self._nonces[nonce] = now
        return None


def _unauthenticated(message: str) -> Response:
    return json_answer({"code": 400001, "msg": message}, 500)


class BadRequest(Exception):
    """Inner E-400: the caller's request is wrong."""


async def window(
    request: Request, start: str, end: str
) -> tuple[dict[str, Any], int, int, datetime | None, datetime | None]:
    """The body, pageNumber, pageSize and bounds of a request. :raises BadRequest: it breaks the contract."""
    try:
        body = json.loads(await request.body() or b"{}")
        page, size = int(body["pageNumber"]), int(body["pageSize"])
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest("请求参数错误：pageNumber、pageSize") from error
    bounds = [when(body.get(name)) for name in (start, end)]
    if page < 1 or size < 1 or any(body.get(n) and not b for n, b in zip((start, end), bounds, strict=True)):
        raise BadRequest("请求参数错误：页码或时间格式")
    return body, page, min(size, PAGE_CAP), bounds[0], bounds[1]


def envelope(rows: list[dict[str, Any]], total: int, size: int, *, digits: bool = False) -> Response:
    """A page in the two layers; ``digits``: totals as strings, codes as numbers."""
    pages = math.ceil(total / size)
    inner = {
        "code": 0 if digits else "0",
        "status": 200,
        "message": "查询成功！",
        "data": {
            "list": rows,
            "totalPage": str(pages) if digits else pages,
            "totalRow": str(total) if digits else total,
        },
    }
    return json_answer({"errcode": "0", "errmsg": "ok", "data": inner})


def inner_error(code: str, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """HTTP 200 with an error in the inner layer."""
    inner = {"code": code, "status": status, "message": message, "data": None}
    return json_answer({"errcode": "0", "errmsg": "ok", "data": inner}, 200, headers)


ERRORS = ("quota_429", "quota_inner", "outer_error", "not_authorised", "bad_request")


def error_answer(fault: Fault) -> Response:
    """The answer of a fault of :data:`ERRORS`."""
    wait = fault.options.get("retry_after")
    headers = {} if wait is None else {"Retry-After": str(wait)}
    match fault.kind:
        case "quota_429":
            return json_answer({"errcode": "429", "errmsg": "超出调用频次"}, 429, headers)
        case "quota_inner":
            return inner_error("E-429", 429, "超出调用频次", headers)
        case "outer_error":
            return json_answer({"errcode": "-1", "errmsg": "接口调用失败", "data": None})
        case "not_authorised":
            return inner_error("E-106", 403, "请求不存在于授权列表")
        case _:
            return inner_error("E-400", 400, "请求参数错误")


def paged(
    rows: Sequence[Any],
    page: int,
    size: int,
    fault: Fault | None,
    render: Callable[[Any], dict[str, Any]],
    digits: bool,
) -> Response:
    """The page of a listing; one past the end repeats the last. ``fault``: one that bends pages, or None."""
    total = len(rows)
    kind, bent = (fault.kind, fault.options) if fault else ("", {})
    last = max(1, math.ceil(total / size))
    page = min(page, last)
    if kind == "repeat_page" and page > 1:
        page -= 1
    if kind == "empty_list":
        return envelope([], bent.get("total", total or 1), size, digits=digits)
    if kind == "total_changes":
        total += bent.get("by", 1)
    part = rows[(page - 1) * size : page * size]
    return envelope([render(row) for row in part], total, size, digits=digits)
