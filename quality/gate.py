"""The gate between staging and the merge: what fails is marked, and whether the batch goes on.

Three answers: go; stop (the batch fails, its rejected rows stand in quarantine, nothing else is stored); held, which is
the merge's own: data go on and deletions wait for a person (``feed.max_deleted``, pipeline/merge.py), since how many
records are absent is known there alone.
"""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from quality import docs, validation
from store import deletions
from store.staging import Staged, Verdict

#: a share of so few rejected rows says nothing of the answer: the sound rows beside them are taken in
_FEW = 50


def check(connection: Connection, staged: Staged, *, listing: bool | None = None, absence: bool = False) -> Verdict:
    """Judge a staged batch; rows that fail stand in ``staged.failed`` afterwards, one line a reason.

    ``listing``: what was read is the whole listing of the source, so that its size says something; by default as the
    window has it. ``absence``: what a complete listing lacks is gone at the source; an empty one is then left to the
    gate on deletions.

    :raises ConfigurationError: a suite is missing or wrong.
    :raises InternalError: a suite cannot be evaluated.
    """
    verdict, results = judge(connection, staged, listing=staged.full if listing is None else listing, absence=absence)
    docs.note(staged, results, verdict)
    return verdict


def judge(
    connection: Connection, staged: Staged, *, listing: bool, absence: bool
) -> tuple[Verdict, list[validation.Validated]]:
    """:func:`check` without its pages: the verdict, and what each suite found."""
    results = validation.validate(connection, staged)
    rejected = (
        staged.rejects
        + connection.execute(
            sa.text(
                f"select count(distinct s.row_id) from {staged.name('failed')} f join {staged.name('record')} s using (row_id) "
                "where not s.again"
            )
        ).scalar_one()
    )
    verdict = _listing(connection, staged, absence) if listing else None
    verdict = verdict or _share(staged, rejected) or Verdict(go=True, rejected=rejected)
    return replace(verdict, rejected=rejected), results


def _listing(connection: Connection, staged: Staged, absence: bool) -> Verdict | None:
    """A full listing that is too short to be one."""
    total = staged.rows_in
    if total < staged.floor:
        return Verdict(
            go=False,
            rejected=0,
            code="below_floor",
            message=f"a full listing of {total} rows; at least {staged.floor} are expected",
            remedy="ask the source why its listing is short; if it is right, lower `floor` in the declaration",
            zh=f"全量清单仅 {total} 行，低于下限 {staged.floor} 行，本批次不入库。请向数源核实；若属实，请调低声明中的 floor。",
        )
    if not total and not absence and (stored := deletions.live(connection, staged.feed)):
        return Verdict(
            go=False,
            rejected=0,
            code="empty_listing",
            message=f"a full listing without a row, while {stored} records stand and the feed's rows never vanish",
            remedy="ask the source about its service; what is stored stays as it is",
            zh=f"全量清单为空，而库中有 {stored} 条在库记录，且本数据项的记录从不删除，本批次不入库。请向数源核实其服务。",
        )
    return None


def _share(staged: Staged, rejected: int) -> Verdict | None:
    """Something is wrong with the answer, not with rows."""
    total = staged.rows_in
    if rejected < _FEW or rejected / total <= staged.max_rejected:
        return None
    return Verdict(
        go=False,
        rejected=rejected,
        code="too_many_rejected",
        message=f"{rejected} of {total} rows are rejected, more than {staged.max_rejected:.0%}",
        remedy="see the reasons in quarantine; mend the mapping or tell the source, then run again",
        zh=f"{total} 行中 {rejected} 行不合格，超过 {staged.max_rejected:.0%}，本批次不入库。请查看隔离区原因，修正映射或告知数源后重跑。",
    )
