"""C13 未批先建: what is seen on a red line before its permit, and what looks like it."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry

from standins.world import geography
from standins.world.chance import dice
from standins.world.defects.planting import Garden, Recipe, has
from standins.world.lifecycle import Plan
from standins.world.model import Change, Plant, Project


def _polygon(project: Project, kind: str, shape: BaseGeometry, hsx: str, day: date, n: int) -> Change:
    return Change(
        f"JC{day:%Y%m}8{project.number:05d}{n}",
        kind,
        shape,
        f"{day - timedelta(days=90)}",
        hsx,
        day + timedelta(days=9),
        project.town_code,
    )


def _seen(
    kind: str,
    why: str,
    *,
    permitted: bool,
    share: float = 0.3,
    months: bool = False,
    lead: int = 25,
    guard: str = "",
    least: float = 0,
) -> Recipe:
    """A polygon ``lead`` days before the permit (``permitted``), or with no permit at all.

    ``share`` of the red line, or where ``least`` is given: about 1,200 m² of one of at least that area. ``guard``: what it
    shows is none.
    """

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        world, site = garden.world, project.site
        if (
            site is None
            or site.only_p2
            or site.area < least
            or "DG-604" not in plan.done
            or project.begins > garden.now - 90
        ):
            return None
        issue = world.calendar.days[plan.done["DG-604"]]
        if permitted and not date(2026, 2, 20) <= issue <= world.today - timedelta(days=20):
            return None
        if not permitted and not world.today + timedelta(days=30) < issue < world.today + timedelta(days=400):
            return None
        day = (issue if permitted else world.today - timedelta(days=12)) - timedelta(days=lead)
        hsx = f"{day}"
        if months:
            day = (issue.replace(day=1) - timedelta(days=1)) if not guard else issue
            hsx = f"{day:%Y%m}"
            if guard and (issue + timedelta(days=1)).day == 1:
                return None
        if guard == "no_hsx":
            hsx = ""
        part = 1200 / site.area if least else share
        garden.again(project)
        change = _polygon(project, kind, geography.part(site.redline, part), hsx, day, 1)
        shown = datetime.combine(max(change.seen, day + timedelta(days=40) if months else change.seen), time(8))
        if shown > datetime.combine(world.today, time()):
            return None
        project.changes = [change]
        if guard:
            return Plant(project, near=[garden.near("C13", project, "DG-604", change.code, guard=guard, why=why)])
        finding = garden.finding(
            "C13",
            project,
            "DG-604",
            change.code,
            severity=3,
            kind="before_issue" if permitted else "no_permit",
            why=why,
        )
        return Plant(project, garden.always(shown, finding))

    return recipe


def _across(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """The polygon lies on a neighbour's land too: whose building it is, is not known."""
    site, world = project.site, garden.world
    if (
        site is None
        or site.only_p2
        or plan.done.get("DG-604", 0) < garden.now + 20
        or project.begins > garden.now - 60
        or dice(world.seed, "across", project.number).random() < 0.5
    ):
        return None
    others = [
        p
        for p in world.people
        if p.site
        and not p.site.only_p2
        and not p.planted
        and p.number != project.number
        and p.town_code == project.town_code
        and "DG-604" in p.expected
        and p.begins < garden.now - 60
        and garden.plans[p.number].done.get("DG-604", 0) > garden.now + 20
    ]
    if not others:
        return None
    other = min(others, key=lambda p: p.site.redline.distance(site.redline))
    day = world.today - timedelta(days=30)
    garden.again(project)
    shape = MultiPolygon([geography.part(site.redline, 0.3), geography.part(other.site.redline, 0.2)])
    change = _polygon(project, "TD", shape, f"{day}", day, 1)
    project.changes = [change]
    return Plant(
        project,
        near=[
            garden.near("C13", p, "DG-604", change.code, guard="neighbour", why="图斑跨邻地红线")
            for p in (project, other)
        ],
    )


def _no_building(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """The project has land and no building work: DG-604 is not expected."""
    if project.site is None or has(project, "涉及土建") or plan.begun.get("DG-N-101", 10**6) > garden.now - 60:
        return None
    day = garden.world.today - timedelta(days=30)
    garden.again(project)
    change = _polygon(project, "TP", geography.part(project.site.redline, 0.4), f"{day}", day, 1)
    project.changes = [change]
    return Plant(
        project,
        near=[garden.near("C13", project, "DG-604", change.code, guard="not_expected", why="不涉及土建，无需施工许可")],
    )


RECIPES: dict[str, tuple[Recipe, int]] = {
    "C13.levelled": (_seen("TP", "施工许可核发前推平", permitted=True), 1),
    "C13.building": (
        _seen("20", "未取得施工许可已有建筑物，不足一成但超过 1000 平方米", permitted=False, least=14000),
        1,
    ),
    "C13.month": (_seen("TD", "施工许可核发前动工，时相只到月", permitted=True, months=True), 1),
    "C13.opened": (_seen("DT", "未取得施工许可已动土", permitted=False), 1),
    "near.C13.no_hsx": (_seen("TD", "无后时相", permitted=False, guard="no_hsx"), 1),
    "near.C13.small": (_seen("TD", "不足一成且不足 1000 平方米", permitted=False, share=0.02, guard="small"), 1),
    "near.C13.kind": (_seen("YH", "硬化，不是动土或建筑", permitted=False, guard="kind"), 1),
    "near.C13.after": (_seen("TD", "核发之后", permitted=True, lead=-8, guard="after_issue"), 1),
    "near.C13.month": (_seen("TD", "时相只到月，月末在核发之后", permitted=True, months=True, guard="month_end"), 1),
    "near.C13.neighbour": (_across, 1),
    "near.C13.not_expected": (_no_building, 1),
}
