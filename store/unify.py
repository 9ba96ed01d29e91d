"""Identify and fold: from the sources' rows to the unified store, costing what changed.

Two steps. *Identify* takes dirty records in the order in which they came: the catalogue first, since its codes say what
everything else speaks of; then projects; then which numbers are one case. *Fold* brings the golden rows of everything else
up to date: cases and then licences; what hangs on cases; what stands by itself. What identify leaves to fold waits in
``store.unfolded``.

Up to :data:`AT_ONCE` records go through both in one transaction. More, as on a first load, are taken :data:`CHUNK` at a time:
identify commits, then fold works side by side, each part in a transaction of its own. Killed at any instant, the next run
begins with what still waits.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Event, Lock

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import fold, identity, issues, rawrow, resolve, tables
from store.engine import engine, lock_key, pairs, refusal, transaction
from store.text import storable_json

log = logging.getLogger(__name__)

FIRST = ("item", "project", "enterprise", "engineering")
#: What hangs on no case: each entity by itself.
ALONE = tuple(entity for entity in tables.golden if entity not in (*FIRST, *fold.OF_CASES, "licence"))
#: So many records go through all steps in one transaction.
AT_ONCE = 20_000
#: So many, in the order in which they came, are identified in one transaction when more wait.
CHUNK = 500_000
#: About so many records of an entity whose rows stand each for itself are folded in one transaction.
PART = 30_000
#: Which records of an entity are folded in one transaction: a condition, and its ``first`` and ``last``.
Part = tuple[str, int, int]
#: Statements at a time on the database, whose work it is.
WORKERS = min(4, os.cpu_count() or 1)


@dataclass(slots=True)
class Unified:
    """What a run of unify did: records taken, golden rows by entity and operation, and records that were set aside.

    ``without_golden``: feeds among the taken of whose records none speaks of a golden row; ``columns``: of a refold,
    what changed by entity; ``spoke``: feeds whose records made golden rows.
    """

    taken: int = 0
    changes: dict[str, dict[str, int]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    without_golden: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    spoke: set[str] = field(default_factory=set)

    @property
    def written(self) -> int:
        return sum(sum(counts.values()) for counts in self.changes.values())

    def include(self, part: Unified) -> None:
        """Count what a part did."""
        self.spoke |= part.spoke
        for entity, counts in part.changes.items():
            self.add(entity, counts)

    def add(self, entity: str, counts: dict[str, int]) -> None:
        """Count what was published of an entity."""
        if counts:
            known = self.changes.setdefault(entity, {})
            for op, number in counts.items():
                known[op] = known.get(op, 0) + number


def unify() -> Unified:
    """Take every dirty record and bring the golden rows up to date. Two at once wait for each other.

    A record that makes it fail is set aside with its reason (quarantine), and the rest goes on; it is tried again when
    another version of it comes, or when a person drives its entry again.

    :raises sa.exc.DBAPIError: the database fails, or fails without any of the records.
    """
    result = Unified()
    with _by_itself():
        with transaction() as connection:
            last = connection.exec_driver_sql("select max(seq) from store.dirty").scalar()
        while (end := _next(last)) is not None:
            try:
                _chunk(end, result)
            except sa.exc.DBAPIError as error:
                if refusal(error) is None:
                    raise
                log.warning("unify: the database refuses a record, which is looked for: %s", refusal(error))
                if not (found := _find_refused(error, end)):
                    raise
                for record, said in found.items():
                    with transaction() as connection:
                        result.refused.append(_set_aside(connection, record, said))
    return result


@contextmanager
def _by_itself() -> Iterator[None]:
    """One unify at a time; parts of one that was killed have ended."""
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as holding:
        key = lock_key("unify", "")
        holding.execute(sa.select(sa.func.pg_advisory_lock(key)))
        try:
            holding.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("unify", "part"))))
            yield
        finally:
            holding.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def hold_off(connection: Connection, wait: bool = True) -> bool:
    """Wait until a unify that is under way has ended, and let none begin in the caller's transaction: who judges must not see
    a case before its events, nor take the feed of changes for read up to a number while lower ones are still written.

    Without ``wait`` False, where one is under way.
    """
    lock = sa.func.pg_advisory_xact_lock_shared if wait else sa.func.pg_try_advisory_xact_lock_shared
    return connection.execute(sa.select(lock(lock_key("unify", "")))).scalar() is not False


@contextmanager
def _part() -> Iterator[Connection]:
    """A transaction of the run; see :func:`_by_itself`."""
    with transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(lock_key("unify", "part"))))
        _settings(connection)
        yield connection


def _settings(connection: Connection) -> None:
    # temporary tables are analysed as soon as they are filled: a small sample does
    connection.exec_driver_sql("set local default_statistics_target = 10")


#: The first number that waits, whether something of a run before does, and the number with which ranges reach :data:`CHUNK`.
_WAITING = """with d as not materialized (select * from store.dirty where seq <= :last)
select (select min(seq) from d), exists (select from store.unfolded),
       (select min(seq) from (select seq, sum(upto - record_id + 1) over (order by seq) as records from d where upto is not null) r
        where records >= :chunk)"""


def _next(last: int | None) -> int | None:
    """Up to which number dirty records are taken next; None: none waits, nor does anything of a run before."""
    with transaction() as connection:
        first, waits, full = connection.execute(sa.text(_WAITING), {"last": last, "chunk": CHUNK}).one()
    if first is None:
        return 0 if waits else None
    return min(last, first + CHUNK - 1, full or last)


def _chunk(end: int, result: Unified) -> None:
    """Identify and fold the dirty records up to a number, and before them what a run that was killed left to be folded."""
    with transaction() as connection:
        waiting = connection.execute(
            sa.text(
                """select (select count(*) from store.unfolded)
                        + (select coalesce(sum(n), 0) from (select coalesce(upto - record_id + 1, 1) as n from store.dirty
                                                            where seq <= :end limit :at_once + 1) d)"""
            ),
            {"end": end, "at_once": AT_ONCE},
        ).scalar_one()
    if waiting <= AT_ONCE:
        with _part() as connection:
            _whole(connection, end, result)
        return
    _fold_side_by_side(result)
    _refresh_statistics()
    beside = _Beside(end)
    try:
        with ThreadPoolExecutor(1) as pool:
            folding = pool.submit(beside.fold)
            beside.seen.wait()
            with _part() as connection:
                result.taken += _identify(connection, end, result, folding)
    finally:  # it has committed, whatever became of the rest
        result.include(beside.result)
    _fold_side_by_side(result)


#: The records that rows ``d`` of ``store.dirty`` speak of.
RECORDS = """select record_id, feed, fresh from {d} d where upto is null
union all
select r.id, d.feed, d.fresh from {d} d cross join lateral (
    select r.id from source.record r where r.id between d.record_id and d.upto and r.feed = d.feed offset 0) r
