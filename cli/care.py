"""``onemap care``: 代办 and 专班, from the command line."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli import output
from cli.context import AsOf, By, Json, Note, attach, day, group


class Who(StrEnum):
    agent = "agent"
    team = "team"


app = typer.Typer()
care_ = group(app, "care", "代办与专班 · who looks after which project")


@care_.command()
def assign(
    code: Annotated[str, typer.Argument(help="项目代码 · project")],
    kind: Annotated[Who, typer.Argument(help="agent 代办员、team 专班")],
    name: Annotated[str, typer.Argument(help="姓名或编号、专班名称 · name")],
    by: By,
    note: Note,
) -> None:
    """指派或移交 · Give a project to an agent or a team, or hand it over."""
    attach()
    from serving import audit
    from supervision import care

    care.assign(code, kind.value, name, by=by, why=note)
    audit.append(by, "hand over", code, {"kind": kind.value, "to": name, "why": note})
    output.out.print(f"✓ {code} → {care.KIND_ZH[kind.value]} {name}")


@care_.command()
def history(code: str, as_json: Json = False) -> None:
    """履历 · Who looked after a project, from when to when."""
    attach()
    from supervision import care

    rows = care.history(code)
    if as_json:
        return output.as_json(rows)
    output.table(
        ("种类", "谁", "自", "至", "经办", "事由"),
        [(care.KIND_ZH[r["kind"]], r["name"], r["since"], r["until"] or "现在", r["by"], r["why"] or "") for r in rows],
        code,
    )
    return None


@care_.command()
def remind(
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """临期提醒 · Reminders before it is late, to agent, enterprise and department, once each."""
    attach()
    from core import clock
    from supervision import care

    rows = care.remind(day(as_of) or clock.today())
    if as_json:
        return output.as_json(rows)
    output.table(("告知", "内容"), [(f"{r['told']} {r['name']}", r["text"]) for r in rows], f"新提醒 {len(rows):,}")
    return None
