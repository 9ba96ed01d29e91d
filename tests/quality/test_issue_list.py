"""quality/issues.yaml has every code that the hub can raise, and none that it cannot."""

from __future__ import annotations

import ast
import re

import pytest

from connectors.base import Issue
from core.settings import ROOT
from pipeline.issues import frame as issue_frame
from quality import issues, suites

ROOMS = ("connectors", "mappings", "pipeline", "store", "quality", "core", "sources", "schemas", "supervision")
# calls whose argument at this place is a code, though it is not named so where they are declared
PLACES = {"Issue": 0, "Reject": 1, "Trouble": 0}
ELSEWHERE = {
    "connectors/transports/http.py": ["_NETWORK"],
    "pipeline/reconcile.py": ["_CODES"],
    "mappings/expressions.py": ["MESSAGES"],
}


def trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8"))
        for room in ROOMS
        for path in sorted((ROOT / room).glob("**/*.py" if room == "connectors" else "*.py"))
    }


def raised() -> dict[str, set[str]]:
    """Code → the files that raise it, where it stands as a literal."""
    found: dict[str, set[str]] = {}
    read = trees()
    places = {name: {place} for name, place in PLACES.items()}
    for tree in read.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls")]
                if "code" in names and not node.name.startswith(
                    ("is_", "project_code", "certificate", "explained", "find")
                ):
                    places.setdefault(node.name, set()).add(names.index("code"))
    for file, tree in read.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                values = [k.value for k in node.keywords if k.arg == "code"]
                values += [node.args[place] for place in places.get(name, ()) if len(node.args) > place]
                for value in values:
                    for text in _texts(value):
                        found.setdefault(text, set()).add(file)
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "code":
                        for text in _texts(value):
                            found.setdefault(text, set()).add(file)
    for file, names in ELSEWHERE.items():
        for node in read[file].body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and target.id in names:
                for text in _listed(node.value):
                    found.setdefault(text, set()).add(file)
    return {code: files for code, files in found.items() if re.fullmatch(r"[\w*.-]+", code)}


def _texts(value: ast.expr) -> list[str]:
    if isinstance(value, ast.Constant):
        return [value.value] if isinstance(value.value, str) else []
    if isinstance(value, ast.BoolOp):
        return [text for part in value.values for text in _texts(part)]
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body), *_texts(value.orelse)]
    if isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
        return [f"{value.values[0].value}*"]
    return []


def _listed(value: ast.expr) -> list[str]:
    """A dictionary of codes (its keys, or values where these are codes), or rows whose second part is one."""
    if isinstance(value, ast.Dict):
        keys = [text for key in value.keys if key is not None for text in _texts(key)]
        values = [text for one in value.values for text in _texts(one)]
        return values if all(re.fullmatch(r"[a-z_]+", text) for text in values) else keys
    return [text for row in value.elts for text in _texts(row.elts[1])]  # type: ignore[attr-defined]


NEVER_SHOWN = {"no_preview", "errcode *"}  # of a preview, which leaves nothing behind; of a gateway's own words


def test_every_code_that_is_raised_is_listed() -> None:
    missing = {
        code: sorted(files) for code, files in raised().items() if issues.find(code) is None and code not in NEVER_SHOWN
    }
    assert not missing


def test_every_code_of_the_suites_is_listed() -> None:
    assert {check.code for suite in suites.load_all() for check in suite.checks} <= set(issues.load_all())


def test_nothing_is_listed_that_nobody_raises() -> None:
    from core import errors

    used = set(raised()) | {check.code for suite in suites.load_all() for check in suite.checks}
    used |= {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.OneMapError)
    }
    text = "".join((ROOT / file).read_text("utf-8") for file in trees())
    unused = {code for code in issues.load_all() if code not in used and f'"{code}"' not in text}
    assert not unused


@pytest.mark.parametrize("code", sorted(issues.load_all()))
def test_an_entry_speaks_both_languages(code: str) -> None:
    entry = issues.load_all()[code]
    for chinese in (entry.zh, entry.remedy_zh):
        assert re.search(r"[\u4e00-\u9fff]", chinese)
    for english in (entry.en, entry.remedy):
        assert not re.search(r"[\u4e00-\u9fff]", english)


def test_what_the_pipeline_tells_has_the_lists_severity_and_duty() -> None:
    frame = issue_frame(
        [(Issue("unknown_column", "NEW"), 2), (Issue("http_503", ""), 1), (Issue("never_heard", ""), 1)]
    )
    found = {row["code"]: (row["severity"], row["duty"]) for row in frame.iter_rows(named=True)}
    assert found["unknown_column"] == ("warning", "operations")
    assert found["http_503"] == ("error", "provider")
    assert "never_heard" in found


def test_what_is_told_of_an_unknown_code_is_the_code() -> None:
    assert issues.explained({"code": "never_heard", "field": "x"}) == {"code": "never_heard", "field": "x"}
    assert issues.explained({"code": "http_503"})["duty_zh"] == "数源部门"
