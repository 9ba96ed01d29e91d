"""M2, the municipal platform's cases: the nine EX_GDBS tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.codes import organisation_code
from standins.world import names
from standins.world.chance import dice
from standins.world.lines import Lines, stamp
from standins.world.model import FAILED, Case, World

RESULTS = {
    "0": "出证办结",
    "1": "退回办结",
    "2": "作废办结",
    "3": "删除办结",
    "4": "转报办结",
    "5": "补正不来办结",
    "6": "办结",
}
REFUSALS = {"2": "不属于本部门职权范围", "4": "申请材料不齐全或不符合法定形式"}


class _Teller:
    """One case's rows, with the platform's habits: blanks, late rows, corrections."""

    def __init__(self, world: World, case: Case, out: Lines) -> None:
        self.world, self.case, self.out = world, case, out
        self.chance = dice(world.seed, "m2", case.project.number, case.n)
        self.item = (
            world.catalogue.on(case.item, case.receipt.date()) if case.item in world.catalogue.versions else None
        )
        office = case.project.office if case.town else (self.item.department if self.item else case.project.office)
        code = (
            case.project.office_code
            if case.town
            else (self.item.department_code if self.item else case.project.office_code)
        )
        self.department, self.department_code = office, code
        self.code = case.project.code if case.code_written is None else case.code_written

    def tell(self, table: str, row: dict[str, Any], at: datetime) -> None:
        """A row of something that happened ``at``; a few minutes later it is in the table."""
        chance = self.chance
        wait = timedelta(seconds=chance.randint(60, 540))
        inserted = at + wait if self.case.inserted is None else self.case.inserted + wait
        shown = inserted
        if not self.case.plain and chance.random() < 0.01:
            shown += timedelta(seconds=chance.randint(30, 590))
            if table in ("SPCL", "SBCL") and chance.random() < 0.3:
                shown += timedelta(hours=chance.randint(20, 60))
        column = "INSERTIME" if table == "BJ" else "INSERTTIME"
        row = {
            "SBLSH_SHORT": f"{self.case.no:<20}",
            **row,
            "REC_FLAG": "1",
            column: stamp(inserted),
            "RESPONSETIME": stamp(inserted + timedelta(seconds=3)),
        }
        row.setdefault("VERSION", 1)
        self.out.log(f"m2/EX_GDBS_{table}", row, shown)

    def project_code(self) -> str | None:
        """As later rows carry it: sometimes not at all, where the SB row does."""
        if not self.case.plain and self.chance.random() < 0.05:
            return None
        return f"{self.code:<30}" if self.code else None

    def organ(self) -> str:
        return organisation_code(self.department_code) if self.chance.random() < 0.4 else self.department_code

    def moment(self, at: datetime, what: str) -> str:
        return f"{at:%Y-%m-%d} 00:00:00" if what in self.case.date_only else stamp(at)


def item_code(world: World, case: Case, draw: float) -> str:
    """The code that a row names the item by: one of those in force on the day of receipt."""
    if case.item_written:
        return case.item_written
    item = world.catalogue.on(case.item, case.receipt.date())
    if draw < 0.2 and item.task_code:
        return item.task_code
    if draw < 0.3:
        return item.code
    if draw < 0.6 and item.former:
        return item.former
    return item.sxbm


def _submitted(t: _Teller) -> None:
    case, project, chance = t.case, t.case.project, t.chance
    internal = t.item.internal if t.item else False
    row = {
        "SBLSH": case.long_no,
        "SXBM": f"{item_code(t.world, case, chance.random()):<36}",
        "SXMC": t.item.name if t.item else case.item,
        "SXQXBM": case.variant,
        "SQRLX": "3" if internal else "2",
        "SQRMC": t.department if internal else project.company,
        "SQRZJLX": "14" if internal else "31",
        "SQRZJHM": t.department_code if internal else project.uscc,
        "LXRXM": "" if internal else names.person(chance),
        "LXRSJ": "" if internal else names.phone(chance),
        "SBXMMC": project.name + ("  " if chance.random() < 0.05 else ""),
        "TJFS": "1",
        "SBHZH": f"HZ{case.no}",
        "SBSJ": stamp(case.receipt),
        "SBJTWD": f"{project.town}政务服务中心",
        "XZQHDM": "441900" if chance.random() < 0.5 else f"{project.town_code}000",
        "YSBLSH": case.prior,
        "PROJECT_CODE": f"{t.code:<30}" if t.code else None,
        "WSSBQD": "9" if internal else chance.choice("00013"),
        "D_ZZJGDM": t.organ(),
        "VERSION": 1,
    }
    t.tell("SB", row, case.receipt)
    version = 1
    for _, back in case.supplements:
        if back:
            version += 1
            t.tell("SB", {**row, "SBSJ": stamp(back), "VERSION": version}, back)
    if not case.plain and not case.supplements and chance.random() < 0.02:
        again = case.receipt + timedelta(minutes=chance.randint(20, 90))
        t.tell(
            "SB",
            {**row, "LXRSJ": "" if internal else names.phone(chance), "VERSION": version + (chance.random() < 0.7)},
            again,
        )
    if t.item:
        for seq, material in enumerate(t.item.materials[: 2 + case.n % 2], 1):
            t.tell(
                "SBCL",
                {
                    "SEQ": seq,
                    "ATTACH_NAME": f"{material['name']}.pdf",
                    "ATTACH_ID": f"{case.no}{seq:02d}",
                    "ATTACH_TYPE": "pdf",
                    "SAVE_TYPE": "1",
                    "WJLX": "1" if material["medium"] == "电子" else "0",
                    "CLLX": "2",
                },
                case.receipt,
            )


def _decided(t: _Teller) -> None:
    case, chance = t.case, t.chance
    version = 0
    first = {
        "YWLSH": case.own_no,
        "SLBMMC": t.department,
        "SLBMZZJGDM": t.organ(),
        "BLRXM": names.person(chance),
        "SLHZH": f"SL{case.no}",
        "BJDTMC": f"{case.project.town}政务服务中心",
        "GXDXZQHDM": case.project.town_code,
    }
    accepted = case.accepted
    for start, _ in case.supplements:
        t.tell(
            "BZGZ",
            {
                "BZGZFCRXM": names.person(chance),
                "BZGZYY": "材料不齐全",
                "BZCLQD": "补充盖章件",
                "BZGZSJ": stamp(start),
                "PROJECT_CODE": t.project_code(),
            },
            start,
        )
        if (accepted is None or start < accepted) and version == 0 and chance.random() < 0.5:
            version += 1
            t.tell(
                "SL",
                {**first, "SLZTDM": "3", "SLSJ": stamp(start), "PROJECT_CODE": t.project_code(), "VERSION": version},
                start,
            )
    for state, at in case.decisions:
        version += 1
        row = {
            **first,
            "SLZTDM": state,
            "BSLYY": REFUSALS.get(state, ""),
            "SLSJ": t.moment(at, "accepted"),
            "PROJECT_CODE": t.project_code(),
            "VERSION": version,
        }
        t.tell("SL", row, at)
        if not case.plain and chance.random() < 0.015:
            version += 1
            t.tell(
                "SL",
                {**row, "BLRXM": names.person(chance), "VERSION": version},
                at + timedelta(minutes=chance.randint(10, 60)),
            )


def _handled(t: _Teller) -> None:
    case, chance = t.case, t.chance
    for step in case.steps:
        t.tell(
            "SPCL",
            {
                "SPHJDM": step.code,
                "SPHJMC": step.name,
                "SPBMMC": t.department,
                "SPBMZZJDMD": t.organ(),
                "SPRXM": names.person(chance),
                "SPYJ": step.opinion,
                "SPSJ": stamp(step.at),
                "SPHJZTDM": "1",
                "PROJECT_CODE": t.project_code(),
            },
            step.at,
        )
    for special in case.specials:
        t.tell(
            "TBCXSQ",
            {
                "TBCXZL": special.kind,
                "TBCXKSRQ": stamp(special.start),
                "TBCXPZR": names.person(chance),
                "TBCXQDLY": "情况复杂，延长审批" if special.kind == "A" else "依法需要专家评审",
                "TBCXSX": special.limit,
                "TBCXSXDW": special.unit,
                "PROJECT_CODE": t.project_code(),
            },
            special.start,
        )
        if special.end:
            t.tell(
                "TBCXJG",
                {
                    "TBCXJG": "已完成",
                    "JGCSRQ": stamp(special.end),
                    "TBCXJSRQ": stamp(special.end),
                    "TBCXSFJE": "0.0000",
                    "PROJECT_CODE": t.project_code(),
                },
                special.end,
            )


def _concluded(t: _Teller) -> None:
    case, chance = t.case, t.chance
    if case.concluded is None or case.result == FAILED:
        return
    row = {
        "BJBMMC": t.department,
        "BJBMZZJGDM": t.organ(),
        "ZFHTTYY": "" if case.done else "申请人申请撤回" if case.result in "23" else "不符合要求，退回",
        "BJJGDM": case.result,
        "BJJGMS": RESULTS[case.result],
        "ZJGZMC": t.item.document if case.licence and t.item else "",
        "ZJBH": case.licence.number if case.licence else "",
        "FZGZDW": t.department if case.licence else "",
        "SFJE": "0.0000",
        "BJSJ": t.moment(case.concluded, "concluded"),
        "PROJECT_CODE": t.project_code(),
        "VERSION": 1,
    }
    t.tell("BJ", row, case.concluded)
    if not case.plain and chance.random() < 0.02:
        t.tell(
            "BJ",
            {**row, "BJJGMS": RESULTS[case.result] + "（更正）", "VERSION": 2},
            case.concluded + timedelta(minutes=chance.randint(30, 55)),
        )
    if case.corrected_late:
        t.tell("BJ", {**row, "BJJGMS": RESULTS[case.result] + "（勘误）", "VERSION": 2}, case.corrected_late)
    if case.licence:
        t.tell(
            "SPJG",
            {
                "SEQ": 1,
                "ATTACH_NAME": f"{t.item.document if t.item else '结果'}.ofd",
                "ATTACH_ID": f"JG{case.no}",
                "ATTACH_TYPE": "ofd",
                "SAVE_TYPE": "1",
            },
            case.concluded,
        )


def tell(world: World, out: Lines) -> None:
    """The rows of every case that stands in M2."""
    for project in world.people:
        for case in project.cases:
            if case.municipal and case.receipt < out.until:
                teller = _Teller(world, case, out)
                for part in (_submitted, _decided, _handled, _concluded):
                    part(teller)
