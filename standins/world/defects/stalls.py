"""Stalled projects 停滞, on paper and on the ground, and those that are silent for a good reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from standins.world import judge
from standins.world.defects.courses import blank, ripe
from standins.world.defects.planting import Garden, Recipe, early, has
from standins.world.lifecycle import Edit, Plan, finished
from standins.world.model import Case, Plant, Project

FOR_LONG = 300  # working days that a dead project stays silent


def _expects(garden: Garden, project: Project, why: str) -> Callable[[datetime], list[dict[str, Any]]]:
    def expects(now: datetime) -> list[dict[str, Any]]:
        if (
            judge.silent(garden.world, project, now) < judge.STALLED
            or not project.filing
            or project.filing.submitted > now
        ):
            return []
        item = judge.stalled_item(garden.world, project, now)
        return [garden.finding("stalled", project, item, severity=2, kind="paper", why=why)] if item else []

    return expects


def _pause(garden: Garden, project: Project, plan: Plan, silent: int, until: int, exactly: bool = False) -> bool:
    """Silence the project so that its last event lies ``silent`` working days back or more. False: it cannot be."""
    world = garden.world
    today = datetime.combine(world.today, time())
    if (
        not early(project)
        or project.filing.submitted > today - timedelta(days=50)
        or (end := finished(project)) is None
        or end < today
    ):
        return False
    calendar = world.calendar
    base = calendar.index(world.today)
    spans = [(calendar.index(c.receipt), calendar.index(c.end)) for c in project.cases if c.end]
    for start in range(base - silent + 1, base - silent - (1 if exactly else 14), -1):
        if any(begin < start <= last for begin, last in spans):
            continue
        garden.again(project, silence=(start, until))
        count = judge.silent(world, project, today)
        if count == silent or (not exactly and silent <= count <= silent + 20):
            return True
    return False


def _has_limit(garden: Garden, project: Project) -> bool:
    now = datetime.combine(garden.world.today, time())
    _, items = judge.current(garden.world, project, now)
    limits = [garden.world.catalogue[i].limit for i in items]
    return any(limit.promised is not None or limit.statutory is not None for limit in limits)


def _applicant(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """Nothing is open, the next item is not applied for."""
    if not _pause(garden, project, plan, 21, garden.now + 8) or not _has_limit(garden, project):
        return None
    return Plant(project, _expects(garden, project, "20 个工作日以上无动静，待下一环节申报"), stalls=True)


def _department(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """An open case of an item without a limit, on which nothing has happened."""
    at = garden.now - 26
    if not early(project) or not at - 25 <= plan.begun.get("DG-N-302", -1) <= at:
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.conclude(case, garden.now + 4, chance)

    garden.again(project, {"DG-N-302": Edit(at=at, shape=shape)}, (at + 1, garden.now + 6))
    now = datetime.combine(garden.world.today, time())
    expects = _expects(garden, project, "用地报批组卷在办，20 个工作日以上无动静")
    if (
        judge.stalled_item(garden.world, project, now) != "DG-N-302"
        or not _has_limit(garden, project)
        or not expects(now)
    ):
        return None
    return Plant(project, expects, stalls=True)


def _nineteen(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    if not _pause(garden, project, plan, 19, garden.now + 1, exactly=True):
        return None
    return Plant(
        project,
        near=[garden.near("stalled", project, "", guard="below_20", why="19 个工作日无动静")],
        stalls=True,
        expects=_expects(garden, project, "20 个工作日以上无动静"),
    )


def _all_paused(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """The only open case is paused within its granted limit."""
    at = garden.now - 27
    item = ripe(plan, ("DG-502", "DG-404", "DG-N-201", "DG-503", "DG-N-203"), at - 20, at)
    if item is None or not early(project):
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.step(case, at, 0, chance)
        plan.special(case, at + 1, garden.now + 4, 60, "B", chance)
        plan.conclude(case, garden.now + 6, chance)

    garden.again(project, {item: Edit(at=at, shape=shape)}, (at + 1, garden.now + 7))
    now = datetime.combine(garden.world.today, time())
    opened = [c for c in project.cases if c.receipt < now and not judge.past(c.end, now)]
    if judge.silent(garden.world, project, now) < 20 or len(opened) != 1:
        return None
    return Plant(
        project,
        near=[garden.near("stalled", project, item, guard="all_paused", why="在办件均在核定时限内暂停")],
        stalls=True,
    )


def _no_limits(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """Only the first talks are current, and they have no limit."""
    at = garden.now - 26
    if not has(project, "核准类", "新增用地") or not at - 120 <= plan.begun.get("DG-N-101", -1) <= at:
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.conclude(case, garden.now + 3, chance)

    retained = {"DG-N-104", "DG-304", "DG-402"}  # the plan has no other conditional item, so nothing else can begin
    project.expected = tuple(i for i in project.expected if i in retained or not garden.world.catalogue[i].conditions)
    project.planned = project.expected
    garden.again(project, {"DG-N-101": Edit(at=at, shape=shape)})
    if _has_limit(garden, project):
        return None
    return Plant(
        project,
        near=[garden.near("stalled", project, "DG-N-101", guard="no_limit", why="当前事项均无时限")],
        stalls=True,
    )


def _dead(state: str) -> Recipe:
    """Silent because the filing is withdrawn, invalid, or expired without DG-604."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        if plan.done.get("DG-604", 10**6) < garden.now or not _pause(garden, project, plan, 21, garden.now + FOR_LONG):
            return None
        now = datetime.combine(garden.world.today, time())
        last = max(at for at in project.moments() if at < now)
        if state == "withdrawn":
            project.filing.withdrawn = last + timedelta(minutes=30)
        elif state == "invalid":
            project.filing.invalid_from = last + timedelta(minutes=30)
        else:
            project.filing.expires = last.date() + timedelta(days=3)
        return Plant(
            project,
            near=[garden.near("stalled", project, "", guard=state, why="备案已撤回、失效或到期且未取得施工许可")],
            stalls=True,
        )

    return recipe


