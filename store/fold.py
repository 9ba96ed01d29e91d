"""The fold: the golden row of each entity, each field from its authoritative source (一数一源).

``schemas/authority.yaml`` says which feed is believed for which field; rows of equal authority are ordered by version, then
by the source's time, then by key: a total order, so that the result does not depend on the order of arrival. Works on
temporary tables, made for one entity at a time: ``enrolling(record_id)``, ``touched(id)``, ``folded``.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas import authority as beliefs
from schemas import channels
from schemas import entities as model
from store import tables
from store.text import Box

#: Golden ids, in SQL over a source row ``s``, its record ``r`` and (cases) its node ``n``.
IDS = {
    "project": "coalesce((select project_id from store.project_alias a where a.alias = s.project_code), s.project_code)",
    "enterprise": "s.uscc",
    "engineering": "s.engineering_code",
    "item": "s.item_code || '|' || s.version",
    "national_task": "s.task_guid",
    "case": "n.case_id",
    "land_approval": "s.approval_no || '|' || coalesce(s.project_code, '')",
    "redline": "s.redline_code",
    "parcel": "s.parcel_code",
    "change_polygon": "s.polygon_code",
    "scene": "s.collection || '|' || s.scene_id",
    "site_reading": "s.project_code || '|' || s.device || '|' || s.kind || '|' || to_char(s.read_at, 'YYYYMMDDHH24MISSMS')",
    "licence": "l.id",
}
#: Entities whose rows are kept every one: the row's own place is its id.
KEPT = tables.OF_A_CASE
OF_CASES = ("case", *KEPT)


def record_of(row: str) -> str:
    """SQL of the record that a row of :data:`KEPT` is from: its id without its number, so that provenance need not say it again."""
    return f"coalesce({row}.provenance ->> '*', left({row}.id, -strpos(reverse({row}.id), '|')))"


#: Entities of whose changes others have to know.
FOLLOWED = ("project", "engineering", "case")
#: So many new rows at once, and nothing else, stand in the feed of changes by batches of :data:`BATCH` (store.change_batch).
MANY = 1_000
BATCH = 500
#: Numbers of the feed of changes, as the ranges in which none is missing: others may draw meanwhile.
_DRAW = """select min(seq), count(*)
from (select seq, seq - row_number() over (order by seq) as run
      from (select nextval('store.change_seq_seq') as seq from generate_series(1, :rows)) drawn) d
group by run order by 1"""
#: One drawing at a time: unify's transactions that are side by side would tear each other's batches.
_DRAWING = Lock()
#: A batch ends where a number is missing.
_CHANGE_BATCH = """
insert into store.change_batch (first, last, entity, ids, sources)
select d.first + min(n.place) - 1 - d.before, d.first + max(n.place) - 1 - d.before, :entity, array_agg(n.id order by n.place), n.sources
from (select id, sources, row_number() over (order by {order}) as place
      from (select id, {sources} as sources from folded f) f) n
join (select first, size, sum(size) over (order by first) - size as before
      from unnest(cast(:firsts as bigint[]), cast(:sizes as bigint[])) x (first, size)) d
     on n.place > d.before and n.place <= d.before + d.size
group by n.sources, d.first, d.before, (n.place - 1) / :size"""


def _tell_batches(connection: Connection, entity: str, sources: str, rows: int) -> None:
    """The rows of ``folded``, each new, into the feed of changes."""
    with _DRAWING:
        drawn = connection.execute(sa.text(_DRAW), {"rows": rows}).all()
    # an id of a row that is kept begins with its feed: rows of one source stand together either way
    order = 'id collate "C"' if entity in KEPT else "sources, id"
    connection.execute(
        sa.text(_CHANGE_BATCH.format(sources=sources, order=order)),
        {
            "entity": entity,
            "size": BATCH,
            "firsts": [first for first, _ in drawn],
            "sizes": [size for _, size in drawn],
        },
    )


def id_of(entity: str) -> str:
    """The golden id, in SQL over a source row ``s``: of an entity that the code does not know, its declared key, joined by ``|``."""
    if entity in IDS:
        return IDS[entity]
    columns = model.load(entity).columns
    return " || '|' || ".join(
        _TEXT.get(columns[name].type, "s.{}::text").format(_q(name)) for name in model.load(entity).key
    )


#: A key's value as text, the same whatever the session's settings.
_TEXT = {
    "text": "s.{}",
    "timestamp": """to_char(s.{}, 'YYYY-MM-DD"T"HH24:MI:SS')""",
    "date": "to_char(s.{}, 'YYYY-MM-DD')",
    "decimal": "trim_scale(s.{})::text",
}


def authority() -> dict[str, dict[str, Any]]:
    """``schemas/authority.yaml``: entity → feeds in order, and fields with an order of their own."""
    return {entity: belief.model_dump() for entity, belief in beliefs.load().items()}


def own_columns(entity: str) -> list[str]:
    """Columns of an entity as the sources have them, boxes included."""
    return [column.name for column in tables.entity_columns(entity)]


def golden_columns(entity: str) -> list[str]:
    """Content columns of the golden table: id, the entity's own, and what identity adds."""
    technical = {"provenance", "content_hash", "changed_at", "gone_at"}
    return [column.name for column in tables.golden[entity].columns if column.name not in technical]


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


