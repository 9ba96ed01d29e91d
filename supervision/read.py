"""What supervision reads: the unified store's rows as columns, for some projects or for the whole city.

A *scope* is a temporary table ``scope(project_code)`` with ``scope_case(id)``, its cases; the empty code stands for cases that
no project holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import polars as pl
from sqlalchemy.engine import Connection

from store import fold
from store.copying import Schema, read_frame

STAMP = pl.Datetime("us")


@dataclass(frozen=True, slots=True)
class Relation:
    """What is read: ``columns`` in order, name → type; ``sql``, where a column is not the one of its own name in ``alias``;
    ``sources``, what follows the select list, one a branch of a union. Query and frame both come of this."""

    columns: Schema
    alias: str
    sources: tuple[str, ...]
    sql: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The SQL that gives the columns, in their order."""
        selected = ", ".join(self.sql.get(name, f"{self.alias}.{name}") for name in self.columns)
        return " union all ".join(f"select {selected} {source}" for source in self.sources)

    def read(self, connection: Connection) -> pl.DataFrame:
        """Its rows, through COPY."""
        return read_frame(connection, self.query, self.columns)


def _elements(column: str, kind: str) -> str:
    """SQL of a JSON list with those of its elements that can be read: texts, or objects of plain values (kind ``text``,
    ``object``). What is no list is null: one odd value of the catalogue, which every project is judged by, stops nobody."""
    plain = {
        "text": "jsonb_typeof(e) = 'string'",
        "object": """jsonb_typeof(e) = 'object' and not exists
                     (select from jsonb_each(e) x(k, v) where jsonb_typeof(v) in ('object', 'array'))""",
    }[kind]
    return f"""case when jsonb_typeof({column}) = 'array' then coalesce(
        (select jsonb_agg(e order by n) from jsonb_array_elements({column}) with ordinality x(e, n) where {plain}), '[]') end"""


CASES = Relation(
    {
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
    },
    "c",
    (
        """
        from scope_case s join store."case" c using (id)
        -- the one project of that owner and name
        left join (select applicant_uscc, store.normal_name(project_name) as name, min(id) as id from store.project
                   where gone_at is null and applicant_uscc is not null group by 1, 2 having count(*) = 1) found
               on found.applicant_uscc = c.applicant_id and found.name = store.normal_name(c.project_name)
              and c.applicant_type is distinct from '3' and store.uscc_valid(c.applicant_id)""",
    ),
    {
        "case_id": "c.id",
        "channels": "array_to_string(c.channels, ',')",
        "found_project": "found.id",
        "written_ok": """
            store.project_code_old(c.project_code_written)
              or (store.project_code_valid(c.project_code_written)
                  and not exists (select from store.project w
                                  where w.id = c.project_code_written and w.gone_at is null and w.applicant_uscc is not null
                                    and c.applicant_id is not null
                                    and c.applicant_id not in (w.applicant_uscc, substr(w.applicant_uscc, 9, 9))
                                    and c.applicant_type is distinct from '3'))""",
    },
)
EVENTS = Relation(
    {
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
    },
    "e",
    ("from scope_case s join store.case_event e on e.case_id = s.id where e.gone_at is null",),
    # a step named 接件 or 补正 is an event of the case, but no review of it (C6)
    {"event": "case when e.event = 'HANDLING' and e.step_name ~ '接件|收件|补正|补齐' then 'INTAKE' else e.event end"},
)
#: The same with each event's source row (feed|record_key).
SOURCED_EVENTS = replace(
    EVENTS,
    columns={**EVENTS.columns, "source_ref": pl.String},
    sql={**EVENTS.sql, "source_ref": fold.record_of("e")},
)
LICENCES = Relation(
    {
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
    },
    "l",
    (
        "from scope s join store.licence l on l.project_code = s.project_code where l.gone_at is null",
        """from store.licence l
           where l.gone_at is null and l.project_code is null and exists (select from scope where project_code = '')""",
    ),
    {
        "licence_id": "l.id",
        "normal": "store.normal_number(l.number)",
        "feed": "split_part(coalesce(l.provenance ->> 'number', l.provenance ->> '*'), '|', 1)",
    },
)
PROJECTS = Relation(
    {
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
    },
    "p",
    ("from store.project p where p.gone_at is null and p.id in (select project_code from scope)",),
    {"project_code": "p.id"} | {name: _elements(f"p.{name}", "text") for name in ("conditions", "planned_items")},
)
ITEMS = Relation(
    {
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
    },
    "i",
    ("from store.item i where i.gone_at is null",),
    {"variants": _elements("i.variants", "object")}
    | {name: _elements(f"i.{name}", "text") for name in ("prerequisites", "soft_prerequisites", "process_types")},
)
#: Every code that means an item, and when: ``until`` is the first day on which it means it no more.
CODES = Relation(
    {"item_code_written": pl.String, "item_code": pl.String, "from_": pl.Date, "until": pl.Date},
    "c",
    ("from store.item_code c",),
    {
        "item_code_written": "c.code",
        "from_": "nullif(c.valid_from, '-infinity')",
        "until": "nullif(c.valid_to, 'infinity')",
    },
)
LAND = Relation(
    {"land_id": pl.String, "project_code": pl.String, "approved_at": STAMP},
    "a",
    ("from store.land_approval a where a.gone_at is null and a.project_code in (select project_code from scope)",),
    {"land_id": "a.id"},
)
#: The quoted numbers that no source knows.
QUOTES = Relation(
    {
        "licence_id": pl.String,
        "project_code": pl.String,
        "item_code": pl.String,
        "engineering_code": pl.String,
        "number": pl.String,
        "issued_at": STAMP,
        "field": pl.String,
        "quoted": pl.String,
    },
    "l",
    (
        """
        from store.licence l
        cross join lateral (values ('YDGHXKZBH', l.quotes_land), ('GCGHXKZBH', l.quotes_planning), ('SCHGSBH', l.quotes_drawing))
             q(field, quoted)
        where l.gone_at is null and q.quoted is not null and coalesce(l.project_code, '') in (select project_code from scope)
          and not exists (select from store.licence k where store.normal_number(k.number) = store.normal_number(q.quoted))
          and not exists (select from store."case" k where store.normal_number(k.licence_no) = store.normal_number(q.quoted))
          and not exists (select from store.land_approval k
                          where store.normal_number(k.approval_no) = store.normal_number(q.quoted))""",
    ),
    {"licence_id": "l.id", "field": "q.field", "quoted": "q.quoted"},
)


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


