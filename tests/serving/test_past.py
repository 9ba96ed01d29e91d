"""时间机器: known_at answers as the hub knew it, on every route that reads the store; the feed, replayed, is the store."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from core.clock import SHANGHAI
from core.errors import NotFoundError
from serving.access import Grant, grant_of, reading
from serving.query import changes
from serving.sql import past, provide
from serving.sql.views import views
from store import hash as store_hash
from store import migrate, tables
from store.engine import transaction
from tests.serving.conftest import rows

ALL = grant_of("test", ["read:projects", "read:personal"])


def now() -> datetime:
    with transaction() as c:
        return c.exec_driver_sql("select clock_timestamp()").scalar_one()


def past_views() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"past": set(), "past_store": set(), "past_supervision": set()}
    for row in rows(
        "select table_schema as s, table_name as n from information_schema.views where table_schema like 'past%'"
    ):
        found[row["s"]].add(row["n"])
    return found


def test_everything_that_is_served_has_a_past(store):
    found = past_views()
    assert found["past"] == set(views()) and found["past_store"] == set(tables.golden)
    assert sum(map(len, found.values())) == past.ddl().count("create view ")
    for name in tables.golden:  # g.* was resolved when the view was made
        made = rows(
            "select column_name as c from information_schema.columns where table_schema = 'past_store' and table_name = :n",
            n=name,
        )
        assert {r["c"] for r in made} == {c.name for c in tables.golden[name].columns}, name


def test_the_past_is_made_wherever_it_is_not_that_of_this_version(hub):
    whole = past_views()
    migrate.downgrade("0027")
    migrate.upgrade()
    assert not any(past_views().values())
    provide.upgrade()
    assert past_views() == whole
    for stale in ("drop view past.project", "create view past.older as select 1"):  # an earlier version's
        with transaction() as c:
            c.exec_driver_sql(f"{stale}; comment on schema past is null")
        assert provide.upgrade() == [] and past_views() == whole
    with transaction() as c:
        c.exec_driver_sql("comment on view past.project is 'stands'")
    provide.upgrade()
    assert rows("select obj_description('past.project'::regclass) as told") == [{"told": "stands"}]  # not made again
    if rows("select from pg_roles where rolname = 'onemap_api'"):
        assert rows("select has_table_privilege('onemap_api', 'past.project', 'select') as may") == [{"may": True}]


def content(connection, name: str) -> dict[str, str]:
    view = views()[name]
    key = " || ':' || ".join(f'v."{k}"::text' for k in view.key)
    return dict(connection.execute(sa.text(f'select {key}, to_jsonb(v)::text from asked."{name}" v')).all())


ENTITIES = [n for n in views() if n in tables.golden]


def touch(statement: str, entity: str, id_: str, op: str, before: str | None, **values) -> None:
    with transaction() as c:
        c.execute(sa.text(statement), {"id": id_, **values})
        c.execute(
            sa.text(
                "insert into store.change (entity, entity_id, op, columns, before) values (:e, :id, :op, '{}', cast(:before as jsonb))"
            ),
            {"e": entity, "id": id_, "op": op, "before": before},
        )


def test_every_view_is_as_it_was(store):
    with reading(ALL) as c:
        before = {name: content(c, name) for name in ENTITIES}
    then = now()
    one, two = [r["id"] for r in rows("select id from store.project where gone_at is null order by id limit 2")]
    was = rows(
        "select to_jsonb(g) ->> 'project_name' as n, g.changed_at::text as at from store.project g where id = :id",
        id=one,
    )[0]
    import json

    touch("update store.project set project_name = :n, changed_at = now() where id = :id", "project", one, "MOD",
          json.dumps({"project_name": was["n"], "changed_at": was["at"]}), n="改名一")  # fmt: skip
    touch(
        "update store.project set project_name = :n where id = :id",
        "project",
        one,
        "MOD",
        json.dumps({"project_name": "改名一"}),
        n="改名二",
    )
    touch("update store.project set gone_at = now() where id = :id", "project", two, "DEL", None)
    touch(
        "insert into store.enterprise (id, uscc, name, content_hash, provenance) values (:id, :id, '新', 'x', '{}')",
        "enterprise",
        "91440000000000000X",
        "ADD",
        None,
    )
    with reading(ALL) as c:
        assert content(c, "project")[one] != before["project"][one] and two not in content(c, "project")
    with reading(Grant(ALL.actor, ALL.scopes, known_at=then)) as c:
        for name in ENTITIES:
            found = content(c, name)
            if name == "project":  # what is judged of it is as of the feed, not whole
                found, old = ({k: json.loads(v) for k, v in rows_.items()} for rows_ in (found, before[name]))
                for row in (*found.values(), *old.values()):
                    for column in ("current_stage", "current_stage_name", "finished", "current_items", "judged_on"):
                        row.pop(column)
            elif name == "case":
                found, old = (
                    {k: {n: x for n, x in json.loads(v).items() if n not in CLOCK} for k, v in rows_.items()}
                    for rows_ in (found, before[name])
                )
            else:
                old = before[name]
            assert found == old, name
    assert rows("select count(*) as n from serving.past_change")[0]["n"] == 0  # the reader's alone
    with reading(ALL) as c:  # the present is the present again
        assert "改名二" in content(c, "project")[one]


CLOCK = {
    "acceptance_on",
    "deemed",
    "end_event",
    "used_promised",
    "used_statutory",
    "promised_unit",
    "statutory_unit",
    "suspended",
    "provisional",
    "judged_on",
}


def test_findings_orders_stages_and_clocks_are_as_the_feed_told_them(store):
    found = rows("select id, state, project_code from supervision.finding where state = 'open' order by id limit 1")[0]
    count = rows("select count(*) as n from supervision.finding")[0]["n"]
    then = now()
    with transaction() as c:
        c.execute(sa.text("update supervision.finding set state = 'lifted' where id = :id"), found)
        c.execute(
            sa.text(
                "delete from supervision.clock where case_id = (select min(case_id) from supervision.clock where light <> '灰')"
            )
        )
    clocks = rows("select count(*) as n from supervision.clock where light <> '灰'")[0]["n"]
    with reading(Grant(ALL.actor, ALL.scopes, known_at=then)) as c:
        states = dict(c.exec_driver_sql("select id, state from asked.finding").all())
        assert len(states) == count and states[found["id"]] == "open"
        assert c.exec_driver_sql("""select count(*) from asked."case" where light <> '灰'""").scalar_one() == clocks + 1
    with reading(ALL) as c:
        assert c.exec_driver_sql("select state from asked.finding where id = %(id)s", found).scalar_one() == "lifted"


def test_every_listing_of_the_api_takes_known_at(store, ask):
    client = ask("read:projects")
    then = now()
    one = rows("select id, project_name from store.project where gone_at is null order by id desc limit 1")[0]
    import json

    touch(
        "update store.project set project_name = '现名' where id = :id",
        "project",
        one["id"],
        "MOD",
        json.dumps({"project_name": one["project_name"]}),
    )
    at = {"known_at": then.isoformat()}
    assert client.get(f"/v1/projects/{one['id']}").json()["project"]["project_name"] == "现名"
    assert client.get(f"/v1/projects/{one['id']}", params=at).json()["project"]["project_name"] == one["project_name"]
    paths = client.get("/openapi.json").json()["paths"]
    taking = {
        p for p, o in paths.items() if any(x["name"] == "known_at" for x in o.get("get", {}).get("parameters", []))
    }
    assert {
        "/v1/projects",
        "/v1/cases",
        "/v1/findings",
        "/v1/work-orders",
        "/v1/licences",
        "/v1/items",
        "/v1/statistics",
        "/v1/changes",
        "/v1/projects/{code}",
    } <= taking
    for path in sorted(p for p in taking if "{" not in p and p.startswith("/v1")):
        assert client.get(path, params=at).status_code == 200, path
    assert client.get("/v1/projects", params={"known_at": (now() + timedelta(days=1)).isoformat()}).status_code == 400
    early = client.get("/v1/projects", params={"known_at": "2001-01-01T00:00:00"})
    assert early.status_code == 400 and "known_at" in early.json()["detail"]
    local = then.astimezone(SHANGHAI).replace(tzinfo=None).isoformat()
    assert (
        client.get(f"/v1/projects/{one['id']}", params={"known_at": local}).json()["project"]["project_name"]
        == one["project_name"]
    )


def test_a_project_is_judged_as_of_a_day(store, ask):
    from supervision import ledger

    client = ask("read:projects")
    found = rows(
        """select project_code as p, min(opened_on) as d from supervision.finding where state = 'open' group by 1 order by 2 desc limit 1"""
    )[0]
    before = found["d"] - timedelta(days=300)
    whole = {f["id"] for f in client.get("/v1/findings", params={"project": found["p"], "limit": 500}).json()["items"]}
    then = client.get("/v1/findings", params={"project": found["p"], "as_of": f"{before}", "limit": 500})
    assert then.status_code == 200, then.text
    open_then = {f["id"] for f in then.json()["items"] if f["state"] in ("open", "confirmed")}
    judged = ledger.on_day(before, projects=[found["p"]]).findings
    assert len(open_then) == judged.filter(judged["waits_for"].list.len() == 0).height and whole - open_then
    full = client.get(f"/v1/projects/{found['p']}", params={"as_of": f"{before}"}).json()
    assert full["project"]["judged_on"] == f"{before}"
    assert (
        client.get(f"/v1/projects/{found['p']}").json()["project"]["judged_on"] != f"{before}"
    )  # rolled back with the reader
    assert {
        f["id"] for f in client.get("/v1/findings", params={"project": found["p"], "limit": 500}).json()["items"]
    } == whole
    for wrong in (
        {"as_of": "2999-01-01", "project": found["p"]},
        {"as_of": f"{before}", "project": found["p"], "known_at": now().isoformat()},
    ):
        assert client.get("/v1/findings", params=wrong).status_code == 400


def test_a_held_grant_sees_its_own_past_alone(store, two_towns):
    town, other = two_towns
    then = now()
    with reading(Grant("t", frozenset({"read:projects"}), towns=(town,), known_at=then)) as c:
        assert set(c.exec_driver_sql("select distinct town_code from asked.project").scalars()) == {town}
        assert (
            c.exec_driver_sql(
                """select count(*) from asked."case" c join asked.project p on p.id = c.project_code where p.town_code <> %(t)s""",
                {"t": town},
            ).scalar_one()
            == 0
        )
    assert other != town


def test_before_the_feed_there_is_no_past(store):
    with (
        pytest.raises(NotFoundError, match="reaches back"),
        reading(Grant("t", known_at=datetime(2001, 1, 1, tzinfo=SHANGHAI))),
    ):
        pass


def test_the_feed_replayed_is_the_store(hub, monkeypatch):
    """From the first change to the last, with values: every golden row, to the hash of the store."""
    import json

    from pipeline import unify
    from standins import world
    from tests.supervision.told import SOURCES, take

    folder = hub / "world"
    world.make(folder, projects=6, seed=3)
    take(folder, monkeypatch, hub / "clock")
    world.advance(folder, 20)
    for part in (
        SOURCES[:3],
        SOURCES[3:],
    ):  # what one source says first another has later: rows change, and by whom they are said
        monkeypatch.setattr("tests.supervision.told.SOURCES", part)
        take(folder, monkeypatch, hub / "clock")
    with transaction() as c:  # a record that a source takes back, and says again
        c.exec_driver_sql(
            """update source.record set tombstoned_at = now(), tombstone = 'absent' where id in (select id from source.record where feed = 'm2.sb' order by id limit 2)"""
        )
        c.exec_driver_sql(
            "insert into store.dirty (record_id, feed, run_id) select id, feed, run_id from source.record where tombstoned_at is not null on conflict do nothing"
        )
    unify.run()
    ops = {r["op"]: r["n"] for r in rows("select op, count(*) as n from store.changes group by 1")}
    assert ops["ADD"] and ops["MOD"]
    told = {name: total for name, total in store_hash.parts().items() if name.startswith("store.")}
    replayed: dict[str, dict[str, dict]] = {name: {} for name in tables.golden}
    cursor, more = None, True
    while more:
        with reading(ALL) as c:
            page, cursor, more = changes.changes(c, cursor, limit=500)
        for change in page:
            if change["entity"] not in replayed:
                continue
            if change["op"] == "DEL":
                del replayed[change["entity"]][change["id"]]
            elif change["op"] == "ADD":
                replayed[change["entity"]][change["id"]] = change["after"]
            else:
                replayed[change["entity"]][change["id"]].update(change["after"])
    with transaction() as c:
        for name, kept in replayed.items():
            c.exec_driver_sql(f'create temp table again_{name} on commit drop as select * from store."{name}" limit 0')
            c.execute(
                sa.text(
                    f'insert into again_{name} select r.* from unnest(cast(:all as jsonb[])) u(row) cross join lateral jsonb_populate_record(null::store."{name}", u.row) r'
                ),
                {"all": [json.dumps(row) for row in kept.values()]},
            ) if kept else None
        parts = [(f"store.{n}", "(to_jsonb(g) - 'changed_at' - 'gone_at')::text", f"again_{n} g") for n in replayed]
        assert dict(store_hash._sums(c, parts)) == told
