"""The same item twice: C10 split or doubled, C11 withdrawn and filed again."""

from __future__ import annotations

from collections.abc import Sequence

from standins.world.defects.courses import OWN_ONLY, again, case_of, ripe, spend
from standins.world.defects.planting import Garden, Recipe
from standins.world.lifecycle import Edit, Plan
from standins.world.model import Case, Plant, Project


def _doubled(
    items: Sequence[str], kind: str, why: str, *, wait: int = 1, other_work: bool = False, guard: str = ""
) -> Recipe:
    """A second case ``wait`` days after the first one's receipt, which takes 3 days."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        item = ripe(plan, items, garden.now - 150, garden.now - 30)
        if item is None:
            return None

        def shape(plan: Plan, case: Case, at: int) -> None:
            spend(3)(plan, case, at)
            second = plan.live(item, at + wait)
            if other_work:
                second.gcdm = f"{project.code}-2002"

        garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
        second = case_of(project, item, 1)
        if guard:
            return Plant(project, near=[garden.near("C10", project, item, second.no, guard=guard, why=why)])
        return Plant(
            project,
            garden.always(
                second.receipt, garden.finding("C10", project, item, second.no, severity=1, kind=kind, why=why)
            ),
        )

    return recipe


def _several(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """Two overlapping cases of an item of which a project may have several; no work code is known for it."""
    item = ripe(plan, ("DG-509", "DG-701"), garden.now - 150, garden.now - 30)
    if item is None:
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        spend(3)(plan, case, at)
        plan.live(item, at + 1)

    garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
    return Plant(
        project,
        near=[garden.near("C10", project, item, case_of(project, item, 1).no, guard="multiple", why="一项目可有多件")],
    )


def _withdrawn(before: int, wait: int, why: str, guard: str = "") -> Recipe:
    """Withdrawn ``before`` working days before the promised due date, received again ``wait`` working days later."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        item = ripe(plan, (*OWN_ONLY, "DG-502", "DG-503"), garden.now - 150, garden.now - 50)
        if item is None:
            return None
        garden.again(
            project, {item: Edit(at=plan.begun[item], shape=again(spend(-before, over=True, result="2"), wait))}
        )
        case = case_of(project, item)
        if guard:
            return Plant(project, near=[garden.near("C11", project, item, case.no, guard=guard, why=why)])
        since = case_of(project, item, 1).receipt
        return Plant(
            project,
            garden.always(since, garden.finding("C11", project, item, case.no, severity=2, kind="before_due", why=why)),
        )

    return recipe


RECIPES: dict[str, tuple[Recipe, int]] = {
    "C10.doubled": (_doubled((*OWN_ONLY, "DG-502", "DG-503"), "overlap", "同一事项两件并行"), 2),
    "C10.same_work": (_doubled(("DG-703", "DG-702", "DG-604"), "same_work", "同一工程代码两件并行"), 1),
    "near.C10.other_work": (_doubled(("DG-703", "DG-702"), "", "分属两个工程", other_work=True, guard="other_work"), 1),
    "near.C10.other_work_single": (_doubled(("DG-706",), "", "分属两个工程", other_work=True, guard="other_work"), 1),
    "near.C10.one_after_the_other": (_doubled(OWN_ONLY, "", "前件办结后再报", wait=4, guard="ended_before"), 1),
    "near.C10.multiple": (_several, 1),
    "C11.before_due": (_withdrawn(1, 4, "到期前 1 个工作日撤件，4 个工作日内再报"), 1),
    "C11.on_due": (_withdrawn(0, 10, "到期当日撤件，10 个工作日内再报"), 1),
    "near.C11.early": (_withdrawn(4, 3, "到期前 4 个工作日撤件", "four_days_before"), 1),
    "near.C11.late": (_withdrawn(1, 11, "撤件 11 个工作日后再报", "refiled_late"), 1),
}
