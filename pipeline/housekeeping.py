"""What has to be tidied: runs whose process died, their staging tables, what is past its keeping, statistics.

What is kept for how long is set by the environment, in days; what is not set keeps the default:

=============================  ======  =================================================================
``ONEMAP_KEEP_PAYLOADS``         1095  payloads that no version and no open entry refers to any more
``ONEMAP_KEEP_CHANGES``          1095  rows of the change feed that every receiver has taken
``ONEMAP_KEEP_QUARANTINE``        400  entries that are closed, and issues that were seen last
``ONEMAP_KEEP_RUNS``               90  runs that ended well and brought nothing; the interval that they completed stands
``ONEMAP_KEEP_LOGS``               30  Airflow's logs of tasks; other logs are cut at ``ONEMAP_LOG_MIB`` (64 MiB)
=============================  ======  =================================================================
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from core import scratch, settings
from core.errors import ConfigurationError
from pipeline import attempts
from store import archive, journal, landing, staging, tables
from store.engine import engine, transaction

KEEP = timedelta(days=3 * 365)  # 档案保存期: payloads that nothing refers to any more
_LOG_MIB = 64
STUCK = timedelta(hours=12)


@dataclass(slots=True)
class Tidied:
    """Runs closed as dead or as stuck, and how many staging tables and payloads were dropped."""

    dead: list[int]
    stuck: list[int]
    staging: int
    payloads: int
    changes: int = 0
    quarantine: int = 0
    runs: int = 0
    logs: int = 0
    folders: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def run(keep: timedelta | None = None, stuck: timedelta = STUCK) -> Tidied:
    """All of it; safe at any time, beside running syncs.

    :raises ConfigurationError: a setting is no number of days.
    """
    dead, late = reap(stuck)
    keep = keep if keep is not None else _days("PAYLOADS", KEEP.days)
    tidied = Tidied(dead, late, drop_staging(), drop_payloads(keep))
    tidied.changes = drop_changes(_days("CHANGES", 1095))
    tidied.quarantine = drop_closed(_days("QUARANTINE", 400))
    tidied.runs = drop_runs(_days("RUNS", 90))
    tidied.logs = drop_logs(_days("LOGS", 30))
    attempts.sweep(_days("LOGS", 30))
    tidied.folders = scratch.sweep()
    journal.flush()
    refresh()
    return tidied


def _days(name: str, default: int) -> timedelta:
    given = os.environ.get(f"ONEMAP_KEEP_{name}") or str(default)
    if not given.isdigit():
        raise ConfigurationError(
            f"ONEMAP_KEEP_{name} is no number of days: {given!r}",
            remedy="a whole number",
            zh=f"ONEMAP_KEEP_{name} 应为天数：{given!r}。",
        )
    return timedelta(days=int(given))


def drop_changes(keep: timedelta) -> int:
    """Rows of the change feed that are older and that search, supervision, every webhook and output have taken; returns how many.

    Up to where they went is kept, so that a client that comes back later is told (410), and misses nothing in silence.
    """
    with transaction() as connection:
        connection.execute(
            sa.text("update serving.past_since set since = now() - :keep where since < now() - :keep"), {"keep": keep}
        )
        return connection.execute(sa.text(_DROP_CHANGES), {"keep": keep}).scalar_one()


_DROP_CHANGES = """
with taken as (
    select least(
        (select min(seq) from serving.derived_until),
        (select change_seq from supervision.run order by id desc limit 1),
        (select min(seq) from serving.push_state),
        (select min(seq) from serving.webhook where stopped_at is null)) as seq),
gone as (
    delete from store.change c using taken
    where c.at < now() - :keep and c.seq <= coalesce(taken.seq, -1) returning c.xid, c.seq, 1 as rows),
gone_batch as (
    delete from store.change_batch b using taken
    where b.at < now() - :keep and b.last <= coalesce(taken.seq, -1) returning b.xid, b.last as seq, b.last - b.first + 1 as rows),
dropped as (select * from gone union all select * from gone_batch),
told as (
    insert into serving.feed_dropped as d (xid, seq)
    select xid, seq from dropped order by xid desc, seq desc limit 1
    on conflict (one) do update set xid = excluded.xid, seq = excluded.seq, at = now()
    where (excluded.xid, excluded.seq) > (d.xid, d.seq))
