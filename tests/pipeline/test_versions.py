"""The order of arrival decides nothing: versions, tombstones, absence, replacement."""

import random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import hash as store_hash
from store import holds, quarantine, rawrow
from store.engine import engine
from tests.pipeline.rows import case, licence, project, rows, run, scalar, sheet, window

ANY = window(None, None)


def current(feed: str) -> dict[str, dict]:
    return {row["record_key"]: row for row in rows("select * from source.record where feed = :feed", feed=feed)}


def history(feed: str) -> list[tuple]:
    return [
        (row["record_key"], rawrow.text(row["raw"]), row["source_time"])
        for row in rows(
            """select r.record_key, h.raw, h.source_time from source.record_history h
               join source.record r on r.id = h.record_id where r.feed = :feed and h.withdrawn_at is null order by 1, 3, h.content_hash""",
            feed=feed,
        )
    ]


def empty() -> None:
    """An empty hub again, without the cost of a database."""
    with engine().begin() as connection:
        tables = connection.execute(
            sa.text(
                "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables "
                "where schemaname in ('landing', 'source')"
            )
        ).scalar()
        connection.execute(sa.text(f"truncate {tables}, store.dirty restart identity cascade"))


def test_an_older_version_that_arrives_late_goes_to_history(world):
    world["m2.sb"].pages = [[case(1, SBXMMC="新", INSERTTIME="2026-03-02 08:00:00")]]
    run("m2.sb", ANY)
    world["m2.sb"].pages = [[case(1, SBXMMC="旧", INSERTTIME="2026-03-01 08:00:00")]]
    outcome = run("m2.sb", ANY)
    assert outcome.counts.history == 1 and outcome.counts.balanced
    assert scalar("select project_name from source.case") == "新"
    assert len(history("m2.sb")) == 1
    assert run("m2.sb", ANY).counts.unchanged == 1


def test_several_versions_in_one_batch_leave_the_greatest_current(world):
    versions = [case(1, SBXMMC=f"第{n}", INSERTTIME=f"2026-03-0{n} 08:00:00") for n in (2, 3, 1)]
    world["m2.sb"].pages = [versions, [versions[1]]]
    outcome = run("m2.sb", ANY)
    counts = outcome.counts
    assert (counts.new, counts.history, counts.unchanged) == (1, 2, 1) and counts.balanced
    assert scalar("select project_name from source.case") == "第3"


def test_equal_time_is_decided_by_content_whatever_comes_first(world):
    one, two = case(1, SBXMMC="甲"), case(1, SBXMMC="乙")
    seen = set()
    for order in ([one, two], [two, one]):
        empty()
        for row in order:
            world["m2.sb"].pages = [[row]]
            run("m2.sb", ANY)
        seen.add((scalar("select project_name from source.case"), tuple(history("m2.sb"))))
    assert len(seen) == 1


def test_a_change_log_orders_delete_over_update_over_insert_at_one_time(world):
    at = "2026-03-01 08:00:00"
    world["p3.licence"].pages = [[licence(1, at, "D"), licence(1, at, "U"), licence(1, at, "I"), licence(2, at, "I")]]
    outcome = run("p3.licence", ANY)
    assert (outcome.counts.tombstoned, outcome.counts.history, outcome.counts.new) == (1, 2, 1), outcome
    assert [row["number"] for row in rows("select number from source.licence")] == ["证2"]
    assert current("p3.licence")["guid-1"]["tombstone"] == "said"


def test_a_delete_for_an_unknown_record_is_kept_and_a_later_insert_revives_it(world):
    world["p3.licence"].pages = [[licence(1, "2026-03-02 08:00:00", "D")]]
    assert run("p3.licence", ANY).counts.tombstoned == 1
    world["p3.licence"].pages = [[licence(1, "2026-03-01 08:00:00", "I")]]
    assert run("p3.licence", ANY).counts.history == 1  # the insert is older than the delete
    assert scalar("select count(*) from source.licence") == 0
    world["p3.licence"].pages = [[licence(1, "2026-03-03 08:00:00", "I")]]
    assert run("p3.licence", ANY).counts.changed == 1
    assert scalar("select count(*) from source.licence") == 1
    assert current("p3.licence")["guid-1"]["tombstoned_at"] is None


