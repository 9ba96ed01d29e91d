"""A key of one town, or of one department, by every route: nothing of another's comes out."""

from __future__ import annotations

import json
import re

import mapbox_vector_tile
import pytest
import shapely

from serving import tiles
from serving.access import grant_of, reading
from serving.api.app import app
from serving.query import changes
from tests.serving.conftest import rows

ENTITIES = {
    "project": "select id, town_code from store.project",
    "case": """select c.id, coalesce(p.town_code, left(c.town_code, 9)) from store."case" c left join store.project p on p.id = c.project_code""",
    "redline": "select r.id, p.town_code from store.redline r left join store.project p on p.id = r.project_code",
}


@pytest.fixture(scope="module")
def foreign(two_towns) -> set[str]:
    """Codes, case numbers, red lines, findings of every town but the first."""
    ours = two_towns[0]
    found = rows(
        """with p as (select id from store.project where town_code is distinct from :t)
           select id from p union select c.case_no from store."case" c join p on p.id = c.project_code
           union select r.id from store.redline r join p on p.id = r.project_code union select f.id from supervision.finding f join p on p.id = f.project_code
           union select l.id from store.licence l join p on p.id = l.project_code
           union select c.id from store.change_polygon c left join serving.place s on s.id = c.id and s.entity = 'change_polygon'
                 where s.town_code is distinct from :t""",
        t=ours,
    )
    own = {row["v"] for row in rows("""select c.case_no as v from store."case" c join store.project p on p.id = c.project_code where p.town_code = :t""", t=ours)}
    return {row["id"] for row in found if row["id"] and len(row["id"]) > 5} - own


def everything(client, foreign_project: str, foreign_case: str) -> dict[str, str]:
    """The answers of every GET route of the API, with the ids of a foreign project and case where a route takes one."""
    filled = {"code": foreign_project, "no": foreign_case, "id": foreign_project, "entity": "project", "feature": foreign_project, "number": "1", "z": "0", "x": "0", "y": "0"}
    answers = {}
    for path, operations in app.openapi()["paths"].items():
        assert set(operations) == {"get"}
        collections = ("projects", "project_areas", "redlines", "parcels", "change_polygons", "land_approvals") if "{collection}" in path else ("",)
        for collection in collections:
            address = re.sub(r"\{(\w+)\}", lambda m, c=collection: c if m[1] == "collection" else filled[m[1]], path)
            names = {p["name"] for p in operations["get"].get("parameters", [])}
            cursor: str | None = None
            parts = []
            for _ in range(60):
                query = {"limit": 1000} if "limit" in names else {}
                if cursor:
                    query["cursor"] = cursor
                answer = client.get(address, params=query, follow_redirects=False)
                parts.append(answer.content.decode("utf-8", "replace"))
                told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
                cursor = told.get("next") if isinstance(told, dict) else None
                if not cursor or told.get("more") is False:
                    break
            answers[address] = "".join(parts)
    return answers


@pytest.mark.parametrize("more", [(), ("read:personal",), ("admin",)])
def test_no_route_tells_a_town_of_another(ask, two_towns, foreign, more):
    client = ask("read:projects", f"town:{two_towns[0]}", *more)
    theirs = rows("select id from store.project where town_code = :t limit 1", t=two_towns[1])[0]["id"]
    case = rows("""select case_no from store."case" where project_code = :p limit 1""", p=theirs)[0]["case_no"]
    asked = {theirs, case}
    own = rows("select id from store.project where town_code = :t limit 1", t=two_towns[0])[0]["id"]
    answers = everything(client, theirs, case)
    assert len(answers) > 30
    for address, text in answers.items():
        # a problem repeats what was asked; nothing else of it may be there
        assert not {code for code in foreign - asked if code in text}, address
        if theirs in address or case in address:
            assert '"status":404' in text or '"status":403' in text, address
    assert own in answers["/v1/projects"] and own in answers["/features/collections/projects/items"]
    assert two_towns[1] not in answers["/v1/statistics"]


def test_the_same_keys_see_all_without_restriction(ask, foreign):
    text = "".join(everything(ask("read:projects"), "none", "none").values())
    assert len([code for code in foreign if code not in text]) < 0.02 * len(foreign)


def test_tiles_show_a_town_its_own(ask, two_towns):
    client = ask("read:projects", f"town:{two_towns[0]}")
    box = rows("""select geom from store.redline r join store.project p on p.id = r.project_code where p.town_code = :t limit 1""", t=two_towns[1])[0]["geom"]
    x, y = _tile_of(shapely.from_wkb(bytes(box)).centroid, 14)
    whole, town = ask("read:projects").get(f"/tiles/14/{x}/{y}.mvt"), client.get(f"/tiles/14/{x}/{y}.mvt")
    layers = mapbox_vector_tile.decode(whole.content)
    assert layers["redlines"]["features"] and layers["projects"]["features"]
    seen = mapbox_vector_tile.decode(town.content) if town.content else {}
    towns = {f["properties"]["town_code"] for f in seen.get("projects", {"features": []})["features"]}
    assert towns <= {two_towns[0]}
    ours = {r["id"] for r in rows("select r.id from store.redline r join store.project p on p.id = r.project_code where p.town_code = :t", t=two_towns[0])}
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
    land = "114419000001000445"
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

    for statement in ("select * from store.project", "select * from source.record", "select * from serving.api_key", "delete from store.redline"):
        with reading(grant_of("t", ["read:projects"])) as c, pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            c.execute(sa.text(statement))
    with reading(grant_of("t", ["read:projects", "town:441900000"])) as c:
        assert c.execute(sa.text("select count(*) from asked.project")).scalar() == 0
        assert json.loads(c.execute(sa.text("select current_setting('onemap.grant')")).scalar())["towns"] == ["441900000"]
