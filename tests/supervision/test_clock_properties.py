"""Timelines and clocks in columns against the slow clock: whatever a log holds, both say the same."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import chinese_calendar
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervision.calendar import NATURAL, WORKING, Calendar, Overrides
from supervision.clock import CASE_SCHEMA, clocks
from supervision.timeline import EVENT_SCHEMA, timelines
from tests.supervision import slow_clock

CALENDAR = Calendar()
OWN = {date(2027, 1, 1): False, date(2027, 1, 2): True, date(2026, 10, 12): False}
OVERRIDDEN = Calendar(Overrides(days=OWN))


def official(day: date) -> bool:
    try:
        return chinese_calendar.is_workday(day)
    except NotImplementedError:
        return day.weekday() < 5


def own(day: date) -> bool:
    return OWN.get(day, official(day))


# Spring Festival, Labour Day, the National Day and the turn of the year: rest days, 调休 days, days without a notice
SEASONS = (date(2026, 2, 9), date(2026, 4, 22), date(2026, 9, 15), date(2026, 12, 14))
LOGGED = [
    "SUBMITTED",
    "ACCEPTED",
    "SUPPLEMENT_START",
    "SUPPLEMENT_END",
    "SPECIAL_START",
    "SPECIAL_END",
    "HANDLING",
    "REJECTED_INTAKE",
    "DONE_OK",
    "DONE_FAIL",
    "WITHDRAWN",
    "DONE_RETURNED",
]
UNITS = st.sampled_from([WORKING, NATURAL])


@st.composite
def stamps(draw, season: date) -> datetime:
    day = season + timedelta(days=draw(st.integers(0, 40)))
    minutes = draw(st.sampled_from([0, 0, 540, 541, 870, 1020]))  # 0: a date alone
    return datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)


def row(
    channel: str,
    name: str,
    at: datetime,
    series: str = "LOG",
    key: str | None = None,
    version: int | None = None,
    **more,
) -> dict:
    return {
        "case_id": "",
        "channel": channel,
        "event": name,
        "at": at,
        "until": None,
        "series": series,
        "series_key": key,
        "version": version,
        "limit_days": None,
        "limit_unit": None,
        **more,
    }


@st.composite
def logged(draw, season: date, channel: str) -> list[dict]:
    """A department's log, or the national tables: any order, starts and ends missing or twice."""
    names = draw(st.lists(st.sampled_from(LOGGED), min_size=0, max_size=7))
    events = []
    for name in names:
        more = {}
        if name == "SPECIAL_START" and draw(st.booleans()):
            more = {"limit_days": draw(st.integers(0, 15)), "limit_unit": draw(UNITS)}
        at = draw(stamps(season))
        if name == "SPECIAL_START" and channel == "P3" and draw(st.booleans()):
            more["until"] = at + timedelta(days=draw(st.integers(0, 12)))
        events.append(row(channel, name, at, **more))
    return events


@st.composite
def municipal(draw, season: date) -> list[dict]:
    """Rows of GDBS: versions of SB and SL, 补正 without an end, 特别程序 by its two tables."""
    events = []
    submitted = sorted(draw(st.lists(stamps(season), max_size=3)))
    events += [row("M2", "SUBMITTED", at, "SB", "1", n + 1) for n, at in enumerate(submitted)]
    states = draw(
        st.lists(
            st.tuples(st.sampled_from(["ACCEPTED", "ACCEPTED", "SUPPLEMENT_ASKED", "REJECTED_INTAKE"]), stamps(season)),
            max_size=3,
        )
    )
    events += [row("M2", state, at, "SL", "1", n + 1) for n, (state, at) in enumerate(states)]
    for at in draw(st.lists(stamps(season), max_size=2)):
        events.append(row("M2", "SUPPLEMENT_START", at, "BZGZ", f"1|{at}", 1))
    for at in draw(st.lists(stamps(season), max_size=2)):
        events.append(row("M2", "HANDLING", at, "SPCL", f"1|{at}", 1))
    for at in draw(st.lists(stamps(season), max_size=2)):
        limit = draw(st.one_of(st.none(), st.integers(0, 12)))
        events.append(row("M2", "SPECIAL_START", at, "TBCXSQ", f"1|{at}", 1, limit_days=limit, limit_unit=draw(UNITS)))
    for at in draw(st.lists(stamps(season), max_size=1)):
        events.append(row("M2", "SPECIAL_END", at, "TBCXJG", f"1|{at}", 1))
    ends = draw(st.lists(st.tuples(st.sampled_from(["DONE_OK", "DONE_FAIL", "WITHDRAWN"]), stamps(season)), max_size=2))
    events += [row("M2", end, at, "BJ", "1", n + 1) for n, (end, at) in enumerate(ends)]
    return events


@st.composite
def cases(draw) -> dict:
    season = draw(st.sampled_from(SEASONS))
    kinds = draw(st.sampled_from(["D3", "M2", "both", "P3", "all"]))
    events = []
    if kinds in ("M2", "both", "all"):
        events += draw(municipal(season))
    if kinds in ("D3", "both", "all"):
        events += draw(logged(season, "D3"))
    if kinds in ("P3", "all"):
        events += draw(logged(season, "P3"))
    limit = st.one_of(st.none(), st.integers(0, 20))
    return {
        "season": season,
        "events": events,
        "promised": (draw(limit), draw(UNITS)),
        "statutory": (draw(limit), draw(UNITS)),
    }


@given(st.lists(cases(), min_size=1, max_size=8), st.integers(-1, 60), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_columns_say_what_the_slow_clock_says(drawn: list[dict], later: int, overridden: bool) -> None:
    today = drawn[0]["season"] + timedelta(days=later)
    calendar, works = (OVERRIDDEN, own) if overridden else (CALENDAR, official)
    rows = [{**event, "case_id": str(n)} for n, case in enumerate(drawn) for event in case["events"]]
    line = timelines(pl.DataFrame(rows, schema=EVENT_SCHEMA), today, calendar)
    limits = pl.DataFrame(
        [(str(n), *case["promised"], *case["statutory"]) for n, case in enumerate(drawn)],
        schema={
            name: CASE_SCHEMA[name]
            for name in ("case_id", "promised_limit", "promised_unit", "statutory_limit", "statutory_unit")
        },
        orient="row",
    )
    asked = line.cases.join(limits, on="case_id", how="left")
    told = asked.join(clocks(asked.select(list(CASE_SCHEMA)), line.pauses, today, calendar), on="case_id")
    by_case = {one["case_id"]: one for one in told.to_dicts()}
    for n, case in enumerate(drawn):
        got = by_case.get(str(n))
        if got is None:
            assert not [e for e in slow_clock.corrected(case["events"]) if e["at"].date() <= today]
            continue
        want = slow_clock.clock(
            case["events"], {"promised": case["promised"], "statutory": case["statutory"]}, today, works
        )
        said = {
            "acceptance_on": got["acceptance_on"],
            "deemed": got["deemed"],
            "ended_on": got["ended_at"] and got["ended_at"].date(),
            "used": {w: got[f"used_{w}"] for w in ("promised", "statutory")},
            "due": {w: got[f"due_{w}"] for w in ("promised", "statutory")},
            "light": got["light"],
            "suspended": bool(got["suspended"]),
        }
        assert said == vars(want), f"as of {today}: {case}"
