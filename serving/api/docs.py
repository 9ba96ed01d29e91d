"""The interactive description of the API: Swagger UI, its files from the package ``fastapi-swagger``, no outside address."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self' data:; base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>一张图 数据接口 · OneMap API</title><link rel="stylesheet" href="docs/files/swagger-ui.css"></head>
<body><div id="swagger-ui"></div><script src="docs/files/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>"""
_START = """"use strict";
SwaggerUIBundle({ url: "openapi.json", dom_id: "#swagger-ui", validatorUrl: null, filter: true, deepLinking: true,
  tryItOutEnabled: true, persistAuthorization: true, displayRequestDuration: true, docExpansion: "list" });
"""


@router.get("/docs")
def page(request: Request) -> Response:
    """The page; a key is given under "Authorize"."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/docs/start.js")
def start() -> Response:
    return Response(_START, media_type="text/javascript", headers=_HEADERS)


def mount(app: FastAPI) -> None:
    """The page and its files, at ``/docs``."""
    app.include_router(router)
    app.mount("/docs/files", StaticFiles(packages=[("fastapi_swagger", "resources")]), name="docs")
