"""P3, M2, D3: databases with a read-only login, quirks of their columns, and rows that appear when due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from standins.testing import Running, running, wait_for
from tests.standins import sample


def engine_of(stand: Running, conn_id: str) -> sa.Engine:
    told = stand.connection(conn_id)
    url = sa.make_url(told["extra"]["url"])
    assert url.username is None and url.password is None
    return sa.create_engine(url.set(username=told["login"], password=told["password"]), poolclass=sa.NullPool)


@pytest.fixture
def p3(stand: Running) -> Iterator[sa.Engine]:
    yield engine_of(stand, "p_tables")


def scalar(engine: sa.Engine, text: str) -> object:
    with engine.connect() as connection:
        return connection.execute(sa.text(text)).scalar()


@pytest.mark.parametrize(("conn_id", "tables"), [("p_tables", 6), ("m_tables", 9), ("d_housing", 11)])
def test_every_table_of_the_contract_is_there_and_nothing_can_be_written(
    stand: Running, conn_id: str, tables: int
) -> None:
    engine = engine_of(stand, conn_id)
    names = sa.inspect(engine).get_table_names()
    assert len(names) == tables
    for text in (
        f"delete from {names[0]}",
        f"update {names[0]} set xzqhdm = ''",
        "create table x (a int)",
        "select * from standin.pending",
    ):
        with pytest.raises(sa.exc.ProgrammingError), engine.begin() as connection:
            connection.execute(sa.text(text))


def test_the_one_grant_is_is_sync(p3: sa.Engine) -> None:
    with p3.begin() as connection:
        done = connection.execute(sa.text("update up_lic_data set is_sync = 1 where row_guid = 'lic-1'"))
        assert done.rowcount == 1
    with pytest.raises(sa.exc.ProgrammingError), p3.begin() as connection:
        connection.execute(sa.text("update up_lic_data set certificate_number = '' where row_guid = 'lic-1'"))


def test_a_change_log_keeps_every_row(p3: sa.Engine) -> None:
    assert scalar(p3, "select count(*) from up_pro_accept") == 51
    assert scalar(p3, "select count(*) from up_pro_accept where row_guid = 'guid-1'") == 2
    empties = scalar(
        p3,
        "select count(*) filter (where org_code = '') * 100 + count(*) filter (where org_code is null) from up_pro_accept",
    )
    assert empties // 100 and empties % 100  # both ways of saying nothing


def test_m2_pads_codes_and_keeps_versions(stand: Running) -> None:
    m2 = engine_of(stand, "m_tables")
    assert scalar(m2, "select count(*) from ex_gdbs_sb") == 201
    assert scalar(m2, "select count(distinct rtrim(sblsh_short)) from ex_gdbs_sb") == 200
    assert scalar(m2, "select count(*) from ex_gdbs_sb where sblsh_short like '% '") > 50
    assert scalar(m2, "select max(insertime) from ex_gdbs_bj") == datetime.fromisoformat(sample.ago(days=3))


def test_d3_shows_the_latest_line_of_a_row(stand: Running) -> None:
    d3 = engine_of(stand, "d_housing")
    assert scalar(d3, "select count(*) from spgl_xmjbxxb") == 21
    assert scalar(d3, "select sjyxbs from spgl_xmjbxxb where lsh = 'L3'") == 0
    assert scalar(d3, "select count(nkgsj) from spgl_xmjbxxb") == 0  # a zero date is none
    assert scalar(d3, "select sbsj from spgl_xmjbxxb where lsh = 'L1'") == datetime(2026, 3, 1, 8)


def test_rows_appear_when_they_are_due_and_leave_when_the_clock_goes_back(stand: Running, p3: sa.Engine) -> None:
    d3 = engine_of(stand, "d_housing")
    late = "select count(*) from up_pro_accept where row_guid = 'guid-late'"
    assert scalar(p3, late) == 0
    stand.move_clock(minutes=6)
    assert scalar(p3, late) == 1
    stand.move_clock(days=1)
    assert scalar(d3, "select sjyxbs from spgl_xmspsxblxxxxb_v3 where lsh = 'G1'") == 0
    assert scalar(d3, "select count(*) from spgl_xmspsxblxxxxb_v3") == 1
    stand.move_clock(at=sample.CLOCK)
    (stand.ctx.world.folder / "world.json").touch()
    stand.settle()
    assert scalar(p3, late) == 0


def test_a_world_that_grew_is_followed_within_a_second_and_keeps_is_sync(
    stand: Running, p3: sa.Engine, world: Path
) -> None:
    with p3.begin() as connection:
        connection.execute(sa.text("update up_pro_accept set is_sync = 1 where row_guid = 'guid-9'"))
    row = {"row_guid": "grown", "cd_time": sample.ago(minutes=1), "cd_operation": "I", "is_sync": 0}
    sample.append(world, "p3/up_pro_accept", row)
    wait_for(lambda: scalar(p3, "select count(*) from up_pro_accept where row_guid = 'grown'") == 1, 2)
    assert scalar(p3, "select count(*) from up_pro_accept") == 52
    assert scalar(p3, "select is_sync from up_pro_accept where row_guid = 'guid-9'") == 1
    served = stand.ctx.home / "served.json"
    wait_for(lambda: '"revision": 2' in served.read_text(), 2)


def test_a_database_that_is_down(stand: Running, p3: sa.Engine) -> None:
    with p3.connect() as held:
        stand.faults.arm("p3", "down")
        stand.settle()
        with pytest.raises(sa.exc.OperationalError):
            held.execute(sa.text("select 1"))
    with pytest.raises(sa.exc.OperationalError):
        scalar(p3, "select 1")
    stand.faults.clear("p3")
    stand.settle()
    assert scalar(p3, "select 1") == 1


def test_a_second_run_takes_over_what_the_first_left(world: Path, postgres_server: str, tmp_path: Path) -> None:
    from standins.context import Context
    from standins.systems.tables import LAYOUTS, Tables
    from standins.told import World

    url = postgres_server.format(database="postgres")
    ctx = Context(World(world), tmp_path, now=lambda: sample.CLOCK)
    first = Tables(ctx, LAYOUTS["p3"], url, "again")
    first.open()
    engine = sa.create_engine(sa.make_url(first.url).set(username="postgres"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("update up_pro_accept set is_sync = 1"))
    second = Tables(Context(World(world), tmp_path, now=lambda: sample.CLOCK), LAYOUTS["p3"], url, "again")
    second.open()
    assert second.password != first.password
    assert scalar(engine, "select min(is_sync) from up_pro_accept") == 1
    second.drop()


def test_rows_with_an_end_go(tmp_path: Path, postgres_server: str) -> None:
    row = {"row_guid": "g", "cd_time": sample.ago(days=1), "cd_operation": "I", "project_no": "x\ty\\z", "is_sync": 0}
    sample.write(tmp_path, {"p3/up_pro_accept": [{**row, "_until": "2026-11-24 09:00:00"}, {**row, "row_guid": "h"}]})
    with running(
        tmp_path, postgres_server.format(database="postgres"), at=sample.CLOCK, database_prefix="ending"
    ) as stand:
        engine = engine_of(stand, "p_tables")
        assert scalar(engine, "select count(*) from up_pro_accept") == 2
        assert scalar(engine, "select project_no from up_pro_accept limit 1") == "x\ty\\z"
        stand.move_clock(hours=2)
        assert scalar(engine, "select string_agg(row_guid, ',') from up_pro_accept") == "h"
