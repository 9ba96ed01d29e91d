"""一项目一方案: the expected items and no others, in an order that can be lived, with days that follow from the limits."""

from __future__ import annotations

import html
import re

import polars as pl
import pytest
from starlette.testclient import TestClient

from core.errors import ConfigurationError
from serving.pages import standalone
from store.engine import transaction
from supervision import judge, plan, read
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def today(store):
    """The day that the told city was judged on."""
    return rows("select max(as_of) as day from supervision.run")[0]["day"]


@pytest.fixture(scope="module")
def plans(today):
    with transaction() as connection:
        codes = [c for c in read.city(connection) if c]
        return {code: made for code in codes if (made := plan.of_project(connection, code, today))}


def test_a_plan_holds_the_expected_items_of_every_project_and_no_others(plans, today):
    with transaction() as connection:
        items = judge.judge(connection, today).standing.items
    assert plans
    for code, made in plans.items():
        mine = items.filter(pl.col("project_code") == code)
        assert {line.item_code for line in made.lines} == set(
            mine.filter(pl.col("expected").fill_null(False))["item_code"]
        )
        assert {row["item_code"] for row in made.not_judged} == set(
            mine.filter(pl.col("expected").is_null())["item_code"]
        )


def test_no_line_begins_before_what_must_come_first(plans):
    for made in plans.values():
        by_code = {line.item_code: line for line in made.lines}
        for line in made.lines:
            assert line.why and line.source
            if line.state in ("未办",):
                for step in line.before:
                    before = by_code[step.item_code]
                    if before.earliest_end:
                        assert line.earliest_start >= before.earliest_end
            if line.state != "已办" and line.earliest_end:
                assert line.earliest_start <= line.earliest_end <= line.latest_end <= made.end
                assert line.critical == (line.slack == 0)


def test_the_critical_path_ends_with_the_whole(plans):
    for made in plans.values():
        open_ = [line for line in made.lines if line.state in ("在办", "未办")]
        if open_:
            assert made.path
            assert max(line.earliest_end for line in open_) == made.end
            assert any(line.critical and line.earliest_end == made.end for line in open_)


def test_the_plan_tells_what_a_line_waits_for(plans):
    waiting = [line for made in plans.values() for line in made.lines if line.state == "未办"]
    assert waiting
    for made in plans.values():
        for line in made.lines:
            for step in line.before:
                if (
                    not step.done
                    and line.state == "未办"
                    and next(x for x in made.lines if x.item_code == step.item_code).state != "未知"
                ):
                    assert any(step.item_name in held for held in line.holds)


def test_materials_that_are_held_already_are_told(plans):
    assert any(made.held for made in plans.values())
    for made in plans.values():
        assert made.materials == sum(len(line.materials) for line in made.lines)


def test_a_condition_brings_its_items_and_nothing_else(today):
    with transaction() as connection:
        asked = plan.questions(connection, today)
        assert asked

        def codes(*conditions: str) -> set[str]:
            made = plan.of_conditions(connection, today, process_type="3", filing_type="备案", conditions=conditions)
            return {line.item_code for line in made.lines}

        plain = codes()
        for question in asked:
            assert codes(question["condition"]) - plain <= set(question["items"])
            assert plain <= codes(question["condition"])
        with pytest.raises(ConfigurationError, match="unknown conditions"):
            codes("涉火星")


def test_a_project_that_is_not_known_has_no_plan(today):
    with transaction() as connection:
        assert plan.of_project(connection, "2512-441900-04-01-999999", today) is None