def test_without_a_time_the_later_receipt_holds(world):
    for name in ("甲", "乙", "甲"):
        world["d2.projects"].pages = [[project(1, name)]]
        run("d2.projects")
    assert scalar("select project_name from source.project") == "甲1"
    assert [row[1] for row in history("d2.projects") if "乙1" in row[1]] and len(history("d2.projects")) == 1


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_repetition_of_versions_gives_the_same_store(world, data):
    versions = [licence(n % 3, f"2026-03-0{1 + n // 3} 08:00:00", o) for n in range(6) for o in ("I", "U", "D")]
    versions = random.Random(7).sample(versions, 12)
    shuffled = data.draw(st.permutations(versions)) + data.draw(st.lists(st.sampled_from(versions), max_size=6))
    size = data.draw(st.integers(2, len(shuffled)))

    def fill(given):
        empty()
        for start in range(0, len(given), size):
            world["p3.licence"].pages = [given[start : start + size]]
            outcome = run("p3.licence", ANY)
            assert outcome.outcome == "ok" and outcome.counts.balanced, outcome
        return store_hash.of_sources()

    assert fill(shuffled) == fill(versions)


# -- absence


def full(world, numbers, **more):
    world["d2.projects"].pages = [[project(n, **more) for n in numbers]]
    return run("d2.projects")


def test_absence_from_a_complete_listing_is_a_deletion_and_a_return_revives(world):
    full(world, range(1, 21))
    outcome = full(world, range(2, 21))
    assert (outcome.outcome, outcome.counts.absent, outcome.counts.unchanged) == ("ok", 1, 19)
    assert scalar("select count(*) from source.project") == 19
    assert current("d2.projects")[project(1)["projectCode"]]["tombstone"] == "absent"
    outcome = full(world, range(1, 21))
    assert outcome.counts.changed == 1 and outcome.counts.balanced
    assert scalar("select count(*) from source.project") == 20
    (entry,) = rows("select * from source.absence")
    assert entry["back_at"] is not None


def test_an_incomplete_listing_or_a_window_proves_no_absence(world):
    full(world, range(1, 21))
    world["d2.projects"].complete = False
    assert full(world, range(2, 21)).counts.absent == 0
    world["d2.projects"].complete = True
    assert run("d2.projects", ANY).counts.absent == 0


def test_a_mass_deletion_waits_for_a_person_and_deletes_nothing(world):
    full(world, range(1, 21))
    outcome = full(world, [*range(1, 11), 21])
    assert (outcome.outcome, outcome.counts.absent, outcome.counts.new) == ("held", 0, 1) and outcome.counts.balanced
    assert outcome.zh and outcome.remedy
    assert scalar("select count(*) from source.project") == 21
    (hold,) = rows("select * from landing.hold")
    assert (hold["would_delete"], hold["stored"]) == (10, 20) and hold["decision"] is None
    assert full(world, [*range(1, 11), 21]).outcome == "held"  # asking again deletes nothing either
    latest = scalar("select max(id) from landing.hold")
    holds.decide(latest, "released", "operator", "the source confirmed")
    outcome = full(world, [*range(1, 11), 21])
    assert (outcome.outcome, outcome.counts.absent) == ("ok", 10)
    assert full(world, range(1, 6)).outcome == "held"  # a release is used once


def test_an_empty_listing_never_empties_the_store(world):
    full(world, range(1, 4))
    assert full(world, []).outcome == "held"
    assert scalar("select count(*) from source.project") == 3


def test_a_rejected_row_is_not_an_absent_one(world):
    full(world, range(1, 21))
    world["d2.projects"].pages = [[*map(project, range(2, 21)), project(1, totalInvest="viel")]]
    outcome = run("d2.projects")
    assert (outcome.counts.quarantined, outcome.counts.absent) == (1, 0), outcome
    world["d2.projects"].pages = [[*map(project, range(3, 21)), {"_broken": "?"}]]
    outcome = run("d2.projects")
    assert (outcome.counts.quarantined, outcome.counts.absent) == (1, 0)
    assert scalar("select count(*) from landing.issue where code = 'absence_unproven'") == 1


def test_a_row_without_a_key_that_a_person_dismissed_hides_no_absence(world):
    full(world, range(1, 21))
    for keyless in ({"_broken": "?"}, project(99, projectCode="")):
        left = scalar("select count(*) from source.record where tombstoned_at is null") - 1
        world["d2.projects"].pages = [[*map(project, range(1, left + 1)), keyless]]
        assert run("d2.projects").counts.absent == 0
        quarantine.dismiss([scalar("select max(id) from landing.quarantine")], "tester", "a line of dashes")
        outcome = run("d2.projects")
        assert (outcome.counts.quarantined, outcome.counts.absent) == (1, 1), outcome


