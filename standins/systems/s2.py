"""S2 变化图斑: OGC API – Features in CRS84 (contracts/s2.schema.json)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from shapely import box
from shapely.geometry import shape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.context import Context
from standins.forms import PLAIN, Dress, utc, when
from standins.http import json_answer
from standins.told import Row

COLLECTION = "change"
LIMIT_CAP = 1000
DEFAULT_LIMIT = 10
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
FORM = Dress("JCBH", numbers=("MJ",), texts=("TZ",), keep=("SFYN", "SFHX", "TBLX", "XZQDM", "QSX", "HSX"))


class Changes:
    """The landing page, one collection, its items."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.table = ctx.world.table("s2/change", ["JCBH"], "HSX")

    def routes(self) -> list[Route]:
        return [
            Route("/", self.landing),
            Route("/conformance", self.conformance),
            Route("/collections", self.collections),
            Route("/collections/change", self.collection),
            Route("/collections/change/items", self.items),
            Route("/collections/change/items/{id}", self.item),
        ]

    async def landing(self, request: Request) -> Response:
        base = request.url.path.rstrip("/")
        links = [("self", base or "/"), ("conformance", f"{base}/conformance"), ("data", f"{base}/collections")]
        return json_answer(
            {"title": "变化图斑", "links": [{"rel": r, "href": h, "type": "application/json"} for r, h in links]}
        )

    async def conformance(self, request: Request) -> Response:
        base = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf"
        return json_answer({"conformsTo": [f"{base}/core", f"{base}/geojson"]})

    async def collections(self, request: Request) -> Response:
        base = request.url.path
        return json_answer(
            {"links": [{"rel": "self", "href": base}], "collections": [_described(f"{base}/{COLLECTION}")]}
        )

    async def collection(self, request: Request) -> Response:
        return json_answer(_described(request.url.path))

    async def item(self, request: Request) -> Response:
        key = (request.path_params["id"],)
        for row in self.table.rows(self.ctx.now()):
            if row.key == key:
                return _geojson(self._feature(row))
        return json_answer({"code": "NotFound", "description": "没有此图斑"}, 404)

    async def items(self, request: Request) -> Response:
        """GET …/items?datetime=&bbox=&limit=&offset="""
        query = request.query_params
        try:
            limit = min(int(query.get("limit", DEFAULT_LIMIT)), LIMIT_CAP)
            offset = int(query.get("offset", 0))
            area = [float(part) for part in query["bbox"].split(",")] if query.get("bbox") else None
            start, end = interval(query.get("datetime"))
        except ValueError as error:
            return json_answer({"code": "InvalidParameterValue", "description": str(error)}, 400)
        if limit < 1 or offset < 0 or (area is not None and len(area) not in (4, 6)):
            return json_answer({"code": "InvalidParameterValue", "description": "limit、offset、bbox"}, 400)
        rows = self.table.rows(self.ctx.now())
        if not self.ctx.faults.take("s2", "ignores_datetime"):
            rows = [row for row in rows if _meets(row.data.get("HSX"), start, end)]
        if area:
            low, high = area[: len(area) // 2], area[len(area) // 2 :]
            frame = box(*low[:2], *high[:2])
            rows = [row for row in rows if shape(row.data["_geometry"]).intersects(frame)]
        part = rows[offset : offset + limit]
        if part and (fault := self.ctx.faults.take("s2", "late_row")):
            first = part[0].data
            self.table.put({**first, "JCBH": f"{first['JCBH']}L", **fault.options.get("row", {})}, self.ctx.now())
        answer: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": [self._feature(row) for row in part],
            "numberReturned": len(part),
            "timeStamp": utc(self.ctx.now()),
            "links": [{"rel": "self", "type": "application/geo+json", "href": str(request.url)}],
        }
        if not self.ctx.quirks or offset == 0:  # numberMatched is optional
            answer["numberMatched"] = len(rows)
        if offset + limit < len(rows):
            target = "?" + urlencode({**query, "limit": limit, "offset": offset + limit})
            relative = self.ctx.quirks and (offset // limit) % 2 == 1
            href = target if relative else f"{request.url.scheme}://{request.url.netloc}{request.url.path}{target}"
            answer["links"].append({"rel": "next", "type": "application/geo+json", "href": href})
        return _geojson(answer)

    def _feature(self, row: Row) -> dict[str, Any]:
        dress = FORM if self.ctx.quirks else PLAIN
        properties = dress(row.data)
        return {"type": "Feature", "id": row.key[0], "geometry": row.data.get("_geometry"), "properties": properties}


def _described(href: str) -> dict[str, Any]:
    return {
        "id": COLLECTION,
        "title": "变化图斑",
        "itemType": "feature",
        "crs": [CRS84],
        "extent": {"spatial": {"bbox": [[113.52, 22.65, 114.27, 23.15]], "crs": CRS84}},
        "links": [{"rel": "items", "type": "application/geo+json", "href": f"{href}/items"}],
    }


def _geojson(data: Any) -> Response:
    response = json_answer(data)
    response.headers["content-type"] = "application/geo+json"
    return response


def _meets(hsx: Any, start: datetime | None, end: datetime | None) -> bool:
    """Does HSX, a day or a month, meet the closed interval? What has none cannot be judged by it, and is given."""
    first = when(hsx)
    if first is None:
        return True
    month = len(str(hsx)) == 6
    after = (first + timedelta(days=32)).replace(day=1) if month else first + timedelta(days=1)
    return (start is None or after > start) and (end is None or first <= end)


def interval(text: str | None) -> tuple[datetime | None, datetime | None]:
    """Closed bounds of a datetime parameter, local. :raises ValueError: it is none."""
    if not text:
        return None, None
    first, slash, second = text.partition("/")
    bounds = [None if part in ("", "..") else when(part) for part in ((first, second) if slash else (first, first))]
    if any(b is None and p not in ("", "..") for b, p in zip(bounds, (first, second if slash else first), strict=True)):
        raise ValueError(f"datetime: {text}")
    return bounds[0], bounds[1]
