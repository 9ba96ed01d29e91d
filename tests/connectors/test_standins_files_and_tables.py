"""P3, M2, D3, D4 and D5 as declared in ``sources/``, against the project's own stand-ins and the faults that they know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors import connector
from connectors.base import Connector, Window
from connectors.endpoint import Endpoint
from core.errors import AuthenticationError
from sources.declaration import Feed
from sources.loader import load
from standins.testing import Running, running
from tests.connectors import contract
from tests.standins import sample


@pytest.fixture(scope="module")
def served(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    world = sample.make(tmp_path_factory.mktemp("world"))
    home = tmp_path_factory.mktemp("home")
    with running(world, postgres_server.format(database="postgres"), at=sample.CLOCK, home=home) as stand:
        yield stand, world


@pytest.fixture
def stand(served: tuple[Running, Path]) -> Iterator[Running]:
    yield served[0]
    served[0].faults.clear()
    served[0].settle()


def connect(stand: Running, name: str, feed: str) -> tuple[Connector, Feed]:
    declared = load(name)
    return connector(declared, Endpoint(**stand.connection(declared.connection))), declared.feeds[feed]


def told(served: tuple[Running, Path], table: str) -> list[dict]:
    """Rows of the world that its sources show at the sample's clock."""
    rows = [json.loads(line) for line in (served[1] / f"{table}.jsonl").read_text().splitlines()]
    increments = ("_at", "cd_time", "INSERTTIME", "INSERTIME", "GXSJ")
    return [row for row in rows if next((row[name] for name in increments if row.get(name)), "0") <= f"{sample.CLOCK}"]


@pytest.mark.parametrize(
    ("source", "feed", "table", "key"),
    [
        ("p3", "accept", "p3/up_pro_accept", ["row_guid", "cd_operation"]),
        ("m2", "sb", "m2/EX_GDBS_SB", ["SBLSH_SHORT", "VERSION"]),
        ("m2", "bj", "m2/EX_GDBS_BJ", ["SBLSH_SHORT", "VERSION"]),
        ("d3", "project", "d3/SPGL_XMJBXXB", ["LSH"]),
        ("d3", "log_v3", "d3/SPGL_XMSPSXBLXXXXB_V3", ["LSH"]),
    ],
)
def test_every_row_of_a_table_comes(served, stand, source: str, feed: str, table: str, key: list[str]) -> None:
    made, declared = connect(stand, source, feed)
    reading = contract.read(made, declared, Window(full=True))
    made.close()
    assert reading.error is None and reading.proof.complete
    assert {tuple(part.strip() for part in row) for row in reading.keys(key)} == {
        tuple(str(row[k]) for k in key) for row in told(served, table)
    }


def test_every_declared_table_is_there_with_its_columns(stand: Running) -> None:
    for name in ("p3", "m2", "d3", "d4", "d5"):
        made, _ = connect(stand, name, next(iter(load(name).feeds)))
        lines = made.check()
        made.close()
        assert len(lines) == 1 + len(load(name).feeds) and [line for line in lines if not line.ok] == []


def test_acknowledged_rows_are_marked_where_the_grant_allows(stand: Running) -> None:
    made, feed = connect(stand, "p3", "accept")
    rows = contract.read(made, feed, Window(full=True)).rows
    assert made.acknowledge(feed, rows.select(["row_guid", "cd_time", "cd_operation"]).slice(0, 10)) == []
    again = contract.read(made, feed, Window(full=True)).rows
    made.close()
    assert sum(value == "1" for value in again["is_sync"].to_pylist()) == 10


def test_a_database_that_is_down_for_a_while_loses_nothing(served, stand: Running) -> None:
    stand.faults.arm("m2", "down", times=None)
    stand.settle()
    made, feed = connect(stand, "m2", "sb")
    assert contract.read(made, feed, Window(full=True)).error is not None
    stand.faults.clear()
    stand.settle()
    reading = contract.read(made, feed, Window(full=True))
    made.close()
    assert reading.error is None and reading.rows.num_rows == len(told(served, "m2/EX_GDBS_SB"))


@pytest.mark.parametrize(
    "fault",
    [
        None,
        "down",
        "reset",
        "truncated",
        "zip_bomb",
        "zip_slip",
        "xxe",
        "billion_laughs",
        "no_ok",
        "bad_manifest",
        "gbk_broken",
    ],
)
def test_zips_come_whole_whatever_goes_wrong(served, stand: Running, fault: str | None) -> None:
    if fault:
        stand.faults.arm("d4", fault, times=2 if fault in ("down", "reset") else 1)
        stand.settle()
    made, feed = connect(stand, "d4", "cases")
    expected = {(row["YWLSH"],) for row in told(served, "d4/cases") if row["_file"] < f"HB_{sample.CLOCK:%Y%m%d%H%M%S}"}
    first = contract.read(made, feed, Window())
    assert first.error is None, first.error
    lost = expected - first.keys(["YWLSH"])
    if fault in (None, "down", "reset"):
        assert not lost
    else:
        assert lost and (first.proof.issues or first.rejects)  # told, never silent
    stand.faults.clear()
    stand.settle()
    second = contract.read(made, feed, Window(), json.loads(json.dumps(first.proof.state)))
    made.close()
    assert second.error is None
    if fault != "gbk_broken":  # taken with its damaged record, and not sent again
        assert first.keys(["YWLSH"]) | second.keys(["YWLSH"]) == expected


def test_another_host_key_is_refused(stand: Running) -> None:
    stand.faults.arm("d4", "host_key", times=None)
    stand.settle()
    made, feed = connect(stand, "d4", "cases")
    reading = contract.read(made, feed, Window())
    made.close()
    assert isinstance(reading.error, AuthenticationError) and reading.error.code == "host_key_changed"


@pytest.mark.parametrize("fault", [None, "truncated", "xxe", "billion_laughs", "growing", "gbk_broken"])
def test_workbooks_come_whole_whatever_goes_wrong(served, stand: Running, fault: str | None) -> None:
    if fault:
        stand.faults.arm("d5", fault, times=2)
        stand.settle()
    made, feed = connect(stand, "d5", "weather")
    expected = {row["申办流水号"] for row in told(served, "d5/weather")}
    first = contract.read(made, feed, Window())
    assert first.error is None
    came = {key for (key,) in first.keys(["申办流水号"])} if first.rows.num_rows else set()
    assert came == expected or first.proof.issues
    stand.faults.clear()
    stand.settle()
    state = json.loads(json.dumps(first.proof.state))
    second = contract.read(made, feed, Window(), state)
    made.close()
    came |= {key for (key,) in second.keys(["申办流水号"])} if second.rows.num_rows else set()
    assert came == expected
    codes = [row["项目代码"] for row in (first.rows if first.rows.num_rows else second.rows).to_pylist()]
    assert sorted(codes) == sorted(row["项目代码"] for row in told(served, "d5/weather"))