def test_what_was_received_before_an_absence_revives_nothing(world):
    full(world, range(1, 21))
    first = scalar("select min(id) from landing.receipt")
    full(world, range(2, 21))
    record = current("d2.projects")[project(1)["projectCode"]]
    assert record["gone_receipt"] > first


# -- parts that replace each other wholly


def part(world, scope, *given):
    world["d4.cases"].scopes = [scope]
    world["d4.cases"].pages = [list(given)]
    outcome = run("d4.cases", ANY)
    assert outcome.counts.balanced, outcome
    return outcome


def test_a_part_sent_again_withdraws_what_it_no_longer_says(world):
    part(world, "HB_1", *map(sheet, range(1, 21)))
    outcome = part(world, "HB_1", *map(sheet, range(2, 21)))
    assert outcome.counts.absent == 1
    assert current("d4.cases")["HB000001"]["tombstone"] == "replaced"
    assert scalar("select count(*) from source.case") == 19
    assert part(world, "HB_1", *map(sheet, range(1, 21))).counts.changed == 1
    assert scalar("select count(*) from source.case") == 20


def test_another_part_that_says_it_keeps_it(world):
    part(world, "HB_1", *map(sheet, range(1, 21)))
    part(world, "HB_2", sheet(1))
    assert part(world, "HB_1", *map(sheet, range(2, 21))).counts.absent == 0
    assert scalar("select count(*) from source.case") == 20


def test_the_greatest_version_left_stands_again_when_the_current_one_is_withdrawn(world):
    part(world, "HB_1", sheet(1, "2026-03-01 10:00:00", SXMC="旧"), *map(sheet, range(2, 21)))
    part(world, "HB_2", sheet(1, "2026-03-05 10:00:00", SXMC="错"), sheet(99))
    assert scalar("select item_name from source.case where case_no = 'HB000001'") == "错"
    outcome = part(world, "HB_2", sheet(99))
    assert outcome.counts.absent == 0
    assert rows("select item_name, part from source.case where case_no = 'HB000001'") == [
        {"item_name": "旧", "part": "CASE"}
    ]
    assert scalar("select count(*) from source.case_event where case_no = 'HB000001'") == 1


def test_a_corrected_part_holds_though_its_time_is_older(world):
    part(world, "HB_1", sheet(1, "2026-03-05 10:00:00", SXMC="错"), sheet(2))
    part(world, "HB_1", sheet(1, "2026-03-01 10:00:00", SXMC="对"), sheet(2))
    assert scalar("select item_name from source.case where case_no = 'HB000001'") == "对"


def test_a_part_that_would_delete_many_waits_for_a_person(world):
    world["d4.cases"].state = {"taken": ["001"]}
    part(world, "HB_1", *map(sheet, range(1, 21)))
    world["d4.cases"].state = {"taken": ["001", "002"]}
    outcome = part(world, "HB_1", sheet(1))
    assert outcome.outcome == "held" and scalar("select count(*) from source.case") == 20
    assert scalar("select state::text from landing.feed_state") == '{"taken": ["001"]}'  # the file is brought again
    holds.decide(scalar("select max(id) from landing.hold"), "released", "operator", "right")
    assert part(world, "HB_1", sheet(1)).counts.absent == 19


def test_a_small_part_replaces_the_one_before_wholly(world):
    part(world, "HB_1", sheet(1), sheet(2), sheet(3))
    outcome = part(world, "HB_1", sheet(4))
    assert (outcome.outcome, outcome.counts.new, outcome.counts.absent) == ("ok", 1, 3)


def test_a_few_may_go_from_a_small_listing_but_not_most_of_it(world):
    full(world, range(1, 9))
    assert full(world, range(1, 6)).counts.absent == 3
    assert full(world, range(1, 3)).outcome == "held"


def test_a_part_may_come_back_empty(world):
    part(world, "HB_1", *map(sheet, range(1, 21)))
    part(world, "HB_2", sheet(99))
    assert part(world, "HB_2").counts.absent == 1


@pytest.mark.parametrize("first", ["HB_1", "HB_2"])
def test_parts_may_come_in_any_order(world, first):
    told = {"HB_1": [sheet(1, "2026-03-01 10:00:00"), sheet(2)], "HB_2": [sheet(1, "2026-03-02 10:00:00"), sheet(3)]}
    for scope in (first, *(told.keys() - {first})):
        part(world, scope, *told[scope])
    assert sorted(current("d4.cases")) == ["HB000001", "HB000002", "HB000003"]
    assert str(current("d4.cases")["HB000001"]["source_time"]) == "2026-03-02 10:00:00"
