"""What is in the store and where the rows went: by entity, by reason of rejection, the balance of every feed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from store import tables
from store.engine import engine
from store.landing import COUNTS


@dataclass(frozen=True, slots=True)
class Balance:
    """A feed over all of its runs, or those since a run: sums of landing.run, and what the store holds of it."""

    feed: str
    runs: int
    rows_in: int
    new: int
    changed: int
    history: int
    unchanged: int
    quarantined: int
    tombstoned: int
    absent: int
    stored: int
    balanced: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """``source_rows`` and ``golden_rows`` by entity; ``rejected``: (feed, code, field, message) → open entries."""

    source_rows: dict[str, int]
    golden_rows: dict[str, int]
    rejected: list[dict[str, Any]]
    balances: list[Balance]

    @property
    def balanced(self) -> bool:
        """Whether every feed's rows are accounted for."""
        return all(balance.balanced for balance in self.balances)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"balanced": self.balanced}


#: Of each feed that ran after a run: how many runs, their sums, what the store has, whether rows balance.
_RUNS_OF_FEEDS = """select u.feed, count(*) as runs, {sums},
       (select count(*) from source.record r where r.feed = u.feed and r.tombstoned_at is null) as stored,
       bool_and(rows_in = new + changed + history + unchanged + quarantined + tombstoned) as balanced
from landing.run u where u.id > :since and u.ended_at is not null group by u.feed order by u.feed"""


def summary(since_run: int = 0) -> Summary:
    """Look into the store. ``since_run``: only runs with a greater number are added up."""
    with engine().connect() as connection:
        source_rows = {name: _count(connection, table) for name, table in tables.source_entity.items()}
        golden_rows = {
            name: _count(connection, table, table.c.gone_at.is_(None)) for name, table in tables.golden.items()
        }
        rejected = connection.execute(
            sa.text(
                """select q.feed, r ->> 'code' as code, r ->> 'field' as field, min(r ->> 'message') as message, count(*) as rows
                   from landing.quarantine q cross join lateral jsonb_array_elements(q.reasons) r
                   where q.state = 'open' group by 1, 2, 3 order by rows desc, 1, 2, 3"""
            )
        ).mappings()
        sums = ", ".join(f'sum("{name}")::bigint as "{name}"' for name in COUNTS)
        balances = connection.execute(
            sa.text(_RUNS_OF_FEEDS.format(sums=sums)),
            {"since": since_run},
        ).mappings()
        return Summary(source_rows, golden_rows, [dict(row) for row in rejected], [Balance(**row) for row in balances])


def _count(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()
