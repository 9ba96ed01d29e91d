"""Batches through the real suites, in PostgreSQL: every reason of every row, and nothing lost that supervision needs."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.rows import case, licence, project, rows, run, scalar, sheet
from tests.quality.square import square


def reasons(feed: str) -> dict[str, set[tuple[str, str]]]:
    """Record key → (code, field) of its open entries."""
    found = rows("select record_key, reasons from landing.quarantine where feed = :feed and state = 'open'", feed=feed)
    return {row["record_key"]: {(r["code"], r.get("field")) for r in row["reasons"]} for row in found}


def issues(feed: str) -> dict[tuple[str, str | None], int]:
    """(code, field) → how often."""
    found = rows(
        "select code, field, sum(count)::int as n from landing.issue where feed = :feed group by 1, 2", feed=feed
    )
    return {(row["code"], row["field"]): row["n"] for row in found}


def polygon(number: int, **more) -> dict:
    """A change polygon of S2."""
    return {
        "JCBH": f"JC{number:06d}",
        "XZQDM": "441900",
        "XMC": "东莞市",
        "TBLX": "TP",
        "QSX": "2025-12-01",
        "HSX": "2026-02-01",
        "MJ": "1200.5",
        "SFYN": "0",
        "SFHX": "1",
        "geometry": square(113.75, 23.02),
        **more,
    }


def test_a_dirty_batch_gets_every_reason_of_every_row(world) -> None:
    world["s2.change"].pages = [
        [
            *(polygon(n) for n in range(1, 31)),
            polygon(41, geometry=None),
            polygon(42, geometry=square(23.02, 113.75)),
            polygon(43, MJ="-5", HSX="2025-01-01"),
            {**polygon(44), "geometry": square(116.4, 39.9), "JCBH": "JC\x7f000044"},
            polygon(45, JCBH="JC\ufffd45"),
        ]
    ]
    outcome = run("s2.change")
    assert outcome.outcome == "ok", outcome.error
    assert outcome.counts.balanced and outcome.counts.quarantined == 4 and outcome.counts.new == 31
    found = reasons("s2.change")
    assert found["JC000041"] == {("geometry_missing", "geom")}
    assert found["JC000042"] == {("geometry_outside", "geom_box")}
    assert found["JC000044"] == {("geometry_outside", "geom_box")}  # a control character is no part of a key
    assert found[None] == {("key_mangled", "JCBH")}  # bytes that could not be decoded: no key, and it says so
    told = issues("s2.change")
    assert told["area_not_positive", "area"] == 1
    assert told["dates_inverted", "seen_before/seen_after"] == 1


def test_certificates_of_another_root_are_told_and_stored(world) -> None:
    """The library's query for the failing rows holds a per cent sign, which a driver takes for a parameter."""
    told = {"certificate_type_name": "许可证", "certificate_number": "1", "state": "有效", "issue_date": "2026-01-05"}
    ids = ["1.2.156.3005.2.11100000000013338W009.11441900007330000P.000000000001.001.X", "9.9.9%.1", "x%s"]
    world["p1.licence"].pages = [[{"certificate_id": one, **told} for one in ids]]
    outcome = run("p1.licence")
    assert outcome.outcome == "ok", outcome.error
    assert outcome.counts.new == 3
    assert issues("p1.licence")["code_form", "record_key"] == 2


def test_all_rows_of_a_failing_check_are_found_not_the_first_of_them(world) -> None:
    good = [licence(n, "2026-03-01 09:00:00") for n in range(1, 2001)]
    bad = [licence(n, "2026-03-01 09:00:00", operation="X") for n in range(3001, 3301)]
    world["p3.licence"].pages = [[*good, *bad]]
    outcome = run("p3.licence")
    assert outcome.outcome == "ok", outcome.error
    assert outcome.counts.quarantined == 300 and outcome.counts.new == 2000
    assert (
        scalar(
            "select count(*) from landing.quarantine where feed = 'p3.licence' and reasons @> '[{\"code\": \"unknown_operation\"}]'"
        )
        == 300
    )


