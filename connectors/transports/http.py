"""The HTTP that all protocols over it share: retries, limits, redirects, TLS, quota, breaker, typed errors.

A connector brings what differs: ``sign`` puts credentials on a request (called for *every* attempt and redirect, so
that nonce, time and token are new), ``classify`` finds the faults that its protocol hides inside an answer and raises
them (called inside the retry). What they raise decides: a :class:`~core.errors.TransientError` is tried again, an
:class:`Again` once with renewed credentials, all else ends the call.

An :class:`Http` talks to an :class:`~connectors.endpoint.Endpoint` (an Airflow Connection), whoever is behind it: a
source (:meth:`Http.of`), or a receiver of ours (webhooks, OpenLineage, work orders, notices). One set of rules for all:
``verify``, proxies, redirects, limits, retries, redaction. Settings: :class:`~sources.options.base.HttpSettings`, of a
source ``options.http`` in its declaration. Rules of the wire: docs/source-systems.md, "Common to all".
"""

from __future__ import annotations

import base64
import http.client
import io
import json as jsonlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

import requests
import tenacity
import urllib3
from requests.utils import get_environ_proxies

from connectors.base import Payload
from connectors.transports.breaker import Breaker
from connectors.transports.quota import Quota
from core import clock
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    InternalError,
    OneMapError,
    ProviderError,
    TransientError,
    storage_error,
)
from core.redaction import hide, redact
from sources import options
from sources.options.base import HttpSettings

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Source

_UP_ALL_THE_SAME = ("quota", "breaker_open", "http_429", "E-429")  # a quota is no outage
Sign = Callable[[requests.PreparedRequest], None]
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_CHUNK = 1 << 16
_ERROR_BODY = 1 << 20  # bytes of an error's body that are read at all
_READ = 60.0  # seconds between two bytes, where nobody says
_DEFAULT = HttpSettings()


class Again(Exception):  # noqa: N818 - a request to try again, not an error
    """Raised by ``classify``: credentials were renewed (token, clock), try once more; then ``error`` holds."""

    def __init__(self, error: OneMapError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class Answer:
    """An answer read to its end. ``body``: the bytes, or the file that was asked for; header names ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Path
    url: str
    started_at: datetime
    finished_at: datetime
    server_date: datetime | None  # the ``Date`` header, UTC
    request: dict[str, Any] = field(default_factory=dict)  # what was asked, without secrets

    @property
    def content(self) -> bytes:
        """The body in memory."""
        return self.body.read_bytes() if isinstance(self.body, Path) else self.body

    @property
    def media_type(self) -> str:
        """As the server says, without parameters; ``application/octet-stream`` when it says nothing."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower() or "application/octet-stream"

    def payload(self, media_type: str | None = None, **facts: Any) -> Payload:
        """As a :class:`~connectors.base.Payload`; facts that are None are left out, HTTP's own are added."""
        described = {
            "status": self.status,
            "etag": self.headers.get("ETag"),
            "server_date": self.server_date.isoformat() if self.server_date else None,
            **facts,
        }
        return Payload(
            body=self.body,
            media_type=media_type or self.media_type,
            request=self.request,
            started_at=self.started_at,
            finished_at=self.finished_at,
            facts={name: value for name, value in described.items() if value is not None},
        )


Classify = Callable[[Answer], None]


@dataclass(slots=True)
class Policy:
    """How long to go on. ``first``, ``longest``, ``total`` in seconds; ``sleep`` is injectable for tests."""

    attempts: int = 6
    first: float = 0.5
    longest: float = 60.0
    total: float = 300.0
    sleep: Callable[[float], None] = time.sleep

    def retrying(self, attempts: int) -> tenacity.Retrying:
        """Exponential back-off with jitter; a longer ``Retry-After`` wins, within ``total``."""
        back_off = tenacity.wait_exponential_jitter(self.first, self.longest, jitter=self.first)

        def wait(call: tenacity.RetryCallState) -> float:
            error = call.outcome.exception() if call.outcome else None
            asked = error.retry_after if isinstance(error, TransientError) and error.retry_after else 0.0
            return max(asked, back_off(call))

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(self.total),
            wait=wait,
            sleep=self.sleep,
            reraise=True,
        )


