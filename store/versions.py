"""What becomes of each staged version, and the writing of it: source.record, its history and source.<entity>.

Versions are ordered by (source_time, rank, content) or, in a feed without a time of its own, by receipt; see
docs/architecture.md, "Versions" and "Counting". Only rows whose content changed are written.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from store import initial, tables
from store.landing import code_version
from store.staging import Staged
from store.statements import GOOD, ORDER, Runner, same

#: Each staged version, against the record that it is of: is it the greatest of its key in the batch (``latest``), is it
#: what stands (``same``), does it become what stands (``becomes``), and how the row counts (``action``).
_CLASSIFY = f"""
create unlogged table {{version}} as
with good as (  -- what passed every check
    select s.row_id, s.receipt_id, s.place, s.scope, s.record_key, s.source_time, s.rank, s.tombstone, s.again,
           s.content_hash
    from {{record}} s where {GOOD}
    union all  -- a key that came once more with something else is judged with all that came of it
    select u.row_id, u.receipt_id, null, null, r.record_key, r.source_time, r.rank, false, false, r.content_hash
    from {{unchanged}} u join source.record r on r.id = u.record_id
    where exists (select from {{record}} s where s.record_key = r.record_key)
),
repeated as (
    select record_key from good group by record_key having count(*) > 1
),
numbered as (  -- only keys that came more than once have versions to be put in order
    select good.*, row_number() over (
        partition by record_key, source_time, rank, content_hash order by again, receipt_id desc, row_id desc
    ) as nth
    from good join repeated using (record_key)
),
ordered as (
    select g.*, 1 as nth, true as latest
    from good g where not exists (select from repeated o where o.record_key = g.record_key)
    union all
    select n.row_id, n.receipt_id, n.place, n.scope, n.record_key, n.source_time, n.rank, n.tombstone, n.again,
           n.content_hash, n.nth,
           n.nth = 1 and 1 = row_number() over (partition by n.record_key, n.nth > 1 order by {{newest}})
    from numbered n
),
compared as (
    select o.*,
           r.id as known,
           r.tombstone in ('absent', 'replaced', 'remapped') as was_gone,
           coalesce(o.receipt_id <= r.gone_receipt, false) as stale,
           r.refused_at is not null and {{redriven}} as retried,
           coalesce({same("o", "r")}, false) as same,
           coalesce({{beats}}, false) as beats,
           r.id is not null and {{doomed}} as doomed
    from ordered o
    left join source.record r on r.feed = :feed and r.record_key = o.record_key
),
judged as (
    select c.*,
           c.latest and case
               when c.known is null then true
               {{remapping}}
               when c.doomed then not c.same
               when c.stale then false
               when c.was_gone then true
               when c.retried and c.same then true
               else not c.same and c.beats
           end as becomes
    from compared c
)
select j.row_id, j.receipt_id, j.scope, j.record_key, j.source_time, j.rank, j.tombstone, j.again,
       j.content_hash, j.latest, j.same, j.becomes, j.doomed, j.known is not null as known,
       coalesce(j.known, case when j.becomes then j.row_id end) as record_id,
       case
           when j.again then 'again'
           when j.nth > 1 then 'unchanged'
           when j.becomes and j.tombstone then 'tombstoned'
           when j.becomes and j.known is null then 'new'
           when j.becomes then 'changed'
           when j.same then 'unchanged'
           when j.known is not null and exists (
               select from source.record_history h
               where h.record_id = j.known and h.withdrawn_at is null and {same("h", "j")}
           ) then 'unchanged'
           else 'history'
       end as action
