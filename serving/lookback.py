"""时间机器 Reading the store as it was known at an instant (recorded time), or as it is judged of a day (business time), within one
transaction that is rolled back: the schema ``past`` shows the one (:mod:`serving.sql.past`), the rules' own writers make the other."""

from __future__ import annotations

import re
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import NotFoundError
from serving import fields

#: what came after an instant: of each row the first change's kind, and the values that all of them replaced, the earliest of each
_LOOK_BACK = """
insert into serving.past_change (entity, entity_id, op, was)
select entity, entity_id, (array_agg(op order by xid, seq))[1],
       serving.jsonb_over(coalesce(before, '{}') order by xid desc, seq desc) || '{"gone_at": null}'
from store.change where at > :at group by entity, entity_id"""


def look_back(connection: Connection, at: datetime) -> None:
    """Make the schema ``past`` show the store as it was known at ``at``, to this transaction alone.

    :raises NotFoundError: the change feed does not reach back so far.
    """
    since = connection.exec_driver_sql("select since from serving.past_since").scalar()
    if since is None or at < since:
        raise NotFoundError(
            f"the store's past reaches back to {since}, not to {at}",
            remedy="choose a later known_at",
            zh=f"变更历史只保留到 {since:%Y-%m-%d %H:%M:%S%z} 以后，请选择更晚的 known_at。"
            if since
            else "尚无变更历史。",
        )
    connection.execute(sa.text(_LOOK_BACK), {"at": at})
    connection.execute(sa.text("select set_config('onemap.known_at', :at, true)"), {"at": at.isoformat()})


def judge(connection: Connection, project: str, as_of: date) -> None:
    """Clocks, stages, position and findings of a project as of a day, to this transaction alone: it must never be committed."""
    from supervision import ledger
    from supervision.judge import judge as judged

    for table in (
        "clock",
        "stage_state",
        "position",
        "project_item",
    ):  # a row that is the same keeps the day it was judged first
        connection.execute(sa.text(f"delete from supervision.{table} where project_code = :code"), {"code": project})
    ledger.write(connection, judged(connection, as_of, [project]))


def until(statement: str, as_of: date) -> str:
    """A statement over ``asked`` without findings that were opened after a day."""
    held = f"(select * from asked.finding where opened_on <= date '{as_of.isoformat()}')"
    return fields.replaced(statement, lambda name: held if name == "finding" else None)


def rewritten(statement: str) -> str:
    """A statement over schema ``asked`` as one over ``past``."""
    return re.sub(r"(?<![\w.])asked\.", "past.", statement)
