"""回流: the hub sends to real receivers (PostgreSQL, HTTP, OpenSSH, Mosquitto): each row once, whatever dies; refused rows wait; it balances."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import openpyxl
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from connectors.endpoint import Endpoint
from core.errors import ConfigurationError, NotFoundError, ProviderError, TransientError
from core.settings import ROOT
from serving.push import ledger, run, state
from sinks import loader, published
from sinks.declaration import Sink
from store import archive
from store.engine import transaction
from tests.connectors.mosquitto import PASSWORD, USER, Mosquitto
from tests.connectors.sshd import sshd
from tests.connectors.web import Reply, web
from tests.serving.conftest import rows

CASES = """channel in ('M2', 'D1', 'D4') and not 'P3' = any(channels) and accepted_at is not null"""


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch):
    """``declared(yaml's data)`` → the sink stands beside those of the folder, for this test."""
    known: dict[str, Sink] = {}
    folder = loader.load

    def load(name: str) -> Sink:
        return known[name] if name in known else folder(name)

    monkeypatch.setattr(loader, "load", load)
    monkeypatch.setattr(loader, "load_all", lambda: dict(known))

    def declare(**data) -> Sink:
        data = {
            "name": "测试",
            "owner": {"department": "测试"},
            "purpose": "测试",
            "connection": "x",
            "schedule": "0 1 * * *",
            **data,
        }
        sink = Sink.model_validate(data)
        outputs = {n: o.model_copy(update={"id": f"{sink.sink}.{n}"}) for n, o in sink.outputs.items()}
        known[sink.sink] = sink.model_copy(update={"outputs": outputs})
        return known[sink.sink]

    return declare


@pytest.fixture
def front(new_database):
    """A front-end database made by the national contract, and the Connection to it."""
    url = make_url(new_database())
    engine = sa.create_engine(url)
    with engine.begin() as c:
        c.exec_driver_sql((ROOT / "schemas" / "contracts" / "p3.sql").read_text("utf-8"))
    yield (
        engine,
        lambda _: Endpoint("p_up", "generic", "", login="postgres", extra={"url": url.render_as_string(False)}),
    )
    engine.dispose()


def stood(engine: sa.Engine, table: str) -> dict[str, dict]:
    """The current row of each guid, by the contract's order: cd_time, D > U > I."""
    with engine.begin() as c:
        found = c.exec_driver_sql(
            f"""select distinct on (row_guid) * from {table}
                order by row_guid, cd_time desc, position(cd_operation in 'IUD') desc"""
        )
        return {row["row_guid"]: dict(row) for row in found.mappings() if row["cd_operation"] != "D"}


def test_the_declarations_of_the_house_are_sound(store):
    assert set(loader.names()) == {"housing_monthly", "p_up"} and not loader.broken()
    from serving.push import choose

    for sink in loader.load_all().values():
        for output in sink.outputs.values():
            assert choose.check(output) == [], output.id
    assert published.FILE.read_text("utf-8") == published.text()


def test_a_wrong_declaration_is_told_with_its_line(tmp_path):
    text = (ROOT / "sinks" / "p_up.yaml").read_text("utf-8")
    (tmp_path / "p_up.yaml").write_text(
        text.replace("key: [row_guid]", "key: [row_guide]").replace('format: "yyyy', 'format: "qqqq', 1)
    )
    with pytest.raises(ConfigurationError, match="did you mean row_guid") as told:
        loader.read(tmp_path / "p_up.yaml")
    assert "p_up.yaml:" in told.value.message and "qqqq" in told.value.message


def test_the_national_tables_get_each_case_once_and_its_changes(store, front):
    engine, look_up = front
    first = run.push("p_up.accept", look_up=look_up)
    wanted = {r["case_no"] for r in rows(f'select case_no from store."case" where gone_at is null and {CASES}')}
    assert wanted and first.rows == first.accepted + first.rejected == len(wanted)
    there = stood(engine, "up_pro_accept")
    assert {r["project_no"] for r in there.values()} == wanted - {
        r["key"].partition(":")[2] for r in state.refused("p_up.accept")
    }
    assert {r["cd_operation"] for r in there.values()} == {"I"} and all(
        r["data_source"] == "DG" for r in there.values()
    )
    assert run.push("p_up.accept", look_up=look_up).rows == 0  # nothing changed, nothing is sent
    one = rows(f'select id, case_no from store."case" where gone_at is null and {CASES} order by id limit 1')[0]
    try:
        with transaction() as c:
            c.execute(
                sa.text('update store."case" set project_name = :n where id = :id'), {"n": "改名", "id": one["id"]}
            )
            c.execute(
                sa.text(
                    "insert into store.change (entity, entity_id, op, columns, sources) values ('case', :id, 'MOD', '{}', '{}')"
                ),
                one,
            )
        assert (again := run.push("p_up.accept", look_up=look_up)).rows == 1 and again.accepted == 1
        changed = [r for r in stood(engine, "up_pro_accept").values() if r["project_no"] == one["case_no"]]
        assert [(r["project_name"], r["cd_operation"]) for r in changed] == [("改名", "U")]
        with transaction() as c:  # what the filter chooses no more is gone at the receiver
            c.execute(sa.text("""update store."case" set channels = channels || array['P3'] where id = :id"""), one)
            c.execute(
                sa.text(
                    "insert into store.change (entity, entity_id, op, columns, sources) values ('case', :id, 'MOD', '{}', '{}')"
                ),
                one,
            )
        assert run.push("p_up.accept", look_up=look_up).accepted == 1
        assert one["case_no"] not in {r["project_no"] for r in stood(engine, "up_pro_accept").values()}
    finally:
        with transaction() as c:
            c.execute(
                sa.text("""update store."case" set channels = array_remove(channels, 'P3') where id = :id"""), one
            )
    standing = next(s for s in state.standing() if s.output == "p_up.accept")
    assert standing.balanced and standing.waiting == 0 and standing.rows == standing.taken + standing.refused


def test_events_follow_their_case(store, front):
    engine, look_up = front
    done = run.push("p_up.process", look_up=look_up)
    assert done.rows == done.accepted + done.rejected and done.accepted == len(stood(engine, "up_pro_process"))
    case = rows(
        """select e.case_id as id, count(*) as n from store.case_event e join store."case" c on c.id = e.case_id
           where e.channel in ('M2', 'D1', 'D4') and e.event in ('HANDLING', 'CONSULTED', 'SUPPLEMENT_START', 'SUPPLEMENT_END')
             and not 'P3' = any(c.channels) and e.gone_at is null group by 1 order by 2 desc, 1 limit 1"""
    )[0]
    try:
        with transaction() as c:
            c.execute(sa.text("""update store."case" set channels = channels || array['P3'] where id = :id"""), case)
            c.execute(
                sa.text(
                    "insert into store.change (entity, entity_id, op, columns, sources) values ('case', :id, 'MOD', '{}', '{}')"
                ),
                case,
            )
        assert run.push("p_up.process", look_up=look_up).rows == case["n"]
        assert len(stood(engine, "up_pro_process")) == done.accepted - case["n"]
    finally:
        with transaction() as c:
            c.execute(
                sa.text("""update store."case" set channels = array_remove(channels, 'P3') where id = :id"""), case
            )


def database(declare, name="t_db", **more):
    return declare(
        sink=name,
        protocol="database",
        outputs={
            "town": {
                "name": "项目",
                "entity": "project",
                "columns": {
                    "code": "project_code",
                    "name": {"from": "project_name", "required": True},
                    "capital": "total_invest",
                    "op": {"hub": "operation"},
                    "b": {"hub": "batch"},
                },
                "options": {"table": "t", "key": ["code"], "write": "upsert"},
                **more,
            }
        },
    )


def test_a_row_that_the_database_refuses_is_refused_alone_and_redriven(store, front, declared):
    engine, look_up = front
    sink = database(declared)
    with engine.begin() as c:
        c.exec_driver_sql(
            "create table t (code text primary key, name text, capital numeric, op text, b text, check (right(code, 1) <> '1'))"
        )
    done = run.push("t_db.town", look_up=look_up)
    bad = [r["id"] for r in rows("select id from store.project where gone_at is null and right(project_code, 1) = '1'")]
    assert bad and done.rejected == len(bad) and done.accepted == done.rows - len(bad)
    assert {r["key"] for r in state.refused("t_db.town")} == set(bad)
    assert all("check constraint" in r["reasons"][0]["detail"] for r in state.refused("t_db.town"))
    assert run.push("t_db.town", look_up=look_up).rows == 0  # a refused row is not sent again by itself
    with engine.begin() as c:
        c.exec_driver_sql("alter table t drop constraint t_code_check")
    assert ledger.redrive("t_db.town", bad[:1]) == 1
    assert run.push("t_db.town", look_up=look_up).accepted == 1
    assert ledger.redrive("t_db.town") == len(bad) - 1
    assert run.push("t_db.town", look_up=look_up).accepted == len(bad) - 1
    with engine.begin() as c:
        count = c.exec_driver_sql("select count(*), count(distinct code) from t").one()
    assert count[0] == count[1] == done.rows and sink.sink == "t_db"
    with pytest.raises(NotFoundError):
        ledger.redrive("t_db.town", ["nothing"])


def test_what_cannot_be_told_in_the_receivers_words_is_not_sent(store, front, declared):
    engine, look_up = front
    some = rows(
        "select project_type as t, count(*) as n from store.project where gone_at is null and project_type is not null group by 1 order by 2 limit 1"
    )
    known = some[0]["t"] if some else "x"
    database(declared, columns={"code": "project_code", "name": {"from": "project_type", "map": {known: "1"}}})
    with engine.begin() as c:
        c.exec_driver_sql("create table t (code text primary key, name text)")
    done = run.push("t_db.town", look_up=look_up)
    unknown = rows("select count(*) as n from store.project where gone_at is null and project_type <> :t", t=known)[0][
        "n"
    ]
    refused = state.refused("t_db.town")
    assert len(refused) == unknown and {r["reasons"][0]["code"] for r in refused} <= {"unknown_code"}
    assert done.accepted == rows("select count(*) as n from store.project where gone_at is null")[0]["n"] - unknown
    # the declaration is mended: they are looked at again by themselves
    database(
        declared,
        columns={"code": "project_code", "name": {"from": "project_type", "map": {known: "1"}, "default": "9"}},
    )
    run.push("t_db.town", look_up=look_up)
    assert state.refused("t_db.town") == []


DIES = """
import os, sys
from connectors.endpoint import Endpoint
from serving.push import run, receivers
from serving.push.receivers import database
send = database.send
database.send = lambda call, body: (send(call, body), os._exit(9))
run.push("p_up.special", look_up=lambda _: Endpoint("p_up", "generic", "", login="postgres", extra={"url": sys.argv[1]}))
"""


def test_a_process_that_dies_after_sending_doubles_nothing(store, front):
    engine, look_up = front
    url = look_up("").extra["url"]
    path = os.environ.get("PYTHONPATH", "") or str(ROOT)
    died = subprocess.run(
        [sys.executable, "-c", DIES, url],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert died.returncode == 9, died.stderr
    with engine.begin() as c:
        before = c.exec_driver_sql("select count(*) from up_pro_special_procedure").scalar_one()
    assert before > 0
    done = run.push("p_up.special", look_up=look_up)
    assert done.accepted == before
    with engine.begin() as c:
        told = c.exec_driver_sql("select count(*), count(distinct row_guid) from up_pro_special_procedure").one()
    assert tuple(told) == (before, before)


def rest(declare, **more):
    return declare(
        sink="t_rest",
        protocol="rest",
        options={"auth": {"kind": "api_key", "name": "X-Key"}},
        outputs={
            "f": {
                "name": "发现",
                "entity": "finding",
                "where": {"from": "state", "one_of": ["open", "confirmed"]},
                "batch": 7,
                "columns": {"id": "id", "rule": "rule", "op": {"hub": "operation"}},
                "options": {"path": "/in", "key": "id", **more},
            }
        },
    )


def test_a_service_that_fails_gets_the_same_bytes_again_and_its_refusals_are_kept(store, declared):
    rest(declared)
    seen: list[bytes] = []
    taken: dict[str, str] = {}
    mode = {"fail": 1, "short": 0}

    def answer(asked) -> Reply:
        assert asked.headers["x-key"] == "s3cr3t-of-test"  # pragma: allowlist secret
        seen.append(asked.body)
        batch = asked.json
        if asked.headers["idempotency-key"] in taken:
            return Reply(taken[asked.headers["idempotency-key"]].encode())
        refused = [{"key": r["id"], "reason": "项目不在本系统"} for r in batch["rows"] if r["rule"] == "C5"]
        told = json.dumps({"accepted": len(batch["rows"]) - len(refused) - mode["short"], "rejected": refused})
        if mode["fail"]:
            mode["fail"] -= 1
            taken[asked.headers["idempotency-key"]] = told
            return Reply(b"", 500)
        taken[asked.headers["idempotency-key"]] = told
        return Reply(told.encode())

    with web(answer) as server:
        look_up = lambda _: Endpoint("t", "http", server.url, password="s3cr3t-of-test")  # noqa: E731  # pragma: allowlist secret
        done = run.push("t_rest.f", look_up=look_up)
    standing = rows(
        "select rule, count(*) as n from supervision.finding where state in ('open', 'confirmed') group by 1"
    )
    assert done.rows == sum(r["n"] for r in standing) and done.batches == -(-done.rows // 7)
    assert done.rejected == sum(r["n"] for r in standing if r["rule"] == "C5") == len(state.refused("t_rest.f"))
    assert seen[0] == seen[1]  # after the 500 the same bytes
    batch = state.batches("t_rest.f")[0]
    assert json.loads(archive.get(batch["body_sha256"]))["batch"] == batch["id"]
    assert json.loads(archive.get(batch["receipt_sha256"]))["accepted"] == batch["accepted"]


def test_an_answer_that_does_not_account_for_every_row_is_no_receipt(store, declared):
    sink = rest(declared)
    declared(
        **{
            **sink.model_dump(by_alias=True, mode="json"),
            "sink": "t_short",
            "outputs": {"f": {**sink.outputs["f"].model_dump(by_alias=True, mode="json"), "id": ""}},
        }
    )
    with web(lambda asked: Reply({"accepted": len(asked.json["rows"]) - 1, "rejected": []})) as server:
        look_up = lambda _: Endpoint("t", "http", server.url, password="s3cr3t-of-test")  # noqa: E731  # pragma: allowlist secret
        with pytest.raises(ProviderError, match="no receipt"):
            run.push("t_short.f", look_up=look_up)
        standing = next(s for s in state.standing() if s.output == "t_short.f")
        assert (standing.light, standing.accepted, standing.fault) == ("failing", 0, "provider") and standing.open_since


WORKBOOK = {
    "name": "月报",
    "entity": "case",
    "mode": "whole",
    "period": "month",
    "where": {"from": "concluded_at", "during": "period"},
    "columns": {
        "办件编号": {"from": "case_no", "required": True},
        "办结": {"from": "concluded_at", "format": "yyyy/MM/dd"},
        "项目": "project.project_name",
    },
    "batch": 100000,
    "options": {"file": "月报_{period}", "format": "xlsx", "title": "月报 {period}"},
}


def test_a_monthly_workbook_is_laid_down_once_with_its_manifest(store, declared, need, tmp_path):
    declared(sink="t_month", protocol="sftp", outputs={"book": WORKBOOK})
    month = rows(
        """select to_char(concluded_at, 'YYYY-MM') as m, count(*) as n from store."case" where gone_at is null and concluded_at is not null group by 1 order by 2 desc limit 1"""
    )[0]
    with sshd(need, tmp_path) as server:
        done = run.push("t_month.book", period=month["m"], look_up=lambda _: server.endpoint())
        assert done.accepted == done.rows == month["n"]
        name = f"月报_{month['m']}.xlsx"
        manifest = json.loads((server.drop / f"{name}.manifest.json").read_text("utf-8"))
        kept = archive.digest((server.drop / name).read_bytes())
        assert (manifest["rows"], manifest["sha256"]) == (month["n"], kept.sha256)
        sheet = list(openpyxl.load_workbook(server.drop / name).active.values)
        assert (
            sheet[0][0] == f"月报 {month['m']}"
            and sheet[1] == ("办件编号", "办结", "项目")
            and len(sheet) == month["n"] + 2
        )
        assert {row[1][:7] for row in sheet[2:]} == {month["m"].replace("-", "/")}
        assert run.push("t_month.book", period=month["m"], look_up=lambda _: server.endpoint()).batches == 0
        assert run.push("t_month.book", period=month["m"], again=True, look_up=lambda _: server.endpoint()).batches == 1
        assert sorted(p.name for p in server.drop.iterdir()) == sorted(
            f"月报_{month['m']}{r}.xlsx{m}" for r in ("", "-2") for m in ("", ".manifest.json")
        )


def test_a_receipt_file_is_waited_for_and_says_what_was_taken(store, declared, need, tmp_path):
    output = {
        "name": "企业",
        "entity": "enterprise",
        "columns": {"uscc": {"from": "uscc", "required": True}, "name": "name", "op": {"hub": "operation"}},
        "options": {"file": "e_{period}", "format": "csv", "receipt": "file", "key": "uscc"},
    }
    declared(sink="t_drop", protocol="sftp", outputs={"e": output})
    with sshd(need, tmp_path) as server:
        look_up = lambda _: server.endpoint()  # noqa: E731
        waits = run.push("t_drop.e", look_up=look_up)
        assert waits.open and waits.accepted == 0
        laid = next(p for p in server.drop.iterdir() if p.suffix == ".csv")
        assert run.push("t_drop.e", look_up=look_up).open and len(list(server.drop.glob("*.csv"))) == 1
        codes = [line.split(",")[0] for line in laid.read_text("utf-8-sig").splitlines()[1:]]
        told = {"accepted": len(codes) - 1, "rejected": [{"key": codes[0], "reason": "注销企业"}]}
        (server.drop / f"{laid.name}.receipt.json").write_text(json.dumps(told))
        done = run.push("t_drop.e", look_up=look_up)
        assert (done.accepted, done.rejected) == (len(codes) - 1, 1)
        assert [r["reasons"][0]["detail"] for r in state.refused("t_drop.e")][0] == "注销企业"


def test_a_topic_gets_a_message_a_change(store, declared, need, tmp_path):
    declared(
        sink="t_topic",
        protocol="mqtt",
        outputs={
            "o": {
                "name": "阶段",
                "entity": "project_stage",
                "columns": {"no": "project_code", "stage": "stage"},
                "options": {"topic": "dg/stages/{stage}"},
            }
        },
    )
    broker = Mosquitto(need("mosquitto", "mosquitto"), tmp_path / "mosquitto")
    try:
        import paho.mqtt.client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        got: dict[str, dict] = {}
        listener = paho.Client(CallbackAPIVersion.VERSION2)
        listener.username_pw_set(USER, PASSWORD)
        listener.on_message = lambda client, data, message: got.setdefault(
            message.topic + " " + json.loads(message.payload)["no"], json.loads(message.payload)
        )
        ready: list[int] = []
        listener.on_subscribe = lambda *_: ready.append(1)
        listener.connect("127.0.0.1", broker.port)
        listener.subscribe("dg/stages/+", qos=1)
        listener.loop_start()
        for _ in range(200):
            if ready:
                break
            time.sleep(0.02)
        done = run.push(
            "t_topic.o", look_up=lambda _: Endpoint("t", "generic", "127.0.0.1", broker.port, USER, PASSWORD)
        )
        count = rows("select count(*) as n from supervision.stage_state")[0]["n"]
        assert done.accepted == count > 0
        for _ in range(200):
            if len(got) == count:
                break
            time.sleep(0.02)
        listener.loop_stop()
        assert len(got) == count and len({m["_id"] for m in got.values()}) == count
    finally:
        broker.stop()
    with pytest.raises(TransientError):
        ledger.redrive("t_topic.o")
        with transaction() as c:
            c.exec_driver_sql(
                "update serving.push_row set taken_hash = null, wanted_hash = null, state = 'rejected' where output = 't_topic.o'"
            )
        run.push("t_topic.o", look_up=lambda _: Endpoint("t", "generic", "127.0.0.1", broker.port, USER, PASSWORD))


def test_a_batch_that_does_not_balance_cannot_be_settled(store):
    with pytest.raises(sa.exc.IntegrityError), transaction() as c:
        c.exec_driver_sql(
            """insert into serving.push_batch (output, state, rows, sent, accepted, rejected, name, body_sha256)
               values ('x.y', 'settled', 3, 3, 1, 1, 'x', 'x')"""
        )


def test_a_preview_sends_nothing_and_masks_by_the_receivers_scopes(store, declared):
    database(
        declared,
        "t_preview",
        entity="case",
        columns={"who": "contact_name", "phone": "contact_phone"},
        options={"table": "t", "key": ["who"], "write": "upsert"},
    )
    masked = run.preview("t_preview.town", 200)
    assert masked and not any((r["cells"]["phone"] or "*").isdigit() for r in masked)
    assert not rows("select 1 from serving.push_batch where output = 't_preview.town'")


def test_a_receiver_of_some_personal_columns_gets_those_of_the_case_too(store, declared):
    output = {
        "name": "事件",
        "entity": "case_event",
        "columns": {"phone": "case.contact_phone", "who": "case.applicant_id"},
        "options": {"table": "t", "key": ["phone"], "write": "upsert"},
    }
    declared(sink="t_contacts", protocol="database", scopes=["read:contacts"], outputs={"e": output})
    seen = run.preview("t_contacts.e", 500)
    assert any((r["cells"]["phone"] or "").isdigit() for r in seen)
    known = {r["id"] for r in rows("""select applicant_id as id from store."case" where applicant_id is not null""")}
    assert not known & {r["cells"]["who"] for r in seen}


def test_the_page_shows_it_and_takes_a_persons_word(store, front, declared):
    from starlette.testclient import TestClient

    from serving.access import ADMIN, DECIDE, PERSONAL, PROJECTS, Grant
    from serving.alerts import detect
    from serving.pages.app import application

    engine, look_up = front
    database(
        declared, "t_page", columns={"code": "project_code"}, options={"table": "t", "key": ["code"], "write": "upsert"}
    )
    with engine.begin() as c:
        c.exec_driver_sql("create table t (code text primary key, check (code is null))")
    count = run.push("t_page.town", look_up=look_up).rejected

    async def asker(_):
        return Grant("li", frozenset({PROJECTS, ADMIN, DECIDE, PERSONAL}))

    async def reader(_):
        return Grant("wang", frozenset({PROJECTS, ADMIN}))

    pages = TestClient(application(asker), headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False)
    text = pages.get("/ops/pushes?output=t_page.town").text
    assert "有拒收" in text and "接收方拒收" in text and f"{count} = 0 + {count}" in text
    trouble = next(t for t in detect.detect() if t.key == "push:t_page:refused")
    assert "拒收" in trouble.what and trouble.pages["推送"].endswith("/ops/pushes")
    key = state.refused("t_page.town")[0]["key"]
    assert (
        pages.post("/ops/pushes/t_page.town/dismiss", data={"key": key, "note": "对方不收，问 13812345678"}).status_code
        == 303
    )
    noted = rows(
        "select detail ->> 'note' as note from store.audit where action = 'dismiss push' order by seq desc limit 1"
    )
    assert "对方不收" in noted[0]["note"] and "13812345678" not in noted[0]["note"]
    assert pages.post("/ops/pushes/t_page.town/redrive").status_code == 303
    batch = state.batches("t_page.town")[0]["id"]
    assert len(pages.get(f"/ops/pushes/batch/{batch}/body").content.splitlines()) == count
    assert pages.get(f"/ops/pushes/batch/{batch}/receipt").status_code == 200
    for none in ("nothing", "0" * 32, "%00"):
        assert pages.get(f"/ops/pushes/batch/{none}/body").status_code == 404
    assert pages.get("/ops/pushes?output=nothing").status_code == 404
    others = TestClient(application(reader), headers={"Sec-Fetch-Site": "same-origin"})
    assert others.get("/ops/pushes").status_code == 200
    assert others.post("/ops/pushes/t_page.town/redrive").status_code == 403
    assert others.get(f"/ops/pushes/batch/{batch}/body").status_code == 403


def test_the_command_line_checks_previews_and_lists_what_was_refused(store, front, declared, monkeypatch):
    from typer.testing import CliRunner

    from cli import __main__ as command_line

    engine, look_up = front
    columns = {"code": "project_code", "name": {"from": "project_type", "map": {}}}
    database(declared, "t_cli", columns=columns, options={"table": "t", "key": ["code"], "write": "upsert"})
    with engine.begin() as c:
        c.exec_driver_sql("create table t (code text primary key)")
    monkeypatch.setattr(run.check, "__defaults__", (look_up,))

    def said(code: int, *words: str) -> str:
        done = CliRunner().invoke(command_line.app, ["push", *words])
        assert done.exit_code == code, done.exception
        return done.stdout

    line = json.loads(said(1, "check", "t_cli", "--json"))[0]
    assert not line["ok"] and "name" in line["detail"] and line["remedy"]
    assert "✗" in said(1, "check", "t_cli")
    with engine.begin() as c:
        c.exec_driver_sql("alter table t add name text")
    assert "✓" in said(0, "check", "t_cli")
    run.push("t_cli.town", look_up=look_up)
    assert "没有对应代码" in "".join(said(0, "preview", "t_cli.town", "--limit", "1000").split())
    assert "没有对应代码" in "".join(said(0, "rejected", "t_cli.town").split())
