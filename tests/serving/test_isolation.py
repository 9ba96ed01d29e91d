"""A key of one town, or of one department, by every route: nothing of another's comes out."""

from __future__ import annotations

import io
import json
import re
import zipfile

import mapbox_vector_tile
import pytest
import shapely
from starlette.testclient import TestClient

from core.errors import ConfigurationError
from serving import keys, roles, tiles, webhooks
from serving.access import grant_of, reading
from serving.api.app import app
from serving.pages import app as pages
from serving.pages import standalone
from serving.query import changes
from store.engine import transaction
from tests.serving.conftest import rows

LAND = "114419000001000445"  # 自然资源局
COLLECTIONS = ("projects", "project_areas", "redlines", "parcels", "change_polygons", "land_approvals")
#: golden rows that belong to somebody → the ids by which an answer could name them
NAMED = {
    "project": "id",
    "case": "case_no",
    "redline": "id",
    "licence": "id",
    "land_approval": "id",
    "change_polygon": "id",
    "finding": "id",
    "work_order": "no",
}
ALL = {"finding": "supervision.finding", "work_order": "supervision.work_order"}


def names(view: str, source: str, connection) -> set[str]:
    found = connection.exec_driver_sql(f"select {NAMED[view]} from {source} where {NAMED[view]} is not null").scalars()
    return {str(name) for name in found if len(str(name)) > 5}


def shown_and_foreign(*scopes: str) -> tuple[set[str], set[str]]:
    """(names that the views show with these scopes, all other names of the store)."""
    with transaction() as c:
        all_of_them = {name for view in NAMED for name in names(view, ALL.get(view, f'store."{view}"'), c)}
    with reading(grant_of("t", scopes)) as c:
        shown = {name for view in NAMED for name in names(view, f'asked."{view}"', c)}
        # what a finding tells as evidence, and a project of the records that it is made from, is told on purpose
        told = c.exec_driver_sql(
            """select coalesce((select string_agg(text || evidence::text, ' ') from asked.finding), '')
                   || coalesce((select string_agg(provenance::text, ' ') from asked.project), '')"""
        ).scalar_one()
    return shown, {name for name in all_of_them - shown if name not in told}


def read(answer) -> str:
    """What the bytes say; archives and Word files unpacked."""
    if not answer.content.startswith(b"PK"):
        return answer.content.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        return "".join(packed.read(name).decode("utf-8", "replace") for name in packed.namelist())


def everything(client, filled: dict[str, str], named: str = "") -> dict[str, str]:
    """The answers of every GET route of the API, its listings to their end; of those alone whose path has ``named``."""
    answers = {}
    for path, methods in app.openapi()["paths"].items():
        if named not in path or "get" not in methods:  # what writes is asked by tests/serving/test_insight_api.py
            continue
        known = {p["name"] for p in methods["get"].get("parameters", [])}
        for collection in COLLECTIONS if "{collection}" in path else ("",):
            address = re.sub(r"\{(\w+)\}", lambda m, c=collection: c if m[1] == "collection" else filled[m[1]], path)
            query = {"limit": "1000"} if "limit" in known else {}
            parts = []
            while True:
                answer = client.get(address, params=query, follow_redirects=False)
                parts.append(read(answer))
                told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
                if not isinstance(told, dict) or not told.get("next") or told.get("more") is False:
                    break
                query["cursor"] = told["next"]
            answers[address] = "".join(parts)
    return answers


def every_page(client, filled: dict[str, str], named: str = "") -> dict[str, str]:
    """The answers of every route of the pages, as it is and as of a past day; of those alone whose path has ``named``."""
    answers = {}
    for route in pages.application(None).router.routes:
        if named not in route.path or "GET" not in getattr(route, "methods", ()) or route.path == "/openapi.json":
            continue
        kinds = ("",) if "{kind}" not in route.path else ("html", "docx") if "report" in route.path else ("csv", "xlsx")
        for kind in kinds:
            given = {**filled, "kind": kind, "name": filled["code"], "id_": "none", "part": "request"}
            given["number"] = filled["no"] if route.path.startswith("/case/") else filled["number"]
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda m, g=given: g[m[1]], route.path)
            for query in (
                ({}, {"as_of": "2026-06-30"})
                if "project" in path
                else ({"code": filled["code"], "box": "113,22,115,24"},)
            ):
                answers[path + "?as_of" * ("as_of" in query)] = read(
                    client.get(f"{standalone.PLACE}{path}", params=query)
                )
    return answers