select coalesce(sum(rows), 0) from dropped"""


def drop_closed(keep: timedelta) -> int:
    """Entries of the quarantine that were closed, and issues that were last seen, longer ago; returns how many."""
    count = 0
    with transaction() as connection:
        for statement in (
            "delete from landing.quarantine where state in ('redriven', 'superseded') and closed_at < now() - :keep",
            "delete from landing.issue where last_seen_at < now() - :keep",
        ):
            count += connection.execute(sa.text(statement), {"keep": keep}).rowcount
    return count


#: Runs ``r`` that brought nothing, but a feed's last.
_BROUGHT_NOTHING = """delete from landing.run r where r.outcome = 'ok' and r.ended_at < now() - :keep
    and r.rows_in + r."new" + r.changed + r.history + r.tombstoned + r.absent = 0
    and r.journaled_at is not null
    and r.started_at < (select max(l.started_at) from landing.run l where l.feed = r.feed)"""


def drop_runs(keep: timedelta) -> int:
    """Runs that ended well longer ago and brought nothing, to which nothing refers, but a feed's last: a source that is asked every
    few seconds leaves some fifty thousand a day. Returns how many."""
    referring = [
        f'"{column.table.schema}"."{column.table.name}"'
        for table in tables.metadata.tables.values()
        for column in table.columns
        if column.name == "run_id" and column.references(tables.run.c.id)
    ]
    free = " and ".join(f"not exists (select from {name} t where t.run_id = r.id)" for name in referring)
    with transaction() as connection:
        return connection.execute(sa.text(f"{_BROUGHT_NOTHING} and {free}"), {"keep": keep}).rowcount


def drop_logs(keep: timedelta) -> int:
    """Task logs that are older go; a process's log that has grown too long begins anew, its last part beside it.

    Returns how many files.
    """
    home, count = settings.home(), 0
    oldest = time.time() - keep.total_seconds()
    for path in (home / "airflow" / "logs").rglob("*"):
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            count += 1
    most = int(os.environ.get("ONEMAP_LOG_MIB") or _LOG_MIB) << 20
    for path in (*(home / "logs").glob("*.log"), home / "postgres" / "log"):
        if path.is_file() and path.stat().st_size > most:
            with path.open("rb+") as file:  # whoever writes to it appends: it is cut, not moved
                file.seek(-most // 2, os.SEEK_END)
                path.with_name(f"{path.name}.1").write_bytes(file.read())
                file.truncate(0)
            count += 1
    return count


def reap(stuck: timedelta = STUCK) -> tuple[list[int], list[int]]:
    """Close runs whose process is gone: nobody holds their feed's lock. And those open longer than ``stuck``.

    A run that is stuck with a living process is closed too: it will commit nothing any more. Returns (dead, stuck).
    """
    run_ = tables.run
    with engine().connect() as connection:
        feeds = list(connection.execute(sa.select(run_.c.feed).where(run_.c.ended_at.is_(None)).distinct()).scalars())
    dead: list[int] = []
    for feed in feeds:
        dead += landing.bury_dead(feed)
    with transaction() as connection:
        late = list(
            connection.execute(
                sa.update(run_)
                .where(run_.c.ended_at.is_(None), run_.c.started_at < sa.func.now() - stuck)
                .values(
                    ended_at=sa.func.now(),
                    outcome="failed",
                    fault="ours",
                    code="RunStuck",
                    error=f"the run did not end within {stuck}",
                    remedy="end its process if it still lives; the next run reads the same window again",
                    zh="批次超时未结束，已按失败处理；请结束其进程，下一批次将重新读取同一窗口。",
                )
                .returning(run_.c.id)
            ).scalars()
        )
    return dead, late


def drop_staging() -> int:
    """Drop the staging tables of runs that have ended; returns how many tables."""
    with transaction() as connection:
        running = set(connection.execute(sa.select(tables.run.c.id).where(tables.run.c.ended_at.is_(None))).scalars())
        left = [number for number, _ in staging.leftovers(connection) if number not in running]
        ended = {number for number in set(left) if not _is_tried(number)}
        staging.drop(connection, sorted(ended))
        return sum(number in ended for number in left)


def _is_tried(number: int) -> bool:
    """Whether it is of a tryout that goes on, and of no run."""
    with staging.trial(number) as free:
        return not free


#: Payloads past their keeping that no version, no open entry and no running batch refers to.
_UNUSED = """
with used as (
    select receipt_id as id from source.record
    union select receipt_id from source.record_history
    union select receipt_id from landing.quarantine where state = 'open'
    union select c.id from landing.receipt c join landing.run u on u.id = c.run_id where u.ended_at is null
)
select c.sha256 from landing.receipt c left join used on used.id = c.id
where c.dropped_at is null {one}
group by c.sha256
having max(c.archived_at) < now() - make_interval(secs => :keep) and count(used.id) = 0
"""


def drop_payloads(keep: timedelta = KEEP) -> int:
    """Take payloads out of the archive that are older than ``keep`` and that no version and no open entry refers to.

    Their receipts stay, with the digest. Returns how many payloads.
    """
    values = {"keep": keep.total_seconds()}
    with engine().connect() as connection:
        old = connection.execute(sa.text(_UNUSED.replace("{one}", "")), values).scalars().all()
    dropped = 0
    for sha256 in old:
        with transaction() as connection:  # the same bytes may just be received again: looked at once more, alone
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(landing.payload_lock(sha256))))
            statement = sa.text(_UNUSED.replace("{one}", "and c.sha256 = :sha256"))
            if connection.execute(statement, values | {"sha256": sha256}).first() is None:
                continue
            archive.drop(sha256)
            connection.execute(
                sa.update(tables.receipt).where(tables.receipt.c.sha256 == sha256).values(dropped_at=sa.func.now())
            )
        dropped += 1
    return dropped


def refresh() -> None:
    """Statistics of the tables that merges write, for the planner."""
    with transaction() as connection:
        for table in (tables.record, tables.record_history, *tables.source_entity.values(), *tables.golden.values()):
            connection.exec_driver_sql(f"analyze {connection.dialect.identifier_preparer.format_table(table)}")
