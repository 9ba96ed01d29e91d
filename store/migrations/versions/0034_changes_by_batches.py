"""Rows that a load adds many at a time stand in the feed of changes by batches; a row's first change is in no index by its id.

A batch of five hundred takes a tenth of what as many rows and their index entries did. The view ``store.changes`` shows both.
"""

from pathlib import Path
from typing import Any

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_OLDEST = "(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text)::bigint"
_BATCHES = """
create table store.change_batch (
    first bigint not null,
    last bigint not null,
    entity text not null,
    ids text[] not null,
    sources text[],
    at timestamptz not null default now(),
    xid bigint not null default (pg_current_xact_id()::text)::bigint,
    constraint change_batch_pk primary key (last));
create index change_batch_xid_first_ix on store.change_batch (xid, first);
comment on table store.change_batch is
    '变更流批量新增 | rows that a load added many at a time: the view changes shows each as an ADD';
comment on column store.change_batch.first is '首序号 | number of its first change, as in change';
comment on column store.change_batch.last is '末序号 | number of its last; none is missing between';
comment on column store.change_batch.entity is '实体 | entity';
comment on column store.change_batch.ids is '编号 | ids of the golden rows, by number';
comment on column store.change_batch.sources is '来源 | feeds that each of them came from';
comment on column store.change_batch.at is '时间 | when';
comment on column store.change_batch.xid is '事务号 | as in change';

create view store.changes as
select c.seq, c.entity, c.entity_id, c.op, c.columns, c.sources, c.at, c.xid, c.before, c.after, null::bigint as batch
from store.change c
union all
select b.first + i.place - 1, b.entity, i.id, 'ADD', null, b.sources, b.at, b.xid, null, null, b.first
from store.change_batch b cross join lateral unnest(b.ids) with ordinality i(id, place);
comment on view store.changes is '变更流全部 | every change: those of change, and each of those of change_batch';

create function store.changes_between(since bigint, until bigint) returns table (seq bigint, entity text, entity_id text)
    language sql stable as $$
    select c.seq, c.entity, c.entity_id from store.change c where c.seq > since and (until is null or c.seq <= until)
    union all
    select x.seq, x.entity, x.id
    from (select b.first + i.place - 1 as seq, b.entity, i.id
          from store.change_batch b cross join lateral unnest(b.ids) with ordinality i(id, place)
          where b.last > since and (until is null or b.first <= until)) x
    where x.seq > since and (until is null or x.seq <= until)
$$;
comment on function store.changes_between(bigint, bigint) is
    '两个序号之间的变更 | changes after a number, up to another or to the last (null)';
create function store.last_change() returns bigint language sql stable as $$
    select coalesce(greatest((select max(c.seq) from store.change c), (select max(b.last) from store.change_batch b)), 0)
$$;
comment on function store.last_change() is '变更流末号 | the greatest number of a change; 0: there is none';

drop index store.change_entity_id_ix;
create index change_entity_id_ix on store.change using hash (entity_id)
    where op <> 'ADD' or before is not null;
"""
_FEED = f"""
create or replace function serving.feed_until(after_xid bigint, after_seq bigint, ahead integer, out xid bigint, out seq bigint, out last boolean)
    language sql stable security definer set search_path = '' as
$$
    with looked as (
        (select c.xid, c.seq from store.change c
         where (c.xid, c.seq) > (after_xid, after_seq) and c.xid < {_OLDEST}
         order by c.xid, c.seq limit ahead)
        union all
        select b.xid, s.seq
        from (select b.xid, b.first, b.last, sum(b.last - b.first + 1) over (order by b.xid, b.first) - (b.last - b.first + 1) as before
              from store.change_batch b
              where (b.xid, b.last) > (after_xid, after_seq) and b.xid < {_OLDEST}) b
        cross join lateral pg_catalog.generate_series(b.first, b.last) s(seq)
        where b.before < ahead + 500 and (b.xid, s.seq) > (after_xid, after_seq)),  -- the first may be read in part
    placed as (select l.xid, l.seq from looked l order by l.xid, l.seq limit ahead)
    select coalesce((select p.xid from placed p order by p.xid desc, p.seq desc limit 1), after_xid),
           coalesce((select p.seq from placed p order by p.xid desc, p.seq desc limit 1), after_seq),
           (select count(*) from placed) < ahead
$$;
create or replace function serving.feed_end(out xid bigint, out seq bigint) language sql stable security definer set search_path = '' as
$$
    with ends as (
        (select c.xid, c.seq from store.change c where c.xid < {_OLDEST} order by c.xid desc, c.seq desc limit 1)
        union all
        (select b.xid, b.last from store.change_batch b where b.xid < {_OLDEST} order by b.xid desc, b.first desc limit 1)),
    latest as (select e.xid, e.seq from ends e order by e.xid desc, e.seq desc limit 1)
    select coalesce(max(l.xid), -1), coalesce(max(l.seq), -1) from latest l
$$;
"""
_FEED_BEFORE = f"""
create or replace function serving.feed_until(after_xid bigint, after_seq bigint, ahead integer, out xid bigint, out seq bigint, out last boolean)
    language sql stable security definer set search_path = '' as
$$
    with looked as (
        select c.xid, c.seq from store.change c
        where (c.xid, c.seq) > (after_xid, after_seq) and c.xid < {_OLDEST}
        order by c.xid, c.seq limit ahead)
    select coalesce((select l.xid from looked l order by l.xid desc, l.seq desc limit 1), after_xid),
           coalesce((select l.seq from looked l order by l.xid desc, l.seq desc limit 1), after_seq),
           (select count(*) from looked) < ahead
$$;
create or replace function serving.feed_end(out xid bigint, out seq bigint) language sql stable security definer set search_path = '' as
$$
    select coalesce(max(l.xid), -1), coalesce(max(l.seq), -1)
    from (select c.xid, c.seq from store.change c where c.xid < {_OLDEST} order by c.xid desc, c.seq desc limit 1) l
$$;
"""
#: In ``serving.change_after``: the first change of a row is never the later of two.
_LATER = "and (c.xid, c.seq) > (of_xid, of_seq)"
_INDEXED = " and (c.op <> 'ADD' or c.before is not null)"
_READERS = {"onemap": ("onemap_reader", "onemap_scoped", "onemap_api"), "asked": ("onemap_api",)}


