"""The life of a work order, from a finding to its end."""

from __future__ import annotations

from datetime import date, datetime

import psycopg
import pytest
import sqlalchemy as sa

from core import clock
from quality.silence import episode
from store.engine import transaction
from supervision import feedback, ledger, notices, silence
from supervision.ledger import decide, supervise
from supervision.orders import life, queries
from tests.supervision.making import P, case, catalogue, complete, gone, project, put

NO = None


@pytest.fixture
def order(hub) -> str:
    """A returned case, judged on Monday 2026-03-09 and dispatched at 10:00: its order's number."""
    catalogue()
    project(agent="李四")
    complete()
    case("M1", "DG-502", [("SUBMITTED", "2026-03-02 09:00", {}), ("REJECTED_INTAKE", "2026-03-04 09:00", {})])
    supervise(date(2026, 3, 9))
    assert life.advance(datetime(2026, 3, 9, 10)).steps == {"dispatched": 1}
    (row,) = queries.listed()
    return row["no"]


def said(seq: int, order: str, action: str, at: str, result: str | None = None, text: str = "") -> dict:
    return {
        "seq": seq,
        "work_order_no": order,
        "action": action,
        "at": datetime.fromisoformat(at),
        "by": "张三",
        "department_code": "X",
        "result": result,
        "text": text,
    }


def tell(*updates: dict) -> dict[int, bool]:
    with transaction() as connection:
        return life.answered(connection, updates)


def steps(order: str) -> list[str]:
    return [step["step"] for step in queries.shown(order)["steps"]]


def told(order: str) -> list[str]:
    return [row["action"] for row in queries.shown(order)["told"]]


def accepted_again() -> None:
    """What closes the finding: a later case of the item is accepted."""
    case("M2", "DG-502", {"SUBMITTED": "2026-03-10 09:00", "ACCEPTED": "2026-03-11 09:00"})


def test_a_finding_that_asks_for_action_has_one_order_to_its_department(order):
    (row,) = queries.listed()
    assert (row["state"], row["rule"], row["case_no"], row["department_name"]) == (
        "dispatched",
        "returned",
        "M1",
        "东莞市住房和城乡建设局",
    )
    assert life.advance(datetime(2026, 3, 9, 11)).steps == {}
    assert len(queries.listed(state="all")) == 1
    assert row["due_on"] is None or row["due_on"] == date(2026, 3, 10)


def test_a_finding_that_asks_no_action_has_none(hub):
    catalogue()
    project()
    complete()
    case(
        "M1", "DG-707", {"SUBMITTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-02 09:05", "DONE_OK": "2026-03-02 09:10"}
    )
    supervise(date(2026, 3, 9))
    life.advance(datetime(2026, 3, 9, 10))
    findings = ledger.listed()
    assert "C5" in findings["rule"].to_list()
    assert "C5" not in {row["rule"] for row in queries.listed()}


def test_signed_answered_and_closed_by_the_data(order):
    assert tell(said(1, order, "签收", "2026-03-10 09:00")) == {1: True}
    assert tell(said(2, order, "反馈", "2026-03-12 09:00", "整改", "已重新受理")) == {2: True}
    assert tell(said(3, order, "核销", "2026-03-12 10:00")) == {3: True}
    assert queries.shown(order)["state"] == "answered", "a request does not close it"
    assert life.advance(datetime(2026, 3, 12, 11)).steps == {}
    accepted_again()
    supervise(date(2026, 3, 12))
    assert life.advance(datetime(2026, 3, 12, 12)).steps == {"closed": 1}
    assert steps(order) == ["dispatched", "signed", "answered", "asked_close", "closed"]
    assert told(order) == ["dispatch", "close"]
    assert queries.listed() == []


@pytest.mark.parametrize(
    ("on", "expected"),
    [  # dispatched Monday 03-09, limit 1 working day: 03-10; twice: 03-11
        ("2026-03-10 23:00", {}),
        ("2026-03-11 00:10", {"urged": 1}),
        ("2026-03-12 00:10", {"escalated": 1}),
    ],
)
def test_past_a_limit_it_is_urged_past_twice_the_limit_it_goes_to_the_superior(order, on, expected):
    assert life.advance(datetime.fromisoformat(on)).steps == expected
    assert life.advance(datetime.fromisoformat(on)).steps == {}, "once a step"


def test_each_limit_runs_from_the_step_before_it(order):
    tell(said(1, order, "签收", "2026-03-13 09:00"))  # a Friday; 5 working days: 03-20; ten: 03-27
    assert life.advance(datetime(2026, 3, 20, 23)).steps == {}
    assert queries.shown(order)["due_on"] == date(2026, 3, 20)
    assert life.advance(datetime(2026, 3, 21, 1)).steps == {"urged": 1}
    assert life.advance(datetime(2026, 3, 28, 1)).steps == {"escalated": 1}
    assert queries.shown(order)["steps"][-1]["detail"]["superior"]


def test_what_the_data_do_not_bear_out_is_reopened(order):
    tell(said(1, order, "签收", "2026-03-10 09:00"), said(2, order, "反馈", "2026-03-12 09:00", "整改"))
    assert life.advance(datetime(2026, 3, 19, 9)).steps == {}
    assert life.advance(datetime(2026, 3, 20, 9)).steps == {"reopened": 1}
    assert queries.shown(order)["state"] == "dispatched" and told(order)[-1] == "reopen"


