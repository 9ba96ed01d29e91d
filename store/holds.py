"""What waits for a person (mass deletions, batches unlike the others, another shape): opened by a run, decided by somebody."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.errors import ConfigurationError
from store import journal, tables
from store.engine import transaction

hold = tables.hold


def released(connection: Connection, feed: str, deletions: int) -> int | None:
    """A release of the feed that is not used yet and that a person gave for as many deletions; its id."""
    return connection.execute(
        sa.select(hold.c.id)
        .where(
            hold.c.feed == feed,
            hold.c.decision == "released",
            hold.c.used_by.is_(None),
            hold.c.would_delete >= deletions,
        )
        .order_by(hold.c.id.desc())
        .limit(1)
    ).scalar()


def release_of_shape(connection: Connection, feed: str, changes: list[str]) -> int | None:
    """A release by which a person let all of these changes of shape in; its id. It stands for the runs to come: the shape stays."""
    run = tables.run
    return connection.execute(
        sa.select(hold.c.id)
        .join(run, run.c.id == hold.c.run_id)
        .where(
            hold.c.feed == feed,
            hold.c.decision == "released",
            run.c.code == "shape_changed",
            hold.c.sample.contains(changes),
        )
        .order_by(hold.c.id.desc())
        .limit(1)
    ).scalar()


def shape_settled(connection: Connection, feed: str) -> None:
    """The feed's rows have the shape that the mapping knows: no such question waits any more."""
    of_shape = sa.select(tables.run.c.id).where(tables.run.c.code == "shape_changed")
    _lapse(connection, feed, hold.c.decision.is_(None), hold.c.run_id.in_(of_shape))


def use(connection: Connection, hold_id: int, run_id: int) -> None:
    """The release is spent by this run."""
    connection.execute(sa.update(hold).where(hold.c.id == hold_id).values(used_by=run_id))


def lapse(connection: Connection, feed: str) -> None:
    """The feed's data ask for no such deletion any more: whatever waits or is unused is closed."""
    open_ = sa.or_(hold.c.decision.is_(None), hold.c.decision == "released")
    _lapse(connection, feed, hold.c.used_by.is_(None), open_)


def _lapse(connection: Connection, feed: str, *which: sa.ColumnElement[bool]) -> None:
    connection.execute(
        sa.update(hold).where(hold.c.feed == feed, *which).values(decision="lapsed", decided_at=sa.func.now())
    )


def open_hold(connection: Connection, feed: str, run_id: int, would_delete: int, stored: int, sample: list[str]) -> int:
    """Ask a person; a question of the feed that still waits is replaced."""
    _lapse(connection, feed, hold.c.decision.is_(None))
    return connection.execute(
        sa.insert(hold)
        .values(feed=feed, run_id=run_id, would_delete=would_delete, stored=stored, sample=sample)
        .returning(hold.c.id)
    ).scalar_one()


def decide(hold_id: int, decision: str, by: str, note: str) -> None:
    """A person releases or refuses; a release lets the next run delete at most as many records.

    :raises ConfigurationError: it does not wait any more, or the decision is none.
    """
    if decision not in ("released", "refused"):
        raise ConfigurationError(
            f"no decision: {decision!r}", remedy="released or refused", zh="决定只能为 released 或 refused。"
        )
    with transaction() as connection:
        done = connection.execute(
            sa.update(hold)
            .where(hold.c.id == hold_id, hold.c.decision.is_(None))
            .values(decision=decision, decided_at=sa.func.now(), decided_by=by, note=note)
        )
        if done.rowcount != 1:
            raise ConfigurationError(
                f"hold {hold_id} does not wait for a decision",
                remedy="look at the feed's latest hold",
                zh=f"待决事项 {hold_id} 不在等待决定，请查看该数据流最新的待决事项。",
            )
    journal.decided()
