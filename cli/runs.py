"""``onemap runs`` and ``onemap health``: what was tried, and how every feed fares."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.context import Json, attach

app = typer.Typer()


@app.command()
def health(
    source: Annotated[str | None, typer.Argument(help="数源，默认全部 · default: all")] = None,
    as_json: Json = False,
) -> None:
    """运行健康 · How every feed fares, trouble first; exit 1 when one fails or a person is waited for."""
    attach()
    from dags.lights import LIGHTS, ordered
    from pipeline.health import health
    from pipeline.machine import conditions
    from serving.render import span
    from supervision import feedback

    feeds = ordered(health(source) + ([] if source else feedback.health()))
    ground = [] if source else [one for one in conditions() if one.level != "ok"]
    for one in ground:
        output.err.print(f"{'✗' if one.level == 'error' else '!'} {one.zh}（{one.remedy}） · {one.en}", markup=False)
    if as_json:
        output.as_json([feed.as_dict() for feed in feeds])
    else:
        output.table(
            (
                "状态",
                "数据项",
                "名称",
                "最近成功",
                "时效",
                "承诺",
                "流入",
                "变更",
                "隔离",
                "平账",
                "连续失败",
                "责任",
            ),
            [
                (
                    LIGHTS[f.light].zh,
                    f.feed,
                    f.name,
                    f"{f.last_success:%m-%d %H:%M}" if f.last_success else "",
                    span(f.age),
                    span(f.promise),
                    f.rows_in,
                    f.changed,
                    f.rejected,
                    "✓" if f.balanced else "✗",
                    f.failures,
                    f.fault_zh,
                )
                for f in feeds
            ],
        )
    if any(feed.light in ("failing", "held") for feed in feeds) or any(one.level == "error" for one in ground):
        raise typer.Exit(1)


@app.command()
def runs(
    feed: Annotated[str | None, typer.Option("--feed", help="数据项 · feed")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="只看未成功的 · only what did not end well")] = False,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Json = False,
) -> None:
    """批次 · The latest tries at each (feed, window), and how they ended."""
    attach()
    from store import listing

    rows = listing.runs(feed, failed, limit)
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("批次", "数据项", "窗口", "触发", "开始", "结果", "流入", "新增", "变更", "未变", "隔离", "说明"),
        [
            (
                r["id"],
                r["feed"],
                "full" if r["window_full"] else f"{r['window_start'] or '…'} .. {r['window_end'] or '…'}",
                r["trigger"],
                f"{r['started_at']:%m-%d %H:%M:%S}",
                r["outcome"],
                r["rows_in"],
                r["new"],
                r["changed"],
                r["unchanged"],
                r["quarantined"],
                r["zh"] or r["error"],
            )
            for r in rows
        ],
    )
