"""Alerts as incidents: opened once with what a person on duty asks, repeated by a schedule, closed by a message, by route."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sqlalchemy as sa

from core import clock
from core.errors import ConfigurationError, NotFoundError
from quality.silence import episode
from serving import alerts
from serving.alerts import detect, incidents, routes, send
from sources import loader
from store.engine import transaction
from supervision import notices
from tests.hub import hub  # noqa: F401
from tests.serving.conftest import rows

BASE = "http://hub.example"


@pytest.fixture
def receiver(monkeypatch):
    """A server on loopback that stands for every channel; ``taken`` has the messages, ``refuse`` makes it answer 500."""
    taken: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            taken.append((self.path, body | {"authorization": self.headers.get("authorization")}))
            if receiver.takes:
                receiver.takes()
            self.send_response(500 if receiver.refuse else 200)
            self.end_headers()
            self.wfile.write(b'{"errcode": 0, "code": 0}')

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver = type("Receiver", (), {"taken": taken, "refuse": False, "takes": None, "port": server.server_port})
    gateway = f"http://127.0.0.1:{server.server_port}"

    def connection(name: str, kind: str, password: str, host: str = gateway, **more):
        told = {"conn_type": kind, "host": host, "password": password, **more}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(told))

    receiver.connection = staticmethod(connection)
    yield receiver
    server.shutdown()


@pytest.fixture
def routed(tmp_path, monkeypatch):
    def given(text: str) -> None:
        (tmp_path / "routes.yaml").write_text(text, "utf-8")
        monkeypatch.setenv("ONEMAP_ALERT_ROUTES", str(tmp_path / "routes.yaml"))

    return given


def failing(source: str, feed: str, fault: str = "authentication") -> None:
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into landing.run (source, feed, trigger, window_full, started_at, ended_at, outcome, fault, error, zh, remedy)
                   values (:source, :feed, 'schedule', false, now() - interval '5 minutes', now(), 'failed', :fault, 'refused', '口令被拒', 'renew it')"""
            ),
            {"source": source, "feed": feed, "fault": fault},
        )


