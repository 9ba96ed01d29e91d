"""From staging into source.record, its history and source.<entity>: set-based, idempotent, in one transaction.

The order in which the pipeline calls::

    withdraw     versions that a part said which was now sent again without them        s<run>_withdrawn
    fallbacks    older versions that stand again then, to be mapped and staged
    missing      records that a complete listing no longer has                          s<run>_missing
    apply        what becomes of each staged row (s<run>_version), and the writing of it
    reject       rows and reasons into quarantine; entries that a good version closes
    tell         issues

Versions are ordered by (source_time, rank, content) or, in a feed without a time of its own, by receipt; see
docs/architecture.md, "Versions", "Counting" and "Replacement". Only rows whose content changed are written.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import tables
from store.engine import lock_key
from store.landing import code_version
from store.staging import Staged

_GOOD = "not exists (select from {failed} f where f.row_id = s.row_id)"
_SAME = (
    "{a}.source_time is not distinct from {b}.source_time and {a}.rank is not distinct from {b}.rank "
    "and {a}.content_hash = {b}.content_hash"
)
# what an entry of the quarantine is known by, of a mapped row s and of one that did not decode, x
_RECORD_PRINT = "sha256(convert_to(coalesce(s.record_key, ''), 'UTF8') || s.content_hash)"
_REJECT_PRINT = (
    "sha256(convert_to(concat_ws(chr(31), x.code, x.record_key, coalesce(x.raw, x.place || x.message)), 'UTF8'))"
)
_ORDER = "(coalesce({v}.source_time, '-infinity'), coalesce({v}.rank, -9223372036854775808), {v}.content_hash)"


def _same(a: str, b: str) -> str:
    return _SAME.format(a=a, b=b)


class _Runner:
    """Runs statements with the names of one run's staging tables filled in."""

    def __init__(self, connection: Connection, staged: Staged) -> None:
        self.connection = connection
        self.names = {
            part: staged.name(part)
            for part in ("record", "failed", "reject", "issue", "version", "withdrawn", "missing", "differs")
        }
        self.values: dict[str, Any] = {"feed": staged.feed, "run": staged.run_id}

    def __call__(self, statement: str, **values: Any) -> sa.CursorResult:
        text = statement
        for name, table in self.names.items():
            text = text.replace("{" + name + "}", table)
        used = {k: v for k, v in (self.values | values).items() if f":{k}" in text}
        return self.connection.execute(sa.text(text), used)