class Http:
    """One an endpoint and task. ``name`` is who is talked to, for quota, breaker and messages: a source's id, say.

    ``guarded=False``: no circuit breaker, for receivers whose waiting is kept elsewhere (webhooks).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        settings: HttpSettings = _DEFAULT,
        *,
        quota: str | None = None,
        sign: Sign | None = None,
        classify: Classify | None = None,
        guarded: bool = True,
    ) -> None:
        self.policy = Policy(settings.attempts, settings.first, settings.longest, settings.total)
        self.settings = settings
        self.name = name
        self.endpoint = endpoint
        self.base = _checked_base(endpoint, name)
        self.origin = origin(self.base)
        self.sign = sign
        self.classify = classify
        self.quota = Quota(name, quota)
        self.breaker = Breaker(f"{name} {self.base}") if guarded else None
        self.read = settings.read or _READ
        self.server_offset: float | None = None  # seconds that the server's clock is ahead, of the latest answer
        self.answers = 0  # how many came, of whatever status
        hide(endpoint.secrets)
        self._session = _Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter())
        self._session.trust_env = False  # no .netrc; proxies are chosen in _proxies
        self._session.verify = _verify(endpoint, name)

    @classmethod
    def of(
        cls, source: Source, endpoint: Endpoint, *, sign: Sign | None = None, classify: Classify | None = None
    ) -> Http:
        """Of a declared source: its ``options.http``, timeout and quota. :raises ConfigurationError: options are wrong."""
        settings = options.of_source(source).http
        if settings.read is None:
            settings = settings.model_copy(update={"read": source.timeout.total_seconds()})
        return cls(endpoint, source.source, settings, quota=source.quota, sign=sign, classify=classify)

    # -- addresses

    def url(self, target: str) -> str:
        """``target`` under the base, or as it is when absolute. :raises ConfigurationError: another origin."""
        if "://" not in target:
            return f"{self.base}/{target.lstrip('/')}" if target else self.base
        if origin(target) != self.origin:
            raise _foreign(self.base, target, "an address")
        return target

    def rebase(self, link: str, current: str | None = None) -> str:
        """An address that the server named inside an answer, as one on the Connection's own origin.

        ``link`` may be relative (to ``current``, the URL that was asked). Off the origin, only its path and query
        count: a gateway in front of the server has another name, and often a path of its own, than the server knows.

        :raises ProviderError: what the server named is no address.
        """
        current = current or self.base + "/"
        absolute = joined(current, link)
        if origin(absolute) == self.origin:
            return absolute
        parts, base, asked = urlsplit(absolute), urlsplit(self.base), urlsplit(current).path
        under_base = asked.removeprefix(base.path)
        if under_base.strip("/") and parts.path.endswith(under_base):
            path = asked
        elif not base.path or parts.path.startswith(base.path + "/"):
            path = parts.path
        else:
            path = base.path + parts.path
        return urlunsplit((base.scheme, base.netloc, path, parts.query, ""))

    # -- calls

    def get(self, target: str, **arguments: Any) -> Answer:
        """:meth:`send` with GET."""
        return self.send("GET", target, **arguments)

    def post(self, target: str, **arguments: Any) -> Answer:
        """:meth:`send` with POST."""
        return self.send("POST", target, **arguments)

    def send(
        self,
        method: str,
        target: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: bytes | str | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        to: Path | None = None,
        resume: bool = False,
        classify: Classify | None = None,
        retry: bool = True,
        sign: Sign | None = None,
        accept: Collection[int] = (),
        unread: bool = False,
    ) -> Answer:
        """One call with all its attempts.

        ``target``: a path under the base, or an absolute URL of the same origin. ``params``: None values are left
        out, the rest is percent-encoded (a space as %20). ``json``/``data``: the body. ``to``: write the body of a
        2xx there; with ``resume``, an attempt goes on where the one before broke off (``Range``, ``If-Range``).
        ``classify``, ``sign``: instead of the source's own. ``retry=False``: one attempt.
        ``accept``: statuses of errors that are handed back instead of raised. ``unread``: the headers alone; the body
        of a 2xx stays unread, and is empty.

        :raises OneMapError: typed by whose fault, with the source's name; see the module's docstring.
        """
        call = _Call(
            method=method.upper(),
            url=_with_query(self.url(target), params),
            body=_body(json, data),
            headers=dict(headers or {}),
            request=_described(method, target, params, json),
            to=to,
            resume=resume,
            classify=classify or self.classify,
            sign=sign or self.sign,
            accept=accept,
            unread=unread,
        )
        if json is not None:
            call.headers.setdefault("Content-Type", "application/json")
        elif isinstance(data, Mapping):
            call.headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            whole = self.breaker is None or self.breaker.enter()  # else it is the breaker's probe
            answer = self.policy.retrying(self.policy.attempts if whole and retry else 1)(self._attempt, call)
        except OneMapError as error:
            if self.breaker is not None:
                if not isinstance(error, TransientError):
                    self.breaker.succeeded()
                elif error.code not in _UP_ALL_THE_SAME:
                    self.breaker.failed()
            raise error.at(source=self.name) from error.__cause__
        if self.breaker is not None:
            self.breaker.succeeded()
        return answer

    def close(self) -> None:
        """Give back the sockets."""
        self._session.close()

    # -- one attempt

    def _attempt(self, call: _Call) -> Answer:
        try:
            return self._exchange(call)
        except Again as again:
            if call.renewed:
                raise again.error from None
            call.renewed = True
            try:
                return self._exchange(call)
            except Again as twice:
                raise twice.error from None

    def _exchange(self, call: _Call) -> Answer:
        started, deadline = _now(), time.monotonic() + self.settings.answer
        _reading.deadline = deadline
        try:
            response = self._follow(call)
            with response:
                status = response.status_code
                self._note_clock(response)
                body: bytes | Path
                if call.unread and status < 400:
                    body = b""
                elif call.to is not None and status in (200, 206, 416):
                    body = self._to_file(response, call, call.to, deadline)
                    if status == 416:
                        status = 200
                else:
                    limit = self.settings.max_bytes if status < 400 else _ERROR_BODY
                    body = self._to_memory(response, limit, deadline, cut=status >= 400)
                answer = Answer(
                    status, response.headers, body, response.url, started, _now(), _date(response), call.request
                )
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            ConnectionError,
            TimeoutError,
            ssl.SSLError,
        ) as error:
            raise self._typed(error) from error
        except OSError as error:
            raise storage_error(error) from error
        if call.classify:
            call.classify(answer)
        if answer.status not in call.accept:
            raise_for_status(answer)
        return answer

    def _follow(self, call: _Call) -> requests.Response:
        url, headers = call.url, dict(call.headers)
        if call.to is not None:
            headers.setdefault("Accept-Encoding", "identity")  # a range counts the bytes of the file itself
        if call.resume and call.to is not None and call.to.exists() and call.to.stat().st_size:
            headers["Range"] = f"bytes={call.to.stat().st_size}-"
            if call.etag:
                headers["If-Range"] = call.etag
        for _ in range(_MAX_REDIRECTS + 1):
            self.quota.take(self.policy.total)
            request = self._session.prepare_request(requests.Request(call.method, url, headers=headers, data=call.body))
            if call.sign:
                call.sign(request)
            response = self._session.send(
                request,
                stream=True,
                allow_redirects=False,
                timeout=(self.settings.connect, self.read),
                proxies=_proxies(url),
                verify=self._session.verify,
            )
            if response.status_code not in _REDIRECTS:
                return response
            with response:
                url = self._redirected(call.method, url, response)
        raise ProviderError(
            f"more than {_MAX_REDIRECTS} redirects from {_bare(call.url)}",
            remedy="the source's gateway sends us in a circle: tell its owner",
            zh=f"{_bare(call.url)} 重定向超过 {_MAX_REDIRECTS} 次，请联系数源部门。",
        )

    def _redirected(self, method: str, url: str, response: requests.Response) -> str:
        """The URL to go to. :raises ConfigurationError: another host, or a POST that would lose its body."""
        location = response.headers.get("Location")
        if not location:
            raise ProviderError(
                f"HTTP {response.status_code} without a Location from {_bare(url)}",
                remedy="the source's gateway is at fault: tell its owner",
                zh=f"{_bare(url)} 返回重定向但未给出地址，请联系数源部门。",
            )
        target = joined(url, location)
        if not _same_host(url, target):
            raise _foreign(url, target, "a redirect")
        if method != "GET" and response.status_code in (302, 303):  # for this once: a log-in, a page that says "later"
            raise TransientError(
                f"HTTP {response.status_code} sends a {method} from {_bare(url)} on to {_bare(target)}, without its body",
                remedy="a log-in or a notice stands before the service: if it lasts, ask the source, or set the host to the new address",
                zh=f"{_bare(url)} 将 {method} 请求转到 {_bare(target)}（{response.status_code}），可能是登录页或维护页，将自动重试；"
                "如持续，请联系数源部门，或把连接地址改为新地址。",
                code="web_page",
            )
        if method != "GET" and response.status_code not in (307, 308):
            raise ConfigurationError(
                f"HTTP {response.status_code} redirects a {method} from {_bare(url)} to {_bare(target)}",
                remedy="only 307 and 308 keep the body; set the Connection's host to the new address",
                zh=f"{_bare(url)} 将 {method} 请求重定向到 {_bare(target)}（{response.status_code}），请把连接地址改为新地址。",
            )
        return target

    def _to_memory(self, response: requests.Response, limit: int, deadline: float, *, cut: bool) -> bytes:
        parts, size = [], 0
        for chunk in self._chunks(response, deadline):
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                if cut:
                    break
                raise _too_large(response.url, limit, "max_bytes")
        return b"".join(parts)

    def _to_file(self, response: requests.Response, call: _Call, to: Path, deadline: float) -> Path:
        """Write or go on writing ``to``. On 416 the file must be whole already, else it starts anew."""
        have = to.stat().st_size if to.exists() else 0
        if response.status_code == 416:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if have and total.isdigit() and int(total) == have:
                return to
            to.unlink(missing_ok=True)
            raise _anew(f"HTTP 416: {have} bytes of {total or '?'} stood here; starting anew")
        if response.status_code == 206:
            start = response.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("-")[0]
            if start != str(have) or (call.etag and response.headers.get("ETag", call.etag) != call.etag):
                to.unlink(missing_ok=True)
                raise _anew("HTTP 206 of another part or version than asked; starting anew")
        else:
            have = 0
        call.etag = response.headers.get("ETag")
        with to.open("ab" if have else "wb") as file:
            for chunk in self._chunks(response, deadline, decode=False):
                have += len(chunk)
                if have > self.settings.max_file_bytes:
                    raise _too_large(response.url, self.settings.max_file_bytes, "max_file_bytes")
                file.write(chunk)
        return to

    def _chunks(self, response: requests.Response, deadline: float, *, decode: bool = True) -> Iterator[bytes]:
        decode = decode or response.status_code >= 400 or response.headers.get("Content-Encoding") is not None
        while chunk := response.raw.read1(_CHUNK, decode_content=decode):
            yield chunk
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the answer of {_bare(response.url)} was not whole after {self.settings.answer:.0f} s",
                    remedy="raise options.http.answer, or narrow the feed's windows",
                    zh=f"{_bare(response.url)} 的响应在 {self.settings.answer:.0f} 秒内未传完，将重试。",
                    code="slow_answer",
                )

    def _note_clock(self, response: requests.Response) -> None:
        self.answers += 1
        served = _date(response)
        if served is not None:
            self.server_offset = served.timestamp() - time.time()

    def _typed(self, error: Exception) -> OneMapError:
        """What the network said, by whose fault. Messages name the origin only."""
        where = self.origin
        if isinstance(error, requests.exceptions.SSLError | ssl.SSLError | urllib3.exceptions.SSLError):
            return _tls(where, error)
        of_the_answer = bool(error.args) and isinstance(error.args[0], urllib3.exceptions.InvalidHeader)
        if isinstance(error, _BAD_ADDRESS) and not of_the_answer:
            return ConfigurationError(
                f"{type(error).__name__}: {where} cannot be asked as configured",
                remedy=f"correct host, login and password of the Connection {self.endpoint.conn_id}",
                zh=f"无法按连接 {self.endpoint.conn_id} 的设置访问 {where}，请检查其地址与账号。",
                code="bad_address",
            )
        text = f"{type(error).__name__} {error}"
        other = ("network", "the connection failed", "连接失败")
        code, what, zh = next((rest for signs, *rest in _NETWORK if any(sign in text for sign in signs)), other)
        return TransientError(
            f"{what}: {where} ({type(error).__name__})",
            remedy="tried again by itself; if it lasts, check the network and the source's state with its owner",
            zh=f"{where} {zh}，将自动重试；如持续，请与数源部门核对网络与服务状态。",
            code=code,
        )


_reading = threading.local()  # ``deadline`` of the answer that this thread reads, by time.monotonic


class _Reader(io.BufferedReader):
    """Provisional answers (100) and trailers without an end are read in loops of libraries that never look at the clock."""

    def readline(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > _reading.deadline:
            raise TimeoutError("Read timed out")
        return super().readline(size)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
        super().__init__(sock, *given, **named)
        self.fp = _Reader(self.fp.detach())


class _Plain(urllib3.connection.HTTPConnection):
    response_class = _Response


class _Tls(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **named: Any) -> urllib3.ProxyManager:
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
        return manager


class _Session(requests.Session):
    """Redirects are ours (:meth:`Http._follow`): requests would look into them all the same, read their bodies whole,
    however long, and fail on a Location that is no address."""

    def get_redirect_target(self, _resp: requests.Response) -> None:
        return None


_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)
_NETWORK = (
    (
        ("NameResolution", "Name or service not known", "getaddrinfo"),
        "dns",
        "the host name is not known",
        "域名无法解析",
    ),
    (("ProxyError", "Tunnel connection failed"), "proxy", "the proxy does not let us through", "代理无法连通"),
    (("ConnectTimeout", "ConnectTimeoutError"), "connect_timeout", "no connection in time", "连接超时"),
    (
        ("ReadTimeout", "ReadTimeoutError", "Read timed out", "TimeoutError"),
        "read_timeout",
        "no bytes in time",
        "响应超时",
    ),
    (("Connection refused",), "refused", "the connection is refused", "拒绝连接"),
    (
        ("IncompleteRead", "Connection reset", "Connection broken", "prematurely"),
        "reset",
        "the answer broke off",
        "传输中断",
    ),
)


@dataclass(slots=True)
class _Call:
    """One call through its attempts."""

    method: str
    url: str
    body: bytes | None
    headers: dict[str, str]
    request: dict[str, Any]
    to: Path | None
    resume: bool
    classify: Classify | None
    sign: Sign | None
    accept: Collection[int]
    unread: bool = False
    renewed: bool = False
    etag: str | None = None


def basic(endpoint: Endpoint) -> Sign | None:
    """HTTP Basic from the Connection's login and password (UTF-8); None where there is no login."""
    if not endpoint.login:
        return None
    pair = base64.b64encode(f"{endpoint.login}:{endpoint.password}".encode()).decode()
    hide([pair])

    def sign(request: requests.PreparedRequest) -> None:
        request.headers["Authorization"] = f"Basic {pair}"

    return sign


