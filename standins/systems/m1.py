"""M1 市一体化政务服务平台, item list and projects: OAuth token, cursors, ETag (contracts/m1.openapi.yaml)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.connections import LOGINS
from standins.context import Context
from standins.forms import PLAIN, Dress, stamp, when
from standins.http import json_answer

CLIENT_ID = LOGINS["m_api"]
TOKEN_SECONDS = 600
LIMIT = 200
PROJECT_FORM = Dress(
    "project_code",
    texts=("project_name", "applicant"),
    numbers=("splclx",),
    times=("updated_at",),
    keep=("uscc", "fast_track", "conditions", "planned_items", "town_code", "agent"),
)


def error(status: int, code: str, message: str) -> Response:
    """``{"error","message"}``"""
    return json_answer({"error": code, "message": message}, status)


def cursor_of(position: dict[str, Any]) -> str:
    """A position, opaque to clients."""
    return base64.urlsafe_b64encode(json.dumps(position, ensure_ascii=False).encode()).decode().rstrip("=")


def position_of(cursor: str) -> dict[str, Any] | None:
    """The position of a cursor that :func:`cursor_of` made, else None."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        return None
    return position if isinstance(position, dict) else None


class Tokens:
    """OAuth 2 client credentials, for M1 and M3."""

    def __init__(self, ctx: Context, lifetime: float = TOKEN_SECONDS) -> None:
        self.ctx = ctx
        self.lifetime = lifetime
        self._until: dict[str, float] = {}

    async def token(self, request: Request) -> Response:
        """POST /oauth/token"""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                client, _, secret = base64.b64decode(credentials).decode().partition(":")
            except (ValueError, binascii.Error):
                client = secret = ""
        if form.get("grant_type") != "client_credentials":
            return error(400, "unsupported_grant_type", "grant_type 须为 client_credentials")
        if client != CLIENT_ID or not hmac.compare_digest(secret, self.ctx.secret("m_api")):
            return error(401, "invalid_client", "客户端标识或密钥有误")
        now = time.monotonic()
        self._until = {token: until for token, until in self._until.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._until[token] = now + self.lifetime
        return json_answer({"access_token": token, "token_type": "Bearer", "expires_in": int(self.lifetime)})

    def refuse(self, system: str, request: Request) -> Response | None:
        """None for a request with a live token, else 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if self.ctx.faults.take(system, "token_expired", path=request.url.path):
            self._until.pop(token, None)
        if scheme.lower() == "bearer" and self._until.get(token, 0) > time.monotonic():
            return None
        return error(401, "invalid_token", "令牌无效或已过期")


class Catalogue:
    """The two listings."""

    def __init__(self, ctx: Context, tokens: Tokens) -> None:
        self.ctx = ctx
        self.tokens = tokens
        self.items_table = ctx.world.table("m1/items", ["item_code", "version"], "updated_at")
        self.projects_table = ctx.world.table("m1/projects", ["project_code"], "updated_at")

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/token", self.tokens.token, methods=["POST"]),
            Route("/api/v1/items", self.items),
            Route("/api/v1/projects", self.projects),
        ]

    def _refuse(self, request: Request) -> Response | None:
        if refused := self.tokens.refuse("m1", request):
            return refused
        if fault := self.ctx.faults.take("m1", "quota_429", path=request.url.path):
            wait = fault.options.get("retry_after")
            return json_answer(
                {"error": "too_many_requests", "message": "超出调用频次"},
                429,
                None if wait is None else {"Retry-After": str(wait)},
            )
        if request.query_params.get("cursor") and self.ctx.faults.take("m1", "cursor_expired", path=request.url.path):
            return error(410, "cursor_expired", "游标已失效，请从头开始")
        return None

    def _limit(self, request: Request) -> int | None:
        try:
            limit = int(request.query_params.get("limit", LIMIT))
        except ValueError:
            return None
        return limit if 1 <= limit <= LIMIT else None

    async def items(self, request: Request) -> Response:
        """GET /api/v1/items; a cursor belongs to one state of the listing and dies with it."""
        if refused := self._refuse(request):
            return refused
        limit = self._limit(request)
        if limit is None:
            return error(400, "bad_limit", "limit 须在 1 至 200 之间")
        rows = sorted(
            (row.data for row in self.items_table.rows(self.ctx.now())),
            key=lambda row: (row["item_code"], row["version"]),
        )
        state = hashlib.sha256(json.dumps(rows, ensure_ascii=False, sort_keys=True).encode()).hexdigest()[:32]
        start, headers = 0, None
        if cursor := request.query_params.get("cursor"):
            position = position_of(cursor)
            if position is None or position.get("items") != state:
                return error(410, "cursor_expired", "游标已失效，请从头开始")
            start = position["at"]
        else:
            headers = {"ETag": f'"{state}"'}
            if f'"{state}"' in request.headers.get("if-none-match", ""):
                return Response(b"", 304, headers)
        more = start + limit < len(rows)
        answer = {
            "data": [PLAIN(row) for row in rows[start : start + limit]],
            "next_cursor": cursor_of({"items": state, "at": start + limit}) if more else None,
        }
        return json_answer(answer, 200, headers)

    async def projects(self, request: Request) -> Response:
        """GET /api/v1/projects, in (updated_at, project_code) order; a cursor is the last row's place."""
        if refused := self._refuse(request):
            return refused
        limit = self._limit(request)
        if limit is None:
            return error(400, "bad_limit", "limit 须在 1 至 200 之间")
        since = when(request.query_params.get("updated_since"))
        if request.query_params.get("updated_since") and since is None:
            return error(400, "bad_time", "updated_since 须为 yyyy-MM-dd HH:mm:ss")
        after = None
        if cursor := request.query_params.get("cursor"):
            position = position_of(cursor)
            if position is None or "after" not in position:
                return error(410, "cursor_expired", "游标已失效，请从头开始")
            moment = when(position["after"][0])
            after = (moment, (position["after"][1],))
            since = moment
        rows = self.projects_table.window(self.ctx.now(), since, None)
        if after:
            rows = [row for row in rows if row[:2] > after]  # type: ignore[operator]  # its own cursor, whose times are there
        part = rows[:limit]
        more = len(rows) > limit
        dress = PROJECT_FORM if self.ctx.quirks else PLAIN
        answer = {
            "data": [dress(row.data) for row in part],
            "next_cursor": cursor_of({"after": [stamp(part[-1].time), part[-1].key[0]]}) if more else None,
        }
        return json_answer(answer)
