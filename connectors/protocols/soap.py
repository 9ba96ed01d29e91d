"""SOAP 1.1 and 1.2, document/literal and rpc; which one, the served WSDL says.

The WSDL is read from the Connection's host (``extra.wsdl``, else ``options.wsdl``): namespaces, port, style and the
order of parameters come from it. ``soap:address`` is not followed off the host. Declared in ``sources/*.yaml``::

    protocol: soap
    options:
      wsdl: /services/ApprovalQuery?wsdl    # where the Connection says nothing
      security: digest                      # digest: WS-Security UsernameToken, PasswordDigest; basic (default): HTTP Basic
    feeds:
      cases:
        options:
          answer: document                  # a string that holds a document: connectors/soap/document.py
          operation: queryCases
          parameters: {begin: beginTime, end: endTime, page: pageNo, size: pageSize}
          size: 200
          record: CASE
          nested: [SPHJ, CL]
          detail: {operation: getCaseDetail, parameter: YWLSH}      # optional
      projects:
        options:
          answer: array                     # an encoded array of structs: connectors/soap/encoded.py
          operation: getProjects
          parameters: {begin: beginDate, end: endDate, start: start, count: count}
          size: 100
      permits:
        options:
          answer: rows                      # any operation whose answer holds rows: connectors/soap/rows.py
          operation: ListPermits
          parameters: {district: 东城, query: {onlyOpen: false}}
          since: query.from                 # the window's bounds, as time writes them
          until: query.to
          time: "%Y%m%d"
          paging: {kind: page, number_as: pageNo, size_as: pageSize, size: 100, total: ListPermitsResult.Total}
          rows: ListPermitsResult.Items.Permit

Faults: :mod:`connectors.soap.message`. Completeness: :mod:`connectors.soap.document`, :mod:`connectors.paging.listing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import requests
from lxml import etree
from zeep.wsse.username import UsernameToken

from connectors.base import Batch, CheckLine, Connector, Payload, Proof, Window
from connectors.decoders import xml
from connectors.decoders.answers import descend
from connectors.paging import listing, pages
from connectors.soap import document as soap_document
from connectors.soap import encoded as soap_encoded
from connectors.soap import message as soap_message
from connectors.soap import multipart
from connectors.soap import rows as soap_rows
from connectors.soap.service import Service
from connectors.transports.http import Again, Answer, Http, basic
from core.errors import AuthenticationError, ConfigurationError, OneMapError, TransientError
from core.redaction import hide, redact
from sources import options
from sources.options.listing import steps
from sources.options.soap import ArrayFeed, DocumentFeed, RowsFeed

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_CLOCK_OFF = 30.0  # seconds: a smaller difference is no reason for a refused UsernameToken


class Soap(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        given = options.of_source(source)
        self._given = given
        self._security = given.security
        self._session: str | None = None  # what the log-in operation answered; "": a cookie has it
        self._wsdl = endpoint.extra.get("wsdl") or given.wsdl
        if not self._wsdl:
            raise ConfigurationError(
                "no path of the WSDL: neither extra.wsdl of the Connection nor options.wsdl",
                remedy="set options.wsdl in the source's declaration",
                zh="未指明 WSDL 的路径：连接的 wsdl 与数源声明的 options.wsdl 均为空。",
                source=source.source,
                field="wsdl",
            )
        self._feeds = {name: options.of_feed("soap", feed) for name, feed in source.feeds.items()}
        self._ahead = timedelta()  # how far the source's clock is ahead of ours; known once it has refused us
        self.http = Http.of(source, endpoint, sign=basic(endpoint) if self._security == "basic" else None)

    # -- the contract of a connector

    def check(self) -> list[CheckLine]:
        lines: list[CheckLine] = []
        try:
            where = self._service.targets[0]
            lines.append(CheckLine("WSDL", True, f"{self._wsdl}: calls go to {where}"))
            if self._given.login:
                self._enter()
                lines.append(CheckLine("登录 log-in", True, self._service.explain(self._given.login.operation)))
        except OneMapError as error:
            return [*lines, CheckLine.failed("登录 log-in" if lines else "WSDL", error)]
        for feed in self.source.feeds.values():
            try:
                lines.append(CheckLine(feed.id, True, self._look(feed)))
            except OneMapError as error:
                lines.append(CheckLine.failed(feed.id, error))
        return lines

    def fetch(self, feed: Feed, window: Window, state: dict[str, Any] | None) -> Iterator[Payload | Proof]:
        given = options.of_feed("soap", feed)
        try:
            if isinstance(given, DocumentFeed):
                yield from soap_document.Reader(self._call, given, feed.id, feed.key, window).read()
            elif isinstance(given, RowsFeed):
                yield from self._fetch_rows(feed, given, window)
            else:
                yield from self._fetch_array(feed, given, window)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        given = options.of_feed("soap", feed)
        try:
            if isinstance(given, DocumentFeed):
                yield soap_document.decode(payload, given, feed.key, given.limits)
            elif isinstance(given, RowsFeed):
                yield soap_rows.decode(payload, given, given.limits)
            else:
                yield soap_encoded.decode(payload, given, feed.key, given.limits)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def close(self) -> None:
        self.http.close()

    # -- listings by offset

    def _fetch_array(self, feed: Feed, given: ArrayFeed, window: Window) -> Iterator[Payload | Proof]:
        """The list in pages; smaller ones, from the start, when the source cannot make them in time."""
        size = given.size
        while True:
            try:
                yield from listing.read(partial(self._page, feed, given, window, size=size), feed.id, feed.key)
                return
            except soap_message.SlowPage as error:
                if size == 1:
                    raise TransientError(error.message, remedy=error.remedy, zh=error.zh, code=error.code) from error
                size //= 2

    def _page(self, feed: Feed, given: ArrayFeed, window: Window, start: int, size: int) -> listing.Page:
        names = given.parameters
        # a day's end is exclusive: a window that ends within a day reads that day as a whole
        end = window.end and (window.end + timedelta(days=1, microseconds=-1))
        parameters = {
            names.begin: f"{window.start:%Y-%m-%d}" if window.start else given.first_day,
            names.end: f"{end:%Y-%m-%d}" if end and not window.full else given.last_day,
            names.start: start,
            names.count: size,
        }
        payload = self._call(given.operation, parameters)
        payload.facts.update(start=start, count=size)
        return soap_encoded.page(payload, feed.key)

    # -- any operation

    def _fetch_rows(self, feed: Feed, given: RowsFeed, window: Window) -> Iterator[Payload | Proof]:
        while True:
            asker = self._asker(feed, given, window)
            reading = pages.Reader(asker, feed, given, open_end=not asker.bounded)
            try:
                verdict = yield from reading.listing(pages.of_window(given, window))
            except soap_message.SlowPage as error:
                size = getattr(given.paging, "size", None) or 1
                if size == 1:
                    raise TransientError(error.message, remedy=error.remedy, zh=error.zh, code=error.code) from error
                smaller = given.paging.model_copy(update={"size": size // 2})
                given = given.model_copy(update={"paging": smaller})
                continue
            yield Proof(verdict.complete, verdict.why, verdict.claimed, len(reading.keys), issues=list(verdict.issues))
            return

    def _asker(self, feed: Feed, given: RowsFeed, window: Window) -> soap_rows.Asker:
        def call(
            operation: str, parameters: dict[str, Any], places: dict[str, str], own: dict[str, Any], look: Any
        ) -> Payload:
            filled = pages.into(pages.filled(parameters, places), own)
            secret = pages.into(pages.filled(self._secrets(parameters), places), own)
            return self._call(operation, secret, shown=filled, look=look)

        path = steps(given.document or given.rows)
        return soap_rows.Asker(call, feed, given, window, lambda: self._service.knows(given.operation, path))

    def _secrets(self, constants: dict[str, Any]) -> dict[str, Any]:
        """Constants with what stands for ``{login}``, ``{password}`` and ``{session}``."""
        if not any(pages.speaks(constants, name) for name in ("login", "password", "session")):
            return constants
        if self._given.login and self._session is None and pages.speaks(constants, "session"):
            self._enter()
        known = {"login": self.endpoint.login, "password": self.endpoint.password, "session": self._session or ""}
        return _replaced(constants, {f"{{{name}}}": value for name, value in known.items()})

    def _enter(self) -> None:
        """Open a session. :raises OneMapError: it fails."""
        given = self._given.login
        self._session = ""
        try:
            payload = self._call(given.operation, self._secrets(given.parameters), shown=given.parameters)
            body, kind = multipart.envelope(payload.content, payload.media_type)
            answer = next(iter(xml.children(soap_message.envelope_body(xml.parse(body, kind)))), None)
            if given.session is None:
                return
            found = descend(answer, steps(given.session)) if answer is not None else []
            held = (xml.content(found[0]) or "").strip() if found else ""
            if not held:
                raise AuthenticationError(
                    f"{given.operation} answers no session at {given.session}",
                    remedy="check login and password of the Connection, and login.session of the source's options",
                    zh=f"登录操作 {given.operation} 未返回会话（{given.session}），请核对连接的用户名、密码及数源声明中的 login.session。",
                    code="no_session",
                )
        except OneMapError:
            self._session = None
            raise
        hide([held])
        self._session = held

    def _look(self, feed: Feed) -> str:
        """One small page. :raises OneMapError: whatever is wrong with it."""
        given = options.of_feed("soap", feed)
        nothing = Window(full=True)
        if isinstance(given, RowsFeed):
            understood = pages.understood(feed, self._asker(feed, given, nothing).ask(pages.first(given), {}))
            known = self._service.knows(given.operation, steps(given.document or given.rows))
            word = {True: "as the WSDL says", False: "against the WSDL", None: "of which the WSDL says nothing"}[known]
            return f"{self._service.explain(given.operation)}; {understood}, at {given.rows}, {word}"
        if isinstance(given, ArrayFeed):
            page = self._page(feed, given, nothing, 0, 1)
            return f"{given.operation} answers, {page.items} item"
        names = given.parameters
        payload = self._call(given.operation, {names.begin: "", names.end: "", names.page: 1, names.size: 1})
        return f"{given.operation} answers, {soap_document.inner(payload).get('total')} records in all"

    # -- one call

    @cached_property
    def _service(self) -> Service:
        operations = set().union(*(given.operations for given in self._feeds.values()))
        operations |= {self._given.login.operation} if self._given.login else set()
        try:
            return Service(self.http, self._wsdl, operations, self._given.port)
        except OneMapError as error:
            raise error.at(source=self.source.source) from error.__cause__

    def _call(
        self, operation: str, parameters: dict[str, Any], *, shown: dict[str, Any] | None = None, look: Any = None
    ) -> Payload:
        """One operation with all its attempts. An envelope that does not decode is handed back as it came.

        ``shown``: the parameters as they may be kept; ``look``: refuses an answer that is none, to be asked for again.
        """
        entered = self._session is not None
        try:
            payload = self._exchange(operation, parameters, look)
        except AuthenticationError:
            given = self._given.login
            if given is None or operation == given.operation or not entered:
                raise
            old, self._session = self._session or "", None
            self._enter()
            renewed = _replaced(parameters, {old: self._session or ""}) if old else parameters
            payload = self._exchange(operation, renewed, look)
        shown_parameters = parameters if shown is None else shown
        payload.request = {**payload.request, "operation": operation, "parameters": redact(shown_parameters)}
        return payload

    def _exchange(self, operation: str, parameters: dict[str, Any], look: Any) -> Payload:
        login = self._given.login
        if login is not None and operation != login.operation and self._session is None:
            self._enter()
        headers = self._secrets(self._given.headers) if login is None or operation != login.operation else {}
        envelope, sent = self._service.message(operation, parameters, headers)
        targets = self._service.targets
        payloads: list[Payload] = []  # of each attempt
        malformed = False

        def classify(answer: Answer) -> None:
            nonlocal malformed
            try:
                self._classify(answer)
            except xml.DamagedXml as error:  # twice the same, the reader narrows it down
                if error.code == "xml_malformed" and not malformed:
                    malformed = True
                    raise TransientError(error.message, remedy=error.remedy, zh=error.zh, code=error.code) from error
            payloads.append(answer.payload(answer.headers.get("Content-Type") or "text/xml"))
            if look is not None:
                look(payloads[-1])

        for place, target in enumerate(targets):
            try:
                self.http.post(
                    target,
                    data=_bytes(envelope),
                    headers=sent,
                    sign=self._sign(envelope) if self._security in ("digest", "text") else None,
                    classify=classify,
                    accept=(500,) if "empty" in self._given.faults.values() else (),
                )
            except ConfigurationError as error:
                if error.code in ("http_404", "http_405") and place + 1 < len(targets):
                    continue
                raise
            if place:
                targets.insert(0, targets.pop(place))
            break
        return payloads[-1]

    def _sign(self, envelope: etree._Element) -> Any:
        """Puts a UsernameToken of its own nonce and time on every attempt."""

        def sign(request: requests.PreparedRequest) -> None:
            token = UsernameToken(
                self.endpoint.login,
                self.endpoint.password,
                use_digest=self._security == "digest",
                created=datetime.now(UTC) + self._ahead,
                zulu_timestamp=True,
            )
            signed, _ = token.apply(etree.fromstring(etree.tostring(envelope)), {})
            request.prepare_body(_bytes(signed), None)

        return sign

    def _classify(self, answer: Answer) -> None:
        """:raises DamagedXml: the envelope is not well-formed, or has bytes that do not decode. :raises OneMapError: a fault."""
        try:
            soap_message.body(answer, self._given.faults)
        except soap_message.NothingFound:
            return
        except AuthenticationError as error:
            if self._security == "digest" and answer.server_date is not None:
                ahead = answer.server_date - datetime.now(UTC)
                if abs((ahead - self._ahead).total_seconds()) > _CLOCK_OFF:
                    self._ahead = ahead
                    raise Again(error) from error
            raise


def _replaced(constant: Any, texts: dict[str, str]) -> Any:
    """A constant with these texts replaced by others, at whatever depth."""
    if isinstance(constant, str):
        for old, new in texts.items():
            constant = constant.replace(old, new)
        return constant
    if isinstance(constant, dict):
        return {name: _replaced(one, texts) for name, one in constant.items()}
    return [_replaced(one, texts) for one in constant] if isinstance(constant, list) else constant


def _bytes(envelope: etree._Element) -> bytes:
    return etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
