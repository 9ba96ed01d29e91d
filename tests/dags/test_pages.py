"""The health page: trouble first, words beside colours, safe against what sources write."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from dags.lights import LIGHTS, ordered
from pipeline.health import FeedHealth  # noqa: E402
from serving.render import span  # noqa: E402


def feed(name: str, **fields) -> FeedHealth:
    made = FeedHealth(name, f"名称{name}", name.partition(".")[0], "某系统", "某局", 7200.0)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


@pytest.fixture
def pages(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    from dags import pages

    return pages


@pytest.fixture
def troubled() -> list[FeedHealth]:
    moment = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    return [
        feed("a.good", light="ok", last_success=moment, last_run=moment, age=60.0, rows_in=1234567),
        feed("b.never"),
        feed("c.late", light="late", last_success=moment, last_run=moment, age=90000.0, behind=82800.0),
        feed("d.held", light="held", failures=1, since=moment, last_run=moment, open_hold=7),
        feed(
            "e.failing",
            light="failing",
            failures=3,
            since=moment,
            last_run=moment,
            fault="authentication",
            fault_zh="鉴权",
            zh="口令有误 <script>alert(1)</script>",
            error="refused",
            remedy="renew the password",
        ),
    ]


def rendered(pages, feeds) -> str:
    return pages.rendered(pages.view(feeds))


def test_trouble_comes_first_and_the_longest_before(troubled):
    assert [f.feed for f in ordered(troubled)] == ["e.failing", "d.held", "c.late", "b.never", "a.good"]
    longer = feed("z.failing", light="failing", failures=9)
    assert ordered([*troubled, longer])[0] is longer


def test_the_verdict_says_how_many_and_whose_duty_in_one_line(pages, troubled):
    verdict = pages.view(troubled)["verdict"]
    assert verdict["tone"] == "bad"
    for word in ("1 项故障", "1 项待人工", "1 项超期", "某系统", "鉴权"):
        assert word in verdict["zh"]
    calm = pages.view([troubled[0]])["verdict"]
    assert calm["tone"] == "good"
    assert "正常" in calm["zh"]


def test_rows_that_do_not_add_up_are_told_even_when_every_feed_is_in_time(pages, troubled):
    troubled[0].balanced = False
    verdict = pages.view([troubled[0]])["verdict"]
    assert verdict["tone"] == "bad"
    assert "未平账" in verdict["zh"]


def test_every_state_has_a_word_and_the_page_shows_what_a_person_needs(pages, troubled):
    page = rendered(pages, troubled)
    for light in LIGHTS.values():
        assert light.zh in page
    for word in ("1,234,567", "3 次", "待决号 7", "口令有误", "renew the password", "11-24 09:00", "1 天 1 小时"):
        assert word in page, word


def test_what_a_source_wrote_is_text_and_nothing_comes_from_outside(pages, troubled):
    page = rendered(pages, troubled)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_database_that_is_away_is_told_on_the_page(pages):
    page = pages.rendered({"unavailable": "没有数据库"})
    assert "没有数据库" in page


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "—"), (59, "0 分"), (3600, "1 小时"), (5400, "1 小时 30 分"), (90000, "1 天 1 小时")]
)
def test_lengths_of_time_are_told_by_their_two_largest_parts(seconds, text):
    assert span(seconds) == text


def test_a_row_leads_to_its_dag_run_log_connection_quarantine_and_contact(pages):
    broken = feed("p1.enterprise", light="failing", failures=1, open_quarantine=2, fault_zh="鉴权")
    broken.since = broken.last_run = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    page = pages.rendered(pages.view([broken], {"p1": ("scheduled__2026-11-24T01:00:00+00:00", {"p1.enterprise": 3})}))
    run = "/dags/sync__p1/runs/scheduled__2026-11-24T01%3A00%3A00%2B00%3A00"
    for address in (
        'href="/dags/sync__p1"',
        f'href="{run}"',
        f'href="{run}/tasks/sync/mapped/3"',
        'href="/connections?name_pattern=p_gateway"',
        'href="map/ops/quarantine?feed=p1.enterprise"',
        'href="map/ops/sources#p1"',
    ):
        assert address in page, address
    assert "值班室" in page  # the contact that the declaration names
