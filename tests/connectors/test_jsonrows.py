"""JSON rows become text exactly as written, by the fast way and the slow."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.decoders import jsonrows


def test_values_keep_their_text():
    array = b'[{"a": 1.10, "b": 12345678901234567890123, "c": 1E5, "d": {"x": [1.0, "\\u4e1c"]}, "e": true, "f": null, "g": "\\u4e1c\\n", "h": ""}]'
    table, rejects = jsonrows.read(array)
    assert table.to_pylist() == [
        {
            "a": "1.10",
            "b": "12345678901234567890123",
            "c": "1E5",
            "d": '{"x": [1.0, "\\u4e1c"]}',
            "e": "true",
            "f": None,
            "g": "东\n",
            "h": "",
            "_place": "row 1",
        }
    ]
    assert rejects == []
    assert {str(field.type) for field in table.schema} == {"large_string"}


@pytest.mark.parametrize(
    "array",
    [
        '[{"a": "1", "b": 2}, {"a": 1, "b": "2"}, {"b": null}]',
        '[{"a": "1"}, {"b": "2", "a": "3"}]',
        '[{"a": {"b": 1}}, {"a": "x"}, {"a": [1]}]',
        '[{"eo:cloud_cover": 1.0, "class": "x", "批文号": "粤"}]',
        "[]",
        "[{}]",
    ],
)
def test_unlike_rows_give_the_same_by_both_ways(array):
    objects, places, _ = jsonrows.rows(array.encode())
    assert jsonrows.read(array.encode())[0].equals(jsonrows.table(objects, places))


_value = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.integers(), max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c:d", "名"]), _value), max_size=6))
def test_both_ways_agree_with_the_parser(rows):
    array = jsonrows.clean(json.dumps(rows).encode())
    objects, places, _ = jsonrows.rows(array)
    slow, fast = jsonrows.table(objects, places), jsonrows.read(array)[0]
    assert fast.equals(slow)
    for row, read in zip(rows, slow.to_pylist(), strict=True):
        for name, value in row.items():
            if isinstance(value, str):
                assert read[name] == value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            elif value is None:
                assert read[name] is None
            else:
                assert json.loads(read[name]) == value


def test_dirt_in_the_bytes():
    assert jsonrows.clean("﻿[]".encode()) == b"[]"
    assert jsonrows.clean('["东莞"]'.encode("gb18030")) == '["东莞"]'.encode()
    half = jsonrows.clean(rb'[{"a": "\ud800x\ud83d\ude00"}]')
    assert jsonrows.read(half)[0].column("a").to_pylist() == ["\ufffdx\U0001f600"]
    assert [reject.place for reject in jsonrows.read(b'[1, {"a": "x"}]')[1]] == ["row 1"]
    for body in (b"", b"{", b'[{"a": 1}', b"{}"):
        with pytest.raises(msgspec.DecodeError):
            jsonrows.read(body)


def test_half_a_surrogate_pair_is_told_and_a_backslash_before_it_is_none():
    body, issues = jsonrows.sound(rb'{"list": [{"a": "x\ud83dy"}, {"a": "\ud83d\ude00"}, {"a": "\\ud83d"}]}', "list")
    assert [row["a"] for row in json.loads(body)["list"]] == ["x\ufffdy", "😀", r"\ud83d"]
    assert [issue.code for issue in issues] == ["text_mangled"] and issues[0].detail.startswith("1 ")


def test_a_line_that_is_no_json_is_rejected_alone():
    rows, places, rejects = jsonrows.rows(jsonrows.lines(b'{"a": 1}\n{"b":\n\n{"c": "\xc9"}\r\n{"d": 2}\n'), "message")
    assert ([list(row) for row in rows], places) == ([["a"], ["d"]], ["message 1", "message 4"])
    assert [(reject.place, reject.code) for reject in rejects] == [
        ("message 2", "json_damaged"),
        ("message 3", "undecodable"),
    ]


@pytest.mark.parametrize("alike", [True, False])
def test_a_field_that_stands_twice_with_unlike_values_rejects_its_record_alone(alike):
    rows = [
        '{"a": "1", "b": "{\\"x\\": 1}"}',
        '{"a": "2", "b": "3", "a": "4"}',
        '{"a": "5", "a": "5", "b": "6"}',
        '{"a": "7", "a": "8"}',
        '{"a": "9"}',
    ]
    if not alike:
        rows.append('{"c": {"x": [{"y": 1}, {"y": 2}]}, "a": 10}')
    table, rejects = jsonrows.read(f"[{', '.join(rows)}]".encode())
    assert [row["a"] for row in table.to_pylist()] == ["1", "5", "9", *(["10"] * (not alike))]
    assert [(reject.place, reject.code) for reject in rejects] == [(f"row {n}", "column_ambiguous") for n in (2, 4)]
