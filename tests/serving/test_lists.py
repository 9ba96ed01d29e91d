"""Lists that people work through, decisions where operators are, and up to when the data are, on every page."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import openpyxl
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core import clock
from serving import keys
from serving.access import Grant
from serving.pages import standalone
from serving.query import freshness, lists
from store.engine import transaction
from tests.serving.conftest import rows

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def browser(store):
    """``browser("read:projects", …)`` → a client of the pages with a key of these scopes."""
    app = standalone.make("a-token", "operator", ["testserver"])

    def client(*scopes: str) -> TestClient:
        _, key = keys.make("test", scopes or ("read:projects",), by="test")
        return TestClient(
            app, base_url="http://testserver/onemap/map", headers={"Authorization": f"Bearer {key}", **HTML}
        )

    return client


@pytest.fixture(autouse=True)
def fresh():
    freshness._cached.clear()


@pytest.mark.parametrize("path", ["findings", "cases", "cases?late=all", "orders", "escalations", "agents"])
def test_every_list_is_a_page_a_csv_and_a_workbook_of_the_same_rows(browser, path):
    client = browser()
    name, _, query = path.partition("?")
    page = client.get(path)
    assert page.status_code == 200 and "数据截至" in page.text
    text = client.get(f"{name}.csv?{query}")
    assert text.content.startswith(b"\xef\xbb\xbf") and "filename" in text.headers["content-disposition"]
    written = list(csv.reader(io.StringIO(text.content.decode("utf-8-sig"))))
    book = openpyxl.load_workbook(io.BytesIO(client.get(f"{name}.xlsx?{query}").content))
    sheet = list(book["数据"].values)
    assert [list(sheet[0])] == written[:1] and len(sheet) == len(written)
    about = dict(book["说明"].values)
    assert about["数据截至"].startswith("数据截至") and about["名称"]
    if name not in ("agents",):
        assert (
            f"{len(written) - 1:,} 条" in page.text
            or query == ""
            and name in ("findings", "orders", "escalations", "cases")
        )


def test_a_list_is_filtered_and_sorted_and_each_number_leads_to_it(browser):
    client = browser()
    all_of_them = rows(
        "select rule, count(*) as n from supervision.finding where state in ('open', 'confirmed') group by 1 order by 2 desc"
    )
    one = all_of_them[0]
    page = client.get(f"findings?rule={one['rule']}&sort=-opened").text
    assert f"{one['n']} 条" in page and 'aria-sort="descending"' in page
    whole = list(
        csv.reader(
            io.StringIO(
                client.get(f"findings.csv?rule={one['rule']}&state=standing&sort=opened").content.decode("utf-8-sig")
            )
        )
    )
    days = [line[whole[0].index("出现日")] for line in whole[1:]]
    assert len(days) == one["n"] and days == sorted(days)
    front = client.get("").text
    assert "cases?late=running" in front and "findings?project=" in front


@pytest.mark.parametrize(
    "query", ["rule=C99", "town=999999999", "state=nonsense", "sort=nothing", "department=999999999999999999"]
)
def test_a_word_that_a_list_does_not_know_is_refused_with_those_it_knows(browser, query):
    answer = browser().get(f"findings?{query}")
    assert answer.status_code == 400 and "可用：" in answer.text


def test_a_town_sees_its_rows_alone(browser, two_towns):
    one, other = two_towns
    client = browser("read:projects", f"town:{one}")
    lines = client.get("findings.csv").content.decode("utf-8-sig")
    mine = {r["id"] for r in rows("select id from store.project where town_code = :t", t=one)}
    theirs = {r["id"] for r in rows("select id from store.project where town_code = :t", t=other)}
    assert any(code in lines for code in mine) and not any(code in lines for code in theirs)
    assert client.get("city/report.html").status_code == 403 and client.get("ops/decisions").status_code == 403


def test_what_a_spreadsheet_would_run_stays_a_text():
    from serving.pages.lists import _cell

    assert [_cell(x) for x in ("=1+1", "+a", "-b", "@c", "正常", -3)] == ["'=1+1", "'+a", "'-b", "'@c", "正常", -3]


def test_a_case_has_a_shared_file_with_clock_events_findings_and_orders(browser):
    found = rows("select case_id, text from supervision.finding where case_id is not null and state = 'open' limit 1")
    number = (
        found[0]["case_id"] if found else rows('select id from store."case" where gone_at is null limit 1')[0]["id"]
    )
    page = browser().get(f"case/{number}").text
    assert "时限与轮到谁" in page and "环节" in page and all(one["text"] in page for one in found)
    assert browser().get("case/M2:nothing").status_code == 404


def test_findings_are_confirmed_and_lifted_from_the_page_in_three_clicks_on_the_same_journal(browser):
    one = rows("select id from supervision.finding where state = 'open' order by id limit 1")[0]["id"]
    reader, decider = browser("read:projects", "admin"), browser("read:projects", "decide")
    assert "误报解除" in decider.get("findings").text and "误报解除" not in reader.get("findings").text
    posted = {"verdict": "confirmed", "note": "属实", "back": "?rule=C1"}
    assert reader.post(f"ops/decide/finding/{one}", data=posted).status_code == 403
    foreign = {"sec-fetch-site": "cross-site"}
    assert decider.post(f"ops/decide/finding/{one}", data=posted, headers=foreign).status_code == 403
    assert decider.post(f"ops/decide/finding/{one}", data=posted | {"note": ""}).status_code == 400
    done = decider.post(f"ops/decide/finding/{one}", data=posted, follow_redirects=False)
    assert done.status_code == 303 and done.headers["location"] == "../../../findings?rule=C1"
    assert rows("select state, decision_note from supervision.finding where id = :id", id=one) == [
        {"state": "confirmed", "decision_note": "属实"}
    ]
    assert decider.post(f"ops/decide/finding/{one}", data={"verdict": "lifted", "note": "误报"}).status_code == 200
    events = rows("select event, by, why from supervision.finding_event where finding_id = :id order by seq", id=one)
    assert [(e["event"], e["why"]) for e in events][-2:] == [("confirmed", "属实"), ("lifted", "误报")]
    logged = rows("select action, detail from store.audit where object = :o order by seq", o=f"finding {one}")
    assert [entry["action"] for entry in logged] == ["decide", "decide"]
    gone = decider.post(f"ops/decide/finding/{one}", data=posted)
    assert gone.status_code == 409 and "没有待核的发现" in gone.text


def test_a_held_deletion_is_decided_from_the_page(browser):
    from store import holds

    with transaction() as connection:
        run = connection.exec_driver_sql("select id, feed from landing.run order by id desc limit 1").one()
        number = holds.open_hold(connection, run.feed, run.id, 40, 100, ["a", "b"])
    client = browser("read:projects", "admin", "decide")
    assert f'id="hold-{number}"' in client.get("ops/decisions").text
    assert (
        client.post(f"ops/decide/hold/{number}", data={"verdict": "refused", "note": "数源在检修"}).status_code == 200
    )
    assert rows("select decision, note from landing.hold where id = :n", n=number) == [
        {"decision": "refused", "note": "数源在检修"}
    ]
    assert client.post(f"ops/decide/hold/{number}", data={"verdict": "released", "note": "x"}).status_code == 409


def test_two_numbers_are_compared_judged_and_the_judgement_undone(browser):
    pair = rows(
        "select channel || ':' || case_no as number, case_id from store.case_member where why <> 'self' order by 1 limit 1"
    )[0]
    client = browser("read:projects", "admin", "decide")
    page = client.get("ops/identity", params={"left": pair["case_id"], "right": pair["number"]}).text
    assert "目前视为<b>同一</b>办件" in page and "判为不同" in page
    sent = {"left": pair["case_id"], "right": pair["number"], "verdict": "different", "note": "两件事"}
    assert client.post("ops/decide/identity", data=sent).status_code == 200
    judged = rows("select id, verdict, note, undone_at from store.identity_judgement order by id desc limit 1")[0]
    assert (judged["verdict"], judged["note"]) == ("different", "两件事")
    assert client.post(f"ops/decide/identity/{judged['id']}/undo").status_code == 200
    assert rows("select undone_at from store.identity_judgement where id = :i", i=judged["id"])[0]["undone_at"]


def test_pages_reports_and_answers_say_up_to_when_the_data_are_and_what_fails(browser, ask):
    """Five feeds failed and the data were four days old, and the One Map said no word."""
    feed = rows(
        "select feed from landing.run where outcome = 'ok' and trigger in ('cli', 'schedule') order by feed limit 1"
    )[0]["feed"]
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into landing.run (source, feed, trigger, window_full, started_at, ended_at, outcome, fault, error, zh)
                   values (split_part(:feed, '.', 1), :feed, 'schedule', false, now(), now(), 'failed', 'authentication', 'refused', '口令被拒')"""
            ),
            {"feed": feed},
        )
        connection.execute(
            sa.text("update landing.completed set read_at = :t where feed = :feed"),
            {"t": clock.now() - timedelta(days=4), "feed": feed},
        )
    freshness._cached.clear()
    now = freshness.freshness()
    assert now.as_of <= clock.now() - timedelta(days=4) and now.tone == "bad"
    assert feed in [f.feed for _, f in now.failing]
    client = browser("read:projects", "admin")
    for path in ("", "findings", "cases", "agents", "ops/sources", "city/report.html"):
        page = client.get(path).text
        assert f"数据截至 {now.as_of:%Y-%m-%d %H:%M}" in page and "读取失败或待人工" in page, path
    answer = ask().get("/v1/projects?limit=1")
    assert (
        answer.headers["Data-As-Of"].startswith(f"{now.as_of:%Y-%m-%dT%H:%M}")
        and feed in answer.headers["Data-Troubles"]
    )
    told = ask().get("/v1/freshness").json()
    assert feed in next(s for s in told["sources"] if s["source"] == feed.split(".")[0])["failing"]


