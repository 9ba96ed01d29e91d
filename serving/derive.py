"""What serving makes of the store beforehand: searchable names, the towns of shapes, and what it cannot answer. Incremental, safe to repeat."""

from __future__ import annotations

import sqlalchemy as sa

from store import unify, unservable
from store.engine import engine, lock_key

_LAST = "select store.last_change()"
#: Whether the store has changed since the last :func:`refresh`, as a value of a statement.
STALE = f"(({_LAST}) <> coalesce((select seq from serving.derived_until where what = 'all'), -1))"


def refresh(wait: bool = True) -> bool:
    """Bring names and places up to the store, if it has changed since; returns whether there was anything to do.

    :param wait: False leaves it to another who is at it, or until a unify that is under way has ended.
    """
    with engine().connect() as connection:
        if not connection.exec_driver_sql(f"select {STALE}").scalar_one():
            return False
        key = {"key": lock_key("derive", "")}
        if wait:
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), key)
        elif not connection.execute(sa.text("select pg_try_advisory_xact_lock(:key)"), key).scalar_one():
            return False
        if not unify.hold_off(connection, wait):
            return False
        from serving import places, search  # shapes and the dictionaries of pinyin, for who has something to do

        # read before the rows: what is committed meanwhile leaves the next call something to do
        until = connection.exec_driver_sql(_LAST).scalar_one()
        since = connection.exec_driver_sql(
            "select coalesce((select seq from serving.derived_until where what = 'all'), -1)"
        ).scalar_one()
        search.refresh(connection)
        places.refresh(connection)
        unservable.report(connection, since)
        connection.execute(
            sa.text(
                "insert into serving.derived_until values ('all', :seq) on conflict (what) do update set seq = excluded.seq"
            ),
            {"seq": until},
        )
        connection.commit()
        return True
