"""A department more is data: one line of channel.yaml, and its cases rank, run and are judged as those of D1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml

from schemas import codes
from store.unify import unify
from supervision.ledger import on_day
from tests.store.test_unify import CODE, USCC, golden, put
from tests.supervision import making
from tests.supervision.making import case, catalogue, complete, licence, project


@pytest.fixture
def d6(tmp_path_factory, monkeypatch) -> Iterator[None]:
    """D99, by data alone: what channel.yaml says of D1, under another name and rank."""
    folder = tmp_path_factory.mktemp("codes")
    for path in codes.FOLDER.glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    listed = yaml.safe_load((folder / "channel.yaml").read_text("utf-8"))
    listed["codes"]["D99"] = {**listed["codes"]["D1"], "zh": "交通运输局", "rank": 29, "feeds": ["d99.*"]}
    listed["codes"]["D99"]["departments"] = {making.LAND: ["d99.*"]}
    (folder / "channel.yaml").write_text(yaml.safe_dump(listed, allow_unicode=True), "utf-8")
    monkeypatch.setattr(codes, "FOLDER", folder)
    codes.load.cache_clear()
    yield
    codes.load.cache_clear()


def facts_by(channel: str) -> None:
    """The same facts, told by one department or another: nine kinds of finding of a department's own cases."""
    catalogue()
    project()
    complete()
    # overdue, and past the one window: in the department's own system only
    case("A1", "DG-502", {"SUBMITTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-02 10:00"}, channel=channel)
    # a result that the municipal platform has no case of (C2, C15), before its prerequisite was done (C7)
    case(
        "A2",
        "DG-604",
        {"SUBMITTED": "2026-03-03 09:00", "ACCEPTED": "2026-03-03 10:00", "DONE_OK": "2026-03-05 11:00"},
        channel=channel,
    )
    case("A3", None, {"SUBMITTED": "2026-03-03 09:00"}, channel=channel, item_code_written="XX-1")  # C9
    case("A4", "DG-707", {"ACCEPTED": "2026-03-09 10:00", "DONE_OK": "2026-03-06 11:00"}, channel=channel)  # C4
    case("A5", "DG-502", {"ACCEPTED": "2026-03-09 10:00", "DONE_RETURNED": "2026-03-10 11:00"}, channel=channel)
    case(  # C12: it names no project, its owner and name mean one
        "A6",
        "DG-502",
        {"ACCEPTED": "2026-03-09 10:00"},
        channel=channel,
        project=None,
        project_name=f"项目{making.P[-6:]}",
    )
    licence("粤施2026-9", issued="2026-03-05")


def judged() -> dict[tuple, tuple]:
    rows = on_day(date(2026, 4, 10)).findings
    return {
        (row["rule"], row["item_code"], row["case_no"]): (row["text"], row["level"], row["severity"], row["waits_for"])
        for row in rows.to_dicts()
    }


def clocks() -> dict[str, tuple]:
    columns = ("case_no", "acceptance_on", "used_promised", "due_promised", "light", "in_department")
    cases = on_day(date(2026, 4, 10)).facts.cases
    return {row[0]: row for row in cases.select(columns).sort("case_no").iter_rows()}


def test_the_same_facts_fire_the_same_rules_by_a_new_department(hub: Path, d6: None) -> None:
    facts_by("D1")
    by_d1, clocks_d1 = judged(), clocks()
    assert {"overdue", "returned", "C2", "C4", "C7", "C9", "C12", "C15"} <= {key[0] for key in by_d1}
    for no in ("A1", "A2", "A3", "A4", "A5", "A6"):
        making.gone("case", f"D1:{no}")
        for place in range(3):
            making.gone("case_event", f"D1:{no}|{place}")
    facts_by("D99")
    assert judged() == by_d1
    assert clocks() == clocks_d1


def test_a_new_department_speaks_before_the_national_copies(hub: Path, d6: None) -> None:
    """Its number and fields are the case's, and the clock starts on its day, not on the copy's."""
    put(
        "m1.projects",
        CODE,
        "2026-01-01",
        project={"project_code": CODE, "project_name": "厂房", "applicant_uscc": USCC},
    )
    put("m1.items", "DG-604|1", item={"item_code": "DG-604", "version": 1, "valid_from": datetime(2020, 1, 1)})
    for feed, channel, day in (("p3.accept", "P3", 9), ("d99.cases", "D99", 3)):
        row = {"channel": channel, "case_no": "N1", "item_code": "DG-604", "item_name": f"{channel} 的名称"}
        put(feed, "N1", "2026-03-10", case={**row, "project_code": CODE, "accepted_at": datetime(2026, 3, day)})
        event = {"channel": channel, "case_no": "N1", "event": "ACCEPTED", "at": datetime(2026, 3, day, 9)}
        put(feed, "N1e", "2026-03-10", case_event=event)
    unify()
    (found,) = golden("case", "channel, channels, case_no, item_name").values()
    assert (found["id"], found["channel"], found["channels"]) == ("D99:N1", "D99", ["D99", "P3"])
    assert found["item_name"] == "D99 的名称"
    (row,) = on_day(date(2026, 3, 20)).facts.cases.select("case_id", "acceptance_on", "in_department").rows()
    assert row == ("D99:N1", date(2026, 3, 3), True)