#: Which golden row each row of the enrolled records speaks of; rows without a number, or that nothing founds, speak of none.
_COME = """create temp table come on commit drop as
select * from (
    select s.record_id, s.ord, s.feed, {id} as id
    from enrolling e join source.{entity} s using (record_id) {joins} where {founded}) rows
where id is not null"""


#: Members that a record no longer speaks of go; they and what comes are touched.
_LEFT_OR_COME = """with gone as (
    delete from store.member m using enrolling e
    where m.entity = :entity and m.record_id = e.record_id
      and not exists (select from come c where (c.record_id, c.ord, c.id) = (m.record_id, m.ord, m.id))
    returning m.id)
insert into touched select id from gone union select id from come"""


#: The same where there are no members yet.
_COME_FIRST = "insert into touched select distinct id from come"


#: Rows of ``come`` that are no members yet, by their records, as the index goes.
_ENROLL = """insert into store.member (entity, record_id, ord, id)
select :entity, record_id, ord, id from come c {unless} order by record_id"""
_ENROLLED = """where not exists (select from store.member m
                  where m.entity = :entity and m.record_id = c.record_id and m.ord = c.ord)"""


def enroll(connection: Connection, entity: str, rows: str, *, empty: bool = False) -> bool:
    """Say anew which golden row each source row speaks of; the old and the new ones are ``touched(id)``. False: none is.

    ``rows``: a query of ``record_id``; ``empty``: there is no golden row of the entity, so that no record is a member.
    """
    joins = ""
    if entity == "case":
        joins = "join store.case_member n on n.channel = s.channel and n.case_no = s.case_no"
    if entity == "licence":
        joins = "join licence_id l on l.record_id = s.record_id and l.ord = s.ord"
    connection.exec_driver_sql(
        f"create temp table enrolling on commit drop as select distinct record_id from ({rows}) asked"
    )
    connection.exec_driver_sql("analyze enrolling")
    connection.exec_driver_sql(_COME.format(id=id_of(entity), entity=_q(entity), joins=joins, founded=_founded(entity)))
    connection.exec_driver_sql("analyze come")
    connection.exec_driver_sql("create temp table touched (id text not null) on commit drop")
    connection.execute(sa.text(_COME_FIRST if empty else _LEFT_OR_COME), {"entity": entity})
    connection.execute(sa.text(_ENROLL.format(unless="" if empty else _ENROLLED)), {"entity": entity})
    connection.exec_driver_sql("analyze touched")
    return connection.exec_driver_sql("select exists (select from touched)").scalar_one()


def forget(connection: Connection) -> None:
    """Drop what was made for one entity."""
    connection.exec_driver_sql("drop table if exists enrolling, come, touched, folded")


def _founders(entity: str) -> str:
    return _list(tuple(authority().get(entity, {}).get("founders", ())))


def quoting(entity: str) -> str:
    """Rows of records that only quote what a founder among ``taken`` says, or said: a code that cannot be one stands once
    a founder says it. A query of ``record_id``."""
    return f"""select s.record_id from source.{_q(entity)} s where s.project_code in (
                   select f.project_code from source.{_q(entity)} f join taken using (record_id) where f.feed in ({_founders(entity)})
                   union select m.id from taken join store.member m on m.entity = '{entity}' and m.record_id = taken.record_id)"""


def _founded(entity: str) -> str:
    """A row that only quotes a project (``founders`` of authority.yaml) makes none of a code that cannot be one."""
    if not (feeds := _founders(entity)):
        return "true"
    return (
        f"(s.feed in ({feeds}) or store.project_code_valid(s.project_code) or store.project_code_old(s.project_code)"
        f" or exists (select from source.project f where f.project_code = s.project_code and f.feed in ({feeds}))"
        f" or exists (select from store.project_alias a where a.alias = s.project_code))"
    )


