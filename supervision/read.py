"""What supervision reads: the unified store's rows as columns, for some projects or for the whole city.

A *scope* is a temporary table ``scope(project_code)`` with ``scope_case(id)``, its cases; the empty code stands for cases that
no project holds.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from sqlalchemy.engine import Connection

STAMP = pl.Datetime("us")

CASES = {
    "case_id": pl.String,
    "channel": pl.String,
    "channels": pl.String,
    "case_no": pl.String,
    "municipal_no": pl.String,
    "project_code": pl.String,
    "project_code_written": pl.String,
    "project_link": pl.String,
    "item_code": pl.String,
    "item_code_written": pl.String,
    "item_name": pl.String,
    "variant": pl.String,
    "engineering_code": pl.String,
    "applicant_type": pl.String,
    "applicant_id": pl.String,
    "project_name": pl.String,
    "prior_case_no": pl.String,
    "receipt_no": pl.String,
    "commitment": pl.Boolean,
    "limit_days": pl.Int64,
    "town_code": pl.String,
    "department_name": pl.String,
    "department_code": pl.String,
    "licence_no": pl.String,
    "licence_issued_at": STAMP,
    "found_project": pl.String,
    "written_ok": pl.Boolean,
}
EVENTS = {
    "case_id": pl.String,
    "channel": pl.String,
    "event": pl.String,
    "at": STAMP,
    "until": STAMP,
    "series": pl.String,
    "series_key": pl.String,
    "version": pl.Int64,
    "limit_days": pl.Int64,
    "limit_unit": pl.String,
    "inserted_at": STAMP,
    "origin": pl.String,
}
LICENCES = {
    "licence_id": pl.String,
    "channel": pl.String,
    "kind": pl.String,
    "number": pl.String,
    "normal": pl.String,
    "issued_at": STAMP,
    "state": pl.String,
    "project_code": pl.String,
    "item_code": pl.String,
    "case_id": pl.String,
    "engineering_code": pl.String,
    "feed": pl.String,
}
PROJECTS = {
    "project_code": pl.String,
    "project_name": pl.String,
    "process_type": pl.String,
    "filing_type": pl.String,
    "applicant_uscc": pl.String,
    "submitted_at": STAMP,
    "validity": pl.String,
    "filing_state": pl.String,
    "expires_at": STAMP,
    "town_code": pl.String,
    "agent": pl.String,
    "fast_track": pl.Boolean,
    "conditions": pl.String,
    "planned_items": pl.String,
}
ITEMS = {
    "item_code": pl.String,
    "version": pl.Int64,
    "item_name": pl.String,
    "kind": pl.String,
    "stage": pl.Int64,
    "department": pl.String,
    "department_code": pl.String,
    "departments": pl.String,
    "case_channel": pl.String,
    "statutory_limit": pl.Int64,
    "statutory_unit": pl.String,
    "promised_limit": pl.Int64,
    "promised_unit": pl.String,
    "project_type": pl.String,
    "variant": pl.String,
    "variants": pl.String,
    "prerequisites": pl.String,
    "soft_prerequisites": pl.String,
    "parallel_group": pl.String,
    "process_types": pl.String,
    "applies_when": pl.String,
    "multiple": pl.Boolean,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}
CODES = {"item_code_written": pl.String, "item_code": pl.String, "from_": pl.Date, "until": pl.Date}
LAND = {"land_id": pl.String, "project_code": pl.String, "approved_at": STAMP}
QUOTES = {
    "licence_id": pl.String,
    "project_code": pl.String,
    "item_code": pl.String,
    "engineering_code": pl.String,
    "number": pl.String,
    "issued_at": STAMP,
    "field": pl.String,
    "quoted": pl.String,
}


@dataclass(frozen=True, slots=True)
class Frames:
    """The store as columns, for one scope; the catalogue is always whole."""

    cases: pl.DataFrame
    events: pl.DataFrame
    licences: pl.DataFrame
    land: pl.DataFrame
    projects: pl.DataFrame
    items: pl.DataFrame
    codes: pl.DataFrame
    quotes: pl.DataFrame


def frame(connection: Connection, query: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """A query's rows as a Polars frame of the given schema, through COPY."""
    raw = connection.connection.driver_connection
    buffer = io.BytesIO()
    with raw.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout (format csv)") as copy:
        for block in copy:
            buffer.write(block)
    if not buffer.tell():
        return pl.DataFrame(schema=schema)
    read_as = {name: pl.String if kind == pl.Boolean else kind for name, kind in schema.items()}
    buffer.seek(0)
    read = pl.read_csv(buffer, has_header=False, schema=read_as, try_parse_dates=False)
    return read.with_columns((pl.col(name) == "t").alias(name) for name, kind in schema.items() if kind == pl.Boolean)


