"""D3 住房和城乡建设局: five tables in both dialects, and the building permits with the numbers that they quote."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from standins.world import names
from standins.world.chance import dice, share
from standins.world.geography import degrees
from standins.world.lines import Lines, stamp
from standins.world.model import FAILED, SYSTEM, Case, Project, World

TABLES = {
    "project": "XMJBXXB",
    "item": "XMSPSXBLXXB",
    "log": "XMSPSXBLXXXXB",
    "special": "XMSPSXBLTBCXXXB",
    "approval": "XMSPSXPFWJXXB",
}
MARK = {"1": 1, "2": 0}
ENDS = {"0": 11, "6": 11, FAILED: 13, "1": 13, "2": 14, "3": 14, "4": 11, "5": 14}


class _Teller:
    """One project's rows: their numbers, corrections, and the move from 2.0 to 3.0."""

    def __init__(self, world: World, project: Project, out: Lines) -> None:
        self.world, self.project, self.out = world, project, out
        self.chance = dice(world.seed, "d3", project.number)
        self.serial = 0
        self.moved = None
        if project.dialect == "2>3":
            moved = world.today - timedelta(days=60 + project.number % 240)
            self.moved = datetime.combine(moved, time(3, 0))

    def _put(
        self, table: str, version: str, row: dict[str, Any], at: datetime, valid: int = 1, reason: str = ""
    ) -> None:
        row = {**row, "SJYXBS": valid, "SJWXYY": reason, "SJSCZT": 3, "SBYY": "", "GXSJ": stamp(at)}
        self.out.state(f"d3/SPGL_{table}{version}", row["LSH"], row, at)

    def tell(
        self,
        part: str,
        key: str,
        row: dict[str, Any],
        at: datetime,
        *,
        only_3: dict[str, Any] | None = None,
        wrong: dict[str, Any] | None = None,
        twice: bool = False,
    ) -> None:
        """A thing with the lasting key ``key`` that came up ``at``, in the dialect of the project at that time.

        ``wrong``: it was first written so, and corrected the next day; ``twice``: the row stands there twice.
        """
        table = TABLES.get(part, part)
        self.serial += 1
        number = f"{self.project.number:05d}{self.serial:04d}"
        updated = at + timedelta(seconds=int(share(self.world.seed, "d3", number) * 480) + 60)
        base = {"DFSJZJ": key, "XZQHDM": "441900", **row}
        new = {**base, **(only_3 or {})}
        versions: list[tuple[str, dict[str, Any], datetime, datetime | None]]
        if part not in TABLES:
            versions = [("", new, updated, None)]
        elif self.project.dialect == "3" or (self.moved and updated >= self.moved):
            versions = [("_V3", new, updated, None)]
        elif self.moved:
            versions = [("", base, updated, self.moved), ("_V3", new, self.moved, None)]
        else:
            versions = [("", base, updated, None)]
        for version, content, when, gone in versions:
            first = f"{number}{'3' if version else '2'}0"
            if wrong and when == updated:
                corrected = when + timedelta(days=1)
                self._put(table, version, {"LSH": first, **content, **wrong}, when)
                self._put(table, version, {"LSH": first, **content, **wrong}, corrected, 0, "数据录入有误")
                first, when = first[:-1] + "1", corrected
            self._put(table, version, {"LSH": first, **content}, when)
            if twice and when == updated:
                self._put(table, version, {"LSH": first[:-1] + "5", **content}, when + timedelta(minutes=2))
                if gone:
                    self._put(table, version, {"LSH": first[:-1] + "5", **content}, gone, 0, "标准升级，转入3.0")
            if gone:
                self._put(table, version, {"LSH": first, **content}, gone, 0, "标准升级，转入3.0")


