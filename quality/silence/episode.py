"""Silences on record: found, told, called right by a person, ended. Table ``landing.silence``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import clock
from core.errors import ConfigurationError
from quality.silence import watch, witness
from quality.silence.rhythm import WorkingDays
from quality.silence.spoken import Spoken, spoken
from sources import loader
from sources.declaration import Source
from store.engine import engine, lock_key, transaction

_DAY = timedelta(days=1)
_NEWS = 14  # days for which the end of a silence is news


@dataclass(frozen=True, slots=True)
class Silence:
    """A source, feed or part that lacks what should have come. ``since``: the last time that its content speaks of;
    ``hole_from``: from then on something may be missing."""

    feed: str
    kind: str
    part: str
    since: datetime
    hole_from: datetime
    basis: str
    text: str

    @classmethod
    def of(cls, one: watch.Heard) -> Silence:
        """Of a series that is silent against its rhythm."""
        basis = "rhythm" if one.rhythm.learned else "declared"
        return cls(one.feed, one.kind, one.part, one.horizon, one.hole_from, basis, one.text)


@dataclass(slots=True)
class Watched:
    """All that was heard, what is silent of it, and up to when who spoke. ``approved``: silences that a person called right."""

    heard: list[watch.Heard]
    silences: list[Silence]
    approved: set[tuple[str, str, str]] = field(default_factory=set)
    spoken: list[Spoken] = field(default_factory=list)

    @property
    def holes(self) -> list[Silence]:
        """Silences that nobody called right."""
        return [s for s in self.silences if (s.feed, s.kind, s.part) not in self.approved]


def look(connection: Connection, sources: Iterable[Source], calendar: WorkingDays, today: date) -> Watched:
    """What is silent now; reads alone."""
    sources = list(sources)
    heard: list[watch.Heard] = []
    spoke: list[Spoken] = []
    for source, feeds, read, of_source in watch.listen(connection, sources, calendar):
        heard += of_source
        spoke += spoken(source, feeds, read, of_source, calendar)
    silences = [Silence.of(one) for one in heard if one.silent]
    for proof in witness.heard(connection, sources):
        since = datetime.combine(proof.since, datetime.min.time())
        kind = "feed" if "." in proof.of else "source"
        silences.append(Silence(proof.of, kind, "", since, since - _DAY, "witness", proof.text))
    approved = connection.execute(
        sa.text("select feed, kind, part from landing.silence where ended_at is null and approved_until >= :today"),
        {"today": today},
    )
    return Watched(heard, silences, {tuple(row) for row in approved}, spoke)


#: A silence that was found: the open one of its part goes on, with the newest text and the earliest beginning.
_RECORD = """insert into landing.silence (feed, kind, part, since, found_at, basis, text)
values (:feed, :kind, :part, :since, :now, :basis, :text)
on conflict (feed, kind, part) where ended_at is null
do update set text = excluded.text, since = least(silence.since, excluded.since)"""


def record(connection: Connection, watched: Watched, now: datetime) -> bool:
    """Bring the record up to date: new silences open, those that speak again end. Returns whether any did."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("silence", ""))))
    silent: dict[tuple[str, str, str], Silence] = {}
    whole = {s.feed for s in watched.silences if s.kind == "source"}
    for one in watched.silences:
        if not (one.kind != "source" and one.feed.partition(".")[0] in whole):
            earlier = silent.get((one.feed, one.kind, one.part))
            if earlier is None or one.basis == "witness":
                silent[one.feed, one.kind, one.part] = one
    opened = {
        tuple(row[1:]): row[0]
        for row in connection.execute(
            sa.text("select id, feed, kind, part from landing.silence where ended_at is null")
        )
    }
    for one in silent.values():
        connection.execute(
            sa.text(_RECORD),
            {
                "feed": one.feed,
                "kind": one.kind,
                "part": one.part,
                "since": one.since,
                "now": now,
                "basis": one.basis,
                "text": one.text,
            },
        )
    deaf = whole | {s.feed for s in watched.silences if s.kind == "feed"}
    over = [
        number
        for (feed, kind, part), number in opened.items()
        if (feed, kind, part) not in silent
        # a part of what is silent as a whole has not spoken again
        and not (kind != "source" and (feed.partition(".")[0] in whole or (kind != "feed" and feed in deaf)))
    ]
    connection.execute(
        sa.text("update landing.silence set ended_at = :now where id = any(:over)"), {"now": now, "over": over}
    )
    return bool(over) or bool(silent.keys() - opened.keys())


