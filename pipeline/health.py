"""How every feed fares: a read model for the page, the command line and the alarms. Nothing is stored for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core import clock
from core.errors import FAULT_ZH, ConfigurationError, Fault
from pipeline import registry
from quality import issues as catalogue
from quality.silence.watch import KIND_ZH
from sources.declaration import Feed
from store import clockwatch
from store.engine import engine

# Runs that read a source; a re-drive or a remap says nothing of the source's health.
_READING = ("cli", "schedule", "backfill", "reconcile", "bench")


@dataclass(slots=True)
class FeedHealth:
    """One feed. ``light``: ok, late (older than promised), silent (read on time, but nothing comes that should), failing, held,
    never (no success yet).

    ``read_at``: up to when the source was read in full, and ``age`` the seconds since, both by the city's clock;
    ``behind`` how far past the promise, 0 within it.
    ``since``: the first failure of the present row of them. Counts are the last ended run's. ``horizon``: up to when the content
    speaks; ``silent_since`` where it should speak of a later time, ``silence`` says what is usual and what is missing, ``silence_of``
    of what: the feed, or its source as a whole;
    ``silent_parts``: departments, towns, items, events or columns of a live feed that are. ``set_aside``: records that the
    unified store cannot take; with any, a light that would be green is failing. ``dag``: what reads it, empty: its source's.
    """

    feed: str
    name: str
    source: str
    source_name: str
    department: str
    promise: float
    light: str = "never"
    last_success: datetime | None = None
    last_run: datetime | None = None
    read_at: datetime | None = None
    run_id: int | None = None
    running: bool = False
    age: float | None = None
    behind: float = 0.0
    rows_in: int = 0
    changed: int = 0
    rejected: int = 0
    balanced: bool = True
    failures: int = 0
    since: datetime | None = None
    fault: str | None = None
    fault_zh: str | None = None
    error: str | None = None
    zh: str | None = None
    remedy: str | None = None
    open_quarantine: int = 0
    open_hold: int | None = None
    horizon: datetime | None = None
    silent_since: datetime | None = None
    silence: str | None = None
    silence_of: str | None = None
    silent_parts: list[str] = field(default_factory=list)
    set_aside: int = 0
    older_mapping: int = 0
    reconciled: str | None = None
    issues: dict[str, int] = field(default_factory=dict)
    dag: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        data = asdict(self)
        for name in ("last_success", "last_run", "since", "read_at", "horizon", "silent_since"):
            data[name] = data[name].isoformat() if data[name] else None
        return data


_RUNS = """
with reading as (
    select * from landing.run where trigger = any(:reading) and outcome <> 'waiting'
),
ended as (
    select *, row_number() over (partition by feed order by id desc) as nth from reading where ended_at is not null
),
success as (
    select feed, max(id) as id, max(ended_at) as ended_at from reading where outcome = 'ok' and complete group by feed
),
failing as (
    select e.feed, count(*) as failures, min(e.started_at) as since
    from ended e left join success s on s.feed = e.feed
    where e.outcome in ('failed', 'held') and e.id > coalesce(s.id, 0) group by e.feed
)
select e.feed, e.id, e.ended_at, e.outcome, e.fault, e.error, e.zh, e.remedy, e.rows_in, e.new + e.changed + e.history as changed,
       e.tombstoned + e.absent as gone, e.quarantined,
       e.rows_in = e.new + e.changed + e.history + e.unchanged + e.quarantined + e.tombstoned as balanced,
       s.ended_at as success, coalesce(f.failures, 0) as failures, f.since,
       exists (select from reading r where r.feed = e.feed and r.ended_at is null) as running
