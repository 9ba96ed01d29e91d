"""A feed whose mapping has changed: mapped anew from the archive, compared first, applied by the ordinary merge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from connectors.base import Proof, Window
from pipeline import archived, batch, check, merge, stage
from pipeline.decode import Decoded, batches
from pipeline.job import Job
from pipeline.outcome import Outcome
from store import deletions, quarantine
from store import remap as store_remap
from store.engine import engine


@dataclass(frozen=True, slots=True)
class Diff:
    """What the present mapping makes of what the archive holds of a feed, against what is stored.

    ``records`` stand now; of the records that the mapping makes, ``new`` are not stored, ``changed`` are otherwise;
    ``gone`` are stored and not made any more; ``rejected`` rows do not pass. ``reread`` receipts were decoded again,
    of ``kept`` the payload has left the archive and the stored rows were taken. ``applied``: the store is so now.
    """

    feed: str
    mapping_version: int
    records: int
    new: int
    changed: int
    gone: int
    rejected: int
    reread: int
    kept: int
    sample: list[str]
    applied: bool
    outcome: Outcome


def run(feed_id: str, apply: bool = False) -> Diff:
    """Map a feed anew from the archive. Without ``apply`` only the difference is computed.

    :raises OneMapError: the run failed; its class is by whose fault.
    """
    found: dict[str, Any] = {}
    outcome = batch.run(feed_id, Window(), "remap", lambda job: _phases(job, apply, found))
    if outcome.outcome != "ok":
        raise outcome.as_error()
    return Diff(feed=feed_id, applied=apply, outcome=outcome, **found)


def _phases(job: Job, apply: bool, found: dict[str, Any]) -> None:
    with engine().connect() as connection:
        wanted = store_remap.receipts(job.feed.id, connection)
        latest = store_remap.latest_of_scopes(job.feed.id, connection)
        records = deletions.live(connection, job.feed.id)
    job.staged.max_rejected = 1.0  # the answer was judged when it came
    why = "mapped anew from the archive" if apply else "compared only; nothing was written"
    job.fetched = Proof(complete=False, why=why)
    stage.batches(job, _batches(job, wanted, latest))
    job.staged.receipts = [number for number, _ in wanted]
    job.redriving = [
        entry.id for entry in quarantine.open_entries(job.feed.id) if entry.receipt_id in set(job.staged.receipts)
    ]
    check.run(job)
    merged = merge.commit(job, remapped=True, dry_run=not apply)
    archived_count = sum(there for _, there in wanted)
    found |= {
        "mapping_version": job.mapping.version,
        "records": records,
        "new": merged.counts["new"],
        "changed": merged.counts["changed"] + merged.counts["tombstoned"],
        "gone": merged.gone,
        "rejected": merged.counts["quarantined"],
        "reread": archived_count,
        "kept": len(wanted) - archived_count,
        "sample": merged.sample,
    }


def _batches(job: Job, wanted: list[tuple[int, bool]], latest: dict[str, int]) -> Iterator[Decoded]:
    """The archive's payloads, and the stored rows of those that it no longer holds; replaced parts left out."""
    there = [number for number, there in wanted if there]
    for part in batches(job.connector, job.feed, archived.payloads(there)):
        yield _standing(part, latest)
    for number in (number for number, there in wanted if not there):
        with engine().connect() as connection:
            rows = store_remap.stored_rows(job.feed.id, number, connection)
        if rows:
            yield archived.rows([archived.Row(raw, place, number) for raw, place in rows])


def _standing(part: Decoded, latest: dict[str, int]) -> Decoded:
    """Without rows whose part was sent again since."""
    if part.scopes.null_count() == len(part.scopes):
        return part
    standing = (
        pl.DataFrame({"s": part.scopes, "r": part.receipts})
        .select(
            (
                pl.col("s").is_null()
                | (pl.col("s").replace_strict(latest, default=None, return_dtype=pl.Int64) == pl.col("r"))
            ).fill_null(False)
        )
        .to_series()
    )
    mask = pa.array(standing.to_list(), pa.bool_())
    return Decoded(
        part.rows.filter(mask), part.receipts.filter(standing), part.scopes.filter(standing), part.rejects, part.issues
    )
