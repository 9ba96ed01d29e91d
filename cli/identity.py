"""``onemap identity``: which numbers are one case, which code means which project, and a person's word on it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cli import output
from cli.context import By, Json, Note, group

app = typer.Typer()
identity = group(app, "identity", "同一性认定 · which numbers are one case, and a person's word on it")


@identity.command("list")
def list_(as_json: Json = False) -> None:
    """列出人工判定 · Every judgement, undone ones too."""
    from store import judgement

    rows = judgement.listed()
    if as_json:
        return output.as_json(rows)
    columns = ("id", "left_id", "verdict", "right_id", "judged_by", "note", "undone_at")
    return output.table(columns, [[row.get(c) for c in columns] for row in rows])


@identity.command()
def show(number: str, as_json: Json = False) -> None:
    """查看一个办件 · Every number joined to a case, and why."""
    from store import judgement

    rows = [asdict(member) for member in judgement.members(number)]
    if as_json:
        output.as_json(rows)
    else:
        columns = ("channel", "case_no", "case_id", "why", "judgement_id")
        output.table(columns, [[row[c] for c in columns] for row in rows])
    if not rows:
        raise typer.Exit(1)


@identity.command()
def refuse(left: str, right: str, note: Note, by: By) -> None:
    """判为不同 · Say that two numbers are different cases; holds from the next unify on."""
    _judge(left, right, "different", by, note)


@identity.command()
def join(left: str, right: str, note: Note, by: By) -> None:
    """判为同一 · Say that two numbers are one case; holds from the next unify on."""
    _judge(left, right, "same", by, note)


@identity.command()
def rename(code: str, project: str, note: Note, by: By) -> None:
    """认定项目代码 · Say that a project code as written (old, wrong, merged away) means a project; holds from the next unify on."""
    from store import judgement

    output.out.print(f"✓ 判定 judgement {judgement.rename(code, project, by=by, note=note)}")


@identity.command()
def undo(number: int, by: By) -> None:
    """撤销判定 · Take a judgement back; it stays on record."""
    from store import judgement

    judgement.undo(number, by=by)
    output.out.print(f"✓ 已撤销 undone: {number}")


def _judge(left: str, right: str, verdict: str, by: str, note: str) -> None:
    from store import judgement

    output.out.print(f"✓ 判定 judgement {judgement.judge(left, right, verdict, by=by, note=note)}")
