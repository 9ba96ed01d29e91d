"""体外循环: C1 missing link, C2 result without a case, C3 registered afterwards, C9 off the list, C15 past the window.

They stand in exactly 13 items (THIRTEEN), whatever the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from standins.world import judge
from standins.world.catalogue import RETIRED
from standins.world.defects.courses import blank, case_of, held, ripe, spend
from standins.world.defects.planting import Garden, Recipe, early, has
from standins.world.lifecycle import Edit, Plan
from standins.world.model import Case, Plant, Project

OFF_LIST = ("DG-X-901", "DG-X-902")  # codes of no list
THIRTEEN = (  # items of 体外循环; the retired one by its code on the case
    "DG-N-102",
    "DG-N-201",
    "DG-N-204",
    "DG-404",
    "DG-502",
    "DG-503",
    "DG-504",
    "DG-602",
    "DG-604",
    "DG-707",
    *OFF_LIST,
    RETIRED,
)


def _today(garden: Garden) -> datetime:
    return datetime.combine(garden.world.today, time())


def _expects(
    garden: Garden, project: Project, item: str, case: Case | None, why: str
) -> Callable[[datetime], list[dict[str, Any]]]:
    """C1, C2 and C15 of one item, as far as they stand at a time."""

    def expects(now: datetime) -> list[dict[str, Any]]:
        found = []
        if judge.missing(garden.world, project, item, now):
            found.append(garden.finding("C1", project, item, severity=3, kind="missing", why=why))
        if case is not None:
            number = case.own_no if case.department else case.licence.number
            if judge.unrecorded(garden.world, project, case, now):
                found.append(
                    garden.finding(
                        "C2",
                        project,
                        item,
                        number,
                        severity=3,
                        kind="department" if case.department else "licence",
                        why=why,
                    )
                )
            if judge.bypassed(garden.world, project, case, now):
                found.append(
                    garden.finding("C15", project, item, case.own_no, severity=3, kind="department_only", why=why)
                )
        return found

    return expects


def _never_seen(item: str, why: str, *, before: bool = False) -> Recipe:
    """Nobody has a case of the item, what comes after it is accepted. ``before``: all of it before the cut-off."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        if item not in plan.done or not early(project) or plan.begun[item] > garden.now - 3:
            return None
        garden.again(project, {item: Edit(at=plan.begun[item], absent=True)})
        now = _today(garden)
        stands = judge.missing(garden.world, project, item, now)
        later = [
            d
            for i in project.expected
            if item in judge.hard(garden.world, project, i)
            for d in judge.begins_or_issued(project, i, now)
        ]
        if before:
            every = [i for i in project.expected if item in judge.hard(garden.world, project, i)]
            if (
                stands
                or not every
                or not all(judge.begins_or_issued(project, i, now) for i in every)
                or min(later) < project.filing.submitted.date()
            ):
                return None
            return Plant(project, near=[garden.near("C1", project, item, guard="before_cut_off", why=why)])
        return Plant(project, _expects(garden, project, item, None, why)) if stands else None

    return recipe


