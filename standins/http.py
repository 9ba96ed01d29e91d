"""The HTTP front of the stand-ins: Date, the log of requests, and the faults of the wire itself.

One uvicorn serves all HTTP systems, each under its own base path (:data:`BASES`). A fault that breaks a connection
needs the socket, so the protocol class remembers its transports by the client's address.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from standins.faults import Faults

BASES = {  # system -> base path
    "p1": "/gateway",
    "p2": "/gateway",
    "m1": "/municipal",
    "m3": "/municipal",
    "d1": "/land",
    "d2": "/reform",
    "s1": "/wfs",
    "s2": "/features",
    "s3": "/stac",
    "s4": "/devices",
}
_SPECIAL = {"/gateway/ebus/files": "p2", "/gateway/files": "p2", "/municipal/api/v1/work-orders": "m3"}
ELSEWHERE = "/elsewhere"
BROKEN = ("down", "reset", "lost_answer", "http_500", "html_502", "http_503", "redirect_away", "redirect_same", "slow")

HTML_502 = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n"

_transports: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with its transports to be found by the client's address."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # asyncio does it for sockets made with a protocol number alone; else each answer waits 40 ms for the client's ACK
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _transports[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _transports.pop(self.transport.get_extra_info("peername")[:2], None)
        super().connection_lost(exc)


def system_of(path: str) -> str:
    """The system that a path belongs to, or its first part."""
    for prefix, system in _SPECIAL.items():
        if path.startswith(prefix):
            return system
    for system, base in BASES.items():
        if path == base or path.startswith(base + "/"):
            return system
    return path.strip("/").partition("/")[0]


def basic(request: Request, login: str, password: str) -> Response | None:
    """None when the request carries these credentials as HTTP Basic, else the 401 to answer."""
    given = request.headers.get("authorization", "")
    wanted = "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()
    if hmac.compare_digest(given.encode(), wanted.encode()):
        return None
    return Response("Unauthorized", 401, {"WWW-Authenticate": 'Basic realm="dg"'}, "text/plain")


def json_answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Compact JSON in UTF-8, without the escapes of json's default."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, headers, "application/json")


class Wire:
    """ASGI middleware around all systems."""

    def __init__(self, app: Callable[..., Awaitable[None]], faults: Faults) -> None:
        self.app = app
        self.faults = faults

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        system = system_of(path)
        logged = False

        def log(status: int | None) -> None:
            nonlocal logged
            logged = True
            self.faults.log(system, scope["method"], path, scope["query_string"].decode(), status)

        async def dated(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                log(message["status"])  # before it leaves: who has the answer may ask at once what was asked
                date = formatdate(self.faults.wall(system), usegmt=True).encode()
                message = {**message, "headers": [*message.get("headers", ()), (b"date", date)]}
            await send(message)

        try:
            fault = self.faults.take(system, *BROKEN, path=path)
            if fault is None:
                await self.app(scope, receive, dated)
            else:
                await self._commit(fault.kind, fault.options, scope, receive, dated)
        finally:
            if not logged:
                log(None)

    async def _commit(self, kind: str, options: dict[str, Any], scope: dict[str, Any], receive: Any, send: Any) -> None:
        if kind == "slow":
            await asyncio.sleep(options.get("seconds", 1))
            await self.app(scope, receive, send)
        elif kind == "down":
            _abort(scope)
        elif kind == "lost_answer":
            await self._answer(scope, receive)
            _abort(scope)
        elif kind == "reset":
            start, body = await self._answer(scope, receive)
            await send(start)
            await send({"type": "http.response.body", "body": body[: max(1, len(body) // 2)], "more_body": True})
            await asyncio.sleep(0.02)  # let the half leave before the reset
            _abort(scope)
        else:
            await _faulty(kind, options, scope)(scope, receive, send)

    async def _answer(self, scope: dict[str, Any], receive: Any) -> tuple[dict[str, Any], bytes]:
        """What the system would have answered."""
        start: dict[str, Any] = {}
        body = bytearray()

        async def collect(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self.app(scope, receive, collect)
        return start, bytes(body)


def _faulty(kind: str, options: dict[str, Any], scope: dict[str, Any]) -> Response:
    target = quote(scope["path"]) + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
    move = 302 if scope["method"] in ("GET", "HEAD") else 307
    match kind:
        case "http_500":
            return json_answer({"code": 500, "msg": "系统繁忙，请稍后再试", "error": "internal"}, 500)
        case "html_502":
            return Response(HTML_502, 502, media_type="text/html")
        case "http_503":
            headers = {"Retry-After": str(options["retry_after"])} if "retry_after" in options else None
            return Response(b"", 503, headers)
        case "redirect_same":
            return Response(b"", move, {"Location": target})
        case _:  # redirect_away: the same port under another name, where a follower would be seen
            port = scope["server"][1]
            return Response(b"", move, {"Location": f"http://localhost:{port}{ELSEWHERE}{target}"})


def _abort(scope: dict[str, Any]) -> None:
    transport = _transports.get(tuple(scope["client"]))
    if transport is None:
        return
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
    transport.abort()
