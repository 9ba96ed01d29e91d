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
from store import fold

LABEL = "change"
AHEAD = 5_000


def changes(
    connection: Connection, after: str | None = None, *, entities: list[str] | None = None, limit: int = 100
) -> tuple[list[dict[str, Any]], str, bool]:
    """(changes, cursor to go on from, whether there are more now).

    The cursor moves past what was looked at, also where a filter or the grant left nothing of it.

    :raises paging.BadCursorError: ``after`` is no cursor of this feed.
    :raises paging.DroppedError: changes after it are no longer kept (``ONEMAP_KEEP_CHANGES``).
    """
    xid, seq = paging.decode(LABEL, after, (int, int)) if after else (-1, -1)
    begin = connection.exec_driver_sql("select xid, seq from serving.feed_begin()").one()
    if (xid, seq) < (begin.xid, begin.seq):
        raise paging.DroppedError
    rows, (xid, seq), more = since(connection, xid, seq, entities=entities, limit=limit)
    return rows, paging.encode(LABEL, (xid, seq)), more


#: The changes after a place, up to where the feed may be read now, and that end itself, in one snapshot.
_SINCE = """select u.xid as until_xid, u.seq as until_seq, u.last, v.*
from serving.feed_until(:xid, :seq, :ahead) u
left join lateral (
    select v.xid, v.seq, v.entity, v.entity_id, v.op, v.columns, v.sources, v.at, v.before, v.after from asked.change v
    where (v.xid, v.seq) > (:xid, :seq) and (v.xid, v.seq) <= (u.xid, u.seq)
      -- of the batches those alone that may have some of them: what stands in one is known only when it is unpacked
      and (v.batch is null or (v.xid > :xid or v.batch > :seq - :size) and (v.xid < u.xid or v.batch <= u.seq))
      and (cast(:entities as text[]) is null or v.entity = any(cast(:entities as text[])))
    order by v.xid, v.seq limit :limit) v on true
order by v.xid, v.seq"""


def since(
    connection: Connection, xid: int, seq: int, *, entities: list[str] | None = None, limit: int = 100
) -> tuple[list[dict[str, Any]], tuple[int, int], bool]:
    """The same by place: (changes, place, whether there are more now).

    One statement, so that what is read and how far it may be read are of one snapshot; at most :data:`AHEAD` changes are
    looked at, so that who is shown few of them waits no longer.
    """
    rows = connection.execute(
        sa.text(_SINCE),
        {"xid": xid, "seq": seq, "entities": entities, "limit": limit + 1, "ahead": AHEAD, "size": fold.BATCH},
    ).all()
    until = rows[0]
    found = [row for row in rows if row.entity is not None]
    full = len(found) > limit
    found = found[:limit]
    place = (found[-1].xid, found[-1].seq) if full else (until.until_xid, until.until_seq)
    entries = [
        {
            "cursor": paging.encode(LABEL, (row.xid, row.seq)),
            "op": row.op,
            "entity": row.entity,
            "id": row.entity_id,
            "columns": row.columns,
            "sources": row.sources,
            "at": value_of("instant", row.at),
            "before": row.before,
            "after": row.after,
        }
        for row in found
    ]
    return entries, place, full or not until.last


def end(connection: Connection) -> str:
    """The cursor of now: what comes after it is new."""
    found = connection.exec_driver_sql(
        "select xid, seq from serving.feed_end() union all select xid, seq from serving.feed_begin()"
    )
    return paging.encode(LABEL, max(map(tuple, found)))
