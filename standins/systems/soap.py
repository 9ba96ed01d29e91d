"""What D1 and D2 share: SOAP 1.1 requests read safely, envelopes, faults with HTTP 500, the WSDL."""

from __future__ import annotations

from xml.sax.saxutils import escape

from lxml import etree
from starlette.responses import Response

from core.settings import ROOT

CONTRACTS = ROOT / "schemas" / "contracts"
ENV = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"
# XML 1.0 has no place for control characters
_CONTROLS = dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20)))

XXE = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "哈哈哈哈哈哈哈哈哈哈">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)


class SoapFault(Exception):
    """Answered as a fault with HTTP 500. ``code`` is what stands after the prefix, e.g. ``Client.Auth``."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def text(value: object) -> str:
    """Character data, escaped."""
    return escape(str(value).translate(_CONTROLS))


def parse(body: bytes) -> etree._Element:
    """The envelope of a request. :raises SoapFault: it is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise SoapFault("Client", "请求不是有效的 SOAP 报文") from error
    if root.tag != f"{{{ENV}}}Envelope":
        raise SoapFault("Client", "请求不是有效的 SOAP 报文")
    return root


def operation(root: etree._Element) -> etree._Element:
    """The first element of the Body. :raises SoapFault: there is none."""
    for body in root.iterchildren(f"{{{ENV}}}Body"):
        for element in body.iterchildren(tag=etree.Element):
            return element
    raise SoapFault("Client", "报文中没有操作")


def parameters(element: etree._Element) -> dict[str, str]:
    """Local name → text of an operation's children."""
    return {
        etree.QName(child).localname: (child.text or "").strip() for child in element.iterchildren(tag=etree.Element)
    }


def envelope(body: str, *, doctype: str = "", encoding: str = "utf-8") -> Response:
    """200 with the body in an envelope."""
    document = (
        f'<?xml version="1.0" encoding="{encoding.upper()}"?>{doctype}'
        f'<soapenv:Envelope xmlns:soapenv="{ENV}" xmlns:xsd="{XSD}" xmlns:xsi="{XSI}">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    return Response(document.encode(encoding, "xmlcharrefreplace"), media_type=f"text/xml;charset={encoding}")


def fault(error: SoapFault) -> Response:
    """HTTP 500 with the fault."""
    body = (
        f"<soapenv:Fault><faultcode>soapenv:{error.code}</faultcode>"
        f"<faultstring>{text(error.text)}</faultstring><detail/></soapenv:Fault>"
    )
    response = envelope(body)
    response.status_code = 500
    return response


def contract(name: str) -> str:
    """A file of contracts/, as text."""
    return (CONTRACTS / name).read_text("utf-8")
