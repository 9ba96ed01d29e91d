"""Filters of the listings, as conditions over a view ``v``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from core.clock import SHANGHAI
from serving import search
from serving.query.listing import Filter

NO_LIGHT = "无"  # no clock: null in a row


def codes_of(department: str | None) -> list[str] | None:
    """A department's code as systems write it: 18 characters, or the 9 of its organisation code within."""
    if department is None:
        return None
    return [department, department[8:17]] if len(department) == 18 else [department]


def projects(
    *,
    q: str | None = None,
    town: str | None = None,
    department: str | None = None,
    stage: int | None = None,
    light: str | None = None,
    type_: str | None = None,
    has_findings: bool | None = None,
    finished: bool | None = None,
    updated_since: datetime | None = None,
) -> Filter:
    """Projects: ``q`` any part of name, code or enterprise, in Chinese, pinyin or initials; ``type_`` 备案, 核准, 审批."""
    filters = Filter()
    if q is not None:
        wanted = search.wanted(q)
        if wanted is None:
            return filters.where("false")
        filters.where("v.id in (select serving.found(:q_grams, :q_text))", q_grams=wanted[0], q_text=wanted[1])
    filters.where("v.town_code = :town", town=town)
    filters.where("v.current_stage = :stage", stage=stage)
    filters.where("v.filing_type = :type_", type_=type_)
    filters.where("v.finished = :finished", finished=finished)
    filters.where("v.changed_at >= :updated_since", updated_since=_instant(updated_since))
    if light == NO_LIGHT:
        filters.where("v.light is null")
    elif light is not None:
        # the index on lights finds who may have it; the view says whose worst it is
        filters.where(
            """v.id in (select c.project_code from asked."case" c where c.light = :light) and v.light = :light""",
            light=light,
        )
    if has_findings is not None:
        some = "select f.project_code from asked.finding f where f.state in ('open', 'confirmed')"
        filters.where(f"v.id {'' if has_findings else 'not '}in ({some})")
    filters.where(
        """v.id in (select c.project_code from asked."case" c where c.department_code = any(:departments) and c.project_code is not null
                    union select f.project_code from asked.finding f where f.department_code = any(:departments))""",
        departments=codes_of(department),
    )
    return filters


def _of_town(filters: Filter, town: str | None) -> Filter:
    return filters.where("v.project_code in (select p.id from asked.project p where p.town_code = :town)", town=town)


def cases(
    *,
    project: str | None = None,
    item: str | None = None,
    town: str | None = None,
    department: str | None = None,
    channel: str | None = None,
    light: str | None = None,
    running: bool | None = None,
    updated_since: datetime | None = None,
) -> Filter:
    """Cases: ``running`` a clock that has not stopped; ``channel`` any of the systems that know it."""
    filters = Filter()
    filters.where("v.project_code = :project", project=project).where("v.item_code = :item", item=item)
    if light == NO_LIGHT:
        filters.where("v.light is null")
    else:
        filters.where("v.light = :light", light=light)
    filters.where("v.changed_at >= :updated_since", updated_since=_instant(updated_since))
    filters.where("v.department_code = any(:departments)", departments=codes_of(department))
    filters.where("v.channel = :channel", channel=channel)
    if running is not None:
        filters.where(f"v.ended_at is {'' if running else 'not '}null")
    return _of_town(filters, town)


def changed(since: datetime | None) -> Filter:
    """Rows of any view of an entity, changed since then."""
    return Filter().where("v.changed_at >= :updated_since", updated_since=_instant(since))


def findings(
    *,
    project: str | None = None,
    rule: str | None = None,
    state: str | None = None,
    severity: int | None = None,
    item: str | None = None,
    town: str | None = None,
    department: str | None = None,
    updated_since: datetime | None = None,
) -> Filter:
    """Findings; ``state`` open, confirmed, lifted, closed."""
    filters = Filter()
    filters.where("v.project_code = :project", project=project).where("v.rule = :rule", rule=rule).where(
        "v.state = :state", state=state
    )
    _fed_since(filters, "finding", "v.id", updated_since)
    filters.where("v.severity = :severity", severity=severity).where("v.item_code = :item", item=item)
    filters.where("v.department_code = any(:departments)", departments=codes_of(department))
    return _of_town(filters, town)


def orders(
    *,
    project: str | None = None,
    state: str | None = None,
    town: str | None = None,
    department: str | None = None,
    overdue_on: date | None = None,
    updated_since: datetime | None = None,
) -> Filter:
    """Work orders; ``overdue_on``: past their running limit on that day."""
    filters = Filter()
    filters.where("v.project_code = :project", project=project).where("v.state = :state", state=state)
    filters.where("v.department_code = any(:departments)", departments=codes_of(department))
    _fed_since(filters, "work_order", "v.no", updated_since)
    filters.where("v.due_on < :overdue_on and v.state <> 'closed'", overdue_on=overdue_on)
    return _of_town(filters, town)


def licences(
    *,
    project: str | None = None,
    number: str | None = None,
    item: str | None = None,
    type_code: str | None = None,
    updated_since: datetime | None = None,
) -> Filter:
    """Licences and approval documents; ``number`` as written."""
    filters = Filter().where("v.changed_at >= :updated_since", updated_since=_instant(updated_since))
    filters.where("v.project_code = :project", project=project).where("v.number = :number", number=number)
    return filters.where("v.item_code = :item", item=item).where("v.type_code = :type_code", type_code=type_code)


def items(
    *,
    code: str | None = None,
    stage: int | None = None,
    department: str | None = None,
    in_force_on: date | None = None,
    updated_since: datetime | None = None,
) -> Filter:
    """Versions of the catalogue's items."""
    filters = Filter().where("v.changed_at >= :updated_since", updated_since=_instant(updated_since))
    filters.where("v.item_code = :code", code=code).where("v.stage = :stage", stage=stage)
    filters.where("v.department_code = any(:departments)", departments=codes_of(department))
    return filters.where(
        """(v.valid_from is null or v.valid_from <= :day) and (v.valid_to is null or v.valid_to >= :day)
           and not exists (select from asked.item w where w.item_code = v.item_code and w.valid_from <= :day
                           and (w.valid_to is null or w.valid_to >= :day)
                           and (w.valid_from, w.version) > (coalesce(v.valid_from, '-infinity'), v.version))""",
        day=in_force_on,
    )


def _fed_since(filters: Filter, entity: str, key: str, since: datetime | None) -> None:
    """Rows of supervision carry no time of change: the change feed has it."""
    filters.where(
        f"{key} in (select c.entity_id from asked.change c where c.entity = '{entity}' and c.at >= :updated_since)",
        updated_since=_instant(since),
    )


def _instant(value: datetime | None) -> Any:
    if value is None or value.tzinfo:
        return value
    return value.replace(tzinfo=SHANGHAI)
