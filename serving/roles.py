"""Database roles for people and BI tools that ask by SQL: a role sees what its grant says, whatever it asks.

A role made here is a member of ``onemap_scoped``, which may read the views of ``onemap`` and is shown nothing by itself;
``serving.role_grant`` says what the role is shown. A password is set by the administrator (``\\password`` in psql).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from core.errors import ConfigurationError, NotFoundError
from serving.access import PERSONAL, PROJECTS, grant_of
from store.engine import transaction

_NAME = re.compile(r"[a-z][a-z0-9_]{2,50}")
_OURS = ("onemap_reader", "onemap_scoped", "onemap_api")


#: A role's grant, new or in place of the one that it had.
_MAKE = """insert into serving.role_grant (role, towns, departments, personal, note, made_by)
values (:role, :towns, :departments, :personal, :note, :by)
on conflict (role) do update set towns = excluded.towns, departments = excluded.departments, personal = excluded.personal,
    note = excluded.note, made_by = excluded.made_by, made_at = now()"""


def make(name: str, scopes: Iterable[str], *, by: str, login: bool = True, note: str = "") -> None:
    """Make a role (or grant anew to one that is there) that sees the towns and departments of ``scopes``.

    :raises ConfigurationError: a name that is none, a role that is more than ours to restrict, no right to make roles.
    """
    if not _NAME.fullmatch(name) or name in _OURS or name.startswith("pg_"):
        raise ConfigurationError(
            f"role name {name!r}",
            remedy="small letters, digits, underscore",
            zh=f"角色名 {name} 不可用：应为小写字母、数字、下划线。",
        )
    grant = grant_of(name, scopes)
    if not grant.scopes <= {PERSONAL, PROJECTS}:
        raise ConfigurationError(
            "a role has towns, departments and read:personal only",
            remedy="leave the rest to keys",
            zh="数据库角色只能授予镇街、部门和 read:personal。",
        )
    if grant.party:
        raise ConfigurationError(
            "a database role is held to towns and departments",
            remedy="make a key of the API for an enterprise, an agent or a team",
            zh="数据库角色只能按镇街、部门限定；企业、代办员、专班请使用接口密钥。",
        )
    with transaction() as c:
        quoted = c.dialect.identifier_preparer.quote(name)
        try:
            more = c.execute(
                sa.text(
                    """select rolsuper or rolbypassrls or pg_has_role(oid, 'onemap_reader', 'member') or pg_has_role(oid, 'onemap_api', 'member')
                       from pg_roles where rolname = :name"""
                ),
                {"name": name},
            ).scalar()
            if more:
                raise ConfigurationError(
                    f"role {name} sees everything already",
                    remedy="revoke onemap_reader and superuser from it first",
                    zh=f"角色 {name} 已可见全部数据，须先收回。",
                )
            if more is None:
                c.exec_driver_sql(
                    f"create role {quoted} {'login' if login else 'nologin'} nosuperuser nocreatedb nocreaterole"
                )
            c.exec_driver_sql(f"grant onemap_scoped to {quoted}")
            c.exec_driver_sql(f"alter role {quoted} set search_path = onemap")
        except sa.exc.ProgrammingError as error:
            raise ConfigurationError(
                f"this database user may not make roles: {error.orig}",
                remedy="let an administrator make it",
                zh="当前数据库用户无权建角色，请由管理员执行。",
            ) from error
        c.execute(
            sa.text(_MAKE),
            {
                "role": name,
                "towns": list(grant.towns) if grant.towns else None,
                "departments": list(grant.departments) if grant.departments else None,
                "personal": grant.personal,
                "note": note,
                "by": by,
            },
        )


def may_log_in(name: str) -> bool:
    """Whether a role may come by a forwarded port: one of ours, held to what its grant says."""
    with transaction() as c:
        return c.execute(
            sa.text(
                """select exists (select from pg_roles r join serving.role_grant g on g.role = r.rolname
                                  where r.rolname = :name and r.rolcanlogin and not r.rolsuper and not r.rolbypassrls)"""
            ),
            {"name": name},
        ).scalar_one()


def listed() -> list[dict[str, Any]]:
    """Every grant to a role."""
    with transaction() as c:
        return [dict(row._mapping) for row in c.exec_driver_sql("select * from serving.role_grant order by role")]


def drop(name: str) -> None:
    """Take its grant and the role itself. :raises ConfigurationError: there is no such grant, or it owns something."""
    with transaction() as c:
        if not c.execute(sa.text("delete from serving.role_grant where role = :name"), {"name": name}).rowcount:
            raise NotFoundError(f"no grant to {name!r}", remedy="see onemap keys roles", zh=f"没有授予 {name} 的范围。")
        try:
            c.exec_driver_sql(f"drop role if exists {c.dialect.identifier_preparer.quote(name)}")
        except sa.exc.DBAPIError as error:
            raise ConfigurationError(
                f"role {name} cannot be dropped: {error.orig}",
                remedy="drop what it owns first",
                zh=f"角色 {name} 无法删除。",
            ) from error