def standing(entity: str, beside: str = "") -> str:
    """A query of the golden candidates of everything touched: id, own columns, provenance.

    ``beside``: of an entity of several sources what else is to be gathered from its rows, as aggregates.
    """
    declared = authority().get(entity)
    return _merged(entity, declared, beside) if declared else _single(entity)


def _single(entity: str) -> str:
    """One source: the latest row of each id, whole."""
    columns = ", ".join(f"s.{_q(name)}" for name in own_columns(entity))
    return f"""select distinct on (m.id) m.id, {columns}, jsonb_build_object('*', r.feed || '|' || r.record_key) as provenance
        from touched t
        join store.member m on m.entity = '{entity}' and m.id = t.id
        join source.{_q(entity)} s on s.record_id = m.record_id and s.ord = m.ord
        join source.record r on r.id = s.record_id
        order by m.id, r.source_time desc nulls last, r.rank desc nulls last, r.feed, r.record_key, s.ord"""


#: Records to publish again, and the golden rows that they had.
_KEPT_TOUCHED = """create temp table enrolling on commit drop as
select record_id, bool_and(fresh) as fresh from due group by record_id;
create temp table touched on commit drop as
select r.feed || '|' || r.record_key || '|0' as id
from enrolling e join source.record r on r.id = e.record_id where not e.fresh
union all
select m.id from enrolling e join store.member m on m.entity = '{entity}' and m.record_id = e.record_id
where not e.fresh;
analyze enrolling; analyze touched"""


#: Each row of the records with the case of its number; its id is its own place.
_KEPT_ROWS = """select r.feed || '|' || r.record_key || '|' || s.ord as id, {columns}, n.case_id,
       cast('{{}}' as jsonb) as provenance, s.record_id, s.ord, s.feed
from enrolling e
join source.{source} s using (record_id)
join source.record r on r.id = s.record_id
join store.case_member n on n.channel = s.channel and n.case_no = s.case_no"""


#: Entries of the member table for rows that are not their record's first: gone ones out, new ones in.
_KEPT_MEMBERS = """delete from store.member m using enrolling e
where m.entity = '{entity}' and m.record_id = e.record_id and not e.fresh
  and not exists (select from folded f where f.id = m.id);
insert into store.member (entity, record_id, ord, id)
select '{entity}', record_id, ord, id from folded f
where ord > 0 and not exists (select from store.member m where m.entity = '{entity}' and m.record_id = f.record_id
                              and m.ord = f.ord)"""


def keep(connection: Connection, entity: str, *, empty: bool = False) -> dict[str, int]:
    """Publish the rows of ``due(record_id, fresh)`` of an entity that keeps every one: each hangs on the case of its number.

    The id of such a row is its own place, so ``store.member`` has only those that are not a record's first.
    """
    columns = ", ".join(f"s.{_q(name)}" for name in own_columns(entity))
    connection.exec_driver_sql(_KEPT_TOUCHED.format(entity=entity))
    counts = publish(
        connection,
        entity,
        _KEPT_ROWS.format(columns=columns, source=_q(entity)),
        empty=empty,
    )
    connection.exec_driver_sql(_KEPT_MEMBERS.format(entity=entity))
    return counts


