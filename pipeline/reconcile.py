"""Reconciliation: a source's complete listing against the store. What is missing is merged as late, what is extra is an issue.

Under the rule on absence what is extra goes, where the feed's listing proves it; else it is reported.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from connectors.base import Issue, Window
from pipeline import acknowledge, batch, check, decode, fetch, issues, merge, registry, stage
from pipeline.job import Job
from pipeline.outcome import Outcome
from sources.declaration import Feed
from store import comparison, tables
from store.comparison import Compared
from store.engine import transaction

_NAMED = 500  # records that are named one by one; the rest are counted


@dataclass(frozen=True, slots=True)
class Reconciled:
    """``outcome`` of landing.reconciliation: equal, mended, different, failed. ``compared``: before the mending."""

    feed: str
    outcome: str
    compared: Compared | None
    run: Outcome

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, small."""
        return {
            "feed": self.feed,
            "outcome": self.outcome,
            "compared": asdict(self.compared) if self.compared else None,
            "run": self.run.as_dict(),
        }


def reconciles(feed: Feed) -> bool:
    """Whether a feed has a listing to compare with: files and streams have none, days are closed by themselves."""
    return feed.reconcile and feed.cursor.kind in ("full", "window")


def source(source_id: str, feeds: list[str] | None = None) -> list[Reconciled]:
    """Every feed of a source that can be reconciled, or those named.

    :raises ConfigurationError: not declared.
    """
    return [feed(one.id) for one in registry.feeds(registry.source(source_id), feeds) if reconciles(one)]


def feed(feed_id: str) -> Reconciled:
    """Read the complete listing, compare, merge what is missing, report what is extra; one row in landing.reconciliation."""
    found: list[Compared] = []
    outcome = batch.run(feed_id, Window(full=True), "reconcile", lambda job: _phases(job, found))
    compared = found[0] if found else None
    verdict = _verdict(compared, outcome)
    _leave_row(feed_id, compared, outcome, verdict)
    return Reconciled(feed_id, verdict, compared, outcome)


def _phases(job: Job, found: list[Compared]) -> None:
    job.afresh = True
    stage.batches(job, decode.batches(job.connector, job.feed, fetch.payloads(job)))
    check.run(job)
    compared = _compare(job)
    merge.commit(job)
    found.append(compared)
    acknowledge.send(job)


def _compare(job: Job) -> Compared:
    """The listing against the store, before it is mended; late and extra records are issues."""
    with transaction() as connection:
        compared = comparison.compare(connection, job.staged)
        named = [
            (Issue(_CODES[kind], _DETAILS[kind], record=key), 1)
            for key, kind in comparison.late_keys(connection, job.staged, _NAMED)
            if kind != "extra" or job.proof.complete
        ]
        if compared.late > _NAMED:
            named.append((Issue("late_row", f"{compared.late} rows in all, of which {_NAMED} are named"), 1))
        issues.stage(connection, job.staged, named)
    return compared


_CODES = {"missing": "late_row", "different": "late_row", "extra": "extra_record"}
_DETAILS = {
    "missing": "in the source's listing, not in the store, though its window was complete",
    "different": "the source has a version that the store had not, though its window was complete",
    "extra": "in the store, not in the source's complete listing",
}


def _verdict(compared: Compared | None, outcome: Outcome) -> str:
    if compared is None or outcome.outcome == "failed":
        return "failed"
    if compared.equal:
        return "equal"
    left = compared.extra - outcome.counts.absent
    return "different" if left > 0 or outcome.counts.quarantined or outcome.outcome != "ok" else "mended"


def _leave_row(feed_id: str, compared: Compared | None, outcome: Outcome, verdict: str) -> None:
    if not outcome.run_id:
        return  # the database was away: there is nowhere to write to
    run, numbers = tables.run.c, compared or Compared(0, 0, 0, 0, 0, 0)
    with transaction() as connection:
        complete, claimed = connection.execute(
            sa.select(sa.func.coalesce(run.complete, False), run.claimed).where(run.id == outcome.run_id)
        ).one()
        connection.execute(
            sa.insert(tables.reconciliation).values(
                feed=feed_id,
                run_id=outcome.run_id,
                started_at=outcome.started_at,
                ended_at=sa.func.now(),
                outcome=verdict,
                complete=complete,
                claimed=claimed,
                listed=numbers.listed,
                stored=numbers.stored,
                missing=numbers.missing,
                different=numbers.different,
                extra=numbers.extra,
                detail={"late": numbers.late, **numbers.samples},
            )
        )
