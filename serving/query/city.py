"""All projects that an asker sees, one short row each: what map, board and list are made from.

Kept in memory (:mod:`serving.cache`), so filters, counts and pages of 10,000 projects cost a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from serving import derive, search
from serving.access import Grant, departments, reading, towns
from serving.cache import Cache
from serving.query import space
from store.copying import Schema
from supervision import ledger

LIGHTS = ("双红", "红", "待数据", "黄", "蓝", "绿")  # the worst first (docs/rules.md, "Lights")
NO_LIGHT = "无"  # no running case with a limit
PAGE = 50
_GRANTS = 8  # grants whose rows stay in memory

_PROJECTS = """
select v.id as code, v.project_name as name, v.applicant_name as enterprise, v.town_code as town, v.filing_type as type,
       v.total_invest::float8 as invest, v.current_stage as stage, coalesce(v.finished, false) as finished,
       coalesce(v.light, :none) as light, coalesce(v.open_findings, 0) as findings, v.current_items::text as items, v.judged_on
from asked.project v"""
_FINDINGS = """
select project_code as code, array_agg(distinct rule) as rules, array_agg(distinct department_code) as answering, max(severity) as severity
from asked.finding where state in ('open', 'confirmed') group by 1"""
_RUNNING = """
select project_code as code, array_agg(distinct department_code) as handling, count(*) filter (where light in ('双红', '红')) as late
from asked."case" where light in ('红', '双红', '待数据', '黄', '蓝', '绿') and project_code is not null group by 1"""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; None: everything. ``town`` 9 digits, ``department`` 18 characters, ``stage`` 1 to 8 or
    ``done``, ``light`` of :data:`LIGHTS` or :data:`NO_LIGHT`, ``rule`` a rule's name or ``any``, ``q`` any part of a name."""

    q: str | None = None
    town: str | None = None
    department: str | None = None
    stage: str | None = None
    light: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class City:
    """``projects``: code, name, enterprise, town, town_name, type, invest, stage (null: none), finished, light, findings,
    severity, late, rules, departments (whose turn it is, who answers for a finding, who handles a running case), turn (first
    current item: name, department, turn), x, y (degrees; null: no place known). ``as_of``: the day last judged."""

    projects: pl.DataFrame
    as_of: date | None


def city(grant: Grant) -> City:
    """The projects that the grant sees, as of now."""
    derive.refresh(wait=False)
    return _cities.of(grant)


_ITEM = pl.Struct(
    {
        "item_code": pl.String,
        "item_name": pl.String,
        "stage": pl.Int64,
        "turn": pl.String,
        "department": pl.String,
        "department_code": pl.String,
        "open": pl.Boolean,
    }
)


def _read(connection: Connection, _: str) -> City:
    kinds = {
        "code": pl.String,
        "name": pl.String,
        "enterprise": pl.String,
        "town": pl.String,
        "type": pl.String,
        "invest": pl.Float64,
        "stage": pl.Int64,
        "finished": pl.Boolean,
        "light": pl.String,
        "findings": pl.Int64,
        "items": pl.String,
        "judged_on": pl.Date,
    }
    projects = _frame(connection, _PROJECTS, kinds, none=NO_LIGHT)
    found = _frame(
        connection,
        _FINDINGS,
        {"code": pl.String, "rules": pl.List(pl.String), "answering": pl.List(pl.String), "severity": pl.Int64},
    )
    running = _frame(connection, _RUNNING, {"code": pl.String, "handling": pl.List(pl.String), "late": pl.Int64})
    points = space.project_points(connection)
    places = pl.DataFrame(
        {"code": points.ids, "x": [g.x for g in points.geometries], "y": [g.y for g in points.geometries]},
        schema={"code": pl.String, "x": pl.Float64, "y": pl.Float64},
    )
    organs = {code[8:17]: code for code in departments()}  # systems write either form
    items = pl.col("items").str.json_decode(pl.List(_ITEM))
    whole = (
        projects.with_columns(items.alias("items"))
        .join(found, on="code", how="left")
        .join(running, on="code", how="left")
        .join(places, on="code", how="left")
        .with_columns(
            pl.col("town")
            .replace_strict(towns(), default=None, return_dtype=pl.String)
            .pipe(_short)
            .alias("town_name"),
            pl.concat_list(
                pl.col("items").list.eval(pl.element().struct.field("department_code")).fill_null([]),
                pl.col("answering").fill_null([]),
                pl.col("handling").fill_null([]),
            )
            .list.eval(pl.element().replace(organs))
            .list.drop_nulls()
            .list.unique()
            .alias("departments"),
            pl.coalesce(
                pl.col("items").list.filter(pl.element().struct.field("open")).list.first(),
                pl.col("items").list.first(),
            ).alias("turn"),
            pl.col("rules").fill_null([]),
            pl.col("late", "severity").fill_null(0),
            pl.col("light")
            .replace_strict({light: n for n, light in enumerate((*LIGHTS, NO_LIGHT))}, default=len(LIGHTS))
            .alias("rank"),
        )
        .drop("items", "answering", "handling")
        .sort(["rank", "severity", "findings", "code"], descending=[False, True, True, True])
    )
    return City(whole, ledger.last_day() if whole["judged_on"].max() else None)


