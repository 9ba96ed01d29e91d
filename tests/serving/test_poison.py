"""Golden rows with values that nobody expects, through supervision and every route, page, file and tile: what cannot be served
of them is left out and told, and none stands in another's way.

The gate before COPY lets few of these in; here they stand in the store all the same. Every day all columns of a row are
poisoned at once, a row a kind of poison; with ``--dirt`` each column with each value by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from starlette.testclient import TestClient

from serving import derive, keys, snapshot
from serving.access import grant_of
from serving.api.app import app
from serving.pages import app as pages
from serving.pages import standalone
from sources import loader
from store import fold, tables
from store.engine import transaction
from supervision import ledger
from tests.serving.conftest import rows
from tests.serving.test_isolation import COLLECTIONS

_CONTROLS = "".join(
    map(chr, [*range(1, 32), 127, 0x85, 0x2028, 0x202E, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0xFDD0, 0x1F4A9])
)
_RING = "01030000000100000004000000"  # a polygon of one ring of four points
POISON: dict[str, list[Any]] = {
    "text": [
        f"坏{_CONTROLS}值",
        "长" * 20_000,
        "",
        "<script>alert('x')</script>&amp;\"'`|",
        "=cmd|' /C calc'!A0",
        "../../etc/passwd",
        "e" + "\u0301" * 5_000,
        "\\\\host\\x%00%0a{{7*7}}{% raw %}",
        "\r\n\r\nSet-Cookie: x=1",
    ],
    "numeric": ["NaN", "99999999999999.999999", "-99999999999999.999999", "0.000001", "0", "-0"],
    "integer": [2**31 - 1, -(2**31), 0, -1],
    "bigint": [2**31 - 1, -(2**31), 0, -1],
    "smallint": [32767, -32768, 0, -1],
    "date": ["0001-01-01", "9999-12-31", "infinity", "-infinity", "0044-03-15 BC", "294000-01-01", "1582-10-10"],
    "timestamp": ["0001-01-01", "9999-12-31 23:59:59.999999", "infinity", "-infinity", "0044-03-15 BC", "290000-01-01"],
    "jsonb": [
        "null",
        "[]",
        "{}",
        "0",
        '"x"',
        "[null, 1, [[]], {}]",
        '{"a": null, "长": "\\u2028"}',
        "[" * 60 + "]" * 60,
        '{"a": 1e308, "b": 123456789012345678901234567890}',
    ],
    "bytea": [
        "\\x",
        "\\x00",
        "\\x0103000000",
        "\\x010700000000000000",
        "\\x0101000000" + "000000000000f87f" * 2,
        "\\x010300000000000000",
        "\\x" + _RING + "00" * 64,
        "\\x0101000000" + "ffffffffffffef7f" * 2,
        "\\x010500000001000000010200000000000000",
    ],
    "box": ["((113,22),(114,23))", "((NaN,NaN),(NaN,NaN))"],
    "text[]": ["{}", '{NULL,""}'],
    "boolean": [],
}
#: what finds a row, joins it to others or is made by the hub itself
SOUND = {
    "id",
    "content_hash",
    "gone_at",
    "provenance",
    "changed_at",
    "channel",
    "channels",
    "project_code",
    "case_no",
    "case_id",
}
KINDS = max(map(len, POISON.values())) + 1


def kind_of(column: sa.Column) -> str:
    return column.type.compile(dialect=postgresql.dialect()).lower().partition("(")[0].partition(" ")[0]


def poisoned(table: sa.Table, singly: bool) -> Iterator[dict[str, Any]]:
    """Column → value of rows to be made; None is the last kind of all."""
    columns = [column for column in table.columns if column.name not in SOUND]
    values = {c.name: [*POISON[kind_of(c)], *([None] if c.nullable else [])] for c in columns}
    bounded = {c.name for index in table.indexes for c in index.columns}  # a B-tree takes no long text
    for name in bounded & set(values):
        values[name] = [value for value in values[name] if value is None or len(str(value)) < 1_000]
    if singly:
        yield from ({name: value} for name, every in values.items() for value in every)
    else:
        for n in range(KINDS):
            yield {name: every[n % len(every)] for name, every in values.items() if every}


def poison(project: str, singly: bool) -> int:
    """Copies of a project's rows, spoilt; returns how many."""
    made = 0
    with transaction() as c:
        for entity, table in tables.golden.items():
            own = "project_code = :project and" if "project_code" in table.c and entity != "project" else ""
            base = sa.text(f"select id from {table.fullname} where {own} gone_at is null order by id limit 1")
            found = c.execute(base, {"project": project} if own else {}).scalar()
            if found is None:
                continue
            for n, spoilt in enumerate(poisoned(table, singly)):
                new = f"bad-{entity}-{n}"
                given = {"id": new, **({"project_code": new} if entity == "project" else {}), **spoilt}
                if entity in fold.KEPT:  # their ids say which record they are from
                    given["provenance"] = json.dumps({"*": found.rpartition("|")[0]})
                listed = ", ".join(f'"{column.name}"' for column in table.columns)
                taken = ", ".join(
                    f"cast(:{column.name} as {column.type.compile(dialect=postgresql.dialect())})"
                    if column.name in given
                    else f'"{column.name}"'
                    for column in table.columns
                )
                statement = (
                    f"insert into {table.fullname} ({listed}) select {taken} from {table.fullname} where id = :base_"
                )
                values = {name: None if value is None else str(value) for name, value in given.items()}
                c.execute(sa.text(statement), {**values, "base_": found})
                made += 1
            c.execute(
                sa.text(
                    f"""insert into store.change (entity, entity_id, op, columns, sources)
                        select :entity, id, 'ADD', null, null from {table.fullname} where id like 'bad-%'"""
                ),
                {"entity": entity},
            )
    return made


