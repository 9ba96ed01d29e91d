"""The ledger of findings: what opens, stays, closes, opens again; and the clocks and stages of the day.

One finding a key (rule, project, item, case), whose id is computed from the key. Set-based: what was judged goes into
temporary tables and is compared with the ledger in one transaction, so that a run that dies leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError
from store import clockwatch
from store.engine import lock_key, transaction
from supervision import items
from supervision.judge import Judged, Rules, in_chunks, judge
from supervision.read import frame

SYSTEM = "系统"
_CLOCK = [
    "case_id",
    "case_no",
    "project_code",
    "item_code",
    "received_at",
    "accepted_at",
    "acceptance_on",
    "deemed",
    "ended_at",
    "end_event",
    "used_promised",
    "used_statutory",
    "due_promised",
    "due_statutory",
    "promised_limit",
    "promised_unit",
    "statutory_limit",
    "statutory_unit",
    "paused",
    "suspended",
    "provisional",
    "light",
]


@dataclass(slots=True)
class Supervised:
    """What a run did."""

    as_of: date
    whole: bool
    projects: int
    cases: int
    opened: int = 0
    reopened: int = 0
    closed: int = 0
    not_judged: dict[str, int] = field(default_factory=dict)


def finding_id(rule: str, project_code: str, item_code: str, case_no: str) -> str:
    """A finding's number: the same key gives the same number, in every run and every store."""
    return "F" + hashlib.sha256("|".join((rule, project_code, item_code, case_no)).encode()).hexdigest()[:15]


def supervise(as_of: date | None = None, *, whole: bool = False) -> Supervised:
    """Judge what changed since the last run — the whole city on a new day — and bring the ledger up to date.

    :raises ConfigurationError: ``as_of`` lies before the day last judged: the ledger's past is not rewritten.
    """
    if as_of is None:
        clockwatch.require()
        as_of = clock.today()
    with transaction() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("supervise", ""))))
        last = connection.exec_driver_sql(
            "select as_of, change_seq from supervision.run order by id desc limit 1"
        ).first()
        # a ledger that a wrong clock judged beyond the present comes back to it, and is judged whole
        beyond = last is not None and last.as_of > clockwatch.present(connection).date()
        if last and as_of < last.as_of and not beyond:
            raise ConfigurationError(
                f"the ledger was judged as of {last.as_of}, it does not go back to {as_of}",
                remedy="look at a past day with onemap findings --as-of",
                zh=f"台账已判定至 {last.as_of}，不能回写 {as_of}；查看过往日期请用 onemap findings --as-of。",
            )
        # rows of transactions still running may come with a lower number: those are left for the next run
        seq = connection.exec_driver_sql(
            """select coalesce(max(seq), 0) from store.change
               where xid < (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint"""
        ).scalar_one()
        whole = whole or last is None or as_of != last.as_of
        projects = None if whole else _changed_projects(connection, last.change_seq, seq)
        whole = projects is None
        result = Supervised(as_of, whole, 0, 0)
        if whole or projects:
            for judged in in_chunks(connection, as_of, projects):
                _write(connection, judged, result)
        connection.execute(
            sa.text(
                """insert into supervision.run (as_of, ended_at, change_seq, whole, projects, cases, opened, reopened, closed, not_judged)
                   values (:as_of, clock_timestamp(), :seq, :whole, :projects, :cases, :opened, :reopened, :closed,
                           (select coalesce(jsonb_object_agg(rule, n), '{}') from
                            (select rule, count(*) as n from supervision.waiting group by rule) w))"""
            ),
            {
                "as_of": as_of,
                "seq": seq,
                "whole": whole,
                "projects": result.projects,
                "cases": result.cases,
                "opened": result.opened,
                "reopened": result.reopened,
                "closed": result.closed,
            },
        )
        rows = connection.exec_driver_sql("select rule, count(*) from supervision.waiting group by rule")
        result.not_judged = {rule: count for rule, count in rows}
        return result


