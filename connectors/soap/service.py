"""A SOAP service (1.1 or 1.2) as its WSDL describes it: which port, which namespaces, how a call is written. Read by zeep.

The WSDL and what it imports come from the Connection's own host, or from copies that we bring (SOAP encoding, XML
namespace); nothing else is asked. An import that names another host is taken from the Connection's, since servers
name themselves as their own network knows them. ``soap:address`` is such a name too, see :attr:`Service.targets`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import zeep
import zeep.exceptions
from lxml import etree
from zeep.transports import Transport
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap11Binding, Soap12Binding, SoapBinding

from connectors.decoders import xml
from connectors.transports.http import Answer, Http, is_page
from core.errors import AuthenticationError, ConfigurationError, OneMapError, ProviderError, TransientError
from core.settings import ROOT

_DESCRIPTIONS = ("definitions", "schema")
_MOST_LOADS = 64  # documents of a WSDL with all that it imports
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_COPIES = {
    ENCODING.rstrip("/"): ROOT / "schemas" / "contracts" / "soap-encoding.xsd",
    "http://www.w3.org/2001/xml.xsd": ROOT / "schemas" / "contracts" / "xml-namespace.xsd",
}


class Service:
    """The port of a WSDL that speaks SOAP 1.1, else 1.2.

    :raises ConfigurationError: there is no WSDL where we were told, or it lacks the operations.
    """

    def __init__(self, http: Http, wsdl: str, operations: set[str], port: str | None = None) -> None:
        self.wsdl = wsdl
        self._loader = _Loader(http, wsdl)
        try:
            document = Document(
                self._loader.start,
                self._loader,  # type: ignore[arg-type]  # zeep asks for a transport and writes that it wants its class
                settings=zeep.Settings(strict=True),
            )
        except OneMapError:
            raise
        except Exception as error:  # whatever a library says of a document from outside
            raise _no_wsdl(
                wsdl, f"what stands there is no WSDL that we can read ({type(error).__name__}: {error})"
            ) from error
        self.port, self._binding, address = _port(document, operations, wsdl, port)
        self.targets = _targets(http, wsdl, address, self._loader.answered)

    def explain(self, operation: str) -> str:
        """How the operation is called, in words."""
        described = self._binding.get(operation)
        version = "1.2" if isinstance(self._binding, Soap12Binding) else "1.1"
        use = "encoded" if described.style == "rpc" and self._loader.encoded else "literal"
        wants = described.input.signature() or "nothing"
        return f"{operation} of port {self.port}, SOAP {version}, {described.style}/{use}, takes {wants}"

    def knows(self, operation: str, names: list[str]) -> bool | None:
        """Whether the schema of the answer has that path beneath its element; None where it leaves it open."""
        output = self._binding.get(operation).output
        kind = getattr(getattr(output, "body", None), "type", None)
        for name in names:
            elements = getattr(kind, "elements", None)
            if not elements:
                return None if getattr(kind, "_array_type", None) is not None or kind is None else _leaf(kind)
            found = [element for title, element in elements if title == name or getattr(element, "name", "") == name]
            if not found:
                open_names = (None, "schema", "_value_1")
                return None if any(getattr(one, "name", None) in open_names for _, one in elements) else False
            kind = found[0].type
        return True

    def message(
        self, operation: str, parameters: dict[str, Any], headers: dict[str, Any] | None = None
    ) -> tuple[etree._Element, dict[str, str]]:
        """The envelope of a call and its HTTP headers. ``headers``: elements of the SOAP header.

        :raises ConfigurationError: the declared parameters are not those of the WSDL.
        """
        described = self._binding.get(operation)
        try:
            serialized = described.create(**parameters)
        except (TypeError, ValueError, zeep.exceptions.Error) as error:
            raise ConfigurationError(
                f"{operation} cannot be called with {', '.join(parameters)}: {error}",
                remedy=f"the WSDL at {self.wsdl} wants {described.input.signature()}: correct parameters in the declaration",
                zh=f"操作 {operation} 的参数与 WSDL 不符（{error}），请更正数源声明中的 parameters。",
                field="parameters",
            ) from error
        envelope = serialized.content
        if described.style == "rpc" and self._loader.encoded:
            _encode(envelope, described)
        if headers:
            _add_headers(envelope, headers)
        if isinstance(self._binding, Soap12Binding):  # the action stands in the content type
            action = f'; action="{described.soapaction}"' if described.soapaction else ""
            return envelope, {"Content-Type": f"application/soap+xml; charset=utf-8{action}"}
        return envelope, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', **serialized.headers}


class _NoDescription(TransientError):
    """Something else stands there: asked for again, since it is a gateway's more often than it has moved."""


