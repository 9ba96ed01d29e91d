"""Clocks, stages and positions of the day, brought up to what was judged."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from supervision.judge import Judged
from supervision.scratch import copy_csv, load

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
#: A current item as pages and programs read it: whose turn it is, and whether a case is open.
CURRENT_ITEM = (
    "item_code",
    "item_name",
    "stage",
    "turn",
    "department",
    "department_code",
    pl.col("has_open_case").alias("open"),
)
_OTHERS = [name for name in _CLOCK if name != "case_id"]
#: The clocks of the day; a row that says the same stays as it is.
CLOCKS = f"""
    insert into supervision.clock as k (as_of, {", ".join(_CLOCK)})
    select :as_of, {", ".join(_CLOCK)} from clock_new
    on conflict (case_id) do update set as_of = excluded.as_of, {", ".join(f"{c} = excluded.{c}" for c in _OTHERS)}
    where ({", ".join(f"k.{c}" for c in _OTHERS)}) is distinct from ({", ".join(f"excluded.{c}" for c in _OTHERS)})"""

#: Clocks of cases that the scope no longer has.
CLOCKS_GONE = """
    delete from supervision.clock k using scope s
    where k.project_code = s.project_code and not exists (select from clock_new n where n.case_id = k.case_id);
    delete from supervision.clock k
    where k.project_code is null and exists (select from scope where project_code = '')
      and not exists (select from clock_new n where n.case_id = k.case_id)"""

#: How far each stage is.
STAGES = """
    insert into supervision.stage_state as s (project_code, stage, stage_name, state, completed_at, as_of)
    select project_code, stage, stage_name, state, completed_at, :as_of from stage_new
    on conflict (project_code, stage) do update set stage_name = excluded.stage_name, state = excluded.state,
        completed_at = excluded.completed_at, as_of = excluded.as_of
    where (s.state, s.completed_at) is distinct from (excluded.state, excluded.completed_at)"""

#: Where each project stands, and its current items.
POSITIONS = """
    insert into supervision.position as p (project_code, current_stage, finished, current_items, as_of)
    select project_code, current_stage, finished, current_items, :as_of from position_new
    on conflict (project_code) do update set current_stage = excluded.current_stage, finished = excluded.finished,
        current_items = excluded.current_items, as_of = excluded.as_of
    where (p.current_stage, p.finished, p.current_items)
          is distinct from (excluded.current_stage, excluded.finished, excluded.current_items)"""

#: Projects of the scope that no source holds any more.
PROJECTS_GONE = """
    delete from supervision.{table} t where t.project_code in (select project_code from scope)
    and not exists (select from store.project p where p.id = t.project_code and p.gone_at is null)"""


def clocks(judged: Judged) -> pl.DataFrame:
    """The clock of every case in scope, as a row of ``supervision.clock``."""
    return judged.facts.cases.select(_CLOCK)


def stages(judged: Judged) -> pl.DataFrame:
    """How far each stage of each project is."""
    return judged.standing.stages.select("project_code", "stage", "stage_name", "state", "completed_at")


def standing(judged: Judged) -> pl.DataFrame:
    """(project_code, current_stage, finished, current_items): the items as a JSON array."""
    items = judged.standing.current.group_by("project_code", maintain_order=True).agg(
        pl.struct(*CURRENT_ITEM).alias("items")
    )
    return judged.standing.projects.join(items, on="project_code", how="left").select(
        "project_code",
        "current_stage",
        "finished",
        pl.struct("items")
        .struct.json_encode()
        .str.strip_prefix('{"items":')
        .str.strip_suffix("}")
        .replace("null", "[]")
        .alias("current_items"),
    )


def write_clocks(connection: Connection, judged: Judged) -> None:
    """The clock of every case in scope."""
    rows = clocks(judged)
    connection.exec_driver_sql(
        "drop table if exists clock_new; create temp table clock_new (like supervision.clock) on commit drop"
    )
    connection.exec_driver_sql("alter table clock_new alter as_of drop not null")
    copy_csv(connection, f"clock_new ({', '.join(rows.columns)})", rows)
    connection.execute(
        sa.text(CLOCKS),
        {"as_of": judged.as_of},
    )
    connection.exec_driver_sql("create index on clock_new (case_id); analyze clock_new")
    connection.exec_driver_sql(CLOCKS_GONE)


def write_standing(connection: Connection, judged: Judged) -> None:
    """The stages and the position of every project in scope."""
    load(
        connection,
        "stage_new",
        stages(judged),
        "project_code text, stage integer, stage_name text, state text, completed_at timestamp",
    )
    connection.execute(
        sa.text(STAGES),
        {"as_of": judged.as_of},
    )
    load(
        connection,
        "position_new",
        standing(judged),
        "project_code text, current_stage integer, finished boolean, current_items jsonb",
    )
    connection.execute(
        sa.text(POSITIONS),
        {"as_of": judged.as_of},
    )
    for table in ("stage_state", "position"):
        connection.exec_driver_sql(PROJECTS_GONE.format(table=table))
