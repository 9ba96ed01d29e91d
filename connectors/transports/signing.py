"""How calls prove who we are: as a declaration says (:func:`of`), and for the 粤政 TIF gateway (里约).

The gateway: docs/source-systems.md "P1" and docs/domain.md §3.1. Connection: login = PaasId, password = token,
``extra.header_prefix`` (``x-tif``; ``x-rio`` in newer gateways).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from connectors.transports.http import Classify, Http, Sign, basic
from connectors.transports.oauth import BearerToken
from core import clock, guomi
from core.errors import ConfigurationError, InternalError
from sources.options.rest import ApiKey, Auth, Basic, OAuth, Sealed, Signature

if TYPE_CHECKING:
    import requests

    from connectors.endpoint import Endpoint


def of(auth: Auth, http: Http) -> tuple[Sign | None, Classify | None]:
    """What signs a call, and what sees that it was refused, by a declaration's ``auth``.

    :raises ConfigurationError: the Connection lacks what it takes.
    """
    if isinstance(auth, OAuth):
        token = BearerToken(http, auth.token, scope=auth.scope, audience=auth.audience, sent_in=auth.sent_in)
        return token, token.classify
    if isinstance(auth, ApiKey):
        return _api_key(auth, http.endpoint), None
    if isinstance(auth, Signature):
        return _signature(auth, http.endpoint), None
    if not isinstance(auth, Basic):
        assert_never(auth)  # a kind more is named above, or mypy refuses it
    return basic(http.endpoint), None


def _api_key(auth: ApiKey, endpoint: Endpoint) -> Sign:
    value = f"{auth.prefix}{_password(endpoint)}"

    def sign(request: requests.PreparedRequest) -> None:
        if auth.in_ == "header":
            request.headers[auth.name] = value
        else:
            request.url = _with_query(request.url or "", {auth.name: value})

    return sign


def _sent(request: requests.PreparedRequest) -> bytes:
    """The body, which the hub sends whole: a stream is none that a digest could be made of beforehand."""
    body = request.body or b""
    if not isinstance(body, str | bytes):
        raise InternalError("a request with a stream for a body cannot be signed")
    return body.encode() if isinstance(body, str) else body


def _signature(auth: Signature, endpoint: Endpoint) -> Sign:
    secret = _password(endpoint)

    def sign(request: requests.PreparedRequest) -> None:
        now = datetime.now(UTC)
        parts = urlsplit(request.url or "")
        held = _sent(request)
        values = {
            "login": endpoint.login,
            "timestamp": _moment(auth, now),
            "nonce": uuid.uuid4().hex,
            "method": request.method or "",
            "path": parts.path,
            "query": parts.query,
            "sorted_query": "&".join(sorted(parts.query.split("&"))) if parts.query else "",
            "body_digest": hashlib.new(_digest(auth), held).hexdigest(),
        }
        text = auth.text.format(**values, password=secret, body=held.decode("utf-8", "replace")).encode()
        if auth.algorithm == "sm2":
            digest = bytes.fromhex(guomi.sm2_sign(secret, text))
        elif auth.keyed:
            digest = hmac.new(secret.encode(), text, auth.algorithm).digest()
        else:
            digest = hashlib.new(auth.algorithm, text).digest()
        values["signature"] = _encoded(auth, digest)
        request.headers.update({name: given.format(**values) for name, given in auth.headers.items()})
        if auth.params:
            request.url = _with_query(
                request.url or "", {name: given.format(**values) for name, given in auth.params.items()}
            )

    return sign


def unsealed(sealed: Sealed, text: str, endpoint: Endpoint) -> bytes:
    """What an answer's text holds, decrypted by the Connection's key.

    :raises ConfigurationError: the Connection has none. :raises ProviderError: the text is of another key, or was cut.
    """
    named = ["sm4_key", *(["sm4_iv"] if sealed.mode == "cbc" else [])]
    try:
        key, *iv = (bytes.fromhex(str(endpoint.extra[name])) for name in named)
    except (KeyError, ValueError):
        raise ConfigurationError(
            f"the Connection {endpoint.conn_id} lacks {' or '.join(named)} to decrypt answers with",
            remedy=f"extra: {', '.join(named)}, 32 hexadecimal digits each",
            zh=f"连接 {endpoint.conn_id} 的附加项缺少 {'、'.join(named)}（各 32 位十六进制），无法解密响应。",
            code="no_credentials",
        ) from None
    try:
        data = bytes.fromhex(text) if sealed.encoding == "hex" else base64.b64decode(text, validate=True)
    except ValueError:
        data = b"?"  # no whole block: reported as what cannot be decrypted
    return guomi.sm4_decrypt(key, data, iv[0] if iv else None)


def _digest(auth: Signature) -> str:
    return "sm3" if auth.algorithm == "sm2" else auth.algorithm


def _moment(auth: Signature, now: datetime) -> str:
    if auth.timestamp == "iso":
        return f"{now:%Y-%m-%dT%H:%M:%SZ}"
    if auth.timestamp == "local":
        return f"{now.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}"
    return str(int(now.timestamp() * (1000 if auth.timestamp == "milliseconds" else 1)))


def _encoded(auth: Signature, digest: bytes) -> str:
    if auth.encoding == "base64":
        return base64.b64encode(digest).decode()
    return digest.hex().upper() if auth.encoding == "HEX" else digest.hex()


def _with_query(url: str, given: dict[str, str]) -> str:
    """The URL with those parameters, in place of ones of the same name (a redirect is signed anew)."""
    parts = urlsplit(url)
    others = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in given]
    query = urlencode([*others, *given.items()], quote_via=quote, safe="")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _password(endpoint: Endpoint) -> str:
    if not endpoint.password:
        raise ConfigurationError(
            f"the Connection {endpoint.conn_id} has no password to prove who we are with",
            remedy="password: the key or secret that the source gave",
            zh=f"连接 {endpoint.conn_id} 缺少密钥（密码），请按数源提供的填写。",
            code="no_credentials",
        )
    return endpoint.password


def signature(token: str, timestamp: str, nonce: str) -> str:
    """sha256hex(timestamp + token + nonce + timestamp), lower case."""
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


class GatewaySigner:
    """Signs each request anew. ``offset``: seconds that the gateway's clock is ahead of ours."""

    def __init__(self, endpoint: Endpoint) -> None:
        if not endpoint.login or not endpoint.password:
            raise ConfigurationError(
                f"the Connection {endpoint.conn_id} lacks PaasId or token",
                remedy="login: the PaasId; password: the token, both from the platform",
                zh=f"连接 {endpoint.conn_id} 缺少 PaasId（账号）或 token（密码），请按省平台分配的填写。",
                code="no_credentials",
            )
        self.prefix = str(endpoint.extra.get("header_prefix") or "x-tif").rstrip("-")
        self.offset = 0.0
        self.corrected = False
        self._paasid = endpoint.login
        self._token = endpoint.password

    def __call__(self, request: requests.PreparedRequest) -> None:
        timestamp = str(int(time.time() + self.offset))
        nonce = uuid.uuid4().hex
        request.headers.update(
            {
                f"{self.prefix}-paasid": self._paasid,
                f"{self.prefix}-timestamp": timestamp,
                f"{self.prefix}-nonce": nonce,
                f"{self.prefix}-signature": signature(self._token, timestamp, nonce),
            }
        )

    def correct(self, offset: float) -> bool:
        """Take the gateway's clock, once, if ours is off enough to matter. True: worth another try."""
        if self.corrected or abs(offset - self.offset) < 30:
            return False
        self.offset, self.corrected = offset, True
        return True