def test_a_row_that_the_mapping_rejects_has_the_suites_reasons_too(world) -> None:
    world["d3.log"].pages = [
        [
            *(
                {
                    "LSH": str(n),
                    "DFSJZJ": f"k{n}",
                    "GCDM": "g",
                    "SPSXSLBM": f"s{n}",
                    "BLZT": "3",
                    "BLSJ": "2026-03-01 10:00:00",
                    "SJYXBS": "1",
                    "SJSCZT": "3",
                    "GXSJ": "2026-03-01 11:00:00",
                }
                for n in range(1, 21)
            ),
            {
                "LSH": "99",
                "SPSXSLBM": "s99",
                "BLZT": "3",
                "BLSJ": "下周三",
                "SJYXBS": "7",
                "SJSCZT": "9",
                "GXSJ": "2026-03-01 11:00:00",
            },
        ]
    ]
    outcome = run("d3.log")
    assert outcome.outcome == "ok", outcome.error
    assert reasons("d3.log") == {"99": {("unreadable_time", "BLSJ"), ("unknown_validity", "SJYXBS")}}
    assert issues("d3.log")["unknown_state", "SJSCZT"] == 1


def test_what_supervision_has_to_see_is_kept_and_told(world) -> None:
    """C4 inverted times, C12 codes missing and wrong, C9 items unknown, C3 rows that were entered late."""
    world["d4.cases"].pages = [
        [
            *(sheet(n, PROJECT_CODE="2312-441900-04-01-123450") for n in range(1, 11)),
            sheet(
                21,
                PROJECT_CODE="2312-441900-04-01-123450",
                SLSJ="2026-02-03 09:00:00",
                BJSJ="2026-02-01 09:00:00",
                BJJGDM="0",
            ),
            sheet(22),
            sheet(23, PROJECT_CODE="2312-441900-04-01-123456"),
            sheet(24, PROJECT_CODE="2019-441900-78-03-056565", SXBM="NO-SUCH-ITEM"),
            sheet(25, PROJECT_CODE="2312-441900-04-01-123450", SLSJ="1026-02-01 09:00:00"),
        ]
    ]
    outcome = run("d4.cases")
    assert outcome.outcome == "ok", outcome.error
    assert (outcome.counts.new, outcome.counts.quarantined) == (15, 0)
    assert scalar("select count(*) from source.case where feed = 'd4.cases'") == 15
    told = issues("d4.cases")
    assert told["time_inverted", "accepted_at/concluded_at"] == 1
    assert told["project_code_missing", "PROJECT_CODE"] == 1
    assert told["project_code_invalid", "project_code"] == 1
    assert told["implausible_time", "accepted_at"] == 1
    inverted = rows("select record, detail from landing.issue where code = 'time_inverted'")
    assert inverted == [{"record": "HB000021", "detail": "2026-02-03 09:00:00 / 2026-02-01 09:00:00"}]


def test_a_stamp_without_a_time_of_day_is_compared_by_its_date(world) -> None:
    world["d4.cases"].pages = [
        [
            sheet(1, SLSJ="2026-02-03 09:00:00", BJSJ="2026-02-03", BJJGDM="0"),
            sheet(2, SLSJ="2026-02-03", BJSJ="2026-02-02 17:00:00", BJJGDM="0"),
        ]
    ]
    run("d4.cases")
    assert [row["record"] for row in rows("select record from landing.issue where code = 'time_inverted'")] == [
        "HB000002"
    ]


def test_personal_data_is_told_by_no_issue(world) -> None:
    world["m2.sb"].pages = [[case(n, SQRZJHM="91441900MA00000159") for n in range(1, 4)]]
    run("m2.sb")
    told = rows("select record, detail from landing.issue where code = 'uscc_invalid'")
    assert len(told) == 3
    assert {row["detail"] for row in told} == {""}


def test_many_alike_are_counted_not_listed_without_end(world) -> None:
    world["m2.sb"].pages = [[case(n) for n in range(1, 501)]]
    run("m2.sb")
    told = rows(
        "select record, count from landing.issue where code = 'project_code_missing' order by record nulls last"
    )
    assert len(told) == 51
    assert told[-1] == {"record": None, "count": 450}
    assert sum(row["count"] for row in told) == 500


def test_a_good_row_after_the_dirty_one_closes_its_entry(world) -> None:
    world["s2.change"].pages = [[*(polygon(n) for n in range(1, 11)), polygon(50, geometry=None)]]
    run("s2.change")
    assert set(reasons("s2.change")) == {"JC000050"}
    world["s2.change"].pages = [[polygon(50)]]
    run("s2.change")
    assert reasons("s2.change") == {}
    assert scalar("select count(*) from source.record where record_key = 'JC000050'") == 1