from judged j
"""
#: The greatest version first: by the feed's own time, or by receipt where it has none.
_NEWEST = {
    True: "n.source_time desc nulls last, n.rank desc nulls last, n.content_hash desc",
    False: "n.receipt_id desc, n.row_id desc",
}
#: Whether a staged version ``o`` is greater than the one that stands, ``r``.
_BEATS = {True: f"{ORDER.format(v='o')} > {ORDER.format(v='r')}", False: "o.receipt_id > r.receipt_id"}
#: Mapped anew, the version itself may be as it was: then its entity rows decide.
_REMAPPING = """when c.was_gone or c.stale then false
               when true then not c.same or exists (select from {differs} d where d.row_id = c.row_id)"""
#: The record's version is taken back by the part that is sent again.
_WITHDRAWN = "exists (select from {withdrawn} w where w.record_id = r.id and w.current)"


def _classify(run: Runner, staged: Staged, remapped: bool, redriven: bool) -> None:
    """Make ``s<run>_version``: see :data:`_CLASSIFY`."""
    choices = {
        "newest": _NEWEST[staged.timed],
        "beats": _BEATS[staged.timed],
        "remapping": _REMAPPING if remapped else "",
        "redriven": str(redriven),
        "doomed": _WITHDRAWN if staged.scopes else str(remapped),
    }
    statement = _CLASSIFY
    for name, text in choices.items():
        statement = statement.replace("{" + name + "}", text)
    run(statement)
    run("analyze {version} (row_id, record_id)")


#: The version that stood goes to the history
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

#: and one that comes to stand leaves it.
_FROM_HISTORY = f"""
delete from source.record_history h using {{version}} v
where v.becomes and v.known and h.record_id = v.record_id and {same("h", "v")}
"""

#: The greatest version of a known record stands now.
_UPDATE = """
update source.record r set
    raw = s.raw, content_hash = v.content_hash,
    source_time = v.source_time, rank = v.rank, receipt_id = v.receipt_id, place = s.place, run_id = :run,
    mapping_version = :mapping_version, code_version = :code_version, recorded_at = now(), refused_at = null,
    tombstoned_at = case when v.tombstone then now() end, tombstone = case when v.tombstone then 'said' end
from {version} v join {record} s using (row_id)
where v.becomes and v.known and r.id = v.record_id
"""

#: Records that were not known.
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

#: Versions that never stood: older ones that arrive late.
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

#: A record that was absent and comes again.
_BACK = """
update source.absence a set back_at = now() from {version} v
where v.becomes and v.known and a.record_id = v.record_id and a.back_at is null
"""

#: Records that go by proven absence
_GONE = """
update source.record r set tombstoned_at = now(), tombstone = m.reason, gone_receipt = :last_receipt
from {missing} m where r.id = m.record_id
"""

#: and the proof's row.
_ABSENCE = """
insert into source.absence (record_id, reason, run_id) select m.record_id, m.reason, :run from {missing} m
"""

#: Rows ``e`` of an entity that stand now.
_STANDING_ROWS = "join {version} v using (row_id) where v.becomes and not v.tombstone"

#: What unify has to take up.
_DIRTY = """
insert into store.dirty (record_id, feed, run_id, fresh)
select v.record_id, :feed, :run, not v.known from {version} v where v.becomes
union all
select m.record_id, :feed, :run, false from {missing} m
"""

#: Unlike rows of one key in one part of one payload, of which the last stands and the others are history.
_KEY_SHARED = """
insert into {issue} (code, severity, duty, record, detail, count)
select :code, 'warning', 'provider', v.record_key,
       string_agg(distinct coalesce(s.place, '?'), '、') || ' / ' || min(coalesce(k.place, '?')), count(*)
from {version} v join {record} s using (row_id)
join {version} o on o.record_key = v.record_key and o.receipt_id = v.receipt_id and o.latest
join {record} k on k.row_id = o.row_id
where v.action = 'history' and not v.latest and not o.again and o.content_hash <> v.content_hash
  and o.scope is not distinct from v.scope
  and o.source_time is not distinct from v.source_time and o.rank is not distinct from v.rank
