"""A verdict from absence needs a source that spoke afterwards: between a freeze and its detection nobody is accused."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from quality.silence import episode
from store import arrivals
from store.engine import transaction
from supervision import explain, rulebook, silence
from supervision.ledger import supervise
from supervision.orders import life
from tests.pipeline.rows import rows
from tests.supervision.making import at, case, catalogue, complete, filed, found, item, licence, project, put
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
        arrivals.add(
            connection,
            """select :feed, :kind, :part, date_trunc(:unit, at), at::date, count(*) from unnest(cast(:rows as timestamp[])) at
               group by 4, 5""",
            feed=feed,
            kind=kind,
            part=name,
            rows=rows,
            unit="day" if part else "hour",
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
        connection.exec_driver_sql("delete from landing.arrival_day")
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
        connection.exec_driver_sql("delete from landing.arrival_day where feed = 'm2.sl'")
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


def test_a_case_that_left_a_pause_of_which_no_beginning_came_waits_for_the_table_of_beginnings():
    item("DG-903", promised=2, statutory=9)
    case("ended", "DG-903", {"ACCEPTED": "2026-03-09", "SPECIAL_END": "2026-03-16 10:00", "DONE_OK": "2026-03-17"})
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    spoke("m2.tbcxsq", "2026-03-06 17:00", every=7)
    assert judged("overdue") == "waits"
    spoke("m2.tbcxsq", "2026-03-19 09:00", every=7)
    assert judged("overdue") == "made", "an end without its start is a fault of the data"


def test_a_completion_that_was_asked_for_and_not_notified_waits_for_the_notice():
    item("DG-903", promised=2, statutory=9)
    events = {"ACCEPTED": "2026-03-09", "SUPPLEMENT_ASKED": "2026-03-11 10:00", "DONE_OK": "2026-03-17"}
    case("ended", "DG-903", events)
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    spoke("m2.bzgz", "2026-03-06 17:00", every=7)
    assert judged("overdue") == "waits"
    case("ended", "DG-903", {**events, "SUPPLEMENT_START": "2026-03-11 10:00"})
    assert judged("overdue") is None


def test_a_case_whose_result_has_come_and_whose_end_has_not_waits_for_its_end():
    item("DG-903", promised=2, statutory=9)
    for number in ("licensed", "attached", "bare"):
        case(number, "DG-903", {"ACCEPTED": "2026-03-10"})
    licence("P", "DG-903", "2026-03-11", case_no="licensed", case_id="M2:licensed")
    put(
        "material",
        "m",
        channel="M2",
        case_no="attached",
        case_id="M2:attached",
        role="result",
        inserted_at=at("2026-03-11 15:00"),
    )
    spoke("m2.bj", "2026-04-20 07:00", every=0.2)
    assert {no for _, _, no in found("2026-03-20", "overdue", waiting=True)} == {"licensed", "attached"}
    assert {no for _, _, no in found("2026-03-20", "overdue")} == {"bare"}
    complete(read="2026-04-20 08:00")
    assert {no for _, _, no in found("2026-04-20", "overdue")} == {"licensed", "attached", "bare"}, "20 working days"


def read_once(feed: str) -> None:
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into landing.run (source, feed, trigger, window_full, began, ended_at, outcome, complete)
                   values (split_part(:feed, '.', 1), :feed, 'cli', true, '2026-03-19 08:00', '2026-03-19 08:01', 'ok', true)"""
            ),
            {"feed": feed},
        )


def test_a_feed_that_was_empty_from_its_first_read_on_is_a_hole_where_its_declaration_expects_rows():
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-16"})
    spoke("m2.sl", "2026-03-20 07:00", every=0.2)
    assert judged("overdue") == "made"
    for feed in ("m2.bj", "d5.weather", "d3.special_v3"):
        read_once(feed)
    assert judged("overdue") == "waits"
    with transaction() as connection:
        (silent,) = silence.look(connection, datetime(2026, 3, 20).date(), rulebook.calendar()).silences
    assert silent.feed == "m2.bj" and "自 2026-03-19 接入起从未有数据" in silent.text
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    assert judged("overdue") == "made"


