"""What a sync leaves: balance of every feed, rejected rows by reason, rows by entity."""

from __future__ import annotations

from cli import output
from cli.stack.first_sync import FirstSync
from pipeline.health import health
from pipeline.summary import Summary, summary


def show(sync: FirstSync, states: dict[str, str]) -> int:
    """Print it; ``states``: how each DAG that follows the sources ended. Returns 1 when a feed failed or did not balance, or
    one of these did not succeed, else 0."""
    found = summary(sync.since)
    tables(found)
    if states["supervise"] == "success":
        _supervision()
    bad = [feed for feed in health() if feed.source in sync.names and feed.light in ("failing", "held")]
    for feed in bad:
        output.out.print(
            f"✗ {feed.feed} {feed.name} [{feed.fault_zh or feed.light}] {feed.zh or feed.error or ''} → {feed.remedy or ''}",
            markup=False,
        )
    failed = [one.source for one in sync.progress.values() if one.state != "success"] + [
        dag for dag, state in states.items() if state != "success"
    ]
    if failed:
        output.out.print(f"✗ 未全部成功 did not succeed: {', '.join(failed)}")
    return 1 if bad or failed or not found.balanced else 0


def _supervision() -> None:
    """What supervision found: by rule, and the items of 体外循环."""
    from core import clock
    from supervision.city import gather

    city = gather(clock.today())
    output.table(
        ("规则 rule", "名称", "发现 findings", "未判定 waiting"),
        [
            (row["rule"], row["name"], row["found"], row["not_judged"])
            for row in city.rules.to_dicts()
            if row["found"] or row["not_judged"]
        ],
        title=f"督办 supervision: {city.projects:,} 个项目，{city.found:,} 条发现（疑似，待核）；体外循环涉及 {city.outside.height} 个事项；onemap findings",
    )


def tables(found: Summary) -> None:
    """The three tables, and by feed what was taken away, however little."""
    output.table(
        (
            "数据项 feed",
            "批次",
            "流入 in",
            "新增 new",
            "变更 chg",
            "历史 hist",
            "未变 same",
            "隔离 rej",
            "注销 gone",
            "缺席",
            "在库",
            "平账",
        ),
        [
            (
                b.feed,
                b.runs,
                b.rows_in,
                b.new,
                b.changed,
                b.history,
                b.unchanged,
                b.quarantined,
                b.tombstoned,
                b.absent,
                b.stored,
                "✓" if b.balanced else "✗",
            )
            for b in found.balances
        ],
        title="各数据项收支 balance of every feed",
    )
    for b in found.balances:
        if b.tombstoned or b.absent:
            output.out.print(
                f"! {b.feed} 注销 {b.tombstoned + b.absent:,} 条 records gone：数源注销 said by the source {b.tombstoned:,}，"
                f"清单或重发部分已不含 no longer in listing or part {b.absent:,}；在库 {b.stored:,}",
                markup=False,
            )
    if found.rejected:
        from quality import issues

        explained = [issues.explained(reason) for reason in found.rejected]
        output.table(
            ("数据项", "原因", "代码", "字段", "例如", "责任", "处置", "行数"),
            [
                (
                    r["feed"],
                    r.get("title_zh"),
                    r["code"],
                    r["field"],
                    r["message"],
                    r.get("duty_zh"),
                    r.get("remedy_zh"),
                    r["rows"],
                )
                for r in explained
            ],
            title="隔离原因 rejected by reason (open); onemap quarantine list",
        )
    output.table(
        ("实体 entity", "来源行 source rows", "统一行 golden rows"),
        [
            (name, count, found.golden_rows.get(name))
            for name, count in found.source_rows.items()
            if count or found.golden_rows.get(name)
        ],
        title="统一库 rows by entity",
    )
