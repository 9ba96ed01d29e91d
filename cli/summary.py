"""What a sync leaves: balance of every feed, rejected rows by reason, rows by entity."""

from __future__ import annotations

from cli import output
from cli.stack.first_sync import FirstSync, feed_rows
from core.errors import FAULT_ZH, Fault


def show(sync: FirstSync, merged: str) -> int:
    """Print it; returns 1 when a feed failed or did not balance, or the merge failed, else 0."""
    rows = feed_rows(sync.since)
    bad = [row for row in rows if row["outcome"] not in ("ok", "waiting") or not row["balanced"]]
    output.table(
        ("数据项 feed", "结果", "流入 in", "新增 new", "变更 chg", "历史 hist", "未变 same", "隔离 rej", "注销 gone", "平账"),
        [
            (
                row["feed"],
                row["outcome"],
                *(row[k] for k in ("rows_in", "new", "changed", "history", "unchanged", "quarantined", "tombstoned")),
                "✓" if row["balanced"] else "✗",
            )
            for row in rows
        ],
        title="各数据项收支 balance of every feed",
    )
    for row in bad:
        fault = FAULT_ZH.get(Fault(row["fault"]), "") if row["fault"] else "未平账"
        output.out.print(f"[red]✗[/] {row['feed']} [{fault}] {row['zh'] or row['error'] or ''}  → {row['remedy'] or ''}", markup=True)
    failed = [one for one in sync.progress.values() if one.state != "success"]
    return 1 if bad or failed or merged != "success" else 0


