"""The day's forecasts: learned, made, and written down with the model's version and up to when the data are.

``onemap forecast`` and the DAG ``supervise`` (on a new day, after the judgement) do this. A case whose source is silent (light 待数据) gets
no forecast; what nobody can foretell is not written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from insight.forecast import known, model, steps
from insight.forecast.known import FEATURES, City
from schemas import channels
from sources import loader
from store.engine import transaction
from supervision import judge, silence
from supervision.calendar import Calendar

_READ = "select feed, read_at from landing.completed where read_at is not null"
_STATE = """
select k.case_id, k.light, c.channel from supervision.clock k join store."case" c on c.id = k.case_id
where k.ended_at is null and c.gone_at is null"""
_MODEL = """
insert into supervision.forecast_model (version, as_of, model) values (:version, :as_of, cast(:model as jsonb)) on conflict (version) do nothing"""
_CASES = """
insert into supervision.forecast (case_id, project_code, as_of, version, data_as_of, waits, chance, likely_on, first_on, last_on, reasons)
select case_id, project_code, :as_of, :version, data_as_of, waits, chance, likely_on, first_on, last_on, reasons
from jsonb_to_recordset(cast(:rows as jsonb)) as r(case_id text, project_code text, data_as_of timestamp, waits boolean,
    chance double precision, likely_on date, first_on date, last_on date, reasons jsonb)"""
_STEPS = """
insert into supervision.forecast_step (project_code, item_code, item_name, as_of, version, begins_on, begins_first, begins_last, done_on,
    done_first, done_last)
select project_code, item_code, item_name, :as_of, :version, begins_on, begins_first, begins_last, done_on, done_first, done_last
from jsonb_to_recordset(cast(:rows as jsonb)) as r(project_code text, item_code text, item_name text, begins_on date, begins_first date,
    begins_last date, done_on date, done_first date, done_last date)"""


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What a run did. ``version`` None: too few cases to learn from, and nothing is forecast."""

    as_of: date
    version: str | None
    taught: int = 0
    late: int = 0
    cases: int = 0
    waiting: int = 0
    steps: int = 0


def foresee(as_of: date, by: judge.Rules | None = None) -> Forecasts:
    """Learn from the store as of a day, forecast what runs, and put it in the place of the forecasts before."""
    by = by or judge.rules()
    city = known.gather(as_of, by)
    learned = model.learn(known.on_days(city, known.looks(city, by.calendar), by.calendar), as_of)
    if learned is None:
        with transaction() as connection:
            connection.exec_driver_sql("delete from supervision.forecast; delete from supervision.forecast_step")
        return Forecasts(as_of, None)
    with transaction() as connection:
        states = pl.DataFrame(
            [tuple(row) for row in connection.exec_driver_sql(_STATE)],
            schema={"case_id": pl.String, "light": pl.String, "channel": pl.String},
            orient="row",
        )
        read = dict(tuple(row) for row in connection.exec_driver_sql(_READ))
    cases = _cases(city, learned, states, _read_up_to(read), by.calendar)
    ahead = steps.ahead(city.steps, steps.learn(city.steps, as_of), as_of, model.CONFIDENCE)
    document = {"as_of": as_of, "version": learned.version}
    with transaction() as connection:
        connection.execute(sa.text(_MODEL), {**document, "model": json.dumps(learned.as_dict())})
        connection.exec_driver_sql("delete from supervision.forecast; delete from supervision.forecast_step")
        connection.execute(sa.text(_CASES), {**document, "rows": json.dumps(cases, ensure_ascii=False, default=str)})
        connection.execute(sa.text(_STEPS), {**document, "rows": ahead.write_json()})
    waiting = sum(row["waits"] for row in cases)
    return Forecasts(as_of, learned.version, learned.taught, learned.late, len(cases) - waiting, waiting, ahead.height)


def _cases(
    city: City, learned: model.Model, states: pl.DataFrame, read: dict[str, datetime], calendar: Calendar
) -> list[dict[str, Any]]:
    """A row each running case: its forecast, or that its source is silent."""
    running = city.cases.filter(pl.col("ended_on").is_null()).join(states, on="case_id")
    silent = running.filter(pl.col("light") == silence.WAITING)
    speaking = running.filter((pl.col("light") != silence.WAITING).fill_null(True))
    looks = known.on_days(city, speaking.select("case_id", pl.lit(city.as_of).alias("day")), calendar)
    about = {row["case_id"]: row for row in running.iter_rows(named=True)}
    chance = model.chances(learned, looks)
    first, last, likely = model.ends(learned, looks)
    today = np.full(looks.height, city.as_of, "datetime64[D]")
    days = {
        name: calendar.add(today, ahead, looks["natural"].to_numpy())
        for name, ahead in (("likely_on", likely), ("first_on", first), ("last_on", last))
    }
    rows = [
        {
            "case_id": case,
            "project_code": about[case]["project_code"],
            "data_as_of": read.get(about[case]["channel"]),
            "waits": False,
            "chance": round(float(chance[n]), 4),
            **({name: str(day[n]) for name, day in days.items()} if likely[n] else {}),
            "reasons": reasons,
        }
        for n, (case, reasons) in enumerate(zip(looks["case_id"], model.reasons(learned, looks), strict=True))
    ]
    return rows + [
        {
            "case_id": row["case_id"],
            "project_code": row["project_code"],
            "data_as_of": read.get(row["channel"]),
            "waits": True,
            "reasons": [],
        }
        for row in silent.iter_rows(named=True)
    ]


def _read_up_to(read: dict[str, datetime]) -> dict[str, datetime]:
    """Channel → up to when every feed of its cases has been read."""
    feeds = [feed.id for source in loader.load_all().values() for feed in source.feeds.values()]
    found: dict[str, datetime] = {}
    for feed, channel in channels.by_feed(feeds).items():
        if feed in read:
            found[channel] = min(found.get(channel, read[feed]), read[feed])
    return found


def worded(reason: dict[str, Any]) -> str:
    """A reason for people: what it is, how it usually is, and by how many points it moves the chance."""
    name, value, usual = reason["name"], reason["value"], reason["usual"]
    points = f"{100 * reason['effect']:+.1f} 个百分点"
    if name == "elapsed":
        return f"已用时限 {value:.0%}（{points}）"
    if name == "paused":
        return f"{'正在暂停' if value else '没有暂停'}（{points}）"
    if name == "short":
        return f"时限 {round(1 / value) - 1} 天，通常约 {max(round(1 / usual) - 1, 0)} 天（{points}）"
    shown = (
        (f"{value:.0f} 次", f"{usual:.1f} 次")
        if name in ("supplements", "specials")
        else (f"{value:.2f}", f"{usual:.2f}")
        if name == "load"
        else (f"{value:.0%}", f"{usual:.0%}")
    )
    return f"{FEATURES[name]} {shown[0]}，通常 {shown[1]}（{points}）"
