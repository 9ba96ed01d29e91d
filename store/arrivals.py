"""How much arrives, and of which time it speaks: counted once a version, in the transaction that stores it.

A row counts by its own time — the feed's increment, else the latest of the columns that its declaration names
(``rhythm.time``), else the time of receipt — so that a first full load brings the history of years, and neither the
order of arrival nor reading again changes a count. A time later than its receipt is believed by nobody and counts
nowhere; nor does a version that differs from the one before in its increment alone: a load time that is fresh over old data
is no news.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from schemas import entities
from store import rawrow
from store.copying import read_frame
from store.staging import Staged

KEPT = timedelta(days=400)  # older arrivals teach nothing that is still usual
CLOCKS_DIFFER = timedelta(minutes=10)
_LOOKED_AT = 500  # changed versions of a batch
SCOPE = "scope"  # as a time: the stamp in the name of the part that is sent
_STAMP = r"(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])([0-5]\d)"
_PARTS = {  # kind of part -> columns that name it, the first that is filled
    "department": ("department_code", "department_name"),
    "town": ("town_code",),
    "item": ("item_code",),
    "event": ("event",),
}

_NAME = (
    100  # characters of a part's name: a longer text is a note in its column, and would not fit the index of the key
)
_NAMED = {"town_code": "case when length(e.{0}) >= 9 then left(e.{0}, 9) end"}  # six digits are the city


#: Counts by feed, kind, part, time and day of receipt (``{counts}``), added to what is counted.
_COUNT = """insert into landing.arrival_day as a (feed, kind, part, came, at, rows)
select feed, kind, part, came, array_agg(at order by at), array_agg(n order by at)
from (select feed, kind, part, came, at, sum(n)::bigint as n from ({counts}) p (feed, kind, part, at, came, n)
      group by feed, kind, part, came, at) c
