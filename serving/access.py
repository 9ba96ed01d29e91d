"""Who asks, what they may see, and the only way by which answers read the store.

A :class:`Grant` is what a key, a person or a role was given. :func:`reading` opens a read-only transaction as the database
role ``onemap_api``, which can read the views of schema ``onemap`` and nothing else; the views show what the grant allows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import codes, settings
from core.errors import ConfigurationError
from schemas import masking
from serving import fields, lookback
from store.engine import engine

PROJECTS = "read:projects"  # 项目、办件、发现、工单、空间、变更
PERSONAL = "read:personal"  # 个人信息明文
DECIDE = "decide"  # 决定：发现、注销、同一性、隔离；不随 admin 而来 · never by admin alone
METRICS = "read:metrics"  # 运行指标
ADMIN = "admin"  # 溯源、平衡、隔离区
RAW = "read:raw"  # 原始记录与报文，含个人信息：不发给密钥，由 Airflow 的权限而来 · no scope of keys
SCOPES = {PROJECTS, PERSONAL, METRICS, ADMIN, DECIDE, *masking.scopes()}
TIMEOUT_MS = 15_000
_TOWN = re.compile(r"\d{9}")
_NAME = re.compile(r"[^\x00-\x1f,\"\\]{1,60}")
#: kinds of rows that a grant may be held to → whether a value can be one
_HELD_TO: dict[str, Callable[[str], object]] = {
    "town": _TOWN.fullmatch,
    "department": codes.is_valid_uscc,
    "enterprise": codes.is_valid_uscc,
    "agent": _NAME.fullmatch,
    "team": _NAME.fullmatch,
}


@dataclass(frozen=True, slots=True)
class Grant:
    """``actor`` stands in the audit log. ``towns``, ``departments``, ``enterprises`` (their codes), ``agents`` and ``teams``: None
    is without restriction; several kinds given: all hold. ``known_at``: the store is read as it was known at that instant. ``as_of``: the project
    (None: the city) is read as of that day. ``data``: held to these
    entities and columns (None: all of an entity's).
    """

    actor: str
    scopes: frozenset[str] = frozenset({PROJECTS})
    towns: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    enterprises: tuple[str, ...] | None = None
    agents: tuple[str, ...] | None = None
    teams: tuple[str, ...] | None = None
    key_id: str | None = field(default=None, compare=False)
    known_at: datetime | None = None
    as_of: tuple[str | None, date] | None = None
    data: tuple[tuple[str, tuple[str, ...] | None], ...] | None = None

    def held_to(self, rows: Mapping[str, Iterable[str]]) -> Grant:
        """The same, held to these rows: kind (town, department, enterprise, agent, team) → values; none: no restriction."""
        held: dict[str, Any] = {f"{kind}s": tuple(sorted(values)) or None for kind, values in rows.items()}
        return replace(self, **held)

    @property
    def personal(self) -> bool:
        """Personal data in clear."""
        return PERSONAL in self.scopes

    @property
    def clear(self) -> tuple[str, ...]:
        """Patterns of the personal columns that it shows in clear (schemas/masking.yaml)."""
        return tuple(masking.in_clear(self.scopes))

    @property
    def free(self) -> bool:
        """Nothing restricts it to some rows."""
        return self.towns is None and self.departments is None and not self.party

    @property
    def party(self) -> bool:
        """An enterprise's, an agent's or a team's: held to some projects."""
        return self.enterprises is not None or self.agents is not None or self.teams is not None

    @property
    def operates(self) -> bool:
        """Sees the pages of operations, which know no towns."""
        return self.free and self.data is None and self.may(ADMIN)

    @property
    def decides(self) -> bool:
        """May take decisions of operation: city-wide, and given by name."""
        return self.free and DECIDE in self.scopes

    @property
    def raw(self) -> bool:
        """Records and payloads as they were received, which nobody masks."""
        return self.operates and (self.personal or RAW in self.scopes)

    def may(self, scope: str) -> bool:
        """Whether it holds a scope; ``admin`` holds all but personal data and decisions."""
        return scope in self.scopes or (ADMIN in self.scopes and scope not in (PERSONAL, DECIDE, *masking.scopes()))

    def setting(self) -> str:
        """What ``serving.sight_of`` reads."""
        document: dict[str, Any] = {"free": self.free, "personal": bool(self.clear)}
        document |= {"clear": self.clear, "data": self.data}
        if self.known_at:
            document["known_at"] = self.known_at.isoformat()
        if self.as_of:
            document["as_of"] = f"{self.as_of[0] or ''} {self.as_of[1]}"
        return json.dumps({**document, **{f"{kind}s": getattr(self, f"{kind}s") for kind in _HELD_TO}})


@cache
def towns() -> dict[str, str]:
    """Town code → name (schemas/catalogue/departments.csv)."""
    rows = _departments().filter(pl.col("town_code").is_not_null())
    return {code: name for code, name in rows.select("town_code", "name").iter_rows()}


@cache
def departments() -> dict[str, str]:
    """Department code → name."""
    return dict(_departments().select("code", "name").iter_rows())


@cache
def _departments() -> pl.DataFrame:
    return pl.read_csv(
        settings.ROOT / "schemas" / "catalogue" / "departments.csv", schema_overrides={"town_code": pl.String}
    )


def grant_of(actor: str, scopes: Iterable[str], key_id: str | None = None) -> Grant:
    """A grant from scopes as written: ``read:projects``, ``town:441900119``, ``department:<18 characters>`` ….

    :raises ConfigurationError: an unknown scope, a town that is no 9 digits, a department or an enterprise that is no USCC.
    """
    scopes = [scope.strip() for scope in scopes]
    data = _data([scope for scope in scopes if scope.startswith("data:")])
    scopes = [scope for scope in scopes if not scope.startswith("data:")]
    plain = {scope for scope in scopes if scope in SCOPES}
    found: dict[str, set[str]] = {kind: set() for kind in _HELD_TO}
    for scope in set(scopes) - plain:
        kind, _, value = scope.partition(":")
        if kind not in _HELD_TO or not _HELD_TO[kind](value):
            raise ConfigurationError(
                f"unknown scope {scope!r}",
                remedy=f"one of {', '.join(sorted(SCOPES))}, town:<9 digits>, department:<unified social credit code>, "
                "enterprise:<unified social credit code>, agent:<name or id>, team:<name>",
                zh=f"未知的权限范围 {scope}：可用 {'、'.join(sorted(SCOPES))}、town:<9 位镇街代码>、"
                "department:<统一社会信用代码>、enterprise:<统一社会信用代码>、agent:<代办员>、team:<专班>。",
            )
        found[kind].add(value)
    return Grant(actor, frozenset(plain), key_id=key_id, data=data).held_to(found)


def _data(scopes: list[str]) -> tuple[tuple[str, tuple[str, ...] | None], ...] | None:
    """Entities and columns of the data requests that scopes ``data:<number>`` stand for; one that is not in force gives nothing."""
    if not scopes:
        return None
    numbers = [int(number) for scope in scopes if (number := scope.removeprefix("data:")).isdigit()]
    with engine().connect() as connection:
        rows = connection.execute(
            sa.text("select fields from serving.data_request where id = any(:ids) and state = 'granted'"),
            {"ids": numbers},
        )
        found = [row.fields for row in rows]
    return tuple(
        sorted((name, None if columns is None else tuple(columns)) for one in found for name, columns in one.items())
    )


def _held(grant: Grant) -> Callable[..., tuple[str, Any]]:
    """What the views do not know of: statements over ``asked`` held to a grant's columns, and to an instant."""

    def statement(_: Any, __: Any, text: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        if grant.data is not None or (grant.clear and not grant.personal):
            text = fields.rewritten(text, None if grant.data is None else dict(grant.data), grant.clear)
        if grant.known_at or grant.as_of:
            text = lookback.rewritten(text, "past" if grant.known_at else "on_day")
        return text, parameters

    return statement


@contextmanager
def reading(grant: Grant, *, instant: bool = False) -> Iterator[Connection]:
    """A read-only transaction that sees what the grant allows, and no more than 15 seconds a statement.

    :param instant: all of its statements see the store of one instant (repeatable read).
    """
    with engine().connect() as connection:
        if instant or grant.known_at or grant.as_of:
            connection.execution_options(isolation_level="REPEATABLE READ")
        if grant.known_at:
            lookback.look_back(connection, grant.known_at)
        if grant.as_of:
            lookback.judge(connection, *grant.as_of)
        if grant.known_at or grant.as_of or grant.data is not None or (grant.clear and not grant.personal):
            sa.event.listen(connection, "before_cursor_execute", _held(grant), retval=True)
        connection.execute(
            sa.text(
                """select set_config('transaction_read_only', 'on', true), set_config('statement_timeout', :timeout, true),
                          set_config('onemap.grant', :grant, true),
                          set_config('role', coalesce((select rolname from pg_roles where rolname = 'onemap_api'), current_user), true)"""
            ),
            {"grant": grant.setting(), "timeout": str(TIMEOUT_MS)},
        )
        yield connection
        connection.rollback()
