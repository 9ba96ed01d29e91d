"""OGC API – Features, and vector tiles."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from core import settings
from serving import tiles
from serving.access import reading
from serving.api.common import TEXT, Asker, Json, look_back, some_of, words
from serving.api.describe import answers
from serving.api.guard import Guarded
from serving.features import service
from serving.parameters import OneOf
from serving.problems import Problem
from serving.sql.views import views

features = APIRouter(prefix="/features", tags=["空间 features"], route_class=Guarded, dependencies=[Depends(look_back)])
vector_tiles = APIRouter(prefix="/tiles", tags=["空间 tiles"], route_class=Guarded, dependencies=[Depends(look_back)])
GEOJSON = "application/geo+json"
Collection = Annotated[str, Path(max_length=64, pattern=TEXT, description="图层 · collection")]
F = Annotated[Literal["json"] | None, Query(description="格式，只有 json · format, json alone")]
Lang = Annotated[Literal["zh", "en"] | None, Query(description="语言 · language")]
Crs = Annotated[
    Annotated[str, OneOf(service.CRS)] | None, Query(description="坐标系，默认 CRS84 经度在前 · CRS, by default CRS84")
]
_NUMBER = r"-?[0-9]{1,9}(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?"
Box = Annotated[
    str | None,
    Query(
        pattern=f"^{_NUMBER}(,{_NUMBER}){{3}}((,{_NUMBER}){{2}})?$",
        description="西,南,东,北（可带高程，不起作用）· west,south,east,north; heights are let be; west > east crosses the antimeridian",
    ),
]
Properties = Annotated[
    str | None,
    some_of(
        {column.name for view, *_ in service.COLLECTIONS.values() for column in views()[view].columns},
        "只取这些属性 · only these properties",
    ),
]
Layers = Annotated[str | None, some_of(tiles.LAYERS, "只取这些图层 · only these layers")]


def base_of(request: Request) -> str:
    """Address under which the API is asked, whatever it is mounted under: the configured one, else the one that is listened
    at. What a client calls it (``Host``) may be anything and would come back to others through caches and logs."""
    name, port = request.scope.get("server") or ("localhost", None)
    default = {"http": 80, "https": 443}[request.url.scheme]
    listening = f"{request.url.scheme}://{name}" + (f":{port}" if port and port != default else "")
    return f"{settings.public_url() or listening}{request.scope.get('root_path', '')}"


def _answered(request: Request, asker: Asker, what: str, *names: str, media_type: str = "application/json") -> Response:
    document, headers = service.ask(request, asker, base_of(request) + "/features", what, *names)
    request.state.rows = document.get("numberReturned")
    document.pop("timeStamp", None)  # would give every answer another ETag
    return Json(document, headers=headers, media_type=media_type)


@features.get("", responses=answers("Any"), summary="入口 · landing page")
def landing(request: Request, asker: Asker, f: F = None, lang: Lang = None) -> Response:
    return _answered(request, asker, "landing")


@features.get("/conformance", responses=answers("Any"), summary="符合性 · conformance")
def conformance(request: Request, asker: Asker, f: F = None, lang: Lang = None) -> Response:
    return _answered(request, asker, "conformance")


@features.get("/collections", responses=answers("Any"), summary="图层列表 · collections")
def collections(request: Request, asker: Asker, f: F = None, lang: Lang = None) -> Response:
    return _answered(request, asker, "collections")


@features.get("/collections/{collection}", responses=answers("Any"), summary="图层 · a collection")
def collection(request: Request, asker: Asker, collection: Collection, f: F = None, lang: Lang = None) -> Response:
    return _answered(request, asker, "collections", collection)


@features.get(
    "/collections/{collection}/queryables",
    responses=answers("Any", media_type="application/schema+json"),
    summary="可查询属性 · queryables",
)
def queryables(request: Request, asker: Asker, collection: Collection, f: F = None, lang: Lang = None) -> Response:
    return _answered(request, asker, "queryables", collection, media_type="application/schema+json")


@features.get(
    "/collections/{collection}/items", responses=answers("Any", media_type=GEOJSON), summary="要素 · features"
)
def items(
    request: Request,
    asker: Asker,
    collection: Collection,
    bbox: Box = None,
    bbox_crs: Annotated[
        Annotated[str, OneOf(service.CRS)] | None, Query(alias="bbox-crs", description="bbox 的坐标系 · CRS of bbox")
    ] = None,
    crs: Crs = None,
    limit: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    offset: Annotated[int | None, Query(ge=0, le=10_000_000)] = None,
    datetime: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=100,
            pattern=TEXT,
            description="无时间属性，不起作用 · features have no time of their own",
        ),
    ] = None,
    resulttype: Annotated[
        Literal["hits", "results"] | None, Query(description="hits 只要总数 · hits: the count alone")
    ] = None,
    properties: Properties = None,
    skipGeometry: Annotated[bool | None, Query()] = None,  # noqa: N803 - the standard's name
    f: F = None,
    lang: Lang = None,
) -> Response:
    _known(request, collection)
    return _answered(request, asker, "items", collection, media_type=GEOJSON)


items.open_query = True  # type: ignore[attr-defined]  # any property of the collection filters
_RESERVED = {
    "bbox",
    "bbox-crs",
    "crs",
    "limit",
    "offset",
    "datetime",
    "resulttype",
    "properties",
    "skipGeometry",
    "f",
    "lang",
    *service.PAST,
}


def _known(request: Request, collection: str) -> None:
    """:raises Problem: a parameter that is neither the standard's nor a property."""
    found = service.COLLECTIONS.get(collection)
    if found is None:
        return
    allowed = _RESERVED | {column.name for column in views()[found[0]].columns}
    unknown = sorted(set(request.query_params) - allowed)
    if unknown:
        raise Problem(
            "unknown-parameter", f"不认识的参数：{'、'.join(unknown)}。", f"Not known here: {', '.join(unknown)}."
        )