def _changed_projects(connection: Connection, since: int, until: int) -> list[str] | None:
    """Projects that the changes touch; None: the catalogue changed, so everything is judged."""
    parameters = {"since": since, "until": until}
    changes = "select distinct entity, entity_id from store.change where seq > :since and seq <= :until"
    if connection.execute(
        sa.text(f"select exists (select from ({changes}) c where entity = 'item')"), parameters
    ).scalar():
        return None
    rows = connection.execute(
        sa.text(
            f"""with c as materialized ({changes}),
                    cases as (select entity_id as id from c where entity = 'case'
                              union select e.case_id from store.case_event e join c on c.entity = 'case_event' and c.entity_id = e.id),
                    boxes as (select geom_box from store.change_polygon p join c on c.entity = 'change_polygon' and c.entity_id = p.id
                              union all select geom_box from store.scene s join c on c.entity = 'scene' and c.entity_id = s.id
                              union all select geom_box from store.redline r join c on c.entity = 'redline' and c.entity_id = r.id)
               select distinct coalesce(code, '') from (
                   select entity_id as code from c where entity = 'project'
                   -- same owner: which project is the one of a name may have changed
                   union all select o.id from c join store.project p on c.entity = 'project' and p.id = c.entity_id
                             join store.project o on o.applicant_uscc = p.applicant_uscc
                   union all select k.project_code from cases join store."case" k using (id)
                   union all select f.project_code from cases join supervision.finding f on f.case_id = cases.id
                   union all select l.project_code from store.licence l join c on c.entity = 'licence' and c.entity_id = l.id
                   union all select l.project_code from store.land_approval l join c on c.entity = 'land_approval' and c.entity_id = l.id
                   union all select r.project_code from store.redline r join boxes on r.geom_box && boxes.geom_box
                   union all select l.project_code from store.land_approval l join boxes on l.geom_box && boxes.geom_box
                   -- a number that became known mends a broken reference elsewhere, one that is gone breaks some
                   union all select f.project_code from supervision.finding f
                             where f.rule = 'C14' and f.state in ('open', 'confirmed')
                               and exists (select from c where entity in ('licence', 'case', 'land_approval'))
                   union all select l.project_code from store.licence l
                             where coalesce(l.quotes_land, l.quotes_planning, l.quotes_drawing) is not null
                               and exists (select from store.change g
                                           where g.seq > :since and g.seq <= :until and g.entity in ('licence', 'case', 'land_approval')
                                             and (g.op = 'DEL' or g.columns && array['number', 'licence_no', 'approval_no']))
                   -- what waited for data may be judged now
                   union all select w.project_code from supervision.waiting w) t"""
        ),
        parameters,
    )
    return [row[0] for row in rows]


def _write(connection: Connection, judged: Judged, result: Supervised) -> None:
    result.projects += judged.standing.projects.height
    result.cases += judged.facts.cases.height
    _write_clocks(connection, judged)
    _write_standing(connection, judged)
    items.write(connection, judged)
    _write_findings(connection, judged, result)


def _load(connection: Connection, name: str, rows: pl.DataFrame, columns: str) -> None:
    """A temporary table ``name(columns)`` filled from a frame by COPY."""
    connection.exec_driver_sql(f"drop table if exists {name}; create temp table {name} ({columns}) on commit drop")
    if rows.is_empty():
        return
    raw = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"copy {name} from stdin (format csv)") as copy:
        copy.write(rows.write_csv(include_header=False).encode())
    connection.exec_driver_sql(f"analyze {name}")


def _write_clocks(connection: Connection, judged: Judged) -> None:
    rows = judged.facts.cases.select(_CLOCK)
    connection.exec_driver_sql(
        "drop table if exists clock_new; create temp table clock_new (like supervision.clock) on commit drop"
    )
    connection.exec_driver_sql("alter table clock_new alter as_of drop not null")
    if not rows.is_empty():
        raw = connection.connection.driver_connection
        with (
            raw.cursor() as cursor,
            cursor.copy(f"copy clock_new ({', '.join(_CLOCK)}) from stdin (format csv)") as copy,
        ):
            copy.write(rows.write_csv(include_header=False).encode())
    others = [name for name in _CLOCK if name != "case_id"]
    connection.execute(
        sa.text(
            f"""insert into supervision.clock as k (as_of, {", ".join(_CLOCK)})
                select :as_of, {", ".join(_CLOCK)} from clock_new
                on conflict (case_id) do update set as_of = excluded.as_of, {", ".join(f"{c} = excluded.{c}" for c in others)}
                where ({", ".join(f"k.{c}" for c in others)}) is distinct from ({", ".join(f"excluded.{c}" for c in others)})"""
        ),
        {"as_of": judged.as_of},
    )
    connection.exec_driver_sql("create index on clock_new (case_id); analyze clock_new")
    connection.exec_driver_sql(
        """delete from supervision.clock k using scope s
           where k.project_code = s.project_code and not exists (select from clock_new n where n.case_id = k.case_id);
           delete from supervision.clock k
           where k.project_code is null and exists (select from scope where project_code = '')
             and not exists (select from clock_new n where n.case_id = k.case_id)"""
    )