@pytest.fixture(scope="module")
def parties(store) -> dict[str, str]:
    """An enterprise, an agent and a team, as scopes: each has one project with cases and findings."""
    told = rows(
        f"""select p.id, p.applicant_uscc, p.agent from store.project p
            where p.applicant_uscc is not null and p.agent is not null
              and exists (select from supervision.finding f where f.project_code = p.id)
              and exists (select from store."case" c where c.project_code = p.id and c.department_code in ('{LAND}', '{LAND[8:17]}'))
            order by 1 limit 1"""
    )[0]
    with transaction() as c:
        c.exec_driver_sql(
            "insert into supervision.assignment (project_code, kind, name, by) values (%s, 'team', '重点项目专班', 'test')",
            (told["id"],),
        )
    return {
        "enterprise": f"enterprise:{told['applicant_uscc']}",
        "agent": f"agent:{told['agent']}",
        "team": "team:重点项目专班",
        "code": told["id"],
    }


def test_a_party_sees_its_projects_and_an_enterprise_no_suspicion(ask, store, parties):
    mine = {
        "enterprise": ("applicant_uscc", parties["enterprise"].partition(":")[2]),
        "agent": ("agent", parties["agent"].partition(":")[2]),
    }
    for kind, (column, value) in mine.items():
        client = ask("read:projects", parties[kind])
        codes = {r["id"] for r in client.get("/v1/projects?limit=1000").json()["items"]}
        wanted = {
            r["id"] for r in rows(f"select id from store.project where {column} = :v and gone_at is null", v=value)
        }
        assert codes == wanted and parties["code"] in codes
        cases = {r["project_code"] for r in client.get("/v1/cases?limit=1000").json()["items"]}
        assert cases and cases <= codes
        found = client.get("/v1/findings?limit=1000").json()["items"]
        assert bool(found) == (kind == "agent") and {f["project_code"] for f in found} <= codes
        assert bool(client.get("/v1/work-orders").json()["items"]) <= (kind == "agent")
    team = ask("read:projects", parties["team"])
    assert [r["id"] for r in team.get("/v1/projects").json()["items"]] == [parties["code"]]
    both = ask("read:projects", parties["team"], "town:441900000")
    assert both.get("/v1/projects").json()["items"] == []


def test_a_project_that_is_handed_over_is_the_next_agents_alone(ask, store, parties):
    before, after = ask("read:projects", parties["agent"]), ask("read:projects", "agent:接手的代办员")
    path = f"/v1/projects/{parties['code']}"
    assert (before.get(path).status_code, after.get(path).status_code) == (200, 404)
    with transaction() as c:
        c.exec_driver_sql(
            "insert into supervision.assignment (project_code, kind, name, by) values (%s, 'agent', '接手的代办员', 'test')",
            (parties["code"],),
        )
    assert (before.get(path).status_code, after.get(path).status_code) == (404, 200)
    with transaction() as c:
        c.exec_driver_sql("delete from supervision.assignment where kind = 'agent'")


@pytest.mark.parametrize("scope", ["enterprise:none", "agent:", "team:a,b", "party:x"])
def test_a_party_that_cannot_be_is_refused(scope):
    with pytest.raises(ConfigurationError, match="unknown scope"):
        grant_of("t", [scope])


def test_a_database_role_is_not_held_to_a_party(store, parties):
    with pytest.raises(ConfigurationError, match="towns and departments"):
        roles.make("t_party", [parties["enterprise"]], by="test", login=False)


