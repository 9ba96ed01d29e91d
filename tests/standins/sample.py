"""A small simulated world by hand (docs/world.md): a few rows a source, and one of each thing that a stand-in must do."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from standins.forms import stamp

CLOCK = datetime(2026, 11, 24, 8, 0, 0)
USCC = "91441900MA0000015D"
CODES = ["2304-441900-04-01-135254", "2304-441900-04-01-386559", "2304-441900-04-01-254812"]


def ago(**by: float) -> str:
    """A time before the sample's clock."""
    return stamp(CLOCK - timedelta(**by))


def square(east: float, north: float, size: float = 0.001, hole: bool = False) -> dict[str, Any]:
    """A polygon, longitude first, clockwise from the north-west corner."""

    def ring(e: float, n: float, s: float) -> list[list[float]]:
        return [[e, n + s], [e + s, n + s], [e + s, n], [e, n], [e, n + s]]

    rings = [ring(east, north, size)]
    if hole:
        rings.append(ring(east + size / 4, north + size / 4, size / 2)[::-1])
    return {"type": "Polygon", "coordinates": rings}


def filing(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"BA{number:05d}",
        "projectCode": CODES[number % 3],
        "projectName": f"东莞市智能制造 {number} 号项目",
        "projectType": "新建",
        "filingType": "备案",
        "place": "东莞市长安镇",
        "scope": "厂房",
        "applyOrgan": "东莞甲公司",
        "applyOrganCode": USCC,
        "fullName": "东莞市长安镇经济发展局",
        "totalInvest": 12000.5,
        "industryCode": "C3973",
        "beginDate": "2026-03",
        "overDate": "2027-12",
        "submitDate": ago(days=40),
        "finishDate": ago(days=39),
        "expiryDate": None,
        "isValidity": "有效",
        "stateFlagName": "办结（通过）",
        "updateTime": ago(hours=2000 - number),
        **more,
    }


def case(number: int, prefix: str = "ZRZY", **more: Any) -> dict[str, Any]:
    return {
        "YWLSH": f"{prefix}{number:05d}",
        "SBLSH_SHORT": f"4419{number:08d}" if number % 3 else "",
        "PROJECT_CODE": CODES[number % 3],
        "SXBM": "DG-404",
        "SXMC": "建设用地规划许可证核发",
        "SQRMC": "东莞甲公司",
        "SQRZJHM": USCC,
        "SLSJ": ago(days=20),
        "BJSJ": ago(days=15),
        "BJJGDM": "0",
        "ZJBH": f"地字第{number}号",
        "FZSJ": None,
        "SPHJ": [
            {"SPHJMC": "受理", "SPRXM": "张三", "SPSJ": ago(days=20), "SPYJ": "同意 <&>"},
            {"SPHJMC": "办结", "SPSJ": ago(days=15)},
        ],
        "CL": [{"CLMC": "申请表", "CLLX": "2"}],
        "GXSJ": ago(hours=3000 - number),
        **more,
    }


