"""``onemap user``: accounts of people, for Airflow and the pages alike."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from cli import output
from cli.context import By, Json, group

Given = Annotated[
    bool, typer.Option("--password-stdin", help="口令从标准输入读 · read the password from standard input")
]
_ROLE = "viewer 浏览、operator 操作员、engineer 数据工程师、admin 管理员 · role"


app = typer.Typer()
user = group(app, "user", "账号 · accounts of people, for Airflow and the pages")


@user.command()
def add(
    name: Annotated[str, typer.Argument(help="账号名 · name")],
    by: By,
    role: Annotated[str, typer.Option("--role", help=_ROLE)] = "viewer",
    town: Annotated[
        list[str] | None, typer.Option("--town", help="只看该镇街，9 位代码，可多次 · town, repeatable")
    ] = None,
    department: Annotated[
        list[str] | None,
        typer.Option("--department", help="只看该部门，18 位代码，可多次 · department, repeatable"),
    ] = None,
    enterprise: Annotated[
        list[str] | None,
        typer.Option("--enterprise", help="只看该企业的项目，统一社会信用代码 · enterprise, repeatable"),
    ] = None,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="只看该代办员的项目，姓名或编号 · agent, repeatable")
    ] = None,
    team: Annotated[list[str] | None, typer.Option("--team", help="只看该专班的项目 · team, repeatable")] = None,
    given: Given = False,
) -> None:
    """新建 · Make an account; its password is shown once. Held to some rows, it sees the One Map's pages alone."""
    from serving import accounts, audit

    password = _password(given)
    asked = {"town": town, "department": department, "enterprise": enterprise, "agent": agent, "team": team}
    held = {kind: values for kind, values in asked.items() if values}
    accounts.make(name, role, password, by=by, held=held)
    audit.append(by, "account made", name, {"role": role, **held})
    output.out.print(
        f"✓ {name}（{accounts.ROLES[role][0]}）" + ("" if given else f"  口令 password: {password}"), markup=False
    )


@user.command("list")
def list_(as_json: Json = False) -> None:
    """列出 · Every account."""
    from serving import accounts

    rows = accounts.listed()
    if as_json:
        return output.as_json(rows)
    return output.table(
        ("账号", "角色", "限于", "建立", "停用"),
        [
            (
                r["name"],
                accounts.ROLES[r["role"]][0],
                "、".join(value for kind in accounts.HELD_TO for value in r[f"{kind}s"] or []),
                f"{r['made_at']:%Y-%m-%d}",
                f"{r['closed_at']:%Y-%m-%d}" if r["closed_at"] else None,
            )
            for r in rows
        ],
    )


@user.command()
def password(name: str, by: By, given: Given = False) -> None:
    """换口令 · Another password."""
    from serving import accounts, audit

    new = _password(given)
    accounts.change(name, password=new)
    audit.append(by, "account password", name, {})
    output.out.print(f"✓ {name}" + ("" if given else f"  口令 password: {new}"), markup=False)


@user.command()
def role(name: str, role: Annotated[str, typer.Argument(help=_ROLE)], by: By) -> None:
    """改角色 · Another role, from the next request on."""
    from serving import accounts, audit

    accounts.change(name, role=role)
    audit.append(by, "account role", name, {"role": role})
    output.out.print(f"✓ {name} {role}", markup=False)


@user.command()
def close(name: str, by: By) -> None:
    """停用 · End it, from the next request on."""
    from serving import accounts, audit

    accounts.change(name, closed=True)
    audit.append(by, "account closed", name, {})
    output.out.print(f"✓ 已停用 closed: {name}", markup=False)


@user.command("open")
def open_(name: str, by: By) -> None:
    """恢复 · Let it log in again."""
    from serving import accounts, audit

    accounts.change(name, closed=False)
    audit.append(by, "account opened", name, {})
    output.out.print(f"✓ 已恢复 open: {name}", markup=False)


def _password(given: bool) -> str:
    return sys.stdin.readline().rstrip("\n") if given else secrets.token_urlsafe(12)
