"""The change feed beside transactions that run, and webhooks to a receiver that fails."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sqlalchemy as sa

from connectors.endpoint import Endpoint
from core.errors import ConfigurationError
from serving import webhooks
from serving.access import grant_of, reading
from serving.query import changes
from store import fold
from store.engine import engine, transaction
from supervision import ledger
from tests.connectors.web import Reply, self_signed, web
from tests.serving.conftest import rows

ALL = grant_of("test", ["read:projects"])
INSERT = sa.text(
    "insert into store.change (entity, entity_id, op, columns, sources) values ('item', :id, 'MOD', array['item_name'], array['m1.items'])"
)


def read(cursor: str | None = None, limit: int = 1000) -> tuple[list[str], str]:
    """Everything after a cursor that may be read now: ids, and the cursor to go on from."""
    found, more = [], True
    with reading(ALL) as c:
        while more:
            page, cursor, more = changes.changes(c, cursor, limit=limit)
            found += [row["id"] for row in page]
    return found, cursor


def now() -> str:
    with reading(ALL) as c:
        return changes.end(c)


def test_nothing_is_passed_by_whatever_the_order_of_commits(store):
    cursor = now()
    with engine().connect() as early, engine().connect() as late:
        early.execute(INSERT, {"id": "early 1"})
        late.execute(INSERT, {"id": "late 1"})
        late.execute(INSERT, {"id": "late 2"})
        late.commit()  # a higher transaction is done while a lower one still runs
        assert read(cursor)[0] == []
        early.execute(INSERT, {"id": "early 2"})  # drawn after the numbers of the other
        early.commit()
    first, place = read(cursor)
    assert first == ["early 1", "early 2", "late 1", "late 2"]
    assert read(place)[0] == []


def test_a_number_that_was_drawn_early_and_committed_late_still_comes(store):
    """Where a reader by number alone loses a change: the lower number of the younger transaction."""
    cursor = now()
    with engine().connect() as old, engine().connect() as young:
        old.execute(sa.text("select pg_current_xact_id()"))
        young.execute(INSERT, {"id": "young"})
        old.execute(INSERT, {"id": "old"})
        old.commit()
        got, place = read(cursor)
        assert got == ["old"]
        young.commit()
    assert read(place)[0] == ["young"]


def test_pages_of_any_size_tell_the_same(store):
    whole, _ = read(limit=1000)
    assert whole and read(limit=97)[0] == whole
    assert len(whole) == rows("select count(*) from store.changes")[0]["count"]


def load(connection: sa.Connection, name: str, many: int) -> None:
    """So many new golden rows at once, as a first load makes them."""
    columns = ", ".join(f'g."{column}"' for column in fold.golden_columns("site_reading"))
    connection.exec_driver_sql("create temp table touched (id text) on commit drop")
    fold.publish(
        connection,
        "site_reading",
        f"""select {columns}, jsonb_build_object('*', 's4.reading|' || n % 2) as provenance from generate_series(1, {many}) n
            cross join lateral jsonb_populate_record(null\\:\\:store.site_reading, jsonb_build_object('id', '{name} ' || n)) g""",
    )


def test_rows_that_a_load_adds_by_batches_come_each_once_beside_others_at_any_size_of_page(store):
    before = rows("select store.last_change() as seq")[0]["seq"]
    cursor = now()
    try:
        with engine().connect() as one, engine().connect() as two, engine().connect() as three:
            one.execute(INSERT, {"id": "first"})
            load(two, "A", fold.MANY + 250)
            load(three, "B", fold.MANY)
            two.execute(INSERT, {"id": "within"})
            three.commit()
            assert read(cursor)[0] == []  # an older transaction still runs
            one.commit()
            assert read(cursor)[0] == ["first"]
            two.commit()
        assert (
            rows("select count(*) as n from store.change where entity = 'site_reading' and seq > :s", s=before)[0]["n"]
            == 0
        )
        whole, end = read(cursor, limit=10_000)
        expected = {f"A {n}" for n in range(1, fold.MANY + 251)} | {f"B {n}" for n in range(1, fold.MANY + 1)}
        assert len(whole) == len(expected) + 2 and set(whole) == expected | {"first", "within"}
        for size in (83, 499, 1000):
            assert read(cursor, limit=size) == (whole, end)
        assert read(end)[0] == []
        told = rows(
            """select count(distinct entity_id) as ids, count(distinct seq) as seqs from store.changes_between(:s, :s + 700)
               where entity in ('site_reading', 'item')""",
            s=before,
        )[0]
        assert told["ids"] == told["seqs"] == 700
        with reading(ALL) as c:
            page, _, _ = changes.changes(c, cursor, limit=5)
        added = next(change for change in page if change["entity"] == "site_reading")
        assert added["op"] == "ADD" and added["sources"] == ["s4.reading"] and added["columns"] is None
        assert added["after"] is None or added["after"]["id"] == added["id"]
    finally:
        with transaction() as c:
            c.exec_driver_sql("delete from store.site_reading where id like 'A %%' or id like 'B %%'")


def test_a_change_says_what_changed_and_from_where(ask):
    client = ask("read:projects")
    start = client.get("/v1/changes?from=now").json()["next"]
    with transaction() as c:
        c.execute(INSERT, {"id": "DG-304|1"})
    answer = client.get(f"/v1/changes?cursor={start}").json()
    [change] = answer["items"]
    assert (change["op"], change["entity"], change["id"], change["columns"], change["sources"]) == (
        "MOD",
        "item",
        "DG-304|1",
        ["item_name"],
        ["m1.items"],
    )
    assert client.get(f"/v1/changes?cursor={answer['next']}").json()["items"] == []
    assert client.get(f"/v1/changes?cursor={start}&entities=case").json()["items"] == []
    assert client.get(f"/v1/changes?cursor={start}&entities=nothing").status_code == 400


class Receiver(BaseHTTPRequestHandler):
    answers: list[int] = []
    taken: list[tuple[dict, bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 204
        self.taken.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def receiver(store) -> Iterator[Endpoint]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Receiver.answers, Receiver.taken = [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Endpoint(
        "hook",
        "http",
        "127.0.0.1",
        server.server_port,
        password="whsec_" + base64.b64encode(b"s" * 32).decode(),
        schema="http",
    )
    server.shutdown()
    server.server_close()
    with transaction() as c:
        c.exec_driver_sql("delete from serving.delivery; delete from serving.webhook")


def due() -> None:
    with transaction() as c:
        c.exec_driver_sql("update serving.webhook set next_try_at = now()")


def test_a_receiver_gets_each_change_once_signed_in_order_through_failures(receiver):
    webhooks.subscribe("platform", "hook", [], by="test")
    for n in range(3):
        with transaction() as c:
            c.execute(INSERT, {"id": f"w{n}"})
    Receiver.answers = [500, 302]
    look_up = {"hook": receiver}.__getitem__
    assert webhooks.deliver(look_up) == {"platform": 0}
    assert webhooks.deliver(look_up) == {}  # not before its time
    due()
    assert webhooks.deliver(look_up) == {"platform": 0}  # a redirect is not followed
    with transaction() as c:
        c.execute(INSERT, {"id": "w3"})
    due()
    assert webhooks.deliver(look_up) == {"platform": 2}
    sent = Receiver.taken
    assert len({headers["webhook-id"] for headers, _ in sent[:3]}) == 1 and len({body for _, body in sent[:3]}) == 1
    told = [c["id"] for _, body in sent[2:] for c in json.loads(body)["data"]["changes"]]
    assert told == ["w0", "w1", "w2", "w3"]
    for headers, body in sent:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = base64.b64encode(hmac.new(b"s" * 32, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{mac}"
    [state] = webhooks.listed()
    assert (state["failures"], state["waiting_since"]) == (0, None)


def test_failures_wait_longer_each_time_and_gone_is_gone(receiver):
    webhooks.subscribe("platform", "hook", [], by="test")
    with transaction() as c:
        c.execute(INSERT, {"id": "x"})
    Receiver.answers = [503, 503, 503, 410]
    waits = []
    for _ in range(3):
        webhooks.deliver({"hook": receiver}.__getitem__)
        waits.append(rows("select extract(epoch from next_try_at - now())::int as s from serving.webhook")[0]["s"])
        due()
    assert waits[0] < waits[1] < waits[2]
    webhooks.deliver({"hook": receiver}.__getitem__)
    assert webhooks.listed()[0]["stopped_why"]
    due()
    assert webhooks.deliver({"hook": receiver}.__getitem__) == {}


def test_a_receiver_behind_a_private_ca_is_verified_by_it(store, tmp_path, receiver):
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    webhooks.subscribe("platform", "hook", [], by="test")
    with transaction() as c:
        c.execute(INSERT, {"id": "private"})
    with web(lambda asked: Reply({}), tls=context) as server:
        plain = Endpoint("hook", "http", server.url, password="x")
        assert webhooks.deliver({"hook": plain}.__getitem__) == {"platform": 0}
        assert "certificate" in webhooks.listed()[0]["error"]
        due()
        trusted = Endpoint("hook", "http", server.url, password="x", extra={"verify": str(certificate / "cert.pem")})
        assert webhooks.deliver({"hook": trusted}.__getitem__) == {"platform": 1}
    assert [b"private" in asked.body for asked in server.asked] == [True]


def test_a_receiver_that_is_down_is_told_later(receiver):
    webhooks.subscribe("platform", "hook", [], by="test")
    with transaction() as c:
        c.execute(INSERT, {"id": "later"})
    dead = Endpoint("hook", "http", "127.0.0.1", 9, password="x", schema="http")
    webhooks.deliver({"hook": dead}.__getitem__)
    assert webhooks.listed()[0]["error"]
    due()
    webhooks.deliver({"hook": receiver}.__getitem__)
    assert "later" in Receiver.taken[-1][1].decode()


def test_findings_orders_stages_and_clocks_stand_in_the_feed_with_before_and_after(ask, store):
    client = ask()
    start = client.get("/v1/changes?from=now").json()["next"]
    one = rows("select id, department_code from supervision.finding where state = 'open' order by id limit 1")[0]["id"]
    ledger.decide(one, "confirmed", by="test", note="属实")
    case = rows("select case_id, light from supervision.clock where light is not null order by case_id limit 1")[0]
    with transaction() as connection:
        connection.execute(
            sa.text("update supervision.clock set light = '红' where case_id = :c"), {"c": case["case_id"]}
        )
        connection.execute(
            sa.text("update supervision.clock set used_promised = 99, as_of = as_of where case_id = :c"),
            {"c": case["case_id"]},
        )
        connection.exec_driver_sql(
            "update supervision.stage_state set state = '完成' where (project_code, stage) = (select project_code, stage from supervision.stage_state where state = '未开始' order by 1, 2 limit 1)"
        )
    told = client.get("/v1/changes", params={"cursor": start, "limit": 1000}).json()["items"]
    by = {(c["entity"], c["op"]): c for c in told}
    assert set(by) == {("finding", "MOD"), ("clock", "MOD"), ("project_stage", "MOD")}
    found = by["finding", "MOD"]
    assert (found["id"], sorted(found["columns"])) == (one, ["decision_note", "state"])
    assert (found["before"]["state"], found["after"]["state"], found["after"]["decision_note"]) == (
        "open",
        "confirmed",
        "属实",
    )
    clock = by["clock", "MOD"]  # a day more is no change, a light is
    assert (clock["columns"], clock["before"]["light"], clock["after"]["light"]) == (["light"], case["light"], "红")
    assert by["project_stage", "MOD"]["id"].count(":") == 1
    only = client.get("/v1/changes", params={"cursor": start, "entities": "finding"}).json()["items"]
    assert [c["id"] for c in only] == [one]


def test_a_town_is_told_of_its_findings_alone(ask, store, two_towns):
    town = two_towns[0]
    client = ask("read:projects", f"town:{town}")
    mine = {
        r["id"]
        for r in rows(
            "select f.id from supervision.finding f join store.project p on p.id = f.project_code where p.town_code = :t",
            t=town,
        )
    }
    theirs = {
        r["id"]
        for r in rows(
            "select f.id from supervision.finding f join store.project p on p.id = f.project_code where p.town_code <> :t",
            t=town,
        )
    }
    told, cursor = set(), None
    while True:
        page = client.get(
            "/v1/changes", params={"entities": "finding", "limit": 1000, **({"cursor": cursor} if cursor else {})}
        ).json()
        told |= {c["id"] for c in page["items"]}
        cursor = page["next"]
        if not page["more"]:
            break
    assert mine and mine <= told and not theirs & told


def test_a_subscription_to_what_the_feed_has_not_is_refused_with_what_it_has(store):
    with pytest.raises(ConfigurationError, match="work_order"):
        webhooks.subscribe("wrong", "hook", [], by="test", entities=["findings"])


def test_a_reader_from_before_what_is_kept_is_told_and_not_left_short(ask, store):
    from datetime import timedelta

    from pipeline import housekeeping

    client = ask("read:projects")
    early = client.get("/v1/changes", params={"limit": 1}).json()["next"]
    with transaction() as c:
        c.exec_driver_sql(
            """update store.change set at = now() - interval '9 years' where seq <= (select max(seq) - 5 from store.change);
               update store.change_batch set at = now() - interval '9 years'"""
        )
    assert housekeeping.drop_changes(timedelta(days=1095)) > 0
    for query in ({}, {"cursor": early}):
        answer = client.get("/v1/changes", params=query)
        assert answer.status_code == 410 and answer.json()["code"] == "gone"
        assert "from=now" in answer.json()["messages"]["zh"]
    late = client.get("/v1/changes", params={"from": "now"}).json()["next"]
    assert client.get("/v1/changes", params={"cursor": late}).status_code == 200
    assert housekeeping.drop_changes(timedelta(days=1095)) == 0
    with transaction() as c:  # the newest go too: from now on nothing is missed all the same
        c.exec_driver_sql(
            "update store.change set at = now() - interval '9 years'; update store.change_batch set at = now() - interval '9 years'"
        )
    housekeeping.drop_changes(timedelta(days=1095))
    late = client.get("/v1/changes", params={"from": "now"}).json()["next"]
    assert client.get("/v1/changes", params={"cursor": late}).json()["items"] == []