def make(folder: Path) -> Path:
    """Write the world; returns the folder."""
    told: dict[str, list[dict[str, Any]]] = {}
    told["p1/project_filing"] = [filing(n) for n in range(1, 1203)] + [
        filing(2, projectName="更名后的项目", updateTime=ago(hours=1)),
        filing(9001, updateTime=ago(hours=3), _at=stamp(CLOCK + timedelta(hours=1))),
    ]
    told["p1/enterprise"] = [
        {
            "uscc": USCC,
            "name": "东莞甲公司",
            "legalPerson": "李四",
            "regStatus": "存续",
            "regDate": "2015-06-01 00:00:00",
            "industryCode": "3973",
            "regCapital": 5000,
            "address": "东莞市长安镇",
            "updateTime": ago(days=90),
        }
    ]
    told["p1/licence"] = [
        {
            "certificate_id": f"1.2.156.3005.2.11100000000013338W009.11441900000001230P.{n:011d}.001.0",
            "certificate_type_code": "11100000000013338W009",
            "certificate_type_name": "建筑工程施工许可证",
            "certificate_number": f"4419{n}",
            "holder_name": "东莞甲公司",
            "holder_code": USCC,
            "issue_org_name": "东莞市住房和城乡建设局",
            "issue_org_code": "11441900000001230P",
            "issue_date": ago(days=10),
            "valid_from": None,
            "valid_to": "长期",
            "project_code": CODES[0],
            "state": "有效",
            "updateTime": ago(days=9),
        }
        for n in range(3)
    ]
    told["p2/land_approval"] = [
        {
            "批文号": f"粤国土资（建）字〔2026〕{n}号/甲",
            "项目名称": f"用地 {n}",
            "项目代码": CODES[n % 3] if n % 4 else "",
            "批准机关": "广东省人民政府",
            "批准日期": ago(days=100 - n)[:10],
            "批准面积(公顷)": "1.0500",
            "用地单位": "东莞甲公司",
            "更新时间": ago(days=50 - n // 2),
            "_file": f"land_approval_{n // 2:03d}.zip",
            "_geometry": square(113.75 + n / 100, 23.02, hole=n % 2 == 0),
        }
        for n in range(8)
    ]
    sync = {"cd_operation": "I", "cd_batch": "B1", "data_source": "p44", "is_sync": 0}
    told["p3/up_pro_accept"] = [
        {
            "project_no": f"4419{n:08d}",
            "catalog_code": "000115001000",
            "task_name": "施工许可",
            "applyer_name": "东莞甲公司",
            "applyer_page_code": USCC,
            "accept_date": ago(days=5),
            "org_code": None,
            "project_type": "2",
            "row_guid": f"guid-{n}",
            "cd_time": ago(days=5),
            **sync,
        }
        for n in range(50)
    ] + [
        {"row_guid": "guid-1", "cd_time": ago(hours=1), **sync, "cd_operation": "D"},
        {
            "row_guid": "guid-late",
            "project_no": "late",
            "cd_time": ago(minutes=5),
            "_at": stamp(CLOCK + timedelta(minutes=5)),
            **sync,
        },
    ]
    told["p3/up_lic_data"] = [{"certificate_number": "4419-1", "row_guid": "lic-1", "cd_time": ago(days=2), **sync}]
    told["m1/items"] = [
        {
            "item_code": f"DG-{n}",
            "version": 1,
            "item_name": f"事项 {n}",
            "kind": "政务服务事项",
            "stage": 4,
            "department": "自然资源局",
            "department_code": "11441900000001230P",
            "departments": "自然资源局",
            "catalog_code": None,
            "task_code": None,
            "case_channel": "M2",
            "statutory_limit": 20,
            "statutory_unit": "工作日",
            "promised_limit": 5,
            "promised_unit": "工作日",
            "project_type": "2",
            "variants": [],
            "prerequisites": [],
            "soft_prerequisites": [],
            "process_types": [],
            "multiple": False,
            "materials": [],
            "aliases": [f"A{n}"],
            "valid_from": "2020-01-01",
            "valid_to": None,
            "updated_at": ago(days=300),
        }
        for n in range(401, 458)
    ]
    told["m1/projects"] = [
        {
            "project_code": f"2304-441900-04-01-{n:06d}",
            "project_name": f"项目 {n}",
            "applicant": "东莞甲公司",
            "uscc": USCC,
            "town": "长安镇",
            "town_code": "441900119",
            "agent": None,
            "splclx": 6,
            "fast_track": True,
            "conditions": ["备案类"],
            "planned_items": ["DG-401"],
            "updated_at": ago(hours=500 - n // 3),
        }
        for n in range(450)
    ]
    told["m2/EX_GDBS_SB"] = [
        {
            "SBLSH_SHORT": f"4419{n:08d}",
            "SXBM": "DG-404",
            "SXMC": "建设用地规划许可证核发",
            "SQRLX": "2",
            "SQRMC": "东莞甲公司",
            "SBSJ": ago(days=30),
            "PROJECT_CODE": CODES[n % 3] if n % 5 else None,
            "WSSBQD": "0",
            "VERSION": 1,
            "INSERTTIME": ago(days=30),
        }
        for n in range(200)
    ] + [
        {
            "SBLSH_SHORT": "441900000007",
            "SXBM": "DG-404",
            "VERSION": 2,
            "SBSJ": ago(days=30),
            "INSERTTIME": ago(hours=2),
        }
    ]
    told["m2/EX_GDBS_BJ"] = [
        {
            "SBLSH_SHORT": f"4419{n:08d}",
            "BJJGDM": "0",
            "BJSJ": ago(days=3),
            "SFJE": "0.00",
            "VERSION": 1,
            "INSERTIME": ago(days=3),
        }
        for n in range(100)
    ]
    told["d1/cases"] = [case(n) for n in range(1, 461)] + [
        case(3, SXMC="更正", GXSJ=ago(hours=1)),
        case(777, GXSJ=ago(minutes=20), _at=stamp(CLOCK + timedelta(hours=2))),
    ]
    told["d2/projects"] = [
        {
            "projectCode": f"2304-441900-04-01-{n:06d}",
            "projectName": f"项目 {n}",
            "applyOrgan": "东莞甲公司",
            "applyOrganCode": USCC,
            "totalInvest": "12,345.60",
            "filingDate": ago(days=400 - n)[:10],
            "industryCode": "C3973" if n % 2 else None,
            "place": None,
        }
        for n in range(250)
    ]
    told["d3/SPGL_XMJBXXB"] = [
        {
            "LSH": f"L{n}",
            "DFSJZJ": f"K{n}",
            "XMDM": CODES[n % 3],
            "XMMC": f"项目 {n}",
            "GCDM": f"{CODES[n % 3]}-2001",
            "ZTZE": 12000.5,
            "NKGSJ": "0000-00-00 00:00:00",
            "SBSJ": "2026/03/01 08:00:00",
            "SJYXBS": 1,
            "SJSCZT": 3,
            "GXSJ": ago(days=8),
        }
        for n in range(20)
    ] + [
        {"LSH": "L3", "DFSJZJ": "K3", "SJYXBS": 0, "SJWXYY": "更正", "GXSJ": ago(hours=5)},
        {"LSH": "L3b", "DFSJZJ": "K3", "XMDM": CODES[0], "SJYXBS": 1, "GXSJ": ago(hours=5)},
    ]
    told["d3/SPGL_XMSPSXBLXXXXB_V3"] = [
        {"LSH": "G1", "DFSJZJ": "GK1", "BLZT": 3, "BLSJ": ago(days=2), "SJYXBS": 1, "GXSJ": ago(days=2)},
        {"LSH": "G1", "DFSJZJ": "GK1", "BLZT": 3, "SJYXBS": 0, "GXSJ": stamp(CLOCK + timedelta(days=1))},
    ]
    told["d4/cases"] = [
        case(
            n,
            "HB",
            FJ=[f"attachments/{n}.pdf", "attachments/附图.pdf"] if n % 4 == 0 else [],
            GXSJ=ago(days=n // 3 + 1),
            _file=f"HB_{CLOCK - timedelta(days=n // 3):%Y%m%d}020000_001.zip",
        )
        for n in range(12)
    ] + [case(99, "HB", GXSJ=ago(days=1), _file=f"HB_{CLOCK + timedelta(days=1):%Y%m%d}020000_001.zip")]
    told["d5/weather"] = [
        {
            "项目代码": CODES[n // 2],
            "项目名称": f"项目 {n // 2}",
            "建设单位": "东莞甲公司",
            "统一社会信用代码": USCC,
            "事项编码": "DG-603",
            "事项名称": "防雷装置设计审核",
            "申办流水号": f"QX{n:04d}",
            "受理日期": ago(days=9)[:10],
            "办结日期": ago(days=6)[:10],
            "结果": "通过",
            "文号": f"东气许〔2026〕{n}号",
            "_file": "20261120/气象局_202611.xlsx",
            "_sheet": "2026-11",
        }
        for n in range(6)
    ]
    told["d5/fire"] = [
        {
            "项目代码": CODES[0],
            "项目名称": "项目 0",
            "申办流水号": "",
            "文号": "东消验〔2026〕1号",
            "受理日期": ago(days=9)[:10],
            "办结日期": ago(days=6)[:10],
            "结果": "合格",
            "_file": "消防_202611.xlsx",
            "_at": ago(days=5),
            "_sheet": "2026-11",
        }
    ]
    told["s1/parcel"] = [
        {
            "ZDDM": f"441900001002GB{n:05d}",
            "QLR": "东莞甲公司",
            "MJ": 11355.1,
            "PROJECT_CODE": CODES[n % 3] if n % 2 else None,
            "GXSJ": ago(days=n + 1),
            "_geometry": square(113.6 + n / 1000, 22.8, hole=n % 3 == 0),
        }
        for n in range(230)
    ]
    told["s1/redline"] = [
        {
            "HXBH": f"HX{n:04d}",
            "PROJECT_CODE": CODES[n % 3],
            "XMMC": f"项目 <{n}>",
            "MJ": "11355.1",
            "GXSJ": ago(days=n + 1),
            "_geometry": square(113.8, 22.9 + n / 1000),
        }
        for n in range(130)
    ]
    told["s2/change"] = [
        {
            "JCBH": f"JC{n:04d}",
            "XZQDM": "441900",
            "XMC": "东莞市",
            "TBLX": "DT",
            "TZ": "动土",
            "QSX": ago(days=60 + n)[:10],
            "HSX": ago(days=30 + n)[:10] if n % 2 else f"{CLOCK - timedelta(days=30 + n):%Y%m}",
            "MJ": 1200.5,
            "SFYN": "0",
            "SFHX": None,
            "_geometry": square(113.7 + n / 1000, 23.0),
        }
        for n in range(45)
    ]
    told["s3/scene"] = [
        {
            "id": f"GF2-{n}",
            "collection": "uav" if n % 4 == 0 else "satellite",
            "geometry": square(113.7, 23.0, 0.1),
            "bbox": [113.7, 23.0, 113.8, 23.1],
            "properties": {
                "datetime": f"2026-11-{n % 20 + 1:02d}T02:00:00Z",
                "gsd": 0.8,
                "platform": "GF-2",
                "dg:project_code": CODES[0],
                "updated": f"2026-11-{n % 20 + 1:02d}T08:00:00Z",
                **({"eo:cloud_cover": 10} if n % 4 else {}),
            },
            "assets": {"thumbnail": {"href": f"https://img.example/{n}.png?sig=x"}},
        }
        for n in range(40)
    ]
    day = datetime(2026, 11, 23)
    told["s4/reading"] = [
        {
            "project_code": CODES[n % 3],
            "device": f"D{n % 5}",
            "t": _ms(day + timedelta(minutes=n // 2)),
            "kind": ("power", "gate")[n % 2],
            "v": n / 2 if n % 10 else None,
            "_mqtt": n % 50 == 0,
        }
        for n in range(2400)
    ] + [
        {
            "project_code": CODES[0],
            "device": f"M{n}",
            "t": _ms(CLOCK + timedelta(hours=1, seconds=n)),
            "kind": "dust",
            "v": 30 + n,
            "_mqtt": True,
        }
        for n in range(20)
    ]
    write(folder, told)
    return folder


def _ms(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, 8)).total_seconds() * 1000)


def write(folder: Path, told: dict[str, list[dict[str, Any]]], revision: int = 1) -> None:
    """Tables, then world.json."""
    for name, rows in told.items():
        path = folder / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    world = {"format": 1, "seed": 1, "projects": 3, "start": "2026-01-01", "made": stamp(CLOCK), "clock": stamp(CLOCK)}
    (folder / "world.json").write_text(json.dumps({**world, "revision": revision}), "utf-8")


def append(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    """Grow one table and raise the revision, as ``world advance`` does."""
    with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    world = json.loads((folder / "world.json").read_text("utf-8"))
    (folder / "world.json").write_text(json.dumps({**world, "revision": world["revision"] + 1}), "utf-8")