def _outside(
    item: str,
    why: str,
    *,
    certified: bool,
    department: bool,
    since: tuple[int, int] = (200, 8),
    dialect: str = "",
    wanted: tuple[str, ...] = ("C2",),
    guard: str = "",
) -> Recipe:
    """The case is real, but M2 does not know it: only the department, or only the licence directory does."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        begun = ripe(plan, (item,), garden.now - since[0], garden.now - since[1])
        if begun is None or not early(project) or (dialect and project.dialect != dialect):
            return None

        def shape(plan: Plan, case: Case, at: int) -> None:
            limit = garden.world.catalogue[item].limit.promised
            spend(min(3, limit))(plan, case, at)
            _hide(case, certified=certified, department=department)

        garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
        case = case_of(project, item)
        expects = _expects(garden, project, item, case, why)
        now = _today(garden)
        rules = {f["rule"] for f in expects(now)}
        if guard:
            if rules or not judge.past(case.done, now):
                return None
            return Plant(
                project, expects, near=[garden.near("C2", project, item, case.licence.number, guard=guard, why=why)]
            )
        return Plant(project, expects) if set(wanted) <= rules else None

    return recipe


def _hide(case: Case, *, certified: bool, department: bool) -> None:
    case.municipal, case.linked, case.national, case.origin = False, False, False, "2"
    case.certified, case.department = certified, department


def _open_outside(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """An open case of 生态环境局 that M2 does not know: C15 now, C2 when it is concluded."""
    at = garden.now - 5
    if not early(project) or held(garden, project, plan, ("DG-503",), at) is None:
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.handle(case, at, garden.now + 3, chance)
        plan.conclude(case, garden.now + 3, chance)
        _hide(case, certified=True, department=True)

    garden.again(project, {"DG-503": Edit(at=at, shape=shape)})
    return Plant(
        project, _expects(garden, project, "DG-503", case_of(project, "DG-503"), "生态环境局自建系统受理，市平台无办件")
    )


def _returned_outside(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """Returned by the department in its own system: C15 and returned, no C2; applied for again the right way later."""
    at = garden.now - 12
    if not early(project) or held(garden, project, plan, ("DG-503",), at) is None:
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        spend(4, result="1")(plan, case, at)
        _hide(case, certified=False, department=True)
        plan.live("DG-503", garden.now + 5).national = False

    garden.again(project, {"DG-503": Edit(at=at, shape=shape)})
    case = case_of(project, "DG-503")
    why = "部门自建系统退回办结，市平台无办件"
    hidden = _expects(garden, project, "DG-503", case, why)

    def expects(now: datetime) -> list[dict[str, Any]]:
        kind = judge.returned(project, case, now)
        found = hidden(now)
        if kind:
            found.append(garden.finding("returned", project, "DG-503", case.own_no, severity=1, kind=kind, why=why))
        return found

    return Plant(project, expects, near=[garden.near("C2", project, "DG-503", case.own_no, guard="returned", why=why)])


def _yesterday(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """A document of the last two working days without a case in M2: not yet C2."""
    if not early(project) or ripe(plan, ("DG-404",), garden.now - 16, garden.now - 2) is None:
        return None
    begins = max(plan.begun["DG-404"], garden.now - 5)

    def shape(plan: Plan, case: Case, at: int) -> None:
        spend(garden.now - 1 - at)(plan, case, at)
        _hide(case, certified=True, department=False)

    garden.again(project, {"DG-404": Edit(at=begins, shape=shape)})
    case = case_of(project, "DG-404")
    return Plant(
        project,
        _expects(garden, project, "DG-404", case, "有证照，市平台无办件"),
        near=[
            garden.near("C2", project, "DG-404", case.licence.number, guard="within_3_days", why="发证未满 3 个工作日")
        ],
    )


def _unlinked(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """The department leaves SBLSH_SHORT empty, but M2 has the case and knows the department's number."""
    item = ripe(plan, ("DG-502", "DG-404", "DG-701"), garden.now - 150, garden.now - 30)
    if item is None or not early(project):
        return None
    garden.again(project, {item: Edit(at=plan.begun[item])})
    case = case_of(project, item)
    case.linked = False
    return Plant(
        project,
        near=[
            garden.near(
                rule, project, item, case.own_no, guard="m2_has_the_case", why="部门未写申办流水号，市平台有该办件"
            )
            for rule in ("C15", "C2")
        ],
    )


def _afterwards(item: str, kind: str, why: str) -> Recipe:
    """All rows come into M2 after the result: days later, or in one go on the same evening."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        if ripe(plan, (item,), garden.now - 180, garden.now - 30) is None:
            return None

        def shape(plan: Plan, case: Case, at: int) -> None:
            spend(4)(plan, case, at)
            last = garden.world.calendar.index(case.concluded)
            case.inserted = (
                case.concluded + timedelta(minutes=95)
                if kind == "in_one_go"
                else garden.world.calendar.at(last + 4, 610)
            )

        garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
        case = case_of(project, item)
        return Plant(
            project,
            garden.always(case.inserted, garden.finding("C3", project, item, case.no, severity=2, kind=kind, why=why)),
        )

    return recipe


def _corrected(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    item = ripe(plan, ("DG-504", "DG-403", "DG-710"), garden.now - 180, garden.now - 60)
    if item is None:
        return None
    garden.again(project, {item: Edit(at=plan.begun[item], shape=spend(3))})
    case = case_of(project, item)
    case.corrected_late = case.concluded + timedelta(days=31)
    return Plant(
        project,
        near=[garden.near("C3", project, item, case.no, guard="correction", why="首次入库及时，VERSION 2 更正较晚")],
    )


def _off_list(code: str, like: str, why: str, *, department: str = "") -> Recipe:
    """A case of an item that no list has, or whose item came to an end."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        at = garden.now - 40 - project.number % 60
        if not early(project) or held(garden, project, plan, (like,), at) is None:
            return None
        plan = garden.again(project)
        case = plan.case(like, at)
        spend(4)(plan, case, at)
        written = garden.world.catalogue[RETIRED].sxbm if code == RETIRED else code
        case.item, case.item_written, case.licence, case.result = code, written, None, "6"
        if department:
            _hide(case, certified=False, department=True)
            case.system = department
        number = case.own_no if department else case.no
        return Plant(
            project,
            garden.always(
                case.receipt,
                garden.finding(
                    "C9", project, written, number, severity=3, kind="ended" if code == RETIRED else "unknown", why=why
                ),
            ),
        )

    return recipe


