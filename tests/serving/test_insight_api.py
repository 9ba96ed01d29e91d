"""Insight, forecasts and care by the API: to each key its own rows, and to none what is said of others."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from insight import ocel, report
from insight.forecast import run
from serving.api.app import app
from supervision import care
from tests.serving.conftest import rows

LAND = "114419000001000445"


@pytest.fixture(scope="module")
def today(store):
    day = rows("select max(as_of) as day from supervision.run")[0]["day"]
    report.keep(day)
    run.foresee(day)
    return day


@pytest.fixture(scope="module")
def pair(today) -> tuple[dict, dict]:
    """Two projects of different enterprises and agents, each with running cases and the other's nothing."""
    found = rows(
        """select distinct on (p.applicant_uscc) p.id, p.applicant_uscc as uscc, p.agent, p.town_code as town from store.project p
           where p.applicant_uscc is not null and p.agent is not null
             and exists (select from supervision.forecast f where f.project_code = p.id) order by p.applicant_uscc, p.id"""
    )
    first = found[0]
    second = next(r for r in found if r["agent"] != first["agent"] and r["town"] != first["town"])
    care.assign(first["id"], "team", "甲专班", by="test", why="")
    care.assign(second["id"], "team", "乙专班", by="test", why="")
    return first | {"team": "甲专班"}, second | {"team": "乙专班"}


def scope(kind: str, project: dict) -> str:
    return f"{kind}:{project['uscc' if kind == 'enterprise' else kind]}"


KINDS = ("enterprise", "agent", "team", "town")
PATHS = ("/v1/insight/bottlenecks?by=item", "/v1/insight/paths", "/v1/insight/ocel", "/v1/forecasts", "/v1/care")


