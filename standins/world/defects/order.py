"""Times and order that cannot be: C4 inverted, C5 at once, C6 reviewed before acceptance, C7 prerequisites overtaken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from standins.world import judge
from standins.world.defects.courses import OWN_ONLY, Shape, blank, case_of, refused, ripe
from standins.world.defects.planting import Garden, Recipe, early
from standins.world.lifecycle import Edit, Plan, licence
from standins.world.model import Case, Plant, Project


def _shaped(
    rule: str,
    severity: int,
    kind: str,
    why: str,
    shape: Shape,
    items: Sequence[str],
    guard: str = "",
    dialect: str = "",
) -> Recipe:
    """One case of the last months takes this course."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        item = ripe(plan, items, garden.now - 150, garden.now - 30)
        if item is None or (dialect and project.dialect != dialect):
            return None
        garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
        case = project.of(item)[-1]
        if guard:
            return Plant(project, near=[garden.near(rule, project, item, case.no, guard=guard, why=why)])
        return Plant(
            project,
            garden.always(
                case.receipt, garden.finding(rule, project, item, case.no, severity=severity, kind=kind, why=why)
            ),
        )

    return recipe


def _concluded_first(plan: Plan, case: Case, at: int) -> None:
    chance = blank(plan, case)
    plan.step(case, at + 2, 0, chance)
    plan.conclude(case, at + 2, chance)
    plan.accept(case, at + 4, chance)


def _issued_first(plan: Plan, case: Case, at: int) -> None:
    chance = blank(plan, case)
    plan.accept(case, at + 3, chance)
    plan.handle(case, at + 3, at + 5, chance)
    plan.conclude(case, at + 5, chance)
    case.licence = licence(plan.world, case, plan.world.calendar.days[at])


def _date_only(plan: Plan, case: Case, at: int) -> None:
    """Accepted on the day after the conclusion, by a stamp without a time of day."""
    chance = blank(plan, case)
    plan.step(case, at + 1, 0, chance)
    plan.conclude(case, at + 1, chance)
    day = case.concluded + timedelta(days=1)
    case.decisions.append(("1", day.replace(hour=0, minute=0, second=0)))
    case.date_only = ("accepted",)


def _at_once(*, commitment: bool = False, date_only: bool = False) -> Shape:
    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.conclude(case, at, chance)
        case.concluded = case.accepted + timedelta(minutes=4)
        case.commitment = commitment
        if date_only:
            case.date_only = ("accepted", "concluded")

    return shape


def _reviewed_first(accept: int) -> Shape:
    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.step(case, at, 0, chance)
        plan.accept(case, at + accept, chance)
        plan.handle(case, at + accept, at + accept + 3, chance)
        plan.conclude(case, at + accept + 3, chance)

    return shape


def _chain(returns: int) -> Shape:
    """``returns`` refusals, each quoted by the next application, then accepted."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        refused()(plan, case, at)
        last = case
        for n in range(1, returns + 1):
            following = plan.live(case.item, at + 4 * n) if n == returns else plan.case(case.item, at + 4 * n)
            if n < returns:
                refused()(plan, following, at + 4 * n)
            following.prior = last.long_no
            last = following

    return shape


def _overtaken(first: int, last: int, near: str = "") -> Recipe:
    """DG-502 is issued two working days before DG-404 is done."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        at = plan.begun.get("DG-404", -1)
        if "DG-502" not in plan.done or not garden.now - first <= at <= garden.now - last or not early(project):
            return None

        def slow(plan: Plan, case: Case, at: int) -> None:
            chance = blank(plan, case)
            plan.accept(case, at, chance)
            plan.handle(case, at, at + 5, chance)
            plan.conclude(case, at + 5, chance)

        def quick(plan: Plan, case: Case, at: int) -> None:
            chance = blank(plan, case)
            plan.accept(case, at, chance)
            plan.handle(case, at, at + 3, chance)
            plan.conclude(case, at + 3, chance)

        garden.again(project, {"DG-404": Edit(at=at, shape=slow), "DG-502": Edit(at=at, shape=quick, ignore=True)})
        case = case_of(project, "DG-502")
        judged = case.concluded.date() >= judge.supervised(project)
        why = "工程规划许可证早于用地规划许可证核发"
        if near:
            if judged:
                return None
            return Plant(project, near=[garden.near("C7", project, "DG-502", case.no, guard=near, why=why)])
        if not judged:
            return None
        return Plant(
            project,
            garden.always(
                case.concluded, garden.finding("C7", project, "DG-502", case.no, severity=3, kind="before", why=why)
            ),
        )

    return recipe


