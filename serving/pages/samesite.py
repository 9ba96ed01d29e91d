"""Whatever changes something comes from a page of this site: browsers say where a request comes from, and another site's is refused.

``Sec-Fetch-Site`` is what every present browser sends; older ones send ``Origin``. Programs send neither and no cookie of a person.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from core import settings

_READS = ("GET", "HEAD", "OPTIONS")


def foreign(request: Request) -> bool:
    """Whether a browser sent it from a page of another site."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site:
        return site not in ("same-origin", "none")
    if not origin:
        return False
    own = {request.headers.get("host")}
    if public := settings.public_url():
        own.add(urlsplit(public).netloc)
    return urlsplit(origin).netloc not in own


class SameSite:
    """ASGI middleware: 403 for what would change something and comes from another site."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] not in _READS and foreign(Request(scope)):
            await PlainTextResponse("只接受本站页面提交的操作。", 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)