def _write_standing(connection: Connection, judged: Judged) -> None:
    stages = judged.standing.stages.select("project_code", "stage", "stage_name", "state", "completed_at")
    _load(
        connection,
        "stage_new",
        stages,
        "project_code text, stage integer, stage_name text, state text, completed_at timestamp",
    )
    connection.execute(
        sa.text(
            """insert into supervision.stage_state as s (project_code, stage, stage_name, state, completed_at, as_of)
               select project_code, stage, stage_name, state, completed_at, :as_of from stage_new
               on conflict (project_code, stage) do update set stage_name = excluded.stage_name, state = excluded.state,
                   completed_at = excluded.completed_at, as_of = excluded.as_of
               where (s.state, s.completed_at) is distinct from (excluded.state, excluded.completed_at)"""
        ),
        {"as_of": judged.as_of},
    )
    items = judged.standing.current.group_by("project_code", maintain_order=True).agg(
        pl.struct(
            "item_code",
            "item_name",
            "stage",
            "turn",
            "department",
            "department_code",
            pl.col("has_open_case").alias("open"),
        ).alias("items")
    )
    positions = judged.standing.projects.join(items, on="project_code", how="left").select(
        "project_code",
        "current_stage",
        "finished",
        pl.struct("items").struct.json_encode().alias("current_items"),
    )
    _load(
        connection,
        "position_new",
        positions,
        "project_code text, current_stage integer, finished boolean, current_items jsonb",
    )
    connection.execute(
        sa.text(
            """insert into supervision.position as p (project_code, current_stage, finished, current_items, as_of)
               select project_code, current_stage, finished,
                      case when jsonb_typeof(current_items -> 'items') = 'array' then current_items -> 'items' else '[]' end, :as_of
               from position_new
               on conflict (project_code) do update set current_stage = excluded.current_stage, finished = excluded.finished,
                   current_items = excluded.current_items, as_of = excluded.as_of
               where (p.current_stage, p.finished, p.current_items)
                     is distinct from (excluded.current_stage, excluded.finished, excluded.current_items)"""
        ),
        {"as_of": judged.as_of},
    )
    for table in ("stage_state", "position"):
        connection.exec_driver_sql(
            f"""delete from supervision.{table} t where t.project_code in (select project_code from scope)
                and not exists (select from store.project p where p.id = t.project_code and p.gone_at is null)"""
        )


