"""Identify and fold: from the sources' rows to the unified store, costing what changed.

One transaction from taking the dirty records to publishing the golden rows: killed at any instant, the next run begins
where this one began. Order: the catalogue first, since its codes say what everything else speaks of; then projects; then
cases; then what hangs on cases.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas import channels
from store import fold, identity, issues, rawrow, tables
from store.engine import engine, lock_key, refusal, transaction
from store.values import storable_json

log = logging.getLogger(__name__)

FIRST = ("item", "project", "enterprise", "engineering")
INTERNAL = "3"  # SQRLX 3: the applicant is a government organ (政府内部事项)


@dataclass(slots=True)
class Unified:
    """What a run of unify did: records taken, golden rows by entity and operation, and records that were set aside.

    ``without_golden``: feeds among the taken of whose records none speaks of a golden row; ``columns``: of a refold,
    what changed by entity.
    """

    taken: int = 0
    changes: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    without_golden: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def written(self) -> int:
        return sum(sum(counts.values()) for counts in self.changes.values())


def unify() -> Unified:
    """Take every dirty record and bring the golden rows up to date. Two at once wait for each other.

    A record that makes it fail is set aside with its reason (quarantine), and the rest goes on; it is tried again when
    another version of it comes, or when a person drives its entry again.

    :raises sa.exc.DBAPIError: the database fails, or fails without any of the records.
    """
    try:
        with transaction() as connection:
            return _unify(connection)
    except sa.exc.DBAPIError as error:
        if refusal(error) is None:
            raise
        log.warning("unify: the database refuses a record, which is looked for: %s", refusal(error))
        refused = _find_refused(error)
    with transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("unify", ""))))
        keys = [_set_aside(connection, record, said) for record, said in refused.items()]
        result = _unify(connection)
        result.refused = keys
        return result


def _unify(connection: Connection) -> Unified:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("unify", ""))))
    result = Unified(taken=_take(connection))
    if result.taken:
        _work(connection, result)
        result.without_golden = _without_golden(connection)
        connection.exec_driver_sql("delete from store.dirty d using taken_seq t where d.seq = t.seq")
    return result


def _without_golden(connection: Connection) -> list[str]:
    """Feeds whose records stand and make no golden row: a code that nobody founds, an entity that nothing folds."""
    connection.execute(
        sa.text(
            """create temp table unfounded on commit drop as
               select f.feed, cast(null as text) as record, 'no record of the feed makes a golden row' as detail
               from (select distinct d.feed from store.dirty d join taken_seq using (seq)) f
               where exists (select from source.record r where r.feed = f.feed and r.tombstoned_at is null
                             and r.refused_at is null)
                 and not exists (select from source.record r
                                 join store.member m on m.entity = any(:entities) and m.record_id = r.id
                                 where r.feed = f.feed)"""
        ),
        {"entities": tables.entities()},
    )
    issues.add(connection, "no_golden_row", "entity", "unfounded")
    return list(connection.exec_driver_sql("select feed from unfounded order by 1").scalars())


def refold(apply: bool = False) -> Unified:
    """Take every record up again, so that every golden row is as the present rules of belief have it.

    Without ``apply`` nothing is written: what comes back says what would change, by entity and column.
    """
    with engine().connect() as connection, connection.begin() as writing:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("unify", ""))))
        before = connection.exec_driver_sql("select coalesce(max(seq), 0) from store.change").scalar_one()
        connection.exec_driver_sql(
            """insert into store.dirty (record_id, feed, run_id)
               select id, feed, run_id from source.record where refused_at is null"""
        )
        result = _unify(connection)
        rows = connection.execute(
            sa.text(
                """select entity, array_agg(distinct name order by name) from store.change c
                   cross join lateral unnest(c.columns) name where c.seq > :before group by entity"""
            ),
            {"before": before},
        )
        result.columns = {entity: names for entity, names in rows}
        if not apply:
            writing.rollback()
        return result


#: Records of a run that are refused one by one; beyond, the fault is none of theirs.
_MOST_REFUSED = 100


def _find_refused(error: sa.exc.DBAPIError) -> dict[int, str]:
    """Dirty records that unify cannot take, by halves, each with what the database says.

    In a trial the records that are left out are hidden from the sources' tables too, so that none of them can disturb.

    :raises sa.exc.DBAPIError: ``error``, where it comes without any of the records, or of too many.
    """
    accepted: list[int] = []
    refused: dict[int, str] = {}

    def refuses(records: list[int]) -> str | None:
        with engine().connect() as connection, connection.begin() as trial:
            try:
                connection.execute(
                    sa.text(
                        """create temp table hidden on commit drop as
                           select distinct record_id from store.dirty where record_id <> all(:kept)"""
                    ),
                    {"kept": accepted + records},
                )
                for table in tables.source_entity.values():
                    connection.exec_driver_sql(
                        f"delete from {table.fullname} s using hidden h where s.record_id = h.record_id"
                    )
                _unify(connection)
            except sa.exc.DBAPIError as refusing:
                if (said := refusal(refusing)) is None:
                    raise
                return said
            finally:
                trial.rollback()
        return None

    def admit(records: list[int]) -> None:
        said = refuses(records)
        if said is None:
            accepted.extend(records)
        elif len(records) > 1:
            admit(records[: len(records) // 2])
            admit(records[len(records) // 2 :])
        else:
            refused[records[0]] = said
            if len(refused) > _MOST_REFUSED:
                raise error

    if refuses([]) is not None:
        raise error
    with engine().connect() as connection:
        dirty = connection.exec_driver_sql("select distinct record_id from store.dirty order by 1").scalars().all()
    admit(list(dirty))
    return refused


def _set_aside(connection: Connection, record: int, said: str) -> str:
    """Take a record's rows out of what unify, supervision and serving read; quarantine keeps the version and says why.

    Returns the record's feed and key.
    """
    for table in tables.source_entity.values():
        connection.execute(sa.delete(table).where(table.c.record_id == record))
    raw = connection.execute(sa.select(tables.record.c.raw).where(tables.record.c.id == record)).scalar_one()
    reasons = [{"code": "unify_refused", "message": f"归一时数据库拒收 the database refuses it in unify: {said}"}]
    return connection.execute(
        sa.text(
            """with aside as (
                   update source.record set refused_at = now() where id = :record returning *),
               entered as (
                   insert into landing.quarantine as q
                       (feed, record_key, fingerprint, raw, run_id, receipt_id, place, source_time, reasons, mapping_version)
                   select feed, record_key, sha256(convert_to(record_key, 'UTF8') || content_hash), cast(:raw as jsonb), run_id, receipt_id,
                          place, source_time, cast(:reasons as jsonb), mapping_version
                   from aside
                   on conflict (feed, fingerprint) do update set
                       reasons = excluded.reasons, seen = q.seen + 1, seen_at = now(), state = 'open', closed_at = null,
                       closed_by = null, note = null)
               select feed || ' ' || record_key from aside"""
        ),
        {"record": record, "raw": rawrow.text(raw), "reasons": storable_json(reasons)},
    ).scalar_one()


def _take(connection: Connection) -> int:
    connection.exec_driver_sql("create temp table taken_seq on commit drop as select seq, record_id from store.dirty")
    connection.exec_driver_sql(
        "create temp table taken on commit drop as select distinct record_id from taken_seq; create unique index on taken (record_id)"
    )
    connection.exec_driver_sql(
        "create temp table touched (entity text, id text, primary key (entity, id)) on commit drop"
    )
    connection.exec_driver_sql("create temp table changed (entity text, id text, op text) on commit drop")
    connection.exec_driver_sql("analyze taken")
    return connection.exec_driver_sql("select count(*) from taken").scalar_one()


def _work(connection: Connection, result: Unified) -> None:
    def publish(entity: str) -> None:
        if counts := fold.publish(connection, entity):
            result.changes[entity] = counts

    codes_changed = False
    for entity in FIRST:
        fold.enroll(connection, entity)
        fold.fold(connection, entity)
        if entity == "project":
            _applicants(connection)
        publish(entity)
        if (
            entity == "item"
            and connection.exec_driver_sql("select exists (select from touched where entity = 'item')").scalar_one()
        ):
            codes_changed = identity.rebuild_item_codes(connection)
    connection.exec_driver_sql(
        """create temp table moved_project on commit drop as  -- every code that means a project which changed
           select id as code from changed where entity = 'project'
           union select a.alias from store.project_alias a join changed c on c.entity = 'project' and c.id = a.project_id"""
    )
    identity.cluster(connection, whole=codes_changed)
    fold.enroll(connection, "case")
    _touch_cases(connection, codes_changed)
    fold.fold(connection, "case")
    _resolve_cases(connection)
    publish("case")
    for entity in fold.KEPT:
        fold.enroll(connection, entity)
        fold.fold(connection, entity)
        connection.exec_driver_sql(
            """update folded f set case_id = m.case_id from store.case_member m
               where m.channel = f.channel and m.case_no = f.case_no"""
        )
        publish(entity)
    _licences(connection, codes_changed)
    publish("licence")
    for entity in tables.golden:
        if entity not in (*FIRST, *fold.OF_CASES, "licence"):
            fold.enroll(connection, entity)
            fold.fold(connection, entity)
            publish(entity)


def _applicants(connection: Connection) -> None:
    """Who applies, before and after: by their names cases find projects."""
    connection.exec_driver_sql(
        """create temp table applicant on commit drop as
           select applicant_uscc from folded where applicant_uscc is not null
           union select p.applicant_uscc from touched t join store.project p on p.id = t.id
                 where t.entity = 'project' and p.applicant_uscc is not null"""
    )


def _touch_cases(connection: Connection, codes_changed: bool) -> None:
    """Cases to resolve again because a code, a project, a work or an applicant that one of their rows names has changed, or
    because their day of receipt is that of an event."""
    connection.execute(
        sa.text(
            """insert into touched (entity, id)
               select 'case', m.id
               from source."case" s join store.member m on m.entity = 'case' and m.record_id = s.record_id and m.ord = s.ord
               where :all or s.project_code in (select code from moved_project)
                  or s.engineering_code in (select id from changed where entity = 'engineering')
                  or exists (select from moved_project) and s.applicant_id in (select applicant_uscc from applicant)
               union
               select 'case', c.id
               from taken join source.case_event e using (record_id)
               join store.case_member m on m.channel = e.channel and m.case_no = e.case_no
               join store."case" c on c.id = m.case_id and coalesce(c.submitted_at, c.accepted_at, c.concluded_at) is null
               on conflict do nothing"""
        ),
        {"all": codes_changed},
    )


def _resolve_cases(connection: Connection) -> None:
    """Number, channels, item by the codes in force on the day of receipt, project by the order of architecture.md.

    Received on the first day that a row of the case tells, else its first event; of no known day, the codes are the latest.
    """
    connection.execute(
        sa.text(
            """update folded f set
                   channel = split_part(f.id, ':', 1), case_no = substr(f.id, strpos(f.id, ':') + 1),
                   channels = (select array_agg(channel order by array_position(cast(:channels as text[]), channel))
                               from (select distinct s.channel from store.member m
                                     join source."case" s on s.record_id = m.record_id and s.ord = m.ord
                                     where m.entity = 'case' and m.id = f.id) standing),
                   item_code_written = f.item_code, project_code_written = f.project_code,
                   item_code = (select i.item_code from store.item_code i
                                where i.code = f.item_code and d.day >= i.valid_from and d.day < i.valid_to
                                order by i.code <> i.item_code, i.valid_from desc, i.item_code limit 1)
               from (select f.id, coalesce(
                                (select min(coalesce(s.submitted_at, s.accepted_at, s.concluded_at)) from store.member m
                                 join source."case" s on s.record_id = m.record_id and s.ord = m.ord
                                 where m.entity = 'case' and m.id = f.id),
                                (select min(e.at) from store.case_member m
                                 join source.case_event e on e.channel = m.channel and e.case_no = m.case_no
                                 where m.case_id = f.id),
                                '9999-12-31')::date as day
                     from folded f) d
               where d.id = f.id"""
        ),
        {"channels": channels.ranked()},
    )
    connection.execute(
        sa.text(
            """create temp table candidate on commit drop as
               with row_ as (
                   select f.id, s.project_code, s.engineering_code, s.channel = f.channel as own, s.version, r.source_time,
                          r.feed, r.record_key
                   from folded f
                   join store.member m on m.entity = 'case' and m.id = f.id
                   join source."case" s on s.record_id = m.record_id and s.ord = m.ord
                   join source.record r on r.id = s.record_id),
               named as (
                   select p.id, p.applicant_uscc, store.normal_name(p.project_name) as name
                   from store.project p where p.gone_at is null and p.applicant_uscc is not null),
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
                   from folded f join named n on n.applicant_uscc = f.applicant_id and n.name = store.normal_name(f.project_name)
                   where f.applicant_type is distinct from :internal and store.uscc_valid(f.applicant_id)
                   group by f.id having count(*) = 1)
               select found.*, coalesce(a.project_id, found.code) as project_id
               from found left join store.project_alias a on a.alias = found.code"""
        ),
        {"internal": INTERNAL},
    )
    connection.execute(
        sa.text(
            """update folded f set project_code = c.project_id, project_link = c.link
               from (select distinct on (x.id) x.id, x.project_id, x.link
                     from (select c.*, p.id is not null and (
                                      p.applicant_uscc is null or g.applicant_id is null or g.applicant_type = :internal
                                      or g.applicant_id in (p.applicant_uscc, substr(p.applicant_uscc, 9, 9))) as fits,
                                  p.id is not null as known,
                                  store.project_code_valid(c.project_id) or store.project_code_old(c.project_id) as shaped
                           from candidate c join folded g using (id)
                           left join store.project p on p.id = c.project_id and p.gone_at is null) x
                     where x.fits or x.known or x.shaped
                     order by x.id, x.fits desc, x.place, x.version desc nulls last, x.source_time desc nulls last,
                              x.feed, x.record_key) c
               where c.id = f.id"""
        ),
        {"internal": INTERNAL},
    )
    connection.exec_driver_sql(
        """update folded f set project_code = null
           where not exists (select from candidate c where c.id = f.id and c.project_id = f.project_code)
              or project_link is null;
           drop table candidate"""
    )


def _licences(connection: Connection, codes_changed: bool) -> None:
    """Licences: one a certificate; a document of another source is the certificate of the same number and item.

    Its item is that of its type code, or of its case; its project the one written, of its work, or of its case.
    """
    _reach_licences(connection, codes_changed)
    connection.execute(
        sa.text(
            """create temp table crowded_licence on commit drop as
               select store.normal_number(s.number) as normal, min(r.feed) as feed, min(r.record_key) as record,
                      min(s.number) || ': ' || count(distinct store.normal_name(s.holder_name)) || ' holders' as detail
               from reached join source.licence s using (record_id, ord) join source.record r on r.id = s.record_id
               where s.number is not null
               group by 1 having count(distinct store.normal_name(s.holder_name)) >= :strangers"""
        ),
        {"strangers": identity.STRANGERS},
    )
    issues.add(connection, "join_refused", "number", "crowded_licence")
    connection.exec_driver_sql(
        """create temp table licence_of on commit drop as
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
    )
    connection.execute(
        sa.text(
            """create temp table licence_id on commit drop as
               with listed as (
                   select normal, item, certificate_id from licence_of where feed = :directory and normal is not null),
               of_item as (
                   select normal, item, min(certificate_id) as certificate_id from listed group by normal, item having count(*) = 1),
               of_number as (
                   select normal, min(certificate_id) as certificate_id from listed group by normal having count(*) = 1)
               select a.record_id, a.ord, coalesce(
                          case when a.feed = :directory then a.certificate_id end,
                          i.certificate_id, n.certificate_id,
                          a.certificate_id, a.channel || ':' || coalesce(a.item, '') || ':' || a.normal,
                          a.feed || '|' || a.record_key) as id
               from licence_of a
               left join of_item i on i.normal = a.normal and i.item = a.item
               left join of_number n on n.normal = a.normal and a.item is null"""
        ),
        {"directory": fold.authority()["licence"]["feeds"][0]},
    )
    fold.enroll(connection, "licence")
    fold.fold(connection, "licence")
    connection.exec_driver_sql(
        """update folded f set
               item_code_written = f.type_code, project_code_written = f.project_code,
               case_id = x.case_id, item_code = x.item,
               project_code = coalesce(
                   (select p.id from store.project p
                    where p.id = coalesce((select project_id from store.project_alias a where a.alias = f.project_code), f.project_code)),
                   (select e.project_code from store.engineering e where e.id = f.engineering_code),
                   (select c.project_code from store."case" c where c.id = x.case_id), f.project_code)
           from (select l.id, max(o.case_id) as case_id, (array_agg(o.item order by o.feed, o.record_key, o.ord) filter (where o.item is not null))[1] as item
                 from licence_id l join licence_of o using (record_id, ord) group by l.id) x
           where x.id = f.id"""
    )


