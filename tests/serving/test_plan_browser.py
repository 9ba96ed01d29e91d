"""A project's plan, the questions that lead to one, and 我要查, in a real browser at three widths."""

from __future__ import annotations

import pytest

from serving.pages import standalone
from tests.serving.test_pages_browser import Browser, address, browser, chromium, rows  # noqa: F401

pytestmark = pytest.mark.server
WIDTHS = (1366, 820, 390)


@pytest.fixture
def running(address: str) -> tuple[str, str]:  # noqa: F811
    """A project and a case of it that runs."""
    return rows(
        """select c.project_code, c.case_no from store."case" c join supervision.clock k on k.case_id = c.id
           where k.ended_at is null and k.acceptance_on is not null and c.project_code is not null order by 1, 2 limit 1"""
    )[0]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_the_plan_fit_and_lead_on(browser: Browser, running, width: int):  # noqa: F811
    browser.size(width, 900, mobile=width < 720)
    code, case = running
    for path in (
        f"project/{code}/plan",
        "plan",
        "plan?asked=1&process_type=3",
        "insight",
        "care?agent=x",
        f"lookup?q={case}",
    ):
        browser.driver.get(f"{browser.address}{standalone.PLACE}/{path}")
        wide = browser.js("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], path
        assert browser.one("h1").text
    assert case in browser.one("main").text
    browser.one(f'a[href$="project/{code}/plan"]').click()
    browser.until(lambda: browser.all("tr[id]"))
    assert browser.all("svg.drawing") and "为何要办" in browser.js("return document.body.textContent")


def test_the_questions_are_answered_by_hand(browser: Browser):  # noqa: F811
    browser.driver.get(f"{browser.address}{standalone.PLACE}/plan")
    box = browser.one("input[name=condition]")
    chosen = box.get_attribute("value")
    box.click()
    browser.one("form .primary").click()
    browser.until(lambda: browser.all("tr[id]"))
    assert f"项目条件：{chosen}" in browser.js("return document.body.textContent")
    assert browser.one(f'input[value="{chosen}"]').is_selected()
