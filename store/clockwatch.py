"""Whether the hub's clock can be believed, by those who have a clock of their own: the database server and the sources.

A clock that runs ahead would mark as read what nobody could have read yet, and nothing would be planned until that day has
come; one that falls back would judge everything by a day that is over. So what a run completes ends at the earliest of the
clocks (:func:`earliest`), what an earlier run completed beyond the present is taken back (:func:`cut`), and whoever judges by
the day asks :func:`doubt` first.

All times here are the city's, without a zone; a simulated world's offset (:mod:`core.clock`) is added to those of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError
from store import tables
from store.engine import engine

TOLERANCE = timedelta(minutes=2)  # clocks that are kept by NTP differ by less, with a slow answer between them
_COARSE = timedelta(hours=1)  # of receipts: an answer may have been on its way for long
_WITNESSES = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Doubt:
    """``ahead``: by how much the hub's clock runs ahead of ``witness`` (database, sources); negative: it falls behind."""

    witness: str
    ahead: timedelta

    @property
    def zh(self) -> str:
        """In Chinese."""
        who = "数据库服务器" if self.witness == "database" else "各数源服务器"
        return f"本机时钟比{who}{'快' if self.ahead > timedelta() else '慢'} {_long(abs(self.ahead))}，请校时（NTP）。"

    @property
    def en(self) -> str:
        """In English."""
        way = "ahead of" if self.ahead > timedelta() else "behind"
        return f"the hub's clock is {abs(self.ahead)} {way} the {self.witness}"


def database_now(connection: Connection) -> datetime:
    """What the database server's clock says, as the city's time."""
    now = connection.exec_driver_sql("select clock_timestamp() at time zone 'Asia/Shanghai'").scalar_one()
    return now.replace(microsecond=0) + clock.offset()


def source_ahead(server_date: object, asked_at: datetime, received_at: datetime) -> timedelta | None:
    """By how much a source's clock ran ahead of the hub's; None: it told no time. It told it between the two times."""
    if not isinstance(server_date, str):
        return None
    try:
        server_time = datetime.fromisoformat(server_date)
    except ValueError:
        return None
    server_time = server_time.replace(tzinfo=UTC) if server_time.tzinfo is None else server_time
    at = server_time.astimezone(clock.SHANGHAI).replace(tzinfo=None) + clock.offset()
    return min(at - asked_at, max(at - received_at, timedelta()))


def earliest(connection: Connection, now: datetime, source: timedelta | None) -> tuple[datetime, timedelta | None]:
    """(``now`` as far as every clock has come, by how much the database's is behind if it is). ``source``: the least
    :func:`source_ahead` of a run's answers."""
    behind = database_now(connection) - clock.now()
    slow = [d for d in (behind, source) if d is not None and d < -TOLERANCE]
    return now + min(slow, default=timedelta()), behind if abs(behind) > TOLERANCE else None


#: By how much our clock was ahead of each source's, at its latest answer that states a time.
_DIFFERENCES = """select distinct on (source) archived_at - (facts ->> 'server_date')::timestamptz
from landing.receipt
where archived_at > now() - :span and facts ->> 'server_date' ~ '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d'
order by source, id desc"""


def doubt(connection: Connection | None = None) -> Doubt | None:
    """The clock that speaks against the hub's; None: nothing does."""
    if connection is None:
        with engine().connect() as opened:
            return doubt(opened)
    ahead = clock.now() - database_now(connection)
    if abs(ahead) > TOLERANCE:
        return Doubt("database", ahead)
    # hub and database may stand on one machine; the sources do not. Each is one voice, wall against wall
    answers = connection.execute(
        sa.text(_DIFFERENCES),
        {"span": _WITNESSES},
    ).scalars()
    voices: list[timedelta] = sorted(answers)
    middle = voices[len(voices) // 2] if voices else timedelta()
    agree = [v for v in voices if abs(v) > _COARSE and (v > timedelta()) == (middle > timedelta())]
    return Doubt("sources", middle) if 2 * len(agree) > len(voices) and abs(middle) > _COARSE else None


def require() -> None:
    """Before anything is judged by today's date. :raises ConfigurationError: the clock is off by half a day or more."""
    found = doubt()
    if found is not None and abs(found.ahead) >= timedelta(hours=12):
        raise ConfigurationError(
            f"{found.en}: nothing is judged by a day that may not be today",
            remedy="set the clocks right (NTP), then run it again",
            zh=f"{found.zh}时钟校准前不作期限判断。",
        )


def present(connection: Connection) -> datetime:
    """The latest time that is possible: nothing that was read can lie beyond it."""
    return max(clock.now(), database_now(connection)) + TOLERANCE


def sound_until(connection: Connection, feed: str, late: timedelta) -> datetime | None:
    """What completed intervals of a feed may reach, None: they reach no further than the present.

    Where they reach beyond it, a run believed a wrong clock. Its own time is unknown, so what stands is what the runs before
    had completed whose clock has come since. ``late``: by how much rows of the feed come late.
    """
    table, now = tables.completed.c, present(connection)
    reach = sa.func.greatest(sa.func.upper(table.intervals), table.full_at, table.read_at)
    reached = connection.execute(sa.select(reach).where(table.feed == feed)).scalar()
    if reached is None or reached <= now:
        return None
    run = tables.run.c
    began = sa.func.coalesce(run.began, sa.func.timezone("Asia/Shanghai", run.started_at))
    return connection.execute(
        sa.select(sa.func.max(sa.func.least(run.window_end, began - late)))
        .where(run.feed == feed, run.outcome == "ok", run.complete, began <= now)
        .where(sa.or_(run.window_end.is_(None), run.window_end <= now))
    ).scalar() or datetime(1900, 1, 1)


def cut(connection: Connection, feed: str, late: timedelta) -> datetime | None:
    """Take back what of a feed was completed beyond the present; returns up to where it stands, None: nothing was beyond."""
    until = sound_until(connection, feed, late)
    if until is not None:
        table = tables.completed
        stands = sa.func.tsmultirange(sa.func.tsrange(None, until))
        connection.execute(
            sa.update(table)
            .where(table.c.feed == feed)
            .values(
                intervals=table.c.intervals.op("*")(stands),
                full_at=sa.case((table.c.full_at <= until, table.c.full_at)),
                read_at=sa.func.least(table.c.read_at, until),
                updated_at=sa.func.now(),
            )
        )
    return until


def rounded(span: timedelta) -> str:
    """A difference for an issue: in whole hours, or minutes of small ones, so that the same fault is one issue."""
    minutes = round(span.total_seconds() / 60)
    return f"{minutes:+d} min" if abs(minutes) < 120 else f"{round(minutes / 60):+d} h"


def _long(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("天", 86400), ("小时", 3600), ("分钟", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{seconds} 秒"
