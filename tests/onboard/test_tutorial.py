"""The tutorial, as a newcomer follows it: every command of ``docs/tutorial/README.md``, against its own server."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.__main__ import application
from core.settings import ROOT
from store.engine import transaction
from tests.hub import hub, migrated  # noqa: F401
from tests.onboard import foreign

TUTORIAL = ROOT / "docs" / "tutorial"
TEXT = (TUTORIAL / "README.md").read_text("utf-8")


@pytest.fixture
def register() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, TUTORIAL / "register.py", "0"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def test_the_tutorial_holds(hub, register: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    foreign.connect(monkeypatch, "town", host=register)
    (mapping,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    runner = CliRunner()
    with foreign.own_declarations(tmp_path / "own", monkeypatch) as place:
        for line in [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]:
            words = shlex.split(line.removesuffix(" || true"))[1:]
            done = runner.invoke(application(words[0]), words)
            refused = line.endswith("|| true")
            assert (done.exit_code != 0) == refused, f"{line}\n{done.output}\n{done.exception!r}"
            if refused:  # the person decides
                (place / "mappings/t1/permit.yaml").write_text(mapping, "utf-8")
                declared = place / "sources/t1.yaml"
                declared.write_text(declared.read_text("utf-8").replace("# ? ", "# "), "utf-8")
            foreign.forget()
        with transaction() as connection:
            assert connection.execute(sa.text("select count(*) from store.licence")).scalar_one() == 180
