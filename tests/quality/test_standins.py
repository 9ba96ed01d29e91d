"""Dirt at the sources, over the wire: quarantine shows whose it is, where it stands and what to do; the rest is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.endpoint import Endpoint
from pipeline import reconcile, registry
from standins.forms import stamp
from standins.testing import Running, running
from tests.hub import hub, migrated  # noqa: F401
from tests.pipeline.rows import rows, run, scalar
from tests.standins import sample

CLOCK = sample.CLOCK if isinstance(sample.CLOCK, datetime) else datetime.fromisoformat(str(sample.CLOCK))


def _append(world: Path, table: str, *lines: dict) -> None:
    with (world / f"{table}.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _polygon(code: str, **more) -> dict:
    return {
        "JCBH": code,
        "XZQDM": "441900",
        "XMC": "东莞市",
        "TBLX": "TP",
        "QSX": "2026-01-01",
        "HSX": "2026-06-01",
        "MJ": 900,
        "SFYN": "0",
        "SFHX": "1",
        "_geometry": sample.square(113.8, 23.0),
        "_at": sample.ago(days=1),
        **more,
    }


@pytest.fixture(scope="module")
def stand(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    world = sample.make(tmp_path_factory.mktemp("dirty-world"))
    _append(
        world,
        "s2/change",
        _polygon("JC-BEIJING", _geometry=sample.square(116.4, 39.9)),
        _polygon("JC-NEGATIVE", MJ=-3),
        _polygon("JC-BACKWARDS", HSX="2025-06-01"),
    )
    _append(
        world,
        "p1/project_filing",
        sample.filing(8001, projectCode="2304-441900-04-01-135255", updateTime=sample.ago(hours=5)),
        sample.filing(8002, finishDate=sample.ago(days=50), updateTime=sample.ago(hours=5)),
        # it carries a time of long ago and is shown only now: late beyond the lag
        sample.filing(8003, updateTime=sample.ago(hours=30), _at=stamp(CLOCK + timedelta(hours=2))),
    )
    home = tmp_path_factory.mktemp("dirty-home")
    with running(world, postgres_server.format(database="postgres"), at=CLOCK, home=home) as up:
        yield up


@pytest.fixture
def sources(stand: Running, hub, monkeypatch: pytest.MonkeyPatch) -> Running:  # noqa: F811
    """The pipeline's way to the stand-ins."""

    def resolve(conn_id: str) -> Endpoint:
        told = stand.connection(conn_id)
        extra = told.get("extra") or {}
        return Endpoint(
            conn_id,
            told.get("conn_type") or "",
            told.get("host") or "",
            told.get("port"),
            told.get("login") or "",
            told.get("password") or "",
            told.get("schema") or "",
            json.loads(extra) if isinstance(extra, str) else extra,
        )

    monkeypatch.setattr(registry, "resolve", resolve)
    return stand


def test_dirt_of_a_source_is_shown_with_whose_it_is_and_what_to_do(sources: Running) -> None:
    outcome = run("s2.change")
    assert outcome.outcome == "ok", outcome.error
    assert outcome.counts.balanced and outcome.counts.quarantined == 1
    assert outcome.counts.new == outcome.counts.rows_in - 1
    assert (
        scalar("select count(*) from source.change_polygon where polygon_code in ('JC-NEGATIVE', 'JC-BACKWARDS')") == 2
    )
    (entry,) = rows("select id, feed, record_key from landing.quarantine where state = 'open'")
    assert (entry["feed"], entry["record_key"]) == ("s2.change", "JC-BEIJING")

    from cli.__main__ import app

    shown = CliRunner().invoke(app, ["quarantine", "show", str(entry["id"]), "--json"])
    assert shown.exit_code == 0, shown.output
    told = json.loads(shown.output)
    (reason,) = told["reasons"]
    assert (told["feed"], told["record_key"], reason["code"], reason["field"]) == (
        "s2.change",
        "JC-BEIJING",
        "geometry_outside",
        "geom_box",
    )
    assert reason["duty_zh"] == "数源部门" and "坐标系" in reason["remedy_zh"] and reason["remedy"]
    issues = {
        row["code"]: row["record"] for row in rows("select code, record from landing.issue where feed = 's2.change'")
    }
    assert issues["area_not_positive"] == "JC-NEGATIVE"
    assert issues["dates_inverted"] == "JC-BACKWARDS"


def test_oddities_of_a_filing_are_stored_and_told_and_a_late_one_is_found(sources: Running) -> None:
    outcome = run("p1.project_filing")
    assert outcome.outcome == "ok", outcome.error
    assert outcome.counts.quarantined == 0
    told = {
        (row["code"], row["record"])
        for row in rows("select code, record from landing.issue where feed = 'p1.project_filing'")
    }
    assert {("project_code_invalid", "BA08001"), ("time_inverted", "BA08002")} <= told
    assert scalar("select count(*) from source.record where record_key = 'BA08003'") == 0

    sources.move_clock(hours=3)
    try:
        found = reconcile.feed("p1.project_filing")
    finally:
        sources.move_clock(hours=-3)
    assert found.run.outcome == "ok", found.run.error
    assert found.outcome == "mended" and found.compared.missing >= 1 and found.compared.late >= 1
    assert scalar("select count(*) from source.record where record_key = 'BA08003'") == 1
    assert scalar("select count(*) from landing.issue where code = 'late_row' and record = 'BA08003'") == 1

    from quality import balance

    (compared,) = balance.against_source("p1.project_filing")
    assert (compared.outcome, compared.missing) == ("mended", found.compared.missing)