def listed(*, all_of_them: bool = False) -> list[dict[str, Any]]:
    """Silences on record, open ones first, the latest first."""
    with engine().connect() as connection:
        rows = connection.execute(
            sa.text(
                f"""select id, feed, kind, part, since, found_at, basis, text, ended_at, approved_until, approved_by, note
                    from landing.silence {"" if all_of_them else "where ended_at is null"}
                    order by ended_at is not null, since desc, id desc limit 500"""
            )
        )
        return [dict(row) for row in rows.mappings()]


def approve(name: str, until: date, by: str, note: str) -> None:
    """A person says that a silence is right, up to a day. ``name``: its number, or a feed's or source's id.

    :raises ConfigurationError: nothing of that name is silent, or no reason is given.
    """
    if not note.strip():
        raise ConfigurationError(
            "no reason is given", remedy="say why the silence is right", zh="请说明该静默为何属于正常。"
        )
    with transaction() as connection:
        done = connection.execute(
            sa.text(
                """update landing.silence set approved_until = :until, approved_by = :by, note = :note, approved_at = now()
                   where ended_at is null and (id::text = :name or (feed = :name and part = ''))"""
            ),
            {"name": name, "until": until, "by": by, "note": note.strip()},
        ).rowcount
        if not done:
            raise ConfigurationError(
                f"{name} is not silent", remedy="see onemap feed silences", zh=f"{name} 目前没有静默记录。"
            )


@dataclass(frozen=True, slots=True)
class News:
    """A silence that lasts, or that ended lately."""

    id: int
    feed: str
    kind: str
    part: str
    since: datetime
    text: str
    ended_at: datetime | None


#: Open silences that nobody approved for today, and those that ended within so many days.
_NEWS_SQL = """select id, feed, kind, part, since, text, ended_at from landing.silence
where case when ended_at is null then coalesce(approved_until < :today, true)
           else ended_at > cast(:today as date) - cast(:days as int) end
order by id"""


def news(connection: Connection) -> list[News]:
    """Silences that last and that nobody called right, and those that ended in the last :data:`_NEWS` days: what there is to tell of."""
    rows = connection.execute(
        sa.text(_NEWS_SQL),
        {"today": clock.today(), "days": _NEWS},
    )
    return [News(*row) for row in rows]


def told(connection: Connection) -> set[tuple[int, bool, str, str]]:
    """(silence, whether of its end, recipient, way) of all notices that were sent, or are being sent."""
    return {
        tuple(row)
        for row in connection.execute(sa.text("select silence, ended, recipient, way from landing.silence_notice"))
    }


def notify_once(silence: int, ended: bool, recipient: str, way: str, send: Callable[[], None]) -> bool:
    """Tell a recipient of a silence or of its end, once: what began to be sent and was cut off is not sent again, what failed may be.
    Returns whether it was sent."""
    of = {"silence": silence, "ended": ended, "recipient": recipient, "way": way}
    with transaction() as connection:
        first = connection.execute(
            sa.text(
                """insert into landing.silence_notice (silence, ended, recipient, way, at)
                   values (:silence, :ended, :recipient, :way, now()) on conflict do nothing"""
            ),
            of,
        ).rowcount
    if not first:
        return False
    try:
        send()
    except Exception:
        with transaction() as connection:
            connection.execute(
                sa.text(
                    """delete from landing.silence_notice
                       where silence = :silence and ended = :ended and recipient = :recipient and way = :way"""
                ),
                of,
            )
        raise
    return True


def name(feed: str, kind: str, part: str) -> str:
    """What is silent, for people: 市一体化政务服务平台·办件前置库·办结（部门 …）."""
    source, _, rest = feed.partition(".")
    declared = loader.load_all().get(source)
    if declared is None or rest not in ("", *declared.feeds):  # broken, or taken away since
        return feed
    whole = declared.name if not rest else f"{declared.name}·{declared.feeds[rest].name}"
    return f"{whole}（{watch.KIND_ZH[kind]} {part}）" if part else whole
