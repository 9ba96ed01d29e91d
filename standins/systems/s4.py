"""S4 ground: readings of site devices by local day (contracts/s4.schema.json)."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.connections import LOGINS
from standins.context import Context
from standins.forms import content, stamp, when
from standins.http import basic, json_answer
from standins.systems.m1 import cursor_of, error, position_of

PAGE = 1000
KEY = ("project_code", "device", "kind", "t")


class Readings:
    """GET /readings"""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.table = ctx.world.table("s4/reading", KEY, "t")

    def routes(self) -> list[Route]:
        return [Route("/readings", self.readings)]

    async def readings(self, request: Request) -> Response:
        """A day's readings, in the order in which they were taken."""
        if refused := basic(request, LOGINS["s_readings"], self.ctx.secret("s_readings")):
            return refused
        text = request.query_params.get("day", "")
        day = when(text) if len(text) == 10 else None
        if day is None:
            return error(400, "bad_day", "day 须为 yyyy-MM-dd")
        after = None
        if cursor := request.query_params.get("cursor"):
            position = position_of(cursor)
            if position is None or "after" not in position:
                return error(410, "cursor_expired", "游标已失效，请从头开始")
            after = (when(position["after"][0]), tuple(position["after"][1:]))
        rows = self.table.window(self.ctx.now(), day, day + timedelta(days=1))
        if after:
            rows = [row for row in rows if (row.time.replace(microsecond=0), row.key) > after]
        part = rows[:PAGE]
        if part and (fault := self.ctx.faults.take("s4", "late_row")):
            last = part[-1].data
            self.table.put({**last, "device": f"{last['device']}L", **fault.options.get("row", {})}, self.ctx.now())
        more = len(rows) > PAGE
        cursor = cursor_of({"after": [stamp(part[-1].time), *part[-1].key]}) if more else None
        return json_answer({"data": [content(row.data) for row in part], "next_cursor": cursor})