def test_an_empty_batch_asks_nothing(world, monkeypatch: pytest.MonkeyPatch) -> None:
    from quality import validation

    def never(*_: object) -> None:
        raise AssertionError("the library was asked")

    monkeypatch.setattr(validation, "_asked", never)
    world["m2.sb"].pages = [[]]
    assert run("m2.sb").outcome == "ok"


def test_a_full_listing_below_the_floor_stops(world, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import registry

    source, feed = registry.feed("m1.items")
    monkeypatch.setattr(registry, "feed", lambda _: (source, feed.model_copy(update={"floor": 5})))
    world["m1.items"].pages = [
        [{"item_code": "DG-101", "version": "1", "item_name": "备案", "updated_at": "2026-01-01 00:00:00"}]
    ]
    outcome = run("m1.items")
    assert (outcome.outcome, outcome.fault) == ("failed", "provider")
    assert "低于下限" in (outcome.zh or "")
    assert scalar("select code from landing.run order by id desc limit 1") == "below_floor"
    assert scalar("select count(*) from source.record") == 0


def test_an_empty_listing_of_rows_that_never_vanish_stops(world) -> None:
    item = {"item_code": "DG-101", "version": "1", "item_name": "备案", "updated_at": "2026-01-01 00:00:00"}
    world["m1.items"].pages = [[item]]
    assert run("m1.items").outcome == "ok"
    world["m1.items"].pages = [[]]
    outcome = run("m1.items")
    assert outcome.outcome == "failed"
    assert scalar("select code from landing.run order by id desc limit 1") == "empty_listing"
    assert scalar("select count(*) from source.record where tombstoned_at is null") == 1
    world["m1.items"].complete = False  # cut short: it proves nothing, and is no listing to judge
    assert run("m1.items").outcome == "ok"


def test_an_empty_listing_that_proves_absence_waits_for_a_person(world) -> None:
    world["d2.projects"].pages = [[project(n) for n in range(1, 21)]]
    run("d2.projects")
    world["d2.projects"].pages = [[]]
    assert run("d2.projects").outcome == "held"
    assert scalar("select count(*) from source.record where tombstoned_at is null") == 20


def test_too_many_rejected_stop_and_show_their_reasons(world) -> None:
    world["s2.change"].pages = [
        [*(polygon(n) for n in range(1, 11)), *(polygon(n, geometry=None) for n in range(11, 71))]
    ]
    outcome = run("s2.change")
    assert (outcome.outcome, outcome.fault) == ("failed", "provider")
    assert scalar("select code from landing.run order by id desc limit 1") == "too_many_rejected"
    assert len(reasons("s2.change")) == 60
    assert scalar("select count(*) from source.record") == 0


def test_an_entry_of_the_quarantine_says_all_that_a_person_needs(world) -> None:
    from quality import issues as listed

    world["s2.change"].pages = [[*(polygon(n) for n in range(1, 11)), polygon(50, geometry=square(116.4, 39.9))]]
    run("s2.change")
    (entry,) = rows("select feed, record_key, reasons, raw from landing.quarantine")
    assert (entry["feed"], entry["record_key"]) == ("s2.change", "JC000050")
    assert (
        json.loads(entry["raw"]["geometry"])["type"] == "MultiPolygon"
        if isinstance(entry["raw"]["geometry"], str)
        else True
    )
    (reason,) = entry["reasons"]
    told = listed.explained(reason)
    assert told["field"] == "geom_box" and told["duty_zh"] == "数源部门"
    assert "坐标系" in told["remedy_zh"] and told["remedy"]


def test_a_check_that_cannot_be_evaluated_is_our_defect_not_a_pass(world, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from quality import suites

    real = suites.entity("case")
    broken = replace(real.checks[0], arguments={"column": "no_such_column"}, columns=("no_such_column",))
    monkeypatch.setattr(suites, "entity", lambda name: suites.Suite("case", "entity", (broken,)))
    world["m2.sb"].pages = [[case(1)]]
    outcome = run("m2.sb")
    assert (outcome.outcome, outcome.fault) == ("failed", "ours")
    assert "no_such_column" in (outcome.error or "")
