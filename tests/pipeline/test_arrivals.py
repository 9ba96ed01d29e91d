"""What arrives is counted once, by the time that it speaks of; a batch unlike those before is told, or waits."""

from __future__ import annotations

import pytest

from core import clock
from pipeline import registry
from pipeline.health import health
from quality.silence import episode
from store import holds
from store.engine import transaction
from tests.pipeline.rows import case, project, rows, run, scalar, window

ANY = window(None, None)


def counted(kind: str = "feed") -> dict[str, int]:
    found = rows(
        "select part, at::text as at, sum(rows)::int as n from landing.arrival where kind = :kind group by 1, 2 order by 1, 2",
        kind=kind,
    )
    return {f"{row['part']} {row['at'][:13]}".strip(): row["n"] for row in found}


def test_a_version_counts_once_by_its_own_time_whatever_the_order_and_however_often_it_is_read(world) -> None:
    first = [case(n, INSERTTIME=f"2026-03-0{n} 09:30:00") for n in (3, 1, 2)]
    world["m2.sb"].pages = [first]
    run("m2.sb", ANY)
    expected = {f"2026-03-0{n} 09": 1 for n in (1, 2, 3)}
    assert counted() == expected
    world["m2.sb"].pages = [first[::-1], [case(1, VERSION="2", INSERTTIME="2026-03-05 10:10:00")]]
    run("m2.sb", ANY)
    run("m2.sb", ANY)
    assert counted() == {**expected, "2026-03-05 10": 1}
    assert counted("column")["case.item_code 2026-03-05 00"] == 1


def test_a_row_of_the_future_moves_no_horizon(world) -> None:
    world["m2.sb"].pages = [[case(1, INSERTTIME="2062-03-01 08:00:00"), case(2, INSERTTIME="2026-03-02 08:00:00")]]
    run("m2.sb", ANY)
    assert counted() == {"2026-03-02 08": 1}


def test_rows_that_are_stamped_anew_and_say_what_they_said_move_no_horizon(world) -> None:
    world["m2.sb"].pages = [[case(n, SBSJ="2026-03-02 09:00:00", INSERTTIME="2026-03-02 09:30:00") for n in range(3)]]
    run("m2.sb", ANY)
    again = {n: case(n, SBSJ="2026-03-02 09:00:00", INSERTTIME="2026-03-05 09:30:00") for n in range(3)}
    world["m2.sb"].pages = [list(again.values())]
    assert run("m2.sb", ANY).counts.changed == 3, "each is stored"
    assert counted() == {"2026-03-02 09": 3}, "and none is news"
    world["m2.sb"].pages = [[again[1] | {"SBXMMC": "另名", "INSERTTIME": "2026-03-05 10:30:00"}]]
    run("m2.sb", ANY)
    assert counted() == {"2026-03-02 09": 3, "2026-03-05 10": 1}


def _usual(world) -> None:
    for day in (2, 3, 4):
        world["m2.sb"].pages = [[case(100 * day + n, INSERTTIME=f"2026-03-0{day} 10:{n:02}:00") for n in range(30)]]
        run("m2.sb", ANY)


def _flood() -> list[dict]:
    return [case(10_000 + n, INSERTTIME=f"2026-03-05 {9 + n % 8:02}:{n % 60:02}:00") for n in range(900)]


def surprises() -> list[str]:
    return [row["field"] for row in rows("select field from landing.issue where code = 'surprise' order by field")]


def test_ten_times_the_rows_of_a_usual_day_are_told_with_what_was_usual(world) -> None:
    _usual(world)
    assert surprises() == []
    world["m2.sb"].pages = [_flood()]
    assert run("m2.sb", ANY).outcome == "ok"
    assert surprises() == ["数量"]
    assert "30" in scalar("select detail from landing.issue where code = 'surprise'")


def test_rows_that_all_have_one_time_and_a_column_that_goes_empty_are_told(world) -> None:
    _usual(world)
    world["m2.sb"].pages = [
        [case(5_000 + n, SXBM=None, INSERTTIME="2026-03-05 10:00:00") for n in range(60)],
    ]
    run("m2.sb", ANY)
    assert set(surprises()) >= {"时间"}


