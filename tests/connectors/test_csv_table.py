"""A table in CSV: any charset, and one row's fault is one row's."""

from __future__ import annotations

import pytest

from connectors.decoders import csv_table
from connectors.limits import Limits, OverLimit
from core.errors import ProviderError

HEADER = "批文号,项目名称,批准面积（公顷）"
LINES = [f"粤府土审〔2026〕{n}号,某某项目{n},{n}.5" for n in range(1, 6)]


def read(lines: list[str], codec: str = "gb18030", limits: Limits | None = None, header: str = HEADER):
    body = "\r\n".join([header, *lines]).encode(codec)
    columns, rows, rejects, issues = csv_table.read(body, "批文.csv", "批文号", limits or Limits(), known=("批文号",))
    return columns, [row for _, row in rows], rejects, issues


@pytest.mark.parametrize("codec", ["gb18030", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_any_charset(codec):
    columns, rows, rejects, _ = read(LINES, codec)
    assert columns == ["批文号", "项目名称", "批准面积(公顷)"] and not rejects
    assert [row["项目名称"] for row in rows] == [f"某某项目{n}" for n in range(1, 6)]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_cells_are_divided_by_what_makes_the_known_columns(separator):
    lines = [line.replace(",", separator) for line in [*LINES, '粤府土审〔2026〕9号,"甲,乙",1.5']]
    columns, rows, rejects, _ = read(lines, header=HEADER.replace(",", separator))
    assert columns == ["批文号", "项目名称", "批准面积(公顷)"] and not rejects and len(rows) == 6
    assert rows[0]["项目名称"] == "某某项目1"


def test_a_first_line_that_is_a_row_is_no_header():
    with pytest.raises(ProviderError) as failed:
        read(LINES[1:], header=LINES[0])
    assert failed.value.code == "header_missing" and "批文号" in failed.value.zh


SPOILT = {
    "a quote that does not end": ('粤府土审〔2026〕2号,"某某项目2,2.5', "row_ok"),
    "a cell more": (LINES[1] + ",x", "wrong_width"),
    "a cell less": ("粤府土审〔2026〕2号,某某项目2", "wrong_width"),
    "a long value": ("粤府土审〔2026〕2号," + "长" * 300_000 + ",2.5", "over_limit"),
    "a zero byte": ("粤府土审〔2026〕2号,某某\0项目2,2.5", "undecodable"),
}


@pytest.mark.parametrize(("line", "code"), SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_row_that_is_none_is_rejected_alone(line, code, place):
    lines = [*LINES[:place], line, *LINES[place + 1 :]]
    _, rows, rejects, _ = read(lines, limits=Limits(field=200_000))
    sound = [f"某某项目{n + 1}" for n in range(5) if n != place]
    if code == "row_ok":
        assert [row["项目名称"] for row in rows if '"' not in row["项目名称"]] == sound and len(rows) + len(
            rejects
        ) == 5
    else:
        assert [row["项目名称"] for row in rows] == sound
        (reject,) = rejects
        assert (reject.code, reject.place) == (code, f"批文.csv row {place + 1}")


def test_a_byte_that_is_no_text_rejects_its_row_alone():
    body = "\n".join([HEADER, *LINES]).encode("gb18030").replace("项目2".encode("gb18030"), b"\xff\xff2")
    _, rows, (reject,), _ = csv_table.read(body, "t", "批文号", Limits())
    assert len(rows) == 4 and (reject.code, reject.record) == ("undecodable", "粤府土审〔2026〕2号")


def test_values_in_quotes_keep_their_line_breaks():
    _, rows, rejects, _ = read(['A1,"一行\r\n两行,""引""",1', *LINES])
    assert len(rows) == 6 and not rejects and rows[0]["项目名称"] == '一行\r\n两行,"引"'


def test_a_column_named_twice_is_told_and_a_key_refused():
    _, rows, _, (issue,) = read(["A1,甲,乙"], header="批文号,名称,名称")
    assert issue.code == "column_ambiguous" and rows == [{"批文号": "A1"}]
    with pytest.raises(ProviderError, match="批文号") as refused:
        read(["A1,甲,乙"], header="批文号,名称,批文号 ")
    assert refused.value.code == "column_ambiguous"


@pytest.mark.parametrize("limits", [{"rows": 3}, {"names": 2}, {"cells": 6}])
def test_what_is_beyond_a_limit_is_refused_by_name(limits):
    with pytest.raises(OverLimit, match=next(iter(limits))):
        read(LINES, limits=Limits(**limits))


def test_bytes_of_no_charset_are_refused_by_name():
    with pytest.raises(ProviderError) as refused:
        csv_table.read(bytes(range(128, 256)) * 20, "t", "批文号", Limits())
    assert refused.value.code == "charset_doubtful"


def test_a_hint_of_the_separator_and_commas_at_the_end_are_no_part_of_the_table():
    columns, rows, rejects, _ = csv_table.read(b"sep=,\r\nA,B\r\n1,2,\r\n3,4,,\r\n5,6,7\r\n", "t", "A", Limits())
    assert (columns, [row for _, row in rows]) == (["A", "B"], [{"A": "1", "B": "2"}, {"A": "3", "B": "4"}])
    assert [reject.code for reject in rejects] == ["wrong_width"]


@pytest.mark.parametrize("body", [b"", b"\xef\xbb\xbf", b"\r\n", b",,\r\n"])
def test_a_table_without_even_a_header_was_cut_and_is_told(body):
    with pytest.raises(ProviderError) as refused:
        csv_table.read(body, "t", "A", Limits())
    assert refused.value.code == "header_missing"
