"""Five tasks of people who have never seen the hub, in a real browser: each within a few steps, at three widths, nothing broken.

A step is a click, a choice or a field that is filled; the address is never typed, but for the first page.
"""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from core import clock
from serving import accounts
from serving.pages import standalone
from serving.query import freshness
from store import holds
from store.engine import dispose, transaction
from tests.serving.test_pages_browser import TOKEN, address, chromium  # noqa: F401

pytestmark = pytest.mark.server
LAND = "114419000001000445"  # 自然资源局
PASSWORD = "a-long-password-of-theirs"
LATE = "update supervision.clock set light = '红', used_promised = promised_limit + 6, due_promised = current_date - 6 where case_id = :c"


class Person:
    """Somebody at the first page, whose steps are counted."""

    def __init__(self, driver, address) -> None:  # noqa: F811
        self.driver, self.steps = driver, 0
        driver.get(f"{address}/enter?token={TOKEN}")

    def click(self, css: str = "", text: str = "") -> None:
        found = [
            e
            for e in self.driver.find_elements(By.CSS_SELECTOR, css or "a, button, summary")
            if text in e.text and e.is_displayed()
        ]
        assert found, f"nothing to click: {css} {text}"
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found[0])
        found[0].click()
        self.steps += 1
        time.sleep(0.3)

    def fill(self, css: str, text: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, css).send_keys(text)
        self.steps += 1

    def choose(self, css: str, value: str) -> None:
        Select(self.driver.find_element(By.CSS_SELECTOR, css)).select_by_value(value)
        self.steps += 1

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text


@pytest.fixture(scope="module")
def troubled(address, chromium):  # noqa: F811
    """The city with a provider that fails, a held deletion, and a case that is late; yields what is known of them."""
    with transaction() as c:
        feed = c.exec_driver_sql("select feed from landing.run where outcome = 'ok' order by feed limit 1").scalar_one()
        c.execute(
            sa.text(
                """insert into landing.run (source, feed, trigger, window_full, started_at, ended_at, outcome, fault, error, zh)
                   values (split_part(:f, '.', 1), :f, 'schedule', false, now(), now(), 'failed', 'authentication', 'refused', '口令被拒')"""
            ),
            {"f": feed},
        )
        c.execute(
            sa.text("update landing.completed set read_at = :t where feed = :f"),
            {"f": feed, "t": clock.now() - timedelta(days=4)},
        )
        run = c.exec_driver_sql("select max(id) from landing.run").scalar_one()
        hold = holds.open_hold(c, feed, run, 40, 100, ["a", "b"])
        case = c.exec_driver_sql(
            """select c.id as case_id, c.case_no, p.town_code from supervision.clock k join store."case" c on c.id = k.case_id
               join store.project p on p.id = k.project_code
               where k.promised_limit is not null and k.statutory_limit is not null and p.town_code is not null and k.acceptance_on is not null
               order by k.case_id limit 1"""
        ).one()
        c.execute(sa.text("update supervision.clock set ended_at = null where case_id = :c"), {"c": case.case_id})
        c.execute(sa.text(LATE), {"c": case.case_id})
    freshness._cached.clear()
    yield {"feed": feed, "hold": hold, "case": case}
    dispose()


def test_which_provider_failed_and_whom_to_tell(address, chromium, troubled):  # noqa: F811
    person = Person(chromium, address)
    assert "读取失败" in person.text  # the first page says so itself
    person.click(text="各数源")
    assert person.steps <= 3
    section = chromium.find_element(By.ID, troubled["feed"].split(".")[0]).text
    assert "故障（鉴权）" in section and "联系人" in section and "数源部门" in section


def test_a_held_deletion_is_decided(address, chromium, troubled):  # noqa: F811
    person = Person(chromium, address)
    person.click("nav a", "待决事项")
    person.fill(f"#hold-{troubled['hold']} input[name=note]", "数源确认在检修")
    person.click(f"#hold-{troubled['hold']} button[value=refused]")
    assert person.steps <= 3
    with transaction() as c:
        decided = c.execute(
            sa.text("select decision, note from landing.hold where id = :h"), {"h": troubled["hold"]}
        ).one()
    assert tuple(decided) == ("refused", "数源确认在检修")


def test_an_overdue_case_says_by_how_many_days_and_whose_turn_it_is(address, chromium, troubled):  # noqa: F811
    person = Person(chromium, address)
    person.click(".sum a", "在办超期")
    person.click("td a", troubled["case"].case_no)
    assert person.steps <= 3
    told = chromium.find_element(By.CSS_SELECTOR, ".sentence").text
    assert "超承诺时限 6 个" in told and "法定时限" in told and "轮到" in told


