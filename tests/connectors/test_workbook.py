"""Workbooks part by part, as other programs write them: one row's fault is one row's, and what nobody reads decides
nothing.
"""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.decoders import spreadsheets, workbook
from connectors.limits import Limits, OverLimit
from core.errors import ProviderError

KEY = ["申办流水号", "文号"]
HEADER = ["项目代码", "申办流水号", "受理日期", "文号"]
OPTIONS = spreadsheets.WorkbookOptions(fill_down=["项目代码"], dates=["受理日期"])
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PKG = "http://schemas.openxmlformats.org/package/2006/relationships"
STYLES = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf/><xf numFmtId="14"/></cellXfs></styleSheet>'


def cell(reference: str, value: str) -> str:
    """A value as a string in place, or ready XML where it begins with ``<c``."""
    if value.startswith("<c"):
        return value.replace("@", reference)
    return f'<c r="{reference}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'


def row(number: int, values: list[str], name: str | None = None) -> str:
    cells = "".join(cell(f"{'ABCDEFGH'[n]}{number}", value) for n, value in enumerate(values) if value)
    return f'<row r="{name or number}">{cells}</row>'


def line(number: int, **more: str) -> list[str]:
    given = {"项目代码": f"P{number}", "申办流水号": f"S{number}", "受理日期": "2026-02-01", "文号": f"文{number}号"}
    return list((given | more).values())


def book(
    rows: list[str], *, merges: str = "", header: list[str] = HEADER, styles: str = STYLES, parts: dict | None = None
) -> bytes:
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData>{row(3, header)}{"".join(rows)}</sheetData>{merges}</worksheet>'
    out = io.BytesIO()
    made = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{PKG}"><Relationship Id="r1" Type="{REL}/officeDocument" Target="/xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets><sheet name="2026-02" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PKG}"><Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{REL}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": styles,
        "xl/worksheets/sheet1.xml": sheet,
    }
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (made | (parts or {})).items():
            archive.writestr(name, content)
    return out.getvalue()


def read(body: bytes, limits: Limits | None = None) -> tuple[list[dict], list, list]:
    """(rows, rejects, issues); as many as :func:`spreadsheets.inspect` counts."""
    found = spreadsheets.inspect(body, OPTIONS, KEY, HEADER, limits or Limits())
    batches = list(spreadsheets.decode(body, ["2026-02"], OPTIONS, KEY, HEADER, limits or Limits()))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    rejects = [reject for batch in batches for reject in batch.rejects]
    assert found.scopes == {"2026-02": len(rows) + len(rejects)}
    return rows, rejects, [issue for batch in batches for issue in batch.issues]


