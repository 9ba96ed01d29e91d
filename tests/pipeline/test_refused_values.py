"""A value that the database would refuse rejects its own record, in every phase; the others go on."""

from __future__ import annotations

import json
import random
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline import health, redrive, unify
from pipeline import map as map_phase
from pipeline.outcome import Outcome
from sources import loader
from standins import world as worlds
from store import landing, migrate, tables, values
from store.engine import engine, refusal, transaction
from store.staging import Staged
from tests.pipeline.rows import case, project, rows, run, scalar
from tests.supervision import told

NOTE = "".join(random.Random(7).choices([chr(n) for n in range(0x4E00, 0x9000)], k=1_200))
REFUSED = [  # of one raw column of m2.sb, and what becomes of the row: quarantined, or stored
    ("SBSJ", "9999-12-31T23:59:59Z", 1),
    ("SBSJ", "0000-01-01 00:00:00", 0),
    ("SBSJ", "0000-00-00", 0),
    ("SBXMMC", "a\x00b", 0),
    ("SBXMMC", NOTE * 20, 0),
    ("SXBM", NOTE, 1),
    ("SBLSH_SHORT", NOTE, 1),
    ("PROJECT_CODE", NOTE, 1),
]


def execute(*statements: str) -> None:
    with transaction() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def refuse(table: str, condition: str) -> None:
    """Make the database refuse rows, as an index or a check may that nobody thought of."""
    execute(
        f"""create function pg_temp_refuse() returns trigger language plpgsql as $$ begin
              if {condition} then raise exception 'no such value' using errcode = '54000'; end if; return new; end $$""",
        f"create trigger refuse before insert or update on {table} for each row execute function pg_temp_refuse()",
    )


def balanced(outcome: Outcome) -> bool:
    return outcome.outcome == "ok" and outcome.counts.balanced


@pytest.mark.parametrize(("column", "value", "quarantined"), REFUSED, ids=range(len(REFUSED)))
def test_one_value_is_one_records_matter(world, column, value, quarantined):
    world["m2.sb"].pages = [[case(1), case(2, **{column: value}), case(3)]]
    outcome = run("m2.sb")
    assert balanced(outcome) and outcome.counts.quarantined == quarantined and outcome.counts.new == 3 - quarantined
    assert not unify.run().refused
    reasons = [
        reason for (row,) in [(r["reasons"],) for r in rows("select reasons from landing.quarantine")] for reason in row
    ]
    assert all(reason["code"] and reason["field"] and reason["message"] for reason in reasons)


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worlds.make(tmp_path_factory.mktemp("notes") / "world", projects=2, seed=3, today=datetime(2026, 11, 23, 8))


@pytest.mark.timeout(120)
def test_a_note_in_any_column_of_any_feed_stops_nobody(world, small_world):
    for source in loader.load_all().values():
        for feed in source.feeds.values():
            lines = told.rows(small_world, feed.id, datetime(2026, 11, 23, 8)) if "mqtt" not in feed.id else []
            if not lines:
                continue
            line = {
                k: v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False)
                for k, v in lines[0].items()
            }
            world[feed.id].pages = [[line, *({**line, name: NOTE} for name in line)]]
            outcome = run(feed.id)
            assert balanced(outcome), (feed.id, outcome.error)
            assert scalar("select count(*) from source.record where feed = :f", f=feed.id) >= 1, feed.id
    assert unify.run().refused == []
    assert scalar("select count(*) from store.project") >= 1


def test_every_b_tree_index_of_entities_holds_bounded_text_alone(hub):
    indexes = rows(
        """select n.nspname || '.' || t.relname as of, pg_get_indexdef(i.indexrelid, k, true) as what
           from pg_index i join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
           join pg_class x on x.oid = i.indexrelid join pg_am a on a.oid = x.relam,
                generate_series(1, i.indnkeyatts) k
           where a.amname = 'btree' and n.nspname in ('source', 'store')"""
    )
    for entity in tables.entities():
        texts = {c.name for c in tables.entity_columns(entity) if isinstance(c.type, sa.Text)}
        for index in indexes:
            if index["of"] in (f"source.{entity}", f"store.{entity}"):
                named = {name for name in texts if name in index["what"].replace("(", " ").replace(")", " ").split()}
                assert named <= values.indexed(entity), (entity, index)


def test_a_refused_copy_is_brought_down_to_its_row(world, monkeypatch):
    monkeypatch.setattr(map_phase, "_storable", lambda mapped: mapped)  # a value that the gate does not know
    world["m2.sb"].pages = [[case(n, SBSJ="9999-12-31 00:00:00" if n == 5 else "2026-03-01") for n in range(20)]]
    true = Staged.create

    def narrow(staged, connection):
        true(staged, connection)
        connection.exec_driver_sql(f"alter table {staged.name('case')} add check (submitted_at < '9000-01-01')")

    monkeypatch.setattr(Staged, "create", narrow)
    outcome = run("m2.sb")
    assert balanced(outcome) and (outcome.counts.new, outcome.counts.quarantined) == (19, 1)
    (entry,) = rows("select reasons, raw from landing.quarantine")
    assert entry["reasons"][0]["code"] == "value_refused" and "441900000005" in json.dumps(entry["raw"])


