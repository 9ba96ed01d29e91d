"""Every rule of docs/rules.md, what fires it and what does not; each line of "does not fire when" in a project of its own."""

from __future__ import annotations

from datetime import date

import pytest

from store import arrivals
from store.engine import transaction
from supervision.ledger import on_day
from tests.supervision.making import (
    P,
    at,
    case,
    catalogue,
    complete,
    filed,
    found,
    gone,
    item,
    licence,
    polygon,
    project,
    project_code,
    put,
    redline,
    scene,
)

OTHER = "91441900MA0000023X"


@pytest.fixture(autouse=True)
def city(hub):
    catalogue()
    complete()
    return hub


def projects(count: int, **more) -> list[str]:
    """Codes of so many projects, each filed and done."""
    codes = [project_code(n + 1) for n in range(count)]
    for code in codes:
        project(code, **more)
    return codes


def keys(on: str, rule: str) -> set[str]:
    """Case numbers that a rule finds on a day."""
    return {number for _, _, number in found(on, rule)}


def test_overdue():
    project()
    item("DG-901", promised=None, statutory=None)
    item("DG-902", promised=2, statutory=3)
    case("in time", "DG-502", {"ACCEPTED": "2026-03-02", "DONE_OK": "2026-03-11"})
    case("late", "DG-502", {"ACCEPTED": "2026-03-02", "DONE_OK": "2026-03-12"})
    case("refused late", "DG-502", {"ACCEPTED": "2026-03-02", "DONE_FAIL": "2026-03-12"})
    case("withdrawn late", "DG-502", {"ACCEPTED": "2026-03-02", "WITHDRAWN": "2026-03-12"})
    case("not accepted", "DG-502", {"SUBMITTED": "2026-03-09"})
    case("no limit", "DG-901", {"ACCEPTED": "2026-01-05"})
    case("double", "DG-902", {"ACCEPTED": "2026-03-06"})
    assert keys("2026-03-11", "overdue") == {"double"}
    assert keys("2026-03-13", "overdue") == {"late", "refused late", "withdrawn late", "double"}
    levels = {
        row["case_no"]: (row["level"], row["severity"])
        for row in on_day(at("2026-03-13").date()).findings.to_dicts()
        if row["rule"] == "overdue"
    }
    assert levels["late"] == ("红", 2) and levels["double"] == ("双红", 3)


def test_returned():
    a, b, c, d = projects(4)
    case("refused", "DG-502", {"SUBMITTED": "2026-03-02 09:00", "REJECTED_INTAKE": "2026-03-03 09:00"}, project=a)
    case("sent back", "DG-502", {"ACCEPTED": "2026-03-02 09:00", "DONE_RETURNED": "2026-03-04 09:00"}, project=b)
    case("not passed", "DG-502", {"ACCEPTED": "2026-03-02 09:00", "DONE_FAIL": "2026-03-04 09:00"}, project=c)
    case("first", "DG-502", {"SUBMITTED": "2026-03-02 09:00", "REJECTED_INTAKE": "2026-03-03 09:00"}, project=d)
    case("again", "DG-502", {"SUBMITTED": "2026-03-05 09:00", "ACCEPTED": "2026-03-06 09:00"}, project=d)
    assert keys("2026-03-05", "returned") == {"refused", "sent back", "first"}
    assert keys("2026-03-06", "returned") == {"refused", "sent back"}
    kinds = {
        row["case_no"]: row["kind"]
        for row in on_day(at("2026-03-06").date()).findings.to_dicts()
        if row["rule"] == "returned"
    }
    assert kinds == {"refused": "不予受理", "sent back": "退回办结"}


