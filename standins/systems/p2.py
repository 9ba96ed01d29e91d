"""P2 省一网共享平台, file mode: zips of land approvals (用地批复) with their red lines as TXT (domain.md §5.2)."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from pyproj import Transformer
from shapely.geometry import Polygon
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from standins.context import Context
from standins.faults import Fault
from standins.forms import dice, stamp, when
from standins.http import BASES, json_answer
from standins.systems import archives, gateway, gml
from standins.systems.gateway import Gateway
from standins.told import Row

COLUMNS = ("批文号", "项目名称", "项目代码", "批准机关", "批准日期", "批准面积(公顷)", "用地单位", "更新时间")
SPOILING = ("truncated", "zip_bomb", "zip_slip", "gbk_broken")
PLAIN, OPEN, NO_J, UNIT, SHORT_COUNT, GBK = range(6)  # dialects of §5.2
DIALECTS = {"no_closing_point": OPEN, "area_with_unit": UNIT, "gbk": GBK}  # words of _quirk
_HEAD = """[属性描述]
格式版本号=
数据产生单位=东莞市自然资源局
数据产生日期={day}
坐标系=2000国家大地坐标系
几度分带=3
投影类型=高斯克吕格
计量单位=米
带号=38
精度=0.001
转换参数=,,,,,,
[地块坐标]
"""


@dataclass(frozen=True, slots=True)
class Packed:
    """A zip of the list."""

    name: str
    created: datetime
    body: bytes
    md5: str


class Files:
    """The list and the files."""

    def __init__(self, ctx: Context, gate: Gateway) -> None:
        self.ctx = ctx
        self.gate = gate
        self.table = ctx.world.table("p2/land_approval", ["_file", "批文号", "项目代码"], "更新时间")
        self._packed: dict[str, tuple[str, Packed]] = {}
        self._rows: list[Row] | None = None
        self._files: list[Packed] = []

    def routes(self) -> list[Route]:
        return [
            Route("/ebus/files/list", self.listing, methods=["POST"]),
            Route("/files/{name}", self.file, methods=["GET"]),
        ]

    async def listing(self, request: Request) -> Response:
        """POST /ebus/files/list"""
        faults = self.ctx.faults
        if refused := self.gate.refuse("p2", request):
            return refused
        if fault := faults.take("p2", *gateway.ERRORS, path=request.url.path):
            return gateway.error_answer(fault)
        try:
            body, page, size, start, end = await gateway.window(request, "from", "to")
        except gateway.BadRequest as error:
            return gateway.inner_error("E-400", 400, str(error))
        if body.get("feed") != "land_approval":
            return gateway.inner_error("E-106", 403, "请求不存在于授权列表")
        files = [f for f in self.files() if (not start or f.created >= start) and (not end or f.created < end)]
        fault = faults.take("p2", "empty_list", "total_changes", "repeat_page", path=request.url.path)

        def row(file: Packed) -> dict[str, Any]:
            path = f"{BASES['p2']}/files/{quote(file.name)}"
            if self.ctx.quirks and dice(file.name) % 2:
                path = f"{request.url.scheme}://{request.url.netloc}{path}"
            length: int | str = len(file.body)
            if self.ctx.quirks and dice(file.name) % 3 == 0:
                length = str(length)
            return {"name": file.name, "size": length, "md5": file.md5, "createTime": stamp(file.created), "url": path}

        return gateway.paged(files, page, size, fault, row, self.ctx.quirks and page % 2 == 0)

    async def file(self, request: Request) -> Response:
        """GET the zip, whole or from a byte on."""
        if refused := self.gate.refuse("p2", request):
            return refused
        if fault := self.ctx.faults.take("p2", "quota_429", path=request.url.path):
            return gateway.error_answer(fault)
        name = request.path_params["name"]
        file = next((f for f in self.files() if f.name == name), None)
        if file is None:
            return json_answer({"errcode": "-1", "errmsg": "文件不存在"}, 404)
        body = file.body
        if fault := self.ctx.faults.take("p2", *SPOILING, path=request.url.path):
            body = self._spoiled(name, body, fault)
        headers = {"ETag": f'"{file.md5}"', "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if_range = request.headers.get("if-range")
        if not wanted or self.ctx.faults.take("p2", "no_range") or (if_range and if_range != headers["ETag"]):
            return Response(body, 200, headers, "application/zip")
        first = int(wanted[1])
        last = min(int(wanted[2] or len(body) - 1), len(body) - 1)
        if first >= len(body) or last < first:
            return Response(b"", 416, {**headers, "Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return Response(body[first : last + 1], 206, headers, "application/zip")

    def files(self) -> list[Packed]:
        """The zips visible now, by createTime and name; made anew only where their rows changed."""
        rows_now = self.table.rows(self.ctx.now())
        if rows_now is self._rows:  # the table gives the same list as long as it shows the same rows
            return self._files
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in rows_now:
            grouped.setdefault(str(row.data.get("_file") or "land_approval.zip"), []).append(row.data)
        files = []
        for name, rows in grouped.items():
            digest = hashlib.sha256(repr(rows).encode()).hexdigest()
            known = self._packed.get(name)
            if known is None or known[0] != digest:
                body = archives.pack(self._entries(name, rows), gbk_names=self.ctx.quirks and dice(name) % 2 == 1)
                created = max(when(row.get("_at")) or when(row.get("更新时间")) or datetime.min for row in rows)
                known = self._packed[name] = (digest, Packed(name, created, body, hashlib.md5(body).hexdigest()))
            files.append(known[1])
        self._rows, self._files = rows_now, sorted(files, key=lambda file: (file.created, file.name))
        return self._files

    def _spoiled(self, name: str, body: bytes, fault: Fault) -> bytes:
        if fault.kind != "gbk_broken":
            return archives.spoil(body, fault, "批文.csv")
        rows = [row.data for row in self.table.rows(self.ctx.now()) if row.data.get("_file") == name]
        return archives.pack(self._entries(name, [{**row, "_quirk": "gbk_broken"} for row in rows]))

    def _entries(self, name: str, rows: list[dict[str, Any]]) -> dict[str, bytes]:
        fate = dice(name) if self.ctx.quirks else 0
        entries = {"批文.csv": _csv(rows, fate)}
        for row in rows:
            quirk = str(row.get("_quirk") or "")
            if row.get("_geometry") and "no_txt" not in quirk:
                number = str(row["批文号"]).replace("/", "_")
                if fate % 5 == 4:
                    number = number.replace("（", "(").replace("）", ")")
                entries.setdefault(f"红线/{number}.txt", red_line(row, quirks=self.ctx.quirks))
        return entries


def _csv(rows: list[dict[str, Any]], fate: int) -> bytes:
    columns = list(COLUMNS)
    turn = fate % len(columns)
    columns = columns[turn:] + columns[:turn]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n" if fate % 3 == 1 else "\r\n")
    wide = str.maketrans("()", "（）")
    writer.writerow([name.translate(wide) if fate % 2 else name for name in columns])
    for row in rows:
        values = {name.replace("（", "(").replace("）", ")"): value for name, value in row.items()}
        writer.writerow(["" if values.get(name) is None else values[name] for name in columns])
    body = text.getvalue().encode("gb18030")
    broken = [row for row in rows if "gbk_broken" in str(row.get("_quirk") or "")]
    for row in broken:
        name = str(row.get("项目名称") or "").encode("gb18030")
        body = body.replace(name, name[:2] + b"\xff\xff" + name[2:], 1)
    return body


@cache
def _survey() -> Transformer:
    return Transformer.from_crs("EPSG:4490", "EPSG:4526", always_xy=True)


def red_line(row: dict[str, Any], *, quirks: bool) -> bytes:
    """The survey TXT of a row's geometry, in one of the dialects of §5.2; ``_quirk`` may add an error."""
    number = str(row["批文号"])
    quirk = str(row.get("_quirk") or "")
    dialect = next((n for word, n in DIALECTS.items() if word in quirk), dice(number) % 6 if quirks else PLAIN)
    parts = [_HEAD.format(day=str(row.get("批准日期") or "")[:10])]
    point = 0
    for place, rings in enumerate(gml.polygons(row["_geometry"]), 1):
        projected: list[list[tuple[float, float]]] = []
        for ring in rings:
            east, north = _survey().transform([p[0] for p in ring], [p[1] for p in ring])
            projected.append([(round(y, 3), round(x, 3)) for x, y in zip(east, north, strict=True)])
        hectares = Polygon(projected[0], projected[1:]).area / 10_000
        lines, count = [], 0
        for circle, points in enumerate(projected, 1):
            shown = points[:-1] if dialect == OPEN else points
            first = point + 1
            for position, (x, y) in enumerate(shown):
                closing = position == len(points) - 1
                label = first if closing else first + position
                if "no_zone" in quirk:
                    y = round(y - 38_000_000, 3)
                if "xy_swapped" in quirk:
                    x, y = y, x
                lines.append(f"{'' if dialect == NO_J else 'J'}{label},{circle},{x:.3f},{y:.3f}")
            point += len(points) - 1
            count += len(points) - (1 if dialect in (OPEN, SHORT_COUNT) else 0)
        if "wrong_count" in quirk:
            count += 3
        area = f"{hectares:.4f}" + ("公顷" if dialect == UNIT else "")
        name = str(row.get("项目名称") or "").replace(",", "，")
        parts.append(f"{count},{area},DK{place:03d},{name},面,F49G024093,工业用地,,@\n")
        parts.extend(line + "\n" for line in lines)
    text = "".join(parts)
    return text.replace("\n", "\r\n").encode("gb18030") if dialect == GBK else text.encode()