where d.upto is not null"""

#: Of the records that nobody knew before and that wait to be taken, those with rows of an entity; ``d`` as above, fresh.
_FRESH_OF = """select '{entity}' as entity, record_id from d
where upto is null and exists (select from {source} s where s.record_id = d.record_id)
union all
select '{entity}', s.record_id from d cross join lateral (
    select s.record_id from {source} s where s.record_id between d.record_id and d.upto and s.feed = d.feed offset 0) s
where d.upto is not null"""
_FRESH_ALONE = """create temp table due on commit drop as
with d as materialized (select * from store.dirty where seq <= :end and fresh)
select e.* from ({each}) e"""


class _Beside:
    """What depends on no case, project or code, of entities without a golden row yet, is folded while all else is identified.

    The records are not taken by it: they are by :func:`_identify`, which leaves them to be folded where they are not the very ones
    that were folded here. So it may end anywhere; what it has written is found again as it should be.
    """

    def __init__(self, end: int) -> None:
        self._end = end
        self.seen = Event()  #: the records are known; what is taken after this holds all of them
        self.result = Unified()

    def fold(self) -> dict[str, int]:
        """Entity → how many records were folded."""
        own = Unified()
        try:
            with _part() as connection:
                if not (empty := sorted(_empty(connection, set(ALONE)))):
                    return {}
                each = " union all ".join(
                    _FRESH_OF.format(entity=entity, source=tables.source_entity[entity].fullname) for entity in empty
                )
                connection.execute(sa.text(_FRESH_ALONE.format(each=each)), {"end": self._end})
                self.seen.set()
                connection.exec_driver_sql("analyze due")
                counts = connection.exec_driver_sql("select entity, count(distinct record_id) from due group by entity")
                folded = pairs(counts.all())
                for entity in folded:
                    rows = f"select record_id from due where entity = '{entity}'"
                    if fold.enroll(connection, entity, rows, empty=True):
                        own.add(entity, fold.publish(connection, entity, fold.standing(entity), empty=True))
                    own.spoke.update(_speaking(connection))
                    fold.forget(connection)
            self.result = own
            return folded
        finally:
            self.seen.set()


#: Tables that a load has made other than they were when they were last analysed, by counted rows or by size on disk.
_GROWN = """select quote_ident(s.schemaname) || '.' || quote_ident(s.relname)
from pg_stat_user_tables s join pg_class c on c.oid = s.relid
where s.schemaname in ('source', 'store') and s.relname like :tables
  and (s.n_mod_since_analyze > 1000 and s.n_mod_since_analyze > s.n_live_tup / 3
       or pg_relation_size(c.oid) / current_setting('block_size')::int > c.relpages * 4 / 3 + 20)"""


def _refresh_statistics(tables: str = "%") -> None:
    """Analyse what a load has made another table since it was last analysed: plans for an empty one take hours.

    What a session wrote is counted seconds after its commit, so that a table's size on disk is asked too: it is known at once.
    """
    with transaction() as connection:
        grown = connection.execute(sa.text(_GROWN), {"tables": tables}).scalars()
        tables_grown = list(grown)
    for table in tables_grown:
        with transaction() as connection:  # a sample of some thousand rows does until autovacuum takes its own
            connection.exec_driver_sql("set local default_statistics_target = 30")
            connection.exec_driver_sql(f"analyze {table}")


def _whole(connection: Connection, end: int, result: Unified) -> None:
    """Everything up to a number in the caller's transaction."""
    _settings(connection)
    _fold_all(connection, result)
    result.taken += _identify(connection, end, result)
    _fold_all(connection, result)


