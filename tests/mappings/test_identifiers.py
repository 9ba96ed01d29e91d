"""Text that looks the same is the same, and a word for "none" names nothing."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import cleaning, compiler, placeholders

NONE = [
    "无",
    "暂无",
    "/",
    "—",
    "--",
    "－",
    "N/A",
    "#N/A",
    "n/a",
    "null",
    "NULL",
    "待定",
    "00000",
    "0000-000000",
    "不详",
    "同上",
]
NONE += ["99999", "*", "……", "XXX", "( null )".replace(" ", ""), "123456", "见附件"]
NONE += ["Ｎ／Ａ", "（ｎｕｌｌ）", "待核发", "办理中", "无证书", "″"]
REAL = [
    "44192602000001",
    "0",
    "1",
    "X",
    "A-1",
    "东气〔2026〕2号",
    "无锡环审〔2026〕1号",
    "2312-441900-04-01-000001",
    "91441900MA0000015D",
]
REAL += ["114419000001000445", "NA-2026-1", "1111", "粤无备2026", "0001"]
LOOK_ALIKE = {
    "4419260\u200b2000001": "44192602000001",
    "\u202a44192602000002\u202c": "44192602000002",
    "4419260200\u00ad0003": "44192602000003",
    "44192602\u00a0000005": "44192602000005",
    "2312\u2013441900\u201404\u221201-000001": "2312-441900-04-01-000001",
    "\u041d\u0412000001": "HB000001",
    "A&amp;B\u516c\u53f8": "A&B公司",
    "4419&#8203;26": "441926",
    "4419\\u200b26": "441926",
    "\u2f42\u53f7": "文号",
    "\uf9ba\u901a": "了通",
    "东莞\u2003市": "东莞 市",
    "cafe\u0301": "café",
    "文\ufe0f号": "文号",
}
KEPT = ["2026—2035年规划", "Москва", "αβγ", "A&B", "C:\\users", "m²", "①", "（一）", "&unknown;", "АВ公司"]


def column(*values: str | None) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


@pytest.mark.parametrize("word", NONE)
def test_a_word_for_none_is_no_identifier(word):
    values, words = placeholders.without(cleaning.clean(column(word, "44192602000001")))
    assert values.to_list() == [None, "44192602000001"] and words.to_list() == [True, False]


def test_what_may_be_an_identifier_stays():
    values, words = placeholders.without(column(*REAL, None))
    assert values.to_list() == [*REAL, None] and words is None


@pytest.mark.parametrize(("written", "plain"), LOOK_ALIKE.items(), ids=range(len(LOOK_ALIKE)))
def test_text_that_looks_the_same_is_the_same_and_counted(written, plain):
    values, mask = cleaning.plain(column(written, "x"))
    assert values.to_list() == [plain, "x"] and mask.to_list() == [True, False]


def test_what_means_something_else_stays():
    assert cleaning.plain(column(*KEPT, None))[0].to_list() == [*KEPT, None]


@given(st.lists(st.text(max_size=12) | st.none(), max_size=5))
def test_making_text_plain_twice_changes_nothing_more(values):
    once, _ = cleaning.plain(column(*values))
    again, _ = cleaning.plain(once)
    # an escape of an escape is undone once a batch: &amp;lt; is not <
    for first, second in zip(once, again, strict=True):
        assert first == second or "&" in (first or "") or "\\" in (first or "")


def test_a_key_falls_back_to_the_next_and_else_rejects_its_row():
    rows = pa.table(
        {
            "申办流水号": ["无", "44192602000001", "—"],
            "文号": ["东气〔2026〕2号", "同上", "N/A"],
            "项目代码": ["待定", "2312-441900-04-01-000001", "0000-000000-00-00-000000"],
        }
    )
    mapped = compiler.load("d5.weather").apply(rows)
    assert mapped.records["record_key"].to_list() == ["东气〔2026〕2号", "44192602000001"]
    cases = mapped.entities["case"]
    assert cases["case_no"].to_list() == mapped.records["record_key"].to_list()
    assert cases["project_code"].to_list() == [None, "2312-441900-04-01-000001"]
    assert cases["licence_no"].to_list() == ["东气〔2026〕2号", None]
    (reject,) = mapped.rejects.to_dicts()
    assert reject["code"] == "missing_key" and "文号" in reject["field"]
    told = {(issue.field, issue.value) for issue in mapped.issues if issue.code == "placeholder"}
    assert {("申办流水号", "无"), ("文号", "同上"), ("项目代码", "待定")} <= told
    assert "无" in mapped.records["raw"][0]  # the row as it came is kept


@pytest.mark.parametrize("word", ["无", "待核", "Ｎ／Ａ", "——"])
def test_a_word_for_none_is_no_time_and_no_number_and_costs_no_record(word):
    rows = pa.table({"uscc": ["91441900MA0000015D"], "name": ["某公司"], "regDate": [word], "regCapital": [word]})
    mapped = compiler.load("p1.enterprise").apply(rows)
    assert mapped.rejects.is_empty()
    row = mapped.entities["enterprise"].row(0, named=True)
    assert row["reg_capital"] is None and row["name"] == "某公司"
    told = {issue.field for issue in mapped.issues if issue.code == "placeholder"}
    assert "regCapital" in told


@pytest.mark.parametrize("written", ["soon", "约100", "无\ufffd"])
def test_what_is_no_number_and_no_word_for_none_rejects_its_row(written):
    rows = pa.table({"uscc": ["91441900MA0000015D"], "name": ["某公司"], "regCapital": [written]})
    assert compiler.load("p1.enterprise").apply(rows).rejects["code"].to_list() == ["unreadable_number"]


@given(st.lists(st.text("0019Xx-_/\\ .?#naulNAULE()<>[]\t", max_size=6)))
def test_a_column_in_ascii_has_the_words_that_it_has_beside_others(texts) -> None:
    alone, beside = placeholders.without(column(*texts)), placeholders.without(column(*texts, "东莞"))
    assert alone[0].to_list() == beside[0].to_list()[:-1]
