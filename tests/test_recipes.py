"""What the papers tell people to do can be done: files that they name stand there, commands that they name exist, every
command is told of."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer

from cli.__main__ import app
from core.settings import ROOT

PAPERS = [
    "README.md",
    "README.zh-CN.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")),
]


def _commands() -> dict[str, object]:
    """ "source check" → its click command."""
    found: dict[str, object] = {}

    def walk(command: object, name: str) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[name] = command
        else:
            for child, what in children.items():
                walk(what, f"{name} {child}".strip())

    walk(typer.main.get_command(app), "")
    return found


COMMANDS = _commands()


@pytest.mark.parametrize("paper", PAPERS)
def test_the_commands_of_the_papers_exist(paper):
    text = (ROOT / paper).read_text(encoding="utf-8")
    groups = {name.split()[0] for name in COMMANDS if " " in name}
    for words in re.findall(r"(?:`|\./)onemap ((?:[a-z][a-z-]* ?){1,3})", text):
        parts = words.split()
        name = " ".join(parts[:2]) if parts[0] in groups else parts[0]
        assert name in COMMANDS or parts[0] in groups and len(parts) == 1, f"{paper}: onemap {words}"


def test_every_command_is_told_of_somewhere():
    texts = "\n".join((ROOT / paper).read_text(encoding="utf-8") for paper in PAPERS)
    assert [name for name in COMMANDS if f"onemap {name}" not in texts] == []


def test_the_files_of_the_recipes_stand():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [n for n in re.findall(r"`([a-z_]+/[\w./-]+\.\w+)`", text) if "<" not in n]
    assert named
    assert [name for name in named if not Path(ROOT / name).exists()] == []


# -- what a recipe says is all that it takes: where the two places of a change could part, they are held together

RECIPES = {
    "a source": "Add a source of a known protocol",
    "a column": "Add a column",
    "a rule": "Add a rule",
    "a calendar day": "Change a calendar day",
    "a report format": "Add a format of reports",
    "an authentication": "Add a way to authenticate to a source",
    "a filter": "Add a filter",
    "a filter of raw rows": "Add a filter of raw rows",
    "a retention": "Change how long something is kept",
    "a notifier": "Add a notifier",
    "a chart": "Add a chart",
}


@pytest.mark.parametrize("change", RECIPES)
def test_each_common_change_has_a_recipe_that_names_files(change):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"### {RECIPES[change]}\n")
    assert found and re.search(r"`[a-z_]+/[\w./<>-]+\.\w+`", rest.partition("\n### ")[0])


def test_a_rule_has_its_function_its_entry_and_its_words():
    from supervision import discovery, judge, rulebook

    assert judge
    known = set(rulebook.load().by_name)
    assert {check.rule for check in discovery.checks().values()} == known
    words = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert [name for name in known if not re.search(rf"^\| {name}\b", words, re.MULTILINE)] == []


def test_a_format_of_reports_has_a_name_a_media_type_and_a_writer():
    from serving import formats
    from serving.report.write import WRITERS

    assert set(formats.Format) == set(formats.NAMES) == set(formats.MEDIA) == set(WRITERS)


def test_a_way_to_authenticate_is_published_and_signs(monkeypatch):
    from typing import get_args

    from connectors.transports import signing
    from sources.options import rest

    kinds = [kind for kind in get_args(get_args(rest.Auth)[0]) or get_args(rest.Auth)]
    assert len(kinds) > 2
    schema = (ROOT / "schemas" / "source.schema.json").read_text(encoding="utf-8")
    for kind in kinds:
        assert f'"{kind.__name__}"' in schema
        assert f"isinstance(auth, {kind.__name__})" in Path(signing.__file__).read_text(encoding="utf-8")


def test_a_filter_of_the_api_is_told_of():
    from serving.api.projects import router

    twins = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("api.md", "api.zh-CN.md")]
    own = {"fields", "limit", "cursor"}
    for route in router.routes:
        if route.path in ("/v1/projects", "/v1/cases"):
            names = {field.alias for field in route.dependant.query_params} - own
            assert names and [name for name in names if any(f"`{name}`" not in words for words in twins)] == []


def test_a_test_of_a_mapping_is_told_of_and_evaluated():
    from mappings import expressions
    from mappings.language import Test

    names = {field.alias or name for name, field in Test.model_fields.items()} - {"from", "as"}
    code = Path(expressions.__file__).read_text(encoding="utf-8")
    twins = [
        (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("architecture.md", "architecture.zh-CN.md")
    ]
    assert names
    assert [name for name in names if f"test.{name.replace('not', 'not_')}" not in code] == []
    assert [name for name in names if any(not re.search(rf"\b{name}: ", words) for words in twins)] == []


def test_a_notifier_has_a_form_and_a_row():
    from onemap_provider.info import TYPES

    from serving.alerts.send import CHANNELS

    forms = {form["connection-type"] for form in TYPES}
    words = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert [name for name in CHANNELS if name not in forms or f"`{name}`" not in words] == []


def test_a_retention_is_told_of():
    from pipeline import housekeeping

    names = re.findall(r'_days\("([A-Z]+)"', Path(housekeeping.__file__).read_text(encoding="utf-8"))
    twins = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("operations.md", "operations.zh-CN.md")]
    assert len(names) > 3
    assert [
        name
        for name in names
        if any(f"_{name}`" not in words for words in twins) or f"ONEMAP_KEEP_{name}" not in housekeeping.__doc__
    ] == []


def test_a_chart_that_is_drawn_is_placed():
    from serving.report import charts

    drawn = [
        name
        for name in vars(charts)
        if not name.startswith("_") and f"\ndef {name}(" in Path(charts.__file__).read_text()
    ]
    placed = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "serving").rglob("*.py") if path.name != "charts.py"
    )
    assert [name for name in drawn if f"charts.{name}" not in placed] == []
    recipe = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("### Add a chart\n")[2].partition("\n### ")[0]
    )
    named = [path for path in re.findall(r"`(serving/report/\w+\.py)`", recipe) if not path.endswith("/charts.py")]
    assert named and [path for path in named if "charts." not in (ROOT / path).read_text(encoding="utf-8")] == []


def test_a_calendar_day_of_the_city_is_taken(tmp_path):
    import shutil

    from supervision import checking, rulebook

    folder = tmp_path / "rules"
    shutil.copytree(rulebook.FOLDER, folder)
    path = folder / "calendar.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("days: {}", "days: {2027-01-01: false}"), encoding="utf-8")
    assert checking.check(folder) == []


_CONNECTORS = [
    "connectors",
    *(f"connectors/{name}" for name in ("decoders", "paging", "protocols", "soap", "transports")),
]


@pytest.mark.parametrize("package", [*_CONNECTORS, "serving", "store", "supervision"])
def test_a_large_package_says_where_each_module_belongs(package):
    text = (ROOT / package / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
    modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    assert modules - set(re.findall(r"[a-z0-9_]+", text)) == set()


_STATEMENT = re.compile(r"\s*(with|select|insert|update|delete|merge|create|alter|copy|drop|truncate)\s", re.IGNORECASE)


def _unnamed(path: Path) -> list[str]:
    """Statements of more than three lines that stand in a function which does something else than to write them."""
    found = []
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        writes = function.returns is not None and ast.unparse(function.returns) in ("str", "list[str]")
        if writes and ast.get_docstring(function):
            continue
        shown = function.body[0].value if ast.get_docstring(function) else None
        for node in ast.walk(function):
            if node is shown:
                continue
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            first = parts[0].value if parts and isinstance(parts[0], ast.Constant) else None
            if isinstance(first, str) and _STATEMENT.match(first) and (node.end_lineno or 0) - node.lineno > 2:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_a_statement_of_more_than_three_lines_has_a_name_and_a_sentence():
    packages = ("cli", "connectors", "insight", "pipeline", "quality", "serving", "sinks", "store", "supervision")
    paths = [path for name in packages for path in (ROOT / name).rglob("*.py") if "migrations" not in path.parts]
    assert len(paths) > 300
    assert [one for path in paths for one in _unnamed(path)] == []
