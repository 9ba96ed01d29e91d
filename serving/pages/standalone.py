"""Pages and API on their own, without Airflow: ``onemap serve pages``. Whoever comes logs in with an account (``onemap user``), a key of the API, or the link that the
command printed; the browser keeps it in a cookie that no script can read and no other site can send.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from serving import accounts, audit, keys, lockout
from serving.access import ADMIN, DECIDE, PROJECTS, RAW, Grant
from serving.api.app import app as api
from serving.pages.answering import HEADERS, framed
from serving.pages.app import application
from serving.pages.samesite import SameSite
from serving.render import template

COOKIE = "onemap_key"
PLACE, API = "/onemap/map", "/onemap/api"


class Sessions:
    """What a browser keeps after a log-in: name and end, signed with a secret of this process; closing the account ends it too."""

    MARK = "acc."
    SECONDS = 12 * 3600

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def open_for(self, account: accounts.Account) -> str:
        claim = f"{self.MARK}{account.name}.{int(time.time()) + self.SECONDS}"
        return f"{claim}.{self._sign(claim)}"

    def account(self, shown: str) -> accounts.Account | None:
        """Whose it is; None: not ours, over, or of an account that is closed."""
        claim, _, signature = shown.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(claim).encode()):
            return None
        name, _, end = claim.removeprefix(self.MARK).rpartition(".")
        return accounts.find(name) if int(end) > time.time() else None

    def _sign(self, claim: str) -> str:
        return hmac.new(self._secret, claim.encode(), hashlib.sha256).hexdigest()


class _LogIn(Exception):
    """A browser that has shown nothing is asked."""


def make(token: str, operator: str, hosts: list[str]) -> FastAPI:
    """The application.

    :param token: whoever shows it reads and operates as ``operator``, personal data masked but in what was received; made anew at each start.
    :param hosts: names that it may be called by; others are refused, so that no foreign page can reach it by DNS.
    """
    session = Sessions()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_middleware(SameSite)
    here = Grant(operator, frozenset({PROJECTS, ADMIN, RAW, DECIDE}))

    async def asker(request: Request) -> Grant:
        shown = _shown(request)
        if shown and hmac.compare_digest(shown.encode(), token.encode()):
            return here
        account = await run_in_threadpool(session.account, shown) if shown.startswith(session.MARK) else None
        if account is not None:
            return account.grant()
        admission = await run_in_threadpool(keys.admit, shown) if shown else None
        if admission is None:
            if shown:
                await run_in_threadpool(_wrong, request)
            if "text/html" in request.headers.get("accept", ""):
                raise _LogIn
            raise HTTPException(401, "请提供有效密钥。", {"WWW-Authenticate": 'Bearer realm="onemap"'})
        return _may_see_pages(admission)

    pages = application(asker)

    @pages.exception_handler(_LogIn)
    async def to_login(request: Request, _: _LogIn) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(path)}", 303)

    @app.get("/")
    def front() -> Response:
        return RedirectResponse(f"{PLACE}/")

    @app.get("/enter")
    def enter(request: Request, shown: Annotated[str, Query(alias="token", max_length=200)]) -> Response:
        """The link that the command printed."""
        if not hmac.compare_digest(shown.encode(), token.encode()):
            return RedirectResponse("/login", 303, headers=HEADERS)
        return _with_cookie(shown, f"{PLACE}/", secure=request.url.scheme == "https")

    @app.get("/login")
    def ask(next: str = f"{PLACE}/") -> Response:
        return _login_page(next)

    @app.post("/login")
    def take(
        request: Request,
        key: Annotated[str, Form(max_length=200)] = "",
        name: Annotated[str, Form(max_length=40)] = "",
        password: Annotated[str, Form(max_length=200)] = "",
        next: Annotated[str, Form(max_length=2000)] = f"{PLACE}/",
    ) -> Response:
        key = key.strip()
        subject = lockout.account(name.strip()) if name else _address(request)
        account = None
        if not lockout.closed(subject):
            account = accounts.check(name.strip(), password) if name and password else None
        if account is not None:
            lockout.passed(subject)
            audit.append(f"account:{account.name}", "log in", "pages", {})
            return _with_cookie(session.open_for(account), _inside(next), secure=request.url.scheme == "https")
        if not key or keys.admit(key) is None and not hmac.compare_digest(key.encode(), token.encode()):
            lockout.refused(subject, "pages")
            return _login_page(next, wrong=True)
        return _with_cookie(key, _inside(next), secure=request.url.scheme == "https")

    app.mount(PLACE, pages)
    app.mount(API, api)
    return app


def _shown(request: Request) -> str:
    """The key of a request, wherever it stands; empty: none."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return key.strip()
    return request.headers.get("x-api-key") or request.cookies.get(COOKIE, "")


def _may_see_pages(admission: keys.Admission) -> Grant:
    """What a valid key may see. :raises HTTPException: its use is up, or it is for no pages."""
    if admission.over is not None:
        raise HTTPException(429, "本密钥的用量已满，请稍后再试。", {"Retry-After": str(int(admission.over) + 1)})
    if admission.grant.data is not None:
        raise HTTPException(403, "共享授权的密钥用于数据接口，不能打开页面。")
    if not admission.grant.may(PROJECTS):
        raise HTTPException(403, f"密钥缺少权限 {PROJECTS}。")
    return admission.grant


def _login_page(next: str, *, wrong: bool = False) -> Response:
    page = template("login.html.j2").render(**framed(None, "login"), base=f"{PLACE}/", next=_inside(next), wrong=wrong)
    return Response(page, 401 if wrong else 200, media_type="text/html", headers=HEADERS)


def _address(request: Request) -> str:
    return lockout.address(request.client.host if request.client else None)


def _wrong(request: Request) -> None:
    """A key that is none. :raises HTTPException: too many of them came from there."""
    wait = lockout.closed(_address(request))
    if wait:
        raise HTTPException(429, "密钥错误次数过多，请稍后再试。", {"Retry-After": str(wait)})
    lockout.refused(_address(request), "pages")


def _inside(path: str) -> str:
    """Only a place of ours to go on to."""
    return path if path.startswith(f"{PLACE}/") and "\\" not in path and "\n" not in path else f"{PLACE}/"


def _with_cookie(key: str, path: str, *, secure: bool) -> Response:
    answer = RedirectResponse(path, 303, headers=HEADERS)
    answer.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=secure, path=PLACE)
    return answer
