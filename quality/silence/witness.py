"""Witnesses: other systems quote numbers that a source must know, and does not.

How many quoted numbers are unknown for good is learned from the year before; where among the latest ones more are unknown than
that explains (binomial, one-sided), rows are missing, whatever the volume says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.engine import Connection

from core import declared
from schemas import channels, entities
from sources.declaration import Source
from store import tables

FILE = Path(__file__).with_name("witnesses.yaml")
RECENT = timedelta(days=45)  # how far back a hole is looked for
HISTORY = timedelta(days=400)
_UNLIKELY = 1e-6
_FEWEST = 3


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quotes(_Strict):
    """Who quotes: the rows of a feed, the column with the number, and when they said so."""

    feed: str
    entity: str
    number: str
    at: str
    match: list[str] = Field(default_factory=list, alias="with", description="Columns that must agree too")
    department: str | None = Field(None, description="Only rows of the departments that this source belongs to")


class Known(_Strict):
    """Where the number must stand: in one of these feeds."""

    feeds: list[str]
    entity: str
    number: str


class Witness(_Strict):
    """One kind of quotation. ``of``: the source or feed that lacks rows; ``grace``: days that a row may come later."""

    name: str
    quotes: Quotes
    known: Known
    of: str
    grace: int = 2


class Witnesses(_Strict):
    """All of witnesses.yaml."""

    witnesses: list[Witness]


@dataclass(frozen=True, slots=True)
class Proof:
    """Rows are missing of ``of`` (a source or a feed) since the day ``since``."""

    of: str
    since: date
    text: str


@cache
def load() -> list[Witness]:
    """:raises ConfigurationError: the file is wrong, or names a column that no entity has."""
    document = declared.read(FILE)
    listed = declared.build(document, Witnesses).witnesses
    for position, one in enumerate(listed):
        for entity, columns in (
            (one.quotes.entity, [one.quotes.number, one.quotes.at, *one.quotes.match]),
            (one.known.entity, [one.known.number, *one.quotes.match]),
        ):
            for column in columns:
                if column not in entities.load(entity).columns:
                    raise document.error(("witnesses", position), f"{entity} has no column {column}")
    return listed


def heard(connection: Connection, sources: Iterable[Source]) -> list[Proof]:
    """What the witnesses prove; reads alone."""
    read_at: dict[str, datetime] = {
        row.feed: row.read_at
        for row in connection.execute(sa.text("select feed, read_at from landing.completed where read_at is not null"))
    }
    declared_feeds = {feed.id for source in sources for feed in source.feeds.values()}
    proofs = []
    for witness in load():
        known = [feed for feed in witness.known.feeds if feed in read_at and feed in declared_feeds]
        if witness.quotes.feed not in read_at or len(known) < len(witness.known.feeds):
            continue  # what was never read is missing anyway
        until = min(read_at[feed] for feed in known)
        found = _found(witness, _counted(connection, witness, until - timedelta(days=witness.grace)), until)
        proofs += [found] if found else []
    return proofs


#: By day: numbers that a feed's rows quote, and those of them that the feeds which issue such numbers do not have.
_QUOTED = """select q.{at}::date, count(*), count(*) filter (where k.number_ is null)
from {quoting} q
left join (select distinct {known}
           from {knowing} where feed = any(:known)) k
    on k.number_ = q.{number}{matched}
where q.feed = :feed and q.{number} is not null {of_department}
  and q.{at} > :since and q.{at} <= :until
group by 1 order by 1"""


def _counted(connection: Connection, witness: Witness, until: datetime) -> list[tuple[date, int, int]]:
    """(day, numbers quoted, unknown ones) by the day of the quoting rows, up to ``until``."""
    quotes, known = witness.quotes, witness.known
    quoting, knowing = tables.source_entity[quotes.entity].fullname, tables.source_entity[known.entity].fullname
    matched = "".join(f" and k.{column} is not distinct from q.{column}" for column in quotes.match)
    of_department = "and q.department_code = any(:departments)" if quotes.department else ""
    departments = [
        code
        for code, patterns in channels.department_feeds().items()
        if any(pattern.startswith(f"{quotes.department}.") for pattern in patterns)
    ]
    parameters = {
        "feed": quotes.feed,
        "known": known.feeds,
        "since": until - HISTORY,
        "until": until,
        "departments": departments,
    }
    rows = connection.execute(
        sa.text(
            _QUOTED.format(
                at=quotes.at,
                number=quotes.number,
                quoting=quoting,
                knowing=knowing,
                matched=matched,
                of_department=of_department,
                known=", ".join([f"{known.number} as number_", *quotes.match]),
            )
        ),
        parameters,
    )
    return [(day, quoted, unknown) for day, quoted, unknown in rows]


def _found(witness: Witness, counted: list[tuple[date, int, int]], until: datetime) -> Proof | None:
    """The hole that explains the latest unknown numbers best; None: there is none."""
    from scipy.stats import binom

    first = until.date() - RECENT
    before = [row for row in counted if row[0] < first]
    recent = [row for row in counted if row[0] >= first]
    if sum(row[1] for row in before) < 20 or not recent:
        return None
    usual = (sum(row[2] for row in before) + 1) / (sum(row[1] for row in before) + 2)
    quoted = np.cumsum([row[1] for row in recent][::-1])[::-1]
    unknown = np.cumsum([row[2] for row in recent][::-1])[::-1]
    chance = binom.sf(unknown - 1, quoted, usual)
    chance[(unknown < _FEWEST) | (np.array([row[2] for row in recent]) == 0)] = 1.0
    best = int(np.argmin(chance))
    if chance[best] > _UNLIKELY:
        return None
    since, missing, of = recent[best][0], int(unknown[best]), int(quoted[best])
    text = f"{witness.name}：{since} 以来 {of} 个编号中有 {missing} 个查无此件（以往约 {usual:.0%}）"
    return Proof(witness.of, since, text)
