"""The fold: the golden row of each entity, each field from its authoritative source (一数一源).

``schemas/authority.yaml`` says which feed is believed for which field; rows of equal authority are ordered by version, then
by the source's time, then by key: a total order, so that the result does not depend on the order of arrival. Works on
temporary tables of :mod:`store.unify`: ``taken(record_id)`` and ``touched(entity, id)``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from ruamel.yaml import YAML
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection

from core import settings
from schemas import channels
from store import tables

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
KEPT = ("case_event", "special_procedure", "material")
OF_CASES = ("case", *KEPT)


@cache
def authority() -> dict[str, dict[str, Any]]:
    """``schemas/authority.yaml``: entity → feeds in order, and fields with an order of their own."""
    return YAML(typ="safe").load(settings.ROOT / "schemas" / "authority.yaml")


def own_columns(entity: str) -> list[str]:
    """Columns of an entity as the sources have them, boxes included."""
    return [column.name for column in tables.entity_columns(entity)]


def golden_columns(entity: str) -> list[str]:
    """Content columns of the golden table: id, the entity's own, and what identity adds."""
    technical = {"provenance", "content_hash", "changed_at", "gone_at"}
    return [column.name for column in tables.golden[entity].columns if column.name not in technical]


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def enroll(connection: Connection, entity: str) -> None:
    """Say anew which golden row each changed source row speaks of; both the old and the new one are ``touched``."""
    rows = "select record_id from taken"
    joins = ""
    if entity in OF_CASES:
        joins = "join store.case_member n on n.channel = s.channel and n.case_no = s.case_no"
        rows += f" union select s.record_id from source.{_q(entity)} s join moved using (channel, case_no)"
    if entity == "project":
        # a code that cannot be one stands once a founder says it: rows that quote it are looked at again
        rows += f""" union select s.record_id from source.project s where s.project_code in (
                        select f.project_code from source.project f join taken using (record_id) where f.feed in ({_founders(entity)})
                        union select m.id from taken join store.member m on m.entity = 'project' and m.record_id = taken.record_id)"""
    if entity == "licence":
        joins = "join licence_id l on l.record_id = s.record_id and l.ord = s.ord"
        rows = "select record_id from licence_id union select record_id from taken"
    id_ = "r.feed || '|' || r.record_key || '|' || s.ord" if entity in KEPT else IDS[entity]
    keep = _founded(entity)
    connection.exec_driver_sql(f"create temp table enrolling on commit drop as {rows}")
    connection.exec_driver_sql("create index on enrolling (record_id)")
    connection.exec_driver_sql("analyze enrolling")
    connection.execute(
        sa.text(
            f"""with gone as (
                    delete from store.member m using enrolling e
                    where m.entity = :entity and m.record_id = e.record_id returning m.id),
                come as (
                    select s.record_id, s.ord, {id_} as id
                    from enrolling e join source.{_q(entity)} s using (record_id)
                    join source.record r on r.id = s.record_id {joins} where {keep}),
                said as (insert into touched (entity, id)
                    select :entity, id from gone union select :entity, id from come where id is not null
                    on conflict do nothing)
                select 1"""
        ),
        {"entity": entity},
    )
    connection.execute(
        sa.text(
            f"""insert into store.member (entity, record_id, ord, id)
                select :entity, record_id, ord, id from (
                    select s.record_id, s.ord, {id_} as id
                    from enrolling e join source.{_q(entity)} s using (record_id)
                    join source.record r on r.id = s.record_id {joins} where {keep}) come
                where id is not null"""
        ),
        {"entity": entity},
    )
    connection.exec_driver_sql("drop table enrolling")


def _founders(entity: str) -> str:
    return _list(tuple(authority().get(entity, {}).get("founders", ())))


def _founded(entity: str) -> str:
    """A row that only quotes a project (``founders`` of authority.yaml) makes none of a code that cannot be one."""
    if not (feeds := _founders(entity)):
        return "true"
    return (
        f"(r.feed in ({feeds}) or store.project_code_valid(s.project_code) or store.project_code_old(s.project_code)"
        f" or exists (select from source.project f where f.project_code = s.project_code and f.feed in ({feeds}))"
        f" or exists (select from store.project_alias a where a.alias = s.project_code))"
    )


def fold(connection: Connection, entity: str) -> None:
    """The golden candidates of everything touched, as the temporary table ``folded``: id, own columns, provenance."""
    declared = authority().get(entity)
    connection.execute(sa.text(_merged(entity, declared) if declared else _single(entity)), {"entity": entity})
    for column in tables.golden[entity].columns:
        if column.name not in {"id", "provenance", *own_columns(entity), "content_hash", "changed_at", "gone_at"}:
            kind = column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
            connection.exec_driver_sql(f"alter table folded add column {_q(column.name)} {kind}")
    connection.exec_driver_sql("create index on folded (id)")
    connection.exec_driver_sql("analyze folded")


def _single(entity: str) -> str:
    """One source: the latest row of each id, whole."""
    columns = ", ".join(f"s.{_q(name)}" for name in own_columns(entity))
    return f"""create temp table folded on commit drop as
        select distinct on (m.id) m.id, {columns},
               jsonb_build_object('*', r.feed || '|' || r.record_key) as provenance
        from touched t
        join store.member m on m.entity = t.entity and m.id = t.id
        join source.{_q(entity)} s on s.record_id = m.record_id and s.ord = m.ord
        join source.record r on r.id = s.record_id
        where t.entity = :entity
        order by m.id, r.source_time desc nulls last, r.rank desc nulls last, r.feed, r.record_key, s.ord"""