#: Cases of the projects in scope; unlinked ones where the scope holds the empty code.
_SCOPE_CASES = """create temp table scope_case on commit drop as
select c.id from scope s join store."case" c on c.project_code = s.project_code where c.gone_at is null
union all
select c.id from store."case" c where c.project_code is null and c.gone_at is null
                                  and exists (select from scope where project_code = '')"""


def set_scope(connection: Connection, projects: Iterable[str] | None) -> None:
    """Make the temporary tables ``scope`` and ``scope_case``; None: the whole city, unlinked cases included."""
    connection.exec_driver_sql("drop table if exists scope, scope_case")
    connection.exec_driver_sql("create temp table scope (project_code text primary key) on commit drop")
    listed = city(connection) if projects is None else list(projects)
    connection.exec_driver_sql("insert into scope select distinct unnest(%(codes)s::text[])", {"codes": listed})
    connection.exec_driver_sql("analyze scope")
    connection.exec_driver_sql(_SCOPE_CASES)
    connection.exec_driver_sql("create unique index on scope_case (id)")
    connection.exec_driver_sql("analyze scope_case")


def set_cases(connection: Connection, case_ids: Iterable[str]) -> None:
    """A scope of some cases and of no project: for clocks alone."""
    set_scope(connection, ())
    connection.exec_driver_sql(
        "insert into scope_case select distinct unnest(%(ids)s::text[])", {"ids": list(case_ids)}
    )


#: Every project code that the store or an earlier judgement speaks of; '' stands for unlinked cases.
_CITY = """select id from store.project where gone_at is null
union select coalesce(project_code, '') from store."case" where gone_at is null
union select coalesce(project_code, '') from store.licence where gone_at is null
union select project_code from supervision.finding where state in ('open', 'confirmed')
union select project_code from supervision.waiting
union select coalesce(project_code, '') from supervision.clock
order by 1"""


def city(connection: Connection) -> list[str]:
    """Every project code that cases, licences, projects or what was judged before speak of; '' for the unlinked."""
    rows = connection.exec_driver_sql(_CITY)
    return [row[0] for row in rows]


def sourced_events(connection: Connection) -> pl.DataFrame:
    """The events in scope, each with its source's row (``source_ref``: feed|record_key)."""
    return SOURCED_EVENTS.read(connection)


def frames(connection: Connection) -> Frames:
    """Everything in scope. ``codes``: every code that means an item, and when. ``quotes`` holds only the quoted numbers that no source knows."""
    return Frames(
        cases=CASES.read(connection),
        events=EVENTS.read(connection),
        licences=LICENCES.read(connection),
        land=LAND.read(connection),
        projects=PROJECTS.read(connection),
        items=ITEMS.read(connection),
        codes=CODES.read(connection),
        quotes=QUOTES.read(connection),
    )
