"""Source against store over time, one row a feed and day: what came in, what became of it, what stands, what the source claims."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from core import clock
from store.engine import transaction

#: What stands of a feed is counted by two indexes, once a day and whenever a run has changed something of it since; the ten
#: minutes are for a run whose transaction ended after its time.
_RECORD = """
insert into serving.balance (feed, day, run_id, rows_in, accounted, live, claimed, quarantined)
select f.feed, :day, f.run_id, f.rows_in, f.accounted,
       case when b.live is null or exists (
                select from landing.run r
                where r.feed = f.feed and r.started_at > b.at - interval '1 day' and r.ended_at > b.at - interval '10 minutes'
                  and r."new" + r.changed + r.history + r.tombstoned + r.absent > 0)
            then (select count(*) from source.record r where r.feed = f.feed)
                 - (select count(*) from source.record r where r.feed = f.feed and r.tombstoned_at is not null)
            else b.live end,
       c.claimed, coalesce(q.open, 0)
from (select feed, max(id) as run_id, sum(rows_in) as rows_in,
             sum("new" + changed + history + unchanged + quarantined + tombstoned) as accounted
      from landing.run where ended_at is not null group by feed) f
left join serving.balance b on b.feed = f.feed and b.day = :day
left join (select distinct on (feed) feed, claimed from landing.reconciliation where complete order by feed, id desc) c on c.feed = f.feed
left join (select feed, count(*) as open from landing.quarantine where state = 'open' group by feed) q on q.feed = f.feed
on conflict (feed, day) do update set at = now(), run_id = excluded.run_id, rows_in = excluded.rows_in, accounted = excluded.accounted,
    live = excluded.live, claimed = excluded.claimed, quarantined = excluded.quarantined"""


def record(day: date | None = None) -> int:
    """Write down the balance of the day; later calls of the same day write over it. Returns the number of feeds."""
    with transaction() as connection:
        return connection.execute(sa.text(_RECORD), {"day": day or clock.today()}).rowcount


def over_time(feed: str | None = None, since: date | None = None) -> list[dict[str, Any]]:
    """Rows of the balance, newest day first; ``lost`` is what neither stands nor is accounted for, and must be 0."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(
                """select feed, day::text, rows_in, accounted, rows_in - accounted as lost, live, claimed, quarantined from serving.balance
                   where (cast(:feed as text) is null or feed = :feed) and (cast(:since as date) is null or day >= :since)
                   order by day desc, feed limit 10000"""
            ),
            {"feed": feed, "since": since},
        )
        return [dict(row._mapping) for row in rows]