def lock(connection: Connection, feed: str) -> None:
    """Writers of a feed's rows, one transaction at a time; the feed's lock keeps whole runs apart already."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("merge", feed))))


def unkeyed(connection: Connection, staged: Staged) -> int:
    """Rejected rows whose key could not be read: any of them may be the record that seems to be missing.

    One that a person dismissed is none: who dismisses a row says that it stands for no record.
    """
    return _Runner(connection, staged)(
        f"""with said as (
                select {_REJECT_PRINT} as fingerprint from {{reject}} x where x.record_key is null
                union all
                select {_RECORD_PRINT} from {{record}} s where s.record_key is null and not s.again
            )
            select count(*) from said where not exists (
                select from landing.quarantine q
                where q.feed = :feed and q.fingerprint = said.fingerprint and q.state = 'dismissed')"""
    ).scalar_one()


# -- parts that were sent again ----------------------------------------------------------------------------------------


def withdraw(connection: Connection, staged: Staged, scopes: list[str]) -> int:
    """Find the versions that only these parts said and say no more; returns how many records lose their current one.

    A record with a rejected row in the batch keeps its versions: the source has it still.
    """
    run = _Runner(connection, staged)
    run(
        f"""create unlogged table {{withdrawn}} as
            with said as (
                select s.record_key, s.source_time, s.rank, s.content_hash
                from {{record}} s where not s.again and {_GOOD}
            )
            select distinct o.record_id, o.source_time, o.rank, o.content_hash,
                   {_same("r", "o")} as current
            from source.version_scope o
            join source.record r on r.id = o.record_id
            where o.feed = :feed and o.scope = any(:scopes)
              and not exists (select from said where said.record_key = r.record_key and {_same("said", "o")})
              and not exists (select from source.version_scope t
                              where t.record_id = o.record_id and {_same("t", "o")} and t.scope <> all(:scopes))
              and not exists (select from {{record}} s join {{failed}} f using (row_id) where s.record_key = r.record_key)
              and not exists (select from {{reject}} x where x.record_key = r.record_key)""",
        scopes=scopes,
    )
    run("analyze {withdrawn}")
    return run("select count(*) from {withdrawn} where current").scalar_one()


def fallbacks(connection: Connection, staged: Staged) -> pl.DataFrame:
    """The greatest version left of each record that loses its current one, as rows to be mapped again.

    Columns: ``record_key``, ``raw`` (JSON text), ``receipt_id``, ``place``.
    """
    run = _Runner(connection, staged)
    rows = run(
        f"""select distinct on (h.record_id) r.record_key, h.raw::text as raw, h.receipt_id, h.place
            from {{withdrawn}} w
            join source.record r on r.id = w.record_id
            join source.record_history h on h.record_id = w.record_id
            where w.current and h.withdrawn_at is null
              and not exists (select from {{withdrawn}} o where o.record_id = h.record_id and {_same("o", "h")})
            order by h.record_id, {
            "h.source_time desc nulls last, h.rank desc nulls last, h.content_hash desc"
            if staged.timed
            else "h.receipt_id desc"
        }"""
    ).all()
    return pl.DataFrame(
        [tuple(row) for row in rows],
        schema={"record_key": pl.String, "raw": pl.String, "receipt_id": pl.Int64, "place": pl.String},
        orient="row",
    )


def missing(connection: Connection, staged: Staged, listing: bool) -> int:
    """Find the records that go: absent from a complete ``listing``, or left without a version by :func:`withdraw`.

    Returns their number. A record of which the batch has a rejected row is not missing.
    """
    run = _Runner(connection, staged)
    run("create unlogged table {missing} (record_id bigint not null, reason text not null)")
    if listing:
        run(
            """insert into {missing}
               select r.id, 'absent' from source.record r
               where r.feed = :feed and r.tombstoned_at is null
                 and not exists (select from {record} s where s.record_key = r.record_key and not s.again)
                 and not exists (select from {reject} x where x.record_key = r.record_key)"""
        )
    if staged.scopes:
        run(
            f"""insert into {{missing}}
                select r.id, 'replaced' from {{withdrawn}} w join source.record r on r.id = w.record_id
                where w.current and r.tombstoned_at is null
                  and not exists (select from {{record}} s where s.record_key = r.record_key and {_GOOD})
                  and not exists (select from {{missing}} m where m.record_id = r.id)"""
        )
    return run("select count(*) from {missing}").scalar_one()


def live(connection: Connection, feed: str) -> int:
    """Records of a feed that stand."""
    record = tables.record.c
    return connection.execute(
        sa.select(sa.func.count()).where(record.feed == feed, record.tombstoned_at.is_(None))
    ).scalar_one()


def sample_missing(connection: Connection, staged: Staged, limit: int = 20) -> list[str]:
    """Keys of some records that :func:`missing` found, for the person who decides."""
    run = _Runner(connection, staged)
    return list(
        run(
            "select r.record_key from {missing} m join source.record r on r.id = m.record_id "
            "order by r.record_key limit :limit",
            limit=limit,
        ).scalars()
    )


def spare(connection: Connection, staged: Staged) -> None:
    """Delete nothing in this run: what :func:`missing` and :func:`withdraw` found is let be."""
    run = _Runner(connection, staged)
    run("truncate {missing}")
    if staged.scopes:
        run("truncate {withdrawn}")
    staged.spared = True


# -- the merge ---------------------------------------------------------------------------------------------------------


def _classify(run: _Runner, staged: Staged, remapped: bool = False) -> None:
    if staged.timed:
        newest = "n.source_time desc nulls last, n.rank desc nulls last, n.content_hash desc"
        beats = f"{_ORDER.format(v='o')} > {_ORDER.format(v='r')}"
    else:
        newest = "n.receipt_id desc, n.row_id desc"
        beats = "o.receipt_id > r.receipt_id"
    # mapped anew, the version itself may be as it was: then its entity rows decide
    remapping = (
        """when c.was_gone or c.stale then false
           when true then not c.same or exists (select from {differs} d where d.row_id = c.row_id)"""
        if remapped
        else ""
    )
    doomed = (
        "exists (select from {withdrawn} w where w.record_id = r.id and w.current)" if staged.scopes else str(remapped)
    )
    run(
        f"""create unlogged table {{version}} as
            with good as (
                select s.row_id, s.receipt_id, s.place, s.scope, s.record_key, s.source_time, s.rank, s.tombstone,
                       s.again, s.content_hash
                from {{record}} s where {_GOOD}
            ),
            repeated as (
                select record_key from good group by record_key having count(*) > 1
            ),
            numbered as (  -- only keys that came more than once have versions to be put in order
                select good.*, row_number() over (
                    partition by record_key, source_time, rank, content_hash order by again, receipt_id desc, row_id desc
                ) as said
                from good join repeated using (record_key)
            ),
            ordered as (
                select g.*, 1 as said, true as latest
                from good g where not exists (select from repeated o where o.record_key = g.record_key)
                union all
                select n.row_id, n.receipt_id, n.place, n.scope, n.record_key, n.source_time, n.rank, n.tombstone, n.again,
                       n.content_hash, n.said,
                       n.said = 1 and 1 = row_number() over (partition by n.record_key, n.said > 1 order by {newest})
                from numbered n
            ),
            compared as (
                select o.*,
                       r.id as known,
                       r.tombstone in ('absent', 'replaced', 'remapped') as was_gone,
                       coalesce(o.receipt_id <= r.gone_receipt, false) as stale,
                       coalesce({_same("o", "r")}, false) as same,
                       coalesce({beats}, false) as beats,
                       r.id is not null and {doomed} as doomed
                from ordered o
                left join source.record r on r.feed = :feed and r.record_key = o.record_key
            ),
            judged as (
                select c.*,
                       c.latest and case
                           when c.known is null then true
                           {remapping}
                           when c.doomed then not c.same
                           when c.stale then false
                           when c.was_gone then true
                           else not c.same and c.beats
                       end as becomes
                from compared c
            )
            select j.row_id, j.receipt_id, j.scope, j.record_key, j.source_time, j.rank, j.tombstone, j.again,
                   j.content_hash, j.latest, j.same, j.becomes, j.doomed, j.known is not null as known,
                   coalesce(j.known, case when j.becomes
                            then nextval('source.record_id_seq') end) as record_id,
                   case
                       when j.again then 'again'
                       when j.said > 1 then 'unchanged'
                       when j.becomes and j.tombstone then 'tombstoned'
                       when j.becomes and j.known is null then 'new'
                       when j.becomes then 'changed'
                       when j.same then 'unchanged'
                       when j.known is not null and exists (
                           select from source.record_history h
                           where h.record_id = j.known and h.withdrawn_at is null and {_same("h", "j")}
                       ) then 'unchanged'
                       else 'history'
                   end as action
            from judged j"""
    )
    run("analyze {version} (row_id, record_id)")


_TO_HISTORY = """
insert into source.record_history as h
    (record_id, raw, content_hash, source_time, rank, said_gone, receipt_id, place, run_id, mapping_version,
     recorded_at, superseded_at, withdrawn_at)
