"""Entries of the quarantine: what waits, what was taken up again, what a person dismissed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError
from store import journal, rawrow, tables
from store.copying import copy_frame
from store.engine import engine, transaction
from store.staging import Staged
from store.statements import RECORD_PRINT, REJECT_PRINT, Runner

entry = tables.quarantine
_AT_ONCE = 10_000


#: Every reason of each rejected row.
_REASONS = """
select f.row_id, jsonb_agg(distinct jsonb_strip_nulls(
           jsonb_build_object('code', f.code, 'field', f.field, 'message', f.message, 'value', f.value))) as reasons
from {failed} f group by f.row_id
"""

#: An entry a rejected row; the same row rejected again is the same entry, seen once more.
_ENTER = f"""
insert into landing.quarantine as q
    (feed, record_key, fingerprint, raw, run_id, receipt_id, place, scope, source_time, reasons, mapping_version)
select distinct on (fingerprint) :feed, record_key, fingerprint, raw, :run, receipt_id, place, scope, source_time, reasons,
       :mapping_version
from (
    select s.record_key, {RECORD_PRINT} as fingerprint, j.raw, s.receipt_id, s.place, s.scope, s.source_time, r.reasons
    from {{record}} s join ({_REASONS}) r using (row_id) join {{rejected}} j using (row_id)
    where not s.again
    union all
    select x.record_key, {REJECT_PRINT}, to_jsonb(x.raw), x.receipt_id, x.place, null, null,
           jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('code', x.code, 'field', x.field, 'message', x.message)))
    from {{reject}} x
) found
order by fingerprint, receipt_id desc
on conflict (feed, fingerprint) do update set
    run_id = excluded.run_id, receipt_id = excluded.receipt_id, place = excluded.place, scope = excluded.scope,
    source_time = excluded.source_time, reasons = excluded.reasons, mapping_version = excluded.mapping_version,
    seen = q.seen + 1, seen_at = now(),
    state = case when q.state = 'dismissed' then 'dismissed' else 'open' end,
    closed_at = case when q.state = 'dismissed' then q.closed_at end,
    closed_by = case when q.state = 'dismissed' then q.closed_by end,
    note = case when q.state = 'dismissed' then q.note end
"""

#: Entries whose record came again, good, since.
_SUPERSEDE = """
update landing.quarantine q set state = 'superseded', closed_at = now(), closed_by = 'run ' || :run,
       note = 'a later good version of the record came'
from {version} v
where q.feed = :feed and q.state = 'open' and q.record_key = v.record_key and not v.again
  and case when q.source_time is not null and v.source_time is not null
           then v.source_time >= q.source_time and v.receipt_id >= q.receipt_id
           else v.receipt_id > q.receipt_id end
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """An open entry. ``raw``: JSON text of the row as an object; None where it did not decode."""

    id: int
    raw: str | None
    receipt_id: int | None
    place: str | None
    scope: str | None


def _unpack(connection: Connection, staged: Staged) -> None:
    """Rejected rows as JSON (``s<run>_rejected``): a person reads them in the quarantine."""
    name = f"s{staged.run_id}_rejected"
    columns = (sa.Column("row_id", sa.BigInteger), sa.Column("raw", JSONB))
    table = sa.Table(name, sa.MetaData(), *columns, schema=staged.schema, prefixes=["UNLOGGED"])
    table.create(connection)
    rows = Runner(connection, staged)(
        "select s.row_id, s.raw from {record} s where not s.again and exists (select from {failed} f where f.row_id = s.row_id)"
    )
    for part in rows.partitions(_AT_ONCE):
        found = [(row.row_id, None if row.raw is None else rawrow.text(row.raw)) for row in part]
        frame = pl.DataFrame(found, schema={"row_id": pl.Int64, "raw": pl.String}, orient="row")
        copy_frame(connection, table, frame)


