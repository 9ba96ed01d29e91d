"""The service around the provider: which collections there are, and pygeoapi's core asked without its own web server."""

from __future__ import annotations

import copy
import json
import logging
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from pygeoapi import api as core
from pygeoapi.api import itemtypes

from serving.access import Grant
from serving.features.provider import LEFT_OUT, asking
from serving.problems import Problem
from serving.sql.views import views

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
#: EPSG:4490 and 4326 have latitude first, as their authority says; CRS84 longitude
CRS = [
    CRS84,
    "http://www.opengis.net/def/crs/EPSG/0/4490",
    "http://www.opengis.net/def/crs/EPSG/0/4326",
    "http://www.opengis.net/def/crs/EPSG/0/3857",
]
PAST = ("known_at", "as_of")  # which past is read, of no concern to pygeoapi
CITY = [113.5, 22.6, 114.3, 23.2]
#: collection → (view, as, title, description)
COLLECTIONS: dict[str, tuple[str, str | None, dict[str, str], dict[str, str]]] = {
    "projects": (
        "project",
        "point",
        {"zh": "项目（点）", "en": "Projects as points"},
        {"zh": "红线内一点；无红线时为来源坐标", "en": "a point within the red line, else the source's coordinates"},
    ),
    "project_areas": (
        "project",
        "area",
        {"zh": "项目（面）", "en": "Projects as areas"},
        {"zh": "项目红线的并集", "en": "the union of a project's red lines"},
    ),
    "redlines": (
        "redline",
        None,
        {"zh": "用地红线", "en": "Red lines"},
        {"zh": "自然资源部门划定的用地红线", "en": "the boundary that a project may build in"},
    ),
    "parcels": ("parcel", None, {"zh": "宗地", "en": "Cadastral parcels"}, {"zh": "宗地", "en": "cadastral parcels"}),
    "change_polygons": (
        "change_polygon",
        None,
        {"zh": "变化图斑", "en": "Change polygons"},
        {"zh": "两期影像之间的变化", "en": "changes seen between two images"},
    ),
    "land_approvals": (
        "land_approval",
        None,
        {"zh": "用地批复", "en": "Land approvals"},
        {"zh": "用地批复的红线", "en": "the areas of land approvals"},
    ),
}
_SPOKEN = ("application/json", "application/geo+json", "application/schema+json")
_CONFORMS = (
    "/ogcapi-common-",
    "/ogcapi-features-1/1.0/conf/core",
    "/ogcapi-features-1/1.0/conf/geojson",
    "/ogcapi-features-2/",
)


def _config() -> dict[str, Any]:
    resources = {
        name: {
            "type": "collection",
            "title": title,
            "description": about,
            "keywords": {"zh": ["一张图"], "en": ["OneMap"]},
            "links": [],
            "extents": {"spatial": {"bbox": CITY, "crs": CRS84}},
            "providers": [
                {
                    "type": "feature",
                    "name": "serving.features.provider.Shapes",
                    "data": view,
                    "id_field": "id",
                    "title_field": "id",
                    "crs": CRS,
                    "storage_crs": CRS84,
                    "options": {"as": kind} if kind else None,
                }
            ],
        }
        for name, (view, kind, title, about) in COLLECTIONS.items()
    }
    return {
        "server": {
            "bind": {"host": "localhost", "port": 0},
            "url": "http://localhost",
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["zh", "en"],
            "gzip": False,
            "pretty_print": False,
            "limits": {"default_items": 100, "max_items": 10_000, "on_exceed": "throttle"},
        },
        "logging": {"level": "WARNING"},
        "metadata": {
            "identification": {
                "title": {"zh": "一张图空间数据", "en": "OneMap features"},
                "description": {
                    "zh": "项目、红线、宗地、变化图斑",
                    "en": "projects, red lines, parcels, change polygons",
                },
                "keywords": {"zh": ["一张图"], "en": ["OneMap"]},
                "keywords_type": "theme",
                "terms_of_service": "",
                "url": "http://localhost",
            },
            "license": {"name": "", "url": ""},
            "provider": {"name": "OneMap", "url": ""},
            "contact": {"name": "", "email": ""},
        },
        "resources": resources,
    }


