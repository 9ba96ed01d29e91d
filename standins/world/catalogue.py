"""The item list as M1 publishes it: schemas/catalogue with versions, aliases and materials added.

What the city's files leave as placeholders (type codes, SXBM, task codes) is made up here, by the forms of
docs/domain.md §1.6 and §1.8.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from typing import Any

from core.settings import ROOT

FOLDER = ROOT / "schemas" / "catalogue"
FIRST_DAY = date(2020, 1, 1)
INTERNAL_MATERIALS = 169  # 标准化材料 169 份 of all internal items together
STANDARD_CODES = {  # 标准审批事项编码 3.0 (docs/domain.md §2.1)
    "DG-404": "0060001",
    "DG-502": "0070001",
    "DG-601": "0090001",
    "DG-602": "0100000",
    "DG-604": "0120001",
    "DG-702": "0140000",
    "DG-703": "0150000",
    "DG-708": "0180000",
}
HOUSING_PERMIT = "11100000000013338W009"  # 施工许可证, a type of the ministry
REVISED = {"DG-404": 10, "DG-503": 15, "DG-504": 10, "DG-710": 8, "DG-605": 7}  # item -> promised limit of version 1
MATERIALS = (
    "申请表",
    "营业执照",
    "法定代表人身份证明",
    "授权委托书",
    "项目备案证",
    "用地红线图",
    "总平面图",
    "建设方案",
    "勘测报告",
    "承诺书",
    "会议纪要",
    "可行性研究报告",
    "投资协议",
    "资金证明",
    "产业准入意见",
    "现场照片",
    "专家评审意见",
    "公示证明",
)
RETIRED = "DG-511"  # an item that came to an end before the world begins


@dataclass(frozen=True)
class Limit:
    """Limits of one 情形: days and units (工作日, 自然日), None = no clock."""

    statutory: int | None
    statutory_unit: str
    promised: int | None
    promised_unit: str
    project_type: str


@dataclass(frozen=True)
class Item:
    """One version of an item."""

    code: str
    version: int
    name: str
    stage: int
    internal: bool
    channel: str
    department: str
    department_code: str
    departments: str
    limit: Limit
    min_days: int | None
    variant: str
    variants: dict[str, Limit]
    prerequisites: tuple[str, ...]
    soft: tuple[str, ...]
    group: str
    process_types: tuple[str, ...]
    conditions: tuple[str, ...]
    multiple: bool
    document: str
    type_code: str
    catalog_code: str
    task_code: str
    sxbm: str
    spsxbm: str
    former: str
    materials: tuple[dict[str, Any], ...]
    valid_from: date = FIRST_DAY
    valid_to: date | None = None  # the first day on which it is in force no more

    def limits(self, variant: str | None) -> Limit:
        """The limits of a case of that 情形; unknown or none: the row's own."""
        return self.variants.get(variant or "", self.limit)

    @property
    def aliases(self) -> list[str]:
        return [c for c in (self.sxbm, self.spsxbm, self.task_code, self.type_code, self.former) if c]


@dataclass
class Catalogue:
    """All versions of all items, and the departments."""

    versions: dict[str, list[Item]]
    departments: dict[str, str]  # name -> code
    towns: dict[str, tuple[str, str]]  # town_code -> (office, its code)
    switch: date  # from when the second versions are in force
    order: list[str] = field(default_factory=list)

    def __getitem__(self, code: str) -> Item:
        """The newest version."""
        return self.versions[code][-1]

    def on(self, code: str, day: date) -> Item:
        """The version in force on a day; the newest where none was."""
        for item in self.versions[code]:
            if item.valid_from <= day and (item.valid_to is None or day < item.valid_to):
                return item
        return self[code]


def _number(text: str) -> int | None:
    return int(text) if text else None


def _limit(row: dict[str, str]) -> Limit:
    return Limit(
        _number(row["statutory_limit"]),
        row["statutory_unit"],
        _number(row["promised_limit"]),
        row["promised_unit"],
        row["project_type"],
    )


