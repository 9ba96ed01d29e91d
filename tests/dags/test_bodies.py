"""What tasks say to Airflow: times of the UI in the city's time, failures in the class of whose fault they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.errors import AuthenticationError, ConfigurationError, InternalError, ProviderError, TransientError
from dags import bodies


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-01T00:00:00Z", datetime(2026, 11, 1, 8)),
        ("2026-11-01T00:00:00+08:00", datetime(2026, 11, 1)),
        ("2026-11-01T00:00:00", datetime(2026, 11, 1)),
        ("", None),
        (None, None),
    ],
)
def test_a_time_of_the_form_is_the_citys_local_time(text, time):
    assert bodies._local(text) == time


def test_a_word_that_is_no_time_is_ours_to_correct_and_not_tried_again():
    with pytest.raises(ConfigurationError, match="yesterday"):
        bodies._local("yesterday")


@pytest.mark.parametrize(
    ("outcome", "fault", "kind"),
    [
        ("failed", "configuration", ConfigurationError),
        ("failed", "authentication", AuthenticationError),
        ("failed", "transient", TransientError),
        ("failed", "provider", ProviderError),
        ("failed", "ours", InternalError),
        ("failed", None, InternalError),
        ("held", None, ProviderError),
    ],
)
def test_an_outcome_becomes_the_error_of_whose_fault_it_is(outcome, fault, kind):
    told = {"outcome": outcome, "fault": fault, "error": "e", "remedy": "r", "zh": "说明", "feed": "a.b"}
    error = bodies._error(told)
    assert type(error) is kind
    assert (error.feed, error.remedy, error.zh) == ("a.b", "r", "说明")


def _run(monkeypatch, run_type: str, end: datetime, begin: datetime | None = None) -> list[tuple]:
    """A task of a DAG run; yields what the pipeline was asked for."""
    from types import SimpleNamespace

    import airflow.sdk

    from pipeline import sync
    from pipeline.outcome import Task

    context = {
        "dag_run": SimpleNamespace(run_type=run_type),
        "data_interval_start": begin or end,
        "data_interval_end": end,
        "logical_date": end,
    }
    monkeypatch.setattr(airflow.sdk, "get_current_context", lambda: context)
    asked: list[tuple] = []

    def backfill(source, start, until, feeds):
        asked.append(("backfill", start, until, feeds))
        return [] if source == "s4_mqtt" else [Task(f"{source}.x", "2026-11-01", "2026-11-02", False, "x")]

    monkeypatch.setattr(sync, "backfill", backfill)
    monkeypatch.setattr(sync, "plan", lambda source, feeds: asked.append(("plan", feeds)) or [])
    return asked


TICK = datetime(2026, 11, 1, 2, 20, tzinfo=UTC)  # 10:20 in the city


def test_a_run_of_airflows_backfill_reads_its_own_interval(monkeypatch):
    asked = _run(monkeypatch, "backfill", TICK)
    assert bodies.plan("p1", {}, "20 * * * *")[0]["units"][0]["feed"] == "p1.x"
    assert asked == [("backfill", datetime(2026, 11, 1, 9, 20), datetime(2026, 11, 1, 10, 20), None)]


def test_a_backfill_of_an_interval_reads_from_the_run_before(monkeypatch):
    asked = _run(monkeypatch, "backfill", TICK)
    bodies.plan("p1", {}, "every 15s")
    assert asked == [("backfill", datetime(2026, 11, 1, 10, 19, 45), datetime(2026, 11, 1, 10, 20), None)]


def test_a_data_interval_that_the_timetable_gives_goes_before_the_schedule(monkeypatch):
    asked = _run(monkeypatch, "backfill", TICK, datetime(2026, 10, 31, 16, 0, tzinfo=UTC))
    bodies.plan("p1", {"feeds": ["p1.x"]}, "20 * * * *")
    assert asked == [("backfill", datetime(2026, 11, 1), datetime(2026, 11, 1, 10, 20), ["p1.x"])]


def test_parameters_of_the_form_go_before_the_interval_and_a_scheduled_run_reads_what_is_due(monkeypatch):
    asked = _run(monkeypatch, "backfill", TICK)
    bodies.plan("p1", {"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00"}, "20 * * * *")
    assert asked == [("backfill", datetime(2026, 1, 1), datetime(2026, 1, 2), None)]
    for run_type in ("scheduled", "manual"):
        assert _run(monkeypatch, run_type, TICK) == [] and bodies.plan("p1", {}, "20 * * * *") == []


def test_what_is_due_is_read_in_as_many_tasks_as_the_source_bears_and_a_backfill_a_window_a_task(monkeypatch):
    from pipeline import sync
    from pipeline.outcome import Task

    due = [Task(f"m2.{name}", None, None, True, f"m2.{name} full") for name in "abcde"]
    _run(monkeypatch, "scheduled", TICK)
    monkeypatch.setattr(sync, "plan", lambda source, feeds: due)
    groups = bodies.plan("m2", {}, "*/15 * * * *")  # m2: parallel 2
    assert [group["label"] for group in groups] == ["m2.a · m2.c · m2.e", "m2.b · m2.d"]
    assert sorted(unit["feed"] for group in groups for unit in group["units"]) == [one.feed for one in due]
    monkeypatch.setattr(sync, "plan", lambda source, feeds: due * 20)
    assert {len(group["units"]) for group in bodies.plan("m2", {}, "*/15 * * * *")} <= {11, 12}
    monkeypatch.setattr(sync, "backfill", lambda source, start, end, feeds: due)
    groups = bodies.plan("m2", {"from": "2026-01-01"}, "*/15 * * * *")
    assert [group["label"] for group in groups] == [one.label for one in due]


def _reading(monkeypatch, outcomes: dict, *, tries: int = 1, ended: tuple = ()) -> tuple[dict, list]:
    """A group of three feeds as a task reads it; returns what the task told and the feeds that were read."""
    from types import SimpleNamespace

    import airflow.sdk

    from pipeline import sync
    from pipeline.outcome import Counts, Outcome

    told: dict = {}
    read: list[str] = []
    context = {
        "params": {},
        "dag_run": SimpleNamespace(run_type="scheduled", start_date=TICK),
        "ti": SimpleNamespace(try_number=tries, xcom_push=told.__setitem__),
    }
    monkeypatch.setattr(airflow.sdk, "get_current_context", lambda: context)

    def run(task, trigger):
        read.append(task.feed)
        fault = outcomes.get(task.feed)
        return Outcome(1, task.feed, "full", "failed" if fault else "ok", Counts(1, 1), fault, task.feed, "", task.feed)

    def resumed(tasks, since):
        assert since == TICK
        rest = [task for task in tasks if task.feed not in ended]
        return [Outcome(1, task.feed, "full", "ok", Counts(1, 1)) for task in tasks if task.feed in ended], rest

    monkeypatch.setattr(sync, "run", run)
    monkeypatch.setattr(sync, "resumed", resumed)
    return told, read


GROUP = {
    "label": "x",
    "units": [{"feed": f"m2.{n}", "start": None, "end": None, "full": True, "label": n} for n in "abc"],
}


def test_a_feed_that_fails_keeps_no_other_of_its_task_from_being_read_and_one_that_may_mend_is_tried_again(monkeypatch):
    told, read = _reading(monkeypatch, {"m2.a": "provider", "m2.b": "transient"})
    with pytest.raises(TransientError, match=r"m2\.a: m2\.a; m2\.b: m2\.b"):
        bodies.sync(GROUP, "docs")
    assert read == ["m2.a", "m2.b", "m2.c"]
    assert [one["outcome"] for one in told[bodies.OUTCOME]] == ["failed", "failed", "ok"]
    with pytest.raises(ProviderError):
        _reading(monkeypatch, {"m2.a": "provider"})
        bodies.sync(GROUP, "docs")


def test_a_second_try_reads_what_the_first_has_not_and_tells_of_all(monkeypatch):
    told, read = _reading(monkeypatch, {}, tries=2, ended=("m2.a", "m2.b"))
    bodies.sync(GROUP, "docs")
    assert read == ["m2.c"] and [one["feed"] for one in told[bodies.OUTCOME]] == ["m2.a", "m2.b", "m2.c"]


def test_a_source_asked_every_few_seconds_is_read_in_one_process_and_publishes_what_changed(monkeypatch):
    from collections import defaultdict

    import airflow.sdk

    from pipeline import sync
    from pipeline.outcome import Counts, Outcome, Task

    def reading(outcomes: dict, changed: int) -> tuple[list, list[str]]:
        told, _ = _reading(monkeypatch, outcomes)
        published: dict = defaultdict(set)
        context = airflow.sdk.get_current_context()
        context["outlet_events"] = published
        monkeypatch.setattr(bodies, "_is_backfill", lambda: False)
        due = [Task(f"m2.{name}", None, None, True, name) for name in "abc"]
        monkeypatch.setattr(sync, "plan", lambda source, feeds: due)

        def run(task, trigger):
            assert trigger == "schedule"
            fault = outcomes.get(task.feed)
            new = changed if task.feed == "m2.c" else 0
            counts = Counts(1, new=new, unchanged=1 - new)
            return Outcome(1, task.feed, "full", "failed" if fault else "ok", counts, fault, task.feed, "", task.feed)

        monkeypatch.setattr(sync, "run", run)
        found = bodies.read("m2", {}, "every 15s", "docs")
        return found, [asset.uri for assets in published.values() for asset in assets]

    assert reading({}, 0) == ([], [])
    assert reading({}, 1) == ([], ["onemap://source/m2"])
    found, published = reading({"m2.a": "transient"}, 1)  # what the others read is in the store whatever fails
    assert published == ["onemap://source/m2"] and [one["feed"] for one in found[0]["bad"]][:1] == ["m2.a"]
    with pytest.raises(airflow.sdk.exceptions.AirflowFailException, match=r"m2\.a"):
        bodies.settle_these("m2", found[0])


def test_an_output_that_fails_keeps_no_other_from_being_sent(monkeypatch):
    from airflow.sdk.exceptions import AirflowSkipException

    from serving.push import run

    sent = []
    fails: dict[str, Exception] = {"p_up.accept": ProviderError("refused"), "p_up.result": TransientError("away")}

    def push(output, period):
        sent.append(output)
        if output in fails:
            raise fails[output]
        return run.Pushed(output, open=not fails)

    monkeypatch.setattr(run, "push", push)
    outputs = ["p_up.accept", "p_up.process", "p_up.result", "p_up.special"]
    with pytest.raises(TransientError):  # the one for which another try may help
        bodies.push(outputs)
    assert sent == outputs
    del fails["p_up.result"]
    with pytest.raises(ProviderError):
        bodies.push(outputs)
    fails.clear()
    with pytest.raises(AirflowSkipException):
        bodies.push(outputs[:1])


def test_a_backfill_that_can_read_nothing_of_its_interval_fails_and_says_why(monkeypatch):
    _run(monkeypatch, "backfill", TICK)
    with pytest.raises(ConfigurationError) as refused:
        bodies.plan("s4_mqtt", {}, "*/5 * * * *")
    assert "消息流" in refused.value.zh
    _run(monkeypatch, "backfill", datetime(2099, 1, 1, tzinfo=UTC))
    with pytest.raises(ConfigurationError, match="not past"):
        bodies.plan("p1", {}, "20 * * * *")
    _run(monkeypatch, "backfill", TICK)
    with pytest.raises(ConfigurationError, match="no data interval"):
        bodies.plan("p1", {}, None)
