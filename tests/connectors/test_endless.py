"""Small inputs that want endless work end: within memory, within time, and with a name for what they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from core.settings import ROOT
from tests.connectors.endless import ATTACKS

MIB = 512  # over what the process had before, what makes the attack counted
# attacks that have a sound record beside them: it is read
SOUND = {
    "multiRef: laughing": "1 rows over_limit",
    "multiRef: circle": "1 rows broken_reference",
    "multiRef: itself": "1 rows broken_reference",
    "xlink: laughing": "1 rows over_limit",
    "xlink: circle": "1 rows geometry_unreadable",
    "xml: names of columns": "1 rows over_limit",
    "xlink: numbers that are none": "1 rows geometry_unreadable",
    "xlink: a dimension beyond": "1 rows geometry_unreadable",
    "d1: records that do not end": "0 rows over_limit",
    "workbook: a cell nowhere": "1 rows row_unreadable",
    "csv: quotes": "1 rows wrong_width",
    "csv: a long value": "1 rows over_limit",
    "workbook: the last row and column": "1 rows",
    "workbook: a number without end": "1 rows row_unreadable",
    "json: deep": "1 rows json_damaged",
    "json: deeper": "1 rows json_damaged",
}
NAMED = {  # codes of what is refused whole
    "archive_unsafe",
    "archive_damaged",
    "over_limit",
    "xml_unsafe",
    "unreadable",
    "xml_malformed",
    "ValueError",
}


@pytest.fixture(scope="module")
def ended() -> dict[str, dict]:
    """What became of each attack, read in a process with limits of its own."""
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "tests.connectors.endless"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'dags' / 'provider'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0, (lines[-1:], ran.stderr[-2000:])
    return {line["name"]: line for line in lines if "ended" in line}


@pytest.mark.parametrize("name", ATTACKS)
def test_it_ends_within_limits(ended, name):
    told = ended[name]
    assert told["mib"] < MIB
    assert told["ended"] != "MemoryError"
    if name in SOUND:
        assert told["ended"] == SOUND[name]


@pytest.mark.parametrize("name", [name for name in ATTACKS if name.startswith(("zip", "wk", "geojson"))])
def test_what_is_refused_whole_is_refused_by_name(ended, name):
    assert ended[name]["ended"] in NAMED | {"None"}
