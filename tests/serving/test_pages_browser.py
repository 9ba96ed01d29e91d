"""The One Map page in a real browser: no errors, no other origin, filters in the address, keyboard, phone, print."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from serving.pages import standalone
from store.engine import transaction
from tests.hub import environment, own_database

pytestmark = pytest.mark.server
TOKEN = "a-token-of-this-browser"


@pytest.fixture(scope="module")
def address(postgres_server: str, city: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages served from a copy of the city."""
    home = tmp_path_factory.mktemp("pages")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with own_database(postgres_server, city) as name, environment(postgres_server, name, home):
        server = uvicorn.Server(
            uvicorn.Config(
                standalone.make(TOKEN, "operator", ["127.0.0.1"]), host="127.0.0.1", port=port, log_level="warning"
            )
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)


class Browser:
    """Chromium, driven; ``open`` waits until the map has its points."""

    def __init__(self, driver, address: str) -> None:
        self.driver, self.address = driver, address

    def open(self, path: str = "") -> None:
        self.driver.get(f"{self.address}{standalone.PLACE}/{path}")
        if not path.startswith("project/"):
            self.until(lambda: self.js("return document.getElementById('map').dataset.points"))

    def js(self, script: str, *values):
        return self.driver.execute_script(script, *values)

    def all(self, css: str) -> list:
        return self.driver.find_elements("css selector", css)

    def one(self, css: str):
        return self.driver.find_element("css selector", css)

    def until(self, condition: Callable, seconds: float = 20):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.05)
        return found

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile},
        )

    def total(self) -> str:
        return self.js("return document.querySelector('.board .sum b').textContent")

    def listed(self) -> list[str]:
        """Addresses of the projects in the list, read at once: it is redrawn while somebody types."""
        return self.js("return [...document.querySelectorAll('.listcard .what a')].map((a) => a.href)")

    def check(self) -> None:
        """No complaint on the console, and nothing asked of anybody else."""
        assert self.driver.get_log("browser") == []
        asked = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
        assert urls and all(url.startswith((self.address, "data:")) for url in urls), urls


@pytest.fixture(scope="module")
def chromium(need: Callable, address: str) -> Iterator:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = need("chromium", "chromium")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--lang=zh-CN",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(need("chromedriver", "chromium-driver")))
    driver.get(f"{address}/enter?token={TOKEN}")
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium, address: str) -> Iterator[Browser]:
    made = Browser(chromium, address)
    made.size(1366, 900)
    chromium.get_log("browser"), chromium.get_log("performance")
    yield made
    made.check()


def rows(sql: str) -> list:
    with transaction() as connection:
        return list(connection.exec_driver_sql(sql))


def test_filters_live_in_the_address(browser: Browser) -> None:
    browser.open()
    whole = browser.total()
    assert int(browser.js("return document.getElementById('map').dataset.points")) > 0
    card = next(
        link
        for link in browser.all(".stages a.rowlink")
        if link.find_element("css selector", ".n").text not in ("0", whole)
    )
    wanted = card.find_element("css selector", ".n").text
    card.click()
    browser.until(lambda: browser.total() == wanted)
    assert "stage=" in browser.driver.current_url
    assert browser.js("return document.getElementById('stage').value") in browser.driver.current_url
    address = browser.driver.current_url
    browser.driver.back()
    browser.until(lambda: browser.total() == whole)
    assert browser.js("return document.getElementById('stage').value") == ""
    browser.driver.get(address)  # a link that somebody sent
    browser.until(lambda: browser.total() == wanted)
    assert len(browser.listed()) == int(wanted)


def test_a_stranger_finds_step_and_turn_of_a_project(browser: Browser) -> None:
    from pypinyin import lazy_pinyin

    code, name, items = rows(
        """select p.id, p.project_name, s.current_items from store.project p join supervision.position s on s.project_code = p.id
           where not s.finished and s.current_stage is not null and jsonb_array_length(s.current_items) > 0 order by 1 limit 1"""
    )[0]
    browser.open()
    browser.one("#q").send_keys("".join(s[0] for s in lazy_pinyin(name[:6])))
    typed = browser.js("return document.getElementById('q').value")
    browser.until(lambda: typed in browser.driver.current_url and len(browser.listed()) < 8)
    assert any(code in address for address in browser.listed())
    browser.js(
        "[...document.querySelectorAll('.listcard .what a')].find((a) => a.href.includes(arguments[0])).click()", code
    )
    browser.until(lambda: browser.all(".facts dd"))
    facts = [dd.text for dd in browser.all(".facts dd")]
    assert any(item["item_name"] == facts[1] for item in items)
    assert any(item["turn"] in facts[2] for item in items)
    assert len(browser.all("#gantt-hatch")) == 1 and browser.one("#cases svg").size["height"] > 60
    browser.one("[data-back]").click()
    browser.until(lambda: browser.all("#q"))
    assert browser.js("return document.getElementById('q').value")  # back where one was


