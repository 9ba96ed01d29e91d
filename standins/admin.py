"""The faults of a running process by HTTP, for tests that cannot reach its memory.

``POST /admin/faults {"system","kind","times","skip","options"}`` arms, ``DELETE`` clears, ``GET`` lists; all with the
bearer token that ``serve`` prints beside the Connections.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.context import Context
from standins.http import ELSEWHERE, json_answer


def routes(ctx: Context) -> list[Route]:
    """The admin address, and the place that redirects to another host lead to."""

    async def faults(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {ctx.secret('admin')}".encode()):
            return json_answer({"error": "invalid_token"}, 401)
        if request.method == "DELETE":
            ctx.faults.clear(request.query_params.get("system"))
        elif request.method == "POST":
            try:
                asked = await request.json()
                options = asked.get("options") or {}
                ctx.faults.arm(
                    asked["system"], asked["kind"], times=asked.get("times", 1), skip=asked.get("skip", 0), **options
                )
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                return json_answer({"error": "bad_fault", "message": str(error)}, 400)
        return json_answer({"armed": ctx.faults.list()})

    async def elsewhere(request: Request) -> Response:
        return json_answer({"error": "a redirect to another host was followed"})

    return [
        Route("/admin/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route(ELSEWHERE + "/{rest:path}", elsewhere, methods=["GET", "POST"]),
    ]
