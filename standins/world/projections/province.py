"""P1 filings, enterprises, licences; P2 land approvals; P3 the national tables."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from shapely.geometry import MultiPolygon

from standins.world import geography, names
from standins.world.chance import dice, share
from standins.world.lines import Lines, stamp
from standins.world.model import FAILED, Case, Filing, Licence, Project, World

FILING_TYPES = {"核准": "企业投资项目核准", "备案": "企业投资项目备案（基建类）"}
P3_RESULTS = {"0": "1", "6": "1", FAILED: "2", "1": "3", "2": "4", "3": "4", "4": "1", "5": "4"}


def _filing(world: World, project: Project, out: Lines) -> None:
    filing = project.filing
    if filing is None:
        return
    chance = dice(world.seed, "p1", project.number)
    row = {
        "id": f"{20230000000 + project.number * 13}",
        "projectCode": project.code,
        "projectName": project.name,
        "projectType": FILING_TYPES[project.filing_type],
        "filingType": project.filing_type,
        "place": project.address,
        "scope": f"建设{project.product}生产线，总投资{project.invest:.0f}万元",
        "applyOrgan": project.company,
        "applyOrganCode": project.uscc,
        "fullName": f"东莞市{project.town}经济发展局",
        "totalInvest": f"{project.invest:.2f}",
        "industryCode": project.industry if chance.random() < 0.7 else project.industry[1:],
        "beginDate": f"{filing.submitted + timedelta(days=150):%Y-%m}",
        "overDate": f"{filing.submitted + timedelta(days=700):%Y-%m}",
        "submitDate": stamp(filing.submitted),
        "finishDate": None,
        "expiryDate": None,
        "isValidity": "有效",
        "stateFlagName": "在办",
        "updateTime": stamp(filing.submitted + timedelta(minutes=3)),
    }
    out.state("p1/project_filing", row["id"], row, filing.submitted + timedelta(minutes=3))
    for at, change in _filing_changes(filing):
        row = {**row, **change, "updateTime": stamp(at)}
        out.state("p1/project_filing", row["id"], row, at + timedelta(seconds=400 if chance.random() < 0.02 else 0))


def _filing_changes(filing: Filing) -> list[tuple[datetime, dict[str, Any]]]:
    """(when, what changes) of a filing after it was submitted."""
    changes = []
    if filing.finished:
        expires = filing.expires or _two_years(filing.finished.date())
        changes.append(
            (
                filing.finished + timedelta(minutes=5),
                {
                    "finishDate": stamp(filing.finished),
                    "expiryDate": f"{expires} 00:00:00",
                    "stateFlagName": filing.state,
                },
            )
        )
    if filing.withdrawn:
        changes.append((filing.withdrawn, {"stateFlagName": "撤回", "isValidity": "无效"}))
    if filing.invalid_from:
        changes.append((filing.invalid_from, {"isValidity": "无效"}))
    return changes


def _two_years(day: date) -> date:
    return day.replace(year=day.year + 2, day=28) if (day.month, day.day) == (2, 29) else day.replace(year=day.year + 2)


def documents(project: Project) -> list[tuple[str, Licence, datetime, Case | None]]:
    """(item, document, when it was written down, its case) of all that stands in the licence directory."""
    found: list[tuple[str, Licence, datetime, Case | None]] = [
        (c.item, c.licence, c.concluded or datetime.combine(c.licence.day, time(16)), c)
        for c in project.cases
        if c.licence and c.certified and c.licence.certificate_id
    ]
    found += [(item, d, datetime.combine(d.day, time(16, 30)), None) for item, d in project.registered.items()]
    return found


def _licences(world: World, project: Project, out: Lines) -> None:
    for item, document, at, _ in documents(project):
        entry = world.catalogue[item]
        updated = at + timedelta(minutes=2 + int(share(world.seed, "licence", document.certificate_id) * 30))
        row = {
            "certificate_id": document.certificate_id,
            "certificate_type_code": entry.type_code,
            "certificate_type_name": entry.document,
            "certificate_number": document.number,
            "holder_name": project.company,
            "holder_code": project.uscc,
            "issue_org_name": entry.department,
            "issue_org_code": entry.department_code,
            "issue_date": f"{document.day}",
            "valid_from": f"{document.day}",
            "valid_to": ("", "长期", "9999-12-31", f"{document.day + timedelta(days=1825)}")[project.number % 4],
            "project_code": project.code,
            "state": "有效",
            "updateTime": stamp(updated),
        }
        out.state(
            "p1/licence",
            document.certificate_id,
            row,
            updated + timedelta(seconds=500 if share("late", document.certificate_id) < 0.01 else 0),
        )


def _enterprises(world: World, out: Lines) -> None:
    seen = set()
    for project in world.people:
        begun = datetime.combine(world.calendar.days[project.begins] - timedelta(days=20), time(9, 30))
        if project.uscc in seen:
            continue
        seen.add(project.uscc)
        chance = dice(world.seed, "enterprise", project.uscc)
        row = {
            "uscc": project.uscc,
            "name": project.company,
            "legalPerson": project.legal,
            "regStatus": chance.choice(("存续", "在业")),
            "regDate": f"{begun.date() - timedelta(days=chance.randint(200, 5000))}",
            "industryCode": project.industry,
            "regCapital": f"{chance.randint(1, 80) * 100}",
            "address": names.address(project.town, chance),
            "updateTime": stamp(begun),
        }
        out.state("p1/enterprise", project.uscc, row, begun)
        if chance.random() < 0.1:
            at = begun + timedelta(days=chance.randint(100, 600))
            out.state(
                "p1/enterprise",
                project.uscc,
                {**row, "regCapital": f"{chance.randint(80, 200) * 100}", "updateTime": stamp(at)},
                at,
            )


def _land(world: World, out: Lines) -> None:
    """用地批复: projects approved on one day share a document now and then; some rows lack the code."""
    by_day: dict[date, list[Project]] = {}
    for project in world.people:
        if project.land_approval and project.site:
            by_day.setdefault(project.land_approval, []).append(project)
    for day, all_of_day in sorted(by_day.items()):
        together = (
            [p for p in all_of_day if not p.site.only_p2] if day.toordinal() % 2 else []
        )  # else its red line would be theirs too
        groups = [*([together] if together else []), *([p] for p in all_of_day if p not in together)]
        for group in groups:
            number = f"粤府土审（{group[0].town_code[-3:]}）〔{day:%Y}〕{group[0].number}号"
            shape = geography.geojson(
                group[0].site.redline if len(group) == 1 else MultiPolygon([p.site.redline for p in group])
            )
            shown = datetime.combine(day, time(18, 0))
            for project in group:
                chance = dice(world.seed, "p2", project.number)
                row = {
                    "批文号": number,
                    "项目名称": project.name,
                    "项目代码": ""
                    if len(group) == 1 and not project.planted and chance.random() < 0.05
                    else project.code,
                    "批准机关": "广东省人民政府",
                    "批准日期": f"{day}",
                    "批准面积(公顷)": f"{project.site.area / 10000:.4f}",
                    "用地单位": project.company,
                    "更新时间": stamp(shown),
                    "_file": f"land_approval_{day:%Y%m%d}_{group[0].number:04d}.zip",
                    "_geometry": shape,
                }
                if chance.random() < 0.04:
                    row["_quirk"] = chance.choice(("xy_swapped", "no_closing_point", "area_with_unit", "gbk"))
                out.state("p2/land_approval", f"{number}|{project.code}", row, shown)


class _Log:
    """A change log of P3: the sync columns, a batch a day."""

    def __init__(self, out: Lines) -> None:
        self.out = out

    def put(
        self,
        table: str,
        guid: str,
        row: dict[str, Any],
        at: datetime,
        operation: str = "I",
        late: timedelta = timedelta(),
    ) -> None:
        full = {
            **row,
            "row_guid": guid,
            "cd_operation": operation,
            "cd_time": stamp(at),
            "cd_batch": f"{at:%Y%m%d}01",
            "data_source": "p44",
            "is_sync": 0,
        }
        self.out.log(f"p3/{table}", full, at + late)


def _national(at: datetime | date | None, form: int) -> str:
    """A business time of P3, which is text in several forms."""
    if at is None:
        return ""
    if not isinstance(at, datetime):
        return f"{at:%Y-%m-%d}"
    return (stamp(at), f"{at:%Y/%m/%d %H:%M:%S}", f"{stamp(at)}.0")[form if form < 3 else 0]


def _tasks(world: World, log: _Log) -> None:
    units = {"工作日": "1", "自然日": "2", "": ""}
    for code in world.catalogue.order:
        for item in world.catalogue.versions[code]:
            if item.internal:
                continue
            row = {
                "catalog_code": item.catalog_code,
                "task_code": item.task_code,
                "task_name": item.name,
                "task_type": item.catalog_code[:2],
                "task_version": item.version,
                "task_state": "1",
                "use_level": "3",
                "dept_code": item.department_code,
                "dept_name": item.department,
                "anticipate_day": item.limit.statutory,
                "anticipate_type": units[item.limit.statutory_unit],
                "promise_day": item.limit.promised,
                "promise_type": units[item.limit.promised_unit],
                "project_type": item.limit.project_type,
                "limit_scene_num": 1,
                "plan_effective_date": f"{item.valid_from}",
            }
            at = datetime.combine(max(item.valid_from, world.start), time(1, 10))
            log.put("up_task_general_basic", f"task-{item.code}", row, at, "I" if item.version == 1 else "U")


def _case(world: World, case: Case, log: _Log) -> None:
    """办件 of the national tables; what the municipal platform reports upward, or a province's own."""
    project, item = case.project, world.catalogue.on(case.item, case.receipt.date())
    chance = dice(world.seed, "p3", project.number, case.n)
    no = case.no if case.municipal else case.own_no
    form = 0 if case.plain else chance.randint(0, 8)
    guid = f"{case.no}-{chance.randint(100000, 999999)}"
    if case.accepted:
        at = case.accepted + timedelta(minutes=chance.randint(10, 50))
        row = {
            "project_no": no,
            "catalog_code": item.catalog_code,
            "task_code": item.task_code,
            "task_name": item.name,
            "task_version": item.version,
            "project_name": project.name,
            "applyer_name": project.company,
            "applyer_type": "2",
            "applyer_page_type": "31",
            "applyer_page_code": project.uscc,
            "legal": project.legal,
            "contact_name": names.person(chance),
            "contact_mobile": names.phone(chance),
            "apply_date": _national(case.receipt, form),
            "apply_type": "1",
            "accept_date": _national(case.accepted, form),
            "accept_doc_no": f"SL{no}",
            "org_code": item.department_code,
            "org_name": item.department,
            "handle_user_name": names.person(chance),
            "project_type": item.limit.project_type,
            "promise_date": "",
        }
        late = timedelta(minutes=9) if chance.random() < 0.1 else timedelta()
        log.put("up_pro_accept", guid, row, at, late=late)
        if late:  # the update comes before the insert
            log.put(
                "up_pro_accept", guid, {**row, "handle_user_name": names.person(chance)}, at + timedelta(minutes=2), "U"
            )
    for n, step in enumerate(case.steps):
        at = step.at + timedelta(minutes=chance.randint(10, 50))
        log.put(
            "up_pro_process",
            f"{guid}-{n}",
            {
                "project_no": no,
                "process_name": step.name,
                "event_name": "1",
                "event_start_time": _national(step.at, form),
                "event_end_time": _national(step.at, form),
                "handle_explain": step.opinion,
                "handle_user_name": names.person(chance),
            },
            at,
        )
    for n, special in enumerate(case.specials):
        row = {
            "project_no": no,
            "special_type": special.kind,
            "special_name": "延长审批" if special.kind == "A" else "专家评审",
            "special_reason": "情况复杂",
            "special_time": _national(special.start, form),
            "end_time": "",
            "result": "",
        }
        log.put("up_pro_special_procedure", f"{guid}-t{n}", row, special.start + timedelta(minutes=20))
        if special.end:
            log.put(
                "up_pro_special_procedure",
                f"{guid}-t{n}",
                {**row, "end_time": _national(special.end, form), "result": "已完成"},
                special.end + timedelta(minutes=20),
                "U",
            )
    if case.concluded:
        at = case.concluded + timedelta(minutes=chance.randint(10, 50))
        row = {
            "project_no": no,
            "result_type": P3_RESULTS[case.result],
            "result_date": _national(case.concluded, form),
            "result_explain": "",
            "result_cetr_name": item.document if case.licence else "",
            "result_cetr_no": case.licence.number if case.licence else "",
            "is_delivery_results": "1",
        }
        log.put("up_pro_result", guid, row, at)
        if case.licence:
            log.put(
                "up_lic_data",
                f"lic-{guid}",
                {
                    "certificate_source_id": case.licence.certificate_id,
                    "certificate_type_code": item.type_code,
                    "certificate_number": case.licence.number,
                    "certificate_holder": project.company,
                    "certificate_holder_code": project.uscc,
                    "certificate_holder_type": "1",
                    "issue_dept": item.department,
                    "issue_dept_code": item.department_code,
                    "issue_date": _national(case.licence.day, form),
                    "certificate_area_code": "441900",
                },
                at,
            )
    if chance.random() < 0.02:
        ghost = case.receipt + timedelta(hours=2)
        log.put("up_pro_process", f"ghost-{guid}", {}, ghost, "D")  # a deletion of what was never told
        twin = {
            "project_no": no,
            "process_name": "误报环节",
            "event_name": "1",
            "event_start_time": stamp(case.receipt),
            "event_end_time": stamp(case.receipt),
            "handle_explain": "误报",
            "handle_user_name": "",
        }
        log.put("up_pro_process", f"twin-{guid}", twin, ghost + timedelta(minutes=1))
        log.put("up_pro_process", f"twin-{guid}", twin, ghost + timedelta(days=4), "D")


def tell(world: World, out: Lines) -> None:
    """The rows of P1, P2 and P3."""
    _enterprises(world, out)
    _land(world, out)
    log = _Log(out)
    _tasks(world, log)
    for project in world.people:
        _filing(world, project, out)
        _licences(world, project, out)
        for case in project.cases:
            channel = world.catalogue[case.item].channel if case.item in world.catalogue.versions else ""
            if (case.national or channel == "P3") and case.receipt < out.until:
                _case(world, case, log)
