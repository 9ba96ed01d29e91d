"""D1 自然资源局: SOAP 1.1 document/literal behind WS-Security (contracts/d1.wsdl, d1.xsd, d1-answer.xsd)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.connections import LOGINS
from standins.context import Context
from standins.forms import dice, when
from standins.systems import soap
from standins.systems.soap import SoapFault
from standins.told import Row

USER = LOGINS["d_land"]
NAMESPACE = "urn:dg:nr:approval:1"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
CREATED_SECONDS = 300
NONCE_SECONDS = 600
PAGE_CAP = 200

FIELDS = (
    "YWLSH",
    "SBLSH_SHORT",
    "PROJECT_CODE",
    "SXBM",
    "SXMC",
    "SQRMC",
    "SQRZJHM",
    "SLSJ",
    "BJSJ",
    "BJJGDM",
    "ZJBH",
    "FZSJ",
)
STEPS = ("SPHJMC", "SPRXM", "SPSJ", "SPYJ")
MATERIALS = ("CLMC", "CLLX")


def digest(nonce: bytes, created: str, password: str) -> str:
    """PasswordDigest of UsernameToken Profile 1.0: Base64(SHA-1(nonce + created + password))."""
    return base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()


class Approvals:
    """ApprovalQuery"""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.cases = ctx.world.table("d1/cases", ["YWLSH"], "GXSJ")
        self._nonces: dict[str, float] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/services/ApprovalQuery", self.describe, methods=["GET"]),
            Route("/services/ApprovalQuery", self.call, methods=["POST"]),
        ]

    async def describe(self, request: Request) -> Response:
        """GET ?wsdl and ?xsd=1, open to all. ``soap:address`` names a host that only the office's own network has."""
        if self.ctx.faults.take("d1", "moved_wsdl"):
            return Response(b"", 404)
        query = {name.lower(): value for name, value in request.query_params.items()}
        if "xsd" in query:
            return Response(soap.contract("d1.xsd").encode(), media_type="text/xml")
        if "wsdl" not in query:
            return Response("ApprovalQuery", media_type="text/plain")
        if self.ctx.quirks and "wsdl" in request.query_params:  # one hop on the same host
            return Response(b"", 302, {"Location": f"{request.url.path}?WSDL"})
        document = soap.contract("d1.wsdl")
        document = document.replace('schemaLocation="d1.xsd"', f'schemaLocation="{request.url.path}?xsd=1"')
        document = document.replace("http://localhost/services", "http://10.194.7.21:8080/nr/services")
        return Response(document.encode(), media_type="text/xml")

    async def call(self, request: Request) -> Response:
        """POST: queryCases, getCaseDetail"""
        try:
            root = soap.parse(await request.body())
            self._authenticate(root)
            operation = soap.operation(root)
            if fault := self.ctx.faults.take("d1", "busy", "timeout"):
                code = {"busy": ("Server.Busy", "系统繁忙"), "timeout": ("Server.Timeout", "查询超时")}[fault.kind]
                raise SoapFault(*code)
            parameters = soap.parameters(operation)
            match etree.QName(operation).localname:
                case "queryCases":
                    return self._query(parameters)
                case "getCaseDetail":
                    return self._detail(parameters)
                case other:
                    raise SoapFault("Client", f"没有操作 {other}")
        except SoapFault as error:
            return soap.fault(error)

    def _authenticate(self, root: etree._Element) -> None:
        token = root.find(f"{{{soap.ENV}}}Header/{{{WSSE}}}Security/{{{WSSE}}}UsernameToken")
        refused = SoapFault("Client.Auth", "用户名令牌无效")
        if token is None:
            raise refused
        user = token.findtext(f"{{{WSSE}}}Username", "")
        given = token.findtext(f"{{{WSSE}}}Password", "")
        nonce64 = token.findtext(f"{{{WSSE}}}Nonce", "")
        created = token.findtext(f"{{{WSU}}}Created", "")
        try:
            nonce = base64.b64decode(nonce64, validate=True)
            moment = datetime.fromisoformat(created.replace("Z", "+00:00"))
            age = abs(self.ctx.faults.wall("d1") - moment.timestamp())
        except (ValueError, binascii.Error) as error:
            raise refused from error
        now = self.ctx.faults.wall("d1")
        right = user == USER and hmac.compare_digest(given, digest(nonce, created, self.ctx.secret("d_land")))
        if (
            not right
            or moment.tzinfo is None
            or age > CREATED_SECONDS
            or now - self._nonces.get(nonce64, 0) < NONCE_SECONDS
        ):
            raise refused
        if len(self._nonces) > 50_000:
            self._nonces = {used: at for used, at in self._nonces.items() if now - at < NONCE_SECONDS}
        self._nonces[nonce64] = now

    def _query(self, parameters: dict[str, str]) -> Response:
        start, end = parameters.get("beginTime", ""), parameters.get("endTime", "")
        bounds = [when(start), when(end)]
        try:
            page, size = int(parameters["pageNo"]), int(parameters["pageSize"])
        except (KeyError, ValueError) as error:
            raise SoapFault("Client.Param", "参数错误：pageNo、pageSize 须为整数") from error
        if (start and not bounds[0]) or (end and not bounds[1]):
            raise SoapFault("Client.Param", "参数错误：时间格式须为 yyyy-MM-dd HH:mm:ss")
        if page < 1 or not 1 <= size <= PAGE_CAP:
            raise SoapFault("Client.Param", "参数错误：pageNo 自 1 起，pageSize 不大于 200")
        limit = self.ctx.faults.armed("d1", "timeout_above")
        if limit and size > limit.options.get("size", 50):
            self.ctx.faults.take("d1", "timeout_above")
            raise SoapFault("Server.Timeout", "查询超时，请减小每页条数")
        rows = self.cases.window(self.ctx.now(), *bounds)
        part = rows[(page - 1) * size : page * size]
        total = len(rows)
        if fault := self.ctx.faults.take("d1", "total_changes"):
            total += fault.options.get("by", 1)
        return self._answer("queryCases", part, total, page)

    def _detail(self, parameters: dict[str, str]) -> Response:
        key = (parameters.get("YWLSH", "").strip(),)
        found = [row for row in self.cases.rows(self.ctx.now()) if row.key == key]
        return self._answer("getCaseDetail", found, len(found), 1, materials=True)

    def _answer(self, operation: str, rows: list[Row], total: int, page: int, *, materials: bool = False) -> Response:
        faults = self.ctx.faults
        doctype, mark = "", ""
        if fault := faults.take("d1", "xxe", "billion_laughs"):
            doctype, mark = (soap.XXE, "&secret;") if fault.kind == "xxe" else (soap.LAUGHS, "&i;")
            doctype = doctype.replace("DOCTYPE x", "DOCTYPE APPROVEDATAINFO")
        cases = "".join(case_xml(row.data, materials=materials, mark=mark, quirks=self.ctx.quirks) for row in rows)
        inner = (
            f'<?xml version="1.0" encoding="GBK"?>{doctype}'  # untrue: by the time it is read it is a string
            f'<APPROVEDATAINFO total="{total}" page="{page}">{cases}</APPROVEDATAINFO>'
        )
        body = (
            f'<ns2:{operation}Response xmlns:ns2="{NAMESPACE}"><ns2:return>{soap.text(inner)}</ns2:return>'
            f"</ns2:{operation}Response>"
        )
        broken = faults.armed("d1", "broken_gbk")
        if broken:
            victim = broken.options.get("ywlsh") or (rows[0].key[0] if rows else "")
            if any(row.key[0] == victim for row in rows):
                faults.take("d1", "broken_gbk")
                return _spoil(soap.envelope(body, encoding="gbk"), victim)
            return soap.envelope(body, encoding="gbk")
        if any("gbk_broken" in str(row.data.get("_quirk") or "") for row in rows):
            response = soap.envelope(body, encoding="gbk")
            for row in rows:
                if "gbk_broken" in str(row.data.get("_quirk") or ""):
                    response = _spoil(response, row.key[0])
            return response
        gbk = faults.take("d1", "gbk_envelope") or (self.ctx.quirks and page % 5 == 3)
        return soap.envelope(body, encoding="gbk" if gbk else "utf-8")


