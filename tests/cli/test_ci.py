""".ci/run installs what the tests ask for."""

from __future__ import annotations

import re
import stat
import subprocess

from core import settings

RUN = settings.ROOT / ".ci" / "run"


def test_it_is_a_bash_script_that_stops_at_the_first_failure_and_asks_nothing():
    text = RUN.read_text()
    assert RUN.stat().st_mode & stat.S_IXUSR
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "./onemap test" in text
    assert subprocess.run(["bash", "-n", RUN]).returncode == 0


def test_every_debian_package_that_a_test_needs_is_installed():
    packages = set(re.search(r"packages=\(\n(.*?)\n\)", RUN.read_text(), re.DOTALL)[1].split())
    needed = {
        package
        for path in (settings.ROOT / "tests").rglob("*.py")
        if path.name != "conftest.py" or path.parent.name != "tests"
        for package in re.findall(
            r"""\bneed\(\s*["'][^"']+["'],\s*["']([a-z0-9.+-]+)["']""", path.read_text(encoding="utf-8")
        )
    }
    assert needed, "no test needs a server?"
    assert needed <= packages