def test_stalled_on_paper():
    codes = projects(9)
    quiet, paused, asked, half, done, withdrawn, invalid, expired, silent = codes
    item("DG-900", stage=5, promised=None, statutory=None, process_types=["9"])
    item("DG-707", stage=7, promised=12, needs=("DG-604", "DG-900"), process_types=["3", "9"])
    for code in codes:
        filed(code)
    begun = [("SUBMITTED", "2026-03-02 09:00", {}), ("ACCEPTED", "2026-03-02 10:00", {})]
    stop = ("SPECIAL_START", "2026-03-02 11:00", {"limit_days": 60, "limit_unit": "工作日"})
    for code in (quiet, withdrawn, invalid, expired):
        case(f"M{code}", "DG-502", begun, project=code)
    case("paused", "DG-502", [*begun, stop], project=paused)
    case("asked", "DG-502", [begun[0], ("SUPPLEMENT_START", "2026-03-02 11:00", {})], project=asked)
    case("half 1", "DG-502", [*begun, stop], project=half)
    case("half 2", "DG-604", begun, project=half)
    case("end", "DG-N-803", {"ACCEPTED": "2026-02-20", "DONE_OK": "2026-03-02"}, project=done)
    for n, code in enumerate(("DG-502", "DG-604", "DG-707")):
        case(f"end {n}", code, {"ACCEPTED": "2026-02-10", "DONE_OK": "2026-02-12"}, project=done)
    project(withdrawn, filing_state="撤回")
    project(invalid, validity="无效")
    project(expired, expires_at=at("2026-03-20"))
    project(silent, process_type="9")
    case("silent", "DG-900", begun, project=silent)
    # 20 working days after 03-02: 03-30
    assert found("2026-03-27", "stalled") == set()
    rows = [row for row in on_day(at("2026-03-30").date()).findings.to_dicts() if row["rule"] == "stalled"]
    assert {(row["project_code"], row["item_code"]) for row in rows} == {(quiet, "DG-502"), (half, "DG-502")}
    assert all("待部门办理" in row["text"] and row["case_no"] == "" for row in rows)
    # the granted 60 working days are over, nobody has asked for more
    assert paused in {
        row["project_code"] for row in on_day(at("2026-06-30").date()).findings.to_dicts() if row["rule"] == "stalled"
    }


def test_stalled_names_the_applicant_when_it_is_his_turn():
    project()
    filed(on="2026-01-06 09:00")
    (row,) = [row for row in on_day(at("2026-03-30").date()).findings.to_dicts() if row["rule"] == "stalled"]
    assert row["item_code"] == "DG-502" and "待企业申报" in row["text"]


def test_stalled_on_the_ground():
    still, built, accepted, unseen = projects(4)
    for n, code in enumerate((still, built, accepted, unseen)):
        west = 113.70 + n * 0.01
        redline(f"R{n}", code, west, 23.0, west + 0.002, 23.002)
        case(f"permit {n}", "DG-604", {"ACCEPTED": "2026-01-07", "DONE_OK": "2026-01-12"}, project=code)
        if code != unseen:
            scene(f"S{n}", "2026-07-13 10:00", west, 23.0, west + 0.002, 23.002)
    polygon("C1", "20", "2026-06-30", 113.7105, 23.0005, 113.7115, 23.0015)
    case("accepted", "DG-707", {"ACCEPTED": "2026-05-07", "DONE_OK": "2026-05-12"}, project=accepted)

    def ground(on: str) -> set[str]:
        rows = on_day(at(on).date()).findings.to_dicts()
        return {
            row["project_code"]
            for row in rows
            if row["kind"] == "实地停滞" and (row["item_code"], row["case_no"]) == ("DG-604", "")
        }

    assert ground("2026-07-12") == set(), "no image of after the six months"
    assert ground("2026-07-13") == {still}
    # imagery comes for months: it counts as read when the source was, not when its lag is over
    complete("s2.change", until="2026-04-13", read="2026-07-13 08:00")
    assert ground("2026-07-13") == {still} and found("2026-07-13", "stalled", waiting=True) == set()
    assert found("2026-07-15", "stalled", waiting=True) == {("stalled", "DG-604", "")}


def test_c1_missing_link():
    names = (
        "missing",
        "before",
        "not expected",
        "unknown",
        "soft",
        "refused",
        "undated",
        "department",
        "early result",
        "issued",
    )
    code = dict(zip(names, projects(len(names)), strict=True))
    item("DG-502", stage=5, promised=7, applies_when="需规划许可", process_types=["3"])
    item("DG-604", stage=6, promised=3, needs=("DG-502",), soft_prerequisites=["DG-502"], process_types=["3"])
    for name in names:
        project(code[name], planned_items=["DG-502"])
    project(code["not expected"], conditions=["别的条件"])
    project(code["unknown"], conditions=None, planned_items=None)
    project(code["soft"], planned_items=["DG-502"], fast_track=True)
    for name in names:
        day = "2025-12-20" if name == "before" else "2026-03-02"
        if name != "issued":
            case(f"604 {name}", "DG-604", {"ACCEPTED": day}, project=code[name])
    licence("施1号", issued="2026-03-02", project=code["issued"])
    case("refused", "DG-502", {"REJECTED_INTAKE": "2026-02-02"}, project=code["refused"])
    case("without a date", "DG-502", project=code["undated"])
    case("department", "DG-502", {"ACCEPTED": "2026-02-02"}, channel="D1", project=code["department"])
    licence("早1号", "DG-502", "2025-12-20", project=code["early result"])

    def missing(on: str) -> set[str]:
        return {
            row["project_code"]
            for row in on_day(at(on).date()).findings.to_dicts()
            if (row["rule"], row["item_code"], row["case_no"]) == ("C1", "DG-502", "")
        }

    assert missing("2026-03-01") == set()
    assert missing("2026-03-02") == {code[name] for name in ("missing", "department", "issued")}