def test_the_api_shows_a_plan_to_whom_the_project_is_shown(ask, plans, today):
    code = next(iter(plans))
    town = rows("select town_code from store.project where id = :c", c=code)[0]["town_code"]
    other = "441900403" if town != "441900403" else "441900402"
    answer = ask("read:projects").get(f"/v1/projects/{code}/plan")
    assert answer.status_code == 200
    assert [line["item_code"] for line in answer.json()["lines"]] == [line.item_code for line in plans[code].lines]
    assert ask("read:projects", f"town:{other}").get(f"/v1/projects/{code}/plan").status_code == 404
    begun = rows("select submitted_at::date as d from store.project where id = :c", c=code)[0]["d"]
    then = ask("read:projects").get(f"/v1/projects/{code}/plan", params={"as_of": begun.isoformat()})
    done = [line for line in then.json()["lines"] if line["state"] == "已办"]
    assert then.json()["as_of"] == begun.isoformat() and len(done) < sum(
        line.state == "已办" for line in plans[code].lines
    )
    assert ask("read:projects").get("/v1/plan", params={"as_of": "2999-01-01"}).status_code == 400


def test_the_api_plans_a_project_that_does_not_exist_yet(ask):
    client = ask("read:projects")
    conditions = [q["condition"] for q in client.get("/v1/plan/questions").json()["conditions"]]
    made = client.get(
        "/v1/plan", params={"filing_type": "备案", "process_type": "3", "conditions": ",".join(conditions[:2])}
    )
    assert made.status_code == 200
    assert made.json()["lines"]
    wrong = client.get("/v1/plan", params={"filing_type": "备案", "conditions": "涉火星"})
    assert wrong.status_code == 404
    assert conditions[0] in wrong.text  # what is allowed is named


def test_the_page_of_a_plan_says_of_every_line_why_and_by_what_source(store, plans):
    browser = _browser()
    code, made = max(plans.items(), key=lambda pair: sum(line.state == "在办" for line in pair[1].lines))
    page = browser.get(f"{standalone.PLACE}/project/{code}/plan")
    assert page.status_code == 200
    for line in made.lines:
        row = re.search(f'<tr id="{line.item_code}">(.*?)</tr>', page.text, re.S)[1]
        assert html.escape(line.why) in row and line.source in row and line.state in row
        assert all(html.escape(step.item_name) in row for step in line.before)
    assert f'href="{code}/plan"' in browser.get(f"{standalone.PLACE}/project/{code}").text
    assert browser.get(f"{standalone.PLACE}/project/2512-441900-04-01-999999/plan").status_code == 404


def test_the_questions_lead_to_a_plan(store, today):
    browser = _browser()
    with transaction() as connection:
        asked = plan.questions(connection, today)
    page = browser.get(f"{standalone.PLACE}/plan")
    assert all(f'value="{q["condition"]}"' in page.text for q in asked) and "日历计划" not in page.text
    answers = {"asked": "1", "process_type": "3", "condition": [asked[0]["condition"], asked[1]["condition"]]}
    made = browser.get(f"{standalone.PLACE}/plan", params=answers)
    assert all(f'<tr id="{item}">' in made.text for q in asked[:2] for item in q["items"])
    assert "项目条件：" in made.text
    wrong = browser.get(f"{standalone.PLACE}/plan", params={"asked": "1", "condition": "涉火星"})
    assert wrong.status_code == 400 and "涉火星" in wrong.text and asked[0]["condition"] in wrong.text


def test_whoever_looks_for_a_case_learns_whose_turn_it_is_and_why(store):
    browser = _browser()
    running = rows(
        """select c.case_no, c.project_code, k.paused, k.light, c.department_name from store."case" c
           join supervision.clock k on k.case_id = c.id
           where k.ended_at is null and k.acceptance_on is not null and c.project_code is not null and c.gone_at is null"""
    )
    assert running
    for case in running[:8]:
        page = browser.get(f"{standalone.PLACE}/lookup", params={"q": case["case_no"]}).text
        row = next(r for r in re.findall("<tr>.*?</tr>", page, re.S) if case["case_no"] in r)
        if case["paused"]:
            assert "不计办理时限" in row
        else:
            assert html.escape(case["department_name"] or "办理部门") in row and "到期" in row
        assert f"project/{case['project_code']}/plan" in page
    assert "没有查到" in browser.get(f"{standalone.PLACE}/lookup", params={"q": "没有的项目"}).text


def _browser() -> TestClient:
    made = standalone.make("link", "operator", ["testserver"])
    return TestClient(made, cookies={standalone.COOKIE: "link"}, follow_redirects=False)
