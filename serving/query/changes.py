"""The change feed: ADD, MOD, DEL in the order of commit, without gaps.

A transaction draws its numbers before it commits, so that a reader by number alone could pass one by. Readers follow
(transaction, number) and stop before the oldest transaction that still runs: whatever commits later sorts behind.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving.query import paging
from serving.query.listing import value_of

LABEL = "change"


def changes(
    connection: Connection, after: str | None = None, *, entities: list[str] | None = None, limit: int = 100
) -> tuple[list[dict[str, Any]], str, bool]:
    """(changes, cursor to go on from, whether there are more now).

    The cursor moves past what was looked at, also where a filter or the grant left nothing of it.

    :raises paging.BadCursorError: ``after`` is no cursor of this feed.
    """
    xid, seq = paging.decode(LABEL, after, (int, int)) if after else (-1, -1)
    rows, (xid, seq), more = since(connection, xid, seq, entities=entities, limit=limit)
    return rows, paging.encode(LABEL, (xid, seq)), more


def since(
    connection: Connection, xid: int, seq: int, *, entities: list[str] | None = None, limit: int = 100
) -> tuple[list[dict[str, Any]], tuple[int, int], bool]:
    """The same by place: (changes, place, whether there are more now)."""
    rows = connection.execute(
        sa.text(
            """select v.xid, v.seq, v.entity, v.entity_id, v.op, v.columns, v.sources, v.at from onemap.change v
               where (v.xid, v.seq) > (:xid, :seq) and v.xid < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
                 and (cast(:entities as text[]) is null or v.entity = any(:entities))
               order by v.xid, v.seq limit :limit"""
        ),
        {"xid": xid, "seq": seq, "entities": entities, "limit": limit + 1},
    ).all()
    more = len(rows) > limit
    rows = rows[:limit]
    place = (rows[-1].xid, rows[-1].seq) if rows else (xid, seq)
    told = [
        {
            "cursor": paging.encode(LABEL, (row.xid, row.seq)), "op": row.op, "entity": row.entity, "id": row.entity_id,
            "columns": row.columns, "sources": row.sources, "at": value_of("instant", row.at),
        }
        for row in rows
    ]  # fmt: skip
    return told, place, more


def end(connection: Connection) -> str:
    """The cursor of now: what comes after it is new."""
    last = connection.exec_driver_sql(
        """select v.xid, v.seq from onemap.change v where v.xid < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
           order by v.xid desc, v.seq desc limit 1"""
    ).first()
    return paging.encode(LABEL, tuple(last) if last else (-1, -1))
