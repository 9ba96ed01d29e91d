"""Forecasts against years that the model has not seen: ``python -m bench.forecast [--projects 590] [--cases 20000]``.

Twice: on the simulated world taken in through mappings and merge (its own lateness is planted and has no cause that anything could learn,
so it proves the machinery alone), and on cases drawn from a process with causes: slow departments, load, supplements, cases left
lying. Learned on what was known on a day, judged on the cases accepted after it. Printed: how often what was forecast came true
(calibration), how often the interval held the end, and how many days before the due date the first alert came, beside the 黄灯 at the
same number of alerts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bench import scratch
from insight.forecast import known, model, steps
from insight.forecast.known import City
from supervision import judge
from supervision.calendar import Calendar
from supervision.declaration import CLOCK

BINS = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]


def _number(value: Any) -> float:
    """A mean as Polars gives it, of one of many types by its hints."""
    return float(value)


def daily(city: City, calendar: Calendar) -> pl.DataFrame:
    """(case_id, day) of every counted day on which a case was open at its end."""
    last = pl.coalesce(pl.col("ended_on").dt.offset_by("-1d"), pl.lit(city.as_of))
    days = (
        city.cases.filter(pl.col("accepted_on") <= last)
        .select("case_id", "natural", pl.date_ranges("accepted_on", last).alias("day"))
        .explode("day")
    )
    counted = calendar.is_counted(days["day"].to_numpy(), days["natural"].to_numpy())
    return days.filter(pl.Series(counted)).select("case_id", "day")


def judged(learned: model.Model, seen: pl.DataFrame) -> dict[str, Any]:
    """:param seen: looks of every day of cases that the model has not seen; those whose outcome is known are counted."""
    seen = seen.filter(pl.col("late").is_not_null())
    first, last, _ = model.ends(learned, seen)
    held = seen.select(
        pl.col("ended"), ((pl.col("left") >= pl.Series(first)) & (pl.col("left") <= pl.Series(last))).alias("held")
    ).filter("ended")["held"]
    ahead = seen.with_columns(pl.Series("chance", model.chances(learned, seen))).filter(
        pl.col("spent") <= pl.col("limit")
    )
    ahead = ahead.sort("case_id", "day")
    left = pl.col("limit") - pl.col("spent")
    yellow = ahead.filter(
        (pl.col("paused") == 0) & ((left <= CLOCK.yellow_days) | (left <= CLOCK.yellow_share * pl.col("limit")))
    )
    alerted = yellow.group_by("case_id").agg(pl.col("day").min())
    highest = ahead.group_by("case_id").agg(pl.col("chance").max()).sort("chance", descending=True)
    threshold = highest["chance"][min(alerted.height, highest.height) - 1]
    forecast = ahead.filter(pl.col("chance") >= threshold).group_by("case_id").agg(pl.col("day").min())
    overdue = ahead.filter("late").group_by("case_id").agg(pl.col("day").max().alias("due"))
    return {
        # a look a case, chosen by the clock and not by what came of it
        "at_acceptance": _calibrated(ahead.unique("case_id", keep="first", maintain_order=True)),
        "at_half": _calibrated(
            ahead.filter(pl.col("begun") >= 0.5).unique("case_id", keep="first", maintain_order=True)
        ),
        "interval_held": round(_number(held.mean()), 3),
        "interval_wanted": model.CONFIDENCE,
        "interval_days": round(float((last - first).mean()), 2),
        "alerts": alerted.height,
        "yellow": _lead(alerted, overdue),
        "forecast": {"threshold": round(float(threshold), 3), **_lead(forecast, overdue)},
    }


def _calibrated(looks: pl.DataFrame) -> dict[str, Any]:
    chance, late = looks["chance"].to_numpy(), looks["late"].cast(pl.Float64).to_numpy()
    base = float(late.mean())
    return {
        "cases": looks.height,
        "late": int(late.sum()),
        "brier": round(float(((chance - late) ** 2).mean()), 4),
        "brier_of_the_rate": round(base * (1 - base), 4),
        "calibration_error": round(_error(chance, late), 4),
        "bins": _bins(chance, late),
    }


def _bins(chance: np.ndarray, late: np.ndarray) -> list[dict[str, Any]]:
    place = np.clip(np.digitize(chance, BINS) - 1, 0, len(BINS) - 2)
    return [
        {
            "from": BINS[n],
            "to": BINS[n + 1],
            "cases": int((place == n).sum()),
            "forecast": round(float(chance[place == n].mean()), 3),
            "came_true": round(float(late[place == n].mean()), 3),
        }
        for n in range(len(BINS) - 1)
        if (place == n).any()
    ]


def _error(chance: np.ndarray, late: np.ndarray) -> float:
    """Expected calibration error over the bins."""
    return sum(b["cases"] * abs(b["forecast"] - b["came_true"]) for b in _bins(chance, late)) / max(len(chance), 1)


def _lead(alerted: pl.DataFrame, overdue: pl.DataFrame) -> dict[str, Any]:
    """Of the cases that became overdue: how many were told of, and how many natural days before their last day in time."""
    joined = overdue.join(alerted, on="case_id", how="left")
    lead = joined.select((pl.col("due") - pl.col("day")).dt.total_days().alias("lead"))["lead"].drop_nulls()
    return {
        "alerts": alerted.height,
        "late_told": len(lead),
        "of": overdue.height,
        "right": round(len(lead) / max(alerted.height, 1), 3),
        "lead_days_median": _number(lead.median()) if len(lead) else None,
        "lead_days_mean": round(_number(lead.mean()), 2) if len(lead) else None,
    }


def _cut(city: City, day: date) -> City:
    """What was known at the end of a day: ends and pauses that came later are not."""
    open_then = (pl.col("ended_on") > day).fill_null(True)
    cases = city.cases.filter(pl.col("accepted_on") <= day).with_columns(
        pl.when(open_then).then(None).otherwise("ended_on").alias("ended_on"),
        pl.when(open_then).then(0).otherwise("used").alias("used"),
        pl.when(open_then).then(False).otherwise("withdrawn").alias("withdrawn"),
    )
    # a look takes what was spent by its own day; of an open case that of the last look counts, which is enough for censoring
    return City(
        day, cases, city.pauses.filter(pl.col("from_") <= day), city.events.filter(pl.col("on") <= day), city.steps
    )


def on(city: City, before: City, calendar: Calendar) -> dict[str, Any]:
    """Learn on ``before``, judge on the cases of ``city`` accepted later."""
    begun = time.perf_counter()
    learned = model.learn(known.on_days(before, known.looks(before, calendar), calendar), before.as_of)
    taking = time.perf_counter() - begun
    if learned is None:
        raise SystemExit("too few cases to learn from")
    fresh = city.cases.filter(pl.col("accepted_on") > before.as_of).select("case_id")
    seen = known.on_days(city, daily(city, calendar).join(fresh, on="case_id", how="semi"), calendar)
    return {
        "learned_as_of": before.as_of.isoformat(),
        "taught": learned.taught,
        "taught_late": learned.late,
        "learn_s": round(taking, 2),
        **judged(learned, seen),
    }


def drawn(cases: int, calendar: Calendar, seed: int = 7) -> City:
    """Cases of three years out of a process with causes, none of which is told to the model but by what a store would hold."""
    chance = np.random.default_rng(seed)
    first, days = date(2023, 1, 2), 3 * 365
    department = chance.integers(0, 18, cases)
    item = chance.integers(0, 50, cases)
    limit = np.array([3, 5, 7, 10, 15, 20])[item % 6]
    offset = np.sort(chance.integers(0, days, cases))
    accepted = calendar.add(np.datetime64(first) + offset, np.zeros(cases, np.int64))
    slow = chance.uniform(-0.35, 0.35, 18)
    drift = chance.uniform(-0.3, 0.3, 18)  # a department becomes slower or faster over the years
    hard = chance.uniform(-0.25, 0.25, 50)
    busy = 0.25 * np.sin(2 * np.pi * (offset / 365 + department / 18))  # its months of many cases
    lies = chance.random(cases) < 0.12  # left lying for a while
    supplemented = chance.random(cases) < 0.15
    pace = np.exp(
        -0.62
        + slow[department]
        + drift[department] * offset / days
        + hard[item]
        + busy
        + 0.25 * supplemented
        + 0.28 * chance.standard_normal(cases)
    )
    used = np.maximum(np.rint(limit * pace + lies * limit * chance.uniform(0.1, 0.6, cases)), 0).astype(np.int64)
    begun = np.minimum(1 + chance.integers(0, 3, cases), np.maximum(used - 1, 0))
    away = np.where(supplemented, chance.integers(2, 8, cases), 0)
    pause_from = calendar.add(accepted, begun)
    pause_until = calendar.add(pause_from, away)
    ended = calendar.add(accepted, used + away)
    ids = np.array([f"case-{n:06d}" for n in range(cases)])
    table = pl.DataFrame(
        {
            "case_id": ids,
            "case_no": ids,
            "project_code": [f"project-{n // 25}" for n in range(cases)],
            "item_code": [f"DG-{n}" for n in item],
            "item_name": [f"事项{n}" for n in item],
            "department": [f"部门{n}" for n in department],
            "accepted_on": accepted,
            "ended_on": ended,
            "withdrawn": np.zeros(cases, bool),
            "limit": limit,
            "natural": np.zeros(cases, bool),
            "used": used,
        }
    ).cast(known.CASES)
    pauses = pl.DataFrame({"case_id": ids, "from_": pause_from, "until": pause_until}).filter(pl.Series(supplemented))
    pauses = (
        pauses.with_columns(
            pl.lit("supplement").alias("kind"),
            pl.lit(None, pl.Date).alias("limit_until"),
            pl.col("from_").cast(pl.Datetime("us")).alias("_started"),
            pl.col("until").cast(pl.Datetime("us")).alias("_ended"),
        )
        .select(list(known.PAUSES))
        .cast(known.PAUSES)
    )
    # a step every other day, none while the case lies
    step = chance.integers(0, np.maximum(used, 1))
    quiet = np.where(lies, np.minimum(step, 2), step)
    on_days = [accepted, calendar.add(accepted, quiet), calendar.add(accepted, np.maximum(quiet - 2, 0)), pause_until]
    events = pl.concat(pl.DataFrame({"case_id": ids, "on": day}).cast(known.EVENTS) for day in on_days).unique()
    return City(first + timedelta(days=days + 120), table, pauses, events, pl.DataFrame(schema=known.STEPS))


def _learned(projects: int, by: judge.Rules, back: int) -> dict[str, Any]:
    """The simulated world in a database of its own: learned ``back`` days before its end."""
    from standins import world
    from tests.supervision.told import take

    with (
        scratch.server() as url,
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        scratch.database(url, "forecast"),
    ):
        truth = world.make(Path(folder) / "world", projects=projects, seed=7)
        now = take(truth, patch, Path(folder) / "clock").date()
        city = known.gather(now, by)
        before = known.gather(now - timedelta(days=back), by)
        return {**on(city, before, by.calendar), "steps": stepped(city, before)}


def stepped(city: City, before: City) -> dict[str, Any]:
    """How often the interval of a project's next steps held what came of them."""
    foreseen = steps.ahead(before.steps, steps.learn(before.steps, before.as_of), before.as_of, model.CONFIDENCE)
    real = city.steps.select("project_code", "item_code", "received_on", pl.col("done_on").alias("_done"))
    both = foreseen.join(real, on=["project_code", "item_code"]).drop_nulls(["received_on", "_done"])
    low, high = pl.coalesce("begins_last", pl.lit(date.max)), pl.coalesce("done_last", pl.lit(date.max))
    held = both.select(
        pl.col("received_on").is_between("begins_first", low).mean().alias("begins"),
        pl.col("_done").is_between("done_first", high).mean().alias("done"),
        (pl.col("_done") - pl.col("done_on")).dt.total_days().abs().median().alias("off_days_median"),
    ).to_dicts()[0]
    return {"steps": both.height, **{name: round(value, 3) for name, value in held.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=590, help="of the simulated world; 0: leave it out")
    parser.add_argument("--cases", type=int, default=20_000, help="of the process with causes")
    parser.add_argument(
        "--back", type=int, default=150, help="days before the simulated world's end on which is learned"
    )
    options = parser.parse_args()
    by = judge.rules()
    city = drawn(options.cases, by.calendar)
    found = {"process": on(city, _cut(city, date(2025, 1, 1)), by.calendar)}
    if options.projects:
        found["told"] = _learned(options.projects, by, options.back)
    print(json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
