"""Work orders to a platform that loses answers, is down, forgets tokens: everything arrives, in order, once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest

from core.errors import ConfigurationError, TransientError
from standins import world
from standins.testing import running
from store.engine import transaction
from supervision.ledger import supervise
from supervision.orders import life, municipal, queries
from tests.pipeline.rows import rows, scalar
from tests.supervision.making import case, catalogue, complete, project

NOW = datetime(2026, 3, 9, 10)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Path:
    return world.make(tmp_path_factory.mktemp("m3") / "world", projects=3, seed=3, today=NOW)


@pytest.fixture
def m3(hub, told, postgres_server, monkeypatch, tmp_path):
    """The stand-in platform at NOW, its Connection as Airflow knows it; the hub with one order to tell."""
    with running(told, postgres_server.format(database="postgres"), home=tmp_path, at=NOW) as stand:
        monkeypatch.setenv(
            "AIRFLOW_CONN_M_API", json.dumps({k: v for k, v in stand.connection("m_api").items() if k != "conn_id"})
        )
        fast = municipal.Http.__init__

        def quick(self, *given, **more):
            fast(self, *given, **more)
            self.policy.sleep = lambda seconds: None

        monkeypatch.setattr(municipal.Http, "__init__", quick)
        catalogue()
        project()
        complete()
        case("M1", "DG-502", [("SUBMITTED", "2026-03-02 09:00", {}), ("REJECTED_INTAKE", "2026-03-04 09:00", {})])
        supervise(date(2026, 3, 9))
        life.advance(NOW)
        yield stand


def taken(stand) -> list[tuple]:
    """(revision, action) as the platform has them."""
    with sqlite3.connect(stand.ctx.home / "m3.sqlite3") as store:
        return [
            (r, json.loads(b)["action"])
            for r, b in store.execute("select revision, body from taken order by work_order_no, revision")
        ]


def posts(stand) -> int:
    return sum(r.method == "POST" and r.path.endswith("/work-orders") for r in stand.faults.requests)


def change(state: str) -> None:
    """The order's next change."""
    with transaction() as connection:
        connection.exec_driver_sql(f"update supervision.finding set state = '{state}'")
    life.advance(NOW)


def test_a_change_is_told_once_as_the_contract_has_it(m3):
    assert municipal.send().sent == 1
    assert municipal.send().sent == 0
    (body,) = [json.loads(bytes(r["body"])) for r in rows("select body from supervision.outbox")]
    assert body["work_order_no"] == queries.listed()[0]["no"] and body["revision"] == 1 and body["action"] == "dispatch"
    assert body["rule"] == "returned" and body["severity"] == 1 and body["dispatched_at"] == "2026-03-09 10:00:00"
    assert body["due_at"] == "2026-03-10 23:59:59"
    assert taken(m3) == [(1, "dispatch")]
    assert scalar("select answer -> 'answer' ->> 'id' from supervision.outbox").startswith("GD")


def test_the_body_keeps_to_the_published_contract(m3):
    from jsonschema import Draft202012Validator
    from ruamel.yaml import YAML

    contract = YAML(typ="safe").load(ROOT / "schemas/contracts/m1.openapi.yaml")
    schema = {**contract["components"]["schemas"]["WorkOrder"], "components": contract["components"]}
    (row,) = rows("select body from supervision.outbox")
    Draft202012Validator(schema).validate(json.loads(bytes(row["body"])))


@pytest.mark.parametrize("fault", ["lost_answer", "reset", "http_500", "html_502", "token_expired"])
def test_an_answer_that_is_lost_or_broken_doubles_nothing(m3, fault):
    m3.faults.arm("m3", fault)
    result = municipal.send()
    assert (result.sent, result.waiting, result.error) == (1, 0, None)
    assert taken(m3) == [(1, "dispatch")]
    assert scalar("select count(*) from supervision.outbox where state = 'sent'") == 1


def test_a_platform_that_is_down_gets_everything_later_in_order(m3):
    change("closed")
    change("open")
    m3.faults.arm("m3", "down", times=None)
    result = municipal.send()
    assert result.sent == 0 and result.waiting == 3 and isinstance(result.error, TransientError)
    m3.faults.clear()
    m3.move_clock(days=1)
    assert municipal.send().sent == 3
    assert taken(m3) == [(1, "dispatch"), (2, "close"), (3, "reopen")]


