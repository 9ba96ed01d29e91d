"""Sources that have fallen silent, as far as verdicts rest on them. What is silent says :mod:`quality.silence`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, time
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from quality.silence import episode, watch
from quality.silence.episode import Watched
from quality.silence.watch import Heard
from sources import loader
from store.copying import Schema, read_frame
from supervision.calendar import Calendar
from supervision.clock import DOUBLE_RED, RED

WAITING = "待数据"  # the light of a running case whose end may stand in a hole
_BROAD = ("stalled", "C7")  # rest on whatever else the project is expected to do


#: What departments do with work orders comes back from the municipal platform by no feed of a source.
FEEDBACK = "m3.updates"
FEEDBACK_ZH = "市平台工单回传"
#: How long ago it was asked for; null while no order waits for a department. What came back, by the hour.
_ASKED = """
    select clock_timestamp() - max(moved_at) from supervision.update_cursor
    where exists (select from supervision.work_order where state in ('dispatched', 'signed'))"""
_UPDATES = "select date_trunc('hour', at), count(*) from supervision.order_update where at > localtimestamp - interval '400 days' group by 1"
_BY_HOUR: Schema = {"at": pl.Datetime("us"), "rows": pl.Int64}


def look(connection: Connection, as_of: date, calendar: Calendar) -> Watched:
    """What is silent; reads alone."""
    watched = episode.look(connection, loader.load_all().values(), calendar, as_of)
    ago = connection.exec_driver_sql(_ASKED).scalar()
    if ago is not None:
        updates = read_frame(connection, _UPDATES, _BY_HOUR)
        feedback = watch.hear_rows(FEEDBACK, updates, clock.now() - ago, calendar, FEEDBACK_ZH)
        if feedback is not None:
            watched.heard.append(feedback)
            watched.silences += [episode.Silence.of(feedback)] if feedback.silent else []
    return watched


def feedback_is_silent(connection: Connection) -> bool:
    """Whether nothing comes back of work orders that should: that a department has not signed or answered is not proven then."""
    return connection.execute(
        sa.text(
            """select exists (select from landing.silence where feed = :feed and ended_at is null
                              and coalesce(approved_until < :today, true))"""
        ),
        {"feed": FEEDBACK, "today": clock.today()},
    ).scalar_one()


#: Ended outages after which the first time of arrival lies behind the moment at which the silence was certain.
_INTERRUPTIONS = """select o.kind, s.part, s.since, min(a.at), s.ended_at
from landing.silence s
cross join lateral (select case when s.kind = 'source' then 'feed' else s.kind end as kind) o
join landing.arrival a on a.kind = o.kind and a.feed = any(:feeds) and a.at >= s.since
     and (a.part = s.part or (s.kind = 'item' and a.part in (select code from store.item_code where item_code = s.part)))
where s.ended_at is not null and s.approved_by is null and o.kind in ('feed', 'department', 'town', 'item')
  and (s.feed = any(:feeds) or exists (select from unnest(cast(:feeds as text[])) f where f like s.feed || '.%'))
