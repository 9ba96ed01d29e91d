"""The life of findings: opened, confirmed, lifted, closed, opened again; and what a run costs and leaves."""

from __future__ import annotations

import threading
import time
from datetime import date
from functools import partial

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa

from core.errors import ConfigurationError
from store import unify
from store.engine import transaction
from supervision import ledger as ledger_
from supervision.ledger import decide, listed, supervise
from tests.pipeline.rows import rows, scalar
from tests.supervision.making import (
    P,
    at,
    case,
    catalogue,
    complete,
    filed,
    gone,
    licence,
    project,
    project_code,
    put,
)

MONDAY = date(2026, 3, 9)


@pytest.fixture(autouse=True)
def city(hub):
    catalogue()
    complete()
    project()
    return hub


def returned(no: str = "M1", code: str = P) -> None:
    case(
        no, "DG-502", [("SUBMITTED", "2026-03-02 09:00", {}), ("REJECTED_INTAKE", "2026-03-04 09:00", {})], project=code
    )


def accepted(no: str, on: str, code: str = P) -> None:
    case(no, "DG-502", {"SUBMITTED": on, "ACCEPTED": on}, project=code)


def states() -> dict[str, str]:
    return {f"{rule} {no}": state for rule, no, state in listed().select("rule", "case_no", "state").iter_rows()}


def life() -> list[str]:
    return [row["event"] for row in rows("select event from supervision.finding_event order by seq")]


def ledger() -> list[dict]:
    return rows("select * from supervision.finding order by id")


def test_opened_closed_and_opened_again_it_stays_one_finding():
    returned()
    supervise(MONDAY)
    (before,) = ledger()
    accepted("M2", "2026-03-10 09:00")
    supervise(date(2026, 3, 10))
    assert states() == {"returned M1": "closed"} and ledger()[0]["closed_on"] == date(2026, 3, 10)
    gone("case", "M2:M2")
    done = supervise(date(2026, 3, 11))
    assert (done.opened, done.reopened) == (0, 1) and states() == {"returned M1": "open"}
    assert [f["id"] for f in ledger()] == [before["id"]] and life() == ["opened", "closed", "reopened"]


def test_running_again_writes_nothing():
    returned()
    accepted("M9", "2026-01-12")
    supervise(date(2026, 3, 3))
    supervise(MONDAY)
    tables = ("finding", "finding_event", "clock", "stage_state", "position", "waiting")
    before = {t: rows(f"select xmin::text as x, t.* from supervision.{t} t order by 2, 3") for t in tables}
    done = supervise(MONDAY, whole=True)
    assert (done.opened, done.reopened, done.closed) == (0, 0, 0)
    assert {t: rows(f"select xmin::text as x, t.* from supervision.{t} t order by 2, 3") for t in tables} == before


def test_a_rising_level_is_told_and_opens_no_second():
    case("M1", "DG-502", {"ACCEPTED": "2026-02-02"})  # 7 / 20 days: 02-11 and 03-10 with the Spring Festival
    supervise(date(2026, 2, 12))
    supervise(date(2026, 3, 31))
    overdue = [f for f in ledger() if f["rule"] == "overdue"]
    assert [(f["level"], f["severity"], f["state"]) for f in overdue] == [("双红", 3, "open")]
    events = rows(
        "select event, why from supervision.finding_event e join supervision.finding f on f.id = e.finding_id where rule = 'overdue' order by seq"
    )
    assert [(e["event"], e["why"]) for e in events] == [("opened", "红"), ("level", "红 → 双红")]


def test_a_false_alarm_stays_silent_until_its_evidence_changes():
    returned()
    supervise(MONDAY)
    decide(ledger()[0]["id"], "lifted", by="王五", note="申请人放弃")
    supervise(date(2026, 3, 10))
    supervise(date(2026, 3, 10), whole=True)
    assert states() == {"returned M1": "lifted"}
    put(
        "case_event",
        "M2:M1|9",
        channel="M2",
        case_no="M1",
        case_id="M2:M1",
        event="HANDLING",
        at=at("2026-03-03 09:00"),
        series="SPCL",
        series_key="x",
        version=1,
    )
    done = supervise(date(2026, 3, 10))
    assert done.reopened == 1 and not done.whole and states() == {"returned M1": "open"}
    assert ledger()[0]["decided_by"] is None and life() == ["opened", "lifted", "reopened"]


def test_a_stall_judged_false_opens_again_when_something_happened_since():
    filed()
    supervise(date(2026, 3, 31))
    (stall,) = [f for f in ledger() if f["rule"] == "stalled"]
    decide(stall["id"], "lifted", by="王五", note="业主暂缓")
    assert supervise(date(2026, 4, 1)).reopened == 0
    case("X", "DG-502", {"SUBMITTED": "2026-04-02 09:00", "WITHDRAWN": "2026-04-02 10:00"})
    supervise(date(2026, 4, 3))
    assert supervise(date(2026, 5, 29)).reopened == 1 and states()["stalled "] == "open"


