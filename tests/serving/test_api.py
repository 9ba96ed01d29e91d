"""The API on a told city: listings, full view, masking, conditional requests, problems, keys and quotas."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from core.clock import SHANGHAI
from core.errors import ConfigurationError
from serving import derive, keys, search
from serving.query.projects import PARTS
from store import unify
from store.engine import transaction
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def city_key(ask) -> TestClient:
    return ask("read:projects")


@pytest.fixture(scope="module")
def busy(store) -> str:
    """The project with a red line and the most cases."""
    return rows(
        """select project_code as code from store."case" join store.redline using (project_code) group by 1 order by count(*) desc, 1 limit 1"""
    )[0]["code"]


def test_pages_bring_every_row_once_while_rows_are_written(city_key):
    expected = {row["id"] for row in rows("""select id from store."case" where gone_at is null""")}
    seen: list[str] = []
    cursor, pages = "", 0
    while True:
        page = city_key.get(
            f"/v1/cases?limit=97&fields=id&cursor={cursor}" if cursor else "/v1/cases?limit=97&fields=id"
        ).json()
        seen += [row["id"] for row in page["items"]]
        if pages == 2:  # rows come before and behind the cursor, and change
            with transaction() as c:
                c.exec_driver_sql(
                    """insert into store."case" (id, channel, case_no, content_hash) values ('A:0', 'M2', '0', ''), ('ZZ:9', 'M2', '9', '')"""
                )
                c.exec_driver_sql("""update store."case" set changed_at = now() where channel = 'M2'""")
        pages += 1
        cursor = page["next"]
        if not cursor:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == expected | {"ZZ:9"}
    with transaction() as c:
        c.exec_driver_sql("""delete from store."case" where id in ('A:0', 'ZZ:9')""")


def test_a_link_leads_to_the_next_page(city_key):
    answer = city_key.get("/v1/projects?limit=2&fields=project_code")
    following = answer.headers["link"].split(">")[0].removeprefix("<")
    assert city_key.get(following).json()["items"][0]["project_code"] > answer.json()["items"][-1]["project_code"]
    assert set(answer.json()["items"][0]) == {"project_code"}


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        (
            "light=红",
            """(select min(array_position(array['双红','红','黄','蓝','绿'], light)) from supervision.clock k where k.project_code = p.id and light <> '灰') = 2""",
        ),
        ("stage=4", "(select current_stage from supervision.position s where s.project_code = p.id) = 4"),
        (
            "has_findings=true",
            "exists (select from supervision.finding f where f.project_code = p.id and f.state in ('open', 'confirmed'))",
        ),
        (
            "has_findings=false",
            "not exists (select from supervision.finding f where f.project_code = p.id and f.state in ('open', 'confirmed'))",
        ),
        ("type=备案", "p.filing_type = '备案'"),
        ("finished=true", "(select finished from supervision.position s where s.project_code = p.id)"),
        ("town=441900119", "p.town_code = '441900119'"),
        ("updated_since=2100-01-01T00:00:00", "false"),
        (
            "department=114419000001000445",
            """exists (select from store."case" c where c.project_code = p.id and c.department_code in ('114419000001000445', '000100044'))
            or exists (select from supervision.finding f where f.project_code = p.id and f.department_code = '114419000001000445')""",
        ),
    ],
)
def test_filters_find_what_holds(city_key, query, condition):
    found = {row["id"] for row in city_key.get(f"/v1/projects?limit=1000&fields=id&{query}").json()["items"]}
    assert found == {
        row["id"] for row in rows(f"select id from store.project p where gone_at is null and ({condition})")
    }


def test_projects_are_found_by_name_code_enterprise_pinyin_and_initials(city_key):
    with transaction() as c:
        c.exec_driver_sql(
            """insert into store.project (id, project_code, project_name, applicant_name, applicant_uscc, content_hash)
               values ('2304-441900-04-01-135254', '2304-441900-04-01-135254', '长安重庆路（绿色）智造一期', '东莞市优品银行设备有限公司', '91441900MA0000015D', 'x');
               insert into store.change (entity, entity_id, op) values ('project', '2304-441900-04-01-135254', 'ADD')"""
        )
    for query in (
        "重庆路",
        "（绿色）",
        "绿色智造",
        "2304-441900-04-01-1352",
        "135254",
        "优品银行",
        "91441900MA0000015D",
        "91441900ma",
        "chang an",
        "CHANGAN",
        "chongqinglu",
        "lvse",
        "cacq",
        "yinhang",
        "ypyh",
        "一",
    ):
        found = [
            row["id"]
            for row in city_key.get("/v1/projects", params={"q": query, "limit": 1000, "fields": "id"}).json()["items"]
        ]
        assert "2304-441900-04-01-135254" in found, query
    for query in ("重庆南路", "xyzzy", "…", "%", "_"):
        assert "2304-441900-04-01-135254" not in str(
            city_key.get("/v1/projects", params={"q": query, "fields": "id"}).json()
        ), query
    with transaction() as c:
        c.exec_driver_sql("""update store.project set project_name = '改名后', content_hash = 'y' where id = '2304-441900-04-01-135254';
                             insert into store.change (entity, entity_id, op) values ('project', '2304-441900-04-01-135254', 'MOD')""")
    assert derive.refresh() and not derive.refresh()
    assert city_key.get("/v1/projects?q=gaiminghou&fields=id").json()["items"]
    assert not city_key.get("/v1/projects?q=chongqinglu&fields=id").json()["items"]
    with transaction() as c:
        c.exec_driver_sql("""delete from store.project where id = '2304-441900-04-01-135254'""")


def test_what_a_unify_under_way_changes_is_derived_when_it_has_ended(store):
    """Its parts commit numbers of the feed of changes in no order: up to the greatest, some may still come."""
    with transaction() as c:
        c.exec_driver_sql("insert into store.change (entity, entity_id, op) values ('project', 'x', 'MOD')")
    with unify._by_itself():
        assert not derive.refresh(wait=False)
    assert derive.refresh(wait=False)


def test_the_search_text_has_both_readings_of_a_letter():
    assert search.sounds("长安")[:2] == ["changan", "ca"]
    assert search.wanted(" ，。 ") is None


def test_the_full_view_has_every_part_of_the_project(city_key, busy):
    full = city_key.get(f"/v1/projects/{busy}").json()
    assert set(full) == {"project", "truncated", *PARTS}
    assert (
        len(full["cases"])
        == rows("""select count(*) from store."case" where project_code = :c and gone_at is null""", c=busy)[0]["count"]
    )
    assert {c["case_no"] for c in full["cases"] if c["light"] is not None}
    assert len(full["stages"]) == 8
    assert {item["state"] for item in full["items"]} <= {"已办", "在办", "未办", "未办成", "未知"}
    assert all(item["expected"] is not False for item in full["items"])
    assert full["redlines"][0]["geom"]["type"] in ("Polygon", "MultiPolygon")
    west, south = full["redlines"][0]["geom"]["coordinates"][0][0][0]
    assert 113 < west < 115 and 22 < south < 24
    some = city_key.get(f"/v1/projects/{busy}?parts=cases,findings").json()
    assert set(some) == {"project", "truncated", "cases", "findings"} and some["cases"] == full["cases"]


def test_items_are_those_that_supervision_expects(city_key, busy):
    from datetime import date

    from supervision import ledger

    judged = ledger.on_day(date.fromisoformat(city_key.get(f"/v1/projects/{busy}/position").json()["judged_on"]))
    expected = judged.standing.items.filter(judged.standing.items["project_code"] == busy)
    told = {i["item_code"]: i for i in city_key.get(f"/v1/projects/{busy}?parts=items").json()["items"]}
    done = set(expected.filter(expected["done"])["item_code"])
    assert {code for code, item in told.items() if item["state"] == "已办"} == {code for code in done if code in told}
    assert set(expected.filter(expected["expected"].fill_null(False))["item_code"]) <= set(told)


def test_the_position_says_stage_item_and_whose_turn_it_is(city_key):
    code = rows(
        """select project_code as code from supervision.position where current_stage is not null and not finished
           and jsonb_array_length(current_items) > 0 order by 1 limit 1"""
    )[0]["code"]
    told = city_key.get(f"/v1/projects/{code}/position").json()
    assert f"第 {told['current_stage']} 阶段" in told["summary"]["zh"]
    assert any(turn in told["summary"]["zh"] for turn in ("待企业申报", "待部门办理"))
    assert len(told["stages"]) == 8


def test_a_merged_code_leads_on_to_the_project_that_it_means(city_key, ask, busy, two_towns):
    with transaction() as c:
        c.exec_driver_sql(
            f"insert into store.project_alias (alias, project_id, why) values ('OLD-1', '{busy}', 'merged')"
        )
    answer = city_key.get("/v1/projects/OLD-1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, f"/v1/projects/{busy}")
    assert city_key.get("/v1/projects/OLD-1/position").json()["project_code"] == busy
    town = rows("select town_code from store.project where id = :c", c=busy)[0]["town_code"]
    other = next(t for t in two_towns if t != town)
    assert ask("read:projects", f"town:{other}").get("/v1/projects/OLD-1", follow_redirects=False).status_code == 404


def test_a_case_by_id_and_by_number(city_key):
    row = rows("""select id, case_no from store."case" where channel = 'M2' order by id limit 1""")[0]
    by_id = city_key.get(f"/v1/cases/{row['id']}").json()
    assert by_id == city_key.get(f"/v1/cases/{row['case_no']}").json()
    assert by_id["events"] and by_id["submitted_at"].endswith("+08:00")


def test_a_case_that_waits_for_data_says_for_which(city_key):
    told = rows("""select c.id, c.case_no, coalesce(c.project_code, '') as p, coalesce(c.item_code, '') as i
                   from store."case" c join supervision.clock k on k.case_id = c.id where c.channel = 'M2' order by 1 limit 1""")[
        0
    ]
    path = f"/v1/cases/{told['id']}"
    assert city_key.get(path).json()["not_judged"] is None
    light = "update supervision.clock set light = {} where case_id = %(id)s returning light"
    (was,) = rows("select light from supervision.clock where case_id = :id", id=told["id"])
    with transaction() as connection:
        connection.exec_driver_sql(light.format("'待数据'"), {"id": told["id"]})
    assert city_key.get(path).json()["not_judged"] == "未判定，等待其数源的数据"
    with transaction() as connection:  # a silence that was called right up to a day is one again the day after
        connection.exec_driver_sql(
            """insert into landing.silence (feed, kind, part, since, found_at, basis, text, approved_until, approved_by)
               values ('m2', 'source', '', '2026-11-16 17:00', '2026-11-17 09:00', 'rhythm', 'x', '2026-11-18', 'y')"""
        )
    assert city_key.get(path).json()["not_judged"] == "未判定，等待 m2（自 2026-11-16 17:00 静默）"
    with transaction() as connection:
        connection.exec_driver_sql("update landing.silence set approved_until = '2999-01-01' where text = 'x'")
    assert city_key.get(path).json()["not_judged"] == "未判定，等待其数源的数据"
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.silence where text = 'x'")
        connection.exec_driver_sql(
            """insert into supervision.waiting (rule, project_code, item_code, case_no, waits_for, silent_since, text, as_of)
               values ('overdue', %(p)s, %(i)s, %(case_no)s, '{m2.bj,m2.sl}', '2026-11-16 17:00', 'x', '2026-11-20')""",
            told,
        )
    assert city_key.get(path).json()["not_judged"] == "未判定，等待 m2.bj、m2.sl（自 2026-11-16 17:00 静默）"
    with transaction() as connection:
        connection.exec_driver_sql("delete from supervision.waiting where text = 'x'")
        connection.exec_driver_sql(light.format("%(was)s"), {"id": told["id"], "was": was["light"]})


def test_personal_data_are_masked_without_the_scope(city_key, ask):
    row = rows(
        """select id, contact_phone, contact_name, applicant_id from store."case" where contact_phone is not null and contact_name is not null limit 1"""
    )[0]
    masked = city_key.get(f"/v1/cases/{row['id']}").json()
    clear = ask("read:projects", "read:personal").get(f"/v1/cases/{row['id']}").json()
    for name in ("contact_phone", "contact_name", "applicant_id"):
        assert clear[name] == row[name]
        assert masked[name] != row[name] and "*" in masked[name]
    assert row["contact_phone"] not in city_key.get("/v1/cases?limit=1000").text


def test_a_person_who_applies_is_named_to_nobody_without_the_scope(city_key):
    with transaction() as c:
        c.exec_driver_sql(
            """insert into store."case" (id, channel, case_no, applicant_type, applicant_name, content_hash) values ('M2:p', 'M2', 'p', '1', '王小明', '')"""
        )
    assert city_key.get("/v1/cases/M2:p").json()["applicant_name"] == "王**"
    with transaction() as c:
        c.exec_driver_sql("""delete from store."case" where id = 'M2:p'""")


def test_an_etag_saves_the_answer_until_something_changes(city_key, busy):
    first = city_key.get(f"/v1/projects/{busy}")
    again = city_key.get(f"/v1/projects/{busy}", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    with transaction() as c:
        c.exec_driver_sql(f"update store.project set place = coalesce(place, '') || '改' where id = '{busy}'")
    changed = city_key.get(f"/v1/projects/{busy}", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200 and changed.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/projects?town=长安", 400, "invalid-parameter"),
        ("/v1/projects?twon=441900119", 400, "unknown-parameter"),
        ("/v1/projects?limit=0", 400, "invalid-parameter"),
        ("/v1/projects?limit=1001", 400, "invalid-parameter"),
        ("/v1/projects?fields=nothing", 400, "invalid-parameter"),
        ("/v1/projects?cursor=garbage", 404, "invalid-cursor"),
        ("/v1/projects?q=%00", 400, "invalid-parameter"),
        ("/v1/projects?updated_since=yesterday", 400, "invalid-parameter"),
        ("/v1/projects/none", 404, "not-found"),
        ("/v1/cases/none", 404, "not-found"),
        ("/v1/nothing", 404, "not-found"),
        ("/v1/balance", 403, "forbidden"),
        ("/features/collections/none/items", 404, "not-found"),
        ("/features/collections/redlines/items?bbox=1,2", 400, "invalid-parameter"),
        ("/features/collections/redlines/items?colour=red", 400, "unknown-parameter"),
        ("/features?f=html", 400, "invalid-parameter"),
        ("/v1/balance?since=0", 403, "forbidden"),
        ("/tiles/3/9/1.mvt", 404, "not-found"),
        ("/tiles/25/1/1.mvt", 400, "invalid-parameter"),
    ],
)
def test_problems_say_what_is_wrong_in_both_languages(city_key, path, status, code):
    answer = city_key.get(path, headers={"Accept-Language": "en-GB,zh;q=0.5"})
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["type"] == f"urn:onemap:problem:{code}"
    assert told["title"].isascii() and not told["messages"]["zh"].isascii()
    chinese = city_key.get(path).json()
    assert not chinese["title"].isascii() and chinese["messages"] == told["messages"]


def test_a_cursor_of_another_listing_is_refused(city_key):
    cursor = city_key.get("/v1/cases?limit=1&fields=id").json()["next"]
    assert city_key.get(f"/v1/projects?cursor={cursor}").json()["code"] == "invalid-cursor"


def test_another_method_is_told_what_there_is(city_key):
    answer = city_key.post("/v1/projects")
    assert (answer.status_code, answer.headers["allow"], answer.json()["code"]) == (405, "GET", "method-not-allowed")


def test_without_a_key_with_a_wrong_or_a_revoked_one_nothing_is_told(ask):
    from serving.api.app import app

    bare = TestClient(app)
    answer = bare.get("/v1/projects")
    assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
    assert bare.get("/v1/projects", headers={"X-API-Key": "om_wrong"}).status_code == 401
    key_id, key = keys.make("short", ["read:projects"], by="test")
    assert bare.get("/v1/projects?limit=1", headers={"X-API-Key": key}).status_code == 200
    keys.revoke(key_id, by="test")
    assert bare.get("/v1/projects?limit=1", headers={"X-API-Key": key}).status_code == 401
    with pytest.raises(ConfigurationError):
        keys.revoke(key_id, by="test")
    _, old = keys.make("old", ["read:projects"], by="test", expires=datetime.now(SHANGHAI) - timedelta(seconds=1))
    assert bare.get("/v1/projects?limit=1", headers={"X-API-Key": old}).status_code == 401


def test_only_a_digest_of_a_key_is_kept(store):
    key_id, key = keys.make("digest", ["read:projects"], by="test")
    kept = rows("select * from serving.api_key where id = :id", id=key_id)[0]
    assert key not in str(kept) and kept["digest"] == keys.digest(key)
    with pytest.raises(ConfigurationError):
        keys.make("wrong", ["read:everything"], by="test")
    with pytest.raises(ConfigurationError):
        keys.make("wrong", ["department:123"], by="test")


def test_a_quota_ends_with_its_minute(ask):
    client = ask("read:projects", per_minute=3)
    codes = [client.get("/v1/items?limit=1").status_code for _ in range(4)]
    assert codes[:3] == [200] * 3 or 429 not in codes  # a minute may turn within
    while client.get("/v1/items?limit=1").status_code != 429:
        pass
    answer = client.get("/v1/items?limit=1")
    assert 1 <= int(answer.headers["retry-after"]) <= 61 and '"minute";r=0' in answer.headers["ratelimit"]
    assert ask("read:projects").get("/v1/items?limit=1").status_code == 200
    with transaction() as c:
        c.exec_driver_sql("update serving.key_use set start = start - interval '1 minute' where span = 'minute'")
    assert client.get("/v1/items?limit=1").status_code == 200


def test_the_day_has_its_quota_too(ask):
    client = ask("read:projects", per_day=2)
    assert [client.get("/v1/items?limit=1").status_code for _ in range(3)] == [200, 200, 429]


def test_what_counts_as_out_of_the_system_is_the_rulebook_s(city_key, monkeypatch, tmp_path):
    """out_of_system in rules.yaml moves the API's count as it moves the report's."""
    from serving import rulebook
    from supervision import judge

    text = (rulebook.FOLDER / "rules.yaml").read_text("utf-8")
    for path in rulebook.FOLDER.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    head, _, tail = text.partition("  overdue:\n")
    only_overdue = (
        head + "  overdue:\n    out_of_system: true\n" + tail.replace("out_of_system: true", "out_of_system: false")
    )
    (tmp_path / "rules.yaml").write_text(only_overdue, "utf-8")
    by = judge.rules(tmp_path)
    assert by.book.out_of_system == ["overdue"]
    monkeypatch.setattr("serving.query.statistics.rules", lambda: by)
    told = city_key.get("/v1/statistics").json()
    assert told["outside"]["findings"] == {g["key"]: g["count"] for g in told["findings_by_rule"]}.get("overdue", 0)


def test_statistics_count_what_the_asker_sees(city_key, ask, two_towns):
    whole, town = (
        city_key.get("/v1/statistics").json(),
        ask("read:projects", f"town:{two_towns[0]}").get("/v1/statistics").json(),
    )
    assert (
        sum(g["count"] for g in whole["projects_by_town"])
        == rows("select count(*) from store.project where gone_at is null")[0]["count"]
    )
    assert [g["key"] for g in town["projects_by_town"]] == [two_towns[0]]
    open_ = rows(
        "select rule as key, count(*) from supervision.finding where state in ('open', 'confirmed') group by 1"
    )
    assert {g["key"]: g["count"] for g in whole["findings_by_rule"]} == {r["key"]: r["count"] for r in open_}
    assert whole["outside"]["findings"] == sum(r["count"] for r in open_ if r["key"] in ("C1", "C2", "C3", "C9", "C15"))


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ("findings?rule=C99", 400, "C15"),
        ("findings?town=999999999", 400, "441900119"),
        ("cases?light=purple", 400, "双红"),
        ("projects?light=灰", 400, "无"),
        ("cases?department=999999999", 400, "东莞市"),
        ("work-orders?state=lost", 400, "dispatched"),
        ("cases?item=NO-1", 404, "DG-"),
        ("projects?fields=nothing", 400, "project_code"),
        ("cases?limit=0", 400, "1"),
    ],
)
def test_a_value_that_a_filter_does_not_know_is_refused_with_those_it_knows(ask, query, status, word):
    """``rule=C99`` answered 200 and nothing."""
    answer = ask().get(f"/v1/{query}", headers={"Accept-Language": "zh"})
    assert answer.status_code == status, answer.text
    assert word in answer.json()["detail"]


def test_no_light_is_one_word_everywhere(ask):
    client = ask()
    none = client.get("/v1/projects", params={"light": "无", "limit": 1000}).json()["items"]
    counted = {
        g["key"]: g["count"] for g in client.get("/v1/statistics?groups=projects_by_light").json()["projects_by_light"]
    }
    assert len(none) == counted["无"] and all(row["light"] is None for row in none)
    late = client.get("/v1/statistics?groups=cases_late").json()["cases_late"]
    assert set(late) == {"running_overdue", "overdue"} and late["overdue"] >= late["running_overdue"]


def test_the_interactive_description_comes_from_here_alone(ask):
    import re

    from serving.api.app import app

    client = TestClient(app)
    page = client.get("/docs")
    assert page.status_code == 200 and "//" not in re.sub(r"<!doctype.*?>", "", page.text).replace("</", "")
    for place in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(f"/{place}").status_code == 200, place
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "openapi.json" in client.get("/docs/start.js").text


def test_whatever_is_wrong_with_a_parameter_is_said_in_chinese_too(city_key):
    spec = city_key.get("/openapi.json").json()
    said = set()
    for path, methods in spec["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", []):
            if parameter["in"] != "query" or "{" in path:
                continue
            for value in ("x" * 5000, "-1", "1e400", "2026-13-45T", ""):
                answer = city_key.get(path, params={parameter["name"]: value})
                if answer.status_code == 400 and "errors" in answer.json():
                    said.update((path, parameter["name"], value[:12], e.get("zh", "")) for e in answer.json()["errors"])
    assert len(said) > 50
    assert [one for one in said if one[3].isascii() or one[3].startswith("不合规范")] == []