def test_c1_has_nothing_to_say_of_a_parallel_item():
    project()
    item("DG-502", stage=5, parallel_group="G", process_types=["3"])
    item("DG-604", stage=6, needs=("DG-502",), parallel_group="G", process_types=["3"])
    case("604", "DG-604", {"ACCEPTED": "2026-03-02"})
    assert found("2026-03-10", "C1") == found("2026-03-10", "C7") == set()


def test_c2_result_without_case():
    names = ("licence", "case", "no result", "returned", "before", "in m2", "cancelled", "other channel now")
    code = dict(zip(names, projects(len(names)), strict=True))
    licence("规1号", "DG-502", "2026-03-02", project=code["licence"])
    case(
        "D case",
        "DG-502",
        {"ACCEPTED": "2026-02-24 09:00", "DONE_OK": "2026-03-02 09:00"},
        channel="D1",
        project=code["case"],
    )
    case("D no result", "DG-502", {"ACCEPTED": "2026-02-24 09:00"}, channel="D1", project=code["no result"])
    case(
        "D returned",
        "DG-502",
        {"ACCEPTED": "2026-02-24 09:00", "DONE_RETURNED": "2026-03-02 09:00"},
        channel="D1",
        project=code["returned"],
    )
    licence("规2号", "DG-502", "2025-12-31", project=code["before"])
    licence("规3号", "DG-502", "2026-03-02", project=code["in m2"])
    case("M", "DG-502", {"SUBMITTED": "2026-02-02 09:00"}, project=code["in m2"])
    licence("规4号", "DG-502", "2026-03-02", project=code["cancelled"], state="注销")
    item("DG-908", valid_to=date(2026, 2, 1), process_types=["3"])
    item("DG-908", version=2, channel="other", valid_from=date(2026, 2, 1), process_types=["3"])
    licence("规5号", "DG-908", "2026-03-02", project=code["other channel now"])
    assert found("2026-03-04", "C2") == set()
    assert found("2026-03-05", "C2") == {("C2", "DG-502", "规1号"), ("C2", "DG-502", "D case")}


def rows_in(events: dict[str, str], first: str, last: str) -> list[tuple]:
    """Events whose rows came between two stamps."""
    names = list(events)
    return [(name, events[name], {"inserted_at": first if name != names[-1] else last}) for name in names]


def test_c3_registered_afterwards():
    project()
    day = {"SUBMITTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-03 09:00", "DONE_OK": "2026-03-10 15:00"}
    case("late", "DG-502", rows_in(day, "2026-03-12 00:00:01", "2026-03-13 09:00"))
    case("next day", "DG-502", rows_in(day, "2026-03-11 23:00", "2026-03-13 09:00"))
    case("burst", "DG-502", rows_in(day, "2026-03-10 16:00", "2026-03-10 16:10"))
    case("slow burst", "DG-502", rows_in(day, "2026-03-10 16:00", "2026-03-10 16:11"))
    case("usual", "DG-502", day)
    case("department", "DG-502", rows_in(day, "2026-03-20 09:00", "2026-03-20 09:00"), channel="D1")
    case(
        "corrected",
        "DG-502",
        [
            *((n, w, {}) for n, w in day.items()),
            ("DONE_OK", "2026-03-10 15:00", {"version": 2, "inserted_at": "2026-03-25 09:00"}),
        ],
    )
    case(
        "licence first",
        "DG-502",
        rows_in(day, "2026-03-10 09:00", "2026-03-10 15:10"),
        licence_issued_at=at("2026-03-05"),
    )
    assert keys("2026-03-31", "C3") == {"late", "burst", "licence first"}


def outage(
    since: str,
    found_at: str,
    resumed: str,
    ended: str,
    *,
    backlog: str | None = None,
    of: tuple[str, str] | None = None,
) -> None:
    """A silence of the municipal platform, or of a part ``of`` it, that is over; ``backlog``: an hour within it for which rows came
    late."""
    feed, (kind, part) = ("m2.bj", of) if of else ("m2", ("source", ""))
    with transaction() as connection:
        connection.exec_driver_sql(
            """insert into landing.silence (feed, kind, part, since, found_at, ended_at, basis, text)
               values (%s, %s, %s, %s, %s, %s, 'rhythm', '')""",
            (feed, kind, part, since, found_at, ended),
        )
        for hour in filter(None, (resumed, backlog)):
            arrivals.add(
                connection,
                "select 'm2.bj', :kind, :part, cast(:hour as timestamp), date '2026-03-20', 9",
                kind=kind if of else "feed",
                part=part,
                hour=hour,
            )


