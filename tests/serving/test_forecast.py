"""Forecasts of a told city: kept with version and data's day, none of a silent source, shown to whom the case is shown."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from insight.forecast import run
from serving import keys
from serving.pages import standalone
from store.engine import transaction
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def made(store):
    day = rows("select max(as_of) as day from supervision.run")[0]["day"]
    silent = rows(
        """select k.case_id from supervision.clock k where k.ended_at is null and k.acceptance_on is not null
           and k.promised_limit is not null and k.light = '绿' order by 1 limit 1"""
    )[0]["case_id"]
    with transaction() as c:
        c.execute(sa.text("update supervision.clock set light = '待数据' where case_id = :id"), {"id": silent})
    return run.foresee(day), silent


def browser(*scopes: str) -> TestClient:
    app = standalone.make("link", "operator", ["testserver"])
    key = keys.make("t", ["read:projects", *scopes], by="test")[1] if scopes else "link"
    return TestClient(app, cookies={standalone.COOKIE: key})


def test_every_running_case_has_a_forecast_with_its_version_or_waits_for_data(made):
    done, silent = made
    assert done.version
    told = {r["case_id"]: r for r in rows("select * from supervision.forecast")}
    running = rows(
        """select k.case_id from supervision.clock k join store."case" c on c.id = k.case_id where k.ended_at is null
           and k.acceptance_on is not null and k.promised_limit is not null and c.gone_at is null"""
    )
    assert set(told) == {r["case_id"] for r in running}
    assert {r["version"] for r in told.values()} == {done.version}
    assert all(r["data_as_of"] is not None for r in told.values())
    assert told[silent]["waits"] and told[silent]["chance"] is None and told[silent]["reasons"] == []
    assert all(0 <= r["chance"] <= 1 for r in told.values() if not r["waits"])
    assert done.waiting == sum(r["waits"] for r in told.values()) and done.cases + done.waiting == len(told)


def test_a_run_again_puts_the_same_in_its_place(made):
    before = rows("select * from supervision.forecast order by case_id")
    again = run.foresee(made[0].as_of)
    assert again == made[0] and rows("select * from supervision.forecast order by case_id") == before


def test_the_pages_show_it_to_whom_the_case_is_shown(made):
    one = rows(
        """select f.case_id, c.case_no, p.id, p.applicant_uscc, p.agent from supervision.forecast f join store."case" c on c.id = f.case_id
           join store.project p on p.id = f.project_code where not f.waits and p.applicant_uscc is not null and p.agent is not null
           order by f.chance, 1 limit 1"""
    )[0]
    whole = browser().get(f"{standalone.PLACE}/forecast").text
    assert one["case_no"] in whole and "只供人参考" in whole and made[0].version in whole
    own = browser(f"enterprise:{one['applicant_uscc']}").get(f"{standalone.PLACE}/forecast").text
    assert one["case_no"] in own
    other = rows(
        "select applicant_uscc u from store.project where applicant_uscc <> :u limit 1", u=one["applicant_uscc"]
    )[0]["u"]
    assert one["case_no"] not in browser(f"enterprise:{other}").get(f"{standalone.PLACE}/forecast").text
    assert "预测" in browser().get(f"{standalone.PLACE}/project/{one['id']}").text
    assert "可能逾期" in browser(f"agent:{one['agent']}").get(f"{standalone.PLACE}/care").text


def test_a_silent_source_is_said_to_be_silent(made):
    case = rows('select case_no from store."case" where id = :id', id=made[1])[0]["case_no"]
    page = browser().get(f"{standalone.PLACE}/forecast").text
    row = page[page.index(case) :].split("</tr>")[0]
    assert "%" not in row.split("灯 · 到期")[0]
    assert "数据源静默" in page
