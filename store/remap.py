"""What a changed mapping does to what is stored: compared first, applied by the ordinary merge.

Used by :func:`store.merge.commit`: :func:`compare` and :func:`vanished` before the versions are written, :func:`settle` after.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import rawrow, tables
from store.staging import Staged

#: Receipts that stored versions and open quarantine entries came from; whether the payload is still archived.
_RECEIPTS = """select c.id, c.dropped_at is null from landing.receipt c
where c.feed = :feed and (
    exists (select from source.record r where r.feed = :feed and r.receipt_id = c.id)
    or exists (select from source.record_history h join source.record r on r.id = h.record_id
               where r.feed = :feed and h.withdrawn_at is null and h.receipt_id = c.id)
    or exists (select from landing.quarantine q
               where q.feed = :feed and q.state = 'open' and q.receipt_id = c.id))
order by c.id"""


def receipts(feed: str, connection: Connection) -> list[tuple[int, bool]]:
    """(receipt, its payload is still archived) of everything that versions and open quarantine entries came from."""
    rows = connection.execute(sa.text(_RECEIPTS), {"feed": feed})
    return [(number, archived) for number, archived in rows]


#: For each part of a payload the last receipt of a committed run.
_LATEST_OF_SCOPES = """select scope, max(c.id) from landing.receipt c join landing.run u on u.id = c.run_id
cross join lateral unnest(c.scopes) scope
where c.feed = :feed and u.outcome = 'ok' group by scope"""


def latest_of_scopes(feed: str, connection: Connection) -> dict[str, int]:
    """Scope → the receipt that stands for it: the latest one whose run was committed."""
    rows = connection.execute(sa.text(_LATEST_OF_SCOPES), {"feed": feed})
    return {scope: number for scope, number in rows}


#: Raw rows of one receipt, current versions and older ones that hold.
_STORED_ROWS = """select r.raw, r.place from source.record r where r.feed = :feed and r.receipt_id = :receipt
union all
select h.raw, h.place from source.record_history h join source.record r on r.id = h.record_id
where r.feed = :feed and h.receipt_id = :receipt and h.withdrawn_at is null"""


def stored_rows(feed: str, receipt: int, connection: Connection) -> list[tuple[str, str | None]]:
    """(raw as JSON text, place) of the versions that a receipt brought, where its payload is gone."""
    rows = connection.execute(sa.text(_STORED_ROWS), {"feed": feed, "receipt": receipt})
    return [(rawrow.text(raw), place) for raw, place in rows]


def _flags(staged: Staged, entity: str) -> str:
    return ", ".join(f"'{name}'" for name in staged.flags.get(entity, ()))


#: Staged rows whose entity rows, taken together, are not those that are stored of the record.
_DIFFERS = """create unlogged table {differs} as
with mine as (select id, sha256(convert_to(string_agg(x, chr(30) order by x), 'UTF8')) as d from ({mine}) m group by id),
     stored as (select id, sha256(convert_to(string_agg(x, chr(30) order by x), 'UTF8')) as d from ({stored}) t group by id)
select s.row_id from {record} s
join source.record r on r.feed = :feed and r.record_key = s.record_key
left join mine on mine.id = s.row_id left join stored on stored.id = r.id
where mine.d is distinct from stored.d"""


def compare(connection: Connection, staged: Staged) -> None:
    """Find the staged rows whose entity rows are not those that are stored (``s<run>_differs``)."""
    mine = " union all ".join(
        f"select row_id as id, '{name}' || (to_jsonb(e) - 'row_id' - cast(array[{_flags(staged, name)}] as text[]))::text as x from {staged.name(name)} e"
        for name in staged.entities
    )
    stored = " union all ".join(
        f"select record_id as id, '{name}' || (to_jsonb(e) - 'record_id' - 'feed')::text as x from {table.fullname} e where feed = :feed"
        for name, table in tables.source_entity.items()
    )
    statement = _DIFFERS.format(differs=staged.name("differs"), record=staged.name("record"), mine=mine, stored=stored)
    connection.execute(
        sa.text(statement),
        {"feed": staged.feed},
    )


#: Records of the feed that the new mapping no longer gives.
_VANISHED = """create unlogged table {missing} as
select r.id as record_id, 'remapped' as reason from source.record r
where r.feed = :feed and r.tombstoned_at is null
  and not exists (select from {record} s where s.record_key = r.record_key)"""


def vanished(connection: Connection, staged: Staged) -> int:
    """Find the records that what was read again no longer makes (``s<run>_missing``); returns their number."""
    connection.execute(
        sa.text(_VANISHED.format(missing=staged.name("missing"), record=staged.name("record"))),
        {"feed": staged.feed},
    )
    return connection.execute(sa.text(f"select count(*) from {staged.name('missing')}")).scalar_one()


def sample(connection: Connection, staged: Staged, limit: int = 20) -> list[str]:
    """Keys of some records that change or go."""
    return list(
        connection.execute(
            sa.text(
                f"""select record_key from {staged.name("version")} where becomes
                    union select r.record_key from {staged.name("missing")} m join source.record r on r.id = m.record_id
                    order by 1 limit :limit"""
            ),
            {"limit": limit},
        ).scalars()
    )


#: Versions of the feed that the new mapping does not give are withdrawn.
_WITHDRAW = """update source.record_history h set withdrawn_at = now() from source.record r
where r.id = h.record_id and r.feed = :feed and h.withdrawn_at is null
  and not exists (select from {version} v
                  where v.record_key = r.record_key and {same})"""


def settle(connection: Connection, staged: Staged, mapping_version: int) -> None:
    """Versions that are as they were carry the new mapping's number; earlier ones that it does not make are withdrawn."""
    same = (
        "v.source_time is not distinct from {o}.source_time and v.rank is not distinct from {o}.rank "
        "and v.content_hash = {o}.content_hash"
    )
    values = {"feed": staged.feed, "version": mapping_version}
    connection.execute(
        sa.text(
            f"""update source.record r set mapping_version = :version from {staged.name("version")} v
                where r.feed = :feed and r.record_key = v.record_key and r.mapping_version <> :version
                  and {same.format(o="r")}"""
        ),
        values,
    )
    connection.execute(
        sa.text(
            f"""update source.record_history h set mapping_version = :version
                from {staged.name("version")} v join source.record r on r.feed = :feed and r.record_key = v.record_key
                where h.record_id = r.id and h.mapping_version <> :version and {same.format(o="h")}"""
        ),
        values,
    )
    connection.execute(
        sa.text(_WITHDRAW.format(version=staged.name("version"), same=same.format(o="h"))),
        {"feed": staged.feed},
    )
