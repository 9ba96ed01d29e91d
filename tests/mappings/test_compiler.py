"""The language of mappings, and what is refused before a row is read."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from core.errors import ConfigurationError
from mappings import compiler

HEAD = "feed: m2.sb\nversion: 1\nkey: [SBLSH_SHORT, {from: VERSION, as: int}]\ntime: INSERTTIME\n"
UNUSED = {
    "SBLSH",
    "SXBM",
    "SXBM_SHORT",
    "SXMC",
    "SXQXBM",
    "FSXBM",
    "FSXMC",
    "SQRLX",
    "SQRMC",
    "SQRZJLX",
    "SQRZJHM",
    "LXRXM",
    "LXRZJLX",
    "LXRZJHM",
    "LXRSJ",
    "SBXMMC",
    "SBCLQD",
    "TJFS",
    "SBHZH",
    "SBSJ",
    "SBJTWD",
    "XZQHDM",
    "YSBLSH",
    "F_XZQHDM",
    "PROJECT_CODE",
    "WSSBQD",
    "OBTAIN_PAPER_WAY",
    "OBTAIN_DELIVER_WAY",
    "XML_DATA",
    "D_ZZJGDM",
    "REC_FLAG",
    "RESPONSETIME",
}


def compiled(
    folder: Path, body: str, *, used: set[str] = frozenset(), head: str = HEAD, more: str = ""
) -> compiler.Mapping:
    path = folder / "m2" / "sb.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{head}{more}ignore: [{', '.join(sorted(UNUSED - used))}]\nentities:\n{body}", "utf-8")
    return compiler.read(path)


def case(*columns: str) -> str:
    return "  - entity: case\n    columns:\n" + "".join(f"      {column}\n" for column in columns)


def rows(**columns: list[str | None]) -> pa.Table:
    count = len(next(iter(columns.values())))
    given = {
        "SBLSH_SHORT": [f"S{n}" for n in range(count)],
        "VERSION": ["1"] * count,
        "INSERTTIME": ["2026-03-01 08:00:00"] * count,
        "_place": [f"row {n}" for n in range(count)],
        **columns,
    }
    return pa.table({name: pa.array(values, pa.large_string()) for name, values in given.items()})


# -- what the frames are


def test_records_are_keyed_timed_and_keep_the_cleaned_raw(tmp_path: Path) -> None:
    mapped = compiled(tmp_path, case("case_no: SBLSH_SHORT")).apply(
        rows(SXMC=['"事"\\项　\n 乙', " ", None], EXTRA=["Ａ１", "", None], SBLSH_SHORT=["S0  ", "Ｓ1", "S2"])
    )
    assert dict(mapped.records.schema) == compiler.RECORDS
    assert mapped.records["record_key"].to_list() == ["S0|1", "S1|1", "S2|1"]
    assert mapped.records["source_time"].to_list() == [datetime(2026, 3, 1, 8)] * 3
    assert mapped.records["_place"].to_list() == ["row 0", "row 1", "row 2"]
    raws = [json.loads(text) for text in mapped.records["raw"]]
    assert raws[0]["SXMC"] == '"事"\\项　\n 乙' and raws[0]["EXTRA"] == "A1"
    assert raws[1].keys() == {"SBLSH_SHORT", "VERSION", "INSERTTIME"}
    assert all(list(one) == sorted(one) for one in raws)


def test_raw_does_not_depend_on_order_case_or_absence_of_columns(tmp_path: Path) -> None:
    mapping = compiled(tmp_path, case("case_no: SBLSH_SHORT"))
    one = mapping.apply(rows(SXMC=["a"], TJFS=[None])).records["raw"]
    table = rows(sxmc=["a "])
    other = mapping.apply(table.select(list(reversed(table.column_names)))).records["raw"]
    assert one.to_list() == other.to_list()


def test_every_reason_is_told_and_a_rejected_row_stands_nowhere_else(tmp_path: Path) -> None:
    mapping = compiled(
        tmp_path,
        case("case_no: SBLSH_SHORT", "submitted_at: SBSJ", "limit_days: TJFS"),
        used={"SBSJ", "TJFS"},
    )
    mapped = mapping.apply(
        rows(
            SBLSH_SHORT=["", "S1", "S2"],
            INSERTTIME=["never", "2026-03-01", "2026-03-01"],
            SBSJ=["soon", "2026/3/1", None],
            TJFS=["x", "1", "1.5"],
        )
    )
    assert dict(mapped.rejects.schema) == compiler.REJECTS
    assert set(mapped.rejects.select("_row", "code", "field", "value").iter_rows()) == {
        (0, "missing_key", "SBLSH_SHORT", None),
        (0, "unreadable_time", "INSERTTIME", "never"),
        (0, "unreadable_time", "SBSJ", "soon"),
        (0, "unreadable_number", "TJFS", "x"),
        (2, "unreadable_number", "TJFS", "1.5"),
    }
    assert mapped.records["_row"].to_list() == [1] and mapped.entities["case"]["_row"].to_list() == [1]
    assert set(mapped.rejects.filter(pl.col("_row") == 2)["record_key"]) == {"S2|1"}
    assert json.loads(mapped.rejects["raw"][0])["SBSJ"] == "soon"
    assert all("无法" in message or "为空" in message for message in mapped.rejects["message"])


def test_unknown_columns_and_codes_are_issues_counted(tmp_path: Path) -> None:
    mapping = compiled(tmp_path, case("applicant_type: {from: SQRLX, codes: applicant_type}"), used={"SQRLX"})
    mapped = mapping.apply(rows(SQRLX=["9", "2", "9", "8"], NEW=[None, "v", "w", None], _note=["1"] * 4))
    told = {(issue.code, issue.field, issue.value): (issue.count, issue.record_key) for issue in mapped.issues}
    assert told == {
        ("unknown_code", "SQRLX", "9"): (2, "S0|1"),
        ("unknown_code", "SQRLX", "8"): (1, "S3|1"),
        ("unknown_column", "NEW", "v"): (2, "S1|1"),
    }
    assert mapped.entities["case"]["applicant_type"].to_list() == [None, "2", None, None]
    assert "v" in mapped.records["raw"][1] and "_note" not in mapped.records["raw"][0]


def test_a_flood_of_unknown_codes_is_told_in_few_words(tmp_path: Path) -> None:
    mapping = compiled(tmp_path, case("applicant_type: {from: SQRLX, codes: applicant_type}"), used={"SQRLX"})
    issues = mapping.apply(rows(SQRLX=[f"x{n}" for n in range(1000)])).issues
    assert len(issues) == 51 and sum(issue.count for issue in issues) == 1000 and issues[-1].value is None


def test_an_empty_increment_time_keeps_the_row_and_is_told(tmp_path: Path) -> None:
    mapped = compiled(tmp_path, case("case_no: SBLSH_SHORT")).apply(
        rows(INSERTTIME=[None, "0000-00-00 00:00:00", "2026-03-01"])
    )
    assert mapped.records["source_time"].to_list() == [None, None, datetime(2026, 3, 1)]
    assert [(issue.code, issue.count) for issue in mapped.issues] == [("missing_time", 1)]


def test_no_rows_and_no_columns(tmp_path: Path) -> None:
    mapping = compiled(tmp_path, case("submitted_at: SBSJ"), used={"SBSJ"})
    mapped = mapping.apply(rows(SBSJ=[]))
    assert mapped.records.is_empty() and mapped.entities["case"].is_empty() and mapped.issues == []
    assert (
        mapping.apply(pa.table({"_place": pa.array(["a"], pa.large_string())})).rejects["code"].to_list()
        == ["missing_key"] * 2
    )


# -- the language


def test_values(tmp_path: Path) -> None:
    mapping = compiled(
        tmp_path,
        case(
            "channel: {const: M2}",
            "version: VERSION",
            "commitment: {const: true}",
            "case_no: {first_of: [SBLSH, SBLSH_SHORT]}",
            "receipt_no: {concat: [SBLSH, SXBM, {from: SBSJ, as: timestamp}]}",
            "municipal_no: {concat: [SBLSH, SXBM], separator: '/'}",
            "town_code: {from: XZQHDM, extract: '^(\\d{9})', unreadable: nothing}",
            "result: {from: SXMC, contains: {不: DONE_FAIL, 通过: DONE_OK}, default: REVOKED}",
            "item_code: {from: SQRLX, map: {'1': DG-401, '2': null}}",
            "project_code: {from: PROJECT_CODE, as: code}",
            "submitted_at: SBSJ",
        ),
        used={"SBLSH", "SXBM", "SBSJ", "XZQHDM", "SXMC", "SQRLX", "PROJECT_CODE"},
    )
    mapped = mapping.apply(
        rows(
            SBLSH=["L1", None],
            SXBM=["X", None],
            SBSJ=["2026/3/1", None],
            XZQHDM=["441900121001", "441900"],
            SXMC=["不通过", None],
            SQRLX=["1", "2"],
            PROJECT_CODE=["２３０４－441900-04-01-135254", None],
        )
    )
    first, second = mapped.entities["case"].drop("_row", "ord").iter_rows(named=True)
    assert {name: value for name, value in first.items() if value is not None} == {
        "channel": "M2",
        "version": 1,
        "commitment": True,
        "case_no": "L1",
        "receipt_no": "L1|X|2026-03-01 00:00:00",
        "municipal_no": "L1/X",
        "town_code": "441900121",
        "result": "DONE_FAIL",
        "item_code": "DG-401",
        "project_code": "2304-441900-04-01-135254",
        "submitted_at": datetime(2026, 3, 1),
    }
    assert {name: value for name, value in second.items() if value is not None} == {
        "channel": "M2",
        "version": 1,
        "commitment": True,
        "case_no": "S1",
        "result": "REVOKED",
    }
    assert mapped.issues == []


def test_unreadable_may_be_an_issue_instead(tmp_path: Path) -> None:
    mapping = compiled(tmp_path, case("submitted_at: {from: SBSJ, unreadable: issue}"), used={"SBSJ"})
    mapped = mapping.apply(rows(SBSJ=["soon", "2026-03-01"]))
    assert mapped.rejects.is_empty() and mapped.records.height == 2
    assert [(i.code, i.value) for i in mapped.issues] == [("unreadable_time", "soon")]


@pytest.mark.parametrize(
    ("test", "kept"),
    [
        ("SXMC", [0, 1, 2]),
        ("{from: SXMC, equals: a}", [0, 2]),
        ("{from: SXMC, one_of: [b, c]}", [1]),
        ("{from: SXMC, present: false}", [3]),
        ("{from: SXMC, contains: a}", [0, 2]),
        ("{from: TJFS, as: int, equals: 0}", [0, 2]),
        ("{not: {from: SXMC, equals: a}}", [1, 3]),
        ("{all: [SXMC, {from: TJFS, as: int, equals: 0}]}", [0, 2]),
        ("{any: [{from: SXMC, equals: b}, {from: TJFS, equals: '9'}]}", [1, 3]),
    ],
)
def test_when(tmp_path: Path, test: str, kept: list[int]) -> None:
    body = f"  - entity: case\n    when: {test}\n    columns: {{item_name: SXMC, limit_days: TJFS}}\n"
    mapped = compiled(tmp_path, body, used={"SXMC", "TJFS"}).apply(
        rows(SXMC=["a", "b", "a", None], TJFS=["0", None, "0.0", "9"])
    )
    assert mapped.entities["case"]["_row"].to_list() == kept
    assert mapped.records.height == 4


def test_blocks_of_one_entity_are_counted_within_a_record(tmp_path: Path) -> None:
    body = (
        "  - entity: case_event\n    when: SBSJ\n    columns: {event: {const: SUBMITTED}, at: SBSJ}\n"
        "  - entity: case_event\n    columns: {event: {const: HANDLING}, opinion: SXMC}\n"
    )
    mapped = compiled(tmp_path, body, used={"SBSJ", "SXMC"}).apply(rows(SBSJ=["2026-03-01", None], SXMC=["a", "b"]))
    assert list(mapped.entities["case_event"].select("_row", "ord", "event").iter_rows()) == [
        (0, 0, "SUBMITTED"),
        (0, 1, "HANDLING"),
        (1, 0, "HANDLING"),
    ]


def test_rank_tombstone_and_drop(tmp_path: Path) -> None:
    more = "rank: {from: TJFS, map: {D: 3, U: 2, I: 1}}\ntombstone: {from: TJFS, one_of: [D]}\ndrop: [REC_FLAG]\n"
    mapping = compiled(tmp_path, case("submitted_at: SBSJ"), used={"TJFS", "SBSJ", "REC_FLAG"}, more=more)
    mapped = mapping.apply(rows(TJFS=["I", "D ", None, "Q"], SBSJ=[None, "not a time", None, None], REC_FLAG=["1"] * 4))
    assert mapped.records["rank"].to_list() == [1, 3, 0, 0]
    assert mapped.records["tombstone"].to_list() == [False, True, False, False]
    assert mapped.entities["case"]["_row"].to_list() == [
        0,
        2,
        3,
    ]  # and what a tombstone says beside is not read
    assert "REC_FLAG" not in mapped.records["raw"][0]
    assert [(i.code, i.value) for i in mapped.issues] == [("unknown_code", "Q")]


def test_types_are_those_of_the_entity() -> None:
    mapped = compiler.load("s2.change").apply(
        pa.table(
            {
                "JCBH": ["1"],
                "HSX": ["202602"],
                "QSX": ["2026-01-05"],
                "MJ": ["1,234.5"],
                "SFYN": ["1"],
                "geometry": ["POLYGON((0 0,1 0,1 1,0 0))"],
            }
        )
    )
    row = mapped.entities["change_polygon"].row(0, named=True)
    assert row["seen_after"] == date(2026, 2, 28) and row["seen_before"] == date(2026, 1, 5)
    assert row["area"] == Decimal("1234.5") and row["on_farmland"] is True and row["on_redline"] is None
    assert isinstance(row["geom"], bytes)
    assert mapped.entities["change_polygon"].schema["area"] == pl.Decimal(20, 6)


def test_exploded_rows_clean_their_fields_and_tell_unknown_ones() -> None:
    steps = [{"SPHJMC": "征求意见  ", "SPSJ": "2026/3/2"}, {"sphjmc": "审查", "SPSJ": None, "NEW": 1}]
    mapped = compiler.load("d1.cases").apply(
        pa.table({"YWLSH": ["A", "B", "C"], "GXSJ": ["2026-03-01"] * 3, "SPHJ": [json.dumps(steps), None, "[{"]})
    )
    events = mapped.entities["case_event"].filter(pl.col("series") == "SPHJ")
    assert list(events.select("_row", "ord", "event", "step_name", "at").iter_rows()) == [
        (0, 0, "CONSULTED", "征求意见", datetime(2026, 3, 2)),
        (0, 1, "HANDLING", "审查", None),
    ]
    assert [(i.code, i.field, i.count, i.record_key) for i in mapped.issues] == [("unknown_column", "SPHJ.NEW", 1, "A")]
    assert list(mapped.rejects.select("record_key", "code", "field").iter_rows()) == [("C", "unreadable_json", "SPHJ")]
    assert json.loads(mapped.records["raw"][0])["SPHJ"][0]["SPSJ"] == "2026/3/2"


def test_a_row_is_rejected_for_a_field_inside_it() -> None:
    steps = [{"SPHJMC": "审查", "SPSJ": "2026/3/2"}, {"SPHJMC": "决定", "SPSJ": "soon"}]
    mapped = compiler.load("d1.cases").apply(
        pa.table({"YWLSH": ["A", "B"], "GXSJ": ["2026-03-01"] * 2, "SPHJ": [json.dumps(steps), None]})
    )
    assert list(mapped.rejects.select("record_key", "code", "field", "value").iter_rows()) == [
        ("A", "unreadable_time", "SPHJ.SPSJ", "soon")
    ]
    assert mapped.entities["case"]["case_no"].to_list() == ["B"] and mapped.entities["case_event"].is_empty()


# -- what does not compile


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            case("case_no: NOWHERE"),
            r"sb\.yaml:9: entities\[0\]\.columns\.case_no: the contract of m2\.sb has no column NOWHERE",
        ),
        (case("number: SBLSH_SHORT"), r"sb\.yaml:9: .*case has no column number"),
        (case("case_no: {from: SBLSH_SHORT, const: 1}"), r"sb\.yaml:9: .*exactly one of"),
        (case("case_no: {form: SBLSH_SHORT}"), r"sb\.yaml:9: entities\[0\]\.columns\.case_no\.form: no such key"),
        (case("result: {from: SBLSH_SHORT, codes: blzt}"), r"code list blzt does not lead to result"),
        (case("result: {from: SBLSH_SHORT, codes: none}"), r"no code list none"),
        (case("result: {const: FINE}"), r"'FINE' is not in the code list result"),
        (case("result: {from: SBLSH_SHORT, map: {a: FINE}}"), r"'FINE' is not in the code list result"),
        (case("submitted_at: {from: SBLSH_SHORT, as: int}"), r"as: int does not give a timestamp"),
        (
            case("submitted_at: {from: SBLSH_SHORT, format: dd/mm/yyyy}"),
            r"sb\.yaml:9: .*needs a year, a month and a day",
        ),
        (case("submitted_at: {from: SBLSH_SHORT, zone: Europe/Londen}"), r"sb\.yaml:9: .*did you mean Europe/London"),
        (case("submitted_at: {from: SBLSH_SHORT, as: epoch_ms, zone: UTC}"), r"format and zone are of times"),
        (case("case_no: {from: SBLSH_SHORT, zone: UTC}"), r"case_no is a text"),
        (case("case_no: {first_of: [{from: SBLSH_SHORT, zone: UTC}]}"), r"add as: timestamp"),
        (case("case_no: {position: true}"), r"only a block with explode"),
        (case("limit_days: {from: SBLSH_SHORT, unit: 公顷, as: decimal}"), r"as: decimal does not give a int"),
        (case("case_no: {from: SBLSH_SHORT, extract: '('}"), r"sb\.yaml:9: .*extract"),
        (case("case_no: {from: SBLSH_SHORT, extract: 'a'}"), r"needs a group"),
        (
            "  - entity: nothing\n    columns: {a: SBLSH_SHORT}\n",
            r"sb\.yaml:7: entities\[0\]\.entity: the common model has no entity nothing",
        ),
        ("  - entity: case\n    explode: SXMC\n    columns: {case_no: SBLSH_SHORT}\n", r"has no nested column SXMC"),
        (
            "  - entity: case\n    when: {from: NOWHERE, present: true}\n    columns: {case_no: SBLSH_SHORT}\n",
            r"sb\.yaml:8: .*no column NOWHERE",
        ),
        (
            "  - entity: case\n    when: {from: SXMC}\n    columns: {case_no: SBLSH_SHORT}\n",
            r"one of equals, one_of, contains, present",
        ),
    ],
)
def test_refused_with_file_and_line(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compiled(tmp_path, body)


def test_a_column_neither_used_nor_ignored_does_not_compile(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sb\.yaml:5: ignore: SXMC is neither used nor ignored"):
        compiled(tmp_path, case("case_no: SBLSH_SHORT"), used={"SXMC"})
    with pytest.raises(ConfigurationError, match=r"SXMC is used as well"):
        compiled(tmp_path, case("case_no: SXMC"))


def test_all_faults_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compiled(tmp_path, case("case_no: NOWHERE", "number: SBLSH_SHORT"), used={"TJFS"})
    assert [word in caught.value.message for word in ("NOWHERE", "no column number", "TJFS")] == [True] * 3


def test_the_feed_is_the_files_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"sb\.yaml:1: feed: must be m2\.sb"):
        compiled(tmp_path, case("case_no: SBLSH_SHORT"), head=HEAD.replace("m2.sb", "m2.sl"))


def test_a_missing_mapping_says_where_it_should_be() -> None:
    with pytest.raises(ConfigurationError, match=r"mappings/m2/none\.yaml is missing"):
        compiler.load("m2.none")


def test_the_digest_changes_with_the_declaration_and_its_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = compiled(tmp_path, case("case_no: SBLSH_SHORT"))
    assert one.digest == compiled(tmp_path, case("case_no: SBLSH_SHORT")).digest
    assert one.digest != compiled(tmp_path, case("receipt_no: SBLSH_SHORT")).digest
    with_codes = compiled(tmp_path, case("applicant_type: {from: SQRLX, codes: applicant_type}"), used={"SQRLX"})
    before = with_codes.digest
    real = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: real(path) + (b"#" if path.name == "applicant_type.yaml" else b"")
    )
    assert (
        compiled(tmp_path, case("applicant_type: {from: SQRLX, codes: applicant_type}"), used={"SQRLX"}).digest
        != before
    )


def test_a_column_in_two_spellings_counts_where_both_say_the_same():
    rows = pa.table({"uscc": ["1", "2", None], "USCC": ["1", "9", "3"], "name": ["甲", "乙", "丙"]})
    made = compiler.load("p1.enterprise").apply(rows)
    assert made.records["record_key"].to_list() == ["1", "3"]
    assert made.rejects.select("code", "field").rows() == [("column_ambiguous", "uscc")]
