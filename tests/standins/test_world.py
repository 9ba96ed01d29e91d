"""A simulated world is what docs/world.md says: reproducible, never ahead of its clock, only appended to."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from standins import world
from tests.standins.conftest import TODAY


def digest(folder: Path) -> dict[str, str]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.is_file()
    }


def shown(table: str, row: dict) -> str:
    """From when a line is shown."""
    column = {
        "p1": "updateTime",
        "p3": "cd_time",
        "m1": "updated_at",
        "m2": "INSERTTIME",
        "d1": "GXSJ",
        "d3": "GXSJ",
        "s1": "GXSJ",
        "p2": "更新时间",
    }.get(table.split("/")[0])
    return row.get("_at") or row.get("INSERTIME") or row[column]


def test_the_same_arguments_give_the_same_bytes(tiny_world, tmp_path):
    again = world.make(tmp_path / "again", projects=12, seed=1, today=TODAY)
    assert digest(again) == digest(tiny_world)
    other = world.make(tmp_path / "other", projects=12, seed=2, today=TODAY)
    assert digest(other) != digest(tiny_world)


def test_a_tiny_world_is_quick(tmp_path):
    begun = time.process_time()
    world.make(tmp_path / "w", projects=12, seed=4, today=TODAY)
    assert time.process_time() - begun < 6


def test_it_has_the_size_of_the_case(default_world):
    reader = world.load(default_world)
    cases = {row["SBLSH_SHORT"] for row in reader.lines("m2/EX_GDBS_SB")}
    assert 13000 <= len(cases) <= 16500
    assert len({row["project_code"] for row in reader.lines("m1/projects")}) == 590
    assert 20000 <= sum(1 for _ in reader.lines("s4/reading")) <= 40000
    assert all((default_world / f"{table}.jsonl").stat().st_size for table in reader.tables)


@pytest.mark.parametrize("name", ["default_world", "tiny_world"])
def test_nothing_is_told_before_its_time(name, request):
    reader = world.load(request.getfixturevalue(name))
    clock = reader.facts["clock"]
    ahead = {"m1/items"}  # published before it comes into force
    plans = {
        "beginDate",
        "overDate",
        "expiryDate",
        "valid_to",
        "NKGSJ",
        "NJCSJ",
        "JHKGRQ",
        "JHJGRQ",
        "_until",
        "RESPONSETIME",
        "promise_date",
    }
    for table in reader.tables:
        last = ""
        for row in reader.lines(table):
            at = shown(table, row) if table != "s4/reading" else row["_at"]
            assert at <= clock, (table, row)
            assert at >= last, (table, "lines stand in the order in which they are shown")
            last = at
            if table in ahead:
                continue
            for key, value in row.items():
                if (
                    key not in plans
                    and isinstance(value, str)
                    and value[:2] == "20"
                    and value[4:5] in "-/"
                    and len(value) >= 10
                    and value[:10].count("-") == 2
                ):
                    assert value.replace("/", "-")[:10] <= clock[:10], (table, key, row)


def test_advance_only_appends(tiny_world, tmp_path):
    folder = tmp_path / "w"
    shutil.copytree(tiny_world, folder)
    before = {f: f.read_bytes() for f in folder.glob("*/*.jsonl") if f.parent.name != "truth"}
    world.advance(folder, 45)
    facts = json.loads((folder / "world.json").read_text())
    assert facts["revision"] == 2 and facts["clock"] == "2027-01-08 08:00:00" and facts["made"] == "2026-11-24 08:00:00"
    grown = 0
    for file, content in before.items():
        after = file.read_bytes()
        assert after.startswith(content), file
        new = [json.loads(line) for line in after[len(content) :].splitlines()]
        grown += bool(new)
        table = f"{file.parent.name}/{file.stem}"
        assert all("2026-11-24 08:00:00" < shown(table, row) <= facts["clock"] for row in new if table != "s4/reading")
    assert grown > 15
    twice = tmp_path / "twice"
    shutil.copytree(tiny_world, twice)
    world.advance(twice, 45)
    assert digest(twice) == digest(folder)


def test_two_steps_show_the_same_events_as_one(tiny_world, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        shutil.copytree(tiny_world, folder)
    world.advance(one, 30)
    world.advance(two, 12)
    world.advance(two, 18)
    for table in ("m2/EX_GDBS_SB", "m2/EX_GDBS_BJ", "p3/up_pro_accept", "d4/cases", "s4/reading"):
        assert [*world.load(one).lines(table)] == [*world.load(two).lines(table)]
    assert (one / "truth" / "findings.jsonl").read_bytes() == (two / "truth" / "findings.jsonl").read_bytes()


def test_time_brings_deletions_late_rows_and_corrections(default_world):
    reader = world.load(default_world)
    operations = Counter(row["cd_operation"] for row in reader.lines("p3/up_pro_process"))
    assert operations["D"] > 5
    known = set()
    unknown = 0
    for row in reader.lines("p3/up_pro_process"):
        unknown += row["cd_operation"] == "D" and row["row_guid"] not in known
        known.add(row["row_guid"])
    assert unknown
    seen, early = set(), 0
    for row in reader.lines("p3/up_pro_accept"):
        early += row["cd_operation"] == "U" and row["row_guid"] not in seen
        seen.add(row["row_guid"])
    assert early, "a U is shown before its I"
    assert any(row.get("_at", row["INSERTTIME"]) > row["INSERTTIME"] for row in reader.lines("m2/EX_GDBS_SPCL")), (
        "late rows"
    )
    assert any(row["VERSION"] > 1 for row in reader.lines("m2/EX_GDBS_BJ"))
    assert any(row["PROJECT_CODE"] is None for row in reader.lines("m2/EX_GDBS_SL"))
    assert {row["SJYXBS"] for row in reader.lines("d3/SPGL_XMSPSXBLXXB")} == {0, 1}
    assert any("_until" in row for row in reader.lines("s1/parcel"))


def test_what_is_no_world_is_refused(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ConfigurationError):
        world.make(tmp_path, projects=3, seed=1, today=TODAY)
    with pytest.raises(ConfigurationError):
        world.load(tmp_path)


def test_a_moment_of_the_day_can_be_the_clock(tmp_path):
    folder = world.make(tmp_path / "w", projects=6, seed=1, today=datetime(2026, 11, 24, 16, 30))
    assert world.load(folder).clock == datetime(2026, 11, 24, 16, 30)
    assert date.fromisoformat(world.load(folder).facts["start"]) == date(2023, 11, 24)
