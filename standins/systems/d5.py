"""D5 气象局 and 消防: the workbooks of the spreadsheet drop."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from itertools import groupby
from typing import Any

import xlsxwriter

from standins.context import Context
from standins.faults import Fault
from standins.forms import dice, serial, when
from standins.systems import archives, soap

OFFICES = {"weather": "气象局", "fire": "消防"}
COLUMNS = (
    "序号",
    "项目代码",
    "项目名称",
    "建设单位",
    "统一社会信用代码",
    "事项编码",
    "事项名称",
    "申办流水号",
    "受理日期",
    "办结日期",
    "结果",
    "文号",
)
PROJECT = COLUMNS[1:5]  # merged down over a project's rows
DATES = ("受理日期", "办结日期")
HEADER_ROW = 2  # row 3


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(row.get("_file") or ""),
        str(row.get("_sheet") or ""),
        str(row.get("申办流水号") or row.get("文号") or "").strip(),
    )


def _time(row: dict[str, Any]) -> datetime | None:
    return when(row.get("办结日期")) or when(row.get("受理日期"))


class Workbooks:
    """path under /out → the rows of a workbook, and its bytes."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.tables = {office: ctx.world.table(f"d5/{office}", _key, _time) for office in OFFICES}

    def plan(self, now: datetime) -> dict[str, tuple[datetime, list[dict[str, Any]]]]:
        """path → (time of delivery, rows) of the workbooks that stand in the drop at ``now``."""
        planned: dict[str, tuple[datetime, list[dict[str, Any]]]] = {}
        for table in self.tables.values():
            grouped: dict[str, list[tuple[datetime, dict[str, Any]]]] = {}
            for row in table.rows(now):
                shown = when(row.data.get("_at")) or row.time
                grouped.setdefault(str(row.data.get("_file") or ""), []).append((shown, row.data))
            for name, rows in grouped.items():
                if name.endswith(".xlsx"):
                    sent = max(shown for shown, _ in rows)  # each change sends it again, in the folder of its day
                    path = name if "/" in name else f"{sent:%Y%m%d}/{name}"
                    planned[path.removeprefix("/out/").lstrip("/")] = (sent, [row for _, row in rows])
        return planned

    def build(self, name: str, rows: list[dict[str, Any]], fault: Fault | None = None) -> bytes:
        """The workbook of the rows, one sheet a month."""
        buffer = io.BytesIO()
        book = xlsxwriter.Workbook(buffer, {"in_memory": True})
        book.set_properties({"created": datetime(2020, 1, 1)})
        title = book.add_format({"bold": True, "align": "center", "font_size": 14})
        middle = book.add_format({"valign": "vcenter"})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        rows = sorted(
            rows,
            key=lambda row: (
                str(row.get("_sheet") or ""),
                str(row.get("项目代码") or ""),
                str(row.get("申办流水号") or ""),
                str(row.get("文号") or ""),
            ),
        )
        for month, part in groupby(rows, key=lambda row: str(row.get("_sheet") or "")):
            sheet = book.add_worksheet(month or "Sheet1")
            office = name.rpartition("/")[2].partition("_")[0]
            sheet.merge_range(0, 0, 1, len(COLUMNS) - 1, f"{office}审批办件情况表（{month}）", title)
            sheet.write_row(HEADER_ROW, 0, COLUMNS)
            self._rows(sheet, list(part), middle, day)
        book.close()
        body = buffer.getvalue()
        return _spoiled(body, fault) if fault else body

    def _rows(self, sheet: Any, rows: list[dict[str, Any]], middle: Any, day: Any) -> None:
        line = HEADER_ROW + 1
        for code, group in groupby(rows, key=lambda row: str(row.get("项目代码") or "")):
            same = list(group)
            last = line + len(same) - 1
            for row in same:
                for column, name in enumerate(COLUMNS):
                    if name in PROJECT and code and len(same) > 1:
                        continue
                    value = line - HEADER_ROW if name == "序号" and row.get(name) is None else row.get(name)
                    self._cell(sheet, line, column, name, value, row, day)
                line += 1
            if code and len(same) > 1:
                for name in PROJECT:
                    column = COLUMNS.index(name)
                    value = next((row[name] for row in same if row.get(name) not in (None, "")), "")
                    sheet.merge_range(line - len(same), column, last, column, value, middle)

    def _cell(self, sheet: Any, line: int, column: int, name: str, value: Any, row: dict[str, Any], day: Any) -> None:
        if value is None or value == "":
            return
        quirk = str(row.get("_quirk") or "")
        if name in DATES and (moment := when(value)):
            as_serial = "excel_serial" in quirk or (
                self.ctx.quirks and "text_date" not in quirk and dice(row.get("申办流水号"), name) % 2
            )
            if isinstance(value, int | float) or as_serial:
                sheet.write_number(line, column, serial(moment), day)
                return
        if isinstance(value, int | float):
            sheet.write_number(line, column, value)
        else:
            sheet.write_string(line, column, str(value))


def _spoiled(body: bytes, fault: Fault) -> bytes:
    if fault.kind not in ("xxe", "billion_laughs", "gbk_broken"):
        return archives.spoil(body, fault, "xl/worksheets/sheet1.xml")
    doctype, mark = (soap.LAUGHS, "&i;") if fault.kind == "billion_laughs" else (soap.XXE, "&secret;")
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    strings = entries["xl/sharedStrings.xml"]
    if fault.kind == "gbk_broken":
        strings = strings.replace(b"<t>", b"<t>\xb9\xff", 1)
    else:
        head, _, rest = strings.partition(b"<sst")
        strings = (
            head
            + doctype.replace("DOCTYPE x", "DOCTYPE sst").encode()
            + b"<sst"
            + rest.replace(b"<t>", f"<t>{mark}".encode(), 1)
        )
    return archives.pack({**entries, "xl/sharedStrings.xml": strings})
