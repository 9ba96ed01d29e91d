"""The gate between staging and the merge: what fails is marked, and whether the batch goes on."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.staging import Staged, Verdict


def check(connection: Connection, staged: Staged) -> Verdict:
    """Judge a staged batch; rows that fail stand in ``staged.failed`` afterwards, one line a reason.

    A full listing below the feed's floor, or a batch with a larger share of rejected rows than the feed allows, does
    not go on: something is wrong with the answer, not with rows.
    """
    rejected = staged.rejects + connection.execute(
        sa.text(
            f"select count(distinct s.row_id) from {staged.name('failed')} f join {staged.name('record')} s using (row_id) "
            "where not s.again"
        )
    ).scalar_one()
    total = staged.rows_in
    if staged.full and total < staged.floor:
        return Verdict(
            go=False,
            rejected=rejected,
            code="below_floor",
            message=f"a full listing of {total} rows; at least {staged.floor} are expected",
            remedy="ask the source why its listing is short; if it is right, lower `floor` in the declaration",
            zh=f"全量清单仅 {total} 行，低于下限 {staged.floor} 行，本批次不入库。请向数源核实；若属实，请调低声明中的 floor。",
        )
    if total and rejected / total > staged.max_rejected:
        return Verdict(
            go=False,
            rejected=rejected,
            code="too_many_rejected",
            message=f"{rejected} of {total} rows are rejected, more than {staged.max_rejected:.0%}",
            remedy="see the reasons in quarantine; mend the mapping or tell the source, then run again",
            zh=f"{total} 行中 {rejected} 行不合格，超过 {staged.max_rejected:.0%}，本批次不入库。请查看隔离区原因，修正映射或告知数源后重跑。",
        )
    return Verdict(go=True, rejected=rejected)