def test_a_confirmed_finding_closes_with_the_data():
    returned()
    supervise(MONDAY)
    decide(ledger()[0]["id"], "confirmed", by="王五", note="属实")
    supervise(date(2026, 3, 10))
    assert states() == {"returned M1": "confirmed"}
    accepted("M2", "2026-03-11 09:00")
    supervise(date(2026, 3, 11))
    assert states() == {"returned M1": "closed"}
    with pytest.raises(ConfigurationError, match="no open finding"):
        decide(ledger()[0]["id"], "lifted", by="王五", note="晚了")


def test_what_waits_for_data_opens_nothing_and_closes_nothing():
    case("604", "DG-604", {"ACCEPTED": "2026-03-02"})
    complete("m2.sb", until="2026-03-02 12:00")
    done = supervise(MONDAY)
    assert states() == {} and done.not_judged["C1"] == 1
    complete("m2.sb")
    supervise(MONDAY)
    assert states()["C1 "] == "open", "judged once the data are in, on the same day too"
    complete("m2.sb", until="2026-02-25")
    assert supervise(date(2026, 3, 10)).not_judged["C1"] == 1
    assert states()["C1 "] == "open", "neither confirmed nor closed by data that are not there"


def test_a_changed_project_alone_is_judged_on_the_same_day():
    other = project_code(2)
    project(other)
    returned()
    returned("M5", other)
    supervise(MONDAY)
    accepted("M6", "2026-03-09 08:00", other)
    done = supervise(MONDAY)
    assert (done.whole, done.projects, done.closed) == (False, 1, 1)
    assert states() == {"returned M1": "open", "returned M5": "closed"}
    assert supervise(MONDAY).projects == 0


def test_step_by_step_is_the_same_as_whole():
    codes = [project_code(n) for n in range(2, 8)]
    for code in codes:
        project(code, project_name=f"厂房{code}")
        filed(code)
    supervise(MONDAY)
    returned("A", codes[0])
    case("B", "DG-604", {"ACCEPTED": "2026-03-02"}, project=codes[1])
    supervise(MONDAY)
    case(
        "C",
        "DG-502",
        {"SUBMITTED": "2026-03-03"},
        project=None,
        project_name=f"厂房{codes[2]}",
        project_code_written=None,
    )
    licence("施1", project=codes[3], channel="D3", kind="permit", quotes_land="地1号", case_id=None)
    supervise(MONDAY)
    case("D", "DG-502", {"ACCEPTED": "2026-01-12"}, project=codes[4])
    licence("地1号", "DG-404", "2026-02-02", project=codes[5])
    gone("case", "M2:A")
    supervise(MONDAY)
    step_by_step = (
        states(),
        rows("select * from supervision.clock order by case_id"),
        rows("select * from supervision.waiting"),
    )
    supervise(MONDAY, whole=True)
    assert (
        states(),
        rows("select * from supervision.clock order by case_id"),
        rows("select * from supervision.waiting"),
    ) == step_by_step
    with transaction() as connection:
        connection.exec_driver_sql(
            "truncate supervision.clock, supervision.stage_state, supervision.position, supervision.waiting"
        )
        connection.exec_driver_sql("delete from supervision.run")
    supervise(MONDAY)
    standing = {key for key, state in step_by_step[0].items() if state == "open"}
    assert {key for key, state in states().items() if state == "open"} == standing
    assert rows("select * from supervision.clock order by case_id") == step_by_step[1]
    assert {"C12 C", "C1 ", "overdue D"} <= standing and "C14 施1" not in standing


def test_parts_of_the_city_are_judged_as_the_whole(monkeypatch):
    for n in range(2, 9):
        project(project_code(n))
        returned(f"M{n}", project_code(n))
    case(
        "C",
        "DG-502",
        {"SUBMITTED": "2026-03-03"},
        project=None,
        project_name=f"项目{P[-6:]}",
        project_code_written=None,
    )
    supervise(MONDAY)
    whole = [{k: v for k, v in f.items() if k != "opened_at"} for f in ledger()]
    monkeypatch.setattr(ledger_, "chunks", partial(ledger_.chunks, size=2))
    done = supervise(MONDAY, whole=True)
    assert (done.opened, done.reopened, done.closed) == (0, 0, 0)
    assert [{k: v for k, v in f.items() if k != "opened_at"} for f in ledger()] == whole and "C12" in {
        f["rule"] for f in ledger()
    }