def _views(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _after(connection: Any, old: str, new: str) -> None:
    (text,) = connection.execute("select pg_get_functiondef('serving.change_after'::regproc)").fetchone()
    connection.execute(text.replace(old, new))


def upgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    connection.execute(_BATCHES)
    connection.execute(_FEED)
    _after(connection, _LATER, _LATER + _INDEXED)
    connection.execute(_views("0034_views.sql").replace("create view", "create or replace view"))


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    said = [
        (schema, *row)
        for schema in _READERS
        for row in connection.execute(
            """select attname, col_description(attrelid, attnum) from pg_attribute
               where attrelid = %s::regclass and attnum > 0 and attname <> 'batch'
               union all select null, obj_description(%s::regclass)""",
            (f"{schema}.change", f"{schema}.change"),
        ).fetchall()
    ]
    # those of the past are made again by the version that comes
    connection.execute("drop view if exists past.change, on_day.change; drop view onemap.change, asked.change")
    connection.execute(_views("0031_views.sql"))
    for schema, column, comment in said:
        what = f"column {schema}.change.{column}" if column else f"view {schema}.change"
        text = comment.replace("'", "''")
        connection.execute(f"comment on {what} is '{text}'")
    for schema, readers in _READERS.items():
        for role in readers:
            if connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone():
                connection.execute(f"grant select on {schema}.change to {role}")
    _after(connection, _LATER + _INDEXED, _LATER)
    connection.execute(_FEED_BEFORE)
    connection.execute(
        """insert into store.change (seq, entity, entity_id, op, sources, at, xid) overriding system value
           select seq, entity, entity_id, op, sources, at, xid from store.changes where batch is not null;
           drop function store.changes_between, store.last_change;
           drop view store.changes;
           drop table store.change_batch;
           drop index store.change_entity_id_ix;
           create index change_entity_id_ix on store.change using hash (entity_id)"""
    )
