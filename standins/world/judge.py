"""What the rules of docs/rules.md say of the simulated truth itself, for the findings that come and go with time.

It knows the truth, no source's rows, and the plants tell it where to look: no second rules engine, but the arithmetic
that their expectations need. ``now`` is the world's time throughout.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from standins.world.calendar import is_workday
from standins.world.model import Case, Project, Special, World

CUT_OFF = date(2026, 1, 1)  # supervision_start
STALLED = 20  # working days
STAGES = {
    1: ("DG-N-101",),
    2: ("DG-N-201",),
    3: ("DG-N-303", "DG-308"),
    4: ("DG-401", "DG-402", "DG-404"),
    5: ("DG-502",),
    6: ("DG-604",),
    7: ("DG-707", "DG-708"),
    8: ("DG-802", "DG-N-803"),
}


def past(at: datetime | None, now: datetime) -> bool:
    """Whether it has happened."""
    return at is not None and at <= now


def acceptance(world: World, case: Case, now: datetime) -> date | None:
    """The day from which the clock runs: the recorded acceptance, or receipt where nothing was decided in 5 days."""
    calendar = world.calendar
    deadline = calendar.days[calendar.index(case.receipt) + 5]
    decided = [at for _, at in case.decisions if at <= now] + [s for s, _ in case.supplements if s <= now]
    if past(case.refused, now):
        return None
    in_time = any(at.date() <= deadline for at in decided)
    if not in_time and (now.date() > deadline or past(case.concluded, now)):
        return case.receipt.date()
    return case.accepted.date() if past(case.accepted, now) else None


def pauses(world: World, case: Case, accepted: date, now: datetime) -> list[tuple[date, date]]:
    """(start, end] of what stops the clock."""
    found: list[tuple[date, date]] = []
    for start, end in case.supplements:
        if accepted <= start.date() and start <= now:
            found.append((start.date(), end.date() if past(end, now) else now.date()))
    for special in case.specials:
        if accepted <= special.start.date() and special.start <= now:
            until = special.end.date() if past(special.end, now) else now.date()
            if special.limit:
                until = min(until, granted(world, special))
            found.append((special.start.date(), until))
    return found


def granted(world: World, special: Special) -> date:
    """The last day of a special procedure's limit."""
    if special.unit == "Z":
        return special.start.date() + timedelta(days=special.limit)
    return world.calendar.days[world.calendar.index(special.start) + special.limit]


def used(world: World, case: Case, unit: str, now: datetime) -> int | None:
    """Days used in 工作日 or 自然日; None where no clock runs."""
    accepted = acceptance(world, case, now)
    if accepted is None:
        return None
    end = min(now, case.end).date() if case.end else now.date()
    stops = pauses(world, case, accepted, now)
    count, day = 0, accepted + timedelta(days=1)
    while day <= end:
        if (unit == "自然日" or is_workday(day)) and not any(start < day <= stop for start, stop in stops):
            count += 1
        day += timedelta(days=1)
    return count


def parked(world: World, case: Case, kind: str, now: datetime) -> bool:
    """C8 by its kind: ``unlimited`` and ``supplement`` while the pause is open, the others from its limit or start on."""
    if kind == "unlimited":
        return any(
            s.start <= now and not past(s.end, now) and world.calendar.count(s.start, now) >= 60 for s in case.specials
        )
    if kind == "supplement":
        return any(s <= now and not past(e, now) and world.calendar.count(s, now) >= 30 for s, e in case.supplements)
    if kind == "past_limit":
        return any(
            min(s.end or now, now).date() > granted(world, s) for s in case.specials if s.start <= now and s.limit
        )
    return case.receipt <= now


def level(world: World, case: Case, now: datetime) -> str:
    """双红, 红 or ''."""
    accepted = acceptance(world, case, now)
    if accepted is None or case.item not in world.catalogue.versions:
        return ""
    limit = world.catalogue.on(case.item, accepted).limits(case.variant)
    if limit.statutory is not None and used(world, case, limit.statutory_unit, now) > limit.statutory:
        return "双红"
    if limit.promised is not None and used(world, case, limit.promised_unit, now) > limit.promised:
        return "红"
    return ""


