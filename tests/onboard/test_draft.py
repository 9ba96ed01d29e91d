"""A person connects a foreign system by declarations alone: new, profile, draft; doubts wait for a person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from pipeline import diagnose
from pipeline.onboard import conformance, steps
from pipeline.onboard.profile import profile
from pipeline.preview import preview
from quality import suites
from sources import loader
from tests.onboard import foreign

GIVEN = {
    "name": "外地许可登记",
    "system": "部门审批系统",
    "department": "许可科",
    "schedule": "20 * * * *",
    "promise": "P1D",
    "options": {},
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with foreign.own_declarations(tmp_path, monkeypatch) as folder:
        yield folder


def permits(place: Path, patch: pytest.MonkeyPatch) -> None:
    foreign.connect(patch, "x_permits", extra={"url": foreign.permits(place / "register.db")})
    feed = {
        "name": "许可登记",
        "cursor": {"kind": "window", "column": "last_modified"},
        "options": {"table": "permit_register"},
    }
    steps.new("x1", connection="x_permits", protocol="database", feeds={"permit": feed}, **GIVEN)


def decide(text: str) -> str:
    """Every guess taken as it stands, what cannot stand put aside: what a person does who agrees."""
    text = re.sub(r".*const: \"\?\".*\n", "", text)
    return re.sub(r"# \? ", "# ", text)


def test_a_table_of_permits_is_profiled_without_a_mapping(place, monkeypatch) -> None:
    permits(place, monkeypatch)
    (seen,) = steps.look("x1")
    found = seen.profile
    assert found.rows == 120 and found.keys[0] == ["permit_no"] and found.cursors[0] == "last_modified"
    assert found.columns["issued_on"].kind == "time" and "yyyy-MM-dd" in found.columns["issued_on"].formats
    assert found.columns["expires_on"].filled == 96 and found.columns["status"].few
    assert "4490" in found.crs
    assert len(preview("x1.permit", 3, raw=True).rows) == 3


def test_a_draft_waits_for_a_person_and_then_reads(place, monkeypatch) -> None:
    permits(place, monkeypatch)
    made = steps.draft("x1")
    mapping = place / "mappings" / "x1" / "permit.yaml"
    text = mapping.read_text("utf-8")
    assert made.files[mapping] > 0
    for line in ("number: permit_no", "issued_at: issued_on", "valid_to: {from: expires_on, as: end_date}"):
        assert line in text
    (line,) = diagnose.check("x1")
    assert not line.ok and "sources/x1.yaml:" in line.detail and "# ?" in line.remedy

    source = place / "sources" / "x1.yaml"
    source.write_text(decide(source.read_text("utf-8")), "utf-8")
    foreign.forget()
    assert any("permit.yaml:" in line.detail and not line.ok for line in diagnose.check("x1"))

    mapping.write_text(decide(text), "utf-8")
    foreign.forget()
    assert [line for line in diagnose.check("x1") if not line.ok] == []
    row = preview("x1.permit", 1).rows[0]
    assert row["record"]["record_key"].startswith("BP-2026-") and row["entities"]["licence"][0]["number"]


def test_a_guess_without_a_witness_is_marked(place, monkeypatch) -> None:
    permits(place, monkeypatch)
    steps.draft("x1")
    lines = (place / "mappings" / "x1" / "permit.yaml").read_text("utf-8").splitlines()
    for name in ("fee", "lon", "status"):
        assert all("# ?" in line for line in lines if re.search(rf"\b{name}\b", line.partition("#")[0]))


def test_a_listing_with_nested_records_is_drafted(place, monkeypatch) -> None:
    with foreign.listing() as url:
        foreign.connect(monkeypatch, "x_listing", host=url)
        options = {"path": "/list", "rows": "results", "paging": {"kind": "offset", "size": 40, "total": "count"}}
        feed = {"name": "申请", "cursor": {"kind": "full"}, "options": options}
        steps.new("x2", connection="x_listing", protocol="rest", feeds={"app": feed}, **GIVEN)
        (seen,) = steps.look("x2")
        assert seen.profile.rows == 100 and seen.profile.keys[0] == ["reference"]
        steps.draft("x2")
        text = (place / "mappings" / "x2" / "app.yaml").read_text("utf-8")
        for line in ("entity: case", "case_no: reference", "submitted_at: lodged_date", "applicant.name"):
            assert line in text
        for name in ("sources/x2.yaml", "mappings/x2/app.yaml"):
            (place / name).write_text(decide((place / name).read_text("utf-8")), "utf-8")
        foreign.forget()
        assert [line for line in diagnose.check("x2") if not line.ok] == []
        assert preview("x2.app", 2).rows[0]["entities"]["case"][0]["case_no"] == "APP/0000"


def test_a_draft_brings_a_suite_that_tells_what_no_longer_holds_and_rejects_nothing(place, monkeypatch) -> None:
    permits(place, monkeypatch)
    path = place / "suites" / "feeds" / "x1.permit.yaml"
    assert steps.draft("x1").files[path] == 0
    suite = suites.feed("x1.permit")
    suite.compiled()
    asked = {(one.expect, one.arguments["column"]) for one in suite.checks if one.arguments["column"] in suite.raw}
    assert ("column_values_to_not_be_null", "issued_on") in asked
    assert ("column_values_to_not_be_null", "expires_on") not in asked
    assert {column for expect, column in asked if "set" in expect} == {"permit_type", "status"}
    assert not [one for one in suite.checks if one.rejects and one.arguments["column"] in suite.raw]
    path.write_text("feed: x1.permit\n", "utf-8")
    assert path in steps.draft("x1", force=True).present and path.read_text("utf-8") == "feed: x1.permit\n"


def test_a_wrong_suite_is_found_by_check(place, monkeypatch) -> None:
    connected(place, monkeypatch)
    path = place / "suites" / "feeds" / "x1.permit.yaml"
    path.write_text(path.read_text("utf-8").replace("missing_value", "mising_value"), "utf-8")
    foreign.forget()
    (line,) = [line for line in diagnose.check("x1") if not line.ok]
    assert "mising_value" in line.detail and "x1.permit.yaml:" in line.detail


def connected(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The permits, drafted and decided."""
    permits(place, monkeypatch)
    steps.draft("x1")
    for name in ("sources/x1.yaml", "mappings/x1/permit.yaml"):
        (place / name).write_text(decide((place / name).read_text("utf-8")), "utf-8")
    foreign.forget()
    return place / "mappings" / "x1"