BROKEN = {
    "a row named x": row(5, line(2), "x"),
    "a row beyond the format": row(5, line(2), "2000000000"),
    "a cell of no column": row(5, ['<c r="@@@"><v>1</v></c>']),
    "a cell beyond the format": row(5, ['<c r="ZZZ5"><v>1</v></c>']),
    "a number that is none": row(5, ['<c r="@"><v>1e99999</v></c>', "S2"]),
    "a text that stands nowhere": row(5, ['<c r="@" t="s"><v>7</v></c>', "S2"]),
    "an ampersand": row(5, line(2, 文号="<c r='@' t='str'><v>甲 & 乙</v></c>")),
    "a tag that does not end": row(5, line(2)).replace("</t>", "", 1),
    "a forbidden character": row(5, line(2, 文号="<c r='@' t='str'><v>甲&#x0B;乙</v></c>")),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_row_that_cannot_be_read_is_rejected_alone(broken):
    rows, (reject,), _ = read(book([row(4, line(1)), broken, row(6, line(3))]))
    assert [one["申办流水号"] for one in rows] == ["S1", "S3"]
    assert (reject.code, reject.place) == ("row_unreadable", "2026-02!5") and reject.raw.startswith("<row")


FORMULAS = {
    "no value": '<c r="@"><f>DATE(2026,2,3)</f></c>',
    "an empty one": '<c r="@"><f>DATE(2026,2,3)</f><v></v></c>',
    "a text of none": '<c r="@" t="str"><f>CONCATENATE("1","2")</f></c>',
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("column", ["受理日期", "申办流水号"])
def test_a_formula_without_a_value_rejects_its_row(formula, column):
    rows, (reject,), _ = read(book([row(4, line(1)), row(5, line(2, **{column: formula}))]))
    assert len(rows) == 1 and reject.code == "formula_without_value" and column in reject.message
    assert reject.record == (None if column in KEY else "S2|文2号")


def test_a_formula_with_its_value_is_read_and_one_that_gives_nothing_is_empty():
    formulas = {
        "受理日期": '<c r="@" s="1"><f>DATE(2026,2,3)</f><v>46056</v></c>',
        "文号": '<c r="@" t="str"><f>IF(1,"")</f><v></v></c>',
    }
    (one,), rejects, _ = read(book([row(4, line(1, **formulas))]))
    assert (one["受理日期"], one["文号"], rejects) == ("2026-02-03", None, [])


def test_what_is_merged_down_from_a_formula_without_value_is_not_known_below_it_either():
    rows = [
        row(4, line(1, 项目代码='<c r="@"><f>A1</f></c>')),
        row(5, line(2, 项目代码="")),
        row(6, line(3)),
    ]
    read_rows, rejects, _ = read(book(rows, merges='<mergeCells><mergeCell ref="A4:A5"/></mergeCells>'))
    assert [one["申办流水号"] for one in read_rows] == ["S3"] and [one.place for one in rejects] == [
        "2026-02!4",
        "2026-02!5",
    ]


def test_an_error_in_a_cell_is_told_and_has_no_value():
    (one,), _, (issue,) = read(book([row(4, line(1, 受理日期='<c r="@" t="e"><v>#REF!</v></c>'))]))
    assert one["受理日期"] is None and (issue.code, issue.record, issue.field) == ("cell_error", "S1|文1号", "受理日期")


@pytest.mark.parametrize(
    "name",
    [
        "xl/drawings/vmlDrawing1.vml",
        "docProps/core.xml",
        "docProps/custom.xml",
        "xl/theme/theme1.xml",
        "xl/comments1.xml",
    ],
)
@pytest.mark.parametrize(
    "content", ["<a><br></a>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"\xff\xfe\x00", b"\0" * (80 << 20)]
)
def test_a_part_that_nobody_reads_decides_nothing(name, content):
    if isinstance(content, bytes) and len(content) > 100:
        with pytest.raises(ProviderError):  # but for what the zip itself must not hold
            read(book([row(4, line(1))], parts={name: content}))
    else:
        assert len(read(book([row(4, line(1))], parts={name: content}))[0]) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("worksheets/sheet1.xml", "worksheets/sheet9.xml"),
        ("worksheets/sheet1.xml", "../../../../etc/passwd"),
        ('Target="worksheets/sheet1.xml"', 'Target="http://127.0.0.1:9/x" TargetMode="External"'),
        ('Id="r1"', 'Id="r7"'),
        ("styles.xml", "style.xml"),
    ],
)
def test_a_sheet_whose_part_is_not_there_is_told_and_is_no_empty_sheet(old, new):
    name = "xl/_rels/workbook.xml.rels"
    with zipfile.ZipFile(io.BytesIO(book([]))) as archive:
        told = archive.read(name).decode()
    other = f'<Relationship Id="r8" Type="{REL}/chartsheet" Target="chartsheets/sheet1.xml"/></Relationships>'
    assert old in told
    with pytest.raises(ProviderError) as raised:
        read(book([row(4, line(1))], parts={name: told.replace(old, new).replace("</Relationships>", other)}))
    assert raised.value.code == "file_damaged"


def test_what_a_sheet_claims_of_its_size_costs_nothing():
    claimed = book(
        [row(4, line(1)), '<row r="1048576" spans="1:16384"/>'],
        merges='<mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells>',
    )
    assert len(read(claimed)[0]) == 1


@pytest.mark.parametrize(
    ("limits", "body"),
    [
        ({"rows": 10}, book([row(n, line(n)) for n in range(4, 20)])),
        ({"cells": 20}, book([row(n, line(n)) for n in range(4, 20)])),
        (
            {"merges": 5},
            book([row(4, line(1))], merges="<mergeCells>" + '<mergeCell ref="A4:A5"/>' * 6 + "</mergeCells>"),
        ),
        ({"styles": 5}, book([row(4, line(1))], styles=STYLES.replace("<xf/>", "<xf/>" * 6))),
    ],
    ids=["rows", "cells", "merges", "styles"],
)
def test_what_is_beyond_a_limit_is_refused_by_its_name(limits, body):
    with pytest.raises(OverLimit) as refused:
        read(body, Limits(**limits))
    assert next(iter(limits)) in refused.value.message and "options.limits" in refused.value.remedy


def test_a_column_named_twice_is_refused_by_name():
    with pytest.raises(ProviderError, match="文号"):
        read(book([row(4, line(1))], header=[*HEADER[:3], "文号 ", "文号"]))


def test_a_code_whose_digits_a_number_lost_is_never_written_out_as_another():
    lost, exact = '<c r="@"><v>4.4192602E+16</v></c>', '<c r="@"><v>44192602000000017</v></c>'
    rows, _, issues = read(book([row(4, line(1, 申办流水号=lost)), row(5, line(2, 申办流水号=exact))]))
    assert [one["申办流水号"] for one in rows] == ["4.4192602E+16", "44192602000000017"]
    assert [issue.code for issue in issues] == ["digits_lost"]


@pytest.mark.parametrize("total", ["合计", "小 计：", "本页小计", "总计（万元）"])
def test_a_row_of_totals_is_no_record(total):
    rows, (reject,), _ = read(book([row(4, line(1)), row(5, [total, "2", "", "3"]), row(6, line(3))]))
    assert [one["申办流水号"] for one in rows] == ["S1", "S3"] and reject.code == "total_row"


def test_characters_that_the_format_writes_by_number_are_those_characters():
    (one,), _, _ = read(book([row(4, line(1, 文号="a_x0041__x005F_x0041_b_x0000_"))]))
    assert one["文号"] == "aA_x0041_b_x0000_"


_CELLS = st.sampled_from(
    [
        "",
        "甲 乙",
        "&lt;b&gt; & 丙",
        "_x0041__x000D_",
        '<c r="@"><v>46054</v></c>',
        '<c r="@" s="1"><v>46054.5</v></c>',
        '<c r="@" s="9"><v>-1.50e2</v></c>',
        '<c r="@" t="n"><v>441925000000001</v></c>',
        '<c r="@" t="n"><v> 7 </v></c>',
        '<c r="@" s="1"/>',
        '<c r="@" t="b"><v>1</v></c>',
        '<c r="@" t="e"><v>#REF!</v></c>',
        '<c r="@" t="d"><v>2026-02-03T04:05:06</v></c>',
        '<c r="@" t="str"><v>乙\r\n丁</v></c>',
        '<c r="@" t="s"><v>0</v></c>',
        '<c r="@" t="s"><v>8</v></c>',
        '<c r="@"><v>一</v></c>',
        '<c r="@"><f>A1</f><v>3</v></c>',
        '<c r="@"><f>A1</f></c>',
        '<c t="str"><v>没有位置</v></c>',
        "<c r='@' t='str'><v>甲&#x4E59;</v></c>",
        '<c r="@" t="inlineStr"><is><r><t>甲</t></r><r><t>乙</t></r></is></c>',
        '<c r="@" t="n"><is><t>甲</t></is></c>',
        '<c r="ZZZ9"><v>1</v></c>',
    ]
)
_PARTS = {
    "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>共用</t></si></sst>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PKG}"><Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{REL}/styles" Target="styles.xml"/>'
    f'<Relationship Id="r3" Type="{REL}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
}


_LINE = st.tuples(st.lists(_CELLS, min_size=4, max_size=4), st.sampled_from([None, None, "x", "4"]), st.booleans())


@settings(max_examples=40)
@given(st.lists(_LINE, max_size=6), st.sampled_from(["A4:A5", "A5:A7", "A4:A4"]))
def test_rows_found_without_a_tree_are_those_that_the_tree_has(lines, merged) -> None:
    rows = [
        row(number, values, name) + ('<row r="7"/>' if followed else "")
        for number, (values, name, followed) in enumerate(lines, 4)
    ]
    merges = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>'
    plain = book(rows, merges=merges, parts=_PARTS)
    commented = book(rows, merges=f"{merges}<!-- as no program writes it -->", parts=_PARTS)
    found = []
    for body in (plain, commented):
        with workbook.opened(body, Limits()) as opened:
            (sheet,) = opened.sheets
            opened.measure(sheet)
            found.append((sheet.merges, list(opened.rows(sheet)), read(body)))
            assert (sheet.spaces is not None) == (body is plain)
    assert found[0] == found[1]


_STRINGS = st.sampled_from(
    [
        "<si><t>共用</t></si>",
        '<si><t xml:space="preserve"> 甲 &amp;lt; 乙 </t></si>',
        "<si><t>a_x0041_&amp;_x000D_</t></si>",
        "<si/>",
        "<si><t/></si>",
        "<si><r><t>丙</t></r><r><t>丁</t></r><rPh><t>x</t></rPh></si>",
        "<si><t>\r\n戊&#x4E59;</t></si>",
        "<si><t>己&#x0B;</t></si>",
        "<si>\n<t>合计</t>\n</si>",
    ]
)


@settings(max_examples=30)
@given(st.lists(_STRINGS, min_size=1, max_size=9))
def test_shared_strings_found_without_a_tree_are_those_that_the_tree_has(strings) -> None:
    cells = [f'<c r="@" t="s"><v>{n}</v></c>' for n in range(len(strings) + 1)]
    rows = [row(4 + n, [f"P{n}", f"S{n}", "", one]) for n, one in enumerate(cells)]
    shared = f'<sst xmlns="{MAIN}">{"".join(strings)}</sst>'
    found = [
        read(book(rows, parts=_PARTS | {"xl/sharedStrings.xml": text}))
        for text in (shared, shared.replace("</sst>", "<!-- as no program writes it --></sst>"))
    ]
    assert found[0] == found[1] and len(found[0][0]) + len(found[0][1]) == len(cells)


def test_a_sheet_of_many_pieces_is_read_whole(monkeypatch) -> None:
    monkeypatch.setattr(workbook, "_PIECE", 97)
    monkeypatch.setattr(workbook, "_ROWS_PIECE", 301)
    rows, rejects, _ = read(book([row(n, line(n)) for n in range(4, 60)] + ['<row r="60"/>']))
    assert [one["申办流水号"] for one in rows] == [f"S{n}" for n in range(4, 60)] and not rejects
