"""What Airflow's connection form sends and its API does not understand.

The form sends port 0 for a type that has no port (a base URL names it). Airflow takes 0 for another port than none, hence for
another endpoint whose stored password it may not use, and "Test" answers Bad Request. No endpoint has port 0: it is none.
"""

from __future__ import annotations

import json
from typing import Any

_PLACE = "/api/v2/connections"


class NoPort:
    """ASGI: in what is sent to Airflow's Connections, port 0 becomes null; all else passes untouched."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        writes = scope["type"] == "http" and scope["method"] in ("POST", "PATCH")
        if not writes or not scope["path"].startswith(_PLACE):
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        whole = [{"type": "http.request", "body": _without_zero(body)}]
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-length"]
        headers.append((b"content-length", str(len(whole[0]["body"])).encode()))

        async def again() -> Any:
            return whole.pop() if whole else await receive()

        await self.app({**scope, "headers": headers}, again, send)


def _without_zero(body: bytes) -> bytes:
    try:
        sent = json.loads(body)
    except ValueError:
        return body
    if not isinstance(sent, dict) or sent.get("port") not in (0, "0", ""):
        return body
    return json.dumps({**sent, "port": None}).encode()