def _former_code(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """A former code, on a day on which it was an alias in force."""
    switch = garden.world.calendar.index(garden.world.catalogue.switch)
    item = ripe(plan, ("DG-504", "DG-404", "DG-503"), 0, switch - 2)
    if item is None:
        return None
    garden.again(project)
    case = case_of(project, item)
    case.item_written, case.national = garden.world.catalogue.versions[item][0].former, False
    return Plant(
        project, near=[garden.near("C9", project, item, case.no, guard="alias_in_force", why="旧码在接件日有效")]
    )


def _soft(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    if (
        not project.fast
        or not early(project)
        or "DG-N-501" not in plan.done
        or ripe(plan, ("DG-502",), garden.now - 200, garden.now - 5) is None
    ):
        return None
    garden.again(project, {"DG-N-501": Edit(absent=True)})
    return Plant(
        project,
        near=[garden.near("C1", project, "DG-N-501", guard="soft_fast_track", why="拿地即开工项目，方案审查可后补")],
    )


def _not_expected(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """The plan leaves DG-N-104 out, so nothing rests on it."""
    if (
        not project.planned
        or not early(project)
        or not has(project, "新增用地")
        or ripe(plan, ("DG-N-302", "DG-N-105"), garden.now - 200, garden.now - 5) is None
    ):
        return None
    project.planned = tuple(i for i in project.planned if i != "DG-N-104")
    project.expected = tuple(i for i in project.expected if i != "DG-N-104")
    garden.again(project)
    return Plant(project, near=[garden.near("C1", project, "DG-N-104", guard="not_expected", why="计划事项中没有")])


def _not_judged(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """No system tells the process type: items of certain types only are not judged."""
    if (
        project.fast
        or not early(project)
        or "DG-N-501" not in plan.done
        or ripe(plan, ("DG-502",), garden.now - 200, garden.now - 5) is None
    ):
        return None
    project.splclx_known = False
    garden.again(project, {"DG-N-501": Edit(absent=True)})
    return Plant(project, near=[garden.near("C1", project, "DG-N-501", guard="not_judged", why="审批流程类型未知")])


RECIPES: dict[str, tuple[Recipe, int]] = {
    "near.C2.yesterday": (_yesterday, 1),
    "C1.DG-N-102": (_never_seen("DG-N-102", "经济效益审查已受理，统筹研判无办件"), 2),
    "C1.DG-N-201": (_never_seen("DG-N-201", "后续事项已受理，经济效益审查无办件"), 2),
    "C1.DG-707": (_never_seen("DG-707", "竣工验收备案已受理，联合验收无办件"), 1),
    "C2.DG-404": (
        _outside("DG-404", "有用地规划许可证，市平台无办件", certified=True, department=False, wanted=("C1", "C2")),
        2,
    ),
    "C2.DG-502": (
        _outside(
            "DG-502",
            "自然资源局自建系统核发，市平台无办件",
            certified=False,
            department=True,
            wanted=("C1", "C2", "C15"),
        ),
        2,
    ),
    "C2.DG-602": (
        _outside(
            "DG-602",
            "住建局自建系统审查，市平台无办件",
            certified=False,
            department=True,
            dialect="3",
            wanted=("C2", "C15"),
        ),
        1,
    ),
    "C2.DG-604": (
        _outside(
            "DG-604",
            "住建局自建系统核发施工许可，市平台无办件",
            certified=True,
            department=True,
            dialect="3",
            wanted=("C2", "C15"),
        ),
        1,
    ),
    "C15.open": (_open_outside, 1),
    "C15.returned": (_returned_outside, 1),
    "C3.DG-504": (_afterwards("DG-504", "after_result", "办结后第 4 个工作日才入库"), 2),
    "C3.DG-N-204": (_afterwards("DG-N-204", "in_one_go", "办结后全部记录在 10 分钟内入库"), 2),
    "C9.unknown": (_off_list(OFF_LIST[0], "DG-504", "清单中没有的事项"), 2),
    "C9.ended": (_off_list(RETIRED, "DG-504", "事项已取消"), 1),
    "C9.department": (_off_list(OFF_LIST[1], "DG-504", "清单中没有的事项，仅在部门系统", department="D1"), 1),
    "near.C1.before_cut_off": (_never_seen("DG-N-201", "后续事项均在起算日之前", before=True), 1),
    "near.C2.before_cut_off": (
        _outside(
            "DG-404", "发证在起算日之前", certified=True, department=False, since=(420, 225), guard="before_cut_off"
        ),
        1,
    ),
    "near.C15.unlinked": (_unlinked, 1),
    "near.C3.correction": (_corrected, 1),
    "near.C9.former_code": (_former_code, 1),
    "near.C1.soft": (_soft, 1),
    "near.C1.not_expected": (_not_expected, 1),
    "near.C1.not_judged": (_not_judged, 1),
}