@pytest.mark.parametrize("backlog", [None, "2026-03-11 09:00"])
def test_c3_accuses_nobody_of_a_backlog_that_is_stamped_anew(backlog):
    project()
    outage("2026-03-10 12:00", "2026-03-11 15:00", "2026-03-20 09:00", "2026-03-20 10:00", backlog=backlog)
    day = {"SUBMITTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-03 09:00", "DONE_OK": "2026-03-10 15:00"}
    case("backlog", "DG-502", rows_in(day, "2026-03-20 09:30", "2026-03-20 09:30"))
    case("backlog, next day", "DG-502", rows_in(day, "2026-03-23 11:30", "2026-03-23 11:50"))
    case("after the backlog", "DG-502", rows_in(day, "2026-03-25 09:30", "2026-03-25 11:30"))
    before = {"SUBMITTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-03 09:00", "DONE_OK": "2026-03-06 15:00"}
    case("due before", "DG-502", rows_in(before, "2026-03-20 09:30", "2026-03-20 09:30"))
    guilty = {"after the backlog", "due before"}
    if backlog:  # its rows kept their own times: so have those of the cases
        guilty |= {"backlog", "backlog, next day"}
    assert keys("2026-03-31", "C3") == guilty


@pytest.mark.parametrize(
    ("of", "guilty"),
    [(("town", "441900004"), {"elsewhere"}), (("item", "DG-502"), set()), (("item", "DG-604"), {"late", "elsewhere"})],
)
def test_c3_accuses_nobody_of_the_backlog_of_a_town_or_an_item(of, guilty):
    here, there = projects(2)
    project(here)
    project(there, town_code="441900123")
    outage("2026-03-10 12:00", "2026-03-11 15:00", "2026-03-20 00:00", "2026-03-20 10:00", of=of)
    day = {"SUBMITTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-03 09:00", "DONE_OK": "2026-03-10 15:00"}
    for number, code in (("late", here), ("elsewhere", there)):
        case(number, "DG-502", rows_in(day, "2026-03-20 09:30", "2026-03-20 09:30"), project=code)
    assert keys("2026-03-31", "C3") == guilty


def test_c4_time_inverted():
    project()
    case("inverted", "DG-502", {"ACCEPTED": "2026-03-10 09:00", "DONE_OK": "2026-03-10 08:00"})
    case("in order", "DG-502", {"ACCEPTED": "2026-03-10 09:00", "DONE_OK": "2026-03-10 09:00"})
    case("a day, date only", "DG-502", {"ACCEPTED": "2026-03-11", "DONE_OK": "2026-03-10 08:00"})
    case("two days, date only", "DG-502", {"ACCEPTED": "2026-03-12", "DONE_OK": "2026-03-10 08:00"})
    case("licence", "DG-502", {"ACCEPTED": "2026-03-12 09:00"}, licence_issued_at=at("2026-03-09"))
    assert keys("2026-03-11", "C4") == {"inverted"}
    assert keys("2026-03-12", "C4") == {"inverted", "two days, date only", "licence"}


def test_c5_instant_decision():
    project()
    item("DG-903", project_type="1")
    item("DG-904", promised=4)
    at_once = {"ACCEPTED": "2026-03-02 09:00", "DONE_OK": "2026-03-02 09:10"}
    case("instant", "DG-502", at_once)
    case("a minute more", "DG-502", {**at_once, "DONE_OK": "2026-03-02 09:11"})
    case("date only", "DG-502", {"ACCEPTED": "2026-03-02", "DONE_OK": "2026-03-02"})
    case("即办件", "DG-903", at_once)
    case("short", "DG-904", at_once)
    case("告知承诺", "DG-502", at_once, commitment=True)
    assert keys("2026-03-03", "C5") == {"instant"} and keys("2026-03-01", "C5") == set()