_AGAIN = "it is asked for again; if it lasts, ask the source what stands before its service"
_AGAIN_ZH = "返回的不是 WSDL 或其组成部分，将自动重试；如持续，请向数源核实服务前的网关。"


class _Loader(Transport):
    """What zeep loads: of the Connection's host, checked, or one of our copies."""

    def __init__(self, http: Http, wsdl: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # zeep states no type for it
        self._http = http
        self.start = http.url(wsdl)
        self._loads = 0
        self.encoded = False  # whether a binding is of SOAP encoding
        self.answered = self.start  # where the WSDL was at last, after redirects

    def load(self, url: str) -> bytes:
        self._loads += 1
        if self._loads > _MOST_LOADS:
            raise _no_wsdl(url, f"it imports more than {_MOST_LOADS} documents, or itself")
        bare = url.replace("https://", "http://", 1).rstrip("/")
        if bare in _COPIES:
            return _COPIES[bare].read_bytes()
        first = url == self.start
        try:
            answer = self._http.get(self._http.rebase(url, self.answered), classify=_classify)
        except AuthenticationError:
            raise
        except OneMapError as error:
            lasting = isinstance(error, _NoDescription) or not isinstance(error, TransientError)
            if not (first and lasting) or error.code == "other_host" or isinstance(error, xml.UnsafeXml):
                raise
            raise _no_wsdl(self._http.endpoint.extra.get("wsdl") or url, error.message) from error
        if first:
            self.answered = answer.url
        return self._checked(answer, url)

    def _checked(self, answer: Answer, url: str) -> bytes:
        """:raises OneMapError: it is no XML, or XML that is refused."""
        try:
            root = xml.parse(answer.content, answer.headers.get("Content-Type"), what=url)
        except xml.DamagedXml as error:
            raise _no_wsdl(url, error.message) from error
        self.encoded = self.encoded or any(
            one.get("use") == "encoded" for one in root.iter() if xml.local(one) == "body"
        )
        return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def _classify(answer: Answer) -> None:
    """What stands where a WSDL or its part was, and is none, is most often a gateway's page, a log-in, a cut answer.

    :raises TransientError: it is asked for again.
    """
    if answer.status >= 300:  # which says what it is
        return
    try:
        name = xml.local(xml.parse(answer.content, answer.headers.get("Content-Type"), what=answer.url))
    except ProviderError as error:
        if not (
            isinstance(error, xml.DamagedXml) or is_page(answer)
        ):  # which declares a document type, and is no attack
            raise
        raise _NoDescription(error.message, remedy=_AGAIN, zh=_AGAIN_ZH, code="not_a_page") from error
    if name not in _DESCRIPTIONS:
        raise _NoDescription(f"<{name}> is no WSDL", remedy=_AGAIN, zh=_AGAIN_ZH, code="not_a_page")


def _port(document: Document, operations: set[str], wsdl: str, name: str | None) -> tuple[str, SoapBinding, str]:
    found: set[str] = set()
    ports = [port for service in document.services.values() for port in service.ports.values()]
    if name is not None and name not in [port.name for port in ports]:
        raise ConfigurationError(
            f"the WSDL at {wsdl} has no port {name}; it has {', '.join(port.name for port in ports)}",
            remedy="correct options.port of the source's declaration, or leave it out",
            zh=f"WSDL（{wsdl}）中没有端口 {name}，请更正数源声明中的 port。",
            field="port",
            code="wsdl_operations",
        )
    for kind in (Soap11Binding, Soap12Binding):  # where a service has both, the older is what it has had for longer
        for port in ports:
            if type(port.binding) is kind and name in (None, port.name):
                offered = set(port.binding._operations)
                if operations <= offered:
                    return port.name, port.binding, port.binding_options.get("address") or ""
                found |= offered
    if not found:
        raise _no_wsdl(wsdl, "what stands there describes no SOAP port")
    raise ConfigurationError(
        f"the WSDL at {wsdl} has no SOAP port with {', '.join(sorted(operations))}; it has {', '.join(sorted(found))}",
        remedy="check extra.wsdl of the Connection, and the operations in the source's declaration",
        zh=f"WSDL（{wsdl}）中没有提供操作 {'、'.join(sorted(operations))} 的 SOAP 端口，请检查连接的 wsdl 及数源声明中的操作名。",
        field="wsdl",
        code="wsdl_operations",
    )


def _targets(http: Http, wsdl: str, address: str, answered: str) -> list[str]:
    """Where to POST, likeliest first, all under the Connection's base.

    A WSDL asked for as ``…/Service?wsdl`` stands at the service itself. A WSDL in a file does not: there only the
    path of ``soap:address`` tells. Then where a redirect led us.
    """
    at_wsdl = http.url(wsdl).partition("?")[0]
    from_address = [http.rebase(address)] if urlsplit(address).scheme in ("http", "https") else []
    redirected = answered.partition("?")[0]
    ordered = [at_wsdl, *from_address, redirected] if "?" in wsdl else [*from_address, at_wsdl, redirected]
    return list(dict.fromkeys(ordered))


def _leaf(kind: Any) -> bool | None:
    """Of a type without elements: an open one may hold any path, a simple one none."""
    return None if getattr(kind, "name", "") in ("anyType", "schema", None) or hasattr(kind, "_element") else False


def _add_headers(envelope: etree._Element, headers: dict[str, Any]) -> None:
    """Put elements into the SOAP header; a name without a namespace has that of the operation's own element."""
    space = etree.QName(envelope).namespace
    header = envelope.find(f"{{{space}}}Header")
    if header is None:
        header = etree.Element(f"{{{space}}}Header")
        envelope.insert(0, header)
    body = envelope.find(f"{{{space}}}Body")
    own = (etree.QName(body[0]).namespace if body is not None and len(body) else None) or ""
    for name, content in headers.items():
        header.append(_element(name if name.startswith("{") or not own else f"{{{own}}}{name}", content))


def _element(name: str, content: Any) -> etree._Element:
    """Fields are elements of the same namespace; a list repeats its name."""
    element = etree.Element(name)
    space = etree.QName(element).namespace
    if isinstance(content, dict):
        for field, value in content.items():
            inner = field if field.startswith("{") or not space else f"{{{space}}}{field}"
            for one in value if isinstance(value, list) else [value]:
                element.append(_element(inner, one))
    elif content is not None:
        element.text = str(content).lower() if isinstance(content, bool) else str(content)
    return element


def _encode(envelope: etree._Element, described: Any) -> None:
    """rpc/encoded as Axis 1.x and others of its age expect it: the encoding's name, and a type on each parameter."""
    body = envelope.find(f"{{{ENVELOPE}}}Body")
    if getattr(described.input, "body", None) is None or body is None or not len(body):
        return
    wrapper = body[0]
    wrapper.set(f"{{{ENVELOPE}}}encodingStyle", ENCODING)
    types = {name: element.type.qname for name, element in described.input.body.type.elements}
    for parameter in list(wrapper):
        qname = types.get(etree.QName(parameter).localname)
        if qname is not None and qname.namespace:
            _typed(parameter, qname)


def _typed(parameter: etree._Element, qname: etree.QName) -> None:
    """Set ``xsi:type``; the element is made anew, since lxml declares prefixes at making alone."""
    parent = parameter.getparent()
    element = etree.Element(parameter.tag, nsmap={"t": qname.namespace, "xsi": xml.XSI})
    element.text = parameter.text
    element.extend(list(parameter))
    element.set(f"{{{xml.XSI}}}type", f"t:{qname.localname}")
    for name, value in parameter.attrib.items():
        element.set(name, value)
    parent.replace(parameter, element)


def _no_wsdl(where: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"no WSDL at {where}: {why}",
        remedy="the WSDL has moved or the host is wrong: ask the source's owner, then set host and extra.wsdl of the Connection",
        zh=f"{where} 处没有可用的 WSDL（{why}）：服务可能已迁移，请向数源部门确认后修改连接的主机与 wsdl。",
        field="wsdl",
        code="wsdl_moved",
    )
