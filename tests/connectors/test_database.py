"""The database connector against MariaDB and PostgreSQL that are not ours."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from connectors.base import Batch, Payload, Proof, Window
from connectors.decoders import arrow_text
from connectors.endpoint import Endpoint
from connectors.protocols import database as protocol
from connectors.protocols.database import Database
from connectors.transports import sql_engine
from connectors.transports.sql_engine import engine_of, shown, url_of
from core.errors import AuthenticationError, ConfigurationError, OneMapError, ProviderError, TransientError
from core.settings import ROOT
from mappings import compiler, numbers
from sources.declaration import Feed
from tests.connectors.contract import Case, Contract
from tests.connectors.cut import relay
from tests.connectors.declarations import source, window_feed
from tests.connectors.mariadb import MariaDb, free_port, mariadb

PASSWORD = "Kf7#geheim"
SL = window_feed("m2.sl", ["SBLSH_SHORT", "VERSION"], "INSERTTIME", table="EX_GDBS_SL")
SBCL = window_feed(
    "m2.sbcl", ["SBLSH_SHORT", "SEQ", "VERSION"], "INSERTTIME", table="EX_GDBS_SBCL", exclude=["ATTACH_BODY"]
)
RESULT = window_feed(
    "p3.result",
    ["row_guid"],
    "cd_time",
    table="up_pro_result",
    order=["cd_operation"],
    acknowledge={"column": "is_sync", "by": ["row_guid", "cd_time", "cd_operation"]},
)


def contract_ddl(contract: str, table: str) -> str:
    """CREATE TABLE of the contract, without its comments."""
    text = (ROOT / "schemas" / "contracts" / f"{contract}.sql").read_text("utf-8")
    found = re.search(rf"CREATE TABLE {table} \(.*?^\);", text, re.DOTALL | re.MULTILINE)
    return re.sub(r"--.*", "", found[0])


def mysql_ddl(contract: str, table: str) -> str:
    return re.sub(r"\btimestamp\b", "datetime", contract_ddl(contract, table))


@pytest.fixture(scope="module")
def server(need: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    with mariadb(need, tmp_path_factory.mktemp("mariadb")) as running:
        running.root(
            f"create user reader@'127.0.0.1' identified by '{PASSWORD}'",
            f"create user marker@'127.0.0.1' identified by '{PASSWORD}'",
        )
        yield running


@pytest.fixture
def front(server: MariaDb) -> Iterator[Callable[..., list[tuple]]]:
    """A fresh database ``front`` that ``reader`` may read, and ``marker`` may mark; run statements in it."""
    server.root(
        "create database front default charset utf8mb4",
        "grant select on front.* to reader@'127.0.0.1'",
        "grant select, update on front.* to marker@'127.0.0.1'",
    )
    yield lambda *statements: server.root(*statements, database="front")
    server.root("drop database front")


def endpoint(port: int, login: str = "reader", password: str = PASSWORD, scheme: str = "mysql") -> Endpoint:
    return Endpoint("m_tables", "generic", "", None, login, password, "", {"url": f"{scheme}://127.0.0.1:{port}/front"})


def connector(feed: Feed, to: Endpoint, **options: Any) -> Database:
    made, _, name = feed.id.partition(".")
    return Database(source(made, "database", {name: feed}, **options), to)


def read(connector: Database, feed: Feed, window: Window) -> tuple[list[dict[str, str | None]], list[Payload], Proof]:
    """Rows, payloads and proof of one fetch."""
    *payloads, proof = connector.fetch(feed, window, None)
    batches: list[Batch] = [batch for payload in payloads for batch in connector.decode(feed, payload)]
    for batch in batches:
        assert set(batch.rows.schema.types) <= {pa.large_string()}
    return [row for batch in batches for row in batch.rows.to_pylist()], payloads, proof


@pytest.mark.server
def test_a_window_is_half_open_and_in_order(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME) values"
        " ('d', 1, '2026-11-02 00:00:00'), ('c', 1, '2026-11-01 23:59:59'), ('a', 1, '2026-10-31 23:59:59'),"
        " ('b', 2, '2026-11-01 00:00:00'), ('b', 1, '2026-11-01 00:00:00')",
    )
    rows, payloads, proof = read(
        connector(SL, endpoint(server.port)), SL, Window(datetime(2026, 11, 1), datetime(2026, 11, 2))
    )
    assert [(row["SBLSH_SHORT"], row["VERSION"]) for row in rows] == [("b", "1"), ("b", "2"), ("c", "1")]
    assert proof.complete and proof.claimed == 3 and not proof.issues
    assert payloads[0].request["window"] == "2026-11-01 00:00:00 .. 2026-11-02 00:00:00"


@pytest.mark.server
def test_names_compare_without_case_absent_columns_read_as_null_and_others_pass(
    server: MariaDb, front: Callable
) -> None:
    front(
        "create table ex_gdbs_sl (Version int, sblsh_short char(8), inserttime datetime(3), SLBMMC varchar(20), extra_one int)",
        "insert into ex_gdbs_sl values (1, 'S1', '2026-11-01 08:00:00.25', '住建局  ', 7)",
    )
    rows, _, proof = read(connector(SL, endpoint(server.port)), SL, Window(full=True))
    (row,) = rows
    assert row["SBLSH_SHORT"] == "S1" and row["VERSION"] == "1" and row["extra_one"] == "7"
    assert row["SLBMMC"] == "住建局  "  # padding is for the mapping to clean
    assert row["INSERTTIME"] == "2026-11-01 08:00:00.250000"
    assert "YWLSH" in row and row["YWLSH"] is None
    assert {issue.field for issue in proof.issues if issue.code == "column_absent"} >= {"YWLSH", "SLSJ"}


@pytest.mark.server
def test_zero_dates_are_none_and_rows_without_increment_come_with_every_window(
    server: MariaDb, front: Callable
) -> None:
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, SLSJ, INSERTTIME) values"
        " ('null', 1, '0000-00-00 00:00:00', null), ('zero', 1, '2026-10-01 09:30:00', '0000-00-00 00:00:00'),"
        " ('in', 1, '0000-00-00', '2026-11-01 08:00:00'), ('out', 1, null, '2026-12-01 08:00:00')",
    )
    rows, _, proof = read(
        connector(SL, endpoint(server.port)), SL, Window(datetime(2026, 11, 1), datetime(2026, 11, 2))
    )
    seen = {row["SBLSH_SHORT"]: (row["SLSJ"], row["INSERTTIME"]) for row in rows}
    assert seen == {"null": (None, None), "zero": ("2026-10-01 09:30:00", None), "in": (None, "2026-11-01 08:00:00")}
    assert proof.complete and proof.claimed == 3
    (issue,) = [issue for issue in proof.issues if issue.code == "increment_missing"]
    assert issue.detail.startswith("2 rows")


@pytest.mark.server
def test_values_keep_the_text_of_the_server(server: MariaDb, front: Callable) -> None:
    front(
        "create table EX_GDBS_SL (SBLSH_SHORT varchar(50), VERSION tinyint(1), INSERTTIME timestamp null, a decimal(18,4),"
        " b bit(9), c bigint unsigned, d date, e double, f varbinary(9), g text)",
        "set time_zone = '+00:00'",
        "insert into EX_GDBS_SL values ('x', 2, '2026-11-01 00:00:00', 12345.6, b'100000001', 18446744073709551615,"
        " '2026-02-03', 0.1, x'ff00', '广东𠮷')",
    )
    rows, _, _ = read(connector(SL, endpoint(server.port)), SL, Window(full=True))
    assert [rows[0][name] for name in ("VERSION", "INSERTTIME", "a", "b", "c", "d", "e", "f", "g")] == [
        "2",
        "2026-11-01 08:00:00",
        "12345.6000",
        "257",
        "18446744073709551615",
        "2026-02-03",
        "0.1",
        "\\xff00",
        "广东𠮷",
    ]


@pytest.mark.server
def test_an_excluded_column_is_never_selected(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("m2", "EX_GDBS_SBCL"),
        "insert into EX_GDBS_SBCL (SBLSH_SHORT, SEQ, VERSION, ATTACH_BODY, INSERTTIME)"
        " values ('S1', 1, 1, repeat('A', 60000), '2026-11-01 08:00:00')",
    )
    rows, payloads, _ = read(connector(SBCL, endpoint(server.port)), SBCL, Window(full=True))
    assert "ATTACH_BODY" not in payloads[0].request["columns"]
    assert rows[0]["ATTACH_BODY"] is None and rows[0]["SEQ"] == "1"
    assert len(payloads[0].body) < 10_000


@pytest.mark.server
def test_large_windows_come_in_pieces_and_decode_the_same_again(server: MariaDb, front: Callable) -> None:
    feed = window_feed("m2.sl", SL.key, "INSERTTIME", table="EX_GDBS_SL", rows=4000)
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME)"
        " select concat('S', seq), 1, date_add('2026-01-01', interval seq second) from seq_1_to_10000",
    )
    database = connector(feed, endpoint(server.port))
    rows, payloads, proof = read(database, feed, Window(full=True))
    assert [payload.facts["rows"] for payload in payloads] == [4000, 4000, 2000]
    assert proof.complete and len({row["SBLSH_SHORT"] for row in rows}) == 10_000
    _, again, _ = read(database, feed, Window(full=True))
    assert [_bytes(payload) for payload in payloads] == [_bytes(payload) for payload in again]


def _bytes(payload: Payload) -> bytes:
    return payload.body.read_bytes() if isinstance(payload.body, Path) else payload.body


@pytest.mark.server
def test_files_of_a_fetch_go_when_the_connector_closes(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME, BSLYY)"
        " select uuid(), 1, '2026-01-01', concat(sha2(rand(), 512), sha2(rand(), 512)) from seq_1_to_20000",
    )
    database = connector(SL, endpoint(server.port))
    _, payloads, _ = read(database, SL, Window(full=True))
    assert isinstance(payloads[0].body, Path) and payloads[0].body.exists()
    database.close()
    assert not payloads[0].body.exists()


@pytest.mark.server
def test_a_connection_cut_in_the_middle_is_read_again_whole(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME)"
        " select concat('S', seq), 1, date_add('2026-01-01', interval seq second) from seq_1_to_20000",
    )
    with relay(server.port) as between:
        between.cuts, between.after = 1, 300_000
        rows, _, proof = read(connector(SL, endpoint(between.port)), SL, Window(full=True))
        assert between.connections >= 2
    assert proof.complete and len(rows) == 20_000 == len({row["SBLSH_SHORT"] for row in rows})


@pytest.mark.server
def test_a_connection_that_is_always_cut_is_transient_and_yields_nothing(
    server: MariaDb, front: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.protocols.database._ATTEMPTS", 1)
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME) select concat('S', seq), 1, now() from seq_1_to_20000",
    )
    with relay(server.port) as between:
        between.cuts, between.after = 9, 300_000
        fetch = connector(SL, endpoint(between.port)).fetch(SL, Window(full=True), None)
        with pytest.raises(TransientError) as error:
            next(fetch)
    assert error.value.feed == "m2.sl" and error.value.remedy and PASSWORD not in str(error.value)


@pytest.mark.server
def test_acknowledging_marks_only_the_rows_that_were_taken(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("p3", "up_pro_result"),
        "insert into up_pro_result (row_guid, cd_operation, cd_time, is_sync) values"
        " ('g1', 'I', '2026-11-01 08:00:00', 0), ('g1', 'U', '2026-11-01 08:00:00', null), ('g2', 'I', '2026-11-01 09:00:00', 0)",
    )
    database = connector(RESULT, endpoint(server.port, "marker"))
    rows, _, _ = read(database, RESULT, Window(end=datetime(2026, 11, 1, 8, 30)))
    keys = pa.table(
        {
            name: pa.array([row[name] for row in rows], pa.large_string())
            for name in ("row_guid", "cd_time", "cd_operation")
        }
    )
    assert database.acknowledge(RESULT, keys) == []
    assert front("select row_guid, cd_operation, is_sync from up_pro_result order by 1, 2") == [
        ("g1", "I", 1),
        ("g1", "U", 1),
        ("g2", "I", 0),
    ]


@pytest.mark.server
def test_a_grant_that_does_not_allow_the_mark_is_an_issue_and_no_failure(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("p3", "up_pro_result"),
        "insert into up_pro_result (row_guid, cd_operation, cd_time, is_sync) values ('g', 'I', '2026-11-01', 0)",
    )
    keys = pa.table({"row_guid": ["g"], "cd_time": ["2026-11-01 00:00:00"], "cd_operation": ["I"]})
    (issue,) = connector(RESULT, endpoint(server.port)).acknowledge(RESULT, keys)
    assert issue.code == "acknowledge_refused" and "denied" in issue.detail
    assert front("select is_sync from up_pro_result") == [(0,)]


@pytest.mark.server
def test_a_delete_row_with_the_sync_columns_alone_comes_through(server: MariaDb, front: Callable) -> None:
    front(
        mysql_ddl("p3", "up_pro_result"),
        "insert into up_pro_result (row_guid, cd_operation, cd_time) values ('g', 'D', '2026-11-01 08:00:00')",
    )
    rows, _, proof = read(connector(RESULT, endpoint(server.port)), RESULT, Window(full=True))
    assert proof.complete and (rows[0]["row_guid"], rows[0]["cd_operation"], rows[0]["project_no"]) == ("g", "D", None)


@pytest.mark.server
def test_a_missing_table_a_missing_key_and_a_wrong_password_say_whose_fault(server: MariaDb, front: Callable) -> None:
    with pytest.raises(ConfigurationError, match="EX_GDBS_SL is not there") as missing:
        read(connector(SL, endpoint(server.port)), SL, Window(full=True))
    assert missing.value.feed == "m2.sl" and "EX_GDBS_SL" in missing.value.zh
    front("create table EX_GDBS_SL (SBLSH_SHORT varchar(9), INSERTTIME datetime)")
    with pytest.raises(ProviderError, match="VERSION"):
        read(connector(SL, endpoint(server.port)), SL, Window(full=True))
    with pytest.raises(AuthenticationError) as refused:
        read(connector(SL, endpoint(server.port, password="nonsense")), SL, Window(full=True))
    assert "nonsense" not in str(refused.value)
    to = endpoint(server.port)
    to.extra["url"] = f"mysql://127.0.0.1:{server.port}/nowhere"
    with pytest.raises(OneMapError) as nowhere:
        read(connector(SL, to), SL, Window(full=True))
    assert nowhere.value.fault in ("authentication", "configuration")  # MySQL says which only to those who may know


@pytest.mark.server
def test_columns_granted_one_by_one_are_read_and_the_others_are_absent(server: MariaDb, front: Callable) -> None:
    server.root("create user partial@'127.0.0.1' identified by 'x1y2z3密'")
    front(
        mysql_ddl("m2", "EX_GDBS_SL"),
        "grant select (SBLSH_SHORT, VERSION, INSERTTIME) on front.EX_GDBS_SL to partial@'127.0.0.1'",
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME, BLRXM) values ('S', 1, '2026-11-01', '张三')",
    )
    rows, _, _ = read(connector(SL, endpoint(server.port, "partial", "x1y2z3密")), SL, Window(full=True))
    server.root("drop user partial@'127.0.0.1'")
    assert rows[0]["SBLSH_SHORT"] == "S" and rows[0]["BLRXM"] is None


@pytest.mark.server
def test_check_names_tables_and_the_columns_they_lack(server: MariaDb, front: Callable) -> None:
    front("create table ex_gdbs_sl (SBLSH_SHORT varchar(9), VERSION int, INSERTTIME datetime)")
    both = Database(source("m2", "database", {"sl": SL, "sbcl": SBCL}), endpoint(server.port, scheme="mariadb"))
    lines = {line.what: line for line in both.check()}
    assert lines["connection"].ok and "reader" not in lines["connection"].detail
    assert lines["m2.sl"].ok and "SLZTDM" in lines["m2.sl"].detail
    assert not lines["m2.sbcl"].ok and lines["m2.sbcl"].remedy
    (line,) = Database(source("m2", "database", {"sl": SL}), endpoint(free_port())).check()
    assert not line.ok and line.remedy


@pytest.mark.server
def test_a_count_that_does_not_agree_is_not_complete(
    server: MariaDb, front: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine without snapshots (MyISAM): rows that come between count and read must not pass for a proof."""
    front(
        mysql_ddl("m2", "EX_GDBS_SL").rstrip(";") + " engine=MyISAM",
        "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME) values ('a', 1, '2026-11-01')",
    )
    real = Database._streamed

    def late(self, *given):
        spool = real(self, *given)
        spool.rows += 1
        return spool

    monkeypatch.setattr(Database, "_streamed", late)
    *_, proof = connector(SL, endpoint(server.port)).fetch(SL, Window(full=True), None)
    assert not proof.complete and proof.claimed == 1


