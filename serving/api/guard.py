"""What every route of the API has in common: key, scope, quota, known parameters, audit, ETag.

Nothing leaves before its entry stands on the audit log; where the log cannot be written, there is no answer.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from core.clock import SHANGHAI
from core.errors import NotFoundError, OneMapError
from serving import audit, derive, keys, lockout, metrics
from serving.access import PROJECTS, Grant
from serving.problems import VARY, Problem, answer, refused
from serving.query import freshness
from serving.query.paging import BadCursorError, DroppedError

log = logging.getLogger(__name__)
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def scope(*wanted: str) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint with the scopes that it asks for, all of them; without, ``read:projects``."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.scopes = wanted  # type: ignore[attr-defined]
        return endpoint

    return mark


class Guarded(APIRoute):
    """A route that only a key may ask, and that answers in problems."""

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()
        known = {field.alias for field in get_flat_dependant(self.dependant).query_params}
        open_query = getattr(self.endpoint, "open_query", False)
        wanted = getattr(self.endpoint, "scopes", (PROJECTS,))

        async def handle(request: Request) -> Response:
            begun = time.perf_counter()
            response = await _answered(request, inner, None if open_query else known, wanted)
            metrics.REQUESTS.labels(self.path, str(response.status_code)).inc()
            metrics.SECONDS.labels(self.path).observe(time.perf_counter() - begun)
            return response

        return handle


async def _answered(request: Request, inner: Handler, known: set[str] | None, wanted: tuple[str, ...]) -> Response:
    headers: dict[str, str] = {}
    grant: Grant | None = None
    try:
        admission = await run_in_threadpool(_admitted, request)
        grant = request.state.grant = admission.grant
        headers = _quota(admission)
        if admission.over is not None:
            wait = str(int(admission.over) + 1)
            raise Problem(
                "quota-exceeded", f"请在 {wait} 秒后重试。", f"Try again in {wait} seconds.", {"Retry-After": wait}
            )
        missing = [name for name in wanted if not grant.may(name)]
        if missing:
            raise Problem("forbidden", f"密钥缺少权限 {'、'.join(missing)}。", f"The key lacks {', '.join(missing)}.")
        if grant.data is not None and known is not None and "known_at" not in known:
            raise Problem(
                "forbidden",
                "共享授权的密钥只能读取获准的实体。",
                "A key of a data request reads the entities that were granted, no more.",
            )
        _legible(request, known)
        if admission.stale:
            await run_in_threadpool(derive.refresh, False)
        response = await inner(request)
    except Exception as error:
        response = answer(request, _problem(error))
    if grant is not None:
        try:
            headers |= await run_in_threadpool(_log, request, grant, response)
        except (sa.exc.SQLAlchemyError, OneMapError):
            log.exception("the audit log cannot be written")
            response = answer(request, Problem("unavailable", "审计日志无法写入。", "The audit log cannot be written."))
    response.headers.update(headers)
    return _conditional(request, response)


def _admitted(request: Request) -> keys.Admission:
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "")
    admission = keys.admit(key) if key else None
    if admission is None and key:
        _count_wrong(request)
    if admission is None:
        raise Problem(
            "unauthenticated",
            "请在 Authorization: Bearer 或 X-API-Key 中提供有效密钥。",
            "Send a valid key as Authorization: Bearer or X-API-Key.",
            {"WWW-Authenticate": 'Bearer realm="onemap"'},
        )
    return admission


def _count_wrong(request: Request) -> None:
    """A key that is none, counted by where it comes from. :raises Problem: too many of them did."""
    subject = lockout.address(request.client.host if request.client else None)
    wait = lockout.closed(subject)
    if wait:
        raise Problem(
            "quota-exceeded",
            f"密钥错误次数过多，请在 {wait} 秒后重试。",
            f"Too many wrong keys; try again in {wait} seconds.",
            {"Retry-After": str(wait)},
        )
    lockout.refused(subject, "api")


def _quota(admission: keys.Admission) -> dict[str, str]:
    """Headers of draft-ietf-httpapi-ratelimit-headers: what is left of the minute and of the day."""
    minute = max(admission.per_minute - admission.minute_used, 0)
    day = max(admission.per_day - admission.day_used, 0)
    return {
        "RateLimit-Policy": f'"minute";q={admission.per_minute};w=60, "day";q={admission.per_day};w=86400',
        "RateLimit": f'"minute";r={minute};t={int(admission.minute_left) + 1}, "day";r={day};t={int(admission.day_left) + 1}',
    }


def _as_of() -> dict[str, str]:
    """``Data-As-Of``: up to when every source has been read; ``Data-Troubles``: feeds that fail or are late, by commas."""
    try:
        fresh = freshness.current()
    except (sa.exc.SQLAlchemyError, OneMapError):
        return {}
    troubles = [feed.feed for _, feed in (*fresh.failing, *fresh.late)]
    return {
        **({"Data-As-Of": fresh.as_of.replace(tzinfo=SHANGHAI).isoformat()} if fresh.as_of else {}),
        **({"Data-Troubles": ", ".join(troubles)} if troubles else {}),
    }


def _legible(request: Request, known: set[str] | None) -> None:
    """A misspelt filter would answer with everything: unknown parameters are refused, and so is what no text column holds."""
    unknown = sorted(set(request.query_params) - known) if known is not None else []
    if unknown:
        raise Problem(
            "unknown-parameter", f"不认识的参数：{'、'.join(unknown)}。", f"Not known here: {', '.join(unknown)}."
        )
    twice = sorted({name for name in request.query_params if len(request.query_params.getlist(name)) > 1})
    if twice:
        raise Problem(
            "invalid-parameter", f"参数重复：{'、'.join(twice)}。", f"Given more than once: {', '.join(twice)}."
        )
    texts = [*request.path_params.values(), *(text for pair in request.query_params.multi_items() for text in pair)]
    for text in texts:
        if "\x00" in str(text) or any("\ud800" <= c <= "\udfff" for c in str(text)):
            raise Problem(
                "invalid-parameter", "参数含有非法字符。", "A parameter holds a character that no text may hold."
            )


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        wrong = [_wrong(e) for e in error.errors()]
        zh = "；".join(f"{w['parameter']} {_expected(w, '可用：', w['zh'])}" for w in wrong)
        en = "; ".join(f"{w['parameter']} {_expected(w, 'allowed: ', w['message'])}" for w in wrong)
        return Problem("invalid-parameter", f"{zh}。", f"{en}.", errors=wrong)
    if isinstance(error, BadCursorError):
        return Problem(
            "invalid-cursor", "游标不属于本列表，请从头读取。", "The cursor is none of this listing; begin anew."
        )
    if isinstance(error, DroppedError):
        return Problem(
            "gone",
            "游标之后的部分变更已按保存期限（ONEMAP_KEEP_CHANGES）清理。请先取全量（快照，或各列表 /v1/…），再从 ?from=now 的游标继续。",
            "Some of the changes after this cursor are no longer kept (ONEMAP_KEEP_CHANGES). Take everything anew, by a snapshot or "
            "the listings /v1/…, and go on from the cursor of ?from=now, taken before.",
        )
    if isinstance(error, sa.exc.OperationalError | sa.exc.TimeoutError):
        log.warning("the store does not answer: %s", error)
        return Problem(
            "unavailable",
            "统一库繁忙或未就绪，请稍后重试。",
            "The store is busy or not ready; try again later.",
            {"Retry-After": "10"},
        )
    if isinstance(error, sa.exc.DBAPIError) and isinstance(error.orig, psycopg.errors.DataError):
        return Problem(
            "invalid-parameter", "参数超出可表示的范围。", "A parameter lies outside of what can be represented."
        )
    if isinstance(error, NotFoundError):
        return Problem("invalid-parameter", error.zh, error.message)
    if isinstance(error, HTTPException):
        return refused(error)
    if isinstance(error, OneMapError):
        log.error("%s", error)
        return Problem("unavailable", error.zh, error.message)
    log.exception("a request failed")
    return Problem("internal", "已记录，请联系运维。", "It has been logged; tell operations.")


_CHOICE = re.compile(r"\^\(([^()]+)\)\(,\([^()]+\)\)\*\$")  # the pattern of common.choice


# kinds of pydantic's errors that a parameter can have, and of ours (``*_form``), in Chinese
_ZH = {
    "literal_error": "不在可用值之内",
    "missing": "必填",
    "int_parsing": "须为整数",
    "int_type": "须为整数",
    "float_parsing": "须为数字",
    "bool_parsing": "须为 true 或 false",
    "date_form": "须为日期（YYYY-MM-DD）",
    "date_time_form": "须为带时区的时间（ISO 8601，如 2026-01-31T09:00:00+08:00）",
    "date_from_datetime_parsing": "须为日期（YYYY-MM-DD）",
    "date_from_datetime_inexact": "须为日期（YYYY-MM-DD），不带时刻",
    "date_parsing": "须为日期（YYYY-MM-DD）",
    "datetime_from_date_parsing": "须为时间（ISO 8601）",
    "datetime_parsing": "须为时间（ISO 8601）",
    "timezone_aware": "须带时区（如 +08:00）",
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "至多 {max_length} 个字符",
    "string_pattern_mismatch": "格式须为 {pattern}",
    "too_long": "至多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "不得小于 {ge}",
    "less_than": "须小于 {lt}",
    "less_than_equal": "不得大于 {le}",
    "finite_number": "须为有限数值",
    "json_invalid": "不是合法的 JSON",
    "extra_forbidden": "不认识的字段",
}


def _wrong(error: Any) -> dict[str, Any]:
    """What is wrong with a parameter, in both languages; ``allowed``: its values, where they can be told."""
    context = error.get("ctx") or {}
    told = _ZH.get(error["type"])
    fault = {
        "parameter": ".".join(str(p) for p in error["loc"][1:]),
        "message": error["msg"],
        "zh": told.format(**context) if told else f"不合规范：{error['msg']}",
    }
    if error["type"] == "literal_error":
        return {**fault, "allowed": re.findall(r"'([^']*)'", context["expected"])}
    if found := _CHOICE.fullmatch(context.get("pattern", "")):
        return {
            **fault,
            "allowed": [word.replace("\\", "") for word in found[1].split("|")],
            "message": "not one of the allowed values",
            "zh": "不在可用值之内",
        }
    return fault


def _expected(wrong: dict[str, Any], before: str, otherwise: str) -> str:
    return f"{before}{', '.join(wrong['allowed'])}" if wrong.get("allowed") else otherwise


def _log(request: Request, grant: Grant, response: Response) -> dict[str, str]:
    """Put the answer on the audit log; returns the headers that say how fresh it is. Parameters that were refused may be anything: as long, and of what letters, as a client likes."""
    asked = {
        _loggable(name): _loggable(audit.scrub(value) if name == "q" else value)
        for name, value in list(request.query_params.items())[:50]
    }
    audit.append(
        grant.actor,
        "read",
        _loggable(request.url.path),
        {
            "query": asked,
            "status": response.status_code,
            "rows": getattr(request.state, "rows", None),
            "personal": grant.personal,
        },
    )
    return _as_of()


def _loggable(text: str) -> str:
    """What the log can hold of a text."""
    return text[:300].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _conditional(request: Request, response: Response) -> Response:
    """ETag of the very bytes; a client that has them gets 304."""
    if response.status_code != 200 or request.method != "GET" or not getattr(response, "body", None):
        return response
    # X-API-Key and language choose among representations, their bytes differ where it matters
    tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    response.headers.update({"ETag": tag, "Vary": VARY})
    response.headers.setdefault("Cache-Control", "private, no-cache")
    sent = [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]
    if tag in sent or "*" in sent:
        headers = {
            n: v
            for n, v in response.headers.items()
            if n.lower() not in ("content-length", "content-type", "content-language")
        }
        return Response(status_code=304, headers=headers)
    return response