def _merged(entity: str, declared: dict[str, Any], beside: str) -> str:
    """Several sources: each column from the first row that has a value, in the column's order of feeds.

    Provenance names under ``*`` the record that most columns are from, and beside it only the columns of other records.
    A row that a single record speaks of is that record's, without being ordered or gathered.
    """
    orders: dict[tuple[str, ...], str] = {tuple(declared["feeds"]): "at_0"}
    place = {}
    names = own_columns(entity)
    for name in names:
        feeds = (declared.get("fields") or {}).get(name.removesuffix("_box"))
        order = tuple(dict.fromkeys([*feeds, *declared["feeds"]])) if feeds else tuple(declared["feeds"])
        place[name] = orders.setdefault(order, f"at_{len(orders)}")
    version = "s.version desc nulls last, " if "version" in names else ""
    positions = ", ".join(
        f"row_number() over (partition by m.id order by {_place(feeds, 'channel' in names)}, {version}"
        f"r.source_time desc nulls last, r.feed, r.record_key, s.ord) as {alias}"
        for feeds, alias in orders.items()
    )

    times = {column.name for column in tables.entity_columns(entity) if isinstance(column.type, sa.Date | sa.DateTime)}

    def first(name: str) -> str:
        """Which of a row's records, in the order of ``at_0``, has the column's value: found by one number, so that nothing is sorted."""
        number = f"({place[name]} << 31 | at_0)" if place[name] != "at_0" else "at_0"
        if name in times:
            number = f"({_unlikely(name)}::int::bigint << 62 | {number})"
        least = f"min({number}) filter (where {_q(name)} is not null)"
        return f"({least} & {2**31 - 1})::int" if number != "at_0" else f"({least})::int"

    def value(name: str) -> str:
        """The value itself: in the order of ``at_0`` alone the first that is not null, which any_value takes and keeps."""
        if place[name] == "at_0" and name not in times:
            return f"any_value({_q(name)} order by at_0)"
        return f"(array_agg({_q(name)} order by at_0))[{first(name)}]"

    values = ", ".join(f"{value(name)} as {_q(name)}" for name in names)
    told = [name for name in names if not name.endswith("_box")]
    records = ", ".join(f"(array_agg(_ref order by at_0))[{first(name)}]" for name in told)
    others = ", ".join(f"nullif(_refs[{at}], _most)" for at in range(1, len(told) + 1))
    columns = ", ".join(f"s.{_q(name)}" for name in names)
    listed = ", ".join(_q(name) for name in names)
    rows = f"""join store.member m on m.entity = '{entity}' and m.id = t.id
              join source.{_q(entity)} s on s.record_id = m.record_id and s.ord = m.ord
              join source.record r on r.id = s.record_id"""
    besides = "".join(f"{name}, " for name in re.findall(r" as (\w+),", beside))
    gathered = f"""select id, {listed}, {besides}
            jsonb_strip_nulls(jsonb_object(array['*', {_list(tuple(told))}], array[_most, {others}])) as provenance
        from (select _id as id, {values}, {beside} array[{records}] as _refs
              from (select m.id as _id, r.feed || '|' || r.record_key as _ref, {columns}, {positions}
                    from {"touched" if beside else "several"} t
                    {rows}
                    order by m.id, at_0) rows
              group by _id) g
        left join lateral (select ref as _most from unnest(_refs) ref where ref is not null
                           group by ref order by count(*) desc, ref collate "C" limit 1) most on true"""
    if beside:
        return gathered
    return f"""with told_by as materialized (
            select t.id, count(*) as records from touched t join store.member m on m.entity = '{entity}' and m.id = t.id group by t.id),
        several as (select id from told_by where records > 1)
        {gathered}
        union all
        select m.id, {columns}, jsonb_build_object('*', r.feed || '|' || r.record_key)
        from (select id from told_by where records = 1) t
        {rows}"""


def _unlikely(name: str) -> str:
    """SQL that holds for a time that stands for none: 1900-01-01, 1970-01-01 (Unix 0), 9999-12-31, whatever lies beyond them.

    Such a time counts only where no source has another: no order of belief makes it truer than a date.
    """
    return f"({_q(name)} not between '1949-10-01' and '2199-12-31' or {_q(name)}::date = '1970-01-01')"


def _place(feeds: tuple[str, ...], has_channel: bool) -> str:
    """Where a row's feed stands in an order of feeds. One that is not named comes behind the named feeds of the channels that
    rank before its own or are its own, so that a new department goes before the national copies; of no such, it comes last."""
    named = f"2 * array_position(array[{_list(feeds)}], r.feed)"
    listed, of_feed = channels.load(), channels.by_feed(feeds)
    behind = {
        code: max(
            (n for n, feed in enumerate(feeds, 1) if feed in of_feed and listed[of_feed[feed]].rank <= own.rank),
            default=0,
        )
        for code, own in listed.items()
    }
    if not has_channel or not any(behind.values()):
        return f"coalesce({named}, 9999)"
    places = " ".join(f"when '{code}' then {2 * at + 1}" for code, at in behind.items() if at)
    return f"coalesce({named}, case s.channel {places} end, 9999)"


def _list(feeds: tuple[str, ...]) -> str:
    return ", ".join(f"'{feed}'" for feed in feeds)


def digest(entity: str, row: str = "f") -> str:
    """SQL of eight bytes by which a golden row's content is compared with what it was, and with nothing else.

    PostgreSQL's own hash of a record: a tenth of the time of SHA-256 over its text. A box follows from its geometry.
    """
    kinds = {column.name: column.type for column in tables.golden[entity].columns}
    columns = ", ".join(
        f"{row}.{_q(name)}" for name in sorted(golden_columns(entity)) if not isinstance(kinds[name], Box)
    )
    return f"int8send(hash_record_extended(row({columns}), 0))"