def _fold_all(connection: Connection, result: Unified) -> None:
    for entity in _waiting(connection):
        _fold(connection, result, entity)
    _without_golden(connection, result)


def _fold_side_by_side(result: Unified) -> None:
    with transaction() as connection:
        waiting = _waiting(connection)
        # no two parts have a golden row in common: what is empty before all of them is so for each
        empty = _empty(connection, {*waiting, "licence"})
    parts = _Parts(waiting)

    def work() -> Unified:
        own = Unified()
        while (one := parts.take()) is not None:
            _refresh_statistics("member")  # which the parts before it have filled, and each finds its rows by
            with _part() as connection:
                _fold(connection, own, *one, empty)
            parts.done(one)
        return own

    with ThreadPoolExecutor(WORKERS) as pool:
        done = [pool.submit(work) for _ in range(WORKERS)]
    for each in done:
        result.include(each.result())
    with _part() as connection:
        _without_golden(connection, result)


class _Parts:
    """What is to be folded, the longest first, taken by several threads: an entity, and which part of it.

    Licences follow the last part of the cases, before all that has no such wait: they are one part, and the last to end.
    """

    def __init__(self, waiting: dict[str, list[Part | None]]) -> None:
        self._left = deque((entity, part) for entity, parts in waiting.items() for part in parts)
        self._cases = cases if (cases := len(waiting.get("case", ()))) > 1 else 0
        self._lock = Lock()

    def take(self) -> tuple[str, Part | None] | None:
        """The next; None: there is none left that could begin."""
        with self._lock:
            return self._left.popleft() if self._left else None

    def done(self, one: tuple[str, Part | None]) -> None:
        """It has been committed."""
        with self._lock:
            if one[0] == "case" and self._cases:
                self._cases -= 1
                if not self._cases:
                    self._left.appendleft(("licence", None))


