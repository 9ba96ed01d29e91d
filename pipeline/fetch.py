"""Phase 2, fetch: bytes arrive, are archived untouched, and get a receipt before anybody looks into them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from connectors.base import Payload, Proof
from core.errors import InternalError
from pipeline.job import Job
from store import archive, clockwatch, landing


@dataclass(frozen=True, slots=True)
class Received:
    """A payload whose bytes are safe, and its receipt."""

    receipt_id: int
    sha256: str
    payload: Payload


def payloads(job: Job) -> Iterator[Received]:
    """Every payload of the window; the proof is left in ``job.fetched`` at the end.

    :raises OneMapError: as the connector says; what was archived stays.
    """
    state = None if job.afresh else landing.state(job.feed.id)
    for part in job.connector.fetch(job.feed, job.window, state):
        if isinstance(part, Proof):
            job.fetched = part
            continue
        stored = archive.put(part.body)
        receipt_id = landing.write_receipt(
            job.run_id,
            job.source.source,
            job.feed.id,
            job.span,
            stored,
            request=part.request,
            facts=part.facts,
            media_type=part.media_type,
            started_at=part.started_at,
            finished_at=part.finished_at,
            restore=partial(archive.put, part.body),
        )
        ahead = clockwatch.source_ahead(part.facts.get("server_date"), part.started_at, part.finished_at)
        if ahead is not None:
            job.source_ahead = min(job.source_ahead, ahead) if job.source_ahead is not None else ahead
        job.bytes += stored.size
        job.payloads += 1
        job.staged.receipts.append(receipt_id)
        job.staged.scopes.update(part.facts.get("scopes") or ())
        yield Received(receipt_id, stored.sha256, part)
    if job.fetched is None:
        raise InternalError(
            "the connector ended without a proof",
            remedy=f"mend the connector of protocol {job.source.protocol}",
            zh="连接器未给出完整性证明即结束。",
            feed=job.feed.id,
        )
