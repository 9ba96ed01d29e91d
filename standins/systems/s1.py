"""S1 parcels and red lines: WFS 2.0, GML 3.2 (contracts/s1.xsd), by key-value pairs (GET, or POST as a form).

The two layers are two temperaments that the contract allows: ``dg:parcel`` counts, gives ``next`` and speaks degrees;
``dg:redline`` says ``unknown`` (and 0 for hits), gives no ``next``, and speaks metres. Both cap a page below what is
asked.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import quoteattr

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.connections import LOGINS
from standins.context import Context
from standins.forms import dice, utc
from standins.http import BASES, basic
from standins.systems import gml, soap
from standins.told import Row

CAP = 100
LAYERS = {
    "parcel": ("ZDDM", "QLR", "MJ", "PROJECT_CODE", "GXSJ"),
    "redline": ("HXBH", "PROJECT_CODE", "XMMC", "MJ", "GXSJ"),
}
DEFAULT_CRS = {"parcel": "urn:ogc:def:crs:EPSG::4490", "redline": "urn:ogc:def:crs:EPSG::4547"}
FORMS = ("urn:ogc:def:crs:EPSG::{}", "http://www.opengis.net/def/crs/EPSG/0/{}", "EPSG:{}")
OWS = "http://www.opengis.net/ows/1.1"
FES = "http://www.opengis.net/fes/2.0"


class OwsError(Exception):
    """Answered as an ExceptionReport."""

    def __init__(self, code: str, locator: str, message: str) -> None:
        super().__init__(message)
        self.code, self.locator, self.message = code, locator, message


class Layers:
    """The service."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.tables = {name: ctx.world.table(f"s1/{name}", [columns[0]], "GXSJ") for name, columns in LAYERS.items()}

    def routes(self) -> list[Route]:
        """At the base itself, with and without a slash: the base is the service."""
        return [Route(BASES["s1"] + end, self.service, methods=["GET", "POST"]) for end in ("", "/")]

    async def service(self, request: Request) -> Response:
        """Every operation; parameter names count without case."""
        if refused := basic(request, LOGINS["s_wfs"], self.ctx.secret("s_wfs")):
            return refused
        pairs = list(request.query_params.multi_items())
        if request.method == "POST":
            pairs += parse_qsl((await request.body()).decode())
        query = {name.lower(): value for name, value in pairs}
        try:
            if fault := self.ctx.faults.take("s1", "exception_200", "exception_400"):
                return _report(
                    OwsError("NoApplicableCode", "", "服务内部错误"), 200 if fault.kind == "exception_200" else 400
                )
            if query.get("service", "WFS").upper() != "WFS":
                raise OwsError("InvalidParameterValue", "service", "service 须为 WFS")
            match query.get("request", "").lower():
                case "getcapabilities":
                    return _xml(self._capabilities(str(request.url).partition("?")[0]))
                case "describefeaturetype":
                    return Response(soap.contract("s1.xsd").encode(), media_type="application/gml+xml; version=3.2")
                case "getfeature":
                    return _xml(self._features(query, str(request.url).partition("?")[0]))
                case "":
                    raise OwsError("MissingParameterValue", "request", "缺少 request")
                case other:
                    raise OwsError("OperationNotSupported", other, f"没有操作 {other}")
        except OwsError as error:
            layer = query.get("typenames", "").rpartition(":")[2]
            return _report(error, 200 if self.ctx.quirks and layer == "redline" else 400)

    def _features(self, query: dict[str, str], address: str) -> str:
        layer = (query.get("typenames") or query.get("typename") or "").rpartition(":")[2]
        if layer not in LAYERS:
            raise OwsError("InvalidParameterValue", "typeNames", f"没有图层 {layer}")
        srs_name = query.get("srsname") or DEFAULT_CRS[layer]
        if gml.code_of(srs_name) is None:
            raise OwsError("InvalidParameterValue", "srsName", f"不支持坐标系 {srs_name}")
        try:
            count, start = int(query.get("count", CAP)), int(query.get("startindex", 0))
        except ValueError as error:
            raise OwsError("InvalidParameterValue", "count", "count、startIndex 须为整数") from error
        if count < 0 or start < 0:
            raise OwsError("InvalidParameterValue", "count", "count、startIndex 不得为负")

        rows = self._sorted(layer, query.get("sortby", ""))
        counts = not self.ctx.quirks or layer == "parcel"
        total = len(rows)
        if fault := self.ctx.faults.take("s1", "total_changes"):
            total += fault.options.get("by", 1)
        if query.get("resulttype", "").lower() == "hits":
            return _collection(total if counts else 0, 0, "", "", self._stamp())
        part = rows[start : start + min(count, CAP)]
        if part and (fault := self.ctx.faults.take("s1", "late_row")):
            key = LAYERS[layer][0]
            first = part[0].data
            self.tables[layer].put({**first, key: f"{first[key]}L", **fault.options.get("row", {})}, self.ctx.now())
        follow = ""
        if counts and start + len(part) < total and part:
            follow = " next=" + quoteattr(f"{address}?{urlencode({**query, 'startindex': start + len(part)})}")
        doctype, mark = "", ""
        if fault := self.ctx.faults.take("s1", "xxe", "billion_laughs"):
            doctype, mark = (soap.XXE, "&secret;") if fault.kind == "xxe" else (soap.LAUGHS, "&i;")
            doctype = doctype.replace("DOCTYPE x", "DOCTYPE wfs:FeatureCollection")
        wrong = self.ctx.faults.take("s1", "axis_swapped") is not None
        members = "".join(
            gml.feature(layer, LAYERS[layer], row.data, srs_name, quirks=self.ctx.quirks, wrong=wrong, mark=mark)
            for row in part
        )
        # geometries that name no system of their own follow the envelope's
        bounds = f"<wfs:boundedBy>{_envelope(part, srs_name, wrong)}</wfs:boundedBy>" if part else ""
        return _collection(total if counts else "unknown", len(part), follow, bounds + members, self._stamp(), doctype)

    def _stamp(self) -> str:
        return utc(self.ctx.now())

    def _sorted(self, layer: str, sort_by: str) -> list[Row]:
        rows = self.tables[layer].rows(self.ctx.now())
        name, _, order = sort_by.partition(" ")
        name = name.rpartition(":")[2]
        if not name:  # some order, the same at every page
            return sorted(rows, key=lambda row: dice(row.key))
        if name not in LAYERS[layer]:
            raise OwsError("InvalidParameterValue", "sortBy", f"没有字段 {name}")
        down = order.upper() in ("D", "DESC", "DESCENDING")
        return sorted(rows, key=lambda row: (str(row.data.get(name) or ""), row.key), reverse=down)

    def _capabilities(self, address: str) -> str:
        operations = "".join(
            f'<ows:Operation name="{name}"><ows:DCP><ows:HTTP><ows:Get xlink:href={quoteattr(address)}/></ows:HTTP></ows:DCP></ows:Operation>'
            for name in ("GetCapabilities", "DescribeFeatureType", "GetFeature")
        )
        types = "".join(
            f"<wfs:FeatureType><wfs:Name>dg:{layer}</wfs:Name><wfs:Title>{title}</wfs:Title>"
            f"<wfs:DefaultCRS>{DEFAULT_CRS[layer]}</wfs:DefaultCRS>"
            + "".join(
                f"<wfs:OtherCRS>{name}</wfs:OtherCRS>"
                for code in gml.CODES
                for form in FORMS
                if (name := form.format(code)) != DEFAULT_CRS[layer]
            )
            + "<ows:WGS84BoundingBox><ows:LowerCorner>113.52 22.65</ows:LowerCorner><ows:UpperCorner>114.27 23.15</ows:UpperCorner>"
            "</ows:WGS84BoundingBox></wfs:FeatureType>"
            for layer, title in (("parcel", "宗地"), ("redline", "用地红线"))
        )
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><wfs:WFS_Capabilities version="2.0.0" xmlns:wfs="{gml.WFS}" '
            f'xmlns:ows="{OWS}" xmlns:fes="{FES}" xmlns:dg="{gml.DG}" xmlns:xlink="http://www.w3.org/1999/xlink">'
            "<ows:ServiceIdentification><ows:Title>自然资源空间数据</ows:Title><ows:ServiceType>WFS</ows:ServiceType>"
            "<ows:ServiceTypeVersion>2.0.0</ows:ServiceTypeVersion></ows:ServiceIdentification>"
            f"<ows:OperationsMetadata>{operations}"
            f'<ows:Constraint name="CountDefault"><ows:NoValues/><ows:DefaultValue>{CAP}</ows:DefaultValue></ows:Constraint>'
            '<ows:Constraint name="ImplementsResultPaging"><ows:NoValues/><ows:DefaultValue>TRUE</ows:DefaultValue></ows:Constraint>'
            '<ows:Constraint name="ImplementsSorting"><ows:NoValues/><ows:DefaultValue>TRUE</ows:DefaultValue></ows:Constraint>'
            f"</ows:OperationsMetadata><wfs:FeatureTypeList>{types}</wfs:FeatureTypeList></wfs:WFS_Capabilities>"
        )


