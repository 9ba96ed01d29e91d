"""``onemap source``: the source systems: list, check, preview, sync, back-fill."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import output
from cli.context import Feeds, Json, group

app = typer.Typer()
source = group(app, "source", "数源 · the source systems")


@source.command("list")
def list_(as_json: Json = False) -> None:
    """列出 · Every declared source with its owner, Connection, schedule and promise."""
    from serving.render import span
    from sources.loader import broken, load_all

    sources, wrong = load_all().values(), broken()
    for error in wrong.values():
        output.error(error)
    if as_json:
        output.as_json([s.model_dump(mode="json") for s in sources])
        raise typer.Exit(bool(wrong))
    output.table(
        ("数源", "名称", "数源部门", "连接", "协议", "计划", "时效承诺", "数据项"),
        [
            (
                s.source,
                s.name,
                s.owner.department,
                s.connection,
                s.protocol,
                s.schedule,
                span(s.promise.total_seconds()),
                len(s.feeds),
            )
            for s in sources
        ],
    )
    raise typer.Exit(bool(wrong))


@source.command()
def check(
    sources: Annotated[list[str] | None, typer.Argument(help="数源，默认全部 · default: all")] = None,
    as_json: Json = False,
) -> None:
    """检查 · Reach a source, prove the credentials, see each feed once; exit 1 when something does not hold."""
    from pipeline import diagnose
    from sources.loader import names

    lines = [(name, line) for name in sources or names() for line in diagnose.check(name)]
    if as_json:
        output.as_json(
            [{"source": n, "what": x.what, "ok": x.ok, "detail": x.detail, "remedy": x.remedy} for n, x in lines]
        )
    else:
        output.table(
            ("数源", "", "检查项", "结果", "处置"),
            [(n, "✓" if x.ok else "✗", x.what, x.detail, x.remedy) for n, x in lines],
        )
    if not all(line.ok for _, line in lines):
        raise typer.Exit(1)


@source.command()
def preview(
    feed: Annotated[str, typer.Argument(help="数据项 · feed, e.g. m2.sb")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="行数")] = 5,
    raw: Annotated[
        bool, typer.Option("--raw", help="只看原始记录，不需映射 · as they come, without a mapping")
    ] = False,
    as_json: Json = False,
) -> None:
    """预览 · The first rows of a feed from the live source: raw, mapped, and what there is to say. Writes nothing."""
    from dataclasses import asdict

    from pipeline.onboard.profile import cut
    from pipeline.preview import preview

    built = asdict(preview(feed, limit, raw=raw))
    if as_json:
        return output.as_json(built)
    output.out.print(f"{feed}  窗口 window: {built['window']}" + ("" if built["rows"] else "  没有记录 no rows"))
    for row in built["rows"]:
        key = row["record"] or {"record_key": "" if raw else "✗", "source_time": None}
        output.out.rule(escape(f"{key['record_key']}  {key['source_time'] or ''}  {row['place'] or ''}"))
        given = {k: cut(v) for k, v in _plain(row["raw"]).items() if v not in (None, "")}
        output.table(("原始列 raw", "值"), list(given.items()))
        for entity, rows in row["entities"].items():
            for mapped in rows if isinstance(rows, list) else [rows]:
                output.table((entity, "值"), [(k, cut(v)) for k, v in mapped.items() if v is not None])
        for reason in row["reasons"]:
            output.out.print(f"  ✗ {reason}", markup=False)
    for title, found in (("未能解码 rejects", built["rejects"]), ("提示 issues", built["issues"])):
        if found:
            output.table(list(found[0]), [list(one.values()) for one in found], title=title)
    return None


@source.command()
def tryout(
    feed: Annotated[str, typer.Argument(help="数据项 · feed, e.g. d5.weather")],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="将要报送的文件或接口应答 · what would be sent")
    ],
    records: Annotated[
        bool, typer.Option("--records", help="文件是按原始列名的 JSON 记录 · JSON records by raw columns")
    ] = False,
    as_json: Json = False,
) -> None:
    """试报 · What the hub would say of a file, an answer or records before they are sent: the sync's own verdict. Stores
    nothing; exit 1 when something would be refused."""
    from pipeline import tryout as trying

    tried = trying.tryout(feed, file, file.name, records=records)
    if as_json:
        output.as_json(tried.as_dict())
        raise typer.Exit(not tried.sound)
    output.out.print(
        f"{feed}  {'✓ 全部可收' if tried.sound else '✗ 整批不收：' + tried.why if not tried.go else '✗ 部分不收'}"
        f"  共 {tried.rows_in:,} 行，可收 {tried.accepted:,}，将隔离 {tried.rejected_rows:,}，其中注销 {tried.tombstones:,}",
        markup=False,
    )
    output.table(
        ("位置", "记录键", "原因", "字段", "值", "怎样改"),
        [
            (
                one["place"],
                one["record"],
                why.get("title_zh") or why["code"],
                why["field"],
                why["value"],
                why.get("remedy_zh"),
            )
            for one in tried.rejected
            for why in one["reasons"]
        ],
        title="将被隔离的记录 rejected",
    )
    output.table(
        ("提示", "字段", "次数", "如", "怎样改"),
        [
            (i.get("title_zh") or i["code"], i["field"], i["count"], i["detail"], i.get("remedy_zh"))
            for i in tried.issues
        ],
        title="提示（照收）issues",
    )
    raise typer.Exit(not tried.sound)


@source.command()
def sync(
    sources: Annotated[list[str], typer.Argument(help="数源，可多个 · sources, e.g. m2 d1")],
    feed: Feeds = None,
    as_json: Json = False,
) -> None:
    """同步 · Read what is due, here and now, without Airflow; then merge. Exit 1 when a feed does not end well."""
    from pipeline import sync

    progress = None if as_json else _progress
    _show_outcomes(
        [outcome for source in sources for outcome in sync.source(source, on_progress=progress, feeds=feed)],
        as_json,
    )


@source.command()
def backfill(
    source: Annotated[str, typer.Argument(help="数源或数据项 · source or feed, e.g. m2 or m2.sb")],
    start: Annotated[datetime, typer.Option("--from", help="起（含），本市时间")],
    end: Annotated[datetime, typer.Option("--to", help="止（不含）")],
    as_json: Json = False,
) -> None:
    """回补 · Read a closed window again, whatever is complete."""
    from pipeline import sync

    outcomes = []
    for task in sync.backfill(source, start, end):
        outcomes.append(sync.run(task, trigger="backfill"))
        if not as_json:
            _progress(task, outcomes[-1])
    _show_outcomes(outcomes, as_json)


def _plain(raw: Any) -> dict[str, Any]:
    import json

    return json.loads(raw) if isinstance(raw, str) else raw


def _progress(task: Any, outcome: Any) -> None:
    if outcome is None:
        return
    counts = outcome.counts
    mark = "[green]✓[/]" if outcome.outcome in ("ok", "waiting") else "[red]✗[/]"
    output.out.print(
        f"{mark} {task.label}  流入 {counts.rows_in:,}  新增 {counts.new:,}  变更 {counts.changed:,}  未变 {counts.unchanged:,}"
        f"  隔离 {counts.quarantined:,}{_gone(counts)}"
    )
    if outcome.error:
        output.err.print(f"  [{outcome.fault}] {outcome.zh or outcome.error}  → {outcome.remedy or ''}", markup=False)


def _gone(counts: Any) -> str:
    """What a batch took away, however little; nothing where all stayed."""
    if not counts.gone:
        return ""
    absent = f"（其中清单或重发部分已不含 {counts.absent:,}）" if counts.absent else ""
    return f"  [yellow]注销 {counts.gone:,}{absent}[/]"


def _show_outcomes(outcomes: list[Any], as_json: bool) -> None:
    from pipeline import unify

    done = unify.run()
    if as_json:
        output.as_json(
            {"outcomes": [o.as_dict() for o in outcomes], "unified": {"taken": done.taken, "written": done.written}}
        )
    else:
        output.out.print(f"归并 unify: {done.taken:,} 条记录 records, {done.written:,} 行变化 rows written")
        for feed in done.without_golden:
            output.out.print(
                f"[yellow]![/] {feed}: 其记录未形成任何统一行 its records make no golden row → onemap runs issues"
            )
        for record in done.refused:
            output.out.print(
                f"[yellow]![/] {record}: 无法归一，已搁置 set aside → onemap quarantine list", highlight=False
            )
    if any(o.outcome not in ("ok", "waiting") or not o.counts.balanced for o in outcomes):
        raise typer.Exit(1)
