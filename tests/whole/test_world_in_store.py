"""The main way whole, over real protocols: what the simulated world says is what the store holds, entity by entity."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline import rebuild, sync, unify
from pipeline.outcome import Outcome
from sources import loader
from standins import testing, world
from store import hash as store_hash
from store import migrate, tables
from store.engine import dispose, transaction

MADE = datetime(2026, 11, 23, 8)
SOURCES = sorted(loader.load_all())


class Hub:
    """One database, filled from running stand-ins."""

    def __init__(self, stand: testing.Running, folder: Path, database: str, patch: pytest.MonkeyPatch) -> None:
        self.stand, self.folder = stand, folder
        patch.setenv("ONEMAP_DATABASE_URL", database)
        for connection in stand.connections:
            fields = {name: value for name, value in connection.items() if name != "conn_id"}
            patch.setenv(f"AIRFLOW_CONN_{connection['conn_id'].upper()}", json.dumps(fields))
        dispose()
        migrate.upgrade()

    def sync(self, sources: list[str], unify_each: bool = False) -> list[Outcome]:
        outcomes = []
        for source in sources:
            outcomes += sync.source(source)
            if unify_each:
                unify.run()
        unify.run()
        return outcomes

    def live(self) -> dict[str, dict[str, dict]]:
        """Golden rows that stand, by entity and id. Readings come once, so of these a later hub has less."""
        return {
            name: {
                row["id"]: row["content"]
                for row in self.rows(
                    f"""select id, to_jsonb(g) - 'changed_at' - 'gone_at' - 'content_hash' as content
                        from {table.fullname} g where gone_at is null"""
                )
            }
            for name, table in tables.golden.items()
            if name != "site_reading"
        }

    def rows(self, query: str) -> list[dict]:
        with transaction() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.text(query))]

    def told(self, entity: str) -> list[dict]:
        lines = (self.folder / "truth" / "entities.jsonl").read_text(encoding="utf-8").splitlines()
        return [row for row in map(json.loads, lines) if row["entity"] == entity]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[tuple[testing.Running, Path]]:
    folder = world.make(tmp_path_factory.mktemp("whole") / "world", projects=10, seed=7, today=MADE)
    with testing.running(
        folder, postgres_server.format(database="postgres"), at=MADE, database_prefix="whole"
    ) as stand:
        yield stand, folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_store_is_the_world(told, new_database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand, folder = told
    hub = Hub(stand, folder, new_database(), monkeypatch)

    first = hub.sync(SOURCES, unify_each=True)  # what comes source by source is as what comes at once: see the late hub
    assert [(o.feed, o.outcome, o.error) for o in first if o.outcome != "ok" or not o.counts.balanced] == []
    _equals_world(hub)

    # a second sync without changes writes no row; readings go on being made while the first one runs
    before = store_hash.of_store()
    again = hub.sync([source for source in SOURCES if source not in ("s4", "s4_mqtt")])
    assert [
        (o.feed, o.window, o.outcome, o.error, o.counts) for o in again if o.counts.rows_in != o.counts.unchanged
    ] == []
    assert store_hash.of_store() == before

    # the world moves on: the store follows
    world.advance(folder, 3)
    stand.move_clock(at=datetime.fromisoformat(json.loads((folder / "world.json").read_text())["clock"]))
    moved = hub.sync(SOURCES[::-1])
    assert [(o.feed, o.window, o.outcome, o.error) for o in moved if o.outcome != "ok" or not o.counts.balanced] == []
    assert sum(o.counts.new + o.counts.changed for o in moved) > 0
    _equals_world(hub)
    grown = hub.live()

    # the archive alone makes the same store again, where no source can be reached
    whole, parts = store_hash.of_store(), store_hash.parts()
    with monkeypatch.context() as patch:
        for connection in stand.connections:
            patch.delenv(f"AIRFLOW_CONN_{connection['conn_id'].upper()}")
        patch.setenv("ONEMAP_DATABASE_URL", new_database())
        dispose()
        migrate.upgrade()
        made = rebuild.run()
        assert made.differing == [] and store_hash.parts() == parts and made.hash == whole
    dispose()

    # a hub that begins now, in another order, has the same golden rows from the same sources
    late = Hub(stand, folder, new_database(), monkeypatch)
    monkeypatch.setenv("ONEMAP_HOME", f"{home}-late")
    late.sync(random.Random(7).sample(SOURCES, len(SOURCES)))
    begun = late.live()
    assert {name: rows.keys() for name, rows in begun.items()} == {name: rows.keys() for name, rows in grown.items()}
    assert [(name, id_) for name, rows in begun.items() for id_, row in rows.items() if row != grown[name][id_]] == []


def _equals_world(hub: Hub) -> None:
    rejected = {row["record_key"] for row in hub.rows("select record_key from landing.quarantine where state = 'open'")}
    for entity, key, fields in (
        (
            "project",
            "project_code",
            ("project_name", "applicant_uscc", "town_code", "process_type", "fast_track", "filing_state"),
        ),
        ("enterprise", "uscc", ("name", "reg_status")),
        ("licence", "certificate_id", ("number", "project_code", "item_code", "state")),
    ):
        stored = {row["id"]: row for row in hub.rows(f"select * from store.{entity} where gone_at is null")}
        for row in hub.told(entity):
            assert row[key] in stored, (entity, row[key])
            assert {f: stored[row[key]][f] for f in fields} == {f: row.get(f) for f in fields}, row[key]
    cases = {
        row["case_no"]: row
        for row in hub.rows("""select * from store."case" where gone_at is null and channel not in ('P1', 'P2')""")
    }
    told = {row["case_no"]: row for row in hub.told("case")}
    assert cases.keys() == told.keys()
    for number, row in told.items():
        got = cases[number]
        assert (got["project_code"], got["item_code"]) == (row["project_code"], row["item_code"]), number
        if not rejected:
            assert sorted(got["channels"]) == sorted(row["channels"]), number
    for line in (hub.folder / "truth" / "counts.jsonl").read_text().splitlines():
        count = json.loads(line)
        if count["feed"].startswith("s4"):
            continue  # readings: only closed days, and what the broker keeps
        stands = hub.rows(f"select count(*) as n from source.record where feed = '{count['feed']}'")[0]["n"]
        if count["feed"] not in ("d1.cases", "s1.parcel", "s1.redline"):
            assert stands == count["records"], count
    assert tables.golden.keys() >= {"project", "case"}
