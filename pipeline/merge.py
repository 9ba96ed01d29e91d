"""Phase 6, merge: the batch, its quarantine, its completed interval, state and outcome, in one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from connectors import planning
from connectors.base import Issue
from core.errors import InternalError
from pipeline import map as mapping_phase
from pipeline import stage
from pipeline.decode import Decoded
from pipeline.job import Job
from sources.declaration import DaysCursor
from store import holds, landing, merge, quarantine
from store.engine import transaction

_FEW = 3  # records that a complete listing may lack, whatever their share
_FEW_REPLACED = 10  # records that a part sent again may take back


def merged(job: Job) -> str:
    """Write the batch; returns the run's outcome, ``ok`` or ``held``. All of it is committed, or nothing.

    :raises InternalError: the counts do not balance, or the run was taken for dead.
    """
    staged, proof = job.staged, job.proof
    with transaction() as connection:
        merge.lock(connection, job.feed.id)
        told = [(issue, 1) for issue in proof.issues]
        gone = _deletions(connection, job, told)
        held = gone > 0 and not _allowed(connection, job, gone)
        if held:
            _hold(connection, job, gone)
        counts = merge.apply(connection, staged, job.mapping.version, _last_receipt(job))
        job.counts.rows_in = staged.rows_in
        for name, value in counts.items():
            setattr(job.counts, name, value)
        job.counts.quarantined = merge.reject(connection, staged, job.mapping.version)
        if not job.counts.balanced:
            raise InternalError(
                f"the counts do not balance: {job.counts}",
                remedy="nothing was stored; report it with the run's number",
                zh=f"行数不平衡，本批次未入库：{job.counts}",
                feed=job.feed.id,
            )
        quarantine.redriven(connection, job.redriving, job.run_id)
        merge.supersede(connection, staged)
        stage.issues(connection, staged, told)
        merge.tell(connection, staged)
        if not held:
            _advance(connection, job)
        landing.close_run(connection, job.run_id, outcome="held" if held else "ok", **_told_of(job, held, gone))
    return "held" if held else "ok"


def _deletions(connection: Connection, job: Job, told: list[tuple[Issue, int]]) -> int:
    """How many records go, by absence from a complete listing or because the part that held them was replaced."""
    staged = job.staged
    listing = job.window.full and job.feed.absence and job.proof.complete and not job.proof.unchanged
    if (listing or staged.scopes) and (unkeyed := merge.unkeyed(connection, staged)):
        told.append(
            (
                Issue(
                    "absence_unproven", f"{unkeyed} rows without a readable key: any may be a record that seems missing"
                ),
                1,
            )
        )
        listing = False
        staged.spared = True
    if staged.scopes:
        lost = merge.withdraw(connection, staged, [] if staged.spared else sorted(staged.scopes))
        if lost:
            rows = merge.fallbacks(connection, staged)
            again = mapping_phase.rows_again(rows["raw"], rows["place"])
            decoded = Decoded(again, rows["receipt_id"], rows["place"].clear(rows.height))
            stage.staged(connection, staged, decoded, job.mapping.apply(again), again=True)
    return merge.missing(connection, staged, listing)


def _allowed(connection: Connection, job: Job, gone: int) -> bool:
    """Whether so many may go without a person: a share of what stands, or a few of small feeds.

    Of a listing a few are never more than half of what stands: it may have been cut. A part that is sent again was
    proven whole before it replaces (docs/architecture.md, "Replacement").
    """
    stored = merge.live(connection, job.feed.id)
    share = job.feed.max_deleted
    few = gone <= _FEW_REPLACED if job.staged.scopes else gone <= _FEW and 2 * gone <= stored
    if gone <= share * stored or (few and share > 0):
        return True
    release = holds.released(connection, job.feed.id, gone)
    if release is None:
        return False
    holds.use(connection, release, job.run_id)
    return True


def _hold(connection: Connection, job: Job, gone: int) -> None:
    stored = merge.live(connection, job.feed.id)
    sample = merge.sample_missing(connection, job.staged)
    holds.open_hold(connection, job.feed.id, job.run_id, gone, stored, sample)
    merge.spare(connection, job.staged)


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


def _last_receipt(job: Job) -> int:
    return max(job.staged.receipts, default=0)


def _told_of(job: Job, held: bool, gone: int) -> dict:
    values = {
        **{name: getattr(job.counts, name) for name in landing.COUNTS},
        "bytes": job.bytes,
        "payloads": job.payloads,
        "complete": job.proof.complete,
        "why": job.proof.why,
        "claimed": job.proof.claimed,
        "distinct_keys": job.proof.distinct,
        "phase": "merge",
    }
    if held:
        values |= {
            "fault": "provider",
            "code": "mass_deletion",
            "error": f"{gone} records would be deleted, more than {job.feed.max_deleted:.0%} of what stands; none was",
            "remedy": "ask the source; then release or refuse the deletion (landing.hold), and run the feed again",
            "zh": f"来源清单缺少 {gone} 条在库记录，超过 {job.feed.max_deleted:.0%}，已暂缓注销，其余数据已入库。"
            "请向数源核实后作出放行或拒绝的决定，再重跑。",
        }
    return values
