"""What a batch takes away: versions that a part sent again lacks, records that a complete listing no longer has.

Found before anything is written (``s<run>_withdrawn``, ``s<run>_missing``), so that a gate can refuse it; see
docs/architecture.md, "Replacement".
"""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import rawrow, tables
from store.staging import Staged
from store.statements import GOOD, RECORD_PRINT, REJECT_PRINT, Runner, same

#: Rejected rows without a readable key, but for those that a person dismissed.
_UNKEYED = f"""with said as (
    select {REJECT_PRINT} as fingerprint from {{reject}} x where x.record_key is null
    union all
    select {RECORD_PRINT} from {{record}} s where s.record_key is null and not s.again
)
select count(*) from said where not exists (
    select from landing.quarantine q
    where q.feed = :feed and q.fingerprint = said.fingerprint and q.state = 'dismissed')"""


def unkeyed(connection: Connection, staged: Staged) -> int:
    """Rejected rows whose key could not be read: any of them may be the record that seems to be missing.

    One that a person dismissed is none: who dismisses a row says that it stands for no record.
    """
    return Runner(connection, staged)(_UNKEYED).scalar_one()


#: Versions that only the replaced parts stated and that none of them states any more.
_FIND_WITHDRAWN = f"""create unlogged table {{withdrawn}} as
with said as (
    select s.record_key, s.source_time, s.rank, s.content_hash
    from {{record}} s where not s.again and {GOOD}
)
select distinct o.record_id, o.source_time, o.rank, o.content_hash,
       {same("r", "o")} as current
from source.version_scope o
join source.record r on r.id = o.record_id
where o.feed = :feed and o.scope = any(:scopes)
  and not exists (select from said where said.record_key = r.record_key and {same("said", "o")})
  and not exists (select from source.version_scope t
                  where t.record_id = o.record_id and {same("t", "o")} and t.scope <> all(:scopes))
  and not exists (select from {{record}} s join {{failed}} f using (row_id) where s.record_key = r.record_key)
  and not exists (select from {{reject}} x where x.record_key = r.record_key)"""


def withdraw(connection: Connection, staged: Staged, scopes: list[str]) -> int:
    """Find the versions that only these parts said and say no more; returns how many records lose their current one.

    A record with a rejected row in the batch keeps its versions: the source has it still.
    """
    run = Runner(connection, staged)
    run(_FIND_WITHDRAWN, scopes=scopes)
    run("analyze {withdrawn}")
    return run("select count(*) from {withdrawn} where current").scalar_one()


#: The versions that are left of each record whose current one is withdrawn, the greatest of each.
_FALLBACKS = f"""select distinct on (h.record_id) r.record_key, h.raw, h.receipt_id, h.place
from {{withdrawn}} w
join source.record r on r.id = w.record_id
join source.record_history h on h.record_id = w.record_id
where w.current and h.withdrawn_at is null
  and not exists (select from {{withdrawn}} o where o.record_id = h.record_id and {same("o", "h")})
order by h.record_id, """
_LATEST_BY_TIME = "h.source_time desc nulls last, h.rank desc nulls last, h.content_hash desc"
_LATEST_BY_RECEIPT = "h.receipt_id desc"  # of a feed without a time of its own


def fallbacks(connection: Connection, staged: Staged) -> pl.DataFrame:
    """The greatest version left of each record that loses its current one, as rows to be mapped again.

    Columns: ``record_key``, ``raw`` (JSON text), ``receipt_id``, ``place``.
    """
    run = Runner(connection, staged)
    rows = run(_FALLBACKS + (_LATEST_BY_TIME if staged.timed else _LATEST_BY_RECEIPT)).all()
    return pl.DataFrame(
        [(row.record_key, rawrow.text(row.raw), row.receipt_id, row.place) for row in rows],
        schema={"record_key": pl.String, "raw": pl.String, "receipt_id": pl.Int64, "place": pl.String},
        orient="row",
    )


#: Standing records that a complete listing does not contain, in no form, rejected rows included.
_FIND_ABSENT = """insert into {missing}
select r.id, 'absent' from source.record r
where r.feed = :feed and r.tombstoned_at is null
  and not exists (select from {record} s where s.record_key = r.record_key and not s.again)
  and not exists (select from {unchanged} u where u.record_id = r.id)
  and not exists (select from {reject} x where x.record_key = r.record_key)"""


#: Standing records whose current version is withdrawn and that the batch does not state anew.
_FIND_REPLACED = f"""insert into {{missing}}
select r.id, 'replaced' from {{withdrawn}} w join source.record r on r.id = w.record_id
where w.current and r.tombstoned_at is null
  and not exists (select from {{record}} s where s.record_key = r.record_key and {GOOD})
  and not exists (select from {{missing}} m where m.record_id = r.id)"""


def missing(connection: Connection, staged: Staged, listing: bool) -> int:
    """Find the records that go: absent from a complete ``listing``, or left without a version by :func:`withdraw`.

    Returns their number. A record of which the batch has a rejected row is not missing.
    """
    run = Runner(connection, staged)
    run("create unlogged table {missing} (record_id bigint not null, reason text not null)")
    if listing and not staged.loaded:  # of an initial load nothing can be missing
        run(_FIND_ABSENT)
    if staged.scopes:
        run(_FIND_REPLACED)
    return run("select count(*) from {missing}").scalar_one()


def live(connection: Connection, feed: str) -> int:
    """Records of a feed that stand."""
    record = tables.record.c
    return connection.execute(
        sa.select(sa.func.count()).where(record.feed == feed, record.tombstoned_at.is_(None))
    ).scalar_one()


def sample_missing(connection: Connection, staged: Staged, limit: int = 20) -> list[str]:
    """Keys of some records that :func:`missing` found, for the person who decides."""
    run = Runner(connection, staged)
    return list(
        run(
            "select r.record_key from {missing} m join source.record r on r.id = m.record_id "
            "order by r.record_key limit :limit",
            limit=limit,
        ).scalars()
    )


def spare(connection: Connection, staged: Staged) -> None:
    """Delete nothing in this run: what :func:`missing` and :func:`withdraw` found is let be."""
    run = Runner(connection, staged)
    run("truncate {missing}")
    if staged.scopes:
        run("truncate {withdrawn}")
    staged.spared = True