@pytest.mark.parametrize(
    "scopes",
    [
        ("town",),
        ("town", "admin", "read:metrics", "read:personal"),
        ("department", "admin", "read:personal"),
        ("town", "department"),
        ("enterprise", "read:personal"),
        ("agent", "admin"),
        ("team", "department"),
    ],
    ids="+".join,
)
def test_no_route_tells_of_what_is_not_shown(ask, store, two_towns, parties, scopes):
    named = {"town": f"town:{two_towns[0]}", "department": f"department:{LAND}", **parties}
    given = [named.get(scope, scope) for scope in scopes]
    shown, foreign = shown_and_foreign("read:projects", *given)
    assert foreign
    with reading(grant_of("t", ["read:projects", *given])) as c:
        own = c.exec_driver_sql(
            """select project_code, case_no from asked."case" where project_code is not null order by 1, 2 limit 1"""
        ).first()
    theirs = next(
        tuple(row.values())
        for row in rows("""select project_code, case_no from store."case" order by 1, 2""")
        if not shown & set(row.values())
    )
    api = ask("read:projects", *given)
    key = keys.make("t", ["read:projects", *given], by="test")[1]
    browser = TestClient(
        standalone.make("link", "operator", ["testserver"]), cookies={standalone.COOKIE: key}, follow_redirects=False
    )
    for code, case in filter(None, (own, theirs)):
        filled = {
            "code": code,
            "no": case,
            "id": code,
            "id_": code,
            "entity": "project",
            "feature": code,
            "number": "1",
            "z": "0",
            "x": "0",
            "y": "0",
            "area": "town",
            "feed": "m2.sl",
            "key": "starts",
            "kind": "agent",
            "name": "代办员",
        }
        named = "" if (code, case) == own else "{"  # the listings are read once
        answers = everything(api, filled, named) | every_page(browser, filled, named)
        answers["department"] = read(browser.get(f"{standalone.PLACE}/department/{LAND}/report.html"))
        assert len(answers) > (50 if not named else 20)
        for address, text in answers.items():
            # a refusal repeats what was asked; nothing else of it may be there
            assert not {name for name in foreign - {code, case} if name in text}, address
        if code in shown:
            assert code in answers["/v1/projects"] and code in answers["/"] and named == ""
        else:
            assert '"status":404' in answers[f"/v1/projects/{code}"] and '"status":404' in answers[f"/v1/cases/{case}"]
    if "town" in scopes:
        assert two_towns[1] not in api.get("/v1/statistics").text


def test_nobody_learns_from_a_tag_a_count_or_a_search_that_a_row_is_there(ask, two_towns):
    client = ask("read:projects", f"town:{two_towns[0]}")
    theirs = rows(
        "select id, project_name, applicant_uscc from store.project where town_code = :t limit 1", t=two_towns[1]
    )[0]
    whole = ask("read:projects").get(f"/v1/projects/{theirs['id']}")
    for address in (f"/v1/projects/{theirs['id']}", "/v1/projects/2601-000000-00-00-000000"):
        # a tag that fits the foreign row, and one that fits anything
        answers = [client.get(address, headers={"If-None-Match": tag}) for tag in (whole.headers["etag"], "*")]
        assert [a.status_code for a in answers] == [404, 404] and all("etag" not in a.headers for a in answers)
    none, foreign = (client.get(f"/v1/projects/{code}").json() for code in ("2601-000000-00-00-000000", theirs["id"]))
    assert {k: v for k, v in none.items() if k in ("type", "title", "status", "code")} == {
        k: v for k, v in foreign.items() if k in ("type", "title", "status", "code")
    }
    for query in (theirs["project_name"], theirs["id"], theirs["applicant_uscc"]):
        assert theirs["id"] not in client.get("/v1/projects", params={"q": query}).text
    where = {"project_code": theirs["id"], "resulttype": "hits"}
    assert client.get("/features/collections/redlines/items", params=where).json()["numberMatched"] == 0
    for address in ("/v1/cases", "/v1/findings", "/v1/licences", "/v1/work-orders"):
        assert client.get(address, params={"project": theirs["id"]}).json() == {"items": [], "next": None}
    assert client.get("/v1/cases", params={"town": two_towns[1]}).json()["items"] == []


def test_the_views_that_a_role_reads_show_what_a_key_is_shown(store, two_towns):
    for name, scope in (("t_town", f"town:{two_towns[0]}"), ("t_department", f"department:{LAND}")):
        roles.make(name, [scope], by="test", login=False)
        shown, _ = shown_and_foreign("read:projects", scope)
        with transaction() as c:
            c.exec_driver_sql(f"set local role {name}")
            assert {n for view in NAMED for n in names(view, f'onemap."{view}"', c)} == shown
            # what it says of itself is not believed
            c.exec_driver_sql("""select set_config('onemap.grant', '{"free": true, "personal": true}', true)""")
            assert {n for view in NAMED for n in names(view, f'onemap."{view}"', c)} == shown
        roles.drop(name)


def test_a_webhook_tells_a_town_of_its_own(store, two_towns):
    from connectors.endpoint import Endpoint

    shown, foreign = shown_and_foreign("read:projects", f"town:{two_towns[0]}")
    webhooks.subscribe("t", "hook", [f"town:{two_towns[0]}"], by="test", from_now=False)
    webhooks.deliver(lambda _: Endpoint("hook", "http", "127.0.0.1", 9, password="s"))  # nobody is there: it waits
    body = bytes(rows("select body from serving.delivery where webhook = 't'")[0]["body"]).decode()
    assert {name for name in shown if name in body} and not {name for name in foreign if name in body}
    webhooks.stop("t", "seen")


