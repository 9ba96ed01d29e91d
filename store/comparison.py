"""A source's complete listing, staged, against what is stored of the feed: keys and content."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store import tables
from store.staging import Staged


@dataclass(slots=True)
class Compared:
    """Numbers of keys, and some of each kind. ``late``: missing or different though they lie in a completed interval."""

    listed: int
    stored: int
    missing: int
    different: int
    extra: int
    late: int
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Same keys, same content."""
        return not (self.missing or self.different or self.extra)


#: What differs and should not: missing, different and extra keys, and whether each was due.
_DIFFERENCES = """
create unlogged table {late} as
    with good as (
        select s.record_key, s.source_time, s.rank, s.content_hash, s.tombstone
        from {record} s where not exists (select from {failed} f where f.row_id = s.row_id)
    ),
    found as (
        select g.record_key, max(g.source_time) as source_time,
               bool_and(r.id is null or r.tombstoned_at is not null and r.tombstone <> 'said') as missing,
               bool_or(r.id is not null
                       and (r.source_time, r.rank, r.content_hash) is distinct from (g.source_time, g.rank, g.content_hash)
                       and not exists (
                   select from source.record_history h
                   where h.record_id = r.id and h.source_time is not distinct from g.source_time
                     and h.rank is not distinct from g.rank and h.content_hash = g.content_hash)) as different
        from good g left join source.record r on r.feed = :feed and r.record_key = g.record_key
        group by g.record_key
        having not bool_and(r.id is null and g.tombstone)
    )
    select record_key, case when missing then 'missing' else 'different' end as kind,
           source_time is null or coalesce(
               (select c.intervals @> source_time from landing.completed c where c.feed = :feed), false) as late
    from found where missing or different
    union all
    select r.record_key, 'extra', true from source.record r
    where r.feed = :feed and r.tombstoned_at is null
      and not exists (select from {record} s where s.record_key = r.record_key)
      and not exists (select from {reject} x where x.record_key = r.record_key)"""


def compare(connection: Connection, staged: Staged) -> Compared:
    """Leaves ``s<run>_late`` (record_key, kind) with what differs and should not.

    A listed record is missing if it is not stored, or stored as gone; different if the listing has a version that the
    store never saw. Rejected rows count as listed and are compared no further. What a timed feed lists past its
    completed intervals is not late: it was not due yet.
    """
    names = {name: staged.name(name) for name in ("record", "failed", "reject", "late")}
    connection.execute(
        sa.text(_DIFFERENCES.format(**names)),
        {"feed": staged.feed},
    )
    late = names["late"]
    counts: dict[str, int] = dict(connection.execute(sa.text(f"select kind, count(*) from {late} group by kind")).all())
    samples: dict[str, list[str]] = {}
    for kind, key in connection.execute(
        sa.text(
            f"""select kind, record_key from (
                    select kind, record_key, row_number() over (partition by kind order by record_key) as n from {late}
                ) s where n <= 20"""
        )
    ):
        samples.setdefault(kind, []).append(key)
    record = tables.record.c
    return Compared(
        listed=connection.execute(
            sa.text(
                f"select count(distinct record_key) from (select record_key from {names['record']} union all "
                f"select record_key from {names['reject']}) k"
            )
        ).scalar_one(),
        stored=connection.execute(
            sa.select(sa.func.count()).where(record.feed == staged.feed, record.tombstoned_at.is_(None))
        ).scalar_one(),
        missing=counts.get("missing", 0),
        different=counts.get("different", 0),
        extra=counts.get("extra", 0),
        late=connection.execute(sa.text(f"select count(*) from {late} where late and kind <> 'extra'")).scalar_one(),
        samples=samples,
    )


def late_keys(connection: Connection, staged: Staged, limit: int) -> list[tuple[str, str]]:
    """(key, kind) of records that were due and are not as the listing has them, extra ones too."""
    rows = connection.execute(
        sa.text(
            f"select record_key, kind from {staged.name('late')} where late order by kind, record_key limit :limit"
        ),
        {"limit": limit},
    )
    return [(key, kind) for key, kind in rows]