def _empty(connection: Connection, entities: set[str]) -> set[str]:
    """Which entities have no golden row yet, gone ones included."""
    return {
        entity
        for entity in entities
        if not connection.exec_driver_sql(f"select exists (select from {tables.golden[entity].fullname})").scalar()
    }


def _waiting(connection: Connection) -> dict[str, list[Part | None]]:
    """Entity → the parts into which its folding may be divided, None: it is one; cases, which licences follow, come first."""
    rows = connection.exec_driver_sql("select entity, count(*), count(part) from store.unfolded group by entity").all()
    found: dict[str, int] = {entity: count for entity, count, _ in rows}
    apart = {entity: own for entity, count, own in rows if own == count}
    waiting: dict[str, list[Part | None]] = {"case": [None]} if found.keys() & {"case", "licence"} else {}
    if apart.get("case", 0) > AT_ONCE // 2:
        parts = max(WORKERS, -(-apart["case"] // PART))
        waiting["case"] = [("part % :first = :last", parts, number) for number in range(parts)]
    for entity in fold.KEPT:
        if entity in found:
            waiting[entity] = _ranges(connection, entity, -(-found[entity] // PART))
    return waiting | {entity: [None] for entity in ALONE if entity in found}


def _ranges(connection: Connection, entity: str, parts: int) -> list[Part | None]:
    """So many ranges of the records of an entity that wait, each with as many: neighbours lie on the same pages."""
    if parts == 1:
        return [None]
    ends = connection.execute(
        sa.text(
            """select percentile_disc(cast(:shares as float8[])) within group (order by record_id)
               from store.unfolded where entity = :entity"""
        ),
        {"entity": entity, "shares": [number / parts for number in range(1, parts)]},
    ).scalar_one()
    return [("record_id > :first and record_id <= :last", *pair) for pair in pairwise([-1, *sorted(set(ends)), _LAST])]


#: Beyond every number of a dirty record.
_LAST = 2**62


def refold(apply: bool = False) -> Unified:
    """Take every record up again, so that every golden row is as the present rules of belief have it.

    Without ``apply`` nothing is written: what comes back says what would change, by entity and column.
    """
    with _by_itself(), engine().connect() as connection, connection.begin() as writing:
        before = connection.exec_driver_sql("select store.last_change()").scalar_one()
        connection.exec_driver_sql(
            """insert into store.dirty (record_id, feed, run_id)
               select id, feed, run_id from source.record where refused_at is null"""
        )
        result = Unified()
        _whole(connection, _LAST, result)
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


def _find_refused(error: sa.exc.DBAPIError, end: int) -> dict[int, str]:
    """Records among those up to a number, or that wait to be folded, that unify cannot take, by halves, each with what the
    database says.

    In a trial the records that are left out are hidden from the sources' tables too, so that none of them can disturb.

    :raises sa.exc.DBAPIError: ``error``, where it comes without any of the records, or of too many.
    """
    waiting = f"""select record_id from ({RECORDS.format(d="(select * from store.dirty where seq <= :end)")}) d
                  union select record_id from store.unfolded where record_id is not null"""
    accepted: list[int] = []
    refused: dict[int, str] = {}

    def refuses(records: list[int]) -> str | None:
        with engine().connect() as connection, connection.begin() as trial:
            try:
                connection.execute(
                    sa.text(
                        f"""create temp table hidden on commit drop as
                            select record_id from ({waiting}) w where record_id <> all(:kept)"""
                    ),
                    {"kept": accepted + records, "end": end},
                )
                for table in tables.source_entity.values():
                    connection.exec_driver_sql(
                        f"delete from {table.fullname} s using hidden h where s.record_id = h.record_id"
                    )
                _whole(connection, end, Unified())
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
        admit(list(connection.execute(sa.text(f"{waiting} order by 1"), {"end": end}).scalars()))
    return refused


#: Mark a record as refused and enter its version into quarantine; gives its feed and key.
_SET_ASIDE = """with aside as (
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


def _set_aside(connection: Connection, record: int, said: str) -> str:
    """Take a record's rows out of what unify, supervision and serving read; quarantine keeps the version and says why.

    Returns the record's feed and key.
    """
    for table in tables.source_entity.values():
        connection.execute(sa.delete(table).where(table.c.record_id == record))
    raw = connection.execute(sa.select(tables.record.c.raw).where(tables.record.c.id == record)).scalar_one()
    reasons = [{"code": "unify_refused", "message": f"归一时数据库拒收 the database refuses it in unify: {said}"}]
    return connection.execute(
        sa.text(_SET_ASIDE), {"record": record, "raw": rawrow.text(raw), "reasons": storable_json(reasons)}
    ).scalar_one()


#: Take the dirty records up to a number; one that changed several times stands in ``taken`` as often.
_TAKE_DIRTY = f"""with gone as (delete from store.dirty where seq <= :end returning record_id, upto, feed, fresh)
insert into taken {RECORDS.format(d="gone")}"""


#: Records that were unified before, with the id of what may hang on a case by the record's own place.
_KNOWN = """analyze taken;
create temp table known on commit drop as  -- with the id of what may hang on a case by the record's own place
select distinct t.record_id, r.feed || '|' || r.record_key || '|0' as id
from taken t join source.record r on r.id = t.record_id where not t.fresh;
analyze known"""


def _identify(connection: Connection, end: int, result: Unified, beside: Future[dict[str, int]] | None = None) -> int:
    """Take the dirty records up to a number as ``taken``, identify what they speak of, leave the rest to be folded.

    ``beside``: of how many records entities are being folded already.
    """
    connection.execute(
        sa.text(
            """create temp table taken (record_id bigint, feed text, fresh boolean) on commit drop;
               create temp table changed (entity text, id text) on commit drop"""
        )
    )
    taken = 0
    if connection.execute(sa.text(_TAKE_DIRTY), {"end": end}).rowcount:
        taken = connection.exec_driver_sql("select count(distinct record_id) from taken").scalar_one()
        connection.exec_driver_sql(_KNOWN)
        codes_changed = _publish_first(connection, result)
        identity.cluster(connection, codes_changed=codes_changed)
        _leave(connection, beside.result() if beside else {})
        connection.exec_driver_sql("drop table applicant, moved_project, changed_code, moved, known")
    connection.exec_driver_sql("drop table taken, changed")
    return taken


#: Every code that means a project which changed.
_MOVED_PROJECTS = """create temp table moved_project on commit drop as  -- every code that means a project which changed
select id as code from changed where entity = 'project'
union select a.alias from store.project_alias a join changed c on c.entity = 'project' and c.id = a.project_id;
analyze moved_project; analyze applicant; analyze changed; analyze changed_code"""


#: Records that have rows of an entity now, and those whose rows of it are members already.
_RECORDS_OF = """select record_id from taken t where exists (select from {source} s where s.record_id = t.record_id)
union all
select record_id from known k
where exists (select from store.member m where m.entity = '{entity}' and m.record_id = k.record_id)"""


def _publish_first(connection: Connection, result: Unified) -> bool:
    """What all else speaks of: catalogue, projects, enterprises, works. True where a code means something else now."""
    connection.exec_driver_sql(
        """create temp table applicant (applicant_uscc text) on commit drop;  -- who applies, before and after
           create temp table changed_code (code text) on commit drop"""
    )
    codes_changed = False
    for entity in FIRST:
        rows = _RECORDS_OF.format(entity=entity, source=tables.source_entity[entity].fullname)
        if not connection.exec_driver_sql(f"select exists ({rows})").scalar():
            continue
        if entity == "project":
            rows += " union all " + fold.quoting(entity)
        if fold.enroll(connection, entity, rows):
            if entity == "project":
                connection.exec_driver_sql(
                    "insert into applicant select p.applicant_uscc from touched join store.project p using (id)"
                )
            result.add(entity, fold.publish(connection, entity, fold.standing(entity)))
            result.spoke.update(_speaking(connection))
            if entity == "project":
                connection.exec_driver_sql("insert into applicant select applicant_uscc from folded")
            if entity == "item":
                codes_changed = identity.rebuild_item_codes(connection)
        fold.forget(connection)
    connection.exec_driver_sql(_MOVED_PROJECTS)
    return codes_changed


def _speaking(connection: Connection) -> list[str]:
    """Feeds of whose records some speak of a golden row."""
    return list(connection.exec_driver_sql("select distinct feed from come").scalars())


#: What of an entity is to be folded: records taken that have rows of it, known ones whose rows were of it, and ``also``.
_LEAVE = """insert into store.unfolded (entity, record_id, fresh, part)
select :entity, record_id, bool_and(fresh), {number} from (
    select t.record_id, t.fresh from taken t
    where exists (select from {source} s where s.record_id = t.record_id)
    union all
    select k.record_id, false from known k where exists ({was})
    {also}) rows {of_number}
group by record_id"""


#: Of how many of ``taken`` there are rows of an entity, and whether none of them was known before.
_OF_ENTITY = """select count(distinct record_id), bool_and(fresh) from taken t
where exists (select from {source} s where s.record_id = t.record_id)"""


def _leave(connection: Connection, folded: dict[str, int]) -> None:
    """Write into ``store.unfolded`` what of ``taken``, and of what it moved, is to be folded.

    ``folded``: of how many records, all of them among ``taken``, an entity's rows are folded already.
    """
    connection.exec_driver_sql("insert into store.unfolded (entity, id) select distinct 'feed', feed from taken")
    for entity in ("case", *fold.KEPT, "licence", *ALONE):
        source = tables.source_entity[entity].fullname
        if entity in folded and connection.exec_driver_sql(_OF_ENTITY.format(source=source)).one() == (
            folded[entity],
            True,
        ):
            continue
        was = "select from store.member m where m.entity = :entity and m.record_id = k.record_id"
        if entity in fold.KEPT:
            was += f" union all select from store.{entity} g where g.id = k.id and g.gone_at is null"
        also = []
        if entity in fold.OF_CASES or entity == "licence":
            also.append(
                f"select s.record_id, false from {source} s join moved m using (channel, case_no) where m.was is not null"
            )
        if entity == "licence":
            also += [
                f"""select s.record_id, false from {source} s where {column} in ({asked})
                    and exists (select from store.member m where m.entity = 'licence' and m.record_id = s.record_id)"""
                for column, asked in (
                    ("project_code", "select code from moved_project"),
                    ("engineering_code", "select id from changed where entity = 'engineering'"),
                    ("type_code", "select code from changed_code"),
                    ("item_code", "select code from changed_code"),
                )
            ]
        number, of_number = "null", ""
        if (
            entity == "case"
        ):  # a record that was not known before and speaks of one case alone may be folded beside others
            number = "case when bool_and(fresh) and min(n.case_id) = max(n.case_id) then hashtext(min(n.case_id)) & 2147483647 end"
            of_number = """left join source."case" s using (record_id)
                           left join store.case_member n on n.channel = s.channel and n.case_no = s.case_no"""
        connection.execute(
            sa.text(
                _LEAVE.format(
                    number=number,
                    source=source,
                    was=was,
                    also=" ".join("union all " + rows for rows in also),
                    of_number=of_number,
                )
            ),
            {"entity": entity},
        )
    _leave_cases(connection)


#: Cases to resolve again: a code, project, work or applicant that they name has changed, or an event may give their day of receipt.
_LEAVE_CASES = """insert into store.unfolded (entity, id)
select 'case', m.id
from (select record_id, ord from source."case" where project_code in (select code from moved_project)
      union select record_id, ord from source."case"
            where engineering_code in (select id from changed where entity = 'engineering')
      union select record_id, ord from source."case" where item_code in (select code from changed_code)
      union select record_id, ord from source."case"
            where applicant_id in (select applicant_uscc from applicant) and exists (select from moved_project)) s
join store.member m on m.entity = 'case' and m.record_id = s.record_id and m.ord = s.ord
where not exists (select from taken t where t.record_id = s.record_id)
union
select 'case', c.id
from taken join source.case_event e using (record_id)
join store.case_member m on m.channel = e.channel and m.case_no = e.case_no
join store."case" c on c.id = m.case_id and coalesce(c.submitted_at, c.accepted_at, c.concluded_at) is null"""


def _leave_cases(connection: Connection) -> None:
    """Cases to resolve again because a code, a project, a work or an applicant that one of their rows names has changed, or
    because their day of receipt is that of an event."""
    connection.exec_driver_sql(_LEAVE_CASES)


#: Take what is left to be folded of these entities, or a part of it.
_TAKE_UNFOLDED = """with gone as (
    delete from store.unfolded where entity = any(:entities) and {these} returning entity, record_id, id, fresh)
insert into due select * from gone"""


def _fold(
    connection: Connection,
    result: Unified,
    entity: str,
    part: Part | None = None,
    empty: Collection[str] = (),
) -> None:
    """Bring golden rows up to date, in the caller's transaction: of cases and licences, or of some cases alone, whose licences
    are left to be folded; of an entity whose rows stand each for itself, of a part of its records; of another.

    ``empty``: entities without a golden row.
    """
    entities = ["case", "licence"] if entity == "case" and part is None else [entity]
    connection.exec_driver_sql(
        """create temp table due (entity text, record_id bigint, id text, fresh boolean) on commit drop;
           create temp table if not exists changed (entity text, id text) on commit drop"""
    )
    these, first, last = part or ("true", 0, 0)
    taking = {"entities": entities} | ({"first": first, "last": last} if part else {})
    connection.execute(sa.text(_TAKE_UNFOLDED.format(these=these)), taking)
    connection.exec_driver_sql("analyze due")
    if entity == "case":
        result.add("case", resolve.cases(connection, empty="case" in empty))
        result.spoke.update(_speaking(connection))
        fold.forget(connection)
        if part is not None:
            connection.exec_driver_sql(
                f"insert into store.unfolded (entity, record_id) select 'licence', record_id from ({resolve.LICENCES_OF_CASES}) l"
            )
    if "licence" in entities:
        result.add("licence", resolve.licences(connection, empty="licence" in empty))
        result.spoke.update(_speaking(connection))
    if entity in fold.KEPT:
        result.add(entity, fold.keep(connection, entity, empty=entity in empty))
        result.spoke.update(connection.exec_driver_sql("select distinct feed from folded").scalars())
    if entity in ALONE:
        own = entity in empty
        if fold.enroll(connection, entity, "select record_id from due", empty=own):
            result.add(entity, fold.publish(connection, entity, fold.standing(entity), empty=own))
        result.spoke.update(_speaking(connection))
    fold.forget(connection)
    connection.exec_driver_sql("drop table due, changed")


#: Feeds with standing records of which none makes a golden row.
_UNFOUNDED = """create temp table unfounded on commit drop as
select f.feed, cast(null as text) as record, 'no record of the feed makes a golden row' as detail
from unnest(cast(:feeds as text[])) f(feed)
where exists (select from source.record r where r.feed = f.feed and r.tombstoned_at is null and r.refused_at is null)
  and not exists (select from source.record r cross join lateral ({speaks} limit 1) found where r.feed = f.feed)"""


def _without_golden(connection: Connection, result: Unified) -> None:
    """Feeds whose records stand and make no golden row: a code that nobody founds, an entity that nothing folds."""
    asked = set(connection.exec_driver_sql("delete from store.unfolded where entity = 'feed' returning id").scalars())
    if not (silent := sorted(asked - result.spoke)):
        return
    # record by record until one is found that does: no table is read from end to end
    speaks = " union all ".join(
        [
            "(select from store.member m where m.record_id = r.id limit 1)",
            *(
                f"""(select from store.{entity} g
                     where g.id = r.feed || '|' || r.record_key || '|0' and g.gone_at is null limit 1)"""
                for entity in fold.KEPT
            ),
        ]
    )
    connection.execute(sa.text(_UNFOUNDED.format(speaks=speaks)), {"feeds": silent})
    issues.add(connection, "no_golden_row", "entity", "unfounded")
    result.without_golden = sorted(
        {*result.without_golden, *connection.exec_driver_sql("select feed from unfounded").scalars()}
    )
    connection.exec_driver_sql("drop table unfounded")
