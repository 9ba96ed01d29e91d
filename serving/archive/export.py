"""An archive as files: readable, and for programs; a manifest with the SHA-256 of each. The same content, the same bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError
from serving.archive.collect import Archive
from serving.render import template

_DATE = (1980, 1, 1, 0, 0, 0)  # no clock in the bytes


def files(whole: Archive) -> dict[str, bytes]:
    """Path → bytes of everything, with ``manifest.json`` and ``SHA256SUMS`` (for ``sha256sum -c``)."""
    about = {
        "project_code": whole.code,
        "project_name": whole.project["project_name"],
        "as_of": whole.as_of.isoformat(),
        "recorded": whole.recorded.isoformat() if whole.recorded else None,
        "position": whole.sentence,
        "entries": len(whole.entries),
        "personal_data": "included" if whole.raw else "masked",
    }
    contents = {
        "index.html": template("archive.html.j2").render(a=whole, about=about).encode(),
        "archive.json": _json({**about, "project": whole.project, "entries": whole.entries}),
        "timeline.csv": _table(
            (
                "时间",
                "类别",
                "标题",
                "办件编号",
                "事项编码",
                "部门",
                "来源",
                "数据流",
                "记录键",
                "回执号",
                "收到时间",
                "入库时间",
                "报文摘要",
            ),
            map(_line, whole.entries),
        ),
        "documents.csv": _table(
            ("时间", "类别", "名称", "编号或标识", "办件编号", "来源", "记录键", "回执号", "收到时间"),
            map(_document, whole.documents),
        ),
        "images.csv": _table(
            ("拍摄时间", "影像编号", "影像集", "平台", "云量", "分辨率 m", "资源", "记录键", "回执号", "收到时间"),
            map(_image, whole.of("scene")),
        ),
        "receipts.csv": _table(
            ("回执号", "来源", "数据流", "收到时间", "报文摘要 SHA-256", "字节数", "验签"),
            (
                (r["receipt"], r["name"], r["feed"], r["received_at"], r["sha256"], r["size"], r["signature"])
                for r in whole.receipts
            ),
        ),
        "shapes.geojson": _json({"type": "FeatureCollection", "features": whole.shapes}),
    }
    if whole.raw:
        contents["records.jsonl"] = b"".join(
            json.dumps({**r, "raw": json.loads(r["raw"])}, ensure_ascii=False, sort_keys=True).encode() + b"\n"
            for r in whole.raw
        )
    listed = [
        {"path": path, "size": len(contents[path]), "sha256": hashlib.sha256(contents[path]).hexdigest()}
        for path in sorted(contents)
    ]
    contents["manifest.json"] = _json({**about, "files": listed})
    digests = [
        *((f["sha256"], f["path"]) for f in listed),
        (hashlib.sha256(contents["manifest.json"]).hexdigest(), "manifest.json"),
    ]
    contents["SHA256SUMS"] = "".join(f"{digest}  {path}\n" for digest, path in digests).encode()
    return contents


def zipped(whole: Archive) -> bytes:
    """As a ZIP whose members lie in a folder of the archive's name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, content in sorted(files(whole).items()):
            member = zipfile.ZipInfo(f"{whole.name}/{path}", _DATE)
            member.compress_type, member.create_system, member.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def unfolded(whole: Archive, folder: Path) -> Path:
    """Into a folder, which must be new or empty. :raises ConfigurationError: something is in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"{folder} is not empty",
            remedy="name a new folder, or a file that ends in .zip",
            zh=f"{folder} 不是空目录，请另行指定。",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files(whole).items():
        (folder / path).write_bytes(content)
    return folder


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True, default=str).encode() + b"\n"


def _table(names: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> bytes:
    """CSV that spreadsheet programs open as it is meant: with a BOM, and no cell that they would compute."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _line(e: dict[str, Any]) -> tuple[Any, ...]:
    s = e["source"]
    return (
        e["at"],
        e["kind"],
        e["title"],
        e["case_no"],
        e["item_code"],
        e["department"],
        s.get("name"),
        s["feed"],
        s["record_key"],
        s.get("receipt"),
        s.get("received_at"),
        s.get("recorded_at"),
        s.get("sha256"),
    )


def _document(e: dict[str, Any]) -> tuple[Any, ...]:
    f, s = e["fields"], e["source"]
    return (
        e["at"],
        e["kind"],
        e["title"],
        f.get("number") or f.get("approval_no") or f.get("reference"),
        e["case_no"],
        s["name"],
        s["record_key"],
        s["receipt"],
        s["received_at"],
    )


def _image(e: dict[str, Any]) -> tuple[Any, ...]:
    f, s = e["fields"], e["source"]
    assets = "；".join(f"{name} {link}" for name, link in sorted((f.get("assets") or {}).items()))
    return (
        e["at"],
        e["title"],
        f.get("collection"),
        f.get("platform"),
        f.get("cloud_cover"),
        f.get("gsd"),
        assets,
        s["record_key"],
        s["receipt"],
        s["received_at"],
    )
