"""P1 省一网共享平台, interface mode: signed REST in pages (contracts/p1.openapi.yaml)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.context import Context
from standins.forms import PLAIN, Dress, stamp
from standins.systems import gateway
from standins.systems.gateway import Gateway
from standins.told import Row, Table

KEYS = {"project_filing": "id", "enterprise": "uscc", "licence": "certificate_id"}
TIME = "updateTime"
FORMS = {
    "project_filing": Dress(
        "id",
        texts=("projectName", "place", "scope", "applyOrgan", "fullName", "projectType"),
        times=("submitDate", "finishDate", "expiryDate", TIME),
        numbers=("totalInvest",),
        keep=("projectCode", "applyOrganCode"),
    ),
    "enterprise": Dress(
        "uscc", texts=("name", "address"), times=("regDate", TIME), numbers=("regCapital",), keep=("legalPerson",)
    ),
    "licence": Dress(
        "certificate_id",
        texts=("certificate_type_name", "holder_name", "issue_org_name"),
        times=("issue_date", "valid_from", TIME),
        keep=("valid_to", "certificate_type_code", "certificate_number"),
    ),
}


class Interface:
    """The three services."""

    def __init__(self, ctx: Context, gate: Gateway) -> None:
        self.ctx = ctx
        self.gate = gate
        self.tables: dict[str, Table] = {
            service: ctx.world.table(f"p1/{service}", [key], TIME) for service, key in KEYS.items()
        }

    def routes(self) -> list[Route]:
        return [Route("/ebus/{service}/query", self.query, methods=["POST"])]

    async def query(self, request: Request) -> Response:
        """POST /ebus/{service}/query"""
        faults = self.ctx.faults
        if refused := self.gate.refuse("p1", request):
            return refused
        if fault := faults.take("p1", *gateway.ERRORS, path=request.url.path):
            return gateway.error_answer(fault)
        service = request.path_params["service"]
        table = self.tables.get(service)
        if table is None:
            return gateway.inner_error("E-106", 403, "请求不存在于授权列表")
        try:
            _, page, size, start, end = await gateway.window(request, "updatedFrom", "updatedTo")
        except gateway.BadRequest as error:
            return gateway.inner_error("E-400", 400, str(error))

        now = self.ctx.now()
        rows = table.window(now, start, end)
        fault = faults.take(
            "p1", "shift", "late_row", "empty_list", "total_changes", "repeat_page", path=request.url.path
        )
        dress = FORMS[service] if self.ctx.quirks else PLAIN
        digits = self.ctx.quirks and page % 2 == 0
        answer = gateway.paged(rows, page, size, fault, lambda row: dress(row.data), digits)
        if fault and fault.kind in ("shift", "late_row") and rows:  # after this page, before the next
            self._disturb(table, rows, KEYS[service], fault.kind, fault.options.get("row"))
        return answer

    def _disturb(self, table: Table, rows: list[Row], key: str, kind: str, row: dict[str, Any] | None) -> None:
        now = self.ctx.now()
        first = rows[0]
        if kind == "shift":  # updated now: leaves every window that ends now
            table.put({**first.data, TIME: stamp(now + timedelta(seconds=1))}, now)
        else:  # late: carries an old time, is visible from now on
            late = row or {**first.data, key: f"{first.data[key]}L"}
            table.put({TIME: first.data[TIME], **late}, now)