def test_c6_review_before_acceptance():
    a, b, c = projects(3)
    case(
        "reviewed",
        "DG-502",
        {"SUBMITTED": "2026-02-25 09:00", "HANDLING": "2026-03-02 09:00", "ACCEPTED": "2026-03-05 09:00"},
        project=a,
    )
    case("consulted", "DG-502", {"CONSULTED": "2026-03-02 09:00", "ACCEPTED": "2026-03-05 09:00"}, project=a)
    case("two days", "DG-502", {"HANDLING": "2026-03-02 09:00", "ACCEPTED": "2026-03-04 09:00"}, project=a)
    case(
        "a step of intake",
        "DG-502",
        [("HANDLING", "2026-03-02 09:00", {"step_name": "窗口接件"}), ("ACCEPTED", "2026-03-05 09:00", {})],
        project=a,
    )
    case(
        "intake",
        "DG-502",
        {"SUBMITTED": "2026-02-25 09:00", "SUPPLEMENT_START": "2026-02-26 09:00", "ACCEPTED": "2026-03-05 09:00"},
        project=a,
    )
    for code, returns in ((b, 2), (c, 1)):
        previous = None
        for n in range(3):
            result = (
                {"REJECTED_INTAKE": f"2026-03-{3 + 7 * n:02} 09:00"}
                if n < returns
                else {"ACCEPTED": f"2026-03-{3 + 7 * n:02} 09:00"}
            )
            case(
                f"{code} {n}",
                "DG-502",
                {"SUBMITTED": f"2026-03-{2 + 7 * n:02} 09:00", **result},
                project=code,
                prior_case_no=previous,
            )
            previous = f"{code} {n}"
    assert keys("2026-03-31", "C6") == {"reviewed", "consulted", f"{b} 2"}
    assert keys("2026-03-04", "C6") == set()


def test_c7_order_inverted():
    names = ("never", "later", "in order", "nowhere", "soft", "before")
    code = dict(zip(names, projects(len(names)), strict=True))
    item("DG-604", stage=6, promised=3, needs=("DG-502",), soft_prerequisites=["DG-502"], process_types=["3"])
    project(code["soft"], fast_track=True)
    for name in names:
        day = "2025-12" if name == "before" else "2026-03"
        case(f"604 {name}", "DG-604", {"ACCEPTED": f"{day}-09", "DONE_OK": f"{day}-10 09:00"}, project=code[name])
        if name != "nowhere":
            ended = {"later": "2026-03-10 10:00", "in order": "2026-03-10 09:00"}.get(name)
            case(
                f"502 {name}",
                "DG-502",
                {"ACCEPTED": f"{day}-02", **({"DONE_OK": ended} if ended else {})},
                project=code[name],
                channel="D1",
            )
    assert found("2026-03-09", "C7") == set()
    assert found("2026-03-10", "C7") == {("C7", "DG-604", "604 never"), ("C7", "DG-604", "604 later")}


def test_c8_parked():
    project()
    begun = ("ACCEPTED", "2026-03-02 09:00", {})

    def special(no: str, start: str, end: str | None = None, item_code: str = "DG-502", **limit) -> None:
        ends = [("SPECIAL_END", end, {})] if end else []
        case(no, item_code, [begun, ("SPECIAL_START", start, limit), *ends])

    ten = {"limit_days": 10, "limit_unit": "工作日"}  # from 03-04: to 03-18
    special("past its limit", "2026-03-04 09:00", **ten)
    special("ended past its limit", "2026-03-04 09:00", "2026-03-19 09:00", **ten)
    special("ended in time", "2026-03-04 09:00", "2026-03-18 09:00", **ten)
    special("without a limit", "2026-03-04 09:00")  # 60 working days: 06-01
    special("before due", "2026-03-10 09:00", "2026-03-11 09:00")  # due 03-11
    special("on the due day", "2026-03-11 09:00", "2026-03-12 09:00")
    special("two days before due", "2026-03-09 09:00", "2026-03-11 09:00")
    special("after due", "2026-03-12 09:00", "2026-03-13 09:00")
    special("short", "2026-03-05 09:00", "2026-03-06 09:00", "DG-604")
    case(
        "asked", "DG-502", {"SUBMITTED": "2026-03-02 09:00", "SUPPLEMENT_START": "2026-03-04 09:00"}
    )  # 30 working days: 04-16
    assert keys("2026-03-18", "C8") == {"before due", "on the due day"}
    assert keys("2026-03-19", "C8") == {"before due", "on the due day", "past its limit", "ended past its limit"}
    assert "asked" not in keys("2026-04-15", "C8") and "asked" in keys("2026-04-16", "C8")
    assert "without a limit" not in keys("2026-05-29", "C8") and "without a limit" in keys("2026-06-01", "C8")
    assert not keys("2026-06-01", "C8") & {"ended in time", "two days before due", "after due", "short"}


def test_c9_off_the_list():
    project()
    for channel in ("M2", "D1", "D3", "D4", "D5", "P3"):
        case(channel, None, {"SUBMITTED": "2026-03-02 09:00"}, channel=channel, item_code_written="X-1")
    case("alias", "DG-502", {"SUBMITTED": "2026-03-02 09:00"}, item_code_written="4419XXXX")
    assert found("2026-03-02", "C9") == {("C9", "X-1", no) for no in ("M2", "D1", "D3", "D4")}
    assert found("2026-03-01", "C9") == set()


