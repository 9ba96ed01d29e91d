"""How a project goes its way through the eight stages when nothing goes wrong, unless an edit says otherwise.

By construction a case is decided on within 5 working days, ends within its promised limit, its pauses are short, ended
and far from the due date, prerequisites are done the working day before at the latest, and between two events of a
project that is not finished lie fewer than 20 working days (the rules: docs/rules.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random

from core.codes import CERTIFICATE_ROOT, certificate_check
from standins.world.chance import dice, share
from standins.world.model import Case, Filing, Licence, Project, Special, Step, World

STEPS = (("01", "窗口初审"), ("02", "审核"), ("03", "现场踏勘"), ("04", "审批"))
AFTER = {  # what an item waits for though the list does not ask for it: habit, not rule
    "DG-N-105": ("DG-N-101",),
    "DG-N-201": ("DG-N-105",),
    "DG-403": ("DG-N-201",),
    "DG-503": ("DG-N-201", "DG-404"),
    "DG-504": ("DG-N-201", "DG-404"),
    "DG-506": ("DG-N-201", "DG-404"),
    "DG-N-501": ("DG-N-203", "DG-N-204"),
    "DG-502": ("DG-N-203", "DG-N-204"),
    "DG-801": ("DG-503", "DG-701"),
}
AFTER_BUILDING = ("DG-701", "DG-702", "DG-703", "DG-704", "DG-705", "DG-706")
FILLERS = ("DG-605", "DG-606", "DG-609")  # what goes on while it is built
SILENT = (
    "DG-307",
    "DG-607",
    "DG-608",
    "DG-609",
    "DG-709",
    "DG-N-804",
    "DG-N-805",
)  # no system of ours has cases of them
REGISTERED = ("DG-405", "DG-601", "DG-802")  # only their document is seen


@dataclass
class Edit:
    """What happens otherwise with one item of one project.

    ``at``: working day of its receipt; ``shape``: changes the case, gets (plan, case, its working day), may add cases;
    ``absent``: nobody ever has a case of it; ``ignore``: prerequisites it does not wait for (True: none);
    ``hold``: an upper bound in working days on how long it waits after it is ready.
    """

    at: int | None = None
    shape: Callable[[Plan, Case, int], None] | None = None
    absent: bool = False
    ignore: bool | tuple[str, ...] = ()
    hold: int | None = None


@dataclass
class Plan:
    """A project being lived through."""

    world: World
    project: Project
    edits: dict[str, Edit] = field(default_factory=dict)
    silence: tuple[int, int] | None = None  # working days between which nothing begins
    done: dict[str, int] = field(default_factory=dict)  # item -> working day
    begun: dict[str, int] = field(default_factory=dict)

    def case(self, item: str, at: int, *, chance: Random | None = None) -> Case:
        """A new case, received on working day ``at``, otherwise empty; it joins the project's cases."""
        project = self.project
        n = len(project.cases) + 1
        chance = chance or dice(self.world.seed, project.number, item, "new", n)
        day = self.world.calendar.days[at]
        case = Case(
            project=project,
            item=item,
            n=n,
            no=f"4419{day:%y%m%d}{project.number:04d}{n:03d}",
            long_no=f"SB{self.world.catalogue[item].department_code[8:17]}{day:%Y%m%d}{project.number:04d}{n:03d}",
            own_no=own_number(item, day, project.number, n),
            receipt=self.world.calendar.at(at, chance.randint(540, 640), chance.randint(1, 59)),
            variant=self.world.catalogue[item].variant if chance.random() < 0.5 else "",
            gcdm=f"{project.code}-2001",
        )
        departments = self.world.catalogue[item].departments
        case.town = "镇街" in departments and share(self.world.seed, "town", project.number, item) < 0.5
        case.national = (
            not self.world.catalogue[item].internal and share(self.world.seed, "p3", project.number, n) < 0.12
        )
        if self.world.catalogue[item].channel == "P3":  # the province's own
            case.municipal, case.department, case.linked = False, False, False
        project.cases.append(case)
        return case

    def accept(self, case: Case, at: int, chance: Random) -> None:
        case.decisions.append(("1", self.world.calendar.at(at, chance.randint(650, 740), chance.randint(1, 59))))

    def step(self, case: Case, at: int, number: int, chance: Random) -> None:
        code, name = STEPS[number % len(STEPS)]
        case.steps.append(Step(self.world.calendar.at(at, chance.randint(840, 930), chance.randint(1, 59)), code, name))

    def conclude(self, case: Case, at: int, chance: Random, result: str | None = None) -> None:
        """It ends on working day ``at``; a pass that has a document gets it, dated that day."""
        item = self.world.catalogue[case.item]
        case.concluded = self.world.calendar.at(at, chance.randint(940, 1040), chance.randint(1, 59))
        case.result = result or ("0" if item.type_code else "6")
        if case.done and item.type_code:
            case.licence = licence(self.world, case, case.concluded.date())

    def supplement(self, case: Case, start: int, end: int | None, chance: Random) -> None:
        """补正 asked on ``start``; the applicant hands in again on ``end``."""
        calendar = self.world.calendar
        case.supplements.append(
            (
                calendar.at(start, chance.randint(650, 740), chance.randint(1, 59)),
                None if end is None else calendar.at(end, chance.randint(545, 640), chance.randint(1, 59)),
            )
        )

    def special(
        self, case: Case, start: int, end: int | None, limit: int, kind: str, chance: Random, unit: str = "G"
    ) -> None:
        calendar = self.world.calendar
        case.specials.append(
            Special(
                kind,
                calendar.at(start, chance.randint(840, 930)),
                None if end is None else calendar.at(end, chance.randint(545, 640)),
                limit,
                unit,
            )
        )

    def handle(self, case: Case, first: int, last: int, chance: Random) -> None:
        """Steps of handling from ``first`` to ``last``, at most 7 working days apart."""
        for number, at in enumerate(range(first, last + 1, 7)):
            self.step(case, at, number, chance)
        if (last - first) % 7:
            self.step(case, last, 3, chance)

    def live(self, item: str, at: int) -> Case:
        """An ordinary case of the item from receipt to a pass in time."""
        chance = dice(self.world.seed, self.project.number, item, at)
        case = self.case(item, at, chance=chance)
        accepted = at + chance.choice((0, 0, 1, 1, 2))
        if chance.random() < 0.06 and case.municipal:  # the national tables know no 补正
            back = at + chance.randint(2, 4)
            self.supplement(case, at + 1, back, chance)
            accepted = back + chance.randint(0, 2)
        limit = self.world.catalogue.on(item, self.world.calendar.days[accepted]).limits(case.variant).promised
        if limit == 0:
            accepted = case_day = at
            case.supplements.clear()
            self.accept(case, accepted, chance)
            self.conclude(case, case_day, chance)
            return case
        self.accept(case, accepted, chance)
        if limit is None:
            days = chance.randint(3, 14)
        else:
            days = chance.randint(max(1, limit // 4), max(1, min(limit - 1, 30)))
        paused = 0
        if limit and limit >= 7 and days > limit // 3 and chance.random() < 0.1:
            start = accepted + chance.randint(1, limit // 3)
            paused = chance.randint(3, 8)
            if chance.random() < 0.5 and case.municipal:
                self.supplement(case, start, start + paused, chance)
            else:
                self.special(case, start, start + paused, 10, chance.choice("AB"), chance)
        last = accepted + days + paused
        if paused:
            self.step(case, accepted, 0, chance)
            self.handle(case, start + paused, last, chance)
        else:
            self.handle(case, accepted, last, chance)
        self.conclude(case, last, chance)
        return case


def own_number(item: str, day: date, project: int, n: int) -> str:
    """The department's own number of a case."""
    return f"{item.replace('DG-', '').replace('-', '')}{day:%Y%m}{project:04d}{n:03d}"


def licence(world: World, case: Case, day: date) -> Licence:
    """The document of a case, dated ``day``."""
    return document(world, case.project, case.item, day, case.n)


def document(world: World, project: Project, item: str, day: date, n: int) -> Licence:
    """A document of an item: number and certificate id, unique by project, item and ``n``."""
    if item in ("DG-404", "DG-601"):
        number = f"{'地字第' if item == 'DG-404' else '审字第'}441900{day:%Y}{project.number:05d}{n:02d}号"
    elif item == "DG-502":
        number = f"建字第〔{day:%Y}〕{project.number:05d}{n:02d}号"
    elif item == "DG-604":
        number = f"441900{day:%Y%m%d}{project.number:04d}{n:02d}"
    else:
        number = f"东{item[-3:]}〔{day:%Y}〕{project.number:04d}{n:02d}号"
    entry = world.catalogue[item]
    body = f"{CERTIFICATE_ROOT}.{entry.type_code}.{entry.department_code}.{item[-3:]}{day:%Y}{project.number:05d}{n:02d}.001"
    return Licence(number, day, f"{body}.{certificate_check(body)}")


def _ready(plan: Plan, item: str, edit: Edit) -> int | None:
    """The first working day on which an ordinary course would let the item begin; None = never."""
    project, entry = plan.project, plan.world.catalogue[item]
    ready = project.begins
    chance = dice(plan.world.seed, project.number, item, "waits")
    for other in entry.prerequisites:
        if other not in project.expected or edit.ignore is True or other in (edit.ignore or ()):
            continue
        if entry.group and plan.world.catalogue[other].group == entry.group and chance.random() < 0.4:
            continue  # 并联
        if other in entry.soft and project.fast:
            ready = max(ready, plan.begun.get(other, 0) + 1)
            continue
        if other not in plan.done:
            return None
        ready = max(ready, plan.done[other] + 1)
    for other in AFTER.get(item, ()):
        if edit.ignore is not True and other in plan.done:
            ready = max(ready, plan.done[other] + 1)
    if item in AFTER_BUILDING and "DG-604" in plan.done:
        ready = max(ready, plan.done["DG-604"] + project.build_days)
    if item == "DG-710" and "DG-604" in plan.done:
        ready = max(ready, plan.done["DG-604"] + project.build_days * 2 // 3)
    return ready


def _file(plan: Plan, item: str) -> None:
    """DG-401 or DG-402: the filing with P1, concluded within its limit counted from receipt."""
    project, calendar = plan.project, plan.world.calendar
    chance = dice(plan.world.seed, project.number, "filing")
    if item == "DG-402":
        ready = plan.done.get("DG-304")
    elif project.early:
        ready = plan.done.get("DG-N-101", project.begins)
    else:
        ready = plan.done.get("DG-308", plan.done.get("DG-N-201"))
    if ready is None:
        return
    at = _quiet(plan, ready + chance.randint(1, 4))
    end = at + (chance.randint(3, 8) if item == "DG-402" else chance.randint(0, 2))
    project.filing = Filing(calendar.at(at, chance.randint(540, 640)), calendar.at(end, chance.randint(940, 1040)))
    plan.begun[item], plan.done[item] = at, end
    project.registered[item] = document(plan.world, project, item, project.filing.finished.date(), 0)


def _quiet(plan: Plan, at: int) -> int:
    """``at``, or after the silence where it would fall into one."""
    if plan.silence and plan.silence[0] <= at < plan.silence[1]:
        return plan.silence[1] + (at - plan.silence[0]) % 4
    return at


def _build(plan: Plan) -> None:
    """Small cases while the building goes on, one after the other."""
    project = plan.project
    chance = dice(plan.world.seed, project.number, "building")
    items = [item for item in FILLERS if item in project.expected]
    at = plan.done["DG-604"] + chance.randint(3, 8)
    n = 0
    while at < plan.done["DG-604"] + project.build_days:
        item = items[n % len(items)]
        at = _quiet(plan, at)
        case = plan.live(item, at)
        last = plan.world.calendar.index(case.concluded)
        plan.done.setdefault(item, last)
        n += 1
        at = last + chance.randint(9, 13)


def run(
    world: World, project: Project, edits: dict[str, Edit] | None = None, silence: tuple[int, int] | None = None
) -> Plan:
    """Live a project through: fills its cases, filing and documents; what it held before is forgotten."""
    plan = Plan(world, project, edits or {}, silence)
    project.cases, project.filing, project.land_approval, project.registered = [], None, None, {}
    calendar = world.calendar
    for item in project.expected:
        edit = plan.edits.get(item, Edit())
        if item in ("DG-401", "DG-402"):
            _file(plan, item)
            continue
        ready = _ready(plan, item, edit)
        if ready is None:
            continue
        chance = dice(world.seed, project.number, item, "delay")
        delay = chance.randint(1, 5)
        at = _quiet(plan, ready + (delay if edit.hold is None else min(delay, edit.hold)))
        if edit.at is not None:
            at = edit.at
        plan.begun[item] = at
        if edit.absent:
            plan.done[item] = at + 2
        elif item in SILENT:
            plan.done[item] = at + (chance.randint(2, 4) if item == "DG-307" else 0)
        elif item in REGISTERED:
            last = _quiet(plan, at + chance.randint(1, 4))
            plan.done[item] = last
            project.registered[item] = document(world, project, item, calendar.days[last], 0)
        elif item == "DG-N-303":
            last = _quiet(plan, at + chance.randint(2, 6))
            plan.done[item] = last
            project.land_approval = calendar.days[last]
        elif item in ("DG-605", "DG-606"):
            continue
        else:
            case = plan.live(item, at)
            if edit.shape:
                edit.shape(plan, case, at)
            passed = [c.done for c in project.of(item) if c.done]
            if passed:
                plan.done[item] = max(calendar.index(min(passed)), at)
        if item == "DG-604" and item in plan.done:
            _build(plan)
    return plan


def finished(project: Project) -> datetime | None:
    """When the milestones of stage 8 were done: 投产, and 不动产登记 where it is expected."""
    times = [project.done(item) for item in ("DG-N-803", "DG-802") if item in project.expected]
    return None if None in times or not times else max(times)