def reject(connection: Connection, staged: Staged, mapping_version: int) -> int:
    """Put every rejected row into quarantine, with all its reasons; returns how many rows that is."""
    run = Runner(connection, staged)
    rows = run(
        "select count(distinct s.row_id) from {failed} f join {record} s using (row_id) where not s.again"
    ).scalar_one()
    if rows or staged.rejects:
        _unpack(connection, staged)
        run(_ENTER, mapping_version=mapping_version)
    return rows + staged.rejects


def supersede(connection: Connection, staged: Staged) -> int:
    """Close open entries whose record came again, good, since; call it when the versions are written."""
    return Runner(connection, staged)(_SUPERSEDE).rowcount


def open_entries(feed: str, ids: list[int] | None = None) -> list[Entry]:
    """What waits, in the order of receipt; all of a feed's, or those named."""
    row = sa.case((sa.func.jsonb_typeof(entry.c.raw) == "object", sa.cast(entry.c.raw, sa.Text)))
    statement = (
        sa.select(entry.c.id, row, entry.c.receipt_id, entry.c.place, entry.c.scope)
        .where(entry.c.feed == feed, entry.c.state == "open")
        .order_by(entry.c.receipt_id, entry.c.id)
    )
    if ids is not None:
        statement = statement.where(entry.c.id.in_(ids))
    with engine().connect() as connection:
        return [Entry(*found) for found in connection.execute(statement)]


def feeds_with_open() -> list[str]:
    """Feeds that have anything waiting, sorted."""
    with engine().connect() as connection:
        return list(
            connection.execute(
                sa.select(entry.c.feed).where(entry.c.state == "open").distinct().order_by(entry.c.feed)
            ).scalars()
        )


def close_redriven(connection: Connection, ids: Sequence[int], run_id: int) -> int:
    """Close those of the entries that this run did not reject again."""
    if not ids:
        return 0
    return connection.execute(
        sa.update(entry)
        .where(entry.c.id.in_(ids), entry.c.state == "open", entry.c.run_id != run_id)
        .values(
            state="redriven", closed_at=sa.func.now(), closed_by=f"run {run_id}", note="passed when it was driven again"
        )
    ).rowcount


#: Entries of a part of a payload of which a later committed run brought the same part.
_SUPERSEDE_PARTS = """update landing.quarantine q set state = 'superseded', closed_at = now(), closed_by = 'system',
       note = 'the part was sent again'
where q.feed = :feed and q.state = 'open' and q.scope is not null
  and exists (select from landing.receipt r join landing.run u on u.id = r.run_id
              where r.feed = q.feed and q.scope = any(r.scopes) and r.id > q.receipt_id
                and u.outcome = 'ok')"""


def replaced(feed: str) -> int:
    """Close entries whose part of a payload was sent again since: the new one says what holds."""
    with transaction() as connection:
        return connection.execute(sa.text(_SUPERSEDE_PARTS), {"feed": feed}).rowcount


def dismiss(ids: list[int], by: str, note: str) -> int:
    """A person says that the rows are to be left out; the same rows do not come up again. Returns how many were open.

    :raises ConfigurationError: no reason was given.
    """
    if not note.strip():
        raise ConfigurationError("a dismissal needs a reason", remedy="say why", zh="须填写不予处理的理由。")
    with transaction() as connection:
        done = connection.execute(
            sa.update(entry)
            .where(entry.c.id.in_(ids), entry.c.state == "open")
            .values(state="dismissed", closed_at=sa.func.now(), closed_by=by, note=note)
        ).rowcount
    journal.decided()
    return done


def listed(feed: str | None = None, state: str | None = "open", limit: int = 100) -> list[dict[str, Any]]:
    """Entries for people, the latest first: without their rows, which may hold personal data."""
    columns = [column for column in entry.c if column.name not in ("raw", "fingerprint")]
    statement = sa.select(*columns).order_by(entry.c.seen_at.desc(), entry.c.id.desc()).limit(limit)
    if feed is not None:
        statement = statement.where(entry.c.feed == feed)
    if state is not None:
        statement = statement.where(entry.c.state == state)
    with engine().connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
