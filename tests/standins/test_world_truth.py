"""What is planted is all that the rules find: judged by a referee that reads the files alone."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict

import pytest

from standins import world
from tests.standins.referee import Referee

OUTSIDE = {"C1", "C2", "C3", "C9", "C15"}
ALL = {"overdue", "returned", "stalled", *(f"C{n}" for n in range(1, 16))}


def told(reader) -> dict[tuple, dict]:
    return {(f["rule"], f["project_code"], f["item_code"], f["case_no"]): f for f in reader.lines("truth/findings")}


@pytest.fixture(scope="module")
def judged(default_world):
    reader = world.load(default_world)
    return reader, Referee(reader)


def test_the_referee_finds_what_was_planted_and_nothing_else(judged):
    reader, referee = judged
    found, truth = referee.findings(), told(reader)
    assert not found - set(truth), "fires unplanned"
    assert not set(truth) - found, "planted, and does not fire"


def test_every_rule_is_planted_and_has_near_misses(judged):
    reader, _ = judged
    truth = told(reader)
    assert {key[0] for key in truth} == ALL
    assert {f["level"] for f in truth.values() if f["rule"] == "overdue"} == {"红", "双红"}
    assert {f["kind"] for f in truth.values() if f["rule"] == "returned"} == {"不予受理", "退回办结"}
    assert {f["kind"] for f in truth.values() if f["rule"] == "stalled"} == {"paper", "ground"}
    near = defaultdict(set)
    for row in reader.lines("truth/near_misses"):
        near[row["rule"]].add(row["guard"])
    assert set(near) == ALL
    assert sum(map(len, near.values())) > 45


def test_out_of_system_problems_stand_in_thirteen_items(judged):
    reader, _ = judged
    assert len({key[2] for key in told(reader) if key[0] in OUTSIDE}) == 13


def test_what_no_plant_touches_fires_nothing_later_either(default_world, tmp_path):
    folder = tmp_path / "w"
    shutil.copytree(default_world, folder)
    world.advance(folder, 17)
    reader = world.load(folder)
    assert Referee(reader).findings() == set(told(reader))


def test_truth_of_cases_is_what_the_files_say(judged):
    reader, referee = judged
    cases = {r["case_no"]: r for r in reader.lines("truth/entities") if r["entity"] == "case"}
    known = {c.no: c for c in referee.cases if c.receipt}
    assert set(known) <= set(cases)
    assert not {no for no in set(cases) - set(known) if cases[no]["channel"] == "M2"}
    for no, case in referee.m2.items():
        row = cases[no]
        assert row["accepted_at"] == (str(case.accepted) if case.accepted else None)
        assert row["concluded_at"] == (str(case.concluded) if case.concluded else None)
        assert row["item_code"] == case.item
        assert row["channel"] == "M2" and {"M2", *case.channels} - {"D5", "P3"} <= set(row["channels"])
    assert sum(row["project_code"] == known[no].project for no, row in cases.items() if no in known) > 0.995 * len(
        known
    )
    counts = Counter(r["entity"] for r in reader.lines("truth/entities"))
    assert counts["project"] == 590 and counts["licence"] and counts["enterprise"]


def test_counts_are_those_of_the_files(judged):
    reader, _ = judged
    counts = {r["feed"]: r for r in reader.lines("truth/counts")}
    assert counts["m2.sb"]["lines"] == sum(1 for _ in reader.lines("m2/EX_GDBS_SB")) > counts["m2.sb"]["records"]
    assert counts["d1.cases"]["records"] == len({r["YWLSH"] for r in reader.lines("d1/cases")})
    assert len(counts) == 43