def test_killed_between_sending_and_committing_it_has_one_effect(m3, hub):
    script = (
        "import os, signal\n"
        "from supervision.orders import municipal\n"
        "municipal._heard = lambda row, answer: os.kill(os.getpid(), signal.SIGKILL)\n"
        "municipal.send()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert taken(m3) == [(1, "dispatch")] and scalar("select state from supervision.outbox") == "waiting"
    assert municipal.send().sent == 1
    assert taken(m3) == [(1, "dispatch")] and posts(m3) == 2


def test_a_key_that_lapsed_after_a_crash_is_known_by_its_revision(m3):
    municipal.send()
    with transaction() as connection:
        connection.exec_driver_sql("update supervision.outbox set state = 'waiting', key = gen_random_uuid()")
    assert municipal.send().sent == 1  # 409: it was taken
    assert taken(m3) == [(1, "dispatch")]


def test_a_number_with_a_past_goes_on_above_it(m3):
    municipal.send()
    change("closed")
    municipal.send()
    with transaction() as connection:  # as a store made anew has it
        connection.exec_driver_sql("delete from supervision.outbox where revision = 2")
        connection.exec_driver_sql(
            "update supervision.outbox set state = 'waiting', key = gen_random_uuid(), attempts = 0"
        )
        connection.exec_driver_sql("update supervision.work_order set revision = 1")
    assert municipal.send().sent == 1
    assert taken(m3) == [(1, "dispatch"), (2, "close"), (3, "dispatch")]
    assert queries.listed(state="all")[0]["revision"] == 3


def test_a_key_that_stands_for_something_else_is_replaced_once(m3):
    municipal.send()
    change("closed")
    with transaction() as connection:
        connection.exec_driver_sql(
            "create temp table k on commit drop as select key from supervision.outbox where revision = 1"
        )
        connection.exec_driver_sql("update supervision.outbox set key = gen_random_uuid() where revision = 1")
        connection.exec_driver_sql("update supervision.outbox set key = (select key from k) where revision = 2")
    assert municipal.send().sent == 1  # 422, then under a new key
    assert taken(m3) == [(1, "dispatch"), (2, "close")]


def test_what_is_refused_holds_back_the_rest_of_its_order_and_is_kept(m3):
    change("closed")
    with transaction() as connection:
        connection.exec_driver_sql("update supervision.outbox set body = '{}' where revision = 1")
    result = municipal.send()
    assert (result.sent, result.refused, result.waiting) == (0, 1, 1) and taken(m3) == []
    assert "bad_body" in scalar("select error from supervision.outbox where revision = 1")


def test_without_its_connection_nothing_is_sent(m3, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_M_API")
    with pytest.raises(ConfigurationError, match="m_api"):
        municipal.send()
    assert scalar("select sum(attempts) from supervision.outbox") == 0 and posts(m3) == 0


def test_what_departments_do_is_read_back_once(m3):
    municipal.send()
    m3.move_clock(days=6)
    first = municipal.poll()
    assert first.new == first.moved == 3
    assert [s["step"] for s in queries.shown(queries.listed()[0]["no"])["steps"]] == [
        "dispatched",
        "signed",
        "answered",
        "asked_close",
    ]
    again = municipal.poll()  # the page begins with the row that ended the one before
    assert (again.new, again.moved) == (0, 0)
    assert scalar("select cursor is not null from supervision.update_cursor")


def test_a_dead_cursor_begins_anew_and_moves_nothing_twice(m3):
    municipal.send()
    m3.move_clock(days=6)
    municipal.poll()
    m3.faults.arm("m3", "cursor_expired")
    again = municipal.poll()
    assert (again.new, again.moved) == (0, 0) and scalar("select count(*) from supervision.order_update") == 3
    assert scalar("select count(*) from supervision.order_step") == 4


def test_killed_while_reading_back_the_cursor_stays_with_the_rows(m3, monkeypatch):
    municipal.send()
    m3.move_clock(days=6)
    monkeypatch.setattr(municipal, "_move", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        municipal.poll()
    assert (
        scalar("select count(*) from supervision.order_update") == 0
        and scalar("select count(*) from supervision.order_step") == 1
    )
    monkeypatch.undo()


def test_a_token_that_expires_between_pages_is_renewed(m3):
    municipal.send()
    m3.move_clock(days=6)
    m3.faults.arm("m3", "token_expired")
    assert municipal.poll().new == 3