group by s.id, o.kind
having min(a.at) >= date_trunc(case o.kind when 'feed' then 'hour' else 'day' end, s.found_at)"""


def interruptions(connection: Connection, feeds: list[str]) -> pl.DataFrame:
    """Outages of ``feeds``, taken as one, after which nothing was inserted with the time that it would have had: kind (feed:
    of all; department, town, item), part, since, resumed (what comes from then on may be the backlog), ended (when it was seen to speak).

    A backlog that kept its own times fills the outage and is none: where it is stamped anew, the first time after the
    silence lies behind the moment at which the silence was certain.
    """
    rows = connection.execute(sa.text(_INTERRUPTIONS), {"feeds": feeds}).all()
    schema = {"kind": pl.String, "part": pl.String} | dict.fromkeys(("since", "resumed", "ended"), pl.Datetime("us"))
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def touches(found: pl.DataFrame, cases: pl.DataFrame, projects: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """(row, kind, part): the towns, items and departments that each row of ``found`` rests on.

    ``items``: the standing's, one row a (project, item); a project that stands still rests on all that it is expected to do.
    """
    rows = found.with_row_index("row").select(
        "row", "rule", "project_code", "item_code", "case_id", "department_code", "department_name"
    )
    todo = items.filter(pl.col("expected").fill_null(False) & pl.col("done_at").is_null())
    broad = (
        rows.filter(pl.col("rule").is_in(_BROAD))
        .select("row", "project_code")
        .join(todo.select("project_code", "item_code", "department_code"), on="project_code")
    )
    lead = rows.select("row", "project_code", "item_code").join(
        items.select("project_code", "item_code", "department_code"), on=["project_code", "item_code"]
    )
    handled = rows.select("row", "case_id").join(cases.select("case_id", "handler_code", "handler_name"), on="case_id")
    towns = rows.select("row", "project_code").join(projects.select("project_code", "town_code"), on="project_code")
    return (
        pl.concat(
            part.select(pl.col("row"), pl.lit(kind).alias("kind"), pl.col(column).cast(pl.String).alias("part"))
            for kind, part, column in (
                ("town", towns, "town_code"),
                ("item", rows, "item_code"),
                ("item", broad, "item_code"),
                ("department", rows, "department_code"),
                ("department", rows, "department_name"),
                ("department", lead, "department_code"),
                ("department", broad, "department_code"),
                ("department", handled, "handler_code"),
                ("department", handled, "handler_name"),
            )
        )
        .drop_nulls()
        .unique()
    )


def lights(
    cases: pl.DataFrame, holes: pl.DataFrame, by_channel: pl.DataFrame, projects: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    """``cases`` with the light :data:`WAITING` where the end of a running case may stand in a hole of its own source.

    A limit that was passed before the hole began stays passed: red is red. ``holes``: :data:`completeness.HOLES`. Adds what
    such a case ``waits_for`` (feeds, null: nothing) and ``silent_since``.
    """
    cases = cases.with_columns(
        pl.lit(None, pl.List(pl.String)).alias("waits_for"), pl.lit(None, pl.Datetime("us")).alias("silent_since")
    )
    silent = holes.filter("silent")
    if silent.is_empty():
        return cases
    touched = (
        cases.filter(pl.col("ended_at").is_null() & pl.col("light").is_not_null())
        .join(projects.select("project_code", "town_code"), on="project_code", how="left")
        .select("case_id", "channel", "item_code", "town_code", "department_code", "department_name")
        .join(by_channel, on="channel")
        .join(silent.select("feed", "hole_from", "kind", "part"), on="feed")
        .filter(
            pl.col("kind").is_null()
            | ((pl.col("kind") == "town") & (pl.col("part") == pl.col("town_code"))).fill_null(False)
            | ((pl.col("kind") == "item") & (pl.col("part") == pl.col("item_code"))).fill_null(False)
            | (
                (pl.col("kind") == "department")
                & ((pl.col("part") == pl.col("department_code")) | (pl.col("part") == pl.col("department_name")))
            ).fill_null(False)
        )
        .group_by("case_id")
        .agg(pl.col("hole_from").min().alias("_hole"), pl.col("feed").unique().sort().alias("_feeds"))
        .filter(pl.col("_hole") < datetime.combine(as_of, time.max))
    )

    def before_hole(due: str) -> pl.Expr:
        return (pl.col(due) < pl.col("_hole").dt.date()).fill_null(False)

    light = pl.col("light")
    return (
        cases.join(touched, on="case_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(pl.col("_hole").is_null())
            .then(light)
            .when((light == DOUBLE_RED) & before_hole("due_statutory"))
            .then(light)
            .when(light.is_in([RED, DOUBLE_RED]) & before_hole("due_promised"))
            .then(pl.lit(RED))
            .otherwise(pl.lit(WAITING))
            .alias("light")
        )
        .with_columns(
            pl.when(light == WAITING).then(pl.col(of)).alias(name)
            for name, of in (("waits_for", "_feeds"), ("silent_since", "_hole"))
        )
        .drop("_hole", "_feeds")
    )


def unproven(cases: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """``cases`` of :func:`lights`, with the light :data:`WAITING` where that one is overdue waits for data."""
    waits = (
        findings.filter((pl.col("rule") == "overdue") & (pl.col("waits_for").list.len() > 0))
        .select("case_id", pl.col("waits_for").alias("_feeds"), pl.col("silent_since").alias("_since"))
        .unique("case_id")
    )
    late = pl.col("light").is_in([RED, DOUBLE_RED]) & pl.col("_feeds").is_not_null()
    return (
        cases.join(waits, on="case_id", how="left", maintain_order="left")
        .with_columns(
            pl.when(late).then(pl.lit(WAITING)).otherwise("light").alias("light"),
            pl.when(late).then("_feeds").otherwise("waits_for").alias("waits_for"),
            pl.when(late).then("_since").otherwise("silent_since").alias("silent_since"),
        )
        .drop("_feeds", "_since")
    )


def shown(one: Heard) -> dict[str, Any]:
    """A series as JSON: its rhythm, its two clocks and what comes of them."""
    data = asdict(one)
    for name in ("read_at", "horizon", "hole_from", "due", "heard_to"):
        data[name] = data[name].isoformat(" ") if data[name] else None
    return data
