"""What a column can hold: bounds hold to the byte, and text is mended without losing what can be kept."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import text as text_
from store import values


def records(**columns: list) -> pl.DataFrame:
    given = {"record_key": ["1"], "source_time": [datetime(2026, 1, 1)], "raw": ["{}"]} | columns
    return pl.DataFrame(given, schema_overrides={"source_time": pl.Datetime("us"), "raw": pl.String})


def test_a_key_is_bounded_in_bytes_and_told_as_one():
    longest = "市" * 666 + "ab"  # 2,000 bytes
    assert list(values.refused_records(records(record_key=[longest]))) == []
    (refusal,) = values.refused_records(records(record_key=[longest + "c"]))
    assert (refusal.column, refusal.code, refusal.rows.to_list()) == ("record_key", "key_too_long", [0])
    assert refusal.message == "超过 2000 字节 longer than 2000 bytes"
    assert refusal.values.to_list() == ["市" * 200]
    assert refusal.rows.dtype == pl.UInt32


def test_the_rows_that_are_refused_are_named_and_empty_ones_are_not(monkeypatch):
    monkeypatch.setattr(values, "JSON_BYTES", 4)
    frame = pl.DataFrame(
        {"record_key": ["a", "b", "c"], "source_time": [None] * 3, "raw": ["12345", None, "12345"]},
        schema={"record_key": pl.String, "source_time": pl.Datetime("us"), "raw": pl.String},
    )
    (refusal,) = values.refused_records(frame)
    assert (refusal.column, refusal.code, refusal.rows.to_list()) == ("raw", "value_too_long", [0, 2])


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("us")])
@pytest.mark.parametrize(
    "day,held", [((1, 1, 1), True), ((9999, 12, 31), True), ((0, 12, 31), False), ((10000, 1, 1), False)]
)
def test_years_of_four_digits_are_held(kind, day, held):
    stamp = pl.select(pl.lit("2000-01-01").str.to_date() + pl.duration(days=_from_2000(*day))).to_series().cast(kind)
    found = list(values.refused_records(records().with_columns(stamp.alias("source_time"))))
    assert [one.code for one in found] == ([] if held else ["unreadable_time"])
    if found:
        assert found[0].message == "时间超出公元 1–9999 年 a time outside the years 1 to 9999"
        assert found[0].rows.to_list() == [0] and found[0].column == "source_time"


def _from_2000(year: int, month: int, day: int) -> int:
    """Days from 2000-01-01, of years that Python's dates lack too (the Gregorian calendar repeats every 400 years)."""
    shift = 400 if year < 1 else -400 if year > 9999 else 0
    return (datetime(year + shift, month, day) - datetime(2000, 1, 1)).days - shift // 400 * 146_097


def test_text_of_an_index_is_bounded_and_other_text_is_not():
    assert "case_no" in values.indexed("case")
    long = "x" * (values.INDEXED_BYTES + 1)
    free = next(
        name
        for name in ("matter", "note", "name", "applicant_name")
        if name in {column.name for column in values.tables.entity_columns("case")} - values.indexed("case")
    )
    frame = pl.DataFrame({"case_no": ["x" * values.INDEXED_BYTES, long, None], free: [long] * 3})
    (refusal,) = values.refused("case", frame)
    assert (refusal.column, refusal.code, refusal.rows.to_list()) == ("case_no", "value_too_long", [1])
    assert {"item_code", "catalog_code", "task_code", "certificate_type_code"} <= values.indexed("item")


@pytest.mark.parametrize(
    "text,limit,stored",
    [
        ("abc", None, "abc"),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc…"),
        ("a\x00b", None, "a\ufffdb"),
        ("a\ud83d", None, "a\ufffd"),
        ("\ud83d\ude00", None, "😀"),  # a pair is the character that it stands for
        ("\x00\ud83d", None, "\ufffd\ufffd"),
    ],
    ids=ascii,
)
def test_text_is_mended_not_refused(text, limit, stored):
    assert text_.storable(text, limit) == stored


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(anything)
def test_any_json_becomes_one_that_the_database_takes(value):
    written = text_.storable_json(value)
    written.encode()
    read = json.loads(written, parse_constant=lambda name: pytest.fail(name))
    assert "\x00" not in json.dumps(read, ensure_ascii=False)


@pytest.mark.parametrize(
    "value,stored",
    [
        (
            {"a": float("nan"), "b": float("inf"), "c": float("-inf"), "d": 1.5},
            {"a": None, "b": None, "c": None, "d": 1.5},
        ),
        (["\x00", ("市", "\ud800")], ["\ufffd", ["市", "\ufffd"]]),
        ({"\x00": {"k\x00": True}}, {"\ufffd": {"k\ufffd": True}}),
        ({"市": [1, None, "\\u0000"]}, {"市": [1, None, "\\u0000"]}),
    ],
)
def test_what_can_be_kept_of_json_is_kept(value, stored):
    assert json.loads(text_.storable_json(value)) == stored
