"""What the driver makes of values is what they are, by the quick way and by the slow one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from store.engine import engine
from tests.hub import hub, migrated  # noqa: F401

READ = {
    "date '2024-02-29'": date(2024, 2, 29),
    "date '0001-01-01'": date(1, 1, 1),
    "date 'infinity'": None,
    "date '0044-03-15 BC'": None,
    "date '294000-01-01'": None,
    "timestamp '2024-01-08 09:00:00'": datetime(2024, 1, 8, 9),
    "timestamp '2024-01-08 09:00:00.1'": datetime(2024, 1, 8, 9, 0, 0, 100_000),
    "timestamp '9999-12-31 23:59:59.999999'": datetime(9999, 12, 31, 23, 59, 59, 999_999),
    "timestamp '-infinity'": None,
    "timestamp '10000-01-01'": None,
    "timestamptz '2024-01-08 01:00:00.5+00'": datetime(2024, 1, 8, 1, 0, 0, 500_000, UTC),
    "timestamptz '1988-07-01 00:00:00+00'": datetime(1988, 7, 1, tzinfo=UTC),  # summer time
    "timestamptz '1890-01-01 00:00:00+00'": datetime(1890, 1, 1, tzinfo=UTC),  # +08:05:43
    "timestamptz 'infinity'": None,
    """'{"a": [1, 2.5, 1e3, "\\ud83c\\udfd7"], "n": null}'::jsonb""": {"a": [1, 2.5, 1000, "🏗"], "n": None},
    "'123456789012345678901234567890'::jsonb": 123456789012345678901234567890,
    "numeric 'NaN'": None,
}


@pytest.mark.parametrize("sql", READ, ids=[str(n) for n in range(len(READ))])
def test_a_value_is_read_as_what_it_is(hub, sql):  # noqa: F811
    with engine().connect() as connection:
        found = connection.execute(sa.text(f"select {sql.replace(':', chr(92) + ':')}")).scalar()
    assert found == READ[sql] and type(found) is type(READ[sql])


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres"])
def test_another_style_of_dates_is_read_as_well(hub, style):  # noqa: F811
    with engine().connect() as connection:
        connection.exec_driver_sql(f"set datestyle = '{style}'")
        found = connection.exec_driver_sql("select date '2024-02-03', timestamp '2024-02-03 04:05:06'").one()
        connection.invalidate()
    assert tuple(found) == (date(2024, 2, 3), datetime(2024, 2, 3, 4, 5, 6))


def test_times_with_a_zone_carry_the_citys_own(hub):  # noqa: F811
    with engine().connect() as connection:
        found = connection.exec_driver_sql("select timestamptz '1988-07-01 00:00:00+00'").scalar_one()
    assert found.utcoffset() == timedelta(hours=9)