def test_all_overdue_cases_of_a_town_are_exported(address, chromium, troubled, tmp_path):  # noqa: F811
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    person = Person(chromium, address)
    person.click(".sum a", "在办超期")
    person.choose("#town", troubled["case"].town_code)
    person.click(".go button")
    person.click(".tools a", "CSV")
    assert person.steps <= 5
    end = time.monotonic() + 20
    while not (files := [f for f in tmp_path.glob("*.csv")]):
        assert time.monotonic() < end
        time.sleep(0.1)
    content = files[0].read_text("utf-8-sig")
    assert troubled["case"].case_no in content and "超承诺时限" in content.splitlines()[0]


def test_an_application_is_subscribed_to_new_findings(address, chromium, troubled):  # noqa: F811
    person = Person(chromium, address)
    person.click("nav a", "订阅")
    person.fill("#name", "platform")
    person.fill("#connection", "hook_platform")
    person.click(".go button", "订阅")
    assert person.steps <= 5 and "platform" in person.text
    with transaction() as c:
        assert c.exec_driver_sql("select entities from serving.webhook where name = 'platform'").scalar_one() == [
            "finding"
        ]


@pytest.mark.parametrize("held", ["town", "department"])
def test_a_town_and_a_department_find_and_export_their_own_overdue_case(address, chromium, troubled, tmp_path, held):  # noqa: F811
    """An account that sees its own rows: logged in, it needs the same steps, and is offered nothing that it may not do."""
    case = troubled["case"]
    with transaction() as c:
        c.execute(sa.text("update supervision.clock set ended_at = null where case_id = :c"), {"c": case.case_id})
        c.execute(sa.text(LATE), {"c": case.case_id})
        c.execute(
            sa.text("""update store."case" set department_code = :d where id = :c"""), {"c": case.case_id, "d": LAND}
        )
    accounts.make(held, "viewer", PASSWORD, by="test", held={held: [case.town_code if held == "town" else LAND]})
    chromium.delete_all_cookies()
    chromium.get(f"{address}/login")
    person = Person.__new__(Person)
    person.driver, person.steps = chromium, 0
    person.fill("input[name=name]", held)
    person.fill("input[name=password]", PASSWORD)
    person.click("form button")
    assert "待决事项" not in person.text and "推送" not in person.text
    person.click(".sum a", "在办超期")
    listed = person.text
    person.click("td a", case.case_no)
    assert "超承诺时限 6 个" in chromium.find_element(By.CSS_SELECTOR, ".sentence").text and person.steps <= 6
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    chromium.back()
    person.click(".tools a", "CSV")
    end = time.monotonic() + 20
    while not (files := list(tmp_path.glob("*.csv"))):
        assert time.monotonic() < end
        time.sleep(0.1)
    content = files[0].read_text("utf-8-sig")
    assert case.case_no in content and f"{len(content.splitlines()) - 1} 条" in listed
    chromium.delete_all_cookies()


PAGES = [
    "findings", "cases?late=all", "orders", "escalations", "agents", "catalogue", "insight", "forecast", "what-if", "care", "reminders",
    "lookup", "plan", "guide?q=施工许可证要多少天", "share", "ops/decisions", "ops/alerts", "ops/sources", "ops/subscriptions", "ops/pushes", "ops/balance",
    "ops/quarantine", "tryout", "tryout/d5.fire",
]  # fmt: skip


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_pages_hold_at_every_width_without_an_error(address, chromium, troubled, width):  # noqa: F811
    Person(chromium, address)
    chromium.set_window_size(width, 900)
    chromium.get_log("browser")
    for path in PAGES:
        chromium.get(f"{address}{standalone.PLACE}/{path}")
        assert chromium.find_element(By.CSS_SELECTOR, "h1").text, path
        assert chromium.execute_script("return document.documentElement.scrollWidth <= window.innerWidth + 1"), path
        # no column so narrow that its words stand letter under letter
        narrow = chromium.execute_script(
            """return [...document.querySelectorAll("td")].filter((e) => e.offsetWidth && e.innerText.trim().length > 8
               && e.offsetHeight > 9 * e.offsetWidth).map((e) => e.innerText)"""
        )
        assert not narrow, (path, narrow[:3])
        told = [e for e in chromium.get_log("browser") if e["level"] == "SEVERE" and "favicon" not in e["message"]]
        assert not told, (path, told)
