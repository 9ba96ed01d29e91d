"""The arrival model: what is usual is quiet, what is not is silent, holidays and young histories included."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from quality.silence import watch
from quality.silence.rhythm import FEW_GAPS, learn, without_outages
from quality.silence.spoken import ACTED_ON, HALF, NO_PAUSE, OTHERS, OWN, spoken
from sources.declaration import Feed, Rhythm, Source
from supervision.calendar import Calendar

CALENDAR = Calendar()
YEAR = datetime(2025, 1, 6)


def source(**rhythm) -> Source:
    feeds = {
        name: Feed(
            id=f"x.{name}",
            name=name,
            mapping="x/y",
            cursor={"kind": "window", "column": "t"},
            key=["id"],
            rhythm=Rhythm(**rhythm),
        )
        for name in ("a", "b")
    }
    return Source.model_construct(source="x", name="数源", feeds=feeds)


def arrivals(
    rows_a_day: float,
    first: datetime,
    last: datetime,
    *,
    seed: int = 1,
    hours=(9, 10, 11, 14, 15, 16, 17),
    festival=1.0,
) -> list[datetime]:
    """Rows at random on working days, by the hour; ``festival``: what is left of a day's rows around long holidays."""
    chance, found = np.random.default_rng(seed), []
    days = np.arange(first, last + timedelta(days=1), dtype="datetime64[D]")
    for day, worked in zip(days, CALENDAR.is_counted(days), strict=True):
        month_day = (day.astype(object).month, day.astype(object).day)
        share = festival if (1, 20) <= month_day <= (2, 28) else 1.0
        for hour in chance.choice(hours, chance.poisson(rows_a_day * share) if worked else 0):
            found.append(datetime.combine(day.astype(object), datetime.min.time()) + timedelta(hours=int(hour)))
    return [at for at in found if at < last]


def counted(at: list[datetime], feed: str = "x.a", kind: str = "feed", part: str = "") -> pl.DataFrame:
    found = pl.DataFrame({"at": at}, schema={"at": pl.Datetime("us")}).group_by("at").len("rows")
    return found.select(
        pl.lit(feed).alias("feed"),
        pl.lit(kind).alias("kind"),
        pl.lit(part).alias("part"),
        "at",
        pl.col("rows").cast(pl.Int64),
    )


def heard(frames: dict[str, pl.DataFrame], now: datetime, **rhythm) -> dict[tuple[str, str, str], watch.Heard]:
    of = source(**rhythm)
    feeds = {f"x.{name}": (of.feeds[name], frame, now) for name, frame in frames.items()}
    return {(one.feed, one.kind, one.part): one for one in watch.hear(of, feeds, CALENDAR, {}, {})}


WHOLE = ("x.a", "feed", "")


@pytest.mark.parametrize(
    "froze", [datetime(2026, 1, 7, 9, 30), datetime(2026, 2, 13, 15), datetime(2026, 4, 30, 16, 30)]
)
def test_a_busy_feed_that_stops_is_silent_within_one_working_day(froze) -> None:
    at = arrivals(24, YEAR, froze)
    now = heard({"a": counted(at)}, froze)[WHOLE]
    assert not now.silent
    day = np.datetime64(now.due.date())
    assert CALENDAR.count(np.array([froze.date()], "M8[D]"), np.array([day]))[0] <= 1
    later = heard({"a": counted(at)}, now.due + timedelta(hours=1))[WHOLE]
    assert later.silent and "通常每个工作日" in later.text
    assert later.horizon <= froze + timedelta(hours=1)


@pytest.mark.parametrize("rows_a_day", [0.5, 3, 24])
def test_a_feed_that_lives_is_never_called_silent_through_a_year_with_its_holidays(rows_a_day) -> None:
    at = arrivals(rows_a_day, YEAR, datetime(2026, 6, 1), festival=0.4)
    days = [datetime(2026, 1, 26) + timedelta(days=3 * n, hours=8 + n % 12) for n in range(35)]
    silent = [day for day in days if heard({"a": counted([a for a in at if a < day])}, day)[WHOLE].silent]
    assert silent == []