def test_c9_asks_of_the_day_of_receipt_and_a_resubmission_is_none():
    project()
    with transaction() as connection:
        connection.exec_driver_sql("insert into store.item_code values ('OLD', 'DG-502', '2020-01-01', '2026-03-05')")
    asked = [
        ("SUBMITTED", "2026-03-02 09:00", {}),
        ("SUPPLEMENT_START", "2026-03-03 09:00", {}),
        ("SUBMITTED", "2026-03-06 09:00", {"version": 2}),
    ]
    case("asked", None, asked, item_code_written="OLD")
    case("late", None, {"SUBMITTED": "2026-03-05 09:00"}, item_code_written="OLD")
    assert found("2026-03-06", "C9") == {("C9", "OLD", "late")}


def test_c9_goes_to_the_department_that_handled_it():
    project()
    case("X", None, {"SUBMITTED": "2026-03-02 09:00"}, item_code_written="X-1", department_code="114419000001000445")
    case(
        "Y",
        None,
        {"SUBMITTED": "2026-03-02 09:00"},
        channel="D4",
        item_code_written="X-1",
        department_name="东莞市生态环境局",
    )
    rows = {
        row["case_no"]: (row["department_code"], row["department_name"])
        for row in on_day(at("2026-03-02").date()).findings.to_dicts()
        if row["rule"] == "C9"
    }
    assert rows == {"X": ("114419000001000445", "东莞市自然资源局"), "Y": ("114419000001000520", "东莞市生态环境局")}


def test_c10_split_or_doubled():
    names = ("doubled", "after", "works", "several", "same work")
    code = dict(zip(names, projects(len(names)), strict=True))
    item("DG-905", multiple=True, process_types=["3"])
    for name in names:
        kind = "DG-905" if name in ("several", "same work") else "DG-502"
        works = {"works": ("A", "B"), "same work": ("A", "A"), "several": (None, None)}.get(name, (None, None))
        end = {"DONE_OK": "2026-03-05 09:00"} if name == "after" else {}
        case(f"{name} 1", kind, {"SUBMITTED": "2026-03-02 09:00", **end}, project=code[name], engineering_code=works[0])
        case(f"{name} 2", kind, {"SUBMITTED": "2026-03-05 09:00"}, project=code[name], engineering_code=works[1])
    assert keys("2026-03-04", "C10") == set()
    assert keys("2026-03-05", "C10") == {"doubled 2", "same work 2"}


def test_c11_withdrawn_and_filed_again():
    names = ("three days", "four days", "on the day", "after due", "late again", "tenth day")
    code = dict(zip(names, projects(len(names)), strict=True))
    # accepted 03-02, promised 7: due 03-11
    gone = {
        "three days": "2026-03-06",
        "four days": "2026-03-05",
        "on the day": "2026-03-11",
        "after due": "2026-03-12",
        "late again": "2026-03-10",
        "tenth day": "2026-03-10",
    }
    again = {"late again": "2026-03-25", "tenth day": "2026-03-24"}
    for name in names:
        case(name, "DG-502", {"ACCEPTED": "2026-03-02", "WITHDRAWN": gone[name]}, project=code[name])
        case(f"{name} again", "DG-502", {"SUBMITTED": again.get(name, "2026-03-13")}, project=code[name])
    assert keys("2026-03-31", "C11") == {"three days", "on the day", "tenth day"}
    assert keys("2026-03-12", "C11") == set()


def test_c12_unlinked():
    names = ("absent", "typo", "stranger", "old form", "early", "internal", "twins", "right")
    code = dict(zip(names, projects(len(names)), strict=True))
    for name in names:
        project(code[name], project_name=f"厂房{name}")
    twin, foreign = project_code(90), project_code(91)
    project(twin, project_name="厂房twins")
    project(foreign, project_name="别人的厂房", applicant_uscc=OTHER)
    written = {
        "absent": None,
        "typo": code["typo"][:-1] + str((int(code["typo"][-1]) + 1) % 10),
        "stranger": foreign,
        "old form": "2019-441900-04-01-000001",
        "early": None,
        "internal": None,
        "twins": None,
        "right": code["right"],
    }
    for name in names:
        day = "2026-01-05 08:00" if name == "early" else "2026-03-02 09:00"
        case(
            name,
            "DG-502",
            {"SUBMITTED": day},
            project=code[name],
            project_code_written=written[name],
            project_name=f"厂房{name}",
            applicant_type="3" if name == "internal" else "2",
        )
    assert keys("2026-03-02", "C12") == {"absent", "typo", "stranger"}
    (row,) = [
        r
        for r in on_day(at("2026-03-02").date()).findings.to_dicts()
        if r["case_no"] == "stranger" and r["rule"] == "C12"
    ]
    assert row["project_code"] == code["stranger"]