def set_scope(connection: Connection, projects: Iterable[str] | None) -> None:
    """Make the temporary tables ``scope`` and ``scope_case``; None: the whole city, unlinked cases included."""
    connection.exec_driver_sql("drop table if exists scope, scope_case")
    connection.exec_driver_sql("create temp table scope (project_code text primary key) on commit drop")
    listed = city(connection) if projects is None else list(projects)
    connection.exec_driver_sql("insert into scope select distinct unnest(%(codes)s::text[])", {"codes": listed})
    connection.exec_driver_sql("analyze scope")
    connection.exec_driver_sql(
        """create temp table scope_case on commit drop as
           select c.id from scope s join store."case" c on c.project_code = s.project_code where c.gone_at is null
           union all
           select c.id from store."case" c where c.project_code is null and c.gone_at is null
                                             and exists (select from scope where project_code = '')"""
    )
    connection.exec_driver_sql("create unique index on scope_case (id)")
    connection.exec_driver_sql("analyze scope_case")


def set_cases(connection: Connection, case_ids: Iterable[str]) -> None:
    """A scope of some cases and of no project: for clocks alone."""
    set_scope(connection, ())
    connection.exec_driver_sql(
        "insert into scope_case select distinct unnest(%(ids)s::text[])", {"ids": list(case_ids)}
    )


def city(connection: Connection) -> list[str]:
    """Every project code that cases, licences, projects or what was judged before speak of; '' for the unlinked."""
    rows = connection.exec_driver_sql(
        """select id from store.project where gone_at is null
           union select coalesce(project_code, '') from store."case" where gone_at is null
           union select coalesce(project_code, '') from store.licence where gone_at is null
           union select project_code from supervision.finding where state in ('open', 'confirmed')
           union select project_code from supervision.waiting
           union select coalesce(project_code, '') from supervision.clock
           order by 1"""
    )
    return [row[0] for row in rows]


_CASES = """
    select c.id, c.channel, array_to_string(c.channels, ','), c.case_no, c.municipal_no, c.project_code,
           c.project_code_written, c.project_link, c.item_code, c.item_code_written, c.item_name, c.variant, c.engineering_code,
           c.applicant_type, c.applicant_id, c.project_name, c.prior_case_no, c.receipt_no, c.commitment, c.limit_days,
           c.town_code, c.department_name, c.department_code, c.licence_no, c.licence_issued_at,
           found.id,
           store.project_code_old(c.project_code_written)
             or (store.project_code_valid(c.project_code_written)
                 and not exists (select from store.project w
                                 where w.id = c.project_code_written and w.gone_at is null and w.applicant_uscc is not null
                                   and c.applicant_id is not null
                                   and c.applicant_id not in (w.applicant_uscc, substr(w.applicant_uscc, 9, 9))
                                   and c.applicant_type is distinct from '3'))
    from scope_case s join store."case" c using (id)
    left join (select applicant_uscc, store.normal_name(project_name) as name, min(id) as id from store.project
               where gone_at is null and applicant_uscc is not null group by 1, 2 having count(*) = 1) found
           on found.applicant_uscc = c.applicant_id and found.name = store.normal_name(c.project_name)
          and c.applicant_type is distinct from '3'"""

