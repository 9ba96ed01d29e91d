"""SOAP answers in several parts: SOAP with Attachments, and MTOM (``multipart/related``, W3C XOP 1.0).

The envelope is the root part. What it includes by ``xop:Include`` stands in it again: text where the attachment is text,
else base64, as the schema had it before it was taken out.
"""

from __future__ import annotations

import base64
from email import message_from_bytes
from email.message import Message
from urllib.parse import unquote

from lxml import etree

from connectors.decoders import charsets, xml
from core.errors import ProviderError

_XOP = "{http://www.w3.org/2004/08/xop/include}Include"


def envelope(body: bytes, content_type: str | None) -> tuple[bytes, str | None]:
    """(the envelope, its content type); an answer of one part as it came.

    :raises ProviderError: it says that it has parts, and has not; or an include leads to none of them.
    """
    if not (content_type or "").lower().lstrip().startswith("multipart/"):
        return body, content_type
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = [part for part in message.walk() if not part.is_multipart()]
    if not message.is_multipart() or not parts:
        raise _broken("the answer says that it has parts, and has none")
    start = str(message.get_param("start") or "").strip("<>")
    root = next((part for part in parts if _id(part) == start), parts[0]) if start else parts[0]
    held, charset = _content(root), root.get_content_charset()
    kind = "text/xml" if charset is None else f"text/xml; charset={charset}"
    if b"Include" not in held:
        return held, kind
    tree = xml.parse(held, kind)
    by_id = {_id(part): part for part in parts}
    for include in list(tree.iter(_XOP)):
        part = by_id.get(unquote((include.get("href") or "").removeprefix("cid:")))
        parent = include.getparent()
        if part is None or parent is None:
            raise _broken(f"{include.get('href')} leads to no part of the answer")
        raw = _content(part)
        textual = part.get_content_maintype() == "text" or part.get_content_subtype().endswith("xml")
        text = charsets.decode(raw, [part.get_content_charset()]).text if textual else base64.b64encode(raw).decode()
        parent.remove(include)
        parent.text = text
    return etree.tostring(tree, encoding="utf-8", xml_declaration=True), "text/xml; charset=utf-8"


def _id(part: Message) -> str:
    return str(part.get("Content-ID") or "").strip().strip("<>")


def _content(part: Message) -> bytes:
    held = part.get_payload(decode=True)
    return held if isinstance(held, bytes) else b""


def _broken(what: str) -> ProviderError:
    return ProviderError(
        what,
        remedy="tell the source's owner: its multipart answer is broken",
        zh=f"多部分（MTOM）响应已损坏：{what}，请联系数源部门。",
        code="multipart_broken",
    )
