"""Who asks for a page of the hub inside Airflow's API server: whoever is logged in there.

Airflow's modules are imported when somebody asks, since every component loads the plugin.
"""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPAuthorizationCredentials


class LogIn(Exception):
    """A browser without a session is sent to the login page and back."""


async def user(request: Request) -> Any:
    """Airflow's user, by cookie or bearer token.

    :raises LogIn: a browser that is not logged in. :raises HTTPException: 401, anything else that is not.
    """
    from airflow.api_fastapi.core_api.security import get_user

    kind, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = (
        HTTPAuthorizationCredentials(scheme=kind, credentials=token) if kind.lower() == "bearer" and token else None
    )
    try:
        return await get_user(request, None, bearer)
    except HTTPException as refused:
        if "text/html" in request.headers.get("accept", ""):
            raise LogIn from refused
        raise


async def to_login(request: Request, _: Exception) -> Response:
    """The answer to :class:`LogIn`."""
    from airflow.api_fastapi.app import get_auth_manager

    return RedirectResponse(get_auth_manager().get_url_login(next_url=_place(request)), status_code=303)


def _place(request: Request) -> str:
    """Where to go on after the log-in: within this site, whatever the request calls it."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
