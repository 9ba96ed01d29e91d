"""A source changes its shape: seen at the first batch, told with a patch, held where that is declared."""

from __future__ import annotations

import pyarrow as pa
import pytest

from core.errors import ProviderError
from mappings import compiler
from pipeline import shape
from pipeline.onboard import drift
from pipeline.onboard.profile import profile
from sources import loader

ROW = {"SBLSH_SHORT": "4419250326000100{n}", "VERSION": "1", "SLSJ": "2026-03-0{n} 09:00:00", "SLZTDM": "1"}
ROW |= {"SLBMMC": "长安分局", "INSERTTIME": "2026-03-0{n} 10:00:00", "BLRXM": "张{n}"}


def table(rename: dict[str, str] | None = None, **more: str) -> pa.Table:
    """Thirty rows of 受理."""
    row = {(rename or {}).get(name, name): text for name, text in {**ROW, **more}.items()}
    return pa.table(
        {
            name: pa.array([text.replace("{n}", str(n % 9 + 1)) for n in range(30)], pa.large_string())
            for name, text in row.items()
        }
    )


def found(rows: pa.Table) -> list[drift.Change]:
    mapping = compiler.load("m2.sl")
    return drift.find(mapping, rows, profile("m2.sl", table()).columns)


def test_rows_as_before_are_no_change() -> None:
    assert found(table()) == []


def test_a_renamed_column_comes_with_a_patch_that_reads_both() -> None:
    (change,) = found(table({"SLBMMC": "SLBMMC_NEW"}))
    assert (change.kind, change.column, change.to) == ("renamed", "SLBMMC", "SLBMMC_NEW")
    assert "case.department_name: {first_of: [SLBMMC_NEW, SLBMMC]}" in change.patch


def test_new_vanished_and_widened_columns_and_new_codes_are_told() -> None:
    rows = table(
        {"BLRXM": "KKK"}, BLRXM="2026-01-01", SLZTDM="77", SLBMMC="东莞市自然资源局长安分局行政审批服务窗口第二办理组"
    )
    told = {(change.kind, change.column) for change in found(rows)}
    assert {("vanished", "BLRXM"), ("new", "KKK"), ("code", "SLZTDM"), ("widened", "SLBMMC")} <= told


def test_a_feed_that_is_declared_to_stop_names_the_columns_and_what_to_do(monkeypatch) -> None:
    mapping, feed = compiler.load("m2.sl"), loader.feed("m2.sl")
    monkeypatch.setattr(shape, "_stored", lambda feed: [])
    rows = table(NEUE_SPALTE="x")
    assert shape.guard(feed, mapping, rows, 0) == []
    with pytest.raises(ProviderError, match="NEUE_SPALTE") as stopped:
        shape.guard(feed.model_copy(update={"drift": "stop"}), mapping, rows, 0)
    assert "onemap source drift m2.sl" in stopped.value.remedy and "NEUE_SPALTE" in stopped.value.zh