def test_c13_built_before_permitted():
    names = ("levelled", "built", "farmed", "no date", "after", "small", "neighbour", "not expected", "other side")
    code = dict(zip(names, projects(len(names)), strict=True))
    project(code["not expected"], process_type="9")
    for n, name in enumerate(names[:-1]):
        west = 113.70 + n * 0.01
        redline(f"R{n}", code[name], west, 23.0, west + 0.002, 23.002)
        kind = {"built": "20", "farmed": "01"}.get(name, "TP")
        size = 0.0002 if name == "small" else 0.001
        polygon(name, kind, None if name == "no date" else "2026-03-01", west, 23.0, west + size, 23.0 + size)
    west = 113.70 + names.index("neighbour") * 0.01
    redline("RN", code["other side"], west + 0.0009, 23.0, west + 0.0011, 23.001)
    case("permit", "DG-604", {"ACCEPTED": "2026-02-20", "DONE_OK": "2026-02-27"}, project=code["after"])
    assert found("2026-02-28", "C13") == set()
    assert found("2026-03-01", "C13") == {("C13", "DG-604", "levelled"), ("C13", "DG-604", "built")}


def test_c14_broken_reference():
    names = ("broken", "known", "old", "land")
    code = dict(zip(names, projects(len(names)), strict=True))
    licence("地字第441900202600001号", "DG-404", "2026-02-02", project=code["known"])
    put("land_approval", "粤府(2026)5号|", approval_no="粤府(2026)5号", approved_at=at("2026-01-20"))
    quoted = {
        "broken": "地字第441900202699999号",
        "known": "地字第４４１９００２０２６００００１号",
        "old": "地字第441900201900001号",
        "land": "粤府〔2026〕5号",
    }
    for name in names:
        case(name, "DG-604", {"SUBMITTED": "2026-03-02 09:00"}, project=code[name], licence_no=f"施{name}")
        licence(
            f"施{name}", project=code[name], channel="D3", kind="permit", quotes_land=quoted[name], case_id=f"M2:{name}"
        )
    assert found("2026-04-01", "C14") == {("C14", "DG-604", "broken")}
    licence("地字第441900202699999号", "DG-404", "2026-02-03", project=code["land"])
    assert found("2026-04-01", "C14") == set()


def test_c15_past_the_one_window():
    names = ("own", "linked", "in m2", "built", "unified", "filed elsewhere", "silent", "sheet")
    code = dict(zip(names, projects(len(names)), strict=True))
    item("DG-906", channel="other", process_types=["3"])
    case("own", "DG-502", {"ACCEPTED": "2026-03-02 09:00"}, channel="D1", project=code["own"])
    case(
        "linked", "DG-502", {"ACCEPTED": "2026-03-02 09:00"}, channel="D1", project=code["linked"], municipal_no="4419"
    )
    case("in m2", "DG-502", {"ACCEPTED": "2026-03-02 09:00"}, channel="D1", project=code["in m2"])
    case("m2", "DG-502", {"SUBMITTED": "2026-03-09 09:00"}, project=code["in m2"])
    case(
        "built",
        "DG-502",
        [("ACCEPTED", "2026-03-02 09:00", {"origin": "2"}), ("DONE_OK", "2026-03-04 09:00", {"origin": "2"})],
        channel="D3",
        project=code["built"],
    )
    case(
        "unified", "DG-502", [("ACCEPTED", "2026-03-02 09:00", {"origin": "1"})], channel="D3", project=code["unified"]
    )
    case("elsewhere", "DG-906", {"ACCEPTED": "2026-03-02 09:00"}, channel="D1", project=code["filed elsewhere"])
    # without SJLY (2.0, spreadsheets) a number that M2 does not know is the department's own
    case("silent", "DG-502", {"ACCEPTED": "2026-03-02"}, channel="D3", project=code["silent"])
    case("sheet", "DG-502", {"ACCEPTED": "2026-03-02"}, channel="D5", project=code["sheet"])
    assert keys("2026-03-10", "C15") == {"own", "built", "silent", "sheet"} and keys("2026-03-01", "C15") == set()


def test_a_verdict_from_absence_waits_for_complete_data():
    project()
    case("604", "DG-604", {"ACCEPTED": "2026-03-02"})
    case("running", "DG-502", {"ACCEPTED": "2026-02-02"}, channel="D1")
    complete("m2.sl", until="2026-03-02 12:00")
    assert found("2026-03-20", "C1") == set() and found("2026-03-20", "C1", waiting=True) == {("C1", "DG-502", "")}
    assert keys("2026-03-20", "overdue") >= {"running"}, "its own source is complete"
    complete("d1.cases", until="2026-02-10")
    assert found("2026-03-02", "overdue", waiting=True) == {("overdue", "DG-502", "running")}
    complete("m2.sl", until="2027-12-31")
    assert found("2026-03-20", "C1") == {("C1", "DG-502", "")}


