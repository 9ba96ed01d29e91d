"""``onemap keys``: who may ask the API, and which roles read the database."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from cli import output
from cli.context import By, Json, group
from core.clock import SHANGHAI

Scope = Annotated[
    list[str],
    typer.Option(
        "--scope",
        help="read:projects、read:personal、read:metrics、admin、town:<9位>、department:<18位>、enterprise:<18位>、agent:<代办员>、team:<专班>，可多次 · repeatable",
    ),
]


app = typer.Typer()
keys = group(app, "keys", "接口密钥与数据库角色 · keys of the API, roles of the database")


@keys.command()
def make(
    name: Annotated[str, typer.Argument(help="应用名称 · what it is for")],
    by: By,
    scope: Scope = ["read:projects"],  # noqa: B006 - typer's way to say a default list
    per_minute: Annotated[int, typer.Option(min=1, help="每分钟次数 · requests a minute")] = 600,
    per_day: Annotated[int, typer.Option(min=1, help="每日次数 · requests a day")] = 100_000,
    expires: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="到期日，默认一年后 · last day before it ends; without it a year"),
    ] = None,
    as_json: Json = False,
) -> None:
    """新建 · Make a key. It is shown once, only its digest is kept."""
    from serving import audit, keys

    key_id, key = keys.make(
        name,
        scope,
        by=by,
        per_minute=per_minute,
        per_day=per_day,
        expires=expires.replace(tzinfo=SHANGHAI) if expires else None,
    )
    audit.append(by, "make key", key_id, {"name": name, "scopes": sorted(scope)})
    if as_json:
        print(
            f'{{"id": "{key_id}", "key": "{key}"}}'
        )  # the redactor would hide it, and this is the one place that shows it
        return
    output.out.print(f"✓ {key_id}  {name}\n  密钥 key（只显示一次 shown once）: ", end="")
    output.out.print(key, markup=False)


@keys.command("list")
def list_(as_json: Json = False) -> None:
    """列出 · Keys with scopes, quotas and use of today."""
    from serving import keys

    rows = keys.listed()
    if as_json:
        return output.as_json(rows)
    output.table(
        ("id", "名称 name", "权限 scopes", "/分 min", "/日 day", "今日 today", "到期 expires", "吊销 revoked"),
        [
            (
                r["id"],
                r["name"],
                " ".join(r["scopes"]),
                r["per_minute"],
                r["per_day"],
                r["used_today"],
                r["expires_at"],
                r["revoked_at"],
            )
            for r in rows
        ],
    )
    return None


@keys.command()
def rotate(
    key: Annotated[str, typer.Argument(help="编号 · id")],
    by: By,
    grace: Annotated[int, typer.Option(min=0, help="旧密钥保留天数 · days that the old one lives on")] = 7,
    as_json: Json = False,
) -> None:
    """轮换 · A new key in place of one, which ends after some days."""
    from datetime import timedelta

    from serving import audit, keys

    key_id, built = keys.rotate(key, by=by, grace=timedelta(days=grace))
    audit.append(by, "rotate key", key, {"follows": key_id, "grace": grace})
    if as_json:
        print(f'{{"id": "{key_id}", "key": "{built}"}}')  # as with make: the one place that shows it
        return
    output.out.print(f"✓ {key} → {key_id}，旧密钥 {grace} 天后失效\n  密钥 key（只显示一次 shown once）: ", end="")
    output.out.print(built, markup=False)


@keys.command()
def revoke(key: Annotated[str, typer.Argument(help="编号 · id")], by: By) -> None:
    """吊销 · Revoke a key; it ends with the next request."""
    from serving import audit, keys

    keys.revoke(key, by=by)
    audit.append(by, "revoke key", key, {})
    output.out.print(f"✓ 已吊销 revoked  {key}")


@keys.command()
def role(
    name: Annotated[str, typer.Argument(help="数据库角色名 · name of the role")],
    by: By,
    scope: Scope = [],  # noqa: B006
    login: Annotated[bool, typer.Option(help="可登录 · may log in")] = True,
) -> None:
    """数据库角色 · Make a role that reads schema onemap within towns and departments (its password: \\password in psql)."""
    from serving import audit, roles

    roles.make(name, scope, by=by, login=login)
    audit.append(by, "make role", name, {"scopes": sorted(scope)})
    output.out.print(f"✓ 角色 role  {name}")


@keys.command("roles")
def roles_(as_json: Json = False) -> None:
    """列出角色 · Roles and what they see."""
    from serving import roles

    rows = roles.listed()
    if as_json:
        return output.as_json(rows)
    output.table(
        ("角色 role", "镇街 towns", "部门 departments", "个人信息 personal", "建于 made"),
        [
            (
                r["role"],
                " ".join(r["towns"] or ["全部 all"]),
                " ".join(r["departments"] or ["全部 all"]),
                r["personal"],
                r["made_at"],
            )
            for r in rows
        ],
    )
    return None


@keys.command("drop-role")
def drop_role(name: Annotated[str, typer.Argument(help="角色名 · name")], by: By) -> None:
    """删除角色 · Drop a role and its grant."""
    from serving import audit, roles

    roles.drop(name)
    audit.append(by, "drop role", name, {})
    output.out.print(f"✓ 已删除 dropped  {name}")