group by feed, kind, part, came
order by feed, kind, part, came
on conflict (feed, kind, part, came) do update set (at, rows) = (
    select array_agg(at order by at), array_agg(n order by at)
    from (select at, sum(n)::bigint as n
          from (select * from unnest(a.at, a.rows) union all select * from unnest(excluded.at, excluded.rows)) b (at, n)
          group by at) s)"""


def add(connection: Connection, counts: str, **parameters: object) -> None:
    """Add counts to what is counted; ``counts``: a query of feed, kind, part, at (timestamp), came (date), rows."""
    connection.execute(sa.text(_COUNT.format(counts=counts)), parameters)


def record(
    connection: Connection, staged: Staged, times: Iterable[str] = (), increment: str | None = None
) -> dict[date, int]:
    """Count the batch's new versions; returns their number by the day that they speak of. ``times``: ``entity.column`` by which
    rows speak where the feed has no increment; ``increment``: the raw column of it.

    Call it after :func:`store.merge.commit`, which says what is new.
    """
    if staged.counted is not None:
        return staged.counted.by_day
    connection.execute(
        sa.text(
            f"""create temp table arrived on commit drop as
                select row_id, at, finished_at::date as came from ({_spoken(staged, list(times))}) s
                where at between finished_at - :kept and finished_at + :differ and row_id <> all(:anew)"""
        ),
        {
            "differ": CLOCKS_DIFFER,
            "kept": KEPT,
            "anew": _stamped_anew(connection, staged, increment) if increment else [],
        },
    )
    parts = ["select 'feed', '', date_trunc('hour', at), came, count(*) from arrived group by 3, 4"]
    passes = []
    for entity in staged.entities:
        once, of_it = _of_entity(staged, entity)
        passes += once
        parts += of_it
    counts = " union all ".join(f"select cast(:feed as text), p.* from ({part}) p" for part in parts)
    add(connection, f"with {', '.join(passes)} {counts}" if passes else counts, feed=staged.feed)
    by_day: dict[date, int] = dict(
        connection.exec_driver_sql("select at::date, count(*) from arrived group by 1").all()
    )
    connection.exec_driver_sql("drop table arrived")
    return by_day


def _spoken(staged: Staged, times: list[str]) -> str:
    """SQL that gives (row_id, at, finished_at) of each new version: the time that it speaks of, and when it was received."""
    version = staged.name("version")
    # the columns of an entity are joined once for all rows: asked row by row, they cost the square of the batch
    result, at, group = "", "v.source_time" if staged.timed else "r.finished_at", ""
    if times == [SCOPE]:
        result = f"cross join lateral regexp_match(v.scope, '{_STAMP}') p"
        at = """coalesce(make_date(p[1]::int, p[2]::int, 1)
                         + make_interval(days => p[3]::int - 1, hours => p[4]::int, mins => p[5]::int),
                         v.source_time, r.finished_at)"""
    elif times:
        columns = " union all ".join(
            f"select row_id, {column}::timestamp as at from {staged.name(entity)}"
            for entity, _, column in (name.partition(".") for name in times)
            if entity in staged.entities
        )
        result = f"left join ({columns or 'select null::bigint as row_id, null::timestamp as at'}) c using (row_id)"
        at = """case when count(c.at) = 0 then r.finished_at
                     else max(c.at) filter (where c.at <= r.finished_at + :differ) end"""
        group = "group by v.row_id, r.finished_at"
    return f"""select v.row_id, {at} as at, r.finished_at
               from {version} v join landing.receipt r on r.id = v.receipt_id {result}
               where v.action in ('new', 'changed', 'history', 'tombstoned') {group}"""


#: Raw rows of changed versions, each with the version that it replaces.
_AS_BEFORE = """select v.row_id, r.raw, h.raw from unnest(:rows, :records) v (row_id, record_id)
cross join lateral (select raw from source.record where id = v.record_id) r
cross join lateral (select raw from source.record_history h where h.record_id = v.record_id
                    and h.withdrawn_at is null order by h.id desc limit 1) h"""


def _stamped_anew(connection: Connection, staged: Staged, increment: str) -> list[int]:
    """Changed versions that say what the version before said, but for the increment; of more than :data:`_LOOKED_AT` all, where
    those that are looked at are such."""
    if staged.loaded:
        return []
    changed = f"{staged.name('version')} v where v.action = 'changed'"
    # looked for first, and nothing more is asked where there are none: joined with a table that was filled in this
    # transaction, of which the planner knows nothing, they were looked for once a record
    pairs = connection.execute(
        sa.text(f"select v.row_id, v.record_id from {changed} limit :most"), {"most": _LOOKED_AT}
    ).all()
    if not pairs:
        return []
    rows = connection.execute(
        sa.text(_AS_BEFORE),
        {"rows": [pair.row_id for pair in pairs], "records": [pair.record_id for pair in pairs]},
    ).all()
    anew = [row_id for row_id, now, before in rows if _said(now, increment) == _said(before, increment)]
    if len(rows) == _LOOKED_AT == len(anew):
        return list(connection.execute(sa.text(f"select row_id from {changed}")).scalars())
    return anew


def _said(raw: bytes, increment: str) -> dict[str, object]:
    return {name: value for name, value in json.loads(rawrow.text(raw)).items() if name.lower() != increment.lower()}


def _of_entity(staged: Staged, entity: str) -> tuple[list[str], list[str]]:
    """SQL of the counts by part and by vital column, of one entity: (kind, part, at, came, n); and of what they are summed up
    from, so that its rows are gone through once."""
    rows = f"arrived a join {staged.name(entity)} e using (row_id)"
    day = "date_trunc('day', a.at)"
    named: dict[str, str] = {}
    for kind, columns in _PARTS.items():
        found = [_NAMED.get(column, "e.{}").format(column) for column in columns if (entity, column) in staged.filled]
        if found:
            named[kind] = f"left(coalesce({', '.join(found)}), {_NAME})"
    declared = entities.load(entity).columns
    vital = [name for name, column in declared.items() if column.vital and (entity, name) in staged.filled]
    if entity in staged.several:  # a record counts once, however many rows of a part it has: that adds up to nothing
        parts = [
            f"select '{kind}', {part}, {day}, a.came, count(distinct row_id) from {rows} where {part} is not null group by 2, 3, 4"
            for kind, part in named.items()
        ]
        named = {}
    else:
        parts = [
            f"select '{kind}', {kind}, at, came, sum(n)::bigint from counted_{entity} where {kind} is not null group by 2, 3, 4"
            for kind in named
        ]
    if vital:
        sums = ", ".join(f"sum(of_{name})::bigint as of_{name}" for name in vital)
        values = ", ".join(f"('{entity}.{name}', d.of_{name})" for name in vital)
        parts.append(
            f"""select 'column', f.part, d.at, d.came, f.n
                from (select at, came, {sums} from counted_{entity} group by 1, 2) d
                cross join lateral (values {values}) f (part, n) where f.n > 0"""
        )
    if not named and not vital:
        return [], parts
    asked = [f"{part} as {kind}" for kind, part in named.items()]
    counted = [f"count(e.{name}) as of_{name}" for name in vital]
    keys = ", ".join(str(place + 1) for place in range(2 + len(named)))
    once = f"""counted_{entity} as materialized (
        select {", ".join([f"{day} as at", "a.came", *asked, "count(*) as n", *counted])} from {rows} group by {keys})"""
    return [once], parts


def horizon(connection: Connection, feed: str) -> datetime | None:
    """The end of the latest hour that the feed's rows speak of; None: nothing came yet."""
    return connection.execute(
        sa.text("select max(at) + interval '1 hour' from landing.arrival where feed = :feed and kind = 'feed'"),
        {"feed": feed},
    ).scalar()


def read(connection: Connection) -> pl.DataFrame:
    """Every count of the last :data:`KEPT`: feed, kind, part, at, rows; of the whole by the hour, of parts by the day."""
    return read_frame(
        connection,
        "select feed, kind, part, at, sum(rows)::bigint from landing.arrival group by feed, kind, part, at",
        {"feed": pl.String, "kind": pl.String, "part": pl.String, "at": pl.Datetime("us"), "rows": pl.Int64},
    ).with_columns(pl.col("part").fill_null(""))


def daily(connection: Connection, until: date, days: int) -> dict[str, list[int]]:
    """Rows of each feed by the day that they speak of, the last ``days`` days up to ``until``."""
    first = until - timedelta(days=days - 1)
    found: dict[str, list[int]] = {}
    for feed, day, rows in connection.execute(
        sa.text(
            """select feed, at::date, sum(rows)::bigint from landing.arrival
               where kind = 'feed' and at >= :first and at < cast(:until as date) + 1 group by feed, at::date"""
        ),
        {"first": first, "until": until},
    ):
        found.setdefault(feed, [0] * days)[(day - first).days] = rows
    return found


def received(connection: Connection) -> pl.DataFrame:
    """What each feed brought by day of receipt, its first day left out (it brings years): feed, at, rows."""
    return read_frame(
        connection,
        """select feed, came::timestamp, sum(rows)::bigint from landing.arrival
           join (select feed, min(came) as first from landing.arrival group by feed) f using (feed)
           where kind = 'feed' and came > first group by feed, came""",
        {"feed": pl.String, "at": pl.Datetime("us"), "rows": pl.Int64},
    )
