"""The DAGs: one family from the declarations, cheap to parse, nothing of the outside at parse time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from core import settings

DECLARATION = """
source: {name}
name: 某局审批系统
system: 部门审批系统
owner: {{department: 某局, contact: 值班室}}
connection: some
protocol: rest
schedule: "*/30 * * * *"
promise: PT2H
feeds:
  a: {{name: 甲, mapping: x/a, cursor: {{kind: full}}, key: [id]}}
  b: {{name: 乙, mapping: x/b, cursor: {{kind: full}}, key: [id]}}
"""


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow reads its settings when it is first imported."""
    home = tmp_path_factory.mktemp("airflow")
    os.environ.setdefault("AIRFLOW_HOME", str(home))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    return home


@pytest.fixture(scope="module")
def dags(airflow_home):
    from dags import onemap_dags

    return onemap_dags


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("alpha", "beta"):
        (tmp_path / f"{name}.yaml").write_text(DECLARATION.format(name=name), encoding="utf-8")
    return tmp_path


def test_each_declared_source_has_a_sync_and_a_reconciliation(dags, folder):
    made = dags.build(None, folder)
    assert set(made) == {
        "sync__alpha",
        "sync__beta",
        "reconcile__alpha",
        "reconcile__beta",
        "unify",
        "redrive",
        "housekeeping",
        "supervise",
        "work_orders",
        "notices",
        "monthly_report",
        "serve",
        "push__housing_monthly",
        "push__p_up",
        "alerts",
        "snapshot",
    }


def test_every_real_source_becomes_a_dag(dags):
    from sources.loader import names

    made = dags.build()
    assert {f"sync__{name}" for name in names()} <= set(made)
    assert not [dag_id for dag_id, dag in made.items() if "声明有误" in dag.tags]


def test_a_sync_plans_reads_by_feed_and_window_publishes_and_settles(dags, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    (tmp_path / "pools.json").write_text('["source_alpha"]')
    dag = dags.build("sync__alpha", folder)["sync__alpha"]
    assert "onemap/data-docs/" in dag.get_task("sync").doc_md
    assert {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks} == {
        "plan": ["settle", "sync"],
        "sync": ["publish", "settle"],
        "publish": ["settle"],
        "settle": [],
    }
    sync = dag.get_task("sync")
    assert sync.is_mapped
    assert sync.partial_kwargs["pool"] == "source_alpha"
    assert "label" in sync.partial_kwargs["map_index_template"]
    assert dag.get_task("publish").trigger_rule.value == "all_done"
    assert dag.get_task("settle").trigger_rule.value == "one_failed", "no process where all went well"
    assert dag.max_active_runs == 1


def test_a_source_declared_while_the_hub_runs_does_not_wait_for_a_pool_that_nobody_made(
    dags, folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path))
    (tmp_path / "pools.json").write_text('["source_alpha"]')
    made = dags.build(None, folder)
    assert made["sync__beta"].get_task("sync").partial_kwargs["pool"] == "default_pool"
    assert made["reconcile__alpha"].get_task("reconcile").partial_kwargs["pool"] == "source_alpha"


def test_a_draft_with_open_guesses_is_a_broken_declaration_of_its_own_alone(dags, folder):
    path = folder / "beta.yaml"
    path.write_text(path.read_text("utf-8") + "# ? which key\n", "utf-8")
    made = dags.build(None, folder)
    assert "声明有误" in made["sync__beta"].tags and "声明有误" not in made["sync__alpha"].tags


def test_each_notice_is_a_task_so_that_a_retry_sends_it_alone(dags, folder):
    notify = dags.build("notices", folder)["notices"].get_task("notify")
    assert notify.is_mapped and notify.upstream_task_ids == {"addressees"} and notify.retries > 0
    assert "department" in notify.partial_kwargs["map_index_template"]


def test_the_page_of_a_dag_says_whose_it_is_in_chinese(dags, folder):
    dag = dags.build("sync__alpha", folder)["sync__alpha"]
    assert "某局审批系统" in dag.dag_display_name
    for word in ("某局", "值班室", "`alpha.a`", "甲", "回补", "back-fill"):
        assert word in dag.doc_md
    assert dag.owner_links["某局"].endswith("/onemap/health#alpha")
    assert dag.tasks[0].owner == "某局"


def test_the_merge_starts_when_any_source_has_news(dags, folder):
    unify = dags.build(None, folder)["unify"]
    uris = {asset.uri for asset in unify.timetable.asset_condition.objects}
    assert {"onemap://source/alpha", "onemap://source/beta"} <= uris
    published = dags.build("sync__beta", folder)["sync__beta"].get_task("publish").outlets
    assert [asset.uri for asset in published] == ["onemap://source/beta"]