@pytest.mark.parametrize("rows_a_day", [1.5, 5, 20])
def test_what_a_freeze_may_hide_is_not_taken_as_heard_long_before_it_is_found(rows_a_day) -> None:
    froze = datetime(2026, 3, 10, 12)
    frames = {"a": counted(arrivals(rows_a_day, YEAR, froze))}
    next_day = heard(frames, datetime(2026, 3, 10, 23))[WHOLE]
    assert not next_day.silent
    assert next_day.heard_to < froze + timedelta(hours=5), "a verdict about the end of that day rests on the hole"


def spoken_to(
    frames: dict[str, pl.DataFrame], now: datetime, *, asked: str = OTHERS, **rhythm
) -> dict[tuple, datetime]:
    of = source(**rhythm)
    feeds = {f"x.{name}": (of.feeds[name], frame, now) for name, frame in frames.items()}
    told = spoken(of, feeds, set(feeds), watch.hear(of, feeds, CALENDAR, {}, {}), CALENDAR)
    return {(one.feed, one.part): one.upto for one in told if one.asked == asked}


def test_a_table_that_seldom_speaks_is_answered_for_by_its_source_and_one_that_speaks_often_by_itself() -> None:
    now, froze = datetime(2026, 3, 20, 8), datetime(2026, 3, 16, 12)
    frames = {"a": counted(arrivals(9, YEAR, now)), "b": counted(arrivals(0.2, YEAR, froze), "x.b")}
    upto = spoken_to(frames, now)
    assert upto["x.b", ""] == spoken_to(frames, now, asked=OWN)["x.b", ""] > datetime(2026, 3, 19)
    frames["b"] = counted(arrivals(2, YEAR, froze), "x.b")
    upto = spoken_to(frames, now)
    assert upto["x.b", ""] < datetime(2026, 3, 17, 12) and upto["x.a", ""] > datetime(2026, 3, 19)


def test_a_table_that_seldom_speaks_is_asked_itself_for_the_other_half_of_a_pause_as_long_as_is_usual() -> None:
    now, froze = datetime(2026, 3, 20, 8), datetime(2026, 3, 16, 12)
    frames = {"a": counted(arrivals(9, YEAR, now)), "b": counted(arrivals(0.2, YEAR, froze), "x.b")}
    started = pl.concat([frames["b"], counted([datetime(2026, 3, 2)], "x.b", "event", "SPECIAL_START")])
    upto = spoken_to({**frames, "b": started}, now, asked=HALF, longest=20)
    assert upto["x.b", ""] <= froze < datetime(2026, 3, 19) < upto["x.a", ""]
    for asked in (NO_PAUSE, ACTED_ON):
        assert spoken_to({**frames, "b": started}, now, asked=asked, longest=20) == {("x.b", ""): upto["x.b", ""]}
    assert spoken_to({**frames, "b": started}, now, asked=ACTED_ON, longest=3) == {}, "no order could wait for it"
    soon = now + timedelta(days=30)
    assert spoken_to({**frames, "b": started}, soon, asked=NO_PAUSE, longest=3)["x.b", ""] < datetime(2026, 3, 17), (
        "a rhythm that was learned ends as a silence"
    )
    later = spoken_to({**frames, "b": started}, now + timedelta(days=40), asked=HALF, longest=20)
    assert later["x.b", ""] > froze, "its declaration's word is the end of waiting"


def test_an_event_that_stops_holds_its_feed_back_and_a_part_that_speaks_often_answers_for_itself() -> None:
    now, froze = datetime(2026, 3, 20, 8), datetime(2026, 3, 16)
    at = arrivals(9, YEAR, now)
    days = [a.replace(hour=0) for a in at]
    ended = [day for day in days if day < froze]
    alive = pl.concat([counted(at), counted(days, kind="department", part="甲")])
    silent = pl.concat([alive, counted(ended, kind="department", part="乙")])
    assert spoken_to({"a": silent}, now)["x.a", "乙"] <= froze
    assert spoken_to({"a": silent}, now)["x.a", "甲"] > datetime(2026, 3, 19)
    assert spoken_to({"a": alive}, now)["x.a", ""] > datetime(2026, 3, 19)
    no_ends = pl.concat([alive, counted(ended, kind="event", part="DONE_OK")])
    assert spoken_to({"a": no_ends}, now)["x.a", ""] <= froze


