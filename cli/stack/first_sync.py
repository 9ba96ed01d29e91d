"""The full sync after a start, through Airflow itself: its DAGs are triggered, its runs are watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cli.stack import airflow
from core.errors import InternalError

PARSE_SECONDS = 180
_TICK = 1.5
_FOLLOWS = 20  # seconds within which a DAG is started by the one before it
FOLLOWING = ("unify", "supervise")  # in this order, after the sources


@dataclass
class SourceProgress:
    """One source's DAG run, and what its feeds have taken in so far."""

    source: str
    name: str
    run_id: str
    state: str = "queued"
    ok: int = 0
    failed: int = 0
    running: int = 0
    rows_in: int = 0
    stored: int = 0
    quarantined: int = 0
    gone: int = 0

    @property
    def over(self) -> bool:
        return self.state in ("success", "failed")


@dataclass
class FirstSync:
    """Drives Airflow; iterate :meth:`sources` and :meth:`follow` to see progress."""

    api: airflow.Api
    names: dict[str, str]  # source -> Chinese name
    keep: Callable[[], None]
    since: int = 0  # the last run of the pipeline before this sync
    progress: dict[str, SourceProgress] = field(default_factory=dict)
    before: set[tuple[str, str]] = field(default_factory=set)  # runs of what follows, when the first sync had ended

    def wait_for_dags(self) -> None:
        """Until the DAG processor has every DAG. :raises InternalError: it cannot load them, or takes too long."""
        wanted = {f"sync__{source}" for source in self.names} | set(FOLLOWING)
        until = time.monotonic() + PARSE_SECONDS
        while missing := wanted - self.api.dags():
            self.keep()
            errors = self.api.import_errors()
            if errors or time.monotonic() > until:
                raise InternalError(
                    f"Airflow has not loaded {', '.join(sorted(missing))}: {'; '.join(errors) or 'no import error'}",
                    zh=f"Airflow 未能加载 {len(missing)} 个 DAG：{'；'.join(errors) or '超时'}",
                )
            time.sleep(1)

    def trigger(self) -> None:
        """Start every source's sync. What follows from the store waits until all are in: who is judged by half of what
        there is, is judged wrongly, and a merge after each source would cost more than one."""
        self.since = last_run()
        self.api.pause("unify")
        for source, name in self.names.items():
            self.api.pause(f"sync__{source}", paused=False)
            run_id = self.api.trigger(f"sync__{source}", "onemap up: 首次同步 first sync")
            self.progress[source] = SourceProgress(source, name, run_id)

    def sources(self) -> Iterator[list[SourceProgress]]:
        """The sources' progress, again and again until all are over."""
        while True:
            self.keep()
            runs = {(f"sync__{one.source}", one.run_id): one for one in self.progress.values() if not one.over}
            for run, state in self.api.states([dag for dag, _ in runs]).items() if runs else ():
                if run in runs:
                    runs[run].state = state
            for source, numbers in counts(self.since).items():
                if source in self.progress:
                    for name, value in numbers.items():
                        setattr(self.progress[source], name, value)
            yield list(self.progress.values())
            if all(one.over for one in self.progress.values()):
                return
            time.sleep(_TICK)

    def release(self) -> None:
        """Let the store follow the sources from here on."""
        self.before = set(self.api.states(list(FOLLOWING)))
        for dag in FOLLOWING:
            self.api.pause(dag, paused=False)

    def follow(self, dag: str) -> Iterator[str]:
        """States of a run that begins after the last source is in: the one that the DAG before it has started, else one of ours.
        Both would judge the city twice."""
        run_id = (dag != FOLLOWING[0] and self._started(dag)) or self.api.trigger(dag, "onemap up")
        while True:
            self.keep()
            state = self.api.state(dag, run_id)
            yield state
            if state in ("success", "failed"):
                return
            time.sleep(_TICK)

    def _started(self, dag: str) -> str | None:
        """Id of a run that began since :meth:`release`; None: there is none within some seconds."""
        until = time.monotonic() + _FOLLOWS
        while time.monotonic() < until:
            if found := [run for of, run in self.api.states([dag]) if (of, run) not in self.before]:
                return found[0]
            time.sleep(_TICK)
        return None


def last_run() -> int:
    """Number of the last run of the pipeline, 0 before the first."""
    import sqlalchemy as sa

    from store import tables
    from store.engine import engine

    with engine().connect() as connection:
        return connection.execute(sa.select(sa.func.coalesce(sa.func.max(tables.run.c.id), 0))).scalar_one()


def counts(since: int) -> dict[str, dict[str, int]]:
    """Source → numbers of its runs after ``since``: ok, failed, running, rows_in, stored, quarantined, gone."""
    import sqlalchemy as sa

    from store import tables
    from store.engine import engine

    run = tables.run.c
    total = sa.func.sum
    query = (
        sa.select(
            run.source,
            sa.func.count().filter(run.outcome.in_(("ok", "waiting"))).label("ok"),
            sa.func.count().filter(run.outcome.in_(("failed", "held"))).label("failed"),
            sa.func.count().filter(run.outcome == "running").label("running"),
            total(run.rows_in).label("rows_in"),
            total(run.new + run.changed + run.history).label("stored"),
            total(run.quarantined).label("quarantined"),
            total(run.tombstoned + run.absent).label("gone"),
        )
        .where(run.id > since)
        .group_by(run.source)
    )
    with engine().connect() as connection:
        return {
            row.source: {k: int(v or 0) for k, v in row._mapping.items() if k != "source"}
            for row in connection.execute(query)
        }
