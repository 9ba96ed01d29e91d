"""数据共享: asked, granted for a time, held to entities, fields and rows, masked by the policy, shown in use, ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from core import clock
from core.errors import ConfigurationError, NotFoundError
from schemas import entities, masking
from serving import sharing
from serving.access import grant_of, reading
from serving.sql.views import views
from tests.serving.conftest import rows

HOUSING = "11441900000100060T"


def asked(fields, **more) -> int:
    given = {"by": "zhang", "purpose": "核对施工许可", "until": clock.today() + timedelta(days=30)}
    return sharing.ask(HOUSING, fields, **{**given, **more})


@pytest.fixture
def client(store):
    from serving.api.app import app

    return lambda key: TestClient(app, headers={"Authorization": f"Bearer {key}"})


def test_a_grant_reads_its_entities_and_fields_and_no_more(store, client):
    number = asked(
        {"project": ["project_name", "town_code"], "case": ["case_no", "contact_phone", "contact_name"]},
        scopes=["read:contacts"],
    )
    with pytest.raises(NotFoundError):
        sharing.fetch(number, by="zhang")
    sharing.grant(number, by="li", note="同意")
    api = client(sharing.fetch(number, by="zhang"))
    project = api.get("/v1/projects").json()["items"][0]
    assert project["project_name"] and project["town_code"] and project["id"]
    assert project["applicant_name"] is None and project["total_invest"] is None and project["light"] is None
    shown = [r for r in api.get("/v1/cases", params={"limit": 500}).json()["items"] if r["contact_phone"]]
    assert shown and all("*" not in r["contact_phone"] and "*" not in r["contact_name"] for r in shown)
    assert all(r["applicant_id"] is None for r in shown)
    assert api.get("/v1/findings").json()["items"] == [] and api.get("/v1/licences").json()["items"] == []
    entities_told = {c["entity"] for c in api.get("/v1/changes", params={"limit": 500}).json()["items"]}
    assert entities_told <= {"project", "case"}
    assert api.get("/metrics").status_code == 403
    assert api.get("/v1/freshness").status_code in (200, 403)
    code = rows("select id from store.project where gone_at is null order by id limit 1")[0]["id"]
    whole = api.get(f"/v1/projects/{code}").json()
    assert not whole.get("findings") and not whole.get("licences")
    for path in ("/features/collections/projects/items", "/features/collections/redlines/items"):
        found = api.get(path)
        assert found.status_code == 200 and (path.endswith("projects/items") or found.json()["features"] == [])
    told = next(r for r in sharing.listed() if r["id"] == number)
    assert told["calls"] >= 5 and told["rows"] > 0 and "东莞市政务服务和数据管理局" in told["owners"] or told["owners"]
    assert any(u["path"] == "/v1/cases" and u["rows"] for u in sharing.use(number))
    sharing.end(number, by="li", note="用途已完成，问 13812345678")
    noted = rows(
        "select detail ->> 'note' as note from store.audit where action = 'end data' order by seq desc limit 1"
    )
    assert "用途已完成" in noted[0]["note"] and "13812345678" not in noted[0]["note"]
    assert api.get("/v1/projects").status_code == 401


def test_personal_fields_that_were_not_granted_stay_masked(store, client):
    number = asked({"case": None}, scopes=["read:contacts"])
    sharing.grant(number, by="li")
    found = client(sharing.fetch(number, by="z")).get("/v1/cases", params={"limit": 500}).json()["items"]
    phones = [r["contact_phone"] for r in found if r["contact_phone"]]
    ids = [r["applicant_id"] for r in found if r["applicant_id"]]
    assert phones and not any("*" in p for p in phones) and ids and all("*" in i for i in ids)
    none = asked({"case": None})
    sharing.grant(none, by="li")
    masked = client(sharing.fetch(none, by="z")).get("/v1/cases", params={"limit": 500}).json()["items"]
    assert all("*" in r["contact_phone"] for r in masked if r["contact_phone"])


def test_rows_and_time_hold(store, client, two_towns):
    town, _ = two_towns
    number = asked({"project": None}, scopes=[f"town:{town}"])
    sharing.grant(number, by="li", until=clock.today() + timedelta(days=2))
    key = sharing.fetch(number, by="z")
    assert {r["town_code"] for r in client(key).get("/v1/projects", params={"limit": 500}).json()["items"]} == {town}
    ends = rows(
        "select expires_at::date as d, until from serving.api_key k join serving.data_request r on r.key_id = k.id where r.id = :id",
        id=number,
    )[0]
    assert ends["until"] == clock.today() + timedelta(days=2) and ends["d"] == clock.today() + timedelta(days=3)
    again = sharing.fetch(number, by="z")  # told once: the one before ends
    assert client(key).get("/v1/projects").status_code == 401 and client(again).get("/v1/projects").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"fields": {"nothing": None}},
        {"fields": {"case": ["no_such"]}},
        {"fields": {}},
        {"purpose": "x"},
        {"until": clock.today()},
        {"until": clock.today() + timedelta(days=500)},
        {"scopes": ["admin"]},
        {"scopes": ["town:1"]},
    ],
)
def test_what_cannot_be_asked_for_is_told(store, change):
    given = {"fields": {"case": None}, **change}
    with pytest.raises(ConfigurationError):
        asked(given.pop("fields"), **given)


def test_no_statement_of_the_api_sees_past_the_held_columns(store):
    """Whatever its form: aliases, none, sub-selects, joins."""
    number = asked({"case": ["case_no"]})
    sharing.grant(number, by="li")
    held = grant_of("t", ["read:projects", f"data:{number}"])
    with reading(held) as c:
        for statement in (
            'select contact_phone from asked."case"',
            'select c.contact_phone from asked."case" c where true',
            'select c.contact_phone from asked."case" as c order by 1',
            'select contact_phone from asked."case" where true group by 1',
            'select x.contact_phone from (select * from asked."case") x',
            "select p.project_name from asked.project p",
            'select c.contact_phone from asked."case" c left join asked.project p on p.id = c.project_code',
        ):
            assert set(c.execute(sa.text(statement)).scalars()) <= {None}, statement
        assert c.exec_driver_sql('select count(*) from asked."case" where case_no is not null').scalar_one() > 0


def test_the_policy_masks_every_personal_column(store):
    for name in entities.names():
        for column, declared in entities.load(name).columns.items():
            if declared.personal and name in views():
                assert views()[name].by_name[column].mask == masking.kind(column), (name, column)
    assert masking.scopes() == {"read:contacts"}
    with reading(grant_of("t", ["read:projects", "read:contacts"])) as c:
        found = c.exec_driver_sql(
            'select contact_phone, applicant_id, applicant_name from asked."case" where contact_phone is not null'
        ).all()
    assert (
        found
        and all("*" not in r.contact_phone for r in found)
        and all("*" in r.applicant_id for r in found if r.applicant_id)
    )


def test_asked_and_granted_on_the_page_in_few_steps(store):
    from serving.access import ADMIN, DECIDE, PROJECTS, Grant
    from serving.pages.app import application

    def pages(grant):
        async def asker(_):
            return grant

        return TestClient(application(asker), headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)

    department = pages(Grant("account:zhang", frozenset({PROJECTS}), departments=(HOUSING,)))
    form = {
        "department": HOUSING,
        "field": ["case.case_no", "project.*"],
        "purpose": "核对施工许可办理",
        "until": f"{clock.today() + timedelta(days=9)}",
    }
    assert department.post("/share", data=form).status_code == 303
    number = sharing.listed(HOUSING)[0]["id"]
    assert (
        "待审批" in department.get("/share").text
        and department.post(f"/share/{number}/grant", data={"note": ""}).status_code == 403
    )
    assert (
        department.post("/share", data={**form, "department": "11441900000100028F"}).status_code == 403
    )  # in another's name
    owner = pages(Grant("li", frozenset({PROJECTS, ADMIN, DECIDE})))
    assert "核对施工许可办理" in owner.get("/share").text
    assert owner.post(f"/share/{number}/grant", data={"note": "同意"}).status_code == 303
    told = department.post(f"/share/{number}/key")
    assert told.status_code == 200 and "om_" in told.text
    assert "om_" not in department.get("/share").text
    other = pages(Grant("account:wang", frozenset({PROJECTS}), departments=("11441900000100028F",)))
    assert "核对施工许可办理" not in other.get("/share").text and other.post(f"/share/{number}/key").status_code == 404
    assert owner.post(f"/share/{number}/end", data={"note": "到期"}).status_code == 303
