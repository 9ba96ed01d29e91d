"""Overdue, returned, parked (C8): what goes wrong with a case's clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standins.world import judge
from standins.world.chance import dice
from standins.world.defects.courses import (
    ORDINARY,
    QUIET_ITEMS,
    Shape,
    again,
    blank,
    case_of,
    held,
    paused,
    promised,
    refused,
    ripe,
    spend,
)
from standins.world.defects.planting import Garden, Recipe
from standins.world.lifecycle import Edit, Plan
from standins.world.model import FAILED, Case, Plant, Project


def _past(
    shape: Shape, why: str, items: Sequence[str] = ORDINARY, near: str = "", first: int = 150, rule: str = "overdue"
) -> Recipe:
    """An item of the last months whose case takes this course; overdue where the truth says so."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        item = ripe(plan, items, garden.now - first, garden.now - 45)
        if item is None:
            return None
        garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
        case = case_of(project, item)
        plant = Plant(project, garden.overdue(case, why))
        if near:
            plant.near = [garden.near(rule, project, item, case.no, guard=near, why=why)]
        return plant

    return recipe


def _running(days: int, left: int, why: str, items: Sequence[str], *, over: bool = True, near: str = "") -> Recipe:
    """An open case, ``days`` past its promised limit (``over``) or used by the last working day; ends ``left`` days after."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        def shape(plan: Plan, case: Case, at: int) -> None:
            chance = blank(plan, case)
            plan.accept(case, at, chance)
            plan.handle(case, at, garden.now + left, chance)
            plan.conclude(case, garden.now + left, chance)

        for item in items:
            limit = garden.world.catalogue[item].limit.promised
            at = garden.now - days - (limit if over else 0)
            if item in project.expected and (
                held(garden, project, plan, [item], at) if item in QUIET_ITEMS else ripe(plan, [item], at - 5, at)
            ):
                break
        else:
            return None
        garden.again(project, {item: Edit(at=at, shape=shape)})
        case = case_of(project, item)
        plant = Plant(project, garden.overdue(case, why))
        if near:
            plant.near = [garden.near("overdue", project, item, case.no, guard=near, why=why)]
        return plant

    return recipe


def _deemed(accept: int, days: int, why: str, near: str = "") -> Recipe:
    """Received, decided on ``accept`` working days later, concluded after ``days`` more."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at + accept, chance)
        plan.handle(case, at + accept, at + accept + days, chance)
        plan.conclude(case, at + accept + days, chance)

    return _past(shape, why, ("DG-404", "DG-507"), near)


