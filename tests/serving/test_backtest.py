"""What if: no change gives no difference; a change moves what the real clocks say, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from core.errors import ConfigurationError
from insight.backtest import SUMS, Change, replay
from serving.report import write
from serving.report.backtest import of_backtest
from store.engine import transaction
from supervision import judge
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def today(store):
    return rows("select max(as_of) as day from supervision.run")[0]["day"]


@pytest.fixture(scope="module")
def same(today):
    return replay(Change(), today.year, today)


def test_no_change_gives_no_difference(same):
    assert same.departments["cases"].sum() > 0
    for frame in (same.departments, same.items):
        assert frame["late"].equals(frame["late_after"], null_equal=True)
        assert frame["over"].to_list() == frame["over_after"].to_list()
        assert frame["used"].to_list() == frame["used_after"].to_list()
    assert same.cases.is_empty() and same.opens.is_empty() and same.closes.is_empty() and not same.removed


def test_a_shorter_limit_makes_late_who_used_more(same, today):
    item = same.items.filter(pl.col("used") > 0).sort("used", descending=True)["item_code"][0]
    found = replay(Change(limits={item: 0}), today.year, today)
    with transaction() as connection:
        cases = judge.judge(connection, today).facts.cases
    mine = cases.filter((pl.col("item_code") == item) & (pl.col("acceptance_on").dt.year() == today.year))
    row = found.items.filter(pl.col("item_code") == item).row(0, named=True)
    assert row["over_after"] == mine.filter(pl.col("promised_limit").is_not_null())["used_promised"].sum() > row["over"]
    others = found.items.filter(pl.col("item_code") != item)
    assert others["over"].to_list() == others["over_after"].to_list()
    assert set(found.cases["item_code"]) == {item} and found.opens.height


def test_an_item_taken_out_takes_its_cases(same, today):
    item = same.items.sort("cases", descending=True)["item_code"][0]
    found = replay(Change(without=(item,)), today.year, today)
    assert found.removed == same.items.filter(pl.col("item_code") == item)["cases"][0]
    assert item not in set(found.opens["item_code"])
    row = found.items.filter(pl.col("item_code") == item).row(0, named=True)
    assert row["used_after"] == row["over_after"] == 0


def test_a_prerequisite_that_is_none_any_more_saves_the_wait_and_finds_no_breach(today):
    with transaction() as connection:
        judged = judge.judge(connection, today)
    edges = judged.standing.edges.filter(pl.col("strength") == "hard").select("item_code", "prerequisite").unique()
    done = judged.facts.cases.drop_nulls("receipt_at").filter(pl.col("receipt_at").dt.year() == today.year)
    began = set(done["item_code"])
    item, before = next(p for p in edges.sort("item_code", "prerequisite").iter_rows() if set(p) <= began)
    found = replay(Change(parallel=((item, before),)), today.year, today)
    assert found.departments["over"].to_list() == found.departments["over_after"].to_list()  # no clock runs otherwise
    assert set(found.saved.select("item_code", "prerequisite").iter_rows()) <= {(item, before)}
    assert found.saved["days"].sum() > 0 or found.saved.is_empty()


def test_days_off_are_not_counted(same, today):
    free = {today - timedelta(days=n): False for n in range(1, 200)}
    found = replay(Change(days=free), today.year, today)
    assert found.departments["used_after"].sum() < same.departments["used"].sum()
    assert found.departments["late_after"].sum() <= same.departments["late"].sum()


@pytest.mark.parametrize(
    "change", [Change(limits={"DG-000": 3}), Change(without=("no",)), Change(parallel=(("DG-401", "DG-401"),))]
)
def test_what_the_catalogue_has_not_is_refused(today, change):
    with pytest.raises(ConfigurationError, match="catalogue has no item|not an item and its prerequisite"):
        replay(change, today.year, today)
    with pytest.raises(ConfigurationError, match="still to come"):
        replay(replace(change, limits={}, without=(), parallel=()), today.year + 1, today)


def test_the_report_has_table_and_chart(same):
    text = write.written(of_backtest(Change(), same), "html")[0].decode()
    assert "没有变化" in text and "<table" in text
    assert all(name in text for name in same.departments["department"])
    assert SUMS
