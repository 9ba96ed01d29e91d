"""What golden cases and licences are beyond the fold of their rows: whose item, which project, one of which number.

Cases take their numbers from :mod:`store.identity`; licences follow cases. Works on the temporary tables of
:mod:`store.unify`: ``due(entity, record_id, id)`` and ``changed(entity, id)``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas import channels
from store import fold, identity, issues

INTERNAL = "3"  # SQRLX 3: the applicant is a government organ (政府内部事项)


#: Cases of which a row, a project or an engineering work has changed.
_TOUCHED_CASES = """
insert into touched select distinct id from due
    where entity = 'case' and id is not null and id not in (select id from touched);
    analyze touched"""


#: Merged cases with their project, and the item that their code meant on the day of receipt.
_CASES = """select {columns}, f.provenance
from merged f
left join linked p on p.id = f.id
left join lateral (
    select i.item_code from store.item_code i
    cross join coalesce(
        f._received,
        (select min(e.at) from store.case_member m
         join source.case_event e on e.channel = m.channel and e.case_no = m.case_no where m.case_id = f.id),
        '9999-12-31') day
    where i.code = f.item_code and day::date >= i.valid_from and day::date < i.valid_to
    order by i.code <> i.item_code, i.valid_from desc, i.item_code limit 1) i on true"""


#: What is gathered from all rows of a case: the first day that one tells, and the systems that know it.
_OF_ALL_ROWS = (
    "min(coalesce(submitted_at, accepted_at, concluded_at)) as _received, array_agg(distinct channel) as _channels,"
)


def cases(connection: Connection, *, empty: bool = False) -> dict[str, int]:
    """Number, channels, item by the codes in force on the day of receipt, project by the order of architecture.md.

    Received on the first day that a row of the case tells, else its first event; of no known day, the codes are the latest.
    ``empty``: there are no cases yet.
    """
    fold.enroll(connection, "case", "select record_id from due where entity = 'case'", empty=empty)
    connection.exec_driver_sql(_TOUCHED_CASES)
    rows = fold.standing("case", _OF_ALL_ROWS)
    connection.exec_driver_sql(f"create temp table merged on commit drop as {rows}")
    connection.exec_driver_sql("analyze merged (id, applicant_id, applicant_type)")
    _candidates(connection)
    answered = {
        "channel": "split_part(f.id, '\\:', 1)",
        "case_no": "substr(f.id, strpos(f.id, '\\:') + 1)",
        "channels": "(select array_agg(c order by array_position(cast(:channels as text[]), c)) from unnest(f._channels) c)",
        "item_code_written": "f.item_code",
        "item_code": "i.item_code",
        "project_code_written": "f.project_code",
        "project_code": "p.project_id",
        "project_link": "p.link",
    }
    counts = fold.publish(
        connection,
        "case",
        _CASES.format(columns=_columns("case", answered)),
        {"channels": channels.ranked()},
        empty=empty,
    )
    connection.exec_driver_sql("drop table merged, linked")
    return counts


def _columns(entity: str, answered: dict[str, str]) -> str:
    return ", ".join(
        f'{answered.get(name, f"""f."{name}" """)} as "{name}"'
        for name in fold.golden_columns(entity)
        if name in answered or name == "id" or name in fold.own_columns(entity)
    )


#: Every project that a row, an engineering work or a name gives for a case, and how.
_CANDIDATES = """
create temp table candidate on commit drop as
    with row_ as (
        select f.id, s.project_code, s.engineering_code, s.channel = split_part(f.id, '\\:', 1) as own, s.version,
               r.source_time, r.feed, r.record_key
        from merged f
        join store.member m on m.entity = 'case' and m.id = f.id
        join source."case" s on s.record_id = m.record_id and s.ord = m.ord
        join source.record r on r.id = s.record_id
        where coalesce(s.project_code, s.engineering_code) is not null),
    owner as (
        select distinct f.applicant_id from merged f
        where f.applicant_id is not null and f.applicant_type is distinct from :internal),
    named as materialized (
        select p.id, p.applicant_uscc, store.normal_name(p.project_name) as name
        from owner join store.project p on p.applicant_uscc = owner.applicant_id
        where p.gone_at is null and store.uscc_valid(p.applicant_uscc)),
    found as (
        select id, project_code as code, 'written' as link, 1 as place, version, source_time, feed, record_key
        from row_ where own and project_code is not null
        union all
        select row_.id, e.project_code, 'engineering', 2, null, row_.source_time, row_.feed, row_.record_key
        from row_ join store.engineering e on e.id = row_.engineering_code and e.gone_at is null
        where e.project_code is not null
        union all
        select id, project_code, 'crosswalk', 3, version, source_time, feed, record_key
        from row_ where not own and project_code is not null
        union all
        select f.id, min(n.id), 'identity', 4, null, null, null, null
        from merged f join named n on n.applicant_uscc = f.applicant_id
        where f.applicant_type is distinct from :internal and n.name = store.normal_name(f.project_name)
        group by f.id having count(*) = 1)
    select found.*, coalesce(a.project_id, found.code) as project_id
    from found left join store.project_alias a on a.alias = found.code"""
#: The best candidate of each case: one that fits its applicant, then the surest way, then the newest version.
_LINKED = """
create temp table linked on commit drop as
    select distinct on (x.id) x.id, x.project_id, x.link
    from (select c.*, p.id is not null and (
                     p.applicant_uscc is null or g.applicant_id is null or g.applicant_type = :internal
                     or g.applicant_id in (p.applicant_uscc, substr(p.applicant_uscc, 9, 9))) as fits,
                 p.id is not null as known,
                 p.id is not null or store.project_code_valid(c.project_id)
                 or store.project_code_old(c.project_id) as shaped
          from candidate c join merged g using (id)
          left join store.project p on p.id = c.project_id and p.gone_at is null) x
    where x.shaped
    order by x.id, x.fits desc, x.place, x.version desc nulls last, x.source_time desc nulls last,
             x.feed, x.record_key;"""


def _candidates(connection: Connection) -> None:
    """Fills ``linked(id, project_id, link)``: the project of each case that has one."""
    connection.execute(
        sa.text(_CANDIDATES),
        {"internal": INTERNAL},
    )
    connection.exec_driver_sql("analyze candidate (id, project_id)")
    connection.execute(
        sa.text(_LINKED),
        {"internal": INTERNAL},
    )
    connection.exec_driver_sql("drop table candidate; analyze linked (id)")


#: Numbers under which as many holders have documents as :strangers.
_CROWDED_LICENCES = """
create temp table crowded_licence on commit drop as
    select store.normal_number(s.number) as normal, min(r.feed) as feed, min(r.record_key) as record,
           min(s.number) || '\\: ' || count(distinct store.normal_name(s.holder_name)) || ' holders' as detail
    from reached join source.licence s using (record_id, ord) join source.record r on r.id = s.record_id
    where s.number is not null
    group by 1 having count(distinct store.normal_name(s.holder_name)) >= :strangers"""
#: The documents that are looked at, with their case, their item and their number in one form.
_LICENCE_OF = """
create temp table licence_of on commit drop as
    select s.record_id, s.ord, s.certificate_id, s.channel, s.number, m.case_id, r.feed, r.record_key,
           nullif(store.normal_number(s.number), crowd.normal) as normal,
           coalesce((select i.item_code from store.item_code i where i.code = s.type_code
                     and coalesce(s.issued_at, '9999-12-31')::date >= i.valid_from
                     and coalesce(s.issued_at, '9999-12-31')::date < i.valid_to
                     order by i.code <> i.item_code, i.valid_from desc, i.item_code limit 1),
                    s.item_code, c.item_code) as item
    from reached join source.licence s using (record_id, ord) join source.record r on r.id = s.record_id
    left join crowded_licence crowd on crowd.normal = store.normal_number(s.number)
    left join store.case_member m on m.channel = s.channel and m.case_no = s.case_no
    left join store."case" c on c.id = m.case_id"""
#: Which certificate each document is: the directory first, then the one of its number and item, else itself.
_LICENCE_IDS = """
create temp table licence_id on commit drop as
    with listed as (
        select normal, item, certificate_id from licence_of where feed = :directory and normal is not null),
    of_item as (
        select normal, item, min(certificate_id) as certificate_id from listed group by normal, item having count(*) = 1),
    of_number as (
        select normal, min(certificate_id) as certificate_id from listed group by normal having count(*) = 1)
    select a.record_id, a.ord, coalesce(
               case when a.feed = :directory then a.certificate_id end,
               i.certificate_id, n.certificate_id,
               a.certificate_id, a.channel || '\\:' || coalesce(a.item, '') || '\\:' || a.normal,
               a.feed || '|' || a.record_key) as id
    from licence_of a
    left join of_item i on i.normal = a.normal and i.item = a.item
    left join of_number n on n.normal = a.normal and a.item is null"""


#: Licences with their case, and the item that the rows beside it name.
_LICENCES = """select {columns}, f.provenance
from ({standing}) f
left join (
    select l.id, max(o.case_id) as case_id,
           (array_agg(o.item order by o.feed, o.record_key, o.ord) filter (where o.item is not null))[1] as item
    from licence_id l join licence_of o using (record_id, ord) group by l.id) x on x.id = f.id"""


def licences(connection: Connection, *, empty: bool = False) -> dict[str, int]:
    """Licences: one a certificate; a document of another source is the certificate of the same number and item.

    Its item is that of its type code, or of its case; its project the one written, of its work, or of its case.
    ``empty``: there are no licences yet.
    """
    _reach(connection)
    connection.execute(
        sa.text(_CROWDED_LICENCES),
        {"strangers": identity.STRANGERS},
    )
    issues.add(connection, "join_refused", "number", "crowded_licence")
    connection.exec_driver_sql(_LICENCE_OF)
    connection.execute(
        sa.text(_LICENCE_IDS),
        {"directory": fold.authority()["licence"]["feeds"][0]},
    )
    connection.exec_driver_sql("analyze licence_of; analyze licence_id")
    counts: dict[str, int] = {}
    if fold.enroll(
        connection,
        "licence",
        "select record_id from licence_id union all select record_id from due where entity = 'licence'",
        empty=empty,
    ):
        answered = {
            "case_id": "x.case_id",
            "item_code_written": "f.type_code",
            "item_code": "x.item",
            "project_code_written": "f.project_code",
            "project_code": """coalesce(
                (select p.id from store.project p
                 where p.id = coalesce((select project_id from store.project_alias a where a.alias = f.project_code), f.project_code)),
                (select e.project_code from store.engineering e where e.id = f.engineering_code),
                (select c.project_code from store."case" c where c.id = x.case_id), f.project_code)""",
        }
        counts = fold.publish(
            connection,
            "licence",
            _LICENCES.format(columns=_columns("licence", answered), standing=fold.standing("licence")),
            empty=empty,
        )
    connection.exec_driver_sql("drop table reached, crowded_licence, licence_of, licence_id")
    return counts


#: Records of documents whose case is among ``changed``.
LICENCES_OF_CASES = """select s.record_id from changed c join store.case_member m on m.case_id = c.id
        join source.licence s on s.channel = m.channel and s.case_no = m.case_no
        where c.entity = 'case'"""
#: The documents that changed, or whose case did.
_REACHED = f"""
create temp table reached (record_id bigint, ord int, turn int, primary key (record_id, ord)) on commit drop;
    insert into reached
    select s.record_id, s.ord, 0
    from source.licence s
    where s.record_id in (
        select record_id from due where entity = 'licence'
        union
        select o.record_id from due
        join store.member g on g.entity = 'licence' and g.record_id = due.record_id
        join store.member o on o.entity = 'licence' and o.id = g.id
        where due.entity = 'licence'
        union
        {LICENCES_OF_CASES});
    analyze reached"""
#: Those that share a number or a certificate with one of the last turn.
_REACH_FURTHER = """
with here as (
        select store.normal_number(s.number) as normal, s.certificate_id
        from reached r join source.licence s using (record_id, ord) where r.turn = :turn)
    insert into reached
    select o.record_id, o.ord, :turn + 1
    from (select normal from here where normal is not null group by 1) h
    join source.licence o on store.normal_number(o.number) = h.normal
    union
    select o.record_id, o.ord, :turn + 1
    from (select certificate_id from here where certificate_id is not null group by 1) h
    join source.licence o using (certificate_id)
    on conflict do nothing"""


def _reach(connection: Connection) -> None:
    """Fills ``reached``: documents that changed, or whose case, work or project did, and all that share a number or a
    certificate with one of them, however far: what a document is, is decided among these."""
    connection.exec_driver_sql(_REACHED)
    turn = 0
    while connection.execute(
        sa.text(_REACH_FURTHER),
        {"turn": turn},
    ).rowcount:
        turn += 1
        connection.exec_driver_sql("analyze reached")
