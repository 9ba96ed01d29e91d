"""``onemap hold``: what waits for a person: mass deletions, changed columns, batches unlike those before."""

from __future__ import annotations

import typer

from cli import output
from cli.context import By, Json, Note, group

app = typer.Typer()
hold = group(app, "hold", "待决 · what waits for a person: mass deletions, changed columns, unusual batches")


@hold.command("list")
def list_(
    all_: bool = typer.Option(False, "--all", help="包括已决定的 · decided ones too"), as_json: Json = False
) -> None:
    """列出 · What waits: how much would be deleted and some of the keys, or the changes of columns, or what is unusual."""
    from store import listing

    rows = listing.holds(all_)
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("待决号", "数据项", "拟注销", "在库", "样例", "提请", "决定", "决定人", "理由"),
        [
            (
                r["id"],
                r["feed"],
                r["would_delete"],
                r["stored"],
                ", ".join(r["sample"][:5]),
                f"{r['opened_at']:%m-%d %H:%M}",
                r["decision"],
                r["decided_by"],
                r["note"],
            )
            for r in rows
        ],
    )


@hold.command()
def release(number: int, note: Note, by: By) -> None:
    """放行 · Let what waits through: so many deletions or such an unusual batch once, by the next run; these changes of columns
    from now on."""
    _decide(number, "released", by, note)


@hold.command()
def refuse(number: int, note: Note, by: By) -> None:
    """驳回 · Let it not through: records stay, and nothing of a changed or unusual batch is stored; the feed asks again while its
    source is still so."""
    _decide(number, "refused", by, note)


def _decide(number: int, decision: str, by: str, note: str) -> None:
    from store import holds

    holds.decide(number, decision, by, note)
    output.out.print(f"✓ {decision}: {number}")
