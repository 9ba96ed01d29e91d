"""The reform's ledger of a told city: sums that add up, figures that lead to their rows, an event log that others can read."""

from __future__ import annotations

import json
from collections import Counter

import polars as pl
import pytest
from starlette.testclient import TestClient

from insight import ocel, paths, report, summary
from serving import keys
from serving.access import Grant, reading
from serving.pages import standalone
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def today(store):
    return rows("select max(as_of) as day from supervision.run")[0]["day"]


@pytest.fixture(scope="module")
def whole(today):
    return summary.gather(today)


@pytest.fixture(scope="module")
def told(today):
    return report.keep(today)


def test_the_days_of_all_projects_are_somebodys(whole):
    assert whole.elapsed == whole.spent["days"].sum() > 0
    assert (
        whole.projects == rows('select count(distinct project_code) n from store."case" where gone_at is null')[0]["n"]
    )


def test_a_bottleneck_is_said_of_enough_cases_alone(whole):
    for by in summary.BY:
        found = summary.bottlenecks(whole.cases, by, enough=4)
        few = found.filter(pl.col("cases") < 4)
        assert few["median"].null_count() == few.height and few["late"].null_count() == few.height
        assert found.filter(pl.col("cases") >= 4)["median"].null_count() == 0
        assert found["cases"].sum() == whole.cases[summary.BY[by][0]].count()
    one = summary.bottlenecks(whole.cases, "item", enough=1).row(0, named=True)
    mine = whole.cases.filter(pl.col("item_code") == one["item_code"])
    assert one["median"] == mine["days"].median() and one["cases"] == mine.height


def test_an_order_that_was_broken_is_one_that_rows_show(whole):
    steps = whole.steps
    assert steps.height and 0 < steps["kept"].sum() <= steps.height
    assert (steps.filter("kept")["done_on"] <= steps.filter("kept")["began_on"]).all()
    agreed = paths.conformance(steps)
    assert agreed["steps"].sum() == steps.height and agreed["kept"].sum() == steps["kept"].sum()
    assert paths.variants(whole.traces)["projects"].sum() == whole.traces.height


def test_every_figure_comes_of_its_rows(told, today):
    figures = {f["key"]: f for f in told["figures"]}
    assert list(figures) == ["materials", "limits", "starts", "online", "outside"]
    internal = rows(
        """select m ->> 'code' as code from (select distinct on (item_code) * from store.item where gone_at is null
             and (valid_from is null or valid_from <= :d) and (valid_to is null or valid_to >= :d) order by item_code, version desc) i,
           jsonb_array_elements(i.materials) m where i.kind = '政府内部事项' and i.materials is not null and m ->> 'name' is not null""",
        d=today,
    )
    assert figures["materials"]["value"] == len(figures["materials"]["rows"]) == len(internal) > 0
    for key in ("limits", "starts", "online"):
        assert figures[key]["value"] is not None or "不" in figures[key]["note"] or "没有" in figures[key]["note"]
    assert figures["limits"]["value"] in (None, sum(row[6] for row in figures["limits"]["rows"]))
    assert figures["outside"]["value"] == sum(1 for row in figures["outside"]["rows"] if row[3] and not row[4])
    assert report.latest() == told


def test_the_event_log_is_ocel_2_and_says_all_events_and_nothing_personal(store, tmp_path):
    path = tmp_path / "log.json"
    with reading(Grant("test")) as connection:
        counts = ocel.written(connection, path)
    log = json.loads(path.read_text(encoding="utf-8"))
    assert ocel.check(log) == []
    assert counts == {"objects": len(log["objects"]), "events": len(log["events"])}
    stored = rows(
        "select count(*) n from store.case_event where gone_at is null and at is not null and event is not null"
    )
    assert counts["events"] == stored[0]["n"]
    kinds = Counter(o["type"] for o in log["objects"])
    assert kinds["project"] == rows("select count(*) n from store.project where gone_at is null")[0]["n"]
    assert all(any(r["qualifier"] == "case" for r in e["relationships"]) for e in log["events"])
    text = path.read_text(encoding="utf-8")
    for person in rows("select distinct handler from store.case_event where char_length(handler) > 2 limit 50"):
        assert person["handler"] not in text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log: log.pop("events"),
        lambda log: log["events"][0].update(time="yesterday"),
        lambda log: log["events"][0].update(time="2026-01-01T00:00:00"),  # without a zone
        lambda log: log["events"][0].update(type="DREAMT"),
        lambda log: log["events"][0]["relationships"].append({"objectId": "case:none", "qualifier": "case"}),
        lambda log: log["objects"].append(log["objects"][0]),
        lambda log: log["objects"][-1]["attributes"].append(
            {"name": "colour", "time": log["events"][0]["time"], "value": "red"}
        ),
        lambda log: log["objectTypes"][0]["attributes"].append({"name": "x", "type": "colour"}),
    ],
)
def test_what_is_not_ocel_is_told(store, tmp_path, spoil):
    path = tmp_path / "log.json"
    with reading(Grant("test")) as connection:
        ocel.written(connection, path)
    log = json.loads(path.read_text(encoding="utf-8"))
    spoil(log)
    assert ocel.check(log)


def test_the_page_shows_the_figures_to_whoever_sees_the_city(told, two_towns):
    app = standalone.make("link", "operator", ["testserver"])
    page = TestClient(app, cookies={standalone.COOKIE: "link"}).get(f"{standalone.PLACE}/insight").text
    for figure in told["figures"]:
        assert figure["zh"] in page and figure["note"] in page
    for holder in told["holders"]:
        assert f"{holder['days']:,} 天" in page
    key = keys.make("t", ["read:projects", f"town:{two_towns[0]}"], by="test")[1]
    assert TestClient(app, cookies={standalone.COOKIE: key}).get(f"{standalone.PLACE}/insight").status_code == 403
