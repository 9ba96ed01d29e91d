"""Problem details (RFC 9457) in Chinese and English, by Accept-Language; both always stand in ``messages``."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
#: code → (status, title in Chinese, title in English)
KINDS: dict[str, tuple[int, str, str]] = {
    "invalid-parameter": (400, "参数有误", "Invalid parameter"),
    "unknown-parameter": (400, "未知参数", "Unknown parameter"),
    "invalid-cursor": (404, "游标处没有页", "No page at this cursor"),
    "unauthenticated": (401, "未提供有效密钥", "No valid key"),
    "forbidden": (403, "权限不足", "Not allowed"),
    "not-found": (404, "未找到，或不在可见范围内", "Not found, or not within what you may see"),
    "method-not-allowed": (405, "不支持的方法", "Method not allowed"),
    "gone": (410, "已按保存期限清理", "No longer kept"),
    "too-large": (413, "请求正文过大", "The body is too large"),
    "quota-exceeded": (429, "超出调用配额", "Quota exceeded"),
    "internal": (500, "系统内部错误", "Internal error"),
    "unavailable": (503, "暂时不可用", "Unavailable for now"),
}
#: what the framework refuses by itself → kind, what it says in Chinese and in English
_REFUSED = {
    400: ("invalid-parameter", "请求正文不是 UTF-8 的 JSON。", "The body is no JSON in UTF-8."),
    404: ("not-found", "没有这个地址。", "No such address."),
    405: ("method-not-allowed", "不支持的方法。", "Method not allowed."),
}


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """An answer that is a problem; ``zh`` and ``en`` say what it is about."""

    def __init__(
        self, code: str, zh: str = "", en: str = "", headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(en or code)
        self.code, self.zh, self.en, self.headers, self.more = code, zh, en, headers or {}, more

    @property
    def status(self) -> int:
        return KINDS[self.code][0]


def refused(error: HTTPException) -> Problem:
    """What the framework refuses by itself, as a problem: no such path, no such method, a body that is none."""
    code, zh, en = _REFUSED.get(error.status_code, _REFUSED[404])
    return Problem(code, zh, en, dict(error.headers or {}))


def language(request: Request) -> str:
    """``zh`` or ``en``: the one that Accept-Language weighs higher; Chinese where it says neither."""
    best, found = 0.0, "zh"
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            weighed = float(weight) if weight else 1.0
        except ValueError:
            continue
        name = tag.strip().lower()[:2]
        if name in ("zh", "en") and weighed > best:
            best, found = weighed, name
    return found


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    status, title_zh, title_en = KINDS[problem.code]
    lang = language(request)
    zh, en = problem.zh or title_zh, problem.en or title_en
    body = {
        "type": f"urn:onemap:problem:{problem.code}",
        "title": title_zh if lang == "zh" else title_en,
        "status": status,
        "detail": zh if lang == "zh" else en,
        "instance": request.url.path,
        "code": problem.code,
        "messages": {
            "zh": f"{title_zh}：{zh}" if problem.zh else title_zh,
            "en": f"{title_en}: {en}" if problem.en else title_en,
        },
        **problem.more,
    }
    headers = {
        "Content-Language": "zh-CN" if lang == "zh" else "en",
        "Cache-Control": "no-store",
        "Vary": VARY,
        **problem.headers,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


VARY = "Accept, Accept-Language, Authorization, X-API-Key"
