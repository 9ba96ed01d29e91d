"""Once more through map, check and merge: quarantined rows after a mend, and a feed whose mapping has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import sqlalchemy as sa

from connectors.base import Payload, Proof, Window
from core.errors import InternalError
from pipeline import batch, check, merge, sync
from pipeline import map as mapping_phase
from pipeline.decode import Decoded, decoded
from pipeline.fetch import Received
from pipeline.job import Job
from pipeline.outcome import Outcome
from store import archive, landing, quarantine, tables
from store import merge as store_merge
from store import remap as store_remap
from store.engine import engine, transaction

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
    rows = [entry for entry in entries if entry.raw is not None]
    undecodable = sorted({entry.receipt_id for entry in entries if entry.raw is None and entry.receipt_id is not None})
    sync.read(job, _again(job, rows, undecodable))
    job.proof = Proof(complete=False, why=f"{len(entries)} entries of the quarantine driven again")
    landing.reached(job.run_id, "check")
    check.checked(job)
    landing.reached(job.run_id, "merge")
    merge.merged(job)


def _again(job: Job, rows: list[quarantine.Entry], receipts: list[int]) -> Iterator[Decoded]:
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        yield _decoded(
            [entry.raw for entry in part],
            [entry.place for entry in part],
            [entry.receipt_id for entry in part],
            [entry.scope for entry in part],
        )
    yield from decoded(job.connector, job.feed, _archived(receipts))


def _decoded(raws: list[str], places: list[str | None], receipts: list[int], scopes: list[str | None]) -> Decoded:
    return Decoded(
        mapping_phase.rows_again(pl.Series(raws, dtype=pl.String), pl.Series(places, dtype=pl.String)),
        pl.Series(receipts, dtype=pl.Int64),
        pl.Series(scopes, dtype=pl.String),
    )


def _archived(receipts: list[int]) -> Iterator[Received]:
    """Payloads out of the archive, as they were received."""
    receipt = tables.receipt
    for number in receipts:
        with engine().connect() as connection:
            row = connection.execute(sa.select(receipt).where(receipt.c.id == number)).mappings().one()
        with archive.opened(row["sha256"], row["size"]) as body:
            yield Received(
                number,
                Payload(body, row["media_type"], row["request"], row["started_at"], row["finished_at"], row["facts"]),
            )


# -- a changed mapping


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


class _Compared(Exception):
    """The comparison is done and nothing is to be written: the transaction is rolled back."""


def remap(feed_id: str, apply: bool = False) -> Diff:
    """Map a feed anew from the archive. Without ``apply`` only the difference is told.

    :raises InternalError: the run failed; the outcome's own words.
    """
    found: dict = {}
    outcome = batch.run(feed_id, Window(), "remap", lambda job: _remap(job, apply, found))
    if outcome.outcome != "ok":
        raise InternalError(
            outcome.error or outcome.outcome, remedy=outcome.remedy or "", zh=outcome.zh or "", feed=feed_id
        )
    return Diff(feed=feed_id, applied=apply, outcome=outcome, **found)


def _remap(job: Job, apply: bool, found: dict) -> None:
    with engine().connect() as connection:
        wanted = store_remap.receipts(job.feed.id, connection)
        latest = store_remap.latest_of_scopes(job.feed.id, connection)
        found["records"] = store_merge.live(connection, job.feed.id)
    archived = [number for number, there in wanted if there]
    job.staged.max_rejected = 1.0
    sync.read(job, _everything(job, wanted, latest))
    job.staged.receipts = [number for number, _ in wanted]
    landing.reached(job.run_id, "check")
    check.checked(job)
    landing.reached(job.run_id, "merge")
    found |= {"reread": len(archived), "kept": len(wanted) - len(archived), "mapping_version": job.mapping.version}
    staged, counts = job.staged, job.counts
    try:
        with transaction() as connection:
            store_merge.lock(connection, job.feed.id)
            store_remap.compare(connection, staged)
            found["gone"] = store_remap.vanished(connection, staged)
            done = store_merge.apply(
                connection, staged, job.mapping.version, max(staged.receipts, default=0), remapped=True
            )
            found["new"], found["changed"] = done["new"], done["changed"] + done["tombstoned"]
            found["sample"] = _sample(connection, job)
            found["rejected"] = store_merge.reject(connection, staged, job.mapping.version)
            if not apply:
                raise _Compared
            store_remap.settle(connection, staged, job.mapping.version)
            waiting = [
                entry.id for entry in quarantine.open_entries(job.feed.id) if entry.receipt_id in set(staged.receipts)
            ]
            quarantine.redriven(connection, waiting, job.run_id)
            store_merge.tell(connection, staged)
            for name, value in done.items():
                setattr(counts, name, value)
            counts.rows_in, counts.quarantined = staged.rows_in, found["rejected"]
            landing.close_run(
                connection,
                job.run_id,
                outcome="ok",
                why="mapped anew from the archive",
                complete=False,
                **{name: getattr(counts, name) for name in landing.COUNTS},
            )
    except _Compared:
        with transaction() as connection:
            landing.close_run(
                connection, job.run_id, outcome="ok", why="compared only; nothing was written", complete=False
            )


def _sample(connection, job: Job) -> list[str]:
    return list(
        connection.execute(
            sa.text(
                f"""select record_key from {job.staged.name("version")} where becomes
                    union select r.record_key from {job.staged.name("missing")} m join source.record r on r.id = m.record_id
                    order by 1 limit 20"""
            )
        ).scalars()
    )


def _everything(job: Job, wanted: list[tuple[int, bool]], latest: dict[str, int]) -> Iterator[Decoded]:
    """The archive's payloads, and the stored rows of those that it no longer holds; replaced parts left out."""
    archived = [number for number, there in wanted if there]
    for part in decoded(job.connector, job.feed, _archived(archived)):
        yield _standing(part, latest)
    for number in (number for number, there in wanted if not there):
        with engine().connect() as connection:
            rows = store_remap.stored_rows(job.feed.id, number, connection)
        if rows:
            yield _decoded(
                [raw for raw, _ in rows], [place for _, place in rows], [number] * len(rows), [None] * len(rows)
            )


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