group by v.record_key, v.receipt_id
"""

#: Earlier versions that only a part sent again said.
_WITHDRAW_HISTORY = f"""
update source.record_history h set withdrawn_at = now() from {{withdrawn}} w
where h.record_id = w.record_id and h.withdrawn_at is null and {same("h", "w")}
"""

#: Which parts say a version: those sent again say only what they brought
_DROP_SCOPES = f"""
delete from source.version_scope o using source.record r
where r.id = o.record_id and o.feed = :feed and o.scope = any(:scopes)
  and not exists (select from {{version}} v
                  where v.record_key = r.record_key and v.scope = o.scope and not v.again and {same("v", "o")})
  and not exists (select from {{record}} s join {{failed}} f using (row_id) where s.record_key = r.record_key)
  and not exists (select from {{reject}} x where x.record_key = r.record_key)
"""

#: and all that they brought.
_NOTE_SCOPES = """
insert into source.version_scope (record_id, source_time, rank, content_hash, feed, scope, receipt_id)
select distinct on (r.id, v.source_time, v.rank, v.content_hash, v.scope)
       r.id, v.source_time, v.rank, v.content_hash, :feed, v.scope, v.receipt_id
from {version} v join source.record r on r.feed = :feed and r.record_key = v.record_key
where v.scope is not null and not v.again
order by r.id, v.source_time, v.rank, v.content_hash, v.scope, v.receipt_id desc
on conflict on constraint version_scope_uq do update set receipt_id = excluded.receipt_id
"""


def write(
    connection: Connection,
    staged: Staged,
    mapping_version: int,
    last_receipt: int,
    *,
    remapped: bool = False,
    redriven: bool = False,
) -> dict[str, int]:
    """Write the batch; returns the counts ``new changed history unchanged tombstoned absent`` of it.

    ``last_receipt``: what was received up to it revives no record that this batch proves absent. What goes was found
    before (:mod:`store.deletions`, :func:`store.remap.vanished`). ``remapped``: the batch is what the archive holds,
    mapped anew: it stands for what was mapped before. ``redriven``: a person sends rows once more; a version that unify
    had set aside is taken up again.
    """
    run = Runner(connection, staged)
    run.values |= {"mapping_version": mapping_version, "code_version": code_version()}
    counts = dict.fromkeys(("new", "changed", "history", "unchanged", "tombstoned"), 0)
    if staged.counted is not None:
        counts |= staged.counted.actions
    else:
        if staged.loaded:
            initial.take_out_rejected(run, staged)
            run(initial.VERSIONS)
        else:
            _classify(run, staged, remapped, redriven)
        counts |= {
            row.action: row.rows
            for row in run("select action, count(*) as rows from {version} where not again group by action")
        }
    if staged.unchanged:
        counts["unchanged"] += run(
            "select count(*) from {unchanged} u where not exists (select from {version} v where v.row_id = u.row_id)"
        ).scalar_one()
    if staged.loaded:
        return counts | {"absent": 0}
    replaced = run("select exists (select from {version} where becomes and known)").scalar_one()
    if replaced:
        run(_TO_HISTORY)
        run(_FROM_HISTORY)
        run(_UPDATE)
        run(_BACK)
    run(_INSERT)
    if counts["history"]:
        run(_OLDER)
        run(_KEY_SHARED, code="key_shared")
    counts["absent"] = run(_GONE, last_receipt=last_receipt).rowcount
    if counts["absent"]:
        run(_ABSENCE)
    if replaced or counts["absent"]:
        for entity in tables.source_entity:
            _clear(run, entity)
    for entity in staged.entities:
        initial.fill(run, staged, entity, _STANDING_ROWS, "v.record_id")
    run(_DIRTY)
    if staged.scopes and not staged.spared:
        run(_WITHDRAW_HISTORY)
        run(_DROP_SCOPES, scopes=sorted(staged.scopes))
    if staged.scoped:
        run(_NOTE_SCOPES)
    return counts


#: Rows of records that are written anew, or are gone.
_CLEAR = """delete from {table} e using (
    select record_id from {{version}} where becomes and known
    union all select record_id from {{missing}}
) c where e.record_id = c.record_id"""


def _clear(run: Runner, entity: str) -> None:
    run(_CLEAR.format(table=tables.source_entity[entity].fullname))
