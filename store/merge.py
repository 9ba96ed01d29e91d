"""From staging into the store: one call, set-based, idempotent, in the caller's transaction.

:func:`commit` owns the order in which a batch is merged::

    deletions.withdraw    versions that a part said which was now sent again without them
    deletions.fallbacks   older versions that stand again then, mapped and staged once more
    deletions.missing     records that a complete listing no longer has; the gate may refuse them
    versions.write        what becomes of each staged version, and the writing of it
    quarantine.reject     rejected rows with every reason; then entries that are settled by this batch
    issues.record         what is reported

A batch that is the archive mapped anew (:mod:`store.remap`) goes the same way, but for what it takes away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import deletions, issues, quarantine, remap, versions
from store.engine import lock_key, refusal
from store.staging import Staged
from store.statements import GOOD, Runner


class Gate(Protocol):
    """What the pipeline decides while a batch is merged."""

    def stage_again(self, rows: pl.DataFrame) -> None:
        """Map and stage older versions that stand again: ``record_key``, ``raw`` (JSON text), ``receipt_id``, ``place``."""

    def absence_unproven(self, rows: int) -> None:
        """Rejected rows without a readable key keep every deletion of this batch back: say so."""

    def may_delete(self, records: int) -> bool:
        """Whether so many records may go without a person."""


@dataclass(slots=True)
class Merged:
    """``counts``: new changed history unchanged tombstoned absent quarantined. ``gone``: records found to go;
    ``held``: none of them went, a person decides. ``sample``: keys of some records that a new mapping changes."""

    gone: int = 0
    held: bool = False
    sample: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def commit(
    connection: Connection,
    staged: Staged,
    mapping_version: int,
    gate: Gate,
    *,
    listing: bool = False,
    remapped: bool = False,
    redriven: Sequence[int] = (),
) -> Merged:
    """Merge a staged batch that was checked; nothing of it stands before the caller commits.

    A row that the database refuses is rejected with its reason; the others are merged.

    ``listing``: the batch is the source's whole listing, complete by proof, of a feed whose records vanish with it.
    ``remapped``: the batch is what the archive holds of the feed, mapped anew. ``redriven``: quarantine entries that
    went through once more; those that were not rejected again are closed.
    """
    # writers of a feed's rows, one transaction at a time; the feed's lock keeps whole runs apart already
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("merge", staged.feed))))

    def merge() -> Merged:
        return _merge(connection, staged, mapping_version, gate, listing, remapped, redriven)

    spared = staged.spared
    try:
        with connection.begin_nested():
            return merge()
    except sa.exc.DBAPIError as error:
        if refusal(error) is None or staged.loaded:
            raise
        staged.spared = spared
        _reject_refused(connection, staged, mapping_version, remapped, error)
    return merge()


def _merge(
    connection: Connection,
    staged: Staged,
    mapping_version: int,
    gate: Gate,
    listing: bool,
    remapped: bool,
    redriven: Sequence[int],
) -> Merged:
    merged = Merged()
    if remapped:
        remap.compare(connection, staged)
        merged.gone = remap.vanished(connection, staged)
    else:
        merged.gone = _find_deletions(connection, staged, gate, listing)
        merged.held = merged.gone > 0 and not gate.may_delete(merged.gone)
        if merged.held:
            deletions.spare(connection, staged)
    last_receipt = max(staged.receipts, default=0)
    merged.counts = versions.write(
        connection, staged, mapping_version, last_receipt, remapped=remapped, redriven=bool(redriven)
    )
    merged.counts["quarantined"] = quarantine.reject(connection, staged, mapping_version)
    quarantine.close_redriven(connection, redriven, staged.run_id)
    if remapped:
        merged.sample = remap.sample(connection, staged)
        remap.settle(connection, staged, mapping_version)
    else:
        quarantine.supersede(connection, staged)
    issues.record(connection, staged)
    return merged


#: Rows of a batch that the database refuses one by one; beyond, the fault is none of theirs.
_MOST_REFUSED = 100


def _reject_refused(
    connection: Connection, staged: Staged, mapping_version: int, remapped: bool, error: sa.exc.DBAPIError
) -> None:
    """Find by halves the rows that the database refuses to merge; each is rejected with what the database says.

    :raises sa.exc.DBAPIError: ``error``, where it comes without any row, or of too many.
    """
    run = Runner(connection, staged)

    def refuses(rows: list[int]) -> str | None:
        """What the database says of these rows beside all that were accepted."""
        trial = connection.begin_nested()
        try:
            run(
                f"insert into {{failed}} (row_id, code) select s.row_id, 'trial' from {{record}} s "
                f"where {GOOD} and s.row_id <> all(:rows)",
                rows=accepted + rows,
            )
            if remapped:
                remap.compare(connection, staged)
                remap.vanished(connection, staged)
            else:
                if staged.scopes:
                    deletions.withdraw(connection, staged, [])
                deletions.missing(connection, staged, False)
            versions.write(connection, staged, mapping_version, 0, remapped=remapped)
        except sa.exc.DBAPIError as refused:
            if (reason := refusal(refused)) is None:
                raise
            return reason
        finally:
            trial.rollback()
        return None

    accepted: list[int] = []
    culprits: dict[int, str] = {}

    def admit(rows: list[int]) -> None:
        reason = refuses(rows)
        if reason is None:
            accepted.extend(rows)
        elif len(rows) > 1:
            admit(rows[: len(rows) // 2])
            admit(rows[len(rows) // 2 :])
        else:
            culprits[rows[0]] = reason
            if len(culprits) > _MOST_REFUSED:
                raise error

    if refuses([]) is not None:
        raise error
    admit(list(run(f"select s.row_id from {{record}} s where {GOOD} order by 1").scalars()))
    for row, reason in culprits.items():
        run(
            "insert into {failed} (row_id, code, message) values (:row, 'value_refused', :said)",
            row=row,
            said=f"数据库拒收 the database refuses it: {reason}",
        )


def _find_deletions(connection: Connection, staged: Staged, gate: Gate, listing: bool) -> int:
    """How many records go, by absence from a complete listing or because the part that held them was replaced."""
    if (listing or staged.scopes) and (unkeyed := deletions.unkeyed(connection, staged)):
        gate.absence_unproven(unkeyed)
        listing = False
        staged.spared = True
    if staged.scopes:
        scopes = [] if staged.spared else sorted(staged.scopes)
        if deletions.withdraw(connection, staged, scopes):
            gate.stage_again(deletions.fallbacks(connection, staged))
    return deletions.missing(connection, staged, listing)
