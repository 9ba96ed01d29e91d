"""A batch of another shape: adapt takes it, hold waits until a person lets just these changes in, stop fails."""

from __future__ import annotations

import json

import pytest

from pipeline import registry, tryout
from store import holds
from tests.pipeline.rows import case, rows, run, scalar, window

ANY = window(None, None)


@pytest.fixture
def declare(monkeypatch):
    """Give m2.sb a policy."""

    def policy(drift: str) -> None:
        source = real("m2")
        feed = source.feeds["sb"].model_copy(update={"drift": drift})
        monkeypatch.setattr(registry, "feed", lambda name: (source, feed))

    real = registry.source
    return policy


def bring(world, *cases):
    world["m2.sb"].pages = [list(cases)]
    return run("m2.sb", ANY)


def stored() -> int:
    return scalar("select count(*) from source.record")


def test_stop_fails_as_the_providers_and_merges_nothing(world, declare) -> None:
    declare("stop")
    assert bring(world, case(1)).outcome == "ok"
    outcome = bring(world, case(2), case(3, XINLIE="x"))
    assert (outcome.outcome, outcome.fault) == ("failed", "provider")
    assert "XINLIE" in outcome.zh and "onemap source drift m2.sb" in outcome.remedy
    assert stored() == 1 and scalar("select count(*) from landing.hold") == 0


def test_hold_waits_until_a_person_lets_just_these_changes_in(world, declare) -> None:
    declare("hold")
    assert bring(world, case(1, XINLIE="x")).outcome == "held"
    assert stored() == 0
    (asked,) = rows("select id, sample from landing.hold where decision is null")
    assert asked["sample"] == ["新增列：XINLIE"]
    holds.decide(asked["id"], "released", "值班员", "已与数源确认")
    assert bring(world, case(1, XINLIE="x")).outcome == "ok"
    assert bring(world, case(2, XINLIE="y")).outcome == "ok"  # the shape stays, and so does the release
    assert bring(world, case(3, XINLIE="y", YOUYILIE="z")).outcome == "held"
    assert stored() == 2


def test_a_tryout_says_of_the_shape_what_the_sync_would(world, declare, tmp_path) -> None:
    def goes(*cases) -> bool:
        (tmp_path / "cases.json").write_text(json.dumps(cases, ensure_ascii=False), "utf-8")
        return tryout.tryout("m2.sb", tmp_path / "cases.json", "cases.json", records=True).go

    declare("hold")
    assert bring(world, case(1, XINLIE="x")).outcome == "held"
    assert not goes(case(1, XINLIE="x"))
    (asked,) = rows("select id from landing.hold where decision is null")
    holds.decide(asked["id"], "released", "值班员", "已与数源确认")
    assert goes(case(1, XINLIE="x")) and not goes(case(2, XINLIE="y", YOUYILIE="z"))
    assert scalar("select count(*) from landing.hold where used_by is not null or decision is null") == 0


def test_a_question_lapses_when_the_shape_is_as_before(world, declare) -> None:
    declare("hold")
    assert bring(world, case(1, XINLIE="x")).outcome == "held"
    assert bring(world, case(1)).outcome == "ok"
    assert scalar("select count(*) from landing.hold where decision is null") == 0