@cache
def _api() -> core.API:
    level = logging.getLogger("pygeoapi").level
    api = core.API(_config(), {})
    # it tells every refused request as an error; the audit log has them
    logging.getLogger("pygeoapi").setLevel(level or logging.CRITICAL)
    return api


def ask(request: Request, grant: Grant, base: str, what: str, *names: str) -> tuple[dict[str, Any], dict[str, str]]:
    """(document, headers) of ``landing``, ``conformance``, ``collections``, ``queryables``, ``items`` or ``item``.

    :raises Problem: as pygeoapi refuses it.
    """
    functions = {
        "landing": core.landing_page,
        "conformance": core.conformance,
        "collections": core.describe_collections,
        "queryables": itemtypes.get_collection_queryables,
        "items": itemtypes.get_collection_items,
        "item": itemtypes.get_collection_item,
    }
    api = copy.copy(_api())
    api.base_url = base
    asked = core.APIRequest(request, api.locales)
    asked._format = "json"  # browsers ask for HTML, whose pages would call outside addresses
    asked._args = _parameters(request, names[0] if names else None)
    token = asking.set(grant)
    try:
        headers, status, content = functions[what](api, asked, *names)
    finally:
        asking.reset(token)
    document = json.loads(content)
    if status != HTTPStatus.OK:
        missing = document.get("code") == "NotFound" or status == HTTPStatus.NOT_FOUND
        text = str(document.get("description", ""))
        if status >= 500:
            raise Problem("internal", "空间服务出错。", "The feature service failed.")
        raise Problem(
            "not-found" if missing else "invalid-parameter",
            "没有可见的要素或图层。" if missing else f"请检查参数：{text}",
            text,
        )
    retained = {"Content-Crs": headers["Content-Crs"]} if "Content-Crs" in headers else {}
    spoken = _spoken(document, base, what)
    if past := {name: request.query_params[name] for name in PAST if name in request.query_params}:
        for link in spoken.get("links", []):  # the next page is of the same past
            if link["rel"] in ("self", "next", "prev"):
                link["href"] += f"{'&' if '?' in link['href'] else '?'}{urlencode(past)}"
    return spoken, retained


def _parameters(request: Request, collection: str | None) -> dict[str, str]:
    """What is passed on: a box by its corners in order, properties that the collection has, nothing that has no effect."""
    given = {name: value for name, value in request.query_params.items() if name not in ("datetime", *PAST)}
    if "bbox" in given:
        numbers = given["bbox"].split(",")
        west, south, east, north = numbers if len(numbers) == 4 else (numbers[0], numbers[1], numbers[3], numbers[4])
        given["bbox"] = ",".join((west, *sorted((south, north), key=float), east)[i] for i in (0, 1, 3, 2))
    else:
        given.pop("bbox-crs", None)
    if "properties" in given and collection in COLLECTIONS:
        known = views()[COLLECTIONS[collection][0]].by_name
        given["properties"] = (
            ",".join(name for name in given["properties"].split(",") if name in known and name not in LEFT_OUT) or "id"
        )
    return given


def _spoken(document: dict[str, Any], base: str, what: str) -> dict[str, Any]:
    """Without links to formats and documents that are not offered."""
    if what == "conformance":
        document["conformsTo"] = [
            c for c in document["conformsTo"] if any(part in c for part in _CONFORMS) and "/html" not in c
        ]
    for part in [document, *document.get("collections", [])]:
        if "links" in part:
            part["links"] = [
                link
                for link in part["links"]
                if link.get("type") in _SPOKEN
                and not any(
                    rest in link["href"]
                    for rest in (
                        "/processes",
                        "/jobs",
                        "/TileMatrixSets",
                        "/tileMatrixSets",
                        "f=jsonld",
                        "f=html",
                        "/schema",
                    )
                )
            ]
    if what == "landing":
        document["links"].append(
            {
                "rel": "service-desc",
                "type": "application/vnd.oai.openapi+json;version=3.1",
                "title": "OpenAPI",
                "href": base.removesuffix("/features") + "/openapi.json",
            }
        )
    return document
