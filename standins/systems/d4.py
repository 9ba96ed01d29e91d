"""D4 生态环境局: the zips of the file drop (contracts/d4-manifest.xsd, d4-cases.xsd)."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from standins.context import Context
from standins.faults import Fault
from standins.forms import dice, when
from standins.systems import archives, soap
from standins.systems.d1 import case_xml

NAMESPACE = "urn:dg:hb:case:2"
NAME = re.compile(r"HB_(\d{14})_(\d{3})\.zip$")


def time_of(name: str) -> datetime | None:
    """The time in a zip's name."""
    found = NAME.search(name)
    return datetime.strptime(found[1], "%Y%m%d%H%M%S") if found else None


def _shown_from(row: dict[str, Any]) -> datetime | None:
    times = [t for t in (when(row.get("GXSJ")), time_of(str(row.get("_file") or ""))) if t]
    return max(times, default=None)


class Zips:
    """path under /out → the bytes of the zip and of its .ok (None: there is none yet)."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.table = ctx.world.table("d4/cases", ["_file", "YWLSH"], _shown_from)

    def plan(self, now: datetime) -> dict[str, tuple[datetime, list[dict[str, Any]]]]:
        """path → (time of delivery, rows) of the zips with rows at ``now``; one whose time is to come is not there yet."""
        grouped: dict[str, list[dict[str, Any]]] = {}
        for row in self.table.rows(now):
            grouped.setdefault(str(row.data.get("_file") or ""), []).append(row.data)
        planned = {}
        for name, rows in grouped.items():
            at = time_of(name)
            if at is None:
                continue
            path = name if "/" in name else f"{at:%Y%m%d}/{name}"
            planned[path.removeprefix("/out/").lstrip("/")] = (at, rows)
        return planned

    def build(self, name: str, rows: list[dict[str, Any]], fault: Fault | None = None) -> tuple[bytes, bytes | None]:
        """Zip and .ok of the rows."""
        kind = fault.kind if fault else ""
        quirk = " ".join(str(row.get("_quirk") or "") for row in rows)
        fate = dice(name) if self.ctx.quirks else 0
        cases = cases_xml(rows, fate, kind, quirks=self.ctx.quirks)
        entries = {"cases.xml": cases}
        for row in rows:
            for href in row.get("FJ") or ():
                entries[href] = f"%PDF-1.4\n% {row['YWLSH']} {href}\n%%EOF\n".encode()
        listed = "".join(
            f"<file name={quoteattr(entry)}"
            + (f' rows="{len(rows)}"' if entry == "cases.xml" else "")
            + f' md5="{hashlib.md5(b"?" if kind == "bad_manifest" else body).hexdigest()}"/>'
            for entry, body in entries.items()
        )
        manifest = f'<?xml version="1.0" encoding="UTF-8"?><manifest>{listed}</manifest>'.encode()
        body = archives.pack({"manifest.xml": manifest, **entries}, gbk_names=fate % 3 == 1)
        ok = hashlib.md5(body).hexdigest().encode() if fate % 2 else b""
        if fault:
            body = archives.spoil(body, fault, "cases.xml")
        elif "truncated" in quirk:
            body = body[: len(body) // 2]
        return body, None if kind == "no_ok" or "no_ok" in quirk else ok


def cases_xml(rows: list[dict[str, Any]], fate: int, kind: str, *, quirks: bool) -> bytes:
    """cases.xml in GB18030; the prefix of the namespace is the packer's choice."""
    prefix = ("", "hb:", "n0:")[fate % 3]
    doctype, mark = "", ""
    if kind in ("xxe", "billion_laughs"):
        doctype, mark = (soap.XXE, "&secret;") if kind == "xxe" else (soap.LAUGHS, "&i;")
        doctype = doctype.replace("DOCTYPE x", f"DOCTYPE {prefix}CASES")
    attribute = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    cases = [
        case_xml(row, materials=True, mark=mark if number == 0 else "", quirks=quirks, prefix=prefix).encode("gb18030")
        for number, row in enumerate(rows)
    ]
    for number, row in enumerate(rows):
        if "gbk_broken" in str(row.get("_quirk") or "") or (kind == "gbk_broken" and number == 0):
            tag = f"<{prefix}SXMC>".encode()
            cases[number] = cases[number].replace(tag, tag + b"\xb9\xff\xff", 1)
    head = f'<?xml version="1.0" encoding="GB18030"?>{doctype}<{prefix}CASES {attribute}="{NAMESPACE}">'
    return head.encode("gb18030") + b"".join(cases) + f"</{prefix}CASES>".encode()
