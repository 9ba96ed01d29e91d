"""A verdict from absence needs a source that spoke afterwards: between a freeze and its detection nobody is accused."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from quality.silence import episode
from store.engine import transaction
from supervision import explain
from supervision.ledger import supervise
from tests.supervision.making import case, catalogue, complete, filed, found, item, licence, project
from tests.supervision.test_commands import run

NOW = "2026-03-20 08:00"


@pytest.fixture(autouse=True)
def city(hub):
    catalogue()
    complete(read=NOW)
    project()
    return hub


def spoke(feed: str, until: str, *, every: float = 1.0, part: tuple[str, str] | None = None) -> None:
    """A feed, or a part of it, had a row every so many days for a year, the last one not later than ``until``."""
    last, rows = datetime.fromisoformat(until), []
    while len(rows) * every < 365:
        rows.append(last - len(rows) * timedelta(days=every))
    kind, name = part or ("feed", "")
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into landing.arrival (feed, kind, part, at, came, rows)
                   select :feed, :kind, :part, date_trunc(:unit, at), at::date, count(*) from unnest(cast(:rows as timestamp[])) at
                   group by 4, 5 on conflict do nothing"""
            ),
            {"feed": feed, "kind": kind, "part": name, "rows": rows, "unit": "day" if part else "hour"},
        )


def judged(rule: str, day: str = "2026-03-20") -> str | None:
    """Whether a rule's one verdict is made, or waits."""
    if found(day, rule):
        return "made"
    return "waits" if found(day, rule, waiting=True) else None


@pytest.mark.parametrize(("last", "expected"), [("2026-03-18 17:00", "waits"), ("2026-03-19 09:00", "made")])
def test_a_running_case_is_overdue_only_once_its_own_source_spoke_after_the_due_date(last, expected):
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-16"}, channel="D1")  # due 03-18
    spoke("d1.cases", last)
    assert judged("overdue", "2026-03-19") == expected


def test_why_a_case_waits_is_told_with_it():
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-16"}, channel="D1")  # due 03-18
    spoke("d1.cases", "2026-03-18 17:00")
    (told,) = explain.case("late", datetime(2026, 3, 19).date())
    assert (told["light"], told["waits_for"]) == ("待数据", ["d1.cases"])
    assert told["not_judged"] == "未判定，等待 d1.cases（自 2026-03-18 16:40 静默）"
    assert "未判定，等待 d1.cases" in run("why", "case", "late", "--as-of", "2026-03-19")[1]
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.arrival")
    spoke("d1.cases", "2026-03-19 09:00")
    (told,) = explain.case("late", datetime(2026, 3, 19).date())
    assert (told["light"], told["waits_for"], told["not_judged"]) == ("红", [], None)


@pytest.mark.parametrize(("every", "last"), [(2.5, "2026-03-18 15:00"), (7, "2026-03-13 15:00")])
def test_a_source_that_seldom_speaks_is_waited_for_by_its_own_cases_alone(every, last):
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-16"}, channel="D1")
    case("M", "DG-903", {"ACCEPTED": "2026-03-16"})
    spoke("d1.cases", last, every=every)
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    assert {number for _, _, number in found("2026-03-20", "overdue")} == {"M"}
    assert {number for _, _, number in found("2026-03-20", "overdue", waiting=True)} == {"late"}


def test_a_table_that_seldom_speaks_is_answered_for_by_its_source():
    item("DG-903", promised=2, statutory=9)
    case("M", "DG-903", {"ACCEPTED": "2026-03-16"})
    spoke("m2.tbcxsq", "2026-02-18 17:00", every=20)
    spoke("m2.sl", "2026-03-20 07:00", every=0.2)
    assert judged("overdue") == "made"
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.arrival where feed = 'm2.sl'")
    spoke("m2.sl", "2026-03-18 17:00", every=0.2)
    assert judged("overdue") == "waits"


def test_a_department_that_speaks_often_answers_for_itself():
    item("DG-903", promised=2, statutory=9)
    for number, handler in (("甲", "114419000000000A01"), ("乙", "114419000000000B02")):
        case(number, "DG-903", {"ACCEPTED": "2026-03-16"}, department_code=handler)
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    spoke("m2.bj", "2026-03-19 17:00", every=0.5, part=("department", "114419000000000A01"))
    spoke("m2.bj", "2026-03-17 17:00", every=0.5, part=("department", "114419000000000B02"))
    assert {number for _, _, number in found("2026-03-20", "overdue")} == {"甲"}


@pytest.mark.parametrize("part", [("event", "DONE_OK"), ("column", "case.concluded_at")])
def test_conclusions_that_stop_while_acceptances_go_on_prove_nothing(part):
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-16"}, channel="D1")
    spoke("d1.cases", "2026-03-20 07:00", every=0.2)
    spoke("d1.cases", "2026-03-17 17:00", every=0.5, part=part)
    assert judged("overdue") == "waits"


def test_a_case_that_ended_late_may_have_been_paused_by_what_has_not_come():
    item("DG-903", promised=2, statutory=9)
    case("ended", "DG-903", {"ACCEPTED": "2026-03-09", "DONE_OK": "2026-03-17"})
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    assert judged("overdue") == "made"
    spoke("m2.tbcxsq", "2026-03-06 17:00", every=0.25)
    assert judged("overdue") == "waits"


def test_what_came_to_hold_lately_waits_and_what_held_before_is_judged():
    """Rules without a last day: the project stands still since a day of which no source has spoken yet."""
    filed()
    case("604", "DG-604", {"ACCEPTED": "2026-02-05 09:00"})
    assert judged("stalled") == "made"  # 20 working days on 03-13
    spoke("p1.licence", "2026-03-12 17:00")
    assert judged("stalled") == "waits"
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.arrival")
    spoke("p1.licence", "2026-03-19 17:00")
    assert judged("stalled") == "made"


def test_a_quoted_number_may_stand_in_what_has_not_come_of_the_directory():
    licence("P", "DG-604", "2026-03-18", kind="permit", quotes_land="地字第4419002026YD0001号")
    assert judged("C14") == "made"
    spoke("p1.licence", "2026-03-17 17:00")
    assert judged("C14") == "waits"


def test_of_two_cases_at_once_the_earlier_may_have_ended_unheard():
    case("first", "DG-502", {"SUBMITTED": "2026-03-02", "ACCEPTED": "2026-03-02"})
    case("second", "DG-502", {"SUBMITTED": "2026-03-16", "ACCEPTED": "2026-03-16", "DONE_OK": "2026-03-17"})
    spoke("m2.bj", "2026-03-13 17:00", every=0.25)
    assert judged("C10") == "waits"
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.arrival")
    spoke("m2.bj", "2026-03-20 07:00", every=0.25)
    assert judged("C10") == "made"


def test_a_silence_that_a_person_called_right_is_waited_for_no_longer():
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-02"}, channel="D1")
    spoke("d1.cases", "2026-02-26 17:00")
    supervise(datetime.fromisoformat(NOW).date())
    assert judged("overdue") == "waits"
    episode.approve("d1.cases", datetime(2026, 4, 1).date(), "li", "系统升级停报")
    assert judged("overdue") == "made"
