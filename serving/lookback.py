"""时间机器 Reading the store as it was known at an instant (recorded time), or as it is judged of a day (business time), within one
transaction that is rolled back: the schemas ``past`` (:mod:`serving.sql.past`) and ``on_day`` (:mod:`serving.sql.on_day`) show them."""

from __future__ import annotations

import re
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import NotFoundError

#: what came after an instant: of each row the first change's kind, and the values that all of them replaced, the earliest of each
_LOOK_BACK = """
insert into serving.past_change (entity, entity_id, op, was)
select entity, entity_id, (array_agg(op order by xid, seq))[1],
       serving.jsonb_over(coalesce(before, '{}') order by xid desc, seq desc) || '{"gone_at": null}'
from store.changes where at > :at group by entity, entity_id"""


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


def judge(connection: Connection, project: str | None, as_of: date) -> None:
    """Make the schema ``on_day`` show the store as of a day, to this transaction alone, which must be rolled back: the city as it was
    judged of that day (:func:`serving.on_day.bring`), or one project."""
    from serving import on_day

    day = on_day.bring(as_of) if project is None else on_day.of_project(connection, project, as_of)
    connection.execute(
        sa.text("select set_config('onemap.as_of', :as_of, true), set_config('onemap.day_id', :day, true)"),
        {"as_of": as_of.isoformat(), "day": str(day)},
    )


def rewritten(statement: str, schema: str) -> str:
    """A statement over schema ``asked`` as one over ``schema``: ``past`` or ``on_day``."""
    return re.sub(r"(?<![\w.])asked\.", f"{schema}.", statement)