def _spoil(response: Response, ywlsh: str) -> Response:
    """Put bytes that no GBK has into the SXMC of a case."""
    whole = bytes(response.body)
    start = whole.index(f"&lt;YWLSH&gt;{ywlsh}".encode("gbk"))
    place = whole.find(b"SXMC&gt;", start)
    place = place + len(b"SXMC&gt;") if place > 0 else start + len(b"&lt;YWLSH&gt;") + len(ywlsh)
    body = whole[:place] + b"\xb9\xff\xff" + whole[place:]
    return Response(body, response.status_code, media_type=response.media_type)


def case_xml(row: dict[str, Any], *, materials: bool, mark: str = "", quirks: bool = False, prefix: str = "") -> str:
    """<CASE> in the order of the contract; ``mark`` is put raw into the first text, ``prefix`` before every name."""

    def element(name: str, value: Any, raw: str = "") -> str:
        if value is None or value == "":
            # null, "" and absent are equal
            return f"<{prefix}{name}/>" if quirks and dice(row.get("YWLSH"), name) % 2 else ""
        return f"<{prefix}{name}>{raw}{soap.text(value)}</{prefix}{name}>"

    def group(name: str, entries: Iterable[dict[str, Any]] | None, columns: tuple[str, ...]) -> str:
        return "".join(
            f"<{prefix}{name}>" + "".join(element(c, entry.get(c)) for c in columns) + f"</{prefix}{name}>"
            for entry in entries or ()
        )

    parts = [element(name, row.get(name), mark if name == "SXMC" else "") for name in FIELDS]
    parts.append(group("SPHJ", row.get("SPHJ"), STEPS))
    parts.append(element("GXSJ", row.get("GXSJ")))
    if materials:
        parts.append(group("CL", row.get("CL"), MATERIALS))
        parts.extend(f"<{prefix}FJ href={quoteattr(name)}/>" for name in row.get("FJ") or ())
    return f"<{prefix}CASE>{''.join(parts)}</{prefix}CASE>"
