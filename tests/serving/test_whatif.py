"""推演 on the page: asked by a form, replayed beside, kept; no change gives no difference; a number of the ledger leads to as many rows."""

from __future__ import annotations

import re
from datetime import date

import pytest
from starlette.testclient import TestClient

from insight import backtest, report, whatif
from insight.backtest import Change
from serving import keys
from serving.pages import standalone
from tests.serving.conftest import rows

HERE = {"origin": "http://testserver"}


@pytest.fixture(scope="module")
def today(store):
    return rows("select max(as_of) as day from supervision.run")[0]["day"]


@pytest.fixture(scope="module")
def told(today):
    return report.keep(today)


def browser(*scopes: str) -> TestClient:
    app = standalone.make("link", "operator", ["testserver"])
    key = keys.make("t", ["read:projects", *scopes], by="test")[1] if scopes else "link"
    return TestClient(app, cookies={standalone.COOKIE: key}, headers=HERE)


def test_no_change_gives_no_difference_on_the_page(today):
    page = browser().post(f"{standalone.PLACE}/what-if", data={"year": today.year})
    assert page.status_code == 200 and re.search(r"/what-if/\d+$", str(page.url))
    assert "没有任何变化" in page.text and "没有变化" in page.text


def test_a_change_is_replayed_as_the_command_does_and_asked_again_is_not_computed_again(today, monkeypatch):
    item = rows(
        """select item_code from supervision.clock where extract(year from acceptance_on) = :y and used_promised > 1
           group by 1 order by count(*) desc, 1 limit 1""",
        y=today.year,
    )[0]["item_code"]
    form = {"year": today.year, "item": [item, "", ""], "limit": ["1", "", ""]}
    client = browser()
    page = client.post(f"{standalone.PLACE}/what-if", data=form)
    number = int(str(page.url).rsplit("/", 1)[1])
    found, kept = backtest.replay(Change(limits={item: 1}), today.year, today), whatif.one(number)["told"]
    assert kept["departments"] == found.departments.to_dicts() and kept["items"] == found.items.to_dicts()
    assert (
        (kept["changed"], kept["opened"], kept["closed"])
        == (found.cases.height, found.opens.height, found.closes.height)
        != (0, 0, 0)
    )
    assert "<svg" in page.text and found.cases["case_no"][0] in page.text
    monkeypatch.setattr(backtest, "replay", lambda *_: pytest.fail("computed again"))
    assert str(client.post(f"{standalone.PLACE}/what-if", data=form).url).endswith(f"/{number}")
    assert str(number) in client.get(f"{standalone.PLACE}/what-if").text


@pytest.mark.parametrize(
    "form",
    [
        {"item": ["DG-503"], "limit": ["-3"]},
        {"item": ["DG-503"], "limit": [""]},
        {"item": ["DG-000"], "limit": ["3"]},
        {"without": ["no"]},
        {"parallel": ["DG-401"]},
        {"holiday": ["2026-13-01"], "until": [""]},
        {"holiday": ["2026-05-09"], "until": ["2026-05-01"]},
        {"year": "2199"},
    ],
)
def test_a_form_that_cannot_be_read_is_refused_in_words(today, form):
    answer = browser().post(f"{standalone.PLACE}/what-if", data={"year": today.year, **form})
    assert answer.status_code == 400 and re.search(r"无法读取|没有|不是|尚未", answer.text)


def test_a_holiday_is_a_span_of_days(today):
    from serving.pages.whatif import _change

    change = _change([], [], [], [], ["2026-05-01", ""], ["2026-05-03", "2026-06-01"], ["2026-05-09", ""])
    assert change.days == {
        **{date(2026, 5, d): False for d in (1, 2, 3)},
        date(2026, 6, 1): False,
        date(2026, 5, 9): True,
    }


def test_a_replay_that_fails_says_so_and_one_that_died_too(today, monkeypatch):
    from sqlalchemy import text

    from store.engine import transaction

    number, fresh = whatif.ask(Change(days={date(2026, 3, 3): False}), today.year, "test")
    assert fresh
    monkeypatch.setattr(backtest, "replay", lambda *_: 1 / 0)
    whatif.compute(number)
    assert "推演未能完成" in browser().get(f"{standalone.PLACE}/what-if/{number}").text
    number, _ = whatif.ask(Change(days={date(2026, 3, 4): False}), today.year, "test")
    running = browser().get(f"{standalone.PLACE}/what-if/{number}")
    assert "推演中" in running.text and running.headers["refresh"]
    with transaction() as c:
        c.execute(
            text("update supervision.what_if set asked_at = asked_at - interval '1 hour' where id = :id"),
            {"id": number},
        )
    assert "推演中断了" in browser().get(f"{standalone.PLACE}/what-if/{number}").text
    assert whatif.ask(Change(days={date(2026, 3, 4): False}), today.year, "test")[1]


def test_it_is_for_whoever_sees_the_city(today, two_towns):
    town = browser(f"town:{two_towns[0]}")
    assert town.get(f"{standalone.PLACE}/what-if").status_code == 403
    assert town.post(f"{standalone.PLACE}/what-if", data={"year": today.year}).status_code == 403
    assert (
        town.get(f"{standalone.PLACE}/what-if/1").status_code
        == town.get(f"{standalone.PLACE}/insight/days?holder=government").status_code
        == 403
    )
    assert browser().get(f"{standalone.PLACE}/what-if/999999").status_code == 404


def _count(page: str) -> int:
    return int(re.search(r'role="status">([\d,]+)', page)[1].replace(",", ""))


def test_a_number_of_the_ledger_leads_to_as_many_rows(told):
    client = browser()
    page = client.get(f"{standalone.PLACE}/insight").text
    links = re.findall(r'href="(cases\?late=ended[^"]+)">([\d,]+)</a>', page)
    by = {link.split("&amp;")[1].split("=")[0] for link, _ in links}
    assert by == {"item", "named", "handled", "ended"}
    for kind in by:  # the greatest and the smallest of each
        mine = sorted((int(n.replace(",", "")), link) for link, n in links if f"&amp;{kind}=" in link)
        for n, link in (mine[0], mine[-1]):
            assert _count(client.get(f"{standalone.PLACE}/{link.replace('&amp;', '&')}").text) == n, link
    for link, n in re.findall(r'href="(insight/days\?[^"]+)">[^<]*?([\d,]+)(?: 天)?</a>', page)[:12]:
        assert _count(client.get(f"{standalone.PLACE}/{link.replace('&amp;', '&')}").text) == int(n.replace(",", "")), (
            link
        )
    for link, n in re.findall(r'href="(insight/steps\?[^"]+)">(\d+)</a>', page)[:3]:
        assert _count(client.get(f"{standalone.PLACE}/{link.replace('&amp;', '&')}").text) == int(n), link
    assert (
        sum(h["days"] for h in told["holders"]) == rows("select sum(days)::int n from supervision.insight_days")[0]["n"]
    )