def test_a_result_waits_for_its_own_source_and_a_prerequisite_for_its_departments():
    project()
    case("D", "DG-502", {"ACCEPTED": "2026-02-24", "DONE_OK": "2026-03-02"}, channel="D4", municipal_no="4419")
    case("never", "DG-502", {"ACCEPTED": "2026-03-02"})
    case("604", "DG-604", {"ACCEPTED": "2026-03-02", "DONE_OK": "2026-03-03"})
    other = project_code(2)
    project(other)
    case(
        "E",
        "DG-502",
        {"ACCEPTED": "2026-02-24", "DONE_OK": "2026-03-02"},
        channel="D4",
        project=other,
        municipal_no="4420",
    )
    complete("d4.cases", until="2026-03-02 12:00")
    assert found("2026-03-20", "C2", waiting=True) == {("C2", "DG-502", "E")}
    assert found("2026-03-20", "C7") == set(), "the prerequisite is done"
    case("D", "DG-502", {"ACCEPTED": "2026-02-24"}, channel="D4", municipal_no="4419")
    gone("case_event", "D4:D|1")
    assert found("2026-03-20", "C7") == {("C7", "DG-604", "604")}, "生态环境局's files say nothing of 住建局's items"
    complete("d3.log", until="2026-03-10")
    assert found("2026-03-20", "C7", waiting=True) == {("C7", "DG-604", "604")}


def test_a_source_that_was_never_read_is_waited_for():
    project()
    case("604", "DG-604", {"ACCEPTED": "2026-03-13"})
    with transaction() as connection:
        connection.exec_driver_sql("delete from landing.completed where feed = 'm2.sb'")
    assert found("2026-04-10", "C1", waiting=True) == {("C1", "DG-502", "")} and found("2026-04-10", "C1") == set()
    assert found("2026-10-10", "C1") == set(), "nothing of a hub that is young is older than thirty days"
    with transaction() as connection:
        connection.exec_driver_sql(
            "insert into landing.run (source, feed, window_full, started_at, trigger) values ('m2', 'm2.sl', true, now() - interval '31 days', 'test')"
        )
    assert found("2026-10-10", "C1") == {("C1", "DG-502", "")}


def test_a_hole_older_than_thirty_days_is_not_waited_for():
    project()
    case("604", "DG-604", {"ACCEPTED": "2026-03-13"})
    complete("m2.sl", since="2026-03-20")
    assert found("2026-04-10", "C1", waiting=True) and not found("2026-04-25", "C1", waiting=True)
    assert found("2026-04-25", "C1") == {("C1", "DG-502", "")}


def test_the_towns_office_answers_for_what_it_handled():
    item("DG-907", departments="东莞市住房和城乡建设局/镇街", process_types=["3"])
    project(P, town_code="441900129")
    office, city_level = "114419000002012916", "11441900000100060T"
    case("by town", "DG-907", {"REJECTED_INTAKE": "2026-03-02"}, department_code=office)
    case("by city", "DG-907", {"REJECTED_INTAKE": "2026-03-02"}, department_code=city_level)
    case("not listed", "DG-502", {"REJECTED_INTAKE": "2026-03-02"}, department_code=office)
    rows = {
        row["case_no"]: row["department_code"]
        for row in on_day(at("2026-03-02").date()).findings.to_dicts()
        if row["rule"] == "returned"
    }
    assert rows == {"by town": office, "by city": city_level, "not listed": city_level}


@pytest.mark.parametrize(
    ("day", "limit"), [("2026-03-01", 5), ("2026-03-02", None), ("2026-03-03", 9), ("2026-03-10", 4), ("2026-03-21", 9)]
)
def test_a_clock_runs_by_the_version_that_holds_up_to_its_last_day(day, limit):
    """Received and accepted on the last day of a version: its limit, no finding of an item off the list."""
    code = project_code(77)
    project(code)
    item("DG-77", promised=5, valid_to=date(2026, 3, 1))
    item("DG-77", promised=9, version=2, valid_from=date(2026, 3, 3))
    item("DG-77", promised=4, version=3, valid_from=date(2026, 3, 10), valid_to=date(2026, 3, 20))
    case("K1", "DG-77", {"SUBMITTED": f"{day} 17:00", "ACCEPTED": f"{day} 17:30"}, project=code)
    cases = on_day(date(2026, 4, 1), projects=[code]).facts.cases
    assert cases["promised_limit"].to_list() == [limit]
