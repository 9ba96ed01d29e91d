"""Paths into nested columns, feeds whose mapping is their contract, ``ignore: rest``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from core.errors import ConfigurationError
from mappings import compiler, paths

RELEASE = """
feed: ocds.release
version: 1
key: [ocid]
time: {from: meta.updated, as: timestamp}
ignore: IGNORE
entities:
  - entity: enterprise
    columns:
      uscc: {from: "parties[role=buyer].id", as: text}
      name: {from: "parties[role=buyer].name"}
      address: parties[0].address.streetAddress
  - entity: material
    explode: documents
    columns:
      name: documents.title
      case_no: documents.about.number
"""
ROW = {
    "ocid": "o-1",
    "meta": '{"updated": "2026-11-02 10:00:00"}',
    "parties": '[{"role": "tenderer", "address": {"streetAddress": "松山湖"}},{"role": "buyer", "id": "B1", "name": "某局"}]',
    "documents": '[{"title": "批文", "about": {"number": "N1"}}, {"title": "图"}]',
    "other": "x",
}


def mapping(tmp_path: Path, ignore: str):
    folder = tmp_path / "ocds"
    folder.mkdir(exist_ok=True)
    path = folder / "release.yaml"
    path.write_text(RELEASE.replace("IGNORE", ignore), "utf-8")
    return compiler.read(path)


def test_a_feed_without_a_contract_has_the_columns_that_its_mapping_names(tmp_path):
    made = mapping(tmp_path, "[]").apply(pa.table({name: pa.array([value, None]) for name, value in ROW.items()}))
    [enterprise] = made.entities["enterprise"].filter(made.entities["enterprise"]["_row"] == 0).to_dicts()
    assert (enterprise["uscc"], enterprise["name"], enterprise["address"]) == ("B1", "某局", "松山湖")
    documents = made.entities["material"].to_dicts()
    assert [(d["name"], d["case_no"]) for d in documents] == [("批文", "N1"), ("图", None)]
    assert str(made.records["source_time"][0]) == "2026-11-02 10:00:00"
    assert [(issue.code, issue.field) for issue in made.issues] == [
        ("unknown_column", "other"),
        ("missing_time", "meta.updated"),
    ]
    assert [reject["code"] for reject in made.rejects.to_dicts()] == ["missing_key"]


def test_what_a_person_decided_to_ignore_is_no_issue_and_stays_in_raw(tmp_path):
    made = mapping(tmp_path, "rest").apply(pa.table({name: pa.array([value]) for name, value in ROW.items()}))
    assert made.issues == [] and '"other":"x"' in made.records["raw"][0]


@pytest.mark.parametrize(
    "name, found",
    [
        ("a.b.c", ("a", "$['b']['c']")),
        ("a[2].b", ("a", "$[2]['b']")),
        ("a[k=v'w].b", ("a", "$[?(@.k=='v\\'w')]['b']")),
        ("SPHJ.X.y", ("SPHJ.X", "$['y']")),
        ("b.c", None),
        ("a.", None),
        ("a", None),
    ],
)
def test_a_path_leads_into_the_longest_column_that_it_begins_with(name, found):
    assert paths.split(name, {"a", "SPHJ", "SPHJ.X"}) == found


def test_a_path_into_a_column_that_is_no_json_is_refused_where_a_contract_says_so(tmp_path):
    folder = tmp_path / "m2"
    folder.mkdir()
    text = (
        (compiler.FOLDER / "m2" / "sl.yaml")
        .read_text("utf-8")
        .replace("case_no: SBLSH_SHORT", "case_no: SBLSH_SHORT.x", 1)
    )
    (folder / "sl.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match="no column SBLSH_SHORT.x"):
        compiler.read(folder / "sl.yaml")


@pytest.mark.parametrize(
    ("name", "columns", "found"),
    [
        ("lines[0][no=A=B].name", {"lines"}, ("lines", "$[0][?(@.no=='A=B')]['name']")),
        ("lines[no=1][0]", {"lines"}, ("lines", "$[?(@.no=='1')][0]")),
        (r"lines[no=it's \ here]", {"lines"}, ("lines", r"$[?(@.no=='it\'s \\ here')]")),
        ("SPHJ.SPSJ.at", {"SPHJ", "SPHJ.SPSJ"}, ("SPHJ.SPSJ", "$['at']")),
        ("GX.a", {"G"}, None),  # no column: what stands before a step is a name as a whole
        ("lines", {"lines"}, None),
        ("lines[0", {"lines"}, None),
    ],
)
def test_a_path_is_a_column_and_steps_within_it(name, columns, found):
    assert paths.split(name, columns) == found
