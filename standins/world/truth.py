"""What is true as of the world's clock, for tests: the planted findings, their near misses, entities and counts.

Entities are known as far as some source shows them: they are taken from the files just written, joined with the truth.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from standins.world.lines import stamp
from standins.world.model import FAILED, FIRE_ITEMS, SYSTEM, Case, World

KEYS = {  # feed -> file, the columns that name a record
    "p1.project_filing": ("p1/project_filing", ("id",)),
    "p1.enterprise": ("p1/enterprise", ("uscc",)),
    "p1.licence": ("p1/licence", ("certificate_id",)),
    "p2.land_approval": ("p2/land_approval", ("批文号", "项目代码")),
    "m1.items": ("m1/items", ("item_code", "version")),
    "m1.projects": ("m1/projects", ("project_code",)),
    "p3.task": ("p3/up_task_general_basic", ("row_guid",)),
    "p3.accept": ("p3/up_pro_accept", ("row_guid",)),
    "p3.process": ("p3/up_pro_process", ("row_guid",)),
    "p3.result": ("p3/up_pro_result", ("row_guid",)),
    "p3.special": ("p3/up_pro_special_procedure", ("row_guid",)),
    "p3.licence": ("p3/up_lic_data", ("row_guid",)),
    "m2.sb": ("m2/EX_GDBS_SB", ("SBLSH_SHORT", "VERSION")),
    "m2.sl": ("m2/EX_GDBS_SL", ("SBLSH_SHORT", "VERSION")),
    "m2.spcl": ("m2/EX_GDBS_SPCL", ("SBLSH_SHORT", "SPHJDM", "SPSJ", "VERSION")),
    "m2.bzgz": ("m2/EX_GDBS_BZGZ", ("SBLSH_SHORT", "BZGZSJ", "VERSION")),
    "m2.tbcxsq": ("m2/EX_GDBS_TBCXSQ", ("SBLSH_SHORT", "TBCXKSRQ", "VERSION")),
    "m2.tbcxjg": ("m2/EX_GDBS_TBCXJG", ("SBLSH_SHORT", "TBCXJSRQ", "VERSION")),
    "m2.bj": ("m2/EX_GDBS_BJ", ("SBLSH_SHORT", "VERSION")),
    "m2.sbcl": ("m2/EX_GDBS_SBCL", ("SBLSH_SHORT", "SEQ", "VERSION")),
    "m2.spjg": ("m2/EX_GDBS_SPJG", ("SBLSH_SHORT", "SEQ", "VERSION")),
    "d1.cases": ("d1/cases", ("YWLSH",)),
    "d2.projects": ("d2/projects", ("projectCode",)),
    "d4.cases": ("d4/cases", ("YWLSH",)),
    **{
        f"d3.{name}{'_v3' if v else ''}": (f"d3/SPGL_{table}{v}", ("LSH",))
        for v in ("", "_V3")
        for name, table in (
            ("project", "XMJBXXB"),
            ("item", "XMSPSXBLXXB"),
            ("log", "XMSPSXBLXXXXB"),
            ("special", "XMSPSXBLTBCXXXB"),
            ("approval", "XMSPSXPFWJXXB"),
        )
    },
    "d3.permit": ("d3/SPGL_JZGCSGXKXXB", ("LSH",)),
    "d5.weather": ("d5/weather", ("申办流水号",)),
    "d5.fire": ("d5/fire", ("申办流水号",)),
    "s1.parcel": ("s1/parcel", ("ZDDM",)),
    "s1.redline": ("s1/redline", ("HXBH",)),
    "s2.change": ("s2/change", ("JCBH",)),
    "s3.scene": ("s3/scene", ("collection", "id")),
    "s4.reading": ("s4/reading", ("project_code", "device", "kind", "t")),
}
CASE_NUMBERS = {  # channel -> files and the column with the case's number
    "M2": (("m2/EX_GDBS_SB", "SBLSH_SHORT"),),
    "D1": (("d1/cases", "YWLSH"),),
    "D4": (("d4/cases", "YWLSH"),),
    "D3": (("d3/SPGL_XMSPSXBLXXB", "SPSXSLBM"), ("d3/SPGL_XMSPSXBLXXB_V3", "SPSXSLBM")),
    "D5": (("d5/weather", "申办流水号"), ("d5/fire", "申办流水号")),
    "P3": (("p3/up_pro_accept", "project_no"),),
}


_READ = msgspec.json.Decoder().decode
Read = Callable[[str], Iterable[dict[str, Any]]]  # file -> its lines


def lines(folder: Path, file: str) -> Iterator[dict[str, Any]]:
    """The lines of one file of a world."""
    with (folder / f"{file}.jsonl").open("rb") as entry:
        yield from map(_READ, entry)


def _write(folder: Path, name: str, rows: Iterable[dict[str, Any]]) -> None:
    with (folder / "truth" / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def findings(world: World, now: datetime) -> list[dict[str, Any]]:
    """The findings that stand at ``now``, each once, in a fixed order."""
    rows = {}
    for plant in world.plants:
        for row in plant.expects(now):
            rows[row["rule"], row["project_code"], row["item_code"], row["case_no"]] = {**row, "plant": plant.name}
    return [rows[key] for key in sorted(rows)]


def near_misses(world: World, now: datetime) -> list[dict[str, Any]]:
    """What looks like a finding and is none at ``now``."""
    fire = {(f["rule"], f["project_code"], f["item_code"], f["case_no"]) for f in findings(world, now)}
    rows = [row for plant in world.plants for row in plant.near]
    return [r for r in rows if (r["rule"], r["project_code"], r["item_code"], r["case_no"]) not in fire]


def _numbers(case: Case) -> dict[str, str]:
    """Channel → the number by which it knows the case, where it knows it at all."""
    found = {}
    if case.municipal:
        found["M2"] = case.no
    if case.department:
        system = case.system or SYSTEM.get(case.item)
        if system in ("D1", "D4"):
            found[system] = case.own_no
        elif system:
            found[system] = case.no if case.municipal and (case.linked or system == "D5") else case.own_no
        if case.item in FIRE_ITEMS and case.municipal:
            found["D5"] = case.no
    found["P3"] = case.no if case.municipal else case.own_no
    return found


def _cases(world: World, read: Read, now: datetime) -> Iterator[dict[str, Any]]:
    shown = {
        channel: {row[column].strip() for file, column in files for row in read(file) if row.get(column)}
        for channel, files in CASE_NUMBERS.items()
    }
    accepted = {row["SBLSH_SHORT"].strip() for row in read("m2/EX_GDBS_SL") if row["SLZTDM"] == "1"}
    concluded = {row["SBLSH_SHORT"].strip() for row in read("m2/EX_GDBS_BJ")}
    for project in world.people:
        for case in project.cases:
            numbers = {channel: no for channel, no in _numbers(case).items() if no in shown[channel]}
            if not numbers:
                continue
            channel = next(c for c in ("M2", "D1", "D3", "D4", "D5", "P3") if c in numbers)
            in_m2 = channel == "M2"
            begun = case.accepted is not None and (case.no in accepted if in_m2 else case.accepted <= now)
            ended = case.concluded is not None and (
                case.no in concluded if in_m2 and case.result != FAILED else case.concluded <= now
            )
            known = case.item in world.catalogue.versions and not case.item_written.startswith("DG-X")
            entry = world.catalogue.on(case.item, case.receipt.date()) if known else None
            in_force = (
                entry is not None
                and entry.valid_from <= case.receipt.date()
                and (entry.valid_to is None or case.receipt.date() < entry.valid_to)
            )
            yield {
                "entity": "case",
                "case_no": numbers[channel],
                "channel": channel,
                "channels": sorted(numbers),
                "project_code": project.code,
                "item_code": case.item if in_force else None,
                "submitted_at": stamp(case.receipt) if in_m2 or channel in ("D3", "P3") else None,
                "accepted_at": _moment(case, case.accepted, "accepted") if begun else None,
                "concluded_at": _moment(case, case.concluded, "concluded") if ended else None,
                "ended": ended or (case.refused is not None and case.refused <= now),
            }


def _moment(case: Case, at: datetime, what: str) -> str:
    return f"{at:%Y-%m-%d} 00:00:00" if what in case.date_only else stamp(at)


def _entities(world: World, read: Read, now: datetime) -> Iterator[dict[str, Any]]:
    filings = {row["projectCode"]: row for row in read("p1/project_filing")}
    for row in {r["project_code"]: r for r in read("m1/projects")}.values():
        filing = filings.get(row["project_code"], {})
        yield {
            "entity": "project",
            "project_code": row["project_code"],
            "project_name": row["project_name"],
            "applicant_uscc": row["uscc"],
            "town_code": row["town_code"],
            "process_type": row["splclx"],
            "fast_track": row["fast_track"],
            "filing_id": filing.get("id"),
            "submitted_at": filing.get("submitDate"),
            "filing_state": filing.get("stateFlagName"),
        }
    for row in {r["uscc"]: r for r in read("p1/enterprise")}.values():
        yield {"entity": "enterprise", "uscc": row["uscc"], "name": row["name"], "reg_status": row["regStatus"]}
    items = {
        entry.type_code: entry.code
        for versions in world.catalogue.versions.values()
        for entry in versions
        if entry.type_code
    }
    for row in {r["certificate_id"]: r for r in read("p1/licence")}.values():
        yield {
            "entity": "licence",
            "certificate_id": row["certificate_id"],
            "number": row["certificate_number"],
            "project_code": row["project_code"],
            "item_code": items[row["certificate_type_code"]],
            "issued_at": row["issue_date"],
            "state": row["state"],
        }
    yield from _cases(world, read, now)


def _counts(read: Read) -> Iterator[dict[str, Any]]:
    published = 0
    for feed, (file, key) in KEYS.items():
        keys = array("q")  # hashes of 64 bits: a file may have more keys than memory has room for
        for row in read(file):
            keys.append(hash(tuple(str(row.get(name)).strip() for name in key)))
            published += file == "s4/reading" and bool(row.get("_mqtt"))
        yield {"feed": feed, "lines": len(keys), "records": len(np.unique(np.frombuffer(keys, dtype=np.int64)))}
    yield {"feed": "s4_mqtt.reading", "lines": published, "records": published}


def write(world: World, folder: Path, now: datetime) -> None:
    """Write ``truth/`` of the world at ``now``, whose files are written."""
    read = partial(lines, folder)
    (folder / "truth").mkdir(exist_ok=True)
    _write(folder, "findings", findings(world, now))
    _write(folder, "near_misses", near_misses(world, now))
    _write(folder, "entities", _entities(world, read, now))
    _write(folder, "counts", _counts(read))