def _envelope(rows: list[Row], srs_name: str, wrong: bool) -> str:
    points = [
        p for r in rows if r.data.get("_geometry") for rings in gml.polygons(r.data["_geometry"]) for p in rings[0]
    ]
    if not points:
        return f"<gml:Envelope srsName={quoteattr(srs_name)}><gml:lowerCorner>0 0</gml:lowerCorner><gml:upperCorner>0 0</gml:upperCorner></gml:Envelope>"
    corners = [[f(p[0] for p in points), f(p[1] for p in points)] for f in (min, max)]
    swap = gml.northing_first(srs_name) != wrong
    lower, upper = (gml.positions([corner], gml.code_of(srs_name) or "4490", swap) for corner in corners)
    return (
        f"<gml:Envelope srsName={quoteattr(srs_name)}><gml:lowerCorner>{lower}</gml:lowerCorner>"
        f"<gml:upperCorner>{upper}</gml:upperCorner></gml:Envelope>"
    )


def _collection(matched: int | str, returned: int, follow: str, members: str, stamp: str, doctype: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{doctype}<wfs:FeatureCollection xmlns:wfs="{gml.WFS}" '
        f'xmlns:gml="{gml.GML}" xmlns:dg="{gml.DG}" xmlns:xsi="{soap.XSI}" '
        f'numberMatched="{matched}" numberReturned="{returned}" timeStamp="{stamp}"{follow}>{members}</wfs:FeatureCollection>'
    )


def _report(error: OwsError, status: int) -> Response:
    locator = f" locator={quoteattr(error.locator)}" if error.locator else ""
    return _xml(
        f'<?xml version="1.0" encoding="UTF-8"?><ows:ExceptionReport version="2.0.0" xmlns:ows="{OWS}">'
        f'<ows:Exception exceptionCode="{error.code}"{locator}><ows:ExceptionText>{soap.text(error.message)}</ows:ExceptionText>'
        "</ows:Exception></ows:ExceptionReport>",
        status,
    )


def _xml(document: str, status: int = 200) -> Response:
    return Response(document.encode(), status, media_type="text/xml; subtype=gml/3.2")