@pytest.mark.parametrize(
    ("spoilt", "field"),
    [
        ({"SQRLX": "Z9"}, "未知代码"),
        ({"SBSJ": "某日"}, "隔离"),
        ({"SBLSH_SHORT": "441900000001"}, "重复键"),
        ({"SXBM": None}, "字段 case.item_code 为空"),
    ],
)
def test_a_share_that_jumps_is_told_with_what_was_usual_and_what_came(world, spoilt, field) -> None:
    _usual(world)
    with transaction() as connection:
        connection.exec_driver_sql("update landing.arrival_day set came = came - 1")
    sound = [case(5_000 + n, INSERTTIME=f"2026-03-05 1{n % 5}:{n:02}:00") for n in range(60)]
    world["m2.sb"].pages = [[{**row, **(spoilt if n % 2 else {})} for n, row in enumerate(sound)]]
    run("m2.sb", ANY)
    assert surprises() == [field]
    assert (
        "/60）" in (detail := scalar("select detail from landing.issue where code = 'surprise'"))
        or "共 60 行" in detail
    )


def test_a_total_that_falls_is_told(world) -> None:
    world["d2.projects"].pages = [[project(n) for n in range(100)]]
    run("d2.projects")
    world["d2.projects"].pages = [[project(n) for n in range(60)]]
    run("d2.projects")
    assert surprises() == ["总数"]
    assert "通常 100，本批 60" in scalar("select detail from landing.issue where code = 'surprise'")


def test_a_code_that_vanishes_is_told(world) -> None:
    def concluded(first: int, day: int, codes: str) -> list[dict]:
        return [
            {
                "SBLSH_SHORT": f"4419{first + n:08d}",
                "VERSION": "1",
                "INSERTIME": f"2026-03-0{day} 10:{n % 60:02}:00",
                "BJSJ": f"2026-03-0{day} 09:00:00",
                "BJJGDM": codes[n % len(codes)],
            }
            for n in range(100)
        ]

    world["m2.bj"].pages = [concluded(0, 2, "00001")]
    run("m2.bj", ANY)
    with transaction() as connection:
        connection.exec_driver_sql("update landing.arrival_day set came = came - 1")
    world["m2.bj"].pages = [concluded(1_000, 3, "0")]
    run("m2.bj", ANY)
    assert surprises() == ["代码 DONE_RETURNED"]
    assert "通常 20.0%，本批 0" in scalar("select detail from landing.issue where code = 'surprise'")


def test_a_feed_that_says_hold_keeps_a_surprising_batch_until_a_person_lets_it(world, monkeypatch) -> None:
    declared = registry.source("m2")
    feed = declared.feeds["sb"]
    held = feed.model_copy(update={"rhythm": feed.rhythm.model_copy(update={"surprise": "hold"})})
    holding = declared.model_copy(update={"feeds": {**declared.feeds, "sb": held}})
    monkeypatch.setattr(registry, "source", lambda name: holding)
    monkeypatch.setattr(registry, "feed", lambda name: (holding, held))
    _usual(world)
    stored = scalar("select count(*) from source.record")
    world["m2.sb"].pages = [_flood()]
    assert run("m2.sb", ANY).outcome == "held"
    assert scalar("select count(*) from source.record") == stored, "nothing of it is stored"
    holds.decide(scalar("select max(id) from landing.hold"), "released", "值班员", "已向数源核实")
    assert run("m2.sb", ANY).outcome == "ok"
    assert scalar("select count(*) from source.record") == stored + 900


@pytest.mark.parametrize("silent", ["m2", "m2.bj"])
def test_health_names_what_is_silent_as_it_stands_on_record(hub, silent) -> None:
    with transaction() as connection:
        connection.exec_driver_sql(
            """insert into landing.silence (feed, kind, part, since, found_at, basis, text)
               values (%s, 'feed', '', '2026-03-02', '2026-03-03', 'rhythm', '无新数据')""",
            (silent,),
        )
    shown = {feed.feed: feed for feed in health("m2")}
    assert shown["m2.bj"].silence_of == silent and shown["m2.bj"].silence.endswith("无新数据")
    assert (shown["m2.sl"].silence_of == silent) == (silent == "m2")
    episode.approve(shown["m2.bj"].silence_of, clock.today(), "值班", "系统割接")
    assert {feed.silence_of for feed in health("m2")} == {None}
