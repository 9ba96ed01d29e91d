"""Every document has its Chinese twin, and the two say the same: headings, tables, commands; the site of both builds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import ROOT

#: both languages in one document
BILINGUAL = {"accounts", "alerts", "commands", "data-dictionary", "glossary", "recipes"} | {"tutorial/README"}
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if not path.name.endswith(".zh-CN.md")
    and str(path.relative_to(ROOT)).removeprefix("docs/").removesuffix(".md") not in BILINGUAL
)


def shape(document: Path) -> dict[str, object]:
    text = document.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", prose + "\n", re.MULTILINE)
    return {
        "headings": [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)],
        "rows of its tables": [table.count("\n") for table in tables],
        "blocks of code": len(re.findall(r"^ *```", text, re.MULTILINE)),
        "commands": {" ".join(words.split()[:2]) for words in re.findall(r"onemap ((?:[a-z][a-z-]+ ?){1,2})", text)},
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_and_its_chinese_twin_have_one_shape(name):
    document = ROOT / name
    twin = document.with_name(document.name.removesuffix(".md") + ".zh-CN.md")
    assert twin.exists(), f"{name} has no Chinese twin {twin.name}"
    assert shape(document) == shape(twin)
    head = "\n".join(document.read_text(encoding="utf-8").splitlines()[:6])
    assert f"]({twin.name})" in head, f"{name} leads nobody to {twin.name}"


def test_no_twin_stands_alone():
    twins = [*ROOT.glob("*.zh-CN.md"), *(ROOT / "docs").rglob("*.zh-CN.md")]
    assert [twin.name for twin in twins if not twin.with_name(twin.name.replace(".zh-CN", "")).exists()] == []
