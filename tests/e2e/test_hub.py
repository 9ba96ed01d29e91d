"""The hub whole: launcher, PostgreSQL, stand-ins, Airflow's scheduler, the real DAGs."""

from __future__ import annotations

import json
import signal

import pytest
import requests

from tests.e2e.conftest import FIRST, START_SECONDS, Hub

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
BALANCE = "new + changed + history + unchanged + quarantined + tombstoned"
MERGED = "new + changed + history + tombstoned + absent"


def test_a_hub_takes_in_its_sources_stays_still_and_follows_the_world(hub: Hub):
    hub.up()
    hub.wait_for(lambda: "Ctrl-C" in hub.said)

    # what the first sync left: every feed of the chosen sources, read by Airflow's tasks, balanced, merged
    runs = hub.rows(f"select source, outcome, rows_in, {BALANCE}, trigger, error from landing.run where source in {FIRST}")
    assert {run[0] for run in runs} == set(FIRST)
    for source, outcome, rows_in, sum_of_parts, trigger, error in runs:
        assert (outcome, rows_in, trigger) == ("ok", sum_of_parts, "schedule"), f"{source}: {error}"
    assert hub.rows("select count(*) from store.project")[0][0] >= 4
    assert hub.rows("select count(*) from store.dirty d join source.record r on r.id = d.record_id "
                    f"where split_part(r.feed, '.', 1) in {FIRST}")[0][0] == 0  # fmt: skip

    _airflow_asks_who_is_there(hub)

    # again: nothing is written
    before = hub.json("store", "hash")["hash"]
    for source in ("m1", "d2"):
        again = hub.json("source", "sync", source)
        assert again["outcomes"], "there was something to read"
        assert all(o["counts"]["rows_in"] == o["counts"]["unchanged"] for o in again["outcomes"])
        assert again["unified"]["written"] == 0
    assert hub.json("store", "hash")["hash"] == before

    # ten days later: what changed moves, and nothing else is touched
    last = hub.rows("select max(id) from landing.run")[0][0]
    untouched = dict(hub.rows("select feed || record_key, recorded_at from source.record where feed like 'm1.%'"))
    hub.json("world", "advance", "--days", "10")
    hub.json("source", "sync", "m1")
    moved = hub.rows(f"select coalesce(sum({MERGED}), 0) from landing.run where id > {last} and source = 'm1'")[0][0]
    after = dict(hub.rows("select feed || record_key, recorded_at from source.record where feed like 'm1.%'"))
    assert sum(after[key] != recorded for key, recorded in untouched.items()) + len(after.keys() - untouched.keys()) == moved

    # one Ctrl-C ends all of it
    assert len(hub.processes()) > 8
    assert hub.stop(signal.SIGINT) == 0
    assert hub.processes() == []


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
    assert {feed["feed"] for feed in session.get(told["health"] + ".json", timeout=60).json()["feeds"]} >= {"m1.items", "d2.projects"}
    assert session.get(told["airflow"] + "/api/v2/importErrors", timeout=30).json()["total_entries"] == 0
    names = {view["name"] for p in session.get(told["airflow"] + "/api/v2/plugins", timeout=30).json()["plugins"] for view in p["external_views"]}
    assert any("运行健康" in name for name in names)


def test_a_hub_that_was_killed_goes_on_to_the_same_store(hub: Hub):
    hub.up("--once")
    hub.wait_for(lambda: "DAG" in hub.said)
    hub.wait_for(lambda: hub.rows("select count(*) from landing.run")[0][0] > 0)
    hub.process.send_signal(signal.SIGKILL)
    hub.process.wait(10)
    assert hub.processes(), "the killed launcher could end nothing"

    hub.up("--once")
    assert hub.process.wait(START_SECONDS + 120) == 0, hub.said
    assert hub.processes() == []
    assert hub.said.count("✗") == 0, hub.said
