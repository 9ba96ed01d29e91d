"""Lists for people: the latest runs, one entry of the quarantine, deletions that wait."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from core.errors import NotFoundError
from store import tables
from store.engine import engine


def runs(feed: str | None = None, failed: bool = False, limit: int = 50) -> list[dict[str, Any]]:
    """The latest runs first, every column of ``landing.run``; of one feed, or those alone that did not end well."""
    run = tables.run
    statement = sa.select(run).order_by(run.c.id.desc()).limit(limit)
    if feed is not None:
        statement = statement.where(run.c.feed == feed)
    if failed:
        statement = statement.where(run.c.outcome.in_(("failed", "held")))
    return _rows(statement)


def entry(number: int) -> dict[str, Any]:
    """One entry of the quarantine with its row, which may hold personal data. :raises ConfigurationError: there is none."""
    columns = [column for column in tables.quarantine.c if column.name != "fingerprint"]
    found = _rows(sa.select(*columns).where(tables.quarantine.c.id == number))
    if not found:
        raise NotFoundError(
            f"no entry {number} in the quarantine",
            remedy="see onemap quarantine list",
            zh=f"隔离区中没有条目 {number}。",
        )
    return found[0]


def holds(all_of_them: bool = False) -> list[dict[str, Any]]:
    """Mass deletions that wait for a person, the latest first; or those decided too."""
    statement = sa.select(tables.hold).order_by(tables.hold.c.id.desc())
    if not all_of_them:
        statement = statement.where(tables.hold.c.decision.is_(None))
    return _rows(statement)


def _rows(statement: sa.Select[Any]) -> list[dict[str, Any]]:
    with engine().connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