def _write_findings(connection: Connection, judged: Judged, result: Supervised) -> None:
    key = ["rule", "project_code", "item_code", "case_no"]
    ids = [finding_id(*row) for row in judged.findings.select(key).iter_rows()]
    rows = judged.findings.with_columns(
        pl.Series("id", ids, dtype=pl.String),
        pl.struct("evidence").struct.json_encode().alias("evidence"),
        pl.struct("waits_for").struct.json_encode().alias("waits_for"),
    ).select(
        "id",
        *key,
        "case_id",
        "level",
        "kind",
        "severity",
        "department_code",
        "department_name",
        "text",
        "evidence",
        "waits_for",
    )
    _load(
        connection,
        "judged",
        rows,
        """id text, rule text, project_code text, item_code text, case_no text, case_id text, level text, kind text, severity smallint,
           department_code text, department_name text, text text, evidence jsonb, waits_for jsonb""",
    )
    for column in ("project_code", "item_code", "case_no"):  # COPY reads an empty field as null
        connection.exec_driver_sql(f"update judged set {column} = '' where {column} is null")
    connection.exec_driver_sql(
        """delete from supervision.waiting w where w.project_code in (select project_code from scope);
           drop table if exists fires;
           create temp table fires on commit drop as
           with ref as (select j.id as finding, r.ref, split_part(r.ref, ' ', 1) as kind, substr(r.ref, strpos(r.ref, ' ') + 1) as row_id
                        from judged j cross join lateral jsonb_array_elements_text(
                            case when jsonb_typeof(j.evidence -> 'evidence') = 'array' then j.evidence -> 'evidence' else '[]' end) r(ref)
                        where jsonb_array_length(j.waits_for -> 'waits_for') = 0),
                told as (
                    select ref.finding, ref.ref, c.provenance,
                           sha256(c.content_hash || coalesce((select string_agg(v.content_hash, '' order by v.id) from store.case_event v
                                                              where v.case_id = c.id and v.gone_at is null), '')) as hash
                    from ref join store."case" c on c.id = ref.row_id where ref.kind = 'case' and c.gone_at is null
                    union all
                    select ref.finding, ref.ref, l.provenance, l.content_hash from ref join store.licence l on l.id = ref.row_id where ref.kind = 'licence'
                    union all
                    select ref.finding, ref.ref, a.provenance, a.content_hash from ref join store.land_approval a on a.id = ref.row_id
                    where ref.kind = 'land_approval'
                    union all
                    select ref.finding, ref.ref, y.provenance, y.content_hash from ref join store.change_polygon y on y.id = ref.row_id
                    where ref.kind = 'change_polygon'
                    union all
                    select ref.finding, ref.ref, p.provenance, p.content_hash from ref join store.project p on p.id = ref.row_id where ref.kind = 'project'),
                rows as (
                    select ref.finding,
                           jsonb_agg(jsonb_build_object('row', ref.ref, 'sources',
                                     (select jsonb_agg(distinct x) from jsonb_each_text(told.provenance) p(k, x))) order by ref.ref) as rows,
                           string_agg(ref.ref || encode(coalesce(told.hash, ''), 'hex'), ',' order by ref.ref) as content
                    from ref left join told using (finding, ref) group by ref.finding)
           select j.*, coalesce(r.rows, '[]') as evidence_rows, sha256(convert_to(coalesce(r.content, ''), 'UTF8')) as evidence_hash
           from judged j left join rows r on r.finding = j.id
           where jsonb_array_length(j.waits_for -> 'waits_for') = 0;
           create index on fires (id); create index on judged (id); analyze fires"""
    )
    parameters = {"as_of": judged.as_of, "by": SYSTEM}
    connection.execute(
        sa.text(
            """insert into supervision.waiting (rule, project_code, item_code, case_no, waits_for, text, as_of)
               select rule, project_code, item_code, case_no, array(select jsonb_array_elements_text(waits_for -> 'waits_for')), text, :as_of
               from judged where jsonb_array_length(waits_for -> 'waits_for') > 0"""
        ),
        parameters,
    )
    result.opened += connection.execute(
        sa.text(
            """with come as (
                   insert into supervision.finding (id, rule, project_code, item_code, case_no, case_id, level, kind, severity, department_code,
                       department_name, text, evidence, evidence_hash, opened_on, judged_on)
                   select id, rule, project_code, item_code, case_no, case_id, level, kind, severity, department_code, department_name, text,
                       evidence_rows, evidence_hash, :as_of, :as_of from fires
                   on conflict do nothing returning id, level, kind)
               insert into supervision.finding_event (finding_id, as_of, event, by, why)
               select id, :as_of, 'opened', :by, coalesce(level, kind) from come"""
        ),
        parameters,
    ).rowcount
    result.reopened += connection.execute(
        sa.text(
            """with again as (
                   update supervision.finding f set state = 'open', opened_on = :as_of, opened_at = now(), closed_on = null, closed_at = null,
                       decided_by = null, decided_at = null, decision_note = null
                   from fires j
                   where j.id = f.id and (f.state = 'closed' or (f.state = 'lifted' and f.evidence_hash <> j.evidence_hash))
                   returning f.id)
               insert into supervision.finding_event (finding_id, as_of, event, by) select id, :as_of, 'reopened', :by from again"""
        ),
        parameters,
    ).rowcount
    connection.execute(
        sa.text(
            """with risen as (
                   select f.id, f.level as was, j.level from supervision.finding f join fires j using (id)
                   where f.state in ('open', 'confirmed') and f.level is distinct from j.level and f.judged_on <= :as_of)
               insert into supervision.finding_event (finding_id, as_of, event, by, why)
               select id, :as_of, 'level', :by, coalesce(was, '') || ' → ' || coalesce(level, '') from risen"""
        ),
        parameters,
    )
    connection.execute(
        sa.text(
            """update supervision.finding f set level = j.level, kind = j.kind, severity = j.severity, case_id = j.case_id,
                   department_code = j.department_code, department_name = j.department_name, text = j.text, evidence = j.evidence_rows,
                   evidence_hash = j.evidence_hash, judged_on = :as_of
               from fires j
               where j.id = f.id and f.state in ('open', 'confirmed')
                 and (f.level, f.kind, f.severity, f.department_code, f.text, f.evidence_hash)
                     is distinct from (j.level, j.kind, j.severity, j.department_code, j.text, j.evidence_hash)"""
        ),
        parameters,
    )
    result.closed += connection.execute(
        sa.text(
            """with gone as (
                   update supervision.finding f set state = 'closed', closed_on = :as_of, closed_at = now(), judged_on = :as_of
                   where f.state in ('open', 'confirmed') and not exists (select from judged j where j.id = f.id)
                     and coalesce((select coalesce(c.project_code, '') from store."case" c where c.id = f.case_id and c.gone_at is null),
                                  f.project_code) in (select project_code from scope)
                   returning f.id)
               insert into supervision.finding_event (finding_id, as_of, event, by, why)
               select id, :as_of, 'closed', :by, '数据已不再支持' from gone"""
        ),
        parameters,
    ).rowcount


