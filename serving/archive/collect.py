"""Everything of a project in the order of time: what happened, what was handed in, issued, seen from above, found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.clock import SHANGHAI
from schemas import entities
from serving.access import Grant, reading
from serving.archive import versions
from serving.query import projects
from serving.query.listing import Filter, select, value_of
from serving.report import dossier
from store.engine import transaction
from supervision.explain import EVENT_ZH, masked
from supervision.orders.life import STEP_ZH

#: entity → (kind in Chinese, columns that may hold its time, the first that is there)
DATED: dict[str, tuple[str, tuple[str, ...]]] = {
    "project": ("项目信息", ("submitted_at", "filing_date")),
    "enterprise": ("企业信息", ()),
    "engineering": ("工程", ()),
    "case": ("办件", ("concluded_at", "accepted_at", "submitted_at", "inserted_at")),
    "case_event": ("办件事件", ("at",)),
    "special_procedure": ("特别程序", ("started_at",)),
    "material": ("材料", ("inserted_at",)),
    "licence": ("证照", ("issued_at",)),
    "land_approval": ("用地批复", ("approved_at",)),
    "parcel": ("宗地", ("updated_at",)),
    "redline": ("用地红线", ("updated_at",)),
    "change_polygon": ("变化图斑", ("seen_after",)),
    "scene": ("影像", ("taken_at", "taken_from")),
    "national_task": ("国家平台任务", ()),
}
_DOCUMENTS = ("material", "licence", "land_approval")


@dataclass(slots=True)
class Archive:
    """``entries``: at (text, local; None: no time known), entity, kind, title, case_no, item_code, department, fields, source
    (feed, name, record_key, source_time, receipt, received_at, recorded_at, sha256, place, current). ``shapes``: GeoJSON features."""

    code: str
    as_of: date
    recorded: datetime | None
    project: dict[str, Any]
    sentence: str | None
    entries: list[dict[str, Any]]
    shapes: list[dict[str, Any]]
    receipts: list[dict[str, Any]]
    raw: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What folder or file is called."""
        recorded = f"_录至{self.recorded.astimezone(SHANGHAI):%Y%m%d%H%M%S}" if self.recorded else ""
        code = re.sub(r"[^0-9A-Za-z-]", "_", self.code)  # as some source wrote it: a name of a file holds no path
        return f"项目档案_{code}_{self.as_of:%Y%m%d}{recorded}"

    def of(self, *wanted: str) -> list[dict[str, Any]]:
        """Entries of some entities."""
        return [entry for entry in self.entries if entry["entity"] in wanted]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Materials, licences, approvals."""
        return self.of(*_DOCUMENTS)


def collect(grant: Grant, code: str, as_of: date | None = None, recorded: datetime | None = None) -> Archive | None:
    """The archive of a project, or None: there is no such project, or it is not shown.

    :param as_of: business time: what had happened by the end of that day; None: today.
    :param recorded: recorded time, with its zone: what the hub knew at that instant; None: all that it knows.
    """
    day = as_of or clock.today()
    with reading(grant) as connection:
        whole = projects.full(
            connection,
            code,
            [
                "cases",
                "licences",
                "land_approvals",
                "redlines",
                "parcels",
                "engineering",
                "scenes",
                "change_polygons",
                "findings",
                "orders",
            ],
        )
        if whole is None:
            return None
        steps = select(
            connection,
            "order_step",
            Filter().where("v.order_no = any(:nos)", nos=[o["no"] for o in whole["orders"]]),
            order="v.at, v.seq",
        )
    cases = [c["id"] for c in whole["cases"]]
    golden = [("project", code), *(("case", case) for case in cases)]
    for part, entity in (
        ("licences", "licence"),
        ("land_approvals", "land_approval"),
        ("redlines", "redline"),
        ("parcels", "parcel"),
        ("engineering", "engineering"),
        ("scenes", "scene"),
        ("change_polygons", "change_polygon"),
    ):
        golden += [(entity, row["id"]) for row in whole[part]]
    with transaction() as connection:
        known = versions.behind(connection, code, golden, cases, whole=grant.free, at=recorded)
        rows = versions.rows(connection, known)
        life = _life(connection, whole, recorded)
    sources = {v.record_id: _source(v) for v in known}
    until = datetime.combine(day, time.max)
    entries, shapes = [], []
    numbers = {c["case_no"] for c in whole["cases"]} | {
        n for c in whole["cases"] for n in (c["municipal_no"], c["department_no"]) if n
    }
    for entity, listed in rows.items():
        for row in listed:
            if entity == "item" or not _of_project(entity, row, code, numbers):
                continue
            entry = _entry(entity, row, sources[row["record_id"]], grant.personal)
            if entry["at"] is None or entry["at"] <= until.isoformat(sep=" "):
                entries.append(entry)
                shapes += _shapes(entity, row, entry)
    entries += _of_hub(life, steps, whole, until, recorded)
    entries.sort(
        key=lambda e: (
            e["at"] is not None,
            e["at"] or "",
            e["entity"],
            e["title"],
            str(e["source"].get("record_key", "")),
            str(e["fields"]),
        )
    )
    used = {e["source"].get("receipt") for e in entries}
    present = dossier.dossier(grant, code, as_of) if recorded is None else None
    return Archive(
        code,
        day,
        recorded,
        _project(whole["project"]),
        present.sentence if present else None,
        entries,
        shapes,
        [r for r in _receipts(known) if r["receipt"] in used],
        [{"feed": v.feed, "record_key": v.record_key, "current": v.current, "raw": v.raw} for v in known]
        if grant.personal
        else [],
    )


def _of_project(entity: str, row: dict[str, Any], code: str, numbers: set[str]) -> bool:
    """A record may hold rows of other projects as well: a sheet, a document about several."""
    if entity in ("land_approval", "redline", "engineering") and row.get("project_code") not in (None, code):
        return False
    if (
        entity in ("case_event", "special_procedure", "material")
        and row.get("case_no")
        and row["case_no"] not in numbers
    ):
        return entity != "material"  # events of nodes that the identity step joined carry other numbers
    return True


def _project(row: dict[str, Any]) -> dict[str, Any]:
    columns = (
        "project_code",
        "project_name",
        "filing_type",
        "applicant_name",
        "applicant_uscc",
        "town_code",
        "town_name",
        "total_invest",
        "industry_code",
        "place",
        "scope",
        "submitted_at",
        "agent",
    )
    return {name: row[name] for name in columns}


def _source(version: versions.Version) -> dict[str, Any]:
    return {
        "feed": version.feed,
        "name": dossier.feeds().get(version.feed, version.feed),
        "record_key": version.record_key,
        "source_time": _text(version.source_time),
        "receipt": version.receipt_id,
        "received_at": _text(version.received_at),
        "recorded_at": _text(version.recorded_at),
        "sha256": version.sha256,
        "place": version.place,
        "mapping_version": version.mapping_version,
        "current": version.current,
    }


def _receipts(known: list[versions.Version]) -> list[dict[str, Any]]:
    seen = {
        v.receipt_id: {
            "receipt": v.receipt_id,
            "feed": v.feed,
            "name": dossier.feeds().get(v.feed, v.feed),
            "received_at": _text(v.received_at),
            "sha256": v.sha256,
            "size": v.size,
            "signature": v.signature,
            "request": v.request,
        }
        for v in known
        if v.receipt_id
    }
    return [seen[number] for number in sorted(seen)]


def _entry(entity: str, row: dict[str, Any], source: dict[str, Any], personal: bool) -> dict[str, Any]:
    kind, times = DATED.get(entity, (entities.load(entity).zh, ()))
    declared = entities.load(entity).columns
    at = next((row[name] for name in times if row.get(name) is not None), None)
    fields = {}
    for name, column in declared.items():
        value = row.get(name)
        if value is not None and column.type != "geometry":
            hide = (column.personal or (name == "applicant_name" and row.get("applicant_type") == "1")) and not personal
            fields[name] = masked(value) if hide else value_of("text", value)
    return {
        "at": _text(at) or source["source_time"],
        "entity": entity,
        "kind": kind,
        "title": _title(entity, row),
        "case_no": row.get("case_no"),
        "item_code": row.get("item_code"),
        "department": row.get("department_name") or row.get("organ_name") or row.get("organ"),
        "fields": fields,
        "source": source,
    }


def _title(entity: str, row: dict[str, Any]) -> str:
    labels = dossier.labels
    match entity:
        case "case_event":
            step = row.get("step_name")
            return labels("event").get(row["event"] or "", row["event"] or "") + (f" {step}" if step else "")
        case "case":
            return (
                f"{row.get('item_name') or row.get('item_code') or '办件'}（{row.get('part') or row.get('channel')}）"
            )
        case "licence":
            return " ".join(t for t in (row.get("type_name") or row.get("title"), row.get("number")) if t)
        case "material":
            return row.get("name") or "材料"
        case "special_procedure":
            return row.get("name") or labels("pause_kind").get(row.get("kind") or "", "特别程序")
        case "land_approval":
            return row.get("approval_no") or ""
        case "scene":
            return row.get("scene_id") or ""
        case "change_polygon":
            return row.get("polygon_code") or ""
        case "parcel":
            return row.get("parcel_code") or ""
        case "redline":
            return row.get("redline_code") or ""
    return str(row.get("project_name") or row.get("name") or row.get("engineering_name") or "")


def _shapes(entity: str, row: dict[str, Any], entry: dict[str, Any]) -> list[dict[str, Any]]:
    if not row.get("geom"):
        return []
    geometry = value_of("geometry", row["geom"])
    about = {
        "kind": entry["kind"],
        "title": entry["title"],
        "at": entry["at"],
        "feed": entry["source"]["feed"],
        "record_key": entry["source"]["record_key"],
    }
    return [{"type": "Feature", "geometry": geometry, "properties": about}]


def _life(connection: Connection, whole: dict[str, Any], recorded: datetime | None) -> list[dict[str, Any]]:
    found = connection.execute(
        sa.text(
            """select e.seq, e.finding_id, e.at, e.as_of, e.event, e.why from supervision.finding_event e
               where e.finding_id = any(:ids) and (cast(:at as timestamptz) is null or e.at <= :at) order by e.seq"""
        ),
        {"ids": [f["id"] for f in whole["findings"]], "at": recorded},
    )
    return [dict(row) for row in found.mappings()]


def _of_hub(
    life: list[dict[str, Any]],
    steps: list[dict[str, Any]],
    whole: dict[str, Any],
    until: datetime,
    recorded: datetime | None,
) -> list[dict[str, Any]]:
    """Findings and work orders, which the hub itself writes down."""
    findings = {f["id"]: f for f in whole["findings"]}
    orders = {o["no"]: o for o in whole["orders"]}
    entries = []
    for row in life:
        finding = findings[row["finding_id"]]
        entries.append(
            {
                "at": row["as_of"].isoformat(),
                "entity": "finding",
                "kind": f"发现{EVENT_ZH.get(row['event'], row['event'])}",
                "title": finding["text"],
                "case_no": finding["case_no"],
                "item_code": finding["item_code"],
                "department": finding["department_name"],
                "fields": {
                    "id": finding["id"],
                    "rule": finding["rule"],
                    "evidence": finding["evidence"],
                    "why": row["why"],
                },
                "source": _hub("supervision.finding_event", row["seq"], row["at"]),
            }
        )
    for step in steps:
        order = orders[step["order_no"]]
        entries.append(
            {
                "at": step["at"][:19].replace("T", " "),
                "entity": "work_order",
                "kind": f"工单{STEP_ZH.get(step['step'], step['step'])}",
                "title": step["order_no"],
                "case_no": order["case_no"],
                "item_code": order["item_code"],
                "department": order["department_name"],
                "fields": {"by": step["by"], "why": step["why"]},
                "source": _hub("supervision.order_step", step["seq"], None),
            }
        )
    if recorded is not None:  # a step says when it happened, and is written down then
        limit = recorded.astimezone(SHANGHAI).replace(tzinfo=None).isoformat(sep=" ")
        entries = [t for t in entries if t["entity"] != "work_order" or t["at"] <= limit]
    return [t for t in entries if t["at"] <= until.isoformat(sep=" ")]


def _hub(feed: str, key: Any, at: Any) -> dict[str, Any]:
    return {
        "feed": feed,
        "name": "一张图枢纽",
        "record_key": str(key),
        "recorded_at": _text(at),
        "receipt": None,
        "received_at": None,
        "current": True,
    }


def _text(value: Any) -> str | None:
    """Local time as text that sorts; a date stays a date."""
    if isinstance(value, datetime):
        if value.tzinfo:
            value = value.astimezone(SHANGHAI).replace(tzinfo=None)
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else None