from ended e left join success s on s.feed = e.feed left join failing f on f.feed = e.feed
where e.nth = 1
"""
_COUNTS = {
    "open_quarantine": "select feed, count(*) from landing.quarantine where state = 'open' group by feed",
    "set_aside": "select feed, count(*) from source.record where refused_at is not null group by feed",
    "open_hold": "select feed, max(id) from landing.hold where decision is null group by feed",
    "read_at": "select feed, read_at from landing.completed",
    "horizon": "select feed, max(at) + interval '1 hour' from landing.arrival where kind = 'feed' group by feed",
    "reconciled": "select distinct on (feed) feed, outcome from landing.reconciliation order by feed, id desc",
}
_SILENCES = """
select feed, kind, part, since, text from landing.silence
where ended_at is null and coalesce(approved_until < :today, true) order by since
"""
_VERSIONS = """
select feed, mapping_version, count(*) from source.record where tombstoned_at is null group by feed, mapping_version
"""


def health(source_id: str | None = None) -> list[FeedHealth]:
    """Every declared feed, or a source's, in the order of the declarations.

    :raises ConfigurationError: the source is not declared, or there is no database.
    """
    with engine().connect() as connection:
        runs = {row["feed"]: row for row in connection.execute(sa.text(_RUNS), {"reading": list(_READING)}).mappings()}
        counts: dict[str, dict[str, Any]] = {
            name: {feed: value for feed, value in connection.execute(sa.text(statement))}
            for name, statement in _COUNTS.items()
        }
        issues = connection.execute(
            sa.text(
                """select i.feed, i.severity, count(*) from landing.issue i
                   where i.last_seen_at > now() - interval '7 days' group by 1, 2"""
            )
        ).all()
        silences = connection.execute(sa.text(_SILENCES), {"today": clock.today()}).all()
        older: dict[str, dict[int, int]] = {}
        for feed_id, version, number in connection.execute(sa.text(_VERSIONS)):
            older.setdefault(feed_id, {})[version] = number
    now = clock.now()
    found = []
    for source in [registry.source(source_id)] if source_id else registry.sources():
        for feed in registry.feeds(source):
            status = FeedHealth(
                feed.id, feed.name, source.source, source.name, source.owner.department, source.promise.total_seconds()
            )
            for name, by_feed in counts.items():
                if feed.id in by_feed:
                    setattr(status, name, by_feed[feed.id])
            if run := runs.get(feed.id):
                _set_run(status, run, now, source.promise)
            _set_silence(status, silences)
            status.issues = {severity: number for name, severity, number in issues if name == feed.id}
            status.older_mapping = _older(feed, older.get(feed.id, {}))
            found.append(status)
    if source_id is None:
        found += [_unusable(name, error) for name, error in registry.broken().items()]
    return found


def _unusable(source: str, error: ConfigurationError) -> FeedHealth:
    """A source whose declaration cannot be used: its feeds are not known, so it stands for itself."""
    return FeedHealth(
        source,
        "声明有误",
        source,
        source,
        "",
        0.0,
        light="failing",
        failures=1,
        fault=error.fault.value,
        fault_zh=FAULT_ZH[error.fault],
        error=error.message,
        zh=error.zh,
        remedy=error.remedy,
    )


def _set_run(status: FeedHealth, run: Any, now: datetime, promise: timedelta) -> None:
    status.run_id, status.last_run, status.last_success, status.running = (
        run["id"],
        run["ended_at"],
        run["success"],
        run["running"],
    )
    status.rows_in, status.rejected, status.balanced = run["rows_in"], run["quarantined"], run["balanced"]
    status.changed = run["changed"] + run["gone"]
    status.failures, status.since = run["failures"], run["since"]
    if status.read_at is not None:
        status.age = max(0.0, (now - status.read_at).total_seconds())
        status.behind = max(0.0, status.age - promise.total_seconds())
    if status.failures:
        status.fault, status.error, status.zh, status.remedy = run["fault"], run["error"], run["zh"], run["remedy"]
        status.fault_zh = FAULT_ZH[Fault(status.fault)] if status.fault else None
    if status.read_at is not None and status.read_at > now + clockwatch.TOLERANCE:
        status.light, status.fault, status.fault_zh = "failing", "configuration", FAULT_ZH[Fault.CONFIGURATION]
        status.error = f"read up to {status.read_at}, which is not yet: a clock was wrong"
        status.zh = f"已读至 {status.read_at}，超出当前时间：此前某批次或本机的时钟有误。"
        status.remedy = (
            "set the clocks right (NTP); the next run takes back what lies beyond the present and reads it again"
        )
    elif run["outcome"] == "held":
        status.light = "held"
    elif status.failures:
        status.light = "failing"
    elif status.read_at is None:
        status.light = "never"
    elif status.set_aside:
        status.light, status.fault, status.fault_zh = "failing", "provider", FAULT_ZH[Fault.PROVIDER]
        entry = catalogue.load_all()["unify_refused"]
        status.error = f"{status.set_aside} records: {entry.en}"
        status.zh = f"{status.set_aside} 条{entry.zh}（{entry.remedy_zh}）"
        status.remedy = entry.remedy
    else:
        status.light = "late" if status.behind else "ok"


def _set_silence(status: FeedHealth, silences: Sequence[Any]) -> None:
    for feed, kind, part, since, text in silences:
        if feed not in (status.feed, status.source):
            continue
        if part:
            status.silent_parts.append(f"{KIND_ZH[kind]} {part}：{text}")
        elif status.silent_since is None:
            status.silent_since, status.silence_of = since, feed
            status.silence = text if feed == status.feed else f"{status.source_name}合计：{text}"
            if status.light in ("ok", "late"):
                status.light = "silent"


def _older(feed: Feed, versions: dict[int, int]) -> int:
    """Records whose entity rows an earlier version of the mapping made: ``remap`` has to be run."""
    if not versions:
        return 0
    try:
        current = registry.mapping(feed).version
    except ConfigurationError:
        return 0
    return sum(number for version, number in versions.items() if version != current)


_WORST_FIRST = ("failing", "held", "silent", "late", "never", "ok")


def worst(of: list[FeedHealth]) -> str:
    """The light of a group of feeds."""
    return min((one.light for one in of), key=_WORST_FIRST.index, default="ok")
