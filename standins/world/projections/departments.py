"""D1 自然资源局, D4 生态环境局 and D5 气象局, 消防: what these departments' own systems hold of a case."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from standins.world import names
from standins.world.chance import dice
from standins.world.lines import Lines, stamp
from standins.world.model import FAILED, FIRE_ITEMS, SYSTEM, Case, World
from standins.world.projections.m2 import item_code

OTHER_FORMS = ("{:%Y/%m/%d %H:%M:%S}", "{:%Y-%m-%d %H:%M:%S}.0")
SHEET_HEADER = ("项目代码", "项目名称", "建设单位", "统一社会信用代码")


def _text(at: datetime | None, chance: Random, plain: bool) -> str:
    """A time as these systems write it: mostly the usual form, sometimes another."""
    if at is None:
        return ""
    if not plain and chance.random() < 0.06:
        return chance.choice(OTHER_FORMS).format(at)
    return stamp(at)


def _versions(case: Case) -> list[datetime]:
    """When the department's record of a case changes: taken in, half-way, ended; nothing before it is accepted."""
    begun = case.accepted or (case.receipt if not case.municipal else None)
    if begun is None:
        return []
    times = [begun]
    if case.steps and case.steps[-1].at > begun:
        times.append(case.steps[len(case.steps) // 2].at)
    if case.concluded:
        times.append(case.concluded)
    return sorted({*times})


def _record(world: World, case: Case, at: datetime, chance: Random) -> dict[str, Any]:
    """The CASE of D1 and D4 as it stands after what happened ``at``."""
    project, item = (
        case.project,
        world.catalogue.on(case.item, case.receipt.date()) if case.item in world.catalogue.versions else None,
    )
    internal = item.internal if item else False
    ended = case.concluded is not None and case.concluded <= at
    result = {FAILED: "6"}.get(case.result, case.result) if ended else ""
    return {
        "YWLSH": case.own_no,
        "SBLSH_SHORT": case.no if case.linked and case.municipal else "",
        "PROJECT_CODE": project.code,
        "SXBM": item_code(world, case, chance.random()),
        "SXMC": item.name if item else case.item,
        "SQRMC": item.department if internal else project.company,
        "SQRZJHM": item.department_code if internal else project.uscc,
        "SLSJ": _text(case.accepted, chance, case.plain),
        "BJSJ": _text(case.concluded if ended else None, chance, case.plain),
        "BJJGDM": result,
        "ZJBH": case.licence.number if ended and case.licence else "",
        "FZSJ": stamp(case.licence.day) if ended and case.licence else "",
        "SPHJ": [
            {"SPHJMC": s.name, "SPRXM": names.person(chance), "SPSJ": stamp(s.at), "SPYJ": s.opinion}
            for s in case.steps
            if s.at <= at
        ],
    }


def drop_time(at: datetime, today: date) -> datetime:
    """When the next zip after ``at`` is put: at 02:00, each Monday long ago, each day of the last weeks."""
    night = datetime.combine(at.date() + timedelta(1), datetime.min.time()) + timedelta(hours=2)
    if night.date() < today - timedelta(45):
        night += timedelta((7 - night.weekday()) % 7)
    return night


def _case(world: World, case: Case, source: str, out: Lines) -> None:
    for number, at in enumerate(_versions(case)):
        chance = dice(world.seed, source, case.project.number, case.n)
        row = _record(world, case, at, chance)
        later = dice(world.seed, source, "late", case.project.number, case.n, number)
        updated = at + timedelta(seconds=later.randint(60, 590))
        row["GXSJ"] = stamp(updated)
        item = world.catalogue.on(case.item, case.receipt.date()) if case.item in world.catalogue.versions else None
        row["CL"] = [{"CLMC": m["name"], "CLLX": "2"} for m in (item.materials[:3] if item else ())]
        if source == "d1":
            shown = updated + timedelta(seconds=later.randint(0, 590) if later.random() < 0.02 else 0)
            if not case.plain and later.random() < 0.002:
                row["_quirk"] = "gbk_broken"
            out.state("d1/cases", case.own_no, row, shown)
        else:
            row["FJ"] = ["attachments/批复.pdf"] if row["ZJBH"] else []
            shown = drop_time(updated, world.today)
            row["_file"] = f"HB_{shown:%Y%m%d%H%M%S}_001.zip"
            out.log("d4/cases", row, shown)


def _sheet(world: World, case: Case, table: str, name: str, out: Lines) -> None:
    """A row of 气象局's or 消防's workbook; the workbook of its month is sent again the night after a change."""
    item = world.catalogue.on(case.item, case.receipt.date())
    for at in _versions(case):
        ended = case.concluded is not None and case.concluded <= at
        month = f"{case.accepted or case.receipt:%Y-%m}"
        project = case.project
        row = {
            "项目代码": project.code,
            "项目名称": project.name,
            "建设单位": project.company,
            "统一社会信用代码": project.uscc,
            "事项编码": item.code,
            "事项名称": item.name,
            "申办流水号": case.no if case.municipal else case.own_no,
            "受理日期": f"{case.accepted:%Y-%m-%d}" if case.accepted else "",
            "办结日期": f"{case.concluded:%Y-%m-%d}" if ended else "",
            "结果": ("通过" if case.done else "不通过") if ended else "",
            "文号": case.licence.number if ended and case.licence else "",
            "_file": f"{name}_{month.replace('-', '')}.xlsx",
            "_sheet": month,
        }
        if dice(world.seed, table, case.no).random() < 0.3:
            row["_quirk"] = "excel_serial"
        shown = datetime.combine(at.date() + timedelta(1), datetime.min.time()) + timedelta(hours=6)
        out.state(f"d5/{table}", row["申办流水号"], row, shown)


def tell(world: World, out: Lines) -> None:
    """The records of D1, D4 and D5."""
    for project in world.people:
        for case in project.cases:
            if not case.department or case.receipt >= out.until:
                continue
            system = case.system or SYSTEM.get(case.item)
            if system in ("D1", "D4"):
                _case(world, case, system.lower(), out)
            elif system == "D5":
                _sheet(world, case, "weather", "气象局", out)
            if case.item in FIRE_ITEMS and case.municipal:
                _sheet(world, case, "fire", "消防", out)