def test_a_key_for_the_whole_city_sees_all(ask, store):
    everywhere, foreign = shown_and_foreign("read:projects")
    assert not foreign
    filled = {
        "code": "none",
        "no": "none",
        "id": "none",
        "id_": "none",
        "entity": "project",
        "feature": "none",
        "number": "1",
        "z": "0",
        "x": "0",
        "y": "0",
        "key": "starts",
        "kind": "agent",
        "name": "代办员",
    }
    text = "".join(everything(ask("read:projects"), filled).values())
    assert len([name for name in everywhere if name not in text]) < 0.02 * len(everywhere)


def test_tiles_show_a_town_its_own(ask, two_towns):
    client = ask("read:projects", f"town:{two_towns[0]}")
    box = rows(
        """select geom from store.redline r join store.project p on p.id = r.project_code where p.town_code = :t limit 1""",
        t=two_towns[1],
    )[0]["geom"]
    x, y = _tile_of(shapely.from_wkb(bytes(box)).centroid, 14)
    whole, town = ask("read:projects").get(f"/tiles/14/{x}/{y}.mvt"), client.get(f"/tiles/14/{x}/{y}.mvt")
    layers = mapbox_vector_tile.decode(whole.content)
    assert layers["redlines"]["features"] and layers["projects"]["features"]
    seen = mapbox_vector_tile.decode(town.content) if town.content else {}
    towns = {f["properties"]["town_code"] for f in seen.get("projects", {"features": []})["features"]}
    assert towns <= {two_towns[0]}
    ours = {
        r["id"]
        for r in rows(
            "select r.id from store.redline r join store.project p on p.id = r.project_code where p.town_code = :t",
            t=two_towns[0],
        )
    }
    assert {f["properties"]["redline_code"] for f in seen.get("redlines", {"features": []})["features"]} <= ours


def _tile_of(point: shapely.Point, zoom: int) -> tuple[int, int]:
    [[x, y]] = tiles._metres(shapely.get_coordinates(point))
    size = 2 * tiles._HALF / (1 << zoom)
    return int((x + tiles._HALF) / size), int((tiles._HALF - y) / size)


def test_the_feed_tells_a_town_of_its_own_and_reaches_the_end(two_towns):
    ours = {row["id"] for row in rows("select id from store.project where town_code = :t", t=two_towns[0])}
    cursor, seen, more = None, [], True
    with reading(grant_of("t", ["read:projects", f"town:{two_towns[0]}"])) as c:
        while more:
            found, cursor, more = changes.changes(c, cursor, limit=50)
            seen += found
    assert {row["id"] for row in seen if row["entity"] == "project"} == ours
    assert len(seen) == len({row["cursor"] for row in seen})


def test_a_department_sees_what_is_its_own(ask):
    land = LAND
    client = ask("read:projects", f"department:{land}")
    led = {r["item_code"] for r in rows("select item_code from store.item where department_code = :d", d=land)}
    cases = client.get("/v1/cases?limit=1000").json()["items"]
    assert cases and all(c["department_code"] in (land, land[8:17]) or c["item_code"] in led for c in cases)
    assert {f["department_code"] for f in client.get("/v1/findings?limit=1000").json()["items"]} <= {land}
    full = client.get(f"/v1/projects/{cases[0]['project_code']}").json()
    assert {c["id"] for c in full["cases"]} <= {c["id"] for c in cases}
    assert {e["case_id"] for e in full["events"]} <= {c["id"] for c in full["cases"]}


def test_the_api_asks_as_a_role_that_can_read_nothing_else(store):
    import sqlalchemy as sa

    for statement in (
        "select * from store.project",
        "select * from source.record",
        "select * from serving.api_key",
        "delete from store.redline",
    ):
        with (
            reading(grant_of("t", ["read:projects"])) as c,
            pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
        ):
            c.execute(sa.text(statement))
    with reading(grant_of("t", ["read:projects", "town:441900000"])) as c:
        assert c.execute(sa.text("select count(*) from asked.project")).scalar() == 0
        assert json.loads(c.execute(sa.text("select current_setting('onemap.grant')")).scalar())["towns"] == [
            "441900000"
        ]