def recovered(source: str, feed: str) -> None:
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into landing.run (source, feed, trigger, window_full, started_at, ended_at, outcome, complete)
                   values (:source, :feed, 'schedule', false, now(), now(), 'ok', true)"""
            ),
            {"source": source, "feed": feed},
        )


def test_a_provider_that_refuses_us_is_one_incident_told_once_with_what_a_person_asks(hub, receiver, routed):  # noqa: F811
    receiver.connection("alert_duty", "onemap_wecom", "a-key")
    routed("routes:\n- {name: 值班, channel: alert_duty, kinds: [failing]}\n")
    for feed in ("p1.enterprise", "p1.licence"):
        for _ in range(3):
            failing("p1", feed)
    assert alerts.run(BASE)["opened"] == 1
    assert alerts.run(BASE) == {"opened": 0, "repeated": 0, "closed": 0, "failed": 0}
    ((path, body),) = receiver.taken
    text = json.dumps(body, ensure_ascii=False)
    assert "key=a-key" in path
    for word in (
        "省一网共享平台·接口方式 读取失败（鉴权）",
        "2 个数据项连续失败，最多 3 次",
        "口令被拒",
        "值班室",
        "自何时",
        "暂不判定的规则",
        "核对该连接的账号",
        f"{BASE}/onemap/health#p1",
        f"{BASE}/dags/sync__p1/runs",
        f"{BASE}/connections?name_pattern=p_gateway",
    ):
        assert word in text, word
    one = incidents.open_incidents()[0]
    assert (one["severity"], one["content"]["feeds"]) == (3, ["p1.enterprise", "p1.licence"])

    with transaction() as connection:  # four hours later
        connection.exec_driver_sql("update serving.incident_notice set last_at = now() - interval '5 hours'")
    assert alerts.run(BASE)["repeated"] == 1 and "仍未恢复" in json.dumps(receiver.taken[-1][1], ensure_ascii=False)

    for feed in ("p1.enterprise", "p1.licence"):
        recovered("p1", feed)
    assert alerts.run(BASE)["closed"] == 1 and "已恢复" in json.dumps(receiver.taken[-1][1], ensure_ascii=False)
    assert alerts.run(BASE) == {"opened": 0, "repeated": 0, "closed": 0, "failed": 0}
    assert not incidents.open_incidents() and incidents.recent()[0]["key"] == "failing:p1:authentication"
    failing("p1", "p1.enterprise")
    assert alerts.run(BASE)["opened"] == 1  # a new one, not the old one again


def test_a_broken_declaration_is_an_incident_and_stops_no_other(hub, receiver, routed, tmp_path, monkeypatch):  # noqa: F811
    for declaration in loader.FOLDER.glob("*.yaml"):
        shutil.copy(declaration, tmp_path)
    (tmp_path / "m2.yaml").write_text((tmp_path / "m2.yaml").read_text("utf-8").replace("schedule:", "schedule: x #"))
    monkeypatch.setattr(loader, "FOLDER", tmp_path)
    loader.load.cache_clear()
    try:
        failing("m2", "m2.sb")
        failing("d1", "d1.cases", "provider")
        routed("routes: []\n")
        alerts.run(BASE)
        broken, other = (
            {o["content"]["source"]: o["content"] for o in incidents.open_incidents()}[s] for s in ("m2", "d1")
        )
        assert "schedule" in json.dumps(broken)
        assert "东莞" in other["duty"] and "连接" in other["pages"] and "连接" not in broken["pages"]
        for source, to in (("m2.sb", ["运维"]), ("d1.cases", ["运维", loader.load("d1").owner.department])):
            news = episode.News(1, source, "feed", "", datetime(2026, 3, 1), "没有新数据", None)
            assert [notice.department_name for notice in notices.of_silence(news)] == to
    finally:
        loader.load.cache_clear()


def test_what_a_channel_does_not_take_is_tried_again_and_told_on_the_page(hub, receiver, routed):  # noqa: F811
    receiver.connection("alert_hook", "onemap_webhook", "token", host=f"http://127.0.0.1:{receiver.port}/in")
    routed(
        "routes:\n- {name: 平台, channel: alert_hook, kinds: [failing]}\n- {name: 坏, channel: nowhere, kinds: [failing]}\n"
    )
    failing("d1", "d1.cases", "provider")
    receiver.refuse = True
    assert alerts.run(BASE)["failed"] == 2
    receiver.refuse = False
    assert alerts.run(BASE)["opened"] == 1
    path, body = receiver.taken[-1]
    assert (
        path.startswith("/in")
        and body["authorization"] == "Bearer token"
        and "d1" in json.dumps(body, ensure_ascii=False)
    )
    told = incidents.messages()
    assert [m["error"] is None for m in told if m["route"] == "平台"] == [True, False]
    assert all("nowhere" in m["error"] for m in told if m["route"] == "坏")
    assert "token" not in json.dumps([m["error"] for m in told])


@pytest.mark.parametrize(("kind", "place"), [("onemap_dingtalk", "access_token=tok"), ("onemap_feishu", "/hook/tok")])
def test_every_robot_gets_its_message_through_the_citys_gateway(hub, receiver, routed, kind, place):  # noqa: F811
    receiver.connection("alert_robot", kind, "tok123456")
    routed("routes:\n- {name: 群, channel: alert_robot}\n")
    assert alerts.try_route("群", BASE, "li") is None
    path, body = receiver.taken[-1]
    assert place in path and "测试通知" in json.dumps(body, ensure_ascii=False)
    assert rows("select event, error from serving.incident_message order by id desc limit 1") == [
        {"event": "test", "error": None}
    ]
    with pytest.raises(NotFoundError, match="no route"):
        alerts.try_route("没有", BASE, "li")


def test_mail_goes_by_airflows_smtp_hook_to_the_recipients_of_the_connection(monkeypatch):
    from airflow.providers.smtp.hooks import smtp

    sent = []
    monkeypatch.setattr(smtp.SmtpHook, "get_conn", lambda self: self)
    monkeypatch.setattr(smtp.SmtpHook, "__exit__", lambda self, *exc: None)
    monkeypatch.setattr(smtp.SmtpHook, "send_email_smtp", lambda self, **told: sent.append((self.smtp_conn_id, told)))
    monkeypatch.setenv(
        "AIRFLOW_CONN_ALERT_MAIL", json.dumps({"conn_type": "onemap_mail", "extra": {"to": "a@x, b@x", "smtp": "city"}})
    )
    send.send("alert_mail", "标题", "事项：<b>坏</b>\n下一步：看")
    ((smtp_id, told),) = sent
    assert smtp_id == "city" and told["to"] == ["a@x", "b@x"] and "&lt;b&gt;" in told["html_content"]
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_MAIL", json.dumps({"conn_type": "onemap_mail"}))
    with pytest.raises(ConfigurationError, match="no recipients"):
        send.send("alert_mail", "标题", "文")
    monkeypatch.setenv("AIRFLOW_CONN_ALERT_MAIL", json.dumps({"conn_type": "http", "host": "x"}))
    with pytest.raises(ConfigurationError, match="onemap_wecom"):
        send.send("alert_mail", "标题", "文")


def test_a_route_is_told_by_source_kind_severity_and_hours(routed):
    routed(
        "routes:\n- {name: 省, channel: c, sources: ['p*'], kinds: [failing], severity: 3, hours: '08:30-18:00', weekdays: [1, 2, 3, 4, 5]}\n"
        "- {name: 夜, channel: c, hours: '20:00-06:00'}\n"
    )
    province, night = routes.load().routes
    incident = {"kind": "failing", "severity": 3, "source": "p1"}
    assert province.takes(incident)
    assert not any(
        province.takes(incident | change)
        for change in ({"source": "m1"}, {"kind": "late"}, {"severity": 2}, {"source": None})
    )
    monday, sunday = datetime(2026, 11, 23, 9), datetime(2026, 11, 22, 9)
    assert province.awake(monday) and not province.awake(sunday) and not province.awake(monday.replace(hour=19))
    assert night.awake(monday.replace(hour=23)) and night.awake(monday.replace(hour=5)) and not night.awake(monday)
    assert night.takes(incident)
    routed("routes:\n- {name: x, channel: c, kinds: [nonsense]}\n")
    with pytest.raises(ConfigurationError, match="no kind nonsense"):
        routes.load()


def test_held_deletions_a_growing_quarantine_and_drift_are_incidents_too(hub):  # noqa: F811
    from store import holds

    failing("m1", "m1.items", "ours")
    with transaction() as connection:
        run = connection.exec_driver_sql("select id from landing.run order by id desc limit 1").scalar_one()
        number = holds.open_hold(connection, "m1.items", run, 60, 100, ["a"])
        connection.execute(
            sa.text(
                """insert into landing.issue (code, severity, duty, feed, field, detail, fingerprint)
                   values ('unknown_column', 'warning', 'provider', 'm1.items', 'NEW_COLUMN', 'new', decode('00', 'hex'))"""
            )
        )
    found = {trouble.key: trouble for trouble in detect.detect()}
    held = found[f"held:m1.items:{number}"]
    assert held.pages["待决事项"].endswith(f"#hold-{number}") and "放行或驳回" in held.next
    assert "NEW_COLUMN" in found["drift:m1.items"].what
    assert found["failing:m1:ours"].severity == 3


def test_a_grown_quarantine_and_a_drift_are_told_once_and_over_once(hub, receiver, routed, monkeypatch):  # noqa: F811
    """From the rows that a source sends to the last message: a quarantine that grows, a structure that drifts."""
    from pipeline import registry, sync
    from store import quarantine
    from tests.supervision.told import Told

    good = {"projectCode": "2503-441900-04-02-001382", "projectName": "一期厂房", "_at": "2026-01-01 00:00:00"}
    folder = hub / "world" / "d2"
    folder.mkdir(parents=True)

    def sends(*lines: dict) -> None:
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        (folder / "projects.jsonl").write_text(text, "utf-8")
        assert [one.outcome for one in sync.source("d2", feeds=["projects"])] == ["ok"]

    monkeypatch.setattr(registry, "connector", lambda source: Told(source, hub / "world"))
    receiver.connection("duty", "onemap_webhook", "t")
    routed("routes:\n- {name: 值班, channel: duty, severity: 1, kinds: [quarantine, drift]}\n")
    sends(good)
    assert alerts.run(BASE)["opened"] == 0

    bad = [
        {"projectCode": f"2503-441900-04-02-{n:06}", "projectName": "甲", "totalInvest": "若干", "_at": good["_at"]}
        for n in range(40)
    ]
    sends({**good, "新字段": "x"}, *bad)
    assert alerts.run(BASE)["opened"] == 2
    texts = {json.dumps(body, ensure_ascii=False) for _, body in receiver.taken}
    grown, drifted = (next(text for text in texts if word in text) for word in ("隔离增多", "结构漂移"))
    assert "新增 40 条" in grown and f"{BASE}/onemap/map/ops/quarantine?feed=d2.projects" in grown
    assert "新字段" in drifted and f"{BASE}/onemap/map/ops/mapping/d2.projects" in drifted
    sends({**good, "新字段": "x"}, *bad)  # the source goes on as it did: nothing new
    assert alerts.run(BASE) == {"opened": 0, "repeated": 0, "closed": 0, "failed": 0}

    for row in rows("select id from landing.quarantine where state = 'open'"):
        quarantine.dismiss([row["id"]], by="test", note="数源已删除")
    with transaction() as connection:
        connection.exec_driver_sql(
            """insert into serving.drift_decision (feed, code, field, verdict, by, note)
               select feed, code, coalesce(field, ''), 'declined', 'test', '不需要' from landing.issue where feed = 'd2.projects'"""
        )
    assert alerts.run(BASE) == {"opened": 0, "repeated": 0, "closed": 2, "failed": 0}
    assert all("已恢复" in json.dumps(body, ensure_ascii=False) for _, body in receiver.taken[-2:])
    assert alerts.run(BASE) == {"opened": 0, "repeated": 0, "closed": 0, "failed": 0} and len(receiver.taken) == 4


def test_a_dag_that_fails_opens_an_incident_and_its_success_ends_it(hub):  # noqa: F811
    from types import SimpleNamespace

    from dags.incidents import DagFailed, DagRecovered

    context = {
        "dag": SimpleNamespace(dag_id="unify", dag_display_name="归并"),
        "run_id": "r 1",
        "exception": ValueError("boom"),
    }
    DagFailed(stops="统一库停在旧数据").notify(context)
    incidents.observe([])  # what is found by looking does not end it
    one = next(i for i in incidents.open_incidents() if i["key"] == "dag:unify")
    assert "boom" in one["content"]["what"] and one["content"]["pages"]["运行"] == "/dags/unify/runs/r%201"
    DagRecovered().notify(context)
    assert not [i for i in incidents.open_incidents() if i["key"] == "dag:unify"]


def test_what_waits_for_a_feed_is_named():
    assert "C10" in " ".join(detect.waiting_rules(["m2.sl"])) or detect.waiting_rules(["m2.sl"])
    assert detect.waiting_rules(["nobody.x"]) == detect.waiting_rules(
        ["own.y"]
    )  # those that need their own evidence alone


# -- reminders ---------------------------------------------------------------------------------------------------------


def reminded(told: str, name: str, case: str = "c1", days: int = 2) -> None:
    with transaction() as connection:
        connection.execute(
            sa.text(
                """insert into supervision.reminder (kind, case_id, project_code, until, told, name, text)
                   values ('yellow', :case, 'p', cast(:day as date) + cast(:days as int), :told, :name, :text)"""
            ),
            {
                "case": case,
                "day": clock.today(),
                "days": days,
                "told": told,
                "name": name,
                "text": f"黄灯：办件 {case}",
            },
        )


REMINDERS = """
reminders:
- {name: 代办组, channel: agents, told: [agent]}
- {name: 国土, channel: land, told: [department], names: ["*自然资源局"]}
"""


def test_a_reminder_is_sent_once_by_its_route_and_many_to_one_recipient_in_one_message(hub, receiver, routed):  # noqa: F811
    routed(REMINDERS)
    receiver.connection("agents", "onemap_webhook", "t")
    receiver.connection("land", "onemap_webhook", "t")
    for case in ("c1", "c2"):
        reminded("agent", "周超", case)
    reminded("department", "东莞市自然资源局")
    reminded("enterprise", "91441900MA4UXXXX0X")  # no route: on the pages alone
    reminded("agent", "吴敏", days=-1)  # its day has passed
    assert alerts.remind(BASE) == {"sent": 2, "failed": 0, "reminders": 3}
    texts = [json.dumps(body, ensure_ascii=False) for _, body in receiver.taken]
    agents = next(text for text in texts if "周超" in text)
    assert "c1" in agents and "c2" in agents and "2 件" in agents and f"{BASE}/onemap/map/reminders" in agents
    assert alerts.remind(BASE) == {"sent": 0, "failed": 0, "reminders": 0}
    assert {r["sent_by"] for r in rows("select sent_by from supervision.reminder where sent_at is not null")} == {
        "代办组",
        "国土",
    }


def test_a_reminder_that_no_channel_took_is_tried_again_and_not_at_once(hub, receiver, routed):  # noqa: F811
    routed(REMINDERS)
    receiver.connection("agents", "onemap_webhook", "t")
    reminded("agent", "周超")
    receiver.refuse = True
    assert alerts.remind(BASE)["failed"] == 1
    waiting = rows("select tries, error, sent_at from supervision.reminder")[0]
    assert waiting["tries"] == 1 and waiting["error"] and waiting["sent_at"] is None
    receiver.refuse = False
    assert alerts.remind(BASE) == {"sent": 0, "failed": 0, "reminders": 0}
    with transaction() as connection:
        connection.execute(sa.text("update supervision.reminder set at = at - interval '1 hour'"))
    assert alerts.remind(BASE)["sent"] == 1


def test_a_sender_that_is_killed_while_it_sends_tells_nobody_twice(hub, receiver, routed):  # noqa: F811
    """Killed after the message has left, before it is written down that it arrived."""
    routed(REMINDERS)
    receiver.connection("agents", "onemap_webhook", "t")
    reminded("agent", "周超", "c1")
    script = f"from serving import alerts; alerts.remind({BASE!r})"
    sender = subprocess.Popen(
        [sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    receiver.takes = sender.kill
    assert sender.wait(60) == -signal.SIGKILL and len(receiver.taken) == 1
    receiver.takes = None
    reminded("agent", "周超", "c2")
    assert alerts.remind(BASE) == {"sent": 1, "failed": 0, "reminders": 1}
    assert "c1" in str(receiver.taken[0]) and "c1" not in str(receiver.taken[1]) and "c2" in str(receiver.taken[1])
    assert alerts.remind(BASE) == {"sent": 0, "failed": 0, "reminders": 0}
    told = {r["case_id"]: r["error"] for r in rows("select case_id, error from supervision.reminder")}
    assert "是否送达不明" in told["c1"] and told["c2"] is None


def test_a_reminder_waits_for_the_hours_of_its_route(hub, receiver, routed):  # noqa: F811
    now = clock.now()
    closed = f"{(now.hour + 2) % 24:02}:00-{(now.hour + 3) % 24:02}:00"
    routed(f"reminders:\n- {{name: 代办组, channel: agents, told: [agent], hours: '{closed}'}}\n")
    receiver.connection("agents", "onemap_webhook", "t")
    reminded("agent", "周超")
    assert alerts.remind(BASE) == {"sent": 0, "failed": 0, "reminders": 0} and not receiver.taken


def test_a_silent_source_is_an_incident_that_names_it_and_ends_when_it_speaks(hub, receiver, routed):  # noqa: F811
    """Operations hear of it by the channel of all other troubles, whether recipients of notices are named or not."""
    receiver.connection("alert_duty", "onemap_wecom", "a-key")
    routed("routes:\n- {name: 值班, channel: alert_duty, kinds: [silence]}\n")
    with transaction() as connection:
        connection.exec_driver_sql(
            """insert into landing.silence (feed, kind, part, since, found_at, basis, text) values
                   ('m2', 'source', '', '2026-11-17', '2026-11-18', 'rhythm', '通常每个工作日 40–220 条'),
                   ('p1.licence', 'department', 'X', '2026-11-17', '2026-11-18', 'rhythm', '没有一条属于该部门'),
                   ('p1.licence', 'town', 'Y', '2026-11-17', '2026-11-18', 'rhythm', '没有一条属于该镇街'),
                   ('m3.updates', 'feed', '', '2026-11-17', '2026-11-18', 'rhythm', '没有回传'),
                   ('gone.feed', 'feed', '', '2026-11-17', '2026-11-18', 'rhythm', '已不再申报的数源')"""
        )
    assert alerts.run(BASE)["opened"] == 3
    assert alerts.run(BASE) == {"opened": 0, "repeated": 0, "closed": 0, "failed": 0}
    text = json.dumps([body for _, body in receiver.taken], ensure_ascii=False)
    for word in (
        "静默",
        "通常每个工作日 40–220 条",
        "部分静默",
        "没有一条属于该镇街",
        "工单回传",
        "逾期",
        "silence-ok",
    ):
        assert word in text, word
    with transaction() as connection:
        connection.exec_driver_sql("update landing.silence set ended_at = '2026-11-20' where feed <> 'm3.updates'")
        connection.exec_driver_sql("update landing.silence set approved_until = '2999-01-01' where feed = 'm3.updates'")
    assert alerts.run(BASE)["closed"] == 3 and incidents.open_incidents() == []
