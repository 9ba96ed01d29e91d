"""The method: plan, fetch, decode, map, stage, check, merge. What DAGs and the command line call.

A batch is one (feed, window). It goes through in flat memory, a payload at a time, and ends in one transaction;
whatever happens, a row in ``landing.run`` says how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from core import clock
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    Fault,
    InternalError,
    OneMapError,
    ProviderError,
    TransientError,
)
from mappings.compiler import Mapped
from pipeline import acknowledge, batch, check, decode, fetch, merge, rooms, stage
from pipeline import map as mapping_phase
from pipeline import plan as planning
from pipeline.job import Job
from pipeline.outcome import Outcome, Task
from store import landing
from store import merge as store_merge
from store.engine import transaction


def plan(source_id: str, feeds: list[str] | None = None) -> list[Task]:
    """What is to be read now of a source's feeds (all, or those named), oldest window first.

    :raises ConfigurationError: the source, its Connection or a feed is not declared rightly.
    """
    source = rooms.source(source_id)
    connector = rooms.connector(source)
    try:
        now = clock.now()
        return [task for feed in rooms.feeds(source, feeds) for task in planning.planned(connector, feed, now)]
    finally:
        connector.close()


def backfill(
    source_or_feed: str, start: datetime | None, end: datetime | None, feeds: list[str] | None = None
) -> list[Task]:
    """Windows of the past to be read again, whatever is complete; of a source, or of one feed (``m2.sb``).

    :raises ConfigurationError: not declared, or an empty interval.
    """
    source_id, dot, _ = source_or_feed.partition(".")
    source = rooms.source(source_id)
    wanted = rooms.feeds(source, [source_or_feed] if dot else feeds)
    return [task for feed in wanted for task in planning.asked(feed, start, end)]


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
    raise _KINDS[Fault(outcome.fault or "ours")](
        outcome.error or outcome.outcome, remedy=outcome.remedy or "", zh=outcome.zh or "", feed=outcome.feed
    )


_KINDS: dict[Fault, type[OneMapError]] = {
    kind.fault: kind for kind in (ConfigurationError, AuthenticationError, TransientError, ProviderError, InternalError)
}


def phases(job: Job) -> None:
    """The method."""
    read(job, decode.decoded(job.connector, job.feed, fetch.received(job)))
    landing.reached(job.run_id, "check")
    check.checked(job)
    landing.reached(job.run_id, "merge")
    merge.merged(job)
    tell_late(job, acknowledge.acknowledged(job))


def read(job: Job, batches: Iterable[decode.Decoded]) -> None:
    """Map and stage what is decoded; one batch is written while the next is read."""
    with ThreadPoolExecutor(1, thread_name_prefix="stage") as writer:
        writing: Future[None] | None = None
        for decoded in batches:
            mapped = mapping_phase.mapped(job.mapping, decoded.rows)
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, job, decoded, mapped)
        if writing is not None:
            writing.result()


def _write(job: Job, decoded: decode.Decoded, mapped: Mapped) -> None:
    with transaction() as connection:
        stage.staged(connection, job.staged, decoded, mapped)
        stage.issues(connection, job.staged, [*((issue, 1) for issue in decoded.issues), *mapping_phase.issues(mapped)])


def tell_late(job: Job, issues: list) -> None:
    """Issues of after the commit."""
    if not issues:
        return
    with transaction() as connection:
        connection.exec_driver_sql(f"truncate {job.staged.name('issue')}")
        stage.issues(connection, job.staged, [(issue, 1) for issue in issues])
        store_merge.tell(connection, job.staged)
