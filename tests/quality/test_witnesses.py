"""What other systems quote: none of it is missed where everything came; once the rows are gone, their source's hole is seen
at once — by each witness of the list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from quality.silence import witness
from schemas import channels
from sources import loader
from store import tables
from store.engine import engine
from tests.supervision.making import complete

NOW = datetime(2026, 3, 20, 18)
DAYS = 160
WITNESSES = {one.name: one for one in witness.load()}


def put(connection: Connection, entity: str, feed: str, rows: list[dict]) -> None:
    """Rows as a source tells them."""
    first = connection.execute(sa.select(sa.func.count()).select_from(tables.source_entity[entity])).scalar_one()
    connection.execute(
        sa.insert(tables.source_entity[entity]),
        [{"record_id": first + n, "ord": 0, "feed": feed, **row} for n, row in enumerate(rows)],
    )


@pytest.fixture
def quoted(hub, request: pytest.FixtureRequest) -> Iterator[tuple[Connection, witness.Witness]]:
    """A witness, who quoted two numbers a day for 160 days; all of them are known."""
    one = WITNESSES[request.param]
    complete(read=f"{NOW}")
    department = None
    if one.quotes.department:
        department = next(
            code
            for code, patterns in channels.department_feeds().items()
            if any(p.startswith(f"{one.quotes.department}.") for p in patterns)
        )
    said, stood = [], []
    for n in range(2 * DAYS):
        at = NOW - timedelta(days=n // 2, hours=1)
        both: dict = {}
        for column in one.quotes.match:
            both[column] = at if column == "read_at" else "PM10"
        stood.append({one.known.number: f"N{n}", **both})
        said.append({one.quotes.number: f"N{n}", one.quotes.at: at, **both})
        if department:
            said[-1]["department_code"] = department
    with engine().connect() as connection:
        put(connection, one.known.entity, one.known.feeds[0], stood)
        put(connection, one.quotes.entity, one.quotes.feed, said)
        yield connection, one


def of(connection: Connection, one: witness.Witness) -> list[witness.Proof]:
    """What this witness proves."""
    return [p for p in witness.heard(connection, loader.load_all().values()) if p.text.startswith(f"{one.name}：")]


def lose(connection: Connection, one: witness.Witness, numbers: range) -> None:
    connection.execute(
        sa.text(
            f"""delete from {tables.source_entity[one.known.entity].fullname}
                where feed = any(:feeds) and {one.known.number} = any(:numbers)"""
        ),
        {"feeds": one.known.feeds, "numbers": [f"N{n}" for n in numbers]},
    )


@pytest.mark.parametrize("quoted", WITNESSES, indirect=True)
def test_a_hole_is_proven_by_who_quotes_it(quoted) -> None:
    connection, one = quoted
    assert of(connection, one) == [], "everything came"

    late = 2 * one.grace
    lose(connection, one, range(late))  # what may still come late
    lose(connection, one, range(200, 201))  # one number, long ago, was never known
    assert of(connection, one) == []

    lose(connection, one, range(late, late + 10))
    (proof,) = of(connection, one)
    assert proof.of == one.of
    assert proof.since == (NOW - timedelta(days=one.grace + 4, hours=1)).date(), "from the first row that is missing"
    assert "查无此件" in proof.text