def test_a_new_schedule_begins_with_the_next_due_time_not_with_the_past(dags, folder):
    dag = dags.build("sync__alpha", folder)["sync__alpha"]
    assert dag.start_date is None
    assert dag.catchup is False
    assert dag.timetable.run_immediately == timedelta(0), "False takes one of the last five minutes"


def test_a_source_may_be_asked_every_few_seconds_one_run_at_a_time(dags, folder):
    path = folder / "beta.yaml"
    path.write_text(path.read_text("utf-8").replace('"*/30 * * * *"', "every 15s"), "utf-8")
    made = dags.build(None, folder)
    dag = made["sync__beta"]
    assert (type(dag.timetable).__name__, dag.timetable.delta) == ("DeltaTriggerTimetable", timedelta(seconds=15))
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    assert type(made["sync__alpha"].timetable).__name__ == "CronTriggerTimetable"
    # one process a reading: what else it has runs where something failed
    assert {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks} == {"sync": ["settle"], "settle": []}
    assert dag.get_task("settle").is_mapped and dag.get_task("sync").retries == 0
    assert [outlet.name for outlet in dag.get_task("sync").outlets] == ["onemap_news_beta"]


def test_an_interval_that_would_hammer_a_source_makes_no_dag_that_runs(dags, folder):
    path = folder / "beta.yaml"
    path.write_text(path.read_text("utf-8").replace('"*/30 * * * *"', "every 1s"), "utf-8")
    assert "声明有误" in dags.build("sync__beta", folder)["sync__beta"].tags


def test_a_broken_declaration_spoils_no_other_source(dags, folder):
    (folder / "beta.yaml").write_text("source: beta\n  name: [", encoding="utf-8")
    made = dags.build(None, folder)
    assert "声明有误" in made["sync__beta"].tags
    assert "beta.yaml" in made["sync__beta"].doc_md
    assert "reconcile__beta" not in made
    assert "声明有误" not in made["sync__alpha"].tags


@pytest.mark.parametrize(
    "old, new",
    [
        ('"*/30 * * * *"', '"99 * * * *"'),
        ('"*/30 * * * *"', "@often"),
        ('"*/30 * * * *"', "[1, 2]"),
        ("promise: PT2H", "reconcile: 61 3 * * 6"),
        ("promise: PT2H", "parallel: many"),
        ("system: 部门审批系统", f"system: {'长' * 300}"),  # Airflow refuses a tag of more than a hundred characters
        ("owner: {department: 某局, contact: 值班室}", "owner: 某局"),
        ("feeds:", "things:"),
    ],
)
def test_whatever_is_wrong_with_one_declaration_costs_its_own_source_alone(dags, folder, old, new):
    """A cron of 99 minutes once took every DAG of a running hub away."""
    text = (folder / "beta.yaml").read_text("utf-8")
    assert old in text
    (folder / "beta.yaml").write_text(text.replace(old, new), encoding="utf-8")
    (folder / "a name with blanks.yaml").write_text(text, encoding="utf-8")
    made = dags.build(None, folder)
    assert "声明有误" in made["sync__beta"].tags and "beta.yaml" in made["sync__beta"].doc_md
    assert {"sync__alpha", "reconcile__alpha", "unify"} <= set(made) and "reconcile__beta" not in made
    assert not any(" " in dag_id for dag_id in made)


def test_a_broken_declaration_is_an_import_error_and_a_light_of_its_own(dags, tmp_path, monkeypatch):
    """Told in Airflow's own list, in a file that holds no DAG: an import error takes all DAGs of its file away."""
    import importlib

    from core.errors import ConfigurationError
    from sources import loader

    made = importlib.import_module("dags.onemap_declarations")
    assert made.wrong() == ""
    (tmp_path / "x9.yaml").write_text("source: x9\nname: [", encoding="utf-8")
    (tmp_path / "bad name.yaml").write_text(DECLARATION.format(name="bad name"), encoding="utf-8")
    monkeypatch.setattr(loader, "FOLDER", tmp_path)
    with pytest.raises(ConfigurationError, match=r"(?s)bad name\.yaml.*x9\.yaml:\d"):
        importlib.reload(made)


def test_a_running_task_makes_its_own_dag_alone(dags, folder):
    assert list(dags.build("reconcile__beta", folder)) == ["reconcile__beta"]
    assert list(dags.build("unify", folder)) == ["unify"]


