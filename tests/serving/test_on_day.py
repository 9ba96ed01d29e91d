"""时间机器: as_of answers as of a past day, of the city and of one project alike, as a hub of that day did."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from serving import derive, keys, on_day, webhooks
from serving.access import Grant, grant_of, reading
from serving.query import changes
from serving.sql.views import views
from store.engine import engine, transaction
from supervision import ledger
from supervision.orders import life
from tests.hub import environment, own_database
from tests.serving.conftest import rows
from tests.supervision.told import take

PERSONAL = grant_of("test", ["read:projects", "read:personal"])
#: the hub's own: when it wrote a row down, and by which knowledge
OWN = {"changed_at", "provenance", "updated_at", "inserted_at"}
VIEWS = (
    "project",
    "case",
    "case_event",
    "finding",
    "work_order",
    "order_step",
    "project_stage",
    "project_item",
    "licence",
)


def seen(grant: Grant, view: str, *columns: str) -> dict[str, dict]:
    key = " || ':' || ".join(f'v."{k}"::text' for k in views()[view].key)
    with reading(grant) as c:
        found = c.execute(sa.text(f'select {key}, to_jsonb(v) from asked."{view}" v')).all()
    return {k: {n: x for n, x in row.items() if n not in OWN and (not columns or n in columns)} for k, row in found}


@pytest.fixture(scope="module")
def two(postgres_server, migrated, tmp_path_factory):
    """A world's clock T, and what a hub of T showed: it read and judged the world at T; then the world went on for 40 days, the hub
    read it again, judged it and moved its orders on."""
    from standins import world

    home = tmp_path_factory.mktemp("two")
    with own_database(postgres_server, migrated) as name, environment(postgres_server, name, home) as patch:
        world.make(home / "world", projects=8, seed=11)
        day = take(home / "world", patch, home / "clock").date()
        ledger.supervise(day)
        life.advance(datetime.combine(day, datetime.min.time()) + timedelta(hours=9))
        shown = {view: seen(PERSONAL, view) for view in VIEWS}
        counts = TestClient(app(), headers=header()).get("/v1/statistics").json()
        world.advance(home / "world", 40)
        later = take(home / "world", patch, home / "clock")
        ledger.supervise(later.date())
        life.advance(later)
        derive.refresh()
        yield day, shown, counts


def app():
    from serving.api.app import app

    return app


def now_() -> datetime:
    return rows("select clock_timestamp() as at")[0]["at"]


def header() -> dict[str, str]:
    return {"Authorization": f"Bearer {keys.make('test', ['read:projects'], by='test', per_minute=10**6)[1]}"}


def test_the_city_is_as_a_hub_of_that_day_showed_it(two):
    day, shown, counts = two
    then = Grant(PERSONAL.actor, PERSONAL.scopes, as_of=(None, day))
    later = {  # what a source said of a row afterwards, of whatever day it speaks
        (r["entity"], r["entity_id"]): set(r["columns"] or ())
        for r in rows("select entity, entity_id, columns from store.change where op = 'MOD'")
    }
    for view, was in shown.items():
        now = seen(then, view)
        late = {
            k for k in set(now) - set(was) if view in ("case_event", "licence")
        }  # came afterwards, speaks of before
        assert set(now) - late == set(was), view
        assert len(late) <= len(was) / 50
        for key, row in was.items():
            told = later.get((view, key), set())
            if view == "finding":  # by the same rows; another source may have come to say them too
                row["evidence"], now[key]["evidence"] = ([e["row"] for e in x["evidence"]] for x in (row, now[key]))
            assert {n for n in row if row[n] != now[key][n]} <= told, (view, key)
    today = {view: seen(PERSONAL, view) for view in VIEWS}
    assert all(today[view] != shown[view] for view in ("project", "case", "finding", "project_stage"))
    client = TestClient(app(), headers=header())
    as_of = {"as_of": day.isoformat()}
    told = client.get("/v1/statistics", params=as_of)
    assert told.status_code == 200 and told.json() == counts != client.get("/v1/statistics").json()
    for path in ("projects", "cases", "findings", "work-orders", "licences", "items", "changes", "rows/case_event"):
        assert client.get(f"/v1/{path}", params=as_of).status_code == 200, path
    for past in (as_of, {"known_at": now_().isoformat()}):
        found = client.get("/features/collections/projects/items", params={**past, "limit": 1})
        assert found.status_code == 200 and len(found.json()["features"]) == 1
        following = next(link["href"] for link in found.json()["links"] if link["rel"] == "next")
        assert next(iter(past)) in following
    assert client.get("/v1/findings", params={**as_of, "known_at": "2026-11-24T08:00:00"}).status_code == 400
    assert client.get("/v1/findings", params={"as_of": "2999-01-01"}).status_code == 400


def test_a_project_is_as_the_city_has_it(two):
    day, shown, _ = two
    code = next(iter(shown["finding"].values()))["project_code"]
    with transaction() as c:
        c.exec_driver_sql("delete from serving.judged_day")  # so that it is judged alone
    alone, whole = (Grant(PERSONAL.actor, PERSONAL.scopes, as_of=(one, day)) for one in (code, None))
    views_ = ("case", "finding", "work_order", "project_stage", "project_item")
    of_it = {view: {k: r for k, r in seen(alone, view).items() if r["project_code"] == code} for view in views_}
    assert not rows("select from serving.judged_day") and all(of_it.values())
    for _ in "ab":  # and when the city was judged since
        assert {
            view: {k: r for k, r in seen(whole, view).items() if r["project_code"] == code} for view in views_
        } == of_it
        whole = alone


def test_what_has_moved_since_is_judged_again_and_nothing_else(two):
    day, *_ = two
    then = Grant(PERSONAL.actor, PERSONAL.scopes, as_of=(None, day))
    first = on_day.bring(day)
    assert on_day.bring(day) == first  # nothing has moved
    with transaction() as c:  # but who is silent decides what waits
        c.exec_driver_sql(
            """insert into landing.silence (feed, kind, part, since, found_at, basis, text)
               values ('x.y', 'feed', '', '2026-01-01', '2026-01-02', 'rhythm', 'x')"""
        )
    heard, first = first, on_day.bring(day)
    assert first > heard and on_day.bring(day) == first
    case = rows("""select c.id, c.project_code from store."case" c join supervision.clock k on k.case_id = c.id
                   where c.project_code is not null order by c.id limit 1""")[0]
    ledger.decide(
        rows("select id from supervision.finding where state = 'open' limit 1")[0]["id"], "lifted", by="t", note="误报"
    )
    with transaction() as c:
        c.execute(
            sa.text("""update store."case" set accepted_at = accepted_at - interval '1 day' where id = :id"""), case
        )
        c.execute(
            sa.text(
                "insert into store.change (entity, entity_id, op, columns, before) values ('case', :id, 'MOD', '{accepted_at}', '{}')"
            ),
            case,
        )
    touched = on_day.bring(day)
    assert touched > first and not rows("select from serving.day_clock where day_id = :d", d=first)
    by_parts = {view: seen(then, view) for view in VIEWS}
    with transaction() as c:
        c.exec_driver_sql(
            "delete from serving.judged_day"
        )  # what is left of it goes with the next day that is forgotten
    assert on_day.bring(day) > touched
    assert {view: seen(then, view) for view in VIEWS} == by_parts
    assert not [f for f in by_parts["finding"].values() if f["state"] == "lifted"]  # decided later than that day
    for back in range(1, on_day.KEPT + 2):
        on_day.bring(day - timedelta(days=back))
    kept = rows("select as_of from serving.judged_day")
    assert len(kept) == on_day.KEPT and day not in {r["as_of"] for r in kept}
    assert rows("select count(distinct day_id) as n from serving.day_clock")[0]["n"] == on_day.KEPT


def test_what_is_committed_late_is_judged_too(two):
    """A change may have a lower number than one that was seen before it: its transaction was still writing."""
    day, *_ = two
    clock = "select case_id from serving.day_clock where day_id = :day"
    case = {"id": rows(f"{clock} order by 1 desc limit 1", day=on_day.bring(day))[0]["case_id"]}
    told = "insert into store.change (entity, entity_id, op, before) values (:entity, :id, 'MOD', '{}')"
    with engine().connect() as writing:
        writing.execute(sa.text("""update store."case" set gone_at = now() where id = :id"""), case)
        writing.execute(sa.text(told), {"entity": "case", **case})
        with transaction() as c:
            c.execute(sa.text(told), {"entity": "enterprise", "id": "x"})
        assert rows(f"{clock} and case_id = :id", day=on_day.bring(day), **case)
        writing.commit()
    assert not rows(f"{clock} and case_id = :id", day=on_day.bring(day), **case)
    with transaction() as c:
        c.execute(sa.text("""update store."case" set gone_at = null where id = :id"""), case)
        c.execute(sa.text(told), {"entity": "case", **case})
    assert rows(f"{clock} and case_id = :id", day=on_day.bring(day), **case)


def test_the_plan_of_every_project_is_in_the_feed(two):
    """Replayed, the feed is what each project is expected to go through; a change tells both values, and may be subscribed to."""
    replayed, changed = {}, []
    cursor, more = None, True
    while more:
        with reading(PERSONAL) as c:
            page, cursor, more = changes.changes(c, cursor, entities=["project_item"], limit=5000)
        for one in page:
            if one["op"] == "DEL":
                assert one["before"] == replayed.pop(one["id"])
            else:
                if one["op"] == "MOD":
                    changed.append(one)
                    assert one["before"] == replayed[one["id"]]
                    assert {n for n, v in one["after"].items() if v != one["before"][n]} == set(one["columns"]) != set()
                replayed[one["id"]] = one["after"]
    now = seen(PERSONAL, "project_item")
    assert {k: {n: v for n, v in row.items() if n != "judged_on"} for k, row in now.items()} == replayed
    assert changed and any("state" in one["columns"] and one["after"]["state"] == "已办" for one in changed)
    webhooks.subscribe("plans", "hook_plans", [], by="test", entities=["project_item"], from_now=True)
    assert "project_item" in next(w for w in webhooks.listed() if w["name"] == "plans")["entities"]
