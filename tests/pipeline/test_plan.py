"""What is planned and what is left behind, as data: windows that a person asks for, groups of tasks, balance, faults."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from connectors.base import Window
from core.errors import ConfigurationError, Fault, InternalError, ProviderError
from pipeline import plan
from pipeline.outcome import Counts, Outcome, Task
from sources import loader
from sources.declaration import DaysCursor, FilesCursor, FullCursor, StreamCursor, WindowCursor

START, END = datetime(2026, 3, 1, 6), datetime(2026, 3, 3, 18)


def asked(cursor, start=START, end=END) -> list[Window]:
    feed = loader.feed("m2.sb").model_copy(update={"cursor": cursor})
    tasks = plan.requested(feed, start, end)
    assert {task.feed for task in tasks} <= {"m2.sb"}
    return [plan.window(task) for task in tasks]


def test_a_window_that_is_asked_for_is_cut_into_the_longest_that_one_fetch_reads():
    cursor = WindowCursor(kind="window", column="X", span=timedelta(days=1))
    assert asked(cursor) == [
        Window(START, START + timedelta(days=1)),
        Window(START + timedelta(days=1), START + timedelta(days=2)),
        Window(START + timedelta(days=2), END),
    ]
    assert len(asked(cursor, START, START + timedelta(days=2))) == 2  # none of no length at the end
    assert asked(cursor, None) == [Window(None, END)]
    assert asked(cursor, START, None) == [Window(START, None)]
    assert asked(WindowCursor(kind="window", column="X")) == [Window(START, END)]


def test_days_are_asked_for_whole():
    march = [datetime(2026, 3, day) for day in (1, 2, 3, 4)]
    assert asked(DaysCursor(kind="days")) == [Window(a, b) for a, b in zip(march, march[1:], strict=False)]
    assert len(asked(DaysCursor(kind="days", span=timedelta(days=3)))) == 3  # a person's request is read day by day
    assert asked(FilesCursor(kind="files")) == [Window(START, END)]


def test_a_listing_is_read_whole_and_a_stream_cannot_be_asked_for_the_past():
    assert asked(FullCursor(kind="full")) == [Window(full=True)]
    assert asked(StreamCursor(kind="stream")) == []


@pytest.mark.parametrize("end", [START, START - timedelta(seconds=1)])
def test_an_empty_interval_is_refused_by_its_feed(end):
    with pytest.raises(ConfigurationError, match=r"an empty interval: 2026-03-01 06:00:00 \.\. ") as refused:
        asked(FullCursor(kind="full"), START, end)
    assert refused.value.feed == "m2.sb"
    assert refused.value.remedy == "the start must lie before the end"
    assert refused.value.zh == f"区间为空：{START} .. {end}，起点须早于终点。"


@pytest.mark.parametrize("window", [Window(), Window(full=True), Window(START), Window(None, END), Window(START, END)])
def test_a_task_goes_through_json_and_back(window):
    task = plan.task(loader.feed("m2.sb"), window)
    assert task.label == f"m2.sb {window}"
    again = Task(**json.loads(json.dumps({name: getattr(task, name) for name in Task.__slots__})))
    assert plan.window(again) == window


@pytest.mark.parametrize(
    ("tasks", "parallel", "sizes"),
    [(0, 2, []), (1, 4, [1]), (5, 2, [3, 2]), (24, 2, [12, 12]), (25, 2, [9, 8, 8]), (3, 8, [1, 1, 1])],
)
def test_tasks_are_dealt_out_to_so_many_at_once_and_twelve_each_at_most(tasks, parallel, sizes):
    of = [Task("m2.sb", None, None, False, str(n)) for n in range(tasks)]
    groups = plan.lanes(of, parallel)
    assert [len(group) for group in groups] == sizes
    assert sorted((task.label for group in groups for task in group), key=int) == [str(n) for n in range(tasks)]


def test_rows_that_came_in_are_stored_known_rejected_or_taken_away():
    names = ("new", "changed", "history", "unchanged", "quarantined", "tombstoned")
    whole = dict(zip(names, (1, 2, 4, 8, 16, 32), strict=True))
    assert Counts(rows_in=63, absent=5, **whole).balanced
    for name in names:
        assert not Counts(rows_in=63, **{**whole, name: 0}).balanced
    assert Counts(tombstoned=3, absent=4).gone == 7
    assert Counts().balanced and Counts().gone == 0


def test_an_outcome_is_small_and_json():
    outcome = Outcome(7, "m2.sb", "full", "ok", Counts(rows_in=1, new=1), started_at=START)
    data = json.loads(json.dumps(outcome.as_dict()))
    assert (data["run_id"], data["outcome"], data["counts"]["new"], data["balanced"]) == (7, "ok", 1, True)
    assert (data["started_at"], data["ended_at"]) == ("2026-03-01T06:00:00", None)
    outcome.counts.new, outcome.ended_at = 0, END
    assert (outcome.as_dict()["balanced"], outcome.as_dict()["ended_at"]) == (False, "2026-03-03T18:00:00")


def test_a_failure_is_an_exception_by_whose_fault_it_is():
    outcome = Outcome(1, "m2.sb", "full", "failed", fault=str(Fault.PROVIDER), error="cut", remedy="again", zh="断")
    error = outcome.as_error()
    assert type(error) is ProviderError
    assert (error.message, error.remedy, error.zh, error.feed) == ("cut", "again", "断", "m2.sb")
    unsaid = Outcome(1, "m2.sb", "full", "failed").as_error()
    assert type(unsaid) is InternalError
    assert (unsaid.message, unsaid.remedy, unsaid.zh) == ("failed", "", "failed")
