"""``serving.api.app:app``: the REST API. Mounted at /onemap/api by the Airflow plugin, or alone by ``onemap serve api``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from core.errors import ConfigurationError
from serving import rulebook
from serving.access import departments
from serving.api import care, docs, guide, insight, operations, plans, projects, space, tryout
from serving.api.describe import schemas
from serving.problems import KINDS, answer, refused

ABOUT = """
一张图数据服务：项目、办件、督办、证照、空间、变更。所有时间为东八区；个人信息默认脱敏；每次读取均记入审计日志。

OneMap's data for applications. Times carry their zone (+08:00); personal data are masked without the scope `read:personal`;
every read stands on the audit log. Listings are paged by cursor and refuse unknown parameters. See docs/api.md; interactive at `docs`.
"""

app = FastAPI(
    title="一张图 OneMap API",
    version="1.0.0",
    description=ABOUT,
    docs_url=None,
    redoc_url=None,
    openapi_url="/openapi.json",
)
for router in (
    projects.router,
    space.features,
    space.vector_tiles,
    guide.router,
    plans.router,
    insight.router,
    care.router,
    operations.router,
    tryout.router,
):
    app.include_router(router)
docs.mount(app)


@app.exception_handler(HTTPException)
async def _refused(request: Request, error: HTTPException) -> Response:
    return answer(request, refused(error))


_made = app.openapi


def _allowed() -> dict[str, list[str]]:
    """The values of parameters that declarations hold (serving.api.common.known); a broken rulebook leaves its own out."""
    codes = list(departments())
    found = {"department": [*codes, *(code[8:17] for code in codes)]}
    try:
        return {**found, "rule": list(rulebook.names())}
    except ConfigurationError:
        return found


def _described() -> dict[str, Any]:
    """FastAPI's description, with the schemas of the views and the ways to show a key."""
    if app.openapi_schema is None:
        document = _made()
        components = document.setdefault("components", {})
        sent = {model.__name__: model.model_json_schema() for model in (care.Note, care.HandOver)}
        components["schemas"] = schemas() | sent
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "om_…"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{"bearer": []}, {"key": []}]
        allowed = _allowed()
        for path in document["paths"].values():
            for operation in path.values():
                for parameter in operation.get("parameters", []):
                    if parameter["in"] == "query" and (words := allowed.get(parameter["name"])):
                        parameter["schema"] = {
                            "type": "string",
                            "enum": words,
                            "title": parameter["schema"].get("title", ""),
                        }
                operation["responses"].pop("422", None)  # reported as 400
                operation["responses"]["500"] = {
                    "description": KINDS["internal"][2],
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
        app.openapi_schema = document
    return app.openapi_schema


app.openapi = _described  # type: ignore[method-assign]