def returned(project: Project, case: Case, now: datetime) -> str:
    """不予受理 or 退回办结 while no later case of the item is accepted; else ''."""
    kind = (
        "不予受理"
        if past(case.refused, now)
        else "退回办结"
        if case.result == "1" and past(case.concluded, now)
        else ""
    )
    later = any(c.receipt > case.receipt and past(c.accepted, now) for c in project.of(case.item))
    return "" if later else kind


def supervised(project: Project) -> date | None:
    """The day from which the cut-off lets the project be judged; None before it is filed."""
    return max(CUT_OFF, project.filing.submitted.date()) if project.filing else None


def begins_or_issued(project: Project, item: str, now: datetime) -> list[date]:
    """The day by which C1 judges each case or document of an item: acceptance, else issue."""
    days = []
    for case in project.of(item):
        at = case.accepted or case.done
        if past(at, now):
            days.append(at.date())
    if item in project.registered or (item in ("DG-401", "DG-402", "DG-N-303") and project.done(item)):
        at = project.done(item)
        if past(at, now):
            days.append(at.date())
    return days


def hard(world: World, project: Project, item: str) -> list[str]:
    """The expected hard prerequisites of an item, soft ones included where the project is on no fast track."""
    entry = world.catalogue[item]
    return [
        q
        for q in entry.prerequisites
        if q in project.expected
        and not (entry.group and world.catalogue[q].group == entry.group)
        and not (q in entry.soft and project.fast)
    ]


def missing(world: World, project: Project, item: str, now: datetime) -> bool:
    """C1: no case of it in M2, though what must come after it was accepted or issued under supervision."""
    since = supervised(project)
    if since is None or world.catalogue[item].channel != "M2" or in_m2(world, project, item, now):
        return False
    result = project.done(item)
    if past(result, now) and result.date() < since:
        return False
    return any(
        day >= since
        for later in project.expected
        if item in hard(world, project, later)
        for day in begins_or_issued(project, later, now)
    )


def in_m2(world: World, project: Project, item: str, now: datetime) -> bool:
    """Whether M2 holds a case of the item by now."""
    return any(c.municipal and (c.inserted or c.receipt) <= now for c in project.of(item))


def unrecorded(world: World, project: Project, case: Case, now: datetime) -> bool:
    """C2 of a department's case or a document: a result, 3 working days old, and no case in M2."""
    since = supervised(project)
    at = case.done
    if case.licence and past(case.concluded, now) and (case.certified or case.department):
        at = datetime.combine(case.licence.day, time())
    if since is None or not past(at, now) or at.date() < since or in_m2(world, project, case.item, now):
        return False
    return world.calendar.count(at, now) >= 3


def bypassed(world: World, project: Project, case: Case, now: datetime) -> bool:
    """C15: the department has a case that M2 has not."""
    since = supervised(project)
    known = past(case.accepted or case.receipt, now)
    return (
        bool(known and since and case.receipt.date() >= since and not in_m2(world, project, case.item, now))
        and case.department
    )


def current(world: World, project: Project, now: datetime) -> tuple[int | None, list[str]]:
    """The current stage and the current items, in the catalogue's order."""
    done = {item for item in project.expected if past(project.done(item), now)}
    with_case = {c.item for c in project.cases if c.receipt <= now} | {
        i for i, d in project.registered.items() if d.day <= now.date()
    }
    unknown = {i for i in project.expected if world.catalogue[i].channel == "other" and i not in with_case}
    stage = next(
        (
            n
            for n, items in STAGES.items()
            if any(i in project.expected and i not in done and i not in unknown for i in items)
        ),
        None,
    )
    items = [
        i
        for i in project.expected
        if i not in done and i not in unknown and all(q in done or q in unknown for q in hard(world, project, i))
    ]
    return stage, items


def stalled_item(world: World, project: Project, now: datetime) -> str:
    """The item that stalled names: the first current one of the current stage, one with an open case first."""
    stage, items = current(world, project, now)
    opened = {c.item for c in project.cases if c.receipt <= now and not past(c.end, now)}
    for n in [stage, *range(1, stage or 1)]:
        mine = [i for i in items if world.catalogue[i].stage == n]
        first = next((i for i in mine if i in opened), next(iter(mine), ""))
        if first:
            return first
    return ""


def silent(world: World, project: Project, now: datetime) -> int:
    """Working days since the last event."""
    last = max((at for at in project.moments() if at <= now), default=None)
    return world.calendar.count(last, now) if last else 0
