"""A time of update that nobody can believe orders no version before one that can be believed, whatever came first."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import unify
from store import hash as store_hash
from tests.pipeline.rows import rows, run, scalar, sheet

TIMES = [
    "2062-02-01 10:00:00",
    "2063-01-01 00:00:00",
    "2026-02-05 10:00:00",
    "2026-02-09 10:00:00",
    "1970-01-01 08:00:00",
]

APPLICANT = (
    """select applicant_name from source."case" join source.record r on r.id = record_id where record_key like :k"""
)


def version(at: str):
    return sheet(1, at=at, SQRMC=f"公司{at}")


@pytest.mark.parametrize("order", [(0, 2, 3), (3, 0, 2), (2, 3, 0), (4, 0, 3)])
def test_the_latest_believable_version_stands(world, order):
    for number in order:
        world["d4.cases"].pages = [[version(TIMES[number])]]
        assert run("d4.cases").outcome == "ok"
    unify.run()
    assert scalar('select applicant_name from store."case"') == f"公司{TIMES[max(set(order) & {2, 3})]}"
    told = rows("select code, detail from landing.issue where code = 'unbelievable_time'")
    assert {row["detail"] for row in told} == {TIMES[n] for n in order if n in (0, 1, 4)}
    assert scalar('select inserted_at from source."case"') is not None


def test_versions_that_nobody_can_believe_keep_the_order_of_their_times(world):
    for number in (1, 0):
        world["d4.cases"].pages = [[version(TIMES[number])]]
        run("d4.cases")
    assert scalar('select applicant_name from source."case"') == f"公司{TIMES[1]}"


def test_every_order_of_arrival_gives_one_store(world):
    hashes = set()
    for start, order in enumerate(permutations((0, 2, 4))):
        for number in order:  # another record each time: one database for all orders
            world["d4.cases"].pages = [[version(TIMES[number]) | {"YWLSH": f"HB{start}"}]]
            run("d4.cases")
        current = scalar("select content_hash from source.record where record_key like :k", k=f"%HB{start}%")
        hashes.add(scalar(APPLICANT, k=f"%HB{start}%"))
        assert current is not None
    assert hashes == {f"公司{TIMES[2]}"}
    whole = store_hash.of_sources()
    for number in (4, 2, 0):
        world["d4.cases"].pages = [[version(TIMES[number]) | {"YWLSH": "HB0"}]]
        run("d4.cases")
    assert store_hash.of_sources() == whole


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_batch_in_any_order_is_the_same_versions(world, data):
    key = data.draw(st.uuids()).hex
    lines = data.draw(st.permutations([version(at) | {"YWLSH": key} for at in TIMES]))
    world["d4.cases"].pages = [lines[:2], lines[2:]]
    assert run("d4.cases").counts.balanced
    assert scalar(APPLICANT, k=f"%{key}%") == f"公司{TIMES[3]}"
    assert (
        scalar(
            "select count(*) from source.record_history h join source.record r on r.id = h.record_id "
            "where r.record_key like :k",
            k=f"%{key}%",
        )
        == len(TIMES) - 1
    )
