"""The courses of a single case that recipes put together. Days are numbers of working days."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from standins.world.chance import dice
from standins.world.defects.planting import Garden
from standins.world.lifecycle import Plan, finished
from standins.world.model import Case, Project

Shape = Callable[[Plan, Case, int], None]
QUIET_ITEMS = ("DG-504", "DG-506", "DG-403", "DG-503")  # nothing waits long for them
OWN_ONLY = ("DG-504", "DG-710", "DG-506", "DG-403")  # no department system of ours knows their cases
ORDINARY = ("DG-404", "DG-502", "DG-504", "DG-503", "DG-403", "DG-506", "DG-710", "DG-602", "DG-507")


def blank(plan: Plan, case: Case) -> Random:
    """Forget the case's ordinary course, keep its receipt; gives a stream of chance for the new one."""
    case.decisions, case.supplements, case.specials, case.steps = [], [], [], []
    case.concluded, case.licence, case.result, case.variant, case.national = None, None, "0", "", False
    return dice(plan.world.seed, "course", case.no)


def promised(plan: Plan, case: Case, at: int) -> int:
    """The promised limit of a case accepted on ``at``."""
    return plan.world.catalogue.on(case.item, plan.world.calendar.days[at]).limits(case.variant).promised


def spend(days: int, *, accept: int = 0, result: str | None = None, over: bool = False, steps: bool = True) -> Shape:
    """Accepted ``accept`` days after receipt, concluded ``days`` later, or ``days`` past the promised limit (``over``)."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        begin = at + accept
        last = begin + days + (promised(plan, case, begin) if over else 0)
        plan.accept(case, begin, chance)
        if steps:
            plan.handle(case, begin, last, chance)
        plan.conclude(case, last, chance, result)

    return shape


def paused(
    start: int,
    length: int,
    days: int,
    *,
    limit: int = 10,
    supplement: bool = False,
    over: bool = False,
    kind: str = "A",
) -> Shape:
    """A pause ``start`` days after acceptance, ``length`` long; ``days`` used in all (past the promise: ``over``)."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        total = days + (promised(plan, case, at) if over else 0)
        plan.accept(case, at, chance)
        if supplement:
            plan.supplement(case, at + start, at + start + length, chance)
        else:
            plan.special(case, at + start, at + start + length, limit, kind, chance)
        last = at + total + length
        plan.step(case, at, 0, chance)
        plan.handle(case, at + start + length, last, chance)
        plan.conclude(case, last, chance)

    return shape


def again(first: Shape, wait: int, *, prior: bool = False) -> Shape:
    """After the first case ended otherwise, the item is applied for again ``wait`` days later and goes through."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        first(plan, case, at)
        second = plan.live(case.item, plan.world.calendar.index(case.end) + wait)
        second.prior = case.long_no if prior else ""

    return shape


def refused(state: str = "4", after: int = 1) -> Shape:
    """Not accepted."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        case.decisions.append((state, plan.world.calendar.at(at + after, chance.randint(650, 740))))

    return shape


def held(garden: Garden, project: Project, plan: Plan, items: Iterable[str], at: int) -> str | None:
    """An item that might have been applied for by ``at`` and can wait till then without holding the project up."""
    end = finished(project)
    if end is None or garden.world.calendar.index(end) < garden.now + 25:
        return None
    return next((i for i in items if i in project.expected and at - 120 <= plan.begun.get(i, 10**6) <= at), None)


def ripe(plan: Plan, items: Iterable[str], first: int, last: int) -> str | None:
    """An item whose case begins between two working days."""
    return next((i for i in items if first <= plan.begun.get(i, -1) <= last and i in plan.done), None)


def case_of(project: Project, item: str, nth: int = 0) -> Case:
    """The item's nth case by receipt."""
    return project.of(item)[nth]
