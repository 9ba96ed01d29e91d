"""Prometheus metrics: how the feeds, the store, supervision and the API do. Dashboard: docs/grafana-dashboard.json."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.errors import OneMapError
from store.engine import transaction

_process = CollectorRegistry()
REQUESTS = Counter("onemap_api_requests", "Requests of this process", ["route", "status"], registry=_process)
SECONDS = Histogram(
    "onemap_api_seconds",
    "Seconds of a request, of this process",
    ["route"],
    registry=_process,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
)

#: metric → (help, labels, SQL that gives the labels and the value)
GAUGES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "onemap_feed_last_ok_timestamp_seconds": (
        "End of the last run that ended well",
        ("feed",),
        "select feed, extract(epoch from max(ended_at)) from landing.run where outcome = 'ok' group by feed",
    ),
    "onemap_feed_runs": (
        "Runs of the last 24 hours",
        ("feed", "outcome", "fault"),
        "select feed, outcome, coalesce(fault, ''), count(*) from landing.run where started_at > now() - interval '1 day' group by 1, 2, 3",
    ),
    "onemap_feed_rows_in": (
        "Rows that came in the last 24 hours",
        ("feed",),
        "select feed, sum(rows_in) from landing.run where started_at > now() - interval '1 day' group by 1",
    ),
    "onemap_feed_unaccounted_rows": (
        "Rows that came in and are not accounted for; must be 0",
        ("feed",),
        """select feed, sum(rows_in - "new" - changed - history - unchanged - quarantined - tombstoned) from landing.run
           where ended_at is not null and outcome = 'ok' group by 1""",
    ),
    "onemap_quarantine_open": (
        "Rejected rows that wait",
        ("feed",),
        "select feed, count(*) from landing.quarantine where state = 'open' group by 1",
    ),
    "onemap_holds_open": (
        "Mass deletions that wait for a person",
        ("feed",),
        "select feed, count(*) from landing.hold where decision is null group by 1",
    ),
    "onemap_store_estimated_rows": (
        "Rows of the unified store, by the planner's estimate",
        ("entity",),
        "select relname, greatest(reltuples, 0) from pg_class where relkind = 'r' and relnamespace = 'store'::regnamespace",
    ),
    "onemap_store_dirty": (
        "Changed records that unify has not taken, or not yet folded",
        (),
        """select (select coalesce(sum(coalesce(upto - record_id + 1, 1)), 0) from store.dirty)
                + (select count(distinct record_id) from store.unfolded)""",
    ),
    "onemap_change_seq": ("Last number of the change feed", (), "select store.last_change()"),
    "onemap_findings": (
        "Findings open or confirmed",
        ("rule", "severity"),
        "select rule, severity::text, count(*) from supervision.finding where state in ('open', 'confirmed') group by 1, 2",
    ),
    "onemap_work_orders": ("Work orders", ("state",), "select state, count(*) from supervision.work_order group by 1"),
    "onemap_cases": (
        "Cases by light",
        ("light",),
        "select coalesce(light, ''), count(*) from supervision.clock group by 1",
    ),
    "onemap_webhook_behind": (
        "Seconds since the oldest message that a receiver has not taken was made",
        ("webhook",),
        """select w.name, coalesce(extract(epoch from now() - min(d.made_at)), 0) from serving.webhook w
           left join serving.delivery d on d.webhook = w.name and d.delivered_at is null where w.stopped_at is null group by 1""",
    ),
    "onemap_audit_entries": ("Entries of the audit log", (), "select coalesce(max(seq), 0) from store.audit"),
}


class _Store(Collector):
    """Asks the store when it is scraped; ``onemap_store_up`` says whether it answered."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("onemap_store_up", "The store answers")
        metrics: list[Metric] = []
        try:
            with transaction() as connection:
                connection.exec_driver_sql("set local statement_timeout = '10s'; set transaction read only")
                for name, (text, labels, sql) in GAUGES.items():
                    family = GaugeMetricFamily(name, text, labels=labels)
                    for row in connection.exec_driver_sql(sql):
                        family.add_metric([str(value) for value in row[:-1]], float(row[-1] or 0))
                    metrics.append(family)
        except (sa.exc.SQLAlchemyError, OneMapError):
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from metrics


def exposed() -> bytes:
    """Prometheus text format 0.0.4."""
    store = CollectorRegistry(auto_describe=False)
    store.register(_Store())
    return generate_latest(_process) + generate_latest(store)
