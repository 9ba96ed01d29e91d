"""One message a department, to whom a person has named; never one a finding."""

from __future__ import annotations

import json
import threading
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from core import settings
from schemas.departments import register
from sources import loader
from store.engine import transaction
from supervision import notices
from supervision.ledger import supervise
from supervision.orders import life
from tests.supervision.making import case, catalogue, complete, project, project_code
from tests.supervision.told import set_clock


@pytest.fixture
def orders(hub, monkeypatch, tmp_path):
    """Three orders of one department and one of another, all past their limits."""
    catalogue()
    complete()
    for n in range(1, 4):
        project(project_code(n))
        case(f"M{n}", "DG-502", {"REJECTED_INTAKE": "2026-03-04 09:00"}, project=project_code(n))
    case("X", None, {"SUBMITTED": "2026-03-04 09:00"}, item_code_written="X-1", department_code="114419000001000445")
    supervise(date(2026, 3, 4))
    life.advance(datetime(2026, 3, 4, 9))
    life.advance(datetime(2026, 3, 9, 9))
    set_clock(datetime(2026, 3, 10, 8, 30), monkeypatch, tmp_path / "clock")


@pytest.fixture
def robot(monkeypatch):
    """A group robot; what it was sent."""
    heard = []

    class Robot(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *said):
            pass

    server = HTTPServer(("127.0.0.1", 0), Robot)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = {
        "conn_type": "http",
        "host": f"http://127.0.0.1:{server.server_port}",
        "password": "s3cretkey",
        "extra": {"path": "/send"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_ROBOT", json.dumps(connection))
    yield heard
    server.shutdown()


def test_orders_are_rolled_up_by_department(orders):
    told = {n.department_name: n for n in notices.by_department(date(2026, 3, 10))}
    assert set(told) == {"东莞市住房和城乡建设局", "东莞市自然资源局"}
    housing = told["东莞市住房和城乡建设局"]
    assert "未办结工单 3 件" in housing.subject and "超时限 3 件" in housing.subject and housing.urgent
    assert housing.text.count("督办 ") == 3


def test_each_department_hears_once_and_only_where_recipients_are_named(orders, robot, monkeypatch):
    from airflow.sdk.exceptions import AirflowSkipException

    from dags import supervision_bodies

    with pytest.raises(AirflowSkipException):
        supervision_bodies.addressees()
    monkeypatch.setenv(
        "AIRFLOW_VAR_ONEMAP_NOTICES",
        json.dumps({"11441900000100060T": {"webhook": "robot"}, "*": {"webhook": "robot"}}),
    )
    told = supervision_bodies.addressees()
    assert told == [{"department": "11441900000100060T", "way": "webhook"}, {"department": "*", "way": "webhook"}]
    for one in told:
        supervision_bodies.notify({}, **one)
    (first, department), (_, whole) = robot
    assert first == "/send?key=s3cretkey" and department["msgtype"] == "text"
    assert department["text"]["content"].startswith("东莞市住房和城乡建设局：未办结工单 3 件")
    assert "东莞市自然资源局" in whole["text"]["content"]


def test_the_monthly_report_is_of_the_month_that_has_ended(orders):
    from dags import supervision_bodies

    assert supervision_bodies.monthly_report() == "supervision-2026-02.html"
    page = (settings.home() / "reports" / "supervision-2026-02.html").read_text("utf-8")
    assert "截至 2026-02-28" in page


def test_a_message_that_fails_is_a_task_of_its_own(orders, robot, monkeypatch):
    """A retry sends that message again, and no other one."""
    from dags import supervision_bodies

    monkeypatch.setenv("AIRFLOW_CONN_NOBODY", json.dumps({"conn_type": "http", "host": "http://127.0.0.1:9"}))
    monkeypatch.setenv(
        "AIRFLOW_VAR_ONEMAP_NOTICES",
        json.dumps({"11441900000100060T": {"webhook": "robot"}, "*": {"webhook": "nobody"}}),
    )
    first, second = supervision_bodies.addressees()
    supervision_bodies.notify({}, **first)
    for _ in range(2):
        with pytest.raises(Exception, match=r"."):
            supervision_bodies.notify({}, **second)
    assert len(robot) == 1


def silent(feed: str, ended: str | None = None) -> None:
    """A silence begins, or (``ended``) what is silent speaks again."""
    with transaction() as connection:
        connection.execute(
            sa.text(
                "update landing.silence set ended_at = :ended where feed = :feed"
                if ended
                else """insert into landing.silence (feed, kind, part, since, found_at, basis, text)
                        values (:feed, 'feed', '', '2026-03-02', '2026-03-03', 'rhythm', '通常每个工作日 40–220 条')"""
            ),
            {"feed": feed, "ended": ended},
        )


def tell_all() -> int:
    """One run of the tasks on silences; returns how many messages it meant to send."""
    from airflow.sdk.exceptions import AirflowSkipException

    from dags import supervision_bodies

    try:
        entries = supervision_bodies.silences()
    except AirflowSkipException:
        return 0
    for one in entries:
        supervision_bodies.notify_silence({}, **one)
    return len(entries)


@pytest.fixture
def recipients(hub, monkeypatch, tmp_path):
    """Operations and the provider of m2 hear by the robot."""
    owner = loader.load("m2").owner.department
    code = dict(register().select("name", "code").iter_rows()).get(owner, owner)
    monkeypatch.setenv(
        "AIRFLOW_VAR_ONEMAP_NOTICES", json.dumps({code: {"webhook": "robot"}, "*": {"webhook": "robot"}})
    )
    set_clock(datetime(2026, 3, 10, 8, 30), monkeypatch, tmp_path / "clock")


def test_operations_and_the_provider_hear_of_a_silence_and_of_its_end_once_each(recipients, robot):
    assert tell_all() == 0
    silent("m2.bj")
    assert [tell_all() for _ in range(3)] == [2, 0, 0]
    assert all("通常每个工作日 40–220 条" in body["text"]["content"] for _, body in robot)
    silent("m2.bj", ended="2026-03-10 08:00")
    assert [tell_all() for _ in range(3)] == [2, 0, 0]
    assert [("恢复" in body["text"]["content"]) for _, body in robot] == [False, False, True, True]


def test_a_silence_that_ended_before_anybody_was_told_is_no_news(recipients, robot):
    silent("m2.bj")
    silent("m2.bj", ended="2026-03-10 08:00")
    assert tell_all() == 0 and robot == []


def test_a_task_killed_between_loses_no_notice_and_sends_none_twice(recipients, robot, monkeypatch):
    from dags import supervision_bodies

    silent("m2.bj")
    supervision_bodies.silences()  # killed before anything was handed on
    first, second = supervision_bodies.silences()
    notifier = supervision_bodies._notifier

    def killed_after_sending(*of):
        def notify(context):
            notifier(*of).notify(context)
            raise KeyboardInterrupt

        return SimpleNamespace(notify=notify)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(supervision_bodies, "_notifier", killed_after_sending)
        supervision_bodies.notify_silence({}, **first)
    supervision_bodies.notify_silence({}, **first)  # Airflow tries the task again
    assert len(robot) == 1
    supervision_bodies.notify_silence({}, **second)
    assert tell_all() == 0 and len(robot) == 2


def test_a_notice_that_was_refused_is_sent_again(recipients, robot, monkeypatch):
    silent("m2.bj")
    with monkeypatch.context() as patch, pytest.raises(Exception, match=r"."):
        patch.setenv("AIRFLOW_CONN_ROBOT", json.dumps({"conn_type": "http", "host": "http://127.0.0.1:9"}))
        tell_all()
    assert robot == []
    assert (tell_all(), len(robot)) == (2, 2)
