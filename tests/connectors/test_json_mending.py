"""A page of JSON with one bad record: the others are read, and it is named."""

import contextlib
import json

import pytest

from connectors.decoders import jsonrows
from connectors.decoders.json_mending import mended
from connectors.limits import Limits

ROWS = [
    {"id": str(n), "name": f"某某制造{n}有限公司", "capital": "100", "parts": [{"a": 1}, {"a": 2}]} for n in range(1, 6)
]
WHOLE = json.dumps(ROWS, ensure_ascii=False)


def page(rows: bytes) -> bytes:
    return b'{"code": "0", "data": {"data": {"list": ' + rows + b', "totalRow": 5, "totalPage": 1}}}'


def read(rows: str | bytes) -> tuple[list[dict], list, list]:
    """(rows, rejects, issues) of the page with that list."""
    body, issues = jsonrows.sound(page(rows if isinstance(rows, bytes) else rows.encode()), "list")
    inner = json.loads(body)["data"]["data"]
    assert inner["totalRow"] == 5
    table, rejects = jsonrows.read(json.dumps(inner["list"], ensure_ascii=False).encode())
    return table.drop(["_place"]).to_pylist(), rejects, issues


@pytest.mark.parametrize(
    ("spoilt", "value"),
    [
        (WHOLE.replace("制造2有", "制造2\n有"), "某某制造2\n有限公司"),
        (WHOLE.replace("制造2有", "制造2\t有"), "某某制造2\t有限公司"),
        (WHOLE.replace("制造2有", "制造2\\有"), "某某制造2\\有限公司"),
        (WHOLE.replace('"某某制造2有限公司"', "NaN"), "NaN"),
        (WHOLE.replace('"某某制造2有限公司"', "undefined"), "undefined"),
        (WHOLE.replace('"某某制造2有限公司"', "007"), "007"),
    ],
)
def test_a_token_that_is_none_is_read_as_it_stands_and_told(spoilt, value):
    rows, rejects, issues = read(spoilt)
    assert not rejects and len(rows) == 5
    assert rows[1]["name"] == value
    assert [row["name"] for row in rows[2:]] == [row["name"] for row in ROWS[2:]]
    assert [issue.code for issue in issues] == ["json_mended"]


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        (WHOLE.replace("制造2有", '制造2"有'), 2),
        (WHOLE.replace('"某某制造2有限公司"', '"某某制造2有限公司'), 2),
        (WHOLE.replace('"id": "3"', '"id": {"3"'), 3),
        (WHOLE.replace("制造5有", '制造5"有'), 5),
        (WHOLE.replace('制造5有限公司"', "制造5有限公司"), 5),
        (WHOLE.replace('"id": "3",', '"id": "3",,'), 3),
        (WHOLE.replace('"100"', "[" * 1100 + "]" * 1100, 1), 1),
    ],
)
def test_a_record_that_is_no_json_is_rejected_alone(spoilt, place):
    rows, rejects, _ = read(spoilt)
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS if row["id"] != str(place)]
    (reject,) = rejects
    assert (reject.place, reject.code) == (f"row {place}", "json_damaged")
    assert reject.raw.startswith("{")


def test_a_byte_that_is_no_text_rejects_its_record_alone():
    rows, (reject,), _ = read(WHOLE.encode().replace("制造2".encode(), b"\xff2"))
    assert [row["id"] for row in rows] == ["1", "3", "4", "5"]
    assert (reject.place, reject.code) == ("row 2", "undecodable")
    assert "\\xff" in reject.raw


@pytest.mark.parametrize("body", [page(WHOLE.encode())[:400], b"<html></html>", b"", b"[]]", b'{"list": ['])
def test_what_was_cut_or_is_something_else_stays_refused(body):
    with pytest.raises(ValueError):
        jsonrows.sound(body, "list")


@pytest.mark.parametrize("dirt", [b'"' * 100_000, b'{"a":' * 30_000, b'},{"' * 30_000, b'\\"' * 60_000, b"]," * 60_000])
def test_endless_dirt_ends(dirt):
    body = page(b"[" + dirt + b"]")
    with contextlib.suppress(ValueError):
        assert len(mended(body, "list", Limits()).body) < 3 * len(body)


def test_rows_with_names_beyond_the_limit_are_rejected_alone():
    rows = [{"id": n, "name": "x"} for n in range(50)] + [{f"n{n}_{m}": 1 for m in range(100)} for n in range(20)]
    table, rejects = jsonrows.read(json.dumps(rows).encode(), limits=Limits(names=100))
    assert table.num_rows >= 50 and {"id", "name"} <= set(table.column_names)
    assert {reject.code for reject in rejects} == {"over_limit"} and table.num_rows + len(rejects) == 70
