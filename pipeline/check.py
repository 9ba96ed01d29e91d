"""Phase 5b, check: the suites of quality/ judge the staged batch, in SQL, before anything is merged."""

from __future__ import annotations

from core.errors import ProviderError
from pipeline.job import Job
from quality import gate
from store import landing, quarantine
from store.engine import transaction
from store.staging import Verdict


def run(job: Job) -> Verdict:
    """The verdict; rows that fail are marked in the staging tables.

    :raises ProviderError: the batch does not go on. Its rejected rows are in quarantine then, with their reasons;
        nothing else of it is stored.
    """
    landing.reached(job.run_id, "check")
    if job.initial is not None:
        job.initial.count(job.feed.rhythm.time)
    with transaction() as connection:
        if job.initial is None:  # what is merged already is joined with nothing any more
            job.staged.analyze(connection)
        listing = job.window.full and job.proof.complete and not job.proof.unchanged
        verdict = gate.check(connection, job.staged, listing=listing, absence=job.feed.absence)
        # what is rejected now was sound when it was staged: an initial load, which counts what it writes, must not miss it
        if job.initial is not None:
            job.initial.settle()
    if verdict.go:
        return verdict
    with transaction() as connection:
        quarantine.reject(connection, job.staged, job.mapping.version)
    raise ProviderError(
        verdict.message,
        remedy=verdict.remedy,
        zh=verdict.zh,
        code=verdict.code,
        feed=job.feed.id,
        source=job.source.source,
    )
