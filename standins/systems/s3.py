"""S3 imagery: STAC API 1.0, item search by POST (contracts/s3.schema.json)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.context import Context
from standins.forms import content, when
from standins.http import json_answer
from standins.systems.m1 import cursor_of, position_of
from standins.systems.s2 import interval

COLLECTIONS = ("satellite", "uav")
LIMIT_CAP = 500
DEFAULT_LIMIT = 10
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"]


def _moment(item: dict[str, Any]) -> datetime | None:
    properties = item.get("properties") or {}
    return when(properties.get("datetime") or properties.get("start_datetime"))


def _span(item: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    properties = item.get("properties") or {}
    if properties.get("datetime"):
        moment = when(properties["datetime"])
        return moment, moment
    return when(properties.get("start_datetime")), when(properties.get("end_datetime"))


class Scenes:
    """The landing page and POST /search."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.table = ctx.world.table("s3/scene", ["collection", "id"], _moment)

    def routes(self) -> list[Route]:
        return [
            Route("/", self.landing),
            Route("/collections", self.collections),
            Route("/search", self.search, methods=["POST"]),
        ]

    async def landing(self, request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        links = [
            {"rel": "self", "href": base, "type": "application/json"},
            {"rel": "root", "href": base, "type": "application/json"},
            {"rel": "search", "href": f"{base}/search", "method": "POST", "type": "application/geo+json"},
        ]
        return json_answer(
            {
                "type": "Catalog",
                "id": "dg-imagery",
                "stac_version": "1.0.0",
                "description": "影像",
                "conformsTo": CONFORMS,
                "links": links,
            }
        )

    async def collections(self, request: Request) -> Response:
        described = [{"type": "Collection", "id": name, "stac_version": "1.0.0", "links": []} for name in COLLECTIONS]
        return json_answer({"collections": described, "links": []})

    async def search(self, request: Request) -> Response:
        """POST /search; a token stands for the place in the listing and, where it is sent alone, for the question."""
        try:
            body = await request.json()
            if not isinstance(body, dict):
                raise ValueError("not an object")
            place: dict[str, Any] = {"at": None}
            if token := body.get("token"):
                place = position_of(token) or {}
                if "at" not in place:
                    raise ValueError("token")
                body = {**(place.get("asked") or {}), **body}
            limit = min(int(body.get("limit", DEFAULT_LIMIT)), LIMIT_CAP)
            start, end = interval(body.get("datetime"))
        except (ValueError, TypeError, AttributeError) as error:
            return json_answer({"code": "InvalidParameterValue", "description": str(error)}, 400)
        if limit < 1:
            return json_answer({"code": "InvalidParameterValue", "description": "limit"}, 400)
        wanted = body.get("collections") or COLLECTIONS

        def fits(item: dict[str, Any]) -> bool:
            first, last = _span(item)
            if item.get("collection") not in wanted or first is None:
                return False
            return (end is None or first <= end) and (start is None or (last or first) >= start)

        rows = [row for row in self.table.rows(self.ctx.now()) if fits(row.data)]
        at = place["at"]
        if at is not None:  # keyset: late scenes do not shift what follows
            rows = [row for row in rows if [row.time.isoformat(), *row.key] > at]
        part = rows[:limit]
        if part and (fault := self.ctx.faults.take("s3", "late_row")):
            first = part[0].data
            self.table.put({**first, "id": f"{first['id']}L", **fault.options.get("row", {})}, self.ctx.now())
        links: list[dict[str, Any]] = [{"rel": "self", "href": str(request.url)}]
        if len(rows) > limit:
            links.append(self._next(request, body, [part[-1].time.isoformat(), *part[-1].key], limit))
        return json_answer(
            {"type": "FeatureCollection", "features": [self._item(row.data) for row in part], "links": links}
        )

    def _next(self, request: Request, body: dict[str, Any], at: list[str], limit: int) -> dict[str, Any]:
        link = {"rel": "next", "method": "POST", "type": "application/geo+json", "href": str(request.url)}
        merge = not self.ctx.quirks or limit % 2 == 0
        if merge:
            return {**link, "body": {"token": cursor_of({"at": at})}, "merge": True}
        asked = {name: body[name] for name in ("collections", "datetime", "limit") if name in body}
        return {**link, "body": {"token": cursor_of({"at": at, "asked": asked})}}

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        geometry = item.get("_geometry")
        document = content(item)
        if geometry is not None:
            document.setdefault("geometry", geometry)
        return {"type": "Feature", "stac_version": "1.0.0", "links": [], "assets": {}, **document}