@pytest.mark.parametrize(("rows_a_day", "trickle"), [(24, 1), (24, 2), (100, 5)])
def test_a_feed_that_still_brings_a_row_a_day_and_no_more_is_silent_within_two_days(rows_a_day, trickle) -> None:
    froze, now = datetime(2026, 3, 10), datetime(2026, 3, 12, 8)
    at = arrivals(rows_a_day, YEAR, froze)
    drops = [froze + timedelta(days=day, hours=9 + 2 * n) for day in range(2) for n in range(trickle)]
    found = heard({"a": counted(at + drops)}, now)[WHOLE]
    assert found.silent and "仅" in found.text and found.hole_from < froze
    back = arrivals(rows_a_day, datetime(2026, 3, 12), datetime(2026, 3, 13))
    assert not heard({"a": counted(at + drops + back)}, datetime(2026, 3, 13, 8))[WHOLE].silent


def test_a_batch_a_day_is_no_silence_between_two_batches() -> None:
    at = [a.replace(hour=2) for a in arrivals(30, YEAR, datetime(2026, 3, 10), hours=(2,))]
    assert not heard({"a": counted(at)}, datetime(2026, 3, 10, 1, 30))[WHOLE].silent
    assert not heard({"a": counted(at)}, datetime(2026, 3, 9, 23))[WHOLE].silent
    assert heard({"a": counted(at)}, datetime(2026, 3, 12, 4))[WHOLE].silent


def test_with_little_history_the_declaration_holds_unless_the_history_contradicts_it() -> None:
    at = arrivals(20, datetime(2026, 3, 2), datetime(2026, 3, 4))
    assert not heard({"a": counted(at)}, datetime(2026, 3, 5, 12), longest=3)[WHOLE].silent
    assert heard({"a": counted(at)}, datetime(2026, 3, 12, 12), longest=3)[WHOLE].silent
    assert not heard({"a": counted(at)}, datetime(2026, 9, 1), longest="any")[WHOLE].silent
    assert not heard({"a": counted(at)}, datetime(2026, 9, 1))[WHOLE].silent, "nothing is known: nothing is claimed"
    rare = [datetime(2026, 1, 5, 9), datetime(2026, 2, 25, 9), *[datetime(2026, 2, 26, 9)] * 20]
    assert not heard({"a": counted(rare)}, datetime(2026, 4, 1), longest=3)[WHOLE].silent, "so long was quiet before"


def test_feeds_of_one_source_are_told_together_sooner_than_each_alone() -> None:
    froze = datetime(2026, 3, 10, 12)
    frames = {name: counted(arrivals(4, YEAR, froze, seed=n), f"x.{name}") for n, name in enumerate("ab")}
    found = heard(frames, froze)
    assert found["x", "source", ""].due < min(found[f"x.{name}", "feed", ""].due for name in "ab")


def test_a_department_whose_conclusions_stop_while_its_acceptances_go_on_is_silent_alone() -> None:
    froze, now = datetime(2026, 3, 2), datetime(2026, 3, 16)
    frames = {}
    for n, name in enumerate("ab"):
        parts = []
        for m, department in enumerate(("甲", "乙")):
            until = froze if (name, department) == ("b", "甲") else now
            at = arrivals(6, YEAR, until, seed=10 * n + m)
            parts += [
                counted(at, f"x.{name}"),
                counted([a.replace(hour=0) for a in at], f"x.{name}", "department", department),
            ]
        frames[name] = pl.concat(parts)
    silent = {name for name, one in heard(frames, now).items() if one.silent}
    assert silent == {("x.b", "department", "甲")}


def test_a_column_that_goes_empty_is_silent_while_its_feed_lives() -> None:
    froze, now = datetime(2026, 3, 2), datetime(2026, 3, 16)
    at = arrivals(8, YEAR, now)
    filled = [a.replace(hour=0) for n, a in enumerate(at) if a < froze and n % 3]
    frame = pl.concat([counted(at), counted(filled, kind="column", part="case.concluded_at")])
    silent = {name for name, one in heard({"a": frame}, now).items() if one.silent}
    assert silent == {("x.a", "column", "case.concluded_at")}


def test_an_outage_of_the_past_teaches_no_patience() -> None:
    gaps = np.random.default_rng(1).exponential(0.1, 400)
    with_outage = np.append(gaps, 12.0)
    assert without_outages(with_outage).max() < 12
    assert learn(with_outage) == pytest.approx(learn(gaps), rel=0.05)
    assert learn(gaps[: FEW_GAPS - 1]) is None