def _work(t: _Teller, gcdm: str, at: datetime) -> None:
    """The basic row of one 工程."""
    project = t.project
    point = degrees(project.site.redline.representative_point()) if project.site else None
    row = {
        "XMDM": project.code,
        "XMMC": project.name,
        "GCDM": gcdm,
        "GCFW": f"{project.product}厂房及配套",
        "XMTZLY": "2",
        "TDHQFS": "4" if "新增用地" in project.conditions else "5",
        "TDSFDSJFA": "1" if project.splclx == "5" else "0",
        "SFWCQYPG": "0",
        "SPLCLX": project.splclx if project.splclx_known else "",
        "LXLX": "2" if project.filing_type == "核准" else "3",
        "GCFL": "1",
        "JSXZ": "1",
        "XMZJSX": "1",
        "GBHYDMFBND": "2017",
        "GBHY": project.industry[1:],
        "NKGSJ": f"{at + timedelta(days=90):%Y-%m-%d} 00:00:00",
        "NJCSJ": f"{at + timedelta(days=540):%Y-%m-%d} 00:00:00",
        "XMSFWQBJ": "0",
        "ZTZE": f"{project.invest:.4f}",
        "JSDDXZQH": "441900",
        "JSDD": project.address,
        "JSGMJNR": f"建设{project.product}生产线",
        "YDMJ": f"{project.site.area:.4f}" if project.site else None,
        "JZMJ": f"{project.site.area * 2:.4f}" if project.site else None,
        "SBSJ": stamp(at),
        "SPLCBM": f"441900SPLC{project.splclx}",
        "SPLCBBH": "1",
        "XMJSDDX": f"{point.x:.6f}" if point and project.dialect == "2" else "",
        "XMJSDDY": f"{point.y:.6f}" if point and project.dialect == "2" else "",
    }
    only = {
        "JSDW": project.company,
        "JSDWDM": project.uscc,
        "JSDWLX": "1",
        "XMJWDZB": f"{point.x:.6f},{point.y:.6f}" if point else "",
        "SFXXGC": "0",
        "GCHYFL": "01",
    }
    t.tell("project", f"XM-{gcdm}", row, at, only_3=only)


def _log(case: Case) -> list[tuple[int, datetime, str]]:
    """(BLZT, when, opinion) of a case."""
    rows = [(1, case.receipt, "接件")]
    rows += [(3 if state == "1" else 5, at, "同意受理" if state == "1" else "材料不符") for state, at in case.decisions]
    for start, back in case.supplements:
        rows.append((6, start, "请补正材料"))
        if back:
            rows.append((7, back, "补正完成"))
    for special in case.specials:
        rows.append((9, special.start, "特别程序"))
        if special.end:
            rows.append((10, special.end, "特别程序结束"))
    rows += [(8, step.at, step.opinion) for step in case.steps]
    if case.concluded:
        state = ENDS[case.result]
        rows.append((state, case.concluded, "办结" if state != 14 else "申请人撤回"))
    return sorted(rows, key=lambda r: r[1])


def _case(t: _Teller, case: Case) -> None:
    world, chance = t.world, dice(t.world.seed, "d3", case.project.number, case.n)
    item = world.catalogue.on(case.item, case.receipt.date()) if case.item in world.catalogue.versions else None
    no = case.no if case.municipal and case.linked else case.own_no
    office, office_code = (
        (case.project.office, case.project.office_code)
        if case.town
        else ("东莞市住房和城乡建设局", "11441900000100060T")
    )
    limit = item.limits(case.variant).promised if item else None
    written = case.item_written or (item.spsxbm if chance.random() < 0.8 else item.sxbm)
    row = {
        "GCDM": case.gcdm,
        "SPSXBM": written,
        "SPSXBBH": str(item.version if item else 1),
        "SPLCBM": f"441900SPLC{case.project.splclx}",
        "SPLCBBH": "1",
        "SPSXSLBM": no,
        "SPBMBM": office_code,
        "SPBMMC": office,
        "SLFS": "1",
        "GKFS": "1",
        "BLSPSLBM": "",
        "SXBLSX": limit,
    }
    only = {
        "LXR": names.person(chance),
        "LXRSJH": names.phone(chance),
        "YWQX": case.variant,
        "SXGZCNZSPQK": "1" if case.commitment else "0",
    }
    dirty = not case.plain
    t.tell(
        "item",
        f"BL-{no}",
        row,
        case.receipt,
        only_3=only,
        wrong={"SXBLSX": 99} if dirty and chance.random() < 0.02 else None,
    )
    for n, (state, at, opinion) in enumerate(_log(case)):
        date_only = dirty and state in (8, 9, 10) and chance.random() < 0.1
        if (state == 3 and "accepted" in case.date_only) or (state in (11, 13) and "concluded" in case.date_only):
            date_only = True
        t.tell(
            "log",
            f"RZ-{no}-{n}",
            {
                "GCDM": case.gcdm,
                "SPSXSLBM": no,
                "BLCS": "审批服务科",
                "BLR": names.person(chance),
                "BLZT": state,
                "BLYJ": opinion,
                "BLSJ": f"{at:%Y-%m-%d} 00:00:00" if date_only else stamp(at),
            },
            at,
            only_3={"DWMC": office, "DWTYSHXYDM": office_code, "SJLY": case.origin},
            twice=dirty and chance.random() < 0.02,
        )
    for n, special in enumerate(case.specials):
        t.tell(
            "special",
            f"TB-{no}-{n}",
            {
                "GCDM": case.gcdm,
                "SPSXSLBM": no,
                "TBCX": "8",
                "TBCXMC": "其他",
                "TBCXKSSJ": stamp(special.start),
                "TBCXSXLX": "1" if special.unit == "G" else "2",
                "TBCXSX": special.limit,
            },
            special.start,
        )
    if case.done:
        document = (
            case.licence.number
            if case.licence
            else f"东建〔{case.concluded:%Y}〕{case.project.number:04d}{case.n:02d}号"
        )
        day = case.licence.day if case.licence else case.concluded.date()
        title = item.document if item else "批复"
        t.tell(
            "approval",
            f"PF-{no}",
            {
                "GCDM": case.gcdm,
                "SPSXSLBM": no,
                "PFRQ": f"{day:%Y-%m-%d} 00:00:00",
                "PFWH": document,
                "PFWJBT": f"{case.project.name}{title}",
                "PFWJYXQX": "长期",
                "FJMC": f"{title}.pdf",
                "FJLX": "pdf",
                "FJID": f"FJ{no}",
            },
            case.concluded,
        )
    if case.item == "DG-604" and case.licence:
        _permit(t, case, office, office_code)