def decide(finding: str, verdict: str, *, by: str, note: str) -> None:
    """A person's word: ``confirmed``, or ``lifted`` (a false alarm, silent until its evidence changes).

    :raises ConfigurationError: no open finding of that id, or another verdict.
    """
    if verdict not in ("confirmed", "lifted"):
        raise ConfigurationError(
            f"verdict {verdict!r}", remedy="confirmed or lifted", zh="结论只能是 confirmed 或 lifted。"
        )
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                """with f as (
                       update supervision.finding set state = :verdict, decided_by = :by, decided_at = now(), decision_note = :note
                       where id = :id and state in ('open', 'confirmed') returning id, judged_on)
                   insert into supervision.finding_event (finding_id, as_of, event, by, why)
                   select id, judged_on, :verdict, :by, :note from f"""
            ),
            {"id": finding, "verdict": verdict, "by": by, "note": note},
        ).rowcount
        if not done:
            raise ConfigurationError(
                f"no open finding {finding}", remedy="see onemap findings", zh=f"没有待核的发现 {finding}。"
            )


_LISTED = {
    "id": pl.String,
    "rule": pl.String,
    "project_code": pl.String,
    "item_code": pl.String,
    "case_no": pl.String,
    "level": pl.String,
    "kind": pl.String,
    "severity": pl.Int8,
    "state": pl.String,
    "opened": pl.Date,
    "closed": pl.Date,
    "decided": pl.Date,
    "department_code": pl.String,
    "department_name": pl.String,
    "text": pl.String,
}


def listed(ids: Iterable[str] | None = None) -> pl.DataFrame:
    """Every finding of the ledger, whatever its state; or those of some ids."""
    with transaction() as connection:
        connection.exec_driver_sql("create temp table asked (id text primary key) on commit drop")
        if ids is not None:
            connection.exec_driver_sql("insert into asked select distinct unnest(%(ids)s::text[])", {"ids": list(ids)})
        return frame(
            connection,
            f"""select id, rule, project_code, item_code, case_no, level, kind, severity, state, opened_on, closed_on,
                       (decided_at at time zone 'Asia/Shanghai')::date, department_code, department_name, text
                from supervision.finding {"" if ids is None else "join asked using (id)"}
                order by project_code, rule, item_code, case_no""",
            _LISTED,
        )


def on_day(as_of: date, by: Rules | None = None, projects: list[str] | None = None) -> Judged:
    """Everything judged as of any day, by any rules, written nowhere."""
    with transaction() as connection:
        return judge(connection, as_of, projects, by)
