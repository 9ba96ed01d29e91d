"""代办 and 专班: a day that is the agent's, promises on the record, reminders once each, like compared with like."""

from __future__ import annotations

import polars as pl
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core import clock
from core.errors import ConfigurationError, NotFoundError
from serving import keys
from serving.pages import standalone
from store.engine import transaction
from supervision import care
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def running(store):
    """A case that runs, of a project with an agent and an enterprise; its light is yellow."""
    found = rows(
        """select c.id as case_id, c.case_no, c.project_code, p.agent, p.applicant_uscc from store."case" c
           join store.project p on p.id = c.project_code join supervision.clock k on k.case_id = c.id
           where k.ended_at is null and k.acceptance_on is not null and p.agent is not null and p.applicant_uscc is not null
             and c.department_name is not null and coalesce(k.due_promised, k.due_statutory) is not null order by 1 limit 1"""
    )[0]
    with transaction() as c:
        c.execute(
            sa.text("update supervision.clock set light = '黄', due_promised = :d where case_id = :id"),
            {"id": found["case_id"], "d": clock.today()},
        )
    return found


def browser(*scopes: str) -> TestClient:
    app = standalone.make("link", "operator", ["testserver"])
    key = keys.make("t", ["read:projects", *scopes], by="test")[1] if scopes else "link"
    return TestClient(app, cookies={standalone.COOKIE: key}, follow_redirects=False)


def test_a_reminder_is_told_once_to_each_of_the_three(running):
    told = [r for r in care.remind(clock.today()) if r["case_id"] == running["case_id"]]
    assert {r["told"] for r in told} == {"agent", "enterprise", "department"}
    assert {r["name"] for r in told} >= {running["agent"], running["applicant_uscc"]}
    assert all(running["case_no"] in r["text"] and "黄灯" in r["text"] for r in told)
    assert [r for r in care.remind(clock.today()) if r["case_id"] == running["case_id"]] == []


def test_the_enterprise_reads_its_reminder_and_no_other(running):
    care.remind(clock.today())
    page = browser(f"enterprise:{running['applicant_uscc']}").get(f"{standalone.PLACE}/lookup").text
    assert "临期提醒" in page and running["case_no"] in page
    other = rows(
        "select applicant_uscc u from store.project where applicant_uscc <> :u limit 1", u=running["applicant_uscc"]
    )
    assert running["case_no"] not in browser(f"enterprise:{other[0]['u']}").get(f"{standalone.PLACE}/lookup").text


def test_a_page_of_reminders_shows_each_party_its_own(running):
    care.remind(clock.today())
    whole = browser().get(f"{standalone.PLACE}/reminders").text
    assert whole.count(running["case_no"]) >= 3 and running["agent"] not in whole
    own = browser(f"enterprise:{running['applicant_uscc']}").get(f"{standalone.PLACE}/reminders").text
    assert running["case_no"] in own and "代办员<small>" not in own and "部门<small>" not in own
    agent = browser(f"agent:{running['agent']}").get(f"{standalone.PLACE}/reminders?told=agent").text
    assert running["agent"] in agent and "企业<small>" not in agent
    nobody = browser("agent:没有的人").get(f"{standalone.PLACE}/reminders").text
    assert running["case_no"] not in nobody


def test_an_agents_day_is_of_its_projects(running):
    page = browser(f"agent:{running['agent']}").get(f"{standalone.PLACE}/care").text
    assert running["case_no"] in page and "今天要盯" in page
    nobody = browser("agent:没有的人").get(f"{standalone.PLACE}/care", params={"agent": running["agent"]}).text
    assert running["case_no"] not in nobody
    assert browser(f"enterprise:{running['applicant_uscc']}").get(f"{standalone.PLACE}/care").status_code == 403


def test_a_promise_stands_on_the_record_until_it_is_kept(running):
    agent, code = browser(f"agent:{running['agent']}"), running["project_code"]
    said = {"code": code, "text": "三日内补齐图纸", "due_on": "2026-01-05"}
    assert agent.post(f"{standalone.PLACE}/care/note", data=said).status_code == 303
    page = agent.get(f"{standalone.PLACE}/care").text
    assert "三日内补齐图纸" in page and "已过期" in page
    number = rows("select id from supervision.care_note where project_code = :c", c=code)[0]["id"]
    other = browser("agent:没有的人")
    assert other.post(f"{standalone.PLACE}/care/kept/{number}", data={"code": code}).status_code == 404
    assert other.post(f"{standalone.PLACE}/care/note", data=said).status_code == 404
    assert browser("read:personal").post(f"{standalone.PLACE}/care/note", data=said).status_code == 403
    assert agent.post(f"{standalone.PLACE}/care/kept/{number}", data={"code": code}).status_code == 303
    assert "已兑现" in agent.get(f"{standalone.PLACE}/care").text
    assert agent.post(f"{standalone.PLACE}/care/kept/{number}", data={"code": code}).status_code == 409


def test_a_hand_over_is_written_down_and_only_by_who_may_decide(running):
    code = running["project_code"]
    over = {"code": code, "to": "重点专班", "why": "重点项目", "kind": "team"}
    assert browser(f"agent:{running['agent']}").post(f"{standalone.PLACE}/care/hand-over", data=over).status_code == 403
    assert browser().post(f"{standalone.PLACE}/care/hand-over", data=over).status_code == 303
    care.assign(code, "team", "另一专班", by="test", why="调整")
    told = [(h["name"], h["until"] is None) for h in care.history(code)]
    assert told == [("重点专班", False), ("另一专班", True)]
    assert code in browser("team:另一专班").get(f"{standalone.PLACE}/care").text
    with pytest.raises(NotFoundError):
        care.assign("none", "agent", "x", by="test", why="")
    with pytest.raises(ConfigurationError):
        care.assign(code, "agent", " ", by="test", why="")


def test_like_is_compared_with_like_and_only_with_enough(store):
    columns = {"project_code": "", "process_type": "3", "filing_type": "备案"}
    told = [
        *({**columns, "year": 2025, "days": d, "helped": True} for d in (100, 110, 120)),
        *({**columns, "year": 2025, "days": d, "helped": False} for d in (150, 150, 160)),
        *({**columns, "year": 2026, "days": d, "helped": True} for d in (10, 10, 10)),
        {**columns, "year": 2026, "days": 500, "helped": False},
    ]
    found = care.compared(pl.DataFrame(told)).to_dicts()
    assert [(r["year"], r["with"], r["without"], r["earlier"]) for r in found] == [
        (2025, 3, 3, 40.0),
        (2026, 3, 1, None),
    ]
    with transaction() as connection:
        assert care.started(connection).columns == list(told[0])


def test_a_body_that_is_no_text_is_the_callers_fault(ask):
    client = ask("read:projects", "admin")
    answer = client.post(
        "/v1/projects/2503-441900-04-02-000000/care/notes",
        content=b"\xe1\x02\xff",
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400 and "UTF-8" in answer.text
