"""A drop over SFTP: a file, then its manifest ``<name>.manifest.json`` (rows, size, SHA-256), each whole before it has its name. With
``receipt: file`` the receiver's ``<name>.receipt.json`` says what was taken; without, what stands there with the right size is taken.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from connectors.base import CheckLine
from connectors.transports.sftp import Sftp
from core.errors import OneMapError, ProviderError
from serving.push.choose import filled
from serving.push.ledger import Row
from serving.push.receivers import Call, Outcome, lines, read, rows_of
from serving.push.receivers.rest import receipt
from sinks.declaration import RestOutput

_RECEIPT = 16 << 20  # bytes of a receipt at most


def form(call: Call, rows: list[Row]) -> bytes:
    """The file: a workbook, CSV (UTF-8 with BOM, as Excel reads it) or JSON Lines."""
    items = rows_of(call.output, rows, call.batch.id, call.batch.made_at)
    if call.options.format == "jsonl":
        return lines(items)
    names = list(call.output.cells)
    if call.options.format == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(items)
        return b"\xef\xbb\xbf" + text.getvalue().encode()
    return _workbook(call, names, items)


def _workbook(call: Call, names: list[str], rows: list[dict[str, str | None]]) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": call.batch.made_at.replace(tzinfo=None)})
    sheet = book.add_worksheet(call.batch.period or call.output.name[:31])
    bold = book.add_format({"bold": True})
    head = 0
    if call.options.title:
        sheet.write_string(0, 0, filled(call.options.title, {"period": call.batch.period}), bold)
        head = 1
    for column, name in enumerate(names):
        sheet.write_string(head, column, name, bold)
        widest = max([len(name) * 2, *(len(row[name] or "") for row in rows[:200])])
        sheet.set_column(column, column, min(max(widest + 2, 8), 48))
        for number, row in enumerate(rows, head + 1):
            if (value := row[name]) is not None:
                sheet.write_string(number, column, value)
    sheet.freeze_panes(head + 1, 0)
    sheet.autofilter(head, 0, head + max(len(rows), 1), len(names) - 1)
    book.close()
    return out.getvalue()


def send(call: Call, body: bytes) -> Outcome | None:
    """Lay it down: the same file again is the same file. :raises OneMapError: the server is away, or does not let us write."""
    name = call.batch.name
    manifest = {
        "batch": call.batch.id,
        "file": name,
        "rows": call.batch.sent,
        "size": len(body),
        "sha256": call.batch.body_sha256,
        "made_at": call.batch.made_at.isoformat(),
        "period": call.batch.period,
        "revision": call.batch.revision,
    }
    content = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
    sftp, root = _open(call)
    try:
        sftp.put(f"{root}/{name}", body)
        sftp.put(f"{root}/{name}.manifest.json", content)
    finally:
        sftp.close()
    return Outcome(receipt=content) if call.options.receipt == "none" else None


def collect(call: Call, body: bytes) -> Outcome | None:
    """The receiver's receipt; None: it is not there yet. :raises ProviderError: it does not account for every row."""
    name = f"{call.batch.name}.receipt.json"
    sftp, root = _open(call)
    try:
        entry = next((one for one in sftp.list(root) if one.name == name), None)
        if entry is None:
            return None
        if entry.size > _RECEIPT:
            raise ProviderError(f"{call.name}: the receipt {name} is too large", zh=f"回执 {name} 过大。")
        content = sftp.small(entry, _RECEIPT)
    finally:
        sftp.close()
    options = RestOutput(path=name, key=call.options.key)  # a receipt is written as a service's answer is by default
    return receipt(_rows(call, body), content, options, call.name)


def _rows(call: Call, body: bytes) -> list[dict[str, Any]]:
    """The rows of the file that was laid down, by the column that a receipt names."""
    if call.options.format == "jsonl":
        return read(body)
    if call.options.format == "csv":
        return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    import openpyxl

    sheet = openpyxl.load_workbook(io.BytesIO(body), read_only=True).worksheets[0]
    cells = sheet.iter_rows(min_row=2 if call.options.title else 1, values_only=True)
    names = [str(name) for name in next(cells)]
    return [dict(zip(names, row, strict=False)) for row in cells]


def check(call: Call) -> list[CheckLine]:
    """Whether we get in, and the folder is there."""
    try:
        sftp, root = _open(call)
        try:
            count = len(sftp.list(root))
        finally:
            sftp.close()
        return [CheckLine(call.name, True, f"{root}: {count} files")]
    except OneMapError as error:
        return [CheckLine.failed(call.name, error)]


def _open(call: Call) -> tuple[Sftp, str]:
    return Sftp(call.endpoint, timeout=call.sink.timeout.total_seconds()), str(
        call.endpoint.extra.get("root") or "."
    ).rstrip("/")
