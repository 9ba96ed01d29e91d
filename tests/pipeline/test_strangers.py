"""What strangers share is no identity: one number of many applicants joins nothing, unlike rows of one key are reported."""

from __future__ import annotations

from pipeline import unify
from tests.pipeline.rows import case, licence, rows, run, scalar, sheet

USCC = ["91441900MA0000015D", "91441900MA00000010", "91441900MA00000023", "91441900MA00000036", "91441900MA00000049"]


def test_a_number_that_many_applicants_state_joins_nothing_and_is_reported(world):
    shared = "441900000001"
    world["d4.cases"].pages = [
        [sheet(n, SBLSH_SHORT=shared, SQRMC=f"公司{n}", SQRZJHM=code) for n, code in enumerate(USCC)]
    ]
    world["m2.sb"].pages = [[case(1)]]
    run("d4.cases"), run("m2.sb")
    unify.run()
    assert scalar('select count(*) from store."case" where gone_at is null') == len(USCC) + 1
    (issue,) = rows("select feed, field, detail, count from landing.issue where code = 'join_refused'")
    assert (issue["feed"], issue["field"]) == ("d4.cases", "municipal_no") and shared in issue["detail"]


def test_a_number_of_one_applicant_joins_as_before(world):
    world["d4.cases"].pages = [[sheet(n, SBLSH_SHORT="441900000001", SQRZJHM=USCC[0]) for n in range(3)]]
    world["m2.sb"].pages = [[case(1)]]
    run("d4.cases"), run("m2.sb")
    unify.run()
    assert scalar('select count(*) from store."case" where gone_at is null') == 1
    assert scalar("select count(*) from landing.issue where code = 'join_refused'") == 0


def test_documents_of_one_number_and_many_holders_stay_apart(world):
    held = [
        licence(n, "2026-02-20 10:00:00", certificate_number="证1", certificate_holder=f"公司{n}") for n in range(5)
    ]
    world["p3.licence"].pages = [held]
    run("p3.licence")
    unify.run()
    assert scalar("select count(*) from store.licence where gone_at is null") == 5
    assert scalar("select count(*) from landing.issue where code = 'join_refused' and field = 'number'") == 1
    world["p3.licence"].pages = [
        [{**row, "cd_time": "2026-02-21 10:00:00", "certificate_holder": "公司"} for row in held]
    ]
    run("p3.licence")
    unify.run()
    assert scalar("select count(*) from store.licence where gone_at is null") == 1


def test_unlike_rows_of_one_key_in_one_payload_are_reported(world):
    world["d5.weather"].pages = [
        [
            {"申办流水号": "4419", "文号": "1号", "建设单位": "甲"},
            {"申办流水号": "4419", "文号": "2号", "建设单位": "乙"},
        ]
    ]
    outcome = run("d5.weather")
    assert (outcome.counts.new, outcome.counts.history) == (1, 1)
    (issue,) = rows("select record, severity from landing.issue where code = 'key_shared'")
    assert issue["record"] == "4419"
    world["d5.fire"].pages = [[{"申办流水号": "4419", "文号": "1号"}] * 2]
    run("d5.fire")
    assert scalar("select count(*) from landing.issue where code = 'key_shared'") == 1