select r.id, r.raw, r.content_hash, r.source_time, r.rank, coalesce(r.tombstone = 'said', false), r.receipt_id, r.place,
       r.run_id, r.mapping_version, r.recorded_at, now(), case when v.doomed then now() end
from {version} v join source.record r on r.id = v.record_id
where v.becomes and v.known and not v.same
on conflict (record_id, source_time, rank, content_hash)
do update set superseded_at = excluded.superseded_at, withdrawn_at = excluded.withdrawn_at
"""

_FROM_HISTORY = f"""
delete from source.record_history h using {{version}} v
where v.becomes and v.known and h.record_id = v.record_id and {_same("h", "v")}
"""

_UPDATE = """
update source.record r set
    raw = s.raw, content_hash = v.content_hash,
    source_time = v.source_time, rank = v.rank, receipt_id = v.receipt_id, place = s.place, run_id = :run,
    mapping_version = :mapping_version, code_version = :code_version, recorded_at = now(),
    tombstoned_at = case when v.tombstone then now() end, tombstone = case when v.tombstone then 'said' end
from {version} v join {record} s using (row_id)
where v.becomes and v.known and r.id = v.record_id
"""

_INSERT = """
insert into source.record
    (id, feed, record_key, raw, content_hash, source_time, rank, receipt_id, place, run_id, mapping_version, code_version,
     tombstoned_at, tombstone)
