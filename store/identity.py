"""The identity step: which numbers of which systems are one case, and what a code means.

Keys first (docs/architecture.md, "Golden case"); a judgement of a person (:mod:`store.judgement`) overrules them. Everything is set-based and works on temporary tables that :mod:`store.unify` sets up:
``taken(record_id)`` the changed records, ``moved(channel, case_no)`` the nodes whose case became another.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas import channels
from store import issues

#: From so many changed nodes on, if they are a good part of all, the whole graph is judged anew: cheaper than looking for
#: neighbours.
WHOLE = 5_000
#: So many different applicants under one number, or holders of documents of one number, are strangers: it says nothing.
STRANGERS = 4


#: What each code and alias means, by day, from the versions of the catalogue.
_WANTED_CODES = """
create temp table wanted_code on commit drop as
    with version as (
        select i.id, i.item_code, i.version, coalesce(i.valid_from, '-infinity') as since,
               coalesce(i.valid_to + 1, 'infinity') as until
        from store.item i where i.gone_at is null),
    -- between two days on which a version of the item begins or has ended, one version holds, or none
    span as (
        select item_code, at, lead(at) over (partition by item_code order by at) as next_at
        from (select item_code, since as at from version union select item_code, until from version) edge),
    holds as (
        select distinct on (s.item_code, s.at) v.id, s.at, s.next_at
        from span s join version v on v.item_code = s.item_code and v.since <= s.at and s.at < v.until
        where s.next_at is not null
        order by s.item_code, s.at, v.since desc, v.version desc)
    select code, item_code, at as valid_from, max(next_at) as valid_to
    from (select i.item_code, unnest(array[i.item_code, i.catalog_code, i.task_code, i.certificate_type_code]
                 || coalesce(array(select jsonb_array_elements_text(i.aliases)), '{}')) as code, h.at, h.next_at
          from holds h join store.item i using (id)) named
    where octet_length(code) <= 600  -- no code is longer, nor would the key of store.item_code take it
    group by code, item_code, at"""
#: Meanings that the catalogue has no more; their codes are told in changed_code.
_DROP_CODES = """
with gone as (
        delete from store.item_code c
        where not exists (select from wanted_code w
                          where (w.code, w.item_code, w.valid_from, w.valid_to)
                              = (c.code, c.item_code, c.valid_from, c.valid_to))
        returning code)
    insert into changed_code select code from gone"""
#: Meanings that are new; their codes too.
_ADD_CODES = """
with come as (insert into store.item_code select * from wanted_code on conflict do nothing returning code)
    insert into changed_code select code from come"""


def rebuild_item_codes(connection: Connection) -> bool:
    """Codes and aliases of the catalogue's versions → ``store.item_code``; True where a meaning changed (``changed_code``).

    ``valid_to`` of a version is its last day, that day included; where versions of an item overlap, the later one holds
    (docs/source-systems.md, M1). A code means an item on the days on which the version that names it holds.
    """
    connection.exec_driver_sql(_WANTED_CODES)
    connection.exec_driver_sql(_DROP_CODES)
    connection.exec_driver_sql(_ADD_CODES)
    connection.exec_driver_sql("drop table wanted_code")
    return connection.exec_driver_sql("select exists (select from changed_code)").scalar_one()


def channel_lists() -> dict[str, list[str]]:
    """Parameters of the statements: ``channels``, the one whose number a case goes by first; ``alone``, whose cases are no one
    else's; ``national``, which quote a department's own number where no municipal case stands."""
    return {
        "channels": channels.ranked(),
        "alone": channels.of_kind("register"),
        "national": channels.of_kind("national"),
    }


#: The nodes of the changed records, and those of cases that they belonged to.
_NODES = """
create temp table node (channel text, case_no text, round int, label text, primary key (channel, case_no)) on commit drop;
insert into node (channel, case_no, round, label)
select channel, case_no, 0, channel || ':' || case_no from (
    select channel, case_no from source."case" join taken using (record_id)
    union select channel, case_no from source.case_event join taken using (record_id)
    union select channel, case_no from source.special_procedure join taken using (record_id)
    union select channel, case_no from source.material join taken using (record_id)
    union select cm.channel, cm.case_no
          from known join store.member m on m.entity = 'case' and m.record_id = known.record_id
          join store.case_member cm on cm.case_id = m.id
    {of_codes}
) changed
where channel is not null and case_no is not null;
analyze node"""
#: Nodes of items whose codes mean something else than they did; those that wait to be identified come in their own turn.
_NODES_OF_CODES = """
union select s.channel, s.case_no from source."case" s join store.case_member using (channel, case_no)
      where s.item_code in (select code from changed_code)"""


def cluster(connection: Connection, *, codes_changed: bool = False) -> None:
    """Join nodes (channel, case_no) to cases around everything in ``taken``; fills ``moved``.

    ``codes_changed``: also around what is of an item of ``changed_code``, as its meaning decides what may be joined.
    """
    connection.exec_driver_sql(_NODES.format(of_codes=_NODES_OF_CODES if codes_changed else ""))
    _close_over_neighbours(connection)
    _forget_unspoken(connection)
    _join_nodes(connection)


#: Every number that a case goes by.
_ALL_NODES = """
insert into node (channel, case_no, round, label)
    select channel, case_no, 0, channel || ':' || case_no from (
        select channel, case_no from source."case" where case_no is not null
        union select channel, case_no from store.case_member) every
    on conflict do nothing"""
#: About how many numbers there are: those of cases, and of a load that has not come to most of its rows yet, of three rows one.
_STORED = """
select greatest(0, max(reltuples / case oid when 'source."case"'::regclass then 3 else 1 end)) from pg_class
where oid in ('store.case_member'::regclass, 'source."case"'::regclass)"""
#: What the nodes of a round touch: through numbers, through what a person judged the same, and as they are joined so far.
_NEIGHBOURS = """
insert into node (channel, case_no, round, label)
    select distinct p.channel, p.case_no, :turn + 1, p.channel || ':' || p.case_no
    from node n
    left join source."case" a on a.channel = n.channel and a.case_no = n.case_no
    cross join lateral (
        select b.channel, b.case_no from source."case" b where b.municipal_no in (a.municipal_no, n.case_no)
        union all
        select b.channel, b.case_no from source."case" b where b.department_no = n.case_no
        union all
        select b.channel, b.case_no from unnest(cast(:channels as text[])) k
        join store.case_member b on b.channel = k and b.case_no in (a.municipal_no, a.department_no, n.case_no)
        union all
        select split_part(o.id, ':', 1), substr(o.id, strpos(o.id, ':') + 1)
        from store.identity_judgement j
        join lateral (values (j.left_id, j.right_id), (j.right_id, j.left_id)) o (own, id)
             on o.own = n.channel || ':' || n.case_no
        where j.entity = 'case' and j.undone_at is null and j.verdict = 'same'
        union all
        select o.channel, o.case_no from store.case_member m join store.case_member o using (case_id)
        where m.channel = n.channel and m.case_no = n.case_no
    ) p
    where n.round = :turn and n.channel <> all(cast(:alone as text[])) and p.channel <> all(cast(:alone as text[]))
    on conflict do nothing"""


def _close_over_neighbours(connection: Connection) -> None:
    """Everything that the changed nodes may touch: through numbers, judgements, and cases as they stand.

    Nodes that only events tell of stand in ``store.case_member`` alone.
    """
    count = connection.exec_driver_sql("select count(*) from node").scalar_one()
    stored = connection.exec_driver_sql(_STORED).scalar_one()
    if count > WHOLE and count > stored / 4:
        connection.exec_driver_sql(_ALL_NODES)
        return
    # number by number, by index: a table read from end to end for each node, which stale statistics ask for, does not end
    connection.exec_driver_sql("set local enable_seqscan = off")
    turn = 0
    while connection.execute(
        sa.text(_NEIGHBOURS),
        {"turn": turn, **channel_lists()},
    ).rowcount:
        turn += 1
    connection.exec_driver_sql("set local enable_seqscan = on")


#: Nodes and members of which no source has a row any more.
_DROP_UNSPOKEN = """
with dropped as (
        delete from node n
        where not exists (select from source."case" s where s.channel = n.channel and s.case_no = n.case_no)
          and not exists (select from source.case_event s where s.channel = n.channel and s.case_no = n.case_no)
          and not exists (select from source.special_procedure s where s.channel = n.channel and s.case_no = n.case_no)
          and not exists (select from source.material s where s.channel = n.channel and s.case_no = n.case_no)
        returning channel, case_no)
    delete from store.case_member m using dropped d where m.channel = d.channel and m.case_no = d.case_no"""


def _forget_unspoken(connection: Connection) -> None:
    """Numbers that no source speaks of any more join nothing: a store that never knew them has the same cases."""
    connection.exec_driver_sql(_DROP_UNSPOKEN)


#: Municipal numbers that as many applicants state as :strangers.
_CROWDED = """
create temp table crowded on commit drop as
    with several as (  -- most numbers have one applicant, which takes no counting
        select s.municipal_no as number from node n join source."case" s using (channel, case_no)
        where s.municipal_no is not null group by s.municipal_no
        having min(s.applicant_id) <> max(s.applicant_id) or min(s.applicant_name) <> max(s.applicant_name))
    select s.municipal_no as number, min(r.feed) as feed, min(r.record_key) as record,
           s.municipal_no || ': '
           || greatest(count(distinct s.applicant_id), count(distinct store.normal_name(s.applicant_name)))
           || ' applicants' as detail
    from several
    join source."case" s on s.municipal_no = several.number
    join node n using (channel, case_no)
    join source.record r on r.id = s.record_id
    group by s.municipal_no
    having case when count(s.applicant_id) = 0 then count(distinct store.normal_name(s.applicant_name))
                else count(distinct s.applicant_id) end >= :strangers"""


def _refuse_crowds(connection: Connection) -> None:
    """Municipal numbers that :data:`STRANGERS` applicants or more state are no one's: nothing joins by them (``crowded``)."""
    connection.execute(
        sa.text(_CROWDED),
        {"strangers": STRANGERS},
    )
    issues.add(connection, "join_refused", "municipal_no", "crowded")


