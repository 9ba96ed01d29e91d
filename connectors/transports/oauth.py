"""OAuth 2.0 client credentials (M1, M3): a token that is renewed before it expires, and when it is refused.

Connection: login = client id, password = client secret. The endpoint takes HTTP Basic or the two as form fields;
Basic is tried first.
"""

from __future__ import annotations

import json
import math
import threading
import time
from typing import TYPE_CHECKING

from oauthlib.oauth2 import BackendApplicationClient

from connectors.transports.http import Again, Answer, Http, basic
from core.errors import AuthenticationError, ConfigurationError, TransientError
from core.redaction import hide

if TYPE_CHECKING:
    import requests


_EARLY = 30.0  # seconds before the end at which a token is renewed; half its life where that is shorter


class BearerToken:
    """Signs the calls of an :class:`~connectors.transports.http.Http`; :meth:`classify` has a refused token renewed once a call."""

    def __init__(
        self,
        http: Http,
        path: str = "/oauth/token",
        *,
        scope: str | None = None,
        audience: str | None = None,
        sent_in: str = "auto",
    ) -> None:
        endpoint = http.endpoint
        if not endpoint.login or not endpoint.password:
            raise ConfigurationError(
                f"the Connection {endpoint.conn_id} lacks client id or client secret",
                remedy="login: the client id; password: the client secret",
                zh=f"连接 {endpoint.conn_id} 缺少 client id（账号）或 client secret（密码）。",
                code="no_credentials",
            )
        self._http = http
        self._endpoint = endpoint
        self._path = path
        self._token: str | None = None
        self._until = 0.0
        self._in_form = sent_in == "form"
        self._may_change = sent_in == "auto"
        self._asked_for = {name: value for name, value in (("scope", scope), ("audience", audience)) if value}
        self._lock = threading.Lock()

    def __call__(self, request: requests.PreparedRequest) -> None:
        with self._lock:
            if self._token is None or time.monotonic() >= self._until:
                self._renew()
            request.headers["Authorization"] = f"Bearer {self._token}"

    def classify(self, answer: Answer) -> None:
        """A 401 to a call: get a new token and try once more."""
        if answer.status == 401:
            with self._lock:
                self._token = None
            raise Again(self._refused(answer, "the token"))

    def _renew(self) -> None:
        answer = self._ask()
        if answer.status in (400, 401) and self._may_change and not self._in_form:
            self._in_form = True  # some servers read the form alone
            answer = self._ask()
        if answer.status >= 300:
            raise self._refused(answer, "client id and secret")
        client = BackendApplicationClient(self._endpoint.login)
        try:
            answered = client.parse_request_body_response(answer.content.decode("utf-8", "replace"))
            life = float(answered.get("expires_in") or 600)
            token = str(answered["access_token"])
            if not (token.isascii() and token.isprintable() and math.isfinite(life)):
                raise ValueError("no token that a header may hold, or no life in seconds")
        except Exception as error:  # whatever a library says of a list, a number, a page
            raise TransientError(
                f"the token endpoint's answer is no token: {type(error).__name__}",
                remedy="tried again by itself; if it lasts, tell the source's owner",
                zh="令牌接口的响应不含令牌，将自动重试；如持续，请联系数源部门。",
                code="no_token",
            ) from error
        self._token = token
        self._until = time.monotonic() + life - min(_EARLY, life / 2)
        hide([self._token])

    def _ask(self) -> Answer:
        client = BackendApplicationClient(self._endpoint.login)
        secret = {"client_secret": self._endpoint.password} if self._in_form else {}
        body = client.prepare_request_body(include_client_id=self._in_form, **self._asked_for, **secret)
        return self._http.send(
            "POST",
            self._path,
            data=body,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            sign=_in_body if self._in_form else basic(self._endpoint),
            classify=_nothing,
            accept=(400, 401),
            retry=False,  # the call that needs the token is retried as a whole
        )

    def _refused(self, answer: Answer, what: str) -> AuthenticationError:
        try:
            answered = json.loads(answer.content)
            message = f"{answered.get('error', '')} {answered.get('message', '')}".strip()
        except (ValueError, AttributeError):
            message = ""
        return AuthenticationError(
            f"HTTP {answer.status}: {what} refused {message}".strip(),
            remedy="check client id (login) and client secret (password) of the Connection with the source's owner",
            zh=f"鉴权失败（HTTP {answer.status} {message}），请核对连接的 client id 与 client secret。",
            code="token_refused",
        )


def _in_body(request: requests.PreparedRequest) -> None:
    """Credentials are in the body."""


def _nothing(answer: Answer) -> None:
    """A refusal is looked at by the caller."""