def test_a_false_alarm_waits_for_a_person(order):
    finding = queries.shown(order)["finding_id"]
    tell(said(1, order, "签收", "2026-03-10 09:00"), said(2, order, "反馈", "2026-03-12 09:00", "误报", "系统报送延迟"))
    assert queries.shown(order)["state"] == "disputed" and queries.shown(order)["answer"] == "系统报送延迟"
    assert life.advance(datetime(2026, 5, 12, 9)).steps == {}, "nobody is urged while a person has to decide"
    decide(finding, "confirmed", by="王五", note="已核对原件")
    assert life.advance(datetime(2026, 5, 13, 9)).steps == {"reopened": 1}
    assert queries.shown(order)["steps"][-1]["by"] == "王五"
    tell(said(3, order, "反馈", "2026-05-14 09:00", "误报", "再次说明"))
    decide(finding, "lifted", by="王五", note="确属延迟")
    assert life.advance(datetime(2026, 5, 15, 9)).steps == {"closed": 1}
    assert "确属延迟" in queries.shown(order)["steps"][-1]["why"]


def test_a_finding_that_fires_again_reopens_the_same_order(order):
    accepted_again()
    supervise(date(2026, 3, 12))
    life.advance(datetime(2026, 3, 12, 9))
    gone("case", "M2:M2")
    supervise(date(2026, 3, 13))
    assert life.advance(datetime(2026, 3, 13, 9)).steps == {"reopened": 1}
    assert [row["no"] for row in queries.listed(state="all")] == [order]
    assert tell(said(9, order, "反馈", "2026-03-12 08:00", "整改")) == {9: False}, "an answer of before the reopening"


def test_what_comes_late_twice_or_for_nobody_moves_nothing(order):
    assert tell(said(1, order, "签收", "2026-03-10 09:00")) == {1: True}
    assert tell(said(2, order, "签收", "2026-03-10 09:30"), said(3, "GD000", "签收", "2026-03-10 09:30")) == {
        2: False,
        3: False,
    }
    assert steps(order) == ["dispatched", "signed", "noted"]


def test_another_department_by_routing_is_told(order, monkeypatch, tmp_path):
    put(
        "item",
        "DG-502|1",
        item_code="DG-502",
        version=1,
        item_name="x",
        stage=5,
        department="东莞市自然资源局",
        department_code="114419000001000445",
        case_channel="M2",
        promised_limit=7,
        promised_unit="工作日",
        prerequisites=[],
        process_types=[],
        valid_from=date(2020, 1, 1),
    )
    supervise(date(2026, 3, 10))
    assert life.advance(datetime(2026, 3, 10, 9)).steps == {"rerouted": 1}
    assert queries.shown(order)["department_name"] == "东莞市自然资源局" and told(order) == ["dispatch", "dispatch"]


def test_no_step_can_be_altered(order):
    for statement in (
        "update supervision.order_step set by = 'x'",
        "delete from supervision.order_step",
        "truncate supervision.order_step cascade",
    ):
        with pytest.raises(sa.exc.DatabaseError) as refused, transaction() as connection:
            connection.exec_driver_sql(statement)
        assert isinstance(refused.value.orig, psycopg.errors.RaiseException)


def test_departments_on_one_project_share_a_case_file_and_the_agent_sees_all(order):
    case("M3", "DG-604", [("SUBMITTED", "2026-03-02 09:00", {}), ("REJECTED_INTAKE", "2026-03-04 09:00", {})])
    put(
        "item",
        "DG-604|1",
        item_code="DG-604",
        version=1,
        item_name="x",
        stage=5,
        department="东莞市自然资源局",
        department_code="114419000001000445",
        case_channel="M2",
        promised_limit=7,
        promised_unit="工作日",
        prerequisites=[],
        process_types=[],
        valid_from=date(2020, 1, 1),
    )
    supervise(date(2026, 3, 10))
    life.advance(datetime(2026, 3, 10, 9))
    file = queries.case_file(P)
    assert file["departments"] == ["东莞市住房和城乡建设局", "东莞市自然资源局"] and len(file["orders"]) == 2
    assert len(queries.of_agent("李四")) == 2 and queries.of_agent("别人") == []


def test_while_nothing_comes_back_of_orders_nobody_is_urged_or_escalated(order):
    """The municipal platform's feedback is a source like any other: a signature may stand in its silence."""
    days = [f"2026-{month:02}-{day:02} 10:00" for month in (1, 2) for day in range(1, 29)]
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into supervision.order_update (seq, order_no, action, at, by, department_code, used)
                   select n, 'GD' || n, '签收', at, '张三', 'X', false from unnest(cast(:at as timestamp[])) with ordinality u (at, n)"""
            ),
            {"at": days},
        )
        connection.exec_driver_sql("insert into supervision.update_cursor (system, cursor) values ('m3', 'c')")
    supervise(date(2026, 3, 12))
    with transaction() as connection:
        (silent,) = [row for row in episode.listed() if row["feed"] == silence.FEEDBACK]
        assert "市平台工单回传" not in silent["feed"] and silent["since"] < datetime(2026, 3, 1)
        (news,) = [one for one in episode.news(connection) if one.feed == silence.FEEDBACK]
    assert "市平台工单回传 静默" in notices.of_silence(news)[0].subject
    (shown,) = feedback.health()
    assert (shown.feed, shown.light, shown.dag) == (silence.FEEDBACK, "silent", "work_orders")
    assert shown.horizon == datetime(2026, 2, 28, 10) and "没有新数据" in shown.silence
    assert feedback.daily(date(2026, 3, 1), 3) == {silence.FEEDBACK: [1, 1, 0]}
    assert life.advance(datetime(2026, 3, 20)).steps == {}
    with transaction() as connection:
        connection.execute(
            sa.text(
                "insert into supervision.order_update (seq, order_no, action, at, used) values (99, 'GD99', '签收', :at, false)"
            ),
            {"at": clock.now()},
        )
    supervise(date(2026, 3, 20))
    assert [one.light for one in feedback.health()] == ["ok"]
    assert life.advance(datetime(2026, 3, 20)).steps == {"escalated": 1}