def test_a_project_that_is_gone_takes_its_findings_along():
    returned()
    supervise(MONDAY)
    gone("case", "M2:M1")
    gone("project", P)
    supervise(date(2026, 3, 10))
    assert states() == {"returned M1": "closed"} and scalar("select count(*) from supervision.clock") == 0
    assert scalar("select count(*) from supervision.position") == 0


def test_the_ledger_does_not_go_back():
    supervise(MONDAY)
    with pytest.raises(ConfigurationError, match="does not go back"):
        supervise(date(2026, 3, 8))


def test_no_line_of_a_life_can_be_altered():
    returned()
    supervise(MONDAY)
    for statement in (
        "update supervision.finding_event set by = 'x'",
        "delete from supervision.finding_event",
        "truncate supervision.finding_event",
    ):
        with pytest.raises(sa.exc.DatabaseError) as refused, transaction() as connection:
            connection.exec_driver_sql(statement)
        assert isinstance(refused.value.orig, psycopg.errors.RaiseException)


def test_what_opened_and_closed_is_counted_over_all_parts_of_the_city(monkeypatch):
    """The city is judged some projects at a time; the counts are of all of them."""
    monkeypatch.setattr(ledger_, "chunks", partial(ledger_.chunks, size=1))
    codes = [project_code(number) for number in (1, 2, 3)]
    for number, code in enumerate(codes):
        project(code)
        returned(f"R{number}", code)
    done = supervise(MONDAY)
    assert (done.opened, done.projects) == (3, 3)
    for number, code in enumerate(codes):
        accepted(f"A{number}", "2026-03-10 09:00", code)
    assert supervise(date(2026, 3, 10)).closed == 3
    for number in range(3):
        gone("case", f"M2:A{number}")
    assert supervise(date(2026, 3, 11)).reopened == 3
    assert rows("select opened, reopened, closed from supervision.run order by id") == [
        {"opened": 3, "reopened": 0, "closed": 0},
        {"opened": 0, "reopened": 0, "closed": 3},
        {"opened": 0, "reopened": 3, "closed": 0},
    ]


def test_a_project_that_cannot_be_judged_is_set_aside_and_the_rest_is_judged(monkeypatch):
    """Found by halves; what is known of it stays as it was, and it is judged again when it can be."""
    codes = [project_code(number) for number in (1, 2, 3, 4, 5)]
    for number, code in enumerate(codes):
        project(code)
        returned(f"R{number}", code)
    supervise(MONDAY)
    judged_whole = ledger_.judge

    def judge(connection, as_of, projects, *more):
        if codes[2] in projects:
            raise pl.exceptions.ComputeError("a value that nobody has seen")
        return judged_whole(connection, as_of, projects, *more)

    for number, code in enumerate(codes):
        accepted(f"A{number}", "2026-03-10 09:00", code)
    with monkeypatch.context() as patch:
        patch.setattr(ledger_, "judge", judge)
        done = supervise(date(2026, 3, 10))
    assert done.closed == 4 and done.projects == 4
    assert done.refused == {codes[2]: "ComputeError: a value that nobody has seen"}
    assert states() == {f"returned R{n}": "open" if n == 2 else "closed" for n in range(5)}
    (told,) = rows("select feed, record, severity, duty from landing.issue where code = 'supervise_refused'")
    assert told == {"feed": "test.feed", "record": codes[2], "severity": "error", "duty": "operations"}
    assert supervise(date(2026, 3, 11)).refused == {} and set(states().values()) == {"closed"}


def test_a_fault_of_no_project_is_raised(monkeypatch):
    def broken(*_):
        raise ValueError("a defect")

    for number in (1, 2):
        project(project_code(number))
    monkeypatch.setattr(ledger_, "judge", broken)
    monkeypatch.setattr(ledger_, "_MOST_REFUSED", 1)
    with pytest.raises(ValueError, match="a defect"):
        supervise(MONDAY)
    assert scalar("select count(*) from supervision.run") == 0


def test_no_unify_begins_while_the_city_is_judged(monkeypatch):
    """It commits cases before their events, and numbers of the feed of changes in no order."""
    returned()
    beside = threading.Thread(target=unify.unify)
    true = ledger_.judge
    waiting = """select count(*) from pg_locks l join pg_database d on d.oid = l.database
                 where l.locktype = 'advisory' and not l.granted and d.datname = current_database()"""

    def judge(*args):
        beside.start()
        while beside.is_alive() and not scalar(waiting):
            time.sleep(0.01)
        assert beside.is_alive()
        return true(*args)

    monkeypatch.setattr(ledger_, "judge", judge)
    assert supervise(MONDAY).opened
    beside.join(20)
    assert not beside.is_alive()
