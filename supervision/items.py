"""What each project is expected to go through and how far it is, kept for those who look at a project."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.copying import copy_frame
from supervision.judge import Judged

_COLUMNS = ("item_name", "stage", "kind", "department", "department_code", "expected", "state", "done_at", "turn")
_NEW = sa.table(
    "project_item_new",
    *(
        sa.column(name, sa.Integer if name == "stage" else None)  # an integer has its column's width in COPY
        for name in ("project_code", "item_code", *_COLUMNS)
    ),
)


def frame(judged: Judged) -> pl.DataFrame:
    """(project_code, item_code, …) of every item that is expected, cannot be judged, or has begun."""
    items = judged.standing.items.filter(pl.col("expected").fill_null(True) | pl.col("has_case") | pl.col("done"))
    turns = judged.standing.current.select("project_code", "item_code", "turn")
    return items.join(turns, on=["project_code", "item_code"], how="left").select(
        "project_code",
        "item_code",
        "item_name",
        "stage",
        "kind",
        "department",
        "department_code",
        "expected",
        pl.when("done")
        .then(pl.lit("已办"))
        .when("has_open_case")
        .then(pl.lit("在办"))
        .when("unknown")
        .then(pl.lit("未知"))
        .when("has_case")
        .then(pl.lit("未办成"))
        .otherwise(pl.lit("未办"))
        .alias("state"),
        "done_at",
        "turn",
    )


#: Items of projects; those that are as they were stay untouched.
_WRITE = """insert into supervision.project_item as i (project_code, item_code, {columns}, as_of)
select project_code, item_code, {columns}, :as_of from project_item_new
on conflict (project_code, item_code) do update set {set}, as_of = excluded.as_of
where ({was}) is distinct from ({now})"""


def write(connection: Connection, judged: Judged) -> None:
    """Bring ``supervision.project_item`` up to what was judged, within the scope of the judging."""
    connection.exec_driver_sql(
        """drop table if exists project_item_new;
           create temp table project_item_new (like supervision.project_item) on commit drop;
           alter table project_item_new alter as_of drop not null"""
    )
    copy_frame(connection, _NEW, frame(judged))
    changed = ", ".join(_COLUMNS)
    connection.exec_driver_sql(
        "create unique index on project_item_new (project_code, item_code); analyze project_item_new"
    )
    connection.execute(
        sa.text(
            _WRITE.format(
                columns=changed,
                set=", ".join(f"{c} = excluded.{c}" for c in _COLUMNS),
                was=", ".join(f"i.{c}" for c in _COLUMNS),
                now=", ".join(f"excluded.{c}" for c in _COLUMNS),
            )
        ),
        {"as_of": judged.as_of},
    )
    connection.exec_driver_sql(
        """delete from supervision.project_item i using scope s
           where i.project_code = s.project_code
             and not exists (select from project_item_new n where n.project_code = i.project_code and n.item_code = i.item_code)"""
    )
