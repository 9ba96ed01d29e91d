"""``onemap quarantine``: rejected rows, and what becomes of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import output
from cli.context import By, Json, Note, group

Feed = Annotated[str | None, typer.Option("--feed", help="数据项 · feed; default: all")]
Ids = Annotated[list[int], typer.Argument(help="隔离号 · entries")]


app = typer.Typer()
quarantine = group(app, "quarantine", "隔离区 · rejected rows, with every reason")


@quarantine.command("list")
def list_(
    feed: Feed = None,
    state: Annotated[str, typer.Option(help="open redriven dismissed superseded all")] = "open",
    limit: Annotated[int, typer.Option(min=1)] = 100,
    as_json: Json = False,
) -> None:
    """列出 · The latest entries, without their rows: what is wrong, whose turn it is and what to do."""
    from quality import issues
    from store import quarantine

    rows = quarantine.listed(feed, None if state == "all" else state, limit)
    for row in rows:
        row["source_name"] = _source(row["feed"])
        row["reasons"] = [issues.explained(reason) for reason in row["reasons"]]
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("隔离号", "数据项", "数源", "记录键", "状态", "次数", "原因", "处置", "首次", "最近"),
        [
            (
                r["id"],
                r["feed"],
                r["source_name"],
                r["record_key"],
                r["state"],
                r["seen"],
                "\n".join(map(_reason, r["reasons"])),
                "\n".join(dict.fromkeys(map(_remedy, r["reasons"]))),
                f"{r['opened_at']:%m-%d %H:%M}",
                f"{r['seen_at']:%m-%d %H:%M}",
            )
            for r in rows
        ],
    )


@quarantine.command()
def show(entry: int, as_json: Json = False) -> None:
    """查看 · One entry with its row as it came. The row may hold personal data."""
    from quality import issues
    from store import listing

    row = listing.entry(entry)
    row["source_name"] = _source(row["feed"])
    row["reasons"] = [issues.explained(reason) for reason in row["reasons"]]
    if as_json:
        return output.as_json(row)
    return output.table(
        ("项", "值"), [(k, _explained(v) if k == "reasons" else str(v)) for k, v in row.items() if v is not None]
    )


@quarantine.command()
def redrive(
    entries: Annotated[list[int] | None, typer.Argument(help="隔离号，默认全部 · default: all that wait")] = None,
    feed: Feed = None,
    as_json: Json = False,
) -> None:
    """重处理 · Take rows through mapping and checks again; exit 1 when a run of it failed."""
    from pipeline import redrive, unify

    outcomes = redrive.run(feed, entries or None)
    done = unify.run()
    if as_json:
        output.as_json(
            {"outcomes": [o.as_dict() for o in outcomes], "unified": {"taken": done.taken, "written": done.written}}
        )
    else:
        columns = ("数据项", "结果", "重处理", "新增", "变更", "仍隔离")
        output.table(
            columns,
            [
                (o.feed, o.outcome, o.counts.rows_in, o.counts.new, o.counts.changed, o.counts.quarantined)
                for o in outcomes
            ],
        )
    if any(o.outcome not in ("ok", "waiting") for o in outcomes):
        raise typer.Exit(1)


@quarantine.command()
def dismiss(entries: Ids, note: Note, by: By) -> None:
    """不予处理 · Leave rows out for good, with a reason; the same rows do not come up again."""
    from store import quarantine

    count = quarantine.dismiss(entries, by, note)
    output.out.print(f"✓ {count} 条已关闭 closed")


def _source(feed: str) -> str:
    """The name of the source, as people call it; its id where it is declared no more."""
    from sources.loader import load_all

    found = load_all().get(feed.partition(".")[0])
    return found.name if found else feed.partition(".")[0]


def _reason(reason: dict[str, Any]) -> str:
    """What is wrong: in Chinese, with the code, the field and the particulars."""
    parts = (reason.get("title_zh"), reason.get("code"), reason.get("field"), reason.get("message"))
    return " ".join(str(part) for part in parts if part)


def _remedy(reason: dict[str, Any]) -> str:
    """Whose turn it is, and what to do."""
    return f"{reason['duty_zh']}：{reason['remedy_zh']}" if "remedy_zh" in reason else ""


def _explained(reasons: list[dict[str, Any]]) -> str:
    """Each reason on its lines: what and where, whose duty, what to do in both languages."""
    return "\n".join(
        f"{_reason(r)} {r.get('value') or ''}".strip() + (f"\n  {_remedy(r)} {r['remedy']}" if "remedy" in r else "")
        for r in reasons
    )