#: What each node says of itself: municipal number, department number, item by the code that it means.
_ATTRIBUTES = """
create temp table attribute on commit drop as
    select n.channel, n.case_no,
           max(s.municipal_no) filter (where s.municipal_no = s.case_no or c.number is null) as municipal_no, max(s.department_no) as department_no,
           max(coalesce(i.item_code, s.item_code)) as item
    from node n
    left join source."case" s on s.channel = n.channel and s.case_no = n.case_no
    left join crowded c on c.number = s.municipal_no
    left join lateral (select min(item_code) as item_code from store.item_code c where c.code = s.item_code) i on true
    group by n.channel, n.case_no"""
#: Which two nodes are one case, and by what: the rules less what a person called different, and what a person called the same.
_EDGES = """
create temp table edge on commit drop as
    with node_ as (select * from attribute where channel <> all(cast(:alone as text[]))),
    -- who states a municipal number, and who may mean one by its own
    by_municipal as (
        select a.channel as channel_a, a.case_no as case_no_a, b.channel as channel_b, b.case_no as case_no_b,
               'municipal_no' as why
        from node_ a join node_ b on b.municipal_no = a.municipal_no
        where (a.channel, a.case_no) < (b.channel, b.case_no)
        union all
        select a.channel, a.case_no, b.channel, b.case_no, 'case_no'
        from node_ a join node_ b on b.case_no = a.municipal_no and b.municipal_no is null
        where a.channel <> b.channel),
    -- a department's own number in a municipal acceptance of the same item
    by_department as (
        select min(a.channel) as channel_a, min(a.case_no) as case_no_a, b.channel as channel_b,
               b.case_no as case_no_b, 'department_no' as why
        from node_ a join node_ b on b.case_no = a.department_no and b.item = a.item
        where a.municipal_no = a.case_no and b.municipal_no is null and a.channel <> b.channel
          and b.channel <> all(cast(:national as text[]))
        group by b.channel, b.case_no
        having count(*) = 1),
    by_national as (
        select a.channel, a.case_no, b.channel as channel_b, b.case_no as case_no_b, 'case_no' as why
        from node_ a join node_ b on b.case_no = a.case_no and b.municipal_no is null
        where a.channel = any(cast(:national as text[])) and b.channel <> all(cast(:national as text[])) and (a.item is null or b.item is null or a.item = b.item)),
    judged as (
        select split_part(left_id, ':', 1) as channel_a, substr(left_id, strpos(left_id, ':') + 1) as case_no_a,
               split_part(right_id, ':', 1) as channel_b, substr(right_id, strpos(right_id, ':') + 1) as case_no_b,
               verdict, id
        from store.identity_judgement where entity = 'case' and undone_at is null),
    found as (
        select * from by_municipal union all select * from by_department union all select * from by_national)
    select f.*, null::bigint as judgement_id from found f
    where not exists (select from judged j where j.verdict = 'different'
                      and ((j.channel_a, j.case_no_a, j.channel_b, j.case_no_b)
                           = (f.channel_a, f.case_no_a, f.channel_b, f.case_no_b)
                        or (j.channel_b, j.case_no_b, j.channel_a, j.case_no_a)
                           = (f.channel_a, f.case_no_a, f.channel_b, f.case_no_b)))
    union all
    select channel_a, case_no_a, channel_b, case_no_b, 'judgement', id from judged where verdict = 'same'"""