class TestMariaDbContract(Contract):
    pytestmark = pytest.mark.server

    @pytest.fixture
    def case(self, server: MariaDb, front: Callable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
        monkeypatch.setattr("connectors.protocols.database._ATTEMPTS", 1)
        front(
            mysql_ddl("m2", "EX_GDBS_SL"),
            "insert into EX_GDBS_SL (SBLSH_SHORT, VERSION, INSERTTIME) select concat('S', seq), 1, now() from seq_1_to_3000",
        )
        feed = window_feed("m2.sl", SL.key, "INSERTTIME", table="EX_GDBS_SL", rows=1000)
        with relay(server.port) as between:

            @contextmanager
            def failing() -> Iterator[None]:
                between.cuts, between.after = 1000, 20_000
                yield
                between.cuts = 0

            yield Case(
                make=lambda: connector(feed, endpoint(between.port)),
                feed=feed,
                keys={(f"S{n}", "1") for n in range(1, 3001)},
                failing=failing,
                secrets=(PASSWORD,),
            )


class TestPostgresContract(Contract):
    @pytest.fixture
    def case(self, database: str, run: Callable) -> Case:
        run(
            contract_ddl("p3", "up_pro_result"),
            "insert into up_pro_result (row_guid, cd_operation, cd_time) select 'g' || n, 'I', now() from generate_series(1, 500) n",
        )
        to = replace(pg(database), password=PASSWORD)
        return Case(
            make=lambda: connector(RESULT, to),
            feed=RESULT,
            keys={(f"g{n}",) for n in range(1, 501)},
            secrets=(PASSWORD,),
        )


def pg(database: str, user: str = "postgres") -> Endpoint:
    return Endpoint(
        "p_tables",
        "generic",
        "",
        None,
        user,
        "",
        "",
        {"url": database.replace("+psycopg", "").replace("postgres@", "")},
    )


@pytest.fixture
def run(database: str) -> Iterator[Callable[..., list[tuple]]]:
    """Run statements in a fresh PostgreSQL database."""
    engine = sa.create_engine(database, isolation_level="AUTOCOMMIT")

    def statements(*texts: str) -> list[tuple]:
        with engine.connect() as connection:
            for text in texts:
                result = connection.exec_driver_sql(text)
            return [tuple(row) for row in result] if result.returns_rows else []

    yield statements
    engine.dispose()


def test_postgresql_gives_the_same_text(database: str, run: Callable) -> None:
    run(
        "create schema share",
        'create table share."Ex_Gdbs_Sl" (sblsh_short varchar, version int, inserttime timestamptz,'
        ' "SLSJ" timestamp, a numeric, b boolean, c jsonb, d date, e double precision)',
        "insert into share.\"Ex_Gdbs_Sl\" values ('S1', 1, '2026-11-01 00:00:00+00', '2026-11-01 08:00:00.5', 1.50, true,"
        " '{\"k\": \"值\"}', '2026-02-03', 0.1), ('S2', 1, '2026-11-02 00:00:00+00', 'infinity', 1e20, false, null, null, null)",
    )
    rows, _, proof = read(connector(SL, pg(database)), SL, Window(datetime(2026, 11, 1, 8), datetime(2026, 11, 2, 8)))
    assert proof.complete and len(rows) == 1  # local time, whatever zone the column keeps
    assert [rows[0][name] for name in ("VERSION", "INSERTTIME", "SLSJ", "a", "b", "c", "d", "e")] == [
        "1",
        "2026-11-01 08:00:00",
        "2026-11-01 08:00:00.500000",
        "1.50",
        "1",
        '{"k": "值"}',
        "2026-02-03",
        "0.1",
    ]
    rows, payloads, _ = read(connector(SL, pg(database)), SL, Window(full=True))
    told = datetime.fromisoformat(payloads[0].facts["server_date"])  # the witness of the clock
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
    assert rows[1]["a"] == "100000000000000000000"


def test_postgresql_acknowledges_and_a_refused_grant_is_an_issue(database: str, run: Callable) -> None:
    run(
        contract_ddl("p3", "up_pro_result"),
        "insert into up_pro_result (row_guid, cd_operation, cd_time, is_sync) values ('g', 'I', '2026-11-01 08:00:00.25', 0)",
        "drop role if exists onlooker",
        "create role onlooker login",
        "grant select on up_pro_result to onlooker",
    )
    rows, _, _ = read(connector(RESULT, pg(database, "onlooker")), RESULT, Window(full=True))
    keys = pa.table({name: [rows[0][name]] for name in ("row_guid", "cd_time", "cd_operation")})
    (issue,) = connector(RESULT, pg(database, "onlooker")).acknowledge(RESULT, keys)
    assert issue.code == "acknowledge_refused"
    assert connector(RESULT, pg(database)).acknowledge(RESULT, keys) == []
    assert run("select is_sync from up_pro_result") == [(1,)]
    run("drop owned by onlooker", "drop role onlooker")


def test_postgresql_faults_are_typed(database: str, run: Callable) -> None:
    with pytest.raises(ConfigurationError, match="not there"):
        read(connector(SL, pg(database)), SL, Window(full=True))
    with pytest.raises(AuthenticationError):
        read(connector(SL, pg(database, "nobody_known")), SL, Window(full=True))
    elsewhere = pg(re.sub(r"/t[0-9a-f]{12}", "/not_there", database))
    with pytest.raises(ConfigurationError):
        read(connector(SL, elsewhere), SL, Window(full=True))
    run(
        "create schema one",
        "create schema two",
        *(contract_ddl("m2", "EX_GDBS_SL").replace("TABLE ", f"TABLE {s}.") for s in ("one", "two")),
    )
    with pytest.raises(ConfigurationError, match="several places"):
        read(connector(SL, pg(database)), SL, Window(full=True))
    _, _, proof = read(connector(SL, pg(database), schema="TWO"), SL, Window(full=True))
    assert proof.complete and proof.claimed == 0


def test_postgresql_reads_in_a_snapshot_that_cannot_write(database: str, run: Callable) -> None:
    run("create table EX_GDBS_SL (SBLSH_SHORT varchar, VERSION int, INSERTTIME timestamp)")
    run(
        "create function sneak() returns timestamp language plpgsql volatile as $$ begin insert into EX_GDBS_SL values ('x'); return now(); end $$"
    )
    run(
        "create view ex_gdbs_sl_view as select sblsh_short, version, sneak() as inserttime from (values ('a', 1)) v(sblsh_short, version)"
    )
    feed = window_feed("m2.sl", SL.key, "INSERTTIME", table="EX_GDBS_SL_VIEW")
    with pytest.raises(OneMapError, match="read-only"):
        read(connector(feed, pg(database)), feed, Window(full=True))
    assert run("select count(*) from EX_GDBS_SL") == [(0,)]


def test_any_database_that_sqlalchemy_knows(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "front.db") as made:
        made.execute("create table ex_gdbs_sl (SBLSH_SHORT text, VERSION integer, INSERTTIME text, SFJE real)")
        made.executemany(
            "insert into ex_gdbs_sl values (?, ?, ?, ?)",
            [("a", 1, "2026-11-01 00:00:00", 1.5), ("b", 1, "2026-11-02 00:00:00", 2e16), ("c", 1, None, None)],
        )
    to = Endpoint("m_tables", "generic", "", extra={"url": f"sqlite:///{tmp_path / 'front.db'}"})
    rows, _, proof = read(connector(SL, to), SL, Window(datetime(2026, 11, 1), datetime(2026, 11, 2)))
    assert [row["SBLSH_SHORT"] for row in rows] == ["c", "a"] and proof.complete
    rows, _, _ = read(connector(SL, to), SL, Window(full=True))
    assert rows[2]["SFJE"] == "20000000000000000" and rows[2]["VERSION"] == "1"


def test_the_url_gets_driver_and_credentials_and_is_shown_without() -> None:
    to = Endpoint(
        "m", "generic", "", None, "me", "p@ss/w:rd", "", {"url": "mysql://db.example:3307/front?ssl_ca=/etc/ca.pem"}
    )
    url = url_of(to)
    assert (url.drivername, url.username, url.password, url.port, url.database) == (
        "mysql+pymysql",
        "me",
        "p@ss/w:rd",
        3307,
        "front",
    )
    assert shown(url) == "mysql+pymysql://db.example:3307/front"
    fields = url_of(Endpoint("m", "postgres", "db.example", 5433, "me", "secret-word", "front"))
    assert (fields.drivername, fields.host, fields.port, fields.database) == (
        "postgresql+psycopg",
        "db.example",
        5433,
        "front",
    )
    assert url_of(Endpoint("m", "generic", "", extra={"url": "mariadb://h/f"})).drivername == "mariadb+pymysql"


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({}, "extra.url is missing"),
        ({"url": "no url at all"}, "not a SQLAlchemy URL"),
        ({"url": "oracle+oracledb://h/x"}, "no driver"),
        ({"url": "mysql+mysqldb://h/x"}, "no driver"),
        ({"url": "nonsense://h/x"}, "no driver"),
    ],
)
def test_a_connection_that_names_no_usable_database_is_a_configuration_error(extra: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as error:
        engine_of(Endpoint("m_tables", "generic", "h", extra=extra), connect_timeout=5)
    assert error.value.remedy and error.value.zh != error.value.message


def test_wrong_options_name_the_option() -> None:
    feed = window_feed("m2.sl", SL.key, "INSERTTIME", tabel="EX_GDBS_SL")
    database = connector(feed, Endpoint("m", "generic", "", extra={"url": "sqlite://"}))
    with pytest.raises(ConfigurationError, match="options.ta"):
        list(database.fetch(feed, Window(full=True), None))


@pytest.mark.server
def test_text_in_another_charset_than_mysql_says_is_read_as_declared(server: MariaDb, front: Callable) -> None:
    """Old front-end databases keep GBK bytes in columns that say Latin-1."""
    gbk = "东莞市松山湖".encode("gb18030").hex()
    front(
        "create table EX_GDBS_SL (SBLSH_SHORT varchar(50), SLBMMC varchar(200) charset latin1, VERSION int, INSERTTIME datetime)",
        f"insert into EX_GDBS_SL values ('a', unhex('{gbk}'), 1, '2026-11-01'), ('b', 'plain', 1, '2026-11-01')",
    )
    rows, _, proof = read(connector(SL, endpoint(server.port), encoding="gbk"), SL, Window(full=True))
    assert {row["SBLSH_SHORT"]: row["SLBMMC"] for row in rows} == {"a": "东莞市松山湖", "b": "plain"}
    assert proof.complete


@pytest.mark.server
def test_a_source_that_keeps_utc_is_asked_and_read_by_the_citys_clock(server: MariaDb, front: Callable) -> None:
    front(
        "create table EX_GDBS_SL (SBLSH_SHORT varchar(50), VERSION int, SLSJ date, INSERTTIME datetime(6))",
        "insert into EX_GDBS_SL values ('early', 1, '2026-10-31', '2026-10-31 15:59:59'), "
        "('first', 1, '2026-11-01', '2026-10-31 16:00:00.5'), ('late', 1, '2026-11-02', '2026-11-01 16:00:00')",
    )
    made = connector(SL, endpoint(server.port), zone="UTC")
    rows, _, _ = read(made, SL, Window(datetime(2026, 11, 1), datetime(2026, 11, 2)))
    assert [(row["SBLSH_SHORT"], row["INSERTTIME"], row["SLSJ"]) for row in rows] == [
        ("first", "2026-11-01 00:00:00.500000", "2026-11-01")
    ]


def test_a_postgresql_database_without_an_encoding_is_read_by_evidence(database: str, run: Callable) -> None:
    name = "no_encoding"
    run(
        f"drop database if exists {name}",
        f"create database {name} encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'",
    )
    url = sa.engine.make_url(database).set(database=name)
    try:
        with psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
        ) as raw:
            raw.execute("set client_encoding = 'SQL_ASCII'")
            raw.execute(
                "create table ex_gdbs_sl (sblsh_short varchar(50), slbmmc text, version int, inserttime timestamp)"
            )
            for key, text in ((b"a", "东莞".encode()), (b"b", "东莞".encode("gb18030")), (b"c", b"plain")):
                raw.execute(b"insert into ex_gdbs_sl values ('" + key + b"', '" + text + b"', 1, '2026-11-01')")
        there = Endpoint(
            "p",
            "generic",
            "",
            None,
            "postgres",
            "",
            "",
            {"url": url.set(drivername="postgresql", username=None).render_as_string()},
        )
        rows, _, _ = read(connector(SL, there), SL, Window(full=True))
        assert {row["SBLSH_SHORT"]: row["SLBMMC"] for row in rows} == {"a": "东莞", "b": "东莞", "c": "plain"}
    finally:
        run(f"drop database if exists {name} with (force)")


