"""Answers of a SOAP service: the envelope, and faults typed by whose duty they are.

Faults come with HTTP 500, or with 200 from some gateways; the part of ``faultcode`` after the colon counts
(docs/source-systems.md, D1 and D2):

=====================================  ==========================================================================
``Client.Auth``, WS-Security's own     AuthenticationError
``Client.…``                           ConfigurationError: our request is wrong
``Server.Timeout``                     :class:`SlowPage`: ask for less at once
``Server.userException`` + ``参数…``    ConfigurationError: our request is wrong
``Server.…``                           TransientError: tried again
=====================================  ==========================================================================

A source's own table of faults (``options.faults``) is asked first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lxml import etree

from connectors.decoders import xml
from connectors.decoders.xml import children, local
from connectors.soap import multipart
from connectors.transports.http import Answer, raise_for_status
from core.errors import AuthenticationError, ConfigurationError, OneMapError, ProviderError, TransientError
from core.redaction import redact

_SECURITY = {  # WS-Security 1.1, section 12
    "FailedAuthentication",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "FailedCheck",
    "SecurityTokenUnavailable",
    "MessageExpired",
    "UnsupportedSecurityToken",
}
_JAVA_CLASS = re.compile(r"^(?:[\w$]+\.)+[\w$]+:\s*")


class SlowPage(ProviderError):
    """The source could not make so large a page in time: not to be tried again as it stands, but in smaller pages."""


class NothingFound(ProviderError):
    """A fault by which the source says that there are no rows."""


def body(answer: Answer, table: Mapping[str, str] | None = None) -> etree._Element:
    """The Body of an answer; for ``Http``'s ``classify``, inside its retries.

    :raises TransientError: no envelope at all (a proxy's page), or one that was cut.
    :raises DamagedXml: an envelope with bytes that do not decode, or that is not well-formed.
    :raises UnsafeXml: a document type or entities. :raises OneMapError: a fault.
    """
    content, content_type = multipart.envelope(answer.content, answer.headers.get("Content-Type"))
    if not _looks_like_envelope(content):
        raise_for_status(answer)
        raise TransientError(
            f"HTTP {answer.status} with {answer.media_type}, which is no SOAP envelope",
            remedy="a proxy or a login page stands before the service: if it lasts, tell the source's owner",
            zh="响应不是 SOAP 报文（可能是网关或登录页面），将自动重试；如持续，请联系数源部门。",
            code="no_envelope",
        )
    try:
        found = envelope_body(xml.parse(content, content_type))
    except xml.CutXml as error:
        raise TransientError(error.message, remedy=error.remedy, zh=error.zh, code=error.code) from error
    except xml.DamagedXml:
        if answer.status >= 400:  # a fault in an untrue charset: read what can be read
            found = envelope_body(xml.parse(xml.text(content, content_type, mark=True)))
        else:
            raise
    for element in children(found, "Fault"):
        raise fault(element, table)
    raise_for_status(answer)
    return found


def envelope_body(root: etree._Element) -> etree._Element:
    """:raises ProviderError: the document is no envelope with a Body."""
    bodies = children(root, "Body") if local(root) == "Envelope" else []
    if not bodies:
        raise ProviderError(
            f"the answer is a <{local(root)}> without a SOAP Body",
            remedy="tell the source's owner",
            zh=f"响应 <{local(root)}> 中没有 SOAP Body，请联系数源部门。",
            code="no_envelope",
        )
    return bodies[0]


def fault(element: etree._Element, table: Mapping[str, str] | None = None) -> OneMapError:
    """A ``soap:Fault`` as an error of ours. ``table``: pattern in its code or text → what it means."""
    parts = {local(child): "".join(child.itertext()).strip() for child in children(element)}
    code, message = parts.get("faultcode", "").rpartition(":")[2], parts.get("faultstring", "")
    if "Code" in parts:  # SOAP 1.2: the innermost code counts, its Sender and Receiver are 1.1's Client and Server
        codes = [one.text or "" for one in element.iter() if local(one) == "Value"]
        names = [name.strip().rpartition(":")[2] for name in codes]
        outer = {"Sender": "Client", "Receiver": "Server"}.get(names[0] if names else "", names[0] if names else "")
        code = names[-1] if len(names) > 1 and "." in names[-1] else ".".join([outer, *names[1:]])
        message = next(("".join(one.itertext()) for one in element.iter() if local(one) == "Text"), "")
    message = redact(" ".join(message.split()))[:200]
    text = f"fault {code or 'without a code'}: {message}"
    full = "".join(element.itertext())
    means = next((kind for pattern, kind in (table or {}).items() if re.search(pattern, f"{code} {full}")), None)
    if means == "empty":
        return NothingFound(
            text, remedy="nothing: the source has no rows here", zh=f"数源表示没有数据（{message}）。", code=code
        )
    if means == "authentication" or (means is None and (code.startswith("Client.Auth") or code in _SECURITY)):
        return AuthenticationError(
            text,
            remedy="check login and password of the Connection, and this machine's clock",
            zh=f"数源拒绝鉴权（{code}：{message}），请核对连接的用户名、密码，并检查本机时钟。",
            code=code,
        )
    if means == "smaller" or (means is None and code == "Server.Timeout"):
        return SlowPage(
            text,
            remedy="asked for again in smaller pages; if it lasts, lower size in the source's declaration",
            zh=f"数源查询超时（{message}），将以更小的页重新读取。",
            code=code,
        )
    # Axis puts the exception's class before its text
    wrong = code == "Server.userException" and _JAVA_CLASS.sub("", message).startswith("参数")
    ours = wrong or code.startswith("Client") or code in ("VersionMismatch", "MustUnderstand")
    if means == "configuration" or (means is None and ours):
        return ConfigurationError(
            text,
            remedy="our request is wrong: compare operation, parameters and size in the declaration with the contract",
            zh=f"数源认为请求有误（{code}：{message}），请对照接口约定检查数源声明中的操作、参数与每页条数。",
            code=code,
        )
    return TransientError(
        text,
        remedy="tried again by itself; if it lasts, tell the source's owner",
        zh=f"数源报错（{code}：{message}），将自动重试；如持续，请联系数源部门。",
        code=code or "soap_fault",
    )


def _looks_like_envelope(content: bytes) -> bool:
    """Whether the bytes begin as XML with an Envelope in it, in whatever encoding of ours."""
    head = content[:4096].replace(b"\0", b"")
    return b"Envelope" in head and b"<html" not in head.lower()