def _on_the_ground(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """Permitted long ago, nothing is seen to be built."""
    world = garden.world
    permit = plan.done.get("DG-604")
    if permit is None or project.site is None or project.site.only_p2:
        return None
    age = (world.today - world.calendar.days[permit]).days
    if not 235 <= age <= 420:
        return None
    project.build_days = garden.now - permit + 30
    project.still = True
    garden.again(project)
    issued = project.done("DG-604")

    def expects(now: datetime) -> list[dict[str, Any]]:
        if issued > now or judge.past(project.done("DG-707"), now):
            return []
        return [
            garden.finding(
                "stalled", project, "DG-604", severity=2, kind="ground", why="施工许可核发 6 个月以上，影像未见开工"
            )
        ]

    return Plant(project, expects)


def _completed(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    if not 0 < plan.done.get("DG-707", 0) < garden.now - 5 or project.site is None:
        return None
    project.still = True
    garden.again(project)
    return Plant(project, near=[garden.near("stalled", project, "DG-604", guard="DG-707_done", why="联合验收已通过")])


def _end(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    end = finished(project)
    if end is None or end > datetime.combine(garden.world.today - timedelta(days=60), time()):
        return None
    garden.again(project)
    return Plant(
        project, near=[garden.near("stalled", project, "", guard="stage_8_done", why="第 8 阶段里程碑均已完成")]
    )


RECIPES: dict[str, tuple[Recipe, int]] = {
    "near.stalled.no_limit": (_no_limits, 1),
    "stalled.ground": (_on_the_ground, 2),
    "stalled.department": (_department, 1),
    "stalled.applicant": (_applicant, 3),
    "near.stalled.nineteen": (_nineteen, 1),
    "near.stalled.paused": (_all_paused, 1),
    "near.stalled.withdrawn": (_dead("withdrawn"), 1),
    "near.stalled.invalid": (_dead("invalid"), 1),
    "near.stalled.expired": (_dead("expired"), 1),
    "near.stalled.completed": (_completed, 1),
    "near.stalled.end": (_end, 1),
}