def test_orders_of_a_list_are_chosen_by_name_alone():
    for listing in lists.LISTS.values():
        for column in listing.columns:
            assert lists._order(listing, f"-{column}").endswith(listing.key)


def test_a_decision_needs_the_scope_by_name():
    assert not Grant("x", frozenset({"admin"})).decides
    assert Grant("x", frozenset({"decide"})).decides
    assert not Grant("x", frozenset({"decide"}), towns=("441900119",)).decides


def test_the_catalogue_is_searched_and_exported_as_dcat_and_contracts(browser):
    import yaml
    from open_data_contract_standard.model import OpenDataContractStandard

    client = browser()
    page = client.get("catalogue").text
    assert "数据契约 ODCS" in page and "p1.enterprise" in page and "个人信息，默认脱敏" in page
    found = client.get("catalogue", params={"q": "承诺到期日"}).text
    assert "due_promised" in found and 'id="parcel"' not in found
    told = client.get("catalogue/dcat.jsonld").json()
    assert {"urn:onemap:project", "urn:onemap:finding"} <= {d["@id"] for d in told["dcat:dataset"]}
    contract = OpenDataContractStandard.model_validate(yaml.safe_load(client.get("catalogue/case.odcs.yaml").text))
    assert contract.schema_[0].name == "case" and {p.name for p in contract.schema_[0].properties} >= {
        "case_no",
        "light",
    }
    assert client.get("catalogue/nothing.odcs.yaml").status_code == 404


