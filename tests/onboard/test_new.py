"""``onemap source new``: what a protocol requires is asked for, or taken as options."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import onboard
from core.errors import ConfigurationError
from pipeline.onboard import steps
from sources import loader
from tests.connectors import tap
from tests.onboard import foreign

TAP = [sys.executable, str(Path(tap.__file__))]
GIVEN = ["--name", "许可", "--connection", "x_tap", "--department", "许可科", "--protocol"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ONEMAP_HOME", str(tmp_path / "home"))
    foreign.connect(monkeypatch, "x_tap", extra={"api_key": "s3cret-key"})
    with foreign.own_declarations(tmp_path, monkeypatch) as folder:
        yield folder


def new(*words: str, answers: str = ""):
    app = typer.Typer()
    app.command()(onboard.new)
    return CliRunner().invoke(app, words, input=answers)


def test_a_tap_is_asked_for_and_reads(place) -> None:
    done = new("t7", *GIVEN, "singer", "--feed", "permit=许可登记", answers=f"{shlex.join(TAP)}\npermits\n")
    assert done.exit_code == 0, done.output
    declared = loader.draft("t7")
    assert declared.options["tap"] == TAP and declared.feeds["permit"].options == {"stream": "permits"}
    (seen,) = steps.look("t7")
    assert seen.profile.rows == 7 and seen.profile.keys[0] == ["id"]


def test_a_tap_given_by_options_is_not_asked_for(place) -> None:
    source = ["--source-option", f"tap={shlex.join(TAP)}", "--source-option", "config.how=slow"]
    feeds = ["--feed", "a=甲", "--feed", "b=乙", "--option", "a.stream=permits", "--option", "b.stream=towns"]
    done = new("t8", *GIVEN, "singer", *source, *feeds)
    assert done.exit_code == 0 and "（" not in done.output, done.output
    declared = loader.draft("t8")
    assert declared.options == {"tap": TAP, "config": {"how": "slow"}}
    assert [feed.options["stream"] for feed in declared.feeds.values()] == ["permits", "towns"]


def test_other_protocols_ask_for_what_they_require(place) -> None:
    feed = ["--feed", "a=甲"]
    done = new("t9", *GIVEN, "rest", *feed, answers="{kind: none}\n/permits\n")
    assert done.exit_code == 0, done.output
    assert loader.draft("t9").feeds["a"].options == {"paging": {"kind": "none"}, "path": "/permits"}


def test_where_nobody_answers_the_declaration_is_refused_and_leaves_no_file(place) -> None:
    done = new("t6", *GIVEN, "singer", "--feed", "a=甲", "--option", "stream=permits")
    assert isinstance(done.exception, ConfigurationError) and "tap" in str(done.exception)
    assert "t6" not in loader.names()
