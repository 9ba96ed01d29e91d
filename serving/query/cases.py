"""One case, whole: its clock, events, special procedures, materials, licences, findings and orders."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from schemas import channels
from serving.query.listing import Filter, one, select
from sources import loader
from store.engine import transaction
from supervision import explain


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


_WAITS = """
select w.waits_for, w.silent_since from store."case" c
join supervision.waiting w on w.rule = 'overdue' and w.project_code = coalesce(c.project_code, '')
     and w.item_code = coalesce(c.item_code, '') and w.case_no = c.case_no
where c.id = :case limit 1"""
_SILENT = """
select array_agg(feed order by feed), min(since) from landing.silence
where ended_at is null and coalesce(approved_until < :today, true) and kind in ('source', 'feed') and feed = any(:feeds) having count(*) > 0"""


def not_judged(shown: dict[str, Any]) -> str | None:
    """Why a case that somebody is ``shown`` has the light 待数据; None: it has another. Read with the hub's own rights: no view
    tells of verdicts that wait."""
    if shown["light"] != "待数据":
        return None
    feeds = [feed.id for source in loader.load_all().values() for feed in source.feeds.values()]
    own = {feed for feed, channel in channels.by_feed(feeds).items() if channel == shown["channel"]}
    names = [*own, *{feed.partition(".")[0] for feed in own}]
    with transaction() as connection:
        row = (
            connection.execute(sa.text(_WAITS), {"case": shown["id"]}).first()
            or connection.execute(sa.text(_SILENT), {"feeds": names, "today": clock.today()}).first()
        )
    if row is None:  # a part of its feed: a department, town or item
        return "未判定，等待其数源的数据"
    return explain.not_judged(*row)


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
