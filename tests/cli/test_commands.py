"""Words of the command line: each loads its own module, errors are JSON under --json, what is not there is its own kind."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer

from cli import output, registry
from cli.__main__ import application, main
from core.errors import ConfigurationError, NotFoundError
from core.version import VERSION


def _words(app: typer.Typer) -> set[str]:
    named = {
        command.name or command.callback.__name__.rstrip("_").replace("_", "-") for command in app.registered_commands
    }
    return named | {group.typer_instance.info.name for group in app.registered_groups}


def test_every_module_registers_the_words_that_it_is_found_by():
    for module, words in registry.WORDS.items():
        assert _words(registry.import_module(f"cli.{module}").app) == set(words), module
    assert set(registry.WORDS) >= {"up", "supervision", "report"}


def test_a_command_loads_its_own_module_alone():
    code = "import sys; from cli.__main__ import application; application('hold'); print('cli.supervision' in sys.modules, 'sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_the_version_is_told(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["onemap", "--version"])
    assert main() == 0 and capsys.readouterr().out == f"onemap {VERSION}\n"


def test_errors_under_json_are_json(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["onemap", "findings", "--nope", "--json"])
    assert main() == 2
    assert json.loads(capsys.readouterr().out)["error"]["fault"] == "usage"
    wrong = NotFoundError("no rule 'C99'", remedy="one of C1", zh="没有规则 C99")
    assert output.error(wrong, as_json=True) == 66
    told = json.loads(capsys.readouterr().out)["error"]
    assert (told["fault"], told["message"], told["exit_code"]) == ("not_found", "no rule 'C99'", 66)
    assert output.error(ConfigurationError("broken"), as_json=True) == 78


def test_what_is_not_there_is_called_so(capsys):
    output.error(NotFoundError("no case 1", zh="没有办件 1"))
    told = capsys.readouterr().err
    assert "未找到" in told and "配置" not in told


def test_help_in_chinese_is_not_cut(monkeypatch):
    from typer.testing import CliRunner

    output.fold_help()
    shown = (
        CliRunner()
        .invoke(application("keys"), ["keys", "make", "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
        .output
    )
    assert "…" not in shown and "<18位>" in "".join(shown.split()).replace("│", "")


@pytest.mark.parametrize("width", [80, 160])
def test_a_table_is_read_at_every_width(width, monkeypatch):
    from io import StringIO

    from rich.console import Console

    shown = StringIO()
    monkeypatch.setattr(
        output, "out", Console(file=shown, width=width, force_terminal=True, no_color=True, highlight=False)
    )
    columns = ("编号", "规则", "项目", "级别", "状态", "立", "消", "责任部门", "内容")
    output.table(
        columns,
        [
            (
                "F0123456789abcdef",
                "C1",
                "2503-441900-04-02-001382",
                "",
                "open",
                "2026-01-01",
                "",
                "东莞市自然资源局",
                "长" * 60,
            )
        ],
    )
    told = shown.getvalue()
    assert "2503-441900-04-02-001382" in told and all(name in told for name in ("编号", "责任部门", "内容"))
