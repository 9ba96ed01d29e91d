"""Forecasts: nothing of a day's future is known on that day, what is learned is calibrated on what was not seen, and no rule reads it."""

from __future__ import annotations

import json
import subprocess
from datetime import date

import numpy as np
import polars as pl
import pytest

from bench import forecast as bench
from core import settings
from insight.forecast import known, model, run, steps
from supervision import rulebook

CUT = date(2025, 1, 1)


@pytest.fixture(scope="module")
def calendar():
    return rulebook.calendar(rulebook.FOLDER)


@pytest.fixture(scope="module")
def city(calendar):
    return bench.drawn(6_000, calendar)


@pytest.fixture(scope="module")
def learned(city, calendar):
    before = bench._cut(city, CUT)
    return model.learn(known.on_days(before, known.looks(before, calendar), calendar), CUT)


@pytest.fixture(scope="module")
def unseen(city, calendar):
    """A look at acceptance and one at half of the limit of each case accepted after the cut."""
    fresh = city.cases.filter(pl.col("accepted_on") > CUT).select("case_id")
    at = known.looks(city, calendar, (0.0, 0.5)).join(fresh, on="case_id", how="semi")
    return known.on_days(city, at, calendar)


def test_what_is_known_on_a_day_does_not_change_with_what_comes_later(city, calendar):
    day = date(2024, 6, 28)
    then = bench._cut(city, day)
    open_then = city.cases.filter((pl.col("accepted_on") <= day) & (pl.col("ended_on") > day))
    at = open_then.select("case_id", pl.lit(day).alias("day"))
    seen, told = known.on_days(then, at, calendar), known.on_days(city, at, calendar)
    same = [
        "case_id",
        "spent",
        "begun",
        "supplements",
        "specials",
        "idle",
        "item_pace",
        "department_pace",
        "department_late",
        "load",
    ]
    assert seen.height == open_then.height > 20
    assert seen.select(same).equals(told.select(same))
    assert seen["ended"].any() is False and told["ended"].all()


def test_spent_is_what_the_clock_of_the_rules_says(city, calendar):
    """At the last day on which a case was open it had used what it used in all, less what its last day may count."""
    cases = city.cases.filter(pl.col("used") > 0)
    at = cases.select("case_id", pl.col("ended_on").alias("day"))
    seen = known.on_days(city, at, calendar).join(cases.select("case_id", "used"), on="case_id")
    assert (seen["spent"] == seen["used"]).all()


def test_chances_come_true_on_cases_that_were_not_seen(learned, unseen):
    ahead = unseen.filter(pl.col("late").is_not_null() & (pl.col("spent") <= pl.col("limit")))
    chance, late = model.chances(learned, ahead), ahead["late"].cast(pl.Float64).to_numpy()
    assert ((chance >= 0) & (chance <= 1)).all()
    assert bench._error(chance, late) < 0.06
    assert ((chance - late) ** 2).mean() < late.mean() * (1 - late.mean())  # better than the rate alone


def test_the_interval_holds_as_many_as_it_says(learned, unseen):
    ended = unseen.filter("ended")
    first, last, likely = model.ends(learned, ended)
    left = ended["left"].to_numpy()
    assert (first <= likely).all() and (likely <= last).all()
    assert model.CONFIDENCE - 0.08 < ((left >= first) & (left <= last)).mean() < 0.95


def test_three_reasons_say_what_each_of_them_moves(learned, unseen):
    looks = unseen.filter(pl.col("spent") <= pl.col("limit")).head(40)
    whole = model.chances(learned, looks)
    for n, told in enumerate(model.reasons(learned, looks)):
        assert len(told) == 3 and all(run.worded(reason) for reason in told)
        assert np.all(np.diff([abs(reason["effect"]) for reason in told]) <= 1e-12)
        first = told[0]
        as_usual = looks[n].with_columns(
            *(
                [pl.lit(0.0).alias("begun"), pl.lit(0, pl.Int64).alias("spent")]
                if first["name"] == "elapsed"
                else [pl.lit(first["usual"]).alias(first["name"])]
            )
        )
        assert whole[n] - model.chances(learned, as_usual)[0] == pytest.approx(first["effect"])
    over = unseen.head(1).with_columns(pl.lit(99, pl.Int64).alias("spent"))
    assert model.chances(learned, over)[0] == 1 and model.reasons(learned, over) == [[]]


def test_a_model_is_numbers_that_can_be_read_again(learned, unseen):
    again = model.read(json.loads(json.dumps(learned.as_dict())))
    assert again == learned and again.version == learned.version
    assert np.array_equal(model.chances(again, unseen), model.chances(learned, unseen))


def test_from_too_few_nothing_is_learned(city, calendar):
    few = known.City(city.as_of, city.cases.head(60), city.pauses, city.events, city.steps)
    assert model.learn(known.on_days(few, known.looks(few, calendar), calendar), few.as_of) is None
    none = known.City(city.as_of, city.cases.clear(), city.pauses, city.events, city.steps)
    assert known.on_days(none, known.looks(none, calendar), calendar).is_empty()


def test_a_wait_that_is_longer_than_all_that_ended_is_not_foretold():
    rows = [
        ("p", "DG-1", "事项", date(2025, 1, 1), date(2025, 1, 1 + n % 20), date(2025, 2, 1 + n % 20), False)
        for n in range(60)
    ]
    rows += [
        ("q", "DG-1", "事项", date(2025, 6, 1), None, None, True),
        ("r", "DG-1", "事项", date(2024, 1, 1), None, None, True),
    ]
    frame = pl.DataFrame(rows, schema=known.STEPS, orient="row")
    found = steps.ahead(frame, steps.learn(frame, date(2025, 6, 2)), date(2025, 6, 2), 0.8)
    told = found.filter(pl.col("project_code") == "q").row(0, named=True)
    assert date(2025, 6, 2) <= told["begins_first"] <= told["begins_on"] <= told["begins_last"] <= told["done_last"]
    assert told["begins_on"] < told["done_on"]
    assert found.filter(pl.col("project_code") == "r").height == 0


def test_no_rule_reads_a_forecast():
    found = subprocess.run(
        [
            "grep",
            "-rlE",
            "forecast|foresee",
            *(str(settings.ROOT / room) for room in ("supervision", "quality", "pipeline", "store/unify.py")),
        ],
        capture_output=True,
        text=True,
    ).stdout.split()
    assert [path for path in found if path.endswith((".py", ".yaml", ".sql"))] == []