def _outrun(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """A special procedure that lasts beyond its limit: the clock runs again, the case becomes overdue; C8 as well."""
    item = ripe(plan, ("DG-502", "DG-504", "DG-602"), garden.now - 150, garden.now - 45)
    if item is None:
        return None

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.special(case, at + 2, at + 14, 5, "A", chance)
        plan.step(case, at, 0, chance)
        plan.handle(case, at + 14, at + 16, chance)
        plan.conclude(case, at + 16, chance)

    garden.again(project, {item: Edit(at=plan.begun[item], shape=shape)})
    case = case_of(project, item)
    overdue = garden.overdue(case, "特别程序超出核定时限后恢复计时，超出承诺时限")
    parked = garden.finding("C8", project, item, case.no, severity=2, kind="past_limit", why="特别程序超过核定时限")
    return Plant(project, lambda now: [*overdue(now), parked])


def _failed(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    """办结（不通过） after the promised day: stands in the department's log only, counts all the same."""
    item = ripe(plan, ("DG-507", "DG-602", "DG-706", "DG-702"), garden.now - 200, garden.now - 45)
    if item is None:
        return None
    garden.again(project, {item: Edit(at=plan.begun[item], shape=again(spend(2, over=True, result=FAILED), 4))})
    return Plant(project, garden.overdue(case_of(project, item), "办结（不通过），超出承诺时限"))


def _return(shape: Shape, when: int, why: str, *, until: int) -> Recipe:
    """Returned ``when`` days ago, applied for again ``until`` days after today."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        at = garden.now - when
        item = held(garden, project, plan, QUIET_ITEMS, at)
        if item is None:
            return None

        def course(plan: Plan, case: Case, at: int) -> None:
            shape(plan, case, at)
            plan.live(item, garden.now + until)

        garden.again(project, {item: Edit(at=at, shape=course)})
        case = case_of(project, item)

        def expects(now: datetime) -> list[dict[str, Any]]:
            kind = judge.returned(project, case, now)
            return [garden.finding("returned", project, item, case.no, severity=1, kind=kind, why=why)] if kind else []

        return Plant(project, expects)

    return recipe


def _returned_before(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    item = ripe(plan, ORDINARY, garden.now - 150, garden.now - 45)
    if item is None:
        return None
    first = dice(garden.world.seed, "returned", project.number).choice((refused(), refused("2"), spend(2, result="1")))
    garden.again(project, {item: Edit(at=plan.begun[item], shape=again(first, 5))})
    case = case_of(project, item)
    return Plant(
        project,
        near=[
            garden.near(
                "returned", project, item, case.no, guard="accepted_later", why="退件后同一事项重新申报并已受理"
            )
        ],
    )


def _lapsed(garden: Garden, project: Project, plan: Plan) -> Plant | None:
    item = ripe(plan, ("DG-504", "DG-403", "DG-506"), garden.now - 150, garden.now - 45)
    if item is None:
        return None
    garden.again(project, {item: Edit(at=plan.begun[item], shape=again(spend(3, result="5"), 14))})
    case = case_of(project, item)
    return Plant(
        project,
        near=[
            garden.near("returned", project, item, case.no, guard="lapsed", why="补正不来办结，不是退件"),
            garden.near("C11", project, item, case.no, guard="lapsed", why="补正不来办结，不是撤件"),
        ],
    )


def _parked(
    shape: Shape, days: int, kind: str, why: str, items: Sequence[str], near: str = "", past: bool = False
) -> Recipe:
    """C8 of a case received ``days`` ago (``past``: in the ordinary course of the last months)."""

    def recipe(garden: Garden, project: Project, plan: Plan) -> Plant | None:
        at = garden.now - days
        if past:
            item = ripe(plan, items, garden.now - 150, garden.now - 45)
            at = plan.begun.get(item, 0)
        else:
            item = held(garden, project, plan, items, at)
        if item is None:
            return None
        garden.again(project, {item: Edit(at=at, shape=shape)})
        case = case_of(project, item)
        if near:
            return Plant(project, near=[garden.near("C8", project, item, case.no, guard=near, why=why)])
        finding = garden.finding("C8", project, item, case.no, severity=2, kind=kind, why=why)
        return Plant(
            project,
            lambda now: [
                *garden.overdue(case, why)(now),
                *([finding] if judge.parked(garden.world, case, kind, now) else []),
            ],
        )

    return recipe


def _open_past_limit(plan: Plan, case: Case, at: int) -> None:
    chance = blank(plan, case)
    plan.accept(case, at, chance)
    plan.special(case, at + 2, at + 15, 10, "A", chance)
    plan.step(case, at, 0, chance)
    plan.conclude(case, at + 16, chance)


def _open_long(days: int) -> Shape:
    """A special procedure without a limit, open on the last working day, ``days`` after it began."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        plan.accept(case, at, chance)
        plan.step(case, at, 0, chance)
        last = at + days + (5 if days > 59 else 0)
        plan.special(case, at + 1, last, 0, "B", chance)
        plan.conclude(case, last + 3, chance)

    return shape


def _supplement_long(days: int, accepted: bool) -> Shape:
    """补正 asked a day after receipt and answered ``days`` later."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        chance = blank(plan, case)
        if accepted:
            plan.accept(case, at, chance)
        plan.supplement(case, at + 1, at + 1 + days, chance)
        if not accepted:
            plan.accept(case, at + 2 + days, chance)
        plan.handle(case, at + 2 + days, at + 4 + days, chance)
        plan.conclude(case, at + 4 + days, chance)

    return shape


def _before_due(before: int, supplement: bool = False) -> Shape:
    """A pause that starts ``before`` working days before the promised due date; the case ends in time."""

    def shape(plan: Plan, case: Case, at: int) -> None:
        limit = promised(plan, case, at)
        paused(limit - before, 3, limit, supplement=supplement)(plan, case, at)

    return shape


def _after_due(plan: Plan, case: Case, at: int) -> None:
    limit = promised(plan, case, at)
    paused(limit + 1, 3, limit + 2)(plan, case, at)


_SEVEN = ("DG-502", "DG-504", "DG-602")
_TEN = ("DG-503", "DG-403")

RECIPES: dict[str, tuple[Recipe, int]] = {
    "overdue.running_red": (
        _running(1, 4, "在办，超出承诺时限", ("DG-504", "DG-502", "DG-503", "DG-404", "DG-701")),
        3,
    ),
    "overdue.running_double": (_running(6, 4, "在办，超出法定时限", ("DG-604",)), 2),
    "overdue.running_double_20": (_running(14, 4, "在办，超出法定时限", ("DG-504",)), 1),
    "overdue.ended_red": (_past(spend(2, over=True), "已办结，超出承诺时限"), 4),
    "overdue.ended_double": (_past(spend(5, over=True), "已办结，超出法定时限", ("DG-604",), first=220), 1),
    "overdue.ended_double_natural": (_past(spend(24), "已办结，超出法定时限 30 个自然日", ("DG-503",)), 2),
    "overdue.failed": (_failed, 1),
    "overdue.withdrawn": (
        _past(again(spend(3, over=True, result="2"), 15), "撤件时已超出承诺时限", ("DG-504", "DG-502", "DG-403")),
        1,
    ),
    "overdue.paused": (_past(paused(2, 5, 2, over=True), "扣除特别程序后仍超出承诺时限"), 1),
    "overdue.supplement": (_past(paused(2, 4, 1, over=True, supplement=True), "扣除补正后仍超出承诺时限"), 1),
    "overdue.deemed": (_deemed(6, 3, "5 个工作日内未作受理决定，自接件起计"), 1),
    "overdue.outrun": (_outrun, 1),
    "near.overdue.on_the_day": (_past(spend(0, over=True), "用时恰等于承诺时限", near="used_equals_limit"), 2),
    "near.overdue.paused": (_past(paused(2, 6, 0, over=True), "扣除特别程序后未超", near="pause"), 2),
    "near.overdue.in_time": (_deemed(5, 4, "第 5 个工作日受理，不视为受理", "decided_on_the_fifth_day"), 1),
    "near.overdue.running": (_running(0, 0, "在办，今日之前未超", ("DG-502", "DG-504", "DG-503", "DG-701")), 2),
    "returned.refused": (_return(refused(), 8, "不予受理后未再受理", until=7), 2),
    "returned.not_ours": (_return(refused("2"), 6, "不受理后未再受理", until=6), 1),
    "returned.in_the_end": (_return(spend(3, result="1"), 12, "退回办结后未再受理", until=7), 2),
    "near.returned.again": (_returned_before, 3),
    "near.returned.lapsed": (_lapsed, 1),
    "C8.open_past_limit": (
        _parked(_open_past_limit, 14, "past_limit", "特别程序超过核定时限仍未结束", _SEVEN + _TEN),
        1,
    ),
    "C8.past_limit": (
        _parked(paused(1, 8, 6, limit=5), 0, "past_limit", "特别程序结束时已超过核定时限", _TEN, past=True),
        2,
    ),
    "C8.open_unlimited": (
        _parked(_open_long(64), 64, "unlimited", "无时限特别程序挂起 60 个工作日以上", QUIET_ITEMS),
        1,
    ),
    "C8.supplement_before": (
        _parked(_supplement_long(37, False), 35, "supplement", "受理前补正 30 个工作日以上未回", QUIET_ITEMS),
        1,
    ),
    "C8.supplement_after": (
        _parked(_supplement_long(36, True), 34, "supplement", "补正 30 个工作日以上未回", QUIET_ITEMS),
        1,
    ),
    "C8.before_due": (_parked(_before_due(1), 0, "before_due", "到期前 1 个工作日挂起", _SEVEN, past=True), 2),
    "C8.on_due": (_parked(_before_due(0, True), 0, "before_due", "到期当日挂起", _SEVEN, past=True), 1),
    "near.C8.two_before": (
        _parked(_before_due(2), 0, "", "到期前 2 个工作日挂起", _SEVEN, "two_days_before", past=True),
        1,
    ),
    "near.C8.short_limit": (
        _parked(_before_due(1), 0, "", "承诺时限不足 5 日", ("DG-604",), "promised_below_5", past=True),
        1,
    ),
    "near.C8.within": (
        _parked(paused(1, 5, 5, limit=5), 0, "", "特别程序在核定时限当日结束", _TEN, "ended_on_limit", past=True),
        1,
    ),
    "near.C8.unlimited": (
        _parked(_open_long(57), 56, "", "无时限特别程序不足 60 个工作日", QUIET_ITEMS, "below_60"),
        1,
    ),
    "near.C8.supplement": (
        _parked(_supplement_long(26, False), 26, "", "补正不足 30 个工作日", QUIET_ITEMS, "below_30"),
        1,
    ),
    "overdue.paused_after_due": (
        _past(
            _after_due, "到期后才挂起：逾期，不是挂起规避", ("DG-502", "DG-504", "DG-602"), rule="C8", near="after_due"
        ),
        1,
    ),
}