_cities: Cache[City] = Cache(_read, _GRANTS)


def _frame(connection: Connection, sql: str, kinds: Schema, **values: str) -> pl.DataFrame:
    rows = connection.execute(sa.text(sql), values).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=kinds, orient="row")


def _short(name: pl.Expr) -> pl.Expr:
    """东莞市长安镇人民政府 → 长安镇."""
    return name.str.replace("^东莞市?", "").str.replace("人民政府|街道办事处|高新技术产业开发区管理委员会", "")


def chosen(seen: City, grant: Grant, by: Filters) -> pl.DataFrame:
    """The rows of :class:`City` that the filters keep."""
    rows = seen.projects
    if by.q and by.q.strip():
        wanted = search.wanted(by.q)
        codes: list[str] = []
        if wanted is not None:
            with reading(grant) as connection:
                codes = list(
                    connection.execute(
                        sa.text("select serving.found(:grams, :text)"), {"grams": wanted[0], "text": wanted[1]}
                    ).scalars()
                )
        rows = rows.filter(pl.col("code").is_in(codes))
    if by.town:
        rows = rows.filter(pl.col("town") == by.town)
    if by.department:
        rows = rows.filter(pl.col("departments").list.contains(by.department))
    if by.stage == "done":
        rows = rows.filter("finished")
    elif by.stage:
        rows = rows.filter(~pl.col("finished") & (pl.col("stage") == int(by.stage)))
    if by.light:
        rows = rows.filter(pl.col("light") == by.light)
    if by.rule == "any":
        rows = rows.filter(pl.col("rules").list.len() > 0)
    elif by.rule:
        rows = rows.filter(pl.col("rules").list.contains(by.rule))
    return rows


def board(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """The 8 stages and 已完成: stage, name, projects, findings (projects with one), lights {light: projects}."""
    from supervision.expected import milestones

    names = dict(milestones().select("stage", "stage_name").unique().iter_rows())
    standing = rows.with_columns(pl.when("finished").then(99).otherwise("stage").alias("stage"))
    counts = {(stage, light): n for stage, light, n in standing.group_by("stage", "light").len().iter_rows()}
    marked = dict(standing.filter(pl.col("findings") > 0).group_by("stage").len().iter_rows())
    cards = []
    for stage, name in [*sorted(names.items()), (99, "已完成"), (None, "未启动")]:
        lights = {light: counts.get((stage, light), 0) for light in (*LIGHTS, NO_LIGHT)}
        cards.append(
            {
                "stage": "done" if stage == 99 else stage,
                "name": name,
                "projects": sum(lights.values()),
                "findings": marked.get(stage, 0),
                "lights": lights,
            }
        )
    return cards
