"""The site of the latest validations: there after a run, one page a suite, nothing from other hosts."""

from __future__ import annotations

import re

from quality import docs
from tests.pipeline.rows import run, sheet


def test_a_run_leaves_its_pages_and_the_next_one_replaces_them(world) -> None:
    assert docs.page("d4.cases") is None
    world["d4.cases"].pages = [[sheet(1), sheet(2, SLSJ="2026-02-03 09:00:00", BJSJ="2026-02-01 09:00:00", BJJGDM="0")]]
    first = run("d4.cases")
    world["d4.cases"].pages = [[sheet(3, "2026-03-02 10:00:00")]]
    second = run("d4.cases")
    (summary,) = docs.summaries()
    assert (summary.feed, summary.run, summary.rows, summary.verdict) == ("d4.cases", second.run_id, 1, "go")
    assert second.run_id > first.run_id
    folder = docs.root() / "d4.cases"
    assert sorted(path.name for path in folder.iterdir()) == [
        "as_they_came.html",
        "case.html",
        "case_event.html",
        "index.html",
        "summary.json",
    ]
    page = (folder / "as_they_came.html").read_text("utf-8")
    assert "未填项目代码" in page and f"run {second.run_id}" in page
    assert docs.page("d4.cases") == folder / "index.html"
    assert docs.link("d4.cases") == "/onemap/data-docs/d4.cases/index.html"
    assert "d4.cases" in (docs.root() / "index.html").read_text("utf-8")


def test_pages_ask_no_other_host(world) -> None:
    world["d4.cases"].pages = [[sheet(1)]]
    run("d4.cases")
    for path in docs.root().rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(""", text), path


def test_a_failing_expectation_is_shown_with_its_rows(world) -> None:
    world["d4.cases"].pages = [
        [
            sheet(1, PROJECT_CODE="2312-441900-04-01-123456"),
            *(sheet(n, SLSJ="2026-02-03", BJSJ="2026-02-01", BJJGDM="0") for n in range(2, 5)),
        ]
    ]
    run("d4.cases")
    (summary,) = docs.summaries()
    told = {title.partition("：")[0]: rows for line in summary.lines for title, _, rows in line.failing}
    assert told["accepted_at/concluded_at"] == 3
    assert told["project_code"] == 1


def test_a_full_disk_stops_no_data(world, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(docs, "_write", full)
    world["d4.cases"].pages = [[sheet(1)]]
    assert run("d4.cases").outcome == "ok"
