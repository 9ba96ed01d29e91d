"""``onemap feed``: how a feed usually arrives, and what is silent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from cli import output
from cli.context import By, Json, Note, group

app = typer.Typer()
feed = group(app, "feed", "到达 · how feeds usually arrive, and what is silent")


@feed.command()
def rhythm(name: Annotated[str, typer.Argument(help="数据流或数源 · m2.sl, m2")], as_json: Json = False) -> None:
    """到达规律 · What is usual of a feed or source, up to when it speaks, when it will be called silent."""
    from core import clock
    from store.engine import transaction
    from supervision import rulebook, silence

    with transaction() as connection:
        watched = silence.look(connection, clock.today(), rulebook.calendar())
    found = [one for one in watched.heard if one.feed == name or one.feed.startswith(f"{name}.")]
    if as_json:
        return output.as_json([silence.shown(one) for one in found])
    output.table(
        ("数据流", "部分", "内容截至", "读至", "每工作日", "最长正常", "目前", "将判静默", "依据"),
        [
            (
                one.feed,
                one.part,
                f"{one.horizon:%Y-%m-%d %H:%M}",
                f"{one.read_at:%m-%d %H:%M}",
                f"{one.rhythm.low}–{one.rhythm.high}",
                "不限" if one.rhythm.longest is None else f"{one.rhythm.longest:.2f}",
                f"{one.quiet:.2f}{' 静默' if one.silent else ''}",
                f"{one.due:%m-%d %H:%M}" if one.due else "—",
                f"{one.rhythm.gaps} 次间隔" if one.rhythm.learned else "申报",
            )
            for one in found
        ],
        "到达规律（单位：工作日）",
    )
    for one in found:
        if one.text:
            output.out.print(f"{one.feed} {one.part} {one.text}")
    return None


@feed.command()
def silences(
    all_: Annotated[bool, typer.Option("--all", help="包括已恢复的 · ended ones too")] = False,
    as_json: Json = False,
) -> None:
    """静默 · What is silent, since when, by what evidence."""
    from quality.silence import episode

    rows = episode.listed(all_of_them=all_)
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("静默号", "数据流", "部分", "自", "发现", "恢复", "认可至", "认可人", "说明"),
        [
            (
                r["id"],
                r["feed"],
                r["part"],
                f"{r['since']:%Y-%m-%d %H:%M}",
                f"{r['found_at']:%m-%d %H:%M}",
                f"{r['ended_at']:%m-%d %H:%M}" if r["ended_at"] else "",
                r["approved_until"] or "",
                r["approved_by"] or "",
                r["text"],
            )
            for r in rows
        ],
    )


@feed.command("silence-ok")
def silence_ok(
    name: Annotated[str, typer.Argument(help="静默号、数据流或数源 · its number, m2.sl, m2")],
    until: Annotated[datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="认可至该日 · up to this day")],
    note: Note,
    by: By,
) -> None:
    """认可静默 · A person says that a silence is right, up to a day; verdicts are made again until then."""
    from quality.silence import episode
    from serving import audit

    episode.approve(name, until.date(), by, note)
    audit.append(by, "silence_ok", name, {"until": f"{until:%Y-%m-%d}", "note": audit.scrub(note)})
    output.out.print(f"✓ {name}：认可静默至 {until:%Y-%m-%d}")