@features.get(
    "/collections/{collection}/items/{feature}",
    responses=answers("Any", media_type=GEOJSON),
    summary="单个要素 · a feature",
)
def item(
    request: Request,
    asker: Asker,
    collection: Collection,
    feature: Annotated[str, Path(max_length=200, pattern=TEXT, description="编号 · id")],
    crs: Crs = None,
    f: F = None,
    lang: Lang = None,
) -> Response:
    return _answered(request, asker, "item", collection, feature, media_type=GEOJSON)


@vector_tiles.get("/tiles.json", responses=answers("Any"), summary="TileJSON")
def tile_json(request: Request, asker: Asker) -> Response:
    return JSONResponse(tiles.tilejson(base_of(request)))


@vector_tiles.get(
    "/{z}/{x}/{y}.mvt",
    responses={
        **answers("Any"),
        200: {
            "description": "矢量瓦片 · Mapbox Vector Tile",
            "content": {"application/vnd.mapbox-vector-tile": {"schema": {"type": "string", "format": "binary"}}},
        },
        204: {"description": "空瓦片 · nothing lies in it"},
    },
    summary="矢量瓦片 · a vector tile",
)
def tile(
    request: Request,
    asker: Asker,
    z: Annotated[int, Path(ge=0, le=tiles.MAX_ZOOM)],
    x: Annotated[int, Path(ge=0, lt=1 << tiles.MAX_ZOOM)],
    y: Annotated[int, Path(ge=0, lt=1 << tiles.MAX_ZOOM)],
    layers: Layers = None,
) -> Response:
    chosen = words(layers)
    if x >= 1 << z or y >= 1 << z:
        raise Problem("not-found", f"第 {z} 级没有瓦片 {x}/{y}。", f"Zoom {z} has no tile {x}/{y}.")
    with reading(asker) as c:
        body = tiles.tile(c, z, x, y, chosen)
    return Response(body, 200 if body else 204, media_type="application/vnd.mapbox-vector-tile" if body else None)
