"""Work orders as people ask for them: a list, one with its whole life, an agent's, a project's case file (协同)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from core.errors import NotFoundError
from store.engine import engine
from supervision.orders.life import STATE_ZH

_ORDER = """
    select o.no, o.state, o.finding_id, o.rule, o.project_code, p.project_name, o.item_code, o.case_no, o.department_code, o.department_name,
           o.severity, o.dispatched_at, o.due_on, o.urged_on, o.escalated_on, o.result, o.answer, o.close_asked_at, o.closed_at, o.revision,
           f.state as finding_state, f.text,
           (select count(*) from supervision.outbox b where b.order_no = o.no and b.state <> 'sent') as untold
    from supervision.work_order o
    join supervision.finding f on f.id = o.finding_id
    left join store.project p on p.id = o.project_code and p.gone_at is null"""


def _rows(where: str, **parameters: Any) -> list[dict[str, Any]]:
    with engine().connect() as connection:
        rows = connection.execute(sa.text(f"{_ORDER} {where}"), parameters)
        return [{**row, "state_zh": STATE_ZH[row["state"]]} for row in rows.mappings()]


def listed(
    *,
    state: str | None = None,
    department: str | None = None,
    project: str | None = None,
    rule: str | None = None,
    late: bool = False,
) -> list[dict[str, Any]]:
    """Orders, the most severe and oldest first; ``state`` None: all that are not closed, ``all``: every one."""
    conditions, parameters = [], {"state": state, "department": department, "project": project, "rule": rule}
    if state is None:
        conditions.append("o.state <> 'closed'")
    elif state != "all":
        conditions.append("o.state = :state")
    if department:
        conditions.append("(o.department_code = :department or o.department_name like '%' || :department || '%')")
    if project:
        conditions.append("o.project_code = :project")
    if rule:
        conditions.append("o.rule = :rule")
    if late:
        conditions.append("o.urged_on is not null or o.escalated_on is not null")
    where = "where " + " and ".join(f"({c})" for c in conditions) if conditions else ""
    return _rows(f"{where} order by o.severity desc, o.dispatched_at, o.no", **parameters)


def shown(no: str) -> dict[str, Any]:
    """One order with every step of its life and what was told to the platform. :raises ConfigurationError: there is none."""
    found = _rows("where o.no = :no or o.finding_id = :no", no=no)
    if not found:
        raise NotFoundError(f"no work order {no}", remedy="see onemap orders list", zh=f"没有工单 {no}。")
    with engine().connect() as connection:
        steps = connection.execute(
            sa.text(
                "select seq, at, step, by, why, detail, recorded_at from supervision.order_step where order_no = :no order by seq"
            ),
            {"no": found[0]["no"]},
        ).mappings()
        result = connection.execute(
            sa.text(
                """select revision, action, state, attempts, made_at, sent_at, error from supervision.outbox where order_no = :no
                   order by revision"""
            ),
            {"no": found[0]["no"]},
        ).mappings()
        return {**found[0], "steps": [dict(row) for row in steps], "told": [dict(row) for row in result]}


def case_file(project: str) -> dict[str, Any]:
    """The one case file of a project: every department's orders, and all their steps in the order of time."""
    orders = _rows("where o.project_code = :project order by o.department_code, o.dispatched_at, o.no", project=project)
    with engine().connect() as connection:
        steps = connection.execute(
            sa.text(
                """select s.at, s.order_no, o.department_name, s.step, s.by, s.why
                   from supervision.order_step s join supervision.work_order o on o.no = s.order_no
                   where o.project_code = :project order by s.at, s.seq"""
            ),
            {"project": project},
        ).mappings()
        return {
            "project_code": project,
            "project_name": orders[0]["project_name"] if orders else None,
            "departments": sorted({order["department_name"] or order["department_code"] for order in orders}),
            "orders": orders,
            "steps": [dict(row) for row in steps],
        }


def of_agent(agent: str) -> list[dict[str, Any]]:
    """Every order of the projects that an agent (代办员) looks after, open ones first."""
    return _rows(
        "where p.agent = :agent order by o.state = 'closed', o.project_code, o.severity desc, o.no", agent=agent
    )