@cache
def read(name: str) -> tuple[dict[str, str], ...]:
    """Rows of a file of schemas/catalogue."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _materials(code: str, count: int) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "code": f"{code}-M{n + 1:02d}",
            "name": MATERIALS[n % len(MATERIALS)],
            "required": n < count - 1,
            "medium": "纸质" if n % 5 == 4 else "电子",
        }
        for n in range(count)
    )


def build(start: date, today: date) -> Catalogue:
    """The catalogue of a world that begins on ``start``; some items changed their version on the way to ``today``."""
    rows = read("items.csv")
    internal = [r["item_code"] for r in rows if r["kind"] == "政府内部"]
    each, rest = divmod(INTERNAL_MATERIALS, len(internal))
    switch = (today - timedelta(days=520)).replace(day=1)
    variants: dict[str, dict[str, Limit]] = {}
    for row in read("item_variants.csv"):
        variants.setdefault(row["item_code"], {})[row["variant"]] = _limit(row)
    versions: dict[str, list[Item]] = {}
    for serial, row in enumerate(rows, 1):
        code = row["item_code"]
        inside = row["kind"] == "政府内部"
        kind = {"许可": "01", "确认": "07", "公共服务": "20"}.get(row["kind"], "10")
        catalog = "" if inside else f"{kind}{4419000 + serial:07d}{serial % 7:03d}"
        count = each + (internal.index(code) < rest) if inside else 4 + serial % 5
        type_code = ""
        if row["certificate_type_code"]:
            type_code = HOUSING_PERMIT if code == "DG-604" else f"{row['lead_department_code']}{serial:03d}"
        item = Item(
            code=code,
            version=1,
            name=row["item_name"],
            stage=int(row["stage"]),
            internal=inside,
            channel=row["case_channel"],
            department=row["lead_department"],
            department_code=row["lead_department_code"],
            departments=row["departments"],
            limit=_limit(row),
            min_days=_number(row["min_days"]),
            variant=row["variant"],
            variants=variants.get(code, {}),
            prerequisites=tuple(row["prerequisites"].split()),
            soft=tuple(row["soft_prerequisites"].split()),
            group=row["parallel_group"],
            process_types=tuple(row["process_types"].split()),
            conditions=tuple(c for c in row["applies_when"].split("|") if c),
            multiple=row["multiple"] == "yes",
            document=row["result_document"],
            type_code=type_code,
            catalog_code=catalog,
            task_code="" if inside else f"{row['lead_department_code']}3{catalog}",
            sxbm=f"NB4419{serial:03d}" if inside else f"44190000{serial:03d}{serial * 37 % 100:02d}",
            spsxbm="" if inside else STANDARD_CODES.get(code, f"4419{serial:03d}"),
            former="",
            materials=_materials(code, count),
        )
        if code in REVISED:
            old = replace(
                item, limit=replace(item.limit, promised=REVISED[code]), former=f"DGX{serial:04d}", valid_to=switch
            )
            versions[code] = [old, replace(item, version=2, valid_from=switch)]
        else:
            versions[code] = [item]
    like = versions["DG-505"][0]
    serial = len(rows) + 1
    versions[RETIRED] = [
        replace(
            like,
            code=RETIRED,
            name="建设工程抗震设防要求审定",
            conditions=("超限高层",),
            prerequisites=(),
            soft=(),
            type_code="",
            catalog_code=f"01{4419000 + serial:07d}001",
            task_code=f"{like.department_code}301{4419000 + serial:07d}001",
            sxbm=f"44190000{serial:03d}99",
            spsxbm=f"4419{serial:03d}",
            document="审定意见",
            valid_to=(start - timedelta(days=100)).replace(day=1),
        )
    ]
    departments = {r["name"]: r["code"] for r in read("departments.csv")}
    towns = {r["town_code"]: (r["name"], r["code"]) for r in read("departments.csv") if r["kind"] == "镇街"}
    return Catalogue(versions, departments, towns, switch, [r["item_code"] for r in rows])