# A step named 接件 or 补正 is an event of the case, but no review of it (C6).
_EVENT = """e.case_id, e.channel, case when e.event = 'HANDLING' and e.step_name ~ '接件|收件|补正|补齐' then 'INTAKE' else e.event end,
           e.at, e.until, e.series, e.series_key, e.version, e.limit_days, e.limit_unit, e.inserted_at, e.origin"""
_EVENTS = f"""
    select {_EVENT}
    from scope_case s join store.case_event e on e.case_id = s.id
    where e.gone_at is null"""

_LICENCE = """l.id, l.channel, l.kind, l.number, store.normal_number(l.number), l.issued_at, l.state, l.project_code, l.item_code,
           l.case_id, l.engineering_code, split_part(coalesce(l.provenance ->> 'number', l.provenance ->> '*'), '|', 1)"""
_LICENCES = f"""
    select {_LICENCE}
    from scope s join store.licence l on l.project_code = s.project_code
    where l.gone_at is null
    union all
    select {_LICENCE}
    from store.licence l
    where l.gone_at is null and l.project_code is null and exists (select from scope where project_code = '')"""

_LAND = """
    select id, project_code, approved_at from store.land_approval
    where gone_at is null and project_code in (select project_code from scope)"""

_PROJECTS = """
    select id, project_name, process_type, filing_type, applicant_uscc, submitted_at, validity, filing_state, expires_at, town_code,
           agent, fast_track, conditions, planned_items
    from store.project where gone_at is null and id in (select project_code from scope)"""

_ITEMS = """
    select item_code, version, item_name, kind, stage, department, department_code, departments, case_channel, statutory_limit,
           statutory_unit, promised_limit, promised_unit, project_type, variant, variants, prerequisites, soft_prerequisites,
           parallel_group, process_types, applies_when, multiple, valid_from, valid_to
    from store.item where gone_at is null"""

_CODES = """
    select code, item_code, nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity') from store.item_code"""

_QUOTES = """
    select l.id, l.project_code, l.item_code, l.engineering_code, l.number, l.issued_at, q.field, q.quoted
    from store.licence l
    cross join lateral (values ('YDGHXKZBH', l.quotes_land), ('GCGHXKZBH', l.quotes_planning), ('SCHGSBH', l.quotes_drawing))
         q(field, quoted)
    where l.gone_at is null and q.quoted is not null and coalesce(l.project_code, '') in (select project_code from scope)
      and not exists (select from store.licence k where store.normal_number(k.number) = store.normal_number(q.quoted))
      and not exists (select from store."case" k where store.normal_number(k.licence_no) = store.normal_number(q.quoted))
      and not exists (select from store.land_approval k
                      where store.normal_number(k.approval_no) = store.normal_number(q.quoted))"""


_TOLD = f"""
    select {_EVENT}, e.provenance ->> '*'
    from scope_case s join store.case_event e on e.case_id = s.id
    where e.gone_at is null"""


def told(connection: Connection) -> pl.DataFrame:
    """The events in scope, each with its source's row (``source_ref``: feed|record_key)."""
    return frame(connection, _TOLD, {**EVENTS, "source_ref": pl.String})


def frames(connection: Connection) -> Frames:
    """Everything in scope. ``codes``: every code that means an item, and when. ``quotes`` holds only the quoted numbers that no source knows."""
    return Frames(
        cases=frame(connection, _CASES, CASES),
        events=frame(connection, _EVENTS, EVENTS),
        licences=frame(connection, _LICENCES, LICENCES),
        land=frame(connection, _LAND, LAND),
        projects=frame(connection, _PROJECTS, PROJECTS),
        items=frame(connection, _ITEMS, ITEMS),
        codes=frame(connection, _CODES, CODES),
        quotes=frame(connection, _QUOTES, QUOTES),
    )
