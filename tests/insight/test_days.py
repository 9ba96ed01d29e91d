"""Where the days go: every elapsed day of a project is somebody's, once."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from insight import days

FIRST = date(2025, 1, 1)


def on(number: int) -> date:
    return FIRST + timedelta(days=number)


@st.composite
def histories(draw):
    """(cases, pauses, open_until) as the store may have them: overlapping, empty, never accepted, still running."""
    cases, pauses, open_until = [], [], []
    for project in range(draw(st.integers(1, 3))):
        for n in range(draw(st.integers(1, 4))):
            received = draw(st.integers(0, 60))
            until = received + draw(st.integers(0, 40))
            accepted = draw(st.none() | st.integers(received, until))
            case = f"{project}-{n}"
            cases.append(
                (
                    f"P{project}",
                    case,
                    draw(st.sampled_from(["A", "B", None])),
                    None,
                    draw(st.sampled_from([days.INTERNAL, "政务服务事项", None])),
                    draw(st.sampled_from(["甲局", "乙局", None])),
                    on(received),
                    None if accepted is None else on(accepted),
                    on(until),
                )
            )
            if accepted is not None and draw(st.booleans()):
                start = draw(st.integers(accepted, until))
                holder = draw(st.sampled_from(["notice", "pause", "enterprise"]))
                pauses.append((case, holder, on(start), on(draw(st.integers(start, until + 5)))))
        if draw(st.booleans()):
            open_until.append((f"P{project}", on(draw(st.integers(0, 130)))))
    return (
        pl.DataFrame(cases, schema=days.CASES, orient="row"),
        pl.DataFrame(pauses, schema=days.PAUSES, orient="row"),
        pl.DataFrame(open_until, schema={"project_code": pl.String, "until": pl.Date}, orient="row"),
    )


@settings(max_examples=150, deadline=None)
@given(histories())
def test_every_day_is_somebodys_once_and_the_parts_sum_to_the_whole(history):
    cases, pauses, open_until = history
    found = days.spent(cases, pauses, open_until)
    assert found.days.select("project_code", "day").is_duplicated().sum() == 0
    assert found.days["holder"].is_in(days.HOLDERS).all()
    counted = dict(found.days.group_by("project_code").len().iter_rows())
    for project, begun, until, elapsed, _ in found.projects.iter_rows():
        assert elapsed == (until - begun).days == counted.get(project, 0)
    assert set(counted) <= set(found.projects["project_code"])
    # a department has no day on which no case of its project was accepted
    works = found.days.filter(pl.col("holder") == "government").join(cases, on=["project_code", "case_id"])
    assert ((works["day"] >= works["accepted_on"]) & (works["day"] < works["until"])).all()


def told(*cases, pauses=(), until=None):
    return days.spent(
        pl.DataFrame(list(cases), schema=days.CASES, orient="row"),
        pl.DataFrame(list(pauses), schema=days.PAUSES, orient="row"),
        pl.DataFrame(
            [("P", until)] if until else [], schema={"project_code": pl.String, "until": pl.Date}, orient="row"
        ),
    ).days


def test_whose_a_day_is():
    first = ("P", "1", "A", "甲事项", "政务服务事项", "甲局", on(0), on(2), on(10))
    second = ("P", "2", "B", "乙事项", "政务服务事项", "乙局", on(14), on(14), on(16))
    internal = ("P", "3", "C", "丙事项", days.INTERNAL, "丙局", on(19), on(19), on(20))
    found = told(
        first, second, internal, pauses=[("1", "enterprise", on(4), on(6)), ("1", "notice", on(7), on(8))], until=on(22)
    )
    holders = found["holder"].to_list()
    assert holders[0:2] == ["handoff"] * 2  # received, not accepted
    assert holders[2:10] == ["government"] * 2 + ["enterprise"] * 2 + ["government", "notice"] + ["government"] * 2
    assert holders[10:14] == ["enterprise"] * 4  # what comes next is for the enterprise to file
    assert holders[14:16] == ["government"] * 2 and holders[16:19] == ["handoff"] * 3  # next is the government's own
    assert holders[19:] == ["government", "enterprise", "enterprise"]
    assert found.filter(pl.col("holder") == "government")["department"].unique().sort().to_list() == [
        "丙局",
        "乙局",
        "甲局",
    ]


def test_of_two_departments_the_one_that_ends_last_has_the_day():
    short = ("P", "1", "A", None, None, "甲局", on(0), on(0), on(3))
    long = ("P", "2", "B", None, None, "乙局", on(1), on(1), on(9))
    assert told(short, long)["department"].to_list() == ["甲局"] + ["乙局"] * 8
