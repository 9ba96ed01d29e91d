"""In = stored + unchanged + quarantined + tombstoned, run by run; store against source over time."""

from __future__ import annotations

import sqlalchemy as sa

from quality import balance
from store.engine import transaction
from tests.pipeline.rows import licence, project, run


def test_every_run_accounts_for_its_rows(world) -> None:
    world["p3.licence"].pages = [
        [
            *(licence(n, "2026-03-01 09:00:00") for n in range(1, 21)),
            licence(30, "2026-03-01 09:00:00", "X"),
            licence(1, "2026-03-02 09:00:00", "D"),
        ]
    ]
    run("p3.licence")
    run("p3.licence")
    latest, first = balance.of_runs("p3.licence")
    assert (first.rows_in, first.stored, first.quarantined, first.tombstoned, first.difference) == (22, 20, 1, 1, 0)
    assert (latest.rows_in, latest.stored, latest.unchanged, latest.quarantined) == (22, 0, 21, 1)
    assert first.balanced and first.window == "full" and first.as_dict()["balanced"] is True
    assert balance.of_runs("m2.sb") == []


def test_a_run_that_lost_a_row_is_found(world) -> None:
    world["p3.licence"].pages = [[licence(n, "2026-03-01 09:00:00") for n in range(1, 6)]]
    outcome = run("p3.licence")
    assert balance.of_runs(only_unbalanced=True) == []
    with transaction() as connection:
        connection.execute(sa.text("update landing.run set new = new - 1 where id = :id"), {"id": outcome.run_id})
    (lost,) = balance.of_runs(only_unbalanced=True)
    assert (lost.run, lost.difference, lost.balanced) == (outcome.run_id, 1, False)


def test_store_and_source_are_compared_over_time(world) -> None:
    from pipeline import reconcile

    world["d2.projects"].pages = [[project(n) for n in range(1, 11)]]
    run("d2.projects")
    reconcile.feed("d2.projects")
    world["d2.projects"].pages = [[project(n) for n in range(1, 13)]]
    reconcile.feed("d2.projects")
    second, first = balance.against_source("d2.projects")
    assert (first.outcome, first.listed, first.stored, first.missing) == ("equal", 10, 10, 0)
    assert (second.outcome, second.listed, second.stored, second.missing) == ("mended", 12, 10, 2)
    assert balance.latest_against_source()["d2.projects"] == second
    assert second.as_dict()["at"].startswith("20")
