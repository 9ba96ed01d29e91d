"""What departments do with work orders, as a feed like any other on the health page: read by the DAG ``work_orders``, declared nowhere."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from core import clock
from core.errors import ConfigurationError
from pipeline.health import FeedHealth
from sources import loader
from sources.declaration import Source
from store.engine import engine
from supervision import rulebook, silence

_STATE = """
    select (select clock_timestamp() - max(moved_at) from supervision.update_cursor) as ago,
           (select max(at) from supervision.order_update where at <= :now) as last,
           (select count(*) from supervision.order_update where at > cast(:now as timestamp) - interval '1 day') as today,
           s.since, s.text
    from (select 1) one left join landing.silence s on s.feed = :feed and s.part = '' and s.ended_at is null
         and coalesce(s.approved_until < :day, true)"""
_DAILY = """
    select at::date, count(*) from supervision.order_update where at >= cast(:today as date) - cast(:days as int) + 1 and at < cast(:today as date) + 1
    group by 1"""


def health() -> list[FeedHealth]:
    """The one feed; none where the platform was never asked, or no sound source says whose it is."""
    now = clock.now()
    with engine().connect() as connection:
        row = connection.execute(sa.text(_STATE), {"now": now, "day": now.date(), "feed": silence.FEEDBACK}).one()
    if row.ago is None:
        return []
    try:
        source = municipal()
    except ConfigurationError:
        return []  # that source stands there as broken itself
    age = max(row.ago, timedelta(0)).total_seconds()
    behind = max(0.0, age - source.promise.total_seconds())
    return [
        FeedHealth(
            silence.FEEDBACK,
            "工单回传",
            source.source,
            silence.FEEDBACK_ZH,
            source.owner.department,
            source.promise.total_seconds(),
            light="silent" if row.since else "late" if behind else "ok",
            read_at=now - row.ago,
            age=age,
            behind=behind,
            rows_in=row.today,
            changed=row.today,
            horizon=row.last,
            silent_since=row.since,
            silence=row.text,
            silence_of=silence.FEEDBACK if row.since else None,
            dag="work_orders",
        )
    ]


def daily(today: date, days: int) -> dict[str, list[int]]:
    """Rows that came back by day, the last one ``today``; empty: none."""
    with engine().connect() as connection:
        came: dict[date, int] = dict(connection.execute(sa.text(_DAILY), {"today": today, "days": days}).tuples().all())
    first = today - timedelta(days=days - 1)
    return {silence.FEEDBACK: [came.get(first + timedelta(days=n), 0) for n in range(days)]} if came else {}


def municipal() -> Source:
    """The source that is read where work orders are sent. :raises ConfigurationError: none is."""
    connection = rulebook.orders().delivery.connection
    for source in loader.load_all().values():
        if source.connection == connection:
            return source
    raise ConfigurationError(
        f"no sound source is read by {connection}, where rules/orders.yaml sends work orders",
        remedy="mend the source's declaration, or delivery.connection",
        zh=f"没有数源经连接 {connection} 读取，而 rules/orders.yaml 向其报送工单：请更正数源声明或 delivery.connection。",
    )
