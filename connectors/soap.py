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
from pydantic import TypeAdapter, ValidationError
from zeep.wsse.username import UsernameToken

from connectors import listing, soap_document, soap_encoded, soap_message, xml
from connectors.base import Batch, CheckLine, Connector, Payload, Proof, Window
from connectors.http import Again, Answer, Http, basic
from connectors.soap_service import Service
from core.errors import AuthenticationError, ConfigurationError, OneMapError, TransientError
from core.redaction import redact

if TYPE_CHECKING:
    from connectors.endpoint import Endpoint
    from sources.declaration import Feed, Source

_Options = soap_document.Options | soap_encoded.Options
_KINDS = {"document": soap_document.Options, "array": soap_encoded.Options}
_CLOCK_OFF = 30.0  # seconds: a smaller difference is no reason for a refused UsernameToken


class Soap(Connector):
    """See the module."""

    def __init__(self, source: Source, endpoint: Endpoint) -> None:
        super().__init__(source, endpoint)
        self._security = source.options.get("security", "basic")
        self._wsdl = endpoint.extra.get("wsdl") or source.options.get("wsdl")
        if self._security not in ("digest", "basic"):
            raise self._wrong("security", f"security {self._security!r} is neither digest nor basic")
        if not self._wsdl:
            raise self._wrong("wsdl", "no path of the WSDL: neither extra.wsdl of the Connection nor options.wsdl")
        self._options = {feed.id or name: self._read_options(feed) for name, feed in source.feeds.items()}
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
        options = self._options_of(feed)
        try:
            if isinstance(options, soap_document.Options):
                yield from soap_document.Reader(self._call, options, feed.key, window).read()
            else:
                yield from self._fetch_array(feed, options, window)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def decode(self, feed: Feed, payload: Payload) -> Iterator[Batch]:
        options = self._options_of(feed)
        try:
            if isinstance(options, soap_document.Options):
                yield soap_document.decode(payload, options, feed.key, options.limits)
            else:
                yield soap_encoded.decode(payload, options, feed.key, options.limits)
        except OneMapError as error:
            raise error.at(source=self.source.source, feed=feed.id) from error.__cause__

    def close(self) -> None:
        self.http.close()

    # -- listings by offset

    def _fetch_array(self, feed: Feed, options: soap_encoded.Options, window: Window) -> Iterator[Payload | Proof]:
        """The list in pages; smaller ones, from the start, when the source cannot make them in time."""
        size = options.size
        while True:
            try:
                yield from listing.read(
                    lambda start, size=size: self._page(feed, options, window, start, size), feed.id
                )
                return
            except soap_message.SlowPage as error:
                if size == 1:
                    raise TransientError(error.message, remedy=error.remedy, zh=error.zh, code=error.code) from error
                size //= 2

    def _page(self, feed: Feed, options: soap_encoded.Options, window: Window, start: int, size: int) -> listing.Page:
        names = options.parameters
        # a day's end is exclusive: a window that ends within a day reads that day as a whole
        end = window.end and (window.end + timedelta(days=1, microseconds=-1))
        parameters = {
            names.begin: f"{window.start:%Y-%m-%d}" if window.start else options.first_day,
            names.end: f"{end:%Y-%m-%d}" if end and not window.full else options.last_day,
            names.start: start,
            names.count: size,
        }
        payload = self._call(options.operation, parameters)
        payload.facts.update(start=start, count=size)
        return soap_encoded.page(payload, feed.key)

    def _look(self, feed: Feed) -> str:
        """One small page. :raises OneMapError: whatever is wrong with it."""
        options = self._options_of(feed)
        nothing = Window(full=True)
        if isinstance(options, soap_encoded.Options):
            page = self._page(feed, options, nothing, 0, 1)
            return f"{options.operation} answers, {page.items} item"
        names = options.parameters
        payload = self._call(options.operation, {names.begin: "", names.end: "", names.page: 1, names.size: 1})
        return f"{options.operation} answers, {soap_document.inner(payload).get('total')} records in all"

    # -- one call

    @cached_property
    def _service(self) -> Service:
        operations = set().union(*(options.operations for options in self._options.values()))
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

    # -- options

    def _options_of(self, feed: Feed) -> _Options:
        if feed.id not in self._options:
            self._options[feed.id] = self._read_options(feed)
        return self._options[feed.id]

    def _read_options(self, feed: Feed) -> _Options:
        kind = _KINDS.get(feed.options.get("answer", ""))
        if kind is None:
            raise self._wrong("answer", f"feed {feed.id}: answer is neither document nor array")
        try:
            return TypeAdapter(kind).validate_python(feed.options)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            raise self._wrong(name, f"feed {feed.id}: options.{name}: {first['msg']}") from error

    def _wrong(self, name: str, why: str) -> ConfigurationError:
        return ConfigurationError(
            why,
            remedy="see connectors/soap.py for the options",
            zh=f"数源声明的选项 {name} 有误：{why}。",
            source=self.source.source,
            field=name,
        )


def _bytes(envelope: etree._Element) -> bytes:
    return etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