overriding system value
select v.record_id, :feed, v.record_key, s.raw, v.content_hash, v.source_time,
       v.rank, v.receipt_id, s.place, :run, :mapping_version, :code_version,
       case when v.tombstone then now() end, case when v.tombstone then 'said' end
from {version} v join {record} s using (row_id)
where v.becomes and not v.known
"""

_OLDER = """
insert into source.record_history as h
    (record_id, raw, content_hash, source_time, rank, said_gone, receipt_id, place, run_id, mapping_version)
select r.id, s.raw, v.content_hash, v.source_time, v.rank, v.tombstone,
       v.receipt_id, s.place, :run, :mapping_version
from {version} v join {record} s using (row_id)
join source.record r on r.feed = :feed and r.record_key = v.record_key
where v.action = 'history'
on conflict (record_id, source_time, rank, content_hash) do update set withdrawn_at = null
"""

_BACK = """
update source.absence a set back_at = now() from {version} v
where v.becomes and v.known and a.record_id = v.record_id and a.back_at is null
"""

_GONE = """
update source.record r set tombstoned_at = now(), tombstone = m.reason, gone_receipt = :last_receipt
from {missing} m where r.id = m.record_id
"""

_ABSENCE = """
insert into source.absence (record_id, reason, run_id) select m.record_id, m.reason, :run from {missing} m
"""

_DIRTY = """
insert into store.dirty (record_id, feed, run_id)
select v.record_id, :feed, :run from {version} v where v.becomes
union all
select m.record_id, :feed, :run from {missing} m
"""

_WITHDRAW_HISTORY = f"""
update source.record_history h set withdrawn_at = now() from {{withdrawn}} w
where h.record_id = w.record_id and h.withdrawn_at is null and {_same("h", "w")}
"""

_UNSAY = f"""
delete from source.version_scope o using source.record r
where r.id = o.record_id and o.feed = :feed and o.scope = any(:scopes)
  and not exists (select from {{version}} v
                  where v.record_key = r.record_key and v.scope = o.scope and not v.again and {_same("v", "o")})
  and not exists (select from {{record}} s join {{failed}} f using (row_id) where s.record_key = r.record_key)
  and not exists (select from {{reject}} x where x.record_key = r.record_key)
"""

_SAY = """
insert into source.version_scope (record_id, source_time, rank, content_hash, feed, scope, receipt_id)
select distinct on (r.id, v.source_time, v.rank, v.content_hash, v.scope)
       r.id, v.source_time, v.rank, v.content_hash, :feed, v.scope, v.receipt_id
from {version} v join source.record r on r.feed = :feed and r.record_key = v.record_key
where v.scope is not null and not v.again
order by r.id, v.source_time, v.rank, v.content_hash, v.scope, v.receipt_id desc
on conflict on constraint version_scope_uq do update set receipt_id = excluded.receipt_id
"""


def apply(
    connection: Connection, staged: Staged, mapping_version: int, last_receipt: int, *, remapped: bool = False
) -> dict[str, int]:
    """Write the batch; returns the counts ``new changed history unchanged tombstoned absent`` of it.

    ``last_receipt``: what was received up to it revives no record that this batch proves absent. Call
    :func:`missing` before. ``remapped``: the batch is what the archive holds, mapped anew (:mod:`store.remap`): it
    stands for what was mapped before.
    """
    run = _Runner(connection, staged)
    run.values |= {"mapping_version": mapping_version, "code_version": code_version()}
    _classify(run, staged, remapped)
    counts = dict.fromkeys(("new", "changed", "history", "unchanged", "tombstoned"), 0)
    counts |= {
        action: number
        for action, number in run("select action, count(*) from {version} where not again group by action")
    }
    replaced = run("select exists (select from {version} where becomes and known)").scalar_one()
    if replaced:
        run(_TO_HISTORY)
        run(_FROM_HISTORY)
        run(_UPDATE)
        run(_BACK)
    run(_INSERT)
    if counts["history"]:
        run(_OLDER)
    counts["absent"] = run(_GONE, last_receipt=last_receipt).rowcount
    if counts["absent"]:
        run(_ABSENCE)
    if replaced or counts["absent"]:
        for entity in tables.source_entity:
            _clear(run, entity)
    for entity in staged.entities:
        _fill(run, staged, entity)
    run(_DIRTY)
    if staged.scopes and not staged.spared:
        run(_WITHDRAW_HISTORY)
        run(_UNSAY, scopes=sorted(staged.scopes))
    if staged.scoped:
        run(_SAY)
    return counts


def _clear(run: _Runner, entity: str) -> None:
    table = tables.source_entity[entity].fullname
    run(
        f"""delete from {table} e using (
                select record_id from {{version}} where becomes and known
                union all select record_id from {{missing}}
            ) c where e.record_id = c.record_id"""
    )


def _fill(run: _Runner, staged: Staged, entity: str) -> None:
    preparer = run.connection.dialect.identifier_preparer
    names = ", ".join(preparer.quote(column.name) for column in tables.entity_columns(entity))
    run(
        f"""insert into {tables.source_entity[entity].fullname} (record_id, ord, feed, {names})
            select v.record_id, e.ord, :feed, {", ".join("e." + name for name in names.split(", "))}
            from {staged.name(entity)} e join {{version}} v using (row_id)
            where v.becomes and not v.tombstone"""
    )


# -- quarantine and issues ---------------------------------------------------------------------------------------------

_REASONS = """
select f.row_id, jsonb_agg(distinct jsonb_strip_nulls(
           jsonb_build_object('code', f.code, 'field', f.field, 'message', f.message, 'value', f.value))) as reasons
