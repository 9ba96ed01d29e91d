"""Accounts of people: one name and password for Airflow (``onemap_provider.auth``) and for the pages on their own.

A password is kept as scrypt (RFC 7914) with its own salt. A role says what its holder may do; towns, departments, enterprises, agents
and teams, which rows: whoever is held to some sees nothing of Airflow, only the One Map's pages with those rows.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.errors import ConfigurationError, NotFoundError
from serving.access import ADMIN, DECIDE, PROJECTS, RAW, Grant, grant_of
from store.engine import transaction

#: role → (Chinese, Airflow's role, scopes besides projects)
ROLES: dict[str, tuple[str, str, frozenset[str]]] = {
    "viewer": ("浏览", "VIEWER", frozenset({ADMIN})),
    "operator": ("操作员", "USER", frozenset({ADMIN, DECIDE})),
    "engineer": ("数据工程师", "OP", frozenset({ADMIN, DECIDE, RAW})),
    "admin": ("管理员", "ADMIN", frozenset({ADMIN, DECIDE, RAW})),
}
LEAST = 10  # characters of a password
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")
_COST = {"n": 1 << 14, "r": 8, "p": 1}
_NOBODY = secrets.token_bytes(16)
#: kinds of rows that an account may be held to, as in a key's scopes; each is a column of its plural's name
HELD_TO = ("town", "department", "enterprise", "agent", "team")


@dataclass(frozen=True, slots=True)
class Account:
    """``held``: kind of :data:`HELD_TO` → the rows that it is held to; empty is without restriction."""

    name: str
    role: str
    held: dict[str, tuple[str, ...]]

    @property
    def restricted(self) -> bool:
        """Held to some rows."""
        return bool(self.held)

    @property
    def airflow_role(self) -> str | None:
        """None: nothing of Airflow."""
        return None if self.restricted else ROLES[self.role][1]

    def grant(self) -> Grant:
        """What the pages show it."""
        scopes = frozenset({PROJECTS}) | (frozenset() if self.restricted else ROLES[self.role][2])
        return Grant(f"account:{self.name}", scopes).held_to(self.held)


def make(name: str, role: str, password: str, *, by: str, held: Mapping[str, Iterable[str]] | None = None) -> None:
    """``held``: kind of :data:`HELD_TO` → the rows that it is held to.

    :raises ConfigurationError: the name is taken or none, an unknown role, a value that can be none of its kind, a short password.
    """
    if not _NAME.fullmatch(name) or name == "admin":
        raise ConfigurationError(
            f"no account can be called {name!r}",
            remedy="2 to 40 of a-z, 0-9, dot, hyphen; not admin",
            zh=f"账号名 {name} 不可用：须为 2 至 40 个小写字母、数字、点或连字符，且不能是 admin。",
        )
    if role not in ROLES:
        known = ", ".join(ROLES)
        raise ConfigurationError(f"no role {role!r}", remedy=f"one of {known}", zh=f"没有角色 {role}，可用：{known}。")
    grant = grant_of(
        name, [PROJECTS, *(f"{kind}:{value}" for kind, values in (held or {}).items() for value in values)]
    )
    digest, salt = _digest(password)
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                """insert into serving.account (name, role, digest, salt, towns, departments, enterprises, agents, teams, made_by)
                   values (:name, :role, :digest, :salt, :towns, :departments, :enterprises, :agents, :teams, :by)
                   on conflict (name) do nothing"""
            ),
            {
                "name": name,
                "role": role,
                "digest": digest,
                "salt": salt,
                **{f"{kind}s": list(getattr(grant, f"{kind}s") or ()) or None for kind in HELD_TO},
                "by": by,
            },
        ).rowcount
    if not done:
        raise ConfigurationError(
            f"there is an account {name!r}", remedy="choose another name", zh=f"账号 {name} 已存在。"
        )


def change(name: str, *, password: str | None = None, role: str | None = None, closed: bool | None = None) -> None:
    """Another password or role, or closed (and open again). What was logged in loses its rights with the next request.

    :raises NotFoundError: there is no such account. :raises ConfigurationError: an unknown role, a short password.
    """
    if role is not None and role not in ROLES:
        known = ", ".join(ROLES)
        raise ConfigurationError(f"no role {role!r}", remedy=f"one of {known}", zh=f"没有角色 {role}，可用：{known}。")
    digest, salt = _digest(password) if password is not None else (None, None)
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                """update serving.account set digest = coalesce(:digest, digest), salt = coalesce(:salt, salt), role = coalesce(:role, role),
                       closed_at = case when cast(:closed as boolean) is null then closed_at when :closed then coalesce(closed_at, now()) end
                   where name = :name"""
            ),
            {"name": name, "digest": digest, "salt": salt, "role": role, "closed": closed},
        ).rowcount
    if not done:
        raise NotFoundError(f"no account {name!r}", remedy="see onemap user list", zh=f"没有账号 {name}。")


def check(name: str, password: str) -> Account | None:
    """Who logs in; None: unknown, closed, or another password. Takes as long for each."""
    row = _row(name)
    digest = _scrypt(password, bytes(row.salt) if row else _NOBODY)
    right = hmac.compare_digest(digest, bytes(row.digest)) if row else False
    return _account(row) if right else None


def find(name: str) -> Account | None:
    """An account that is open."""
    row = _row(name)
    return _account(row) if row else None


def listed() -> list[dict[str, Any]]:
    """Every account, closed ones too."""
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            "select name, role, towns, departments, enterprises, agents, teams, made_at, made_by, closed_at from serving.account order by name"
        )
        return [dict(row._mapping) for row in rows]


def _row(name: str) -> Any:
    with transaction() as connection:
        return connection.execute(
            sa.text("select * from serving.account where name = :name and closed_at is null"),
            {"name": name.replace("\x00", "")},
        ).first()


def _account(row: Any) -> Account:
    held = {kind: tuple(values) for kind in HELD_TO if (values := getattr(row, f"{kind}s"))}
    return Account(row.name, row.role, held)


def _digest(password: str) -> tuple[bytes, bytes]:
    if len(password) < LEAST:
        raise ConfigurationError(
            "the password is too short", remedy=f"at least {LEAST} characters", zh=f"口令至少 {LEAST} 个字符。"
        )
    salt = secrets.token_bytes(16)
    return _scrypt(password, salt), salt


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST, dklen=32)