def test_supervision_runs_after_every_unify_and_twice_an_hour(dags, folder):
    made = dags.build(None, folder)
    supervise = made["supervise"].timetable
    (unify,) = made["unify"].tasks
    assert {asset.uri for asset in unify.outlets} <= {a.uri for a in supervise.asset_condition.objects}
    assert supervise.timetable.expression == "5,35 * * * *"  # a silence brings no change that would start it
    of_a_new_day = [made["supervise"].get_task(name) for name in ("learn", "foresee")]
    assert all(task.is_mapped for task in of_a_new_day), "no process on any other run"
    orders = made["work_orders"]
    assert orders.timetable.expression == "*/10 * * * *"
    assert (
        orders.get_task("send").downstream_task_ids == {"poll"} and orders.get_task("poll").trigger_rule == "all_done"
    )


def test_what_follows_each_change_is_sent_by_one_process_what_a_schedule_sends_by_one_an_output(dags, folder):
    made = dags.build(None, folder)
    (changes,) = made["push__p_up"].get_task("push").op_kwargs_expand_input.value["outputs"]
    assert changes[0] == "p_up.accept" and len(changes) > 2
    monthly = made["push__housing_monthly"].get_task("push").op_kwargs_expand_input.value["outputs"]
    assert {len(outputs) for outputs in monthly} == {1}


def test_parsing_stays_cheap_with_a_hundred_sources(dags, folder):
    """A task's own parse does not grow with the sources; all of them together stay far under Airflow's 30 seconds."""
    for number in range(100):
        (folder / f"s{number}.yaml").write_text(DECLARATION.format(name=f"s{number}"), encoding="utf-8")
    one, hundred = [], []
    for _ in range(3):
        begun = time.process_time()
        dags.build("sync__s50", folder)
        one.append(time.process_time() - begun)
        begun = time.process_time()
        assert len(dags.build(None, folder)) == 2 * 102 + 12
        hundred.append(time.process_time() - begun)
    assert min(one) < 0.1
    assert min(hundred) < 3
    assert min(one) < min(hundred) / 20


def test_parsing_touches_no_network_no_database_and_no_heavy_library(tmp_path):
    """In a process of its own: sockets are forbidden, and the modules that were imported are looked at."""
    probe = """
import socket, sys
from airflow.sdk import DAG
before = set(sys.modules)
def forbidden(*a, **k): raise AssertionError("network while parsing")
socket.socket.connect = forbidden
socket.getaddrinfo = forbidden
import dags.onemap_dags as module
assert "sync__m2" in vars(module), sorted(vars(module))
heavy = {"polars", "pandas", "pyarrow", "great_expectations", "paramiko", "zeep", "ruamel", "pydantic_settings"}
new = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not new & (heavy | {"connectors", "pipeline", "store", "mappings"}), new
print("parsed")
"""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "ONEMAP"))} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(settings.ROOT),
    }
    done = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "parsed" in done.stdout


def test_every_dag_is_described_in_chinese_and_a_failure_is_an_incident_that_a_success_ends(dags, folder):
    from dags.incidents import DagFailed, DagRecovered

    made = dags.build(None, folder)
    for dag_id, dag in made.items():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in dag.description or ""), dag_id
    for dag_id in ("unify", "supervise", "serve", "work_orders", "reconcile__alpha"):
        (failed,) = made[dag_id].on_failure_callback
        (recovered,) = made[dag_id].on_success_callback
        assert isinstance(failed, DagFailed) and failed.stops and isinstance(recovered, DagRecovered)
    assert not made["sync__alpha"].on_failure_callback  # its feeds are watched one by one
    assert isinstance(made["sync__alpha"].get_task("plan").on_failure_callback[0], DagFailed)


def test_what_is_imported_before_a_fork_starts_no_pool_of_threads():
    """A pool that runs in the scheduler stands still in every task that is forked from it: no sync would ever end."""
    counted = (
        "import sys, os, pathlib; sys.argv = ['airflow', 'scheduler']; import airflow_local_settings;"
        "print([t.joinpath('comm').read_text().strip() for t in pathlib.Path('/proc/self/task').iterdir()])"
    )
    provider = settings.ROOT / "dags" / "provider"
    env = {**os.environ, "PYTHONPATH": f"{settings.ROOT}:{provider}"}
    done = subprocess.run([sys.executable, "-P", "-c", counted], env=env, capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()[-1]
    assert "python" in names and "polars-0" not in names and "async-executor" not in names, names
