"""The balance report: in = stored + unchanged + quarantined + tombstoned, run by run, and store against source over time.

Read by pages and the command line; sums over all of a feed's runs are in :mod:`pipeline.summary`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from store import tables
from store.engine import engine


@dataclass(frozen=True, slots=True)
class RunBalance:
    """A run that ended. ``stored``: new, changed and history together; ``difference``: rows that nobody accounts for."""

    run: int
    feed: str
    window: str
    outcome: str
    started_at: datetime
    ended_at: datetime | None
    rows_in: int
    stored: int
    unchanged: int
    quarantined: int
    tombstoned: int
    absent: int
    difference: int

    @property
    def balanced(self) -> bool:
        """Whether every row that came in ended as exactly one thing. A failed run stored nothing and is left out of it."""
        return self.difference == 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return _plain(asdict(self)) | {"balanced": self.balanced}


@dataclass(frozen=True, slots=True)
class Against:
    """The store against the source's complete listing, when it was compared. ``claimed``: what the source says it has."""

    feed: str
    run: int | None
    at: datetime
    outcome: str
    complete: bool
    claimed: int | None
    listed: int
    stored: int
    missing: int
    different: int
    extra: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return _plain(asdict(self))


def of_runs(
    feed: str | None = None, *, since: datetime | None = None, only_unbalanced: bool = False, limit: int = 200
) -> list[RunBalance]:
    """Runs that committed rows, the latest first: of every feed or of one, those that started at or after ``since``."""
    run = tables.run.c
    stored = run.new + run.changed + run.history
    difference = run.rows_in - stored - run.unchanged - run.quarantined - run.tombstoned
    window = sa.case(
        (run.window_full, "full"),
        else_=sa.func.concat(
            sa.func.coalesce(sa.cast(run.window_start, sa.Text), "…"),
            " .. ",
            sa.func.coalesce(sa.cast(run.window_end, sa.Text), "…"),
        ),
    )
    statement = (
        sa.select(
            run.id.label("run"),
            run.feed,
            window.label("window"),
            run.outcome,
            run.started_at,
            run.ended_at,
            run.rows_in,
            stored.label("stored"),
            run.unchanged,
            run.quarantined,
            run.tombstoned,
            run.absent,
            difference.label("difference"),
        )
        .where(run.outcome.in_(("ok", "held")))
        .order_by(run.id.desc())
        .limit(limit)
    )
    if feed is not None:
        statement = statement.where(run.feed == feed)
    if since is not None:
        statement = statement.where(run.started_at >= since)
    if only_unbalanced:
        statement = statement.where(difference != 0)
    with engine().connect() as connection:
        return [RunBalance(**row) for row in connection.execute(statement).mappings()]


def _comparisons() -> sa.Select[Any]:
    """The fields of :class:`Against`."""
    compared = tables.reconciliation.c
    return sa.select(
        compared.feed,
        compared.run_id.label("run"),
        compared.started_at.label("at"),
        compared.outcome,
        compared.complete,
        compared.claimed,
        compared.listed,
        compared.stored,
        compared.missing,
        compared.different,
        compared.extra,
    )


def against_source(feed: str | None = None, *, since: datetime | None = None, limit: int = 200) -> list[Against]:
    """Every comparison with the source, the latest first."""
    compared = tables.reconciliation.c
    statement = _comparisons().order_by(compared.id.desc()).limit(limit)
    if feed is not None:
        statement = statement.where(compared.feed == feed)
    if since is not None:
        statement = statement.where(compared.started_at >= since)
    with engine().connect() as connection:
        return [Against(**row) for row in connection.execute(statement).mappings()]


def latest_against_source() -> dict[str, Against]:
    """The last comparison of each feed that was ever compared."""
    compared = tables.reconciliation.c
    with engine().connect() as connection:
        latest = sa.select(sa.func.max(compared.id)).group_by(compared.feed)
        rows = connection.execute(_comparisons().where(compared.id.in_(latest)).order_by(compared.feed))
        return {row["feed"]: Against(**row) for row in rows.mappings()}


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in data.items()}
