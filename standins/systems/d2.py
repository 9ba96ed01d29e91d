"""D2 发展和改革局: SOAP 1.1 rpc/encoded, as an Axis 1.x service answers (contracts/d2.wsdl)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lxml import etree
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.connections import LOGINS
from standins.context import Context
from standins.forms import dice, when
from standins.http import basic
from standins.systems import soap
from standins.systems.soap import SoapFault
from standins.told import Row

USER = LOGINS["d_reform"]
SERVICE = "http://service.fgj.dg.gov.cn"
MODEL = "http://model.fgj.dg.gov.cn"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
COUNT_CAP = 100
FIELDS = (
    "projectCode",
    "projectName",
    "applyOrgan",
    "applyOrganCode",
    "totalInvest",
    "filingDate",
    "industryCode",
    "place",
)


class Projects:
    """ProjectQuery"""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.table = ctx.world.table("d2/projects", ["projectCode"], "filingDate")

    def routes(self) -> list[Route]:
        return [
            Route("/services/ProjectQuery", self.describe, methods=["GET"]),
            Route("/services/ProjectQuery", self.call, methods=["POST"]),
        ]

    def _refuse(self, request: Request) -> Response | None:
        return basic(request, USER, self.ctx.secret("d_reform"))

    async def describe(self, request: Request) -> Response:
        """GET ?wsdl; ``soap:address`` names a host that only the office's own network has."""
        if refused := self._refuse(request):
            return refused
        if self.ctx.faults.take("d2", "moved_wsdl"):
            return Response(b"", 404)
        if "wsdl" not in {name.lower() for name in request.query_params}:
            return Response("ProjectQuery", media_type="text/plain")
        document = soap.contract("d2.wsdl").replace("http://localhost/services", "http://fgj-app01:8080/axis/services")
        return Response(document.encode(), media_type="text/xml")

    async def call(self, request: Request) -> Response:
        """POST: getProjects"""
        if refused := self._refuse(request):
            return refused
        try:
            operation = soap.operation(soap.parse(await request.body()))
            if etree.QName(operation).localname != "getProjects":
                raise SoapFault("Server.userException", "java.lang.NoSuchMethodException")
            if self.ctx.faults.take("d2", "busy"):
                raise SoapFault("Server.userException", "java.sql.SQLException: 连接池已满")
            return self._projects(soap.parameters(operation))
        except SoapFault as error:
            return soap.fault(error)

    def _projects(self, parameters: dict[str, str]) -> Response:
        start, end = (_day(parameters.get(name, "")) for name in ("beginDate", "endDate"))
        try:
            offset, count = int(parameters["start"]), int(parameters["count"])
        except (KeyError, ValueError) as error:
            raise SoapFault("Server.userException", "参数 start、count 须为整数") from error
        if offset < 0 or not 1 <= count <= COUNT_CAP:
            raise SoapFault("Server.userException", "参数 count 须在 1 至 100 之间")
        if self.ctx.faults.take("d2", "short_page"):
            count = max(1, count // 2)
        rows = self.table.window(self.ctx.now(), start, end)[offset : offset + count]
        return self._answer(rows, offset)

    def _answer(self, rows: list[Row], offset: int) -> Response:
        doctype, mark = "", ""
        if fault := self.ctx.faults.take("d2", "xxe", "billion_laughs"):
            doctype, mark = (soap.XXE, "&secret;") if fault.kind == "xxe" else (soap.LAUGHS, "&i;")
            doctype = doctype.replace("DOCTYPE x", "DOCTYPE soapenv:Envelope")
        head = f'<ns1:getProjectsResponse soapenv:encodingStyle="{ENCODING}" xmlns:ns1="{SERVICE}">'
        if not rows:  # the end: nil or an empty array
            nil = (offset // COUNT_CAP) % 2 == 0
            answer = (
                '<getProjectsReturn xsi:nil="true"/>'
                if nil
                else f'<getProjectsReturn soapenc:arrayType="ns2:ProjectInfo[0]" xsi:type="soapenc:Array" '
                f'xmlns:ns2="{MODEL}" xmlns:soapenc="{ENCODING}"/>'
            )
            return soap.envelope(f"{head}{answer}</ns1:getProjectsResponse>", doctype=doctype)
        refs = self.ctx.quirks and (offset // COUNT_CAP) % 2 == 0  # Axis writes either way
        items, parts = [], []
        length = len(rows)
        for number, row in enumerate(rows):
            fate = dice(row.key)
            fields = "".join(self._field(name, row.data, fate, mark if number == 0 else "") for name in FIELDS)
            if refs:
                items.append(f'<getProjectsReturn href="#id{number}"/>')
                parts.append(
                    f'<multiRef id="id{number}" soapenc:root="0" soapenv:encodingStyle="{ENCODING}" '
                    f'xsi:type="ns2:ProjectInfo" xmlns:soapenc="{ENCODING}" xmlns:ns2="{MODEL}">{fields}</multiRef>'
                )
            else:
                typed = "" if self.ctx.quirks and fate % 3 == 0 else ' xsi:type="ns2:ProjectInfo"'
                items.append(f"<getProjectsReturn{typed}>{fields}</getProjectsReturn>")
        if self.ctx.quirks and offset % (2 * COUNT_CAP) == COUNT_CAP:
            items.append('<getProjectsReturn xsi:nil="true"/>')
            length += 1
        array = (
            f'<getProjectsReturn soapenc:arrayType="ns2:ProjectInfo[{length}]" xsi:type="soapenc:Array" '
            f'xmlns:ns2="{MODEL}" xmlns:soapenc="{ENCODING}">{"".join(items)}</getProjectsReturn>'
        )
        return soap.envelope(f"{head}{array}</ns1:getProjectsResponse>{''.join(parts)}", doctype=doctype)

    def _field(self, name: str, row: dict[str, Any], fate: int, mark: str) -> str:
        value = row.get(name)
        if value is None or value == "":
            return f'<{name} xsi:nil="true"/>' if fate % 2 else (f"<{name}/>" if fate % 3 else "")
        if name == "totalInvest" and self.ctx.quirks and not isinstance(value, str):
            value = f"{value:,.2f}"
        typed = "" if self.ctx.quirks and (fate >> 4) % 3 == 0 else ' xsi:type="xsd:string"'
        return f"<{name}{typed}>{mark if name == 'projectName' else ''}{soap.text(value)}</{name}>"


def _day(text: str) -> datetime:
    day = when(text) if len(text) == 10 else None
    if day is None:
        raise SoapFault("Server.userException", "参数 beginDate、endDate 须为 yyyy-MM-dd")
    return day
