"""SOAP 1.1, in both of its dialects: document/literal and rpc/encoded; which one, the served WSDL says.

The WSDL is read from the Connection's host (``extra.wsdl``, else ``options.wsdl``): namespaces, port, style and the
order of parameters come from it. ``soap:address`` is not followed off the host. Declared in ``sources/*.yaml``::

    protocol: soap
    options:
      wsdl: /services/ApprovalQuery?wsdl    # where the Connection says nothing
      security: digest                      # digest: WS-Security UsernameToken, PasswordDigest; basic (default): HTTP Basic
    feeds:
      cases:
        options:
          answer: document                  # a string that holds a document: connectors/soap_document.py
          operation: queryCases
          parameters: {begin: beginTime, end: endTime, page: pageNo, size: pageSize}
          size: 200
          record: CASE
          nested: [SPHJ, CL]
          detail: {operation: getCaseDetail, parameter: YWLSH}      # optional
      projects:
        options:
          answer: array                     # an encoded array of structs: connectors/soap_encoded.py
          operation: getProjects
          parameters: {begin: beginDate, end: endDate, start: start, count: count}
          size: 100

Faults: :mod:`connectors.soap_message`. Completeness: :mod:`connectors.soap_document`, :mod:`connectors.listing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import requests
from lxml import etree
from zeep.wsse.username import UsernameToken

from connectors import listing, soap_document, soap_encoded, soap_message, xml
from connectors.base import Batch, CheckLine, Connector, Payload, Proof, Window
from connectors.http import Again, Answer, Http, basic
from connectors.soap_service import Service
from core.errors import AuthenticationError, ConfigurationError, OneMapError, TransientError
from core.redaction import redact
from sources import options
from sources.options.soap import ArrayFeed, DocumentFeed

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_CLOCK_OFF = 30.0  # seconds: a smaller difference is no reason for a refused UsernameToken


class Soap(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        given = options.of_source(source)
        self._security = given.security
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
        except OneMapError as error:
            return [CheckLine.failed("WSDL", error)]
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
            else:
                yield from self._fetch_array(feed, given, window)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        given = options.of_feed("soap", feed)
        try:
            if isinstance(given, DocumentFeed):
                yield soap_document.decode(payload, given, feed.key, given.limits)
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
                yield from listing.read(
                    lambda start, size=size: self._page(feed, given, window, start, size), feed.id, feed.key
                )
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

    def _look(self, feed: Feed) -> str:
        """One small page. :raises OneMapError: whatever is wrong with it."""
        given = options.of_feed("soap", feed)
        nothing = Window(full=True)
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
        try:
            return Service(self.http, self._wsdl, operations)
        except OneMapError as error:
            raise error.at(source=self.source.source) from error.__cause__

    def _call(self, operation: str, parameters: dict[str, Any]) -> Payload:
        """One operation with all its attempts. An envelope that does not decode is handed back as it came."""
        envelope, headers = self._service.message(operation, parameters)
        targets = self._service.targets
        for place, target in enumerate(targets):
            try:
                answer = self.http.post(
                    target,
                    data=_bytes(envelope),
                    headers=headers,
                    sign=self._sign(envelope) if self._security == "digest" else None,
                    classify=self._classify,
                )
            except ConfigurationError as error:
                if error.code in ("http_404", "http_405") and place + 1 < len(targets):
                    continue
                raise
            if place:
                targets.insert(0, targets.pop(place))
            break
        payload = answer.payload(answer.headers.get("Content-Type") or "text/xml")
        payload.request = {**payload.request, "operation": operation, "parameters": redact(parameters)}
        return payload

    def _sign(self, envelope: etree._Element) -> Any:
        """Puts a UsernameToken of its own nonce and time on every attempt."""

        def sign(request: requests.PreparedRequest) -> None:
            token = UsernameToken(
                self.endpoint.login,
                self.endpoint.password,
                use_digest=True,
                created=datetime.now(UTC) + self._ahead,
                zulu_timestamp=True,
            )
            signed, _ = token.apply(etree.fromstring(etree.tostring(envelope)), {})
            request.prepare_body(_bytes(signed), None)

        return sign

    def _classify(self, answer: Answer) -> None:
        try:
            soap_message.body(answer)
        except AuthenticationError as error:
            if self._security == "digest" and answer.server_date is not None:
                ahead = answer.server_date - datetime.now(UTC)
                if abs((ahead - self._ahead).total_seconds()) > _CLOCK_OFF:
                    self._ahead = ahead
                    raise Again(error) from error
            raise
        except xml.DamagedXml:
            return  # the reader narrows it down


def _bytes(envelope: etree._Element) -> bytes:
    return etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
