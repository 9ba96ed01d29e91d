"""The live archive: complete, as of a day, as of what was known; the same bytes; nothing of others, nothing personal."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import ConfigurationError
from pipeline import registry, sync, unify
from serving import archive
from serving.access import Grant, grant_of
from serving.archive.export import _cell
from store.engine import transaction
from tests.supervision.told import Told, set_clock

FREE = Grant("test")
PERSONAL = Grant("test", frozenset({"read:projects", "read:personal"}))


@pytest.fixture
def code(store: None) -> str:
    with transaction() as connection:
        return connection.exec_driver_sql(
            """select c.project_code from store."case" c join supervision.finding f using (project_code) where c.gone_at is null and f.state = 'open'
               group by 1 order by count(*) desc, 1 limit 1"""
        ).scalar_one()


def test_every_entry_says_where_it_came_from(code: str) -> None:
    whole = archive.collect(FREE, code)
    kinds = {entry["entity"] for entry in whole.entries}
    assert {"project", "case", "case_event", "licence", "finding"} <= kinds
    receipts = {r["receipt"] for r in whole.receipts}
    for entry in whole.entries:
        if entry["entity"] not in ("finding", "work_order"):
            assert (
                entry["source"]["receipt"] in receipts
                and entry["source"]["received_at"]
                and len(entry["source"]["sha256"]) == 64
            )
    times = [entry["at"] or "" for entry in whole.entries]
    assert times == sorted(times)
    with transaction() as connection:
        events = connection.execute(
            sa.text(
                """select count(*) from store.case_event e join store."case" c on c.id = e.case_id where c.project_code = :code and e.gone_at is null"""
            ),
            {"code": code},
        ).scalar_one()
    assert sum(entry["entity"] == "case_event" for entry in whole.entries) >= events


def test_the_manifest_holds_and_bytes_are_the_same(code: str, tmp_path: Path) -> None:
    whole = archive.collect(FREE, code)
    packed = archive.zipped(whole)
    assert packed == archive.zipped(archive.collect(FREE, code))
    folder = archive.unfolded(whole, tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {f["path"] for f in manifest["files"]} | {"manifest.json", "SHA256SUMS"} == {
        p.name for p in folder.iterdir()
    }
    for file in manifest["files"]:
        content = (folder / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"] and len(content) == file["size"]
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    with zipfile.ZipFile(io.BytesIO(packed)) as archived:
        assert {name.partition("/")[2]: archived.read(name) for name in archived.namelist()} == archive.files(whole)
    with pytest.raises(ConfigurationError):
        archive.unfolded(whole, folder)
    rows = list(csv.reader(io.StringIO((folder / "timeline.csv").read_text(encoding="utf-8-sig"))))
    assert len(rows) == len(whole.entries) + 1


def test_a_past_day_shows_nothing_later(code: str) -> None:
    now = archive.collect(FREE, code)
    days = sorted(entry["at"][:10] for entry in now.entries if entry["at"])
    day = date.fromisoformat(days[len(days) // 2])
    then = archive.collect(FREE, code, day)
    assert 0 < len(then.entries) < len(now.entries)
    assert all(entry["at"][:10] <= day.isoformat() for entry in then.entries if entry["at"])
    assert [e for e in now.entries if not e["at"] or e["at"][:10] <= day.isoformat()] == then.entries


def test_personal_data_only_where_it_is_granted(code: str) -> None:
    with transaction() as connection:
        phones = (
            connection.execute(
                sa.text(
                    """select distinct contact_phone from store."case" where project_code = :code and contact_phone is not null"""
                ),
                {"code": code},
            )
            .scalars()
            .all()
        )
    assert phones
    masked = b"".join(archive.files(archive.collect(FREE, code)).values())
    assert not any(phone.encode() in masked for phone in phones)
    told = archive.files(archive.collect(PERSONAL, code))
    assert any(phone.encode() in told["archive.json"] for phone in phones) and told["records.jsonl"]


def test_nothing_of_a_project_that_is_not_shown(code: str) -> None:
    with transaction() as connection:
        town = connection.execute(
            sa.text("select town_code from store.project where id = :code"), {"code": code}
        ).scalar_one()
    other = "441900121" if town != "441900121" else "441900119"
    assert archive.collect(grant_of("key", ["read:projects", f"town:{other}"]), code) is None
    assert archive.collect(FREE, "nothing") is None


def test_a_department_sees_its_own_cases_alone(code: str) -> None:
    department = "11441900000100060T"
    part = archive.collect(grant_of("key", ["read:projects", f"department:{department}"]), code)
    whole = archive.collect(FREE, code)
    numbers = {e["case_no"] for e in part.entries if e["entity"] == "case"}
    assert 0 < len(numbers) < len({e["case_no"] for e in whole.entries if e["entity"] == "case"})


def test_what_was_known_at_an_instant_is_told_again(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from standins import world

    world.make(hub / "world", projects=3, seed=5)
    end = datetime.fromisoformat(json.loads((hub / "world" / "world.json").read_text())["clock"])
    monkeypatch.setattr(registry, "connector", lambda source: Told(source, hub / "world"))

    def take(now: datetime) -> datetime:
        set_clock(now, monkeypatch, hub / "clock")
        for source, feeds in (("p1", ["project_filing", "licence"]), ("m2", ["sb", "sl", "bj"])):
            outcomes = sync.source(source, feeds=feeds)
            assert all(o.outcome == "ok" for o in outcomes), [o.error for o in outcomes]
        unify.run()
        with transaction() as connection:
            return connection.exec_driver_sql("select clock_timestamp()").scalar_one()

    instants, told = [], []
    for days in (60, 0):
        instants.append(take(end - timedelta(days=days)))
        with transaction() as connection:
            codes = (
                connection.exec_driver_sql("select id from store.project where gone_at is null order by 1")
                .scalars()
                .all()
            )
        told.append({code: archive.collect(FREE, code, end.date()) for code in codes})
    changed = 0
    for code, before in told[0].items():
        again = archive.collect(FREE, code, end.date(), instants[0])
        plain = [
            [{**e, "source": {**e["source"], "current": None}} for e in whole.entries] for whole in (before, again)
        ]
        assert plain[0] == plain[1]
        changed += before.entries != told[1][code].entries
    assert changed  # the later sync did bring something
    with transaction() as connection:
        start = connection.exec_driver_sql("select min(started_at) - interval '1 second' from landing.run").scalar_one()
    assert archive.collect(FREE, next(iter(told[0])), None, start).entries == []


def test_no_cell_is_computed_by_a_spreadsheet() -> None:
    assert (
        _cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
        and _cell("@x") == "'@x"
        and _cell("正常") == "正常"
        and _cell(None) == ""
    )