def _merged(entity: str, declared: dict[str, Any]) -> str:
    """Several sources: each column from the first row that has a value, in the column's order of feeds."""
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

    def first(what: str, name: str) -> str:
        return f"(array_agg({what} order by {place[name]}) filter (where {_q(name)} is not null))[1]"

    values = ", ".join(f"{first(_q(name), name)} as {_q(name)}" for name in names)
    sources = ", ".join(f"'{name}', {first('_ref', name)}" for name in names if not name.endswith("_box"))
    columns = ", ".join(f"s.{_q(name)}" for name in names)
    return f"""create temp table folded on commit drop as
        select _id as id, {values}, jsonb_strip_nulls(jsonb_build_object({sources})) as provenance
        from (select m.id as _id, r.feed || '|' || r.record_key as _ref, {columns}, {positions}
              from touched t
              join store.member m on m.entity = t.entity and m.id = t.id
              join source.{_q(entity)} s on s.record_id = m.record_id and s.ord = m.ord
              join source.record r on r.id = s.record_id
              where t.entity = :entity
              order by m.id, at_0) rows
        group by _id"""


def _place(feeds: tuple[str, ...], has_channel: bool) -> str:
    """Where a row's feed stands in an order of feeds. One that is not named comes behind the named feeds of the channels that
    rank before its own or are its own, so that a new department goes before the national copies; of no such, it comes last."""
    named = f"array_position(array[{_list(feeds)}], r.feed)::numeric"
    listed, of_feed = channels.load(), channels.by_feed(feeds)
    behind = {
        code: max(
            (n for n, feed in enumerate(feeds, 1) if feed in of_feed and listed[of_feed[feed]].rank <= own.rank),
            default=0,
        )
        for code, own in listed.items()
    }
    if not has_channel or not any(behind.values()):
        return f"coalesce({named}, 999)"
    places = " ".join(f"when '{code}' then {at}.5" for code, at in behind.items() if at)
    return f"coalesce({named}, case s.channel {places} end, 999)"


def _list(feeds: tuple[str, ...]) -> str:
    return ", ".join(f"'{feed}'" for feed in feeds)


def publish(connection: Connection, entity: str) -> dict[str, int]:
    """``folded`` → the golden table and the feed of changes; counts by ADD, MOD, DEL. Drops ``folded``.

    Only rows whose content changed are written; an id that nothing speaks of any more is marked gone. The changed ids
    are left in ``changed(entity, id, op)``.
    """
    table = f"store.{_q(entity)}"
    content = golden_columns(entity)
    listed = ", ".join(_q(name) for name in content)
    connection.exec_driver_sql(
        """alter table folded add column content_hash bytea;
            update folded f set content_hash = sha256(convert_to((to_jsonb(f) - 'provenance' - 'content_hash')::text, 'UTF8'))"""
    )
    connection.execute(
        sa.text(
            f"""create temp table changing on commit drop as
                select :entity as entity, coalesce(f.id, g.id) as id,
                       case when f.id is null then 'DEL' when g.id is null or g.gone_at is not null then 'ADD' else 'MOD' end as op,
                       case when f.id is not null and g.gone_at is null and g.id is not null then array(
                           select n.key from jsonb_each(to_jsonb(f) - 'provenance' - 'content_hash') n
                           where n.value is distinct from to_jsonb(g) -> n.key order by 1) end as columns,
                       case when f.id is not null then array(
                           select distinct split_part(v, '|', 1) from jsonb_each_text(f.provenance) p(k, v) order by 1) end as sources
                from touched t
                left join folded f on f.id = t.id
                left join {table} g on g.id = t.id
                where t.entity = :entity
                  and case when f.id is null then g.id is not null and g.gone_at is null
                           else g.id is null or g.gone_at is not null or g.content_hash <> f.content_hash end"""
        ),
        {"entity": entity},
    )
    updates = ", ".join(f"{_q(name)} = excluded.{_q(name)}" for name in content if name != "id")
    connection.exec_driver_sql(
        f"""insert into {table} as g ({listed}, provenance, content_hash, changed_at, gone_at)
            select {listed}, provenance, content_hash, now(), null from folded
            on conflict (id) do update set {updates}, provenance = excluded.provenance, content_hash = excluded.content_hash,
                changed_at = case when g.content_hash = excluded.content_hash and g.gone_at is null then g.changed_at else now() end,
                gone_at = null
            where g.content_hash <> excluded.content_hash or g.gone_at is not null or g.provenance <> excluded.provenance"""
    )
    connection.exec_driver_sql(
        f"update {table} g set gone_at = now(), changed_at = now() from changing c where c.op = 'DEL' and g.id = c.id"
    )
    connection.exec_driver_sql(
        """insert into store.change (entity, entity_id, op, columns, sources)
           select entity, id, op, columns, sources from changing order by id"""
    )
    connection.exec_driver_sql("insert into changed (entity, id, op) select entity, id, op from changing")
    counts: dict[str, int] = dict(
        connection.exec_driver_sql("select op, count(*) from changing group by op").fetchall()
    )
    connection.exec_driver_sql("drop table changing, folded")
    return counts
