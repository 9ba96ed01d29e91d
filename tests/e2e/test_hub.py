"""The hub whole: launcher, PostgreSQL, stand-ins, Airflow's scheduler, the real DAGs."""

from __future__ import annotations

import json
import signal

import pytest
import requests

from tests.e2e.conftest import FIRST, START_SECONDS, Hub

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(900)]
BALANCE = "new + changed + history + unchanged + quarantined + tombstoned"
MERGED = "new + changed + history + tombstoned + absent"


def test_the_hub_syncs_once_survives_being_killed_takes_in_everything_once_and_leaves_no_process(hub: Hub):
    _once_syncs_stops_everything_and_tells_by_its_exit_code(hub)
    _killed_in_the_middle(hub)
    hub.up()
    hub.wait_for(lambda: "Ctrl-C" in hub.said)
    _every_feed_is_in_and_balanced(hub)
    _the_store_is_as_if_nothing_had_happened(hub)
    _airflow_asks_who_is_there(hub)
    _again_writes_nothing(hub)
    _ten_days_later_only_what_changed_moves(hub)
    assert len(hub.processes()) > 8
    assert hub.stop(signal.SIGINT) == 0
    assert hub.processes() == [], "one Ctrl-C ends all of it"


def _once_syncs_stops_everything_and_tells_by_its_exit_code(hub: Hub) -> None:
    hub.up("--once", sources=("d2",))
    assert hub.process.wait(START_SECONDS) == 0, hub.said
    assert hub.processes() == []
    for told in ("d2.projects", "各数据项收支", "统一库"):
        assert told in hub.said
    assert "✗" not in hub.said


def _killed_in_the_middle(hub: Hub) -> None:
    """SIGKILL to the launcher while tasks read: it can end nothing itself, the next start sweeps and goes on."""
    hub.up()
    hub.wait_for(lambda: "DAG" in hub.said)
    hub.wait_for(lambda: hub.rows("select count(*) from landing.run where source <> 'd2'")[0][0] > 1)
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait(10)
    assert hub.processes(), "Airflow and the database outlive their launcher"


def _every_feed_is_in_and_balanced(hub: Hub) -> None:
    """Each feed's last run was Airflow's, ended well, and all rows are accounted for; those killed are reported as dead."""
    runs = hub.rows(
        f"select distinct on (feed) feed, source, outcome, rows_in, {BALANCE}, trigger, error from landing.run order by feed, id desc"
    )
    assert {run[1] for run in runs} == set(FIRST)
    for feed, _, outcome, rows_in, sum_of_parts, trigger, error in runs:
        assert (outcome, rows_in, trigger) == ("ok", sum_of_parts, "schedule"), f"{feed}: {error}"
    assert hub.rows("select count(*) from landing.run where ended_at is null")[0][0] == 0
    assert hub.rows("select count(*) from store.dirty")[0][0] == 0, "the merge ran after the last source"
    assert hub.rows("select count(*) from store.project")[0][0] >= 4


def _the_store_is_as_if_nothing_had_happened(hub: Hub) -> None:
    """A second database, filled by the command line without Airflow and without being killed, has the same hash."""
    url = (hub.home / "database.url").read_text().strip()
    other = {
        "ONEMAP_DATABASE_URL": url.replace("/onemap?", "/reference?"),
        "ONEMAP_ARCHIVE_URL": str(hub.home / "reference"),
    }
    hub.rows("create database reference")
    assert hub.run("store", "migrate", env=other).returncode == 0
    hub.json("source", "sync", *FIRST, env=other)
    assert hub.json("store", "hash", "--parts", env=other) == hub.json("store", "hash", "--parts")


def _again_writes_nothing(hub: Hub) -> None:
    before = hub.json("store", "hash")["hash"]
    again = hub.json("source", "sync", "m1", "d2")
    assert len(again["outcomes"]) == 3
    assert sum(o["counts"]["rows_in"] for o in again["outcomes"]) > 0, "there was something to read"
    assert all(o["counts"]["rows_in"] == o["counts"]["unchanged"] for o in again["outcomes"])
    assert again["unified"]["written"] == 0
    assert hub.json("store", "hash")["hash"] == before


def _ten_days_later_only_what_changed_moves(hub: Hub) -> None:
    last = hub.rows("select max(id) from landing.run")[0][0]
    recorded = "select feed || record_key, recorded_at from source.record where source.record.feed like 'm1.%'"
    untouched = dict(hub.rows(recorded))
    hub.json("world", "advance", "--days", "10")
    hub.json("source", "sync", "m1")
    moved = hub.rows(f"select coalesce(sum({MERGED}), 0) from landing.run where id > {last} and source = 'm1'")[0][0]
    after = dict(hub.rows(recorded))
    touched = sum(after[key] != at for key, at in untouched.items()) + len(after.keys() - untouched.keys())
    assert touched == moved


def _airflow_asks_who_is_there(hub: Hub) -> None:
    """The pages are for users whom Airflow knows; the password lies in the run folder."""
    told = json.loads((hub.home / "run.json").read_text())
    for path in ("/onemap/health", "/onemap/health.json", "/api/v2/dags"):
        assert requests.get(told["airflow"] + path, timeout=30).status_code == 401
    sent = requests.get(told["health"], headers={"Accept": "text/html"}, timeout=30, allow_redirects=False)
    assert sent.status_code == 303
    assert "/auth/login" in sent.headers["location"]
    password = json.loads((hub.home / "secrets" / "airflow-passwords.json").read_text())["admin"]
    token = requests.post(told["airflow"] + "/auth/token", json={"username": "admin", "password": password}, timeout=30)
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
    page = session.get(told["health"], timeout=60)
    assert page.status_code == 200
    assert "运行健康" in page.text
    feeds = {feed["feed"]: feed for feed in session.get(told["health"] + ".json", timeout=60).json()["feeds"]}
    assert feeds["m1.items"]["light"] == feeds["d2.projects"]["light"] == "ok"
    assert feeds["m2.sb"]["light"] == "never"
    assert session.get(told["airflow"] + "/api/v2/importErrors", timeout=30).json()["total_entries"] == 0
    plugins = session.get(told["airflow"] + "/api/v2/plugins", timeout=30).json()["plugins"]
    assert "运行健康" in {view["name"] for plugin in plugins for view in plugin["external_views"]}
    paused = {
        d["dag_id"]: d["is_paused"]
        for d in session.get(told["airflow"] + "/api/v2/dags?limit=200", timeout=30).json()["dags"]
    }
    assert paused["sync__m2"]
    assert not paused["sync__m1"]