@pytest.fixture(scope="module")
def project(store, thorough: bool) -> str:
    """A project among whose rows, and beside which, poisoned ones stand."""
    found = rows(
        """select p.id from store.project p
           where exists (select from store.redline r where r.project_code = p.id)
             and exists (select from store."case" c where c.project_code = p.id) order by id limit 1"""
    )[0]["id"]
    assert poison(found, thorough) > 100
    ledger.supervise()
    derive.refresh()
    return found


def answers(project: str, case: str, client: TestClient, browser: TestClient) -> Iterator[tuple[str, Any]]:
    """Every GET of the API, its listings to their end; every page; some tiles."""
    filled = {
        "code": project,
        "no": case,
        "id": project,
        "feature": project,
        "number": "1",
        "z": "0",
        "x": "0",
        "y": "0",
    }
    filled |= {"feed": "m2.sl", "area": "town", "entity": "project", "slug": "project"}
    for path, methods in app.openapi()["paths"].items():
        given = methods.get("get", {"parameters": [{"name": "", "in": "query", "required": True}]}).get(
            "parameters", []
        )
        known = {p["name"] for p in given}
        if any(p["in"] == "query" and p.get("required") for p in given):
            continue
        for collection in COLLECTIONS if "{collection}" in path else ("",):
            address = re.sub(
                r"\{(\w+)\}", lambda m, c=collection: c if m[1] == "collection" else filled.get(m[1], project), path
            )
            query = {"limit": "1000"} if "limit" in known else {}
            while True:
                answer = client.get(address, params=query)
                yield address, answer
                told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
                if not isinstance(told, dict) or not told.get("next") or told.get("more") is False:
                    break
                query["cursor"] = told["next"]
    for route in pages.application(None).router.routes:
        if "GET" not in getattr(route, "methods", ()) or route.path == "/openapi.json":
            continue
        kinds = (
            ("",)
            if "{kind}" not in route.path
            else ("html", "docx", "pdf")
            if "report" in route.path
            else ("csv", "xlsx")
        )
        for kind in kinds:
            for name in ("findings", "cases", "orders") if route.path.startswith("/{name}") else (project,):
                given = {**filled, "kind": kind, "name": name}
                given["number"] = case if route.path.startswith("/case/") else "1"
                path = re.sub(r"\{(\w+)(:\w+)?\}", lambda m, g=given: g.get(m[1], project), route.path)
                query = {} if "project" in path else {"code": project, "box": "113,22,115,24"}
                yield path, browser.get(f"{standalone.PLACE}{path}", params=query)
    for z, x, y in ((0, 0, 0), (11, 1672, 889), (14, 13378, 7116)):
        yield f"tile {z}", client.get(f"/tiles/{z}/{x}/{y}.mvt")


def test_nothing_that_stands_in_the_store_is_an_error_to_who_asks(ask, project):
    case = rows(
        'select case_no from store."case" where project_code = :p and case_no is not null order by 1 limit 1', p=project
    )
    client = ask("read:projects", "read:metrics", "admin", "read:personal", per_minute=100_000, per_day=1_000_000)
    key = keys.make("t", ["read:projects", "admin", "read:personal", "decide"], by="test")[1]
    browser = TestClient(
        standalone.make("link", "operator", ["testserver"]), cookies={standalone.COOKIE: key}, follow_redirects=False
    )
    asked, wrong = 0, {}
    for address, answer in answers(project, case[0]["case_no"], client, browser):
        asked += 1
        # a route that is filled with what it does not take may say so, but not blame the asker for what stands in the store
        if answer.status_code >= 500 or (answer.status_code == 400 and "can be represented" in answer.text):
            wrong[address] = (answer.status_code, answer.text[:200])
    assert asked > 100
    assert not wrong


def test_the_sound_rows_are_listed_beside_the_poisoned(ask, project):
    client = ask("read:projects")
    for view, table in (("projects", "project"), ("cases", "case"), ("licences", "licence")):
        ids = {row["id"] for row in rows(f'select id from store."{table}" where gone_at is null')}
        seen, cursor = set(), {}
        while True:
            page = client.get(f"/v1/{view}", params={"limit": 1000, **cursor}).json()
            seen |= {row["id"] for row in page["items"]}
            if not page["next"]:
                break
            cursor = {"cursor": page["next"]}
        assert seen == ids and any(i.startswith("bad-") for i in ids)


def test_a_snapshot_holds_all_of_them(project, tmp_path):
    made = snapshot.make(grant_of("t", ["read:projects"]), str(tmp_path))
    assert {file["entity"]: file["rows"] for file in made["files"]}["project"] >= KINDS


def test_what_cannot_be_served_is_told_on_the_feed_that_it_comes_from(project):
    told = rows("select distinct feed, field from landing.issue where code = 'value_not_servable'")
    assert {row["feed"] for row in told} <= {
        f"{s.source}.{name}" for s in loader.load_all().values() for name in s.feeds
    }
    assert {"submitted_at", "geom", "total_invest"} <= {row["field"] for row in told}
    assert not rows("select from landing.issue where code = 'value_not_servable' and record not like 'bad-%'")