_UNBELIEVABLE = {
    "mysql": ["0000-00-00", "0000-05-01", "0999-12-31 23:59:59", "9999-12-31 23:59:59"],
    "postgresql": [
        "infinity",
        "-infinity",
        "0044-03-15 10:00:00.5 BC",
        "0001-01-01",
        "9999-12-31",
        "12026-11-01 11:00:00",
    ],
}


@pytest.fixture(params=["mysql", "postgresql"])
def there(request: pytest.FixtureRequest) -> tuple[str, Callable[..., list[tuple]], Endpoint]:
    """A server: its kind, how to run statements in it, how it is reached."""
    if request.param == "mysql":
        run, running = request.getfixturevalue("front"), request.getfixturevalue("server")
        return request.param, run, endpoint(running.port)
    return request.param, request.getfixturevalue("run"), pg(request.getfixturevalue("database"))


def _insert(rows: list[str]) -> str:
    return "insert into ex_gdbs_sl (sblsh_short, version, inserttime) values " + ", ".join(rows)


@pytest.mark.server
def test_rows_whose_increment_cannot_be_come_with_every_window_and_harm_no_neighbour(there) -> None:
    kind, run, to = there
    odd = _UNBELIEVABLE[kind]
    run(
        f"create table ex_gdbs_sl (sblsh_short varchar(9), version int, inserttime {'datetime' if kind == 'mysql' else 'timestamp'})",
        _insert([f"('odd{n}', 1, '{time}')" for n, time in enumerate(odd)]),
        _insert(["('in', 1, '2026-11-01 08:00:00')", "('before', 1, '2026-10-31')", "('after', 1, '2026-11-02')"]),
    )
    rows, _, proof = read(connector(SL, to), SL, Window(datetime(2026, 11, 1), datetime(2026, 11, 2)))
    assert {row["SBLSH_SHORT"] for row in rows} == {"in", *(f"odd{n}" for n in range(len(odd)))}
    assert proof.complete and proof.claimed == len(rows)
    (issue,) = [issue for issue in proof.issues if issue.code == "increment_missing"]
    assert issue.detail.startswith(f"{len(odd)} rows")
    # each stands as the server wrote it: no other time is made of it
    texts = {row["SBLSH_SHORT"]: row["INSERTTIME"] for row in rows}
    assert texts["in"] == "2026-11-01 08:00:00" and texts["odd0"] in (None, "infinity")
    assert kind == "mysql" or texts["odd2"] == "0044-03-15 10:00:00.5 BC"
    assert len(read(connector(SL, to), SL, Window(full=True))[0]) == len(odd) + 3


