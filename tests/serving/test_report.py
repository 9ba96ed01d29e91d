"""Analysis reports: what they say, in three forms, to whom."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from datetime import date, datetime

import polars as pl
import pytest
import sqlalchemy as sa
from docx import Document

from serving import report
from serving.access import Grant, grant_of, reading
from serving.report import charts, dossier, drawing, write
from serving.report.content import Heading, Paragraph, Report, Table
from store.engine import transaction
from supervision import limits
from supervision.limits import Limit
from tests.serving.conftest import rows

FREE = Grant("test")
BAR = dossier.Bar(
    "M2:1",
    "1",
    "DG-604",
    "建筑工程施工许可证核发",
    6,
    "住建局",
    datetime(2026, 3, 2, 9),
    date(2026, 3, 2),
    False,
    None,
    None,
    "红",
    (Limit("promised", 3, "工作日", 5, date(2026, 3, 5)), Limit("statutory", 7, "工作日", 5, date(2026, 3, 11))),
    False,
)


@pytest.fixture
def marked(store: None) -> str:
    """A project with a finding."""
    with transaction() as connection:
        return connection.exec_driver_sql(
            "select project_code from supervision.finding where state = 'open' and project_code <> '' order by 1 limit 1"
        ).scalar_one()


def test_a_project_is_told_alike_in_three_forms(marked: str) -> None:
    told = dossier.dossier(FREE, marked)
    made = report.of_project(FREE, marked)
    text = write.html(made).decode()
    word = Document(io.BytesIO(write.docx(made)))
    paragraphs = [p.text for p in word.paragraphs]
    assert told.sentence in paragraphs and told.sentence in text
    for finding in told.findings:
        assert finding["text"] in paragraphs and finding["text"] in text
    sections = [b.text for b in made.blocks if isinstance(b, Heading) and b.level == 2]
    assert [p.text for p in word.paragraphs if p.style.name == "Heading 2"] == sections
    assert all(shape._inline.docPr.get("descr") for shape in word.inline_shapes) and len(word.inline_shapes) >= 3
    pdf = write.pdf(made)
    assert pdf.startswith(b"%PDF-") and b"/FontFile3" in pdf and b"STSong" not in pdf
    assert (
        "疑似，待核" in text and "<script" not in text and "http" not in text.replace("http://www.w3.org/2000/svg", "")
    )


def test_the_same_content_gives_the_same_bytes(marked: str) -> None:
    made = report.of_project(FREE, marked)
    for kind in ("html", "docx", "pdf"):
        assert write.written(made, kind) == write.written(report.of_project(FREE, marked), kind), kind


def test_a_past_day_is_judged_as_of_that_day(marked: str) -> None:
    now = dossier.dossier(FREE, marked)
    first = min(b.start for b in now.bars if b.start)
    then = dossier.dossier(FREE, marked, first)
    assert then.past and then.as_of == first
    assert all(b.start <= first for b in then.bars if b.start) and len(then.bars) < len(now.bars)
    assert all(e["day"] <= first.isoformat() for e in then.timeline)
    assert all(x["issued_at"][:10] <= first.isoformat() for x in then.licences if x["issued_at"])


def test_nothing_of_a_project_that_is_not_shown(marked: str) -> None:
    with transaction() as connection:
        town = connection.execute(
            sa.text("select town_code from store.project where id = :code"), {"code": marked}
        ).scalar_one()
    elsewhere = "441900121" if town != "441900121" else "441900119"
    assert report.of_project(grant_of("key", ["read:projects", f"town:{elsewhere}"]), marked) is None
    assert report.of_area(grant_of("key", ["read:projects", f"town:{elsewhere}"]), "town", town) is None
    assert report.of_project(grant_of("key", ["read:projects", f"town:{town}"]), marked) is not None
    assert report.of_project(FREE, "2601-000000-00-00-000000") is None


def test_a_town_and_a_department_by_name(store: None) -> None:
    with reading(FREE) as connection:
        town, count = connection.exec_driver_sql(
            "select town_code, count(*) from onemap.project where town_code is not null group by 1 order by 2 desc limit 1"
        ).one()
    from serving.access import towns

    made = report.of_area(FREE, "town", towns()[town])
    lead = next(b.text for b in made.blocks if isinstance(b, Paragraph))
    assert f"投资项目 {count} 个" in lead
    assert report.of_area(FREE, "department", "住房和城乡建设局").title.startswith("东莞市住房和城乡建设局")
    assert report.of_area(FREE, "town", "镇") is None and report.of_area(FREE, "department", "没有这个局") is None


def test_what_sources_wrote_is_text(store: None, marked: str) -> None:
    with transaction() as connection:
        connection.execute(
            sa.text("update store.project set project_name = :name where id = :code"),
            {"name": '<img src=x onerror=alert(1)>\x07"&', "code": marked},
        )
    made = report.of_project(FREE, marked)
    assert b"<img" not in write.html(made)
    Document(io.BytesIO(write.docx(made)))
    assert write.pdf(made)


def test_verdicts_say_both_limits_in_words() -> None:
    promised, statutory = BAR.limits
    assert BAR.verdict == (
        "超承诺时限 2 个工作日（时限 3，已用 5，到期 2026-03-05）；法定时限剩余 2 个工作日（时限 7，已用 5，到期 2026-03-11）"
    )
    assert (BAR.short, BAR.due, BAR.over) == ("超承诺 2 个工作日；法定剩 2 个工作日", date(2026, 3, 5), 2)
    both = replace(BAR, limits=(promised, replace(statutory, days=4)))
    assert both.short == "超承诺 2 个工作日；超法定 1 个工作日"
    within = tuple(replace(limit, used=2) for limit in BAR.limits)
    assert replace(BAR, limits=within).verdict.startswith("承诺时限剩余 1 个工作日")
    assert replace(BAR, limits=within, ended=datetime(2026, 3, 4)).verdict.startswith(
        "按时办结：承诺 3 个工作日，已用 2"
    )
    pause = dossier.Pause("补正", date(2026, 3, 3), date(2026, 3, 6), True)
    assert replace(BAR, limits=within, pauses=(pause,)).verdict.startswith("暂停计时（补正）")
    assert replace(BAR, limits=()).verdict == "无时限"


def test_a_case_has_the_same_limits_on_its_page_in_the_api_and_in_every_list(store: None) -> None:
    """Case 44192611160559017 was "超期 2 … 11-25" on its page and "超 6 … 11-19" in a report."""
    with reading(FREE) as connection:
        rows = connection.exec_driver_sql(
            """select c.* from asked."case" c where c.promised_limit is not null and c.statutory_limit is not null
               and c.acceptance_on is not null and c.project_code is not null order by c.id limit 3"""
        )
        cases = [dict(row) for row in rows.mappings()]
    assert cases
    for case in cases:
        told = dossier.dossier(FREE, case["project_code"])
        assert next(b for b in told.bars if b.case_id == case["id"]).limits == limits.of(case)


@pytest.mark.parametrize(
    ("promised", "statutory"), [(5, 9), (20, 9), (5, 30), (20, 30), (None, 9), (5, None), (None, None)]
)
def test_a_finding_says_what_the_page_says(promised: int | None, statutory: int | None) -> None:
    clock = {
        "promised_limit": promised,
        "promised_unit": "工作日",
        "used_promised": 11,
        "due_promised": date(2026, 11, 19),
        "statutory_limit": statutory,
        "statutory_unit": "自然日",
        "used_statutory": 11,
        "due_statutory": date(2026, 11, 25),
    }
    frame = pl.DataFrame([clock], schema_overrides={"promised_limit": pl.Int64, "statutory_limit": pl.Int64})
    said = frame.select(limits.verdicts().alias("said"), limits.overdue().alias("late")).row(0)
    found = limits.of(clock)
    assert said == (limits.verdict(found), limits.over(found) > 0)
    if promised == 5 and statutory == 9:
        assert said[0] == (
            "超承诺时限 6 个工作日（时限 5，已用 11，到期 2026-11-19）；超法定时限 2 个自然日（时限 9，已用 11，到期 2026-11-25）"
        )


def _told(*bars: dossier.Bar) -> dossier.Dossier:
    import shapely

    stages = [{"stage": n, "stage_name": f"阶段{n}", "state": "未开始", "completed_at": None} for n in range(1, 9)]
    return dossier.Dossier(
        "x",
        date(2026, 3, 9),
        False,
        {"project_name": "甲"},
        stages,
        6,
        False,
        [],
        [],
        list(bars),
        [],
        [],
        [],
        [],
        [],
        [],
        shapely.from_wkt("POLYGON EMPTY"),
    )


def test_overdue_is_red_and_a_pause_is_hatched() -> None:
    pause = dossier.Pause("特别程序", date(2026, 3, 3), date(2026, 3, 4), False)
    drawn = charts.gantt(_told(replace(BAR, pauses=(pause,))))
    rects = [s for s in drawn.shapes if isinstance(s, drawing.Rect)]
    red = next(r for r in rects if r.fill == "red")
    limit = next(r for r in rects if r.fill == "limit")
    assert red.x == pytest.approx(limit.x + limit.width) and red.width > 0
    hatched = [r for r in rects if r.hatched]
    assert len(hatched) == 1 and limit.x < hatched[0].x < red.x
    assert not any(
        r.fill in ("red", "double")
        for r in charts.gantt(
            _told(replace(BAR, light="绿", limits=tuple(replace(x, used=2, due=date(2026, 3, 20)) for x in BAR.limits)))
        ).shapes
        if isinstance(r, drawing.Rect)
    )


def test_drawings_need_no_styles_and_survive_nothing() -> None:
    for drawn in (
        charts.gantt(_told()),
        charts.site(_told()),
        charts.stages(_told(BAR)),
        charts.bars([], "空"),
        charts.stacked([], "空"),
        charts.city([]),
        charts.city([], "441900121"),
    ):
        text = str(drawing.svg(drawn))
        assert "style=" not in text and text.count("<svg") == text.count("</svg>") == 1
        assert drawing.png(drawn, 1).startswith(b"\x89PNG")


def test_no_line_begins_with_a_closing_mark() -> None:
    pages = write._Pages("标题")
    pages.add_page()
    pages.set_font(write.FAMILY, size=10)
    lines = write._broken(pages, "办结（通过），" * 60 + "DG-N-101" * 5)
    assert "".join(lines) == "办结（通过），" * 60 + "DG-N-101" * 5
    assert not any(line[0] in write._CLOSING for line in lines) and not any(
        line[-1] in write._OPENING for line in lines
    )


def test_long_tables_break_across_pages() -> None:
    rows = [(f"事项 {n}", "内容，" * 30) for n in range(120)]
    made = Report("n", "长", "", date(2026, 1, 1), "", [Table(("甲", "乙"), rows, (0.3, 0.7))])
    assert write.pdf(made).count(b"/Type /Page\n") >= 5
    with zipfile.ZipFile(io.BytesIO(write.docx(made))) as packed:
        assert packed.read("word/document.xml").count(b"w:tblHeader") == 1


def test_each_number_of_a_report_leads_to_its_list(store, monkeypatch):
    """The number that a reader sees is that of the list behind it."""
    import re

    from starlette.testclient import TestClient

    from core import clock
    from serving.access import ADMIN, PROJECTS, Grant
    from serving.pages.app import application

    async def asker(_):
        return Grant("li", frozenset({PROJECTS, ADMIN}))

    day = rows("select max(as_of) as day from supervision.run")[0]["day"]
    monkeypatch.setattr(clock, "today", lambda: day)  # lists are of today
    pages = TestClient(application(asker))
    town = rows(
        "select town_code from store.project where gone_at is null and town_code is not null group by 1 order by count(*) desc limit 1"
    )[0]
    text = pages.get(f"/town/{town['town_code']}/report.html").text
    links = re.findall(r'<dt>([^<]+)</dt><dd><a href="\.\./\.\./([^"]*)">(\d+)</a>', text)
    assert {"项目", "在办超期", "逾期办件", "未消除发现"} <= {name for name, _, _ in links}
    for name, place, number in links:
        shown = pages.get("/" + place.replace("&amp;", "&")).text
        found = re.search(r'class="count" role="status">(\d[\d,]*) [个条]', shown)
        assert found and found[1].replace(",", "") == number, (name, place, number, found and found[0])
    assert '<a href="../cases?late=running">' in pages.get("/city/report.html").text