def _permit(t: _Teller, case: Case, office: str, office_code: str) -> None:
    """施工许可, with the numbers of the documents before it."""
    project = case.project

    def number(item: str) -> str:
        documents = [c.licence for c in project.of(item) if c.licence and c.licence.day <= case.licence.day]
        documents += [d for code, d in project.registered.items() if code == item and d.day <= case.licence.day]
        return documents[0].number if documents else ""

    quotes = {
        "YDGHXKZBH": number("DG-404"),
        "GCGHXKZBH": number("DG-502"),
        "ZBTZSBH": f"ZB{project.number:06d}",
        "SCHGSBH": number("DG-601"),
    }
    quotes |= project.permit_quotes
    area = project.site.area if project.site else 10000.0
    t.tell(
        "JZGCSGXKXXB",
        f"SG-{case.licence.number}",
        {
            "XMDM": project.code,
            "GCDM": case.gcdm,
            **quotes,
            "SGXKZBH": case.licence.number,
            "FZJG": office,
            "FZJGTYSHXYDM": office_code,
            "FZRQ": f"{case.licence.day:%Y-%m-%d} 00:00:00",
            "GLSD": "441900",
            "JSDW": project.company,
            "JSDWDM": project.uscc,
            "GCMC": f"{project.name}厂房",
            "JSDZ": project.address,
            "JSGM": f"{area * 2:.0f}平方米",
            "JHKGRQ": f"{case.licence.day + timedelta(days=10):%Y-%m-%d} 00:00:00",
            "JHJGRQ": f"{case.licence.day + timedelta(days=300):%Y-%m-%d} 00:00:00",
            "HTJG": f"{project.invest * 0.4:.4f}",
            "ZJZMJ": f"{area * 2:.4f}",
            "DSJZMJ": f"{area * 1.8:.4f}",
            "DXJZMJ": f"{area * 0.2:.4f}",
            "RFMJ": "0.0000",
        },
        case.concluded or datetime.combine(case.licence.day, time(17)),
    )


def tell(world: World, out: Lines) -> None:
    """The rows of every case that the department's own system holds."""
    for project in world.people:
        cases = [
            c
            for c in project.cases
            if c.department and c.receipt < out.until and (c.system or SYSTEM.get(c.item)) == "D3"
        ]
        if not cases:
            continue
        teller = _Teller(world, project, out)
        seen: set[str] = set()
        for case in cases:
            if case.gcdm not in seen:
                seen.add(case.gcdm)
                _work(teller, case.gcdm, case.receipt)
            _case(teller, case)
