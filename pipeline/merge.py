"""Phase 6, merge: the batch, its quarantine, its completed interval, state and outcome, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection, RootTransaction

from connectors import planning
from connectors.base import Issue
from core.errors import InternalError
from pipeline import issues, stage
from pipeline import map as map_phase
from pipeline.decode import Decoded
from pipeline.job import Job
from pipeline.outcome import Counts
from quality import suites
from quality.silence import surprise
from sources.declaration import DaysCursor
from store import arrivals, clockwatch, deletions, holds, landing, merge
from store.engine import engine, transaction

_FEW = 3  # records that a complete listing may lack, whatever their share
_FEW_REPLACED = 10  # records that a part sent again may take back


def commit(job: Job, *, remapped: bool = False, dry_run: bool = False) -> merge.Merged:
    """Write the batch and its outcome, ``ok`` or ``held``. All of it is committed, or nothing.

    ``remapped``: the batch is what the archive holds of the feed. ``dry_run``: write nothing but the run's end; what
    comes back says what would have been written.

    :raises InternalError: the counts do not balance, or the run was taken for dead.
    """
    landing.reached(job.run_id, "merge")
    staged, proof = job.staged, job.proof
    with _writing(job) as (connection, writing):
        issues.stage(connection, staged, [(issue, 1) for issue in (*proof.issues, *_believe(connection, job))])
        merged = merge.commit(
            connection,
            staged,
            job.mapping.version,
            _Gate(connection, job),
            listing=_listing(job),
            remapped=remapped,
            redriven=job.redriving,
        )
        surprises = []
        if not remapped:
            by_day = arrivals.record(connection, staged, job.feed.rhythm.time, getattr(job.feed.cursor, "column", None))
            surprises = _surprises(connection, job, merged, by_day)
        surprising = bool(surprises) and not dry_run and not _may_surprise(connection, job)
        if dry_run or surprising:
            writing.rollback()
        else:
            _close(connection, job, merged)
    if dry_run:
        with transaction() as connection:
            landing.close_run(connection, job.run_id, outcome="ok", why=proof.why, complete=False)
    elif surprising:
        _wait(job, merged, surprises)
    issues.record(staged, [Issue("surprise", one.detail, field=one.field) for one in surprises])
    return merged


@contextmanager
def _writing(job: Job) -> Iterator[tuple[Connection, RootTransaction]]:
    """The merge's transaction; of an initial load the one that holds it already."""
    scoped = job.staged.scopes or job.staged.scoped
    job.staged.loaded = job.initial is not None and job.initial.stands() and not scoped
    if job.initial is not None and job.staged.loaded:
        job.staged.counted = job.initial.counted()
        with job.initial.transaction() as begun:
            yield begun
        return
    if job.initial is not None:
        job.initial.give_up()
        with transaction() as connection:
            job.staged.analyze(connection)
    with engine().connect() as connection, connection.begin() as writing:
        yield connection, writing


def _listing(job: Job) -> bool:
    """Whether what came is all that the source has, of a feed whose records vanish with it."""
    return job.window.full and job.feed.absence and job.proof.complete and not job.proof.unchanged


def _surprises(
    connection: Connection, job: Job, merged: merge.Merged, by_day: dict[date, int]
) -> list[surprise.Surprise]:
    listing = job.window.full and job.proof.complete and not job.proof.unchanged and job.feed.cursor.kind == "full"
    claimed = job.proof.claimed if listing else None
    stands = deletions.live(connection, job.feed.id) + merged.counts["absent"] if listing else None
    return surprise.look(connection, job.staged, job.now, by_day, merged.counts["quarantined"], claimed, stands)


def _may_surprise(connection: Connection, job: Job) -> bool:
    """Whether a batch unlike those before goes on: it is reported alone, or a person let it."""
    if job.feed.rhythm.surprise == "tell":
        return True
    release = holds.released(connection, job.feed.id, 0)
    if release is None:
        return False
    holds.use(connection, release, job.run_id)
    return True


def _wait(job: Job, merged: merge.Merged, surprises: list[surprise.Surprise]) -> None:
    """Nothing of the batch was stored; a person is asked."""
    merged.held = True
    details = [one.detail for one in surprises]
    with transaction() as connection:
        stored = deletions.live(connection, job.feed.id)
        holds.open_hold(connection, job.feed.id, job.run_id, 0, stored, details)
        landing.close_run(
            connection,
            job.run_id,
            outcome="held",
            bytes=job.bytes,
            payloads=job.payloads,
            complete=False,
            fault="provider",
            code="surprise",
            error=f"unlike the batches before: {'; '.join(details)}",
            remedy="ask the source; then release or refuse (onemap hold), and run the feed again",
            zh=f"本批次与以往明显不同，未入库：{'；'.join(details)}。请向数源核实后放行或驳回（onemap hold），再重跑。",
        )


def _close(connection: Connection, job: Job, merged: merge.Merged) -> None:
    job.counts = Counts(rows_in=job.staged.rows_in, **merged.counts)
    if not job.counts.balanced:
        raise InternalError(
            f"the counts do not balance: {job.counts}",
            remedy="nothing was stored; report it with the run's number",
            zh=f"行数不平衡，本批次未入库：{job.counts}",
            feed=job.feed.id,
        )
    if not merged.held:
        _advance(connection, job)
    landing.close_run(connection, job.run_id, outcome="held" if merged.held else "ok", **_values(job, merged))