def special(no: str, *more: tuple) -> None:
    limit = {"limit_days": 10, "limit_unit": "工作日"}
    case(no, "DG-903", [("ACCEPTED", "2026-02-26", {}), ("SPECIAL_START", "2026-03-02 09:00", limit), *more])


def test_a_pause_in_which_the_case_was_handled_on_may_have_ended_unheard():
    item("DG-903", promised=30, statutory=60)
    special("parked")
    special("ended", ("HANDLING", "2026-03-06 10:00", {}), ("DONE_OK", "2026-03-18", {}))
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    spoke("m2.tbcxjg", "2026-03-13 17:00", every=7)
    assert {no for _, _, no in found("2026-03-20", "C8")} == {"parked"}
    assert {no for _, _, no in found("2026-03-20", "C8", waiting=True)} == {"ended"}
    spoke("m2.tbcxjg", "2026-03-18 17:00", every=7)
    assert {no for _, _, no in found("2026-03-20", "C8")} == {"parked", "ended"}


def test_no_order_comes_of_a_running_case_before_the_table_of_pauses_has_spoken():
    item("DG-903", promised=2, statutory=9)
    case("late", "DG-903", {"ACCEPTED": "2026-03-16"})
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    spoke("m2.tbcxsq", "2026-03-13 15:00", every=7)
    spoke("m2.tbcxsq", "2026-03-13 00:00", every=7, part=("event", "SPECIAL_START"))

    def orders() -> tuple[int, str]:
        supervise(datetime(2026, 3, 20).date())
        life.advance(datetime(2026, 3, 20, 8))
        text = rows("select text from supervision.finding where rule = 'overdue' and state = 'open'")[0]["text"]
        return len(rows("select from supervision.work_order")), text

    sent, text = orders()
    assert sent == 0 and "未见特别程序申请，该表（m2.tbcxsq）自 2026-03-13" in text
    spoke("m2.tbcxsq", "2026-03-19 09:00", every=30)
    sent, text = orders()
    assert sent == 1 and "未见" not in text


@pytest.mark.parametrize(
    ("feed", "begins", "every"),
    [("m2.tbcxsq", "SPECIAL_START", 7), ("m2.tbcxsq", "SPECIAL_START", 45), ("m2.bzgz", "SUPPLEMENT_START", 4)],
)
def test_a_running_case_of_which_nothing_is_heard_may_stand_in_a_pause_that_has_not_come(feed, begins, every):
    item("DG-903", promised=10, statutory=30)
    case("quiet", "DG-903", {"ACCEPTED": "2026-03-02"})  # due 03-16
    case("handled", "DG-903", {"ACCEPTED": "2026-03-02", "HANDLING": "2026-03-10 10:00"})
    case("known", "DG-903", [("ACCEPTED", "2026-03-02", {}), ("SPECIAL_START", "2026-03-02 11:00", {"limit_days": 1})])
    spoke("m2.bj", "2026-03-20 07:00", every=0.2)
    spoke(feed, "2026-03-16 15:00", every=every)
    spoke(feed, "2026-03-16 00:00", every=every, part=("event", begins))
    assert {no for _, _, no in found("2026-03-20", "overdue", waiting=True)} == {"quiet"}
    assert {no for _, _, no in found("2026-03-20", "overdue")} == {"handled", "known"}
    spoke(feed, "2026-03-17 15:00", every=90)
    assert {no for _, _, no in found("2026-03-20", "overdue")} == {"quiet", "handled", "known"}


def test_what_came_to_hold_lately_waits_and_what_held_before_is_judged():
    """Rules without a last day: the project stands still since a day of which no source has spoken yet."""
    filed()
    case("604", "DG-604", {"ACCEPTED": "2026-02-05 09:00"})
    assert judged("stalled") == "made"  # 20 working days on 03-13
    spoke("p1.licence", "2026-03-12 17:00")
    assert judged("stalled") == "waits"
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.arrival_day")
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
        connection.exec_driver_sql("delete from landing.arrival_day")
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