def test_the_kit_passes_on_a_sound_source_and_runs_its_mapping_tests(place, monkeypatch) -> None:
    mapping = connected(place, monkeypatch)
    (mapping / "tests").mkdir()
    (mapping / "tests" / "permit.yaml").write_text(
        "feed: x1.permit\ncases:\n  - name: a permit\n    raw: [{permit_no: A1, issued_on: 2026-01-02, last_modified: 2026-01-03}]\n"
        '    rows: {licence: [{number: A1, issued_at: "2026-01-02 00:00:00", valid_to: null}]}\n'
    )
    lines = list(conformance.run("x1"))
    assert [line for line in lines if line.ok is False] == []
    told = {line.name for line in lines if line.ok}
    assert {"窗口 windows", "重放 replay", "中断后续读 resume", "坏应答 hostile", "映射用例 · a permit"} <= told
    assert 'failures="0"' in conformance.junit("x1", lines)


def test_the_kit_finds_a_key_that_names_no_row(place, monkeypatch) -> None:
    path = connected(place, monkeypatch) / "permit.yaml"
    path.write_text(path.read_text("utf-8").replace("key: [permit_no]", "key: [permittee]"), "utf-8")
    foreign.forget()
    (line,) = [line for line in conformance.run("x1") if line.name == "主键 keys"]
    assert line.ok is False or "17 " in line.detail


def test_what_is_there_is_not_written_over(place, monkeypatch) -> None:
    permits(place, monkeypatch)
    with pytest.raises(ConfigurationError, match="there already"):
        permits_again = {**GIVEN, "connection": "x_permits", "protocol": "database", "feeds": {}}
        steps.new("x1", **permits_again)
    steps.draft("x1")
    assert steps.draft("x1").files == {}


def test_a_wrong_option_leaves_no_file(place) -> None:
    with pytest.raises(ConfigurationError, match="tabel"):
        feed = {"name": "x", "cursor": {"kind": "full"}, "options": {"tabel": "x"}}
        steps.new("x3", connection="c", protocol="database", feeds={"a": feed}, **GIVEN)
    assert "x3" not in loader.names()


def test_a_profile_looks_into_lists_of_one_object_and_reads_a_geometry_in_binary():
    import pyarrow as pa
    import shapely

    rows = pa.table(
        {
            "holder": ['[{"uscc":"91441900MA0000015D","_text":"甲公司"}]'] * 3,
            "mat": ['[{"no":"1"},{"no":"2"}]'] * 3,
            "no": ["S1", "S2", None],
            "_geometry": [shapely.Point(113.7, 23.0).wkb_hex] * 3,
        }
    )
    found = profile("x.list", pa.table({n: rows[n].cast(pa.large_string()) for n in rows.column_names}))
    assert {"holder[0].uscc", "holder[0]._text"} <= found.columns.keys() and "mat[0].no" not in found.columns
    assert "度" in found.crs


def test_a_column_that_a_footer_lacks_is_a_candidate_of_the_key():
    import pyarrow as pa

    rows = pa.table(
        {
            "no": pa.array([*(f"S{n}" for n in range(20)), None], pa.large_string()),
            "name": pa.array(["甲"] * 21, pa.large_string()),
        }
    )
    assert profile("x.list", rows).keys == [["no"]]
