"""What a provider is told before sending is what the sync says: the same rows rejected, for the same reasons."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.errors import ProviderError
from pipeline import housekeeping, sync, tryout
from store.engine import engine
from tests.connectors.web import Reply, web
from tests.hub import hub, migrated  # noqa: F401
from tests.onboard import foreign

MAPPING = """
feed: {source}.permit
version: 1
key: [no]
ignore: [owner]
entities:
  - entity: licence
    columns: {{kind: {{const: licence}}, number: no, holder_code: {{from: uscc, as: code}}, issued_at: day}}
"""
SOURCE = """
source: {source}
name: 许可
system: 部门审批系统
owner: {{department: 许可科}}
connection: {source}
protocol: {protocol}
schedule: "20 * * * *"
promise: P1D
feeds:
  permit: {{name: 许可, mapping: {source}/permit, key: [no], cursor: {{kind: {cursor}}}, options: {options}}}
"""
ROWS = [
    {"no": "S1", "uscc": "91441900MA0000015D", "day": "2026-11-01", "owner": "甲"},
    {"no": "S2", "uscc": "91441900MA0000015D", "day": "不详", "owner": "乙"},
    {"no": "", "uscc": "91441900MA0000015D", "day": "2026-11-03", "owner": "丙"},
    {"no": "S4", "uscc": "91441900MA0000015E", "day": "2026-11-04", "owner": "丁", "more": "x"},
]


def declare(place: Path, source: str, protocol: str, cursor: str, options: dict) -> None:
    (place / "mappings" / source).mkdir()
    (place / "mappings" / source / "permit.yaml").write_text(MAPPING.format(source=source), "utf-8")
    text = SOURCE.format(
        source=source, protocol=protocol, cursor=cursor, options=json.dumps(options, ensure_ascii=False)
    )
    (place / "sources" / f"{source}.yaml").write_text(text, "utf-8")
    foreign.forget()


def quarantined() -> list[tuple[str, list[tuple[str, str | None]]]]:
    with engine().connect() as connection:
        rows = connection.execute(sa.text("select place, reasons from landing.quarantine order by place"))
        return [(place, sorted((r["code"], r.get("field")) for r in reasons)) for place, reasons in rows]


def told(tried: tryout.Tried) -> list[tuple[str, list[tuple[str, str | None]]]]:
    return [(one["place"], sorted((r["code"], r["field"]) for r in one["reasons"])) for one in tried.rejected]


def counts() -> dict[str, int]:
    names = (
        "landing.run",
        "landing.receipt",
        "landing.quarantine",
        "landing.issue",
        "source.record",
        "source.raw_dictionary",
    )
    with engine().connect() as connection:
        found = {name: connection.execute(sa.text(f"select count(*) from {name}")).scalar_one() for name in names}
        staging = connection.execute(
            sa.text("select count(*) from pg_tables where schemaname = 'staging'")
        ).scalar_one()
    return {**found, "staging": staging}


def test_a_file_is_judged_as_the_sync_does_and_nothing_is_stored(hub, tmp_path, monkeypatch) -> None:  # noqa: F811
    drop = tmp_path / "drop"
    drop.mkdir()
    lines = ["no,uscc,day,owner", *(",".join(row[c] for c in ("no", "uscc", "day", "owner")) for row in ROWS)]
    (drop / "permits.csv").write_text("\n".join(lines) + "\nS9,too,many,fields,here\n", "utf-8")
    foreign.connect(monkeypatch, "y1", extra={"url": f"file://{drop}"})
    with foreign.own_declarations(tmp_path / "own", monkeypatch) as place:
        options = {
            "files": "permits\\.csv",
            "folders": None,
            "complete": "listed",
            "content": "table",
            "replaces": "file",
        }
        declare(place, "y1", "file_drop", "files", options)
        before = counts()
        tried = tryout.tryout("y1.permit", drop / "permits.csv", "permits.csv")
        assert counts() == before
        with pytest.raises(ProviderError, match="not named as agreed"):
            tryout.tryout("y1.permit", drop / "permits.csv", "other.csv")
        (outcome,) = sync.source("y1")
    assert tried.rows_in == outcome.counts.rows_in == 5 and not tried.sound and tried.go
    assert tried.rejected_rows == outcome.counts.quarantined > 0
    assert told(tried) == quarantined()
    assert all(reason["remedy_zh"] for one in tried.rejected for reason in one["reasons"])


def test_an_answer_and_bare_records_are_judged_as_the_sync_does(hub, tmp_path, monkeypatch) -> None:  # noqa: F811
    answer = {"data": ROWS, "total": len(ROWS)}
    (tmp_path / "answer.json").write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
    (tmp_path / "records.json").write_text(json.dumps(ROWS, ensure_ascii=False), "utf-8")
    with web(lambda asked: Reply(answer)) as served, foreign.own_declarations(tmp_path / "own", monkeypatch) as place:
        foreign.connect(monkeypatch, "y2", host=served.url)
        declare(place, "y2", "rest", "full", {"path": "/permits", "paging": {"kind": "none", "total": "total"}})
        tried = tryout.tryout("y2.permit", tmp_path / "answer.json", "answer.json")
        bare = tryout.tryout("y2.permit", tmp_path / "records.json", "records.json", records=True)
        (tmp_path / "none.json").write_text("no", "utf-8")
        none = tryout.tryout("y2.permit", tmp_path / "none.json", "none.json", records=True)
        page = tryout.tryout("y2.permit", tmp_path / "none.json", "none.json")
        (outcome,) = sync.source("y2")
    assert told(tried) == told(bare) == quarantined() and tried.rejected_rows == outcome.counts.quarantined
    assert not none.sound and not page.sound and none.rejected_rows == page.rejected_rows == 1
    assert ("unknown_column", "more") in [(one["code"], one["field"]) for one in tried.issues]
    assert tried.rows == {"licence": tried.accepted}


def test_housekeeping_takes_nothing_from_a_tryout_at_work(hub, tmp_path, monkeypatch) -> None:  # noqa: F811
    @contextmanager
    def tidied(feed_id, body, name, *, records):
        with tryout.decoded(feed_id, body, name, records=records) as (issues, batches):

            def late():
                assert housekeeping.drop_staging() == 0
                yield from batches

            yield issues, late()

    (tmp_path / "records.json").write_text(json.dumps(ROWS, ensure_ascii=False), "utf-8")
    with foreign.own_declarations(tmp_path / "own", monkeypatch) as place:
        declare(place, "y3", "rest", "full", {"path": "/permits", "paging": {"kind": "none"}})
        tried = tryout.tryout("y3.permit", tmp_path / "records.json", "records.json", records=True, read=tidied)
    assert tried.rows_in == len(ROWS) and counts()["staging"] == 0