def test_the_map_tells_of_a_project_that_is_pressed(browser: Browser) -> None:
    browser.open()
    town = browser.js("return [...document.getElementById('town').options].map((o) => o.value).filter(Boolean)[0]")
    browser.open(f"?town={town}")
    frame = browser.one("#map")
    browser.js("arguments[0].scrollIntoView()", frame)
    seen = int(browser.js("return document.getElementById('map').dataset.points"))
    if seen:
        # press over the whole frame until one is hit: the map is a canvas
        browser.js(
            """const c = document.querySelector('#map canvas'), r = c.getBoundingClientRect();
               for (let y = 4; y < r.height; y += 14) for (let x = 4; x < r.width; x += 14) {
                 if (!document.getElementById('popup').hidden) return;
                 for (const kind of ['pointerdown', 'pointerup']) c.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: r.left + x, clientY: r.top + y, bubbles: true }));
               }"""
        )
        link = browser.until(lambda: browser.all("#popup a"))[0]
        assert "project/" in link.get_attribute("href")


def test_the_keyboard_is_enough(browser: Browser) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open()
    browser.js("document.activeElement.blur()")
    browser.one("body").send_keys(Keys.TAB)
    assert browser.js("return document.activeElement.className") == "skip"
    assert browser.js("return document.activeElement.getBoundingClientRect().left") >= 0
    browser.js("document.getElementById('map').focus()")
    assert browser.js("return getComputedStyle(document.activeElement).outlineStyle") != "none"
    for key in ("+", "+", Keys.ARROW_LEFT, "-", Keys.HOME, Keys.ESCAPE):
        browser.one("#map").send_keys(key)


def test_zooming_in_brings_red_lines(browser: Browser) -> None:
    browser.open()
    browser.js("document.querySelector('#map').scrollIntoView()")
    for _ in range(7):
        browser.one("[data-zoom=in]").click()
    browser.until(
        lambda: browser.js(
            "return performance.getEntriesByType('resource').some((e) => e.name.includes('data/redlines'))"
        )
    )


def test_a_phone_needs_no_sideways_scrolling(browser: Browser) -> None:
    code = rows("select project_code from supervision.finding where state = 'open' order by 1 limit 1")[0][0]
    browser.size(390, 844, mobile=True)
    for path in ("", f"project/{code}"):
        browser.open(path)
        assert browser.js("return document.documentElement.scrollWidth") <= 390
    small = browser.js(
        "return [...document.querySelectorAll('button, .button, select')].filter((e) => e.offsetHeight && e.offsetHeight < 36).map((e) => e.outerHTML)"
    )
    assert small == []


def test_print_shows_the_matter_and_no_controls(browser: Browser, tmp_path: Path) -> None:
    code = rows("select project_code from supervision.finding where state = 'open' order by 1 limit 1")[0][0]
    browser.open(f"project/{code}")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown = "return [...arguments].map((css) => getComputedStyle(document.querySelector(css)).display)"
        assert browser.js(shown, ".actions", ".jump", ".top", "#cases svg", "#findings .finding")[:3] == ["none"] * 3
        assert all(e.value_of_css_property("display") != "none" for e in browser.all(".timeline li"))
        printed = browser.driver.execute_cdp_cmd(
            "Page.printToPDF", {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
        )["data"]
        assert len(printed) > 20_000
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_text_has_contrast_by_day_and_by_night(browser: Browser) -> None:
    code = rows("select project_code from supervision.finding where state = 'open' order by 1 limit 1")[0][0]
    measure = """
        const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m; };
        const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; } return [255, 255, 255]; };
        const bad = [];
        for (const e of document.querySelectorAll('h1, h2, h3, p, a, small, td, th, dd, dt, span, b, label, button, summary, li, code, time')) {
          if (!e.offsetHeight || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
          const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
          if ((a + 0.05) / (b + 0.05) < 4.5) bad.push(e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 20) + ' ' + ((a + 0.05) / (b + 0.05)).toFixed(2));
        }
        return [...new Set(bad)];"""
    for scheme in ("light", "dark"):
        browser.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        for path in ("", f"project/{code}"):
            browser.open(path)
            assert browser.js(measure) == [], (scheme, path)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
