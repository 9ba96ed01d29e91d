"""Quarantined rows once more through map, check and merge, after a mend."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.base import Proof, Window
from pipeline import archived, batch, check, merge, stage
from pipeline.decode import Decoded, batches
from pipeline.job import Job
from pipeline.outcome import Outcome
from store import quarantine

_AT_ONCE = 5_000


def run(feed: str | None = None, ids: list[int] | None = None, trigger: str = "redrive") -> list[Outcome]:
    """Drive open entries again: of every feed that has any, of one, or those named. One outcome a feed.

    What passes is merged as if it had come so, and its entry is closed; what fails again stays with its new reasons.
    """
    outcomes = []
    for name in [feed] if feed else quarantine.feeds_with_open():
        quarantine.replaced(name)
        if quarantine.open_entries(name, ids):
            outcomes.append(batch.run(name, Window(), trigger, lambda job: _redrive(job, ids)))
    return outcomes


def _redrive(job: Job, ids: list[int] | None) -> None:
    entries = quarantine.open_entries(job.feed.id, ids)
    job.redriving = [entry.id for entry in entries]
    job.staged.max_rejected = 1.0  # what fails again is where it was: nothing is wrong with an answer
    rows = [
        archived.Row(entry.raw, entry.place, entry.receipt_id, entry.scope)
        for entry in entries
        if entry.raw is not None
    ]
    undecodable = sorted({entry.receipt_id for entry in entries if entry.raw is None and entry.receipt_id is not None})
    job.fetched = Proof(complete=False, why=f"{len(entries)} entries of the quarantine driven again")
    stage.batches(job, _batches(job, rows, undecodable))
    check.run(job)
    merge.commit(job)


def _batches(job: Job, rows: list[archived.Row], receipts: list[int]) -> Iterator[Decoded]:
    for start in range(0, len(rows), _AT_ONCE):
        yield archived.rows(rows[start : start + _AT_ONCE])
    yield from batches(job.connector, job.feed, archived.payloads(receipts))