def bearer(endpoint: Endpoint) -> Sign | None:
    """The Connection's password as a bearer token; None where there is none."""
    if not endpoint.password:
        return None

    def sign(request: requests.PreparedRequest) -> None:
        request.headers["Authorization"] = f"Bearer {endpoint.password}"

    return sign


def _anew(status: str) -> TransientError:
    return TransientError(
        status,
        remedy="fetched again from its beginning; if it lasts, tell the source's owner",
        zh=f"断点续传的应答与所请求的部分不符，将从头重新获取；如持续，请联系数源部门。（{status}）",
    )


def raise_for_status(answer: Answer) -> None:
    """The faults that every protocol has by status. 2xx and 304 pass."""
    status, where = answer.status, _bare(answer.url)
    if status < 400:
        return
    stated = _first_words(answer)
    if status in (401, 403, 407):
        raise AuthenticationError(
            f"HTTP {status} from {where}{stated}",
            remedy="check login, password and grants of the Connection with the source's owner",
            zh=f"{where} 拒绝访问（HTTP {status}），请核对连接的账号、密码与授权。",
            code=f"http_{status}",
        )
    if status == 429 or status >= 500 or status in (408, 425):
        raise TransientError(
            f"HTTP {status} from {where}{stated}",
            retry_after=retry_after(answer.headers),
            remedy="tried again by itself; if it lasts, tell the source's owner",
            zh=f"{where} 返回 HTTP {status}，将自动重试；如持续，请联系数源部门。",
            code=f"http_{status}",
        )
    if status in (404, 405, 410):
        raise ConfigurationError(
            f"HTTP {status} from {where}{stated}",
            remedy="check the Connection's host with its path, and the paths in the source's declaration",
            zh=f"{where} 不存在（HTTP {status}），请检查连接地址及数源声明中的路径。",
            code=f"http_{status}",
        )
    raise InternalError(
        f"HTTP {status} from {where}: our request was refused{stated}",
        remedy="compare the request with the source's contract (docs/source-systems.md)",
        zh=f"{where} 认为请求有误（HTTP {status}），请对照接口约定检查。",
        code=f"http_{status}",
    )


