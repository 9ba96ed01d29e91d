"""Which rows of the world are visible when, and the forms of values."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standins.forms import Dress, full_width, serial, stamp, when
from standins.told import Table
from tests.standins import sample


def table(tmp_path: Path, *rows: dict[str, Any]) -> Table:
    sample.write(tmp_path, {"x/t": list(rows)})
    made = Table(tmp_path / "x" / "t.jsonl", ["k"], "u")
    made.refresh()
    return made


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-01-{text}")


def shown(made: Table, text: str) -> list[str]:
    return [row.data["v"] for row in made.rows(at(text))]


def test_a_row_is_shown_from_its_time_or_from_at_until_its_end(tmp_path: Path) -> None:
    made = table(
        tmp_path,
        {"k": "a", "u": "2026-01-02 00:00:00", "v": "a"},
        {"k": "b", "u": "2026-01-01 00:00:00", "_at": "2026-01-04 00:00:00", "v": "b"},
        {"k": "c", "u": "2026-01-01 00:00:00", "_until": "2026-01-03 00:00:00", "v": "c"},
    )
    assert shown(made, "01 12:00") == ["c"]
    assert shown(made, "02 00:00") == ["c", "a"]
    assert shown(made, "03 00:00") == ["a"]
    assert shown(made, "05 00:00") == ["b", "a"]
    assert shown(made, "01 12:00") == ["c"]  # the clock may go back
    assert made.next_change(at("02 12:00")) == at("03 00:00")


def test_the_latest_line_of_a_key_counts_and_an_earlier_one_returns(tmp_path: Path) -> None:
    made = table(
        tmp_path,
        {"k": "a", "u": "2026-01-01 00:00:00", "v": "old"},
        {"k": "a", "u": "2026-01-03 00:00:00", "v": "new", "_until": "2026-01-05 00:00:00"},
    )
    assert [shown(made, day) for day in ("02 00:00", "04 00:00", "06 00:00")] == [["old"], ["new"], ["old"]]


def test_windows_are_half_open(tmp_path: Path) -> None:
    made = table(tmp_path, *({"k": str(n), "u": f"2026-01-0{n} 00:00:00", "v": str(n)} for n in (1, 2, 3)))
    rows = made.window(at("09 00:00"), at("01 00:00"), at("03 00:00"))
    assert [row.key for row in rows] == [("1",), ("2",)]


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    made = table(tmp_path, {"k": "a", "u": "2026-01-01 00:00:00", "v": "a"})
    assert not made.refresh()
    sample.append(tmp_path, "x/t", {"k": "b", "u": "2026-01-01 00:00:00", "v": "b"})
    assert made.refresh() and shown(made, "02 00:00") == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-03-01 08:09:10", "2026-03-01 08:09:10"),
        ("2026/03/01 08:09:10", "2026-03-01 08:09:10"),
        ("2026-03-01 08:09:10.0", "2026-03-01 08:09:10"),
        ("2026-03-01", "2026-03-01 00:00:00"),
        ("2026-03", "2026-03-01 00:00:00"),
        ("202603", "2026-03-01 00:00:00"),
        ("2026-03-01T00:09:10Z", "2026-03-01 08:09:10"),
        (46082, "2026-03-01 00:00:00"),
        ("46082.5", "2026-03-01 12:00:00"),
        (1772323750000, "2026-03-01 08:09:10"),
    ],
)
def test_times_in_all_their_forms(value: Any, said: str) -> None:
    assert stamp(when(value)) == said


@pytest.mark.parametrize("value", [None, "", "0000-00-00 00:00:00", "长期", "2026-13-01"])
def test_what_is_no_time(value: Any) -> None:
    assert when(value) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1)).map(lambda d: d.replace(microsecond=0)))
def test_serials_go_there_and_back(moment: datetime) -> None:
    assert when(serial(moment)) == moment


@given(st.text(), st.text(min_size=1), st.none() | st.text())
def test_a_form_never_changes_what_is_said(key: str, text: str, maybe: str | None) -> None:
    row = {"k": key, "text": text, "maybe": maybe, "n": 12.5, "time": "2026-03-01 08:09:10", "_at": "x"}
    dressed = Dress("k", texts=["text", "maybe"], times=["time"], numbers=["n"])(row)
    assert dressed["k"] == key and "_at" not in dressed
    assert dressed["text"] in (text, text + "  ", "\ufeff" + text, full_width(text))
    assert float(dressed["n"]) == 12.5 and when(dressed["time"]) == when(row["time"])
    if not maybe:
        assert not dressed.get("maybe")
    assert dressed == Dress("k", texts=["text", "maybe"], times=["time"], numbers=["n"])(row)
