"""Lineage down to the bytes, balance, metrics and their dashboard, the commands."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import nullcontext
from datetime import date

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from core.settings import ROOT
from serving import balance, keys, metrics
from store.engine import engine, pairs
from tests.serving.conftest import rows

DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"


def test_a_field_leads_down_to_the_archived_bytes(ask):
    client = ask("read:projects", "admin", "read:personal")
    code = rows("select id from store.project where applicant_name is not null limit 1")[0]["id"]
    told = client.get(f"/v1/lineage/project/{code}?field=applicant_name").json()
    [field] = told["fields"]
    assert field["value"] and field["zh"] == "项目单位"
    [record] = told["records"]
    assert record["record"] == field["record"] and field["record"].split("|")[0] == record["feed"]
    assert (ROOT / record["mapping"]).exists() and record["mapping_version"] >= 1
    assert record["archived"] is True and field["value"] in json.dumps(record["raw"], ensure_ascii=False)
    content = client.get(f"/v1/receipts/{record['receipt_id']}/content")
    assert hashlib.sha256(content.content).hexdigest() == record["sha256"]
    assert content.headers["content-disposition"].startswith("attachment")


def test_raw_rows_are_told_with_the_personal_scope_alone(ask):
    code = rows("select id from store.project limit 1")[0]["id"]
    plain = ask("read:projects", "admin")
    told = plain.get(f"/v1/lineage/project/{code}").json()
    assert told["records"] and all("raw" not in record for record in told["records"])
    assert plain.get(f"/v1/receipts/{told['records'][0]['receipt_id']}/content").status_code == 403
    assert plain.get("/v1/lineage/project/none").status_code == 404
    assert ask("read:projects", "admin", "read:personal").get("/v1/receipts/99999999/content").status_code == 404


def test_every_column_of_every_entity_has_its_source(ask):
    client = ask("read:projects", "admin")
    for entity in ("case", "licence", "redline", "change_polygon", "item", "enterprise"):
        id_ = rows(f'select id from store."{entity}" where gone_at is null order by id limit 1')[0]["id"]
        told = client.get(f"/v1/lineage/{entity}/{id_}").json()
        assert told["records"], entity
        known = {record["record"] for record in told["records"]}
        assert all(field["record"] in known for field in told["fields"] if field["record"]), entity


def test_the_balance_of_a_day_is_written_once_and_nothing_is_lost(ask):
    assert balance.record(date(2026, 11, 23)) == balance.record(date(2026, 11, 23)) > 10
    balance.record(date(2026, 11, 24))
    told = ask("read:projects", "admin").get("/v1/balance?feed=m2.sb").json()["items"]
    assert [row["day"] for row in told] == ["2026-11-24", "2026-11-23"]
    live = rows("select count(*) from source.record where feed = 'm2.sb' and tombstoned_at is null")[0]["count"]
    assert told[0]["live"] == live and told[0]["lost"] == 0


def test_what_stands_is_counted_again_where_a_run_has_changed_something(ask, monkeypatch):
    day = date(2026, 11, 25)
    with engine().connect() as connection:  # rolled back at the end
        monkeypatch.setattr(balance, "transaction", lambda: nullcontext(connection))
        balance.record(day)
        connection.execute(sa.text("update serving.balance set live = -1 where day = :day"), {"day": day})
        for statement in (
            "update landing.run set ended_at = now() - interval '1 hour' where feed in ('m2.sl', 'm2.sb')",
            "update landing.run set ended_at = now(), started_at = now(), changed = 1 where feed = 'm2.sb'",
            "update source.record set tombstoned_at = now() where id = (select min(id) from source.record where feed = 'm2.sb')",
        ):
            connection.exec_driver_sql(statement)
        balance.record(day)
        told = pairs(connection.exec_driver_sql("select feed, live from serving.balance where day = '2026-11-25'"))
        live = "select count(*) from source.record where feed = 'm2.sb' and tombstoned_at is null"
        assert told["m2.sb"] == connection.exec_driver_sql(live).scalar_one() > 0 and told["m2.sl"] == -1


def test_metrics_are_what_prometheus_reads_and_count_the_store(ask):
    answer = ask("read:metrics").get("/metrics")
    families = {f.name: f for f in text_string_to_metric_families(answer.text)}
    assert families["onemap_store_up"].samples[0].value == 1
    assert set(metrics.GAUGES) <= set(families)
    open_ = rows("select count(*) from supervision.finding where state in ('open', 'confirmed')")[0]["count"]
    assert sum(s.value for s in families["onemap_findings"].samples) == open_
    assert all(s.value == 0 for s in families["onemap_feed_unaccounted_rows"].samples)
    assert ask("read:projects").get("/metrics").status_code == 403


def test_a_store_that_does_not_answer_is_a_metric_too(store, monkeypatch):
    monkeypatch.setenv("ONEMAP_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    families = {f.name: f for f in text_string_to_metric_families(metrics.exposed().decode())}
    assert families["onemap_store_up"].samples[0].value == 0


def test_the_dashboard_asks_for_metrics_that_there_are():
    told = DASHBOARD.read_text(encoding="utf-8")
    asked = set(
        re.findall(
            r"onemap_[a-z_]+", " ".join(t["expr"] for p in json.loads(told)["panels"] for t in p.get("targets", []))
        )
    )
    known = set(metrics.GAUGES) | {"onemap_store_up", "onemap_api_requests_total", "onemap_api_seconds_bucket"}
    assert asked and asked <= known
    assert set(metrics.GAUGES) - asked <= {"onemap_audit_entries", "onemap_change_seq"}


@pytest.fixture
def run(store, monkeypatch):
    from cli.__main__ import app
    from cli.stack import hub as hub_stack

    monkeypatch.setattr(hub_stack, "command_environment", lambda layout: None)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_keys_are_made_listed_and_revoked_by_the_command_line(run):
    made = json.loads(
        run(
            "keys", "make", "大屏", "--scope", "read:projects", "--scope", "town:441900119", "--by", "王", "--json"
        ).stdout
    )
    admission = keys.admit(made["key"])
    assert admission.grant.towns == ("441900119",) and admission.grant.scopes == {"read:projects"}
    listed = {row["id"]: row for row in json.loads(run("keys", "list", "--json").stdout)}
    assert listed[made["id"]]["name"] == "大屏" and made["key"] not in json.dumps(listed)
    assert run("keys", "revoke", made["id"], "--by", "王").exit_code == 0
    assert keys.admit(made["key"]) is None
    assert rows("select count(*) from store.audit where object = :k", k=made["id"])[0]["count"] == 2


def test_audit_verify_says_whether_the_chain_holds(run):
    assert "链完整" in run("audit", "verify").stdout
    head = run("audit", "head").stdout.strip()
    assert run("audit", "verify", "--anchor", head).exit_code == 0
    assert run("audit", "verify", "--anchor", "1:00").exit_code == 1


def test_serve_refresh_and_postgis(run):
    assert run("serve", "refresh").exit_code == 0
    assert run("serve", "postgis").exit_code in (0, 1)


@pytest.fixture
def operate(store):
    """``operate("admin")`` → a client of the pages with such a key; ``operate()`` → whoever started the server."""
    from starlette.testclient import TestClient

    from serving.pages import standalone

    served = standalone.make("the-link", "operator", ["testserver"])

    def client(*scopes: str) -> TestClient:
        key = keys.make("test", ["read:projects", *scopes], by="test")[1] if scopes else "the-link"
        return TestClient(served, cookies={standalone.COOKIE: key}, base_url="http://testserver" + standalone.PLACE)

    return client


@pytest.fixture
def rejected(store) -> int:
    """A row in the quarantine."""
    from store.engine import transaction

    receipt = rows("select id, run_id from landing.receipt where feed = 'm2.sb' limit 1")[0]
    with transaction() as connection:
        return connection.execute(
            sa.text(
                """insert into landing.quarantine (run_id, feed, record_key, raw, receipt_id, reasons, fingerprint)
                   values (:run_id, 'm2.sb', 'K', '{"SBLSH_SHORT": "K"}', :id, '[{"code": "missing_value", "field": "SBSJ", "message": "no time"}]', sha256(gen_random_uuid()::text::bytea))
                   returning id"""
            ),
            receipt,
        ).scalar_one()


def _link(page: str, text: str) -> str:
    """The address of the first link whose address holds ``text``."""
    return next(href for href in re.findall(r'href="([^"]+)"', page) if text in href)


def test_a_field_on_the_pages_is_a_click_from_record_mapping_receipt_and_bytes(operate):
    client = operate()
    code = rows("select id from store.project where applicant_name is not null limit 1")[0]["id"]
    page = client.get(f"project/{code}")
    at = page.url
    told = client.get(at.join(_link(page.text, "ops/lineage/project/")))
    assert told.status_code == 200 and "项目单位" in told.text and "原始记录（未脱敏）" in told.text
    at = told.url
    mapping = client.get(at.join(_link(told.text, "#project.applicant_name")))
    assert mapping.status_code == 200 and 'id="project.applicant_name"' in mapping.text
    receipt = client.get(at.join(_link(told.text, "ops/receipt/")))
    digest = re.search(r"[0-9a-f]{64}", receipt.text)[0]
    content = client.get(receipt.url.join(_link(receipt.text, "/content")))
    assert hashlib.sha256(content.content).hexdigest() == digest
    read = rows("select detail from store.audit where object like '%/content' order by seq desc limit 1")[0]["detail"]
    assert read["personal"] is True


def test_the_quarantine_says_whose_duty_and_how_to_drive_again(operate, rejected):
    page = operate().get("ops/quarantine").text
    assert f"ops/quarantine/{rejected}" in page and "onemap quarantine redrive" in page
    assert re.search("数源部门|本系统|运维", page) and "m2.sb" in page
    assert "SBLSH_SHORT" in operate().get(f"ops/quarantine/{rejected}").text
    assert operate().get("ops/quarantine?state=dismissed").status_code == 200
    assert operate().get("ops/quarantine/99999999").status_code == 404


def test_the_balance_is_a_table_of_feeds_and_a_chart_of_one(operate):
    balance.record(date(2026, 11, 23)), balance.record()
    client = operate()
    assert "m2.sb" in client.get("ops/balance").text
    assert "<svg" in client.get("ops/balance?feed=m2.sb").text


def test_operations_are_for_the_whole_city_and_raw_rows_for_few(operate, rejected):
    number = rejected
    receipt = rows("select id from landing.receipt limit 1")[0]["id"]
    everywhere = ["ops/quarantine", "ops/balance", f"ops/receipt/{receipt}", "ops/mapping/m2.sl"]
    for scopes in (("read:personal",), ("admin", "town:441900119"), ("admin", "department:114419000001000445")):
        client = operate(*scopes)
        assert {
            client.get(path).status_code
            for path in [*everywhere, f"ops/quarantine/{number}", f"ops/receipt/{receipt}/content"]
        } == {403}
    client = operate("admin")
    assert {client.get(path).status_code for path in everywhere} == {200}
    assert (
        client.get(f"ops/quarantine/{number}").status_code
        == client.get(f"ops/receipt/{receipt}/content").status_code
        == 403
    )
    code = rows("select id from store.project limit 1")[0]["id"]
    assert "只对可编辑 Airflow 连接的人员开放" in client.get(f"ops/lineage/project/{code}").text
    assert (
        client.get("ops/receipt/99999999").status_code
        == client.get("ops/lineage/secret/1").status_code
        == client.get("ops/mapping/none").status_code
        == 404
    )


class _Catalogue:
    """Takes OpenLineage events, or refuses them."""

    def __init__(self) -> None:
        import threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        self.taken, self.refuses, self.moved = [], False, ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.moved:
                    self.send_response(307)
                    self.send_header("Location", outer.moved)
                elif outer.refuses:
                    self.send_response(503)
                else:
                    outer.taken.append((self.path, self.headers["Authorization"], json.loads(body)))
                    self.send_response(201)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def look_up(self, connection: str):
        from connectors.endpoint import Endpoint

        assert connection == "openlineage"
        return Endpoint(connection, "http", "127.0.0.1", self.server.server_port, password="k-1")


def test_a_lineage_catalogue_is_told_of_every_run_once_it_takes_them(store):
    from core.errors import TransientError
    from serving import openlineage

    catalogue = _Catalogue()
    catalogue.refuses = True
    with pytest.raises(TransientError):
        openlineage.deliver(catalogue.look_up)
    catalogue.refuses = False
    runs = rows("select count(*), sum(rows_in) as came from landing.run")[0]
    assert openlineage.deliver(catalogue.look_up) == runs["count"] and openlineage.deliver(catalogue.look_up) == 0
    assert {(path, key) for path, key, _ in catalogue.taken} == {("/api/v1/lineage", "Bearer k-1")}
    *told, design = [event for _, _, event in catalogue.taken]
    assert design["job"]["name"] == "unify" and {"namespace": "onemap", "name": "store.case"} in design["outputs"]
    started, ended = [e for e in told if e["eventType"] == "START"], [e for e in told if e["eventType"] != "START"]
    assert len(started) == len(ended) == len({e["run"]["runId"] for e in told}) == runs["count"]
    assert sum(e["inputs"][0]["inputFacets"]["dataQualityMetrics"]["rowCount"] for e in ended) == runs["came"]
    accepted = next(e for e in ended if e["job"]["name"] == "sync.m2.sl")
    case = next(d for d in accepted["outputs"] if d["name"] == "source.case")
    assert case["facets"]["columnLineage"]["fields"]["accepted_at"]["inputFields"] == [
        {"namespace": "onemap://m2", "name": "m2.sl", "field": "SLSJ"}
    ]
    catalogue.server.shutdown()
    catalogue.server.server_close()


def test_a_lineage_catalogue_that_sends_events_to_another_host_gets_them_nowhere(store):
    from core.errors import TransientError
    from serving import openlineage
    from store.engine import transaction

    catalogue, elsewhere = _Catalogue(), _Catalogue()
    catalogue.moved = f"http://localhost:{elsewhere.server.server_port}/api/v1/lineage"
    with transaction() as connection:  # whoever was told before, all is new now
        connection.exec_driver_sql("delete from serving.derived_until where what = 'openlineage'")
    with pytest.raises(TransientError, match="OpenLineage"):
        openlineage.deliver(catalogue.look_up)
    assert not elsewhere.taken
    for one in (catalogue, elsewhere):
        one.server.shutdown()
        one.server.server_close()


def test_without_a_connection_nobody_is_told(store, monkeypatch):
    from core.errors import ConfigurationError
    from serving import openlineage

    def nothing(connection: str):
        raise ConfigurationError("none", remedy="", zh="")

    assert openlineage.deliver(nothing) == 0


def test_a_failed_run_is_told_with_its_error(run):
    from serving import openlineage
    from store.engine import transaction

    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into landing.run (source, feed, window_full, trigger, started_at, ended_at, outcome, error)
                   values ('m2', 'm2.sl', true, 'cli', now(), now(), 'failed', 'no way to the host')"""
            )
        )
        last = openlineage.ended(connection, 0)[-1]
    start, end = (
        json.loads(line) for line in run("serve", "openlineage", "--after", str(last.id - 1)).stdout.splitlines()
    )
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL") and end["run"]["facets"]["errorMessage"][
        "message"
    ] == "no way to the host"