class _Gate:
    """Decides on deletions while the batch is merged (:class:`store.merge.Gate`)."""

    def __init__(self, connection: Connection, job: Job) -> None:
        self.connection, self.job = connection, job

    def stage_again(self, rows: pl.DataFrame) -> None:
        """Map and stage older versions that stand again; they did not come in."""
        again = map_phase.rows_again(rows["raw"], rows["place"])
        decoded = Decoded(again, rows["receipt_id"], rows["place"].clear(rows.height))
        verdicts = suites.inputs(self.job.feed.id, self.job.mapping.entities).verdicts
        mapped = map_phase.batch(self.job.mapping, again)
        stage.write(self.connection, self.job.staged, decoded, mapped, verdicts, again=True)

    def absence_unproven(self, rows: int) -> None:
        """Nothing is deleted while rejected rows have no readable key."""
        detail = f"{rows} rows without a readable key: any may be a record that seems missing"
        issues.stage(self.connection, self.job.staged, [(Issue("absence_unproven", detail), 1)])

    def may_delete(self, records: int) -> bool:
        """Within what the feed allows, or released by a person; else a person is asked."""
        if _allowed(self.connection, self.job, records):
            return True
        stored = deletions.live(self.connection, self.job.feed.id)
        sample = deletions.sample_missing(self.connection, self.job.staged)
        holds.open_hold(self.connection, self.job.feed.id, self.job.run_id, records, stored, sample)
        return False


def _allowed(connection: Connection, job: Job, gone: int) -> bool:
    """Whether so many may go without a person: a share of what stands, or a few of small feeds.

    Of a listing a few are never more than half of what stands: it may have been cut. A part that is sent again was
    proven whole before it replaces (docs/architecture.md, "Replacement").
    """
    if job.replayed is not None:
        return job.replayed == "ok"
    stored = deletions.live(connection, job.feed.id)
    share = job.feed.max_deleted
    few = gone <= _FEW_REPLACED if job.staged.scopes else gone <= _FEW and 2 * gone <= stored
    if gone <= share * stored or (few and share > 0):
        return True
    release = holds.released(connection, job.feed.id, gone)
    if release is None:
        return False
    holds.use(connection, release, job.run_id)
    return True


def _believe(connection: Connection, job: Job) -> list[Issue]:
    """Bring the run's now back as far as the database's and the source's clocks have come, and take back what was completed
    beyond the present; returns what is to be reported."""
    details = []
    until = clockwatch.cut(connection, job.feed.id, planning.late(job.feed))
    if until is not None:
        details.append(Issue("clock_jumped", f"completed beyond the present; taken back to {until}"))
    job.now, hub = clockwatch.earliest(connection, job.now, job.source_ahead)
    if hub is not None:
        details.append(Issue("clock_hub", f"the database server's clock differs by {clockwatch.rounded(hub)}"))
    if job.source_ahead is not None and abs(job.source_ahead) > clockwatch.TOLERANCE:
        details.append(Issue("clock_source", f"the source's clock differs by {clockwatch.rounded(job.source_ahead)}"))
    return details


def _advance(connection: Connection, job: Job) -> None:
    proof = job.proof
    if proof.complete:
        interval = planning.completes(job.feed, job.window, job.now)
        full_at = job.now if job.window.full else None
        landing.complete(connection, job.feed.id, job.run_id, interval, full_at, _read_up_to(job))
        if job.window.full or job.staged.scopes:
            holds.lapse(connection, job.feed.id)
    if proof.state is not None:
        landing.write_state(connection, job.feed.id, job.run_id, proof.state)


def _read_up_to(job: Job) -> datetime | None:
    """Up to when the source is read now; None for a window of the past, which makes a feed no fresher."""
    end, cursor = job.window.end, job.feed.cursor
    if end is None:
        return job.now
    if isinstance(cursor, DaysCursor):  # as fresh as it can be while no later day is closed
        return job.now if job.now - end < cursor.closes + timedelta(days=1) else None
    return min(end, job.now)


def _values(job: Job, merged: merge.Merged) -> dict[str, Any]:
    values = {
        **{name: getattr(job.counts, name) for name in landing.COUNTS},
        "bytes": job.bytes,
        "payloads": job.payloads,
        "complete": job.proof.complete,
        "why": job.proof.why,
        "claimed": job.proof.claimed,
        "distinct_keys": job.proof.distinct,
        "phase": "merge",
        "listing": _listing(job),
    }
    if merged.held:
        values |= {
            "fault": "provider",
            "code": "mass_deletion",
            "error": f"{merged.gone} records would be deleted, more than {job.feed.max_deleted:.0%} of what stands; none was",
            "remedy": "ask the source; then release or refuse the deletion (landing.hold), and run the feed again",
            "zh": f"来源清单缺少 {merged.gone} 条在库记录，超过 {job.feed.max_deleted:.0%}，已暂缓注销，其余数据已入库。"
            "请向数源核实后作出放行或拒绝的决定，再重跑。",
        }
    return values