def _never_done(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """DG-708 is issued while the only case of DG-707 is still open."""
    at = plan.begun.get("DG-707", -1)
    if "DG-708" not in project.expected or not garden.now - 22 <= at <= garden.now - 5 or not early(project):
        return None
    at = max(at, garden.now - 9)

    def slow(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.handle(case, at, garden.now + 2, chance)
        plan.conclude(case, garden.now + 2, chance)

    def quick(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.conclude(case, at + 1, chance)

    garden.again(
        project, {"DG-707": Edit(at=at, shape=slow), "DG-708": Edit(at=garden.now - 3, shape=quick, ignore=True)}
    )
    case = case_of(project, "DG-708")
    if case.concluded.date() < judge.supervised(project):
        return None
    return Plant(
        project,
        garden.always(
            case.concluded,
            garden.finding(
                "C7", project, "DG-708", case.no, severity=3, kind="never_done", why="联合验收未办结即竣工验收备案"
            ),
        ),
    )


def _soft(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """A fast-track project whose DG-502 is done before its soft DG-N-501."""
    if (
        not project.fast
        or not early(project)
        or "DG-N-501" not in plan.done
        or not garden.now - 150 <= plan.begun.get("DG-502", -1) <= garden.now - 30
    ):
        return None
    at = plan.begun["DG-502"]

    def slow(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.handle(case, at, at + 9, chance)
        plan.conclude(case, at + 9, chance)

    def quick(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.handle(case, at, at + 3, chance)
        plan.conclude(case, at + 3, chance)

    garden.again(project, {"DG-N-501": Edit(at=at, shape=slow), "DG-502": Edit(at=at, shape=quick)})
    case = case_of(project, "DG-502")
    return Plant(
        project,
        near=[
            garden.near("C7", project, "DG-502", case.no, guard="soft_fast_track", why="拿地即开工项目，方案审查可后补")
        ],
    )


def _parallel(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """DG-604 before DG-602 of the same parallel group."""
    at = plan.begun.get("DG-604", -1)
    if "DG-602" not in project.expected or not garden.now - 150 <= at <= garden.now - 30 or "DG-601" not in plan.done:
        return None

    def quick(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.handle(case, at, at + 2, chance)
        plan.conclude(case, at + 2, chance)

    garden.again(project, {"DG-602": Edit(at=at + 1), "DG-604": Edit(at=at, shape=quick, ignore=("DG-602",))})
    case = case_of(project, "DG-604")
    return Plant(
        project,
        near=[
            garden.near("C7", project, "DG-604", case.no, guard="parallel", why="消防设计审查与施工许可并联"),
            garden.near("C1", project, "DG-602", guard="parallel", why="消防设计审查与施工许可并联"),
        ],
    )


_INTERNAL = ("DG-N-103", "DG-N-102", "DG-N-105")
RECIPES: dict[str, tuple[Recipe, int]] = {
    "C7.before": (_overtaken(215, 30), 2),
    "C7.never_done": (_never_done, 1),
    "near.C7.before_cut_off": (_overtaken(420, 235, "before_cut_off"), 1),
    "near.C7.soft": (_soft, 1),
    "near.C7.parallel": (_parallel, 1),
    "C4.concluded_first": (
        _shaped("C4", 2, "accepted_after_conclusion", "受理晚于办结", _concluded_first, (*OWN_ONLY, *_INTERNAL)),
        2,
    ),
    "C4.issued_first": (_shaped("C4", 2, "accepted_after_issue", "受理晚于发证", _issued_first, OWN_ONLY), 1),
    "near.C4.date_only": (_shaped("C4", 2, "", "仅有日期且相差一日", _date_only, OWN_ONLY, "date_only"), 1),
    "C5.at_once": (
        _shaped("C5", 1, "within_10_minutes", "受理后 4 分钟办结", _at_once(), (*OWN_ONLY, "DG-502", "DG-503")),
        2,
    ),
    "near.C5.simple": (_shaped("C5", 1, "", "即办件", _at_once(), ("DG-610",), "project_type_1"), 1),
    "near.C5.commitment": (
        _shaped("C5", 1, "", "告知承诺", _at_once(commitment=True), ("DG-507", "DG-706", "DG-602"), "commitment", "3"),
        1,
    ),
    "near.C5.date_only": (_shaped("C5", 1, "", "仅有日期", _at_once(date_only=True), OWN_ONLY, "date_only"), 1),
    "C6.reviewed_first": (
        _shaped(
            "C6",
            2,
            "handled_before",
            "审批环节早于受理 4 个工作日",
            _reviewed_first(4),
            (*OWN_ONLY, "DG-502", "DG-404"),
        ),
        2,
    ),
    "C6.chain": (_shaped("C6", 2, "returned_twice", "两次退件后受理", _chain(2), OWN_ONLY), 1),
    "near.C6.two_days": (
        _shaped("C6", 2, "", "审批环节早于受理 2 个工作日", _reviewed_first(2), OWN_ONLY, "two_days_before"),
        1,
    ),
    "near.C6.one_return": (_shaped("C6", 2, "", "仅一次退件", _chain(1), OWN_ONLY, "one_return"), 1),
}
