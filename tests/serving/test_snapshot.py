"""Snapshots are read by what people use: DuckDB, Polars, GDAL; hashes hold; parts bring what changed and name what went."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from serving import snapshot
from serving.access import Grant, grant_of
from serving.query.paging import BadCursorError
from store.engine import transaction
from supervision import ledger
from tests.serving.conftest import rows


@pytest.fixture(scope="module")
def whole(store, tmp_path_factory):
    return snapshot.make(Grant("test"), str(tmp_path_factory.mktemp("snapshots")))


def test_every_view_is_there_whole_with_its_hash(whole):
    assert json.loads(Path(whole["folder"], "manifest.json").read_text("utf-8"))["files"] == whole["files"]
    for file in whole["files"]:
        content = Path(whole["folder"], file["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert pq.read_metadata(f"{whole['folder']}/{file['file']}").num_rows == file["rows"]
        count = (
            rows(f'select count(*) as n from onemap."{file["entity"]}"')[0]["n"] if file["entity"] != "change" else 0
        )
        assert count == file["rows"], file["entity"]
    assert {"project", "case", "finding", "work_order", "parcel"} <= {f["entity"] for f in whole["files"]}


def test_duckdb_and_polars_answer_from_the_files(whole):
    at = whole["folder"]
    late = duckdb.sql(
        f"""select count(*) from '{at}/case.parquet' c where c.used_promised > c.promised_limit"""
    ).fetchall()[0][0]
    assert late == rows('select count(*) as n from onemap."case" where used_promised > promised_limit')[0]["n"]
    joined = duckdb.sql(
        f"""select p.town_name, count(*) from '{at}/finding.parquet' f join '{at}/project.parquet' p on p.id = f.project_code group by 1"""
    ).fetchall()
    assert sum(n for _, n in joined) > 0
    assert pl.read_parquet(f"{at}/project.parquet")["project_name"].drop_nulls().len() > 0
    assert pq.read_schema(f"{at}/case.parquet").field("due_promised").metadata[b"zh"].decode() == "承诺到期日"


def test_shapes_are_geoparquet_in_cgcs2000_longitude_first(whole):
    import shapely

    schema = pq.ParquetFile(f"{whole['folder']}/redline.parquet").metadata.metadata
    geo = json.loads(schema[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"], column["encoding"], column["crs"]["id"]["code"]) == ("1.1.0", "WKB", 4490)
    west, south, east, north = column["bbox"]
    assert 113 < west <= east < 115 and 22 < south <= north < 24
    shapes = [s for s in pq.read_table(f"{whole['folder']}/redline.parquet")[geo["primary_column"]].to_pylist() if s]
    assert shapely.from_wkb(shapes[0]).bounds[0] >= west


def test_a_part_brings_what_changed_and_names_what_went(whole, store, tmp_path):
    one = rows("select id from supervision.finding where state = 'open' order by id limit 1")[0]["id"]
    ledger.decide(one, "confirmed", by="test", note="属实")
    gone = rows("select id from store.item where gone_at is null order by id limit 1")[0]["id"]
    with transaction() as connection:
        connection.execute(sa.text("update store.item set gone_at = now() where id = :i"), {"i": gone})
        connection.execute(
            sa.text("insert into store.change (entity, entity_id, op) values ('item', :i, 'DEL')"), {"i": gone}
        )
    part = snapshot.make(Grant("test"), str(tmp_path), since=whole["cursor"])
    assert [(f["entity"], f["rows"]) for f in part["files"]] == [("finding", 1)] and part["deleted"] == {"item": [gone]}
    assert pl.read_parquet(f"{part['folder']}/finding.parquet")["state"].to_list() == ["confirmed"]
    again = snapshot.make(Grant("test"), str(tmp_path), since=part["cursor"])
    assert again["files"] == [] and again["deleted"] == {}
    with pytest.raises(BadCursorError):
        snapshot.make(Grant("test"), str(tmp_path), since="nonsense")


def test_a_town_gets_its_rows_masked(whole, two_towns, tmp_path):
    mine = snapshot.make(grant_of("t", ["read:projects", f"town:{two_towns[0]}"]), str(tmp_path))
    projects = pl.read_parquet(f"{mine['folder']}/project.parquet")
    assert set(projects["town_code"]) == {two_towns[0]}
    names = pl.read_parquet(f"{whole['folder']}/project.parquet")["agent"].drop_nulls().to_list()
    assert all("*" in name for name in names)


def test_nightly_writes_a_whole_one_first_and_then_what_changed(store, monkeypatch, tmp_path):
    monkeypatch.setenv("ONEMAP_SNAPSHOT_URL", str(tmp_path))
    first, second = snapshot.nightly(), None
    import time

    time.sleep(1.1)
    second = snapshot.nightly()
    assert first["kind"] == "full" and second["kind"] in ("incremental", "full")
    assert [s["name"] for s in snapshot.listed()][-1] == first["name"]
