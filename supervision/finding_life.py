"""The life of findings: what opens, stays, rises, closes, opens again. One finding a key (rule, project, item, case)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.engine import transaction
from supervision.scratch import load

if TYPE_CHECKING:  # whoever only lists what the ledger has need not read the rules
    from supervision.judge import Judged

SYSTEM = "系统"
#: What fires now, as ``fires``: each finding that may be judged with its evidence rows, their sources and a hash of what they say.
FIRES = """
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

#: What waits for data, and for which feeds, as rows of ``supervision.waiting``; a finding too that stands and is not acted on yet.
WAITING = """
    select rule, project_code, item_code, case_no,
           array(select jsonb_array_elements_text(waits_for -> 'waits_for') union select jsonb_array_elements_text(waits_for -> 'unseen')
                 order by 1) as waits_for, silent_since, text, cast(:as_of as date) as as_of
    from judged where jsonb_array_length(waits_for -> 'waits_for') + jsonb_array_length(waits_for -> 'unseen') > 0"""

#: What waited in the scope before.
FORGET = "delete from supervision.waiting w where w.project_code in (select project_code from scope)"
WAIT = f"""
    insert into supervision.waiting (rule, project_code, item_code, case_no, waits_for, silent_since, text, as_of) {WAITING}"""

#: A finding whose key is new opens.
OPEN = """
    with come as (
        insert into supervision.finding (id, rule, project_code, item_code, case_no, case_id, level, kind, severity, department_code,
            department_name, text, evidence, evidence_hash, opened_on, judged_on)
        select id, rule, project_code, item_code, case_no, case_id, level, kind, severity, department_code, department_name, text,
            evidence_rows, evidence_hash, :as_of, :as_of from fires
        on conflict do nothing returning id, level, kind)
    insert into supervision.finding_event (finding_id, as_of, event, by, why)
    select id, :as_of, 'opened', :by, coalesce(level, kind) from come"""

#: A closed one that fires again opens again; a lifted one only when its evidence has changed.
REOPEN = """
    with again as (
        update supervision.finding f set state = 'open', opened_on = :as_of, opened_at = now(), closed_on = null, closed_at = null,
            decided_by = null, decided_at = null, decision_note = null
        from fires j
        where j.id = f.id and (f.state = 'closed' or (f.state = 'lifted' and f.evidence_hash <> j.evidence_hash))
        returning f.id)
    insert into supervision.finding_event (finding_id, as_of, event, by) select id, :as_of, 'reopened', :by from again"""

#: A level that changed is an event of the finding.
RISE = """
    with risen as (
        select f.id, f.level as was, j.level from supervision.finding f join fires j using (id)
        where f.state in ('open', 'confirmed') and f.level is distinct from j.level and f.judged_on <= :as_of)
    insert into supervision.finding_event (finding_id, as_of, event, by, why)
    select id, :as_of, 'level', :by, coalesce(was, '') || ' → ' || coalesce(level, '') from risen"""

#: What a standing finding says follows what was judged.
UPDATE = """
    update supervision.finding f set level = j.level, kind = j.kind, severity = j.severity, case_id = j.case_id,
        department_code = j.department_code, department_name = j.department_name, text = j.text, evidence = j.evidence_rows,
        evidence_hash = j.evidence_hash, judged_on = :as_of
    from fires j
    where j.id = f.id and f.state in ('open', 'confirmed')
      and (f.level, f.kind, f.severity, f.department_code, f.text, f.evidence_hash)
          is distinct from (j.level, j.kind, j.severity, j.department_code, j.text, j.evidence_hash)"""

#: A standing finding of the scope that neither fires nor waits closes: the data no longer support it.
CLOSE = """
    with gone as (
        update supervision.finding f set state = 'closed', closed_on = :as_of, closed_at = now(), judged_on = :as_of
        where f.state in ('open', 'confirmed') and not exists (select from judged j where j.id = f.id)
          and coalesce((select coalesce(c.project_code, '') from store."case" c where c.id = f.case_id and c.gone_at is null),
                       f.project_code) in (select project_code from scope)
        returning f.id)
    insert into supervision.finding_event (finding_id, as_of, event, by, why)
    select id, :as_of, 'closed', :by, '数据已不再支持' from gone"""


def finding_id(rule: str, project_code: str, item_code: str, case_no: str) -> str:
    """A finding's number: the same key gives the same number, in every run and every store."""
    return "F" + hashlib.sha256("|".join((rule, project_code, item_code, case_no)).encode()).hexdigest()[:15]


def stage(connection: Connection, judged: Judged) -> None:
    """Put what was judged into the temporary tables ``judged`` and ``fires`` (:data:`FIRES`)."""
    key = ["rule", "project_code", "item_code", "case_no"]
    ids = [finding_id(*row) for row in judged.findings.select(key).iter_rows()]
    rows = judged.findings.with_columns(
        pl.Series("id", ids, dtype=pl.String),
        pl.struct("evidence").struct.json_encode().alias("evidence"),
        pl.struct("waits_for", "unseen").struct.json_encode().alias("waits_for"),
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
        "silent_since",
    )
    load(
        connection,
        "judged",
        rows,
        """id text, rule text, project_code text, item_code text, case_no text, case_id text, level text, kind text, severity smallint,
           department_code text, department_name text, text text, evidence jsonb, waits_for jsonb,
           silent_since timestamp""",
    )
    for column in ("project_code", "item_code", "case_no"):  # COPY reads an empty field as null
        connection.exec_driver_sql(f"update judged set {column} = '' where {column} is null")
    connection.exec_driver_sql(FIRES)


def write_findings(connection: Connection, judged: Judged) -> tuple[int, int, int]:
    """Bring the findings of the scope up to what was judged. Returns how many opened, opened again and closed."""
    stage(connection, judged)
    parameters = {"as_of": judged.as_of, "by": SYSTEM}
    connection.exec_driver_sql(FORGET)
    connection.execute(
        sa.text(WAIT),
        parameters,
    )
    opened = connection.execute(
        sa.text(OPEN),
        parameters,
    ).rowcount
    reopened = connection.execute(
        sa.text(REOPEN),
        parameters,
    ).rowcount
    connection.execute(
        sa.text(RISE),
        parameters,
    )
    connection.execute(
        sa.text(UPDATE),
        parameters,
    )
    closed = connection.execute(
        sa.text(CLOSE),
        parameters,
    ).rowcount
    return opened, reopened, closed


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


#: Findings as they are listed, all or those of ``asked``.
_LIST = """select id, rule, project_code, item_code, case_no, level, kind, severity, state, opened_on, closed_on,
       (decided_at at time zone 'Asia/Shanghai')::date, department_code, department_name, text
from supervision.finding {asked}
order by project_code, rule, item_code, case_no"""


def listed(ids: Iterable[str] | None = None) -> pl.DataFrame:
    """Every finding of the ledger, whatever its state; or those of some ids."""
    from store.copying import read_frame

    with transaction() as connection:
        connection.exec_driver_sql("create temp table asked (id text primary key) on commit drop")
        if ids is not None:
            connection.exec_driver_sql("insert into asked select distinct unnest(%(ids)s::text[])", {"ids": list(ids)})
        return read_frame(
            connection,
            _LIST.format(asked="" if ids is None else "join asked using (id)"),
            _LISTED,
        )
