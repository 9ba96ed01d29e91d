"""The One Map page over HTTP: who sees what, filters, escaping, headers, the log."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from serving import keys
from serving.access import Grant, reading
from serving.pages import standalone
from serving.query.city import Filters, chosen, city
from store.engine import transaction

TOKEN = "a-token-of-this-test"
PAGES = standalone.PLACE


@pytest.fixture
def browse(store: None) -> Callable[..., TestClient]:
    """``browse("town:441900119")`` → a client with such a key; ``browse()`` → whoever started the server."""
    app = standalone.make(TOKEN, "operator", ["testserver"])

    def client(*scopes: str) -> TestClient:
        key = keys.make("test", ["read:projects", *scopes], by="test")[1] if scopes else TOKEN
        return TestClient(app, cookies={standalone.COOKIE: key}, follow_redirects=False, base_url="http://testserver")

    return client


def ask(sql: str, **values: object) -> list:
    with transaction() as connection:
        return list(connection.execute(sa.text(sql), values))


def codes(answer) -> list[str]:
    return re.findall(r'href="project/([^"?]+)"', answer.text)


def test_nobody_comes_in_without_a_key(browse: Callable) -> None:
    client = TestClient(standalone.make(TOKEN, "operator", ["testserver"]), follow_redirects=False)
    answer = client.get(f"{PAGES}/?town=441900121", headers={"Accept": "text/html"})
    assert answer.status_code == 303 and answer.headers["location"] == "/login?next=/onemap/map/%3Ftown%3D441900121"
    assert client.get(f"{PAGES}/data/points").status_code == 401
    assert client.get("/enter?token=wrong").headers["location"] == "/login"
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.post("/login", data={"key": "om_nothing"}).status_code == 401
    assert (
        client.post("/login", data={"key": TOKEN, "next": "https://evil.example/"}).headers["location"] == f"{PAGES}/"
    )
    entered = client.get(f"/enter?token={TOKEN}")
    assert "HttpOnly" in entered.headers["set-cookie"] and "SameSite=strict" in entered.headers["set-cookie"]
    assert client.get(f"{PAGES}/").status_code == 200


def test_board_list_and_points_agree_with_the_store(browse: Callable) -> None:
    client = browse()
    projects = {row[0] for row in ask("select id from store.project where gone_at is null")}
    page = client.get(f"{PAGES}/")
    assert set(codes(page)) == projects  # they fit on one page
    points = client.get(f"{PAGES}/data/points").json()
    assert set(points["code"]) <= projects and len({len(column) for column in points.values()}) == 1
    stages = dict(
        tuple(r) for r in ask("select current_stage, count(*) from supervision.position where not finished group by 1")
    )
    for stage in range(1, 9):
        found = codes(client.get(f"{PAGES}/?stage={stage}"))
        assert len(found) == stages.get(stage, 0)
    done = ask(
        "select count(*) from supervision.position join store.project p on p.id = position.project_code where finished and p.gone_at is null"
    )[0][0]
    assert len(codes(client.get(f"{PAGES}/?stage=done"))) == done
    for (rule,) in ask("select distinct rule from supervision.finding where state = 'open'"):
        wanted = {
            r[0]
            for r in ask(
                "select project_code from supervision.finding where state in ('open', 'confirmed') and rule = :rule",
                rule=rule,
            )
        }
        assert set(codes(client.get(f"{PAGES}/?rule={rule}"))) == wanted & projects
    lights = [
        code
        for light in ("双红", "红", "黄", "蓝", "绿", "无")
        for code in codes(client.get(f"{PAGES}/?light={light}"))
    ]
    assert sorted(lights) == sorted(projects)


def test_a_project_is_found_by_name_code_enterprise_and_pinyin(browse: Callable) -> None:
    from pypinyin import lazy_pinyin

    client = browse()
    code, name, enterprise = ask(
        "select id, project_name, applicant_name from store.project where gone_at is null order by id limit 1"
    )[0]
    for q in (
        name[:6],
        code,
        enterprise[3:7],
        "".join(lazy_pinyin(name[:4])),
        "".join(s[0] for s in lazy_pinyin(name[:5])),
    ):
        assert code in codes(client.get(f"{PAGES}/", params={"q": q})), q
    assert codes(client.get(f"{PAGES}/?q=没有这样的项目名称")) == []
    assert codes(client.get(f"{PAGES}/?q=%25")) == []  # nothing to look for


def test_a_department_is_who_acts_answers_or_handles(browse: Callable) -> None:
    department = "11441900000100060T"
    found = set(codes(browse().get(f"{PAGES}/?department={department}")))
    acts = {
        r[0]
        for r in ask(
            "select project_code from supervision.position, jsonb_array_elements(current_items) i where i ->> 'department_code' = :d",
            d=department,
        )
    }
    answers = {
        r[0]
        for r in ask(
            "select project_code from supervision.finding where state in ('open', 'confirmed') and department_code = :d",
            d=department,
        )
    }
    assert acts and acts | answers <= found


def test_a_projects_page_says_step_turn_and_findings(browse: Callable) -> None:
    client = browse()
    for code, stage, items in ask(
        "select project_code, current_stage, current_items from supervision.position where not finished and current_stage is not null limit 3"
    ):
        page = client.get(f"{PAGES}/project/{code}")
        assert page.status_code == 200 and f"当前处于第 {stage} 阶段" in page.text
        for item in items:
            assert item["item_name"].replace('"', "&#34;") in page.text and item["turn"] in page.text
    for code, text in ask("select project_code, text from supervision.finding where state = 'open' limit 5"):
        assert text in client.get(f"{PAGES}/project/{code}").text
    assert client.get(f"{PAGES}/project/2601-000000-00-00-000000").status_code == 404
    day = ask("select max(as_of) from supervision.position")[0][0]
    assert "截至" in client.get(f"{PAGES}/project/{code}?as_of={day.replace(year=day.year - 1)}").text
    assert client.get(f"{PAGES}/project/{code}?as_of=9999-01-01").status_code == 400


def test_a_merged_code_leads_to_the_project(browse: Callable) -> None:
    code = ask("select id from store.project where gone_at is null order by 1 limit 1")[0][0]
    with transaction() as connection:
        connection.execute(
            sa.text(
                "insert into store.project_alias (alias, project_id, why) values ('2500-OLD', :code, 'rewritten') on conflict do nothing"
            ),
            {"code": code},
        )
    answer = browse().get(f"{PAGES}/project/2500-OLD")
    assert answer.status_code == 302 and answer.headers["location"] == code


def test_a_towns_key_sees_nothing_of_another_by_any_route(browse: Callable) -> None:
    town = ask(
        "select town_code from store.project where gone_at is null and town_code is not null group by 1 order by count(*) desc, 1 limit 1"
    )[0][0]
    mine = {r[0] for r in ask("select id from store.project where gone_at is null and town_code = :town", town=town)}
    other = ask(
        "select id, town_code from store.project where gone_at is null and town_code <> :town limit 1", town=town
    )[0]
    client = browse(f"town:{town}")
    assert set(codes(client.get(f"{PAGES}/"))) == mine
    assert set(client.get(f"{PAGES}/data/points").json()["code"]) <= mine
    assert codes(client.get(f"{PAGES}/", params={"q": other.id})) == []
    assert {line["code"] for line in client.get(f"{PAGES}/data/redlines?box=113,22,115,24").json()} <= mine
    for path in (
        f"project/{other.id}",
        f"project/{other.id}/report.html",
        f"project/{other.id}/archive.zip",
        f"data/brief?code={other.id}",
        f"town/{other.town_code}/report.html",
    ):
        answer = client.get(f"{PAGES}/{path}")
        assert answer.status_code == 404 and other.id not in answer.text.replace(f"项目 {other.id}", ""), path
    # the rows kept in memory for one asker are none of another's
    assert set(codes(browse().get(f"{PAGES}/"))) > mine
    assert set(codes(client.get(f"{PAGES}/"))) == mine


def test_what_sources_wrote_stays_text(browse: Callable) -> None:
    code = ask("select project_code from supervision.finding where state = 'open' limit 1")[0][0]
    bad = '"><script>alert(1)</script>'
    with transaction() as connection:
        connection.execute(
            sa.text("update store.project set project_name = :bad, applicant_name = :bad where id = :code"),
            {"bad": bad, "code": code},
        )
        connection.execute(
            sa.text("update supervision.finding set text = :bad where project_code = :code"), {"bad": bad, "code": code}
        )
    client = browse()
    for path in ("/", f"/project/{code}", f"/project/{code}/report.html"):
        assert bad not in client.get(f"{PAGES}{path}").text, path
    assert bad not in client.get(f"{PAGES}/", params={"q": bad}).text


def test_pages_need_no_inline_script_or_style(browse: Callable) -> None:
    client = browse()
    code = ask("select id from store.project where gone_at is null order by 1 limit 1")[0][0]
    for path in ("/", f"/project/{code}", "/project/none"):
        answer = client.get(f"{PAGES}{path}")
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'self'" in policy
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", answer.text)
        assert not re.search(r'(?:href|src|action)="(?:https?:)?//', answer.text)
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_personal_data_on_any_page(browse: Callable) -> None:
    client = browse()
    for code, phone, agent in ask(
        """select p.id, c.contact_phone, p.agent from store.project p join store."case" c on c.project_code = p.id
           where p.gone_at is null and c.contact_phone is not null and p.agent is not null limit 3"""
    ):
        text = client.get(f"{PAGES}/project/{code}").text + client.get(f"{PAGES}/project/{code}/report.html").text
        assert phone not in text and agent not in text


def test_every_read_stands_on_the_audit_log(browse: Callable) -> None:
    client = browse("town:441900121")
    before = ask("select coalesce(max(seq), 0) from store.audit")[0][0]
    client.get(f"{PAGES}/?q=13812345678")
    client.get(f"{PAGES}/data/points")
    told = ask("select action, object, detail from store.audit where seq > :before order by seq", before=before)
    assert [row.object for row in told] == [f"{PAGES}/", f"{PAGES}/data/points"]
    assert told[0].detail["query"] == {"q": "138*****678"} or "13812345678" not in str(told[0].detail)


@pytest.mark.parametrize(
    "path",
    [
        "/?stage=9",
        "/?light=橙",
        "/?town=1",
        "/?page=0",
        "/data/redlines?box=1,2,3",
        "/data/redlines?box=a,b,c,d",
        "/?department=x",
    ],
)
def test_an_address_that_makes_no_sense_is_refused_in_words(browse: Callable, path: str) -> None:
    answer = browse().get(f"{PAGES}{path}")
    assert answer.status_code == 400 and "请检查" in answer.text


def test_pages_of_the_list(browse: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from serving.pages import app

    monkeypatch.setattr(app, "PAGE", 7)
    client = browse()
    count = ask("select count(*) from store.project where gone_at is null")[0][0]
    seen = [code for page in range(1, (count + 6) // 7 + 1) for code in codes(client.get(f"{PAGES}/?page={page}"))]
    assert len(seen) == len(set(seen)) == count
    assert codes(client.get(f"{PAGES}/?page=999")) == seen[(count - 1) // 7 * 7 :]


def test_rows_in_memory_follow_the_store(store: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.cache.PATIENCE", 0)
    grant = Grant("test")
    before = city(grant)
    assert city(grant) is before
    with transaction() as connection:
        code = connection.exec_driver_sql(
            "select id from store.project where gone_at is null order by 1 limit 1"
        ).scalar_one()
        connection.execute(
            sa.text("update store.project set project_name = '改名之后', content_hash = sha256('x') where id = :code"),
            {"code": code},
        )
        connection.execute(
            sa.text(
                "insert into store.change (entity, entity_id, op, columns, sources) values ('project', :code, 'MOD', '{project_name}', '{}')"
            ),
            {"code": code},
        )
    after = city(grant)
    assert after is not before and "改名之后" in after.projects["name"].to_list()
    assert chosen(after, grant, Filters(q="改名之后"))["code"].to_list() == [code]
    with reading(grant) as connection:
        assert connection.exec_driver_sql("select count(*) from onemap.project").scalar_one() == after.projects.height
