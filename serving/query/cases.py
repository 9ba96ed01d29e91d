"""One case, whole: its clock, events, special procedures, materials, licences, findings and orders."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Connection

from serving.query.listing import Filter, one, select


def case(connection: Connection, number: str) -> dict[str, Any] | None:
    """A case by its id ``<channel>:<number>``, or by its number in the system that leads; None: not shown.

    A number that several systems use for different cases finds the first by id.
    """
    found = one(connection, "case", Filter().where("(v.id = :number or v.case_no = :number)", number=number))
    if found is None:
        return None
    by_case = Filter().where("v.case_id = :case", case=found["id"])
    found["events"] = select(connection, "case_event", by_case, order="v.at nulls last, v.id")
    found["special_procedures"] = select(
        connection, "special_procedure", by_case, order="v.started_at nulls last, v.id"
    )
    found["materials"] = select(connection, "material", by_case, order="v.role, v.seq nulls last, v.id")
    found["licences"] = select(connection, "licence", by_case)
    found["findings"] = select(connection, "finding", by_case, order="v.severity desc, v.id")
    return found


def shared(connection: Connection, case_id: str) -> dict[str, Any]:
    """What the shared file of a case says besides: its orders with every step, and the words for codes."""
    orders = select(
        connection,
        "work_order",
        Filter().where("v.finding_id in (select f.id from asked.finding f where f.case_id = :case)", case=case_id),
    )
    steps = select(
        connection,
        "order_step",
        Filter().where("v.order_no = any(:nos)", nos=[o["no"] for o in orders]),
        order="v.at, v.seq",
    )
    return {"orders": orders, "steps": steps}


def order(connection: Connection, number: str) -> dict[str, Any] | None:
    """A work order with every step of its life; None: not shown."""
    found = one(connection, "work_order", Filter().where("v.no = :number", number=number))
    if found is not None:
        found["steps"] = select(connection, "order_step", Filter().where("v.order_no = :number", number=number))
    return found