#: Candidates that differ from the golden rows, with what changed and what it was before, and golden rows that none speaks of any more.
_CHANGING = """create temp table changing on commit drop as
select f.id, g.id is null as new,
       case when g.id is null or g.gone_at is not null then 'ADD'
                  when g.content_hash <> f.content_hash then 'MOD' end as op,
       case when g.id is not null and g.gone_at is null then coalesce(d.columns, array['provenance']) end as columns,
       d.before || jsonb_build_object('changed_at', g.changed_at) as before
from folded f left join {table} g on g.id = f.id
left join lateral (  -- what is written over: by it the past can be looked back to
    select array_agg(was.key order by was.key) filter (where was.key not in ('provenance', 'content_hash')) as columns,
           jsonb_object_agg(was.key, was.value) as before
    from (select to_jsonb(g) as old, to_jsonb(f) as new where g.id is not null offset 0) both_
    cross join jsonb_each(old - array['changed_at', 'gone_at']) was
    where was.value is distinct from new -> was.key) d on true
where g.id is null or g.gone_at is not null or g.content_hash <> f.content_hash or g.provenance <> f.provenance
union all
select g.id, false, 'DEL', null, null from {table} g
where g.id in (select id from touched) and g.gone_at is null and not exists (select from folded f where f.id = g.id)"""


#: The same where there are no golden rows yet.
_ALL_NEW = """create temp table changing on commit drop as
select id, true as new, 'ADD' as op, cast(null as text[]) as columns, cast(null as jsonb) as before from folded"""


def publish(
    connection: Connection,
    entity: str,
    candidates: str,
    parameters: dict[str, Any] | None = None,
    *,
    empty: bool = False,
) -> dict[str, int]:
    """``candidates`` (a query: id, content, provenance) → the golden table and the feed of changes; counts by ADD, MOD, DEL.

    Only rows whose content changed are written; an id of ``touched`` that nothing speaks of any more is marked gone. The
    changed ids are left in ``changed(entity, id)`` where others depend on them, the candidates in ``folded``.
    ``empty``: the golden table has none of them, which need not be asked.
    """
    table = f"store.{_q(entity)}"
    names = golden_columns(entity)
    listed = ", ".join(_q(name) for name in names)
    told = connection.execute(
        sa.text(
            f"""create temp table folded on commit drop as
                select f.*, {digest(entity)} as content_hash
                from ({candidates} offset 0) f"""
        ),
        parameters or {},
    ).rowcount
    if empty:
        connection.exec_driver_sql(_ALL_NEW)
        written, all_new = ({"ADD": told} if told else {}), True
    else:
        connection.exec_driver_sql("analyze folded (id)")
        connection.exec_driver_sql(_CHANGING.format(table=table))
        written = dict(
            connection.exec_driver_sql("select coalesce(op, ''), count(*) from changing group by op").fetchall()
        )
        new = connection.exec_driver_sql("select count(*) from changing where new").scalar_one()
        all_new = written == {"ADD": told} and told == new
    if not written:
        connection.exec_driver_sql("drop table changing")
        return {}
    if not all_new:
        connection.exec_driver_sql("analyze changing (id, op)")
    updates = ", ".join(f"{_q(name)} = excluded.{_q(name)}" for name in names if name != "id")
    among = (
        " order by id"  # an index that grows at its end is filled, and found in the cache
        if all_new  # nothing to find again, nothing to be in conflict with
        else f"""join changing using (id)
            on conflict (id) do update set {updates}, provenance = excluded.provenance, content_hash = excluded.content_hash,
                changed_at = case when g.content_hash = excluded.content_hash and g.gone_at is null then g.changed_at else now() end,
                gone_at = null"""
    )
    connection.exec_driver_sql(
        f"""insert into {table} as g ({listed}, provenance, content_hash)
            select {listed}, provenance, content_hash from folded {among}"""
    )
    if "DEL" in written:
        connection.exec_driver_sql(
            f"update {table} g set gone_at = now(), changed_at = now() from changing c where c.op = 'DEL' and g.id = c.id"
        )
    sources = (
        "array[split_part(f.id, '|', 1)]"
        if entity in KEPT
        else "array(select distinct split_part(v, '|', 1) from jsonb_each_text(f.provenance) p(k, v) order by 1)"
        if entity in authority()
        else "array[split_part(f.provenance ->> '*', '|', 1)]"
    )
    if all_new and told >= MANY:
        _tell_batches(connection, entity, sources, told)
    else:
        connection.execute(
            sa.text(
                f"""insert into store.change (entity, entity_id, op, columns, sources, before)
                select :entity, id, coalesce(op, 'MOD'), columns, case when f.id is not null then {sources} end, before
                from changing left join folded f using (id) order by id"""
            ),
            {"entity": entity},
        )
    if entity in FOLLOWED:
        connection.execute(
            sa.text("insert into changed (entity, id) select :entity, id from changing where op is not null"),
            {"entity": entity},
        )
    connection.exec_driver_sql("drop table changing")
    written.pop("", None)
    return written