#: One step of finding components: a node takes the least label of its neighbours.
_SPREAD_LABELS = """
update node n set label = l.label
    from (select channel, case_no, min(label) as label from (
              select e.channel_a as channel, e.case_no_a as case_no, o.label
              from edge e join node o on o.channel = e.channel_b and o.case_no = e.case_no_b
              union all
              select e.channel_b, e.case_no_b, o.label
              from edge e join node o on o.channel = e.channel_a and o.case_no = e.case_no_a) x
          group by channel, case_no) l
    where n.channel = l.channel and n.case_no = l.case_no and l.label < n.label"""
#: The case of each node: its component named by the best number, and why it belongs there.
_JOINED = """
create temp table joined on commit drop as
    select n.channel, n.case_no, best.channel || ':' || best.case_no as case_id,
           case when (n.channel, n.case_no) = (best.channel, best.case_no) then 'self' else e.why end as why,
           e.judgement_id
    from node n
    join (select distinct on (label) label, channel, case_no from node
          order by label, array_position(cast(:channels as text[]), channel), case_no) best using (label)
    left join (
        select distinct on (channel, case_no) * from (
            select channel_a as channel, case_no_a as case_no, why, judgement_id from edge
            union all select channel_b, case_no_b, why, judgement_id from edge) both_ends
        order by channel, case_no, judgement_id nulls last, why) e
        on e.channel = n.channel and e.case_no = n.case_no"""