def test_a_row_that_the_mapping_cannot_map_harms_no_other(world, monkeypatch):
    from mappings.mapping import Mapping

    true = Mapping.apply

    def fails(self, table, standing=None):
        if (
            any("441900000005" in str(key) for key in table.column("SBLSH_SHORT").to_pylist())
            if table.num_rows
            else False
        ):
            raise ZeroDivisionError("in the mapping")
        return true(self, table, standing)

    monkeypatch.setattr(Mapping, "apply", fails)
    world["m2.sb"].pages = [[case(n) for n in range(20)]]
    outcome = run("m2.sb")
    assert balanced(outcome) and (outcome.counts.new, outcome.counts.quarantined) == (19, 1)
    assert scalar("select reasons -> 0 ->> 'code' from landing.quarantine") == "unmappable_row"


def test_a_mapping_that_fails_without_any_row_fails_the_batch(world, monkeypatch):
    from mappings.mapping import Mapping

    monkeypatch.setattr(Mapping, "apply", lambda self, table: 1 / 0)
    world["m2.sb"].pages = [[case(1)]]
    assert (run("m2.sb").outcome, scalar("select fault from landing.run")) == ("failed", "ours")


def test_a_row_that_the_merge_cannot_write_harms_no_other(world):
    refuse('source."case"', "new.project_name = '项目5'")
    world["m2.sb"].pages = [[case(n) for n in range(20)]]
    outcome = run("m2.sb")
    assert balanced(outcome) and (outcome.counts.new, outcome.counts.quarantined) == (19, 1)
    (entry,) = rows("select record_key, reasons from landing.quarantine")
    assert "441900000005" in entry["record_key"] and "no such value" in entry["reasons"][0]["message"]
    execute('drop trigger refuse on source."case"')
    assert redrive.run("m2.sb")[0].counts.new == 1
    assert scalar("select count(*) from landing.quarantine where state = 'open'") == 0


def test_a_record_that_unify_cannot_take_is_set_aside_until_it_changes(world):
    refuse("store.project", "new.project_name = '坏1'")
    world["d2.projects"].pages = [[project(1, "坏"), *(project(n) for n in range(2, 30))]]
    world["m2.sb"].pages = [[case(n) for n in range(5)]]
    run("d2.projects"), run("m2.sb")
    result = unify.run()
    assert [key.partition(" ")[0] for key in result.refused] == ["d2.projects"]
    assert scalar("select count(*) from store.project where gone_at is null") == 28
    assert scalar('select count(*) from store."case"') == 5
    (entry,) = rows("select state, reasons, record_key from landing.quarantine")
    assert (
        entry["state"] == "open" and entry["reasons"][0]["code"] == "unify_refused" and "000001" in entry["record_key"]
    )
    assert unify.run().taken == 0
    (light,) = [feed for feed in health.health("d2") if feed.feed == "d2.projects"]
    assert (light.light, light.fault, light.set_aside) == ("failing", "provider", 1) and "搁置" in light.zh
    # said again as it was: nothing to try; changed: tried again by itself
    run("d2.projects")
    assert unify.run().taken == 0
    world["d2.projects"].pages = [[project(1, "好"), *(project(n) for n in range(2, 30))]]
    run("d2.projects")
    assert unify.run().refused == []
    assert {feed.feed: feed.set_aside for feed in health.health("d2")}["d2.projects"] == 0
    assert scalar("select count(*) from store.project where gone_at is null") == 29
    assert scalar("select count(*) from landing.quarantine where state = 'open'") == 0


def test_a_record_that_was_set_aside_is_taken_up_when_its_entry_is_driven_again(world):
    refuse("store.project", "new.project_name = '坏1'")
    world["d2.projects"].pages = [[project(1, "坏"), project(2)]]
    run("d2.projects")
    unify.run()
    assert redrive.run("d2.projects")[0].outcome == "ok"
    assert len(unify.run().refused) == 1 and scalar("select count(*) from landing.quarantine where state = 'open'") == 1
    execute("drop trigger refuse on store.project")
    redrive.run("d2.projects")
    assert unify.run().refused == [] and scalar("select count(*) from store.project where gone_at is null") == 2
    assert scalar("select count(*) from landing.quarantine where state = 'open'") == 0


def test_a_failure_without_any_record_is_no_records_fault(world):
    refuse("store.member", "true")
    world["d2.projects"].pages = [[project(1), project(2)]]
    run("d2.projects")
    execute("delete from store.dirty")
    execute("insert into store.dirty (record_id, feed, run_id) select 0, 'x', 0")
    execute("create trigger refuse before delete on store.dirty for each row execute function pg_temp_refuse()")
    with pytest.raises(sa.exc.DBAPIError):
        unify.run()
    assert scalar("select count(*) from landing.quarantine") == 0


def test_texts_of_runs_and_receipts_take_what_no_column_takes(hub):
    run_id = landing.open_run("m2", "m2.sb", landing.Span(full=True), "cli")
    with transaction() as connection:
        landing.close_run(connection, run_id, outcome="failed", error="a\x00b\ud800c")
        landing.write_state(connection, "m2.sb", run_id, {"a\x00": ["\udc00", float("nan")]})
    assert scalar("select error from landing.run") == "a\ufffdb\ufffdc"
    assert landing.state("m2.sb") == {"a\ufffd": ["\ufffd", None]}


def test_a_lost_connection_is_no_refusal(hub):
    with engine().connect() as connection, pytest.raises(sa.exc.DBAPIError) as raised:
        connection.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")
    assert refusal(raised.value) is None
    assert migrate.differences() == []
