"""Pages of the hub inside Airflow's API server, for users whom Airflow knows; no outside assets.

``/onemap/health`` (HTML) and ``/onemap/health.json``: how each feed does, trouble first.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core.errors import OneMapError

app = FastAPI(title="OneMap hub", docs_url=None, redoc_url=None, openapi_url=None)
_bearer = HTTPBearer(auto_error=False)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
}


class _LogIn(Exception):
    """A browser without a session is sent to the login page and back."""


@app.exception_handler(_LogIn)
async def _to_login(request: Request, _: _LogIn) -> Response:
    return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)), status_code=303)


async def reader(
    request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """:raises HTTPException: 401 not logged in, 403 not allowed to see the state of the system."""
    try:
        user = await get_user(request, None, bearer)
    except HTTPException as refused:
        if "text/html" in request.headers.get("accept", ""):
            raise _LogIn from refused
        raise
    if not get_auth_manager().is_authorized_view(access_view=AccessView.CLUSTER_ACTIVITY, user=user):
        raise HTTPException(403, "Forbidden")


@app.get("/health", response_class=HTMLResponse, dependencies=[Depends(reader)])
def health_page() -> Response:
    """Readable in ten seconds: the verdict, the troubles, then every feed."""
    try:
        page = _template().render(**_health())
    except OneMapError as error:
        page = _template().render(feeds=[], tally={}, now=datetime.now(), unavailable=error.zh)
    return HTMLResponse(page, headers=_HEADERS)


@app.get("/health.json", dependencies=[Depends(reader)])
def health_json() -> Response:
    """The same as data."""
    from fastapi.encoders import jsonable_encoder

    try:
        return JSONResponse(jsonable_encoder(_health()), headers=_HEADERS)
    except OneMapError as error:
        return JSONResponse({"error": error.message, "zh": error.zh}, status_code=503, headers=_HEADERS)


@app.get("/icon.svg")
def icon() -> Response:
    return _icon("#303030")


@app.get("/icon-dark.svg")
def icon_dark() -> Response:
    return _icon("#e8e8e8")


def _icon(colour: str) -> Response:
    pulse = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}" stroke-width="2" '
        'stroke-linecap="round" stroke-linejoin="round"><path d="M2 12h5l3-8 4 16 3-8h5"/></svg>'
    )
    return Response(pulse, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


def _health() -> dict[str, Any]:
    raise NotImplementedError


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).resolve().parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined).get_template("health.html.j2")