from {failed} f group by f.row_id
"""

_QUARANTINE = f"""
insert into landing.quarantine as q
    (feed, record_key, fingerprint, raw, run_id, receipt_id, place, scope, source_time, reasons, mapping_version)
select distinct on (fingerprint) :feed, record_key, fingerprint, raw, :run, receipt_id, place, scope, source_time, reasons,
       :mapping_version
from (
    select s.record_key, {_RECORD_PRINT} as fingerprint, s.raw as raw, s.receipt_id, s.place, s.scope, s.source_time, r.reasons
    from {{record}} s join ({_REASONS}) r using (row_id)
    where not s.again
    union all
    select x.record_key, {_REJECT_PRINT}, to_jsonb(x.raw), x.receipt_id, x.place, null, null,
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

_SUPERSEDE = """
update landing.quarantine q set state = 'superseded', closed_at = now(), closed_by = 'run ' || :run,
       note = 'a later good version of the record came'
from {version} v
where q.feed = :feed and q.state = 'open' and q.record_key = v.record_key and not v.again
  and case when q.source_time is not null and v.source_time is not null
           then v.source_time >= q.source_time and v.receipt_id >= q.receipt_id
           else v.receipt_id > q.receipt_id end
"""

_TELL = """
insert into landing.issue as i (code, severity, duty, feed, record, field, detail, fingerprint, run_id, count)
select code, min(severity), min(duty), :feed, record, field, coalesce(detail, ''),
       sha256(convert_to(concat_ws(chr(31), code, coalesce(record, chr(30)), coalesce(field, chr(30)),
                                   coalesce(detail, '')), 'UTF8')),
       :run, sum(count)
from {issue}
group by code, record, field, coalesce(detail, ''), detail
on conflict (feed, fingerprint) do update set
    severity = excluded.severity, duty = excluded.duty, run_id = excluded.run_id, last_seen_at = now(),
    count = i.count + excluded.count
"""


def reject(connection: Connection, staged: Staged, mapping_version: int) -> int:
    """Put every rejected row into quarantine, with all its reasons; returns how many rows that is."""
    run = _Runner(connection, staged)
    rows = run(
        "select count(distinct s.row_id) from {failed} f join {record} s using (row_id) where not s.again"
    ).scalar_one()
    if rows or staged.rejects:
        run(_QUARANTINE, mapping_version=mapping_version)
    return rows + staged.rejects


def supersede(connection: Connection, staged: Staged) -> int:
    """Close open entries whose record came again, good, since; call it after :func:`apply`."""
    return _Runner(connection, staged)(_SUPERSEDE).rowcount


def tell(connection: Connection, staged: Staged) -> None:
    """Count the batch's issues into landing.issue."""
    _Runner(connection, staged)(_TELL)