def is_page(answer: Answer) -> bool:
    """Whether it is HTML, whatever it says of itself."""
    head = answer.content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html")) or answer.media_type == "text/html"


def raise_for_page(answer: Answer) -> None:
    """A web page in place of data, of whatever status: a proxy's, a log-in's, a maintenance notice.

    :raises TransientError: the body is HTML.
    """
    if is_page(answer):
        where = _bare(answer.url)
        raise TransientError(
            f"HTTP {answer.status} from {where} is a web page (HTML), no data",
            remedy="a proxy, a log-in or a maintenance page stands before the service: if it lasts, tell the source's owner",
            zh=f"{where} 返回的是网页（HTML）而非数据，可能是网关、登录或维护页面，将自动重试；如持续，请联系数源部门。",
            code="web_page",
        )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds, whether given as seconds or as a date of the server's clock; None without it."""
    value = (headers.get("Retry-After") or "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        until = _moment(value)
    if until is None:
        return None
    return max(0.0, (until - (_moment(headers.get("Date") or "") or datetime.now(UTC))).total_seconds())


def joined(current: str, link: str) -> str:
    """An address that a server named, absolute; ``current``: where it stood. :raises ProviderError: it is none."""
    try:
        absolute = urljoin(current, link)
        origin(absolute)
    except ValueError as error:  # a bracket that does not close, a port that is no number
        raise ProviderError(
            f"{_bare(current)} names {_shortly(link)}, which is no address: {error}",
            remedy="tell the source's owner: the link (next page, redirect, file) must be a valid URL",
            zh=f"{_bare(current)} 给出的链接 {_shortly(link)} 不是合法地址，请数源部门更正（下一页、重定向或文件链接）。",
            code="bad_link",
        ) from error
    return absolute


def _shortly(link: str) -> str:
    """For messages: without query, where secrets may stand."""
    return repr(link.partition("?")[0][:80])


def origin(url: str) -> str:
    """``scheme://host:port``, in lower case, with the port written out."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    return f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}:{port}"


def _same_host(old: str, new: str) -> bool:
    """The same origin, or the same host's own way from http to https on their standard ports."""
    if origin(old) == origin(new):
        return True
    host = (urlsplit(old).hostname or "").lower()
    return origin(old) == f"http://{host}:80" and origin(new) == f"https://{host}:443"


def _foreign(ours: str, theirs: str, what: str) -> ConfigurationError:
    here, there = origin(ours), origin(theirs)
    return ConfigurationError(
        f"{what} leads from {here} to {there}, another host: refused",
        remedy=f"if {there} is where the source lives now, set it in the Connection; else tell the source's owner",
        zh=f"{here} 指向另一主机 {there}，已拒绝。若数源确已迁移，请修改连接地址；否则请联系数源部门。",
        code="other_host",
    )


def _too_large(url: str, limit: int, setting: str) -> ProviderError:
    return ProviderError(
        f"the answer of {_bare(url)} is larger than {limit} bytes",
        remedy=f"if that is right, raise options.http.{setting} in the source's declaration",
        zh=f"{_bare(url)} 的响应超过 {limit} 字节上限；如属正常，请调高数源声明中的 options.http.{setting}。",
        code="too_large",
    )


def _tls(where: str, error: Exception) -> OneMapError:
    text = str(error)
    if "certificate" in text.lower() or "CERTIFICATE" in text or "doesn't match" in text:
        return AuthenticationError(
            f"the certificate of {where} does not verify: {_reason(text)}",
            remedy="set extra.verify of the Connection to the CA's file, or have the owner renew the certificate",
            zh=f"{where} 的证书未通过校验（{_reason(text)}）。请在连接的 verify 中填写 CA 证书文件，或请数源部门更换证书。",
            code="certificate",
        )
    if any(
        word in text
        for word in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNSUPPORTED_PROTOCOL")
    ):
        return ConfigurationError(
            f"{where} does not speak TLS as we do: {_reason(text)}",
            remedy="check http or https and the port in the Connection's host",
            zh=f"{where} 的 TLS 握手不成功（{_reason(text)}），请检查连接地址是 http 还是 https 及端口。",
            code="tls",
        )
    return TransientError(
        f"TLS with {where} broke off: {_reason(text)}",
        remedy="tried again by itself",
        zh=f"与 {where} 的 TLS 连接中断，将自动重试。",
        code="tls",
    )


def _reason(text: str) -> str:
    """OpenSSL's own words out of nested reprs."""
    start = text.find("[SSL")
    return text[start:].partition("(_ssl.c")[0].strip("[] ") if start >= 0 else text[:160]


def _first_words(answer: Answer) -> str:
    """The first words of an error's body, for logs: one line, no secrets, no HTML."""
    text = answer.content[:400].decode("utf-8", "replace").strip()
    if not text or text.startswith("<"):
        return ""
    return f": {redact(' '.join(text.split()))[:200]}"


def _checked_base(endpoint: Endpoint, source: str) -> str:
    base = endpoint.base
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ConfigurationError(
            f"the host of the Connection {endpoint.conn_id} is no http(s) base URL, or holds credentials or a query",
            remedy="host: the base URL with its path alone; login and password have fields of their own",
            zh=f"连接 {endpoint.conn_id} 的主机应为 http(s) 基地址（可带路径），账号密码请填入各自的栏目。",
            source=source,
            code="bad_address",
        )
    return base


def _verify(endpoint: Endpoint, source: str) -> bool | str:
    """``extra.verify``: true, or a CA file. :raises ConfigurationError: anything else; verifying is never off."""
    given = endpoint.extra.get("verify", True)
    if given in (True, None, "") or (isinstance(given, str) and given.strip().lower() == "true"):
        return True
    if isinstance(given, str) and Path(given).exists():
        return given
    raise ConfigurationError(
        f"extra.verify of the Connection {endpoint.conn_id} is neither true nor an existing CA file",
        remedy="verifying is never off: give the file (PEM) of the CA that signed the source's certificate",
        zh=f"连接 {endpoint.conn_id} 的 verify 应为 true 或存在的 CA 证书文件（PEM）；不允许关闭校验。",
        source=source,
        field="verify",
        code="bad_verify",
    )


def _proxies(url: str) -> dict[str, str]:
    """The environment's proxies, none for loopback."""
    host = urlsplit(url).hostname or ""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    return {} if loopback else get_environ_proxies(url)


def _with_query(url: str, params: Mapping[str, Any] | None) -> str:
    given = {name: value for name, value in (params or {}).items() if value is not None}
    if not given:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(given, quote_via=quote, safe='', doseq=True)}"


def _body(json: Any, data: bytes | str | Mapping[str, str] | None) -> bytes | None:
    if json is not None:
        return jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
    if isinstance(data, Mapping):
        return urlencode(data).encode()
    return data.encode() if isinstance(data, str) else data


def _described(method: str, target: str, params: Mapping[str, Any] | None, json: Any) -> dict[str, Any]:
    """What stands in the receipt."""
    described: dict[str, Any] = {"method": method.upper(), "target": target}
    if params:
        described["params"] = {name: value for name, value in params.items() if value is not None}
    if json is not None:
        described["json"] = json
    return redact(described)


def _bare(url: str) -> str:
    """Without query and user: what may stand in a log."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _date(response: requests.Response) -> datetime | None:
    return _moment(response.headers.get("Date", ""))


def _moment(text: str) -> datetime | None:
    """An HTTP date in UTC; None where it is none."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _now() -> datetime:
    """Local time of the city, naive, for receipts."""
    return (datetime.now(clock.SHANGHAI) + clock.offset()).replace(tzinfo=None)