def _reach_licences(connection: Connection, codes_changed: bool) -> None:
    """Fills ``reached``: documents that changed, or whose case, work or project did, and all that share a number or a
    certificate with one of them, however far: what a document is, is decided among these."""
    connection.exec_driver_sql(
        "create temp table reached (record_id bigint, ord int, turn int, primary key (record_id, ord)) on commit drop"
    )
    connection.execute(
        sa.text(
            """insert into reached
               select s.record_id, s.ord, 0
               from source.licence s left join store.case_member m on m.channel = s.channel and m.case_no = s.case_no
               where :all
                  or s.record_id in (
                      select record_id from taken
                      union select o.record_id from taken
                            join store.member g on g.entity = 'licence' and g.record_id = taken.record_id
                            join store.member o on o.entity = 'licence' and o.id = g.id)
                  or m.case_id in (select id from changed where entity = 'case')
                  or s.engineering_code in (select id from changed where entity = 'engineering')
                  or s.project_code in (select code from moved_project)"""
        ),
        {"all": codes_changed},
    )
    turn = 0
    while connection.execute(
        sa.text(
            """with here as (
                   select s.number, s.certificate_id from reached r join source.licence s using (record_id, ord) where r.turn = :turn)
               insert into reached
               select o.record_id, o.ord, :turn + 1
               from source.licence o
               where store.normal_number(o.number) in (select store.normal_number(number) from here)
                  or o.certificate_id in (select certificate_id from here)
               on conflict do nothing"""
        ),
        {"turn": turn},
    ).rowcount:
        turn += 1
        connection.exec_driver_sql("analyze reached")