@pytest.mark.server
def test_more_rows_of_one_increment_than_a_payload_holds_come_whole(there) -> None:
    """Keys too that a collation takes for equal: order is for reading alone."""
    kind, run, to = there
    feed = window_feed("m2.sl", SL.key, "INSERTTIME", table="EX_GDBS_SL", rows=100)
    run(
        f"create table ex_gdbs_sl (sblsh_short varchar(9), version int, inserttime {'datetime' if kind == 'mysql' else 'timestamp'})",
        _insert([f"('{key}{n}', 1, '2026-11-01 08:00:00')" for n in range(120) for key in ("k", "K", "á", "a")]),
    )
    rows, payloads, proof = read(connector(feed, to), feed, Window(datetime(2026, 11, 1), datetime(2026, 11, 2)))
    assert [payload.facts["rows"] for payload in payloads] == [100, 100, 100, 100, 80]
    assert proof.complete and len({row["SBLSH_SHORT"] for row in rows}) == 480


@pytest.mark.server
def test_a_session_ended_by_the_server_in_the_middle_is_read_again_whole(
    there, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, run, to = there
    run(
        f"create table ex_gdbs_sl (sblsh_short varchar(9), version int, inserttime {'datetime' if kind == 'mysql' else 'timestamp'},"
        " bslyy varchar(2000))",
        "insert into ex_gdbs_sl select concat('S', n), 1, '2026-11-01', repeat('x', 1500) from "
        + ("(select seq n from seq_1_to_20000) s" if kind == "mysql" else "generate_series(1, 20000) n"),
    )
    ended: list[int] = []
    write = arrow_text.Spool.write

    def ending(spool: arrow_text.Spool, chunk: Any) -> None:
        if not ended:
            if kind == "mysql":
                who = run("select id from information_schema.processlist where user = 'reader'")
                ended.extend(one for (one,) in who)
                run(*(f"kill {one}" for one in ended))
            else:
                who = run(
                    "select pid, pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'"
                )
                ended.extend(one for one, _ in who)
        write(spool, chunk)

    monkeypatch.setattr(arrow_text.Spool, "write", ending)
    rows, _, proof = read(connector(SL, to), SL, Window(full=True))
    assert ended and proof.complete and len(rows) == 20_000 == len({row["SBLSH_SHORT"] for row in rows})


def test_postgresql_money_intervals_and_numbers_that_are_none_stand_as_written(database: str, run: Callable) -> None:
    run(
        "create table ex_gdbs_sl (sblsh_short char(6), version int, inserttime timestamp, a numeric, b money, c interval, d float8)",
        "insert into ex_gdbs_sl values ('a', 1, '2026-11-01', 'NaN', '-1234567.5', '1 year -3 days', '-Infinity'),"
        " ('b', 1, '2026-11-01', 1.50, '5', '1 day', 0.1)",
    )
    rows, _, proof = read(connector(SL, pg(database)), SL, Window(full=True))
    assert proof.complete and [(row["SBLSH_SHORT"].strip(), row["a"], row["d"]) for row in rows] == [
        ("a", "NaN", "-Infinity"),
        ("b", "1.50", "0.1"),
    ]
    assert "1,234,567.50" in rows[0]["b"] and rows[0]["c"] == "1 year -3 days"
    amounts, bad = numbers.decimals(pl.Series([row["a"] for row in rows]))  # in that record's field alone
    assert bad.to_list() == [True, False] and amounts.to_list() == [None, Decimal("1.50")]


@pytest.mark.server
def test_a_row_that_a_view_cannot_compute_is_rejected_alone(there) -> None:
    """The middle one of 1,300: the others come, it is named by its key, and the window is asked for again."""
    kind, run, to = there
    mysql = kind == "mysql"
    rows = "select seq n from seq_1_to_1300" if mysql else "select * from generate_series(1, 1300) n"
    bad = "if(n = 777, cast(0 as unsigned) - 1, n)" if mysql else "100 / (n - 777)"
    run(
        f"create table raw (sblsh_short varchar(9), version int, inserttime {'datetime' if mysql else 'timestamp'}, n int)",
        f"insert into raw select concat('S', n), 1, '2026-11-01 08:00:00', n from ({rows}) s",
        "insert into raw values (null, 2, '2026-11-01 09:00:00', 1), ('S1', null, '2026-11-01 09:00:00', 1)",
        f"create view ex_gdbs_sl as select sblsh_short, version, inserttime, {bad} as bljzdm from raw",
    )
    made = connector(SL, to)
    for window in (Window(datetime(2026, 11, 1), datetime(2026, 11, 2)), Window(full=True)):
        *payloads, proof = made.fetch(SL, window, None)
        batches = [batch for payload in payloads for batch in made.decode(SL, payload)]
        assert sum(batch.rows.num_rows for batch in batches) == 1301
        (reject,) = [reject for batch in batches for reject in batch.rejects]
        assert (reject.code, reject.record) == ("row_unreadable", "S777|1") and "S777" in reject.raw
        assert not proof.complete and proof.claimed == 1302 and "1 cannot be read" in proof.why
    run("create or replace view ex_gdbs_sl as select sblsh_short, version, inserttime, n as bljzdm from raw")
    assert read(made, SL, Window(full=True))[2].complete
    made.close()


@pytest.mark.server
def test_a_view_of_which_nothing_can_be_computed_is_the_providers(there) -> None:
    kind, run, to = there
    bad = "cast(0 as unsigned) - version" if kind == "mysql" else "1 / (version - version)"
    run(
        f"create table raw (sblsh_short varchar(9), version int, inserttime {'datetime' if kind == 'mysql' else 'timestamp'})",
        "insert into raw values " + ", ".join(f"('S{n}', 1, '2026-11-01')" for n in range(300)),
        f"create view ex_gdbs_sl as select sblsh_short, version, inserttime, {bad} as bljzdm from raw",
    )
    with pytest.raises(ProviderError) as failed:
        list(connector(SL, to).fetch(SL, Window(full=True), None))
    assert failed.value.code == "row_unreadable" and "视图" in failed.value.zh


@pytest.mark.server
def test_dates_without_a_month_or_a_day_come_with_every_window(server: MariaDb, front: Callable) -> None:
    """They were written today, and compare as of a window that was complete long ago."""
    front(
        "create table EX_GDBS_SL (SBLSH_SHORT varchar(50), VERSION int, INSERTTIME datetime)",
        "insert into EX_GDBS_SL values ('month', 1, '2026-00-00 00:00:00'), ('day', 1, '2025-05-00 10:00:00'),"
        " ('in', 1, '2026-11-01 08:00:00'), ('out', 1, '2026-12-01 08:00:00')",
    )
    rows, _, proof = read(
        connector(SL, endpoint(server.port)), SL, Window(datetime(2026, 11, 1), datetime(2026, 11, 2))
    )
    assert {row["SBLSH_SHORT"] for row in rows} == {"in", "month", "day"} and proof.complete
    (issue,) = [issue for issue in proof.issues if issue.code == "increment_missing"]
    assert issue.detail.startswith("2 rows")


def test_postgresql_values_of_every_kind_stand_as_written(database: str, run: Callable) -> None:
    """Arrays, ranges, enums, bytes, padded characters, a domain, inet, bits, times of infinity."""
    run(
        "create type light as enum ('红', '绿')",
        "create table ex_gdbs_sl (sblsh_short char(6), version smallint, inserttime timestamptz, a text[], b int4range,"
        " c light, d bytea, e inet, f bit(3), h jsonb, i point, j timestamp, k date, l boolean, m int[], n tstzrange)",
        "insert into ex_gdbs_sl values ('a', 1, '2026-11-01 08:00+08', array['东莞', 'a,b', null], '[1,5)', '绿', '\\\\x00ff',"
        " '10.0.0.1/8', b'101', '{\"k\": [1, null]}', '(1,2)', 'infinity', '-infinity', true, '{{1,2},{3,4}}',"
        " '[2026-01-01 00:00+08,)')",
    )
    rows, _, proof = read(connector(SL, pg(database)), SL, Window(full=True))
    (row,) = rows
    assert proof.complete
    assert (row["b"], row["c"], row["d"], row["f"], row["j"], row["k"], row["l"]) == (
        "[1,5)",
        "绿",
        "\\x00ff",
        "101",
        "infinity",
        "-infinity",
        "1",
    )
    assert row["a"] == '["东莞", "a,b", null]' and row["m"] == "[[1, 2], [3, 4]]" and row["e"] == "10.0.0.1/8"
    assert row["n"] == '["2026-01-01 00:00:00+08",)'


def test_what_copy_writes_is_what_a_cursor_gives(database: str, run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a text holds: the marks of CSV, line ends, a first letter that is a byte order mark, words for NULL."""
    dice = random.Random(16)
    letters = [
        "\ufeff",
        '"',
        ",",
        "\n",
        "\r",
        "\r\n",
        "\\",
        "\\N",
        "\\.",
        " ",
        "\t",
        "NULL",
        "%s",
        "'",
        "a",
        "莞",
        "😀",
        "\x01",
        "''",
    ]
    rows = [
        [
            "".join(dice.choices(letters, k=dice.randrange(6))),
            dice.randrange(-9, 9),
            dice.choice([None, datetime(2026, 11, 1, 8, n % 60, 0, n % 2 * 500)]),
            dice.choice([None, "", *letters, "".join(dice.choices(letters, k=4))]),
            dice.choice([None, True, False]),
            dice.choice([None, Decimal("1.50"), Decimal("NaN"), Decimal("1e20")]),
            dice.choice([None, '{"k": "\\n,\\""}', "null", '""']),
            dice.choice([None, "6f1c5ed4-93a1-4a3e-9a0f-2f6c3d1b7a55"]),
            dice.choice([None, "1 year -3 days"]),
            dice.choice([None, "0.1", "-Infinity"]),
            dice.choice([None, -(2**63)]),
            dice.choice([None, "24:00"]),
            dice.choice([None, "[1,5)"]),
            dice.choice([None, 2**32 - 1]),
            *(dice.choice([None, "", " ", "a"]) for _ in range(3)),
        ]
        for n in range(400)
    ]
    with psycopg.connect(database.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
        cursor.execute("create domain place as text")
        cursor.execute(
            'create table ex_gdbs_sl (sblsh_short text, version int, inserttime timestamp, "a%s,""b" place, c boolean,'
            " d numeric, e jsonb, f uuid, g interval, h float4, i bigint, j time, k int4range, l oid, m varchar, n char(3), o name)"
        )
        cursor.executemany(f"insert into ex_gdbs_sl values ({', '.join(['%s'] * 17)})", rows)
    monkeypatch.setattr(sql_engine, "_COPY_ROWS", 7)
    window = Window(datetime(2026, 11, 1), datetime(2026, 11, 2))
    feed = window_feed("m2.sl", ["SBLSH_SHORT", "VERSION"], "INSERTTIME", table="EX_GDBS_SL", rows=90, order=["i", "m"])
    found = []
    for copies in (True, False):
        if not copies:
            monkeypatch.setattr(protocol, "written_as_text", lambda connection, described: None)
        for asked in (window, Window(full=True)):
            came, payloads, proof = read(connector(feed, pg(database)), feed, asked)
            assert proof.complete and len(came) == 400 and [one.facts["rows"] for one in payloads] == [90] * 4 + [40]
            found.append(sorted(came, key=str))
    assert found[0] == found[1] == found[2] == found[3]
    texts = sorted((row["SBLSH_SHORT"], str(row['a%s,"b'])) for row in found[0])
    assert texts == sorted((row[0], str(row[3])) for row in rows)


@pytest.mark.parametrize("state", ["0A000", "42601"])
def test_a_server_without_copy_is_read_by_a_cursor(
    database: str, run: Callable, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    run(
        "create table ex_gdbs_sl (sblsh_short text, version int, inserttime timestamp)",
        "insert into ex_gdbs_sl select n, 1, '2026-11-01' from generate_series(1, 30) n",
        # what answers as such a server does, to the one statement that begins with COPY's query
        "create function refused() returns int language plpgsql as "
        f"$$ begin if left(current_query(), 4) = 'copy' then raise exception 'no COPY here' using errcode = '{state}'; end if; return 1; end $$",
        "alter table ex_gdbs_sl rename to raw",
        "create view ex_gdbs_sl as select sblsh_short, version, inserttime, refused() as one from raw",
    )
    rows, _, proof = read(connector(SL, pg(database)), SL, Window(full=True))
    assert proof.complete and len(rows) == 30


def test_columns_that_differ_by_case_alone_are_both_handed_on(database: str, run: Callable) -> None:
    """The mapping compares them, row by row; none is chosen in silence."""
    run(
        'create table ex_gdbs_sl ("SBLSH_SHORT" varchar(9), version int, inserttime timestamp, "SLBMMC" text, "SlbMmc" text)',
        "insert into ex_gdbs_sl values ('a', 1, '2026-11-01', '住建局', '住建局'), ('b', 1, '2026-11-01', '住建局', '发改局')",
    )
    rows, _, proof = read(connector(SL, pg(database)), SL, Window(full=True))
    assert proof.complete and [(row["SLBMMC"], row["SlbMmc"]) for row in rows] == [
        ("住建局", "住建局"),
        ("住建局", "发改局"),
    ]
    table = pa.table({name: pa.array([row[name] for row in rows], pa.large_string()) for name in rows[0]})
    mapped = compiler.load("m2.sl").apply(table)
    assert mapped.rejects["code"].to_list() == ["column_ambiguous"]
    assert mapped.records["record_key"].to_list() == ["a|1"]
