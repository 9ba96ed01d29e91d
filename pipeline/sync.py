"""The method: plan, fetch, decode, map, stage, check, merge. What DAGs and the command line call.

A batch is one (feed, window). It goes through in flat memory, a payload at a time, and ends in one transaction;
whatever happens, a row in ``landing.run`` says how it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from core import clock
from pipeline import acknowledge, batch, check, decode, fetch, merge, registry, stage
from pipeline import plan as planning
from pipeline.job import Job
from pipeline.outcome import Outcome, Task
from store import landing


def plan(source_id: str, feeds: list[str] | None = None) -> list[Task]:
    """What is to be read now of a source's feeds (all, or those named), oldest window first.

    :raises ConfigurationError: the source, its Connection or a feed is not declared rightly.
    """
    source = registry.source(source_id)
    connector = registry.connector(source)
    try:
        now = clock.now()
        return [task for feed in registry.feeds(source, feeds) for task in planning.due(connector, feed, now)]
    finally:
        connector.close()


def backfill(
    source_or_feed: str, start: datetime | None, end: datetime | None, feeds: list[str] | None = None
) -> list[Task]:
    """Windows of the past to be read again, whatever is complete; of a source, or of one feed (``m2.sb``).

    :raises ConfigurationError: not declared, or an empty interval.
    """
    source_id, dot, _ = source_or_feed.partition(".")
    source = registry.source(source_id)
    wanted = registry.feeds(source, [source_or_feed] if dot else feeds)
    return [task for feed in wanted for task in planning.requested(feed, start, end)]


def source(
    source_id: str,
    on_progress: Callable[[Task, Outcome | None], None] | None = None,
    feeds: list[str] | None = None,
    trigger: str = "cli",
) -> list[Outcome]:
    """Read everything that is due of a source, one batch after the other; each outcome stands for itself.

    ``on_progress(task, None)`` is called as a batch begins, ``on_progress(task, outcome)`` as it ends.

    :raises ConfigurationError: the source is not declared rightly, so that nothing could be planned.
    """
    outcomes = []
    for task in plan(source_id, feeds):
        if on_progress:
            on_progress(task, None)
        outcomes.append(run(task, trigger=trigger))
        if on_progress:
            on_progress(task, outcomes[-1])
    return outcomes


def lanes(source_id: str, tasks: list[Task]) -> list[list[Task]]:
    """The tasks of a source as groups that are read side by side (:func:`pipeline.plan.lanes`)."""
    return planning.lanes(tasks, registry.source(source_id).parallel)


def resumed(tasks: list[Task], since: datetime) -> tuple[list[Outcome], list[Task]]:
    """Of tasks that were begun before: outcomes of those that have ended well since then, and what is still to be read,
    those that were not tried yet first: whatever ended the process would end it before them again.

    :param since: an instant with its offset.
    """
    tried = landing.tried([task.feed for task in tasks], since)
    ended: list[Outcome] = []
    fresh: list[Task] = []
    again: list[Task] = []
    for task in tasks:
        asked = planning.window(task)
        run_id, outcome = tried.get((task.feed, landing.Span(asked.start, asked.end, asked.full)), (0, ""))
        if outcome == "ok":
            ended.append(batch.outcome_of(run_id))
        else:
            (again if outcome else fresh).append(task)
    return ended, fresh + again


def run(task: Task, *, trigger: str = "schedule") -> Outcome:
    """Read one (feed, window) into the store. Raises nothing for a source that fails: the outcome says it."""
    return batch.run(task.feed, planning.window(task), trigger, phases)


def run_or_raise(task: Task, *, trigger: str = "schedule") -> Outcome:
    """The same, for callers that live by exceptions.

    :raises OneMapError: the outcome is failed or held; its class is by whose fault.
    """
    outcome = run(task, trigger=trigger)
    if outcome.outcome in ("ok", "waiting"):
        return outcome
    raise outcome.as_error()


def phases(job: Job) -> None:
    """The method."""
    stage.batches(job, decode.batches(job.connector, job.feed, fetch.payloads(job)), compare=True)
    check.run(job)
    merge.commit(job)
    acknowledge.send(job)