def test_an_application_is_subscribed_stopped_and_told_again_from_the_page(browser):
    from serving import webhooks

    reader, decider = browser("read:projects", "admin"), browser("read:projects", "admin", "decide")
    sent = {"name": "board", "connection": "hook_board", "entity": ["finding", "work_order"]}
    assert reader.post("ops/subscriptions", data=sent).status_code == 403
    assert "board" in decider.post("ops/subscriptions", data=sent).text
    assert decider.post("ops/subscriptions", data=sent).status_code == 409  # taken
    assert decider.post("ops/subscriptions", data=sent | {"name": "other", "entity": ["nonsense"]}).status_code == 409
    with transaction() as connection:
        place = connection.exec_driver_sql("select xid, seq from serving.webhook where name = 'board'").one()
        made = [
            connection.execute(
                sa.text(
                    "insert into serving.delivery (webhook, body, changes, xid, seq, delivered_at) values ('board', '', 1, :x, :s, now()) returning id::text"
                ),
                {"x": place.xid + n, "s": place.seq + n},
            ).scalar_one()
            for n in (1, 2)
        ]
        connection.exec_driver_sql("update serving.webhook set xid = xid + 2, seq = seq + 2 where name = 'board'")
    assert decider.post("ops/subscriptions/board/replay", data={"delivery": made[1]}).status_code == 200
    now = rows("select xid, seq from serving.webhook where name = 'board'")[0]
    assert (now["xid"], now["seq"]) == (place.xid + 1, place.seq + 1)  # where the message before ended
    assert decider.post("ops/subscriptions/board/replay", data={"delivery": "none"}).status_code == 409
    assert decider.post("ops/subscriptions/board/stop").status_code == 200
    assert webhooks.listed()[0]["stopped_why"].startswith("由 ")