#: Nodes whose case is another than it was, or has none yet.
_MOVED = """
create temp table moved on commit drop as
    select j.channel, j.case_no, m.case_id as was, j.case_id
    from joined j left join store.case_member m using (channel, case_no)
    where m.case_id is distinct from j.case_id"""
#: The joined nodes, into the store; a node that says the same stays as it is.
_WRITE_MEMBERS = """
insert into store.case_member (channel, case_no, case_id, why, judgement_id)
    select channel, case_no, case_id, coalesce(why, 'self'), judgement_id from joined
    order by channel, case_no  -- as the index goes
    on conflict (channel, case_no) do update
    set case_id = excluded.case_id, why = excluded.why, judgement_id = excluded.judgement_id, joined_at = now()
    where (case_member.case_id, case_member.why) is distinct from (excluded.case_id, excluded.why)"""


def _join_nodes(connection: Connection) -> None:
    """Edges by the rules, less what a person refused; components; the best number of each; ``moved``."""
    parameters = channel_lists()
    _refuse_crowds(connection)
    connection.exec_driver_sql(_ATTRIBUTES)
    connection.execute(
        sa.text(_EDGES),
        parameters,
    )
    connection.exec_driver_sql("analyze node; analyze edge")
    while connection.exec_driver_sql(_SPREAD_LABELS).rowcount:
        pass
    connection.execute(
        sa.text(_JOINED),
        parameters,
    )
    connection.exec_driver_sql(_MOVED)
    connection.exec_driver_sql(_WRITE_MEMBERS)
    connection.exec_driver_sql("drop table node, crowded, attribute, edge, joined")