def holds(path: str, answer) -> None:
    """The answer is as the description says."""
    document = app.openapi()
    wanted = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**wanted, "components": document["components"]}).validate(answer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_gets_its_own_rows_and_no_others(ask, pair, kind):
    mine, other = pair
    client = ask("read:projects", scope(kind, mine))
    own = {r["id"] for r in client.get("/v1/projects?limit=1000").json()["items"]}
    assert mine["id"] in own and other["id"] not in own
    foreign = {
        r["case_no"]
        for r in rows(
            'select case_no from store."case" where project_code is null or project_code <> all (:own)', own=list(own)
        )
    } | {r["id"] for r in rows("select id from store.project where id <> all (:own)", own=list(own))}
    for path in (
        *PATHS,
        f"/v1/projects/{mine['id']}/days",
        f"/v1/projects/{mine['id']}/forecast",
        f"/v1/projects/{mine['id']}/care",
    ):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        text = answer.text
        assert not [name for name in foreign if name and len(name) > 5 and name in text], path
    for path in ("days", "forecast", "care"):
        assert client.get(f"/v1/projects/{other['id']}/{path}").status_code == 404
    assert client.get("/v1/insight").status_code == client.get("/v1/insight/figures/starts").status_code == 403
    assert {r["project_code"] for r in client.get("/v1/forecasts").json()["items"]} <= own
    assert client.get("/v1/forecasts", params={"project": other["id"]}).json()["items"] == []
    assert {r["id"] for r in client.get("/v1/care").json()["items"]} == own


def test_the_day_is_of_the_projects_that_are_shown(ask, pair):
    mine, other = pair
    whole = ask("read:projects").get(f"/v1/care/agent/{mine['agent']}/day").json()
    assert mine["id"] in {p["id"] for p in whole["projects"]}
    client = ask("read:projects", scope("agent", mine))
    assert {p["id"] for p in client.get(f"/v1/care/agent/{mine['agent']}/day").json()["projects"]} == {
        p["id"] for p in whole["projects"]
    }
    assert client.get(f"/v1/care/agent/{other['agent']}/day").json()["projects"] == []
    assert client.get("/v1/care/team/乙专班/day").json()["projects"] == []
    for kind in ("enterprise", "town"):
        assert ask("read:projects", scope(kind, mine)).get("/v1/care/team/甲专班/day").status_code == 403
    assert client.get("/v1/care/crowd/x/day").status_code == 400


def test_notes_and_promises_are_written_by_those_who_look_after_and_read_by_no_enterprise(ask, pair):
    mine, other = pair
    agent, enterprise = ask("read:projects", scope("agent", mine)), ask("read:projects", scope("enterprise", mine))
    path = f"/v1/projects/{mine['id']}/care"
    promise = {"text": "周五前补齐图纸", "due_on": "2026-01-09"}
    number = agent.post(f"{path}/notes", json=promise).json()["id"]
    assert agent.post(f"{path}/notes", json={"text": "电话联系"}).status_code == 200
    told = agent.get(path).json()
    assert [n["text"] for n in told["notes"]] == ["电话联系", promise["text"]]
    assert enterprise.get(path).json()["notes"] == [] and enterprise.get(path).json()["history"] == []
    assert all(r["told"] == "enterprise" for r in enterprise.get(path).json()["reminders"])
    for wrong in ({"text": " "}, {"text": "x", "mood": "good"}, {"text": "x", "due_on": "tomorrow"}):
        assert agent.post(f"{path}/notes", json=wrong).status_code == 400
    assert enterprise.post(f"{path}/notes", json=promise).status_code == 403
    assert agent.post(f"/v1/projects/{other['id']}/care/notes", json=promise).status_code == 404
    assert ask("read:projects").post(f"{path}/notes", json=promise).status_code == 403
    assert ask("read:projects", scope("agent", other)).post(f"{path}/notes/{number}/kept").status_code == 404
    assert agent.post(f"{path}/notes/{number}/kept").json() == {"id": number}
    assert agent.post(f"{path}/notes/{number}/kept").status_code == 404
    assert next(n for n in agent.get(path).json()["notes"] if n["id"] == number)["kept_by"]


def test_a_hand_over_takes_the_right_to_decide_for_the_whole_city(ask, pair):
    mine, _ = pair
    path = f"/v1/projects/{mine['id']}/care/hand-over"
    over = {"kind": "team", "to": "丙专班", "why": "重点项目"}
    for scopes in ((scope("agent", mine),), (scope("agent", mine), "decide"), (scope("town", mine), "decide"), ()):
        assert ask("read:projects", *scopes).post(path, json=over).status_code == 403
    told = ask("read:projects", "decide").post(path, json=over).json()
    assert told["team"] == "丙专班" and told["history"][-1]["why"] == "重点项目"
    assert ask("read:projects", "team:丙专班").get("/v1/care").json()["items"][0]["id"] == mine["id"]
    assert ask("read:projects", "team:甲专班").get("/v1/care").json()["items"] == []
    care.assign(mine["id"], "team", "甲专班", by="test", why="")


def test_an_agents_name_is_a_persons(ask, pair):
    mine, _ = pair
    path = f"/v1/projects/{mine['id']}/care"
    assert mine["agent"] not in ask("read:projects").get(path).text
    assert ask("read:projects", "read:personal").get(path).json()["agent"] == mine["agent"]
    assert ask("read:projects", scope("agent", mine)).get(path).json()["agent"] == mine["agent"]


def test_the_whole_city_reads_figures_days_and_paths_as_described(ask, today, pair):
    client = ask("read:projects")
    told = report.latest()
    ledger = client.get("/v1/insight").json()
    holds("/v1/insight", ledger)
    assert [f["key"] for f in ledger["figures"]] == [f["key"] for f in told["figures"]]
    for figure in told["figures"]:
        found = client.get(f"/v1/insight/figures/{figure['key']}").json()
        holds("/v1/insight/figures/{key}", found)
        assert found == figure and len(found["rows"]) == next(
            f["rows"] for f in ledger["figures"] if f["key"] == figure["key"]
        )
    assert client.get("/v1/insight/figures/none").status_code == 400
    for by in ("item", "town", "department", "year"):
        found = client.get("/v1/insight/bottlenecks", params={"by": by}).json()
        holds("/v1/insight/bottlenecks", found)
        assert found["items"] == told["bottlenecks"][by]
    holds("/v1/insight/paths", client.get("/v1/insight/paths").json())
    log = json.loads(client.get("/v1/insight/ocel").text)
    assert ocel.check(log) == [] and log["events"]
    code = pair[0]["id"]
    days = client.get(f"/v1/projects/{code}/days").json()
    holds("/v1/projects/{code}/days", days)
    assert sum(span["days"] for span in days["spans"]) == days["elapsed"] == sum(h["days"] for h in days["holders"]) > 0
    holds("/v1/forecasts", client.get("/v1/forecasts").json())
    holds("/v1/projects/{code}/forecast", client.get(f"/v1/projects/{code}/forecast").json())
    holds("/v1/projects/{code}/care", client.get(f"/v1/projects/{code}/care").json())


def test_a_department_gets_its_cases_and_nothing_that_is_said_of_whole_projects(ask, today):
    client = ask("read:projects", f"department:{LAND}")
    cases = {r["id"] for r in client.get("/v1/cases?limit=1000").json()["items"]}
    assert {r["case_id"] for r in client.get("/v1/forecasts").json()["items"]} <= cases
    assert client.get("/v1/insight/bottlenecks").status_code == 200
    code = client.get("/v1/projects?limit=1").json()["items"][0]["id"]
    assert client.get("/v1/insight/paths").status_code == client.get(f"/v1/projects/{code}/days").status_code == 403
    assert client.get(f"/v1/projects/{code}/forecast").json()["steps"] == []
